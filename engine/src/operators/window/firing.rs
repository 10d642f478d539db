//! GROUP BY over windows that tell what they have before they are over, and again when late rows
//! come.
//!
//! ```text
//!   rows ─▶ ids of (window end, key) ─▶ accumulators
//!                                          │ early: with every row, or by the clock
//!                                          │ on time: the watermark passes the end
//!                                          │ late: with every late row, or by the clock
//!                                          ▼
//!            what was told of the window ─▶ +I, -U +U, -D, or nothing if it is the same
//! ```
//!
//! A window is forgotten when the watermark is past its end by more than the allowed lateness; rows
//! that come later are dropped. Rows that come behind the watermark say which it was: windows that
//! it ends are told of before these rows count, however rows are cut into steps.
//!
//! Source: `WindowOperator`, `AggregateWindowOperator`, `EventTimeTriggers` and
//! `ProcessingTimeTriggers` of Flink 2.3, and its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};

use super::accumulators::{Accumulators, not_ours};
use super::aggregate::{GroupRole, WindowAggregateSpec, WindowTime, state_batch};
use super::assign::{millis, timestamps};
use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::{Emission, Operator, Output, StepContext};
use crate::state::{KeyIndex, RowStore, StateTable};

/// When a window tells what it has, beside its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    /// Before its end: so many milliseconds after its first row and from then on, with every row if
    /// there are none; never without it.
    pub early_ms: Option<i64>,
    /// The same after its end.
    pub late_ms: Option<i64>,
    /// For so long after its end late rows count.
    pub lateness_ms: i64,
    /// Whether it tells of every row or of the rows of a step.
    pub emission: Emission,
}

pub(super) struct FiringAggregate {
    spec: WindowAggregateSpec,
    firing: Firing,
    /// The end first.
    key_columns: Vec<usize>,
    index: KeyIndex,
    groups: Accumulators,
    /// By id.
    states: Vec<State>,
    /// Ids of windows whose end has not been reached, by end, in order of arrival.
    open: BTreeMap<i64, Vec<u32>>,
    /// Ids of windows that are over, until late rows are too late.
    over: BTreeMap<i64, Vec<u32>>,
    /// Ids that the clock makes tell, by the time for it.
    timers: BTreeSet<(i64, u32)>,
    /// What windows have told: the values of the aggregates.
    told: RowStore,
    /// Ids that tell at the end of the step, in order.
    due: Vec<u32>,
    n_late: u64,
}

/// What is known of a window and key.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_known: bool,
    /// Whether it has told on time.
    is_over: bool,
    is_due: bool,
    /// The slot of what it has told.
    told: Option<u32>,
    timer_ms: Option<i64>,
}

/// The name of the table of a checkpoint.
const WINDOWS: &str = "firing windows";
/// Columns of it between the keys and what was told: whether the window is over, whether it has
/// told anything, its timer (-1 for none).
const N_FLAGS: usize = 3;

impl FiringAggregate {
    pub(super) fn try_new(spec: &WindowAggregateSpec, firing: Firing) -> Result<Self> {
        let types: Vec<DataType> = spec
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let key_columns = spec.key_columns();
        let values = spec.schema.fields().iter().skip(spec.group_columns.len());
        // Nothing is saved of windows that have not told yet.
        let values = values.map(|field| field.as_ref().clone().with_nullable(true));
        let values: SchemaRef = Arc::new(Schema::new(values.collect::<Vec<_>>()));
        Ok(Self {
            index: KeyIndex::of_columns(&spec.input_schema, &key_columns)?,
            key_columns,
            firing,
            groups: Accumulators::try_new(&spec.calls, &types, spec.input_retracts)?,
            states: Vec::new(),
            open: BTreeMap::new(),
            over: BTreeMap::new(),
            timers: BTreeSet::new(),
            told: RowStore::new(values),
            due: Vec::new(),
            n_late: 0,
            spec: spec.clone(),
        })
    }

    fn is_event_time(&self) -> bool {
        self.spec.time == WindowTime::Event
    }

