//! Values in the order in which they came, for aggregates that depend on it (LISTAGG, ARRAY_AGG,
//! FIRST_VALUE): taking one back takes its earliest occurrence.
//!
//! ```text
//!   entries   a  b  -  c  b      a gone one leaves a hole until there are too many
//!                ▲        ▲
//!   places    b ─┴────────┘      made at the first retraction from a long list
//! ```

use std::collections::{BTreeMap, VecDeque};

/// Entries up to which the one to take back is searched for from the front.
const MAX_SEARCHED: usize = 32;
/// Holes up to which nothing is moved.
const MAX_HOLES: usize = 32;

/// A bag that knows the order of arrival.
#[derive(Debug, Clone)]
pub struct Arrivals<T> {
    /// None is a hole. The first and the last entry are none.
    entries: VecDeque<Option<T>>,
    n_values: usize,
    /// By value: its places, counted from the first entry that ever was, earliest first.
    places: Option<BTreeMap<T, VecDeque<u64>>>,
    /// The place of the first entry.
    first_place: u64,
    /// Values taken back before they came, with their number.
    debts: Vec<(T, usize)>,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            n_values: 0,
            places: None,
            first_place: 0,
            debts: Vec::new(),
        }
    }
}

impl<T: Ord + Clone> Arrivals<T> {
    /// A value has come. Whether it stays: it does not if it had been taken back before.
    pub fn add(&mut self, value: T) -> bool {
        if let Some(at) = self.debts.iter().position(|(debt, _)| *debt == value) {
            if let Some((_, n_times)) = self.debts.get_mut(at) {
                *n_times -= 1;
                if *n_times == 0 {
                    self.debts.swap_remove(at);
                }
            }
            return false;
        }
        if let Some(places) = &mut self.places {
            let place = self.first_place + self.entries.len() as u64;
            places.entry(value.clone()).or_default().push_back(place);
        }
        self.entries.push_back(Some(value));
        self.n_values += 1;
        true
    }

    /// Takes back the earliest `value`. Whether it was there; if not, the next one that comes will
    /// not stay.
    pub fn remove(&mut self, value: &T) -> bool {
        let Some(at) = self.find(value) else {
            match self.debts.iter_mut().find(|(debt, _)| debt == value) {
                Some((_, n_times)) => *n_times += 1,
                None => self.debts.push((value.clone(), 1)),
            }
            return false;
        };
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = None;
            self.n_values -= 1;
        }
        while self.entries.front().is_some_and(Option::is_none) {
            self.entries.pop_front();
            self.first_place += 1;
        }
        while self.entries.back().is_some_and(Option::is_none) {
            self.entries.pop_back();
        }
        let n_holes = self.entries.len() - self.n_values;
        if n_holes > MAX_HOLES && n_holes > self.n_values {
            self.entries.retain(Option::is_some);
            self.places = None;
        }
        true
    }

    /// The values that are there, in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    /// The earliest value.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.entries.front()?.as_ref()
    }

    /// The latest value.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.entries.back()?.as_ref()
    }

    /// Number of values that are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_values
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_values == 0
    }

    /// The index of the earliest entry of `value`, which is taken out of the places.
    fn find(&mut self, value: &T) -> Option<usize> {
        if self.places.is_none() && self.entries.len() <= MAX_SEARCHED {
            let mut entries = self.entries.iter();
            return entries.position(|entry| entry.as_ref() == Some(value));
        }
        let (entries, first_place) = (&self.entries, self.first_place);
        let places = self.places.get_or_insert_with(|| {
            let mut places: BTreeMap<T, VecDeque<u64>> = BTreeMap::new();
            for (place, entry) in (first_place..).zip(entries) {
                if let Some(value) = entry {
                    places.entry(value.clone()).or_default().push_back(place);
                }
            }
            places
        });
        let of_value = places.get_mut(value)?;
        let place = of_value.pop_front()?;
        if of_value.is_empty() {
            places.remove(value);
        }
        usize::try_from(place - first_place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;

    /// Against the plain way: a vector whose first equal entry is removed.
    #[test]
    fn the_earliest_goes() {
        let mut arrivals = Arrivals::default();
        let mut plain = Vec::new();
        let mut seed = 7_u64;
        for round in 0..4_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = (seed >> 33) % 50;
            let adds = (seed >> 20) % 100 < if round < 2_000 { 60 } else { 42 };
            if adds {
                assert!(arrivals.add(value));
                plain.push(value);
            } else if let Some(at) = plain.iter().position(|other| *other == value) {
                plain.remove(at);
                assert!(arrivals.remove(&value));
            }
            assert_eq!(arrivals.first(), plain.first());
            assert_eq!(arrivals.last(), plain.last());
            assert_eq!(arrivals.len(), plain.len());
        }
        assert!(arrivals.iter().eq(&plain));
    }

    #[test]
    fn what_went_before_it_came_does_not_stay() {
        let mut arrivals = Arrivals::default();
        assert!(!arrivals.remove(&1));
        assert!(!arrivals.add(1));
        assert!(arrivals.add(1));
        assert_eq!(arrivals.len(), 1);
    }
}
