//! FLOOR and CEIL of times to a unit.

use arrow::array::ArrayRef;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::local;
use crate::data::types::TypeRoot;
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal;
use crate::functions::define::Call;

/// FLOOR and CEIL of a wall clock to a unit.
pub(super) fn round_to(call: &Call, up: bool) -> Result<ArrayRef> {
    let is_time = matches!(call.result.root, TypeRoot::Time(_));
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let rounded = match (local(call, 0, row), call.text(1, row)) {
            (Some(value), Some(unit)) if is_time && !is_part_of_day(unit) => Some(value),
            (Some(value), Some(unit)) if up && is_of_years(unit) => next_of_years(value, unit),
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
    next(floor(day, unit)?, unit)
}

fn is_part_of_day(unit: &str) -> bool {
    matches!(unit, "HOUR" | "MINUTE" | "SECOND" | "MILLISECOND")
}

fn floor(value: NaiveDateTime, unit: &str) -> Option<NaiveDateTime> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN);
    let first_of_year = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1).map(midnight);
    // Flink cuts the milliseconds towards zero where it looks for the date.
    let days = value.and_utc().timestamp_millis() / 86_400_000;
    let calendar = temporal::date_of_days(i32::try_from(days).ok()?).ok()?;
    let date = value.date();
    match unit {
        "MILLENNIUM" => first_of_year((calendar.year() - 1).div_euclid(1000) * 1000 + 1),
        "CENTURY" => first_of_year((calendar.year() - 1).div_euclid(100) * 100 + 1),
        "DECADE" => first_of_year(calendar.year().div_euclid(10) * 10),
        "YEAR" => first_of_year(calendar.year()),
        "QUARTER" => {
            NaiveDate::from_ymd_opt(calendar.year(), calendar.month0() / 3 * 3 + 1, 1).map(midnight)
        }
        "MONTH" => calendar.with_day(1).map(midnight),
        "WEEK" => {
            let since_sunday = i64::from(calendar.weekday().num_days_from_sunday());
            Some(midnight(calendar - TimeDelta::days(since_sunday)))
        }
        "DAY" => Some(midnight(date)),
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
