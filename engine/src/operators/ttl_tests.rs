//! State that has not been written for its time to live, with a clock of the tests' own: as if it
//! had never been, also after a restart, and found by a walk if nobody asks for it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::changelog_normalize::ChangelogNormalizeSpec;
use super::over::{Frame, OverCall, OverOrder, OverSpec};
use super::rank::{RankEnd, RankSpec, RankStrategy};
use super::{Emission, JoinInput, OperatorFactory, Output, SortKey, StepContext, TemporalJoinSpec};
use crate::data::{Delta, text};

const TTL_MS: i64 = 100;

fn rows() -> SchemaRef {
    text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)])
}

/// What the steps (time of the clock, changes) send, with and without a restart after each of
/// them; at the end nothing is left.
fn check(spec: &dyn OperatorFactory, steps: &[(i64, &str)], expected: &str) {
    for restores in [false, true] {
        let mut operator = spec.create(0, 1).unwrap();
        let mut out = Output::default();
        let mut texts = Vec::new();
        for &(processing_time_ms, text) in steps {
            let ctx = StepContext {
                processing_time_ms,
                state_ttl_ms: Some(TTL_MS),
                ..StepContext::default()
            };
            let delta = text::parse_delta(&rows(), text).unwrap();
            if delta.num_rows() > 0 {
                operator.push(0, delta, &ctx, &mut out).unwrap();
            }
            operator.on_step_end(&ctx, &mut out).unwrap();
            texts.push(text::print_deltas(&out.drain()).unwrap());
            if restores {
                let tables = operator.save().unwrap();
                operator = spec.create(0, 1).unwrap();
                operator.restore(tables).unwrap();
            }
        }
        assert_eq!(texts.join("--\n"), expected, "restores: {restores}");
        let tables = operator.save().unwrap();
        let n_rows: usize = tables
            .iter()
            .filter(|table| table.name != "partitions")
            .map(|table| table.batch.num_rows())
            .sum();
        assert_eq!(n_rows, 0, "a walk has found the rest");
    }
}

fn top_2(strategy: RankStrategy, emission: Emission) -> RankSpec {
    RankSpec {
        input_schema: rows(),
        partition_columns: vec![0],
        sort_keys: vec![SortKey {
            column: 1,
            descending: true,
            nulls_first: false,
        }],
        start: 1,
        end: RankEnd::Constant(2),
        output_rank: false,
        strategy,
        emission,
        schema: rows(),
    }
}

#[test]
fn top_n_forgets_partitions() {
    let steps = [
        (0, "+I | a | 10\n+I | b | 7"),
        (60, "+I | a | 20"),
        (
            110,
            "+I | a | 30   # the last a is 50 ms old\n+I | b | 1    # the last b is 110 ms old",
        ),
        (10_000, ""),
    ];
    let expected = "+I | a | 10\n+I | b | 7\n--\n+I | a | 20\n--\n\
                    -D | a | 10\n+I | a | 30\n+I | b | 1\n--\n";
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        for strategy in [RankStrategy::AppendFast, RankStrategy::Retract] {
            check(&top_2(strategy, emission), &steps, expected);
        }
    }
    // A retraction of what was forgotten says nothing.
    let steps = [
        (0, "+I | a | 10\n+I | a | 20"),
        (200, "-D | a | 20\n+I | a | 5"),
        (10_000, ""),
    ];
    let spec = top_2(RankStrategy::Retract, Emission::RowByRow);
    let expected = "+I | a | 10\n+I | a | 20\n--\n+I | a | 5\n--\n";
    check(&spec, &steps, expected);
}

/// A row that gets no rank is no write.
#[test]
fn top_n_counts_changes_only() {
    let steps = [
        (0, "+I | a | 10\n+I | a | 20"),
        (60, "+I | a | 1"),
        (110, "+I | a | 2"),
        (10_000, ""),
    ];
    let spec = top_2(RankStrategy::AppendFast, Emission::RowByRow);
    let expected = "+I | a | 10\n+I | a | 20\n--\n--\n+I | a | 2\n--\n";
    check(&spec, &steps, expected);
}

fn counted(order: OverOrder, frame: Frame, emission: Emission) -> OverSpec {
    let mut fields: Vec<_> = rows().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("c", DataType::Int64, false)));
    OverSpec {
        input_schema: rows(),
        partition_columns: vec![0],
        order,
        frame,
        calls: vec![OverCall::Count],
        emission,
        schema: Arc::new(Schema::new(fields)),
    }
}

#[test]
fn over_by_a_value_forgets_partitions() {
    let key = SortKey {
        column: 1,
        descending: false,
        nulls_first: true,
    };
    let steps = [
        (0, "+I | a | 10\n+I | b | 7"),
        (60, "+I | a | 20"),
        (110, "+I | a | 30\n+I | b | 1"),
        (10_000, ""),
    ];
    let expected = "+I | a | 10 | 1\n+I | b | 7 | 1\n--\n+I | a | 20 | 2\n--\n\
                    +I | a | 30 | 3\n+I | b | 1 | 1\n--\n";
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        let spec = counted(OverOrder::Value(key), Frame::AllRows, emission);
        check(&spec, &steps, expected);
    }
}

