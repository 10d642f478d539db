//! MySQL and MariaDB, by the server's own protocol.
//!
//! Statements are prepared, so that values travel as they are. Texts are utf8mb4. Times are the
//! wall clock, in both directions.

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, Timelike as _};
use mysql::consts::{ColumnFlags, ColumnType};
use mysql::prelude::Queryable as _;
use mysql::{Column, Conn, OptsBuilder, Params, SslOpts};

use super::{Connection, Failure, OnRow};
use crate::url::{Host, Secret, Server, Tls};
use crate::values::{Value, parse_decimal};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The number of binary bytes among character sets.
const BINARY: u16 = 63;

/// Codes of the server for what another attempt may mend: lock wait timeout, deadlock.
const BUSY: &[u16] = &[1205, 1213, 1614, 3572];

/// Codes of the server for connections that end: too many, shut down, killed.
const LOST: &[u16] = &[
    1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927,
];

pub(super) fn connect(server: &Server, timeout: Duration) -> Result<Box<dyn Connection>, Failure> {
    let mut last = None;
    for host in &server.hosts {
        match open(server, host, timeout) {
            Ok(inner) => {
                return Ok(Box::new(MySql {
                    inner,
                    zero_date_is_null: server.zero_date_is_null,
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

fn open(server: &Server, host: &Host, timeout: Duration) -> Result<Conn, Failure> {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(&host.name))
        .tcp_port(host.port)
        .user(server.user.as_deref())
        .pass(server.password.as_ref().map(Secret::reveal))
        .db_name(server.database.as_deref())
        .prefer_socket(false)
        .tcp_connect_timeout(Some(timeout))
        .tcp_keepalive_time_ms(Some(60_000))
        .read_timeout(server.socket_timeout)
        .write_timeout(server.socket_timeout)
        .init(server.begins_with.clone());
    let trusting = SslOpts::default()
        .with_danger_accept_invalid_certs(true)
        .with_danger_skip_domain_validation(true);
    let verifying = SslOpts::default().with_root_cert_path(server.root_certificate.clone());
    let encryption = match server.tls {
        Tls::Off => None,
        Tls::Preferred | Tls::Required => Some(trusting),
        Tls::VerifyCa => Some(verifying.with_danger_skip_domain_validation(true)),
        Tls::VerifyFull => Some(verifying),
    };
    match Conn::new(options.clone().ssl_opts(encryption)) {
        // The server speaks in the open only.
        Err(mysql::Error::DriverError(mysql::DriverError::TlsNotSupported))
            if server.tls == Tls::Preferred =>
        {
            Conn::new(options).map_err(failure)
        }
        connection => connection.map_err(failure),
    }
}

#[derive(Debug)]
struct MySql {
    inner: Conn,
    zero_date_is_null: bool,
}

impl Connection for MySql {
    fn query(
        &mut self,
        sql: &str,
        parameters: &[&Value],
        on_row: &mut OnRow<'_>,
    ) -> Result<(), Failure> {
        let zero_date_is_null = self.zero_date_is_null;
        let statement = self.inner.prep(sql).map_err(failure)?;
        let mut rows = self
            .inner
            .exec_iter(statement, bound(parameters))
            .map_err(failure)?;
        let mut values = Vec::new();
        while let Some(set) = rows.iter() {
            for row in set {
                let row = row.map_err(failure)?;
                let columns = row.columns();
                values.clear();
                // The row's own `unwrap` gives its values; it would miss only those taken before.
                for (given, column) in row.unwrap().into_iter().zip(columns.iter()) {
                    values.push(match value(given, column) {
                        Value::Foreign(ZERO_DATE) if zero_date_is_null => Value::Null,
                        value => value,
                    });
                }
                if !on_row(&values)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, parameters: &[&Value]) -> Result<(), Failure> {
        let statement = self.inner.prep(sql).map_err(failure)?;
        self.inner
            .exec_drop(statement, bound(parameters))
            .map_err(failure)
    }

    fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        self.inner.prep(sql).map(|_| ()).map_err(failure)
    }

    fn command(&mut self, sql: &str) -> Result<(), Failure> {
        self.inner.query_drop(sql).map_err(failure)
    }

    fn is_valid(&mut self) -> bool {
        self.inner.ping().is_ok()
    }
}

fn bound(parameters: &[&Value]) -> Params {
    match parameters.is_empty() {
        true => Params::Empty,
        false => Params::Positional(parameters.iter().map(|value| parameter(value)).collect()),
    }
}

fn parameter(value: &Value) -> mysql::Value {
    match value {
        Value::Null => mysql::Value::NULL,
        Value::Bool(value) => mysql::Value::Int((*value).into()),
        Value::Int(value) => mysql::Value::Int(*value),
        Value::UInt(value) => mysql::Value::UInt(*value),
        Value::Float(value) => mysql::Value::Float(*value),
        Value::Double(value) => mysql::Value::Double(*value),
        Value::Bytes(bytes) => mysql::Value::Bytes(bytes.clone()),
        Value::Date(days) => date_parameter(i64::from(*days) * MICROS_PER_DAY),
        Value::Timestamp(micros) | Value::Instant(micros) => date_parameter(*micros),
        Value::Time(_)
        | Value::Text(_)
        | Value::Decimal { .. }
        | Value::LongDecimal(_)
        | Value::Array(_) => mysql::Value::Bytes(value.text().into_bytes()),
        Value::Foreign(kind) => mysql::Value::Bytes(kind.as_bytes().to_vec()),
    }
}

fn date_parameter(micros: i64) -> mysql::Value {
    let time = chrono::DateTime::from_timestamp_micros(micros);
    // The protocol has sixteen bits for a year, and chrono has more.
    let parts = time.and_then(|time| {
        Some(mysql::Value::Date(
            u16::try_from(time.year()).ok()?,
            u8::try_from(time.month()).ok()?,
            u8::try_from(time.day()).ok()?,
            u8::try_from(time.hour()).ok()?,
            u8::try_from(time.minute()).ok()?,
            u8::try_from(time.second()).ok()?,
            u32::try_from(micros.rem_euclid(MICROS_PER_SECOND)).ok()?,
        ))
    });
    parts.unwrap_or_else(|| mysql::Value::Bytes(Value::Timestamp(micros).text().into_bytes()))
}

/// A date or a time that no calendar has.
const ZERO_DATE: &str = "date of zeros";

fn value(given: mysql::Value, column: &Column) -> Value {
    match given {
        mysql::Value::NULL => Value::Null,
        mysql::Value::Int(value) => Value::Int(value),
        mysql::Value::UInt(value) => match i64::try_from(value) {
            Ok(value) => Value::Int(value),
            Err(_) => Value::UInt(value),
        },
        mysql::Value::Float(value) => Value::Float(value),
        mysql::Value::Double(value) => Value::Double(value),
        mysql::Value::Bytes(bytes) => text_or_bytes(bytes, column),
        mysql::Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let Some(date) = date else {
                return Value::Foreign(ZERO_DATE);
            };
            let is_date = matches!(
                column.column_type(),
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE
            );
            let time = date.and_hms_micro_opt(hour.into(), minute.into(), second.into(), micros);
            match time {
                _ if is_date => Value::Date(date.to_epoch_days()),
                Some(time) => Value::Timestamp(time.and_utc().timestamp_micros()),
                None => Value::Foreign(ZERO_DATE),
            }
        }
        mysql::Value::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let hours = u64::from(days) * 24 + u64::from(hours);
            if is_negative || hours > 23 {
                return Value::Foreign("time that is no time of day");
            }
            let seconds = hours * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
            let micros = seconds * 1_000_000 + u64::from(micros);
            i64::try_from(micros).map_or(Value::Foreign("time"), Value::Time)
        }
    }
}

fn text_or_bytes(bytes: Vec<u8>, column: &Column) -> Value {
    let column_type = column.column_type();
    match column_type {
        ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match parse_decimal(&text) {
                Some((unscaled, scale)) => Value::Decimal { unscaled, scale },
                None => Value::LongDecimal(text),
            }
        }
        ColumnType::MYSQL_TYPE_BIT | ColumnType::MYSQL_TYPE_GEOMETRY => Value::Bytes(bytes),
        // Its character set is that of bytes, and yet it is text.
        ColumnType::MYSQL_TYPE_JSON => text(bytes),
        _ if column.character_set() == BINARY
            && column.flags().contains(ColumnFlags::BINARY_FLAG) =>
        {
            Value::Bytes(bytes)
        }
        _ => text(bytes),
    }
}

fn text(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}

fn failure(error: mysql::Error) -> Failure {
    match error {
        mysql::Error::MySqlError(error) if BUSY.contains(&error.code) => {
            Failure::busy(error.message)
        }
        mysql::Error::MySqlError(error) if LOST.contains(&error.code) => {
            Failure::lost(error.message)
        }
        mysql::Error::MySqlError(error) => Failure::refused(error.message),
        mysql::Error::IoError(error) => Failure::lost(error),
        mysql::Error::CodecError(error) => Failure::lost(error),
        mysql::Error::DriverError(
            error @ (mysql::DriverError::CouldNotConnect(_)
            | mysql::DriverError::ConnectTimeout
            | mysql::DriverError::Timeout),
        ) => match error {
            mysql::DriverError::CouldNotConnect(Some((_, reason, _))) => Failure::lost(reason),
            error => Failure::lost(error),
        },
        mysql::Error::DriverError(mysql::DriverError::TlsNotSupported) => {
            Failure::refused("the server does not encrypt connections, and 'url' asks for that")
        }
        mysql::Error::DriverError(error) => Failure::refused(error),
        error => Failure::refused(error),
    }
}
