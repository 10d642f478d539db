//! The families of types as aggregates keep single values of them: integers and times, floats,
//! decimals, bytes, and anything else as the bytes of an arrow row.
//!
//! ```text
//!   column ──read──▶ borrowed value ──own──▶ owned value (in a state) ──build──▶ column
//! ```
//!
//! Owned values have a total order, which is the order of values where SQL has one: floats by
//! `total_cmp`, texts by bytes.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, ListArray, StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, Fields};
use arrow::row::{RowConverter, Rows as ArrowRows, SortField};

use super::{Accumulator, only, saved_column};
use crate::error::{EngineError, Result};
use crate::state::columns;

/// A family of types: how their values are read, kept, compared and written.
pub(super) trait Values: Send + Sync + 'static {
    type Column;
    type Borrowed<'a>: Copy;
    type Owned: Ord + Clone + Send + Sync + Debug;

    fn column(&self, column: &ArrayRef) -> Result<Self::Column>;

    /// The value at a row; arbitrary where it is NULL, none if there is no such row.
    fn get<'a>(&self, column: &'a Self::Column, row_idx: usize) -> Option<Self::Borrowed<'a>>;

    fn compare(value: Self::Borrowed<'_>, other: &Self::Owned) -> Ordering;

    fn own(value: Self::Borrowed<'_>) -> Self::Owned;

    /// Whether MIN and MAX pass over the value: NaN.
    fn has_no_order(_value: Self::Borrowed<'_>) -> bool {
        false
    }

    /// Bytes that the value has elsewhere on the heap.
    fn heap_bytes(_value: &Self::Owned) -> usize {
        0
    }

    fn build(&self, values: impl Iterator<Item = Option<Self::Owned>>) -> Result<ArrayRef>;
}

/// Makes an accumulator for a family.
pub(super) trait ForValues {
    fn make<V: Values>(self, values: V) -> Box<dyn Accumulator>;
}

/// Makes an accumulator that keeps values of `data_type`.
///
/// # Errors
/// `Unsupported` for types that have no arrow rows.
pub(super) fn for_type(
    data_type: &DataType,
    maker: impl ForValues,
) -> Result<Box<dyn Accumulator>> {
    let data_type = data_type.clone();
    Ok(match data_type {
        DataType::Float32 | DataType::Float64 => maker.make(Floats { data_type }),
        DataType::Decimal128(_, _) => maker.make(Decimals { data_type }),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => maker.make(Bytes { data_type }),
        other if columns::integer_width(&other).is_some() => {
            maker.make(Integers { data_type: other })
        }
        other => maker.make(Rows::try_new(&other)?),
    })
}

/// A column whose values may be NULL.
pub(super) struct Nullable<V: Values> {
    column: V::Column,
    nulls: Option<NullBuffer>,
}

impl<V: Values> Nullable<V> {
    pub(super) fn try_new(values: &V, column: &ArrayRef) -> Result<Self> {
        Ok(Self {
            column: values.column(column)?,
            nulls: column.logical_nulls(),
        })
    }

    /// The value at a row; none is NULL.
    pub(super) fn get(&self, values: &V, row_idx: usize) -> Option<V::Borrowed<'_>> {
        if self
            .nulls
            .as_ref()
            .is_some_and(|nulls| nulls.is_null(row_idx))
        {
            return None;
        }
        values.get(&self.column, row_idx)
    }
}

/// Lists of values, one a state, as a column, and as it is read back.
pub(super) struct SavedLists<C> {
    offsets: OffsetBuffer<i32>,
    pub(super) items: C,
}

impl<C> SavedLists<C> {
    /// The places of the items of list `row_idx`.
    pub(super) fn places(&self, row_idx: usize) -> std::ops::Range<usize> {
        let place = |idx: usize| {
            self.offsets
                .get(idx)
                .map_or(0, |&offset| usize::try_from(offset).unwrap_or_default())
        };
        place(row_idx)..place(row_idx + 1)
    }
}

