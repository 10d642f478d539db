//! Texts to times, by Java's patterns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use chrono::{NaiveDateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;

use super::DEFAULT_PATTERN;
use super::writing::no_pattern_of_date;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{parse, temporal};
use crate::functions::define::Call;
use crate::functions::java_calendar::JavaZone;
use crate::functions::java_strict;
use crate::functions::java_time::{Part, Pattern};
use crate::functions::recent::Recent;
use crate::functions::rules::is_number;
use crate::sql::diagnostics::validation;

/// The wall clock of a text, by the pattern in the second argument if there is one.
pub(super) fn to_timestamp(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Recent::new(Pattern::parse);
    let mut read = |row| {
        let value = call.text(0, row)?;
        if call.arguments.len() == 1 {
            return lenient_timestamp(value);
        }
        by_pattern(value, patterns.get(call.text(1, row)?).as_ref()?)
    };
    let values = (0..call.n_rows).map(&mut read).collect();
    temporal::from_locals(values, &call.result, call.zone)
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
    let mut patterns = Recent::new(Pattern::parse);
    let mut days = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let Some(text) = call.text(0, row) else {
            days.push(None);
            continue;
        };
        let date = if call.arguments.len() == 1 {
            parse::date(text)
        } else if let Some(written) = call.text(1, row) {
            let pattern = patterns.get(written).as_ref();
            let pattern = pattern.ok_or_else(|| no_pattern_of_date(written))?;
            // Fields that are too large carry over here.
            pattern.read_simple(text).map(|(local, _)| local.date())
        } else {
            None
        };
        days.push(date.map(temporal::days_of_date));
    }
    Ok(Arc::new(Date32Array::from(days)))
}

/// The precision of a number is its second argument, that of a text the digits of a fraction in its
/// pattern; at least 3.
///
/// # Errors
/// A validation error for a precision beyond 0 to 9, and beside a text.
pub(super) fn ltz_type(
    types: &[FlinkType],
    constants: &[Option<&ScalarValue>],
) -> Result<FlinkType> {
    let root = |index: usize| types.get(index).map(|argument| &argument.root);
    let is_text = matches!(root(0), Some(TypeRoot::Char(_) | TypeRoot::Varchar(_)));
    if is_text && root(1).is_some_and(is_number) {
        return Err(validation(
            "TO_TIMESTAMP_LTZ takes a pattern beside a text, a precision beside a number"
                .to_owned(),
        ));
    }
    let precision = match constants.get(1).copied().flatten() {
        Some(ScalarValue::Int64(Some(precision))) => *precision,
        Some(ScalarValue::Int32(Some(precision))) => i64::from(*precision),
        Some(ScalarValue::Utf8(Some(pattern))) if is_text => fraction_digits(pattern),
        _ => 3,
    };
    if !(0..=9).contains(&precision) {
        return Err(validation(format!(
            "the precision of TO_TIMESTAMP_LTZ must be between 0 and 9, not {precision}"
        )));
    }
    let precision = u8::try_from(precision.max(3)).unwrap_or(3);
    Ok(FlinkType::nullable(TypeRoot::TimestampLtz(precision)))
}

/// The digits that a pattern has for the fraction of a second, nine at most.
fn fraction_digits(pattern: &str) -> i64 {
    let Some(pattern) = Pattern::parse(pattern) else {
        return 3;
    };
    let digits = pattern.parts.iter().filter_map(|part| match part {
        Part::Field('S', count) => Some(*count),
        _ => None,
    });
    i64::try_from(digits.max().unwrap_or(3).min(9)).unwrap_or(3)
}

pub(super) fn to_timestamp_ltz(call: &Call) -> Result<ArrayRef> {
    let is_text = *call.argument(0)?.data_type() == DataType::Utf8;
    let mut patterns = Recent::new(Pattern::parse);
    let mut instants = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        instants.push(if is_text {
            ltz_of_text(call, row, &mut patterns)?
        } else {
            ltz_of_number(call, row)
        });
    }
    // Instants are local clocks in UTC.
    temporal::from_locals(instants, &call.result, chrono_tz::UTC)
}

