//! GROUP BY (and DISTINCT, as a group aggregate without aggregates).
//!
//! One instance sees all rows of its keys: the edge into it is hashed by the group columns, or
//! `Single` without any. Arguments and filters are columns of the input; a Calc before computes
//! them.
//!
//! ```text
//!   rows ─▶ ids of their keys ─▶ accumulators (columns indexed by id) ─▶ values before and after
//!                                                                       ─▶ +I, -U +U, -D
//! ```
//!
//! Row by row does not mean one row at a time: the values after each row are a column like any
//! other, and the value before a row is the one after the previous row of its group.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};

use super::aggregates::{Accumulator, AggregateInput, Distinct, accumulator, counted_rows};
use super::group_changes::{Frontier, RowChanges, changed_rows, columns_at, read_counts};
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::state::KeyIndex;

/// The aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// Rows (without an argument), or rows whose argument is not NULL.
    Count,
    /// Sum in the argument's own type; integers wrap, decimals that overflow are NULL.
    Sum,
    /// Mean; integers truncate, decimals round half up.
    Avg,
    /// Least value; ignores NULL and NaN.
    Min,
    /// Greatest value; ignores NULL and NaN.
    Max,
}

/// One aggregate of a GROUP BY.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// Column of the argument; none for `COUNT(*)`.
    pub argument: Option<usize>,
    /// Boolean column of `FILTER (WHERE …)`: rows that are not true in it do not count.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Name and type of the result.
    pub result: FieldRef,
}

/// When changes of groups are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// After each input row, in its order: Flink's changelog without mini-batch.
    RowByRow,
    /// At the end of each step: the content before and after the step of each group that changed.
    NetPerStep,
}

/// A GROUP BY.
#[derive(Debug, Clone)]
pub struct GroupAggregateSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the key; empty for a global aggregate.
    pub group_columns: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Whether `-U` or `-D` may come in. If not, MIN and MAX keep one value a group.
    pub input_retracts: bool,
    /// When changes are sent on.
    pub emission: Emission,
    /// Whether `-U` is sent before `+U`; false where the reader knows the row by its key.
    pub update_before: bool,
    /// Without group columns and without any input: emit the row of the empty table at the end
    /// (batch) or nothing (streaming).
    pub emit_on_empty: bool,
    /// Schema of the rows that leave: the group columns, then one column a call.
    pub schema: SchemaRef,
}

impl OperatorFactory for GroupAggregateSpec {
    fn create(&self, worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        if self.schema.fields().len() != self.group_columns.len() + self.calls.len() {
            return Err(EngineError::internal(
                "a group aggregate's schema is not its key and its calls",
            ));
        }
        let type_of = |column: usize| {
            self.input_schema
                .fields()
                .get(column)
                .map(|field| field.data_type().clone())
                .ok_or_else(|| EngineError::internal("a group aggregate reads a missing column"))
        };
        let key_types = self
            .group_columns
            .iter()
            .map(|&column| type_of(column))
            .collect::<Result<Vec<_>>>()?;
        let calls = self
            .calls
            .iter()
            .map(|call| {
                let argument = call.argument.map(type_of).transpose()?;
                Call::try_new(call, argument.as_ref(), self.input_retracts)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(GroupAggregate {
            spec: self.clone(),
            index: KeyIndex::try_new(&key_types)?,
            counts: Vec::new(),
            calls,
            frontier: Frontier::default(),
            ids: Vec::new(),
            is_first_worker: worker_idx == 0,
        }))
    }
}

struct GroupAggregate {
    spec: GroupAggregateSpec,
    index: KeyIndex,
    /// Rows of each group. A group without rows does not exist.
    counts: Vec<i64>,
    calls: Vec<Call>,
    /// The groups that this step (or batch, row by row) has touched.
    frontier: Frontier,
    /// Of the rows of the batch; kept for its memory.
    ids: Vec<u32>,
    is_first_worker: bool,
}

/// One aggregate with its state.
struct Call {
    argument: Option<usize>,
    filter: Option<usize>,
    distinct: Option<Distinct>,
    /// None for `COUNT(*)` without a filter: that is the count of the group's rows.
    accumulator: Option<Box<dyn Accumulator>>,
}

impl Operator for GroupAggregate {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let n_rows = delta.num_rows();
        let key = columns_at(delta.batch(), &self.spec.group_columns)?;
        let mut ids = std::mem::take(&mut self.ids);
        self.index.intern(&key, n_rows, &mut ids)?;
        let n_groups = self.index.end();
        self.frontier.resize(n_groups);
        if self.counts.len() < n_groups {
            self.counts.resize(n_groups, 0);
        }
        for call in &mut self.calls {
            if let Some(accumulator) = &mut call.accumulator {
                accumulator.resize(n_groups);
            }
        }
        let signs: Option<Vec<i8>> = delta
            .kinds()
            .map(|kinds| kinds.iter().map(|kind| kind.sign() as i8).collect());
        match self.spec.emission {
            Emission::NetPerStep => self.push_net(&delta, &key, &ids, signs.as_deref())?,
            Emission::RowByRow => {
                self.push_row_by_row(&delta, &key, &ids, signs.as_deref(), out)?
            }
        }
        self.ids = ids;
        Ok(())
    }

