//! PRINTF: Java's `String.format` on Flink's own values.
//!
//! A format that does not fit its arguments gives NULL, as Flink swallows Java's exception. What
//! the arguments are shows: a DECIMAL is no `BigDecimal` but only has a text, a DATE is its number
//! of days, a TIME its milliseconds, a TIMESTAMP has the text of a `LocalDateTime`.
//!
//! ```text
//!   %[index$][flags][width][.precision]conversion      flags: - # + space 0 , (
//! ```
//!
//! Source: `java.util.Formatter`, Java 17; `PrintfFunction` of Flink 2.3.

mod special;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType,
};
use chrono::{NaiveDateTime, Timelike};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{temporal, text as shown};
use crate::functions::define::Call;

/// The function PRINTF.
pub(super) fn printf(call: &Call) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let Some(format) = call.text(0, row) else {
            values.push(None);
            continue;
        };
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (column, flink_type) in call.arguments.iter().zip(&call.types).skip(1) {
            arguments.push(Value::of(column, flink_type, row, call.zone)?);
        }
        values.push(formatted(format, &arguments)?);
    }
    Ok(std::sync::Arc::new(arrow::array::StringArray::from(values)))
}

/// An argument as Java's formatter sees it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Flag(bool),
    /// A whole number of so many bits; `is_long` ones are no characters.
    Whole {
        value: i64,
        bits: u32,
    },
    Float {
        /// As digits show it: a FLOAT is what its text says.
        value: f64,
        text: String,
        exact: f64,
        is_single: bool,
    },
    /// Anything else that has a text only.
    Text(String, Code),
}

/// What the hash code of a value with a text is made of.
#[derive(Debug, Clone, PartialEq)]
enum Code {
    Text,
    Decimal {
        unscaled: i128,
        scale: u8,
    },
    /// Milliseconds since the epoch, and nanoseconds behind them.
    Moment {
        millis: i64,
        nanos: u32,
    },
}

impl Value {
    fn of(
        array: &ArrayRef,
        flink_type: &FlinkType,
        row: usize,
        zone: chrono_tz::Tz,
    ) -> Result<Self> {
        use TypeRoot as T;
        if array.is_null(row) || flink_type.root == T::Null {
            return Ok(Self::Null);
        }
        let whole = |value: i64, bits: u32| Self::Whole { value, bits };
        Ok(match &flink_type.root {
            T::Boolean => Self::Flag(array.as_boolean().value(row)),
            T::TinyInt => whole(array.as_primitive::<Int8Type>().value(row).into(), 8),
            T::SmallInt => whole(array.as_primitive::<Int16Type>().value(row).into(), 16),
            T::Int => whole(array.as_primitive::<Int32Type>().value(row).into(), 32),
            T::BigInt => whole(array.as_primitive::<Int64Type>().value(row), 64),
            T::Date => whole(array.as_primitive::<Date32Type>().value(row).into(), 32),
            T::Time(_) => {
                let millis = array.as_primitive::<Time32MillisecondType>().value(row);
                whole(millis.into(), 32)
            }
            T::Float => {
                let value = array.as_primitive::<Float32Type>().value(row);
                let text = shown::value(array, row, flink_type, zone)?.unwrap_or_default();
                // Java widens a float through its text.
                Self::Float {
                    value: value.to_string().parse().unwrap_or(f64::from(value)),
                    text,
                    exact: f64::from(value),
                    is_single: true,
                }
            }
            T::Double => {
                let value = array.as_primitive::<Float64Type>().value(row);
                let text = shown::value(array, row, flink_type, zone)?.unwrap_or_default();
                Self::Float {
                    value,
                    text,
                    exact: value,
                    is_single: false,
                }
            }
            T::Char(_) | T::Varchar(_) | T::Decimal { .. } => {
                let text = shown::value(array, row, flink_type, zone)?.unwrap_or_default();
                let code = match &flink_type.root {
                    T::Decimal { scale, .. } => Code::Decimal {
                        unscaled: array.as_primitive::<Decimal128Type>().value(row),
                        scale: *scale,
                    },
                    _ => Code::Text,
                };
                Self::Text(text, code)
            }
            T::Timestamp(_) | T::TimestampLtz(_) => {
                let time = temporal::datetime(array, row)?;
                let code = Code::Moment {
                    millis: time.and_utc().timestamp_millis(),
                    nanos: time.nanosecond() % 1_000_000,
                };
                Self::Text(local_date_time(time), code)
            }
            T::IntervalDayTime { .. } | T::IntervalYearMonth { .. }
                if matches!(array.data_type(), DataType::Duration(_)) =>
            {
                let millis = array.as_primitive::<arrow::datatypes::DurationMillisecondType>();
                whole(millis.value(row), 64)
            }
            other => {
                return Err(EngineError::unsupported(format!(
                    "PRINTF of {}",
                    FlinkType::nullable(other.clone()).root_text()
                )));
            }
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole { value, .. } => value.to_string(),
            Self::Float { text, .. } | Self::Text(text, _) => text.clone(),
        }
    }
}

/// `LocalDateTime.toString`: seconds and fractions only where there are some.
fn local_date_time(value: NaiveDateTime) -> String {
    let nanos = value.nanosecond();
    let pattern = match (value.second(), nanos) {
        (0, 0) => "%Y-%m-%dT%H:%M",
        (_, 0) => "%Y-%m-%dT%H:%M:%S",
        (_, nanos) if nanos % 1_000_000 == 0 => "%Y-%m-%dT%H:%M:%S%.3f",
        (_, nanos) if nanos % 1_000 == 0 => "%Y-%m-%dT%H:%M:%S%.6f",
        _ => "%Y-%m-%dT%H:%M:%S%.9f",
    };
    value.format(pattern).to_string()
}

/// One `%…` of a format.
#[derive(Debug, Default)]
struct Spec {
    index: Option<usize>,
    is_previous: bool,
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn only(&self, allowed: &str) -> bool {
        self.flags.chars().all(|flag| allowed.contains(flag))
    }

