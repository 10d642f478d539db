//! The reader of text files: blocks of bytes to the decoder, its records on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::listing::{FileQueue, NextFile, of_io};
use super::partition::Layout;
use crate::connectors::{SourcePoll, SourceReader};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::formats::{DecodeError, Decoder};

/// Bytes asked of the file system at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// A reader that waits looks up at least this often, so that its job can be stopped.
pub(super) const MAX_IDLE: Duration = Duration::from_millis(100);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the text files of one share of a table.
pub(super) struct TextReader {
    files: FileQueue,
    decoder: Box<dyn Decoder>,
    layout: Layout,
    current: Option<OpenFile>,
    buffer: Vec<u8>,
}

struct OpenFile {
    path: PathBuf,
    file: File,
    /// Offset in the file of the first byte that has not been decoded.
    offset: u64,
    /// Index of that byte in the buffer.
    start: usize,
    at_end: bool,
}

impl TextReader {
    pub(super) fn new(files: FileQueue, decoder: Box<dyn Decoder>, layout: Layout) -> Self {
        Self {
            files,
            decoder,
            layout,
            current: None,
            buffer: Vec::new(),
        }
    }

    fn open(&mut self, path: PathBuf, offset: u64) -> Result<()> {
        if is_compressed(&path) {
            return Err(EngineError::unsupported(format!(
                "reading the compressed file '{}'",
                path.display()
            )));
        }
        let mut file = File::open(&path).map_err(|error| of_io(&path, &error))?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| of_io(&path, &error))?;
        self.buffer.clear();
        self.current = Some(OpenFile {
            path,
            file,
            offset,
            start: 0,
            at_end: false,
        });
        Ok(())
    }

    /// Decodes on in the current file; `None` when there is nothing left in it for now.
    fn read(&mut self, max_rows: usize) -> Result<Option<Delta>> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        loop {
            let bytes = self.buffer.get(current.start..).unwrap_or_default();
            let at_end = current.at_end && !self.files.is_watched();
            let decoded = self
                .decoder
                .decode(bytes, at_end, max_rows)
                .map_err(|error| located(&current.path, current.offset, &error))?;
            current.start += decoded.n_bytes;
            current.offset += decoded.n_bytes as u64;
            if decoded.n_bytes > 0 {
                self.files.advance(&current.path, current.offset);
            }
            if decoded.batch.num_rows() > 0 {
                let batch = self.layout.complete(&current.path, decoded.batch)?;
                return Ok(Some(match self.decoder.take_kinds() {
                    Some(kinds) => Delta::try_new(batch, kinds)?,
                    None => Delta::insert_only(batch),
                }));
            }
            if decoded.n_bytes > 0 {
                continue;
            }
            if current.at_end {
                return Ok(None);
            }
            fill(current, &mut self.buffer)?;
        }
    }
}

/// Whether Flink would decompress the file, by the ending of its name.
fn is_compressed(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(
        ending,
        Some("bz2" | "deflate" | "gz" | "gzip" | "xz" | "zst")
    )
}

/// Moves what is left of the buffer to its front and reads the next block behind it.
fn fill(current: &mut OpenFile, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.drain(..current.start);
    current.start = 0;
    let n_before = buffer.len();
    let limit = BLOCK_BYTES.max(n_before) as u64;
    (&mut current.file)
        .take(limit)
        .read_to_end(buffer)
        .map_err(|error| of_io(&current.path, &error))?;
    let n_read = buffer.len() - n_before;
    current.at_end = (n_read as u64) < limit;
    if current.offset == 0 && buffer.starts_with(BYTE_ORDER_MARK) {
        current.start = BYTE_ORDER_MARK.len();
        current.offset = BYTE_ORDER_MARK.len() as u64;
    }
    Ok(())
}

/// The error with the file's name and the line, which is counted only now.
fn located(path: &Path, offset: u64, error: &DecodeError) -> EngineError {
    let place = match line_number(path, offset + error.offset as u64) {
        Ok(line) => format!("file '{}', line {line}", path.display()),
        Err(_) => format!(
            "file '{}', byte {}",
            path.display(),
            offset + error.offset as u64
        ),
    };
    EngineError::Data {
        message: error.at(&place),
    }
}

fn line_number(path: &Path, offset: u64) -> std::io::Result<u64> {
    let mut file = File::open(path)?.take(offset);
    let mut block = vec![0; BLOCK_BYTES];
    let mut line = 1;
    loop {
        let n_read = file.read(&mut block)?;
        if n_read == 0 {
            return Ok(line);
        }
        line += memchr::memchr_iter(b'\n', block.get(..n_read).unwrap_or_default()).count() as u64;
    }
}

impl SourceReader for TextReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        loop {
            if let Some(delta) = self.read(max_rows)? {
                return Ok(SourcePoll::Rows(delta));
            }
            self.current = None;
            match self.files.next()? {
                NextFile::File(path, offset) => self.open(path, offset)?,
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
