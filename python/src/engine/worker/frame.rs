//! The frames of all streams: `tag (1 byte) · length (8 bytes, little endian) · payload`.
//!
//! | tag | stream | payload |
//! | --- | --- | --- |
//! | hello | all, first | the token, a NUL, the name of the stream |
//! | define | data, to the worker | function number, its properties as JSON, its pickled code |
//! | call | data, to the worker | function number, number of rows, arguments as an Arrow IPC stream |
//! | result | data, from the worker | results as an Arrow IPC stream of one column |
//! | error | data, from the worker | text |
//!
//! Answers come in the order of the calls; a definition that fails is told by the first call.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// Nobody sends more in one frame; a length beyond it means that the peer speaks something else.
const MAX_FRAME_BYTES: u64 = 4 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Hello = 1,
    Define = 2,
    Call = 3,
    Result = 4,
    Error = 5,
}

impl Tag {
    fn of(byte: u8) -> io::Result<Self> {
        Ok(match byte {
            1 => Self::Hello,
            2 => Self::Define,
            3 => Self::Call,
            4 => Self::Result,
            5 => Self::Error,
            _ => return Err(malformed("an unknown frame")),
        })
    }
}

/// Writes one frame whose payload is the parts behind each other.
pub(super) fn write(stream: &mut impl Write, tag: Tag, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut head = [0_u8; 9];
    let (first, rest) = head.split_at_mut(1);
    first.copy_from_slice(&[tag as u8]);
    rest.copy_from_slice(&(length as u64).to_le_bytes());
    stream.write_all(&head)?;
    for part in parts {
        stream.write_all(part)?;
    }
    stream.flush()
}

/// Reads one frame; none if the stream ended before it.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<(Tag, Vec<u8>)>> {
    let mut tag = [0_u8; 1];
    if stream.read(&mut tag)? == 0 {
        return Ok(None);
    }
    let mut length = [0_u8; 8];
    stream.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_FRAME_BYTES {
        return Err(malformed("a frame of more than 4 GiB"));
    }
    let [tag] = tag;
    let mut payload = Vec::new();
    stream.take(length).read_to_end(&mut payload)?;
    if payload.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((Tag::of(tag)?, payload)))
}

/// The payload of a hello.
pub(super) fn hello(token: &str, stream: &str) -> Vec<u8> {
    format!("{token}\0{stream}").into_bytes()
}

/// The numbers at the beginning of a payload, and what follows them.
pub(super) fn numbers<const N: usize>(payload: &[u8]) -> io::Result<([u64; N], &[u8])> {
    let (head, rest) = payload
        .split_at_checked(N * 8)
        .ok_or_else(|| malformed("a frame that is too short"))?;
    let mut numbers = [0_u64; N];
    for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(8)) {
        let mut word = [0_u8; 8];
        word.copy_from_slice(bytes);
        *number = u64::from_le_bytes(word);
    }
    Ok((numbers, rest))
}

/// Columns as an Arrow IPC stream of one batch. `field` describes the only column; without it the
/// columns are described by their Arrow types.
pub(super) fn encode_columns(
    columns: &[ArrayRef],
    n_rows: usize,
    field: Option<&FieldRef>,
) -> Result<Vec<u8>, ArrowError> {
    let fields: Vec<FieldRef> = columns
        .iter()
        .enumerate()
        .map(|(idx, column)| match field {
            Some(field) => Arc::clone(field),
            None => Arc::new(Field::new(
                idx.to_string(),
                column.data_type().clone(),
                true,
            )),
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns.to_vec(), &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The columns of the only batch of an Arrow IPC stream.
pub(super) fn decode_columns(bytes: &[u8]) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    match reader.next() {
        Some(batch) => Ok(batch?.columns().to_vec()),
        None => Err(ArrowError::IpcError("a frame without rows".to_owned())),
    }
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
