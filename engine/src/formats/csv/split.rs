//! Splits csv bytes into records and fields, as Jackson's reader does.
//!
//! The fast path jumps from delimiter to line end to quote with vector instructions; a record that
//! holds a quote at the beginning of a field, or a file with carriage returns, escapes, comments or
//! trimming, goes through the careful path byte by byte. Fields are kept as ranges of the input on
//! a [`Tape`]; only fields with escaped characters are copied.

use memchr::{memchr, memchr3_iter};

use super::CsvOptions;

/// A record longer than this is broken: most likely a quote that is never closed.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;

/// Marks a range that points into [`Tape::unescaped`] instead of the input.
const UNESCAPED: u32 = 1 << 31;

/// A field that the record does not have.
const MISSING: (u32, u32) = (u32::MAX, u32::MAX);

/// The fields of a number of records.
#[derive(Debug, Default)]
pub(super) struct Tape {
    n_columns: usize,
    /// `n_columns` ranges a record.
    fields: Vec<(u32, u32)>,
    /// Where each record starts in the input.
    starts: Vec<u32>,
    unescaped: Vec<u8>,
}

impl Tape {
    pub(super) fn new(n_columns: usize) -> Self {
        Self {
            n_columns,
            ..Self::default()
        }
    }

    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.starts.clear();
        self.unescaped.clear();
    }

    /// Ends a record of `n_fields` fields, all pushed.
    fn end_record(&mut self, start: usize, n_fields: usize) {
        for _ in n_fields..self.n_columns {
            self.fields.push(MISSING);
        }
        self.starts.push(offset_u32(start));
    }

    pub(super) fn n_rows(&self) -> usize {
        self.starts.len()
    }

    /// Where record `row_idx` starts in the input.
    pub(super) fn start(&self, row_idx: usize) -> usize {
        self.starts.get(row_idx).map_or(0, |&start| start as usize)
    }

    /// The texts of one column; `None` where the record is too short to have it.
    pub(super) fn column<'a>(
        &'a self,
        column_idx: usize,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.fields
            .iter()
            .skip(column_idx)
            .step_by(self.n_columns.max(1))
            .map(move |&field| self.field(field, bytes))
    }

    fn field<'a>(&'a self, (start, end): (u32, u32), bytes: &'a [u8]) -> Option<&'a [u8]> {
        if start & UNESCAPED == 0 {
            return bytes.get(start as usize..end as usize);
        }
        if (start, end) == MISSING {
            return None;
        }
        let start = start & !UNESCAPED;
        self.unescaped.get(start as usize..end as usize)
    }
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    TooManyFields,
    AfterQuote,
    UnclosedQuote,
    NotUtf8,
    TooLong,
}

impl Broken {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::TooManyFields => "the record has more fields than the table has columns",
            Self::AfterQuote => "a closing quote is followed by neither a delimiter nor a line end",
            Self::UnclosedQuote => "a quoted field is not closed",
            Self::NotUtf8 => "the record is not UTF-8",
            Self::TooLong => "the record is longer than 16 MiB; a quote may not be closed",
        }
    }
}

/// What became of the record at the front.
enum Step {
    /// It has so many fields, and the next one starts at this offset.
    Record { next: usize, n_fields: usize },
    /// It is to be ignored, up to this offset: a comment.
    Nothing(usize),
    /// It is broken; the next one starts at this offset.
    Broken(Broken, usize),
    /// Its end is not there yet.
    Incomplete,
}

