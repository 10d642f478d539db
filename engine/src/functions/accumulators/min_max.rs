//! MIN and MAX of everything that has an order: integers and times, floats, decimals, booleans,
//! strings (by bytes). NULL and NaN are ignored.
//!
//! If rows are never taken back a group keeps one value, otherwise a multiset of all its values.

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use std::sync::Arc;

use super::one::{Choice, One};
use super::values::{ForValues, SavedLists, Values, for_type, lists, saved_lists};
use super::{Accumulator, Fold, Folded, only, saved_column, signed};
use crate::error::{EngineError, Result};
use crate::state::{Multiset, columns};

/// Which end of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

/// MIN or MAX over a column of type `argument`.
pub(super) fn extreme(
    end: End,
    argument: &DataType,
    input_retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    let has_order = columns::integer_width(argument).is_some()
        || argument.is_floating()
        || matches!(
            argument,
            DataType::Decimal128(..)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        );
    if !has_order {
        return Err(EngineError::unsupported(format!(
            "MIN or MAX of {argument}"
        )));
    }
    for_type(
        argument,
        Extreme {
            end,
            input_retracts,
        },
    )
}

struct Extreme {
    end: End,
    input_retracts: bool,
}

impl ForValues for Extreme {
    fn make<V: Values>(self, values: V) -> Box<dyn Accumulator> {
        let end = self.end;
        if self.input_retracts {
            Box::new(Folded::new(Sorted { end, values }))
        } else {
            Box::new(Folded::new(One {
                choice: end,
                values,
            }))
        }
    }
}

impl Choice for End {
    #[inline]
    fn takes<V: Values>(self, value: V::Borrowed<'_>, kept: Option<&V::Owned>) -> bool {
        !V::has_no_order(value)
            && kept.is_none_or(|best| match self {
                End::Min => V::compare(value, best).is_lt(),
                End::Max => V::compare(value, best).is_gt(),
            })
    }
}

/// For input that may be taken back: all values.
struct Sorted<V> {
    end: End,
    values: V,
}

impl<V: Values> Sorted<V> {
    fn add(state: &mut Multiset<V::Owned>, value: V::Borrowed<'_>, change: i64) -> isize {
        let value = V::own(value);
        state.add(&value, change) * entry_bytes::<V>(&value)
    }
}

/// What an entry of a multiset takes, roughly, for one of the value's own size.
pub(super) fn entry_bytes<V: Values>(value: &V::Owned) -> isize {
    signed(size_of::<(V::Owned, i64)>() + V::heap_bytes(value))
}

impl<V: Values> Fold for Sorted<V> {
    type State = Multiset<V::Owned>;
    type Column = V::Column;
    type Saved = SavedCounts<V>;
    type Value = V::Owned;

    fn column(&self, arguments: &[ArrayRef]) -> Result<V::Column> {
        self.values.column(only(arguments)?)
    }

    fn step(
        &self,
        state: &mut Multiset<V::Owned>,
        column: &V::Column,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        match self.values.get(column, row_idx) {
            Some(value) if !V::has_no_order(value) => Self::add(state, value, sign),
            _ => 0,
        }
    }

    fn value(&self, state: &Multiset<V::Owned>) -> Option<V::Owned> {
        match self.end {
            End::Min => state.min().cloned(),
            End::Max => state.max().cloned(),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        self.values.build(values)
    }

    fn heap_bytes(&self, state: &Multiset<V::Owned>) -> usize {
        multiset_bytes::<V>(state)
    }

    fn save<'a>(
        &self,
        states: impl Iterator<Item = &'a Multiset<V::Owned>>,
    ) -> Result<Vec<ArrayRef>> {
        save_multisets(&self.values, states)
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<SavedCounts<V>> {
        saved_multisets(&self.values, columns)
    }

    fn merge(
        &self,
        state: &mut Multiset<V::Owned>,
        saved: &SavedCounts<V>,
        row_idx: usize,
    ) -> isize {
        merge_multiset(&self.values, state, saved, row_idx)
    }
}

/// Values and how often each is there.
pub(super) type SavedCounts<V> = SavedLists<(<V as Values>::Column, Int64Array)>;

/// What the entries of a multiset take, roughly.
pub(super) fn multiset_bytes<V: Values>(state: &Multiset<V::Owned>) -> usize {
    state
        .entries()
        .map(|(value, _)| entry_bytes::<V>(value).unsigned_abs())
        .sum()
}

pub(super) fn save_multisets<'a, V: Values>(
    values: &V,
    states: impl Iterator<Item = &'a Multiset<V::Owned>>,
) -> Result<Vec<ArrayRef>> {
    let (mut lengths, mut items, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for state in states {
        lengths.push(state.n_distinct());
        for (value, count) in state.entries() {
            items.push(Some(value.clone()));
            counts.push(count);
        }
    }
    let items = values.build(items.into_iter())?;
    let counts: ArrayRef = Arc::new(Int64Array::from(counts));
    Ok(vec![lists(
        lengths,
        vec![("value", items), ("count", counts)],
    )?])
}

pub(super) fn saved_multisets<V: Values>(
    values: &V,
    columns: &[ArrayRef],
) -> Result<SavedCounts<V>> {
    saved_lists(columns, 0, |items| {
        Ok((values.column(only(items)?)?, saved_column(items, 1)?))
    })
}

pub(super) fn merge_multiset<V: Values>(
    values: &V,
    state: &mut Multiset<V::Owned>,
    saved: &SavedCounts<V>,
    row_idx: usize,
) -> isize {
    let (items, counts) = &saved.items;
    saved
        .places(row_idx)
        .filter_map(|place| Some((values.get(items, place)?, counts.value(place))))
        .map(|(value, count)| {
            let value = V::own(value);
            state.add(&value, count) * entry_bytes::<V>(&value)
        })
        .sum()
}
