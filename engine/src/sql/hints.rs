//! Hints in comments: `/*+ OPTIONS('k' = 'v') */` behind a table, `/*+ LOOKUP(…) */` behind SELECT.
//!
//! A table's options travel in the tree as `with_hints` of its factor: one call
//! `OPTIONS('k' = 'v', …)`. Read them with [`table_options`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, ObjectName, Query, Select, Spanned, TableFactor, Value, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token};

use super::dialect::{FlinkDialect, made_up};

/// The function that carries a table's options.
const OPTIONS: &str = "OPTIONS";
/// Functions whose arguments may be a unit of time, which is a reserved word everywhere else.
const FUNCTIONS_OF_UNITS: [&str; 5] = ["TIMESTAMPADD", "TIMESTAMPDIFF", "CEIL", "CEILING", "FLOOR"];
/// The reserved words among the units of time.
const UNITS: [&str; 6] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];

/// The hint of a table that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableHint {
    /// The word that the hint follows: the last name of the table.
    pub(super) after: Span,
    /// The options: key, the key's place in the statement, value. Of equal keys the last one holds.
    pub(super) options: Vec<(String, Span, String)>,
}

impl TableHint {
    /// The options without their places.
    pub(super) fn into_options(self) -> BTreeMap<String, String> {
        let options = self.options.into_iter();
        options.map(|(key, _, value)| (key, value)).collect()
    }
}

/// A hint behind SELECT: `LOOKUP('table' = 'dim')`, `STATE_TTL('a' = '1d')`, `BROADCAST(t)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectHint {
    /// Name in upper case.
    pub name: String,
    /// Arguments; a lone one has no value.
    pub arguments: Vec<(String, Option<String>)>,
}

/// The options that a hint gives to a table.
#[must_use]
pub fn table_options(factor: &TableFactor) -> BTreeMap<String, String> {
    let options = placed_options(factor).into_iter();
    options.map(|(key, _, value)| (key, value)).collect()
}

/// As [`table_options`], with the places of the keys in the statement, in the order of the text.
#[must_use]
pub fn placed_options(factor: &TableFactor) -> Vec<(String, Span, String)> {
    let TableFactor::Table { with_hints, .. } = factor else {
        return Vec::new();
    };
    let mut options = Vec::new();
    for hint in with_hints {
        let Expr::Function(Function {
            args: FunctionArguments::List(list),
            ..
        }) = hint
        else {
            continue;
        };
        for argument in &list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
                left, right, ..
            })) = argument
                && let (Some(key), Some(value)) = (text_of(left), text_of(right))
            {
                options.push((key, left.span(), value));
            }
        }
    }
    options
}

/// The hints behind a SELECT.
///
/// # Errors
/// One sentence if the text is no list of hints.
pub fn select_hints(select: &Select) -> Result<Vec<SelectHint>, String> {
    let mut hints = Vec::new();
    for hint in &select.optimizer_hints {
        hints.extend(parse_hints(&hint.text)?.into_iter().map(SelectHint::from));
    }
    Ok(hints)
}

impl From<Hint> for SelectHint {
    fn from(hint: Hint) -> Self {
        let arguments = hint.arguments.into_iter();
        Self {
            name: hint.name,
            arguments: arguments.map(|(key, _, value)| (key, value)).collect(),
        }
    }
}

/// A hint as it is written.
struct Hint {
    /// In upper case.
    name: String,
    /// Key, its place in the hint's text, value.
    arguments: Vec<(String, Span, Option<String>)>,
}

/// Reads the text of a hint behind a table, without the comment's marks, which begins at `start`
/// of the statement.
pub(super) fn parse_table_hint(
    text: &str,
    start: Location,
    after: Span,
) -> Result<TableHint, String> {
    let place = |location: Location| match location.line {
        1 => Location::new(start.line, start.column + location.column - 1),
        line => Location::new(start.line + line - 1, location.column),
    };
    let mut options = Vec::new();
    for hint in parse_hints(text)? {
        if hint.name != OPTIONS {
            return Err(format!(
                "'{}' is no hint of a table; behind a table stands OPTIONS('key' = 'value')",
                hint.name
            ));
        }
        for (key, span, value) in hint.arguments {
            let Some(value) = value else {
                return Err(format!("the option '{key}' of the hint has no value"));
            };
            let span = Span::new(place(span.start), place(span.end));
            options.push((key, span, value));
        }
    }
    Ok(TableHint { after, options })
}

