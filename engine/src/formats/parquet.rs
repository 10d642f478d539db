//! The `parquet` format: read from the footer, written through Arrow.
//!
//! Columns are found by name; a column that a file lacks is NULL, and one of another type is
//! converted, or named in an error if it cannot be. The one option is `parquet.compression`:
//! `SNAPPY` (the default), `ZSTD` or `UNCOMPRESSED`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Encoder;
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::map_keys;
use crate::error::{EngineError, Result};

/// The `parquet` format of one table.
#[derive(Debug, Clone)]
pub struct ParquetFormat {
    schema: SchemaRef,
    compression: Compression,
}

impl ParquetFormat {
    /// The options in WITH.
    pub const SPECS: &[OptionSpec] = &[optional("parquet.compression")];

    /// The format for files with the columns of `schema`.
    ///
    /// # Errors
    /// `Options` for an unknown compression.
    pub fn read(options: &TableOptions<'_>, schema: &SchemaRef) -> Result<Self> {
        let key = "parquet.compression";
        let name = options.text(key).unwrap_or("SNAPPY");
        let compression = match name.to_ascii_uppercase().as_str() {
            "SNAPPY" => Compression::SNAPPY,
            "ZSTD" => Compression::ZSTD(ZstdLevel::default()),
            "UNCOMPRESSED" => Compression::UNCOMPRESSED,
            _ => return Err(options.invalid(key, name, "SNAPPY, ZSTD or UNCOMPRESSED")),
        };
        Ok(Self {
            schema: Arc::clone(schema),
            compression,
        })
    }

    /// Opens a file behind its first `n_skipped` rows, for the columns of `projection`.
    ///
    /// # Errors
    /// `Connector` if the file cannot be read or is not parquet.
    pub fn open(
        &self,
        path: &Path,
        projection: &[usize],
        n_skipped: usize,
        batch_rows: usize,
    ) -> Result<ParquetRows> {
        let of_file = |error: &dyn std::fmt::Display| {
            EngineError::connector("filesystem", format!("'{}': {error}", path.display()))
        };
        let file = File::open(path).map_err(|error| of_file(&error))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| of_file(&error))?;
        let schema: SchemaRef = Arc::new(self.schema.project(projection)?);
        let file_schema = Arc::clone(builder.schema());
        let wanted = schema
            .fields()
            .iter()
            .filter_map(|field| file_schema.index_of(field.name()).ok());
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let reader = builder
            .with_projection(mask)
            .with_offset(n_skipped)
            .with_batch_size(batch_rows.max(1))
            .build()
            .map_err(|error| of_file(&error))?;
        Ok(ParquetRows {
            reader,
            schema,
            place: path.display().to_string(),
        })
    }

    /// An encoder for a new file.
    ///
    /// # Errors
    /// `Unsupported` if parquet cannot hold a column's type.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        let properties = WriterProperties::builder()
            .set_compression(self.compression)
            .build();
        let fields = self.schema.fields().iter();
        let fields: Vec<_> = fields.map(|field| map_keys::plain_field(field)).collect();
        let schema = Arc::new(Schema::new(fields));
        let writer =
            ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(of_parquet)?;
        Ok(Box::new(ParquetEncoder {
            writer: Some(writer),
        }))
    }
}

/// The rows of one file.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    place: String,
}

impl ParquetRows {
    /// The next rows, with the table's projected schema; `None` at the end.
    ///
    /// # Errors
    /// `Data` if a column cannot be converted or is NULL against its declaration.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.reader.next() else {
            return Ok(None);
        };
        let of_file = |message: &dyn std::fmt::Display| EngineError::Data {
            message: format!("file '{}': {message}", self.place),
        };
        let batch = batch.map_err(|error| of_file(&error))?;
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| match batch.column_by_name(field.name()) {
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                Some(column) => {
                    let of_column = |error: &dyn std::fmt::Display| {
                        of_file(&format!("column '{}': {error}", field.name()))
                    };
                    let plain = map_keys::plain_type(field.data_type());
                    let column = cast_with_options(column, &plain, &strict)
                        .map_err(|error| of_column(&error))?;
                    map_keys::from_plain(&column, field.data_type())
                        .map_err(|error| of_column(&error))
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map(Some)
            .map_err(|error| of_file(&error))
    }
}

struct ParquetEncoder {
    /// Gone once the file is finished.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let writer = self
            .writer
            .as_mut()
            .ok_or_else(|| EngineError::internal("rows for a parquet file that is finished"))?;
        let batch = map_keys::to_plain_batch(batch)?;
        writer.write(&batch).map_err(of_parquet)?;
        // Row groups that are complete; the writer counts its bytes itself.
        out.append(writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            out.append(&mut writer.into_inner().map_err(of_parquet)?);
        }
        Ok(())
    }
}

fn of_parquet(error: parquet::errors::ParquetError) -> EngineError {
    match error {
        parquet::errors::ParquetError::NYI(what) => {
            EngineError::unsupported(format!("{what} in format 'parquet'"))
        }
        error => EngineError::Execution {
            message: error.to_string(),
        },
    }
}
