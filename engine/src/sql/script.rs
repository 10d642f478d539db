//! A script's statements: where each begins and ends, and what it says.
//!
//! A script is split on its tokens, so a `;` in a string, a name or a comment separates nothing.
//! `EXECUTE STATEMENT SET BEGIN …; …; END` is one statement, and so is the SQL client's form
//! `BEGIN STATEMENT SET; …; …; END`.

use std::ops::Range;
use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::diagnostics::{Position, SqlDiagnostic, SqlErrorKind};
use super::hints::TableHint;
use super::parser;
use super::prepass::{Prepared, prepare};
use super::source::{SourceText, position_of};
use super::statement::{ExprText, QueryText, RowsChange, Statement};
use crate::error::{EngineError, Result};

/// One statement of a script.
#[derive(Debug, Clone)]
pub struct ScriptStatement {
    /// Its own text, without the `;`.
    pub text: String,
    /// The whole script: what the spans of `statement` refer to.
    pub script: Arc<str>,
    /// Where the statement begins in the script.
    pub position: Position,
    /// What it says.
    pub statement: Statement,
}

impl ScriptStatement {
    /// Whether it is a query: SELECT, VALUES, WITH.
    #[must_use]
    pub fn is_query(&self) -> bool {
        matches!(self.statement, Statement::Query(_))
    }

    /// The statement's first words: `SELECT`, `CREATE TABLE`, `INSERT`, `EXPLAIN`, …; for lists
    /// and messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.statement {
            Statement::Query(_) => "SELECT",
            Statement::Insert(_) => "INSERT",
            Statement::StatementSet(_) => "EXECUTE STATEMENT SET",
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateView(_) => "CREATE VIEW",
            Statement::CreateFunction(_) => "CREATE FUNCTION",
            Statement::CreateDatabase(_) => "CREATE DATABASE",
            Statement::CreateCatalog(_) => "CREATE CATALOG",
            Statement::Drop(_) => "DROP",
            Statement::AlterTable(_) => "ALTER TABLE",
            Statement::AlterView(_) => "ALTER VIEW",
            Statement::AlterDatabase { .. } => "ALTER DATABASE",
            Statement::AlterCatalog(_) => "ALTER CATALOG",
            Statement::AlterFunction(_) => "ALTER FUNCTION",
            Statement::CreateModel(_) => "CREATE MODEL",
            Statement::AlterModel(_) => "ALTER MODEL",
            Statement::CreateMaterializedTable(_) => "CREATE MATERIALIZED TABLE",
            Statement::AlterMaterializedTable(_) => "ALTER MATERIALIZED TABLE",
            Statement::Analyze(_) => "ANALYZE TABLE",
            Statement::ChangeRows(change) => match change.change {
                RowsChange::Truncate => "TRUNCATE TABLE",
                RowsChange::Delete { .. } => "DELETE",
                RowsChange::Update { .. } => "UPDATE",
            },
            Statement::Call(_) => "CALL",
            Statement::AddJar(_) => "ADD JAR",
            Statement::CompilePlan(_) => "COMPILE PLAN",
            Statement::ExecutePlan { .. } => "EXECUTE PLAN",
            Statement::Use(_) => "USE",
            Statement::Modules(_) => "MODULES",
            Statement::Show(_) => "SHOW",
            Statement::ShowCreate(_) => "SHOW CREATE",
            Statement::Describe(_) => "DESCRIBE",
            Statement::Explain(_) => "EXPLAIN",
            Statement::Set(_) | Statement::SetAll => "SET",
            Statement::Reset { .. } => "RESET",
            Statement::StopJob { .. } => "STOP JOB",
            Statement::Help => "HELP",
            Statement::Unsupported { .. } => "UNSUPPORTED",
        }
    }

    /// The error for a statement that is not run here, with its place; none if it is run.
    #[must_use]
    pub fn unsupported(&self) -> Option<EngineError> {
        let Statement::Unsupported { feature, span } = &self.statement else {
            return None;
        };
        let diagnostic = SqlDiagnostic::table(format!("{feature} is not supported yet"));
        Some(EngineError::from(Arc::new(
            diagnostic.with_span(&self.script, *span),
        )))
    }
}

/// Reads all statements of a script; none if there is only space and comments.
///
/// # Errors
/// `Sql` for the first statement that is none; nothing is given then, so that a script with a
/// mistake does not run by half.
pub fn parse_script(text: &str) -> Result<Vec<ScriptStatement>> {
    let source = SourceText::new(text);
    parse_all(&source).map_err(|diagnostic| EngineError::from(Arc::new(diagnostic)))
}

/// Reads a text that must be one statement, with or without a `;` at its end.
///
/// # Errors
/// `Sql` if it is none or several.
pub fn parse_statement(text: &str) -> Result<ScriptStatement> {
    let mut statements = parse_script(text)?;
    if statements.len() > 1 {
        let second = statements.remove(1);
        let diagnostic = SqlDiagnostic::at(
            SqlErrorKind::Parse,
            "only one statement is expected here, a second one begins",
            text,
            Some(second.position),
            1,
        );
        return Err(EngineError::from(Arc::new(diagnostic)));
    }
    statements.pop().ok_or_else(|| no_statement(text))
}

/// The piece of a script that a span covers.
#[must_use]
pub fn text_of(script: &str, span: Span) -> String {
    SourceText::new(script).slice(span).to_owned()
}

