//! The door for formats whose lines are JSON around rows: single values and rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};

use super::JsonOptions;
use super::encode::JsonEncoder;
pub(in crate::formats) use super::encode::check_type;
use super::scan::Json;
use super::values::decode_column;
use crate::error::Result;

/// A value that does not fit its column.
pub(in crate::formats) struct BrokenCell {
    pub(in crate::formats) row_idx: usize,
    pub(in crate::formats) value: String,
    pub(in crate::formats) message: String,
}

/// A column of values, as the `json` format reads them.
pub(in crate::formats) fn decode_cells(
    field: &Field,
    cells: &[&Json<'_>],
    options: &JsonOptions,
) -> Result<ArrayRef, BrokenCell> {
    decode_column(field, cells, options).map_err(|(row_idx, error)| BrokenCell {
        row_idx,
        value: error.value,
        message: error.message,
    })
}

/// Writes rows as objects.
#[derive(Debug)]
pub(in crate::formats) struct RowWriter(JsonEncoder);

impl RowWriter {
    pub(in crate::formats) fn try_new(options: &Arc<JsonOptions>, schema: &Schema) -> Result<Self> {
        Ok(Self(JsonEncoder::try_new(Arc::clone(options), schema)?))
    }

    /// Appends the object of one row.
    pub(in crate::formats) fn write(
        &self,
        batch: &RecordBatch,
        row_idx: usize,
        out: &mut String,
    ) -> Result<()> {
        self.0.write_row(batch, row_idx, out)
    }
}
