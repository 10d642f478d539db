//! Values as CAST AS STRING shows them.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
};
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};

use crate::data::map_keys;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::bitmap;
use crate::functions::cast::temporal;

/// The text of one value; `None` for NULL.
///
/// # Errors
/// `Unsupported` for types without a text.
pub fn value(
    array: &ArrayRef,
    row_idx: usize,
    flink_type: &FlinkType,
    zone: chrono_tz::Tz,
) -> Result<Option<String>> {
    if array.is_null(row_idx) {
        return Ok(None);
    }
    let mut out = String::new();
    write(array, row_idx, flink_type, zone, &mut out)?;
    Ok(Some(out))
}

fn write(
    array: &ArrayRef,
    row_idx: usize,
    flink_type: &FlinkType,
    zone: chrono_tz::Tz,
    out: &mut String,
) -> Result<()> {
    use TypeRoot as T;
    if array.is_null(row_idx) {
        out.push_str("NULL");
        return Ok(());
    }
    match &flink_type.root {
        T::Char(_) | T::Varchar(_) => out.push_str(array.as_string::<i32>().value(row_idx)),
        T::Boolean => {
            let value = array.as_boolean().value(row_idx);
            out.push_str(if value { "TRUE" } else { "FALSE" });
        }
        T::Binary(_) | T::Varbinary(_) => {
            out.push_str(&String::from_utf8_lossy(
                array.as_binary::<i32>().value(row_idx),
            ));
        }
        T::TinyInt => display(array.as_primitive::<Int8Type>().value(row_idx), out),
        T::SmallInt => display(array.as_primitive::<Int16Type>().value(row_idx), out),
        T::Int => display(array.as_primitive::<Int32Type>().value(row_idx), out),
        T::BigInt => display(array.as_primitive::<Int64Type>().value(row_idx), out),
        T::Float => {
            let value = array.as_primitive::<Float32Type>().value(row_idx);
            write_float(value, out);
        }
        T::Double => {
            let value = array.as_primitive::<Float64Type>().value(row_idx);
            write_double(value, out);
        }
        T::Decimal { scale, .. } => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(row_idx);
            decimal(unscaled, *scale, out);
        }
        T::Date => write_date(array.as_primitive::<Date32Type>().value(row_idx), out)?,
        T::Time(precision) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row_idx);
            clock_of_millis(millis, *precision, out);
        }
        T::Timestamp(precision) => {
            let value = temporal::datetime(array, row_idx)?;
            timestamp(value, *precision, out);
        }
        T::TimestampLtz(precision) => {
            let value = temporal::datetime(array, row_idx)?;
            timestamp(temporal::to_local(value, zone), *precision, out);
        }
        T::IntervalDayTime { .. } => {
            let DataType::Duration(_) = array.data_type() else {
                return Err(no_text(flink_type));
            };
            day_time(
                array
                    .as_primitive::<DurationMillisecondType>()
                    .value(row_idx),
                out,
            );
        }
        T::IntervalYearMonth { .. } => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row_idx);
            let sign = if months < 0 { '-' } else { '+' };
            let months = months.unsigned_abs();
            let _ = write!(out, "{sign}{}-{:02}", months / 12, months % 12);
        }
        T::Array(element) => {
            let values = array.as_list::<i32>().value(row_idx);
            out.push('[');
            for value_idx in 0..values.len() {
                if value_idx > 0 {
                    out.push_str(", ");
                }
                write(&values, value_idx, element, zone, out)?;
            }
            out.push(']');
        }
        T::Map(key, value) => write_map(array, row_idx, key, value, zone, out)?,
        T::Multiset(element) => {
            let count = FlinkType::not_null(T::Int);
            write_map(array, row_idx, element, &count, zone, out)?;
        }
        T::Row(fields) => {
            out.push('(');
            for (field_idx, (column, field)) in
                array.as_struct().columns().iter().zip(fields).enumerate()
            {
                if field_idx > 0 {
                    out.push_str(", ");
                }
                write(column, row_idx, &field.flink_type, zone, out)?;
            }
            out.push(')');
        }
        T::Structured { fields, .. } => {
            out.push('(');
            for (field_idx, (column, field)) in
                array.as_struct().columns().iter().zip(fields).enumerate()
            {
                if field_idx > 0 {
                    out.push_str(", ");
                }
                out.push_str(&field.name);
                out.push('=');
                write(column, row_idx, &field.flink_type, zone, out)?;
            }
            out.push(')');
        }
        T::Variant => out.push_str(array.as_string::<i64>().value(row_idx)),
        T::Bitmap => {
            let bitmap = bitmap::decode(array.as_binary::<i64>().value(row_idx))?;
            out.push_str(&bitmap::show(&bitmap));
        }
        T::Null => out.push_str("NULL"),
        T::Foreign(_) => return Err(no_text(flink_type)),
    }
    Ok(())
}

fn write_map(
    array: &ArrayRef,
    row_idx: usize,
    key: &FlinkType,
    value: &FlinkType,
    zone: chrono_tz::Tz,
    out: &mut String,
) -> Result<()> {
    let entries = array.as_map().value(row_idx);
    let (Some(keys), Some(values)) = (entries.columns().first(), entries.columns().get(1)) else {
        return Err(EngineError::internal("a map has keys and values"));
    };
    let keys = map_keys::unwrapped(keys);
    out.push('{');
    for entry_idx in 0..entries.len() {
        if entry_idx > 0 {
            out.push_str(", ");
        }
        write(keys, entry_idx, key, zone, out)?;
        out.push('=');
        write(values, entry_idx, value, zone, out)?;
    }
    out.push('}');
    Ok(())
}

