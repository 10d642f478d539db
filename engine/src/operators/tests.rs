//! Operators by text: what is pushed, step by step, and what comes out.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use expect_test::{Expect, expect};

use super::{
    DeduplicateSpec, Emission, GroupAggregateSpec, Keep, OperatorFactory, Output, SortKey,
    SortLimitSpec, SortOutput, StepContext,
};
use crate::data::text;
use crate::error::Result;
use crate::functions::accumulators::{AggregateCall, AggregateFunction};
use crate::state::ttl::Retention;

/// Pushes each text as one step; steps are divided by `--` in what comes out.
fn run(factory: &dyn OperatorFactory, input: &SchemaRef, steps: &[&str]) -> Result<String> {
    run_restored(factory, input, steps, false)
}

/// As [`run`]; `restores` puts another instance with the saved state in the place of the operator
/// between any two steps.
fn run_restored(
    factory: &dyn OperatorFactory,
    input: &SchemaRef,
    steps: &[&str],
    restores: bool,
) -> Result<String> {
    let mut operator = factory.create(0, 1)?;
    let mut out = Output::default();
    let mut texts = Vec::new();
    for (step, text) in (1_u64..).zip(steps) {
        let ctx = StepContext {
            step,
            ..StepContext::default()
        };
        let delta = text::parse_delta(input, text)?;
        if delta.num_rows() > 0 {
            operator.push(0, delta, &ctx, &mut out)?;
        }
        operator.on_step_end(&ctx, &mut out)?;
        if step as usize == steps.len() {
            operator.on_end(&ctx, &mut out)?;
        }
        texts.push(text::print_deltas(&out.drain())?);
        if restores {
            let tables = operator.save()?;
            operator = factory.create(0, 1)?;
            operator.restore(tables)?;
        }
    }
    Ok(texts.join("--\n"))
}

fn check(factory: &dyn OperatorFactory, input: &SchemaRef, steps: &[&str], expected: &Expect) {
    expected.assert_eq(&run(factory, input, steps).unwrap());
}

/// A GROUP BY of the first column with these aggregates: (function, argument, filter, distinct).
fn group_by(
    input: &SchemaRef,
    calls: &[(AggregateFunction, Option<usize>, Option<usize>, bool)],
    emission: Emission,
) -> GroupAggregateSpec {
    let calls: Vec<AggregateCall> = calls
        .iter()
        .map(|&(function, argument, filter, distinct)| {
            let argument_type = argument.map(|column| input.field(column).data_type());
            let result = function.result_type(argument_type).unwrap();
            AggregateCall {
                function: function.into(),
                arguments: argument.into_iter().collect(),
                constants: Vec::new(),
                filter,
                distinct,
                result: Arc::new(Field::new(function.name(), result, true)),
            }
        })
        .collect();
    let mut columns = vec![(
        input.field(0).name().as_str(),
        input.field(0).data_type().clone(),
    )];
    for call in &calls {
        columns.push((call.result.name(), call.result.data_type().clone()));
    }
    GroupAggregateSpec {
        input_schema: Arc::clone(input),
        group_columns: vec![0],
        schema: text::schema(&columns),
        calls,
        input_retracts: true,
        emission,
        update_before: true,
        emit_on_empty: false,
        retention: Retention::Configured,
    }
}

const STEPS: [&str; 3] = [
    "+I | a | 1
     +I | b | 5
     +I | a | 3",
    "-D | b | 5      # the last row of b
     -U | a | 3
     +U | a | 3      # nothing changes
     +I | a | NULL   # counts as a row only",
    "+I | b | 2      # b again: a new row
     -D | a | 1",
];

fn count_sum_min() -> Vec<(AggregateFunction, Option<usize>, Option<usize>, bool)> {
    vec![
        (AggregateFunction::Count, None, None, false),
        (AggregateFunction::Sum, Some(1), None, false),
        (AggregateFunction::Min, Some(1), None, false),
    ]
}

