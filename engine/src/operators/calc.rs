//! Calc: filter and projection fused, evaluated on whole batches by DataFusion's expressions.
//!
//! The row kinds travel beside the batch and are selected together with it. A filter over updates
//! keeps what passes and nothing else: half of an update pair may be dropped and the other half
//! stays `+U` or `-U`, as in Flink. Columns that are only passed on are not copied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// What a Calc computes. The expressions are planned on the input's columns.
#[derive(Debug, Clone)]
pub struct CalcSpec {
    /// Only rows for which this is true pass; NULL counts as false.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// One expression for each column of `schema`.
    pub projection: Vec<Arc<dyn PhysicalExpr>>,
    /// Schema of the rows that leave.
    pub schema: SchemaRef,
}

impl OperatorFactory for CalcSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        if self.projection.len() != self.schema.fields().len() {
            return Err(EngineError::internal(format!(
                "a Calc of {} expressions has a schema of {} columns",
                self.projection.len(),
                self.schema.fields().len()
            )));
        }
        Ok(Box::new(Calc { spec: self.clone() }))
    }
}

#[derive(Debug)]
struct Calc {
    spec: CalcSpec,
}

impl Operator for Calc {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let delta = match &self.spec.filter {
            Some(filter) => filtered(delta, filter.as_ref())?,
            None => delta,
        };
        if delta.num_rows() > 0 {
            out.emit(self.project(&delta)?);
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }
}

impl Calc {
    fn project(&self, delta: &Delta) -> Result<Delta> {
        let input = delta.batch();
        let n_rows = input.num_rows();
        let columns = self
            .spec
            .projection
            .iter()
            .map(|expression| Ok(expression.evaluate(input)?.into_array(n_rows)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.spec.schema);
        delta.with_batch(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// The rows of `delta` for which `filter` is true; `delta` itself if these are all.
fn filtered(delta: Delta, filter: &dyn PhysicalExpr) -> Result<Delta> {
    let mask = filter.evaluate(delta.batch())?;
    if let ColumnarValue::Scalar(scalar) = &mask {
        let keep = matches!(scalar, datafusion::common::ScalarValue::Boolean(Some(true)));
        return Ok(if keep { delta } else { delta.slice(0, 0) });
    }
    let mask = mask.into_array(delta.num_rows())?;
    let mask = mask
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| EngineError::internal("the condition of a filter is not boolean"))?;
    if mask.null_count() == 0 && mask.true_count() == delta.num_rows() {
        return Ok(delta);
    }
    delta.filter(mask)
}
