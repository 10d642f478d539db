//! OVER by a column that is no time: every row is kept, and a change corrects the rows behind it.
//!
//! ```text
//!   partition  (1, s=1) (3, s=4) (5, s=9)      + row 2   ─▶  +I(2, 3)  -U(3, 4) +U(3, 6)  …
//! ```
//!
//! The rows of the partition are added up again from the first when a row comes between others;
//! a row behind all others is added to what is there.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};

use super::calls::{Calls, Moves, Reading};
use super::{Frame, OverSpec};
use crate::data::{Delta, RowKind, keys};
use crate::error::{EngineError, Result};
use crate::operators::deduplicate::with_column;
use crate::operators::group_changes::columns_at;
use crate::operators::rank::column_orders;
use crate::operators::{Emission, Operator, Output, SortKey, StepContext};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, Place, RowStore, SortKeys, SortValue, SortedRuns, StateTable};

/// An instance for the order of one column.
pub(super) fn create(spec: &OverSpec, key: SortKey) -> Result<Box<dyn Operator>> {
    if spec.frame.is_bounded() {
        return Err(EngineError::internal("a bounded frame by a value"));
    }
    let orders = column_orders(&spec.input_schema, &[key])?;
    let sort_keys = SortKeys::try_new(&orders)?;
    Ok(if SortKeys::fits_word(&orders) {
        Box::new(OverByValue::<u128>::try_new(spec, key, sort_keys)?)
    } else {
        Box::new(OverByValue::<Box<[u8]>>::try_new(spec, key, sort_keys)?)
    })
}

struct OverByValue<K> {
    spec: OverSpec,
    sort_column: usize,
    sort_keys: SortKeys,
    index: KeyIndex,
    partitions: Vec<Partition<K>>,
    calls: Calls,
    rows: RowStore,
    /// What was sent beside each row.
    values: RowStore,
    value_columns: Vec<usize>,
    row_columns: Vec<usize>,
    ids: Vec<u32>,
    changes: Changes,
    /// Partitions that this step (net) has touched, with their rows before it.
    touched: Vec<(u32, Vec<Sent>)>,
    /// When a row of each partition came or went last, if they have a time to live.
    last_writes: LastWrites,
    /// Now and the time to live, in a step of a job that has one.
    clock: Option<(i64, i64)>,
}

#[derive(Debug)]
struct Partition<K> {
    entries: SortedRuns<Entry<K>>,
    is_touched: bool,
    /// Whether the states of the functions are those of all rows.
    is_summed: bool,
}

impl<K> Default for Partition<K> {
    fn default() -> Self {
        Self {
            entries: SortedRuns::default(),
            is_touched: false,
            is_summed: true,
        }
    }
}

#[derive(Debug, Clone)]
struct Entry<K> {
    key: K,
    /// Hash of the row.
    tag: u64,
    slot: u32,
    /// Slot of the values that were sent; none before.
    value: Option<u32>,
}

/// A row with its values as they were before a step.
#[derive(Debug, Clone, Copy)]
struct Sent {
    slot: u32,
    row: Place,
    value: Place,
}

/// Changes in the order in which they will leave.
#[derive(Default)]
struct Changes {
    kinds: Vec<RowKind>,
    rows: Vec<Place>,
    values: Vec<Place>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, row: Place, value: Place) {
        self.kinds.push(kind);
        self.rows.push(row);
        self.values.push(value);
    }
}

impl<K: SortValue> OverByValue<K> {
    fn try_new(spec: &OverSpec, key: SortKey, sort_keys: SortKeys) -> Result<Self> {
        let fields: Vec<_> = spec
            .schema
            .fields()
            .iter()
            .skip(spec.n_passed())
            .cloned()
            .collect();
        let value_schema: SchemaRef = Arc::new(Schema::new(fields));
        Ok(Self {
            sort_column: key.column,
            sort_keys,
            index: KeyIndex::of_columns(&spec.input_schema, &spec.partition_columns)?,
            partitions: Vec::new(),
            calls: Calls::try_new(spec)?,
            rows: RowStore::new(Arc::clone(&spec.input_schema)),
            value_columns: (0..value_schema.fields().len()).collect(),
            row_columns: (0..spec.input_schema.fields().len()).collect(),
            values: RowStore::new(value_schema),
            ids: Vec::new(),
            changes: Changes::default(),
            touched: Vec::new(),
            last_writes: LastWrites::default(),
            clock: None,
            spec: spec.clone(),
        })
    }

