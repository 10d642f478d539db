//! The encoder: Arrow rows to csv lines, quoted as Jackson quotes them.
//!
//! A text is quoted if it is longer than 24 characters, or holds a character that may need it:
//! anything up to the greater of delimiter and quote, and the backslash. Numbers never are. NULL is
//! the null literal, else nothing.
//!
//! Source: `RowDataToCsvConverters` of Flink 2.3.0 and Jackson's `CsvEncoder`; measured.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Schema;

use super::CsvOptions;
use super::decode::check_type;
use crate::error::Result;
use crate::formats::Encoder;
use crate::formats::write::{Decimals, ValueText};

/// Texts longer than this are quoted without being looked at.
const MAX_UNQUOTED_CHARS: usize = 24;

/// Writes csv lines without a header.
#[derive(Debug)]
pub(super) struct CsvEncoder {
    options: Arc<CsvOptions>,
    text: ValueText,
}

impl CsvEncoder {
    pub(super) fn try_new(options: Arc<CsvOptions>, schema: &Schema) -> Result<Self> {
        for field in schema.fields() {
            check_type(field, true)?;
        }
        let decimals = match options.scientific_decimals {
            true => Decimals::Stripped,
            false => Decimals::Plain,
        };
        Ok(Self {
            options,
            text: ValueText {
                decimals,
                ..ValueText::default()
            },
        })
    }

    fn write_cell(&self, array: &dyn Array, row_idx: usize, out: &mut String) -> Result<()> {
        if array.is_null(row_idx) {
            out.push_str(self.options.null_literal.as_deref().unwrap_or_default());
            return Ok(());
        }
        let start = out.len();
        let delimiter = char::from(self.options.array_element_delimiter);
        if let Some(list) = array.as_list_opt::<i32>() {
            let elements = list.value(row_idx);
            self.write_parts(
                (0..elements.len()).map(|at| (&*elements, at)),
                delimiter,
                out,
            )?;
        } else if let Some(row) = array.as_struct_opt() {
            let fields = row.columns().iter().map(|column| (&**column, row_idx));
            self.write_parts(fields, delimiter, out)?;
        } else {
            self.text.write(array, row_idx, out)?;
            if array.data_type().is_numeric()
                || matches!(array.data_type(), arrow::datatypes::DataType::Boolean)
            {
                return Ok(());
            }
        }
        self.quote(start, out);
        Ok(())
    }

    fn write_parts<'a>(
        &self,
        parts: impl Iterator<Item = (&'a dyn Array, usize)>,
        delimiter: char,
        out: &mut String,
    ) -> Result<()> {
        for (at, (array, row_idx)) in parts.enumerate() {
            if at > 0 {
                out.push(delimiter);
            }
            if array.is_null(row_idx) {
                out.push_str(self.options.null_literal.as_deref().unwrap_or_default());
            } else {
                self.text.write(array, row_idx, out)?;
            }
        }
        Ok(())
    }

    /// Puts quotes around what has been written from `start` on, if it needs them.
    fn quote(&self, start: usize, out: &mut String) {
        let Some(quote) = self.options.quote else {
            return;
        };
        let text = out.get(start..).unwrap_or_default();
        let safe_from = char::from(self.options.delimiter.max(quote));
        let plain = text.chars().count() <= MAX_UNQUOTED_CHARS
            && text.chars().all(|c| c > safe_from && c != '\\');
        if plain {
            return;
        }
        let quote = char::from(quote);
        let escape = self.options.escape.map(char::from);
        let text = out.split_off(start);
        out.push(quote);
        for c in text.chars() {
            if c == quote {
                out.push(quote);
            } else if Some(c) == escape {
                out.push(c);
            }
            out.push(c);
        }
        out.push(quote);
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let mut text = String::new();
        for row_idx in 0..batch.num_rows() {
            for (column_idx, column) in batch.columns().iter().enumerate() {
                if column_idx > 0 {
                    text.push(char::from(self.options.delimiter));
                }
                self.write_cell(column, row_idx, &mut text)?;
            }
            text.push('\n');
            out.extend_from_slice(text.as_bytes());
            text.clear();
        }
        Ok(())
    }
}
