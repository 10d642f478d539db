//! Deltas as text, for tests: one row a line, its kind first, `|` between the columns, a remark
//! after `#`.
//!
//! ```text
//!   +I | 广东省 | 1      # the first access
//!   -U | 广东省 | 1
//!   +U | 广东省 | NULL   # NULL is NULL; all else is the column's value as Arrow casts it
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};

/// A schema of nullable columns, e.g. `schema(&[("a", DataType::Int64)])`.
#[must_use]
pub fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The changes that `text` describes. Empty lines do not count.
///
/// # Errors
/// `Data` with the line that is no row of `schema`.
pub fn parse_delta(schema: &SchemaRef, text: &str) -> Result<Delta> {
    let mut kinds = Vec::new();
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); schema.fields().len()];
    for line in text.lines() {
        let row = line.split('#').next().unwrap_or_default().trim();
        if row.is_empty() {
            continue;
        }
        let mut cells = row.split('|').map(str::trim);
        let kind = cells.next().and_then(parse_kind);
        let values: Vec<&str> = cells.collect();
        let (Some(kind), true) = (kind, values.len() == columns.len()) else {
            return Err(EngineError::Data {
                message: format!("'{line}' is no row of {} columns", columns.len()),
            });
        };
        kinds.push(kind);
        for (column, value) in columns.iter_mut().zip(values) {
            column.push((value != "NULL").then(|| value.to_owned()));
        }
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            let texts: ArrayRef = Arc::new(StringArray::from(column));
            Ok(cast_with_options(&texts, field.data_type(), &options)?)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    Delta::try_new(RecordBatch::try_new(Arc::clone(schema), columns)?, kinds)
}

/// The text of `deltas`, one line a row, in the notation of [`parse_delta`].
///
/// # Errors
/// If a column's type has no text.
pub fn print_deltas<'a>(deltas: impl IntoIterator<Item = &'a Delta>) -> Result<String> {
    let mut text = String::new();
    for delta in deltas {
        let rows = print_rows(delta.batch())?;
        for (row_idx, row) in rows.iter().enumerate() {
            text.push_str(delta.kind(row_idx).short_string());
            text.push_str(row);
            text.push('\n');
        }
    }
    Ok(text)
}

/// The rows of `batch` as ` | a | 1`, in their order.
///
/// # Errors
/// If a column's type has no text.
pub fn print_rows(batch: &RecordBatch) -> Result<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let row = |row_idx: usize| {
        formatters
            .iter()
            .map(|formatter| format!(" | {}", formatter.value(row_idx)))
            .collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn parse_kind(text: &str) -> Option<RowKind> {
    (0..=3)
        .filter_map(RowKind::from_byte)
        .find(|kind| kind.short_string() == text)
}