    /// The time at which a window that ends at `end_ms` is over.
    fn last_ms(&self, end_ms: i64) -> i64 {
        self.spec.clock.time_ms(end_ms.saturating_sub(1))
    }

    fn state_mut(&mut self, id: u32) -> Result<&mut State> {
        let state = self.states.get_mut(id as usize);
        state.ok_or_else(|| EngineError::internal("a window is not known"))
    }

    /// Takes rows that came under one watermark.
    fn take(
        &mut self,
        delta: &Delta,
        watermark_ms: i64,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if watermark_ms != NO_WATERMARK && self.is_event_time() {
            self.advance(watermark_ms, out)?;
        }
        let key = columns_at(delta.batch(), &self.key_columns)?;
        let ends = millis(key.first().ok_or_else(not_ours)?)?;
        let is_counted = |end_ms: i64| {
            !self.is_event_time()
                || watermark_ms == NO_WATERMARK
                || self.last_ms(end_ms).saturating_add(self.firing.lateness_ms) > watermark_ms
        };
        let counted: arrow::array::BooleanArray = ends
            .iter()
            .map(|end_ms| Some(end_ms.is_some_and(is_counted)))
            .collect();
        let n_counted = counted.true_count();
        self.n_late += (delta.num_rows() - n_counted) as u64;
        if n_counted == 0 {
            return Ok(());
        }
        let delta = match n_counted == delta.num_rows() {
            true => delta.clone(),
            false => delta.filter(&counted)?,
        };
        let key = columns_at(delta.batch(), &self.key_columns)?;
        let ends = millis(key.first().ok_or_else(not_ours)?)?;
        let mut ids = Vec::new();
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.resize();
        self.groups.update(&delta, &ids)?;
        for (&id, &end_ms) in ids.iter().zip(ends.values()) {
            if self.meets(id, end_ms, watermark_ms, ctx.processing_time_ms)? {
                let state = self.state_mut(id)?;
                if !std::mem::replace(&mut state.is_due, true) {
                    self.due.push(id);
                }
            }
        }
        if self.firing.emission == Emission::RowByRow {
            self.tell_due(out)?;
        }
        Ok(())
    }

    /// A row has come for a window: whether it tells at once.
    fn meets(&mut self, id: u32, end_ms: i64, watermark_ms: i64, now_ms: i64) -> Result<bool> {
        let is_past = self.is_event_time()
            && watermark_ms != NO_WATERMARK
            && self.last_ms(end_ms) <= watermark_ms;
        let firing = self.firing;
        let state = self.state_mut(id)?;
        let is_over = state.is_over;
        let is_new = !std::mem::replace(&mut state.is_known, true);
        if is_new {
            let windows = match is_past {
                true => &mut self.over,
                false => &mut self.open,
            };
            windows.entry(end_ms).or_default().push(id);
        }
        let delay_ms = match (is_past, firing.late_ms) {
            (false, _) => firing.early_ms,
            (true, Some(late_ms)) if late_ms > 0 && is_over => Some(late_ms),
            (true, _) => Some(0),
        };
        match delay_ms {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(delay_ms) => {
                self.start_timer(id, now_ms.saturating_add(delay_ms))?;
                Ok(false)
            }
        }
    }

    fn start_timer(&mut self, id: u32, time_ms: i64) -> Result<()> {
        let state = self.state_mut(id)?;
        if state.timer_ms.is_none() {
            state.timer_ms = Some(time_ms);
            self.timers.insert((time_ms, id));
        }
        Ok(())
    }

    fn stop_timer(&mut self, id: u32) -> Result<()> {
        if let Some(time_ms) = self.state_mut(id)?.timer_ms.take() {
            self.timers.remove(&(time_ms, id));
        }
        Ok(())
    }

