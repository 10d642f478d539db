//! GROUP BY (and DISTINCT, as a group aggregate without aggregates).
//!
//! One instance sees all rows of its keys: the edge into it is hashed by the group columns, or
//! `Single` without any. Arguments and filters are columns of the input; a Calc before computes
//! them.
//!
//! ```text
//!   rows ─▶ ids of their keys ─▶ accumulators (columns indexed by id) ─▶ values before and after
//!                                                                       ─▶ +I, -U +U, -D
//! ```
//!
//! Row by row does not mean one row at a time: the values after each row are a column like any
//! other, and the value before a row is the one after the previous row of its group.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use std::collections::HashSet;
use std::sync::Arc;

use super::group_changes::{Frontier, RowChanges, changed_rows, columns_at, read_counts};
use super::group_ttl::without_leading_retractions;
use super::{Operator, OperatorFactory, Output, StepContext, StepLength, UpdateKinds};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::{Aggregate, AggregateCall};
use crate::state::ttl::{LastWrites, Retention};
use crate::state::{KeyIndex, StateTable};

/// The name of the table of a checkpoint.
const GROUPS: &str = "groups";

/// When changes of groups are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// After each input row, in its order: Flink's changelog without mini-batch.
    RowByRow,
    /// At the end of each step: the content before and after the step of each group that changed.
    NetPerStep,
}

/// A GROUP BY.
#[derive(Debug, Clone)]
pub struct GroupAggregateSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the key; empty for a global aggregate.
    pub group_columns: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Whether `-U` or `-D` may come in. If not, MIN and MAX keep one value a group.
    pub input_retracts: bool,
    /// When changes are sent on.
    pub emission: Emission,
    /// How long the state of a group stays.
    pub retention: Retention,
    /// Whether `-U` is sent before `+U`; false where the reader knows the row by its key.
    pub update_before: bool,
    /// Without group columns and without any input: emit the row of the empty table at the end
    /// (batch) or nothing (streaming).
    pub emit_on_empty: bool,
    /// Schema of the rows that leave: the group columns, then one column a call.
    pub schema: SchemaRef,
}

impl OperatorFactory for GroupAggregateSpec {
    fn create(&self, worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        if self.schema.fields().len() != self.group_columns.len() + self.calls.len() {
            return Err(EngineError::internal(
                "a group aggregate's schema is not its key and its calls",
            ));
        }
        let types: Vec<DataType> = self
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let calls = self
            .calls
            .iter()
            .map(|call| match call.counts_rows() {
                true => Ok(None),
                false => Aggregate::try_new(call, &types, self.input_retracts).map(Some),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(GroupAggregate {
            spec: self.clone(),
            index: KeyIndex::of_columns(&self.input_schema, &self.group_columns)?,
            counts: Vec::new(),
            calls,
            frontier: Frontier::default(),
            never_same: !self.input_retracts && self.calls.iter().any(AggregateCall::counts_rows),
            ids: Vec::new(),
            is_first_worker: worker_idx == 0,
            last_writes: LastWrites::default(),
            n_written: 0,
        }))
    }

    fn step_length(&self) -> StepLength {
        match self.emission {
            Emission::RowByRow => StepLength::Any,
            Emission::NetPerStep => StepLength::Long,
        }
    }

    fn with_updates(&self, updates: &UpdateKinds<'_>) -> Option<Arc<dyn OperatorFactory>> {
        Some(Arc::new(Self {
            update_before: updates.sends_before,
            ..self.clone()
        }))
    }
}

struct GroupAggregate {
    spec: GroupAggregateSpec,
    index: KeyIndex,
    /// Rows of each group. A group without rows does not exist.
    counts: Vec<i64>,
    /// None for `COUNT(*)` without a filter: that is the count of the group's rows.
    calls: Vec<Option<Aggregate>>,
    /// The groups that this step (or batch, row by row) has touched.
    frontier: Frontier,
    /// Each row of a group changes what is shown of it: rows only come, and their number is shown.
    never_same: bool,
    /// Of the rows of the batch; kept for its memory.
    ids: Vec<u32>,
    is_first_worker: bool,
    /// When each group was written last; only if state has a time to live.
    last_writes: LastWrites,
    /// Rows of this step.
    n_written: usize,
}

impl Operator for GroupAggregate {
    fn push(
        &mut self,
        _port: usize,
        mut delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let mut key = columns_at(delta.batch(), &self.spec.group_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.resize();
        let ttl_ms = self.ttl_ms(ctx);
        if let Some(ttl_ms) = ttl_ms
            && let Some(living) = self.without_expired(&delta, &mut ids, ctx, ttl_ms)?
        {
            delta = living;
            key = columns_at(delta.batch(), &self.spec.group_columns)?;
        }
        let signs: Option<Vec<i8>> = delta
            .kinds()
            .map(|kinds| kinds.iter().map(|kind| kind.sign() as i8).collect());
        match self.spec.emission {
            Emission::NetPerStep => self.push_net(&delta, &key, &ids, signs.as_deref())?,
            Emission::RowByRow => {
                let sends_all = ttl_ms.is_some();
                self.push_row_by_row(&delta, &key, &ids, signs.as_deref(), sends_all, out)?
            }
        }
        self.ids = ids;
        Ok(())
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        let ttl_ms = self.ttl_ms(ctx);
        if self.spec.emission == Emission::NetPerStep && !self.frontier.is_empty() {
            self.emit_net(ttl_ms.is_some(), out)?;
        }
        if let Some(ttl_ms) = ttl_ms {
            let n_written = std::mem::take(&mut self.n_written);
            let now_ms = ctx.processing_time_ms;
            for group in self.last_writes.sweep(n_written, now_ms, ttl_ms) {
                self.forget(group);
                self.index.remove(group);
            }
        }
        Ok(())
    }

    fn on_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        let is_empty = self.counts.first().is_none_or(|&n_rows| n_rows == 0);
        let is_due = self.spec.emit_on_empty && self.spec.group_columns.is_empty();
        if is_due && is_empty && self.is_first_worker {
            let values = self.read_unused()?;
            out.emit(Delta::insert_only(changed_rows(&self.spec.schema, values)?));
        }
        Ok(())
    }

