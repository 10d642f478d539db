//! Times as texts, by Java's patterns.
//!
//! Neighbouring rows are often of one day or minute: a text is written once for all that show the
//! same fields.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use chrono::{NaiveDate, NaiveDateTime};

use super::{DEFAULT_PATTERN, local};
use crate::error::{EngineError, Result};
use crate::functions::define::Call;
use crate::functions::java_calendar::{self, JavaZone};
use crate::functions::java_time::Pattern;
use crate::functions::recent::Recent;

/// A pattern, and the text that it gave last.
struct Writer {
    pattern: Pattern,
    /// Times whose milliseconds give the same quotient have the same text; none if each has its own.
    unit_ms: Option<i64>,
    last: Option<(i64, String)>,
}

impl Writer {
    fn new(pattern: Pattern) -> Self {
        Self {
            unit_ms: pattern.finest_ms(),
            pattern,
            last: None,
        }
    }

    /// The text of a wall clock; `None` for fields that it does not have.
    fn text(&mut self, value: NaiveDateTime) -> Option<&str> {
        let unit = self
            .unit_ms
            .map(|unit_ms| value.and_utc().timestamp_millis().div_euclid(unit_ms));
        let last = self.last.take().filter(|(last, _)| Some(*last) == unit);
        let last = match last {
            Some(last) => last,
            None => (unit.unwrap_or_default(), self.pattern.format(value)?),
        };
        Some(&self.last.insert(last).1)
    }
}

fn of_formatter(pattern: &str) -> Option<Writer> {
    Pattern::parse(pattern).map(Writer::new)
}

fn of_simple_format(pattern: &str) -> Option<Writer> {
    Pattern::parse_simple(pattern).map(Writer::new)
}

pub(super) fn date_format(call: &Call) -> Result<ArrayRef> {
    if *call.argument(0)?.data_type() == DataType::Utf8 {
        return date_format_of_text(call);
    }
    let mut writers = Recent::new(of_formatter);
    written(call, |row, texts| {
        let (Some(value), Some(pattern)) = (local(call, 0, row), call.text(1, row)) else {
            texts.append_null();
            return Ok(());
        };
        append(writers.get(pattern), pattern, value, texts)
    })
}

/// A text is a timestamp to the second; what follows is not looked at.
fn date_format_of_text(call: &Call) -> Result<ArrayRef> {
    let default = Pattern::parse(DEFAULT_PATTERN)
        .ok_or_else(|| EngineError::internal("the default pattern is none"))?;
    let mut writers = Recent::new(of_simple_format);
    written(call, |row, texts| {
        let Some(pattern) = call.text(1, row) else {
            texts.append_null();
            return Ok(());
        };
        let writer = writers.get(pattern);
        if writer.is_none() {
            return Err(no_pattern_of_date(pattern));
        }
        match call.text(0, row).and_then(|text| default.read(text)) {
            Some((value, _)) => append(writer, pattern, value, texts),
            None => {
                texts.append_null();
                Ok(())
            }
        }
    })
}

fn append(
    writer: &mut Option<Writer>,
    pattern: &str,
    value: NaiveDateTime,
    texts: &mut StringBuilder,
) -> Result<()> {
    let text = writer.as_mut().and_then(|writer| writer.text(value));
    texts.append_value(text.ok_or_else(|| EngineError::Data {
        message: format!("'{pattern}' is no pattern for a timestamp"),
    })?);
    Ok(())
}

/// What `SimpleDateFormat` does not take.
pub(super) fn no_pattern_of_date(text: &str) -> EngineError {
    EngineError::Data {
        message: format!("'{text}' is no pattern for a date"),
    }
}

/// Seconds since 1970 as a text in the session's zone.
pub(super) fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let mut writers = Recent::new(of_simple_format);
    written(call, |row, texts| {
        let pattern = match call.arguments.len() {
            1 => Some(DEFAULT_PATTERN),
            _ => call.text(1, row),
        };
        let Some(pattern) = pattern else {
            texts.append_null();
            return Ok(());
        };
        let writer = writers.get(pattern).as_mut();
        let writer = writer.ok_or_else(|| no_pattern_of_date(pattern))?;
        // The milliseconds wrap as a BIGINT does.
        let instant = call.integer(0, row).and_then(|seconds| {
            chrono::DateTime::from_timestamp_millis(seconds.wrapping_mul(1_000))
        });
        let Some(instant) = instant else {
            texts.append_null();
            return Ok(());
        };
        let local = JavaZone::Named(call.zone).to_local(instant.naive_utc());
        texts.append_option(writer.text(as_written(local)?));
        Ok(())
    })
}

/// The clock with the day that the calendar of its time had for it.
fn as_written(local: NaiveDateTime) -> Result<NaiveDateTime> {
    let (year, month, day) = java_calendar::label(local.date());
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or_else(|| {
        EngineError::unsupported(format!("the leap day of {year} in the Julian calendar"))
    })?;
    Ok(date.and_time(local.time()))
}

/// A column of texts, one appended for each row.
fn written(
    call: &Call,
    mut append: impl FnMut(usize, &mut StringBuilder) -> Result<()>,
) -> Result<ArrayRef> {
    let mut texts = StringBuilder::with_capacity(call.n_rows, call.n_rows * DEFAULT_PATTERN.len());
    for row in 0..call.n_rows {
        append(row, &mut texts)?;
    }
    Ok(Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use chrono::{NaiveDate, TimeDelta};

    use super::{Pattern, Writer};

    /// Texts that are written once for many times are those that each time has.
    #[test]
    fn a_text_is_kept_for_times_that_show_the_same() {
        let start = NaiveDate::from_ymd_opt(1969, 12, 31).unwrap();
        let start = start.and_hms_nano_opt(23, 58, 59, 998_999_999).unwrap();
        let patterns = [
            "yyyy-MM-dd",
            "HH-mm",
            "HH:mm:ss",
            "ss.SSS",
            "h a",
            "D",
            "yyyy 'at' K",
            "N",
            "E W",
            "A",
        ];
        for written in patterns {
            let pattern = Pattern::parse(written).unwrap();
            let mut writer = Writer::new(pattern.clone());
            for step in [
                0,
                1,
                1_000_001,
                3_000_000,
                900_000_000,
                59_000_000_000,
                86_399_000_000_000,
            ] {
                for n in 0..4 {
                    let value = start + TimeDelta::nanoseconds(step * n);
                    let text = writer.text(value).map(ToOwned::to_owned);
                    assert_eq!(text, pattern.format(value), "{written} of {value}");
                }
            }
        }
    }
}
