//! Aggregate functions of the user, behind [`GroupStates`].

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;

use super::{Accumulator, AggregateInput};
use crate::error::Result;
use crate::functions::udf::{AggregateUdfSpec, GroupStates, GroupedRows};

/// A foreign function as one of ours.
pub(super) struct Foreign {
    states: Box<dyn GroupStates>,
    result: DataType,
}

impl Foreign {
    /// # Errors
    /// If the function cannot be opened.
    pub(super) fn try_new(spec: &AggregateUdfSpec) -> Result<Self> {
        Ok(Self {
            states: spec.runtime.create()?,
            result: spec.result.data_type().clone(),
        })
    }
}

const fn rows<'a>(input: &AggregateInput<'a>) -> GroupedRows<'a> {
    GroupedRows {
        arguments: input.arguments,
        groups: input.groups,
        signs: input.signs,
        counted: input.counted,
    }
}

impl Accumulator for Foreign {
    /// The runtime makes states when it meets their groups.
    fn resize(&mut self, _n_groups: usize) {}

    fn update(&mut self, input: &AggregateInput<'_>) -> Result<()> {
        self.states.update(&rows(input))
    }

    fn update_each(&mut self, input: &AggregateInput<'_>) -> Result<ArrayRef> {
        self.states.update_each(&rows(input))
    }

    fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.states.read(groups)
    }

    fn read_used(&self, groups: &[u32], is_used: &[bool]) -> Result<ArrayRef> {
        let used: Vec<u32> = groups
            .iter()
            .zip(is_used)
            .filter(|(_, is_used)| **is_used)
            .map(|(group, _)| *group)
            .collect();
        if used.len() == groups.len() {
            return self.read(groups);
        }
        if used.is_empty() {
            return Ok(new_null_array(&self.result, groups.len()));
        }
        let values = self.read(&used)?;
        let mut next = 0;
        let places: UInt32Array = is_used
            .iter()
            .map(|is_used| {
                let place = next;
                next += u32::from(*is_used);
                is_used.then_some(place)
            })
            .collect();
        Ok(take(values.as_ref(), &places, None)?)
    }

    fn clear(&mut self, group: u32) {
        self.states.clear(group);
    }

    fn state_bytes(&self) -> usize {
        self.states.state_bytes()
    }

    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.states.save(groups)?])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.states.restore(groups, super::only(columns)?)
    }
}
