//! The first or the last row of each key, by event time or by arrival.
//!
//! ```text
//!   first, arrival     the row at once: +I; nothing else is kept than the key
//!   first, event time  +I when the watermark passes the row; until then an earlier row replaces it;
//!                      rows behind the watermark are dropped
//!   last               +I, then -U/+U for every row that is not older than the kept one
//! ```
//!
//! Source: Flink 2.3, `ProcTimeDeduplicateKeepFirstRowFunction`, `RowTimeDeduplicateFunction`,
//! `RowTimeDeduplicateKeepFirstRowFunction`, and its answers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};

use super::group_changes::columns_at;
use super::rank::changes::RankedChanges;
use super::rowtime::{Cause, Waiting, times_of};
use super::{Emission, Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::{EngineError, Result};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, RowStore, StateTable};

/// The column of a checkpoint that says when a key was written last.
const LAST_WRITE: &str = "last_write";

/// Which row of a key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// A deduplication of insertions.
#[derive(Debug, Clone)]
pub struct DeduplicateSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the key.
    pub key_columns: Vec<usize>,
    /// Column of the event time; without one the order is that of arrival.
    pub time_column: Option<usize>,
    /// Which row is kept.
    pub keep: Keep,
    /// When changes are sent on.
    pub emission: Emission,
    /// Schema of the rows that leave: the first columns of the input.
    pub schema: SchemaRef,
}

impl OperatorFactory for DeduplicateSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Deduplicate {
            index: KeyIndex::of_columns(&self.input_schema, &self.key_columns)?,
            kept: Vec::new(),
            rows: RowStore::new(Arc::clone(&self.input_schema)),
            due: BinaryHeap::new(),
            n_arrived: 0,
            ids: Vec::new(),
            changes: RankedChanges::default(),
            touched: Vec::new(),
            last_writes: LastWrites::default(),
            n_written: 0,
            n_late: 0,
            spec: self.clone(),
        }))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(self.keep == Keep::First && self.time_column.is_some())
    }

    fn recalls_rows(&self) -> bool {
        self.keep == Keep::Last
    }
}

struct Deduplicate {
    spec: DeduplicateSpec,
    index: KeyIndex,
    /// By id of the key.
    kept: Vec<Kept>,
    rows: RowStore,
    /// First rows that wait for the watermark: time, number of arrival, key. A row that was
    /// replaced stands here until its time.
    due: BinaryHeap<Reverse<(i64, u64, u32)>>,
    n_arrived: u64,
    ids: Vec<u32>,
    changes: RankedChanges,
    /// Keys whose last row has changed in this step (net), with the slot before it.
    touched: Vec<(u32, Option<u32>)>,
    /// When what is kept of each key was written last; only if state has a time to live.
    last_writes: LastWrites,
    /// Keys that this step has written.
    n_written: usize,
    /// Rows that came behind the watermark where the first one by event time is kept.
    n_late: u64,
}

#[derive(Debug, Clone, Copy, Default)]
enum Kept {
    #[default]
    Nothing,
    /// The row that waits (first) or is the newest (last).
    Row {
        slot: u32,
        waiting: Waiting,
        arrived: u64,
        is_touched: bool,
    },
    /// The first row has been sent.
    Done,
}

