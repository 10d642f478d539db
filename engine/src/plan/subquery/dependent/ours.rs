//! Which subqueries the optimizer's own rules leave as they are.

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::logical_plan::check_subquery_expr;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::references::{free, free_in_nested, subquery_of};

/// Whether a node has such a subquery.
pub(super) fn holds_ours(node: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found = found || is_ours(expr, node)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether an expression of the node `context` has such a subquery.
pub(super) fn is_ours(expr: &Expr, context: &LogicalPlan) -> DfResult<bool> {
    expr.exists(|expr| is_ours_itself(expr, context))
}

/// Whether the optimizer's rules leave this subquery of the node `context` as it is.
pub(super) fn is_ours_itself(expr: &Expr, context: &LogicalPlan) -> DfResult<bool> {
    let Some(subquery) = subquery_of(expr) else {
        return Ok(false);
    };
    let plan = subquery.subquery.as_ref();
    let is_free = free(plan)?.is_empty();
    if let Expr::ScalarSubquery(_) = expr {
        if !matches!(context, LogicalPlan::Filter(_) | LogicalPlan::Projection(_)) {
            return Ok(true);
        }
        let pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
        return Ok(!is_free
            && (needs_domain(plan)?
                || check_subquery_expr(context, plan, expr).is_err()
                || cannot_pull_up(plan, pull_up)));
    }
    if is_free {
        return Ok(false);
    }
    if matches!(expr, Expr::Exists(_)) && has_single_group(plan)? {
        return Ok(true);
    }
    let pull_up = match expr {
        Expr::InSubquery(InSubquery { expr, .. }) => {
            let column = plan.schema().columns().into_iter().next();
            let column = column.map_or_else(|| lit(true), Expr::Column);
            PullUpCorrelatedExpr::new()
                .with_in_predicate_opt(Some(expr.as_ref().clone().eq(column)))
        }
        _ => PullUpCorrelatedExpr::new().with_exists_sub_query(true),
    };
    Ok(needs_domain(plan)? || cannot_pull_up(plan, pull_up))
}

/// Subqueries inside that look further out, and OVER above what is correlated.
pub(super) fn needs_domain(plan: &LogicalPlan) -> DfResult<bool> {
    if !free_in_nested(plan)?.is_empty() {
        return Ok(true);
    }
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Window(_)) && !free(node)?.is_empty()))
}

/// An aggregate without groups has a row also where its correlated input has none.
fn has_single_group(plan: &LogicalPlan) -> DfResult<bool> {
    plan.exists(|node| {
        Ok(match node {
            LogicalPlan::Aggregate(aggregate) => {
                aggregate.group_expr.is_empty() && !free(node)?.is_empty()
            }
            _ => false,
        })
    })
}

/// Whether the optimizer's rules cannot make a join of a subquery.
pub(super) fn cannot_pull_up(plan: &LogicalPlan, mut pull_up: PullUpCorrelatedExpr) -> bool {
    plan.clone().rewrite(&mut pull_up).is_err() || !pull_up.can_pull_up
}
