//! Keys that are bytes: texts, and rows of several columns in Arrow's row format.
//!
//! ```text
//!   up to 15 bytes ─▶ table of (the bytes as two words, id)          one cold place a probe
//!   more           ─▶ table of (hash, place, length, id) ─▶ bytes    two
//!   by id          ─▶ 16 bytes: the key itself, or its place
//! ```
//!
//! Most texts that rows are grouped by are short: names, codes, days.

use arrow::array::{Array, ArrayRef, AsArray, GenericByteArray};
use arrow::compute::cast;
use arrow::datatypes::{ByteArrayType, DataType};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::key_index::{Ids, hash_word, put};
use super::probe_table::{ProbeTable, SmallKey};
use crate::error::{EngineError, Result};

/// The most bytes of a short key; one more says how many there are.
const SHORT_BYTES: usize = 15;
/// In the place of the number of bytes: the key is a long one.
const LONG: u8 = u8::MAX;

/// A key as it stands by its id.
type Slot = [u8; SHORT_BYTES + 1];

/// A short key: its bytes, zeros, and their number in the highest byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Short {
    low: u64,
    high: u64,
}

impl Short {
    /// The first `length` of 16 bytes; `length` is at most [`SHORT_BYTES`].
    #[inline]
    fn of_chunk(chunk: Slot, length: usize) -> Self {
        let bits = 8 * length as u32;
        let kept = u128::from_le_bytes(chunk) & ((1_u128 << bits) - 1);
        let all = kept | (length as u128) << (8 * SHORT_BYTES);
        Self {
            low: all as u64,
            high: (all >> 64) as u64,
        }
    }

    /// These bytes; none if there are too many.
    fn of(key: &[u8]) -> Option<Self> {
        let mut chunk = Slot::default();
        chunk.get_mut(..key.len())?.copy_from_slice(key);
        (key.len() <= SHORT_BYTES).then(|| Self::of_chunk(chunk, key.len()))
    }

    fn slot(self) -> Slot {
        (u128::from(self.low) | u128::from(self.high) << 64).to_le_bytes()
    }
}

impl SmallKey for Short {
    #[inline]
    fn hash(self) -> u64 {
        hash_word(self.low ^ hash_word(self.high).rotate_left(32))
    }
}

/// A key that is kept in the bytes.
#[derive(Debug, Clone, Copy)]
struct Long {
    hash: u64,
    start: u64,
    length: u32,
    id: u32,
}

impl Long {
    fn slot(self) -> Slot {
        let mut slot = Slot::default();
        let (start, rest) = slot.split_at_mut(size_of::<u64>());
        start.copy_from_slice(&self.start.to_le_bytes());
        if let Some(length) = rest.first_chunk_mut() {
            *length = self.length.to_le_bytes();
        }
        if let Some(tag) = rest.last_mut() {
            *tag = LONG;
        }
        slot
    }

    #[inline]
    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// A table of keys that are bytes.
#[derive(Debug, Default)]
pub(super) struct ByteKeys {
    short: ProbeTable<Short>,
    long: HashTable<Long>,
    null_id: Option<u32>,
    /// By id.
    slots: Vec<Slot>,
    /// The long keys.
    bytes: Vec<u8>,
    /// Bytes of removed keys that are still there.
    dead_bytes: usize,
}

impl ByteKeys {
    /// Appends the ids of a column of texts or bytes.
    pub(super) fn intern_column(
        &mut self,
        column: &ArrayRef,
        given: &mut Ids,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let column = match column.data_type() {
            DataType::Utf8View => &cast(column, &DataType::Utf8)?,
            _ => column,
        };
        match column.data_type() {
            DataType::Utf8 => self.intern_all(column.as_string::<i32>(), given, ids),
            DataType::Binary => self.intern_all(column.as_binary::<i32>(), given, ids),
            other => Err(EngineError::internal(format!(
                "a text key got a column of type {other}"
            ))),
        }
    }

