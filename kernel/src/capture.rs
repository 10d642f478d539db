//! What C libraries, Rust code and child processes write to file descriptors 1 and 2.
//!
//! ```text
//!  fd 1 ─► pipe ─┐ a thread waits for text, or a cell that ends drains at once
//!  fd 2 ─► pipe ─┴─► UTF-8 text (incremental) ─► publisher, as output of the current cell
//! ```
//!
//! Both descriptors become the writing ends of pipes. A thread waits for text; a cell that ends
//! reads what is left itself, so that its output comes before its idle status. The descriptor that
//! was standard error before stays open for the kernel's own lines.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::KernelError;
use crate::kernel::Shared;
use crate::publisher::Pressure;
use crate::streams::StreamName;

const READ_BYTES: usize = 64 << 10;
/// A drain takes no more than this from each pipe, so that an endless writer can neither keep a
/// cell from ending nor outrun the frontend.
const MAX_READS: usize = 16;

/// The captured descriptors.
#[derive(Debug)]
pub(crate) struct Capture {
    stdout: Mutex<Captured>,
    stderr: Mutex<Captured>,
}

#[derive(Debug)]
struct Captured {
    name: StreamName,
    /// Non-blocking, so that a drain ends when the pipe is empty.
    pipe: File,
    decoder: Utf8Decoder,
}

impl Capture {
    /// Redirects descriptors 1 and 2 of this process for the rest of its life.
    ///
    /// # Errors
    /// [`KernelError::System`] if there can be no pipes; the descriptors are then as they were.
    pub(crate) fn start() -> Result<Self, KernelError> {
        let stderr_before = duplicate(libc::STDERR_FILENO)?;
        let capture = Self {
            stdout: Mutex::new(Captured::redirect(StreamName::Stdout, libc::STDOUT_FILENO)?),
            stderr: Mutex::new(Captured::redirect(StreamName::Stderr, libc::STDERR_FILENO)?),
        };
        crate::log::set_output(stderr_before);
        c_streams::write_lines_at_once();
        Ok(capture)
    }

    /// Starts the thread that publishes text as it comes.
    ///
    /// # Errors
    /// [`KernelError::System`] if there can be no thread.
    pub(crate) fn serve(shared: &Arc<Shared>) -> Result<(), KernelError> {
        let shared = Arc::clone(shared);
        std::thread::Builder::new()
            .name("tidemill-capture".to_owned())
            .spawn(move || {
                crate::interrupt::leave_signals_to_the_main_thread();
                let Some(capture) = shared.capture() else {
                    return;
                };
                while capture.wait() {
                    if capture.drain(&shared) == Pressure::High {
                        shared.session.publisher.throttle();
                    }
                }
            })
            .map(drop)
            .map_err(|source| KernelError::System {
                what: "start the capture thread",
                source,
            })
    }

    /// Publishes what C code and child processes have written until now.
    pub(crate) fn drain_all(&self, shared: &Shared) -> Pressure {
        c_streams::flush();
        self.drain(shared)
    }

    /// Publishes what the pipes hold now.
    pub(crate) fn drain(&self, shared: &Shared) -> Pressure {
        let mut pressure = Pressure::None;
        for captured in [&self.stdout, &self.stderr] {
            let mut captured = captured.lock();
            let name = captured.name;
            for _ in 0..MAX_READS {
                let Some(text) = captured.read() else { break };
                let parent = shared.session.current_cell();
                if shared.session.publisher.queue_stream(&parent, name, &text) == Pressure::High {
                    pressure = Pressure::High;
                }
            }
        }
        pressure
    }

    /// Waits for text; false if waiting is impossible.
    fn wait(&self) -> bool {
        let descriptor = |captured: &Mutex<Captured>| captured.lock().pipe.as_raw_fd();
        let mut polled = [&self.stdout, &self.stderr].map(|captured| libc::pollfd {
            fd: descriptor(captured),
            events: libc::POLLIN,
            revents: 0,
        });
        loop {
            // SAFETY: the array lives during the call and its length is given.
            let n_ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
            match n_ready {
                1.. => return polled.iter().any(|it| it.revents & libc::POLLIN != 0),
                _ if std::io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
    }
}

impl Captured {
    fn redirect(name: StreamName, descriptor: RawFd) -> Result<Self, KernelError> {
        let mut ends = [0; 2];
        // SAFETY: writes two descriptors into the array.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(last_error("create a pipe for the output of cells"));
        }
        // SAFETY: both descriptors were just made and belong to nobody else.
        let (reading, writing) =
            unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        // SAFETY: plain system calls on descriptors that are open. The duplicate made by dup2 is
        // inherited by children, as standard output should be.
        let redirected = unsafe {
            libc::fcntl(reading.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) == 0
                && libc::dup2(writing.as_raw_fd(), descriptor) >= 0
        };
        if !redirected {
            return Err(last_error("capture the output of cells"));
        }
        Ok(Self {
            name,
            pipe: File::from(reading),
            decoder: Utf8Decoder::default(),
        })
    }

    /// The next text, none if the pipe is empty.
    fn read(&mut self) -> Option<String> {
        let mut bytes = [0; READ_BYTES];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(0) => return None,
                Ok(n_bytes) => return Some(self.decoder.decode(&bytes[..n_bytes])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// Bytes to text where a character may be split between two reads; what is not UTF-8 becomes the
/// replacement character.
#[derive(Debug, Default)]
struct Utf8Decoder {
    incomplete: Vec<u8>,
}

impl Utf8Decoder {
    fn decode(&mut self, bytes: &[u8]) -> String {
        self.incomplete.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.incomplete.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, invalid) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    let Some(n_invalid) = error.error_len() else {
                        rest = invalid; // The rest of this character comes with the next read.
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &invalid[n_invalid..];
                }
            }
        }
        self.incomplete = rest.to_vec();
        text
    }
}

/// The buffer that C's `printf` writes to: it would keep text back until it is full.
#[cfg(target_os = "linux")]
mod c_streams {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
    }

    pub(super) fn write_lines_at_once() {
        // SAFETY: the stream exists as long as the process, and nothing was written to it yet;
        // without a buffer of ours the C library keeps its own.
        unsafe { libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IOLBF, 0) };
    }

    pub(super) fn flush() {
        // SAFETY: as above; the C library locks the stream.
        unsafe { libc::fflush(stdout) };
    }
}

/// Elsewhere C's own buffering holds.
#[cfg(not(target_os = "linux"))]
mod c_streams {
    pub(super) fn write_lines_at_once() {}

    pub(super) fn flush() {}
}

fn duplicate(descriptor: RawFd) -> Result<OwnedFd, KernelError> {
    // SAFETY: a plain system call; the result is ours if it is not negative.
    let duplicated = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    if duplicated < 0 {
        return Err(last_error("keep the standard error"));
    }
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicated) })
}

fn last_error(what: &'static str) -> KernelError {
    KernelError::System {
        what,
        source: std::io::Error::last_os_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_split_between_two_reads_is_whole() {
        let mut decoder = Utf8Decoder::default();
        let bytes = "é😀".as_bytes();
        let texts: Vec<String> = bytes.iter().map(|byte| decoder.decode(&[*byte])).collect();
        assert_eq!(texts, ["", "é", "", "", "", "😀"]);
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\xc3"), "a\u{fffd}b");
        assert_eq!(decoder.decode(b"("), "\u{fffd}(");
    }
}
