//! Aggregates that depend on the order of arrival: FIRST_VALUE, LAST_VALUE, ARRAY_AGG, LISTAGG.
//!
//! If rows are never taken back FIRST_VALUE and LAST_VALUE keep one value and LISTAGG its text;
//! otherwise each group keeps its values as they came, and a retraction takes the earliest equal
//! one.
//!
//! Source: Flink 2.3, `FirstValueWithRetractAggFunction`, `LastValueWithRetractAggFunction`,
//! `ArrayAggFunction`, `ListAggWsWithRetractAggFunction`; ARRAY_AGG ignores its ORDER BY there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};

use super::one::{Choice, One};
use super::values::{ForValues, Nullable, SavedLists, Values, for_type, lists, saved_lists};
use super::{Accumulator, Fold, Folded, only, saved_column, signed};
use crate::error::{EngineError, Result};
use crate::state::Arrivals;

/// Which end of the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Last,
}

/// FIRST_VALUE or LAST_VALUE over a column of type `argument`.
pub(super) fn first_or_last(
    side: Side,
    argument: &DataType,
    input_retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    struct Maker(Side, bool);
    impl ForValues for Maker {
        fn make<V: Values>(self, values: V) -> Box<dyn Accumulator> {
            let Self(side, input_retracts) = self;
            if input_retracts {
                Box::new(Folded::new(EndOf { side, values }))
            } else {
                Box::new(Folded::new(One {
                    choice: side,
                    values,
                }))
            }
        }
    }
    for_type(argument, Maker(side, input_retracts))
}

/// ARRAY_AGG over a column of type `argument` with a result of type `result`.
pub(super) fn array_agg(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    struct Maker(FieldRef);
    impl ForValues for Maker {
        fn make<V: Values>(self, values: V) -> Box<dyn Accumulator> {
            Box::new(Folded::new(Arrays {
                values,
                item: self.0,
            }))
        }
    }
    let DataType::List(item) = result else {
        return Err(EngineError::internal("ARRAY_AGG gives an array"));
    };
    for_type(argument, Maker(Arc::clone(item)))
}

/// LISTAGG with this separator.
pub(super) fn list_agg(separator: &str, input_retracts: bool) -> Box<dyn Accumulator> {
    let separator = separator.to_owned();
    if input_retracts {
        Box::new(Folded::new(Listed { separator }))
    } else {
        Box::new(Folded::new(Joined { separator }))
    }
}

impl Choice for Side {
    fn takes<V: Values>(self, _value: V::Borrowed<'_>, kept: Option<&V::Owned>) -> bool {
        self == Self::Last || kept.is_none()
    }
}

/// One end, for input that may be taken back.
struct EndOf<V> {
    side: Side,
    values: V,
}

/// What a value in a list takes, roughly.
fn entry_bytes<V: Values>(value: Option<&V::Owned>) -> isize {
    signed(size_of::<Option<Option<V::Owned>>>() + value.map_or(0, V::heap_bytes))
}

impl<V: Values> Fold for EndOf<V> {
    type State = Arrivals<V::Owned>;
    type Column = V::Column;
    type Saved = SavedLists<V::Column>;
    type Value = V::Owned;

    fn column(&self, arguments: &[ArrayRef]) -> Result<V::Column> {
        self.values.column(only(arguments)?)
    }

    fn step(
        &self,
        state: &mut Arrivals<V::Owned>,
        column: &V::Column,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let Some(value) = self.values.get(column, row_idx).map(V::own) else {
            return 0;
        };
        let bytes = entry_bytes::<V>(Some(&value));
        if sign > 0 {
            isize::from(state.add(value)) * bytes
        } else {
            -isize::from(state.remove(&value)) * bytes
        }
    }

    fn value(&self, state: &Arrivals<V::Owned>) -> Option<V::Owned> {
        match self.side {
            Side::First => state.first().cloned(),
            Side::Last => state.last().cloned(),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        self.values.build(values)
    }

    fn heap_bytes(&self, state: &Arrivals<V::Owned>) -> usize {
        let entries = state.iter().map(|value| entry_bytes::<V>(Some(value)));
        entries.sum::<isize>().unsigned_abs()
    }

    fn save<'a>(
        &self,
        states: impl Iterator<Item = &'a Arrivals<V::Owned>>,
    ) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut items) = (Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.len());
            items.extend(state.iter().cloned().map(Some));
        }
        let items = self.values.build(items.into_iter())?;
        Ok(vec![lists(lengths, vec![("value", items)])?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, |items| self.values.column(only(items)?))
    }

    fn merge(&self, state: &mut Arrivals<V::Owned>, saved: &Self::Saved, row_idx: usize) -> isize {
        saved
            .places(row_idx)
            .map(|place| self.step(state, &saved.items, place, 1))
            .sum()
    }
}

/// ARRAY_AGG; NULLs are values here, whoever ignores them leaves them out before.
struct Arrays<V> {
    values: V,
    item: FieldRef,
}

impl<V: Values> Fold for Arrays<V> {
    type State = Arrivals<Option<V::Owned>>;
    type Column = Nullable<V>;
    type Saved = SavedLists<Nullable<V>>;
    type Value = Vec<Option<V::Owned>>;

