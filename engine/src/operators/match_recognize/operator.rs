//! The operator: rows wait for their turn, go through the pattern, and matches leave.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::DataType;

use super::MatchSpec;
use super::conditions::{Asked, Candidate, Conditions};
use super::formula::Evaluator;
use super::memory::{Memory, NOTHING, View};
use super::nfa::{Matches, Partial, can_continue, first_allowed, is_complete, successors};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::rank::column_orders;
use crate::operators::rowtime::times_of;
use crate::operators::{Operator, Output, StepContext};
use crate::state::{KeyIndex, SortKeys, StateTable};

pub(super) struct MatchRecognize {
    pub(super) spec: MatchSpec,
    pub(super) index: KeyIndex,
    pub(super) partitions: Vec<Matches>,
    pub(super) memory: Memory,
    sort_keys: SortKeys,
    /// By time, in the order of arrival.
    pub(super) waiting: BTreeMap<i64, Vec<WaitingRow>>,
    /// Number of the next row.
    pub(super) next_number: u64,
    conditions: Conditions,
    measures: Vec<Evaluator>,
    /// Under WITHIN in event time: times at which matches have begun, and their partitions, in the
    /// order of time.
    pub(super) begun: VecDeque<(i64, u32)>,
    ids: Vec<u32>,
    /// By partition: rows that wait.
    n_waiting: Vec<u32>,
    /// By partition: whether the index knows it.
    is_known: Vec<bool>,
    /// Partitions that may have lost all they had.
    touched: Vec<u32>,
    /// Matches that leave with this call.
    found: Vec<Found>,
    /// Partial matches of a partition after a row; as the next, kept for its memory.
    continued: Vec<Partial>,
    /// Elements that a row enters.
    entered: Vec<(usize, usize)>,
    n_late: u64,
}

#[derive(Debug, Clone)]
pub(super) struct WaitingRow {
    pub(super) partition: u32,
    pub(super) slot: u32,
    key: Box<[u8]>,
}

/// A row whose turn it is.
#[derive(Debug, Clone, Copy)]
struct Event {
    partition: u32,
    slot: u32,
    number: u64,
    time_ms: i64,
    /// Its place among the rows of this call.
    row_idx: usize,
    /// The place of its partition's first partial match among those of the wave.
    first_candidate: Option<usize>,
}

/// A match that leaves.
struct Found {
    /// Number of the row that made it leave.
    number: u64,
    partition: u32,
    memo: u32,
}

impl MatchRecognize {
    pub(super) fn try_new(spec: &MatchSpec) -> Result<Self> {
        let types: Vec<DataType> = spec
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let orders = column_orders(&spec.input_schema, &spec.sort_keys)?;
        let mut memory = Memory::new(spec, &types);
        let conditions = Conditions::try_new(spec, &mut memory, &types)?;
        let measures = spec
            .measures
            .iter()
            .map(|formula| Evaluator::try_new(formula, None, &memory.layout, &types))
            .collect::<Result<_>>()?;
        Ok(Self {
            index: KeyIndex::of_columns(&spec.input_schema, &spec.partition_columns)?,
            partitions: Vec::new(),
            memory,
            sort_keys: SortKeys::try_new(&orders)?,
            waiting: BTreeMap::new(),
            next_number: 0,
            conditions,
            measures,
            begun: VecDeque::new(),
            ids: Vec::new(),
            n_waiting: Vec::new(),
            is_known: Vec::new(),
            touched: Vec::new(),
            found: Vec::new(),
            continued: Vec::new(),
            entered: Vec::new(),
            n_late: 0,
            spec: spec.clone(),
        })
    }

    /// Keeps the rows of a batch that `arrival_ms` (the watermark in force) does not make late.
    pub(super) fn take_in(
        &mut self,
        batch: &RecordBatch,
        arrival_ms: impl Fn(usize) -> i64,
    ) -> Result<()> {
        let n_rows = batch.num_rows();
        let key = columns_at(batch, &self.spec.partition_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, n_rows, &mut ids)?;
        self.know(&ids);
        let sort_columns: Vec<usize> = self.spec.sort_keys.iter().map(|key| key.column).collect();
        let sort_columns = columns_at(batch, &sort_columns)?;
        let keys: Vec<Box<[u8]>> = self.sort_keys.encode(&sort_columns, n_rows)?;
        let times = match self.spec.time_column {
            Some(column) => Some(times_of(batch, column)?),
            None => None,
        };
        let block = self.memory.rows.admit(batch.clone());
        let mut kept = Vec::with_capacity(n_rows);
        for (row_idx, (&partition, key)) in ids.iter().zip(keys).enumerate() {
            let time_ms = times
                .as_ref()
                .and_then(|times| times.get(row_idx).copied())
                .unwrap_or_default();
            if times.is_some() && time_ms <= arrival_ms(row_idx) {
                self.n_late += 1;
                self.touched.push(partition);
                continue;
            }
            if let Some(n_waiting) = self.n_waiting.get_mut(partition as usize) {
                *n_waiting += 1;
            }
            let slot = self.memory.rows.keep(block, row_idx as u32);
            kept.push((row_idx as u32, slot));
            self.waiting.entry(time_ms).or_default().push(WaitingRow {
                partition,
                slot,
                key,
            });
        }
        self.ids = ids;
        self.forget_empty();
        self.memory.cells.keep(batch.columns(), &kept)
    }

