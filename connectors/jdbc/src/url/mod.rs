//! The URLs of JDBC drivers: which database, where, and how to reach it.
//!
//! ```text
//!   jdbc:mysql://db:3306/cdn?useSSL=false     jdbc:mariadb://db/cdn
//!   jdbc:postgresql://db1,db2:5433/cdn?sslmode=require&currentSchema=public
//!   jdbc:sqlite:/data/cdn.db?busy_timeout=5000
//! ```
//!
//! Parameters that mean something here are used; those that only tune a Java driver are ignored;
//! every other one is refused by its name, because it may change what is written.
//!
//! Source: the drivers' own documentation (Connector/J 8.0, MariaDB Connector/J 3, pgJDBC 42,
//! sqlite-jdbc 3).

mod parameters;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::dialect::Dialect;

/// Where a database is, and who asks.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A server.
    Server(Server),
    /// A file of SQLite.
    File(File),
}

/// A server of MySQL, MariaDB or PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) dialect: Dialect,
    /// Tried in this order.
    pub(crate) hosts: Vec<Host>,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Tls,
    /// A file of certificates to trust instead of the usual ones.
    pub(crate) root_certificate: Option<PathBuf>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) socket_timeout: Option<Duration>,
    /// Statements that begin a connection.
    pub(crate) begins_with: Vec<String>,
    /// PostgreSQL: how the connection calls itself.
    pub(crate) application_name: Option<String>,
    /// PostgreSQL: options of the server's command line.
    pub(crate) server_options: Option<String>,
    /// PostgreSQL, `stringtype=unspecified`: the server takes texts for any type.
    pub(crate) sends_untyped_texts: bool,
    /// MySQL, `zeroDateTimeBehavior`: a date of zeros is NULL.
    pub(crate) zero_date_is_null: bool,
}

/// Name and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// A file of SQLite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// As SQLite opens it; may be a URI `file:…`.
    pub(crate) path: String,
    /// Statements `PRAGMA …` that begin a connection.
    pub(crate) pragmas: Vec<String>,
    /// How long to wait for a lock.
    pub(crate) busy_timeout: Duration,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all.
    Off,
    /// If the server can; its certificate is not looked at.
    Preferred,
    /// Always; the certificate is not looked at.
    Required,
    /// Always, and somebody who is trusted has signed the certificate.
    VerifyCa,
    /// As that, and it is the server's own.
    VerifyFull,
}

/// Something that is never shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// One sentence that names the URL's kind or the parameter, never a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let known = "URLs begin with jdbc:mysql:, jdbc:mariadb:, jdbc:postgresql: or jdbc:sqlite:";
        let Some(rest) = url.strip_prefix("jdbc:") else {
            return Err(format!("'url' is no JDBC URL; {known}"));
        };
        let (kind, rest) = rest.split_once(':').unwrap_or((rest, ""));
        match kind {
            "mysql" | "mariadb" => Ok(Self::Server(server(Dialect::MySql, rest)?)),
            "postgresql" => Ok(Self::Server(server(Dialect::Postgres, rest)?)),
            "sqlite" => Ok(Self::File(file(rest)?)),
            kind => Err(format!(
                "databases of the kind 'jdbc:{kind}:' are not supported; {known}"
            )),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Server(server) => server.dialect,
            Self::File(_) => Dialect::Sqlite,
        }
    }
}

