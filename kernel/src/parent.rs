//! The request that caused something: its header is the parent header of all that answers it.
//!
//! Output belongs to the cell that caused it, whichever cell runs when it appears: a thread, a
//! live query or a widget keeps the [`Parent`] of its cell and publishes with it. Cloning is one
//! reference count.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::wire::Incoming;

/// The originating request of an output.
#[derive(Clone, Debug)]
pub struct Parent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    raw_header: Arc<RawValue>,
    msg_id: String,
    identities: Vec<Bytes>,
    cell_id: Option<String>,
    allow_stdin: bool,
}

impl Parent {
    /// The parent of what answers this request.
    #[must_use]
    pub(crate) fn of(request: &Incoming) -> Self {
        #[derive(serde::Deserialize)]
        struct AllowStdin {
            #[serde(default)]
            allow_stdin: bool,
        }
        let cell_id = request.metadata.get("cellId").and_then(|id| id.as_str());
        let allow_stdin = request.header.msg_type == "execute_request"
            && serde_json::from_str::<AllowStdin>(request.content.get())
                .is_ok_and(|content| content.allow_stdin);
        Self(Arc::new(Inner {
            raw_header: Arc::clone(&request.raw_header),
            msg_id: request.header.msg_id.clone(),
            identities: request.identities.clone(),
            cell_id: cell_id.map(str::to_owned),
            allow_stdin,
        }))
    }

    /// The parent of what no request caused: an empty parent header.
    #[must_use]
    pub fn none() -> Self {
        let empty = RawValue::from_string("{}".to_owned()).expect("{} is JSON");
        Self(Arc::new(Inner {
            raw_header: Arc::from(empty),
            msg_id: String::new(),
            identities: Vec::new(),
            cell_id: None,
            allow_stdin: false,
        }))
    }

    /// A cell as a notebook sends it.
    #[cfg(test)]
    pub(crate) fn for_test(cell_id: &str, msg_id: &str) -> Self {
        let header = format!("{{\"msg_id\":\"{msg_id}\"}}");
        let header = RawValue::from_string(header).expect("a JSON object");
        Self(Arc::new(Inner {
            raw_header: Arc::from(header),
            msg_id: msg_id.to_owned(),
            identities: Vec::new(),
            cell_id: Some(cell_id.to_owned()),
            allow_stdin: true,
        }))
    }

    /// The header of the request as it came.
    #[must_use]
    pub fn raw_header(&self) -> &RawValue {
        &self.0.raw_header
    }

    /// The id of the request; empty for [`Parent::none`].
    #[must_use]
    pub fn msg_id(&self) -> &str {
        &self.0.msg_id
    }

    /// Routing frames of the client that asked.
    #[must_use]
    pub fn identities(&self) -> &[Bytes] {
        &self.0.identities
    }

    /// The notebook's id of the cell, where the frontend tells it (JupyterLab does). Running a
    /// cell again sends the same id.
    #[must_use]
    pub fn cell_id(&self) -> Option<&str> {
        self.0.cell_id.as_deref()
    }

    /// Whether somebody can answer an input request. False in nbval, nbclient and papermill:
    /// output should then be settled and not live.
    #[must_use]
    pub fn allow_stdin(&self) -> bool {
        self.0.allow_stdin
    }
}

impl PartialEq for Parent {
    /// Same request.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.msg_id == other.0.msg_id
    }
}

impl Eq for Parent {}
