//! Event time: how a source says how far it is, and how far that makes every node of the graph.
//!
//! ```text
//!   reader ──▶ Tracker: rowtime and watermark expression, row by row ──▶ Track (beside the batch)
//!                                     │
//!   inbox ──admit──▶ min over the active readers of a source ──▶ Progress of each source
//!                                     │
//!   job ──once a step──▶ NodeWatermarks: min over the inputs, minus the operator's delay
//! ```
//!
//! Watermarks are no messages: within a step they are one number for each node, the same on all
//! workers. Which rows came too late is settled where the rows still stand in order of arrival, and
//! travels with them ([`crate::data::Delta::watermarks`]).
//!
//! Source: `WatermarkAssignerOperator` of Flink 2.3. A watermark is sent behind the first row that
//! moves it by more than the interval, and at the latest when the source has paused so long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, TimestampMillisecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::TimestampMillisecondType;
use datafusion::physical_expr::PhysicalExpr;
use serde::{Deserialize, Serialize};

use super::event_time::{EventTimes, delay_of};
use super::graph::Graph;
use super::row_times::RowTimes;
use crate::data::{Delta, NO_WATERMARK, delayed};
use crate::error::{EngineError, Result};

/// The WATERMARK of a table. The expressions are over the columns that are read of the source.
#[derive(Debug, Clone)]
pub struct WatermarkSpec {
    /// Name of the rowtime column, for messages.
    pub column: String,
    /// The rowtime of a row: a timestamp in milliseconds.
    pub rowtime: Arc<dyn PhysicalExpr>,
    /// The watermark of a row: a timestamp in milliseconds, or NULL for none.
    pub watermark: Arc<dyn PhysicalExpr>,
    /// By how much more than this a watermark must have moved to be sent at once.
    pub interval_ms: i64,
    /// After how long without rows a reader no longer holds the others back; none for never.
    pub idle_timeout: Option<Duration>,
    /// Whether every row says which watermark was in force when it came, late or not.
    pub marks_all_rows: bool,
}

/// The watermarks of one reader, on its thread.
#[derive(Debug)]
pub(super) struct Tracker {
    spec: Arc<WatermarkSpec>,
    /// Its expressions, once rows have come.
    row_times: Option<RowTimes>,
    /// The highest watermark of any row; times before 1970 do not count, as in Flink.
    current_ms: i64,
    /// The one that was sent last, 0 before.
    sent_ms: i64,
    last_rows: Instant,
    is_idle: bool,
}

/// Where a [`Tracker`] stands behind a batch: what a checkpoint keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrackerState {
    current_ms: i64,
    sent_ms: i64,
}

impl TrackerState {
    /// The watermark in force.
    pub(super) fn sent_ms(self) -> i64 {
        if self.sent_ms > 0 {
            self.sent_ms
        } else {
            NO_WATERMARK
        }
    }

    /// Whether rows have come.
    pub(super) fn has_begun(self) -> bool {
        self.current_ms > 0
    }

    /// Where a reader stands that goes on in the place of two.
    #[must_use]
    pub(super) fn least(self, other: Self) -> Self {
        Self {
            current_ms: self.current_ms.min(other.current_ms),
            sent_ms: self.sent_ms.min(other.sent_ms),
        }
    }
}

/// What a batch does to its reader's watermark.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// The watermark in force before each row.
    before: ScalarBuffer<i64>,
    /// The watermark behind the last row.
    pub(super) after_ms: i64,
    /// Whether the rows should carry `before`.
    is_needed: bool,
}

impl Tracker {
    pub(super) fn new(spec: Arc<WatermarkSpec>) -> Self {
        Self {
            spec,
            row_times: None,
            current_ms: 0,
            sent_ms: 0,
            last_rows: Instant::now(),
            is_idle: false,
        }
    }

    /// Goes on from where another one stood.
    pub(super) fn resume(mut self, state: TrackerState) -> Self {
        self.current_ms = state.current_ms;
        self.sent_ms = state.sent_ms;
        self
    }

