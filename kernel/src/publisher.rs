//! Publishing outputs: the seam between the kernel and everything that shows something.
//!
//! A [`Publisher`] is a cheap handle for any thread; it needs no interpreter. What is published
//! belongs to the request given as [`Parent`], whichever cell runs meanwhile. Text is batched
//! (see [`crate::streams`]) and always goes out before whatever is published after it.
//!
//! Publishing waits when a frontend that reads is far behind (8 MiB), so memory stays bounded and
//! nothing is lost; [`Publisher::update_display`] never waits, because a newer state of a display
//! replaces the unsent older one.
//!
//! ```text
//!  stream ──► waiting text ─┐ 64 KiB, 20 ms, or anything else
//!  display, result, … ──────┴─► sign ─► hub ─► subscribers
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::connection::hub::{Conflation, ConflationKey, Hub, Outgoing};
use crate::connection::zmtp;
use crate::error::KernelError;
use crate::mime::{DisplayId, MimeBundle};
use crate::parent::Parent;
use crate::streams::{AfterWrite, MAX_WAIT, StreamName, WaitingText};
use crate::wire::Codec;

/// Whether a publisher should wait for the subscribers before it goes on.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Go on.
    None,
    /// A queue is beyond its bound: call [`Publisher::throttle`], not holding any lock.
    High,
}

/// Whether every update of a display must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePolicy {
    /// A newer state replaces the unsent older one: for displays that show what is now.
    Conflate,
    /// All updates arrive at frontends that read: for updates that user code asked for.
    Every,
}

/// Publishes on the iopub socket of one kernel.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    codec: Arc<Codec>,
    hub: Arc<Hub>,
    /// Held while waiting text and what follows it are queued, so that nobody comes between.
    waiting: Mutex<WaitingText>,
    /// Wakes the flushing thread when the first text waits.
    text_waits: Condvar,
}

impl Publisher {
    /// A publisher into this hub, with the thread that sends waiting text in time.
    ///
    /// # Errors
    /// [`KernelError::System`] if there can be no thread.
    pub(crate) fn start(codec: Arc<Codec>, hub: Arc<Hub>) -> Result<Self, KernelError> {
        let publisher = Self(Arc::new(Inner {
            codec,
            hub,
            waiting: Mutex::new(WaitingText::default()),
            text_waits: Condvar::new(),
        }));
        let flusher = publisher.clone();
        std::thread::Builder::new()
            .name("tidemill-streams".to_owned())
            .spawn(move || {
                crate::interrupt::leave_signals_to_the_main_thread();
                flusher.flush_in_time();
            })
            .map_err(|source| KernelError::System {
                what: "start the thread of the output streams",
                source,
            })?;
        Ok(publisher)
    }

    /// Shows something new under this id.
    pub fn display_data(&self, parent: &Parent, id: &DisplayId, bundle: &MimeBundle) {
        self.send_or_log(
            "display_data",
            parent,
            &DisplayContent::new(Some(id), bundle),
        );
    }

    /// Changes what is shown under this id, in all cells that show it. Never blocks: while the
    /// last change is unsent, this one takes its place.
    pub fn update_display(&self, parent: &Parent, id: &DisplayId, bundle: &MimeBundle) {
        let content = DisplayContent::new(Some(id), bundle);
        let queued = self.queue_update(parent, id, &content, UpdatePolicy::Conflate);
        if let Err(error) = queued {
            crate::log::warn(format_args!("{error}"));
        }
    }

    /// Text on one of the two streams of a cell.
    pub fn stream(&self, parent: &Parent, name: StreamName, text: &str) {
        if self.queue_stream(parent, name, text) == Pressure::High {
            self.throttle();
        }
    }

    /// The value of a cell.
    pub fn execute_result(&self, parent: &Parent, execution_count: u32, bundle: &MimeBundle) {
        let mut content = DisplayContent::new(None, bundle);
        content.execution_count = Some(execution_count);
        self.send_or_log("execute_result", parent, &content);
    }