    /// Tells of windows that are over at this time, and forgets those that no row can meet any more.
    fn advance(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        // What rows before have made due is told first.
        self.tell_due(out)?;
        while let Some((&end_ms, _)) = self.open.first_key_value()
            && self.last_ms(end_ms) <= time_ms
        {
            let ids = self.open.remove(&end_ms).unwrap_or_default();
            self.tell(&ids, out)?;
            for &id in &ids {
                self.state_mut(id)?.is_over = true;
                if self.firing.late_ms.is_some_and(|late_ms| late_ms > 0) {
                    self.stop_timer(id)?;
                }
            }
            self.over.entry(end_ms).or_default().extend(ids);
        }
        let lateness_ms = match self.spec.time {
            WindowTime::Event => self.firing.lateness_ms,
            WindowTime::Processing => 0,
        };
        while let Some((&end_ms, _)) = self.over.first_key_value()
            && self.last_ms(end_ms).saturating_add(lateness_ms) <= time_ms
        {
            for id in self.over.remove(&end_ms).unwrap_or_default() {
                self.forget(id)?;
            }
        }
        Ok(())
    }

    fn run_timers(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        while let Some(&(time_ms, id)) = self.timers.first()
            && time_ms <= now_ms
        {
            self.timers.pop_first();
            self.tell(&[id], out)?;
            let state = self.state_mut(id)?;
            state.timer_ms = None;
            let delay_ms = match (state.is_over, self.firing.late_ms) {
                (true, Some(late_ms)) if late_ms > 0 => Some(late_ms),
                _ => self.firing.early_ms,
            };
            if let Some(delay_ms) = delay_ms.filter(|delay_ms| *delay_ms > 0) {
                // As by a clock that was looked at in time; not again for all that was missed.
                let missed = now_ms.saturating_sub(time_ms) / delay_ms;
                self.start_timer(id, time_ms.saturating_add((missed + 1) * delay_ms))?;
            }
        }
        Ok(())
    }

    fn tell_due(&mut self, out: &mut Output) -> Result<()> {
        let due = std::mem::take(&mut self.due);
        for &id in &due {
            self.state_mut(id)?.is_due = false;
        }
        self.tell(&due, out)
    }

