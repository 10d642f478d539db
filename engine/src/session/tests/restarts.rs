//! Jobs that fail and begin again, from the beginning or from their newest checkpoint.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
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
    // Who reads the changes of a query has seen them: there is no way back.
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
