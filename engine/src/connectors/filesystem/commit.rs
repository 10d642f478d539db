//! When a partition is complete, and how its readers are told: the options
//! `sink.partition-commit.*` and `partition.time-extractor.*`.
//!
//! ```text
//!   rows for dt=…/hm=… ──▶ pending ──its time has come──▶ files become visible ──▶ _SUCCESS
//! ```
//!
//! A partition is pending from its first row on. By the clock (`process-time`) its time has come
//! when it has been pending longer than the delay; by `partition-time` when the watermark has
//! passed the time that its values name, and the delay. Rows that come later make it pending again:
//! it is committed anew, as in Flink. What is pending when bounded input ends is committed.
//!
//! Source: the filesystem connector of Flink 2.3.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use chrono::{Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::IDENTIFIER;
use super::listing::of_io;
use super::partition::values_of;
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::error::{EngineError, Result};
use crate::functions::java_time::Pattern;
use crate::state::StateTable;

const TRIGGER: &str = "sink.partition-commit.trigger";
const DELAY: &str = "sink.partition-commit.delay";
const ZONE: &str = "sink.partition-commit.watermark-time-zone";
const POLICY: &str = "sink.partition-commit.policy.kind";
const SUCCESS_FILE: &str = "sink.partition-commit.success-file.name";
const EXTRACTOR: &str = "partition.time-extractor.kind";
const TIMESTAMP_PATTERN: &str = "partition.time-extractor.timestamp-pattern";
const TIMESTAMP_FORMATTER: &str = "partition.time-extractor.timestamp-formatter";

/// What a table may say about it.
pub(super) const SPECS: [OptionSpec; 8] = [
    optional(EXTRACTOR),
    optional(TIMESTAMP_FORMATTER),
    optional(TIMESTAMP_PATTERN),
    optional(DELAY),
    optional(POLICY),
    optional(SUCCESS_FILE),
    optional(TRIGGER),
    optional(ZONE),
];

/// The name of the saved table.
pub(super) const PENDING: &str = "pending_partitions";

/// When and how partitions are committed.
#[derive(Debug, Clone)]
pub(super) struct CommitPolicy {
    trigger: Trigger,
    delay_ms: i64,
    success_file: String,
}

#[derive(Debug, Clone)]
enum Trigger {
    /// By the clock.
    ProcessTime,
    /// By the watermark.
    PartitionTime { extractor: Extractor, zone: Tz },
}

/// Reads a time from the values of a partition.
#[derive(Debug, Clone)]
struct Extractor {
    /// As `$dt $hour:00:00`; the first value without one.
    pattern: Option<String>,
    /// How the text is written; `yyyy-M-d[ H:m:s[.fraction]]` without one.
    formatter: Option<Pattern>,
}

impl CommitPolicy {
    /// Reads the options. None if the table commits nothing.
    ///
    /// # Errors
    /// If an option has a value that it cannot have.
    pub(super) fn read(options: &TableOptions<'_>, is_partitioned: bool) -> Result<Option<Self>> {
        let trigger = match options.text(TRIGGER).unwrap_or("process-time") {
            "process-time" => Trigger::ProcessTime,
            "partition-time" => Trigger::PartitionTime {
                extractor: Extractor::read(options)?,
                zone: zone(options)?,
            },
            other => {
                let expected = "'process-time' or 'partition-time'";
                return Err(options.invalid(TRIGGER, other, expected));
            }
        };
        let delay = options.duration(DELAY)?.unwrap_or_default();
        let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let Some(kinds) = options.text(POLICY) else {
            return Ok(None);
        };
        for kind in kinds.split(',').map(str::trim) {
            match kind {
                "success-file" => {}
                "metastore" => {
                    return Err(options.error(
                        "a file system table cannot have the partition commit policy 'metastore': \
                         that is for tables of Hive",
                    ));
                }
                "custom" => {
                    return Err(EngineError::unsupported(format!(
                        "'{POLICY}' = 'custom': a commit policy in Java"
                    )));
                }
                other => return Err(options.invalid(POLICY, other, "'success-file'")),
            }
        }
        let policy = Self {
            trigger,
            delay_ms,
            success_file: options.text(SUCCESS_FILE).unwrap_or("_SUCCESS").to_owned(),
        };
        Ok(is_partitioned.then_some(policy))
    }

