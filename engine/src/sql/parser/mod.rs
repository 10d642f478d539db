//! Our statement parser over sqlparser's: Flink's statements by hand, queries and expressions by
//! sqlparser.
//!
//! The first words choose the rule; what sqlparser would read wrongly (`EXECUTE PLAN` as a
//! prepared statement) never reaches it. Errors are sqlparser's own until [`errors`] turns them
//! into diagnostics.

mod alter;
mod create;
mod errors;
mod insert;
mod materialized;
mod models;
mod rows;
mod show;
mod words;

use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::diagnostics::SqlDiagnostic;
use super::dialect::FlinkDialect;
use super::hints::{self, TableHint};
use super::reserved;
use super::source::SourceText;
use super::statement::{ExprText, Ident, QueryText, Statement};

pub(super) use errors::STATEMENT_WORDS;

type ParseResult<T> = Result<T, ParserError>;

/// Expressions may be nested this deep; sqlparser counts its own levels.
const RECURSION_LIMIT: usize = 256;

/// Reads one statement of a script; `tokens` are its own, without the separator behind it.
///
/// # Errors
/// If the tokens are no statement, or more than one.
pub(super) fn parse_statement(
    source: &SourceText,
    tokens: &[TokenWithSpan],
    hints: &mut Vec<TableHint>,
) -> Result<Statement, SqlDiagnostic> {
    run(source, tokens, hints, |parser| parser.statement())
}

/// Reads tokens that must be a query.
///
/// # Errors
/// If they are none.
pub(super) fn parse_query(
    source: &SourceText,
    tokens: &[TokenWithSpan],
    hints: &mut Vec<TableHint>,
) -> Result<QueryText, SqlDiagnostic> {
    run(source, tokens, hints, |parser| parser.query())
}

/// Reads tokens that must be an expression.
///
/// # Errors
/// If they are none.
pub(super) fn parse_expression(
    source: &SourceText,
    tokens: &[TokenWithSpan],
    hints: &mut Vec<TableHint>,
) -> Result<ExprText, SqlDiagnostic> {
    run(source, tokens, hints, |parser| parser.expr())
}

fn run<T>(
    source: &SourceText,
    tokens: &[TokenWithSpan],
    hints: &mut Vec<TableHint>,
    rule: impl FnOnce(&mut StatementParser<'_, '_>) -> ParseResult<T>,
) -> Result<T, SqlDiagnostic> {
    let parser = Parser::new(&FlinkDialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens.to_vec());
    let mut statement_parser = StatementParser {
        parser,
        source,
        hints,
    };
    let result = rule(&mut statement_parser).and_then(|value| {
        statement_parser.expect_end()?;
        Ok(value)
    });
    result.map_err(|error| errors::to_diagnostic(&error, source, tokens))
}

struct StatementParser<'a, 'b> {
    parser: Parser<'a>,
    source: &'a SourceText<'a>,
    hints: &'b mut Vec<TableHint>,
}

impl StatementParser<'_, '_> {
    /// The flat list of statements; each rule starts at the statement's first word.
    fn statement(&mut self) -> ParseResult<Statement> {
        let Some(word) = self.peek_word(0) else {
            return self.query_or_unknown();
        };
        match word.as_str() {
            "SELECT" | "WITH" | "VALUES" => Ok(Statement::Query(self.query()?)),
            "INSERT" => Ok(Statement::Insert(Box::new(self.insert()?))),
            "EXECUTE" | "BEGIN" | "STATEMENT" => self.execute(),
            "CREATE" => self.create(),
            "DROP" => self.drop_object(),
            "ALTER" => self.alter(),
            "USE" => self.use_target(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "EXPLAIN" => self.explain(),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "STOP" => self.stop_job(),
            "HELP" => {
                self.expect("HELP")?;
                Ok(Statement::Help)
            }
            "LOAD" | "UNLOAD" => self.change_module(),
            "REPLACE" => self.replace_table(),
            "CALL" => self.call(),
            "ANALYZE" => self.analyze(),
            "COMPILE" => self.compile_plan(),
            "TRUNCATE" => self.truncate(),
            "DELETE" => self.delete(),
            "UPDATE" => self.update(),
            "ADD" if self.peek_is(1, "JAR") => self.add_jar(),
            "ADD" | "REMOVE" | "MERGE" | "QUIT" | "EXIT" | "CLEAR" | "SOURCE" => {
                self.unsupported_by_words()
            }
            _ => self.query_or_unknown(),
        }
    }

    fn query_or_unknown(&mut self) -> ParseResult<Statement> {
        if self.parser.peek_token_ref().token == Token::LParen {
            return Ok(Statement::Query(self.query()?));
        }
        self.expected("a statement")
    }

    /// A statement that is read up to its end and not run.
    fn unsupported(&mut self, feature: &str, from: Location) -> ParseResult<Statement> {
        let mut end = from;
        while self.parser.peek_token_ref().token != Token::EOF {
            end = self.parser.next_token().span.end;
        }
        Ok(Statement::Unsupported {
            feature: feature.to_owned(),
            span: Span::new(from, end),
        })
    }

    /// Names an unsupported statement by its leading keywords.
    fn unsupported_by_words(&mut self) -> ParseResult<Statement> {
        let from = self.here();
        let first = self.peek_word(0).unwrap_or_default();
        let second = self.peek_word(1);
        let feature = match (first.as_str(), second.as_deref()) {
            ("ADD" | "REMOVE", Some(second)) => format!("{first} {second}"),
            _ => first,
        };
        self.unsupported(&feature, from)
    }

    /// A query, up to the word that ends it.
    fn query(&mut self) -> ParseResult<QueryText> {
        let from = self.here();
        let mut query = self.parser.parse_query()?;
        hints::finish_query(&mut query, self.hints);
        if let Some(ident) = reserved::find_in_query(&query) {
            return self.reserved_name(&ident);
        }
        let span = self.span_from(from);
        Ok(QueryText {
            query,
            text: self.source.slice(span).to_owned(),
            span,
        })
    }

    fn expr(&mut self) -> ParseResult<ExprText> {
        let from = self.here();
        let mut expr = self.parser.parse_expr()?;
        hints::finish_expr(&mut expr, self.hints);
        if let Some(ident) = reserved::find_in_expr(&expr) {
            return self.reserved_name(&ident);
        }
        let span = self.span_from(from);
        Ok(ExprText {
            expr: Box::new(expr),
            text: self.source.slice(span).to_owned(),
            span,
        })
    }

    fn reserved_name<T>(&self, ident: &Ident) -> ParseResult<T> {
        Err(ParserError::ParserError(format!(
            "{}'{}'{}",
            errors::RESERVED,
            ident.value,
            ident.span.start
        )))
    }
}
