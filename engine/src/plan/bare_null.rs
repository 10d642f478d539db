//! Bare NULLs as columns.
//!
//! `SELECT NULL` has a column of no type, and is refused wherever it stands: in what INSERT takes its
//! rows from, too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, SelectItem, SetExpr, Value, ValueWithSpan, Visit, Visitor,
};

use crate::error::{EngineError, Result};
use crate::functions::illegal_null;

/// Looks at all SELECT lists and VALUES of a query.
///
/// # Errors
/// A validation error for the first bare NULL among their columns.
pub fn check(query: &Query) -> Result<()> {
    match query.visit(&mut Finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Finder;

impl Visitor for Finder {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<EngineError> {
        if has_bare_null(&query.body) {
            return ControlFlow::Break(illegal_null());
        }
        ControlFlow::Continue(())
    }
}

fn has_bare_null(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let in_items = select.projection.iter().any(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    is_null(expr)
                }
                _ => false,
            });
            let in_keys = match &select.group_by {
                GroupByExpr::Expressions(keys, _) => keys.iter().any(is_null),
                GroupByExpr::All(_) => false,
            };
            in_items || in_keys
        }
        SetExpr::Values(values) => values
            .rows
            .iter()
            .any(|row| row.content.iter().any(is_null)),
        SetExpr::SetOperation { left, right, .. } => has_bare_null(left) || has_bare_null(right),
        // Nested queries are visited by themselves.
        _ => false,
    }
}

/// NULL as it was written, or in parentheses.
pub(crate) fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Null, ..
        }) => true,
        Expr::Nested(inner) => is_null(inner),
        _ => false,
    }
}
