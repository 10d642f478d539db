//! The part of a join's condition that is more than equal keys, evaluated for many pairs at once.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;

use super::Join;
use crate::error::{EngineError, Result};

/// A condition over columns of both sides.
#[derive(Debug, Clone)]
pub struct Residual {
    /// The condition, over the columns below.
    pub condition: Arc<dyn PhysicalExpr>,
    /// Where the columns of `schema` come from.
    pub columns: Vec<ResidualColumn>,
    /// What the condition reads.
    pub schema: SchemaRef,
}

/// A column that a residual condition reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidualColumn {
    /// 0 for the left side, 1 for the right one.
    pub port: usize,
    /// The column of that input.
    pub column: usize,
}

/// Pairs that are looked at together, at least, if there are so many.
const MIN_PAIRS: usize = 16_384;

/// The partners of a run of rows.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// Rows of the batch, of the first of `ends` on.
    first_row: usize,
    slots: Vec<u32>,
    /// For each row the end of its partners in `slots`.
    ends: Vec<usize>,
}

impl Matches {
    pub(super) fn of(&self, row: usize) -> &[u32] {
        let Some(place) = row.checked_sub(self.first_row) else {
            return &[];
        };
        let end = self.ends.get(place).copied().unwrap_or(0);
        let start = match place.checked_sub(1) {
            Some(previous) => self.ends.get(previous).copied().unwrap_or(0),
            None => 0,
        };
        self.slots.get(start..end).unwrap_or_default()
    }

    /// The rows whose partners are known.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.ends.len()
    }
}

impl Join {
    /// The partners, on the other side, of the rows from place `start` in `rows` on: of all, or of
    /// so many that there are enough pairs. Places in `rows` count as rows of the result.
    pub(super) fn matches(
        &self,
        port: usize,
        columns: &[ArrayRef],
        rows: &[u32],
        ids: &[u32],
        start: usize,
    ) -> Result<Matches> {
        let other = self.side(1 - port);
        let mut matches = Matches {
            first_row: start,
            ..Matches::default()
        };
        for &row in rows.get(start..).unwrap_or_default() {
            let id = ids.get(row as usize).copied().unwrap_or(u32::MAX);
            matches.slots.extend(other.rows.rows_of(id));
            matches.ends.push(matches.slots.len());
            if matches.slots.len() >= MIN_PAIRS {
                break;
            }
        }
        let Some(residual) = &self.spec.residual else {
            return Ok(matches);
        };
        if matches.slots.is_empty() {
            return Ok(matches);
        }
        let own: Vec<u32> = (start..)
            .zip(rows.get(start..).unwrap_or_default())
            .take(matches.ends.len())
            .flat_map(|(place, &row)| std::iter::repeat_n(row, matches.of(place).len()))
            .collect();
        let is_match = self.test(port, residual, columns, own, &matches.slots)?;
        let mut kept = Vec::with_capacity(is_match.true_count());
        let mut before = 0;
        for end in &mut matches.ends {
            for place in before..*end {
                if is_match.is_valid(place)
                    && is_match.value(place)
                    && let Some(&slot) = matches.slots.get(place)
                {
                    kept.push(slot);
                }
            }
            before = std::mem::replace(end, kept.len());
        }
        matches.slots = kept;
        Ok(matches)
    }

    fn test(
        &self,
        port: usize,
        residual: &Residual,
        columns: &[ArrayRef],
        own: Vec<u32>,
        others: &[u32],
    ) -> Result<BooleanArray> {
        let own = UInt32Array::from(own);
        let other_rows = &self.side(1 - port).rows;
        let located = other_rows.locate(others);
        let pairs = residual
            .columns
            .iter()
            .map(|read| {
                if read.port == port {
                    let column = columns.get(read.column).ok_or_else(|| {
                        EngineError::internal("a join's condition reads a missing column")
                    })?;
                    Ok(take(column.as_ref(), &own, None)?)
                } else {
                    other_rows.gather(read.column, &located)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(others.len()));
        let schema = Arc::clone(&residual.schema);
        let batch = RecordBatch::try_new_with_options(schema, pairs, &options)?;
        let value = residual.condition.evaluate(&batch)?;
        let value = value.into_array(others.len())?;
        Ok(as_boolean_array(&value)?.clone())
    }
}
