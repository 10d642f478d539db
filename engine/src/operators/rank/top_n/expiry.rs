//! Partitions that are forgotten when their rows have not changed for a while.
//!
//! Flink keeps each value of the sort key under a time to live of its own and the rows of busy
//! partitions in a cache beside it, which never forgets; so a partition is forgotten here as a
//! whole, and only when nothing has changed in it. Nothing is sent then; its next row is the first
//! one again.
//!
//! Source: Flink 2.3, `AppendOnlyTopNFunction`, `RetractableTopNFunction` and `FastTop1Function`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use super::TopN;
use crate::error::Result;
use crate::operators::deduplicate::with_column;
use crate::state::{SortValue, StateTable};

impl<K: SortValue> TopN<K> {
    /// Rows of the partition have come or gone.
    pub(super) fn written(&mut self, id: u32) {
        if let Some((now_ms, _)) = self.clock {
            self.last_writes.write(id, now_ms);
        }
    }

    /// Before a row of the partition is looked at: what has come to its end is not there.
    pub(super) fn forget_expired(&mut self, id: u32) {
        if let Some((now_ms, ttl_ms)) = self.clock
            && self.last_writes.is_expired(id, now_ms, ttl_ms)
        {
            self.clear(id);
        }
    }

    /// Forgets what nobody asks for, a few partitions a step.
    pub(super) fn sweep(&mut self, now_ms: i64, ttl_ms: i64) -> Result<()> {
        for id in self.last_writes.sweep(self.ids.len(), now_ms, ttl_ms) {
            self.clear(id);
            self.index.remove(id);
        }
        self.ids.clear();
        self.rows.settle()
    }

    fn clear(&mut self, id: u32) {
        while self.n_entries(id) > 0 {
            self.remove(id, self.n_entries(id) - 1);
        }
        if let Some(partition) = self.partitions.get_mut(id as usize) {
            partition.end = None;
        }
        self.last_writes.forget(id);
    }

    /// Adds the time of the last change to the saved rows, where there is any.
    pub(super) fn save_last_writes(&self, tables: &mut [StateTable]) -> Result<()> {
        let times = || {
            (0_u32..).zip(&self.partitions).flat_map(|(id, partition)| {
                partition
                    .entries
                    .iter()
                    .map(move |_| self.last_writes.get(id))
            })
        };
        if times().all(|time| time.is_none()) {
            return Ok(());
        }
        let times: ArrayRef = Arc::new(times().collect::<Int64Array>());
        if let Some(table) = tables.first_mut() {
            table.batch = with_column(&table.batch, "last_write", times)?;
        }
        Ok(())
    }

    /// Of the rows that were just taken in.
    pub(super) fn restore_last_writes(&mut self, times: Option<&ArrayRef>) {
        let Some(times) = times.and_then(|times| times.as_primitive_opt::<Int64Type>()) else {
            return;
        };
        self.last_writes.resize(self.index.end());
        for (&id, time) in self.ids.iter().zip(times) {
            if let Some(time) = time {
                self.last_writes.write(id, time);
            }
        }
    }
}
