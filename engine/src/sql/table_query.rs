//! `TABLE t` as a query, which is `SELECT * FROM t`, rewritten on tokens.
//!
//! ```text
//!   TABLE t EXCEPT TABLE u         SELECT * FROM t EXCEPT SELECT * FROM u
//!   INSERT INTO s TABLE t          INSERT INTO s SELECT * FROM t
//!   TUMBLE(TABLE t, …)             stays: an argument
//!   CREATE TABLE t, FROM TABLE(…)  stay: other words
//! ```
//!
//! sqlparser reads such a query, but takes three tokens for a name of one.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace};

/// Spells out every `TABLE t` that is a query.
pub(super) fn prepare(tokens: &mut Vec<TokenWithSpan>) {
    let queries: Vec<usize> = (0..tokens.len())
        .rev()
        .filter(|&idx| is_query(tokens, idx))
        .collect();
    // From the last one on: what stands before keeps its index.
    for idx in queries {
        let span = tokens.get(idx).map_or(Span::empty(), |token| token.span);
        let space = || Token::Whitespace(Whitespace::Space);
        let spelled_out = [
            Token::make_keyword("SELECT"),
            space(),
            Token::Mul,
            space(),
            Token::make_keyword("FROM"),
        ];
        let spelled_out = spelled_out.map(|token| TokenWithSpan::new(token, span));
        tokens.splice(idx..=idx, spelled_out);
    }
}

/// Whether the token is a TABLE that begins a query.
fn is_query(tokens: &[TokenWithSpan], idx: usize) -> bool {
    if keyword(tokens, idx) != Keyword::TABLE {
        return false;
    }
    let next = (idx + 1..tokens.len()).find(|&idx| !is_space(tokens, idx));
    let is_named = next.is_some_and(|next| match tokens.get(next).map(|it| &it.token) {
        Some(Token::Word(word)) => word.quote_style.is_some() || word.keyword != Keyword::IF,
        _ => false,
    });
    is_named && begins_query(tokens, idx)
}

/// Whether a query may begin at `idx`, judged by what stands before.
fn begins_query(tokens: &[TokenWithSpan], idx: usize) -> bool {
    let Some(before) = previous(tokens, idx) else {
        return true;
    };
    match tokens.get(before).map(|it| &it.token) {
        None | Some(Token::SemiColon) => true,
        Some(Token::LParen) => {
            previous(tokens, before).is_none_or(|opener| opens_query(tokens, opener))
        }
        // Behind the queries of WITH, or the columns of INSERT.
        Some(Token::RParen) => true,
        Some(Token::Word(_)) => goes_before_query(tokens, before),
        _ => false,
    }
}

/// Whether the parenthesis behind the token at `idx` may hold a query: behind the name of a function
/// it holds arguments.
fn opens_query(tokens: &[TokenWithSpan], idx: usize) -> bool {
    let is_word = matches!(tokens.get(idx).map(|it| &it.token), Some(Token::Word(_)));
    let goes_before = matches!(
        keyword(tokens, idx),
        Keyword::FROM
            | Keyword::JOIN
            | Keyword::LATERAL
            | Keyword::IN
            | Keyword::EXISTS
            | Keyword::ALL
            | Keyword::ANY
            | Keyword::SOME
    );
    !is_word || goes_before || goes_before_query(tokens, idx)
}

/// Whether a query may follow the word at `idx`.
fn goes_before_query(tokens: &[TokenWithSpan], idx: usize) -> bool {
    let is_written = |words: &[&str]| match tokens.get(idx).map(|it| &it.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => words
            .iter()
            .any(|expected| word.value.eq_ignore_ascii_case(expected)),
        _ => false,
    };
    match keyword(tokens, idx) {
        Keyword::UNION
        | Keyword::EXCEPT
        | Keyword::INTERSECT
        | Keyword::AS
        | Keyword::FOR
        | Keyword::EXPLAIN => true,
        Keyword::ALL | Keyword::DISTINCT => previous(tokens, idx).is_some_and(|before| {
            matches!(
                keyword(tokens, before),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT
            )
        }),
        _ if is_written(&["CHANGELOG_MODE", "ESTIMATED_COST", "PLAN_ADVICE"])
            || is_written(&["JSON_EXECUTION_PLAN", "MINUS"]) =>
        {
            true
        }
        _ => names_sink(tokens, idx),
    }
}

/// Whether the word at `idx` ends the name behind INSERT INTO or OVERWRITE.
fn names_sink(tokens: &[TokenWithSpan], idx: usize) -> bool {
    let Some(before) = previous(tokens, idx) else {
        return false;
    };
    match tokens.get(before).map(|it| &it.token) {
        Some(Token::Period) => {
            previous(tokens, before).is_some_and(|prefix| names_sink(tokens, prefix))
        }
        _ => matches!(keyword(tokens, before), Keyword::INTO | Keyword::OVERWRITE),
    }
}

fn keyword(tokens: &[TokenWithSpan], idx: usize) -> Keyword {
    match tokens.get(idx).map(|it| &it.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn is_space(tokens: &[TokenWithSpan], idx: usize) -> bool {
    tokens
        .get(idx)
        .is_some_and(|it| matches!(it.token, Token::Whitespace(_)))
}

/// The last token before `idx` that is no space.
fn previous(tokens: &[TokenWithSpan], idx: usize) -> Option<usize> {
    (0..idx).rev().find(|&idx| !is_space(tokens, idx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::FlinkDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    fn prepared(sql: &str) -> String {
        let mut tokens = Tokenizer::new(&FlinkDialect, sql)
            .tokenize_with_location()
            .expect("the text of a test has tokens");
        prepare(&mut tokens);
        tokens.iter().map(|it| it.token.to_string()).collect()
    }

    #[test]
    fn queries_are_spelled_out() {
        for (written, expected) in [
            ("TABLE t", "SELECT * FROM t"),
            (
                "TABLE a.b EXCEPT ALL TABLE u",
                "SELECT * FROM a.b EXCEPT ALL SELECT * FROM u",
            ),
            (
                "SELECT k FROM (TABLE `t`) x",
                "SELECT k FROM (SELECT * FROM `t`) x",
            ),
            (
                "WITH x AS (TABLE t) TABLE x",
                "WITH x AS (SELECT * FROM t) SELECT * FROM x",
            ),
            (
                "INSERT INTO c.d.s TABLE t",
                "INSERT INTO c.d.s SELECT * FROM t",
            ),
            (
                "INSERT OVERWRITE s (a) TABLE t",
                "INSERT OVERWRITE s (a) SELECT * FROM t",
            ),
            (
                "CREATE VIEW v AS TABLE t",
                "CREATE VIEW v AS SELECT * FROM t",
            ),
            (
                "SELECT 1 WHERE EXISTS (TABLE t)",
                "SELECT 1 WHERE EXISTS (SELECT * FROM t)",
            ),
        ] {
            assert_eq!(prepared(written), expected);
        }
    }

    #[test]
    fn arguments_and_other_statements_stay() {
        for sql in [
            "SELECT * FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)",
            "SELECT * FROM TABLE(f(DATA => TABLE t))",
            "SELECT * FROM TABLE t",
            "CREATE TEMPORARY TABLE t (a INT)",
            "CREATE TABLE IF NOT EXISTS t (a INT)",
            "DROP TABLE t; ALTER TABLE t RENAME TO u",
            "SELECT `TABLE` t FROM x",
        ] {
            assert_eq!(prepared(sql), sql);
        }
    }
}
