//! The rows that the benchmarks read, in Parquet files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tidemill_engine::connectors::values::ValuesSource;
use tidemill_engine::data::Delta;
use tidemill_engine::session::Session;

use crate::BenchResult;

const BATCH_ROWS: usize = 8_192;
const N_BATCHES: usize = 128;

/// Rows of the table `t`.
pub const N_ROWS: usize = N_BATCHES * BATCH_ROWS;

/// The statements that make the tables known: `t`, in which `few` has 1,000 values, `k` 100,000, and
/// `name` is `k` as a text; and `d`, one row for each `k`.
#[must_use]
pub fn ddl(folder: &Path) -> [String; 2] {
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

/// Writes the tables into a folder.
///
/// # Errors
/// If they cannot be written.
pub fn write(folder: &Path) -> BenchResult<()> {
    let session = Session::new(BTreeMap::new());
    for ddl in ddl(folder) {
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

fn rows() -> BenchResult<Vec<RecordBatch>> {
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

fn cities() -> BenchResult<Vec<RecordBatch>> {
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