    fn take_in(&mut self, delta: &Delta) -> Result<()> {
        let batch = delta.batch();
        let n_rows = delta.num_rows();
        let key = columns_at(batch, &self.spec.partition_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, n_rows, &mut ids)?;
        if self.partitions.len() < self.index.end() {
            self.partitions
                .resize_with(self.index.end(), Partition::default);
            self.calls.resize(self.index.end());
        }
        if self.clock.is_some() {
            self.last_writes.resize(self.index.end());
        }
        let sort_columns = columns_at(batch, &[self.sort_column])?;
        let sort_keys: Vec<K> = self.sort_keys.encode(&sort_columns, n_rows)?;
        let tags = keys::hash_rows(batch.columns(), n_rows)?;
        let block = self.rows.admit(batch.clone());
        for (row_idx, ((&id, key), tag)) in ids.iter().zip(sort_keys).zip(tags).enumerate() {
            let kind = delta.kind(row_idx);
            let row = row_idx as u32;
            if let Some((now_ms, ttl_ms)) = self.clock {
                if self.last_writes.is_expired(id, now_ms, ttl_ms) {
                    self.clear(id);
                }
                self.last_writes.write(id, now_ms);
            }
            self.remember(id);
            if kind.sign() > 0 {
                self.insert(id, key, tag, (block, row), kind)?;
            } else {
                self.retract(id, &key, tag, RowStore::place_in(block, row))?;
            }
        }
        self.ids = ids;
        Ok(())
    }

    /// Forgets the rows of a partition; nothing is sent, as in Flink.
    fn clear(&mut self, id: u32) {
        if let Some(partition) = self.partitions.get_mut(id as usize) {
            let entries = std::mem::take(&mut partition.entries);
            partition.is_summed = true;
            for entry in entries.iter() {
                self.rows.release(entry.slot);
                if let Some(value) = entry.value {
                    self.values.release(value);
                }
            }
        }
        self.calls.clear(id);
        self.last_writes.forget(id);
    }

    /// Before the first change of a partition in a step: what was sent of it.
    fn remember(&mut self, id: u32) {
        if self.spec.emission == Emission::RowByRow {
            return;
        }
        if let Some(partition) = self.partitions.get_mut(id as usize)
            && !std::mem::replace(&mut partition.is_touched, true)
        {
            let sent = partition.entries.iter().filter_map(|entry| {
                Some(Sent {
                    slot: entry.slot,
                    row: self.rows.place(entry.slot),
                    value: self.values.place(entry.value?),
                })
            });
            self.touched.push((id, sent.collect()));
        }
    }

    fn insert(
        &mut self,
        id: u32,
        key: K,
        tag: u64,
        (block, row): (u32, u32),
        kind: RowKind,
    ) -> Result<()> {
        let slot = self.rows.keep(block, row);
        let Some(partition) = self.partitions.get_mut(id as usize) else {
            return Ok(());
        };
        let position = partition.entries.partition_point(|entry| entry.key <= key);
        let is_last = position == partition.entries.len();
        let first_peer = partition.entries.partition_point(|entry| entry.key < key);
        let entry = Entry {
            key,
            tag,
            slot,
            value: None,
        };
        partition.entries.insert(position, entry);
        if self.spec.emission == Emission::NetPerStep {
            partition.is_summed = false;
            return Ok(());
        }
        let has_peers = self.spec.frame.has_peers() && first_peer < position;
        if is_last && !has_peers && partition.is_summed && self.calls.max_lag().is_none() {
            let values = self.append(id, position, slot)?;
            self.settle_values(id, &values, position, position + 1, position, kind);
            return Ok(());
        }
        let values = self.recompute(id)?;
        let start = if self.spec.frame.has_peers() {
            first_peer
        } else {
            position
        };
        self.settle_values(id, &values, start, usize::MAX, position, kind);
        Ok(())
    }

    fn retract(&mut self, id: u32, key: &K, tag: u64, place: Place) -> Result<()> {
        let Some(partition) = self.partitions.get_mut(id as usize) else {
            return Ok(());
        };
        let first_peer = partition.entries.partition_point(|entry| entry.key < *key);
        let found = partition
            .entries
            .range(first_peer, usize::MAX)
            .take_while(|entry| entry.key == *key)
            .position(|entry| {
                let known = self.rows.place(entry.slot);
                entry.tag == tag && self.rows.equal_rows(known, place, &self.row_columns)
            });
        // A row that is not there never came, or was forgotten: Flink passes over it too.
        let Some(position) = found.map(|offset| first_peer + offset) else {
            return Ok(());
        };
        let Some(entry) = partition.entries.remove(position) else {
            return Ok(());
        };
        partition.is_summed = false;
        let row = self.rows.place(entry.slot);
        self.rows.release(entry.slot);
        if let Some(value) = entry.value {
            let place = self.values.place(value);
            self.values.release(value);
            if self.spec.emission == Emission::RowByRow {
                self.changes.push(RowKind::Delete, row, place);
            }
        }
        if self.spec.emission == Emission::RowByRow {
            let values = self.recompute(id)?;
            let start = if self.spec.frame.has_peers() {
                first_peer
            } else {
                position
            };
            // No row is new.
            self.settle_values(id, &values, start, usize::MAX, usize::MAX, RowKind::Insert);
        }
        Ok(())
    }