    /// Makes place for partitions that the index has given out.
    pub(super) fn know(&mut self, ids: &[u32]) {
        let n_partitions = self.index.end();
        if self.partitions.len() < n_partitions {
            self.partitions.resize_with(n_partitions, Matches::default);
            self.n_waiting.resize(n_partitions, 0);
            self.is_known.resize(n_partitions, false);
        }
        for &id in ids {
            if let Some(is_known) = self.is_known.get_mut(id as usize) {
                *is_known = true;
            }
        }
    }

    /// Forgets the keys of touched partitions that have neither rows nor matches.
    fn forget_empty(&mut self) {
        for partition in std::mem::take(&mut self.touched) {
            let place = partition as usize;
            let is_empty = self.n_waiting.get(place) == Some(&0)
                && self
                    .partitions
                    .get(place)
                    .is_some_and(|it| it.partial.is_empty() && it.complete.is_empty());
            if let Some(is_known) = self.is_known.get_mut(place)
                && is_empty
                && std::mem::take(is_known)
            {
                self.index.remove(partition);
            }
        }
    }

    /// Takes the rows of all times up to this through the pattern.
    fn advance(&mut self, watermark_ms: i64, now_ms: Option<i64>, out: &mut Output) -> Result<()> {
        let mut events = self.due(watermark_ms, now_ms);
        let slots: Vec<u32> = events.iter().map(|event| event.slot).collect();
        self.conditions.look_at_rows(&self.memory, &slots);
        if self.conditions.need_waves() {
            self.take_in_waves(&mut events)?;
        } else {
            for event in &events {
                self.end_overdue(event.partition, event.time_ms, event.number)?;
                self.step(event)?;
            }
        }
        self.end_all_overdue(watermark_ms)?;
        self.emit(out)?;
        self.touched
            .extend(events.iter().map(|event| event.partition));
        self.forget_empty();
        self.memory.settle()
    }

