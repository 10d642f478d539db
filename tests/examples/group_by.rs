//! How many rows a second an incremental GROUP BY takes, by number of keys and emission mode,
//! beside DataFusion's batch aggregation of the same rows on one thread. Times are CPU times where
//! the system tells them (Linux), so that a loaded machine gives about the same figures.
//!
//! `cargo run --release -p tidemill-tests --example group_by [n_million_rows [n_keys]]`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use tidemill_engine::data::Delta;
use tidemill_engine::functions::accumulators::{AggregateCall, AggregateFunction};
use tidemill_engine::operators::{
    Emission, GroupAggregateSpec, OperatorFactory, Output, StepContext,
};
use tidemill_engine::state::ttl::Retention;
use tidemill_tests::oracle::TestResult;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Batches of a wave: what a job under load has, and the step of one that shows every change.
const WAVE_BATCHES: usize = 8;
/// Batches of a step of a job that sends net changes: what fits into the time of a step.
const STEP_BATCHES: usize = 256;

fn main() -> TestResult<()> {
    let millions: usize = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 4,
    };
    let only_keys: Option<u64> = std::env::args()
        .nth(2)
        .map(|text| text.parse())
        .transpose()?;
    let n_batches = millions * 1_000_000 / BATCH_ROWS;
    println!("million rows/s: COUNT(*), SUM(v), MAX(v) GROUP BY k, {millions} M rows, one thread");
    println!("key         keys   long steps  short steps   row by row   DataFusion batch");
    for (key_type, n_keys) in [
        (DataType::Int64, 34),
        (DataType::Int64, 1_000),
        (DataType::Int64, 100_000),
        (DataType::Int64, 1_000_000),
        (DataType::Utf8, 34),
        (DataType::Utf8, 1_000),
        (DataType::Utf8, 100_000),
    ] {
        if only_keys.is_some_and(|only_keys| only_keys != n_keys) {
            continue;
        }
        let batches = batches(&key_type, n_keys, n_batches)?;
        let n_rows = (n_batches * BATCH_ROWS) as f64;
        let rate = |seconds: f64| n_rows / seconds / 1e6;
        let long = rate(incremental(&batches, Emission::NetPerStep, STEP_BATCHES)?);
        let short = rate(incremental(&batches, Emission::NetPerStep, WAVE_BATCHES)?);
        let rows = rate(incremental(&batches, Emission::RowByRow, WAVE_BATCHES)?);
        let batch = rate(batch_engine(&batches)?);
        println!("{key_type:<6} {n_keys:>9} {long:>12.1} {short:>12.1} {rows:>12.1} {batch:>18.1}");
    }
    Ok(())
}

fn schema(key_type: &DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", key_type.clone(), false),
        Field::new("v", DataType::Int64, false),
    ]))
}

fn batches(key_type: &DataType, n_keys: u64, n_batches: usize) -> TestResult<Vec<RecordBatch>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..n_batches)
        .map(|_| {
            let keys: Vec<u64> = (0..BATCH_ROWS).map(|_| next() % n_keys).collect();
            let values: Int64Array = (0..BATCH_ROWS)
                .map(|_| Some((next() % 1_000) as i64))
                .collect();
            let keys: ArrayRef = match key_type {
                DataType::Utf8 => {
                    let texts = keys.iter().map(|key| format!("province {key}"));
                    Arc::new(StringArray::from_iter_values(texts))
                }
                _ => Arc::new(Int64Array::from_iter_values(
                    keys.iter().map(|&key| key as i64),
                )),
            };
            Ok(RecordBatch::try_new(
                schema(key_type),
                vec![keys, Arc::new(values)],
            )?)
        })
        .collect()
}

/// Seconds that the operator takes for all batches in steps of so many.
fn incremental(
    batches: &[RecordBatch],
    emission: Emission,
    step_batches: usize,
) -> TestResult<f64> {
    let key_type = batches
        .first()
        .map_or(DataType::Int64, |batch| batch.column(0).data_type().clone());
    let call = |function: AggregateFunction, argument: Option<usize>| AggregateCall {
        function: function.into(),
        arguments: argument.into_iter().collect(),
        constants: Vec::new(),
        filter: None,
        distinct: false,
        result: Arc::new(Field::new(function.name(), DataType::Int64, true)),
    };
    let calls = vec![
        call(AggregateFunction::Count, None),
        call(AggregateFunction::Sum, Some(1)),
        call(AggregateFunction::Max, Some(1)),
    ];
    let mut fields = vec![Field::new("k", key_type.clone(), false)];
    fields.extend(calls.iter().map(|call| call.result.as_ref().clone()));
    let spec = GroupAggregateSpec {
        input_schema: schema(&key_type),
        group_columns: vec![0],
        calls,
        input_retracts: false,
        emission,
        update_before: true,
        emit_on_empty: false,
        retention: Retention::Configured,
        schema: Arc::new(Schema::new(fields)),
    };
    let mut operator = spec.create(0, 1)?;
    let mut out = Output::default();
    let mut ctx = StepContext {
        step: 0,
        ..StepContext::default()
    };
    let started = now_seconds();
    for step in batches.chunks(step_batches) {
        ctx.step += 1;
        for batch in step {
            operator.push(0, Delta::insert_only(batch.clone()), &ctx, &mut out)?;
        }
        operator.on_step_end(&ctx, &mut out)?;
        drop(out.drain());
    }
    Ok(now_seconds() - started)
}

/// Seconds that DataFusion takes for the same on one thread.
fn batch_engine(batches: &[RecordBatch]) -> TestResult<f64> {
    let Some(first) = batches.first() else {
        return Ok(0.0);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let context =
            SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let table = MemTable::try_new(first.schema(), vec![batches.to_vec()])?;
        context.register_table("t", Arc::new(table))?;
        let sql = "SELECT k, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY k";
        let frame = context.sql(sql).await?;
        let started = now_seconds();
        frame.collect().await?;
        Ok(now_seconds() - started)
    })
}

/// CPU time of this thread; elapsed time where that is unknown.
fn now_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let cpu_ns = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    match cpu_ns {
        Some(cpu_ns) => cpu_ns / 1e9,
        None => START.get_or_init(Instant::now).elapsed().as_secs_f64(),
    }
}
