//! Flink's dialect for sqlparser: which of its features exist, and the expressions that it cannot
//! read by itself.
//!
//! Source: Flink 2.3's SQL parser (Calcite's grammar in the conformance level that Flink sets).

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, Map, MapEntry, ObjectName, Query, Select, SetExpr, TableFactor,
    TrimWhereField,
};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::{
    Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS,
};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::reserved::is_reserved;
use super::syntax::call;
use super::{json_syntax, text_syntax, types};

/// Flink SQL.
///
/// It gives itself out as sqlparser's generic dialect: otherwise `UNNEST` and `DROP TEMPORARY`,
/// which sqlparser ties to dialects by name, would not be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        false
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn is_column_alias(&self, keyword: &Keyword, _parser: &mut Parser) -> bool {
        may_be_alias(*keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, _parser: &mut Parser) -> bool {
        may_be_alias(*keyword) && !RESERVED_FOR_TABLE_ALIAS.contains(keyword)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        if word.quote_style.is_some() {
            return None;
        }
        let keyword = word.keyword;
        match (keyword, &parser.peek_nth_token_ref(1).token) {
            (Keyword::CAST, Token::LParen) => Some(parse_cast(parser, CastKind::Cast)),
            (Keyword::TRY_CAST, Token::LParen) => Some(parse_cast(parser, CastKind::TryCast)),
            (Keyword::TRIM, Token::LParen) => parse_trim_from(parser),
            (Keyword::POSITION, Token::LParen) => text_syntax::parse_position(parser),
            (Keyword::MAP, Token::LBracket) => Some(parse_map(parser)),
            (Keyword::TABLE, Token::Word(_)) => Some(parse_table_argument(parser)),
            (Keyword::TABLE, Token::LParen) if is_query(&parser.peek_nth_token_ref(2).token) => {
                Some(parse_table_argument(parser))
            }
            (Keyword::GROUPING, next) if is_word(next, "SETS") => Some(parse_sets(parser)),
            (_, Token::LParen) => json_syntax::parse_call(parser),
            (Keyword::TIMESTAMP, next) if is_word(next, "WITH") => {
                text_syntax::parse_instant(parser)
            }
            (_, Token::Period) => None,
            _ if word.value.eq_ignore_ascii_case("UNKNOWN") => {
                Some(Ok(text_syntax::parse_unknown(parser)))
            }
            _ if word.value.eq_ignore_ascii_case("PI") => {
                parser.advance_token();
                Some(Ok(call("pi", vec![])))
            }
            (_, Token::Word(_))
                if is_semantics(word) && parser.peek_nth_token_ref(2).token == Token::LParen =>
            {
                Some(parse_semantics(parser))
            }
            _ => None,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        // `(a - b) DAY` binds as tightly as a call.
        let is_elapsed = parser.get_current_token().token == Token::RParen
            && interval_unit(&parser.peek_token_ref().token).is_some();
        let is_escape = is_word(&parser.peek_token_ref().token, "UESCAPE");
        (is_elapsed || is_escape).then_some(Ok(ELAPSED_PRECEDENCE))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if let Some(elapsed) = parse_elapsed(parser, expr) {
            return Some(Ok(elapsed));
        }
        if let Some(text) = text_syntax::parse_unicode_escape(parser, expr) {
            return Some(text);
        }
        if let Some(is_json) = json_syntax::parse_is_json(parser, expr) {
            return Some(is_json);
        }
        if let Some(matched) = text_syntax::parse_escape(parser, expr) {
            return Some(matched);
        }
        let negated = is_word(&parser.peek_token_ref().token, "NOT");
        let first = usize::from(negated);
        if !is_word(&parser.peek_nth_token_ref(first).token, "BETWEEN") {
            return None;
        }
        let symmetric = is_word(&parser.peek_nth_token_ref(first + 1).token, "SYMMETRIC");
        if !symmetric && !is_word(&parser.peek_nth_token_ref(first + 1).token, "ASYMMETRIC") {
            return None;
        }
        for _ in 0..first + 2 {
            parser.advance_token();
        }
        Some(parse_between(parser, expr, negated, symmetric))
    }
}

/// `GROUPING SETS (…)` as one of the sets of another.
fn parse_sets(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let sets = parser.parse_comma_separated(|parser| {
        if !parser.consume_token(&Token::LParen) {
            return Ok(vec![parser.parse_expr()?]);
        }
        let keys = parser.parse_comma_separated0(Parser::parse_expr, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
        Ok(keys)
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::GroupingSets(sets))
}

/// Above all operators.
const ELAPSED_PRECEDENCE: u8 = 60;

/// Whether a word is a unit of intervals, and then whether it counts months.
fn interval_unit(token: &Token) -> Option<bool> {
    let is_any = |words: &[&str]| words.iter().any(|word| is_word(token, word));
    if is_any(&["YEAR", "QUARTER", "MONTH"]) {
        return Some(true);
    }
    is_any(&["WEEK", "DAY", "HOUR", "MINUTE", "SECOND"]).then_some(false)
}

/// `(a - b) DAY`: the interval from b to a.
fn parse_elapsed(parser: &mut Parser, expr: &Expr) -> Option<Expr> {
    use datafusion::sql::sqlparser::ast::BinaryOperator;

    let counts_months = interval_unit(&parser.peek_token_ref().token)?;
    let Expr::Nested(inner) = expr else {
        return None;
    };
    let Expr::BinaryOp {
        left,
        op: BinaryOperator::Minus,
        right,
    } = inner.as_ref()
    else {
        return None;
    };
    parser.advance_token();
    if is_word(&parser.peek_token_ref().token, "TO")
        && interval_unit(&parser.peek_nth_token_ref(1).token).is_some()
    {
        parser.advance_token();
        parser.advance_token();
    }
    let name = if counts_months {
        "__elapsed_months"
    } else {
        "__elapsed_millis"
    };
    let arguments = vec![left.as_ref().clone(), right.as_ref().clone()];
    Some(crate::sql::syntax::call(name, arguments))
}

/// Whether a word without AS before it may be a name: reserved words go on with the statement.
fn may_be_alias(keyword: Keyword) -> bool {
    !RESERVED_FOR_COLUMN_ALIAS.contains(&keyword) && !is_reserved(&format!("{keyword:?}"))
}

pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn is_query(token: &Token) -> bool {
    ["SELECT", "WITH", "VALUES"]
        .iter()
        .any(|word| is_word(token, word))
}

/// `CAST(expression AS type)` with Flink's types.
fn parse_cast(parser: &mut Parser, kind: CastKind) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_keyword(Keyword::AS)?;
    let flink_type = types::parse_type(parser)?;
    parser.expect_token(&Token::RParen)?;
    if !flink_type.nullable {
        return Err(ParserError::ParserError(
            "incorrect syntax near 'NOT': CAST keeps what its value says about NULL".to_owned(),
        ));
    }
    Ok(Expr::Cast {
        kind,
        expr: Box::new(expr),
        data_type: types::to_ast_type(&flink_type),
        array: false,
        format: None,
    })
}

/// `TRIM(TRAILING FROM text)`: the blanks need not be written. Other forms are sqlparser's.
fn parse_trim_from(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let side = match &parser.peek_nth_token_ref(2).token {
        token if is_word(token, "LEADING") => TrimWhereField::Leading,
        token if is_word(token, "TRAILING") => TrimWhereField::Trailing,
        token if is_word(token, "BOTH") => TrimWhereField::Both,
        _ => return None,
    };
    if !is_word(&parser.peek_nth_token_ref(3).token, "FROM") {
        return None;
    }
    for _ in 0..4 {
        parser.advance_token();
    }
    let text = parser.parse_expr().and_then(|text| {
        parser.expect_token(&Token::RParen)?;
        Ok(text)
    });
    Some(text.map(|text| Expr::Trim {
        expr: Box::new(text),
        trim_where: Some(side),
        trim_what: None,
        trim_characters: None,
    }))
}

/// `MAP[key, value, …]`.
fn parse_map(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    let open = parser.expect_token(&Token::LBracket)?;
    let mut entries = Vec::new();
    while parser.peek_token_ref().token != Token::RBracket {
        if !entries.is_empty() {
            parser.expect_token(&Token::Comma)?;
        }
        let key = Box::new(parser.parse_expr()?);
        if !parser.consume_token(&Token::Comma) {
            return Err(ParserError::ParserError(format!(
                "MAP needs a value for every key{}",
                open.span.start
            )));
        }
        let value = Box::new(parser.parse_expr()?);
        entries.push(MapEntry { key, value });
    }
    parser.expect_token(&Token::RBracket)?;
    Ok(Expr::Map(Map { entries }))
}

/// FINAL or RUNNING before FIRST(…) or LAST(…) in MATCH_RECOGNIZE.
fn is_semantics(word: &Word) -> bool {
    ["FINAL", "RUNNING"]
        .iter()
        .any(|known| word.value.eq_ignore_ascii_case(known))
}

/// `FINAL LAST(a.x)` is read as FINAL(LAST(a.x)).
fn parse_semantics(parser: &mut Parser) -> Result<Expr, ParserError> {
    let name = parser.parse_identifier()?;
    let expr = parser.parse_prefix()?;
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }))
}

