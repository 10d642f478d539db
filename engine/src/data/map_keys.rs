//! Maps whose keys may be NULL.
//!
//! Arrow's maps have no NULL keys, Flink's have. Where the key's type takes NULL, the key is a row
//! of one field, which may be NULL; the row never is:
//!
//! ```text
//!   MAP<STRING NOT NULL, INT>   map { key: text, value: int }
//!   MAP<STRING, INT>            map { key: { __nullable_key: text }, value: int }
//! ```
//!
//! [`keys`] and [`entry_fields`] look through it, [`new_map`] makes it. Outside of the engine maps
//! are plain: [`to_plain`] and [`from_plain`] stand at the doors.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};

use crate::error::{EngineError, Result};

/// The only field of a key that may be NULL.
const NULLABLE_KEY: &str = "__nullable_key";

/// Metadata of a plain key field: its Flink type takes NULL.
pub(crate) const TAKES_NULL: &str = "flink.nullable-key";

/// The field of keys of this type; `field` is the one that they would have as values.
pub(crate) fn key_field(field: Field) -> Field {
    if field.is_nullable() {
        let inner = field.with_name(NULLABLE_KEY);
        Field::new("key", DataType::Struct(Fields::from(vec![inner])), false)
    } else {
        field
    }
}

/// The fields of keys and values of a map's entries.
#[must_use]
pub fn entry_fields(entries: &Field) -> Option<(&FieldRef, &FieldRef)> {
    let DataType::Struct(fields) = entries.data_type() else {
        return None;
    };
    match fields.iter().as_slice() {
        [key, value] => Some((nullable_field(key).unwrap_or(key), value)),
        _ => None,
    }
}

/// The keys of all entries.
#[must_use]
pub fn keys(map: &MapArray) -> &ArrayRef {
    unwrapped(map.keys())
}

/// What a column of keys, as it stands in a map's entries, holds.
#[must_use]
pub fn unwrapped(keys: &ArrayRef) -> &ArrayRef {
    match keys.data_type() {
        DataType::Struct(fields) if is_wrapper(fields) => {
            keys.as_struct().columns().first().unwrap_or(keys)
        }
        _ => keys,
    }
}

/// A column of maps with these entries; `entries` is the field of the type's entries.
///
/// # Errors
/// `Data` for a NULL key where the type takes none.
pub fn new_map(
    entries: &FieldRef,
    sorted: bool,
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(EngineError::internal("a map has entries"));
    };
    let keys = match fields.first().map(|key| key.data_type()) {
        Some(DataType::Struct(inner)) if is_wrapper(inner) => {
            Arc::new(StructArray::try_new(inner.clone(), vec![keys], None)?) as ArrayRef
        }
        _ if keys.null_count() > 0 => return Err(null_key()),
        _ => keys,
    };
    let rows = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let entries = Arc::clone(entries);
    Ok(Arc::new(MapArray::try_new(
        entries, offsets, rows, nulls, sorted,
    )?))
}

/// The type that values have outside of the engine.
#[must_use]
pub fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) => DataType::List(Arc::new(plain_field(item))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| plain_field(field)).collect())
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return data_type.clone();
            };
            let [key, value] = fields.iter().as_slice() else {
                return data_type.clone();
            };
            let key = match nullable_field(key) {
                Some(inner) => {
                    let mut key = plain_field(inner).with_name("key").with_nullable(false);
                    key.metadata_mut()
                        .insert(TAKES_NULL.to_owned(), "true".to_owned());
                    key
                }
                None => plain_field(key),
            };
            let fields = Fields::from(vec![key, plain_field(value)]);
            let entries = entries.as_ref().clone();
            let entries = entries.with_data_type(DataType::Struct(fields));
            DataType::Map(Arc::new(entries), *sorted)
        }
        other => other.clone(),
    }
}

/// The field that values have outside of the engine.
#[must_use]
pub fn plain_field(field: &Field) -> Field {
    let data_type = plain_type(field.data_type());
    field.clone().with_data_type(data_type)
}

/// The same values for the outside.
///
/// # Errors
/// `Data` for a map with a NULL key.
pub fn to_plain(array: &ArrayRef) -> Result<ArrayRef> {
    let plain = plain_type(array.data_type());
    if plain == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    Ok(match (&plain, array.data_type()) {
        (DataType::List(item), _) => {
            let list = array.as_list::<i32>();
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                to_plain(list.values())?,
                list.nulls().cloned(),
            )?)
        }
        (DataType::Struct(fields), _) => {
            let rows = array.as_struct();
            let columns = rows.columns().iter().map(to_plain);
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(
                fields.clone(),
                columns,
                rows.nulls().cloned(),
            )?)
        }
        (DataType::Map(entries, sorted), _) => {
            let map = array.as_map();
            new_map(
                entries,
                *sorted,
                map.offsets().clone(),
                to_plain(keys(map))?,
                to_plain(map.values())?,
                map.nulls().cloned(),
            )?
        }
        _ => Arc::clone(array),
    })
}

