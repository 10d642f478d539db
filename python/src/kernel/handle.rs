//! The kernel and the originating request, as Python objects.

use std::fs::File;
use std::os::fd::FromRawFd as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use pyo3::exceptions::{PyEOFError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;
use tidemill_kernel::{
    DisplayId, KernelConfig, KernelError, KernelHandle, Pressure, StreamName, UpdatePolicy,
};

use super::inbox::{Inbox, Next};
use super::json;
use super::task::Task;

/// While Python waits in Rust it looks for signals this often.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// The request that something answers; what is published with it belongs to its cell.
#[pyclass(frozen, eq, module = "tidemill._native.kernel")]
#[derive(Clone, PartialEq)]
pub(crate) struct Parent(pub(crate) tidemill_kernel::Parent);

#[pymethods]
impl Parent {
    /// The parent of what no request caused.
    #[staticmethod]
    fn none() -> Self {
        Self(tidemill_kernel::Parent::none())
    }

    /// The id of the request.
    #[getter]
    fn msg_id(&self) -> &str {
        self.0.msg_id()
    }

    /// The notebook's id of the cell, where the frontend tells it.
    #[getter]
    fn cell_id(&self) -> Option<&str> {
        self.0.cell_id()
    }

    /// Whether somebody can answer input requests.
    #[getter]
    fn allow_stdin(&self) -> bool {
        self.0.allow_stdin()
    }

    /// The header of the request as JSON.
    #[getter]
    fn header(&self) -> &str {
        self.0.raw_header().get()
    }
}

/// The running kernel.
#[pyclass(frozen, module = "tidemill._native.kernel")]
pub(crate) struct Kernel {
    handle: KernelHandle,
    inbox: OnceLock<Arc<Inbox>>,
}

impl Kernel {
    pub(crate) fn handle(&self) -> &KernelHandle {
        &self.handle
    }

    fn inbox(&self) -> PyResult<&Arc<Inbox>> {
        self.inbox
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("no interpreter is attached"))
    }
}

#[pymethods]
impl Kernel {
    /// Binds the sockets of the connection file; from then on the kernel answers.
    #[staticmethod]
    fn start(
        py: Python<'_>,
        connection_file: PathBuf,
        language_info: &Bound<'_, PyDict>,
        banner: String,
    ) -> PyResult<Self> {
        let config = KernelConfig {
            connection_file,
            language_info: json::to_json(language_info)?,
            banner,
            capture_descriptors: true,
            subshells: true,
        };
        let handle = py
            .detach(|| KernelHandle::start(config))
            .map_err(os_error)?;
        Ok(Self {
            handle,
            inbox: OnceLock::new(),
        })
    }

    /// Takes tasks from now on: a byte is written to `wake_fd`, which becomes ours, when the main
    /// thread should call `next_task`; subshells run `run_subshell(id)` on threads of their own.
    fn attach(&self, py: Python<'_>, wake_fd: i32, run_subshell: Py<PyAny>) -> PyResult<()> {
        // SAFETY: the caller hands over a descriptor that it does not use any more.
        let wake = unsafe { File::from_raw_fd(wake_fd) };
        let inbox = Arc::new(Inbox::new(wake, run_subshell));
        if self.inbox.set(Arc::clone(&inbox)).is_err() {
            return Err(os_error(KernelError::AlreadyStarted));
        }
        py.detach(|| self.handle.attach(inbox)).map_err(os_error)
    }

    /// The next task of the main thread, if there is one.
    fn next_task(&self) -> PyResult<Option<Task>> {
        Ok(self.inbox()?.next_main().map(Task::new))
    }

    /// The next task of a subshell; none when the subshell was deleted.
    fn wait_for_task(&self, py: Python<'_>, subshell_id: &str) -> PyResult<Option<Task>> {
        let Some(inbox) = self.inbox()?.subshell(subshell_id) else {
            return Ok(None);
        };
        loop {
            match py.detach(|| inbox.wait(10 * SIGNAL_POLL)) {
                Next::Task(task) => return Ok(Some(Task::new(*task))),
                Next::Nothing => {}
                Next::Leave => return Ok(None),
            }
        }
    }

