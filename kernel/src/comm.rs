//! Comms whose kernel side is Rust: answered at once, whichever cell runs.
//!
//! A comm is a two-way channel between a thing in the kernel and a thing in the page. Messages
//! for the targets registered here never enter the request queue; all others go to the
//! interpreter, where widgets live.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::error::KernelError;
use crate::parent::Parent;
use crate::publisher::Publisher;
use crate::wire::Incoming;

/// What a comm message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommKind {
    /// The page opens a comm.
    Open,
    /// Data for an open one.
    Message,
    /// The page closes it.
    Close,
}

/// A comm message from the page.
#[derive(Clone, Debug)]
pub struct CommMessage {
    /// What it is about.
    pub kind: CommKind,
    /// The comm.
    pub comm_id: String,
    /// Its target; only in messages that open.
    pub target_name: Option<String>,
    /// The whole content as it came, with `comm_id` and `data`.
    pub content: Box<RawValue>,
    /// The header as it came.
    pub header: Arc<RawValue>,
    /// Metadata of the message.
    pub metadata: Map<String, Value>,
    /// Binary buffers.
    pub buffers: Vec<Bytes>,
}

impl CommMessage {
    /// Reads a `comm_open`, `comm_msg` or `comm_close` message; none if it is something else or
    /// names no comm.
    pub(crate) fn of(request: &Incoming) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content {
            comm_id: String,
            #[serde(default)]
            target_name: Option<String>,
        }
        let kind = match request.header.msg_type.as_str() {
            "comm_open" => CommKind::Open,
            "comm_msg" => CommKind::Message,
            "comm_close" => CommKind::Close,
            _ => return None,
        };
        let content: Content = serde_json::from_str(request.content.get()).ok()?;
        Some(Self {
            kind,
            comm_id: content.comm_id,
            target_name: content.target_name,
            content: request.content.clone(),
            header: Arc::clone(&request.raw_header),
            metadata: request.metadata.clone(),
            buffers: request.buffers.clone(),
        })
    }

    /// The `data` of the message.
    ///
    /// # Errors
    /// When it is missing or not of this type.
    pub fn data<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        #[derive(Deserialize)]
        struct Content<T> {
            data: T,
        }
        serde_json::from_str::<Content<T>>(self.content.get()).map(|content| content.data)
    }
}

/// The kernel's end of one open comm.
#[derive(Clone, Debug)]
pub struct Comm {
    id: String,
    target_name: String,
    publisher: Publisher,
}

impl Comm {
    /// The id that both sides use.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends data to the page; waits if the page is far behind.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the data has no JSON form.
    pub fn send(
        &self,
        parent: &Parent,
        data: &Value,
        buffers: Vec<Bytes>,
    ) -> Result<(), KernelError> {
        let content = json!({"comm_id": self.id, "data": data});
        self.publisher
            .send("comm_msg", parent, &content, &Map::new(), buffers)
    }
}

/// The kernel side of all comms with one target name.
///
/// The methods run on the threads of the sockets and must return quickly.
pub trait CommTarget: Send + Sync {
    /// The page opened a comm.
    fn opened(&self, comm: &Comm, parent: &Parent, message: &CommMessage);
    /// The page sent data.
    fn message(&self, comm: &Comm, parent: &Parent, message: &CommMessage);
    /// The page closed it; the comm is gone afterwards.
    fn closed(&self, comm: &Comm);
}

/// The targets of Rust and their open comms.
#[derive(Default)]
pub struct CommRegistry {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    targets: HashMap<String, Arc<dyn CommTarget>>,
    comms: HashMap<String, (Comm, Arc<dyn CommTarget>)>,
}

impl std::fmt::Debug for CommRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommRegistry").finish_non_exhaustive()
    }
}

impl CommRegistry {
    /// Registers who answers comms with this target name, from now on.
    pub fn register(&self, target_name: &str, target: Arc<dyn CommTarget>) {
        self.state
            .lock()
            .targets
            .insert(target_name.to_owned(), target);
    }

    /// Opens a comm from the kernel's side; the page learns of it by a `comm_open` message.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the content has no JSON form.
    pub fn open(
        &self,
        publisher: &Publisher,
        parent: &Parent,
        target: (&str, Arc<dyn CommTarget>),
        (data, metadata, buffers): (&Value, &Map<String, Value>, Vec<Bytes>),
    ) -> Result<Comm, KernelError> {
        let comm = Comm {
            id: uuid::Uuid::new_v4().simple().to_string(),
            target_name: target.0.to_owned(),
            publisher: publisher.clone(),
        };
        self.state
            .lock()
            .comms
            .insert(comm.id.clone(), (comm.clone(), target.1));
        let content = json!({"comm_id": comm.id, "target_name": comm.target_name, "data": data});
        publisher.send("comm_open", parent, &content, metadata, buffers)?;
        Ok(comm)
    }

    /// Closes a comm from the kernel's side.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`], which an empty content never is.
    pub fn close(&self, comm: &Comm, parent: &Parent) -> Result<(), KernelError> {
        self.state.lock().comms.remove(&comm.id);
        let content = json!({"comm_id": comm.id, "data": {}});
        comm.publisher
            .send("comm_close", parent, &content, &Map::new(), Vec::new())
    }

    /// Whether this message is for a target of Rust.
    pub(crate) fn owns(&self, message: &CommMessage) -> bool {
        let state = self.state.lock();
        state.comms.contains_key(&message.comm_id)
            || message
                .target_name
                .as_ref()
                .is_some_and(|name| state.targets.contains_key(name))
    }

    /// Handles a message for which [`CommRegistry::owns`] is true.
    pub(crate) fn handle(&self, publisher: &Publisher, parent: &Parent, message: &CommMessage) {
        // The target runs outside of the lock: it may open or close comms itself.
        match message.kind {
            CommKind::Open => {
                let name = message.target_name.clone().unwrap_or_default();
                let target = self.state.lock().targets.get(&name).map(Arc::clone);
                let Some(target) = target else { return };
                let comm = Comm {
                    id: message.comm_id.clone(),
                    target_name: name,
                    publisher: publisher.clone(),
                };
                let entry = (comm.clone(), Arc::clone(&target));
                self.state.lock().comms.insert(comm.id.clone(), entry);
                target.opened(&comm, parent, message);
            }
            CommKind::Message => {
                if let Some((comm, target)) = self.comm(&message.comm_id) {
                    target.message(&comm, parent, message);
                }
            }
            CommKind::Close => {
                let entry = self.state.lock().comms.remove(&message.comm_id);
                if let Some((comm, target)) = entry {
                    target.closed(&comm);
                }
            }
        }
    }

    /// Adds the comms of Rust to a `comm_info_reply`; the interpreter has filtered its own by the
    /// target name that the request asked for, which it repeats in the content.
    pub(crate) fn add_to_comm_info(&self, content: &mut Map<String, Value>) {
        let wanted = content.remove("target_name");
        let wanted = wanted.as_ref().and_then(Value::as_str);
        let Some(Value::Object(comms)) = content.get_mut("comms") else {
            return;
        };
        for (comm, _) in self.state.lock().comms.values() {
            if wanted.is_none_or(|wanted| wanted == comm.target_name) {
                comms.insert(comm.id.clone(), json!({"target_name": comm.target_name}));
            }
        }
    }

    fn comm(&self, comm_id: &str) -> Option<(Comm, Arc<dyn CommTarget>)> {
        let state = self.state.lock();
        state
            .comms
            .get(comm_id)
            .map(|(comm, target)| (comm.clone(), Arc::clone(target)))
    }
}
