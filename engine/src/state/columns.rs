//! The few forms in which state sees Arrow columns: integers of whatever width and meaning as
//! `i64`, floats as `f64`, and back.

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType, Float32Type, Float64Type, IntervalUnit};
use std::sync::Arc;

use crate::data::keys;
use crate::error::{EngineError, Result};

/// Bytes of one value of `data_type` if its values are integers of at most 64 bits, with whatever
/// meaning; none otherwise.
#[must_use]
pub fn integer_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(0),
        DataType::Int8 | DataType::UInt8 => Some(1),
        DataType::Int16 | DataType::UInt16 => Some(2),
        DataType::Int32
        | DataType::UInt32
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Interval(IntervalUnit::YearMonth) => Some(4),
        DataType::Int64
        | DataType::Date64
        | DataType::Time64(_)
        | DataType::Timestamp(_, _)
        | DataType::Duration(_) => Some(8),
        _ => None,
    }
}

/// The values of an integer-like column; what stands at NULLs is arbitrary. 64-bit columns are
/// not copied.
///
/// # Errors
/// `Internal` for other types.
pub fn to_i64(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    let data = || column.to_data();
    match column.data_type() {
        DataType::Boolean => Ok(column.as_boolean().values().iter().map(i64::from).collect()),
        DataType::UInt8 => Ok(widened::<u8>(&data(), i64::from)),
        DataType::UInt16 => Ok(widened::<u16>(&data(), i64::from)),
        DataType::UInt32 => Ok(widened::<u32>(&data(), i64::from)),
        other => match integer_width(other) {
            Some(1) => Ok(widened::<i8>(&data(), i64::from)),
            Some(2) => Ok(widened::<i16>(&data(), i64::from)),
            Some(4) => Ok(widened::<i32>(&data(), i64::from)),
            Some(8) => Ok(values_of::<i64>(&data())),
            _ => Err(EngineError::internal(format!("{other} is no integer type"))),
        },
    }
}

/// A column of an integer-like type from its values; values are cut to its width (they wrap).
///
/// # Errors
/// `Internal` for other types.
pub fn from_i64(
    values: impl Iterator<Item = Option<i64>>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    if *data_type == DataType::Boolean {
        let values = values.map(|value| value.map(|value| value != 0));
        return Ok(Arc::new(values.collect::<BooleanArray>()));
    }
    let width = integer_width(data_type)
        .ok_or_else(|| EngineError::internal(format!("{data_type} is no integer type")))?;
    let mut plain = Vec::with_capacity(values.size_hint().0);
    // Made at the first NULL: most columns have none.
    let mut valid: Option<Vec<bool>> = None;
    for value in values {
        if value.is_none() {
            valid.get_or_insert_with(|| vec![true; plain.len()]);
        }
        if let Some(valid) = &mut valid {
            valid.push(value.is_some());
        }
        plain.push(value.unwrap_or(0));
    }
    let n_rows = plain.len();
    let buffer = match width {
        1 => narrowed(&plain, |value| value as i8),
        2 => narrowed(&plain, |value| value as i16),
        4 => narrowed(&plain, |value| value as i32),
        _ => Buffer::from_vec(plain),
    };
    let data = ArrayData::builder(data_type.clone())
        .len(n_rows)
        .add_buffer(buffer)
        .nulls(valid.map(|valid| NullBuffer::new(BooleanBuffer::from(valid))))
        .build()?;
    Ok(make_array(data))
}

/// A column of a 64-bit integer-like type from its values, none of them NULL. They are not copied.
///
/// # Errors
/// `Internal` for other types.
pub fn of_words(values: Vec<i64>, data_type: &DataType) -> Result<ArrayRef> {
    if integer_width(data_type) != Some(size_of::<i64>()) {
        return Err(EngineError::internal(format!(
            "{data_type} is no integer type of 64 bits"
        )));
    }
    let data = ArrayData::builder(data_type.clone())
        .len(values.len())
        .add_buffer(Buffer::from_vec(values))
        .build()?;
    Ok(make_array(data))
}

/// The values of a float column; what stands at NULLs is arbitrary.
///
/// # Errors
/// `Internal` for other types.
pub fn to_f64(column: &ArrayRef) -> Result<ScalarBuffer<f64>> {
    match column.data_type() {
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>().values();
            Ok(values.iter().map(|&value| f64::from(value)).collect())
        }
        DataType::Float64 => Ok(column.as_primitive::<Float64Type>().values().clone()),
        other => Err(EngineError::internal(format!("{other} is no float type"))),
    }
}

/// A column of a float type from its values.
///
/// # Errors
/// `Internal` for other types.
pub fn from_f64(
    values: impl Iterator<Item = Option<f64>>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let wide: ArrayRef = Arc::new(values.collect::<arrow::array::Float64Array>());
    match data_type {
        DataType::Float64 => Ok(wide),
        DataType::Float32 => Ok(cast(&wide, data_type)?),
        other => Err(EngineError::internal(format!("{other} is no float type"))),
    }
}

/// The column as words that are equal where group keys are equal, if its type has at most 64
/// bits: integers by value, floats by bits with one NaN. What stands at NULLs is arbitrary.
///
/// # Errors
/// `Internal` for types for which [`has_words`] is false.
pub fn to_words(column: &ArrayRef) -> Result<ScalarBuffer<u64>> {
    match column.data_type() {
        DataType::Float32 => {
            let column = keys::canonical(column);
            let values = column.as_primitive::<Float32Type>().values();
            Ok(values
                .iter()
                .map(|value| u64::from(value.to_bits()))
                .collect())
        }
        DataType::Float64 => Ok(values_of::<u64>(&keys::canonical(column).to_data())),
        _ => {
            let values = to_i64(column)?;
            let n_rows = values.len();
            Ok(ScalarBuffer::new(values.into_inner(), 0, n_rows))
        }
    }
}

/// A column of `data_type` from words that [`to_words`] gave.
///
/// # Errors
/// `Internal` for types for which [`has_words`] is false.
pub fn from_words(
    words: impl Iterator<Item = Option<u64>>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    match data_type {
        DataType::Float32 => Ok(Arc::new(
            words
                .map(|word| word.map(|word| f32::from_bits(word as u32)))
                .collect::<Float32Array>(),
        )),
        DataType::Float64 => Ok(Arc::new(
            words
                .map(|word| word.map(f64::from_bits))
                .collect::<Float64Array>(),
        )),
        _ => from_i64(words.map(|word| word.map(u64::cast_signed)), data_type),
    }
}

/// Whether [`to_words`] takes this type.
#[must_use]
pub fn has_words(data_type: &DataType) -> bool {
    integer_width(data_type).is_some() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

fn values_of<T: ArrowNativeType>(data: &ArrayData) -> ScalarBuffer<T> {
    match data.buffers().first() {
        Some(buffer) => ScalarBuffer::new(buffer.clone(), data.offset(), data.len()),
        None => ScalarBuffer::from(Vec::new()),
    }
}

fn widened<T: ArrowNativeType>(data: &ArrayData, widen: impl Fn(T) -> i64) -> ScalarBuffer<i64> {
    let values = values_of::<T>(data);
    values.iter().map(|&value| widen(value)).collect()
}

fn narrowed<T: ArrowNativeType>(values: &[i64], narrow: impl Fn(i64) -> T) -> Buffer {
    Buffer::from_vec(
        values
            .iter()
            .map(|&value| narrow(value))
            .collect::<Vec<T>>(),
    )
}
