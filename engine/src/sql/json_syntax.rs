//! The special syntax of SQL's JSON functions, read as ordinary calls.
//!
//! ```text
//!   JSON_VALUE(x, '$.a' RETURNING INT DEFAULT 0 ON EMPTY NULL ON ERROR)
//!     ──▶ JSON_VALUE(x, '$.a', returning => 'INT', default_on_empty => 0, on_error => 'NULL')
//!   JSON_QUERY(x, '$.a' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)
//!     ──▶ JSON_QUERY(x, '$.a', wrapper => 'CONDITIONAL', on_empty => 'EMPTY ARRAY')
//!   JSON_OBJECT(KEY 'a' VALUE 1, 'b' : 2 ABSENT ON NULL)
//!     ──▶ JSON_OBJECT('a', 1, 'b', 2, on_null => 'ABSENT')
//!   x IS NOT JSON ARRAY
//!     ──▶ NOT IS_JSON(x, 'ARRAY')
//! ```
//!
//! Source: SQL:2016 as Calcite reads it; the clauses of Flink 2.3's JSON functions.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::{FlinkDialect, is_word, made_up};
use super::types;

const FUNCTIONS: [&str; 7] = [
    "JSON_VALUE",
    "JSON_QUERY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_ARRAY",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
];
/// What a function gives instead of a value, as a word or two before ON.
const BEHAVIORS: [&[&str]; 8] = [
    &["EMPTY", "ARRAY"],
    &["EMPTY", "OBJECT"],
    &["NULL"],
    &["ABSENT"],
    &["ERROR"],
    &["TRUE"],
    &["FALSE"],
    &["UNKNOWN"],
];

/// Reads a call of a JSON function, if one begins at the parser's place.
pub(super) fn parse_call(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let Token::Word(word) = &parser.peek_token_ref().token else {
        return None;
    };
    let name = word.value.to_ascii_uppercase();
    let begins = word.quote_style.is_none()
        && FUNCTIONS.contains(&name.as_str())
        && parser.peek_nth_token_ref(1).token == Token::LParen;
    begins.then(|| call(parser, &name))
}

fn call(parser: &mut Parser, name: &str) -> Result<Expr, ParserError> {
    let token = parser.next_token();
    let ident = match token.token {
        Token::Word(word) => word.into_ident(token.span),
        _ => made_up(name),
    };
    parser.expect_token(&Token::LParen)?;
    let takes_pairs = matches!(name, "JSON_OBJECT" | "JSON_OBJECTAGG");
    let mut args = Vec::new();
    let mut is_first = true;
    while !at_clauses(parser) {
        if !is_first {
            parser.expect_token(&Token::Comma)?;
        }
        is_first = false;
        if takes_pairs {
            parse_pair(parser, &mut args)?;
        } else {
            args.push(unnamed(parser.parse_expr()?));
        }
        if parser.peek_token_ref().token != Token::Comma {
            break;
        }
    }
    while parser.peek_token_ref().token != Token::RParen {
        if name == "JSON_ARRAYAGG" && eat(parser, &["ORDER", "BY"]) {
            // Flink reads the order and collects in the order of arrival.
            parser.parse_comma_separated(Parser::parse_order_by_expr)?;
        } else {
            args.push(parse_clause(parser)?);
        }
    }
    parser.expect_token(&Token::RParen)?;
    Ok(function(ident, args))
}

/// Whether the arguments are over: at the end, or before `NULL ON NULL` without any.
fn at_clauses(parser: &Parser) -> bool {
    parser.peek_token_ref().token == Token::RParen
        || (is_word(&parser.peek_nth_token_ref(1).token, "ON")
            && is_word(&parser.peek_nth_token_ref(2).token, "NULL"))
}