    /// The rows whose turn it is, in their order.
    fn due(&mut self, watermark_ms: i64, now_ms: Option<i64>) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            let time_ms = *entry.key();
            if time_ms > watermark_ms {
                break;
            }
            let mut rows = entry.remove();
            rows.sort_by(|left, right| left.key.cmp(&right.key));
            for row in rows {
                self.memory.use_row(row.slot, self.next_number);
                if let Some(n_waiting) = self.n_waiting.get_mut(row.partition as usize) {
                    *n_waiting = n_waiting.saturating_sub(1);
                }
                events.push(Event {
                    partition: row.partition,
                    slot: row.slot,
                    number: self.next_number,
                    time_ms: now_ms.unwrap_or(time_ms),
                    row_idx: events.len(),
                    first_candidate: None,
                });
                self.next_number += 1;
            }
        }
        events
    }

    /// Takes one row of each partition at a time, so that conditions are computed for many partial
    /// matches at once.
    fn take_in_waves(&mut self, events: &mut [Event]) -> Result<()> {
        let mut n_before: Vec<u32> = vec![0; self.partitions.len()];
        let mut waves: Vec<Vec<usize>> = Vec::new();
        for (idx, event) in events.iter().enumerate() {
            let Some(wave) = n_before.get_mut(event.partition as usize) else {
                continue;
            };
            if waves.len() <= *wave as usize {
                waves.push(Vec::new());
            }
            if let Some(wave) = waves.get_mut(*wave as usize) {
                wave.push(idx);
            }
            *wave += 1;
        }
        let mut candidates = Vec::new();
        for wave in waves {
            candidates.clear();
            for &idx in &wave {
                let Some(event) = events.get_mut(idx) else {
                    continue;
                };
                event.first_candidate = Some(candidates.len());
                let event = *event;
                self.end_overdue(event.partition, event.time_ms, event.number)?;
                let matches = self.partitions.get(event.partition as usize);
                let partial = matches.map_or(&[][..], |matches| matches.partial.as_slice());
                candidates.extend(partial.iter().chain([&beginning(&event)]).map(|partial| {
                    Candidate {
                        memo: partial.memo,
                        slot: event.slot,
                        element: partial.element,
                        count: partial.count,
                    }
                }));
            }
            self.conditions.look_at_wave(&self.memory, &candidates);
            for &idx in &wave {
                if let Some(event) = events.get(idx).copied() {
                    self.step(&event)?;
                }
            }
        }
        self.found.sort_by_key(|found| found.number);
        Ok(())
    }

    /// Ends partial matches of a partition that are too long at this time, on account of the row
    /// with this number.
    fn end_overdue(&mut self, partition: u32, time_ms: i64, number: u64) -> Result<()> {
        let Some(within_ms) = self.spec.within_ms else {
            return Ok(());
        };
        let Some(matches) = self.partitions.get_mut(partition as usize) else {
            return Ok(());
        };
        // By processing time too, those that began first are over first.
        let is_overdue = |partial: &Partial| time_ms.saturating_sub(partial.start_ms) >= within_ms;
        let n_overdue = matches
            .partial
            .iter()
            .take_while(|it| is_overdue(it))
            .count();
        if n_overdue == 0 {
            return Ok(());
        }
        for partial in matches.partial.drain(..n_overdue) {
            self.memory.forget(partial.memo);
        }
        self.leave(partition, number)
    }

    /// The same for all partitions, when the time has come to `watermark_ms`.
    fn end_all_overdue(&mut self, watermark_ms: i64) -> Result<()> {
        let (Some(within_ms), Some(_)) = (self.spec.within_ms, self.spec.time_column) else {
            return Ok(());
        };
        let mut partitions = Vec::new();
        while let Some(&(start_ms, partition)) = self.begun.front()
            && watermark_ms.saturating_sub(start_ms) >= within_ms
        {
            self.begun.pop_front();
            partitions.push(partition);
        }
        partitions.sort_unstable();
        partitions.dedup();
        for partition in partitions {
            self.end_overdue(partition, watermark_ms, u64::MAX)?;
            self.touched.push(partition);
        }
        Ok(())
    }

    /// Continues all partial matches by a row, and begins one.
    fn step(&mut self, event: &Event) -> Result<()> {
        let Some(matches) = self.partitions.get_mut(event.partition as usize) else {
            return Ok(());
        };
        let mut partial = std::mem::take(&mut matches.partial);
        let mut continued = std::mem::take(&mut self.continued);
        let mut complete = Vec::new();
        for (idx, from) in partial.drain(..).chain([beginning(event)]).enumerate() {
            let candidate = event.first_candidate.map(|first| first + idx);
            self.continue_match(from, event, candidate, &mut continued, &mut complete)?;
        }
        if let Some(last) = continued.last()
            && last.start == event.number
            && self.spec.within_ms.is_some()
            && self.spec.time_column.is_some()
        {
            self.begun.push_back((event.time_ms, event.partition));
        }
        if let Some(matches) = self.partitions.get_mut(event.partition as usize) {
            partial.append(&mut continued);
            matches.partial = partial;
            if !complete.is_empty() {
                matches.complete.extend(complete);
                matches.complete.sort_by_key(|complete| complete.start);
            }
        }
        self.continued = continued;
        self.leave(event.partition, event.number)?;
        self.memory.let_go(event.slot);
        Ok(())
    }

    fn continue_match(
        &mut self,
        from: Partial,
        event: &Event,
        candidate: Option<usize>,
        continued: &mut Vec<Partial>,
        complete: &mut Vec<Partial>,
    ) -> Result<()> {
        let elements = self.spec.elements.as_slice();
        let asked = Asked {
            memo: from.memo,
            slot: event.slot,
            row_idx: event.row_idx,
            candidate,
        };
        let (conditions, memory) = (&mut self.conditions, &mut self.memory);
        let mut entered = std::mem::take(&mut self.entered);
        successors(elements, from.element, from.count, &mut entered, |it| {
            conditions.holds(memory, it.variable, asked)
        })?;
        let n_entered = entered.len();
        if n_entered == 0 {
            memory.forget(from.memo);
        }
        for (idx, &(element, count)) in entered.iter().enumerate() {
            let Some(variable) = elements.get(element).map(|element| element.variable) else {
                continue;
            };
            // The last one goes on with what is there.
            let memo = match idx + 1 < n_entered || from.memo == NOTHING {
                true => memory.copied(from.memo),
                false => from.memo,
            };
            memory.take(memo, variable, event.slot);
            let to = Partial {
                element,
                count,
                memo,
                end: event.number,
                ..from
            };
            let asked = Asked {
                memo,
                candidate: None,
                ..asked
            };
            let is_full = is_complete(elements, element, count, |later| {
                conditions.holds(memory, later.variable, asked)
            })?;
            match (can_continue(elements, element, count), is_full) {
                (true, true) => {
                    complete.push(Partial {
                        memo: memory.copied(memo),
                        ..to
                    });
                    continued.push(to);
                }
                (true, false) => continued.push(to),
                (false, true) => complete.push(to),
                (false, false) => memory.forget(memo),
            }
        }
        self.entered = entered;
        Ok(())
    }

    /// Lets complete matches leave that no partial match precedes.
    fn leave(&mut self, partition: u32, number: u64) -> Result<()> {
        let Some(matches) = self.partitions.get_mut(partition as usize) else {
            return Ok(());
        };
        while let Some(first) = matches.complete.first().copied() {
            let earliest = matches.partial.first().map(|partial| partial.start);
            if earliest.is_some_and(|earliest| earliest < first.start) {
                break;
            }
            matches.complete.remove(0);
            let name = |variable: usize| {
                let variable = self.spec.variables.get(variable);
                variable.map(|it| it.name.clone()).unwrap_or_default()
            };
            let memory = &self.memory;
            let number_of = |variable: usize, from_last: bool| {
                let at = memory.layout.slot_of(Some(variable), from_last, 0);
                let slot = memory.slots(first.memo).get(at).copied();
                let slot = slot.filter(|slot| *slot != super::layout::NO_SLOT);
                slot.map(|slot| memory.number(slot))
            };
            let allowed = first_allowed(self.spec.skip, &first, number_of, name)?;
            for list in [&mut matches.partial, &mut matches.complete] {
                let n_too_early = list.iter().take_while(|it| it.start < allowed).count();
                for other in list.drain(..n_too_early) {
                    self.memory.forget(other.memo);
                }
            }
            self.found.push(Found {
                number,
                partition,
                memo: first.memo,
            });
        }
        Ok(())
    }

    fn emit(&mut self, out: &mut Output) -> Result<()> {
        let found = std::mem::take(&mut self.found);
        if found.is_empty() {
            return Ok(());
        }
        let partitions: Vec<u32> = found.iter().map(|found| found.partition).collect();
        let mut columns: Vec<ArrayRef> = self.index.keys(&partitions)?;
        let views: Vec<View> = found
            .iter()
            .map(|found| View {
                memo: found.memo,
                candidate: None,
            })
            .collect();
        for measure in &mut self.measures {
            columns.push(measure.evaluate(&self.memory, &views)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(views.len()));
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        out.emit(Delta::insert_only(batch));
        for found in found {
            self.memory.forget(found.memo);
        }
        Ok(())
    }
}

