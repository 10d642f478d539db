//! From a script's text to tokens that sqlparser reads as Flink means them.
//!
//! What is done here, all on tokens, so that every place still refers to the user's text:
//! - texts that Flink refuses and sqlparser takes (`"name"`, `!=`, `==`, `::`) become errors;
//! - a hint of a table, `/*+ OPTIONS('k' = 'v') */`, which sqlparser drops silently, is put aside
//!   under the place of the name that it follows ([`super::hints`] puts it into the tree);
//! - `WITHIN interval` of MATCH_RECOGNIZE, which sqlparser does not know, is moved into DEFINE as
//!   the definition of a made-up symbol, [`WITHIN_SYMBOL`];
//! - `SUBSET s = (a, b)` of MATCH_RECOGNIZE goes there, too, as the definition of a symbol whose
//!   name begins with [`SUBSET_SYMBOL`];
//! - a subquery before MATCH_RECOGNIZE becomes the argument of a made-up function,
//!   [`SUBQUERY_TABLE`]: sqlparser reads the clause behind names only; `SKIP TO x` gets its LAST;
//! - rows of one value, `VALUES 1, 2`, get the parentheses that sqlparser wants;
//! - `TABLE t` as a query is spelled out ([`super::table_query`]).

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word,
};

use super::diagnostics::{SqlDiagnostic, SqlErrorKind};
use super::dialect::FlinkDialect;
use super::hints::{TableHint, parse_table_hint};
use super::pattern_clause;
use super::source::{SourceText, position_of};
use super::table_query;

/// The symbol of DEFINE that carries `WITHIN interval`.
pub const WITHIN_SYMBOL: &str = "__within";

/// How the symbols of DEFINE begin that carry `SUBSET name = (…)`; the name follows.
pub const SUBSET_SYMBOL: &str = "__subset ";

/// The name of the made-up function that holds a subquery before MATCH_RECOGNIZE.
pub const SUBQUERY_TABLE: &str = "__subquery";

/// The tokens of a script and what was put aside.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The tokens, spaces and comments included.
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Hints of tables, in order.
    pub(super) table_hints: Vec<TableHint>,
}

/// Splits a script into tokens and prepares them.
///
/// # Errors
/// For text that no statement of Flink contains.
pub(super) fn prepare(source: &SourceText) -> Result<Prepared, SqlDiagnostic> {
    let mut tokens = Tokenizer::new(&FlinkDialect, source.text())
        .tokenize_with_location()
        .map_err(|error| unfinished_token(source, &error.message, error.location))?;
    refuse_foreign_tokens(source, &tokens)?;
    let table_hints = take_table_hints(source, &mut tokens)?;
    move_within(&mut tokens);
    pattern_clause::prepare(&mut tokens);
    table_query::prepare(&mut tokens);
    wrap_bare_rows(&mut tokens);
    Ok(Prepared {
        tokens,
        table_hints,
    })
}

/// The error for a string, a name or a comment that does not end.
fn unfinished_token(source: &SourceText, message: &str, location: Location) -> SqlDiagnostic {
    let lower = message.to_ascii_lowercase();
    let message = if lower.contains("unterminated string") {
        "the string does not end: a ' is missing".to_owned()
    } else if lower.contains("multi-line comment") {
        "the comment does not end: */ is missing".to_owned()
    } else if lower.contains("expected close delimiter") {
        "the quoted name does not end: a ` is missing".to_owned()
    } else {
        format!("the text cannot be read: {message}")
    };
    SqlDiagnostic::at(
        SqlErrorKind::Parse,
        message,
        source.text(),
        position_of(location),
        1,
    )
}

fn refuse_foreign_tokens(
    source: &SourceText,
    tokens: &[TokenWithSpan],
) -> Result<(), SqlDiagnostic> {
    let mut follows_limit = false;
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        let written = source.slice(token.span);
        let is_behind_limit = std::mem::replace(
            &mut follows_limit,
            matches!(&token.token, Token::Word(word) if word.keyword == Keyword::LIMIT),
        );
        let (message, hint) = match &token.token {
            Token::Minus if is_behind_limit => (
                "incorrect syntax near '-'".to_owned(),
                "LIMIT takes a number of rows, 0 or more".to_owned(),
            ),
            Token::DoubleQuotedString(name) => (
                format!("double quotes mean nothing in Flink SQL: {written}"),
                format!("write a name as `{name}` and a string as '{name}'"),
            ),
            Token::Neq if written == "!=" => (
                "'!=' is no operator of Flink SQL".to_owned(),
                "write '<>'".to_owned(),
            ),
            Token::DoubleEq => (
                "'==' is no operator of Flink SQL".to_owned(),
                "write '='".to_owned(),
            ),
            Token::DoubleColon => (
                "'::' is no operator of Flink SQL".to_owned(),
                "write CAST(value AS type)".to_owned(),
            ),
            _ => continue,
        };
        let mut diagnostic = SqlDiagnostic::at(
            SqlErrorKind::Parse,
            message,
            source.text(),
            position_of(token.span.start),
            written.chars().count(),
        );
        diagnostic.hint = Some(hint);
        return Err(diagnostic);
    }
    Ok(())
}

/// Characters of `/*+`.
const COMMENT_START: u64 = 3;

