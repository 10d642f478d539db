//! Calc: filter and projection fused, evaluated on whole batches by DataFusion's expressions.
//!
//! The row kinds travel beside the batch and are selected together with it. A filter over updates
//! keeps what passes and nothing else: half of an update pair may be dropped and the other half
//! stays `+U` or `-U`, as in Flink. Columns that are only passed on are not copied, and of a row
//! only the fields that the projection names go through the filter.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::functions::nested::leaves::Leaves;
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
        let over_leaves = |expression: &Arc<dyn PhysicalExpr>| {
            let mut leaves = Leaves::default();
            Ok::<_, EngineError>((leaves.take(expression)?, leaves))
        };
        let mut leaves = Leaves::default();
        let projection = self.projection.iter();
        Ok(Box::new(Calc {
            schema: Arc::clone(&self.schema),
            filter: self.filter.as_ref().map(over_leaves).transpose()?,
            projection: projection
                .map(|expression| leaves.take(expression))
                .collect::<Result<_>>()?,
            leaves,
        }))
    }

    fn expressions(&self) -> Option<Vec<&Arc<dyn PhysicalExpr>>> {
        Some(self.filter.iter().chain(&self.projection).collect())
    }
}

#[derive(Debug)]
struct Calc {
    schema: SchemaRef,
    /// The condition, and what it takes from the input.
    filter: Option<(Arc<dyn PhysicalExpr>, Leaves)>,
    projection: Vec<Arc<dyn PhysicalExpr>>,
    /// What the projection takes: nothing else is filtered.
    leaves: Leaves,
}

impl Operator for Calc {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let passing = match &mut self.filter {
            Some((filter, leaves)) => passing(&leaves.of(delta.batch())?, filter.as_ref())?,
            None => Passing::All,
        };
        let leaves = delta.with_batch(self.leaves.of(delta.batch())?)?;
        let delta = match passing {
            Passing::All => leaves,
            Passing::None => return Ok(()),
            Passing::Some(mask) => leaves.filter(&mask)?,
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
    /// The projection of rows of leaves.
    fn project(&self, delta: &Delta) -> Result<Delta> {
        let input = delta.batch();
        let n_rows = input.num_rows();
        let columns = self
            .projection
            .iter()
            .map(|expression| Ok(expression.evaluate(input)?.into_array(n_rows)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.schema);
        delta.with_batch(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// Which rows pass a filter.
enum Passing {
    All,
    None,
    /// Those that are true.
    Some(BooleanArray),
}

fn passing(rows: &RecordBatch, filter: &dyn PhysicalExpr) -> Result<Passing> {
    let n_rows = rows.num_rows();
    let mask = match filter.evaluate(rows)? {
        ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))) => return Ok(Passing::All),
        ColumnarValue::Scalar(_) => return Ok(Passing::None),
        mask => mask.into_array(n_rows)?,
    };
    let mask = mask
        .as_boolean_opt()
        .ok_or_else(|| EngineError::internal("the condition of a filter is not boolean"))?;
    let n_passing = mask.true_count();
    Ok(if n_passing == n_rows {
        Passing::All
    } else if n_passing == 0 {
        Passing::None
    } else {
        Passing::Some(mask.clone())
    })
}
