//! Group windows, `GROUP BY TUMBLE(ts, …)`, as an aggregate over a window table function.
//!
//! ```text
//!   Projection __group_start(w)            Projection __group_start(w)
//!   Aggregate  groupBy = [k, tumble(ts)]   Projection k, __group_window(start, end, time) AS w, …
//!   t                                 ──▶  Aggregate  groupBy = [k, start, end, time]
//!                                          WindowTvf  t, time = ts
//! ```

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, Projection,
};

use super::computed_time::is_of_rowtime;
use super::node::{WINDOW_COLUMNS, WindowTvf};
use super::relation::check_measures;
use crate::error::{EngineError, Result};
use crate::functions::group_window::outside;
use crate::functions::registry::builtin_scalar;
use crate::operators::window::WindowKind;
use crate::plan::build::constant;
use crate::plan::errors::from_planner;
use crate::plan::time;
use crate::sql::diagnostics::validation;

/// The function of a window over numbers of rows.
const COUNT_WINDOW: &str = "__count_window";

/// Puts windows under the aggregates that group by TUMBLE, HOP or SESSION.
///
/// # Errors
/// For windows whose measures are none, and group windows outside of GROUP BY.
pub fn plan_group_windows(plan: LogicalPlan, config: &Arc<ConfigOptions>) -> Result<LogicalPlan> {
    let mut is_there = false;
    visit_expressions(&plan, |expr| is_there |= is_group_window(expr))?;
    if !is_there {
        return Ok(plan);
    }
    let rewritten = plan
        .transform_up_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) => rewrite(aggregate, config),
            node => node.recompute_schema().map(Transformed::no),
        })
        .map_err(from_planner)?
        .data;
    let mut is_left = false;
    visit_expressions(&rewritten, |expr| is_left |= is_group_window(expr))?;
    if is_left {
        return Err(outside());
    }
    Ok(rewritten)
}

fn visit_expressions(plan: &LogicalPlan, mut look: impl FnMut(&Expr)) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                look(inner);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(from_planner)?;
    Ok(())
}

fn is_group_window(expr: &Expr) -> bool {
    call_of(expr).is_some()
}

fn call_of(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(call)
            if matches!(
                call.func.name(),
                "tumble" | "hop" | "session" | COUNT_WINDOW
            ) =>
        {
            Some(call)
        }
        _ => None,
    }
}

