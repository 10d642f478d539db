//! Jobs that fail and begin again, from the beginning or from their newest checkpoint.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int32Type;

use super::*;
use crate::connectors::view::ViewOptions;
use crate::error::{EngineError, Result};
use crate::functions::udf::{UdfRuntime, UdfSpec};
use crate::runtime::{JobHandle, JobStatus};

const LONG: Duration = Duration::from_secs(30);

fn session(data: &Path, output: &Path, watched: bool, config: &[(&str, &str)]) -> Session {
    let session = Session::new(BTreeMap::new());
    for (key, value) in config {
        session.set_config(key, value).unwrap();
    }
    let watch = match watched {
        true => ", 'source.monitor-interval' = '5 ms'",
        false => "",
    };
    for (name, folder, more) in [("t", data, watch), ("s", output, "")] {
        let ddl = format!(
            "CREATE TABLE {name} (n INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' \
             = 'csv'{more})",
            folder.display()
        );
        session.execute(&ddl).unwrap();
    }
    session
}

/// The job of `INSERT INTO s SELECT n FROM t`.
fn started(session: &Session) -> JobHandle {
    session.execute("INSERT INTO s SELECT n FROM t").unwrap();
    session.jobs().pop().unwrap()
}

/// Puts a whole file there at once.
fn write(folder: &Path, name: &str, text: &str) {
    let hidden = folder.join(format!(".{name}"));
    fs::write(&hidden, text).unwrap();
    fs::rename(hidden, folder.join(name)).unwrap();
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All numbers in the visible files of a folder, sorted.
fn numbers(folder: &Path) -> Vec<i64> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let visible = files.filter(|file| !file.file_name().to_string_lossy().starts_with('.'));
    let mut numbers: Vec<i64> = visible
        .flat_map(|file| {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            text.lines().map(|n| n.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_job_begins_again_until_it_succeeds() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(data.path(), "a.csv", "1\nx\n");
    let session = session(
        data.path(),
        output.path(),
        false,
        &[
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "1000"),
            ("restart-strategy.fixed-delay.delay", "5 ms"),
        ],
    );
    let job = started(&session);
    until("two restarts", || job.restarts().n_restarts >= 2);
    assert!(matches!(job.status(), JobStatus::Running));
    let described = run(&session, &format!("DESCRIBE JOB '{}'", job.id()));
    assert!(
        described.contains("+I restart strategy | fixed-delay"),
        "{described}"
    );
    assert!(described.contains("+I earlier failure | "), "{described}");
    write(data.path(), "a.csv", "1\n2\n");
    assert!(matches!(job.wait(Some(LONG)), JobStatus::Finished));
    assert_eq!(numbers(output.path()), [1, 2]);
}

#[test]
fn attempts_come_to_an_end() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(data.path(), "a.csv", "x\n");
    let config = [
        ("restart-strategy.type", "fixed-delay"),
        ("restart-strategy.fixed-delay.attempts", "3"),
        ("restart-strategy.fixed-delay.delay", "1 ms"),
    ];
    let session = session(data.path(), output.path(), false, &config);
    let job = started(&session);
    let JobStatus::Failed(error) = job.wait(Some(LONG)) else {
        panic!("the job has not failed");
    };
    assert!(error.to_string().contains("'x'"), "{error}");
    let restarts = job.restarts();
    assert_eq!((restarts.n_restarts, restarts.failures.len()), (3, 3));
    assert!(numbers(output.path()).is_empty());
    // As any other job, one with a reader begins again and again, and then tells.
    let error = run(&session, "SELECT * FROM t");
    assert!(error.contains("'x'"), "{error}");
}

#[test]
fn a_job_that_waits_can_be_stopped() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(data.path(), "a.csv", "x\n");
    let config = [
        ("restart-strategy.type", "fixed-delay"),
        ("restart-strategy.fixed-delay.delay", "1 h"),
    ];
    let session = session(data.path(), output.path(), false, &config);
    let job = started(&session);
    until("the job waits", || job.restarts().is_waiting);
    assert!(run(&session, "SHOW JOBS").contains("RESTARTING"));
    job.stop();
    assert!(matches!(job.status(), JobStatus::Stopped));
    assert!(job.savepoint(None).is_err());
}

