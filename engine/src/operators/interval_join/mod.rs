//! Interval joins: rows of both sides whose times are not far apart.
//!
//! ```text
//!   left.ts ∈ [right.ts + lower, right.ts + upper]
//!
//!   left   ───•──────•────────•──▶     each row meets the rows of its key that the other side has
//!              ╲    ╱ ╲                kept, and is kept itself as long as rows that fit may come
//!   right  ─────•──•───•─────────▶     watermark: rows nobody can meet any more are forgotten;
//!                                      of an outer join, alone if they never had a partner
//! ```
//!
//! Both inputs of a step are taken in the order in which their rows came, as far as they come from
//! one source, so that what is too late does not depend on steps. The watermark that leaves is behind by the longer reach of
//! the two sides: pairs are as old as their older row.
//!
//! Source: `TimeIntervalJoin` and `RowTimeIntervalJoin` of Flink 2.3.

mod cache;

mod pairs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;

use super::join::{JoinInput, JoinKind, Residual};
use super::rowtime::Cause;
use super::window::WindowTime;
use super::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::window::assign::millis;
use crate::state::{KeyIndex, RowStore, StateTable};
use cache::{KeyCache, NO_TIMER};
use pairs::{Found, TIMERS};

/// A join by time.
#[derive(Debug, Clone)]
pub struct IntervalJoinSpec {
    /// Inner or outer.
    pub kind: JoinKind,
    /// Port 0.
    pub left: JoinInput,
    /// Port 1.
    pub right: JoinInput,
    /// Columns of the times, by port.
    pub time_columns: [usize; 2],
    /// The least difference of the left time to the right one, in milliseconds.
    pub lower_ms: i64,
    /// The greatest one.
    pub upper_ms: i64,
    /// What tells the time.
    pub time: WindowTime,
    /// Whether NULL is equal to NULL in a key.
    pub nulls_equal: bool,
    /// The condition that pairs must meet beside keys and times.
    pub residual: Option<Residual>,
    /// The output columns of the left side, then those of the right side.
    pub schema: SchemaRef,
}

impl IntervalJoinSpec {
    /// How long behind its own time a row of a side may still meet rows that come.
    const fn reach_ms(&self, port: usize) -> i64 {
        if port == 0 {
            self.lower_ms.saturating_neg()
        } else {
            self.upper_ms
        }
    }

    fn input(&self, port: usize) -> &JoinInput {
        if port == 0 { &self.left } else { &self.right }
    }

    const fn is_outer(&self, port: usize) -> bool {
        match self.kind {
            JoinKind::Full => true,
            JoinKind::Left => port == 0,
            JoinKind::Right => port == 1,
            _ => false,
        }
    }
}

impl OperatorFactory for IntervalJoinSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(IntervalJoin {
            index: KeyIndex::of_columns(&self.left.schema, &self.left.key_columns)?,
            keys: Vec::new(),
            timers: BTreeMap::new(),
            rows: [0, 1].map(|port| RowStore::new(Arc::clone(&self.input(port).schema))),
            has_partner: [Vec::new(), Vec::new()],
            touched: Vec::new(),
            pending: [Vec::new(), Vec::new()],
            found: Found::default(),
            spec: self.clone(),
        }))
    }

    fn watermark_delay_ms(&self) -> i64 {
        match self.time {
            WindowTime::Event => self.reach_ms(0).max(self.reach_ms(1)),
            WindowTime::Processing => 0,
        }
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(self.time == WindowTime::Event)
    }
}

struct IntervalJoin {
    spec: IntervalJoinSpec,
    index: KeyIndex,
    /// The rows of each key.
    keys: Vec<KeyCache>,
    /// Keys whose rows are to be looked through at that time.
    timers: BTreeMap<i64, BTreeSet<u32>>,
    rows: [RowStore; 2],
    /// By slot.
    has_partner: [Vec<bool>; 2],
    /// Keys of the step: those of its rows, and those that have lost rows.
    touched: Vec<u32>,
    /// Rows of the step that have not been looked at.
    pending: [Vec<Pending>; 2],
    found: Found,
}

/// A row that came in this step.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// None if it has NULL in its key.
    key: Option<u32>,
    time_ms: i64,
    /// In force when it came.
    watermark_ms: i64,
    /// Its number among the rows of the step that came under one watermark.
    arrival: i64,
    /// When its source sent it, if that is known.
    cause: Option<Cause>,
    slot: u32,
}

