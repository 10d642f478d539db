//! What stands around texts and has a grammar of its own that sqlparser reads in part only:
//! `POSITION(a IN b FROM n)`, LIKE and SIMILAR TO with an ESCAPE that is no literal, and the
//! literals `U&'…' UESCAPE '!'`, `TIMESTAMP WITH LOCAL TIME ZONE '…'` and `UNKNOWN`.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, UnaryOperator, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::{FlinkDialect, is_word};
use super::syntax::call;
use super::types;
use crate::data::types::{FlinkType, TypeRoot};

/// `POSITION(a IN b FROM n)`, which is `LOCATE(a, b, n)`. `None` leaves other forms to sqlparser.
pub(super) fn parse_position(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let parsed = parser.maybe_parse(|parser| {
        parser.advance_token();
        parser.expect_token(&Token::LParen)?;
        let sought = parser.parse_subexpr(FlinkDialect.prec_value(Precedence::Between))?;
        parser.expect_keyword(Keyword::IN)?;
        let text = parser.parse_expr()?;
        parser.expect_keyword(Keyword::FROM)?;
        let start = parser.parse_expr()?;
        parser.expect_token(&Token::RParen)?;
        Ok(call("locate", vec![sought, text, start]))
    });
    parsed.transpose()
}

/// `value LIKE pattern ESCAPE expression`, with SIMILAR TO and NOT. `None` leaves the rest, literals
/// behind ESCAPE among it, to sqlparser.
pub(super) fn parse_escape(parser: &mut Parser, value: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = is_word(&parser.peek_token_ref().token, "NOT");
    let operator = &parser.peek_nth_token_ref(usize::from(negated)).token;
    let (name, n_words) = if is_word(operator, "LIKE") {
        ("__like", 1)
    } else if is_word(operator, "SIMILAR") {
        ("__similar", 2)
    } else {
        return None;
    };
    let parsed = parser.maybe_parse(|parser| {
        for _ in 0..n_words + usize::from(negated) {
            parser.advance_token();
        }
        let precedence = FlinkDialect.prec_value(Precedence::Like);
        let pattern = parser.parse_subexpr(precedence)?;
        parser.expect_keyword(Keyword::ESCAPE)?;
        if matches!(parser.peek_token_ref().token, Token::SingleQuotedString(_)) {
            return Err(ParserError::ParserError("a literal".to_owned()));
        }
        let escape = parser.parse_subexpr(precedence)?;
        Ok(call(name, vec![value.clone(), pattern, escape]))
    });
    let matched = match parsed {
        Ok(matched) => matched?,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(matched),
        }
    } else {
        matched
    }))
}

/// `UNKNOWN`, the BOOLEAN that is NULL.
pub(super) fn parse_unknown(parser: &mut Parser) -> Expr {
    parser.advance_token();
    typed(Expr::Value(Value::Null.into()), DataType::Boolean)
}

/// `TIMESTAMP WITH LOCAL TIME ZONE '…'`, with the precision of its fraction. `None` if anything
/// else follows.
pub(super) fn parse_instant(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let words = ["TIMESTAMP", "WITH", "LOCAL", "TIME", "ZONE"];
    let all = words.iter().enumerate();
    for (n, word) in all {
        if !is_word(&parser.peek_nth_token_ref(n).token, word) {
            return None;
        }
    }
    let Token::SingleQuotedString(text) = parser.peek_nth_token_ref(words.len()).token.clone()
    else {
        return None;
    };
    for _ in 0..=words.len() {
        parser.advance_token();
    }
    let digits = text
        .rsplit_once('.')
        .map_or(0, |(_, fraction)| fraction.len().min(9));
    let instant = TypeRoot::TimestampLtz(u8::try_from(digits).unwrap_or(9));
    let target = types::to_ast_type(&FlinkType::nullable(instant));
    let text = Expr::Value(Value::SingleQuotedString(text).into());
    Some(Ok(typed(text, target)))
}

fn typed(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// `U&'!00e9' UESCAPE '!'`: code points of four digits behind the letter that it names. `None` if no
/// UESCAPE follows.
pub(super) fn parse_unicode_escape(
    parser: &mut Parser,
    expr: &Expr,
) -> Option<Result<Expr, ParserError>> {
    if !is_word(&parser.peek_token_ref().token, "UESCAPE") {
        return None;
    }
    let Expr::Value(ValueWithSpan {
        value: Value::UnicodeStringLiteral(text),
        ..
    }) = expr
    else {
        return Some(Err(ParserError::ParserError(
            "UESCAPE stands behind U&'…' only".to_owned(),
        )));
    };
    parser.advance_token();
    let Token::SingleQuotedString(escape) = parser.next_token().token else {
        return Some(Err(ParserError::ParserError(
            "UESCAPE takes a letter in quotes".to_owned(),
        )));
    };
    let unescaped = unescape(text, &escape).ok_or_else(|| {
        ParserError::ParserError(format!(
            "'{text}' is no unicode string with the escape character '{escape}'"
        ))
    });
    Some(unescaped.map(|text| Expr::Value(Value::UnicodeStringLiteral(text).into())))
}

fn unescape(text: &str, escape: &str) -> Option<String> {
    let mut letters = escape.chars();
    let escape = letters.next().filter(|_| letters.next().is_none())?;
    let mut units = Vec::new();
    let mut rest = text.chars();
    let mut buffer = [0; 2];
    while let Some(letter) = rest.next() {
        if letter != escape {
            units.extend_from_slice(letter.encode_utf16(&mut buffer));
            continue;
        }
        let digits: String = rest.clone().take(4).collect();
        if digits.starts_with(escape) {
            rest.next();
            units.extend_from_slice(escape.encode_utf16(&mut buffer));
            continue;
        }
        rest.nth(3)?;
        units.push(u16::from_str_radix(&digits, 16).ok()?);
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_stand_behind_the_escape() {
        let read = |text, escape| unescape(text, escape);
        assert_eq!(read("caf!00e9", "!").as_deref(), Some("café"));
        assert_eq!(read("#d83d#de00 ##", "#").as_deref(), Some("😀 #"));
        assert_eq!(read("!00g9", "!"), None);
        assert_eq!(read("!00", "!"), None);
        assert_eq!(read("a", "!!"), None);
    }
}
