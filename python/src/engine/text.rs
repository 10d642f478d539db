//! Values as `TableResult.print()` shows them.
//!
//! These are the texts of Flink's `CAST(x AS STRING)`, except that NULL is `<NULL>` in a cell and
//! bytes are shown in hexadecimal.
//!
//! Source: `org.apache.flink.table.planner.functions.casting.RowDataToStringConverterImpl`,
//! Flink 2.3.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType,
    Time32MillisecondType, TimeUnit,
};
use chrono::{NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::{FlinkType, TypeRoot};
use tidemill_engine::functions::bitmap;

use super::calendar;
use super::values::{range, timestamps};

/// The text of row `row_idx` of a column. Times with a zone are shown in `zone`.
pub(super) fn cell(array: &ArrayRef, field: &Field, row_idx: usize, zone: Tz) -> String {
    if array.is_null(row_idx) || field.data_type() == &DataType::Null {
        return "<NULL>".to_owned();
    }
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = write_value(&mut text, array, field, row_idx, zone);
    text
}

fn write_value(
    out: &mut String,
    array: &ArrayRef,
    field: &Field,
    row_idx: usize,
    zone: Tz,
) -> std::fmt::Result {
    if array.is_null(row_idx) || field.data_type() == &DataType::Null {
        return out.write_str("NULL");
    }
    match array.data_type() {
        DataType::Boolean => {
            let value = array.as_boolean().value(row_idx);
            out.write_str(if value { "TRUE" } else { "FALSE" })
        }
        DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(row_idx)),
        DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row_idx)),
        DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row_idx)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row_idx)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row_idx);
            out.write_str(&java_float(format!("{value:e}"), f64::from(value)))
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row_idx);
            out.write_str(&java_float(format!("{value:e}"), value))
        }
        DataType::Utf8 => out.write_str(array.as_string::<i32>().value(row_idx)),
        DataType::Binary => write_bytes(out, array.as_binary::<i32>().value(row_idx)),
        // VARIANT and BITMAP.
        DataType::LargeUtf8 => out.write_str(array.as_string::<i64>().value(row_idx)),
        DataType::LargeBinary => match bitmap::decode(array.as_binary::<i64>().value(row_idx)) {
            Ok(bitmap) => out.write_str(&bitmap::show(&bitmap)),
            Err(error) => write!(out, "{error}"),
        },
        DataType::Decimal128(_, _) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            out.write_str(&decimals.value_as_string(row_idx))
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row_idx);
            match calendar::date(days) {
                Some(date) => write!(out, "{}", date.format("%Y-%m-%d")),
                None => write!(out, "{days} days"),
            }
        }
        DataType::Time32(_) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row_idx);
            let time = calendar::timestamp(i64::from(millis), TimeUnit::Millisecond);
            write_time(out, time, "%H:%M:%S", precision(field))
        }
        DataType::Timestamp(unit, own_zone) => {
            let time = calendar::timestamp(timestamps(array, *unit).value(row_idx), *unit);
            let shown = match own_zone {
                Some(_) => time.map(|utc| zone.from_utc_datetime(&utc).naive_local()),
                None => time,
            };
            write_time(out, shown, "%Y-%m-%d %H:%M:%S", precision(field))
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row_idx);
            let sign = if months < 0 { '-' } else { '+' };
            write!(out, "{sign}{}-{:02}", months.abs() / 12, months.abs() % 12)
        }
        DataType::Duration(_) => write_duration(
            out,
            array
                .as_primitive::<DurationMillisecondType>()
                .value(row_idx),
        ),
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let (start, end) = range(list.value_offsets(), row_idx);
            write_joined(out, "[", "]", start..end, |out, idx| {
                write_value(out, list.values(), item, idx, zone)
            })
        }
        DataType::Map(entries, _) => {
            let map = array.as_map();
            let (start, end) = range(map.value_offsets(), row_idx);
            let Some((key, value)) = map_keys::entry_fields(entries) else {
                return out.write_str("{}");
            };
            let keys = map_keys::keys(map);
            write_joined(out, "{", "}", start..end, |out, idx| {
                write_value(out, keys, key, idx, zone)?;
                out.write_str("=")?;
                write_value(out, map.values(), value, idx, zone)
            })
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let is_object = matches!(
                FlinkType::from_field(field).root,
                TypeRoot::Structured { .. }
            );
            write_joined(out, "(", ")", 0..fields.len(), |out, idx| {
                let (Some(column), Some(field)) = (columns.get(idx), fields.get(idx)) else {
                    return Ok(());
                };
                if is_object {
                    write!(out, "{}=", field.name())?;
                }
                write_value(out, column, field, row_idx, zone)
            })
        }
        other => write!(out, "{other}"),
    }
}

/// Digits of a second's fraction that the field's type shows.
fn precision(field: &Field) -> u8 {
    match FlinkType::from_field(field).root {
        TypeRoot::Time(precision)
        | TypeRoot::Timestamp(precision)
        | TypeRoot::TimestampLtz(precision) => precision,
        _ => 0,
    }
}

fn write_time(
    out: &mut String,
    time: Option<NaiveDateTime>,
    format: &str,
    precision: u8,
) -> std::fmt::Result {
    let Some(time) = time else {
        return out.write_str("out of range");
    };
    write!(out, "{}", time.format(format))?;
    if precision > 0 {
        let digits = format!("{:09}", time.nanosecond());
        let shown = digits
            .get(..usize::from(precision.min(9)))
            .unwrap_or(&digits);
        write!(out, ".{shown}")?;
    }
    Ok(())
}

fn write_duration(out: &mut String, millis: i64) -> std::fmt::Result {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let (days, hour) = (hours / 24, hours % 24);
    write!(
        out,
        "{sign}{days} {hour:02}:{minute:02}:{second:02}.{fraction:03}"
    )
}

fn write_bytes(out: &mut String, bytes: &[u8]) -> std::fmt::Result {
    out.write_str("x'")?;
    for byte in bytes {
        write!(out, "{byte:02x}")?;
    }
    out.write_str("'")
}

fn write_joined(
    out: &mut String,
    open: &str,
    close: &str,
    indices: std::ops::Range<usize>,
    mut write_one: impl FnMut(&mut String, usize) -> std::fmt::Result,
) -> std::fmt::Result {
    out.write_str(open)?;
    for (position, idx) in indices.enumerate() {
        if position > 0 {
            out.write_str(", ")?;
        }
        write_one(out, idx)?;
    }
    out.write_str(close)
}

/// Java's text of a floating-point number, from Rust's shortest scientific text of it.
fn java_float(scientific: String, value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        let plain = plain_notation(&scientific);
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

/// `-1.25e-2` as `-0.0125`, digit by digit, so that FLOAT keeps its own shortest digits.
fn plain_notation(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = 1 + exponent;
    let Ok(point) = usize::try_from(point) else {
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or(0));
        return format!("{sign}0.{zeros}{all}");
    };
    if point == 0 {
        return format!("{sign}0.{all}");
    }
    match all.split_at_checked(point) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{all:0<point$}"),
    }
}
