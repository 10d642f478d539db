//! The manifest: which files a checkpoint has, what is in them, and how to know that they are whole.
//!
//! It is JSON, so that a person can read it, with a checksum of its own text around it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::of_io;
use super::snapshot::ReaderTime;
use crate::error::{EngineError, Result};

/// Name of the manifest in the folder of a checkpoint.
pub(super) const FILE_NAME: &str = "manifest.json";

/// Version of the format. A checkpoint of another one is refused.
pub(super) const FORMAT: u32 = 1;

/// What a folder holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub(super) format: u32,
    /// Version of Tidemill that wrote it.
    pub(super) written_by: String,
    /// Number of the checkpoint in its job.
    pub(super) checkpoint: u64,
    pub(super) is_savepoint: bool,
    pub(super) job_name: String,
    /// Milliseconds since the epoch.
    pub(super) created_ms: i64,
    /// The step after which it was taken.
    pub(super) step: u64,
    pub(super) n_workers: usize,
    pub(super) nodes: Vec<NodeEntry>,
    pub(super) sources: Vec<SourceEntry>,
    /// All nodes of the graph, in its order.
    pub(super) graph: Vec<GraphEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GraphEntry {
    pub(super) id: String,
    /// As EXPLAIN shows it.
    pub(super) name: String,
}

/// The state of an operator or a sink.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NodeEntry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tables: Vec<TableEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableEntry {
    pub(super) name: String,
    /// Columns by whose hash the rows are dealt out to workers.
    pub(super) key_columns: Vec<usize>,
    pub(super) file: FileEntry,
}

/// The readers of a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SourceEntry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) readers: Vec<ReaderEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReaderEntry {
    pub(super) position: serde_json::Value,
    /// Rows that lie before the position and that no step had taken.
    pub(super) rest: Option<FileEntry>,
    pub(super) time: Option<ReaderTime>,
}

/// A file of the Arrow IPC file format.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) n_rows: u64,
    pub(super) n_bytes: u64,
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    sha256: String,
    manifest: Box<RawValue>,
}

impl Manifest {
    /// Bytes of all files.
    pub(super) fn n_bytes(&self) -> u64 {
        self.files().map(|file| file.n_bytes).sum()
    }

    /// Rows of state of all files.
    pub(super) fn n_rows(&self) -> u64 {
        self.files().map(|file| file.n_rows).sum()
    }

    fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let of_nodes = self
            .nodes
            .iter()
            .flat_map(|node| node.tables.iter().map(|table| &table.file));
        let of_sources = self.sources.iter().flat_map(|source| {
            source
                .readers
                .iter()
                .filter_map(|reader| reader.rest.as_ref())
        });
        of_nodes.chain(of_sources)
    }

    /// The text of the manifest's file.
    pub(super) fn to_text(&self) -> Result<String> {
        let not_json = |error: serde_json::Error| EngineError::internal(error.to_string());
        let text = serde_json::to_string_pretty(self).map_err(not_json)?;
        let sealed = Sealed {
            sha256: digest(text.as_bytes()),
            manifest: RawValue::from_string(text).map_err(not_json)?,
        };
        serde_json::to_string(&sealed).map_err(not_json)
    }

    /// Reads the manifest of the checkpoint in `folder`.
    ///
    /// # Errors
    /// If there is none, or it is damaged, or of another version.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path: PathBuf = folder.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| of_io(&path, &error))?;
        let damaged = || damaged(folder, "its manifest is not what was written");
        let sealed: Sealed = serde_json::from_str(&text).map_err(|_| damaged())?;
        if digest(sealed.manifest.get().as_bytes()) != sealed.sha256 {
            return Err(damaged());
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            written_by: String,
        }
        let version: Version =
            serde_json::from_str(sealed.manifest.get()).map_err(|_| damaged())?;
        if version.format != FORMAT {
            return Err(EngineError::Data {
                message: format!(
                    "the checkpoint '{}' has format {}, written by Tidemill {}; this one reads \
                     format {FORMAT}",
                    folder.display(),
                    version.format,
                    version.written_by
                ),
            });
        }
        serde_json::from_str(sealed.manifest.get()).map_err(|_| damaged())
    }
}

/// The error of a checkpoint that cannot be trusted.
pub(super) fn damaged(folder: &Path, why: &str) -> EngineError {
    EngineError::Data {
        message: format!(
            "the checkpoint '{}' is damaged: {why}; name an older one to start from that",
            folder.display()
        ),
    }
}

/// SHA-256 as hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
