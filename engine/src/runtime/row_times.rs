//! The rowtimes and watermarks of a batch: the two expressions of a table's WATERMARK.
//!
//! The watermark is mostly the rowtime minus something, so the rowtime is computed once and the
//! watermark from it; both over the fields that they name, not over whole rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::watermark::WatermarkSpec;
use crate::error::Result;
use crate::functions::nested::leaves::Leaves;

/// The expressions of a table's WATERMARK, ready to be evaluated.
#[derive(Debug)]
pub(super) struct RowTimes {
    leaves: Leaves,
    /// Over the leaves.
    rowtime: Arc<dyn PhysicalExpr>,
    /// Over the leaves and, behind them, the rowtime.
    watermark: Arc<dyn PhysicalExpr>,
    /// Of the leaves and the rowtime, once rows have come.
    schema: Option<SchemaRef>,
}

impl RowTimes {
    pub(super) fn try_new(spec: &WatermarkSpec) -> Result<Self> {
        let mut leaves = Leaves::default();
        let rowtime = leaves.take(&spec.rowtime)?;
        let watermark = leaves.take(&spec.watermark)?;
        let n_leaves = leaves.len();
        let watermark = watermark.transform_down(|expression| {
            if expression.as_ref() != rowtime.as_ref() {
                return Ok(Transformed::no(expression));
            }
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("rowtime", n_leaves));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        Ok(Self {
            leaves,
            rowtime,
            watermark: watermark.data,
            schema: None,
        })
    }

    /// The rowtime and the watermark of each row.
    ///
    /// # Errors
    /// What the expressions fail with.
    pub(super) fn of(&mut self, batch: &RecordBatch) -> Result<(ArrayRef, ArrayRef)> {
        let n_rows = batch.num_rows();
        let leaves = self.leaves.of(batch)?;
        let rowtimes = self.rowtime.evaluate(&leaves)?.into_array(n_rows)?;
        let schema = match &self.schema {
            Some(schema) => Arc::clone(schema),
            None => {
                let rowtime = self.rowtime.return_field(leaves.schema_ref())?;
                let fields = leaves.schema_ref().fields().iter().cloned();
                let schema = Schema::new(fields.chain([rowtime]).collect::<Vec<_>>());
                Arc::clone(self.schema.insert(Arc::new(schema)))
            }
        };
        let mut columns = leaves.columns().to_vec();
        columns.push(Arc::clone(&rowtimes));
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let watermarks = self.watermark.evaluate(&rows)?.into_array(n_rows)?;
        Ok((rowtimes, watermarks))
    }
}
