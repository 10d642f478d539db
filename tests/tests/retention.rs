//! The sides of a join are forgotten each by its own time: a row has a pair if the row of the other
//! side that came before it is still kept, whatever the times of its own side and of the
//! configuration, in both emission modes and also after restarts.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use proptest::prelude::*;
use tidemill_engine::data::text;
use tidemill_engine::operators::{
    Emission, JoinInput, JoinKind, JoinSpec, Operator, OperatorFactory, Output, StepContext,
};
use tidemill_engine::state::ttl::Retention;

/// A row that comes: after so many milliseconds, on this port, with this key.
type Arrival = (i64, usize, u8);

fn input(names: [&str; 2]) -> SchemaRef {
    text::schema(&names.map(|name| (name, DataType::Int64)))
}

fn side(names: [&str; 2]) -> JoinInput {
    JoinInput {
        schema: input(names),
        key_columns: vec![0],
        output: vec![1],
        retracts: true,
    }
}

fn spec(emission: Emission, retention: [Retention; 2]) -> JoinSpec {
    let columns = [
        input(["k", "n"]).field(1).clone(),
        input(["k", "m"]).field(1).clone(),
    ];
    JoinSpec {
        kind: JoinKind::Inner,
        left: side(["k", "n"]),
        right: side(["k", "m"]),
        unique: [None, None],
        nulls_equal: false,
        residual: None,
        emission,
        retention,
        schema: Arc::new(Schema::new(columns.to_vec())),
    }
}

/// What the join sends when each arrival is a step, as sorted lines; the value of a row is its
/// number. `restarts` begins each step from what the one before saved.
fn joined(
    spec: &JoinSpec,
    arrivals: &[Arrival],
    configured_ms: Option<i64>,
    restarts: bool,
) -> Vec<String> {
    let mut operator: Box<dyn Operator> = spec.create(0, 1).unwrap();
    let mut out = Output::default();
    let mut now_ms = 0;
    let mut lines = Vec::new();
    for (number, &(after_ms, port, key)) in arrivals.iter().enumerate() {
        now_ms += after_ms;
        let ctx = StepContext {
            processing_time_ms: now_ms,
            state_ttl_ms: configured_ms,
            ..StepContext::default()
        };
        let row = format!("+I | {key} | {number}");
        let delta = text::parse_delta(&input(["k", "v"]), &row).unwrap();
        operator.push(port, delta, &ctx, &mut out).unwrap();
        operator.on_step_end(&ctx, &mut out).unwrap();
        let text = text::print_deltas(&out.drain()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
        if restarts {
            let tables = operator.save().unwrap();
            operator = spec.create(0, 1).unwrap();
            operator.restore(tables).unwrap();
        }
    }
    lines.sort();
    lines
}

fn expected(arrivals: &[Arrival], ttls_ms: [Option<i64>; 2]) -> Vec<String> {
    let mut now_ms = 0;
    let mut kept: Vec<(i64, usize, u8)> = Vec::new();
    let mut lines = Vec::new();
    for (number, &(after_ms, port, key)) in arrivals.iter().enumerate() {
        now_ms += after_ms;
        for (other, &(came_ms, other_port, other_key)) in kept.iter().enumerate() {
            let lives = ttls_ms[other_port].is_none_or(|ttl_ms| now_ms < came_ms + ttl_ms);
            if other_port != port && other_key == key && lives {
                let (left, right) = if port == 0 {
                    (number, other)
                } else {
                    (other, number)
                };
                lines.push(format!("+I | {left} | {right}"));
            }
        }
        kept.push((now_ms, port, key));
    }
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sides_of_a_join_are_forgotten_by_their_own_times(
        arrivals in prop::collection::vec((0_i64..30, 0_usize..2, 0_u8..3), 0..60),
        times in [0_u8..4, 0_u8..4],
        configured_ms in prop_oneof![Just(None), Just(Some(25_i64))],
    ) {
        let retention = times.map(|time| match time {
            0 => Retention::Configured,
            1 => Retention::ForEver,
            2 => Retention::Millis(1),
            _ => Retention::Millis(60),
        });
        let ttls_ms = retention.map(|it| it.ttl_ms(configured_ms));
        for emission in [Emission::RowByRow, Emission::NetPerStep] {
            for restarts in [false, true] {
                prop_assert_eq!(
                    joined(&spec(emission, retention), &arrivals, configured_ms, restarts),
                    expected(&arrivals, ttls_ms)
                );
            }
        }
    }
}
