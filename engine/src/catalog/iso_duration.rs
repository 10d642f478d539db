//! Durations as ISO 8601 writes them, as far as they are of one length: `P1DT2H`, `PT1.5S`, also
//! `PT1H-30M`.
//!
//! Source: `java.time.Duration.parse`, with which Flink 2.3 reads them.

use std::sync::LazyLock;
use std::time::Duration;

use regex::{Captures, Regex};

/// Sign, days, all behind `T`, hours, minutes; the seconds' sign, whole and fraction.
const FORM: &str = "(?i)^([-+]?)P(?:([-+]?[0-9]+)D)?\
    (T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?)([0-9]+)(?:[.,]([0-9]{0,9}))?S)?)?$";

/// The duration, if it is one, and not negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    static PARTS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(FORM).ok());
    let parts = PARTS.as_ref()?.captures(text)?;
    let names_nothing = [2, 4, 5, 7].iter().all(|&part| parts.get(part).is_none());
    let has_bare_t = parts.get(3).is_some_and(|time| time.len() == 1);
    if names_nothing || has_bare_t {
        return None;
    }
    let whole = |part: usize, seconds: i128| -> Option<i128> {
        let number = match parts.get(part) {
            Some(number) => number.as_str().parse::<i64>().ok()?,
            None => 0,
        };
        Some(i128::from(number) * seconds)
    };
    let seconds = whole(2, 86_400)? + whole(4, 3_600)? + whole(5, 60)?;
    let nanos = seconds * NANOS_OF_SECOND + nanos_of_seconds(&parts)?;
    let nanos = match parts.get(1).map(|sign| sign.as_str()) {
        Some("-") => -nanos,
        _ => nanos,
    };
    let seconds = u64::try_from(nanos.div_euclid(NANOS_OF_SECOND)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(NANOS_OF_SECOND)).ok()?;
    Some(Duration::new(seconds, rest))
}

const NANOS_OF_SECOND: i128 = 1_000_000_000;

/// The part that ends with `S`.
fn nanos_of_seconds(parts: &Captures<'_>) -> Option<i128> {
    let Some(seconds) = parts.get(7) else {
        return Some(0);
    };
    let seconds = i128::from(seconds.as_str().parse::<i64>().ok()?);
    let fraction = parts.get(8).map_or("", |digits| digits.as_str());
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let nanos = seconds * NANOS_OF_SECOND + fraction;
    Some(match parts.get(6).map(|sign| sign.as_str()) {
        Some("-") => -nanos,
        _ => nanos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        for (text, millis) in [
            ("PT1H", 3_600_000),
            ("pt1h30m", 5_400_000),
            ("P1D", 86_400_000),
            ("P1DT2H", 93_600_000),
            ("PT1.5S", 1_500),
            ("PT1,25S", 1_250),
            ("PT1H-30M", 1_800_000),
            ("-PT-2S", 2_000),
            ("+PT24H60M", 90_000_000),
            ("PT0S", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_has_no_length_or_a_negative_one_is_refused() {
        for text in [
            "P",
            "PT",
            "P1DT",
            "PT-1H",
            "-PT1H",
            "P1W",
            "P1Y",
            "PT1",
            "1H",
            "PT1.0000000001S",
            "",
            "PT99999999999999999999S",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
