//! What Flink refuses in batch mode, and DataFusion would run.

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, Window};

use crate::error::Result;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::window::properties::WindowProperties;
use crate::sql::diagnostics::validation;

const NO_MAP_KEYS: &str = "a MAP is not an orderable data type: batch mode cannot group by it";

/// Refuses what has no operator in batch mode.
///
/// # Errors
/// A validation error that says what it is.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    check_limits(plan)?;
    check_windows(plan)
}

/// An order from some place to the end: Flink has no operator for it.
fn check_limits(plan: &LogicalPlan) -> Result<()> {
    let is_open = |node: &LogicalPlan| {
        let LogicalPlan::Limit(limit) = node else {
            return false;
        };
        let sorts = match limit.input.as_ref() {
            LogicalPlan::Projection(projection) => projection.input.as_ref(),
            other => other,
        };
        limit.fetch.is_none() && matches!(sorts, LogicalPlan::Sort(sort) if sort.fetch.is_none())
    };
    if plan.exists(|node| Ok(is_open(node))).unwrap_or(false) {
        return Err(table_error(
            "Not support limitEnd is max value now!",
            Some("add LIMIT to ORDER BY … OFFSET"),
        ));
    }
    Ok(())
}

/// Windows that Flink does not run over tables that end: DISTINCT in OVER, and in groups by TUMBLE
/// and HOP. Groups by MAP neither.
fn check_windows(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    let visited = plan.apply_with_subqueries(|node| {
        refused = match node {
            LogicalPlan::Window(window) => over_refusal(window),
            LogicalPlan::Aggregate(aggregate) if groups_by_map(aggregate) => Some(NO_MAP_KEYS),
            LogicalPlan::Distinct(Distinct::All(input))
                if input.schema().fields().iter().any(|field| is_map(field)) =>
            {
                Some(NO_MAP_KEYS)
            }
            LogicalPlan::Projection(projection) if projection.expr.iter().any(asks_proctime) => {
                Some("PROCTIME window property is not supported in batch queries.")
            }
            LogicalPlan::Aggregate(aggregate) if has_distinct(aggregate) => {
                WindowProperties::of(&aggregate.input)
                    .filter(|windows| windows.is_group)
                    .map(|_| "DISTINCT aggregates are currently not supported in group windows")
            }
            _ => None,
        };
        Ok(match refused {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    visited.map_err(from_planner)?;
    refused.map_or(Ok(()), |message| Err(validation(message.to_owned())))
}

fn is_map(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Map(..))
}

/// Whether a key, or a value that counts once, is a MAP.
fn groups_by_map(aggregate: &Aggregate) -> bool {
    let distinct = aggregate.aggr_expr.iter().filter_map(|expr| match expr {
        Expr::AggregateFunction(call) if call.params.distinct => Some(&call.params.args),
        _ => None,
    });
    let mut keys = aggregate.group_expr.iter().chain(distinct.flatten());
    keys.any(|expr| {
        let field = expr.to_field(aggregate.input.schema());
        field.is_ok_and(|(_, field)| is_map(&field))
    })
}

fn over_refusal(window: &Window) -> Option<&'static str> {
    window.window_expr.iter().find_map(|expr| {
        let call = window_function(expr)?;
        let is_distinct = call.params.distinct;
        is_distinct.then_some("Distinct not supported in Windowing function!")
    })
}

fn asks_proctime(expr: &Expr) -> bool {
    expr.exists(|expr| {
        Ok(matches!(expr, Expr::ScalarFunction(call) if call.name() == "__group_proctime"))
    })
    .unwrap_or(false)
}

fn has_distinct(aggregate: &Aggregate) -> bool {
    aggregate.aggr_expr.iter().any(|expr| {
        expr.exists(|expr| {
            Ok(matches!(expr, Expr::AggregateFunction(call) if call.params.distinct))
        })
        .unwrap_or(false)
    })
}

fn window_function(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => window_function(&alias.expr),
        Expr::WindowFunction(call) => Some(call),
        _ => None,
    }
}
