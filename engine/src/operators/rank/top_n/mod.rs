//! The operator: sorted entries per partition, and what a change of them sends.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

mod expiry;

mod net;

use super::changes::RankedChanges;
use super::{RankEnd, RankSpec, RankStrategy, row_store};
use crate::data::{Delta, RowKind, keys};
use crate::error::{EngineError, Result};
use crate::operators::deduplicate::with_column;
use crate::operators::group_changes::columns_at;
use crate::operators::rowtime::Cause;
use crate::operators::{Emission, Operator, Output, StepContext};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, Place, RowStore, SortKeys, SortValue, SortedRuns, StateTable};

pub(super) struct TopN<K> {
    spec: RankSpec,
    sort_keys: SortKeys,
    index: KeyIndex,
    partitions: Vec<Partition<K>>,
    rows: RowStore,
    /// Bytes of sort keys on the heap.
    key_bytes: usize,
    ids: Vec<u32>,
    /// What leaves with this batch (row by row).
    changes: RankedChanges,
    /// Partitions of this step (net) with the rows of the shown ranks before it.
    touched: Vec<(u32, Vec<Entry<K>>)>,
    /// Columns that identify a row to a later change.
    identity: Vec<usize>,
    /// When the rows of each partition were changed last, if they have a time to live.
    last_writes: LastWrites,
    /// Now and the time to live, in a step of a job that has one.
    clock: Option<(i64, i64)>,
}

#[derive(Debug)]
struct Partition<K> {
    entries: SortedRuns<Entry<K>>,
    /// Of this partition; none before its first row.
    end: Option<usize>,
    is_touched: bool,
}

impl<K> Default for Partition<K> {
    fn default() -> Self {
        Self {
            entries: SortedRuns::default(),
            end: None,
            is_touched: false,
        }
    }
}

#[derive(Debug, Clone)]
struct Entry<K> {
    key: K,
    /// Hash of the columns that identify the row.
    tag: u64,
    slot: u32,
}

/// A row of the batch that is worked on.
struct Row<K> {
    partition: u32,
    key: K,
    tag: u64,
    block: u32,
    row: u32,
}

impl<K> Row<K> {
    fn place(&self) -> Place {
        RowStore::place_in(self.block, self.row)
    }
}

impl<K: SortValue> TopN<K> {
    pub(super) fn try_new(spec: RankSpec, sort_keys: SortKeys) -> Result<Self> {
        let identity = match &spec.strategy {
            RankStrategy::AppendFast => Vec::new(),
            RankStrategy::UpdateFast(columns) => columns.clone(),
            RankStrategy::Retract => (0..spec.input_schema.fields().len()).collect(),
        };
        Ok(Self {
            sort_keys,
            index: KeyIndex::of_columns(&spec.input_schema, &spec.partition_columns)?,
            partitions: Vec::new(),
            rows: row_store(&spec.input_schema),
            key_bytes: 0,
            ids: Vec::new(),
            changes: RankedChanges::default(),
            touched: Vec::new(),
            identity,
            last_writes: LastWrites::default(),
            clock: None,
            spec,
        })
    }

    fn take_in(&mut self, delta: &Delta, rank_ends: Option<&Int64Array>) -> Result<()> {
        let batch = delta.batch();
        let n_rows = delta.num_rows();
        let partition = columns_at(batch, &self.spec.partition_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&partition, n_rows, &mut ids)?;
        if self.partitions.len() < self.index.end() {
            self.partitions
                .resize_with(self.index.end(), Partition::default);
        }
        if self.clock.is_some() {
            self.last_writes.resize(self.index.end());
        }
        let sort_columns: Vec<usize> = self.spec.sort_keys.iter().map(|key| key.column).collect();
        let sort_columns = columns_at(batch, &sort_columns)?;
        let keys: Vec<K> = self.sort_keys.encode(&sort_columns, n_rows)?;
        let tags = if self.identity.is_empty() {
            Vec::new()
        } else {
            keys::hash_rows(&columns_at(batch, &self.identity)?, n_rows)?
        };
        let block = self.rows.admit(batch.clone());
        for (row_idx, (&id, key)) in ids.iter().zip(keys).enumerate() {
            let row = Row {
                partition: id,
                key,
                tag: tags.get(row_idx).copied().unwrap_or_default(),
                block,
                row: row_idx as u32,
            };
            self.forget_expired(id);
            self.set_end(id, rank_ends, row_idx);
            self.remember(id);
            self.changes.caused_by(Cause::of(delta, row_idx));
            match (&self.spec.strategy, delta.kind(row_idx)) {
                (RankStrategy::AppendFast, RowKind::Insert) => self.insert(row),
                (RankStrategy::AppendFast, _) => {
                    return Err(EngineError::internal(
                        "a Top-N planned for insertions got other changes",
                    ));
                }
                (RankStrategy::UpdateFast(_), RowKind::UpdateBefore | RowKind::Delete) => {}
                (RankStrategy::UpdateFast(_), _) => self.upsert(row),
                (RankStrategy::Retract, kind) if kind.sign() > 0 => self.insert(row),
                (RankStrategy::Retract, _) => self.retract(&row),
            }
        }
        self.changes.caused_by(None);
        self.forget_empty(&ids);
        self.ids = ids;
        Ok(())
    }

