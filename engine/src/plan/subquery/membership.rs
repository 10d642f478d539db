//! IN and NOT IN where it matters whether they are false or unknown, as EXISTS.
//!
//! At the top of a WHERE the optimizer makes semi and anti joins of them. Elsewhere it would take
//! "unknown" for "false", so the three values are spelled out:
//!
//! ```text
//!   x IN (q)          CASE WHEN EXISTS (q with x = y) THEN TRUE
//!                          WHEN EXISTS (q with (x = y) IS NULL) THEN NULL ELSE FALSE END
//!   .. OR x NOT IN    .. OR NOT EXISTS (q with (x = y) IS NOT FALSE)
//! ```

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery,
    lit,
};

use super::quantified::case;

/// What runs the conjuncts of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    /// Ours: NULL counts among the rows that meet the further conditions.
    Incremental,
    /// DataFusion's: NULL counts wherever it stands, so that a correlated NOT IN is rewritten, too.
    Batch,
}

/// `plan` with IN and NOT IN rewritten, but for those that are conjuncts of a filter.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub fn memberships(plan: LogicalPlan, filters: Filters) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            return of_filter(filter, filters);
        }
        let schema = merge_schema(&node.inputs());
        node.map_expressions(|expr| {
            let name = expr.schema_name().to_string();
            let rewritten = spelled_out(expr, &schema)?;
            Ok(if rewritten.transformed {
                // Others know the column by its name.
                rewritten.update_data(|expr| match expr {
                    Expr::Alias(_) => expr,
                    other => other.alias(name),
                })
            } else {
                rewritten
            })
        })
    });
    Ok(rewritten?.data)
}

fn of_filter(filter: Filter, filters: Filters) -> DfResult<Transformed<LogicalPlan>> {
    let schema = Arc::clone(filter.input.schema());
    let mut changed = false;
    let conjuncts = split_conjunction_owned(filter.predicate)
        .into_iter()
        .map(|conjunct| {
            if is_membership(&conjunct, filters) {
                return Ok(conjunct);
            }
            let rewritten = where_true(conjunct, &schema)?;
            changed |= rewritten.transformed;
            Ok(rewritten.data)
        })
        .collect::<DfResult<Vec<_>>>()?;
    let predicate = conjunction(conjuncts).unwrap_or_else(|| lit(true));
    let filter = Filter::try_new(predicate, filter.input)?;
    let filter = LogicalPlan::Filter(filter);
    Ok(if changed {
        Transformed::yes(filter)
    } else {
        Transformed::no(filter)
    })
}

fn is_membership(expr: &Expr, filters: Filters) -> bool {
    let (membership, negated) = match expr {
        Expr::InSubquery(membership) => (membership, membership.negated),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(membership) => (membership, !membership.negated),
            _ => return false,
        },
        _ => return false,
    };
    let is_correlated = !membership.subquery.outer_ref_columns.is_empty();
    !(negated && is_correlated && filters == Filters::Batch)
}

/// Under AND and OR only: it counts only whether the expression is true.
fn where_true(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        }) => {
            let left = where_true(*left, schema)?;
            let right = where_true(*right, schema)?;
            let expr = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            let changed = left.transformed || right.transformed;
            Ok(Transformed::new_transformed(
                Expr::BinaryExpr(expr),
                changed,
            ))
        }
        Expr::Not(inner) if matches!(inner.as_ref(), Expr::InSubquery(_)) => match *inner {
            Expr::InSubquery(membership) => {
                let negated = !membership.negated;
                true_membership(
                    InSubquery {
                        negated,
                        ..membership
                    },
                    schema,
                )
            }
            other => Ok(Transformed::no(Expr::Not(Box::new(other)))),
        },
        Expr::InSubquery(membership) => true_membership(membership, schema),
        other => spelled_out(other, schema),
    }
}

fn true_membership(membership: InSubquery, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    if !membership.negated {
        return Ok(Transformed::no(Expr::InSubquery(membership)));
    }
    let equal = equality(&membership, schema)?;
    let equal = Expr::IsNotFalse(Box::new(equal));
    exists(&membership.subquery, equal, true).map(Transformed::yes)
}

/// With all three values.
fn spelled_out(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let Expr::InSubquery(membership) = expr else {
            return Ok(Transformed::no(expr));
        };
        let equal = equality(&membership, schema)?;
        let is_in = exists(&membership.subquery, equal.clone(), false)?;
        let value = if may_be_null(&membership, schema)? {
            let unknown = Expr::IsNull(Box::new(equal));
            let unknown = exists(&membership.subquery, unknown, false)?;
            let null = Expr::Literal(ScalarValue::Boolean(None), None);
            case(vec![(is_in, lit(true)), (unknown, null)], lit(false))
        } else {
            is_in
        };
        Ok(Transformed::yes(if membership.negated {
            Expr::Not(Box::new(value))
        } else {
            value
        }))
    })
}

fn may_be_null(membership: &InSubquery, schema: &DFSchema) -> DfResult<bool> {
    let of_subquery = membership.subquery.subquery.schema();
    let column = Column::from(of_subquery.qualified_field(0));
    Ok(membership.expr.nullable(schema)? || of_subquery.nullable(&column)?)
}

/// `x = y`, to stand inside of the subquery.
fn equality(membership: &InSubquery, schema: &DFSchema) -> DfResult<Expr> {
    let outer = membership.expr.as_ref().clone().transform_up(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                let field = schema.field_from_column(&column)?;
                Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column))
            }
            other => Transformed::no(other),
        })
    });
    let of_subquery = membership.subquery.subquery.schema();
    let column = Column::from(of_subquery.qualified_field(0));
    Ok(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(outer?.data),
        Operator::Eq,
        Box::new(Expr::Column(column)),
    )))
}

fn exists(subquery: &Subquery, condition: Expr, negated: bool) -> DfResult<Expr> {
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .filter(condition)?
        .build()?;
    Ok(Expr::Exists(Exists {
        subquery: Subquery {
            outer_ref_columns: plan.all_out_ref_exprs(),
            subquery: Arc::new(plan),
            spans: subquery.spans.clone(),
        },
        negated,
    }))
}
