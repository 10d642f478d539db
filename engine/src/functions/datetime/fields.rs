//! EXTRACT: fields of dates, clocks and intervals.
//!
//! Source: Calcite's `StandardConvertletTable` and `DateTimeUtils`, and answers of Flink 2.3
//! measured unit by unit.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::common::ScalarValue;

use super::{amount, has_null, local};
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal;
use crate::functions::define::Call;
use crate::functions::rules::is_interval;
use crate::sql::diagnostics::validation;

/// The type of `EXTRACT(unit FROM value)`.
///
/// # Errors
/// A validation error if such a value has no such field.
pub(super) fn part_type(
    types: &[FlinkType],
    constants: &[Option<&ScalarValue>],
) -> Result<FlinkType> {
    let nullable = types.iter().any(|given| given.nullable);
    let result = FlinkType {
        root: TypeRoot::BigInt,
        nullable,
    };
    let (Some(Some(ScalarValue::Utf8(Some(unit)))), Some(value)) =
        (constants.first(), types.get(1))
    else {
        return Ok(result);
    };
    if !has_null(constants) {
        expect_part(unit, value)?;
    }
    Ok(result)
}

/// BIGINT of a function that is named after its unit.
///
/// # Errors
/// A validation error for a unit that an interval does not have.
pub(super) fn named_part_type(unit: &str, types: &[FlinkType]) -> Result<FlinkType> {
    let value = types
        .first()
        .ok_or_else(|| EngineError::internal("one operand expected"))?;
    if is_interval(&value.root) {
        expect_part(unit, value)?;
    }
    Ok(FlinkType {
        root: TypeRoot::BigInt,
        nullable: value.nullable,
    })
}

/// A validation error for a unit that values of this type do not have.
fn expect_part(unit: &str, value: &FlinkType) -> Result<()> {
    let is_known = match &value.root {
        TypeRoot::Date => !matches!(unit, "MICROSECOND" | "NANOSECOND"),
        TypeRoot::Time(_) => !matches!(unit, "MICROSECOND" | "NANOSECOND" | "EPOCH"),
        TypeRoot::IntervalYearMonth { .. } => matches!(
            unit,
            "MILLENNIUM" | "CENTURY" | "YEAR" | "QUARTER" | "MONTH"
        ),
        TypeRoot::IntervalDayTime { .. } => {
            matches!(unit, "DAY" | "HOUR" | "MINUTE" | "SECOND" | "MILLISECOND")
        }
        _ => true,
    };
    if !is_known {
        return Err(validation(format!(
            "the unit {unit} cannot be taken out of {}",
            value.root_text()
        )));
    }
    Ok(())
}

pub(super) fn extract<'a>(
    call: &Call,
    index: usize,
    unit: impl Fn(usize) -> Option<&'a str>,
) -> Result<ArrayRef> {
    let is_time = matches!(
        call.types.get(index).map(|given| &given.root),
        Some(TypeRoot::Time(_))
    );
    if is_time
        && let Some(unit) = (call.n_rows > 0).then(|| unit(0)).flatten()
        && !matches!(
            unit,
            "HOUR" | "MINUTE" | "SECOND" | "MILLISECOND" | "MICROSECOND" | "NANOSECOND" | "EPOCH"
        )
    {
        return Err(EngineError::Data {
            message: format!("unit {unit} cannot be applied to a TIME"),
        });
    }
    let is_date = matches!(
        call.types.get(index).map(|given| &given.root),
        Some(TypeRoot::Date)
    );
    let values: Int64Array = call.strict(|row| {
        let unit = unit(row)?;
        match amount(call, index, row) {
            Some((months, millis)) => interval_part(unit, months, millis),
            None if is_date && matches!(unit, "HOUR" | "MINUTE" | "SECOND" | "MILLISECOND") => {
                time_of_date(unit, local(call, index, row)?)
            }
            None => part(unit, local(call, index, row)?),
        }
    });
    Ok(Arc::new(values))
}

