//! `ARRAY[…]`, `MAP[…]`, `ROW(…)`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::keys::Keys;
use super::{MANY, argument_as, array_of};
use crate::data::map_keys;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::illegal_null;
use crate::functions::rules::least_restrictive;
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__array",
        0..=MANY,
        &[Kind::Any],
        ResultType::Computed(array_type),
        array,
    ),
    text(
        "__map",
        0..=MANY,
        &[Kind::Any],
        ResultType::Computed(map_type),
        map,
    ),
    text(
        "__row",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(row_type),
        row,
    ),
];

fn array_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if types.is_empty() {
        return Err(validation("require at least 1 argument".to_owned()));
    }
    Ok(array_of(unified(types)?, false))
}

fn unified(types: &[FlinkType]) -> Result<FlinkType> {
    match least_restrictive(types) {
        Some(found) if found.root == TypeRoot::Null => Err(illegal_null()),
        Some(found) => Ok(found),
        None => Err(validation("parameters must be of the same type".to_owned())),
    }
}

/// Every other type, from the first or from the second on.
fn every_other(types: &[FlinkType], from: usize) -> Vec<FlinkType> {
    types.iter().skip(from).step_by(2).cloned().collect()
}

fn map_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if types.is_empty() {
        return Err(validation("map requires at least 2 arguments".to_owned()));
    }
    let key = unified(&every_other(types, 0))?;
    let values = every_other(types, 1);
    let value = if values.iter().all(|value| value.root == TypeRoot::Null) {
        // An untyped NULL takes the first type that is known.
        FlinkType::nullable(key.root.clone())
    } else {
        unified(&values)?
    };
    Ok(FlinkType::not_null(TypeRoot::Map(
        Box::new(key),
        Box::new(value),
    )))
}

fn row_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if types.iter().any(|given| given.root == TypeRoot::Null) {
        return Err(illegal_null());
    }
    let fields = types.iter().enumerate().map(|(field_idx, given)| RowField {
        name: format!("EXPR${field_idx}"),
        flink_type: given.clone(),
        comment: None,
    });
    Ok(FlinkType::not_null(TypeRoot::Row(fields.collect())))
}

fn array(call: &Call) -> Result<ArrayRef> {
    let (TypeRoot::Array(element), DataType::List(item)) =
        (&call.result.root, call.result.to_arrow_type())
    else {
        return Err(EngineError::internal("ARRAY[…] gives an ARRAY"));
    };
    let columns = (0..call.arguments.len())
        .map(|index| argument_as(call, index, element))
        .collect::<Result<Vec<_>>>()?;
    let values = rows_of(&columns, call.n_rows)?;
    let lengths = std::iter::repeat_n(columns.len(), call.n_rows);
    Ok(Arc::new(ListArray::try_new(
        item,
        OffsetBuffer::from_lengths(lengths),
        values,
        None,
    )?))
}

/// The columns' values row by row: all of the first row, all of the second, …
fn rows_of(columns: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
    let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    let indices: Vec<(usize, usize)> = (0..n_rows)
        .flat_map(|row_idx| (0..columns.len()).map(move |column_idx| (column_idx, row_idx)))
        .collect();
    Ok(interleave(&columns, &indices)?)
}

fn map(call: &Call) -> Result<ArrayRef> {
    let TypeRoot::Map(key_type, value_type) = &call.result.root else {
        return Err(EngineError::internal("MAP[…] gives a MAP"));
    };
    let columns_of = |from: usize, wanted: &FlinkType| {
        (from..call.arguments.len())
            .step_by(2)
            .map(|index| argument_as(call, index, wanted))
            .collect::<Result<Vec<_>>>()
    };
    let (keys, values) = (columns_of(0, key_type)?, columns_of(1, value_type)?);
    let n_entries = keys.len();
    let keys = rows_of(&keys, call.n_rows)?;
    let values = rows_of(&values, call.n_rows)?;
    let mut builder = MapChooser::try_new(&keys)?;
    for row_idx in 0..call.n_rows {
        for entry_idx in row_idx * n_entries..(row_idx + 1) * n_entries {
            builder.put(entry_idx)?;
        }
        builder.end_map()?;
    }
    builder.finish(&keys, &values, &call.result)
}

fn row(call: &Call) -> Result<ArrayRef> {
    let (TypeRoot::Row(types), DataType::Struct(fields)) =
        (&call.result.root, call.result.to_arrow_type())
    else {
        return Err(EngineError::internal("ROW(…) gives a ROW"));
    };
    let columns = types
        .iter()
        .enumerate()
        .map(|(index, field)| argument_as(call, index, &field.flink_type))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(
        fields,
        columns,
        None,
        call.n_rows,
    )?))
}

/// Collects maps whose entries are chosen among those of a column of keys and one of values. A
/// key that comes again replaces the value and keeps its place.
pub(crate) struct MapChooser {
    keys: super::keys::KeyColumn,
    /// The places of the keys of the map that is being built.
    places: HashMap<Vec<u8>, usize>,
    key_indices: Vec<u32>,
    value_indices: Vec<u32>,
    offsets: Vec<i32>,
    present: Vec<bool>,
}

impl MapChooser {
    /// For entries whose keys are in `keys`.
    pub(crate) fn try_new(keys: &ArrayRef) -> Result<Self> {
        Ok(Self {
            keys: Keys::try_new(keys.data_type())?.column(keys)?,
            places: HashMap::new(),
            key_indices: Vec::new(),
            value_indices: Vec::new(),
            offsets: vec![0],
            present: Vec::new(),
        })
    }

    /// Puts the entry at this index into the map.
    pub(crate) fn put(&mut self, entry_idx: usize) -> Result<()> {
        let index = u32::try_from(entry_idx).map_err(|_| super::too_long())?;
        let key = self.keys.bytes(entry_idx).to_vec();
        if let Some(slot) = self
            .places
            .get(&key)
            .and_then(|place| self.value_indices.get_mut(*place))
        {
            *slot = index;
            return Ok(());
        }
        self.places.insert(key, self.key_indices.len());
        self.key_indices.push(index);
        self.value_indices.push(index);
        Ok(())
    }

    /// Ends the map.
    pub(crate) fn end_map(&mut self) -> Result<()> {
        self.end(true)
    }

    /// Instead of a map, NULL; nothing has been put into it.
    pub(crate) fn end_null(&mut self) -> Result<()> {
        self.end(false)
    }

    fn end(&mut self, is_present: bool) -> Result<()> {
        let end = i32::try_from(self.key_indices.len()).map_err(|_| super::too_long())?;
        self.offsets.push(end);
        self.present.push(is_present);
        self.places.clear();
        Ok(())
    }

    /// The maps.
    pub(crate) fn finish(
        self,
        keys: &ArrayRef,
        values: &ArrayRef,
        result: &FlinkType,
    ) -> Result<ArrayRef> {
        use arrow::array::UInt32Array;
        use arrow::buffer::NullBuffer;
        use arrow::compute::take;

        let keys = take(keys, &UInt32Array::from(self.key_indices), None)?;
        let values = take(values, &UInt32Array::from(self.value_indices), None)?;
        let nulls = self
            .present
            .contains(&false)
            .then(|| NullBuffer::from(self.present));
        let DataType::Map(entries, sorted) = result.to_arrow_type() else {
            return Err(EngineError::internal("a MAP is a map"));
        };
        let offsets = OffsetBuffer::new(self.offsets.into());
        map_keys::new_map(&entries, sorted, offsets, keys, values, nulls)
    }
}
