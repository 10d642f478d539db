//! Functions that choose between their arguments.
//!
//! ```text
//!   CASE, IF              __case, __if    typed when bound; become a lazy CASE after it (plan/typing)
//!   NULLIF(a, b)          CASE WHEN a = b THEN NULL ELSE a END
//!   COALESCE, IFNULL, GREATEST, LEAST     compute all their arguments, as in Flink
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::kernels::cmp;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_not_null, is_null, nullif, or};
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{Caster, OnFailure};
use crate::functions::datetime::{MILLIS, MONTHS};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::illegal_null;
use crate::functions::rules::{common, is_text, least_restrictive, needs_no_cast};
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// Arguments of functions that take any number.
const MANY: usize = 10_000;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "typeof",
        1..=2,
        &[Kind::Any],
        ResultType::Nullable(TypeRoot::Varchar(MAX_LENGTH)),
        type_of,
    ),
    text(
        "__case",
        3..=MANY,
        &[Kind::Any],
        ResultType::Computed(case_type),
        |_| Err(EngineError::internal("a CASE was not made lazy")),
    ),
    text(
        "__if",
        3..=3,
        &[Kind::Any],
        ResultType::Computed(if_type),
        |_| Err(EngineError::internal("an IF was not made lazy")),
    ),
    text(
        "__lagged",
        3..=3,
        &[Kind::Any],
        ResultType::Computed(lagged_type),
        lagged,
    ),
    text(
        "__typed",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(declared_type),
        |call| Ok(Arc::clone(call.argument(0)?)),
    ),
    text(
        "coalesce",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(coalesce_type),
        coalesce,
    ),
    text(
        "ifnull",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(if_null_type),
        coalesce,
    ),
    text(
        "greatest",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(|types, _| extreme_type("GREATEST", types)),
        |call| extreme(call, true),
    ),
    text(
        "least",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(|types, _| extreme_type("LEAST", types)),
        |call| extreme(call, false),
    ),
];

/// The results among the arguments of `__case`: condition, result, …, otherwise.
fn results_of(types: &[FlinkType]) -> Vec<FlinkType> {
    let last = types.len().saturating_sub(1);
    types
        .iter()
        .enumerate()
        .filter(|(index, _)| index % 2 == 1 || *index == last)
        .map(|(_, given)| given.clone())
        .collect()
}

fn case_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let conditions = types.iter().step_by(2).take(types.len() / 2);
    for condition in conditions {
        expect_boolean(condition)?;
    }
    let results = results_of(types);
    if results.iter().all(|result| result.root == TypeRoot::Null) {
        return Err(validation(
            "ELSE clause or at least one THEN clause must be non-NULL".to_owned(),
        ));
    }
    least_restrictive(&results).ok_or_else(|| {
        validation("illegal mixing of types in CASE or COALESCE statement".to_owned())
    })
}

/// As CASE, but NULL where the condition may be; clocks of different precision keep the first's.
fn if_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let [condition, yes, no] = types else {
        return Err(EngineError::internal("IF takes three arguments"));
    };
    if [yes, no].iter().any(|given| given.root == TypeRoot::Null) {
        return Err(illegal_null());
    }
    let refused = || invalid_arguments("IF", types);
    if !matches!(condition.root, TypeRoot::Boolean) {
        return Err(refused());
    }
    let found = least_restrictive(&[yes.clone(), no.clone()]).ok_or_else(refused)?;
    let root = match (&yes.root, &no.root) {
        (TypeRoot::Timestamp(_), TypeRoot::Timestamp(_) | TypeRoot::TimestampLtz(_))
        | (TypeRoot::TimestampLtz(_), TypeRoot::TimestampLtz(_) | TypeRoot::Timestamp(_)) => {
            yes.root.clone()
        }
        _ => found.root,
    };
    Ok(FlinkType {
        root,
        nullable: types.iter().any(|given| given.nullable),
    })
}

fn expect_boolean(condition: &FlinkType) -> Result<()> {
    if matches!(condition.root, TypeRoot::Boolean | TypeRoot::Null) {
        return Ok(());
    }
    Err(validation("expected a boolean type".to_owned()))
}

/// Flink's refusal of arguments that a function does not take.
pub(crate) fn invalid_arguments(function: &str, types: &[FlinkType]) -> EngineError {
    let shown: Vec<_> = types.iter().map(FlinkType::root_text).collect();
    validation(format!(
        "invalid arguments of function {function}({})",
        shown.join(", ")
    ))
}

/// The type that the second argument names.
fn declared_type(_: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match constants.get(1) {
        Some(Some(ScalarValue::Utf8(Some(text)))) => FlinkType::parse(text),
        _ => Err(EngineError::internal("a type's text expected")),
    }
}

