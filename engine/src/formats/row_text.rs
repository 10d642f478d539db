//! Rows as the `print` connector shows them: Java's `Row.toString`.
//!
//! ```text
//!   +I[ab, true, [65, -1], 1.25, 1.0E10, 2020-01-02, 10:11, 2020-01-02T03:04:05, {k=1}, +I[1, x], null]
//! ```
//!
//! Times are Java's `LocalTime` and `LocalDateTime` (seconds left out if zero, fractions of 3, 6 or
//! 9 digits), TIMESTAMP_LTZ is an `Instant` in UTC, decimals are `BigDecimal.toString` with all
//! digits of the scale. Measured on Flink 2.3.0.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, IntervalUnit,
    IntervalYearMonthType, Time32MillisecondType, TimeUnit,
};
use chrono::{NaiveDateTime, Timelike};

use super::write::{ValueText, timestamp, write_date, write_decimal_java};
use crate::data::RowKind;
use crate::data::map_keys;
use crate::error::Result;
use crate::functions::bitmap;

/// Appends `+I[1, x]`: the kind, then the values of `row_idx` of all columns.
///
/// # Errors
/// `Data` for a time beyond the calendar, `Unsupported` for a type that Flink does not have.
pub fn write_row<'a>(
    kind: RowKind,
    columns: impl Iterator<Item = &'a dyn Array>,
    row_idx: usize,
    out: &mut String,
) -> Result<()> {
    out.push_str(kind.short_string());
    out.push('[');
    for (at, column) in columns.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_value(column, row_idx, out)?;
    }
    out.push(']');
    Ok(())
}

/// Appends one value.
///
/// # Errors
/// As [`write_row`].
pub fn write_value(array: &dyn Array, row_idx: usize, out: &mut String) -> Result<()> {
    if array.is_null(row_idx) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row_idx);
            let signed: Vec<String> = bytes
                .iter()
                .map(|byte| byte.cast_signed().to_string())
                .collect();
            let _ = write!(out, "[{}]", signed.join(", "));
        }
        DataType::Decimal128(_, scale) => {
            write_decimal_java(
                array.as_primitive::<Decimal128Type>().value(row_idx),
                *scale,
                out,
            );
        }
        DataType::Date32 => write_date(array.as_primitive::<Date32Type>().value(row_idx), out),
        DataType::Time32(TimeUnit::Millisecond) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row_idx);
            write_local_time(
                millis.unsigned_abs() / 1000,
                millis.unsigned_abs() % 1000 * 1_000_000,
                out,
            );
        }
        DataType::Timestamp(unit, zone) => {
            let value = timestamp(array, row_idx, *unit)?;
            match zone {
                None => write_local_datetime(value, out),
                Some(_) => write_instant(value, out),
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            write_period(
                array.as_primitive::<IntervalYearMonthType>().value(row_idx),
                out,
            );
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            write_duration(
                array
                    .as_primitive::<DurationMillisecondType>()
                    .value(row_idx),
                out,
            );
        }
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(row_idx);
            out.push('[');
            for at in 0..elements.len() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_value(&elements, at, out)?;
            }
            out.push(']');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row_idx);
            out.push('{');
            for at in 0..entries.len() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_value(map_keys::unwrapped(entries.column(0)), at, out)?;
                out.push('=');
                write_value(entries.column(1), at, out)?;
            }
            out.push('}');
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter().map(|column| &**column);
            write_row(RowKind::Insert, columns, row_idx, out)?;
        }
        // VARIANT and BITMAP.
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row_idx)),
        DataType::LargeBinary => {
            let bitmap = bitmap::decode(array.as_binary::<i64>().value(row_idx))?;
            out.push_str(&bitmap::show(&bitmap));
        }
        _ => ValueText::default().write(array, row_idx, out)?,
    }
    Ok(())
}

/// Java's `LocalTime.toString`.
fn write_local_time(seconds_of_day: u32, nanos: u32, out: &mut String) {
    let _ = write!(
        out,
        "{:02}:{:02}",
        seconds_of_day / 3600,
        seconds_of_day / 60 % 60
    );
    if !seconds_of_day.is_multiple_of(60) || nanos > 0 {
        let _ = write!(out, ":{:02}", seconds_of_day % 60);
        write_nanos(nanos, out);
    }
}

fn write_local_datetime(value: NaiveDateTime, out: &mut String) {
    let _ = write!(out, "{}T", value.format("%Y-%m-%d"));
    write_local_time(value.num_seconds_from_midnight(), value.nanosecond(), out);
}

/// Java's `Instant.toString`.
fn write_instant(value: NaiveDateTime, out: &mut String) {
    let _ = write!(out, "{}", value.format("%Y-%m-%dT%H:%M:%S"));
    write_nanos(value.nanosecond(), out);
    out.push('Z');
}

/// A fraction of 3, 6 or 9 digits, none for zero.
fn write_nanos(nanos: u32, out: &mut String) {
    let _ = match nanos {
        0 => Ok(()),
        _ if nanos.is_multiple_of(1_000_000) => write!(out, ".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => write!(out, ".{:06}", nanos / 1_000),
        _ => write!(out, ".{nanos:09}"),
    };
}

/// Java's `Period.toString` of whole months.
fn write_period(months: i32, out: &mut String) {
    if months == 0 {
        out.push_str("P0D");
        return;
    }
    out.push('P');
    for (number, unit) in [(months / 12, 'Y'), (months % 12, 'M')] {
        if number != 0 {
            let _ = write!(out, "{number}{unit}");
        }
    }
}

/// Java's `Duration.toString` of whole milliseconds.
fn write_duration(millis: i64, out: &mut String) {
    if millis == 0 {
        out.push_str("PT0S");
        return;
    }
    out.push_str("PT");
    for (number, unit) in [(millis / 3_600_000, 'H'), (millis / 60_000 % 60, 'M')] {
        if number != 0 {
            let _ = write!(out, "{number}{unit}");
        }
    }
    let rest = millis % 60_000;
    if rest != 0 {
        let sign = if rest < 0 { "-" } else { "" };
        let _ = write!(out, "{sign}{}", rest.abs() / 1000);
        if rest % 1000 != 0 {
            let digits = format!("{:03}", rest.abs() % 1000);
            let _ = write!(out, ".{}", digits.trim_end_matches('0'));
        }
        out.push('S');
    }
}
