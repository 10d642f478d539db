//! Changes that an operator sends about rows that it keeps: their places, kinds and ranks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::data::{Delta, RowKind};
use crate::error::Result;
use crate::operators::rowtime::{Cause, marked};
use crate::state::{Place, RowStore};

/// Changes in the order in which they will leave.
#[derive(Debug, Default)]
pub(in crate::operators) struct RankedChanges {
    kinds: Vec<RowKind>,
    places: Vec<Place>,
    ranks: Vec<i64>,
    /// Of the row that causes what is pushed now.
    cause: Option<Cause>,
    /// One a change.
    causes: Vec<Option<Cause>>,
}

impl RankedChanges {
    /// What is pushed from now on came with this row, or nobody knows when.
    pub(in crate::operators) fn caused_by(&mut self, cause: Option<Cause>) {
        self.cause = cause;
    }

    pub(in crate::operators) fn push(&mut self, kind: RowKind, place: Place, rank: usize) {
        self.causes.push(self.cause);
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
        let causes = std::mem::take(&mut self.causes);
        marked(Delta::try_new(batch, kinds)?, &causes)
    }
}
