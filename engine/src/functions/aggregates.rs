//! COUNT, SUM, AVG, MIN and MAX with Flink's result types.
//!
//! The streaming half has its own operators for them (`operators::group_aggregate`); what stands
//! here gives the planner the types, and the batch half accumulators of the same semantics:
//! integer sums wrap in the argument's type, integer means truncate, decimal sums that overflow
//! are NULL, MIN and MAX ignore NaN.

use std::collections::HashSet;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type, i256};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::error::EngineError;
use crate::operators::AggregateFunction;

/// The aggregate function called `name` (lower case), if it is one of these.
#[must_use]
pub fn find(name: &str) -> Option<Arc<AggregateUDF>> {
    let function = match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        _ => return None,
    };
    Some(Arc::new(AggregateUDF::new_from_impl(FlinkAggregate {
        function,
        signature: Signature::user_defined(Volatility::Immutable),
    })))
}

/// Which of the engine's aggregates `udaf` is.
#[must_use]
pub fn of_udaf(udaf: &AggregateUDF) -> Option<AggregateFunction> {
    udaf.inner()
        .downcast_ref::<FlinkAggregate>()
        .map(|aggregate| aggregate.function)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkAggregate {
    function: AggregateFunction,
    signature: Signature,
}

impl AggregateUDFImpl for FlinkAggregate {
    fn name(&self) -> &str {
        match self.function {
            AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        if arg_types.len() != 1 && self.function != AggregateFunction::Count {
            return Err(EngineError::Data {
                message: format!(
                    "{} takes one argument, {} given",
                    self.function.name(),
                    arg_types.len()
                ),
            }
            .into());
        }
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.function.result_type(arg_types.first())?)
    }

    /// COUNT is never NULL; the others are NULL for a group without values.
    fn return_field(&self, arg_fields: &[FieldRef]) -> DfResult<FieldRef> {
        let types: Vec<_> = arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let nullable = self.function != AggregateFunction::Count;
        let mut field = Field::new(self.name(), self.return_type(&types)?, nullable);
        if let (AggregateFunction::Min | AggregateFunction::Max, Some(argument)) =
            (self.function, arg_fields.first())
        {
            field = field.with_metadata(argument.metadata().clone());
        }
        Ok(Arc::new(field))
    }

    fn is_nullable(&self) -> bool {
        self.function != AggregateFunction::Count
    }

    fn default_value(&self, data_type: &DataType) -> DfResult<ScalarValue> {
        match self.function {
            AggregateFunction::Count => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let argument = args
            .expr_fields
            .first()
            .map_or(DataType::Null, |field| field.data_type().clone());
        Ok(Box::new(BatchAccumulator {
            function: self.function,
            result: args.return_field.data_type().clone(),
            argument: argument.clone(),
            seen: args.is_distinct.then(HashSet::new),
            n_values: 0,
            total: Total::for_type(&argument),
            extreme: None,
        }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        match self.function {
            // A frame slides in order, which is what theirs need.
            AggregateFunction::Min => min_udaf().create_sliding_accumulator(args),
            AggregateFunction::Max => max_udaf().create_sliding_accumulator(args),
            _ => self.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let argument = args
            .input_fields
            .first()
            .map_or(DataType::Null, |field| field.data_type().clone());
        let field = |name: &str, data_type: DataType| {
            Arc::new(Field::new(
                format!("{}[{name}]", args.name),
                data_type,
                true,
            ))
        };
        if args.is_distinct {
            let item = Arc::new(Field::new_list_field(argument, true));
            return Ok(vec![field("values", DataType::List(item))]);
        }
        Ok(vec![
            field("n_values", DataType::Int64),
            field("total", Total::for_type(&argument).state_type()),
            field("extreme", argument),
        ])
    }
}

/// The running sum, in the widest type of its family.
#[derive(Debug, Clone, Copy)]
enum Total {
    None,
    Integer(i64),
    Float(f64),
    /// Unscaled; `None` after an overflow of 38 digits.
    Decimal(Option<i128>, i8),
}

impl Total {
    fn for_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Float32 | DataType::Float64 => Self::Float(0.0),
            DataType::Decimal128(_, scale) => Self::Decimal(Some(0), *scale),
            integer if integer.is_integer() => Self::Integer(0),
            _ => Self::None,
        }
    }

    fn state_type(self) -> DataType {
        match self {
            Self::None => DataType::Null,
            Self::Integer(_) => DataType::Int64,
            Self::Float(_) => DataType::Float64,
            Self::Decimal(_, scale) => DataType::Decimal128(38, scale),
        }
    }

    fn state(self) -> DfResult<ScalarValue> {
        Ok(match self {
            Self::None => ScalarValue::Null,
            Self::Integer(total) => ScalarValue::Int64(Some(total)),
            Self::Float(total) => ScalarValue::Float64(Some(total)),
            Self::Decimal(total, scale) => ScalarValue::Decimal128(total, 38, scale),
        })
    }

    /// Adds all values of `values` that are not NULL, `sign` (1 or −1) times.
    fn add(&mut self, values: &ArrayRef, sign: i8) -> DfResult<()> {
        match self {
            Self::None => {}
            Self::Integer(total) => {
                let values = cast(values, &DataType::Int64)?;
                for value in values.as_primitive::<Int64Type>().iter().flatten() {
                    *total = total.wrapping_add(value.wrapping_mul(i64::from(sign)));
                }
            }
            Self::Float(total) => {
                let values = cast(values, &DataType::Float64)?;
                for value in values.as_primitive::<Float64Type>().iter().flatten() {
                    *total += value * f64::from(sign);
                }
            }
            Self::Decimal(total, _) => {
                for value in values.as_primitive::<Decimal128Type>().iter().flatten() {
                    *total = total.and_then(|total| total.checked_add(value * i128::from(sign)));
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct BatchAccumulator {
    function: AggregateFunction,
    argument: DataType,
    result: DataType,
    /// Values met so far, for DISTINCT.
    seen: Option<HashSet<ScalarValue>>,
    n_values: i64,
    total: Total,
    extreme: Option<ScalarValue>,
}

impl BatchAccumulator {
    fn add(&mut self, values: &ArrayRef) -> DfResult<()> {
        let n_values = values.len() - values.logical_null_count();
        self.n_values += i64::try_from(n_values).unwrap_or(i64::MAX);
        match self.function {
            AggregateFunction::Count => Ok(()),
            AggregateFunction::Sum | AggregateFunction::Avg => self.total.add(values, 1),
            AggregateFunction::Min | AggregateFunction::Max => self.compare(values),
        }
    }

    fn compare(&mut self, values: &ArrayRef) -> DfResult<()> {
        for row_idx in 0..values.len() {
            if values.is_null(row_idx) {
                continue;
            }
            let value = ScalarValue::try_from_array(values, row_idx)?;
            let is_nan = match &value {
                ScalarValue::Float32(Some(value)) => value.is_nan(),
                ScalarValue::Float64(Some(value)) => value.is_nan(),
                _ => false,
            };
            if is_nan {
                continue;
            }
            let better = match &self.extreme {
                None => true,
                Some(best) => {
                    let order = value.try_cmp(best)?;
                    if self.function == AggregateFunction::Min {
                        order.is_lt()
                    } else {
                        order.is_gt()
                    }
                }
            };
            if better {
                self.extreme = Some(value);
            }
        }
        Ok(())
    }

    /// Adds the values that were not there yet.
    fn add_distinct(&mut self, values: &ArrayRef) -> DfResult<()> {
        let Some(seen) = &mut self.seen else {
            return self.add(values);
        };
        let mut fresh = Vec::new();
        for row_idx in 0..values.len() {
            if values.is_null(row_idx) {
                continue;
            }
            let value = ScalarValue::try_from_array(values, row_idx)?;
            if seen.insert(value.clone()) {
                fresh.push(value);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.add(&ScalarValue::iter_to_array(fresh)?)
    }

    fn mean(&self) -> DfResult<ScalarValue> {
        match self.total {
            Total::Integer(total) => {
                ScalarValue::Int64(Some(total / self.n_values)).cast_to(&self.result)
            }
            #[allow(clippy::cast_precision_loss, reason = "a mean of doubles is a double")]
            Total::Float(total) => {
                ScalarValue::Float64(Some(total / self.n_values as f64)).cast_to(&self.result)
            }
            Total::Decimal(total, scale) => {
                let DataType::Decimal128(precision, target) = self.result else {
                    return Err(exec_datafusion_err!("a decimal mean has a decimal type"));
                };
                let mean = total.and_then(|total| {
                    mean_of_decimals(total, self.n_values, i32::from(target) - i32::from(scale))
                });
                Ok(ScalarValue::Decimal128(mean, precision, target))
            }
            Total::None => ScalarValue::try_from(&self.result),
        }
    }
}

/// `total / n · 10^digits`, rounded half up.
fn mean_of_decimals(total: i128, n: i64, digits: i32) -> Option<i128> {
    let scale = i256::from_i128(10).checked_pow(u32::try_from(digits.max(0)).ok()?)?;
    let numerator = i256::from_i128(total).checked_mul(scale)?;
    let divisor = i256::from_i128(i128::from(n));
    let quotient = numerator / divisor;
    let rest = (numerator % divisor).wrapping_abs();
    let rounded = if rest < divisor - rest {
        quotient
    } else if numerator < i256::ZERO {
        quotient - i256::ONE
    } else {
        quotient + i256::ONE
    };
    rounded.to_i128()
}

impl Accumulator for BatchAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        match values.first() {
            Some(values) => self.add_distinct(values),
            None => Ok(()),
        }
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        if self.function == AggregateFunction::Count {
            return Ok(ScalarValue::Int64(Some(self.n_values)));
        }
        if self.n_values == 0 {
            return ScalarValue::try_from(&self.result);
        }
        match self.function {
            AggregateFunction::Avg => self.mean(),
            AggregateFunction::Min | AggregateFunction::Max => match &self.extreme {
                Some(extreme) => Ok(extreme.clone()),
                None => ScalarValue::try_from(&self.result),
            },
            _ => match self.total {
                Total::Integer(total) => wrap(total, &self.result),
                total => total.state()?.cast_to(&self.result),
            },
        }
    }

    /// For OVER with a frame that moves. Extremes do not come back: they have their own.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let Some(values) = values.first() else {
            return Ok(());
        };
        let n_values = values.len() - values.logical_null_count();
        self.n_values -= i64::try_from(n_values).unwrap_or(i64::MAX);
        self.total.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        self.seen.is_none()
            && matches!(
                self.function,
                AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Avg
            )
    }

    fn size(&self) -> usize {
        let seen = self
            .seen
            .as_ref()
            .map_or(0, |seen| seen.iter().map(ScalarValue::size).sum::<usize>());
        size_of_val(self) + seen
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        if let Some(seen) = &self.seen {
            let values: Vec<_> = seen.iter().cloned().collect();
            let list = ScalarValue::new_list_nullable(&values, &self.argument);
            return Ok(vec![ScalarValue::List(list)]);
        }
        let extreme = match &self.extreme {
            Some(extreme) => extreme.clone(),
            None => ScalarValue::try_from(&self.argument)?,
        };
        Ok(vec![
            ScalarValue::Int64(Some(self.n_values)),
            self.total.state()?,
            extreme,
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        if self.seen.is_some() {
            let Some(lists) = states.first() else {
                return Ok(());
            };
            for values in lists.as_list::<i32>().iter().flatten() {
                self.add_distinct(&values)?;
            }
            return Ok(());
        }
        let [counts, totals, extremes] = states else {
            return Err(exec_datafusion_err!("three columns of state expected"));
        };
        for n_values in counts.as_primitive::<Int64Type>().iter().flatten() {
            self.n_values += n_values;
        }
        self.total.add(totals, 1)?;
        if matches!(
            self.function,
            AggregateFunction::Min | AggregateFunction::Max
        ) {
            self.compare(extremes)?;
        }
        Ok(())
    }
}

/// The low bits of `total` in the integer type `target`: Java's overflow.
#[allow(clippy::cast_possible_truncation, reason = "Flink's sums wrap")]
fn wrap(total: i64, target: &DataType) -> DfResult<ScalarValue> {
    Ok(match target {
        DataType::Int8 => ScalarValue::Int8(Some(total as i8)),
        DataType::Int16 => ScalarValue::Int16(Some(total as i16)),
        DataType::Int32 => ScalarValue::Int32(Some(total as i32)),
        DataType::Int64 => ScalarValue::Int64(Some(total)),
        other => return Err(exec_datafusion_err!("a sum of integers is no {other}")),
    })
}