    /// Whether the time of a partition has come.
    fn is_due(&self, folder: &str, since_ms: i64, now: Now) -> Result<bool> {
        match &self.trigger {
            Trigger::ProcessTime => {
                Ok(self.delay_ms == 0 || now.clock_ms > since_ms.saturating_add(self.delay_ms))
            }
            Trigger::PartitionTime { extractor, zone } => {
                let time = extractor.time(folder)?;
                let time_ms = match zone.from_local_datetime(&time).earliest() {
                    Some(time) => time.timestamp_millis(),
                    None => time.and_utc().timestamp_millis(),
                };
                Ok(now.watermark_ms > time_ms.saturating_add(self.delay_ms))
            }
        }
    }
}

fn zone(options: &TableOptions<'_>) -> Result<Tz> {
    let name = options.text(ZONE).unwrap_or("UTC");
    name.parse()
        .map_err(|_| options.invalid(ZONE, name, "a time zone such as 'Europe/Berlin'"))
}

impl Extractor {
    fn read(options: &TableOptions<'_>) -> Result<Self> {
        match options.text(EXTRACTOR).unwrap_or("default") {
            "default" => {}
            "custom" => {
                return Err(EngineError::unsupported(format!(
                    "'{EXTRACTOR}' = 'custom': a time extractor in Java"
                )));
            }
            other => return Err(options.invalid(EXTRACTOR, other, "'default'")),
        }
        let formatter = match options.text(TIMESTAMP_FORMATTER) {
            None => None,
            Some(text) => {
                let invalid = || options.invalid(TIMESTAMP_FORMATTER, text, "a pattern of Java");
                Some(Pattern::parse(text).ok_or_else(invalid)?)
            }
        };
        Ok(Self {
            pattern: options.text(TIMESTAMP_PATTERN).map(ToOwned::to_owned),
            formatter,
        })
    }

    fn time(&self, folder: &str) -> Result<NaiveDateTime> {
        let values = values_of(folder);
        let text = match &self.pattern {
            None => values.first().map(|(_, value)| value.clone()),
            Some(pattern) => Some(values.iter().fold(pattern.clone(), |text, (key, value)| {
                text.replace(&format!("${key}"), value)
            })),
        };
        let text = text.unwrap_or_default();
        let time = match &self.formatter {
            None => timestamp(&text),
            Some(formatter) => formatter.read(&text).map(|(time, _)| time),
        };
        time.ok_or_else(|| {
            let message = format!("no time can be read from '{text}', of partition '{folder}'");
            EngineError::connector(IDENTIFIER, message)
        })
    }
}

/// `2024-1-31`, `2024-01-31 5:00:00`, with a fraction or without; what is too large carries over.
fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let numbers = |text: &str, separator: char| -> Option<[u32; 3]> {
        let mut parts = text.split(separator).map(|part| part.parse().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(numbers)
    };
    let [year, month, day] = numbers(date, '-')?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 1, 1)?
        .checked_add_months(Months::new(month.checked_sub(1)?))?
        .checked_add_signed(TimeDelta::days(i64::from(day) - 1))?;
    let Some(time) = time else {
        return date.and_hms_opt(0, 0, 0);
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos: i64 = is_fraction.then(|| format!("{fraction:0<9}").parse().ok())??;
    let [hour, minute, second] = numbers(time, ':')?.map(i64::from);
    let of_day = TimeDelta::seconds((hour * 60 + minute) * 60 + second);
    date.and_hms_opt(0, 0, 0)?
        .checked_add_signed(of_day + TimeDelta::nanoseconds(nanos))
}

/// The two times that a partition may wait for, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) clock_ms: i64,
    pub(super) watermark_ms: i64,
}

/// The partitions that one sink writes to and has not committed.
#[derive(Debug)]
pub(super) struct PartitionCommits {
    policy: CommitPolicy,
    /// The clock at the first row, by folder.
    pending: BTreeMap<String, i64>,
    /// Committed with the checkpoint of this number.
    promised: Vec<(u64, String)>,
}

