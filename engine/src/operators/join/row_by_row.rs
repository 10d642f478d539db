//! Row by row: the changes that each row makes, at once, with Flink's kinds in Flink's order.
//!
//! ```text
//!   a row comes   to a side without outer rows: the pairs, with the kind of the row
//!                 meets rows that were alone:   -D (·, NULL) of these, then +I pairs
//!                 meets nobody, outer side:     +I (row, NULL)
//!   a row goes    the pairs, with the kind of the row (-D if its side is outer),
//!                 then +I (·, NULL) of those that are alone now
//! ```

use super::output::{MAX_OUTPUT_ROWS, Rows};
use super::residual::Matches;
use super::{Join, JoinKind};
use crate::data::{Delta, RowKind};
use crate::error::Result;
use crate::operators::Output;
use crate::state::arrangement::{NONE, RowEquality};

/// A row on its way in.
struct Arrival<'a> {
    port: usize,
    row: u32,
    kind: RowKind,
    key: u32,
    /// Its partners; left empty where only their number matters.
    partners: &'a [u32],
    n_partners: u32,
}

const fn is_added(kind: RowKind) -> bool {
    matches!(kind, RowKind::Insert | RowKind::UpdateAfter)
}

impl Join {
    pub(super) fn push_row_by_row(
        &mut self,
        port: usize,
        delta: &Delta,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let columns = self.columns(port, delta)?;
        let ids = self.intern(port, &columns, n_rows)?;
        let hashes = self.side(port).rows.hashes(&columns, n_rows)?;
        let added: Vec<u32> = (0_u32..)
            .zip(&ids)
            .filter(|&(row, &id)| id != NONE && is_added(delta.kind(row as usize)))
            .map(|(row, _)| row)
            .collect();
        let side = self.side_mut(port);
        let slots = side.rows.place(&columns, n_rows, &added, &ids, &hashes)?;
        let mut slots = slots.into_iter();
        let mut equality = side.rows.equality(&columns);
        let rows: Vec<u32> = (0..n_rows as u32).collect();
        let needs_partners = self.needs_partners();
        let mut matches = Matches::default();
        let mut changes = Rows::default();
        for (row, &key) in (0_u32..).zip(&ids) {
            let place = row as usize;
            if needs_partners && !matches.rows().contains(&place) {
                matches = self.matches(port, &columns, &rows, &ids, place)?;
            }
            let kind = delta.kind(place);
            let partners = matches.of(place);
            let n_partners = match (key, needs_partners) {
                (NONE, _) => 0,
                (_, true) => partners.len() as u32,
                (_, false) => self.side(1 - port).count(key),
            };
            let arrival = Arrival {
                port,
                row,
                kind,
                key,
                partners,
                n_partners,
            };
            self.change(&arrival, &mut changes);
            self.enter(&arrival, &hashes, &mut slots, &mut equality)?;
            if changes.len() >= MAX_OUTPUT_ROWS {
                self.emit(port, &columns, &mut changes, out)?;
            }
        }
        self.emit(port, &columns, &mut changes, out)?;
        self.close(delta, &ids, port)
    }

    /// Whether the partners of a row must be known one by one, or their number is enough.
    fn needs_partners(&self) -> bool {
        self.counts_each() || !self.spec.kind.is_left_only()
    }

    fn change(&mut self, arrival: &Arrival<'_>, changes: &mut Rows) {
        if self.spec.kind.is_left_only() {
            self.change_left_only(arrival, changes);
        } else if is_added(arrival.kind) {
            self.change_added(arrival, changes);
        } else {
            self.change_retracted(arrival, changes);
        }
    }

    fn change_added(&mut self, arrival: &Arrival<'_>, changes: &mut Rows) {
        let &Arrival {
            port, row, kind, ..
        } = arrival;
        let is_outer = self.spec.kind.is_outer(port);
        if arrival.partners.is_empty() {
            if is_outer {
                changes.pair(row, NONE, RowKind::Insert);
            }
            return;
        }
        let is_other_outer = self.spec.kind.is_outer(1 - port);
        if is_other_outer {
            for &other in arrival.partners {
                if self.partners_of(arrival, other) == 0 {
                    changes.pair(NONE, other, RowKind::Delete);
                }
            }
            self.count_partner(arrival, 1);
        }
        let kind = if is_outer || is_other_outer {
            RowKind::Insert
        } else {
            kind
        };
        for &other in arrival.partners {
            changes.pair(row, other, kind);
        }
    }

