//! How many rows a second a Top-10 per key takes, by number of keys and way of telling, and how
//! many bytes of state it has per key.
//!
//! `cargo run --release -p tidemill-tests --example top_n [n_million_rows [n_keys]]`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidemill_engine::data::Delta;
use tidemill_engine::operators::{
    Emission, OperatorFactory, Output, RankEnd, RankSpec, RankStrategy, SortKey, StepContext,
};
use tidemill_tests::oracle::TestResult;

/// Rows of a batch, and batches of a step: what a job under load has.
const BATCH_ROWS: usize = 8_192;
const STEP_BATCHES: usize = 8;

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
    println!("million rows/s: Top-10 of v per k, {millions} M rows, one thread");
    println!("     keys        net   row by row   with the rank   bytes/key");
    for n_keys in [1_000, 100_000, 1_000_000] {
        if only_keys.is_some_and(|only_keys| only_keys != n_keys) {
            continue;
        }
        let batches = batches(n_keys, n_batches)?;
        let n_rows = (n_batches * BATCH_ROWS) as f64;
        let (net, bytes) = run(&batches, Emission::NetPerStep, false)?;
        let (plain, _) = run(&batches, Emission::RowByRow, false)?;
        let (ranked, _) = run(&batches, Emission::RowByRow, true)?;
        let rate = |seconds: f64| n_rows / seconds / 1e6;
        println!(
            "{n_keys:>9} {:>10.1} {:>12.1} {:>15.1} {:>11}",
            rate(net),
            rate(plain),
            rate(ranked),
            bytes as u64 / n_keys
        );
    }
    Ok(())
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, false),
    ]))
}

fn batches(n_keys: u64, n_batches: usize) -> TestResult<Vec<RecordBatch>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..n_batches)
        .map(|_| {
            let keys =
                Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| (next() % n_keys) as i64));
            let values =
                Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| (next() >> 20) as i64));
            Ok(RecordBatch::try_new(
                schema(),
                vec![Arc::new(keys), Arc::new(values)],
            )?)
        })
        .collect()
}

/// Seconds and bytes of state at the end.
fn run(batches: &[RecordBatch], emission: Emission, output_rank: bool) -> TestResult<(f64, usize)> {
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    if output_rank {
        fields.push(Arc::new(Field::new("rn", DataType::Int64, false)));
    }
    let spec = RankSpec {
        input_schema: schema(),
        partition_columns: vec![0],
        sort_keys: vec![SortKey {
            column: 1,
            descending: true,
            nulls_first: false,
        }],
        start: 1,
        end: RankEnd::Constant(10),
        output_rank,
        strategy: RankStrategy::AppendFast,
        emission,
        schema: Arc::new(Schema::new(fields)),
    };
    let mut operator = spec.create(0, 1)?;
    let mut out = Output::default();
    let ctx = StepContext::default();
    let started = Instant::now();
    for step in batches.chunks(STEP_BATCHES) {
        for batch in step {
            operator.push(0, Delta::insert_only(batch.clone()), &ctx, &mut out)?;
        }
        operator.on_step_end(&ctx, &mut out)?;
        out.drain();
    }
    Ok((started.elapsed().as_secs_f64(), operator.state_bytes()))
}
