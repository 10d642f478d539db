//! Partitioned tables: folders named `key=value`, as Hive lays them out.
//!
//! ```text
//!   path/day=2020-01-02/province=%E6…/part-0.csv      files hold the other columns only
//! ```
//!
//! NULL and the empty text share the folder `key=__DEFAULT_PARTITION__` and come back as NULL.
//! Characters that a folder name should not have are written as `%XX`.
//!
//! Source: `PartitionPathUtils` of Flink 2.3; measured.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};

use super::metadata;
use crate::connectors::MetadataColumn;
use crate::data::Parts;
use crate::error::{EngineError, Result};
use crate::formats::write::ValueText;

/// The default of `partition.default-name`.
pub(super) const DEFAULT_NAME: &str = "__DEFAULT_PARTITION__";

/// Which columns of a table stand in its files, and which in the names of its folders.
#[derive(Debug, Clone)]
pub(super) struct Partitioning {
    /// The table's columns.
    pub(super) schema: SchemaRef,
    /// Index of each partition column, in the order of PARTITIONED BY.
    pub(super) keys: Vec<usize>,
    /// `partition.default-name`.
    pub(super) default_name: String,
    /// Keys of the metadata that are the last columns of the schema.
    pub(super) metadata: Vec<String>,
}

impl Partitioning {
    pub(super) fn try_new(
        schema: &SchemaRef,
        keys: &[String],
        default_name: Option<&str>,
    ) -> Result<Self> {
        Ok(Self {
            schema: Arc::clone(schema),
            keys: keys
                .iter()
                .map(|name| Ok(schema.index_of(name)?))
                .collect::<Result<_>>()?,
            default_name: default_name.unwrap_or(DEFAULT_NAME).to_owned(),
            metadata: Vec::new(),
        })
    }

    /// Adds columns of metadata behind the others.
    pub(super) fn with_metadata(mut self, metadata: &[MetadataColumn]) -> Self {
        let fields = self.schema.fields().iter().cloned();
        let added = metadata.iter().map(|column| Arc::clone(&column.field));
        self.schema = Arc::new(Schema::new(fields.chain(added).collect::<Vec<_>>()));
        self.metadata = metadata.iter().map(|column| column.key.clone()).collect();
        self
    }

    fn n_physical(&self) -> usize {
        self.schema.fields().len() - self.metadata.len()
    }

    /// Indices of the columns that stand in the files.
    pub(super) fn file_columns(&self) -> Vec<usize> {
        (0..self.n_physical())
            .filter(|at| !self.keys.contains(at))
            .collect()
    }

    /// The columns that stand in the files.
    pub(super) fn file_schema(&self) -> Result<SchemaRef> {
        Ok(Arc::new(self.schema.project(&self.file_columns())?))
    }

    /// The folder of a row, relative to the table's path; empty without partition columns.
    pub(super) fn folder(&self, batch: &RecordBatch, row_idx: usize) -> Result<String> {
        let mut folder = String::new();
        for &key in &self.keys {
            let mut value = String::new();
            let column = batch.column(key);
            if column.is_valid(row_idx) {
                ValueText::default().write(column, row_idx, &mut value)?;
            }
            if !folder.is_empty() {
                folder.push('/');
            }
            escape(self.schema.field(key).name(), &mut folder);
            folder.push('=');
            escape(
                if value.is_empty() {
                    &self.default_name
                } else {
                    &value
                },
                &mut folder,
            );
        }
        Ok(folder)
    }

    /// What a reader needs to put the columns of the folders beside those of the files.
    pub(super) fn layout(&self, projection: &[usize]) -> Result<Layout> {
        let file_columns = self.file_columns();
        let mut columns = Vec::with_capacity(projection.len());
        let mut file_projection = Vec::new();
        for &at in projection {
            match file_columns.iter().position(|&column| column == at) {
                Some(file_column) => {
                    columns.push(Column::File(file_projection.len()));
                    file_projection.push(file_column);
                }
                None => columns.push(match at.checked_sub(self.n_physical()) {
                    Some(metadata_idx) => Column::Metadata(
                        self.metadata
                            .get(metadata_idx)
                            .cloned()
                            .ok_or_else(|| EngineError::internal(format!("no column {at}")))?,
                    ),
                    None => Column::Folder(self.schema.field(at).name().clone()),
                }),
            }
        }
        Ok(Layout {
            schema: Arc::new(self.schema.project(projection)?),
            columns,
            file_projection,
            default_name: self.default_name.clone(),
        })
    }
}