/// A column of lists, whose items are rows of `items`.
pub(super) fn lists(
    lengths: impl IntoIterator<Item = usize>,
    items: Vec<(&str, ArrayRef)>,
) -> Result<ArrayRef> {
    let fields: Fields = items
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = items.into_iter().map(|(_, column)| column).collect();
    let items = StructArray::try_new(fields, columns, None)?;
    let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        item,
        offsets,
        Arc::new(items),
        None,
    )?))
}

/// What [`lists`] made, to be read; `read` gets the columns of the items.
pub(super) fn saved_lists<C>(
    columns: &[ArrayRef],
    column_idx: usize,
    read: impl FnOnce(&[ArrayRef]) -> Result<C>,
) -> Result<SavedLists<C>> {
    let lists: ListArray = saved_column(columns, column_idx)?;
    let items = lists
        .values()
        .as_struct_opt()
        .ok_or_else(|| EngineError::internal("a saved list has no items"))?;
    Ok(SavedLists {
        offsets: lists.offsets().clone(),
        items: read(items.columns())?,
    })
}

/// Values that may be NULL, as they are saved one a state.
pub(super) fn saved_values<V: Values>(values: &V, columns: &[ArrayRef]) -> Result<Nullable<V>> {
    Nullable::try_new(values, only(columns)?)
}

/// Integers, times and booleans.
pub(super) struct Integers {
    data_type: DataType,
}

impl Values for Integers {
    type Column = ScalarBuffer<i64>;
    type Borrowed<'a> = i64;
    type Owned = i64;

    fn column(&self, column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
        columns::to_i64(column)
    }

    #[inline]
    fn get(&self, column: &ScalarBuffer<i64>, row_idx: usize) -> Option<i64> {
        column.get(row_idx).copied()
    }

    #[inline]
    fn compare(value: i64, other: &i64) -> Ordering {
        value.cmp(other)
    }

    #[inline]
    fn own(value: i64) -> i64 {
        value
    }

    fn build(&self, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
        columns::from_i64(values, &self.data_type)
    }
}

/// A float, ordered by value; -0.0 is below 0.0, NaN above all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Float(pub(super) f64);

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

pub(super) struct Floats {
    data_type: DataType,
}

impl Values for Floats {
    type Column = ScalarBuffer<f64>;
    type Borrowed<'a> = f64;
    type Owned = Float;

    fn column(&self, column: &ArrayRef) -> Result<ScalarBuffer<f64>> {
        columns::to_f64(column)
    }

    #[inline]
    fn get(&self, column: &ScalarBuffer<f64>, row_idx: usize) -> Option<f64> {
        column.get(row_idx).copied()
    }

    #[inline]
    fn compare(value: f64, other: &Float) -> Ordering {
        value.total_cmp(&other.0)
    }

    #[inline]
    fn own(value: f64) -> Float {
        Float(value)
    }

    #[inline]
    fn has_no_order(value: f64) -> bool {
        value.is_nan()
    }

    fn build(&self, values: impl Iterator<Item = Option<Float>>) -> Result<ArrayRef> {
        let values = values.map(|value| value.map(|Float(value)| value));
        columns::from_f64(values, &self.data_type)
    }
}

pub(super) struct Decimals {
    data_type: DataType,
}

impl Values for Decimals {
    type Column = ScalarBuffer<i128>;
    type Borrowed<'a> = i128;
    type Owned = i128;

    fn column(&self, column: &ArrayRef) -> Result<ScalarBuffer<i128>> {
        column
            .as_primitive_opt::<Decimal128Type>()
            .map(|column| column.values().clone())
            .ok_or_else(|| EngineError::internal("a decimal aggregate got another type"))
    }

    #[inline]
    fn get(&self, column: &ScalarBuffer<i128>, row_idx: usize) -> Option<i128> {
        column.get(row_idx).copied()
    }