/// The same rows for the outside.
///
/// # Errors
/// As [`to_plain`].
pub fn to_plain_batch(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let fields = schema.fields().iter();
    let fields: Fields = fields.map(|field| plain_field(field)).collect();
    let columns = batch.columns().iter().map(to_plain);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    Ok(RecordBatch::try_new_with_options(
        Arc::new(schema),
        columns,
        &options,
    )?)
}

/// Values of [`plain_type`] as values of `target`.
///
/// # Errors
/// If they are not of that type.
pub fn from_plain(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    Ok(match (target, array.data_type()) {
        (DataType::List(item), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                from_plain(list.values(), item.data_type())?,
                list.nulls().cloned(),
            )?)
        }
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let rows = array.as_struct();
            let columns = rows.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| from_plain(column, field.data_type()));
            Arc::new(StructArray::try_new(
                fields.clone(),
                columns.collect::<Result<_>>()?,
                rows.nulls().cloned(),
            )?)
        }
        (DataType::Map(entries, sorted), DataType::Map(..)) => {
            let Some((key, value)) = entry_fields(entries) else {
                return Err(EngineError::internal("a map has entries"));
            };
            let map = array.as_map();
            new_map(
                entries,
                *sorted,
                map.offsets().clone(),
                from_plain(keys(map), key.data_type())?,
                from_plain(map.values(), value.data_type())?,
                map.nulls().cloned(),
            )?
        }
        _ => Arc::clone(array),
    })
}

/// The engine's type for values that come from the outside: keys that were marked by
/// [`plain_type`] take NULL.
#[must_use]
pub fn engine_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(engine_field(item))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| engine_field(field)).collect())
        }
        DataType::Map(entries, sorted) => match entry_fields(entries) {
            Some((key, value)) if key.metadata().contains_key(TAKES_NULL) => {
                let mut inner = engine_field(key).with_nullable(true);
                inner.metadata_mut().remove(TAKES_NULL);
                let fields = Fields::from(vec![key_field(inner), engine_field(value)]);
                let entries = entries.as_ref().clone();
                let entries = entries.with_data_type(DataType::Struct(fields));
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => field.data_type().clone(),
        },
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn nullable_field(key: &FieldRef) -> Option<&FieldRef> {
    match key.data_type() {
        DataType::Struct(fields) if is_wrapper(fields) => fields.first(),
        _ => None,
    }
}

fn is_wrapper(fields: &Fields) -> bool {
    matches!(fields.iter().as_slice(), [only] if only.name() == NULLABLE_KEY)
}

fn null_key() -> EngineError {
    EngineError::Data {
        message: "a map has a NULL key, and its type takes none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{Int32Array, StringArray};

    use super::*;
    use crate::data::types::FlinkType;

    fn maps(keys: Vec<Option<&str>>) -> Result<ArrayRef> {
        let DataType::Map(entries, sorted) = FlinkType::parse("MAP<STRING, INT>")
            .unwrap()
            .to_arrow_type()
        else {
            panic!("a map");
        };
        let values = Int32Array::from_iter_values(0..keys.len() as i32);
        new_map(
            &entries,
            sorted,
            OffsetBuffer::from_lengths([keys.len()]),
            Arc::new(StringArray::from(keys)),
            Arc::new(values),
            None,
        )
    }

    #[test]
    fn outside_of_the_engine_maps_are_plain() {
        let inside = maps(vec![Some("a"), Some("b")]).unwrap();
        let outside = to_plain(&inside).unwrap();
        let field = Field::new("m", outside.data_type().clone(), true);
        assert_eq!(
            FlinkType::from_field(&engine_field(&field)).to_string(),
            "MAP<STRING, INT>"
        );
        assert_eq!(outside.as_map().keys().data_type(), &DataType::Utf8);
        let again = from_plain(&outside, inside.data_type()).unwrap();
        assert_eq!(&again, &inside);
    }

    #[test]
    fn a_null_key_stays_inside() {
        let inside = maps(vec![None, Some("b")]).unwrap();
        assert_eq!(keys(inside.as_map()).null_count(), 1);
        assert_eq!(
            to_plain(&inside).unwrap_err().to_string(),
            "a map has a NULL key, and its type takes none"
        );
    }
}
