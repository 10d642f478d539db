//! One value a group, for input that only comes: the least, the greatest, the first, the last.

use arrow::array::ArrayRef;

use super::values::{Nullable, Values, saved_values};
use super::{Fold, only, signed};
use crate::error::Result;

/// Which value is kept.
pub(super) trait Choice: Copy + Send + Sync {
    /// Whether a value takes the place of the one that is kept, if there is one.
    fn takes<V: Values>(self, value: V::Borrowed<'_>, kept: Option<&V::Owned>) -> bool;
}

/// Keeps one of the values that are not NULL.
pub(super) struct One<V, C> {
    pub(super) choice: C,
    pub(super) values: V,
}

impl<V: Values, C: Choice> One<V, C> {
    /// Gives how many bytes the state grew elsewhere.
    #[inline]
    fn offer(&self, state: &mut Option<V::Owned>, value: V::Borrowed<'_>) -> isize {
        if !self.choice.takes::<V>(value, state.as_ref()) {
            return 0;
        }
        let value = V::own(value);
        let grown = signed(V::heap_bytes(&value));
        let previous = state.replace(value);
        grown - previous.map_or(0, |previous| signed(V::heap_bytes(&previous)))
    }
}

impl<V: Values, C: Choice> Fold for One<V, C> {
    type State = Option<V::Owned>;
    type Column = V::Column;
    type Saved = Nullable<V>;
    type Value = V::Owned;

    fn column(&self, arguments: &[ArrayRef]) -> Result<V::Column> {
        self.values.column(only(arguments)?)
    }

    #[inline]
    fn step(
        &self,
        state: &mut Option<V::Owned>,
        column: &V::Column,
        row_idx: usize,
        _sign: i64,
    ) -> isize {
        self.values
            .get(column, row_idx)
            .map_or(0, |value| self.offer(state, value))
    }

    #[inline]
    fn value(&self, state: &Option<V::Owned>) -> Option<V::Owned> {
        state.clone()
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        self.values.build(values)
    }

    fn heap_bytes(&self, state: &Option<V::Owned>) -> usize {
        state.as_ref().map_or(0, V::heap_bytes)
    }

    fn save<'a>(
        &self,
        states: impl Iterator<Item = &'a Option<V::Owned>>,
    ) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values.build(states.cloned())?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Nullable<V>> {
        saved_values(&self.values, columns)
    }

    fn merge(&self, state: &mut Option<V::Owned>, saved: &Nullable<V>, row_idx: usize) -> isize {
        saved
            .get(&self.values, row_idx)
            .map_or(0, |value| self.offer(state, value))
    }
}
