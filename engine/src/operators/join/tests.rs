//! Joins by text: what is pushed at which port, and what comes out.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::Operator as BinaryOperator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use expect_test::{Expect, expect};

use super::{JoinInput, JoinKind, JoinSpec, Residual, ResidualColumn};
use crate::data::text;
use crate::operators::{Emission, Operator, OperatorFactory, Output, StepContext};
use crate::state::ttl::Retention;

fn input(names: [&str; 2]) -> SchemaRef {
    let [key, number] = names;
    text::schema(&[(key, DataType::Utf8), (number, DataType::Int64)])
}

/// A join by the first columns, with `l.n < r.m` where `has_residual`.
pub(super) fn join(kind: JoinKind, has_residual: bool, emission: Emission) -> JoinSpec {
    let side = |names: [&str; 2], output: Vec<usize>| JoinInput {
        schema: input(names),
        key_columns: vec![0],
        output,
        retracts: true,
    };
    let is_left_only = kind.is_left_only();
    let mut fields = input(["k", "n"]).fields().to_vec();
    if !is_left_only {
        fields.push(Arc::new(Field::new("m", DataType::Int64, true)));
    }
    if kind == JoinKind::Mark {
        fields.push(Arc::new(Field::new("mark", DataType::Boolean, false)));
    }
    let residual = has_residual.then(|| Residual {
        condition: Arc::new(BinaryExpr::new(
            Arc::new(Column::new("n", 0)),
            BinaryOperator::Lt,
            Arc::new(Column::new("m", 1)),
        )),
        columns: vec![
            ResidualColumn { port: 0, column: 1 },
            ResidualColumn { port: 1, column: 1 },
        ],
        schema: text::schema(&[("n", DataType::Int64), ("m", DataType::Int64)]),
    });
    JoinSpec {
        kind,
        left: side(["k", "n"], vec![0, 1]),
        right: side(["k", "m"], if is_left_only { vec![] } else { vec![1] }),
        unique: [None, None],
        nulls_equal: false,
        residual,
        emission,
        retention: [Retention::Configured; 2],
        schema: Arc::new(Schema::new(fields)),
    }
}

fn context() -> StepContext {
    StepContext {
        step: 1,
        ..StepContext::default()
    }
}

pub(super) fn push(operator: &mut dyn Operator, port: usize, rows: &str) -> String {
    let schema = input(if port == 0 { ["k", "n"] } else { ["k", "m"] });
    let delta = text::parse_delta(&schema, rows).unwrap();
    let mut out = Output::default();
    operator.push(port, delta, &context(), &mut out).unwrap();
    text::print_deltas(&out.drain()).unwrap()
}

/// Pushes in turn; `L` and `R` head what each push gives.
pub(super) fn check(spec: &JoinSpec, pushes: &[(usize, &str)], expected: &Expect) {
    let mut operator = spec.create(0, 1).unwrap();
    let mut texts = String::new();
    for (port, rows) in pushes {
        texts.push_str(if *port == 0 { "L\n" } else { "R\n" });
        texts.push_str(&push(operator.as_mut(), *port, rows));
    }
    expected.assert_eq(&texts);
}

const PUSHES: [(usize, &str); 6] = [
    (0, "+I | a | 1\n+I | b | 2\n+I | NULL | 3"),
    (1, "+I | a | 5\n+I | c | 6\n+I | NULL | 3"),
    (1, "-U | a | 5\n+U | a | 7"),
    (0, "+I | c | 9\n-D | b | 2"),
    (
        1,
        "+I | a | 8      # a second partner: nobody was alone\n-D | a | 7",
    ),
    (0, "-U | a | 1\n+U | a | 4"),
];