    /// `text` as wide as asked.
    fn padded(&self, text: &str) -> String {
        let missing = self
            .width
            .unwrap_or(0)
            .saturating_sub(text.encode_utf16().count());
        let filling = " ".repeat(missing);
        if self.has('-') {
            text.to_owned() + &filling
        } else {
            filling + text
        }
    }
}

/// The text; `None` where Java throws.
fn formatted(format: &str, arguments: &[Value]) -> Result<Option<String>> {
    let mut out = String::with_capacity(format.len());
    let mut letters = format.chars().peekable();
    let mut ordinary = 0;
    let mut previous: Option<usize> = None;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let Some((spec, conversion)) = parse_spec(&mut letters) else {
            return Ok(None);
        };
        if matches!(conversion, 'n' | '%') {
            let is_fine = conversion == '%'
                && spec.only("-")
                && spec.precision.is_none()
                && (spec.width.is_some() || spec.flags.is_empty())
                || conversion == 'n' && spec.flags.is_empty() && spec.width.is_none();
            if !is_fine {
                return Ok(None);
            }
            let text = if conversion == 'n' { "\n" } else { "%" };
            out.push_str(&spec.padded(text));
            continue;
        }
        let index = match (spec.index, spec.is_previous) {
            (Some(index), _) => index.checked_sub(1),
            (None, true) => previous,
            (None, false) => {
                ordinary += 1;
                Some(ordinary - 1)
            }
        };
        let Some(value) = index.and_then(|index| arguments.get(index)) else {
            return Ok(None);
        };
        previous = index;
        let text = match conversion {
            't' | 'T' => match letters.next() {
                Some(letter) => special::moment(&spec, letter, value)?,
                None => None,
            },
            conversion => one(&spec, conversion, value),
        };
        match text {
            Some(text) if conversion == 'T' => out.push_str(&text.to_uppercase()),
            Some(text) => out.push_str(&text),
            None => return Ok(None),
        }
    }
    Ok(Some(out))
}

