//! A worker: its instances of all operators, and the walk over the graph in one step.
//!
//! Nodes are grouped into stages; a stage ends where rows change workers. Within a stage a worker
//! works on its own, node after node in topological order, each on all its input of the step.
//!
//! ```text
//!   stage 0: Source → Calc ┐          stage 1: ┌ GroupAggregate → Calc ┐       the job's thread
//!                          ├ scatter ▶ mailbox ┤                        ├ mailbox ▶ Sink
//!   (the same on worker 1) ┘  barrier           └ (the same on worker 1) ┘
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::barrier::Barrier;
use super::checkpoint::NodeTables;
use super::event_time::{EventTimes, NodeEventTime, Passed, in_order};
use super::exchange::{Mailboxes, scatter};
use super::graph::{Exchange, Graph, NodeKind};
use super::metrics::{Counters, NodeWork};
use super::options::JobOptions;
use super::panic_error;
use super::watermark::NodeWatermark;
use crate::data::size::batch_bytes;
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::{Operator, Output, StepContext};
use crate::state::StateTable;
use crate::state::memory::JobMemory;

/// The graph as the workers walk it. Shared by all of them.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) n_workers: usize,
    n_stages: usize,
    nodes: Vec<WalkNode>,
    mailboxes: Vec<Mailboxes>,
    barrier: Barrier,
    counters: Arc<Counters>,
    /// The first failure of the step that runs.
    failure: Mutex<Option<EngineError>>,
    /// When the operators of each worker want the next step; [`NO_TIMER`] if they do not mind.
    timers_ms: Vec<AtomicI64>,
    /// What each worker has gathered for a checkpoint.
    saved: Vec<Mutex<NodeTables>>,
    memory: Arc<JobMemory>,
    state_ttl_ms: Option<i64>,
}

const NO_TIMER: i64 = i64::MAX;

#[derive(Debug)]
struct WalkNode {
    name: Arc<str>,
    stage: usize,
    time: NodeEventTime,
    /// Sinks are walked by the job, not by workers.
    is_sink: bool,
    /// The nodes that it reads.
    inputs: Vec<usize>,
    ports: Vec<Port>,
    readers: Vec<Reader>,
}

/// Where the rows of a port come from.
#[derive(Debug, Clone, Copy)]
enum Port {
    /// From the same worker.
    Local,
    /// From mailboxes with this index.
    Mailbox(usize),
}

/// Where the rows of a node go.
#[derive(Debug)]
struct Reader {
    node_idx: usize,
    port: usize,
    route: Route,
    drops_update_before: bool,
}

#[derive(Debug)]
enum Route {
    Local,
    Hash {
        mailbox_idx: usize,
        columns: Vec<usize>,
    },
    Single {
        mailbox_idx: usize,
    },
}

/// One step, as the workers see it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) number: u64,
    pub(super) processing_time_ms: i64,
    /// Event time of each node, before and behind this step.
    pub(super) watermarks: Arc<[NodeWatermark]>,
    /// Those of the sources on the way through it.
    pub(super) passed: Arc<Passed>,
    /// No input follows.
    pub(super) ended: bool,
    /// Whether more rows follow in this step: then it is not yet at its end.
    pub(super) is_open: bool,
}

