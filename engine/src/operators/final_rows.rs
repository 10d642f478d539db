//! The final rows of a table that changed on its way: what batch mode gives of an updating plan.
//!
//! Changes are folded by the whole row; what is left at the end of the input leaves as `+I`, in the
//! order in which the rows came first.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};

use super::group_changes::read_counts;
use super::window::aggregate::state_batch;
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::state::{KeyIndex, StateTable};

/// Folds changes until the end of the input.
#[derive(Debug, Clone)]
pub struct FinalRowsSpec {
    /// Schema of the rows.
    pub schema: SchemaRef,
}

impl OperatorFactory for FinalRowsSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let types: Vec<DataType> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok(Box::new(FinalRows {
            schema: Arc::clone(&self.schema),
            index: KeyIndex::try_new(&types)?,
            counts: Vec::new(),
            ids: Vec::new(),
        }))
    }
}

struct FinalRows {
    schema: SchemaRef,
    index: KeyIndex,
    /// How often each row is there.
    counts: Vec<i64>,
    ids: Vec<u32>,
}

impl Operator for FinalRows {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        let columns = delta.batch().columns();
        self.index
            .intern(columns, delta.num_rows(), &mut self.ids)?;
        self.counts.resize(self.index.end(), 0);
        for (row_idx, &id) in self.ids.iter().enumerate() {
            if let Some(count) = self.counts.get_mut(id as usize) {
                *count += delta.kind(row_idx).sign();
            }
        }
        Ok(())
    }

    fn on_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        let mut ids = Vec::new();
        for (id, &count) in (0_u32..).zip(&self.counts) {
            ids.extend((0..count.max(0)).map(|_| id));
        }
        if ids.is_empty() {
            return Ok(());
        }
        let columns = self.index.keys(&ids)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        out.emit(Delta::insert_only(batch));
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let ids = self.index.used_ids();
        let mut columns = self.index.keys(&ids)?;
        let counts: Vec<i64> = ids
            .iter()
            .map(|&id| self.counts.get(id as usize).copied().unwrap_or(0))
            .collect();
        columns.push(read_counts(&counts));
        Ok(vec![StateTable {
            name: "rows",
            batch: state_batch(columns)?,
            key_columns: Vec::new(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let not_ours = || EngineError::Data {
                message: "the saved rows are not those of this query".to_owned(),
            };
            let (counts, columns) = table.batch.columns().split_last().ok_or_else(not_ours)?;
            let counts = counts
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(not_ours)?;
            self.index
                .intern(columns, table.batch.num_rows(), &mut self.ids)?;
            self.counts.resize(self.index.end(), 0);
            for (&id, n_rows) in self.ids.iter().zip(counts.values()) {
                if let Some(count) = self.counts.get_mut(id as usize) {
                    *count += n_rows;
                }
            }
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes() + self.counts.capacity() * size_of::<i64>()
    }
}
