//! Which files a table has, and how far each has been read.
//!
//! ```text
//!   bounded:  list once ──▶ queue ──▶ (empty) end
//!   watched:  list ──▶ queue ──▶ (empty) wait, list again: new files, and files that have grown
//! ```
//!
//! Files are found in subfolders too, in the order of their paths; names that begin with `.` or
//! `_` are hidden. A watched file that is shorter than what was read of it, or that is another
//! file under the same name, is read anew from its start.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};

use super::IDENTIFIER;
use crate::error::{EngineError, Result};

/// A file as the file system shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedFile {
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
    inode: u64,
}

/// Where to look, and for what.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// A file or a folder.
    pub(super) root: PathBuf,
    /// `source.path.regex-pattern`: the whole path must match.
    pub(super) pattern: Option<Regex>,
    /// Whether files lie in folders of partitions: then there are none before the first INSERT,
    /// as in Flink.
    pub(super) is_partitioned: bool,
}

impl Location {
    /// The visible files, in the order of their paths.
    pub(super) fn list(&self) -> Result<Vec<ListedFile>> {
        let mut files = Vec::new();
        let metadata = match fs::metadata(&self.root) {
            Err(error) if self.is_partitioned && error.kind() == ErrorKind::NotFound => {
                return Ok(files);
            }
            other => other.map_err(|error| of_io(&self.root, &error))?,
        };
        if metadata.is_dir() {
            list_folder(&self.root, &mut files)?;
        } else {
            files.push(listed(&self.root, &metadata));
        }
        if let Some(pattern) = &self.pattern {
            files.retain(|file| pattern.is_match(&file.path.to_string_lossy()));
        }
        files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// A number that changes when files come, go or are written.
    pub(super) fn version(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        for file in self.list()? {
            let metadata = fs::metadata(&file.path).map_err(|error| of_io(&file.path, &error))?;
            let written = (metadata.mtime(), metadata.mtime_nsec());
            (&file.path, file.size_bytes, file.inode, written).hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

fn list_folder(folder: &Path, files: &mut Vec<ListedFile>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| of_io(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| of_io(folder, &error))?;
        let name = entry.file_name();
        if matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')) {
            continue;
        }
        let path = entry.path();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => list_folder(&path, files)?,
            Ok(metadata) => files.push(listed(&path, &metadata)),
            // Gone between the two calls: renamed or deleted by its writer.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(of_io(&path, &error)),
        }
    }
    Ok(())
}

fn listed(path: &Path, metadata: &fs::Metadata) -> ListedFile {
    ListedFile {
        path: path.to_owned(),
        size_bytes: metadata.len(),
        inode: metadata.ino(),
    }
}

/// An error of the file system that names the path.
pub(in crate::connectors) fn of_io(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::connector(IDENTIFIER, format!("'{}': {error}", path.display()))
}

/// Deals files out to `n_shares` readers: the largest first, each to the reader with least to do.
pub(super) fn deal(files: Vec<ListedFile>, n_shares: usize) -> Vec<Vec<ListedFile>> {
    let n_shares = n_shares.clamp(1, files.len().max(1));
    let mut by_size = files;
    by_size.sort_by_key(|file| std::cmp::Reverse(file.size_bytes));
    let mut shares: Vec<(u64, Vec<ListedFile>)> = vec![(0, Vec::new()); n_shares];
    for file in by_size {
        if let Some(share) = shares.iter_mut().min_by_key(|(size_bytes, _)| *size_bytes) {
            share.0 += file.size_bytes;
            share.1.push(file);
        }
    }
    shares
        .into_iter()
        .map(|(_, mut files)| {
            files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
            files
        })
        .collect()
}

/// The positions of all readers as one, for any number of readers.
///
/// # Errors
/// If a file that was being read is gone; in a watched folder files may go.
pub(super) fn merged(positions: &[Value], is_watched: bool) -> Result<Value> {
    let mut files = serde_json::Map::new();
    for position in positions {
        for (path, entry) in files_of(position)? {
            if !is_watched && !Path::new(path).exists() {
                let message = format!("'{path}' was being read and is gone");
                return Err(EngineError::connector(IDENTIFIER, message));
            }
            files.insert(path.clone(), entry.clone());
        }
    }
    Ok(json!({ "files": files }))
}

fn files_of(position: &Value) -> Result<&serde_json::Map<String, Value>> {
    let files = position.get("files").and_then(Value::as_object);
    files.ok_or_else(|| EngineError::internal(format!("no 'files' in the position {position}")))
}

/// How a watched folder is shared: each reader lists it and takes its own files.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) location: Location,
    pub(super) interval: Duration,
    pub(super) share_idx: usize,
    pub(super) n_shares: usize,
}

impl Watch {
    fn list(&self) -> Result<Vec<ListedFile>> {
        let mut files = self.location.list()?;
        files.retain(|file| self.owns(&file.path));
        Ok(files)
    }

