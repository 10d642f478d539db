//! Aggregates that can take rows back, as columns of states indexed by group ids.
//!
//! An aggregate is a `Fold`: a state per group, a step for each row with its sign, a value that
//! is read. `Folded` makes an `Accumulator` of it, the one loop over rows for all of them.
//! Values are read for chosen groups (net changes), or after every row (Flink's changelog).
//!
//! DataFusion's accumulators are not used here: the fast ones cannot take rows back, and its
//! sliding MIN and MAX assume that rows leave in the order in which they came.
mod function;

mod call;

mod count;

mod sum;

mod one;

mod min_max;

mod ordered;

mod bag;

mod json;

mod bitmap;

mod values;

mod distinct;

mod foreign;

#[cfg(test)]
mod tests;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;

pub(crate) use call::Aggregate;
pub use call::{AggregateCall, Callee};
pub use function::{AggregateFunction, not_applicable};

use crate::error::{EngineError, Result};

/// Rows for an aggregate, in order.
#[derive(Clone, Copy)]
pub(crate) struct AggregateInput<'a> {
    /// Values of the arguments; none for `COUNT(*)`.
    pub(crate) arguments: &'a [ArrayRef],
    /// Rows that count; none if all do.
    pub(crate) counted: Option<&'a BooleanBuffer>,
    /// Group of each row.
    pub(crate) groups: &'a [u32],
    /// +1 or -1 for each row; none if all are +1.
    pub(crate) signs: Option<&'a [i8]>,
}

/// One aggregate of all groups.
pub(crate) trait Accumulator: Send + Sync {
    /// Makes place for groups with ids below `n_groups`.
    fn resize(&mut self, n_groups: usize);