/// `TABLE t [PARTITION BY …] [ORDER BY …]` or `TABLE (query)` as an argument of a table function.
///
/// It becomes a subquery; the partition keys stand in its `distribute_by`, the order in its
/// `sort_by`, which Flink's own SELECT does not have.
fn parse_table_argument(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    let mut query = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        query
    } else {
        let name = parser.parse_object_name(false)?;
        Box::new(select_all_from(name)?)
    };
    if parser.parse_keyword(Keyword::PARTITION) {
        parser.expect_keyword(Keyword::BY)?;
        let in_parentheses = parser.consume_token(&Token::LParen);
        let keys = if in_parentheses {
            let keys = parser.parse_comma_separated(Parser::parse_expr)?;
            parser.expect_token(&Token::RParen)?;
            keys
        } else {
            // Without parentheses a comma ends the key: it separates the arguments.
            vec![parser.parse_expr()?]
        };
        outer_select(&mut query)?.distribute_by = keys;
    }
    if parser.parse_keyword(Keyword::ORDER) {
        parser.expect_keyword(Keyword::BY)?;
        let in_parentheses = parser.consume_token(&Token::LParen);
        let keys = if in_parentheses {
            let keys = parser.parse_comma_separated(Parser::parse_order_by_expr)?;
            parser.expect_token(&Token::RParen)?;
            keys
        } else {
            vec![parser.parse_order_by_expr()?]
        };
        outer_select(&mut query)?.sort_by = keys;
    }
    Ok(Expr::Subquery(query))
}

