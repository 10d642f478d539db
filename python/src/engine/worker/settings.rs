//! Where the functions of a session run: what its `python.*` options say.

use std::sync::OnceLock;

use pyo3::prelude::*;
use tidemill_engine::session::Configuration;

/// Rows that travel together, if `python.fn-execution.bundle.size` says nothing: enough that the
/// frames cost little, few enough that a worker begins while more is being written.
const DEFAULT_BUNDLE_ROWS: usize = 10_000;

/// The options as they stand when a batch is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Settings {
    /// `python.execution-mode` is `process`.
    is_process_mode: bool,
    /// Options that decide what a worker can import and reach.
    options: Vec<(&'static str, Option<String>)>,
    /// Rows of a bundle.
    pub(super) bundle_rows: usize,
    /// As many processes as the job has workers.
    pub(super) n_processes: usize,
    /// How long a bundle may take; none without a limit.
    pub(super) timeout: Option<std::time::Duration>,
}

/// `sys.executable`.
static OWN_EXECUTABLE: OnceLock<String> = OnceLock::new();

/// Notes which interpreter runs this process.
///
/// # Errors
/// If `sys` has no executable.
pub(in crate::engine) fn note_interpreter(py: Python<'_>) -> PyResult<()> {
    let executable = py.import("sys")?.getattr("executable")?.extract()?;
    OWN_EXECUTABLE.get_or_init(|| executable);
    Ok(())
}

const EXECUTABLE: &str = "python.executable";
const REQUIREMENTS: &str = "python.requirements";
const ARCHIVES: &str = "python.archives";
const FILES: &str = "python.files";
const PATH: &str = "python.pythonpath";

impl Settings {
    pub(in crate::engine) fn of(configuration: &Configuration) -> Self {
        let number = |key: &str| configuration.get(key).and_then(|text| text.parse().ok());
        let is_process_mode = configuration
            .get("python.execution-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("process"));
        let options = [EXECUTABLE, REQUIREMENTS, ARCHIVES, FILES, PATH]
            .map(|key| (key, configuration.get(key)))
            .to_vec();
        Self {
            is_process_mode,
            options,
            bundle_rows: number("python.fn-execution.bundle.size")
                .filter(|rows| *rows > 0)
                .unwrap_or(DEFAULT_BUNDLE_ROWS),
            n_processes: configuration.parallelism().max(1),
            timeout: number("python.fn-execution.timeout-ms")
                .filter(|ms| *ms > 0)
                .map(|ms| std::time::Duration::from_millis(ms as u64)),
        }
    }

    /// Whether functions run in processes of their own: when that is asked for, or when they need
    /// what this process does not have. Naming the interpreter that runs already changes nothing.
    pub(in crate::engine) fn needs_process(&self) -> bool {
        self.is_process_mode
            || self.options.iter().any(|(key, value)| match *key {
                EXECUTABLE => value.is_some() && value.as_ref() != OWN_EXECUTABLE.get(),
                REQUIREMENTS | ARCHIVES => value.is_some(),
                _ => false,
            })
    }

    /// The options that are set, for Python.
    pub(in crate::engine) fn options(&self) -> Vec<(&'static str, String)> {
        self.options
            .iter()
            .filter_map(|(key, value)| Some((*key, value.clone()?)))
            .collect()
    }
}
