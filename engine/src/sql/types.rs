//! Types inside of statements: sqlparser's tokens for the type parser, and the way a type travels
//! through sqlparser's trees.
//!
//! sqlparser cannot say `ROW<…>` or `TIMESTAMP(3) WITH LOCAL TIME ZONE` as Flink means them. The
//! dialect therefore reads the target of a CAST itself and puts the canonical text into a custom
//! data type, which the planner turns back into a [`FlinkType`] with [`flink_type_of`].

use datafusion::sql::sqlparser::ast::{DataType as AstType, Ident, ObjectName};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::data::type_parser::{TypeToken, parse_prefix};
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};

/// Name of the custom data type that carries a Flink type's text.
const CARRIER: &str = "__FLINK";
/// A type's text has at most this many tokens.
const MAX_TYPE_TOKENS: usize = 10_000;

/// Reads the type at the parser's place and moves behind it.
///
/// # Errors
/// If no type stands there.
pub(super) fn parse_type(parser: &mut Parser) -> Result<FlinkType, ParserError> {
    let mut tokens = Vec::new();
    // Which of the parser's tokens each of ours comes from: `>>` is one there and two here.
    let mut owners = Vec::new();
    for n in 0..MAX_TYPE_TOKENS {
        let token = &parser.peek_nth_token_ref(n).token;
        if matches!(token, Token::EOF | Token::SemiColon) {
            break;
        }
        for type_token in to_type_tokens(token) {
            tokens.push(type_token);
            owners.push(n);
        }
    }
    match parse_prefix(&tokens) {
        Ok((flink_type, n_used)) => {
            let n_tokens = n_used.checked_sub(1).and_then(|last| owners.get(last));
            for _ in 0..n_tokens.map_or(0, |owner| owner + 1) {
                parser.advance_token();
            }
            Ok(flink_type)
        }
        Err(error) => {
            let owner = owners.get(error.token_idx).copied();
            let found = parser.peek_nth_token_ref(owner.unwrap_or(owners.len()));
            let text = if error.unsupported {
                format!("{} is not supported yet", error.message)
            } else {
                error.message
            };
            Err(ParserError::ParserError(format!(
                "{text}{}",
                found.span.start
            )))
        }
    }
}

fn to_type_tokens(token: &Token) -> Vec<TypeToken> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => {
            vec![TypeToken::Quoted(word.value.clone())]
        }
        Token::Word(word) => vec![TypeToken::Word(word.value.clone())],
        Token::Number(text, _) => vec![
            text.parse()
                .map_or(TypeToken::Symbol('.'), TypeToken::Number),
        ],
        Token::SingleQuotedString(text) => vec![TypeToken::Text(text.clone())],
        Token::Neq => vec![TypeToken::Symbol('<'), TypeToken::Symbol('>')],
        other => other.to_string().chars().map(TypeToken::Symbol).collect(),
    }
}

/// The custom data type of sqlparser that stands for a Flink type.
pub(super) fn to_ast_type(flink_type: &FlinkType) -> AstType {
    AstType::Custom(
        ObjectName::from(vec![Ident::new(CARRIER)]),
        vec![flink_type.to_string()],
    )
}

/// The Flink type that a data type in a tree of ours stands for.
///
/// # Errors
/// `Unsupported` for data types that only other dialects have.
pub fn flink_type_of(ast_type: &AstType) -> Result<FlinkType> {
    match ast_type {
        AstType::Custom(name, arguments) if name.to_string() == CARRIER => {
            let text = arguments.first().map_or("", String::as_str);
            FlinkType::parse(text)
                .map_err(|error| EngineError::internal(format!("the carried type: {error}")))
        }
        other => FlinkType::parse(&other.to_string())
            .map_err(|_| EngineError::unsupported(format!("the data type {other}"))),
    }
}
