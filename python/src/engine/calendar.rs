//! Days, seconds and fractions between Arrow's numbers and calendar fields.

use arrow::datatypes::TimeUnit;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};

/// A date and a time of day as Python wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) year: i32,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) nanosecond: u32,
}

impl Fields {
    /// The fields of a date and time.
    pub(super) fn of(time: NaiveDateTime) -> Self {
        Self {
            year: time.year(),
            month: small(time.month()),
            day: small(time.day()),
            hour: small(time.hour()),
            minute: small(time.minute()),
            second: small(time.second()),
            nanosecond: time.nanosecond(),
        }
    }
}

/// How many of `unit` make a second.
pub(super) const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Whether Python's calendar has the year.
pub(super) fn is_python_year(fields: &Fields) -> bool {
    (1..=9999).contains(&fields.year)
}

/// The date `days` after 1970-01-01, if the calendar reaches that far.
pub(super) fn date(days: i32) -> Option<NaiveDate> {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    epoch.checked_add_signed(TimeDelta::try_days(i64::from(days))?)
}

/// The date and time `value` units after the epoch, if the calendar reaches that far.
pub(super) fn timestamp(value: i64, unit: TimeUnit) -> Option<NaiveDateTime> {
    let per_second = per_second(unit);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let time = DateTime::from_timestamp(value.div_euclid(per_second), u32::try_from(nanos).ok()?)?;
    Some(time.naive_utc())
}

/// Days from 1970-01-01 to a date.
pub(super) fn days(year: i32, month: u8, day: u8) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(year, u32::from(month), u32::from(day))?;
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    i32::try_from(date.signed_duration_since(epoch).num_days()).ok()
}

/// Units from the epoch to a date and time; what is finer than the unit is cut off.
pub(super) fn units(
    days: i32,
    second_of_day: u32,
    microsecond: u32,
    unit: TimeUnit,
) -> Option<i64> {
    let seconds = i64::from(days) * 86_400 + i64::from(second_of_day);
    let per_second = per_second(unit);
    let fraction = i64::from(microsecond) * 1000 / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second)?.checked_add(fraction)
}

fn small(value: u32) -> u8 {
    // Months, days, hours, minutes and seconds are below 100.
    u8::try_from(value).unwrap_or(u8::MAX)
}
