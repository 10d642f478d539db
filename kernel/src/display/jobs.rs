//! The list of jobs: what runs, what has run, and how much it has done.

use std::borrow::Cow;

use tidemill_engine::runtime::{JobHandle, JobStatus, NodeMetrics};

use super::format::{cut, visible};
use super::grid::{Grid, GridColumn};
use super::html::grouped;
use super::status::{RunState, elapsed_text, rate_text};
use crate::mime::MimeBundle;

/// Names of jobs are statements: they are cut at this width.
const MAX_NAME_WIDTH: usize = 60;

/// Metrics of functions are cut at this width: `DESCRIBE JOB` has all of them.
const MAX_METRICS_WIDTH: usize = 100;

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLine {
    /// By which it can be stopped.
    pub id: String,
    /// For people.
    pub name: String,
    /// State.
    pub state: RunState,
    /// Records read by its sources.
    pub records_in: u64,
    /// Changes written to its sinks.
    pub records_out: u64,
    /// Since the start, or from start to end.
    pub elapsed: std::time::Duration,
    /// What its operators remember.
    pub state_bytes: usize,
    /// What its functions measure, and how many rows came too late: name and value.
    pub metrics: Vec<(String, String)>,
}

impl JobLine {
    /// The line of a job, now.
    #[must_use]
    pub fn of(job: &JobHandle) -> Self {
        let metrics = job.metrics();
        Self {
            id: job.id().to_owned(),
            name: job.name().to_owned(),
            state: match job.status() {
                JobStatus::Running => RunState::Running,
                JobStatus::Finished => RunState::Finished,
                JobStatus::Stopped => RunState::Stopped,
                JobStatus::Failed(_) => RunState::Failed,
            },
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            elapsed: metrics.elapsed,
            state_bytes: metrics.state_bytes,
            metrics: metrics
                .functions
                .iter()
                .map(|metric| {
                    let name = format!("{}.{}", metric.function, metric.path());
                    (name, metric.value.to_string())
                })
                .chain(late_records(&metrics.nodes))
                .collect(),
        }
    }

    /// The cells; the last one tells the metrics.
    fn cells(&self) -> Vec<Option<String>> {
        let (sign, word) = self.state.label();
        let seconds = self.elapsed.as_secs_f64();
        // Counts stay far below 2^52.
        let rate = if seconds > 0.0 {
            self.records_in as f64 / seconds
        } else {
            0.0
        };
        [
            self.id.clone(),
            cut(&visible(&readable(&self.name)), MAX_NAME_WIDTH),
            format!("{sign} {word}"),
            grouped(self.records_in),
            grouped(self.records_out),
            rate_text(rate),
            elapsed_text(self.elapsed),
            bytes_text(self.state_bytes),
            self.metrics_text(),
        ]
        .into_iter()
        .map(Some)
        .collect()
    }
}

/// Flink's metric of the operators that have dropped rows.
fn late_records(nodes: &[NodeMetrics]) -> impl Iterator<Item = (String, String)> + '_ {
    let late = nodes.iter().filter(|node| node.late_records > 0);
    late.map(|node| {
        let (operator, _) = node.name.split_once('(').unwrap_or((&node.name, ""));
        let name = format!("{operator}.numLateRecordsDropped");
        (name, node.late_records.to_string())
    })
}

impl JobLine {
    fn metrics_text(&self) -> String {
        let texts: Vec<_> = self
            .metrics
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        cut(&visible(&texts.join(" · ")), MAX_METRICS_WIDTH)
    }
}

/// The name as status lines have it: Flink names the job of an INSERT `insert-into_` and the whole
/// path of the table.
fn readable(name: &str) -> Cow<'_, str> {
    let Some(path) = name.strip_prefix("insert-into_") else {
        return Cow::Borrowed(name);
    };
    let table = path
        .strip_prefix("default_catalog.default_database.")
        .unwrap_or(path);
    Cow::Owned(format!("INSERT INTO {table}"))
}

/// The list in both forms.
#[must_use]
pub fn jobs_bundle(jobs: &[JobLine]) -> MimeBundle {
    if jobs.is_empty() {
        return MimeBundle::plain("no jobs");
    }
    let has_metrics = jobs.iter().any(|job| !job.metrics.is_empty());
    let mut columns = vec![
        ("id", true),
        ("job", false),
        ("state", false),
        ("records in", true),
        ("records out", true),
        ("records/s", true),
        ("elapsed", true),
        ("state size", true),
    ];
    if has_metrics {
        columns.push(("function metrics", false));
    }
    let n_columns = columns.len();
    let grid = Grid {
        columns: columns
            .into_iter()
            .map(|(name, right_aligned)| GridColumn {
                name: name.to_owned(),
                caption: String::new(),
                right_aligned,
            })
            .collect(),
        rows: jobs
            .iter()
            .map(|job| job.cells().into_iter().take(n_columns).collect())
            .collect(),
        ..Grid::default()
    };
    MimeBundle::plain(grid.to_plain()).with_html(grid.to_html())
}

/// `0 B`, `12.3 KiB`, `4.0 MiB`.
fn bytes_text(n_bytes: usize) -> String {
    if n_bytes < 1_024 {
        return format!("{n_bytes} B");
    }
    // Sizes of memory stay far below 2^52.
    let mut size = n_bytes as f64 / 1_024.0;
    for unit in ["KiB", "MiB", "GiB"] {
        if size < 1_024.0 {
            return format!("{size:.1} {unit}");
        }
        size /= 1_024.0;
    }
    format!("{size:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_named_as_in_status_lines() {
        for (name, shown) in [
            (
                "insert-into_default_catalog.default_database.pr1",
                "INSERT INTO pr1",
            ),
            (
                "insert-into_default_catalog.d.t",
                "INSERT INTO default_catalog.d.t",
            ),
            ("collect", "collect"),
        ] {
            assert_eq!(readable(name), shown, "{name}");
        }
    }
}
