//! IN and IS DISTINCT FROM as the binder sees them; `plan/typing` turns them into expressions.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Definition, Kind, ResultType};
use crate::functions::rules::{
    calcite_name, is_datetime, is_interval, is_number, is_text, least_restrictive,
};
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__in",
        2..=100_000,
        &[Kind::Any],
        ResultType::Computed(in_type),
        |_| Err(EngineError::internal("an IN was not expanded")),
    ),
    text(
        "__distinct",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(distinct_type),
        |_| {
            Err(EngineError::internal(
                "an IS DISTINCT FROM was not expanded",
            ))
        },
    ),
    text(
        "__never_equal",
        3..=3,
        &[Kind::Any],
        ResultType::Strict(TypeRoot::Boolean),
        |call| {
            let differ = call
                .argument(2)?
                .as_boolean_opt()
                .map(|flags| flags.value(0));
            let values: BooleanArray = call.strict(|_| differ);
            Ok(Arc::new(values))
        },
    ),
];

fn in_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let Some((value, list)) = types.split_first() else {
        return Err(EngineError::internal("IN looks for a value"));
    };
    if least_restrictive(list).is_none() {
        return Err(validation(
            "values in expression list must have compatible types".to_owned(),
        ));
    }
    if let Some(other) = list.iter().find(|item| !are_comparable(value, item)) {
        return Err(validation(format!(
            "values passed to IN operator must have compatible types: {} and {}",
            calcite_name(value),
            calcite_name(other)
        )));
    }
    Ok(FlinkType {
        root: TypeRoot::Boolean,
        nullable: types
            .iter()
            .any(|given| given.nullable || given.root == TypeRoot::Null),
    })
}

fn distinct_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match types {
        [left, right] if are_comparable(left, right) => Ok(FlinkType::not_null(TypeRoot::Boolean)),
        [left, right] => Err(validation(format!(
            "cannot apply 'IS DISTINCT FROM' to arguments of type '<{}> IS DISTINCT FROM <{}>'",
            calcite_name(left),
            calcite_name(right)
        ))),
        _ => Err(EngineError::internal(
            "IS DISTINCT FROM compares two values",
        )),
    }
}

/// Whether `=` stands between such values; texts stand beside nearly everything.
fn are_comparable(left: &FlinkType, right: &FlinkType) -> bool {
    let beside_text = |root: &TypeRoot| {
        is_number(root) || is_datetime(root) || is_interval(root) || *root == TypeRoot::Boolean
    };
    match (is_text(&left.root), is_text(&right.root)) {
        (true, false) if beside_text(&right.root) => true,
        (false, true) if beside_text(&left.root) => true,
        _ => {
            let both_arrays = matches!(
                (&left.root, &right.root),
                (TypeRoot::Array(_), TypeRoot::Array(_))
            );
            both_arrays || least_restrictive(&[left.clone(), right.clone()]).is_some()
        }
    }
}
