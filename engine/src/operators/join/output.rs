//! The rows that leave a join: first as numbers, then gathered column by column.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;

use super::Join;
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::Output;
use crate::state::arrangement::NONE;

/// Rows of one delta: what comes out is sent on in parts that fit into the cache.
pub(super) const MAX_OUTPUT_ROWS: usize = 8_192;

/// Rows that leave: a row of the batch that came in beside a slot of the other side. [`NONE`]
/// stands for no row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    own: Vec<u32>,
    other: Vec<u32>,
    kinds: Vec<RowKind>,
    marks: Vec<bool>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Bytes of memory, roughly.
    pub(super) fn n_bytes(&self) -> usize {
        self.len() * (2 * size_of::<u32>() + size_of::<RowKind>() + size_of::<bool>())
    }

    pub(super) fn pair(&mut self, own: u32, other: u32, kind: RowKind) {
        self.marked(own, other, kind, true);
    }

    pub(super) fn marked(&mut self, own: u32, other: u32, kind: RowKind, mark: bool) {
        self.own.push(own);
        self.other.push(other);
        self.kinds.push(kind);
        self.marks.push(mark);
    }

    fn clear(&mut self) {
        self.own.clear();
        self.other.clear();
        self.kinds.clear();
        self.marks.clear();
    }
}

impl Join {
    /// Sends `rows` on, of which the own ones are rows of `columns`, which came in at `port`.
    pub(super) fn emit(
        &self,
        port: usize,
        columns: &[ArrayRef],
        rows: &mut Rows,
        out: &mut Output,
    ) -> Result<()> {
        let mut start = 0;
        while start < rows.len() {
            let end = rows.len().min(start + MAX_OUTPUT_ROWS);
            let delta = self.gather(port, columns, rows, start, end)?;
            out.emit(delta);
            out.require_room(0)?;
            start = end;
        }
        rows.clear();
        Ok(())
    }

    fn gather(
        &self,
        port: usize,
        columns: &[ArrayRef],
        rows: &Rows,
        start: usize,
        end: usize,
    ) -> Result<Delta> {
        let part = |all: &[u32]| all.get(start..end).unwrap_or_default().to_vec();
        let own = part(&rows.own);
        let other = part(&rows.other);
        let own = if own.contains(&NONE) {
            own.iter()
                .map(|&row| (row != NONE).then_some(row))
                .collect()
        } else {
            UInt32Array::from(own)
        };
        let located = self.side(1 - port).rows.locate(&other);
        let is_left_only = self.spec.kind.is_left_only();
        let mut gathered: Vec<ArrayRef> = Vec::with_capacity(self.spec.schema.fields().len());
        for side_port in 0..=usize::from(!is_left_only) {
            for &column in &self.input(side_port).output {
                gathered.push(if side_port == port {
                    let column = columns.get(column).ok_or_else(|| {
                        EngineError::internal("a join gives a column that its input lacks")
                    })?;
                    take(column.as_ref(), &own, None)?
                } else {
                    self.side(side_port).rows.gather(column, &located)?
                });
            }
        }
        if self.spec.kind == super::JoinKind::Mark {
            let marks = rows.marks.get(start..end).unwrap_or_default();
            gathered.push(Arc::new(BooleanArray::from(marks.to_vec())));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(end - start));
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new_with_options(schema, gathered, &options)?;
        let kinds = rows.kinds.get(start..end).unwrap_or_default().to_vec();
        Delta::try_new(batch, kinds)
    }
}
