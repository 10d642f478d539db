//! The decoder: lines to rows.
//!
//! ```text
//!   lines ──shred──▶ columns                       all is well
//!     └───▶ trees, one column after another        something is wrong: find the first such row
//! ```

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::JsonOptions;
use super::encode::check_type;
use super::scan::{Json, Scanner};
use super::shred::{Columns, Unread};
use super::values::{CellError, decode_column};
use crate::data::Parts;
use crate::error::Result;
use crate::formats::messages::{
    BrokenMessage, Frame, Frames, MessageRows, Messages, Placed, empty_message,
};
use crate::formats::{DecodeError, Decoded, Decoder, drop_forbidden_nulls, excerpt, kept_of};

/// Decodes lines of JSON into the projected columns of one table.
#[derive(Debug)]
pub(super) struct JsonDecoder {
    options: Arc<JsonOptions>,
    schema: SchemaRef,
    /// What is looked at of each column; all of one that is not told.
    parts: Vec<Parts>,
    unread: Unread,
    /// Rows of the last batch: about as many will come.
    n_rows: usize,
}

impl JsonDecoder {
    pub(super) fn try_new(
        options: Arc<JsonOptions>,
        schema: &Schema,
        projection: &[usize],
        parts: &[Parts],
    ) -> Result<Self> {
        let schema = Arc::new(schema.project(projection)?);
        for field in schema.fields() {
            check_type(field)?;
        }
        Ok(Self {
            options,
            schema,
            parts: parts.to_vec(),
            unread: Unread::default(),
            n_rows: 0,
        })
    }
}

/// The rows of some lines, as cells by column.
struct Rows<'a> {
    columns: Vec<Vec<Json<'a>>>,
    /// Where the line of each row starts.
    starts: Vec<usize>,
}

/// A line that cannot be taken.
type Broken = (usize, String);

impl Decoder for JsonDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Decoded, DecodeError> {
        let (decoded, _) = self.read(bytes, Frames::Lines { at_end }, max_rows)?;
        Ok(decoded)
    }

    fn decode_messages(&mut self, messages: &Messages) -> Result<MessageRows, BrokenMessage> {
        if !self.options.ignore_parse_errors
            && let Some(error) = empty_message(messages)
        {
            return Err(error);
        }
        let frames = Frames::Messages(messages);
        let placed = self.read(messages.bytes(), frames, usize::MAX);
        let placed = placed.map_err(|error| messages.broken(error))?;
        Ok(MessageRows::of_places(placed, messages))
    }
}

impl JsonDecoder {
    /// Rows, and where the record of each one starts.
    fn read(
        &mut self,
        bytes: &[u8],
        frames: Frames<'_>,
        max_rows: usize,
    ) -> Result<Placed, DecodeError> {
        if let Some(placed) = self.shredded(bytes, frames, max_rows)? {
            return Ok(placed);
        }
        match self.patiently(bytes, 0, frames, max_rows) {
            // The first row that is wrong is the one to report.
            Err(error) => Err(self.first_error(bytes, frames).unwrap_or(error)),
            placed => placed,
        }
    }
}

// The short way.
impl JsonDecoder {
    /// As [`Decoder::decode`]; none if a line is broken or a value does not fit, unless such are
    /// left out anyway.
    pub(super) fn shredded(
        &mut self,
        bytes: &[u8],
        frames: Frames<'_>,
        max_rows: usize,
    ) -> Result<Option<Placed>, DecodeError> {
        let options = &self.options;
        let skips = options.ignore_parse_errors;
        let parts = |at: usize| self.parts.get(at).cloned().unwrap_or(Parts::All);
        let mut columns = Columns::new(self.schema.fields(), parts, options, self.n_rows);
        let mut starts = Vec::with_capacity(self.n_rows);
        let mut at = 0;
        while starts.len() < max_rows && at < bytes.len() {
            let (line, next) = match frames.next(bytes, at) {
                Frame::Whole { line, next } => (line, next),
                Frame::Cut => break,
                Frame::TooLong => return Ok(None),
            };
            let n_before = starts.len();
            if !line.is_empty() && shred_line(&mut columns, line, at, &mut starts, options).is_err()
            {
                if !skips {
                    return Ok(None);
                }
                columns.truncate(n_before);
                starts.truncate(n_before);
            }
            at = next;
        }
        let n_rows = starts.len();
        self.n_rows = n_rows;
        let Some(arrays) = columns.finish(n_rows, options, &mut self.unread) else {
            return Ok(None);
        };
        let start = |row_idx: usize| starts.get(row_idx).copied().unwrap_or_default();
        let (batch, kept) = drop_forbidden_nulls(&self.schema, arrays, n_rows, skips, start)?;
        let starts = kept_of(starts, kept.as_ref());
        Ok(Some((Decoded { batch, n_bytes: at }, starts)))
    }
}

/// Takes the rows of one line.
fn shred_line<'a>(
    columns: &mut Columns<'a>,
    line: &'a [u8],
    start: usize,
    starts: &mut Vec<usize>,
    options: &JsonOptions,
) -> Result<(), &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    let mut scanner = Scanner::new(text);
    let mut object = |scanner: &mut Scanner<'a>| {
        columns.object(scanner, starts.len(), options)?;
        starts.push(start);
        Ok(())
    };
    match scanner.peek() {
        Some(b'[') => scanner.array(object),
        _ => object(&mut scanner),
    }
}

