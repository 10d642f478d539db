//! GROUPING SETS over windows: columns that every set has are never left out, so they stay as little
//! nullable as they were; `window_start` and `window_end` above all.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, LogicalPlan};

use super::properties::WindowProperties;
use crate::error::Result;
use crate::plan::errors::from_planner;

/// Gives grouped columns of windows back the nullability that they have below.
///
/// # Errors
/// Never for a plan that is sound.
pub fn keep_nullability(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_of_windows = |node: &LogicalPlan| match node {
        LogicalPlan::Aggregate(aggregate) => {
            matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
                && WindowProperties::of(&aggregate.input).is_some()
        }
        _ => false,
    };
    let mut is_there = false;
    plan.apply_with_subqueries(|node| {
        is_there |= is_of_windows(node);
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })
    .map_err(from_planner)?;
    if !is_there {
        return Ok(plan);
    }
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) if WindowProperties::of(&aggregate.input).is_some() => {
            narrowed(aggregate)
        }
        node => node.recompute_schema().map(Transformed::no),
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

fn narrowed(aggregate: Aggregate) -> DfResult<Transformed<LogicalPlan>> {
    let [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] = aggregate.group_expr.as_slice()
    else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let exprs = grouping_set_to_exprlist(&aggregate.group_expr)?;
    let input = aggregate.input.schema();
    let fields = aggregate
        .schema
        .iter()
        .enumerate()
        .map(|(column, (qualifier, field))| {
            let stays = match exprs.get(column) {
                Some(expr) if sets.iter().all(|set| set.contains(expr)) => !expr.nullable(input)?,
                _ => false,
            };
            let field = if stays {
                Arc::new(field.as_ref().clone().with_nullable(false))
            } else {
                Arc::clone(field)
            };
            Ok((qualifier.cloned(), field))
        })
        .collect::<DfResult<Vec<_>>>()?;
    let schema = DFSchema::new_with_metadata(fields, aggregate.schema.metadata().clone())?;
    let narrowed = Aggregate::try_new_with_schema(
        Arc::clone(&aggregate.input),
        aggregate.group_expr,
        aggregate.aggr_expr,
        Arc::new(schema),
    )?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(narrowed)))
}