    /// Emits what has changed in these windows since they were told of.
    fn tell(&mut self, ids: &[u32], out: &mut Output) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        let schema = Arc::clone(self.told.schema());
        let values = self.groups.read(ids)?;
        let values = RecordBatch::try_new_with_options(schema, values, &options)?;
        let block = self.told.admit(values.clone());
        let mut changes: Vec<(usize, Option<u32>, RowKind)> = Vec::new();
        for (place, &id) in ids.iter().enumerate() {
            let has_rows = self.groups.count(id) > 0;
            let before = self.state_mut(id)?.told;
            if let (Some(before), true) = (before, has_rows)
                && self.is_same(before, &values, place)
            {
                continue;
            }
            let now = has_rows.then(|| self.told.keep(block, place as u32));
            self.state_mut(id)?.told = now;
            match (before, has_rows) {
                (Some(before), true) => {
                    changes.push((place, Some(before), RowKind::UpdateBefore));
                    changes.push((place, None, RowKind::UpdateAfter));
                }
                (Some(before), false) => changes.push((place, Some(before), RowKind::Delete)),
                (None, true) => changes.push((place, None, RowKind::Insert)),
                (None, false) => {}
            }
            if let Some(before) = before {
                self.told.release(before);
            }
        }
        if !changes.is_empty() {
            out.emit(self.rows(ids, &values, &changes)?);
        }
        self.told.settle()
    }

    fn is_same(&self, before: u32, values: &RecordBatch, place: usize) -> bool {
        let Some((batch, row)) = self.told.row(self.told.place(before)) else {
            return false;
        };
        let pairs = batch.columns().iter().zip(values.columns());
        pairs
            .into_iter()
            .all(|(before, now)| *before.slice(row, 1) == *now.slice(place, 1))
    }

    /// The changes as rows: their places among `ids`, and the slot of what was told, or else the
    /// values of now.
    fn rows(
        &self,
        ids: &[u32],
        values: &RecordBatch,
        changes: &[(usize, Option<u32>, RowKind)],
    ) -> Result<Delta> {
        let of_rows: Vec<u32> = changes
            .iter()
            .filter_map(|(place, _, _)| ids.get(*place).copied())
            .collect();
        let keys = self.index.keys(&of_rows)?;
        let (ends, keys) = keys.split_first().ok_or_else(not_ours)?;
        let ends = millis(ends)?;
        let keys = keys.to_vec();
        let mut values_told = Vec::with_capacity(values.num_columns());
        let before: Vec<u32> = changes.iter().filter_map(|(_, told, _)| *told).collect();
        let before = self.told.gather_slots(before)?;
        let mut n_before = 0;
        let places: Vec<(usize, usize)> = changes
            .iter()
            .map(|(place, told, _)| match told {
                Some(_) => {
                    n_before += 1;
                    (0, n_before - 1)
                }
                None => (1, *place),
            })
            .collect();
        for (before, now) in before.columns().iter().zip(values.columns()) {
            values_told.push(interleave(&[before.as_ref(), now.as_ref()], &places)?);
        }
        let spec = &self.spec;
        let rows = spec.rows_of(keys, values_told, |role, data_type| {
            let times = ends.values().iter().map(|&end_ms| match role {
                GroupRole::Start => spec.kind.start_ms(end_ms),
                GroupRole::Time => spec.clock.time_ms(end_ms - 1),
                GroupRole::End | GroupRole::Key => end_ms,
            });
            timestamps(times.collect(), data_type)
        })?;
        let kinds: Vec<RowKind> = changes.iter().map(|(_, _, kind)| *kind).collect();
        match kinds.iter().all(|kind| *kind == RowKind::Insert) {
            true => Ok(Delta::insert_only(rows)),
            false => Delta::try_new(rows, kinds),
        }
    }

    fn resize(&mut self) {
        let n_ids = self.index.end();
        if self.states.len() < n_ids {
            self.states.resize(n_ids, State::default());
        }
        self.groups.resize(n_ids);
    }

    fn forget(&mut self, id: u32) -> Result<()> {
        self.stop_timer(id)?;
        let state = std::mem::take(self.state_mut(id)?);
        if let Some(told) = state.told {
            self.told.release(told);
        }
        self.index.remove(id);
        self.groups.clear(id);
        Ok(())
    }
}

/// Where the rows of a delta are cut: where another watermark was in force, and, if each row tells,
/// where a window comes again.
fn cuts(delta: &Delta, ids_of: Option<&[u32]>, watermark: impl Fn(usize) -> i64) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut seen = BTreeSet::new();
    for row_idx in 0..delta.num_rows() {
        let is_other = row_idx > 0 && watermark(row_idx) != watermark(row_idx - 1);
        let id = ids_of.and_then(|ids| ids.get(row_idx));
        let is_again = id.is_some_and(|id| !seen.insert(*id));
        if is_other || is_again {
            cuts.push(row_idx);
            seen.clear();
            seen.extend(id);
        }
    }
    cuts.push(delta.num_rows());
    cuts
}

