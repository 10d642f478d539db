//! The rows of an updating view. Each row has a slot; a row that replaces another takes its slot,
//! so that a display does not jump; new rows come last.
//!
//! ```text
//!   index: identity ─▶ slot ─▶ next slot with the same identity …   (newest first)
//!   order: oldest slot ⇄ … ⇄ newest slot                            (what a snapshot walks)
//! ```
//!
//! A row is kept as its arrow-row bytes. Its identity is the bytes of its upsert key, or of the
//! whole row. With a whole-row identity a `-U` directly before a `+U` is a replacement; with a key
//! a `-U` only reserves the slot until the end of the step.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::data::{ChangelogMode, Delta, RowKind};
use crate::error::{EngineError, Result};

/// No slot.
const NONE: u32 = u32::MAX;

/// Rows in slots.
#[derive(Debug)]
pub(super) struct SlotTable {
    converter: Arc<RowConverter>,
    key: Option<UpsertKey>,
    /// Whether retractions name the content that they take back.
    has_update_before: bool,
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    first: u32,
    last: u32,
    n_rows: u64,
    /// Bytes of the contents of all slots.
    content_bytes: usize,
    /// Slots that wait for their new content until the end of the step (with a key only).
    reserved: Vec<u32>,
}

#[derive(Debug)]
struct UpsertKey {
    columns: Vec<usize>,
    converter: RowConverter,
}

#[derive(Debug)]
struct Slot {
    row: Box<[u8]>,
    /// Bytes of the upsert key; empty if the row itself is the identity.
    key: Box<[u8]>,
    hash: u64,
    before: u32,
    after: u32,
    /// The next older slot with the same identity.
    same: u32,
    is_reserved: bool,
}

/// The bytes of one row.
#[derive(Clone, Copy)]
struct RowBytes<'a> {
    row: &'a [u8],
    key: &'a [u8],
}

impl RowBytes<'_> {
    fn hash(self) -> u64 {
        let identity = if self.key.is_empty() {
            self.row
        } else {
            self.key
        };
        FixedState::with_seed(0).hash_one(identity)
    }
}

impl Slot {
    fn has_identity(&self, bytes: RowBytes<'_>) -> bool {
        if bytes.key.is_empty() {
            *self.row == *bytes.row
        } else {
            *self.key == *bytes.key
        }
    }
}

impl SlotTable {
    pub(super) fn try_new(
        schema: &SchemaRef,
        mode: ChangelogMode,
        upsert_key: Option<Vec<usize>>,
    ) -> Result<Self> {
        let upsert_key = upsert_key.filter(|columns| !columns.is_empty());
        if !mode.update_before && mode.update_after && upsert_key.is_none() {
            return Err(EngineError::internal(
                "a view of an upsert stream without an upsert key",
            ));
        }
        let all_columns: Vec<usize> = (0..schema.fields().len()).collect();
        let key = upsert_key
            .map(|columns| {
                let converter = converter_of(schema, &columns)?;
                Ok::<_, EngineError>(UpsertKey { columns, converter })
            })
            .transpose()?;
        Ok(Self {
            converter: Arc::new(converter_of(schema, &all_columns)?),
            key,
            has_update_before: mode.update_before,
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            first: NONE,
            last: NONE,
            n_rows: 0,
            content_bytes: 0,
            reserved: Vec::new(),
        })
    }

    /// Rows of the table.
    pub(super) fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Bytes that the table holds.
    pub(super) fn state_bytes(&self) -> usize {
        self.content_bytes
            + self.slots.capacity() * size_of::<Slot>()
            + self.index.allocation_size()
            + self.free.capacity() * size_of::<u32>()
    }

    /// Applies changes in their order.
    pub(super) fn apply(&mut self, delta: &Delta) -> Result<()> {
        let rows = self.converter.convert_columns(delta.batch().columns())?;
        let keys = match &self.key {
            Some(key) => Some(key.rows(delta.batch())?),
            None => None,
        };
        let bytes_at = |row_idx: usize| RowBytes {
            row: rows.row(row_idx).data(),
            key: keys.as_ref().map_or(&[], |keys| keys.row(row_idx).data()),
        };
        let mut row_idx = 0;
        while row_idx < delta.num_rows() {
            let bytes = bytes_at(row_idx);
            let kind = delta.kind(row_idx);
            row_idx += 1;
            match kind {
                RowKind::Insert | RowKind::UpdateAfter => self.put(bytes)?,
                RowKind::Delete => {
                    if let Some(slot_idx) = self.find_retracted(bytes)? {
                        self.remove(slot_idx);
                    }
                }
                RowKind::UpdateBefore if self.key.is_some() => {
                    if let Some(slot_idx) = self.find_retracted(bytes)? {
                        self.reserve(slot_idx);
                    }
                }
                RowKind::UpdateBefore => {
                    let Some(slot_idx) = self.find_retracted(bytes)? else {
                        continue;
                    };
                    let is_pair =
                        row_idx < delta.num_rows() && delta.kind(row_idx) == RowKind::UpdateAfter;
                    if is_pair {
                        self.replace(slot_idx, bytes_at(row_idx));
                        row_idx += 1;
                    } else {
                        self.remove(slot_idx);
                    }
                }
            }
        }
        Ok(())
    }

