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
use crate::formats::{DecodeError, Decoded, Decoder, drop_forbidden_nulls, excerpt};

/// A line longer than this is broken.
const MAX_LINE_BYTES: usize = 16 << 20;

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
        if let Some(decoded) = self.shredded(bytes, at_end, max_rows)? {
            return Ok(decoded);
        }
        match self.patiently(bytes, at_end, max_rows) {
            // The first row that is wrong is the one to report.
            Err(error) => Err(self.first_error(bytes, at_end).unwrap_or(error)),
            decoded => decoded,
        }
    }
}

fn line(bytes: &[u8], offset: usize) -> &[u8] {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// Where a line ends and the next one starts, or what there is instead.
enum Line<'a> {
    Whole {
        line: &'a [u8],
        next: usize,
    },
    /// More bytes are needed.
    Cut,
    TooLong,
}

fn next_line(bytes: &[u8], at: usize, at_end: bool) -> Line<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        Some(end) => Line::Whole {
            line: rest.get(..end).unwrap_or_default(),
            next: at + end + 1,
        },
        None if at_end => Line::Whole {
            line: rest,
            next: bytes.len(),
        },
        None if rest.len() > MAX_LINE_BYTES => Line::TooLong,
        None => Line::Cut,
    }
}

// The short way.
impl JsonDecoder {
    /// As [`Decoder::decode`]; none if a line is broken or a value does not fit, unless such are
    /// left out anyway.
    pub(super) fn shredded(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Option<Decoded>, DecodeError> {
        let options = &self.options;
        let skips = options.ignore_parse_errors;
        let parts = |at: usize| self.parts.get(at).cloned().unwrap_or(Parts::All);
        let mut columns = Columns::new(self.schema.fields(), parts, options, self.n_rows);
        let mut starts = Vec::with_capacity(self.n_rows);
        let mut at = 0;
        while starts.len() < max_rows && at < bytes.len() {
            let (line, next) = match next_line(bytes, at, at_end) {
                Line::Whole { line, next } => (line, next),
                Line::Cut => break,
                Line::TooLong => return Ok(None),
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
        let batch = drop_forbidden_nulls(&self.schema, arrays, n_rows, skips, start)?;
        Ok(Some(Decoded { batch, n_bytes: at }))
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
    /// As [`Decoder::decode`], by a tree for each value.
    pub(super) fn patiently(
        &self,
        bytes: &[u8],
        at_end: bool,
        max_rows: usize,
    ) -> Result<Decoded, DecodeError> {
        let mut rows = Rows {
            columns: self.schema.fields().iter().map(|_| Vec::new()).collect(),
            starts: Vec::new(),
        };
        let lines = self.lines(bytes, at_end, max_rows, &mut rows);
        let arrays = self.arrays(&rows)?;
        let n_bytes = lines.map_err(|(offset, message)| DecodeError {
            offset,
            column: None,
            value: excerpt(line(bytes, offset)),
            message,
        })?;
        let start = |row_idx: usize| rows.starts.get(row_idx).copied().unwrap_or_default();
        let skip = self.options.ignore_parse_errors;
        let batch = drop_forbidden_nulls(&self.schema, arrays, rows.starts.len(), skip, start)?;
        Ok(Decoded { batch, n_bytes })
    }

    /// The error of the first row that has one.
    fn first_error(&self, bytes: &[u8], at_end: bool) -> Option<DecodeError> {
        let mut at = 0;
        while at < bytes.len() {
            match self.patiently(bytes.get(at..)?, at_end, 1) {
                Ok(decoded) if decoded.n_bytes == 0 => return None,
                Ok(decoded) => at += decoded.n_bytes,
                Err(error) => {
                    return Some(DecodeError {
                        offset: error.offset + at,
                        ..error
                    });
                }
            }
        }
        None
    }

    /// Takes lines until there are `max_rows` rows; gives the offset behind the last one.
    fn lines<'a>(
        &self,
        bytes: &'a [u8],
        at_end: bool,
        max_rows: usize,
        rows: &mut Rows<'a>,
    ) -> Result<usize, Broken> {
        let mut at = 0;
        while rows.starts.len() < max_rows && at < bytes.len() {
            let (line, next) = match next_line(bytes, at, at_end) {
                Line::Whole { line, next } => (line, next),
                // What follows of it will be a broken line too.
                Line::TooLong if self.options.ignore_parse_errors => return Ok(bytes.len()),
                Line::TooLong => return Err((at, "the line is longer than 16 MiB".to_owned())),
                Line::Cut => break,
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
