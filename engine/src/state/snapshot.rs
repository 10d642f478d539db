//! What an operator gives to a checkpoint, and gets back from it: tables of rows.
//!
//! ```text
//!   save      worker 0: sums │a│b│     worker 1: sums │c│       the tables of all workers are
//!                            └───────┬──────────────┘           put together and written
//!   restore   worker 0: │a│  worker 1: │b│  worker 2: │c│       each row goes where the hash of
//!                                                               its key sends rows of this key
//! ```
//!
//! The key columns are hashed as an exchange hashes them, so a checkpoint of two workers restores
//! on three: nobody but the runtime knows how many there are.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt8Array,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt8Type};

use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};

/// The column of row kinds behind the columns of changes.
const KIND_COLUMN: &str = "$kind";
/// The column behind it, if the changes carry watermarks.
const WATERMARK_COLUMN: &str = "$watermark";

/// A named part of an operator's state.
#[derive(Debug, Clone)]
pub struct StateTable {
    /// Which part of the state: `groups`, `left`, `timers`. Unique within the operator.
    pub name: &'static str,
    /// The rows. Columns are Arrow's own types, so that a file of them needs no reader of ours.
    pub batch: RecordBatch,
    /// The columns that hold the key by which the operator's input is exchanged, in that order.
    /// Without any the rows belong to worker 0.
    pub key_columns: Vec<usize>,
}

/// Changes as the rows of a table: the columns, then one with the kinds as Flink's bytes, then one
/// with the watermarks in force before the rows, if the changes carry them.
///
/// # Errors
/// Never in practice.
pub fn changes_to_rows(delta: &Delta) -> Result<RecordBatch> {
    let kinds: UInt8Array = (0..delta.num_rows())
        .map(|row_idx| Some(delta.kind(row_idx) as u8))
        .collect();
    let mut fields = delta.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(KIND_COLUMN, DataType::UInt8, false)));
    let mut columns = delta.batch().columns().to_vec();
    columns.push(Arc::new(kinds) as ArrayRef);
    if let Some(watermarks) = delta.watermarks() {
        fields.push(Arc::new(Field::new(
            WATERMARK_COLUMN,
            DataType::Int64,
            false,
        )));
        columns.push(Arc::new(Int64Array::new(watermarks.clone(), None)));
    }
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// What [`changes_to_rows`] made rows of.
///
/// # Errors
/// `Data` if these are other rows.
pub fn rows_to_changes(batch: &RecordBatch) -> Result<Delta> {
    let no_kinds = || EngineError::Data {
        message: "saved changes have no row kinds".to_owned(),
    };
    let has_watermarks = batch
        .schema_ref()
        .fields()
        .last()
        .is_some_and(|field| field.name() == WATERMARK_COLUMN);
    let n_own = 1 + usize::from(has_watermarks);
    let n_columns = batch
        .num_columns()
        .checked_sub(n_own)
        .ok_or_else(no_kinds)?;
    let watermarks = batch
        .columns()
        .last()
        .filter(|_| has_watermarks)
        .and_then(|watermarks| watermarks.as_primitive_opt::<Int64Type>())
        .map(|watermarks| watermarks.values().clone());
    let kinds = batch
        .columns()
        .get(n_columns)
        .and_then(|kinds| kinds.as_primitive_opt::<UInt8Type>())
        .filter(|kinds| kinds.null_count() == 0)
        .ok_or_else(no_kinds)?;
    let kinds = kinds
        .values()
        .iter()
        .map(|&byte| RowKind::from_byte(byte).ok_or_else(no_kinds))
        .collect::<Result<Vec<_>>>()?;
    let fields: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .take(n_columns)
        .cloned()
        .collect();
    let columns = batch.columns().iter().take(n_columns).cloned().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
    Delta::try_new(rows, kinds)?.with_watermarks(watermarks)
}

/// `batch` with one more column, as the last.
///
/// # Errors
/// `Internal` if the column has another length.
pub fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch> {
    let mut fields = batch.schema().fields().to_vec();
    let nullable = column.null_count() > 0;
    fields.push(Arc::new(Field::new(
        name,
        column.data_type().clone(),
        nullable,
    )));
    let mut columns = batch.columns().to_vec();
    columns.push(column);
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}
