//! LIMIT and OFFSET without an order, over append-only input: the first rows that come. With the
//! last of them the job ends, if nothing else reads its sources; Flink's jobs go on reading.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::UInt64Type;

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// How many rows are still to come.
const TABLE: &str = "progress";

/// `LIMIT fetch OFFSET offset` over append-only rows. The edge into it is `Single`.
#[derive(Debug, Clone)]
pub struct LimitSpec {
    /// Rows that are left out first.
    pub offset: usize,
    /// Rows that pass then; none for all.
    pub fetch: Option<usize>,
}

impl OperatorFactory for LimitSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Limit {
            to_skip: self.offset,
            to_pass: self.fetch.unwrap_or(usize::MAX),
        }))
    }
}

#[derive(Debug)]
struct Limit {
    to_skip: usize,
    to_pass: usize,
}

impl Operator for Limit {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "a LIMIT without ORDER BY got changes that are not insertions",
            ));
        }
        let skipped = self.to_skip.min(delta.num_rows());
        let passed = self.to_pass.min(delta.num_rows() - skipped);
        self.to_skip -= skipped;
        self.to_pass -= passed;
        out.emit(delta.slice(skipped, passed));
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.to_pass == 0
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let column =
            |number: usize| -> ArrayRef { Arc::new(UInt64Array::from(vec![number as u64])) };
        let columns = [
            ("to_skip", column(self.to_skip)),
            ("to_pass", column(self.to_pass)),
        ];
        Ok(vec![StateTable {
            name: TABLE,
            batch: RecordBatch::try_from_iter(columns)?,
            key_columns: Vec::new(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let column = |column_idx: usize| {
                let column = table.batch.columns().get(column_idx)?;
                // Every worker has saved its own; the first one has all the rows.
                let number = column.as_primitive_opt::<UInt64Type>()?.iter().next()??;
                usize::try_from(number).ok()
            };
            let (Some(to_skip), Some(to_pass)) = (column(0), column(1)) else {
                return Err(EngineError::internal(
                    "LIMIT got the state of something else",
                ));
            };
            (self.to_skip, self.to_pass) = (to_skip, to_pass);
        }
        Ok(())
    }
}