    /// Where it stands behind the last batch.
    pub(super) fn state(&self) -> TrackerState {
        TrackerState {
            current_ms: self.current_ms,
            sent_ms: self.sent_ms,
        }
    }

    /// Takes notice of rows in their order of arrival.
    ///
    /// # Errors
    /// `Data` if a rowtime is NULL, and what the watermark's expression fails with.
    pub(super) fn track(&mut self, delta: &Delta) -> Result<Track> {
        self.last_rows = Instant::now();
        self.is_idle = false;
        let row_times = match &mut self.row_times {
            Some(row_times) => row_times,
            none => none.insert(RowTimes::try_new(&self.spec)?),
        };
        let (rowtimes, watermarks) = row_times.of(delta.batch())?;
        let rowtimes = self.timestamps(&rowtimes)?;
        if rowtimes.null_count() > 0 {
            return Err(EngineError::Data {
                message: format!(
                    "the rowtime column '{}' is NULL in a row; every row needs its time",
                    self.spec.column
                ),
            });
        }
        let watermarks = self.timestamps(&watermarks)?;
        let mut before = Vec::with_capacity(delta.num_rows());
        let mut is_needed = self.spec.marks_all_rows;
        let nulls = watermarks.nulls().filter(|nulls| nulls.null_count() > 0);
        let rows = rowtimes.values().iter().zip(watermarks.values());
        for (row_idx, (&rowtime_ms, &watermark_ms)) in rows.enumerate() {
            let in_force_ms = self.sent_ms();
            // A row right behind the watermark is not late, but must not prolong a session that
            // ends there.
            is_needed |= rowtime_ms <= in_force_ms.saturating_add(1);
            before.push(in_force_ms);
            if nulls.is_none_or(|nulls| nulls.is_valid(row_idx)) {
                self.current_ms = self.current_ms.max(watermark_ms);
            }
            if self.current_ms.saturating_sub(self.sent_ms) > self.spec.interval_ms {
                self.sent_ms = self.current_ms;
            }
        }
        Ok(Track {
            before: before.into(),
            after_ms: self.sent_ms(),
            is_needed,
        })
    }

    /// The watermark to send when no row has come for a while, if it is another than before.
    pub(super) fn flush(&mut self) -> Option<i64> {
        let pause = self.last_rows.elapsed().as_millis();
        let is_due = i64::try_from(pause).unwrap_or(i64::MAX) >= self.spec.interval_ms;
        if !is_due || self.current_ms <= self.sent_ms {
            return None;
        }
        self.sent_ms = self.current_ms;
        Some(self.sent_ms)
    }

    /// Whether the reader has just become idle; one without input is at once.
    pub(super) fn becomes_idle(&mut self, has_input: bool) -> bool {
        let is_over = !has_input
            || self
                .spec
                .idle_timeout
                .is_some_and(|timeout| self.last_rows.elapsed() >= timeout);
        let becomes = is_over && !self.is_idle;
        self.is_idle |= is_over;
        becomes
    }

    /// How long the thread may sleep before it has to look after the watermark again.
    pub(super) fn max_pause(&self) -> Option<Duration> {
        let since = self.last_rows.elapsed();
        let interval = Duration::from_millis(self.spec.interval_ms.unsigned_abs());
        let flush = (self.current_ms > self.sent_ms).then(|| interval.saturating_sub(since));
        let idle = self
            .spec
            .idle_timeout
            .filter(|_| !self.is_idle)
            .map(|timeout| timeout.saturating_sub(since));
        match (flush, idle) {
            (Some(flush), Some(idle)) => Some(flush.min(idle)),
            (flush, idle) => flush.or(idle),
        }
    }

    fn sent_ms(&self) -> i64 {
        self.state().sent_ms()
    }

    fn timestamps(&self, values: &ArrayRef) -> Result<TimestampMillisecondArray> {
        let timestamps = values.as_primitive_opt::<TimestampMillisecondType>();
        timestamps.cloned().ok_or_else(|| {
            EngineError::internal(format!(
                "the watermark of '{}' is of type {}",
                self.spec.column,
                values.data_type()
            ))
        })
    }
}

