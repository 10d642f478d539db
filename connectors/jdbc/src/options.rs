//! The options of a table, read and tested.
//!
//! Source: `JdbcConnectorOptions` and `JdbcDynamicTableFactory` of version 4, for names, defaults,
//! and what excludes what. `sink.primary-key` is ours.

use std::num::NonZeroU32;
use std::time::Duration;

use tidemill_engine::Result;
use tidemill_engine::catalog::options::{OptionSpec, TableOptions, optional, required};
use tidemill_engine::connectors::lookup::PartialOptions;

use crate::dialect::Dialect;

const PARTITION_COLUMN: &str = "scan.partition.column";
const PARTITION_NUM: &str = "scan.partition.num";
const PARTITION_LOWER: &str = "scan.partition.lower-bound";
const PARTITION_UPPER: &str = "scan.partition.upper-bound";
const OLD_CACHE_ROWS: &str = "lookup.cache.max-rows";
const OLD_CACHE_TTL: &str = "lookup.cache.ttl";
const OLD_CACHE_MISSING: &str = "lookup.cache.caching-missing-key";
const RETRY_TIMEOUT: &str = "connection.max-retry-timeout";

/// Every option.
pub(crate) const SPECS: &[OptionSpec] = &[
    required("url"),
    required("table-name"),
    optional(RETRY_TIMEOUT),
    optional("driver"),
    optional("filter.handling.policy"),
    optional("lookup.cache"),
    optional(OLD_CACHE_MISSING),
    optional(OLD_CACHE_ROWS),
    optional(OLD_CACHE_TTL),
    optional("lookup.max-retries"),
    optional("lookup.partial-cache.cache-missing-key"),
    optional("lookup.partial-cache.expire-after-access"),
    optional("lookup.partial-cache.expire-after-write"),
    optional("lookup.partial-cache.max-rows"),
    optional("password"),
    optional("scan.auto-commit"),
    optional("scan.fetch-size"),
    optional(PARTITION_COLUMN),
    optional(PARTITION_LOWER),
    optional(PARTITION_NUM),
    optional(PARTITION_UPPER),
    optional("sink.buffer-flush.interval"),
    optional("sink.buffer-flush.max-rows"),
    optional("sink.max-retries"),
    optional("sink.parallelism"),
    optional("sink.primary-key"),
    optional("username"),
];

/// How a table is read.
#[derive(Debug, Clone)]
pub(crate) struct ScanOptions {
    pub(crate) partition: Option<Partition>,
    /// Off, a scan is one transaction.
    pub(crate) auto_commit: bool,
}

/// Ranges of a column that are read one by one.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) column: String,
    pub(crate) lower: i64,
    pub(crate) upper: i64,
    pub(crate) number: u32,
}

/// How rows are looked up.
#[derive(Debug, Clone)]
pub(crate) struct LookupOptions {
    pub(crate) cache: Option<PartialOptions>,
    pub(crate) max_retries: u32,
}

/// How changes are written.
#[derive(Debug, Clone)]
pub(crate) struct SinkOptions {
    /// Changes that wait at most; 0 for any number.
    pub(crate) max_rows: usize,
    /// How long changes wait at most; zero for any time.
    pub(crate) interval: Duration,
    pub(crate) max_retries: u32,
    /// The upsert key of the query stands in for a PRIMARY KEY.
    pub(crate) takes_query_key: bool,
}

/// Tests what concerns every use of a table, and gives `connection.max-retry-timeout`.
pub(crate) fn check(options: &TableOptions<'_>, dialect: Dialect) -> Result<Duration> {
    all_or_none(options, &["username", "password"])?;
    if let Some(driver) = options.text("driver") {
        let known = dialect.drivers();
        if !known.contains(&driver) {
            let expected = format!("a driver of {}: {}", dialect.name(), known.join(", "));
            return Err(options.invalid("driver", driver, &expected));
        }
    }
    if let Some(policy) = options.text("filter.handling.policy") {
        let known = ["always", "never"];
        if !known.contains(&policy.to_ascii_lowercase().as_str()) {
            return Err(options.invalid("filter.handling.policy", policy, "ALWAYS or NEVER"));
        }
    }
    ScanOptions::read(options)?;
    LookupOptions::read(options)?;
    SinkOptions::read(options)?;
    let timeout = options.duration(RETRY_TIMEOUT)?;
    match timeout.unwrap_or(Duration::from_secs(60)) {
        timeout if timeout < Duration::from_secs(1) => {
            let text = options.text(RETRY_TIMEOUT).unwrap_or_default();
            Err(options.error(format!(
                "The value of '{RETRY_TIMEOUT}' option must be in second granularity and shouldn't \
                 be smaller than 1 second, but is {text}."
            )))
        }
        timeout => Ok(timeout),
    }
}

