//! Runs a graph in synchronous steps on N workers.
//!
//! ```text
//!   SourceReader threads ──▶ inbox ──admit──▶ workers walk the graph, stage by stage ──▶ sinks
//!                                   ╰───────────── one step, then the next ─────────────╯
//! ```
//!
//! A step is the mini-batch, the point where all views are consistent, and the point where a job
//! can be stopped. No lock of the runtime is held while a source, an operator, a function or a
//! sink works. A panic in any of them fails the job and nothing else.
pub mod graph;

pub mod job;

mod options;

pub mod checkpoint;

mod attempt;

mod interrupt;

mod open;

pub mod restart;

mod parts;

mod row_times;

mod step;

mod pace;

mod worker;

mod barrier;

mod exchange;

mod reader;

mod queue;

mod inbox;

mod positions;

mod watermark;

mod event_time;

mod metrics;

pub mod prometheus;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::thread::JoinHandle;

pub use checkpoint::{CheckpointInfo, CheckpointOptions, CheckpointStats, PendingCheckpoint};
pub use graph::{Edge, Exchange, Graph, Node, NodeId, NodeKind};
pub use job::{JobHandle, JobStatus, jobs, shutdown_all, start};
pub use metrics::{JobMetrics, NodeMetrics};
pub use options::JobOptions;
pub use watermark::WatermarkSpec;

use crate::error::{EngineError, Result};

/// Deep expressions recurse; the default of 2 MiB is small for unoptimized builds.
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES)
        .spawn(body)
        .map_err(|error| EngineError::ResourcesExhausted {
            message: format!("cannot start a thread: {error}"),
        })
}

/// What a caught panic says, as an error that names who panicked.
fn panic_error(who: &str, payload: &(dyn Any + Send)) -> EngineError {
    let what = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    EngineError::internal(format!("{who} panicked: {what}"))
}
