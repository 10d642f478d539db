//! GROUP BY over sessions: accumulators for each session instead of its rows.
//!
//! ```text
//!   rows, each with the session that it makes alone
//!     ─▶ key id ─▶ open session ─▶ group ─▶ accumulators
//!                    │ a row between sessions: the latest one takes in the accumulators of the others
//!                    ▼ watermark
//!            +I  start, end, key, values
//! ```
//!
//! What a session takes in counts as if its rows came behind those that the session has seen, as
//! Flink adds accumulators of earlier sessions to those of the latest one. Within a delta rows and
//! merges of one group keep their order by levels: a merge of two groups closes the level of both.
//!
//! Source: `UnsliceWindowAggProcessor`, `AggregateWindowOperator` and `MergingWindowSet` of Flink
//! 2.3.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::datatypes::{DataType, Int64Type};
use hashbrown::HashMap;

use super::TimeWindow;
use super::accumulators::{Accumulators, not_ours};
use super::aggregate::{GroupRole, WindowAggregateSpec, WindowTime, state_batch};
use super::assign::{millis, timestamps};
use super::open_sessions::{OpenSession, OpenSessions};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::{Operator, Output, StepContext};
use crate::state::{KeyIndex, StateTable};

/// An aggregate over sessions.
pub(super) struct SessionAggregate {
    spec: WindowAggregateSpec,
    /// Columns with the start and the end of the session that a row makes alone.
    start_column: usize,
    end_column: usize,
    key_columns: Vec<usize>,
    keys: KeyIndex,
    open: OpenSessions,
    groups: Accumulators,
    /// Of the rows of the batch; kept for its memory.
    key_ids: Vec<u32>,
    n_late: u64,
}

/// The name of the table of a checkpoint.
const SESSIONS: &str = "sessions";

impl SessionAggregate {
    pub(super) fn try_new(spec: &WindowAggregateSpec) -> Result<Self> {
        let fields = spec.input_schema.fields().iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        let column = |wanted: GroupRole| {
            let mut columns = spec.group_columns.iter();
            columns
                .find(|(_, role)| *role == wanted)
                .map(|(column, _)| *column)
                .ok_or_else(|| EngineError::internal("an aggregate over sessions without them"))
        };
        let key_columns = spec.own_key_columns();
        Ok(Self {
            start_column: column(GroupRole::Start)?,
            end_column: column(GroupRole::End)?,
            keys: KeyIndex::of_columns(&spec.input_schema, &key_columns)?,
            key_columns,
            open: OpenSessions::default(),
            groups: Accumulators::try_new(&spec.calls, &types, spec.input_retracts)?,
            key_ids: Vec::new(),
            n_late: 0,
            spec: spec.clone(),
        })
    }

    /// Finds the session of each row, and what sessions take in.
    fn find_sessions(&mut self, delta: &Delta, ctx: &StepContext) -> Result<Work> {
        let times = |column: usize| {
            let column = delta.batch().columns().get(column);
            millis(column.ok_or_else(|| EngineError::internal("rows without their session"))?)
        };
        let (starts, ends) = (times(self.start_column)?, times(self.end_column)?);
        let clock = self.spec.clock;
        let is_event_time = self.spec.time == WindowTime::Event;
        let mut work = Work::with_capacity(delta.num_rows());
        let windows = starts.values().iter().zip(ends.values());
        for ((row_idx, &key_id), (&start_ms, &end_ms)) in
            self.key_ids.iter().enumerate().zip(windows)
        {
            let watermark_ms = match is_event_time {
                true => ctx.watermark_at(delta, row_idx),
                false => NO_WATERMARK,
            };
            let is_over =
                |end_ms: i64| watermark_ms != NO_WATERMARK && clock.is_over(end_ms, watermark_ms);
            let window = TimeWindow { start_ms, end_ms };
            let mut merged = Vec::new();
            let found = self
                .open
                .find(key_id, window, is_over, |group| merged.push(group));
            let group = match found {
                Some(group) => Some(group),
                None if is_over(end_ms) => None,
                None => {
                    let group = self.groups.open();
                    self.open.open(OpenSession {
                        window,
                        key_id,
                        group,
                    });
                    Some(group)
                }
            };
            work.add(row_idx, group, &merged);
        }
        Ok(work)
    }

