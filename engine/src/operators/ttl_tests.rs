//! State that has not been written for its time to live, with a clock of the tests' own: as if it
//! had never been, also after a restart, and found by a walk if nobody asks for it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::changelog_normalize::ChangelogNormalizeSpec;
use super::over::{Frame, OverCall, OverOrder, OverSpec};
use super::rank::{RankEnd, RankSpec, RankStrategy};
use super::{Emission, OperatorFactory, Output, SortKey, StepContext};
use crate::data::text;

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
