//! SESSION as a table function: the rows of a key that follow each other without a gap, given out
//! together when the session is over.
//!
//! ```text
//!   key a   •──•─•──•           the rows are kept until the watermark passes the last one + gap
//!           [──────────)        a row between two sessions makes one of them
//! ```
//!
//! A row whose session alone would be over already is dropped. A session that was over when a row
//! came does not grow any more, even if it leaves only at the end of the step.
//!
//! Source: `UnalignedWindowTableFunctionOperator` and `TimeWindow.intersects` of Flink 2.3: windows
//! that touch become one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt8Array};
use arrow::datatypes::{Int64Type, Schema, SchemaRef, UInt8Type};

use super::aggregate::{WindowTime, state_batch};
use super::assign::{millis, window_columns};
use super::{TimeWindow, WindowClock};
use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::state::row_store::RowStore;
use crate::state::{KeyIndex, StateTable};

/// A SESSION table function.
#[derive(Debug, Clone)]
pub struct SessionTvfSpec {
    /// Time without rows that ends a session.
    pub gap_ms: i64,
    /// Column of the time.
    pub time_column: usize,
    /// Columns of PARTITION BY, by which the input is exchanged; none for one session of all rows.
    pub key_columns: Vec<usize>,
    /// How the time becomes a clock.
    pub clock: WindowClock,
    /// What ends sessions.
    pub time: WindowTime,
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Schema of the rows that leave: those that come in, and the three columns of the window.
    pub schema: SchemaRef,
}

impl OperatorFactory for SessionTvfSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(SessionTvf {
            spec: self.clone(),
            index: KeyIndex::of_columns(&self.input_schema, &self.key_columns)?,
            sessions: Vec::new(),
            ends: BTreeMap::new(),
            rows: RowStore::new(Arc::clone(&self.input_schema)),
            kinds: Vec::new(),
            ids: Vec::new(),
            n_late: 0,
        }))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(self.time == WindowTime::Event)
    }
}

struct SessionTvf {
    spec: SessionTvfSpec,
    index: KeyIndex,
    /// The open sessions of each key, in no order.
    sessions: Vec<Vec<Session>>,
    /// Keys with a session that ends there.
    ends: BTreeMap<i64, BTreeSet<u32>>,
    rows: RowStore,
    /// Kind of the row in each slot; short as long as all are `+I`.
    kinds: Vec<RowKind>,
    ids: Vec<u32>,
    n_late: u64,
}

#[derive(Debug)]
struct Session {
    window: TimeWindow,
    /// Its rows, in order of arrival.
    slots: Vec<u32>,
}

impl Session {
    fn touches(&self, window: TimeWindow) -> bool {
        self.window.start_ms <= window.end_ms && self.window.end_ms >= window.start_ms
    }
}

const ROWS: &str = "rows";

