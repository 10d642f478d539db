//! Net: the changes of a step taken together, once each.
//!
//! First each input's changes are folded, so that a row that came and went in the step is not
//! seen. Then rows go away on both sides, then rows come; no pair is made only to be taken back.
//!
//! ```text
//!   -L ⋈ R      -R ⋈ (L - ΔL)                       │ lonely rows  │       +L ⋈ R'    +R ⋈ L'
//!   ──────────── what goes: -D pairs ───────────────┼ -D …    +I … ┼── what comes: +I pairs ──▶
//! ```

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use hashbrown::HashTable;

use super::output::{MAX_OUTPUT_ROWS, Rows};
use super::{Join, JoinKind};
use crate::data::keys::hash_rows;
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::Output;
use crate::state::arrangement::{NONE, comparators};

/// The folded changes of one input.
struct Changes {
    columns: Vec<ArrayRef>,
    hashes: Vec<u64>,
    ids: Vec<u32>,
    /// Rows that go away.
    gone: Vec<u32>,
    /// Rows that come.
    come: Vec<u32>,
}

/// What rows and keys looked like before the step.
#[derive(Default)]
struct Before {
    /// By key: number of rows of each side. Without a residual condition.
    counts: HashMap<u32, [u32; 2], FixedState>,
    /// With a residual condition, by port.
    slots: [BeforeSlots; 2],
}

#[derive(Default)]
struct BeforeSlots {
    /// Number of partners of rows that were there.
    degrees: HashMap<u32, u32, FixedState>,
    /// Rows that have gone or come in the step.
    moved: HashSet<u32, FixedState>,
}

impl Before {
    fn slots(&mut self, port: usize) -> &mut BeforeSlots {
        let [left, right] = &mut self.slots;
        if port == 0 { left } else { right }
    }
}

/// A row that was there before and still is, and now has a partner or has none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turned {
    slot: u32,
    had_partner: bool,
}

/// Rows that leave, by the port of the row that they hang on.
#[derive(Default)]
struct Leaving([Rows; 2]);

impl Leaving {
    fn of(&mut self, port: usize) -> &mut Rows {
        let Self([left, right]) = self;
        if port == 0 { left } else { right }
    }
}

impl Join {
    pub(super) fn run_net_step(
        &mut self,
        pending: &[Vec<Delta>; 2],
        out: &mut Output,
    ) -> Result<()> {
        let [left, right] = pending;
        let changes = [self.folded(0, left)?, self.folded(1, right)?];
        let mut before = self.before(&changes);
        // What goes, pair by pair.
        let mut partners_of_gone = [Vec::new(), Vec::new()];
        for (port, counts) in (0..2).zip(&mut partners_of_gone) {
            *counts = self.take_out(port, &changes, &mut before, out)?;
        }
        for (port, changes) in changes.iter().enumerate() {
            let side = self.side_mut(port);
            for id in ids_of(changes, &changes.come) {
                side.add(id, 1);
            }
        }
        // Now, while all rows in the arrangements were there before.
        let mut turned = [0, 1].map(|port| self.turned_by_count(port, &before));
        // What comes, kept back until the lonely rows that go have been sent.
        let mut pairs = Leaving::default();
        let mut partners_of_new = [Vec::new(), Vec::new()];
        for (port, counts) in (0..2).zip(&mut partners_of_new) {
            *counts = self.put_in(port, &changes, &mut before, pairs.of(port), out)?;
        }
        for (port, turned) in turned.iter_mut().enumerate() {
            turned.extend(self.turned_by_degree(port, &before));
        }
        let mut going = self.lonely_departures(&changes, &partners_of_gone);
        let mut coming = Leaving::default();
        self.lonely_turned(&turned, &mut going, &mut coming);
        self.lonely_arrivals(&changes, &partners_of_new, &mut coming);
        for mut leaving in [going, coming, pairs] {
            for (port, changes) in changes.iter().enumerate() {
                self.emit(port, &changes.columns, leaving.of(port), out)?;
            }
        }
        for side in &mut self.sides {
            side.rows.settle()?;
        }
        for changes in &changes {
            self.forget_keys(ids_of(changes, &changes.gone));
        }
        Ok(())
    }

