//! Rows that only come, to an inner join by equal keys alone: each gives its pairs, and there is
//! nothing else to find out about it.

use super::output::{MAX_OUTPUT_ROWS, Rows};
use super::{Join, JoinKind};
use crate::data::{Delta, RowKind};
use crate::error::Result;
use crate::operators::Output;
use crate::state::arrangement::NONE;

impl Join {
    /// Whether [`Self::push_pairs`] does for `delta` what is done row by row.
    pub(super) fn gives_only_pairs(&self, delta: &Delta) -> bool {
        self.spec.kind == JoinKind::Inner
            && self.spec.residual.is_none()
            && self.written_ms == [None, None]
            && delta.kinds().is_none()
    }

    pub(super) fn push_pairs(
        &mut self,
        port: usize,
        delta: &Delta,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let columns = self.columns(port, delta)?;
        let ids = self.intern(port, &columns, n_rows)?;
        let known: Vec<u32> = (0_u32..)
            .zip(&ids)
            .filter_map(|(row, &id)| (id != NONE).then_some(row))
            .collect();
        let side = self.side_mut(port);
        for &id in &ids {
            side.add(id, 1);
        }
        side.insert(&columns, n_rows, &known, &ids)?;
        let mut pairs = Rows::default();
        for (row, &id) in (0_u32..).zip(&ids) {
            for other in self.side(1 - port).rows.rows_of(id) {
                pairs.pair(row, other, RowKind::Insert);
            }
            if pairs.len() >= MAX_OUTPUT_ROWS {
                self.emit(port, &columns, &mut pairs, out)?;
            }
        }
        self.emit(port, &columns, &mut pairs, out)?;
        self.side_mut(port).rows.settle()
    }
}
