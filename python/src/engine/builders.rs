//! Python values as Arrow columns: results of functions and the rows of `from_elements`.
//!
//! Values are checked, never guessed: text is no number and a number is no text; what does not fit
//! is a [`Mismatch`] that names the declared type and the value. An `int` fits into DOUBLE, and what
//! `int` takes into whole numbers (numpy's scalars, a `float`, of which the fraction is cut off);
//! `from_elements` looks more closely before.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Array, Decimal128Array,
    DurationMillisecondArray, IntervalYearMonthArray, ListArray, NullArray, PrimitiveBuilder,
    StringBuilder, StructArray, Time32MillisecondArray, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Field, FieldRef, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalUnit, TimeUnit,
};
use pyo3::prelude::*;
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::{FlinkType, TypeRoot};

use super::python_values::{self as python, Rounding};

/// A value that does not fit its type.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// Flink's text of the type.
    pub(super) expected: String,
    /// What came, with its Python type.
    pub(super) found: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} does not fit the type {}", self.found, self.expected)
    }
}

/// Builds one column, value by value.
pub(super) struct ColumnBuilder {
    field: FieldRef,
    values: Values,
}

/// The values of a column so far. Times and decimals are kept as numbers beside each other.
enum Values {
    Null(usize),
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Utf8(StringBuilder),
    Binary(BinaryBuilder),
    Decimal {
        values: Vec<Option<i128>>,
        precision: u8,
        scale: i8,
        rounding: Rounding,
    },
    Date(Vec<Option<i32>>),
    Time(Vec<Option<i32>>),
    Timestamp {
        values: PrimitiveBuilder<Int64Type>,
        unit: TimeUnit,
        /// The zone that times without one are in; `None` for TIMESTAMP.
        zone: Option<Py<PyAny>>,
    },
    Months(Vec<Option<i32>>),
    Duration(Vec<Option<i64>>),
    List {
        items: Box<ColumnBuilder>,
        lengths: Vec<usize>,
        valid: Vec<bool>,
    },
    Map {
        keys: Box<ColumnBuilder>,
        values: Box<ColumnBuilder>,
        lengths: Vec<usize>,
        valid: Vec<bool>,
        is_multiset: bool,
    },
    Row {
        columns: Vec<ColumnBuilder>,
        valid: Vec<bool>,
    },
}

