//! The sink of the connector: appends rows as part files of a folder.
//!
//! ```text
//!   .part-<job>-0-<n>.inprogress ──full, old, or the job ends──▶ part-<job>-0-<n>
//! ```
//!
//! A file that is being written is hidden; renaming makes it visible as a whole. Files roll at the
//! end of a step, when they have `sink.rolling-policy.file-size` or are older than
//! `sink.rolling-policy.rollover-interval`. A job that fails takes its unfinished files with it.
//!
//! In a job that is saved from time to time files roll with every checkpoint and become visible
//! when it is complete: a job that starts from it writes every row once. Files that the checkpoint
//! names are made visible if they are still hidden; what was written after it is deleted.
//! Partitions that are complete are committed with it (`commit.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};

use super::IDENTIFIER;
use super::commit::{CommitPolicy, Now, PENDING, PartitionCommits};
use super::listing::of_io;
use super::partition::Partitioning;
use crate::connectors::{Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::formats::Encoder;
use crate::formats::registry::FileFormat;
use crate::state::StateTable;

/// Files that a checkpoint makes visible.
const FILES: &str = "files";
/// What the names of the job's files begin with.
const NAME: &str = "name";

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
    /// How partitions are committed, if they are.
    pub(super) commit: Option<CommitPolicy>,
    /// Whether the files that are there go when the job ends: all of a table without partitions,
    /// else those of the partitions that are written.
    pub(super) overwrites: bool,
}

