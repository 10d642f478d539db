//! Equality of values as ARRAY_CONTAINS, ARRAY_DISTINCT and the like see it: NULL equals NULL,
//! NaN nothing, 0.0 equals -0.0.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{EngineError, Result};

/// Comparable forms of the values of columns of one type.
pub(crate) struct Keys {
    converter: RowConverter,
}

/// The forms of one column.
pub(crate) struct KeyColumn {
    rows: Rows,
    /// By value, whether it equals nothing; empty if none does.
    unequal: Vec<bool>,
}

impl Keys {
    /// # Errors
    /// `Unsupported` for types without an order.
    pub(crate) fn try_new(data_type: &DataType) -> Result<Self> {
        let fields = vec![SortField::new(data_type.clone())];
        if !RowConverter::supports_fields(&fields) {
            return Err(EngineError::unsupported(format!(
                "comparing values of type {data_type}"
            )));
        }
        Ok(Self {
            converter: RowConverter::new(fields)?,
        })
    }

    /// The forms of a column of the type.
    pub(crate) fn column(&self, values: &ArrayRef) -> Result<KeyColumn> {
        let (values, unequal) = plain_zeros(values);
        Ok(KeyColumn {
            rows: self.converter.convert_columns(&[values])?,
            unequal,
        })
    }
}

impl KeyColumn {
    /// The bytes of a value: equal for equal values.
    pub(crate) fn bytes(&self, value_idx: usize) -> &[u8] {
        self.rows.row(value_idx).data()
    }

    /// Whether a value equals nothing, not even itself.
    pub(crate) fn is_unequal(&self, value_idx: usize) -> bool {
        self.unequal.get(value_idx).copied().unwrap_or(false)
    }

    /// Whether two values are equal.
    pub(crate) fn equals(&self, value_idx: usize, other: &Self, other_idx: usize) -> bool {
        !self.is_unequal(value_idx) && self.bytes(value_idx) == other.bytes(other_idx)
    }
}

/// The column with 0.0 for -0.0, and where its NaNs are.
fn plain_zeros(values: &ArrayRef) -> (ArrayRef, Vec<bool>) {
    match values.data_type() {
        DataType::Float32 => {
            let floats = values.as_primitive::<Float32Type>();
            let nan = nans(floats.values().iter().map(|value| value.is_nan()));
            (Arc::new(floats.unary::<_, Float32Type>(|it| it + 0.0)), nan)
        }
        DataType::Float64 => {
            let floats = values.as_primitive::<Float64Type>();
            let nan = nans(floats.values().iter().map(|value| value.is_nan()));
            (Arc::new(floats.unary::<_, Float64Type>(|it| it + 0.0)), nan)
        }
        _ => (Arc::clone(values), Vec::new()),
    }
}

fn nans(are: impl Iterator<Item = bool>) -> Vec<bool> {
    let are: Vec<bool> = are.collect();
    if are.contains(&true) { are } else { Vec::new() }
}