impl ColumnBuilder {
    /// Builds a column of the type of `field` with room for `n_rows`; `rounding` is for decimals
    /// with too many digits behind the point.
    ///
    /// # Errors
    /// If no Python values stand for the type.
    pub(super) fn try_new(
        py: Python<'_>,
        field: &FieldRef,
        n_rows: usize,
        time_zone: &str,
        rounding: Rounding,
    ) -> PyResult<Self> {
        let child = |field: &FieldRef, n_rows: usize| {
            Self::try_new(py, field, n_rows, time_zone, rounding).map(Box::new)
        };
        let values = match field.data_type() {
            DataType::Null => Values::Null(0),
            DataType::Boolean => Values::Boolean(BooleanBuilder::with_capacity(n_rows)),
            DataType::Int8 => Values::Int8(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Int16 => Values::Int16(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Int32 => Values::Int32(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Int64 => Values::Int64(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Float32 => Values::Float32(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Float64 => Values::Float64(PrimitiveBuilder::with_capacity(n_rows)),
            DataType::Utf8 => Values::Utf8(StringBuilder::with_capacity(n_rows, n_rows * 16)),
            DataType::Binary => Values::Binary(BinaryBuilder::with_capacity(n_rows, n_rows * 16)),
            DataType::Decimal128(precision, scale) => Values::Decimal {
                values: Vec::with_capacity(n_rows),
                precision: *precision,
                scale: *scale,
                rounding,
            },
            DataType::Date32 => Values::Date(Vec::with_capacity(n_rows)),
            DataType::Time32(TimeUnit::Millisecond) => Values::Time(Vec::with_capacity(n_rows)),
            DataType::Timestamp(unit, zone) => Values::Timestamp {
                values: PrimitiveBuilder::with_capacity(n_rows),
                unit: *unit,
                zone: match zone {
                    Some(_) => Some(super::values::zone_info(py, time_zone)?.into_any()),
                    None => None,
                },
            },
            DataType::Interval(IntervalUnit::YearMonth) => {
                Values::Months(Vec::with_capacity(n_rows))
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Values::Duration(Vec::with_capacity(n_rows))
            }
            DataType::List(item) => Values::List {
                items: child(item, n_rows)?,
                lengths: Vec::with_capacity(n_rows),
                valid: Vec::with_capacity(n_rows),
            },
            DataType::Map(entries, _) => {
                let (key, value) = entry_fields(entries)?;
                Values::Map {
                    keys: child(&key, n_rows)?,
                    values: child(&value, n_rows)?,
                    lengths: Vec::with_capacity(n_rows),
                    valid: Vec::with_capacity(n_rows),
                    is_multiset: matches!(FlinkType::from_field(field).root, TypeRoot::Multiset(_)),
                }
            }
            DataType::Struct(fields) => Values::Row {
                columns: fields
                    .iter()
                    .map(|field| Self::try_new(py, field, n_rows, time_zone, rounding))
                    .collect::<PyResult<_>>()?,
                valid: Vec::with_capacity(n_rows),
            },
            other => {
                let feature = format!("making the Arrow type {other} of Python values");
                return Err(super::errors::unsupported(&feature));
            }
        };
        Ok(Self {
            field: Arc::clone(field),
            values,
        })
    }

    /// Appends a value; Python's None is NULL.
    ///
    /// # Errors
    /// If the value does not fit the type.
    pub(super) fn append(&mut self, value: &Bound<'_, PyAny>) -> Result<(), Mismatch> {
        if value.is_none() {
            if !self.field.is_nullable() {
                return Err(self.mismatch(value));
            }
            self.append_null();
            return Ok(());
        }
        match self.try_append(value) {
            Ok(()) => Ok(()),
            Err(Refusal::Here) => Err(self.mismatch(value)),
            Err(Refusal::Inside(mismatch)) => Err(mismatch),
        }
    }

    fn try_append(&mut self, value: &Bound<'_, PyAny>) -> Result<(), Refusal> {
        match &mut self.values {
            Values::Null(_) => return Err(Refusal::Here),
            Values::Boolean(builder) => builder.append_value(python::boolean(value)?),
            Values::Int8(builder) => builder.append_value(python::integer(value)?),
            Values::Int16(builder) => builder.append_value(python::integer(value)?),
            Values::Int32(builder) => builder.append_value(python::integer(value)?),
            Values::Int64(builder) => builder.append_value(python::integer(value)?),
            Values::Float32(builder) => {
                #[allow(clippy::cast_possible_truncation, reason = "FLOAT rounds")]
                builder.append_value(python::float(value)? as f32);
            }
            Values::Float64(builder) => builder.append_value(python::float(value)?),
            Values::Utf8(builder) => python::with_text(value, |text| builder.append_value(text))?,
            Values::Binary(builder) => builder.append_value(python::bytes(value)?),
            Values::Decimal {
                values,
                precision,
                scale,
                rounding,
            } => {
                let number = python::decimal(value, *precision, *scale, *rounding)?;
                values.push(Some(number));
            }
            Values::Date(values) => values.push(Some(python::date(value)?)),
            Values::Time(values) => values.push(Some(python::time(value)?)),
            Values::Timestamp { values, unit, zone } => {
                values.append_value(python::timestamp(value, *unit, zone.as_ref())?);
            }
            Values::Months(values) => values.push(Some(python::integer(value)?)),
            Values::Duration(values) => values.push(Some(python::duration(value)?)),
            Values::List {
                items,
                lengths,
                valid,
            } => {
                let mut length = 0;
                for item in python::items(value)? {
                    items.append(&item.map_err(|_| Refusal::Here)?)?;
                    length += 1;
                }
                lengths.push(length);
                valid.push(true);
            }
            Values::Map {
                keys,
                values,
                lengths,
                valid,
                is_multiset,
            } => {
                let entries = python::entries(value, *is_multiset)?;
                lengths.push(entries.len());
                valid.push(true);
                for (key, entry) in entries {
                    keys.append(&key)?;
                    values.append(&entry)?;
                }
            }
            Values::Row { columns, valid } => {
                let fields: Vec<&str> = columns
                    .iter()
                    .map(|column| column.field.name().as_str())
                    .collect();
                let parts = python::row_values(value, &fields)?;
                for (column, part) in columns.iter_mut().zip(&parts) {
                    column.append(part)?;
                }
                valid.push(true);
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match &mut self.values {
            Values::Null(n_rows) => *n_rows += 1,
            Values::Boolean(builder) => builder.append_null(),
            Values::Int8(builder) => builder.append_null(),
            Values::Int16(builder) => builder.append_null(),
            Values::Int32(builder) => builder.append_null(),
            Values::Int64(builder) => builder.append_null(),
            Values::Float32(builder) => builder.append_null(),
            Values::Float64(builder) => builder.append_null(),
            Values::Utf8(builder) => builder.append_null(),
            Values::Binary(builder) => builder.append_null(),
            Values::Decimal { values, .. } => values.push(None),
            Values::Date(values) | Values::Time(values) | Values::Months(values) => {
                values.push(None);
            }
            Values::Timestamp { values, .. } => values.append_null(),
            Values::Duration(values) => values.push(None),
            Values::List { lengths, valid, .. } | Values::Map { lengths, valid, .. } => {
                lengths.push(0);
                valid.push(false);
            }
            Values::Row { columns, valid } => {
                columns.iter_mut().for_each(Self::append_null);
                valid.push(false);
            }
        }
    }

    /// The column.
    ///
    /// # Errors
    /// If Arrow refuses the parts, which is a bug of ours.
    pub(super) fn finish(self) -> tidemill_engine::Result<ArrayRef> {
        Ok(match self.values {
            Values::Null(n_rows) => Arc::new(NullArray::new(n_rows)),
            Values::Boolean(mut builder) => Arc::new(builder.finish()),
            Values::Int8(mut builder) => Arc::new(builder.finish()),
            Values::Int16(mut builder) => Arc::new(builder.finish()),
            Values::Int32(mut builder) => Arc::new(builder.finish()),
            Values::Int64(mut builder) => Arc::new(builder.finish()),
            Values::Float32(mut builder) => Arc::new(builder.finish()),
            Values::Float64(mut builder) => Arc::new(builder.finish()),
            Values::Utf8(mut builder) => Arc::new(builder.finish()),
            Values::Binary(mut builder) => Arc::new(builder.finish()),
            Values::Decimal {
                values,
                precision,
                scale,
                ..
            } => {
                let array = Decimal128Array::from(values);
                Arc::new(array.with_precision_and_scale(precision, scale)?)
            }
            Values::Date(values) => Arc::new(Date32Array::from(values)),
            Values::Time(values) => Arc::new(Time32MillisecondArray::from(values)),
            Values::Timestamp { mut values, .. } => {
                // The numbers are right already; only their name changes.
                let data = values.finish().into_data().into_builder();
                make_array(data.data_type(self.field.data_type().clone()).build()?)
            }
            Values::Months(values) => Arc::new(IntervalYearMonthArray::from(values)),
            Values::Duration(values) => Arc::new(DurationMillisecondArray::from(values)),
            Values::List {
                items,
                lengths,
                valid,
            } => {
                let field = Arc::clone(&items.field);
                let offsets = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(NullBuffer::from(valid));
                Arc::new(ListArray::try_new(field, offsets, items.finish()?, nulls)?)
            }
            Values::Map {
                keys,
                values,
                lengths,
                valid,
                ..
            } => {
                let DataType::Map(entries, ordered) = self.field.data_type() else {
                    return Err(tidemill_engine::EngineError::internal(
                        "a map without entries",
                    ));
                };
                let offsets = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(NullBuffer::from(valid));
                let (keys, values) = (keys.finish()?, values.finish()?);
                map_keys::new_map(entries, *ordered, offsets, keys, values, nulls)?
            }
            Values::Row { columns, valid } => {
                let fields: Vec<FieldRef> = columns
                    .iter()
                    .map(|column| Arc::clone(&column.field))
                    .collect();
                let n_rows = valid.len();
                let arrays = columns
                    .into_iter()
                    .map(Self::finish)
                    .collect::<tidemill_engine::Result<Vec<_>>>()?;
                let nulls = Some(NullBuffer::from(valid));
                Arc::new(StructArray::try_new_with_length(
                    fields.into(),
                    arrays,
                    nulls,
                    n_rows,
                )?)
            }
        })
    }

    fn mismatch(&self, value: &Bound<'_, PyAny>) -> Mismatch {
        Mismatch {
            expected: FlinkType::from_field(&self.field).to_string(),
            found: python::describe(value),
        }
    }
}

/// Why a value was not appended.
pub(super) enum Refusal {
    /// The value itself does not fit.
    Here,
    /// Something inside of it does not fit.
    Inside(Mismatch),
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        Self::Inside(mismatch)
    }
}

fn entry_fields(entries: &Field) -> PyResult<(FieldRef, FieldRef)> {
    map_keys::entry_fields(entries)
        .map(|(key, value)| (Arc::clone(key), Arc::clone(value)))
        .ok_or_else(|| super::errors::unsupported("a map without two columns"))
}