    /// Brings rows and merges into the accumulators, level by level.
    fn carry_out(&mut self, delta: &Delta, mut work: Work) -> Result<()> {
        work.rows.sort_by_key(|row| row.level);
        work.merges.sort_by_key(|merge| merge.level);
        let (mut rows, mut merges) = (work.rows.as_slice(), work.merges.as_slice());
        for level in 0.. {
            if rows.is_empty() && merges.is_empty() {
                break;
            }
            let (now, later) = split(rows, |row| row.level == level);
            let (places, groups): (Vec<u32>, Vec<u32>) =
                now.iter().map(|row| (row.row_idx, row.group)).unzip();
            if !places.is_empty() {
                let rows = delta.take(&UInt32Array::from(places))?;
                self.groups.update(&rows, &groups)?;
            }
            rows = later;
            let (now, later) = split(merges, |merge| merge.level == level);
            let (from, to): (Vec<u32>, Vec<u32>) =
                now.iter().map(|merge| (merge.from, merge.to)).unzip();
            if !from.is_empty() {
                let states = self.groups.save(&from)?;
                self.groups.add_saved(&to, &states)?;
            }
            merges = later;
        }
        for merge in &work.merges {
            self.groups.release(merge.from);
        }
        Ok(())
    }

    /// Emits and forgets the sessions that are over at `time_ms`.
    fn fire(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        let clock = self.spec.clock;
        let over = self.open.take_over(|end_ms| clock.is_over(end_ms, time_ms));
        let told: Vec<OpenSession> = over
            .iter()
            .copied()
            .filter(|session| self.groups.count(session.group) > 0)
            .collect();
        if !told.is_empty() {
            out.emit(self.rows(&told)?);
        }
        for session in over {
            self.groups.release(session.group);
            if self.open.is_without(session.key_id) {
                self.keys.remove(session.key_id);
            }
        }
        Ok(())
    }

    /// A row for each session.
    fn rows(&self, sessions: &[OpenSession]) -> Result<Delta> {
        let key_ids: Vec<u32> = sessions.iter().map(|session| session.key_id).collect();
        let groups: Vec<u32> = sessions.iter().map(|session| session.group).collect();
        let clock = self.spec.clock;
        self.spec
            .rows_of(
                self.keys.keys(&key_ids)?,
                self.groups.read(&groups)?,
                |role, data_type| {
                    let times = sessions
                        .iter()
                        .map(|OpenSession { window, .. }| match role {
                            GroupRole::Start => window.start_ms,
                            GroupRole::Time => clock.time_ms(window.end_ms - 1),
                            GroupRole::End | GroupRole::Key => window.end_ms,
                        });
                    timestamps(times.collect(), data_type)
                },
            )
            .map(Delta::insert_only)
    }
}

/// What a delta does to the groups.
struct Work {
    rows: Vec<RowOfGroup>,
    merges: Vec<Merge>,
    /// The level of groups that have been merged; 0 of others.
    levels: HashMap<u32, u32, foldhash::fast::FixedState>,
    n_late: u64,
}

struct RowOfGroup {
    row_idx: u32,
    group: u32,
    level: u32,
}

/// A group that takes in another one, behind the rows of this level.
struct Merge {
    from: u32,
    to: u32,
    level: u32,
}

