//! Texts to values, as CAST reads them.
//!
//! More lenient than the readers of formats: texts are trimmed, integers may have a fraction that
//! is cut off, dates may be incomplete.
//!
//! Source: `BinaryStringDataUtil` and `DateTimeUtils` of Flink 2.3.

use arrow::datatypes::i256;
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

/// The words for true and false, in any case, not trimmed.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number within `min..=max`; a fraction is read and dropped.
#[must_use]
pub fn integer(text: &str, min: i64, max: i64) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let magnitude = if whole.is_empty() {
        0
    } else {
        whole.parse::<i128>().ok()?
    };
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value)
        .ok()
        .filter(|value| (min..=max).contains(value))
}

/// A floating-point number as Java's `Double.parseDouble` reads it.
#[must_use]
pub fn double(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned {
        "NaN" | "Infinity" => {}
        _ => {
            let starts_well = unsigned
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit() || byte == b'.');
            if !starts_well {
                return None;
            }
        }
    }
    let text = text
        .strip_suffix(['d', 'D', 'f', 'F'])
        .filter(|rest| rest.ends_with(|last: char| last.is_ascii_digit() || last == '.'))
        .unwrap_or(text);
    text.parse().ok()
}

/// What became of a decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalText {
    /// The unscaled value at the wanted scale, rounded half up.
    Value(i128),
    /// A number with more whole digits than the type has.
    TooLong,
    /// No number.
    Malformed,
}

/// Digits of the longest number that Flink keeps in 64 bits.
const MAX_SHORT_DIGITS: usize = 18;

/// A text cast to DECIMAL(precision, scale).
///
/// Short texts for short types are read by Flink byte by byte: zeros in front count as digits of
/// the number, one foreign character behind the digits is passed over, and what lies more than 18
/// places below the scale is refused. All others are read as Java's `BigDecimal` reads them.
#[must_use]
pub fn decimal_of_text(text: &str, precision: u8, scale: i8) -> DecimalText {
    if usize::from(precision) > MAX_SHORT_DIGITS || text.len() > MAX_SHORT_DIGITS {
        return decimal(text, precision, scale);
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t');
    let mut bytes = text.bytes().skip_while(blank).peekable();
    let negative = bytes.peek() == Some(&b'-');
    if matches!(bytes.peek(), Some(b'-' | b'+')) {
        bytes.next();
    }
    if bytes.peek().is_none() {
        return DecimalText::Malformed;
    }
    let (mut unscaled, mut n_digits, mut point) = (0_i128, 0_i32, None);
    let mut last = 0;
    for byte in bytes.by_ref() {
        last = byte;
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled * 10 + i128::from(byte - b'0');
                n_digits += 1;
            }
            b'.' if point.is_some() => return DecimalText::Malformed,
            b'.' => point = Some(n_digits),
            _ => break,
        }
    }
    let mut exponent = point.unwrap_or(n_digits) - n_digits;
    if matches!(last, b'e' | b'E') && bytes.peek().is_some() {
        match short_exponent(&mut bytes) {
            Some(written) => exponent += written,
            None => return DecimalText::Malformed,
        }
    }
    if !bytes.all(|byte| blank(&byte)) {
        return DecimalText::Malformed;
    }
    let change = exponent + i32::from(scale);
    if n_digits + change > i32::from(precision) {
        return DecimalText::TooLong;
    }
    let Some(unit) = 10_i128.checked_pow(change.unsigned_abs()) else {
        return DecimalText::TooLong;
    };
    let unscaled = match change {
        0.. => unscaled * unit,
        -18..0 => (unscaled + unit / 2) / unit,
        _ => return DecimalText::TooLong,
    };
    if !fits(unscaled, precision) {
        return DecimalText::TooLong;
    }
    DecimalText::Value(if negative { -unscaled } else { unscaled })
}

