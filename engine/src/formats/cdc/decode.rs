//! Lines to changes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::{CdcFormat, Dialect, Included};
use crate::data::RowKind;
use crate::error::Result;
use crate::formats::json::JsonOptions;
use crate::formats::json::cells::{check_type, decode_cells};
use crate::formats::json::scan::{Json, Scanner};
use crate::formats::messages::{BrokenMessage, Frame, Frames, MessageRows, Messages, Placed};
use crate::formats::{DecodeError, Decoded, Decoder, drop_forbidden_nulls, excerpt, kept_of};

#[derive(Debug)]
pub(super) struct CdcDecoder {
    dialect: Dialect,
    options: Arc<JsonOptions>,
    has_schema: bool,
    included: Included,
    schema: SchemaRef,
    /// Of the rows of the last call.
    kinds: Vec<RowKind>,
}

/// The rows of some lines, as cells by column.
struct Rows<'a> {
    columns: Vec<Vec<Json<'a>>>,
    kinds: Vec<RowKind>,
    /// Where the line of each row starts.
    starts: Vec<usize>,
}

static NULL: Json<'static> = Json::Null;

impl CdcDecoder {
    pub(super) fn try_new(format: &CdcFormat, schema: SchemaRef) -> Result<Self> {
        for field in schema.fields() {
            check_type(field)?;
        }
        Ok(Self {
            dialect: format.dialect,
            options: Arc::clone(&format.json),
            has_schema: format.has_schema,
            included: format.included.clone(),
            schema,
            kinds: Vec::new(),
        })
    }

    fn lines<'a>(
        &self,
        bytes: &'a [u8],
        frames: Frames<'_>,
        max_rows: usize,
        rows: &mut Rows<'a>,
    ) -> Result<usize, (usize, String)> {
        let mut at = 0;
        while rows.starts.len() < max_rows && at < bytes.len() {
            let (line, next) = match frames.next(bytes, at) {
                Frame::Whole { line, next } => (line, next),
                Frame::Cut => break,
                Frame::TooLong => {
                    return Err((at, "the line is longer than 16 MiB".to_owned()));
                }
            };
            let n_rows = rows.starts.len();
            if let Err(message) = self.line(line, at, rows) {
                rows.truncate(n_rows);
                if !self.options.ignore_parse_errors {
                    return Err((at, message));
                }
            }
            at = next;
        }
        Ok(at)
    }

    /// Takes the changes of one line. Empty lines, and what Debezium calls tombstones, have none.
    fn line<'a>(&self, line: &'a [u8], start: usize, rows: &mut Rows<'a>) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
        let mut scanner = Scanner::new(text);
        if scanner.peek().is_none() {
            return Ok(());
        }
        let mut message = scanner.value()?;
        if self.has_schema {
            message = take(&mut message, "payload");
        }
        match self.dialect {
            Dialect::Debezium | Dialect::Ogg => self.images(&message, start, rows),
            Dialect::Maxwell => self.maxwell(&message, start, rows),
            Dialect::Canal => self.canal(&message, start, rows),
        }
    }

    /// The rows before and after stand in full.
    fn images<'a>(
        &self,
        message: &Json<'a>,
        start: usize,
        rows: &mut Rows<'a>,
    ) -> Result<(), String> {
        let (key, kinds) = match self.dialect {
            Dialect::Ogg => ("op_type", ["I", "I", "U", "D"]),
            _ => ("op", ["c", "r", "u", "d"]),
        };
        let op = text(message, key)?;
        let (before, after) = (field(message, "before"), field(message, "after"));
        let full = |row: &Json<'a>, side: &str, what: &str| match row {
            Json::Object(_) => Ok(()),
            _ => Err(format!(
                "the \"{side}\" field of the {what} message is null; if the changes come from \
                 Postgres, the REPLICA IDENTITY of the table must be FULL"
            )),
        };
        if op == kinds[0] || op == kinds[1] {
            full(after, "after", "INSERT")?;
            self.push(RowKind::Insert, after, start, rows);
        } else if op == kinds[2] {
            full(before, "before", "UPDATE")?;
            full(after, "after", "UPDATE")?;
            self.push(RowKind::UpdateBefore, before, start, rows);
            self.push(RowKind::UpdateAfter, after, start, rows);
        } else if op == kinds[3] {
            full(before, "before", "DELETE")?;
            self.push(RowKind::Delete, before, start, rows);
        } else {
            return Err(format!("unknown \"{key}\" value \"{op}\""));
        }
        Ok(())
    }

    fn maxwell<'a>(
        &self,
        message: &Json<'a>,
        start: usize,
        rows: &mut Rows<'a>,
    ) -> Result<(), String> {
        let data = object(message, "data")?;
        match text(message, "type")? {
            "insert" => self.push(RowKind::Insert, data, start, rows),
            "update" => self.push_update(object(message, "old")?, data, start, rows),
            "delete" => self.push(RowKind::Delete, data, start, rows),
            other => return Err(format!("unknown \"type\" value \"{other}\"")),
        }
        Ok(())
    }

    fn canal<'a>(
        &self,
        message: &Json<'a>,
        start: usize,
        rows: &mut Rows<'a>,
    ) -> Result<(), String> {
        for (key, pattern) in [
            ("database", &self.included.database),
            ("table", &self.included.table),
        ] {
            if let Some(pattern) = pattern
                && !pattern.is_match(text(message, key).unwrap_or_default())
            {
                return Ok(());
            }
        }
        let kind = text(message, "type")?;
        let list = |key: &str| match field(message, key) {
            Json::Array(items) => Ok(items),
            _ => Err(format!("the \"{key}\" field is no array")),
        };
        match kind {
            "INSERT" | "DELETE" => {
                let kind = match kind {
                    "INSERT" => RowKind::Insert,
                    _ => RowKind::Delete,
                };
                for row in list("data")? {
                    self.push(kind, row, start, rows);
                }
            }
            "UPDATE" => {
                let (data, old) = (list("data")?, list("old")?);
                if data.len() != old.len() {
                    return Err("\"data\" and \"old\" have different lengths".to_owned());
                }
                for (row, old) in data.iter().zip(old) {
                    self.push_update(old, row, start, rows);
                }
            }
            // The definition of the table changed, not its rows.
            "CREATE" => {}
            other => return Err(format!("unknown \"type\" value \"{other}\"")),
        }
        Ok(())
    }

    /// An update whose old row has only the fields that changed.
    fn push_update<'a>(&self, old: &Json<'a>, new: &Json<'a>, start: usize, rows: &mut Rows<'a>) {
        for (column, field) in rows.columns.iter_mut().zip(self.schema.fields()) {
            let name = field.name();
            let cell = find(old, name).or_else(|| find(new, name));
            column.push(cell.unwrap_or(&NULL).clone());
        }
        rows.kinds.push(RowKind::UpdateBefore);
        rows.starts.push(start);
        self.push(RowKind::UpdateAfter, new, start, rows);
    }

    fn push<'a>(&self, kind: RowKind, row: &Json<'a>, start: usize, rows: &mut Rows<'a>) {
        for (column, schema_field) in rows.columns.iter_mut().zip(self.schema.fields()) {
            column.push(field(row, schema_field.name()).clone());
        }
        rows.kinds.push(kind);
        rows.starts.push(start);
    }

    fn batch(&mut self, rows: Rows<'_>, arrays: Vec<ArrayRef>) -> Result<Kept, DecodeError> {
        let n_rows = rows.starts.len();
        let skip = self.options.ignore_parse_errors;
        let start = |row_idx: usize| rows.starts.get(row_idx).copied().unwrap_or_default();
        let (batch, kept) = drop_forbidden_nulls(&self.schema, arrays, n_rows, skip, start)?;
        self.kinds = kept_of(rows.kinds, kept.as_ref());
        Ok((batch, kept_of(rows.starts, kept.as_ref())))
    }
}

