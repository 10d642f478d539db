//! The options `lookup.…` of a table.
//!
//! Source: `LookupOptions`, `PeriodicCacheReloadTrigger` and `TimedCacheReloadTrigger` of Flink 2.3.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveTime, TimeZone as _, Utc};

use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::error::Result;

const CACHE: &str = "lookup.cache";
const MAX_RETRIES: &str = "lookup.max-retries";
const AFTER_ACCESS: &str = "lookup.partial-cache.expire-after-access";
const AFTER_WRITE: &str = "lookup.partial-cache.expire-after-write";
const MISSING_KEY: &str = "lookup.partial-cache.cache-missing-key";
const MAX_ROWS: &str = "lookup.partial-cache.max-rows";
const STRATEGY: &str = "lookup.full-cache.reload-strategy";
const INTERVAL: &str = "lookup.full-cache.periodic-reload.interval";
const SCHEDULE_MODE: &str = "lookup.full-cache.periodic-reload.schedule-mode";
const ISO_TIME: &str = "lookup.full-cache.timed-reload.iso-time";
const INTERVAL_IN_DAYS: &str = "lookup.full-cache.timed-reload.interval-in-days";

/// The options that tables have which can be looked up.
pub const LOOKUP_OPTIONS: &[OptionSpec] = &[
    optional(CACHE),
    optional(MAX_RETRIES),
    optional(AFTER_ACCESS),
    optional(AFTER_WRITE),
    optional(MISSING_KEY),
    optional(MAX_ROWS),
    optional(STRATEGY),
    optional(INTERVAL),
    optional(SCHEDULE_MODE),
    optional(ISO_TIME),
    optional(INTERVAL_IN_DAYS),
];

/// How rows are kept that were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupCache {
    /// Not at all.
    None,
    /// Those of keys that were asked for.
    Partial(PartialOptions),
    /// All rows of the table.
    Full(Reload),
}

/// The options `lookup.partial-cache.…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialOptions {
    /// An entry that has not been asked for so long is forgotten.
    pub expire_after_access: Option<Duration>,
    /// An entry that is so old is forgotten.
    pub expire_after_write: Option<Duration>,
    /// Whether it is kept that a key has no rows. Default true.
    pub keeps_missing_keys: bool,
    /// Entries (keys) at most; those that were not asked for longest go first.
    pub max_entries: Option<u64>,
}

/// When all rows are read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// Never: the rows are those of the first look.
    Never,
    /// So long after the last reading ended.
    FixedDelay(Duration),
    /// So long after the last reading began.
    FixedRate(Duration),
    /// At a time of day, every so many days.
    Timed {
        /// The time of day, and the zone if one was given; that of the machine's clock is UTC.
        time: NaiveTime,
        /// The zone.
        offset: FixedOffset,
        /// From one reading to the next.
        days: u32,
    },
}

impl Reload {
    /// When the rows are due that were read from `began_ms` to `ended_ms`; none for never.
    #[must_use]
    pub fn due_ms(&self, began_ms: i64, ended_ms: i64) -> Option<i64> {
        let millis = |span: &Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        match self {
            Self::Never => None,
            Self::FixedDelay(span) => Some(ended_ms.saturating_add(millis(span))),
            Self::FixedRate(span) => Some(began_ms.saturating_add(millis(span))),
            Self::Timed { time, offset, days } => {
                let began: DateTime<Utc> = DateTime::from_timestamp_millis(began_ms)?;
                let local = began.with_timezone(offset);
                let mut next = offset
                    .from_local_datetime(&local.date_naive().and_time(*time))
                    .single()?;
                if next <= local {
                    next += chrono::Duration::days(i64::from(*days));
                }
                Some(next.timestamp_millis())
            }
        }
    }
}

/// What the options of a table say about looking up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupOptions {
    /// How rows are kept.
    pub cache: LookupCache,
    /// How often a failed look is tried again. Default 3.
    pub max_retries: u32,
}

impl LookupOptions {
    /// Reads the options; none if the table says nothing about a cache.
    ///
    /// # Errors
    /// `Options` for values that are none, and for a strategy without its measure.
    pub fn read(options: &TableOptions<'_>) -> Result<Option<Self>> {
        let retries = options.parse::<u32>(MAX_RETRIES, "a number that is not negative")?;
        let partial = PartialOptions {
            expire_after_access: options.duration(AFTER_ACCESS)?,
            expire_after_write: options.duration(AFTER_WRITE)?,
            keeps_missing_keys: options.flag(MISSING_KEY)?.unwrap_or(true),
            max_entries: options.parse(MAX_ROWS, "a number that is not negative")?,
        };
        let reload = reload(options)?;
        let Some(text) = options.text(CACHE) else {
            return Ok(None);
        };
        let cache = match text.to_ascii_uppercase().as_str() {
            "NONE" => LookupCache::None,
            "PARTIAL" => LookupCache::Partial(partial),
            "FULL" => LookupCache::Full(reload),
            _ => return Err(options.invalid(CACHE, text, "NONE, PARTIAL or FULL")),
        };
        Ok(Some(Self {
            cache,
            max_retries: retries.unwrap_or(3),
        }))
    }
}

