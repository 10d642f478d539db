//! Keys come and go: a partition without rows and matches is forgotten.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, TimeUnit};

use super::operator::MatchRecognize;
use super::{Element, MatchSpec, Skip, Variable};
use crate::data::{Delta, text};
use crate::operators::{Operator as _, Output, StepContext};

/// PATTERN (A B) by key, any rows.
fn pairs(within_ms: Option<i64>) -> MatchSpec {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let element = |variable| Element {
        variable,
        min: 1,
        max: Some(1),
        is_greedy: false,
    };
    let variable = |name: &str| Variable {
        name: name.to_owned(),
        condition: None,
    };
    MatchSpec {
        input_schema: text::schema(&[("k", DataType::Int64), ("ts", time)]),
        partition_columns: vec![0],
        time_column: Some(1),
        sort_keys: vec![],
        elements: vec![element(0), element(1)],
        variables: vec![variable("A"), variable("B")],
        measures: vec![],
        skip: Skip::PastLastRow,
        within_ms,
        schema: text::schema(&[("k", DataType::Int64)]),
    }
}

fn push(operator: &mut MatchRecognize, rows: &[(i64, i64)], watermark_ms: i64) -> usize {
    let keys = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.1));
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(times)];
    let schema = Arc::clone(&operator.spec.input_schema);
    let delta = Delta::insert_only(RecordBatch::try_new(schema, columns).unwrap());
    let (ctx, mut out) = (StepContext::default(), Output::default());
    operator.push(0, delta, &ctx, &mut out).unwrap();
    operator.on_watermark(watermark_ms, &ctx, &mut out).unwrap();
    out.drain().iter().map(Delta::num_rows).sum()
}

#[test]
fn keys_of_complete_matches_are_forgotten() {
    let mut operator = MatchRecognize::try_new(&pairs(None)).unwrap();
    for key in 0..100 {
        let time_ms = key * 10;
        let n_found = push(
            &mut operator,
            &[(key, time_ms), (key, time_ms + 1)],
            time_ms + 1,
        );
        assert_eq!(n_found, 1);
    }
    assert_eq!(
        operator.partitions.len(),
        1,
        "one id is used again and again"
    );
    // One that is not complete stays.
    push(&mut operator, &[(500, 2_000)], 2_000);
    assert_eq!(push(&mut operator, &[(501, 2_001)], 2_001), 0);
    assert_eq!(push(&mut operator, &[(500, 2_002)], 2_002), 1);
}

#[test]
fn keys_of_overdue_matches_are_forgotten() {
    let mut operator = MatchRecognize::try_new(&pairs(Some(5))).unwrap();
    for key in 0..100 {
        assert_eq!(push(&mut operator, &[(key, key * 10)], key * 10 + 9), 0);
    }
    assert_eq!(operator.partitions.len(), 1);
    assert_eq!(push(&mut operator, &[(7, 2_000), (7, 2_004)], 2_004), 1);
    assert_eq!(push(&mut operator, &[(7, 3_000), (7, 3_005)], 3_005), 0);
}