/// The rows that are whole, and where the line of each one starts.
type Kept = (RecordBatch, Vec<usize>);

impl Rows<'_> {
    fn truncate(&mut self, n_rows: usize) {
        for column in &mut self.columns {
            column.truncate(n_rows);
        }
        self.kinds.truncate(n_rows);
        self.starts.truncate(n_rows);
    }
}

impl CdcDecoder {
    /// Rows, and where the record of each one starts; the kinds are kept.
    fn read(
        &mut self,
        bytes: &[u8],
        frames: Frames<'_>,
        max_rows: usize,
    ) -> Result<Placed, DecodeError> {
        let mut rows = Rows {
            columns: self.schema.fields().iter().map(|_| Vec::new()).collect(),
            kinds: Vec::new(),
            starts: Vec::new(),
        };
        let lines = self.lines(bytes, frames, max_rows, &mut rows);
        let mut arrays = Vec::with_capacity(rows.columns.len());
        for (field, cells) in self.schema.fields().iter().zip(&rows.columns) {
            let cells: Vec<&Json<'_>> = cells.iter().collect();
            let array =
                decode_cells(field, &cells, &self.options).map_err(|broken| DecodeError {
                    offset: rows.starts.get(broken.row_idx).copied().unwrap_or_default(),
                    column: Some(field.name().clone()),
                    value: broken.value,
                    message: broken.message,
                })?;
            arrays.push(array);
        }
        let n_bytes = lines.map_err(|(offset, message)| DecodeError {
            offset,
            column: None,
            value: excerpt(frames.shown(bytes, offset)),
            message,
        })?;
        let (batch, starts) = self.batch(rows, arrays)?;
        Ok((Decoded { batch, n_bytes }, starts))
    }
}

impl Decoder for CdcDecoder {
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
        let frames = Frames::Messages(messages);
        let placed = self.read(messages.bytes(), frames, usize::MAX);
        let placed = placed.map_err(|error| messages.broken(error))?;
        Ok(MessageRows {
            kinds: self.take_kinds(),
            ..MessageRows::of_places(placed, messages)
        })
    }

    fn take_kinds(&mut self) -> Option<Vec<RowKind>> {
        Some(std::mem::take(&mut self.kinds))
    }
}

/// The value of a field, the last one if there are several.
fn find<'v, 'a>(object: &'v Json<'a>, name: &str) -> Option<&'v Json<'a>> {
    let Json::Object(fields) = object else {
        return None;
    };
    let mut fields = fields.iter().rev();
    fields
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value)
}

/// The value of a field; NULL without it.
fn field<'v, 'a>(object: &'v Json<'a>, name: &str) -> &'v Json<'a> {
    find(object, name).unwrap_or(&NULL)
}

fn take<'a>(object: &mut Json<'a>, name: &str) -> Json<'a> {
    let Json::Object(fields) = object else {
        return Json::Null;
    };
    let place = fields.iter().rposition(|(field, _)| *field == name);
    place.map_or(Json::Null, |place| fields.swap_remove(place).1)
}

fn text<'v>(object: &'v Json<'_>, name: &str) -> Result<&'v str, String> {
    match field(object, name) {
        Json::Text(text) => Ok(text),
        Json::Null => Err(format!("the \"{name}\" field is null")),
        _ => Err(format!("the \"{name}\" field is no text")),
    }
}

fn object<'v, 'a>(message: &'v Json<'a>, name: &str) -> Result<&'v Json<'a>, String> {
    match field(message, name) {
        object @ Json::Object(_) => Ok(object),
        _ => Err(format!("the \"{name}\" field is no object")),
    }
}
