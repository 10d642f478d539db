//! Expand: a row for each grouping set, whose columns are NULL where the set leaves them out, and
//! the number of the set.
//!
//! ```text
//!   k v          v │ k    │ set          GROUPING SETS ((k), ())
//!   a 1   ──▶    1 │ a    │ 0
//!                1 │ NULL │ 1
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// One grouping set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupingSet {
    /// For each key column whether the set has it.
    pub has_key: Vec<bool>,
    /// The number that tells the set from others.
    pub id: u64,
}

/// What an Expand makes of a row.
#[derive(Debug, Clone)]
pub struct ExpandSpec {
    /// Columns that are passed on as they are.
    pub passed: Vec<usize>,
    /// Columns of the key.
    pub keys: Vec<usize>,
    /// The sets, in the order of the rows.
    pub sets: Vec<GroupingSet>,
    /// The passed columns, the keys, the number of the set.
    pub schema: SchemaRef,
}

impl OperatorFactory for ExpandSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        if self.schema.fields().len() != self.passed.len() + self.keys.len() + 1 {
            return Err(EngineError::internal(
                "an Expand's schema is not its columns, its keys and a number",
            ));
        }
        Ok(Box::new(Expand { spec: self.clone() }))
    }
}

struct Expand {
    spec: ExpandSpec,
}

impl Operator for Expand {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = u32::try_from(delta.num_rows())
            .map_err(|_| EngineError::internal("a delta of more than four billion rows"))?;
        let sets = &self.spec.sets;
        let rows: UInt32Array = (0..n_rows)
            .flat_map(|row_idx| std::iter::repeat_n(row_idx, sets.len()))
            .collect::<Vec<_>>()
            .into();
        let column = |column: usize| {
            delta
                .batch()
                .columns()
                .get(column)
                .ok_or_else(|| EngineError::internal("an Expand reads a missing column"))
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.spec.schema.fields().len());
        for &passed in &self.spec.passed {
            columns.push(take(column(passed)?, &rows, None)?);
        }
        for (key_idx, &key) in self.spec.keys.iter().enumerate() {
            let rows: UInt32Array = (0..n_rows)
                .flat_map(|row_idx| {
                    sets.iter().map(move |set| {
                        let has_key = set.has_key.get(key_idx).copied().unwrap_or(false);
                        has_key.then_some(row_idx)
                    })
                })
                .collect();
            columns.push(take(column(key)?, &rows, None)?);
        }
        let ids: UInt64Array = (0..n_rows)
            .flat_map(|_| sets.iter().map(|set| Some(set.id)))
            .collect();
        let id_type = self
            .spec
            .schema
            .fields()
            .last()
            .map(|field| field.data_type());
        let ids: ArrayRef = Arc::new(ids);
        columns.push(match id_type {
            Some(id_type) => cast(&ids, id_type)?,
            None => ids,
        });
        let expanded = delta.take(&rows)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
        out.emit(expanded.with_batch(batch)?);
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }
}
