//! Values to columns: JSON that has been read as a tree, one column after another.
//!
//! This is the rule of what fits which type. The decoder goes a shorter way with the types that
//! are most of the data (`shred`), and asks here for the others and whenever something is wrong.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, ListArray, PrimitiveArray, StringBuilder,
    StructArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, FieldRef, Fields, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};

use super::JsonOptions;
use super::encode::write_json;
use super::scan::Json;
use crate::data::map_keys;
use crate::formats::parse::{
    TimestampFormat, parse_base64, parse_decimal, parse_f32, parse_f64, parse_i64, parse_time,
    parse_timestamp, parse_timestamp_utc, trim,
};
use crate::formats::{excerpt, type_name};

pub(super) struct CellError {
    pub(super) value: String,
    pub(super) message: String,
}

/// A column, or the first row that is broken and why.
pub(super) type Column<T = ArrayRef> = Result<T, (usize, CellError)>;

static NULL: Json<'static> = Json::Null;

pub(super) fn decode_column(field: &Field, cells: &[&Json<'_>], options: &JsonOptions) -> Column {
    let reader = ColumnReader { field, options };
    match field.data_type() {
        DataType::Utf8 => reader.strings(cells),
        DataType::Boolean => Ok(Arc::new(BooleanArray::from(reader.values(cells, boolean)?))),
        DataType::Int8 => reader.primitives::<Int8Type>(cells, small_integer),
        DataType::Int16 => reader.primitives::<Int16Type>(cells, small_integer),
        DataType::Int32 => reader.primitives::<Int32Type>(cells, integer),
        DataType::Int64 => reader.primitives::<Int64Type>(cells, integer),
        DataType::Float32 => {
            reader.primitives::<Float32Type>(cells, |cell| parse_f32(number_text(cell)?.as_bytes()))
        }
        DataType::Float64 => {
            reader.primitives::<Float64Type>(cells, |cell| parse_f64(number_text(cell)?.as_bytes()))
        }
        DataType::Date32 => reader.primitives::<Date32Type>(cells, date),
        DataType::Time32(_) => reader.primitives::<Time32MillisecondType>(cells, |cell| {
            // Seconds are not optional here.
            let text = text(cell)?.as_bytes();
            if text.len() < 8 {
                None
            } else {
                parse_time(text)
            }
        }),
        DataType::Timestamp(unit, zone) => reader.timestamps(cells, *unit, zone.is_some()),
        DataType::Decimal128(precision, scale) => reader.decimals(cells, *precision, *scale),
        DataType::Binary => {
            let values = reader.values(cells, |cell| parse_base64(text(cell)?.as_bytes()))?;
            Ok(Arc::new(BinaryArray::from_iter(values)))
        }
        DataType::List(element) => reader.lists(cells, element),
        DataType::Map(entries, _) => reader.maps(cells, entries),
        DataType::Struct(_) => reader.structs(cells),
        _ => Ok(new_null_array(field.data_type(), cells.len())),
    }
}

fn text<'a>(cell: &'a Json<'_>) -> Option<&'a str> {
    match cell {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

/// The text of a number, or of a text that may hold one.
fn number_text<'a>(cell: &'a Json<'_>) -> Option<&'a str> {
    match cell {
        Json::Number(number) => Some(number),
        Json::Text(text) => Some(text),
        _ => None,
    }
}

fn boolean(cell: &Json<'_>) -> Option<bool> {
    match cell {
        Json::Bool(value) => Some(*value),
        Json::Text(text) => Some(trim(text.as_bytes()).eq_ignore_ascii_case(b"true")),
        Json::Number(_) => Some(false),
        _ => None,
    }
}

/// TINYINT and SMALLINT take whole numbers only.
pub(super) fn small_integer<T: TryFrom<i64>>(cell: &Json<'_>) -> Option<T> {
    T::try_from(parse_i64(trim(number_text(cell)?.as_bytes()))?).ok()
}

/// INT and BIGINT cut the fraction off a number, not off a text.
pub(super) fn integer<T: TryFrom<i64>>(cell: &Json<'_>) -> Option<T> {
    let text = number_text(cell)?;
    let whole = parse_i64(trim(text.as_bytes()));
    let whole = match (whole, cell) {
        (None, Json::Number(number)) if number.contains(['.', 'e', 'E']) => {
            let value: f64 = number.parse().ok()?;
            // 2^63 is the first double above all integers.
            (value.abs() < 9_223_372_036_854_775_808.0).then_some(value as i64)
        }
        _ => whole,
    };
    T::try_from(whole?).ok()
}

/// ISO dates only: `yyyy-MM-dd`, of the calendar.
fn date(cell: &Json<'_>) -> Option<i32> {
    let midnight = format!("{} 00:00:00", text(cell)?);
    let seconds = parse_timestamp(midnight.as_bytes(), TimestampFormat::Sql, TimeUnit::Second)?;
    let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
    // A day beyond the end of its month was moved to that end: then the text differs.
    let mut canonical = String::new();
    crate::formats::write::write_date(days, &mut canonical);
    (canonical == text(cell)?).then_some(days)
}

struct ColumnReader<'a> {
    field: &'a Field,
    options: &'a JsonOptions,
}

impl ColumnReader<'_> {
    /// What becomes of a value that does not fit the type: NULL, or the end.
    fn broken(&self, row_idx: usize, cell: &Json<'_>) -> Column<()> {
        if self.options.ignore_parse_errors {
            return Ok(());
        }
        let mut value = String::new();
        write_json(cell, &mut value);
        Err((
            row_idx,
            CellError {
                value: excerpt(value.as_bytes()),
                message: format!("the value cannot be read as {}", type_name(self.field)),
            },
        ))
    }

    fn values<T>(
        &self,
        cells: &[&Json<'_>],
        read: impl Fn(&Json<'_>) -> Option<T>,
    ) -> Column<Vec<Option<T>>> {
        let mut values = Vec::with_capacity(cells.len());
        for (row_idx, &cell) in cells.iter().enumerate() {
            let value = match cell {
                Json::Null => None,
                cell => match read(cell) {
                    Some(value) => Some(value),
                    None => {
                        self.broken(row_idx, cell)?;
                        None
                    }
                },
            };
            values.push(value);
        }
        Ok(values)
    }

    fn primitives<T: ArrowPrimitiveType>(
        &self,
        cells: &[&Json<'_>],
        read: impl Fn(&Json<'_>) -> Option<T::Native>,
    ) -> Column {
        let array = PrimitiveArray::<T>::from_iter(self.values(cells, read)?);
        Ok(Arc::new(
            array.with_data_type(self.field.data_type().clone()),
        ))
    }

    fn timestamps(&self, cells: &[&Json<'_>], unit: TimeUnit, zoned: bool) -> Column {
        let format = self.options.timestamps;
        let read = |cell: &Json<'_>| match zoned {
            true => parse_timestamp_utc(text(cell)?.as_bytes(), format, unit),
            false => parse_timestamp(text(cell)?.as_bytes(), format, unit),
        };
        match unit {
            TimeUnit::Microsecond => self.primitives::<TimestampMicrosecondType>(cells, read),
            TimeUnit::Nanosecond => self.primitives::<TimestampNanosecondType>(cells, read),
            _ => self.primitives::<TimestampMillisecondType>(cells, read),
        }
    }

    fn decimals(&self, cells: &[&Json<'_>], precision: u8, scale: i8) -> Column {
        let values = self.values(cells, |cell| {
            parse_decimal(trim(number_text(cell)?.as_bytes()), precision, scale)
        })?;
        let array = Decimal128Array::from_iter(values.into_iter().map(Option::flatten));
        Ok(Arc::new(
            array.with_data_type(self.field.data_type().clone()),
        ))
    }

    fn strings(&self, cells: &[&Json<'_>]) -> Column {
        let mut builder = StringBuilder::with_capacity(cells.len(), cells.len() * 16);
        let mut json = String::new();
        for &cell in cells {
            match cell {
                Json::Null => builder.append_null(),
                Json::Text(text) => builder.append_value(text),
                Json::Number(number) => builder.append_value(number),
                cell => {
                    json.clear();
                    write_json(cell, &mut json);
                    builder.append_value(&json);
                }
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn lists(&self, cells: &[&Json<'_>], element: &FieldRef) -> Column {
        let lists = self.values(cells, |cell| match cell {
            Json::Array(_) => Some(()),
            _ => None,
        })?;
        let mut elements = Vec::new();
        let mut rows = Vec::new();
        let mut lengths = Vec::with_capacity(cells.len());
        for (row_idx, &cell) in cells.iter().enumerate() {
            let list = match cell {
                Json::Array(list) => list.as_slice(),
                _ => &[],
            };
            elements.extend(list);
            rows.resize(elements.len(), row_idx);
            lengths.push(list.len());
        }
        let values = decode_column(element, &elements, self.options)
            .map_err(|(at, error)| (rows.get(at).copied().unwrap_or_default(), error))?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let array = ListArray::try_new(Arc::clone(element), offsets, values, nulls(&lists));
        array
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(of_arrow)
    }

    fn maps(&self, cells: &[&Json<'_>], entries: &FieldRef) -> Column {
        let Some((key_field, value_field)) = map_keys::entry_fields(entries) else {
            return Ok(new_null_array(self.field.data_type(), cells.len()));
        };
        let maps = self.values(cells, |cell| match cell {
            Json::Object(_) => Some(()),
            _ => None,
        })?;
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut rows = Vec::new();
        let mut lengths = Vec::with_capacity(cells.len());
        for (row_idx, &cell) in cells.iter().enumerate() {
            let fields = match cell {
                Json::Object(fields) => fields.as_slice(),
                _ => &[],
            };
            keys.extend(fields.iter().map(|(name, _)| Json::Text(name.clone())));
            values.extend(fields.iter().map(|(_, value)| value));
            rows.resize(values.len(), row_idx);
            lengths.push(fields.len());
        }
        let key_cells: Vec<&Json<'_>> = keys.iter().collect();
        let row_of =
            |(at, error): (usize, CellError)| (rows.get(at).copied().unwrap_or_default(), error);
        let keys = decode_column(key_field, &key_cells, self.options).map_err(row_of)?;
        let values = decode_column(value_field, &values, self.options).map_err(row_of)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        map_keys::new_map(entries, false, offsets, keys, values, nulls(&maps)).map_err(of_map)
    }

    fn structs(&self, cells: &[&Json<'_>]) -> Column {
        let DataType::Struct(fields) = self.field.data_type() else {
            return Ok(new_null_array(self.field.data_type(), cells.len()));
        };
        let rows = self.values(cells, |cell| match cell {
            Json::Object(_) => Some(()),
            _ => None,
        })?;
        let mut arrays = Vec::with_capacity(fields.len());
        if self.options.fail_on_missing_field {
            self.require_members(cells, fields)?;
        }
        for field in fields {
            let column: Vec<&Json<'_>> = cells
                .iter()
                .map(|cell| member(cell, field.name()))
                .collect();
            arrays.push(decode_column(field, &column, self.options)?);
        }
        StructArray::try_new(fields.clone(), arrays, nulls(&rows))
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(of_arrow)
    }
}

impl ColumnReader<'_> {
    fn require_members(&self, cells: &[&Json<'_>], fields: &Fields) -> Column<()> {
        for (row_idx, &cell) in cells.iter().enumerate() {
            let Json::Object(members) = cell else {
                continue;
            };
            let is_there = |name: &String| members.iter().any(|(member, _)| member == name);
            if let Some(missing) = fields.iter().find(|field| !is_there(field.name())) {
                let mut value = String::new();
                write_json(cell, &mut value);
                let error = CellError {
                    value: excerpt(value.as_bytes()),
                    message: format!("the field '{}' is missing", missing.name()),
                };
                return Err((row_idx, error));
            }
        }
        Ok(())
    }
}

/// The last member of an object with this name.
fn member<'a, 'b>(cell: &'b Json<'a>, name: &str) -> &'b Json<'a> {
    match cell {
        Json::Object(members) => members
            .iter()
            .rev()
            .find(|(member, _)| member == name)
            .map_or(&NULL, |(_, value)| value),
        _ => &NULL,
    }
}

fn nulls(values: &[Option<()>]) -> Option<NullBuffer> {
    values
        .contains(&None)
        .then(|| NullBuffer::from_iter(values.iter().map(Option::is_some)))
}

/// An array that Arrow refuses: a NULL inside a NOT NULL element.
fn of_map(error: crate::error::EngineError) -> (usize, CellError) {
    let error = CellError {
        value: String::new(),
        message: error.to_string(),
    };
    (0, error)
}

fn of_arrow(error: arrow::error::ArrowError) -> (usize, CellError) {
    let error = CellError {
        value: String::new(),
        message: error.to_string(),
    };
    (0, error)
}