    /// The values of a row behind all others.
    fn append(&mut self, id: u32, position: usize, slot: u32) -> Result<RecordBatch> {
        let mut moves = Moves::default();
        moves.push(self.rows.place(slot), id, 1);
        let reading = Reading {
            after_move: 0,
            count: i64::try_from(position + 1).unwrap_or(i64::MAX),
        };
        let columns = self
            .calls
            .evaluate(&self.rows, &moves, &[reading], |_, _| None)?;
        self.value_batch(columns, 1)
    }

    /// The values of all rows of a partition.
    fn recompute(&mut self, id: u32) -> Result<RecordBatch> {
        self.calls.clear(id);
        let mut moves = Moves::default();
        let mut keys = Vec::new();
        if let Some(partition) = self.partitions.get_mut(id as usize) {
            partition.is_summed = true;
            for entry in partition.entries.iter() {
                moves.push(self.rows.place(entry.slot), id, 1);
                keys.push(&entry.key);
            }
        }
        let n_rows = keys.len();
        let mut last_peers: Vec<usize> = (0..n_rows).collect();
        if self.spec.frame == Frame::AllPeers {
            for row_idx in (0..n_rows.saturating_sub(1)).rev() {
                if keys.get(row_idx) == keys.get(row_idx + 1)
                    && let Some(&last) = last_peers.get(row_idx + 1)
                    && let Some(peer) = last_peers.get_mut(row_idx)
                {
                    *peer = last;
                }
            }
        }
        let readings: Vec<Reading> = last_peers
            .iter()
            .map(|&peer| Reading {
                after_move: peer as u32,
                count: i64::try_from(peer + 1).unwrap_or(i64::MAX),
            })
            .collect();
        let columns = self
            .calls
            .evaluate(&self.rows, &moves, &readings, |row_idx, offset| {
                let peer = last_peers.get(row_idx)?;
                moves.places.get(peer.checked_sub(offset)?).copied()
            })?;
        self.value_batch(columns, n_rows)
    }

    fn value_batch(&self, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(self.values.schema()),
            columns,
            &options,
        )?)
    }

    /// Keeps the values of the rows at `start .. end` where they are new, and tells so. `values` are
    /// those of the last rows of the partition; the row at `new_position` leaves as `kind`.
    fn settle_values(
        &mut self,
        id: u32,
        values: &RecordBatch,
        start: usize,
        end: usize,
        new_position: usize,
        kind: RowKind,
    ) {
        let block = self.values.admit(values.clone());
        let Some(partition) = self.partitions.get(id as usize) else {
            return;
        };
        let first = partition.entries.len() - values.num_rows();
        let mut updates: Vec<(usize, u32)> = Vec::new();
        let mut tell_new = None;
        let mut corrections = Vec::new();
        for (position, entry) in (start..).zip(partition.entries.range(start, end)) {
            let value_row = (position - first) as u32;
            let fresh = RowStore::place_in(block, value_row);
            let row = self.rows.place(entry.slot);
            match entry.value {
                Some(value) => {
                    let known = self.values.place(value);
                    if self.values.equal_rows(known, fresh, &self.value_columns) {
                        continue;
                    }
                    corrections.push((position, row, known, fresh));
                }
                None => tell_new = Some((row, fresh)),
            }
            updates.push((position, value_row));
        }
        if self.spec.emission == Emission::RowByRow {
            // Peers are corrected before the row, what follows after it.
            let (before, after): (Vec<_>, Vec<_>) = corrections
                .into_iter()
                .partition(|(position, ..)| *position < new_position);
            for (_, row, known, fresh) in before {
                self.changes.push(RowKind::UpdateBefore, row, known);
                self.changes.push(RowKind::UpdateAfter, row, fresh);
            }
            if let Some((row, fresh)) = tell_new {
                self.changes.push(kind, row, fresh);
            }
            for (_, row, known, fresh) in after {
                self.changes.push(RowKind::UpdateBefore, row, known);
                self.changes.push(RowKind::UpdateAfter, row, fresh);
            }
        }
        for (position, value_row) in updates {
            let slot = self.values.keep(block, value_row);
            let entry = self
                .partitions
                .get_mut(id as usize)
                .and_then(|partition| partition.entries.get_mut(position));
            if let Some(entry) = entry
                && let Some(old) = entry.value.replace(slot)
            {
                self.values.release(old);
            }
        }
    }

    /// The net changes of the partitions that the step has touched.
    fn tell_net(&mut self) -> Result<()> {
        for (id, before) in std::mem::take(&mut self.touched) {
            let values = self.recompute(id)?;
            self.settle_values(id, &values, 0, usize::MAX, 0, RowKind::Insert);
            let Some(partition) = self.partitions.get_mut(id as usize) else {
                continue;
            };
            partition.is_touched = false;
            let mut known: std::collections::HashMap<u32, Sent> =
                before.iter().map(|sent| (sent.slot, *sent)).collect();
            let mut come = Vec::new();
            for entry in partition.entries.iter() {
                let row = self.rows.place(entry.slot);
                let Some(value) = entry.value.map(|value| self.values.place(value)) else {
                    continue;
                };
                match known.remove(&entry.slot) {
                    Some(sent) if sent.value == value => {}
                    Some(sent) => {
                        self.changes.push(RowKind::UpdateBefore, row, sent.value);
                        self.changes.push(RowKind::UpdateAfter, row, value);
                    }
                    None => come.push((row, value)),
                }
            }
            for sent in before {
                if known.contains_key(&sent.slot) {
                    self.changes.push(RowKind::Delete, sent.row, sent.value);
                }
            }
            for (row, value) in come {
                self.changes.push(RowKind::Insert, row, value);
            }
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        let changes = std::mem::take(&mut self.changes);
        if !changes.kinds.is_empty() {
            let rows = self.rows.gather(&changes.rows)?;
            let values = self.values.gather(&changes.values)?;
            let mut columns = rows.columns().to_vec();
            columns.truncate(self.spec.n_passed());
            columns.extend(values.columns().iter().cloned());
            let options = RecordBatchOptions::new().with_row_count(Some(changes.kinds.len()));
            let batch = RecordBatch::try_new_with_options(
                Arc::clone(&self.spec.schema),
                columns,
                &options,
            )?;
            out.emit(Delta::try_new(batch, changes.kinds)?);
        }
        self.rows.settle()?;
        self.values.settle()
    }
}

