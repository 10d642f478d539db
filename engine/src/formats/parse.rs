//! Texts to values, as Flink's csv and json formats read them.
//!
//! Every function takes the bytes of one field and gives `None` where Flink's converter throws;
//! the format decides whether that is NULL or the end of the job. Integers are Java's `parseLong`
//! (a sign, then ASCII digits), floats Java's `parseDouble` (`NaN`, `Infinity`, a trailing `d` or
//! `f`), dates `java.sql.Date.valueOf` (one or two digits, days up to 31 roll over), timestamps
//! strict patterns.
//!
//! Source: `CsvToRowDataConverters`, `JsonToRowDataConverters` and `TimeFormats` of Flink 2.3; the
//! cases in the tests were run on 2.3.0.

use arrow::datatypes::TimeUnit;
use chrono::{Days, NaiveDate, NaiveTime, Timelike};

/// The bytes without what Java's `String.trim` takes off: everything up to the space character.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [first, rest @ ..] = bytes {
        if *first > b' ' {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if *last > b' ' {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// A whole number with an optional sign.
#[must_use]
pub fn parse_i64(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return None;
    }
    // Eighteen digits cannot overflow; the checked loop is for longer ones.
    if digits.len() <= 18 {
        let mut value = 0_i64;
        for &byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        let digit = i64::from(digit);
        value = value.checked_mul(10)?;
        value = if negative {
            value.checked_sub(digit)?
        } else {
            value.checked_add(digit)?
        };
    }
    Some(value)
}

/// A floating-point number in Java's notation, hexadecimal floats excepted.
#[must_use]
pub fn parse_f64(bytes: &[u8]) -> Option<f64> {
    java_float(trim(bytes))
}

/// As [`parse_f64`], rounded once, to single precision.
#[must_use]
pub fn parse_f32(bytes: &[u8]) -> Option<f32> {
    java_float(trim(bytes))
}

fn java_float<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    let (sign, unsigned) = match bytes {
        [b'-', rest @ ..] => ("-", rest),
        [b'+', rest @ ..] => ("", rest),
        _ => ("", bytes),
    };
    match unsigned {
        b"NaN" => return "NaN".parse().ok(),
        b"Infinity" => return format!("{sign}inf").parse().ok(),
        _ => {}
    }
    if !matches!(unsigned.first(), Some(b'0'..=b'9' | b'.')) {
        return None;
    }
    let digits = match bytes {
        [rest @ .., b'd' | b'D' | b'f' | b'F'] => rest,
        _ => bytes,
    };
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A decimal number as an integer of unit 10^-`scale`, rounded half up.
///
/// `Some(None)` where the number is well-formed and has more than `precision` digits: NULL in
/// Flink, not an error.
#[must_use]
pub fn parse_decimal(bytes: &[u8], precision: u8, scale: i8) -> Option<Option<i128>> {
    let (negative, mut rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let mut exponent = 0_i64;
    if let Some(at) = rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        exponent = parse_i64(rest.get(at + 1..)?)?;
        rest = rest.get(..at)?;
    }
    let (whole, fraction) = match rest.iter().position(|&byte| byte == b'.') {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
        None => (rest, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    // Index of the digit that is the first to be rounded away.
    let n_kept = i64::try_from(whole.len()).ok()? + exponent + i64::from(scale);
    let mut digits = whole.iter().chain(fraction).map(|digit| digit - b'0');
    let mut value = 0_i128;
    for _ in 0..n_kept.clamp(0, 100_000) {
        let digit = digits.next().unwrap_or(0);
        let Some(next) = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit)))
        else {
            return Some(None);
        };
        value = next;
    }
    if n_kept >= 0 && digits.next().unwrap_or(0) >= 5 {
        value += 1;
    }
    if value >= 10_i128.pow(u32::from(precision.min(38))) {
        return Some(None);
    }
    Some(Some(if negative { -value } else { value }))
}

/// Days since the epoch of `yyyy-[M]M-[d]d`.
#[must_use]
pub fn parse_date(bytes: &[u8]) -> Option<i32> {
    let mut parts = bytes.split(|&byte| byte == b'-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
    days_since_epoch(first.checked_add_days(Days::new(u64::from(day) - 1))?)
}

/// Milliseconds since midnight of `HH:mm[:ss[.fraction]]`.
#[must_use]
pub fn parse_time(bytes: &[u8]) -> Option<i32> {
    let (seconds_of_day, nanos) = match bytes {
        [_, _, b':', _, _] => {
            let time =
                NaiveTime::from_hms_opt(digits(bytes.get(..2)?)?, digits(bytes.get(3..)?)?, 0)?;
            (time.num_seconds_from_midnight(), 0)
        }
        _ => clock(bytes)?,
    };
    i32::try_from(seconds_of_day * 1000 + nanos / 1_000_000).ok()
}

/// How timestamps are written: the option `timestamp-format.standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampFormat {
    /// `yyyy-MM-dd HH:mm:ss[.fraction]`.
    Sql,
    /// `yyyy-MM-ddTHH:mm:ss[.fraction]`.
    Iso8601,
}

