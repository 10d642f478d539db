//! Aggregates over the bag of a group's values: COLLECT, PERCENTILE, SINGLE_VALUE, and the sum of
//! squares behind STDDEV and VAR.
//!
//! Source: Flink 2.3, `CollectAggFunction`, `PercentileAggFunction`, `SingleValueAggFunction`,
//! `WelfordM2AggFunction`.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, ListArray, MapArray,
    StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};

use super::min_max::{
    SavedCounts, entry_bytes, merge_multiset, multiset_bytes, save_multisets, saved_multisets,
};
use super::values::{Float, ForValues, Nullable, SavedLists, Values, for_type, lists, saved_lists};
use super::{Accumulator, Fold, Folded, only, saved_column, signed};
use crate::error::{EngineError, Result};
use crate::state::Multiset;

/// COLLECT over a column of type `argument`; `result` is the map of a MULTISET.
pub(super) fn collect(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    struct Maker(FieldRef);
    impl ForValues for Maker {
        fn make<V: Values>(self, values: V) -> Box<dyn Accumulator> {
            Box::new(Folded::new(Collect {
                values,
                entries: self.0,
            }))
        }
    }
    let DataType::Map(entries, _) = result else {
        return Err(EngineError::internal("COLLECT gives a multiset"));
    };
    for_type(argument, Maker(Arc::clone(entries)))
}

/// SINGLE_VALUE over a column of type `argument`.
pub(super) fn single_value(argument: &DataType) -> Result<Box<dyn Accumulator>> {
    struct Maker;
    impl ForValues for Maker {
        fn make<V: Values>(self, values: V) -> Box<dyn Accumulator> {
            Box::new(Folded::new(Single { values }))
        }
    }
    for_type(argument, Maker)
}

/// PERCENTILE at these points of [0, 1]; `is_array` says whether the result is an array of all of
/// them.
pub(super) fn percentile(percentages: Vec<f64>, is_array: bool) -> Box<dyn Accumulator> {
    Box::new(Folded::new(Percentile {
        percentages,
        is_array,
    }))
}

/// The sum of the squared distances from the mean.
pub(super) fn welford_m2() -> Box<dyn Accumulator> {
    Box::new(Folded::new(WelfordM2))
}

struct Collect<V> {
    values: V,
    entries: FieldRef,
}

impl<V: Values> Fold for Collect<V> {
    type State = Multiset<V::Owned>;
    type Column = V::Column;
    type Saved = SavedCounts<V>;
    type Value = Vec<(V::Owned, i64)>;

    fn column(&self, arguments: &[ArrayRef]) -> Result<V::Column> {
        self.values.column(only(arguments)?)
    }

    fn step(
        &self,
        state: &mut Self::State,
        column: &V::Column,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = self.values.get(column, row_idx).map(V::own);
        value.map_or(0, |value| {
            state.add(&value, sign) * entry_bytes::<V>(&value)
        })
    }

    fn value(&self, state: &Self::State) -> Option<Self::Value> {
        let there = state.entries().filter(|(_, count)| *count > 0);
        Some(there.map(|(value, count)| (value.clone(), count)).collect())
    }

    fn build(&self, values: impl Iterator<Item = Option<Self::Value>>) -> Result<ArrayRef> {
        let DataType::Struct(fields) = self.entries.data_type() else {
            return Err(EngineError::internal("a multiset has entries"));
        };
        let (mut lengths, mut items, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let value = value.unwrap_or_default();
            lengths.push(value.len());
            for (item, count) in value {
                items.push(Some(item));
                counts.push(i32::try_from(count).unwrap_or(i32::MAX));
            }
        }
        let mut items = self.values.build(items.into_iter())?;
        if let Some(key) = fields.first() {
            items = cast(&items, key.data_type())?;
        }
        let counts = Int32Array::from(counts);
        let entries = StructArray::try_new(fields.clone(), vec![items, Arc::new(counts)], None)?;
        Ok(Arc::new(MapArray::try_new(
            Arc::clone(&self.entries),
            OffsetBuffer::from_lengths(lengths),
            entries,
            None,
            false,
        )?))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        multiset_bytes::<V>(state)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        save_multisets(&self.values, states)
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<SavedCounts<V>> {
        saved_multisets(&self.values, columns)
    }

    fn merge(&self, state: &mut Self::State, saved: &SavedCounts<V>, row_idx: usize) -> isize {
        merge_multiset(&self.values, state, saved, row_idx)
    }
}

/// The value of a group of one row at most, which may be NULL.
struct Single<V> {
    values: V,
}

/// The one row of a group, and how many rows there are.
#[derive(Debug, Clone)]
struct OneRow<T> {
    value: Option<T>,
    n_rows: i64,
}

impl<T> Default for OneRow<T> {
    fn default() -> Self {
        Self {
            value: None,
            n_rows: 0,
        }
    }
}

struct SingleColumn<V: Values> {
    column: Nullable<V>,
    has_several: Cell<bool>,
}

impl<V: Values> Fold for Single<V> {
    type State = OneRow<V::Owned>;
    type Column = SingleColumn<V>;
    type Saved = (Nullable<V>, Int64Array);
    type Value = V::Owned;

