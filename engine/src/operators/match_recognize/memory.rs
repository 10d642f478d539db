//! The rows that matches have, and what each match remembers of them.
//!
//! What a match remembers stands under a number (`Matches` hold it): slots of rows, totals, and the
//! path of all its rows where an aggregate needs it. A row is kept as long as something has it.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::MatchSpec;
use super::cells::{Cells, Value};
use super::layout::{Layout, NO_SLOT, Origin};
use super::nfa::{NO_NODE, Paths, Step};
use super::totals::Total;
use crate::error::Result;
use crate::state::RowStore;

/// What a match remembers that has no rows yet.
pub(super) const NOTHING: u32 = 0;

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) layout: Layout,
    pub(super) rows: RowStore,
    pub(super) cells: Cells,
    pub(super) paths: Paths,
    /// By slot: how many have the row.
    uses: Vec<u32>,
    /// By slot: the number of the row in the order in which rows were taken.
    numbers: Vec<u64>,
    /// By number of what is remembered, `layout.n_slots` each.
    slots: Vec<u32>,
    /// The same, `layout.totals` each.
    totals: Vec<Total>,
    /// The same: the last row of the path.
    nodes: Vec<u32>,
    free: Vec<u32>,
}

/// A match as an expression sees it: what is remembered, and the row that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) memo: u32,
    /// Variable and slot.
    pub(super) candidate: Option<(usize, u32)>,
}

impl Memory {
    pub(super) fn new(spec: &MatchSpec, input_types: &[DataType]) -> Self {
        let mut cells = Cells::default();
        let layout = Layout::of(spec, input_types, &mut cells);
        let mut memory = Self {
            layout,
            rows: RowStore::new(Arc::clone(&spec.input_schema)),
            cells,
            paths: Paths::default(),
            uses: Vec::new(),
            numbers: Vec::new(),
            slots: Vec::new(),
            totals: Vec::new(),
            nodes: Vec::new(),
            free: Vec::new(),
        };
        // The first one stays empty.
        memory.add_memo();
        memory
    }

    /// Keeps a row that has come, until [`Self::let_go`].
    pub(super) fn use_row(&mut self, slot: u32, number: u64) {
        let end = slot as usize + 1;
        if self.uses.len() < end {
            self.uses.resize(end, 0);
            self.numbers.resize(end, 0);
        }
        if let (Some(uses), Some(known)) = (
            self.uses.get_mut(slot as usize),
            self.numbers.get_mut(slot as usize),
        ) {
            *uses += 1;
            *known = number;
        }
    }

