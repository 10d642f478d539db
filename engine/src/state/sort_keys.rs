//! Sort keys as values that compare like the rows: NULLs, directions and NaN included.
//!
//! The bytes are arrow-row's. Keys of at most 16 bytes, which one or two columns of numbers or
//! times have, stand in a word; all others are slices on the heap.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};

use crate::data::keys;
use crate::error::{EngineError, Result};
use crate::state::columns::integer_width;

/// The order of one column.
pub type ColumnOrder = (DataType, SortOptions);

/// A sort key, comparable with those of the same columns.
pub trait SortValue: Ord + Clone + Send + std::fmt::Debug + 'static {
    /// From arrow-row's bytes.
    fn from_bytes(bytes: &[u8]) -> Self;

    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}

impl SortValue for u128 {
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut word = [0; 16];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self::from_be_bytes(word)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl SortValue for Box<[u8]> {
    fn from_bytes(bytes: &[u8]) -> Self {
        bytes.into()
    }

    fn heap_bytes(&self) -> usize {
        self.len()
    }
}

/// Makes sort keys of columns.
#[derive(Debug)]
pub struct SortKeys {
    /// None without columns: then all keys are equal.
    converter: Option<RowConverter>,
}

impl SortKeys {
    /// For columns of these types and orders.
    ///
    /// # Errors
    /// `Unsupported` if a type has no order.
    pub fn try_new(orders: &[ColumnOrder]) -> Result<Self> {
        if orders.is_empty() {
            return Ok(Self { converter: None });
        }
        let fields: Vec<SortField> = orders
            .iter()
            .map(|(data_type, options)| SortField::new_with_options(data_type.clone(), *options))
            .collect();
        let ordered = |data_type: &DataType| !matches!(data_type, DataType::Map(..));
        if !RowConverter::supports_fields(&fields) || !orders.iter().all(|(t, _)| ordered(t)) {
            return Err(EngineError::unsupported(
                "ORDER BY of columns of these types",
            ));
        }
        Ok(Self {
            converter: Some(RowConverter::new(fields)?),
        })
    }

    /// Whether keys of these columns fit into a word.
    #[must_use]
    pub fn fits_word(orders: &[ColumnOrder]) -> bool {
        let widths: Option<usize> = orders.iter().map(|(data_type, _)| width(data_type)).sum();
        widths.is_some_and(|width| width <= 16)
    }

    /// The keys of all rows.
    ///
    /// # Errors
    /// If the columns are not of the types that were named.
    pub fn encode<K: SortValue>(&self, columns: &[ArrayRef], n_rows: usize) -> Result<Vec<K>> {
        let Some(converter) = &self.converter else {
            return Ok(vec![K::from_bytes(&[]); n_rows]);
        };
        let columns: Vec<ArrayRef> = columns.iter().map(keys::canonical).collect();
        let rows = converter.convert_columns(&columns)?;
        Ok(rows.iter().map(|row| K::from_bytes(row.data())).collect())
    }
}

/// Bytes of a column in a key, if all its values have as many.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(2),
        DataType::Float32 => Some(5),
        DataType::Float64 => Some(9),
        other => integer_width(other).map(|width| width + 1),
    }
}
