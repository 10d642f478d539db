//! One Python value as one number, text or list of parts, or a refusal.
//!
//! [`super::builders`] decides what a type takes; this file knows Python's classes.

use arrow::datatypes::TimeUnit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyDict,
    PyList, PyMapping, PyString, PyTime, PyTimeAccess, PyTuple, PyTzInfo, PyTzInfoAccess,
};

use super::builders::Refusal;
use super::calendar;

const MAX_REPR_CHARS: usize = 80;

/// Key and value of a map.
pub(super) type Entry<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// A truth value, or a number of one byte that is none if it is 0, as PyFlink takes them.
pub(super) fn boolean(value: &Bound<'_, PyAny>) -> Result<bool, Refusal> {
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(boolean.is_true());
    }
    // numpy's own truth values.
    let name = value.get_type().name().map_err(|_| Refusal::Here)?;
    if name == "bool" || name == "bool_" {
        return value.is_truthy().map_err(|_| Refusal::Here);
    }
    value
        .extract::<u8>()
        .map(|byte| byte != 0)
        .map_err(|_| Refusal::Here)
}

/// A whole number that fits into `T`: anything with `__index__`, and what `int` makes one of, cut
/// off towards zero as PyFlink does: a mean that was declared as BIGINT.
pub(super) fn integer<T: TryFrom<i64>>(value: &Bound<'_, PyAny>) -> Result<T, Refusal> {
    let number: i64 = match value.extract() {
        Ok(number) => number,
        // Text has no such method.
        Err(_) => value
            .call_method0(intern!(value.py(), "__int__"))
            .and_then(|whole| whole.extract())
            .map_err(|_| Refusal::Here)?,
    };
    T::try_from(number).map_err(|_| Refusal::Here)
}

/// A number; anything with `__float__` or `__index__`.
pub(super) fn float(value: &Bound<'_, PyAny>) -> Result<f64, Refusal> {
    value.extract().map_err(|_| Refusal::Here)
}

/// Passes a text on without copying it. Lone surrogates are replaced: Arrow's text is UTF-8.
pub(super) fn with_text<R>(
    value: &Bound<'_, PyAny>,
    take: impl FnOnce(&str) -> R,
) -> Result<R, Refusal> {
    let text = value.cast::<PyString>().map_err(|_| Refusal::Here)?;
    match text.to_str() {
        Ok(text) => Ok(take(text)),
        Err(_) => Ok(take(&text.to_string_lossy())),
    }
}

pub(super) fn bytes(value: &Bound<'_, PyAny>) -> Result<Vec<u8>, Refusal> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    Err(Refusal::Here)
}

/// What becomes of digits for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Half away from zero: values that become a table.
    HalfUp,
    /// Half to the even neighbor, which is Python's own way: what functions return.
    HalfEven,
}

/// A decimal number of `scale` digits behind the point; `Decimal` or `int`.
pub(super) fn decimal(
    value: &Bound<'_, PyAny>,
    precision: u8,
    scale: i8,
    rounding: Rounding,
) -> Result<i128, Refusal> {
    let class = value.get_type();
    let name = class.name().map_err(|_| Refusal::Here)?;
    let text = if name == "Decimal" {
        let text = value
            .call_method1(intern!(value.py(), "__format__"), ("f",))
            .map_err(|_| Refusal::Here)?;
        text.extract::<String>().map_err(|_| Refusal::Here)?
    } else {
        let whole: i64 = value.extract().map_err(|_| Refusal::Here)?;
        whole.to_string()
    };
    unscaled(&text, precision, scale, rounding).ok_or(Refusal::Here)
}

/// `-12.345` with scale 2 as -1235; `None` if it has too many digits or is no number.
fn unscaled(text: &str, precision: u8, scale: i8, rounding: Rounding) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let kept: String = fraction.chars().take(scale).collect();
    let padded = format!("{whole}{kept:0<scale$}");
    let mut number: i128 = padded.parse().ok()?;
    let mut left = fraction.chars().skip(scale);
    let first = left.next().unwrap_or('0');
    let is_half = first == '5' && left.all(|digit| digit == '0');
    let goes_up = match rounding {
        Rounding::HalfEven if is_half => number % 2 == 1,
        _ => first >= '5',
    };
    if goes_up {
        number += 1;
    }
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (number < limit).then_some(if negative { -number } else { number })
}

