//! What an interval join has found, on its way out: pairs, and rows that are done with.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions,
    new_null_array,
};
use arrow::datatypes::Int64Type;

use super::IntervalJoin;
use super::cache::{KeyCache, NO_TIMER};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::operators::Output;
use crate::operators::group_changes::columns_at;
use crate::operators::rowtime::{Cause, marked};
use crate::operators::window::aggregate::state_batch;
use crate::state::StateTable;

/// Pairs beyond which they are sent on.
const MAX_PAIRS: usize = 65_536;

/// Pairs and closed rows, by slots.
#[derive(Debug, Default)]
pub(super) struct Found {
    left: Vec<u32>,
    right: Vec<u32>,
    /// Of each pair, when the row came that found its partner.
    causes: Vec<Option<Cause>>,
    /// Rows that meet nobody any more, and what has closed them.
    closed: [Vec<Closed>; 2],
    /// Of what is found now.
    cause: Option<Cause>,
    /// The timer that closes rows now.
    pub(super) timer_ms: i64,
}

/// A row that is done with.
#[derive(Debug, Clone, Copy)]
struct Closed {
    slot: u32,
    /// The row that came then; none if a watermark did.
    cause: Option<Cause>,
    timer_ms: i64,
}

/// The table of a checkpoint with the timers of each key, left and right.
pub(super) const TIMERS: &str = "timers";

impl Found {
    pub(super) fn pair(&mut self, port: usize, own: u32, other: u32) {
        let (left, right) = if port == 0 {
            (own, other)
        } else {
            (other, own)
        };
        self.left.push(left);
        self.right.push(right);
        self.causes.push(self.cause);
    }

    /// What is found from now on came with this row, or a watermark brought it.
    pub(super) fn caused_by(&mut self, cause: Option<Cause>) {
        self.cause = cause;
    }

