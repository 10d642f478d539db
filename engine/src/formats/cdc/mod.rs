//! The formats of change data capture: `debezium-json`, `canal-json`, `maxwell-json`, `ogg-json`.
//! A line is a change of one table, with the row before it, after it, or both.
//!
//! | format | kind | the row | before an update |
//! | --- | --- | --- | --- |
//! | debezium | `op`: c, r, u, d | `after` | `before` |
//! | ogg | `op_type`: I, U, D | `after` | `before` |
//! | maxwell | `type`: insert, update, delete | `data` | `old`, only what changed |
//! | canal | `type`: INSERT, UPDATE, DELETE | `data`, an array | `old`, only what changed |
//!
//! ```text
//!   {"before":{"n":1},"after":{"n":2},"op":"u"}   ◀──▶   -U 1, +U 2
//! ```
//!
//! What is written is an insertion or a deletion: `-U` as the one, `+U` as the other.
//!
//! Source: `org.apache.flink.formats.json.{debezium, canal, maxwell, ogg}`, Flink 2.3.
mod decode;
mod encode;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use regex::Regex;

use super::json::JsonOptions;
use super::{DecodeFormat, Decoder, Encoder};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::error::{EngineError, Result};

/// Who wrote the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Debezium,
    Canal,
    Maxwell,
    Ogg,
}

impl Dialect {
    fn find(identifier: &str) -> Option<Self> {
        match identifier {
            "debezium-json" => Some(Self::Debezium),
            "canal-json" => Some(Self::Canal),
            "maxwell-json" => Some(Self::Maxwell),
            "ogg-json" => Some(Self::Ogg),
            _ => None,
        }
    }
}

/// The options that all dialects have.
macro_rules! specs {
    ($id:literal $(, $more:literal)*) => {{
        const SPECS: &[OptionSpec] = &[
            optional(concat!($id, ".encode.decimal-as-plain-number")),
            optional(concat!($id, ".encode.ignore-null-fields")),
            optional(concat!($id, ".ignore-parse-errors")),
            optional(concat!($id, ".map-null-key.literal")),
            optional(concat!($id, ".map-null-key.mode")),
            optional(concat!($id, ".timestamp-format.standard")),
            $(optional(concat!($id, $more)),)*
        ];
        SPECS
    }};
}

/// A format of changes, for one table.
#[derive(Debug)]
pub struct CdcFormat {
    dialect: Dialect,
    json: Arc<JsonOptions>,
    schema: SchemaRef,
    /// `debezium-json.schema-include`: the change is the field `payload`.
    has_schema: bool,
    /// `canal-json.database.include` and `canal-json.table.include`: other changes are skipped.
    included: Included,
}

/// Which tables' changes are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Included {
    pub(super) database: Option<Regex>,
    pub(super) table: Option<Regex>,
}

impl CdcFormat {
    /// The options in WITH of the format with this identifier.
    #[must_use]
    pub fn specs(identifier: &str) -> &'static [OptionSpec] {
        match Dialect::find(identifier) {
            Some(Dialect::Debezium) => specs!("debezium-json", ".schema-include"),
            Some(Dialect::Canal) => specs!("canal-json", ".database.include", ".table.include"),
            Some(Dialect::Maxwell) => specs!("maxwell-json"),
            Some(Dialect::Ogg) => specs!("ogg-json"),
            None => &[],
        }
    }

    /// The format with this identifier; none if it is no format of changes.
    ///
    /// # Errors
    /// `Options` if an option is malformed.
    pub fn read(
        identifier: &str,
        options: &TableOptions<'_>,
        schema: &SchemaRef,
    ) -> Result<Option<Self>> {
        let Some(dialect) = Dialect::find(identifier) else {
            return Ok(None);
        };
        let pattern = |key: &str| match options.text(key) {
            None => Ok(None),
            Some(text) => Regex::new(&format!("^(?:{text})$"))
                .map(Some)
                .map_err(|_| options.invalid(key, text, "a regular expression")),
        };
        let is_canal = dialect == Dialect::Canal;
        Ok(Some(Self {
            dialect,
            json: Arc::new(JsonOptions::read_prefixed(options, identifier)?),
            schema: Arc::clone(schema),
            has_schema: dialect == Dialect::Debezium
                && options
                    .flag("debezium-json.schema-include")?
                    .unwrap_or(false),
            included: Included {
                database: match is_canal {
                    true => pattern("canal-json.database.include")?,
                    false => None,
                },
                table: match is_canal {
                    true => pattern("canal-json.table.include")?,
                    false => None,
                },
            },
        }))
    }

    /// An encoder of changes.
    ///
    /// # Errors
    /// `Unsupported` if a column's type has no JSON, or the envelope's schema is asked for.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        if self.has_schema {
            return Err(EngineError::unsupported(
                "writing debezium-json with 'debezium-json.schema-include'",
            ));
        }
        Ok(Box::new(encode::CdcEncoder::try_new(
            self.dialect,
            &self.json,
            &self.schema,
        )?))
    }
}

impl DecodeFormat for CdcFormat {
    fn decoder(&self, projection: &[usize]) -> Result<Box<dyn Decoder>> {
        let schema = Arc::new(self.schema.project(projection)?);
        Ok(Box::new(decode::CdcDecoder::try_new(self, schema)?))
    }
}
