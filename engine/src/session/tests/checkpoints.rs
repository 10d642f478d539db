//! Jobs that are saved, stopped and started again from what was saved.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;
use crate::connectors::view::{MaterializedView, ViewOptions};
use crate::runtime::{JobHandle, JobStatus};
use crate::session::ResultContent;

const LONG: Duration = Duration::from_secs(30);

/// A watched folder of csv files as table `t`, and a folder for checkpoints.
struct Setup {
    data: tempfile::TempDir,
    saved: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let setup = Self {
            data: tempfile::tempdir().unwrap(),
            saved: tempfile::tempdir().unwrap(),
        };
        setup.write("a.csv", 0..1_000);
        setup
    }

    fn write(&self, name: &str, numbers: std::ops::Range<i64>) {
        let text: String = numbers.map(|n| format!("{},{n}\n", n % 7)).collect();
        let hidden = self.data.path().join(format!(".{name}"));
        fs::write(&hidden, text).unwrap();
        fs::rename(hidden, self.data.path().join(name)).unwrap();
    }

    fn session(&self, parallelism: usize, config: &[(&str, &str)]) -> Session {
        let session = Session::new(BTreeMap::new());
        let saved = self.saved.path().display().to_string();
        let parallelism = parallelism.to_string();
        for (key, value) in [
            ("parallelism.default", parallelism.as_str()),
            ("state.checkpoints.dir", &saved),
            ("state.savepoints.dir", &saved),
            ("tidemill.worker.min-rows", "1"),
            ("table.exec.mini-batch.size", "37"),
        ]
        .iter()
        .chain(config)
        {
            session.set_config(key, value).unwrap();
        }
        let ddl = format!(
            "CREATE TABLE t (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', \
             'format' = 'csv', 'source.monitor-interval' = '5 ms')",
            self.data.path().display()
        );
        session.execute(&ddl).unwrap();
        let timed = ddl
            .replace("TABLE t", "TABLE timed")
            .replace("n BIGINT)", "n BIGINT, p AS PROCTIME())");
        session.execute(&timed).unwrap();
        session
    }
}

fn view(session: &Session, sql: &str) -> (JobHandle, Arc<MaterializedView>) {
    session
        .query(sql)
        .unwrap()
        .materialize(ViewOptions::default())
        .unwrap()
}

fn rows(view: &MaterializedView) -> Vec<String> {
    let snapshot = view.snapshot(usize::MAX).unwrap();
    let mut rows = crate::data::text::print_rows(&snapshot.rows).unwrap();
    rows.sort();
    rows
}

