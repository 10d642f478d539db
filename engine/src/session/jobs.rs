//! Statements about jobs: SHOW JOBS, DESCRIBE JOB, STOP JOB.

use std::path::PathBuf;
use std::time::Duration;

use super::{Session, TableResult};
use crate::catalog::show;
use crate::error::Result;
use crate::runtime::{self, CheckpointOptions, JobHandle, JobStatus};
use crate::sql::diagnostics::validation;
use crate::state::memory::size;

/// Savepoints are waited for in pieces, so that a debugger sees what is waited for.
const WAIT: Duration = Duration::from_secs(1);

/// SHOW JOBS.
pub(super) fn show_jobs() -> Result<TableResult> {
    let names = [
        "job id",
        "job name",
        "status",
        "duration",
        "state",
        "last checkpoint",
    ];
    let mut columns = vec![Vec::new(); names.len()];
    for job in runtime::jobs() {
        let metrics = job.metrics();
        let last = job.checkpoints().last;
        let row = [
            Some(job.id().to_owned()),
            Some(job.name().to_owned()),
            Some(status(&job).to_owned()),
            Some(format!("{:.1} s", metrics.elapsed.as_secs_f64())),
            Some(size(metrics.state_bytes)),
            last.map(|last| last.path.display().to_string()),
        ];
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    TableResult::rows(show::text_table(&names, &columns)?)
}

/// DESCRIBE JOB: what SHOW JOBS says and more, one property a row.
pub(super) fn describe_job(id: &str) -> Result<TableResult> {
    let job = find_job(id)?;
    let metrics = job.metrics();
    let checkpoints = job.checkpoints();
    let mut rows = vec![
        ("job id".to_owned(), Some(job.id().to_owned())),
        ("job name".to_owned(), Some(job.name().to_owned())),
        ("status".to_owned(), Some(status(&job).to_owned())),
        (
            "records in".to_owned(),
            Some(metrics.records_in.to_string()),
        ),
        (
            "records out".to_owned(),
            Some(metrics.records_out.to_string()),
        ),
        ("state".to_owned(), Some(size(metrics.state_bytes))),
    ];
    let restarts = job.restarts();
    rows.push((
        "restart strategy".to_owned(),
        Some(restarts.strategy.to_owned()),
    ));
    rows.push(("restarts".to_owned(), Some(restarts.n_restarts.to_string())));
    for failure in restarts.failures {
        rows.push(("earlier failure".to_owned(), Some(failure)));
    }
    if let JobStatus::Failed(error) = job.status() {
        rows.push(("failure".to_owned(), Some(error.to_string())));
    }
    rows.extend(
        checkpoints
            .restored
            .map(|text| ("restored".to_owned(), Some(text))),
    );
    rows.push((
        "checkpoints".to_owned(),
        Some(format!(
            "{} completed, {} failed",
            checkpoints.n_completed, checkpoints.n_failed
        )),
    ));
    if let Some(last) = checkpoints.last {
        let text = format!(
            "'{}': {} rows, {}, job paused for {:.1} ms, {:.1} ms in all",
            last.path.display(),
            last.n_rows,
            size(usize::try_from(last.n_bytes).unwrap_or(usize::MAX)),
            last.pause.as_secs_f64() * 1e3,
            last.elapsed.as_secs_f64() * 1e3,
        );
        rows.push(("last checkpoint".to_owned(), Some(text)));
    }
    rows.extend(
        checkpoints
            .last_failure
            .map(|text| ("last failed checkpoint".to_owned(), Some(text))),
    );
    for node in metrics.nodes.iter().filter(|node| node.state_bytes > 0) {
        rows.push((
            format!("state of {}", node.name),
            Some(size(node.state_bytes)),
        ));
    }
    for metric in &metrics.functions {
        rows.push((
            format!("{}.{}", metric.function, metric.path()),
            Some(metric.value.to_string()),
        ));
    }
    let (names, values): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(name, value)| (Some(name), value))
        .unzip();
    TableResult::rows(show::text_table(
        &["info name", "info value"],
        &[names, values],
    )?)
}

/// STOP JOB.
pub(super) fn stop_job(
    session: &Session,
    id: &str,
    with_savepoint: bool,
    with_drain: bool,
) -> Result<TableResult> {
    let job = find_job(id)?;
    if !with_savepoint {
        if with_drain {
            return Err(validation(
                "WITH DRAIN goes with WITH SAVEPOINT only".to_owned(),
            ));
        }
        job.stop();
        return TableResult::ok();
    }
    let options = CheckpointOptions::of_config(|key| session.config(key))?;
    let pending = job.stop_with_savepoint(options.savepoint_folder, with_drain)?;
    let path: PathBuf = loop {
        if let Some(path) = pending.wait(WAIT)? {
            break path;
        }
    };
    job.wait(None);
    TableResult::texts("savepoint path", vec![path.display().to_string()])
}

fn status(job: &JobHandle) -> &'static str {
    match job.status() {
        JobStatus::Running if job.restarts().is_waiting => "RESTARTING",
        JobStatus::Running => "RUNNING",
        JobStatus::Finished => "FINISHED",
        JobStatus::Stopped => "CANCELED",
        JobStatus::Failed(_) => "FAILED",
    }
}

fn find_job(id: &str) -> Result<JobHandle> {
    let jobs = runtime::jobs();
    let known: Vec<_> = jobs.iter().map(|job| job.id().to_owned()).collect();
    jobs.into_iter().find(|job| job.id() == id).ok_or_else(|| {
        validation(format!(
            "there is no job '{id}'; the jobs are: {}",
            known.join(", ")
        ))
    })
}
