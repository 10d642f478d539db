//! The seam to the language: what the kernel asks of an interpreter, and how it is answered.
//!
//! The kernel hands over one [`Task`] per lane at a time with [`Interpreter::submit`], from any
//! thread and without waiting. The interpreter works on it where and when it likes (a cell may
//! await for minutes) and answers through the task's [`Responder`]. A responder that is dropped
//! unanswered, because of a panic or a bug, answers with an error: no request stays without one.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cell::CellKind;
use crate::comm::CommMessage;
use crate::dispatch::Place;
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::queue::{LaneId, Turn};
use crate::session::Channel;
use crate::wire::now;

/// Runs cells and answers questions about them.
pub trait Interpreter: Send + Sync {
    /// Takes a task; must return at once.
    fn submit(&self, task: Task);

    /// A lane (subshell) was created: tasks with this lane may follow.
    fn create_subshell(&self, subshell_id: &str);

    /// A lane is gone: no further tasks come for it.
    fn delete_subshell(&self, subshell_id: &str);
}

/// One piece of work.
#[derive(Debug)]
pub struct Task {
    /// What is to be done.
    pub work: Work,
    /// The subshell that should do it; none for the main thread.
    pub subshell_id: Option<String>,
    /// The request that asked.
    pub parent: Parent,
    /// How to answer.
    pub responder: Responder,
}

/// What an interpreter is asked to do.
#[derive(Debug)]
pub enum Work {
    /// Run a cell.
    Execute(Execute),
    /// Answer a question: complete, inspect, is_complete, history or comm_info request.
    Introspect {
        /// The message type.
        msg_type: String,
        /// Its content as it came.
        content: Box<RawValue>,
    },
    /// Handle a comm_open, comm_msg or comm_close message; no reply is sent.
    Comm(CommMessage),
    /// Leave: run exit handlers and end the process. The responder does nothing.
    Shutdown {
        /// A new kernel follows.
        restart: bool,
    },
}

/// A cell to be run.
#[derive(Clone, Debug)]
pub struct Execute {
    /// The text of the cell.
    pub code: String,
    /// Its language.
    pub kind: CellKind,
    /// Run without a trace: no history, no result.
    pub silent: bool,
    /// Whether the cell goes into the history and counts.
    pub store_history: bool,
    /// Expressions to evaluate afterwards, by the client's names.
    pub user_expressions: Map<String, Value>,
    /// Whether cells that wait behind this one are aborted if it fails.
    pub stop_on_error: bool,
    /// The number of this cell.
    pub execution_count: u32,
}

/// Answers one task, exactly once.
#[derive(Debug)]
pub struct Responder {
    shared: Arc<Shared>,
    parent: Parent,
    channel: Channel,
    /// The turn of the lane that ends with the answer; none for a task outside of all queues.
    turn: Option<(LaneId, Turn)>,
    /// The type of the reply; none if the message is answered by its idle status only.
    reply_type: Option<String>,
    stop_on_error: bool,
    started: String,
    /// How often an interrupt had been asked for when the task was made.
    n_interrupts: u64,
    answered: bool,
}

impl Responder {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        parent: &Parent,
        place: Place<'_>,
        reply_type: Option<&str>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            parent: parent.clone(),
            channel: Channel::Shell,
            turn: Some((place.lane.clone(), place.turn)),
            reply_type: reply_type.map(str::to_owned),
            stop_on_error: false,
            started: now(),
            n_interrupts: shared.n_interrupts(),
            answered: false,
        }
    }

    /// A responder for a task that nobody asked for by message.
    pub(crate) fn detached(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            parent: Parent::none(),
            channel: Channel::Shell,
            turn: None,
            reply_type: None,
            stop_on_error: false,
            started: now(),
            n_interrupts: shared.n_interrupts(),
            answered: false,
        }
    }

    /// Whether an interrupt was asked for by message since the task was made. A task that was not
    /// begun when the signal came did not notice it and is to be refused.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.shared.n_interrupts() != self.n_interrupts
    }

    pub(crate) fn stop_on_error(mut self, stop_on_error: bool) -> Self {
        self.stop_on_error = stop_on_error;
        self
    }

    /// Sends the reply and the idle status, after everything that was printed; the next request
    /// is then taken up. The content must have a `status`.
    pub fn reply(mut self, content: Map<String, Value>) {
        self.finish(content);
    }

    /// Like [`Responder::reply`] for a cell; tells the number of the next stored cell.
    pub fn reply_to_cell(mut self, content: Map<String, Value>, next_execution_count: u32) {
        self.shared
            .session
            .set_next_execution_count(next_execution_count);
        self.finish(content);
    }

    fn finish(&mut self, mut content: Map<String, Value>) {
        self.answered = true;
        let Some((lane, turn)) = self.turn.take() else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let failed = content.get("status").and_then(Value::as_str) != Some("ok");
        if failed && self.stop_on_error {
            // Before the reply is out: a request that the client sends after it must run.
            shared.lanes.abort_waiting_cells(&lane);
        }
        shared.drain_captured_output();
        if let Some(reply_type) = &self.reply_type {
            if reply_type == "comm_info_reply" {
                shared.comms.add_to_comm_info(&mut content);
            }
            let metadata = reply_metadata(&self.started, &content);
            shared
                .session
                .reply(self.channel, &self.parent, reply_type, &content, &metadata);
        }
        shared.session.publisher.status(&self.parent, "idle");
        shared.lanes.finished(&lane, turn);
        crate::dispatch::pump(&shared, &lane);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let next_execution_count = self.shared.session.next_execution_count();
        self.finish(crate::dispatch::internal_error(next_execution_count));
    }
}

fn reply_metadata(started: &str, content: &Map<String, Value>) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("started".to_owned(), started.into());
    if let Some(status) = content.get("status") {
        metadata.insert("status".to_owned(), status.clone());
    }
    metadata
}