impl Walk {
    pub(super) fn new(
        graph: &Graph,
        n_workers: usize,
        options: &JobOptions,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let mut nodes: Vec<WalkNode> = Vec::with_capacity(graph.nodes.len());
        let mut mailboxes = Vec::new();
        let times = EventTimes::of(graph);
        for (node_idx, node) in graph.nodes.iter().enumerate() {
            let is_sink = matches!(node.kind, NodeKind::Sink(_));
            let mut walk_node = WalkNode {
                name: node.name.as_str().into(),
                stage: 0,
                time: times.of_node(node_idx),
                is_sink,
                inputs: node.inputs.iter().map(|edge| edge.from.0).collect(),
                ports: Vec::new(),
                readers: Vec::new(),
            };
            if matches!(node.kind, NodeKind::Source { .. }) {
                walk_node.ports.push(Port::Mailbox(mailboxes.len()));
                mailboxes.push(Mailboxes::new(n_workers));
            }
            for (port, edge) in node.inputs.iter().enumerate() {
                let from = nodes.get_mut(edge.from.0).ok_or_else(|| {
                    EngineError::internal(format!("'{}' reads a node that follows it", node.name))
                })?;
                let route = match &edge.exchange {
                    _ if is_sink => Route::Single {
                        mailbox_idx: mailboxes.len(),
                    },
                    Exchange::Hash(columns) if n_workers > 1 => Route::Hash {
                        mailbox_idx: mailboxes.len(),
                        columns: columns.clone(),
                    },
                    Exchange::Single if n_workers > 1 => Route::Single {
                        mailbox_idx: mailboxes.len(),
                    },
                    _ => Route::Local,
                };
                let is_local = matches!(route, Route::Local);
                walk_node.stage = walk_node.stage.max(from.stage + usize::from(!is_local));
                from.readers.push(Reader {
                    node_idx,
                    port,
                    route,
                    drops_update_before: edge.drops_update_before,
                });
                if is_local {
                    walk_node.ports.push(Port::Local);
                } else {
                    walk_node.ports.push(Port::Mailbox(mailboxes.len()));
                    mailboxes.push(Mailboxes::new(n_workers));
                }
            }
            nodes.push(walk_node);
        }
        let n_stages = nodes
            .iter()
            .filter(|node| !node.is_sink)
            .map(|node| node.stage + 1)
            .max()
            .unwrap_or(0);
        Ok(Self {
            n_workers,
            n_stages,
            nodes,
            mailboxes,
            barrier: Barrier::new(n_workers),
            counters,
            failure: Mutex::new(None),
            timers_ms: (0..n_workers).map(|_| AtomicI64::new(NO_TIMER)).collect(),
            saved: (0..n_workers).map(|_| Mutex::new(Vec::new())).collect(),
            memory: JobMemory::new(options.max_memory_bytes),
            state_ttl_ms: options.state_ttl_ms,
        })
    }

    /// The memory of the job.
    pub(super) fn memory(&self) -> Arc<JobMemory> {
        Arc::clone(&self.memory)
    }

    /// Takes out what the workers have gathered, in their order.
    pub(super) fn take_saved(&self) -> Vec<NodeTables> {
        self.saved
            .iter()
            .map(|saved| std::mem::take(&mut *saved.lock()))
            .collect()
    }

    /// Gives rows of a source to a worker, before the step.
    pub(super) fn put_source_rows(&self, node_idx: usize, worker_idx: usize, delta: Delta) {
        if let Some(mailboxes) = self.mailboxes_of(node_idx) {
            let _ = self.memory.add_rows(batch_bytes(delta.batch()));
            mailboxes.put(0, worker_idx, delta);
        }
    }

    /// Takes out what has come for a sink, after the step.
    pub(super) fn take_sink_rows(&self, node_idx: usize) -> Vec<Delta> {
        let rows = self
            .mailboxes_of(node_idx)
            .map(|mailboxes| mailboxes.drain(0))
            .unwrap_or_default();
        self.have_taken(&rows);
        rows
    }

    /// Rows are no longer on their way.
    fn have_taken(&self, rows: &[Delta]) {
        let n_bytes = rows.iter().map(|delta| batch_bytes(delta.batch())).sum();
        self.memory.remove_rows(n_bytes);
    }

    /// The failure of the step, if there was one.
    pub(super) fn take_failure(&self) -> Option<EngineError> {
        self.failure.lock().take()
    }

    /// The processing time at which some operator wants a step, as known after the last one.
    pub(super) fn next_timer_ms(&self) -> Option<i64> {
        let timers = self.timers_ms.iter();
        let next = timers.map(|timer| timer.load(Ordering::Acquire)).min();
        next.filter(|&timer_ms| timer_ms != NO_TIMER)
    }

    /// The mailboxes in front of a source or a sink: these have one port.
    fn mailboxes_of(&self, node_idx: usize) -> Option<&Mailboxes> {
        match self.nodes.get(node_idx)?.ports.first()? {
            Port::Mailbox(mailbox_idx) => self.mailboxes.get(*mailbox_idx),
            Port::Local => None,
        }
    }

    fn fail(&self, error: EngineError) {
        self.failure.lock().get_or_insert(error);
    }
}

/// The instances of one worker.
pub(super) struct Worker {
    worker_idx: usize,
    walk: Arc<Walk>,
    /// One a node; none for nodes that pass on what they get.
    instances: Vec<Option<Box<dyn Operator>>>,
    /// `[node][port]`: rows from the same worker.
    local: Vec<Vec<Vec<Delta>>>,
    out: Output,
    has_failed: bool,
}