/// Takes out `/*+ … */` comments that do not follow SELECT.
fn take_table_hints(
    source: &SourceText,
    tokens: &mut Vec<TokenWithSpan>,
) -> Result<Vec<TableHint>, SqlDiagnostic> {
    let mut hints = Vec::new();
    let mut last: Option<(bool, Span)> = None;
    let mut error = None;
    tokens.retain(|token| {
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                match last {
                    Some((true, _)) => return true,
                    Some((false, after)) => {
                        let mut start = token.span.start;
                        start.column += COMMENT_START;
                        match parse_table_hint(&text[1..], start, after) {
                            Ok(hint) => hints.push(hint),
                            Err(message) => {
                                error.get_or_insert((message, token.span));
                            }
                        }
                    }
                    None => {
                        let message = "a hint stands behind SELECT or behind the name of a table";
                        error.get_or_insert((message.to_owned(), token.span));
                    }
                }
                return false;
            }
            Token::Whitespace(_) => {}
            Token::Word(Word {
                keyword: Keyword::SELECT,
                ..
            }) => last = Some((true, token.span)),
            Token::Word(_) => last = Some((false, token.span)),
            _ => last = None,
        }
        true
    });
    match error {
        None => Ok(hints),
        Some((message, span)) => Err(SqlDiagnostic::at(
            SqlErrorKind::Parse,
            message,
            source.text(),
            position_of(span.start),
            source.slice(span).chars().count(),
        )),
    }
}

/// `VALUES 1, 2` becomes `VALUES (1), (2)`. A list that begins with a row in parentheses stays.
fn wrap_bare_rows(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    while let Some((start, end)) = find_bare_rows(tokens, from) {
        let mut wrapped = Vec::with_capacity(end - start + 4);
        let open = || TokenWithSpan::new(Token::LParen, Span::empty());
        let close = |span: Span| TokenWithSpan::new(Token::RParen, span);
        // The text of a statement ends where its last token does.
        let end_span = tokens.get(end - 1).map_or(Span::empty(), |last| {
            Span::new(last.span.end, last.span.end)
        });
        let mut depth = 0_usize;
        wrapped.push(open());
        for token in tokens.drain(start..end) {
            match &token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => {
                    wrapped.extend([close(Span::empty()), token, open()]);
                    continue;
                }
                _ => {}
            }
            wrapped.push(token);
        }
        wrapped.push(close(end_span));
        from = start + wrapped.len();
        tokens.splice(start..start, wrapped);
    }
}

/// The next list of bare rows behind `from`: from its first token to behind its last one.
fn find_bare_rows(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, usize)> {
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let values = |(idx, token): (usize, &TokenWithSpan)| {
        if keyword(token) != Keyword::VALUES {
            return None;
        }
        let start = idx + 1 + tokens.get(idx + 1..)?.iter().position(|it| !is_space(it))?;
        let first = tokens.get(start)?;
        let is_value = match &first.token {
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Minus | Token::Plus => true,
            Token::Word(_) => !matches!(keyword(first), Keyword::ROW),
            _ => false,
        };
        is_value.then_some(start)
    };
    let start = tokens.iter().enumerate().skip(from).find_map(values)?;
    let mut depth = 0_usize;
    let mut end = start;
    for (idx, token) in tokens.iter().enumerate().skip(start) {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth > 0 => depth -= 1,
            Token::RParen | Token::SemiColon | Token::EOF => break,
            _ if depth == 0 && ends_rows(keyword(token)) => break,
            _ => {}
        }
        if !is_space(token) {
            end = idx + 1;
        }
    }
    Some((start, end))
}

/// Whether a keyword stands behind a list of rows and never in a value.
const fn ends_rows(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::UNION
            | Keyword::INTERSECT
            | Keyword::EXCEPT
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH
    )
}

/// `PATTERN (…) WITHIN interval DEFINE …` becomes `PATTERN (…) DEFINE __within AS interval, …`.
fn move_within(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    while let Some((within_idx, define_idx)) = find_within(tokens, from) {
        let interval: Vec<_> = tokens.drain(within_idx..define_idx).skip(1).collect();
        let at = interval.first().map_or(Span::empty(), |token| token.span);
        let made = |token: Token| TokenWithSpan::new(token, at);
        let mut definition = vec![
            made(Token::Whitespace(Whitespace::Space)),
            made(Token::make_word(WITHIN_SYMBOL, Some('`'))),
            made(Token::make_keyword("AS")),
        ];
        definition.extend(interval);
        definition.push(made(Token::Comma));
        // DEFINE itself has moved to the place of WITHIN.
        tokens.splice(within_idx + 1..=within_idx, definition);
        from = within_idx + 1;
    }
}

/// The next WITHIN of a MATCH_RECOGNIZE behind `from`, and its DEFINE.
fn find_within(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, usize)> {
    let is = |token: &TokenWithSpan, word: &str| matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word));
    let mut previous: Option<&Token> = None;
    for (idx, token) in tokens.iter().enumerate().skip(from) {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        if is(token, "WITHIN") && previous == Some(&Token::RParen) {
            let rest = tokens.iter().enumerate().skip(idx + 1);
            let mut rest = rest.filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
            if rest
                .clone()
                .next()
                .is_some_and(|(_, next)| is(next, "INTERVAL"))
            {
                let define =
                    rest.find(|(_, token)| is(token, "DEFINE") || token.token == Token::SemiColon);
                if let Some((define_idx, define)) = define
                    && is(define, "DEFINE")
                {
                    return Some((idx, define_idx));
                }
            }
        }
        previous = Some(&token.token);
    }
    None
}