    /// Lets go of a row. It is readable until the rows settle.
    pub(super) fn let_go(&mut self, slot: u32) {
        if let Some(uses) = self.uses.get_mut(slot as usize) {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.rows.release(slot);
            }
        }
    }

    /// The number of the row of a slot.
    pub(super) fn number(&self, slot: u32) -> u64 {
        self.numbers.get(slot as usize).copied().unwrap_or_default()
    }

    /// The slots under a number.
    pub(super) fn slots(&self, memo: u32) -> &[u32] {
        let from = memo as usize * self.layout.n_slots;
        let slots = self.slots.get(from..from + self.layout.n_slots);
        slots.unwrap_or_default()
    }

    /// The totals under a number.
    pub(super) fn totals(&self, memo: u32) -> &[Total] {
        let n_totals = self.layout.totals.len();
        let from = memo as usize * n_totals;
        let totals = self.totals.get(from..from + n_totals);
        totals.unwrap_or_default()
    }

    /// The end of the path under a number.
    pub(super) fn node(&self, memo: u32) -> u32 {
        self.nodes.get(memo as usize).copied().unwrap_or(NO_NODE)
    }

    /// The same under a number of its own.
    pub(super) fn copied(&mut self, memo: u32) -> u32 {
        let copy = self.add_memo();
        let n_slots = self.layout.n_slots;
        let (from, to) = (memo as usize * n_slots, copy as usize * n_slots);
        if from + n_slots <= self.slots.len() {
            self.slots.copy_within(from..from + n_slots, to);
        }
        for idx in to..to + n_slots {
            if let Some(&slot) = self.slots.get(idx)
                && let Some(uses) = self.uses.get_mut(slot as usize)
            {
                *uses += 1;
            }
        }
        let n_totals = self.layout.totals.len();
        let from = memo as usize * n_totals;
        if from + n_totals <= self.totals.len() {
            let to = copy as usize * n_totals;
            self.totals.copy_within(from..from + n_totals, to);
        }
        let node = self.node(memo);
        if node != NO_NODE {
            self.paths.keep(node);
            if let Some(of_copy) = self.nodes.get_mut(copy as usize) {
                *of_copy = node;
            }
        }
        copy
    }

    /// Takes a row of `variable` into what stands under a number.
    pub(super) fn take(&mut self, memo: u32, variable: usize, slot: u32) {
        let n_slots = self.layout.n_slots;
        let from = memo as usize * n_slots;
        let mut gone = Vec::new();
        let mut n_uses = 0;
        if let Some(slots) = self.slots.get_mut(from..from + n_slots) {
            n_uses += self
                .layout
                .take(variable, slot, slots, |old| gone.push(old));
        }
        let n_totals = self.layout.totals.len();
        let from = memo as usize * n_totals;
        if let Some(totals) = self.totals.get_mut(from..from + n_totals) {
            self.layout.add_up(variable, slot, totals, &self.cells);
        }
        if self.layout.keeps_paths {
            let previous = self.node(memo);
            let node = self.paths.add(previous, Step { variable, slot });
            // The new node keeps it.
            self.paths.release(previous, |_| {});
            if let Some(of_memo) = self.nodes.get_mut(memo as usize) {
                *of_memo = node;
            }
            n_uses += 1;
        }
        if let Some(uses) = self.uses.get_mut(slot as usize) {
            *uses += n_uses;
        }
        for slot in gone {
            self.let_go(slot);
        }
    }

    /// Forgets what stands under a number.
    pub(super) fn forget(&mut self, memo: u32) {
        if memo == NOTHING {
            return;
        }
        let n_slots = self.layout.n_slots;
        let from = memo as usize * n_slots;
        for idx in from..from + n_slots {
            if let Some(place) = self.slots.get_mut(idx)
                && *place != NO_SLOT
            {
                let slot = std::mem::replace(place, NO_SLOT);
                self.let_go(slot);
            }
        }
        let n_totals = self.layout.totals.len();
        let from = memo as usize * n_totals;
        if let Some(totals) = self.totals.get_mut(from..from + n_totals) {
            totals.fill(Total::default());
        }
        if let Some(node) = self.nodes.get_mut(memo as usize) {
            let node = std::mem::replace(node, NO_NODE);
            let mut gone = Vec::new();
            self.paths.release(node, |slot| gone.push(slot));
            for slot in gone {
                self.let_go(slot);
            }
        }
        self.free.push(memo);
    }

    /// What is restored under a number of its own; the rows are used by it.
    pub(super) fn restored(&mut self, slots: &[u32], totals: &[Total], node: u32) -> u32 {
        let memo = self.add_memo();
        let from = memo as usize * self.layout.n_slots;
        for (idx, &slot) in slots.iter().enumerate() {
            if let Some(place) = self.slots.get_mut(from + idx) {
                *place = slot;
            }
            if let Some(uses) = self.uses.get_mut(slot as usize) {
                *uses += 1;
            }
        }
        let from = memo as usize * self.layout.totals.len();
        for (idx, &total) in totals.iter().enumerate() {
            if let Some(place) = self.totals.get_mut(from + idx) {
                *place = total;
            }
        }
        if node != NO_NODE {
            self.paths.keep(node);
            if let Some(of_memo) = self.nodes.get_mut(memo as usize) {
                *of_memo = node;
            }
        }
        memo
    }

    /// The row in which `view` finds what comes from there.
    #[inline]
    pub(super) fn slot_at(&self, view: View, origin: Origin) -> Option<u32> {
        let candidate = view.candidate.map(|(_, slot)| slot);
        let remembered = |at: usize| {
            let slot = self.slots(view.memo).get(at).copied();
            slot.filter(|slot| *slot != NO_SLOT)
        };
        match origin {
            Origin::Candidate => candidate,
            Origin::Slot(at) => remembered(at),
            Origin::SlotOrCandidate(at, before) => match remembered(at) {
                Some(slot) => Some(slot),
                None if before.is_none_or(|before| remembered(before).is_some()) => candidate,
                None => None,
            },
            Origin::Total(..) | Origin::Path => None,
        }
    }

    /// A total of `view`.
    #[inline]
    pub(super) fn total_at(&self, view: View, idx: usize, with_candidate: bool) -> Total {
        let total = self.totals(view.memo).get(idx).copied();
        let mut total = total.unwrap_or_default();
        if with_candidate
            && let (Some(aggregate), Some((_, slot))) =
                (self.layout.totals.get(idx), view.candidate)
        {
            aggregate.add(&mut total, &self.cells, slot);
        }
        total
    }

    /// The value that `view` finds there, of the column if it is one of a row.
    #[inline]
    pub(super) fn value_at(&self, view: View, origin: Origin, column: usize) -> Value<'_> {
        if let Origin::Total(idx, with_candidate) = origin {
            let total = self.total_at(view, idx, with_candidate);
            let aggregate = self.layout.totals.get(idx);
            return aggregate.map_or(Value::Null, |aggregate| aggregate.value(&total));
        }
        match self.slot_at(view, origin) {
            Some(slot) => self.cells.value(column, slot),
            None => Value::Null,
        }
    }

    /// All rows of `view`, first to last.
    pub(super) fn path(&self, view: View) -> Vec<Step> {
        let mut path = self.paths.path(self.node(view.memo));
        path.extend(
            view.candidate
                .map(|(variable, slot)| Step { variable, slot }),
        );
        path
    }

    /// Moves rows together; slots that nothing has are given out again.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.rows.settle()
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.rows.state_bytes()
            + self.cells.state_bytes()
            + self.paths.state_bytes()
            + (self.uses.capacity() + self.slots.capacity() + self.nodes.capacity())
                * size_of::<u32>()
            + self.free.capacity() * size_of::<u32>()
            + self.numbers.capacity() * size_of::<u64>()
            + self.totals.capacity() * size_of::<Total>()
    }

    fn add_memo(&mut self) -> u32 {
        if let Some(memo) = self.free.pop() {
            return memo;
        }
        let memo = self.nodes.len() as u32;
        self.nodes.push(NO_NODE);
        let n_slots = self.slots.len() + self.layout.n_slots;
        self.slots.resize(n_slots, NO_SLOT);
        let n_totals = self.totals.len() + self.layout.totals.len();
        self.totals.resize(n_totals, Total::default());
        memo
    }
}
