//! Aggregates that can take rows back, as columns of states indexed by group ids.
//!
//! An aggregate is a [`Fold`]: a state per group, a step for each row with its sign, a value that
//! is read. [`Folded`] makes an [`Accumulator`] of it, the one loop over rows for all of them.
//! Values are read for chosen groups (net changes), or after every row (Flink's changelog).
//!
//! DataFusion's accumulators are not used here: the fast ones cannot take rows back, and its
//! sliding MIN and MAX assume that rows leave in the order in which they came.
mod count;

mod sum;

mod min_max;

mod distinct;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

pub(super) use distinct::Distinct;

use super::group_aggregate::AggregateFunction;
use crate::error::{EngineError, Result};

/// Rows for an aggregate, in order.
#[derive(Clone, Copy)]
pub(super) struct AggregateInput<'a> {
    /// Values of the argument; none for `COUNT(*)`.
    pub(super) argument: Option<&'a ArrayRef>,
    /// Rows that count; none if all do.
    pub(super) counted: Option<&'a BooleanBuffer>,
    /// Group of each row.
    pub(super) groups: &'a [u32],
    /// +1 or -1 for each row; none if all are +1.
    pub(super) signs: Option<&'a [i8]>,
}

/// One aggregate of all groups.
pub(super) trait Accumulator: Send {
    /// Makes place for groups with ids below `n_groups`.
    fn resize(&mut self, n_groups: usize);

    /// Adds rows, or takes them back.
    fn update(&mut self, input: &AggregateInput<'_>) -> Result<()>;

    /// As [`Self::update`], and gives the value of the row's group after each row.
    fn update_each(&mut self, input: &AggregateInput<'_>) -> Result<ArrayRef>;

    /// The values of these groups.
    fn read(&self, groups: &[u32]) -> Result<ArrayRef>;

    /// Makes the group as if it had never seen a row.
    fn clear(&mut self, group: u32);

    /// Bytes of state.
    fn state_bytes(&self) -> usize;
}

/// An aggregate function for one type of argument.
trait Fold: Send {
    /// What is kept of a group; the default is a group without rows.
    type State: Default + Clone + Send;
    /// The argument as it is read.
    type Column;
    /// The result.
    type Value;

    fn column(&self, argument: Option<&ArrayRef>) -> Result<Self::Column>;

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
        let column = fold.column(input.argument)?;
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
        Ok(())
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
}

/// The accumulator of `function` over an argument of type `argument`.
///
/// # Errors
/// `Unsupported` if there is none for this type.
pub(super) fn accumulator(
    function: AggregateFunction,
    argument: Option<&DataType>,
    input_retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    let result = function.result_type(argument)?;
    match (function, argument) {
        (AggregateFunction::Count, _) => Ok(Box::new(Folded::new(count::Count))),
        (AggregateFunction::Sum, Some(argument)) => sum::sum(argument, &result),
        (AggregateFunction::Avg, Some(argument)) => sum::avg(argument, &result),
        (AggregateFunction::Min, Some(argument)) => {
            min_max::extreme(min_max::End::Min, argument, input_retracts)
        }
        (AggregateFunction::Max, Some(argument)) => {
            min_max::extreme(min_max::End::Max, argument, input_retracts)
        }
        (_, None) => Err(EngineError::internal(format!(
            "{} without an argument",
            function.name()
        ))),
    }
}

/// Rows that are not NULL in `argument` and true in `filter`; none if all are.
pub(super) fn counted_rows(
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
