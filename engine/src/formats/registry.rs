//! The formats that exist, found by the option `'format'`.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::csv::{CsvFormat, CsvOptions};
use super::json::{JsonFormat, JsonOptions};
use super::{DecodeFormat, Encoder};
use crate::catalog::options::{OptionSpec, TableOptions};
use crate::error::Result;

/// How the files of a table are read and written.
#[derive(Debug, Clone)]
pub enum FileFormat {
    /// Delimited fields.
    Csv(Arc<CsvFormat>),
    /// Lines of JSON.
    Json(Arc<JsonFormat>),
}

const IDENTIFIERS: &str = "csv, json";

impl FileFormat {
    /// The options of the format with this identifier, or nothing if there is no such format.
    #[must_use]
    pub fn specs(identifier: &str) -> &'static [OptionSpec] {
        match identifier {
            "csv" => CsvOptions::SPECS,
            "json" => JsonOptions::SPECS,
            _ => &[],
        }
    }

    /// The format with this identifier, for files with the columns of `schema`.
    ///
    /// # Errors
    /// `Options` if there is no such format, or one of its options does not fit.
    pub fn find(identifier: &str, options: &TableOptions<'_>, schema: &SchemaRef) -> Result<Self> {
        match identifier {
            "csv" => Ok(Self::Csv(Arc::new(CsvFormat::new(
                CsvOptions::read(options)?,
                Arc::clone(schema),
            )))),
            "json" => Ok(Self::Json(Arc::new(JsonFormat::new(
                JsonOptions::read(options)?,
                Arc::clone(schema),
            )))),
            _ => Err(options.error(format!(
                "unknown format '{identifier}'; formats that exist: {IDENTIFIERS}"
            ))),
        }
    }

    /// The format as one that is read front to back.
    #[must_use]
    pub fn as_text(&self) -> Option<&dyn DecodeFormat> {
        match self {
            Self::Csv(format) => Some(format.as_ref()),
            Self::Json(format) => Some(format.as_ref()),
        }
    }

    /// An encoder for a new file.
    ///
    /// # Errors
    /// `Unsupported` if the format has no text for a column's type.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        match self {
            Self::Csv(format) => format.encoder(),
            Self::Json(format) => format.encoder(),
        }
    }
}
