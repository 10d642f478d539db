//! Names of columns, as Calcite gives them.
//!
//! ```text
//!   SELECT a + 1, a, a           SELECT a + 1 AS `EXPR$0`, a, a AS a0
//!   FROM (VALUES (1, 2)) AS t    FROM (VALUES (1, 2)) AS t(`EXPR$0`, `EXPR$1`)
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    Value, Visit, Visitor,
};

use super::literals::unify_literals;
use super::sets::spread_rows;
use crate::error::Result;
use crate::sql::diagnostics::validation;

/// Gives every column of a SELECT list a name of its own, as Calcite does.
pub(crate) fn name_columns(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_select(select),
        SetExpr::Values(values) => unify_literals(values),
        SetExpr::SetOperation { left, right, .. } => {
            name_columns(left);
            name_columns(right);
        }
        _ => {}
    }
}

fn name_select(select: &mut Select) {
    let mut taken = BTreeSet::new();
    let mut behind_star = false;
    for (column_idx, item) in select.projection.iter_mut().enumerate() {
        let (name, named) = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (ident.value.clone(), true),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                let Some(last) = parts.last() else { continue };
                (last.value.clone(), true)
            }
            // Its place is known when the star has been spelled out.
            SelectItem::UnnamedExpr(_) if behind_star => continue,
            SelectItem::UnnamedExpr(_) => (format!("EXPR${column_idx}"), false),
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), true),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                behind_star = true;
                continue;
            }
            _ => continue,
        };
        let mut unique = name.clone();
        let mut suffix = 0;
        while !taken.insert(unique.clone()) {
            unique = format!("{name}{suffix}");
            suffix += 1;
        }
        if named && unique == name {
            continue;
        }
        let placeholder = SelectItem::UnnamedExpr(Expr::Value(Value::Null.into()));
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } =
            std::mem::replace(item, placeholder)
        {
            *item = SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('`', unique),
            };
        }
    }
}

/// Names the columns of a VALUES in FROM. Whether it had no name at all and got one, with `number`.
pub(super) fn name_values(table: &mut TableFactor, number: usize) -> bool {
    let TableFactor::Derived {
        subquery, alias, ..
    } = table
    else {
        return false;
    };
    spread_rows(&mut subquery.body);
    let Some(n_columns) = width_of_values(&subquery.body) else {
        return false;
    };
    match alias {
        // The only column is called as the table is.
        Some(alias) if n_columns == 1 && alias.columns.is_empty() => {
            alias.columns = vec![column_named(alias.name.clone())];
            false
        }
        Some(alias) => {
            name_aliased(alias, n_columns);
            false
        }
        None => {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('`', format!("__values{number}")),
                columns: value_names(n_columns),
                at: None,
            });
            true
        }
    }
}

/// Whether a subquery stands in an expression of `query`.
pub(super) fn has_subquery(query: &Query) -> bool {
    Visit::visit(query, &mut Subqueries).is_break()
}

struct Subqueries;

impl Visitor for Subqueries {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Gives a query in FROM a name, with `number`. Whether it had none.
pub(super) fn name_table(table: &mut TableFactor, number: usize) -> bool {
    let TableFactor::Derived {
        alias: alias @ None,
        ..
    } = table
    else {
        return false;
    };
    *alias = Some(TableAlias {
        explicit: true,
        name: Ident::with_quote('`', format!("__table{number}")),
        columns: Vec::new(),
        at: None,
    });
    true
}

/// Names the columns of each `WITH t AS (VALUES …)`.
pub(super) fn name_values_of_with(query: &mut Query) {
    let Some(with) = &mut query.with else { return };
    for table in &mut with.cte_tables {
        if let Some(n_columns) = width_of_values(&table.query.body) {
            name_aliased(&mut table.alias, n_columns);
        }
    }
}

fn name_aliased(alias: &mut TableAlias, n_columns: usize) {
    if alias.columns.is_empty() {
        alias.columns = value_names(n_columns);
    }
}

fn value_names(n_columns: usize) -> Vec<TableAliasColumnDef> {
    (0..n_columns)
        .map(|column_idx| column_named(Ident::with_quote('`', format!("EXPR${column_idx}"))))
        .collect()
}

fn column_named(name: Ident) -> TableAliasColumnDef {
    TableAliasColumnDef {
        name,
        data_type: None,
    }
}

/// Refuses a column that a subquery in FROM has twice, where it is called by name or by a star.
///
/// # Errors
/// A validation error that names the column.
pub(super) fn check_ambiguous(body: &SetExpr) -> Result<()> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, right, .. } => {
            check_ambiguous(left)?;
            return check_ambiguous(right);
        }
        _ => return Ok(()),
    };
    let relations = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    let doubles: BTreeSet<String> = relations.flat_map(doubles_of).collect();
    let Some(first) = doubles.first() else {
        return Ok(());
    };
    let ambiguous = |name: &str| Err(validation(format!("Column '{name}' is ambiguous")));
    for item in &select.projection {
        if matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        ) {
            return ambiguous(first);
        }
    }
    let mut called = Called { doubles: &doubles };
    for part in [
        Visit::visit(&select.projection, &mut called),
        Visit::visit(&select.selection, &mut called),
    ] {
        if let ControlFlow::Break(name) = part {
            return ambiguous(&name);
        }
    }
    Ok(())
}

/// The names that stand twice in the SELECT list of a subquery without column names of its own.
fn doubles_of(table: &TableFactor) -> Vec<String> {
    let TableFactor::Derived {
        subquery, alias, ..
    } = table
    else {
        return Vec::new();
    };
    let SetExpr::Select(select) = subquery.body.as_ref() else {
        return Vec::new();
    };
    if alias
        .as_ref()
        .is_some_and(|alias| !alias.columns.is_empty())
    {
        return Vec::new();
    }
    let mut taken = BTreeSet::new();
    let names = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(&ident.value),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|last| &last.value)
        }
        SelectItem::ExprWithAlias { alias, .. } => Some(&alias.value),
        _ => None,
    });
    names
        .filter(|name| !taken.insert(name.as_str()))
        .cloned()
        .collect()
}

struct Called<'a> {
    doubles: &'a BTreeSet<String>,
}

impl Visitor for Called<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let name = match expr {
            Expr::Identifier(ident) => Some(&ident.value),
            Expr::CompoundIdentifier(parts) => parts.last().map(|last| &last.value),
            _ => None,
        };
        match name.filter(|name| self.doubles.contains(*name)) {
            Some(name) => ControlFlow::Break(name.clone()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Gives the subqueries in a FROM of several relations names, so that their columns differ.
pub(super) fn name_subqueries(body: &mut SetExpr) {
    let SetExpr::Select(select) = body else {
        return;
    };
    let n_relations: usize = select.from.iter().map(|from| 1 + from.joins.len()).sum();
    if n_relations < 2 {
        return;
    }
    let relations = select.from.iter_mut().flat_map(|from| {
        std::iter::once(&mut from.relation)
            .chain(from.joins.iter_mut().map(|join| &mut join.relation))
    });
    for (relation_idx, relation) in relations.enumerate() {
        if let TableFactor::Derived {
            subquery,
            alias: alias @ None,
            ..
        } = relation
            && width_of_values(&subquery.body).is_none()
        {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('`', format!("__subquery{relation_idx}")),
                columns: Vec::new(),
                at: None,
            });
        }
    }
}

/// The number of columns of a bare VALUES, or of a set operation that begins with one.
fn width_of_values(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        SetExpr::Query(query) => width_of_values(&query.body),
        SetExpr::SetOperation { left, .. } => width_of_values(left),
        _ => None,
    }
}