fn no_text(flink_type: &FlinkType) -> EngineError {
    EngineError::unsupported(format!("CAST of {} to STRING", flink_type.root_text()))
}

fn display(value: impl std::fmt::Display, out: &mut String) {
    // Writing into a String does not fail.
    let _ = write!(out, "{value}");
}

/// A float as Java's `Double.toString` shows it; `scientific` is its shortest text `d.ddde±n`.
fn java_float(value: f64, scientific: &str, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
        return;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        if mantissa.starts_with('-') {
            out.push('-');
        }
        if exponent < 0 {
            out.push_str("0.");
            for _ in 1..-exponent {
                out.push('0');
            }
            out.push_str(&digits);
        } else {
            let whole = usize::try_from(exponent).unwrap_or(0) + 1;
            for digit_idx in 0..whole {
                out.push(digits.chars().nth(digit_idx).unwrap_or('0'));
            }
            out.push('.');
            out.push_str(
                digits
                    .get(whole..)
                    .filter(|rest| !rest.is_empty())
                    .unwrap_or("0"),
            );
        }
        return;
    }
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    let _ = write!(out, "E{exponent}");
}

/// The text of a double, for decimals made of it.
#[must_use]
pub fn double(value: f64) -> String {
    let mut out = String::new();
    write_double(value, &mut out);
    out
}

fn write_double(value: f64, out: &mut String) {
    let scientific = whole_digits(value, f64::MANTISSA_DIGITS);
    java_float(
        value,
        &scientific.unwrap_or_else(|| format!("{value:e}")),
        out,
    );
}

fn write_float(value: f32, out: &mut String) {
    let scientific = whole_digits(value.into(), f32::MANTISSA_DIGITS);
    java_float(
        value.into(),
        &scientific.unwrap_or_else(|| format!("{value:e}")),
        out,
    );
}

/// A whole number below 2^63 in scientific notation: up to Java 18 it is written with all its
/// digits, but for those that its bits say nothing about. `None` for other numbers, whose text is
/// the shortest one that means them.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is whole and below 2^63"
)]
fn whole_digits(value: f64, n_bits: u32) -> Option<String> {
    let magnitude = value.abs();
    if magnitude.fract() != 0.0 || !(1.0..9.2e18).contains(&magnitude) {
        return None;
    }
    let mut whole = magnitude as u64;
    let n_unknown_bits = (whole.ilog2() + 1).saturating_sub(n_bits + 2);
    // As many decimal digits as 2^n needs, less one: Java has a table of them.
    let n_unknown = if n_unknown_bits > 3 {
        (f64::from(n_unknown_bits) * std::f64::consts::LOG10_2) as u32
    } else {
        0
    };
    let unit = 10_u64.pow(n_unknown);
    whole = whole / unit + u64::from(n_unknown > 0 && whole % unit >= unit / 2);
    let digits = whole.to_string();
    let exponent = digits.len() - 1 + n_unknown as usize;
    let sign = if value < 0.0 { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    Some(format!("{sign}{first}{point}{rest}e{exponent}"))
}

/// An unscaled value with its point.
fn decimal(unscaled: i128, scale: u8, out: &mut String) {
    if unscaled < 0 {
        out.push('-');
    }
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

fn write_date(days: i32, out: &mut String) -> Result<()> {
    let date = temporal::date_of_days(days)?;
    day(date, out);
    Ok(())
}

fn day(date: NaiveDate, out: &mut String) {
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}",
        date.year(),
        date.month(),
        date.day()
    );
}

fn clock_of_millis(millis: i32, precision: u8, out: &mut String) {
    let seconds = millis / 1000;
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    fraction(nanos, precision.min(3), out);
}

/// `yyyy-MM-dd HH:mm:ss` and as many digits of the fraction as the type has.
fn timestamp(value: NaiveDateTime, precision: u8, out: &mut String) {
    day(value.date(), out);
    let _ = write!(
        out,
        " {:02}:{:02}:{:02}",
        value.hour(),
        value.minute(),
        value.second()
    );
    fraction(value.nanosecond(), precision, out);
}

fn fraction(nanos: u32, precision: u8, out: &mut String) {
    if precision == 0 {
        return;
    }
    let digits = format!("{nanos:09}");
    out.push('.');
    out.push_str(digits.get(..usize::from(precision)).unwrap_or(&digits));
}

/// `+1 02:03:04.567`.
fn day_time(millis: i64, out: &mut String) {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let seconds = millis / 1000;
    let _ = write!(
        out,
        "{sign}{} {:02}:{:02}:{:02}.{:03}",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_java_shows_them() {
        for (value, text) in [
            (1.5, "1.5"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (123_456.789, "123456.789"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (100.0, "100.0"),
            (-2.5e-10, "-2.5E-10"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn whole_numbers_have_all_their_digits() {
        assert_eq!(double(2_f64.powi(60)), "1.15292150460684698E18");
        assert_eq!(double(9_007_199_254_740_993.0), "9.007199254740992E15");
        assert_eq!(double(-5e8), "-5.0E8");
        assert_eq!(double(1e19), "1.0E19");
        let float = |value: f32| {
            let mut out = String::new();
            write_float(value, &mut out);
            out
        };
        assert_eq!(float(987_654_336.0), "9.8765434E8");
        assert_eq!(float(123_456_792.0), "1.23456792E8");
    }
}
