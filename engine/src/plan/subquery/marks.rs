//! EXISTS outside of WHERE: a mark join gives each row a column that says whether it has a
//! partner. The optimizer does the same for filters.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result as DfResult, TableReference};
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::logical_plan::{Aggregate, Projection};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use crate::error::EngineError;

/// `plan` without EXISTS in SELECT lists and in arguments of aggregates.
///
/// # Errors
/// `Unsupported` if a subquery refers to rows around it in a way that no join can express.
pub fn marked(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let mut n_made = 0;
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let is_candidate = matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_));
        if !is_candidate || !has_exists(&node)? {
            return Ok(Transformed::no(node));
        }
        match node {
            LogicalPlan::Projection(projection) => {
                let mut input = Arc::unwrap_or_clone(projection.input);
                let exprs = projection
                    .expr
                    .into_iter()
                    .map(|expr| with_marks(expr, &mut input, &mut n_made))
                    .collect::<DfResult<Vec<_>>>()?;
                // The same names and qualifiers as before.
                let projection =
                    Projection::try_new_with_schema(exprs, Arc::new(input), projection.schema)?;
                Ok(Transformed::yes(LogicalPlan::Projection(projection)))
            }
            LogicalPlan::Aggregate(aggregate) => {
                let mut input = Arc::unwrap_or_clone(aggregate.input);
                let mut marked = |exprs: Vec<Expr>| {
                    exprs
                        .into_iter()
                        .map(|expr| with_marks(expr, &mut input, &mut n_made))
                        .collect::<DfResult<Vec<_>>>()
                };
                let group = marked(aggregate.group_expr)?;
                let calls = marked(aggregate.aggr_expr)?;
                let aggregate = Aggregate::try_new_with_schema(
                    Arc::new(input),
                    group,
                    calls,
                    aggregate.schema,
                )?;
                Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
            }
            other => Ok(Transformed::no(other)),
        }
    });
    Ok(rewritten?.data)
}

fn has_exists(node: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= expr.exists(|expr| Ok(matches!(expr, Expr::Exists(_))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// `expr` over `input`, to which a mark is joined for each EXISTS. The name stays.
fn with_marks(expr: Expr, input: &mut LogicalPlan, n_made: &mut usize) -> DfResult<Expr> {
    if !expr.exists(|expr| Ok(matches!(expr, Expr::Exists(_))))? {
        return Ok(expr);
    }
    let name = expr.schema_name().to_string();
    let replaced = expr.transform_up(|expr| {
        let Expr::Exists(exists) = expr else {
            return Ok(Transformed::no(expr));
        };
        *n_made += 1;
        let alias = format!("__mark_{n_made}");
        *input = joined(input.clone(), &exists, &alias)?;
        let mark = Expr::Column(Column::new(Some(alias), "mark"));
        Ok(Transformed::yes(if exists.negated {
            Expr::Not(Box::new(mark))
        } else {
            mark
        }))
    });
    let replaced = replaced.data()?;
    Ok(match replaced {
        Expr::Alias(_) => replaced,
        other => other.alias(name),
    })
}

fn joined(input: LogicalPlan, exists: &Exists, alias: &str) -> DfResult<LogicalPlan> {
    let mut pull_up = PullUpCorrelatedExpr::new().with_exists_sub_query(true);
    let subquery = exists.subquery.subquery.as_ref().clone();
    let plan = subquery.rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up {
        return Err(EngineError::unsupported("this correlated EXISTS subquery").into());
    }
    let correlated: BTreeSet<Column> = pull_up
        .correlated_subquery_cols_map
        .values()
        .flatten()
        .cloned()
        .collect();
    let condition = match conjunction(pull_up.join_filters) {
        Some(condition) => requalified(condition, &correlated, &TableReference::bare(alias))?,
        None => lit(true),
    };
    let right = LogicalPlanBuilder::from(plan).alias(alias)?.build()?;
    LogicalPlanBuilder::from(input)
        .join_on(right, JoinType::LeftMark, Some(condition))?
        .build()
}

/// `condition` with `columns` under this qualifier.
pub(super) fn requalified(
    condition: Expr,
    columns: &BTreeSet<Column>,
    qualifier: &TableReference,
) -> DfResult<Expr> {
    let requalified = condition.transform_up(|expr| {
        Ok(match expr {
            Expr::Column(column) if columns.contains(&column) => Transformed::yes(Expr::Column(
                Column::new(Some(qualifier.clone()), column.name),
            )),
            other => Transformed::no(other),
        })
    });
    requalified.data()
}
