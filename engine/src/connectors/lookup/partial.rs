//! The rows of keys that were asked for, kept for the next time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, SchemaRef};
use parking_lot::Mutex;

use super::options::PartialOptions;
use super::{Found, KeyBytes, LookupTable};
use crate::data::size::batch_bytes;
use crate::error::Result;

/// A cache in front of a table.
#[derive(Debug)]
pub struct PartialTable {
    table: Arc<dyn LookupTable>,
    options: PartialOptions,
    schema: SchemaRef,
    keys: KeyBytes,
    /// Held while keys are looked up in it, not while the table is asked.
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<Box<[u8]>, Entry>,
    /// Keys by when they were last asked for, oldest first.
    by_use: BTreeMap<u64, Box<[u8]>>,
    n_uses: u64,
    n_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    rows: RecordBatch,
    written_ms: i64,
    accessed_ms: i64,
    last_use: u64,
}

impl PartialTable {
    /// A cache in front of `table`, whose keys have these types and whose rows have `schema`.
    ///
    /// # Errors
    /// If such keys cannot be kept.
    pub fn try_new(
        table: Arc<dyn LookupTable>,
        options: PartialOptions,
        key_types: &[DataType],
        schema: SchemaRef,
    ) -> Result<Self> {
        Ok(Self {
            table,
            options,
            schema,
            keys: KeyBytes::try_new(key_types)?,
            entries: Mutex::default(),
        })
    }
}

impl LookupTable for PartialTable {
    fn look_up(&self, keys: &[ArrayRef], now_ms: i64) -> Result<Found> {
        let bytes = self.keys.of(keys)?;
        let mut known: Vec<Option<RecordBatch>> = Vec::with_capacity(bytes.num_rows());
        {
            let mut entries = self.entries.lock();
            for key in &bytes {
                known.push(entries.get(key.as_ref(), now_ms, &self.options));
            }
        }
        let missing: UInt32Array = (0_u32..)
            .zip(&known)
            .filter(|(_, rows)| rows.is_none())
            .map(|(key_idx, _)| Some(key_idx))
            .collect();
        if !missing.is_empty() {
            let asked = keys
                .iter()
                .map(|column| Ok(take(column, &missing, None)?))
                .collect::<Result<Vec<ArrayRef>>>()?;
            let found = self.table.look_up(&asked, now_ms)?;
            let mut entries = self.entries.lock();
            let mut start = 0;
            for (asked_idx, &key_idx) in (0_u32..).zip(missing.values()) {
                let n_rows = found.key_of.iter().skip(start);
                let n_rows = n_rows.take_while(|key| **key == asked_idx).count();
                let rows = found.rows.slice(start, n_rows);
                start += n_rows;
                if n_rows > 0 || self.options.keeps_missing_keys {
                    let key = bytes.row(key_idx as usize);
                    entries.put(key.as_ref(), &rows, now_ms, &self.options)?;
                }
                if let Some(known) = known.get_mut(key_idx as usize) {
                    *known = Some(rows);
                }
            }
        }
        let mut key_of = Vec::new();
        for (key_idx, rows) in (0_u32..).zip(&known) {
            let n_rows = rows.as_ref().map_or(0, RecordBatch::num_rows);
            key_of.extend(std::iter::repeat_n(key_idx, n_rows));
        }
        let rows = concat_batches(&self.schema, known.iter().flatten())?;
        Ok(Found { rows, key_of })
    }

    fn state_bytes(&self) -> usize {
        self.entries.lock().n_bytes + self.table.state_bytes()
    }
}

impl Entries {
    fn get(&mut self, key: &[u8], now_ms: i64, options: &PartialOptions) -> Option<RecordBatch> {
        let entry = self.by_key.get(key)?;
        let is_over = |since_ms: i64, span: Option<Duration>| {
            span.is_some_and(|span| u128::from(now_ms.abs_diff(since_ms)) >= span.as_millis())
        };
        if is_over(entry.written_ms, options.expire_after_write)
            || is_over(entry.accessed_ms, options.expire_after_access)
        {
            self.remove(key);
            return None;
        }
        self.n_uses += 1;
        let use_idx = self.n_uses;
        let entry = self.by_key.get_mut(key)?;
        let key = self.by_use.remove(&entry.last_use)?;
        self.by_use.insert(use_idx, key);
        entry.last_use = use_idx;
        entry.accessed_ms = now_ms;
        Some(entry.rows.clone())
    }

