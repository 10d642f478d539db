//! Foreign functions in jobs: when a job begins and ends to use them, and what they measure
//! meanwhile.
//!
//! ```text
//!   start of a job ──▶ begin_use ──▶ calls ──▶ end ──▶ the metrics stay as they are
//! ```
//!
//! A metric is what a function has registered with the metric group of its context, under Flink's
//! scopes: groups have names, and a group of a key and a value names a variable.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::functions::udf::{AggregateUdfSpec, UdfSpec};

/// A job's hold on a foreign function, from before its first call to after its last.
pub trait FunctionUse: Send + Sync + Debug {
    /// What the function has measured, as far as it has told. Does not wait for the function.
    fn metrics(&self) -> Vec<FunctionMetric>;

    /// The job is to end and calls of the function hold it up: breaks them off where that can be
    /// done, so that they fail. Does not wait for them.
    fn interrupt(&self);

    /// The job has ended. When the last one has, the function is closed.
    fn end(&self);
}

/// A metric of a function, all workers together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionMetric {
    /// The function.
    #[serde(default)]
    pub function: String,
    /// Names of the groups in which it is, from the outermost; keys, but not their values.
    pub groups: Vec<String>,
    /// Keys and values of the groups that have them.
    pub variables: BTreeMap<String, String>,
    /// Its own name.
    pub name: String,
    /// What it stands at.
    pub value: MetricValue,
}

/// What a metric stands at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricValue {
    /// A number that goes up and down.
    Counter(i64),
    /// A number that is looked up.
    Gauge(f64),
    /// A count of events, and how many a second there were of late.
    Meter {
        /// All events.
        count: i64,
        /// Events a second.
        rate: f64,
    },
    /// Numbers of which only this is kept.
    Distribution {
        /// How many.
        count: i64,
        /// Their sum.
        sum: f64,
        /// The smallest; none of no numbers.
        min: Option<f64>,
        /// The largest; none of no numbers.
        max: Option<f64>,
    },
}

impl MetricValue {
    /// This and what another worker has: counts, sums and rates are added; of gauges the other
    /// counts, as the one that was told last.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let least =
            |one: Option<f64>, other: Option<f64>, pick: fn(f64, f64) -> f64| match (one, other) {
                (Some(one), Some(other)) => Some(pick(one, other)),
                (one, other) => one.or(other),
            };
        match (self, other) {
            (Self::Counter(one), Self::Counter(other)) => Self::Counter(one.saturating_add(other)),
            (
                Self::Meter { count, rate },
                Self::Meter {
                    count: other_count,
                    rate: other_rate,
                },
            ) => Self::Meter {
                count: count.saturating_add(other_count),
                rate: rate + other_rate,
            },
            (
                Self::Distribution {
                    count,
                    sum,
                    min,
                    max,
                },
                Self::Distribution {
                    count: other_count,
                    sum: other_sum,
                    min: other_min,
                    max: other_max,
                },
            ) => Self::Distribution {
                count: count.saturating_add(other_count),
                sum: sum + other_sum,
                min: least(min, other_min, f64::min),
                max: least(max, other_max, f64::max),
            },
            (_, other) => other,
        }
    }
}

impl Display for MetricValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Counter(count) => write!(f, "{count}"),
            Self::Gauge(value) => write!(f, "{value}"),
            Self::Meter { count, rate } => write!(f, "{count} ({rate:.1}/s)"),
            Self::Distribution {
                count,
                sum,
                min,
                max,
            } => {
                write!(f, "count {count}, sum {sum}")?;
                if let (Some(min), Some(max)) = (min, max) {
                    write!(f, ", min {min}, max {max}")?;
                }
                Ok(())
            }
        }
    }
}

impl FunctionMetric {
    /// Its path below the function: `group.key.value.name`, as Flink's identifiers have it.
    #[must_use]
    pub fn path(&self) -> String {
        let mut parts = Vec::with_capacity(self.groups.len() + 1);
        for group in &self.groups {
            parts.push(group.as_str());
            parts.extend(self.variables.get(group).map(String::as_str));
        }
        parts.push(&self.name);
        parts.join(".")
    }
}

/// The metrics of several workers as those of one.
#[must_use]
pub fn merged(workers: impl IntoIterator<Item = Vec<FunctionMetric>>) -> Vec<FunctionMetric> {
    let mut all: BTreeMap<(String, String), FunctionMetric> = BTreeMap::new();
    for metric in workers.into_iter().flatten() {
        let key = (metric.function.clone(), metric.path());
        all.entry(key)
            .and_modify(|known| known.value = known.value.merged(metric.value))
            .or_insert(metric);
    }
    all.into_values().collect()
}

/// A foreign function that a plan calls.
#[derive(Debug, Clone)]
pub enum UsedFunction {
    /// A scalar or a table function.
    Scalar(Arc<UdfSpec>),
    /// An aggregate function.
    Aggregate(Arc<AggregateUdfSpec>),
}

impl UsedFunction {
    /// A job begins that calls it.
    #[must_use]
    pub fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        match self {
            Self::Scalar(spec) => spec.runtime.begin_use(),
            Self::Aggregate(spec) => spec.runtime.begin_use(),
        }
    }

    /// Whether it is the same registration.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(one), Self::Scalar(other)) => Arc::ptr_eq(one, other),
            (Self::Aggregate(one), Self::Aggregate(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, value: MetricValue) -> FunctionMetric {
        FunctionMetric {
            function: "f".to_owned(),
            groups: vec!["words".to_owned(), "lang".to_owned()],
            variables: BTreeMap::from([("lang".to_owned(), "de".to_owned())]),
            name: name.to_owned(),
            value,
        }
    }

    #[test]
    fn a_path_has_groups_keys_and_values() {
        let metric = metric("seen", MetricValue::Counter(1));
        assert_eq!(metric.path(), "words.lang.de.seen");
    }

    #[test]
    fn workers_are_added_up_and_the_last_gauge_counts() {
        let distribution = |count, sum, min, max| MetricValue::Distribution {
            count,
            sum,
            min,
            max,
        };
        let one = vec![
            metric("c", MetricValue::Counter(3)),
            metric("g", MetricValue::Gauge(5.0)),
            metric("d", distribution(2, 5.0, Some(1.0), Some(4.0))),
        ];
        let other = vec![
            metric("c", MetricValue::Counter(-1)),
            metric("g", MetricValue::Gauge(2.0)),
            metric("d", distribution(0, 0.0, None, None)),
        ];
        let texts: Vec<_> = merged([one, other])
            .iter()
            .map(|metric| format!("{}={}", metric.path(), metric.value))
            .collect();
        assert_eq!(
            texts,
            [
                "words.lang.de.c=2",
                "words.lang.de.d=count 2, sum 5, min 1, max 4",
                "words.lang.de.g=2",
            ]
        );
    }
}
