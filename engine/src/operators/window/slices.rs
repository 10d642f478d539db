//! Slices: the parts that windows of HOP and CUMULATE have in common, each aggregated once.
//!
//! ```text
//!   HOP        │──────────────│              w1 = s1 + s2 + s3
//!                   │──────────────│         w2 =      s2 + s3 + s4
//!              │ s1 │ s2 │ s3 │ s4 │
//!
//!   CUMULATE   │────│                        w1 = s1
//!              │─────────│                   w2 = w1 + s2: what was added up stays
//! ```
//!
//! Rows of a slice that count in the same windows are together in a **bucket**. A row that comes
//! when some of its slice's windows are over counts in the others only: its bucket begins with the
//! first of these. So what a window gets does not hang on when it fires.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::{TimeWindow, WindowKind};

/// Groups of one bucket: the key and the group that has its state.
pub(super) type Groups = HashMap<u32, u32, foldhash::fast::FixedState>;

/// What rows have in common that count in the same windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    /// The end of the slice; under CUMULATE that of the longest window.
    pub(super) slice_end_ms: i64,
    /// The end of the first window in which the rows count.
    pub(super) from_end_ms: i64,
}

/// The open buckets and windows.
#[derive(Debug)]
pub(super) struct Slices {
    kind: WindowKind,
    /// In the order in which slices are put together.
    pub(super) buckets: BTreeMap<Bucket, Groups>,
    /// CUMULATE: what the windows that have fired had, by the end of the longest window.
    pub(super) running: BTreeMap<i64, Groups>,
    /// Ends of windows that have rows and have not fired.
    pending: BTreeSet<i64>,
}

/// The length of the slices of windows; none if they share none.
#[must_use]
pub(crate) fn slice_of(kind: WindowKind) -> Option<WindowKind> {
    let (size_ms, offset_ms) = match kind {
        WindowKind::Hop {
            slide_ms,
            size_ms,
            offset_ms,
        } => (gcd(slide_ms, size_ms), offset_ms),
        WindowKind::Cumulate {
            step_ms, offset_ms, ..
        } => (step_ms, offset_ms),
        WindowKind::Tumble { .. } | WindowKind::Session { .. } | WindowKind::Count { .. } => {
            return None;
        }
    };
    Some(WindowKind::Tumble { size_ms, offset_ms })
}