    /// The changes of a step, in one batch, without rows that come and go.
    fn folded(&mut self, port: usize, deltas: &[Delta]) -> Result<Changes> {
        let parts = deltas
            .iter()
            .map(|delta| self.columns(port, delta))
            .collect::<Result<Vec<_>>>()?;
        let columns = match parts.as_slice() {
            [one] => one.clone(),
            [] => Vec::new(),
            [first, ..] => (0..first.len())
                .map(|column| {
                    let arrays: Vec<_> = parts
                        .iter()
                        .filter_map(|part| part.get(column).map(AsRef::as_ref))
                        .collect();
                    Ok(concat(&arrays)?)
                })
                .collect::<Result<_>>()?,
        };
        let n_rows = deltas.iter().map(Delta::num_rows).sum();
        if n_rows == 0 {
            return Ok(Changes {
                columns,
                hashes: Vec::new(),
                ids: Vec::new(),
                gone: Vec::new(),
                come: Vec::new(),
            });
        }
        let hashes = self.side(port).rows.hashes(&columns, n_rows)?;
        let ids = self.intern(port, &columns, n_rows)?;
        let retracts = deltas.iter().any(|delta| delta.kinds().is_some());
        let (gone, come) = if retracts {
            let signs: Vec<i64> = deltas
                .iter()
                .flat_map(|delta| (0..delta.num_rows()).map(|row| delta.kind(row).sign()))
                .collect();
            match self.side(port).rows.hashes_whole_rows() {
                true => fold(&columns, &hashes, &signs)?,
                false => fold(&columns, &hash_rows(&columns, n_rows)?, &signs)?,
            }
        } else {
            (Vec::new(), (0..n_rows as u32).collect())
        };
        Ok(Changes {
            columns,
            hashes,
            ids,
            gone,
            come,
        })
    }

    /// The counts of the keys that the step touches, where they matter.
    fn before(&self, changes: &[Changes; 2]) -> Before {
        let mut before = Before::default();
        if self.spec.kind == JoinKind::Inner || self.counts_each() {
            return before;
        }
        for changes in changes {
            for rows in [&changes.gone, &changes.come] {
                for id in ids_of(changes, rows) {
                    let counts = [self.side(0).count(id), self.side(1).count(id)];
                    before.counts.entry(id).or_insert(counts);
                }
            }
        }
        before
    }

    /// Takes the rows out that go, and sends the pairs that go with them. Gives how many partners
    /// each had before the step.
    fn take_out(
        &mut self,
        port: usize,
        changes: &[Changes; 2],
        before: &mut Before,
        out: &mut Output,
    ) -> Result<Vec<u32>> {
        let Some(Changes {
            columns,
            hashes,
            ids,
            gone,
            ..
        }) = changes.get(port)
        else {
            return Ok(Vec::new());
        };
        let mut pairs = Rows::default();
        let mut equality = self.side(port).rows.equality(columns);
        let mut partners_before = Vec::with_capacity(gone.len());
        let gives_pairs = !self.spec.kind.is_left_only();
        let needs_partners = gives_pairs || self.counts_each();
        let mut place = 0;
        while place < gone.len() {
            let run = if needs_partners {
                self.matches(port, columns, gone, ids, place)?
            } else {
                super::residual::Matches::default()
            };
            let end = if needs_partners {
                run.rows().end
            } else {
                gone.len()
            };
            for (place, &row) in (place..end).zip(gone.iter().skip(place)) {
                let id = ids.get(row as usize).copied().unwrap_or(NONE);
                let hash = hashes.get(row as usize).copied().unwrap_or(0);
                let removed = match id {
                    NONE => None,
                    id => {
                        let rows = &mut self.side_mut(port).rows;
                        rows.remove(id, hash, &mut equality, row)?
                    }
                };
                let partners = run.of(place);
                partners_before.push(self.partners_before(port, id, removed, before));
                if let Some(slot) = removed {
                    before.slots(port).moved.insert(slot);
                    self.side_mut(port).gone(slot);
                    self.count_partners(1 - port, partners, -1, before);
                } else if id != NONE {
                    continue;
                }
                if gives_pairs {
                    for &other in partners {
                        pairs.pair(row, other, RowKind::Delete);
                    }
                    if pairs.len() >= MAX_OUTPUT_ROWS {
                        self.emit(port, columns, &mut pairs, out)?;
                    }
                }
            }
            place = end;
        }
        self.emit(port, columns, &mut pairs, out)?;
        Ok(partners_before)
    }

