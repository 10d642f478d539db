//! Casts between numbers, and from texts to numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, i256};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::parse::{self, DecimalText};
use crate::functions::cast::{Caster, text};

/// Texts as numbers of type `to`.
pub(super) fn from_text(caster: &Caster, array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    use TypeRoot as T;
    let integers =
        |min: i64, max: i64| caster.parsed(array, to, |text| parse::integer(text, min, max));
    Ok(match &to.root {
        T::TinyInt => {
            let values = integers(i8::MIN.into(), i8::MAX.into())?;
            narrowed(&Int64Array::from(values), &to.root)?
        }
        T::SmallInt => {
            let values = integers(i16::MIN.into(), i16::MAX.into())?;
            narrowed(&Int64Array::from(values), &to.root)?
        }
        T::Int => {
            let values = integers(i32::MIN.into(), i32::MAX.into())?;
            narrowed(&Int64Array::from(values), &to.root)?
        }
        T::BigInt => Arc::new(Int64Array::from(integers(i64::MIN, i64::MAX)?)),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "FLOAT is the wanted precision"
        )]
        T::Float => Arc::new(Float32Array::from(caster.parsed(array, to, |text| {
            parse::double(text).map(|value| value as f32)
        })?)),
        T::Double => Arc::new(Float64Array::from(caster.parsed(
            array,
            to,
            parse::double,
        )?)),
        T::Decimal { precision, scale } => {
            let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
            let values = caster.parsed(array, to, |text| {
                match parse::decimal_of_text(text, *precision, scale) {
                    DecimalText::Value(value) => Some(value),
                    DecimalText::TooLong | DecimalText::Malformed => None,
                }
            })?;
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(*precision, scale)?)
        }
        _ => {
            return Err(EngineError::unsupported(format!(
                "CAST of STRING to {}",
                to.root_text()
            )));
        }
    })
}

/// Numbers (and booleans) as numbers of type `to`.
pub(super) fn convert(caster: &Caster, array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    use TypeRoot as T;
    let target = to.to_arrow_type();
    if let DataType::Boolean = array.data_type() {
        return from_boolean(array, to);
    }
    match &to.root {
        T::Boolean => Ok(to_boolean(array)?),
        T::Float | T::Double => Ok(cast(array, &target)?),
        T::Decimal { precision, scale } => to_decimal(caster, array, *precision, *scale),
        _ => {
            let wide = match array.data_type() {
                DataType::Float32 | DataType::Float64 => return from_float(array, &to.root),
                DataType::Decimal128(_, scale) => whole_part(array, *scale)?,
                _ => cast(array, &DataType::Int64)?
                    .as_primitive::<Int64Type>()
                    .clone(),
            };
            narrowed(&wide, &to.root)
        }
    }
}

fn from_boolean(array: &ArrayRef, to: &FlinkType) -> Result<ArrayRef> {
    let ones: Int64Array = array
        .as_boolean()
        .iter()
        .map(|value| value.map(i64::from))
        .collect();
    Ok(cast(&ones, &to.to_arrow_type())?)
}

fn to_boolean(array: &ArrayRef) -> Result<ArrayRef> {
    let doubles = cast(array, &DataType::Float64)?;
    let values: BooleanArray = doubles
        .as_primitive::<Float64Type>()
        .iter()
        .map(|value| value.map(|value| value != 0.0))
        .collect();
    Ok(Arc::new(values))
}

