//! The worker's side: reads functions and batches, calls, answers.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read};
use std::net::TcpStream;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use serde::Deserialize;
use tidemill_engine::EngineError;
use tidemill_engine::functions::udf::UdfRuntime;

use super::frame::{self, Tag};
use crate::engine::session::parse_type;
use crate::engine::udf::{FunctionKind, Place, PythonFunction};

/// The properties of a function, as `PythonFunction::properties` writes them.
#[derive(Deserialize)]
struct Properties {
    name: String,
    kind: String,
    result_type: String,
    reuse_results: bool,
    time_zone: String,
}

/// Connects to the process at `address` and works for it until it closes the streams. Ends this
/// process at once when the control stream ends, whatever a function does at that moment.
#[pyfunction]
pub(in crate::engine) fn serve_worker(py: Python<'_>, address: &str, token: &str) -> PyResult<()> {
    py.detach(|| -> io::Result<()> {
        let data = connect(address, token, "data")?;
        let mut control = connect(address, token, "control")?;
        std::thread::Builder::new()
            .name("worker-control".to_owned())
            .spawn(move || {
                let mut byte = [0_u8; 1];
                // Nothing is ever said on it.
                while matches!(control.read(&mut byte), Ok(1..)) {}
                // SAFETY: ends the process without running anything of it any more.
                unsafe { libc::_exit(0) };
            })?;
        serve(data)
    })?;
    Ok(())
}

fn connect(address: &str, token: &str, stream: &str) -> io::Result<TcpStream> {
    let mut connected = TcpStream::connect(address)?;
    connected.set_nodelay(true)?;
    frame::write(&mut connected, Tag::Hello, &[&frame::hello(token, stream)])?;
    Ok(connected)
}

fn serve(data: TcpStream) -> io::Result<()> {
    let mut writing = BufWriter::new(data.try_clone()?);
    let mut reading = BufReader::new(data);
    let mut functions: HashMap<u64, Result<PythonFunction, String>> = HashMap::new();
    while let Some((tag, payload)) = frame::read(&mut reading)? {
        match tag {
            Tag::Define => {
                let ([number, length], rest) = frame::numbers::<2>(&payload)?;
                let (properties, pickled) = usize::try_from(length)
                    .ok()
                    .and_then(|length| rest.split_at_checked(length))
                    .ok_or_else(|| frame::malformed("a definition that is too short"))?;
                let properties: Properties = serde_json::from_slice(properties)?;
                functions.insert(number, define(properties, pickled));
            }
            Tag::Call => {
                let ([number, n_rows], columns) = frame::numbers::<2>(&payload)?;
                let function = functions
                    .get(&number)
                    .ok_or_else(|| frame::malformed("a call of an unknown function"))?;
                let answered = function
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|function| call(function, columns, n_rows));
                match answered {
                    Ok(results) => frame::write(&mut writing, Tag::Result, &[&results])?,
                    Err(text) => frame::write(&mut writing, Tag::Error, &[text.as_bytes()])?,
                }
            }
            _ => return Err(frame::malformed("an unexpected frame")),
        }
    }
    Ok(())
}

fn define(properties: Properties, pickled: &[u8]) -> Result<PythonFunction, String> {
    Python::attach(|py| {
        let runner = py
            .import("tidemill.table.worker_functions")?
            .getattr("load")?
            .call1((PyBytes::new(py, pickled),))?;
        Ok(PythonFunction {
            name: properties.name,
            runner: runner.unbind(),
            kind: FunctionKind::of(&properties.kind),
            result: Arc::new(parse_type(&properties.result_type)?.to_arrow_field("value")),
            result_type: properties.result_type,
            reuse_results: properties.reuse_results,
            time_zone: properties.time_zone,
            callable: PyOnceLock::new(),
            one_batch: parking_lot::Mutex::new(()),
            place: Place::here(),
        })
    })
    .map_err(|error: PyErr| {
        Python::attach(|py| format!("it cannot be loaded in its worker: {}", error.value(py)))
    })
}

fn call(function: &PythonFunction, columns: &[u8], n_rows: u64) -> Result<Vec<u8>, String> {
    let text = |error: EngineError| match error {
        EngineError::Function { message, .. } => message,
        other => other.to_string(),
    };
    let n_rows = usize::try_from(n_rows).map_err(|error| error.to_string())?;
    let arguments = frame::decode_columns(columns).map_err(|error| error.to_string())?;
    let results = function.call(&arguments, n_rows).map_err(text)?;
    frame::encode_columns(&[results], n_rows, Some(&function.result))
        .map_err(|error| error.to_string())
}
