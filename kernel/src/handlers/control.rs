//! Requests on the control channel: answered at once, whatever the interpreter does.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, json};

use crate::dispatch::Outcome;
use crate::interrupt;
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::session::Channel;
use crate::wire::Incoming;

/// A signal that the interpreter has not noticed is sent again after each of these pauses.
const INTERRUPT_AGAIN_AFTER: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// `interrupt_request`: the same as SIGINT.
pub(crate) fn interrupt(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    // Counted before the signal is sent: a cell that is not begun by then does not notice that.
    shared.count_interrupt();
    let content = match interrupt::interrupt_process() {
        Ok(()) => {
            insist(shared);
            json!({"status": "ok"})
        }
        Err(error) => json!({
            "status": "error",
            "ename": "KernelError",
            "evalue": error.to_string(),
            "traceback": [],
        }),
    };
    shared.session.reply(
        Channel::Control,
        parent,
        "interrupt_reply",
        &content,
        &Map::new(),
    );
}

/// Sends the signal again if it was lost: one that comes after the interpreter last looked for
/// signals and before its system call (`sleep`, `read`) begins waits for the end of that call.
fn insist(shared: &Arc<Shared>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return; // In tests without sockets.
    };
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        for pause in INTERRUPT_AGAIN_AFTER {
            tokio::time::sleep(pause).await;
            if !shared.interrupt_is_unnoticed() || !shared.lanes.any_running() {
                return;
            }
            if let Err(error) = interrupt::interrupt_only_this_process() {
                crate::log::warn(format_args!("{error}"));
            }
        }
    });
}

/// `shutdown_request`: answered on control and on iopub; then the process ends.
pub(crate) fn shutdown(shared: &Arc<Shared>, parent: &Parent, request: &Incoming) {
    shutdown_on(Channel::Control, shared, parent, request);
}

/// The same on shell, where old clients send it.
pub(crate) fn shutdown_on_shell(
    shared: &Arc<Shared>,
    parent: &Parent,
    request: &Incoming,
) -> Outcome {
    shutdown_on(Channel::Shell, shared, parent, request);
    Outcome::Answered
}

/// `usage_request`: processor and memory, for the resource panel.
pub(crate) fn usage(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    let content = shared.usage.measure();
    shared.session.reply(
        Channel::Control,
        parent,
        "usage_reply",
        &content,
        &Map::new(),
    );
}

/// `debug_request`: refused, and `debugger` is not among our features.
pub(crate) fn debug(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    let content = json!({
        "status": "error",
        "success": false,
        "message": "the debugger protocol is not supported by this kernel",
    });
    shared.session.reply(
        Channel::Control,
        parent,
        "debug_reply",
        &content,
        &Map::new(),
    );
}

fn shutdown_on(channel: Channel, shared: &Arc<Shared>, parent: &Parent, request: &Incoming) {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default)]
        restart: bool,
    }
    let restart =
        serde_json::from_str::<Content>(request.content.get()).is_ok_and(|content| content.restart);
    shared.last_words();
    let content = json!({"status": "ok", "restart": restart});
    shared
        .session
        .publisher
        .queue_or_log("shutdown_reply", parent, &content);
    shared
        .session
        .reply(channel, parent, "shutdown_reply", &content, &Map::new());
    shared.leave(restart);
}
