//! Operators on numbers where Arrow's kernels and Java disagree: integer division, and comparisons
//! of floating-point numbers.
//!
//! Source: the Java Language Specification, 15.17 (division cuts and wraps) and 15.20 (NaN is
//! neither less than, equal to nor greater than anything; 0.0 equals -0.0).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::compute::{binary, cast};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Decimal128Type, DurationMillisecondType, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
};
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::rules::{integer_rank, least_restrictive};
use crate::functions::string::text;

const FLAG: ResultType = ResultType::Strict(TypeRoot::Boolean);

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__integer_divide",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(wider_type),
        |call| integers(call, Integers::Divide),
    ),
    text(
        "__integer_mod",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(divisor_type),
        |call| integers(call, Integers::Modulo),
    ),
    text(
        "__interval_times",
        2..=2,
        &[Kind::Any],
        ResultType::Argument(0),
        interval_times,
    ),
    text("__float_eq", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a == b)
    }),
    text("__float_ne", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a != b)
    }),
    text("__float_lt", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a < b)
    }),
    text("__float_le", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a <= b)
    }),
    text("__float_gt", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a > b)
    }),
    text("__float_ge", 2..=2, &[Kind::Any], FLAG, |call| {
        floats(call, |a, b| a >= b)
    }),
];

fn wider_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    least_restrictive(types).ok_or_else(|| EngineError::internal("integers have a common type"))
}

fn divisor_type(types: &[FlinkType], _: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match types {
        [left, right] => Ok(FlinkType {
            root: right.root.clone(),
            nullable: left.nullable || right.nullable,
        }),
        _ => Err(EngineError::internal("a remainder has two operands")),
    }
}

/// Computed as wide as the wider operand is, then cut to the result's type.
fn integers(call: &Call, operation: Integers) -> Result<ArrayRef> {
    let wide = least_restrictive(&call.types)
        .ok_or_else(|| EngineError::internal("integers have a common type"))?
        .to_arrow_type();
    let left = cast(call.argument(0)?, &wide)?;
    let right = cast(call.argument(1)?, &wide)?;
    let values: ArrayRef = match &wide {
        DataType::Int8 => Arc::new(operation.compute::<Int8Type>(&left, &right)?),
        DataType::Int16 => Arc::new(operation.compute::<Int16Type>(&left, &right)?),
        DataType::Int32 => Arc::new(operation.compute::<Int32Type>(&left, &right)?),
        DataType::Int64 => Arc::new(operation.compute::<Int64Type>(&left, &right)?),
        DataType::Decimal128(precision, scale) => Arc::new(
            operation
                .compute::<Decimal128Type>(&left, &right)?
                .with_precision_and_scale(*precision, *scale)?,
        ),
        other => return Err(EngineError::internal(format!("{other} is no integer"))),
    };
    // A remainder is smaller than its divisor, so that it has room in the divisor's type.
    Ok(cast(&values, &call.result.to_arrow_type())?)
}

/// The operators on integers that Arrow refuses to wrap.
#[derive(Clone, Copy)]
enum Integers {
    Divide,
    Modulo,
}

impl Integers {
    fn compute<T: ArrowPrimitiveType>(
        self,
        left: &ArrayRef,
        right: &ArrayRef,
    ) -> Result<PrimitiveArray<T>>
    where
        T::Native: ArrowNativeTypeOp,
    {
        let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
        let has_zero = (0..right.len())
            .any(|row| right.value(row).is_zero() && right.is_valid(row) && left.is_valid(row));
        if has_zero {
            return Err(division_by_zero());
        }
        // A zero that is left stands beside a NULL: what is computed there is not looked at.
        let guarded = |b: T::Native| if b.is_zero() { T::Native::ONE } else { b };
        Ok(match self {
            Self::Divide => binary(left, right, |a, b| a.div_wrapping(guarded(b)))?,
            Self::Modulo => binary(left, right, |a, b| a.mod_wrapping(guarded(b)))?,
        })
    }
}

/// The error of every division by zero of exact numbers.
pub(crate) fn division_by_zero() -> EngineError {
    EngineError::Data {
        message: "division by zero".to_owned(),
    }
}

/// Milliseconds or months, times a whole number.
fn interval_times(call: &Call) -> Result<ArrayRef> {
    let factor_type = call.types.get(1).map(|factor| &factor.root);
    if factor_type.and_then(integer_rank).is_none() {
        return Err(EngineError::unsupported(
            "the product of an interval and a number that is no integer",
        ));
    }
    let interval = call.argument(0)?;
    let factor = cast(call.argument(1)?, &DataType::Int64)?;
    let factor = factor.as_primitive::<Int64Type>();
    if let DataType::Duration(_) = interval.data_type() {
        let millis = interval.as_primitive::<DurationMillisecondType>();
        let product: PrimitiveArray<DurationMillisecondType> =
            call.strict(|row| Some(millis.value(row).wrapping_mul(factor.value(row))));
        return Ok(Arc::new(product));
    }
    let months = interval.as_primitive::<IntervalYearMonthType>();
    let product: PrimitiveArray<IntervalYearMonthType> = call.strict(|row| {
        let product = i64::from(months.value(row)).wrapping_mul(factor.value(row));
        i32::try_from(product).ok()
    });
    Ok(Arc::new(product))
}

fn floats(call: &Call, compare: impl Fn(f64, f64) -> bool) -> Result<ArrayRef> {
    let (left, right) = (call.argument(0)?, call.argument(1)?);
    let (left, right) = (
        cast(left, &DataType::Float64)?,
        cast(right, &DataType::Float64)?,
    );
    Ok(Arc::new(compared(
        left.as_primitive::<Float64Type>(),
        right.as_primitive::<Float64Type>(),
        compare,
    )))
}

fn compared<T: ArrowPrimitiveType>(
    left: &PrimitiveArray<T>,
    right: &PrimitiveArray<T>,
    compare: impl Fn(T::Native, T::Native) -> bool,
) -> BooleanArray {
    let nulls = arrow::buffer::NullBuffer::union(left.nulls(), right.nulls());
    let values = left
        .values()
        .iter()
        .zip(right.values())
        .map(|(a, b)| compare(*a, *b));
    BooleanArray::new(values.collect(), nulls)
}