impl Track {
    /// `delta` with the watermark in force before each row, for a checkpoint.
    pub(super) fn save(&self, delta: &Delta) -> Result<Delta> {
        delta.clone().with_watermarks(Some(self.before.clone()))
    }

    /// What [`Self::save`] made of a delta, and the delta. `after_ms` is the watermark behind it.
    pub(super) fn restore(delta: Delta, after_ms: i64) -> Result<(Delta, Option<Self>)> {
        let track = delta.watermarks().map(|before| Self {
            before: before.to_vec().into(),
            after_ms,
            is_needed: true,
        });
        Ok((delta.with_watermarks(None)?, track))
    }

    /// The tracks of the first `n_rows` rows and of the others.
    pub(super) fn split_at(self, n_rows: usize) -> (Self, Self) {
        let n_rows = n_rows.min(self.before.len());
        let rest = self.before.slice(n_rows, self.before.len() - n_rows);
        let first = Self {
            before: self.before.slice(0, n_rows),
            after_ms: rest.first().copied().unwrap_or(self.after_ms),
            is_needed: self.is_needed,
        };
        let rest = Self {
            before: rest,
            ..self
        };
        (first, rest)
    }

    /// `delta` with what its rows should say; `others_ms` is how far the source's other readers
    /// are, `n_before` how many rows of the step came before.
    pub(super) fn mark(self, delta: Delta, others_ms: i64, n_before: usize) -> Result<Delta> {
        if !self.is_needed {
            return Ok(delta);
        }
        let first = i64::try_from(n_before).unwrap_or(i64::MAX);
        let arrivals = (0..delta.num_rows())
            .zip(first..)
            .map(|(_, arrival)| arrival)
            .collect();
        let delta = delta.with_arrivals(Some(arrivals))?;
        let watermarks = if others_ms == i64::MAX {
            self.before
        } else {
            self.before.iter().map(|&own| own.min(others_ms)).collect()
        };
        delta.with_watermarks(Some(watermarks))
    }
}

/// How far a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) watermark_ms: i64,
    /// It does not hold other sources back.
    pub(super) is_idle: bool,
}

impl Progress {
    /// Of a source that has ended.
    pub(super) const END: Self = Self {
        watermark_ms: i64::MAX,
        is_idle: false,
    };

    /// Of several: the least of those that are not idle; if all are, the greatest.
    pub(super) fn of_all(all: impl Iterator<Item = Self> + Clone) -> Self {
        let active = all.clone().filter(|progress| !progress.is_idle);
        match active.map(|progress| progress.watermark_ms).min() {
            Some(watermark_ms) => Self {
                watermark_ms,
                is_idle: false,
            },
            None => Self {
                watermark_ms: all
                    .map(|progress| progress.watermark_ms)
                    .max()
                    .unwrap_or(NO_WATERMARK),
                is_idle: true,
            },
        }
    }
}

/// The watermark of what a node reads, before and behind a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeWatermark {
    pub(super) before_ms: i64,
    pub(super) after_ms: i64,
    pub(super) has_one_source: bool,
    /// By how much it is behind that of the source.
    pub(super) delay_ms: i64,
}

/// The watermarks of all nodes, on the job's thread.
#[derive(Debug)]
pub(super) struct NodeWatermarks {
    nodes: Vec<NodeTime>,
}

#[derive(Debug)]
struct NodeTime {
    inputs: Vec<usize>,
    delay_ms: i64,
    has_one_source: bool,
    /// By how much what it reads is behind that source.
    behind_source_ms: i64,
    /// Of what it reads.
    input: Progress,
    /// Of what leaves it.
    output: Progress,
}