    /// Frees the slots whose new content did not come.
    pub(super) fn on_step_end(&mut self) {
        for slot_idx in std::mem::take(&mut self.reserved) {
            if self
                .slots
                .get(slot_idx as usize)
                .is_some_and(|slot| slot.is_reserved)
            {
                self.remove(slot_idx);
            }
        }
    }

    /// The first rows in the table's order.
    pub(super) fn first(&self, max_rows: usize) -> EncodedRows {
        let mut rows = EncodedRows {
            converter: Arc::clone(&self.converter),
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        let mut slot_idx = self.first;
        while let Some(slot) = self.slots.get(slot_idx as usize) {
            if rows.ends.len() >= max_rows {
                break;
            }
            rows.bytes.extend_from_slice(&slot.row);
            rows.ends.push(rows.bytes.len());
            slot_idx = slot.after;
        }
        rows
    }

    /// A new row, or the new content of the row with the same upsert key.
    fn put(&mut self, bytes: RowBytes<'_>) -> Result<()> {
        let hash = bytes.hash();
        if !bytes.key.is_empty()
            && let Some(slot_idx) = self.find(hash, bytes)
            && let Some(slot) = self.slots.get_mut(slot_idx as usize)
        {
            self.content_bytes = self.content_bytes + bytes.row.len() - slot.row.len();
            slot.row = bytes.row.into();
            slot.is_reserved = false;
            return Ok(());
        }
        self.content_bytes += bytes.row.len() + bytes.key.len();
        let slot = Slot {
            row: bytes.row.into(),
            key: bytes.key.into(),
            hash,
            before: self.last,
            after: NONE,
            same: NONE,
            is_reserved: false,
        };
        let slot_idx = match self.free.pop() {
            Some(slot_idx) => {
                if let Some(place) = self.slots.get_mut(slot_idx as usize) {
                    *place = slot;
                }
                slot_idx
            }
            None => {
                let slot_idx = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|&slot_idx| slot_idx != NONE)
                    .ok_or_else(|| EngineError::ResourcesExhausted {
                        message: "a live view holds more than four billion rows".to_owned(),
                    })?;
                self.slots.push(slot);
                slot_idx
            }
        };
        match self.slots.get_mut(self.last as usize) {
            Some(last) => last.after = slot_idx,
            None => self.first = slot_idx,
        }
        self.last = slot_idx;
        self.n_rows += 1;
        self.enter(slot_idx, hash);
        Ok(())
    }

    /// The slot of a row that is taken back. In an upsert stream the row may be unknown: none.
    fn find_retracted(&self, bytes: RowBytes<'_>) -> Result<Option<u32>> {
        let found = self.find(bytes.hash(), bytes);
        if found.is_none() && self.has_update_before {
            return Err(EngineError::internal(
                "a view got the retraction of a row that it does not have",
            ));
        }
        Ok(found)
    }

    fn find(&self, hash: u64, bytes: RowBytes<'_>) -> Option<u32> {
        self.index
            .find(hash, |&slot_idx| {
                self.slots
                    .get(slot_idx as usize)
                    .is_some_and(|slot| slot.hash == hash && slot.has_identity(bytes))
            })
            .copied()
    }

    fn reserve(&mut self, slot_idx: u32) {
        if let Some(slot) = self.slots.get_mut(slot_idx as usize) {
            slot.is_reserved = true;
            self.reserved.push(slot_idx);
        }
    }

    /// Gives the slot another row and so, without a key, another identity.
    fn replace(&mut self, slot_idx: u32, bytes: RowBytes<'_>) {
        self.leave(slot_idx);
        let hash = bytes.hash();
        if let Some(slot) = self.slots.get_mut(slot_idx as usize) {
            self.content_bytes = self.content_bytes + bytes.row.len() - slot.row.len();
            slot.row = bytes.row.into();
            slot.hash = hash;
            slot.same = NONE;
        }
        self.enter(slot_idx, hash);
    }

    fn remove(&mut self, slot_idx: u32) {
        self.leave(slot_idx);
        let Some(slot) = self.slots.get_mut(slot_idx as usize) else {
            return;
        };
        let (before, after) = (slot.before, slot.after);
        self.content_bytes -= slot.row.len() + slot.key.len();
        slot.row = Box::default();
        slot.key = Box::default();
        slot.is_reserved = false;
        match self.slots.get_mut(before as usize) {
            Some(neighbor) => neighbor.after = after,
            None => self.first = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(neighbor) => neighbor.before = before,
            None => self.last = before,
        }
        self.free.push(slot_idx);
        self.n_rows -= 1;
    }