/// The digits behind `e`, up to the first other byte; `None` behind a lone sign.
fn short_exponent(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> Option<i32> {
    /// Beyond it every number is too long or nothing.
    const STOP: i32 = 40;
    let negative = bytes.peek() == Some(&b'-');
    if matches!(bytes.peek(), Some(b'-' | b'+')) {
        bytes.next();
        bytes.peek()?;
    }
    let mut exponent = 0;
    for byte in bytes.by_ref() {
        match byte {
            b'0'..=b'9' if exponent >= STOP => {}
            b'0'..=b'9' => exponent = exponent * 10 + i32::from(byte - b'0'),
            _ => break,
        }
    }
    Some(if negative { -exponent } else { exponent })
}

/// A decimal number, `1e3` included, for DECIMAL(precision, scale).
#[must_use]
pub fn decimal(text: &str, precision: u8, scale: i8) -> DecimalText {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return DecimalText::Malformed,
        },
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty())
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit());
    if !is_number {
        return DecimalText::Malformed;
    }
    let all: String = whole.chars().chain(fraction.chars()).collect();
    let all = all.trim_start_matches('0');
    if all.is_empty() {
        return DecimalText::Value(0);
    }
    // The digit at index `end` of `all` is the first one behind the wanted scale.
    let n_digits = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let n_fraction = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let end = n_digits
        .saturating_sub(n_fraction)
        .saturating_add(exponent)
        .saturating_add(i32::from(scale));
    if end > 39 {
        return DecimalText::TooLong;
    }
    let mut unscaled: i128 = 0;
    for digit_idx in 0..end.max(0) {
        let digit = usize::try_from(digit_idx)
            .ok()
            .and_then(|index| all.as_bytes().get(index))
            .map_or(0, |byte| i128::from(byte - b'0'));
        match unscaled
            .checked_mul(10)
            .and_then(|value| value.checked_add(digit))
        {
            Some(value) => unscaled = value,
            None => return DecimalText::TooLong,
        }
    }
    let next = usize::try_from(end)
        .ok()
        .and_then(|index| all.as_bytes().get(index).copied());
    if next.is_some_and(|byte| byte >= b'5') {
        unscaled += 1;
    }
    if !fits(unscaled, precision) {
        return DecimalText::TooLong;
    }
    DecimalText::Value(if negative { -unscaled } else { unscaled })
}

/// Whether an unscaled value has at most `precision` digits.
#[must_use]
pub fn fits(unscaled: i128, precision: u8) -> bool {
    i256::from_i128(10)
        .checked_pow(u32::from(precision))
        .is_none_or(|limit| i256::from_i128(unscaled).wrapping_abs() < limit)
}

/// `yyyy-M-d`, `yyyy-M` or `yyyy`; what stands behind a blank is passed over.
#[must_use]
pub fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let text = text.split_once(' ').map_or(text, |(day, _)| day);
    let mut parts = text.splitn(3, '-');
    let number = |part: Option<&str>| match part {
        Some(part) => {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<u32>().ok()).flatten()
        }
        None => Some(1),
    };
    let year = parts.next().filter(|part| !part.is_empty());
    let year = i32::try_from(number(Some(year?))?).ok()?;
    let (month, day) = (number(parts.next())?, number(parts.next())?);
    if !(0..=9999).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year, month, day)
}

/// `HH[:mm[:ss[.fraction]]]` in milliseconds.
#[must_use]
pub fn time(text: &str) -> Option<i32> {
    let mut parts = text.trim().splitn(3, ':');
    let hours = two_digits(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), two_digits)?;
    let (seconds, millis) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
            let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (two_digits(whole)?, padded.parse::<i32>().ok()?)
        }
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

