//! JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON: documents made of SQL's values.
//!
//! ```text
//!   JSON_OBJECT('a' VALUE x, 'b' VALUE JSON(y))
//!     ──normalizer──▶ __json_object('on_null=NULL⏎raw=4', 'a', x, 'b', __json(y))
//! ```
//!
//! Source: `JsonGenerateUtils` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use base64::Engine as _;
use chrono::{NaiveDateTime, Timelike};
use datafusion::common::ScalarValue;

use super::STRING;
use super::parse::{Duplicates, parse};
use super::spec::{Behavior, Spec};
use super::value::{BigDecimal, Json};
use crate::data::map_keys;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal;
use crate::functions::cast::text as shown;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::nested::MANY;
use crate::functions::rules::is_text;
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__json_object",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(object_type),
        json_object,
    ),
    text(
        "__json_array",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(array_type),
        json_array,
    ),
    text(
        "json_string",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(string_type),
        json_string,
    ),
    text(
        "json",
        1..=1,
        &[Kind::Text],
        ResultType::Computed(|_, _| {
            Err(validation(
                "The JSON() function is currently only supported inside JSON_ARRAY() or as the \
                 VALUE param of JSON_OBJECT(). Example: JSON_OBJECT('a', JSON('{\"key\": \
                 \"value\"}')) or JSON_ARRAY(JSON('{\"key\": \"value\"}'))."
                    .to_owned(),
            ))
        }),
        |call| Ok(Arc::clone(call.argument(0)?)),
    ),
    text(
        "__json",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| Ok(Arc::clone(call.argument(0)?)),
    ),
];

fn object_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    for (index, given) in types.iter().enumerate().skip(1) {
        let is_key = index % 2 == 1;
        if is_key && !is_text(&given.root) {
            return Err(validation(format!(
                "a key of JSON_OBJECT must be a text, not {given}"
            )));
        }
        if is_key && given.nullable {
            return Err(validation(
                "a key of JSON_OBJECT must not be NULL".to_owned(),
            ));
        }
        if !is_key {
            check_convertible(given)?;
        }
    }
    Ok(FlinkType::not_null(STRING))
}

fn array_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    types.iter().skip(1).try_for_each(check_convertible)?;
    Ok(FlinkType::not_null(STRING))
}

fn string_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let Some(given) = types.first() else {
        return Err(EngineError::internal("an argument expected"));
    };
    if given.root != TypeRoot::Null {
        check_convertible(given)?;
    }
    Ok(FlinkType {
        root: STRING,
        nullable: given.nullable || given.root == TypeRoot::Null,
    })
}

/// Refuses types that JSON has no value for.
///
/// # Errors
/// Flink's message.
pub fn check_convertible(flink_type: &FlinkType) -> Result<()> {
    use TypeRoot as T;
    match &flink_type.root {
        T::Char(_)
        | T::Varchar(_)
        | T::Boolean
        | T::Decimal { .. }
        | T::TinyInt
        | T::SmallInt
        | T::Int
        | T::BigInt
        | T::Float
        | T::Double
        | T::Timestamp(_)
        | T::TimestampLtz(_)
        | T::Binary(_)
        | T::Varbinary(_)
        | T::Variant => Ok(()),
        T::Array(element) => check_convertible(element),
        T::Row(fields) | T::Structured { fields, .. } => fields
            .iter()
            .try_for_each(|field| check_convertible(&field.flink_type)),
        T::Map(key, value) => {
            check_key(key)?;
            check_convertible(value)
        }
        T::Multiset(element) => check_key(element),
        T::Null => Err(validation("Type is not supported: ANY".to_owned())),
        _ => Err(validation(format!(
            "Type '{flink_type}' is not scalar or cannot be converted into JSON."
        ))),
    }
}

fn check_key(key: &FlinkType) -> Result<()> {
    if is_text(&key.root) {
        return Ok(());
    }
    Err(validation(format!(
        "Type '{key}' is not supported for JSON conversion. The key type must be a character \
         string."
    )))
}

