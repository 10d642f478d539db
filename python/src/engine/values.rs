//! Arrow columns as Python values.
//!
//! A [`ColumnReader`] is made once a column and batch and gives one Python object a row:
//!
//! ```text
//!   STRING str · BOOLEAN bool · INT… int · FLOAT, DOUBLE float · DECIMAL Decimal · BYTES bytes
//!   DATE date · TIME time · TIMESTAMP datetime · TIMESTAMP_LTZ datetime with the session's zone
//!   INTERVAL MONTH int (months) · INTERVAL SECOND timedelta
//!   ARRAY list · MAP, MULTISET dict · ROW tidemill.common.Row · NULL None
//!   VARIANT, BITMAP str: their text
//! ```
//!
//! Python's times end at microseconds: what is finer is cut off.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, GenericListArray,
    LargeBinaryArray, LargeStringArray, MapArray, PrimitiveArray, StringArray, StructArray,
};
use arrow::datatypes::{
    DataType, Date32Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyList, PyString, PyTime,
    PyTuple, PyTzInfo,
};
use pyo3::{IntoPyObjectExt, intern};

use tidemill_engine::data::map_keys;
use tidemill_engine::functions::bitmap;

use super::calendar;
use super::errors::{data_error, to_exception, unsupported};

/// A column that can be read row by row.
pub(super) enum ColumnReader {
    Null,
    Boolean(BooleanArray),
    Int8(PrimitiveArray<Int8Type>),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    Float32(PrimitiveArray<Float32Type>, Floats),
    Float64(PrimitiveArray<Float64Type>),
    Utf8(StringArray),
    Binary(BinaryArray),
    Variant(LargeStringArray),
    Bitmap(LargeBinaryArray),
    Decimal(Decimal128Array, Py<PyAny>),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time32MillisecondType>),
    Timestamp {
        values: PrimitiveArray<Int64Type>,
        unit: TimeUnit,
        zone: Option<Py<PyTzInfo>>,
    },
    Months(PrimitiveArray<IntervalYearMonthType>),
    Duration(PrimitiveArray<DurationMillisecondType>),
    List(GenericListArray<i32>, Box<ColumnReader>),
    Map(MapArray, Box<ColumnReader>, Box<ColumnReader>),
    Row {
        array: StructArray,
        columns: Vec<ColumnReader>,
        names: Py<PyList>,
    },
}

/// What a FLOAT is in Python, whose numbers have twice its digits.
#[derive(Clone, Copy)]
pub(super) enum Floats {
    /// The same number: `CAST(1.1 AS FLOAT)` is 1.100000023841858.
    Exact,
    /// The number of the shortest text that means it: 1.1.
    AsWritten,
}

impl Floats {
    fn to_double(self, value: f32) -> f64 {
        match self {
            Self::Exact => f64::from(value),
            Self::AsWritten => value.to_string().parse().unwrap_or(f64::from(value)),
        }
    }
}

impl ColumnReader {
    /// Reads `array`; times with a zone are shown in `time_zone`, an IANA name.
    ///
    /// # Errors
    /// If the Arrow type is none of those that Flink's types lie in.
    pub(super) fn try_new(py: Python<'_>, array: &ArrayRef, time_zone: &str) -> PyResult<Self> {
        Self::read(py, array, time_zone, Floats::Exact)
    }

