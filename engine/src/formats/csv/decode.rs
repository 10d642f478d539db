//! The decoder: fields on the tape to Arrow arrays, one column after another.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, Decimal128Builder, ListArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Schema, SchemaRef, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};

use arrow::error::ArrowError;

use super::CsvOptions;
use super::parse::{
    TimestampFormat, parse_base64, parse_date, parse_decimal, parse_f32, parse_f64, parse_i64,
    parse_time, parse_timestamp, parse_timestamp_utc, trim,
};
use super::split::{Broken, Tape, split};
use crate::error::{EngineError, Result};
use crate::formats::messages::{
    BrokenMessage, Frames, MessageRows, Messages, Placed, empty_message,
};
use crate::formats::{
    DecodeError, Decoded, Decoder, drop_forbidden_nulls, excerpt, kept_of, type_name,
};

/// Decodes csv into the projected columns of one table.
#[derive(Debug)]
pub(super) struct CsvDecoder {
    options: Arc<CsvOptions>,
    schema: SchemaRef,
    /// Index of each projected column among the fields of a record.
    columns: Vec<usize>,
    tape: Tape,
}

impl CsvDecoder {
    pub(super) fn try_new(
        options: Arc<CsvOptions>,
        schema: &Schema,
        projection: &[usize],
    ) -> Result<Self> {
        let projected = Arc::new(schema.project(projection)?);
        for field in projected.fields() {
            check_type(field, true)?;
        }
        Ok(Self {
            options,
            schema: projected,
            columns: projection.to_vec(),
            tape: Tape::new(schema.fields().len()),
        })
    }

    /// The arrays of what is on the tape, or the error of the first broken row.
    fn arrays(&self, bytes: &[u8]) -> Result<Vec<ArrayRef>, DecodeError> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut first: Option<(usize, &Field, CellError)> = None;
        for (field, &column_idx) in self.schema.fields().iter().zip(&self.columns) {
            let cells: Vec<Cell> = self
                .tape
                .column(column_idx, bytes)
                .map(|text| Cell::new(text, &self.options))
                .collect();
            match decode_column(field, &cells, &self.options) {
                Ok(array) => arrays.push(array),
                Err((row_idx, error)) => {
                    if first.as_ref().is_none_or(|(first, ..)| row_idx < *first) {
                        first = Some((row_idx, field, error));
                    }
                }
            }
        }
        match first {
            None => Ok(arrays),
            Some((row_idx, field, error)) => Err(DecodeError {
                offset: self.tape.start(row_idx),
                column: Some(field.name().clone()),
                value: error.value,
                message: error.message,
            }),
        }
    }
}

impl Decoder for CsvDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Decoded, DecodeError> {
        self.tape.clear();
        let split = split(&self.options, (bytes, 0), at_end, max_rows, &mut self.tape);
        let frames = Frames::Lines { at_end };
        let (decoded, _) = self.finish(bytes, frames, split)?;
        Ok(decoded)
    }

    /// Of a message the first record counts, as in Flink; the others are not looked at.
    fn decode_messages(&mut self, messages: &Messages) -> Result<MessageRows, BrokenMessage> {
        if !self.options.ignore_parse_errors
            && let Some(error) = empty_message(messages)
        {
            return Err(error);
        }
        self.tape.clear();
        let mut outcome = Ok(messages.n_bytes());
        for message_idx in 0..messages.len() {
            let Some((start, end)) = messages.range(message_idx) else {
                break;
            };
            let bytes = messages.bytes().get(..end).unwrap_or_default();
            let max_rows = self.tape.n_rows() + 1;
            let at = (bytes, start);
            if let Err(broken) = split(&self.options, at, true, max_rows, &mut self.tape) {
                outcome = Err(broken);
                break;
            }
        }
        let frames = Frames::Messages(messages);
        let placed = self.finish(messages.bytes(), frames, outcome);
        let placed = placed.map_err(|error| messages.broken(error))?;
        Ok(MessageRows::of_places(placed, messages))
    }
}