impl ScanOptions {
    pub(crate) fn read(options: &TableOptions<'_>) -> Result<Self> {
        all_or_none(
            options,
            &[
                PARTITION_COLUMN,
                PARTITION_NUM,
                PARTITION_LOWER,
                PARTITION_UPPER,
            ],
        )?;
        // Rows always come as a stream: how many at a time is the server's affair.
        options.parse::<u32>("scan.fetch-size", "a number that is not negative")?;
        Ok(Self {
            partition: partition(options)?,
            auto_commit: options.flag("scan.auto-commit")?.unwrap_or(true),
        })
    }
}

fn partition(options: &TableOptions<'_>) -> Result<Option<Partition>> {
    let number = options.parse::<u32>(PARTITION_NUM, "a number above zero")?;
    let lower = options.parse::<i64>(PARTITION_LOWER, "a whole number")?;
    let upper = options.parse::<i64>(PARTITION_UPPER, "a whole number")?;
    let (Some(column), Some(number), Some(lower), Some(upper)) =
        (options.text(PARTITION_COLUMN), number, lower, upper)
    else {
        return Ok(None);
    };
    if lower > upper {
        return Err(options.error(format!(
            "'{PARTITION_LOWER}'='{lower}' must not be larger than '{PARTITION_UPPER}'='{upper}'."
        )));
    }
    if number == 0 {
        return Err(options.invalid(PARTITION_NUM, "0", "a number above zero"));
    }
    Ok(Some(Partition {
        column: column.to_owned(),
        lower,
        upper,
        number,
    }))
}

impl LookupOptions {
    pub(crate) fn read(options: &TableOptions<'_>) -> Result<Self> {
        all_or_none(options, &[OLD_CACHE_ROWS, OLD_CACHE_TTL])?;
        let natural = "a number that is not negative";
        let max_retries = not_negative(options, "lookup.max-retries")?;
        let old = old_cache(options)?;
        let partial = PartialOptions {
            expire_after_access: options.duration("lookup.partial-cache.expire-after-access")?,
            expire_after_write: options.duration("lookup.partial-cache.expire-after-write")?,
            keeps_missing_keys: options
                .flag("lookup.partial-cache.cache-missing-key")?
                .unwrap_or(true),
            max_entries: options.parse("lookup.partial-cache.max-rows", natural)?,
        };
        let cache = match options.text("lookup.cache") {
            None => old,
            Some(text) => match text.to_ascii_uppercase().as_str() {
                "NONE" => old,
                "PARTIAL" => Some(partial),
                // Flink takes the word and keeps nothing.
                "FULL" => {
                    return Err(options.error(
                        "'lookup.cache' = 'FULL' is not supported: rows of a database are kept \
                         with 'PARTIAL', or not at all with 'NONE'",
                    ));
                }
                _ => return Err(options.invalid("lookup.cache", text, "NONE or PARTIAL")),
            },
        };
        Ok(Self { cache, max_retries })
    }
}

/// The cache by the options of Flink 1.15 and before.
fn old_cache(options: &TableOptions<'_>) -> Result<Option<PartialOptions>> {
    let rows = options.parse::<i64>(OLD_CACHE_ROWS, "a whole number")?;
    let ttl = options.duration(OLD_CACHE_TTL)?;
    let keeps_missing_keys = options.flag(OLD_CACHE_MISSING)?.unwrap_or(true);
    let rows = rows.and_then(|rows| u64::try_from(rows).ok());
    Ok(match (rows, ttl) {
        (Some(rows), Some(ttl)) if rows > 0 && !ttl.is_zero() => Some(PartialOptions {
            expire_after_access: None,
            expire_after_write: Some(ttl),
            keeps_missing_keys,
            max_entries: Some(rows),
        }),
        _ => None,
    })
}

impl SinkOptions {
    pub(crate) fn read(options: &TableOptions<'_>) -> Result<Self> {
        let natural = "a number that is not negative";
        options.parse::<NonZeroU32>("sink.parallelism", "a number above zero")?;
        let takes_query_key = match options.text("sink.primary-key") {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("query") => true,
            Some(text) => return Err(options.invalid("sink.primary-key", text, "query")),
        };
        Ok(Self {
            max_rows: options
                .parse("sink.buffer-flush.max-rows", natural)?
                .unwrap_or(100),
            interval: options
                .duration("sink.buffer-flush.interval")?
                .unwrap_or(Duration::from_secs(1)),
            max_retries: not_negative(options, "sink.max-retries")?,
            takes_query_key,
        })
    }
}

/// A number of retries; three unless something else is said.
fn not_negative(options: &TableOptions<'_>, key: &str) -> Result<u32> {
    let number = options.parse::<i64>(key, "a whole number")?.unwrap_or(3);
    u32::try_from(number).map_err(|_| {
        options.error(format!(
            "The value of '{key}' option shouldn't be negative, but is {number}."
        ))
    })
}

fn all_or_none(options: &TableOptions<'_>, keys: &[&str]) -> Result<()> {
    let n_given = keys
        .iter()
        .filter(|key| options.text(key).is_some())
        .count();
    if n_given == 0 || n_given == keys.len() {
        return Ok(());
    }
    Err(options.error(format!(
        "Either all or none of the following options should be provided:\n{}",
        keys.join("\n")
    )))
}
