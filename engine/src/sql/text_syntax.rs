//! Calls on texts that have a grammar of their own and that sqlparser reads in part only:
//! `POSITION(a IN b FROM n)`, and LIKE and SIMILAR TO with an ESCAPE that is no literal.

use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::{FlinkDialect, is_word};
use super::syntax::call;

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
