//! Casts between dates, times, timestamps and intervals, and the session's time zone.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, DurationMillisecondArray, IntervalYearMonthArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};
use datafusion::common::config::ConfigOptions;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{Caster, parse};

/// The session's time zone out of the configuration under which a function runs.
///
/// # Errors
/// `Options` for a name that is no zone.
pub fn zone(options: &ConfigOptions) -> Result<chrono_tz::Tz> {
    match &options.execution.time_zone {
        Some(name) => zone_of(name),
        None => Ok(chrono_tz::UTC),
    }
}

/// The time zone called `name`: an IANA name, or a distance from Greenwich such as `GMT-03:00`.
///
/// Source: `TableConfigUtils.validateTimeZone`, Flink 2.3, which takes both and no other way to
/// write a distance.
///
/// # Errors
/// `Options` for a name that is no zone, and for a distance that is not in whole hours.
pub fn zone_of(name: &str) -> Result<chrono_tz::Tz> {
    if let Ok(zone) = name.parse() {
        return Ok(zone);
    }
    let message = match hours_from_greenwich(name) {
        Some((hours, 0)) => {
            // The sign of these names is that of the sun's way: it is ten in GMT-3 at seven.
            let zone = format!(
                "Etc/GMT{}{}",
                if hours < 0 { '+' } else { '-' },
                hours.abs()
            );
            if let Ok(zone) = zone.parse() {
                return Ok(zone);
            }
            format!("'{name}' is no time zone: clocks are at most 12 hours behind and 14 ahead")
        }
        Some(_) => format!(
            "the time zone '{name}' is not supported yet: a distance is in whole hours; use an \
             IANA name such as 'Asia/Kolkata'"
        ),
        None => format!(
            "'{name}' is no time zone; use an IANA name such as 'Asia/Shanghai', 'UTC', or a \
             distance such as 'GMT-03:00'"
        ),
    };
    Err(EngineError::Options { message })
}

