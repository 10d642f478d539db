//! GROUP BY over the windows of HOP and CUMULATE: each row is aggregated once, in its slice
//! (`slices`), and slices are merged when a window is over.
//!
//! ```text
//!   rows with their slices ─▶ key id, bucket ─▶ group ─▶ accumulators
//!                                                            │ watermark: save, restore into
//!                +I  start, end, key, values  ◀── scratch accumulators, one group a key
//! ```
//!
//! State of an accumulator as it is saved for a checkpoint is what is merged, so this is exact for
//! every function that can be saved.
//!
//! Source: `SliceSharedWindowAggProcessor` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};

use super::accumulators::{Accumulators, not_ours};
use super::aggregate::{SliceOrder, WindowAggregateSpec, WindowTime, state_batch};
use super::assign::millis;
use super::slices::{Bucket, Groups, Slices};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::operators::{Operator, Output, StepContext};
use crate::state::{KeyIndex, StateTable};

/// An aggregate over windows that share slices.
pub(super) struct SharedWindowAggregate {
    spec: WindowAggregateSpec,
    /// Column with the end of the slice.
    end_column: usize,
    key_columns: Vec<usize>,
    keys: KeyIndex,
    /// Groups that each key has in all buckets.
    n_groups_of_key: Vec<u32>,
    slices: Slices,
    groups: Accumulators,
    /// One group a key of the window that fires; empty in between.
    merged: Accumulators,
    /// For each key its group in `merged`.
    place_of_key: Vec<u32>,
    n_late: u64,
}

const WINDOWS: &str = "slices";
const NO_PLACE: u32 = u32::MAX;

impl SharedWindowAggregate {
    pub(super) fn try_new(spec: &WindowAggregateSpec) -> Result<Self> {
        let types: Vec<DataType> = spec
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let mut all = spec.key_columns().into_iter();
        let end_column = all
            .next()
            .ok_or_else(|| EngineError::internal("a window aggregate without a window"))?;
        let key_columns: Vec<usize> = all.collect();
        Ok(Self {
            end_column,
            keys: KeyIndex::of_columns(&spec.input_schema, &key_columns)?,
            key_columns,
            n_groups_of_key: Vec::new(),
            slices: Slices::new(spec.kind),
            groups: Accumulators::try_new(&spec.calls, &types, spec.input_retracts)?,
            merged: Accumulators::try_new(&spec.calls, &types, spec.input_retracts)?,
            place_of_key: Vec::new(),
            n_late: 0,
            spec: spec.clone(),
        })
    }

    /// The group of each row, made if need be; none for rows that come too late.
    fn groups_of(&mut self, delta: &Delta, ctx: &StepContext) -> Result<Vec<Option<u32>>> {
        let ends = delta.batch().columns().get(self.end_column);
        let ends = millis(ends.ok_or_else(|| EngineError::internal("rows without their slice"))?)?;
        let mut key_ids = Vec::new();
        let key = columns_at(delta.batch(), &self.key_columns)?;
        self.keys.intern(&key, delta.num_rows(), &mut key_ids)?;
        self.n_groups_of_key.resize(self.keys.end(), 0);
        let clock = self.spec.clock;
        let is_event_time = self.spec.time == WindowTime::Event;
        let mut last: Option<(i64, i64, Option<Bucket>)> = None;
        let mut groups = Vec::with_capacity(key_ids.len());
        for (row_idx, (&key_id, &slice_end_ms)) in key_ids.iter().zip(ends.values()).enumerate() {
            let watermark_ms = match is_event_time {
                true => ctx.watermark_at(delta, row_idx),
                false => NO_WATERMARK,
            };
            let bucket = match last {
                Some((end_ms, before_ms, bucket))
                    if end_ms == slice_end_ms && before_ms == watermark_ms =>
                {
                    bucket
                }
                _ => self.slices.bucket_of(slice_end_ms, |end_ms| {
                    watermark_ms != NO_WATERMARK && clock.is_over(end_ms, watermark_ms)
                }),
            };
            last = Some((slice_end_ms, watermark_ms, bucket));
            groups.push(bucket.map(|bucket| self.group(bucket, key_id)));
        }
        for &key_id in &key_ids {
            // A key none of whose rows was taken.
            if self.n_groups_of_key.get(key_id as usize) == Some(&0) {
                self.keys.remove(key_id);
            }
        }
        Ok(groups)
    }

