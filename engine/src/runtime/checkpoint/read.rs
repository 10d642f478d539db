//! From the path that somebody names to the files of a checkpoint, all of them looked at before any
//! is used.
//!
//! The path is the folder of a checkpoint or savepoint, or a folder that holds checkpoints of one
//! job: then the newest is meant. If that one is damaged, it is an error, and not a reason to use an
//! older one that nobody asked for.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;

use super::manifest::{self, FileEntry, Manifest, damaged};
use super::of_io;
use crate::error::{EngineError, Result};

/// What the folders of checkpoints are called, before their number.
pub(super) const FOLDER_PREFIX: &str = "chk-";

/// The folder of the checkpoint that `path` means.
///
/// # Errors
/// If there is none, or more than one job's.
pub(super) fn locate(path: &Path) -> Result<PathBuf> {
    if path.join(manifest::FILE_NAME).is_file() {
        return Ok(path.to_owned());
    }
    let nothing = |why: &str| EngineError::Options {
        message: format!("no checkpoint to start from at '{}': {why}", path.display()),
    };
    if !path.is_dir() {
        return Err(nothing("there is no such folder"));
    }
    if is_unfinished(path) {
        return Err(nothing("it was not written to its end"));
    }
    if let Some(newest) = newest_in(path)? {
        return Ok(newest);
    }
    let mut found = Vec::new();
    for folder in subfolders(path)? {
        found.extend(newest_in(&folder)?);
    }
    found.sort();
    match found.as_slice() {
        [] => Err(nothing("it holds no complete checkpoint")),
        [one] => Ok(one.clone()),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|folder| format!("'{}'", folder.display()))
                .collect();
            Err(nothing(&format!(
                "it holds checkpoints of several jobs; name one of {}",
                names.join(", ")
            )))
        }
    }
}

/// The complete checkpoint with the highest number in the folder of a job.
fn newest_in(folder: &Path) -> Result<Option<PathBuf>> {
    let numbered = subfolders(folder)?
        .into_iter()
        .filter_map(|folder| Some((number_of(&folder)?, folder)));
    Ok(numbered.max().map(|(_, folder)| folder))
}

/// The number of a complete checkpoint, by the name of its folder.
pub(super) fn number_of(folder: &Path) -> Option<u64> {
    let name = folder.file_name()?.to_str()?;
    name.strip_prefix(FOLDER_PREFIX)?.parse().ok()
}

fn is_unfinished(folder: &Path) -> bool {
    folder
        .extension()
        .is_some_and(|extension| extension == "tmp")
}

/// The folders in a folder.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| of_io(folder, &error))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| of_io(folder, &error))?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

/// The rows of a file of the checkpoint in `folder`.
///
/// # Errors
/// If the file is not what the manifest says.
pub(super) fn rows(folder: &Path, entry: &FileEntry) -> Result<Vec<RecordBatch>> {
    let path = folder.join(&entry.name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged(folder, &format!("'{}' is missing", entry.name)));
        }
        Err(error) => return Err(of_io(&path, &error)),
    };
    let differs = |what: &str| damaged(folder, &format!("'{}' {what}", entry.name));
    if bytes.len() as u64 != entry.n_bytes {
        let lengths = format!("has {} bytes instead of {}", bytes.len(), entry.n_bytes);
        return Err(differs(&lengths));
    }
    if manifest::digest(&bytes) != entry.sha256 {
        return Err(differs("does not have the bytes that were written"));
    }
    let batches = FileReader::try_new(Cursor::new(bytes), None)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| differs(&format!("cannot be read: {error}")))?;
    let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if n_rows as u64 != entry.n_rows {
        return Err(differs(&format!(
            "has {n_rows} rows instead of {}",
            entry.n_rows
        )));
    }
    Ok(batches)
}

/// The manifest of the checkpoint that `path` means, and its folder.
///
/// # Errors
/// As [`locate`] and [`Manifest::read`].
pub(super) fn open(path: &Path) -> Result<(PathBuf, Manifest)> {
    let folder = locate(path)?;
    if !folder.join(manifest::FILE_NAME).is_file() {
        return Err(damaged(&folder, "it has no manifest"));
    }
    let manifest = Manifest::read(&folder)?;
    Ok((folder, manifest))
}