    /// The cell that runs now, or ran last.
    fn current_cell(&self) -> Parent {
        Parent(self.handle.current_cell())
    }

    /// Text on standard output, or on standard error.
    fn write(&self, py: Python<'_>, parent: &Parent, stderr: bool, text: &str) {
        let name = if stderr {
            StreamName::Stderr
        } else {
            StreamName::Stdout
        };
        let publisher = self.handle.publisher();
        if publisher.queue_stream(&parent.0, name, text) == Pressure::High {
            py.detach(|| publisher.throttle());
        }
    }

    /// Sends the text that waits.
    fn flush_streams(&self, py: Python<'_>) {
        let publisher = self.handle.publisher();
        if publisher.flush_streams() == Pressure::High {
            py.detach(|| publisher.throttle());
        }
    }

    /// Any message on iopub. Buffers are `bytes` objects and are not copied.
    #[pyo3(signature = (parent, msg_type, content, metadata = None, buffers = None))]
    fn publish(
        &self,
        py: Python<'_>,
        parent: &Parent,
        msg_type: &str,
        content: &Bound<'_, PyDict>,
        metadata: Option<&Bound<'_, PyDict>>,
        buffers: Option<Vec<PyBackedBytes>>,
    ) -> PyResult<()> {
        let content = json::to_map(content)?;
        let metadata = metadata.map(json::to_map).transpose()?.unwrap_or_default();
        let buffers = buffers
            .unwrap_or_default()
            .into_iter()
            .map(Bytes::from_owner)
            .collect();
        let publisher = self.handle.publisher();
        let queued = publisher.queue(msg_type, &parent.0, &content, &metadata, buffers);
        if queued.map_err(os_error)? == Pressure::High {
            py.detach(|| publisher.throttle());
        }
        Ok(())
    }

    /// Changes a display. Every update arrives at frontends that read; those that do not get the
    /// last one.
    fn update_display(
        &self,
        py: Python<'_>,
        parent: &Parent,
        display_id: &str,
        content: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let content = json::to_map(content)?;
        let publisher = self.handle.publisher();
        let id = DisplayId::from(display_id);
        let queued = publisher.queue_update(&parent.0, &id, &content, UpdatePolicy::Every);
        if queued.map_err(os_error)? == Pressure::High {
            py.detach(|| publisher.throttle_updates());
        }
        Ok(())
    }

    /// Asks the user and waits for the answer; an interrupt ends the waiting.
    fn ask(
        &self,
        py: Python<'_>,
        parent: &Parent,
        prompt: &str,
        password: bool,
    ) -> PyResult<String> {
        let question = py
            .detach(|| self.handle.ask_for_input(&parent.0, prompt, password))
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        loop {
            match py.detach(|| self.handle.wait_for_input(&question, SIGNAL_POLL)) {
                // What a terminal sends when the user ends the input.
                Some(answer) if answer == "\u{4}" => return Err(PyEOFError::new_err(())),
                Some(answer) => return Ok(answer),
                None => py.check_signals()?,
            }
        }
    }

    /// To be called by the handler of SIGINT: the signal need not be sent again.
    fn interrupt_noticed(&self) {
        self.handle.interrupt_noticed();
    }

    /// Publishes what was written to file descriptors 1 and 2 until now.
    fn drain_captured_output(&self, py: Python<'_>) {
        py.detach(|| self.handle.drain_captured_output());
    }

    /// Waits until everything that was published has left the process.
    fn finish(&self, py: Python<'_>) {
        py.detach(|| self.handle.finish());
    }
}

fn os_error(error: KernelError) -> PyErr {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    PyOSError::new_err(message)
}
