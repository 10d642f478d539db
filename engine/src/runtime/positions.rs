//! Where readers stand, told to the outside when a checkpoint is complete: consumer groups and
//! their like show how far a job is.

use serde_json::Value;

use super::inbox::Inbox;
use crate::connectors::CommitPosition;

/// The readers of a job that tell their positions, and the positions of the checkpoint at work.
#[derive(Default)]
pub(super) struct Positions {
    /// By reader.
    committers: Vec<Option<CommitPosition>>,
    /// The number of a checkpoint, and where each reader stood.
    noted: Option<(u64, Vec<Value>)>,
}

impl Positions {
    pub(super) fn new(committers: Vec<Option<CommitPosition>>) -> Self {
        Self {
            committers,
            noted: None,
        }
    }

    /// A checkpoint is made: remembers up to where rows are in it.
    pub(super) fn note(&mut self, checkpoint: u64, inbox: &Inbox) {
        if self.committers.iter().any(Option::is_some) {
            self.noted = Some((checkpoint, inbox.settled_positions()));
        }
    }

    /// The checkpoint is complete.
    pub(super) fn commit(&mut self, checkpoint: u64) {
        let Some((_, positions)) = self.noted.take_if(|(noted, _)| *noted == checkpoint) else {
            return;
        };
        for (committer, position) in self.committers.iter().zip(&positions) {
            if let Some(committer) = committer {
                committer(position);
            }
        }
    }
}