    /// Adds rows, or takes them back.
    fn update(&mut self, input: &AggregateInput<'_>) -> Result<()>;

    /// As [`Self::update`], and gives the value of the row's group after each row.
    fn update_each(&mut self, input: &AggregateInput<'_>) -> Result<ArrayRef>;

    /// The values of these groups.
    fn read(&self, groups: &[u32]) -> Result<ArrayRef>;

    /// As [`Self::read`]; nobody looks at the values of groups that have no rows. A function of the
    /// user need not have a value of no rows, and is not asked for it.
    fn read_used(&self, groups: &[u32], _is_used: &[bool]) -> Result<ArrayRef> {
        self.read(groups)
    }

    /// Makes the group as if it had never seen a row.
    fn clear(&mut self, group: u32);

    /// Bytes of state.
    fn state_bytes(&self) -> usize;

    /// The states of these groups as columns, one row a group. They say all there is to say: a
    /// checkpoint keeps them, slices of a window send them on.
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>>;

    /// Adds what [`Self::save`] gave to the groups, as if the rows behind it came after those that
    /// the groups have seen: restores empty groups, merges others. A group may stand in `groups`
    /// several times. The accumulator must have place for all of them.
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()>;
}

/// An aggregate function for one type of argument.
trait Fold: Send + Sync {
    /// What is kept of a group; the default is a group without rows.
    type State: Default + Clone + Send + Sync;
    /// The arguments as they are read.
    type Column;
    /// Saved states as they are read.
    type Saved;
    /// The result.
    type Value;

    fn column(&self, arguments: &[ArrayRef]) -> Result<Self::Column>;

    /// Adds the row (sign 1) or takes it back (-1). Gives how many bytes the state grew elsewhere
    /// on the heap.
    fn step(
        &self,
        state: &mut Self::State,
        column: &Self::Column,
        row_idx: usize,
        sign: i64,
    ) -> isize;

    /// The result of the group; none is NULL.
    fn value(&self, state: &Self::State) -> Option<Self::Value>;

    fn build(&self, values: impl Iterator<Item = Option<Self::Value>>) -> Result<ArrayRef>;

    /// What [`Self::step`] found wrong with the rows of a column.
    fn check(&self, _column: &Self::Column) -> Result<()> {
        Ok(())
    }

    /// States as columns.
    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>>
    where
        Self::State: 'a;

    /// The columns of [`Self::save`], to be read.
    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved>;

    /// Adds a saved state. Gives how many bytes the state grew elsewhere on the heap.
    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize;

    /// Bytes that the state has elsewhere on the heap.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

struct Folded<F: Fold> {
    fold: F,
    states: Vec<F::State>,
    heap_bytes: usize,
}

impl<F: Fold> Folded<F> {
    fn new(fold: F) -> Self {
        Self {
            fold,
            states: Vec::new(),
            heap_bytes: 0,
        }
    }

    /// The loop over rows. `after` sees the state of the row's group after each row.
    #[inline]
    fn drive(
        &mut self,
        input: &AggregateInput<'_>,
        mut after: impl FnMut(&F, &F::State),
    ) -> Result<()> {
        let Self {
            fold,
            states,
            heap_bytes,
        } = self;
        let column = fold.column(input.arguments)?;
        let mut grown: isize = 0;
        let mut step = |row_idx: usize, group: u32, counts: bool, sign: i8| {
            if let Some(state) = states.get_mut(group as usize) {
                if counts {
                    grown += fold.step(state, &column, row_idx, i64::from(sign));
                }
                after(fold, state);
            }
        };
        let rows = input.groups.iter().copied().enumerate();
        // One loop for each case, so that the common ones do not look at what is not there.
        match (input.counted, input.signs) {
            (None, None) => rows.for_each(|(row_idx, group)| step(row_idx, group, true, 1)),
            (None, Some(signs)) => rows
                .zip(signs)
                .for_each(|((row_idx, group), &sign)| step(row_idx, group, true, sign)),
            (Some(counted), None) => rows
                .zip(counted)
                .for_each(|((row_idx, group), counts)| step(row_idx, group, counts, 1)),
            (Some(counted), Some(signs)) => rows
                .zip(counted)
                .zip(signs)
                .for_each(|(((row_idx, group), counts), &sign)| step(row_idx, group, counts, sign)),
        }
        *heap_bytes = heap_bytes.saturating_add_signed(grown);
        fold.check(&column)
    }
}

impl<F: Fold> Accumulator for Folded<F> {
    fn resize(&mut self, n_groups: usize) {
        if self.states.len() < n_groups {
            self.states.resize(n_groups, F::State::default());
        }
    }

    fn update(&mut self, input: &AggregateInput<'_>) -> Result<()> {
        self.drive(input, |_, _| {})
    }

    fn update_each(&mut self, input: &AggregateInput<'_>) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(input.groups.len());
        self.drive(input, |fold, state| values.push(fold.value(state)))?;
        self.fold.build(values.into_iter())
    }

    fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        let value = |group: &u32| {
            self.states
                .get(*group as usize)
                .and_then(|state| self.fold.value(state))
        };
        self.fold.build(groups.iter().map(value))
    }

    fn clear(&mut self, group: u32) {
        if let Some(state) = self.states.get_mut(group as usize) {
            self.heap_bytes = self.heap_bytes.saturating_sub(self.fold.heap_bytes(state));
            *state = F::State::default();
        }
    }

    fn state_bytes(&self) -> usize {
        self.states.capacity() * size_of::<F::State>() + self.heap_bytes
    }

    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let empty = F::State::default();
        let states = groups
            .iter()
            .map(|&group| self.states.get(group as usize).unwrap_or(&empty));
        self.fold.save(states)
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let saved = self.fold.saved(columns)?;
        let mut grown: isize = 0;
        for (row_idx, &group) in groups.iter().enumerate() {
            let state = self.states.get_mut(group as usize).ok_or_else(|| {
                EngineError::internal("an aggregate restores a group without a place")
            })?;
            grown += self.fold.merge(state, &saved, row_idx);
        }
        self.heap_bytes = self.heap_bytes.saturating_add_signed(grown);
        Ok(())
    }
}

/// Rows that are not NULL in `argument` and true in `filter`; none if all are.
fn counted_rows(
    argument: Option<&ArrayRef>,
    filter: Option<&ArrayRef>,
) -> Result<Option<BooleanBuffer>> {
    let not_null = argument
        .and_then(|argument| argument.logical_nulls())
        .filter(|nulls| nulls.null_count() > 0)
        .map(arrow::buffer::NullBuffer::into_inner);
    let Some(filter) = filter else {
        return Ok(not_null);
    };
    let filter = filter
        .as_any()
        .downcast_ref::<arrow::array::BooleanArray>()
        .ok_or_else(|| EngineError::internal("the FILTER of an aggregate is not boolean"))?;
    let is_true = match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    };
    Ok(Some(match not_null {
        Some(not_null) => &is_true & &not_null,
        None => is_true,
    }))
}

/// The only argument.
fn only(arguments: &[ArrayRef]) -> Result<&ArrayRef> {
    arguments
        .first()
        .ok_or_else(|| EngineError::internal("an aggregate without its argument"))
}

/// Column `column_idx` of a saved state, as an array of type `A`.
fn saved_column<A: Array + Clone + 'static>(columns: &[ArrayRef], column_idx: usize) -> Result<A> {
    columns
        .get(column_idx)
        .and_then(|column| column.as_any().downcast_ref::<A>())
        .cloned()
        .ok_or_else(|| EngineError::internal("a saved aggregate is not of this type"))
}

/// Bytes as they are added up.
fn signed(n_bytes: usize) -> isize {
    isize::try_from(n_bytes).unwrap_or(isize::MAX)
}