impl Operator for IntervalJoin {
    fn push(
        &mut self,
        port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "an interval join of rows that are taken back",
            ));
        }
        let n_rows = delta.num_rows();
        let key = columns_at(delta.batch(), &self.spec.input(port).key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, n_rows, &mut ids)?;
        self.keys.resize_with(self.index.end(), KeyCache::default);
        let times = match self.spec.time {
            WindowTime::Processing => None,
            WindowTime::Event => Some(self.times(port, &delta)?),
        };
        let (Some(rows), Some(pending), Some(has_partner)) = (
            self.rows.get_mut(port),
            self.pending.get_mut(port),
            self.has_partner.get_mut(port),
        ) else {
            return Err(EngineError::internal("an interval join has two inputs"));
        };
        self.touched.extend(&ids);
        // Of several sources nobody knows which row came first.
        let arrivals = delta.arrivals().filter(|_| ctx.has_one_source);
        let block = rows.admit(delta.batch().clone());
        for (row_idx, &id) in (0_u32..).zip(&ids) {
            let place = row_idx as usize;
            let has_null = !self.spec.nulls_equal && is_null_in(&key, place);
            let (time_ms, watermark_ms) = match &times {
                None => (ctx.processing_time_ms, ctx.processing_time_ms),
                Some(times) if times.is_null(place) => continue,
                Some(times) => {
                    let watermark_ms = if delta.watermarks().is_some() {
                        ctx.watermark_at(&delta, place)
                    } else {
                        ctx.watermark_ms
                    };
                    (times.value(place), watermark_ms)
                }
            };
            let slot = rows.keep(block, row_idx);
            if has_partner.len() <= slot as usize {
                has_partner.resize(slot as usize + 1, false);
            }
            if let Some(has_partner) = has_partner.get_mut(slot as usize) {
                *has_partner = false;
            }
            pending.push(Pending {
                key: (!has_null).then_some(id),
                time_ms,
                watermark_ms,
                arrival: arrivals.map_or(0, |all| all.get(place).copied().unwrap_or(0)),
                cause: Cause::of(&delta, place),
                slot,
            });
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
            WindowTime::Event => {
                self.meet_pending(watermark_ms, out)?;
                self.expire_all(watermark_ms, out)
            }
            // Nothing comes any more, but the clock has not moved: rows stay without a partner.
            WindowTime::Processing => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        self.meet_pending(i64::MAX, out)?;
        if self.spec.time == WindowTime::Processing {
            self.expire_all(ctx.processing_time_ms, out)?;
        }
        for key in std::mem::take(&mut self.touched) {
            if self.keys.get(key as usize).is_some_and(KeyCache::is_empty) {
                self.index.remove(key);
            }
        }
        for rows in &mut self.rows {
            rows.settle()?;
        }
        Ok(())
    }

    fn next_timer_ms(&self) -> Option<i64> {
        if self.spec.time == WindowTime::Event {
            return None;
        }
        self.timers.first_key_value().map(|(&time_ms, _)| time_ms)
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        self.save_rows()
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        let (timers, rows): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|table| table.name == TIMERS);
        for table in &rows {
            self.restore_rows(table)?;
        }
        for table in &timers {
            self.restore_timers(table)?;
        }
        if timers.is_empty() {
            self.renew_timers();
        }
        for rows in &mut self.rows {
            rows.settle()?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let of_rows: usize = self.rows.iter().map(RowStore::state_bytes).sum();
        let of_flags: usize = self.has_partner.iter().map(Vec::capacity).sum();
        let n_rows: usize = self.rows.iter().map(RowStore::len).sum();
        self.index.state_bytes()
            + of_rows
            + of_flags
            + n_rows * size_of::<(i64, u32)>()
            + self.keys.capacity() * size_of::<KeyCache>()
            + self.timers.len() * 64
    }
}

impl IntervalJoin {
    fn times(&self, port: usize, delta: &Delta) -> Result<arrow::array::TimestampMillisecondArray> {
        let column = self.spec.time_columns.get(port).copied();
        let times = column.and_then(|column| delta.batch().columns().get(column));
        millis(times.ok_or_else(|| EngineError::internal("an interval join without a time"))?)
    }

    /// Takes the rows of the step that came before this watermark, in the order in which they came.
    fn meet_pending(&mut self, before_ms: i64, out: &mut Output) -> Result<()> {
        let mut rows: Vec<(usize, Pending)> = Vec::new();
        for (port, pending) in self.pending.iter_mut().enumerate() {
            let is_due = |row: &mut Pending| row.watermark_ms < before_ms || before_ms == i64::MAX;
            let due = pending.extract_if(.., is_due);
            rows.extend(due.map(|row| (port, row)));
        }
        rows.sort_by_key(|(_, row)| (row.watermark_ms, row.arrival));
        for (port, row) in rows {
            self.meet(port, row);
            if self.found.is_full() {
                self.emit_found(out)?;
            }
        }
        self.emit_found(out)
    }