    /// As [`Self::try_new`], for rows that are collected: a FLOAT is the number that one reads, as in
    /// PyFlink, where it travels as text.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(super) fn of_result(py: Python<'_>, array: &ArrayRef, time_zone: &str) -> PyResult<Self> {
        Self::read(py, array, time_zone, Floats::AsWritten)
    }

    fn read(py: Python<'_>, array: &ArrayRef, time_zone: &str, floats: Floats) -> PyResult<Self> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Self::Int8(array.as_primitive().clone()),
            DataType::Int16 => Self::Int16(array.as_primitive().clone()),
            DataType::Int32 => Self::Int32(array.as_primitive().clone()),
            DataType::Int64 => Self::Int64(array.as_primitive().clone()),
            DataType::Float32 => Self::Float32(array.as_primitive().clone(), floats),
            DataType::Float64 => Self::Float64(array.as_primitive().clone()),
            DataType::Utf8 => Self::Utf8(array.as_string().clone()),
            DataType::Binary => Self::Binary(array.as_binary().clone()),
            DataType::LargeUtf8 => Self::Variant(array.as_string().clone()),
            DataType::LargeBinary => Self::Bitmap(array.as_binary().clone()),
            DataType::Decimal128(_, _) => {
                let class = py.import(intern!(py, "decimal"))?.getattr("Decimal")?;
                Self::Decimal(array.as_primitive().clone(), class.unbind())
            }
            DataType::Date32 => Self::Date(array.as_primitive().clone()),
            DataType::Time32(TimeUnit::Millisecond) => Self::Time(array.as_primitive().clone()),
            DataType::Timestamp(unit, zone) => Self::Timestamp {
                values: timestamps(array, *unit),
                unit: *unit,
                zone: zone
                    .is_some()
                    .then(|| zone_info(py, time_zone))
                    .transpose()?,
            },
            DataType::Interval(IntervalUnit::YearMonth) => {
                Self::Months(array.as_primitive().clone())
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Self::Duration(array.as_primitive().clone())
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>().clone();
                let items = Self::read(py, list.values(), time_zone, floats)?;
                Self::List(list, Box::new(items))
            }
            DataType::Map(_, _) => {
                let map = array.as_map().clone();
                let keys = Self::read(py, map_keys::keys(&map), time_zone, floats)?;
                let values = Self::read(py, map.values(), time_zone, floats)?;
                Self::Map(map, Box::new(keys), Box::new(values))
            }
            DataType::Struct(_) => Self::row(py, array.as_struct().clone(), time_zone, floats)?,
            other => return Err(unsupported(&format!("the Arrow type {other} in Python"))),
        })
    }

    fn row(py: Python<'_>, array: StructArray, time_zone: &str, floats: Floats) -> PyResult<Self> {
        let columns = array
            .columns()
            .iter()
            .map(|column| Self::read(py, column, time_zone, floats))
            .collect::<PyResult<_>>()?;
        let names = PyList::new(py, array.fields().iter().map(|field| field.name()))?;
        Ok(Self::Row {
            array,
            columns,
            names: names.unbind(),
        })
    }

    /// The value of row `row_idx`, or None for NULL.
    ///
    /// # Errors
    /// If Python has no such value, e.g. dates before the year 1.
    pub(super) fn value<'py>(
        &self,
        py: Python<'py>,
        row_idx: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.is_null(row_idx) {
            return Ok(py.None().into_bound(py));
        }
        match self {
            Self::Null => Ok(py.None().into_bound(py)),
            Self::Boolean(array) => Ok(PyBool::new(py, array.value(row_idx)).to_owned().into_any()),
            Self::Int8(array) => array.value(row_idx).into_bound_py_any(py),
            Self::Int16(array) => array.value(row_idx).into_bound_py_any(py),
            Self::Int32(array) => array.value(row_idx).into_bound_py_any(py),
            Self::Int64(array) => array.value(row_idx).into_bound_py_any(py),
            Self::Float32(array, floats) => {
                Ok(PyFloat::new(py, floats.to_double(array.value(row_idx))).into_any())
            }
            Self::Float64(array) => Ok(PyFloat::new(py, array.value(row_idx)).into_any()),
            Self::Utf8(array) => Ok(PyString::new(py, array.value(row_idx)).into_any()),
            Self::Binary(array) => Ok(PyBytes::new(py, array.value(row_idx)).into_any()),
            Self::Variant(array) => Ok(PyString::new(py, array.value(row_idx)).into_any()),
            Self::Bitmap(array) => {
                let bitmap =
                    bitmap::decode(array.value(row_idx)).map_err(|error| to_exception(&error))?;
                Ok(PyString::new(py, &bitmap::show(&bitmap)).into_any())
            }
            Self::Decimal(array, class) => class.bind(py).call1((array.value_as_string(row_idx),)),
            Self::Date(array) => date(py, array.value(row_idx)),
            Self::Time(array) => time(py, array.value(row_idx)),
            Self::Timestamp { values, unit, zone } => {
                timestamp(py, values.value(row_idx), *unit, zone.as_ref())
            }
            Self::Months(array) => array.value(row_idx).into_bound_py_any(py),
            Self::Duration(array) => duration(py, array.value(row_idx)),
            Self::List(array, items) => {
                let (start, end) = range(array.value_offsets(), row_idx);
                let values = (start..end)
                    .map(|item_idx| items.value(py, item_idx))
                    .collect::<PyResult<Vec<_>>>()?;
                Ok(PyList::new(py, values)?.into_any())
            }
            Self::Map(array, keys, values) => {
                let (start, end) = range(array.value_offsets(), row_idx);
                let dict = PyDict::new(py);
                for entry_idx in start..end {
                    dict.set_item(keys.value(py, entry_idx)?, values.value(py, entry_idx)?)?;
                }
                Ok(dict.into_any())
            }
            Self::Row { columns, names, .. } => {
                let values = columns
                    .iter()
                    .map(|column| column.value(py, row_idx))
                    .collect::<PyResult<Vec<_>>>()?;
                new_row(py, PyList::new(py, values)?, names.bind(py))
            }
        }
    }

    fn is_null(&self, row_idx: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Boolean(array) => array.is_null(row_idx),
            Self::Int8(array) => array.is_null(row_idx),
            Self::Int16(array) => array.is_null(row_idx),
            Self::Int32(array) => array.is_null(row_idx),
            Self::Int64(array) => array.is_null(row_idx),
            Self::Float32(array, _) => array.is_null(row_idx),
            Self::Float64(array) => array.is_null(row_idx),
            Self::Utf8(array) => array.is_null(row_idx),
            Self::Binary(array) => array.is_null(row_idx),
            Self::Variant(array) => array.is_null(row_idx),
            Self::Bitmap(array) => array.is_null(row_idx),
            Self::Decimal(array, _) => array.is_null(row_idx),
            Self::Date(array) => array.is_null(row_idx),
            Self::Time(array) => array.is_null(row_idx),
            Self::Timestamp { values, .. } => values.is_null(row_idx),
            Self::Months(array) => array.is_null(row_idx),
            Self::Duration(array) => array.is_null(row_idx),
            Self::List(array, _) => array.is_null(row_idx),
            Self::Map(array, _, _) => array.is_null(row_idx),
            Self::Row { array, .. } => array.is_null(row_idx),
        }
    }
}

