//! Formats: bytes to rows and back.
//!
//! ```text
//!   file ─bytes─▶ Decoder ─RecordBatch─▶ reader         Sink ─RecordBatch─▶ Encoder ─bytes─▶ file
//! ```
//!
//! A decoder is resumable: it takes the complete records at the front of what it is given and says
//! how many bytes they were, so a reader can stand in the middle of a file that still grows and
//! keep a byte offset as its position. It knows nothing of files; the reader adds name and line to
//! its errors.
//!
//! Parquet is the exception: it is read from its footer, so it has its own door ([`parquet`]).
pub mod parse;

pub mod write;

pub mod messages;

pub mod row_text;

pub mod csv;

pub mod json;

pub mod cdc;

pub mod parquet;

pub mod raw;

pub mod registry;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, SchemaRef};

use self::messages::{BrokenMessage, MessageRows, Messages};
use crate::data::types::FlinkType;
use crate::data::{Parts, RowKind};
use crate::error::Result;

/// A format of records, with its options read, for one table's rows.
pub trait DecodeFormat: Send + Sync + Debug {
    /// A decoder for the columns of `projection` (indices into the table's schema, ascending).
    ///
    /// # Errors
    /// `Unsupported` if the format cannot read a column's type.
    fn decoder(&self, projection: &[usize]) -> Result<Box<dyn Decoder>>;

    /// As [`Self::decoder`], for somebody who looks only at `parts` of the columns, in their order:
    /// what is in other parts may come as NULL. It is read by the same rules, errors included. All
    /// of a column that has no entry is needed.
    ///
    /// # Errors
    /// As [`Self::decoder`].
    fn decoder_of(&self, projection: &[usize], _parts: &[Parts]) -> Result<Box<dyn Decoder>> {
        self.decoder(projection)
    }
}

/// Decodes one stream of bytes.
pub trait Decoder: Send {
    /// Decodes at most `max_rows` complete records from the front of `bytes`. With `at_end`,
    /// nothing will follow, and the last record is complete without a line end.
    ///
    /// # Errors
    /// For the first record that is broken, unless the format skips such records.
    fn decode(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Decoded, DecodeError>;

    /// Takes the kinds of the rows that the last call gave; none if they are all insertions. A
    /// line of a format of changes may be two rows, so there may be one more than `max_rows`.
    fn take_kinds(&mut self) -> Option<Vec<RowKind>> {
        None
    }

    /// Decodes messages, each of which is one record whatever its bytes are.
    ///
    /// # Errors
    /// For the first message that is broken, unless the format skips such messages.
    fn decode_messages(&mut self, messages: &Messages) -> Result<MessageRows, BrokenMessage>;
}

/// What [`Decoder::decode`] has read.
#[derive(Debug)]
pub struct Decoded {
    /// The rows; their schema is the table's, projected.
    pub batch: RecordBatch,
    /// Bytes of the records that were read or skipped. Zero with bytes left over means that more
    /// bytes are needed.
    pub n_bytes: usize,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Where the record starts, counted from the first byte given to the decoder.
    pub offset: usize,
    /// Name of the column, if one is to blame.
    pub column: Option<String>,
    /// The text that could not be read; cut by [`excerpt`].
    pub value: String,
    /// What is wrong with it, without the value.
    pub message: String,
}

impl DecodeError {
    /// The message with column and value, for a place such as `file 'x.csv', line 3`.
    #[must_use]
    pub fn at(&self, place: &str) -> String {
        let column = match &self.column {
            Some(column) => format!(", column '{column}'"),
            None => String::new(),
        };
        format!("{place}{column}: {}: '{}'", self.message, self.value)
    }
}

/// Writes rows as the bytes of one file.
pub trait Encoder: Send {
    /// Appends the rows of `batch` to `out`.
    ///
    /// # Errors
    /// `Data` if a value has no text in this format.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Appends changes, for formats that have a form for them; for others all rows are the same.
    ///
    /// # Errors
    /// As [`Self::encode`].
    fn encode_changes(
        &mut self,
        batch: &RecordBatch,
        _kinds: Option<&[RowKind]>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.encode(batch, out)
    }

