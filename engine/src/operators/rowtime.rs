//! Event times of rows, and which of them came too late.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};

use crate::data::NO_WATERMARK;
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

/// A row that waits for the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The time of the row.
    pub(super) time_ms: i64,
    /// The watermark in force when it came, if it came behind it.
    pub(super) arrival_ms: i64,
}

impl Waiting {
    /// Whether the row's timer has fired by the time a row arrives under `watermark_ms`. A row that
    /// came late has a timer in the past: it fires when the watermark advances next.
    pub(super) const fn has_fired(self, watermark_ms: i64) -> bool {
        watermark_ms != NO_WATERMARK
            && self.time_ms <= watermark_ms
            && (self.arrival_ms == NO_WATERMARK || self.arrival_ms < watermark_ms)
    }
}
