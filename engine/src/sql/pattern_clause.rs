//! What sqlparser does not read of MATCH_RECOGNIZE, made readable on tokens.
//!
//! ```text
//!   (SELECT …) MATCH_RECOGNIZE (…)     __subquery((SELECT …)) MATCH_RECOGNIZE (…)
//!   AFTER MATCH SKIP TO b              AFTER MATCH SKIP TO LAST b
//!   SUBSET s = (a, b) DEFINE …         DEFINE `__subset s` AS (a, b), …
//! ```

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::prepass::{SUBQUERY_TABLE, SUBSET_SYMBOL};

/// Rewrites every MATCH_RECOGNIZE of a script.
pub(super) fn prepare(tokens: &mut Vec<TokenWithSpan>) {
    let clauses: Vec<usize> = (0..tokens.len())
        .rev()
        .filter(|&idx| is_word(tokens, idx, "MATCH_RECOGNIZE"))
        .collect();
    // From the last one on: what stands before keeps its index.
    for clause in clauses {
        name_last(tokens, clause);
        move_subsets(tokens, clause);
        wrap_subquery(tokens, clause);
    }
}

fn is_word(tokens: &[TokenWithSpan], idx: usize, word: &str) -> bool {
    matches!(
        tokens.get(idx).map(|token| &token.token),
        Some(Token::Word(found))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word)
    )
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

/// The next token behind `idx` that is no space.
fn next(tokens: &[TokenWithSpan], idx: usize) -> Option<usize> {
    (idx + 1..tokens.len()).find(|&idx| tokens.get(idx).is_some_and(|token| !is_space(token)))
}

/// The last token before `idx` that is no space.
fn previous(tokens: &[TokenWithSpan], idx: usize) -> Option<usize> {
    (0..idx)
        .rev()
        .find(|&idx| tokens.get(idx).is_some_and(|token| !is_space(token)))
}

/// `SKIP TO b` means its last row.
fn name_last(tokens: &mut Vec<TokenWithSpan>, clause: usize) {
    let skip = (clause..tokens.len()).find(|&idx| is_word(tokens, idx, "SKIP"));
    let Some(to) = skip.and_then(|skip| next(tokens, skip)) else {
        return;
    };
    let Some(target) = next(tokens, to) else {
        return;
    };
    let is_named = ["FIRST", "LAST", "NEXT"]
        .iter()
        .any(|word| is_word(tokens, target, word));
    let is_ident = matches!(
        tokens.get(target).map(|token| &token.token),
        Some(Token::Word(_))
    );
    if !is_word(tokens, to, "TO") || is_named || !is_ident {
        return;
    }
    if let Some(at) = tokens.get(target).map(|token| token.span) {
        let last = TokenWithSpan::new(Token::make_keyword("LAST"), at);
        let space = TokenWithSpan::new(Token::Whitespace(Whitespace::Space), at);
        tokens.splice(target..target, [last, space]);
    }
}

/// `SUBSET s = (a, b), …` becomes definitions of made-up symbols.
fn move_subsets(tokens: &mut Vec<TokenWithSpan>, clause: usize) {
    let Some(subset) = (clause..tokens.len()).find(|&idx| is_word(tokens, idx, "SUBSET")) else {
        return;
    };
    let Some(define) = (subset..tokens.len()).find(|&idx| is_word(tokens, idx, "DEFINE")) else {
        return;
    };
    let follows_pattern = previous(tokens, subset)
        .and_then(|idx| tokens.get(idx))
        .is_some_and(|token| matches!(token.token, Token::RParen | Token::Word(_)));
    let Some(define_token) = tokens.get(define).cloned() else {
        return;
    };
    if !follows_pattern {
        return;
    }
    let mut definitions = Vec::new();
    let mut depth = 0_usize;
    let mut takes_name = true;
    for token in tokens.drain(subset..=define).skip(1) {
        match &token.token {
            Token::Word(word) if depth == 0 && takes_name => {
                takes_name = false;
                let name = format!("{SUBSET_SYMBOL}{}", word.value);
                let made = Token::make_word(&name, Some('`'));
                definitions.push(TokenWithSpan::new(made, token.span));
            }
            Token::Eq if depth == 0 => {
                let space = Token::Whitespace(Whitespace::Space);
                definitions.push(TokenWithSpan::new(space, token.span));
                definitions.push(TokenWithSpan::new(Token::make_keyword("AS"), token.span));
            }
            Token::Comma if depth == 0 => {
                takes_name = true;
                definitions.push(token);
            }
            Token::Word(word) if depth == 0 && word.value.eq_ignore_ascii_case("DEFINE") => {}
            other => {
                match other {
                    Token::LParen => depth += 1,
                    Token::RParen => depth = depth.saturating_sub(1),
                    _ => {}
                }
                definitions.push(token);
            }
        }
    }
    definitions.push(TokenWithSpan::new(Token::Comma, define_token.span));
    let space = TokenWithSpan::new(Token::Whitespace(Whitespace::Space), define_token.span);
    definitions.insert(0, space);
    definitions.insert(0, define_token);
    tokens.splice(subset..subset, definitions);
}

fn wrap_subquery(tokens: &mut Vec<TokenWithSpan>, clause: usize) {
    let Some(end) = previous(tokens, clause) else {
        return;
    };
    let Some(start) = opening(tokens, end) else {
        return;
    };
    let is_query = next(tokens, start).is_some_and(|first| {
        ["SELECT", "WITH", "VALUES"]
            .iter()
            .any(|word| is_word(tokens, first, word))
    });
    let (Some(first), Some(last)) = (tokens.get(start), tokens.get(end)) else {
        return;
    };
    if !is_query {
        return;
    }
    let (first, last) = (first.span, last.span);
    tokens.insert(end + 1, TokenWithSpan::new(Token::RParen, last));
    let name = TokenWithSpan::new(Token::make_word(SUBQUERY_TABLE, Some('`')), first);
    let open = TokenWithSpan::new(Token::LParen, first);
    tokens.splice(start..start, [name, open]);
}

/// The parenthesis that the one at `end` closes.
fn opening(tokens: &[TokenWithSpan], end: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for idx in (0..=end).rev() {
        match tokens.get(idx).map(|token| &token.token)? {
            Token::RParen => depth += 1,
            Token::LParen => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(idx);
                }
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
