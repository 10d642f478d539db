//! Rows a second of CPU time of the operators with state, one worker, each in a job of its own
//! that reads Parquet and throws its result away, and the bytes of state for each key. Medians of
//! several runs, with the fastest and the slowest.
//!
//! No benchmark harness: criterion switches features of serde on, and with them most of what
//! Tidemill is built of would be compiled once more for tests.
//!
//! `cargo run --release -p tidemill-tests --example queries [part of a name]`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tidemill_engine::connectors::values::ValuesSource;
use tidemill_engine::data::Delta;
use tidemill_engine::runtime::{JobHandle, JobStatus};
use tidemill_engine::session::Session;
use tidemill_tests::cpu_time::process_seconds;
use tidemill_tests::oracle::TestResult;

const BATCH_ROWS: usize = 8_192;
const N_BATCHES: usize = 128;
const N_ROWS: usize = N_BATCHES * BATCH_ROWS;
const N_RUNS: usize = 7;

/// A query over `t`: `few` has 1,000 values, `k` 100,000, `name` is `k` as a text; and over `d`,
/// one row for each `k`. The operator whose state counts begins with `operator`.
struct Question {
    name: &'static str,
    sql: &'static str,
    operator: &'static str,
    n_keys: usize,
    /// At the end of each step only the net change of a group is sent.
    is_net: bool,
}

const fn net(
    name: &'static str,
    sql: &'static str,
    operator: &'static str,
    n_keys: usize,
) -> Question {
    Question {
        name,
        sql,
        operator,
        n_keys,
        is_net: true,
    }
}

const QUESTIONS: &[Question] = &[
    net(
        "group by 1k integers",
        "SELECT few, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY few",
        "GroupAggregate",
        1_000,
    ),
    Question {
        is_net: false,
        ..net(
            "group by 1k integers, row by row",
            "SELECT few, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY few",
            "GroupAggregate",
            1_000,
        )
    },
    net(
        "group by 100k integers",
        "SELECT k, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY k",
        "GroupAggregate",
        100_000,
    ),
    net(
        "group by 100k texts",
        "SELECT name, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY name",
        "GroupAggregate",
        100_000,
    ),
    net(
        "distinct counts of 1k groups",
        "SELECT few, COUNT(DISTINCT k) FROM t GROUP BY few",
        "GroupAggregate",
        1_000,
    ),
    net(
        "join with 100k rows",
        "SELECT t.k, t.v, d.city FROM t JOIN d ON t.k = d.k",
        "Join",
        100_000,
    ),
    net(
        "tumbling windows of 1k keys",
        "SELECT window_start, few, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
         INTERVAL '10' SECOND)) GROUP BY window_start, window_end, few",
        "WindowAggregate",
        1_000,
    ),
    net(
        "top 10 of 1k keys",
        "SELECT few, v, k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY few ORDER BY v DESC) \
         AS place FROM t) WHERE place <= 10",
        "Rank",
        1_000,
    ),
];

fn main() -> TestResult<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let folder = tempfile::tempdir()?;
    write_tables(folder.path())?;
    println!("million rows/s:  median   least    most   state bytes/key");
    for question in QUESTIONS.iter().filter(|it| it.name.contains(&wanted)) {
        let mut rates = Vec::new();
        let mut state_bytes = 0;
        for _ in 0..N_RUNS {
            let before = process_seconds();
            let job = run(question, folder.path())?;
            rates.push(N_ROWS as f64 / (process_seconds() - before) / 1e6);
            let nodes = job.metrics().nodes;
            let of_operator = nodes
                .iter()
                .filter(|it| it.name.starts_with(question.operator));
            state_bytes = of_operator.map(|node| node.state_bytes).sum();
        }
        rates.sort_by(f64::total_cmp);
        let rate = |place: usize| rates.get(place).copied().unwrap_or_default();
        println!(
            "{:>23.1} {:>7.1} {:>7.1} {:>17}  {}",
            rate(N_RUNS / 2),
            rate(0),
            rate(N_RUNS - 1),
            state_bytes / question.n_keys,
            question.name
        );
    }
    Ok(())
}

