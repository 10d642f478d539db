//! A process that is killed without warning, and another one that goes on from its last checkpoint:
//! the tables that it writes are those of a process that nobody has killed.
//!
//! The test starts itself again as the process to be killed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tidemill_engine::session::Session;

/// Where the child works; without it the child's test has nothing to do.
const FOLDER: &str = "TIDEMILL_TEST_FOLDER";
const PARALLELISM: &str = "TIDEMILL_TEST_PARALLELISM";

const LONG: Duration = Duration::from_secs(60);

/// A watched folder into a table of sums, as one file, and into a folder of files.
const SCRIPT: &str = "
CREATE TABLE t (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/in',
  'format' = 'csv', 'source.monitor-interval' = '5 ms');
CREATE TABLE sums (k BIGINT, c BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
  'connector' = 'snapshot', 'path' = '{folder}/sums.csv', 'format' = 'csv',
  'snapshot.interval' = '10 ms');
CREATE TABLE copy (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/out',
  'format' = 'csv');
EXECUTE STATEMENT SET BEGIN
  INSERT INTO sums SELECT k, COUNT(*), SUM(n) FROM t GROUP BY k;
  INSERT INTO copy SELECT k, n FROM t WHERE n >= 0;
END;
";

/// The process that is killed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let checkpoints = format!("{folder}/checkpoints");
    let parallelism = std::env::var(PARALLELISM).unwrap();
    let mut config = BTreeMap::from([
        ("parallelism.default", parallelism.as_str()),
        ("execution.checkpointing.interval", "30 ms"),
        ("execution.checkpointing.dir", &checkpoints),
        ("table.exec.mini-batch.size", "100"),
        ("tidemill.worker.min-rows", "1"),
    ]);
    let newest = newest_job(Path::new(&checkpoints)).map(|path| path.display().to_string());
    if let Some(newest) = &newest {
        config.insert("execution.state-recovery.path", newest);
    }
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let session = Session::new(config.into_iter().map(owned).collect());
    let script = SCRIPT.replace("{folder}", &folder);
    for statement in session.parse_script(&script).unwrap() {
        let result = session.execute_statement(&statement).unwrap();
        if let Some(job) = result.job {
            job.wait(Some(2 * LONG));
        }
    }
}

/// The folder of the job that has written the newest checkpoint.
fn newest_job(checkpoints: &Path) -> Option<PathBuf> {
    let jobs = fs::read_dir(checkpoints).ok()?;
    let jobs = jobs.filter_map(|job| Some(job.ok()?.path()));
    jobs.filter_map(|job| Some((newest_checkpoint(&job)?, job)))
        .max()
        .map(|(_, job)| job)
}

fn newest_checkpoint(job: &Path) -> Option<u64> {
    let names = fs::read_dir(job).ok()?;
    names
        .filter_map(|name| {
            let name = name.ok()?.file_name();
            name.to_str()?.strip_prefix("chk-")?.parse().ok()
        })
        .max()
}

fn start(folder: &Path, parallelism: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env(PARALLELISM, parallelism.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn write(folder: &Path, name: &str, numbers: Range<i64>) {
    let text: String = numbers.map(|n| format!("{},{n}\n", n % 13)).collect();
    let hidden = folder.join(format!(".{name}"));
    fs::write(&hidden, text).unwrap();
    fs::rename(hidden, folder.join(name)).unwrap();
}

/// The lines of all visible files, sorted.
fn lines(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            let text = fs::read_to_string(&path).unwrap();
            lines.extend(text.lines().map(ToOwned::to_owned));
        }
    }
    lines.sort();
    lines
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_process_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    let mut n_rows = 0;
    for (round, parallelism) in [1, 3, 2].into_iter().enumerate() {
        write(&input, &format!("{round}.csv"), n_rows..n_rows + 3_000);
        n_rows += 3_000;
        let mut process = start(folder, parallelism);
        // Killed while rows come: some are in a checkpoint, some are not.
        let n_wanted = (n_rows - 2_000) as usize;
        until("the beginning", || lines(&output).len() >= n_wanted);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(newest_job(&folder.join("checkpoints")).is_some());
    }
    let mut process = start(folder, 2);
    let all: Vec<i64> = (0..n_rows).collect();
    until("the end", || lines(&output).len() >= all.len());
    let sums = || {
        let text = fs::read_to_string(folder.join("sums.csv")).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        lines.sort();
        lines
    };
    let mut expected: Vec<String> = (0..13)
        .map(|key| {
            let own = all.iter().filter(|&n| n % 13 == key);
            format!("{key},{},{}", own.clone().count(), own.sum::<i64>())
        })
        .collect();
    expected.sort();
    until("the last sum", || sums() == expected);
    process.kill().unwrap();
    process.wait().unwrap();
    let mut copied: Vec<String> = all.iter().map(|n| format!("{},{n}", n % 13)).collect();
    copied.sort();
    assert_eq!(lines(&output), copied, "every row once");
}