    fn intern_all<T: ByteArrayType<Offset = i32>>(
        &mut self,
        column: &GenericByteArray<T>,
        given: &mut Ids,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let bytes = column.value_data();
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        let offsets = column.value_offsets().iter();
        let ends = column.value_offsets().iter().skip(1);
        // Short keys wait until a long one or NULL comes, to be looked up together.
        let mut waiting = Vec::with_capacity(column.len());
        for (row_idx, (&start, &end)) in offsets.zip(ends).enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row_idx)) {
                self.intern_waiting(&mut waiting, given, ids)?;
                ids.push(self.intern_null(given)?);
                continue;
            }
            let (start, end) = (start as usize, end as usize);
            let length = end - start;
            // Bytes of the next keys are cut off, so that mostly nothing has to be copied.
            let chunk = bytes.get(start..).and_then(<[u8]>::first_chunk);
            match chunk {
                Some(chunk) if length <= SHORT_BYTES => {
                    waiting.push(Short::of_chunk(*chunk, length));
                }
                _ => {
                    self.intern_waiting(&mut waiting, given, ids)?;
                    let key = bytes.get(start..end).unwrap_or_default();
                    ids.push(self.intern(key, given)?);
                }
            }
        }
        self.intern_waiting(&mut waiting, given, ids)
    }

    /// Appends the ids of short keys, which are taken out.
    fn intern_waiting(
        &mut self,
        waiting: &mut Vec<Short>,
        given: &mut Ids,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let slots = &mut self.slots;
        let interned = self.short.intern(waiting, ids, |key| {
            let id = given.give()?;
            put(slots, id, key.slot());
            Ok(id)
        });
        waiting.clear();
        interned
    }

    fn intern_null(&mut self, given: &mut Ids) -> Result<u32> {
        match self.null_id {
            Some(id) => Ok(id),
            None => Ok(*self.null_id.insert(given.give()?)),
        }
    }

    #[inline]
    fn intern_short(&mut self, key: Short, given: &mut Ids) -> Result<u32> {
        let slots = &mut self.slots;
        self.short.intern_one(key, |key| {
            let id = given.give()?;
            put(slots, id, key.slot());
            Ok(id)
        })
    }

    /// The id of a key; it is entered if it is unknown.
    #[inline]
    pub(super) fn intern(&mut self, key: &[u8], given: &mut Ids) -> Result<u32> {
        if let Some(short) = Short::of(key) {
            return self.intern_short(short, given);
        }
        let hash = hash_bytes(key);
        let bytes = &self.bytes;
        let is_key = |other: &Long| other.hash == hash && bytes.get(other.range()) == Some(key);
        if let Some(known) = self.long.find(hash, is_key) {
            return Ok(known.id);
        }
        let length = u32::try_from(key.len()).map_err(|_| EngineError::Data {
            message: "a key of more than four gigabytes".to_owned(),
        })?;
        let entry = Long {
            hash,
            start: self.bytes.len() as u64,
            length,
            id: given.give()?,
        };
        self.bytes.extend_from_slice(key);
        put(&mut self.slots, entry.id, entry.slot());
        self.long.insert_unique(hash, entry, |other| other.hash);
        Ok(entry.id)
    }

    /// The key of an id; none for NULL. Empty if there is no such id.
    pub(super) fn key(&self, id: u32) -> Option<&[u8]> {
        (self.null_id != Some(id)).then(|| self.bytes_of(id).unwrap_or_default())
    }

    fn bytes_of(&self, id: u32) -> Option<&[u8]> {
        let slot = self.slots.get(id as usize)?;
        match slot.last() {
            Some(&LONG) => {
                let start = u64::from_le_bytes(*slot.first_chunk()?);
                let length = u32::from_le_bytes(*slot.get(size_of::<u64>()..)?.first_chunk()?);
                let start = usize::try_from(start).ok()?;
                self.bytes.get(start..start + length as usize)
            }
            Some(&length) => slot.get(..usize::from(length)),
            None => None,
        }
    }

    /// Forgets a key. Whether it was there.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        if self.null_id == Some(id) {
            self.null_id = None;
            return true;
        }
        let Some(key) = self.bytes_of(id) else {
            return false;
        };
        if let Some(short) = Short::of(key) {
            return self.short.remove(short, id);
        }
        let length = key.len();
        let Ok(entry) = self.long.find_entry(hash_bytes(key), |it| it.id == id) else {
            return false;
        };
        entry.remove();
        put(&mut self.slots, id, Slot::default());
        self.dead_bytes += length;
        if self.dead_bytes > self.bytes.len() / 2 {
            self.compact();
        }
        true
    }

    /// Moves the living long keys together. Paid for by the bytes that were removed before.
    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.dead_bytes);
        for entry in &mut self.long {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(self.bytes.get(entry.range()).unwrap_or_default());
            entry.start = start;
            put(&mut self.slots, entry.id, entry.slot());
        }
        self.bytes = bytes;
        self.dead_bytes = 0;
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.short.allocation_size()
            + self.long.allocation_size()
            + self.bytes.capacity()
            + self.slots.capacity() * size_of::<Slot>()
    }
}

fn hash_bytes(key: &[u8]) -> u64 {
    FixedState::with_seed(0).hash_one(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    fn texts() -> Vec<String> {
        let mut texts: Vec<String> = (0..40).map(|length| "x".repeat(length)).collect();
        texts.extend((0..40).map(|length| "\0".repeat(length)));
        texts.extend((0..200).map(|number| format!("a longer key, number {number}")));
        texts
    }

    /// Keys of every length are told apart, whatever stands behind them, and come out again.
    #[test]
    fn keys_of_every_length_are_kept() {
        let (mut keys, mut given) = (ByteKeys::default(), Ids::default());
        let texts = texts();
        let column: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let mut ids = Vec::new();
        keys.intern_column(&column, &mut given, &mut ids).unwrap();
        for (text, &id) in texts.iter().zip(&ids) {
            assert_eq!(keys.key(id), Some(text.as_bytes()));
            // By itself, nothing stands behind it.
            assert_eq!(keys.intern(text.as_bytes(), &mut given).unwrap(), id);
        }
        let mut again = Vec::new();
        keys.intern_column(&column, &mut given, &mut again).unwrap();
        assert_eq!(again, ids);
        // The empty text stands there twice.
        let distinct: std::collections::HashSet<u32> = ids.into_iter().collect();
        assert_eq!(distinct.len(), texts.len() - 1);
    }

    #[test]
    fn removed_keys_leave_the_others() {
        let (mut keys, mut given) = (ByteKeys::default(), Ids::default());
        let texts = texts();
        let mut living = Vec::new();
        for (place, text) in texts.iter().enumerate().skip(1) {
            let id = keys.intern(text.as_bytes(), &mut given).unwrap();
            if place % 4 == 0 {
                living.push((text, id));
            }
        }
        for text in &texts {
            if !living.iter().any(|(other, _)| *other == text) {
                let id = keys.intern(text.as_bytes(), &mut given).unwrap();
                assert!(keys.remove(id));
                assert!(!keys.remove(id));
            }
        }
        assert!(keys.dead_bytes <= keys.bytes.len());
        for (text, id) in living {
            assert_eq!(keys.key(id), Some(text.as_bytes()));
            assert_eq!(keys.intern(text.as_bytes(), &mut given).unwrap(), id);
        }
    }
}