/// Java's conversion: cut towards zero, saturate at INT or BIGINT, and wrap from INT downwards.
#[allow(
    clippy::cast_possible_truncation,
    reason = "Java's narrowing is what is wanted"
)]
fn from_float(array: &ArrayRef, root: &TypeRoot) -> Result<ArrayRef> {
    let doubles = cast(array, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    if *root == TypeRoot::BigInt {
        let values: Int64Array = doubles
            .iter()
            .map(|value| value.map(|value| value as i64))
            .collect();
        return Ok(Arc::new(values));
    }
    let values: Int64Array = doubles
        .iter()
        .map(|value| value.map(|value| i64::from(value as i32)))
        .collect();
    narrowed(&values, root)
}

/// The digits before the point, as a BIGINT that wraps.
#[allow(
    clippy::cast_possible_truncation,
    reason = "BigDecimal.longValue wraps"
)]
fn whole_part(array: &ArrayRef, scale: i8) -> Result<Int64Array> {
    let divisor = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10_i128.checked_pow(scale))
        .ok_or_else(|| EngineError::internal("a scale of a DECIMAL is between 0 and 38"))?;
    Ok(array
        .as_primitive::<Decimal128Type>()
        .iter()
        .map(|value| value.map(|value| (value / divisor) as i64))
        .collect())
}

/// The low bits of `values` in a narrower type.
#[allow(clippy::cast_possible_truncation, reason = "narrowing casts wrap")]
pub(crate) fn narrowed(values: &Int64Array, root: &TypeRoot) -> Result<ArrayRef> {
    Ok(match root {
        TypeRoot::TinyInt => {
            Arc::new(values.unary::<_, arrow::datatypes::Int8Type>(|value| value as i8))
                as Arc<Int8Array>
        }
        TypeRoot::SmallInt => {
            Arc::new(values.unary::<_, arrow::datatypes::Int16Type>(|value| value as i16))
                as Arc<Int16Array>
        }
        TypeRoot::Int => {
            Arc::new(values.unary::<_, arrow::datatypes::Int32Type>(|value| value as i32))
                as Arc<Int32Array>
        }
        TypeRoot::BigInt => Arc::new(values.clone()),
        _ => return Err(EngineError::internal("an integer type expected")),
    })
}

fn to_decimal(caster: &Caster, array: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef> {
    let target = i8::try_from(scale).unwrap_or(i8::MAX);
    let values: Decimal128Array = match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            return float_to_decimal(caster, array, precision, target);
        }
        DataType::Decimal128(_, from) => {
            let from = *from;
            array
                .as_primitive::<Decimal128Type>()
                .iter()
                .map(|value| value.and_then(|value| rescaled(value, from, target, precision)))
                .collect()
        }
        _ => cast(array, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.and_then(|value| rescaled(i128::from(value), 0, target, precision)))
            .collect(),
    };
    Ok(Arc::new(
        values.with_precision_and_scale(precision, target)?,
    ))
}

/// The shortest text of a float is what its decimal is made of.
fn float_to_decimal(
    caster: &Caster,
    array: &ArrayRef,
    precision: u8,
    scale: i8,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(array.len());
    for row_idx in 0..array.len() {
        if array.is_null(row_idx) {
            values.push(None);
            continue;
        }
        let shown = match array.data_type() {
            DataType::Float32 => {
                let value = array
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .value(row_idx);
                value.to_string()
            }
            _ => text::double(array.as_primitive::<Float64Type>().value(row_idx)),
        };
        values.push(match parse::decimal(&shown, precision, scale) {
            DecimalText::Value(value) => Some(value),
            DecimalText::TooLong => None,
            DecimalText::Malformed => {
                caster.failed(|| format!("cannot cast {shown} to DECIMAL({precision}, {scale})"))?
            }
        });
    }
    Ok(Arc::new(
        Decimal128Array::from(values).with_precision_and_scale(precision, scale)?,
    ))
}

/// An unscaled value at another scale, rounded half up; `None` if it is too long then.
#[must_use]
pub fn rescaled(value: i128, from: i8, to: i8, precision: u8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    let factor = i256::from_i128(10).checked_pow(shift.unsigned_abs())?;
    let value = i256::from_i128(value);
    let result = if shift >= 0 {
        value.checked_mul(factor)?
    } else {
        let quotient = value / factor;
        let rest = (value % factor).wrapping_abs();
        if rest < factor - rest {
            quotient
        } else if value < i256::ZERO {
            quotient - i256::ONE
        } else {
            quotient + i256::ONE
        }
    };
    result
        .to_i128()
        .filter(|result| parse::fits(*result, precision))
}