    fn group(&mut self, bucket: Bucket, key_id: u32) -> u32 {
        let groups = self.slices.groups_mut(bucket);
        if let Some(&group) = groups.get(&key_id) {
            return group;
        }
        let group = self.groups.open();
        groups.insert(key_id, group);
        if let Some(n_groups) = self.n_groups_of_key.get_mut(key_id as usize) {
            *n_groups += 1;
        }
        group
    }

    fn release(&mut self, groups: Groups) {
        for (key_id, group) in groups {
            self.groups.release(group);
            if let Some(n_groups) = self.n_groups_of_key.get_mut(key_id as usize) {
                *n_groups = n_groups.saturating_sub(1);
                if *n_groups == 0 {
                    self.keys.remove(key_id);
                }
            }
        }
    }

    /// Emits the windows that are over at `time_ms`, and forgets what no window needs any more.
    fn fire(&mut self, time_ms: i64, out: &mut Output) -> Result<()> {
        while let Some(end_ms) = self.slices.next_end_ms() {
            if !self.spec.clock.is_over(end_ms, time_ms) {
                break;
            }
            self.slices.begin(end_ms);
            match self.spec.kind {
                super::WindowKind::Cumulate { .. } => self.fire_running(end_ms, out)?,
                _ => self.fire_merged(end_ms, out)?,
            }
            for groups in self.slices.take_done(end_ms) {
                self.release(groups);
            }
        }
        Ok(())
    }

    /// HOP: merges the slices of the window.
    fn fire_merged(&mut self, end_ms: i64, out: &mut Output) -> Result<()> {
        self.place_of_key.resize(self.keys.end(), NO_PLACE);
        let mut key_ids = Vec::new();
        let mut parts = Vec::new();
        let mut buckets: Vec<&Groups> = self.slices.of_window(end_ms).collect();
        if self.spec.slices == Some(SliceOrder::LatestFirst) {
            buckets.reverse();
        }
        for groups in buckets {
            let mut sorted: Vec<(u32, u32)> = groups.iter().map(|(&key, &id)| (id, key)).collect();
            sorted.sort_unstable();
            for &(_, key_id) in &sorted {
                if let Some(place @ &mut NO_PLACE) = self.place_of_key.get_mut(key_id as usize) {
                    *place = u32::try_from(key_ids.len()).unwrap_or(NO_PLACE);
                    key_ids.push(key_id);
                }
            }
            parts.push(sorted);
        }
        self.merged.resize(key_ids.len());
        for part in parts {
            let (from, keys): (Vec<u32>, Vec<u32>) = part.into_iter().unzip();
            let places = keys.iter().map(|&key| self.place_of_key.get(key as usize));
            let places: Vec<u32> = places.map(|it| it.copied().unwrap_or(NO_PLACE)).collect();
            self.merged.add_saved(&places, &self.groups.save(&from)?)?;
        }
        for &key_id in &key_ids {
            if let Some(place) = self.place_of_key.get_mut(key_id as usize) {
                *place = NO_PLACE;
            }
        }
        let places: Vec<u32> = (0..).take(key_ids.len()).collect();
        emit(
            &self.spec,
            &self.keys,
            &self.merged,
            end_ms,
            &key_ids,
            &places,
            out,
        )?;
        places.iter().for_each(|&place| self.merged.clear(place));
        Ok(())
    }

    /// CUMULATE: adds the slice to those before it.
    fn fire_running(&mut self, end_ms: i64, out: &mut Output) -> Result<()> {
        for (last_end_ms, mut groups) in self.slices.take_from(end_ms) {
            let running = self.slices.running.entry(last_end_ms).or_default();
            let (mut from, mut to) = (Vec::new(), Vec::new());
            let mut sorted: Vec<(u32, u32)> = groups.drain().map(|(key, id)| (id, key)).collect();
            sorted.sort_unstable();
            let mut done = Groups::default();
            for (group, key_id) in sorted {
                match running.get(&key_id) {
                    Some(&kept) => {
                        from.push(group);
                        to.push(kept);
                        done.insert(key_id, group);
                    }
                    None => {
                        running.insert(key_id, group);
                    }
                }
            }
            let states = self.groups.save(&from)?;
            self.groups.add_saved(&to, &states)?;
            self.release(done);
        }
        let last_end_ms = self.slices.last_end_ms(end_ms);
        let Some(running) = self.slices.running.get(&last_end_ms) else {
            return Ok(());
        };
        let mut sorted: Vec<(u32, u32)> = running.iter().map(|(&key, &id)| (id, key)).collect();
        sorted.sort_unstable();
        let (ids, key_ids): (Vec<u32>, Vec<u32>) = sorted.into_iter().unzip();
        emit(
            &self.spec,
            &self.keys,
            &self.groups,
            end_ms,
            &key_ids,
            &ids,
            out,
        )
    }
}

