//! All rows of a bounded source in memory, by key.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use parking_lot::RwLock;

use super::{Found, KeyBytes, Lookup, LookupCache, LookupTable, PartialTable, Reload, read_all};
use crate::connectors::Source;
use crate::data::keys::column_types;
use crate::data::size::batch_bytes;
use crate::error::{EngineError, Result};

/// Whether the outside is as it was: a number that changes with it.
pub type Version = dyn Fn() -> Result<u64> + Send + Sync;

/// Looking up in a bounded source by reading all of it.
pub struct ScanLookup {
    source: Arc<dyn Source>,
    cache: LookupCache,
    version: Option<Arc<Version>>,
}

impl ScanLookup {
    /// Looking up in `source`. Without a cache its rows are read again whenever `version` changes.
    #[must_use]
    pub fn shared(
        source: Arc<dyn Source>,
        cache: LookupCache,
        version: Option<Arc<Version>>,
    ) -> Arc<dyn Lookup> {
        Arc::new(Self {
            source,
            cache,
            version,
        })
    }
}

impl std::fmt::Debug for ScanLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScanLookup({:?})", self.source)
    }
}

impl Lookup for ScanLookup {
    fn open(&self, key_columns: &[usize], columns: &[usize]) -> Result<Arc<dyn LookupTable>> {
        let open = |reload: &Reload, version: Option<&Arc<Version>>| {
            let source = Arc::clone(&self.source);
            let version = version.cloned();
            FullTable::try_new(source, key_columns, columns, reload.clone(), version)
        };
        Ok(match &self.cache {
            LookupCache::Full(reload) => Arc::new(open(reload, None)?),
            LookupCache::None => Arc::new(open(&Reload::Never, self.version.as_ref())?),
            LookupCache::Partial(options) => {
                let table = Arc::new(open(&Reload::Never, self.version.as_ref())?);
                let schema = self.source.schema();
                Arc::new(PartialTable::try_new(
                    table,
                    options.clone(),
                    &column_types(&schema, key_columns)?,
                    Arc::new(schema.project(columns)?),
                )?)
            }
        })
    }
}

/// A table that is read as a whole. It is read when the first key is asked for, and again, before
/// the answer, when its rows are due or the outside has changed.
pub struct FullTable {
    source: Arc<dyn Source>,
    key_columns: Vec<usize>,
    columns: Vec<usize>,
    reload: Reload,
    /// If given, asked before every look; the rows are read again when the number changes.
    version: Option<Arc<Version>>,
    keys: KeyBytes,
    /// Written by whoever finds the rows to be due; read by all workers.
    rows: RwLock<Option<Arc<Rows>>>,
}

#[derive(Debug)]
struct Rows {
    batch: RecordBatch,
    /// Rows of each key, in the order in which they were read.
    by_key: HashMap<Box<[u8]>, Vec<u32>>,
    key_bytes: usize,
    due_ms: Option<i64>,
    version: u64,
}

impl std::fmt::Debug for FullTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FullTable({:?}, by {:?})", self.source, self.key_columns)
    }
}

impl FullTable {
    /// A table of all rows of `source`; see [`super::Lookup::open`] for the columns.
    ///
    /// # Errors
    /// If rows cannot be found by these columns.
    pub fn try_new(
        source: Arc<dyn Source>,
        key_columns: &[usize],
        columns: &[usize],
        reload: Reload,
        version: Option<Arc<Version>>,
    ) -> Result<Self> {
        let keys = KeyBytes::try_new(&column_types(&source.schema(), key_columns)?)?;
        Ok(Self {
            source,
            key_columns: key_columns.to_vec(),
            columns: columns.to_vec(),
            reload,
            version,
            keys,
            rows: RwLock::new(None),
        })
    }

    fn rows(&self, now_ms: i64) -> Result<Arc<Rows>> {
        let version = match &self.version {
            Some(version) => version()?,
            None => 0,
        };
        let is_current = |rows: &Rows| {
            rows.version == version && rows.due_ms.is_none_or(|due_ms| now_ms < due_ms)
        };
        if let Some(rows) = self.rows.read().as_ref().filter(|rows| is_current(rows)) {
            return Ok(Arc::clone(rows));
        }
        let mut kept = self.rows.write();
        // Another worker may have been faster.
        if let Some(rows) = kept.as_ref().filter(|rows| is_current(rows)) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.load(now_ms, version)?);
        *kept = Some(Arc::clone(&rows));
        Ok(rows)
    }

    fn load(&self, now_ms: i64, version: u64) -> Result<Rows> {
        let began = std::time::Instant::now();
        let mut read = self.key_columns.clone();
        read.extend(&self.columns);
        let all = read_all(self.source.as_ref(), &read)?;
        let n_keys = self.key_columns.len();
        let keys = all.columns().get(..n_keys).unwrap_or_default();
        let bytes = self.keys.of(keys)?;
        let mut by_key: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        let mut key_bytes = 0;
        for (row_idx, key) in (0_u32..).zip(&bytes) {
            // NULL is equal to nothing.
            if keys.iter().any(|column| column.is_null(row_idx as usize)) {
                continue;
            }
            match by_key.get_mut(key.as_ref()) {
                Some(rows) => rows.push(row_idx),
                None => {
                    key_bytes += key.as_ref().len() + ENTRY_BYTES;
                    by_key.insert(key.as_ref().into(), vec![row_idx]);
                }
            }
        }
        let columns: Vec<usize> = (n_keys..read.len()).collect();
        let took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(Rows {
            batch: all.project(&columns)?,
            by_key,
            key_bytes,
            due_ms: self.reload.due_ms(now_ms, now_ms.saturating_add(took_ms)),
            version,
        })
    }
}

/// What an entry of the map takes beside its key: two fat pointers and the first row.
const ENTRY_BYTES: usize = 64;

impl LookupTable for FullTable {
    fn look_up(&self, keys: &[ArrayRef], now_ms: i64) -> Result<Found> {
        let rows = self.rows(now_ms)?;
        let (mut found, mut key_of) = (Vec::new(), Vec::new());
        for (key_idx, key) in (0_u32..).zip(&self.keys.of(keys)?) {
            if let Some(of_key) = rows.by_key.get(key.as_ref()) {
                found.extend_from_slice(of_key);
                key_of.extend(of_key.iter().map(|_| key_idx));
            }
        }
        let n_rows = found.len();
        let batch = take_record_batch(&rows.batch, &UInt32Array::from(found))?;
        if batch.num_rows() != n_rows {
            return Err(EngineError::internal("a lookup lost rows"));
        }
        Ok(Found {
            rows: batch,
            key_of,
        })
    }

    fn state_bytes(&self) -> usize {
        let rows = self.rows.read();
        rows.as_ref().map_or(0, |rows| {
            batch_bytes(&rows.batch) + rows.key_bytes + rows.batch.num_rows() * size_of::<u32>()
        })
    }
}