    /// The last rank of a partition is what its first row says.
    fn set_end(&mut self, id: u32, rank_ends: Option<&Int64Array>, row_idx: usize) {
        let constant = match self.spec.end {
            RankEnd::Constant(end) => Some(end),
            RankEnd::Column(_) => None,
        };
        if let Some(partition) = self.partitions.get_mut(id as usize)
            && partition.end.is_none()
        {
            partition.end = Some(constant.unwrap_or_else(|| {
                rank_ends
                    .filter(|ends| ends.is_valid(row_idx))
                    .map_or(0, |ends| usize::try_from(ends.value(row_idx)).unwrap_or(0))
            }));
        }
    }

    /// Before the first change of a partition in a step: the rows that are shown.
    fn remember(&mut self, id: u32) {
        if self.spec.emission == Emission::RowByRow {
            return;
        }
        let start = self.spec.start.saturating_sub(1);
        if let Some(partition) = self.partitions.get_mut(id as usize)
            && !std::mem::replace(&mut partition.is_touched, true)
        {
            let end = partition.end.unwrap_or(0);
            let shown = partition.entries.range(start, end).cloned().collect();
            self.touched.push((id, shown));
        }
    }

    fn send(&mut self, kind: RowKind, place: Place, rank: usize) {
        if self.spec.emission == Emission::RowByRow && rank >= self.spec.start {
            self.changes.push(kind, place, rank);
        }
    }

    /// Whether changes are told rank by rank: also where ranks are cut off at the front.
    fn is_by_rank(&self) -> bool {
        self.spec.output_rank || self.spec.start > 1
    }

    fn end_of(&self, id: u32) -> usize {
        self.partitions
            .get(id as usize)
            .and_then(|partition| partition.end)
            .unwrap_or(0)
    }

    /// The places of the entries at these positions.
    fn places(&self, id: u32, start: usize, end: usize) -> Vec<Place> {
        self.partitions
            .get(id as usize)
            .map(|partition| {
                let entries = partition.entries.range(start, end);
                entries.map(|entry| self.rows.place(entry.slot)).collect()
            })
            .unwrap_or_default()
    }

    fn n_entries(&self, id: u32) -> usize {
        self.partitions
            .get(id as usize)
            .map_or(0, |partition| partition.entries.len())
    }

    fn insert(&mut self, row: Row<K>) {
        let id = row.partition;
        let end = self.end_of(id);
        let Some(position) = self.partitions.get(id as usize).map(|partition| {
            partition
                .entries
                .partition_point(|entry| entry.key <= row.key)
        }) else {
            return;
        };
        if position < end && self.spec.emission == Emission::RowByRow {
            self.tell_insertion(&row, position, end);
        } else if position >= end && self.spec.strategy != RankStrategy::Retract {
            return;
        }
        self.put(&row, position);
        if self.spec.strategy != RankStrategy::Retract {
            self.truncate(id, end);
        }
    }

    fn tell_insertion(&mut self, row: &Row<K>, position: usize, end: usize) {
        let id = row.partition;
        if self.is_by_rank() || self.spec.is_top_1() {
            let mut current = row.place();
            let mut rank = position + 1;
            for place in self.places(id, position, end) {
                self.send(RowKind::UpdateBefore, place, rank);
                self.send(RowKind::UpdateAfter, current, rank);
                current = place;
                rank += 1;
            }
            if rank <= end {
                self.send(RowKind::Insert, current, rank);
            }
            return;
        }
        for place in self.places(id, end - 1, end) {
            self.send(RowKind::Delete, place, end);
        }
        self.send(RowKind::Insert, row.place(), position + 1);
    }

