//! What sqlparser reads in a query and Flink's parser does not.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, JoinOperator, LimitClause, Query, Select, SelectItem, SetExpr, Value, ValueWithSpan,
};

use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlDiagnostic, SqlErrorKind};

/// Refuses a query that Flink's parser does not read; the queries in it are looked at on their own.
///
/// # Errors
/// For locks, `LIMIT NULL`, FETCH without a number, SEMI and ANTI joins, WHERE without FROM and names in single quotes.
pub(super) fn check(query: &Query) -> Result<()> {
    if !query.locks.is_empty() {
        return Err(unread("incorrect syntax near the keyword 'FOR'"));
    }
    let limit = match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => limit.as_ref(),
        _ => None,
    };
    if let Some(Expr::Value(ValueWithSpan {
        value: Value::Null, ..
    })) = limit
    {
        return Err(unread(
            "incorrect syntax near the keyword 'NULL': LIMIT takes a number of rows",
        ));
    }
    if query
        .fetch
        .as_ref()
        .is_some_and(|fetch| fetch.quantity.is_none())
    {
        return Err(unread(
            "incorrect syntax near FETCH: it takes a number of rows",
        ));
    }
    check_body(&query.body)
}

fn check_body(body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => check_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            check_body(left)?;
            check_body(right)
        }
        SetExpr::Insert(_) => Err(unread("incorrect syntax near the keyword 'INSERT'")),
        SetExpr::Update(_) => Err(unread("incorrect syntax near the keyword 'UPDATE'")),
        SetExpr::Delete(_) => Err(unread("incorrect syntax near the keyword 'DELETE'")),
        SetExpr::Merge(_) => Err(unread("incorrect syntax near the keyword 'MERGE'")),
        SetExpr::Table(_) => Err(EngineError::unsupported(
            "TABLE as a query (write SELECT * FROM)",
        )),
        _ => Ok(()),
    }
}

fn check_select(select: &Select) -> Result<()> {
    for join in select.from.iter().flat_map(|from| &from.joins) {
        if let Some(word) = half_join(&join.join_operator) {
            return Err(unread(&format!(
                "incorrect syntax near the keyword '{word}': rows with or without a partner are \
                 asked for by [NOT] EXISTS or [NOT] IN"
            )));
        }
    }
    if select.from.is_empty() && select.selection.is_some() {
        return Err(unread(
            "incorrect syntax near the keyword 'WHERE': it needs a FROM before it",
        ));
    }
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && alias.quote_style == Some('\'')
        {
            return Err(unread(&format!(
                "incorrect syntax near '{}': a name is written without quotes or as `{}`",
                alias.value, alias.value
            )));
        }
    }
    Ok(())
}

fn half_join(operator: &JoinOperator) -> Option<&'static str> {
    match operator {
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => {
            Some("SEMI")
        }
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => {
            Some("ANTI")
        }
        _ => None,
    }
}

fn unread(message: &str) -> EngineError {
    let diagnostic = SqlDiagnostic::at(SqlErrorKind::Parse, message, "", None, 1);
    EngineError::from(Arc::new(diagnostic))
}
