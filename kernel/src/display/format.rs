//! One value of an Arrow column as the text that a reader of a notebook sees.
//!
//! The texts are those of Flink's `TableResult.print()` (`TRUE`, `2020-01-01 00:00:00.000`,
//! `x'4142'`, `[1, 2]`, `{k=1}`, `(1, x)`, Java's doubles), with the full precision of the type.
//! NULL is no text but [`None`], so that it can be told from the string `NULL`.
//!
//! Strings come from anywhere: control characters and the marks that turn the direction of text
//! are shown as visible signs, and long values are cut with `…`. Escaping for HTML is not done
//! here but where the markup is written ([`super::html`]).

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, DurationMillisecondType, Field, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::{FlinkType, TypeRoot};
use tidemill_engine::functions::bitmap;
use unicode_width::UnicodeWidthChar;

/// How values are written.
#[derive(Debug, Clone)]
pub struct ValueFormat {
    /// The session's time zone, in which `TIMESTAMP_LTZ` is shown.
    pub time_zone: Tz,
    /// Longest text, in columns of a terminal; longer ones end with `…`.
    pub max_width: usize,
}

impl Default for ValueFormat {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            max_width: 60,
        }
    }
}

impl ValueFormat {
    /// The text of row `row_idx`, cut and with control characters made visible; `None` for NULL
    /// and for a row that the array does not have.
    #[must_use]
    pub fn text(&self, array: &dyn Array, field: &Field, row_idx: usize) -> Option<String> {
        if row_idx >= array.len() || array.is_null(row_idx) || *array.data_type() == DataType::Null
        {
            return None;
        }
        let mut text = String::new();
        self.write(&mut text, array, field, row_idx);
        Some(cut(&visible(&text), self.max_width))
    }