/// `[KEY] key VALUE value` or `key : value`.
fn parse_pair(parser: &mut Parser, args: &mut Vec<FunctionArg>) -> Result<(), ParserError> {
    let says_key = is_word(&parser.peek_token_ref().token, "KEY")
        && !matches!(parser.peek_nth_token_ref(1).token, Token::Colon);
    if says_key {
        parser.advance_token();
    }
    // A colon would be read as access to a field of the key.
    let colon = FlinkDialect.prec_value(Precedence::Colon);
    args.push(unnamed(parser.parse_subexpr(colon)?));
    if is_word(&parser.peek_token_ref().token, "VALUE") {
        parser.advance_token();
    } else {
        parser.expect_token(&Token::Colon)?;
    }
    args.push(unnamed(parser.parse_expr()?));
    Ok(())
}

/// One clause behind the arguments.
fn parse_clause(parser: &mut Parser) -> Result<FunctionArg, ParserError> {
    if eat(parser, &["RETURNING"]) {
        let flink_type = types::parse_type(parser)?;
        if is_word(&parser.peek_token_ref().token, "ON") {
            // The NULL behind the type was not its own: `RETURNING STRING NULL ON EMPTY`.
            parser.prev_token();
        }
        return Ok(named("returning", text(&flink_type.to_string())));
    }
    if eat(parser, &["DEFAULT"]) {
        let value = parser.parse_expr()?;
        let event = parse_event(parser)?;
        return Ok(named(&format!("default_{event}"), value));
    }
    for (words, wrapper) in [
        (["WITHOUT"].as_slice(), "WITHOUT"),
        (&["WITH", "CONDITIONAL"], "CONDITIONAL"),
        (&["WITH", "UNCONDITIONAL"], "UNCONDITIONAL"),
        (&["WITH"], "UNCONDITIONAL"),
    ] {
        if eat(parser, words) {
            eat(parser, &["ARRAY"]);
            if !eat(parser, &["WRAPPER"]) {
                return parser.expected_ref("WRAPPER", parser.peek_token_ref());
            }
            return Ok(named("wrapper", text(wrapper)));
        }
    }
    for words in BEHAVIORS {
        if eat(parser, words) {
            let event = parse_event(parser)?;
            return Ok(named(&event, text(&words.join(" "))));
        }
    }
    parser.expected_ref("')' or a clause of the function", parser.peek_token_ref())
}

/// `ON EMPTY`, `ON ERROR` or `ON NULL`, as the name of an argument.
fn parse_event(parser: &mut Parser) -> Result<String, ParserError> {
    for (event, name) in [
        ("EMPTY", "on_empty"),
        ("ERROR", "on_error"),
        ("NULL", "on_null"),
    ] {
        if eat(parser, &["ON", event]) {
            return Ok(name.to_owned());
        }
    }
    parser.expected_ref("ON EMPTY, ON ERROR or ON NULL", parser.peek_token_ref())
}

/// Reads `IS [NOT] JSON [VALUE|SCALAR|ARRAY|OBJECT]` behind `expr`, if it stands there.
pub(super) fn parse_is_json(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = are(parser, &["IS", "NOT", "JSON"]);
    if !negated && !are(parser, &["IS", "JSON"]) {
        return None;
    }
    for _ in 0..2 + usize::from(negated) {
        parser.advance_token();
    }
    let kind = ["VALUE", "SCALAR", "ARRAY", "OBJECT"]
        .into_iter()
        .find(|kind| eat(parser, &[kind]));
    let args = vec![
        unnamed(expr.clone()),
        unnamed(text(kind.unwrap_or("VALUE"))),
    ];
    let call = function(Ident::new("IS_JSON"), args);
    Some(Ok(if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(call),
        }
    } else {
        call
    }))
}

fn are(parser: &Parser, words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .all(|(n, word)| is_word(&parser.peek_nth_token_ref(n).token, word))
}

/// Moves over the words if they are next.
fn eat(parser: &mut Parser, words: &[&str]) -> bool {
    let found = are(parser, words);
    if found {
        for _ in words {
            parser.advance_token();
        }
    }
    found
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn named(name: &str, expr: Expr) -> FunctionArg {
    FunctionArg::Named {
        name: made_up(name),
        arg: FunctionArgExpr::Expr(expr),
        operator: FunctionArgOperator::RightArrow,
    }
}

fn function(name: Ident, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