    fn retract(&mut self, row: &Row<K>) {
        let id = row.partition;
        let end = self.end_of(id);
        // A row that is not there was forgotten, or never came: Flink passes over it too.
        let Some(position) = self.position_of(row) else {
            return;
        };
        let old = self.places(id, position, position + 1);
        if let Some(&old) = old.first()
            && position < end
            && self.spec.emission == Emission::RowByRow
        {
            self.tell_retraction(id, old, position, end);
        }
        self.remove(id, position);
    }

    fn tell_retraction(&mut self, id: u32, old: Place, position: usize, end: usize) {
        if !self.is_by_rank() {
            self.send(RowKind::Delete, old, position + 1);
            for place in self.places(id, end, end + 1) {
                self.send(RowKind::Insert, place, end);
            }
            return;
        }
        let mut previous = old;
        let mut rank = position + 1;
        for place in self.places(id, position + 1, end.saturating_add(1)) {
            self.send(RowKind::UpdateBefore, previous, rank);
            self.send(RowKind::UpdateAfter, place, rank);
            previous = place;
            rank += 1;
        }
        if rank <= end {
            self.send(RowKind::Delete, previous, rank);
        }
    }

    /// The position of the first entry that is this row.
    fn position_of(&self, row: &Row<K>) -> Option<usize> {
        let entries = &self.partitions.get(row.partition as usize)?.entries;
        let start = entries.partition_point(|entry| entry.key < row.key);
        entries
            .range(start, usize::MAX)
            .take_while(|entry| entry.key == row.key)
            .position(|entry| self.is_row(entry, row))
            .map(|offset| start + offset)
    }

    fn is_row(&self, entry: &Entry<K>, row: &Row<K>) -> bool {
        entry.tag == row.tag
            && self
                .rows
                .equal_rows(self.rows.place(entry.slot), row.place(), &self.identity)
    }

    /// A row with a key: the content of this key before is replaced.
    fn upsert(&mut self, row: Row<K>) {
        let id = row.partition;
        let known = self.partitions.get(id as usize).and_then(|partition| {
            partition
                .entries
                .iter()
                .position(|entry| self.is_row(entry, &row))
        });
        // The best row alone is not known by its key: it makes place for a better one only.
        let Some(old_position) = known.filter(|_| !self.spec.is_top_1()) else {
            self.insert(row);
            return;
        };
        let Some(old) = self
            .partitions
            .get(id as usize)
            .and_then(|partition| partition.entries.get(old_position))
            .cloned()
        else {
            return;
        };
        let old_place = self.rows.place(old.slot);
        self.remove(id, old_position);
        let position = if old.key == row.key {
            old_position
        } else {
            self.partitions.get(id as usize).map_or(0, |partition| {
                partition
                    .entries
                    .partition_point(|entry| entry.key <= row.key)
            })
        };
        if self.spec.emission == Emission::RowByRow {
            self.tell_move(&row, old_place, old_position, position);
        }
        self.put(&row, position);
    }

    /// The row at `from` (which is taken out already) gets new content and goes to `to`.
    fn tell_move(&mut self, row: &Row<K>, old: Place, from: usize, to: usize) {
        let id = row.partition;
        if !self.is_by_rank() {
            self.send(RowKind::UpdateBefore, old, from + 1);
            self.send(RowKind::UpdateAfter, row.place(), to + 1);
            return;
        }
        if to > from {
            self.send(RowKind::UpdateBefore, old, from + 1);
            for (place, rank) in self.places(id, from, to).into_iter().zip(from + 1..) {
                self.send(RowKind::UpdateBefore, place, rank + 1);
                self.send(RowKind::UpdateAfter, place, rank);
            }
            self.send(RowKind::UpdateAfter, row.place(), to + 1);
            return;
        }
        let mut current = row.place();
        let mut is_old_gone = false;
        for (place, rank) in self.places(id, to, from).into_iter().zip(to + 1..) {
            self.send(RowKind::UpdateBefore, place, rank);
            if !std::mem::replace(&mut is_old_gone, true) {
                self.send(RowKind::UpdateBefore, old, from + 1);
            }
            self.send(RowKind::UpdateAfter, current, rank);
            current = place;
        }
        if !is_old_gone {
            self.send(RowKind::UpdateBefore, old, from + 1);
        }
        self.send(RowKind::UpdateAfter, current, from + 1);
    }

    fn put(&mut self, row: &Row<K>, position: usize) {
        let slot = self.rows.keep(row.block, row.row);
        self.written(row.partition);
        self.key_bytes += row.key.heap_bytes();
        if let Some(partition) = self.partitions.get_mut(row.partition as usize) {
            let entry = Entry {
                key: row.key.clone(),
                tag: row.tag,
                slot,
            };
            partition.entries.insert(position, entry);
        }
    }

