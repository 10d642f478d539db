//! The operator: rows wait for their turn, go through the pattern, and matches leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::DataType;

use super::MatchSpec;
use super::formula::Evaluator;
use super::nfa::{
    Matches, NO_NODE, Partial, Paths, Step, can_continue, first_allowed, is_complete, successors,
};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::rank::column_orders;
use crate::operators::rowtime::times_of;
use crate::operators::{Operator, Output, StepContext};
use crate::state::{KeyIndex, Place, RowStore, SortKeys, StateTable};

pub(super) struct MatchRecognize {
    pub(super) spec: MatchSpec,
    pub(super) index: KeyIndex,
    pub(super) partitions: Vec<Matches>,
    pub(super) paths: Paths,
    pub(super) rows: RowStore,
    /// By slot: how many nodes have the row.
    pub(super) uses: Vec<u32>,
    sort_keys: SortKeys,
    /// By time, in the order of arrival.
    pub(super) waiting: BTreeMap<i64, Vec<WaitingRow>>,
    /// Number of the next row.
    pub(super) next_number: u64,
    conditions: Vec<Option<Evaluator>>,
    measures: Vec<Evaluator>,
    ids: Vec<u32>,
    /// Matches that leave with this call.
    found: Vec<(u32, Vec<Step>)>,
    n_late: u64,
}

#[derive(Debug, Clone)]
pub(super) struct WaitingRow {
    pub(super) partition: u32,
    pub(super) slot: u32,
    key: Box<[u8]>,
}

/// A row whose turn it is.
struct Event {
    partition: u32,
    slot: u32,
    number: u64,
    time_ms: i64,
    /// Its place among the rows of this call.
    row_idx: usize,
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
        Ok(Self {
            index: KeyIndex::of_columns(&spec.input_schema, &spec.partition_columns)?,
            partitions: Vec::new(),
            paths: Paths::default(),
            rows: RowStore::new(Arc::clone(&spec.input_schema)),
            uses: Vec::new(),
            sort_keys: SortKeys::try_new(&orders)?,
            waiting: BTreeMap::new(),
            next_number: 0,
            conditions: spec
                .variables
                .iter()
                .map(|variable| {
                    let condition = variable.condition.as_ref();
                    condition
                        .map(|formula| Evaluator::try_new(formula, &types))
                        .transpose()
                })
                .collect::<Result<_>>()?,
            measures: spec
                .measures
                .iter()
                .map(|formula| Evaluator::try_new(formula, &types))
                .collect::<Result<_>>()?,
            ids: Vec::new(),
            found: Vec::new(),
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
        if self.partitions.len() < self.index.end() {
            self.partitions
                .resize_with(self.index.end(), Matches::default);
        }
        let sort_columns: Vec<usize> = self.spec.sort_keys.iter().map(|key| key.column).collect();
        let sort_columns = columns_at(batch, &sort_columns)?;
        let keys: Vec<Box<[u8]>> = self.sort_keys.encode(&sort_columns, n_rows)?;
        let times = match self.spec.time_column {
            Some(column) => Some(times_of(batch, column)?),
            None => None,
        };
        let block = self.rows.admit(batch.clone());
        for (row_idx, (&partition, key)) in ids.iter().zip(keys).enumerate() {
            let time_ms = times
                .as_ref()
                .and_then(|times| times.get(row_idx).copied())
                .unwrap_or_default();
            if times.is_some() && time_ms <= arrival_ms(row_idx) {
                self.n_late += 1;
                continue;
            }
            let slot = self.rows.keep(block, row_idx as u32);
            self.waiting.entry(time_ms).or_default().push(WaitingRow {
                partition,
                slot,
                key,
            });
        }
        self.ids = ids;
        Ok(())
    }

    /// Takes the rows of all times up to this through the pattern.
    fn advance(&mut self, watermark_ms: i64, now_ms: Option<i64>, out: &mut Output) -> Result<()> {
        let mut events = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            let time_ms = *entry.key();
            if time_ms > watermark_ms {
                break;
            }
            let mut rows = entry.remove();
            rows.sort_by(|left, right| left.key.cmp(&right.key));
            for row in rows {
                events.push(Event {
                    partition: row.partition,
                    slot: row.slot,
                    number: self.next_number,
                    time_ms: now_ms.unwrap_or(time_ms),
                    row_idx: events.len(),
                });
                self.next_number += 1;
            }
        }
        let known = self.known_conditions(&events)?;
        let mut released = Vec::new();
        for event in &events {
            self.use_row(event.slot);
            self.end_overdue(event.partition, event.time_ms, &mut released)?;
            self.step(event, &known, &mut released)?;
            released.push(Gone::Row(event.slot));
        }
        if self.spec.within_ms.is_some() && self.spec.time_column.is_some() {
            for partition in 0..self.partitions.len() as u32 {
                self.end_overdue(partition, watermark_ms, &mut released)?;
            }
        }
        self.emit(out)?;
        for gone in released {
            self.let_go(gone);
        }
        self.rows.settle()
    }

