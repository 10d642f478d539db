//! The operators of the incremental dataflow, one per file.
//!
//! An operator is a function of (delta, its state, the step). It never blocks, never reads a
//! clock, never logs. One instance lives on each worker and sees only the rows of its key groups.
//! In each step the runtime calls, in this order:
//!
//! ```text
//!   push(port, delta)*  →  on_watermark(w)?  →  on_step_end()  →  (last step) on_end()
//! ```
//!
//! `on_watermark` is called when the watermark of the operator's inputs has advanced. Whether a row
//! of the step came too late is another question: [`StepContext::watermark_at`] answers it as if
//! each row had been a step of its own.
//!
//! Whatever it hands to [`Output`] in any of these calls reaches the next operators in the same
//! step. By the time `on_step_end` is called, the operator has seen all its input of the step.

pub mod calc;

pub mod changelog;

pub mod changelog_normalize;

pub mod current_watermark;

pub mod expand;

pub mod deduplicate;

pub mod final_rows;

pub mod correlate;

pub mod group_aggregate;

mod group_changes;

mod group_ttl;

pub mod join;

pub mod interval_join;

pub mod limit;

pub mod match_recognize;

pub mod over;

pub mod rank;

mod rowtime;

pub mod sink_materializer;

pub mod sort_limit;

pub mod temporal_join;

pub mod lookup_join;

pub mod temporal_sort;

pub mod window;

#[cfg(test)]
mod ttl_tests;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;

pub use calc::CalcSpec;
pub use correlate::CorrelateSpec;
pub use current_watermark::CurrentWatermarkSpec;
pub use deduplicate::{DeduplicateSpec, Keep};
pub use final_rows::FinalRowsSpec;
pub use group_aggregate::{Emission, GroupAggregateSpec};
pub use interval_join::IntervalJoinSpec;
pub use join::{JoinInput, JoinKind, JoinSpec, Residual, ResidualColumn, UniqueKey};
pub use limit::LimitSpec;
pub use lookup_join::{LookupJoinSpec, LookupKey, LookupRetry, LookupStep};
pub use match_recognize::MatchSpec;
pub use over::{Frame, OverCall, OverOrder, OverSpec};
pub use rank::{RankEnd, RankSpec, RankStrategy};
pub use sort_limit::{SortKey, SortLimitSpec, SortOutput};
pub use temporal_join::TemporalJoinSpec;
pub use temporal_sort::TemporalSortSpec;

use crate::data::size::batch_bytes;
use crate::data::{Delta, NO_WATERMARK, delayed};
use crate::error::{EngineError, Result};
use crate::state::StateTable;
use crate::state::memory::JobMemory;

/// One instance of an operator, on one worker.
pub trait Operator: Send {
    /// Takes changes that came in at input `port`.
    ///
    /// # Errors
    /// An error ends the job at the last step boundary.
    fn push(
        &mut self,
        port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()>;

    /// Event time has advanced to `watermark_ms` (milliseconds since the epoch) on all inputs;
    /// `i64::MAX` at the end of bounded input. Only called when it is more than before.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn on_watermark(
        &mut self,
        _watermark_ms: i64,
        _ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        Ok(())
    }

    /// All input of this step has been pushed: the place to emit net changes.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn on_step_end(&mut self, _ctx: &StepContext, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// All inputs have ended for good: the place to emit what waits for the end of bounded input.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn on_end(&mut self, _ctx: &StepContext, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// The processing time (milliseconds since the epoch) at which this instance wants a step even
    /// if no row comes; it then looks at [`StepContext::processing_time_ms`]. Asked after each step.
    fn next_timer_ms(&self) -> Option<i64> {
        None
    }

    /// Whether no further input can change what comes out, as after the last row of a LIMIT. Only
    /// asked of worker 0 and after a wave; a job whose sinks all wait for such operators ends.
    fn is_done(&self) -> bool {
        false
    }

    /// All that this instance remembers, as it stands between two steps. An operator without state
    /// gives no tables.
    ///
    /// # Errors
    /// `Unsupported` from operators that cannot save what they remember.
    fn save(&self) -> Result<Vec<StateTable>> {
        Err(EngineError::unsupported("a checkpoint of this operator"))
    }

