//! The net change of a step: what is shown after it beside what was shown before.

use std::collections::HashMap;

use super::{Entry, TopN};
use crate::data::RowKind;
use crate::operators::rank::RankStrategy;
use crate::state::SortValue;

impl<K: SortValue> TopN<K> {
    pub(super) fn tell_net(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let start = self.spec.start.saturating_sub(1);
        let mut ids = Vec::with_capacity(touched.len());
        for (id, before) in touched {
            let end = self.end_of(id);
            let mut after: Vec<Entry<K>> = Vec::new();
            if let Some(partition) = self.partitions.get_mut(id as usize) {
                partition.is_touched = false;
                after.extend(partition.entries.range(start, end).cloned());
            }
            if self.is_by_rank() || self.spec.is_top_1() {
                self.tell_ranks(&before, &after);
            } else {
                self.tell_rows(before, after);
            }
            ids.push(id);
        }
        self.forget_empty(&ids);
    }

    fn tell_ranks(&mut self, before: &[Entry<K>], after: &[Entry<K>]) {
        for position in 0..before.len().max(after.len()) {
            let rank = self.spec.start + position;
            let place = |entry: &Entry<K>| self.rows.place(entry.slot);
            match (before.get(position), after.get(position)) {
                (Some(before), Some(after)) if before.slot == after.slot => {}
                (Some(before), Some(after)) => {
                    let (before, after) = (place(before), place(after));
                    self.changes.push(RowKind::UpdateBefore, before, rank);
                    self.changes.push(RowKind::UpdateAfter, after, rank);
                }
                (Some(before), None) => {
                    let place = place(before);
                    self.changes.push(RowKind::Delete, place, rank);
                }
                (None, Some(after)) => {
                    let place = place(after);
                    self.changes.push(RowKind::Insert, place, rank);
                }
                (None, None) => {}
            }
        }
    }

    fn tell_rows(&mut self, before: Vec<Entry<K>>, after: Vec<Entry<K>>) {
        let mut gone: HashMap<u32, Entry<K>> = before
            .iter()
            .map(|entry| (entry.slot, entry.clone()))
            .collect();
        let mut come = Vec::new();
        for entry in after {
            if gone.remove(&entry.slot).is_none() {
                come.push(entry);
            }
        }
        // A row that was taken back and came again, or has new content under its key.
        let mut by_tag: HashMap<u64, Vec<Entry<K>>> = HashMap::new();
        if !self.identity.is_empty() {
            for entry in gone.values() {
                by_tag.entry(entry.tag).or_default().push(entry.clone());
            }
        }
        let is_keyed = matches!(self.spec.strategy, RankStrategy::UpdateFast(_));
        let mut fresh = Vec::new();
        for entry in come {
            let place = self.rows.place(entry.slot);
            let partner = by_tag.get_mut(&entry.tag).and_then(|known| {
                let position = known.iter().position(|known| {
                    let known = self.rows.place(known.slot);
                    self.rows.equal_rows(known, place, &self.identity)
                })?;
                Some(known.swap_remove(position))
            });
            match partner {
                Some(partner) => {
                    gone.remove(&partner.slot);
                    if is_keyed {
                        let old = self.rows.place(partner.slot);
                        self.changes.push(RowKind::UpdateBefore, old, 0);
                        self.changes.push(RowKind::UpdateAfter, place, 0);
                    }
                }
                None => fresh.push(place),
            }
        }
        for entry in before {
            if gone.contains_key(&entry.slot) {
                let place = self.rows.place(entry.slot);
                self.changes.push(RowKind::Delete, place, 0);
            }
        }
        for place in fresh {
            self.changes.push(RowKind::Insert, place, 0);
        }
    }
}