    fn change_retracted(&mut self, arrival: &Arrival<'_>, changes: &mut Rows) {
        let &Arrival {
            port, row, kind, ..
        } = arrival;
        let is_outer = self.spec.kind.is_outer(port);
        if arrival.partners.is_empty() {
            if is_outer {
                changes.pair(row, NONE, RowKind::Delete);
            }
            return;
        }
        let kind = if is_outer { RowKind::Delete } else { kind };
        for &other in arrival.partners {
            changes.pair(row, other, kind);
        }
        if self.spec.kind.is_outer(1 - port) {
            for &other in arrival.partners {
                if self.partners_of(arrival, other) == 1 {
                    changes.pair(NONE, other, RowKind::Insert);
                }
            }
            self.count_partner(arrival, -1);
        }
    }

    fn change_left_only(&mut self, arrival: &Arrival<'_>, changes: &mut Rows) {
        let &Arrival {
            port, row, kind, ..
        } = arrival;
        if port == 0 {
            let shown = self.spec.kind.lonely(0, arrival.n_partners > 0);
            if let Some(mark) = shown {
                changes.marked(row, NONE, kind, mark);
            }
            return;
        }
        let is_added = is_added(kind);
        // The number of partners at which the new one is the first, or this one was the last.
        let turning_point = u32::from(!is_added);
        let turned: Vec<u32> = if self.needs_partners() {
            let partners = arrival.partners.iter().copied();
            partners
                .filter(|&other| self.partners_of(arrival, other) == turning_point)
                .collect()
        } else if arrival.key != NONE && self.side(1).count(arrival.key) == turning_point {
            self.side(0).rows.rows_of(arrival.key).collect()
        } else {
            Vec::new()
        };
        for other in turned {
            match (self.spec.kind, is_added) {
                (JoinKind::Anti, true) => changes.pair(NONE, other, RowKind::Delete),
                (JoinKind::Anti, false) => changes.pair(NONE, other, RowKind::Insert),
                (JoinKind::Mark, _) => {
                    changes.marked(NONE, other, RowKind::Delete, !is_added);
                    changes.marked(NONE, other, RowKind::Insert, is_added);
                }
                _ => changes.pair(NONE, other, kind),
            }
        }
        self.count_partner(arrival, if is_added { 1 } else { -1 });
    }

    /// How many partners the row `other` of the other side had before this arrival.
    fn partners_of(&self, arrival: &Arrival<'_>, other: u32) -> u32 {
        let other_side = self.side(1 - arrival.port);
        if other_side.degrees.is_some() {
            other_side.degree(other)
        } else {
            self.side(arrival.port).count(arrival.key)
        }
    }

    /// Counts the arrival at each of its partners, if they have counters.
    fn count_partner(&mut self, arrival: &Arrival<'_>, change: i32) {
        let written_ms = self.written_ms(1 - arrival.port);
        let side = self.side_mut(1 - arrival.port);
        if side.degrees.is_none() {
            return;
        }
        for &other in arrival.partners {
            let degree = side.degree(other).saturating_add_signed(change);
            side.set_degree(other, degree);
            side.write(other, written_ms);
        }
    }

    /// Counts the row in its own side, or takes it out.
    fn enter(
        &mut self,
        arrival: &Arrival<'_>,
        hashes: &[u64],
        slots: &mut impl Iterator<Item = u32>,
        equality: &mut RowEquality,
    ) -> Result<()> {
        let &Arrival { port, row, key, .. } = arrival;
        if key == NONE {
            return Ok(());
        }
        let written_ms = self.written_ms(port);
        let side = self.side_mut(port);
        if is_added(arrival.kind) {
            side.add(key, 1);
            if let Some(slot) = slots.next() {
                if let Some(replaced) = side.rows.enter(slot, equality, row)? {
                    side.gone(replaced);
                }
                side.set_degree(slot, arrival.n_partners);
                side.write(slot, written_ms);
            }
            return Ok(());
        }
        let hash = hashes.get(row as usize).copied().unwrap_or(0);
        // A row that is not there has been forgotten, as Flink has it.
        if let Some(slot) = side.rows.remove(key, hash, equality, row)? {
            side.gone(slot);
        }
        Ok(())
    }

    fn close(&mut self, delta: &Delta, ids: &[u32], port: usize) -> Result<()> {
        self.side_mut(port).rows.settle()?;
        if let Some(kinds) = delta.kinds() {
            let retracted: Vec<u32> = kinds
                .iter()
                .zip(ids)
                .filter(|(kind, _)| !is_added(**kind))
                .map(|(_, &id)| id)
                .collect();
            self.forget_keys(retracted);
        }
        Ok(())
    }
}