impl PartitionCommits {
    pub(super) fn new(policy: CommitPolicy) -> Self {
        Self {
            policy,
            pending: BTreeMap::new(),
            promised: Vec::new(),
        }
    }

    /// A row has come for this folder.
    pub(super) fn touch(&mut self, folder: &str, clock_ms: i64) {
        if !self.pending.contains_key(folder) {
            self.pending.insert(folder.to_owned(), clock_ms);
        }
    }

    /// Takes out the folders whose time has come.
    ///
    /// # Errors
    /// If the values of a partition are no time.
    pub(super) fn take_due(&mut self, now: Now) -> Result<Vec<String>> {
        let mut due = Vec::new();
        for (folder, since_ms) in &self.pending {
            if self.policy.is_due(folder, *since_ms, now)? {
                due.push(folder.clone());
            }
        }
        for folder in &due {
            self.pending.remove(folder);
        }
        Ok(due)
    }

    /// Takes out all folders: the input has ended.
    pub(super) fn take_all(&mut self) -> Vec<String> {
        let promised = std::mem::take(&mut self.promised).into_iter();
        let mut all = std::mem::take(&mut self.pending);
        all.extend(promised.map(|(_, folder)| (folder, 0)));
        all.into_keys().collect()
    }

    /// Folders whose time has come are committed when this checkpoint is complete.
    ///
    /// # Errors
    /// As [`Self::take_due`].
    pub(super) fn promise(&mut self, checkpoint: u64, now: Now) -> Result<()> {
        let due = self.take_due(now)?;
        self.promised
            .extend(due.into_iter().map(|folder| (checkpoint, folder)));
        Ok(())
    }

    /// Takes out the folders that were promised for this checkpoint and those before it.
    pub(super) fn take_promised(&mut self, checkpoint: u64) -> Vec<String> {
        let (due, rest) = std::mem::take(&mut self.promised)
            .into_iter()
            .partition(|(number, _)| *number <= checkpoint);
        self.promised = rest;
        due.into_iter().map(|(_, folder)| folder).collect()
    }

    /// When the next partition is due by the clock, in milliseconds since 1970.
    pub(super) fn next_timer_ms(&self) -> Option<i64> {
        match self.policy.trigger {
            Trigger::ProcessTime => {
                let since_ms = self.pending.values().min()?;
                Some(
                    since_ms
                        .saturating_add(self.policy.delay_ms)
                        .saturating_add(1),
                )
            }
            Trigger::PartitionTime { .. } => None,
        }
    }

