//! The configuration keys that are known: Flink's, and our own under `tidemill.`.
//!
//! A key with a type is tested when it is set. All others are kept as they come, as in Flink; they
//! stand here so that a slip of the pen in one of them can be told from a key of somebody else.
//!
//! Source: Flink 2.3, the option classes of its table API, client and core; names only.

use crate::catalog::options::{parse_bytes, parse_duration};
use crate::error::{EngineError, Result};
use crate::functions::cast::temporal::zone_of;
use crate::sql::diagnostics::most_similar;

/// What the values of a key look like.
#[derive(Debug, Clone, Copy)]
enum Type {
    Flag,
    Duration,
    Size,
    /// A whole number of at least this.
    Count(i64),
    /// A whole number above zero, or −1 for the default.
    CountOrDefault,
    OneOf(&'static [&'static str]),
    Zone,
    Text,
}

/// Keys with a type and those with a meaning here.
const TYPED: &[(&str, Type)] = &[
    ("execution.checkpointing.dir", Type::Text),
    (
        "execution.checkpointing.externalized-checkpoint-retention",
        Type::OneOf(&[
            "RETAIN_ON_CANCELLATION",
            "DELETE_ON_CANCELLATION",
            "NO_EXTERNALIZED_CHECKPOINTS",
        ]),
    ),
    ("execution.checkpointing.interval", Type::Duration),
    ("execution.checkpointing.min-pause", Type::Duration),
    (
        "execution.checkpointing.mode",
        Type::OneOf(&["EXACTLY_ONCE", "AT_LEAST_ONCE"]),
    ),
    ("execution.checkpointing.num-retained", Type::Count(1)),
    ("execution.checkpointing.savepoint-dir", Type::Text),
    ("execution.checkpointing.timeout", Type::Duration),
    (
        "execution.checkpointing.tolerable-failed-checkpoints",
        Type::Count(0),
    ),
    (
        "execution.runtime-mode",
        Type::OneOf(&["streaming", "batch", "automatic"]),
    ),
    ("execution.savepoint.ignore-unclaimed-state", Type::Flag),
    (
        "execution.state-recovery.ignore-unclaimed-state",
        Type::Flag,
    ),
    ("execution.state-recovery.path", Type::Text),
    ("parallelism.default", Type::CountOrDefault),
    ("pipeline.auto-watermark-interval", Type::Duration),
    ("pipeline.max-parallelism", Type::CountOrDefault),
    ("pipeline.object-reuse", Type::Flag),
    ("pipeline.operator-chaining.enabled", Type::Flag),
    ("sql-client.display.print-time-cost", Type::Flag),
    ("sql-client.execution.max-table-result.rows", Type::Count(0)),
    (
        "sql-client.execution.result-mode",
        Type::OneOf(&["TABLE", "CHANGELOG", "TABLEAU"]),
    ),
    ("sql-client.verbose", Type::Flag),
    ("state.checkpoints.num-retained", Type::Count(1)),
    ("table.display.max-column-width", Type::Count(1)),
    ("table.dml-sync", Type::Flag),
    ("table.dynamic-table-options.enabled", Type::Flag),
    ("table.exec.async-lookup.buffer-capacity", Type::Count(1)),
    ("table.exec.async-lookup.timeout", Type::Duration),
    ("table.exec.async-scalar.buffer-capacity", Type::Count(1)),
    ("table.exec.async-scalar.max-attempts", Type::Count(1)),
    (
        "table.exec.async-scalar.max-concurrent-operations",
        Type::Count(1),
    ),
    ("table.exec.async-scalar.retry-delay", Type::Duration),
    (
        "table.exec.async-scalar.retry-strategy",
        Type::OneOf(&["NO_RETRY", "FIXED_DELAY"]),
    ),
    ("table.exec.async-scalar.timeout", Type::Duration),
    (
        "table.exec.deduplicate.insert-update-after-sensitive-enabled",
        Type::Flag,
    ),
    (
        "table.exec.interval-join.min-cleanup-interval",
        Type::Duration,
    ),
    (
        "table.exec.legacy-cast-behaviour",
        Type::OneOf(&["ENABLED", "DISABLED"]),
    ),
    ("table.exec.mini-batch.allow-latency", Type::Duration),
    ("table.exec.mini-batch.enabled", Type::Flag),
    ("table.exec.mini-batch.size", Type::CountOrDefault),
    ("table.exec.rank.topn-cache-size", Type::Count(1)),
    (
        "table.exec.resource.default-parallelism",
        Type::CountOrDefault,
    ),
    (
        "table.exec.sink.keyed-shuffle",
        Type::OneOf(&["NONE", "AUTO", "FORCE"]),
    ),
    (
        "table.exec.sink.nested-constraint-enforcer",
        Type::OneOf(&["IGNORE", "ROWS", "ROWS_AND_COLLECTIONS"]),
    ),
    (
        "table.exec.sink.not-null-enforcer",
        Type::OneOf(&["ERROR", "DROP"]),
    ),
    (
        "table.exec.sink.type-length-enforcer",
        Type::OneOf(&["IGNORE", "TRIM_PAD", "ERROR"]),
    ),
    (
        "table.exec.sink.upsert-materialize",
        Type::OneOf(&["NONE", "AUTO", "FORCE"]),
    ),
    ("table.exec.source.cdc-events-duplicate", Type::Flag),
    ("table.exec.source.idle-timeout", Type::Duration),
    ("table.exec.state.ttl", Type::Duration),
    ("table.exec.window-agg.buffer-size-limit", Type::Count(1)),
    ("table.local-time-zone", Type::Zone),
    (
        "table.optimizer.agg-phase-strategy",
        Type::OneOf(&["AUTO", "ONE_PHASE", "TWO_PHASE"]),
    ),
    (
        "table.optimizer.distinct-agg.split.bucket-num",
        Type::Count(1),
    ),
    ("table.optimizer.distinct-agg.split.enabled", Type::Flag),
    ("table.optimizer.join-reorder-enabled", Type::Flag),
    ("table.optimizer.multiple-input-enabled", Type::Flag),
    (
        "table.optimizer.non-deterministic-update.strategy",
        Type::OneOf(&["TRY_RESOLVE", "IGNORE"]),
    ),
    ("table.optimizer.reuse-sink-enabled", Type::Flag),
    ("table.optimizer.reuse-source-enabled", Type::Flag),
    ("table.optimizer.reuse-sub-plan-enabled", Type::Flag),
    ("table.sql-dialect", Type::OneOf(&["default", "hive"])),
    ("tidemill.memory.limit", Type::Size),
    ("tidemill.source.batch-rows", Type::CountOrDefault),
    ("tidemill.step.wave-rows", Type::CountOrDefault),
    ("tidemill.worker.min-rows", Type::CountOrDefault),
];