/// With checkpoints the default is to begin again, and every row is written once.
#[test]
fn a_checkpointed_job_goes_on_from_its_newest_checkpoint() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let saved = tempfile::tempdir().unwrap();
    let saved = saved.path().display().to_string();
    write(data.path(), "a.csv", "1\n2\n3\n");
    let config = [
        ("execution.checkpointing.interval", "5 ms"),
        ("execution.checkpointing.dir", saved.as_str()),
        ("execution.checkpointing.savepoint-dir", saved.as_str()),
        ("restart-strategy.exponential-delay.initial-backoff", "1 ms"),
        ("restart-strategy.exponential-delay.max-backoff", "5 ms"),
    ];
    let session = session(data.path(), output.path(), true, &config);
    let job = started(&session);
    assert_eq!(job.restarts().strategy, "exponential-delay");
    until("the first file is committed", || {
        job.metrics().records_in >= 3 && numbers(output.path()) == [1, 2, 3]
    });
    write(data.path(), "b.csv", "4\nx\n");
    until("a restart", || job.restarts().n_restarts >= 1);
    write(data.path(), "b.csv", "4\n5\n");
    until("the second file is committed", || {
        numbers(output.path()) == [1, 2, 3, 4, 5]
    });
    assert!(job.checkpoints().restored.is_some());
    let pending = job.stop_with_savepoint(None, false).unwrap();
    assert!(pending.wait(LONG).unwrap().is_some());
    assert_eq!(numbers(output.path()), [1, 2, 3, 4, 5]);
}

/// Fails when it sees the number 3 for the first so many times.
#[derive(Debug)]
struct FailsAtThree {
    n_failures: AtomicUsize,
    /// What it adds after it has failed: its results are other ones then.
    drift: i32,
}

impl UdfRuntime for FailsAtThree {
    fn call(&self, arguments: &[ArrayRef], _n_rows: usize) -> Result<ArrayRef> {
        let numbers = arguments[0].as_primitive::<Int32Type>();
        let is_there = numbers.iter().any(|number| number == Some(3));
        let left = self.n_failures.load(Ordering::Acquire);
        if is_there && left > 0 {
            self.n_failures.store(left - 1, Ordering::Release);
            return Err(EngineError::Function {
                function: "shaky".to_owned(),
                message: "not today".to_owned(),
            });
        }
        let drift = if left == 0 { self.drift } else { 0 };
        Ok(Arc::new(
            numbers.unary::<_, Int32Type>(|number| number + drift),
        ))
    }
}

/// A session whose function `shaky` fails at the third of five rows, which come one by one.
fn shaky(data: &Path, n_failures: usize, drift: i32, config: &[(&str, &str)]) -> Session {
    write(data, "a.csv", "1\n2\n3\n4\n5\n");
    let mut all = vec![
        ("parallelism.default", "1"),
        ("tidemill.source.batch-rows", "1"),
        ("tidemill.step.wave-rows", "1"),
        ("table.exec.mini-batch.size", "1"),
    ];
    all.extend(config);
    let session = session(data, data, false, &all);
    let field = Arc::new(Field::new("value", DataType::Int32, true));
    let spec = UdfSpec {
        name: "shaky".to_owned(),
        arguments: Some(vec![Arc::clone(&field)]),
        result: field,
        deterministic: true,
        runtime: Arc::new(FailsAtThree {
            n_failures: AtomicUsize::new(n_failures),
            drift,
        }),
    };
    session.register_function(spec, true).unwrap();
    session
}

const AGAIN: [(&str, &str); 3] = [
    ("restart-strategy.type", "fixed-delay"),
    ("restart-strategy.fixed-delay.attempts", "5"),
    ("restart-strategy.fixed-delay.delay", "1 ms"),
];

#[test]
fn a_reader_of_changes_gets_every_row_once() {
    for query in [
        "SELECT shaky(n) AS n FROM t",
        "SELECT shaky(n) AS n, COUNT(*) AS c FROM t GROUP BY n",
    ] {
        let data = tempfile::tempdir().unwrap();
        let session = shaky(data.path(), 2, 0, &AGAIN);
        let given = run(&session, query);
        let numbers: Vec<&str> = given
            .lines()
            .filter_map(|row| row.strip_prefix("+I ")?.split(' ').next())
            .collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5"], "{given}");
    }
}

