//! Every aggregate under random changes: what is left is what the rows that are left give.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;

use super::{AggregateCall, AggregateFunction};
use crate::data::{Delta, RowKind};
use crate::operators::{Emission, GroupAggregateSpec, OperatorFactory, Output, StepContext};
use crate::state::ttl::Retention;

/// Key, text, number, condition. Rows of a group that are equal in one are equal in all.
type Row = (i64, Option<&'static str>, Option<i32>, bool);

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }

    fn row(&mut self) -> Row {
        let place = usize::try_from(self.next(6)).unwrap();
        let text = [None, Some(""), Some("a"), Some("b"), Some("北"), Some("Z")];
        let number = [None, Some(-3), Some(0), Some(7), Some(12), Some(5)];
        let key = i64::try_from(self.next(3)).unwrap();
        (key, text[place], number[place], place % 2 == 0)
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("n", DataType::Int32, true),
        Field::new("f", DataType::Boolean, true),
    ]))
}

fn delta(changes: &[(RowKind, Row)]) -> Delta {
    let column = |values: Vec<ArrayRef>| RecordBatch::try_new(schema(), values).unwrap();
    let rows = || changes.iter().map(|(_, row)| *row);
    let batch = column(vec![
        Arc::new(rows().map(|row| Some(row.0)).collect::<Int64Array>()),
        Arc::new(rows().map(|row| row.1).collect::<StringArray>()),
        Arc::new(rows().map(|row| row.2).collect::<Int32Array>()),
        Arc::new(rows().map(|row| Some(row.3)).collect::<BooleanArray>()),
    ]);
    Delta::try_new(batch, changes.iter().map(|(kind, _)| *kind).collect()).unwrap()
}

fn call(
    function: AggregateFunction,
    argument: usize,
    constants: Vec<ScalarValue>,
    distinct: bool,
    filter: bool,
) -> AggregateCall {
    let schema = schema();
    let mut arguments: Vec<FieldRef> = vec![Arc::clone(&schema.fields()[argument])];
    for constant in &constants {
        arguments.push(Arc::new(Field::new("", constant.data_type(), true)));
    }
    let result = function.result_field(&arguments, false).unwrap();
    AggregateCall {
        function: function.into(),
        arguments: vec![argument],
        constants,
        filter: filter.then_some(3),
        distinct,
        result: Arc::new(result.with_nullable(true)),
    }
}

/// Each function over a type that it takes, alone, with DISTINCT, and with FILTER.
fn calls() -> Vec<AggregateCall> {
    use AggregateFunction as F;
    let half = || vec![ScalarValue::Float64(Some(0.4))];
    let functions = [
        (F::Count, 1, vec![]),
        (F::Sum, 2, vec![]),
        (F::SumZero, 2, vec![]),
        (F::Avg, 2, vec![]),
        (F::Min, 1, vec![]),
        (F::Max, 2, vec![]),
        (F::FirstValue, 1, vec![]),
        (F::LastValue, 2, vec![]),
        (F::ListAgg, 1, vec![ScalarValue::from("-")]),
        (
            F::ArrayAgg {
                ignore_nulls: false,
            },
            2,
            vec![],
        ),
        (F::ArrayAgg { ignore_nulls: true }, 1, vec![]),
        (F::Collect, 1, vec![]),
        (F::JsonArrayAgg { keep_nulls: true }, 1, vec![]),
        (F::JsonArrayAgg { keep_nulls: false }, 1, vec![]),
        (F::Percentile, 2, half()),
        (F::find("bitmap_build_agg").unwrap(), 2, vec![]),
        (F::find("bitmap_build_cardinality_agg").unwrap(), 2, vec![]),
    ];
    let mut calls = Vec::new();
    for (function, argument, constants) in functions {
        for (distinct, filter) in [(false, false), (true, false), (false, true), (true, true)] {
            calls.push(call(
                function,
                argument,
                constants.clone(),
                distinct,
                filter,
            ));
        }
    }
    calls
}

