//! Small keys to ids, many at a time: open addressing with the keys in the table.
//!
//! The table of many groups is larger than the processor's caches, and a probe waits for memory
//! longer than it computes. So keys are looked up in blocks: first the home entry of every key of a
//! block is fetched, which the processor does side by side because no fetch hangs on another; then
//! the entries are compared. A key that is not at home is searched one by one.
//!
//! ```text
//!   hash ─▶ home ─▶ │ … │ other key, id │ this key, id │ free │ …   the next free entry ends a search
//! ```
//!
//! A removed key leaves no mark: the entries behind it move up.

use crate::error::Result;

/// Keys that are looked up together.
const BLOCK: usize = 32;
/// The id of a free entry; never given to a key.
const FREE: u32 = u32::MAX;
/// Entries of the smallest table.
const MIN_ENTRIES: usize = 16;

/// A key that fits into its entry.
pub(super) trait SmallKey: Copy + Eq + Default {
    /// Good in its high bits.
    fn hash(self) -> u64;
}

#[derive(Debug, Clone, Copy)]
struct Entry<K> {
    key: K,
    id: u32,
}

/// A table of keys.
#[derive(Debug)]
pub(super) struct ProbeTable<K> {
    /// None, or a power of two of them.
    entries: Vec<Entry<K>>,
    n_keys: usize,
    /// 64 minus the logarithm of the number of entries: the high bits of a hash are its home.
    shift: u32,
}

impl<K> Default for ProbeTable<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            n_keys: 0,
            shift: u64::BITS,
        }
    }
}

impl<K: SmallKey> ProbeTable<K> {
    /// Appends the ids of `keys`; a key that is unknown is entered with the id that `give` gives it.
    ///
    /// # Errors
    /// What `give` fails with.
    pub(super) fn intern(
        &mut self,
        keys: &[K],
        ids: &mut Vec<u32>,
        mut give: impl FnMut(K) -> Result<u32>,
    ) -> Result<()> {
        let free = Entry {
            key: K::default(),
            id: FREE,
        };
        let mut homes = [free; BLOCK];
        for block in keys.chunks(BLOCK) {
            for (home, key) in homes.iter_mut().zip(block) {
                *home = self.entries.get(self.home(*key)).copied().unwrap_or(free);
            }
            for (home, &key) in homes.iter().zip(block) {
                // An entry that has been fetched may have been filled since.
                let id = if home.key == key && home.id != FREE {
                    home.id
                } else {
                    self.intern_one(key, &mut give)?
                };
                ids.push(id);
            }
        }
        Ok(())
    }

    /// As [`Self::intern`], for one key.
    pub(super) fn intern_one(
        &mut self,
        key: K,
        give: impl FnOnce(K) -> Result<u32>,
    ) -> Result<u32> {
        if let Some(entry) = self.entries.get(self.place(key))
            && entry.id != FREE
        {
            return Ok(entry.id);
        }
        let id = give(key)?;
        // At most three quarters are in use: else searches become long.
        if (self.n_keys + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        let place = self.place(key);
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = Entry { key, id };
            self.n_keys += 1;
        }
        Ok(id)
    }

    /// Forgets a key, if `id` is its id. Whether it was.
    pub(super) fn remove(&mut self, key: K, id: u32) -> bool {
        let mut hole = self.place(key);
        if id == FREE || self.entries.get(hole).is_none_or(|entry| entry.id != id) {
            return false;
        }
        let mut place = hole;
        loop {
            place = self.next(place);
            let Some(entry) = self.entries.get(place).copied() else {
                break;
            };
            if entry.id == FREE {
                break;
            }
            // It moves if the hole is on its way from home.
            if self.distance(self.home(entry.key), place) >= self.distance(hole, place) {
                if let Some(free) = self.entries.get_mut(hole) {
                    *free = entry;
                }
                hole = place;
            }
        }
        if let Some(free) = self.entries.get_mut(hole) {
            free.id = FREE;
        }
        self.n_keys -= 1;
        true
    }

    /// Bytes of memory.
    pub(super) fn allocation_size(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K>>()
    }

    /// The place of a key, or the free one where its search ends; beyond the end of an empty table.
    fn place(&self, key: K) -> usize {
        let mut place = self.home(key);
        while let Some(entry) = self.entries.get(place)
            && entry.id != FREE
            && entry.key != key
        {
            place = self.next(place);
        }
        place
    }

    #[inline]
    fn home(&self, key: K) -> usize {
        // Of the empty table any place is beyond the end.
        (key.hash() >> (self.shift % u64::BITS)) as usize
    }

    #[inline]
    fn next(&self, place: usize) -> usize {
        (place + 1) & self.entries.len().wrapping_sub(1)
    }

    /// Steps from one place to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.entries.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let n_entries = (self.entries.len() * 2).max(MIN_ENTRIES);
        let free = Entry {
            key: K::default(),
            id: FREE,
        };
        let old = std::mem::replace(&mut self.entries, vec![free; n_entries]);
        self.shift = u64::BITS - n_entries.trailing_zeros();
        for entry in old {
            if entry.id == FREE {
                continue;
            }
            let place = self.place(entry.key);
            if let Some(free) = self.entries.get_mut(place) {
                *free = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;

    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Many keys share a home, so that searches are long and removals move others.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
    struct Crowded(u64);

    impl SmallKey for Crowded {
        fn hash(self) -> u64 {
            ((self.0 % 7) << 61) | (self.0 % 5)
        }
    }

    /// Whatever comes and goes, in whatever blocks: the table knows what a map knows.
    #[test]
    fn the_table_is_a_map() {
        let mut random = SmallRng::seed_from_u64(7);
        let mut table = ProbeTable::<Crowded>::default();
        let mut known: HashMap<Crowded, u32> = HashMap::new();
        let mut next_id = 0;
        for _ in 0..400 {
            let n_keys = random.random_range(0..90);
            let keys: Vec<Crowded> = (0..n_keys)
                .map(|_| Crowded(random.random_range(0..300)))
                .collect();
            let mut ids = Vec::new();
            table
                .intern(&keys, &mut ids, |_| {
                    next_id += 1;
                    Ok(next_id)
                })
                .unwrap();
            for (key, id) in keys.iter().zip(&ids) {
                assert_eq!(known.entry(*key).or_insert(*id), id);
            }
            for _ in 0..random.random_range(0..120) {
                let key = Crowded(random.random_range(0..300));
                let id = known.remove(&key);
                assert!(!table.remove(key, next_id + 1));
                assert_eq!(table.remove(key, id.unwrap_or(0)), id.is_some());
            }
            assert_eq!(table.n_keys, known.len());
        }
        assert!(!known.is_empty());
    }

    #[test]
    fn a_failure_enters_no_key() {
        let mut table = ProbeTable::<Crowded>::default();
        let failure = || crate::error::EngineError::internal("no more ids");
        assert!(table.intern_one(Crowded(1), |_| Err(failure())).is_err());
        assert!(!table.remove(Crowded(1), 4));
        assert_eq!(table.intern_one(Crowded(1), |_| Ok(4)).unwrap(), 4);
        assert_eq!(table.intern_one(Crowded(1), |_| Ok(5)).unwrap(), 4);
    }
}
