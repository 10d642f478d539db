//! One worker process, as its parent sees it.

use std::collections::{BTreeMap, HashMap, HashSet};
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
use tidemill_engine::functions::usage::FunctionMetric;

use super::frame::{self, Tag};
use super::pool::{Failure, RemoteFunction};
use crate::engine::voice::Voice;

/// A worker that has not connected by then has failed to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often waiting looks whether the process still lives.
const POLL: Duration = Duration::from_millis(20);
/// How long a worker may take to close its functions.
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(2);
/// What is kept of the last output, for the message if the worker dies.
const KEPT_OUTPUT_BYTES: usize = 2000;

/// Bundles on their way at a time.
pub(super) const MAX_UNANSWERED: usize = 2;
/// What is written and read at a time.
const STREAM_BUFFER_BYTES: usize = 1 << 16;

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
    control: Arc<TcpStream>,
    /// The functions that it has got.
    known: HashSet<u64>,
    output: Arc<Mutex<Vec<u8>>>,
    /// Where what its functions measure is kept.
    metrics: Arc<Reported>,
    /// Who prints now.
    turn: Arc<Turn>,
    readers: Vec<JoinHandle<()>>,
}

/// What functions in workers measure, by function and process.
pub(super) type Reported = Mutex<BTreeMap<(u64, u32), Vec<FunctionMetric>>>;

/// Where the function prints that a worker was used for last.
type Turn = Mutex<Option<Arc<Voice>>>;

