//! EXISTS of a subquery that has rows whatever the tables hold.
//!
//! ```text
//!   EXISTS (SELECT 1)                    TRUE
//!   EXISTS (SELECT COUNT(*) FROM t)      TRUE
//! ```
//!
//! Source: Flink 2.3, Calcite's `SubQueryRemoveRule`, which asks for the least number of rows.

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, lit};

/// `plan` without the EXISTS whose answer is known.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub(super) fn decided(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            let name = expr.schema_name().to_string();
            let decided = expr.transform_up(|expr| match expr {
                Expr::Exists(exists) if has_row(&exists.subquery.subquery) => {
                    Ok(Transformed::yes(lit(!exists.negated)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(if decided.transformed {
                // Others know the column by its name.
                decided.update_data(|expr| match expr {
                    Expr::Alias(_) => expr,
                    other => other.alias(name),
                })
            } else {
                decided
            })
        })
    });
    Ok(rewritten?.data)
}

/// Whether `plan` has a row at least.
fn has_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(values) => !values.values.is_empty(),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty() || has_row(&aggregate.input)
        }
        LogicalPlan::Projection(projection) => has_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_row(&alias.input),
        LogicalPlan::Sort(sort) => has_row(&sort.input),
        LogicalPlan::Distinct(Distinct::All(input)) => has_row(input),
        LogicalPlan::Union(union) => union.inputs.iter().any(|input| has_row(input)),
        _ => false,
    }
}
