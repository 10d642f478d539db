//! The two emission modes of a group aggregate tell the same story: after every step the net
//! changes and the row-by-row changes have led to the same table, and row by row in one batch is
//! row by row in steps of one row.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use tidemill_engine::data::{Delta, text};
use tidemill_engine::functions::accumulators::{AggregateCall, AggregateFunction};
use tidemill_engine::operators::{
    Emission, GroupAggregateSpec, Operator, OperatorFactory, Output, StepContext,
};
use tidemill_engine::state::ttl::Retention;
use tidemill_tests::changes::{changes, history, schema, split};
use tidemill_tests::oracle::{Bag, fold};

fn spec(group_columns: &[usize], emission: Emission) -> GroupAggregateSpec {
    use AggregateFunction::{Avg, Count, Max, Min, Sum};
    let input = schema();
    let calls: Vec<AggregateCall> = [
        (Count, None, None, false),
        (Count, Some(1), None, true),
        (Sum, Some(2), Some(5), false),
        (Avg, Some(4), None, true),
        (Min, Some(1), None, false),
        (Max, Some(3), Some(5), false),
    ]
    .into_iter()
    .map(|(function, argument, filter, distinct)| {
        let argument_type = argument.map(|column: usize| input.field(column).data_type());
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
    let mut columns: Vec<(&str, DataType)> = group_columns
        .iter()
        .map(|&column| {
            let field = input.field(column);
            (field.name().as_str(), field.data_type().clone())
        })
        .collect();
    for call in &calls {
        columns.push((call.result.name(), call.result.data_type().clone()));
    }
    GroupAggregateSpec {
        input_schema: Arc::clone(&input),
        group_columns: group_columns.to_vec(),
        schema: text::schema(&columns),
        calls,
        input_retracts: true,
        emission,
        update_before: true,
        emit_on_empty: false,
        retention: Retention::Configured,
    }
}

fn step(operator: &mut dyn Operator, number: usize, delta: &Delta) -> Vec<Delta> {
    let ctx = StepContext {
        step: number as u64,
        ..StepContext::default()
    };
    let mut out = Output::default();
    operator.push(0, delta.clone(), &ctx, &mut out).unwrap();
    operator.on_step_end(&ctx, &mut out).unwrap();
    out.drain()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn net_and_row_by_row_lead_to_the_same_tables(
        changes in changes(120),
        step_rows in prop_oneof![Just(1_usize), Just(7), Just(40)],
    ) {
        let history = history(&changes).unwrap();
        // No column, one word, one text, two words, words and text.
        for group_columns in [&[][..], &[0], &[1], &[0, 5], &[1, 0]] {
            let mut net = spec(group_columns, Emission::NetPerStep).create(0, 1).unwrap();
            let mut rows = spec(group_columns, Emission::RowByRow).create(0, 1).unwrap();
            let mut single = spec(group_columns, Emission::RowByRow).create(0, 1).unwrap();
            let (mut net_bag, mut row_bag) = (Bag::new(), Bag::new());
            for (number, delta) in split(&history.delta, step_rows).iter().enumerate() {
                for change in step(net.as_mut(), number, delta) {
                    fold(&mut net_bag, &change).unwrap();
                }
                let changelog = step(rows.as_mut(), number, delta);
                for change in &changelog {
                    fold(&mut row_bag, change).unwrap();
                }
                prop_assert_eq!(&net_bag, &row_bag);
                let mut one_by_one = Vec::new();
                for row in split(delta, 1).iter() {
                    one_by_one.extend(step(single.as_mut(), number, row));
                }
                prop_assert_eq!(
                    text::print_deltas(&changelog).unwrap(),
                    text::print_deltas(&one_by_one).unwrap()
                );
            }
        }
    }
}
