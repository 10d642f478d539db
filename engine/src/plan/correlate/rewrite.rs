//! From joins with calls of table functions to Correlate.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result as DfResult, ScalarValue, TableReference};
use datafusion::logical_expr::logical_plan::{EmptyRelation, Join, Projection};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};

use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::{Correlate, TableCall};
use crate::error::{EngineError, Result};
use crate::plan::errors::from_planner;

/// `plan` with a Correlate for each call of a table function.
///
/// # Errors
/// `Unsupported` for RIGHT and FULL joins with table functions.
pub fn correlated(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => of_join(join),
        other => Ok(Transformed::no(other)),
    });
    let rewritten = rewritten.and_then(|rewritten| {
        rewritten.data.transform_up_with_subqueries(|node| {
            let Some(call) = call_of(&node) else {
                return Ok(Transformed::no(node));
            };
            let row = LogicalPlan::EmptyRelation(EmptyRelation {
                produce_one_row: true,
                schema: Arc::new(datafusion::common::DFSchema::empty()),
            });
            let given = fields_of(&node);
            correlate(row, call, None, false, given).map(Transformed::yes)
        })
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

fn of_join(join: Join) -> DfResult<Transformed<LogicalPlan>> {
    let Some(call) = lateral(&join.right).cloned() else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let is_outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        other => {
            return Err(EngineError::unsupported(format!(
                "{} JOIN with a table function",
                other.to_string().to_uppercase()
            ))
            .into());
        }
    };
    let given = fields_of(&join.right);
    let keys = join
        .on
        .iter()
        .map(|(left, right)| left.clone().eq(right.clone()));
    let condition = keys
        .chain(join.filter.into_iter().flat_map(split_conjunction_owned))
        .filter(|part| !is_true(part));
    let condition = conjunction(condition);
    let input = Arc::unwrap_or_clone(join.left);
    if is_outer {
        let condition = match condition {
            Some(condition) => {
                let plan = correlate(input.clone(), &call, None, true, given.clone())?;
                Some(coerced(plan, condition)?)
            }
            None => None,
        };
        return correlate(input, &call, condition, true, given).map(Transformed::yes);
    }
    let plan = correlate(input, &call, None, false, given)?;
    let plan = match condition {
        Some(condition) => LogicalPlanBuilder::from(plan).filter(condition)?.build()?,
        None => plan,
    };
    Ok(Transformed::yes(plan))
}

/// A condition over the columns of `plan`, with its implicit casts.
fn coerced(plan: LogicalPlan, condition: Expr) -> DfResult<Expr> {
    let filter = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
    match TypeCoercion::new().analyze(filter, &ConfigOptions::default())? {
        LogicalPlan::Filter(filter) => Ok(filter.predicate),
        _ => Err(EngineError::internal("a condition is lost").into()),
    }
}

fn correlate(
    input: LogicalPlan,
    call: &TableCall,
    condition: Option<Expr>,
    is_outer: bool,
    given: Vec<(Option<TableReference>, FieldRef)>,
) -> DfResult<LogicalPlan> {
    let mut call = call.clone();
    for argument in &mut call.arguments {
        let inner = std::mem::take(argument).transform(|expr| {
            Ok(match expr {
                // The row for which the function is called; what lies further out stays.
                Expr::OuterReferenceColumn(_, column) if input.schema().has_column(&column) => {
                    Transformed::yes(Expr::Column(column))
                }
                other => Transformed::no(other),
            })
        });
        *argument = inner?.data;
    }
    let node = Correlate::try_new(input, &call, condition, is_outer, given)?;
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    }))
}

/// The call that `plan` is, under other names.
fn lateral(plan: &LogicalPlan) -> Option<&TableCall> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => lateral(&alias.input),
        LogicalPlan::Subquery(subquery) => lateral(&subquery.subquery),
        LogicalPlan::Projection(projection) if only_renames(projection) => {
            lateral(&projection.input)
        }
        other => call_of(other),
    }
}

fn call_of(plan: &LogicalPlan) -> Option<&TableCall> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

fn only_renames(projection: &Projection) -> bool {
    let columns = projection.input.schema().columns();
    columns.len() == projection.expr.len()
        && projection.expr.iter().zip(&columns).all(|(expr, column)| {
            matches!(expr.clone().unalias(), Expr::Column(named) if named == *column)
        })
}

fn fields_of(plan: &LogicalPlan) -> Vec<(Option<TableReference>, FieldRef)> {
    plan.schema()
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect()
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}
