//! Windows over time: which ones a row belongs to, and the operators that work window by window.
//!
//! ```text
//!   TUMBLE     │──────│──────│──────│
//!   HOP        │───────────│              each row lies in size / slide windows
//!                    │───────────│
//!   CUMULATE   │────│                     from the same start, one step longer each
//!              │─────────│
//!   SESSION      │─•─•──•──│   │•──│      as long as no gap lies between the rows of a key
//! ```
//!
//! A window is [start, end) in wall-clock milliseconds: of an instant (TIMESTAMP_LTZ) that is the
//! clock of the session's time zone, so that days begin at local midnight. It is over when the
//! watermark reaches its last millisecond.
//!
//! Source: `TumblingWindowAssigner`, `SlidingWindowAssigner`, `CumulativeWindowAssigner` and
//! `TimeWindow` of Flink 2.3.
pub(crate) mod assign;

pub mod tvf;

mod accumulators;

pub mod aggregate;

pub mod firing;

mod slices;

mod shared;

pub mod count;

pub mod session;

mod open_sessions;

mod session_aggregate;

pub mod batch;

#[cfg(test)]
mod tests;

use std::fmt;

use chrono::DateTime;

pub use aggregate::{GroupRole, SliceOrder, WindowAggregateSpec, WindowTime};
pub use batch::{WindowBatchSpec, WindowInput};
pub use count::CountWindowSpec;
pub use firing::Firing;
pub use session::SessionTvfSpec;
pub(crate) use slices::slice_of;
pub use tvf::WindowTvfSpec;

use crate::functions::cast::temporal::{to_instant, to_local};

/// A window: `[start, end)` in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// First millisecond.
    pub start_ms: i64,
    /// First millisecond behind it.
    pub end_ms: i64,
}

impl TimeWindow {
    /// The least window that holds both.
    fn cover(self, other: Self) -> Self {
        Self {
            start_ms: self.start_ms.min(other.start_ms),
            end_ms: self.end_ms.max(other.end_ms),
        }
    }
}

/// A kind of window with its measures, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowKind {
    /// One behind the other.
    Tumble {
        /// Length.
        size_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// Overlapping, or with gaps between.
    Hop {
        /// From start to start.
        slide_ms: i64,
        /// Length.
        size_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// Growing from the same start.
    Cumulate {
        /// By how much they grow.
        step_ms: i64,
        /// Length of the longest.
        size_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// As long as rows follow each other.
    Session {
        /// Time without rows that ends a session.
        gap_ms: i64,
    },
    /// So many rows of a key, by processing time.
    Count {
        /// Rows from start to start.
        slide: i64,
        /// Rows of a window.
        size: i64,
    },
}

impl WindowKind {
    /// The windows of a row at `time_ms`, in Flink's order; of a session the part that this row
    /// alone makes. `give` is called for each.
    #[inline]
    pub fn assign(self, time_ms: i64, mut give: impl FnMut(TimeWindow)) {
        match self {
            Self::Tumble { size_ms, offset_ms } => {
                let start_ms = start_of(time_ms, offset_ms, size_ms);
                give(TimeWindow {
                    start_ms,
                    end_ms: start_ms.saturating_add(size_ms),
                });
            }
            Self::Hop {
                slide_ms,
                size_ms,
                offset_ms,
            } => {
                let mut start_ms = start_of(time_ms, offset_ms, slide_ms);
                while start_ms > time_ms.saturating_sub(size_ms) {
                    give(TimeWindow {
                        start_ms,
                        end_ms: start_ms.saturating_add(size_ms),
                    });
                    start_ms -= slide_ms;
                }
            }
            Self::Cumulate {
                step_ms,
                size_ms,
                offset_ms,
            } => {
                let start_ms = start_of(time_ms, offset_ms, size_ms);
                let mut end_ms = start_of(time_ms, offset_ms, step_ms).saturating_add(step_ms);
                while end_ms <= start_ms.saturating_add(size_ms) {
                    give(TimeWindow { start_ms, end_ms });
                    end_ms += step_ms;
                }
            }
            Self::Session { gap_ms } => give(TimeWindow {
                start_ms: time_ms,
                end_ms: time_ms.saturating_add(gap_ms),
            }),
            // It has no times, and is found by counting.
            Self::Count { .. } => give(TimeWindow {
                start_ms: 0,
                end_ms: 0,
            }),
        }
    }

    /// The start of the window that ends at `end_ms`; of a session, which is as long as it is, the
    /// same.
    #[must_use]
    pub fn start_ms(self, end_ms: i64) -> i64 {
        match self {
            Self::Tumble { size_ms, .. } | Self::Hop { size_ms, .. } => {
                end_ms.saturating_sub(size_ms)
            }
            Self::Cumulate {
                size_ms, offset_ms, ..
            } => start_of(end_ms.saturating_sub(1), offset_ms, size_ms),
            Self::Session { .. } | Self::Count { .. } => end_ms,
        }
    }

    /// Whether windows are the same for all keys, and known before the rows.
    #[must_use]
    pub const fn is_aligned(self) -> bool {
        !matches!(self, Self::Session { .. } | Self::Count { .. })
    }

    /// The name of the table function.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tumble { .. } => "TUMBLE",
            Self::Hop { .. } => "HOP",
            Self::Cumulate { .. } => "CUMULATE",
            Self::Session { .. } => "SESSION",
            Self::Count { .. } => "COUNT",
        }
    }
}

