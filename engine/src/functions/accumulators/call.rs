//! One aggregate of a query with all that belongs to it: its arguments, FILTER and DISTINCT.
//!
//! ```text
//!   batch ─▶ rows that count (FILTER, NULLs) ─▶ DISTINCT ─▶ accumulator
//! ```

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use std::sync::Arc;

use super::distinct::Distinct;
use super::foreign::Foreign;
use super::{
    Accumulator, AggregateFunction, AggregateInput, Folded, bag, bitmap, count, counted_rows, json,
    min_max, only, ordered, sum,
};
use crate::error::{EngineError, Result};
use crate::functions::udf::AggregateUdfSpec;

/// What an aggregate calls.
#[derive(Debug, Clone)]
pub enum Callee {
    /// A function of ours.
    BuiltIn(AggregateFunction),
    /// A function of the user. It sees NULL too.
    Foreign(Arc<AggregateUdfSpec>),
}

impl Callee {
    /// Whether equal arguments count once for it.
    fn is_distinct(&self, said: bool) -> bool {
        match self {
            Self::BuiltIn(function) => {
                (said || function.is_distinct()) && !function.ignores_distinct()
            }
            Self::Foreign(_) => said,
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
    /// Constants behind the arguments: the separator of LISTAGG, the percentages of PERCENTILE.
    pub constants: Vec<ScalarValue>,
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
        let is_distinct = call.function.is_distinct(call.distinct);
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
                Callee::BuiltIn(function) => {
                    accumulator(*function, call, &arguments, input_retracts)?
                }
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
        let (arguments, filter) = self.columns_of(batch)?;
        self.update_columns(&arguments, filter.as_ref(), groups, signs)
    }

    /// As [`Self::update`] for the columns of the arguments and of the filter.
    pub(crate) fn update_columns(
        &mut self,
        arguments: &[ArrayRef],
        filter: Option<&ArrayRef>,
        groups: &[u32],
        signs: Option<&[i8]>,
    ) -> Result<()> {
        self.with_input(arguments, filter, groups, signs, |accumulator, input| {
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
        let (arguments, filter) = self.columns_of(batch)?;
        self.with_input(
            &arguments,
            filter.as_ref(),
            groups,
            signs,
            |accumulator, input| accumulator.update_each(input),
        )
    }

    /// The values of these groups.
    pub(crate) fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.accumulator.read(groups)
    }

    /// The values of these groups, of which only those of used ones are looked at.
    pub(crate) fn read_used(&self, groups: &[u32], is_used: &[bool]) -> Result<ArrayRef> {
        self.accumulator.read_used(groups, is_used)
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
        let column = only(columns)?;
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

    fn columns_of(&self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Option<ArrayRef>)> {
        let column = |column: usize| {
            batch
                .columns()
                .get(column)
                .cloned()
                .ok_or_else(|| EngineError::internal("an aggregate reads a missing column"))
        };
        let arguments = self.arguments.iter().map(|&argument| column(argument));
        Ok((
            arguments.collect::<Result<Vec<_>>>()?,
            self.filter.map(column).transpose()?,
        ))
    }

    fn with_input<T>(
        &mut self,
        arguments: &[ArrayRef],
        filter: Option<&ArrayRef>,
        groups: &[u32],
        signs: Option<&[i8]>,
        work: impl FnOnce(&mut dyn Accumulator, &AggregateInput<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut counted = self.function.counted(arguments, filter)?;
        if let Some(distinct) = &mut self.distinct {
            counted = Some(distinct.update(&AggregateInput {
                arguments,
                counted: counted.as_ref(),
                groups,
                signs,
            })?);
        }
        let input = AggregateInput {
            arguments,
            counted: counted.as_ref(),
            groups,
            signs,
        };
        work(self.accumulator.as_mut(), &input)
    }
}

/// The accumulator of `call` over arguments of these types.
///
/// # Errors
/// `Unsupported` if there is none for these types.
fn accumulator(
    function: AggregateFunction,
    call: &AggregateCall,
    arguments: &[DataType],
    input_retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction as F;
    let result = call.result.data_type();
    match (function, arguments) {
        (F::Count | F::ApproxCountDistinct, _) => Ok(Box::new(Folded::new(count::Count))),
        (F::Sum, [argument]) => sum::sum(argument, result),
        (F::SumZero, [argument]) => sum::sum_zero(argument, result),
        (F::Avg, [argument]) => sum::avg(argument, result),
        (F::Min, [argument]) => min_max::extreme(min_max::End::Min, argument, input_retracts),
        (F::Max, [argument]) => min_max::extreme(min_max::End::Max, argument, input_retracts),
        (F::WelfordM2, [_]) => Ok(bag::welford_m2()),
        (F::FirstValue, [argument]) => {
            ordered::first_or_last(ordered::Side::First, argument, input_retracts)
        }
        (F::LastValue, [argument]) => {
            ordered::first_or_last(ordered::Side::Last, argument, input_retracts)
        }
        (F::ListAgg, [_]) => Ok(ordered::list_agg(&separator(call)?, input_retracts)),
        (F::ArrayAgg { .. }, [argument]) => ordered::array_agg(argument, result),
        (F::Collect, [argument]) => bag::collect(argument, result),
        (F::JsonArrayAgg { .. }, [_]) => Ok(json::array_agg()),
        (F::JsonObjectAgg { keep_nulls }, [_, _]) => Ok(json::object_agg(keep_nulls)),
        (F::Percentile, [_] | [_, _]) => {
            let is_array = matches!(result, DataType::List(_));
            Ok(bag::percentile(percentages(call)?, is_array))
        }
        (F::SingleValue, [argument]) => bag::single_value(argument),
        (F::Bitmap { operation, counts }, [_]) => {
            Ok(bitmap::bitmap(operation, counts, input_retracts))
        }
        (function, arguments) => Err(EngineError::internal(format!(
            "{} of {} arguments",
            function.name(),
            arguments.len()
        ))),
    }
}

/// The separator of LISTAGG, a comma if it has none.
fn separator(call: &AggregateCall) -> Result<String> {
    match call.constants.first() {
        None => Ok(",".to_owned()),
        Some(ScalarValue::Utf8(Some(separator))) => Ok(separator.clone()),
        Some(_) => Err(EngineError::unsupported(
            "LISTAGG with a separator that is no text literal",
        )),
    }
}

/// The percentages of PERCENTILE.
fn percentages(call: &AggregateCall) -> Result<Vec<f64>> {
    let literal_expected = || {
        EngineError::unsupported("PERCENTILE at percentages that are no literals between 0 and 1")
    };
    let constant = call.constants.first().ok_or_else(literal_expected)?;
    let array = constant.to_array()?;
    let numbers = match array.as_list_opt::<i32>() {
        Some(list) if list.len() == 1 && list.is_valid(0) => list.value(0),
        Some(_) => return Err(literal_expected()),
        None => array,
    };
    let numbers = cast(&numbers, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    numbers
        .iter()
        .map(|number| match number {
            Some(number) if (0.0..=1.0).contains(&number) => Ok(number),
            Some(number) => Err(EngineError::Data {
                message: format!(
                    "Percentage of PERCENTILE should be between [0.0, 1.0], but was '{number}'."
                ),
            }),
            None => Err(literal_expected()),
        })
        .collect()
}
