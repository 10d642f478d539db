//! Counters of a job. Workers add to them without locks; readers see values that are at most one
//! batch old.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::graph::{Graph, NodeKind};
use crate::data::NO_WATERMARK;
use crate::error::Result;
use crate::functions::usage::FunctionMetric;
use crate::state::memory::JobMemory;

/// What a job has done so far.
#[derive(Debug, Clone, PartialEq)]
pub struct JobMetrics {
    /// Rows that came from the sources.
    pub records_in: u64,
    /// Rows that went to the sinks.
    pub records_out: u64,
    /// Steps.
    pub steps: u64,
    /// Time from the start to now, or to the end of the job.
    pub elapsed: Duration,
    /// Bytes of state of all operators.
    pub state_bytes: usize,
    /// The nodes of the graph, in its order.
    pub nodes: Vec<NodeMetrics>,
    /// What foreign functions have measured.
    pub functions: Vec<FunctionMetric>,
}

/// What one node has done so far, all workers together.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeMetrics {
    /// Name of the node, as in EXPLAIN.
    pub name: String,
    /// Rows that came in.
    pub records_in: u64,
    /// Rows that went out.
    pub records_out: u64,
    /// Bytes of its state.
    pub state_bytes: usize,
    /// Rows that it dropped because they came too late; not counted before the last restart.
    pub late_records: u64,
    /// The watermark that has come to it; none before the first, `i64::MAX` at the end of input.
    pub watermark_ms: Option<i64>,
    /// Name of its state in checkpoints.
    pub operator_id: String,
    /// Time in which it worked; more than the elapsed time if several workers did.
    pub busy: Duration,
}

/// The counters behind [`JobMetrics`].
#[derive(Debug)]
pub(super) struct Counters {
    steps: AtomicU64,
    nodes: Vec<NodeCounters>,
}

#[derive(Debug)]
struct NodeCounters {
    name: String,
    operator_id: String,
    end: GraphEnd,
    records_in: AtomicU64,
    records_out: AtomicU64,
    busy_ns: AtomicU64,
    watermark_ms: AtomicI64,
    /// One slot a worker: each overwrites its own.
    state_bytes: Vec<AtomicUsize>,
    /// The same.
    late_records: Vec<AtomicU64>,
}

#[derive(Debug, PartialEq)]
enum GraphEnd {
    Source,
    Middle,
    Sink,
}

/// What one worker has to add for one node after a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NodeWork {
    pub(super) records_in: u64,
    pub(super) records_out: u64,
    pub(super) busy: Duration,
    pub(super) state_bytes: usize,
    /// Of all steps.
    pub(super) late_records: u64,
}

impl Counters {
    pub(super) fn new(graph: &Graph, n_workers: usize) -> Self {
        let nodes = graph
            .nodes
            .iter()
            .map(|node| NodeCounters {
                name: node.name.clone(),
                operator_id: node.operator_id.clone(),
                end: match node.kind {
                    NodeKind::Source { .. } => GraphEnd::Source,
                    NodeKind::Sink(_) => GraphEnd::Sink,
                    NodeKind::Operator(_) | NodeKind::Union => GraphEnd::Middle,
                },
                records_in: AtomicU64::new(0),
                records_out: AtomicU64::new(0),
                busy_ns: AtomicU64::new(0),
                watermark_ms: AtomicI64::new(NO_WATERMARK),
                state_bytes: (0..n_workers).map(|_| AtomicUsize::new(0)).collect(),
                late_records: (0..n_workers).map(|_| AtomicU64::new(0)).collect(),
            })
            .collect();
        Self {
            steps: AtomicU64::new(0),
            nodes,
        }
    }

    pub(super) fn add_step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_work(&self, node_idx: usize, worker_idx: usize, work: NodeWork) {
        let Some(node) = self.nodes.get(node_idx) else {
            return;
        };
        let busy_ns = u64::try_from(work.busy.as_nanos()).unwrap_or(u64::MAX);
        node.records_in
            .fetch_add(work.records_in, Ordering::Relaxed);
        node.records_out
            .fetch_add(work.records_out, Ordering::Relaxed);
        node.busy_ns.fetch_add(busy_ns, Ordering::Relaxed);
        if let Some(slot) = node.state_bytes.get(worker_idx) {
            slot.store(work.state_bytes, Ordering::Relaxed);
        }
        if let Some(slot) = node.late_records.get(worker_idx) {
            slot.store(work.late_records, Ordering::Relaxed);
        }
    }

    /// Notes the watermarks with which a step ends, one a node.
    pub(super) fn note_watermarks(&self, after_ms: impl Iterator<Item = i64>) {
        for (node, after_ms) in self.nodes.iter().zip(after_ms) {
            node.watermark_ms.store(after_ms, Ordering::Relaxed);
        }
    }

    /// Fails if the job holds more than its memory allows; names the operator that holds most.
    pub(super) fn check_state(&self, memory: &JobMemory) -> Result<()> {
        let mut total = 0;
        let mut largest: (usize, &str) = (0, "");
        for node in &self.nodes {
            let state_bytes = node.state_bytes();
            total += state_bytes;
            largest = largest.max((state_bytes, &node.name));
        }
        memory.check_state(total, largest)
    }

    pub(super) fn read(&self, elapsed: Duration) -> JobMetrics {
        let nodes: Vec<NodeMetrics> = self.nodes.iter().map(NodeCounters::read).collect();
        let total = |end: GraphEnd, count: fn(&NodeMetrics) -> u64| -> u64 {
            self.nodes
                .iter()
                .zip(&nodes)
                .filter(|(counters, _)| counters.end == end)
                .map(|(_, node)| count(node))
                .sum()
        };
        JobMetrics {
            records_in: total(GraphEnd::Source, |node| node.records_out),
            records_out: total(GraphEnd::Sink, |node| node.records_in),
            steps: self.steps.load(Ordering::Relaxed),
            elapsed,
            state_bytes: nodes.iter().map(|node| node.state_bytes).sum(),
            nodes,
            functions: Vec::new(),
        }
    }
}

impl NodeCounters {
    fn state_bytes(&self) -> usize {
        self.state_bytes
            .iter()
            .map(|slot| slot.load(Ordering::Relaxed))
            .sum()
    }

    fn read(&self) -> NodeMetrics {
        NodeMetrics {
            name: self.name.clone(),
            records_in: self.records_in.load(Ordering::Relaxed),
            records_out: self.records_out.load(Ordering::Relaxed),
            state_bytes: self.state_bytes(),
            late_records: self
                .late_records
                .iter()
                .map(|slot| slot.load(Ordering::Relaxed))
                .sum(),
            watermark_ms: Some(self.watermark_ms.load(Ordering::Relaxed))
                .filter(|watermark_ms| *watermark_ms != NO_WATERMARK),
            operator_id: self.operator_id.clone(),
            busy: Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed)),
        }
    }
}
