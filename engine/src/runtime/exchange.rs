//! How rows change workers: the hash of the key columns gives one of 256 key groups, a range of
//! key groups belongs to a worker.
//!
//! A batch is scattered with one `take` a target. Mailboxes are filled during one stage and
//! emptied in a later one, in the order of the sending workers: the result does not depend on
//! which worker was faster.

use arrow::array::{ArrayRef, UInt32Array};
use parking_lot::Mutex;

use crate::data::{Delta, keys};
use crate::error::{EngineError, Result};

/// Key groups: the unit in which state moves between workers.
pub(super) const N_KEY_GROUPS: usize = 256;

/// The rows on their way along one edge.
#[derive(Debug)]
pub(super) struct Mailboxes {
    n_workers: usize,
    /// `[target * n_workers + source]`; each has one writer and, a barrier later, one reader.
    slots: Vec<Mutex<Vec<Delta>>>,
}

impl Mailboxes {
    pub(super) fn new(n_workers: usize) -> Self {
        Self {
            n_workers,
            slots: (0..n_workers * n_workers)
                .map(|_| Mutex::new(Vec::new()))
                .collect(),
        }
    }

    pub(super) fn put(&self, source: usize, target: usize, delta: Delta) {
        if delta.num_rows() == 0 {
            return;
        }
        if let Some(slot) = self.slots.get(target * self.n_workers + source) {
            slot.lock().push(delta);
        }
    }

    /// All that was sent to `target`, by sending worker.
    pub(super) fn drain(&self, target: usize) -> Vec<Delta> {
        let first = target * self.n_workers;
        self.slots
            .iter()
            .skip(first)
            .take(self.n_workers)
            .flat_map(|slot| std::mem::take(&mut *slot.lock()))
            .collect()
    }
}

/// Splits `delta` by the key in `columns`: one part for each of `n_workers` workers, in order.
pub(super) fn scatter(delta: Delta, columns: &[usize], n_workers: usize) -> Result<Vec<Delta>> {
    let key = columns
        .iter()
        .map(|&column| delta.batch().columns().get(column).cloned())
        .collect::<Option<Vec<ArrayRef>>>()
        .ok_or_else(|| EngineError::internal("an exchange names a column that does not exist"))?;
    let hashes = keys::hash_rows(&key, delta.num_rows())?;
    let mut indices: Vec<Vec<u32>> = vec![Vec::new(); n_workers];
    for (row_idx, hash) in (0_u32..).zip(&hashes) {
        if let Some(target) = indices.get_mut(worker_of(*hash, n_workers)) {
            target.push(row_idx);
        }
    }
    let n_rows = delta.num_rows();
    indices
        .into_iter()
        .map(|indices| {
            if indices.len() == n_rows {
                Ok(delta.clone())
            } else if indices.is_empty() {
                Ok(delta.slice(0, 0))
            } else {
                delta.take(&UInt32Array::from(indices))
            }
        })
        .collect()
}

/// The worker that owns the key with this hash.
fn worker_of(hash: u64, n_workers: usize) -> usize {
    let key_group = (hash >> 56) as usize;
    key_group * n_workers / N_KEY_GROUPS
}