/// Runs the query to its end.
fn run(question: &Question, folder: &Path) -> TestResult<JobHandle> {
    let is_net = question.is_net.to_string();
    let session = Session::new(
        [
            ("parallelism.default", "1"),
            ("table.exec.mini-batch.enabled", is_net.as_str()),
            ("table.exec.mini-batch.allow-latency", "1 s"),
            ("table.exec.mini-batch.size", "65536"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    );
    for ddl in tables(folder) {
        session.execute(&ddl)?;
    }
    let insert = format!(
        "CREATE TABLE answer WITH ('connector' = 'blackhole') AS {}",
        question.sql
    );
    let job = session
        .execute(&insert)?
        .job
        .ok_or("the statement starts no job")?;
    match job.wait(None) {
        JobStatus::Finished => Ok(job),
        other => Err(format!("{}: {other:?}", question.name).into()),
    }
}

fn tables(folder: &Path) -> [String; 2] {
    let table = |columns: &str, name: &str| {
        let path = folder.join(name);
        format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', \
             'format' = 'parquet', 'path' = '{}')",
            path.display()
        )
    };
    [
        table(
            "few BIGINT, k BIGINT, name STRING, v BIGINT, ts TIMESTAMP(3), \
             WATERMARK FOR ts AS ts - INTERVAL '1' SECOND",
            "t",
        ),
        table("k BIGINT, city STRING", "d"),
    ]
}

/// Writes what the queries read.
fn write_tables(folder: &Path) -> TestResult<()> {
    let session = Session::new(BTreeMap::new());
    for ddl in tables(folder) {
        session.execute(&ddl)?;
    }
    for (name, batches) in [("t", rows()?), ("d", cities()?)] {
        let schema = batches.first().ok_or("no rows")?.schema();
        let deltas = batches.into_iter().map(Delta::insert_only).collect();
        let source = ValuesSource::try_new(schema, deltas)?;
        session.register_source(&format!("made_{name}"), Arc::new(source))?;
        let written = session.execute(&format!("INSERT INTO {name} SELECT * FROM made_{name}"))?;
        written.job.ok_or("an INSERT starts a job")?.wait(None);
    }
    Ok(())
}

fn rows() -> TestResult<Vec<RecordBatch>> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("few", DataType::Int64, true),
        Field::new("k", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ]));
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit) as i64
    };
    (0..N_BATCHES)
        .map(|batch_idx| {
            let keys: Vec<i64> = (0..BATCH_ROWS).map(|_| below(100_000)).collect();
            let first = batch_idx * BATCH_ROWS;
            let times = (first..first + BATCH_ROWS).map(|row_idx| (row_idx / 10) as i64);
            Ok(RecordBatch::try_new(
                Arc::clone(&schema),
                vec![
                    Arc::new(Int64Array::from_iter_values(
                        keys.iter().map(|key| key % 1_000),
                    )),
                    Arc::new(Int64Array::from(keys.clone())),
                    Arc::new(StringArray::from_iter_values(
                        keys.iter().map(|key| format!("user {key}")),
                    )),
                    Arc::new(Int64Array::from_iter_values(
                        (0..BATCH_ROWS).map(|_| below(1_000_000)),
                    )),
                    Arc::new(TimestampMillisecondArray::from_iter_values(times)),
                ],
            )?)
        })
        .collect()
}

fn cities() -> TestResult<Vec<RecordBatch>> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("city", DataType::Utf8, true),
    ]));
    let names = (0..100_000).map(|key| format!("city {}", key % 500));
    Ok(vec![RecordBatch::try_new(
        schema,
        vec![
            Arc::new(Int64Array::from_iter_values(0..100_000)),
            Arc::new(StringArray::from_iter_values(names)),
        ],
    )?])
}
