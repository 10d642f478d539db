//! ORDER BY, with or without LIMIT and OFFSET.
//!
//! With a limit the first rows are kept up to date under all changes; without one the rows wait
//! for the end of the input. The edge into it is `Single`.

use arrow::datatypes::SchemaRef;

use super::{Operator, OperatorFactory};
use crate::error::{EngineError, Result};

/// One column of ORDER BY. NULL is the lowest value, as in Flink: first when ascending, last when
/// descending, unless the query says otherwise (`nulls_first`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// NULL before all values.
    pub nulls_first: bool,
}

/// How the first rows of an order reach the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOutput {
    /// Net changes of each step: rows that leave the first ones (`-D`) and rows that come (`+I`).
    Changes,
    /// From the first place that differs on, all rows are taken back and sent anew: a reader that
    /// keeps the rows in the order of their arrival has them sorted. For views.
    InOrder,
}

/// An ORDER BY.
#[derive(Debug, Clone)]
pub struct SortLimitSpec {
    /// Schema of the rows, in and out.
    pub schema: SchemaRef,
    /// The order.
    pub keys: Vec<SortKey>,
    /// Rows that are left out first.
    pub offset: usize,
    /// Rows that pass then; without it the sorted rows are emitted at the end of the input.
    pub fetch: Option<usize>,
    /// How changes are sent on where there is a `fetch`.
    pub output: SortOutput,
}

impl OperatorFactory for SortLimitSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Err(EngineError::unsupported("ORDER BY"))
    }
}
