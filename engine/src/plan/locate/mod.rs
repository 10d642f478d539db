//! Places for errors of types: the binder checks types on its own trees, which have none; and for
//! those of options that hints give.
//!
//! The message says which function or operator is meant. Where the query has exactly one such
//! expression, that is the place; where it has several, none is better than a wrong one.

mod options;

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, Spanned, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::EngineError;
use crate::sql::diagnostics::{Position, SqlDiagnostic};
use crate::sql::option_places::of_message;

/// The error with the place of the expression that it speaks of, if that is the only such one in
/// `query`. Errors that have a place keep it.
#[must_use]
pub fn located(error: EngineError, query: &impl Visit) -> EngineError {
    if let EngineError::Options { message } = &error {
        let diagnostic = of_message(message);
        let span = options::span_of(message, query);
        return match span.and_then(|span| placed(&diagnostic, span)) {
            Some(diagnostic) => EngineError::from(Arc::new(diagnostic)),
            None => error,
        };
    }
    let EngineError::Sql(diagnostic) = &error else {
        return error;
    };
    if diagnostic.position.is_some() {
        return error;
    }
    let Some(wanted) = Wanted::of(&diagnostic.message) else {
        return error;
    };
    let mut search = Search {
        wanted,
        spans: Vec::new(),
    };
    let _: ControlFlow<()> = Visit::visit(query, &mut search);
    let [span] = search.spans.as_slice() else {
        return error;
    };
    match placed(diagnostic, *span) {
        Some(diagnostic) => EngineError::from(Arc::new(diagnostic)),
        None => error,
    }
}

fn placed(diagnostic: &SqlDiagnostic, span: Span) -> Option<SqlDiagnostic> {
    let line = usize::try_from(span.start.line).ok().filter(|it| *it > 0)?;
    let column = usize::try_from(span.start.column).ok()?;
    let mut diagnostic = diagnostic.clone();
    diagnostic.position = Some(Position { line, column });
    let length = if span.start.line == span.end.line {
        span.end.column.saturating_sub(span.start.column)
    } else {
        1
    };
    diagnostic.length = usize::try_from(length).unwrap_or(1).max(1);
    Some(diagnostic)
}

/// What a message speaks of.
enum Wanted {
    /// A call of the function with this name.
    Function(String),
    /// This operator between two values.
    Operator(String),
    /// Any comparison.
    Comparison,
    /// A CASE.
    Case,
    /// The number with these digits.
    Number(String),
    /// The condition of a WHERE that calls an aggregate.
    AggregateInWhere,
}

/// The message about an aggregate in WHERE, as the errors of the binder are reworded.
pub const AGGREGATE_IN_WHERE: &str = "aggregate expression is not allowed in WHERE clause";

/// Aggregates that may stand there by mistake; one that is not listed gets no place.
const AGGREGATES: &[&str] = &[
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "LISTAGG",
    "FIRST_VALUE",
    "LAST_VALUE",
    "COLLECT",
];

impl Wanted {
    fn of(message: &str) -> Option<Self> {
        if message == AGGREGATE_IN_WHERE {
            return Some(Self::AggregateInWhere);
        }
        if let Some(rest) = message.strip_prefix("invalid arguments of function ") {
            return Some(Self::Function(rest.split('(').next()?.to_owned()));
        }
        if let Some(rest) = message.strip_prefix("cannot apply '") {
            return Some(Self::Operator(rest.split('\'').next()?.to_owned()));
        }
        if message.starts_with("illegal mixing of types in CASE") {
            return Some(Self::Case);
        }
        if let Some(literal) = message
            .strip_prefix("numeric literal '")
            .and_then(|rest| rest.strip_suffix("' out of range"))
        {
            return Some(Self::Number(literal.to_owned()));
        }
        message
            .starts_with("implicit type conversion between")
            .then_some(Self::Comparison)
    }
}

struct Search {
    wanted: Wanted,
    spans: Vec<Span>,
}

impl Visitor for Search {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let (Wanted::AggregateInWhere, SetExpr::Select(select)) =
            (&self.wanted, query.body.as_ref())
            && let Some(condition) = &select.selection
        {
            let mut calls = Aggregates { spans: Vec::new() };
            let _: ControlFlow<()> = Visit::visit(condition, &mut calls);
            self.spans.extend(calls.spans.first());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_wanted = match (expr, &self.wanted) {
            (Expr::Function(function), Wanted::Function(name)) => {
                let found = function.name.0.last().and_then(|part| part.as_ident());
                if let Some(found) = found.filter(|it| it.value.eq_ignore_ascii_case(name)) {
                    self.spans.push(found.span);
                }
                false
            }
            (Expr::BinaryOp { op, .. }, Wanted::Operator(name)) => op.to_string() == *name,
            (Expr::BinaryOp { op, .. }, Wanted::Comparison) => is_comparison(op),
            (Expr::Case { .. }, Wanted::Case) => true,
            (
                Expr::Value(ValueWithSpan {
                    value: Value::Number(digits, _),
                    ..
                }),
                Wanted::Number(wanted),
            ) => digits == wanted,
            (
                Expr::Between { .. } | Expr::InList { .. } | Expr::InSubquery { .. },
                Wanted::Comparison,
            ) => true,
            _ => false,
        };
        if is_wanted {
            self.spans.push(expr.span());
        }
        ControlFlow::Continue(())
    }
}

/// The calls of aggregates in an expression, up to its first subquery.
struct Aggregates {
    spans: Vec<Span>,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
            && AGGREGATES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&name.value))
        {
            self.spans.push(name.span);
        }
        ControlFlow::Continue(())
    }
}

const fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}
