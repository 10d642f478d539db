//! One worker process, as its parent sees it.

use std::collections::HashMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use parking_lot::Mutex;
use pyo3::prelude::*;

use super::frame::{self, Tag};
use super::pool::{Failure, RemoteFunction};

/// A worker that has not connected by then has failed to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often waiting looks whether the process still lives.
const POLL: Duration = Duration::from_millis(20);
/// How long a worker may take to close its functions.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// What is kept of the last output, for the message if the worker dies.
const KEPT_OUTPUT_BYTES: usize = 2000;

/// How to start a worker: the attributes of `tidemill.table.worker_launch.Launch`.
#[derive(FromPyObject)]
pub(super) struct Launch {
    executable: String,
    arguments: Vec<String>,
    working_directory: String,
    environment: HashMap<String, String>,
}

/// A worker that runs and has connected.
pub(super) struct Process {
    child: Child,
    reading: BufReader<TcpStream>,
    writing: BufWriter<TcpStream>,
    /// Closed with this process: then the worker ends, whatever it does.
    _control: TcpStream,
    /// Numbers of the functions that it knows, by the parent's identity of them.
    known: HashMap<u64, u64>,
    output: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a worker and waits until its streams are connected.
    pub(super) fn start(launch: &Launch) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let token = uuid::Uuid::new_v4().to_string();
        let mut child = Command::new(&launch.executable)
            .args(&launch.arguments)
            .arg(listener.local_addr()?.to_string())
            .current_dir(&launch.working_directory)
            .envs(&launch.environment)
            .env("TIDEMILL_WORKER_TOKEN", &token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::Start(format!("cannot run '{}': {error}", launch.executable))
            })?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(forward(stdout, "stdout", &output)?);
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(forward(stderr, "stderr", &output)?);
        }
        match connect(&listener, &token, &mut child) {
            Ok((data, control)) => Ok(Self {
                child,
                reading: BufReader::new(data.try_clone()?),
                writing: BufWriter::new(data),
                _control: control,
                known: HashMap::new(),
                output,
                readers,
            }),
            Err(failure) => {
                // It may have ended by itself; then there is nothing to kill.
                drop(child.kill());
                let status = child.wait()?;
                readers.into_iter().for_each(|reader| drop(reader.join()));
                let last = last_lines(&output.lock());
                Err(match failure {
                    Failure::Stream(_) => {
                        Failure::Start(format!("'{}' {}{last}", launch.executable, ended(status)))
                    }
                    other => other,
                })
            }
        }
    }

    /// Runs a function over a batch, bundle by bundle: while the worker computes one, the next is
    /// on its way. Gives the results of the bundles in order.
    pub(super) fn call(
        &mut self,
        function: &RemoteFunction,
        bundles: &[(Vec<ArrayRef>, usize)],
        timeout: Option<Duration>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let n_known = self.known.len() as u64;
        let number = *self.known.entry(function.identity).or_insert(n_known);
        let is_new = number == n_known;
        let Self {
            child,
            reading,
            writing,
            ..
        } = self;
        let mut results = Vec::with_capacity(bundles.len());
        let answered = std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<(), Failure> {
                if is_new {
                    let properties = function.properties.to_string();
                    let length = properties.len() as u64;
                    let parts = [
                        &number.to_le_bytes()[..],
                        &length.to_le_bytes(),
                        properties.as_bytes(),
                        &function.pickled,
                    ];
                    frame::write(writing, Tag::Define, &parts)?;
                }
                for (columns, n_rows) in bundles {
                    let columns = frame::encode_columns(columns, *n_rows, None)?;
                    let n_rows = (*n_rows as u64).to_le_bytes();
                    let parts = [&number.to_le_bytes()[..], &n_rows, &columns];
                    frame::write(writing, Tag::Call, &parts)?;
                }
                Ok(())
            });
            let read = (|| {
                for _ in bundles {
                    match answer(reading, child, timeout)? {
                        (Tag::Result, payload) => {
                            results.extend(frame::decode_columns(&payload)?);
                        }
                        (Tag::Error, text) => {
                            return Err(Failure::Raised(
                                String::from_utf8_lossy(&text).into_owned(),
                            ));
                        }
                        _ => return Err(frame::malformed("an unexpected frame").into()),
                    }
                }
                Ok(())
            })();
            if read.is_err() {
                // Unblocks the writer, whose worker may not read any more.
                drop(reading.get_ref().shutdown(std::net::Shutdown::Both));
            }
            let written = writer
                .join()
                .unwrap_or_else(|_| Err(frame::malformed("the writer panicked").into()));
            read.and(written)
        });
        match answered {
            Ok(()) => Ok(results),
            Err(Failure::Stream(_)) => Err(self.obituary(results.len())),
            Err(other) => Err(other),
        }
    }

    /// Why a worker that broke its streams is gone.
    fn obituary(&mut self, n_bundles_done: usize) -> Failure {
        let deadline = Instant::now() + END_TIMEOUT;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
                _ => break None,
            }
        };
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        let how = status.map_or_else(|| "broke its connection".to_owned(), ended);
        Failure::Ended {
            how: format!("{how}{}", last_lines(&self.output.lock())),
            n_bundles_done,
        }
    }
}

