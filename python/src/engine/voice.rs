//! Where a function prints to: in a notebook, to the cell that started its job.

use parking_lot::Mutex;
use pyo3::prelude::*;

/// What Python gave for the job that began last: `tidemill.kernel.output.FunctionOutput`.
#[derive(Default)]
pub(super) struct Voice(Mutex<Option<Py<PyAny>>>);

impl Voice {
    /// A job begins on this thread, which is that of its cell. Outside of a notebook there are no
    /// cells, and without an interpreter nobody prints.
    pub(super) fn begin(&self, runner: &Py<PyAny>) {
        Python::try_attach(|py| match runner.call_method0(py, "output") {
            Ok(output) => *self.0.lock() = (!output.is_none(py)).then_some(output),
            Err(error) => error.write_unraisable(py, Some(runner.bind(py))),
        });
    }

    /// What this thread prints from now on is the function's.
    pub(super) fn take(&self, py: Python<'_>) {
        let output = self.0.lock().as_ref().map(|output| output.clone_ref(py));
        if let Some(output) = output
            && let Err(error) = output.call0(py)
        {
            error.write_unraisable(py, Some(output.bind(py)));
        }
    }

    /// Tells what was left out of the function's output.
    pub(super) fn finish(&self) {
        Python::try_attach(|py| {
            let output = self.0.lock().as_ref().map(|output| output.clone_ref(py));
            let Some(output) = output else {
                return;
            };
            self.take(py);
            let told = py
                .import("sys")
                .and_then(|sys| sys.getattr("stdout"))
                .and_then(|stdout| stdout.getattr("write"))
                .and_then(|write| output.call_method1(py, "finish", (write,)));
            if let Err(error) = told {
                error.write_unraisable(py, Some(output.bind(py)));
            }
        });
    }
}
