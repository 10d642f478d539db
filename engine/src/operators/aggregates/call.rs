//! One aggregate of a query with all that belongs to it: its arguments, FILTER and DISTINCT.
//!
//! ```text
//!   batch ─▶ rows that count (FILTER, NULLs) ─▶ DISTINCT ─▶ accumulator
//! ```

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef};
use std::sync::Arc;

use super::distinct::Distinct;
use super::foreign::Foreign;
use super::{Accumulator, AggregateInput, Folded, count, counted_rows, min_max, sum};
use crate::error::{EngineError, Result};
use crate::functions::udf::AggregateUdfSpec;

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

/// What an aggregate calls.
#[derive(Debug, Clone)]
pub enum Callee {
    /// A function of ours.
    BuiltIn(AggregateFunction),
    /// A function of the user. It sees NULL too.
    Foreign(Arc<AggregateUdfSpec>),
}

impl Callee {
    fn ignores_distinct(&self) -> bool {
        match self {
            Self::BuiltIn(function) => function.ignores_distinct(),
            Self::Foreign(_) => false,
        }
    }

    /// The rows that count; none if all do.
    fn counted(
        &self,
        arguments: &[ArrayRef],
        filter: Option<&ArrayRef>,
    ) -> Result<Option<BooleanBuffer>> {
        match self {
            Self::BuiltIn(function) => function.counted(arguments, filter),
            Self::Foreign(_) => counted_rows(None, filter),
        }
    }
}

impl From<AggregateFunction> for Callee {
    fn from(function: AggregateFunction) -> Self {
        Self::BuiltIn(function)
    }
}

/// One aggregate of a GROUP BY.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: Callee,
    /// Columns of the arguments; none for `COUNT(*)`.
    pub arguments: Vec<usize>,
    /// Boolean column of `FILTER (WHERE …)`: rows that are not true in it do not count.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Name and type of the result.
    pub result: FieldRef,
}

impl AggregateCall {
    /// Whether it is `COUNT(*)` without a filter: the number of rows of the group, which most
    /// operators know anyway.
    #[must_use]
    pub fn counts_rows(&self) -> bool {
        matches!(self.function, Callee::BuiltIn(AggregateFunction::Count))
            && self.arguments.is_empty()
            && self.filter.is_none()
    }
}

/// One aggregate with the state of all its groups.
pub(crate) struct Aggregate {
    function: Callee,
    arguments: Vec<usize>,
    filter: Option<usize>,
    distinct: Option<Distinct>,
    accumulator: Box<dyn Accumulator>,
}

impl Aggregate {
    /// An aggregate over rows whose columns have these types. `input_retracts` says whether rows
    /// may be taken back; without, some aggregates remember less.
    ///
    /// # Errors
    /// `Unsupported` if the function does not take its arguments.
    pub(crate) fn try_new(
        call: &AggregateCall,
        input_types: &[DataType],
        input_retracts: bool,
    ) -> Result<Self> {
        let arguments = call
            .arguments
            .iter()
            .map(|&column| {
                input_types
                    .get(column)
                    .cloned()
                    .ok_or_else(|| EngineError::internal("an aggregate reads a missing column"))
            })
            .collect::<Result<Vec<_>>>()?;
        let is_distinct = call.distinct && !call.function.ignores_distinct();
        Ok(Self {
            function: call.function.clone(),
            arguments: call.arguments.clone(),
            filter: call.filter,
            distinct: match is_distinct {
                true if !arguments.is_empty() => Some(Distinct::try_new(&arguments)?),
                _ => None,
            },
            accumulator: match &call.function {
                Callee::Foreign(spec) => Box::new(Foreign::try_new(spec)?),
                Callee::BuiltIn(function) => accumulator(
                    *function,
                    &arguments,
                    call.result.data_type(),
                    input_retracts,
                )?,
            },
        })
    }

    /// As [`Accumulator::resize`].
    pub(crate) fn resize(&mut self, n_groups: usize) {
        self.accumulator.resize(n_groups);
    }

