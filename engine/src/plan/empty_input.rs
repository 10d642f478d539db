//! Aggregates of what is known to be no rows, such as `SELECT COUNT(*) FROM t WHERE FALSE`.
//!
//! ```text
//!   Aggregate  COUNT(*), SUM(x)       Projection  0, NULL
//!     no rows                    ──▶    one row
//! ```
//!
//! A stream without rows gives no aggregate; here it is the planner that gives the row.
//!
//! Source: Flink 2.3, Calcite's `AggregateValuesRule`, which knows these functions and no others.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Aggregate, EmptyRelation, Expr, LogicalPlan, Projection, lit};

use crate::functions::accumulators::AggregateFunction;
use crate::functions::aggregates;

/// `plan` with such aggregates as rows.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub(super) fn folded(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up(|node| match node {
        LogicalPlan::Aggregate(aggregate) => Ok(match values_of(&aggregate) {
            Some(values) => Transformed::yes(one_row(aggregate, values)?),
            None => Transformed::no(LogicalPlan::Aggregate(aggregate)),
        }),
        other => Ok(Transformed::no(other)),
    });
    Ok(rewritten?.data)
}

fn values_of(aggregate: &Aggregate) -> Option<Vec<Expr>> {
    let has_no_rows = matches!(
        aggregate.input.as_ref(),
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row
    );
    if !(has_no_rows && aggregate.group_expr.is_empty()) {
        return None;
    }
    let fields = aggregate.schema.fields();
    let calls = aggregate.aggr_expr.iter().zip(fields);
    calls
        .map(|(expr, field)| {
            let Expr::AggregateFunction(call) = expr.clone().unalias() else {
                return None;
            };
            match aggregates::of_udaf(&call.func)? {
                AggregateFunction::Count => Some(lit(0_i64)),
                AggregateFunction::Sum | AggregateFunction::Min | AggregateFunction::Max => {
                    let null = ScalarValue::try_new_null(field.data_type()).ok()?;
                    Some(lit(null))
                }
                _ => None,
            }
        })
        .collect()
}

fn one_row(aggregate: Aggregate, values: Vec<Expr>) -> DfResult<LogicalPlan> {
    let one = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: true,
        schema: Arc::new(DFSchema::empty()),
    });
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(
        values,
        Arc::new(one),
        aggregate.schema,
    )?))
}