fn rewrite(
    aggregate: Aggregate,
    config: &Arc<ConfigOptions>,
) -> DfResult<Transformed<LogicalPlan>> {
    let windows: Vec<usize> = aggregate
        .group_expr
        .iter()
        .enumerate()
        .filter(|(_, expr)| call_of(expr).is_some())
        .map(|(place, _)| place)
        .collect();
    let place = match windows.as_slice() {
        [] => return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
        [place] => *place,
        _ => {
            return Err(
                validation("multiple window aggregates are not supported".to_owned()).into(),
            );
        }
    };
    let Some(call) = aggregate.group_expr.get(place).and_then(call_of) else {
        return Err(EngineError::internal("a group window got lost").into());
    };
    let (time, kind) = read_call(call, &aggregate, config)?;
    let is_marked = time
        .to_field(aggregate.input.schema())
        .is_ok_and(|(_, field)| time::is_rowtime(&field));
    let time = match !is_marked && is_of_rowtime(&time, &aggregate.input) {
        true => time::rowtime(time)?,
        false => time,
    };
    let others: Vec<Expr> = aggregate
        .group_expr
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != place)
        .map(|(_, expr)| expr.clone())
        .collect();
    let (input, time) = with_column(Arc::unwrap_or_clone(Arc::clone(&aggregate.input)), time)?;
    let partition = match kind {
        WindowKind::Session { .. } => others.clone(),
        _ => Vec::new(),
    };
    let (input, partition) = partition.into_iter().try_fold(
        (input, Vec::new()),
        |(input, mut keys), key| -> DfResult<_> {
            let (input, key) = with_column(input, key)?;
            keys.push(key);
            Ok((input, keys))
        },
    )?;
    let n_input = input.schema().fields().len();
    let window = WindowTvf::try_new(input, time, partition, kind)?.of_group();
    let window = LogicalPlan::Extension(Extension {
        node: Arc::new(window),
    });
    let window_columns: Vec<Expr> = (n_input..n_input + WINDOW_COLUMNS.len())
        .map(|column| Expr::Column(Column::from(window.schema().qualified_field(column))))
        .collect();
    let mut group = others;
    group.extend(window_columns.iter().cloned());
    let grouped = Aggregate::try_new(Arc::new(window), group, aggregate.aggr_expr.clone())?;
    let function = builtin_scalar("__group_window")
        .ok_or_else(|| EngineError::internal("the function '__group_window' is missing"))?;
    let row = function.call(window_columns);
    let columns = aggregate
        .schema
        .iter()
        .enumerate()
        .map(|(column, (qualifier, field))| {
            if column == place {
                row.clone()
                    .alias_qualified(qualifier.cloned(), field.name())
            } else {
                Expr::Column(Column::new(qualifier.cloned(), field.name()))
            }
        })
        .collect();
    let projection = Projection::try_new(columns, Arc::new(LogicalPlan::Aggregate(grouped)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// `__count_window(time, slide, size)`, which only the Table API writes.
fn count_window(call: &ScalarFunction, config: &Arc<ConfigOptions>) -> Result<WindowKind> {
    let measures = call.args.iter().skip(1).map(|argument| {
        let number = constant(argument, config)?.cast_to(&DataType::Int64)?;
        match number {
            ScalarValue::Int64(Some(number)) => Ok(number),
            _ => Err(validation(
                "the measures of a window over rows must be whole numbers".to_owned(),
            )),
        }
    });
    let kind = match measures.collect::<Result<Vec<_>>>()?.as_slice() {
        [slide, size] => WindowKind::Count {
            slide: *slide,
            size: *size,
        },
        _ => return Err(EngineError::internal("a window over rows without measures")),
    };
    check_measures(kind)?;
    Ok(kind)
}

/// The time and the window of a call.
fn read_call(
    call: &ScalarFunction,
    aggregate: &Aggregate,
    config: &Arc<ConfigOptions>,
) -> DfResult<(Expr, WindowKind)> {
    let time = call
        .args
        .first()
        .cloned()
        .ok_or_else(|| EngineError::internal("a group window without a time"))?;
    if call.func.name() == COUNT_WINDOW {
        return Ok((time, count_window(call, config)?));
    }
    let name = call.func.name().to_uppercase();
    let measures = call
        .args
        .iter()
        .skip(1)
        .map(|argument| match constant(argument, config) {
            Ok(ScalarValue::DurationMillisecond(Some(millis))) => Ok(millis),
            _ => Err(validation(format!(
                "the measures of the group window {name} must be intervals of days to seconds"
            ))),
        })
        .collect::<Result<Vec<_>>>()?;
    let kind = match (name.as_str(), measures.as_slice()) {
        ("TUMBLE", [size_ms]) => WindowKind::Tumble {
            size_ms: *size_ms,
            offset_ms: 0,
        },
        ("HOP", [slide_ms, size_ms]) => WindowKind::Hop {
            slide_ms: *slide_ms,
            size_ms: *size_ms,
            offset_ms: 0,
        },
        ("SESSION", [gap_ms]) => WindowKind::Session { gap_ms: *gap_ms },
        _ => {
            return Err(EngineError::unsupported(format!(
                "the group window {name} with an alignment"
            ))
            .into());
        }
    };
    check_measures(kind)?;
    let data_type = time.get_type(aggregate.input.schema())?;
    if !matches!(data_type, DataType::Timestamp(..)) {
        return Err(validation(format!(
            "the group window {name} can only be defined over a time attribute column"
        ))
        .into());
    }
    Ok((time, kind))
}

/// `expr` as a column of `input`, computed below if it is more than that.
fn with_column(input: LogicalPlan, expr: Expr) -> DfResult<(LogicalPlan, Expr)> {
    if matches!(expr, Expr::Column(_)) {
        return Ok((input, expr));
    }
    let mut columns: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let name = format!("__group_key_{}", columns.len());
    columns.push(expr.alias(name.clone()));
    let plan = LogicalPlanBuilder::from(input).project(columns)?.build()?;
    Ok((plan, Expr::Column(Column::new_unqualified(name))))
}
