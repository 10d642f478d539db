//! Hashes of rows by their key columns, the same in every process and on every worker.
//!
//! NULLs are equal, NaNs are equal, 0.0 and -0.0 differ (Flink's group keys).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use datafusion::common::hash_utils::create_hashes;
use foldhash::fast::FixedState;

use crate::error::{EngineError, Result};

/// Part of what a checkpoint depends on: never change it.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// The types of columns of a schema.
///
/// # Errors
/// `Internal` if a column is missing.
pub fn column_types(schema: &Schema, columns: &[usize]) -> Result<Vec<DataType>> {
    let types = columns.iter().map(|&column| {
        let field = schema.fields().get(column);
        field.map(|field| field.data_type().clone())
    });
    types
        .collect::<Option<_>>()
        .ok_or_else(|| EngineError::internal("a key names a missing column"))
}

/// One hash a row. Without columns all rows have the same.
///
/// # Errors
/// If a column's type cannot be hashed.
pub fn hash_rows(columns: &[ArrayRef], n_rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; n_rows];
    if !columns.is_empty() {
        let columns: Vec<ArrayRef> = columns.iter().map(canonical).collect();
        create_hashes(&columns, &FixedState::with_seed(SEED), &mut hashes)?;
    }
    Ok(hashes)
}

/// The column with one bit pattern for all NaNs; other columns as they are.
#[must_use]
pub fn canonical(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>();
            if values.values().iter().any(|value| value.is_nan()) {
                return Arc::new(values.unary::<_, Float32Type>(|value| {
                    if value.is_nan() { f32::NAN } else { value }
                }));
            }
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            if values.values().iter().any(|value| value.is_nan()) {
                return Arc::new(values.unary::<_, Float64Type>(|value| {
                    if value.is_nan() { f64::NAN } else { value }
                }));
            }
        }
        _ => {}
    }
    Arc::clone(column)
}
