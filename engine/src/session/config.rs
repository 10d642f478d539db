//! The configuration of a session: Flink's keys, as texts, read with types where they are used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::RwLock;

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal::zone_of;
use crate::sql::diagnostics::most_similar;

/// Workers of a job unless the configuration says otherwise: more than the cores do not help, and
/// a notebook shares its machine.
const MAX_DEFAULT_PARALLELISM: usize = 4;

/// Keys with a meaning here, and those of Flink that programs set most: a key that is close to one
/// of them and none of them is a slip of the pen.
const KNOWN_KEYS: &[&str] = &[
    "execution.runtime-mode",
    "execution.checkpointing.interval",
    "execution.checkpointing.mode",
    "parallelism.default",
    "pipeline.name",
    "pipeline.jars",
    "pipeline.classpaths",
    "pipeline.auto-watermark-interval",
    "pipeline.object-reuse",
    "pipeline.max-parallelism",
    "restart-strategy.type",
    "state.backend.type",
    "sql-client.execution.result-mode",
    "table.builtin-catalog-name",
    "table.builtin-database-name",
    "table.display.max-column-width",
    "table.dml-sync",
    "table.dynamic-table-options.enabled",
    "table.exec.async-lookup.buffer-capacity",
    "table.exec.async-lookup.timeout",
    "table.exec.deduplicate.insert-update-after-sensitive-enabled",
    "table.exec.legacy-cast-behaviour",
    "table.exec.mini-batch.allow-latency",
    "table.exec.mini-batch.enabled",
    "table.exec.mini-batch.size",
    "table.exec.rank.topn-cache-size",
    "table.exec.resource.default-parallelism",
    "table.exec.sink.keyed-shuffle",
    "table.exec.sink.not-null-enforcer",
    "table.exec.sink.type-length-enforcer",
    "table.exec.sink.upsert-materialize",
    "table.exec.source.cdc-events-duplicate",
    "table.exec.source.idle-timeout",
    "table.exec.state.ttl",
    "table.exec.window-agg.buffer-size-limit",
    "table.local-time-zone",
    "table.optimizer.agg-phase-strategy",
    "table.optimizer.distinct-agg.split.bucket-num",
    "table.optimizer.distinct-agg.split.enabled",
    "table.optimizer.join-reorder-enabled",
    "table.optimizer.multiple-input-enabled",
    "table.optimizer.reuse-source-enabled",
    "table.optimizer.reuse-sub-plan-enabled",
    "table.optimizer.source.predicate-pushdown-enabled",
    "table.plan.compile.catalog-objects",
    "table.sql-dialect",
];

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
        check(key, value)?;
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
            .filter(|zone| zone_of(zone).is_ok())
            .unwrap_or_else(local_time_zone)
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

fn check(key: &str, value: &str) -> Result<()> {
    let is_known = KNOWN_KEYS.contains(&key);
    if key.starts_with("table.")
        && !is_known
        && let Some(meant) = most_similar(key, KNOWN_KEYS.iter().copied())
        && is_slip(key, meant)
    {
        return Err(EngineError::Options {
            message: format!("there is no configuration key '{key}'; did you mean '{meant}'?"),
        });
    }
    let wrong = |expected: &str| {
        Err(EngineError::Options {
            message: format!("'{value}' is no value of '{key}'; expected {expected}"),
        })
    };
    match key {
        "table.local-time-zone" => zone_of(value).map(drop),
        "execution.runtime-mode" => {
            let modes = ["streaming", "batch", "automatic"];
            if modes.iter().any(|mode| value.eq_ignore_ascii_case(mode)) {
                Ok(())
            } else {
                wrong("'streaming' or 'batch'")
            }
        }
        "parallelism.default" => match value.parse::<i64>() {
            Ok(parallelism) if parallelism > 0 || parallelism == -1 => Ok(()),
            _ => wrong("a number of workers"),
        },
        "table.exec.mini-batch.enabled" | "table.dml-sync" => {
            if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
                Ok(())
            } else {
                wrong("'true' or 'false'")
            }
        }
        "table.exec.sink.not-null-enforcer" => {
            if ["ERROR", "DROP"]
                .iter()
                .any(|mode| value.eq_ignore_ascii_case(mode))
            {
                Ok(())
            } else {
                wrong("'ERROR' or 'DROP'")
            }
        }
        _ => Ok(()),
    }
}

/// Keys are long: only a difference of two letters is taken for a slip.
fn is_slip(key: &str, meant: &str) -> bool {
    strsim::damerau_levenshtein(key, meant) <= 2
}

/// The machine's zone by `TZ`, else UTC.
fn local_time_zone() -> String {
    std::env::var("TZ")
        .ok()
        .filter(|zone| zone_of(zone).is_ok())
        .unwrap_or_else(|| "UTC".to_owned())
}