/// The numbers of a timestamp column of any unit.
pub(super) fn timestamps(array: &ArrayRef, unit: TimeUnit) -> PrimitiveArray<Int64Type> {
    match unit {
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .reinterpret_cast(),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .reinterpret_cast(),
        TimeUnit::Microsecond => array
            .as_primitive::<TimestampMicrosecondType>()
            .reinterpret_cast(),
        TimeUnit::Nanosecond => array
            .as_primitive::<TimestampNanosecondType>()
            .reinterpret_cast(),
    }
}

/// Where the items of row `row_idx` lie.
pub(super) fn range(offsets: &[i32], row_idx: usize) -> (usize, usize) {
    let at = |idx: usize| {
        offsets
            .get(idx)
            .and_then(|&offset| usize::try_from(offset).ok())
            .unwrap_or(0)
    };
    (at(row_idx), at(row_idx + 1))
}

/// A `tidemill.common.Row` of values with names.
pub(super) fn new_row<'py>(
    py: Python<'py>,
    values: Bound<'py, PyList>,
    names: &Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyAny>> {
    static NEW_ROW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let new_row = NEW_ROW.import(py, "tidemill.common.types", "new_row")?;
    new_row.call1((values, names))
}

/// Python's object for an IANA time zone.
pub(super) fn zone_info(py: Python<'_>, time_zone: &str) -> PyResult<Py<PyTzInfo>> {
    let zone = py
        .import(intern!(py, "zoneinfo"))?
        .call_method1("ZoneInfo", (time_zone,))?;
    Ok(zone.cast_into::<PyTzInfo>()?.unbind())
}

fn date(py: Python<'_>, days: i32) -> PyResult<Bound<'_, PyAny>> {
    let fields = calendar::date(days)
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .map(calendar::Fields::of)
        .filter(calendar::is_python_year)
        .ok_or_else(|| {
            data_error(&format!(
                "the date {days} days after 1970 is none of Python's"
            ))
        })?;
    Ok(PyDate::new(py, fields.year, fields.month, fields.day)?.into_any())
}

fn time(py: Python<'_>, millis: i32) -> PyResult<Bound<'_, PyAny>> {
    let fields = calendar::timestamp(i64::from(millis), TimeUnit::Millisecond)
        .map(calendar::Fields::of)
        .ok_or_else(|| data_error(&format!("the time of {millis} ms is out of range")))?;
    let micros = fields.nanosecond / 1000;
    let time = PyTime::new(py, fields.hour, fields.minute, fields.second, micros, None)?;
    Ok(time.into_any())
}

fn timestamp<'py>(
    py: Python<'py>,
    value: i64,
    unit: TimeUnit,
    zone: Option<&Py<PyTzInfo>>,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = calendar::timestamp(value, unit)
        .map(calendar::Fields::of)
        .filter(calendar::is_python_year)
        .ok_or_else(|| data_error(&format!("the timestamp {value} is none of Python's")))?;
    let utc = zone.map(|_| PyTzInfo::utc(py)).transpose()?;
    let datetime = PyDateTime::new(
        py,
        fields.year,
        fields.month,
        fields.day,
        fields.hour,
        fields.minute,
        fields.second,
        fields.nanosecond / 1000,
        utc.as_deref(),
    )?;
    match zone {
        Some(zone) => datetime.call_method1(intern!(py, "astimezone"), (zone,)),
        None => Ok(datetime.into_any()),
    }
}

fn duration(py: Python<'_>, millis: i64) -> PyResult<Bound<'_, PyAny>> {
    const DAY_MS: i64 = 86_400_000;
    let days = i32::try_from(millis.div_euclid(DAY_MS))
        .map_err(|_| data_error(&format!("the interval of {millis} ms is out of range")))?;
    // Below the milliseconds of a day, so both fit.
    let rest = i32::try_from(millis.rem_euclid(DAY_MS)).unwrap_or(0);
    Ok(PyDelta::new(py, days, rest / 1000, rest % 1000 * 1000, false)?.into_any())
}

/// All rows of some columns, each as a Python list.
///
/// # Errors
/// As [`ColumnReader::value`].
pub(super) fn rows<'py>(
    py: Python<'py>,
    columns: &[ColumnReader],
    kinds: impl Iterator<Item = u8>,
) -> PyResult<Bound<'py, PyList>> {
    let rows = PyList::empty(py);
    for (row_idx, kind) in kinds.enumerate() {
        let values = columns
            .iter()
            .map(|column| column.value(py, row_idx))
            .collect::<PyResult<Vec<_>>>()?;
        let pair = (kind, PyList::new(py, values)?);
        rows.append(pair.into_pyobject(py)? as Bound<'_, PyTuple>)?;
    }
    Ok(rows)
}