impl Drop for Process {
    /// Lets the worker close its functions; one that does not end is killed.
    fn drop(&mut self) {
        // Either may have gone with the worker.
        drop(self.writing.flush());
        drop(self.reading.get_ref().shutdown(std::net::Shutdown::Both));
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for the next frame, looking after the process and the time meanwhile.
fn answer(
    reading: &mut BufReader<TcpStream>,
    child: &mut Child,
    timeout: Option<Duration>,
) -> Result<(Tag, Vec<u8>), Failure> {
    reading.get_ref().set_read_timeout(timeout)?;
    match frame::read(reading) {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ) =>
        {
            drop(child.kill());
            Err(Failure::Slow(format!(
                "it took more than {} ms for a bundle of rows, and its worker process was ended",
                timeout.unwrap_or_default().as_millis()
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// Accepts the two streams of the worker.
fn connect(
    listener: &TcpListener,
    token: &str,
    child: &mut Child,
) -> Result<(TcpStream, TcpStream), Failure> {
    let deadline = Instant::now() + START_TIMEOUT;
    let (mut data, mut control) = (None, None);
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(START_TIMEOUT))?;
                let said = frame::read(&mut stream);
                stream.set_read_timeout(None)?;
                match said {
                    Ok(Some((Tag::Hello, said))) if said == frame::hello(token, "data") => {
                        data = Some(stream);
                    }
                    Ok(Some((Tag::Hello, said))) if said == frame::hello(token, "control") => {
                        control = Some(stream);
                    }
                    _ => {} // Not one of ours: dropped.
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if child.try_wait()?.is_some() {
                    return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
                }
                if Instant::now() > deadline {
                    return Err(Failure::Start(
                        "the worker process did not connect within a minute".to_owned(),
                    ));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error.into()),
        }
        (data, control) = match (data, control) {
            (Some(data), Some(control)) => return Ok((data, control)),
            others => others,
        };
    }
}

/// Passes on what a worker prints to the same stream of this process: in a notebook, to the cell.
fn forward(
    mut pipe: impl Read + Send + 'static,
    stream: &'static str,
    kept: &Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<JoinHandle<()>> {
    let kept = Arc::clone(kept);
    std::thread::Builder::new()
        .name(format!("worker-{stream}"))
        .spawn(move || {
            let mut buffer = [0_u8; 8192];
            let mut pending = Vec::new();
            while let Ok(n_bytes) = pipe.read(&mut buffer)
                && n_bytes > 0
            {
                pending.extend_from_slice(buffer.get(..n_bytes).unwrap_or_default());
                if stream == "stderr" {
                    let mut kept = kept.lock();
                    kept.extend_from_slice(buffer.get(..n_bytes).unwrap_or_default());
                    let surplus = kept.len().saturating_sub(KEPT_OUTPUT_BYTES);
                    kept.drain(..surplus);
                }
                let complete = match std::str::from_utf8(&pending) {
                    Ok(_) => pending.len(),
                    // A character may be cut in two by the pipe; anything else is shown as it is.
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    Err(_) => pending.len(),
                };
                let text = String::from_utf8_lossy(pending.get(..complete).unwrap_or_default());
                print(stream, &text);
                pending.drain(..complete);
            }
        })
}

fn print(stream: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    // Without an interpreter there is nobody left to read it.
    Python::try_attach(|py| {
        let written = py
            .import("sys")
            .and_then(|sys| sys.getattr(stream))
            .and_then(|stream| stream.call_method1("write", (text,)));
        // A stream that the user replaced by something that cannot write.
        drop(written);
    });
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    if text.is_empty() {
        String::new()
    } else {
        format!("; the last it wrote:\n{text}")
    }
}
