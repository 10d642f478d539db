//! The parameters of URLs, by driver: what is used, what is ignored, what is refused.

use std::path::PathBuf;
use std::time::Duration;

use super::{File, Secret, Server, Tls};

/// Parameters that tune Connector/J and do not change a row. Times are written and read as the
/// wall clock they are, texts are always UTF-8, rows always stream.
const MYSQL_IGNORED: &[&str] = &[
    "allowMultiQueries",
    "allowPublicKeyRetrieval",
    "autoReconnect",
    "autoReconnectForPools",
    "cacheCallableStmts",
    "cachePrepStmts",
    "cacheResultSetMetadata",
    "cacheServerConfiguration",
    "characterEncoding",
    "characterSetResults",
    "connectionAttributes",
    "connectionTimeZone",
    "defaultFetchSize",
    "elideSetAutoCommits",
    "enabledTLSProtocols",
    "failOverReadOnly",
    "forceConnectionTimeZoneToSession",
    "initialTimeout",
    "interactiveClient",
    "logger",
    "maintainTimeStats",
    "maxReconnects",
    "netTimeoutForStreamingResults",
    "noAccessToProcedureBodies",
    "nullCatalogMeansCurrent",
    "nullDatabaseMeansCurrent",
    "nullNamePatternMatchesAll",
    "prepStmtCacheSize",
    "prepStmtCacheSqlLimit",
    "profileSQL",
    "rewriteBatchedStatements",
    "sendFractionalSeconds",
    "serverTimezone",
    "tcpKeepAlive",
    "tcpNoDelay",
    "tinyInt1isBit",
    "tlsVersions",
    "transformedBitIsBoolean",
    "useAffectedRows",
    "useBulkStmts",
    "useCompression",
    "useCursorFetch",
    "useInformationSchema",
    "useJDBCCompliantTimezoneShift",
    "useLegacyDatetimeCode",
    "useLocalSessionState",
    "useLocalTransactionState",
    "useReadAheadInput",
    "useServerPrepStmts",
    "useTimezone",
    "useUnbufferedInput",
    "useUnicode",
    "yearIsDateType",
];

/// As [`MYSQL_IGNORED`], for pgJDBC.
const POSTGRES_IGNORED: &[&str] = &[
    "adaptiveFetch",
    "adaptiveFetchMaximum",
    "adaptiveFetchMinimum",
    "allowEncodingChanges",
    "assumeMinServerVersion",
    "autosave",
    "binaryTransfer",
    "binaryTransferDisable",
    "binaryTransferEnable",
    "cancelSignalTimeout",
    "charSet",
    "cleanupSavepoints",
    "databaseMetadataCacheFields",
    "databaseMetadataCacheFieldsMiB",
    "defaultRowFetchSize",
    "disableColumnSanitiser",
    "escapeSyntaxCallMode",
    "gssEncMode",
    "hideUnprivilegedObjects",
    "hostRecheckSeconds",
    "loadBalanceHosts",
    "logServerErrorDetail",
    "logUnclosedConnections",
    "loggerFile",
    "loggerLevel",
    "maxResultBuffer",
    "preferQueryMode",
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "protocolVersion",
    "quoteReturningIdentifiers",
    "reWriteBatchedInserts",
    "receiveBufferSize",
    "sendBufferSize",
    "sslResponseTimeout",
    "tcpKeepAlive",
    "tcpNoDelay",
    "unknownLength",
];

/// Pragmas of SQLite that a URL may set.
const PRAGMAS: &[&str] = &[
    "cache_size",
    "foreign_keys",
    "journal_mode",
    "synchronous",
    "temp_store",
];

type Parameters = [(String, String)];

/// Takes the parameters of Connector/J and of MariaDB's driver.
pub(super) fn mysql(server: &mut Server, parameters: &Parameters) -> Result<(), String> {
    let (mut uses, mut requires, mut verifies) = (None, false, false);
    let mut mode = None;
    for (key, value) in parameters {
        match key.as_str() {
            "user" => server.user = Some(value.clone()),
            "password" => server.password = Some(Secret::new(value)),
            "useSSL" | "useSsl" => uses = Some(flag(key, value)?),
            "requireSSL" => requires = flag(key, value)?,
            "verifyServerCertificate" => verifies = flag(key, value)?,
            "trustServerCertificate" => {
                if flag(key, value)? {
                    mode = Some(Tls::Required);
                }
            }
            "sslMode" | "ssl-mode" => mode = Some(mysql_mode(key, value)?),
            "serverSslCert" => server.root_certificate = Some(PathBuf::from(value)),
            "connectTimeout" => server.connect_timeout = millis(key, value)?,
            "socketTimeout" => server.socket_timeout = millis(key, value)?,
            "sessionVariables" if !value.is_empty() => {
                server.begins_with.push(format!("SET SESSION {value}"));
            }
            "sessionVariables" => {}
            "connectionCollation" => {
                if !value
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    return Err(invalid(key, value, "the name of a collation"));
                }
                server
                    .begins_with
                    .push(format!("SET NAMES utf8mb4 COLLATE {value}"));
            }
            "zeroDateTimeBehavior" => {
                server.zero_date_is_null = match value.to_ascii_lowercase().as_str() {
                    "convert_to_null" | "converttonull" => true,
                    "exception" => false,
                    _ => return Err(invalid(key, value, "CONVERT_TO_NULL or EXCEPTION")),
                }
            }
            // What it forbids, nothing here does.
            "allowLoadLocalInfile"
            | "createDatabaseIfNotExist"
            | "autoDeserialize"
            | "allowLocalInfile"
            | "useOldAliasMetadataBehavior"
                if value.eq_ignore_ascii_case("false") => {}
            key if MYSQL_IGNORED.contains(&key) => {}
            key => return Err(unknown(key)),
        }
    }
    server.tls = match (mode, uses) {
        (Some(mode), _) => mode,
        (None, Some(false)) => Tls::Off,
        (None, _) if verifies => Tls::VerifyCa,
        (None, _) if requires => Tls::Required,
        (None, _) => Tls::Preferred,
    };
    Ok(())
}

