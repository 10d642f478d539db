//! From a snapshot to a folder that is there as a whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::ipc::writer::FileWriter;
use sha2::{Digest, Sha256};

use super::manifest::{
    self, FORMAT, FileEntry, Manifest, NodeEntry, ReaderEntry, SourceEntry, TableEntry,
};
use super::of_io;
use super::snapshot::{NodeState, SavedTable, Snapshot, SourceState};
use crate::error::{EngineError, Result};

/// Bytes that wait before they are written and hashed.
const BUFFER_BYTES: usize = 1 << 20;

/// What a folder will be called, and by whom it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) folder: PathBuf,
    pub(super) checkpoint: u64,
    pub(super) is_savepoint: bool,
    pub(super) job_name: String,
    pub(super) limit: Limit,
}

/// Until when the folder must be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) started: Instant,
    pub(super) timeout: Duration,
}

impl Limit {
    /// # Errors
    /// If the time is over.
    fn check(self) -> Result<()> {
        if self.started.elapsed() < self.timeout {
            return Ok(());
        }
        Err(EngineError::connector(
            "checkpoint",
            format!(
                "it was not complete after {} ms ('execution.checkpointing.timeout')",
                self.timeout.as_millis()
            ),
        ))
    }
}

/// Writes `snapshot` as the folder `target.folder`. What a failure leaves behind is deleted.
pub(super) fn write(snapshot: Snapshot, target: &Target) -> Result<Manifest> {
    let mut unfinished = target.folder.clone().into_os_string();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    let written = write_unfinished(snapshot, target, &unfinished);
    if written.is_err() {
        // The error that is reported is the first one.
        let _ = fs::remove_dir_all(&unfinished);
    }
    written
}

fn write_unfinished(snapshot: Snapshot, target: &Target, unfinished: &Path) -> Result<Manifest> {
    if target.folder.exists() {
        return Err(EngineError::connector(
            "checkpoint",
            format!("'{}' exists already", target.folder.display()),
        ));
    }
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(|error| of_io(unfinished, &error))?;
    }
    fs::create_dir_all(unfinished).map_err(|error| of_io(unfinished, &error))?;
    let manifest = Manifest {
        format: FORMAT,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        checkpoint: target.checkpoint,
        is_savepoint: target.is_savepoint,
        job_name: target.job_name.clone(),
        created_ms: now_ms(),
        step: snapshot.step,
        n_workers: snapshot.n_workers,
        nodes: snapshot
            .nodes
            .into_iter()
            .map(|node| {
                target.limit.check()?;
                write_node(unfinished, node)
            })
            .collect::<Result<_>>()?,
        sources: snapshot
            .sources
            .into_iter()
            .map(|source| {
                target.limit.check()?;
                write_source(unfinished, source)
            })
            .collect::<Result<_>>()?,
        graph: snapshot.graph,
    };
    let path = unfinished.join(manifest::FILE_NAME);
    let mut file = File::create_new(&path).map_err(|error| of_io(&path, &error))?;
    file.write_all(manifest.to_text()?.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| of_io(&path, &error))?;
    sync_folder(unfinished)?;
    target.limit.check()?;
    fs::rename(unfinished, &target.folder).map_err(|error| of_io(&target.folder, &error))?;
    if let Some(parent) = target.folder.parent() {
        sync_folder(parent)?;
    }
    Ok(manifest)
}

fn write_node(folder: &Path, node: NodeState) -> Result<NodeEntry> {
    let NodeState { id, name, tables } = node;
    let tables = tables
        .into_iter()
        .map(|table| {
            let SavedTable {
                name,
                key_columns,
                batches,
            } = table;
            let file = write_file(folder, format!("{id}-{name}.arrow"), &batches)?;
            Ok(TableEntry {
                name,
                key_columns,
                file,
            })
        })
        .collect::<Result<_>>()?;
    Ok(NodeEntry { id, name, tables })
}

fn write_source(folder: &Path, source: SourceState) -> Result<SourceEntry> {
    let SourceState { id, name, readers } = source;
    let readers = readers
        .into_iter()
        .enumerate()
        .map(|(reader_idx, reader)| {
            let rest = reader
                .rest
                .map(|rows| write_file(folder, format!("{id}-rest-{reader_idx}.arrow"), &[rows]))
                .transpose()?;
            Ok(ReaderEntry {
                position: reader.position,
                rest,
                time: reader.time,
            })
        })
        .collect::<Result<_>>()?;
    Ok(SourceEntry { id, name, readers })
}

fn write_file(folder: &Path, name: String, batches: &[RecordBatch]) -> Result<FileEntry> {
    let path = folder.join(&name);
    let Some(first) = batches.first() else {
        return Err(EngineError::internal("a state table without batches"));
    };
    let file = File::create_new(&path).map_err(|error| of_io(&path, &error))?;
    let hashing = Hashing {
        file,
        hash: Sha256::new(),
        n_bytes: 0,
    };
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, hashing);
    let mut writer = FileWriter::try_new(buffered, &first.schema())?;
    let mut n_rows = 0;
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        n_rows += batch.num_rows() as u64;
        writer.write(batch)?;
    }
    writer.finish()?;
    let hashing = writer
        .into_inner()?
        .into_inner()
        .map_err(|error| of_io(&path, error.error()))?;
    hashing
        .file
        .sync_all()
        .map_err(|error| of_io(&path, &error))?;
    Ok(FileEntry {
        name,
        n_rows,
        n_bytes: hashing.n_bytes,
        sha256: manifest::hex(&hashing.hash.finalize()),
    })
}

/// A file whose bytes are hashed on their way.
struct Hashing {
    file: File,
    hash: Sha256,
    n_bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n_written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..n_written).unwrap_or_default());
        self.n_bytes += n_written as u64;
        Ok(n_written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| of_io(folder, &error))
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since_epoch| i64::try_from(since_epoch.as_millis()).ok())
        .unwrap_or(0)
}