fn coalesce_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let found = common(types).filter(|found| found.root != TypeRoot::Null);
    let root = found
        .ok_or_else(|| invalid_arguments("COALESCE", types))?
        .root;
    Ok(FlinkType {
        root,
        nullable: types.iter().all(may_be_null),
    })
}

fn may_be_null(given: &FlinkType) -> bool {
    given.nullable || given.root == TypeRoot::Null
}

/// A first argument that is never NULL is the result, and a text keeps its declared length.
fn if_null_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let found = coalesce_type(types, constants).map_err(|_| invalid_arguments("IFNULL", types))?;
    match types {
        [first, _] if !may_be_null(first) && is_lengthy(&first.root) => Ok(first.clone()),
        _ => Ok(found),
    }
}

fn is_lengthy(root: &TypeRoot) -> bool {
    is_text(root) || matches!(root, TypeRoot::Binary(_) | TypeRoot::Varbinary(_))
}

fn extreme_type(name: &str, types: &[FlinkType]) -> Result<FlinkType> {
    common(types)
        .filter(|found| {
            !matches!(
                found.root,
                TypeRoot::Null
                    | TypeRoot::Array(_)
                    | TypeRoot::Map(..)
                    | TypeRoot::Multiset(_)
                    | TypeRoot::Row(_)
            )
        })
        .ok_or_else(|| invalid_arguments(name, types))
}

/// The arguments as columns of the result's type.
fn unified(call: &Call) -> Result<Vec<ArrayRef>> {
    let caster = Caster {
        on_failure: OnFailure::Fail,
        zone: call.zone,
    };
    call.arguments
        .iter()
        .zip(&call.types)
        .map(|(column, from)| {
            if needs_no_cast(&from.root, &call.result.root) {
                return Ok(Arc::clone(column));
            }
            caster.cast(column, from, &call.result)
        })
        .collect()
}

fn coalesce(call: &Call) -> Result<ArrayRef> {
    let mut columns = unified(call)?;
    let Some(mut found) = columns.pop() else {
        return Err(EngineError::internal("an argument expected"));
    };
    for column in columns.into_iter().rev() {
        if column.logical_null_count() == 0 {
            found = column;
        } else {
            found = zip(&is_not_null(&column)?, &column, &found)?;
        }
    }
    Ok(found)
}

/// The type of the value; its default says whether it may be NULL.
fn lagged_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let [value, default, _] = types else {
        return Err(invalid_arguments("LAG", types));
    };
    Ok(FlinkType {
        root: value.root.clone(),
        nullable: may_be_null(default),
    })
}

/// `__lagged(value, default, found)`: the value of another row, and the default where `found` is
/// NULL, because there is no such row. A default that is never NULL stands for NULL, too.
fn lagged(call: &Call) -> Result<ArrayRef> {
    let caster = Caster {
        on_failure: OnFailure::Fail,
        zone: call.zone,
    };
    let (value, mut default) = (call.argument(0)?, Arc::clone(call.argument(1)?));
    if let Some(from) = call.types.get(1)
        && !needs_no_cast(&from.root, &call.result.root)
    {
        default = caster.cast(&default, from, &call.result)?;
    }
    let found = match call.result.nullable {
        true => is_not_null(call.argument(2)?)?,
        false => is_not_null(value)?,
    };
    Ok(zip(&found, value, &default)?)
}

/// NULL if any argument is; NaN is the greatest number, as in `Double.compareTo`.
fn extreme(call: &Call, greatest: bool) -> Result<ArrayRef> {
    let columns = unified(call)?;
    let Some((first, rest)) = columns.split_first() else {
        return Err(EngineError::internal("an argument expected"));
    };
    let mut best = Arc::clone(first);
    let mut has_null: BooleanArray = is_null(first)?;
    for column in rest {
        let better = if greatest {
            cmp::gt(column, &best)?
        } else {
            cmp::lt(column, &best)?
        };
        best = zip(&better, column, &best)?;
        has_null = or(&has_null, &is_null(column)?)?;
    }
    Ok(nullif(&best, &has_null)?)
}

/// The type's text; its serializable form if the second argument says so.
fn type_of(call: &Call) -> Result<ArrayRef> {
    let serializable = call
        .arguments
        .get(1)
        .and_then(|flag| flag.as_boolean_opt())
        .is_some_and(|flag| !flag.is_empty() && !flag.is_null(0) && flag.value(0));
    let shown = call.types.first().map(|given| {
        // To Calcite intervals count months or milliseconds, whatever their units are.
        let given = &FlinkType {
            root: match &given.root {
                TypeRoot::IntervalYearMonth { .. } => MONTHS,
                TypeRoot::IntervalDayTime { .. } => MILLIS,
                other => other.clone(),
            },
            nullable: given.nullable,
        };
        if serializable {
            given.as_serializable_string()
        } else {
            given.to_string()
        }
    });
    let values: StringArray = (0..call.n_rows).map(|_| shown.clone()).collect();
    Ok(Arc::new(values))
}