/// The argument at `index` as a document; `None` for NULL.
fn argument(call: &Call, index: usize, row_idx: usize, is_raw: bool) -> Result<Option<Json>> {
    let (array, Some(flink_type)) = (call.argument(index)?, call.types.get(index)) else {
        return Err(EngineError::internal("an argument without a type"));
    };
    if *array.data_type() == DataType::Null || array.is_null(row_idx) {
        return Ok(None);
    }
    if is_raw {
        let text = array.as_string::<i32>().value(row_idx).trim();
        if text.is_empty() {
            return Ok(Some(Json::Null));
        }
        return parse(text, Duplicates::Last)
            .map(Some)
            .map_err(|error| EngineError::Data {
                message: format!(
                    "Invalid JSON string in JSON(value) function: \"{text}\". Error: {error}"
                ),
            });
    }
    node(array, row_idx, flink_type).map(Some)
}

fn json_object(call: &Call) -> Result<ArrayRef> {
    let spec = Spec::parse(call.text(0, 0).unwrap_or_default())?;
    let leaves_out = spec.on_null == Some(Behavior::Absent);
    let mut texts = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let mut entries: Vec<(String, Json)> = Vec::new();
        for index in (1..call.arguments.len()).step_by(2) {
            let key = call.text(index, row_idx).unwrap_or_default();
            let value = argument(call, index + 1, row_idx, spec.raw.contains(&(index + 1)))?;
            let value = match value {
                None if leaves_out => continue,
                None => Json::Null,
                Some(value) => value,
            };
            match entries.iter_mut().find(|(known, _)| known == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key.to_owned(), value)),
            }
        }
        texts.push(Json::Object(entries).to_json_string());
    }
    Ok(Arc::new(StringArray::from(texts)))
}

fn json_array(call: &Call) -> Result<ArrayRef> {
    let spec = Spec::parse(call.text(0, 0).unwrap_or_default())?;
    let keeps = spec.on_null == Some(Behavior::Null);
    let mut texts = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let mut items = Vec::with_capacity(call.arguments.len());
        for index in 1..call.arguments.len() {
            match argument(call, index, row_idx, spec.raw.contains(&index))? {
                Some(value) => items.push(value),
                None if keeps => items.push(Json::Null),
                None => {}
            }
        }
        texts.push(Json::Array(items).to_json_string());
    }
    Ok(Arc::new(StringArray::from(texts)))
}

fn json_string(call: &Call) -> Result<ArrayRef> {
    let is_variant = matches!(
        call.types.first().map(|given| &given.root),
        Some(TypeRoot::Variant)
    );
    if is_variant || *call.argument(0)?.data_type() == DataType::Null {
        return Ok(arrow::compute::cast(call.argument(0)?, &DataType::Utf8)?);
    }
    let mut texts = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        texts.push(argument(call, 0, row_idx, false)?.map(|value| value.to_json_string()));
    }
    Ok(Arc::new(StringArray::from(texts)))
}