    /// One table: the key, how many rows the group has, and the states of its aggregates.
    fn save(&self) -> Result<Vec<StateTable>> {
        let ids: Vec<u32> = self
            .index
            .used_ids()
            .into_iter()
            .filter(|&id| self.count(id) != 0)
            .collect();
        let mut columns = self.index.keys(&ids)?;
        let key_columns = (0..columns.len()).collect();
        let counts: Vec<i64> = ids.iter().map(|&id| self.count(id)).collect();
        columns.push(read_counts(&counts));
        for aggregate in self.calls.iter().flatten() {
            columns.extend(aggregate.save(&ids)?);
        }
        let last_writes = ids.iter().map(|&id| self.last_writes.get(id));
        columns.push(Arc::new(last_writes.collect::<Int64Array>()));
        let fields: Vec<Field> = (0..)
            .zip(&columns)
            .map(|(idx, column): (usize, _)| {
                Field::new(format!("c{idx}"), column.data_type().clone(), true)
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        Ok(vec![StateTable {
            name: GROUPS,
            batch,
            key_columns,
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        let not_ours = || EngineError::Data {
            message: "the saved groups are not those of this GROUP BY".to_owned(),
        };
        for table in tables {
            let columns = table.batch.columns();
            let n_keys = self.spec.group_columns.len();
            if table.name != GROUPS || columns.len() <= n_keys {
                return Err(not_ours());
            }
            let (key, states) = columns.split_at(n_keys);
            let mut ids = Vec::new();
            self.index.intern(key, table.batch.num_rows(), &mut ids)?;
            self.resize();
            let (counts, mut states) = states.split_first().ok_or_else(not_ours)?;
            let counts = counts
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(not_ours)?;
            for (&id, &n_rows) in ids.iter().zip(counts.values()) {
                if let Some(count) = self.counts.get_mut(id as usize) {
                    *count += n_rows;
                }
            }
            for aggregate in self.calls.iter_mut().flatten() {
                let n_columns = aggregate.save(&[])?.len();
                let (own, rest) = states.split_at_checked(n_columns).ok_or_else(not_ours)?;
                aggregate.restore(&ids, own)?;
                states = rest;
            }
            let last_writes = states.first().ok_or_else(not_ours)?;
            let last_writes = last_writes
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(not_ours)?;
            for (&id, written_ms) in ids.iter().zip(last_writes) {
                if let Some(written_ms) = written_ms {
                    self.last_writes.resize(self.counts.len());
                    self.last_writes.write(id, written_ms);
                }
            }
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let aggregates = self.calls.iter().flatten();
        let of_calls: usize = aggregates.map(Aggregate::state_bytes).sum();
        of_calls
            + self.index.state_bytes()
            + self.counts.capacity() * size_of::<i64>()
            + self.frontier.state_bytes()
            + self.last_writes.state_bytes()
    }
}

impl GroupAggregate {
    /// The time to live of groups; none if they are kept.
    fn ttl_ms(&self, ctx: &StepContext) -> Option<i64> {
        self.spec.retention.ttl_ms(ctx.state_ttl_ms)
    }

    /// Makes place for all groups that the table of keys knows.
    fn resize(&mut self) {
        let n_groups = self.index.end();
        self.frontier.resize(n_groups);
        if self.counts.len() < n_groups {
            self.counts.resize(n_groups, 0);
        }
        for aggregate in self.calls.iter_mut().flatten() {
            aggregate.resize(n_groups);
        }
    }

    /// Forgets the groups among `ids` that have come to their end, and notes the write. Gives the
    /// rows that are left, if some would take back what is forgotten.
    fn without_expired(
        &mut self,
        delta: &Delta,
        ids: &mut Vec<u32>,
        ctx: &StepContext,
        ttl_ms: i64,
    ) -> Result<Option<Delta>> {
        let now_ms = ctx.processing_time_ms;
        self.last_writes.resize(self.counts.len());
        self.n_written += ids.len();
        for &id in ids.iter() {
            if self.last_writes.is_expired(id, now_ms, ttl_ms) {
                self.forget(id);
            }
        }
        let signs = |kinds: &[RowKind]| kinds.iter().map(|it| it.sign() as i8).collect::<Vec<_>>();
        let kept = delta.kinds().and_then(|kinds| {
            without_leading_retractions(ids, &signs(kinds), |group| self.count(group))
        });
        if let Some(kept) = &kept {
            let kept_ids = kept
                .iter()
                .filter_map(|&row_idx| ids.get(row_idx as usize).copied())
                .collect();
            let all_ids = std::mem::replace(ids, kept_ids);
            let is_kept: HashSet<u32> = ids.iter().copied().collect();
            let dropped: Vec<u32> = all_ids
                .into_iter()
                .filter(|id| !is_kept.contains(id))
                .collect();
            self.remove_empty(&dropped);
        }
        for &id in ids.iter() {
            self.last_writes.write(id, now_ms);
        }
        kept.map(|kept| delta.take(&kept.into())).transpose()
    }

    /// Makes the group as if it had never seen a row.
    fn forget(&mut self, group: u32) {
        if let Some(count) = self.counts.get_mut(group as usize) {
            *count = 0;
        }
        for aggregate in self.calls.iter_mut().flatten() {
            aggregate.clear(group);
        }
        self.last_writes.forget(group);
    }

    /// Takes the rows in; remembers the values before of groups that this step touches first.
    fn push_net(
        &mut self,
        delta: &Delta,
        key: &[ArrayRef],
        ids: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<()> {
        let (groups, rows) = self.frontier.touch(ids);
        if !groups.is_empty() {
            let counts = self.counts_of(&groups);
            let before = self.read(&groups, &counts)?;
            let is_there = counts.iter().map(|&count| count > 0).collect();
            self.frontier
                .remember(groups, rows, key, before, is_there)?;
        }
        self.add_counts(ids, signs);
        for aggregate in self.calls.iter_mut().flatten() {
            aggregate.update(delta.batch(), ids, signs)?;
        }
        Ok(())
    }

    /// Sends the changes of the step's groups; with `sends_all` also contents that are as before.
    fn emit_net(&mut self, sends_all: bool, out: &mut Output) -> Result<()> {
        let sends_all = sends_all || self.never_same;
        for mut frontier in self.frontier.take()? {
            frontier.sends_all = sends_all;
            let groups = &frontier.groups;
            let counts = self.counts_of(groups);
            require_not_negative(&counts)?;
            let after = self.read(groups, &counts)?;
            let (schema, update_before) = (&self.spec.schema, self.spec.update_before);
            if let Some(delta) = frontier.net_changes(schema, &after, &counts, update_before)? {
                out.emit(delta);
            }
            if self.spec.input_retracts {
                self.remove_empty(groups);
            }
        }
        Ok(())
    }

    fn push_row_by_row(
        &mut self,
        delta: &Delta,
        key: &[ArrayRef],
        ids: &[u32],
        signs: Option<&[i8]>,
        sends_all: bool,
        out: &mut Output,
    ) -> Result<()> {
        let (groups, _) = self.frontier.touch(ids);
        let previous = self.frontier.previous_places(&groups, ids);
        let mut changes = RowChanges::new(groups.len(), previous);
        let counts_before: Vec<i64> = groups.iter().map(|&group| self.count(group)).collect();
        let counts_after = self.add_counts_each(ids, signs);
        require_not_negative(&counts_after)?;
        changes.set_counts(&counts_before, &counts_after);
        for call in &mut self.calls {
            let column = match call {
                Some(aggregate) => {
                    let before = aggregate.read(&groups)?;
                    let after = aggregate.update_each(delta.batch(), ids, signs)?;
                    arrow::compute::concat(&[before.as_ref(), after.as_ref()])?
                }
                None => read_counts(counts_before.iter().chain(&counts_after)),
            };
            changes.add_column(column)?;
        }
        if sends_all {
            changes.send_all();
        }
        if let Some(delta) = changes.build(&self.spec.schema, key, self.spec.update_before)? {
            out.emit(delta);
        }
        self.frontier.clear();
        self.remove_empty(&groups);
        Ok(())
    }

    /// What a group without rows shows: one column a call, one value.
    fn read_unused(&self) -> Result<Vec<ArrayRef>> {
        self.calls
            .iter()
            .map(|call| match call {
                Some(aggregate) => aggregate.read(&[0]),
                None => Ok(read_counts(&[0])),
            })
            .collect()
    }

    /// One column a call, one value a group; `counts` are the rows of the groups. Values of groups
    /// without rows say nothing.
    fn read(&self, groups: &[u32], counts: &[i64]) -> Result<Vec<ArrayRef>> {
        let is_used: Vec<bool> = counts.iter().map(|&count| count > 0).collect();
        self.calls
            .iter()
            .map(|call| match call {
                Some(aggregate) => aggregate.read_used(groups, &is_used),
                None => Ok(read_counts(counts)),
            })
            .collect()
    }

    fn counts_of(&self, groups: &[u32]) -> Vec<i64> {
        groups.iter().map(|&group| self.count(group)).collect()
    }

    fn count(&self, group: u32) -> i64 {
        self.counts.get(group as usize).copied().unwrap_or(0)
    }

    fn add_counts(&mut self, ids: &[u32], signs: Option<&[i8]>) {
        for (row_idx, &id) in ids.iter().enumerate() {
            let sign = signs.map_or(1, |signs| signs.get(row_idx).map_or(0, |&s| i64::from(s)));
            if let Some(count) = self.counts.get_mut(id as usize) {
                *count += sign;
            }
        }
    }

    fn add_counts_each(&mut self, ids: &[u32], signs: Option<&[i8]>) -> Vec<i64> {
        let mut after = Vec::with_capacity(ids.len());
        for (row_idx, &id) in ids.iter().enumerate() {
            let sign = signs.map_or(1, |signs| signs.get(row_idx).map_or(0, |&s| i64::from(s)));
            if let Some(count) = self.counts.get_mut(id as usize) {
                *count += sign;
                after.push(*count);
            }
        }
        after
    }

    /// Forgets the groups that have no rows any more.
    fn remove_empty(&mut self, groups: &[u32]) {
        for &group in groups {
            if self.count(group) != 0 {
                continue;
            }
            self.index.remove(group);
            self.forget(group);
        }
    }
}

/// A group never has fewer than no rows, unless a source takes back what it never gave.
fn require_not_negative(counts: &[i64]) -> Result<()> {
    if counts.iter().any(|&count| count < 0) {
        return Err(EngineError::Data {
            message: "GROUP BY got the retraction of a row that never came".to_owned(),
        });
    }
    Ok(())
}
