//! Values to texts, as Java writes them into files.
//!
//! Doubles have Java's notation (`1.0E10`), decimals that of `BigDecimal` without trailing zeros
//! (`1E+2`) or plain, timestamps a fraction of as few digits as needed.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike};

use super::parse::TimestampFormat;
use crate::error::{EngineError, Result};

/// How decimals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimals {
    /// All digits of the scale.
    Plain,
    /// Without trailing zeros, with an exponent where Java has one.
    Stripped,
}

/// How values without inner structure are written into text files.
#[derive(Debug, Clone, Copy)]
pub struct ValueText {
    /// Decimals.
    pub decimals: Decimals,
    /// Timestamps; those with zone end with `Z`.
    pub timestamps: TimestampFormat,
}

impl Default for ValueText {
    fn default() -> Self {
        Self {
            decimals: Decimals::Stripped,
            timestamps: TimestampFormat::Sql,
        }
    }
}

impl ValueText {
    /// Appends the text of the value at `row_idx`, which is not NULL.
    ///
    /// # Errors
    /// `Unsupported` for types with inner structure, `Data` for a time beyond the calendar.
    pub fn write(&self, array: &dyn Array, row_idx: usize, out: &mut String) -> Result<()> {
        match array.data_type() {
            DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row_idx)),
            DataType::Boolean => {
                let value = array.as_boolean().value(row_idx);
                out.push_str(if value { "true" } else { "false" });
            }
            DataType::Int8 => write_int(array.as_primitive::<Int8Type>().value(row_idx), out),
            DataType::Int16 => write_int(array.as_primitive::<Int16Type>().value(row_idx), out),
            DataType::Int32 => write_int(array.as_primitive::<Int32Type>().value(row_idx), out),
            DataType::Int64 => write_int(array.as_primitive::<Int64Type>().value(row_idx), out),
            DataType::Float32 => write_f32(array.as_primitive::<Float32Type>().value(row_idx), out),
            DataType::Float64 => write_f64(array.as_primitive::<Float64Type>().value(row_idx), out),
            DataType::Decimal128(_, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row_idx);
                match self.decimals {
                    Decimals::Plain => write_decimal_plain(value, *scale, out),
                    Decimals::Stripped => write_decimal_stripped(value, *scale, out),
                }
            }
            DataType::Date32 => write_date(array.as_primitive::<Date32Type>().value(row_idx), out),
            DataType::Time32(TimeUnit::Millisecond) => {
                write_time(
                    array.as_primitive::<Time32MillisecondType>().value(row_idx),
                    out,
                );
            }
            DataType::Binary => write_base64(array.as_binary::<i32>().value(row_idx), out),
            DataType::Timestamp(unit, zone) => {
                write_timestamp(timestamp(array, row_idx, *unit)?, self.timestamps, out);
                if zone.is_some() {
                    out.push('Z');
                }
            }
            other => {
                return Err(EngineError::unsupported(format!("type {other} as text")));
            }
        }
        Ok(())
    }
}

fn write_int(value: impl std::fmt::Display, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

/// The timestamp at `row_idx` of a timestamp array.
///
/// # Errors
/// `Data` beyond the years of the calendar.
pub fn timestamp(array: &dyn Array, row_idx: usize, unit: TimeUnit) -> Result<NaiveDateTime> {
    let value = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row_idx),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .value(row_idx),
        TimeUnit::Microsecond => array
            .as_primitive::<TimestampMicrosecondType>()
            .value(row_idx),
        TimeUnit::Nanosecond => array
            .as_primitive::<TimestampNanosecondType>()
            .value(row_idx),
    };
    datetime(value, unit).ok_or_else(|| EngineError::Data {
        message: format!("timestamp {value} is beyond the calendar"),
    })
}

/// Appends a double in the notation of Java's `Double.toString`, with the shortest digits that
/// give the same value back.
pub fn write_f64(value: f64, out: &mut String) {
    write_java_float(&format!("{value:e}"), out);
}

/// As [`write_f64`], for single precision.
pub fn write_f32(value: f32, out: &mut String) {
    write_java_float(&format!("{value:e}"), out);
}

/// `scientific` is Rust's `{:e}`: `-1.25e-7`, `inf`, `NaN`.
fn write_java_float(scientific: &str, out: &mut String) {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        out.push_str(match scientific {
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            _ => "NaN",
        });
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|&digit| digit != '.').collect();
    out.push_str(sign);
    if digits == "0" {
        out.push_str("0.0");
        return;
    }
    // Java writes 10^-3 ≤ |x| < 10^7 without an exponent.
    if (-3..7).contains(&exponent) {
        write_point(&digits, exponent, out);
    } else {
        write_point(&digits, 0, out);
        let _ = write!(out, "E{exponent}");
    }
}