    /// Conditions that look at the row alone, for all rows at once; by variable.
    fn known_conditions(&mut self, events: &[Event]) -> Result<Vec<Option<BooleanArray>>> {
        let rows = &self.rows;
        self.conditions
            .iter_mut()
            .enumerate()
            .map(|(variable, condition)| {
                let Some(condition) = condition else {
                    return Ok(None);
                };
                if !condition.sees_last_row_only(variable) || events.is_empty() {
                    return Ok(None);
                }
                let steps: Vec<[Step; 1]> =
                    events.iter().map(|event| [event.step(variable)]).collect();
                let paths: Vec<&[Step]> = steps.iter().map(<[Step; 1]>::as_slice).collect();
                Ok(Some(booleans(&condition.evaluate(rows, &paths)?)?))
            })
            .collect()
    }

    /// Ends partial matches that are too long at this time.
    fn end_overdue(&mut self, partition: u32, time_ms: i64, gone: &mut Vec<Gone>) -> Result<()> {
        let Some(within_ms) = self.spec.within_ms else {
            return Ok(());
        };
        if let Some(matches) = self.partitions.get_mut(partition as usize) {
            matches.partial.retain(|partial| {
                let is_in_time = time_ms.saturating_sub(partial.start_ms) < within_ms;
                if !is_in_time {
                    gone.push(Gone::Node(partial.node));
                }
                is_in_time
            });
        }
        self.leave(partition, gone)
    }

    /// Continues all partial matches by a row, and begins one.
    fn step(
        &mut self,
        event: &Event,
        known: &[Option<BooleanArray>],
        gone: &mut Vec<Gone>,
    ) -> Result<()> {
        let Some(matches) = self.partitions.get_mut(event.partition as usize) else {
            return Ok(());
        };
        let partial = std::mem::take(&mut matches.partial);
        let start = Partial {
            element: 0,
            count: 0,
            node: NO_NODE,
            start: event.number,
            start_ms: event.time_ms,
        };
        let mut continued = Vec::with_capacity(partial.len() + 1);
        let mut complete = Vec::new();
        for from in partial.into_iter().chain([start]) {
            self.continue_match(from, event, known, &mut continued, &mut complete)?;
            if from.node != NO_NODE {
                gone.push(Gone::Node(from.node));
            }
        }
        if let Some(matches) = self.partitions.get_mut(event.partition as usize) {
            matches.partial = continued;
            matches.complete.extend(complete);
            matches.complete.sort_by_key(|complete| complete.start);
        }
        self.leave(event.partition, gone)
    }

    fn continue_match(
        &mut self,
        from: Partial,
        event: &Event,
        known: &[Option<BooleanArray>],
        continued: &mut Vec<Partial>,
        complete: &mut Vec<Partial>,
    ) -> Result<()> {
        let elements = self.spec.elements.clone();
        let path = match self.needs_path(known) {
            true => self.paths.path(from.node),
            false => Vec::new(),
        };
        let entered = successors(&elements, from.element, from.count, |element| {
            self.holds(&path, element, event, known)
        })?;
        for (element, count) in entered {
            let Some(variable) = elements.get(element).map(|element| element.variable) else {
                continue;
            };
            let node = self.paths.add(from.node, event.step(variable));
            self.use_row(event.slot);
            let to = Partial {
                element,
                count,
                node,
                ..from
            };
            let mut longer = path.clone();
            longer.push(event.step(variable));
            let is_full = is_complete(&elements, element, count, |later| {
                self.holds(&longer, later, event, known)
            })?;
            let goes_on = can_continue(&elements, element, count);
            if goes_on {
                continued.push(to);
            }
            if is_full {
                if goes_on {
                    self.paths.keep(node);
                }
                complete.push(to);
            }
            if !goes_on && !is_full {
                self.let_go(Gone::Node(node));
            }
        }
        Ok(())
    }

