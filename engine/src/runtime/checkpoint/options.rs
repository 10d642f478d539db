//! Where and how often a job is checkpointed, and from what it starts: Flink's keys.

use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};

/// Checkpoints that are kept unless the configuration says otherwise: one to use, and the one
/// before it in case the disk has damaged the newest.
const DEFAULT_RETAINED: usize = 2;

/// Flink's, too.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// How a job is checkpointed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// Time between the starts of two checkpoints; none for no checkpoints but those asked for.
    pub interval: Option<Duration>,
    /// Time from the end of a checkpoint to the start of the next one at least.
    pub min_pause: Option<Duration>,
    /// Time after which a checkpoint that is not complete is given up.
    pub timeout: Duration,
    /// Where the job makes a folder of its own for its checkpoints. Without it none are made.
    pub folder: Option<PathBuf>,
    /// Where savepoints go if nobody says where.
    pub savepoint_folder: Option<PathBuf>,
    /// Newest checkpoints that are kept.
    pub n_retained: usize,
    /// Periodic checkpoints in a row that may fail before the job does.
    pub n_tolerated_failures: usize,
    /// Whether checkpoints of a job that was stopped are kept. Those of a job that finished are not.
    pub keep_on_stop: bool,
    /// The checkpoint that the job starts from.
    pub restore_from: Option<PathBuf>,
    /// Whether state that no operator of the job wants may be left behind.
    pub ignore_unclaimed_state: bool,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            interval: None,
            min_pause: None,
            timeout: DEFAULT_TIMEOUT,
            folder: None,
            savepoint_folder: None,
            n_retained: DEFAULT_RETAINED,
            n_tolerated_failures: 0,
            keep_on_stop: true,
            restore_from: None,
            ignore_unclaimed_state: false,
        }
    }
}

impl CheckpointOptions {
    /// Whether checkpoints come by themselves.
    #[must_use]
    pub fn is_periodic(&self) -> bool {
        // Without a folder there is nowhere to start from again.
        self.interval.is_some() && self.folder.is_some()
    }

    /// What the session's configuration says, under the keys of Flink 2 and, where they differ, of
    /// Flink 1.
    ///
    /// # Errors
    /// `Options` for a malformed value, and for folders that are not on this machine.
    pub fn of_config(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let first = |keys: &[&'static str]| {
            keys.iter()
                .find_map(|key| get(key).map(|value| (*key, value)))
                .filter(|(_, value)| !value.trim().is_empty())
        };
        let folder = |keys: &[&'static str]| {
            first(keys)
                .map(|(key, value)| local_folder(key, &value))
                .transpose()
        };
        let defaults = Self::default();
        let interval = first(&["execution.checkpointing.interval"])
            .map(|(key, value)| duration(key, &value))
            .transpose()?
            .filter(|interval| !interval.is_zero());
        let retention = first(&["execution.checkpointing.externalized-checkpoint-retention"]);
        Ok(Self {
            interval,
            min_pause: first(&["execution.checkpointing.min-pause"])
                .map(|(key, value)| duration(key, &value))
                .transpose()?,
            timeout: first(&["execution.checkpointing.timeout"])
                .map(|(key, value)| duration(key, &value))
                .transpose()?
                .unwrap_or(defaults.timeout),
            folder: folder(&["execution.checkpointing.dir", "state.checkpoints.dir"])?,
            savepoint_folder: folder(&[
                "execution.checkpointing.savepoint-dir",
                "state.savepoints.dir",
            ])?,
            n_retained: first(&[
                "execution.checkpointing.num-retained",
                "state.checkpoints.num-retained",
            ])
            .map(|(key, value)| count(key, &value))
            .transpose()?
            .map_or(defaults.n_retained, |n_retained| n_retained.max(1)),
            n_tolerated_failures: first(&["execution.checkpointing.tolerable-failed-checkpoints"])
                .map(|(key, value)| count(key, &value))
                .transpose()?
                .unwrap_or(defaults.n_tolerated_failures),
            keep_on_stop: !retention
                .is_some_and(|(_, value)| value.eq_ignore_ascii_case("DELETE_ON_CANCELLATION")),
            restore_from: folder(&["execution.state-recovery.path", "execution.savepoint.path"])?,
            ignore_unclaimed_state: first(&[
                "execution.state-recovery.ignore-unclaimed-state",
                "execution.savepoint.ignore-unclaimed-state",
            ])
            .is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true")),
        })
    }
}

fn duration(key: &str, value: &str) -> Result<Duration> {
    parse_duration(value).ok_or_else(|| EngineError::Options {
        message: format!(
            "'{value}' is no value of '{key}'; expected a duration such as '10 s' or '1 min'"
        ),
    })
}

fn count(key: &str, value: &str) -> Result<usize> {
    value.trim().parse().map_err(|_| EngineError::Options {
        message: format!("'{value}' is no value of '{key}'; expected a whole number"),
    })
}

/// A folder of this machine: `file:///x`, `file:/x` or a path.
pub(super) fn local_folder(what: &str, text: &str) -> Result<PathBuf> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("file:") {
        return Ok(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(EngineError::unsupported(format!(
            "file system scheme '{scheme}' in '{what}'"
        )));
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<CheckpointOptions> {
        CheckpointOptions::of_config(|key| {
            pairs
                .iter()
                .find(|(known, _)| *known == key)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn both_generations_of_keys_are_read() {
        assert_eq!(read(&[]).unwrap(), CheckpointOptions::default());
        let options = read(&[
            ("execution.checkpointing.interval", "3 min"),
            ("state.checkpoints.dir", "file:///data/c"),
            ("state.savepoints.dir", "s"),
            ("execution.checkpointing.num-retained", "5"),
            ("execution.checkpointing.timeout", "2 s"),
            ("execution.savepoint.path", "/old/chk-3"),
            ("execution.state-recovery.ignore-unclaimed-state", "TRUE"),
        ])
        .unwrap();
        assert_eq!(options.interval, Some(Duration::from_secs(180)));
        assert_eq!(options.folder, Some(PathBuf::from("/data/c")));
        assert_eq!(options.savepoint_folder, Some(PathBuf::from("s")));
        assert_eq!(options.n_retained, 5);
        assert_eq!(options.timeout, Duration::from_secs(2));
        assert_eq!(options.restore_from, Some(PathBuf::from("/old/chk-3")));
        assert!(options.ignore_unclaimed_state);
    }

    #[test]
    fn malformed_values_are_refused() {
        for (key, value, message) in [
            (
                "execution.checkpointing.interval",
                "often",
                "'often' is no value of 'execution.checkpointing.interval'; expected a duration \
                 such as '10 s' or '1 min'",
            ),
            (
                "state.checkpoints.dir",
                "s3://bucket/x",
                "file system scheme 's3' in 'state.checkpoints.dir' is not supported yet",
            ),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap_err().to_string(), message);
        }
    }
}