impl<K: SortValue> Operator for OverByValue<K> {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        self.clock = ctx
            .state_ttl_ms
            .map(|ttl_ms| (ctx.processing_time_ms, ttl_ms));
        self.take_in(&delta)?;
        match self.spec.emission {
            Emission::RowByRow => self.flush(out),
            Emission::NetPerStep => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        if !self.touched.is_empty() {
            self.tell_net()?;
            self.flush(out)?;
        }
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return Ok(());
        };
        let n_written = std::mem::take(&mut self.ids).len();
        for id in self
            .last_writes
            .sweep(n_written, ctx.processing_time_ms, ttl_ms)
        {
            self.clear(id);
            self.index.remove(id);
        }
        self.rows.settle()?;
        self.values.settle()
    }

    /// The rows alone (their values follow from them), with the time of the last change of their
    /// partitions if there is any.
    fn save(&self) -> Result<Vec<StateTable>> {
        let entries = self.partitions.iter().flat_map(|it| it.entries.iter());
        let mut rows = self.rows.gather_slots(entries.map(|entry| entry.slot))?;
        let times = || {
            (0_u32..).zip(&self.partitions).flat_map(|(id, partition)| {
                let entries = partition.entries.iter();
                entries.map(move |_| self.last_writes.get(id))
            })
        };
        if times().any(|time| time.is_some()) {
            let times: ArrayRef = Arc::new(times().collect::<Int64Array>());
            rows = with_column(&rows, "last_write", times)?;
        }
        Ok(vec![StateTable {
            name: "rows",
            batch: rows,
            key_columns: self.spec.partition_columns.clone(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        let emission = std::mem::replace(&mut self.spec.emission, Emission::NetPerStep);
        for table in tables {
            let schema = Arc::clone(&self.spec.input_schema);
            let n_columns = schema.fields().len();
            let mut columns = table.batch.columns().to_vec();
            let times = columns.split_off(n_columns.min(columns.len()));
            let rows = RecordBatch::try_new(schema, columns)?;
            self.clock = None;
            self.take_in(&Delta::insert_only(rows))?;
            let times = times
                .first()
                .and_then(|times| times.as_primitive_opt::<Int64Type>());
            if let Some(times) = times {
                self.last_writes.resize(self.index.end());
                for (&id, time) in self.ids.iter().zip(times) {
                    if let Some(time) = time {
                        self.last_writes.write(id, time);
                    }
                }
            }
        }
        self.tell_net()?;
        // They have been sent before.
        self.changes = Changes::default();
        self.spec.emission = emission;
        self.rows.settle()?;
        self.values.settle()
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.partitions.capacity() * size_of::<Partition<K>>()
            + self.rows.len() * size_of::<Entry<K>>()
            + self.rows.state_bytes()
            + self.values.state_bytes()
            + self.calls.state_bytes()
            + self.last_writes.state_bytes()
    }
}
