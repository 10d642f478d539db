//! OVER by event time or by arrival.
//!
//! Rows of one event time wait together for the watermark. A late row of an unbounded frame is
//! dropped; that of a bounded frame only if a row of its partition with its time or a later one has
//! been dealt with.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Int64Type, Schema};

use super::calls::{Calls, Moves, Reading};
use super::{Frame, OverOrder, OverSpec};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::deduplicate::with_column;
use crate::operators::group_changes::columns_at;
use crate::operators::rowtime::{Waiting, times_of};
use crate::operators::{Operator, Output, StepContext};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, Place, RowStore, StateTable};

pub(super) struct OverByTime {
    spec: OverSpec,
    index: KeyIndex,
    partitions: Vec<Partition>,
    calls: Calls,
    rows: RowStore,
    /// By time, in the order of arrival.
    waiting: BTreeMap<i64, Vec<WaitingRow>>,
    ids: Vec<u32>,
    /// When a row of each partition came last, if they have a time to live.
    last_writes: LastWrites,
    n_late: u64,
}

#[derive(Debug, Default)]
struct Partition {
    /// Rows so far.
    count: i64,
    /// The time of the last row that was dealt with.
    last_fired_ms: Option<i64>,
    /// The last rows, as far as the frame or LAG needs them.
    history: VecDeque<(i64, u32)>,
    /// How many of them are in the frame.
    n_in_frame: usize,
    /// When a late row finds the partition forgotten (RANGE frames with a bound).
    cleanup: Option<Waiting>,
    /// How often it has been forgotten, as rows came, and as they were dealt with.
    n_forgotten: u32,
    n_restarted: u32,
    /// Rows that wait for the watermark.
    n_waiting: u32,
}

#[derive(Debug, Clone, Copy)]
struct WaitingRow {
    partition: u32,
    slot: u32,
    arrival_ms: i64,
    /// How often the partition had been forgotten when it came.
    n_forgotten: u32,
}

/// A row whose turn it is.
#[derive(Clone, Copy)]
struct DueRow {
    partition: u32,
    time_ms: i64,
    slot: u32,
    n_forgotten: u32,
}

impl OverByTime {
    pub(super) fn try_new(spec: &OverSpec) -> Result<Self> {
        Ok(Self {
            index: KeyIndex::of_columns(&spec.input_schema, &spec.partition_columns)?,
            partitions: Vec::new(),
            calls: Calls::try_new(spec)?,
            rows: RowStore::new(Arc::clone(&spec.input_schema)),
            waiting: BTreeMap::new(),
            ids: Vec::new(),
            last_writes: LastWrites::default(),
            n_late: 0,
            spec: spec.clone(),
        })
    }

    fn time_column(&self) -> Option<usize> {
        match self.spec.order {
            OverOrder::Rowtime(column) => Some(column),
            _ => None,
        }
    }

    fn grow(&mut self) {
        let n_partitions = self.index.end();
        if self.partitions.len() < n_partitions {
            self.partitions
                .resize_with(n_partitions, Partition::default);
            self.calls.resize(n_partitions);
        }
    }

    /// Whether a row that came under a watermark comes too late.
    fn is_late(&self, partition: u32, time_ms: i64, watermark_ms: i64) -> bool {
        if watermark_ms == NO_WATERMARK {
            return false;
        }
        if !self.spec.frame.is_bounded() {
            return time_ms <= watermark_ms;
        }
        let known = self.partitions.get(partition as usize);
        let n_forgotten = known.map_or(0, |known| known.n_forgotten);
        let fired = known.and_then(|known| known.last_fired_ms);
        if fired.is_some_and(|fired_ms| time_ms <= fired_ms) {
            return true;
        }
        if watermark_ms < time_ms {
            return false;
        }
        self.waiting
            .range(time_ms..=watermark_ms)
            .any(|(&time_ms, rows)| {
                rows.iter().any(|row| {
                    let waiting = Waiting {
                        time_ms,
                        arrival_ms: row.arrival_ms,
                    };
                    row.partition == partition
                        && row.n_forgotten == n_forgotten
                        && waiting.has_fired(watermark_ms)
                })
            })
    }

