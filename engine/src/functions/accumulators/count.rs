//! COUNT: rows that count; BIGINT, never NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::{Fold, saved_column};
use crate::error::Result;

pub(super) struct Count;

impl Fold for Count {
    type State = i64;
    type Column = ();
    type Saved = Int64Array;
    type Value = i64;

    fn column(&self, _arguments: &[ArrayRef]) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn step(&self, state: &mut i64, _column: &(), _row_idx: usize, sign: i64) -> isize {
        *state += sign;
        0
    }

    #[inline]
    fn value(&self, state: &i64) -> Option<i64> {
        Some(*state)
    }

    fn build(&self, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
        let values = values.map(Option::unwrap_or_default);
        Ok(Arc::new(Int64Array::from_iter_values(values)))
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a i64>) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(Int64Array::from_iter_values(
            states.copied(),
        ))])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Int64Array> {
        saved_column(columns, 0)
    }

    fn merge(&self, state: &mut i64, saved: &Int64Array, row_idx: usize) -> isize {
        *state += saved.value(row_idx);
        0
    }
}
