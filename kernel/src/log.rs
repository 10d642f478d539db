//! Lines for whoever looks at the kernel's terminal: never for the notebook.
//!
//! While a kernel runs, file descriptors 1 and 2 are captured into cells; these lines go to the
//! standard error that the process was started with, of which [`set_output`] keeps a duplicate.
//! They are few: a kernel that works says nothing.

use std::fmt::Arguments;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use parking_lot::Mutex;

static OUTPUT: Mutex<Option<File>> = Mutex::new(None);

/// From now on lines go to this descriptor instead of the standard error.
pub(crate) fn set_output(output: OwnedFd) {
    *OUTPUT.lock() = Some(File::from(output));
}

/// Says what went wrong without making anything fail.
pub fn warn(message: Arguments<'_>) {
    let line = format!("tidemill: {message}\n");
    let written = match OUTPUT.lock().as_mut() {
        Some(output) => output.write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
    // Where even the terminal is gone there is nobody left to tell.
    drop(written);
}