fn parse_spec(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<(Spec, char)> {
    let mut spec = Spec::default();
    let digits = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut text = String::new();
        while let Some(digit) = letters.next_if(char::is_ascii_digit) {
            text.push(digit);
        }
        text
    };
    if letters.next_if_eq(&'<').is_some() {
        spec.is_previous = true;
    }
    // A number that does not begin with 0 is an index or the width.
    if letters
        .peek()
        .is_some_and(|next| ('1'..='9').contains(next))
    {
        let number: usize = digits(letters).parse().ok()?;
        if letters.next_if_eq(&'$').is_some() {
            spec.index = Some(number);
        } else {
            spec.width = Some(number);
        }
    }
    if spec.width.is_none() {
        while let Some(flag) = letters.next_if(|next| "-#+ 0,(".contains(*next)) {
            if spec.has(flag) {
                return None;
            }
            spec.flags.push(flag);
        }
        let width = digits(letters);
        if !width.is_empty() {
            spec.width = Some(width.parse().ok()?);
        }
    }
    if letters.next_if_eq(&'.').is_some() {
        spec.precision = Some(digits(letters).parse().ok()?);
    }
    let conversion = letters.next()?;
    let pads = spec.has('-') || spec.has('0');
    let clash = (spec.has('-') && spec.has('0')) || (spec.has('+') && spec.has(' '));
    (!clash && (!pads || spec.width.is_some())).then_some((spec, conversion))
}

fn one(spec: &Spec, conversion: char, value: &Value) -> Option<String> {
    let is_upper = conversion.is_ascii_uppercase();
    let text = match conversion.to_ascii_lowercase() {
        's' => general(spec, value.text()),
        'b' => general(
            spec,
            match value {
                Value::Null => "false".to_owned(),
                Value::Flag(flag) => flag.to_string(),
                _ => "true".to_owned(),
            },
        ),
        'h' => general(spec, special::hash_code(value)),
        'c' => character(spec, value),
        'd' if !is_upper => decimal(spec, value),
        'o' if !is_upper => radix(spec, value, 8),
        'x' => radix(spec, value, 16),
        'f' if !is_upper => floating(spec, value, fixed),
        'e' if spec.has(',') => None,
        'e' => floating(spec, value, scientific),
        'g' => {
            if spec.has('#') {
                None
            } else {
                floating(spec, value, either)
            }
        }
        'a' => special::hexadecimal(spec, value),
        _ => None,
    };
    text.map(|text| if is_upper { text.to_uppercase() } else { text })
}

fn general(spec: &Spec, text: String) -> Option<String> {
    if !spec.only("-") {
        return None;
    }
    let cut: String = match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    };
    Some(spec.padded(&cut))
}

fn character(spec: &Spec, value: &Value) -> Option<String> {
    if !spec.only("-") || spec.precision.is_some() {
        return None;
    }
    match value {
        Value::Null => Some(spec.padded("null")),
        Value::Whole { value, bits } if *bits < 64 => {
            let letter = char::from_u32(u32::try_from(*value).ok()?)?;
            Some(spec.padded(&letter.to_string()))
        }
        _ => None,
    }
}

fn decimal(spec: &Spec, value: &Value) -> Option<String> {
    if !spec.only("-+ 0,(") || spec.precision.is_some() {
        return None;
    }
    match value {
        Value::Null => Some(spec.padded("null")),
        Value::Whole { value, .. } => {
            let digits = value.unsigned_abs().to_string();
            Some(signed(spec, *value < 0, &digits))
        }
        _ => None,
    }
}

fn radix(spec: &Spec, value: &Value, radix: u32) -> Option<String> {
    if !spec.only("-#0") || spec.precision.is_some() {
        return None;
    }
    let Value::Whole { value, bits } = value else {
        return (*value == Value::Null).then(|| spec.padded("null"));
    };
    let mask = u64::MAX >> (64 - bits);
    let value = value.cast_unsigned() & mask;
    let (digits, prefix) = if radix == 16 {
        (format!("{value:x}"), "0x")
    } else {
        (format!("{value:o}"), "0")
    };
    let prefix = if spec.has('#') { prefix } else { "" };
    let missing = spec
        .width
        .unwrap_or(0)
        .saturating_sub(digits.len() + prefix.len());
    let zeros = if spec.has('0') {
        "0".repeat(missing)
    } else {
        String::new()
    };
    Some(spec.padded(&format!("{prefix}{zeros}{digits}")))
}

