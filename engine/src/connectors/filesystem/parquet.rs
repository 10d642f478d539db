//! The reader of parquet files. Its position counts rows; a file is taken to be complete when it
//! has its name.

use std::path::PathBuf;

use serde_json::Value;

use super::listing::{FileQueue, NextFile};
use super::partition::Layout;
use super::text::MAX_IDLE;
use crate::connectors::{SourcePoll, SourceReader};
use crate::data::Delta;
use crate::error::Result;
use crate::formats::parquet::{ParquetFormat, ParquetRows};

/// Reads the parquet files of one share of a table.
pub(super) struct ParquetReader {
    files: FileQueue,
    format: ParquetFormat,
    layout: Layout,
    current: Option<OpenFile>,
}

struct OpenFile {
    path: PathBuf,
    rows: ParquetRows,
    n_rows: u64,
}

impl ParquetReader {
    pub(super) fn new(files: FileQueue, format: ParquetFormat, layout: Layout) -> Self {
        Self {
            files,
            format,
            layout,
            current: None,
        }
    }
}

impl SourceReader for ParquetReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(batch) = current.rows.next_batch()? {
                    current.n_rows += batch.num_rows() as u64;
                    self.files.advance(&current.path, current.n_rows);
                    let batch = self.layout.complete(&current.path, batch)?;
                    return Ok(SourcePoll::Rows(Delta::insert_only(batch)));
                }
                self.current = None;
            }
            match self.files.next()? {
                NextFile::File(path, n_rows) => {
                    let skipped = usize::try_from(n_rows).unwrap_or(usize::MAX);
                    let projection = &self.layout.file_projection;
                    let rows = self.format.open(&path, projection, skipped, max_rows)?;
                    self.current = Some(OpenFile { path, rows, n_rows });
                }
                NextFile::Wait(interval) => return Ok(SourcePoll::Idle(interval.min(MAX_IDLE))),
                NextFile::End => return Ok(SourcePoll::End),
            }
        }
    }

    fn has_input(&self) -> bool {
        self.files.has_files()
    }

    fn position(&self) -> Value {
        self.files.position()
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        self.files.seek(position)
    }
}