    /// Flink forgets a partition of a RANGE frame half a frame after its last row has left the
    /// frame; a late row that comes then is the first one again.
    fn forget(&mut self, partition: u32, time_ms: i64, watermark_ms: i64) {
        let Frame::Millis(millis) = self.spec.frame else {
            return;
        };
        let Some(partition) = self.partitions.get_mut(partition as usize) else {
            return;
        };
        if partition
            .cleanup
            .is_some_and(|cleanup| cleanup.has_fired(watermark_ms))
        {
            partition.cleanup = None;
            partition.n_forgotten += 1;
            partition.last_fired_ms = None;
        }
        let least_ms = time_ms.saturating_add(millis).saturating_add(1);
        if partition
            .cleanup
            .is_none_or(|known| known.time_ms < least_ms)
        {
            partition.cleanup = Some(Waiting {
                time_ms: least_ms.saturating_add(millis / 2),
                arrival_ms: watermark_ms,
            });
        }
    }

    /// Forgets a partition without rows that wait. Frames of a time forget by time alone.
    fn clear(&mut self, id: u32) -> bool {
        let Some(partition) = self.partitions.get_mut(id as usize) else {
            return false;
        };
        if partition.n_waiting > 0 || matches!(self.spec.frame, Frame::Millis(_)) {
            return false;
        }
        for (_, slot) in std::mem::take(partition).history {
            self.rows.release(slot);
        }
        self.calls.clear(id);
        self.last_writes.forget(id);
        true
    }