    /// The error that ended a cell.
    pub fn error(&self, parent: &Parent, ename: &str, evalue: &str, traceback: &[String]) {
        let content = json!({"ename": ename, "evalue": evalue, "traceback": traceback});
        self.send_or_log("error", parent, &content);
    }

    /// Removes the outputs of a cell, with `wait` only when the next output comes.
    pub fn clear_output(&self, parent: &Parent, wait: bool) {
        self.send_or_log("clear_output", parent, &json!({"wait": wait}));
    }

    /// Any message; waits if a frontend is far behind.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the content has no JSON form.
    pub fn send<C: Serialize>(
        &self,
        msg_type: &str,
        parent: &Parent,
        content: &C,
        metadata: &Map<String, Value>,
        buffers: Vec<Bytes>,
    ) -> Result<(), KernelError> {
        if self.queue(msg_type, parent, content, metadata, buffers)? == Pressure::High {
            self.throttle();
        }
        Ok(())
    }

    /// Any message, without waiting: for callers that hold something others need.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the content has no JSON form.
    pub fn queue<C: Serialize>(
        &self,
        msg_type: &str,
        parent: &Parent,
        content: &C,
        metadata: &Map<String, Value>,
        buffers: Vec<Bytes>,
    ) -> Result<Pressure, KernelError> {
        let outgoing = self.encode(msg_type, parent, content, metadata, buffers)?;
        let mut waiting = self.0.waiting.lock();
        let before = self.queue_waiting(&mut waiting);
        Ok(before.or(self.publish(outgoing)))
    }

    /// An `update_display_data` message, without waiting.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the content has no JSON form.
    pub fn queue_update<C: Serialize>(
        &self,
        parent: &Parent,
        id: &DisplayId,
        content: &C,
        policy: UpdatePolicy,
    ) -> Result<Pressure, KernelError> {
        let mut outgoing = self.encode(
            "update_display_data",
            parent,
            content,
            &Map::new(),
            Vec::new(),
        )?;
        let key = ConflationKey {
            display_id: id.as_str().into(),
            parent_id: parent.msg_id().into(),
        };
        outgoing.conflation = match policy {
            UpdatePolicy::Conflate => Conflation::Always(key),
            UpdatePolicy::Every => Conflation::WhenStalled(key),
        };
        let mut waiting = self.0.waiting.lock();
        let before = self.queue_waiting(&mut waiting);
        Ok(before.or(self.publish(outgoing)))
    }

    /// Text on one of the two streams, without waiting.
    pub fn queue_stream(&self, parent: &Parent, name: StreamName, text: &str) -> Pressure {
        let mut waiting = self.0.waiting.lock();
        match waiting.write(parent, name, text, Instant::now()) {
            AfterWrite::Nothing => Pressure::None,
            AfterWrite::StartClock => {
                self.0.text_waits.notify_one();
                Pressure::None
            }
            AfterWrite::FlushNow => self.queue_waiting(&mut waiting),
        }
    }

    /// Waits until the frontends that read have caught up. At most five seconds for one that
    /// does not read; it is then cut off.
    pub fn throttle(&self) {
        self.0.hub.throttle(false);
    }

    /// Waits like [`Publisher::throttle`], but not for frontends that read nothing: theirs are
    /// conflated.
    pub fn throttle_updates(&self) {
        self.0.hub.throttle(true);
    }

    /// Sends the waiting text now.
    pub fn flush_streams(&self) -> Pressure {
        let mut waiting = self.0.waiting.lock();
        self.queue_waiting(&mut waiting)
    }

