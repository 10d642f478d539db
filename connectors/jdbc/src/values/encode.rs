//! Arrow's columns to values.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use tidemill_engine::EngineError;

use super::Value;

/// The value of a row.
///
/// # Errors
/// `Internal` for a type that no dialect takes, and for a missing row.
pub(crate) fn encode(column: &dyn Array, row_idx: usize) -> Result<Value, EngineError> {
    if row_idx >= column.len() {
        return Err(EngineError::internal(
            "a row is missing that is to be written",
        ));
    }
    if column.is_null(row_idx) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row_idx)),
        DataType::Int8 => Value::Int(column.as_primitive::<Int8Type>().value(row_idx).into()),
        DataType::Int16 => Value::Int(column.as_primitive::<Int16Type>().value(row_idx).into()),
        DataType::Int32 => Value::Int(column.as_primitive::<Int32Type>().value(row_idx).into()),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row_idx)),
        DataType::Float32 => Value::Float(column.as_primitive::<Float32Type>().value(row_idx)),
        DataType::Float64 => Value::Double(column.as_primitive::<Float64Type>().value(row_idx)),
        DataType::Decimal128(_, scale) => Value::Decimal {
            unscaled: column.as_primitive::<Decimal128Type>().value(row_idx),
            scale: u8::try_from(*scale)
                .map_err(|_| EngineError::internal("a decimal has a negative scale"))?,
        },
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row_idx).to_owned()),
        DataType::Binary => Value::Bytes(column.as_binary::<i32>().value(row_idx).to_vec()),
        DataType::Date32 => Value::Date(column.as_primitive::<Date32Type>().value(row_idx)),
        DataType::Time32(TimeUnit::Millisecond) => {
            let millis = column
                .as_primitive::<Time32MillisecondType>()
                .value(row_idx);
            Value::Time(i64::from(millis) * 1000)
        }
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Millisecond => {
                    let column = column.as_primitive::<TimestampMillisecondType>();
                    column.value(row_idx).saturating_mul(1000)
                }
                TimeUnit::Microsecond => column
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row_idx),
                _ => return Err(not_taken(column)),
            };
            match zone {
                None => Value::Timestamp(micros),
                Some(_) => Value::Instant(micros),
            }
        }
        _ => return Err(not_taken(column)),
    })
}

fn not_taken(column: &dyn Array) -> EngineError {
    EngineError::internal(format!(
        "a {} is to be written to a database",
        column.data_type()
    ))
}
