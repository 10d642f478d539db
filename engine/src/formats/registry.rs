//! The formats that exist, found by the option `'format'`.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::cdc::CdcFormat;
use super::csv::{CsvFormat, CsvOptions};
use super::json::{JsonFormat, JsonOptions};
use super::parquet::ParquetFormat;
use super::raw::RawFormat;
use super::{DecodeFormat, Encoder};
use crate::catalog::options::{OptionSpec, TableOptions};
use crate::data::ChangelogMode;
use crate::error::Result;

/// How the files of a table are read and written.
#[derive(Debug, Clone)]
pub enum FileFormat {
    /// Delimited fields.
    Csv(Arc<CsvFormat>),
    /// Lines of JSON.
    Json(Arc<JsonFormat>),
    /// Lines of changes.
    Cdc(Arc<CdcFormat>),
    /// Columns.
    Parquet(ParquetFormat),
    /// Lines.
    Raw(Arc<RawFormat>),
}

const IDENTIFIERS: &str =
    "canal-json, csv, debezium-json, json, maxwell-json, ogg-json, parquet, raw";

impl FileFormat {
    /// The options of the format with this identifier, or nothing if there is no such format.
    #[must_use]
    pub fn specs(identifier: &str) -> &'static [OptionSpec] {
        match identifier {
            "csv" => CsvOptions::SPECS,
            "json" => JsonOptions::SPECS,
            "parquet" => ParquetFormat::SPECS,
            "raw" => RawFormat::SPECS,
            other => CdcFormat::specs(other),
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
            "parquet" => Ok(Self::Parquet(ParquetFormat::read(options, schema)?)),
            "raw" => Ok(Self::Raw(Arc::new(RawFormat::read(options, schema)?))),
            other => match CdcFormat::read(other, options, schema)? {
                Some(format) => Ok(Self::Cdc(Arc::new(format))),
                None => Err(options.error(format!(
                    "unknown format '{identifier}' of option 'format'; formats that exist: {IDENTIFIERS}"
                ))),
            },
        }
    }

    /// The kinds of rows that the format can read and write.
    #[must_use]
    pub fn changelog_mode(&self) -> ChangelogMode {
        match self {
            Self::Cdc(_) => ChangelogMode::ALL,
            _ => ChangelogMode::INSERT_ONLY,
        }
    }

    /// The format as one of records that can be read one by one; parquet's cannot.
    #[must_use]
    pub fn of_records(&self) -> Option<&dyn DecodeFormat> {
        match self {
            Self::Csv(format) => Some(format.as_ref()),
            Self::Json(format) => Some(format.as_ref()),
            Self::Cdc(format) => Some(format.as_ref()),
            Self::Raw(format) => Some(format.as_ref()),
            Self::Parquet(_) => None,
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
            Self::Cdc(format) => format.encoder(),
            Self::Parquet(format) => format.encoder(),
            Self::Raw(format) => Ok(format.encoder()),
        }
    }
}
