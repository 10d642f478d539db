//! One run of a job from its beginning or from a checkpoint: what `start` opens, and what a restart
//! opens again.

use std::sync::Arc;

use parking_lot::Mutex;

use super::checkpoint::{Board, Checkpoints, Restored};
use super::event_time::EventTimes;
use super::graph::{Graph, NodeKind};
use super::inbox::Inbox;
use super::metrics::Counters;
use super::open;
use super::options::JobOptions;
use super::pace::StepLimits;
use super::reader::ReaderThread;
use super::step::{Crew, Outcome, StepLoop};
use super::watermark::NodeWatermarks;
use super::worker::{Walk, Worker};
use crate::connectors::CancelSink;
use crate::error::Result;
use crate::state::memory::JobMemory;

/// What a job runs with at the moment.
pub(super) struct Attempt {
    pub(super) step_loop: StepLoop,
    pub(super) readers: Vec<ReaderThread>,
    pub(super) parts: Parts,
}

/// What a job's handle reaches of the run.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) inbox: Arc<Inbox>,
    /// Wake sinks that wait for their readers, when the job is stopped.
    pub(super) cancels: Arc<[CancelSink]>,
    pub(super) memory: Arc<JobMemory>,
}

impl Parts {
    /// Asks the run to end after the step that runs.
    pub(super) fn stop(&self) {
        self.inbox.stop();
        self.memory.stop();
        for cancel in self.cancels.iter() {
            cancel();
        }
    }
}

/// Whether a job of this graph may begin again now: all of its sinks can be opened once more.
pub(super) fn is_restartable(graph: &Graph) -> bool {
    graph.nodes.iter().all(|node| match &node.kind {
        NodeKind::Sink(factory) => factory.is_restartable(),
        _ => true,
    })
}

/// Tells those who wait for sinks of the graph that the job has ended while none was open.
pub(super) fn close_sinks(graph: &Graph, outcome: &Outcome) {
    for node in &graph.nodes {
        if let NodeKind::Sink(factory) = &node.kind {
            factory.close(match outcome {
                Outcome::Failed(error) => Err(error.clone()),
                Outcome::Finished | Outcome::Stopped => Ok(()),
            });
        }
    }
}

/// Opens sources, operators and sinks; nothing runs yet but the threads of further workers.
///
/// # Errors
/// If the graph is malformed, something cannot be opened, or the checkpoint is not whole.
pub(super) fn open(
    graph: &Graph,
    options: &JobOptions,
    counters: &Arc<Counters>,
    board: &Arc<Board>,
    thread_name: &str,
) -> Result<Attempt> {
    let n_workers = options.parallelism.max(1);
    let restored = Restored::load(&options.checkpoints, graph)?;
    let walk = Arc::new(Walk::new(graph, n_workers, options, Arc::clone(counters))?);
    let memory = walk.memory();
    let mut workers = (0..n_workers)
        .map(|worker_idx| Worker::new(graph, worker_idx, Arc::clone(&walk)))
        .collect::<Result<Vec<_>>>()?;
    let mut sinks = open::sinks(graph)?;
    let times = EventTimes::of(graph);
    let (inbox, readers, positions) = open::sources(graph, options, &times, restored.as_ref())?;
    let mut watermarks = NodeWatermarks::new(graph, &times);
    if let Some(restored) = &restored {
        open::restore(graph, restored, &mut workers, &mut sinks)?;
        // What the last step before the checkpoint knew.
        let _known = watermarks.advance(&inbox.known());
    }
    if options.checkpoints.is_periodic() {
        sinks
            .iter_mut()
            .for_each(|job_sink| job_sink.sink.expect_checkpoints());
    }
    let wake: Arc<dyn Fn() + Send + Sync> = {
        let inbox = Arc::clone(&inbox);
        Arc::new(move || inbox.wake())
    };
    let checkpoints = Checkpoints::new(
        &options.checkpoints,
        graph,
        &options.name,
        restored.as_ref(),
        Arc::clone(board),
        wake,
    );
    let parts = Parts {
        inbox: Arc::clone(&inbox),
        cancels: sinks
            .iter()
            .filter_map(|job_sink| job_sink.sink.canceller())
            .collect(),
        memory,
    };
    let step_loop = StepLoop {
        crew: Crew::start(workers, thread_name)?,
        limits: StepLimits::new(graph, options),
        options: options.clone(),
        inbox,
        walk,
        watermarks,
        times,
        counters: Arc::clone(counters),
        sinks,
        positions,
        checkpoints,
        number: restored.as_ref().map_or(0, Restored::step),
    };
    Ok(Attempt {
        step_loop,
        readers,
        parts,
    })
}

/// The parts of the run of the moment, behind a lock: a restart puts new ones there.
pub(super) type CurrentParts = Mutex<Parts>;
