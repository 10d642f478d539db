//! Values as text, and times and decimals from it.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};

use super::Value;

const MICROS_PER_SECOND: i64 = 1_000_000;

impl Value {
    /// The text of a value, as SQL writes it and without quotes.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::UInt(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Decimal { unscaled, scale } => decimal_text(*unscaled, *scale),
            Self::Text(text) | Self::LongDecimal(text) => text.clone(),
            Self::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing into a String does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            }),
            Self::Date(days) => date_text(*days),
            Self::Time(micros) => time_text(*micros),
            Self::Timestamp(micros) | Self::Instant(micros) => timestamp_text(*micros),
            Self::Array(values) => {
                let values: Vec<String> = values.iter().map(Self::text).collect();
                format!("[{}]", values.join(", "))
            }
            Self::Foreign(kind) => (*kind).to_owned(),
        }
    }
}

/// `-12.50`.
fn decimal_text(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// `2020-01-31`.
fn date_text(days: i32) -> String {
    match NaiveDate::from_epoch_days(days) {
        Some(date) => date.to_string(),
        None => format!("day {days}"),
    }
}

/// `12:30:00`, with a fraction if there is one.
fn time_text(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
    let text = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    with_fraction(text, micros.rem_euclid(MICROS_PER_SECOND))
}

/// `2020-01-31 12:30:00`, with a fraction if there is one.
fn timestamp_text(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => {
            let text = time.format("%Y-%m-%d %H:%M:%S").to_string();
            with_fraction(text, micros.rem_euclid(MICROS_PER_SECOND))
        }
        None => format!("microsecond {micros}"),
    }
}

fn with_fraction(mut text: String, micros: i64) -> String {
    if micros > 0 {
        let fraction = format!("{micros:06}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

/// Days since 1970 of `2020-01-31`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?;
    Some(date.to_epoch_days())
}

/// Microseconds of `12:30`, `12:30:00`, `12:30:00.5`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()?;
    let seconds = i64::from(time.num_seconds_from_midnight());
    Some(seconds * MICROS_PER_SECOND + i64::from(time.nanosecond() / 1000))
}

/// Microseconds of `2020-01-31`, `2020-01-31 12:30:00.5`, `2020-01-31T12:30:00Z`.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix('Z').unwrap_or(text);
    if let Some(days) = parse_date(text) {
        return i64::from(days).checked_mul(86_400 * MICROS_PER_SECOND);
    }
    let formats = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ];
    let mut parsed = formats
        .iter()
        .filter_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    Some(parsed.next()?.and_utc().timestamp_micros())
}

/// Digits and scale of `-12.50` or `1.25E+3`; none if it is no number or has too many digits.
pub(crate) fn parse_decimal(text: &str) -> Option<(i128, u8)> {
    let text = text.trim();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    if !is_digits(unsigned) || !is_digits(fraction) || (unsigned.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let digits = format!("{unsigned}{fraction}");
    let trimmed = digits.trim_start_matches('0');
    let value: i128 = match trimmed {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let value = if whole.starts_with('-') {
        -value
    } else {
        value
    };
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if scale >= 0 {
        return Some((value, u8::try_from(scale).ok()?));
    }
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    Some((value.checked_mul(factor)?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_and_read() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (-1250, 2, "-12.50"),
            (5, 3, "0.005"),
            (-5, 3, "-0.005"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(decimal_text(unscaled, scale), text);
            assert_eq!(parse_decimal(text), Some((unscaled, scale)));
        }
        assert_eq!(parse_decimal("1.25E+3"), Some((1250, 0)));
        assert_eq!(parse_decimal("1e-7"), Some((1, 7)));
        for text in ["", ".", "1,5", "NaN", "--1", "1e"] {
            assert_eq!(parse_decimal(text), None);
        }
    }

    #[test]
    fn times_are_written_and_read() {
        for text in [
            "1970-01-01 00:00:00",
            "1969-12-31 23:59:59.999999",
            "2020-02-29 12:30:00.5",
        ] {
            let micros = parse_timestamp(text);
            assert_eq!(micros.map(timestamp_text).as_deref(), Some(text));
        }
        assert_eq!(
            parse_timestamp("2020-02-29T00:00:00Z"),
            parse_timestamp("2020-02-29")
        );
        assert_eq!(parse_timestamp("2020-02-30"), None);
        assert_eq!(parse_time("01:02"), Some(3_720_000_000));
        assert_eq!(parse_time("24:00:00"), None);
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(date_text(-1), "1969-12-31");
    }
}
