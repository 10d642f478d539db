//! What a checkpoint costs: the state of a GROUP BY with many groups, saved and restored.
//!
//! `cargo run --release -p tidemill-tests --example checkpoint [groups [workers]]`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tidemill_engine::connectors::view::ViewOptions;
use tidemill_engine::runtime::JobHandle;
use tidemill_engine::session::Session;
use tidemill_tests::oracle::TestResult;

const WAIT: Duration = Duration::from_secs(600);

fn main() -> TestResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |place: usize, default: u64| -> TestResult<u64> {
        Ok(match arguments.get(place) {
            Some(text) => text.parse()?,
            None => default,
        })
    };
    let (n_groups, n_workers) = (number(1, 1_000_000)?, number(2, 2)?);
    let folder = tempfile::tempdir()?;
    println!("{n_groups} groups (BIGINT key; COUNT, SUM, MAX), {n_workers} workers");

    let session = session(folder.path(), n_groups, n_workers, None)?;
    let job = start(&session, n_groups)?;
    let metrics = job.metrics();
    println!(
        "state in memory   {:8.1} MB of operators",
        megabytes(
            metrics
                .nodes
                .iter()
                .filter(|node| node.name.starts_with("Group"))
                .map(|node| node.state_bytes as u64)
                .sum()
        )
    );
    for round in ["first checkpoint", "second checkpoint"] {
        job.checkpoint()?.wait(WAIT)?;
        let last = job.checkpoints().last.ok_or("no checkpoint")?;
        println!(
            "{round:<17} {:8.1} MB, {} rows; pause {:.0} ms, total {:.0} ms",
            megabytes(last.n_bytes),
            last.n_rows,
            milliseconds(last.pause),
            milliseconds(last.elapsed)
        );
    }
    let path = job
        .stop_with_savepoint(Some(folder.path().join("savepoints")), false)?
        .wait(WAIT)?
        .ok_or("the savepoint takes too long")?;
    drop(session);

    for n_workers in [n_workers, n_workers + 1] {
        let session = self::session(folder.path(), n_groups, n_workers, Some(&path))?;
        let started = Instant::now();
        let (job, _view) = session.query(SQL)?.materialize(ViewOptions::default())?;
        println!(
            "restore           {n_workers} workers: {:.0} ms until the job runs",
            milliseconds(started.elapsed())
        );
        job.stop();
    }
    Ok(())
}

/// Few groups are shown, so that the figures are those of the operator; a filter on the key would be
/// carried out before it.
const SQL: &str = "SELECT * FROM (SELECT n, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS m FROM t \
                   GROUP BY n) WHERE c > 1";

fn session(
    folder: &Path,
    n_groups: u64,
    n_workers: u64,
    restore_from: Option<&Path>,
) -> TestResult<Session> {
    let mut config = BTreeMap::from([
        ("parallelism.default".to_owned(), n_workers.to_string()),
        (
            "execution.checkpointing.dir".to_owned(),
            folder.join("checkpoints").display().to_string(),
        ),
    ]);
    if let Some(path) = restore_from {
        let key = "execution.state-recovery.path".to_owned();
        config.insert(key, path.display().to_string());
    }
    let session = Session::new(config);
    // One more than there are groups, and no end: the job waits for it.
    session.execute(&format!(
        "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', \
         'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '{}', \
         'rows-per-second' = '100000000')",
        n_groups - 1
    ))?;
    session.execute(
        "CREATE TABLE clock (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'random', \
         'fields.n.min' = '0', 'fields.n.max' = '0', 'rows-per-second' = '1')",
    )?;
    session.create_temporary_view("t", "SELECT n FROM numbers UNION ALL SELECT n FROM clock")?;
    Ok(session)
}

fn start(session: &Session, n_groups: u64) -> TestResult<JobHandle> {
    let started = Instant::now();
    let (job, _view) = session.query(SQL)?.materialize(ViewOptions::default())?;
    while job.metrics().records_in < n_groups {
        if job.status().is_terminal() {
            return Err(format!("{:?}", job.status()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    println!(
        "filled in         {:8.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(job)
}

fn megabytes(n_bytes: u64) -> f64 {
    n_bytes as f64 / 1e6
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