    /// Enters the slot into the index, before older slots with the same identity.
    fn enter(&mut self, slot_idx: u32, hash: u64) {
        let slots = &self.slots;
        let Some(slot) = slots.get(slot_idx as usize) else {
            return;
        };
        let is_same = |other: &u32| {
            slots.get(*other as usize).is_some_and(|other| {
                other.hash == hash
                    && other.has_identity(RowBytes {
                        row: &slot.row,
                        key: &slot.key,
                    })
            })
        };
        let older = match self.index.find_mut(hash, is_same) {
            Some(head) => std::mem::replace(head, slot_idx),
            None => {
                let hash_of =
                    |other: &u32| slots.get(*other as usize).map_or(0, |other| other.hash);
                self.index.insert_unique(hash, slot_idx, hash_of);
                NONE
            }
        };
        if let Some(slot) = self.slots.get_mut(slot_idx as usize) {
            slot.same = older;
        }
    }

    /// Takes the slot, which is the newest of its identity, out of the index.
    fn leave(&mut self, slot_idx: u32) {
        let Some(slot) = self.slots.get(slot_idx as usize) else {
            return;
        };
        let (hash, older) = (slot.hash, slot.same);
        if let Ok(mut entry) = self
            .index
            .find_entry(hash, |&candidate| candidate == slot_idx)
        {
            if older == NONE {
                entry.remove();
            } else {
                *entry.get_mut() = older;
            }
        }
    }
}

impl UpsertKey {
    fn rows(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns = self
            .columns
            .iter()
            .map(|&column| batch.columns().get(column).cloned())
            .collect::<Option<Vec<ArrayRef>>>()
            .ok_or_else(|| EngineError::internal("an upsert key names a missing column"))?;
        Ok(self.converter.convert_columns(&columns)?)
    }
}

/// Rows of a snapshot before they are decoded.
pub(super) struct EncodedRows {
    converter: Arc<RowConverter>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedRows {
    /// The rows as a batch.
    pub(super) fn decode(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let parser = self.converter.parser();
        let mut start = 0;
        let rows = self.ends.iter().map(|&end| {
            let row = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            parser.parse(row)
        });
        let columns = self.converter.convert_rows(rows)?;
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn converter_of(schema: &SchemaRef, columns: &[usize]) -> Result<RowConverter> {
    let fields = columns
        .iter()
        .map(|&column| {
            schema
                .fields()
                .get(column)
                .map(|field| SortField::new(field.data_type().clone()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| EngineError::internal("a view's key names a missing column"))?;
    if fields.is_empty() || !RowConverter::supports_fields(&fields) {
        return Err(EngineError::unsupported(
            "a live view of a result with these column types",
        ));
    }
    Ok(RowConverter::new(fields)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::datatypes::DataType;

    use super::*;
    use crate::data::text;

    /// Applies each text as a step and gives the rows in their slots' order after the last.
    fn rows_after(mode: ChangelogMode, key: Option<Vec<usize>>, steps: &[&str]) -> Result<String> {
        let schema = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)]);
        let mut table = SlotTable::try_new(&schema, mode, key)?;
        for step in steps {
            table.apply(&text::parse_delta(&schema, step)?)?;
            table.on_step_end();
        }
        let rows = table.first(100).decode(&schema)?;
        assert_eq!(rows.num_rows() as u64, table.n_rows());
        Ok(text::print_rows(&rows)?.concat())
    }

    #[test]
    fn update_stays_in_its_place() {
        let steps = ["+I|a|1\n+I|b|1\n+I|c|1", "-U|b|1\n+U|b|2\n-D|a|1\n+I|d|1"];
        for key in [None, Some(vec![0])] {
            let rows = rows_after(ChangelogMode::ALL, key, &steps).unwrap();
            assert_eq!(rows, " | b | 2 | c | 1 | d | 1");
        }
    }

    #[test]
    fn equal_rows_count() {
        let steps = ["+I|a|1\n+I|a|1\n+I|a|1", "-D|a|1", "-U|a|1\n+U|a|2"];
        let rows = rows_after(ChangelogMode::ALL, None, &steps).unwrap();
        assert_eq!(rows, " | a | 1 | a | 2");
    }

    /// Half a pair: a filter dropped the other half.
    #[test]
    fn lone_update_before_removes_the_row() {
        for key in [None, Some(vec![0])] {
            let steps = ["+I|a|1\n+I|b|1", "-U|a|1", "+U|c|7"];
            let rows = rows_after(ChangelogMode::ALL, key, &steps).unwrap();
            assert_eq!(rows, " | b | 1 | c | 7");
        }
    }

    #[test]
    fn upsert_stream_replaces_by_key() {
        let steps = ["+I|a|1\n+I|b|1\n+U|a|2\n-D|x|9", "-D|b|1\n+I|b|5"];
        let rows = rows_after(ChangelogMode::UPSERT, Some(vec![0]), &steps).unwrap();
        assert_eq!(rows, " | a | 2 | b | 5");
    }

    #[test]
    fn unknown_retraction_is_an_error() {
        let error = rows_after(ChangelogMode::ALL, None, &["+I|a|1\n-D|a|2"]).unwrap_err();
        assert!(matches!(error, EngineError::Internal { .. }));
    }
}
