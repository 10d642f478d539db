//! The rarer conversions: `%a` (a number in hexadecimal), `%h` (a hash code) and `%t…` (a part of a
//! time in milliseconds, in UTC).

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::{Code, Spec, Value};
use crate::error::{EngineError, Result};

/// `%a`
pub(super) fn hexadecimal(spec: &Spec, value: &Value) -> Option<String> {
    if !spec.only("-#+ 0") {
        return None;
    }
    let Value::Float { exact, .. } = value else {
        return super::floating(spec, value, super::fixed);
    };
    if !exact.is_finite() {
        return super::floating(spec, value, super::fixed);
    }
    let sign = match exact.is_sign_negative() {
        true => "-",
        false if spec.has('+') => "+",
        false if spec.has(' ') => " ",
        false => "",
    };
    let digits = hexadecimal_digits(exact.abs(), spec.precision.map(|digits| digits.max(1)));
    let missing = spec
        .width
        .unwrap_or(0)
        .saturating_sub(sign.len() + "0x".len() + digits.len());
    let zeros = "0".repeat(if spec.has('0') { missing } else { 0 });
    Some(spec.padded(&format!("{sign}0x{zeros}{digits}")))
}

/// Bits of a number behind its first one.
const FRACTION_BITS: u32 = 52;
/// Hexadecimal digits of all of them.
const FRACTION_DIGITS: usize = 13;
/// The exponent of the smallest numbers, which have no first one.
const SUBNORMAL_EXPONENT: i64 = -1022;

/// `1.8p3`, with so many digits behind the point, or as many as needed.
fn hexadecimal_digits(value: f64, precision: Option<usize>) -> String {
    let bits = value.to_bits();
    let mut fraction = bits & ((1 << FRACTION_BITS) - 1);
    let mut exponent = (bits >> FRACTION_BITS) as i64 - 1023;
    let is_subnormal = exponent < SUBNORMAL_EXPONENT;
    let first = u8::from(!is_subnormal);
    if is_subnormal {
        exponent = if fraction == 0 { 0 } else { SUBNORMAL_EXPONENT };
    }
    let Some(precision) = precision.filter(|&digits| digits < FRACTION_DIGITS) else {
        let all = format!("{fraction:013x}");
        let shown = match precision {
            Some(digits) => format!("{all:0<digits$}"),
            None => all.trim_end_matches('0').to_owned(),
        };
        let shown = if shown.is_empty() { "0" } else { &shown };
        return format!("{first}.{shown}p{exponent}");
    };
    let mut whole = u64::from(first);
    if is_subnormal && fraction != 0 {
        // Rounded, the smallest numbers get a first one.
        let shift = fraction.leading_zeros() - (u64::BITS - 1 - FRACTION_BITS);
        fraction = (fraction << shift) & ((1 << FRACTION_BITS) - 1);
        exponent -= i64::from(shift);
        whole = 1;
    }
    let dropped = FRACTION_BITS - 4 * precision as u32;
    let (half, rest) = (1_u64 << (dropped - 1), fraction & ((1 << dropped) - 1));
    let mut kept = fraction >> dropped;
    if rest > half || (rest == half && kept & 1 == 1) {
        kept += 1;
    }
    if kept >> (4 * precision) != 0 {
        kept = 0;
        exponent += 1;
    }
    format!("{whole}.{kept:0precision$x}p{exponent}")
}

/// `%h`: Java's hash code.
pub(super) fn hash_code(value: &Value) -> String {
    let of_long = |bits: u64| (bits ^ (bits >> 32)) as u32;
    let code = match value {
        Value::Null => return "null".to_owned(),
        Value::Flag(flag) => u32::from(if *flag { 1231_u16 } else { 1237 }),
        Value::Whole { value, bits: 64 } => of_long(value.cast_unsigned()),
        Value::Whole { value, .. } => value.cast_unsigned() as u32,
        Value::Float {
            exact, is_single, ..
        } => match is_single {
            true => (*exact as f32).to_bits(),
            false => of_long(exact.to_bits()),
        },
        Value::Text(text, Code::Text) => murmur(text.as_bytes()),
        Value::Text(_, Code::Decimal { unscaled, scale }) => {
            let magnitude = unscaled.unsigned_abs();
            let words = (0..4).rev().map(|word| (magnitude >> (32 * word)) as u32);
            let hash = words.fold(0_u32, |hash, word| hash.wrapping_mul(31).wrapping_add(word));
            let hash = if *unscaled < 0 {
                hash.wrapping_neg()
            } else {
                hash
            };
            hash.wrapping_mul(31).wrapping_add(u32::from(*scale))
        }
        Value::Text(_, Code::Moment { millis, nanos }) => of_long(millis.cast_unsigned())
            .wrapping_mul(31)
            .wrapping_add(*nanos),
    };
    format!("{code:x}")
}

