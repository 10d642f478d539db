//! The syntax of aggregates.
//!
//! ```text
//!   JSON_ARRAYAGG(x, on_null => 'NULL')    __json_arrayagg_null_on_null(x)
//!   ARRAY_AGG(x ORDER BY y)                ARRAY_AGG(x): Flink collects in the order of arrival
//!   GROUP BY ()                            no keys
//! ```

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, ObjectName, SetExpr, Value,
};

use crate::error::Result;
use crate::sql::diagnostics::validation;

/// Rewrites a call of an aggregate, before its arguments are.
pub(super) fn rewrite_call(function: &mut Function) -> Result<()> {
    let name = function.name.to_string().to_uppercase();
    if !function.within_group.is_empty() {
        return Err(validation(format!(
            "aggregate expression '{name}' must not contain a WITHIN GROUP clause"
        )));
    }
    if matches!(name.as_str(), "FIRST_VALUE" | "LAST_VALUE") && function.null_treatment.is_some() {
        return Err(validation(format!(
            "cannot specify IGNORE NULLS or RESPECT NULLS following '{name}'"
        )));
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(());
    };
    if name == "COUNT" && list.args.is_empty() && function.over.is_none() {
        return Err(validation(
            "invalid number of arguments to function 'COUNT': it takes one".to_owned(),
        ));
    }
    if let Some(FunctionArgumentClause::IgnoreOrRespectNulls(treatment)) = list
        .clauses
        .iter()
        .find(|clause| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_)))
    {
        return Err(validation(format!(
            "incorrect syntax near '{treatment}': it stands behind the parentheses of a call"
        )));
    }
    let has_order =
        |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::OrderBy(_));
    if list.clauses.iter().any(has_order) {
        if name != "ARRAY_AGG" {
            return Err(validation("ORDER BY unexpected".to_owned()));
        }
        list.clauses.retain(|clause| !has_order(clause));
    }
    let other = match name.as_str() {
        "JSON_ARRAYAGG" => ("NULL", "__json_arrayagg_null_on_null"),
        "JSON_OBJECTAGG" => ("ABSENT", "__json_objectagg_absent_on_null"),
        _ => return Ok(()),
    };
    let mut on_null = None;
    list.args.retain(|argument| {
        let value = on_null_of(argument);
        let is_clause = value.is_some();
        on_null = value.or(on_null.take());
        !is_clause
    });
    if on_null.as_deref() == Some(other.0) {
        function.name = ObjectName::from(vec![Ident::new(other.1)]);
    }
    Ok(())
}

/// The value of an argument `on_null => '…'`.
fn on_null_of(argument: &FunctionArg) -> Option<String> {
    let FunctionArg::Named {
        name,
        arg: FunctionArgExpr::Expr(Expr::Value(value)),
        ..
    } = argument
    else {
        return None;
    };
    match &value.value {
        Value::SingleQuotedString(text) if name.value == "on_null" => Some(text.clone()),
        _ => None,
    }
}

/// Drops `()` from GROUP BY, where it stands alone: the whole table is one group.
pub(super) fn drop_empty_keys(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            if let GroupByExpr::Expressions(keys, modifiers) = &mut select.group_by
                && modifiers.is_empty()
            {
                keys.retain(|key| !matches!(key, Expr::Tuple(parts) if parts.is_empty()));
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            drop_empty_keys(left);
            drop_empty_keys(right);
        }
        _ => {}
    }
}
