//! Which columns identify a row of a plan: what makes a table a versioned one.

use std::collections::BTreeSet;

use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, TableSource};

use crate::plan::context::PhysicalTable;
use crate::plan::window::properties::column_of;

/// The columns by which a row is known, by index; none if there are no such ones. A table has its
/// primary key, a grouping its keys, the first row by ROW_NUMBER its partition.
#[must_use]
pub fn key_of(plan: &LogicalPlan) -> Option<BTreeSet<usize>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = scan.source.downcast_ref::<PhysicalTable>()?;
            let all = TableSource::schema(table);
            let projected = match &scan.projection {
                Some(projection) => projection.clone(),
                None => (0..all.fields().len()).collect(),
            };
            let place = |name: &String| {
                let column = all.index_of(name).ok()?;
                projected.iter().position(|it| *it == column)
            };
            if table.primary_key.is_empty() {
                return None;
            }
            table.primary_key.iter().map(place).collect()
        }
        LogicalPlan::SubqueryAlias(alias) => key_of(&alias.input),
        LogicalPlan::Sort(sort) => key_of(&sort.input),
        LogicalPlan::Filter(filter) => {
            first_row_key(&filter.input, &filter.predicate).or_else(|| key_of(&filter.input))
        }
        LogicalPlan::Window(window) => key_of(&window.input),
        LogicalPlan::Projection(projection) => {
            let input = projection.input.as_ref();
            let key = key_of(input)?;
            let place = |column: &usize| {
                let mut exprs = projection.expr.iter();
                exprs.position(|expr| column_of(expr, input) == Some(*column))
            };
            key.iter().map(place).collect()
        }
        LogicalPlan::Aggregate(aggregate) => Some((0..aggregate.group_expr.len()).collect()),
        _ => None,
    }
}

/// The partition of `ROW_NUMBER() … = 1`, in the columns of the filter's input.
fn first_row_key(input: &LogicalPlan, predicate: &Expr) -> Option<BTreeSet<usize>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = predicate else {
        return None;
    };
    let rank = match (*op, is_one(left), is_one(right)) {
        (Operator::Eq | Operator::LtEq, _, true) => left,
        (Operator::Eq | Operator::GtEq, true, _) => right,
        _ => return None,
    };
    partition_of(input, column_of(rank, input)?)
}

/// Whether an expression is the number 1, of whatever type.
fn is_one(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.to_string() == "1",
        Expr::Cast(cast) => is_one(&cast.expr),
        _ => false,
    }
}

/// The partition by which column `rank` of `plan` counts rows.
fn partition_of(plan: &LogicalPlan, rank: usize) -> Option<BTreeSet<usize>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => partition_of(&alias.input, rank),
        LogicalPlan::Projection(projection) => {
            let input = projection.input.as_ref();
            let rank = column_of(projection.expr.get(rank)?, input)?;
            let place = |column: &usize| {
                let mut exprs = projection.expr.iter();
                exprs.position(|expr| column_of(expr, input) == Some(*column))
            };
            partition_of(input, rank)?.iter().map(place).collect()
        }
        LogicalPlan::Window(window) => {
            let place = rank.checked_sub(window.input.schema().fields().len())?;
            let Expr::WindowFunction(function) = unaliased(window.window_expr.get(place)?) else {
                return None;
            };
            let WindowFunction { fun, params } = function.as_ref();
            if !fun.name().eq_ignore_ascii_case("row_number") {
                return None;
            }
            let keys = params.partition_by.iter();
            keys.map(|key| column_of(key, &window.input)).collect()
        }
        _ => None,
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