impl Worker {
    pub(super) fn new(graph: &Graph, worker_idx: usize, walk: Arc<Walk>) -> Result<Self> {
        let instances = graph
            .nodes
            .iter()
            .map(|node| match &node.kind {
                NodeKind::Operator(factory) => factory.create(worker_idx, walk.n_workers).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<_>>()?;
        let local = walk
            .nodes
            .iter()
            .map(|node| vec![Vec::new(); node.ports.len()])
            .collect();
        Ok(Self {
            worker_idx,
            out: Output::of_job(walk.memory()),
            walk,
            instances,
            local,
            has_failed: false,
        })
    }

    /// Runs all stages of a step together with the other workers. A failure is left in the walk;
    /// this worker then does nothing more but keep the others' barriers going.
    pub(super) fn run_step(&mut self, step: &Step) {
        let walk = Arc::clone(&self.walk);
        for stage in 0..walk.n_stages {
            if stage > 0 {
                walk.barrier.wait();
            }
            for (node_idx, node) in walk.nodes.iter().enumerate() {
                if node.stage != stage || node.is_sink || self.has_failed {
                    continue;
                }
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| self.run_node(node_idx, node, step)));
                let error = match outcome {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error,
                    Err(payload) => panic_error(&node.name, payload.as_ref()),
                };
                self.has_failed = true;
                walk.fail(error);
            }
        }
        self.set_timer();
    }

    fn set_timer(&self) {
        if let Some(timer) = self.walk.timers_ms.get(self.worker_idx) {
            let operators = self.instances.iter().flatten();
            let next = operators.filter_map(|it| it.next_timer_ms()).min();
            timer.store(next.unwrap_or(NO_TIMER), Ordering::Release);
        }
    }

    /// The graph that it walks.
    pub(super) fn walk(&self) -> &Walk {
        &self.walk
    }

    /// Gathers the tables of all operators, between two steps. A failure is left in the walk.
    pub(super) fn save(&self) {
        let mut saved = NodeTables::new();
        let nodes = self.walk.nodes.iter().zip(&self.instances).enumerate();
        for (node_idx, (node, instance)) in nodes {
            let Some(operator) = instance else { continue };
            let outcome = catch_unwind(AssertUnwindSafe(|| operator.save()))
                .unwrap_or_else(|payload| Err(panic_error(&node.name, payload.as_ref())));
            match outcome {
                Ok(tables) if tables.is_empty() => {}
                Ok(tables) => saved.push((node_idx, tables)),
                Err(EngineError::Unsupported { .. }) => {
                    let feature = format!("a checkpoint of {}", node.name);
                    return self.walk.fail(EngineError::unsupported(feature));
                }
                Err(error) => return self.walk.fail(error),
            }
        }
        if let Some(slot) = self.walk.saved.get(self.worker_idx) {
            *slot.lock() = saved;
        }
    }

    /// Gives an operator its part of a checkpoint. Before the first step.
    pub(super) fn restore(&mut self, node_idx: usize, tables: Vec<StateTable>) -> Result<()> {
        let Some(Some(operator)) = self.instances.get_mut(node_idx) else {
            return Err(EngineError::internal("state for a node that keeps none"));
        };
        operator.restore(tables)?;
        self.set_timer();
        Ok(())
    }

    /// The sources whose rows cannot reach a sink any more: on every way an operator has done its
    /// work, as a LIMIT that has its rows.
    pub(super) fn unneeded_sources(&self) -> Vec<usize> {
        let mut needed = vec![false; self.instances.len()];
        let mut unneeded = Vec::new();
        let nodes = self.walk.nodes.iter().zip(&self.instances).enumerate();
        for (node_idx, (node, instance)) in nodes.rev() {
            let is_read = node.is_sink
                || node
                    .readers
                    .iter()
                    .any(|reader| needed.get(reader.node_idx).copied().unwrap_or(false));
            let is_done = instance.as_ref().is_some_and(|it| it.is_done());
            if let Some(needed) = needed.get_mut(node_idx) {
                *needed = is_read && !is_done;
                if node.inputs.is_empty() && !*needed {
                    unneeded.push(node_idx);
                }
            }
        }
        unneeded
    }

