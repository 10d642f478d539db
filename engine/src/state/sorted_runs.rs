//! A sorted list that is cheap to change in the middle: runs of a few hundred entries.
//!
//! Most lists fit into the first run and cost one allocation; a long one is a sequence of runs, so
//! that an insertion moves a run and not the list.

/// A run is split in two beyond this.
const MAX_RUN: usize = 512;

/// Entries in order. The caller says where a new entry belongs.
#[derive(Debug, Clone)]
pub struct SortedRuns<T> {
    first: Vec<T>,
    rest: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for SortedRuns<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            rest: Vec::new(),
            len: 0,
        }
    }
}

impl<T> SortedRuns<T> {
    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of entries for which `is_before` is true; it is true for none behind one for which
    /// it is false.
    pub fn partition_point(&self, mut is_before: impl FnMut(&T) -> bool) -> usize {
        let mut start = 0;
        for run in self.runs() {
            let is_whole = run.last().is_some_and(&mut is_before);
            if !is_whole {
                return start + run.partition_point(is_before);
            }
            start += run.len();
        }
        start
    }

    /// The entry at `position`.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&T> {
        self.range(position, position.saturating_add(1)).next()
    }

    /// The entry at `position`, to be changed without changing its order.
    pub fn get_mut(&mut self, position: usize) -> Option<&mut T> {
        let (run_idx, offset) = self.locate(position, false);
        self.run_mut(run_idx)?.get_mut(offset)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.rest.last().unwrap_or(&self.first).last()
    }

    /// The entries from `start` on, before `end`.
    pub fn range(&self, start: usize, end: usize) -> impl Iterator<Item = &T> {
        let mut skip = start;
        let mut first_run = 0;
        for run in self.runs() {
            if skip < run.len() {
                break;
            }
            skip -= run.len();
            first_run += 1;
        }
        self.runs()
            .skip(first_run)
            .flatten()
            .skip(skip)
            .take(end.saturating_sub(start))
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.runs().flatten()
    }

    /// Puts `entry` at `position`.
    pub fn insert(&mut self, position: usize, entry: T) {
        self.len += 1;
        let (run_idx, offset) = self.locate(position, true);
        let Some(run) = self.run_mut(run_idx) else {
            return;
        };
        run.insert(offset.min(run.len()), entry);
        if run.len() > MAX_RUN {
            let tail = run.split_off(MAX_RUN / 2);
            self.rest.insert(run_idx, tail);
        }
    }

    /// Takes out the entry at `position`.
    pub fn remove(&mut self, position: usize) -> Option<T> {
        if position >= self.len {
            return None;
        }
        let (run_idx, offset) = self.locate(position, false);
        let run = self.run_mut(run_idx)?;
        if offset >= run.len() {
            return None;
        }
        let entry = run.remove(offset);
        let is_empty = run.is_empty();
        self.len -= 1;
        if is_empty && !self.rest.is_empty() {
            if run_idx == 0 {
                self.first = self.rest.remove(0);
            } else {
                self.rest.remove(run_idx - 1);
            }
        }
        Some(entry)
    }

    /// Takes out the last entry.
    pub fn pop(&mut self) -> Option<T> {
        self.remove(self.len.checked_sub(1)?)
    }

    /// Bytes that the list holds, without what its entries hold elsewhere.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let n_entries: usize =
            self.first.capacity() + self.rest.iter().map(Vec::capacity).sum::<usize>();
        n_entries * size_of::<T>() + self.rest.capacity() * size_of::<Vec<T>>()
    }

    fn runs(&self) -> impl Iterator<Item = &Vec<T>> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    fn run_mut(&mut self, run_idx: usize) -> Option<&mut Vec<T>> {
        match run_idx {
            0 => Some(&mut self.first),
            _ => self.rest.get_mut(run_idx - 1),
        }
    }

    /// The run and the offset in it of `position`; the end of a run counts to it if `with_end`.
    fn locate(&self, position: usize, with_end: bool) -> (usize, usize) {
        let mut offset = position;
        for (run_idx, run) in self.runs().enumerate() {
            if offset < run.len() || (with_end && offset == run.len()) {
                return (run_idx, offset);
            }
            offset -= run.len();
        }
        (self.rest.len(), offset)
    }
}

#[cfg(test)]
mod tests {
    use super::SortedRuns;

    #[test]
    fn behaves_like_a_vector() {
        let mut runs = SortedRuns::default();
        let mut plain: Vec<u64> = Vec::new();
        let mut seed: u64 = 7;
        for _ in 0..6000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695);
            let value = seed >> 40;
            if value.is_multiple_of(4) && !plain.is_empty() {
                let position = (value as usize) % plain.len();
                assert_eq!(runs.remove(position), Some(plain.remove(position)));
                continue;
            }
            let position = runs.partition_point(|other| *other <= value);
            assert_eq!(position, plain.partition_point(|other| *other <= value));
            runs.insert(position, value);
            plain.insert(position, value);
        }
        assert!(runs.iter().eq(&plain));
        assert!(runs.range(1000, 1200).eq(plain.iter().skip(1000).take(200)));
        assert_eq!((runs.len(), runs.last()), (plain.len(), plain.last()));
        while let Some(value) = runs.pop() {
            assert_eq!(Some(value), plain.pop());
        }
    }
}