impl Process {
    /// Starts a worker and waits until its streams are connected.
    pub(super) fn start(launch: &Launch, metrics: &Arc<Reported>) -> Result<Self, Failure> {
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
        let turn = Arc::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(forward(stdout, "stdout", &output, &turn)?);
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(forward(stderr, "stderr", &output, &turn)?);
        }
        match connect(&listener, &token, &mut child) {
            Ok(Streams {
                data,
                control,
                metrics: reported,
            }) => {
                readers.push(listen(reported, child.id(), metrics)?);
                Ok(Self {
                    child,
                    reading: BufReader::with_capacity(STREAM_BUFFER_BYTES, data.try_clone()?),
                    writing: BufWriter::with_capacity(STREAM_BUFFER_BYTES, data),
                    control: Arc::new(control),
                    known: HashSet::new(),
                    output,
                    metrics: Arc::clone(metrics),
                    turn,
                    readers,
                })
            }
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

    /// Gives the worker a function, unless it has it, and its number there. What the worker prints
    /// from now on is the function's.
    pub(super) fn define(&mut self, function: &RemoteFunction) -> Result<u64, Failure> {
        *self.turn.lock() = Some(Arc::clone(&function.voice));
        let number = function.identity;
        if self.known.insert(number) {
            let properties = function.properties.to_string();
            let length = properties.len() as u64;
            let parts = [
                &number.to_le_bytes()[..],
                &length.to_le_bytes(),
                properties.as_bytes(),
                &function.pickled,
            ];
            self.send(Tag::Define, &parts)?;
        }
        Ok(number)
    }

    /// Runs a function over a batch, bundle by bundle: while the worker computes one, the next is
    /// on its way. Gives the results of the bundles in order.
    pub(super) fn call(
        &mut self,
        function: &RemoteFunction,
        bundles: &[(Vec<ArrayRef>, usize)],
        timeout: Option<Duration>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let mut results = Vec::with_capacity(bundles.len());
        let done = self.call_bundles(function, bundles, timeout, &mut results);
        done.map_err(|failure| self.explained(failure, results.len()))?;
        Ok(results)
    }

    fn call_bundles(
        &mut self,
        function: &RemoteFunction,
        bundles: &[(Vec<ArrayRef>, usize)],
        timeout: Option<Duration>,
        results: &mut Vec<ArrayRef>,
    ) -> Result<(), Failure> {
        let number = self.define(function)?;
        for (bundle_idx, (columns, n_rows)) in bundles.iter().enumerate() {
            let columns = frame::encode_columns(columns, *n_rows, None)?;
            let n_rows = (*n_rows as u64).to_le_bytes();
            self.send(Tag::Call, &[&number.to_le_bytes()[..], &n_rows, &columns])?;
            // The worker takes frames in while it computes, so that writing does not wait for
            // somebody who waits for us to read.
            if bundle_idx + 1 - results.len() == MAX_UNANSWERED {
                results.push(self.receive_column(timeout)?);
            }
        }
        while results.len() < bundles.len() {
            results.push(self.receive_column(timeout)?);
        }
        Ok(())
    }

    /// A handle on the stream whose end is the worker's.
    pub(super) fn control(&self) -> Arc<TcpStream> {
        Arc::clone(&self.control)
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a frame.
    pub(super) fn send(&mut self, tag: Tag, parts: &[&[u8]]) -> Result<(), Failure> {
        Ok(frame::write(&mut self.writing, tag, parts)?)
    }

    /// Reads the answer to the oldest frame that has none yet.
    pub(super) fn receive(&mut self, timeout: Option<Duration>) -> Result<(Tag, Vec<u8>), Failure> {
        match answer(&mut self.reading, &mut self.child, timeout)? {
            (Tag::Error, text) => Err(Failure::Raised(String::from_utf8_lossy(&text).into_owned())),
            answer => Ok(answer),
        }
    }

    /// As [`Self::receive`], for answers that are a column.
    pub(super) fn receive_column(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<ArrayRef, Failure> {
        let (Tag::Result, payload) = self.receive(timeout)? else {
            return Err(frame::malformed("an unexpected frame").into());
        };
        let columns = frame::decode_columns(payload, 0)?;
        let [column] = <[ArrayRef; 1]>::try_from(columns)
            .map_err(|_| frame::malformed("an answer that is not one column"))?;
        Ok(column)
    }

    /// Closes a function there, and keeps what it has measured.
    pub(super) fn end(&mut self, identity: u64) -> Result<(), Failure> {
        if !self.known.remove(&identity) {
            return Ok(());
        }
        self.send(Tag::End, &[&identity.to_le_bytes()])?;
        match self.receive(Some(END_TIMEOUT))? {
            (Tag::Metrics, payload) => {
                note_metrics(&self.metrics, self.child.id(), &payload);
                Ok(())
            }
            _ => Err(frame::malformed("an unexpected frame").into()),
        }
    }

    /// The same failure; if a stream broke, why.
    pub(super) fn explained(&mut self, failure: Failure, n_bundles_done: usize) -> Failure {
        match failure {
            Failure::Stream(_) => self.obituary(n_bundles_done),
            other => other,
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

/// The streams of a worker.
struct Streams {
    data: TcpStream,
    control: TcpStream,
    metrics: TcpStream,
}

/// Accepts the streams of the worker.
fn connect(listener: &TcpListener, token: &str, child: &mut Child) -> Result<Streams, Failure> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut streams: HashMap<&str, TcpStream> = HashMap::new();
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(START_TIMEOUT))?;
                let said = frame::read(&mut stream);
                stream.set_read_timeout(None)?;
                // Whoever says something else is not one of ours: dropped.
                if let Ok(Some((Tag::Hello, said))) = said
                    && let Some(name) = ["data", "control", "metrics"]
                        .into_iter()
                        .find(|name| said == frame::hello(token, name))
                {
                    streams.insert(name, stream);
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
        if streams.len() == 3
            && let Some(data) = streams.remove("data")
            && let Some(control) = streams.remove("control")
            && let Some(metrics) = streams.remove("metrics")
        {
            return Ok(Streams {
                data,
                control,
                metrics,
            });
        }
    }
}

/// Keeps what the functions of a worker measure, as it comes, until the worker ends.
fn listen(
    stream: TcpStream,
    process_id: u32,
    metrics: &Arc<Reported>,
) -> std::io::Result<JoinHandle<()>> {
    let metrics = Arc::clone(metrics);
    std::thread::Builder::new()
        .name("worker-metrics".to_owned())
        .spawn(move || {
            let mut reading = BufReader::new(stream);
            while let Ok(Some((Tag::Metrics, payload))) = frame::read(&mut reading) {
                note_metrics(&metrics, process_id, &payload);
            }
        })
}

/// Keeps what a metrics frame says. One that nobody understands says nothing.
fn note_metrics(metrics: &Reported, process_id: u32, payload: &[u8]) {
    if let Ok(([function], text)) = frame::numbers::<1>(payload)
        && let Ok(read) = serde_json::from_slice(text)
    {
        metrics.lock().insert((function, process_id), read);
    }
}

/// Passes on what a worker prints to the same stream of this process: in a notebook, to the cell.
fn forward(
    mut pipe: impl Read + Send + 'static,
    stream: &'static str,
    kept: &Arc<Mutex<Vec<u8>>>,
    turn: &Arc<Turn>,
) -> std::io::Result<JoinHandle<()>> {
    let kept = Arc::clone(kept);
    let turn = Arc::clone(turn);
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
                let voice = turn.lock().clone();
                print(stream, &text, voice.as_deref());
                pending.drain(..complete);
            }
        })
}

fn print(stream: &str, text: &str, voice: Option<&Voice>) {
    if text.is_empty() {
        return;
    }
    // Without an interpreter there is nobody left to read it.
    Python::try_attach(|py| {
        if let Some(voice) = voice {
            voice.take(py);
        }
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