impl CsvDecoder {
    /// What is on the tape as rows.
    fn finish(
        &self,
        bytes: &[u8],
        frames: Frames<'_>,
        split: Result<usize, (usize, Broken)>,
    ) -> Result<Placed, DecodeError> {
        // An error in a row before the broken record is the one to report.
        let arrays = self.arrays(bytes)?;
        let n_bytes = split.map_err(|(offset, broken)| DecodeError {
            offset,
            column: None,
            value: excerpt(frames.shown(bytes, offset)),
            message: broken.message().to_owned(),
        })?;
        let n_rows = self.tape.n_rows();
        let (batch, kept) = drop_forbidden_nulls(
            &self.schema,
            arrays,
            n_rows,
            self.options.ignore_parse_errors,
            |row_idx| self.tape.start(row_idx),
        )?;
        let starts = (0..n_rows)
            .map(|row_idx| self.tape.start(row_idx))
            .collect();
        let starts = kept_of(starts, kept.as_ref());
        Ok((Decoded { batch, n_bytes }, starts))
    }
}

/// Refuses types that Flink's csv does not have.
pub(super) fn check_type(field: &Field, nesting_allowed: bool) -> Result<()> {
    match field.data_type() {
        DataType::Utf8
        | DataType::Boolean
        | DataType::Binary
        | DataType::Decimal128(..)
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Time32(TimeUnit::Millisecond)
        | DataType::Timestamp(_, _)
        | DataType::Null => Ok(()),
        DataType::List(element) if nesting_allowed => check_type(element, false),
        DataType::Struct(fields) if nesting_allowed => {
            fields.iter().try_for_each(|field| check_type(field, false))
        }
        _ => Err(EngineError::unsupported(format!(
            "type {} of column '{}' in format 'csv'",
            type_name(field),
            field.name()
        ))),
    }
}

/// One field of a record.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    /// The record is too short.
    Missing,
    /// The field is the null literal.
    Null,
    Text(&'a [u8]),
}

impl<'a> Cell<'a> {
    fn new(text: Option<&'a [u8]>, options: &CsvOptions) -> Self {
        match (text, &options.null_literal) {
            (None, _) => Self::Missing,
            (Some(text), Some(null)) if text == null.as_bytes() => Self::Null,
            (Some(text), _) => Self::Text(text),
        }
    }
}

struct CellError {
    value: String,
    message: String,
}

/// A column, or the first row that is broken and why.
type Column<T = ArrayRef> = Result<T, (usize, CellError)>;

fn decode_column(field: &Field, cells: &[Cell<'_>], options: &CsvOptions) -> Column {
    let reader = ColumnReader { field, options };
    match field.data_type() {
        DataType::Utf8 => reader.strings(cells),
        DataType::Boolean => reader.booleans(cells),
        DataType::Int8 => reader.integers::<Int8Type>(cells),
        DataType::Int16 => reader.integers::<Int16Type>(cells),
        DataType::Int32 => reader.integers::<Int32Type>(cells),
        DataType::Int64 => reader.integers::<Int64Type>(cells),
        DataType::Float32 => reader.primitives::<Float32Type>(cells, parse_f32),
        DataType::Float64 => reader.primitives::<Float64Type>(cells, parse_f64),
        DataType::Date32 => reader.primitives::<Date32Type>(cells, parse_date),
        DataType::Time32(_) => reader.primitives::<Time32MillisecondType>(cells, parse_time),
        DataType::Timestamp(unit, zone) => reader.timestamps(cells, *unit, zone.is_some()),
        DataType::Decimal128(precision, scale) => reader.decimals(cells, *precision, *scale),
        DataType::Binary => reader.binaries(cells),
        DataType::List(element) => reader.lists(cells, element),
        DataType::Struct(_) => reader.structs(cells),
        _ => Ok(arrow::array::new_null_array(field.data_type(), cells.len())),
    }
}

struct ColumnReader<'a> {
    field: &'a Field,
    options: &'a CsvOptions,
}