/// Reads a text that must be a query.
///
/// # Errors
/// `Sql` if it is none.
pub fn parse_query(text: &str) -> Result<QueryText> {
    parse_whole(text, parser::parse_query)
}

/// Reads a text that must be an expression.
///
/// # Errors
/// `Sql` if it is none.
pub fn parse_expression(text: &str) -> Result<ExprText> {
    parse_whole(text, parser::parse_expression)
}

fn parse_whole<T>(
    text: &str,
    rule: impl FnOnce(&SourceText, &[TokenWithSpan], &mut Vec<TableHint>) -> Result<T, SqlDiagnostic>,
) -> Result<T> {
    let source = SourceText::new(text);
    let parse = || {
        let mut prepared = prepare(&source)?;
        let ranges = split(&prepared.tokens);
        let tokens = match ranges.as_slice() {
            [range] => prepared.tokens.get(range.clone()).unwrap_or_default(),
            _ => prepared.tokens.as_slice(),
        };
        let value = rule(&source, tokens, &mut prepared.table_hints)?;
        refuse_unused_hint(&source, &prepared.table_hints)?;
        Ok(value)
    };
    parse().map_err(|diagnostic: SqlDiagnostic| EngineError::from(Arc::new(diagnostic)))
}

fn no_statement(text: &str) -> EngineError {
    let diagnostic = SqlDiagnostic::at(
        SqlErrorKind::Parse,
        "there is no statement in the text",
        text,
        None,
        1,
    );
    EngineError::from(Arc::new(diagnostic))
}

fn parse_all(source: &SourceText) -> Result<Vec<ScriptStatement>, SqlDiagnostic> {
    let Prepared {
        tokens,
        mut table_hints,
    } = prepare(source)?;
    let script: Arc<str> = Arc::from(source.text());
    let mut statements = Vec::new();
    for range in split(&tokens) {
        let tokens = tokens.get(range).unwrap_or_default();
        let Some(span) = span_of(tokens) else {
            continue;
        };
        let statement = parser::parse_statement(source, tokens, &mut table_hints)?;
        statements.push(ScriptStatement {
            text: source.slice(span).to_owned(),
            script: Arc::clone(&script),
            position: position_of(span.start).unwrap_or(Position { line: 1, column: 1 }),
            statement,
        });
    }
    refuse_unused_hint(source, &table_hints)?;
    Ok(statements)
}

/// A hint that no table took stands at a wrong place.
fn refuse_unused_hint(source: &SourceText, hints: &[TableHint]) -> Result<(), SqlDiagnostic> {
    let Some(hint) = hints.first() else {
        return Ok(());
    };
    Err(SqlDiagnostic::at(
        SqlErrorKind::Parse,
        format!(
            "the hint behind '{}' belongs to no table",
            source.slice(hint.after)
        ),
        source.text(),
        position_of(hint.after.start),
        source.slice(hint.after).chars().count(),
    )
    .with_hint(Some(
        "write the hint directly behind the table's name, before an alias".to_owned(),
    )))
}

/// The ranges of tokens between separators; a statement set is one.
pub(super) fn split(tokens: &[TokenWithSpan]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut head: Vec<String> = Vec::new();
    let mut in_set = false;
    // Whether the next word begins a statement inside of a set.
    let mut at_begin = false;
    for (idx, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::SemiColon if !in_set => {
                ranges.push(start..idx);
                start = idx + 1;
                head.clear();
            }
            Token::SemiColon => at_begin = true,
            token => {
                let word = match token {
                    Token::Word(word) if word.quote_style.is_none() => {
                        word.value.to_ascii_uppercase()
                    }
                    _ => String::new(),
                };
                if in_set {
                    in_set = !(at_begin && word == "END");
                    at_begin = word == "BEGIN" && head.len() < MAX_SET_HEAD;
                }
                if head.len() < MAX_SET_HEAD {
                    head.push(word);
                    if !in_set && opens_set(&head) {
                        in_set = true;
                        at_begin = true;
                    }
                }
            }
        }
    }
    ranges.push(start..tokens.len());
    ranges
}

/// The longest beginning of a statement set: `EXPLAIN a, b, c, d STATEMENT SET BEGIN`.
const MAX_SET_HEAD: usize = 12;

fn opens_set(head: &[String]) -> bool {
    let ends_with = |words: &[&str]| {
        let last = head.len().checked_sub(words.len());
        last.and_then(|last| head.get(last..))
            .is_some_and(|end| end.iter().zip(words).all(|(found, word)| found == word))
    };
    let first = head.first().map(String::as_str);
    match first {
        Some("BEGIN") => head.len() == 3 && ends_with(&["BEGIN", "STATEMENT", "SET"]),
        Some("EXECUTE" | "STATEMENT" | "EXPLAIN" | "COMPILE") => {
            ends_with(&["STATEMENT", "SET", "BEGIN"]) || ends_with(&["BEGIN", "STATEMENT", "SET"])
        }
        _ => false,
    }
}

/// From the first to the last token that is no space.
fn span_of(tokens: &[TokenWithSpan]) -> Option<Span> {
    let mut significant = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let first = significant.next()?.span;
    let last = significant.next_back().map_or(first, |token| token.span);
    Some(Span::new(first.start, last.end))
}