/// Splits records of `bytes` from `at` on onto `tape` until it has `max_rows`, and gives the offset
/// behind the last one. With `skip_broken`, broken records are left out; otherwise the first one
/// ends the work with its offset.
pub(super) fn split(
    options: &CsvOptions,
    (bytes, mut at): (&[u8], usize),
    at_end: bool,
    max_rows: usize,
    tape: &mut Tape,
) -> Result<usize, (usize, Broken)> {
    let always_careful = options.escape.is_some() || options.trim_spaces || options.allow_comments;
    // Up to these offsets the bytes are known to be UTF-8, and to hold no carriage return.
    let mut utf8_to = valid_to(bytes, at);
    let rest = bytes.get(at..).unwrap_or_default();
    let mut line_feeds_to = memchr(b'\r', rest).map_or(bytes.len(), |found| at + found);
    while tape.n_rows() < max_rows && at < bytes.len() {
        if !always_careful {
            let plain = bytes.get(..utf8_to.min(line_feeds_to)).unwrap_or(bytes);
            at = split_plain(options, plain, at, max_rows, tape);
            if tape.n_rows() >= max_rows || at >= bytes.len() {
                break;
            }
        }
        let n_fields = tape.fields.len();
        let mut scanner = Scanner {
            options,
            bytes,
            at_end,
            at,
            tape,
        };
        match check(scanner.record(), bytes, at) {
            Step::Record { next, n_fields } => {
                tape.end_record(at, n_fields);
                at = next;
            }
            Step::Nothing(next) => {
                tape.fields.truncate(n_fields);
                at = next;
            }
            Step::Broken(broken, next) => {
                tape.fields.truncate(n_fields);
                if !options.ignore_parse_errors {
                    return Err((at, broken));
                }
                at = next;
            }
            Step::Incomplete => {
                tape.fields.truncate(n_fields);
                break;
            }
        }
        if at > utf8_to {
            utf8_to = valid_to(bytes, at);
        }
        if at > line_feeds_to {
            let rest = bytes.get(at..).unwrap_or_default();
            line_feeds_to = memchr(b'\r', rest).map_or(bytes.len(), |found| at + found);
        }
    }
    Ok(at)
}

/// The offset up to which the bytes from `at` on are UTF-8.
fn valid_to(bytes: &[u8], at: usize) -> usize {
    match std::str::from_utf8(bytes.get(at..).unwrap_or_default()) {
        Ok(_) => bytes.len(),
        Err(error) => at + error.valid_up_to(),
    }
}

/// Tests what concerns a record as a whole: its encoding and its length.
fn check(step: Step, bytes: &[u8], at: usize) -> Step {
    match step {
        Step::Record { next, .. } => {
            match std::str::from_utf8(bytes.get(at..next).unwrap_or_default()) {
                Ok(_) => step,
                Err(_) => Step::Broken(Broken::NotUtf8, next),
            }
        }
        Step::Incomplete if bytes.len() - at > MAX_RECORD_BYTES => {
            let line = memchr(b'\n', bytes.get(at..).unwrap_or_default());
            let next = line.map_or(bytes.len(), |end| at + end + 1);
            Step::Broken(Broken::TooLong, next)
        }
        step => step,
    }
}

/// The fast path: takes records from `at` on while they hold no quote at the beginning of a field
/// and have at most as many fields as there are columns. Gives the start of the first record that
/// is not taken.
fn split_plain(
    options: &CsvOptions,
    bytes: &[u8],
    at: usize,
    max_rows: usize,
    tape: &mut Tape,
) -> usize {
    let Some(rest) = bytes.get(at..) else {
        return at;
    };
    let n_columns = tape.n_columns;
    let quote = options.quote.unwrap_or(options.delimiter);
    let mut record_start = at;
    let mut field_start = at;
    let mut n_fields = 0;
    for hit in memchr3_iter(options.delimiter, b'\n', quote, rest) {
        let end = at + hit;
        match bytes.get(end) {
            Some(&byte) if byte == options.delimiter => {
                if n_fields + 1 >= n_columns {
                    break;
                }
                tape.fields.push((offset_u32(field_start), offset_u32(end)));
                n_fields += 1;
                field_start = end + 1;
            }
            Some(b'\n') => {
                tape.fields.push((offset_u32(field_start), offset_u32(end)));
                n_fields += 1;
                tape.end_record(record_start, n_fields);
                record_start = end + 1;
                field_start = record_start;
                n_fields = 0;
                if tape.starts.len() >= max_rows {
                    return record_start;
                }
            }
            // A quote in the middle of a field is an ordinary character.
            Some(_) if end > field_start => {}
            _ => break,
        }
    }
    tape.fields.truncate(tape.starts.len() * n_columns);
    record_start
}

fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX >> 1)
}

/// The careful path: one record, byte by byte.
struct Scanner<'a> {
    options: &'a CsvOptions,
    bytes: &'a [u8],
    at_end: bool,
    at: usize,
    tape: &'a mut Tape,
}

/// How a field ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldEnd {
    Delimiter,
    Record,
    /// A closing quote was followed by something else, which has been skipped.
    Garbage,
    UnclosedQuote,
    Incomplete,
}

impl Scanner<'_> {
    fn record(&mut self) -> Step {
        if self.options.allow_comments
            && let Some(step) = self.comment()
        {
            return step;
        }
        let n_columns = self.tape.n_columns;
        let mut broken = None;
        let mut n_fields = 0;
        loop {
            let (field, end) = self.field();
            match end {
                FieldEnd::Incomplete => return Step::Incomplete,
                FieldEnd::UnclosedQuote => return Step::Broken(Broken::UnclosedQuote, self.at),
                FieldEnd::Garbage => {
                    broken.get_or_insert(Broken::AfterQuote);
                    continue;
                }
                FieldEnd::Delimiter | FieldEnd::Record => {}
            }
            if n_fields < n_columns {
                self.tape.fields.push(field);
            } else if n_fields > n_columns || !self.is_blank(field) {
                // One empty field too many is a trailing delimiter and allowed.
                broken.get_or_insert(Broken::TooManyFields);
            }
            n_fields += 1;
            if end == FieldEnd::Record {
                break;
            }
        }
        match broken {
            Some(broken) => Step::Broken(broken, self.at),
            None => Step::Record {
                next: self.at,
                n_fields: n_fields.min(n_columns),
            },
        }
    }

    /// Skips spaces, empty lines and one line that begins with `#`. `None` if a record is next.
    fn comment(&mut self) -> Option<Step> {
        let rest = self.bytes.get(self.at..)?;
        let Some(first) = rest.iter().position(|&byte| byte > b' ') else {
            return Some(match self.at_end {
                true => Step::Nothing(self.bytes.len()),
                false => Step::Incomplete,
            });
        };
        self.at += first;
        if self.peek() != Some(b'#') {
            return None;
        }
        while let Some(byte) = self.peek() {
            if byte == b'\n' || byte == b'\r' {
                return Some(match self.line_end() {
                    true => Step::Nothing(self.at),
                    false => Step::Incomplete,
                });
            }
            self.at += 1;
        }
        Some(match self.at_end {
            true => Step::Nothing(self.at),
            false => Step::Incomplete,
        })
    }

    fn is_blank(&self, field: (u32, u32)) -> bool {
        self.tape
            .field(field, self.bytes)
            .is_some_and(|text| super::parse::trim(text).is_empty())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Reads one field and the delimiter or line end behind it.
    fn field(&mut self) -> ((u32, u32), FieldEnd) {
        if self.options.trim_spaces {
            while self.peek() == Some(b' ') {
                self.at += 1;
            }
        }
        if self.options.quote.is_some() && self.peek() == self.options.quote {
            return self.quoted();
        }
        let start = self.at;
        let mut copied: Option<usize> = None;
        loop {
            let Some(byte) = self.peek() else {
                let end = match self.at_end {
                    true => FieldEnd::Record,
                    false => FieldEnd::Incomplete,
                };
                return (self.close(start, copied, true), end);
            };
            if byte == self.options.delimiter {
                let field = self.close(start, copied, true);
                self.at += 1;
                return (field, FieldEnd::Delimiter);
            }
            if byte == b'\n' || byte == b'\r' {
                let field = self.close(start, copied, true);
                return (field, self.record_end());
            }
            if Some(byte) == self.options.escape {
                copied = copied.or_else(|| Some(self.copy(start, self.at)));
                if self.unescape() {
                    continue;
                }
                if !self.at_end {
                    return (MISSING, FieldEnd::Incomplete);
                }
                self.at = self.bytes.len();
                continue;
            }
            if copied.is_some() {
                self.tape.unescaped.push(byte);
            }
            self.at += 1;
        }
    }

    /// Reads a field whose opening quote is next.
    fn quoted(&mut self) -> ((u32, u32), FieldEnd) {
        self.at += 1;
        let start = self.at;
        let mut copied: Option<usize> = None;
        loop {
            let Some(byte) = self.peek() else {
                return (MISSING, self.unclosed());
            };
            if Some(byte) == self.options.quote {
                match self.bytes.get(self.at + 1).copied() {
                    Some(next) if Some(next) == self.options.quote => {
                        copied = copied.or_else(|| Some(self.copy(start, self.at)));
                        self.tape.unescaped.push(byte);
                        self.at += 2;
                        continue;
                    }
                    None if !self.at_end => return (MISSING, FieldEnd::Incomplete),
                    _ => {
                        let field = self.close(start, copied, false);
                        self.at += 1;
                        return (field, self.after_quote());
                    }
                }
            }
            if Some(byte) == self.options.escape {
                copied = copied.or_else(|| Some(self.copy(start, self.at)));
                if !self.unescape() {
                    return (MISSING, self.unclosed());
                }
                continue;
            }
            if copied.is_some() {
                self.tape.unescaped.push(byte);
            }
            self.at += 1;
        }
    }

    fn unclosed(&mut self) -> FieldEnd {
        if !self.at_end {
            return FieldEnd::Incomplete;
        }
        self.at = self.bytes.len();
        FieldEnd::UnclosedQuote
    }

    /// Spaces may stand between a closing quote and the delimiter.
    fn after_quote(&mut self) -> FieldEnd {
        loop {
            match self.peek() {
                None if self.at_end => return FieldEnd::Record,
                None => return FieldEnd::Incomplete,
                Some(byte) if byte == self.options.delimiter => {
                    self.at += 1;
                    return FieldEnd::Delimiter;
                }
                Some(b'\n' | b'\r') => return self.record_end(),
                Some(byte) => {
                    self.at += 1;
                    if byte > b' ' {
                        return FieldEnd::Garbage;
                    }
                }
            }
        }
    }

    fn record_end(&mut self) -> FieldEnd {
        match self.line_end() {
            true => FieldEnd::Record,
            false => FieldEnd::Incomplete,
        }
    }

    /// Steps over `\n`, `\r` or `\r\n`; false if it is not known yet which it is.
    fn line_end(&mut self) -> bool {
        if self.peek() == Some(b'\r') {
            self.at += 1;
            match self.peek() {
                Some(b'\n') => {}
                None if !self.at_end => return false,
                _ => return true,
            }
        }
        self.at += 1;
        true
    }

    /// Copies what has been read of a field, because its text will differ from the input.
    fn copy(&mut self, start: usize, end: usize) -> usize {
        let copied = self.tape.unescaped.len();
        self.tape
            .unescaped
            .extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        copied
    }

    /// Takes the escape character and the one behind it; false if that is not there.
    fn unescape(&mut self) -> bool {
        let Some(&byte) = self.bytes.get(self.at + 1) else {
            return false;
        };
        self.tape.unescaped.push(match byte {
            b'0' => 0,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => other,
        });
        self.at += 2;
        true
    }

    /// The range of a field that ends here.
    fn close(&self, start: usize, copied: Option<usize>, may_trim: bool) -> (u32, u32) {
        let (start, mut end, bytes, mark) = match copied {
            Some(from) => (
                from,
                self.tape.unescaped.len(),
                &self.tape.unescaped[..],
                UNESCAPED,
            ),
            None => (start, self.at, self.bytes, 0),
        };
        if may_trim && self.options.trim_spaces {
            while end > start && bytes.get(end - 1) == Some(&b' ') {
                end -= 1;
            }
        }
        (offset_u32(start) | mark, offset_u32(end))
    }
}