    /// Appends a value of any type; NULL (inside lists, maps and rows) is `NULL`.
    fn write(&self, out: &mut String, array: &dyn Array, field: &Field, row_idx: usize) {
        if array.is_null(row_idx) {
            out.push_str("NULL");
            return;
        }
        match array.data_type() {
            DataType::Null => out.push_str("NULL"),
            DataType::Boolean => out.push_str(if array.as_boolean().value(row_idx) {
                "TRUE"
            } else {
                "FALSE"
            }),
            DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row_idx)),
            DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row_idx)),
            DataType::Utf8View => out.push_str(array.as_string_view().value(row_idx)),
            DataType::Binary => write_bytes(out, array.as_binary::<i32>().value(row_idx)),
            DataType::LargeBinary => {
                let bytes = array.as_binary::<i64>().value(row_idx);
                let is_bitmap = FlinkType::from_field(field).root == TypeRoot::Bitmap;
                match bitmap::decode(bytes) {
                    Ok(bitmap) if is_bitmap => out.push_str(&bitmap::show(&bitmap)),
                    _ => write_bytes(out, bytes),
                }
            }
            DataType::BinaryView => write_bytes(out, array.as_binary_view().value(row_idx)),
            DataType::FixedSizeBinary(_) => {
                write_bytes(out, array.as_fixed_size_binary().value(row_idx));
            }
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64 => write_integer(out, array, row_idx),
            DataType::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row_idx);
                out.push_str(&java_float(f64::from(value), &format!("{value:e}")));
            }
            DataType::Float64 => {
                let value = array.as_primitive::<Float64Type>().value(row_idx);
                out.push_str(&java_float(value, &format!("{value:e}")));
            }
            DataType::Date32 => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row_idx));
                match DateTime::from_timestamp(days * 86_400, 0) {
                    Some(date) => write_date(out, &date.naive_utc()),
                    None => push(out, format_args!("{days} days after 1970-01-01")),
                }
            }
            DataType::Time32(TimeUnit::Millisecond) => {
                let millis = array.as_primitive::<Time32MillisecondType>().value(row_idx);
                let nanos = i64::from(millis) * 1_000_000;
                write_time_of_day(out, nanos, precision_of(field).unwrap_or(0));
            }
            DataType::Timestamp(unit, zone) => {
                self.write_timestamp(out, array, field, row_idx, *unit, zone.is_some());
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                let months = array.as_primitive::<IntervalYearMonthType>().value(row_idx);
                let sign = if months < 0 { '-' } else { '+' };
                let months = months.unsigned_abs();
                push(
                    out,
                    format_args!("{sign}{}-{:02}", months / 12, months % 12),
                );
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                let millis = array
                    .as_primitive::<DurationMillisecondType>()
                    .value(row_idx);
                write_day_time_interval(out, millis);
            }
            DataType::List(element) => {
                self.write_list(out, array.as_list::<i32>().value(row_idx).as_ref(), element);
            }
            DataType::LargeList(element) => {
                self.write_list(out, array.as_list::<i64>().value(row_idx).as_ref(), element);
            }
            DataType::FixedSizeList(element, _) => {
                let elements = array.as_fixed_size_list().value(row_idx);
                self.write_list(out, elements.as_ref(), element);
            }
            DataType::Map(..) => self.write_map(out, array, row_idx),
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                out.push('(');
                for (index, (column, field)) in columns.iter().zip(fields).enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    self.write(out, column.as_ref(), field, row_idx);
                }
                out.push(')');
            }
            // Decimals, and what Arrow has beyond Flink's types.
            _ => write_as_arrow(out, array, row_idx),
        }
    }

    fn write_timestamp(
        &self,
        out: &mut String,
        array: &dyn Array,
        field: &Field,
        row_idx: usize,
        unit: TimeUnit,
        local: bool,
    ) {
        let (value, per_second, unit_digits) = match unit {
            TimeUnit::Second => (
                array.as_primitive::<TimestampSecondType>().value(row_idx),
                1,
                0,
            ),
            TimeUnit::Millisecond => (
                array
                    .as_primitive::<TimestampMillisecondType>()
                    .value(row_idx),
                1_000,
                3,
            ),
            TimeUnit::Microsecond => (
                array
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row_idx),
                1_000_000,
                6,
            ),
            TimeUnit::Nanosecond => (
                array
                    .as_primitive::<TimestampNanosecondType>()
                    .value(row_idx),
                1_000_000_000,
                9,
            ),
        };
        let seconds = value.div_euclid(per_second);
        let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        let nanos = u32::try_from(nanos).unwrap_or(0);
        let Some(instant) = DateTime::from_timestamp(seconds, nanos) else {
            push(out, format_args!("{value} units after 1970-01-01"));
            return;
        };
        let naive = if local {
            self.time_zone
                .from_utc_datetime(&instant.naive_utc())
                .naive_local()
        } else {
            instant.naive_utc()
        };
        write_date(out, &naive);
        out.push(' ');
        let nanos_of_day = i64::from(naive.num_seconds_from_midnight()) * 1_000_000_000
            + i64::from(naive.nanosecond());
        write_time_of_day(
            out,
            nanos_of_day,
            precision_of(field).unwrap_or(unit_digits),
        );
    }

    fn write_list(&self, out: &mut String, elements: &dyn Array, element: &Field) {
        out.push('[');
        for index in 0..elements.len() {
            out.push_str(if index == 0 { "" } else { ", " });
            self.write(out, elements, element, index);
            if out.len() > MAX_NESTED_BYTES {
                break;
            }
        }
        out.push(']');
    }

    fn write_map(&self, out: &mut String, array: &dyn Array, row_idx: usize) {
        let map = array.as_map();
        let entries = map.value(row_idx);
        out.push('{');
        let fields = match array.data_type() {
            DataType::Map(entries, _) => map_keys::entry_fields(entries),
            _ => None,
        };
        if let ([keys, values], Some((key, value))) = (entries.columns(), fields) {
            let keys = map_keys::unwrapped(keys);
            for index in 0..entries.len() {
                out.push_str(if index == 0 { "" } else { ", " });
                self.write(out, keys.as_ref(), key, index);
                out.push('=');
                self.write(out, values.as_ref(), value, index);
                if out.len() > MAX_NESTED_BYTES {
                    break;
                }
            }
        }
        out.push('}');
    }
}

/// Where the text of a list or map is given up: it is cut to a line anyway.
const MAX_NESTED_BYTES: usize = 4096;