/// Flink's changelog: each row's change at once, none where nothing changed.
#[test]
fn group_aggregate_row_by_row() {
    let input = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int32)]);
    let spec = group_by(&input, &count_sum_min(), Emission::RowByRow);
    let expected = expect![[r"
        +I | a | 1 | 1 | 1
        +I | b | 1 | 5 | 5
        -U | a | 1 | 1 | 1
        +U | a | 2 | 4 | 1
        --
        -D | b | 1 | 5 | 5
        -U | a | 2 | 4 | 1
        +U | a | 1 | 1 | 1
        -U | a | 1 | 1 | 1
        +U | a | 2 | 4 | 1
        -U | a | 2 | 4 | 1
        +U | a | 3 | 4 | 1
        --
        +I | b | 1 | 2 | 2
        -U | a | 3 | 4 | 1
        +U | a | 2 | 3 | 3
    "]];
    check(&spec, &input, &STEPS, &expected);
}

/// The same input in net mode: one change a group and step.
#[test]
fn group_aggregate_net_per_step() {
    let input = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int32)]);
    let mut spec = group_by(&input, &count_sum_min(), Emission::NetPerStep);
    let expected = expect![[r"
        +I | a | 2 | 4 | 1
        +I | b | 1 | 5 | 5
        --
        -D | b | 1 | 5 | 5
        -U | a | 2 | 4 | 1
        +U | a | 3 | 4 | 1
        --
        +I | b | 1 | 2 | 2
        -U | a | 3 | 4 | 1
        +U | a | 2 | 3 | 3
    "]];
    check(&spec, &input, &STEPS, &expected);
    spec.update_before = false;
    let text = run(&spec, &input, &STEPS).unwrap();
    assert!(!text.contains("-U") && text.contains("+U"), "{text}");
}

/// DISTINCT and FILTER: only the first and the last of equal values change the result.
#[test]
fn group_aggregate_distinct_and_filter() {
    let input = text::schema(&[
        ("k", DataType::Int64),
        ("n", DataType::Int64),
        ("f", DataType::Boolean),
    ]);
    let calls = [
        (AggregateFunction::Count, Some(1), None, true),
        (AggregateFunction::Sum, Some(1), Some(2), true),
        (AggregateFunction::Count, None, Some(2), false),
    ];
    let spec = group_by(&input, &calls, Emission::RowByRow);
    let steps = [
        "+I | 1 | 7 | true
         +I | 1 | 7 | true     # the same again
         +I | 1 | 8 | NULL     # not counted by the filter
         -D | 1 | 7 | true
         -D | 1 | 7 | true",
        "+I | NULL | NULL | false",
    ];
    let expected = expect![[r"
        +I | 1 | 1 | 7 | 1
        -U | 1 | 1 | 7 | 1
        +U | 1 | 1 | 7 | 2
        -U | 1 | 1 | 7 | 2
        +U | 1 | 2 | 7 | 2
        -U | 1 | 2 | 7 | 2
        +U | 1 | 2 | 7 | 1
        -U | 1 | 2 | 7 | 1
        +U | 1 | 1 | NULL | 0
        --
        +I | NULL | 0 | NULL | 0
    "]];
    check(&spec, &input, &steps, &expected);
}

/// A restored GROUP BY goes on as if nothing had been: extremes and distinct values are all there.
#[test]
fn group_aggregate_restores_what_it_saved() {
    use AggregateFunction::{Avg, Count, Max, Min, Sum};
    let input = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)]);
    let calls = [
        (Count, None, None, false),
        (Count, Some(1), None, true),
        (Sum, Some(1), None, true),
        (Avg, Some(1), None, false),
        (Min, Some(1), None, false),
        (Max, Some(1), None, false),
    ];
    let steps = [
        "+I | a | 1
         +I | NULL | 5
         +I | a | 3
         +I | a | 3",
        "-D | a | 3
         -D | NULL | 5
         +I | b | 2",
        "-D | a | 3
         +I | NULL | NULL
         +I | b | 2",
        "-D | a | 1
         -D | b | 2",
    ];
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        let spec = group_by(&input, &calls, emission);
        let without = run(&spec, &input, &steps).unwrap();
        let with = run_restored(&spec, &input, &steps, true).unwrap();
        assert_eq!(with, without);
    }
}

