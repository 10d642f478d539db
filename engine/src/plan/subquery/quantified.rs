//! Comparisons with ANY and ALL.
//!
//! As in Flink, the extreme value of the subquery is joined to each row; where the subquery has no
//! rows, a streaming aggregate has none either, and so has the join.
//!
//! Source: Apache Calcite's `SubQueryRemoveRule` (rewrite of SOME), as Flink 2.3 plans it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Case, InSubquery, SetComparison, SetQuantifier,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};

use crate::error::EngineError;
use crate::functions::aggregates;

/// `plan` without comparisons with ANY and ALL of subqueries that stand by themselves; those that
/// refer to the rows around are left to the optimizer, but for `= ANY` and `<> ALL`.
pub(super) fn compared(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let mut n_made = 0;
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                Ok(match expr {
                    Expr::SetComparison(comparison) => match as_membership(&comparison) {
                        Some(membership) => Transformed::yes(membership),
                        None => Transformed::no(Expr::SetComparison(comparison)),
                    },
                    other => Transformed::no(other),
                })
            })
        })?;
        if !has_comparison(&node.data)? {
            return Ok(node);
        }
        joined(node.data, &mut n_made)
    });
    Ok(rewritten?.data)
}

fn as_membership(comparison: &SetComparison) -> Option<Expr> {
    let negated = match (comparison.op, &comparison.quantifier) {
        (Operator::Eq, SetQuantifier::Any) => false,
        (Operator::NotEq, SetQuantifier::All) => true,
        _ => return None,
    };
    Some(Expr::InSubquery(InSubquery {
        expr: comparison.expr.clone(),
        subquery: comparison.subquery.clone(),
        negated,
    }))
}

fn is_own(expr: &Expr) -> bool {
    matches!(expr, Expr::SetComparison(comparison)
        if comparison.subquery.outer_ref_columns.is_empty())
}

fn has_comparison(node: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    if matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Projection(_)) {
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(is_own(expr)))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

/// A filter or a projection over the join of its input with what it compares with.
fn joined(node: LogicalPlan, n_made: &mut usize) -> DfResult<Transformed<LogicalPlan>> {
    let mut extremes = Vec::new();
    let mut replace = |expr: Expr| -> DfResult<Expr> {
        let replaced = expr.transform_up(|expr| {
            Ok(match expr {
                Expr::SetComparison(comparison)
                    if comparison.subquery.outer_ref_columns.is_empty() =>
                {
                    *n_made += 1;
                    let alias = format!("__quantified_{n_made}");
                    extremes.push(extreme_of(&comparison, &alias)?);
                    Transformed::yes(condition(comparison, &alias)?)
                }
                other => Transformed::no(other),
            })
        });
        Ok(replaced?.data)
    };
    let plan = match node {
        LogicalPlan::Filter(filter) => {
            let predicate = replace(filter.predicate)?;
            let columns: Vec<Expr> = columns_of(&filter.input);
            cross(Arc::unwrap_or_clone(filter.input), extremes)?
                .filter(predicate)?
                .project(columns)?
                .build()?
        }
        LogicalPlan::Projection(projection) => {
            let exprs = projection
                .expr
                .into_iter()
                .map(|expr| {
                    let name = expr.schema_name().to_string();
                    let replaced = replace(expr.clone())?;
                    Ok(if replaced == expr {
                        expr
                    } else {
                        replaced.alias(name)
                    })
                })
                .collect::<DfResult<Vec<_>>>()?;
            cross(Arc::unwrap_or_clone(projection.input), extremes)?
                .project(exprs)?
                .build()?
        }
        other => return Ok(Transformed::no(other)),
    };
    Ok(Transformed::yes(plan))
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect()
}

fn cross(input: LogicalPlan, others: Vec<LogicalPlan>) -> DfResult<LogicalPlanBuilder> {
    let input = LogicalPlanBuilder::from(input);
    others
        .into_iter()
        .try_fold(input, |input, other| input.cross_join(other))
}

/// The extreme value of the subquery (`m`), the number of its rows (`c`), of its values (`d`) and
/// of its distinct values (`n`).
fn extreme_of(comparison: &SetComparison, alias: &str) -> DfResult<LogicalPlan> {
    let subquery: &Subquery = &comparison.subquery;
    let value = Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)));
    let is_least = matches!(some_operator(comparison), Operator::Gt | Operator::GtEq);
    let extreme = if is_least { "min" } else { "max" };
    let mut calls = vec![
        call(extreme, value.clone(), false)?.alias("m"),
        call("count", lit(1_i64), false)?.alias("c"),
        call("count", value.clone(), false)?.alias("d"),
    ];
    if some_operator(comparison) == Operator::NotEq {
        calls.push(call("count", value, true)?.alias("n"));
    }
    LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), calls)?
        .alias(alias)?
        .build()
}

pub(super) fn call(name: &str, argument: Expr, distinct: bool) -> DfResult<Expr> {
    let function = aggregates::find(name)
        .ok_or_else(|| EngineError::internal("an aggregate function is missing"))?;
    Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        vec![argument],
        distinct,
        None,
        Vec::new(),
        None,
    )))
}

/// The operator of the comparison with ANY: `x > ALL (q)` is NOT `x <= ANY (q)`.
fn some_operator(comparison: &SetComparison) -> Operator {
    match comparison.quantifier {
        SetQuantifier::Any => comparison.op,
        SetQuantifier::All => comparison.op.negate().unwrap_or(comparison.op),
    }
}

fn condition(comparison: SetComparison, alias: &str) -> DfResult<Expr> {
    let of = |name: &str| Expr::Column(Column::new(Some(alias), name));
    let op = some_operator(&comparison);
    let value = comparison.expr.as_ref().clone();
    let compared = binary(value.clone(), op, of("m"));
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    let is_empty = (binary(of("c"), Operator::Eq, lit(0_i64)), lit(false));
    let has_null = binary(of("c"), Operator::Gt, of("d"));
    let some = if op == Operator::NotEq {
        let has_few = binary(of("n"), Operator::LtEq, lit(1_i64));
        case(
            vec![
                is_empty,
                (value.is_null(), null.clone()),
                (
                    has_null.and(has_few),
                    binary(compared.clone(), Operator::Or, null),
                ),
                (binary(of("n"), Operator::Eq, lit(1_i64)), compared),
            ],
            lit(true),
        )
    } else {
        case(
            vec![
                is_empty,
                (Expr::IsTrue(Box::new(compared.clone())), lit(true)),
                (has_null, null),
            ],
            compared,
        )
    };
    Ok(match comparison.quantifier {
        SetQuantifier::Any => some,
        SetQuantifier::All => Expr::Not(Box::new(some)),
    })
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

pub(super) fn case(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: branches
            .into_iter()
            .map(|(when, then)| (Box::new(when), Box::new(then)))
            .collect(),
        else_expr: Some(Box::new(otherwise)),
    })
}