#[test]
fn over_by_arrival_forgets_partitions() {
    let steps = [
        (0, "+I | a | 10\n+I | b | 7"),
        (60, "+I | a | 20"),
        (110, "+I | a | 30\n+I | b | 1"),
        (10_000, ""),
    ];
    let expected = "+I | a | 10 | 1\n+I | b | 7 | 1\n--\n+I | a | 20 | 2\n--\n\
                    +I | a | 30 | 3\n+I | b | 1 | 1\n--\n";
    let spec = counted(OverOrder::Proctime, Frame::AllRows, Emission::RowByRow);
    check(&spec, &steps, expected);
}

/// Every row is a write and is sent, changed or not; an old one comes anew.
#[test]
fn changelog_normalize_forgets() {
    let spec = ChangelogNormalizeSpec {
        key_columns: vec![0],
        schema: rows(),
    };
    let steps = [
        (0, "+I | a | 1\n+I | b | 2"),
        (60, "+U | a | 1"),
        (110, "+U | a | 3\n+U | b | 2"),
        (300, "-D | a | 3"),
        (10_000, ""),
    ];
    let expected = "+I | a | 1\n+I | b | 2\n--\n-U | a | 1\n+U | a | 1\n--\n\
                    -U | a | 1\n+U | a | 3\n+I | b | 2\n--\n--\n";
    check(&spec, &steps, expected);
}

/// Rows with a time: port, key, time, value.
type TimedRow = (usize, i64, i64, i64);

/// A key of a temporal join is forgotten between one and one and a half times its time to live
/// after the last that happened to it, with its versions and the rows that wait.
#[test]
fn keys_of_temporal_joins() {
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
    let schema = text::schema(&[("k", DataType::Int64), ("ts", time), ("v", DataType::Int64)]);
    let side = JoinInput {
        output: vec![0, 1, 2],
        schema: Arc::clone(&schema),
        key_columns: vec![0],
        retracts: false,
    };
    let both = schema.fields().iter().chain(schema.fields());
    let spec = TemporalJoinSpec {
        is_left_outer: true,
        left: side.clone(),
        right: side,
        time_columns: [1, 1],
        residual: None,
        schema: Arc::new(Schema::new(both.cloned().collect::<Vec<_>>())),
    };
    let row = |(_, k, ts, v): TimedRow| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![k])),
            Arc::new(TimestampMillisecondArray::from(vec![ts])),
            Arc::new(Int64Array::from(vec![v])),
        ];
        Delta::insert_only(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap())
    };
    // Time of the clock, rows, watermark.
    let steps: [(i64, Vec<TimedRow>, i64); 5] = [
        (0, vec![(1, 1, 5, 10), (1, 2, 5, 20)], 5),
        (120, vec![(0, 1, 6, 100)], 6),
        // The second key, of which nothing has been heard since, is gone; the first one is not.
        (160, vec![(0, 1, 7, 101), (0, 2, 7, 200)], 7),
        // A row waits, and is forgotten with its key.
        (200, vec![(0, 1, 90, 102)], 8),
        (400, vec![], 100),
    ];
    for restores in [false, true] {
        let mut operator = spec.create(0, 1).unwrap();
        let mut out = Output::default();
        let mut pairs = Vec::new();
        for (processing_time_ms, rows, watermark_ms) in steps.clone() {
            let ctx = StepContext {
                processing_time_ms,
                state_ttl_ms: Some(TTL_MS),
                ..StepContext::default()
            };
            for timed in rows {
                operator.push(timed.0, row(timed), &ctx, &mut out).unwrap();
            }
            // A step by the clock comes first where nothing else does.
            operator.on_step_end(&ctx, &mut out).unwrap();
            operator.on_watermark(watermark_ms, &ctx, &mut out).unwrap();
            operator.on_step_end(&ctx, &mut out).unwrap();
            for delta in out.drain() {
                let column =
                    |column: usize| delta.batch().column(column).as_primitive::<Int64Type>();
                pairs.extend(column(2).iter().zip(column(5).iter()));
            }
            if restores {
                let tables = operator.save().unwrap();
                operator = spec.create(0, 1).unwrap();
                operator.restore(tables).unwrap();
            }
        }
        let expected = [(100, Some(10)), (101, Some(10)), (200, None)];
        let expected = expected.map(|(left, right)| (Some(left), right));
        assert_eq!(pairs, expected, "restores: {restores}");
        let tables = operator.save().unwrap();
        assert!(tables.iter().all(|table| table.batch.num_rows() == 0));
    }
}