/// `yyyy-M-d` or `yyyy-M-d HH:mm:ss[.fraction]`. A day behind the end of its month is the month's
/// last, and 24:00:00 is the next day, as Java's smart resolver has it. Blanks around it are refused,
/// and so is the year 0.
#[must_use]
pub fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let (day, clock) = match text.split_once(' ') {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let year = year.parse::<i32>().ok().filter(|year| *year > 0)?;
    let month = u32::try_from(two_digits(month)?).ok()?;
    let day = u32::try_from(two_digits(day)?).ok()?;
    let date = if (1..=31).contains(&day) {
        (day.min(28)..=day)
            .rev()
            .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))?
    } else {
        return None;
    };
    let Some(clock) = clock else {
        return Some(date.and_time(NaiveTime::MIN));
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some()
        || fraction.len() > 9
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let (hours, minutes, seconds) = (
        two_digits(hours)?,
        two_digits(minutes)?,
        two_digits(seconds)?,
    );
    let padded: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos = padded.parse::<u32>().ok()?;
    if hours == 24 && minutes == 0 && seconds == 0 && nanos == 0 {
        return Some(
            date.checked_add_days(Days::new(1))?
                .and_time(NaiveTime::MIN),
        );
    }
    let unsigned = |value: i32| u32::try_from(value).ok();
    date.and_hms_nano_opt(
        unsigned(hours)?,
        unsigned(minutes)?,
        unsigned(seconds)?,
        nanos,
    )
}

fn two_digits(text: &str) -> Option<i32> {
    let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_drop_their_fraction_and_keep_their_range() {
        assert_eq!(integer(" 123 ", -200, 200), Some(123));
        assert_eq!(integer("1.9", -200, 200), Some(1));
        assert_eq!(integer("+5", -200, 200), Some(5));
        for wrong in ["", "1e2", "201", "abc", "--1", "1.x"] {
            assert_eq!(integer(wrong, -200, 200), None, "{wrong}");
        }
    }

    #[test]
    fn decimals_round_half_up() {
        assert_eq!(decimal("1.235", 5, 2), DecimalText::Value(124));
        assert_eq!(decimal("-1.235", 5, 2), DecimalText::Value(-124));
        assert_eq!(decimal("1e3", 10, 2), DecimalText::Value(100_000));
        assert_eq!(decimal("12e-4", 10, 2), DecimalText::Value(0));
        assert_eq!(decimal("0.005", 10, 2), DecimalText::Value(1));
        assert_eq!(decimal("1234.5", 5, 2), DecimalText::TooLong);
        assert_eq!(decimal("abc", 5, 2), DecimalText::Malformed);
    }

    #[test]
    fn short_decimals_are_read_byte_by_byte() {
        use DecimalText::{Malformed, TooLong, Value};
        for (text, precision, scale, wanted) in [
            ("1.235", 5, 2, Value(124)),
            (" -1.235 ", 5, 2, Value(-124)),
            ("12x", 5, 2, Value(1200)),
            ("12xy", 5, 2, Malformed),
            ("T", 5, 2, Value(0)),
            ("3e", 5, 2, Value(300)),
            ("3e1", 5, 2, Value(3000)),
            ("3e-", 5, 2, Malformed),
            (".5", 1, 1, Value(5)),
            ("0.5", 1, 1, TooLong),
            ("007", 2, 0, TooLong),
            ("1e-20", 10, 2, Value(0)),
            ("1e-21", 10, 2, TooLong),
            ("-", 5, 2, Malformed),
            ("", 5, 2, Malformed),
            ("1.2.3", 5, 2, Malformed),
            ("007", 20, 0, Value(7)),
            ("12x", 20, 2, Malformed),
        ] {
            assert_eq!(decimal_of_text(text, precision, scale), wanted, "{text}");
        }
    }

    #[test]
    fn timestamps_are_smart_about_days() {
        let shown = |text: &str| timestamp(text).map(|value| value.to_string());
        assert_eq!(shown("2024-02-30").as_deref(), Some("2024-02-29 00:00:00"));
        assert_eq!(
            shown("2024-05-06 24:00:00").as_deref(),
            Some("2024-05-07 00:00:00")
        );
        assert_eq!(shown("2024-05-06 10:11"), None);
        assert_eq!(shown("2024-05-06 "), None);
        assert_eq!(shown("0000-05-06"), None);
        assert_eq!(date(" 2024-05-06 x"), NaiveDate::from_ymd_opt(2024, 5, 6));
        assert_eq!(date("2024 -05-06"), NaiveDate::from_ymd_opt(2024, 1, 1));
        assert_eq!(shown("2024-05-06T10:11:12"), None);
        assert_eq!(date("2024-05"), NaiveDate::from_ymd_opt(2024, 5, 1));
        assert_eq!(date("2024-13-01"), None);
    }
}
