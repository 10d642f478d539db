//! Rows by key: what a join remembers of one of its inputs.
//!
//! Rows stay in the Arrow batches in which they came (blocks). Beside them each row has a slot: its
//! place in a block and its neighbors among the rows of the same key. Output is gathered column by
//! column out of the blocks.
//!
//! ```text
//!   key id ──▶ chain: head, tail            blocks (columns as they came)
//!                │                           ┌────────┐ ┌────────┐
//!                ▼                           │ 0: a 1 │ │ 0: b 7 │
//!              slot 4 ⇄ slot 9 ⇄ slot 2      │ 1: a 2 │ │ 1: a 3 │
//!              (0, 0)   (0, 1)   (1, 1)      └────────┘ └────────┘
//! ```
//!
//! Small blocks are put together and blocks that are mostly dead are rewritten, both in
//! [`Arrangement::settle`]; slots keep their numbers.

mod finder;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::compute::{interleave, take};
use arrow::datatypes::SchemaRef;

use finder::Finder;
pub use finder::{Identity, RowEquality, comparators};

use crate::error::{EngineError, Result};

/// No slot, no row: the other side of a row without a partner.
pub const NONE: u32 = u32::MAX;

/// Blocks below this many rows are put together.
const SMALL_BLOCK_ROWS: usize = 4_096;

/// So many small blocks are left alone.
const MAX_SMALL_BLOCKS: usize = 16;

/// Fewer dead rows than these are not worth rewriting a block for.
const MIN_DEAD_ROWS: usize = 1_024;

/// Rows of one input by key id.
#[derive(Debug)]
pub struct Arrangement {
    schema: SchemaRef,
    blocks: Vec<Block>,
    free_blocks: Vec<u32>,
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    /// By key id.
    chains: Vec<Chain>,
    identity: Identity,
    finder: Option<Finder>,
    /// Taken out of their chains, still in their blocks until [`Arrangement::settle`].
    removed: Vec<u32>,
    n_rows: usize,
    n_dead: usize,
    n_small_blocks: usize,
    block_bytes: usize,
}

#[derive(Debug, Default)]
struct Block {
    columns: Vec<ArrayRef>,
    /// The slot of each row, or [`NONE`] if it is dead.
    slots: Vec<u32>,
    n_live: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    block: u32,
    row: u32,
    next: u32,
    prev: u32,
    key: u32,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    head: u32,
    tail: u32,
}

impl Arrangement {
    /// An empty arrangement of rows of `schema` that are known by `identity`: by columns, or by all
    /// of them, costs some 15 bytes a row more.
    #[must_use]
    pub fn new(schema: SchemaRef, identity: Identity) -> Self {
        Self {
            schema,
            blocks: Vec::new(),
            free_blocks: Vec::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            chains: Vec::new(),
            finder: identity.has_finder().then(Finder::default),
            identity,
            removed: Vec::new(),
            n_rows: 0,
            n_dead: 0,
            n_small_blocks: 0,
            block_bytes: 0,
        }
    }

    /// Rows that are there.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// All slots are below this.
    #[must_use]
    pub fn end(&self) -> usize {
        self.slots.len()
    }

    /// Hashes of rows, for [`Self::place`] and [`Self::remove`]; none where rows are not found by
    /// their content.
    ///
    /// # Errors
    /// For types that have no hash.
    pub fn hashes(&self, columns: &[ArrayRef], n_rows: usize) -> Result<Vec<u64>> {
        self.identity.hashes(columns, n_rows)
    }

    /// Whether [`Self::hashes`] are those of whole rows.
    #[must_use]
    pub fn hashes_whole_rows(&self) -> bool {
        self.identity == Identity::WholeRow
    }

    /// To compare the rows of these columns with those that are here.
    #[must_use]
    pub fn equality(&self, columns: &[ArrayRef]) -> RowEquality {
        RowEquality::new(columns, &self.identity)
    }

    /// The slots of a key's rows, in the order in which they came.
    pub fn rows_of(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let head = self.chains.get(key as usize).map_or(NONE, |it| it.head);
        std::iter::successors((head != NONE).then_some(head), |&slot| {
            self.slots
                .get(slot as usize)
                .map(|it| it.next)
                .filter(|&next| next != NONE)
        })
    }

    /// All slots, key by key.
    #[must_use]
    pub fn all_rows(&self) -> Vec<u32> {
        let mut all = Vec::with_capacity(self.n_rows);
        for key in 0..self.chains.len() {
            all.extend(self.rows_of(key as u32));
        }
        all
    }

    /// The key id of a row.
    #[must_use]
    pub fn key_of(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(NONE, |it| it.key)
    }

