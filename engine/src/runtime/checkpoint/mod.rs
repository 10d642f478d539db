//! Checkpoints: what a job remembers, on disk, so that another process can go on from there.
//!
//! ```text
//!   step n │ gather: workers save their operators, the inbox tells positions │ step n+1 …
//!          ╰──────────────── Snapshot ──▶ writer thread ──▶ chk-7.tmp/ ──fsync, rename──▶ chk-7/
//!                                                                        ╰──▶ sinks commit
//! ```
//!
//! Between two steps nothing is on its way, so there is nothing to align: the job pauses while the
//! tables are gathered, and goes on while they are written. A folder without `.tmp` is complete; a
//! manifest in it lists every file with its length and checksum.
//!
//! A checkpoint belongs to operators by their ids, which are hashes of their sub-plans: the same
//! query finds its state again, on any number of workers, because rows of state are dealt out by the
//! hash of their keys as an exchange does it. A savepoint is a checkpoint that somebody asked for and
//! that is never deleted by the job.
mod coordinator;

mod manifest;

mod options;

mod read;

mod restore;

mod snapshot;

mod write;

pub use coordinator::{CheckpointInfo, CheckpointStats, PendingCheckpoint};
pub use options::CheckpointOptions;

pub(super) use coordinator::{Board, Checkpoints, Due, Gathered, JobEnd, Stop, Wanted};
pub(super) use restore::Restored;
pub(super) use snapshot::{NodeTables, ReaderState, ReaderTime};

use std::path::Path;

use crate::error::EngineError;

/// An error of the file system under a checkpoint.
fn of_io(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::connector("checkpoint", format!("'{}': {error}", path.display()))
}