impl Operator for Deduplicate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "a deduplication planned for insertions got other changes",
            ));
        }
        let n_rows = delta.num_rows();
        let key = columns_at(delta.batch(), &self.spec.key_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, n_rows, &mut ids)?;
        self.kept
            .resize(self.index.end().max(self.kept.len()), Kept::default());
        if let Some(ttl_ms) = ctx.state_ttl_ms {
            self.last_writes.resize(self.index.end());
            for &id in &ids {
                if self
                    .last_writes
                    .is_expired(id, ctx.processing_time_ms, ttl_ms)
                {
                    self.forget(id);
                }
            }
        }
        let times = match self.spec.time_column {
            Some(column) => Some(times_of(delta.batch(), column)?),
            None => None,
        };
        let block = self.rows.admit(delta.batch().clone());
        for (row_idx, &id) in ids.iter().enumerate() {
            let waiting = Waiting {
                time_ms: times
                    .as_ref()
                    .and_then(|times| times.get(row_idx).copied())
                    .unwrap_or_default(),
                arrival_ms: ctx.watermark_at(&delta, row_idx),
            };
            if waiting.is_behind() && self.spec.keep == Keep::First && times.is_some() {
                self.n_late += 1;
                continue;
            }
            let row = row_idx as u32;
            self.changes.caused_by(Cause::of(&delta, row_idx));
            let is_written = match (self.spec.keep, times.is_some()) {
                (Keep::First, false) => self.first_to_come(id, block, row),
                (Keep::First, true) => self.first_in_time(id, block, row, waiting),
                (Keep::Last, _) => self.last(id, block, row, waiting),
            };
            if is_written && ctx.state_ttl_ms.is_some() {
                self.last_writes.write(id, ctx.processing_time_ms);
                self.n_written += 1;
            }
        }
        self.changes.caused_by(None);
        self.ids = ids;
        if self.spec.emission == Emission::NetPerStep && self.spec.keep == Keep::Last {
            return Ok(());
        }
        self.flush(out)
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if self.spec.keep == Keep::Last {
            // Nothing waits for a time, and the contents before the step are told at its end.
            return Ok(());
        }
        let (mut late, mut times) = (Vec::new(), Vec::new());
        while let Some(Reverse((time_ms, arrived, id))) = self.due.peek().copied() {
            if time_ms > watermark_ms {
                break;
            }
            self.due.pop();
            let Some(kept) = self.kept.get_mut(id as usize) else {
                continue;
            };
            if let Kept::Row {
                slot,
                waiting,
                arrived: known,
                ..
            } = *kept
                && known == arrived
            {
                if !waiting.has_fired(watermark_ms) {
                    // It met this watermark when it came, and leaves with the next one.
                    late.push(Reverse((time_ms, arrived, id)));
                    continue;
                }
                *kept = Kept::Done;
                times.push(time_ms);
                self.changes.push(RowKind::Insert, self.rows.place(slot), 1);
                self.rows.release(slot);
            }
        }
        self.due.extend(late);
        if !self.changes.is_empty() {
            let first = self.changes.take(&self.rows, &self.spec.schema, false)?;
            out.emit_timed(first, times.into_iter())?;
        }
        self.rows.settle()
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        for (id, before) in std::mem::take(&mut self.touched) {
            let Some(Kept::Row {
                slot, is_touched, ..
            }) = self.kept.get_mut(id as usize)
            else {
                continue;
            };
            *is_touched = false;
            let place = self.rows.place(*slot);
            match before {
                Some(before) => {
                    let before = self.rows.place(before);
                    self.changes.push(RowKind::UpdateBefore, before, 1);
                    self.changes.push(RowKind::UpdateAfter, place, 1);
                }
                None => self.changes.push(RowKind::Insert, place, 1),
            }
        }
        if let Some(ttl_ms) = ctx.state_ttl_ms {
            let n_written = std::mem::take(&mut self.n_written);
            let now_ms = ctx.processing_time_ms;
            for id in self.last_writes.sweep(n_written, now_ms, ttl_ms) {
                self.forget(id);
                self.index.remove(id);
            }
        }
        self.flush(out)
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let used = self.index.used_ids();
        let kept = |id: &u32| self.kept.get(*id as usize).copied().unwrap_or_default();
        let done: Vec<u32> = used
            .iter()
            .copied()
            .filter(|id| matches!(kept(id), Kept::Done))
            .collect();
        let mut waiting: Vec<(u64, u32, i64, u32)> = used
            .iter()
            .filter_map(|id| match kept(id) {
                Kept::Row {
                    slot,
                    waiting,
                    arrived,
                    ..
                } => Some((arrived, slot, waiting.arrival_ms, *id)),
                _ => None,
            })
            .collect();
        waiting.sort_unstable();
        let rows = self.rows.gather_slots(waiting.iter().map(|row| row.1))?;
        let arrivals = Int64Array::from_iter_values(waiting.iter().map(|row| row.2));
        let rows = with_column(&rows, "arrival_watermark", Arc::new(arrivals))?;
        let last_writes = |ids: &mut dyn Iterator<Item = u32>| -> ArrayRef {
            let last_writes = ids.map(|id| self.last_writes.get(id));
            Arc::new(last_writes.collect::<Int64Array>())
        };
        let of_rows = last_writes(&mut waiting.iter().map(|row| row.3));
        let of_done = last_writes(&mut done.iter().copied());
        Ok(vec![
            StateTable {
                name: "rows",
                batch: with_column(&rows, LAST_WRITE, of_rows)?,
                key_columns: self.spec.key_columns.clone(),
            },
            StateTable {
                name: "done",
                batch: with_column(&self.key_batch(&done)?, LAST_WRITE, of_done)?,
                key_columns: (0..self.spec.key_columns.len()).collect(),
            },
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            match table.name {
                "rows" => self.restore_rows(&table.batch)?,
                "done" => {
                    let mut ids = Vec::new();
                    let columns = table.batch.columns();
                    let (key, rest) = columns
                        .split_at_checked(self.spec.key_columns.len())
                        .ok_or_else(|| EngineError::internal("saved keys have too few columns"))?;
                    self.index.intern(key, table.batch.num_rows(), &mut ids)?;
                    self.restore_last_writes(&ids, rest.first());
                    self.kept
                        .resize(self.index.end().max(self.kept.len()), Kept::default());
                    for id in ids {
                        if let Some(kept) = self.kept.get_mut(id as usize) {
                            *kept = Kept::Done;
                        }
                    }
                }
                other => {
                    return Err(EngineError::internal(format!(
                        "a deduplication has no state '{other}'"
                    )));
                }
            }
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.kept.capacity() * size_of::<Kept>()
            + self.rows.state_bytes()
            + self.due.capacity() * size_of::<Reverse<(i64, u64, u32)>>()
            + self.last_writes.state_bytes()
    }
}