fn reload(options: &TableOptions<'_>) -> Result<Reload> {
    let strategy = options.text(STRATEGY).unwrap_or("PERIODIC");
    let interval = options.duration(INTERVAL)?;
    let mode = options.text(SCHEDULE_MODE).unwrap_or("FIXED_DELAY");
    let is_fixed_rate = match mode.to_ascii_uppercase().as_str() {
        "FIXED_DELAY" => false,
        "FIXED_RATE" => true,
        _ => return Err(options.invalid(SCHEDULE_MODE, mode, "FIXED_DELAY or FIXED_RATE")),
    };
    let days = options.parse::<u32>(INTERVAL_IN_DAYS, "a number above zero")?;
    if days == Some(0) {
        return Err(options.invalid(INTERVAL_IN_DAYS, "0", "a number above zero"));
    }
    match strategy.to_ascii_uppercase().as_str() {
        "PERIODIC" => Ok(match interval {
            Some(Duration::ZERO) => {
                return Err(options.invalid(INTERVAL, "0", "a duration above zero"));
            }
            Some(interval) if is_fixed_rate => Reload::FixedRate(interval),
            Some(interval) => Reload::FixedDelay(interval),
            None => Reload::Never,
        }),
        "TIMED" => {
            let Some(text) = options.text(ISO_TIME) else {
                return Err(options.error(format!(
                    "'{STRATEGY}' = 'TIMED' needs the option '{ISO_TIME}'"
                )));
            };
            let (time, offset) = iso_time(text).ok_or_else(|| {
                options.invalid(ISO_TIME, text, "a time such as '10:15' or '10:15:00Z'")
            })?;
            Ok(Reload::Timed {
                time,
                offset,
                days: days.unwrap_or(1),
            })
        }
        _ => Err(options.invalid(STRATEGY, strategy, "PERIODIC or TIMED")),
    }
}

/// `10:15`, `10:15:30`, `10:15Z`, `10:15+07:00`.
fn iso_time(text: &str) -> Option<(NaiveTime, FixedOffset)> {
    let utc = FixedOffset::east_opt(0)?;
    let (time, offset) = if let Some(time) = text.strip_suffix('Z') {
        (time, utc)
    } else if let Some(place) = text.rfind(['+', '-']) {
        let (time, offset) = text.split_at_checked(place)?;
        (time, offset.parse().ok()?)
    } else {
        (text, utc)
    };
    let formats = ["%H:%M", "%H:%M:%S%.f"];
    let mut parsed = formats
        .iter()
        .filter_map(|format| NaiveTime::parse_from_str(time, format).ok());
    Some((parsed.next()?, offset))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<LookupOptions>> {
        let options: BTreeMap<String, String> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        LookupOptions::read(&TableOptions::check("t", &options, LOOKUP_OPTIONS)?)
    }

    #[test]
    fn a_table_without_a_cache_cannot_be_looked_up() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[(MAX_RETRIES, "1")]).unwrap(), None);
    }

    #[test]
    fn caches_have_their_measures() {
        let partial = read(&[(CACHE, "partial"), (MAX_ROWS, "10"), (MISSING_KEY, "false")]);
        let expected = LookupCache::Partial(PartialOptions {
            expire_after_access: None,
            expire_after_write: None,
            keeps_missing_keys: false,
            max_entries: Some(10),
        });
        assert_eq!(partial.unwrap().unwrap().cache, expected);
        for (pairs, message) in [
            (
                vec![(CACHE, "some")],
                "table 't': invalid value 'some' for option 'lookup.cache': expected NONE, PARTIAL \
                 or FULL",
            ),
            (
                vec![(CACHE, "FULL"), (STRATEGY, "TIMED")],
                "table 't': 'lookup.full-cache.reload-strategy' = 'TIMED' needs the option \
                 'lookup.full-cache.timed-reload.iso-time'",
            ),
        ] {
            assert_eq!(read(&pairs).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn rows_are_due_when_the_strategy_says() {
        let second = Duration::from_secs(1);
        assert_eq!(Reload::Never.due_ms(5, 9), None);
        assert_eq!(Reload::FixedDelay(second).due_ms(5, 9), Some(1009));
        assert_eq!(Reload::FixedRate(second).due_ms(5, 9), Some(1005));
        let (time, offset) = iso_time("01:00+01:00").unwrap();
        let daily = Reload::Timed {
            time,
            offset,
            days: 2,
        };
        // Midnight UTC is the time of day itself: the next reading is two days on.
        assert_eq!(daily.due_ms(0, 1), Some(2 * 86_400_000));
        assert_eq!(daily.due_ms(-1, 1), Some(0));
    }
}