/// A number with its sign, grouping and padding; `digits` may hold a point and an exponent.
fn signed(spec: &Spec, is_negative: bool, digits: &str) -> String {
    let body = if spec.has(',') {
        grouped(digits)
    } else {
        digits.to_owned()
    };
    let (before, after) = match (is_negative, spec.has('(')) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        (false, _) if spec.has('+') => ("+", ""),
        (false, _) if spec.has(' ') => (" ", ""),
        _ => ("", ""),
    };
    let missing = spec
        .width
        .unwrap_or(0)
        .saturating_sub(before.len() + body.len() + after.len());
    let zeros = if spec.has('0') {
        "0".repeat(missing)
    } else {
        String::new()
    };
    spec.padded(&format!("{before}{zeros}{body}{after}"))
}

fn grouped(digits: &str) -> String {
    let (whole, rest) = match digits.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let mut out = String::new();
    for (digit_idx, digit) in whole.chars().enumerate() {
        if digit_idx > 0 && (whole.len() - digit_idx) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn floating(spec: &Spec, value: &Value, digits: fn(f64, usize) -> String) -> Option<String> {
    let Value::Float { value, .. } = value else {
        // Java cuts the word as it cuts a text.
        let shown: String = "null".chars().take(spec.precision.unwrap_or(4)).collect();
        return (*value == Value::Null).then(|| spec.padded(&shown));
    };
    if !value.is_finite() {
        let text = if value.is_nan() { "NaN" } else { "Infinity" };
        let unsigned: &[char] = if value.is_nan() {
            &['0', ',', '+', ' ']
        } else {
            &['0', ',']
        };
        let plain = Spec {
            flags: spec.flags.replace(unsigned, ""),
            width: spec.width,
            ..Spec::default()
        };
        return Some(signed(&plain, *value < 0.0, text));
    }
    let precision = spec.precision.unwrap_or(6);
    let is_negative = value.is_sign_negative();
    let mut digits = digits(value.abs(), precision);
    if precision == 0 && spec.has('#') {
        let end = digits.find('e').unwrap_or(digits.len());
        digits.insert(end, '.');
    }
    Some(signed(spec, is_negative, &digits))
}

/// The shortest digits of a number and the place of its point: 0.d₁d₂… · 10^place.
fn shortest(value: f64) -> (Vec<u8>, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// The first `kept` digits, rounded half up; whether a digit was carried in front.
fn rounded(digits: &[u8], kept: i32) -> (Vec<u8>, bool) {
    let Ok(kept) = usize::try_from(kept) else {
        return (Vec::new(), false);
    };
    let mut out: Vec<u8> = digits.iter().copied().take(kept).collect();
    out.resize(kept, 0);
    if digits.get(kept).is_none_or(|next| *next < 5) {
        return (out, false);
    }
    for digit in out.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return (out, false);
        }
        *digit = 0;
    }
    out.insert(0, 1);
    (out, true)
}

fn shown_digits(digits: &[u8]) -> String {
    digits
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

/// `%f`
fn fixed(value: f64, precision: usize) -> String {
    let (digits, place) = shortest(value);
    let fraction = i32::try_from(precision).unwrap_or(i32::MAX - 400);
    let (kept, carried) = rounded(&digits, place + fraction);
    let place = if carried { place + 1 } else { place };
    let mut all = shown_digits(&kept);
    if place <= 0 {
        let zeros = usize::try_from(1 - place).unwrap_or(1);
        all = "0".repeat(zeros) + &all;
    }
    let wanted = usize::try_from(place.max(1)).unwrap_or(1) + precision;
    while all.len() < wanted {
        all.push('0');
    }
    all.truncate(wanted);
    let point = all.len() - precision;
    if precision == 0 {
        return all;
    }
    let (whole, rest) = all.split_at(point);
    format!("{whole}.{rest}")
}

/// `%e`
fn scientific(value: f64, precision: usize) -> String {
    let (digits, place) = shortest(value);
    let kept = i32::try_from(precision).unwrap_or(i32::MAX - 1) + 1;
    let (mut kept, carried) = rounded(&digits, kept);
    let mut exponent = if value == 0.0 { 0 } else { place - 1 };
    if carried {
        kept.pop();
        exponent += 1;
    }
    let text = shown_digits(&kept);
    let (first, rest) = text.split_at(1);
    let point = if precision == 0 { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

/// `%g`
fn either(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    if value == 0.0 {
        return fixed(value, precision - 1);
    }
    let (digits, place) = shortest(value);
    let kept = i32::try_from(precision).unwrap_or(i32::MAX - 1);
    let (_, carried) = rounded(&digits, kept);
    let place = if carried { place + 1 } else { place };
    if place > -4 && place <= kept {
        let fraction = usize::try_from(kept - place).unwrap_or(0);
        fixed(value, fraction)
    } else {
        scientific(value, precision - 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn formats_of_java() {
        let whole = |value| Value::Whole { value, bits: 32 };
        let float = |value: f64| Value::Float {
            value,
            text: format!("{value:?}"),
            exact: value,
            is_single: false,
        };
        let text = |text: &str| Value::Text(text.to_owned(), Code::Text);
        let long = |value| Value::Whole { value, bits: 64 };
        let cases: Vec<(&str, Vec<Value>, Option<&str>)> = vec![
            (
                "%5d|%-5d|%05d",
                vec![whole(1), whole(2), whole(3)],
                Some("    1|2    |00003"),
            ),
            (
                "%x %X %o",
                vec![whole(255), whole(255), whole(8)],
                Some("ff FF 10"),
            ),
            ("%x", vec![whole(-1)], Some("ffffffff")),
            ("%e", vec![float(12345.678)], Some("1.234568e+04")),
            ("%g", vec![float(12345.678)], Some("12345.7")),
            ("%.2f", vec![float(1.5)], Some("1.50")),
            ("%.1f", vec![float(0.25)], Some("0.3")),
            ("%.0f", vec![float(99.5)], Some("100")),
            ("%.3f", vec![float(0.0005)], Some("0.001")),
            ("%.2f", vec![float(0.001)], Some("0.00")),
            ("%f", vec![float(0.0)], Some("0.000000")),
            ("%,d", vec![whole(1_234_567)], Some("1,234,567")),
            ("%(d", vec![whole(-5)], Some("(5)")),
            ("%+d", vec![whole(5)], Some("+5")),
            ("%2$s %1$s", vec![text("a"), text("b")], Some("b a")),
            ("%s %<s", vec![text("a")], Some("a a")),
            ("%10.3s|", vec![text("abcdef")], Some("       abc|")),
            ("%S", vec![text("abc")], Some("ABC")),
            ("%d", vec![Value::Null], Some("null")),
            ("%d", vec![text("1.5")], None),
            ("%f", vec![whole(1)], None),
            ("%q", vec![whole(1)], None),
            ("%d %d", vec![whole(1)], None),
            ("%c", vec![whole(65)], Some("A")),
            ("%c", vec![text("a")], None),
            ("100%%", vec![], Some("100%")),
            ("%.3d", vec![whole(5)], None),
            ("%-d", vec![whole(5)], None),
            ("%012a", vec![float(1.5)], Some("0x000001.8p0")),
            (
                "%+A|%a",
                vec![float(1.0), float(-0.1)],
                Some("+0X1.0P0|-0x1.999999999999ap-4"),
            ),
            ("%(a", vec![float(1.0)], None),
            ("%,e", vec![float(1.0)], None),
            ("%#.0e", vec![float(12345.678)], Some("1.e+04")),
            ("%(e", vec![float(-0.00001234)], Some("(1.234000e-05)")),
            ("%+e", vec![float(f64::NAN)], Some("NaN")),
            ("%+e", vec![float(f64::INFINITY)], Some("+Infinity")),
            (
                "%H %.3h",
                vec![text("abc"), text("abc")],
                Some("4ED2CBB4 4ed"),
            ),
            (
                "%1$tF %1$tT",
                vec![long(1_704_164_645_678)],
                Some("2024-01-02 03:04:05"),
            ),
            (
                "%-10TB|",
                vec![long(1_704_164_645_678)],
                Some("JANUARY   |"),
            ),
            ("%tY", vec![Value::Null], Some("null")),
            ("%tY", vec![whole(5)], None),
            ("%tX", vec![long(5)], None),
            ("%.3tY", vec![long(5)], None),
        ];
        for (format, arguments, expected) in cases {
            assert_eq!(
                formatted(format, &arguments).unwrap().as_deref(),
                expected,
                "{format}"
            );
        }
    }
}