impl Deduplicate {
    /// As if the key had never come.
    fn forget(&mut self, id: u32) {
        let kept = self.kept.get_mut(id as usize).map(std::mem::take);
        if let Some(Kept::Row { slot, .. }) = kept {
            self.rows.release(slot);
        }
        self.last_writes.forget(id);
    }

    fn restore_last_writes(&mut self, ids: &[u32], column: Option<&ArrayRef>) {
        let column = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
        for (&id, written_ms) in ids.iter().zip(column.into_iter().flatten()) {
            if let Some(written_ms) = written_ms {
                self.last_writes.resize(self.index.end());
                self.last_writes.write(id, written_ms);
            }
        }
    }

    /// Whether the row is the first of its key.
    fn first_to_come(&mut self, id: u32, block: u32, row: u32) -> bool {
        if let Some(kept) = self.kept.get_mut(id as usize)
            && matches!(kept, Kept::Nothing)
        {
            *kept = Kept::Done;
            let place = RowStore::place_in(block, row);
            self.changes.push(RowKind::Insert, place, 1);
            return true;
        }
        false
    }

    /// Whether the row is the first of its key in event time, as far as is known.
    fn first_in_time(&mut self, id: u32, block: u32, row: u32, waiting: Waiting) -> bool {
        let Some(kept) = self.kept.get_mut(id as usize) else {
            return false;
        };
        match *kept {
            Kept::Done => return false,
            Kept::Row { waiting: known, .. }
                if known.has_fired(waiting.arrival_ms) || known.time_ms <= waiting.time_ms =>
            {
                return false;
            }
            Kept::Row { slot, .. } => self.rows.release(slot),
            Kept::Nothing => {}
        }
        self.n_arrived += 1;
        self.due
            .push(Reverse((waiting.time_ms, self.n_arrived, id)));
        *kept = Kept::Row {
            slot: self.rows.keep(block, row),
            waiting,
            arrived: self.n_arrived,
            is_touched: false,
        };
        true
    }

