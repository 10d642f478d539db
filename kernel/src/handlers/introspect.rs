//! Questions: about the kernel, answered here, and about code, answered by the interpreter.

use std::sync::Arc;

use serde_json::Map;

use crate::dispatch::{Outcome, Place};
use crate::interpreter::{Responder, Task, Work};
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::session::Channel;
use crate::wire::Incoming;

/// `kernel_info_request` on shell: needs no interpreter, so it is answered while that still loads.
pub(crate) fn kernel_info(shared: &Arc<Shared>, parent: &Parent) -> Outcome {
    reply_kernel_info(shared, Channel::Shell, parent);
    Outcome::Answered
}

/// `kernel_info_request` on control.
pub(crate) fn kernel_info_on_control(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    reply_kernel_info(shared, Channel::Control, parent);
}

/// Complete, inspect, is_complete, history and comm_info requests.
pub(crate) fn ask_interpreter(
    shared: &Arc<Shared>,
    place: Place<'_>,
    parent: &Parent,
    request: &Incoming,
) -> Outcome {
    let Some(interpreter) = shared.interpreter() else {
        return Outcome::Answered;
    };
    let msg_type = request.header.msg_type.clone();
    let reply_type = msg_type.replace("_request", "_reply");
    interpreter.submit(Task {
        work: Work::Introspect {
            msg_type,
            content: request.content.clone(),
        },
        subshell_id: place.lane.subshell_id().map(str::to_owned),
        parent: parent.clone(),
        responder: Responder::new(shared, parent, place, Some(&reply_type)),
    });
    Outcome::HandedOver
}

fn reply_kernel_info(shared: &Shared, channel: Channel, parent: &Parent) {
    let content = &shared.kernel_info;
    shared
        .session
        .reply(channel, parent, "kernel_info_reply", content, &Map::new());
}
