//! Rows that an operator keeps, as Arrow columns.
//!
//! A row is kept where it came: in its batch. What refers to it is a slot; the store knows in which
//! block the row of a slot stands, and moves rows of blocks that are mostly dead or small.
//!
//! ```text
//!   slot 0 ─▶ block 0 │ a │ 1 │      admit(batch)      a block none of whose rows is kept yet
//!   slot 1 ─▶ block 2 │ c │ 7 │      keep(block, row)  gives a slot
//!   slot 2 ─▶ block 0 │ b │ 4 │      release(slot)     the row stays readable until settle()
//!                                    settle()          drops, shrinks and merges blocks
//! ```
//!
//! Blocks are merged as they grow (a block is merged with one up to twice its size), so that a
//! row moves a logarithmic number of times and few blocks are read at once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, SchemaRef};

use crate::data::delta::take_rows;
use crate::error::{EngineError, Result};

/// Blocks are not merged beyond so many rows: a gather stays within the processor's cache.
const MAX_BLOCK_ROWS: usize = 65_536;

/// The slot of a block's row that is not kept.
const DEAD: u32 = u32::MAX;

/// Where a row stands until the next [`RowStore::settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    block: u32,
    row: u32,
}

/// Rows of one schema.
#[derive(Debug)]
pub struct RowStore {
    schema: SchemaRef,
    blocks: Vec<Option<Block>>,
    /// Blocks that are in use, oldest first.
    order: Vec<u32>,
    free_blocks: Vec<u32>,
    places: Vec<Place>,
    free_slots: Vec<u32>,
    /// Released since the last `settle`.
    released: Vec<u32>,
    n_live: usize,
    batch_bytes: usize,
}

#[derive(Debug)]
struct Block {
    batch: RecordBatch,
    /// By row; empty while no row is kept.
    slots: Vec<u32>,
    n_live: usize,
    n_bytes: usize,
    is_touched: bool,
}

