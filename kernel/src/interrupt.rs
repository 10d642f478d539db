//! Signals: they belong to the main thread, where Python's handlers run.
//!
//! An interrupt asked for by message becomes a SIGINT to ourselves. Rust's threads keep all
//! signals blocked, so that the system delivers them to the main thread, whose system call
//! (`sleep`, `select`, `read`) then ends early and lets Python run its handler.

use crate::error::KernelError;

/// Blocks asynchronous signals in the calling thread. To be called first in every thread of ours.
pub fn leave_signals_to_the_main_thread() {
    // SAFETY: both functions only write to the local signal set and to the thread's own mask.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut signals);
        // Faults of the thread itself must end the process where they happen.
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGABRT,
        ] {
            libc::sigdelset(&raw mut signals, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
    }
}

/// Sends SIGINT to this process, and to its children if it leads a process group of its own (as
/// kernels started by Jupyter do): `!sleep 60` must end too.
///
/// # Errors
/// [`KernelError::System`] if the system refuses, which it does not for ourselves.
pub(crate) fn interrupt_process() -> Result<(), KernelError> {
    // SAFETY: plain system calls without memory of ours.
    let leads_group = unsafe { libc::getpgrp() == libc::getpid() };
    if leads_group {
        interrupt(0)
    } else {
        interrupt_only_this_process()
    }
}

/// Sends SIGINT to this process and not to its children.
///
/// # Errors
/// As [`interrupt_process`].
pub(crate) fn interrupt_only_this_process() -> Result<(), KernelError> {
    // SAFETY: a plain system call.
    interrupt(unsafe { libc::getpid() })
}

fn interrupt(target: libc::pid_t) -> Result<(), KernelError> {
    // SAFETY: a plain system call without memory of ours.
    if unsafe { libc::kill(target, libc::SIGINT) } == 0 {
        Ok(())
    } else {
        Err(KernelError::System {
            what: "send the interrupt signal to this process",
            source: std::io::Error::last_os_error(),
        })
    }
}
