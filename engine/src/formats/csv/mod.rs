//! The `csv` format: Flink's options, and Flink's reading of broken lines.
//!
//! Records end with `\n`, `\r` or `\r\n`; a field that begins with the quote character may hold
//! delimiters, line ends and doubled quotes. What is wrong with a line decides what happens
//! (measured with Flink 2.3.0, which reads csv through Jackson):
//!
//! | line | strict | `csv.ignore-parse-errors` |
//! | --- | --- | --- |
//! | too few fields | error | the missing ones are NULL |
//! | empty line | error, unless the table has one column | one empty field, the others NULL |
//! | one empty field too many (trailing delimiter) | read | read |
//! | more fields too many | error | line skipped |
//! | a field that is no number, date, … | error | that field NULL |
//! | text after a closing quote | error | line skipped |
//! | quote never closed | error | skipped to the end of the file |
//! | quote within an unquoted field | an ordinary character | the same |
//! | not UTF-8 | error | line skipped (Flink fails the job) |
//! | NULL for a NOT NULL column | error | line skipped (Flink fails in the sink) |
//! | DECIMAL with too many digits | NULL | NULL |
//!
//! BOOLEAN is true for `true` in any case and false for all else. Columns that a query does not
//! need are not looked at.
//!
//! Source: `org.apache.flink.formats.csv`, Flink 2.3.0, and Jackson's `CsvDecoder`.
mod decode;
mod encode;
mod split;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::{DecodeFormat, Decoder, Encoder, parse};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::error::{EngineError, Result};

/// The options of the format, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// `csv.field-delimiter`.
    pub delimiter: u8,
    /// `csv.quote-character`, or `None` with `csv.disable-quote-character`.
    pub quote: Option<u8>,
    /// `csv.escape-character`.
    pub escape: Option<u8>,
    /// `csv.allow-comments`: lines that begin with `#`, and empty lines, are no records.
    pub allow_comments: bool,
    /// `csv.ignore-parse-errors`.
    pub ignore_parse_errors: bool,
    /// `csv.array-element-delimiter`, also between the fields of a ROW.
    pub array_element_delimiter: u8,
    /// `csv.null-literal`: a field with exactly this text is NULL.
    pub null_literal: Option<String>,
    /// `csv.trim-spaces`: takes spaces off both ends of unquoted fields.
    pub trim_spaces: bool,
    /// `csv.write-bigdecimal-in-scientific-notation`.
    pub scientific_decimals: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            allow_comments: false,
            ignore_parse_errors: false,
            array_element_delimiter: b';',
            null_literal: None,
            trim_spaces: false,
            scientific_decimals: true,
        }
    }
}

impl CsvOptions {
    /// The options in WITH.
    pub const SPECS: &[OptionSpec] = &[
        optional("csv.allow-comments"),
        optional("csv.array-element-delimiter"),
        optional("csv.disable-quote-character"),
        optional("csv.escape-character"),
        optional("csv.field-delimiter"),
        optional("csv.ignore-parse-errors"),
        optional("csv.null-literal"),
        optional("csv.quote-character"),
        optional("csv.trim-spaces"),
        optional("csv.write-bigdecimal-in-scientific-notation"),
    ];

    /// Reads the options of a table.
    ///
    /// # Errors
    /// `Options` if one is malformed.
    pub fn read(options: &TableOptions<'_>) -> Result<Self> {
        let default = Self::default();
        let no_quotes = options
            .flag("csv.disable-quote-character")?
            .unwrap_or(false);
        let quote = options.character("csv.quote-character")?;
        if no_quotes && quote.is_some() {
            return Err(options.error(
                "'csv.quote-character' and 'csv.disable-quote-character' exclude each other",
            ));
        }
        let flag = |key| Ok::<_, EngineError>(options.flag(key)?.unwrap_or(false));
        Ok(Self {
            delimiter: options
                .character("csv.field-delimiter")?
                .unwrap_or(default.delimiter),
            quote: if no_quotes {
                None
            } else {
                quote.or(default.quote)
            },
            escape: options.character("csv.escape-character")?,
            allow_comments: flag("csv.allow-comments")?,
            ignore_parse_errors: flag("csv.ignore-parse-errors")?,
            array_element_delimiter: options
                .character("csv.array-element-delimiter")?
                .unwrap_or(default.array_element_delimiter),
            null_literal: options.text("csv.null-literal").map(str::to_owned),
            trim_spaces: flag("csv.trim-spaces")?,
            scientific_decimals: options
                .flag("csv.write-bigdecimal-in-scientific-notation")?
                .unwrap_or(true),
        })
    }
}

/// The `csv` format of one table.
#[derive(Debug)]
pub struct CsvFormat {
    options: Arc<CsvOptions>,
    schema: SchemaRef,
}

impl CsvFormat {
    /// The format for files whose fields are the columns of `schema`, in order.
    #[must_use]
    pub fn new(options: CsvOptions, schema: SchemaRef) -> Self {
        Self {
            options: Arc::new(options),
            schema,
        }
    }

    /// An encoder for rows of the schema.
    ///
    /// # Errors
    /// `Unsupported` if csv has no text for a column's type.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encode::CsvEncoder::try_new(
            Arc::clone(&self.options),
            &self.schema,
        )?))
    }
}

impl DecodeFormat for CsvFormat {
    fn decoder(&self, projection: &[usize]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(decode::CsvDecoder::try_new(
            Arc::clone(&self.options),
            &self.schema,
            projection,
        )?))
    }
}