    fn put(
        &mut self,
        key: &[u8],
        rows: &RecordBatch,
        now_ms: i64,
        options: &PartialOptions,
    ) -> Result<()> {
        self.remove(key);
        if options.max_entries == Some(0) {
            return Ok(());
        }
        // A copy: a slice would keep the whole answer in memory.
        let rows = concat_batches(&rows.schema(), [rows])?;
        self.n_uses += 1;
        self.n_bytes += bytes_of(key, &rows);
        self.by_use.insert(self.n_uses, key.into());
        self.by_key.insert(
            key.into(),
            Entry {
                rows,
                written_ms: now_ms,
                accessed_ms: now_ms,
                last_use: self.n_uses,
            },
        );
        let max = options.max_entries.unwrap_or(u64::MAX);
        while self.by_key.len() as u64 > max {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.last_use);
            self.n_bytes = self.n_bytes.saturating_sub(bytes_of(key, &entry.rows));
        }
    }
}

fn bytes_of(key: &[u8], rows: &RecordBatch) -> usize {
    2 * key.len() + batch_bytes(rows) + size_of::<Entry>() + 64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU64, Ordering};

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{Field, Int64Type, Schema};

    use super::*;

    /// Gives each key twice, but negative keys not at all; counts the keys it is asked for.
    #[derive(Debug, Default)]
    struct Twice(AtomicU64);

    impl LookupTable for Twice {
        fn look_up(&self, keys: &[ArrayRef], _now_ms: i64) -> Result<Found> {
            let keys = keys[0].as_primitive::<Int64Type>();
            self.0.fetch_add(keys.len() as u64, Ordering::Relaxed);
            let found = (0_u32..).zip(keys.values()).filter(|(_, key)| **key >= 0);
            let found: Vec<(u32, i64)> = found.flat_map(|(idx, key)| [(idx, *key); 2]).collect();
            let values = Int64Array::from_iter_values(found.iter().map(|(_, key)| *key));
            Ok(Found {
                rows: RecordBatch::try_new(schema(), vec![Arc::new(values)])?,
                key_of: found.iter().map(|(idx, _)| *idx).collect(),
            })
        }
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]))
    }

    fn cache(options: PartialOptions) -> (Arc<Twice>, PartialTable) {
        let inner = Arc::new(Twice::default());
        let table = Arc::clone(&inner) as Arc<dyn LookupTable>;
        let cache = PartialTable::try_new(table, options, &[DataType::Int64], schema());
        (inner, cache.unwrap())
    }

    const OPTIONS: PartialOptions = PartialOptions {
        expire_after_access: None,
        expire_after_write: None,
        keeps_missing_keys: true,
        max_entries: None,
    };

    /// The rows of these keys, and how many keys the table has been asked for by then.
    fn ask(inner: &Twice, cache: &PartialTable, keys: &[i64], now_ms: i64) -> (Vec<u32>, u64) {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let found = cache.look_up(&[keys], now_ms).unwrap();
        assert_eq!(found.rows.num_rows(), found.key_of.len());
        (found.key_of, inner.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_key_is_asked_for_once() {
        let (inner, cache) = cache(OPTIONS);
        assert_eq!(ask(&inner, &cache, &[1, -1], 0), (vec![0, 0], 2));
        assert_eq!(ask(&inner, &cache, &[-1, 2, 1], 5), (vec![1, 1, 2, 2], 3));
        assert!(cache.state_bytes() > 0);
    }

    #[test]
    fn missing_keys_are_kept_only_if_wanted() {
        let (inner, cache) = cache(PartialOptions {
            keeps_missing_keys: false,
            ..OPTIONS
        });
        assert_eq!(ask(&inner, &cache, &[-1], 0).1, 1);
        assert_eq!(ask(&inner, &cache, &[-1], 0).1, 2);
    }

    #[test]
    fn entries_grow_old() {
        let (inner, cache) = cache(PartialOptions {
            expire_after_write: Some(Duration::from_millis(10)),
            ..OPTIONS
        });
        assert_eq!(ask(&inner, &cache, &[1], 0).1, 1);
        assert_eq!(ask(&inner, &cache, &[1], 9).1, 1);
        assert_eq!(ask(&inner, &cache, &[1], 10).1, 2);
        let (inner, cache) = self::cache(PartialOptions {
            expire_after_access: Some(Duration::from_millis(10)),
            ..OPTIONS
        });
        for (now_ms, n_asked) in [(0, 1), (9, 1), (18, 1), (28, 2)] {
            assert_eq!(ask(&inner, &cache, &[1], now_ms).1, n_asked);
        }
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let (inner, cache) = cache(PartialOptions {
            max_entries: Some(2),
            ..OPTIONS
        });
        ask(&inner, &cache, &[1], 0);
        ask(&inner, &cache, &[2], 0);
        ask(&inner, &cache, &[1], 0);
        // 2 has to go for 3.
        assert_eq!(ask(&inner, &cache, &[3], 0).1, 3);
        assert_eq!(ask(&inner, &cache, &[1], 0).1, 3);
        assert_eq!(ask(&inner, &cache, &[2], 0).1, 4);
    }
}