fn ltz_of_text(
    call: &Call,
    row: usize,
    patterns: &mut Recent<Option<Pattern>>,
) -> Result<Option<NaiveDateTime>> {
    let Some(value) = call.text(0, row) else {
        return Ok(None);
    };
    let zone = match call.text(2, row) {
        Some(name) => match temporal::zone_of(name) {
            Ok(zone) => zone,
            Err(error) if call.is_constant(2) => return Err(error),
            // The zone of a column is one more value that cannot be read.
            Err(_) => return Ok(None),
        },
        None => chrono_tz::UTC,
    };
    if call.arguments.len() > 1 {
        let written = call.text(1, row);
        let pattern = written.and_then(|written| patterns.get(written).as_ref());
        if let (None, Some(written), true) = (pattern, written, call.is_constant(1)) {
            return Err(validation(format!(
                "invalid pattern for parsing TIMESTAMP_LTZ: '{written}'"
            )));
        }
        let local = pattern.and_then(|pattern| by_pattern(value, pattern));
        return Ok(local.map(|local| temporal::to_instant(local, zone)));
    }
    match lenient_timestamp(value) {
        Some(local) => Ok(Some(temporal::to_instant(local, zone))),
        None => Err(EngineError::Data {
            message: format!("'{value}' is no timestamp"),
        }),
    }
}

fn ltz_of_number(call: &Call, row: usize) -> Option<NaiveDateTime> {
    if matches!(call.types.first()?.root, TypeRoot::Float | TypeRoot::Double) {
        return ltz_of_fraction(call, row);
    }
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

/// A FLOAT or DOUBLE counts its unit with its fraction, cut to milliseconds; of a DECIMAL only the
/// whole part counts.
#[allow(
    clippy::cast_possible_truncation,
    reason = "beyond the range of a BIGINT there is no instant"
)]
fn ltz_of_fraction(call: &Call, row: usize) -> Option<NaiveDateTime> {
    let doubles = arrow::compute::cast(call.arguments.first()?, &DataType::Float64).ok()?;
    if doubles.is_null(row) {
        return None;
    }
    let precision = match call.arguments.get(1) {
        Some(_) => i32::try_from(call.integer(1, row)?).ok()?,
        None => 3,
    };
    let value = doubles.as_primitive::<Float64Type>().value(row);
    let millis = value * 10_f64.powi(3 - precision);
    Some(chrono::DateTime::from_timestamp_millis(millis as i64)?.naive_utc())
}

/// Seconds since 1970: of the clock, or of a text in the session's zone.
pub(super) fn unix_timestamp(call: &Call) -> Result<ArrayRef> {
    if call.arguments.is_empty() {
        return Ok(Arc::new(Int64Array::from(vec![
            Utc::now().timestamp();
            call.n_rows
        ])));
    }
    let mut patterns = Recent::new(Pattern::parse_simple);
    for row in 0..call.n_rows {
        if let Some(pattern) = call.text(1, row)
            && patterns.get(pattern).is_none()
        {
            return Err(no_pattern_of_date(pattern));
        }
    }
    let values: Int64Array = call.strict(|row| {
        let pattern = match call.arguments.len() {
            1 => DEFAULT_PATTERN,
            _ => call.text(1, row)?,
        };
        let pattern = patterns.get(pattern).as_ref()?;
        // What cannot be read is the smallest number, as in Flink.
        let Some((local, offset)) = pattern.read_simple(call.text(0, row)?) else {
            return Some(i64::MIN);
        };
        let instant = match offset {
            Some(seconds) => local - TimeDelta::seconds(seconds.into()),
            None => JavaZone::Named(call.zone).to_instant(local),
        };
        Some(instant.and_utc().timestamp())
    });
    Ok(Arc::new(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_written_in_the_pattern() {
        assert_eq!(fraction_digits("yyyy-MM-dd HH:mm:ss.SSSSSS"), 6);
        assert_eq!(fraction_digits("yyyy-MM-dd"), 3);
        assert_eq!(fraction_digits("'SSSSSSSSS' ss"), 3);
        assert_eq!(fraction_digits("SSSSSSSSSSSS"), 9);
    }

    #[test]
    fn a_precision_stands_beside_numbers() {
        let of = |root: TypeRoot, precision: i32| {
            let types = [
                FlinkType::not_null(root),
                FlinkType::not_null(TypeRoot::Int),
            ];
            let precision = ScalarValue::from(precision);
            ltz_type(&types, &[None, Some(&precision)]).map(|given| given.root)
        };
        assert_eq!(of(TypeRoot::Int, 0).ok(), Some(TypeRoot::TimestampLtz(3)));
        assert_eq!(
            of(TypeRoot::BigInt, 9).ok(),
            Some(TypeRoot::TimestampLtz(9))
        );
        assert!(of(TypeRoot::BigInt, 10).is_err());
        assert!(of(TypeRoot::BigInt, -1).is_err());
        assert!(of(TypeRoot::Char(1), 3).is_err());
    }
}