/// Flink's result types: integers stay what they are and wrap or truncate; decimals get their
/// digits and round half up.
#[test]
fn sums_and_means_have_flinks_types() {
    use AggregateFunction::{Avg, Sum};
    let input = text::schema(&[
        ("k", DataType::Int64),
        ("tiny", DataType::Int8),
        ("int", DataType::Int32),
        ("dec", DataType::Decimal128(10, 2)),
        ("double", DataType::Float64),
    ]);
    let calls = [
        (Sum, Some(1), None, false),
        (Avg, Some(2), None, false),
        (Sum, Some(3), None, false),
        (Avg, Some(3), None, false),
        (Avg, Some(4), None, false),
    ];
    let spec = group_by(&input, &calls, Emission::NetPerStep);
    let steps = ["+I | 1 | 100 | -3 | 0.01 | 0.5
                  +I | 1 | 100 | -4 | 0.01 | 1
                  +I | 1 | 100 | -4 | 0.00 | NULL"];
    let expected = expect![[r"
        +I | 1 | 44 | -3 | 0.02 | 0.006667 | 0.75
    "]];
    check(&spec, &input, &steps, &expected);
}

/// Strings by bytes, NaN ignored, booleans, and the extreme that is taken back.
#[test]
fn extremes_follow_retractions() {
    use AggregateFunction::{Max, Min};
    let input = text::schema(&[
        ("k", DataType::Int64),
        ("s", DataType::Utf8),
        ("x", DataType::Float64),
        ("b", DataType::Boolean),
    ]);
    let calls = [
        (Max, Some(1), None, false),
        (Min, Some(2), None, false),
        (Min, Some(3), None, false),
    ];
    let mut spec = group_by(&input, &calls, Emission::NetPerStep);
    let rows = "+I | 1 | Z | NaN | true
                +I | 1 | a | -1 | false
                +I | 1 | é | 2 | true";
    let expected = expect![[r"
        +I | 1 | é | -1.0 | false
        --
        -U | 1 | é | -1.0 | false
        +U | 1 | a | -1.0 | false
        --
        -U | 1 | a | -1.0 | false
        +U | 1 | Z | NULL | true
    "]];
    let steps = [rows, "-D | 1 | é | 2 | true", "-D | 1 | a | -1 | false"];
    check(&spec, &input, &steps, &expected);
    spec.input_retracts = false;
    let expected = expect![[r"
        +I | 1 | é | -1.0 | false
    "]];
    check(&spec, &input, &[rows], &expected);
}

/// DISTINCT is a group aggregate without aggregates.
#[test]
fn distinct_sends_first_and_last() {
    let input = text::schema(&[("k", DataType::Utf8)]);
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        let spec = group_by(&input, &[], emission);
        let steps = ["+I | a\n+I | a\n+I | b", "-D | a", "-D | a\n+I | b"];
        let expected = expect![[r"
            +I | a
            +I | b
            --
            --
            -D | a
        "]];
        check(&spec, &input, &steps, &expected);
    }
}

/// A global aggregate over no rows: nothing in streaming, one row in batch.
#[test]
fn global_aggregate_over_no_rows() {
    let input = text::schema(&[("n", DataType::Int64)]);
    let mut spec = group_by(
        &input,
        &[
            (AggregateFunction::Count, None, None, false),
            (AggregateFunction::Sum, Some(0), None, false),
        ],
        Emission::NetPerStep,
    );
    spec.group_columns = vec![];
    spec.schema = text::schema(&[("c", DataType::Int64), ("s", DataType::Int64)]);
    assert_eq!(run(&spec, &input, &[""]).unwrap(), "");
    spec.emit_on_empty = true;
    assert_eq!(run(&spec, &input, &[""]).unwrap(), "+I | 0 | NULL\n");
    assert_eq!(run(&spec, &input, &["+I | 4"]).unwrap(), "+I | 1 | 4\n");
}

#[test]
fn retraction_of_nothing_is_an_error() {
    let input = text::schema(&[("k", DataType::Utf8)]);
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        let error = run(&group_by(&input, &[], emission), &input, &["-D | a"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GROUP BY got the retraction of a row that never came"
        );
    }
}

fn order_by_n(fetch: Option<usize>, output: SortOutput) -> (SchemaRef, SortLimitSpec) {
    let schema = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)]);
    let spec = SortLimitSpec {
        schema: Arc::clone(&schema),
        keys: vec![SortKey {
            column: 1,
            descending: true,
            nulls_first: false,
        }],
        offset: 0,
        fetch,
        input_retracts: true,
        output,
    };
    (schema, spec)
}

const ORDER_STEPS: [&str; 3] = [
    "+I | a | 1\n+I | b | 2\n+I | c | NULL",
    "+I | d | 2",
    "-D | b | 2",
];

#[test]
fn top_rows_as_changes_and_in_order() {
    let (schema, spec) = order_by_n(Some(2), SortOutput::Changes);
    let expected = expect![[r"
        +I | b | 2
        +I | a | 1
        --
        -D | a | 1
        +I | d | 2
        --
        -D | b | 2
        +I | a | 1
    "]];
    check(&spec, &schema, &ORDER_STEPS, &expected);
    let (schema, spec) = order_by_n(Some(2), SortOutput::InOrder);
    let expected = expect![[r"
        +I | b | 2
        +I | a | 1
        --
        -D | a | 1
        +I | d | 2
        --
        -D | d | 2
        -D | b | 2
        +I | d | 2
        +I | a | 1
    "]];
    check(&spec, &schema, &ORDER_STEPS, &expected);
}

#[test]
fn sort_waits_for_the_end() {
    let (schema, mut spec) = order_by_n(None, SortOutput::Changes);
    let expected = expect![[r"
        --
        --
        +I | d | 2
        +I | a | 1
        +I | c | NULL
    "]];
    check(&spec, &schema, &ORDER_STEPS, &expected);
    spec.offset = 1;
    let expected = expect![[r"
        --
        +I | d | 2
        +I | a | 1
        +I | c | NULL
    "]];
    check(&spec, &schema, &ORDER_STEPS[..2], &expected);
}

/// Only as many rows are kept as can be asked for.
#[test]
fn top_rows_of_appended_input_forget_the_rest() {
    let (schema, mut spec) = order_by_n(Some(1), SortOutput::Changes);
    spec.input_retracts = false;
    let expected = expect![[r"
        +I | b | 2
        --
        -D | b | 2
        +I | d | 3
    "]];
    check(
        &spec,
        &schema,
        &["+I | a | 1\n+I | b | 2", "+I | d | 3\n+I | d | 0"],
        &expected,
    );
}

/// State that is not written for its time to live is as if it had never been, also after a restart;
/// what is written is sent, changed or not.
#[test]
fn group_aggregate_forgets() {
    let input = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)]);
    let steps = [
        (0, "+I | a | 1\n+I | b | 2"),
        (60, "+I | a | NULL   # the same sum"),
        (
            110,
            "+I | b | 5      # the last b is 110 ms old\n+I | a | 7",
        ),
        (300, "-D | a | 7      # of nothing\n-D | b | 5\n+I | b | 1"),
        (10_000, ""),
    ];
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        for restores in [false, true] {
            let calls = [(AggregateFunction::Sum, Some(1), None, false)];
            let spec = group_by(&input, &calls, emission);
            let mut operator = spec.create(0, 1).unwrap();
            let mut out = Output::default();
            let mut texts = Vec::new();
            for (processing_time_ms, text) in steps {
                let ctx = StepContext {
                    processing_time_ms,
                    state_ttl_ms: Some(100),
                    ..StepContext::default()
                };
                let delta = text::parse_delta(&input, text).unwrap();
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
            let rows = operator.save().unwrap().remove(0).batch.num_rows();
            assert_eq!(rows, 0, "a walk over the groups has found the rest");
            assert_eq!(
                texts.join("--\n"),
                "+I | a | 1\n+I | b | 2\n--\n-U | a | 1\n+U | a | 1\n--\n+I | b | 5\n\
                 -U | a | 1\n+U | a | 8\n--\n+I | b | 1\n--\n"
            );
        }
    }
}

/// Repeated and missing changes become what happened to the rows of the keys.
#[test]
fn changes_are_normalized_by_key() {
    let input = text::schema(&[("k", DataType::Int64), ("s", DataType::Utf8)]);
    let spec = super::changelog_normalize::ChangelogNormalizeSpec {
        key_columns: vec![0],
        schema: Arc::clone(&input),
    };
    let steps = [
        "+I | 1 | a
         +I | 1 | a     # once more
         +U | 1 | b     # without what was before
         +I | 2 | NULL",
        "-U | 1 | b
         +U | 1 | b     # nothing has changed
         -D | 1 | x     # what goes is what was there
         -D | 1 | b     # gone already
         +I | 1 | c
         +I | 2 | NULL",
        "+U | 2 | d",
    ];
    let expected = expect![[r"
        +I | 1 | a
        -U | 1 | a
        +U | 1 | b
        +I | 2 | NULL
        --
        -D | 1 | b
        +I | 1 | c
        --
        -U | 2 | NULL
        +U | 2 | d
    "]];
    check(&spec, &input, &steps, &expected);
    let restored = run_restored(&spec, &input, &steps, true).unwrap();
    assert_eq!(restored, run(&spec, &input, &steps).unwrap());
}

/// A key that has not been written for its time to live comes anew, also after a restart.
#[test]
fn deduplication_forgets() {
    let input = text::schema(&[("k", DataType::Utf8), ("n", DataType::Int64)]);
    let steps = [
        (0, "+I | a | 1\n+I | b | 2"),
        (60, "+I | a | 3"),
        (110, "+I | a | 4\n+I | b | 5"),
        (10_000, ""),
    ];
    // The first row is written once, the last one with every row.
    let first = "+I | a | 1\n+I | b | 2\n--\n--\n+I | a | 4\n+I | b | 5\n--\n";
    let last = "+I | a | 1\n+I | b | 2\n--\n-U | a | 1\n+U | a | 3\n--\n\
                -U | a | 3\n+U | a | 4\n+I | b | 5\n--\n";
    for (keep, expected) in [(Keep::First, first), (Keep::Last, last)] {
        for restores in [false, true] {
            let spec = DeduplicateSpec {
                input_schema: Arc::clone(&input),
                key_columns: vec![0],
                time_column: None,
                keep,
                emission: Emission::RowByRow,
                schema: Arc::clone(&input),
            };
            let mut operator = spec.create(0, 1).unwrap();
            let mut out = Output::default();
            let mut texts = Vec::new();
            for (processing_time_ms, text) in steps {
                let ctx = StepContext {
                    processing_time_ms,
                    state_ttl_ms: Some(100),
                    ..StepContext::default()
                };
                let delta = text::parse_delta(&input, text).unwrap();
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
            assert_eq!(texts.join("--\n"), expected, "{keep:?}");
            let tables = operator.save().unwrap();
            let n_rows: usize = tables.iter().map(|table| table.batch.num_rows()).sum();
            assert_eq!(n_rows, 0, "a walk over the keys has found the rest");
        }
    }
}