/// The start of the window of `size_ms` that holds `time_ms`.
#[inline]
fn start_of(time_ms: i64, offset_ms: i64, size_ms: i64) -> i64 {
    time_ms - (time_ms - offset_ms).rem_euclid(size_ms)
}

impl fmt::Display for WindowKind {
    /// As EXPLAIN shows the measures: `size=[5 s], offset=[1 s]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = match *self {
            Self::Tumble { size_ms, offset_ms } => {
                write!(f, "size=[{}]", Span(size_ms))?;
                offset_ms
            }
            Self::Hop {
                slide_ms,
                size_ms,
                offset_ms,
            } => {
                write!(f, "size=[{}], slide=[{}]", Span(size_ms), Span(slide_ms))?;
                offset_ms
            }
            Self::Cumulate {
                step_ms,
                size_ms,
                offset_ms,
            } => {
                write!(f, "max_size=[{}], step=[{}]", Span(size_ms), Span(step_ms))?;
                offset_ms
            }
            Self::Session { gap_ms } => {
                write!(f, "gap=[{}]", Span(gap_ms))?;
                0
            }
            Self::Count { slide, size } => {
                write!(f, "size=[{size} rows], slide=[{slide} rows]")?;
                0
            }
        };
        if offset != 0 {
            write!(f, ", offset=[{}]", Span(offset))?;
        }
        Ok(())
    }
}

/// A span as Flink writes it: the largest unit that divides it.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit_ms, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1000, "s"),
        ] {
            if self.0 != 0 && self.0 % unit_ms == 0 {
                return write!(f, "{} {unit}", self.0 / unit_ms);
            }
        }
        write!(f, "{} ms", self.0)
    }
}

/// How times of rows and clocks of windows belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowClock {
    /// TIMESTAMP: the same.
    Wall,
    /// TIMESTAMP_LTZ: windows follow the clock of this zone.
    Zone(chrono_tz::Tz),
}

impl WindowClock {
    /// The wall clock of a row's time.
    #[inline]
    #[must_use]
    pub fn wall_ms(self, time_ms: i64) -> i64 {
        match self {
            Self::Wall | Self::Zone(chrono_tz::UTC) => time_ms,
            Self::Zone(zone) => match DateTime::from_timestamp_millis(time_ms) {
                Some(instant) => to_local(instant.naive_utc(), zone)
                    .and_utc()
                    .timestamp_millis(),
                None => time_ms,
            },
        }
    }

    /// The row time of a wall clock.
    #[inline]
    #[must_use]
    pub fn time_ms(self, wall_ms: i64) -> i64 {
        match self {
            Self::Wall | Self::Zone(chrono_tz::UTC) => wall_ms,
            Self::Zone(zone) => match DateTime::from_timestamp_millis(wall_ms) {
                Some(local) => to_instant(local.naive_utc(), zone)
                    .and_utc()
                    .timestamp_millis(),
                None => wall_ms,
            },
        }
    }

    /// Whether a window that ends at `end_ms` is over when the watermark is at `watermark_ms`.
    #[inline]
    #[must_use]
    pub fn is_over(self, end_ms: i64, watermark_ms: i64) -> bool {
        watermark_ms >= self.time_ms(end_ms.saturating_sub(1))
    }
}

#[cfg(test)]
mod measures {
    use super::*;

    fn windows(kind: WindowKind, time_ms: i64) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        kind.assign(time_ms, |window| {
            found.push((window.start_ms, window.end_ms))
        });
        found
    }

    #[test]
    fn windows_lie_where_flink_puts_them() {
        let tumble = WindowKind::Tumble {
            size_ms: 10,
            offset_ms: -3,
        };
        assert_eq!(windows(tumble, 6), [(-3, 7)]);
        assert_eq!(windows(tumble, 7), [(7, 17)]);
        assert_eq!(windows(tumble, -4), [(-13, -3)]);
        let hop = |slide_ms, size_ms| WindowKind::Hop {
            slide_ms,
            size_ms,
            offset_ms: 0,
        };
        assert_eq!(windows(hop(5, 10), 12), [(10, 20), (5, 15)]);
        // Between windows that leave gaps lies no window.
        assert_eq!(windows(hop(10, 5), 7), []);
        let cumulate = WindowKind::Cumulate {
            step_ms: 5,
            size_ms: 15,
            offset_ms: 0,
        };
        assert_eq!(windows(cumulate, 7), [(0, 10), (0, 15)]);
        assert_eq!(windows(WindowKind::Session { gap_ms: 5 }, 7), [(7, 12)]);
    }

    #[test]
    fn days_begin_at_local_midnight() {
        let clock = WindowClock::Zone(chrono_tz::Asia::Shanghai);
        assert_eq!(clock.wall_ms(0), 8 * 3_600_000);
        assert_eq!(clock.time_ms(8 * 3_600_000), 0);
        assert!(clock.is_over(8 * 3_600_000, -1));
        assert!(!clock.is_over(8 * 3_600_000, -2));
    }

    #[test]
    fn measures_are_shown_in_their_largest_unit() {
        let hop = WindowKind::Hop {
            slide_ms: 1_000,
            size_ms: 120_000,
            offset_ms: 0,
        };
        assert_eq!(hop.to_string(), "size=[2 min], slide=[1 s]");
    }
}
