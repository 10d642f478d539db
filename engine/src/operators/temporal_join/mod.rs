//! Event-time temporal joins: each left row with the version of its right row that held at its time.
//!
//! ```text
//!   right key a   v1 @ 3 ──────── v2 @ 7 ───────▶     versions by time
//!   left  key a          • @ 5           • @ 9        wait for the watermark, then: v1, v2
//! ```
//!
//! A left row waits until the watermark has passed its time: then all versions up to it are known.
//! Versions that no row can ask for any more are forgotten, all but the last one of each key. A
//! version that came when the watermark had passed a left row's time already is not the row's, even
//! if both came in one step. A left row that came too late waits for the next watermark, and meets
//! what is still there then.
//!
//! Under a time to live a key is forgotten when nothing happens to it (`retention`).
//!
//! Source: `TemporalRowTimeJoinOperator` of Flink 2.3.

mod retention;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt8Array, UInt32Array,
    new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{Int64Type, SchemaRef, UInt8Type};

use retention::Retention;

use super::join::{JoinInput, Residual};
use super::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::window::aggregate::state_batch;
use crate::operators::window::assign::millis;
use crate::state::{KeyIndex, RowStore, StateTable};

/// A temporal join.
#[derive(Debug, Clone)]
pub struct TemporalJoinSpec {
    /// Whether left rows without a version stay, padded with NULL.
    pub is_left_outer: bool,
    /// The rows.
    pub left: JoinInput,
    /// The versions: insertions and updates, of which what was before is not looked at.
    pub right: JoinInput,
    /// Columns of the times, by port.
    pub time_columns: [usize; 2],
    /// The condition that a version must meet beside its key.
    pub residual: Option<Residual>,
    /// The output columns of the left side, then those of the right side.
    pub schema: SchemaRef,
}

impl OperatorFactory for TemporalJoinSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(TemporalJoin {
            index: KeyIndex::of_columns(&self.left.schema, &self.left.key_columns)?,
            versions: Vec::new(),
            n_waiting: Vec::new(),
            waiting: BTreeMap::new(),
            changed: BTreeMap::new(),
            left: RowStore::new(Arc::clone(&self.left.schema)),
            right: RowStore::new(Arc::clone(&self.right.schema)),
            retention: Retention::default(),
            spec: self.clone(),
        }))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::Rows
    }
}

struct TemporalJoin {
    spec: TemporalJoinSpec,
    index: KeyIndex,
    /// The versions of each key, by time; of equal times the last one came last.
    versions: Vec<Vec<Version>>,
    /// Left rows of each key that wait.
    n_waiting: Vec<u32>,
    /// Left rows by time, in order of arrival.
    waiting: BTreeMap<i64, Vec<Waiting>>,
    /// Keys with a version of that time: to be looked through when it has passed.
    changed: BTreeMap<i64, BTreeSet<u32>>,
    left: RowStore,
    right: RowStore,
    /// Under a time to live.
    retention: Retention,
}

#[derive(Debug, Clone, Copy)]
struct Version {
    time_ms: i64,
    slot: u32,
    /// From then on there is no row.
    is_deletion: bool,
    /// In force when it came.
    watermark_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// None if it has NULL in its key.
    key: Option<u32>,
    slot: u32,
    kind: RowKind,
    watermark_ms: i64,
}

const TABLES: [&str; 2] = ["left", "right"];
/// Keys and the times at which they are forgotten.
const RETENTION: &str = "retention";

