//! The sink of the connector: appends rows as part files of a folder.
//!
//! ```text
//!   .part-<job>-0-<n>.inprogress ──full, old, or the job ends──▶ part-<job>-0-<n>
//! ```
//!
//! A file that is being written is hidden; renaming makes it visible as a whole. Files roll at the
//! end of a step, when they have `sink.rolling-policy.file-size` or are older than
//! `sink.rolling-policy.rollover-interval`. A job that fails takes its unfinished files with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;

use super::listing::of_io;
use super::partition::Partitioning;
use crate::connectors::{Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta};
use crate::error::Result;
use crate::formats::Encoder;
use crate::formats::registry::FileFormat;

/// When a file is finished and the next one begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rolling {
    pub(super) file_size_bytes: u64,
    pub(super) interval: Duration,
}

/// Opens sinks that append to one folder.
#[derive(Debug, Clone)]
pub(super) struct FileSinkFactory {
    pub(super) folder: PathBuf,
    pub(super) format: FileFormat,
    pub(super) partitioning: Partitioning,
    pub(super) rolling: Rolling,
}

impl SinkFactory for FileSinkFactory {
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        fs::create_dir_all(&self.folder).map_err(|error| of_io(&self.folder, &error))?;
        Ok(Box::new(FileSink {
            settings: self.clone(),
            file_columns: self.partitioning.file_columns(),
            name: format!("part-{:032x}-0", rand::random::<u128>()),
            n_files: 0,
            parts: BTreeMap::new(),
        }))
    }
}

struct FileSink {
    settings: FileSinkFactory,
    file_columns: Vec<usize>,
    /// What the names of this job's files begin with.
    name: String,
    n_files: usize,
    /// The file in progress of each partition folder.
    parts: BTreeMap<String, PartFile>,
}

impl FileSink {
    /// The rows of each partition, in their order.
    fn rows_by_folder(&self, delta: &Delta) -> Result<BTreeMap<String, Vec<u32>>> {
        let mut rows: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (row_idx, row) in (0..delta.num_rows()).zip(0_u32..) {
            let folder = self.settings.partitioning.folder(delta.batch(), row_idx)?;
            rows.entry(folder).or_default().push(row);
        }
        Ok(rows)
    }

    fn append(&mut self, folder: &str, batch: &arrow::array::RecordBatch) -> Result<()> {
        if !self.parts.contains_key(folder) {
            let path = self.settings.folder.join(folder);
            let name = format!("{}-{}", self.name, self.n_files);
            self.n_files += 1;
            let part = PartFile::open(&path, &name, self.settings.format.encoder()?)?;
            self.parts.insert(folder.to_owned(), part);
        }
        match self.parts.get_mut(folder) {
            Some(part) => part.append(&batch.project(&self.file_columns)?),
            None => Ok(()),
        }
    }
}

impl Sink for FileSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        if delta.num_rows() == 0 {
            return Ok(());
        }
        if self.settings.partitioning.keys.is_empty() {
            return self.append("", delta.batch());
        }
        for (folder, rows) in self.rows_by_folder(delta)? {
            let batch = take_record_batch(delta.batch(), &UInt32Array::from(rows))?;
            self.append(&folder, &batch)?;
        }
        Ok(())
    }

    fn on_step_end(&mut self) -> Result<()> {
        let Rolling {
            file_size_bytes,
            interval,
        } = self.settings.rolling;
        let is_due = |part: &PartFile| {
            part.size_bytes >= file_size_bytes || part.opened.elapsed() >= interval
        };
        let due: Vec<String> = self
            .parts
            .iter()
            .filter(|(_, part)| is_due(part))
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in due {
            if let Some(part) = self.parts.remove(&folder) {
                part.commit()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        while let Some((_, part)) = self.parts.pop_first() {
            part.commit()?;
        }
        Ok(())
    }
}

/// A file in progress. Dropped without a commit, it is deleted.
struct PartFile {
    hidden: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    encoder: Box<dyn Encoder>,
    bytes: Vec<u8>,
    size_bytes: u64,
    opened: Instant,
    committed: bool,
}

impl PartFile {
    fn open(folder: &Path, name: &str, encoder: Box<dyn Encoder>) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| of_io(folder, &error))?;
        let hidden = folder.join(format!(".{name}.inprogress"));
        let file = File::create_new(&hidden).map_err(|error| of_io(&hidden, &error))?;
        Ok(Self {
            hidden,
            path: folder.join(name),
            file: BufWriter::new(file),
            encoder,
            bytes: Vec::new(),
            size_bytes: 0,
            opened: Instant::now(),
            committed: false,
        })
    }

    fn append(&mut self, batch: &arrow::array::RecordBatch) -> Result<()> {
        self.encoder.encode(batch, &mut self.bytes)?;
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        self.size_bytes += self.bytes.len() as u64;
        let written = self.file.write_all(&self.bytes);
        self.bytes.clear();
        written.map_err(|error| of_io(&self.hidden, &error))
    }

    fn commit(mut self) -> Result<()> {
        self.encoder.finish(&mut self.bytes)?;
        self.write()?;
        self.file
            .flush()
            .map_err(|error| of_io(&self.hidden, &error))?;
        fs::rename(&self.hidden, &self.path).map_err(|error| of_io(&self.path, &error))?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.committed {
            // The job has failed with an error of its own; a file left behind is hidden.
            let _ = fs::remove_file(&self.hidden);
        }
    }
}