    /// What has not seen a row for so long is forgotten when its next row comes.
    fn forget_idle(&mut self, ctx: &StepContext) {
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return;
        };
        let now_ms = ctx.processing_time_ms;
        self.last_writes.resize(self.index.end());
        let ids = std::mem::take(&mut self.ids);
        for &id in &ids {
            if self.last_writes.is_expired(id, now_ms, ttl_ms) {
                self.clear(id);
            }
            self.last_writes.write(id, now_ms);
        }
        self.ids = ids;
    }

    /// As [`Self::forget_idle`], for those whose next row does not come.
    fn sweep(&mut self, ctx: &StepContext) -> Result<()> {
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return Ok(());
        };
        let n_written = std::mem::take(&mut self.ids).len();
        let now_ms = ctx.processing_time_ms;
        for id in self.last_writes.sweep(n_written, now_ms, ttl_ms) {
            if self.clear(id) {
                self.index.remove(id);
            }
        }
        self.rows.settle()
    }

    /// The rows of all times up to this, in order. A late row met this watermark when it came, and
    /// leaves with the next one.
    fn take_due(&mut self, watermark_ms: i64) -> Vec<DueRow> {
        let mut due = Vec::new();
        let mut late: Vec<(i64, Vec<WaitingRow>)> = Vec::new();
        let by_event_time = self.time_column().is_some();
        while let Some(entry) = self.waiting.first_entry() {
            let time_ms = *entry.key();
            if time_ms > watermark_ms {
                break;
            }
            let (stay, leave): (Vec<_>, Vec<_>) = entry.remove().into_iter().partition(|row| {
                let arrival_ms = row.arrival_ms;
                let waiting = Waiting {
                    time_ms,
                    arrival_ms,
                };
                by_event_time && !waiting.has_fired(watermark_ms)
            });
            if !stay.is_empty() {
                late.push((time_ms, stay));
            }
            for row in leave {
                if let Some(partition) = self.partitions.get_mut(row.partition as usize) {
                    partition.n_waiting = partition.n_waiting.saturating_sub(1);
                }
                due.push(DueRow {
                    partition: row.partition,
                    time_ms,
                    slot: row.slot,
                    n_forgotten: row.n_forgotten,
                });
            }
        }
        self.waiting.extend(late);
        due
    }

    fn process(&mut self, due: &[DueRow], out: &mut Output) -> Result<()> {
        if due.is_empty() {
            return self.rows.settle();
        }
        let mut moves = Moves::default();
        let mut readings = Vec::with_capacity(due.len());
        // For LAG: what stood before each row, nearest first.
        let mut back: Vec<Vec<Place>> = Vec::new();
        let mut released = Vec::new();
        let n_kept = self.calls.max_lag().map_or(0, |lag| lag + 1);
        for row in due {
            let place = self.rows.place(row.slot);
            let Some(partition) = self.partitions.get_mut(row.partition as usize) else {
                continue;
            };
            let is_fresh = row.n_forgotten > partition.n_restarted;
            partition.n_restarted = row.n_forgotten.max(partition.n_restarted);
            let frame = match is_fresh {
                true => Frame::Millis(-1),
                false => self.spec.frame,
            };
            partition.leave_frame(frame, row.time_ms, |slot| {
                moves.push(self.rows.place(slot), row.partition, -1);
            });
            moves.push(place, row.partition, 1);
            partition.count += 1;
            if row.n_forgotten == partition.n_forgotten {
                partition.last_fired_ms = Some(row.time_ms);
            }
            readings.push(Reading {
                after_move: (moves.places.len() - 1) as u32,
                count: partition.count,
            });
            if self.spec.frame.is_bounded() || n_kept > 0 {
                partition.history.push_back((row.time_ms, row.slot));
                partition.n_in_frame += usize::from(self.spec.frame.is_bounded());
            } else {
                released.push(row.slot);
            }
            if n_kept > 0 {
                let last = partition.history.iter().rev().take(n_kept);
                back.push(last.map(|(_, slot)| self.rows.place(*slot)).collect());
            }
            let needed = partition.n_in_frame.max(n_kept);
            while partition.history.len() > needed {
                released.extend(partition.history.pop_front().map(|(_, slot)| slot));
            }
        }
        let peers = self.last_peers(due);
        if self.spec.frame.has_peers() {
            let own = readings.clone();
            for (reading, &peer) in readings.iter_mut().zip(&peers) {
                if let Some(last) = own.get(peer) {
                    *reading = *last;
                }
            }
        }
        let has_peers = self.spec.frame.has_peers();
        let values = self
            .calls
            .evaluate(&self.rows, &moves, &readings, |row_idx, offset| {
                let row_idx = match has_peers {
                    true => peers.get(row_idx).copied()?,
                    false => row_idx,
                };
                back.get(row_idx)?.get(offset).copied()
            })?;
        let places: Vec<Place> = due.iter().map(|row| self.rows.place(row.slot)).collect();
        let rows = self.rows.gather(&places)?;
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns.truncate(self.spec.n_passed());
        columns.extend(values);
        let options = RecordBatchOptions::new().with_row_count(Some(due.len()));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(&self.spec.schema), columns, &options)?;
        let times = due.iter().map(|row| row.time_ms);
        out.emit_timed(Delta::insert_only(batch), times)?;
        for slot in released {
            self.rows.release(slot);
        }
        self.rows.settle()
    }

    /// For each row the index of the last one of its partition and time.
    fn last_peers(&self, due: &[DueRow]) -> Vec<usize> {
        let mut peers: Vec<usize> = (0..due.len()).collect();
        if !self.spec.frame.has_peers() {
            return peers;
        }
        let mut last: std::collections::HashMap<u32, (i64, usize)> =
            std::collections::HashMap::new();
        for (row_idx, row) in due.iter().enumerate().rev() {
            let entry = last.entry(row.partition).or_insert((row.time_ms, row_idx));
            if entry.0 != row.time_ms {
                *entry = (row.time_ms, row_idx);
            }
            if let Some(peer) = peers.get_mut(row_idx) {
                *peer = entry.1;
            }
        }
        peers
    }
}

impl Partition {
    /// Before a row of this time enters: what is no longer in its frame.
    fn leave_frame(&mut self, frame: Frame, time_ms: i64, mut leave: impl FnMut(u32)) {
        loop {
            let first = self.history.len() - self.n_in_frame;
            let Some(&(first_ms, slot)) = self.history.get(first) else {
                return;
            };
            let leaves = match frame {
                Frame::Rows(n_before) => self.n_in_frame > n_before,
                Frame::Millis(millis) => first_ms < time_ms.saturating_sub(millis) || millis < 0,
                Frame::AllRows | Frame::AllPeers => false,
            };
            if !leaves {
                return;
            }
            self.n_in_frame -= 1;
            leave(slot);
        }
    }
}