    fn on_step_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        if self.spec.emission == Emission::NetPerStep && !self.frontier.is_empty() {
            self.emit_net(out)?;
        }
        Ok(())
    }

    fn on_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        let is_empty = self.counts.first().is_none_or(|&n_rows| n_rows == 0);
        let is_due = self.spec.emit_on_empty && self.spec.group_columns.is_empty();
        if is_due && is_empty && self.is_first_worker {
            let values = self.read(&[0])?;
            out.emit(Delta::insert_only(changed_rows(&self.spec.schema, values)?));
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let of_calls: usize = self.calls.iter().map(Call::state_bytes).sum();
        of_calls
            + self.index.state_bytes()
            + self.counts.capacity() * size_of::<i64>()
            + self.frontier.state_bytes()
    }
}

impl GroupAggregate {
    /// Takes the rows in; remembers the values before of groups that this step touches first.
    fn push_net(
        &mut self,
        delta: &Delta,
        key: &[ArrayRef],
        ids: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<()> {
        let (groups, rows) = self.frontier.touch(ids);
        if !groups.is_empty() {
            let before = self.read(&groups)?;
            let is_there = groups.iter().map(|&group| self.count(group) > 0).collect();
            self.frontier
                .remember(groups, rows, key, before, is_there)?;
        }
        self.add_counts(ids, signs);
        for call in &mut self.calls {
            call.update(delta, ids, signs)?;
        }
        Ok(())
    }

    fn emit_net(&mut self, out: &mut Output) -> Result<()> {
        for frontier in self.frontier.take()? {
            let groups = &frontier.groups;
            let after = self.read(groups)?;
            let counts: Vec<i64> = groups.iter().map(|&group| self.count(group)).collect();
            require_not_negative(&counts)?;
            let (schema, update_before) = (&self.spec.schema, self.spec.update_before);
            if let Some(delta) = frontier.net_changes(schema, &after, &counts, update_before)? {
                out.emit(delta);
            }
            self.remove_empty(groups);
        }
        Ok(())
    }

    fn push_row_by_row(
        &mut self,
        delta: &Delta,
        key: &[ArrayRef],
        ids: &[u32],
        signs: Option<&[i8]>,
        out: &mut Output,
    ) -> Result<()> {
        let (groups, _) = self.frontier.touch(ids);
        let previous = self.frontier.previous_places(&groups, ids);
        let mut changes = RowChanges::new(groups.len(), previous);
        let counts_before: Vec<i64> = groups.iter().map(|&group| self.count(group)).collect();
        let counts_after = self.add_counts_each(ids, signs);
        require_not_negative(&counts_after)?;
        changes.set_counts(&counts_before, &counts_after);
        for call in &mut self.calls {
            let column = match &call.accumulator {
                Some(accumulator) => {
                    let before = accumulator.read(&groups)?;
                    let after = call.update_each(delta, ids, signs)?;
                    arrow::compute::concat(&[before.as_ref(), after.as_ref()])?
                }
                None => read_counts(counts_before.iter().chain(&counts_after)),
            };
            changes.add_column(column)?;
        }
        if let Some(delta) = changes.build(&self.spec.schema, key, self.spec.update_before)? {
            out.emit(delta);
        }
        self.frontier.clear();
        self.remove_empty(&groups);
        Ok(())
    }

    /// One column a call, one value a group.
    fn read(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.calls
            .iter()
            .map(|call| match &call.accumulator {
                Some(accumulator) => accumulator.read(groups),
                None => {
                    let counts: Vec<i64> = groups.iter().map(|&group| self.count(group)).collect();
                    Ok(read_counts(&counts))
                }
            })
            .collect()
    }

    fn count(&self, group: u32) -> i64 {
        self.counts.get(group as usize).copied().unwrap_or(0)
    }

    fn add_counts(&mut self, ids: &[u32], signs: Option<&[i8]>) {
        for (row_idx, &id) in ids.iter().enumerate() {
            let sign = signs.map_or(1, |signs| signs.get(row_idx).map_or(0, |&s| i64::from(s)));
            if let Some(count) = self.counts.get_mut(id as usize) {
                *count += sign;
            }
        }
    }

    fn add_counts_each(&mut self, ids: &[u32], signs: Option<&[i8]>) -> Vec<i64> {
        let mut after = Vec::with_capacity(ids.len());
        for (row_idx, &id) in ids.iter().enumerate() {
            let sign = signs.map_or(1, |signs| signs.get(row_idx).map_or(0, |&s| i64::from(s)));
            if let Some(count) = self.counts.get_mut(id as usize) {
                *count += sign;
                after.push(*count);
            }
        }
        after
    }

    /// Forgets the groups that have no rows any more.
    fn remove_empty(&mut self, groups: &[u32]) {
        for &group in groups {
            if self.count(group) != 0 {
                continue;
            }
            self.index.remove(group);
            for call in &mut self.calls {
                if let Some(accumulator) = &mut call.accumulator {
                    accumulator.clear(group);
                }
            }
        }
    }
}

impl Call {
    fn try_new(
        call: &AggregateCall,
        argument: Option<&DataType>,
        input_retracts: bool,
    ) -> Result<Self> {
        let expected = call.function.result_type(argument)?;
        if *call.result.data_type() != expected {
            return Err(EngineError::internal(format!(
                "{} gives {expected}, the plan says {}",
                call.function.name(),
                call.result.data_type()
            )));
        }
        let is_row_count = argument.is_none() && call.filter.is_none();
        let accumulator = if call.function == AggregateFunction::Count && is_row_count {
            None
        } else {
            Some(accumulator(call.function, argument, input_retracts)?)
        };
        // MIN and MAX are the same with DISTINCT and without.
        let is_extreme = matches!(
            call.function,
            AggregateFunction::Min | AggregateFunction::Max
        );
        let distinct = match argument {
            Some(argument) if call.distinct && !is_extreme => Some(Distinct::try_new(argument)?),
            _ => None,
        };
        Ok(Self {
            argument: call.argument,
            filter: call.filter,
            distinct,
            accumulator,
        })
    }