fn interval_part(unit: &str, months: i64, millis: i64) -> Option<i64> {
    Some(match unit {
        "MILLENNIUM" => months / 12_000,
        "CENTURY" => months / 1_200,
        "YEAR" => months / 12,
        "QUARTER" => (months % 12 - 1) / 3 + 1,
        "MONTH" => months % 12,
        "DAY" => millis / 86_400_000,
        "HOUR" => millis / 3_600_000 % 24,
        "MINUTE" => millis / 60_000 % 60,
        "SECOND" => millis / 1000 % 60,
        "MILLISECOND" => millis % 1000,
        _ => return None,
    })
}

/// A field of the time that a DATE has in Flink: its number of days is taken for milliseconds.
fn time_of_date(unit: &str, value: NaiveDateTime) -> Option<i64> {
    interval_part(unit, 0, value.and_utc().timestamp() / 86_400)
}

/// A field of a wall clock. Flink divides its milliseconds, which cuts towards zero: before 1970 the
/// day is the next one, and the fields of the time are negative.
fn part(unit: &str, value: NaiveDateTime) -> Option<i64> {
    const DAY: i64 = 86_400_000;
    let millis = value.and_utc().timestamp_millis();
    let date = temporal::date_of_days(i32::try_from(millis / DAY).ok()?).ok()?;
    let time = millis % DAY;
    let year = i64::from(date.year());
    let fraction = i64::from(value.nanosecond());
    let nanos = match value.and_utc().timestamp() {
        ..0 if fraction > 0 => fraction - 1_000_000_000,
        _ => fraction,
    };
    Some(match unit {
        "YEAR" => year,
        "ISOYEAR" => i64::from(date.iso_week().year()),
        "QUARTER" => i64::from(date.month0() / 3 + 1),
        "MONTH" => i64::from(date.month()),
        "WEEK" | "ISOWEEK" => i64::from(date.iso_week().week()),
        "DAY" => i64::from(date.day()),
        "DOW" | "DAYOFWEEK" => i64::from(date.weekday().num_days_from_sunday() + 1),
        "ISODOW" => i64::from(date.weekday().number_from_monday()),
        "DOY" | "DAYOFYEAR" => i64::from(date.ordinal()),
        "HOUR" => time / 3_600_000,
        "MINUTE" => time / 60_000 % 60,
        "SECOND" => time / 1000 % 60,
        "MILLISECOND" => time % 1000,
        "MICROSECOND" => nanos / 1_000,
        "NANOSECOND" => nanos,
        "EPOCH" => millis / 1000,
        "DECADE" => year / 10,
        "CENTURY" => (year + 99) / 100,
        "MILLENNIUM" => (year + 999) / 1000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").expect("a clock")
    }

    #[test]
    fn fractions_before_1970_are_negative() {
        assert_eq!(
            part("MICROSECOND", at("1969-12-31 23:59:59.25")),
            Some(-750_000)
        );
        assert_eq!(
            part("NANOSECOND", at("1970-01-01 00:00:00.25")),
            Some(250_000_000)
        );
    }

    #[test]
    fn the_days_of_a_date_are_its_milliseconds() {
        let date = at("2024-02-29 00:00:00");
        assert_eq!(time_of_date("SECOND", date), Some(19));
        assert_eq!(time_of_date("MILLISECOND", date), Some(782));
        assert_eq!(time_of_date("HOUR", date), Some(0));
    }

    #[test]
    fn a_unit_must_be_in_the_value() {
        let refused = |unit: &str, root: TypeRoot| {
            let unit = ScalarValue::from(unit);
            let types = [
                FlinkType::not_null(TypeRoot::Varchar(9)),
                FlinkType::not_null(root),
            ];
            part_type(&types, &[Some(&unit), None]).is_err()
        };
        assert!(refused("MICROSECOND", TypeRoot::Date));
        assert!(refused("EPOCH", TypeRoot::Time(0)));
        assert!(refused("DAY", super::super::MONTHS));
        assert!(refused("MONTH", super::super::MILLIS));
        assert!(!refused("QUARTER", super::super::MONTHS));
        assert!(!refused("EPOCH", TypeRoot::Timestamp(3)));
    }
}
