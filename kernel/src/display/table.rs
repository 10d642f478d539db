//! Rows of Arrow as a table to look at: which rows, in which order, in both forms.
//!
//! ```text
//!   RecordBatch ──sort?──▶ head or tail of it ──ValueFormat──▶ Grid ──▶ text/html, text/plain
//! ```

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::row::{RowConverter, SortField};
use tidemill_engine::Result;

use super::format::{ValueFormat, is_right_aligned, type_text};
use super::grid::{Grid, GridColumn};
use super::html::counted;

/// Which end of the rows is shown when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The first rows; `… n more rows` stands below.
    Head,
    /// The last rows; `… n earlier rows` stands above.
    Tail,
}

/// How much of a table is shown.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// At most so many rows.
    pub max_rows: usize,
    /// Which of them.
    pub shown: Shown,
    /// The values.
    pub format: ValueFormat,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            max_rows: DEFAULT_MAX_ROWS,
            shown: Shown::Head,
            format: ValueFormat::default(),
        }
    }
}

/// Rows that a table shows unless asked otherwise.
pub const DEFAULT_MAX_ROWS: usize = 50;

/// The grid of a table of `n_rows` rows, of which `rows` are the first (for [`Shown::Head`]) or
/// the last (for [`Shown::Tail`]) ones.
#[must_use]
pub fn table_grid(rows: &RecordBatch, n_rows: u64, options: &TableOptions) -> Grid {
    let schema = rows.schema();
    let columns = schema
        .fields()
        .iter()
        .map(|field| GridColumn {
            name: field.name().clone(),
            caption: type_text(field),
            right_aligned: is_right_aligned(field.data_type()),
        })
        .collect();
    let n_shown = rows.num_rows().min(options.max_rows);
    let first = match options.shown {
        Shown::Head => 0,
        Shown::Tail => rows.num_rows() - n_shown,
    };
    let cells = (first..first + n_shown)
        .map(|row_idx| {
            schema
                .fields()
                .iter()
                .zip(rows.columns())
                .map(|(field, column)| options.format.text(column.as_ref(), field, row_idx))
                .collect()
        })
        .collect();
    let n_hidden = n_rows.saturating_sub(n_shown as u64);
    let mut grid = Grid {
        columns,
        rows: cells,
        ..Grid::default()
    };
    if n_hidden > 0 {
        match options.shown {
            Shown::Head => grid.below = Some(format!("… {}", counted(n_hidden, "more row"))),
            Shown::Tail => grid.above = Some(format!("… {}", counted(n_hidden, "earlier row"))),
        }
    }
    grid
}

/// The same rows, ordered by all columns from left to right, NULLs first: an order that depends
/// on nothing but the rows.
///
/// # Errors
/// An `Execution` error if Arrow refuses to take rows, which would be a bug of ours.
pub fn sorted_by_all_columns(rows: &RecordBatch) -> Result<RecordBatch> {
    let n_rows = u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
    let mut order: Vec<u32> = (0..n_rows).collect();
    let fields: Vec<SortField> = rows
        .columns()
        .iter()
        .map(|column| SortField::new(column.data_type().clone()))
        .collect();
    if RowConverter::supports_fields(&fields) {
        let keys = RowConverter::new(fields)?.convert_columns(rows.columns())?;
        order.sort_by(|&left, &right| keys.row(left as usize).cmp(&keys.row(right as usize)));
    } else {
        // Maps have no order of their own: that of their texts will do.
        let texts = row_texts(rows);
        order.sort_by(|&left, &right| texts.get(left as usize).cmp(&texts.get(right as usize)));
    }
    Ok(take_record_batch(rows, &UInt32Array::from(order))?)
}

fn row_texts(rows: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let format = ValueFormat {
        max_width: usize::MAX,
        ..ValueFormat::default()
    };
    let schema = rows.schema();
    (0..rows.num_rows())
        .map(|row_idx| {
            let columns = schema.fields().iter().zip(rows.columns());
            columns
                .map(|(field, column)| format.text(column.as_ref() as &dyn Array, field, row_idx))
                .collect()
        })
        .collect()
}