    fn remove(&mut self, id: u32, position: usize) {
        let removed = self
            .partitions
            .get_mut(id as usize)
            .and_then(|partition| partition.entries.remove(position));
        if let Some(entry) = removed {
            self.written(id);
            self.key_bytes -= entry.key.heap_bytes();
            self.rows.release(entry.slot);
        }
    }

    fn truncate(&mut self, id: u32, end: usize) {
        while self.n_entries(id) > end {
            self.remove(id, self.n_entries(id) - 1);
        }
    }

    /// Gives up the ids of partitions without rows, unless the step still has to tell about them.
    fn forget_empty(&mut self, ids: &[u32]) {
        for &id in ids {
            if let Some(partition) = self.partitions.get_mut(id as usize)
                && partition.entries.is_empty()
                && !partition.is_touched
                && !matches!(self.spec.end, RankEnd::Column(_))
            {
                self.index.remove(id);
                self.last_writes.forget(id);
            }
        }
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        if !self.changes.is_empty() {
            out.emit(
                self.changes
                    .take(&self.rows, &self.spec.schema, self.spec.output_rank)?,
            );
        }
        self.rows.settle()
    }

    fn rank_ends(&self, delta: &Delta) -> Result<Option<ArrayRef>> {
        let RankEnd::Column(column) = self.spec.end else {
            return Ok(None);
        };
        let column = columns_at(delta.batch(), &[column])?;
        column
            .first()
            .map(|column| Ok(cast(column, &DataType::Int64)?))
            .transpose()
    }
}

impl<K: SortValue> Operator for TopN<K> {
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
        let rank_ends = self.rank_ends(&delta)?;
        let rank_ends = rank_ends
            .as_ref()
            .and_then(|ends| ends.as_primitive_opt::<Int64Type>());
        self.take_in(&delta, rank_ends)?;
        match self.spec.emission {
            Emission::RowByRow => self.flush(out),
            Emission::NetPerStep => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        if !self.touched.is_empty() {
            self.tell_net();
            self.flush(out)?;
        }
        match ctx.state_ttl_ms {
            Some(ttl_ms) => self.sweep(ctx.processing_time_ms, ttl_ms),
            None => Ok(()),
        }
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let entries = || {
            self.partitions.iter().flat_map(|partition| {
                partition
                    .entries
                    .iter()
                    .map(move |entry| (partition, entry))
            })
        };
        let batch = self
            .rows
            .gather_slots(entries().map(|(_, entry)| entry.slot))?;
        let mut tables = vec![StateTable {
            name: "rows",
            batch,
            key_columns: self.spec.partition_columns.clone(),
        }];
        if matches!(self.spec.end, RankEnd::Column(_)) {
            // The last rank stands beside each row of its partition.
            let ends = entries().map(|(partition, _)| {
                partition
                    .end
                    .map(|end| i64::try_from(end).unwrap_or(i64::MAX))
            });
            let ends: ArrayRef = std::sync::Arc::new(ends.collect::<Int64Array>());
            if let Some(table) = tables.first_mut() {
                table.batch = with_column(&table.batch, "rank_end", ends)?;
            }
        }
        self.save_last_writes(&mut tables)?;
        Ok(tables)
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let n_columns = self.spec.input_schema.fields().len();
            let columns = table
                .batch
                .columns()
                .iter()
                .take(n_columns)
                .cloned()
                .collect();
            let mut rest = table.batch.columns().iter().skip(n_columns);
            let ends = match self.spec.end {
                RankEnd::Column(_) => rest.next().cloned(),
                RankEnd::Constant(_) => None,
            };
            let last_writes = rest.next().cloned();
            let batch = arrow::array::RecordBatch::try_new(
                std::sync::Arc::clone(&self.spec.input_schema),
                columns,
            )?;
            let ends = ends
                .as_ref()
                .and_then(|ends| ends.as_primitive_opt::<Int64Type>());
            self.clock = None;
            self.take_in(&Delta::insert_only(batch), ends)?;
            self.restore_last_writes(last_writes.as_ref());
            // What came back has been sent before.
            self.touched.clear();
            for partition in &mut self.partitions {
                partition.is_touched = false;
            }
            self.changes = RankedChanges::default();
            self.rows.settle()?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let of_entries = self.rows.len() * size_of::<Entry<K>>();
        let of_partitions = self.partitions.capacity() * size_of::<Partition<K>>();
        self.index.state_bytes()
            + self.rows.state_bytes()
            + self.key_bytes
            + self.last_writes.state_bytes()
            + of_entries
            + of_partitions
    }
}