    /// Pairs a row with those that the other side has kept, and keeps it if more may come.
    fn meet(&mut self, port: usize, row: Pending) {
        let other = 1 - port;
        let (reach_ms, other_reach_ms) = (self.spec.reach_ms(port), self.spec.reach_ms(other));
        // As in Flink, time begins in 1970.
        let now_ms = row.watermark_ms.max(0);
        let latest_ms = row.time_ms.saturating_add(reach_ms);
        self.found.caused_by(row.cause);
        let Some(key) = row.key else {
            self.found.close(port, row.slot);
            return;
        };
        self.expire_due(key, row.watermark_ms);
        let Some(cache) = self.keys.get_mut(key as usize) else {
            return;
        };
        let expired_ms = expired(now_ms, other_reach_ms);
        if expired_ms < latest_ms {
            let earliest_ms = row.time_ms.saturating_sub(other_reach_ms);
            for slot in cache.between(other, earliest_ms, latest_ms) {
                self.found.pair(port, row.slot, slot);
            }
            for slot in cache.take_until(other, expired_ms) {
                self.found.close(other, slot);
            }
        }
        if now_ms < latest_ms {
            cache.insert(port, row.time_ms, row.slot);
            if cache.timer(port) == NO_TIMER {
                self.set_timer(key, port, row.time_ms);
            }
        } else {
            self.found.close(port, row.slot);
        }
    }

    /// Looks through rows of a key whose timers are due: at each timer as if the watermark had just
    /// reached it, so that what is forgotten does not hang on how far a step has moved it.
    fn expire_due(&mut self, key: u32, watermark_ms: i64) {
        if watermark_ms == NO_WATERMARK {
            return;
        }
        for port in 0..2 {
            while let Some(cache) = self.keys.get_mut(key as usize) {
                let timer_ms = cache.timer(port);
                if timer_ms > watermark_ms {
                    break;
                }
                if cache.first_ms(port).is_none() {
                    cache.set_timer(port, NO_TIMER);
                    break;
                }
                let now_ms = if watermark_ms == i64::MAX {
                    watermark_ms
                } else {
                    timer_ms.max(0)
                };
                self.found.timer_ms = timer_ms;
                let closed = cache.take_until(port, expired(now_ms, self.spec.reach_ms(port)));
                let first_ms = cache.first_ms(port);
                cache.set_timer(port, NO_TIMER);
                for slot in closed {
                    self.found.close(port, slot);
                }
                if let Some(first_ms) = first_ms {
                    self.set_timer(key, port, first_ms);
                }
            }
        }
    }

    /// Wants to look through the rows of a side some time after the oldest one has expired: not for
    /// every row, as that would cost more than it frees.
    fn set_timer(&mut self, key: u32, port: usize, first_ms: i64) {
        let reaches_ms = self.spec.reach_ms(0).saturating_add(self.spec.reach_ms(1));
        // Bounds that no pair can meet give no slack; a timer still frees its row.
        let slack_ms = (reaches_ms / 2).max(0);
        let timer_ms = first_ms
            .saturating_add(self.spec.reach_ms(port))
            .saturating_add(slack_ms)
            .saturating_add(1);
        if let Some(cache) = self.keys.get_mut(key as usize) {
            cache.set_timer(port, timer_ms);
        }
        self.timers.entry(timer_ms).or_default().insert(key);
    }

    /// Forgets what nobody can meet any more at `time_ms`.
    fn expire_all(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        self.found.caused_by(None);
        while let Some(entry) = self.timers.first_entry() {
            if *entry.key() > time_ms {
                break;
            }
            for key in entry.remove() {
                self.expire_due(key, time_ms);
                // Rows of the step may still meet it: it goes at the end of the step.
                self.touched.push(key);
            }
            if self.found.is_full() {
                self.emit_found(out)?;
            }
        }
        self.emit_found(out)
    }
}

/// Rows up to this time meet nobody that comes at `now_ms` or later.
const fn expired(now_ms: i64, reach_ms: i64) -> i64 {
    if now_ms == i64::MAX {
        i64::MAX
    } else {
        now_ms.saturating_sub(reach_ms).saturating_sub(1)
    }
}

fn is_null_in(key: &[ArrayRef], row: usize) -> bool {
    key.iter().any(|column| column.is_null(row))
}