/// `digits` with the point after the digit of 10^0, and at least one digit on both sides of it.
fn write_point(digits: &str, exponent: i32, out: &mut String) {
    if exponent < 0 {
        out.push_str("0.");
        for _ in 1..-exponent {
            out.push('0');
        }
        out.push_str(digits);
        return;
    }
    let n_whole = usize::try_from(exponent).unwrap_or_default() + 1;
    for at in 0..n_whole.max(digits.len()) {
        if at == n_whole {
            out.push('.');
        }
        out.push_str(digits.get(at..=at).unwrap_or("0"));
    }
    if digits.len() <= n_whole {
        out.push_str(".0");
    }
}

/// Appends a decimal with all digits of its scale: `BigDecimal.toPlainString`.
pub fn write_decimal_plain(value: i128, scale: i8, out: &mut String) {
    let digits = value.unsigned_abs().to_string();
    if value < 0 {
        out.push('-');
    }
    let scale = usize::try_from(scale).unwrap_or_default();
    if scale == 0 {
        out.push_str(&digits);
        return;
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let _ = write!(out, "{whole}.{fraction}");
}

/// Appends a decimal without trailing zeros, otherwise as [`write_decimal_java`].
pub fn write_decimal_stripped(value: i128, scale: i8, out: &mut String) {
    if value == 0 {
        out.push('0');
        return;
    }
    let (mut unscaled, mut scale) = (value, scale);
    while unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    write_decimal_java(unscaled, scale, out);
}

/// Appends Java's `BigDecimal.toString`: all digits, with an exponent where the scale is negative
/// or there would be more than five zeros behind the point.
pub fn write_decimal_java(unscaled: i128, scale: i8, out: &mut String) {
    let digits = unscaled.unsigned_abs().to_string();
    let n_digits = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let adjusted = n_digits - 1 - i32::from(scale);
    if scale >= 0 && adjusted >= -6 {
        write_decimal_plain(unscaled, scale, out);
        return;
    }
    if unscaled < 0 {
        out.push('-');
    }
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    let _ = write!(out, "E{adjusted:+}");
}

/// Appends `yyyy-MM-dd`.
pub fn write_date(days: i32, out: &mut String) {
    let date = NaiveDate::default()
        .checked_add_signed(chrono::TimeDelta::days(i64::from(days)))
        .unwrap_or(NaiveDate::MAX);
    let _ = write!(out, "{}", date.format("%Y-%m-%d"));
}

/// Appends `HH:mm:ss` and, if there are any, the milliseconds without trailing zeros.
pub fn write_time(millis_of_day: i32, out: &mut String) {
    let seconds = millis_of_day.div_euclid(1000);
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    write_fraction(
        millis_of_day.rem_euclid(1000).unsigned_abs() * 1_000_000,
        out,
    );
}

/// Appends `yyyy-MM-dd HH:mm:ss[.fraction]`, with a `T` in ISO format, without a zone.
pub fn write_timestamp(value: NaiveDateTime, format: TimestampFormat, out: &mut String) {
    let separator = char::from(format.separator());
    let _ = write!(
        out,
        "{}{separator}{}",
        value.format("%Y-%m-%d"),
        value.format("%H:%M:%S")
    );
    write_fraction(value.nanosecond() % 1_000_000_000, out);
}

/// The fraction with as few digits as needed, none for zero.
fn write_fraction(nanos: u32, out: &mut String) {
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// The date and time of `value` units since the epoch; `None` beyond the years that exist.
#[must_use]
pub fn datetime(value: i64, unit: TimeUnit) -> Option<NaiveDateTime> {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    DateTime::from_timestamp(value.div_euclid(per_second), u32::try_from(nanos).ok()?)
        .map(|datetime| datetime.naive_utc())
}

/// Appends base64 with padding.
pub fn write_base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = 0_usize;
        for at in 0..3 {
            group = group << 8 | usize::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = DIGITS.get(group >> (18 - 6 * at) & 63).copied();
            out.push(match digit {
                Some(digit) if at <= chunk.len() => char::from(digit),
                _ => '=',
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn floats_are_javas() {
        for (value, expected) in [
            (1e10, "1.0E10"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (123_456.789, "123456.789"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (1.25e-7, "1.25E-7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(|out| write_f64(value, out)), expected);
        }
        assert_eq!(text(|out| write_f32(1.1, out)), "1.1");
    }

    #[test]
    fn decimals_have_two_forms() {
        for (value, scale, stripped, plain) in [
            (100_i128, 0, "1E+2", "100"),
            (150, 2, "1.5", "1.50"),
            (1, 8, "1E-8", "0.00000001"),
            (-1234, 2, "-12.34", "-12.34"),
            (0, 3, "0", "0.000"),
            (123_000, 0, "1.23E+5", "123000"),
        ] {
            assert_eq!(
                text(|out| write_decimal_stripped(value, scale, out)),
                stripped
            );
            assert_eq!(text(|out| write_decimal_plain(value, scale, out)), plain);
        }
    }

    #[test]
    fn base64_pads() {
        for (bytes, expected) in [("AB", "QUI="), ("A", "QQ=="), ("ABC", "QUJD"), ("", "")] {
            assert_eq!(text(|out| write_base64(bytes.as_bytes(), out)), expected);
        }
    }
}
