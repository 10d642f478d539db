//! Functions on dates, times, timestamps and intervals.
//!
//! Wall clocks are computed with; TIMESTAMP_LTZ passes through the session's time zone first.
//!
//! Source: `DateTimeUtils` of Flink 2.3 and Calcite's `DateTimeUtils`.

mod difference;

mod fields;

mod moved;

mod periods;

mod rounding;

mod reading;

mod writing;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    Array, ArrayRef, AsArray, DurationMillisecondArray, IntervalYearMonthArray, new_null_array,
};
use arrow::datatypes::{
    DataType, Date32Type, DurationMillisecondType, IntervalYearMonthType, Time32MillisecondType,
};
use chrono::{Months, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;

use crate::data::types::{DayTimeResolution, FlinkType, MAX_LENGTH, TypeRoot, YearMonthResolution};
use crate::error::{EngineError, Result};
use crate::functions::cast::{parse, temporal};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::java_calendar::JavaZone;
use crate::functions::java_time::Pattern;
use crate::functions::rules::is_interval;
use crate::functions::string::{text, texts};
use crate::sql::diagnostics::validation;
use difference::{difference_type, months_between, timestamp_diff};
use fields::{extract, named_part_type, part_type};
use periods::{elapsed_millis, elapsed_months, overlaps};
use reading::{ltz_type, to_date, to_timestamp, to_timestamp_ltz, unix_timestamp};
use rounding::round_to;
use writing::{date_format, from_unixtime};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);
const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";
/// The type of an interval of milliseconds.
pub(super) const MILLIS: TypeRoot = TypeRoot::IntervalDayTime {
    resolution: DayTimeResolution::Second,
    day_precision: 2,
    fractional_precision: 3,
};
/// The type of an interval of months.
pub(super) const MONTHS: TypeRoot = TypeRoot::IntervalYearMonth {
    resolution: YearMonthResolution::Month,
    year_precision: 2,
};
const UNIT: &[Kind] = &[Kind::Text, Kind::TemporalOrInterval];
const PART: &[Kind] = &[Kind::TemporalOrInterval];
const ROUNDED: &[Kind] = &[Kind::Temporal, Kind::Text];
const MOVED: &[Kind] = &[Kind::TemporalOrInterval, Kind::TemporalOrInterval];
const ADDED: &[Kind] = &[Kind::Text, Kind::Integer, Kind::Temporal];
const DIFFERENCE: &[Kind] = &[Kind::Text, Kind::Temporal, Kind::Temporal];
const BIGINT: ResultType = ResultType::Strict(TypeRoot::BigInt);

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "extract",
        2..=2,
        UNIT,
        ResultType::Computed(part_type),
        |call| {
            let units: Vec<_> = (0..call.n_rows).map(|row| call.text(0, row)).collect();
            extract(call, 1, |row| units.get(row).copied().flatten())
        },
    ),
    text(
        "year",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("YEAR", types)),
        |call| extract(call, 0, |_| Some("YEAR")),
    ),
    text(
        "quarter",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("QUARTER", types)),
        |call| extract(call, 0, |_| Some("QUARTER")),
    ),
    text(
        "month",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("MONTH", types)),
        |call| extract(call, 0, |_| Some("MONTH")),
    ),
    text(
        "week",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("WEEK", types)),
        |call| extract(call, 0, |_| Some("WEEK")),
    ),
    text(
        "dayofyear",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("DOY", types)),
        |call| extract(call, 0, |_| Some("DOY")),
    ),
    text(
        "dayofmonth",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("DAY", types)),
        |call| extract(call, 0, |_| Some("DAY")),
    ),
    text(
        "dayofweek",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("DOW", types)),
        |call| extract(call, 0, |_| Some("DOW")),
    ),
    text(
        "hour",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("HOUR", types)),
        |call| extract(call, 0, |_| Some("HOUR")),
    ),
    text(
        "minute",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("MINUTE", types)),
        |call| extract(call, 0, |_| Some("MINUTE")),
    ),
    text(
        "second",
        1..=1,
        PART,
        ResultType::Computed(|types, _| named_part_type("SECOND", types)),
        |call| extract(call, 0, |_| Some("SECOND")),
    ),
    text(
        "__floor_to",
        2..=2,
        ROUNDED,
        ResultType::Argument(0),
        |call| round_to(call, false),
    ),
    text(
        "__ceil_to",
        2..=2,
        ROUNDED,
        ResultType::Argument(0),
        |call| round_to(call, true),
    ),
    text(
        "__interval_millis",
        1..=1,
        &[Kind::Integer],
        ResultType::Strict(MILLIS),
        |call| {
            Ok(Arc::new(call.strict::<i64, DurationMillisecondArray>(
                |row| call.integer(0, row),
            )))
        },
    ),
    text(
        "__interval_months",
        1..=1,
        &[Kind::Integer],
        ResultType::Strict(MONTHS),
        |call| {
            Ok(Arc::new(call.strict::<i32, IntervalYearMonthArray>(
                |row| i32::try_from(call.integer(0, row)?).ok(),
            )))
        },
    ),
    text(
        "__temporal_plus",
        2..=2,
        MOVED,
        ResultType::Computed(moved_type),
        |call| shift(call, 1),
    ),
    text(
        "__temporal_minus",
        2..=2,
        MOVED,
        ResultType::Computed(moved_type),
        |call| shift(call, -1),
    ),
    text(
        "timestampadd",
        3..=3,
        ADDED,
        ResultType::Computed(added_type),
        timestamp_add,
    ),
    text(
        "timestampdiff",
        3..=3,
        DIFFERENCE,
        ResultType::Computed(difference_type),
        timestamp_diff,
    ),
    text(
        "date_format",
        2..=2,
        DATE_FORMAT,
        ResultType::Nullable(STRING),
        date_format,
    ),
    text(
        "to_date",
        1..=2,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::Date),
        to_date,
    ),
    text(
        "to_timestamp",
        1..=2,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::Timestamp(3)),
        to_timestamp,
    ),
    text(
        "to_timestamp_ltz",
        1..=3,
        TO_LTZ,
        ResultType::Computed(ltz_type),
        to_timestamp_ltz,
    ),
    text(
        "from_unixtime",
        1..=2,
        FROM_UNIX,
        ResultType::Nullable(STRING),
        from_unixtime,
    ),
    text(
        "convert_tz",
        3..=3,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| {
            texts(call, |row| {
                let (local, _) = Pattern::parse(DEFAULT_PATTERN)?.read(call.text(0, row)?)?;
                let from = JavaZone::of(call.text(1, row)?);
                let to = JavaZone::of(call.text(2, row)?);
                let shown = to.to_local(from.to_instant(local));
                Pattern::parse(DEFAULT_PATTERN)?.format(shown)
            })
        },
    ),
    text(
        "__overlaps",
        4..=4,
        &[Kind::TemporalOrInterval],
        ResultType::Strict(TypeRoot::Boolean),
        overlaps,
    ),
    text(
        "__elapsed_months",
        2..=2,
        &[Kind::Temporal],
        ResultType::Strict(MONTHS),
        elapsed_months,
    ),
    text(
        "__elapsed_millis",
        2..=2,
        &[Kind::Temporal],
        ResultType::Strict(MILLIS),
        elapsed_millis,
    ),
    Definition {
        name: "unix_timestamp",
        arity: 0..=2,
        kinds: &[Kind::Text],
        result: BIGINT,
        deterministic: false,
        evaluate: unix_timestamp,
    },
    Definition {
        name: "__rowtime",
        arity: 1..=1,
        kinds: &[Kind::Temporal],
        result: ResultType::Argument(0),
        deterministic: true,
        evaluate: |call| Ok(Arc::clone(call.argument(0)?)),
    },
    Definition {
        name: "current_watermark",
        arity: 1..=1,
        kinds: &[Kind::Temporal],
        result: ResultType::Computed(|types, _| {
            let argument = types.first().map(|argument| argument.root.clone());
            Ok(FlinkType::nullable(argument.unwrap_or(TypeRoot::Null)))
        }),
        deterministic: false,
        // Streaming plans read it from a column; without a stream there is no watermark.
        evaluate: |call| Ok(new_null_array(call.argument(0)?.data_type(), call.n_rows)),
    },
    Definition {
        name: "source_watermark",
        arity: 0..=0,
        kinds: &[],
        result: ResultType::Nullable(TypeRoot::TimestampLtz(3)),
        deterministic: false,
        evaluate: |_| {
            Err(EngineError::Data {
                message:
                    "SOURCE_WATERMARK() is a declarative marker function and has no value: it \
                          stands alone in the WATERMARK FOR clause of a table whose source makes \
                          watermarks"
                        .to_owned(),
            })
        },
    },
    clock("current_timestamp", TypeRoot::TimestampLtz(3)),
    clock("now", TypeRoot::TimestampLtz(3)),
    clock("current_row_timestamp", TypeRoot::TimestampLtz(3)),
    clock("proctime", TypeRoot::TimestampLtz(3)),
    clock("localtimestamp", TypeRoot::Timestamp(3)),
    clock("current_date", TypeRoot::Date),
    clock("current_time", TypeRoot::Time(0)),
    clock("localtime", TypeRoot::Time(0)),
];