    /// Whether the file is of this share.
    fn owns(&self, path: &Path) -> bool {
        let hash = path
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        hash % self.n_shares as u64 == self.share_idx as u64
    }
}

/// How far one file has been read.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Bytes of text, rows of parquet.
    offset: u64,
    /// Size when it was last queued: while it stays, there is nothing new.
    size_bytes: Option<u64>,
    inode: Option<u64>,
}

/// The files of one reader, and what is left to read.
#[derive(Debug)]
pub(super) struct FileQueue {
    watch: Option<Watch>,
    last_listed: Option<Instant>,
    queue: VecDeque<PathBuf>,
    progress: BTreeMap<PathBuf, Progress>,
}

/// What [`FileQueue::next`] has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextFile {
    /// Read on here, from this offset.
    File(PathBuf, u64),
    /// Nothing before this has passed.
    Wait(Duration),
    /// Nothing any more.
    End,
}

impl FileQueue {
    /// These files, once.
    pub(super) fn bounded(files: Vec<ListedFile>) -> Self {
        let queue = files.iter().map(|file| file.path.clone()).collect();
        let progress = files
            .into_iter()
            .map(|file| (file.path, Progress::default()))
            .collect();
        Self {
            watch: None,
            last_listed: None,
            queue,
            progress,
        }
    }

    /// A folder that is watched. It is listed at once, so that a reader knows whether it has files.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub(super) fn watched(watch: Watch) -> Result<Self> {
        let mut queue = Self {
            watch: Some(watch),
            last_listed: None,
            queue: VecDeque::new(),
            progress: BTreeMap::new(),
        };
        queue.list_again()?;
        Ok(queue)
    }

    /// Takes notice of what has changed in the folder, if one is watched.
    fn list_again(&mut self) -> Result<()> {
        let Some(watch) = &self.watch else {
            return Ok(());
        };
        let files = watch.list()?;
        self.last_listed = Some(Instant::now());
        for file in files {
            self.enqueue_if_changed(file);
        }
        Ok(())
    }

    /// Whether there are files.
    pub(super) fn has_files(&self) -> bool {
        !self.progress.is_empty()
    }

    /// Whether the files may still grow.
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// The next file that has something to read.
    pub(super) fn next(&mut self) -> Result<NextFile> {
        if let Some(path) = self.queue.pop_front() {
            let offset = self
                .progress
                .get(&path)
                .map_or(0, |progress| progress.offset);
            return Ok(NextFile::File(path, offset));
        }
        let Some(watch) = &self.watch else {
            return Ok(NextFile::End);
        };
        if let Some(last) = self.last_listed {
            let passed = last.elapsed();
            if passed < watch.interval {
                return Ok(NextFile::Wait(watch.interval - passed));
            }
        }
        let interval = watch.interval;
        self.list_again()?;
        match self.queue.is_empty() {
            false => self.next(),
            true => Ok(NextFile::Wait(interval)),
        }
    }

    fn enqueue_if_changed(&mut self, file: ListedFile) {
        let progress = self.progress.entry(file.path.clone()).or_default();
        let replaced = progress.inode.is_some_and(|inode| inode != file.inode);
        if replaced || file.size_bytes < progress.offset {
            *progress = Progress::default();
        }
        if progress.size_bytes != Some(file.size_bytes) {
            progress.size_bytes = Some(file.size_bytes);
            progress.inode = Some(file.inode);
            self.queue.push_back(file.path);
        }
    }

    /// A file has been read up to `offset`.
    pub(super) fn advance(&mut self, path: &Path, offset: u64) {
        if let Some(progress) = self.progress.get_mut(path) {
            progress.offset = offset;
        }
    }

    /// The offsets of all files, and their inodes if they are watched.
    pub(super) fn position(&self) -> Value {
        let files: serde_json::Map<String, Value> = self
            .progress
            .iter()
            .map(|(path, progress)| {
                let entry = json!({ "offset": progress.offset, "inode": progress.inode });
                (path.to_string_lossy().into_owned(), entry)
            })
            .collect();
        json!({ "files": files })
    }

    /// Continues from a position.
    pub(super) fn seek(&mut self, position: &Value) -> Result<()> {
        let files = files_of(position)?;
        match &self.watch {
            // What has come since is not of the table that was listed.
            None => {
                self.queue
                    .retain(|path| files.contains_key(path.to_string_lossy().as_ref()));
                self.progress
                    .retain(|path, _| files.contains_key(path.to_string_lossy().as_ref()));
            }
            Some(watch) => {
                let own = files
                    .keys()
                    .map(PathBuf::from)
                    .filter(|path| watch.owns(path));
                self.progress = own.map(|path| (path, Progress::default())).collect();
                self.queue.clear();
                self.last_listed = None;
            }
        }
        for (path, entry) in files {
            let Some(progress) = self.progress.get_mut(Path::new(path)) else {
                continue;
            };
            progress.offset = entry
                .get("offset")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            progress.inode = entry.get("inode").and_then(Value::as_u64);
        }
        Ok(())
    }
}