    /// Takes up what [`Self::save`] gave: of each table the rows whose keys are this worker's.
    /// Called before the first push.
    ///
    /// # Errors
    /// As [`Self::save`], and if the tables are not its own.
    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Err(EngineError::unsupported("restoring this operator"))
    }

    /// Rows that this instance has dropped because they came too late for their windows. Cheap:
    /// called after every step.
    fn late_records(&self) -> u64 {
        0
    }

    /// Bytes of state that this instance holds. Cheap: called after every step.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// Makes the instances of one operator of a graph. What the planner builds.
pub trait OperatorFactory: Send + Sync + Debug {
    /// The instance for worker `worker_idx` of `n_workers`.
    ///
    /// # Errors
    /// If the operator cannot be set up, e.g. a function cannot be opened.
    fn create(&self, worker_idx: usize, n_workers: usize) -> Result<Box<dyn Operator>>;

    /// By how much the watermark that leaves the operator is behind the one that comes in: rows
    /// with times up to this old may still leave it.
    fn watermark_delay_ms(&self) -> i64 {
        0
    }

    /// What event time is to the operator.
    fn time_use(&self) -> TimeUse {
        TimeUse::None
    }

    /// Whether it takes back rows that came earlier: what was in time then may be late now, though
    /// the row that is the cause is not.
    fn recalls_rows(&self) -> bool {
        false
    }

    /// Whether the operator does better with many rows a step.
    fn step_length(&self) -> StepLength {
        StepLength::Any
    }

    /// The same operator where its readers or the inputs at some ports do without `-U`; none if it
    /// is the same as ever: what it sends is looked through then.
    fn with_updates(&self, _updates: &UpdateKinds<'_>) -> Option<Arc<dyn OperatorFactory>> {
        None
    }

    /// The expressions over the input's columns through which alone it looks at its rows; none if
    /// it looks at whole columns.
    fn expressions(&self) -> Option<Vec<&Arc<dyn PhysicalExpr>>> {
        None
    }
}

/// What event time is to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUse {
    /// Its results do not depend on it.
    None,
    /// Rows are put into windows with fixed ends and leave with them, never late.
    Windows,
    /// Rows are told apart by the watermark that was in force when they came, or leave with that
    /// which passes their own time: sessions, OVER, joins by time.
    Rows,
}

impl TimeUse {
    /// [`Self::Rows`] if event time matters at all.
    pub(crate) const fn rows_if(is_event_time: bool) -> Self {
        match is_event_time {
            true => Self::Rows,
            false => Self::None,
        }
    }
}

/// What an operator says about the length of the steps that suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepLength {
    /// It does not mind.
    Any,
    /// It sends less the longer a step is, and keeps no rows of it.
    Long,
    /// It keeps the rows of a step until its end.
    Short,
}

/// How updates come into an operator, and how they are to leave it.
#[derive(Debug, Clone, Copy)]
pub struct UpdateKinds<'a> {
    /// Whether its readers want `-U` before `+U`.
    pub sends_before: bool,
    /// By port: whether `+U` comes alone.
    pub only_after: &'a [bool],
}

/// What an operator may know about the step it works in.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepContext {
    /// Number of the step, from 1.
    pub step: u64,
    /// The one processing time of the whole step, in milliseconds since the epoch: `PROCTIME()`.
    pub processing_time_ms: i64,
    /// Index of the worker that runs this instance.
    pub worker_idx: usize,
    /// The watermark of the operator's inputs before this step, [`NO_WATERMARK`] without one.
    pub watermark_ms: i64,
    /// Whether all of its rows come from one source, so that what the rows say about the
    /// watermark in force is the whole truth.
    pub has_one_source: bool,
    /// By how much watermarks are behind those of that source when they reach the operator.
    pub delay_ms: i64,
    /// `table.exec.state.ttl`: state of a key that has not been written for so long is forgotten
    /// (`state::ttl`); none if it is kept.
    pub state_ttl_ms: Option<i64>,
}