// The long way.
impl JsonDecoder {
    /// As [`Self::read`] of the bytes from `at` on, by a tree for each value.
    pub(super) fn patiently(
        &self,
        bytes: &[u8],
        at: usize,
        frames: Frames<'_>,
        max_rows: usize,
    ) -> Result<Placed, DecodeError> {
        let mut rows = Rows {
            columns: self.schema.fields().iter().map(|_| Vec::new()).collect(),
            starts: Vec::new(),
        };
        let lines = self.lines((bytes, at), frames, max_rows, &mut rows);
        let arrays = self.arrays(&rows)?;
        let n_bytes = lines.map_err(|(offset, message)| DecodeError {
            offset,
            column: None,
            value: excerpt(frames.shown(bytes, offset)),
            message,
        })?;
        let start = |row_idx: usize| rows.starts.get(row_idx).copied().unwrap_or_default();
        let skip = self.options.ignore_parse_errors;
        let n_rows = rows.starts.len();
        let (batch, kept) = drop_forbidden_nulls(&self.schema, arrays, n_rows, skip, start)?;
        let starts = kept_of(rows.starts, kept.as_ref());
        Ok((Decoded { batch, n_bytes }, starts))
    }

    /// The error of the first row that has one.
    fn first_error(&self, bytes: &[u8], frames: Frames<'_>) -> Option<DecodeError> {
        let mut at = 0;
        while at < bytes.len() {
            match self.patiently(bytes, at, frames, 1) {
                Ok((decoded, _)) if decoded.n_bytes == at => return None,
                Ok((decoded, _)) => at = decoded.n_bytes,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Takes lines until there are `max_rows` rows; gives the offset behind the last one.
    fn lines<'a>(
        &self,
        (bytes, mut at): (&'a [u8], usize),
        frames: Frames<'_>,
        max_rows: usize,
        rows: &mut Rows<'a>,
    ) -> Result<usize, Broken> {
        while rows.starts.len() < max_rows && at < bytes.len() {
            let (line, next) = match frames.next(bytes, at) {
                Frame::Whole { line, next } => (line, next),
                // What follows of it will be a broken line too.
                Frame::TooLong if self.options.ignore_parse_errors => return Ok(bytes.len()),
                Frame::TooLong => return Err((at, "the line is longer than 16 MiB".to_owned())),
                Frame::Cut => break,
            };
            let n_rows = rows.starts.len();
            if !line.is_empty()
                && let Err(message) = self.line(line, at, rows)
            {
                for column in &mut rows.columns {
                    column.truncate(n_rows);
                }
                rows.starts.truncate(n_rows);
                if !self.options.ignore_parse_errors {
                    return Err((at, message));
                }
            }
            at = next;
        }
        Ok(at)
    }

    fn line<'a>(&self, line: &'a [u8], start: usize, rows: &mut Rows<'a>) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
        let mut scanner = Scanner::new(text);
        if scanner.peek() == Some(b'[') {
            let mut inner = Ok(());
            scanner
                .array(|scanner| {
                    inner = self.object(scanner, start, rows);
                    inner.as_ref().map_or(Err("a broken object"), |()| Ok(()))
                })
                .or_else(|error| inner.and(Err(error.to_owned())))?;
            return Ok(());
        }
        self.object(&mut scanner, start, rows)
    }

    fn object<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        start: usize,
        rows: &mut Rows<'a>,
    ) -> Result<(), String> {
        let row_idx = rows.starts.len();
        let fields = self.schema.fields();
        // Objects tend to have their fields in the same order: look at the next column first.
        let mut hint = 0;
        scanner.object(|scanner, name| {
            let found = match fields.get(hint) {
                Some(field) if *field.name() == name => Some(hint),
                _ => fields.iter().position(|field| *field.name() == name),
            };
            let Some(column_idx) = found else {
                return scanner.skip();
            };
            hint = column_idx + 1;
            let value = scanner.value()?;
            let Some(column) = rows.columns.get_mut(column_idx) else {
                return Ok(());
            };
            column.truncate(row_idx);
            column.push(value);
            Ok(())
        })?;
        for (column, field) in rows.columns.iter_mut().zip(fields) {
            if column.len() == row_idx {
                if self.options.fail_on_missing_field {
                    return Err(format!("the field '{}' is missing", field.name()));
                }
                column.push(Json::Null);
            }
        }
        rows.starts.push(start);
        Ok(())
    }

    fn arrays(&self, rows: &Rows<'_>) -> Result<Vec<ArrayRef>, DecodeError> {
        let mut arrays = Vec::with_capacity(rows.columns.len());
        let mut first: Option<(usize, &FieldRef, CellError)> = None;
        for (field, cells) in self.schema.fields().iter().zip(&rows.columns) {
            let cells: Vec<&Json<'_>> = cells.iter().take(rows.starts.len()).collect();
            match decode_column(field, &cells, &self.options) {
                Ok(array) => arrays.push(array),
                Err((row_idx, error)) => {
                    if first.as_ref().is_none_or(|(first, ..)| row_idx < *first) {
                        first = Some((row_idx, field, error));
                    }
                }
            }
        }
        match first {
            None => Ok(arrays),
            Some((row_idx, field, error)) => Err(DecodeError {
                offset: rows.starts.get(row_idx).copied().unwrap_or_default(),
                column: Some(field.name().clone()),
                value: error.value,
                message: error.message,
            }),
        }
    }
}
