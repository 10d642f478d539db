//! From sqlparser's errors to diagnostics: our words, the place in the script, and what to do.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::sql::diagnostics::{
    Position, SqlDiagnostic, SqlErrorKind, did_you_mean, most_similar, span_length,
    split_parser_error,
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

/// The words that data types begin with.
const TYPE_WORDS: [&str; 28] = [
    "ARRAY",
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "BYTES",
    "CHAR",
    "CHARACTER",
    "DATE",
    "DEC",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "MAP",
    "MULTISET",
    "NUMERIC",
    "REAL",
    "ROW",
    "SMALLINT",
    "STRING",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TINYINT",
    "VARBINARY",
    "VARCHAR",
];

/// The longest list of expected things that is shown.
const MAX_EXPECTED_CHARS: usize = 90;

/// The diagnostic for an error that parsing `tokens` gave.
pub(super) fn to_diagnostic(
    error: &ParserError,
    source: &SourceText,
    tokens: &[TokenWithSpan],
) -> SqlDiagnostic {
    let (message, mut position) = split_parser_error(error);
    let significant: Vec<&TokenWithSpan> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let mut found_idx = position.and_then(|position| {
        significant
            .iter()
            .position(|token| position_of(token.span.start) == Some(position))
    });
    // Some errors name a token and have the place of the next one.
    if let Some((_, named)) = message.rsplit_once(", found: ")
        && let Some(before) = found_idx.unwrap_or(significant.len()).checked_sub(1)
        && let Some(token) = significant.get(before)
        && found_idx.is_none_or(|idx| {
            significant
                .get(idx)
                .is_none_or(|it| it.token.to_string() != named)
        })
        && token.token.to_string() == named
    {
        found_idx = Some(before);
        position = position_of(token.span.start);
    }
    let found = found_idx.and_then(|idx| significant.get(idx).copied());
    let (message, expected) = match is_model(&significant, found_idx) {
        true => (
            "a MODEL as an argument is not supported yet".to_owned(),
            None,
        ),
        false => reword(&message, found, &significant),
    };
    let length = found.map_or(1, |token| span_length(source.text(), token.span));
    let position = position.or_else(|| end_of(&significant));
    let hint = hint(&message, expected.as_deref(), &significant, found_idx);
    let kind = if message.ends_with("not supported yet") {
        SqlErrorKind::Table
    } else {
        SqlErrorKind::Parse
    };
    SqlDiagnostic::at(kind, message, source.text(), position, length).with_hint(hint)
}

/// Whether what was found is the name behind `MODEL` in the arguments of a function.
fn is_model(significant: &[&TokenWithSpan], found_idx: Option<usize>) -> bool {
    let before = |n| significant.get(found_idx?.checked_sub(n)?);
    let is_argument = before(2)
        .is_some_and(|token| matches!(token.token, Token::LParen | Token::Comma | Token::RArrow));
    is_argument && before(1).is_some_and(|token| is_word(token, "MODEL"))
}

/// The message in our words, and what sqlparser would have liked.
fn reword(
    message: &str,
    found: Option<&TokenWithSpan>,
    significant: &[&TokenWithSpan],
) -> (String, Option<String>) {
    if let Some(name) = message.strip_prefix(RESERVED) {
        // A CASE that does not parse as one is read as a name.
        let n_words = |word| significant.iter().filter(|it| is_word(it, word)).count();
        if name.eq_ignore_ascii_case("'CASE'") && n_words("CASE") > n_words("END") {
            return ("this CASE has no END".to_owned(), None);
        }
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
    significant: &[&TokenWithSpan],
    found_idx: Option<usize>,
) -> Option<String> {
    if let Some(name) = message.strip_suffix(" is a reserved word") {
        let name = name.trim_matches('\'');
        return Some(format!("write the name in backticks: `{name}`"));
    }
    if let Some(name) = message.strip_prefix("unknown data type ") {
        return did_you_mean(name.trim_matches('\''), TYPE_WORDS);
    }
    let at = |idx: Option<usize>| idx.and_then(|idx| significant.get(idx).copied());
    let before = |n: usize| at(found_idx.unwrap_or(significant.len()).checked_sub(n));
    let found = at(found_idx);
    if before(1).is_some_and(|token| token.token == Token::Comma)
        && word_of(found).is_none_or(is_reserved)
    {
        return Some("something is missing behind the comma, or the comma is too much".to_owned());
    }
    expected?;
    if found_idx == Some(0) {
        return word_of(found).and_then(|word| did_you_mean(word, STATEMENT_WORDS));
    }
    if let Some(word) = word_of(found)
        && ["GROUP", "ORDER", "PARTITION"].contains(&word.to_ascii_uppercase().as_str())
        && !at(found_idx.map(|idx| idx + 1)).is_some_and(|next| is_word(next, "BY"))
    {
        return Some(format!("{} needs BY", word.to_uppercase()));
    }
    // `SELECT a FORM t`: FORM was taken as a name, and what follows it is the surprise. The name
    // of a relation is not meant to be a word of a clause.
    let is_relation = before(2).is_some_and(|token| {
        ["FROM", "JOIN", "INTO", "TABLE"]
            .iter()
            .any(|it| is_word(token, it))
    });
    let previous = word_of(before(1)).filter(|_| !is_relation);
    let meant = [word_of(found), previous]
        .into_iter()
        .flatten()
        .filter_map(|word| {
            let upper = word.to_ascii_uppercase();
            let is_right = CLAUSE_WORDS.contains(&upper.as_str()) || is_reserved(&upper);
            let meant = most_similar(&upper, CLAUSE_WORDS).filter(|_| !is_right)?;
            Some((meant.len().abs_diff(upper.len()), meant))
        })
        .min_by_key(|(difference, _)| *difference);
    if let Some((_, meant)) = meant {
        return Some(format!("did you mean '{meant}'?"));
    }
    if let Some(word) = word_of(found)
        && is_reserved(word)
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

/// The word that a token is, if it is not in quotes.
fn word_of(token: Option<&TokenWithSpan>) -> Option<&str> {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    word_of(Some(token)).is_some_and(|it| it.eq_ignore_ascii_case(word))
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
