//! The encoder: Arrow rows to JSON objects, one a line.
//!
//! Decimals are numbers without trailing zeros, times and timestamps texts, bytes base64; NaN and
//! infinities are texts, because JSON has no numbers for them. Characters beyond the first plane
//! are escaped, as Jackson does.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, TimeUnit};

use super::scan::Json;
use super::{JsonOptions, MapNullKey};
use crate::data::{RowKind, map_keys};
use crate::error::{EngineError, Result};
use crate::formats::messages::Messages;
use crate::formats::write::{Decimals, ValueText, write_f64};
use crate::formats::{Encoder, type_name};

/// Writes lines of JSON.
#[derive(Debug)]
pub(super) struct JsonEncoder {
    options: Arc<JsonOptions>,
    text: ValueText,
}

impl JsonEncoder {
    pub(super) fn try_new(options: Arc<JsonOptions>, schema: &Schema) -> Result<Self> {
        for field in schema.fields() {
            check_type(field)?;
        }
        let text = ValueText {
            decimals: match options.plain_decimals {
                true => Decimals::Plain,
                false => Decimals::Stripped,
            },
            timestamps: options.timestamps,
        };
        Ok(Self { options, text })
    }

    /// Appends the object of one row.
    pub(super) fn write_row(
        &self,
        batch: &RecordBatch,
        row_idx: usize,
        out: &mut String,
    ) -> Result<()> {
        let schema = batch.schema_ref();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let columns = batch.columns().iter().map(|column| &**column);
        self.write_object(names.zip(columns), row_idx, out)
    }

    fn write_object<'a>(
        &self,
        fields: impl Iterator<Item = (&'a str, &'a dyn Array)>,
        row_idx: usize,
        out: &mut String,
    ) -> Result<()> {
        out.push('{');
        let mut first = true;
        for (name, column) in fields {
            if column.is_null(row_idx) && self.options.ignore_null_fields {
                continue;
            }
            if !first {
                out.push(',');
            }
            first = false;
            write_text(name, out);
            out.push(':');
            self.write_value(column, row_idx, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn write_value(&self, array: &dyn Array, row_idx: usize, out: &mut String) -> Result<()> {
        if array.is_null(row_idx) {
            out.push_str("null");
            return Ok(());
        }
        match array.data_type() {
            DataType::Utf8 => write_text(array.as_string::<i32>().value(row_idx), out),
            DataType::Float64 => {
                let value = array.as_primitive::<Float64Type>().value(row_idx);
                self.write_float(value.is_finite(), array, row_idx, out)?;
            }
            DataType::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row_idx);
                self.write_float(value.is_finite(), array, row_idx, out)?;
            }
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Decimal128(..) => self.text.write(array, row_idx, out)?,
            DataType::List(_) => {
                let elements = array.as_list::<i32>().value(row_idx);
                out.push('[');
                for at in 0..elements.len() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.write_value(&elements, at, out)?;
                }
                out.push(']');
            }
            DataType::Struct(fields) => {
                let names = fields.iter().map(|field| field.name().as_str());
                let columns = array.as_struct().columns().iter().map(|column| &**column);
                self.write_object(names.zip(columns), row_idx, out)?;
            }
            DataType::Map(..) => self.write_map(array, row_idx, out)?,
            _ => {
                out.push('"');
                self.text.write(array, row_idx, out)?;
                out.push('"');
            }
        }
        Ok(())
    }

    fn write_float(
        &self,
        finite: bool,
        array: &dyn Array,
        row_idx: usize,
        out: &mut String,
    ) -> Result<()> {
        let quote = if finite { "" } else { "\"" };
        out.push_str(quote);
        self.text.write(array, row_idx, out)?;
        out.push_str(quote);
        Ok(())
    }

    fn write_map(&self, array: &dyn Array, row_idx: usize, out: &mut String) -> Result<()> {
        let entries = array.as_map().value(row_idx);
        let keys = map_keys::unwrapped(entries.column(0));
        out.push('{');
        let mut first = true;
        for at in 0..entries.len() {
            let mut key = String::new();
            match (keys.is_null(at), &self.options.map_null_key) {
                (false, _) => self.text.write(keys, at, &mut key)?,
                (true, MapNullKey::Literal(literal)) => key.push_str(literal),
                (true, MapNullKey::Drop) => continue,
                (true, MapNullKey::Fail) => {
                    return Err(EngineError::Data {
                        message: "a map has a NULL key; 'json.map-null-key.mode' can drop or \
                                  name it"
                            .to_owned(),
                    });
                }
            }
            if !first {
                out.push(',');
            }
            first = false;
            write_text(&key, out);
            out.push(':');
            self.write_value(entries.column(1), at, out)?;
        }
        out.push('}');
        Ok(())
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let mut line = String::new();
        for row_idx in 0..batch.num_rows() {
            self.write_row(batch, row_idx, &mut line)?;
            line.push('\n');
            out.extend_from_slice(line.as_bytes());
            line.clear();
        }
        Ok(())
    }

    fn encode_messages(
        &mut self,
        batch: &RecordBatch,
        _kinds: Option<&[RowKind]>,
        out: &mut Messages,
    ) -> Result<()> {
        let mut text = String::new();
        for row_idx in 0..batch.num_rows() {
            text.clear();
            self.write_row(batch, row_idx, &mut text)?;
            out.push(Some(text.as_bytes()));
        }
        Ok(())
    }
}

/// Refuses types that Flink's json does not have.
pub(in crate::formats) fn check_type(field: &Field) -> Result<()> {
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
        | DataType::Timestamp(..)
        | DataType::Null => Ok(()),
        DataType::List(element) => check_type(element),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_type(field)),
        DataType::Map(entries, _) => match map_keys::entry_fields(entries) {
            Some((key, value)) if *key.data_type() == DataType::Utf8 => check_type(value),
            _ => Err(refused(field, " (keys are texts in JSON)")),
        },
        _ => Err(refused(field, "")),
    }
}

fn refused(field: &Field, why: &str) -> EngineError {
    EngineError::unsupported(format!(
        "type {} of column '{}' in format 'json'{why}",
        type_name(field),
        field.name()
    ))
}

/// Appends a text in quotes.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c if u32::from(c) > 0xFFFF => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a value without spaces; numbers with a fraction as Java writes doubles.
pub(super) fn write_json(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Text(text) => write_text(text, out),
        Json::Number(number) => match number.parse::<f64>() {
            Ok(value) if number.contains(['.', 'e', 'E']) => write_f64(value, out),
            _ => out.push_str(number),
        },
        Json::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(element, out);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
    }
}