const DATE_FORMAT: &[Kind] = &[Kind::TimestampOrText, Kind::Text];
const TO_LTZ: &[Kind] = &[Kind::NumberOrText, Kind::TextOrInteger, Kind::Text];
const FROM_UNIX: &[Kind] = &[Kind::Integer, Kind::Text];

/// A function that reads the clock, once for a batch. It takes no precision, as in Flink.
const fn clock(name: &'static str, root: TypeRoot) -> Definition {
    Definition {
        name,
        arity: 0..=0,
        kinds: &[],
        result: ResultType::NotNull(root),
        deterministic: false,
        evaluate: |call| {
            let local = temporal::to_local(now(), call.zone);
            temporal::from_locals(vec![Some(local); call.n_rows], &call.result, call.zone)
        },
    }
}

/// The clock. All calls for one row say the same, so a moment lasts longer than a row takes.
fn now() -> NaiveDateTime {
    const MOMENT: Duration = Duration::from_millis(2);
    thread_local! {
        static READ: Cell<Option<(Instant, NaiveDateTime)>> = const { Cell::new(None) };
    }
    READ.with(|read| match read.get() {
        Some((at, said)) if at.elapsed() < MOMENT => said,
        _ => {
            let said = Utc::now().naive_utc();
            read.set(Some((Instant::now(), said)));
            said
        }
    })
}

