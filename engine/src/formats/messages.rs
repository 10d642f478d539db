//! Messages: records that come one by one, as a queue has them, instead of as the lines of a file.
//!
//! ```text
//!   messages  a │ {"n":1,⏎"m":2} │ (none) │ [{…},{…}] ──Decoder──▶ rows, and of each row its message
//! ```
//!
//! A message is one record, whatever is in it: a line feed is not its end. It may be none at all,
//! which is more than empty: what a queue calls a tombstone.

use arrow::array::RecordBatch;

use super::{DecodeError, Decoded};
use crate::data::RowKind;

/// Some messages, one behind the other.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    /// The messages that are none.
    missing: Vec<usize>,
}

impl Messages {
    /// Adds a message; `None` for one without a value.
    pub fn push(&mut self, message: Option<&[u8]>) {
        match message {
            Some(bytes) => self.bytes.extend_from_slice(bytes),
            None => self.missing.push(self.ends.len()),
        }
        self.ends.push(self.bytes.len());
    }

    /// Takes all messages out and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.missing.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all messages together.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// All messages without borders.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A message; `None` if it is none, or there is no such message.
    #[must_use]
    pub fn get(&self, message_idx: usize) -> Option<&[u8]> {
        if self.missing.binary_search(&message_idx).is_ok() {
            return None;
        }
        let (start, end) = self.range(message_idx)?;
        self.bytes.get(start..end)
    }

    /// The messages that are none, ascending.
    #[must_use]
    pub fn missing(&self) -> &[usize] {
        &self.missing
    }

    /// The message in which an offset lies; one without bytes has none.
    fn index_at(&self, offset: usize) -> usize {
        self.ends.partition_point(|&end| end <= offset)
    }

    /// The error with the message that it is about.
    pub(super) fn broken(&self, error: DecodeError) -> BrokenMessage {
        BrokenMessage {
            message_idx: self.index_at(error.offset),
            error,
        }
    }

    /// Where a message begins and ends.
    pub(super) fn range(&self, message_idx: usize) -> Option<(usize, usize)> {
        let end = *self.ends.get(message_idx)?;
        let start = match message_idx.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some((start, end))
    }

    /// Where the message in which `offset` lies ends.
    fn end_at(&self, offset: usize) -> usize {
        let end = self.ends.get(self.index_at(offset)).copied();
        end.unwrap_or(self.bytes.len())
    }
}

/// A message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenMessage {
    /// Which one.
    pub message_idx: usize,
    /// What is wrong with it.
    pub error: DecodeError,
}

/// The rows of some messages.
#[derive(Debug)]
pub struct MessageRows {
    /// The rows; their schema is the table's, projected.
    pub batch: RecordBatch,
    /// Their kinds; none if they are all insertions.
    pub kinds: Option<Vec<RowKind>>,
    /// The message of each row, ascending. A message may have no row, or several.
    pub messages: Vec<usize>,
}

/// Rows that were read, and where the record of each one starts.
pub(super) type Placed = (Decoded, Vec<usize>);

impl MessageRows {
    /// Rows by the places of their records.
    pub(super) fn of_places((decoded, starts): Placed, messages: &Messages) -> Self {
        let mut message_idx = 0;
        let index = |start: usize| {
            while messages
                .ends
                .get(message_idx)
                .is_some_and(|&end| end <= start)
            {
                message_idx += 1;
            }
            message_idx
        };
        Self {
            batch: decoded.batch,
            kinds: None,
            messages: starts.into_iter().map(index).collect(),
        }
    }
}

/// How records lie in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frames<'a> {
    /// Each ends with its line; with `at_end` the last one without a line end is complete.
    Lines { at_end: bool },
    /// Each is a message.
    Messages(&'a Messages),
}

/// Where a record ends and the next one starts, or what there is instead.
pub(super) enum Frame<'a> {
    Whole {
        line: &'a [u8],
        next: usize,
    },
    /// More bytes are needed.
    Cut,
    TooLong,
}

/// A line longer than this is broken.
const MAX_LINE_BYTES: usize = 16 << 20;

impl Frames<'_> {
    /// The record that starts at `at`.
    pub(super) fn next(self, bytes: &[u8], at: usize) -> Frame<'_> {
        let at_end = match self {
            Self::Lines { at_end } => at_end,
            Self::Messages(messages) => {
                let next = messages.end_at(at);
                let line = bytes.get(at..next).unwrap_or_default();
                return Frame::Whole { line, next };
            }
        };
        let rest = bytes.get(at..).unwrap_or_default();
        match memchr::memchr(b'\n', rest) {
            Some(end) => Frame::Whole {
                line: rest.get(..end).unwrap_or_default(),
                next: at + end + 1,
            },
            None if at_end => Frame::Whole {
                line: rest,
                next: bytes.len(),
            },
            None if rest.len() > MAX_LINE_BYTES => Frame::TooLong,
            None => Frame::Cut,
        }
    }

    /// The record that starts at `at`, or what there is of its first line, for a message.
    pub(super) fn shown(self, bytes: &[u8], at: usize) -> &[u8] {
        let end = match self {
            Self::Lines { .. } => bytes.len(),
            Self::Messages(messages) => messages.end_at(at),
        };
        let rest = bytes.get(at..end).unwrap_or_default();
        rest.split(|&byte| byte == b'\n').next().unwrap_or_default()
    }
}