fn spec(emission: Emission, input_retracts: bool) -> GroupAggregateSpec {
    let calls = calls();
    let mut fields: Vec<FieldRef> = vec![Arc::clone(&schema().fields()[0])];
    fields.extend(calls.iter().map(|call| Arc::clone(&call.result)));
    GroupAggregateSpec {
        input_schema: schema(),
        group_columns: vec![0],
        calls,
        input_retracts,
        emission,
        update_before: true,
        emit_on_empty: false,
        retention: Retention::Configured,
        schema: Arc::new(Schema::new(fields)),
    }
}

/// The values of each group after these steps.
fn folded(
    spec: &GroupAggregateSpec,
    steps: &[Vec<(RowKind, Row)>],
    restores: bool,
) -> BTreeMap<String, Vec<String>> {
    let mut operator = spec.create(0, 1).unwrap();
    let mut out = Output::default();
    let mut groups = BTreeMap::new();
    for step in steps {
        let ctx = StepContext::default();
        if !step.is_empty() {
            operator.push(0, delta(step), &ctx, &mut out).unwrap();
        }
        operator.on_step_end(&ctx, &mut out).unwrap();
        for delta in out.drain() {
            for row_idx in 0..delta.num_rows() {
                let row: Vec<String> = (delta.batch().columns().iter())
                    .map(|column| array_value_to_string(column, row_idx).unwrap())
                    .collect();
                let key = row[0].clone();
                if delta.kind(row_idx).sign() > 0 {
                    assert_eq!(groups.insert(key, row), None);
                } else {
                    assert_eq!(
                        groups.remove(&key),
                        Some(row),
                        "what is taken back was there"
                    );
                }
            }
        }
        if restores {
            let tables = operator.save().unwrap();
            operator = spec.create(0, 1).unwrap();
            operator.restore(tables).unwrap();
        }
    }
    groups
}

#[test]
fn what_is_left_is_what_the_rows_that_are_left_give() {
    for seed in 1..5 {
        let mut numbers = Numbers(seed);
        let mut left: Vec<Row> = Vec::new();
        let mut steps = Vec::new();
        for _ in 0..40 {
            let mut step = Vec::new();
            for _ in 0..numbers.next(12) {
                if left.is_empty() || numbers.next(100) < 58 {
                    let row = numbers.row();
                    left.push(row);
                    step.push((RowKind::Insert, row));
                } else {
                    let place = numbers.next(left.len() as u64);
                    let row = left[usize::try_from(place).unwrap()];
                    // Aggregates take the earliest equal value back.
                    let earliest = left.iter().position(|other| *other == row).unwrap();
                    left.remove(earliest);
                    step.push((RowKind::Delete, row));
                }
            }
            steps.push(step);
        }
        let rows: Vec<_> = left.iter().map(|row| (RowKind::Insert, *row)).collect();
        let mut expected = folded(&spec(Emission::NetPerStep, false), &[rows], false);
        // The order of distinct values is that of their first coming, which is not that of the
        // rows that are left: their order is not compared.
        let calls = calls();
        let blind = |groups: &mut BTreeMap<String, Vec<String>>| {
            for row in groups.values_mut() {
                for (value, call) in row.iter_mut().skip(1).zip(&calls) {
                    let name = call.result.name();
                    if call.distinct && name.ends_with("_value") {
                        value.clear();
                    } else if call.distinct {
                        let mut letters: Vec<char> = value.chars().collect();
                        letters.sort_unstable();
                        *value = letters.into_iter().collect();
                    }
                }
            }
        };
        blind(&mut expected);
        for emission in [Emission::RowByRow, Emission::NetPerStep] {
            for restores in [false, true] {
                let mut found = folded(&spec(emission, true), &steps, restores);
                blind(&mut found);
                assert_eq!(found, expected, "{seed} {emission:?} {restores}");
            }
        }
    }
}
