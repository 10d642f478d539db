//! DISTINCT inside an aggregate: how often each value stands in each group. Only the first one
//! that comes and the last one that goes reach the aggregate.
//!
//! ```text
//!   group ─▶ head ─▶ (value, count) ⇄ (value, count) ⇄ …      the values of a group are chained,
//!                                                             so that a group can be let go
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::values::{lists, saved_lists};
use super::{AggregateInput, saved_column};
use crate::error::Result;
use crate::state::KeyIndex;

/// Multiplicities of (group, values of the arguments).
pub(super) struct Distinct {
    index: KeyIndex,
    /// By the id of (group, values).
    entries: Vec<Entry>,
    /// By group: the first entry of its chain.
    heads: Vec<u32>,
    ids: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    count: i64,
    next: u32,
    previous: u32,
    group: u32,
}

/// No entry.
const NONE: u32 = u32::MAX;

const ABSENT: Entry = Entry {
    count: 0,
    next: NONE,
    previous: NONE,
    group: NONE,
};

impl Distinct {
    pub(super) fn try_new(arguments: &[DataType]) -> Result<Self> {
        let mut key = vec![DataType::UInt32];
        key.extend_from_slice(arguments);
        Ok(Self {
            index: KeyIndex::try_new(&key)?,
            entries: Vec::new(),
            heads: Vec::new(),
            ids: Vec::new(),
        })
    }

    /// Counts the rows and gives those that change what is distinct.
    pub(super) fn update(&mut self, input: &AggregateInput<'_>) -> Result<BooleanBuffer> {
        self.enter(input.groups, input.arguments)?;
        let ids = std::mem::take(&mut self.ids);
        let mut gone = Vec::new();
        let changing = BooleanBuffer::collect_bool(input.groups.len(), |row_idx| {
            let counted = input.counted.is_none_or(|counted| counted.value(row_idx));
            let sign = input
                .signs
                .and_then(|signs| signs.get(row_idx).copied())
                .map_or(1, i64::from);
            let id = ids.get(row_idx).copied().unwrap_or_default();
            let group = input.groups.get(row_idx).copied().unwrap_or_default();
            let (before, after) = self.add(id, group, if counted { sign } else { 0 });
            if after == 0 {
                gone.push(id);
            }
            (before > 0) != (after > 0)
        });
        self.ids = ids;
        self.forget(&gone);
        Ok(changing)
    }

    /// Forgets all values of a group.
    pub(super) fn clear(&mut self, group: u32) {
        let ids: Vec<u32> = self.chain(group).collect();
        for &id in &ids {
            if let Some(entry) = self.entries.get_mut(id as usize) {
                entry.count = 0;
            }
        }
        self.forget(&ids);
    }

