//! Casts of constants from and to floating-point numbers.
//!
//! Flink folds constants while it plans, and a folded number is a literal of Calcite: a decimal.
//!
//! ```text
//!   CAST('16777217' AS FLOAT)                      1.677722E7   seven digits
//!   CAST(CAST('1.005' AS DOUBLE) AS DECIMAL(5,2))  1.00         of 1.00499999999999989…
//!   CAST(CAST('1e20' AS DOUBLE) AS BIGINT)         7766279631452241920   its low 64 bits
//!   CAST('NaN' AS FLOAT)                           no decimal: an error
//! ```
//!
//! A number that is written as one, `1.005E0`, is a decimal of its own digits, so that its casts are
//! those of a column.
//!
//! Over columns the same casts follow Java. Source: `ExpressionReducer` of Flink 2.3 and
//! `RexBuilder.clean` of Calcite, checked against recorded answers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array, Int64Array,
};
use arrow::datatypes::{Float32Type, Float64Type};

use super::parse::{self, DecimalText};
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::validation;

/// The constant `array` as a column of type `to`, where that is not what a column would give;
/// `None` otherwise. `was_text` says that it was read from a text.
///
/// # Errors
/// A validation error where a FLOAT is no number.
pub(super) fn cast(
    array: &ArrayRef,
    from: &FlinkType,
    to: &FlinkType,
    was_text: bool,
) -> Result<Option<ArrayRef>> {
    let value = match from.root {
        TypeRoot::Double => first_double(array),
        TypeRoot::Float if was_text => first_float(array).map(seven_digits),
        _ => None,
    };
    let Some(value) = value else {
        return Ok(None);
    };
    if !value.is_finite() {
        return match (&from.root, &to.root) {
            (TypeRoot::Double, TypeRoot::Float) => Err(no_literal(value)),
            _ => Ok(None),
        };
    }
    Ok(match &to.root {
        TypeRoot::Double if from.root == TypeRoot::Float => {
            Some(Arc::new(Float64Array::from(vec![value])))
        }
        TypeRoot::BigInt if was_text => Some(Arc::new(Int64Array::from(vec![low_bits(value)]))),
        TypeRoot::Decimal { precision, scale } if was_text && from.root == TypeRoot::Double => {
            let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
            // All digits that a DECIMAL can have, and enough behind them to round by.
            let digits = format!("{value:.60}");
            let value = match parse::decimal(&digits, *precision, scale) {
                DecimalText::Value(value) => Some(value),
                DecimalText::TooLong | DecimalText::Malformed => None,
            };
            let values = Decimal128Array::from(vec![value]);
            Some(Arc::new(
                values.with_precision_and_scale(*precision, scale)?,
            ))
        }
        _ => None,
    })
}

/// What is left of the result of a cast from `from` when it has become a literal.
///
/// # Errors
/// A validation error if a FLOAT is no number.
pub(super) fn folded(result: ArrayRef, from: &FlinkType) -> Result<ArrayRef> {
    if let Some(value) = first_float(&result) {
        if from.root == TypeRoot::Double && value.is_infinite() {
            // A literal that is too large for a FLOAT stays a decimal.
            return Ok(result);
        }
        if !value.is_finite() {
            return Err(no_literal(value.into()));
        }
        let is_text = matches!(from.root, TypeRoot::Char(_) | TypeRoot::Varchar(_));
        let kept = if is_text {
            parse::double(&format!("{value:.6e}")).map_or(value, narrow)
        } else {
            value
        };
        return Ok(Arc::new(Float32Array::from(vec![kept + 0.0])));
    }
    Ok(match first_double(&result) {
        // There is no -0.0 among decimals.
        Some(0.0) => Arc::new(Float64Array::from(vec![0.0])),
        _ => result,
    })
}

fn no_literal(value: f64) -> EngineError {
    validation(format!("{value} is no literal of type FLOAT"))
}

fn first_double(array: &ArrayRef) -> Option<f64> {
    let doubles = array.as_primitive_opt::<Float64Type>()?;
    (doubles.len() == 1 && doubles.is_valid(0)).then(|| doubles.value(0))
}

fn first_float(array: &ArrayRef) -> Option<f32> {
    let floats = array.as_primitive_opt::<Float32Type>()?;
    (floats.len() == 1 && floats.is_valid(0)).then(|| floats.value(0))
}

/// The decimal of seven digits that a FLOAT stands for.
fn seven_digits(value: f32) -> f64 {
    parse::double(&format!("{value:.6e}")).unwrap_or_else(|| value.into())
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "FLOAT is the wanted precision"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// `BigDecimal.longValue`: the low 64 bits of the digits before the point.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the low bits are what is wanted"
)]
fn low_bits(value: f64) -> i64 {
    /// From here on a DOUBLE is a multiple of 2^64.
    const MULTIPLES: f64 = 1.0e36;
    if value.abs() >= MULTIPLES {
        return 0;
    }
    value as i128 as i64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of_text(number: f32) -> Result<f32> {
        let array: ArrayRef = Arc::new(Float32Array::from(vec![number]));
        let from = FlinkType::not_null(TypeRoot::Char(1));
        folded(array, &from).map(|result| first_float(&result).unwrap())
    }

    fn of_double(number: f64, to: TypeRoot) -> Option<ArrayRef> {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![number]));
        let from = FlinkType::not_null(TypeRoot::Double);
        cast(&array, &from, &FlinkType::not_null(to), true).unwrap()
    }

    #[test]
    fn a_float_keeps_seven_digits() {
        assert_eq!(of_text(33_554_432.0).unwrap(), 33_554_430.0_f32);
        assert_eq!(of_text(98_765.44).unwrap(), 98_765.44_f32);
        assert!(of_text(-0.0).unwrap().is_sign_positive());
        assert!(of_text(f32::NAN).is_err());
        assert!(of_text(f32::INFINITY).is_err());
    }

    #[test]
    fn a_double_is_all_its_digits() {
        let decimal = of_double(
            2.675,
            TypeRoot::Decimal {
                precision: 4,
                scale: 2,
            },
        )
        .unwrap();
        let values = decimal.as_primitive::<arrow::datatypes::Decimal128Type>();
        assert_eq!(values.value(0), 267);
        let long = of_double(3e19, TypeRoot::BigInt).unwrap();
        let values = long.as_primitive::<arrow::datatypes::Int64Type>();
        assert_eq!(values.value(0), 30_000_000_000_000_000_000_i128 as i64);
        assert!(of_double(f64::INFINITY, TypeRoot::BigInt).is_none());
        assert!(of_double(2.5, TypeRoot::Int).is_none());
    }
}