    fn column(&self, arguments: &[ArrayRef]) -> Result<Nullable<V>> {
        Nullable::try_new(&self.values, only(arguments)?)
    }

    fn step(
        &self,
        state: &mut Self::State,
        column: &Nullable<V>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = column.get(&self.values, row_idx).map(V::own);
        let bytes = entry_bytes::<V>(value.as_ref());
        if sign > 0 {
            isize::from(state.add(value)) * bytes
        } else {
            -isize::from(state.remove(&value)) * bytes
        }
    }

    fn value(&self, state: &Self::State) -> Option<Vec<Option<V::Owned>>> {
        (!state.is_empty()).then(|| state.iter().cloned().collect())
    }

    fn build(&self, values: impl Iterator<Item = Option<Self::Value>>) -> Result<ArrayRef> {
        let (mut lengths, mut valid, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            valid.push(value.is_some());
            let value = value.unwrap_or_default();
            lengths.push(value.len());
            items.extend(value);
        }
        let items = self.values.build(items.into_iter())?;
        let items = cast(&items, self.item.data_type())?;
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(&self.item),
            OffsetBuffer::from_lengths(lengths),
            items,
            Some(NullBuffer::from(valid)),
        )?))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        let entries = state.iter().map(|value| entry_bytes::<V>(value.as_ref()));
        entries.sum::<isize>().unsigned_abs()
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut items) = (Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.len());
            items.extend(state.iter().cloned());
        }
        let items = self.values.build(items.into_iter())?;
        Ok(vec![lists(lengths, vec![("value", items)])?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, |items| {
            Nullable::try_new(&self.values, only(items)?)
        })
    }

    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize {
        saved
            .places(row_idx)
            .map(|place| self.step(state, &saved.items, place, 1))
            .sum()
    }
}

/// A column of texts.
fn texts(arguments: &[ArrayRef]) -> Result<StringArray> {
    let texts = cast(only(arguments)?, &DataType::Utf8)?;
    saved_column(&[texts], 0)
}

/// LISTAGG for input that only comes: its text.
struct Joined {
    separator: String,
}

impl Fold for Joined {
    type State = Option<String>;
    type Column = StringArray;
    type Saved = StringArray;
    type Value = String;

    fn column(&self, arguments: &[ArrayRef]) -> Result<StringArray> {
        texts(arguments)
    }

    fn step(
        &self,
        state: &mut Option<String>,
        column: &StringArray,
        row_idx: usize,
        _sign: i64,
    ) -> isize {
        let value = column.value(row_idx);
        match state {
            None => {
                *state = Some(value.to_owned());
                signed(value.len())
            }
            Some(text) => {
                text.push_str(&self.separator);
                text.push_str(value);
                signed(self.separator.len() + value.len())
            }
        }
    }

    fn value(&self, state: &Option<String>) -> Option<String> {
        state.clone()
    }

    fn build(&self, values: impl Iterator<Item = Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(values.collect::<StringArray>()))
    }

    fn heap_bytes(&self, state: &Option<String>) -> usize {
        state.as_ref().map_or(0, String::len)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Option<String>>) -> Result<Vec<ArrayRef>> {
        let texts: StringArray = states.map(Option::as_deref).collect();
        Ok(vec![Arc::new(texts)])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<StringArray> {
        saved_column(columns, 0)
    }

    fn merge(&self, state: &mut Option<String>, saved: &StringArray, row_idx: usize) -> isize {
        if saved.is_null(row_idx) {
            return 0;
        }
        self.step(state, saved, row_idx, 1)
    }
}

/// LISTAGG for input that may be taken back: the texts.
struct Listed {
    separator: String,
}

impl Fold for Listed {
    type State = Arrivals<Box<str>>;
    type Column = StringArray;
    type Saved = SavedLists<StringArray>;
    type Value = String;

    fn column(&self, arguments: &[ArrayRef]) -> Result<StringArray> {
        texts(arguments)
    }

    fn step(
        &self,
        state: &mut Self::State,
        column: &StringArray,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value: Box<str> = column.value(row_idx).into();
        let bytes = signed(size_of::<Box<str>>() + value.len());
        if sign > 0 {
            isize::from(state.add(value)) * bytes
        } else {
            -isize::from(state.remove(&value)) * bytes
        }
    }

    fn value(&self, state: &Self::State) -> Option<String> {
        let mut values = state.iter();
        let mut text = values.next()?.to_string();
        for value in values {
            text.push_str(&self.separator);
            text.push_str(value);
        }
        Some(text)
    }

    fn build(&self, values: impl Iterator<Item = Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(values.collect::<StringArray>()))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        let values = state.iter();
        values
            .map(|value| size_of::<Box<str>>() + value.len())
            .sum()
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut items) = (Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.len());
            items.extend(state.iter().map(AsRef::as_ref));
        }
        let items: ArrayRef = Arc::new(StringArray::from(items));
        Ok(vec![lists(lengths, vec![("value", items)])?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, texts)
    }

    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize {
        saved
            .places(row_idx)
            .map(|place| self.step(state, &saved.items, place, 1))
            .sum()
    }
}
