//! What is wrong with a statement, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::EngineError;

/// A validation error whose place is not known yet.
pub fn validation(message: String) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::validation(message)))
}

/// A place in the text of a statement; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// Flink's classes of errors that a statement's author can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is no statement: Flink's `SqlParserException`.
    Parse,
    /// The statement makes no sense here: Flink's `ValidationException`.
    Validation,
    /// The statement cannot be planned: Flink's `TableException`.
    Table,
    /// A catalog has no such thing: Flink's `CatalogException`.
    Catalog,
}

/// An error in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlDiagnostic {
    /// Class of the error.
    pub kind: SqlErrorKind,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where, if known.
    pub position: Option<Position>,
    /// Number of characters to mark from `position` on; at least 1.
    pub length: usize,
    /// The text that was given, for the marked excerpt.
    pub source: String,
    /// What to do, e.g. `did you mean 'province'?`.
    pub hint: Option<String>,
}

impl SqlDiagnostic {
    /// An error at a place.
    pub fn at(
        kind: SqlErrorKind,
        message: impl Into<String>,
        source: &str,
        position: Option<Position>,
        length: usize,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            position,
            length: length.max(1),
            source: source.to_owned(),
            hint: None,
        }
    }

    /// An error of validation without a place.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::at(SqlErrorKind::Validation, message, "", None, 1)
    }

    /// An error of planning without a place.
    pub fn table(message: impl Into<String>) -> Self {
        Self::at(SqlErrorKind::Table, message, "", None, 1)
    }

    /// The same error with a hint; none keeps what is there.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        if hint.is_some() {
            self.hint = hint;
        }
        self
    }

    /// The same error at a span of `source`, unless it has a place already.
    #[must_use]
    pub fn with_span(mut self, source: &str, span: Span) -> Self {
        if self.position.is_none()
            && let Some(position) = super::source::position_of(span.start)
        {
            self.position = Some(position);
            self.length = span_length(source, span);
            self.source = source.to_owned();
        }
        self
    }
}

impl std::error::Error for SqlDiagnostic {}

impl fmt::Display for SqlDiagnostic {
    /// ```text
    /// column 'provinc' not found at line 1, column 8
    ///   1 | SELECT provinc FROM access_log
    ///     |        ^^^^^^^
    ///   hint: did you mean 'province'?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Flink's longer messages have details below the first line.
        let (sentence, details) = match self.message.split_once('\n') {
            Some((sentence, details)) => (sentence, Some(details)),
            None => (self.message.as_str(), None),
        };
        f.write_str(sentence)?;
        if let Some(position) = self.position {
            write!(f, " at line {}, column {}", position.line, position.column)?;
        }
        if let Some(details) = details {
            write!(f, "\n{details}")?;
        }
        if let Some(position) = self.position
            && let Some(line) = self.source.lines().nth(position.line.saturating_sub(1))
        {
            let number = position.line.to_string();
            let gutter = " ".repeat(number.len());
            let (indent, caret) = marks(line, position.column, self.length);
            write!(f, "\n  {number} | {line}\n  {gutter} | {indent}{caret}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The blanks before and the carets under the marked characters, as wide as the characters are on
/// a terminal; tabs are kept.
fn marks(line: &str, column: usize, length: usize) -> (String, String) {
    use unicode_width::UnicodeWidthChar;

    let before: String = line
        .chars()
        .take(column.saturating_sub(1))
        .map(|c| match c {
            '\t' => "\t".to_owned(),
            c => " ".repeat(c.width().unwrap_or(0)),
        })
        .collect();
    let width: usize = line
        .chars()
        .skip(column.saturating_sub(1))
        .take(length.max(1))
        .map(|c| c.width().unwrap_or(1))
        .sum();
    (before, "^".repeat(width.max(1)))
}

/// The hint for a name that does not exist: the most similar one of those that do, if any is
/// similar enough.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    most_similar(name, candidates).map(|candidate| format!("did you mean '{candidate}'?"))
}

/// The most similar of the candidates, without regard to case; none if all differ too much.
pub fn most_similar<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    // One typing error for every three characters, at least one.
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            (strsim::damerau_levenshtein(&name, &lower), candidate)
        })
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// The message and the place inside of an error of sqlparser, which has both in one text.
pub(super) fn split_parser_error(error: &ParserError) -> (String, Option<Position>) {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return ("the statement is nested too deep".to_owned(), None);
        }
    };
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text.to_owned(), None);
    };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    (message.to_owned(), position)
}

/// Number of characters from the beginning of a span to its end, or to the end of its line.
pub(super) fn span_length(source: &str, span: Span) -> usize {
    if span.start.line == span.end.line {
        return usize::try_from(span.end.column.saturating_sub(span.start.column))
            .unwrap_or(1)
            .max(1);
    }
    let line = usize::try_from(span.start.line.saturating_sub(1))
        .ok()
        .and_then(|idx| source.lines().nth(idx));
    let column = usize::try_from(span.start.column).unwrap_or(1);
    line.map_or(1, |line| {
        (line.chars().count() + 1).saturating_sub(column).max(1)
    })
}
