//! Leaving: cleanly when asked, and for sure.
//!
//! ```text
//!  shutdown_request ─► hooks (last state of live displays) ─► replies ─► interpreter leaves ─► exit
//!                                                                └─ watchdog: exit anyway after 3 s
//!  parent process gone ─► the same without replies
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::KernelError;
use crate::interpreter::{Responder, Task, Work};
use crate::interrupt;
use crate::kernel::Shared;
use crate::parent::Parent;

/// After this long the process ends whatever the interpreter does.
const WATCHDOG: Duration = Duration::from_secs(3);
/// A cell that runs is interrupted this often, until it ends.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);
/// How long the last messages may take to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The ROUTER sockets cannot be asked whether they are done; this is enough on one machine.
const ROUTER_DRAIN: Duration = Duration::from_millis(30);
/// How often we look whether the process that started us still lives.
const PARENT_POLL: Duration = Duration::from_millis(500);

pub(crate) fn run_hooks(hooks: Vec<Box<dyn FnOnce() + Send>>) {
    for hook in hooks {
        if catch_unwind(AssertUnwindSafe(hook)).is_err() {
            crate::log::warn(format_args!("a shutdown hook panicked"));
        }
    }
}

pub(crate) fn leave(shared: &Arc<Shared>, restart: bool) {
    let leaving = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("tidemill-leave".to_owned());
    // On a thread of its own: the one that asks serves the sockets, and the replies that are to
    // be sent first may wait for it.
    let started = thread.spawn(move || {
        interrupt::leave_signals_to_the_main_thread();
        end_interpreter(&leaving, restart);
        finish(&leaving);
        // SAFETY: ends the process without running handlers that could block again.
        unsafe { libc::_exit(0) }
    });
    if let Err(error) = started {
        crate::log::warn(format_args!("no thread for the shutdown: {error}"));
        // SAFETY: as above.
        unsafe { libc::_exit(1) }
    }
}

/// Tells the interpreter to end the process, and returns if it has not done so in time.
fn end_interpreter(shared: &Arc<Shared>, restart: bool) {
    let Some(interpreter) = shared.interpreter() else {
        return; // It was still being loaded: there are no handlers to run.
    };
    interpreter.submit(Task {
        work: Work::Shutdown { restart },
        subshell_id: None,
        parent: Parent::none(),
        responder: Responder::detached(shared),
    });
    let deadline = Instant::now() + WATCHDOG;
    while Instant::now() < deadline {
        // Again and again: a cell that was only being taken up does not notice the first one.
        if shared.lanes.any_running()
            && let Err(error) = interrupt::interrupt_process()
        {
            crate::log::warn(format_args!("{error}"));
        }
        std::thread::sleep(INTERRUPT_INTERVAL);
    }
    crate::log::warn(format_args!(
        "the interpreter does not end; the process does"
    ));
}

pub(crate) fn finish(shared: &Shared) {
    shared.drain_captured_output();
    if !shared.session.publisher.flush(FLUSH_TIMEOUT) {
        crate::log::warn(format_args!("a frontend did not take the last messages"));
    }
    std::thread::sleep(ROUTER_DRAIN);
}

/// Leaves when the process that started this kernel is gone, if Jupyter says which it is.
pub(crate) fn watch_parent(shared: &Arc<Shared>) -> Result<(), KernelError> {
    if std::env::var_os("JPY_PARENT_PID").is_none() {
        return Ok(());
    }
    // SAFETY: plain system call. An orphan is given to another parent, which shows here.
    let parent_pid = unsafe { libc::getppid() };
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("tidemill-parent".to_owned())
        .spawn(move || {
            interrupt::leave_signals_to_the_main_thread();
            // SAFETY: as above.
            while unsafe { libc::getppid() } == parent_pid {
                std::thread::sleep(PARENT_POLL);
            }
            crate::log::warn(format_args!("the process that started this kernel is gone"));
            shared.last_words();
            shared.leave(false);
        })
        .map(drop)
        .map_err(|source| KernelError::System {
            what: "watch the parent process",
            source,
        })
}