    fn column(&self, arguments: &[ArrayRef]) -> Result<SingleColumn<V>> {
        Ok(SingleColumn {
            column: Nullable::try_new(&self.values, only(arguments)?)?,
            has_several: Cell::new(false),
        })
    }

    fn step(
        &self,
        state: &mut Self::State,
        column: &SingleColumn<V>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let before = self.heap_bytes(state);
        state.n_rows += sign;
        if sign > 0 {
            state.value = column.column.get(&self.values, row_idx).map(V::own);
            if state.n_rows > 1 {
                column.has_several.set(true);
            }
        } else {
            state.value = None;
        }
        signed(self.heap_bytes(state)) - signed(before)
    }

    fn check(&self, column: &SingleColumn<V>) -> Result<()> {
        if column.has_several.get() {
            return Err(EngineError::Data {
                message: "SingleValueAggFunction received more than one element.".to_owned(),
            });
        }
        Ok(())
    }

    fn value(&self, state: &Self::State) -> Option<V::Owned> {
        state.value.clone()
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        self.values.build(values)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.value.as_ref().map_or(0, V::heap_bytes)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        let (values, counts): (Vec<_>, Vec<_>) = states
            .map(|state| (state.value.clone(), state.n_rows))
            .unzip();
        Ok(vec![
            self.values.build(values.into_iter())?,
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        let values = Nullable::try_new(&self.values, only(columns)?)?;
        Ok((values, saved_column(columns, 1)?))
    }

    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize {
        let (values, counts) = saved;
        let before = self.heap_bytes(state);
        let n_rows = counts.value(row_idx);
        if n_rows != 0 {
            state.n_rows += n_rows;
            state.value = values.get(&self.values, row_idx).map(V::own);
        }
        signed(self.heap_bytes(state)) - signed(before)
    }
}

/// Linear interpolation between the values around a place in their order.
struct Percentile {
    percentages: Vec<f64>,
    is_array: bool,
}

struct Weighted {
    values: ScalarBuffer<f64>,
    /// How often each row counts; NULL and what is not above 0 do not.
    frequencies: Option<Int64Array>,
}

impl Percentile {
    /// Source: `PercentileAggFunction.PercentileAccumulator.getValue` of Flink 2.3.
    fn at(&self, state: &Multiset<Float>, percentage: f64) -> f64 {
        let n_values: i64 = state.entries().map(|(_, count)| count).sum();
        let position = percentage * (n_values - 1) as f64 + 1.0;
        let (lower, higher) = (position.floor(), position.ceil());
        let mut entries = state.entries();
        let mut n_before = 0_i64;
        while let Some((Float(value), count)) = entries.next() {
            n_before += count;
            if (n_before as f64) < lower {
                continue;
            }
            if n_before as f64 >= higher {
                return *value;
            }
            let next = entries.next().map_or(*value, |(Float(next), _)| *next);
            return (higher - position) * value + (position - lower) * next;
        }
        f64::NAN
    }
}

impl Fold for Percentile {
    type State = Multiset<Float>;
    type Column = Weighted;
    type Saved = SavedLists<(Float64Array, Int64Array)>;
    type Value = Vec<f64>;

    fn column(&self, arguments: &[ArrayRef]) -> Result<Weighted> {
        let values = cast(only(arguments)?, &DataType::Float64)?;
        let frequencies = match arguments.get(1) {
            Some(frequencies) => {
                let frequencies = cast(frequencies, &DataType::Int64)?;
                Some(frequencies.as_primitive::<Int64Type>().clone())
            }
            None => None,
        };
        Ok(Weighted {
            values: values.as_primitive::<Float64Type>().values().clone(),
            frequencies,
        })
    }

    fn step(
        &self,
        state: &mut Multiset<Float>,
        column: &Weighted,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let frequency = match &column.frequencies {
            None => 1,
            Some(frequencies) if frequencies.is_null(row_idx) => 0,
            Some(frequencies) => frequencies.value(row_idx).max(0),
        };
        match column.values.get(row_idx) {
            Some(&value) if frequency > 0 => {
                state.add(&Float(value), sign * frequency) * signed(size_of::<(Float, i64)>())
            }
            _ => 0,
        }
    }

    fn value(&self, state: &Multiset<Float>) -> Option<Vec<f64>> {
        let n_values: i64 = state.entries().map(|(_, count)| count).sum();
        if n_values <= 0 || self.percentages.is_empty() {
            return None;
        }
        let percentages = self.percentages.iter();
        Some(percentages.map(|&at| self.at(state, at)).collect())
    }

    fn build(&self, values: impl Iterator<Item = Option<Vec<f64>>>) -> Result<ArrayRef> {
        if !self.is_array {
            let values = values.map(|value| value.and_then(|value| value.first().copied()));
            return Ok(Arc::new(values.collect::<Float64Array>()));
        }
        let lists = values.map(|value| {
            value.map(|value| value.into_iter().map(Some).collect::<Vec<Option<f64>>>())
        });
        Ok(Arc::new(
            ListArray::from_iter_primitive::<Float64Type, _, _>(lists),
        ))
    }

    fn heap_bytes(&self, state: &Multiset<Float>) -> usize {
        state.n_distinct() * size_of::<(Float, i64)>()
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Multiset<Float>>) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut values, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.n_distinct());
            for (Float(value), count) in state.entries() {
                values.push(*value);
                counts.push(count);
            }
        }
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        let counts: ArrayRef = Arc::new(Int64Array::from(counts));
        Ok(vec![lists(
            lengths,
            vec![("value", values), ("count", counts)],
        )?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, |items| {
            Ok((saved_column(items, 0)?, saved_column(items, 1)?))
        })
    }

