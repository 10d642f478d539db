//! Tasks on their way from Rust's threads to Python's.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use tidemill_kernel::{Interpreter, Task};

/// Hands tasks to the main thread and to the threads of subshells.
pub(crate) struct Inbox {
    main: Mutex<VecDeque<Task>>,
    /// Writing end of the pipe that the asyncio loop watches. Non-blocking: when it is full the
    /// loop has enough to wake up for.
    wake: File,
    subshells: Mutex<HashMap<String, Arc<SubshellInbox>>>,
    /// Called with a subshell's id on a thread of its own. Shared, because the thread that asks
    /// for a subshell cannot count references of Python.
    run_subshell: Arc<Py<PyAny>>,
}

/// Tasks of one subshell.
#[derive(Default)]
pub(crate) struct SubshellInbox {
    tasks: Mutex<Option<VecDeque<Task>>>,
    arrived: Condvar,
}

/// What a subshell's thread should do next.
pub(crate) enum Next {
    Task(Box<Task>),
    /// Nothing for now: look for signals, then ask again.
    Nothing,
    /// The subshell was deleted.
    Leave,
}

impl Inbox {
    pub(crate) fn new(wake: File, run_subshell: Py<PyAny>) -> Self {
        Self {
            main: Mutex::default(),
            wake,
            subshells: Mutex::default(),
            run_subshell: Arc::new(run_subshell),
        }
    }

    /// The next task of the main thread.
    pub(crate) fn next_main(&self) -> Option<Task> {
        self.main.lock().pop_front()
    }

    pub(crate) fn subshell(&self, subshell_id: &str) -> Option<Arc<SubshellInbox>> {
        self.subshells.lock().get(subshell_id).map(Arc::clone)
    }

    fn wake_main(&self) {
        match (&self.wake).write(&[0]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => tidemill_kernel::warn(format_args!("cannot wake Python: {error}")),
        }
    }
}

impl SubshellInbox {
    /// Waits for a task, at most for `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Next {
        let mut tasks = self.tasks.lock();
        if tasks.as_ref().is_some_and(VecDeque::is_empty) {
            self.arrived.wait_for(&mut tasks, timeout);
        }
        match tasks.as_mut().map(VecDeque::pop_front) {
            Some(Some(task)) => Next::Task(Box::new(task)),
            Some(None) => Next::Nothing,
            None => Next::Leave,
        }
    }
}

impl Interpreter for Inbox {
    fn submit(&self, task: Task) {
        if let Some(subshell_id) = &task.subshell_id {
            if let Some(inbox) = self.subshell(subshell_id) {
                if let Some(tasks) = inbox.tasks.lock().as_mut() {
                    tasks.push_back(task);
                }
                inbox.arrived.notify_all();
            }
            return;
        }
        self.main.lock().push_back(task);
        self.wake_main();
    }

    fn create_subshell(&self, subshell_id: &str) {
        let inbox = Arc::new(SubshellInbox::default());
        *inbox.tasks.lock() = Some(VecDeque::new());
        self.subshells.lock().insert(subshell_id.to_owned(), inbox);
        let id = subshell_id.to_owned();
        let run = Arc::clone(&self.run_subshell);
        let thread = std::thread::Builder::new().name("tidemill-subshell".to_owned());
        let started = thread.spawn(move || {
            tidemill_kernel::leave_signals_to_the_main_thread();
            // Waits for the interpreter, which the control thread that called us must not do.
            Python::attach(|py| {
                if let Err(error) = run.call1(py, (id,)) {
                    tidemill_kernel::warn(format_args!("a subshell ended with {error}"));
                }
            });
        });
        if let Err(error) = started {
            tidemill_kernel::warn(format_args!("cannot start a subshell: {error}"));
        }
    }

    fn delete_subshell(&self, subshell_id: &str) {
        if let Some(inbox) = self.subshells.lock().remove(subshell_id) {
            inbox.tasks.lock().take();
            inbox.arrived.notify_all();
        }
    }
}
