//! The accumulators of groups: for each group the number of its rows and the state of every
//! aggregate. What a group stands for is known to who keeps them: a window and a key, a slice and a
//! key, a window of rows.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};

use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::functions::accumulators::{Aggregate, AggregateCall};
use crate::operators::group_changes::read_counts;

pub(super) struct Accumulators {
    counts: Vec<i64>,
    /// None for `COUNT(*)` without a filter: that is the count of rows.
    aggregates: Vec<Option<Aggregate>>,
    /// Groups that were released, to be used again.
    free: Vec<u32>,
}

impl Accumulators {
    /// Accumulators of `calls` over columns of these types; no groups yet.
    ///
    /// # Errors
    /// If a call is none of the engine's.
    pub(super) fn try_new(
        calls: &[AggregateCall],
        types: &[DataType],
        input_retracts: bool,
    ) -> Result<Self> {
        let aggregates = calls.iter().map(|call| match call.counts_rows() {
            true => Ok(None),
            false => Aggregate::try_new(call, types, input_retracts).map(Some),
        });
        Ok(Self {
            counts: Vec::new(),
            aggregates: aggregates.collect::<Result<_>>()?,
            free: Vec::new(),
        })
    }

    /// A group that nothing stands in.
    pub(super) fn open(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let group = self.counts.len();
            self.resize(group + 1);
            group as u32
        })
    }

    /// Empties a group that [`Self::open`] gave; it will be given again.
    pub(super) fn release(&mut self, group: u32) {
        self.clear(group);
        self.free.push(group);
    }

    /// Makes room for the groups below `n_groups`.
    pub(super) fn resize(&mut self, n_groups: usize) {
        if self.counts.len() < n_groups {
            self.counts.resize(n_groups, 0);
            for aggregate in self.aggregates.iter_mut().flatten() {
                aggregate.resize(n_groups);
            }
        }
    }

    /// The groups that there is room for.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Adds each row to its group, or takes it back.
    ///
    /// # Errors
    /// If an aggregate fails.
    pub(super) fn update(&mut self, delta: &Delta, groups: &[u32]) -> Result<()> {
        let signs: Option<Vec<i8>> = delta
            .kinds()
            .map(|kinds| kinds.iter().map(|kind| kind.sign() as i8).collect());
        for (row_idx, &group) in groups.iter().enumerate() {
            let sign = signs.as_ref().and_then(|signs| signs.get(row_idx));
            if let Some(count) = self.counts.get_mut(group as usize) {
                *count += sign.map_or(1, |&sign| i64::from(sign));
            }
        }
        for aggregate in self.aggregates.iter_mut().flatten() {
            aggregate.update(delta.batch(), groups, signs.as_deref())?;
        }
        Ok(())
    }

    /// The rows of a group.
    pub(super) fn count(&self, group: u32) -> i64 {
        self.counts.get(group as usize).copied().unwrap_or(0)
    }

    /// The values of the groups, one column a call.
    ///
    /// # Errors
    /// If an aggregate fails.
    pub(super) fn read(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let values = self.aggregates.iter().map(|aggregate| match aggregate {
            Some(aggregate) => aggregate.read(groups),
            None => Ok(self.read_counts(groups)),
        });
        values.collect()
    }

    /// Makes a group as if it had never seen a row.
    pub(super) fn clear(&mut self, group: u32) {
        if let Some(count) = self.counts.get_mut(group as usize) {
            *count = 0;
        }
        for aggregate in self.aggregates.iter_mut().flatten() {
            aggregate.clear(group);
        }
    }

    /// The states of groups: the counts of rows, then the columns of each aggregate.
    ///
    /// # Errors
    /// If an aggregate fails.
    pub(super) fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = vec![self.read_counts(groups)];
        for aggregate in self.aggregates.iter().flatten() {
            columns.extend(aggregate.save(groups)?);
        }
        Ok(columns)
    }

    /// Adds what [`Self::save`] gave to the groups: restores empty ones, merges others.
    ///
    /// # Errors
    /// If it is the state of something else.
    pub(super) fn add_saved(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let (counts, mut states) = states.split_first().ok_or_else(not_ours)?;
        let counts = counts
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(not_ours)?;
        for (&group, &n_rows) in groups.iter().zip(counts.values()) {
            if let Some(count) = self.counts.get_mut(group as usize) {
                *count += n_rows;
            }
        }
        for aggregate in self.aggregates.iter_mut().flatten() {
            let n_columns = aggregate.save(&[])?.len();
            let (own, rest) = states.split_at_checked(n_columns).ok_or_else(not_ours)?;
            aggregate.restore(groups, own)?;
            states = rest;
        }
        Ok(())
    }

    pub(super) fn state_bytes(&self) -> usize {
        let aggregates = self.aggregates.iter().flatten();
        let of_aggregates: usize = aggregates.map(Aggregate::state_bytes).sum();
        of_aggregates
            + self.counts.capacity() * size_of::<i64>()
            + self.free.capacity() * size_of::<u32>()
    }

    fn read_counts(&self, groups: &[u32]) -> ArrayRef {
        let counts: Vec<i64> = groups.iter().map(|&group| self.count(group)).collect();
        read_counts(&counts)
    }
}

/// A checkpoint has the state of another operator.
pub(super) fn not_ours() -> EngineError {
    EngineError::Data {
        message: "the saved windows are not those of this aggregate".to_owned(),
    }
}
