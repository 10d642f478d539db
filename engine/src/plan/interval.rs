//! Interval literals: `'5' MINUTE`, `'1 02:03' DAY TO MINUTE`, `'1-6' YEAR TO MONTH`.
//!
//! Source: ISO/IEC 9075-2 `<interval literal>` as Calcite reads it; Flink keeps the first kind as
//! milliseconds and the second as months.

use datafusion::sql::sqlparser::ast::DateTimeField;

use crate::error::{EngineError, Result};

const MILLIS_PER_SECOND: i64 = 1_000;
const MILLIS_PER_MINUTE: i64 = 60 * MILLIS_PER_SECOND;
const MILLIS_PER_HOUR: i64 = 60 * MILLIS_PER_MINUTE;
const MILLIS_PER_DAY: i64 = 24 * MILLIS_PER_HOUR;

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// INTERVAL YEAR TO MONTH.
    Months(i32),
    /// INTERVAL DAY TO SECOND.
    Millis(i64),
}

/// Reads the text of an interval literal whose fields go from `leading` to `last`.
///
/// # Errors
/// `Data` if the text does not have the form that the fields demand or is too large.
pub fn parse(text: &str, leading: &DateTimeField, last: Option<&DateTimeField>) -> Result<Amount> {
    let malformed = || EngineError::Data {
        message: match last {
            Some(last) => {
                format!("illegal interval literal format '{text}' for INTERVAL {leading} TO {last}")
            }
            None => format!("illegal interval literal format '{text}' for INTERVAL {leading}"),
        },
    };
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let leading = Unit::of(leading).ok_or_else(malformed)?;
    let last = match last {
        Some(last) => Unit::of(last).ok_or_else(malformed)?,
        None => leading,
    };
    let amount = match leading {
        Unit::Year | Unit::Quarter | Unit::Month => months(digits, leading, last),
        _ => millis(digits, leading, last),
    };
    match amount {
        Some(Amount::Months(months)) => Ok(Amount::Months(sign * months)),
        Some(Amount::Millis(millis)) => Ok(Amount::Millis(i64::from(sign) * millis)),
        None => Err(malformed()),
    }
}

/// Fields, from the largest to the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    fn of(field: &DateTimeField) -> Option<Self> {
        Some(match field {
            DateTimeField::Year | DateTimeField::Years => Self::Year,
            DateTimeField::Quarter => Self::Quarter,
            DateTimeField::Month | DateTimeField::Months => Self::Month,
            DateTimeField::Week(_) | DateTimeField::Weeks => Self::Week,
            DateTimeField::Day | DateTimeField::Days => Self::Day,
            DateTimeField::Hour | DateTimeField::Hours => Self::Hour,
            DateTimeField::Minute | DateTimeField::Minutes => Self::Minute,
            DateTimeField::Second | DateTimeField::Seconds => Self::Second,
            _ => return None,
        })
    }

    fn millis(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * MILLIS_PER_DAY,
            Self::Day => MILLIS_PER_DAY,
            Self::Hour => MILLIS_PER_HOUR,
            Self::Minute => MILLIS_PER_MINUTE,
            Self::Second => MILLIS_PER_SECOND,
            Self::Year | Self::Quarter | Self::Month => return None,
        })
    }
}

fn months(text: &str, leading: Unit, last: Unit) -> Option<Amount> {
    if leading == Unit::Year && last == Unit::Month {
        let (years, months) = text.split_once('-')?;
        let months = digits(months).filter(|&months| months < 12)?;
        return i32::try_from(digits(years)? * 12 + months)
            .ok()
            .map(Amount::Months);
    }
    let per_unit = match leading {
        Unit::Year => 12,
        Unit::Quarter => 3,
        _ => 1,
    };
    i32::try_from(digits(text)?.checked_mul(per_unit)?)
        .ok()
        .map(Amount::Months)
}

fn millis(text: &str, leading: Unit, last: Unit) -> Option<Amount> {
    const CLOCK: [Unit; 3] = [Unit::Hour, Unit::Minute, Unit::Second];
    let mut rest = text;
    let mut total = 0_i64;
    let mut first = true;
    if matches!(leading, Unit::Day | Unit::Week) {
        let (days, tail) = if last > leading {
            rest.split_once(' ')?
        } else {
            (rest, "")
        };
        total = digits(days)?.checked_mul(leading.millis()?)?;
        rest = tail.trim_start();
        first = false;
        if last <= leading {
            return Some(Amount::Millis(total));
        }
    }
    let units = CLOCK
        .into_iter()
        .filter(|unit| *unit >= leading && *unit <= last);
    let mut parts = rest.split(':');
    for unit in units {
        let part = parts.next()?;
        let value = if unit == Unit::Second {
            seconds(part)?
        } else {
            digits(part)?.checked_mul(unit.millis()?)?
        };
        // Only the leading field may be larger than the clock allows.
        let limit = if unit == Unit::Hour {
            24 * MILLIS_PER_HOUR
        } else {
            60 * unit.millis()?
        };
        if !first && value >= limit {
            return None;
        }
        total = total.checked_add(value)?;
        first = false;
    }
    parts.next().is_none().then_some(Amount::Millis(total))
}

/// `12.5` seconds in milliseconds; digits beyond the third are cut.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits(whole)?
        .checked_mul(MILLIS_PER_SECOND)?
        .checked_add(digits(&padded)?)
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn literals_of_every_shape() {
        let cases = [
            ("5", DateTimeField::Minute, None, Amount::Millis(300_000)),
            ("1.5", DateTimeField::Second, None, Amount::Millis(1_500)),
            ("-2", DateTimeField::Hour, None, Amount::Millis(-7_200_000)),
            (
                "1 02:03:04.005",
                DateTimeField::Day,
                Some(DateTimeField::Second),
                Amount::Millis(93_784_005),
            ),
            (
                "02:03",
                DateTimeField::Hour,
                Some(DateTimeField::Minute),
                Amount::Millis(7_380_000),
            ),
            (
                "1-6",
                DateTimeField::Year,
                Some(DateTimeField::Month),
                Amount::Months(18),
            ),
            ("3", DateTimeField::Month, None, Amount::Months(3)),
        ];
        for (text, leading, last, amount) in cases {
            assert_eq!(
                parse(text, &leading, last.as_ref()).unwrap(),
                amount,
                "{text}"
            );
        }
        assert!(parse("1:70", &DateTimeField::Hour, Some(&DateTimeField::Minute)).is_err());
        assert!(parse("x", &DateTimeField::Hour, None).is_err());
    }
}