impl StepContext {
    /// The watermark that was in force when row `row_idx` of `delta` arrived; a row that is not
    /// behind it may get [`NO_WATERMARK`].
    #[must_use]
    pub fn watermark_at(&self, delta: &Delta, row_idx: usize) -> i64 {
        let Some(&watermark_ms) = delta.watermarks().and_then(|all| all.get(row_idx)) else {
            return NO_WATERMARK;
        };
        if self.has_one_source {
            delayed(watermark_ms, self.delay_ms)
        } else {
            watermark_ms.min(self.watermark_ms)
        }
    }
}

/// Where the numbers of rows begin that a watermark has brought: behind those of any source.
const FIRED: i64 = 1 << 62;

/// Takes what an operator emits.
#[derive(Debug, Default)]
pub struct Output {
    deltas: Vec<Delta>,
    /// The job's memory; none in tests.
    memory: Option<Arc<JobMemory>>,
    /// The node that emits.
    node: Arc<str>,
    is_full: bool,
}

impl Output {
    /// An output whose rows count as memory of a job.
    pub(crate) fn of_job(memory: Arc<JobMemory>) -> Self {
        Self {
            memory: Some(memory),
            ..Self::default()
        }
    }

    /// Hands `delta` to the next operators; a delta without rows is dropped. If there is no room
    /// for it, it is dropped too, and the job fails when the operator returns.
    pub fn emit(&mut self, delta: Delta) {
        if delta.num_rows() == 0 {
            return;
        }
        if let Some(memory) = &self.memory {
            self.is_full |= !memory.add_rows(batch_bytes(delta.batch()));
        }
        if !self.is_full {
            self.deltas.push(delta);
        }
    }

    /// How many deltas wait to be drained.
    pub(crate) fn n_deltas(&self) -> usize {
        self.deltas.len()
    }

    /// Hands on rows that leave because a watermark has passed these times, one a row: of rows that
    /// one watermark brings, those of earlier times come first, on whatever worker they were.
    ///
    /// # Errors
    /// `Internal` if there are not as many times as rows.
    pub fn emit_timed(&mut self, delta: Delta, times_ms: impl Iterator<Item = i64>) -> Result<()> {
        let arrivals = times_ms.map(|time_ms| FIRED.saturating_add(time_ms.max(0)));
        self.emit(delta.with_arrivals(Some(arrivals.collect()))?);
        Ok(())
    }

    /// The deltas behind the first `n_deltas` were sent when this watermark was in force, if they do
    /// not say it themselves.
    ///
    /// # Errors
    /// Never in practice: a delta has as many marks as rows.
    pub(crate) fn mark_behind(&mut self, n_deltas: usize, watermark_ms: i64) -> Result<()> {
        for delta in self.deltas.iter_mut().skip(n_deltas) {
            if delta.watermarks().is_none() {
                let n_rows = delta.num_rows();
                let arrivals = delta.arrivals().cloned();
                let arrivals = arrivals.unwrap_or_else(|| vec![FIRED; n_rows].into());
                *delta = delta
                    .clone()
                    .with_watermarks(Some(vec![watermark_ms; n_rows].into()))?
                    .with_arrivals(Some(arrivals))?;
            }
        }
        Ok(())
    }

    /// To be called between pieces of a large output, which holds `n_bytes` that it has not emitted
    /// yet.
    ///
    /// # Errors
    /// If there is no room for what was emitted and for those bytes, or the job has been stopped:
    /// then it makes no sense to go on.
    pub fn require_room(&self, n_bytes: usize) -> Result<()> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        if memory.is_stopped() {
            return Err(EngineError::Stopped {
                job: self.node.to_string(),
            });
        }
        match self.is_full || !memory.has_room(n_bytes) {
            true => Err(memory.too_many_rows(&self.node, n_bytes)),
            false => Ok(()),
        }
    }

    /// From now on this node emits.
    pub(crate) fn begin(&mut self, node: &Arc<str>) {
        self.node = Arc::clone(node);
    }

    /// Takes out what was emitted so far, in order.
    pub fn drain(&mut self) -> Vec<Delta> {
        std::mem::take(&mut self.deltas)
    }
}