/// Days since 1970-01-01.
pub(super) fn date(value: &Bound<'_, PyAny>) -> Result<i32, Refusal> {
    let date = value.cast::<PyDate>().map_err(|_| Refusal::Here)?;
    calendar::days(date.get_year(), date.get_month(), date.get_day()).ok_or(Refusal::Here)
}

/// Milliseconds since midnight.
pub(super) fn time(value: &Bound<'_, PyAny>) -> Result<i32, Refusal> {
    let time = value.cast::<PyTime>().map_err(|_| Refusal::Here)?;
    let seconds = (i32::from(time.get_hour()) * 60 + i32::from(time.get_minute())) * 60
        + i32::from(time.get_second());
    let millis = i32::try_from(time.get_microsecond() / 1000).map_err(|_| Refusal::Here)?;
    Ok(seconds * 1000 + millis)
}

/// Units since the epoch. Without `zone` the wall clock counts and a zone of the value is ignored;
/// with it, values that have no zone are in it.
pub(super) fn timestamp(
    value: &Bound<'_, PyAny>,
    unit: TimeUnit,
    zone: Option<&Py<PyAny>>,
) -> Result<i64, Refusal> {
    let Ok(datetime) = value.cast::<PyDateTime>() else {
        return match zone {
            Some(_) => instant(value, unit),
            None => Err(Refusal::Here),
        };
    };
    let Some(zone) = zone else {
        return wall_clock(datetime, unit);
    };
    let py = value.py();
    let aware = if datetime.get_tzinfo().is_some() {
        datetime.clone().into_any()
    } else {
        let arguments = PyDict::new(py);
        arguments
            .set_item(intern!(py, "tzinfo"), zone)
            .and_then(|()| datetime.call_method(intern!(py, "replace"), (), Some(&arguments)))
            .map_err(|_| Refusal::Here)?
    };
    let utc = PyTzInfo::utc(py).map_err(|_| Refusal::Here)?;
    let instant = aware
        .call_method1(intern!(py, "astimezone"), (&*utc,))
        .map_err(|_| Refusal::Here)?;
    wall_clock(
        instant.cast::<PyDateTime>().map_err(|_| Refusal::Here)?,
        unit,
    )
}

/// The units since the epoch of a `tidemill.common.Instant`.
fn instant(value: &Bound<'_, PyAny>, unit: TimeUnit) -> Result<i64, Refusal> {
    let py = value.py();
    let part = |name| {
        value
            .getattr_opt(name)
            .ok()
            .flatten()
            .and_then(|part| part.extract::<i64>().ok())
    };
    let (Some(seconds), Some(nanos)) = (part(intern!(py, "seconds")), part(intern!(py, "nanos")))
    else {
        return Err(Refusal::Here);
    };
    let (per_second, nanos_per_unit) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    seconds
        .checked_mul(per_second)
        .and_then(|units| units.checked_add(nanos / nanos_per_unit))
        .ok_or(Refusal::Here)
}

fn wall_clock(datetime: &Bound<'_, PyDateTime>, unit: TimeUnit) -> Result<i64, Refusal> {
    let days = calendar::days(
        datetime.get_year(),
        datetime.get_month(),
        datetime.get_day(),
    )
    .ok_or(Refusal::Here)?;
    let seconds = (u32::from(datetime.get_hour()) * 60 + u32::from(datetime.get_minute())) * 60
        + u32::from(datetime.get_second());
    calendar::units(days, seconds, datetime.get_microsecond(), unit).ok_or(Refusal::Here)
}

/// Milliseconds.
pub(super) fn duration(value: &Bound<'_, PyAny>) -> Result<i64, Refusal> {
    let delta = value.cast::<PyDelta>().map_err(|_| Refusal::Here)?;
    let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
    Ok(seconds * 1000 + i64::from(delta.get_microseconds() / 1000))
}

