//! Statements for changes, in one transaction, again if that may help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidemill_engine::{EngineError, Result};

use super::buffer::Change;
use crate::driver::{Connection, Failure};
use crate::lookup::power_of_two;
use crate::table::Table;
use crate::values::Value;

/// Rows of one INSERT; keys of one DELETE, whose condition a database has to take apart.
const MAX_INSERTED: usize = 512;
const MAX_DELETED: usize = 128;
/// Bytes of values in one statement: servers refuse packets above a few megabytes.
const MAX_STATEMENT_BYTES: usize = 1 << 20;

/// Writes changes to one table.
pub(super) struct Writer {
    table: Table,
    keys: Vec<usize>,
    key_names: Vec<String>,
    names: Vec<String>,
    max_retries: u32,
    is_canceled: Arc<AtomicBool>,
    connection: Option<Box<dyn Connection>>,
}

impl Writer {
    pub(super) fn new(
        table: Table,
        keys: Vec<usize>,
        max_retries: u32,
        is_canceled: Arc<AtomicBool>,
    ) -> Self {
        let all: Vec<usize> = (0..table.schema.fields().len()).collect();
        Self {
            names: table.names(&all),
            key_names: table.names(&keys),
            table,
            keys,
            max_retries,
            is_canceled,
            connection: None,
        }
    }

    /// Connects, and looks whether the table can be written.
    pub(super) fn open(&mut self) -> Result<()> {
        let insert = self.insert(1);
        let attempt = || {
            let mut connection = self.table.connect()?;
            connection.prepare(&insert)?;
            Ok(connection)
        };
        let connection = attempt().map_err(|failure| self.table.error(failure))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Writes all of it, or nothing and fails.
    pub(super) fn write(&mut self, changes: &[Change]) -> Result<()> {
        for attempt in 0..=self.max_retries {
            match self.attempt(changes) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.may_pass() && attempt < self.max_retries => {
                    if !self.pause(Duration::from_secs(attempt.into())) {
                        return Err(self.table.error(failure));
                    }
                }
                Err(failure) => return Err(self.table.error(failure)),
            }
        }
        Err(EngineError::internal("changes were not written"))
    }

    fn attempt(&mut self, changes: &[Change]) -> Result<(), Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.table.connect()?,
        };
        let mut outcome = self.transact(connection.as_mut(), changes);
        if outcome.is_err() {
            // What was begun is undone, at the latest with the connection.
            let is_clean = connection.command("ROLLBACK").is_ok() || connection.is_valid();
            if is_clean && !matches!(outcome, Err(Failure::Lost { .. })) {
                self.connection = Some(connection);
            } else if let Err(Failure::Refused { message }) = outcome {
                // A server that is gone may have said anything.
                outcome = Err(Failure::Lost { message });
            }
        } else {
            self.connection = Some(connection);
        }
        outcome
    }

    fn transact(&self, connection: &mut dyn Connection, changes: &[Change]) -> Result<(), Failure> {
        let upserts = changes.iter().filter(|change| !change.is_deletion);
        let upserts: Vec<Vec<&Value>> = upserts.map(|it| it.values.iter().collect()).collect();
        let deletes = changes.iter().filter(|change| change.is_deletion);
        let deletes: Vec<Vec<&Value>> = deletes.map(|change| self.key_of(change)).collect();
        let max_parameters = self.table.dialect().max_parameters();
        let most = |limit: usize, n_columns: usize| (max_parameters / n_columns.max(1)).min(limit);
        let most_upserts = most(MAX_INSERTED, self.names.len());
        let most_deletes = most(MAX_DELETED, self.keys.len());
        let mut statements: Vec<(String, Vec<&Value>)> = Vec::new();
        for rows in chunks(&upserts, most_upserts) {
            statements.push((self.insert(rows.len()), rows.concat()));
        }
        let (dialect, relation) = (self.table.dialect(), &self.table.relation);
        for rows in chunks(&deletes, most_deletes) {
            let delete = dialect.delete(relation, &self.key_names, rows.len());
            statements.push((delete, rows.concat()));
        }
        // One statement is a transaction by itself.
        let is_one = statements.len() == 1;
        if !is_one {
            connection.command("BEGIN")?;
        }
        for (sql, parameters) in &statements {
            connection.execute(sql, parameters)?;
        }
        match is_one {
            true => Ok(()),
            false => connection.command("COMMIT"),
        }
    }

    fn key_of<'a>(&self, change: &'a Change) -> Vec<&'a Value> {
        let keys = self.keys.iter();
        keys.filter_map(|&column| change.values.get(column))
            .collect()
    }

    fn insert(&self, n_rows: usize) -> String {
        let dialect = self.table.dialect();
        dialect.insert(&self.table.relation, &self.names, &self.key_names, n_rows)
    }

    /// Waits; whether it was not for nothing.
    fn pause(&self, span: Duration) -> bool {
        const SLICE: Duration = Duration::from_millis(20);
        let until = Instant::now() + span;
        loop {
            if self.is_canceled.load(Ordering::Relaxed) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// Runs of rows for one statement each: powers of two, so that few are prepared.
fn chunks<'a, 'b>(rows: &'a [Vec<&'b Value>], most: usize) -> Vec<&'a [Vec<&'b Value>]> {
    let mut chunks = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let mut n_bytes = 0;
        let fitting = rest.iter().take(most.max(1)).take_while(|row| {
            n_bytes += row.iter().map(|value| value.size()).sum::<usize>();
            n_bytes <= MAX_STATEMENT_BYTES
        });
        let n_rows = power_of_two(fitting.count());
        let (chunk, others) = rest.split_at(n_rows.min(rest.len()));
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_bounded_by_rows_and_bytes() {
        let small = Value::Int(1);
        let rows: Vec<Vec<&Value>> = (0..100).map(|_| vec![&small]).collect();
        let sizes = |rows: &[Vec<&Value>], most: usize| -> Vec<usize> {
            chunks(rows, most).iter().map(|chunk| chunk.len()).collect()
        };
        assert_eq!(sizes(&rows, 512), [64, 32, 4]);
        assert_eq!(sizes(&rows, 33), [32, 32, 32, 4]);
        let large = Value::Bytes(vec![0; MAX_STATEMENT_BYTES]);
        let rows = vec![vec![&large], vec![&large]];
        assert_eq!(sizes(&rows, 512), [1, 1]);
        assert_eq!(sizes(&[], 512), [0; 0]);
    }
}
