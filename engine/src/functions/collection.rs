//! Functions on arrays and maps.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::text as shown;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::{text, texts};

const JOINED: &[Kind] = &[Kind::Any, Kind::Text];

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "cardinality",
        1..=1,
        &[Kind::Any],
        ResultType::Strict(TypeRoot::Int),
        cardinality,
    ),
    text(
        "array_contains",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(contains_type),
        array_contains,
    ),
    text(
        "array_join",
        2..=3,
        JOINED,
        ResultType::Nullable(TypeRoot::Varchar(MAX_LENGTH)),
        array_join,
    ),
    text(
        "split",
        2..=2,
        &[Kind::Text],
        ResultType::Computed(split_type),
        split,
    ),
];

/// Number of elements of an array, or of entries of a map.
fn cardinality(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let length = |row: usize| -> Option<i32> {
        let length = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().value_length(row),
            DataType::Map(..) => i32::try_from(array.as_map().value(row).len()).ok()?,
            _ => return None,
        };
        Some(length)
    };
    if !matches!(
        array.data_type(),
        DataType::List(_) | DataType::Map(..) | DataType::Null
    ) {
        return Err(EngineError::Data {
            message: "CARDINALITY takes an array or a map".to_owned(),
        });
    }
    Ok(Arc::new(call.strict::<i32, Int32Array>(length)))
}

/// NULL only for a NULL array.
fn contains_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let array_may_be_null = types.first().is_none_or(|array| array.nullable);
    Ok(FlinkType {
        root: TypeRoot::Boolean,
        nullable: array_may_be_null,
    })
}

/// Whether an element equals the second argument; NULL equals NULL here.
fn array_contains(call: &Call) -> Result<ArrayRef> {
    let (array, wanted) = (call.argument(0)?, call.argument(1)?);
    let DataType::List(item) = array.data_type() else {
        return Err(EngineError::Data {
            message: "ARRAY_CONTAINS takes an array".to_owned(),
        });
    };
    let wanted = cast(wanted, item.data_type())?;
    let lists = array.as_list::<i32>();
    let mut found = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        if lists.is_null(row) {
            found.push(None);
            continue;
        }
        let wanted = ScalarValue::try_from_array(&wanted, row)?;
        let values = lists.value(row);
        let mut is_there = false;
        for value_idx in 0..values.len() {
            is_there |= ScalarValue::try_from_array(&values, value_idx)? == wanted;
        }
        found.push(Some(is_there));
    }
    Ok(Arc::new(BooleanArray::from(found)))
}

/// The elements as texts, with a separator; NULLs are left out or replaced.
fn array_join(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let (DataType::List(_), Some(TypeRoot::Array(element))) = (
        array.data_type(),
        call.types.first().map(|given| &given.root),
    ) else {
        return Err(EngineError::Data {
            message: "ARRAY_JOIN takes an array of texts".to_owned(),
        });
    };
    let lists = array.as_list::<i32>();
    texts(call, |row| {
        let values = lists.value(row);
        let separator = call.text(1, row)?;
        let replacement = call.text(2, row);
        let parts: Vec<String> = (0..values.len())
            .filter_map(|value_idx| {
                shown::value(&values, value_idx, element, call.zone)
                    .ok()
                    .flatten()
                    .or_else(|| replacement.map(ToOwned::to_owned))
            })
            .collect();
        Some(parts.join(separator))
    })
}

fn split_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    Ok(FlinkType {
        root: TypeRoot::Array(Box::new(FlinkType::string())),
        nullable: types.iter().any(|argument| argument.nullable),
    })
}

fn split(call: &Call) -> Result<ArrayRef> {
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in 0..call.n_rows {
        let (Some(value), Some(separator)) = (call.text(0, row), call.text(1, row)) else {
            out.append_null();
            continue;
        };
        if separator.is_empty() {
            for letter in value.chars() {
                out.values().append_value(letter.to_string());
            }
        } else {
            for part in value.split(separator) {
                out.values().append_value(part);
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}
