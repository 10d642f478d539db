//! Frames that end at the peers of a row, for keys whose values have no distance.
//!
//! ```text
//!   ORDER BY tm RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW     (also where no frame is written)
//!     ──▶  GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
//! ```
//!
//! Both name the same rows. The analyzer asks for the type of a RANGE's distance even where there is
//! none, and knows no such type for TIME or BYTES. Where a TIME has a distance, it is counted in
//! milliseconds:
//!
//! ```text
//!   ORDER BY tm RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW
//!     ──▶  ORDER BY CAST(tm AS BIGINT) RANGE BETWEEN 5000 PRECEDING AND CURRENT ROW
//! ```

use std::sync::Arc;

use arrow::compute::kernels::cast_utils::parse_interval_day_time;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, WindowFrame, WindowFrameBound, WindowFrameUnits, cast,
};

/// `plan` with frames of peers where a key has no distances.
///
/// # Errors
/// If a key names a column that is not there: a bug.
pub(super) fn rewrite(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Window(window) = &node else {
            return Ok(Transformed::no(node));
        };
        let schema = Arc::clone(window.input.schema());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| of_peers(expr, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    });
    Ok(rewritten?.data)
}

fn of_peers(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Expr::WindowFunction(mut call) = expr else {
        return Ok(Transformed::no(expr));
    };
    if !is_of_peers(&call.params.window_frame) {
        return of_millis(call, schema);
    }
    if !lacks_distance(&call, schema)? {
        return Ok(Transformed::no(Expr::WindowFunction(call)));
    }
    let frame = &call.params.window_frame;
    call.params.window_frame = WindowFrame::new_bounds(
        WindowFrameUnits::Groups,
        frame.start_bound.clone(),
        frame.end_bound.clone(),
    );
    Ok(Transformed::yes(Expr::WindowFunction(call)))
}

/// A RANGE with a distance over a TIME as one over its milliseconds.
fn of_millis(mut call: Box<WindowFunction>, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let [key] = call.params.order_by.as_mut_slice() else {
        return Ok(Transformed::no(Expr::WindowFunction(call)));
    };
    let frame = &call.params.window_frame;
    let is_time = matches!(key.expr.get_type(schema)?, DataType::Time32(_));
    if !is_time || frame.units != WindowFrameUnits::Range {
        return Ok(Transformed::no(Expr::WindowFunction(call)));
    }
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Range,
        bound_of_millis(&frame.start_bound)?,
        bound_of_millis(&frame.end_bound)?,
    );
    let millis = cast(cast(key.expr.clone(), DataType::Int32), DataType::Int64);
    key.expr = millis;
    call.params.window_frame = frame;
    Ok(Transformed::yes(Expr::WindowFunction(call)))
}

/// A distance, which is a text as yet, in milliseconds.
fn millis(distance: &ScalarValue) -> DfResult<ScalarValue> {
    let ScalarValue::Utf8(Some(text)) = distance else {
        return Ok(distance.clone());
    };
    let interval = parse_interval_day_time(text)?;
    let millis = i64::from(interval.days) * 86_400_000 + i64::from(interval.milliseconds);
    Ok(ScalarValue::Int64(Some(millis)))
}

fn bound_of_millis(bound: &WindowFrameBound) -> DfResult<WindowFrameBound> {
    Ok(match bound {
        WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
        WindowFrameBound::Preceding(distance) => WindowFrameBound::Preceding(millis(distance)?),
        WindowFrameBound::Following(distance) => WindowFrameBound::Following(millis(distance)?),
    })
}

/// Whether neither end of a RANGE is at a distance.
fn is_of_peers(frame: &WindowFrame) -> bool {
    let is_free = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => true,
        WindowFrameBound::Preceding(distance) | WindowFrameBound::Following(distance) => {
            distance.is_null()
        }
    };
    frame.units == WindowFrameUnits::Range
        && is_free(&frame.start_bound)
        && is_free(&frame.end_bound)
}

fn lacks_distance(call: &WindowFunction, schema: &DFSchema) -> DfResult<bool> {
    for key in &call.params.order_by {
        let data_type = key.expr.get_type(schema)?;
        if data_type.is_binary() || has_no_type_of_distance(&data_type) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_no_type_of_distance(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_)
            | DataType::Interval(_)
            | DataType::Struct(_)
            | DataType::Map(..)
    )
}
