//! Timestamps that move by days to milliseconds: mostly a watermark, `ts - INTERVAL '5' SECOND`,
//! which is computed for every row of a table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowTimestampType, DataType, DurationMillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};

/// Milliseconds from the epoch that are certainly within the calendar.
const CALENDAR_MS: i64 = 8_000_000_000_000_000;

/// `timestamps` plus `sign` times `intervals`, number by number. None if that is not all there is to
/// it: for other types, clocks of a time zone, fewer digits than milliseconds have, and times at the
/// ends of the calendar.
pub(super) fn moved(timestamps: &ArrayRef, intervals: &ArrayRef, sign: i64) -> Option<ArrayRef> {
    let intervals = intervals.as_primitive_opt::<DurationMillisecondType>()?;
    match timestamps.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            moved_by::<TimestampMillisecondType>(timestamps, intervals, sign, 1)
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            moved_by::<TimestampMicrosecondType>(timestamps, intervals, sign, 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            moved_by::<TimestampNanosecondType>(timestamps, intervals, sign, 1_000_000)
        }
        _ => None,
    }
}

fn moved_by<T: ArrowTimestampType>(
    timestamps: &ArrayRef,
    intervals: &PrimitiveArray<DurationMillisecondType>,
    sign: i64,
    units: i64,
) -> Option<ArrayRef> {
    let timestamps = timestamps.as_primitive_opt::<T>()?;
    let limit = CALENDAR_MS.saturating_mul(units);
    let is_far = |value: i64| value.checked_abs().is_none_or(|value| value > limit);
    let mut ends = false;
    let sums = timestamps
        .iter()
        .zip(intervals)
        .map(|(timestamp, interval)| {
            let (timestamp, interval) = (timestamp?, interval?);
            let by = interval
                .checked_mul(sign)
                .and_then(|by| by.checked_mul(units));
            let sum = by.and_then(|by| timestamp.checked_add(by));
            ends |= is_far(timestamp) || sum.is_none_or(is_far);
            sum
        })
        .collect::<PrimitiveArray<T>>();
    (!ends).then(|| Arc::new(sums) as ArrayRef)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{DurationMillisecondArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn numbers_move_unless_the_calendar_ends() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
            Some(-1_500),
            None,
            Some(7),
        ]));
        let by: ArrayRef = Arc::new(DurationMillisecondArray::from(vec![Some(2), Some(1), None]));
        let later = moved(&times, &by, -1).unwrap();
        let later = later.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(
            later,
            &TimestampMicrosecondArray::from(vec![Some(-3_500), None, None])
        );
        let far: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, 0, 0]));
        assert!(moved(&far, &by, 1).is_none());
        let zoned: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![0; 3]).with_timezone("UTC"));
        assert!(moved(&zoned, &by, 1).is_none());
    }
}