#[test]
fn rows_that_come_differently_cannot_be_taken_back() {
    let data = tempfile::tempdir().unwrap();
    let session = shaky(data.path(), 1, 10, &AGAIN);
    let given = run(&session, "SELECT shaky(n) AS n FROM t");
    assert!(given.contains("they come differently now"), "{given}");
    // It is not tried again.
    let data = tempfile::tempdir().unwrap();
    let session = shaky(data.path(), 9, 0, &AGAIN);
    let given = run(&session, "SELECT shaky(n) AS n FROM t");
    assert!(given.contains("not today"), "{given}");
}

#[test]
fn who_waits_for_a_result_hears_of_a_mistake_at_once() {
    let data = tempfile::tempdir().unwrap();
    let saved = tempfile::tempdir().unwrap();
    let saved = saved.path().display().to_string();
    let config = [
        ("execution.checkpointing.interval", "5 ms"),
        ("execution.checkpointing.dir", saved.as_str()),
    ];
    let session = shaky(data.path(), usize::MAX, 0, &config);
    let given = run(&session, "SELECT shaky(n) AS n FROM t");
    assert!(given.contains("not today"), "{given}");
}

#[test]
fn a_live_view_begins_anew() {
    let data = tempfile::tempdir().unwrap();
    let session = shaky(data.path(), 2, 0, &AGAIN);
    for (query, n_rows) in [
        ("SELECT shaky(n) AS n FROM t", 5),
        ("SELECT COUNT(shaky(n)) AS c FROM t", 1),
    ] {
        let (job, view) = session
            .query(query)
            .unwrap()
            .materialize(ViewOptions::default())
            .unwrap();
        let status = job.wait(Some(LONG));
        assert!(matches!(status, JobStatus::Finished), "{status:?}");
        let snapshot = view.snapshot(100).unwrap();
        assert_eq!(snapshot.n_rows, n_rows, "{query}");
        assert_eq!(snapshot.rows.num_rows() as u64, n_rows, "{query}");
    }
}

/// With a checkpoint between the rows that were seen and those that were not.
#[test]
fn readers_and_views_go_on_from_a_checkpoint() {
    for has_view in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let saved = tempfile::tempdir().unwrap();
        let saved = saved.path().display().to_string();
        let mut config = AGAIN.to_vec();
        config.extend([
            ("execution.checkpointing.interval", "1 ms"),
            ("execution.checkpointing.dir", saved.as_str()),
        ]);
        let session = shaky(data.path(), 1, 0, &config);
        let folder = data.path().join("watched");
        fs::create_dir(&folder).unwrap();
        write(&folder, "a.csv", "1\n2\n");
        session
            .execute(&format!(
                "CREATE TABLE w (n INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = \
                 'csv', 'source.monitor-interval' = '2 ms')",
                folder.display()
            ))
            .unwrap();
        let query = session.query("SELECT shaky(n) AS n FROM w").unwrap();
        let mut seen: Vec<i32> = Vec::new();
        let saw = |rows: &RecordBatch| -> Vec<i32> {
            rows.column(0).as_primitive::<Int32Type>().values().to_vec()
        };
        let fill = || write(&folder, "b.csv", "3\n4\n");
        let saved_twice = |job: &JobHandle| {
            let done = job.checkpoints().n_completed;
            until("a checkpoint behind the rows", || {
                job.checkpoints().n_completed > done + 1
            });
        };
        let job = if has_view {
            let (job, view) = query.materialize(ViewOptions::default()).unwrap();
            until("two rows", || view.snapshot(9).unwrap().n_rows == 2);
            saved_twice(&job);
            fill();
            until("four rows", || view.snapshot(9).unwrap().n_rows == 4);
            seen.extend(saw(&view.snapshot(9).unwrap().rows));
            job
        } else {
            let result = query.collect().unwrap();
            let job = result.job.clone().unwrap();
            let ResultContent::Changes(stream) = result.content else {
                panic!("a query gives changes");
            };
            let mut is_filled = false;
            while seen.len() < 4 {
                match stream.next(LONG).unwrap() {
                    ChangeEvent::Delta(delta) => seen.extend(saw(delta.batch())),
                    other => panic!("not in time: {other:?}"),
                }
                if seen.len() == 2 && !is_filled {
                    is_filled = true;
                    saved_twice(&job);
                    fill();
                }
            }
            assert!(matches!(
                stream.next(Duration::from_millis(50)),
                Ok(ChangeEvent::Timeout)
            ));
            job
        };
        assert_eq!(seen, [1, 2, 3, 4]);
        assert_eq!(job.restarts().n_restarts, 1);
        assert!(job.checkpoints().restored.is_some());
        job.stop();
    }
}