    /// The values of these groups: a list of (value, …, count) each.
    pub(super) fn save(&self, groups: &[u32]) -> Result<ArrayRef> {
        let (mut lengths, mut ids, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for &group in groups {
            let first = ids.len();
            ids.extend(self.chain(group));
            // The latest stands first in the chain; aggregates that depend on the order want to
            // see the values again as they came.
            if let Some(chain) = ids.get_mut(first..) {
                chain.reverse();
                counts.extend(chain.iter().map(|&id| self.entry(id).count));
                lengths.push(chain.len());
            }
        }
        let columns = self.index.keys(&ids)?;
        let mut items: Vec<(&str, ArrayRef)> = columns
            .into_iter()
            .skip(1)
            .map(|column| ("value", column))
            .collect();
        items.push(("count", Arc::new(Int64Array::from(counts))));
        lists(lengths, items)
    }

    /// Adds what [`Self::save`] gave. Gives the values that the groups did not have: the columns
    /// of the arguments, and the group of each.
    pub(super) fn restore(
        &mut self,
        groups: &[u32],
        column: &ArrayRef,
    ) -> Result<(Vec<ArrayRef>, Vec<u32>)> {
        let saved = saved_lists(std::slice::from_ref(column), 0, |items| Ok(items.to_vec()))?;
        let (mut places, mut place_groups) = (Vec::new(), Vec::new());
        for (row_idx, &group) in groups.iter().enumerate() {
            for place in saved.places(row_idx) {
                places.push(u32::try_from(place).unwrap_or(u32::MAX));
                place_groups.push(group);
            }
        }
        let places = UInt32Array::from(places);
        let mut columns = saved
            .items
            .iter()
            .map(|column| Ok(arrow::compute::take(column, &places, None)?))
            .collect::<Result<Vec<_>>>()?;
        let last = columns.len().saturating_sub(1);
        let counts: Int64Array = saved_column(&columns, last)?;
        columns.truncate(last);
        self.enter(&place_groups, &columns)?;
        let ids = std::mem::take(&mut self.ids);
        let (mut fresh, mut fresh_groups) = (Vec::new(), Vec::new());
        for (place, (&id, &group)) in (0_u32..).zip(ids.iter().zip(&place_groups)) {
            let (before, after) = self.add(id, group, counts.value(place as usize));
            if before <= 0 && after > 0 {
                fresh.push(place);
                fresh_groups.push(group);
            }
        }
        self.ids = ids;
        let fresh = UInt32Array::from(fresh);
        let columns = columns
            .iter()
            .map(|column| Ok(arrow::compute::take(column, &fresh, None)?))
            .collect::<Result<Vec<_>>>()?;
        Ok((columns, fresh_groups))
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.entries.capacity() * size_of::<Entry>()
            + self.heads.capacity() * size_of::<u32>()
    }

    /// Finds the ids of the rows, and makes place for them.
    fn enter(&mut self, groups: &[u32], arguments: &[ArrayRef]) -> Result<()> {
        let mut key: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups.to_vec()))];
        key.extend(arguments.iter().map(Arc::clone));
        self.index.intern(&key, groups.len(), &mut self.ids)?;
        if self.entries.len() < self.index.end() {
            self.entries.resize(self.index.end(), ABSENT);
        }
        let n_groups = groups.iter().max().map_or(0, |&group| group as usize + 1);
        if self.heads.len() < n_groups {
            self.heads.resize(n_groups, NONE);
        }
        Ok(())
    }

    /// Changes a count; gives it as it was and as it is.
    #[inline]
    fn add(&mut self, id: u32, group: u32, change: i64) -> (i64, i64) {
        let Some(entry) = self.entries.get_mut(id as usize) else {
            return (0, 0);
        };
        let before = entry.count;
        entry.count += change;
        let after = entry.count;
        let is_linked = entry.group != NONE;
        // A value that comes back comes as the latest.
        if !is_linked || (before <= 0 && after > 0) {
            if is_linked {
                self.unlink(id);
            }
            self.link(id, group);
        }
        (before, after)
    }

    /// Puts an entry at the head of its group's chain.
    fn link(&mut self, id: u32, group: u32) {
        let (Some(head), Some(entry)) = (
            self.heads.get_mut(group as usize),
            self.entries.get_mut(id as usize),
        ) else {
            return;
        };
        entry.group = group;
        entry.next = *head;
        entry.previous = NONE;
        let second = std::mem::replace(head, id);
        if let Some(second) = self.entries.get_mut(second as usize) {
            second.previous = id;
        }
    }

    /// Takes an entry out of its group's chain.
    fn unlink(&mut self, id: u32) {
        let Entry {
            next,
            previous,
            group,
            ..
        } = self.entry(id);
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(group as usize) {
                    *head = next;
                }
            }
        }
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
    }

    /// Lets go the entries whose count is 0.
    fn forget(&mut self, ids: &[u32]) {
        for &id in ids {
            let Entry { count, group, .. } = self.entry(id);
            if count != 0 || group == NONE {
                continue;
            }
            self.unlink(id);
            if let Some(entry) = self.entries.get_mut(id as usize) {
                *entry = ABSENT;
            }
            self.index.remove(id);
        }
    }

    fn entry(&self, id: u32) -> Entry {
        self.entries.get(id as usize).copied().unwrap_or(ABSENT)
    }

    /// The entries of a group.
    fn chain(&self, group: u32) -> impl Iterator<Item = u32> {
        let head = self.heads.get(group as usize).copied().unwrap_or(NONE);
        std::iter::successors((head != NONE).then_some(head), |&id| {
            let next = self.entry(id).next;
            (next != NONE).then_some(next)
        })
    }
}