impl SinkFactory for FileSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        self.format.changelog_mode()
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        fs::create_dir_all(&self.folder).map_err(|error| of_io(&self.folder, &error))?;
        Ok(Box::new(FileSink {
            settings: self.clone(),
            file_columns: self.partitioning.file_columns(),
            name: format!("part-{:032x}-0", rand::random::<u128>()),
            n_files: 0,
            parts: BTreeMap::new(),
            waits: false,
            closed: Vec::new(),
            prepared: Vec::new(),
            commits: self.commit.clone().map(PartitionCommits::new),
            watermark_ms: i64::MIN,
        }))
    }

    fn overwriting(&self) -> Option<Arc<dyn SinkFactory>> {
        Some(Arc::new(Self {
            overwrites: true,
            ..self.clone()
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
    /// Whether files become visible with checkpoints only.
    waits: bool,
    /// Complete files of no checkpoint yet.
    closed: Vec<PartFile>,
    /// Complete files that wait for the checkpoint with this number.
    prepared: Vec<(u64, PartFile)>,
    commits: Option<PartitionCommits>,
    watermark_ms: i64,
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

    fn append(&mut self, folder: &str, delta: &Delta) -> Result<()> {
        if !self.parts.contains_key(folder) {
            let path = self.settings.folder.join(folder);
            let name = format!("{}-{}", self.name, self.n_files);
            self.n_files += 1;
            let part = PartFile::open(&path, &name, self.settings.format.encoder()?)?;
            self.parts.insert(folder.to_owned(), part);
        }
        match self.parts.get_mut(folder) {
            Some(part) => {
                part.append(&delta.with_batch(delta.batch().project(&self.file_columns)?)?)
            }
            None => Ok(()),
        }
    }
}

impl FileSink {
    /// Deletes the visible files of the folders that are written, and of the whole table if it has
    /// no partitions.
    fn remove_replaced(&self) -> Result<()> {
        let prepared = self.prepared.iter().map(|(_, part)| part);
        let mut folders: BTreeSet<&Path> = prepared
            .chain(&self.closed)
            .filter_map(|part| part.path.parent())
            .collect();
        if self.settings.partitioning.keys.is_empty() {
            folders.insert(&self.settings.folder);
        }
        for path in folders {
            let Ok(entries) = fs::read_dir(path) else {
                continue;
            };
            for entry in entries {
                let entry = entry.map_err(|error| of_io(path, &error))?;
                let is_hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
                let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                if is_file && !is_hidden {
                    let file = entry.path();
                    fs::remove_file(&file).map_err(|error| of_io(&file, &error))?;
                }
            }
        }
        Ok(())
    }
}

impl Sink for FileSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        if delta.num_rows() == 0 {
            return Ok(());
        }
        if self.settings.partitioning.keys.is_empty() {
            return self.append("", delta);
        }
        let clock_ms = now_ms();
        for (folder, rows) in self.rows_by_folder(delta)? {
            if let Some(commits) = &mut self.commits {
                commits.touch(&folder, clock_ms);
            }
            self.append(&folder, &delta.take(&UInt32Array::from(rows))?)?;
        }
        Ok(())
    }

    fn on_step_end(&mut self) -> Result<()> {
        if self.settings.overwrites {
            // The new files replace the old ones at once, at the end.
            return Ok(());
        }
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
        due.iter().try_for_each(|folder| self.roll(folder))?;
        if self.waits {
            return Ok(());
        }
        let now = self.now();
        let complete = match &mut self.commits {
            Some(commits) => commits.take_due(now)?,
            None => Vec::new(),
        };
        complete.iter().try_for_each(|folder| self.roll(folder))?;
        self.announce(&complete)
    }

    fn on_watermark(&mut self, watermark_ms: i64) {
        self.watermark_ms = watermark_ms;
    }

    fn next_timer_ms(&self) -> Option<i64> {
        if self.waits || self.settings.overwrites {
            return None;
        }
        let interval_ms = i64::try_from(self.settings.rolling.interval.as_millis()).ok();
        let opened = self.parts.values().map(|part| part.opened).min();
        let rolls = opened.zip(interval_ms).map(|(opened, interval_ms)| {
            let age_ms = i64::try_from(opened.elapsed().as_millis()).unwrap_or(i64::MAX);
            now_ms().saturating_add(interval_ms).saturating_sub(age_ms)
        });
        let commits = self
            .commits
            .as_ref()
            .and_then(PartitionCommits::next_timer_ms);
        rolls.into_iter().chain(commits).min()
    }

    fn finish(&mut self) -> Result<()> {
        self.close_all()?;
        if self.settings.overwrites {
            self.remove_replaced()?;
        }
        let prepared = std::mem::take(&mut self.prepared).into_iter();
        let closed = std::mem::take(&mut self.closed);
        prepared
            .map(|(_, part)| part)
            .chain(closed)
            .try_for_each(PartFile::show)?;
        let (now, has_ended) = (self.now(), self.watermark_ms == i64::MAX);
        let complete = match &mut self.commits {
            Some(commits) if has_ended => commits.take_all(),
            Some(commits) => commits.take_due(now)?,
            None => Vec::new(),
        };
        self.announce(&complete)
    }

    fn expect_checkpoints(&mut self) {
        self.waits = true;
    }

    fn prepare(&mut self, checkpoint: u64) -> Result<Vec<StateTable>> {
        self.close_all()?;
        let closed = std::mem::take(&mut self.closed);
        for part in &closed {
            part.sync()?;
        }
        self.prepared
            .extend(closed.into_iter().map(|part| (checkpoint, part)));
        let texts = |path: fn(&PartFile) -> &PathBuf| -> ArrayRef {
            let parts = self.prepared.iter().map(|(_, part)| part);
            let paths = parts.map(|part| path(part).to_string_lossy().into_owned());
            Arc::new(StringArray::from_iter_values(paths))
        };
        let files = RecordBatch::try_from_iter([
            ("hidden", texts(|part| &part.hidden)),
            ("path", texts(|part| &part.path)),
        ])?;
        let name: ArrayRef = Arc::new(StringArray::from(vec![self.name.clone()]));
        let table = |name, batch| StateTable {
            name,
            batch,
            key_columns: Vec::new(),
        };
        let mut tables = vec![
            table(FILES, files),
            table(NAME, RecordBatch::try_from_iter([("name", name)])?),
        ];
        let now = self.now();
        if let Some(commits) = &mut self.commits {
            commits.promise(checkpoint, now)?;
            tables.push(commits.save()?);
        }
        Ok(tables)
    }

    fn commit(&mut self, checkpoint: u64) -> Result<()> {
        if self.settings.overwrites {
            return Ok(());
        }
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.prepared)
            .into_iter()
            .partition(|(number, _)| *number <= checkpoint);
        self.prepared = rest;
        due.into_iter().try_for_each(|(_, part)| part.show())?;
        let complete = match &mut self.commits {
            Some(commits) => commits.take_promised(checkpoint),
            None => Vec::new(),
        };
        self.announce(&complete)
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables.iter().filter(|table| table.name == FILES) {
            let hidden = texts_of(&table.batch, "hidden")?;
            for (hidden, path) in hidden.into_iter().zip(texts_of(&table.batch, "path")?) {
                let (hidden, path) = (PathBuf::from(hidden), PathBuf::from(path));
                if hidden.exists() {
                    fs::rename(&hidden, &path).map_err(|error| of_io(&path, &error))?;
                } else if !path.exists() {
                    let message = format!(
                        "'{}' was written before the checkpoint and is gone",
                        path.display()
                    );
                    return Err(EngineError::connector(IDENTIFIER, message));
                }
            }
        }
        if let Some(commits) = &mut self.commits {
            for table in tables.iter().filter(|table| table.name == PENDING) {
                commits.restore(&table.batch)?;
            }
        }
        for table in tables.iter().filter(|table| table.name == NAME) {
            for name in texts_of(&table.batch, "name")? {
                delete_hidden(&self.settings.folder, &format!(".{name}-"))?;
            }
        }
        Ok(())
    }
}

