//! Operators of event time, saved and taken up again between any two steps: nothing changes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{
    Firing, GroupRole, SessionTvfSpec, SliceOrder, WindowAggregateSpec, WindowBatchSpec,
    WindowClock, WindowInput, WindowKind, WindowTime, WindowTvfSpec, slice_of,
};
use crate::data::{Delta, NO_WATERMARK};
use crate::functions::accumulators::{AggregateCall, AggregateFunction, Callee};
use crate::operators::{
    Emission, IntervalJoinSpec, JoinInput, JoinKind, JoinSpec, OperatorFactory, Output,
    StepContext, TemporalJoinSpec,
};
use crate::state::ttl::Retention;

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
const TUMBLE: WindowKind = WindowKind::Tumble {
    size_ms: 10,
    offset_ms: 0,
};

fn fields(names: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
    Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()))
}

/// `k`, `ts`, `v`.
fn events() -> SchemaRef {
    fields(&[
        ("k", DataType::Int64),
        ("ts", TIMESTAMP),
        ("v", DataType::Int64),
    ])
}

fn with_window(schema: &SchemaRef) -> SchemaRef {
    let mut all = schema.fields().to_vec();
    for name in ["window_start", "window_end", "window_time"] {
        all.push(Arc::new(Field::new(name, TIMESTAMP, false)));
    }
    Arc::new(Schema::new(all))
}

fn rows(events: &[(i64, i64, i64)]) -> Delta {
    let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let times: TimestampMillisecondArray = events.iter().map(|event| Some(event.1)).collect();
    let columns: Vec<ArrayRef> = vec![
        column(events.iter().map(|event| event.0).collect()),
        Arc::new(times),
        column(events.iter().map(|event| event.2).collect()),
    ];
    Delta::insert_only(RecordBatch::try_new(self::events(), columns).unwrap())
}

/// Steps of both ports and the watermark behind them.
type Step = (Vec<(i64, i64, i64)>, Vec<(i64, i64, i64)>, i64);

fn steps() -> Vec<Step> {
    vec![
        (vec![(1, 3, 1), (2, 4, 2)], vec![(1, 2, 10)], 4),
        (vec![(1, 8, 3)], vec![(2, 5, 20), (2, 9, 30)], 7),
        (vec![(3, 12, 4), (1, 13, 5)], vec![], 11),
        (vec![], vec![(1, 14, 40), (3, 15, 50)], 14),
        (vec![(2, 25, 6)], vec![(2, 24, 60)], 24),
        (vec![], vec![], i64::MAX),
    ]
}

/// What comes out, step by step; with `restores` the operator is saved and made anew between steps.
fn run(
    factory: &dyn OperatorFactory,
    n_ports: usize,
    adapt: &dyn Fn(Delta) -> Delta,
    restores: bool,
) -> Vec<String> {
    let mut operator = factory.create(0, 1).unwrap();
    let mut out = Output::default();
    let mut texts = Vec::new();
    let mut before_ms = NO_WATERMARK;
    for (number, (left, right, watermark_ms)) in (1_u64..).zip(steps()) {
        let ctx = StepContext {
            step: number,
            watermark_ms: before_ms,
            has_one_source: true,
            ..StepContext::default()
        };
        for (port, events) in [left, right].into_iter().enumerate().take(n_ports) {
            if !events.is_empty() {
                let delta = adapt(rows(&events));
                operator.push(port, delta, &ctx, &mut out).unwrap();
            }
        }
        operator.on_watermark(watermark_ms, &ctx, &mut out).unwrap();
        operator.on_step_end(&ctx, &mut out).unwrap();
        before_ms = watermark_ms;
        for delta in out.drain() {
            let batch = delta.batch();
            for row in 0..batch.num_rows() {
                let values: Vec<String> = batch
                    .columns()
                    .iter()
                    .map(|column| arrow::util::display::array_value_to_string(column, row).unwrap())
                    .collect();
                texts.push(format!("{number}: {}", values.join(" | ")));
            }
        }
        if restores {
            let tables = operator.save().unwrap();
            operator = factory.create(0, 1).unwrap();
            operator.restore(tables).unwrap();
        }
    }
    texts.sort();
    texts
}

fn check(factory: &dyn OperatorFactory, n_ports: usize, adapt: &dyn Fn(Delta) -> Delta) {
    let straight = run(factory, n_ports, adapt, false);
    assert!(straight.len() > 3, "{straight:?}");
    assert_eq!(run(factory, n_ports, adapt, true), straight);
}

fn tumbled(delta: Delta) -> Delta {
    windowed(TUMBLE, delta)
}

fn windowed(kind: WindowKind, delta: Delta) -> Delta {
    let spec = WindowTvfSpec {
        kind,
        time_column: 1,
        clock: WindowClock::Wall,
        schema: with_window(&events()),
    };
    let mut out = Output::default();
    let mut operator = spec.create(0, 1).unwrap();
    let ctx = StepContext::default();
    operator.push(0, delta, &ctx, &mut out).unwrap();
    out.drain().remove(0)
}

fn input(schema: SchemaRef) -> JoinInput {
    JoinInput {
        output: (0..schema.fields().len()).collect(),
        schema,
        key_columns: vec![0],
        retracts: false,
    }
}

fn joined(schema: &SchemaRef) -> SchemaRef {
    let both = schema.fields().iter().chain(schema.fields());
    let nullable = both.map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(nullable.collect::<Vec<_>>()))
}

