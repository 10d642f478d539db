//! Python values as JSON, as forgiving as notebooks need it.
//!
//! What user code puts into a display must never break the protocol: numbers that JSON does not
//! know become text, bytes become base64, lone surrogates become the replacement character, dates
//! their ISO form, keys text. Only what has no reasonable form is a `TypeError`.

use pyo3::exceptions::{PyRecursionError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Number, Value};

/// Deeper nesting is a cycle or a mistake.
const MAX_DEPTH: usize = 200;

/// The JSON form of a value.
///
/// # Errors
/// `TypeError` for what has none, `RecursionError` beyond [`MAX_DEPTH`].
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    to_json_at(value, 0)
}

/// The JSON form of a dict.
///
/// # Errors
/// As [`to_json`].
pub(crate) fn to_map(dict: &Bound<'_, PyDict>) -> PyResult<Map<String, Value>> {
    to_map_at(dict, 0)
}

fn to_json_at(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return Err(PyRecursionError::new_err(
            "this value is nested too deeply for JSON",
        ));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_string_lossy().into_owned().into());
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(truth.is_true().into());
    }
    if value.is_instance_of::<PyInt>() {
        return integer(value);
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(float(number.value()));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return to_map_at(dict, depth).map(Value::Object);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return list
            .iter()
            .map(|item| to_json_at(&item, depth + 1))
            .collect();
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return tuple
            .iter()
            .map(|item| to_json_at(&item, depth + 1))
            .collect();
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return base64(bytes);
    }
    other(value, depth)
}

fn to_map_at(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Map<String, Value>> {
    let mut map = Map::new();
    for (key, value) in dict {
        let key = match key.cast::<PyString>() {
            Ok(key) => key.to_string_lossy().into_owned(),
            Err(_) => key.str()?.to_string_lossy().into_owned(),
        };
        map.insert(key, to_json_at(&value, depth + 1)?);
    }
    Ok(map)
}

fn integer(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(small) = value.extract::<i64>() {
        return Ok(small.into());
    }
    if let Ok(large) = value.extract::<u64>() {
        return Ok(large.into());
    }
    // No JSON reader keeps such a number exactly; text does.
    Ok(value.str()?.to_string_lossy().into_owned().into())
}

fn float(number: f64) -> Value {
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => "NaN".into(),
        None if number > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

fn base64(bytes: &Bound<'_, PyAny>) -> PyResult<Value> {
    let encoded = bytes
        .py()
        .import("base64")?
        .call_method1("b64encode", (bytes,))?;
    let encoded = encoded.cast::<PyBytes>()?;
    Ok(String::from_utf8_lossy(encoded.as_bytes())
        .into_owned()
        .into())
}

/// What is not one of Python's own types: dates, numpy's scalars, mappings, iterables.
fn other(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if let Ok(isoformat) = value.getattr("isoformat") {
        return to_json_at(&isoformat.call0()?, depth + 1);
    }
    if let Ok(index) = value.call_method0("__index__") {
        return to_json_at(&index, depth + 1);
    }
    if let Ok(number) = value.extract::<f64>() {
        return Ok(float(number));
    }
    if let Ok(items) = value.call_method0("items") {
        let dict = PyDict::from_sequence(
            &items
                .try_iter()?
                .collect::<PyResult<Vec<_>>>()
                .and_then(|items| PyList::new(value.py(), items))?
                .into_any(),
        )?;
        return to_map_at(&dict, depth).map(Value::Object);
    }
    if let Ok(bytes) = value.call_method0("tobytes") {
        return base64(&bytes);
    }
    if let Ok(items) = value.try_iter() {
        return items.map(|item| to_json_at(&item?, depth + 1)).collect();
    }
    let type_name = value.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "a value of type \"{type_name}\" has no JSON form"
    )))
}
