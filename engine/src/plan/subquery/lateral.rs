//! LATERAL subqueries: what they ask of the rows beside them becomes the condition of a join.
//!
//! An aggregate of a streaming table has no row where it has no input, so an inner join has none
//! either, and a left join pads.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, JoinType, Result as DfResult, TableReference};
use datafusion::logical_expr::logical_plan::{Join, Subquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::marks::requalified;
use crate::error::EngineError;

/// `plan` with joins in the place of LATERAL subqueries.
pub(super) fn joined(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => match lateral(&join.right) {
            Some((subquery, alias)) => decorrelated(join.clone(), &subquery, alias),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    });
    Ok(rewritten?.data)
}

/// The subquery that a relation is, and its name.
pub(super) fn lateral(plan: &LogicalPlan) -> Option<(Subquery, Option<TableReference>)> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((subquery.clone(), None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery.clone(), Some(alias.alias.clone()))),
            _ => None,
        },
        _ => None,
    }
}

fn decorrelated(
    join: Join,
    subquery: &Subquery,
    alias: Option<TableReference>,
) -> DfResult<Transformed<LogicalPlan>> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err(EngineError::unsupported(format!(
            "{} JOIN with LATERAL",
            join.join_type.to_string().to_uppercase()
        ))
        .into());
    }
    let mut pull_up = PullUpCorrelatedExpr::new();
    let plan = subquery.subquery.as_ref().clone();
    let plan = plan.rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up {
        return Err(EngineError::unsupported("this correlated LATERAL subquery").into());
    }
    let columns: BTreeSet<Column> = pull_up
        .correlated_subquery_cols_map
        .values()
        .flatten()
        .cloned()
        .collect();
    let mut right = LogicalPlanBuilder::from(plan);
    let mut conditions = Vec::new();
    match &alias {
        Some(alias) => {
            right = right.alias(alias.clone())?;
            for condition in pull_up.join_filters {
                conditions.push(requalified(condition, &columns, alias)?);
            }
        }
        None => conditions.extend(pull_up.join_filters),
    }
    let keys = join.on.into_iter();
    conditions.extend(keys.map(|(left, right)| left.eq(right)));
    conditions.extend(join.filter.into_iter().flat_map(split_conjunction_owned));
    let shown: Vec<Expr> = join
        .schema
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(join.left))
        .join_on(right.build()?, join.join_type, conjunction(conditions))?
        .project(shown)?
        .build()?;
    Ok(Transformed::yes(plan))
}