impl RowStore {
    /// An empty store.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            blocks: Vec::new(),
            order: Vec::new(),
            free_blocks: Vec::new(),
            places: Vec::new(),
            free_slots: Vec::new(),
            released: Vec::new(),
            n_live: 0,
            batch_bytes: 0,
        }
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_live
    }

    /// Whether no row is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_live == 0
    }

    /// Makes the rows of `batch` readable until the next [`Self::settle`]; those that are kept
    /// until then stay.
    pub fn admit(&mut self, batch: RecordBatch) -> u32 {
        let n_bytes = batch.get_array_memory_size();
        self.add_block(Block {
            batch,
            slots: Vec::new(),
            n_live: 0,
            n_bytes,
            is_touched: true,
        })
    }

    /// The place of row `row` of a block.
    #[must_use]
    pub const fn place_in(block: u32, row: u32) -> Place {
        Place { block, row }
    }

    /// Keeps a row of a block that was admitted since the last `settle`. Gives its slot.
    pub fn keep(&mut self, block: u32, row: u32) -> u32 {
        let place = Place { block, row };
        let slot = match self.free_slots.pop() {
            Some(slot) => {
                if let Some(known) = self.places.get_mut(slot as usize) {
                    *known = place;
                }
                slot
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as u32
            }
        };
        if let Some(block) = self.block_mut(block) {
            if block.slots.is_empty() {
                block.slots = vec![DEAD; block.batch.num_rows()];
            }
            if let Some(of_row) = block.slots.get_mut(row as usize) {
                *of_row = slot;
                block.n_live += 1;
            }
        }
        self.n_live += 1;
        slot
    }

    /// Forgets the row of `slot`. It can be read by its place until the next `settle`.
    pub fn release(&mut self, slot: u32) {
        let Some(&place) = self.places.get(slot as usize) else {
            return;
        };
        if let Some(block) = self.block_mut(place.block)
            && let Some(of_row) = block.slots.get_mut(place.row as usize)
            && *of_row == slot
        {
            *of_row = DEAD;
            block.n_live -= 1;
            block.is_touched = true;
            self.n_live -= 1;
            self.released.push(slot);
        }
    }

    /// Where the row of `slot` stands.
    #[must_use]
    pub fn place(&self, slot: u32) -> Place {
        self.places
            .get(slot as usize)
            .copied()
            .unwrap_or(Place { block: 0, row: 0 })
    }

    /// The batch and the row of a place.
    #[must_use]
    pub fn row(&self, place: Place) -> Option<(&RecordBatch, usize)> {
        let block = self.blocks.get(place.block as usize)?.as_ref()?;
        Some((&block.batch, place.row as usize))
    }

    /// Whether two rows are equal in `columns`, NULLs among themselves too.
    #[must_use]
    pub fn equal_rows(&self, left: Place, right: Place, columns: &[usize]) -> bool {
        let (Some((left, left_row)), Some((right, right_row))) = (self.row(left), self.row(right))
        else {
            return false;
        };
        columns.iter().all(|&column| {
            match (left.columns().get(column), right.columns().get(column)) {
                (Some(left), Some(right)) => *left.slice(left_row, 1) == *right.slice(right_row, 1),
                _ => false,
            }
        })
    }

    /// The rows of these places, in this order.
    ///
    /// # Errors
    /// `Internal` for a place that is gone.
    pub fn gather(&self, places: &[Place]) -> Result<RecordBatch> {
        let mut index_of = vec![u32::MAX; self.blocks.len()];
        let mut batches: Vec<&RecordBatch> = Vec::new();
        let mut indices = Vec::with_capacity(places.len());
        for place in places {
            let index = index_of.get_mut(place.block as usize).ok_or_else(gone)?;
            if *index == u32::MAX {
                let block = self
                    .blocks
                    .get(place.block as usize)
                    .and_then(Option::as_ref)
                    .ok_or_else(gone)?;
                *index = batches.len() as u32;
                batches.push(&block.batch);
            }
            indices.push((*index as usize, place.row as usize));
        }
        gather_from(&self.schema, &batches, &indices)
    }

    /// The rows of these slots, in this order.
    ///
    /// # Errors
    /// As [`Self::gather`].
    pub fn gather_slots(&self, slots: impl IntoIterator<Item = u32>) -> Result<RecordBatch> {
        let places: Vec<Place> = slots.into_iter().map(|slot| self.place(slot)).collect();
        self.gather(&places)
    }

    /// The values at (place, column), all of one type; NULL without a place.
    ///
    /// # Errors
    /// If the columns are of other types.
    pub fn values(
        &self,
        sources: &[(Option<Place>, usize)],
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        let mut parts: Vec<ArrayRef> = vec![new_null_array(data_type, 1)];
        let mut part_of: HashMap<(u32, usize), usize> = HashMap::new();
        let mut indices = Vec::with_capacity(sources.len());
        for &(place, column) in sources {
            let found = place.and_then(|place| {
                let (batch, row) = self.row(place)?;
                Some((place.block, batch.columns().get(column)?, row))
            });
            let Some((block, values, row)) = found else {
                indices.push((0, 0));
                continue;
            };
            let part = *part_of.entry((block, column)).or_insert_with(|| {
                parts.push(Arc::clone(values));
                parts.len() - 1
            });
            indices.push((part, row));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&parts, &indices)?)
    }

    /// Ends the validity of places: drops blocks without live rows, shrinks and merges others.
    ///
    /// # Errors
    /// If rows cannot be copied.
    pub fn settle(&mut self) -> Result<()> {
        self.free_slots.append(&mut self.released);
        for block_id in std::mem::take(&mut self.order) {
            let Some(block) = self.blocks.get_mut(block_id as usize) else {
                continue;
            };
            let is_dead = block.as_ref().is_none_or(|block| block.n_live == 0);
            if is_dead {
                if let Some(block) = block.take() {
                    self.batch_bytes -= block.n_bytes;
                }
                self.free_blocks.push(block_id);
                continue;
            }
            self.order.push(block_id);
            let is_sparse = block.as_mut().is_some_and(|block| {
                std::mem::take(&mut block.is_touched) && block.n_live * 2 < block.batch.num_rows()
            });
            if is_sparse {
                self.order.pop();
                let merged = self.merged(&[block_id])?;
                self.order.push(merged);
            }
        }
        while let [.., older, newer] = *self.order.as_slice() {
            let (older_rows, newer_rows) = (self.live_rows(older), self.live_rows(newer));
            if older_rows > 2 * newer_rows || older_rows + newer_rows > MAX_BLOCK_ROWS {
                break;
            }
            let n_kept = self.order.len() - 2;
            self.order.truncate(n_kept);
            let merged = self.merged(&[older, newer])?;
            self.order.push(merged);
        }
        Ok(())
    }

    /// Bytes that the store holds.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let of_places = self.places.capacity() * size_of::<Place>();
        let of_free = (self.free_slots.capacity() + self.released.capacity()) * size_of::<u32>();
        self.batch_bytes + of_places + of_free + self.n_live * size_of::<u32>()
    }

    fn live_rows(&self, block_id: u32) -> usize {
        self.blocks
            .get(block_id as usize)
            .and_then(Option::as_ref)
            .map_or(0, |block| block.n_live)
    }

    fn block_mut(&mut self, block_id: u32) -> Option<&mut Block> {
        self.blocks.get_mut(block_id as usize)?.as_mut()
    }

    fn add_block(&mut self, block: Block) -> u32 {
        self.batch_bytes += block.n_bytes;
        let id = match self.free_blocks.pop() {
            Some(id) => {
                if let Some(place) = self.blocks.get_mut(id as usize) {
                    *place = Some(block);
                }
                id
            }
            None => {
                self.blocks.push(Some(block));
                (self.blocks.len() - 1) as u32
            }
        };
        self.order.push(id);
        id
    }

    /// One block of the live rows of these, which are gone then. It is not in the order yet.
    fn merged(&mut self, block_ids: &[u32]) -> Result<u32> {
        let mut parts: Vec<Block> = Vec::with_capacity(block_ids.len());
        for &block_id in block_ids {
            if let Some(block) = self
                .blocks
                .get_mut(block_id as usize)
                .and_then(Option::take)
            {
                self.batch_bytes -= block.n_bytes;
                parts.push(block);
            }
            self.free_blocks.push(block_id);
        }
        let mut slots = Vec::new();
        let mut indices = Vec::new();
        for (part_idx, part) in parts.iter().enumerate() {
            for (row_idx, &slot) in part.slots.iter().enumerate() {
                if slot != DEAD {
                    slots.push(slot);
                    indices.push((part_idx, row_idx));
                }
            }
        }
        let batches: Vec<&RecordBatch> = parts.iter().map(|part| &part.batch).collect();
        let batch = gather_from(&self.schema, &batches, &indices)?;
        let n_bytes = batch.get_array_memory_size();
        let n_live = slots.len();
        let id = self.add_block(Block {
            batch,
            slots,
            n_live,
            n_bytes,
            is_touched: false,
        });
        self.order.pop();
        if let Some(Some(block)) = self.blocks.get(id as usize) {
            for (row, &slot) in (0_u32..).zip(&block.slots) {
                if let Some(place) = self.places.get_mut(slot as usize) {
                    *place = Place { block: id, row };
                }
            }
        }
        Ok(id)
    }
}