/// A value that is not NULL as a document.
///
/// # Errors
/// For a type that [`check_convertible`] refuses, or a NULL key of a map.
pub fn node(array: &ArrayRef, row_idx: usize, flink_type: &FlinkType) -> Result<Json> {
    use TypeRoot as T;
    Ok(match &flink_type.root {
        T::Char(_) | T::Varchar(_) => {
            Json::String(array.as_string::<i32>().value(row_idx).to_owned())
        }
        T::Boolean => Json::Bool(array.as_boolean().value(row_idx)),
        T::TinyInt => Json::Int(i64::from(array.as_primitive::<Int8Type>().value(row_idx))),
        T::SmallInt => Json::Int(i64::from(array.as_primitive::<Int16Type>().value(row_idx))),
        T::Int => Json::Int(i64::from(array.as_primitive::<Int32Type>().value(row_idx))),
        T::BigInt => Json::Int(array.as_primitive::<Int64Type>().value(row_idx)),
        T::Float => float(f64::from(
            array.as_primitive::<Float32Type>().value(row_idx),
        )),
        T::Double => float(array.as_primitive::<Float64Type>().value(row_idx)),
        T::Decimal { scale, .. } => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(row_idx);
            Json::Decimal(BigDecimal {
                negative: unscaled < 0,
                digits: unscaled.unsigned_abs().to_string(),
                scale: i64::from(*scale),
                has_exponent: false,
            })
        }
        T::Timestamp(_) => Json::String(iso(temporal::datetime(array, row_idx)?)),
        T::TimestampLtz(_) => {
            Json::String(format!("{}Z", iso(temporal::datetime(array, row_idx)?)))
        }
        T::Binary(_) | T::Varbinary(_) => {
            let bytes = array.as_binary::<i32>().value(row_idx);
            Json::String(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        // It is kept as a document.
        T::Variant => parse(array.as_string::<i64>().value(row_idx), Duplicates::Last)
            .map_err(|reason| EngineError::internal(format!("a VARIANT is no JSON: {reason}")))?,
        T::Array(element) => {
            let values = array.as_list::<i32>().value(row_idx);
            let items = (0..values.len()).map(|idx| nullable_node(&values, idx, element));
            Json::Array(items.collect::<Result<_>>()?)
        }
        T::Row(fields) | T::Structured { fields, .. } => row_node(array, row_idx, fields)?,
        T::Map(_, value) => map_node(array, row_idx, value)?,
        T::Multiset(_) => map_node(array, row_idx, &FlinkType::not_null(T::Int))?,
        _ => {
            check_convertible(flink_type)?;
            return Err(EngineError::internal("a type that has no JSON"));
        }
    })
}

fn nullable_node(array: &ArrayRef, row_idx: usize, flink_type: &FlinkType) -> Result<Json> {
    if array.is_null(row_idx) {
        return Ok(Json::Null);
    }
    node(array, row_idx, flink_type)
}

fn row_node(array: &ArrayRef, row_idx: usize, fields: &[RowField]) -> Result<Json> {
    let columns = array.as_struct().columns().iter().zip(fields);
    let entries = columns.map(|(column, field)| {
        let value = nullable_node(column, row_idx, &field.flink_type)?;
        Ok((field.name.clone(), value))
    });
    Ok(Json::Object(entries.collect::<Result<_>>()?))
}

fn map_node(array: &ArrayRef, row_idx: usize, value: &FlinkType) -> Result<Json> {
    let entries = array.as_map().value(row_idx);
    let [keys, values] = entries.columns() else {
        return Err(EngineError::internal("a map has keys and values"));
    };
    let keys = map_keys::unwrapped(keys).as_string::<i32>();
    let entries = (0..keys.len()).map(|idx| {
        if keys.is_null(idx) {
            return Err(EngineError::Data {
                message: format!(
                    "Key at index {idx} was null. This is not supported during conversion to JSON."
                ),
            });
        }
        Ok((
            keys.value(idx).to_owned(),
            nullable_node(values, idx, value)?,
        ))
    });
    Ok(Json::Object(entries.collect::<Result<_>>()?))
}

/// A double as Jackson's tree keeps it: the decimal of its shortest text; a text if it is none.
fn float(value: f64) -> Json {
    let text = shown::double(value);
    match BigDecimal::parse(&text) {
        Some(decimal) => Json::Decimal(decimal),
        None => Json::String(text),
    }
}

/// `yyyy-MM-ddTHH:mm:ss` and the fraction without zeros at its end.
fn iso(value: NaiveDateTime) -> String {
    let mut text = value.format("%Y-%m-%dT%H:%M:%S").to_string();
    let nanos = value.nanosecond();
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}
