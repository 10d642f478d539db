//! Event times of rows, and which of them came too late.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};

use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};

/// The times of all rows in milliseconds since the epoch.
///
/// # Errors
/// `Data` for a row without a time.
pub(super) fn times_of(batch: &RecordBatch, column: usize) -> Result<ScalarBuffer<i64>> {
    let column = batch
        .columns()
        .get(column)
        .ok_or_else(|| EngineError::internal("a rowtime is a missing column"))?;
    if column.null_count() > 0 {
        return Err(EngineError::Data {
            message:
                "RowTime field should not be null, please convert it to a non-null long value."
                    .to_owned(),
        });
    }
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        other => {
            return Err(EngineError::internal(format!("a rowtime of type {other}")));
        }
    };
    let column = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
    Ok(column
        .as_primitive::<TimestampMillisecondType>()
        .values()
        .clone())
}

/// When a row came: where that is known, what it causes came at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    /// The watermark of its source that was in force.
    watermark_ms: i64,
    /// Its number in the step.
    arrival: i64,
}

impl Cause {
    const UNKNOWN: Self = Self {
        watermark_ms: NO_WATERMARK,
        arrival: i64::MIN,
    };

    /// When row `row_idx` of `delta` came; none if that is not known.
    pub(super) fn of(delta: &Delta, row_idx: usize) -> Option<Self> {
        Some(Self {
            watermark_ms: *delta.watermarks()?.get(row_idx)?,
            arrival: *delta.arrivals()?.get(row_idx)?,
        })
    }
}

/// `delta`, whose rows say when what has caused them came; as it is if nobody knows.
///
/// # Errors
/// `Internal` if there are not as many causes as rows.
pub(super) fn marked(delta: Delta, causes: &[Option<Cause>]) -> Result<Delta> {
    if causes.iter().all(Option::is_none) {
        return Ok(delta);
    }
    let causes = || causes.iter().map(|cause| cause.unwrap_or(Cause::UNKNOWN));
    let watermarks = causes().map(|cause| cause.watermark_ms).collect();
    let arrivals = causes().map(|cause| cause.arrival).collect();
    delta
        .with_watermarks(Some(watermarks))?
        .with_arrivals(Some(arrivals))
}

/// A row that waits for the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The time of the row.
    pub(super) time_ms: i64,
    /// The watermark in force when it came, if it came behind it.
    pub(super) arrival_ms: i64,
}

impl Waiting {
    /// Whether the row came behind the watermark; one with its very time is still in time.
    pub(super) const fn is_behind(self) -> bool {
        self.arrival_ms != NO_WATERMARK && self.time_ms < self.arrival_ms
    }

    /// Whether the row's timer has fired by the time a row arrives under `watermark_ms`. A row that
    /// came late has a timer in the past: it fires when the watermark advances next.
    pub(super) const fn has_fired(self, watermark_ms: i64) -> bool {
        watermark_ms != NO_WATERMARK
            && self.time_ms <= watermark_ms
            && (self.arrival_ms == NO_WATERMARK || self.arrival_ms < watermark_ms)
    }
}
