//! Which foreign functions a plan calls, so that its job can tell them when it begins and ends.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFunctionDefinition};

use crate::error::Result;
use crate::functions::usage::UsedFunction;
use crate::functions::{foreign, foreign_aggregate};
use crate::plan::errors::from_planner;

/// Adds the foreign functions that `plan` calls to `used`, each once.
///
/// # Errors
/// `Internal` if the plan cannot be walked.
pub(super) fn collect(plan: &LogicalPlan, used: &mut Vec<UsedFunction>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Some(found) = called_by(part)
                    && !used.iter().any(|known| known.is_same(&found))
                {
                    used.push(found);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(drop)
    .map_err(from_planner)
}

/// The foreign function that this expression calls itself.
fn called_by(expr: &Expr) -> Option<UsedFunction> {
    let udaf = match expr {
        Expr::ScalarFunction(call) => {
            return foreign::spec_of(&call.func).map(|spec| UsedFunction::Scalar(Arc::clone(spec)));
        }
        Expr::AggregateFunction(call) => &call.func,
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(udaf) => udaf,
            WindowFunctionDefinition::WindowUDF(_) => return None,
        },
        _ => return None,
    };
    foreign_aggregate::spec_of(udaf).map(UsedFunction::Aggregate)
}