/// Other keys of Flink that scripts and programs set.
const OTHERS: &[&str] = &[
    "execution.attached",
    "execution.batch-shuffle-mode",
    "execution.buffer-timeout",
    "execution.buffer-timeout.enabled",
    "execution.buffer-timeout.interval",
    "execution.checkpointing.aligned-checkpoint-timeout",
    "execution.checkpointing.checkpoints-after-tasks-finish",
    "execution.checkpointing.incremental",
    "execution.checkpointing.interval-during-backlog",
    "execution.checkpointing.local-backup.enabled",
    "execution.checkpointing.max-concurrent-checkpoints",
    "execution.checkpointing.snapshot-compression",
    "execution.checkpointing.storage",
    "execution.checkpointing.unaligned",
    "execution.checkpointing.unaligned.enabled",
    "execution.checkpointing.unaligned.forced",
    "execution.savepoint-restore-mode",
    "execution.savepoint.path",
    "execution.state-recovery.claim-mode",
    "execution.target",
    "pipeline.cached-files",
    "pipeline.classpaths",
    "pipeline.closure-cleaner-level",
    "pipeline.generic-types",
    "pipeline.global-job-parameters",
    "pipeline.jars",
    "pipeline.name",
    "pipeline.operator-chaining",
    "restart-strategy",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
    "restart-strategy.exponential-delay.backoff-multiplier",
    "restart-strategy.exponential-delay.jitter-factor",
    "restart-strategy.exponential-delay.reset-backoff-threshold",
    "restart-strategy.exponential-delay.initial-backoff",
    "restart-strategy.exponential-delay.max-backoff",
    "restart-strategy.failure-rate.delay",
    "restart-strategy.failure-rate.failure-rate-interval",
    "restart-strategy.failure-rate.max-failures-per-interval",
    "restart-strategy.fixed-delay.attempts",
    "restart-strategy.fixed-delay.delay",
    "restart-strategy.type",
    "sql-client.display.color-schema",
    "sql-client.display.show-line-numbers",
    "state.backend",
    "state.backend.incremental",
    "state.backend.type",
    "state.checkpoint-storage",
    "state.checkpoints.create-subdir",
    "state.checkpoints.dir",
    "state.savepoints.dir",
    "table.builtin-catalog-name",
    "table.builtin-database-name",
    "table.catalog-modification.listeners",
    "table.column-expansion-strategy",
    "table.default-freshness.continuous",
    "table.default-freshness.full",
    "table.default-start-mode",
    "table.exec.async-lookup.key-ordered-enabled",
    "table.exec.async-lookup.output-mode",
    "table.exec.async-ml-predict.max-concurrent-operations",
    "table.exec.async-ml-predict.output-mode",
    "table.exec.async-ml-predict.timeout",
    "table.exec.async-state.enabled",
    "table.exec.async-table.max-concurrent-operations",
    "table.exec.async-table.max-retries",
    "table.exec.async-table.retry-delay",
    "table.exec.async-table.retry-strategy",
    "table.exec.async-table.timeout",
    "table.exec.async-vector-search.max-concurrent-operations",
    "table.exec.async-vector-search.output-mode",
    "table.exec.async-vector-search.timeout",
    "table.exec.deduplicate.mini-batch.compact-changes-enabled",
    "table.exec.delta-join.cache-enabled",
    "table.exec.delta-join.left.cache-size",
    "table.exec.delta-join.right.cache-size",
    "table.exec.disabled-operators",
    "table.exec.local-hash-agg.adaptive.distinct-value-rate-threshold",
    "table.exec.local-hash-agg.adaptive.enabled",
    "table.exec.local-hash-agg.adaptive.sampling-threshold",
    "table.exec.operator-fusion-codegen.enabled",
    "table.exec.resource.external-buffer-memory",
    "table.exec.resource.hash-agg.memory",
    "table.exec.resource.hash-join.memory",
    "table.exec.resource.sort.memory",
    "table.exec.simplify-operator-name-enabled",
    "table.exec.sink.require-on-conflict",
    "table.exec.sink.rowtime-inserter",
    "table.exec.sink.upsert-materialize-strategy.adaptive.threshold.high",
    "table.exec.sink.upsert-materialize-strategy.adaptive.threshold.low",
    "table.exec.sink.upsert-materialize-strategy.type",
    "table.exec.sort.async-merge-enabled",
    "table.exec.sort.default-limit",
    "table.exec.sort.max-num-file-handles",
    "table.exec.spill-compression.block-size",
    "table.exec.spill-compression.enabled",
    "table.exec.uid.format",
    "table.exec.uid.generation",
    "table.exec.unbounded-over.version",
    "table.generated-code.max-length",
    "table.generated-code.max-members",
    "table.legacy-nested-row-nullability",
    "table.optimizer.adaptive-broadcast-join.strategy",
    "table.optimizer.bushy-join-reorder-threshold",
    "table.optimizer.delta-join.strategy",
    "table.optimizer.dynamic-filtering.enabled",
    "table.optimizer.incremental-agg-enabled",
    "table.optimizer.join.broadcast-threshold",
    "table.optimizer.multi-join.enabled",
    "table.optimizer.ptf.max-tables",
    "table.optimizer.reuse-optimize-block-with-digest-enabled",
    "table.optimizer.runtime-filter.enabled",
    "table.optimizer.runtime-filter.max-build-data-size",
    "table.optimizer.runtime-filter.min-filter-ratio",
    "table.optimizer.runtime-filter.min-probe-data-size",
    "table.optimizer.skewed-join-optimization.skewed-factor",
    "table.optimizer.skewed-join-optimization.skewed-threshold",
    "table.optimizer.skewed-join-optimization.strategy",
    "table.optimizer.source.predicate-pushdown-enabled",
    "table.optimizer.source.report-statistics-enabled",
    "table.optimizer.sql2rel.project-merge.enabled",
    "table.optimizer.union-all-as-breakpoint-enabled",
    "table.plan.compile.catalog-objects",
    "table.plan.force-recompile",
    "table.plan.restore.catalog-objects",
    "table.refresh-mode.freshness-threshold",
    "table.resources.download-dir",
    "table.rtas-ctas.atomicity-enabled",
];

