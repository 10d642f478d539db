//! OVERLAPS, and the time between two times: `(a - b) DAY`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, DurationMillisecondArray, IntervalYearMonthArray};
use chrono::NaiveDateTime;

use super::{add, amount, local, months_between};
use crate::error::Result;
use crate::functions::define::Call;

/// `(s, e) OVERLAPS (s, e)`, where an end may be an interval: each period in order of time, both
/// ends included. Unknown ends make the comparison unknown, not the whole.
pub(super) fn overlaps(call: &Call) -> Result<ArrayRef> {
    let values: BooleanArray = (0..call.n_rows)
        .map(|row| {
            let (first_start, first_end) = period(call, 0, row);
            let (second_start, second_end) = period(call, 2, row);
            both(
                is_at_least(first_end, second_start),
                is_at_least(second_end, first_start),
            )
        })
        .collect();
    Ok(Arc::new(values))
}

type Clock = Option<NaiveDateTime>;

fn period(call: &Call, index: usize, row: usize) -> (Clock, Clock) {
    let start = local(call, index, row);
    let end = match amount(call, index + 1, row) {
        Some((months, millis)) => start.and_then(|start| add(start, months, millis)),
        None => local(call, index + 1, row),
    };
    match (start, end) {
        (Some(from), Some(to)) if from <= to => (start, end),
        _ => (end, start),
    }
}

fn is_at_least(left: Clock, right: Clock) -> Option<bool> {
    Some(left? >= right?)
}

fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// `(a - b) MONTH`: the whole months from b to a.
pub(super) fn elapsed_months(call: &Call) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<i32, IntervalYearMonthArray>(
        |row| {
            let (to, from) = (local(call, 0, row)?, local(call, 1, row)?);
            i32::try_from(months_between(from, to)).ok()
        },
    )))
}

/// `(a - b) DAY`: the time from b to a.
pub(super) fn elapsed_millis(call: &Call) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<i64, DurationMillisecondArray>(
        |row| {
            let (to, from) = (local(call, 0, row)?, local(call, 1, row)?);
            Some((to - from).num_milliseconds())
        },
    )))
}
