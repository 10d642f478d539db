//! A display that a thread of Rust updates: shows that output needs no interpreter.
//!
//! The kernel's own tests and benchmarks compare it with a display that a Python thread updates;
//! a user who wants to know whether the kernel or the cell hangs can look at it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tidemill_kernel::{DisplayId, MimeBundle};

use super::handle::{Kernel, Parent};

/// A running pulse; it belongs to the cell that started it.
#[pyclass(frozen, module = "tidemill._native.kernel")]
pub(crate) struct Pulse {
    stopped: Arc<AtomicBool>,
}

#[pymethods]
impl Pulse {
    /// Starts a display that counts, `hz` times a second.
    #[new]
    fn start(kernel: &Kernel, parent: &Parent, hz: f64) -> PyResult<Self> {
        if !(hz > 0.0 && hz <= 1000.0) {
            return Err(PyValueError::new_err("hz must be above 0 and at most 1000"));
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let (handle, parent) = (kernel.handle().clone(), parent.0.clone());
        let stop = Arc::clone(&stopped);
        let thread = std::thread::Builder::new().name("tidemill-pulse".to_owned());
        thread
            .spawn(move || {
                tidemill_kernel::leave_signals_to_the_main_thread();
                let (id, interval) = (DisplayId::new_unique(), Duration::from_secs_f64(1.0 / hz));
                let publisher = handle.publisher();
                publisher.display_data(&parent, &id, &MimeBundle::plain("beat 0"));
                let (mut n_beats, mut due) = (0_u64, Instant::now());
                while !stop.load(Ordering::Acquire) {
                    n_beats += 1;
                    due += interval;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let bundle = MimeBundle::plain(format!("beat {n_beats}"));
                    publisher.update_display(&parent, &id, &bundle);
                }
            })
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { stopped })
    }

    /// Ends it.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }
}
