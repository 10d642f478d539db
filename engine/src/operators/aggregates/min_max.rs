//! MIN and MAX of everything that can be compared: integers and times, floats, decimals,
//! booleans, strings and binaries (by bytes). NULL and NaN are ignored.
//!
//! If rows are never taken back a group keeps one value, otherwise a multiset of all its values.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Decimal128Array, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type};

use super::{Accumulator, Fold, Folded};
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
    match argument {
        DataType::Float32 | DataType::Float64 => {
            Ok(folded::<Floats>(end, argument, input_retracts))
        }
        DataType::Decimal128(_, _) => Ok(folded::<Decimals>(end, argument, input_retracts)),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Ok(folded::<Bytes>(end, argument, input_retracts)),
        other if columns::integer_width(other).is_some() => {
            Ok(folded::<Integers>(end, argument, input_retracts))
        }
        other => Err(EngineError::unsupported(format!("MIN or MAX of {other}"))),
    }
}

fn folded<V: Values>(end: End, argument: &DataType, input_retracts: bool) -> Box<dyn Accumulator> {
    let result = argument.clone();
    let values = PhantomData::<V>;
    if input_retracts {
        Box::new(Folded::new(Sorted {
            end,
            result,
            values,
        }))
    } else {
        Box::new(Folded::new(Best {
            end,
            result,
            values,
        }))
    }
}