/// The wall clock in a row of a date, a time or a timestamp.
fn local(call: &Call, index: usize, row: usize) -> Option<NaiveDateTime> {
    let array = call.arguments.get(index)?;
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Some(temporal::date_of_days(days).ok()?.and_time(NaiveTime::MIN))
        }
        DataType::Time32(_) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row);
            Some(epoch() + TimeDelta::milliseconds(millis.into()))
        }
        DataType::Timestamp(_, zone) => {
            let value = temporal::datetime(array, row).ok()?;
            Some(match zone {
                Some(_) => temporal::to_local(value, call.zone),
                None => value,
            })
        }
        DataType::Utf8 => parse::timestamp(call.text(index, row)?),
        _ => None,
    }
}

/// Whether a NULL stands among the arguments as a constant: a strict call is NULL then before anybody
/// asks whether its types go together.
fn has_null(constants: &[Option<&ScalarValue>]) -> bool {
    constants
        .iter()
        .flatten()
        .any(|constant| constant.is_null())
}

fn epoch() -> NaiveDateTime {
    chrono::DateTime::UNIX_EPOCH.naive_utc()
}

/// Months or milliseconds of an interval.
fn amount(call: &Call, index: usize, row: usize) -> Option<(i64, i64)> {
    let array = call.arguments.get(index)?;
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Duration(_) => Some((
            0,
            array.as_primitive::<DurationMillisecondType>().value(row),
        )),
        DataType::Interval(_) => Some((
            array
                .as_primitive::<IntervalYearMonthType>()
                .value(row)
                .into(),
            0,
        )),
        _ => None,
    }
}

/// What is moved keeps its type; two intervals of a kind are an interval.
fn moved_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let [left, right] = types else {
        return Err(EngineError::internal("two operands expected"));
    };
    let nullable = left.nullable || right.nullable;
    if is_interval(&left.root)
        && matches!(right.root, TypeRoot::TimestampLtz(_))
        && !has_null(constants)
    {
        return Err(validation(
            "an interval in front of a TIMESTAMP_LTZ cannot be added to it; write the interval last"
                .to_owned(),
        ));
    }
    let root = match (is_interval(&left.root), is_interval(&right.root)) {
        (false, true) => left.root.clone(),
        (true, false) => right.root.clone(),
        (true, true)
            if std::mem::discriminant(&left.root) == std::mem::discriminant(&right.root) =>
        {
            left.root.clone()
        }
        _ => {
            return Err(validation(format!(
                "{} and {} can be neither added nor subtracted",
                left.root_text(),
                right.root_text()
            )));
        }
    };
    Ok(FlinkType { root, nullable })
}