    /// How many partners a row that goes had before the step. [`NONE`] if the row is not there.
    fn partners_before(&self, port: usize, id: u32, removed: Option<u32>, before: &Before) -> u32 {
        if id == NONE {
            return 0;
        }
        let Some(slot) = removed else {
            return NONE;
        };
        if self.side(port).degrees.is_some() {
            let now = self.side(port).degree(slot);
            let known = before.slots.get(port);
            let before = known.and_then(|known| known.degrees.get(&slot).copied());
            return before.unwrap_or(now);
        }
        before
            .counts
            .get(&id)
            .and_then(|counts| counts.get(1 - port).copied())
            .unwrap_or(0)
    }

    /// Changes the counters of these rows of the side of `port`; remembers what they were.
    fn count_partners(&mut self, port: usize, slots: &[u32], change: i32, before: &mut Before) {
        let written_ms = self.written_ms(port);
        let side = self.side_mut(port);
        if side.degrees.is_none() {
            return;
        }
        for &slot in slots {
            let degree = side.degree(slot);
            let known = before.slots(port);
            if !known.moved.contains(&slot) {
                known.degrees.entry(slot).or_insert(degree);
            }
            side.set_degree(slot, degree.saturating_add_signed(change));
            side.write(slot, written_ms);
        }
    }

    /// Enters the rows that come, and collects their pairs. Gives the slot of each, or [`NONE`].
    fn put_in(
        &mut self,
        port: usize,
        changes: &[Changes; 2],
        before: &mut Before,
        pairs: &mut Rows,
        out: &Output,
    ) -> Result<Vec<u32>> {
        let Some(Changes {
            columns, ids, come, ..
        }) = changes.get(port)
        else {
            return Ok(Vec::new());
        };
        let known: Vec<u32> = come
            .iter()
            .copied()
            .filter(|&row| ids.get(row as usize) != Some(&NONE))
            .collect();
        let side = self.side_mut(port);
        let inserted = side.insert(columns, ids.len(), &known, ids)?;
        before.slots(port).moved.extend(inserted.replaced);
        let mut slots = inserted.slots.into_iter();
        let gives_pairs = !self.spec.kind.is_left_only();
        let needs_partners = gives_pairs || self.counts_each();
        let has_degrees = self.side(port).degrees.is_some();
        let mut slots_of_rows = Vec::with_capacity(come.len());
        let mut place = 0;
        while place < come.len() {
            let run = if needs_partners {
                self.matches(port, columns, come, ids, place)?
            } else {
                super::residual::Matches::default()
            };
            let end = if needs_partners {
                run.rows().end
            } else {
                come.len()
            };
            for (place, &row) in (place..end).zip(come.iter().skip(place)) {
                let is_known = ids.get(row as usize) != Some(&NONE);
                let slot = if is_known { slots.next() } else { None };
                slots_of_rows.push(slot.unwrap_or(NONE));
                let partners = run.of(place);
                if let Some(slot) = slot {
                    let written_ms = self.written_ms(port);
                    self.side_mut(port).write(slot, written_ms);
                }
                if let Some(slot) = slot
                    && has_degrees
                {
                    self.side_mut(port).set_degree(slot, partners.len() as u32);
                    before.slots(port).moved.insert(slot);
                }
                self.count_partners(1 - port, partners, 1, before);
                if gives_pairs {
                    for &other in partners {
                        pairs.pair(row, other, RowKind::Insert);
                    }
                }
            }
            out.require_room(pairs.n_bytes())?;
            place = end;
        }
        Ok(slots_of_rows)
    }

    /// Rows that have gone and were shown by themselves.
    fn lonely_departures(
        &self,
        changes: &[Changes; 2],
        partners_of_gone: &[Vec<u32>; 2],
    ) -> Leaving {
        let kind = self.spec.kind;
        let mut going = Leaving::default();
        for (port, (changes, partners)) in changes.iter().zip(partners_of_gone).enumerate() {
            if !kind.counts_partners(port) {
                continue;
            }
            for (&row, &partners) in changes.gone.iter().zip(partners) {
                if partners != NONE
                    && let Some(mark) = kind.lonely(port, partners > 0)
                {
                    going.of(port).marked(row, NONE, RowKind::Delete, mark);
                }
            }
        }
        going
    }

