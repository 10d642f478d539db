//! From the places of tokens (line and column, in characters) to the script's bytes and back.

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::diagnostics::Position;

/// The text of a script with its lines' beginnings.
#[derive(Debug, Clone)]
pub(super) struct SourceText<'a> {
    text: &'a str,
    /// Byte offset of the beginning of every line.
    line_starts: Vec<usize>,
}

impl<'a> SourceText<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1))
            .collect();
        Self { text, line_starts }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Byte offset of a place; the end of the text for one behind it or unknown.
    pub(super) fn offset(&self, location: Location) -> usize {
        let line_idx = usize::try_from(location.line)
            .unwrap_or(usize::MAX)
            .wrapping_sub(1);
        let Some(start) = self.line_starts.get(line_idx) else {
            return self.text.len();
        };
        let n_chars = usize::try_from(location.column)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let rest = self.text.get(*start..).unwrap_or("");
        rest.char_indices()
            .nth(n_chars)
            .map_or(self.text.len(), |(offset, _)| start + offset)
    }

    /// The text of a span; its end is the place behind its last character.
    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.text
            .get(self.offset(span.start)..self.offset(span.end))
            .unwrap_or("")
    }
}

/// The position of a diagnostic, or `None` for a place that is unknown.
pub(super) fn position_of(location: Location) -> Option<Position> {
    let line = usize::try_from(location.line).ok()?;
    let column = usize::try_from(location.column).ok()?;
    (line > 0 && column > 0).then_some(Position { line, column })
}
