//! A delta: a batch of changes to a table.
//!
//! It is an Arrow batch and, beside it, one [`RowKind`] a row; no kinds at all mean that every row
//! is `+I`, so append-only edges cost nothing. Its meaning is a Z-set: each row counts with the
//! sign of its kind, and a row that stands there twice counts twice.
//!
//! ```text
//!   kinds │ province │ n          the table before      after
//!    -U   │ 广东省   │ 1            广东省 1      ──▶    广东省 2
//!    +U   │ 广东省   │ 2                                 河北省 1
//!    +I   │ 河北省   │ 1
//! ```
//!
//! Where a row came later than event time allows, the delta also says for each row which watermark
//! was in force when it arrived: lateness then does not hang on how rows were cut into steps. And
//! it numbers the rows as they came: where a row of one input meets those of another, it may matter
//! which was there first.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;

use crate::data::RowKind;
use crate::error::{EngineError, Result};

/// The rows of `batch` at `indices`; right also for a batch without columns.
pub(crate) fn take_rows(batch: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch> {
    if batch.num_columns() == 0 {
        let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
        return Ok(RecordBatch::try_new_with_options(
            batch.schema(),
            Vec::new(),
            &options,
        )?);
    }
    Ok(take_record_batch(batch, indices)?)
}

/// A batch of changes.
#[derive(Debug, Clone)]
pub struct Delta {
    batch: RecordBatch,
    kinds: Option<Arc<[RowKind]>>,
    /// In milliseconds since the epoch; [`NO_WATERMARK`] before the first one.
    watermarks: Option<ScalarBuffer<i64>>,
    /// Numbers of the rows in the order in which their source sent them, within a step.
    arrivals: Option<ScalarBuffer<i64>>,
}

/// Stands for a watermark where there has been none yet: no row is late.
pub const NO_WATERMARK: i64 = i64::MIN;

/// A watermark behind an operator that holds rows back for so long; the end and what stands for
/// none stay what they are.
#[must_use]
pub fn delayed(watermark_ms: i64, delay_ms: i64) -> i64 {
    match watermark_ms {
        NO_WATERMARK | i64::MAX => watermark_ms,
        watermark_ms => watermark_ms.saturating_sub(delay_ms),
    }
}

impl Delta {
    /// Every row of `batch` is inserted.
    #[must_use]
    pub fn insert_only(batch: RecordBatch) -> Self {
        Self {
            batch,
            kinds: None,
            watermarks: None,
            arrivals: None,
        }
    }

    /// Changes with one kind a row. Kinds that are all `+I` are dropped.
    ///
    /// # Errors
    /// `Internal` if there are not as many kinds as rows.
    pub fn try_new(batch: RecordBatch, kinds: Vec<RowKind>) -> Result<Self> {
        if kinds.len() != batch.num_rows() {
            return Err(EngineError::internal(format!(
                "a delta of {} rows has {} row kinds",
                batch.num_rows(),
                kinds.len()
            )));
        }
        let insert_only = kinds.iter().all(|&kind| kind == RowKind::Insert);
        Ok(Self {
            batch,
            kinds: (!insert_only).then(|| kinds.into()),
            watermarks: None,
            arrivals: None,
        })
    }

    /// The changes of all deltas, one after the other; marks stay only if all have them. None without
    /// deltas.
    ///
    /// # Errors
    /// As `concat_batches`.
    pub fn concat(deltas: &[Self]) -> Result<Option<Self>> {
        let Some(first) = deltas.first() else {
            return Ok(None);
        };
        let batches = deltas.iter().map(Self::batch);
        let batch = concat_batches(&first.schema(), batches)?;
        let kinds = deltas
            .iter()
            .flat_map(|delta| (0..delta.num_rows()).map(|row_idx| delta.kind(row_idx)))
            .collect();
        let all = |marks: fn(&Self) -> Option<&ScalarBuffer<i64>>| {
            let marks = deltas
                .iter()
                .map(|delta| marks(delta).map(|it| it.to_vec()));
            let marks = marks.collect::<Option<Vec<_>>>();
            marks.map(|marks| marks.concat().into())
        };
        let delta = Self::try_new(batch, kinds)?
            .with_watermarks(all(Self::watermarks))?
            .with_arrivals(all(Self::arrivals))?;
        Ok(Some(delta))
    }

    /// The rows without their kinds.
    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The kinds, or `None` if every row is `+I`.
    #[must_use]
    pub fn kinds(&self) -> Option<&[RowKind]> {
        self.kinds.as_deref()
    }

    /// The kind of row `row_idx`.
    #[must_use]
    pub fn kind(&self, row_idx: usize) -> RowKind {
        self.kinds
            .as_ref()
            .and_then(|kinds| kinds.get(row_idx).copied())
            .unwrap_or(RowKind::Insert)
    }

    /// The watermark that was in force when each row arrived at its source, or `None` if no row
    /// of the batch is behind it.
    #[must_use]
    pub fn watermarks(&self) -> Option<&ScalarBuffer<i64>> {
        self.watermarks.as_ref()
    }

    /// The same changes with the watermarks that were in force when the rows arrived.
    ///
    /// # Errors
    /// `Internal` if there are not as many watermarks as rows.
    pub fn with_watermarks(self, watermarks: Option<ScalarBuffer<i64>>) -> Result<Self> {
        if watermarks
            .as_ref()
            .is_some_and(|watermarks| watermarks.len() != self.num_rows())
        {
            return Err(EngineError::internal(
                "a delta has not as many watermarks as rows",
            ));
        }
        Ok(Self { watermarks, ..self })
    }

    /// The numbers of the rows in the order in which their source sent them, within a step; `None`
    /// if nobody asked for them.
    #[must_use]
    pub fn arrivals(&self) -> Option<&ScalarBuffer<i64>> {
        self.arrivals.as_ref()
    }

    /// The same changes with numbers in the order of arrival.
    ///
    /// # Errors
    /// `Internal` if there are not as many numbers as rows.
    pub fn with_arrivals(self, arrivals: Option<ScalarBuffer<i64>>) -> Result<Self> {
        let n_rows = self.num_rows();
        if arrivals.as_ref().is_some_and(|all| all.len() != n_rows) {
            return Err(EngineError::internal(
                "a delta has not as many arrivals as rows",
            ));
        }
        Ok(Self { arrivals, ..self })
    }

    /// Number of rows.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    /// The same changes with other columns: `batch` has as many rows, in the same order.
    ///
    /// # Errors
    /// `Internal` if the number of rows differs.
    pub fn with_batch(&self, batch: RecordBatch) -> Result<Self> {
        if batch.num_rows() != self.num_rows() {
            return Err(EngineError::internal(
                "columns of a delta replaced by columns of another length",
            ));
        }
        Ok(Self {
            batch,
            kinds: self.kinds.clone(),
            watermarks: self.watermarks.clone(),
            arrivals: self.arrivals.clone(),
        })
    }

    /// The rows that are not `-U`: what a reader gets who knows rows by their keys.
    ///
    /// # Errors
    /// As [`Self::filter`].
    pub fn without_update_before(&self) -> Result<Self> {
        let is_wanted = |kind: &RowKind| *kind != RowKind::UpdateBefore;
        match self.kinds() {
            Some(kinds) if !kinds.iter().all(is_wanted) => {
                let mask: BooleanArray = kinds.iter().map(|kind| Some(is_wanted(kind))).collect();
                self.filter(&mask)
            }
            _ => Ok(self.clone()),
        }
    }

    /// The changes whose row is true in `mask`; NULL counts as false.
    ///
    /// # Errors
    /// As `filter_record_batch`.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let batch = filter_record_batch(&self.batch, mask)?;
        let is_kept = |row_idx: usize| !mask.is_null(row_idx) && mask.value(row_idx);
        let kept = |n_rows: usize| (0..n_rows.min(mask.len())).filter(|&row_idx| is_kept(row_idx));
        let marks = |marks: &ScalarBuffer<i64>| -> ScalarBuffer<i64> {
            kept(marks.len())
                .filter_map(|row_idx| marks.get(row_idx).copied())
                .collect()
        };
        let watermarks = self.watermarks.as_ref().map(marks);
        let arrivals = self.arrivals.as_ref().map(marks);
        let filtered = match &self.kinds {
            None => Self::insert_only(batch),
            Some(kinds) => {
                let kinds = kept(kinds.len())
                    .filter_map(|row_idx| kinds.get(row_idx).copied())
                    .collect();
                Self::try_new(batch, kinds)?
            }
        };
        filtered
            .with_watermarks(watermarks)?
            .with_arrivals(arrivals)
    }

    /// The changes at `indices`, in that order.
    ///
    /// # Errors
    /// As `take_record_batch`, and `Internal` if an index is out of range.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let batch = take_rows(&self.batch, indices)?;
        let out_of_range = || EngineError::internal("row index out of range");
        let marks = |marks: &Option<ScalarBuffer<i64>>| -> Result<Option<ScalarBuffer<i64>>> {
            let Some(marks) = marks else { return Ok(None) };
            let marks = taken(marks, indices).ok_or_else(out_of_range)?;
            Ok(Some(marks.into()))
        };
        let (watermarks, arrivals) = (marks(&self.watermarks)?, marks(&self.arrivals)?);
        let changes = match &self.kinds {
            None => Self::insert_only(batch),
            Some(kinds) => Self::try_new(batch, taken(kinds, indices).ok_or_else(out_of_range)?)?,
        };
        changes.with_watermarks(watermarks)?.with_arrivals(arrivals)
    }

    /// Rows `offset .. offset + length` without copying them.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self {
            batch: self.batch.slice(offset, length),
            kinds: self
                .kinds
                .as_ref()
                .map(|kinds| kinds.iter().skip(offset).take(length).copied().collect()),
            watermarks: self
                .watermarks
                .as_ref()
                .map(|watermarks| watermarks.slice(offset, length)),
            arrivals: self
                .arrivals
                .as_ref()
                .map(|arrivals| arrivals.slice(offset, length)),
        }
    }
}

fn taken<T: Copy>(values: &[T], indices: &UInt32Array) -> Option<Vec<T>> {
    indices
        .values()
        .iter()
        .map(|&row_idx| values.get(row_idx as usize).copied())
        .collect()
}
