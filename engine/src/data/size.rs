//! How many bytes the values of columns take, also of columns that are slices of larger ones.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// Bytes of the values of a batch, roughly: what is shared by slices is not counted twice.
#[must_use]
pub fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_bytes).sum()
}

/// Bytes of the values of a column, roughly. Cheap: does not look at values.
#[must_use]
pub fn column_bytes(column: &ArrayRef) -> usize {
    let n_rows = column.len();
    let span = |offsets: &[i32]| match (offsets.first(), offsets.last()) {
        (Some(&first), Some(&last)) => last.abs_diff(first) as usize,
        _ => 0,
    };
    let part = |child: &ArrayRef, n_elements: usize| match child.len() {
        0 => 0,
        n_all => column_bytes(child) / n_all * n_elements,
    };
    match column.data_type() {
        DataType::Boolean => n_rows / 8 + 1,
        DataType::Utf8 => 4 * n_rows + span(column.as_string::<i32>().value_offsets()),
        DataType::Binary => 4 * n_rows + span(column.as_binary::<i32>().value_offsets()),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            4 * n_rows + part(list.values(), span(list.value_offsets()))
        }
        DataType::Map(_, _) => {
            let map = column.as_map();
            let entries = map.entries().columns();
            let n_entries = span(map.value_offsets());
            4 * n_rows + entries.iter().map(|it| part(it, n_entries)).sum::<usize>()
        }
        DataType::Struct(_) => column.as_struct().columns().iter().map(column_bytes).sum(),
        other => match other.primitive_width() {
            Some(width) => width * n_rows,
            None => column.get_array_memory_size(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn slices_count_their_own_rows() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
        let texts = (0..1_000).map(|number| format!("{number:>10}"));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
        assert_eq!(batch_bytes(&batch), 22_000);
        assert_eq!(batch_bytes(&batch.slice(500, 10)), 220);
    }
}
