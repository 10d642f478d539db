//! The worker's side: reads functions and batches, calls, answers.
//!
//! ```text
//!   data stream ─▶ reading thread ─▶ [frames] ─▶ calling thread ─▶ data stream
//!                                                     │ functions
//!                                       metrics thread ─▶ metrics stream
//! ```

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int8Type, UInt32Type};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Deserialize;
use tidemill_engine::EngineError;
use tidemill_engine::functions::udf::{AggregateRuntime, GroupStates, GroupedRows, UdfRuntime};

use super::frame::{self, Tag};
use super::process::MAX_UNANSWERED;
use super::states::{HAS_COUNTED, HAS_SIGNS};
use crate::engine::aggregate::PythonAggregate;
use crate::engine::functions::AGGREGATE;
use crate::engine::registration::{self, METRICS_INTERVAL, Registration};
use crate::engine::session::parse_type;
use crate::engine::udf::PythonFunction;

/// The properties of a function, as `Registration` writes them.
#[derive(Deserialize)]
struct Properties {
    name: String,
    kind: String,
    result_type: String,
    reuse_results: bool,
    time_zone: String,
}

/// The functions that are defined, for whoever reads their metrics.
type Registrations = Arc<Mutex<HashMap<u64, Arc<Registration>>>>;

/// Connects to the process at `address` and works for it until it closes the streams. Ends this
/// process at once when the control stream ends, whatever a function does at that moment.
#[pyfunction]
pub(in crate::engine) fn serve_worker(py: Python<'_>, address: &str, token: &str) -> PyResult<()> {
    py.detach(|| -> io::Result<()> {
        let data = connect(address, token, "data")?;
        let mut control = connect(address, token, "control")?;
        let metrics = connect(address, token, "metrics")?;
        spawn("worker-control", move || {
            let mut byte = [0_u8; 1];
            // Nothing is ever said on it.
            while matches!(control.read(&mut byte), Ok(1..)) {}
            // SAFETY: ends the process without running anything of it any more.
            unsafe { libc::_exit(0) };
        })?;
        let registrations = Registrations::default();
        let measured = Arc::clone(&registrations);
        spawn("worker-metrics", move || tell_metrics(metrics, &measured))?;
        let reading = BufReader::with_capacity(1 << 16, data.try_clone()?);
        let (frames, received) = sync_channel(MAX_UNANSWERED);
        spawn("worker-reading", move || {
            let mut reading = reading;
            // The end of the stream or an error of it ends the other side of the channel too.
            while let Ok(Some(frame)) = frame::read(&mut reading) {
                if frames.send(frame).is_err() {
                    return;
                }
            }
        })?;
        let mut server = Server {
            writing: BufWriter::with_capacity(1 << 16, data),
            functions: HashMap::new(),
            states: HashMap::new(),
            registrations,
        };
        server.serve(&received)
    })?;
    Ok(())
}

fn connect(address: &str, token: &str, stream: &str) -> io::Result<TcpStream> {
    let mut connected = TcpStream::connect(address)?;
    connected.set_nodelay(true)?;
    frame::write(&mut connected, Tag::Hello, &[&frame::hello(token, stream)])?;
    Ok(connected)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map(drop)
}

/// Tells what functions measure, when it has changed.
fn tell_metrics(mut stream: TcpStream, registrations: &Registrations) {
    let mut told: HashMap<u64, String> = HashMap::new();
    loop {
        std::thread::sleep(METRICS_INTERVAL);
        let known: Vec<_> = registrations
            .lock()
            .iter()
            .map(|(number, registration)| (*number, Arc::clone(registration)))
            .collect();
        told.retain(|number, _| known.iter().any(|(known, _)| known == number));
        for (number, registration) in known {
            Python::attach(|py| registration.note_metrics(py));
            let text = metrics_text(&registration);
            let is_news = text != "[]" && told.get(&number) != Some(&text);
            let parts: [&[u8]; 2] = [&number.to_le_bytes(), text.as_bytes()];
            if is_news && frame::write(&mut stream, Tag::Metrics, &parts).is_err() {
                // Nobody listens any more: the process ends.
                return;
            }
            told.insert(number, text);
        }
    }
}

fn metrics_text(registration: &Registration) -> String {
    // Names and numbers can always be written.
    serde_json::to_string(&registration.own_metrics()).unwrap_or_else(|_| "[]".to_owned())
}

/// A function as it is called here.
enum Defined {
    Scalar(PythonFunction),
    Aggregate(PythonAggregate),
}

struct Server {
    writing: BufWriter<TcpStream>,
    functions: HashMap<u64, Result<Defined, String>>,
    states: HashMap<u64, Box<dyn GroupStates>>,
    registrations: Registrations,
}