/// Waits until the job has read so many rows.
fn until_read(job: &JobHandle, n_rows: u64) {
    let deadline = Instant::now() + LONG;
    while job.metrics().records_in < n_rows {
        assert!(
            Instant::now() < deadline,
            "the rows do not come: {:?}",
            job.status()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    // The step that took them ends before the next thing the job does.
    drop(job.checkpoint().unwrap().wait(LONG).unwrap());
}

fn stop_with_savepoint(job: &JobHandle) -> PathBuf {
    let path = job
        .stop_with_savepoint(None, false)
        .unwrap()
        .wait(LONG)
        .unwrap()
        .unwrap();
    assert!(matches!(job.wait(Some(LONG)), JobStatus::Finished));
    path
}

fn restoring(path: &Path) -> [(&'static str, String); 1] {
    [("execution.state-recovery.path", path.display().to_string())]
}

const QUERIES: [&str; 6] = [
    "SELECT k, n FROM t WHERE n > 3",
    "SELECT k, n FROM t ORDER BY n DESC, k LIMIT 5",
    "SELECT k, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS hi, COUNT(DISTINCT n) AS d FROM t GROUP BY k",
    "SELECT c, COUNT(*) AS keys, MIN(s) AS lo FROM \
     (SELECT k, COUNT(*) AS c, SUM(n) AS s FROM t GROUP BY k) GROUP BY c",
    // Matches that are open when the job stops, with what they remember of their rows.
    "SELECT * FROM timed MATCH_RECOGNIZE (PARTITION BY k ORDER BY p MEASURES A.n AS a, \
     LAST(B.n, 1) AS b, SUM(B.n) AS s, AVG(n * 1e0) AS mean, C.n AS c \
     AFTER MATCH SKIP TO FIRST B PATTERN (A B+ C) \
     DEFINE B AS LAST(B.n, 1) IS NULL OR COUNT(B.n) < 5, C AS SUM(B.n) > 3 * A.n)",
    "SELECT * FROM timed MATCH_RECOGNIZE (PARTITION BY k ORDER BY p MEASURES A.n AS a, \
     LISTAGG(CAST(B.n AS STRING)) AS b, C.n AS c AFTER MATCH SKIP TO NEXT ROW \
     PATTERN (A B*? C) WITHIN INTERVAL '1' HOUR DEFINE C AS C.n / 2 >= A.n / 2 + 14)",
];

/// The table is the same as without the stop, on another number of workers too.
#[test]
fn a_savepoint_continues_where_it_was_taken() {
    for sql in QUERIES {
        for (before, after) in [(1, 1), (1, 3), (3, 2)] {
            let setup = Setup::new();
            let (job, first) = view(&setup.session(before, &[]), sql);
            until_read(&job, 1_000);
            let path = stop_with_savepoint(&job);
            let seen = rows(&first);

            let session = setup.session(after, &[]);
            for (key, value) in restoring(&path) {
                session.set_config(key, &value).unwrap();
            }
            let (job, second) = view(&session, sql);
            assert_eq!(rows(&second), seen, "{sql} after the restart");
            setup.write("b.csv", 1_000..1_500);
            until_read(&job, 500);
            let stopped = stop_with_savepoint(&job);
            let found = rows(&second);

            let (job, whole) = view(&setup.session(1, &[]), sql);
            until_read(&job, 1_500);
            job.stop();
            assert_eq!(
                found,
                rows(&whole),
                "{sql} from {before} to {after} workers"
            );
            assert!(stopped.join("manifest.json").is_file());
        }
    }
}

/// Rows that were read but not yet taken by a step are saved with the position.
#[test]
fn a_checkpoint_in_the_middle_of_a_batch_loses_nothing() {
    let setup = Setup::new();
    let session = setup.session(1, &[("tidemill.source.batch-rows", "1000")]);
    let sql = "SELECT k, n FROM t";
    let result = session.query(sql).unwrap().collect().unwrap();
    let ResultContent::Changes(stream) = result.content else {
        panic!("a query gives changes")
    };
    let job = result.job.unwrap();
    let pending = job.stop_with_savepoint(None, false).unwrap();
    let mut seen = Vec::new();
    let path = loop {
        use crate::connectors::collect::ChangeEvent;
        if let ChangeEvent::Delta(delta) = stream.next(Duration::from_millis(5)).unwrap() {
            seen.extend(crate::data::text::print_rows(delta.batch()).unwrap());
        }
        if let Some(path) = pending.wait(Duration::from_millis(1)).unwrap() {
            break path;
        }
    };
    loop {
        use crate::connectors::collect::ChangeEvent;
        match stream.next(LONG).unwrap() {
            ChangeEvent::Delta(delta) => {
                seen.extend(crate::data::text::print_rows(delta.batch()).unwrap());
            }
            _ => break,
        }
    }
    let session = setup.session(2, &[]);
    for (key, value) in restoring(&path) {
        session.set_config(key, &value).unwrap();
    }
    let (job, rest) = view(&session, sql);
    until_read(&job, 1_000 - seen.len() as u64);
    let mut all = rows(&rest);
    all.append(&mut seen);
    all.sort();
    let (job, whole) = view(&setup.session(1, &[]), sql);
    until_read(&job, 1_000);
    assert_eq!(all, rows(&whole));
}

#[test]
fn checkpoints_come_by_themselves_and_old_ones_go() {
    let setup = Setup::new();
    let config = [
        ("execution.checkpointing.interval", "10 ms"),
        ("execution.checkpointing.num-retained", "3"),
    ];
    let (job, _view) = view(&setup.session(2, &config), QUERIES[2]);
    let deadline = Instant::now() + LONG;
    while job.checkpoints().n_completed < 6 {
        assert!(Instant::now() < deadline, "{:?}", job.checkpoints());
        std::thread::sleep(Duration::from_millis(5));
    }
    job.stop();
    let last = job.checkpoints().last.unwrap();
    let folder = last.path.parent().unwrap().to_owned();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(last.n_rows > 0 && last.n_bytes > 0);
    // The folder of the job stands for its newest checkpoint.
    let session = setup.session(1, &[]);
    for (key, value) in restoring(&folder) {
        session.set_config(key, &value).unwrap();
    }
    let (job, _view) = view(&session, QUERIES[2]);
    let restored = job.checkpoints().restored.unwrap();
    assert_eq!(restored, format!("restored from '{}'", last.path.display()));
}

/// What is not complete in time is given up, and the job goes on if it may.
#[test]
fn checkpoints_that_take_too_long_come_to_nothing() {
    let setup = Setup::new();
    let config = [
        ("execution.checkpointing.interval", "10 ms"),
        ("execution.checkpointing.timeout", "0 ms"),
        (
            "execution.checkpointing.tolerable-failed-checkpoints",
            "1000",
        ),
    ];
    let (job, _view) = view(&setup.session(1, &config), QUERIES[2]);
    let deadline = Instant::now() + LONG;
    while job.checkpoints().n_failed < 3 {
        assert!(Instant::now() < deadline, "{:?}", job.checkpoints());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(job.status(), JobStatus::Running));
    job.stop();
    let stats = job.checkpoints();
    assert_eq!(stats.n_completed, 0);
    let failure = stats.last_failure.unwrap();
    assert!(
        failure.contains("not complete after 0 ms ('execution.checkpointing.timeout')"),
        "{failure}"
    );
}

fn failure(setup: &Setup, path: &Path, sql: &str) -> String {
    let session = setup.session(1, &[]);
    for (key, value) in restoring(path) {
        session.set_config(key, &value).unwrap();
    }
    let query = session.query(sql).unwrap();
    let error = query.materialize(ViewOptions::default()).unwrap_err();
    error
        .to_string()
        .replace(&path.display().to_string(), "PATH")
}

/// What is not whole is refused, and nothing else is used in its place.
#[test]
fn damaged_checkpoints_are_refused() {
    let setup = Setup::new();
    let sql = QUERIES[2];
    let (job, _view) = view(&setup.session(1, &[]), sql);
    until_read(&job, 1_000);
    let path = stop_with_savepoint(&job);
    let missing = setup.saved.path().join("nothing");
    assert_eq!(
        failure(&setup, &missing, sql),
        "no checkpoint to start from at 'PATH': there is no such folder"
    );
    let file = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "arrow"))
        .unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(
        failure(&setup, &path, sql),
        format!(
            "the checkpoint 'PATH' is damaged: '{name}' does not have the bytes that were written; \
             name an older one to start from that"
        )
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(
        failure(&setup, &path, sql),
        format!(
            "the checkpoint 'PATH' is damaged: '{name}' is missing; name an older one to start \
             from that"
        )
    );
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"step\"", "\"stop\"")).unwrap();
    assert_eq!(
        failure(&setup, &path, sql),
        "the checkpoint 'PATH' is damaged: its manifest is not what was written; name an older one \
         to start from that"
    );
    let unfinished = setup.saved.path().join("chk-1.tmp");
    fs::create_dir(&unfinished).unwrap();
    assert_eq!(
        failure(&setup, &unfinished, sql),
        "no checkpoint to start from at 'PATH': it was not written to its end"
    );
}