/// `SELECT * FROM name`.
fn select_all_from(name: ObjectName) -> Result<Query, ParserError> {
    let mut parser = Parser::new(&FlinkDialect).try_with_sql("SELECT * FROM t")?;
    let mut query = *parser.parse_query()?;
    let select = outer_select(&mut query)?;
    if let Some(TableFactor::Table { name: factor, .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        *factor = name;
    }
    Ok(query)
}

fn outer_select(query: &mut Query) -> Result<&mut Select, ParserError> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(ParserError::ParserError(
            "PARTITION BY of a table argument needs a table or a SELECT".to_owned(),
        )),
    }
}

/// `x [NOT] BETWEEN [A]SYMMETRIC a AND b`, behind the third word; the symmetric form takes the
/// bounds in either order.
fn parse_between(
    parser: &mut Parser,
    expr: &Expr,
    negated: bool,
    symmetric: bool,
) -> Result<Expr, ParserError> {
    use datafusion::sql::sqlparser::ast::{BinaryOperator, UnaryOperator};

    let between = parser.parse_between(expr.clone(), negated && !symmetric)?;
    let Expr::Between { low, high, .. } = &between else {
        return Ok(between);
    };
    if !symmetric {
        return Ok(between);
    }
    let swapped = Expr::Between {
        expr: Box::new(expr.clone()),
        negated: false,
        low: high.clone(),
        high: low.clone(),
    };
    let either = Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(between),
        op: BinaryOperator::Or,
        right: Box::new(swapped),
    }));
    if !negated {
        return Ok(either);
    }
    Ok(Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(either),
    })
}

/// An identifier without a place: made by our own rewriting.
pub(super) fn made_up(name: &str) -> Ident {
    Ident::with_quote('`', name)
}
