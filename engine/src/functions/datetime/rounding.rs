//! FLOOR and CEIL of times to a unit.

use arrow::array::ArrayRef;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{epoch, local};
use crate::data::types::TypeRoot;
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal;
use crate::functions::define::Call;
use crate::functions::java_calendar;

/// FLOOR and CEIL of a wall clock to a unit.
pub(super) fn round_to(call: &Call, up: bool) -> Result<ArrayRef> {
    let is_time = matches!(call.result.root, TypeRoot::Time(_));
    let is_date = call.result.root == TypeRoot::Date;
    let is_clock = matches!(call.result.root, TypeRoot::Timestamp(_));
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let rounded = match (local(call, 0, row), call.text(1, row)) {
            (Some(value), Some("ISOYEAR")) if is_time || is_clock => in_twelves(value, up),
            (Some(value), Some(unit)) if is_time && is_of_days(unit) => of_days(value, unit, up),
            (Some(value), Some("DAY")) if is_date && up => Some(value + TimeDelta::days(1)),
            // A DATE has no other units.
            (Some(value), Some(unit)) if is_date && !is_of_days(unit) => Some(value),
            (Some(value), Some(unit)) if is_of_days(unit) && unit != "DAY" => {
                of_calendar(value, unit, up)
            }
            (Some(value), Some(unit)) => {
                let floor = floor(value, unit)
                    .ok_or_else(|| EngineError::unsupported(format!("FLOOR and CEIL TO {unit}")))?;
                if up && floor < value {
                    next(floor, unit)
                } else {
                    Some(floor)
                }
            }
            _ => None,
        };
        if is_time && rounded.is_some_and(|rounded| rounded.and_utc().timestamp() >= 86_400) {
            return Err(EngineError::Data {
                message: "hour out of range: [24]; a TIME ends before 24:00:00".to_owned(),
            });
        }
        values.push(rounded);
    }
    temporal::from_locals(values, &call.result, call.zone)
}

fn is_of_years(unit: &str) -> bool {
    matches!(unit, "MILLENNIUM" | "CENTURY" | "DECADE")
}

/// Where the unit after that of the day begins, also for its first day; a day that has begun counts
/// as the next one.
fn next_of_years(value: NaiveDateTime, unit: &str) -> Option<NaiveDateTime> {
    let midnight = value.date().and_time(NaiveTime::MIN);
    let day = match midnight < value {
        true => midnight + TimeDelta::days(1),
        false => midnight,
    };
    next(of_calendar(day, unit, false)?, unit)
}

/// The units that a date is rounded to.
fn is_of_days(unit: &str) -> bool {
    is_of_years(unit) || matches!(unit, "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAY")
}

/// A TIME by a unit of days: Flink takes its milliseconds for the number of a day, so that a month
/// has some 30 ms. The day itself ends where it begins, and a week leaves the time as it is.
fn of_days(value: NaiveDateTime, unit: &str, up: bool) -> Option<NaiveDateTime> {
    let millis = value.and_utc().timestamp_millis();
    let day = temporal::date_of_days(i32::try_from(millis).ok()?).ok()?;
    let day = day.and_time(NaiveTime::MIN);
    let rounded = match (unit, up) {
        ("DAY", true) => next(day, unit)?,
        ("DAY", false) => day,
        _ => of_calendar(day, unit, up)?,
    };
    let days = rounded.signed_duration_since(epoch()).num_days();
    Some(epoch() + TimeDelta::milliseconds(days))
}

/// By ISOYEAR, which Flink counts in milliseconds: twelve of them.
fn in_twelves(value: NaiveDateTime, up: bool) -> Option<NaiveDateTime> {
    let millis = value.and_utc().timestamp_millis();
    let floor = millis - millis.rem_euclid(12);
    let rounded = if up && floor < millis {
        floor + 12
    } else {
        floor
    };
    Some(chrono::DateTime::from_timestamp_millis(rounded)?.naive_utc())
}

