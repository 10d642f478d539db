//! Joins with snapshots become temporal joins.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{ExprSchema, JoinType, Result as DfResult};
use datafusion::logical_expr::logical_plan::{Join, SubqueryAlias};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Extension, LogicalPlan, Operator};

use super::keys::key_of;
use super::lookup::{JoinCondition, lookup_join};
use super::node::column_named;
use super::{Snapshot, TemporalJoin};
use crate::error::{EngineError, Result};
use crate::plan::errors::from_planner;
use crate::plan::time;
use crate::plan::window::properties::column_of;
use crate::sql::diagnostics::validation;

/// Puts temporal joins in the places of joins with snapshots.
///
/// # Errors
/// For what Flink refuses: tables without key or time, other joins than INNER and LEFT, snapshots
/// outside of joins.
pub fn plan_temporal_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_snapshot(&plan)? {
        return Ok(plan);
    }
    let rewritten = plan
        .transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => rewrite(join),
            node => node.recompute_schema().map(Transformed::no),
        })
        .map_err(from_planner)?
        .data;
    if has_snapshot(&rewritten)? {
        return Err(EngineError::unsupported(
            "FOR SYSTEM_TIME AS OF outside of the right side of a join",
        ));
    }
    Ok(rewritten)
}

fn has_snapshot(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= snapshot(node).is_some();
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })
    .map_err(from_planner)?;
    Ok(found)
}

fn snapshot(plan: &LogicalPlan) -> Option<&Snapshot> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// The snapshot below aliases, and the plan without it.
fn taken(plan: &LogicalPlan) -> DfResult<Option<(Snapshot, LogicalPlan)>> {
    if let Some(snapshot) = snapshot(plan) {
        return Ok(Some((snapshot.clone(), snapshot.input.clone())));
    }
    let LogicalPlan::SubqueryAlias(alias) = plan else {
        return Ok(None);
    };
    let Some((snapshot, input)) = taken(&alias.input)? else {
        return Ok(None);
    };
    let alias = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
    Ok(Some((snapshot, LogicalPlan::SubqueryAlias(alias))))
}

fn rewrite(join: Join) -> DfResult<Transformed<LogicalPlan>> {
    let Some((snapshot, right)) = taken(&join.right)? else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let is_left_outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        other => {
            return Err(validation(format!(
                "a temporal join is INNER or LEFT, not {}",
                other.to_string().to_uppercase()
            ))
            .into());
        }
    };
    let left = Arc::unwrap_or_clone(join.left);
    let (time, is_proctime) = left_time(&snapshot.as_of, &left)?;
    if is_proctime {
        let condition = JoinCondition {
            on: join.on,
            filter: join.filter,
            retry: snapshot.retry,
        };
        let node = lookup_join(left, right, is_left_outer, time, condition)?;
        return Ok(Transformed::yes(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        })));
    }
    let (mut on, mut rest) = (join.on, Vec::new());
    for part in join.filter.into_iter().flat_map(split_conjunction_owned) {
        match equal_columns(&part, &left, &right) {
            Some(pair) => on.push(pair),
            None => rest.push(part),
        }
    }
    check_versions(&on, &right)?;
    let node = TemporalJoin::try_new(left, right, is_left_outer, time, on, conjunction(rest))?;
    Ok(Transformed::yes(LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    })))
}

/// The left column that says the time, and whether it is the processing time.
fn left_time(as_of: &[String], left: &LogicalPlan) -> DfResult<(Expr, bool)> {
    let shown = as_of.join(".");
    let unknown = || {
        validation(format!(
            "the time '{shown}' of FOR SYSTEM_TIME AS OF is no column of the left table"
        ))
    };
    let column = column_named(as_of).ok_or_else(unknown)?;
    let place = match &column.relation {
        Some(_) => left.schema().maybe_index_of_column(&column),
        None => {
            let columns = left.schema().columns_with_unqualified_name(&column.name);
            columns
                .first()
                .and_then(|found| left.schema().maybe_index_of_column(found))
        }
    };
    let place = place.ok_or_else(unknown)?;
    let (qualifier, field) = left.schema().qualified_field(place);
    let column = datafusion::common::Column::new(qualifier.cloned(), field.name());
    let field = left.schema().field_from_column(&column)?;
    let is_proctime = time::is_proctime(field);
    if !is_proctime && !time::is_rowtime(field) {
        return Err(validation(format!(
            "a temporal join takes a time attribute of the left table, but '{shown}' is none"
        ))
        .into());
    }
    Ok((Expr::Column(column), is_proctime))
}

/// The sides of an equality between them.
pub(super) fn equal_columns(
    part: &Expr,
    left: &LogicalPlan,
    right: &LogicalPlan,
) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr {
        left: one,
        op: Operator::Eq,
        right: two,
    }) = part
    else {
        return None;
    };
    let is_of = |expr: &Expr, plan: &LogicalPlan| {
        let columns = expr.column_refs();
        !columns.is_empty()
            && columns
                .iter()
                .all(|column| plan.schema().maybe_index_of_column(column).is_some())
    };
    if is_of(one, left) && is_of(two, right) {
        Some((one.as_ref().clone(), two.as_ref().clone()))
    } else if is_of(two, left) && is_of(one, right) {
        Some((two.as_ref().clone(), one.as_ref().clone()))
    } else {
        None
    }
}

/// The right table has a key that the join equates, and a time.
fn check_versions(on: &[(Expr, Expr)], right: &LogicalPlan) -> Result<()> {
    let key = key_of(right);
    let equated: Vec<usize> = on
        .iter()
        .filter_map(|(_, expr)| column_of(expr, right))
        .collect();
    let is_equated = key
        .as_ref()
        .is_some_and(|key| key.iter().all(|column| equated.contains(column)));
    if !is_equated {
        return Err(validation(
            "a temporal join requires the primary key of the versioned table, with all its \
             columns in the equality conditions of the join"
                .to_owned(),
        ));
    }
    let mut fields = right.schema().fields().iter();
    if !fields.any(|field| time::is_rowtime(field)) {
        return Err(validation(
            "an event-time temporal join requires both primary key and row time attribute in the \
             versioned table, but no row time attribute can be found"
                .to_owned(),
        ));
    }
    Ok(())
}