    /// Tells the readers of a partition that it is complete.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn announce(&self, table: &Path, folder: &str) -> Result<()> {
        let path = table.join(folder).join(&self.policy.success_file);
        File::create(&path)
            .map(drop)
            .map_err(|error| of_io(&path, &error))
    }

    /// What is not committed.
    ///
    /// # Errors
    /// If the table cannot be made.
    pub(super) fn save(&self) -> Result<StateTable> {
        let promised = self.promised.iter().map(|(_, folder)| (folder, &0));
        let (folders, since): (Vec<&str>, Vec<i64>) = self
            .pending
            .iter()
            .chain(promised)
            .map(|(folder, since_ms)| (folder.as_str(), *since_ms))
            .unzip();
        let folders: ArrayRef = Arc::new(StringArray::from(folders));
        let since: ArrayRef = Arc::new(Int64Array::from(since));
        Ok(StateTable {
            name: PENDING,
            batch: RecordBatch::try_from_iter([("folder", folders), ("since_ms", since)])?,
            key_columns: Vec::new(),
        })
    }

    /// Takes up what [`Self::save`] gave.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn restore(&mut self, table: &RecordBatch) -> Result<()> {
        let [folders, since] = table.columns() else {
            return Err(EngineError::internal("the partitions of something else"));
        };
        let (Some(folders), Some(since)) = (
            folders.as_string_opt::<i32>(),
            since.as_primitive_opt::<Int64Type>(),
        ) else {
            return Err(EngineError::internal("the partitions of something else"));
        };
        for (folder, since_ms) in folders.iter().zip(since) {
            if let (Some(folder), Some(since_ms)) = (folder, since_ms) {
                self.pending.insert(folder.to_owned(), since_ms);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn policy(pairs: &[(&str, &str)]) -> Result<Option<CommitPolicy>> {
        let options = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        CommitPolicy::read(&TableOptions::check("t", &options, &SPECS)?, true)
    }

    fn commits(pairs: &[(&str, &str)]) -> PartitionCommits {
        PartitionCommits::new(policy(pairs).unwrap().unwrap())
    }

    fn now(clock_ms: i64, watermark_ms: i64) -> Now {
        Now {
            clock_ms,
            watermark_ms,
        }
    }

    #[test]
    fn the_clock_commits_after_the_delay() {
        let mut at_once = commits(&[(POLICY, "success-file")]);
        at_once.touch("dt=a", 100);
        assert_eq!(at_once.take_due(now(100, i64::MIN)).unwrap(), ["dt=a"]);
        let mut later = commits(&[(POLICY, "success-file"), (DELAY, "1 s")]);
        later.touch("dt=a", 100);
        later.touch("dt=a", 900);
        assert_eq!(later.next_timer_ms(), Some(1101));
        assert!(later.take_due(now(1100, i64::MAX)).unwrap().is_empty());
        assert_eq!(later.take_due(now(1101, i64::MIN)).unwrap(), ["dt=a"]);
        assert_eq!(later.next_timer_ms(), None);
    }

    #[test]
    fn the_watermark_commits_what_it_has_passed() {
        let mut commits = commits(&[
            (POLICY, "success-file"),
            (TRIGGER, "partition-time"),
            (DELAY, "1 h"),
            (TIMESTAMP_PATTERN, "$dt $hm:00"),
            (ZONE, "Europe/Berlin"),
        ]);
        let folder = "dt=2024-01-31/hm=10%3A30";
        commits.touch(folder, 0);
        // Half past ten in Berlin is half past nine in UTC; an hour later it is over.
        let over_ms = timestamp("2024-01-31 10:30:00").unwrap().and_utc();
        let over_ms = over_ms.timestamp_millis();
        assert!(commits.take_due(now(i64::MAX, over_ms)).unwrap().is_empty());
        commits.promise(7, now(0, over_ms + 1)).unwrap();
        assert!(commits.take_promised(6).is_empty());
        assert_eq!(commits.take_promised(7), [folder]);
        commits.touch("dt=tomorrow/hm=1", 0);
        let error = commits.take_due(now(0, 0)).unwrap_err().to_string();
        assert!(error.contains("'tomorrow 1:00'"), "{error}");
    }

    #[test]
    fn times_are_read_as_leniently_as_flink_does() {
        let read = |text: &str| timestamp(text).map(|time| time.to_string());
        assert_eq!(read("2024-2-1").unwrap(), "2024-02-01 00:00:00");
        assert_eq!(
            read("2024-13-32 25:0:1.5").unwrap(),
            "2025-02-02 01:00:01.500"
        );
        for text in ["", "2024-01", "2024-01-01 05", "2024-01-01T05:00:00", "x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_pending_is_saved() {
        let mut commits = commits(&[(POLICY, "success-file"), (DELAY, "1 h")]);
        commits.touch("dt=a", 5);
        let mut restored = PartitionCommits::new(commits.policy.clone());
        restored.restore(&commits.save().unwrap().batch).unwrap();
        assert_eq!(restored.next_timer_ms(), Some(3_600_006));
        assert_eq!(restored.take_all(), ["dt=a"]);
    }

    #[test]
    fn options_are_checked() {
        let error = |pairs: &[(&str, &str)]| policy(pairs).unwrap_err().to_string();
        assert!(error(&[(POLICY, "success-file,metastore")]).contains("Hive"));
        assert!(error(&[(POLICY, "custom")]).contains("in Java"));
        assert!(error(&[(TRIGGER, "never")]).contains("'partition-time'"));
        assert!(error(&[(TRIGGER, "partition-time"), (ZONE, "Mars")]).contains("Mars"));
        assert!(policy(&[(DELAY, "1 h")]).unwrap().is_none());
    }
}