impl Operator for TemporalJoin {
    fn push(
        &mut self,
        port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        self.expire(ctx.processing_time_ms);
        let input = if port == 0 {
            &self.spec.left
        } else {
            &self.spec.right
        };
        let key = columns_at(delta.batch(), &input.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.resize();
        let times = self.spec.time_columns.get(port).copied();
        let times = times.and_then(|column| delta.batch().columns().get(column));
        let times =
            millis(times.ok_or_else(|| EngineError::internal("a temporal join without a time"))?)?;
        let rows = if port == 0 {
            &mut self.left
        } else {
            &mut self.right
        };
        let block = rows.admit(delta.batch().clone());
        for ((row_idx, &id), time_ms) in (0_u32..).zip(&ids).zip(&times) {
            let place = row_idx as usize;
            let kind = delta.kind(place);
            let has_null = key.iter().any(|column| column.is_null(place));
            let watermark_ms = ctx.watermark_at(&delta, place);
            let Some(time_ms) = time_ms else {
                return Err(EngineError::Data {
                    message: "a row of a temporal join has no time".to_owned(),
                });
            };
            if port == 0 {
                let waiting = Waiting {
                    key: (!has_null).then_some(id),
                    slot: self.left.keep(block, row_idx),
                    kind,
                    watermark_ms,
                };
                self.wait(time_ms, waiting);
            } else if kind != RowKind::UpdateBefore && !has_null {
                let version = Version {
                    time_ms,
                    slot: self.right.keep(block, row_idx),
                    is_deletion: kind == RowKind::Delete,
                    watermark_ms,
                };
                self.add_version(id, version);
            }
        }
        for &id in &ids {
            if let Some(ttl_ms) = ctx.state_ttl_ms {
                self.retention.touch(id, ctx.processing_time_ms, ttl_ms);
            }
            self.forget_if_empty(id);
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let later = match watermark_ms.checked_add(1) {
            Some(next_ms) => self.waiting.split_off(&next_ms),
            None => BTreeMap::new(),
        };
        let mut rows = Vec::new();
        for (time_ms, due) in std::mem::replace(&mut self.waiting, later) {
            // A row that came too late leaves with the next watermark, not with that which it met.
            let (due, late): (Vec<_>, Vec<_>) = due
                .into_iter()
                .partition(|row| row.watermark_ms < watermark_ms);
            if !late.is_empty() {
                self.waiting.insert(time_ms, late);
            }
            rows.extend(
                due.into_iter()
                    .map(|row| (row, self.version_of(time_ms, &row))),
            );
        }
        self.emit(&rows, out)?;
        for (row, _) in rows {
            self.left.release(row.slot);
            if let Some(n_waiting) = row.key.and_then(|key| self.n_waiting.get_mut(key as usize)) {
                *n_waiting = n_waiting.saturating_sub(1);
            }
            if let Some(key) = row.key {
                if let Some(ttl_ms) = ctx.state_ttl_ms {
                    self.retention.touch(key, ctx.processing_time_ms, ttl_ms);
                }
                self.forget_if_empty(key);
            }
        }
        self.forget_versions(watermark_ms);
        Ok(())
    }

    fn on_step_end(&mut self, ctx: &StepContext, _out: &mut Output) -> Result<()> {
        self.expire(ctx.processing_time_ms);
        self.left.settle()?;
        self.right.settle()
    }

    fn next_timer_ms(&self) -> Option<i64> {
        self.retention.next_ms()
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let (mut slots, mut times, mut kinds) = (vec![], vec![], vec![]);
        for (&time_ms, rows) in &self.waiting {
            for row in rows {
                slots.push(row.slot);
                times.push([time_ms, row.watermark_ms]);
                kinds.push(row.kind as u8);
            }
        }
        let left = saved(&self.left, slots, &times, kinds)?;
        let versions = || self.versions.iter().flatten();
        let right = saved(
            &self.right,
            versions().map(|version| version.slot).collect(),
            &versions()
                .map(|version| [version.time_ms, version.watermark_ms])
                .collect::<Vec<_>>(),
            versions()
                .map(|version| {
                    if version.is_deletion {
                        RowKind::Delete as u8
                    } else {
                        RowKind::Insert as u8
                    }
                })
                .collect(),
        )?;
        let [left_name, right_name] = TABLES;
        let (cleanups_ms, keys): (Vec<i64>, Vec<u32>) = self.retention.all().unzip();
        let mut retention = self.index.keys(&keys)?;
        let key_columns = (0..retention.len()).collect();
        retention.push(Arc::new(Int64Array::from(cleanups_ms)));
        Ok(vec![
            StateTable {
                name: left_name,
                batch: left,
                key_columns: self.spec.left.key_columns.clone(),
            },
            StateTable {
                name: right_name,
                batch: right,
                key_columns: self.spec.right.key_columns.clone(),
            },
            StateTable {
                name: RETENTION,
                batch: state_batch(retention)?,
                key_columns,
            },
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            match table.name {
                RETENTION => self.restore_retention(&table)?,
                _ => self.restore_rows(&table)?,
            }
        }
        self.left.settle()?;
        self.right.settle()
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.left.state_bytes()
            + self.right.state_bytes()
            + self.retention.state_bytes()
            + self.left.len() * size_of::<Waiting>()
            + self.right.len() * size_of::<Version>()
            + self.versions.capacity() * size_of::<Vec<Version>>()
            + (self.waiting.len() + self.changed.len()) * 64
    }
}

impl TemporalJoin {
    fn resize(&mut self) {
        self.versions.resize_with(self.index.end(), Vec::new);
        self.n_waiting.resize(self.index.end(), 0);
    }

    fn wait(&mut self, time_ms: i64, row: Waiting) {
        if let Some(n_waiting) = row.key.and_then(|key| self.n_waiting.get_mut(key as usize)) {
            *n_waiting += 1;
        }
        self.waiting.entry(time_ms).or_default().push(row);
    }

    fn add_version(&mut self, key: u32, version: Version) {
        if let Some(versions) = self.versions.get_mut(key as usize) {
            let place = versions.partition_point(|other| other.time_ms <= version.time_ms);
            versions.insert(place, version);
            self.changed.entry(version.time_ms).or_default().insert(key);
        }
    }

    /// The version that held at `time_ms`, of those that were there when the row left.
    fn version_of(&self, time_ms: i64, row: &Waiting) -> Option<u32> {
        let versions = self.versions.get(row.key? as usize)?;
        let end = versions.partition_point(|version| version.time_ms <= time_ms);
        let mut earlier = versions.iter().enumerate().take(end).rev();
        let held = if row.watermark_ms < time_ms {
            earlier.find(|(_, version)| version.watermark_ms < time_ms)
        } else {
            // It came too late. What was over when the watermark in force came is forgotten; what
            // came since then is not.
            let newest = newest_before(versions, row.watermark_ms);
            earlier.find(|(place, version)| {
                let is_forgotten = version.watermark_ms < row.watermark_ms
                    && newest.is_some_and(|newest| *place < newest);
                version.watermark_ms <= row.watermark_ms && !is_forgotten
            })
        };
        let (_, held) = held?;
        (!held.is_deletion).then_some(held.slot)
    }

    /// Sends on the rows with their versions.
    fn emit(&self, rows: &[(Waiting, Option<u32>)], out: &mut Output) -> Result<()> {
        let mut versions: Vec<Option<u32>> = rows.iter().map(|(_, version)| *version).collect();
        if let Some(residual) = &self.spec.residual {
            self.test(residual, rows, &mut versions)?;
        }
        let (left, versions): (Vec<_>, Vec<_>) = rows
            .iter()
            .zip(versions)
            .filter(|(_, version)| self.spec.is_left_outer || version.is_some())
            .map(|((row, _), version)| (*row, version))
            .unzip();
        if left.is_empty() {
            return Ok(());
        }
        let left_rows = self.left.gather_slots(left.iter().map(|row| row.slot))?;
        let mut columns = picked(&left_rows, &self.spec.left.output)?;
        columns.extend(self.version_columns(&versions)?);
        let options = RecordBatchOptions::new().with_row_count(Some(left.len()));
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let kinds = left.iter().map(|row| row.kind).collect();
        let column = self.spec.time_columns.first().copied();
        let times = column.and_then(|column| left_rows.columns().get(column));
        let times = millis(times.ok_or_else(|| EngineError::internal("rows without a time"))?)?;
        let changes = Delta::try_new(batch, kinds)?;
        out.emit_timed(changes, times.values().iter().copied())
    }

    /// The right columns; NULL where there is no version.
    fn version_columns(&self, versions: &[Option<u32>]) -> Result<Vec<ArrayRef>> {
        let there: Vec<u32> = versions.iter().flatten().copied().collect();
        if there.is_empty() {
            let fields = self.spec.right.schema.fields();
            return self
                .spec
                .right
                .output
                .iter()
                .map(|&column| {
                    let field = fields.get(column);
                    let field = field
                        .ok_or_else(|| EngineError::internal("a join gives on a missing column"))?;
                    Ok(new_null_array(field.data_type(), versions.len()))
                })
                .collect();
        }
        let columns = picked(&self.right.gather_slots(there)?, &self.spec.right.output)?;
        let mut next = 0_u32..;
        let places: UInt32Array = versions
            .iter()
            .map(|version| version.and_then(|_| next.next()))
            .collect();
        columns
            .iter()
            .map(|column| Ok(take(column, &places, None)?))
            .collect()
    }

    /// Takes away versions that do not meet the rest of the condition.
    fn test(
        &self,
        residual: &Residual,
        rows: &[(Waiting, Option<u32>)],
        versions: &mut [Option<u32>],
    ) -> Result<()> {
        let (left, right): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .filter_map(|(row, version)| Some((row.slot, (*version)?)))
            .unzip();
        if left.is_empty() {
            return Ok(());
        }
        let n_pairs = left.len();
        let sides = [
            self.left.gather_slots(left)?,
            self.right.gather_slots(right)?,
        ];
        let columns = residual
            .columns
            .iter()
            .map(|column| {
                let side = sides.get(column.port)?;
                side.columns().get(column.column).map(Arc::clone)
            })
            .collect::<Option<Vec<ArrayRef>>>()
            .ok_or_else(|| EngineError::internal("a join's condition reads a missing column"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_pairs));
        let schema = Arc::clone(&residual.schema);
        let pairs = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let is_match = residual.condition.evaluate(&pairs)?.into_array(n_pairs)?;
        let is_match = is_match
            .as_boolean_opt()
            .ok_or_else(|| EngineError::internal("a join's condition is not boolean"))?;
        let found = versions.iter_mut().filter(|version| version.is_some());
        for (pair, version) in found.enumerate() {
            if is_match.is_null(pair) || !is_match.value(pair) {
                *version = None;
            }
        }
        Ok(())
    }

    /// Forgets versions that ended before the watermark.
    fn forget_versions(&mut self, watermark_ms: i64) {
        let mut again = BTreeSet::new();
        while let Some(entry) = self.changed.first_entry() {
            if *entry.key() > watermark_ms {
                break;
            }
            for key in entry.remove() {
                let Some(versions) = self.versions.get_mut(key as usize) else {
                    continue;
                };
                let newest = newest_before(versions, watermark_ms);
                let mut place = 0;
                let right = &mut self.right;
                versions.retain_mut(|version| {
                    let is_known = version.watermark_ms < watermark_ms;
                    let is_over = is_known && newest.is_some_and(|newest| place < newest);
                    place += 1;
                    if is_over {
                        right.release(version.slot);
                    } else if is_known {
                        // Whatever comes from now on knows that it is there.
                        version.watermark_ms = NO_WATERMARK;
                    } else {
                        // It came when this watermark was in force already.
                        again.insert(key);
                    }
                    !is_over
                });
            }
        }
        if !again.is_empty()
            && let Some(next_ms) = watermark_ms.checked_add(1)
        {
            self.changed.entry(next_ms).or_default().extend(again);
        }
    }

    fn forget_if_empty(&mut self, key: u32) {
        let place = key as usize;
        let has_versions = self.versions.get(place).is_some_and(|it| !it.is_empty());
        let has_rows = self.n_waiting.get(place).is_some_and(|&n_rows| n_rows > 0);
        if !has_versions && !has_rows {
            self.index.remove(key);
            self.retention.forget(key);
        }
    }

    fn restore_retention(&mut self, table: &StateTable) -> Result<()> {
        let Some((cleanups, key)) = table.batch.columns().split_last() else {
            return Err(not_ours());
        };
        let cleanups = cleanups.as_primitive_opt::<Int64Type>();
        let cleanups = cleanups.ok_or_else(not_ours)?;
        let mut ids = Vec::new();
        self.index.intern(key, table.batch.num_rows(), &mut ids)?;
        self.resize();
        for (&id, &cleanup_ms) in ids.iter().zip(cleanups.values()) {
            self.retention.set(id, cleanup_ms);
        }
        Ok(())
    }

    fn restore_rows(&mut self, table: &StateTable) -> Result<()> {
        let port = TABLES.iter().position(|name| *name == table.name);
        let port = port.ok_or_else(not_ours)?;
        let input = if port == 0 {
            &self.spec.left
        } else {
            &self.spec.right
        };
        let columns = table.batch.columns();
        let Some((rows, [times, watermarks, kinds])) =
            columns.split_at_checked(input.schema.fields().len())
        else {
            return Err(not_ours());
        };
        let times = times.as_primitive_opt::<Int64Type>().ok_or_else(not_ours)?;
        let watermarks = watermarks.as_primitive_opt::<Int64Type>();
        let watermarks = watermarks.ok_or_else(not_ours)?;
        let kinds = kinds.as_primitive_opt::<UInt8Type>().ok_or_else(not_ours)?;
        let batch = RecordBatch::try_new(Arc::clone(&input.schema), rows.to_vec())?;
        let key = columns_at(&batch, &input.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        self.resize();
        let store = if port == 0 {
            &mut self.left
        } else {
            &mut self.right
        };
        let block = store.admit(batch);
        let marks = times.values().iter().zip(watermarks.values());
        for ((row_idx, &id), ((&time_ms, &watermark_ms), &kind)) in
            (0_u32..).zip(&ids).zip(marks.zip(kinds.values()))
        {
            let kind = RowKind::from_byte(kind).ok_or_else(not_ours)?;
            if port == 0 {
                let has_null = key.iter().any(|column| column.is_null(row_idx as usize));
                let row = Waiting {
                    key: (!has_null).then_some(id),
                    slot: self.left.keep(block, row_idx),
                    kind,
                    watermark_ms,
                };
                self.wait(time_ms, row);
            } else {
                let version = Version {
                    time_ms,
                    slot: self.right.keep(block, row_idx),
                    is_deletion: kind == RowKind::Delete,
                    watermark_ms,
                };
                self.add_version(id, version);
            }
        }
        Ok(())
    }
}

/// The last of the versions that begin by `watermark_ms`, of those that came before it did.
fn newest_before(versions: &[Version], watermark_ms: i64) -> Option<usize> {
    let end = versions.partition_point(|version| version.time_ms <= watermark_ms);
    let mut earlier = versions.iter().take(end);
    earlier.rposition(|version| version.watermark_ms < watermark_ms)
}

fn picked(batch: &RecordBatch, columns: &[usize]) -> Result<Vec<ArrayRef>> {
    columns_at(batch, columns)
}

/// Rows with their times, the watermarks in force when they came, and their kinds.
fn saved(
    rows: &RowStore,
    slots: Vec<u32>,
    times: &[[i64; 2]],
    kinds: Vec<u8>,
) -> Result<RecordBatch> {
    let mut columns = rows.gather_slots(slots)?.columns().to_vec();
    for part in 0..2 {
        let times = times.iter().map(|pair| pair.get(part).copied());
        columns.push(Arc::new(times.collect::<Int64Array>()));
    }
    columns.push(Arc::new(UInt8Array::from(kinds)));
    state_batch(columns)
}

fn not_ours() -> EngineError {
    EngineError::Data {
        message: "the saved rows are not those of this temporal join".to_owned(),
    }
}
