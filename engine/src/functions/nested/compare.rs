//! `=` and `<>` of nested values.
//!
//! ROWs compare field by field: unequal if one pair is, else NULL if one field is NULL. In ARRAYs
//! and MAPs a NULL inside equals a NULL; the order of a map's entries does not count.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::common::ScalarValue;

use super::keys::{KeyColumn, Keys};
use super::{any_nullable, cast_to};
use crate::data::map_keys;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::rules::{calcite_name, least_restrictive};
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__nested_eq",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(compared_type),
        |call| Ok(Arc::new(equal(call)?)),
    ),
    text(
        "__nested_ne",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(compared_type),
        |call| {
            let is_null = |row_idx| call.has_null(row_idx);
            let equal = equal(call)?;
            // A field that is NULL makes rows neither equal nor not unequal, as Flink has it.
            let unequal = equal
                .iter()
                .enumerate()
                .map(|(row_idx, equal)| (!is_null(row_idx)).then(|| equal != Some(true)));
            Ok(Arc::new(unequal.collect::<BooleanArray>()))
        },
    ),
];

fn compared_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if least_restrictive(types).is_none() {
        let shown: Vec<String> = types
            .iter()
            .map(|given| format!("<{}>", calcite_name(given)))
            .collect();
        return Err(validation(format!(
            "cannot apply '=' to arguments of type '{}'",
            shown.join(" = ")
        )));
    }
    Ok(FlinkType {
        root: TypeRoot::Boolean,
        nullable: any_nullable(types) || types.iter().any(has_nullable_field),
    })
}

fn has_nullable_field(flink_type: &FlinkType) -> bool {
    match &flink_type.root {
        TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } => fields
            .iter()
            .any(|field| field.flink_type.nullable || has_nullable_field(&field.flink_type)),
        _ => false,
    }
}

fn equal(call: &Call) -> Result<BooleanArray> {
    let wanted = least_restrictive(&call.types)
        .ok_or_else(|| EngineError::internal("compared values have a common type"))?;
    let [left, right] = [0, 1].map(|index| {
        let from = call.types.get(index).unwrap_or(&wanted);
        cast_to(call, call.argument(index)?, from, &wanted)
    });
    equal_columns(&left?, &right?, &wanted.root)
}

fn equal_columns(left: &ArrayRef, right: &ArrayRef, root: &TypeRoot) -> Result<BooleanArray> {
    let n_rows = left.len();
    if let TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } = root {
        let mut result = vec![Some(true); n_rows];
        let columns = left.as_struct().columns().iter();
        let columns = columns.zip(right.as_struct().columns());
        for ((left, right), field) in columns.zip(fields) {
            let equal = equal_columns(left, right, &field.flink_type.root)?;
            for (result, equal) in result.iter_mut().zip(&equal) {
                *result = match (*result, equal) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (None, _) | (_, None) => None,
                    _ => Some(true),
                };
            }
        }
        return Ok(result
            .into_iter()
            .enumerate()
            .map(|(row_idx, equal)| {
                let has_null = left.is_null(row_idx) || right.is_null(row_idx);
                equal.filter(|_| !has_null)
            })
            .collect());
    }
    let compare: Box<dyn Fn(usize) -> bool> =
        if let TypeRoot::Map(..) | TypeRoot::Multiset(_) = root {
            let (left, right) = (entries(left)?, entries(right)?);
            Box::new(move |row_idx| left.entries(row_idx) == right.entries(row_idx))
        } else {
            let keys = Keys::try_new(left.data_type())?;
            let (left, right) = (keys.column(left)?, keys.column(right)?);
            Box::new(move |row_idx| left.equals(row_idx, &right, row_idx))
        };
    Ok((0..n_rows)
        .map(|row_idx| {
            let has_null = left.is_null(row_idx) || right.is_null(row_idx);
            (!has_null).then(|| compare(row_idx))
        })
        .collect())
}

/// A column of maps in comparable form.
struct Entries {
    offsets: Vec<i32>,
    keys: KeyColumn,
    values: KeyColumn,
}

fn entries(array: &ArrayRef) -> Result<Entries> {
    let map = array
        .as_map_opt()
        .ok_or_else(|| EngineError::internal("a MAP is a map"))?;
    let keys = map_keys::keys(map);
    Ok(Entries {
        offsets: map.value_offsets().to_vec(),
        keys: Keys::try_new(keys.data_type())?.column(keys)?,
        values: Keys::try_new(map.values().data_type())?.column(map.values())?,
    })
}

impl Entries {
    fn entries(&self, row_idx: usize) -> BTreeMap<&[u8], &[u8]> {
        let at = |idx: usize| {
            let offset = self.offsets.get(idx).copied().unwrap_or(0);
            usize::try_from(offset).unwrap_or(0)
        };
        (at(row_idx)..at(row_idx + 1))
            .map(|entry_idx| (self.keys.bytes(entry_idx), self.values.bytes(entry_idx)))
            .collect()
    }
}
