//! Decimal arithmetic with Flink's result types.
//!
//! `+ - * / %` of which at least one side is DECIMAL and none is floating point. Integers count as
//! DECIMAL(3|5|10|19, 0). A result is computed exactly, rounded half up to the result's scale, and
//! NULL if it does not fit into the result's precision; division by zero is an error.
//!
//! Source: `LogicalTypeMerging` and `DecimalDataUtils` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, i256};
use datafusion::common::{Result as DfResult, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::EngineError;

/// The largest precision of a DECIMAL.
pub const MAX_PRECISION: u8 = 38;
/// Fraction digits that an operation keeps at least when its result is too long.
const MIN_ADJUSTED_SCALE: i32 = 6;

/// An operator of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl Operation {
    const fn function_name(self) -> &'static str {
        match self {
            Self::Plus => "__decimal_plus",
            Self::Minus => "__decimal_minus",
            Self::Multiply => "__decimal_times",
            Self::Divide => "__decimal_divide",
            Self::Modulo => "__decimal_mod",
        }
    }
}

/// Precision and scale that a number has as a DECIMAL; `None` for other types.
#[must_use]
pub fn decimal_shape(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        _ => return None,
    })
}

/// The type of `left operation right` by their precisions and scales.
#[must_use]
pub fn result_shape(operation: Operation, left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let (p1, s1) = (i32::from(left.0), i32::from(left.1));
    let (p2, s2) = (i32::from(right.0), i32::from(right.1));
    let (precision, scale) = match operation {
        Operation::Plus | Operation::Minus => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Operation::Multiply => (p1 + p2 + 1, s1 + s2),
        Operation::Divide => {
            let scale = (s1 + p2 + 1).max(MIN_ADJUSTED_SCALE);
            (p1 - s1 + s2 + scale, scale)
        }
        Operation::Modulo => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    adjust(precision, scale)
}

/// Cuts a type that is too long: whole digits first, but at least six fraction digits stay.
fn adjust(precision: i32, scale: i32) -> (u8, i8) {
    let max = i32::from(MAX_PRECISION);
    let (precision, scale) = if precision <= max {
        (precision.max(1), scale)
    } else {
        let whole = precision - scale;
        (max, (max - whole).max(scale.min(MIN_ADJUSTED_SCALE)))
    };
    (
        u8::try_from(precision).unwrap_or(MAX_PRECISION),
        i8::try_from(scale).unwrap_or(0),
    )
}

/// The function that computes `operation` on decimals.
#[must_use]
pub fn decimal_function(operation: Operation) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DecimalArithmetic {
        operation,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DecimalArithmetic {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for DecimalArithmetic {
    fn name(&self) -> &str {
        self.operation.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        arg_types
            .iter()
            .map(|arg_type| match decimal_shape(arg_type) {
                Some((precision, scale)) => Ok(DataType::Decimal128(precision, scale)),
                None if *arg_type == DataType::Null => Ok(DataType::Decimal128(1, 0)),
                None => Err(exec_datafusion_err!("{arg_type} is no exact number")),
            })
            .collect()
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        let [left, right] = arg_types else {
            return Err(exec_datafusion_err!("arithmetic takes two arguments"));
        };
        let (Some(left), Some(right)) = (decimal_shape(left), decimal_shape(right)) else {
            return Err(exec_datafusion_err!("arithmetic of {left} and {right}"));
        };
        let (precision, scale) = result_shape(self.operation, left, right);
        Ok(DataType::Decimal128(precision, scale))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let types: Vec<_> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let result = self.return_type(&types)?;
        Ok(Arc::new(Field::new(self.name(), result, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let DataType::Decimal128(precision, scale) = *args.return_field.data_type() else {
            return Err(exec_datafusion_err!("a decimal result expected"));
        };
        let all_scalar = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let n_rows = if all_scalar { 1 } else { args.number_rows };
        let operands = args
            .args
            .iter()
            .map(|argument| argument.to_array(n_rows))
            .collect::<DfResult<Vec<_>>>()?;
        let [left, right] = operands.as_slice() else {
            return Err(exec_datafusion_err!("arithmetic takes two arguments"));
        };
        let result = compute(self.operation, left, right, precision, scale)?;
        if all_scalar {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&result, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn compute(
    operation: Operation,
    left: &ArrayRef,
    right: &ArrayRef,
    precision: u8,
    scale: i8,
) -> DfResult<ArrayRef> {
    let (s1, s2) = match (left.data_type(), right.data_type()) {
        (DataType::Decimal128(_, s1), DataType::Decimal128(_, s2)) => {
            (i32::from(*s1), i32::from(*s2))
        }
        (left, right) => {
            return Err(exec_datafusion_err!("arithmetic of {left} and {right}"));
        }
    };
    let left = left.as_primitive::<Decimal128Type>();
    let right = right.as_primitive::<Decimal128Type>();
    let target = i32::from(scale);
    let limit = pow10(i32::from(precision)).unwrap_or(i256::MAX);
    let result = left
        .iter()
        .zip(right.iter())
        .map(|(a, b)| {
            let (Some(a), Some(b)) = (a, b) else {
                return Ok(None);
            };
            let exact = match operation {
                Operation::Plus => add(a, s1, b, s2, target),
                Operation::Minus => add(a, s1, -b, s2, target),
                Operation::Multiply => i256::from_i128(a)
                    .checked_mul(i256::from_i128(b))
                    .and_then(|product| rescale(product, s1 + s2, target)),
                Operation::Divide | Operation::Modulo if b == 0 => {
                    return Err(EngineError::Data {
                        message: "division by zero".to_owned(),
                    }
                    .into());
                }
                Operation::Divide => divide(a, b, target - s1 + s2),
                Operation::Modulo => {
                    remainder(a, s1, b, s2).and_then(|rest| rescale(rest, s1.max(s2), target))
                }
            };
            Ok(exact
                .filter(|value| *value < limit && *value > -limit)
                .and_then(i256::to_i128))
        })
        .collect::<DfResult<Decimal128Array>>()?
        .with_precision_and_scale(precision, scale)?;
    Ok(Arc::new(result))
}

fn pow10(exponent: i32) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

fn add(a: i128, s1: i32, b: i128, s2: i32, target: i32) -> Option<i256> {
    let scale = s1.max(s2);
    let a = i256::from_i128(a).checked_mul(pow10(scale - s1)?)?;
    let b = i256::from_i128(b).checked_mul(pow10(scale - s2)?)?;
    rescale(a.checked_add(b)?, scale, target)
}

fn remainder(a: i128, s1: i32, b: i128, s2: i32) -> Option<i256> {
    let scale = s1.max(s2);
    let a = i256::from_i128(a).checked_mul(pow10(scale - s1)?)?;
    let b = i256::from_i128(b).checked_mul(pow10(scale - s2)?)?;
    a.checked_rem(b)
}

/// `value` at scale `from` as a number at scale `to`, rounded half up.
fn rescale(value: i256, from: i32, to: i32) -> Option<i256> {
    if to >= from {
        return value.checked_mul(pow10(to - from)?);
    }
    Some(round_quotient(value, pow10(from - to)?))
}

/// `a / b · 10^exponent`, rounded half up.
fn divide(a: i128, b: i128, exponent: i32) -> Option<i256> {
    if exponent < 0 {
        let divisor = i256::from_i128(b).checked_mul(pow10(-exponent)?)?;
        return Some(round_quotient(i256::from_i128(a), divisor));
    }
    if let Some(scale) = u32::try_from(exponent)
        .ok()
        .and_then(|e| 10_i128.checked_pow(e))
        && let Some(numerator) = a.checked_mul(scale)
    {
        // Most numbers: no wide arithmetic.
        let quotient = numerator / b;
        let rest = (numerator % b).unsigned_abs();
        let round = rest >= b.unsigned_abs() - rest;
        let away = if (numerator < 0) == (b < 0) { 1 } else { -1 };
        return Some(i256::from_i128(quotient + if round { away } else { 0 }));
    }
    if let Some(numerator) = pow10(exponent).and_then(|scale| i256::from_i128(a).checked_mul(scale))
    {
        return Some(round_quotient(numerator, i256::from_i128(b)));
    }
    long_division(a, b, exponent)
}

/// As [`divide`] for numerators that do not fit into 256 bits: digit by digit.
fn long_division(a: i128, b: i128, exponent: i32) -> Option<i256> {
    let ten = i256::from_i128(10);
    let divisor = i256::from_i128(b).wrapping_abs();
    let mut quotient = i256::from_i128(a).wrapping_abs() / divisor;
    let mut rest = i256::from_i128(a).wrapping_abs() % divisor;
    for _ in 0..exponent {
        rest = rest.checked_mul(ten)?;
        quotient = quotient.checked_mul(ten)?.checked_add(rest / divisor)?;
        rest %= divisor;
    }
    if rest.checked_mul(i256::from_i128(2))? >= divisor {
        quotient = quotient.checked_add(i256::ONE)?;
    }
    Some(if (a < 0) == (b < 0) {
        quotient
    } else {
        -quotient
    })
}

fn round_quotient(numerator: i256, divisor: i256) -> i256 {
    let quotient = numerator / divisor;
    let rest = (numerator % divisor).wrapping_abs();
    if rest < divisor.wrapping_abs() - rest {
        quotient
    } else if (numerator < i256::ZERO) == (divisor < i256::ZERO) {
        quotient + i256::ONE
    } else {
        quotient - i256::ONE
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn result_types() {
        use Operation::{Divide, Minus, Modulo, Multiply, Plus};
        let cases = [
            (Plus, (10, 2), (8, 4), (13, 4)),
            (Minus, (5, 2), (19, 0), (22, 2)),
            (Multiply, (10, 2), (8, 4), (19, 6)),
            (Multiply, (38, 10), (38, 20), (38, 6)),
            (Divide, (5, 2), (10, 0), (16, 13)),
            (Divide, (38, 18), (38, 18), (38, 6)),
            // sum(BIGINT) * 1.0 / sum(BIGINT)
            (Divide, (22, 1), (19, 0), (38, 17)),
            (Modulo, (3, 1), (10, 0), (3, 1)),
        ];
        for (operation, left, right, expected) in cases {
            assert_eq!(
                result_shape(operation, left, right),
                expected,
                "{operation:?} {left:?} {right:?}"
            );
        }
    }

    #[test]
    fn quotients_round_half_up_in_every_width() {
        assert_eq!(divide(1, 3, 6), Some(i256::from_i128(333_333)));
        assert_eq!(divide(-2, 3, 6), Some(i256::from_i128(-666_667)));
        assert_eq!(divide(5, -2, 0), Some(i256::from_i128(-3)));
        let big = 10_i128.pow(37);
        assert_eq!(divide(big, big, 20), pow10(20));
        assert_eq!(long_division(2, 3, 5), Some(i256::from_i128(66_667)));
        assert_eq!(divide(big, -big, 70), pow10(70).map(|value| -value));
    }
}