    pub(super) fn close(&mut self, port: usize, slot: u32) {
        if let Some(closed) = self.closed.get_mut(port) {
            closed.push(Closed {
                slot,
                cause: self.cause,
                timer_ms: self.timer_ms,
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.left.len() + self.closed.iter().map(Vec::len).sum::<usize>() >= MAX_PAIRS
    }
}

impl IntervalJoin {
    /// Sends on the pairs that meet the whole condition, and closed rows without a partner where
    /// these are shown.
    pub(super) fn emit_found(&mut self, out: &mut Output) -> Result<()> {
        let Found {
            mut left,
            mut right,
            mut causes,
            closed,
            cause,
            timer_ms: _,
        } = std::mem::take(&mut self.found);
        self.found.cause = cause;
        if !left.is_empty() {
            if let Some(is_match) = self.test(&left, &right)? {
                let matches = |row: usize| is_match.is_valid(row) && is_match.value(row);
                left = chosen(&left, matches);
                right = chosen(&right, matches);
                causes = chosen(&causes, matches);
            }
            for (flags, slots) in self.has_partner.iter_mut().zip([&left, &right]) {
                for &slot in slots {
                    if let Some(flag) = flags.get_mut(slot as usize) {
                        *flag = true;
                    }
                }
            }
            let pairs = self.joined([Some(&left), Some(&right)], left.len())?;
            out.emit(marked(pairs, &causes)?);
        }
        for (port, closed) in closed.into_iter().enumerate() {
            if self.spec.is_outer(port) {
                let flags = self.has_partner.get(port).map_or(&[][..], Vec::as_slice);
                let is_alone = |slot: u32| !flags.get(slot as usize).copied().unwrap_or(false);
                let lonely: Vec<Closed> = closed
                    .iter()
                    .copied()
                    .filter(|row| is_alone(row.slot))
                    .collect();
                let alone: Vec<u32> = lonely.iter().map(|row| row.slot).collect();
                if !alone.is_empty() {
                    let sides = if port == 0 {
                        [Some(&alone), None]
                    } else {
                        [None, Some(&alone)]
                    };
                    let rows = self.joined(sides, alone.len())?;
                    if lonely.iter().all(|row| row.cause.is_none()) {
                        out.emit_timed(rows, lonely.iter().map(|row| row.timer_ms))?;
                    } else {
                        let causes: Vec<_> = lonely.iter().map(|row| row.cause).collect();
                        out.emit(marked(rows, &causes)?);
                    }
                }
            }
            if let Some(rows) = self.rows.get_mut(port) {
                for row in closed {
                    rows.release(row.slot);
                }
            }
        }
        Ok(())
    }

    /// Which pairs meet the rest of the condition; none if there is no rest.
    fn test(&self, left: &[u32], right: &[u32]) -> Result<Option<BooleanArray>> {
        let Some(residual) = &self.spec.residual else {
            return Ok(None);
        };
        let sides = [self.gathered(0, left)?, self.gathered(1, right)?];
        let columns = residual
            .columns
            .iter()
            .map(|column| {
                let side = sides.get(column.port)?;
                side.columns().get(column.column).map(Arc::clone)
            })
            .collect::<Option<Vec<ArrayRef>>>()
            .ok_or_else(|| EngineError::internal("a join's condition reads a missing column"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(left.len()));
        let schema = Arc::clone(&residual.schema);
        let pairs = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let is_match = residual
            .condition
            .evaluate(&pairs)?
            .into_array(left.len())?;
        let is_match = is_match
            .as_boolean_opt()
            .cloned()
            .ok_or_else(|| EngineError::internal("a join's condition is not boolean"))?;
        Ok(Some(is_match))
    }

    fn gathered(&self, port: usize, slots: &[u32]) -> Result<RecordBatch> {
        self.rows
            .get(port)
            .ok_or_else(|| EngineError::internal("an interval join has two inputs"))?
            .gather_slots(slots.iter().copied())
    }

    /// Rows of both sides beside each other; NULL for a side that has none.
    fn joined(&self, sides: [Option<&Vec<u32>>; 2], n_rows: usize) -> Result<Delta> {
        let mut columns = Vec::with_capacity(self.spec.schema.fields().len());
        for (port, slots) in sides.into_iter().enumerate() {
            let input = self.spec.input(port);
            let side = slots.map(|slots| self.gathered(port, slots)).transpose()?;
            for &column in &input.output {
                let missing = || EngineError::internal("a join gives on a missing column");
                columns.push(match &side {
                    Some(side) => Arc::clone(side.columns().get(column).ok_or_else(missing)?),
                    None => {
                        let field = input.schema.fields().get(column).ok_or_else(missing)?;
                        new_null_array(field.data_type(), n_rows)
                    }
                });
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.spec.schema);
        Ok(Delta::insert_only(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?))
    }

    /// When the rows of each key are to be looked through: a row does not move a timer, so it does
    /// not follow from the rows.
    fn save_timers(&self) -> Result<StateTable> {
        let has_timer = |cache: &KeyCache| (0..2).any(|port| cache.timer(port) != NO_TIMER);
        let caches = (0_u32..).zip(&self.keys);
        let (ids, caches): (Vec<u32>, Vec<&KeyCache>) =
            caches.filter(|(_, cache)| has_timer(cache)).unzip();
        let mut columns = self.index.keys(&ids)?;
        let key_columns = (0..columns.len()).collect();
        for port in 0..2 {
            let timers = caches.iter().map(|cache| cache.timer(port));
            columns.push(Arc::new(Int64Array::from_iter_values(timers)));
        }
        Ok(StateTable {
            name: TIMERS,
            batch: state_batch(columns)?,
            key_columns,
        })
    }

    pub(super) fn restore_timers(&mut self, table: &StateTable) -> Result<()> {
        let n_keys = self.spec.left.key_columns.len();
        let Some((key, [left, right])) = table.batch.columns().split_at_checked(n_keys) else {
            return Err(not_ours());
        };
        let mut ids = Vec::new();
        self.index.intern(key, table.batch.num_rows(), &mut ids)?;
        self.keys.resize_with(self.index.end(), KeyCache::default);
        for (port, timers) in [left, right].into_iter().enumerate() {
            let timers = timers
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(not_ours)?;
            for (&id, &timer_ms) in ids.iter().zip(timers.values()) {
                if timer_ms != NO_TIMER
                    && let Some(cache) = self.keys.get_mut(id as usize)
                {
                    cache.set_timer(port, timer_ms);
                    self.timers.entry(timer_ms).or_default().insert(id);
                }
            }
        }
        Ok(())
    }

    /// Sets timers as if all rows had just come.
    pub(super) fn renew_timers(&mut self) {
        for port in 0..2 {
            let firsts: Vec<(u32, i64)> = (0_u32..)
                .zip(&self.keys)
                .filter_map(|(id, cache)| Some((id, cache.first_ms(port)?)))
                .collect();
            for (id, first_ms) in firsts {
                self.set_timer(id, port, first_ms);
            }
        }
    }

    /// One table a side: its rows, their times, and whether they had a partner; and the timers.
    pub(super) fn save_rows(&self) -> Result<Vec<StateTable>> {
        let sides = ["left", "right"]
            .into_iter()
            .enumerate()
            .map(|(port, name)| {
                let kept: Vec<(i64, u32)> = self
                    .keys
                    .iter()
                    .flat_map(|cache| cache.rows(port))
                    .copied()
                    .collect();
                let slots: Vec<u32> = kept.iter().map(|(_, slot)| *slot).collect();
                let flags = self.has_partner.get(port).map_or(&[][..], Vec::as_slice);
                let mut columns = self.gathered(port, &slots)?.columns().to_vec();
                let times = kept.iter().map(|(time_ms, _)| *time_ms);
                columns.push(Arc::new(Int64Array::from_iter_values(times)));
                let has_partner: BooleanArray = slots
                    .iter()
                    .map(|&slot| flags.get(slot as usize).copied())
                    .collect();
                columns.push(Arc::new(has_partner));
                Ok(StateTable {
                    name,
                    batch: state_batch(columns)?,
                    key_columns: self.spec.input(port).key_columns.clone(),
                })
            });
        sides.chain([self.save_timers()]).collect()
    }

    pub(super) fn restore_rows(&mut self, table: &StateTable) -> Result<()> {
        let port = match table.name {
            "left" => 0,
            "right" => 1,
            _ => return Err(not_ours()),
        };
        let input = self.spec.input(port);
        let columns = table.batch.columns();
        let Some((rows, [times, flags])) = columns.split_at_checked(input.schema.fields().len())
        else {
            return Err(not_ours());
        };
        let times = times.as_primitive_opt::<Int64Type>().ok_or_else(not_ours)?;
        let flags = flags.as_boolean_opt().ok_or_else(not_ours)?;
        let batch = RecordBatch::try_new(Arc::clone(&input.schema), rows.to_vec())?;
        let key = columns_at(&batch, &input.key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        self.keys.resize_with(self.index.end(), KeyCache::default);
        let (Some(rows), Some(has_partner)) =
            (self.rows.get_mut(port), self.has_partner.get_mut(port))
        else {
            return Err(not_ours());
        };
        let block = rows.admit(batch);
        for ((row_idx, &id), &time_ms) in (0_u32..).zip(&ids).zip(times.values()) {
            let slot = rows.keep(block, row_idx);
            if has_partner.len() <= slot as usize {
                has_partner.resize(slot as usize + 1, false);
            }
            if let Some(flag) = has_partner.get_mut(slot as usize) {
                *flag = flags.is_valid(row_idx as usize) && flags.value(row_idx as usize);
            }
            if let Some(cache) = self.keys.get_mut(id as usize) {
                cache.insert(port, time_ms, slot);
            }
        }
        Ok(())
    }
}

fn not_ours() -> EngineError {
    EngineError::Data {
        message: "the saved rows are not those of this interval join".to_owned(),
    }
}

fn chosen<T: Copy>(values: &[T], is_chosen: impl Fn(usize) -> bool) -> Vec<T> {
    values
        .iter()
        .enumerate()
        .filter(|(row, _)| is_chosen(*row))
        .map(|(_, value)| *value)
        .collect()
}
