//! Bare NULLs as columns.
//!
//! `SELECT NULL` has a column of no type, and is refused wherever it stands, except where INSERT
//! takes its rows from: there the columns of the table say the type.

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
    check_from(query, 0)
}

/// Looks at those inside the outermost SELECT or VALUES only.
///
/// # Errors
/// As [`check`].
pub fn check_inside(query: &Query) -> Result<()> {
    check_from(query, 1)
}

fn check_from(query: &Query, first_depth: usize) -> Result<()> {
    let mut finder = Finder {
        depth: 0,
        first_depth,
    };
    match query.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Finder {
    depth: usize,
    first_depth: usize,
}

impl Visitor for Finder {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<EngineError> {
        if self.depth >= self.first_depth && has_bare_null(&query.body) {
            return ControlFlow::Break(illegal_null());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<EngineError> {
        self.depth -= 1;
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
