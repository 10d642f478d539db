//! PostgreSQL, by the server's own protocol.
//!
//! The server tells the type of every parameter; values are sent as it wants them (`parameter.rs`)
//! and read as it has them (`value.rs`).

mod parameter;

mod value;

use std::collections::HashMap;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::{Client, Config, Statement};

use super::tls::Encryption;
use super::{Connection, Failure, OnRow};
use crate::url::{Host, Server, Tls};
use crate::values::Value;
use parameter::Parameter;

/// Statements that are kept ready.
const MAX_STATEMENTS: usize = 64;

pub(super) fn connect(server: &Server, timeout: Duration) -> Result<Box<dyn Connection>, Failure> {
    let mut last = None;
    for host in &server.hosts {
        match open(server, host, timeout) {
            Ok(inner) => {
                return Ok(Box::new(Postgres {
                    inner,
                    statements: HashMap::new(),
                    sends_untyped_texts: server.sends_untyped_texts,
                }));
            }
            Err(Failure::Lost { message }) => {
                last = Some(Failure::Lost {
                    message: format!("cannot connect to {host}: {message}"),
                });
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::refused("'url' names no host")))
}

fn open(server: &Server, host: &Host, timeout: Duration) -> Result<Client, Failure> {
    let mut config = Config::new();
    config
        .host(&host.name)
        .port(host.port)
        .connect_timeout(timeout)
        .application_name(server.application_name.as_deref().unwrap_or("tidemill"))
        .ssl_mode(match server.tls {
            Tls::Off => postgres::config::SslMode::Disable,
            Tls::Preferred => postgres::config::SslMode::Prefer,
            Tls::Required | Tls::VerifyCa | Tls::VerifyFull => postgres::config::SslMode::Require,
        });
    if let Some(user) = &server.user {
        config.user(user);
    }
    if let Some(password) = &server.password {
        config.password(password.reveal());
    }
    if let Some(database) = server.database.as_ref().or(server.user.as_ref()) {
        config.dbname(database);
    }
    if let Some(options) = &server.server_options {
        config.options(options);
    }
    if let Some(timeout) = server.socket_timeout {
        config.tcp_user_timeout(timeout);
    }
    let encryption = Encryption::try_new(server.tls, server.root_certificate.as_deref())
        .map_err(Failure::refused)?;
    let mut client = config.connect(encryption).map_err(failure)?;
    for statement in &server.begins_with {
        client.batch_execute(statement).map_err(failure)?;
    }
    Ok(client)
}

struct Postgres {
    inner: Client,
    /// By their text.
    statements: HashMap<String, Statement>,
    sends_untyped_texts: bool,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({} statements)", self.statements.len())
    }
}

impl Postgres {
    fn statement(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        let statement = self.inner.prepare(sql).map_err(failure)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn bound<'a>(&self, parameters: &[&'a Value]) -> Vec<Parameter<'a>> {
        let bind = |value: &&'a Value| Parameter {
            value,
            takes_any_type: self.sends_untyped_texts,
        };
        parameters.iter().map(bind).collect()
    }
}

impl Connection for Postgres {
    fn query(
        &mut self,
        sql: &str,
        parameters: &[&Value],
        on_row: &mut OnRow<'_>,
    ) -> Result<(), Failure> {
        let statement = self.statement(sql)?;
        let parameters = self.bound(parameters);
        let mut rows = self
            .inner
            .query_raw(&statement, parameters.iter())
            .map_err(failure)?;
        let mut values = Vec::new();
        while let Some(row) = rows.next().map_err(failure)? {
            values.clear();
            for column_idx in 0..row.len() {
                values.push(row.try_get(column_idx).map_err(failure)?);
            }
            if !on_row(&values)? {
                break;
            }
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, parameters: &[&Value]) -> Result<(), Failure> {
        let statement = self.statement(sql)?;
        let parameters = self.bound(parameters);
        let references: Vec<&(dyn postgres::types::ToSql + Sync)> = parameters
            .iter()
            .map(|parameter| parameter as &(dyn postgres::types::ToSql + Sync))
            .collect();
        self.inner
            .execute(&statement, &references)
            .map_err(failure)?;
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        self.statement(sql).map(|_| ())
    }

    fn command(&mut self, sql: &str) -> Result<(), Failure> {
        self.inner.batch_execute(sql).map_err(failure)
    }

    fn is_valid(&mut self) -> bool {
        const PATIENCE: Duration = Duration::from_secs(5);
        !self.inner.is_closed() && self.inner.is_valid(PATIENCE).is_ok()
    }
}

fn failure(error: postgres::Error) -> Failure {
    let Some(server_error) = error.as_db_error() else {
        let message = with_causes(&error);
        return match error.is_closed() || is_about_the_connection(&error) {
            true => Failure::lost(message),
            false => Failure::refused(message),
        };
    };
    let message = match server_error.detail() {
        Some(detail) => format!("{} ({detail})", server_error.message()),
        None => server_error.message().to_owned(),
    };
    let state = server_error.code();
    let is_busy = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::LOCK_NOT_AVAILABLE,
    ];
    let is_lost = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
        &SqlState::TOO_MANY_CONNECTIONS,
        &SqlState::IDLE_SESSION_TIMEOUT,
    ];
    if is_busy.contains(&state) {
        Failure::busy(message)
    } else if is_lost.contains(&state) || state.code().starts_with("08") {
        Failure::lost(message)
    } else {
        Failure::refused(message)
    }
}

/// The library says what it did, its cause what went wrong; of a value that does not fit only that.
fn with_causes(error: &postgres::Error) -> String {
    let mut message = error.to_string();
    if message.starts_with("error serializing parameter")
        && let Some(cause) = std::error::Error::source(error)
    {
        return cause.to_string();
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = inner.source();
    }
    message
}

fn is_about_the_connection(error: &postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    // Connecting that took too long has no cause.
    error.to_string().contains("error connecting to server")
}
