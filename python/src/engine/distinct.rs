//! Equal argument rows of a batch, found once: for functions that were declared deterministic.

use std::collections::HashMap;
use std::hash::Hash;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use tidemill_engine::Result;

/// Rows that are looked at to guess whether looking for equal ones pays.
const SAMPLE_ROWS: usize = 1024;

/// The rows without repetition, and for each row of the batch where it is among them.
pub(super) struct DistinctRows {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) indices: Vec<u32>,
}

/// Finds the distinct rows, or `None` if a call of each row is as good: without arguments, in
/// small batches, and where more than three of four rows of a sample differ.
///
/// # Errors
/// As Arrow's row format and `take`.
pub(super) fn distinct_rows(arguments: &[ArrayRef], n_rows: usize) -> Result<Option<DistinctRows>> {
    let Some(first) = arguments.first() else {
        return Ok(None);
    };
    if n_rows < 2 {
        return Ok(None);
    }
    let found = if let ([_], DataType::Utf8) = (arguments, first.data_type()) {
        let texts = first.as_string::<i32>();
        find(n_rows, |row_idx| {
            (!texts.is_null(row_idx)).then(|| texts.value(row_idx))
        })
    } else {
        let fields = arguments
            .iter()
            .map(|column| SortField::new(column.data_type().clone()))
            .collect();
        let rows = RowConverter::new(fields)?.convert_columns(arguments)?;
        find(n_rows, |row_idx| rows.row(row_idx))
    };
    let Some((firsts, indices)) = found else {
        return Ok(None);
    };
    let firsts = UInt32Array::from(firsts);
    let columns = arguments
        .iter()
        .map(|column| Ok(take(column, &firsts, None)?))
        .collect::<Result<_>>()?;
    Ok(Some(DistinctRows { columns, indices }))
}

/// For each distinct key the row where it stands first, and for each row the number of its key.
fn find<K: Hash + Eq>(n_rows: usize, key: impl Fn(usize) -> K) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut numbers: HashMap<K, u32> = HashMap::new();
    let mut firsts = Vec::new();
    let mut indices = Vec::with_capacity(n_rows);
    for row_idx in 0..n_rows {
        if row_idx == SAMPLE_ROWS && firsts.len() * 4 > SAMPLE_ROWS * 3 {
            return None;
        }
        let next = u32::try_from(firsts.len()).ok()?;
        let number = *numbers.entry(key(row_idx)).or_insert(next);
        if number == next {
            firsts.push(u32::try_from(row_idx).ok()?);
        }
        indices.push(number);
    }
    (firsts.len() < n_rows).then_some((firsts, indices))
}
