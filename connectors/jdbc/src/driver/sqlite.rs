//! SQLite, linked in.
//!
//! It has four kinds of values. Times are written as the texts that its own functions read,
//! decimals as text, so that a column without a number's affinity keeps every digit.

use rusqlite::ffi::ErrorCode;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, ToSql, params_from_iter};

use super::{Connection, Failure, OnRow};
use crate::url::File;
use crate::values::Value;

/// Statements that are kept ready.
const MAX_STATEMENTS: usize = 64;

pub(super) fn connect(file: &File) -> Result<Box<dyn Connection>, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_CREATE;
    let inner = rusqlite::Connection::open_with_flags(&file.path, flags).map_err(failure)?;
    inner.busy_timeout(file.busy_timeout).map_err(failure)?;
    inner.set_prepared_statement_cache_capacity(MAX_STATEMENTS);
    for pragma in &file.pragmas {
        inner
            .query_row(pragma, [], |_| Ok(()))
            .or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                error => Err(failure(error)),
            })?;
    }
    Ok(Box::new(Sqlite { inner }))
}

#[derive(Debug)]
struct Sqlite {
    inner: rusqlite::Connection,
}

impl Connection for Sqlite {
    fn query(
        &mut self,
        sql: &str,
        parameters: &[&Value],
        on_row: &mut OnRow<'_>,
    ) -> Result<(), Failure> {
        let mut statement = self.inner.prepare_cached(sql).map_err(failure)?;
        let n_columns = statement.column_count();
        let mut rows = statement
            .query(params_from_iter(parameters.iter()))
            .map_err(failure)?;
        let mut values = Vec::with_capacity(n_columns);
        while let Some(row) = rows.next().map_err(failure)? {
            values.clear();
            for column_idx in 0..n_columns {
                values.push(value(row.get_ref(column_idx).map_err(failure)?));
            }
            if !on_row(&values)? {
                break;
            }
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, parameters: &[&Value]) -> Result<(), Failure> {
        let mut statement = self.inner.prepare_cached(sql).map_err(failure)?;
        statement
            .execute(params_from_iter(parameters.iter()))
            .map_err(failure)?;
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        self.inner.prepare_cached(sql).map_err(failure)?;
        Ok(())
    }

    fn command(&mut self, sql: &str) -> Result<(), Failure> {
        self.inner.execute_batch(sql).map_err(failure)
    }

    fn is_valid(&mut self) -> bool {
        self.inner.query_row("SELECT 1", [], |_| Ok(())).is_ok()
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = |value: i64| ToSqlOutput::from(value);
        Ok(match self {
            Self::Null => ToSqlOutput::from(rusqlite::types::Null),
            Self::Bool(value) => number((*value).into()),
            Self::Int(value) => number(*value),
            Self::Float(value) => ToSqlOutput::from(f64::from(*value)),
            Self::Double(value) => ToSqlOutput::from(*value),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            value => ToSqlOutput::from(value.text()),
        })
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Double(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::busy(error),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => Failure::lost(error),
        _ => Failure::refused(error),
    }
}
