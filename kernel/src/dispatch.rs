//! From a message to its handler.
//!
//! Shell requests wait in their lane and are taken up one after the other by whoever notices that
//! the lane is free: the thread that received the request, or the one that answered the last.
//! Control requests are handled at once. Around every handler stand the busy and idle status and
//! a net that catches panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::comm::CommMessage;
use crate::handlers::{comm, control, execute, introspect, stdin, subshell};
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::queue::{LaneId, Turn, Waiting};
use crate::session::Channel;
use crate::wire::Incoming;

/// Whether a handler has answered, or the interpreter will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    HandedOver,
}

/// Where a request is being handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) lane: &'a LaneId,
    pub(crate) turn: Turn,
}

/// A multipart on the shell socket.
pub(crate) fn on_shell(shared: &Arc<Shared>, frames: Vec<Bytes>) {
    let Some(request) = shared.session.decode("shell", frames) else {
        return;
    };
    if !is_known_on_shell(&request.header.msg_type) {
        let msg_type = &request.header.msg_type;
        crate::log::warn(format_args!(
            "ignored an unknown shell message \"{msg_type}\""
        ));
        return;
    }
    if let Some(message) = CommMessage::of(&request).filter(|it| shared.comms.owns(it)) {
        let parent = Parent::of(&request);
        around(shared, &parent, &request, || {
            shared
                .comms
                .handle(&shared.session.publisher, &parent, &message);
        });
        return;
    }
    let lane = LaneId::of(request.header.subshell_id.clone());
    if shared.lanes.push(&lane, request) {
        pump(shared, &lane);
    } else {
        crate::log::warn(format_args!("ignored a request for an unknown subshell"));
    }
}

/// A multipart on the control socket.
pub(crate) fn on_control(shared: &Arc<Shared>, frames: Vec<Bytes>) {
    let Some(request) = shared.session.decode("control", frames) else {
        return;
    };
    let parent = Parent::of(&request);
    let msg_type = request.header.msg_type.as_str();
    let handler: fn(&Arc<Shared>, &Parent, &Incoming) = match msg_type {
        "kernel_info_request" => introspect::kernel_info_on_control,
        "interrupt_request" => control::interrupt,
        "shutdown_request" => control::shutdown,
        "usage_request" => control::usage,
        "create_subshell_request" => subshell::create,
        "delete_subshell_request" => subshell::delete,
        "list_subshell_request" => subshell::list,
        "debug_request" => control::debug,
        _ => {
            crate::log::warn(format_args!(
                "ignored an unknown control message \"{msg_type}\""
            ));
            return;
        }
    };
    around(shared, &parent, &request, || {
        handler(shared, &parent, &request)
    });
}

/// A multipart on the stdin socket.
pub(crate) fn on_stdin(shared: &Arc<Shared>, frames: Vec<Bytes>) {
    if let Some(reply) = shared.session.decode("stdin", frames) {
        stdin::input_reply(shared, &reply);
    }
}

/// Takes up waiting requests until the lane is empty or the interpreter works for it.
pub(crate) fn pump(shared: &Arc<Shared>, lane: &LaneId) {
    let may_start = |waiting: &Waiting| {
        shared.interpreter().is_some()
            || waiting.aborted
            || is_answered_here(&waiting.request.header.msg_type)
    };
    while let Some((turn, waiting)) = shared.lanes.start_next(lane, may_start) {
        let parent = Parent::of(&waiting.request);
        shared.session.publisher.status(&parent, "busy");
        let place = Place { lane, turn };
        let handled = catch_unwind(AssertUnwindSafe(|| {
            handle(shared, place, &parent, &waiting)
        }));
        match handled {
            Ok(Outcome::HandedOver) => return,
            Ok(Outcome::Answered) => {}
            // A responder that was dropped while the stack unwound has answered already.
            Err(_) if !shared.lanes.is_running(lane, turn) => continue,
            Err(_) => reply_panicked(shared, Channel::Shell, &parent, &waiting.request),
        }
        shared.session.publisher.status(&parent, "idle");
        shared.lanes.finished(lane, turn);
    }
}

fn handle(shared: &Arc<Shared>, place: Place<'_>, parent: &Parent, waiting: &Waiting) -> Outcome {
    let request = &waiting.request;
    if waiting.aborted {
        return execute::abort(shared, parent);
    }
    match request.header.msg_type.as_str() {
        "execute_request" => execute::execute(shared, place, parent, request),
        "kernel_info_request" => introspect::kernel_info(shared, parent),
        "complete_request"
        | "inspect_request"
        | "is_complete_request"
        | "history_request"
        | "comm_info_request" => introspect::ask_interpreter(shared, place, parent, request),
        "comm_open" | "comm_msg" | "comm_close" => comm::forward(shared, place, parent, request),
        "shutdown_request" => control::shutdown_on_shell(shared, parent, request),
        _ => Outcome::Answered,
    }
}

fn is_known_on_shell(msg_type: &str) -> bool {
    matches!(
        msg_type,
        "execute_request"
            | "kernel_info_request"
            | "complete_request"
            | "inspect_request"
            | "is_complete_request"
            | "history_request"
            | "comm_info_request"
            | "comm_open"
            | "comm_msg"
            | "comm_close"
            | "shutdown_request"
    )
}

fn is_answered_here(msg_type: &str) -> bool {
    matches!(msg_type, "kernel_info_request" | "shutdown_request")
}

/// Runs a handler that answers by itself.
fn around(shared: &Arc<Shared>, parent: &Parent, request: &Incoming, handler: impl FnOnce()) {
    shared.session.publisher.status(parent, "busy");
    if catch_unwind(AssertUnwindSafe(handler)).is_err() {
        reply_panicked(shared, Channel::Control, parent, request);
    }
    shared.session.publisher.status(parent, "idle");
}

fn reply_panicked(shared: &Shared, channel: Channel, parent: &Parent, request: &Incoming) {
    let msg_type = &request.header.msg_type;
    crate::log::warn(format_args!("the handler of a \"{msg_type}\" panicked"));
    if let Some(stem) = msg_type.strip_suffix("_request") {
        let content = internal_error(shared.session.next_execution_count());
        let reply_type = format!("{stem}_reply");
        shared
            .session
            .reply(channel, parent, &reply_type, &content, &Map::new());
    }
}

/// The content of a reply where we failed, not the user's code.
pub(crate) fn internal_error(execution_count: u32) -> Map<String, Value> {
    let evalue = "the kernel failed to answer this request; this is a bug in Tidemill";
    Map::from_iter([
        ("status".to_owned(), "error".into()),
        ("ename".to_owned(), "KernelError".into()),
        ("evalue".to_owned(), evalue.into()),
        ("traceback".to_owned(), Value::Array(vec![evalue.into()])),
        ("execution_count".to_owned(), execution_count.into()),
    ])
}