impl fmt::Display for Address {
    /// The place, without parameters and without who asks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "jdbc:sqlite:{}", file.path),
            Self::Server(server) => {
                let kind = match server.dialect {
                    Dialect::Postgres => "postgresql",
                    Dialect::MySql | Dialect::Sqlite => "mysql",
                };
                let hosts: Vec<String> = server.hosts.iter().map(ToString::to_string).collect();
                let database = server.database.as_deref().unwrap_or_default();
                write!(f, "jdbc:{kind}://{}/{database}", hosts.join(","))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// What stands behind `jdbc:mysql:` or `jdbc:postgresql:`.
fn server(dialect: Dialect, rest: &str) -> Result<Server, String> {
    let default_port = match dialect {
        Dialect::Postgres => 5432,
        Dialect::MySql | Dialect::Sqlite => 3306,
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = match place.strip_prefix("//") {
        Some(place) => place.split_once('/').unwrap_or((place, "")),
        // PostgreSQL's `jdbc:postgresql:database`.
        None if dialect == Dialect::Postgres => ("", place.trim_start_matches('/')),
        None => {
            return Err(
                "'url' of this form is not supported; it is jdbc:mysql://host:port/database"
                    .to_owned(),
            );
        }
    };
    let (who, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let mut server = Server {
        dialect,
        hosts: hosts
            .split(',')
            .map(|host| host_and_port(host, default_port))
            .collect::<Result<_, _>>()?,
        database: not_empty(decoded(database)?),
        user: not_empty(decoded(user)?),
        password: not_empty(decoded(password)?).map(Secret),
        tls: Tls::Preferred,
        root_certificate: None,
        connect_timeout: None,
        socket_timeout: None,
        begins_with: Vec::new(),
        application_name: None,
        server_options: None,
        sends_untyped_texts: false,
        zero_date_is_null: false,
    };
    let parameters = parameters_of(query)?;
    match dialect {
        Dialect::Postgres => parameters::postgres(&mut server, &parameters)?,
        Dialect::MySql | Dialect::Sqlite => parameters::mysql(&mut server, &parameters)?,
    }
    Ok(server)
}

fn host_and_port(text: &str, default_port: u16) -> Result<Host, String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) = match bracketed {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None | Some("") => default_port,
        Some(port) => port
            .parse()
            .map_err(|_| format!("'{port}' in 'url' is no port"))?,
    };
    let name = match name {
        "" => "localhost",
        name => name,
    };
    Ok(Host {
        name: name.to_owned(),
        port,
    })
}

/// What stands behind `jdbc:sqlite:`.
fn file(rest: &str) -> Result<File, String> {
    // A URI keeps its own parameters.
    let (path, query) = match rest.starts_with("file:") {
        true => (rest, ""),
        false => rest.split_once('?').unwrap_or((rest, "")),
    };
    if path.is_empty() || path.starts_with(":memory:") || path.contains("mode=memory") {
        return Err(
            "a database of SQLite in memory is one connection's own: 'url' has to name a file"
                .to_owned(),
        );
    }
    let mut file = File {
        path: path.to_owned(),
        pragmas: Vec::new(),
        busy_timeout: Duration::from_secs(3),
    };
    parameters::sqlite(&mut file, &parameters_of(query)?)?;
    Ok(file)
}

/// `a=1&b=2`, escapes resolved.
fn parameters_of(query: &str) -> Result<Vec<(String, String)>, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(key)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| "'url' has escapes that are no UTF-8".to_owned())
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn server(url: &str) -> Server {
        match Address::parse(url).unwrap() {
            Address::Server(server) => server,
            Address::File(file) => panic!("{file:?} is no server"),
        }
    }

    #[test]
    fn the_place_is_shown_without_who_asks() {
        for (url, place) in [
            (
                "jdbc:mysql://db/cdn?user=me&password=pw",
                "jdbc:mysql://db:3306/cdn",
            ),
            ("jdbc:mariadb://me:pw@db:3307", "jdbc:mysql://db:3307/"),
            (
                "jdbc:postgresql:cdn",
                "jdbc:postgresql://localhost:5432/cdn",
            ),
            (
                "jdbc:postgresql://a,[::1]:5433/cdn",
                "jdbc:postgresql://a:5432,[::1]:5433/cdn",
            ),
            (
                "jdbc:sqlite:/data/x.db?busy_timeout=1",
                "jdbc:sqlite:/data/x.db",
            ),
        ] {
            assert_eq!(Address::parse(url).unwrap().to_string(), place);
        }
        let secret = server("jdbc:mysql://me:p%40w@db/cdn");
        assert_eq!(secret.password.as_ref().unwrap().reveal(), "p@w");
        assert!(!format!("{secret:?}").contains("p@w"));
    }

    #[test]
    fn parameters_that_mean_something_are_used() {
        let mysql = server(
            "jdbc:mysql://db/cdn?useSSL=false&characterEncoding=UTF-8&serverTimezone=UTC\
             &rewriteBatchedStatements=true&connectTimeout=1500&sessionVariables=sql_mode=''",
        );
        assert_eq!(mysql.tls, Tls::Off);
        assert_eq!(mysql.connect_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(mysql.begins_with, ["SET SESSION sql_mode=''"]);
        let postgres = server(
            "jdbc:postgresql://db/cdn?sslmode=verify-full&currentSchema=a,b&connectTimeout=2",
        );
        assert_eq!(postgres.tls, Tls::VerifyFull);
        assert_eq!(postgres.begins_with, ["SET search_path TO \"a\", \"b\""]);
        assert_eq!(postgres.connect_timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (url, message) in [
            (
                "mysql://db/cdn",
                "'url' is no JDBC URL; URLs begin with jdbc:mysql:, jdbc:mariadb:, \
                 jdbc:postgresql: or jdbc:sqlite:",
            ),
            (
                "jdbc:oracle:thin:@db:1521:cdn",
                "databases of the kind 'jdbc:oracle:' are not supported; URLs begin with \
                 jdbc:mysql:, jdbc:mariadb:, jdbc:postgresql: or jdbc:sqlite:",
            ),
            (
                "jdbc:mysql:loadbalance://a,b/cdn",
                "'url' of this form is not supported; it is jdbc:mysql://host:port/database",
            ),
            (
                "jdbc:mysql://db/cdn?allowLoadLocalInfile=true",
                "parameter 'allowLoadLocalInfile' of 'url' is not supported",
            ),
            (
                "jdbc:postgresql://db/cdn?sslmode=often",
                "invalid value 'often' for parameter 'sslmode' of 'url': expected disable, allow, \
                 prefer, require, verify-ca or verify-full",
            ),
            ("jdbc:mysql://db:no/cdn", "'no' in 'url' is no port"),
            (
                "jdbc:sqlite::memory:",
                "a database of SQLite in memory is one connection's own: 'url' has to name a file",
            ),
        ] {
            assert_eq!(Address::parse(url).unwrap_err(), message);
        }
    }
}