impl Operator for SessionTvf {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        let key = columns_at(delta.batch(), &self.spec.key_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, delta.num_rows(), &mut ids)?;
        self.sessions.resize_with(self.index.end(), Vec::new);
        let times = delta
            .batch()
            .columns()
            .get(self.spec.time_column)
            .ok_or_else(|| EngineError::internal("a session over a missing column"))?;
        let times = millis(times)?;
        let block = self.rows.admit(delta.batch().clone());
        for ((row_idx, &id), time_ms) in (0_u32..).zip(&ids).zip(&times) {
            let Some(time_ms) = time_ms else { continue };
            let start_ms = self.spec.clock.wall_ms(time_ms);
            let window = TimeWindow {
                start_ms,
                end_ms: start_ms.saturating_add(self.spec.gap_ms),
            };
            let watermark_ms = match self.spec.time {
                WindowTime::Event => ctx.watermark_at(&delta, row_idx as usize),
                WindowTime::Processing => NO_WATERMARK,
            };
            let Some(place) = self.place_of(id, window, watermark_ms) else {
                self.n_late += 1;
                continue;
            };
            let slot = self.rows.keep(block, row_idx);
            self.set_kind(slot, delta.kind(row_idx as usize));
            if let Some(session) = self.session_mut(id, place) {
                session.slots.push(slot);
            }
        }
        for &id in &ids {
            // A key none of whose rows was taken.
            if self.sessions.get(id as usize).is_some_and(Vec::is_empty) {
                self.index.remove(id);
            }
        }
        self.ids = ids;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.spec.time {
            WindowTime::Event => self.fire(watermark_ms, out),
            WindowTime::Processing => Ok(()),
        }
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        if self.spec.time == WindowTime::Processing {
            self.fire(ctx.processing_time_ms, out)?;
        }
        self.rows.settle()
    }

    fn next_timer_ms(&self) -> Option<i64> {
        if self.spec.time == WindowTime::Event {
            return None;
        }
        let (&end_ms, _) = self.ends.first_key_value()?;
        Some(self.spec.clock.time_ms(end_ms.saturating_sub(1)))
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let (mut slots, mut starts, mut ends, mut kinds) = (vec![], vec![], vec![], vec![]);
        for session in self.sessions.iter().flatten() {
            for &slot in &session.slots {
                slots.push(slot);
                starts.push(session.window.start_ms);
                ends.push(session.window.end_ms);
                kinds.push(self.kind(slot) as u8);
            }
        }
        let mut columns = self.rows.gather_slots(slots)?.columns().to_vec();
        columns.push(Arc::new(Int64Array::from(starts)));
        columns.push(Arc::new(Int64Array::from(ends)));
        columns.push(Arc::new(UInt8Array::from(kinds)));
        Ok(vec![StateTable {
            name: ROWS,
            batch: state_batch(columns)?,
            key_columns: self.spec.key_columns.clone(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            self.restore_rows(&table)?;
        }
        self.rows.settle()
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.rows.state_bytes()
            + self.rows.len() * size_of::<u32>()
            + self.sessions.capacity() * size_of::<Vec<Session>>()
            + self.ends.len() * 64
            + self.kinds.capacity()
    }
}

impl SessionTvf {
    /// The session of `id` to which a row with `window` belongs, made or grown if need be; none if
    /// the row comes too late.
    fn place_of(&mut self, id: u32, window: TimeWindow, watermark_ms: i64) -> Option<usize> {
        let clock = self.spec.clock;
        let is_over =
            |end_ms: i64| watermark_ms != NO_WATERMARK && clock.is_over(end_ms, watermark_ms);
        let sessions = self.sessions.get_mut(id as usize)?;
        let touched: Vec<usize> = sessions
            .iter()
            .enumerate()
            .filter(|(_, session)| session.touches(window) && !is_over(session.window.end_ms))
            .map(|(place, _)| place)
            .collect();
        let Some((&first, others)) = touched.split_first() else {
            if is_over(window.end_ms) {
                return None;
            }
            sessions.push(Session {
                window,
                slots: Vec::new(),
            });
            self.ends.entry(window.end_ms).or_default().insert(id);
            return Some(sessions.len() - 1);
        };
        // From behind, so that the places before stay.
        let mut parts: Vec<Session> = others
            .iter()
            .rev()
            .map(|&other| sessions.swap_remove(other))
            .collect();
        let session = sessions.get_mut(first)?;
        let mut grown = window.cover(session.window);
        if !parts.is_empty() {
            // Flink adds the rows of earlier sessions to those of the latest one.
            parts.push(std::mem::replace(
                session,
                Session {
                    window,
                    slots: Vec::new(),
                },
            ));
            parts.sort_by_key(|part| std::cmp::Reverse(part.window.start_ms));
            for part in parts {
                grown = grown.cover(part.window);
                session.slots.extend(part.slots);
            }
        }
        session.window = grown;
        // What stands under ends that no session has any more is passed over when it is due.
        let end_ms = session.window.end_ms;
        self.ends.entry(end_ms).or_default().insert(id);
        Some(first)
    }

    fn session_mut(&mut self, id: u32, place: usize) -> Option<&mut Session> {
        self.sessions.get_mut(id as usize)?.get_mut(place)
    }

    fn kind(&self, slot: u32) -> RowKind {
        let kind = self.kinds.get(slot as usize).copied();
        kind.unwrap_or(RowKind::Insert)
    }

    fn set_kind(&mut self, slot: u32, kind: RowKind) {
        let slot = slot as usize;
        if slot >= self.kinds.len() {
            if kind == RowKind::Insert {
                return;
            }
            self.kinds.resize(slot + 1, RowKind::Insert);
        }
        if let Some(known) = self.kinds.get_mut(slot) {
            *known = kind;
        }
    }

    fn fire(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        let (mut slots, mut windows) = (Vec::new(), Vec::new());
        while let Some(entry) = self.ends.first_entry() {
            let end_ms = *entry.key();
            if !self.spec.clock.is_over(end_ms, time_ms) {
                break;
            }
            for id in entry.remove() {
                let Some(sessions) = self.sessions.get_mut(id as usize) else {
                    continue;
                };
                let (over, open) = std::mem::take(sessions)
                    .into_iter()
                    .partition::<Vec<_>, _>(|session| session.window.end_ms == end_ms);
                *sessions = open;
                if sessions.is_empty() {
                    self.index.remove(id);
                }
                for session in over {
                    windows.extend(session.slots.iter().map(|_| session.window));
                    slots.extend(session.slots);
                }
            }
        }
        if slots.is_empty() {
            return Ok(());
        }
        let mut columns = self
            .rows
            .gather_slots(slots.iter().copied())?
            .columns()
            .to_vec();
        columns.extend(window_columns(
            &windows,
            self.spec.clock,
            &self.spec.schema,
        )?);
        let batch = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
        let kinds = slots.iter().map(|&slot| self.kind(slot)).collect();
        for slot in slots {
            self.rows.release(slot);
        }
        out.emit(Delta::try_new(batch, kinds)?);
        Ok(())
    }

    fn restore_rows(&mut self, table: &StateTable) -> Result<()> {
        let not_ours = || EngineError::Data {
            message: "the saved rows are not those of this session window".to_owned(),
        };
        let n_columns = self.spec.input_schema.fields().len();
        let columns = table.batch.columns();
        let split = columns.split_at_checked(n_columns);
        let Some((rows, [starts, ends, kinds])) = split.filter(|_| table.name == ROWS) else {
            return Err(not_ours());
        };
        let integers = |column: &ArrayRef| column.as_primitive_opt::<Int64Type>().cloned();
        let starts = integers(starts).ok_or_else(not_ours)?;
        let ends = integers(ends).ok_or_else(not_ours)?;
        let kinds = kinds.as_primitive_opt::<UInt8Type>().ok_or_else(not_ours)?;
        let schema: Arc<Schema> = Arc::clone(&self.spec.input_schema);
        let batch = RecordBatch::try_new(schema, rows.to_vec())?;
        let key = columns_at(&batch, &self.spec.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        self.sessions.resize_with(self.index.end(), Vec::new);
        let block = self.rows.admit(batch);
        for ((row_idx, &id), (&start_ms, &end_ms)) in (0_u32..)
            .zip(&ids)
            .zip(starts.values().iter().zip(ends.values()))
        {
            let window = TimeWindow { start_ms, end_ms };
            let slot = self.rows.keep(block, row_idx);
            let kind = kinds.values().get(row_idx as usize).copied();
            self.set_kind(
                slot,
                kind.and_then(RowKind::from_byte).ok_or_else(not_ours)?,
            );
            self.ends.entry(end_ms).or_default().insert(id);
            let Some(sessions) = self.sessions.get_mut(id as usize) else {
                continue;
            };
            match sessions.iter_mut().find(|session| session.window == window) {
                Some(session) => session.slots.push(slot),
                None => sessions.push(Session {
                    window,
                    slots: vec![slot],
                }),
            }
        }
        Ok(())
    }
}
