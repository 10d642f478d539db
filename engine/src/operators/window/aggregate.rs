//! GROUP BY over windows: one row for each window and key, when the window is over.
//!
//! ```text
//!   rows with their windows ─▶ ids of (window end, key) ─▶ accumulators
//!                                                              │ watermark
//!                    +I  start, end, key, values  ◀── ids of the windows that are over, then forgotten
//! ```
//!
//! Rows are counted and taken back until then; a window without rows says nothing. A row whose
//! window was over when it came is dropped.
//!
//! Source: `WindowAggOperator` and `SliceAssigners` of Flink 2.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::accumulators::{Accumulators, not_ours};
use super::assign::{millis, timestamps};
use super::firing::{Firing, FiringAggregate};
use super::session_aggregate::SessionAggregate;
use super::shared::SharedWindowAggregate;
use super::{WindowClock, WindowKind};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::AggregateCall;
use crate::operators::group_changes::columns_at;
use crate::operators::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::state::{KeyIndex, StateTable};

/// What a column of a grouping is to its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupRole {
    /// `window_start` of an aligned window, known from the end, or of a session.
    Start,
    /// `window_end`.
    End,
    /// `window_time`: known from the end.
    Time,
    /// Anything else.
    Key,
}

/// In which order the slices of a window are put together: it shows in LISTAGG and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceOrder {
    /// As Flink does for table functions.
    LatestFirst,
    /// As Flink does for `GROUP BY HOP(…)`.
    EarliestFirst,
}

/// When windows are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowTime {
    /// When the watermark passes their end.
    Event,
    /// When the clock passes their end.
    Processing,
}

/// A GROUP BY over the columns of a window.
#[derive(Debug, Clone)]
pub struct WindowAggregateSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// The columns of the grouping and what they are; one of them is the end.
    pub group_columns: Vec<(usize, GroupRole)>,
    /// The windows.
    pub kind: WindowKind,
    /// How clocks of windows become times.
    pub clock: WindowClock,
    /// What ends them.
    pub time: WindowTime,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Whether rows come with slices instead of windows, and how these are put together; under
    /// SESSION, where the latest is always first, with the sessions that rows make alone.
    pub slices: Option<SliceOrder>,
    /// When windows tell what they have, if not only at their end.
    pub firing: Option<Firing>,
    /// Whether rows are taken back.
    pub input_retracts: bool,
    /// Schema of the rows that leave: the grouping, then one column a call.
    pub schema: SchemaRef,
}

impl WindowAggregateSpec {
    /// The key of the state: the window's end and what is not known from it.
    #[must_use]
    pub fn key_columns(&self) -> Vec<usize> {
        self.keys(|role| role == GroupRole::End)
            .chain(self.keys(|role| role == GroupRole::Key))
            .collect()
    }

    /// The columns of the grouping that the window does not say; by them the input is exchanged.
    #[must_use]
    pub fn own_key_columns(&self) -> Vec<usize> {
        self.keys(|role| role == GroupRole::Key).collect()
    }

    /// The places of those columns among [`Self::key_columns`].
    #[must_use]
    pub(super) fn exchanged_places(&self) -> Vec<usize> {
        let n_keys = self.key_columns().len();
        (n_keys - self.own_key_columns().len()..n_keys).collect()
    }

    /// `n_rows` rows of a window that is over: the columns of their keys that the window does not
    /// say, and the values of the calls.
    ///
    /// # Errors
    /// If a column is missing.
    pub(super) fn rows(
        &self,
        end_ms: i64,
        n_rows: usize,
        keys: Vec<ArrayRef>,
        values: Vec<ArrayRef>,
    ) -> Result<RecordBatch> {
        self.rows_of(keys, values, |role, data_type| {
            let value_ms = match role {
                GroupRole::Start => self.kind.start_ms(end_ms),
                GroupRole::Time => self.clock.time_ms(end_ms - 1),
                GroupRole::End | GroupRole::Key => end_ms,
            };
            timestamps(vec![value_ms; n_rows], data_type)
        })
    }