    /// Takes in the rows of `columns` (`n_rows` long) at `rows`; `keys` and `hashes` are those of
    /// all rows. Gives their slots, and those of the rows whose places they have taken.
    ///
    /// # Errors
    /// If there are more than four billion rows, or a column's type cannot be compared.
    pub fn insert(
        &mut self,
        columns: &[ArrayRef],
        n_rows: usize,
        rows: &[u32],
        keys: &[u32],
        hashes: &[u64],
    ) -> Result<Inserted> {
        let slots = self.place(columns, n_rows, rows, keys, hashes)?;
        let mut equality = self.equality(columns);
        let mut replaced = Vec::new();
        for (&slot, &row) in slots.iter().zip(rows) {
            replaced.extend(self.enter(slot, &mut equality, row)?);
        }
        Ok(Inserted { slots, replaced })
    }

    /// Stores the rows of `columns` at `rows` without showing them: each is to be entered. The
    /// parameters are those of [`Self::insert`]. Gives their slots.
    ///
    /// # Errors
    /// If there are more than four billion rows.
    pub fn place(
        &mut self,
        columns: &[ArrayRef],
        n_rows: usize,
        rows: &[u32],
        keys: &[u32],
        hashes: &[u64],
    ) -> Result<Vec<u32>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let is_all = rows.len() == n_rows && (0_u32..).zip(rows).all(|(at, &row)| at == row);
        let columns = if is_all && is_compact(columns) {
            columns.to_vec()
        } else {
            let places = UInt32Array::from(rows.to_vec());
            columns
                .iter()
                .map(|column| Ok(take(column.as_ref(), &places, None)?))
                .collect::<Result<_>>()?
        };
        let block_idx = self.new_block()?;
        let mut slots = Vec::with_capacity(rows.len());
        for (row, &from) in (0_u32..).zip(rows) {
            let key = keys.get(from as usize).copied().unwrap_or(NONE);
            let slot = self.new_slot(block_idx, row, key)?;
            if let Some(finder) = &mut self.finder {
                finder.note(slot, hashes.get(from as usize).copied().unwrap_or(0));
            }
            slots.push(slot);
        }
        self.put_block(block_idx, columns, slots.clone());
        Ok(slots)
    }

    /// Shows the row of a slot that [`Self::place`] gave, which is row `row` of what `equality`
    /// compares with. Gives the slot of the row whose place it takes, which is removed.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn enter(
        &mut self,
        slot: u32,
        equality: &mut RowEquality,
        row: u32,
    ) -> Result<Option<u32>> {
        let key = self.key_of(slot);
        let replaced = match (&self.identity, &self.finder) {
            (Identity::Key, _) => self.head(key),
            (Identity::Columns(_), Some(finder)) => {
                self.find(key, finder.hash(slot), equality, row)?
            }
            _ => None,
        };
        if let Some(replaced) = replaced {
            self.remove_slot(replaced);
        }
        self.link(slot, key);
        if let Some(finder) = &mut self.finder {
            finder.insert(slot);
        }
        self.n_rows += 1;
        Ok(replaced)
    }

    /// Takes out one row of `key` that is known by the same as row `row` of what `equality`
    /// compares with. Its content can still be gathered until [`Self::settle`].
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn remove(
        &mut self,
        key: u32,
        hash: u64,
        equality: &mut RowEquality,
        row: u32,
    ) -> Result<Option<u32>> {
        let found = match self.identity {
            Identity::None => {
                return Err(EngineError::internal(
                    "a join got a retraction from an input that is append-only",
                ));
            }
            Identity::Key => self.head(key),
            Identity::WholeRow | Identity::Columns(_) => self.find(key, hash, equality, row)?,
        };
        if let Some(slot) = found {
            self.remove_slot(slot);
        }
        Ok(found)
    }

    /// The first row of a key.
    fn head(&self, key: u32) -> Option<u32> {
        let chain = self.chains.get(key as usize)?;
        (chain.head != NONE).then_some(chain.head)
    }

    fn find(
        &self,
        key: u32,
        hash: u64,
        equality: &mut RowEquality,
        row: u32,
    ) -> Result<Option<u32>> {
        let Some(finder) = &self.finder else {
            return Ok(None);
        };
        let mut failure = None;
        let found = finder.table.find(hash, |&slot| {
            finder.hash(slot) == hash
                && self.slots.get(slot as usize).is_some_and(|it| {
                    it.key == key
                        && equality
                            .is_equal(&self.blocks, it.block, it.row, row)
                            .unwrap_or_else(|error| {
                                failure = Some(error);
                                false
                            })
                })
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(found.copied()),
        }
    }

    /// Takes out the row of a slot.
    pub fn remove_slot(&mut self, slot: u32) {
        if let Some(finder) = &mut self.finder {
            finder.remove(slot);
        }
        self.unlink(slot);
        self.removed.push(slot);
        self.n_rows = self.n_rows.saturating_sub(1);
    }

    /// Frees the slots of removed rows and puts blocks together. Slots of rows that are there stay
    /// as they are. To be called when no removed row is read any more.
    ///
    /// # Errors
    /// As Arrow's `interleave`.
    pub fn settle(&mut self) -> Result<()> {
        for slot in std::mem::take(&mut self.removed) {
            let Some(Slot { block, row, .. }) = self.slots.get(slot as usize).copied() else {
                continue;
            };
            self.free_slots.push(slot);
            let Some(it) = self.blocks.get_mut(block as usize) else {
                continue;
            };
            if let Some(entry) = it.slots.get_mut(row as usize) {
                *entry = NONE;
            }
            it.n_live = it.n_live.saturating_sub(1);
            self.n_dead += 1;
            if it.n_live == 0 {
                self.drop_block(block);
            }
        }
        if self.n_dead > self.n_rows.max(MIN_DEAD_ROWS) {
            self.rewrite(|block| block.n_live * 2 < block.slots.len())?;
        }
        if self.n_small_blocks > MAX_SMALL_BLOCKS {
            self.rewrite(|block| block.slots.len() < SMALL_BLOCK_ROWS)?;
        }
        Ok(())
    }

    /// Where the rows of `slots` lie, to gather columns of them.
    #[must_use]
    pub fn locate(&self, slots: &[u32]) -> Located {
        let mut local = vec![NONE; self.blocks.len()];
        let mut located = Located {
            blocks: Vec::new(),
            places: Vec::with_capacity(slots.len()),
            has_none: false,
        };
        for &slot in slots {
            let Some(it) = self.slots.get(slot as usize) else {
                located.has_none = true;
                located.places.push((usize::MAX, 0));
                continue;
            };
            let Some(entry) = local.get_mut(it.block as usize) else {
                continue;
            };
            if *entry == NONE {
                *entry = located.blocks.len() as u32;
                located.blocks.push(it.block);
            }
            located.places.push((*entry as usize, it.row as usize));
        }
        located
    }

    /// One column of located rows; NULL where there is no row.
    ///
    /// # Errors
    /// As Arrow's kernels.
    pub fn gather(&self, column: usize, located: &Located) -> Result<ArrayRef> {
        let field = self.schema.fields().get(column);
        let data_type = field
            .map(|field| field.data_type())
            .ok_or_else(|| EngineError::internal("a join reads a missing column"))?;
        let mut sources: Vec<&ArrayRef> = Vec::with_capacity(located.blocks.len());
        for &block in &located.blocks {
            let block = self.blocks.get(block as usize);
            let source = block.and_then(|block| block.columns.get(column));
            sources
                .push(source.ok_or_else(|| EngineError::internal("a join lost a block of rows"))?);
        }
        match sources.as_slice() {
            [] => Ok(new_null_array(data_type, located.places.len())),
            [only] => {
                let rows: UInt32Array = if located.has_none {
                    let rows = located.places.iter();
                    rows.map(|&(source, row)| (source == 0).then_some(row as u32))
                        .collect()
                } else {
                    located.places.iter().map(|&(_, row)| row as u32).collect()
                };
                Ok(take(only.as_ref(), &rows, None)?)
            }
            many => {
                let mut arrays: Vec<&dyn Array> = many.iter().map(|it| it.as_ref()).collect();
                if !located.has_none {
                    return Ok(interleave(&arrays, &located.places)?);
                }
                let null = new_null_array(data_type, 1);
                let null_idx = arrays.len();
                arrays.push(null.as_ref());
                let places: Vec<_> = located
                    .places
                    .iter()
                    .map(|&(source, row)| (source.min(null_idx), row))
                    .collect();
                Ok(interleave(&arrays, &places)?)
            }
        }
    }

    /// Bytes that the arrangement holds.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let of_finder = self.finder.as_ref().map_or(0, |finder| {
            finder.table.allocation_size() + finder.hashes.capacity() * size_of::<u64>()
        });
        self.block_bytes
            + of_finder
            + self.slots.capacity() * size_of::<Slot>()
            + self.chains.capacity() * size_of::<Chain>()
            + (self.free_slots.capacity() + self.removed.capacity()) * size_of::<u32>()
    }

    // --- blocks -------------------------------------------------------------------------

    fn new_block(&mut self) -> Result<u32> {
        if let Some(block) = self.free_blocks.pop() {
            return Ok(block);
        }
        self.blocks.push(Block::default());
        u32::try_from(self.blocks.len() - 1).map_err(|_| too_many())
    }

    fn put_block(&mut self, block_idx: u32, columns: Vec<ArrayRef>, slots: Vec<u32>) {
        let bytes = columns
            .iter()
            .map(|column| column.get_array_memory_size())
            .sum::<usize>()
            + slots.capacity() * size_of::<u32>();
        self.block_bytes += bytes;
        if slots.len() < SMALL_BLOCK_ROWS {
            self.n_small_blocks += 1;
        }
        if let Some(block) = self.blocks.get_mut(block_idx as usize) {
            *block = Block {
                columns,
                n_live: slots.len(),
                slots,
                bytes,
            };
        }
    }

    fn drop_block(&mut self, block_idx: u32) {
        let Some(block) = self.blocks.get_mut(block_idx as usize) else {
            return;
        };
        let block = std::mem::take(block);
        self.block_bytes -= block.bytes;
        self.n_dead -= block.slots.len() - block.n_live;
        if block.slots.len() < SMALL_BLOCK_ROWS {
            self.n_small_blocks -= 1;
        }
        self.free_blocks.push(block_idx);
    }

    /// Puts the living rows of the blocks that `is_chosen` into one new block.
    fn rewrite(&mut self, is_chosen: impl Fn(&Block) -> bool) -> Result<()> {
        let chosen: Vec<u32> = (0_u32..)
            .zip(&self.blocks)
            .filter(|(_, block)| !block.slots.is_empty() && is_chosen(block))
            .map(|(block_idx, _)| block_idx)
            .collect();
        let mut slots = Vec::new();
        for &block_idx in &chosen {
            let block = self.blocks.get(block_idx as usize);
            let living = block.into_iter().flat_map(|block| &block.slots);
            slots.extend(living.copied().filter(|&slot| slot != NONE));
        }
        if slots.is_empty() {
            return Ok(());
        }
        let located = self.locate(&slots);
        let columns = (0..self.schema.fields().len())
            .map(|column| self.gather(column, &located))
            .collect::<Result<Vec<_>>>()?;
        for block_idx in chosen {
            self.drop_block(block_idx);
        }
        let block_idx = self.new_block()?;
        for (row, &slot) in (0_u32..).zip(&slots) {
            if let Some(it) = self.slots.get_mut(slot as usize) {
                (it.block, it.row) = (block_idx, row);
            }
        }
        self.put_block(block_idx, columns, slots);
        Ok(())
    }

    // --- slots and chains ---------------------------------------------------------------

    fn new_slot(&mut self, block: u32, row: u32, key: u32) -> Result<u32> {
        let it = Slot {
            block,
            row,
            next: NONE,
            prev: NONE,
            key,
        };
        if let Some(slot) = self.free_slots.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = it;
            }
            return Ok(slot);
        }
        let slot = u32::try_from(self.slots.len()).map_err(|_| too_many())?;
        if slot == NONE {
            return Err(too_many());
        }
        self.slots.push(it);
        Ok(slot)
    }

    fn link(&mut self, slot: u32, key: u32) {
        let empty = Chain {
            head: NONE,
            tail: NONE,
        };
        if self.chains.len() <= key as usize {
            self.chains.resize(key as usize + 1, empty);
        }
        let Some(chain) = self.chains.get_mut(key as usize) else {
            return;
        };
        let tail = std::mem::replace(&mut chain.tail, slot);
        if tail == NONE {
            chain.head = slot;
        } else if let Some(it) = self.slots.get_mut(tail as usize) {
            it.next = slot;
        }
        if let Some(it) = self.slots.get_mut(slot as usize) {
            it.prev = tail;
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(Slot {
            next, prev, key, ..
        }) = self.slots.get(slot as usize).copied()
        else {
            return;
        };
        match self.slots.get_mut(prev as usize) {
            Some(it) => it.next = next,
            None => {
                if let Some(chain) = self.chains.get_mut(key as usize) {
                    chain.head = next;
                }
            }
        }
        match self.slots.get_mut(next as usize) {
            Some(it) => it.prev = prev,
            None => {
                if let Some(chain) = self.chains.get_mut(key as usize) {
                    chain.tail = prev;
                }
            }
        }
    }
}

/// Slots of rows that have come.
#[derive(Debug, Default)]
pub struct Inserted {
    /// The slot of each row.
    pub slots: Vec<u32>,
    /// Slots of rows whose places they have taken; of those that came with them, too.
    pub replaced: Vec<u32>,
}

/// Rows found in their blocks.
#[derive(Debug)]
pub struct Located {
    blocks: Vec<u32>,
    /// Index into `blocks` and row; `usize::MAX` where there is no row.
    places: Vec<(usize, usize)>,
    has_none: bool,
}

/// Whether keeping the columns keeps little more than their rows.
fn is_compact(columns: &[ArrayRef]) -> bool {
    columns.iter().all(|column| {
        let data = column.to_data();
        let used = data.get_slice_memory_size().unwrap_or(0);
        data.get_buffer_memory_size() <= 2 * used + 1_024
    })
}

fn too_many() -> EngineError {
    EngineError::ResourcesExhausted {
        message: "a join holds more than four billion rows on one worker".to_owned(),
    }
}