/// What a frame is answered with; none for those that need no answer.
type Answer = Result<Option<(Tag, Vec<u8>)>, String>;

const DONE: Answer = Ok(Some((Tag::Done, Vec::new())));

impl Server {
    fn serve(&mut self, frames: &Receiver<(Tag, Vec<u8>)>) -> io::Result<()> {
        while let Ok((tag, payload)) = frames.recv() {
            match self.answer(tag, payload)? {
                Ok(None) => {}
                Ok(Some((tag, payload))) => frame::write(&mut self.writing, tag, &[&payload])?,
                Err(text) => frame::write(&mut self.writing, Tag::Error, &[text.as_bytes()])?,
            }
        }
        self.writing.flush()
    }

    fn answer(&mut self, tag: Tag, payload: Vec<u8>) -> io::Result<Answer> {
        Ok(match tag {
            Tag::Define => {
                self.define(&payload)?;
                Ok(None)
            }
            Tag::Call => {
                let ([number, n_rows], _) = frame::numbers::<2>(&payload)?;
                self.call(number, n_rows, payload)
            }
            Tag::Open => {
                let ([states, number], _) = frame::numbers::<2>(&payload)?;
                self.open(states, number)
            }
            Tag::Update | Tag::UpdateEach => {
                let ([number, n_rows, flags], _) = frame::numbers::<3>(&payload)?;
                self.update(tag, number, n_rows, flags, payload)
            }
            Tag::Read | Tag::Save => {
                let ([number, n_groups], _) = frame::numbers::<2>(&payload)?;
                self.read(tag, number, n_groups, payload)
            }
            Tag::Restore => {
                let ([number, _], _) = frame::numbers::<2>(&payload)?;
                self.restore(number, payload)
            }
            Tag::Clear => {
                let ([number, group], _) = frame::numbers::<2>(&payload)?;
                if let (Some(states), Ok(group)) =
                    (self.states.get_mut(&number), u32::try_from(group))
                {
                    states.clear(group);
                }
                Ok(None)
            }
            Tag::Drop => {
                let ([number], _) = frame::numbers::<1>(&payload)?;
                self.states.remove(&number);
                Ok(None)
            }
            Tag::End => {
                let ([number], _) = frame::numbers::<1>(&payload)?;
                Ok(Some((Tag::Metrics, self.end(number))))
            }
            _ => return Err(frame::malformed("an unexpected frame")),
        })
    }