/// Hours and minutes of `GMT+h`, `GMT+hh`, `GMT+hhmm` or `GMT+hh:mm`.
fn hours_from_greenwich(name: &str) -> Option<(i32, u32)> {
    let distance = name.strip_prefix("GMT")?;
    let digits = distance.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let is_number = |text: &str| {
        (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let hours: i32 = hours.parse().ok()?;
    let minutes: u32 = minutes.parse().ok()?;
    let hours = if distance.starts_with('-') {
        -hours
    } else {
        hours
    };
    (minutes < 60).then_some((hours, minutes))
}

/// The wall clock of an instant.
#[must_use]
pub fn to_local(instant: NaiveDateTime, zone: chrono_tz::Tz) -> NaiveDateTime {
    zone.from_utc_datetime(&instant).naive_local()
}

/// The instant of a wall clock; in a gap the clock is taken as if it had not jumped, and twice
/// the same clock is the earlier instant, as in Java.
#[must_use]
pub fn to_instant(local: NaiveDateTime, zone: chrono_tz::Tz) -> NaiveDateTime {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.naive_utc(),
        LocalResult::None => {
            let before = local - TimeDelta::hours(3);
            match zone.from_local_datetime(&before) {
                LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => {
                    instant.naive_utc() + TimeDelta::hours(3)
                }
                LocalResult::None => local,
            }
        }
    }
}

/// The value of a timestamp column, of any unit.
///
/// # Errors
/// `Data` if it lies outside of the calendar; `Internal` for other columns.
pub fn datetime(array: &ArrayRef, row_idx: usize) -> Result<NaiveDateTime> {
    let instant = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => DateTime::from_timestamp(
            array.as_primitive::<TimestampSecondType>().value(row_idx),
            0,
        ),
        DataType::Timestamp(TimeUnit::Millisecond, _) => DateTime::from_timestamp_millis(
            array
                .as_primitive::<TimestampMillisecondType>()
                .value(row_idx),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => DateTime::from_timestamp_micros(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .value(row_idx),
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(DateTime::from_timestamp_nanos(
            array
                .as_primitive::<TimestampNanosecondType>()
                .value(row_idx),
        )),
        other => return Err(EngineError::internal(format!("{other} is no timestamp"))),
    };
    instant
        .map(|instant| instant.naive_utc())
        .ok_or_else(|| EngineError::Data {
            message: "a timestamp lies outside of the calendar".to_owned(),
        })
}

/// The date that many days after 1970-01-01.
///
/// # Errors
/// `Data` if it lies outside of the calendar.
pub fn date_of_days(days: i32) -> Result<NaiveDate> {
    NaiveDate::from_ymd_opt(1970, 1, 1)
        .and_then(|epoch| epoch.checked_add_signed(TimeDelta::days(days.into())))
        .ok_or_else(|| EngineError::Data {
            message: "a date lies outside of the calendar".to_owned(),
        })
}

/// Days after 1970-01-01.
#[must_use]
pub fn days_of_date(date: NaiveDate) -> i32 {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    i32::try_from((date - epoch).num_days()).unwrap_or(i32::MAX)
}

/// Texts as dates, times or timestamps.
pub(super) fn from_text(caster: &Caster, array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    Ok(match &to.root {
        TypeRoot::Date => {
            let days = caster.parsed(array, to, |text| parse::date(text).map(days_of_date))?;
            Arc::new(Date32Array::from(days))
        }
        TypeRoot::Time(precision) => {
            let unit = time_unit_millis(*precision);
            let millis = caster.parsed(array, to, |text| {
                parse::time(text).map(|millis| millis - millis % unit)
            })?;
            Arc::new(Time32MillisecondArray::from(millis))
        }
        TypeRoot::TimestampLtz(_) => {
            let values = caster.parsed(array, to, |text| {
                parse::timestamp(text).map(|local| to_instant(local, caster.zone))
            })?;
            timestamps(values, to)?
        }
        _ => timestamps(caster.parsed(array, to, parse::timestamp)?, to)?,
    })
}

/// Dates, times and timestamps as one another.
pub(super) fn convert(
    caster: &Caster,
    array: &ArrayRef,
    from: &FlinkType,
    to: &FlinkType,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(array.len());
    for row_idx in 0..array.len() {
        if array.is_null(row_idx) {
            values.push(None);
            continue;
        }
        // Everything meets at the wall clock.
        let local = match &from.root {
            TypeRoot::Date => {
                let days = array.as_primitive::<Date32Type>().value(row_idx);
                date_of_days(days)?.and_time(NaiveTime::MIN)
            }
            TypeRoot::Time(_) => {
                let millis = array.as_primitive::<Time32MillisecondType>().value(row_idx);
                DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::milliseconds(millis.into())
            }
            TypeRoot::TimestampLtz(_) => to_local(datetime(array, row_idx)?, caster.zone),
            _ => datetime(array, row_idx)?,
        };
        values.push(Some(local));
    }
    match (&from.root, &to.root) {
        (TypeRoot::Timestamp(_), TypeRoot::Date) => Ok(days_towards_epoch(&values)),
        (TypeRoot::TimestampLtz(_), TypeRoot::Timestamp(precision)) => {
            let cut = |value| cut_towards_epoch(value, *precision);
            let values = values.into_iter().map(|value| value.map(cut)).collect();
            from_locals(values, to, caster.zone)
        }
        _ => from_locals(values, to, caster.zone),
    }
}

/// Flink divides the milliseconds of a TIMESTAMP, which rounds days before 1970 up.
fn days_towards_epoch(values: &[Option<NaiveDateTime>]) -> ArrayRef {
    const MILLIS_PER_DAY: i64 = 86_400_000;
    let days = values.iter().map(|value| {
        let millis = value.as_ref()?.and_utc().timestamp_millis();
        i32::try_from(millis / MILLIS_PER_DAY).ok()
    });
    Arc::new(days.collect::<Date32Array>())
}

/// Of a wall clock before 1970, the milliseconds below the precision are rounded up.
fn cut_towards_epoch(local: NaiveDateTime, precision: u8) -> NaiveDateTime {
    let millis = local.and_utc().timestamp_millis();
    if millis >= 0 || precision >= 3 {
        return local;
    }
    let unit = 10_i64.pow(3 - u32::from(precision));
    DateTime::from_timestamp_millis(millis / unit * unit).map_or(local, |cut| cut.naive_utc())
}

/// Wall clocks as a column of type `to`.
///
/// # Errors
/// `Data` if a value does not fit into the column.
pub fn from_locals(
    values: Vec<Option<NaiveDateTime>>,
    to: &FlinkType,
    zone: chrono_tz::Tz,
) -> Result<ArrayRef> {
    Ok(match &to.root {
        TypeRoot::Date => {
            let days = values
                .into_iter()
                .map(|value| value.map(|value| days_of_date(value.date())));
            Arc::new(days.collect::<Date32Array>())
        }
        TypeRoot::Time(precision) => {
            let unit = time_unit_millis(*precision);
            let millis = values.into_iter().map(|value| {
                value.map(|value| {
                    let seconds = value.time().num_seconds_from_midnight();
                    let millis = seconds * 1000 + value.time().nanosecond() / 1_000_000;
                    let millis = i32::try_from(millis).unwrap_or(0);
                    millis - millis % unit
                })
            });
            Arc::new(millis.collect::<Time32MillisecondArray>())
        }
        TypeRoot::TimestampLtz(_) => {
            let instants = values
                .into_iter()
                .map(|value| value.map(|value| to_instant(value, zone)))
                .collect();
            timestamps(instants, to)?
        }
        _ => timestamps(values, to)?,
    })
}

/// A timestamp column of the unit and with the number of fraction digits of `to`.
fn timestamps(values: Vec<Option<NaiveDateTime>>, to: &FlinkType) -> Result<ArrayRef> {
    let (TypeRoot::Timestamp(precision) | TypeRoot::TimestampLtz(precision)) = to.root else {
        return Err(EngineError::internal("a timestamp type expected"));
    };
    let cut = 10_u32.pow(9 - u32::from(precision.min(9)));
    let values: Vec<_> = values
        .into_iter()
        .map(|value| {
            value.map(|value| {
                let nanos = value.nanosecond();
                value.with_nanosecond(nanos - nanos % cut).unwrap_or(value)
            })
        })
        .collect();
    let target = to.to_arrow_type();
    let array: ArrayRef = match &target {
        DataType::Timestamp(TimeUnit::Millisecond, _) => Arc::new(
            values
                .iter()
                .map(|value| value.map(|value| value.and_utc().timestamp_millis()))
                .collect::<TimestampMillisecondArray>(),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(
            values
                .iter()
                .map(|value| value.map(|value| value.and_utc().timestamp_micros()))
                .collect::<TimestampMicrosecondArray>(),
        ),
        _ => {
            let nanos = values
                .iter()
                .map(|value| match value {
                    None => Ok(None),
                    Some(value) => value.and_utc().timestamp_nanos_opt().map(Some).ok_or_else(
                        || EngineError::Data {
                            message: format!(
                                "{value} does not fit into {}: nanoseconds reach from 1677 to 2262",
                                to.root_text()
                            ),
                        },
                    ),
                })
                .collect::<Result<Vec<_>>>()?;
            Arc::new(TimestampNanosecondArray::from(nanos))
        }
    };
    // The same numbers; only the zone is written into the type.
    Ok(array
        .to_data()
        .into_builder()
        .data_type(target)
        .build()
        .map(arrow::array::make_array)?)
}

/// Numbers of milliseconds or months, cut to the width of the type, or another interval, as an
/// interval.
pub(super) fn to_interval(array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    if matches!(
        array.data_type(),
        DataType::Duration(_) | DataType::Interval(_)
    ) {
        return Ok(Arc::clone(array));
    }
    let counts = cast(array, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    if matches!(to.root, TypeRoot::IntervalYearMonth { .. }) {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "Java's cast of a long to an int"
        )]
        let months: IntervalYearMonthArray =
            counts.iter().map(|count| Some(count? as i32)).collect();
        return Ok(Arc::new(months));
    }
    Ok(Arc::new(
        counts.iter().collect::<DurationMillisecondArray>(),
    ))
}

/// Numbers of the interval's unit as an interval.
pub(super) fn units_to_interval(array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    use crate::data::types::{DayTimeResolution as D, YearMonthResolution as Y};
    let counts = cast(array, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    match &to.root {
        TypeRoot::IntervalYearMonth { resolution, .. } => {
            let unit = if *resolution == Y::Month { 1 } else { 12 };
            let months: IntervalYearMonthArray = counts
                .iter()
                .map(|count| count.and_then(|count| i32::try_from(count * unit).ok()))
                .collect();
            Ok(Arc::new(months))
        }
        TypeRoot::IntervalDayTime { resolution, .. } => {
            let unit: i64 = match resolution {
                D::Day | D::DayToHour | D::DayToMinute | D::DayToSecond => 86_400_000,
                D::Hour | D::HourToMinute | D::HourToSecond => 3_600_000,
                D::Minute | D::MinuteToSecond => 60_000,
                D::Second => 1_000,
            };
            let millis: DurationMillisecondArray = counts
                .iter()
                .map(|count| count.and_then(|count| count.checked_mul(unit)))
                .collect();
            Ok(Arc::new(millis))
        }
        _ => Err(EngineError::internal("an interval type expected")),
    }
}

fn time_unit_millis(precision: u8) -> i32 {
    match precision {
        0 => 1000,
        1 => 100,
        2 => 10,
        _ => 1,
    }
}