fn aggregate(kind: WindowKind, slices: Option<SliceOrder>) -> WindowAggregateSpec {
    let call = |function, arguments: Vec<usize>, distinct| AggregateCall {
        function: Callee::BuiltIn(function),
        arguments,
        constants: vec![],
        filter: None,
        distinct,
        result: Arc::new(Field::new("r", DataType::Int64, true)),
    };
    let integer = |name| (name, DataType::Int64);
    let mut columns = vec![integer("k"), ("ws", TIMESTAMP), ("we", TIMESTAMP)];
    columns.extend(["c", "s", "d", "m"].map(integer));
    WindowAggregateSpec {
        input_schema: with_window(&events()),
        group_columns: vec![
            (0, GroupRole::Key),
            (3, GroupRole::Start),
            (4, GroupRole::End),
        ],
        kind,
        clock: WindowClock::Wall,
        time: WindowTime::Event,
        calls: vec![
            call(AggregateFunction::Count, vec![], false),
            call(AggregateFunction::Sum, vec![2], false),
            call(AggregateFunction::Sum, vec![2], true),
            call(AggregateFunction::Max, vec![2], false),
        ],
        slices,
        firing: None,
        input_retracts: false,
        schema: fields(&columns),
    }
}

#[test]
fn aggregates_of_windows() {
    check(&aggregate(TUMBLE, None), 1, &tumbled);
}

#[test]
fn windows_that_fire_before_and_after_their_end() {
    for (early_ms, late_ms) in [
        (Some(0), None),
        (None, Some(0)),
        (Some(0), Some(0)),
        (Some(3), Some(2)),
    ] {
        for emission in [Emission::RowByRow, Emission::NetPerStep] {
            let mut spec = aggregate(TUMBLE, None);
            spec.firing = Some(Firing {
                early_ms,
                late_ms,
                lateness_ms: late_ms.map_or(0, |_| 7),
                emission,
            });
            check(&spec, 1, &tumbled);
        }
    }
}

#[test]
fn slices_put_together_are_windows() {
    let (size_ms, offset_ms) = (12, 1);
    for kind in [
        WindowKind::Hop {
            slide_ms: 4,
            size_ms,
            offset_ms,
        },
        // Slices are shorter than the slide.
        WindowKind::Hop {
            slide_ms: 8,
            size_ms,
            offset_ms,
        },
        // With gaps, in which rows are lost.
        WindowKind::Hop {
            slide_ms: 18,
            size_ms,
            offset_ms,
        },
        WindowKind::Cumulate {
            step_ms: 3,
            size_ms,
            offset_ms,
        },
    ] {
        let slice = slice_of(kind).unwrap();
        let in_slices = |delta| windowed(slice, delta);
        let shared = aggregate(kind, Some(SliceOrder::LatestFirst));
        check(&shared, 1, &in_slices);
        let expanded = run(
            &aggregate(kind, None),
            1,
            &|delta| windowed(kind, delta),
            false,
        );
        assert_eq!(run(&shared, 1, &in_slices, false), expanded, "{kind}");
    }
}

#[test]
fn sessions() {
    let spec = SessionTvfSpec {
        gap_ms: 5,
        time_column: 1,
        key_columns: vec![0],
        clock: WindowClock::Wall,
        time: WindowTime::Event,
        input_schema: events(),
        schema: with_window(&events()),
    };
    check(&spec, 1, &|delta| delta);
}

#[test]
fn aggregates_of_sessions() {
    let kind = WindowKind::Session { gap_ms: 5 };
    let spec = aggregate(kind, Some(SliceOrder::LatestFirst));
    let alone = |delta| windowed(kind, delta);
    check(&spec, 1, &alone);
    let in_short = |text: &String| text.replace("1970-01-01T00:00:", "");
    let told: Vec<String> = run(&spec, 1, &alone, true).iter().map(in_short).collect();
    assert_eq!(
        told,
        [
            "3: 2 | 00.004 | 00.009 | 1 | 2 | 2 | 2",
            "5: 1 | 00.003 | 00.018 | 3 | 9 | 9 | 5",
            "5: 3 | 00.012 | 00.017 | 1 | 4 | 4 | 4",
            "6: 2 | 00.025 | 00.030 | 1 | 6 | 6 | 6",
        ]
    );
}

#[test]
fn joins_of_windows() {
    let schema = with_window(&events());
    let mut side = input(Arc::clone(&schema));
    side.key_columns = vec![0, 4];
    let join = JoinSpec {
        kind: JoinKind::Full,
        left: side.clone(),
        right: side,
        unique: [None, None],
        nulls_equal: false,
        residual: None,
        retention: [Retention::Configured; 2],
        emission: Emission::NetPerStep,
        schema: joined(&schema),
    };
    let port = WindowInput {
        schema,
        end_column: 4,
        key_columns: vec![0, 4],
    };
    let spec = WindowBatchSpec {
        inputs: vec![port.clone(), port],
        clock: WindowClock::Wall,
        latest_first: false,
        inner: Arc::new(join),
    };
    check(&spec, 2, &tumbled);
}

#[test]
fn joins_by_time() {
    let spec = IntervalJoinSpec {
        kind: JoinKind::Full,
        left: input(events()),
        right: input(events()),
        time_columns: [1, 1],
        lower_ms: -3,
        upper_ms: 4,
        time: WindowTime::Event,
        nulls_equal: false,
        residual: None,
        schema: joined(&events()),
    };
    assert_eq!(spec.watermark_delay_ms(), 4);
    check(&spec, 2, &|delta| delta);
}

#[test]
fn joins_with_versions() {
    let spec = TemporalJoinSpec {
        is_left_outer: true,
        left: input(events()),
        right: input(events()),
        time_columns: [1, 1],
        residual: None,
        schema: joined(&events()),
    };
    check(&spec, 2, &|delta| delta);
}