    fn run_node(&mut self, node_idx: usize, node: &WalkNode, step: &Step) -> Result<()> {
        let started = Instant::now();
        let mut work = NodeWork::default();
        self.out.begin(&node.name);
        let watermark = step.watermarks.get(node_idx).copied();
        let ctx = StepContext {
            step: step.number,
            processing_time_ms: step.processing_time_ms,
            worker_idx: self.worker_idx,
            watermark_ms: watermark.map_or(NO_WATERMARK, |it| it.before_ms),
            has_one_source: watermark.is_some_and(|it| it.has_one_source),
            delay_ms: watermark.map_or(0, |it| it.delay_ms),
            state_ttl_ms: self.walk.state_ttl_ms,
        };
        for (port_idx, port) in node.ports.iter().enumerate() {
            let input = self.take_input(node_idx, port_idx, *port);
            self.walk.have_taken(&input);
            let input = match node.time.is_in_order {
                true => in_order(input)?,
                false => input,
            };
            for delta in input {
                work.records_in += delta.num_rows() as u64;
                match self.instances.get_mut(node_idx) {
                    Some(Some(operator)) => operator.push(port_idx, delta, &ctx, &mut self.out)?,
                    _ => self.out.emit(delta),
                }
                self.out.require_room(0)?;
            }
        }
        if let Some(Some(operator)) = self.instances.get_mut(node_idx) {
            if !step.is_open
                && let Some(watermark) = watermark
                && watermark.after_ms > watermark.before_ms
            {
                if node.time.is_told_all {
                    for met in step.passed.of_node(node_idx, node.time, &step.watermarks) {
                        let n_deltas = self.out.n_deltas();
                        operator.on_watermark(met.watermark_ms, &ctx, &mut self.out)?;
                        self.out.mark_behind(n_deltas, met.mark_ms)?;
                    }
                } else {
                    operator.on_watermark(watermark.after_ms, &ctx, &mut self.out)?;
                }
            }
            if !step.is_open {
                operator.on_step_end(&ctx, &mut self.out)?;
            }
            if step.ended {
                operator.on_end(&ctx, &mut self.out)?;
            }
            work.state_bytes = operator.state_bytes();
            work.late_records = operator.late_records();
        }
        self.out.require_room(0)?;
        for delta in self.out.drain() {
            work.records_out += delta.num_rows() as u64;
            // From here on they count once for each reader.
            self.walk.have_taken(std::slice::from_ref(&delta));
            self.hand_on(node, delta)?;
        }
        work.busy = started.elapsed();
        self.walk.counters.add_work(node_idx, self.worker_idx, work);
        Ok(())
    }

    fn take_input(&mut self, node_idx: usize, port_idx: usize, port: Port) -> Vec<Delta> {
        match port {
            Port::Local => self
                .local
                .get_mut(node_idx)
                .and_then(|ports| ports.get_mut(port_idx))
                .map(std::mem::take)
                .unwrap_or_default(),
            Port::Mailbox(mailbox_idx) => self
                .walk
                .mailboxes
                .get(mailbox_idx)
                .map(|mailboxes| mailboxes.drain(self.worker_idx))
                .unwrap_or_default(),
        }
    }

    fn hand_on(&mut self, node: &WalkNode, delta: Delta) -> Result<()> {
        for reader in &node.readers {
            let delta = match reader.drops_update_before {
                true => delta.without_update_before()?,
                false => delta.clone(),
            };
            // Whether there is room was asked when they were emitted.
            let _ = self.walk.memory.add_rows(batch_bytes(delta.batch()));
            match &reader.route {
                Route::Local => {
                    let input = self
                        .local
                        .get_mut(reader.node_idx)
                        .and_then(|ports| ports.get_mut(reader.port));
                    if let Some(input) = input {
                        input.push(delta);
                    }
                }
                Route::Single { mailbox_idx } => self.send(*mailbox_idx, 0, delta),
                Route::Hash {
                    mailbox_idx,
                    columns,
                } => {
                    let parts = scatter(delta, columns, self.walk.n_workers)?;
                    for (target, part) in parts.into_iter().enumerate() {
                        self.send(*mailbox_idx, target, part);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&self, mailbox_idx: usize, target: usize, delta: Delta) {
        if let Some(mailboxes) = self.walk.mailboxes.get(mailbox_idx) {
            mailboxes.put(self.worker_idx, target, delta);
        }
    }
}
