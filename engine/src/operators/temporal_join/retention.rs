//! Time to live of temporal joins: a key is forgotten as a whole, with its versions and its rows
//! that wait, when nothing has come or left for so long.
//!
//! As in Flink, a clean-up is due between one and one and a half times the time to live after the
//! last row: it is put off only when it would come too early, so that most rows cost nothing.
//!
//! Source: `BaseTwoInputStreamOperatorWithStateRetention` of Flink 2.3.

use std::collections::BTreeSet;

use super::TemporalJoin;

/// When the state of keys is to be forgotten, in processing time.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// By key.
    cleanup_ms: Vec<Option<i64>>,
    /// The same by time.
    due: BTreeSet<(i64, u32)>,
}

impl Retention {
    /// Something has happened to the key.
    pub(super) fn touch(&mut self, key: u32, now_ms: i64, ttl_ms: i64) {
        let known_ms = self.cleanup_ms.get(key as usize).copied().flatten();
        if known_ms.is_none_or(|known_ms| now_ms.saturating_add(ttl_ms) > known_ms) {
            let longest_ms = ttl_ms.saturating_add(ttl_ms / 2);
            self.set(key, now_ms.saturating_add(longest_ms));
        }
    }

    /// The key will be forgotten at this time.
    pub(super) fn set(&mut self, key: u32, cleanup_ms: i64) {
        self.forget(key);
        if self.cleanup_ms.len() <= key as usize {
            self.cleanup_ms.resize(key as usize + 1, None);
        }
        if let Some(known_ms) = self.cleanup_ms.get_mut(key as usize) {
            *known_ms = Some(cleanup_ms);
        }
        self.due.insert((cleanup_ms, key));
    }

    /// The key has no state any more.
    pub(super) fn forget(&mut self, key: u32) {
        let known_ms = self.cleanup_ms.get_mut(key as usize).and_then(Option::take);
        if let Some(known_ms) = known_ms {
            self.due.remove(&(known_ms, key));
        }
    }

    /// The next time at which a key is to be forgotten.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.first().map(|(cleanup_ms, _)| *cleanup_ms)
    }

    /// Times and keys.
    pub(super) fn all(&self) -> impl Iterator<Item = (i64, u32)> {
        self.due.iter().copied()
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.cleanup_ms.capacity() * size_of::<Option<i64>>()
            + self.due.len() * size_of::<(i64, u32)>()
    }

    /// The keys that are to be forgotten by now; they are not asked for again.
    fn take_due(&mut self, now_ms: i64) -> BTreeSet<u32> {
        let mut keys = BTreeSet::new();
        while let Some(&(cleanup_ms, key)) = self.due.first()
            && cleanup_ms <= now_ms
        {
            self.forget(key);
            keys.insert(key);
        }
        keys
    }
}

impl TemporalJoin {
    /// Forgets the keys whose time has come.
    pub(super) fn expire(&mut self, now_ms: i64) {
        let keys = self.retention.take_due(now_ms);
        if keys.is_empty() {
            return;
        }
        let left = &mut self.left;
        self.waiting.retain(|_, rows| {
            rows.retain(|row| {
                let is_gone = row.key.is_some_and(|key| keys.contains(&key));
                if is_gone {
                    left.release(row.slot);
                }
                !is_gone
            });
            !rows.is_empty()
        });
        for key in keys {
            if let Some(versions) = self.versions.get_mut(key as usize) {
                for version in versions.drain(..) {
                    self.right.release(version.slot);
                }
            }
            if let Some(n_waiting) = self.n_waiting.get_mut(key as usize) {
                *n_waiting = 0;
            }
            self.forget_if_empty(key);
        }
    }
}
