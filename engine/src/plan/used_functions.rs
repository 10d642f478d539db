//! Which foreign functions a plan calls: a job has instances of its own of them, and tells these when
//! it begins and ends.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, ScalarUDF, WindowFunctionDefinition,
};

use crate::error::Result;
use crate::functions::udf::{AggregateUdfSpec, UdfSpec};
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
                note(part, used);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(drop)
    .map_err(from_planner)
}

/// The plans of one job, calling instances of its own: one for each function that they call.
///
/// # Errors
/// `Internal` if a plan cannot be walked.
pub(crate) fn for_job(plans: Vec<LogicalPlan>) -> Result<Vec<LogicalPlan>> {
    let mut used = Vec::new();
    plans.iter().try_for_each(|plan| collect(plan, &mut used))?;
    let instances: Vec<_> = used.iter().filter_map(Instance::of).collect();
    if instances.is_empty() {
        return Ok(plans);
    }
    let replaced = |plan: LogicalPlan| {
        plan.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| {
                expr.transform_up(|part| Ok(called_in_job(part, &instances)))
            })
        })
        .map(|plan| plan.data)
        .map_err(from_planner)
    };
    plans.into_iter().map(replaced).collect()
}

/// An expression and the functions that it calls, as instances for one job; none if it calls none
/// that jobs do not share.
pub(crate) fn expression_for_job(
    bound: &Expr,
    calls: &[UsedFunction],
) -> Option<(Expr, Vec<UsedFunction>)> {
    let instances: Vec<_> = calls.iter().filter_map(Instance::of).collect();
    if instances.is_empty() {
        return None;
    }
    let own = bound
        .clone()
        .transform_up(|part| Ok(called_in_job(part, &instances)))
        // Nothing in it can fail.
        .ok()?
        .data;
    let mut calls = Vec::new();
    own.apply(|part| {
        note(part, &mut calls);
        Ok(TreeNodeRecursion::Continue)
    })
    .ok()?;
    Some((own, calls))
}

/// Adds the function that an expression calls itself to `used`, if it is not there.
pub(crate) fn note(expr: &Expr, used: &mut Vec<UsedFunction>) {
    if let Some(found) = called_by(expr)
        && !used.iter().any(|known| known.is_same(&found))
    {
        used.push(found);
    }
}

/// What a job calls in place of a registered function.
enum Instance {
    Scalar(Arc<UdfSpec>, Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUdfSpec>, Arc<AggregateUDF>),
}

impl Instance {
    /// None of a function that jobs share.
    fn of(used: &UsedFunction) -> Option<Self> {
        Some(match used {
            UsedFunction::Scalar(spec) => {
                let own = UdfSpec {
                    runtime: spec.runtime.for_job()?,
                    ..spec.as_ref().clone()
                };
                Self::Scalar(Arc::clone(spec), foreign::scalar(&Arc::new(own)))
            }
            UsedFunction::Aggregate(spec) => {
                let own = AggregateUdfSpec {
                    runtime: spec.runtime.for_job()?,
                    ..spec.as_ref().clone()
                };
                let udaf = foreign_aggregate::aggregate(&Arc::new(own));
                Self::Aggregate(Arc::clone(spec), udaf)
            }
        })
    }

    fn scalar(&self, called: &ScalarUDF) -> Option<Arc<ScalarUDF>> {
        let Self::Scalar(spec, own) = self else {
            return None;
        };
        let is_it = foreign::spec_of(called).is_some_and(|called| Arc::ptr_eq(called, spec));
        is_it.then(|| Arc::clone(own))
    }

    fn aggregate(&self, called: &AggregateUDF) -> Option<Arc<AggregateUDF>> {
        let Self::Aggregate(spec, own) = self else {
            return None;
        };
        let is_it =
            foreign_aggregate::spec_of(called).is_some_and(|called| Arc::ptr_eq(&called, spec));
        is_it.then(|| Arc::clone(own))
    }
}

fn called_in_job(mut expr: Expr, instances: &[Instance]) -> Transformed<Expr> {
    let aggregate = |called: &AggregateUDF| {
        let mut found = instances.iter();
        found.find_map(|instance| instance.aggregate(called))
    };
    let is_replaced = match &mut expr {
        Expr::ScalarFunction(call) => {
            let mut found = instances.iter();
            let own = found.find_map(|instance| instance.scalar(&call.func));
            own.map(|own| call.func = own).is_some()
        }
        Expr::AggregateFunction(call) => {
            let own = aggregate(&call.func);
            own.map(|own| call.func = own).is_some()
        }
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(udaf) => {
                let own = aggregate(udaf);
                own.map(|own| call.fun = WindowFunctionDefinition::AggregateUDF(own))
                    .is_some()
            }
            WindowFunctionDefinition::WindowUDF(_) => false,
        },
        _ => false,
    };
    Transformed::new_transformed(expr, is_replaced)
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