/// By a week or a longer unit. Only the day counts, not its time: the first day of a month is the
/// ceiling of its noon. The first day of a quarter is its ceiling in January alone, elsewhere that of
/// the next quarter. Days before October 1582 are named by the Julian calendar and then taken for days
/// of ours.
fn of_calendar(value: NaiveDateTime, unit: &str, up: bool) -> Option<NaiveDateTime> {
    if up && is_of_years(unit) {
        return next_of_years(value, unit);
    }
    // Flink cuts the milliseconds towards zero where it looks for the date.
    let days = value.and_utc().timestamp_millis() / 86_400_000;
    let day = temporal::date_of_days(i32::try_from(days).ok()?).ok()?;
    let (year, month, day) = java_calendar::label(day);
    let first = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1);
    let day = first(year, month)? + TimeDelta::days(i64::from(day) - 1);
    let (floor, is_floor) = match unit {
        "MILLENNIUM" => (first((year - 1).div_euclid(1000) * 1000 + 1, 1)?, true),
        "CENTURY" => (first((year - 1).div_euclid(100) * 100 + 1, 1)?, true),
        "DECADE" => (first(year.div_euclid(10) * 10, 1)?, true),
        "YEAR" => (first(year, 1)?, day == first(year, 1)?),
        "QUARTER" => {
            let floor = first(year, (month - 1) / 3 * 3 + 1)?;
            (floor, day == first(year, 1)?)
        }
        "MONTH" => (first(year, month)?, day == first(year, month)?),
        _ => {
            let since_sunday = i64::from(day.weekday().num_days_from_sunday());
            (day - TimeDelta::days(since_sunday), since_sunday == 0)
        }
    };
    let floor = floor.and_time(NaiveTime::MIN);
    if up && !is_floor {
        next(floor, unit)
    } else {
        Some(floor)
    }
}

/// By a day or a shorter unit.
fn floor(value: NaiveDateTime, unit: &str) -> Option<NaiveDateTime> {
    let date = value.date();
    match unit {
        "DAY" => Some(date.and_time(NaiveTime::MIN)),
        "HOUR" => date.and_hms_opt(value.hour(), 0, 0),
        "MINUTE" => date.and_hms_opt(value.hour(), value.minute(), 0),
        "SECOND" => date.and_hms_opt(value.hour(), value.minute(), value.second()),
        "MILLISECOND" => {
            let nanos = value.nanosecond();
            value.with_nanosecond(nanos - nanos % 1_000_000)
        }
        _ => None,
    }
}

fn next(value: NaiveDateTime, unit: &str) -> Option<NaiveDateTime> {
    let months = |n: u32| value.checked_add_months(Months::new(n));
    match unit {
        "MILLENNIUM" => months(12_000),
        "CENTURY" => months(1_200),
        "DECADE" => months(120),
        "YEAR" => months(12),
        "QUARTER" => months(3),
        "MONTH" => months(1),
        "WEEK" => Some(value + TimeDelta::days(7)),
        "DAY" => Some(value + TimeDelta::days(1)),
        "HOUR" => Some(value + TimeDelta::hours(1)),
        "MINUTE" => Some(value + TimeDelta::minutes(1)),
        "SECOND" => Some(value + TimeDelta::seconds(1)),
        "MILLISECOND" => Some(value + TimeDelta::milliseconds(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    #[test]
    fn ceilings_of_the_calendar_do_not_see_the_time() {
        for (value, unit, ceiling) in [
            ("2023-05-01 18:00", "MONTH", "2023-05-01 00:00"),
            ("2023-05-02 00:00", "MONTH", "2023-06-01 00:00"),
            ("2023-01-01 18:00", "YEAR", "2023-01-01 00:00"),
            ("2023-01-01 18:00", "QUARTER", "2023-01-01 00:00"),
            ("2023-04-01 00:00", "QUARTER", "2023-07-01 00:00"),
            ("2023-04-02 18:00", "WEEK", "2023-04-02 00:00"),
            ("2023-04-03 00:00", "WEEK", "2023-04-09 00:00"),
        ] {
            let rounded = of_calendar(at(value), unit, true);
            assert_eq!(rounded, Some(at(ceiling)), "{value} to {unit}");
        }
    }

    #[test]
    fn a_month_of_a_time_has_milliseconds() {
        let value = epoch() + TimeDelta::milliseconds(40);
        let floor = epoch() + TimeDelta::milliseconds(31);
        assert_eq!(of_days(value, "MONTH", false), Some(floor));
        let next = epoch() + TimeDelta::milliseconds(59);
        assert_eq!(of_days(value, "MONTH", true), Some(next));
        let day = epoch() + TimeDelta::milliseconds(41);
        assert_eq!(of_days(value, "DAY", true), Some(day));
        assert_eq!(
            in_twelves(value, true),
            Some(epoch() + TimeDelta::milliseconds(48))
        );
    }
}
