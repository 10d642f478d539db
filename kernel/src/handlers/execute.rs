//! `execute_request`: a cell.
//!
//! The kernel publishes the input with its number and hands the cell to the interpreter, which
//! publishes results and errors and answers when the cell is done.
//!
//! Source: <https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute>

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cell;
use crate::dispatch::{Outcome, Place};
use crate::interpreter::{Execute, Responder, Task, Work};
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::session::Channel;
use crate::wire::Incoming;

/// The content of an `execute_request`, with the protocol's defaults.
#[derive(Deserialize)]
struct Content {
    code: String,
    #[serde(default)]
    silent: bool,
    /// Stored unless silent, if the client does not say.
    #[serde(default)]
    store_history: Option<bool>,
    #[serde(default)]
    user_expressions: Option<Map<String, Value>>,
    #[serde(default = "yes")]
    stop_on_error: bool,
}

fn yes() -> bool {
    true
}

pub(crate) fn execute(
    shared: &Arc<Shared>,
    place: Place<'_>,
    parent: &Parent,
    request: &Incoming,
) -> Outcome {
    let content: Content = match serde_json::from_str(request.content.get()) {
        Ok(content) => content,
        Err(error) => return refuse(shared, parent, &error),
    };
    let Some(interpreter) = shared.interpreter() else {
        return abort(shared, parent);
    };
    let execution_count = shared.session.next_execution_count();
    if place.lane.subshell_id().is_none() {
        shared.session.set_current_cell(parent);
    }
    // Before the client learns that the cell is about to run and may be interrupted.
    let responder = Responder::new(shared, parent, place, Some("execute_reply"))
        .stop_on_error(content.stop_on_error);
    if !content.silent {
        let input = json!({"code": content.code, "execution_count": execution_count});
        shared
            .session
            .publisher
            .queue_or_log("execute_input", parent, &input);
    }
    interpreter.submit(Task {
        work: Work::Execute(Execute {
            kind: cell::classify(&content.code),
            code: content.code,
            silent: content.silent,
            store_history: !content.silent && content.store_history.unwrap_or(true),
            user_expressions: content.user_expressions.unwrap_or_default(),
            stop_on_error: content.stop_on_error,
            execution_count,
        }),
        subshell_id: place.lane.subshell_id().map(str::to_owned),
        parent: parent.clone(),
        responder,
    });
    Outcome::HandedOver
}

/// Answers a cell that waited behind one that failed.
pub(crate) fn abort(shared: &Shared, parent: &Parent) -> Outcome {
    let content = json!({"status": "aborted"});
    let metadata = Map::from_iter([("status".to_owned(), "aborted".into())]);
    shared
        .session
        .reply(Channel::Shell, parent, "execute_reply", &content, &metadata);
    Outcome::Answered
}

fn refuse(shared: &Shared, parent: &Parent, error: &serde_json::Error) -> Outcome {
    let evalue = format!("this execute_request is not valid: {error}");
    let content = json!({
        "status": "error",
        "ename": "ProtocolError",
        "evalue": evalue,
        "traceback": [evalue],
        "execution_count": shared.session.next_execution_count(),
    });
    shared.session.reply(
        Channel::Shell,
        parent,
        "execute_reply",
        &content,
        &Map::new(),
    );
    Outcome::Answered
}
