//! Changes that an operator sends about rows that it keeps: their places, kinds and ranks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::Result;
use crate::state::{Place, RowStore};

/// Changes in the order in which they will leave.
#[derive(Debug, Default)]
pub(in crate::operators) struct RankedChanges {
    kinds: Vec<RowKind>,
    places: Vec<Place>,
    ranks: Vec<i64>,
    /// Of the row that causes what is pushed now.
    cause: Option<Cause>,
    /// One a change, as soon as one is known.
    causes: Vec<Cause>,
}

/// When a row came: where that is known, what it causes came at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operators) struct Cause {
    /// The watermark that was in force.
    pub(in crate::operators) watermark_ms: i64,
    /// Its number in the step.
    pub(in crate::operators) arrival: i64,
}

impl Cause {
    const UNKNOWN: Self = Self {
        watermark_ms: NO_WATERMARK,
        arrival: i64::MIN,
    };

    /// When row `row_idx` of `delta` came; none if that is not known.
    pub(in crate::operators) fn of(delta: &Delta, row_idx: usize) -> Option<Self> {
        Some(Self {
            watermark_ms: *delta.watermarks()?.get(row_idx)?,
            arrival: *delta.arrivals()?.get(row_idx)?,
        })
    }
}

impl RankedChanges {
    /// What is pushed from now on came with this row, or nobody knows when.
    pub(in crate::operators) fn caused_by(&mut self, cause: Option<Cause>) {
        self.cause = cause;
    }

    pub(in crate::operators) fn push(&mut self, kind: RowKind, place: Place, rank: usize) {
        if let Some(cause) = self.cause {
            self.causes.resize(self.kinds.len(), Cause::UNKNOWN);
            self.causes.push(cause);
        }
        self.kinds.push(kind);
        self.places.push(place);
        self.ranks.push(i64::try_from(rank).unwrap_or(i64::MAX));
    }

    pub(in crate::operators) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The rows of the changes: the first columns of what is kept, then the rank if it is wanted.
    pub(in crate::operators) fn take(
        &mut self,
        rows: &RowStore,
        schema: &SchemaRef,
        with_rank: bool,
    ) -> Result<Delta> {
        let kinds = std::mem::take(&mut self.kinds);
        let places = std::mem::take(&mut self.places);
        let ranks = std::mem::take(&mut self.ranks);
        let batch = rows.gather(&places)?;
        let mut columns = batch.columns().to_vec();
        columns.truncate(schema.fields().len() - usize::from(with_rank));
        if with_rank {
            let ranks: ArrayRef = Arc::new(Int64Array::from(ranks));
            columns.push(ranks);
        }
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        let n_changes = kinds.len();
        let changes = Delta::try_new(batch, kinds)?;
        if self.causes.is_empty() {
            return Ok(changes);
        }
        let mut causes = std::mem::take(&mut self.causes);
        causes.resize(n_changes, Cause::UNKNOWN);
        let watermarks = causes.iter().map(|cause| cause.watermark_ms).collect();
        let arrivals = causes.iter().map(|cause| cause.arrival).collect();
        changes
            .with_watermarks(Some(watermarks))?
            .with_arrivals(Some(arrivals))
    }
}
