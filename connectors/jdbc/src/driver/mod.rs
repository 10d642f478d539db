//! Connections: what runs statements, whatever the database is.
//!
//! Drivers block; each connection has one user at a time. A failure says whether another attempt
//! may help, which is what retries go by.

mod mysql;

mod postgres;

mod sqlite;

mod tls;

use std::fmt::Debug;
use std::time::Duration;

use tidemill_engine::EngineError;

use crate::url::Address;
use crate::values::Value;

/// Why a statement did not run. No text has a password in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no connection, or no longer.
    #[error("{message}")]
    Lost { message: String },
    /// Somebody else was in the way: a lock, a deadlock.
    #[error("{message}")]
    Busy { message: String },
    /// The database does not do this: unknown names, wrong values, missing rights.
    #[error("{message}")]
    Refused { message: String },
    /// What took the rows failed.
    #[error(transparent)]
    Reader(#[from] EngineError),
}

impl Failure {
    fn lost(error: impl ToString) -> Self {
        Self::Lost {
            message: one_line(&error.to_string()),
        }
    }

    fn busy(error: impl ToString) -> Self {
        Self::Busy {
            message: one_line(&error.to_string()),
        }
    }

    fn refused(error: impl ToString) -> Self {
        Self::Refused {
            message: one_line(&error.to_string()),
        }
    }

    /// Whether the same may run another time.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Busy { .. })
    }
}

/// A message is one sentence on one line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Takes a row; whether it wants more.
pub(crate) type OnRow<'a> = dyn FnMut(&[Value]) -> Result<bool, EngineError> + 'a;

/// A connection that is open.
pub(crate) trait Connection: Send + Debug {
    /// Runs a query and gives its rows one by one, as they come.
    fn query(
        &mut self,
        sql: &str,
        parameters: &[&Value],
        on_row: &mut OnRow<'_>,
    ) -> Result<(), Failure>;

    /// Runs a statement without rows.
    fn execute(&mut self, sql: &str, parameters: &[&Value]) -> Result<(), Failure>;

    /// Looks whether a statement could run, as far as the database does that.
    fn prepare(&mut self, sql: &str) -> Result<(), Failure>;

    /// Runs a word: BEGIN, COMMIT, ROLLBACK.
    fn command(&mut self, sql: &str) -> Result<(), Failure>;

    /// Whether the database still answers.
    fn is_valid(&mut self) -> bool;
}

/// Opens a connection; a server that does not answer for so long is given up.
pub(crate) fn connect(
    address: &Address,
    timeout: Duration,
) -> Result<Box<dyn Connection>, Failure> {
    match address {
        Address::File(file) => sqlite::connect(file),
        Address::Server(server) => {
            let timeout = server.connect_timeout.unwrap_or(timeout);
            match server.dialect {
                crate::dialect::Dialect::Postgres => postgres::connect(server, timeout),
                _ => mysql::connect(server, timeout),
            }
        }
    }
}
