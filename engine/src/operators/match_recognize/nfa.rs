//! Partial matches of one partition, and what a row makes of them.
//!
//! ```text
//!   partial (element i, n rows in it) ── row ──▶ stay: (i, n + 1)       if it may have more
//!                                           └──▶ go on: (j, 1), j > i   if i has enough, and all
//!                                                                       between may have none
//! ```
//!
//! A row that could stay in a greedy element does not go on past it. A complete match leaves when no
//! partial match began before it; then the skip strategy ends others that began too early.

use super::{Element, Skip};
use crate::error::{EngineError, Result};

/// The node of a path that has no rows.
pub(super) const NO_NODE: u32 = u32::MAX;

/// A row of a partial match, with the rows before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) previous: u32,
    pub(super) variable: u32,
    pub(super) slot: u32,
    n_refs: u32,
}

/// The paths of all partial matches: rows that several share stand there once.
#[derive(Debug, Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

/// A row of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) variable: usize,
    pub(super) slot: u32,
}

impl Paths {
    /// A node behind `previous`, which it keeps.
    pub(super) fn add(&mut self, previous: u32, step: Step) -> u32 {
        if let Some(node) = self.nodes.get_mut(previous as usize) {
            node.n_refs += 1;
        }
        let node = Node {
            previous,
            variable: step.variable as u32,
            slot: step.slot,
            n_refs: 1,
        };
        match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.nodes.get_mut(id as usize) {
                    *place = node;
                }
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    pub(super) fn keep(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.n_refs += 1;
        }
    }

    /// Lets go of a node. `gone` is told the rows of nodes that nothing keeps any more.
    pub(super) fn release(&mut self, id: u32, mut gone: impl FnMut(u32)) {
        let mut id = id;
        while let Some(node) = self.nodes.get_mut(id as usize) {
            node.n_refs -= 1;
            if node.n_refs > 0 {
                return;
            }
            gone(node.slot);
            let previous = node.previous;
            self.free.push(id);
            id = previous;
        }
    }

    pub(super) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The rows up to a node, first to last.
    pub(super) fn path(&self, id: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut id = id;
        while let Some(node) = self.node(id) {
            steps.push(Step {
                variable: node.variable as usize,
                slot: node.slot,
            });
            id = node.previous;
        }
        steps.reverse();
        steps
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }
}

/// A match that has begun, or is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partial {
    pub(super) element: usize,
    pub(super) count: usize,
    /// What it remembers of its rows.
    pub(super) memo: u32,
    /// Number and time of its first row.
    pub(super) start: u64,
    pub(super) start_ms: i64,
    /// Number of its last row, once it is complete.
    pub(super) end: u64,
}

/// The matches of one partition.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// In the order of their first rows.
    pub(super) partial: Vec<Partial>,
    /// Complete ones that wait for partial ones that began earlier, in the order of first rows.
    pub(super) complete: Vec<Partial>,
}

/// Whether a row may go on from an element to later ones without having stayed in it.
fn is_passed(element: &Element, count: usize) -> bool {
    count >= element.min
}

/// The elements that a row can enter from (`element`, `count`), with the number of rows that they
/// have then. `holds` says whether the row satisfies the variable of an element.
pub(super) fn successors(
    elements: &[Element],
    element: usize,
    count: usize,
    entered: &mut Vec<(usize, usize)>,
    mut holds: impl FnMut(&Element) -> Result<bool>,
) -> Result<()> {
    entered.clear();
    let mut count = count;
    for (idx, current) in elements.iter().enumerate().skip(element) {
        let may_stay = current.max.is_none_or(|max| count < max);
        // A greedy element holds back what could stay, also where it is full.
        let fits = if may_stay || current.is_greedy {
            holds(current)?
        } else {
            false
        };
        if may_stay && fits {
            entered.push((idx, count + 1));
        }
        if !is_passed(current, count) || (current.is_greedy && fits) {
            break;
        }
        count = 0;
    }
    Ok(())
}

/// Whether [`successors`] may ask for the variable.
pub(super) fn reaches(elements: &[Element], element: usize, count: usize, variable: usize) -> bool {
    let mut count = count;
    for current in elements.iter().skip(element) {
        if current.variable == variable {
            return true;
        }
        if !is_passed(current, count) {
            return false;
        }
        count = 0;
    }
    false
}