    /// Rows of windows that are over, whose columns of the window `times` gives by role and type.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(super) fn rows_of(
        &self,
        keys: Vec<ArrayRef>,
        values: Vec<ArrayRef>,
        times: impl Fn(GroupRole, &DataType) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let missing = || EngineError::internal("a key of a window is missing");
        let mut keys = keys.into_iter();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for ((_, role), field) in self.group_columns.iter().zip(self.schema.fields()) {
            columns.push(match role {
                GroupRole::Key => keys.next().ok_or_else(missing)?,
                role => times(*role, field.data_type())?,
            });
        }
        columns.extend(values);
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn keys(&self, is_wanted: impl Fn(GroupRole) -> bool) -> impl Iterator<Item = usize> {
        self.group_columns
            .iter()
            .filter(move |(_, role)| is_wanted(*role))
            .map(|(column, _)| *column)
    }
}

impl OperatorFactory for WindowAggregateSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        if self.slices.is_some() {
            return Ok(match self.kind {
                WindowKind::Session { .. } => Box::new(SessionAggregate::try_new(self)?),
                _ => Box::new(SharedWindowAggregate::try_new(self)?),
            });
        }
        if let Some(firing) = self.firing {
            return Ok(Box::new(FiringAggregate::try_new(self, firing)?));
        }
        let types: Vec<DataType> = self
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let key_columns = self.key_columns();
        if self.keys(|role| role == GroupRole::End).count() == 0 {
            return Err(EngineError::internal("a window aggregate without a window"));
        }
        Ok(Box::new(WindowAggregate {
            index: KeyIndex::of_columns(&self.input_schema, &key_columns)?,
            key_columns,
            spec: self.clone(),
            groups: Accumulators::try_new(&self.calls, &types, self.input_retracts)?,
            is_open: Vec::new(),
            windows: BTreeMap::new(),
            ids: Vec::new(),
            n_late: 0,
        }))
    }

    fn time_use(&self) -> TimeUse {
        match (self.time, self.kind) {
            (WindowTime::Processing, _) => TimeUse::None,
            (WindowTime::Event, WindowKind::Session { .. }) => TimeUse::Rows,
            (WindowTime::Event, _) => TimeUse::Windows,
        }
    }
}

struct WindowAggregate {
    spec: WindowAggregateSpec,
    /// The end first.
    key_columns: Vec<usize>,
    index: KeyIndex,
    /// By id.
    groups: Accumulators,
    /// Whether the id stands in `windows`.
    is_open: Vec<bool>,
    /// Ids by the end of their window, in order of arrival.
    windows: BTreeMap<i64, Vec<u32>>,
    /// Of the rows of the batch; kept for its memory.
    ids: Vec<u32>,
    n_late: u64,
}

/// The name of the table of a checkpoint.
const WINDOWS: &str = "windows";