    /// Whether the row is the newest of its key.
    fn last(&mut self, id: u32, block: u32, row: u32, waiting: Waiting) -> bool {
        let Some(kept) = self.kept.get_mut(id as usize) else {
            return false;
        };
        let before = match *kept {
            Kept::Row { waiting: known, .. } if known.time_ms > waiting.time_ms => return false,
            Kept::Row {
                slot, is_touched, ..
            } => Some((slot, is_touched)),
            _ => None,
        };
        let slot = self.rows.keep(block, row);
        self.n_arrived += 1;
        *kept = Kept::Row {
            slot,
            waiting,
            arrived: self.n_arrived,
            is_touched: true,
        };
        if let Some((before, _)) = before {
            self.rows.release(before);
        }
        if self.spec.emission == Emission::NetPerStep {
            // The content before the step is told once.
            if !before.is_some_and(|(_, is_touched)| is_touched) {
                self.touched.push((id, before.map(|(slot, _)| slot)));
            }
            return true;
        }
        let place = self.rows.place(slot);
        match before {
            Some((before, _)) => {
                let before = self.rows.place(before);
                self.changes.push(RowKind::UpdateBefore, before, 1);
                self.changes.push(RowKind::UpdateAfter, place, 1);
            }
            None => self.changes.push(RowKind::Insert, place, 1),
        }
        true
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        if !self.changes.is_empty() {
            out.emit(self.changes.take(&self.rows, &self.spec.schema, false)?);
        }
        self.rows.settle()
    }

    fn key_batch(&self, ids: &[u32]) -> Result<RecordBatch> {
        let columns = self.index.keys(ids)?;
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(idx, column)| Field::new(format!("key{idx}"), column.data_type().clone(), true))
            .collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(ids.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &options,
        )?)
    }

    fn restore_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let n_columns = self.spec.input_schema.fields().len();
        let (columns, rest) = batch
            .columns()
            .split_at_checked(n_columns)
            .ok_or_else(|| EngineError::internal("saved rows have too few columns"))?;
        let arrivals = rest
            .first()
            .and_then(|it| it.as_primitive_opt::<Int64Type>());
        let rows = RecordBatch::try_new(Arc::clone(&self.spec.input_schema), columns.to_vec())?;
        let key = columns_at(&rows, &self.spec.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, rows.num_rows(), &mut ids)?;
        self.restore_last_writes(&ids, rest.get(1));
        self.kept
            .resize(self.index.end().max(self.kept.len()), Kept::default());
        let times = match self.spec.time_column {
            Some(column) => Some(times_of(&rows, column)?),
            None => None,
        };
        let block = self.rows.admit(rows);
        for (row_idx, &id) in ids.iter().enumerate() {
            let waiting = Waiting {
                time_ms: times
                    .as_ref()
                    .and_then(|times| times.get(row_idx).copied())
                    .unwrap_or_default(),
                arrival_ms: arrivals.map_or(NO_WATERMARK, |it| it.value(row_idx)),
            };
            self.n_arrived += 1;
            if self.spec.keep == Keep::First {
                self.due
                    .push(Reverse((waiting.time_ms, self.n_arrived, id)));
            }
            if let Some(kept) = self.kept.get_mut(id as usize) {
                *kept = Kept::Row {
                    slot: self.rows.keep(block, row_idx as u32),
                    waiting,
                    arrived: self.n_arrived,
                    is_touched: false,
                };
            }
        }
        self.rows.settle()
    }
}

/// `batch` with one more column.
pub(super) fn with_column(
    batch: &RecordBatch,
    name: &str,
    column: ArrayRef,
) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
    let mut columns = batch.columns().to_vec();
    columns.push(column);
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}
