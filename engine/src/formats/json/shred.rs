//! Lines to columns without a tree between: every value is written into the column that it is of
//! as it is met.
//!
//! ```text
//!   {"id": 7, "bid": {"price": 3, "url": "…"}}
//!        │            │      │         └─▶ nobody reads it: stepped over
//!        │            │      └─▶ Integers ┐
//!        └─▶ Integers └─▶ valid ──────────┴─▶ Row
//! ```
//!
//! Numbers, texts, timestamps and rows go this way; other types are kept as values and become a
//! column at the end (`values`). A column may be shorter than the rows so far: what is missing at
//! its end is NULL. That makes absent fields and NULL rows free.
//!
//! It gives up, for the decoder to look at the lines with more patience, if anything is wrong.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int8Array, Int16Array, Int32Array, Int64Array, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields, TimeUnit};

use super::JsonOptions;
use super::encode::write_json;
use super::scan::{Json, Names, ScanError, Scanner};
use super::values::{decode_column, integer, small_integer};
use crate::data::Parts;
use crate::formats::parse::{parse_timestamp, parse_timestamp_utc};

/// A value that does not fit its column; never shown.
const MISFIT: ScanError = "the value does not fit its column";

/// The columns of a row: of a table, or within one.
pub(super) struct Columns<'a> {
    names: Names,
    columns: Vec<Column<'a>>,
}

struct Column<'a> {
    field: FieldRef,
    /// Rows so far; those behind them are NULL.
    n_rows: usize,
    /// Which of them are not NULL; not used by trees and by what is not read.
    valid: Vec<bool>,
    cells: Cells<'a>,
}

