//! ChangelogNormalize: what a source of changes says about its keys becomes a changelog without
//! duplicates and gaps.
//!
//! ```text
//!   +I 1 a          +I 1 a
//!   +I 1 a    ──▶                   the same row again: nothing
//!   +U 1 b          -U 1 a  +U 1 b
//!   -U 1 b                          not needed: the row is known
//!   -D 1 c          -D 1 b          what goes is what was there
//! ```
//!
//! With a time to live a row that has not come for so long is as if it had never been, and every
//! row that comes is sent, changed or not, so that those who read it keep it too.
//!
//! Source: Flink 2.3, `StreamExecChangelogNormalize` with `table.exec.source.cdc-events-duplicate`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::deduplicate::with_column;
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, Place, RowStore, StateTable};

/// A ChangelogNormalize.
#[derive(Debug, Clone)]
pub struct ChangelogNormalizeSpec {
    /// The columns of the primary key.
    pub key_columns: Vec<usize>,
    /// Schema of the rows that come and leave.
    pub schema: SchemaRef,
}

impl OperatorFactory for ChangelogNormalizeSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(ChangelogNormalize {
            spec: self.clone(),
            columns: (0..self.schema.fields().len()).collect(),
            index: KeyIndex::of_columns(&self.schema, &self.key_columns)?,
            slots: Vec::new(),
            rows: RowStore::new(SchemaRef::clone(&self.schema)),
            last_writes: LastWrites::default(),
        }))
    }
}

struct ChangelogNormalize {
    spec: ChangelogNormalizeSpec,
    /// All of them.
    columns: Vec<usize>,
    index: KeyIndex,
    /// By key: the row that is there, or [`NO_ROW`].
    slots: Vec<u32>,
    rows: RowStore,
    /// When the row of each key came last, if rows have a time to live.
    last_writes: LastWrites,
}

const NO_ROW: u32 = u32::MAX;

/// The name of the table of a checkpoint.
const ROWS: &str = "rows";

impl Operator for ChangelogNormalize {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let ids = self.enter(&delta)?;
        let now_ms = ctx.processing_time_ms;
        if let Some(ttl_ms) = ctx.state_ttl_ms {
            self.last_writes.resize(self.index.end());
            for &id in &ids {
                if self.last_writes.is_expired(id, now_ms, ttl_ms) {
                    self.forget(id);
                }
            }
        }
        let block = self.rows.admit(delta.batch().clone());
        let mut kinds = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let mut gone = Vec::new();
        for (row_idx, &id) in (0_u32..).zip(&ids) {
            let known = self.slots.get(id as usize).copied().unwrap_or(NO_ROW);
            let before = (known != NO_ROW).then(|| self.rows.place(known));
            match delta.kind(row_idx as usize) {
                RowKind::UpdateBefore => {}
                RowKind::Delete => {
                    if let Some(before) = before {
                        kinds.push(RowKind::Delete);
                        places.push(before);
                        self.rows.release(known);
                        self.set(id, NO_ROW);
                    }
                    gone.push(id);
                }
                RowKind::Insert | RowKind::UpdateAfter => {
                    let after = RowStore::place_in(block, row_idx);
                    match before {
                        None => kinds.push(RowKind::Insert),
                        Some(before)
                            if ctx.state_ttl_ms.is_none()
                                && self.rows.equal_rows(before, after, &self.columns) =>
                        {
                            continue;
                        }
                        Some(before) => {
                            kinds.extend([RowKind::UpdateBefore, RowKind::UpdateAfter]);
                            places.push(before);
                            self.rows.release(known);
                        }
                    }
                    places.push(after);
                    let slot = self.rows.keep(block, row_idx);
                    self.set(id, slot);
                    if ctx.state_ttl_ms.is_some() {
                        self.last_writes.write(id, now_ms);
                    }
                }
            }
        }
        if !kinds.is_empty() {
            out.emit(Delta::try_new(self.rows.gather(&places)?, kinds)?);
        }
        self.rows.settle()?;
        for id in gone {
            if self.slots.get(id as usize) == Some(&NO_ROW) {
                self.index.remove(id);
                self.last_writes.forget(id);
            }
        }
        Ok(())
    }

    fn on_step_end(&mut self, ctx: &StepContext, _out: &mut Output) -> Result<()> {
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return Ok(());
        };
        let now_ms = ctx.processing_time_ms;
        for id in self.last_writes.sweep(self.slots.len(), now_ms, ttl_ms) {
            self.forget(id);
            self.index.remove(id);
        }
        self.rows.settle()
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let kept = || {
            (0_u32..)
                .zip(&self.slots)
                .filter(|(_, slot)| **slot != NO_ROW)
        };
        let mut batch = self.rows.gather_slots(kept().map(|(_, &slot)| slot))?;
        let times = || kept().map(|(id, _)| self.last_writes.get(id));
        if times().any(|time| time.is_some()) {
            let times: ArrayRef = Arc::new(times().collect::<Int64Array>());
            batch = with_column(&batch, "last_write", times)?;
        }
        Ok(vec![StateTable {
            name: ROWS,
            batch,
            key_columns: self.spec.key_columns.clone(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            if table.name != ROWS {
                return Err(EngineError::Data {
                    message: "the saved rows are not those of a ChangelogNormalize".to_owned(),
                });
            }
            let n_columns = self.spec.schema.fields().len();
            let mut columns = table.batch.columns().to_vec();
            let times = columns.split_off(n_columns.min(columns.len()));
            let batch = RecordBatch::try_new(SchemaRef::clone(&self.spec.schema), columns)?;
            let delta = Delta::insert_only(batch);
            let ids = self.enter(&delta)?;
            let block = self.rows.admit(delta.batch().clone());
            for (row_idx, &id) in (0_u32..).zip(&ids) {
                let slot = self.rows.keep(block, row_idx);
                self.set(id, slot);
            }
            let times = times
                .first()
                .and_then(|times| times.as_primitive_opt::<Int64Type>());
            if let Some(times) = times {
                self.last_writes.resize(self.index.end());
                for (&id, time) in ids.iter().zip(times) {
                    if let Some(time) = time {
                        self.last_writes.write(id, time);
                    }
                }
            }
            self.rows.settle()?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.slots.capacity() * size_of::<u32>()
            + self.rows.state_bytes()
            + self.last_writes.state_bytes()
    }
}

impl ChangelogNormalize {
    /// The ids of the rows' keys; makes place for them.
    fn enter(&mut self, delta: &Delta) -> Result<Vec<u32>> {
        let key = super::group_changes::columns_at(delta.batch(), &self.spec.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        if self.slots.len() < self.index.end() {
            self.slots.resize(self.index.end(), NO_ROW);
        }
        Ok(ids)
    }

    /// The row of a key is not there any more; nothing is sent.
    fn forget(&mut self, id: u32) {
        let slot = self.slots.get(id as usize).copied().unwrap_or(NO_ROW);
        if slot != NO_ROW {
            self.rows.release(slot);
            self.set(id, NO_ROW);
        }
        self.last_writes.forget(id);
    }

    fn set(&mut self, id: u32, slot: u32) {
        if let Some(known) = self.slots.get_mut(id as usize) {
            *known = slot;
        }
    }
}