/// Whether values of this type stand at the right edge of their column.
#[must_use]
pub fn is_right_aligned(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Flink's name of the column's type, without NOT NULL: `STRING`, `DECIMAL(10, 2)`.
#[must_use]
pub fn type_text(field: &Field) -> String {
    FlinkType::from_field(field).root_text()
}

/// The number in parentheses of the field's Flink type, `3` in `TIMESTAMP(3)`.
fn precision_of(field: &Field) -> Option<usize> {
    let text = field.metadata().get("flink.type")?;
    let (_, after) = text.split_once('(')?;
    after.split_once(')')?.0.trim().parse().ok()
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(arguments).unwrap_or_default();
}

fn write_integer(out: &mut String, array: &dyn Array, row_idx: usize) {
    macro_rules! write_as {
        ($type:ty) => {
            push(
                out,
                format_args!("{}", array.as_primitive::<$type>().value(row_idx)),
            )
        };
    }
    match array.data_type() {
        DataType::Int8 => write_as!(Int8Type),
        DataType::Int16 => write_as!(Int16Type),
        DataType::Int32 => write_as!(Int32Type),
        DataType::Int64 => write_as!(Int64Type),
        DataType::UInt8 => write_as!(UInt8Type),
        DataType::UInt16 => write_as!(UInt16Type),
        DataType::UInt32 => write_as!(UInt32Type),
        DataType::UInt64 => write_as!(UInt64Type),
        _ => write_as_arrow(out, array, row_idx),
    }
}

/// Arrow's own text, for the types that have no special one.
fn write_as_arrow(out: &mut String, array: &dyn Array, row_idx: usize) {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => push(out, format_args!("{}", formatter.value(row_idx))),
        Err(error) => push(out, format_args!("<{error}>")),
    }
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("x'");
    for byte in bytes.iter().take(MAX_NESTED_BYTES) {
        push(out, format_args!("{byte:02X}"));
    }
    out.push('\'');
}

fn write_date(out: &mut String, date: &NaiveDateTime) {
    push(
        out,
        format_args!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
    );
}

/// `10:11:12`, followed by `digits` digits of the fraction.
fn write_time_of_day(out: &mut String, nanos_of_day: i64, digits: usize) {
    let time = TimeDelta::nanoseconds(nanos_of_day);
    let seconds = time.num_seconds();
    push(
        out,
        format_args!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ),
    );
    if digits > 0 {
        let fraction = format!("{:09}", time.subsec_nanos());
        out.push('.');
        out.push_str(&fraction[..digits.min(9)]);
    }
}

/// Flink's text of an `INTERVAL DAY TO SECOND`: `+1 02:03:04.005`.
fn write_day_time_interval(out: &mut String, millis: i64) {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let seconds = millis / 1_000;
    push(
        out,
        format_args!(
            "{sign}{} {:02}:{:02}:{:02}.{:03}",
            seconds / 86_400,
            seconds / 3_600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            millis % 1_000
        ),
    );
}

/// Java's `Double.toString`: plain digits from 10^-3 to below 10^7, else `1.0E10`. `scientific`
/// is the same number as Rust's `{:e}`, which has the shortest digits of its own width.
fn java_float(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-3..7).contains(&exponent) {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        return format!("{mantissa}{point}E{exponent}");
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}.0");
    }
    let (before, after) = digits.split_at(whole);
    format!("{sign}{before}.{after}")
}

/// The text on one line: control characters become the pictures Unicode has for them (`␊`, `␉`),
/// invisible marks that would reorder or hide text become `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{0}'..='\u{1f}' => {
                out.push(char::from_u32(0x2400 + character as u32).unwrap_or('␀'));
            }
            '\u{7f}' => out.push('␡'),
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => push(&mut out, format_args!("{}", character.escape_unicode())),
            _ => out.push(character),
        }
    }
    out
}

/// The text, or its beginning and `…` if it is wider than `max_width` columns.
#[must_use]
pub fn cut(text: &str, max_width: usize) -> String {
    let mut width = 0;
    let mut end_of_kept = 0;
    for (offset, character) in text.char_indices() {
        width += character.width().unwrap_or(0);
        if width > max_width {
            return format!("{}…", &text[..end_of_kept]);
        }
        if width < max_width {
            end_of_kept = offset + character.len_utf8();
        }
    }
    text.to_owned()
}
