//! The window columns of rows: `window_start`, `window_end`, `window_time`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};

use super::{TimeWindow, WindowClock};
use crate::error::{EngineError, Result};

/// A column of times as milliseconds; finer times are cut.
///
/// # Errors
/// `Internal` if it is no column of timestamps.
pub(crate) fn millis(column: &ArrayRef) -> Result<TimestampMillisecondArray> {
    let wanted = match column.data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        other => {
            return Err(EngineError::internal(format!(
                "{other} is no time of a window"
            )));
        }
    };
    let column = if *column.data_type() == wanted {
        Arc::clone(column)
    } else {
        cast(column, &wanted)?
    };
    column
        .as_primitive_opt::<TimestampMillisecondType>()
        .cloned()
        .ok_or_else(|| EngineError::internal("a time is not in milliseconds"))
}

/// The three window columns, of the types that the last three columns of `schema` have.
///
/// # Errors
/// `Internal` if these are no timestamps.
pub(crate) fn window_columns(
    windows: &[TimeWindow],
    clock: WindowClock,
    schema: &SchemaRef,
) -> Result<[ArrayRef; 3]> {
    let n_columns = schema.fields().len();
    let column = |from_end: usize, values: Vec<i64>| -> Result<ArrayRef> {
        let field = n_columns
            .checked_sub(from_end)
            .and_then(|column| schema.fields().get(column))
            .ok_or_else(|| EngineError::internal("a window without its columns"))?;
        timestamps(values, field.data_type())
    };
    Ok([
        column(3, windows.iter().map(|window| window.start_ms).collect())?,
        column(2, windows.iter().map(|window| window.end_ms).collect())?,
        column(
            1,
            windows
                .iter()
                .map(|window| clock.time_ms(window.end_ms - 1))
                .collect(),
        )?,
    ])
}

/// Milliseconds as a column of timestamps.
///
/// # Errors
/// `Internal` if `data_type` is no timestamp in milliseconds.
pub(crate) fn timestamps(values: Vec<i64>, data_type: &DataType) -> Result<ArrayRef> {
    if !matches!(data_type, DataType::Timestamp(TimeUnit::Millisecond, _)) {
        return Err(EngineError::internal(format!(
            "{data_type} is no timestamp in milliseconds"
        )));
    }
    let array: PrimitiveArray<TimestampMillisecondType> = values.into();
    Ok(Arc::new(array.with_data_type(data_type.clone())))
}
