//! Looking rows up by key, many keys in one query.
//!
//! ```text
//!   keys ──64 at a time──▶ SELECT 0, … WHERE k = ? UNION ALL SELECT 1, … WHERE k = ? … ──▶ rows by key
//! ```
//!
//! Each key is a query of its own inside of the statement, so that the database decides what is
//! equal, as it does for Flink: a collation may take `a` for `A`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array as _, ArrayRef};
use parking_lot::Mutex;
use tidemill_engine::connectors::lookup::{Found, Lookup, LookupTable, PartialTable};
use tidemill_engine::data::keys::column_types;
use tidemill_engine::{EngineError, Result};

use crate::driver::{Connection, Failure};
use crate::options::LookupOptions;
use crate::table::Table;
use crate::values::{Value, encode};

/// Keys in one statement.
const MAX_KEYS: usize = 64;

/// A table whose rows can be found.
#[derive(Debug)]
pub(crate) struct JdbcLookup {
    pub(crate) table: Table,
    pub(crate) options: LookupOptions,
}

impl Lookup for JdbcLookup {
    fn open(&self, key_columns: &[usize], columns: &[usize]) -> Result<Arc<dyn LookupTable>> {
        let table = Arc::new(OpenTable {
            table: self.table.clone(),
            max_retries: self.options.max_retries,
            keys: self.table.names(key_columns),
            columns: columns.to_vec(),
            idle: Mutex::default(),
        });
        let Some(cache) = &self.options.cache else {
            return Ok(table);
        };
        let schema = &self.table.schema;
        Ok(Arc::new(PartialTable::try_new(
            table,
            cache.clone(),
            &column_types(schema, key_columns)?,
            Arc::new(schema.project(columns)?),
        )?))
    }
}

#[derive(Debug)]
struct OpenTable {
    table: Table,
    max_retries: u32,
    /// Names of the key columns.
    keys: Vec<String>,
    columns: Vec<usize>,
    /// Connections that nobody uses: workers ask at the same time.
    idle: Mutex<Vec<Box<dyn Connection>>>,
}

impl LookupTable for OpenTable {
    fn look_up(&self, keys: &[ArrayRef], _now_ms: i64) -> Result<Found> {
        let n_keys = keys.first().map_or(0, |column| column.len());
        let mut values = Vec::with_capacity(n_keys * keys.len());
        for key_idx in 0..n_keys {
            for column in keys {
                values.push(encode(column.as_ref(), key_idx)?);
            }
        }
        for attempt in 0..=self.max_retries {
            match self.attempt(&values, n_keys) {
                Ok(found) => return Ok(found),
                Err(failure) if failure.may_pass() && attempt < self.max_retries => {
                    std::thread::sleep(Duration::from_secs(attempt.into()));
                }
                Err(failure) => return Err(self.table.error(failure)),
            }
        }
        Err(EngineError::internal("a lookup was not attempted"))
    }
}

impl OpenTable {
    fn attempt(&self, values: &[Value], n_keys: usize) -> Result<Found, Failure> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.table.connect()?,
        };
        let found = self.ask(connection.as_mut(), values, n_keys);
        // One that failed is kept only if it still answers.
        if found.is_ok() || connection.is_valid() {
            self.idle.lock().push(connection);
        }
        found
    }

    fn ask(
        &self,
        connection: &mut dyn Connection,
        values: &[Value],
        n_keys: usize,
    ) -> Result<Found, Failure> {
        let names = self.table.names(&self.columns);
        let dialect = self.table.dialect();
        let most = (dialect.max_parameters() / self.keys.len().max(1)).min(MAX_KEYS);
        let mut rows: Vec<(u32, Vec<Value>)> = Vec::new();
        let mut start = 0;
        while start < n_keys {
            // Powers of two: few statements are prepared.
            let n_asked = power_of_two((n_keys - start).min(most));
            let sql = dialect.look_up(&self.table.relation, &self.keys, &names, n_asked);
            let (from, to) = (start * self.keys.len(), (start + n_asked) * self.keys.len());
            let parameters: Vec<&Value> = values.get(from..to).unwrap_or_default().iter().collect();
            connection.query(&sql, &parameters, &mut |values| {
                let (Some(Value::Int(number)), Some(columns)) = (values.first(), values.get(1..))
                else {
                    return Err(self
                        .table
                        .problem("an answer without the number of its key"));
                };
                let key_idx = usize::try_from(*number).ok().map(|number| start + number);
                let key_idx = key_idx.and_then(|key_idx| u32::try_from(key_idx).ok());
                let key_idx = key_idx
                    .ok_or_else(|| self.table.problem("an answer for a key that is none"))?;
                rows.push((key_idx, columns.to_vec()));
                Ok(true)
            })?;
            start += n_asked;
        }
        // The parts of a union may come in any order.
        rows.sort_by_key(|(key_idx, _)| *key_idx);
        let mut batch = self.table.rows(&self.columns)?;
        for (_, values) in &rows {
            batch.push(values)?;
        }
        Ok(Found {
            rows: batch.finish()?,
            key_of: rows.iter().map(|(key_idx, _)| *key_idx).collect(),
        })
    }
}

/// The greatest power of two up to a number; one for zero.
pub(crate) const fn power_of_two(number: usize) -> usize {
    match number.checked_ilog2() {
        Some(exponent) => 1 << exponent,
        None => 1,
    }
}
