//! The rows of one key, by time.

/// No look through the rows of a side is planned.
pub(super) const NO_TIMER: i64 = i64::MAX;

/// What both sides have kept of a key.
#[derive(Debug, Default)]
pub(super) struct KeyCache {
    left: Side,
    right: Side,
}

#[derive(Debug)]
struct Side {
    /// Time and slot, sorted by time; equal times in order of arrival.
    rows: Vec<(i64, u32)>,
    timer_ms: i64,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            timer_ms: NO_TIMER,
        }
    }
}

impl Side {
    const fn is_idle(&self) -> bool {
        self.rows.is_empty() && self.timer_ms == NO_TIMER
    }
}

impl KeyCache {
    const fn side(&self, port: usize) -> &Side {
        if port == 0 { &self.left } else { &self.right }
    }

    const fn side_mut(&mut self, port: usize) -> &mut Side {
        if port == 0 {
            &mut self.left
        } else {
            &mut self.right
        }
    }

    /// Keeps a row; rows mostly come in the order of their times.
    pub(super) fn insert(&mut self, port: usize, time_ms: i64, slot: u32) {
        let rows = &mut self.side_mut(port).rows;
        let place = match rows.last() {
            Some((last_ms, _)) if *last_ms > time_ms => {
                rows.partition_point(|(other_ms, _)| *other_ms <= time_ms)
            }
            _ => rows.len(),
        };
        rows.insert(place, (time_ms, slot));
    }

    /// The rows of a side with times in `[from_ms, to_ms]`.
    pub(super) fn between(
        &self,
        port: usize,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Iterator<Item = u32> + '_ {
        let rows = &self.side(port).rows;
        let start = rows.partition_point(|(time_ms, _)| *time_ms < from_ms);
        rows.iter()
            .skip(start)
            .take_while(move |(time_ms, _)| *time_ms <= to_ms)
            .map(|(_, slot)| *slot)
    }

    /// Takes out the rows of a side with times up to `until_ms`.
    pub(super) fn take_until(&mut self, port: usize, until_ms: i64) -> Vec<u32> {
        let rows = &mut self.side_mut(port).rows;
        let end = rows.partition_point(|(time_ms, _)| *time_ms <= until_ms);
        rows.drain(..end).map(|(_, slot)| slot).collect()
    }

    /// The time of the oldest row of a side.
    pub(super) fn first_ms(&self, port: usize) -> Option<i64> {
        self.side(port).rows.first().map(|(time_ms, _)| *time_ms)
    }

    /// All rows of a side.
    pub(super) fn rows(&self, port: usize) -> &[(i64, u32)] {
        &self.side(port).rows
    }

    pub(super) const fn timer(&self, port: usize) -> i64 {
        self.side(port).timer_ms
    }

    pub(super) const fn set_timer(&mut self, port: usize, timer_ms: i64) {
        self.side_mut(port).timer_ms = timer_ms;
    }

    /// Whether nothing is known of the key. A timer whose rows have gone still holds: the next row
    /// sets none of its own before it.
    pub(super) const fn is_empty(&self) -> bool {
        self.left.is_idle() && self.right.is_idle()
    }
}
