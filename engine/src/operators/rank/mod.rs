//! Top-N: the rows of the first ranks of each partition, kept up to date.
//!
//! ```text
//!   partition a │ 90 │ 80 │ 80 │ 60 ┊ 40 │ 30          N = 4: rows behind it are kept only if
//!                 1    2    3    4  ┊                   others may be taken back
//!                      ▲ 85 comes
//!   with the rank:     -U(80,2) +U(85,2)  -U(80,3) +U(80,3)  -U(60,4) +U(80,4)
//!   without:           -D(60) +I(85)
//! ```
//!
//! Rows of equal sort keys rank in the order of their arrival. ORDER BY … LIMIT is a Top-N of one
//! partition whose rank is not shown, and LIMIT one without an order.
//!
//! Source: Flink 2.3, `AppendOnlyTopNFunction`, `FastTop1Function`, `UpdatableTopNFunction` and
//! `RetractableTopNFunction`, and its answers.

pub(super) mod changes;

mod top_n;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;

use super::{Emission, Operator, OperatorFactory, SortKey};
use crate::error::{EngineError, Result};
use crate::state::sort_keys::ColumnOrder;
use crate::state::{RowStore, SortKeys};
use top_n::TopN;

/// What the input may do, and what therefore has to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankStrategy {
    /// Insertions only: rows behind the last rank are forgotten.
    AppendFast,
    /// Rows are known by these columns and only ever move up: rows behind the last rank are
    /// forgotten, the content before an update is known without being told.
    UpdateFast(Vec<usize>),
    /// Any changes: all rows are kept.
    Retract,
}

/// The last rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankEnd {
    /// The same for all partitions.
    Constant(usize),
    /// What this integer column of a partition's first row says.
    Column(usize),
}

/// A Top-N.
#[derive(Debug, Clone)]
pub struct RankSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the partition's key; without any there is one partition.
    pub partition_columns: Vec<usize>,
    /// The order within a partition; without keys that of arrival.
    pub sort_keys: Vec<SortKey>,
    /// The first rank that is sent on, from 1.
    pub start: usize,
    /// The last rank that is sent on.
    pub end: RankEnd,
    /// Whether the rank is the last column of the rows that leave.
    pub output_rank: bool,
    /// What the input may do.
    pub strategy: RankStrategy,
    /// When changes are sent on.
    pub emission: Emission,
    /// Schema of the rows that leave: the input's columns, then the rank if it is sent.
    pub schema: SchemaRef,
}

impl RankSpec {
    /// The name of the strategy as EXPLAIN shows it.
    #[must_use]
    pub fn strategy_name(&self) -> &'static str {
        match self.strategy {
            RankStrategy::AppendFast => "AppendFastStrategy",
            RankStrategy::UpdateFast(_) => "UpdateFastStrategy",
            RankStrategy::Retract => "RetractStrategy",
        }
    }

    /// Whether only the best row of a partition is of interest: it is then updated in place.
    pub(crate) fn is_top_1(&self) -> bool {
        self.start == 1
            && self.end == RankEnd::Constant(1)
            && self.strategy != RankStrategy::Retract
    }
}

impl OperatorFactory for RankSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let orders = column_orders(&self.input_schema, &self.sort_keys)?;
        let sort_keys = SortKeys::try_new(&orders)?;
        Ok(if SortKeys::fits_word(&orders) {
            Box::new(TopN::<u128>::try_new(self.clone(), sort_keys)?)
        } else {
            Box::new(TopN::<Box<[u8]>>::try_new(self.clone(), sort_keys)?)
        })
    }

    fn recalls_rows(&self) -> bool {
        true
    }
}

/// The types and directions of sort keys.
pub(super) fn column_orders(schema: &SchemaRef, keys: &[SortKey]) -> Result<Vec<ColumnOrder>> {
    keys.iter()
        .map(|key| {
            let field = schema
                .fields()
                .get(key.column)
                .ok_or_else(|| EngineError::internal("ORDER BY names a missing column"))?;
            let options = SortOptions {
                descending: key.descending,
                nulls_first: key.nulls_first,
            };
            Ok((field.data_type().clone(), options))
        })
        .collect()
}

/// An empty store for the rows of `schema`.
pub(super) fn row_store(schema: &SchemaRef) -> RowStore {
    RowStore::new(Arc::clone(schema))
}
