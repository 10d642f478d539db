//! What an operator gives to a checkpoint, and gets back from it: tables of rows.
//!
//! ```text
//!   save      worker 0: sums │a│b│     worker 1: sums │c│       the tables of all workers are
//!                            └───────┬──────────────┘           put together and written
//!   restore   worker 0: │a│  worker 1: │b│  worker 2: │c│       each row goes where the hash of
//!                                                               its key sends rows of this key
//! ```
//!
//! The key columns are hashed as an exchange hashes them, so a checkpoint of two workers restores
//! on three: nobody but the runtime knows how many there are.

use arrow::array::RecordBatch;

/// A named part of an operator's state.
#[derive(Debug, Clone)]
pub struct StateTable {
    /// Which part of the state: `groups`, `left`, `timers`. Unique within the operator.
    pub name: &'static str,
    /// The rows. Columns are Arrow's own types, so that a file of them needs no reader of ours.
    pub batch: RecordBatch,
    /// The columns that hold the key by which the operator's input is exchanged, in that order.
    /// Without any the rows belong to worker 0.
    pub key_columns: Vec<usize>,
}
