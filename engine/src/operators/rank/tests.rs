//! Top-N by text.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use expect_test::{Expect, expect};

use super::{RankEnd, RankSpec, RankStrategy};
use crate::data::text;
use crate::operators::{Emission, OperatorFactory, Output, SortKey, StepContext};

fn rows() -> SchemaRef {
    text::schema(&[("k", DataType::Utf8), ("n", DataType::Int32)])
}

/// The two greatest `n` of each `k`.
fn top_2(output_rank: bool, strategy: RankStrategy, emission: Emission) -> RankSpec {
    let mut fields: Vec<_> = rows().fields().iter().cloned().collect();
    if output_rank {
        fields.push(Arc::new(Field::new("rn", DataType::Int64, false)));
    }
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
        output_rank,
        strategy,
        emission,
        schema: Arc::new(Schema::new(fields)),
    }
}

/// Pushes each text as one step; between all steps the state is saved and restored.
fn check(spec: &RankSpec, steps: &[&str], expected: &Expect) {
    let mut operator = spec.create(0, 1).unwrap();
    let mut out = Output::default();
    let mut texts = Vec::new();
    for step in steps {
        let tables = operator.save().unwrap();
        operator = spec.create(0, 1).unwrap();
        operator.restore(tables).unwrap();
        let ctx = StepContext::default();
        let delta = text::parse_delta(&spec.input_schema, step).unwrap();
        operator.push(0, delta, &ctx, &mut out).unwrap();
        operator.on_step_end(&ctx, &mut out).unwrap();
        texts.push(text::print_deltas(&out.drain()).unwrap());
    }
    expected.assert_eq(&texts.join("--\n"));
}

const INSERTIONS: [&str; 2] = [
    "+I | a | 10
     +I | b | 1
     +I | a | 10    # ranks after its equal
     +I | a | 20",
    "+I | a | 5     # no rank
     +I | a | 15",
];

#[test]
fn insertions_with_the_rank() {
    let spec = top_2(true, RankStrategy::AppendFast, Emission::RowByRow);
    check(
        &spec,
        &INSERTIONS,
        &expect![[r#"
        +I | a | 10 | 1
        +I | b | 1 | 1
        +I | a | 10 | 2
        -U | a | 10 | 1
        +U | a | 20 | 1
        -U | a | 10 | 2
        +U | a | 10 | 2
        --
        -U | a | 10 | 2
        +U | a | 15 | 2
    "#]],
    );
}

#[test]
fn insertions_without_the_rank() {
    let spec = top_2(false, RankStrategy::AppendFast, Emission::RowByRow);
    check(
        &spec,
        &INSERTIONS,
        &expect![[r#"
        +I | a | 10
        +I | b | 1
        +I | a | 10
        -D | a | 10
        +I | a | 20
        --
        -D | a | 10
        +I | a | 15
    "#]],
    );
}

const CHANGES: [&str; 2] = [
    "+I | a | 10
     +I | a | 30
     +I | a | 20",
    "-D | a | 30    # the third moves up
     -U | a | 20
     +U | a | 5
     -D | a | 7     # never came",
];

#[test]
fn changes_with_the_rank() {
    let spec = top_2(true, RankStrategy::Retract, Emission::RowByRow);
    check(
        &spec,
        &CHANGES,
        &expect![[r#"
        +I | a | 10 | 1
        -U | a | 10 | 1
        +U | a | 30 | 1
        +I | a | 10 | 2
        -U | a | 10 | 2
        +U | a | 20 | 2
        --
        -U | a | 30 | 1
        +U | a | 20 | 1
        -U | a | 20 | 2
        +U | a | 10 | 2
        -U | a | 20 | 1
        +U | a | 10 | 1
        -D | a | 10 | 2
        +I | a | 5 | 2
    "#]],
    );
}

#[test]
fn net_changes() {
    let spec = top_2(false, RankStrategy::Retract, Emission::NetPerStep);
    check(
        &spec,
        &CHANGES,
        &expect![[r#"
        +I | a | 30
        +I | a | 20
        --
        -D | a | 30
        -D | a | 20
        +I | a | 10
        +I | a | 5
    "#]],
    );
    let spec = top_2(true, RankStrategy::AppendFast, Emission::NetPerStep);
    check(
        &spec,
        &INSERTIONS,
        &expect![[r#"
        +I | a | 20 | 1
        +I | a | 10 | 2
        +I | b | 1 | 1
        --
        -U | a | 10 | 2
        +U | a | 15 | 2
    "#]],
    );
}
