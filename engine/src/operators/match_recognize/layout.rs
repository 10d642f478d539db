//! What a partial match remembers of its rows: not the rows, only what expressions will ask for.
//!
//! ```text
//!   LAST(B.x, 1)   ─▶  the last two rows of B       ┐ slots of rows
//!   FIRST(A.x)     ─▶  the first row of A           ┘
//!   SUM(B.x)       ─▶  a total                        kept up to date row by row
//!   COLLECT(B.x)   ─▶  the path of all rows           read again when it is asked for
//! ```
//!
//! A condition is asked of a row that is not in the match yet: for it `LAST(B.x, 1)` of a row that
//! would be a B is the last row of B so far, so that one row less is remembered.

use arrow::datatypes::DataType;

use super::cells::Cells;
use super::totals::{RunningAggregate, Total};
use super::{Formula, MatchSpec, Reference, Skip};

/// No row.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Rows of a variable, or of all, that are remembered: the first or the last so many.
#[derive(Debug, Clone, Copy)]
struct Capture {
    variable: Option<usize>,
    from_last: bool,
    depth: usize,
    /// Where its slots begin.
    at: usize,
}

/// What a partial match remembers.
#[derive(Debug)]
pub(super) struct Layout {
    captures: Vec<Capture>,
    pub(super) totals: Vec<RunningAggregate>,
    pub(super) n_slots: usize,
    /// Whether all rows are needed, because of aggregates that are computed anew.
    pub(super) keeps_paths: bool,
}

/// Where an expression finds a value of its.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the row that is asked about.
    Candidate,
    /// In this remembered row.
    Slot(usize),
    /// In this remembered row, or, while there is none but there is that other one, in the row that
    /// is asked about.
    SlotOrCandidate(usize, Option<usize>),
    /// This total. Says whether the row that is asked about counts too.
    Total(usize, bool),
    /// Computed from the path. Says the same.
    Path,
}

impl Layout {
    /// What the expressions of `spec` need.
    pub(super) fn of(spec: &MatchSpec, input_types: &[DataType], cells: &mut Cells) -> Self {
        let mut layout = Self {
            captures: Vec::new(),
            totals: Vec::new(),
            n_slots: 0,
            keeps_paths: false,
        };
        for (variable, of) in spec.variables.iter().enumerate() {
            if let Some(condition) = &of.condition {
                layout.add(condition, Some(variable), input_types);
            }
        }
        for measure in &spec.measures {
            layout.add(measure, None, input_types);
        }
        match spec.skip {
            Skip::ToFirst(variable) => layout.remember(Some(variable), false, 1),
            Skip::ToLast(variable) => layout.remember(Some(variable), true, 1),
            Skip::PastLastRow | Skip::ToNextRow => {}
        }
        for capture in &mut layout.captures {
            capture.at = layout.n_slots;
            layout.n_slots += capture.depth;
        }
        for total in &layout.totals {
            total.want(cells, input_types);
        }
        layout
    }

    fn add(&mut self, formula: &Formula, candidate: Option<usize>, input_types: &[DataType]) {
        for reference in &formula.references {
            match reference {
                Reference::Row {
                    variable,
                    from_last,
                    offset,
                    ..
                } => {
                    let is_meant = counts(candidate, *variable);
                    let depth = match from_last {
                        true if is_meant => *offset,
                        _ => *offset + 1,
                    };
                    self.remember(*variable, *from_last, depth);
                }
                Reference::Aggregate { variable, call } => {
                    match RunningAggregate::of(*variable, call, input_types) {
                        Some(total) if self.totals.iter().any(|known| known.is(&total)) => {}
                        Some(total) => self.totals.push(total),
                        None => self.keeps_paths = true,
                    }
                }
            }
        }
    }

    fn remember(&mut self, variable: Option<usize>, from_last: bool, depth: usize) {
        if depth == 0 {
            return;
        }
        let known = self
            .captures
            .iter_mut()
            .find(|known| known.variable == variable && known.from_last == from_last);
        match known {
            Some(known) => known.depth = known.depth.max(depth),
            None => self.captures.push(Capture {
                variable,
                from_last,
                depth,
                at: 0,
            }),
        }
    }

    /// Where `reference` is found by a condition on a row that would be a `candidate`; without one
    /// by a measure.
    pub(super) fn origin(
        &self,
        reference: &Reference,
        candidate: Option<usize>,
        input_types: &[DataType],
    ) -> Origin {
        match reference {
            Reference::Row {
                variable,
                from_last,
                offset,
                ..
            } => {
                let slot = |offset: usize| self.slot_of(*variable, *from_last, offset);
                match (from_last, counts(candidate, *variable), *offset) {
                    (true, true, 0) => Origin::Candidate,
                    (true, true, offset) => Origin::Slot(slot(offset - 1)),
                    (_, false, offset) => Origin::Slot(slot(offset)),
                    (false, true, offset) => {
                        let before = offset.checked_sub(1).map(slot);
                        Origin::SlotOrCandidate(slot(offset), before)
                    }
                }
            }
            Reference::Aggregate { variable, call } => {
                let total = RunningAggregate::of(*variable, call, input_types);
                let known = total.and_then(|total| {
                    let mut totals = self.totals.iter();
                    totals.position(|known| known.is(&total))
                });
                match known {
                    Some(known) => Origin::Total(known, counts(candidate, *variable)),
                    None => Origin::Path,
                }
            }
        }
    }

    /// Where the row `offset` away from the first or last of a variable is remembered; nowhere if
    /// nobody asks for it.
    pub(super) fn slot_of(&self, variable: Option<usize>, from_last: bool, offset: usize) -> usize {
        let mut captures = self.captures.iter();
        captures
            .find(|it| it.variable == variable && it.from_last == from_last && offset < it.depth)
            .map_or(usize::MAX, |capture| capture.at + offset)
    }

    /// Takes a row of `variable` into what is remembered. `gone` is told the rows that are not
    /// remembered there any more, `kept` how often the row is.
    pub(super) fn take(
        &self,
        variable: usize,
        slot: u32,
        slots: &mut [u32],
        mut gone: impl FnMut(u32),
    ) -> u32 {
        let mut n_kept = 0;
        for capture in &self.captures {
            if !counts(Some(variable), capture.variable) {
                continue;
            }
            let Some(of_capture) = slots.get_mut(capture.at..capture.at + capture.depth) else {
                continue;
            };
            if capture.from_last {
                if let Some(oldest) = of_capture.last()
                    && *oldest != NO_SLOT
                {
                    gone(*oldest);
                }
                of_capture.rotate_right(1);
                if let Some(first) = of_capture.first_mut() {
                    *first = slot;
                    n_kept += 1;
                }
            } else if let Some(place) = of_capture.iter_mut().find(|place| **place == NO_SLOT) {
                *place = slot;
                n_kept += 1;
            }
        }
        n_kept
    }

    /// Adds a row of `variable` to the totals.
    pub(super) fn add_up(&self, variable: usize, slot: u32, totals: &mut [Total], cells: &Cells) {
        for (aggregate, total) in self.totals.iter().zip(totals) {
            if counts(Some(variable), aggregate.variable) {
                aggregate.add(total, cells, slot);
            }
        }
    }
}

/// Whether a row of variable `candidate` is among the rows of `meant`: of all, without one.
fn counts(candidate: Option<usize>, meant: Option<usize>) -> bool {
    candidate.is_some_and(|candidate| meant.is_none_or(|meant| meant == candidate))
}
