//! The watermark in force when a row arrived, as a column: what `CURRENT_WATERMARK(…)` reads.
//!
//! Expressions see the columns of a batch and nothing else, so the planner puts this operator below
//! the Calc that has such a call.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};

use super::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// Appends the watermark in force to each row.
#[derive(Debug, Clone)]
pub struct CurrentWatermarkSpec {
    /// Schema of the rows that leave: one column more than come in, a timestamp in milliseconds.
    pub schema: SchemaRef,
}

impl OperatorFactory for CurrentWatermarkSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let last = self.schema.fields().last();
        match last.map(|field| field.data_type()) {
            Some(data_type @ DataType::Timestamp(TimeUnit::Millisecond, _)) => {
                Ok(Box::new(CurrentWatermark {
                    schema: Arc::clone(&self.schema),
                    data_type: data_type.clone(),
                }))
            }
            _ => Err(EngineError::internal("a watermark is no timestamp")),
        }
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::Rows
    }
}

struct CurrentWatermark {
    schema: SchemaRef,
    data_type: DataType,
}

impl Operator for CurrentWatermark {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let watermarks: PrimitiveArray<TimestampMillisecondType> = (0..n_rows)
            .map(|row_idx| {
                let watermark_ms = if delta.watermarks().is_some() {
                    ctx.watermark_at(&delta, row_idx)
                } else {
                    ctx.watermark_ms
                };
                (watermark_ms != NO_WATERMARK).then_some(watermark_ms)
            })
            .collect();
        let column: ArrayRef = Arc::new(watermarks.with_data_type(self.data_type.clone()));
        let mut columns = delta.batch().columns().to_vec();
        columns.push(column);
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.schema);
        out.emit(delta.with_batch(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)?);
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }
}