    /// Rows that stay and have got their first partner or lost their last one.
    fn lonely_turned(&self, turned: &[Vec<Turned>; 2], going: &mut Leaving, coming: &mut Leaving) {
        let kind = self.spec.kind;
        for (port, turned) in turned.iter().enumerate() {
            // They hang on the batch of the other side, whose other rows they are.
            let (going, coming) = (going.of(1 - port), coming.of(1 - port));
            for &Turned { slot, had_partner } in turned {
                if let Some(mark) = kind.lonely(port, had_partner) {
                    going.marked(NONE, slot, RowKind::Delete, mark);
                }
                if let Some(mark) = kind.lonely(port, !had_partner) {
                    coming.marked(NONE, slot, RowKind::Insert, mark);
                }
            }
        }
    }

    /// Without counters: by the number of rows of the key on the other side.
    fn turned_by_count(&self, port: usize, before: &Before) -> Vec<Turned> {
        let mut turned = Vec::new();
        if !self.spec.kind.counts_partners(port) || self.side(port).degrees.is_some() {
            return turned;
        }
        for (&key, counts) in &before.counts {
            let had_partner = counts.get(1 - port).is_some_and(|&count| count > 0);
            let has_partner = self.side(1 - port).count(key) > 0;
            if had_partner != has_partner {
                let rows = self.side(port).rows.rows_of(key);
                turned.extend(rows.map(|slot| Turned { slot, had_partner }));
            }
        }
        turned.sort_unstable();
        turned
    }

    fn turned_by_degree(&self, port: usize, before: &Before) -> Vec<Turned> {
        let Some(known) = before.slots.get(port) else {
            return Vec::new();
        };
        let mut turned: Vec<_> = known
            .degrees
            .iter()
            .filter(|&(slot, &had)| {
                let has = self.side(port).degree(*slot);
                (had > 0) != (has > 0) && !known.moved.contains(slot)
            })
            .map(|(&slot, &had)| Turned {
                slot,
                had_partner: had > 0,
            })
            .collect();
        turned.sort_unstable();
        turned
    }

    /// Rows that have come and are shown by themselves.
    fn lonely_arrivals(&self, changes: &[Changes; 2], slots: &[Vec<u32>; 2], coming: &mut Leaving) {
        let kind = self.spec.kind;
        for (port, (changes, slots)) in changes.iter().zip(slots).enumerate() {
            if !kind.counts_partners(port) {
                continue;
            }
            for (&row, &slot) in changes.come.iter().zip(slots) {
                let has_partner = slot != NONE
                    && if self.side(port).degrees.is_some() {
                        self.side(port).degree(slot) > 0
                    } else {
                        let id = changes.ids.get(row as usize).copied().unwrap_or(NONE);
                        self.side(1 - port).count(id) > 0
                    };
                if let Some(mark) = kind.lonely(port, has_partner) {
                    coming.of(port).marked(row, NONE, RowKind::Insert, mark);
                }
            }
        }
    }
}

/// The keys of rows, those that can have partners.
fn ids_of<'a>(changes: &'a Changes, rows: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    rows.iter()
        .filter_map(|&row| changes.ids.get(row as usize).copied())
        .filter(|&id| id != NONE)
}

/// The rows that go and those that come, after equal rows have met.
fn fold(columns: &[ArrayRef], hashes: &[u64], signs: &[i64]) -> Result<(Vec<u32>, Vec<u32>)> {
    let compare = comparators(columns, columns)?;
    let is_equal = |left: u32, right: u32| {
        compare
            .iter()
            .all(|compare| compare(left as usize, right as usize) == Ordering::Equal)
    };
    let hash = |row: u32| hashes.get(row as usize).copied().unwrap_or(0);
    // A row and how often it comes, less how often it goes.
    let mut table: HashTable<(u32, usize)> = HashTable::new();
    let mut sums: Vec<(u32, i64)> = Vec::new();
    for (row, &sign) in (0_u32..).zip(signs) {
        let found = table.find(hash(row), |&(other, _)| {
            hash(other) == hash(row) && is_equal(other, row)
        });
        match found.and_then(|&(_, place)| sums.get_mut(place)) {
            Some((_, sum)) => *sum += sign,
            None => {
                table.insert_unique(hash(row), (row, sums.len()), |&(other, _)| hash(other));
                sums.push((row, sign));
            }
        }
    }
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for (row, sum) in sums {
        let times = usize::try_from(sum.unsigned_abs())
            .map_err(|_| EngineError::internal("a row comes more often than can be counted"))?;
        let list = if sum < 0 { &mut gone } else { &mut come };
        list.extend(std::iter::repeat_n(row, times));
    }
    Ok((gone, come))
}
