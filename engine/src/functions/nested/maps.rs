//! Functions of maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::construct::MapChooser;
use super::{MANY, any_nullable, argument_as, array_of, bounds, element_of, invalid, lists};
use crate::data::map_keys;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::rules::common;
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "map_keys",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| {
            let (key, _, nullable) = entry_types("MAP_KEYS", types)?;
            Ok(array_of(key, nullable))
        }),
        |call| entries(call, |map, _| Ok(Arc::clone(map_keys::keys(map)))),
    ),
    text(
        "map_values",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| {
            let (_, value, nullable) = entry_types("MAP_VALUES", types)?;
            Ok(array_of(value, nullable))
        }),
        |call| entries(call, |map, _| Ok(Arc::clone(map.values()))),
    ),
    text(
        "map_entries",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(map_entries_type),
        |call| {
            entries(call, |map, item| {
                let DataType::Struct(fields) = item else {
                    return Err(EngineError::internal("an entry is a row"));
                };
                let keys = Arc::clone(map_keys::keys(map));
                let columns = vec![keys, Arc::clone(map.values())];
                Ok(Arc::new(StructArray::try_new(
                    fields.clone(),
                    columns,
                    None,
                )?))
            })
        },
    ),
    text(
        "map_from_arrays",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(from_arrays_type),
        map_from_arrays,
    ),
    text(
        "map_union",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(union_type),
        map_union,
    ),
];

fn entry_types(name: &str, types: &[FlinkType]) -> Result<(FlinkType, FlinkType, bool)> {
    match types {
        [given] => match &given.root {
            TypeRoot::Map(key, value) => {
                Ok((key.as_ref().clone(), value.as_ref().clone(), given.nullable))
            }
            _ => Err(invalid(name, types)),
        },
        _ => Err(invalid(name, types)),
    }
}

fn map_entries_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let (key, value, nullable) = entry_types("MAP_ENTRIES", types)?;
    let field = |name: &str, flink_type: FlinkType| RowField {
        name: name.to_owned(),
        flink_type,
        comment: None,
    };
    let entry = TypeRoot::Row(vec![field("key", key), field("value", value)]);
    Ok(array_of(FlinkType::nullable(entry), nullable))
}

fn from_arrays_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match (element_of(types.first()), element_of(types.get(1))) {
        (Some(key), Some(value)) => Ok(FlinkType {
            root: TypeRoot::Map(Box::new(key.clone()), Box::new(value.clone())),
            nullable: any_nullable(types),
        }),
        _ => Err(invalid("MAP_FROM_ARRAYS", types)),
    }
}

fn union_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if !types
        .iter()
        .all(|given| matches!(given.root, TypeRoot::Map(..)))
    {
        return Err(invalid("MAP_UNION", types));
    }
    common(types).ok_or_else(|| {
        let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
        validation(format!(
            "could not find a common type for arguments: [{}]",
            shown.join(", ")
        ))
    })
}

/// A list over the maps' entries of what `choose` takes of them.
fn entries(
    call: &Call,
    choose: impl Fn(&MapArray, &DataType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let map = call
        .argument(0)?
        .as_map_opt()
        .ok_or_else(|| EngineError::internal("a MAP is a map"))?;
    let DataType::List(item) = call.result.to_arrow_type() else {
        return Err(EngineError::internal("an ARRAY is a list"));
    };
    let values = choose(map, item.data_type())?;
    Ok(Arc::new(ListArray::try_new(
        item,
        map.offsets().clone(),
        values,
        map.nulls().cloned(),
    )?))
}

fn map_from_arrays(call: &Call) -> Result<ArrayRef> {
    let (keys, values) = (lists(call, 0)?, lists(call, 1)?);
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut ends: Vec<Option<usize>> = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        if keys.is_null(row_idx) || values.is_null(row_idx) {
            ends.push(None);
            continue;
        }
        let (key_range, value_range) = (bounds(keys, row_idx), bounds(values, row_idx));
        if key_range.len() != value_range.len() {
            return Err(EngineError::Data {
                message: format!(
                    "Invalid function MAP_FROM_ARRAYS call: the length of the keys array {} is \
                     not equal to the length of the values array {}",
                    key_range.len(),
                    value_range.len()
                ),
            });
        }
        pairs.extend(key_range.zip(value_range));
        ends.push(Some(pairs.len()));
    }
    let choose = |values: &ArrayRef, indices: Vec<usize>| -> Result<ArrayRef> {
        let indices: arrow::array::UInt32Array = indices
            .into_iter()
            .map(|index| u32::try_from(index).ok())
            .collect();
        Ok(arrow::compute::take(values, &indices, None)?)
    };
    let key_column = choose(keys.values(), pairs.iter().map(|(key, _)| *key).collect())?;
    let value_column = choose(
        values.values(),
        pairs.iter().map(|(_, value)| *value).collect(),
    )?;
    let mut out = MapChooser::try_new(&key_column)?;
    let mut start = 0;
    for end in ends {
        let Some(end) = end else {
            out.end_null()?;
            continue;
        };
        for entry_idx in start..end {
            out.put(entry_idx)?;
        }
        out.end_map()?;
        start = end;
    }
    out.finish(&key_column, &value_column, &call.result)
}

/// The entries of all maps; of a key that is in several, the last value.
fn map_union(call: &Call) -> Result<ArrayRef> {
    let arrays = (0..call.arguments.len())
        .map(|index| argument_as(call, index, &call.result))
        .collect::<Result<Vec<_>>>()?;
    let maps: Vec<&MapArray> = arrays.iter().map(|array| array.as_map()).collect();
    let keys: Vec<&dyn Array> = maps
        .iter()
        .map(|map| map_keys::keys(map).as_ref())
        .collect();
    let values: Vec<&dyn Array> = maps.iter().map(|map| map.values().as_ref()).collect();
    let (keys, values) = (concat(&keys)?, concat(&values)?);
    let mut out = MapChooser::try_new(&keys)?;
    for row_idx in 0..call.n_rows {
        if maps.iter().any(|map| map.is_null(row_idx)) {
            out.end_null()?;
            continue;
        }
        let mut start = 0;
        for map in &maps {
            let at = |idx: usize| {
                let offset = map.value_offsets().get(idx).copied().unwrap_or(0);
                usize::try_from(offset).unwrap_or(0)
            };
            for entry_idx in at(row_idx)..at(row_idx + 1) {
                out.put(start + entry_idx)?;
            }
            start += map.entries().len();
        }
        out.end_map()?;
    }
    out.finish(&keys, &values, &call.result)
}