/// A changed query takes the state that is still its own, and says what it leaves.
#[test]
fn state_without_a_place_is_named() {
    let setup = Setup::new();
    let (job, _view) = view(&setup.session(1, &[]), QUERIES[3]);
    until_read(&job, 1_000);
    let path = stop_with_savepoint(&job);
    let inner = "SELECT k, COUNT(*) AS c, SUM(n) AS s FROM t GROUP BY k";
    let message = failure(&setup, &path, inner);
    assert!(
        message.starts_with(
            "the checkpoint 'PATH' has state that this job does not have a place for: \
             GroupAggregate(groupBy=[c]"
        ) && message.ends_with(
            "set 'execution.state-recovery.ignore-unclaimed-state' = 'true' to leave it behind"
        ),
        "{message}"
    );
    let session = setup.session(1, &[]);
    for (key, value) in restoring(&path) {
        session.set_config(key, &value).unwrap();
    }
    session
        .set_config("execution.state-recovery.ignore-unclaimed-state", "true")
        .unwrap();
    let (job, _view) = view(&session, inner);
    let restored = job.checkpoints().restored.unwrap();
    assert!(
        restored.contains("; left behind the state of GroupAggregate(groupBy=[c]"),
        "{restored}"
    );
}

#[test]
fn stop_job_with_savepoint_gives_its_path() {
    let setup = Setup::new();
    let session = setup.session(1, &[]);
    let (job, _view) = view(&session, QUERIES[2]);
    let wrong = session.execute(&format!("STOP JOB '{}' WITH DRAIN", job.id()));
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "WITH DRAIN goes with WITH SAVEPOINT only"
    );
    let result = session
        .execute(&format!("STOP JOB '{}' WITH SAVEPOINT", job.id()))
        .unwrap();
    let ResultContent::Rows(batches) = result.content else {
        panic!("a path")
    };
    let path = crate::data::text::print_rows(&batches[0])
        .unwrap()
        .remove(0);
    assert!(path.contains("savepoint-"), "{path}");
    assert!(matches!(job.status(), JobStatus::Finished));
    assert_eq!(
        job.savepoint(None).unwrap_err().to_string(),
        format!("job '{}' has ended; there is nothing to save", job.name())
    );
}
