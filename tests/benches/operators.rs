//! The operators with state, each in a job of its own with one worker that reads Parquet: group
//! aggregates, a join, windows, Top-N. Criterion shows the CPU time of a million rows and rows a
//! second of it; the bytes of state for each key stand above.
//!
//! *net*: the net change of each step goes into a table that throws it away. *row by row*: every
//! change is read as `collect()` gives it.
//!
//! `cargo bench --manifest-path tests/benches/Cargo.toml --target-dir target [-- part of a name]`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use tidemill_benches::cpu_time::CpuTime;
use tidemill_benches::{BenchResult, tables};
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::runtime::{JobHandle, JobStatus};
use tidemill_engine::session::{ResultContent, Session};

const LONG: Duration = Duration::from_secs(600);

/// A query over the tables.
struct Question {
    name: &'static str,
    sql: &'static str,
    /// How the name of the operator begins whose state counts.
    operator: &'static str,
    n_keys: usize,
    /// Where all that is sent is sent once and stays, there is but one mode.
    modes: &'static [Mode],
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Net,
    RowByRow,
}

const BOTH: &[Mode] = &[Mode::Net, Mode::RowByRow];
const NET: &[Mode] = &[Mode::Net];

const QUESTIONS: &[Question] = &[
    Question {
        name: "group by 1k integers",
        sql: "SELECT few, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY few",
        operator: "GroupAggregate",
        n_keys: 1_000,
        modes: BOTH,
    },
    Question {
        name: "group by 100k integers",
        sql: "SELECT k, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY k",
        operator: "GroupAggregate",
        n_keys: 100_000,
        modes: BOTH,
    },
    Question {
        name: "group by 100k texts",
        sql: "SELECT name, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY name",
        operator: "GroupAggregate",
        n_keys: 100_000,
        modes: BOTH,
    },
    Question {
        name: "distinct counts of 1k groups",
        sql: "SELECT few, COUNT(DISTINCT k) FROM t GROUP BY few",
        operator: "GroupAggregate",
        n_keys: 1_000,
        modes: BOTH,
    },
    Question {
        name: "join with 100k rows",
        sql: "SELECT t.k, t.v, d.city FROM t JOIN d ON t.k = d.k",
        operator: "Join",
        n_keys: 100_000,
        modes: NET,
    },
    Question {
        name: "left join with 100k rows",
        sql: "SELECT t.k, t.v, d.city FROM t LEFT JOIN d ON t.k = d.k",
        operator: "Join",
        n_keys: 100_000,
        modes: BOTH,
    },
    Question {
        name: "tumbling windows of 1k keys",
        sql: "SELECT window_start, few, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE t, \
              DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, few",
        operator: "WindowAggregate",
        n_keys: 1_000,
        modes: NET,
    },
    Question {
        name: "sessions of 1k keys",
        sql: "SELECT window_start, few, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE t PARTITION BY \
              few, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, few",
        operator: "WindowAggregate",
        n_keys: 1_000,
        modes: NET,
    },
    Question {
        name: "updates joined by their key",
        sql: "SELECT a.k, a.n, d.city FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a \
              JOIN d ON a.k = d.k",
        operator: "Join",
        n_keys: 100_000,
        modes: BOTH,
    },
    Question {
        name: "top 10 of 1k keys",
        sql: "SELECT few, v, k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY few ORDER BY v \
              DESC) AS place FROM t) WHERE place <= 10",
        operator: "Rank",
        n_keys: 1_000,
        modes: BOTH,
    },
];

fn main() -> BenchResult<()> {
    let folder = TempDir::new()?;
    tables::write(folder.path())?;
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500))
        .configure_from_args();
    for question in QUESTIONS {
        let mut group = criterion.benchmark_group(question.name);
        group.throughput(Throughput::Elements(tables::N_ROWS as u64));
        for &mode in question.modes {
            let mut state_bytes = 0;
            let mut failure = None;
            let id = BenchmarkId::from_parameter(format!("{mode:?}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| match run(question, mode, folder.path()) {
                    Ok(job) => state_bytes = state_of(&job, question.operator),
                    Err(error) => failure = Some(error),
                });
            });
            if let Some(error) = failure {
                return Err(error);
            }
            if state_bytes > 0 {
                println!("  {} bytes of state a key", state_bytes / question.n_keys);
            }
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// Runs the query to its end.
fn run(question: &Question, mode: Mode, folder: &Path) -> BenchResult<JobHandle> {
    let options = [("parallelism.default".to_owned(), "1".to_owned())];
    let session = Session::new(options.into());
    for ddl in tables::ddl(folder) {
        session.execute(&ddl)?;
    }
    let job = match mode {
        Mode::Net => {
            let insert = format!(
                "CREATE TABLE answer WITH ('connector' = 'blackhole') AS {}",
                question.sql
            );
            session.execute(&insert)?.job
        }
        Mode::RowByRow => {
            let result = session.query(question.sql)?.collect()?;
            let ResultContent::Changes(stream) = &result.content else {
                return Err("a query gives changes".into());
            };
            while !matches!(stream.next(LONG)?, ChangeEvent::End) {}
            result.job
        }
    };
    let job = job.ok_or("the statement starts no job")?;
    match job.wait(None) {
        JobStatus::Finished => Ok(job),
        other => Err(format!("{}: {other:?}", question.name).into()),
    }
}

fn state_of(job: &JobHandle, operator: &str) -> usize {
    let nodes = job.metrics().nodes;
    let of_operator = nodes.iter().filter(|node| node.name.starts_with(operator));
    of_operator.map(|node| node.state_bytes).sum()
}