const fn gcd(left: i64, right: i64) -> i64 {
    let (mut left, mut right) = (left, right);
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

impl Slices {
    pub(super) fn new(kind: WindowKind) -> Self {
        Self {
            kind,
            buckets: BTreeMap::new(),
            running: BTreeMap::new(),
            pending: BTreeSet::new(),
        }
    }

    /// The bucket of rows in the slice that ends at `slice_end_ms`, of whose windows those for which
    /// `is_over` were over when the rows came; none if all were.
    pub(super) fn bucket_of(
        &self,
        slice_end_ms: i64,
        is_over: impl Fn(i64) -> bool,
    ) -> Option<Bucket> {
        let mut from_end_ms = None;
        self.windows_of(slice_end_ms, |window| {
            if !is_over(window.end_ms) && from_end_ms.is_none_or(|end_ms| window.end_ms < end_ms) {
                from_end_ms = Some(window.end_ms);
            }
        });
        let slice_end_ms = match self.kind {
            WindowKind::Cumulate { size_ms, .. } => {
                self.kind.start_ms(slice_end_ms).saturating_add(size_ms)
            }
            _ => slice_end_ms,
        };
        Some(Bucket {
            slice_end_ms,
            from_end_ms: from_end_ms?,
        })
    }

    fn windows_of(&self, slice_end_ms: i64, mut give: impl FnMut(TimeWindow)) {
        self.kind.assign(slice_end_ms.saturating_sub(1), |window| {
            if window.end_ms >= slice_end_ms {
                give(window);
            }
        });
    }

    /// The groups of a bucket, whose windows have rows from now on.
    pub(super) fn groups_mut(&mut self, bucket: Bucket) -> &mut Groups {
        if !self.buckets.contains_key(&bucket) {
            let mut ends = Vec::new();
            match self.kind {
                WindowKind::Cumulate { step_ms, .. } => {
                    let mut end_ms = bucket.from_end_ms;
                    while end_ms <= bucket.slice_end_ms {
                        ends.push(end_ms);
                        end_ms += step_ms;
                    }
                }
                _ => self.windows_of(bucket.slice_end_ms, |window| ends.push(window.end_ms)),
            }
            let counts = ends.into_iter().filter(|end| *end >= bucket.from_end_ms);
            self.pending.extend(counts);
        }
        self.buckets.entry(bucket).or_default()
    }

    /// The end of the next window.
    pub(super) fn next_end_ms(&self) -> Option<i64> {
        self.pending.first().copied()
    }

    /// Takes the next window, which ends at `end_ms`, off the list.
    pub(super) fn begin(&mut self, end_ms: i64) {
        self.pending.remove(&end_ms);
    }

    /// HOP: the buckets of the window that ends at `end_ms`, in order.
    pub(super) fn of_window(&self, end_ms: i64) -> impl Iterator<Item = &Groups> {
        let size_ms = match self.kind {
            WindowKind::Hop { size_ms, .. } => size_ms,
            _ => 0,
        };
        let first = Bucket {
            slice_end_ms: end_ms.saturating_sub(size_ms).saturating_add(1),
            from_end_ms: i64::MIN,
        };
        let last = Bucket {
            slice_end_ms: end_ms,
            from_end_ms: end_ms,
        };
        self.buckets
            .range(first..=last)
            .filter(move |(bucket, _)| bucket.from_end_ms <= end_ms)
            .map(|(_, groups)| groups)
    }

    /// CUMULATE: takes out the buckets whose first window ends at `end_ms`, with the end of their
    /// longest window.
    pub(super) fn take_from(&mut self, end_ms: i64) -> Vec<(i64, Groups)> {
        let first: Vec<Bucket> = self
            .buckets
            .keys()
            .filter(|bucket| bucket.from_end_ms == end_ms)
            .copied()
            .collect();
        first
            .into_iter()
            .filter_map(|bucket| Some((bucket.slice_end_ms, self.buckets.remove(&bucket)?)))
            .collect()
    }

    /// The end of the longest of the windows of CUMULATE of which one ends at `end_ms`.
    pub(super) fn last_end_ms(&self, end_ms: i64) -> i64 {
        match self.kind {
            WindowKind::Cumulate { size_ms, .. } => {
                self.kind.start_ms(end_ms).saturating_add(size_ms)
            }
            _ => end_ms,
        }
    }

    /// Takes out what no window needs any more behind the one that ended at `end_ms`.
    pub(super) fn take_done(&mut self, end_ms: i64) -> Vec<Groups> {
        let mut done = Vec::new();
        match self.kind {
            WindowKind::Cumulate { .. } => done.extend(self.running.remove(&end_ms)),
            _ => {
                while let Some(entry) = self.buckets.first_entry() {
                    let slice_end_ms = entry.key().slice_end_ms;
                    let mut last_ms = slice_end_ms;
                    self.kind.assign(slice_end_ms - 1, |window| {
                        last_ms = last_ms.max(window.end_ms);
                    });
                    if last_ms > end_ms {
                        break;
                    }
                    done.push(entry.remove());
                }
            }
        }
        done
    }

    /// All groups with the bucket that says the same from now on: windows that have fired are not
    /// in it.
    pub(super) fn all(&self) -> Vec<(Bucket, &Groups)> {
        let next = |bucket: &Bucket| {
            let mut from = self.pending.range(bucket.from_end_ms..);
            Bucket {
                slice_end_ms: bucket.slice_end_ms,
                from_end_ms: from.next().copied().unwrap_or(bucket.from_end_ms),
            }
        };
        let running = self.running.iter().map(|(&last_end_ms, groups)| {
            let start_ms = self.kind.start_ms(last_end_ms);
            let mut from = self.pending.range(start_ms.saturating_add(1)..);
            let bucket = Bucket {
                slice_end_ms: last_end_ms,
                from_end_ms: from.next().copied().unwrap_or(last_end_ms),
            };
            (bucket, groups)
        });
        let buckets = self.buckets.iter();
        running
            .chain(buckets.map(|(bucket, groups)| (next(bucket), groups)))
            .collect()
    }

    /// Bytes of the lists.
    pub(super) fn state_bytes(&self) -> usize {
        let all = self.buckets.values().chain(self.running.values());
        let of_groups: usize = all.map(|groups| groups.capacity() * 10 + 96).sum();
        of_groups + self.pending.len() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: WindowKind = WindowKind::Hop {
        slide_ms: 5,
        size_ms: 15,
        offset_ms: 0,
    };
    const CUMULATE: WindowKind = WindowKind::Cumulate {
        step_ms: 5,
        size_ms: 15,
        offset_ms: 0,
    };

    fn bucket(slice_end_ms: i64, from_end_ms: i64) -> Bucket {
        Bucket {
            slice_end_ms,
            from_end_ms,
        }
    }

    #[test]
    fn a_late_row_counts_in_the_windows_that_are_open() {
        let slices = Slices::new(HOP);
        let at = |watermark_ms: i64| slices.bucket_of(10, |end_ms| watermark_ms >= end_ms - 1);
        assert_eq!(at(0), Some(bucket(10, 10)));
        assert_eq!(at(9), Some(bucket(10, 15)));
        assert_eq!(at(18), Some(bucket(10, 20)));
        assert_eq!(at(19), None);
        let slices = Slices::new(CUMULATE);
        let at = |watermark_ms: i64| slices.bucket_of(10, |end_ms| watermark_ms >= end_ms - 1);
        assert_eq!(at(0), Some(bucket(15, 10)));
        assert_eq!(at(9), Some(bucket(15, 15)));
        assert_eq!(at(14), None);
    }

    #[test]
    fn windows_are_made_of_their_slices() {
        let mut slices = Slices::new(HOP);
        for (group, bucket) in (0..).zip([bucket(5, 5), bucket(10, 10), bucket(10, 15)]) {
            slices.groups_mut(bucket).insert(7, group);
        }
        let of = |slices: &Slices, end_ms: i64| -> Vec<u32> {
            let groups = slices.of_window(end_ms);
            groups.flat_map(|groups| groups.values().copied()).collect()
        };
        assert_eq!(slices.next_end_ms(), Some(5));
        assert_eq!(of(&slices, 5), [0]);
        assert_eq!(of(&slices, 10), [0, 1]);
        assert_eq!(of(&slices, 15), [0, 1, 2]);
        assert_eq!(of(&slices, 20), [1, 2]);
        for end_ms in [5, 10] {
            slices.begin(end_ms);
            assert!(slices.take_done(end_ms).is_empty());
        }
        let saved: Vec<Bucket> = slices.all().into_iter().map(|(bucket, _)| bucket).collect();
        assert_eq!(saved, [bucket(5, 15), bucket(10, 15), bucket(10, 15)]);
        slices.begin(15);
        assert_eq!(slices.take_done(15).len(), 1);
        assert_eq!(slices.next_end_ms(), Some(20));
    }

    #[test]
    fn slices_have_the_longest_length_that_fits() {
        let of = |slide_ms, size_ms| {
            slice_of(WindowKind::Hop {
                slide_ms,
                size_ms,
                offset_ms: 1,
            })
        };
        let tumble = |size_ms| {
            Some(WindowKind::Tumble {
                size_ms,
                offset_ms: 1,
            })
        };
        assert_eq!(of(5, 15), tumble(5));
        assert_eq!(of(4, 6), tumble(2));
        assert_eq!(slice_of(WindowKind::Session { gap_ms: 1 }), None);
    }
}
