//! Lookup joins: each left row with the rows that its table has for its key now.
//!
//! ```text
//!   left batch ─▶ keys, each once ─▶ LookupTable ─▶ filter, project ─▶ pairs ─▶ residual ─▶ rows
//!                                         ▲ │ none found: again after a while (LOOKUP hint)
//!                                         └─┘
//! ```
//!
//! Without state: what was found once is not taken back when the table changes. A row that is taken
//! back meets what the table has by then, as under Flink's `IGNORE` strategy. Rows leave in the
//! order in which they came, with their kinds.
//!
//! Source: `LookupJoinRunner` and `LookupJoinWithCalcRunner` of Flink 2.3. A key with NULL finds
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;

use super::join::Residual;
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::connectors::lookup::{Found, LookupTable};
use crate::data::Delta;
use crate::data::keys::canonical;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// A lookup join.
#[derive(Debug, Clone)]
pub struct LookupJoinSpec {
    /// The table, shared by the workers.
    pub table: Arc<dyn LookupTable>,
    /// What the table is asked for, key column by key column.
    pub keys: Vec<LookupKey>,
    /// What is done with the rows that were found.
    pub steps: Vec<LookupStep>,
    /// Whether left rows without a match stay, padded with NULL.
    pub is_left_outer: bool,
    /// The condition that a match must meet beside its key.
    pub residual: Option<Residual>,
    /// The columns of the left side that leave.
    pub left_output: Vec<usize>,
    /// Keys without rows are asked for again.
    pub retry: Option<LookupRetry>,
    /// The columns of the left side, then those of the last step.
    pub schema: SchemaRef,
}

/// Where the value of a key column comes from.
#[derive(Debug, Clone)]
pub enum LookupKey {
    /// A column of the left side.
    Column(usize),
    /// The same for all rows.
    Constant(ScalarValue),
}

/// A part of a Calc over the rows of the table.
#[derive(Debug, Clone)]
pub enum LookupStep {
    /// Only rows for which this is true go on.
    Filter(Arc<dyn PhysicalExpr>),
    /// These columns go on.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
}

/// The options `retry-…` of the LOOKUP hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupRetry {
    /// How long to wait before each attempt.
    pub delay: Duration,
    /// Attempts after the first one, at most.
    pub max_attempts: u32,
}

impl OperatorFactory for LookupJoinSpec {
    fn create(&self, worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(LookupJoin {
            spec: self.clone(),
            is_first: worker_idx == 0,
        }))
    }
}

struct LookupJoin {
    spec: LookupJoinSpec,
    /// The table counts as memory of one worker.
    is_first: bool,
}