impl Operator for OverByTime {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "OVER by time was planned for insertions and got other changes",
            ));
        }
        let batch = delta.batch();
        let key = columns_at(batch, &self.spec.partition_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.grow();
        self.ids = ids;
        self.forget_idle(ctx);
        let ids = std::mem::take(&mut self.ids);
        let times = match self.time_column() {
            Some(column) => Some(times_of(batch, column)?),
            None => None,
        };
        let block = self.rows.admit(batch.clone());
        let mut due = Vec::new();
        for (row_idx, &partition) in ids.iter().enumerate() {
            let time_ms = match &times {
                Some(times) => times.get(row_idx).copied().unwrap_or_default(),
                None => ctx.processing_time_ms,
            };
            let arrival_ms = ctx.watermark_at(&delta, row_idx);
            self.forget(partition, time_ms, arrival_ms);
            let n_forgotten = self
                .partitions
                .get(partition as usize)
                .map_or(0, |partition| partition.n_forgotten);
            if times.is_some() && self.is_late(partition, time_ms, arrival_ms) {
                self.n_late += 1;
                continue;
            }
            let slot = self.rows.keep(block, row_idx as u32);
            // Rows of one moment of the clock are peers: they wait for the end of the step.
            if times.is_some() || self.spec.frame.has_peers() {
                if let Some(partition) = self.partitions.get_mut(partition as usize) {
                    partition.n_waiting += 1;
                }
                self.waiting.entry(time_ms).or_default().push(WaitingRow {
                    partition,
                    slot,
                    arrival_ms,
                    n_forgotten,
                });
            } else {
                due.push(DueRow {
                    partition,
                    time_ms,
                    slot,
                    n_forgotten,
                });
            }
        }
        self.ids = ids;
        self.process(&due, out)
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if self.time_column().is_none() {
            return Ok(());
        }
        let due = self.take_due(watermark_ms);
        self.process(&due, out)
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        if self.time_column().is_none() {
            let due = self.take_due(i64::MAX);
            self.process(&due, out)?;
        }
        self.sweep(ctx)
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let key_columns = self.spec.partition_columns.clone();
        let waiting: Vec<WaitingRow> = self.waiting.values().flatten().copied().collect();
        let rows = self.rows.gather_slots(waiting.iter().map(|row| row.slot))?;
        let arrivals = Int64Array::from_iter_values(waiting.iter().map(|row| row.arrival_ms));
        let history = || {
            self.partitions.iter().flat_map(|partition| {
                let first = partition.history.len() - partition.n_in_frame;
                let rows = partition.history.iter().enumerate();
                rows.map(move |(idx, &(time_ms, slot))| (time_ms, slot, idx >= first))
            })
        };
        let past = self.rows.gather_slots(history().map(|row| row.1))?;
        let times = Int64Array::from_iter_values(history().map(|row| row.0));
        let in_frame: BooleanArray = history().map(|row| Some(row.2)).collect();
        let past = with_column(&past, "time", Arc::new(times))?;
        Ok(vec![
            StateTable {
                name: "waiting",
                batch: with_column(&rows, "arrival_watermark", Arc::new(arrivals))?,
                key_columns: key_columns.clone(),
            },
            StateTable {
                name: "history",
                batch: with_column(&past, "in_frame", Arc::new(in_frame))?,
                key_columns,
            },
            StateTable {
                name: "partitions",
                batch: self.save_partitions()?,
                key_columns: (0..self.spec.partition_columns.len()).collect(),
            },
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            match table.name {
                "partitions" => self.restore_partitions(&table.batch)?,
                "waiting" | "history" => self.restore_rows(&table)?,
                other => {
                    return Err(EngineError::internal(format!(
                        "OVER has no state '{other}'"
                    )));
                }
            }
        }
        self.rows.settle()
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        let of_history: usize = self
            .partitions
            .iter()
            .map(|partition| partition.history.capacity() * size_of::<(i64, u32)>())
            .sum();
        self.index.state_bytes()
            + self.partitions.capacity() * size_of::<Partition>()
            + of_history
            + self.calls.state_bytes()
            + self.rows.state_bytes()
            + self.last_writes.state_bytes()
            + self.waiting.len() * size_of::<(i64, Vec<WaitingRow>)>()
            + self.rows.len() * size_of::<WaitingRow>()
    }
}

