//! One piece of work for Python, and the way to answer it.

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tidemill_kernel::{CellKind, CommKind, Responder, Work};

use super::handle::Parent;
use super::json;

/// A task; the kinds are `execute`, `introspect`, `comm` and `shutdown`.
#[pyclass(frozen, module = "tidemill._native.kernel")]
pub(crate) struct Task {
    work: Work,
    parent: tidemill_kernel::Parent,
    responder: Mutex<Option<Responder>>,
}

impl Task {
    pub(crate) fn new(task: tidemill_kernel::Task) -> Self {
        Self {
            work: task.work,
            parent: task.parent,
            responder: Mutex::new(Some(task.responder)),
        }
    }

    fn take_responder(&self) -> PyResult<Responder> {
        let responder = self.responder.lock().take();
        responder.ok_or_else(|| PyRuntimeError::new_err("this task is answered already"))
    }
}

#[pymethods]
impl Task {
    /// What is to be done.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.work {
            Work::Execute(_) => "execute",
            Work::Introspect { .. } => "introspect",
            Work::Comm(_) => "comm",
            Work::Shutdown { .. } => "shutdown",
        }
    }

    /// The message type of the request.
    #[getter]
    fn msg_type(&self) -> &str {
        match &self.work {
            Work::Execute(_) => "execute_request",
            Work::Introspect { msg_type, .. } => msg_type,
            Work::Comm(message) => match message.kind {
                CommKind::Open => "comm_open",
                CommKind::Message => "comm_msg",
                CommKind::Close => "comm_close",
            },
            Work::Shutdown { .. } => "shutdown_request",
        }
    }

    /// The request that asked.
    #[getter]
    fn parent(&self) -> Parent {
        Parent(self.parent.clone())
    }

    /// The fields of an execute task: code, whether it is SQL, silent, store_history, the user
    /// expressions as JSON, the number of the cell.
    fn cell(&self) -> PyResult<(&str, bool, bool, bool, String, u32)> {
        let Work::Execute(cell) = &self.work else {
            return Err(PyRuntimeError::new_err("this task is not a cell"));
        };
        let user_expressions = serde_json::to_string(&cell.user_expressions)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok((
            &cell.code,
            cell.kind == CellKind::Sql,
            cell.silent,
            cell.store_history,
            user_expressions,
            cell.execution_count,
        ))
    }

    /// The content of an introspect task as JSON.
    fn content(&self) -> PyResult<&str> {
        match &self.work {
            Work::Introspect { content, .. } => Ok(content.get()),
            _ => Err(PyRuntimeError::new_err("this task is not a question")),
        }
    }

    /// Header, metadata and content of a comm message as JSON, and its buffers.
    fn comm<'py>(&self, py: Python<'py>) -> PyResult<(&str, String, &str, Bound<'py, PyList>)> {
        let Work::Comm(message) = &self.work else {
            return Err(PyRuntimeError::new_err("this task is not a comm message"));
        };
        let metadata = serde_json::to_string(&message.metadata)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        let buffers = message
            .buffers
            .iter()
            .map(|buffer| PyBytes::new(py, buffer));
        let buffers = PyList::new(py, buffers.collect::<Vec<_>>())?;
        Ok((
            message.header.get(),
            metadata,
            message.content.get(),
            buffers,
        ))
    }

    /// Whether an interrupt was asked for since the task was made: before it is begun, a signal
    /// finds nothing to interrupt.
    #[getter]
    fn interrupted(&self) -> bool {
        self.responder
            .lock()
            .as_ref()
            .is_some_and(Responder::was_interrupted)
    }

    /// Whether a new kernel follows this shutdown.
    #[getter]
    fn restart(&self) -> bool {
        matches!(self.work, Work::Shutdown { restart: true })
    }

    /// Answers the task; for a cell with the number of the next stored one.
    #[pyo3(signature = (content, next_execution_count = None))]
    fn reply(
        &self,
        py: Python<'_>,
        content: &Bound<'_, PyDict>,
        next_execution_count: Option<u32>,
    ) -> PyResult<()> {
        let content = json::to_map(content)?;
        let responder = self.take_responder()?;
        py.detach(|| match next_execution_count {
            Some(count) => responder.reply_to_cell(content, count),
            None => responder.reply(content),
        });
        Ok(())
    }
}
