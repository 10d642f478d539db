//! What a reader of changes has been given: how many rows, and which, in two numbers.
//!
//! A job that begins again gives the rows since its checkpoint once more. They are counted off, not
//! given again, if they are the same rows; their order among each other does not count, as the
//! numbers are sums.
//!
//! ```text
//!   first run    r1 r2 r3 │checkpoint│ r4 r5 r6  ✗
//!   second run            │ restored │ r4 r6 r5      r7 r8 …
//!                                      counted off   given
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::{SchemaRef, UInt64Type};

use crate::data::Delta;
use crate::data::keys::hash_rows;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// The table in a checkpoint.
const TABLE: &str = "delivered";

/// Rows that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// How many.
    pub(super) n_rows: u64,
    /// The sum of their hashes.
    bag: u64,
}

impl Delivered {
    /// Whether rows of this schema can be told apart.
    pub(super) fn can_tell(schema: &SchemaRef) -> bool {
        let empty = RecordBatch::new_empty(Arc::clone(schema));
        hash_rows(empty.columns(), 0).is_ok()
    }

    /// Adds the rows of a delta.
    ///
    /// # Errors
    /// If they have a type without a hash.
    pub(super) fn add(&mut self, delta: &Delta) -> Result<()> {
        let hashes = hash_rows(delta.batch().columns(), delta.num_rows())?;
        for (row_idx, hash) in hashes.into_iter().enumerate() {
            // Flink's numbers of the kinds are small: an odd factor for each.
            let factor = 2 * u64::from(delta.kind(row_idx) as u8) + 1;
            self.bag = self.bag.wrapping_add(hash.wrapping_mul(factor));
        }
        self.n_rows += delta.num_rows() as u64;
        Ok(())
    }

    /// For a checkpoint.
    ///
    /// # Errors
    /// Never, as long as a table can have two columns.
    pub(super) fn save(self) -> Result<StateTable> {
        let number = |number: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![number])) };
        let columns = [("n_rows", number(self.n_rows)), ("bag", number(self.bag))];
        Ok(StateTable {
            name: TABLE,
            batch: RecordBatch::try_from_iter(columns)?,
            key_columns: Vec::new(),
        })
    }

    /// From a checkpoint.
    ///
    /// # Errors
    /// If the tables are not those of [`Self::save`].
    pub(super) fn restored(tables: &[StateTable]) -> Result<Self> {
        let found = tables.iter().find(|table| table.name == TABLE);
        let number = |name: &str| {
            let column = found?.batch.column_by_name(name)?;
            column.as_primitive_opt::<UInt64Type>()?.iter().next()?
        };
        match (number("n_rows"), number("bag")) {
            (Some(n_rows), Some(bag)) => Ok(Self { n_rows, bag }),
            _ => Err(EngineError::internal(
                "a checkpoint without what was given to the reader",
            )),
        }
    }
}