fn shift(call: &Call, sign: i64) -> Result<ArrayRef> {
    let intervals: Vec<bool> = call
        .types
        .iter()
        .map(|given| is_interval(&given.root))
        .collect();
    match intervals.as_slice() {
        [true, true] => {
            let sum = |row: usize| {
                let (left, right) = (amount(call, 0, row)?, amount(call, 1, row)?);
                Some((left.0 + sign * right.0, left.1 + sign * right.1))
            };
            if matches!(call.result.root, TypeRoot::IntervalYearMonth { .. }) {
                return Ok(Arc::new(call.strict::<i32, IntervalYearMonthArray>(
                    |row| i32::try_from(sum(row)?.0).ok(),
                )));
            }
            Ok(Arc::new(call.strict::<i64, DurationMillisecondArray>(
                |row| Some(sum(row)?.1),
            )))
        }
        [is_left_interval, _] => {
            let (moved, by) = if *is_left_interval { (1, 0) } else { (0, 1) };
            let has_millis = matches!(call.result.root, TypeRoot::Timestamp(digits) if digits >= 3);
            if let (true, Some(times), Some(intervals)) = (
                has_millis,
                call.arguments.get(moved),
                call.arguments.get(by),
            ) && let Some(sums) = moved::moved(times, intervals, sign)
                && *sums.data_type() == call.result.to_arrow_type()
            {
                return Ok(sums);
            }
            let is_date = call.result.root == TypeRoot::Date;
            let values = (0..call.n_rows)
                .map(|row| {
                    let value = local(call, moved, row)?;
                    let (months, mut millis) = amount(call, by, row)?;
                    if is_date {
                        // Whole days only; what is left is cut.
                        millis -= millis % 86_400_000;
                    }
                    add(value, sign * months, sign * millis)
                })
                .collect();
            temporal::from_locals(values, &call.result, call.zone)
        }
        _ => Err(EngineError::internal("two operands expected")),
    }
}

fn add(value: NaiveDateTime, months: i64, millis: i64) -> Option<NaiveDateTime> {
    let magnitude = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months >= 0 {
        value.checked_add_months(magnitude)?
    } else {
        value.checked_sub_months(magnitude)?
    };
    moved.checked_add_signed(TimeDelta::milliseconds(millis))
}

/// Months and milliseconds of one unit.
fn unit_size(unit: &str) -> Option<(i64, i64)> {
    Some(match unit.trim_start_matches("SQL_TSI_") {
        "MILLENNIUM" => (12_000, 0),
        "CENTURY" => (1_200, 0),
        "DECADE" => (120, 0),
        "YEAR" => (12, 0),
        "QUARTER" => (3, 0),
        "MONTH" => (1, 0),
        "WEEK" => (0, 7 * 86_400_000),
        "DAY" => (0, 86_400_000),
        "HOUR" => (0, 3_600_000),
        "MINUTE" => (0, 60_000),
        "SECOND" => (0, 1_000),
        "MILLISECOND" => (0, 1),
        _ => return None,
    })
}

/// A DATE to which hours are added is a clock; milliseconds need three digits.
fn added_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let unit = match constants.first() {
        Some(Some(ScalarValue::Utf8(Some(unit)))) => unit.trim_start_matches("SQL_TSI_"),
        _ => "",
    };
    let is_clock_unit = matches!(unit, "HOUR" | "MINUTE" | "SECOND");
    let moved = types
        .get(2)
        .map_or(TypeRoot::Null, |given| given.root.clone());
    let is_coarse = matches!(moved, TypeRoot::Date) || moved == TypeRoot::Time(0);
    let is_micros = matches!(unit, "MICROSECOND" | "FRAC_SECOND");
    let is_null = has_null(constants) && moved != TypeRoot::Date;
    if !is_null && (is_micros || (unit == "MILLISECOND" && is_coarse)) {
        let moved = FlinkType::not_null(moved);
        return Err(validation(format!(
            "TIMESTAMPADD cannot add a {unit} to {}",
            moved.root_text()
        )));
    }
    let root = match moved {
        TypeRoot::Date if is_clock_unit => TypeRoot::Timestamp(6),
        TypeRoot::Time(_) if is_micros => TypeRoot::Time(3),
        TypeRoot::Time(0) if unit == "MILLISECOND" => TypeRoot::Time(3),
        TypeRoot::Timestamp(digits) if is_micros => TypeRoot::Timestamp(digits.max(6)),
        TypeRoot::TimestampLtz(digits) if is_micros => TypeRoot::TimestampLtz(digits.max(6)),
        TypeRoot::Timestamp(digits) if unit == "MILLISECOND" => TypeRoot::Timestamp(digits.max(3)),
        TypeRoot::TimestampLtz(digits) if unit == "MILLISECOND" => {
            TypeRoot::TimestampLtz(digits.max(3))
        }
        other => other,
    };
    Ok(FlinkType {
        root,
        nullable: types.iter().any(|given| given.nullable),
    })
}

fn timestamp_add(call: &Call) -> Result<ArrayRef> {
    let values = (0..call.n_rows)
        .map(|row| {
            let (months, millis) = unit_size(call.text(0, row)?)?;
            let count = call.integer(1, row)?;
            add(local(call, 2, row)?, months * count, millis * count)
        })
        .collect();
    temporal::from_locals(values, &call.result, call.zone)
}