fn gone() -> EngineError {
    EngineError::internal("a row is read that its store has forgotten")
}

/// The rows at (batch, row) of some batches of one schema.
fn gather_from(
    schema: &SchemaRef,
    batches: &[&RecordBatch],
    indices: &[(usize, usize)],
) -> Result<RecordBatch> {
    if let [batch] = batches {
        let rows: UInt32Array = indices.iter().map(|&(_, row)| row as u32).collect();
        return take_rows(batch, &rows);
    }
    let columns = (0..schema.fields().len())
        .map(|column_idx| {
            let parts: Vec<&dyn Array> = batches
                .iter()
                .filter_map(|batch| batch.columns().get(column_idx))
                .map(AsRef::as_ref)
                .collect();
            if parts.is_empty() {
                let field = schema.field(column_idx);
                return Ok(arrow::array::new_empty_array(field.data_type()));
            }
            Ok(interleave(&parts, indices)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
    use arrow::datatypes::{DataType, Int32Type};

    use super::RowStore;
    use crate::data::text;

    fn batch(values: std::ops::Range<i32>) -> RecordBatch {
        let schema = text::schema(&[("n", DataType::Int32)]);
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(values));
        RecordBatch::try_new(schema, vec![column]).unwrap()
    }

    #[test]
    fn rows_move_and_slots_stay() {
        let mut store = RowStore::new(batch(0..0).schema());
        let mut slots = Vec::new();
        for start in (0..1000).step_by(10) {
            let block = store.admit(batch(start..start + 10));
            for row in 0..10 {
                slots.push((start + row as i32, store.keep(block, row)));
            }
            // Every third row goes again.
            let gone: Vec<_> = slots.iter().filter(|(n, _)| n % 3 == 0).copied().collect();
            for (_, slot) in gone {
                store.release(slot);
            }
            slots.retain(|(n, _)| n % 3 != 0);
            store.settle().unwrap();
        }
        assert_eq!(store.len(), slots.len());
        assert!(store.order.len() < 8, "{} blocks", store.order.len());
        let rows = store
            .gather_slots(slots.iter().map(|(_, slot)| *slot))
            .unwrap();
        let expected: Vec<i32> = slots.iter().map(|(n, _)| *n).collect();
        assert_eq!(
            rows.column(0).as_primitive::<Int32Type>().values(),
            &expected[..]
        );
        for (_, slot) in slots {
            store.release(slot);
        }
        store.settle().unwrap();
        assert!(store.is_empty() && store.order.is_empty());
    }
}