/// hints := name [ '(' argument { ',' argument } ')' ] { [','] … }; argument := text ['=' text]
fn parse_hints(text: &str) -> Result<Vec<Hint>, String> {
    let malformed = || format!("'{}' is no list of hints", text.trim());
    let mut parser = Parser::new(&FlinkDialect)
        .try_with_sql(text)
        .map_err(|_| malformed())?;
    let mut hints = Vec::new();
    while parser.peek_token_ref().token != Token::EOF {
        let name = parser.parse_identifier().map_err(|_| malformed())?;
        let mut arguments = Vec::new();
        if parser.consume_token(&Token::LParen) {
            while !parser.consume_token(&Token::RParen) {
                if !arguments.is_empty() && !parser.consume_token(&Token::Comma) {
                    return Err(malformed());
                }
                let span = parser.peek_token_ref().span;
                let key = parse_text(&mut parser).ok_or_else(malformed)?;
                let value = if parser.consume_token(&Token::Eq) {
                    Some(parse_text(&mut parser).ok_or_else(malformed)?)
                } else {
                    None
                };
                arguments.push((key, span, value));
            }
        }
        let _separated = parser.consume_token(&Token::Comma);
        hints.push(Hint {
            name: name.value.to_ascii_uppercase(),
            arguments,
        });
    }
    Ok(hints)
}

fn parse_text(parser: &mut Parser) -> Option<String> {
    match parser.next_token().token {
        Token::SingleQuotedString(text) | Token::Number(text, _) => Some(text),
        Token::Word(word) => Some(word.value),
        _ => None,
    }
}

/// Puts the hints into a query's tables, takes those out of `hints`, and quotes the units of time
/// among arguments, so that they are not mistaken for names.
pub(super) fn finish_query(query: &mut Query, hints: &mut Vec<TableHint>) {
    let _: ControlFlow<()> = query.visit(&mut Finisher { hints });
}

/// As [`finish_query`], for an expression.
pub(super) fn finish_expr(expr: &mut Expr, hints: &mut Vec<TableHint>) {
    let _: ControlFlow<()> = expr.visit(&mut Finisher { hints });
}

/// The options of the hint behind a name that ends at `name_start`, taken out of `hints`.
pub(super) fn take_hint(hints: &mut Vec<TableHint>, name_start: Location) -> Option<TableHint> {
    let idx = hints
        .iter()
        .position(|hint| hint.after.start == name_start)?;
    Some(hints.remove(idx))
}

struct Finisher<'a> {
    hints: &'a mut Vec<TableHint>,
}

impl VisitorMut for Finisher<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, with_hints, ..
        } = factor
            && let Some(last) = name.0.last().and_then(|part| part.as_ident())
            && let Some(hint) = take_hint(self.hints, last.span.start)
        {
            with_hints.push(to_call(&hint.options));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            quote_units(function);
        }
        ControlFlow::Continue(())
    }
}

fn quote_units(function: &mut Function) {
    let name = function.name.to_string().to_ascii_uppercase();
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if !FUNCTIONS_OF_UNITS.contains(&name.as_str()) {
        return;
    }
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))) = argument
            && UNITS.contains(&ident.value.to_ascii_uppercase().as_str())
        {
            ident.quote_style = Some('`');
        }
    }
}

fn to_call(options: &[(String, Span, String)]) -> Expr {
    let text = |value: &str, span: Span| {
        let value = Value::SingleQuotedString(value.to_owned());
        Box::new(Expr::Value(value.with_span(span)))
    };
    let args = options.iter().map(|(key, span, value)| {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
            left: text(key, *span),
            op: BinaryOperator::Eq,
            right: text(value, Span::empty()),
        }))
    });
    Expr::Function(Function {
        name: ObjectName::from(vec![made_up(OPTIONS)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
