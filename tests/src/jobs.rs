//! Queries as jobs: run to their end, or stopped in the middle and taken up elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::connectors::view::ViewOptions;
use tidemill_engine::runtime::{JobStatus, NodeMetrics};
use tidemill_engine::session::{Query, ResultContent, Session, TableResult};

use crate::oracle::{Bag, TestResult, bag_of, fold};

const LONG: Duration = Duration::from_secs(60);

/// The settings of a session: so many workers, waves of so many rows, few of which are enough for
/// another worker, and three of which are a step where the job gains by long ones.
#[must_use]
pub fn config(n_workers: usize, wave_rows: usize) -> BTreeMap<String, String> {
    [
        ("parallelism.default", n_workers.to_string()),
        ("table.exec.mini-batch.size", (3 * wave_rows).to_string()),
        ("tidemill.step.wave-rows", wave_rows.to_string()),
        ("table.local-time-zone", "UTC".to_owned()),
        ("tidemill.worker.min-rows", "1".to_owned()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The changelog of the query, folded.
///
/// # Errors
/// If the job fails or hangs, or takes back what was not there.
pub fn collected(query: &Query) -> TestResult<Bag> {
    collected_onto(Bag::new(), query)
}

/// As [`collected`], on top of what came before.
///
/// # Errors
/// As [`collected`].
pub fn collected_onto(bag: Bag, query: &Query) -> TestResult<Bag> {
    folded(bag, &query.collect()?)
}

/// What a result brings until its end, on top of what came before.
///
/// # Errors
/// As [`collected`].
pub fn folded(mut bag: Bag, result: &TableResult) -> TestResult<Bag> {
    let ResultContent::Changes(stream) = &result.content else {
        return Err("a query gives changes".into());
    };
    loop {
        match stream.next(LONG)? {
            ChangeEvent::Delta(delta) => fold(&mut bag, &delta)?,
            ChangeEvent::End => return Ok(bag),
            ChangeEvent::Timeout => return Err("the job hangs".into()),
        }
    }
}

/// The table that a live view of the query has at the end.
///
/// # Errors
/// If the job does not finish, or the view has lost count.
pub fn viewed(query: &Query) -> TestResult<Bag> {
    let (job, view) = query.materialize(ViewOptions::default())?;
    let status = job.wait(Some(LONG));
    if !matches!(status, JobStatus::Finished) {
        return Err(format!("the job is {status:?}").into());
    }
    let snapshot = view.snapshot(usize::MAX)?;
    if snapshot.rows.num_rows() as u64 != snapshot.n_rows {
        return Err("a view does not count its rows right".into());
    }
    bag_of([&snapshot.rows])
}

/// A query that was stopped in the middle, once as a log and once as a view.
#[derive(Debug)]
pub struct Interrupted {
    /// What its log had brought.
    pub bag: Bag,
    /// The savepoint of the log.
    pub of_log: PathBuf,
    /// The savepoint of the view.
    pub of_view: PathBuf,
}

/// Stops a query with a savepoint when its tables have paused, or somewhere before; each of them has
/// given so many rows by then.
///
/// # Errors
/// If a savepoint comes to nothing.
pub fn interrupted(query: &Query, n_rows: u64, folder: &Path) -> TestResult<Interrupted> {
    let mut result = query.collect()?;
    let collecting = result.job.take().ok_or("a query is a job")?;
    let (viewing, _view) = query.materialize(ViewOptions::default())?;
    let mut folders = Vec::new();
    for job in [&collecting, &viewing] {
        let has_begun = |node: &NodeMetrics| {
            !node.name.starts_with("TableSourceScan") || node.records_out >= n_rows
        };
        while !job.metrics().nodes.iter().all(has_begun) {
            if !matches!(job.status(), JobStatus::Running) {
                return Err(format!("the job is {:?}", job.status()).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        // A savepoint before the last one takes time, in which rows come.
        let earlier = job.savepoint(Some(folder.to_owned()))?;
        earlier.wait(LONG)?.ok_or("a savepoint takes too long")?;
        let last = job.stop_with_savepoint(Some(folder.to_owned()), false)?;
        folders.push(last.wait(LONG)?.ok_or("a savepoint takes too long")?);
    }
    let bag = folded(Bag::new(), &result)?;
    let [of_log, of_view] = <[PathBuf; 2]>::try_from(folders).map_err(|_| "two savepoints")?;
    Ok(Interrupted {
        bag,
        of_log,
        of_view,
    })
}

/// The query, to go on from a savepoint in this session.
///
/// # Errors
/// If the query is refused.
pub fn resumed(session: &Session, sql: &str, savepoint: &Path) -> TestResult<Query> {
    let savepoint = savepoint.display().to_string();
    session.set_config("execution.state-recovery.path", &savepoint)?;
    Ok(session.query(sql)?)
}

/// A folder in memory, if the system has such: disks take long to say that they have written.
///
/// # Errors
/// If no folder can be made.
pub fn folder_in_memory() -> TestResult<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(match memory.is_dir() {
        true => tempfile::tempdir_in(memory)?,
        false => tempfile::tempdir()?,
    })
}