/// Where a projected column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    /// Index among the columns that are read from the file.
    File(usize),
    /// The name before the `=` of a folder.
    Folder(String),
    /// What this key says about the file.
    Metadata(String),
}

/// How projected rows are put together.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    columns: Vec<Column>,
    /// The columns to read from the files, as indices into the file's schema.
    pub(super) file_projection: Vec<usize>,
    default_name: String,
}

impl Layout {
    /// What is looked at of each column that is read from the files, given that of the projected
    /// columns; empty for all.
    pub(super) fn file_parts(&self, parts: &[Parts]) -> Vec<Parts> {
        let columns = self.columns.iter().zip(parts);
        columns
            .filter(|(column, _)| matches!(column, Column::File(_)))
            .map(|(_, parts)| parts.clone())
            .collect()
    }

    /// Adds what `path` says to the rows read from it.
    pub(super) fn complete(&self, path: &Path, batch: RecordBatch) -> Result<RecordBatch> {
        if self
            .columns
            .iter()
            .all(|column| matches!(column, Column::File(_)))
        {
            return Ok(batch);
        }
        let n_rows = batch.num_rows();
        let arrays = self
            .columns
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| match column {
                Column::File(at) => Ok(Arc::clone(batch.column(*at))),
                Column::Metadata(key) => metadata::column(key, path, n_rows),
                Column::Folder(name) => {
                    let value = self.value(path, name)?;
                    constant(value.as_deref(), field.data_type(), n_rows)
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            arrays,
            &options,
        )?)
    }

    fn value(&self, path: &Path, name: &str) -> Result<Option<String>> {
        let found = path.components().rev().find_map(|component| {
            let text = component.as_os_str().to_str()?;
            let (key, value) = text.split_once('=')?;
            (unescape(key) == name).then(|| unescape(value))
        });
        match found {
            Some(value) if value == self.default_name => Ok(None),
            Some(value) => Ok(Some(value)),
            None => Err(EngineError::connector(
                super::IDENTIFIER,
                format!("'{}' lies in no folder '{name}=…'", path.display()),
            )),
        }
    }
}

fn constant(
    value: Option<&str>,
    data_type: &arrow::datatypes::DataType,
    n_rows: usize,
) -> Result<ArrayRef> {
    let Some(value) = value else {
        return Ok(new_null_array(data_type, n_rows));
    };
    let texts = StringArray::from_iter_values(std::iter::repeat_n(value, n_rows));
    Ok(cast(&texts, data_type)?)
}

/// Keys and values that the folder of a partition names, in their order.
pub(super) fn values_of(folder: &str) -> Vec<(String, String)> {
    let pairs = folder.split('/').filter_map(|part| part.split_once('='));
    pairs
        .map(|(key, value)| (unescape(key), unescape(value)))
        .collect()
}

/// Appends a name of a folder.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        let forbidden = c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c);
        if forbidden {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let code = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if byte == b'%' => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The schema without partition columns, for a table that has none.
pub(super) fn unpartitioned(schema: &SchemaRef) -> Partitioning {
    Partitioning {
        schema: Arc::clone(schema),
        keys: Vec::new(),
        default_name: DEFAULT_NAME.to_owned(),
        metadata: Vec::new(),
    }
}

/// Refuses a table all of whose columns stand in folder names: a file needs a column.
pub(super) fn check_file_schema(schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(EngineError::Options {
            message: "a partitioned table needs a column that is not in PARTITIONED BY".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_folders() {
        for (text, folder) in [
            ("x", "x"),
            ("y/=z", "y%2F%3Dz"),
            ("中 %", "中 %25"),
            ("a:b?", "a%3Ab%3F"),
        ] {
            let mut escaped = String::new();
            escape(text, &mut escaped);
            assert_eq!(escaped, folder);
            assert_eq!(unescape(&escaped), text);
        }
        assert_eq!(unescape("100%"), "100%");
    }
}
