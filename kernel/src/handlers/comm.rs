//! Comm messages for the interpreter; those for Rust never come here (see [`crate::comm`]).

use std::sync::Arc;

use crate::comm::CommMessage;
use crate::dispatch::{Outcome, Place};
use crate::interpreter::{Responder, Task, Work};
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::wire::Incoming;

/// Hands a comm message to the interpreter; there is no reply but what the comm itself sends.
pub(crate) fn forward(
    shared: &Arc<Shared>,
    place: Place<'_>,
    parent: &Parent,
    request: &Incoming,
) -> Outcome {
    let Some(message) = CommMessage::of(request) else {
        crate::log::warn(format_args!("ignored a comm message that names no comm"));
        return Outcome::Answered;
    };
    let Some(interpreter) = shared.interpreter() else {
        return Outcome::Answered;
    };
    interpreter.submit(Task {
        work: Work::Comm(message),
        subshell_id: place.lane.subshell_id().map(str::to_owned),
        parent: parent.clone(),
        responder: Responder::new(shared, parent, place, None),
    });
    Outcome::HandedOver
}
