//! Expressions over what they take from a batch: columns, and fields of rows.
//!
//! ```text
//!   CASE kind WHEN 0 THEN person.time ELSE bid.time END        over   [kind, person, bid]
//!   CASE #0   WHEN 0 THEN #1          ELSE #2       END        over   [kind, person.time, bid.time]
//! ```
//!
//! A field of a row cannot fail and is there without copying. Whoever filters rows on the way, a
//! Calc or the branches of a CASE, would otherwise copy rows with all their fields.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::access::field_of;
use crate::error::Result;

/// What some expressions take from a batch.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    /// The columns of [`Self::of`], once rows have come.
    schema: Option<SchemaRef>,
}

impl Leaves {
    /// `expression` over the columns that [`Self::of`] gives. Not to be called after that.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn take(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let replaced = Arc::clone(expression).transform_down(|expression| {
            if !is_leaf(expression.as_ref()) {
                return Ok(Transformed::no(expression));
            }
            let mut known = self.expressions.iter();
            let known = known.position(|leaf| leaf.as_ref() == expression.as_ref());
            let leaf_idx = known.unwrap_or_else(|| {
                self.expressions.push(expression);
                self.expressions.len() - 1
            });
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("leaf", leaf_idx));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.data)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.expressions.len()
    }

    /// The leaves of these rows.
    ///
    /// # Errors
    /// If the batch does not have the columns.
    pub(crate) fn of(&mut self, input: &RecordBatch) -> Result<RecordBatch> {
        let n_rows = input.num_rows();
        let columns = self
            .expressions
            .iter()
            .map(|leaf| Ok(leaf.evaluate(input)?.into_array(n_rows)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let schema = match &self.schema {
            Some(schema) => Arc::clone(schema),
            None => {
                let fields = self.expressions.iter();
                let fields = fields.map(|leaf| leaf.return_field(input.schema_ref()));
                let fields = fields.collect::<datafusion::common::Result<Vec<_>>>()?;
                Arc::clone(self.schema.insert(Arc::new(Schema::new(fields))))
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

fn is_leaf(expression: &dyn PhysicalExpr) -> bool {
    match field_of(expression) {
        Some((row, _)) => is_leaf(row),
        None => expression.downcast_ref::<Column>().is_some(),
    }
}