/// The items of a list, tuple or array; text is no list.
pub(super) fn items<'py>(
    value: &Bound<'py, PyAny>,
) -> Result<impl Iterator<Item = PyResult<Bound<'py, PyAny>>> + use<'py>, Refusal> {
    if value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyDict>()
        || value.len().is_err()
    {
        return Err(Refusal::Here);
    }
    value.try_iter().map_err(|_| Refusal::Here)
}

/// Keys and values of a dictionary; the elements of a list count once each in a multiset.
pub(super) fn entries<'py>(
    value: &Bound<'py, PyAny>,
    is_multiset: bool,
) -> Result<Vec<Entry<'py>>, Refusal> {
    if is_multiset && !value.is_instance_of::<PyDict>() {
        return counted(value);
    }
    let mapping = value.cast::<PyMapping>().map_err(|_| Refusal::Here)?;
    let items: Bound<'py, PyList> = mapping.items().map_err(|_| Refusal::Here)?;
    items
        .iter()
        .map(|item| item.extract().map_err(|_| Refusal::Here))
        .collect()
}

fn counted<'py>(value: &Bound<'py, PyAny>) -> Result<Vec<Entry<'py>>, Refusal> {
    let counts = PyDict::new(value.py());
    for item in items(value)? {
        let count = || -> PyResult<()> {
            let item = item?;
            let n_before = counts
                .get_item(&item)?
                .map_or(Ok(0), |n| n.extract::<i32>())?;
            counts.set_item(item, n_before + 1)
        };
        count().map_err(|_| Refusal::Here)?;
    }
    Ok(counts.iter().collect())
}

/// The parts of a row: by position for tuples and lists, by name for dictionaries and named rows.
pub(super) fn row_values<'py>(
    value: &Bound<'py, PyAny>,
    fields: &[&str],
) -> Result<Vec<Bound<'py, PyAny>>, Refusal> {
    let py = value.py();
    if let Ok(dict) = value.cast::<PyDict>() {
        return fields
            .iter()
            .map(|field| match dict.get_item(field) {
                Ok(part) => Ok(part.unwrap_or_else(|| py.None().into_bound(py))),
                Err(_) => Err(Refusal::Here),
            })
            .collect();
    }
    let parts: Vec<Bound<'py, PyAny>> =
        if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
            items(value)?.collect::<PyResult<_>>()
        } else {
            let by_names = intern!(py, "get_fields_by_names");
            value
                .call_method1(by_names, (fields.to_vec(),))
                .and_then(|parts| parts.extract())
        }
        .map_err(|_| Refusal::Here)?;
    (parts.len() == fields.len())
        .then_some(parts)
        .ok_or(Refusal::Here)
}

/// The value for a message, with its type, cut if it is long.
pub(super) fn describe(value: &Bound<'_, PyAny>) -> String {
    let class = value
        .get_type()
        .name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string());
    if value.is_none() {
        return "None".to_owned();
    }
    let text = value
        .repr()
        .map_or_else(|_| "…".to_owned(), |text| text.to_string());
    let shown: String = text.chars().take(MAX_REPR_CHARS).collect();
    let ellipsis = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown}{ellipsis} of type {class}")
}

#[cfg(test)]
mod tests {
    use super::{Rounding, unscaled};

    #[test]
    fn halves_go_up_or_to_the_even_neighbor() {
        let both = |text| {
            [Rounding::HalfUp, Rounding::HalfEven].map(|rounding| unscaled(text, 5, 2, rounding))
        };
        assert_eq!(both("1.005"), [Some(101), Some(100)]);
        assert_eq!(both("-1.015"), [Some(-102), Some(-102)]);
        assert_eq!(both("1.00500001"), [Some(101), Some(101)]);
        assert_eq!(both("1.0049"), [Some(100), Some(100)]);
        assert_eq!(both("7"), [Some(700), Some(700)]);
        assert_eq!(both("999.995"), [None, None]);
        assert_eq!(both("NaN"), [None, None]);
    }
}
