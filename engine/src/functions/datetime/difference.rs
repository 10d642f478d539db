//! TIMESTAMPDIFF, and the whole months between two clocks.
//!
//! Source: `DateTimeUtils.subtractMonths` of Calcite, and answers of Flink 2.3 measured unit by
//! unit: what is shorter than a second does not count, whatever the unit is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::datatypes::{DataType, Time32MillisecondType};
use chrono::{Datelike, NaiveDateTime, NaiveTime};
use datafusion::common::ScalarValue;

use super::{add, has_null, local, unit_size};
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::Result;
use crate::functions::cast::temporal;
use crate::functions::define::Call;
use crate::sql::diagnostics::validation;

/// INT. Instants are subtracted from instants only, and the time between a TIME and a date is
/// none. The difference to a NULL that is written down is NULL, whatever the types are.
///
/// # Errors
/// A validation error for the other pairs.
pub(super) fn difference_type(
    types: &[FlinkType],
    constants: &[Option<&ScalarValue>],
) -> Result<FlinkType> {
    let result = FlinkType {
        root: TypeRoot::Int,
        nullable: types.iter().any(|given| given.nullable),
    };
    if has_null(constants) {
        return Ok(result);
    }
    let ends = types.get(1..).unwrap_or_default();
    let count = |is_such: fn(&TypeRoot) -> bool| {
        let roots = ends.iter().map(|given| &given.root);
        roots.filter(|root| is_such(root)).count()
    };
    if count(|root| matches!(root, TypeRoot::TimestampLtz(_))) == 1 {
        return Err(validation(
            "TIMESTAMP_LTZ only supports diff between the same type".to_owned(),
        ));
    }
    let months = match constants.first() {
        Some(Some(ScalarValue::Utf8(Some(unit)))) => unit_size(unit).map_or(0, |size| size.0),
        _ => 0,
    };
    let is_time = |root: &TypeRoot| matches!(root, TypeRoot::Time(_));
    let is_known = |root: &TypeRoot| !matches!(root, TypeRoot::Null);
    if months == 0 && count(is_time) == 1 && count(is_known) == 2 {
        return Err(validation(
            "TIMESTAMPDIFF takes a TIME only beside another TIME".to_owned(),
        ));
    }
    Ok(result)
}

/// The whole units from the second argument to the third, as an INT that wraps.
#[allow(
    clippy::cast_possible_truncation,
    reason = "Flink's difference is an INT that wraps"
)]
pub(super) fn timestamp_diff(call: &Call) -> Result<ArrayRef> {
    let values: Int32Array = call.strict(|row| {
        let (from, to) = (local(call, 1, row)?, local(call, 2, row)?);
        let seconds = (to - from).num_seconds();
        Some(match call.text(0, row)?.trim_start_matches("SQL_TSI_") {
            "MILLISECOND" => seconds.wrapping_mul(1_000) as i32,
            "MICROSECOND" => seconds.wrapping_mul(1_000_000) as i32,
            // The seconds have wrapped before they are divided.
            "WEEK" => seconds as i32 / 604_800,
            // The unit of a number of a day is the day.
            "DOW" | "ISODOW" | "DOY" => (seconds / 86_400) as i32,
            "EPOCH" => seconds as i32,
            "ISOYEAR" => months_apart(call, row, 12)?,
            // Years, not tens of them.
            "DECADE" => months_apart(call, row, 12)?,
            unit => match unit_size(unit)? {
                (0, millis) => (seconds / (millis / 1_000)) as i32,
                (months, _) => months_apart(call, row, months)?,
            },
        })
    });
    Ok(Arc::new(values))
}

/// How often so many months fit between the clocks of a row. Flink subtracts days or timestamps:
/// where none of both is a timestamp, the milliseconds of a TIME are taken for days.
fn months_apart(call: &Call, row: usize, months: i64) -> Option<i32> {
    let is_clock = |index: usize| {
        let data_type = call.arguments.get(index).map(Array::data_type);
        matches!(data_type, Some(DataType::Timestamp(..)))
    };
    let (from, to) = match is_clock(1) || is_clock(2) {
        true => (local(call, 1, row)?, local(call, 2, row)?),
        false => (day(call, 1, row)?, day(call, 2, row)?),
    };
    i32::try_from(months_between(from, to) / months).ok()
}

/// The midnight of a DATE, and of the day whose number is the milliseconds of a TIME.
fn day(call: &Call, index: usize, row: usize) -> Option<NaiveDateTime> {
    let array = call.arguments.get(index)?;
    match array.data_type() {
        DataType::Time32(_) if array.is_valid(row) => {
            let days = array.as_primitive::<Time32MillisecondType>().value(row);
            Some(temporal::date_of_days(days).ok()?.and_time(NaiveTime::MIN))
        }
        _ => local(call, index, row),
    }
}

/// Whole months from one clock to another. Days count first, and the last days of months meet; then
/// the month that ends on the very day is not whole if its time of day is still to come. That holds
/// backwards too: to an earlier hour of the same day it is -1.
pub(super) fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let months = months_of_days(from, to);
    let reached = add(from, months, 0).map(|reached| reached.date());
    if reached == Some(to.date()) && to.time() < from.time() {
        months - 1
    } else {
        months
    }
}

/// Whole months between the days of two clocks.
fn months_of_days(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let (from_day, to_day) = (from.date(), to.date());
    if to_day < from_day {
        return -months_of_days(to, from);
    }
    let years = i64::from(to_day.year() - from_day.year());
    let apart = years * 12 + i64::from(to_day.month()) - i64::from(from_day.month());
    match add(from, apart, 0) {
        Some(reached) if reached.date() > to_day => apart - 1,
        _ => apart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a clock")
    }

    #[test]
    fn months_count_days_before_hours() {
        for (from, to, months) in [
            ("2024-01-31 00:00", "2024-02-29 00:00", 1),
            ("2024-01-31 10:00", "2024-02-29 09:00", 0),
            ("2024-03-10 10:00", "2024-03-10 09:00", -1),
            ("2024-12-30 10:00", "2024-02-29 00:00", -11),
            ("2024-12-30 00:00", "2024-02-29 00:00", -10),
            ("2023-05-15 00:00", "2024-05-14 23:59", 11),
        ] {
            assert_eq!(months_between(at(from), at(to)), months, "{from} {to}");
        }
    }
}
