//! DISTINCT inside an aggregate: how often each value stands in each group. Only the first one
//! that comes and the last one that goes reach the aggregate.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::AggregateInput;
use crate::error::{EngineError, Result};
use crate::state::KeyIndex;

/// Multiplicities of (group, value).
pub(in super::super) struct Distinct {
    index: KeyIndex,
    counts: Vec<i64>,
    ids: Vec<u32>,
}

impl Distinct {
    pub(in super::super) fn try_new(argument: &DataType) -> Result<Self> {
        Ok(Self {
            index: KeyIndex::try_new(&[DataType::UInt32, argument.clone()])?,
            counts: Vec::new(),
            ids: Vec::new(),
        })
    }

    /// Counts the rows and gives those that change what is distinct.
    pub(in super::super) fn update(&mut self, input: &AggregateInput<'_>) -> Result<BooleanBuffer> {
        let argument = input
            .argument
            .ok_or_else(|| EngineError::internal("DISTINCT without an argument"))?;
        let groups: ArrayRef = Arc::new(UInt32Array::from(input.groups.to_vec()));
        let key = [groups, Arc::clone(argument)];
        let Self { index, counts, ids } = self;
        index.intern(&key, input.groups.len(), ids)?;
        if counts.len() < index.end() {
            counts.resize(index.end(), 0);
        }
        let mut gone = Vec::new();
        let mut changes = |row_idx: usize| {
            let counted = input.counted.is_none_or(|counted| counted.value(row_idx));
            let sign = input
                .signs
                .and_then(|signs| signs.get(row_idx).copied())
                .map_or(1, i64::from);
            let id = ids.get(row_idx).copied().unwrap_or_default();
            let Some(count) = counts.get_mut(id as usize) else {
                return false;
            };
            let before = *count;
            *count += if counted { sign } else { 0 };
            if *count == 0 {
                gone.push(id);
            }
            (before > 0) != (*count > 0)
        };
        let changing = BooleanBuffer::collect_bool(input.groups.len(), &mut changes);
        for id in gone {
            if counts.get(id as usize) == Some(&0) {
                index.remove(id);
            }
        }
        Ok(changing)
    }

    pub(in super::super) fn state_bytes(&self) -> usize {
        self.index.state_bytes() + self.counts.capacity() * size_of::<i64>()
    }
}
