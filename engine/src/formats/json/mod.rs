//! The `json` format: one object a line, with Flink's options and Flink's leniency.
//!
//! What a line holds and what becomes of it (measured with Flink 2.3.0):
//!
//! | line | strict | `json.ignore-parse-errors` |
//! | --- | --- | --- |
//! | a field is missing | NULL (`json.fail-on-missing-field`: error) | NULL |
//! | a value does not fit its column | error | that field NULL |
//! | no JSON, a scalar, not UTF-8 | error | line skipped |
//! | only spaces | error | line skipped |
//! | an empty line | skipped | skipped |
//! | an array of objects | its rows | its rows |
//! | text behind the object | not looked at | not looked at |
//! | a field twice | the last one | the last one |
//!
//! Names are compared exactly. A number for INT or BIGINT loses its fraction; text is trimmed and
//! parsed for numbers; any value is a STRING by its JSON text; BOOLEAN is true only for `true` and
//! its text. Control characters may stand in texts as they are.
//!
//! Source: `org.apache.flink.formats.json`, Flink 2.3.0.
pub(super) mod cells;
mod decode;
mod encode;
pub(super) mod scan;
mod shred;
mod values;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod two_ways_tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::parse::TimestampFormat;
use super::{DecodeFormat, Decoder, Encoder};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::Parts;
use crate::error::{EngineError, Result};

/// What to do with a NULL key of a MAP when writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapNullKey {
    /// An error.
    Fail,
    /// The entry is left out.
    Drop,
    /// This text takes its place.
    Literal(String),
}

/// The options of the format, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    /// `json.fail-on-missing-field`.
    pub fail_on_missing_field: bool,
    /// `json.ignore-parse-errors`.
    pub ignore_parse_errors: bool,
    /// `json.timestamp-format.standard`.
    pub timestamps: TimestampFormat,
    /// `json.map-null-key.mode` and `json.map-null-key.literal`.
    pub map_null_key: MapNullKey,
    /// `json.encode.decimal-as-plain-number`.
    pub plain_decimals: bool,
    /// `json.encode.ignore-null-fields`.
    pub ignore_null_fields: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            fail_on_missing_field: false,
            ignore_parse_errors: false,
            timestamps: TimestampFormat::Sql,
            map_null_key: MapNullKey::Fail,
            plain_decimals: false,
            ignore_null_fields: false,
        }
    }
}

impl JsonOptions {
    /// The options in WITH.
    pub const SPECS: &[OptionSpec] = &[
        optional("json.decode.json-parser.enabled"),
        optional("json.encode.decimal-as-plain-number"),
        optional("json.encode.ignore-null-fields"),
        optional("json.fail-on-missing-field"),
        optional("json.ignore-parse-errors"),
        optional("json.map-null-key.literal"),
        optional("json.map-null-key.mode"),
        optional("json.timestamp-format.standard"),
    ];

    /// Reads the options of a table.
    ///
    /// # Errors
    /// `Options` if one is malformed.
    pub fn read(options: &TableOptions<'_>) -> Result<Self> {
        // How Flink parses, not what: there is one parser here.
        options.flag("json.decode.json-parser.enabled")?;
        let this = Self {
            fail_on_missing_field: options.flag("json.fail-on-missing-field")?.unwrap_or(false),
            ..Self::read_prefixed(options, "json")?
        };
        if this.fail_on_missing_field && this.ignore_parse_errors {
            return Err(options.error(
                "'json.fail-on-missing-field' and 'json.ignore-parse-errors' exclude each other",
            ));
        }
        Ok(this)
    }

    /// Reads what a format that writes JSON within its lines has in common with this one; its
    /// options begin with `prefix`.
    ///
    /// # Errors
    /// `Options` if one is malformed.
    pub fn read_prefixed(options: &TableOptions<'_>, prefix: &str) -> Result<Self> {
        let flag = |key: &str| {
            let value = options.flag(&format!("{prefix}.{key}"))?;
            Ok::<_, EngineError>(value.unwrap_or(false))
        };
        Ok(Self {
            fail_on_missing_field: false,
            ignore_parse_errors: flag("ignore-parse-errors")?,
            timestamps: timestamp_format(options, prefix)?,
            map_null_key: map_null_key(options, prefix)?,
            plain_decimals: flag("encode.decimal-as-plain-number")?,
            ignore_null_fields: flag("encode.ignore-null-fields")?,
        })
    }
}

fn timestamp_format(options: &TableOptions<'_>, prefix: &str) -> Result<TimestampFormat> {
    let key = &format!("{prefix}.timestamp-format.standard");
    match options.text(key) {
        None | Some("SQL") => Ok(TimestampFormat::Sql),
        Some("ISO-8601") => Ok(TimestampFormat::Iso8601),
        Some(other) => Err(options.invalid(key, other, "SQL or ISO-8601")),
    }
}

fn map_null_key(options: &TableOptions<'_>, prefix: &str) -> Result<MapNullKey> {
    let key = &format!("{prefix}.map-null-key.mode");
    let literal = options.text(&format!("{prefix}.map-null-key.literal"));
    let literal = literal.unwrap_or("null");
    match options.text(key).map(str::to_ascii_uppercase).as_deref() {
        None | Some("FAIL") => Ok(MapNullKey::Fail),
        Some("DROP") => Ok(MapNullKey::Drop),
        Some("LITERAL") => Ok(MapNullKey::Literal(literal.to_owned())),
        Some(other) => Err(options.invalid(key, other, "FAIL, DROP or LITERAL")),
    }
}

/// The `json` format of one table.
#[derive(Debug)]
pub struct JsonFormat {
    options: Arc<JsonOptions>,
    schema: SchemaRef,
}

impl JsonFormat {
    /// The format for objects whose fields are the columns of `schema`, by name.
    #[must_use]
    pub fn new(options: JsonOptions, schema: SchemaRef) -> Self {
        Self {
            options: Arc::new(options),
            schema,
        }
    }

    /// An encoder for rows of the schema.
    ///
    /// # Errors
    /// `Unsupported` if a column's type has no JSON.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        let options = Arc::clone(&self.options);
        Ok(Box::new(encode::JsonEncoder::try_new(
            options,
            &self.schema,
        )?))
    }
}

impl DecodeFormat for JsonFormat {
    fn decoder(&self, projection: &[usize]) -> Result<Box<dyn Decoder>> {
        self.decoder_of(projection, &[])
    }

    fn decoder_of(&self, projection: &[usize], parts: &[Parts]) -> Result<Box<dyn Decoder>> {
        let options = Arc::clone(&self.options);
        Ok(Box::new(decode::JsonDecoder::try_new(
            options,
            &self.schema,
            projection,
            parts,
        )?))
    }
}
