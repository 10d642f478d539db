//! Subshells (JEP 91): further lanes in which requests are handled beside a running cell.
//!
//! Source: <https://github.com/jupyter/enhancement-proposals/pull/91>

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::kernel::Shared;
use crate::parent::Parent;
use crate::queue::LaneId;
use crate::session::Channel;
use crate::wire::Incoming;

/// `create_subshell_request`.
pub(crate) fn create(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    let Some(interpreter) = shared.interpreter() else {
        return refuse(
            shared,
            parent,
            "create_subshell_reply",
            "the interpreter is not ready yet",
        );
    };
    let subshell_id = uuid::Uuid::new_v4().to_string();
    shared.lanes.create(LaneId::of(Some(subshell_id.clone())));
    interpreter.create_subshell(&subshell_id);
    let content = json!({"status": "ok", "subshell_id": subshell_id});
    reply(shared, parent, "create_subshell_reply", &content);
}

/// `delete_subshell_request`; what waits in the subshell is dropped.
pub(crate) fn delete(shared: &Arc<Shared>, parent: &Parent, request: &Incoming) {
    #[derive(Deserialize)]
    struct Content {
        subshell_id: String,
    }
    let reply_type = "delete_subshell_reply";
    let Ok(content) = serde_json::from_str::<Content>(request.content.get()) else {
        return refuse(shared, parent, reply_type, "the request names no subshell");
    };
    if !shared
        .lanes
        .delete(&LaneId::of(Some(content.subshell_id.clone())))
    {
        let reason = format!("there is no subshell \"{}\"", content.subshell_id);
        return refuse(shared, parent, reply_type, &reason);
    }
    if let Some(interpreter) = shared.interpreter() {
        interpreter.delete_subshell(&content.subshell_id);
    }
    reply(shared, parent, reply_type, &json!({"status": "ok"}));
}

/// `list_subshell_request`.
pub(crate) fn list(shared: &Arc<Shared>, parent: &Parent, _: &Incoming) {
    let content = json!({"status": "ok", "subshell_id": shared.lanes.subshell_ids()});
    reply(shared, parent, "list_subshell_reply", &content);
}

fn refuse(shared: &Shared, parent: &Parent, reply_type: &str, reason: &str) {
    let content = json!({
        "status": "error",
        "ename": "SubshellError",
        "evalue": reason,
        "traceback": [],
    });
    reply(shared, parent, reply_type, &content);
}

fn reply(shared: &Shared, parent: &Parent, reply_type: &str, content: &Value) {
    shared
        .session
        .reply(Channel::Control, parent, reply_type, content, &Map::new());
}
