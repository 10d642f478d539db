//! Event time between operators: rows that wait for a watermark leave as if each watermark had been
//! a step of its own.
//!
//! ```text
//!   rows of a step     r1   r2   w10  r3   w20  r4
//!   OVER waits                    └ r1, mark none
//!                                           └ r2 r3, mark 10: the watermark in force before w20
//!   SESSION takes      r1 (none)  r2 (10)  r3 (10): what was over at 10 does not grow any more
//! ```
//!
//! An operator whose rows reach another one that goes by event time gets the watermarks of a step
//! one by one, and what it sends then is marked with the watermark that was in force before, as
//! rows of a source are. The reader gets its rows in order of these marks. All marks are watermarks
//! of the source, wherever the node stands; what an operator on the way holds rows back is
//! subtracted where a mark is read ([`crate::operators::StepContext::watermark_at`]).
//!
//! What an operator takes back of earlier rows (the last row of a key, a Top-N) is marked as its cause
//! is, and ordered alike: the -U may be late where the row that replaces it is not.
//!
//! Of several sources nobody knows which watermark came first: there a step is one watermark.

use std::collections::BTreeMap;

use arrow::array::UInt32Array;

use super::graph::{Graph, Node, NodeKind};
use super::inbox::Arrived;
use super::watermark::NodeWatermark;
use crate::data::{Delta, delayed};
use crate::error::Result;
use crate::operators::TimeUse;

/// What event time is to the nodes of a graph.
#[derive(Debug, Clone)]
pub(super) struct EventTimes {
    nodes: Vec<NodeEventTime>,
}

/// What event time is to a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NodeEventTime {
    /// The source behind it, if there is but one.
    pub(super) origin: Option<usize>,
    /// By how much the watermarks that reach it are behind those of its source.
    pub(super) delay_ms: i64,
    /// Whether it gets watermarks one by one.
    pub(super) is_told_all: bool,
    /// Whether it gets its rows in order of their marks.
    pub(super) is_in_order: bool,
    /// Whether the rows of this source are all marked.
    pub(super) marks_rows: bool,
}

impl EventTimes {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut nodes: Vec<NodeEventTime> = Vec::with_capacity(graph.nodes.len());
        let uses: Vec<TimeUse> = graph
            .nodes
            .iter()
            .map(|node| match &node.kind {
                NodeKind::Operator(factory) => factory.time_use(),
                _ => TimeUse::None,
            })
            .collect();
        // The greatest use among the nodes before each; a node that recalls rows sends marks that
        // matter, as if it had waited for them.
        let mut before: Vec<TimeUse> = Vec::with_capacity(graph.nodes.len());
        for (node_idx, node) in graph.nodes.iter().enumerate() {
            let inputs = || node.inputs.iter().map(|edge| edge.from.0);
            let known = inputs().filter_map(|input| nodes.get(input));
            let mut origins = known.map(|input| input.origin);
            let origin = match origins.next() {
                None => Some(node_idx),
                Some(first) => first.filter(|_| origins.all(|other| other == first)),
            };
            let behind = |input: usize| {
                let of_input = nodes.get(input).map_or(0, |input| input.delay_ms);
                of_input.saturating_add(graph.nodes.get(input).map_or(0, delay_of))
            };
            let delay_ms = inputs().map(behind).max().unwrap_or(0);
            let of_inputs = inputs().filter_map(|input| {
                let own = uses.get(input).copied()?;
                let recalls = TimeUse::rows_if(graph.nodes.get(input).is_some_and(recalls_rows));
                Some(own.max(recalls).max(before.get(input).copied()?))
            });
            let earlier = of_inputs.max().unwrap_or(TimeUse::None);
            before.push(earlier);
            let own = uses.get(node_idx).copied().unwrap_or(TimeUse::None);
            let is_in_order = own.min(earlier) != TimeUse::None
                && own.max(earlier) == TimeUse::Rows
                && origin.is_some();
            nodes.push(NodeEventTime {
                origin,
                delay_ms,
                is_in_order,
                ..NodeEventTime::default()
            });
        }
        let mut times = Self { nodes };
        times.look_back(graph, &uses);
        times
    }

    /// Finds the nodes whose marks somebody behind them reads.
    fn look_back(&mut self, graph: &Graph, uses: &[TimeUse]) {
        let mut is_read = vec![false; graph.nodes.len()];
        for (node_idx, node) in graph.nodes.iter().enumerate().rev() {
            let is_read_behind = is_read.get(node_idx).copied().unwrap_or(false);
            let uses_time = uses.get(node_idx).is_some_and(|own| *own != TimeUse::None);
            let Some(time) = self.nodes.get_mut(node_idx) else {
                continue;
            };
            time.is_told_all = is_read_behind && uses_time;
            time.marks_rows = is_read_behind && node.inputs.is_empty();
            if is_read_behind || time.is_in_order {
                for edge in &node.inputs {
                    if let Some(is_read) = is_read.get_mut(edge.from.0) {
                        *is_read = true;
                    }
                }
            }
        }
    }

    /// What event time is to this node.
    pub(super) fn of_node(&self, node_idx: usize) -> NodeEventTime {
        self.nodes.get(node_idx).copied().unwrap_or_default()
    }
}

fn recalls_rows(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Operator(factory) if factory.recalls_rows())
}

/// By how much the watermarks that leave a node are behind those that reach it.
pub(super) fn delay_of(node: &Node) -> i64 {
    match &node.kind {
        NodeKind::Operator(factory) => factory.watermark_delay_ms().max(0),
        _ => 0,
    }
}

/// The watermarks of each source that were in force on the way through a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed {
    by_source: BTreeMap<usize, Vec<i64>>,
}