    /// Whether some condition looks at more than the row.
    fn needs_path(&self, known: &[Option<BooleanArray>]) -> bool {
        self.conditions
            .iter()
            .zip(known)
            .any(|(condition, known)| condition.is_some() && known.is_none())
    }

    /// Whether the row, behind `path`, satisfies the variable of an element.
    fn holds(
        &mut self,
        path: &[Step],
        element: usize,
        event: &Event,
        known: &[Option<BooleanArray>],
    ) -> Result<bool> {
        let Some(variable) = self.spec.elements.get(element).map(|it| it.variable) else {
            return Ok(false);
        };
        if let Some(Some(known)) = known.get(variable) {
            return Ok(known.is_valid(event.row_idx) && known.value(event.row_idx));
        }
        let Some(Some(condition)) = self.conditions.get_mut(variable) else {
            return Ok(true);
        };
        let mut path = path.to_vec();
        path.push(event.step(variable));
        let value = booleans(&condition.evaluate(&self.rows, &[&path])?)?;
        Ok(value.is_valid(0) && value.value(0))
    }

    /// Lets complete matches leave that no partial match precedes.
    fn leave(&mut self, partition: u32, gone: &mut Vec<Gone>) -> Result<()> {
        let Some(matches) = self.partitions.get_mut(partition as usize) else {
            return Ok(());
        };
        while let Some(first) = matches.complete.first().copied() {
            let earliest = matches.partial.iter().map(|partial| partial.start).min();
            if earliest.is_some_and(|earliest| earliest < first.start) {
                break;
            }
            matches.complete.remove(0);
            let path = self.paths.path(first.node);
            let name = |variable: usize| {
                let variable = self.spec.variables.get(variable);
                variable.map(|it| it.name.clone()).unwrap_or_default()
            };
            let allowed = first_allowed(self.spec.skip, &path, name)?;
            for list in [&mut matches.partial, &mut matches.complete] {
                list.retain(|other| {
                    let may_stay = allowed.is_none_or(|allowed| other.start >= allowed);
                    if !may_stay {
                        gone.push(Gone::Node(other.node));
                    }
                    may_stay
                });
            }
            gone.push(Gone::Node(first.node));
            self.found.push((partition, path));
        }
        Ok(())
    }

    fn emit(&mut self, out: &mut Output) -> Result<()> {
        let found = std::mem::take(&mut self.found);
        if found.is_empty() {
            return Ok(());
        }
        let paths: Vec<&[Step]> = found.iter().map(|(_, path)| path.as_slice()).collect();
        let firsts: Vec<Place> = paths
            .iter()
            .filter_map(|path| Some(self.rows.place(path.first()?.slot)))
            .collect();
        let first_rows = self.rows.gather(&firsts)?;
        let mut columns: Vec<ArrayRef> = columns_at(&first_rows, &self.spec.partition_columns)?;
        for measure in &mut self.measures {
            columns.push(measure.evaluate(&self.rows, &paths)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(paths.len()));
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        out.emit(Delta::insert_only(batch));
        Ok(())
    }

    pub(super) fn use_row(&mut self, slot: u32) {
        if self.uses.len() <= slot as usize {
            self.uses.resize(slot as usize + 1, 0);
        }
        if let Some(uses) = self.uses.get_mut(slot as usize) {
            *uses += 1;
        }
    }

    fn let_go(&mut self, gone: Gone) {
        let mut slots = Vec::new();
        match gone {
            Gone::Node(node) => self.paths.release(node, |slot| slots.push(slot)),
            Gone::Row(slot) => slots.push(slot),
        }
        for slot in slots {
            if let Some(uses) = self.uses.get_mut(slot as usize) {
                *uses = uses.saturating_sub(1);
                if *uses == 0 {
                    self.rows.release(slot);
                }
            }
        }
    }
}

/// What is let go of once all that leaves has been read.
enum Gone {
    Node(u32),
    Row(u32),
}

impl Event {
    fn step(&self, variable: usize) -> Step {
        Step {
            variable,
            slot: self.slot,
            number: self.number,
        }
    }
}

fn booleans(column: &ArrayRef) -> Result<BooleanArray> {
    column
        .as_boolean_opt()
        .cloned()
        .ok_or_else(|| EngineError::internal("a condition of DEFINE is not boolean"))
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
        self.rows.settle()
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
            + self.paths.state_bytes()
            + self.rows.state_bytes()
            + self.uses.capacity() * size_of::<u32>()
            + self.waiting.len() * size_of::<WaitingRow>()
    }
}