enum Cells<'a> {
    /// Nobody looks at it.
    Unread,
    Texts {
        bytes: Vec<u8>,
        /// The end of each text, behind the start of the first.
        offsets: Vec<i32>,
    },
    Integers {
        values: Vec<i64>,
        min: i64,
        max: i64,
        /// Reads what is not simply a whole number.
        read: fn(&Json<'_>) -> Option<i64>,
    },
    Timestamps {
        values: Vec<i64>,
        unit: TimeUnit,
        is_zoned: bool,
    },
    Row(Columns<'a>),
    Trees(Vec<Json<'a>>),
}

/// Columns of which nobody looks at anything, of each type one, as long as any that was needed.
#[derive(Debug, Default)]
pub(super) struct Unread(Vec<ArrayRef>);

impl Unread {
    fn column(&mut self, data_type: &DataType, n_rows: usize) -> ArrayRef {
        let known = self.0.iter().position(|it| it.data_type() == data_type);
        let long_enough = known
            .and_then(|at| self.0.get(at))
            .filter(|it| it.len() >= n_rows);
        if let Some(array) = long_enough {
            return array.slice(0, n_rows);
        }
        let array = new_null_array(data_type, n_rows);
        match known.and_then(|at| self.0.get_mut(at)) {
            Some(shorter) => *shorter = Arc::clone(&array),
            None => self.0.push(Arc::clone(&array)),
        }
        array
    }
}

impl<'a> Columns<'a> {
    /// Empty columns with room for about so many rows.
    pub(super) fn new(
        fields: &Fields,
        parts: impl Fn(usize) -> Parts,
        options: &JsonOptions,
        n_rows: usize,
    ) -> Self {
        let columns = fields.iter().enumerate();
        Self {
            names: Names::new(fields.iter().map(|field| field.name().as_str())),
            columns: columns
                .map(|(at, field)| Column::new(field, &parts(at), options, n_rows))
                .collect(),
        }
    }

    /// Takes the object that is next as row `row_idx`.
    ///
    /// # Errors
    /// If it is broken, and, unless such values are NULL, if a value does not fit. The row may be
    /// there in part.
    pub(super) fn object(
        &mut self,
        scanner: &mut Scanner<'a>,
        row_idx: usize,
        options: &JsonOptions,
    ) -> Result<(), ScanError> {
        let Self { names, columns } = self;
        scanner.record(names, |scanner, found| {
            match found.and_then(|column_idx| columns.get_mut(column_idx)) {
                Some(column) => column.append(scanner, row_idx, options),
                None => scanner.skip(),
            }
        })?;
        if options.fail_on_missing_field && columns.iter().any(|column| column.n_rows <= row_idx) {
            return Err(MISFIT);
        }
        Ok(())
    }

    /// Takes out the rows from `n_rows` on.
    pub(super) fn truncate(&mut self, n_rows: usize) {
        for column in &mut self.columns {
            if column.n_rows > n_rows {
                column.truncate(n_rows);
            }
        }
    }

    /// The columns, of `n_rows` rows; none if a value turns out not to fit.
    pub(super) fn finish(
        self,
        n_rows: usize,
        options: &JsonOptions,
        unread: &mut Unread,
    ) -> Option<Vec<ArrayRef>> {
        let columns = self.columns.into_iter();
        columns
            .map(|column| column.finish(n_rows, options, unread))
            .collect()
    }
}

impl<'a> Column<'a> {
    fn new(field: &FieldRef, parts: &Parts, options: &JsonOptions, n_rows: usize) -> Self {
        let cells = Cells::new(field, parts, options, n_rows);
        let n_valid = match cells {
            Cells::Unread | Cells::Trees(_) => 0,
            _ => n_rows,
        };
        Self {
            field: Arc::clone(field),
            n_rows: 0,
            valid: Vec::with_capacity(n_valid),
            cells,
        }
    }

    fn append(
        &mut self,
        scanner: &mut Scanner<'a>,
        row_idx: usize,
        options: &JsonOptions,
    ) -> Result<(), ScanError> {
        if self.n_rows != row_idx {
            self.resize(row_idx);
        }
        let is_valid = match &mut self.cells {
            Cells::Unread => {
                scanner.skip()?;
                self.n_rows += 1;
                return Ok(());
            }
            Cells::Trees(trees) => {
                trees.push(scanner.value()?);
                self.n_rows += 1;
                return Ok(());
            }
            Cells::Texts { bytes, offsets } => {
                let is_valid = text(scanner, bytes)?;
                offsets.push(i32::try_from(bytes.len()).map_err(|_| MISFIT)?);
                Some(is_valid)
            }
            Cells::Integers {
                values,
                min,
                max,
                read,
            } => {
                let value = match scanner.peek().and_then(|_| scanner.small_integer()) {
                    Some(value) => Ok(Some(value).filter(|value| (*min..=*max).contains(value))),
                    None => other(scanner, *read)?,
                };
                values.push(value.ok().flatten().unwrap_or_default());
                fits(value)
            }
            Cells::Timestamps {
                values,
                unit,
                is_zoned,
            } => {
                let read = |text: &str| match is_zoned {
                    true => parse_timestamp_utc(text.as_bytes(), options.timestamps, *unit),
                    false => parse_timestamp(text.as_bytes(), options.timestamps, *unit),
                };
                let value = match scanner.peek() {
                    Some(b'"') => Ok(read(&scanner.string()?)),
                    _ => other(scanner, |_| None)?,
                };
                values.push(value.ok().flatten().unwrap_or_default());
                fits(value)
            }
            Cells::Row(columns) => match scanner.peek() {
                Some(b'{') => {
                    columns.object(scanner, row_idx, options)?;
                    Some(true)
                }
                _ => fits(other(scanner, |_| None)?),
            },
        };
        if is_valid.is_none() && !options.ignore_parse_errors {
            return Err(MISFIT);
        }
        self.valid.push(is_valid == Some(true));
        self.n_rows += 1;
        Ok(())
    }

    /// Makes it `n_rows` long: with NULLs, or by taking rows out.
    fn resize(&mut self, n_rows: usize) {
        if n_rows < self.n_rows {
            return self.truncate(n_rows);
        }
        self.n_rows = n_rows;
        match &mut self.cells {
            Cells::Unread => return,
            Cells::Trees(trees) => return trees.resize(n_rows, Json::Null),
            Cells::Texts { bytes, offsets } => {
                // It was checked when the last text came.
                let end = i32::try_from(bytes.len()).unwrap_or_default();
                offsets.resize(n_rows + 1, end);
            }
            Cells::Integers { values, .. } | Cells::Timestamps { values, .. } => {
                values.resize(n_rows, 0);
            }
            Cells::Row(_) => {}
        }
        self.valid.resize(n_rows, false);
    }

    fn truncate(&mut self, n_rows: usize) {
        self.n_rows = n_rows;
        self.valid.truncate(n_rows);
        match &mut self.cells {
            Cells::Unread => {}
            Cells::Trees(trees) => trees.truncate(n_rows),
            Cells::Texts { bytes, offsets } => {
                offsets.truncate(n_rows + 1);
                let end = offsets.last().and_then(|&end| usize::try_from(end).ok());
                bytes.truncate(end.unwrap_or_default());
            }
            Cells::Integers { values, .. } | Cells::Timestamps { values, .. } => {
                values.truncate(n_rows);
            }
            Cells::Row(columns) => columns.truncate(n_rows),
        }
    }

    fn finish(
        mut self,
        n_rows: usize,
        options: &JsonOptions,
        unread: &mut Unread,
    ) -> Option<ArrayRef> {
        self.resize(n_rows);
        let has_nulls = self.valid.contains(&false);
        let valid = self.valid;
        let nulls = has_nulls.then(|| NullBuffer::new(BooleanBuffer::from(valid)));
        let data_type = self.field.data_type();
        Some(match self.cells {
            Cells::Unread => unread.column(data_type, n_rows),
            Cells::Trees(trees) => {
                let trees: Vec<&Json<'_>> = trees.iter().collect();
                decode_column(&self.field, &trees, options).ok()?
            }
            Cells::Texts { bytes, offsets } => {
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(StringArray::try_new(offsets, bytes.into(), nulls).ok()?)
            }
            Cells::Integers { values, .. } => integers(data_type, values, nulls),
            Cells::Timestamps { values, unit, .. } => timestamps(data_type, unit, values, nulls),
            Cells::Row(columns) => {
                let DataType::Struct(fields) = data_type else {
                    return None;
                };
                let arrays = columns.finish(n_rows, options, unread)?;
                let array = StructArray::try_new_with_length(fields.clone(), arrays, nulls, n_rows);
                Arc::new(array.ok()?)
            }
        })
    }
}

impl Cells<'_> {
    fn new(field: &FieldRef, parts: &Parts, options: &JsonOptions, n_rows: usize) -> Self {
        // What nobody reads must still fit, unless any value does.
        let fits_anyway =
            options.ignore_parse_errors || matches!(field.data_type(), DataType::Utf8);
        if parts.is_none() && fits_anyway && field.is_nullable() {
            return Self::Unread;
        }
        let integers = |min, max, read| Self::Integers {
            values: Vec::with_capacity(n_rows),
            min,
            max,
            read,
        };
        match field.data_type() {
            DataType::Utf8 => {
                let mut offsets = Vec::with_capacity(n_rows + 1);
                offsets.push(0);
                Self::Texts {
                    bytes: Vec::with_capacity(n_rows * 16),
                    offsets,
                }
            }
            DataType::Int8 => integers(i8::MIN.into(), i8::MAX.into(), |value| {
                small_integer::<i8>(value).map(i64::from)
            }),
            DataType::Int16 => integers(i16::MIN.into(), i16::MAX.into(), |value| {
                small_integer::<i16>(value).map(i64::from)
            }),
            DataType::Int32 => integers(i32::MIN.into(), i32::MAX.into(), |value| {
                integer::<i32>(value).map(i64::from)
            }),
            DataType::Int64 => integers(i64::MIN, i64::MAX, integer::<i64>),
            DataType::Timestamp(unit, zone) if *unit != TimeUnit::Second => Self::Timestamps {
                values: Vec::with_capacity(n_rows),
                unit: *unit,
                is_zoned: zone.is_some(),
            },
            DataType::Struct(fields) => {
                let part = |at: usize| match fields.get(at) {
                    Some(field) => parts.of_field(field.name()),
                    None => Parts::All,
                };
                Self::Row(Columns::new(fields, part, options, n_rows))
            }
            _ => Self::Trees(Vec::with_capacity(n_rows)),
        }
    }
}

/// A value that was read: it may not fit, it may be NULL.
type Value = Result<Option<i64>, Null>;

/// The value is NULL.
#[derive(Debug, Clone, Copy)]
struct Null;

/// Whether a value is valid; none if it does not fit.
fn fits(value: Value) -> Option<bool> {
    match value {
        Ok(value) => value.map(|_| true),
        Err(Null) => Some(false),
    }
}

/// Takes a value in the long way.
fn other(
    scanner: &mut Scanner<'_>,
    read: impl Fn(&Json<'_>) -> Option<i64>,
) -> Result<Value, ScanError> {
    Ok(match scanner.value()? {
        Json::Null => Err(Null),
        value => Ok(read(&value)),
    })
}

/// Appends any value as text. Whether it is there.
fn text(scanner: &mut Scanner<'_>, bytes: &mut Vec<u8>) -> Result<bool, ScanError> {
    if scanner.peek() == Some(b'"') {
        bytes.extend_from_slice(scanner.string()?.as_bytes());
        return Ok(true);
    }
    match scanner.value()? {
        Json::Null => return Ok(false),
        Json::Text(text) => bytes.extend_from_slice(text.as_bytes()),
        Json::Number(number) => bytes.extend_from_slice(number.as_bytes()),
        value => {
            let mut json = String::new();
            write_json(&value, &mut json);
            bytes.extend_from_slice(json.as_bytes());
        }
    }
    Ok(true)
}

/// A column of whole numbers, each of which was seen to fit.
fn integers(data_type: &DataType, values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    let values = values.into_iter();
    match data_type {
        DataType::Int8 => Arc::new(Int8Array::new(values.map(|it| it as i8).collect(), nulls)),
        DataType::Int16 => Arc::new(Int16Array::new(values.map(|it| it as i16).collect(), nulls)),
        DataType::Int32 => Arc::new(Int32Array::new(values.map(|it| it as i32).collect(), nulls)),
        _ => Arc::new(Int64Array::new(values.collect(), nulls)),
    }
}

fn timestamps(
    data_type: &DataType,
    unit: TimeUnit,
    values: Vec<i64>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let values = values.into();
    let data_type = data_type.clone();
    match unit {
        TimeUnit::Microsecond => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_data_type(data_type))
        }
        TimeUnit::Nanosecond => {
            Arc::new(TimestampNanosecondArray::new(values, nulls).with_data_type(data_type))
        }
        _ => Arc::new(TimestampMillisecondArray::new(values, nulls).with_data_type(data_type)),
    }
}
