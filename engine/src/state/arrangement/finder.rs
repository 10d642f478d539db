//! How rows are found again: by all of their content, by a unique key, or as the only one of
//! their join key.

use std::cmp::Ordering;
use std::collections::HashMap;

use arrow::array::{ArrayRef, DynComparator, make_comparator};
use arrow::compute::SortOptions;
use hashbrown::HashTable;

use super::Block;
use crate::data::keys;
use crate::error::{EngineError, Result};

/// By what the row is known that a retraction takes out, or whose place a new one takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Rows come and stay; none is looked for.
    None,
    /// Equal rows may stand there several times; one of them goes.
    WholeRow,
    /// Of the rows of a join key one has these values; a new one takes its place.
    Columns(Vec<usize>),
    /// There is one row of a join key; a new one takes its place.
    Key,
}

impl Identity {
    /// Hashes by which a [`Finder`] knows rows; none where there is no finder.
    ///
    /// # Errors
    /// For types that have no hash.
    pub(super) fn hashes(&self, columns: &[ArrayRef], n_rows: usize) -> Result<Vec<u64>> {
        match self {
            Self::None | Self::Key => Ok(Vec::new()),
            Self::WholeRow => keys::hash_rows(columns, n_rows),
            Self::Columns(unique) => {
                let unique: Vec<ArrayRef> = chosen(unique, columns)?;
                keys::hash_rows(&unique, n_rows)
            }
        }
    }

    pub(super) const fn has_finder(&self) -> bool {
        matches!(self, Self::WholeRow | Self::Columns(_))
    }
}

fn chosen(unique: &[usize], columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let columns = unique.iter().map(|&column| columns.get(column).cloned());
    columns
        .collect::<Option<_>>()
        .ok_or_else(|| EngineError::internal("a unique key names a missing column"))
}

/// Slots by what their rows are known by.
#[derive(Debug, Default)]
pub(super) struct Finder {
    pub(super) table: HashTable<u32>,
    /// By slot.
    pub(super) hashes: Vec<u64>,
}

impl Finder {
    /// The hash of the row of a slot, known before the row is entered.
    pub(super) fn note(&mut self, slot: u32, hash: u64) {
        let place = slot as usize;
        if self.hashes.len() <= place {
            self.hashes.resize(place + 1, 0);
        }
        if let Some(entry) = self.hashes.get_mut(place) {
            *entry = hash;
        }
    }

    pub(super) fn hash(&self, slot: u32) -> u64 {
        self.hashes.get(slot as usize).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, slot: u32) {
        let hash = self.hash(slot);
        let hashes = &self.hashes;
        self.table.insert_unique(hash, slot, |&other| {
            hashes.get(other as usize).copied().unwrap_or(0)
        });
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let hash = self.hash(slot);
        if let Ok(entry) = self.table.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
    }
}

/// Compares the rows of a batch with rows in blocks, in the columns by which they are known. NULLs
/// are equal, NaNs are equal, 0.0 and -0.0 differ.
pub struct RowEquality {
    /// With their places.
    columns: Vec<(usize, ArrayRef)>,
    /// By block; a block does not change while a batch is compared.
    comparators: HashMap<u32, Vec<DynComparator>>,
}

impl RowEquality {
    /// To compare the rows of these columns.
    pub(super) fn new(columns: &[ArrayRef], identity: &Identity) -> Self {
        let is_compared = |place: usize| match identity {
            Identity::None | Identity::Key => false,
            Identity::WholeRow => true,
            Identity::Columns(unique) => unique.contains(&place),
        };
        let columns = columns.iter().cloned().enumerate();
        Self {
            columns: columns.filter(|(place, _)| is_compared(*place)).collect(),
            comparators: HashMap::new(),
        }
    }

    pub(super) fn is_equal(
        &mut self,
        blocks: &[Block],
        block: u32,
        row: u32,
        own: u32,
    ) -> Result<bool> {
        if !self.comparators.contains_key(&block) {
            let others = blocks.get(block as usize);
            let (others, own): (Vec<ArrayRef>, Vec<ArrayRef>) = self
                .columns
                .iter()
                .filter_map(|(place, own)| {
                    let other = others?.columns.get(*place)?;
                    Some((std::sync::Arc::clone(other), std::sync::Arc::clone(own)))
                })
                .unzip();
            self.comparators.insert(block, comparators(&others, &own)?);
        }
        Ok(self.comparators.get(&block).is_some_and(|columns| {
            columns
                .iter()
                .all(|compare| compare(row as usize, own as usize) == Ordering::Equal)
        }))
    }
}

/// One comparator a column.
///
/// # Errors
/// If a type cannot be compared.
pub fn comparators(left: &[ArrayRef], right: &[ArrayRef]) -> Result<Vec<DynComparator>> {
    left.iter()
        .zip(right)
        .map(|(left, right)| {
            Ok(make_comparator(
                left.as_ref(),
                right.as_ref(),
                SortOptions::default(),
            )?)
        })
        .collect()
}
