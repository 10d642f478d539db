//! Times to texts and texts to times, by Java's patterns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use chrono::{NaiveDateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;

use super::{DEFAULT_PATTERN, local};
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{parse, temporal};
use crate::functions::define::Call;
use crate::functions::java_strict;
use crate::functions::java_time::Pattern;
use crate::sql::diagnostics::validation;

pub(super) fn date_format(call: &Call) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(call.n_rows);
    let is_text = *call.argument(0)?.data_type() == DataType::Utf8;
    for row in 0..call.n_rows {
        let value = if is_text {
            // A text is a timestamp to the second; what follows is not looked at.
            call.text(0, row)
                .and_then(|text| Pattern::parse(DEFAULT_PATTERN)?.read(text))
                .map(|(local, _)| local)
        } else {
            local(call, 0, row)
        };
        let (Some(value), Some(pattern)) = (value, call.text(1, row)) else {
            values.push(None);
            continue;
        };
        let shown = Pattern::parse(pattern).and_then(|pattern| pattern.format(value));
        values.push(Some(shown.ok_or_else(|| EngineError::Data {
            message: format!("'{pattern}' is no pattern for a timestamp"),
        })?));
    }
    Ok(Arc::new(StringArray::from(values)))
}

/// The wall clock of a text by the pattern in the second argument.
pub(super) fn read(call: &Call, row: usize) -> Option<NaiveDateTime> {
    let value = call.text(0, row)?;
    if call.arguments.len() == 1 {
        return lenient_timestamp(value);
    }
    by_pattern(value, &Pattern::parse(call.text(1, row)?)?)
}

/// By the pattern, or as `java.sql.Timestamp` has it whatever the pattern is.
fn by_pattern(text: &str, pattern: &Pattern) -> Option<NaiveDateTime> {
    let read = if pattern.can_be_strict() {
        pattern.read_strict(text)
    } else {
        pattern.read(text).map(|(local, _)| local)
    };
    read.or_else(|| java_strict::value_of(text))
}

/// `yyyy-M-d[ H:m:s[.fraction]]`.
pub(super) fn lenient_timestamp(text: &str) -> Option<NaiveDateTime> {
    parse::timestamp(text)
}

pub(super) fn to_date(call: &Call) -> Result<ArrayRef> {
    let mut days = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let Some(text) = call.text(0, row) else {
            days.push(None);
            continue;
        };
        let date = if call.arguments.len() == 1 {
            parse::date(text)
        } else if let Some(written) = call.text(1, row) {
            let pattern = Pattern::parse(written).ok_or_else(|| EngineError::Data {
                message: format!("'{written}' is no pattern for a date"),
            })?;
            // Fields that are too large carry over here.
            pattern.read(text).map(|(local, _)| local.date())
        } else {
            None
        };
        days.push(date.map(temporal::days_of_date));
    }
    Ok(Arc::new(Date32Array::from(days)))
}

/// The precision is the second argument of a number, else 3.
pub(super) fn ltz_type(
    types: &[FlinkType],
    constants: &[Option<&ScalarValue>],
) -> Result<FlinkType> {
    let is_text = matches!(
        types.first().map(|argument| &argument.root),
        Some(TypeRoot::Char(_) | TypeRoot::Varchar(_))
    );
    let precision = match constants.get(1).copied().flatten() {
        Some(ScalarValue::Int64(Some(precision))) if !is_text => *precision,
        Some(ScalarValue::Int32(Some(precision))) if !is_text => i64::from(*precision),
        _ => 3,
    };
    let precision = u8::try_from(precision.clamp(3, 9)).unwrap_or(3);
    Ok(FlinkType::nullable(TypeRoot::TimestampLtz(precision)))
}

pub(super) fn to_timestamp_ltz(call: &Call) -> Result<ArrayRef> {
    let is_text = *call.argument(0)?.data_type() == DataType::Utf8;
    let mut instants = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        instants.push(if is_text {
            ltz_of_text(call, row)?
        } else {
            ltz_of_number(call, row)
        });
    }
    // Instants are local clocks in UTC.
    temporal::from_locals(instants, &call.result, chrono_tz::UTC)
}

pub(super) fn ltz_of_text(call: &Call, row: usize) -> Result<Option<NaiveDateTime>> {
    let Some(value) = call.text(0, row) else {
        return Ok(None);
    };
    let zone = match call.text(2, row) {
        Some(name) => temporal::zone_of(name)?,
        None => chrono_tz::UTC,
    };
    if call.arguments.len() > 1 {
        let pattern = call.text(1, row).and_then(Pattern::parse);
        if let (None, Some(written), true) = (&pattern, call.text(1, row), call.is_constant(1)) {
            return Err(validation(format!(
                "invalid pattern for parsing TIMESTAMP_LTZ: '{written}'"
            )));
        }
        let local = pattern.and_then(|pattern| by_pattern(value, &pattern));
        return Ok(local.map(|local| temporal::to_instant(local, zone)));
    }
    match lenient_timestamp(value) {
        Some(local) => Ok(Some(temporal::to_instant(local, zone))),
        None => Err(EngineError::Data {
            message: format!("'{value}' is no timestamp"),
        }),
    }
}

pub(super) fn ltz_of_number(call: &Call, row: usize) -> Option<NaiveDateTime> {
    let wide = arrow::compute::cast(call.arguments.first()?, &DataType::Int64).ok()?;
    if wide.is_null(row) {
        return None;
    }
    let value = wide.as_primitive::<Int64Type>().value(row);
    let precision = match call.arguments.get(1) {
        Some(_) => call.integer(1, row)?,
        None => 3,
    };
    // So many digits of the number stand behind the point of the seconds.
    let digits = u32::try_from(precision)
        .ok()
        .filter(|digits| *digits <= 9)?;
    let unit = 10_i64.pow(digits);
    let nanos = value.rem_euclid(unit) * 10_i64.pow(9 - digits);
    let instant =
        chrono::DateTime::from_timestamp(value.div_euclid(unit), u32::try_from(nanos).ok()?)?;
    Some(instant.naive_utc())
}

/// Seconds since 1970: of the clock, or of a text in the session's zone.
pub(super) fn unix_timestamp(call: &Call) -> Result<ArrayRef> {
    if call.arguments.is_empty() {
        return Ok(Arc::new(Int64Array::from(vec![
            Utc::now().timestamp();
            call.n_rows
        ])));
    }
    let values: Int64Array = call.strict(|row| {
        let pattern = Pattern::parse(if call.arguments.len() > 1 {
            call.text(1, row)?
        } else {
            DEFAULT_PATTERN
        })?;
        // What cannot be read is the smallest number, as in Flink.
        let Some((local, offset)) = pattern.read(call.text(0, row)?) else {
            return Some(i64::MIN);
        };
        let instant = match offset {
            Some(seconds) => local - TimeDelta::seconds(seconds.into()),
            None => temporal::to_instant(local, call.zone),
        };
        Some(instant.and_utc().timestamp())
    });
    Ok(Arc::new(values))
}