impl OverByTime {
    fn save_partitions(&self) -> Result<RecordBatch> {
        let ids: Vec<u32> = (0..self.partitions.len() as u32).collect();
        let mut columns = self.index.keys(&ids)?;
        let partitions = || self.partitions.iter();
        let counts = Int64Array::from_iter_values(partitions().map(|it| it.count));
        let fired: Int64Array = partitions().map(|it| it.last_fired_ms).collect();
        let cleanups: Int64Array = partitions()
            .map(|it| it.cleanup.map(|cleanup| cleanup.time_ms))
            .collect();
        let written: Int64Array = ids.iter().map(|&id| self.last_writes.get(id)).collect();
        columns.push(Arc::new(counts));
        columns.push(Arc::new(fired));
        columns.push(Arc::new(cleanups));
        columns.push(Arc::new(written));
        columns.extend(self.calls.save(&ids)?);
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(idx, column)| Field::new(format!("c{idx}"), column.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn restore_partitions(&mut self, batch: &RecordBatch) -> Result<()> {
        let wrong = || EngineError::internal("saved partitions lack columns");
        let n_keys = self.spec.partition_columns.len();
        let (key, rest) = batch.columns().split_at_checked(n_keys).ok_or_else(wrong)?;
        let [counts, fired, cleanups, written, states @ ..] = rest else {
            return Err(wrong());
        };
        let mut ids = Vec::new();
        self.index.intern(key, batch.num_rows(), &mut ids)?;
        self.grow();
        let counts = counts.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let fired = fired.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let cleanups = cleanups.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        for (((&id, count), fired), cleanup) in ids.iter().zip(counts).zip(fired).zip(cleanups) {
            if let Some(partition) = self.partitions.get_mut(id as usize) {
                partition.count = count.unwrap_or_default();
                partition.last_fired_ms = fired;
                partition.cleanup = cleanup.map(|time_ms| Waiting {
                    time_ms,
                    arrival_ms: NO_WATERMARK,
                });
            }
        }
        let written = written.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        for (&id, written_ms) in ids.iter().zip(written) {
            if let Some(written_ms) = written_ms {
                self.last_writes.resize(self.index.end());
                self.last_writes.write(id, written_ms);
            }
        }
        self.calls.restore(&ids, states)
    }

    /// Rows that wait, or those of the frames in their order.
    fn restore_rows(&mut self, table: &StateTable) -> Result<()> {
        let wrong = || EngineError::internal("saved rows lack columns");
        let n_columns = self.spec.input_schema.fields().len();
        let (columns, rest) = table
            .batch
            .columns()
            .split_at_checked(n_columns)
            .ok_or_else(wrong)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.spec.input_schema), columns.to_vec())?;
        let key = columns_at(&batch, &self.spec.partition_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        self.grow();
        let first = rest
            .first()
            .and_then(|it| it.as_primitive_opt::<Int64Type>());
        let first = first.ok_or_else(wrong)?.clone();
        let times = match self.time_column() {
            Some(column) => Some(times_of(&batch, column)?),
            None => None,
        };
        let in_frame = rest.get(1).and_then(|it| it.as_boolean_opt()).cloned();
        let block = self.rows.admit(batch);
        for (row_idx, &id) in ids.iter().enumerate() {
            let slot = self.rows.keep(block, row_idx as u32);
            if table.name == "waiting" {
                if let Some(partition) = self.partitions.get_mut(id as usize) {
                    partition.n_waiting += 1;
                }
                let time_ms = times.as_ref().and_then(|it| it.get(row_idx).copied());
                let rows = self.waiting.entry(time_ms.unwrap_or_default()).or_default();
                rows.push(WaitingRow {
                    partition: id,
                    slot,
                    arrival_ms: first.value(row_idx),
                    n_forgotten: 0,
                });
            } else if let Some(partition) = self.partitions.get_mut(id as usize) {
                partition.history.push_back((first.value(row_idx), slot));
                let is_in_frame = in_frame.as_ref().is_some_and(|it| it.value(row_idx));
                partition.n_in_frame += usize::from(is_in_frame);
            }
        }
        Ok(())
    }
}