    /// Waits until all that was published is written to the sockets; false if that takes longer
    /// than `timeout`.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        // The pressure does not matter: the next call waits for more than it would.
        let (Pressure::None | Pressure::High) = self.flush_streams();
        self.0.hub.flush(timeout)
    }

    pub(crate) fn status(&self, parent: &Parent, execution_state: &str) {
        let content = json!({"execution_state": execution_state});
        self.queue_or_log("status", parent, &content);
    }

    /// Publishes without ever blocking, for the threads that serve the sockets.
    pub(crate) fn queue_or_log<C: Serialize>(&self, msg_type: &str, parent: &Parent, content: &C) {
        match self.queue(msg_type, parent, content, &Map::new(), Vec::new()) {
            // A status is small and there are few: they may exceed the bound.
            Ok(Pressure::None | Pressure::High) => {}
            Err(error) => crate::log::warn(format_args!("{error}")),
        }
    }

    fn send_or_log<C: Serialize>(&self, msg_type: &str, parent: &Parent, content: &C) {
        if let Err(error) = self.send(msg_type, parent, content, &Map::new(), Vec::new()) {
            crate::log::warn(format_args!("{error}"));
        }
    }

    fn encode<C: Serialize>(
        &self,
        msg_type: &str,
        parent: &Parent,
        content: &C,
        metadata: &Map<String, Value>,
        buffers: Vec<Bytes>,
    ) -> Result<Outgoing, KernelError> {
        let encoded = self
            .0
            .codec
            .encode(msg_type, parent.raw_header(), metadata, content)?;
        let topic = Bytes::from(format!("kernel.{}.{msg_type}", self.0.codec.session_id()));
        let mut frames = Vec::with_capacity(1 + encoded.frames.len() + buffers.len());
        frames.push(topic.clone());
        frames.extend(encoded.frames);
        frames.extend(buffers);
        Ok(Outgoing {
            topic,
            chunks: zmtp::encode(&frames),
            conflation: Conflation::Never,
        })
    }

    fn publish(&self, outgoing: Outgoing) -> Pressure {
        if self.0.hub.publish(outgoing) {
            Pressure::High
        } else {
            Pressure::None
        }
    }

    fn queue_waiting(&self, waiting: &mut WaitingText) -> Pressure {
        let mut pressure = Pressure::None;
        for segment in waiting.take() {
            let content = json!({"name": segment.name.as_str(), "text": segment.text});
            let encoded = self.encode("stream", &segment.parent, &content, &Map::new(), Vec::new());
            match encoded {
                Ok(outgoing) => pressure = pressure.or(self.publish(outgoing)),
                Err(error) => crate::log::warn(format_args!("{error}")),
            }
        }
        pressure
    }

    /// The loop of the flushing thread; it ends with the process.
    fn flush_in_time(&self) {
        let mut waiting = self.0.waiting.lock();
        loop {
            match waiting.since() {
                None => self.0.text_waits.wait(&mut waiting),
                Some(since) if since.elapsed() >= MAX_WAIT => {
                    if self.queue_waiting(&mut waiting) == Pressure::High {
                        parking_lot::MutexGuard::unlocked(&mut waiting, || self.throttle());
                    }
                }
                Some(since) => {
                    let left = MAX_WAIT.saturating_sub(since.elapsed());
                    self.0.text_waits.wait_for(&mut waiting, left);
                }
            }
        }
    }
}

impl Pressure {
    fn or(self, other: Self) -> Self {
        if self == Self::High { self } else { other }
    }
}

/// The content of `display_data`, `update_display_data` and `execute_result`.
#[derive(Serialize)]
struct DisplayContent<'a> {
    data: &'a Map<String, Value>,
    metadata: &'a Map<String, Value>,
    transient: Transient<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_count: Option<u32>,
}

#[derive(Serialize)]
struct Transient<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_id: Option<&'a str>,
}

impl<'a> DisplayContent<'a> {
    fn new(id: Option<&'a DisplayId>, bundle: &'a MimeBundle) -> Self {
        Self {
            data: &bundle.data,
            metadata: &bundle.metadata,
            transient: Transient {
                display_id: id.map(DisplayId::as_str),
            },
            execution_count: None,
        }
    }
}