    /// Appends each row as a message of its own. Formats that write columns have none.
    ///
    /// # Errors
    /// As [`Self::encode`].
    fn encode_messages(
        &mut self,
        batch: &RecordBatch,
        kinds: Option<&[RowKind]>,
        out: &mut Messages,
    ) -> Result<()> {
        let mut line = Vec::new();
        for row_idx in 0..batch.num_rows() {
            line.clear();
            let kind = kinds.and_then(|kinds| kinds.get(row_idx..=row_idx));
            self.encode_changes(&batch.slice(row_idx, 1), kind, &mut line)?;
            out.push(Some(line.strip_suffix(b"\n").unwrap_or(&line)));
        }
        Ok(())
    }

    /// Appends what ends the file. Called once, last.
    ///
    /// # Errors
    /// As [`Self::encode`].
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// Characters of a broken value that a message shows.
const MAX_EXCERPT_CHARS: usize = 80;

/// The beginning of `bytes` as text, cut for a message.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..MAX_EXCERPT_CHARS * 4).unwrap_or(bytes));
    let mut cut: String = text.chars().take(MAX_EXCERPT_CHARS).collect();
    if cut.len() < text.len() || bytes.len() > MAX_EXCERPT_CHARS * 4 {
        cut.push('…');
    }
    cut
}

/// Flink's name of a column's type, for messages.
pub(crate) fn type_name(field: &Field) -> String {
    let flink_type = FlinkType::from_field(field);
    let nullable = FlinkType {
        nullable: true,
        ..flink_type
    };
    nullable.to_string()
}

/// Makes a batch of decoded columns; a NULL in a NOT NULL column takes the row out if broken rows
/// are skipped, else it is an error at the place that `start` gives for the row. With the batch
/// comes which rows are in it, if some are not.
pub(crate) fn drop_forbidden_nulls(
    schema: &SchemaRef,
    arrays: Vec<ArrayRef>,
    n_rows: usize,
    skip: bool,
    start: impl Fn(usize) -> usize,
) -> Result<(RecordBatch, Option<BooleanArray>), DecodeError> {
    let of_arrow = |error: arrow::error::ArrowError| DecodeError {
        offset: start(0),
        column: None,
        value: String::new(),
        message: error.to_string(),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    let forbidden = schema
        .fields()
        .iter()
        .zip(&arrays)
        .filter(|(field, array)| !field.is_nullable() && array.null_count() > 0);
    let mut keep: Option<Vec<bool>> = None;
    for (field, array) in forbidden {
        let first = (0..n_rows).find(|&row_idx| array.is_null(row_idx));
        if !skip {
            return Err(DecodeError {
                offset: start(first.unwrap_or_default()),
                column: Some(field.name().clone()),
                value: "NULL".to_owned(),
                message: "the column is NOT NULL".to_owned(),
            });
        }
        let keep = keep.get_or_insert_with(|| vec![true; n_rows]);
        for (row_idx, keep) in keep.iter_mut().enumerate() {
            *keep &= array.is_valid(row_idx);
        }
    }
    let Some(keep) = keep else {
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
            .map_err(of_arrow)?;
        return Ok((batch, None));
    };
    let mask = BooleanArray::from(keep);
    let kept = arrays
        .iter()
        .map(|array| arrow::compute::filter(array, &mask))
        .collect::<Result<Vec<_>, _>>()
        .map_err(of_arrow)?;
    let options = RecordBatchOptions::new().with_row_count(Some(mask.true_count()));
    let batch =
        RecordBatch::try_new_with_options(Arc::clone(schema), kept, &options).map_err(of_arrow)?;
    Ok((batch, Some(mask)))
}

/// What is left of `items` where `kept` says so; all of them without it.
pub(crate) fn kept_of<T>(items: Vec<T>, kept: Option<&BooleanArray>) -> Vec<T> {
    match kept {
        None => items,
        Some(kept) => items
            .into_iter()
            .zip(kept.values())
            .filter_map(|(item, is_kept)| is_kept.then_some(item))
            .collect(),
    }
}