impl Operator for LookupJoin {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.num_rows() == 0 {
            return Ok(());
        }
        let keys = self.keys(&delta)?;
        let distinct = Distinct::of(&keys, delta.num_rows())?;
        let found = self.find(&distinct.keys(&keys)?, ctx.processing_time_ms, out)?;
        let found = self.calculate(found)?;
        let (left, right) = self.pairs(&delta, &distinct, &found)?;
        if left.is_empty() {
            return Ok(());
        }
        let n_rows = left.len();
        let kept = delta.take(&left)?;
        let mut columns = Vec::with_capacity(self.spec.schema.fields().len());
        for &column in &self.spec.left_output {
            columns.push(column_of(kept.batch(), column)?);
        }
        // A table of which no column is wanted still has one, to count rows by.
        let n_right = self
            .spec
            .schema
            .fields()
            .len()
            .saturating_sub(columns.len());
        for column in found.rows.columns().iter().take(n_right) {
            columns.push(take(column, &right, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        out.emit(kept.with_batch(batch)?);
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        if self.is_first {
            self.spec.table.state_bytes()
        } else {
            0
        }
    }
}

impl LookupJoin {
    fn keys(&self, delta: &Delta) -> Result<Vec<ArrayRef>> {
        let key = |key: &LookupKey| match key {
            LookupKey::Column(column) => column_of(delta.batch(), *column),
            LookupKey::Constant(value) => Ok(value.to_array_of_size(delta.num_rows())?),
        };
        self.spec.keys.iter().map(key).collect()
    }

    /// The rows of the keys; those without any are asked for again if the query says so.
    fn find(&self, keys: &[ArrayRef], now_ms: i64, out: &Output) -> Result<Found> {
        let n_keys = keys.first().map_or(0, |column| column.len());
        let mut found = self.spec.table.look_up(keys, now_ms)?;
        let Some(retry) = self.spec.retry else {
            return Ok(found);
        };
        for _ in 0..retry.max_attempts {
            let mut has_rows = vec![false; n_keys];
            for &key in &found.key_of {
                if let Some(has_rows) = has_rows.get_mut(key as usize) {
                    *has_rows = true;
                }
            }
            let missing: UInt32Array = (0_u32..)
                .zip(&has_rows)
                .filter(|(_, has_rows)| !**has_rows)
                .map(|(key, _)| Some(key))
                .collect();
            if missing.is_empty() {
                break;
            }
            pause(retry.delay, out)?;
            let asked = keys
                .iter()
                .map(|column| Ok(take(column, &missing, None)?))
                .collect::<Result<Vec<ArrayRef>>>()?;
            let now_ms = now_ms.max(chrono::Utc::now().timestamp_millis());
            found = merged(found, self.spec.table.look_up(&asked, now_ms)?, &missing)?;
        }
        Ok(found)
    }

    /// Runs the table's side of the join over what was found.
    fn calculate(&self, found: Found) -> Result<Found> {
        let Found { mut rows, key_of } = found;
        let mut key_of = UInt32Array::from(key_of);
        for step in &self.spec.steps {
            match step {
                LookupStep::Filter(predicate) => {
                    let mask = predicate.evaluate(&rows)?.into_array(rows.num_rows())?;
                    let mask = as_boolean_array(&mask)?;
                    rows = filter_record_batch(&rows, mask)?;
                    key_of = arrow::compute::filter(&key_of, mask)?
                        .as_primitive()
                        .clone();
                }
                LookupStep::Project(exprs, schema) => {
                    let n_rows = rows.num_rows();
                    let columns = exprs
                        .iter()
                        .map(|expr| Ok(expr.evaluate(&rows)?.into_array(n_rows)?))
                        .collect::<Result<Vec<ArrayRef>>>()?;
                    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
                    let schema = Arc::clone(schema);
                    rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
                }
            }
        }
        Ok(Found {
            rows,
            key_of: key_of.values().to_vec(),
        })
    }

    /// Left rows and found rows that meet, by left row; no found row where there is none.
    fn pairs(
        &self,
        delta: &Delta,
        distinct: &Distinct,
        found: &Found,
    ) -> Result<(UInt32Array, UInt32Array)> {
        let starts = distinct.starts(&found.key_of);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (row_idx, key) in (0_u32..).zip(&distinct.key_of_row) {
            let Some(key) = key else { continue };
            let range = |place: u32| starts.get(place as usize).copied().unwrap_or(0);
            for found_idx in range(*key)..range(key + 1) {
                left.push(row_idx);
                right.push(found_idx);
            }
        }
        let (left, right) = (UInt32Array::from(left), UInt32Array::from(right));
        let (left, right) = match &self.spec.residual {
            Some(residual) => matching(residual, delta, found, &left, &right)?,
            None => (left, right),
        };
        if !self.spec.is_left_outer {
            return Ok((left, right));
        }
        let mut matches = left.values().iter().zip(right.values()).peekable();
        let (mut rows, mut partners) = (Vec::new(), Vec::new());
        for row_idx in 0..u32::try_from(delta.num_rows()).unwrap_or(u32::MAX) {
            let n_before = rows.len();
            while let Some((_, partner)) = matches.next_if(|(row, _)| **row == row_idx) {
                rows.push(row_idx);
                partners.push(Some(*partner));
            }
            if rows.len() == n_before {
                rows.push(row_idx);
                partners.push(None);
            }
        }
        Ok((UInt32Array::from(rows), UInt32Array::from(partners)))
    }
}

/// The pairs that meet the rest of the condition.
fn matching(
    residual: &Residual,
    delta: &Delta,
    found: &Found,
    left: &UInt32Array,
    right: &UInt32Array,
) -> Result<(UInt32Array, UInt32Array)> {
    if left.is_empty() {
        return Ok((left.clone(), right.clone()));
    }
    let columns = residual
        .columns
        .iter()
        .map(|read| {
            let (rows, places) = match read.port {
                0 => (delta.batch(), left),
                _ => (&found.rows, right),
            };
            Ok(take(&column_of(rows, read.column)?, places, None)?)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(left.len()));
    let schema = Arc::clone(&residual.schema);
    let pairs = RecordBatch::try_new_with_options(schema, columns, &options)?;
    let mask = residual
        .condition
        .evaluate(&pairs)?
        .into_array(left.len())?;
    let mask = as_boolean_array(&mask)?;
    let kept = |places: &UInt32Array| -> Result<UInt32Array> {
        Ok(arrow::compute::filter(places, mask)?.as_primitive().clone())
    };
    Ok((kept(left)?, kept(right)?))
}

/// The keys of a batch, each once.
struct Distinct {
    /// For each key the first row that has it.
    rows: Vec<u32>,
    /// For each row its key; none if it has NULL in it.
    key_of_row: Vec<Option<u32>>,
}

impl Distinct {
    fn of(keys: &[ArrayRef], n_rows: usize) -> Result<Self> {
        let fields = keys
            .iter()
            .map(|column| SortField::new(column.data_type().clone()))
            .collect();
        let converter = RowConverter::new(fields)?;
        let columns: Vec<ArrayRef> = keys.iter().map(canonical).collect();
        let bytes = converter.convert_columns(&columns)?;
        let mut known = HashMap::new();
        let (mut rows, mut key_of_row) = (Vec::new(), Vec::with_capacity(n_rows));
        for (row_idx, key) in (0_u32..).zip(&bytes) {
            if keys.iter().any(|column| column.is_null(row_idx as usize)) {
                key_of_row.push(None);
                continue;
            }
            let next = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            let key = *known.entry(key).or_insert(next);
            if key == next {
                rows.push(row_idx);
            }
            key_of_row.push(Some(key));
        }
        Ok(Self { rows, key_of_row })
    }

    fn keys(&self, keys: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let rows = UInt32Array::from(self.rows.clone());
        keys.iter()
            .map(|column| Ok(take(column, &rows, None)?))
            .collect()
    }

    /// Where the rows of each key begin, and the end behind the last one.
    fn starts(&self, key_of: &[u32]) -> Vec<u32> {
        let n_keys = self.rows.len();
        let mut starts = vec![0_u32; n_keys + 1];
        for &key in key_of {
            if let Some(count) = starts.get_mut(key as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        starts
    }
}

/// Both answers, by key; the keys of `second` stand at `places` among all.
fn merged(first: Found, second: Found, places: &UInt32Array) -> Result<Found> {
    if second.key_of.is_empty() {
        return Ok(first);
    }
    let schema = first.rows.schema();
    let all = concat_batches(&schema, [&first.rows, &second.rows])?;
    let place = |key: &u32| places.values().get(*key as usize).copied();
    let later = second.key_of.iter().map(place);
    let keys = first.key_of.iter().copied().map(Some).chain(later);
    let keys = keys
        .collect::<Option<Vec<u32>>>()
        .ok_or_else(|| EngineError::internal("a lookup answers for a key it was not asked for"))?;
    let mut order: Vec<u32> = (0..u32::try_from(keys.len()).unwrap_or(u32::MAX)).collect();
    let key_at = |row: &u32| keys.get(*row as usize).copied();
    order.sort_by_key(key_at);
    let key_of = order.iter().filter_map(key_at).collect();
    let rows = arrow::compute::take_record_batch(&all, &UInt32Array::from(order))?;
    Ok(Found { rows, key_of })
}

/// Waits, but not longer than the job runs.
fn pause(delay: Duration, out: &Output) -> Result<()> {
    const SLICE: Duration = Duration::from_millis(20);
    let until = std::time::Instant::now() + delay;
    loop {
        out.require_room(0)?;
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}

fn column_of(batch: &RecordBatch, column: usize) -> Result<ArrayRef> {
    batch
        .columns()
        .get(column)
        .cloned()
        .ok_or_else(|| EngineError::internal("a lookup join reads a missing column"))
}