impl ColumnReader<'_> {
    /// The text of a cell, or NULL; a missing one is an error in strict mode.
    fn text<'a>(&self, row_idx: usize, cell: Cell<'a>) -> Column<Option<&'a [u8]>> {
        match cell {
            Cell::Text(text) => Ok(Some(text)),
            Cell::Null => Ok(None),
            Cell::Missing if self.options.ignore_parse_errors => Ok(None),
            Cell::Missing => Err((
                row_idx,
                CellError {
                    value: String::new(),
                    message: "the record has fewer fields than the table has columns".to_owned(),
                },
            )),
        }
    }

    /// What becomes of a text that does not fit the type: NULL, or the end.
    fn broken(&self, row_idx: usize, text: &[u8]) -> Column<()> {
        if self.options.ignore_parse_errors {
            return Ok(());
        }
        Err((
            row_idx,
            CellError {
                value: excerpt(text),
                message: format!("the text cannot be read as {}", type_name(self.field)),
            },
        ))
    }

    fn values<T: Copy + Default>(
        &self,
        cells: &[Cell<'_>],
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Column<(Vec<T>, Option<NullBuffer>)> {
        let mut values = Vec::with_capacity(cells.len());
        let mut nulls: Vec<usize> = Vec::new();
        for (row_idx, &cell) in cells.iter().enumerate() {
            let value = match self.text(row_idx, cell)? {
                None => None,
                Some(text) => match parse(text) {
                    Some(value) => Some(value),
                    None => {
                        self.broken(row_idx, text)?;
                        None
                    }
                },
            };
            if value.is_none() {
                nulls.push(row_idx);
            }
            values.push(value.unwrap_or_default());
        }
        Ok((values, null_buffer(cells.len(), &nulls)))
    }

    fn primitives<T: ArrowPrimitiveType>(
        &self,
        cells: &[Cell<'_>],
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> Column {
        let (values, nulls) = self.values(cells, parse)?;
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
        Ok(Arc::new(
            array.with_data_type(self.field.data_type().clone()),
        ))
    }

    fn integers<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(&self, cells: &[Cell<'_>]) -> Column {
        self.primitives::<T>(cells, |text| {
            T::Native::try_from(parse_i64(trim(text))?).ok()
        })
    }

    fn timestamps(&self, cells: &[Cell<'_>], unit: TimeUnit, zoned: bool) -> Column {
        let parse = |text: &[u8]| match zoned {
            true => parse_timestamp_utc(trim(text), TimestampFormat::Sql, unit),
            false => parse_timestamp(trim(text), TimestampFormat::Sql, unit),
        };
        match unit {
            TimeUnit::Microsecond => self.primitives::<TimestampMicrosecondType>(cells, parse),
            TimeUnit::Nanosecond => self.primitives::<TimestampNanosecondType>(cells, parse),
            _ => self.primitives::<TimestampMillisecondType>(cells, parse),
        }
    }

    fn booleans(&self, cells: &[Cell<'_>]) -> Column {
        let (values, nulls) =
            self.values(cells, |text| Some(trim(text).eq_ignore_ascii_case(b"true")))?;
        Ok(Arc::new(BooleanArray::new(
            BooleanBuffer::from(values),
            nulls,
        )))
    }

    fn decimals(&self, cells: &[Cell<'_>], precision: u8, scale: i8) -> Column {
        let mut builder = Decimal128Builder::with_capacity(cells.len())
            .with_data_type(DataType::Decimal128(precision, scale));
        for (row_idx, &cell) in cells.iter().enumerate() {
            let text = self.text(row_idx, cell)?;
            let value = text.map(|text| (text, parse_decimal(text, precision, scale)));
            if let Some((text, None)) = value {
                self.broken(row_idx, text)?;
            }
            builder.append_option(value.and_then(|(_, value)| value.flatten()));
        }
        Ok(Arc::new(builder.finish()))
    }

    fn strings(&self, cells: &[Cell<'_>]) -> Column {
        let mut offsets = Vec::with_capacity(cells.len() + 1);
        let mut values: Vec<u8> = Vec::with_capacity(cells.len() * 16);
        let mut nulls: Vec<usize> = Vec::new();
        offsets.push(0_i32);
        for (row_idx, &cell) in cells.iter().enumerate() {
            match self.text(row_idx, cell)? {
                Some(text) => values.extend_from_slice(text),
                None => nulls.push(row_idx),
            }
            // The input of one call is far below 2 GiB, so its offsets fit.
            offsets.push(i32::try_from(values.len()).unwrap_or(i32::MAX));
        }
        let nulls = null_buffer(cells.len(), &nulls);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        // The splitter has tested the records; an escape in the middle of a character is left.
        StringArray::try_new(offsets, Buffer::from_vec(values), nulls)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(of_arrow)
    }

    fn binaries(&self, cells: &[Cell<'_>]) -> Column {
        let mut builder = BinaryBuilder::new();
        for (row_idx, &cell) in cells.iter().enumerate() {
            match self.text(row_idx, cell)? {
                None => builder.append_null(),
                Some(text) => match parse_base64(text) {
                    Some(value) => builder.append_value(value),
                    None => {
                        self.broken(row_idx, text)?;
                        builder.append_null();
                    }
                },
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn lists(&self, cells: &[Cell<'_>], element: &Arc<Field>) -> Column {
        let mut elements = Vec::new();
        let mut rows = Vec::new();
        let mut lengths = Vec::with_capacity(cells.len());
        let mut nulls = Vec::new();
        for (row_idx, &cell) in cells.iter().enumerate() {
            let n_before = elements.len();
            match self.text(row_idx, cell)? {
                None => nulls.push(row_idx),
                Some([]) => {}
                Some(text) => {
                    for part in text.split(|&byte| byte == self.options.array_element_delimiter) {
                        elements.push(Cell::new(Some(part), self.options));
                        rows.push(row_idx);
                    }
                }
            }
            lengths.push(elements.len() - n_before);
        }
        let values = decode_column(element, &elements, self.options)
            .map_err(|(at, error)| (rows.get(at).copied().unwrap_or_default(), error))?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = null_buffer(cells.len(), &nulls);
        ListArray::try_new(Arc::clone(element), offsets, values, nulls)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(of_arrow)
    }

    fn structs(&self, cells: &[Cell<'_>]) -> Column {
        let DataType::Struct(fields) = self.field.data_type() else {
            return Ok(arrow::array::new_null_array(
                self.field.data_type(),
                cells.len(),
            ));
        };
        let mut columns: Vec<Vec<Cell<'_>>> = vec![Vec::with_capacity(cells.len()); fields.len()];
        let mut nulls = Vec::new();
        for (row_idx, &cell) in cells.iter().enumerate() {
            let text = self.text(row_idx, cell)?;
            if text.is_none() {
                nulls.push(row_idx);
            }
            let mut parts =
                text.map(|text| text.split(|&byte| byte == self.options.array_element_delimiter));
            for column in &mut columns {
                column.push(match &mut parts {
                    None => Cell::Null,
                    Some(parts) => Cell::new(parts.next(), self.options),
                });
            }
        }
        let arrays = fields
            .iter()
            .zip(&columns)
            .map(|(field, cells)| decode_column(field, cells, self.options))
            .collect::<Column<Vec<_>>>()?;
        let nulls = null_buffer(cells.len(), &nulls);
        StructArray::try_new(fields.clone(), arrays, nulls)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(of_arrow)
    }
}

/// An array that Arrow refuses: a NULL inside a NOT NULL element.
fn of_arrow(error: ArrowError) -> (usize, CellError) {
    let error = CellError {
        value: String::new(),
        message: error.to_string(),
    };
    (0, error)
}

fn null_buffer(n_rows: usize, nulls: &[usize]) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut valid = vec![true; n_rows];
    for &row_idx in nulls {
        if let Some(valid) = valid.get_mut(row_idx) {
            *valid = false;
        }
    }
    Some(NullBuffer::from(valid))
}
