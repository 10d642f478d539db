//! The values that conditions and running aggregates read, by slot of their row: one look-up
//! instead of a way through blocks and Arrow columns.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type};

use crate::error::{EngineError, Result};
use crate::state::columns;

/// One value. Booleans are the whole numbers 0 and 1, times are numbers too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Float(f64),
    /// Without its scale.
    Decimal(i128),
    Text(&'a str),
}

/// What kind of [`Value`] a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Float,
    Decimal,
    Text,
}

impl Class {
    /// The class of a type; none where its values are read from Arrow's columns only.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Float32 | DataType::Float64 => Some(Self::Float),
            DataType::Decimal128(..) => Some(Self::Decimal),
            DataType::Utf8 => Some(Self::Text),
            other => columns::integer_width(other).map(|_| Self::Integer),
        }
    }
}

/// The values of some columns.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// By column of the input.
    columns: Vec<Option<Cell>>,
}

/// The values of a column, by slot.
#[derive(Debug)]
struct Cell {
    is_valid: Vec<bool>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// Only whether there is one.
    Unread,
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Decimals(Vec<i128>),
    Texts(Vec<Box<str>>),
}

impl Cells {
    /// Has the values of a column kept. `reads` says whether more than their being there counts.
    pub(super) fn want(&mut self, column: usize, data_type: &DataType, reads: bool) {
        if self.columns.len() <= column {
            self.columns.resize_with(column + 1, || None);
        }
        let Some(cell) = self.columns.get_mut(column) else {
            return;
        };
        let is_unread = |cell: &Cell| matches!(cell.values, Values::Unread);
        if cell.as_ref().is_some_and(|cell| !reads || !is_unread(cell)) {
            return;
        }
        let class = Class::of(data_type).filter(|_| reads);
        *cell = Some(Cell {
            is_valid: Vec::new(),
            values: match class {
                None => Values::Unread,
                Some(Class::Integer) => Values::Integers(Vec::new()),
                Some(Class::Float) => Values::Floats(Vec::new()),
                Some(Class::Decimal) => Values::Decimals(Vec::new()),
                Some(Class::Text) => Values::Texts(Vec::new()),
            },
        });
    }

    /// Keeps the values of rows of `batch`, which are given as (row, slot).
    pub(super) fn keep(&mut self, batch_columns: &[ArrayRef], rows: &[(u32, u32)]) -> Result<()> {
        let Some(end) = rows.iter().map(|(_, slot)| *slot as usize + 1).max() else {
            return Ok(());
        };
        for (cell, column) in self.columns.iter_mut().zip(batch_columns) {
            if let Some(cell) = cell {
                cell.keep(column, rows, end)?;
            }
        }
        Ok(())
    }

    /// The value of a column in the row of a slot.
    #[inline]
    pub(super) fn value(&self, column: usize, slot: u32) -> Value<'_> {
        let slot = slot as usize;
        let Some(Some(cell)) = self.columns.get(column) else {
            return Value::Null;
        };
        if !cell.is_valid.get(slot).copied().unwrap_or_default() {
            return Value::Null;
        }
        let found = match &cell.values {
            Values::Unread => None,
            Values::Integers(values) => values.get(slot).map(|value| Value::Integer(*value)),
            Values::Floats(values) => values.get(slot).map(|value| Value::Float(*value)),
            Values::Decimals(values) => values.get(slot).map(|value| Value::Decimal(*value)),
            Values::Texts(values) => values.get(slot).map(|value| Value::Text(value)),
        };
        found.unwrap_or(Value::Null)
    }

    /// Whether a column has a value in the row of a slot.
    #[inline]
    pub(super) fn is_valid(&self, column: usize, slot: u32) -> bool {
        let Some(Some(cell)) = self.columns.get(column) else {
            return false;
        };
        let is_valid = cell.is_valid.get(slot as usize);
        is_valid.copied().unwrap_or_default()
    }

    pub(super) fn state_bytes(&self) -> usize {
        let cells = self.columns.iter().flatten();
        cells
            .map(|cell| {
                cell.is_valid.capacity()
                    + match &cell.values {
                        Values::Unread => 0,
                        Values::Integers(values) => values.capacity() * size_of::<i64>(),
                        Values::Floats(values) => values.capacity() * size_of::<f64>(),
                        Values::Decimals(values) => values.capacity() * size_of::<i128>(),
                        Values::Texts(values) => {
                            values.iter().map(|text| text.len()).sum::<usize>()
                                + values.capacity() * size_of::<Box<str>>()
                        }
                    }
            })
            .sum()
    }
}

impl Cell {
    fn keep(&mut self, column: &ArrayRef, rows: &[(u32, u32)], end: usize) -> Result<()> {
        if self.is_valid.len() < end {
            self.is_valid.resize(end, false);
        }
        for &(row, slot) in rows {
            if let Some(is_valid) = self.is_valid.get_mut(slot as usize) {
                *is_valid = column.is_valid(row as usize);
            }
        }
        match &mut self.values {
            Values::Unread => {}
            Values::Integers(values) => {
                let column = columns::to_i64(column)?;
                scatter(values, rows, end, |row| column.get(row).copied());
            }
            Values::Floats(values) => {
                let column = columns::to_f64(column)?;
                scatter(values, rows, end, |row| column.get(row).copied());
            }
            Values::Decimals(values) => {
                let column = column
                    .as_primitive_opt::<Decimal128Type>()
                    .ok_or_else(|| EngineError::internal("a pattern's decimals are none"))?;
                scatter(values, rows, end, |row| column.values().get(row).copied());
            }
            Values::Texts(values) => {
                let column = column
                    .as_string_opt::<i32>()
                    .ok_or_else(|| EngineError::internal("a pattern's texts are none"))?;
                scatter(values, rows, end, |row| {
                    column.is_valid(row).then(|| column.value(row).into())
                });
            }
        }
        Ok(())
    }
}

fn scatter<T: Default + Clone>(
    values: &mut Vec<T>,
    rows: &[(u32, u32)],
    end: usize,
    value: impl Fn(usize) -> Option<T>,
) {
    if values.len() < end {
        values.resize(end, T::default());
    }
    for &(row, slot) in rows {
        if let Some(place) = values.get_mut(slot as usize) {
            *place = value(row as usize).unwrap_or_default();
        }
    }
}