impl Work {
    fn with_capacity(n_rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(n_rows),
            merges: Vec::new(),
            levels: HashMap::default(),
            n_late: 0,
        }
    }

    /// A row goes to `group`, which takes in `merged` before; one without a group is late.
    fn add(&mut self, row_idx: usize, group: Option<u32>, merged: &[u32]) {
        let Some(group) = group else {
            self.n_late += 1;
            return;
        };
        for &from in merged {
            let level = self.level(group).max(self.level(from));
            self.merges.push(Merge {
                from,
                to: group,
                level,
            });
            self.levels.insert(group, level + 1);
        }
        self.rows.push(RowOfGroup {
            row_idx: row_idx as u32,
            group,
            level: self.level(group),
        });
    }

    fn level(&self, group: u32) -> u32 {
        match self.levels.is_empty() {
            true => 0,
            false => self.levels.get(&group).copied().unwrap_or(0),
        }
    }
}

/// What comes first in `all` and what follows.
fn split<T>(all: &[T], is_first: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    let n_first = all.partition_point(is_first);
    all.split_at_checked(n_first).unwrap_or((all, &[]))
}

impl Operator for SessionAggregate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        let key = columns_at(delta.batch(), &self.key_columns)?;
        self.keys
            .intern(&key, delta.num_rows(), &mut self.key_ids)?;
        self.open.resize(self.keys.end());
        let work = self.find_sessions(&delta, ctx)?;
        self.n_late += work.n_late;
        if work.merges.is_empty() && work.n_late == 0 {
            let groups: Vec<u32> = work.rows.iter().map(|row| row.group).collect();
            return self.groups.update(&delta, &groups);
        }
        for &key_id in &self.key_ids {
            // A key none of whose rows was taken.
            if self.open.is_without(key_id) {
                self.keys.remove(key_id);
            }
        }
        self.carry_out(&delta, work)
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
        let end_ms = self.open.next_end_ms()?;
        Some(self.spec.clock.time_ms(end_ms.saturating_sub(1)))
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let sessions: Vec<OpenSession> = self.open.all().collect();
        let key_ids: Vec<u32> = sessions.iter().map(|session| session.key_id).collect();
        let groups: Vec<u32> = sessions.iter().map(|session| session.group).collect();
        let mut columns = self.keys.keys(&key_ids)?;
        let key_columns = (0..columns.len()).collect();
        let mut times = |time: fn(&OpenSession) -> i64| {
            let times = sessions.iter().map(time);
            columns.push(Arc::new(Int64Array::from_iter_values(times)) as ArrayRef);
        };
        times(|session| session.window.start_ms);
        times(|session| session.window.end_ms);
        columns.extend(self.groups.save(&groups)?);
        Ok(vec![StateTable {
            name: SESSIONS,
            batch: state_batch(columns)?,
            key_columns,
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let columns = table.batch.columns();
            let split = columns.split_at_checked(self.key_columns.len());
            let (key, rest) = split
                .filter(|_| table.name == SESSIONS)
                .ok_or_else(not_ours)?;
            let [starts, ends, states @ ..] = rest else {
                return Err(not_ours());
            };
            let integers = |column: &ArrayRef| column.as_primitive_opt::<Int64Type>().cloned();
            let starts = integers(starts).ok_or_else(not_ours)?;
            let ends = integers(ends).ok_or_else(not_ours)?;
            let mut key_ids = Vec::new();
            self.keys
                .intern(key, table.batch.num_rows(), &mut key_ids)?;
            self.open.resize(self.keys.end());
            let mut groups = Vec::with_capacity(key_ids.len());
            let windows = starts.values().iter().zip(ends.values());
            for (&key_id, (&start_ms, &end_ms)) in key_ids.iter().zip(windows) {
                let group = self.groups.open();
                self.open.open(OpenSession {
                    window: TimeWindow { start_ms, end_ms },
                    key_id,
                    group,
                });
                groups.push(group);
            }
            self.groups.add_saved(&groups, states)?;
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.keys.state_bytes()
            + self.open.state_bytes()
            + self.groups.state_bytes()
            + self.key_ids.capacity() * size_of::<u32>()
    }
}
