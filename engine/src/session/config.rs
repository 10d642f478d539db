//! The configuration of a session: Flink's keys, as texts, read with types where they are used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::RwLock;

use super::keys;
use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal::zone_of;

/// Workers of a job unless the configuration says otherwise: more than the cores do not help, and
/// a notebook shares its machine.
const MAX_DEFAULT_PARALLELISM: usize = 4;

/// The keys that have been set; the rest has its default. Clones show and change the same keys.
#[derive(Debug, Default, Clone)]
pub struct Configuration {
    values: Arc<RwLock<BTreeMap<String, String>>>,
}

impl Configuration {
    /// A configuration in which these keys are set.
    #[must_use]
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self {
            values: Arc::new(RwLock::new(values)),
        }
    }

    /// The value of a key, or its default.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.values
            .read()
            .get(key)
            .cloned()
            .or_else(|| default_of(key).map(ToOwned::to_owned))
    }

    /// Sets a key after a look at key and value.
    ///
    /// # Errors
    /// `Options` for a misspelt key or a malformed value.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        keys::check(key, value)?;
        self.values.write().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes one key or all of them back to the defaults.
    pub fn reset(&self, key: Option<&str>) {
        let mut values = self.values.write();
        match key {
            Some(key) => {
                values.remove(key);
            }
            None => values.clear(),
        }
    }

    /// What has been set.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        self.values.read().clone()
    }

    /// Number of workers of a job.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        self.get("parallelism.default")
            .and_then(|value| value.parse().ok())
            .filter(|parallelism| *parallelism > 0)
            .unwrap_or_else(|| {
                available_parallelism().map_or(1, |cores| cores.get().min(MAX_DEFAULT_PARALLELISM))
            })
    }

    /// The session's time zone, an IANA name.
    #[must_use]
    pub fn time_zone(&self) -> String {
        self.get("table.local-time-zone")
            .and_then(|zone| zone_of(&zone).ok())
            .map_or_else(local_time_zone, |zone| zone.name().to_owned())
    }

    /// Whether only final rows count.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.get("execution.runtime-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("batch"))
    }

    /// The duration that a key is set to.
    ///
    /// # Errors
    /// `Options` if its value is none.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match parse_duration(&value) {
            Some(duration) => Ok(Some(duration)),
            None => Err(EngineError::Options {
                message: format!("the value '{value}' of '{key}' is no duration"),
            }),
        }
    }

    /// Whether a key is set to true.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

fn default_of(key: &str) -> Option<&'static str> {
    Some(match key {
        "execution.runtime-mode" => "streaming",
        "table.exec.mini-batch.enabled" | "table.dml-sync" => "false",
        "table.exec.sink.not-null-enforcer" => "ERROR",
        "table.sql-dialect" => "default",
        "table.display.max-column-width" => "30",
        _ => return None,
    })
}

/// The machine's zone by `TZ`, else UTC.
fn local_time_zone() -> String {
    std::env::var("TZ")
        .ok()
        .and_then(|zone| zone_of(&zone).ok())
        .map_or_else(|| "UTC".to_owned(), |zone| zone.name().to_owned())
}
