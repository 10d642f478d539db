//! Scalar subqueries have at most one row, or the query fails.
//!
//! ```text
//!   (SELECT y FROM q)   ──▶   (SELECT __single_value(MIN(y), COUNT(*)) FROM q)
//! ```
//!
//! Of one row the least value is the value; the function fails when it sees more rows. What surely
//! has no more than one is left alone.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

use super::quantified::call;
use crate::error::Result;
use crate::functions::checks;
use crate::plan::errors::from_planner;

/// `plan` with a check in each scalar subquery that may have many rows.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub fn checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Expr::ScalarSubquery(subquery) = expr else {
                    return Ok(Transformed::no(expr));
                };
                let plan = subquery.subquery.as_ref();
                let has_many = plan.max_rows().is_none_or(|max| max > 1);
                let plan = match plan.schema().fields().first() {
                    Some(_) if has_many => single(plan)?,
                    Some(field) if !field.is_nullable() => nullable(plan, field)?,
                    _ => return Ok(Transformed::no(Expr::ScalarSubquery(subquery))),
                };
                Ok(Transformed::yes(Expr::ScalarSubquery(Subquery {
                    outer_ref_columns: plan.all_out_ref_exprs(),
                    subquery: Arc::new(plan),
                    spans: subquery.spans.clone(),
                })))
            })
        })
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

fn single(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    let (qualifier, field) = plan.schema().qualified_field(0);
    let value = Expr::Column(Column::from((qualifier, field)));
    let calls = vec![
        call("min", value, false)?.alias("__value"),
        call("count", lit(1_i64), false)?.alias("__n_rows"),
    ];
    let columns = ["__value", "__n_rows"]
        .map(|name| Expr::Column(Column::new_unqualified(name)))
        .to_vec();
    LogicalPlanBuilder::from(plan.clone())
        .aggregate(Vec::<Expr>::new(), calls)?
        .project(vec![
            checks::single_value().call(columns).alias(field.name()),
        ])?
        .build()
}

/// A subquery without rows stands for NULL.
fn nullable(plan: &LogicalPlan, field: &FieldRef) -> DfResult<LogicalPlan> {
    let value = Expr::Column(Column::from(plan.schema().qualified_field(0)));
    LogicalPlanBuilder::from(plan.clone())
        .project(vec![
            checks::nullable().call(vec![value]).alias(field.name()),
        ])?
        .build()
}