    /// Adds the rows of `batch` to their groups, or takes them back where the sign is -1.
    pub(crate) fn update(
        &mut self,
        batch: &RecordBatch,
        groups: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<()> {
        self.with_input(batch, groups, signs, |accumulator, input| {
            accumulator.update(input)
        })
    }

    /// As [`Self::update`], and gives the value of the row's group after each row.
    pub(crate) fn update_each(
        &mut self,
        batch: &RecordBatch,
        groups: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<ArrayRef> {
        self.with_input(batch, groups, signs, |accumulator, input| {
            accumulator.update_each(input)
        })
    }

    /// The values of these groups.
    pub(crate) fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.accumulator.read(groups)
    }

    /// Makes the group as if it had never seen a row.
    pub(crate) fn clear(&mut self, group: u32) {
        if let Some(distinct) = &mut self.distinct {
            distinct.clear(group);
        }
        self.accumulator.clear(group);
    }

    /// The states of these groups as columns, one row a group: the values of DISTINCT, or the
    /// accumulator's.
    pub(crate) fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.distinct {
            // The values say all: restoring them adds them up again.
            Some(distinct) => Ok(vec![distinct.save(groups)?]),
            None => self.accumulator.save(groups),
        }
    }

    /// Adds what [`Self::save`] gave, see [`Accumulator::restore`].
    pub(crate) fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let Some(distinct) = &mut self.distinct else {
            return self.accumulator.restore(groups, columns);
        };
        let column = super::only(columns)?;
        let (arguments, groups) = distinct.restore(groups, column)?;
        let counted = self.function.counted(&arguments, None)?;
        self.accumulator.update(&AggregateInput {
            arguments: &arguments,
            counted: counted.as_ref(),
            groups: &groups,
            signs: None,
        })
    }

    /// Bytes of state.
    pub(crate) fn state_bytes(&self) -> usize {
        let of_distinct = self.distinct.as_ref().map_or(0, Distinct::state_bytes);
        of_distinct + self.accumulator.state_bytes()
    }

    fn with_input<T>(
        &mut self,
        batch: &RecordBatch,
        groups: &[u32],
        signs: Option<&[i8]>,
        work: impl FnOnce(&mut dyn Accumulator, &AggregateInput<'_>) -> Result<T>,
    ) -> Result<T> {
        let column = |column: usize| {
            batch
                .columns()
                .get(column)
                .cloned()
                .ok_or_else(|| EngineError::internal("an aggregate reads a missing column"))
        };
        let arguments = self
            .arguments
            .iter()
            .map(|&argument| column(argument))
            .collect::<Result<Vec<_>>>()?;
        let filter = self.filter.map(column).transpose()?;
        let mut counted = self.function.counted(&arguments, filter.as_ref())?;
        if let Some(distinct) = &mut self.distinct {
            counted = Some(distinct.update(&AggregateInput {
                arguments: &arguments,
                counted: counted.as_ref(),
                groups,
                signs,
            })?);
        }
        let input = AggregateInput {
            arguments: &arguments,
            counted: counted.as_ref(),
            groups,
            signs,
        };
        work(self.accumulator.as_mut(), &input)
    }
}

/// The accumulator of `function` over arguments of these types.
///
/// # Errors
/// `Unsupported` if there is none for these types.
fn accumulator(
    function: AggregateFunction,
    arguments: &[DataType],
    result: &DataType,
    input_retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    let expected = function.result_type(arguments.first())?;
    if *result != expected {
        return Err(EngineError::internal(format!(
            "{} gives {expected}, the plan says {result}",
            function.name(),
        )));
    }
    match (function, arguments) {
        (AggregateFunction::Count, _) => Ok(Box::new(Folded::new(count::Count))),
        (AggregateFunction::Sum, [argument]) => sum::sum(argument, result),
        (AggregateFunction::Avg, [argument]) => sum::avg(argument, result),
        (AggregateFunction::Min, [argument]) => {
            min_max::extreme(min_max::End::Min, argument, input_retracts)
        }
        (AggregateFunction::Max, [argument]) => {
            min_max::extreme(min_max::End::Max, argument, input_retracts)
        }
        _ => Err(EngineError::internal(format!(
            "{} of {} arguments",
            function.name(),
            arguments.len()
        ))),
    }
}

impl AggregateFunction {
    /// Whether the function is the same with DISTINCT and without.
    const fn ignores_distinct(self) -> bool {
        matches!(self, Self::Min | Self::Max)
    }

    /// The rows that count; none if all do.
    fn counted(
        self,
        arguments: &[ArrayRef],
        filter: Option<&ArrayRef>,
    ) -> Result<Option<BooleanBuffer>> {
        counted_rows(arguments.first(), filter)
    }

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