    fn merge(&self, state: &mut Multiset<Float>, saved: &Self::Saved, row_idx: usize) -> isize {
        let (values, counts) = &saved.items;
        saved
            .places(row_idx)
            .map(|place| {
                state.add(&Float(values.value(place)), counts.value(place))
                    * signed(size_of::<(Float, i64)>())
            })
            .sum()
    }
}

struct WelfordM2;

/// Number, mean and sum of squared distances of the values of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n_values: i64,
    mean: f64,
    m2: f64,
}

impl Fold for WelfordM2 {
    type State = Moments;
    type Column = ScalarBuffer<f64>;
    type Saved = (Int64Array, Float64Array, Float64Array);
    type Value = f64;

    fn column(&self, arguments: &[ArrayRef]) -> Result<ScalarBuffer<f64>> {
        let values = cast(only(arguments)?, &DataType::Float64)?;
        Ok(values.as_primitive::<Float64Type>().values().clone())
    }

    #[inline]
    fn step(
        &self,
        state: &mut Moments,
        column: &ScalarBuffer<f64>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = column.get(row_idx).copied().unwrap_or_default();
        state.n_values += sign;
        if state.n_values <= 0 {
            if state.n_values == 0 {
                (state.mean, state.m2) = (0.0, 0.0);
            }
            return 0;
        }
        let from_old = value - state.mean;
        state.mean += sign as f64 * (from_old / state.n_values as f64);
        let from_new = value - state.mean;
        state.m2 += sign as f64 * (from_old * from_new);
        0
    }

    #[inline]
    fn value(&self, state: &Moments) -> Option<f64> {
        // Rounding may take more away than there was; Flink calls that NULL.
        let is_defined = state.n_values > 0 && (state.m2 >= 0.0 || state.m2.is_nan());
        is_defined.then_some(state.m2)
    }

    fn build(&self, values: impl Iterator<Item = Option<f64>>) -> Result<ArrayRef> {
        Ok(Arc::new(values.collect::<Float64Array>()))
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Moments>) -> Result<Vec<ArrayRef>> {
        let (mut counts, mut means, mut squares) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            counts.push(state.n_values);
            means.push(state.mean);
            squares.push(state.m2);
        }
        Ok(vec![
            Arc::new(Int64Array::from(counts)),
            Arc::new(Float64Array::from(means)),
            Arc::new(Float64Array::from(squares)),
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        Ok((
            saved_column(columns, 0)?,
            saved_column(columns, 1)?,
            saved_column(columns, 2)?,
        ))
    }

    fn merge(&self, state: &mut Moments, saved: &Self::Saved, row_idx: usize) -> isize {
        let (counts, means, squares) = saved;
        let other = Moments {
            n_values: counts.value(row_idx),
            mean: means.value(row_idx),
            m2: squares.value(row_idx),
        };
        if other.n_values <= 0 {
            state.n_values += other.n_values;
        } else if state.n_values == 0 {
            *state = other;
        } else {
            let n_values = state.n_values + other.n_values;
            let distance = other.mean - state.mean;
            let share = other.n_values as f64 / n_values as f64;
            state.m2 += other.m2 + state.n_values as f64 * share * distance * distance;
            state.mean += share * distance;
            state.n_values = n_values;
        }
        if state.n_values <= 0 {
            (state.mean, state.m2) = (0.0, 0.0);
        }
        0
    }
}
