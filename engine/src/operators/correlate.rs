//! Correlate: each row with the rows that a table function gives for it.
//!
//! The rows that come out have the kind of the row that came in, whose columns stand before those
//! of the function; the rows of a table aggregate function are deleted and inserted, because an
//! update of their group is none of theirs. Of rows that come to nothing, LEFT JOIN shows one with
//! NULLs. No state: a retraction gives the same rows again, so the function must be deterministic.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::functions::table::{TableFunction, TableRows};
use crate::state::StateTable;

/// Rows that are sent on together.
const MAX_OUTPUT_ROWS: usize = 8_192;

/// A table function applied to each row.
#[derive(Debug, Clone)]
pub struct CorrelateSpec {
    /// The function.
    pub function: Arc<dyn TableFunction>,
    /// Its arguments, over the columns of the input.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Over the columns of the output: which of the function's rows count.
    pub condition: Option<Arc<dyn PhysicalExpr>>,
    /// LEFT JOIN: a row for which the function gives none stays, with NULLs.
    pub is_outer: bool,
    /// The columns of the input, then those of the function.
    pub schema: SchemaRef,
}

impl OperatorFactory for CorrelateSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Correlate { spec: self.clone() }))
    }
}

struct Correlate {
    spec: CorrelateSpec,
}

/// Rows of the input beside rows of the function.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    /// None where the function gave nothing.
    given: Vec<Option<u32>>,
}

impl Operator for Correlate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let arguments = self
            .spec
            .arguments
            .iter()
            .map(|argument| Ok(argument.evaluate(delta.batch())?.into_array(n_rows)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let table = self.spec.function.call(&arguments, n_rows)?;
        let all = Pairs {
            given: (0..table.rows.len() as u32).map(Some).collect(),
            rows: table.rows.clone(),
        };
        let mut pairs = Pairs::default();
        for (rows, given) in all
            .rows
            .chunks(MAX_OUTPUT_ROWS)
            .zip(all.given.chunks(MAX_OUTPUT_ROWS))
        {
            self.add_matching(&delta, &table, rows, given, &mut pairs)?;
        }
        if self.spec.is_outer {
            pairs = pairs.padded(n_rows);
        }
        for (rows, given) in pairs
            .rows
            .chunks(MAX_OUTPUT_ROWS)
            .zip(pairs.given.chunks(MAX_OUTPUT_ROWS))
        {
            let taken = delta.take(&UInt32Array::from(rows.to_vec()))?;
            let batch = self.joined(&taken, &table, given)?;
            let joined = taken.with_batch(batch)?;
            out.emit(if self.spec.function.replaces_rows() {
                without_updates(joined)?
            } else {
                joined
            });
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }
}

impl Correlate {
    /// Adds the pairs that meet the condition.
    fn add_matching(
        &self,
        delta: &Delta,
        table: &TableRows,
        rows: &[u32],
        given: &[Option<u32>],
        pairs: &mut Pairs,
    ) -> Result<()> {
        let Some(condition) = &self.spec.condition else {
            pairs.rows.extend(rows);
            pairs.given.extend(given);
            return Ok(());
        };
        let taken = delta.take(&UInt32Array::from(rows.to_vec()))?;
        let joined = self.joined(&taken, table, given)?;
        let value = condition.evaluate(&joined)?.into_array(rows.len())?;
        let is_match = as_boolean_array(&value)?;
        for (place, (&row, &given)) in rows.iter().zip(given).enumerate() {
            if is_match.is_valid(place) && is_match.value(place) {
                pairs.rows.push(row);
                pairs.given.push(given);
            }
        }
        Ok(())
    }

    fn joined(
        &self,
        rows: &Delta,
        table: &TableRows,
        given: &[Option<u32>],
    ) -> Result<RecordBatch> {
        let given = UInt32Array::from(given.to_vec());
        let n_left = (self.spec.schema.fields().len())
            .checked_sub(table.columns.len())
            .ok_or_else(|| EngineError::internal("a table function gives too many columns"))?;
        let mut columns: Vec<ArrayRef> = rows
            .batch()
            .columns()
            .iter()
            .take(n_left)
            .cloned()
            .collect();
        for column in &table.columns {
            columns.push(take(column.as_ref(), &given, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(given.len()));
        let schema = Arc::clone(&self.spec.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// The same changes as deletions and insertions.
fn without_updates(delta: Delta) -> Result<Delta> {
    let Some(kinds) = delta.kinds() else {
        return Ok(delta);
    };
    let kinds = kinds
        .iter()
        .map(|kind| match kind {
            RowKind::UpdateBefore => RowKind::Delete,
            RowKind::UpdateAfter => RowKind::Insert,
            other => *other,
        })
        .collect();
    let watermarks = delta.watermarks().cloned();
    Delta::try_new(delta.batch().clone(), kinds)?.with_watermarks(watermarks)
}

impl Pairs {
    /// With a pair for each of the rows that has none.
    fn padded(self, n_rows: usize) -> Self {
        let mut padded = Self::default();
        let mut pairs = self.rows.into_iter().zip(self.given).peekable();
        for row in 0..n_rows as u32 {
            if pairs.peek().is_none_or(|&(next, _)| next != row) {
                padded.rows.push(row);
                padded.given.push(None);
            }
            while let Some((row, given)) = pairs.next_if(|&(next, _)| next == row) {
                padded.rows.push(row);
                padded.given.push(given);
            }
        }
        padded
    }
}