impl NodeWatermarks {
    pub(super) fn new(graph: &Graph, times: &EventTimes) -> Self {
        let none = Progress {
            watermark_ms: NO_WATERMARK,
            is_idle: false,
        };
        let nodes = graph.nodes.iter().enumerate().map(|(node_idx, node)| {
            let time = times.of_node(node_idx);
            NodeTime {
                inputs: node.inputs.iter().map(|edge| edge.from.0).collect(),
                delay_ms: delay_of(node),
                has_one_source: time.origin.is_some(),
                behind_source_ms: time.delay_ms,
                input: none,
                output: none,
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Whether some source is further than its nodes know.
    pub(super) fn is_behind(&self, sources: &[(usize, Progress)]) -> bool {
        sources.iter().any(|(node_idx, progress)| {
            let known_ms = self.known_ms(*node_idx);
            known_ms.is_some_and(|known_ms| progress.watermark_ms > known_ms)
        })
    }

    /// The watermark of a source that its nodes know.
    pub(super) fn known_ms(&self, node_idx: usize) -> Option<i64> {
        let node = self.nodes.get(node_idx)?;
        Some(node.output.watermark_ms)
    }

    /// As nothing has moved yet.
    pub(super) fn held(&mut self) -> Arc<[NodeWatermark]> {
        self.advance(&[])
    }

    /// Takes in how far the sources are; gives what that means for each node.
    pub(super) fn advance(&mut self, sources: &[(usize, Progress)]) -> Arc<[NodeWatermark]> {
        for (node_idx, progress) in sources {
            if let Some(node) = self.nodes.get_mut(*node_idx) {
                node.input = *progress;
            }
        }
        let mut changes = Vec::with_capacity(self.nodes.len());
        for node_idx in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(node_idx) else {
                continue;
            };
            let input = if node.inputs.is_empty() {
                node.input
            } else {
                let inputs = node.inputs.iter();
                Progress::of_all(inputs.filter_map(|&input| Some(self.nodes.get(input)?.output)))
            };
            let before_ms = if node.inputs.is_empty() {
                node.output.watermark_ms
            } else {
                node.input.watermark_ms
            };
            let Some(node) = self.nodes.get_mut(node_idx) else {
                continue;
            };
            // Event time never goes back, even if an idle input wakes up far behind.
            let after_ms = before_ms.max(input.watermark_ms);
            node.input = Progress {
                watermark_ms: after_ms,
                ..input
            };
            node.output = Progress {
                watermark_ms: delayed(after_ms, node.delay_ms),
                ..input
            };
            changes.push(NodeWatermark {
                before_ms,
                after_ms,
                has_one_source: node.has_one_source,
                delay_ms: node.behind_source_ms,
            });
        }
        changes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(watermark_ms: i64, is_idle: bool) -> Progress {
        Progress {
            watermark_ms,
            is_idle,
        }
    }

    #[test]
    fn the_slowest_active_input_counts() {
        let of = |all: &[Progress]| Progress::of_all(all.iter().copied());
        assert_eq!(
            of(&[progress(5, false), progress(3, false)]),
            progress(3, false)
        );
        assert_eq!(
            of(&[progress(5, false), progress(3, true)]),
            progress(5, false)
        );
        assert_eq!(
            of(&[progress(5, true), progress(3, true)]),
            progress(5, true)
        );
        assert_eq!(
            of(&[progress(5, false), progress(NO_WATERMARK, false)]),
            progress(NO_WATERMARK, false)
        );
    }

    #[test]
    fn a_track_is_cut_where_its_rows_are() {
        let track = Track {
            before: vec![NO_WATERMARK, 10, 20].into(),
            after_ms: 30,
            is_needed: true,
        };
        let (first, rest) = track.split_at(1);
        assert_eq!((first.after_ms, rest.after_ms), (10, 30));
        assert_eq!(rest.before.as_ref(), [10, 20]);
    }

    #[test]
    fn a_delay_moves_watermarks_but_not_the_end() {
        assert_eq!(delayed(100, 30), 70);
        assert_eq!(delayed(i64::MAX, 30), i64::MAX);
        assert_eq!(delayed(NO_WATERMARK, 30), NO_WATERMARK);
    }
}
