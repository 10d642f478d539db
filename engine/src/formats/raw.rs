//! The `raw` format: each line is the value of the table's one column, STRING or BYTES.
//!
//! Lines end with `\n` or `\r\n`; an empty line is an empty value. Bytes that are not UTF-8 become
//! U+FFFD in a STRING. NULL cannot be written. Of Flink's options `raw.charset` may be `UTF-8`;
//! numbers in binary, and with them `raw.endianness`, are not read here.
//!
//! Source: `org.apache.flink.formats.raw`, Flink 2.3.0; measured.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::messages::{BrokenMessage, MessageRows, Messages};
use super::{DecodeError, DecodeFormat, Decoded, Decoder, Encoder, type_name};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::RowKind;
use crate::error::{EngineError, Result};

/// The `raw` format of one table.
#[derive(Debug)]
pub struct RawFormat {
    schema: SchemaRef,
}

impl RawFormat {
    /// The options in WITH.
    pub const SPECS: &[OptionSpec] = &[optional("raw.charset")];

    /// The format for a table of one column.
    ///
    /// # Errors
    /// `Options` if the table has more columns, `Unsupported` for another type or charset.
    pub fn read(options: &TableOptions<'_>, schema: &SchemaRef) -> Result<Self> {
        let [column] = &schema.fields()[..] else {
            return Err(options.error("format 'raw' takes a table of one column"));
        };
        if !matches!(column.data_type(), DataType::Utf8 | DataType::Binary) {
            return Err(EngineError::unsupported(format!(
                "type {} of column '{}' in format 'raw'",
                type_name(column),
                column.name()
            )));
        }
        match options.text("raw.charset") {
            Some(charset) if !charset.eq_ignore_ascii_case("UTF-8") => Err(
                EngineError::unsupported(format!("charset '{charset}' in format 'raw'")),
            ),
            _ => Ok(Self {
                schema: Arc::clone(schema),
            }),
        }
    }

    /// An encoder for rows of the schema.
    #[must_use]
    pub fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(RawEncoder)
    }
}

impl DecodeFormat for RawFormat {
    fn decoder(&self, projection: &[usize]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(RawDecoder {
            schema: Arc::new(self.schema.project(projection)?),
        }))
    }
}

#[derive(Debug)]
struct RawDecoder {
    /// The one column, or none if only the number of rows is asked for.
    schema: Arc<Schema>,
}

impl Decoder for RawDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Decoded, DecodeError> {
        let mut lines = Vec::new();
        let mut at = 0;
        while lines.len() < max_rows && at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let (line, n_bytes) = match memchr::memchr(b'\n', rest) {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None if at_end => (rest, rest.len()),
                None => break,
            };
            lines.push(line.strip_suffix(b"\r").unwrap_or(line));
            at += n_bytes;
        }
        let lines: Vec<_> = lines.into_iter().map(Some).collect();
        Ok(Decoded {
            batch: self.batch(&lines)?,
            n_bytes: at,
        })
    }

    /// A message without a value is NULL.
    fn decode_messages(&mut self, messages: &Messages) -> Result<MessageRows, BrokenMessage> {
        let values: Vec<_> = (0..messages.len()).map(|at| messages.get(at)).collect();
        Ok(MessageRows {
            batch: self
                .batch(&values)
                .map_err(|error| messages.broken(error))?,
            kinds: None,
            messages: (0..messages.len()).collect(),
        })
    }
}

impl RawDecoder {
    fn batch(&self, values: &[Option<&[u8]>]) -> Result<RecordBatch, DecodeError> {
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Binary => binary(values),
                _ => text(values),
            });
        let options = RecordBatchOptions::new().with_row_count(Some(values.len()));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns.collect(), &options);
        batch.map_err(|error| DecodeError {
            offset: 0,
            column: None,
            value: String::new(),
            message: error.to_string(),
        })
    }
}

fn text(values: &[Option<&[u8]>]) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(values.len(), values.len() * 32);
    for value in values {
        builder.append_option(value.map(String::from_utf8_lossy));
    }
    Arc::new(builder.finish())
}

fn binary(values: &[Option<&[u8]>]) -> ArrayRef {
    let mut builder = BinaryBuilder::with_capacity(values.len(), values.len() * 32);
    for value in values {
        builder.append_option(*value);
    }
    Arc::new(builder.finish())
}

#[derive(Debug)]
struct RawEncoder;

impl Encoder for RawEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let column = batch.column(0);
        for row_idx in 0..batch.num_rows() {
            if column.is_null(row_idx) {
                return Err(EngineError::Data {
                    message: "format 'raw' cannot write NULL".to_owned(),
                });
            }
            match column.data_type() {
                DataType::Binary => out.extend(column.as_binary::<i32>().value(row_idx)),
                _ => out.extend(column.as_string::<i32>().value(row_idx).as_bytes()),
            }
            out.push(b'\n');
        }
        Ok(())
    }

    /// NULL is a message without a value.
    fn encode_messages(
        &mut self,
        batch: &RecordBatch,
        _kinds: Option<&[RowKind]>,
        out: &mut Messages,
    ) -> Result<()> {
        let column = batch.column(0);
        for row_idx in 0..batch.num_rows() {
            out.push(match column.data_type() {
                _ if column.is_null(row_idx) => None,
                DataType::Binary => Some(column.as_binary::<i32>().value(row_idx)),
                _ => Some(column.as_string::<i32>().value(row_idx).as_bytes()),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use arrow::datatypes::Field;

    use super::*;

    fn format(data_type: DataType, charset: &str) -> Result<RawFormat> {
        let pairs = BTreeMap::from([("raw.charset".to_owned(), charset.to_owned())]);
        let options = TableOptions::check("t", &pairs, RawFormat::SPECS)?;
        let schema = Arc::new(Schema::new(vec![Field::new("s", data_type, true)]));
        RawFormat::read(&options, &schema)
    }

    // Source: read and written by Flink 2.3.0 from the same bytes.
    #[test]
    fn lines_are_values() {
        let format = format(DataType::Utf8, "utf-8").unwrap();
        let mut decoder = format.decoder(&[0]).unwrap();
        let data = b"a\nb,c\n\n x \r\nz\xff\nlast";
        let decoded = decoder.decode(data, true, 100).unwrap();
        let column = decoded.batch.column(0).as_string::<i32>();
        let values: Vec<&str> = column.iter().flatten().collect();
        assert_eq!(values, ["a", "b,c", "", " x ", "z\u{fffd}", "last"]);
        assert_eq!(decoded.n_bytes, data.len());
        assert_eq!(
            decoder.decode(data, false, 100).unwrap().n_bytes,
            data.len() - 4
        );
        let mut out = Vec::new();
        format
            .encoder()
            .encode(&decoded.batch.slice(0, 2), &mut out)
            .unwrap();
        assert_eq!(out, b"a\nb,c\n");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |data_type, charset| format(data_type, charset).unwrap_err().to_string();
        let expected = "type INT of column 's' in format 'raw' is not supported yet";
        assert_eq!(refused(DataType::Int32, "UTF-8"), expected);
        let expected = "charset 'GBK' in format 'raw' is not supported yet";
        assert_eq!(refused(DataType::Binary, "GBK"), expected);
    }
}
