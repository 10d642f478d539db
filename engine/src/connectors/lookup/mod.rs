//! Looking rows up by key: what a table must be able to do to stand on the right of
//! `JOIN dim FOR SYSTEM_TIME AS OF o.proctime`.
//!
//! ```text
//!   Source::lookup ──▶ Lookup ──open(keys, columns)──▶ LookupTable ──look_up(many keys)──▶ Found
//!                                    │ 'lookup.cache'
//!                                    ├─ FULL     all rows in memory, by key, read again now and then
//!                                    ├─ PARTIAL  the rows of keys that were asked for
//!                                    └─ NONE     the outside is asked every time
//! ```
//!
//! A table is opened once a job and shared by its workers, so that a cache is kept once. Keys come
//! in batches, each key once: a connector to a database can ask for all of them together.
//!
//! Source: `LookupTableSource` and `org.apache.flink.table.connector.source.lookup` of Flink 2.3.

mod options;

mod full;

mod partial;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};

pub use full::{FullTable, ScanLookup, Version};
pub use options::{LOOKUP_OPTIONS, LookupCache, LookupOptions, PartialOptions, Reload};
pub use partial::PartialTable;

use super::{Source, SourcePoll};
use crate::data::keys::canonical;
use crate::error::{EngineError, Result};

/// A table whose rows can be found by key.
pub trait Lookup: Send + Sync + Debug {
    /// The table for one job. `key_columns` are compared with the keys in this order; `columns` are
    /// those of the rows that are given; both are indices into the source's schema.
    ///
    /// # Errors
    /// If rows cannot be found by these columns.
    fn open(&self, key_columns: &[usize], columns: &[usize]) -> Result<Arc<dyn LookupTable>>;
}

/// A table that is open. Workers call it at the same time.
pub trait LookupTable: Send + Sync + Debug {
    /// The rows of each key. `keys` has one array a key column, of the column's type, without NULLs
    /// and without repetition. `now_ms` is the processing time.
    ///
    /// # Errors
    /// If the outside does not answer.
    fn look_up(&self, keys: &[ArrayRef], now_ms: i64) -> Result<Found>;

    /// Bytes that are kept in memory.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// Rows that were found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The rows, key by key, the rows of a key in the table's order.
    pub rows: RecordBatch,
    /// For each row the index of its key; ascending.
    pub key_of: Vec<u32>,
}

/// All rows of a bounded source, `columns` of them.
///
/// # Errors
/// As the source's readers; `Internal` if the source changes rows it has sent.
pub(super) fn read_all(source: &dyn Source, columns: &[usize]) -> Result<RecordBatch> {
    let mut ascending = columns.to_vec();
    ascending.sort_unstable();
    ascending.dedup();
    let schema: SchemaRef = Arc::new(source.schema().project(&ascending)?);
    let mut batches = Vec::new();
    for mut reader in source.open(&ascending, 1)? {
        loop {
            match reader.poll(MAX_BATCH_ROWS)? {
                SourcePoll::Rows(delta) if delta.kinds().is_some() => {
                    return Err(EngineError::unsupported(
                        "looking rows up in a table whose rows change",
                    ));
                }
                SourcePoll::Rows(delta) => batches.push(delta.batch().clone()),
                SourcePoll::Idle(pause) => std::thread::sleep(pause),
                SourcePoll::End => break,
            }
        }
    }
    let all = concat_batches(&schema, &batches)?;
    let order = columns
        .iter()
        .map(|column| ascending.binary_search(column).ok())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| EngineError::internal("a lookup reads a missing column"))?;
    Ok(all.project(&order)?)
}

const MAX_BATCH_ROWS: usize = 16_384;

/// Keys as bytes: equal keys have equal bytes.
#[derive(Debug)]
pub(super) struct KeyBytes {
    converter: RowConverter,
}

impl KeyBytes {
    /// # Errors
    /// For types that have no such bytes.
    pub(super) fn try_new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().cloned().map(SortField::new).collect();
        let converter = RowConverter::new(fields)
            .map_err(|_| EngineError::unsupported("looking rows up by a key of a nested type"))?;
        Ok(Self { converter })
    }

    /// One row of bytes a key.
    pub(super) fn of(&self, keys: &[ArrayRef]) -> Result<Rows> {
        let keys: Vec<ArrayRef> = keys.iter().map(canonical).collect();
        Ok(self.converter.convert_columns(&keys)?)
    }
}
