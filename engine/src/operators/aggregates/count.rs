//! COUNT: rows that count; BIGINT, never NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::Fold;
use crate::error::Result;

pub(super) struct Count;

impl Fold for Count {
    type State = i64;
    type Column = ();
    type Value = i64;

    fn column(&self, _argument: Option<&ArrayRef>) -> Result<()> {
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
}