/// Whether a match is complete with `count` rows in `element`: the rest of the pattern may be empty.
/// A greedy element that the row could enter holds it back.
pub(super) fn is_complete(
    elements: &[Element],
    element: usize,
    count: usize,
    mut holds: impl FnMut(&Element) -> Result<bool>,
) -> Result<bool> {
    let mut count = count;
    for current in elements.iter().skip(element) {
        if !is_passed(current, count) || (current.is_greedy && holds(current)?) {
            return Ok(false);
        }
        count = 0;
    }
    Ok(true)
}

/// Whether a partial match can be continued at all.
pub(super) fn can_continue(elements: &[Element], element: usize, count: usize) -> bool {
    let has_room = elements
        .get(element)
        .is_some_and(|current| current.max.is_none_or(|max| count < max));
    has_room || element + 1 < elements.len()
}

/// The first number from which on matches may begin, once this one has left. `number_of` gives the
/// number of its first or last row of a variable.
///
/// # Errors
/// Flink's, where a match has no row of the variable, or would be found again and again.
pub(super) fn first_allowed(
    skip: Skip,
    found: &Partial,
    number_of: impl Fn(usize, bool) -> Option<u64>,
    name: impl Fn(usize) -> String,
) -> Result<u64> {
    let (variable, from_last) = match skip {
        Skip::PastLastRow => return Ok(found.end + 1),
        Skip::ToNextRow => return Ok(found.start + 1),
        Skip::ToFirst(variable) => (variable, false),
        Skip::ToLast(variable) => (variable, true),
    };
    let Some(number) = number_of(variable, from_last) else {
        return Err(EngineError::Data {
            message: format!(
                "Could not skip to {}. No such element in the found match",
                name(variable)
            ),
        });
    };
    if number == found.start {
        return Err(EngineError::Data {
            message: "Could not skip to first element of a match.".to_owned(),
        });
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{is_complete, reaches, successors};
    use crate::operators::match_recognize::Element;

    fn element(variable: usize, min: usize, max: Option<usize>, is_greedy: bool) -> Element {
        Element {
            variable,
            min,
            max,
            is_greedy,
        }
    }

    fn entered(
        pattern: &[Element],
        element: usize,
        count: usize,
        holds: impl Fn(&Element) -> bool,
    ) -> Vec<(usize, usize)> {
        let mut entered = Vec::new();
        successors(pattern, element, count, &mut entered, |it| Ok(holds(it))).unwrap();
        entered
    }

    /// A B* C: a row that could be B is not taken for C.
    #[test]
    fn greedy_elements_hold_rows_back() {
        let pattern = [
            element(0, 1, Some(1), false),
            element(1, 0, None, true),
            element(2, 1, Some(1), false),
        ];
        let all = |_: &Element| true;
        let not_b = |it: &Element| it.variable != 1;
        assert_eq!(entered(&pattern, 0, 1, all), [(1, 1)]);
        assert_eq!(entered(&pattern, 0, 1, not_b), [(2, 1)]);
        assert_eq!(entered(&pattern, 1, 4, all), [(1, 5)]);
        assert_eq!(entered(&pattern, 1, 4, not_b), [(2, 1)]);
        assert!(is_complete(&pattern, 2, 1, |_| Ok(true)).unwrap());
        let reached: Vec<usize> = (0..3).filter(|it| reaches(&pattern, 0, 1, *it)).collect();
        assert_eq!(reached, [0, 1, 2]);
        assert!(!reaches(&pattern, 0, 0, 1), "the first row can only be A");
    }

    /// A B*? C: both ways are tried.
    #[test]
    fn reluctant_elements_do_not() {
        let pattern = [
            element(0, 1, Some(1), false),
            element(1, 0, None, false),
            element(2, 1, Some(1), false),
        ];
        assert_eq!(entered(&pattern, 0, 1, |_| true), [(1, 1), (2, 1)]);
        assert!(!is_complete(&pattern, 1, 1, |_| Ok(true)).unwrap());
    }
}
