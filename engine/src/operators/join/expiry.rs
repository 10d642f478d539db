//! Rows that are forgotten when they have not been written for a while: `table.exec.state.ttl`, or
//! what a hint says of a side.
//!
//! As in Flink nothing is sent when a row is forgotten, and partners keep their counts: every row
//! of a side whose lonely rows are shown has a counter then, as with a residual condition.

use std::collections::VecDeque;

use super::Join;
use crate::error::Result;
use crate::operators::StepContext;

/// When the rows of a side were written, the oldest first. A row that was written again stands
/// here several times; only the last one counts.
#[derive(Debug, Default)]
pub(super) struct Writes {
    queue: VecDeque<(i64, u32)>,
    /// By slot.
    last_ms: Vec<i64>,
}

impl Writes {
    pub(super) fn write(&mut self, slot: u32, now_ms: i64) {
        let place = slot as usize;
        if self.last_ms.len() <= place {
            self.last_ms.resize(place + 1, i64::MIN);
        }
        if let Some(last_ms) = self.last_ms.get_mut(place) {
            *last_ms = now_ms;
        }
        self.queue.push_back((now_ms, slot));
    }

    /// When the row was written last, where rows have an end.
    pub(super) fn last(&self, slot: u32) -> Option<i64> {
        let last_ms = self.last_ms.get(slot as usize).copied();
        last_ms.filter(|&last_ms| last_ms != i64::MIN)
    }

    /// Whether no row was ever written.
    pub(super) const fn is_unused(&self) -> bool {
        self.last_ms.is_empty()
    }

    /// Rows have no end any more.
    fn clear(&mut self) {
        if !self.is_unused() {
            *self = Self::default();
        }
    }

    /// Takes in when these rows were written, in any order.
    pub(super) fn restore(&mut self, writes: impl Iterator<Item = (u32, i64)>) {
        for (slot, written_ms) in writes {
            self.write(slot, written_ms);
        }
        self.queue.make_contiguous().sort_unstable();
    }

    /// The row is gone; its slot may be another row's soon.
    pub(super) fn forget(&mut self, slot: u32) {
        if let Some(last_ms) = self.last_ms.get_mut(slot as usize) {
            *last_ms = i64::MIN;
        }
    }

    /// The next row that has come to its end.
    fn expired(&mut self, now_ms: i64, ttl_ms: i64) -> Option<u32> {
        while let Some(&(written_ms, slot)) = self.queue.front() {
            if written_ms.saturating_add(ttl_ms) > now_ms {
                return None;
            }
            self.queue.pop_front();
            if self.last_ms.get(slot as usize) == Some(&written_ms) {
                self.forget(slot);
                return Some(slot);
            }
        }
        None
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.queue.capacity() * size_of::<(i64, u32)>() + self.last_ms.capacity() * size_of::<i64>()
    }
}

impl Join {
    /// Forgets what has come to its end, before anything is looked at.
    pub(super) fn expire(&mut self, ctx: &StepContext) -> Result<()> {
        let ttls_ms = self.spec.retention.map(|it| it.ttl_ms(ctx.state_ttl_ms));
        let now_ms = ctx.processing_time_ms;
        self.written_ms = ttls_ms.map(|ttl_ms| ttl_ms.map(|_| now_ms));
        let kind = self.spec.kind;
        let some_end = ttls_ms != [None, None];
        let mut keys = Vec::new();
        for (port, (side, ttl_ms)) in self.sides.iter_mut().zip(ttls_ms).enumerate() {
            let must_count = some_end && kind.counts_partners(port);
            if must_count && side.degrees.is_none() && side.rows.n_rows() == 0 {
                side.degrees = Some(Vec::new());
            }
            let Some(ttl_ms) = ttl_ms else {
                side.writes.clear();
                continue;
            };
            if side.writes.is_unused() && side.rows.n_rows() > 0 {
                // Saved when rows had no end: it counts from now.
                let slots = side.rows.all_rows().into_iter();
                side.writes.restore(slots.map(|slot| (slot, now_ms)));
            }
            while let Some(slot) = side.writes.expired(now_ms, ttl_ms) {
                let key = side.rows.key_of(slot);
                side.rows.remove_slot(slot);
                side.add(key, -1);
                keys.push(key);
            }
            side.rows.settle()?;
        }
        self.forget_keys(keys);
        Ok(())
    }
}