    fn define(&mut self, payload: &[u8]) -> io::Result<()> {
        let ([number, length], rest) = frame::numbers::<2>(payload)?;
        let (properties, pickled) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| frame::malformed("a definition that is too short"))?;
        let properties: Properties = serde_json::from_slice(properties)?;
        let defined = load(properties, pickled).map(|registration| {
            let registration = Arc::new(registration);
            self.registrations
                .lock()
                .insert(number, Arc::clone(&registration));
            if registration.kind == AGGREGATE {
                Defined::Aggregate(PythonAggregate::new(registration))
            } else {
                Defined::Scalar(PythonFunction::new(registration))
            }
        });
        self.functions.insert(number, defined);
        Ok(())
    }

    fn function(&self, number: u64) -> Result<&Defined, String> {
        match self.functions.get(&number) {
            Some(defined) => defined.as_ref().map_err(Clone::clone),
            None => Err("it is unknown to its worker".to_owned()),
        }
    }

    fn states(&mut self, number: u64) -> Result<&mut Box<dyn GroupStates>, String> {
        let states = self.states.get_mut(&number);
        states.ok_or_else(|| "its accumulators are unknown to its worker".to_owned())
    }

    fn call(&self, number: u64, n_rows: u64, payload: Vec<u8>) -> Answer {
        let Defined::Scalar(function) = self.function(number)? else {
            return Err("it is no scalar function".to_owned());
        };
        let arguments = frame::decode_columns(payload, 16).map_err(|error| error.to_string())?;
        let n_rows = usize::try_from(n_rows).map_err(|error| error.to_string())?;
        let results = function.call(&arguments, n_rows).map_err(text)?;
        result(&results)
    }

    fn open(&mut self, states: u64, number: u64) -> Answer {
        let Defined::Aggregate(function) = self.function(number)? else {
            return Err("it is no aggregate function".to_owned());
        };
        let created = function.create().map_err(text)?;
        self.states.insert(states, created);
        DONE
    }

    fn update(
        &mut self,
        tag: Tag,
        number: u64,
        n_rows: u64,
        flags: u64,
        payload: Vec<u8>,
    ) -> Answer {
        let columns = frame::decode_columns(payload, 24).map_err(|error| error.to_string())?;
        let mut columns = columns.into_iter();
        let mut next = || {
            let column = columns.next();
            column.ok_or_else(|| "a column of rows is missing".to_owned())
        };
        let groups = next()?;
        let groups = groups
            .as_primitive_opt::<UInt32Type>()
            .ok_or("groups that are no numbers")?;
        let signs = (flags & HAS_SIGNS != 0).then(&mut next).transpose()?;
        let signs = signs.as_ref().map(|signs| {
            let signs = signs.as_primitive_opt::<Int8Type>();
            signs.ok_or("signs that are no numbers")
        });
        let signs = signs.transpose()?;
        let counted = (flags & HAS_COUNTED != 0).then(&mut next).transpose()?;
        let counted = counted.as_ref().map(|counted| {
            let counted = counted.as_boolean_opt();
            counted.ok_or("marks of rows that are none")
        });
        let counted = counted.transpose()?;
        let arguments: Vec<ArrayRef> = columns.collect();
        if groups.len() as u64 != n_rows {
            return Err("rows are missing".to_owned());
        }
        let rows = GroupedRows {
            arguments: &arguments,
            groups: groups.values(),
            signs: signs.map(|signs| signs.values().as_ref()),
            counted: counted.map(|counted| counted.values()),
        };
        let states = self.states(number)?;
        if tag == Tag::UpdateEach {
            return result(&states.update_each(&rows).map_err(text)?);
        }
        states.update(&rows).map_err(text)?;
        DONE
    }

    fn read(&mut self, tag: Tag, number: u64, n_groups: u64, payload: Vec<u8>) -> Answer {
        let [groups] = columns(payload)?;
        let groups = group_numbers(&groups)?;
        if groups.len() as u64 != n_groups {
            return Err("groups are missing".to_owned());
        }
        let states = self.states(number)?;
        let values = if tag == Tag::Save {
            states.save(&groups)
        } else {
            states.read(&groups)
        };
        result(&values.map_err(text)?)
    }

    fn restore(&mut self, number: u64, payload: Vec<u8>) -> Answer {
        let [groups, saved] = columns(payload)?;
        let groups = group_numbers(&groups)?;
        self.states(number)?
            .restore(&groups, &saved)
            .map_err(text)?;
        DONE
    }

    /// Closes a function, and gives what it has measured.
    fn end(&mut self, number: u64) -> Vec<u8> {
        self.functions.remove(&number);
        let mut payload = number.to_le_bytes().to_vec();
        let registration = self.registrations.lock().remove(&number);
        match registration {
            Some(registration) => {
                registration.close();
                payload.extend(metrics_text(&registration).as_bytes());
            }
            None => payload.extend(b"[]"),
        }
        payload
    }
}

fn load(properties: Properties, pickled: &[u8]) -> Result<Registration, String> {
    Python::attach(|py| {
        let runner = py
            .import("tidemill.table.worker_functions")?
            .getattr("load")?
            .call1((PyBytes::new(py, pickled),))?;
        let properties = registration::Properties {
            name: properties.name,
            kind: properties.kind,
            result: Arc::new(parse_type(&properties.result_type)?.to_arrow_field("value")),
            result_type: properties.result_type,
            reuse_results: properties.reuse_results,
            time_zone: properties.time_zone,
        };
        Ok(Registration::new(runner.unbind(), properties, None))
    })
    .map_err(|error: PyErr| {
        Python::attach(|py| format!("it cannot be loaded in its worker: {}", error.value(py)))
    })
}

fn text(error: EngineError) -> String {
    match error {
        EngineError::Function { message, .. } => message,
        other => other.to_string(),
    }
}

fn result(column: &ArrayRef) -> Answer {
    let columns = std::slice::from_ref(column);
    let encoded = frame::encode_columns(columns, column.len(), None);
    Ok(Some((
        Tag::Result,
        encoded.map_err(|error| error.to_string())?,
    )))
}

/// The columns behind two numbers.
fn columns<const N: usize>(payload: Vec<u8>) -> Result<[ArrayRef; N], String> {
    let columns = frame::decode_columns(payload, 16).map_err(|error| error.to_string())?;
    <[ArrayRef; N]>::try_from(columns).map_err(|_| "a column is missing".to_owned())
}

fn group_numbers(column: &ArrayRef) -> Result<Vec<u32>, String> {
    let groups = column.as_primitive_opt::<UInt32Type>();
    let groups = groups.ok_or("groups that are no numbers")?;
    Ok(groups.values().to_vec())
}