fn mysql_mode(key: &str, value: &str) -> Result<Tls, String> {
    Ok(
        match value.to_ascii_lowercase().replace('-', "_").as_str() {
            "disabled" | "disable" => Tls::Off,
            "preferred" => Tls::Preferred,
            "required" | "trust" => Tls::Required,
            "verify_ca" => Tls::VerifyCa,
            "verify_identity" | "verify_full" => Tls::VerifyFull,
            _ => {
                let expected = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
                return Err(invalid(key, value, expected));
            }
        },
    )
}

/// Takes the parameters of pgJDBC.
pub(super) fn postgres(server: &mut Server, parameters: &Parameters) -> Result<(), String> {
    for (key, value) in parameters {
        match key.as_str() {
            "user" => server.user = Some(value.clone()),
            "password" => server.password = Some(Secret::new(value)),
            // Without a mode, `ssl=true` verifies everything.
            "ssl" if value.is_empty() || flag(key, value)? => {
                if !parameters.iter().any(|(key, _)| key == "sslmode") {
                    server.tls = Tls::VerifyFull;
                }
            }
            "ssl" => {}
            "sslmode" => {
                server.tls = match value.as_str() {
                    "disable" => Tls::Off,
                    "allow" | "prefer" => Tls::Preferred,
                    "require" => Tls::Required,
                    "verify-ca" => Tls::VerifyCa,
                    "verify-full" => Tls::VerifyFull,
                    _ => {
                        let expected = "disable, allow, prefer, require, verify-ca or verify-full";
                        return Err(invalid(key, value, expected));
                    }
                }
            }
            "sslrootcert" => server.root_certificate = Some(PathBuf::from(value)),
            "currentSchema" => {
                let quoted = |name: &str| format!("\"{}\"", name.trim().replace('"', "\"\""));
                let names: Vec<String> = value.split(',').map(quoted).collect();
                let path = names.join(", ");
                server
                    .begins_with
                    .push(format!("SET search_path TO {path}"));
            }
            "ApplicationName" => server.application_name = Some(value.clone()),
            "options" => server.server_options = Some(value.clone()),
            "connectTimeout" | "loginTimeout" => server.connect_timeout = seconds(key, value)?,
            "socketTimeout" => server.socket_timeout = seconds(key, value)?,
            "stringtype" => {
                server.sends_untyped_texts = match value.as_str() {
                    "unspecified" => true,
                    "varchar" => false,
                    _ => return Err(invalid(key, value, "unspecified or varchar")),
                }
            }
            "readOnly" if flag(key, value)? => server
                .begins_with
                .push("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY".to_owned()),
            "readOnly" => {}
            "targetServerType" if value == "any" => {}
            key if POSTGRES_IGNORED.contains(&key) => {}
            key => return Err(unknown(key)),
        }
    }
    Ok(())
}

/// Takes pragmas.
pub(super) fn sqlite(file: &mut File, parameters: &Parameters) -> Result<(), String> {
    for (key, value) in parameters {
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "busy_timeout" => {
                let timeout = millis(&key, value)?;
                file.busy_timeout = timeout.unwrap_or(Duration::ZERO);
            }
            key if PRAGMAS.contains(&key) => {
                let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                if value.is_empty() || !value.bytes().all(is_word) {
                    return Err(invalid(key, value, "a word or a number"));
                }
                file.pragmas.push(format!("PRAGMA {key} = {value}"));
            }
            key => return Err(unknown(key)),
        }
    }
    Ok(())
}

fn unknown(key: &str) -> String {
    format!("parameter '{key}' of 'url' is not supported")
}

fn invalid(key: &str, value: &str, expected: &str) -> String {
    format!("invalid value '{value}' for parameter '{key}' of 'url': expected {expected}")
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(invalid(key, value, "true or false")),
    }
}

/// Zero means no limit.
fn millis(key: &str, value: &str) -> Result<Option<Duration>, String> {
    let millis: u64 = value
        .parse()
        .map_err(|_| invalid(key, value, "a number of milliseconds"))?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

/// Zero means no limit.
fn seconds(key: &str, value: &str) -> Result<Option<Duration>, String> {
    let seconds: u64 = value
        .parse()
        .map_err(|_| invalid(key, value, "a number of seconds"))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}