    fn update(&mut self, delta: &Delta, groups: &[u32], signs: Option<&[i8]>) -> Result<()> {
        self.with_input(delta, groups, signs, |accumulator, input| {
            accumulator.update(input)
        })
    }

    fn update_each(
        &mut self,
        delta: &Delta,
        groups: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<ArrayRef> {
        self.with_input(delta, groups, signs, |accumulator, input| {
            accumulator.update_each(input).map(Some)
        })?
        .ok_or_else(|| EngineError::internal("a row count has no column of its own"))
    }

    fn with_input<T: Default>(
        &mut self,
        delta: &Delta,
        groups: &[u32],
        signs: Option<&[i8]>,
        work: impl FnOnce(&mut dyn Accumulator, &AggregateInput<'_>) -> Result<T>,
    ) -> Result<T> {
        let Some(accumulator) = &mut self.accumulator else {
            return Ok(T::default());
        };
        let column =
            |column: Option<usize>| column.and_then(|column| delta.batch().columns().get(column));
        let argument = column(self.argument);
        let mut counted: Option<BooleanBuffer> = counted_rows(argument, column(self.filter))?;
        if let Some(distinct) = &mut self.distinct {
            let input = AggregateInput {
                argument,
                counted: counted.as_ref(),
                groups,
                signs,
            };
            counted = Some(distinct.update(&input)?);
        }
        let input = AggregateInput {
            argument,
            counted: counted.as_ref(),
            groups,
            signs,
        };
        work(accumulator.as_mut(), &input)
    }

    fn state_bytes(&self) -> usize {
        let of_distinct = self.distinct.as_ref().map_or(0, Distinct::state_bytes);
        let of_values = self
            .accumulator
            .as_ref()
            .map_or(0, |accumulator| accumulator.state_bytes());
        of_distinct + of_values
    }
}

/// A group never has fewer than no rows, unless a source takes back what it never gave.
fn require_not_negative(counts: &[i64]) -> Result<()> {
    if counts.iter().any(|&count| count < 0) {
        return Err(EngineError::Data {
            message: "GROUP BY got the retraction of a row that never came".to_owned(),
        });
    }
    Ok(())
}

impl AggregateFunction {
    /// The type of the result for an argument of type `argument` (none for `COUNT(*)`).
    ///
    /// Source: Flink 2.3, `LogicalTypeMerging.findSumAggType` and `findAvgAggType`.
    ///
    /// # Errors
    /// `Unsupported` if the function does not take this type.
    pub fn result_type(self, argument: Option<&DataType>) -> Result<DataType> {
        let unsupported = || {
            let argument = argument.map_or("*".to_owned(), ToString::to_string);
            EngineError::unsupported(format!("{}({argument})", self.name()))
        };
        match (self, argument) {
            (Self::Count, _) => Ok(DataType::Int64),
            (Self::Min | Self::Max, Some(argument)) if argument.is_nested() => Err(unsupported()),
            (Self::Min | Self::Max, Some(argument)) => Ok(argument.clone()),
            (Self::Sum, Some(DataType::Decimal128(_, scale))) => {
                Ok(DataType::Decimal128(38, *scale))
            }
            (Self::Avg, Some(DataType::Decimal128(_, scale))) => {
                Ok(DataType::Decimal128(38, (*scale).max(6)))
            }
            (Self::Sum | Self::Avg, Some(argument)) if argument.is_numeric() => {
                Ok(argument.clone())
            }
            _ => Err(unsupported()),
        }
    }

    /// The function's name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}