    #[inline]
    fn compare(value: i128, other: &i128) -> Ordering {
        value.cmp(other)
    }

    #[inline]
    fn own(value: i128) -> i128 {
        value
    }

    fn build(&self, values: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
        let values: Decimal128Array = values.collect();
        Ok(Arc::new(values.with_data_type(self.data_type.clone())))
    }
}

/// Strings and binaries.
pub(super) struct Bytes {
    data_type: DataType,
}

impl Values for Bytes {
    type Column = BinaryArray;
    type Borrowed<'a> = &'a [u8];
    type Owned = Box<[u8]>;

    fn column(&self, column: &ArrayRef) -> Result<BinaryArray> {
        // Utf8 to Binary shares the buffers.
        Ok(cast(column, &DataType::Binary)?.as_binary::<i32>().clone())
    }

    #[inline]
    fn get<'a>(&self, column: &'a BinaryArray, row_idx: usize) -> Option<&'a [u8]> {
        (row_idx < column.len()).then(|| column.value(row_idx))
    }

    #[inline]
    fn compare(value: &[u8], other: &Box<[u8]>) -> Ordering {
        value.cmp(other)
    }

    fn own(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn heap_bytes(value: &Box<[u8]>) -> usize {
        value.len()
    }

    fn build(&self, values: impl Iterator<Item = Option<Box<[u8]>>>) -> Result<ArrayRef> {
        let values: Vec<Option<Box<[u8]>>> = values.collect();
        let values: BinaryArray = values.iter().map(Option::as_deref).collect();
        let is_text = matches!(
            self.data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        let values: ArrayRef = if is_text {
            Arc::new(StringArray::try_from_binary(values)?)
        } else {
            Arc::new(values)
        };
        Ok(cast(&values, &self.data_type)?)
    }
}

/// Anything else, nested types above all.
pub(super) struct Rows {
    converter: RowConverter,
}

impl Rows {
    fn try_new(data_type: &DataType) -> Result<Self> {
        let fields = vec![SortField::new(data_type.clone())];
        if !RowConverter::supports_fields(&fields) {
            return Err(EngineError::unsupported(format!(
                "an aggregate of values of type {data_type}"
            )));
        }
        Ok(Self {
            converter: RowConverter::new(fields)?,
        })
    }
}

impl Values for Rows {
    type Column = ArrowRows;
    type Borrowed<'a> = &'a [u8];
    type Owned = Box<[u8]>;

    fn column(&self, column: &ArrayRef) -> Result<ArrowRows> {
        Ok(self.converter.convert_columns(&[Arc::clone(column)])?)
    }

    fn get<'a>(&self, column: &'a ArrowRows, row_idx: usize) -> Option<&'a [u8]> {
        (row_idx < column.num_rows()).then(|| column.row(row_idx).data())
    }

    fn compare(value: &[u8], other: &Box<[u8]>) -> Ordering {
        value.cmp(other)
    }

    fn own(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn heap_bytes(value: &Box<[u8]>) -> usize {
        value.len()
    }

    fn build(&self, values: impl Iterator<Item = Option<Box<[u8]>>>) -> Result<ArrayRef> {
        let values: Vec<Option<Box<[u8]>>> = values.collect();
        // The first byte of a row of one column says that it is NULL.
        let parser = self.converter.parser();
        let null = self.null_row()?;
        let rows = values
            .iter()
            .map(|value| parser.parse(value.as_deref().unwrap_or_else(|| null.row(0).data())));
        let columns = self.converter.convert_rows(rows)?;
        only(&columns).cloned()
    }
}

impl Rows {
    fn null_row(&self) -> Result<ArrowRows> {
        let mut types = self.converter.convert_rows(std::iter::empty())?;
        let empty = types
            .pop()
            .ok_or_else(|| EngineError::internal("a row without columns"))?;
        let null = arrow::array::new_null_array(empty.data_type(), 1);
        Ok(self.converter.convert_columns(&[null])?)
    }
}