impl Operator for SharedWindowAggregate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        let groups = self.groups_of(&delta, ctx)?;
        let delta = match groups.iter().all(Option::is_some) {
            true => delta,
            false => {
                let in_time = groups.iter().map(|group| Some(group.is_some()));
                let in_time = delta.filter(&in_time.collect())?;
                self.n_late += (delta.num_rows() - in_time.num_rows()) as u64;
                in_time
            }
        };
        let groups: Vec<u32> = groups.into_iter().flatten().collect();
        self.groups.update(&delta, &groups)
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
        match self.spec.time {
            WindowTime::Event => Ok(()),
            WindowTime::Processing => self.fire(ctx.processing_time_ms, out),
        }
    }

    fn next_timer_ms(&self) -> Option<i64> {
        if self.spec.time == WindowTime::Event {
            return None;
        }
        let end_ms = self.slices.next_end_ms()?;
        Some(self.spec.clock.time_ms(end_ms.saturating_sub(1)))
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let (mut ids, mut key_ids) = (Vec::new(), Vec::new());
        let (mut slice_ends, mut from_ends) = (Vec::new(), Vec::new());
        for (bucket, groups) in self.slices.all() {
            let mut sorted: Vec<(u32, u32)> = groups.iter().map(|(&key, &id)| (id, key)).collect();
            sorted.sort_unstable();
            for (id, key_id) in sorted {
                ids.push(id);
                key_ids.push(key_id);
                slice_ends.push(bucket.slice_end_ms);
                from_ends.push(bucket.from_end_ms);
            }
        }
        let mut columns = self.keys.keys(&key_ids)?;
        let key_columns = (0..columns.len()).collect();
        columns.push(Arc::new(Int64Array::from(slice_ends)));
        columns.push(Arc::new(Int64Array::from(from_ends)));
        columns.extend(self.groups.save(&ids)?);
        Ok(vec![StateTable {
            name: WINDOWS,
            batch: state_batch(columns)?,
            key_columns,
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let split = table.batch.columns();
            let split = split.split_at_checked(self.key_columns.len());
            let (key, rest) = split
                .filter(|_| table.name == WINDOWS)
                .ok_or_else(not_ours)?;
            let [slice_ends, from_ends, states @ ..] = rest else {
                return Err(not_ours());
            };
            let integers = |column: &ArrayRef| column.as_primitive_opt::<Int64Type>().cloned();
            let slice_ends = integers(slice_ends).ok_or_else(not_ours)?;
            let from_ends = integers(from_ends).ok_or_else(not_ours)?;
            let mut key_ids = Vec::new();
            self.keys
                .intern(key, table.batch.num_rows(), &mut key_ids)?;
            self.n_groups_of_key.resize(self.keys.end(), 0);
            let rows = key_ids
                .iter()
                .zip(slice_ends.values())
                .zip(from_ends.values());
            let groups: Vec<u32> = rows
                .map(|((&key_id, &slice_end_ms), &from_end_ms)| {
                    let bucket = Bucket {
                        slice_end_ms,
                        from_end_ms,
                    };
                    self.group(bucket, key_id)
                })
                .collect();
            self.groups.add_saved(&groups, states)?;
        }
        Ok(())
    }

    /// Rows that no window was open for; also those between windows that leave gaps.
    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.keys.state_bytes()
            + self.slices.state_bytes()
            + self.groups.state_bytes()
            + self.merged.state_bytes()
            + (self.n_groups_of_key.capacity() + self.place_of_key.capacity()) * size_of::<u32>()
    }
}

/// Emits a window: a row for each key whose group has rows.
fn emit(
    spec: &WindowAggregateSpec,
    keys: &KeyIndex,
    states: &Accumulators,
    end_ms: i64,
    key_ids: &[u32],
    groups: &[u32],
    out: &mut Output,
) -> Result<()> {
    let (key_ids, groups): (Vec<u32>, Vec<u32>) = key_ids
        .iter()
        .zip(groups)
        .filter(|(_, group)| states.count(**group) > 0)
        .unzip();
    if groups.is_empty() {
        return Ok(());
    }
    let batch = spec.rows(
        end_ms,
        groups.len(),
        keys.keys(&key_ids)?,
        states.read(&groups)?,
    )?;
    out.emit(Delta::insert_only(batch));
    Ok(())
}