/// The error for a message that has no bytes where a record is due; none if all have some.
pub(super) fn empty_message(messages: &Messages) -> Option<BrokenMessage> {
    let is_empty = |&message_idx: &usize| messages.get(message_idx).is_some_and(<[u8]>::is_empty);
    let message_idx = (0..messages.len()).find(is_empty)?;
    Some(BrokenMessage {
        message_idx,
        error: DecodeError {
            offset: messages.range(message_idx)?.0,
            column: None,
            value: String::new(),
            message: "the message is empty".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use arrow::datatypes::DataType;

    use super::*;
    use crate::catalog::options::TableOptions;
    use crate::data::{Delta, text};
    use crate::formats::registry::FileFormat;

    fn messages(texts: &[Option<&str>]) -> Messages {
        let mut messages = Messages::default();
        for text in texts {
            messages.push(text.map(str::as_bytes));
        }
        messages
    }

    fn format(
        identifier: &str,
        options: &[(&str, &str)],
        columns: &[(&str, DataType)],
    ) -> FileFormat {
        let options: BTreeMap<String, String> = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let options = TableOptions::check("t", &options, FileFormat::specs(identifier)).unwrap();
        FileFormat::find(identifier, &options, &text::schema(columns)).unwrap()
    }

    /// The rows of messages, each behind the number of its message; or the error with its message.
    fn read(format: &FileFormat, texts: &[Option<&str>]) -> String {
        let messages = messages(texts);
        let mut decoder = format.of_records().unwrap().decoder(&[0]).unwrap();
        let rows = match decoder.decode_messages(&messages) {
            Ok(rows) => rows,
            Err(broken) => return broken.error.at(&format!("message {}", broken.message_idx)),
        };
        let kinds = rows.kinds.clone();
        let delta = match kinds {
            Some(kinds) => Delta::try_new(rows.batch, kinds).unwrap(),
            None => Delta::insert_only(rows.batch),
        };
        let printed = text::print_deltas(&[delta]).unwrap();
        let lines = printed.lines().map(str::trim).zip(&rows.messages);
        let lines: Vec<String> = lines
            .map(|(row, message)| format!("{message}: {row}"))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn a_line_feed_ends_no_message() {
        let json = format("json", &[], &[("n", DataType::Int32)]);
        let texts = [
            Some("{\n\"n\":1}\n"),
            None,
            Some("[{\"n\":2},{\"n\":3}]"),
            Some("{}"),
        ];
        assert_eq!(
            read(&json, &texts),
            "0: +I | 1\n2: +I | 2\n2: +I | 3\n3: +I | NULL"
        );
        let csv = format("csv", &[], &[("a", DataType::Int32)]);
        assert_eq!(
            read(&csv, &[Some("1\n2"), None, Some("3")]),
            "0: +I | 1\n2: +I | 3"
        );
        let raw = format("raw", &[], &[("a", DataType::Utf8)]);
        let texts = [Some("x"), None, Some("")];
        assert_eq!(read(&raw, &texts), "0: +I | x\n1: +I | NULL\n2: +I |");
    }

    #[test]
    fn broken_messages_are_counted_or_left_out() {
        let strict = format("json", &[], &[("n", DataType::Int32)]);
        let texts = [Some("{\"n\":1}"), Some("{\"n\":"), Some("{\"n\":\"x\"}")];
        let message = read(&strict, &texts);
        assert!(message.starts_with("message 1: "), "{message}");
        assert!(
            read(&strict, &[Some("{}"), Some("")]).starts_with("message 1: the message is empty")
        );
        let lenient = [("json.ignore-parse-errors", "true")];
        let lenient = format("json", &lenient, &[("n", DataType::Int32)]);
        assert_eq!(read(&lenient, &texts), "0: +I | 1\n2: +I | NULL");
        let csv = format("csv", &[], &[("a", DataType::Int32)]);
        let message = read(&csv, &[Some("1"), Some("x")]);
        assert!(message.starts_with("message 1, column 'a'"), "{message}");
    }

    #[test]
    fn changes_know_their_messages() {
        let cdc = format("debezium-json", &[], &[("n", DataType::Int32)]);
        let texts = [
            Some(r#"{"before":null,"after":{"n":1},"op":"c"}"#),
            Some(""),
            Some("{\"before\":{\"n\":1},\n\"after\":{\"n\":2},\"op\":\"u\"}"),
        ];
        assert_eq!(read(&cdc, &texts), "0: +I | 1\n2: -U | 1\n2: +U | 2");
    }

    #[test]
    fn rows_are_messages_without_line_ends() {
        let schema = text::schema(&[("a", DataType::Utf8)]);
        let rows = text::parse_delta(&schema, "+I | x\n+I | NULL").unwrap();
        for (identifier, expected) in [
            ("json", [Some("{\"a\":\"x\"}"), Some("{\"a\":null}")]),
            ("csv", [Some("x"), Some("")]),
            ("raw", [Some("x"), None]),
        ] {
            let mut written = Messages::default();
            let mut encoder = format(identifier, &[], &[("a", DataType::Utf8)])
                .encoder()
                .unwrap();
            encoder
                .encode_messages(rows.batch(), None, &mut written)
                .unwrap();
            let texts: Vec<_> = (0..written.len()).map(|at| written.get(at)).collect();
            assert_eq!(
                texts,
                expected.map(|text| text.map(str::as_bytes)),
                "{identifier}"
            );
        }
    }
}
