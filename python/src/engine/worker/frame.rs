//! The frames of all streams: `tag (1 byte) · length (8 bytes, little endian) · payload`.
//!
//! | tag | stream | payload | answer |
//! | --- | --- | --- | --- |
//! | hello | all, first | the token, a NUL, the name of the stream | |
//! | define | data, to the worker | function number, its properties as JSON, its pickled code | |
//! | call | data, to the worker | function number, number of rows, arguments | result |
//! | open | data, to the worker | states number, function number | done |
//! | update | data, to the worker | states number, number of rows, what is there, groups, signs, what counts, arguments | done |
//! | update each | data, to the worker | as update | result |
//! | read, save | data, to the worker | states number, number of groups, groups | result |
//! | restore | data, to the worker | states number, number of groups, groups, what was saved | done |
//! | clear | data, to the worker | states number, group | |
//! | drop | data, to the worker | states number | |
//! | end | data, to the worker | function number | metrics |
//! | result | data, from the worker | one column | |
//! | done | data, from the worker | | |
//! | error | data, from the worker | text | |
//! | metrics | data or metrics, from the worker | function number, its metrics as JSON | |
//!
//! Columns are an Arrow IPC stream of one batch. A states number stands for the accumulators of
//! one engine worker.
//! Answers come in the order of the calls; a definition that fails is told by the first call.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{Field, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;

/// Nobody sends more in one frame; a length beyond it means that the peer speaks something else.
const MAX_FRAME_BYTES: u64 = 4 << 30;

/// What an IPC stream has beside its columns, in most cases.
const HEAD_BYTES: usize = 4096;

/// What is reserved for a frame before its bytes are there.
const MAX_RESERVED_BYTES: usize = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Hello = 1,
    Define = 2,
    Call = 3,
    Result = 4,
    Error = 5,
    Open = 6,
    Update = 7,
    UpdateEach = 8,
    Read = 9,
    Save = 10,
    Restore = 11,
    Clear = 12,
    Drop = 13,
    End = 14,
    Done = 15,
    Metrics = 16,
}

impl Tag {
    const ALL: [Self; 16] = [
        Self::Hello,
        Self::Define,
        Self::Call,
        Self::Result,
        Self::Error,
        Self::Open,
        Self::Update,
        Self::UpdateEach,
        Self::Read,
        Self::Save,
        Self::Restore,
        Self::Clear,
        Self::Drop,
        Self::End,
        Self::Done,
        Self::Metrics,
    ];

    fn of(byte: u8) -> io::Result<Self> {
        let known = Self::ALL.into_iter().find(|tag| *tag as u8 == byte);
        known.ok_or_else(|| malformed("an unknown frame"))
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
    let length = usize::try_from(length).map_err(|_| malformed("a frame that is too long"))?;
    // Grows as bytes come: a length alone does not make anybody allocate.
    let mut payload = Vec::with_capacity(length.min(MAX_RESERVED_BYTES));
    stream.take(length as u64).read_to_end(&mut payload)?;
    if payload.len() != length {
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
    let n_bytes: usize = columns
        .iter()
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
        .sum();
    let reserved = n_bytes.min(MAX_RESERVED_BYTES) + HEAD_BYTES;
    let mut writer = StreamWriter::try_new(Vec::with_capacity(reserved), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The columns of the only batch of an Arrow IPC stream: `payload` from byte `start` on, whose
/// memory they keep.
pub(super) fn decode_columns(payload: Vec<u8>, start: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut bytes = Buffer::from_vec(payload).slice(start);
    let mut decoder = StreamDecoder::new();
    while !bytes.is_empty() {
        if let Some(batch) = decoder.decode(&mut bytes)? {
            return Ok(batch.columns().to_vec());
        }
    }
    Err(ArrowError::IpcError("a frame without rows".to_owned()))
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