impl TimestampFormat {
    /// What stands between date and time.
    #[must_use]
    pub const fn separator(self) -> u8 {
        match self {
            Self::Sql => b' ',
            Self::Iso8601 => b'T',
        }
    }
}

/// A timestamp without zone, in `unit`s since the epoch; finer digits are cut off.
#[must_use]
pub fn parse_timestamp(bytes: &[u8], format: TimestampFormat, unit: TimeUnit) -> Option<i64> {
    let (date, clock_text) = bytes.split_at_checked(10)?;
    let (separator, clock_text) = clock_text.split_first()?;
    if *separator != format.separator() {
        return None;
    }
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return None;
    };
    let year = two_digits(y1, y2)? * 100 + two_digits(y3, y4)?;
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Java's smart resolving: the 31st of a shorter month is its last day.
    let day = day.min(days_of_month(year, month));
    let days = i64::from(days_of_date(year, month, day));
    let (seconds_of_day, nanos) = match clock_text {
        b"24:00:00" => (86_400, 0),
        _ => {
            let (seconds_of_day, nanos) = clock(clock_text)?;
            (i64::from(seconds_of_day), nanos)
        }
    };
    let seconds = days * 86_400 + seconds_of_day;
    let nanos = i64::from(nanos);
    match unit {
        TimeUnit::Second => Some(seconds),
        TimeUnit::Millisecond => Some(seconds * 1_000 + nanos / 1_000_000),
        TimeUnit::Microsecond => Some(seconds * 1_000_000 + nanos / 1_000),
        TimeUnit::Nanosecond => seconds.checked_mul(1_000_000_000)?.checked_add(nanos),
    }
}

/// A timestamp with the literal zone `Z`, in `unit`s since the epoch.
#[must_use]
pub fn parse_timestamp_utc(bytes: &[u8], format: TimestampFormat, unit: TimeUnit) -> Option<i64> {
    let (last, rest) = bytes.split_last()?;
    if *last != b'Z' {
        return None;
    }
    parse_timestamp(rest, format, unit)
}

/// Base64 with padding, as Jackson's default variant; line feeds are not taken.
#[must_use]
pub fn parse_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let n_padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    if n_padding > 2 {
        return None;
    }
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    for quad in bytes.chunks_exact(4) {
        let mut value = 0_u32;
        for &byte in quad {
            value = value << 6 | u32::from(base64_digit(byte)?);
        }
        decoded.extend_from_slice(value.to_be_bytes().get(1..)?);
    }
    decoded.truncate(decoded.len() - n_padding);
    let n_digits = bytes.len() - n_padding;
    bytes
        .get(..n_digits)?
        .iter()
        .all(|&byte| byte != b'=')
        .then_some(decoded)
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}

/// `HH:mm:ss[.fraction]` with up to nine digits of fraction, as the second of the day and the
/// nanoseconds.
fn clock(bytes: &[u8]) -> Option<(u32, u32)> {
    let (hms, fraction) = bytes.split_at_checked(8)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *hms else {
        return None;
    };
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    let seconds = two_digits(s1, s2)?;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let nanos = match fraction {
        [] => 0,
        [b'.'] => 0,
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            digits(fraction)? * 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    Some((hours * 3_600 + minutes * 60 + seconds, nanos))
}

/// The number that two ASCII digits are.
fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days since the epoch of a date of the Gregorian calendar, from year 0 on: counted from the
/// first of March, behind which a leap day cannot stand.
///
/// Source: `days_from_civil` in "chrono-Compatible Low-Level Date Algorithms", H. Hinnant.
fn days_of_date(year: u32, month: u32, day: u32) -> i32 {
    // Year 0 begins in March of the year before it, so all are moved by one era of 400 years.
    let year = year + 400 - u32::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era) as i32 - 719_468 - 146_097
}

/// Up to nine ASCII digits.
fn digits(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 9 {
        return None;
    }
    bytes.iter().try_fold(0_u32, |value, &byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u32::from(byte - b'0'))
    })
}

fn days_since_epoch(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

#[cfg(test)]
mod date_tests {
    use super::*;

    /// Every day of the years that four digits can say.
    #[test]
    fn days_are_those_of_the_calendar() {
        let mut date = NaiveDate::from_ymd_opt(0, 1, 1);
        let mut n_days = 0;
        while let Some(day) = date.filter(|day| chrono::Datelike::year(day) <= 9999) {
            let text = day.format("%Y-%m-%d 00:00:00").to_string();
            let seconds = parse_timestamp(text.as_bytes(), TimestampFormat::Sql, TimeUnit::Second);
            let days = days_since_epoch(day).map(i64::from);
            assert_eq!(seconds, days.map(|days| days * 86_400), "{text}");
            date = day.succ_opt();
            n_days += 1;
        }
        assert_eq!(n_days, 3_652_425);
    }
}
