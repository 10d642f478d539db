//! Asking the user: `input_request` out, `input_reply` back.
//!
//! The cell that asks waits in its own thread ([`InputReplies::wait`], in short slices, so that an
//! interrupt can end it); replies come in on the thread of the socket. Replies to questions that
//! nobody waits for any more are dropped.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::Deserialize;

use crate::kernel::Shared;
use crate::wire::Incoming;

/// A reply and the question that it names, if the client says which.
#[derive(Debug)]
struct Reply {
    question_id: Option<String>,
    value: String,
}

/// Replies that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct InputReplies {
    replies: Mutex<VecDeque<Reply>>,
    arrived: Condvar,
}

/// More replies than this without a question are thrown away.
const MAX_UNASKED: usize = 16;

impl InputReplies {
    /// Forgets replies to earlier questions.
    pub(crate) fn clear(&self) {
        self.replies.lock().clear();
    }

    /// The reply to this question, or none if there is none within `timeout`.
    pub(crate) fn wait(&self, question_id: &str, timeout: Duration) -> Option<String> {
        let mut replies = self.replies.lock();
        loop {
            while let Some(reply) = replies.pop_front() {
                let stale = reply.question_id.is_some_and(|id| id != question_id);
                if !stale {
                    return Some(reply.value);
                }
            }
            if self.arrived.wait_for(&mut replies, timeout).timed_out() && replies.is_empty() {
                return None;
            }
        }
    }

    fn put(&self, reply: Reply) {
        let mut replies = self.replies.lock();
        if replies.len() >= MAX_UNASKED {
            replies.pop_front();
        }
        replies.push_back(reply);
        self.arrived.notify_all();
    }
}

/// `input_reply` from a client.
pub(crate) fn input_reply(shared: &Shared, reply: &Incoming) {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default)]
        value: String,
    }
    if reply.header.msg_type != "input_reply" {
        let msg_type = &reply.header.msg_type;
        crate::log::warn(format_args!("ignored a \"{msg_type}\" on stdin"));
        return;
    }
    match serde_json::from_str::<Content>(reply.content.get()) {
        Ok(content) => shared.session.input_replies.put(Reply {
            question_id: reply.parent_id.clone(),
            value: content.value,
        }),
        Err(error) => crate::log::warn(format_args!("ignored an input_reply: {error}")),
    }
}