/// Looks at a key and its value before they are kept.
///
/// # Errors
/// `Options` for a key that looks like a slip of the pen in a known one, and for a value that is
/// not of the key's type.
pub(super) fn check(key: &str, value: &str) -> Result<()> {
    let typed = TYPED.iter().find(|(known, _)| *known == key);
    match typed {
        Some((_, value_type)) => value_type.check(key, value),
        None => check_name(key),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    TYPED
        .iter()
        .map(|(key, _)| *key)
        .chain(OTHERS.iter().copied())
}

fn check_name(key: &str) -> Result<()> {
    if OTHERS.contains(&key) {
        return Ok(());
    }
    if key.starts_with("tidemill.") {
        let own: Vec<_> = names()
            .filter(|name| name.starts_with("tidemill."))
            .collect();
        return Err(EngineError::Options {
            message: format!(
                "there is no configuration key '{key}'; the keys of Tidemill are {}",
                own.join(", ")
            ),
        });
    }
    match most_similar(key, names()).filter(|meant| is_slip(key, meant)) {
        Some(meant) => Err(EngineError::Options {
            message: format!("there is no configuration key '{key}'; did you mean '{meant}'?"),
        }),
        None => Ok(()),
    }
}

/// Keys are long: only a difference of two letters is taken for a slip.
fn is_slip(key: &str, meant: &str) -> bool {
    strsim::damerau_levenshtein(key, meant) <= 2
}

impl Type {
    fn check(self, key: &str, value: &str) -> Result<()> {
        let text = value.trim();
        let number = || text.parse::<i64>().ok();
        let (fits, expected) = match self {
            Self::Zone => (
                zone_of(value).is_ok(),
                "an IANA name such as 'Asia/Shanghai' or 'UTC', or a distance in whole hours such as \
                 'GMT-03:00'"
                    .to_owned(),
            ),
            Self::Text => return Ok(()),
            Self::Flag => (
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
                "'true' or 'false'".to_owned(),
            ),
            Self::Duration => (
                parse_duration(text).is_some(),
                "a duration such as '10 s' or '1 min'".to_owned(),
            ),
            Self::Size => (
                parse_bytes(text).is_some_and(|bytes| bytes > 0),
                "a size such as '2 gb'".to_owned(),
            ),
            Self::Count(least) => (
                number().is_some_and(|number| number >= least),
                format!("a whole number of at least {least}"),
            ),
            Self::CountOrDefault => (
                number().is_some_and(|number| number > 0 || number == -1),
                "a whole number above zero, or -1 for the default".to_owned(),
            ),
            Self::OneOf(values) => {
                let quoted: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
                (
                    values.iter().any(|known| text.eq_ignore_ascii_case(known)),
                    match quoted.as_slice() {
                        [one, other] => format!("{one} or {other}"),
                        _ => format!("one of {}", quoted.join(", ")),
                    },
                )
            }
        };
        if fits {
            return Ok(());
        }
        Err(EngineError::Options {
            message: format!("'{value}' is no value of '{key}'; expected {expected}"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn values_are_of_their_keys_types() {
        for (key, value) in [
            ("table.exec.state.ttl", "1 d"),
            ("parallelism.default", "-1"),
            ("table.exec.mini-batch.enabled", "TRUE"),
            ("sql-client.execution.result-mode", "tableau"),
            ("table.local-time-zone", "Asia/Shanghai"),
            ("tidemill.memory.limit", "512 mb"),
            ("table.something.of-a-plugin", "whatever"),
            ("my.own.key", ""),
            ("rest.port", "8081"),
        ] {
            check(key, value).unwrap();
        }
        let refused = |key: &str, value: &str| check(key, value).unwrap_err().to_string();
        assert_eq!(
            refused("table.exec.state.ttl", "a while"),
            "'a while' is no value of 'table.exec.state.ttl'; expected a duration such as '10 s' \
             or '1 min'"
        );
        assert_eq!(
            refused("table.exec.mini-batch.size", "0"),
            "'0' is no value of 'table.exec.mini-batch.size'; expected a whole number above zero, \
             or -1 for the default"
        );
        assert_eq!(
            refused("table.exec.sink.not-null-enforcer", "WARN"),
            "'WARN' is no value of 'table.exec.sink.not-null-enforcer'; expected 'ERROR' or 'DROP'"
        );
        assert_eq!(
            refused("sql-client.execution.result-mode", "list"),
            "'list' is no value of 'sql-client.execution.result-mode'; expected one of 'TABLE', \
             'CHANGELOG', 'TABLEAU'"
        );
    }

    #[test]
    fn slips_of_the_pen_are_pointed_out() {
        let refused = |key: &str| check(key, "1").unwrap_err().to_string();
        assert_eq!(
            refused("table.exec.mini-batch.enable"),
            "there is no configuration key 'table.exec.mini-batch.enable'; did you mean \
             'table.exec.mini-batch.enabled'?"
        );
        assert_eq!(
            refused("paralelism.default"),
            "there is no configuration key 'paralelism.default'; did you mean \
             'parallelism.default'?"
        );
        assert_eq!(
            refused("tidemill.memory"),
            "there is no configuration key 'tidemill.memory'; the keys of Tidemill are \
             tidemill.memory.limit, tidemill.source.batch-rows, tidemill.step.wave-rows, tidemill.worker.min-rows"
        );
    }

    /// What is told from a slip must not be taken for one.
    #[test]
    fn known_keys_are_no_slips() {
        for key in OTHERS {
            check(key, "1").unwrap();
        }
    }
}