impl Operator for WindowAggregate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let delta = self.without_late(delta, ctx)?;
        self.n_late += (n_rows - delta.num_rows()) as u64;
        if delta.num_rows() == 0 {
            return Ok(());
        }
        let key = columns_at(delta.batch(), &self.key_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.resize();
        self.open(&key, &ids)?;
        self.groups.update(&delta, &ids)?;
        self.ids = ids;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.spec.time {
            WindowTime::Event => self.fire(watermark_ms, out),
            WindowTime::Processing => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        match self.spec.time {
            WindowTime::Event => Ok(()),
            WindowTime::Processing => self.fire(ctx.processing_time_ms, out),
        }
    }

    fn next_timer_ms(&self) -> Option<i64> {
        if self.spec.time == WindowTime::Event {
            return None;
        }
        let (&end_ms, _) = self.windows.first_key_value()?;
        Some(self.spec.clock.time_ms(end_ms.saturating_sub(1)))
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let ids: Vec<u32> = self.windows.values().flatten().copied().collect();
        let mut columns = self.index.keys(&ids)?;
        let key_columns = self.spec.exchanged_places();
        columns.extend(self.groups.save(&ids)?);
        Ok(vec![StateTable {
            name: WINDOWS,
            batch: state_batch(columns)?,
            key_columns,
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let columns = table.batch.columns();
            let split = columns.split_at_checked(self.key_columns.len());
            let (key, states) = split
                .filter(|_| table.name == WINDOWS)
                .ok_or_else(not_ours)?;
            let mut ids = Vec::new();
            self.index.intern(key, table.batch.num_rows(), &mut ids)?;
            self.resize();
            self.open(key, &ids)?;
            self.groups.add_saved(&ids, states)?;
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.groups.state_bytes()
            + self.index.state_bytes()
            + self.is_open.capacity()
            // One id each, and some for the windows themselves.
            + self.is_open.len() * size_of::<u32>()
            + self.windows.len() * 64
    }
}

impl WindowAggregate {
    /// The rows whose windows were not over when they came.
    fn without_late(&self, delta: Delta, ctx: &StepContext) -> Result<Delta> {
        let is_processing = self.spec.time == WindowTime::Processing;
        if delta.watermarks().is_none() || is_processing {
            return Ok(delta);
        }
        let ends = self.ends(&columns_at(delta.batch(), &self.key_columns)?)?;
        let clock = self.spec.clock;
        let in_time: BooleanArray = ends
            .iter()
            .enumerate()
            .map(|(row_idx, end_ms)| {
                let watermark_ms = ctx.watermark_at(&delta, row_idx);
                let is_late = watermark_ms != NO_WATERMARK
                    && end_ms.is_none_or(|end_ms| clock.is_over(end_ms, watermark_ms));
                Some(!is_late)
            })
            .collect();
        if in_time.true_count() == delta.num_rows() {
            return Ok(delta);
        }
        delta.filter(&in_time)
    }

    fn ends(&self, key: &[ArrayRef]) -> Result<arrow::array::TimestampMillisecondArray> {
        millis(
            key.first()
                .ok_or_else(|| EngineError::internal("a window aggregate without a window"))?,
        )
    }

    fn resize(&mut self) {
        let n_ids = self.index.end();
        self.is_open.resize(n_ids.max(self.is_open.len()), false);
        self.groups.resize(n_ids);
    }

    /// Puts ids that are new under the end of their window.
    fn open(&mut self, key: &[ArrayRef], ids: &[u32]) -> Result<()> {
        let ends = self.ends(key)?;
        for (&id, &end_ms) in ids.iter().zip(ends.values()) {
            if let Some(is_open) = self.is_open.get_mut(id as usize)
                && !std::mem::replace(is_open, true)
            {
                self.windows.entry(end_ms).or_default().push(id);
            }
        }
        Ok(())
    }

    /// Emits and forgets the windows that are over at `time_ms`.
    fn fire(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        while let Some(entry) = self.windows.first_entry() {
            let end_ms = *entry.key();
            if !self.spec.clock.is_over(end_ms, time_ms) {
                break;
            }
            let ids = entry.remove();
            let full: Vec<u32> = ids
                .iter()
                .copied()
                .filter(|&id| self.groups.count(id) > 0)
                .collect();
            if !full.is_empty() {
                let keys = self.index.keys(&full)?.into_iter().skip(1).collect();
                let rows = self
                    .spec
                    .rows(end_ms, full.len(), keys, self.groups.read(&full)?)?;
                out.emit(Delta::insert_only(rows));
            }
            for id in ids {
                self.forget(id);
            }
        }
        Ok(())
    }

    fn forget(&mut self, id: u32) {
        self.index.remove(id);
        self.groups.clear(id);
        if let Some(is_open) = self.is_open.get_mut(id as usize) {
            *is_open = false;
        }
    }
}

/// Columns of a checkpoint as a batch; their names do not matter.
pub(crate) fn state_batch(columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(idx, column)| Field::new(format!("c{idx}"), column.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}
