//! Logical expressions made ready for batches.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::error::Result;
use crate::plan::errors::from_planner;

/// `expr` over the columns of `schema`, ready to be evaluated on batches.
///
/// # Errors
/// If the expression cannot be evaluated by itself, e.g. an aggregate.
pub fn physical(
    expr: &Expr,
    schema: &DFSchema,
    config: &Arc<ConfigOptions>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let mut props = ExecutionProps::new();
    props.config_options = Some(Arc::clone(config));
    create_physical_expr(expr, schema, &props, &PhysicalPlanningContext::default())
        .map_err(from_planner)
}

/// The value of an expression without columns.
///
/// # Errors
/// If it has columns, or cannot be computed.
pub fn constant(expr: &Expr, config: &Arc<ConfigOptions>) -> Result<ScalarValue> {
    if let Expr::Literal(value, _) = expr {
        return Ok(value.clone());
    }
    let physical = physical(expr, &DFSchema::empty(), config)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let value = physical.evaluate(&batch)?.into_array(1)?;
    Ok(ScalarValue::try_from_array(&value, 0)?)
}
