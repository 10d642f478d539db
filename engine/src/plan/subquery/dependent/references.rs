//! To which rows around it a subquery refers, and how these references are given other columns.
//!
//! A name means the nearest relation that has it. An outer reference inside of a subquery is
//! therefore one to the rows of the node that holds the subquery, if these have the column, and
//! otherwise one to rows further out.

use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

use crate::plan::subquery::lateral::lateral;

/// A column of rows around a subquery.
pub(super) type Reference = (Column, FieldRef);

/// The columns of rows around `plan` to which it refers, each once, in the order in which they
/// are met.
pub(super) fn free(plan: &LogicalPlan) -> DfResult<Vec<Reference>> {
    let mut found = Vec::new();
    collect(plan, &mut found)?;
    Ok(found)
}

/// Those of [`free`] that subqueries inside of `plan` make.
pub(super) fn free_in_nested(plan: &LogicalPlan) -> DfResult<Vec<Reference>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        let own = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(subquery) = subquery_of(expr) {
                    let further = free(&subquery.subquery)?;
                    let further = further.into_iter();
                    further
                        .filter(|(column, _)| !own.has_column(column))
                        .for_each(|reference| note(reference, &mut found));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Whether `plan` has a subquery anywhere.
pub(super) fn has_subqueries(plan: &LogicalPlan) -> DfResult<bool> {
    plan.exists(|node| {
        if let LogicalPlan::Join(join) = node
            && lateral(&join.right).is_some()
        {
            return Ok(true);
        }
        let mut found = false;
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(subquery_of(expr).is_some()))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    })
}

/// The subquery that an expression is.
pub(super) const fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// The same expression about another subquery.
pub(super) fn with_subquery(expr: Expr, plan: LogicalPlan) -> Expr {
    let made = |old: &Subquery| Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: plan.clone().into(),
        spans: old.spans.clone(),
    };
    match expr {
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(made(&subquery)),
        Expr::Exists(exists) => Expr::Exists(Exists {
            subquery: made(&exists.subquery),
            ..exists
        }),
        Expr::InSubquery(membership) => Expr::InSubquery(InSubquery {
            subquery: made(&membership.subquery),
            ..membership
        }),
        Expr::SetComparison(comparison) => Expr::SetComparison(SetComparison {
            subquery: made(&comparison.subquery),
            ..comparison
        }),
        other => other,
    }
}

/// An expression of a node over rows of `schema`, to which the columns `to` have come for the
/// columns `from` of rows around: they are the node's own now, and still outer ones in subqueries.
pub(super) fn bound(
    expr: Expr,
    schema: &DFSchema,
    from: &[Reference],
    to: &[Column],
) -> DfResult<Expr> {
    let bound = expr.transform_down(|expr| {
        if let Expr::OuterReferenceColumn(_, column) = &expr {
            return Ok(match replacement(column, from, to) {
                Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
                None => Transformed::no(expr),
            });
        }
        let Some(subquery) = subquery_of(&expr) else {
            return Ok(Transformed::no(expr));
        };
        let plan = subquery.subquery.as_ref().clone();
        let plan = rebound(plan, &mut vec![schema.clone()], from, to)?;
        Ok(Transformed::yes(with_subquery(expr, plan)))
    });
    Ok(bound?.data)
}

/// A subquery with other names for columns of rows around that are further out than `nearer`.
pub(super) fn rebound(
    plan: LogicalPlan,
    nearer: &mut Vec<DFSchema>,
    from: &[Reference],
    to: &[Column],
) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_down(|node| {
        let own = merge_schema(&node.inputs());
        node.map_expressions(|expr| {
            expr.transform_down(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = &expr {
                    let is_nearer = nearer.iter().any(|schema| schema.has_column(column));
                    return Ok(match replacement(column, from, to) {
                        Some((field, column)) if !is_nearer => Transformed::yes(
                            Expr::OuterReferenceColumn(Arc::clone(field), column.clone()),
                        ),
                        _ => Transformed::no(expr),
                    });
                }
                let Some(subquery) = subquery_of(&expr) else {
                    return Ok(Transformed::no(expr));
                };
                nearer.push(own.clone());
                let plan = rebound(subquery.subquery.as_ref().clone(), nearer, from, to);
                nearer.pop();
                Ok(Transformed::yes(with_subquery(expr, plan?)))
            })
        })
    });
    Ok(rewritten?.data)
}

fn replacement<'a>(
    column: &Column,
    from: &'a [Reference],
    to: &'a [Column],
) -> Option<(&'a FieldRef, &'a Column)> {
    from.iter()
        .zip(to)
        .find(|((from, _), _)| from == column)
        .map(|((_, field), to)| (field, to))
}

fn collect(plan: &LogicalPlan, found: &mut Vec<Reference>) -> DfResult<()> {
    let own = merge_schema(&plan.inputs());
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            if let Expr::OuterReferenceColumn(field, column) = expr {
                note((column.clone(), Arc::clone(field)), found);
            } else if let Some(subquery) = subquery_of(expr) {
                let further = free(&subquery.subquery)?.into_iter();
                further
                    .filter(|(column, _)| !own.has_column(column))
                    .for_each(|reference| note(reference, found));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if let LogicalPlan::Join(join) = plan
        && lateral(&join.right).is_some()
    {
        collect(&join.left, found)?;
        let of_right = free(&join.right)?.into_iter();
        of_right
            .filter(|(column, _)| !join.left.schema().has_column(column))
            .for_each(|reference| note(reference, found));
        return Ok(());
    }
    for input in plan.inputs() {
        collect(input, found)?;
    }
    Ok(())
}

fn note(reference: Reference, found: &mut Vec<Reference>) {
    if !found.iter().any(|(column, _)| *column == reference.0) {
        found.push(reference);
    }
}
