//! OVER: each row with aggregates of the rows before it in its partition.
//!
//! ```text
//!   by time       │ rows wait │──watermark──▶ in order: (take back what left the frame,) add, read
//!   by a value    all rows are kept; a change of one changes what stands behind it: -U/+U
//! ```
//!
//! With ROWS a row's value is that after the row itself, with RANGE that after the last row of the
//! same time (or value). Ranks count as Flink counts: RANK and DENSE_RANK are the number of rows up
//! to the last peer, LAG looks back from the last peer.
//!
//! Source: Flink 2.3, `RowTimeRangeBoundedPrecedingFunction` and its siblings,
//! `NonTimeRangeUnboundedPrecedingFunction`, `NonTimeRowsUnboundedPrecedingFunction`, and its
//! answers.

mod by_time;

mod by_value;

mod calls;

use arrow::datatypes::SchemaRef;

use super::{Emission, Operator, OperatorFactory, SortKey, TimeUse};
use crate::error::Result;
use crate::functions::accumulators::AggregateCall;

/// One function before OVER.
#[derive(Debug, Clone)]
pub enum OverCall {
    /// An aggregate of the frame.
    Aggregate(AggregateCall),
    /// The number of rows up to this one: ROW_NUMBER, RANK and DENSE_RANK.
    Count,
    /// The value of `argument` so many rows before.
    Lag {
        /// Column of the value.
        argument: usize,
        /// How many rows before.
        offset: usize,
        /// Column of the value where there is no such row; NULL without it.
        default: Option<usize>,
    },
}

/// The rows before a row that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// `ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW`.
    AllRows,
    /// `RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW`: peers have the same value.
    AllPeers,
    /// `ROWS BETWEEN n PRECEDING AND CURRENT ROW`.
    Rows(usize),
    /// `RANGE BETWEEN n milliseconds PRECEDING AND CURRENT ROW`.
    Millis(i64),
}

impl Frame {
    /// Whether rows of the same time have the same value.
    #[must_use]
    pub const fn has_peers(self) -> bool {
        matches!(self, Self::AllPeers | Self::Millis(_))
    }

    /// Whether rows leave it again.
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        matches!(self, Self::Rows(_) | Self::Millis(_))
    }
}

/// What the rows of a partition are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverOrder {
    /// This rowtime column: rows leave when the watermark passes them.
    Rowtime(usize),
    /// The order of arrival.
    Proctime,
    /// Any column: rows leave at once, and are corrected by those that come before them later.
    Value(SortKey),
}

/// An OVER window with its functions.
#[derive(Debug, Clone)]
pub struct OverSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the partition's key.
    pub partition_columns: Vec<usize>,
    /// The order within a partition.
    pub order: OverOrder,
    /// The frame of all functions.
    pub frame: Frame,
    /// The functions.
    pub calls: Vec<OverCall>,
    /// When changes are sent on (order by a value only).
    pub emission: Emission,
    /// Schema of the rows that leave: the first columns of the input, then one column a call.
    pub schema: SchemaRef,
}

impl OperatorFactory for OverSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(match self.order {
            OverOrder::Value(key) => by_value::create(self, key)?,
            OverOrder::Rowtime(_) | OverOrder::Proctime => {
                Box::new(by_time::OverByTime::try_new(self)?)
            }
        })
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(matches!(self.order, OverOrder::Rowtime(_)))
    }
}

impl OverSpec {
    /// Number of columns that pass unchanged.
    fn n_passed(&self) -> usize {
        self.schema.fields().len().saturating_sub(self.calls.len())
    }
}