#[test]
fn inner_pairs_have_the_kind_of_their_row() {
    check(
        &join(JoinKind::Inner, false, Emission::RowByRow),
        &PUSHES,
        &expect![[r#"
            L
            R
            +I | a | 1 | 5
            R
            -U | a | 1 | 5
            +U | a | 1 | 7
            L
            +I | c | 9 | 6
            R
            +I | a | 1 | 8
            -D | a | 1 | 7
            L
            -U | a | 1 | 8
            +U | a | 4 | 8
        "#]],
    );
}

#[test]
fn full_pads_whoever_is_alone() {
    check(
        &join(JoinKind::Full, false, Emission::RowByRow),
        &PUSHES,
        &expect![[r#"
            L
            +I | a | 1 | NULL
            +I | b | 2 | NULL
            +I | NULL | 3 | NULL
            R
            -D | a | 1 | NULL
            +I | a | 1 | 5
            +I | NULL | NULL | 6
            +I | NULL | NULL | 3
            R
            -D | a | 1 | 5
            +I | a | 1 | NULL
            -D | a | 1 | NULL
            +I | a | 1 | 7
            L
            -D | NULL | NULL | 6
            +I | c | 9 | 6
            -D | b | 2 | NULL
            R
            +I | a | 1 | 8
            -D | a | 1 | 7
            L
            -D | a | 1 | 8
            +I | NULL | NULL | 8
            -D | NULL | NULL | 8
            +I | a | 4 | 8
        "#]],
    );
}

#[test]
fn left_counts_partners_that_meet_the_condition() {
    check(
        &join(JoinKind::Left, true, Emission::RowByRow),
        &PUSHES,
        &expect![[r#"
            L
            +I | a | 1 | NULL
            +I | b | 2 | NULL
            +I | NULL | 3 | NULL
            R
            -D | a | 1 | NULL
            +I | a | 1 | 5
            R
            -U | a | 1 | 5
            +I | a | 1 | NULL
            -D | a | 1 | NULL
            +I | a | 1 | 7
            L
            +I | c | 9 | NULL
            -D | b | 2 | NULL
            R
            +I | a | 1 | 8
            -D | a | 1 | 7
            L
            -D | a | 1 | 8
            +I | a | 4 | 8
        "#]],
    );
}

#[test]
fn semi_and_anti_turn_at_the_first_and_the_last_partner() {
    check(
        &join(JoinKind::Semi, false, Emission::RowByRow),
        &PUSHES,
        &expect![[r#"
            L
            R
            +I | a | 1
            R
            -U | a | 1
            +U | a | 1
            L
            +I | c | 9
            R
            L
            -U | a | 1
            +U | a | 4
        "#]],
    );
    check(
        &join(JoinKind::Anti, true, Emission::RowByRow),
        &PUSHES,
        &expect![[r#"
            L
            +I | a | 1
            +I | b | 2
            +I | NULL | 3
            R
            -D | a | 1
            R
            +I | a | 1
            -D | a | 1
            L
            +I | c | 9
            -D | b | 2
            R
            L
        "#]],
    );
}

/// The net change of a step: what goes, then what comes; a partner that only changed is no news to
/// the marks.
#[test]
fn net_changes_of_a_step() {
    for (kind, expected) in [
        (
            JoinKind::Full,
            expect![[r#"
            +I | b | 2 | NULL
            +I | NULL | 3 | NULL
            +I | NULL | NULL | 6
            +I | NULL | NULL | 3
            +I | a | 1 | 7
            --
            -D | a | 1 | 7
            -D | b | 2 | NULL
            -D | NULL | NULL | 6
            +I | c | 9 | 6
            +I | a | 4 | 8
            --
        "#]],
        ),
        (
            JoinKind::Mark,
            expect![[r#"
            +I | a | 1 | true
            +I | b | 2 | false
            +I | NULL | 3 | false
            --
            -D | b | 2 | false
            -D | a | 1 | true
            +I | c | 9 | true
            +I | a | 4 | true
            --
        "#]],
        ),
    ] {
        let mut operator = join(kind, false, Emission::NetPerStep)
            .create(0, 1)
            .unwrap();
        let mut texts = String::new();
        for pushes in PUSHES.chunks(3) {
            let mut out = Output::default();
            for (port, rows) in pushes {
                push(operator.as_mut(), *port, rows);
            }
            operator.on_step_end(&context(), &mut out).unwrap();
            texts.push_str(&text::print_deltas(&out.drain()).unwrap());
            texts.push_str("--\n");
        }
        expected.assert_eq(&texts);
    }
}

/// What a join has saved makes another one give the same from there on.
#[test]
fn a_join_restores_what_it_saved() {
    for has_residual in [false, true] {
        let spec = join(JoinKind::Full, has_residual, Emission::RowByRow);
        let mut first = spec.create(0, 1).unwrap();
        for (port, rows) in &PUSHES[..3] {
            push(first.as_mut(), *port, rows);
        }
        let mut second = spec.create(0, 1).unwrap();
        second.restore(first.save().unwrap()).unwrap();
        for (port, rows) in &PUSHES[3..] {
            let expected = push(first.as_mut(), *port, rows);
            assert_eq!(push(second.as_mut(), *port, rows), expected);
        }
    }
}

/// A row that was not written for the time to live is forgotten without a word.
#[test]
fn rows_come_to_their_end() {
    let spec = join(JoinKind::Left, false, Emission::RowByRow);
    for restores in [false, true] {
        let mut operator = spec.create(0, 1).unwrap();
        let mut texts = String::new();
        for (now_ms, port, rows) in [
            (0, 0, "+I | a | 1\n+I | b | 2"),
            (60, 1, "+I | a | 5   # writes the counter of a"),
            (120, 1, "+I | b | 6  # too late for b\n-D | a | 5"),
            (300, 1, "+I | a | 7"),
        ] {
            let ctx = StepContext {
                processing_time_ms: now_ms,
                state_ttl_ms: Some(100),
                ..StepContext::default()
            };
            let schema = input(if port == 0 { ["k", "n"] } else { ["k", "m"] });
            let delta = text::parse_delta(&schema, rows).unwrap();
            let mut out = Output::default();
            operator.push(port, delta, &ctx, &mut out).unwrap();
            texts.push_str(&text::print_deltas(&out.drain()).unwrap());
            texts.push_str("--\n");
            if restores {
                let tables = operator.save().unwrap();
                operator = spec.create(0, 1).unwrap();
                operator.restore(tables).unwrap();
            }
        }
        expect![[r#"
        +I | a | 1 | NULL
        +I | b | 2 | NULL
        --
        -D | a | 1 | NULL
        +I | a | 1 | 5
        --
        -D | a | 1 | 5
        +I | a | 1 | NULL
        --
        --
    "#]]
        .assert_eq(&texts);
    }
}

/// Each side has a time of its own, over that of the configuration: left rows end after 100 ms,
/// right ones never.
#[test]
fn sides_have_times_of_their_own() {
    let steps = [
        (0, 0, "+I | a | 1"),
        (0, 1, "+I | b | 5"),
        (99, 1, "+I | a | 6  # the left row lives"),
        (200, 1, "+I | a | 7  # it does not"),
        (9_000, 0, "+I | b | 2  # the right row does\n+I | a | 3"),
    ];
    for emission in [Emission::RowByRow, Emission::NetPerStep] {
        for configured_ms in [None, Some(10)] {
            let mut spec = join(JoinKind::Inner, false, emission);
            spec.retention = [Retention::Millis(100), Retention::ForEver];
            let mut operator = spec.create(0, 1).unwrap();
            let mut texts = Vec::new();
            for (processing_time_ms, port, rows) in steps {
                let ctx = StepContext {
                    processing_time_ms,
                    state_ttl_ms: configured_ms,
                    ..StepContext::default()
                };
                let schema = input(if port == 0 { ["k", "n"] } else { ["k", "m"] });
                let delta = text::parse_delta(&schema, rows).unwrap();
                let mut out = Output::default();
                operator.push(port, delta, &ctx, &mut out).unwrap();
                operator.on_step_end(&ctx, &mut out).unwrap();
                texts.push(text::print_deltas(&out.drain()).unwrap());
            }
            assert_eq!(
                texts.concat(),
                "+I | a | 1 | 6\n+I | b | 2 | 5\n+I | a | 3 | 6\n+I | a | 3 | 7\n",
                "{emission:?}, {configured_ms:?}"
            );
        }
    }
}

/// What is shown of a lonely row stays shown when its partner is forgotten, and its counter goes
/// on from there, as in Flink.
#[test]
fn counters_outlive_forgotten_partners() {
    let mut spec = join(JoinKind::Left, false, Emission::RowByRow);
    spec.retention = [Retention::Configured, Retention::Millis(100)];
    let mut operator = spec.create(0, 1).unwrap();
    let mut texts = String::new();
    for (processing_time_ms, port, rows) in [
        (0, 0, "+I | a | 1"),
        (0, 1, "+I | a | 5"),
        (500, 0, "+I | a | 2   # 5 is forgotten"),
        (500, 1, "+I | a | 6"),
        (510, 1, "-D | a | 6"),
    ] {
        let ctx = StepContext {
            processing_time_ms,
            ..StepContext::default()
        };
        let schema = input(if port == 0 { ["k", "n"] } else { ["k", "m"] });
        let delta = text::parse_delta(&schema, rows).unwrap();
        let mut out = Output::default();
        operator.push(port, delta, &ctx, &mut out).unwrap();
        texts.push_str(&text::print_deltas(&out.drain()).unwrap());
        texts.push_str("--\n");
    }
    expect![[r#"
        +I | a | 1 | NULL
        --
        -D | a | 1 | NULL
        +I | a | 1 | 5
        --
        +I | a | 2 | NULL
        --
        -D | a | 2 | NULL
        +I | a | 1 | 6
        +I | a | 2 | 6
        --
        -D | a | 1 | 6
        -D | a | 2 | 6
        +I | a | 2 | NULL
        --
    "#]]
    .assert_eq(&texts);
}

/// A time to live that is there only after a restart counts from then; one that is there no more
/// is forgotten.
#[test]
fn times_may_come_and_go_with_a_restart() {
    let mut spec = join(JoinKind::Inner, false, Emission::RowByRow);
    let mut operator = spec.create(0, 1).unwrap();
    let mut texts = Vec::new();
    for (processing_time_ms, ttl_ms, port, rows) in [
        (0, None, 0, "+I | a | 1"),
        (1_000, Some(100), 0, "+I | b | 2"),
        (1_099, Some(100), 1, "+I | a | 5"),
        (
            1_100,
            Some(100),
            1,
            "+I | a | 6  # the left row is forgotten",
        ),
        (1_150, None, 1, "+I | c | 7"),
        (9_000, None, 0, "+I | a | 3"),
    ] {
        spec.retention = [ttl_ms.map_or(Retention::ForEver, Retention::Millis); 2];
        let tables = operator.save().unwrap();
        operator = spec.create(0, 1).unwrap();
        operator.restore(tables).unwrap();
        let ctx = StepContext {
            processing_time_ms,
            ..StepContext::default()
        };
        let schema = input(if port == 0 { ["k", "n"] } else { ["k", "m"] });
        let delta = text::parse_delta(&schema, rows).unwrap();
        let mut out = Output::default();
        operator.push(port, delta, &ctx, &mut out).unwrap();
        operator.on_step_end(&ctx, &mut out).unwrap();
        texts.push(text::print_deltas(&out.drain()).unwrap());
    }
    assert_eq!(
        texts.concat(),
        "+I | a | 1 | 5\n+I | a | 3 | 5\n+I | a | 3 | 6\n"
    );
    assert!(
        operator
            .save()
            .unwrap()
            .iter()
            .all(|table| table.batch.num_columns() == 2)
    );
}