impl Operator for FiringAggregate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let ids = match self.firing.emission {
            Emission::RowByRow => {
                let key = columns_at(delta.batch(), &self.key_columns)?;
                let mut of_delta =
                    KeyIndex::of_columns(&self.spec.input_schema, &self.key_columns)?;
                let mut ids = Vec::new();
                of_delta.intern(&key, delta.num_rows(), &mut ids)?;
                Some(ids)
            }
            Emission::NetPerStep => None,
        };
        let watermark = |row_idx: usize| ctx.watermark_at(&delta, row_idx);
        let mut from = 0;
        for to in cuts(&delta, ids.as_deref(), watermark) {
            if to > from {
                self.take(&delta.slice(from, to - from), watermark(from), ctx, out)?;
            }
            from = to;
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.spec.time {
            WindowTime::Event => self.advance(watermark_ms, out),
            WindowTime::Processing => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        self.tell_due(out)?;
        self.run_timers(ctx.processing_time_ms, out)?;
        match self.spec.time {
            WindowTime::Event => Ok(()),
            WindowTime::Processing => self.advance(ctx.processing_time_ms, out),
        }
    }

    fn next_timer_ms(&self) -> Option<i64> {
        let timer = self.timers.first().map(|(time_ms, _)| *time_ms);
        let end = match self.spec.time {
            WindowTime::Event => None,
            WindowTime::Processing => {
                let first = self.open.first_key_value();
                first.map(|(&end_ms, _)| self.last_ms(end_ms))
            }
        };
        timer.into_iter().chain(end).min()
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let windows = self.open.values().chain(self.over.values());
        let ids: Vec<u32> = windows.flatten().copied().collect();
        let mut columns = self.index.keys(&ids)?;
        let key_columns = self.spec.exchanged_places();
        let states: Vec<State> = ids
            .iter()
            .filter_map(|id| self.states.get(*id as usize).copied())
            .collect();
        let mut flag = |value: &dyn Fn(&State) -> i64| {
            let values = states.iter().map(value);
            columns.push(Arc::new(Int64Array::from_iter_values(values)) as ArrayRef);
        };
        flag(&|state| i64::from(state.is_over));
        flag(&|state| i64::from(state.told.is_some()));
        flag(&|state| state.timer_ms.unwrap_or(-1));
        let fields = self.told.schema().fields().iter().enumerate();
        for (column, field) in fields {
            let places: Vec<_> = states
                .iter()
                .map(|state| (state.told.map(|told| self.told.place(told)), column))
                .collect();
            columns.push(self.told.values(&places, field.data_type())?);
        }
        columns.extend(self.groups.save(&ids)?);
        Ok(vec![StateTable {
            name: WINDOWS,
            batch: state_batch(columns)?,
            key_columns,
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let n_rows = table.batch.num_rows();
            let n_keys = self.key_columns.len();
            let split = table.batch.columns().split_at_checked(n_keys);
            let (key, rest) = split
                .filter(|_| table.name == WINDOWS)
                .ok_or_else(not_ours)?;
            let (flags, rest) = rest.split_at_checked(N_FLAGS).ok_or_else(not_ours)?;
            let n_values = self.told.schema().fields().len();
            let (told, states) = rest.split_at_checked(n_values).ok_or_else(not_ours)?;
            let flags: Vec<&Int64Array> = flags
                .iter()
                .filter_map(|flag| flag.as_primitive_opt::<Int64Type>())
                .collect();
            let [is_over, has_told, timers] = flags.as_slice() else {
                return Err(not_ours());
            };
            let ends = millis(key.first().ok_or_else(not_ours)?)?;
            let mut ids = Vec::new();
            self.index.intern(key, n_rows, &mut ids)?;
            self.resize();
            self.groups.add_saved(&ids, states)?;
            let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
            let schema = Arc::clone(self.told.schema());
            let told = RecordBatch::try_new_with_options(schema, told.to_vec(), &options)?;
            let block = self.told.admit(told);
            for (row_idx, &id) in ids.iter().enumerate() {
                let has_told = has_told.value(row_idx) != 0;
                let told = has_told.then(|| self.told.keep(block, row_idx as u32));
                let timer_ms = Some(timers.value(row_idx)).filter(|timer_ms| *timer_ms >= 0);
                let is_over = is_over.value(row_idx) != 0;
                *self.state_mut(id)? = State {
                    is_known: true,
                    is_over,
                    is_due: false,
                    told,
                    timer_ms,
                };
                self.timers.extend(timer_ms.map(|timer_ms| (timer_ms, id)));
                // A window that is over without having told on time is found there at once.
                let windows = match is_over {
                    true => &mut self.over,
                    false => &mut self.open,
                };
                windows.entry(ends.value(row_idx)).or_default().push(id);
            }
            self.told.settle()?;
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.groups.state_bytes()
            + self.index.state_bytes()
            + self.told.state_bytes()
            + self.states.capacity() * (size_of::<State>() + size_of::<u32>())
            + self.timers.len() * size_of::<(i64, u32)>()
            + (self.open.len() + self.over.len()) * 64
    }
}
