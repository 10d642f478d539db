//! From sqlparser's errors to diagnostics: our words, the place in the script, and what to do.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::sql::diagnostics::{
    Position, SqlDiagnostic, SqlErrorKind, did_you_mean, span_length, split_parser_error,
};
use crate::sql::reserved::is_reserved;
use crate::sql::source::{SourceText, position_of};

/// How the message of a reserved word begins; its name follows in quotes.
pub(super) const RESERVED: &str = "reserved word ";

/// The first words of statements.
pub(in crate::sql) const STATEMENT_WORDS: [&str; 31] = [
    "ADD",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "COMPILE",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "HELP",
    "INSERT",
    "LOAD",
    "MERGE",
    "REMOVE",
    "REPLACE",
    "RESET",
    "SELECT",
    "SET",
    "SHOW",
    "STATEMENT",
    "STOP",
    "TRUNCATE",
    "UNLOAD",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
];

/// Words that are often mistyped inside of a statement.
const CLAUSE_WORDS: [&str; 42] = [
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "JOIN",
    "LEFT",
    "RIGHT",
    "INNER",
    "FULL",
    "CROSS",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "DISTINCT",
    "TABLE",
    "TABLES",
    "VIEW",
    "VIEWS",
    "COLUMNS",
    "FUNCTION",
    "FUNCTIONS",
    "DATABASE",
    "DATABASES",
    "CATALOG",
    "CATALOGS",
    "TEMPORARY",
    "WATERMARK",
    "PRIMARY",
    "ENFORCED",
    "PARTITIONED",
    "COMMENT",
    "METADATA",
    "VIRTUAL",
    "INTO",
    "VALUES",
    "BETWEEN",
    "WINDOW",
    "INTERVAL",
    "SELECT",
    "EXISTS",
];

/// The longest list of expected things that is shown.
const MAX_EXPECTED_CHARS: usize = 90;

/// The diagnostic for an error that parsing `tokens` gave.
pub(super) fn to_diagnostic(
    error: &ParserError,
    source: &SourceText,
    tokens: &[TokenWithSpan],
) -> SqlDiagnostic {
    let (message, position) = split_parser_error(error);
    let significant: Vec<&TokenWithSpan> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let found_idx = position.and_then(|position| {
        significant
            .iter()
            .position(|token| position_of(token.span.start) == Some(position))
    });
    let found = found_idx.and_then(|idx| significant.get(idx).copied());
    let (message, expected) = reword(&message, found);
    let length = found.map_or(1, |token| span_length(source.text(), token.span));
    let position = position.or_else(|| end_of(&significant));
    let previous = found_idx
        .unwrap_or(significant.len())
        .checked_sub(1)
        .and_then(|idx| significant.get(idx).copied());
    let hint = hint(&message, expected.as_deref(), found_idx, found, previous);
    let kind = if message.ends_with("not supported yet") {
        SqlErrorKind::Table
    } else {
        SqlErrorKind::Parse
    };
    SqlDiagnostic::at(kind, message, source.text(), position, length).with_hint(hint)
}

/// The message in our words, and what sqlparser would have liked.
fn reword(message: &str, found: Option<&TokenWithSpan>) -> (String, Option<String>) {
    if let Some(name) = message.strip_prefix(RESERVED) {
        return (format!("{name} is a reserved word"), None);
    }
    if let Some(token) = found
        && message.starts_with("No infix parser for token")
    {
        return (format!("there is no operator '{}'", token.token), None);
    }
    let expected = message
        .strip_prefix("Expected: ")
        .and_then(|rest| rest.rsplit_once(", found: "));
    let Some((expected, _)) = expected else {
        let message = message.trim_end_matches('.');
        return (lower_first(message), None);
    };
    let reworded = match found {
        Some(token) => format!("incorrect syntax near '{}'", token.token),
        None => "incorrect syntax: the statement ends too early".to_owned(),
    };
    (reworded, Some(expected.to_owned()))
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

fn hint(
    message: &str,
    expected: Option<&str>,
    found_idx: Option<usize>,
    found: Option<&TokenWithSpan>,
    previous: Option<&TokenWithSpan>,
) -> Option<String> {
    if let Some(name) = message.strip_suffix(" is a reserved word") {
        let name = name.trim_matches('\'');
        return Some(format!("write the name in backticks: `{name}`"));
    }
    expected?;
    let word = |token: Option<&TokenWithSpan>| match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.clone()),
        _ => None,
    };
    if found_idx == Some(0) {
        return word(found).and_then(|word| did_you_mean(&word, STATEMENT_WORDS));
    }
    // `SELECT a FORM t`: FORM was taken as a name, and what follows it is the surprise.
    for candidate in [word(found), word(previous)].into_iter().flatten() {
        let upper = candidate.to_ascii_uppercase();
        if !CLAUSE_WORDS.contains(&upper.as_str())
            && !is_reserved(&upper)
            && let Some(hint) = did_you_mean(&upper, CLAUSE_WORDS)
        {
            return Some(hint);
        }
    }
    if let Some(word) = word(found)
        && is_reserved(&word)
        && expected.is_some_and(|expected| expected.contains("identifier"))
    {
        return Some(format!(
            "'{word}' is a reserved word; write a name in backticks: `{word}`"
        ));
    }
    expected
        .map(expected_text)
        .filter(|text| text.chars().count() <= MAX_EXPECTED_CHARS)
        .map(|text| format!("expected {text}"))
}

/// sqlparser's name of what it expected, for people.
fn expected_text(expected: &str) -> String {
    match expected {
        "end of statement" => "the end of the statement".to_owned(),
        "identifier" => "a name".to_owned(),
        other => other
            .strip_suffix(" after column definition")
            .unwrap_or(other)
            .to_owned(),
    }
}

/// The place behind the last token.
fn end_of(significant: &[&TokenWithSpan]) -> Option<Position> {
    let span: Span = significant.last()?.span;
    position_of(span.end)
}