/// The match that a row may begin.
const fn beginning(event: &Event) -> Partial {
    Partial {
        element: 0,
        count: 0,
        memo: NOTHING,
        start: event.number,
        start_ms: event.time_ms,
        end: event.number,
    }
}

impl Operator for MatchRecognize {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "MATCH_RECOGNIZE was planned for insertions and got other changes",
            ));
        }
        self.take_in(delta.batch(), |row_idx| ctx.watermark_at(&delta, row_idx))?;
        if self.spec.time_column.is_none() {
            return self.advance(i64::MAX, Some(ctx.processing_time_ms), out);
        }
        self.memory.settle()
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.spec.time_column {
            Some(_) if watermark_ms != NO_WATERMARK => self.advance(watermark_ms, None, out),
            _ => Ok(()),
        }
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        self.saved()
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        self.take_up(&tables)
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        let of_matches: usize = self
            .partitions
            .iter()
            .map(|it| (it.partial.capacity() + it.complete.capacity()) * size_of::<Partial>())
            .sum();
        self.index.state_bytes()
            + self.partitions.capacity() * size_of::<Matches>()
            + of_matches
            + self.memory.state_bytes()
            + self.begun.capacity() * size_of::<(i64, u32)>()
            + self.n_waiting.capacity() * size_of::<u32>()
            + self.is_known.capacity()
            + self.waiting.len() * size_of::<WaitingRow>()
    }
}