/// A watermark as a node meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passing {
    /// That of the source which was in force before.
    pub(super) mark_ms: i64,
    /// The watermark of the node.
    pub(super) watermark_ms: i64,
}

impl Passed {
    /// Takes in what has been admitted for a step.
    pub(super) fn note(&mut self, arrived: &Arrived, times: &EventTimes) {
        let is_marked = |node_idx: usize| times.of_node(node_idx).marks_rows;
        for (node_idx, delta) in &arrived.rows {
            if is_marked(*node_idx) {
                let marks = delta.watermarks().into_iter().flatten();
                self.reach(*node_idx, marks.copied());
            }
        }
        for &(node_idx, reached_ms) in &arrived.reached {
            if is_marked(node_idx) {
                self.reach(node_idx, [reached_ms]);
            }
        }
    }

    fn reach(&mut self, node_idx: usize, watermarks_ms: impl IntoIterator<Item = i64>) {
        let passed = self.by_source.entry(node_idx).or_default();
        for mark_ms in watermarks_ms {
            if passed.last().is_none_or(|&last_ms| mark_ms > last_ms) {
                passed.push(mark_ms);
            }
        }
    }

    /// The watermarks that a node meets one after the other in a step that ends with `watermarks`.
    pub(super) fn of_node(
        &self,
        node_idx: usize,
        time: NodeEventTime,
        watermarks: &[NodeWatermark],
    ) -> Vec<Passing> {
        let Some(own) = watermarks.get(node_idx) else {
            return Vec::new();
        };
        let source = time.origin.and_then(|origin| watermarks.get(origin));
        let (mut mark_ms, source_ms) = match source {
            Some(source) => (source.before_ms, source.after_ms),
            None => (own.before_ms, own.after_ms),
        };
        let passed = time.origin.and_then(|origin| self.by_source.get(&origin));
        let passed = passed.into_iter().flatten().copied().chain([source_ms]);
        let mut passings = Vec::new();
        let mut last_ms = own.before_ms;
        for passed_ms in passed {
            let watermark_ms = delayed(passed_ms, time.delay_ms).min(own.after_ms);
            if watermark_ms > last_ms {
                passings.push(Passing {
                    mark_ms,
                    watermark_ms,
                });
                last_ms = watermark_ms;
            }
            mark_ms = mark_ms.max(passed_ms);
        }
        passings
    }
}

/// The rows of one input in order of their marks, and of rows with one mark in that of arrival.
/// Rows without marks leave all as they are.
///
/// # Errors
/// As `concat_batches`.
pub(super) fn in_order(deltas: Vec<Delta>) -> Result<Vec<Delta>> {
    let mut marks = Vec::new();
    for delta in &deltas {
        let (Some(watermarks), Some(arrivals)) = (delta.watermarks(), delta.arrivals()) else {
            return Ok(deltas);
        };
        marks.extend(watermarks.iter().copied().zip(arrivals.iter().copied()));
    }
    if marks.is_sorted() {
        return Ok(deltas);
    }
    let mut order: Vec<u32> = (0..).take(marks.len()).collect();
    order.sort_by_key(|&row_idx| marks.get(row_idx as usize));
    let all = Delta::concat(&deltas)?;
    let sorted = all.map(|all| all.take(&UInt32Array::from(order)));
    Ok(sorted.transpose()?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::datatypes::DataType;

    use super::*;
    use crate::data::{NO_WATERMARK, text};

    fn marked(rows: &str, marks: &[i64]) -> Delta {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, rows).unwrap();
        let arrivals = (0..).take(marks.len()).collect();
        delta
            .with_watermarks(Some(marks.to_vec().into()))
            .unwrap()
            .with_arrivals(Some(arrivals))
            .unwrap()
    }

    fn watermark(before_ms: i64, after_ms: i64) -> NodeWatermark {
        NodeWatermark {
            before_ms,
            after_ms,
            has_one_source: true,
            delay_ms: 0,
        }
    }

    #[test]
    fn a_node_meets_each_watermark_of_its_source() {
        let mut passed = Passed::default();
        passed.reach(0, [NO_WATERMARK, 10, 10]);
        passed.reach(0, [20, 30]);
        let time = NodeEventTime {
            origin: Some(0),
            delay_ms: 5,
            ..NodeEventTime::default()
        };
        let watermarks = [watermark(NO_WATERMARK, 30), watermark(NO_WATERMARK, 25)];
        let met = |watermarks: &[NodeWatermark]| -> Vec<(i64, i64)> {
            let passings = passed.of_node(1, time, watermarks).into_iter();
            passings.map(|it| (it.mark_ms, it.watermark_ms)).collect()
        };
        assert_eq!(met(&watermarks), [(NO_WATERMARK, 5), (10, 15), (20, 25)]);
        let later = [watermark(10, i64::MAX), watermark(5, i64::MAX)];
        assert_eq!(met(&later), [(10, 15), (20, 25), (30, i64::MAX)]);
    }

    #[test]
    fn rows_of_several_workers_are_put_in_order() {
        let in_turn = in_order(vec![
            marked("+I|1\n+I|4", &[5, 20]),
            marked("+I|3\n+I|2", &[7, 6]),
        ]);
        let in_turn = text::print_deltas(&in_turn.unwrap()).unwrap();
        assert_eq!(in_turn.trim(), "+I | 1\n+I | 2\n+I | 3\n+I | 4");
        let schema = text::schema(&[("n", DataType::Int64)]);
        let unmarked = text::parse_delta(&schema, "+I|9").unwrap();
        let mixed = in_order(vec![marked("+I|1", &[5]), unmarked]).unwrap();
        assert_eq!(mixed.len(), 2);
    }
}