/// A family of types: how their values are read, kept, compared and written.
trait Values: Send + 'static {
    type Column;
    type Borrowed<'a>: Copy;
    type Owned: Ord + Clone + Send;

    fn column(argument: &ArrayRef) -> Result<Self::Column>;

    /// The value at a row that is not NULL; none if it is to be ignored.
    fn get(column: &Self::Column, row_idx: usize) -> Option<Self::Borrowed<'_>>;

    fn compare(value: Self::Borrowed<'_>, other: &Self::Owned) -> Ordering;

    fn to_owned(value: Self::Borrowed<'_>) -> Self::Owned;

    fn heap_bytes(_value: &Self::Owned) -> usize {
        0
    }

    fn build(
        values: impl Iterator<Item = Option<Self::Owned>>,
        result: &DataType,
    ) -> Result<ArrayRef>;
}

/// For input that only comes: the extreme.
struct Best<V> {
    end: End,
    result: DataType,
    values: PhantomData<V>,
}

impl<V: Values> Fold for Best<V> {
    type State = Option<V::Owned>;
    type Column = V::Column;
    type Value = V::Owned;

    fn column(&self, argument: Option<&ArrayRef>) -> Result<V::Column> {
        V::column(required(argument)?)
    }

    #[inline]
    fn step(
        &self,
        state: &mut Option<V::Owned>,
        column: &V::Column,
        row_idx: usize,
        _sign: i64,
    ) -> isize {
        let Some(value) = V::get(column, row_idx) else {
            return 0;
        };
        let is_better = match (state.as_ref(), self.end) {
            (None, _) => true,
            (Some(best), End::Min) => V::compare(value, best).is_lt(),
            (Some(best), End::Max) => V::compare(value, best).is_gt(),
        };
        if !is_better {
            return 0;
        }
        let value = V::to_owned(value);
        let grown = signed(V::heap_bytes(&value));
        let previous = state.replace(value);
        grown - previous.map_or(0, |previous| signed(V::heap_bytes(&previous)))
    }

    #[inline]
    fn value(&self, state: &Option<V::Owned>) -> Option<V::Owned> {
        state.clone()
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        V::build(values, &self.result)
    }

    fn heap_bytes(&self, state: &Option<V::Owned>) -> usize {
        state.as_ref().map_or(0, V::heap_bytes)
    }
}

/// For input that may be taken back: all values.
struct Sorted<V> {
    end: End,
    result: DataType,
    values: PhantomData<V>,
}

impl<V: Values> Sorted<V> {
    /// What an entry takes, roughly, for one of the value's own size.
    fn entry_bytes(value: &V::Owned) -> isize {
        signed(size_of::<(V::Owned, i64)>() + V::heap_bytes(value))
    }
}

impl<V: Values> Fold for Sorted<V> {
    type State = Multiset<V::Owned>;
    type Column = V::Column;
    type Value = V::Owned;

    fn column(&self, argument: Option<&ArrayRef>) -> Result<V::Column> {
        V::column(required(argument)?)
    }

    fn step(
        &self,
        state: &mut Multiset<V::Owned>,
        column: &V::Column,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let Some(value) = V::get(column, row_idx) else {
            return 0;
        };
        let value = V::to_owned(value);
        state.add(&value, sign) * Self::entry_bytes(&value)
    }

    fn value(&self, state: &Multiset<V::Owned>) -> Option<V::Owned> {
        match self.end {
            End::Min => state.min().cloned(),
            End::Max => state.max().cloned(),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<V::Owned>>) -> Result<ArrayRef> {
        V::build(values, &self.result)
    }

    fn heap_bytes(&self, state: &Multiset<V::Owned>) -> usize {
        state.n_distinct() * size_of::<(V::Owned, i64)>()
    }
}

/// Integers, times and booleans.
struct Integers;

impl Values for Integers {
    type Column = ScalarBuffer<i64>;
    type Borrowed<'a> = i64;
    type Owned = i64;

    fn column(argument: &ArrayRef) -> Result<ScalarBuffer<i64>> {
        columns::to_i64(argument)
    }

    #[inline]
    fn get(column: &ScalarBuffer<i64>, row_idx: usize) -> Option<i64> {
        column.get(row_idx).copied()
    }

    #[inline]
    fn compare(value: i64, other: &i64) -> Ordering {
        value.cmp(other)
    }

    #[inline]
    fn to_owned(value: i64) -> i64 {
        value
    }

    fn build(values: impl Iterator<Item = Option<i64>>, result: &DataType) -> Result<ArrayRef> {
        columns::from_i64(values, result)
    }
}

/// A float that is not NaN, ordered by value; -0.0 is below 0.0.
#[derive(Debug, Clone, Copy)]
struct Float(f64);

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Float {}

struct Floats;

impl Values for Floats {
    type Column = ScalarBuffer<f64>;
    type Borrowed<'a> = f64;
    type Owned = Float;

    fn column(argument: &ArrayRef) -> Result<ScalarBuffer<f64>> {
        columns::to_f64(argument)
    }

    #[inline]
    fn get(column: &ScalarBuffer<f64>, row_idx: usize) -> Option<f64> {
        column.get(row_idx).copied().filter(|value| !value.is_nan())
    }

    #[inline]
    fn compare(value: f64, other: &Float) -> Ordering {
        value.total_cmp(&other.0)
    }

    #[inline]
    fn to_owned(value: f64) -> Float {
        Float(value)
    }

    fn build(values: impl Iterator<Item = Option<Float>>, result: &DataType) -> Result<ArrayRef> {
        columns::from_f64(values.map(|value| value.map(|Float(value)| value)), result)
    }
}

struct Decimals;

impl Values for Decimals {
    type Column = ScalarBuffer<i128>;
    type Borrowed<'a> = i128;
    type Owned = i128;

    fn column(argument: &ArrayRef) -> Result<ScalarBuffer<i128>> {
        argument
            .as_primitive_opt::<Decimal128Type>()
            .map(|column| column.values().clone())
            .ok_or_else(|| EngineError::internal("a decimal aggregate got another type"))
    }

    #[inline]
    fn get(column: &ScalarBuffer<i128>, row_idx: usize) -> Option<i128> {
        column.get(row_idx).copied()
    }

    #[inline]
    fn compare(value: i128, other: &i128) -> Ordering {
        value.cmp(other)
    }

    #[inline]
    fn to_owned(value: i128) -> i128 {
        value
    }

    fn build(values: impl Iterator<Item = Option<i128>>, result: &DataType) -> Result<ArrayRef> {
        let values: Decimal128Array = values.collect();
        Ok(Arc::new(values.with_data_type(result.clone())))
    }
}

/// Strings and binaries.
struct Bytes;

impl Values for Bytes {
    type Column = BinaryArray;
    type Borrowed<'a> = &'a [u8];
    type Owned = Box<[u8]>;

    fn column(argument: &ArrayRef) -> Result<BinaryArray> {
        // Utf8 to Binary shares the buffers.
        Ok(cast(argument, &DataType::Binary)?
            .as_binary::<i32>()
            .clone())
    }

    #[inline]
    fn get(column: &BinaryArray, row_idx: usize) -> Option<&[u8]> {
        Some(column.value(row_idx))
    }

    #[inline]
    fn compare(value: &[u8], other: &Box<[u8]>) -> Ordering {
        value.cmp(other)
    }

    fn to_owned(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn heap_bytes(value: &Box<[u8]>) -> usize {
        value.len()
    }

    fn build(
        values: impl Iterator<Item = Option<Box<[u8]>>>,
        result: &DataType,
    ) -> Result<ArrayRef> {
        let values: Vec<Option<Box<[u8]>>> = values.collect();
        let values: BinaryArray = values.iter().map(Option::as_deref).collect();
        let is_text = matches!(
            result,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        let values: ArrayRef = if is_text {
            Arc::new(StringArray::try_from_binary(values)?)
        } else {
            Arc::new(values)
        };
        Ok(cast(&values, result)?)
    }
}

fn signed(n_bytes: usize) -> isize {
    isize::try_from(n_bytes).unwrap_or(isize::MAX)
}

fn required(argument: Option<&ArrayRef>) -> Result<&ArrayRef> {
    argument.ok_or_else(|| EngineError::internal("an aggregate without its argument"))
}
