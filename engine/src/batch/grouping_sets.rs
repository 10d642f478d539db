//! Grouping sets over no rows: Flink's batch mode has no groups then, not even the one of all rows.
//!
//! ```text
//!   Aggregate  GROUPING SETS ((k), ())
//!     ──▶  Projection  of the columns
//!            Filter    __n_rows > 0
//!              Aggregate  GROUPING SETS ((k), ()), COUNT(*) AS __n_rows
//! ```
//!
//! `GROUP BY ()` alone has one row, as everywhere.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, GroupingSet, LogicalPlan, Projection, col, lit,
};

const N_ROWS: &str = "__n_rows";

/// `plan` with the groups of its grouping sets only where there are rows.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub(super) fn without_empty(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) if may_have_empty(&aggregate) => {
            counted(aggregate).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(rewritten?.data)
}

/// Whether one of several sets is of all rows.
fn may_have_empty(aggregate: &Aggregate) -> bool {
    match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => {
            sets.len() > 1 && sets.iter().any(Vec::is_empty)
        }
        [Expr::GroupingSet(_)] => true,
        _ => false,
    }
}

fn counted(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let columns = aggregate.schema.columns();
    let mut calls = aggregate.aggr_expr;
    calls.push(count(lit(1_i64)).alias(N_ROWS));
    let counted = Aggregate::try_new(aggregate.input, aggregate.group_expr, calls)?;
    let condition = col(Column::new_unqualified(N_ROWS)).gt(lit(0_i64));
    let filter = Filter::try_new(condition, Arc::new(LogicalPlan::Aggregate(counted)))?;
    let exprs = columns.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(
        exprs,
        Arc::new(LogicalPlan::Filter(filter)),
        aggregate.schema,
    )?))
}
