//! What is wrong with a statement, where, and what to do about it.

use std::fmt;

/// A place in the text of a statement; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// Flink's two classes of errors that a statement's author can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is no statement: Flink's `SqlParserException`.
    Parse,
    /// The statement makes no sense here: Flink's `ValidationException`.
    Validation,
    /// The statement cannot be planned: Flink's `TableException`.
    Table,
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

impl std::error::Error for SqlDiagnostic {}

impl fmt::Display for SqlDiagnostic {
    /// ```text
    /// column 'provinc' not found at line 1, column 8
    ///   1 | SELECT provinc FROM access_log
    ///     |        ^^^^^^^
    ///   hint: did you mean 'province'?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(f, " at line {}, column {}", position.line, position.column)?;
            if let Some(line) = self.source.lines().nth(position.line.saturating_sub(1)) {
                let number = position.line.to_string();
                let gutter = " ".repeat(number.len());
                let indent = " ".repeat(position.column.saturating_sub(1));
                let caret = "^".repeat(self.length.max(1));
                write!(f, "\n  {number} | {line}\n  {gutter} | {indent}{caret}")?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