impl FileSink {
    fn now(&self) -> Now {
        Now {
            clock_ms: now_ms(),
            watermark_ms: self.watermark_ms,
        }
    }

    /// Ends the file in progress of a folder.
    fn roll(&mut self, folder: &str) -> Result<()> {
        let Some(mut part) = self.parts.remove(folder) else {
            return Ok(());
        };
        part.close()?;
        match self.waits {
            true => self.closed.push(part),
            false => part.show()?,
        }
        Ok(())
    }

    /// Tells the readers of these partitions that they are complete.
    fn announce(&self, folders: &[String]) -> Result<()> {
        let Some(commits) = &self.commits else {
            return Ok(());
        };
        let mut folders = folders.iter();
        folders.try_for_each(|folder| commits.announce(&self.settings.folder, folder))
    }

    /// Completes the files in progress.
    fn close_all(&mut self) -> Result<()> {
        while let Some((_, mut part)) = self.parts.pop_first() {
            part.close()?;
            self.closed.push(part);
        }
        Ok(())
    }
}

/// Deletes the hidden files of a job that is gone, by what their names begin with.
fn delete_hidden(folder: &Path, prefix: &str) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| of_io(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| of_io(folder, &error))?;
        let path = entry.path();
        if path.is_dir() {
            delete_hidden(&path, prefix)?;
        } else if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_file(&path).map_err(|error| of_io(&path, &error))?;
        }
    }
    Ok(())
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn texts_of(batch: &RecordBatch, column: &str) -> Result<Vec<String>> {
    let texts = batch
        .column_by_name(column)
        .and_then(|texts| texts.as_string_opt::<i32>())
        .ok_or_else(|| EngineError::internal("the files of something else"))?;
    Ok(texts.iter().flatten().map(ToOwned::to_owned).collect())
}

/// A file that is hidden. Dropped before it is shown, it is deleted.
struct PartFile {
    hidden: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    encoder: Box<dyn Encoder>,
    bytes: Vec<u8>,
    size_bytes: u64,
    opened: Instant,
    is_shown: bool,
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
            is_shown: false,
        })
    }

    fn append(&mut self, delta: &Delta) -> Result<()> {
        let (batch, kinds) = (delta.batch(), delta.kinds());
        self.encoder.encode_changes(batch, kinds, &mut self.bytes)?;
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        self.size_bytes += self.bytes.len() as u64;
        let written = self.file.write_all(&self.bytes);
        self.bytes.clear();
        written.map_err(|error| of_io(&self.hidden, &error))
    }

    /// Writes the last bytes: the file is complete, and hidden.
    fn close(&mut self) -> Result<()> {
        self.encoder.finish(&mut self.bytes)?;
        self.write()?;
        self.file
            .flush()
            .map_err(|error| of_io(&self.hidden, &error))
    }

    /// Waits until the file is on the disk.
    fn sync(&self) -> Result<()> {
        self.file
            .get_ref()
            .sync_all()
            .map_err(|error| of_io(&self.hidden, &error))
    }

    /// Makes the file visible.
    fn show(mut self) -> Result<()> {
        fs::rename(&self.hidden, &self.path).map_err(|error| of_io(&self.path, &error))?;
        self.is_shown = true;
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.is_shown {
            // The job has failed with an error of its own; a file left behind is hidden.
            let _ = fs::remove_file(&self.hidden);
        }
    }
}
