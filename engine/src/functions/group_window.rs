//! Group windows: `GROUP BY TUMBLE(ts, …)` with `TUMBLE_START(ts, …)` and its kin.
//!
//! The normalizer writes `TUMBLE_START(ts, …)` as `__group_start(TUMBLE(ts, …))`, so that the binder
//! finds the grouping in it. The planner then puts a window under the aggregate, and the row of
//! start, end and time, `__group_window(…)`, in the place of the call. A call of TUMBLE that is left
//! stands outside of GROUP BY.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StructArray, new_null_array};
use arrow::datatypes::DataType;

use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::sql::diagnostics::SqlDiagnostic;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    window("tumble", 2..=3),
    window("hop", 3..=4),
    window("session", 2..=3),
    of_kinds("__count_window", 3..=3, &[Kind::Temporal, Kind::Any]),
    Definition {
        name: "__group_window",
        arity: 3..=3,
        kinds: &[Kind::Temporal],
        result: ResultType::Computed(|types, _| {
            Ok(row_type(types.get(2).map(|time| time.root.clone())))
        }),
        deterministic: true,
        evaluate: group_window,
    },
    part("__group_start", 0),
    part("__group_end", 1),
    part("__group_rowtime", 2),
    Definition {
        name: "__group_proctime",
        arity: 1..=1,
        kinds: &[Kind::Any],
        result: ResultType::Computed(|types, _| {
            part_type(types, 2)?;
            Ok(FlinkType {
                root: TypeRoot::TimestampLtz(3),
                nullable: true,
            })
        }),
        deterministic: true,
        evaluate: proctime,
    },
];

const WINDOW: &[Kind] = &[Kind::Temporal, Kind::TemporalOrInterval];

const fn window(name: &'static str, arity: std::ops::RangeInclusive<usize>) -> Definition {
    of_kinds(name, arity, WINDOW)
}

const fn of_kinds(
    name: &'static str,
    arity: std::ops::RangeInclusive<usize>,
    kinds: &'static [Kind],
) -> Definition {
    Definition {
        name,
        arity,
        kinds,
        result: ResultType::Computed(|types, _| {
            Ok(row_type(types.first().map(|time| time.root.clone())))
        }),
        deterministic: true,
        evaluate: |_| Err(outside()),
    }
}

/// The error for a group window that no GROUP BY has.
pub(crate) fn outside() -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::validation(
        "a group window function (TUMBLE, HOP, SESSION and their _START, _END, _ROWTIME) stands \
         where no GROUP BY has the same window"
            .to_owned(),
    )))
}

/// Start, end and time of a window over times of this type.
fn row_type(time: Option<TypeRoot>) -> FlinkType {
    let time = match time {
        Some(TypeRoot::TimestampLtz(_)) => TypeRoot::TimestampLtz(3),
        _ => TypeRoot::Timestamp(3),
    };
    let field = |name: &str, root: TypeRoot| RowField {
        name: name.to_owned(),
        flink_type: FlinkType::not_null(root),
        comment: None,
    };
    FlinkType::not_null(TypeRoot::Row(vec![
        field("start", TypeRoot::Timestamp(3)),
        field("end", TypeRoot::Timestamp(3)),
        field("time", time),
    ]))
}

fn group_window(call: &Call) -> Result<ArrayRef> {
    let field = call.result.to_arrow_field("");
    let DataType::Struct(fields) = field.data_type() else {
        return Err(EngineError::internal("a window is no row"));
    };
    Ok(Arc::new(StructArray::try_new(
        fields.clone(),
        call.arguments.clone(),
        None,
    )?))
}

/// A part of the window.
const fn part(name: &'static str, index: usize) -> Definition {
    Definition {
        name,
        arity: 1..=1,
        kinds: &[Kind::Any],
        result: match index {
            0 => ResultType::Computed(|types, _| part_type(types, 0)),
            1 => ResultType::Computed(|types, _| part_type(types, 1)),
            _ => ResultType::Computed(|types, _| part_type(types, 2)),
        },
        deterministic: true,
        evaluate: match index {
            0 => |call| part_of(call, 0),
            1 => |call| part_of(call, 1),
            _ => |call| part_of(call, 2),
        },
    }
}

fn part_type(types: &[FlinkType], index: usize) -> Result<FlinkType> {
    match types.first().map(|window| &window.root) {
        Some(TypeRoot::Row(fields)) => fields
            .get(index)
            .map(|field| FlinkType {
                root: field.flink_type.root.clone(),
                // Flink's types say that the time attribute may be missing.
                nullable: index == 2,
            })
            .ok_or_else(outside),
        _ => Err(outside()),
    }
}

/// The clock's time of a window by the clock; others have none.
fn proctime(call: &Call) -> Result<ArrayRef> {
    let time = part_of(call, 2)?;
    let field = call.result.to_arrow_field("");
    if time.data_type() == field.data_type() {
        return Ok(time);
    }
    Ok(new_null_array(field.data_type(), time.len()))
}

fn part_of(call: &Call, index: usize) -> Result<ArrayRef> {
    call.argument(0)?
        .as_struct_opt()
        .and_then(|window| window.columns().get(index))
        .map(Arc::clone)
        .ok_or_else(outside)
}