/// Flink's hash of a text: Murmur, 32 bits, the bytes behind the last word one by one.
///
/// Source: `MurmurHashUtils` of Flink 2.3.
fn murmur(bytes: &[u8]) -> u32 {
    let mix = |hash: u32, word: u32| {
        let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15);
        let hash = hash ^ word.wrapping_mul(0x1b87_3593);
        hash.rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64)
    };
    let (words, rest) = bytes.as_chunks::<4>();
    let words = words.iter().map(|word| u32::from_le_bytes(*word));
    let rest = rest
        .iter()
        .map(|byte| i32::from(byte.cast_signed()).cast_unsigned());
    let mut hash = words.chain(rest).fold(42, mix) ^ bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// `%t` and a letter, of a BIGINT.
pub(super) fn moment(spec: &Spec, letter: char, value: &Value) -> Result<Option<String>> {
    if !spec.only("-") || spec.precision.is_some() || !LETTERS.contains(letter) {
        return Ok(None);
    }
    match value {
        Value::Null => Ok(Some(spec.padded("null"))),
        Value::Whole { value, bits: 64 } => {
            let time =
                DateTime::from_timestamp_millis(*value).ok_or_else(|| EngineError::Data {
                    message: format!("PRINTF: {value} milliseconds are beyond the calendar"),
                })?;
            Ok(Some(spec.padded(&part(&time, *value, letter))))
        }
        _ => Ok(None),
    }
}

/// What may follow on `%t`.
const LETTERS: &str = "HIklMSLNpzZsQBbhAaCYyjmdeRTrDFc";

fn part(time: &DateTime<Utc>, millis: i64, letter: char) -> String {
    let (is_afternoon, hour) = time.hour12();
    let year = time.year();
    match letter {
        'I' => format!("{hour:02}"),
        'k' => time.hour().to_string(),
        'l' => hour.to_string(),
        'L' => format!("{:03}", time.timestamp_subsec_millis()),
        'N' => format!("{:09}", time.timestamp_subsec_nanos()),
        'p' => (if is_afternoon { "pm" } else { "am" }).to_owned(),
        'Z' => "UTC".to_owned(),
        's' => (millis / 1000).to_string(),
        'Q' => millis.to_string(),
        'C' => format!("{:02}", year / 100),
        'Y' => format!("{year:04}"),
        'y' => format!("{:02}", year % 100),
        'e' => time.day().to_string(),
        'c' => format!("{} UTC {year:04}", time.format("%a %b %d %T")),
        'r' => time.format("%I:%M:%S %p").to_string(),
        'D' => time.format("%m/%d/%y").to_string(),
        // The others mean the same to C.
        other => time.format(&format!("%{other}")).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_numbers() {
        for (value, precision, expected) in [
            (1.0, None, "1.0p0"),
            (0.1, None, "1.999999999999ap-4"),
            (1e-310, None, "0.012688b70e62bp-1022"),
            (0.0, None, "0.0p0"),
            (f64::from(2.3_f32), None, "1.266666p1"),
            (1.0, Some(3), "1.000p0"),
            (0.1, Some(3), "1.99ap-4"),
            (0.1, Some(1), "1.ap-4"),
            (1e-310, Some(3), "1.269p-1030"),
            (1e-310, Some(1), "1.2p-1030"),
            (0.0, Some(3), "0.000p0"),
            (1.0, Some(15), "1.000000000000000p0"),
            (1.999_999, Some(1), "1.0p1"),
        ] {
            assert_eq!(hexadecimal_digits(value, precision), expected);
        }
    }

    #[test]
    fn parts_of_a_time() {
        let millis = 1_704_164_645_678;
        let time = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let expected = "03 03 3 3 04 05 678 678000000 am +0000 UTC 1704164645 1704164645678 January \
                        Jan Jan Tuesday Tue 20 2024 24 002 01 02 2 03:04 03:04:05 03:04:05 AM \
                        01/02/24 2024-01-02 Tue Jan 02 03:04:05 UTC 2024";
        let parts: Vec<String> = LETTERS.chars().map(|it| part(&time, millis, it)).collect();
        assert_eq!(parts.join(" "), expected);
    }

    #[test]
    fn hash_codes() {
        let text = |text: &str| Value::Text(text.to_owned(), Code::Text);
        let float = |exact: f64, is_single| Value::Float {
            value: exact,
            text: String::new(),
            exact,
            is_single,
        };
        for (value, expected) in [
            (text("abc"), "4ed2cbb4"),
            (text("日本"), "ebea0b57"),
            (
                Value::Whole {
                    value: 123_456_789_012,
                    bits: 64,
                },
                "be991a08",
            ),
            (
                Value::Whole {
                    value: -1,
                    bits: 64,
                },
                "0",
            ),
            (
                Value::Whole {
                    value: -1,
                    bits: 32,
                },
                "ffffffff",
            ),
            (float(1.5, false), "3ff80000"),
            (float(1.5, true), "3fc00000"),
            (
                Value::Text(
                    String::new(),
                    Code::Decimal {
                        unscaled: 125,
                        scale: 2,
                    },
                ),
                "f25",
            ),
            (
                Value::Text(
                    String::new(),
                    Code::Moment {
                        millis: 1_704_164_645_000,
                        nanos: 0,
                    },
                ),
                "3bfa477c",
            ),
            (Value::Flag(true), "4cf"),
        ] {
            assert_eq!(hash_code(&value), expected);
        }
    }
}
