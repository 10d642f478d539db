//! What all handlers share: publishing, replying, the execution count, the cell that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::connection::router::Router;
use crate::handlers::stdin::InputReplies;
use crate::parent::Parent;
use crate::publisher::Publisher;
use crate::wire::{Codec, Incoming};

/// The channel on which a request came and its reply goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Work for the interpreter, one after the other.
    Shell,
    /// Answered at once, whatever runs.
    Control,
}

/// The state of one kernel's conversation with its clients.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) codec: Arc<Codec>,
    pub(crate) publisher: Publisher,
    shell: Router,
    control: Router,
    stdin: Router,
    pub(crate) input_replies: InputReplies,
    /// The number of the next cell that is stored in the history. The shell reports it after
    /// every cell, because `%reset` starts again at one.
    next_execution_count: AtomicU32,
    /// The last cell that was started: output that names no cell belongs to it.
    current_cell: Mutex<Parent>,
}

impl Session {
    pub(crate) fn new(
        codec: Arc<Codec>,
        publisher: Publisher,
        [shell, control, stdin]: [Router; 3],
    ) -> Self {
        Self {
            codec,
            publisher,
            shell,
            control,
            stdin,
            input_replies: InputReplies::default(),
            next_execution_count: AtomicU32::new(1),
            current_cell: Mutex::new(Parent::none()),
        }
    }

    pub(crate) fn next_execution_count(&self) -> u32 {
        self.next_execution_count.load(Ordering::Acquire)
    }

    pub(crate) fn set_next_execution_count(&self, count: u32) {
        self.next_execution_count.store(count, Ordering::Release);
    }

    pub(crate) fn current_cell(&self) -> Parent {
        self.current_cell.lock().clone()
    }

    pub(crate) fn set_current_cell(&self, parent: &Parent) {
        *self.current_cell.lock() = parent.clone();
    }

    /// Sends a reply to whoever asked.
    pub(crate) fn reply<C: Serialize>(
        &self,
        channel: Channel,
        parent: &Parent,
        msg_type: &str,
        content: &C,
        metadata: &Map<String, Value>,
    ) {
        let router = match channel {
            Channel::Shell => &self.shell,
            Channel::Control => &self.control,
        };
        self.send(router, parent, msg_type, content, metadata);
    }

    /// Asks the client of this request for something on the stdin channel; gives the id that the
    /// answer names.
    pub(crate) fn ask<C: Serialize>(
        &self,
        parent: &Parent,
        msg_type: &str,
        content: &C,
    ) -> Option<String> {
        self.send(&self.stdin, parent, msg_type, content, &Map::new())
    }

    fn send<C: Serialize>(
        &self,
        router: &Router,
        parent: &Parent,
        msg_type: &str,
        content: &C,
        metadata: &Map<String, Value>,
    ) -> Option<String> {
        let encoded = match self
            .codec
            .encode(msg_type, parent.raw_header(), metadata, content)
        {
            Ok(encoded) => encoded,
            Err(error) => {
                crate::log::warn(format_args!("{error}"));
                return None;
            }
        };
        let mut frames: Vec<Bytes> = parent.identities().to_vec();
        frames.extend(encoded.frames);
        router.send(frames);
        Some(encoded.msg_id)
    }

    /// Takes a multipart apart; says in the terminal why one is ignored.
    pub(crate) fn decode(&self, socket: &str, frames: Vec<Bytes>) -> Option<Incoming> {
        self.codec
            .decode(frames)
            .inspect_err(|error| {
                crate::log::warn(format_args!("ignored a multipart on {socket}: {error}"))
            })
            .ok()
    }
}
