//! Functions on numbers.
//!
//! Source: `SqlFunctionUtils` and `LogicalTypeMerging.findRoundDecimalType` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::common::ScalarValue;
use rand::Rng;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::number::{narrowed, rescaled};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::{text, texts};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text("abs", 1..=1, &[Kind::Number], ResultType::Argument(0), abs),
    text(
        "__negate",
        1..=1,
        &[Kind::NumberOrInterval],
        ResultType::Argument(0),
        negate,
    ),
    text(
        "__plus",
        1..=1,
        &[Kind::NumberOrInterval],
        ResultType::Argument(0),
        |call| Ok(Arc::clone(call.argument(0)?)),
    ),
    text(
        "sign",
        1..=1,
        &[Kind::Number],
        ResultType::Argument(0),
        sign,
    ),
    text(
        "ceil",
        1..=1,
        &[Kind::Number],
        ResultType::Computed(whole_type),
        |call| to_whole(call, f64::ceil, 1),
    ),
    text(
        "ceiling",
        1..=1,
        &[Kind::Number],
        ResultType::Computed(whole_type),
        |call| to_whole(call, f64::ceil, 1),
    ),
    text(
        "floor",
        1..=1,
        &[Kind::Number],
        ResultType::Computed(whole_type),
        |call| to_whole(call, f64::floor, -1),
    ),
    text(
        "round",
        1..=2,
        ROUND,
        ResultType::Computed(round_type),
        |call| round(call, true),
    ),
    text(
        "truncate",
        1..=2,
        ROUND,
        ResultType::Computed(round_type),
        |call| round(call, false),
    ),
    double("sqrt", |call| unary(call, f64::sqrt)),
    double("exp", |call| unary(call, f64::exp)),
    double("ln", |call| unary(call, f64::ln)),
    double("log10", |call| unary(call, f64::log10)),
    double("log2", |call| {
        unary(call, |x| x.ln() / std::f64::consts::LN_2)
    }),
    double("sin", |call| unary(call, f64::sin)),
    double("cos", |call| unary(call, f64::cos)),
    double("tan", |call| unary(call, f64::tan)),
    double("cot", |call| unary(call, |x| 1.0 / x.tan())),
    double("asin", |call| unary(call, f64::asin)),
    double("acos", |call| unary(call, f64::acos)),
    double("atan", |call| unary(call, f64::atan)),
    double("sinh", |call| unary(call, f64::sinh)),
    double("cosh", |call| unary(call, cosh)),
    double("tanh", |call| unary(call, f64::tanh)),
    double("degrees", |call| unary(call, f64::to_degrees)),
    double("radians", |call| unary(call, f64::to_radians)),
    text(
        "atan2",
        2..=2,
        &[Kind::Double],
        ResultType::Strict(TypeRoot::Double),
        |call| binary(call, f64::atan2),
    ),
    text(
        "power",
        2..=2,
        &[Kind::Double],
        ResultType::Strict(TypeRoot::Double),
        |call| binary(call, f64::powf),
    ),
    text(
        "log",
        1..=2,
        &[Kind::Double],
        ResultType::Strict(TypeRoot::Double),
        |call| {
            if call.arguments.len() == 1 {
                return unary(call, f64::ln);
            }
            binary(call, |base, x| x.ln() / base.ln())
        },
    ),
    text(
        "pi",
        0..=0,
        &[],
        ResultType::NotNull(TypeRoot::Double),
        |call| {
            Ok(Arc::new(Float64Array::from(vec![
                std::f64::consts::PI;
                call.n_rows
            ])))
        },
    ),
    text(
        "e",
        0..=0,
        &[],
        ResultType::NotNull(TypeRoot::Double),
        |call| {
            Ok(Arc::new(Float64Array::from(vec![
                std::f64::consts::E;
                call.n_rows
            ])))
        },
    ),
    random(
        "uuid",
        0..=0,
        &[],
        ResultType::NotNull(TypeRoot::Char(36)),
        |call| {
            let values: StringArray = (0..call.n_rows).map(|_| Some(uuid_text())).collect();
            Ok(Arc::new(values))
        },
    ),
    text(
        "bin",
        1..=1,
        &[Kind::Integer],
        ResultType::Strict(STRING),
        |call| texts(call, |row| Some(format!("{:b}", call.integer(0, row)?))),
    ),
];

const ROUND: &[Kind] = &[Kind::Number, Kind::Integer];

const fn double(name: &'static str, evaluate: fn(&Call) -> Result<ArrayRef>) -> Definition {
    text(
        name,
        1..=1,
        &[Kind::Double],
        ResultType::Strict(TypeRoot::Double),
        evaluate,
    )
}

/// A function of which two calls differ.
pub(super) const fn random(
    name: &'static str,
    arity: std::ops::RangeInclusive<usize>,
    kinds: &'static [Kind],
    result: ResultType,
    evaluate: fn(&Call) -> Result<ArrayRef>,
) -> Definition {
    Definition {
        name,
        arity,
        kinds,
        result,
        deterministic: false,
        evaluate,
    }
}

/// A random UUID of version 4.
fn uuid_text() -> String {
    let mut bits: u128 = rand::rng().random();
    bits = (bits & !(0xf << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// The hyperbolic cosine as Java computes it: from its own exponential function, which differs
/// from the processor's in the last digit.
fn cosh(value: f64) -> f64 {
    const SMALL: f64 = 22.0;
    const HALF_LN_2: f64 = 0.5 * std::f64::consts::LN_2;
    let x = value.abs();
    if x < HALF_LN_2 {
        let grown = x.exp_m1();
        return 1.0 + (grown * grown) / (2.0 * (1.0 + grown));
    }
    if x < SMALL {
        let grown = java_exp(x);
        return 0.5 * grown + 0.5 / grown;
    }
    value.cosh()
}

/// `StrictMath.exp` between 0.34 and 22. Source: fdlibm `e_exp.c`: argument reduction by ln 2 in
/// two parts, then a rational approximation of the rest.
#[allow(
    clippy::excessive_precision,
    reason = "the constants as the source has them"
)]
fn java_exp(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238_164_90e-01;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    const P: [f64; 5] = [
        1.666_666_666_666_660_190_37e-01,
        -2.777_777_777_701_559_338_42e-03,
        6.613_756_321_437_934_361_17e-05,
        -1.653_390_220_546_525_153_90e-06,
        4.138_136_797_057_238_460_39e-08,
    ];
    let k = if x < 1.5 * std::f64::consts::LN_2 {
        1.0
    } else {
        (std::f64::consts::LOG2_E * x + 0.5).trunc()
    };
    let high = x - k * LN_2_HIGH;
    let low = k * LN_2_LOW;
    let rest = high - low;
    let t = rest * rest;
    let c = rest - t * (P[0] + t * (P[1] + t * (P[2] + t * (P[3] + t * P[4]))));
    let y = 1.0 - ((low - (rest * c) / (2.0 - c)) - high);
    y * k.exp2()
}

fn unary(call: &Call, compute: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<f64, Float64Array>(|row| {
        Some(compute(call.double(0, row)?))
    })))
}

fn binary(call: &Call, compute: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<f64, Float64Array>(|row| {
        Some(compute(call.double(0, row)?, call.double(1, row)?))
    })))
}

fn abs(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    Ok(match array.data_type() {
        DataType::Int8 => Arc::new(
            array
                .as_primitive::<Int8Type>()
                .unary::<_, Int8Type>(i8::wrapping_abs),
        ),
        DataType::Int16 => Arc::new(
            array
                .as_primitive::<Int16Type>()
                .unary::<_, Int16Type>(i16::wrapping_abs),
        ),
        DataType::Int32 => Arc::new(
            array
                .as_primitive::<Int32Type>()
                .unary::<_, Int32Type>(i32::wrapping_abs),
        ),
        DataType::Int64 => Arc::new(
            array
                .as_primitive::<Int64Type>()
                .unary::<_, Int64Type>(i64::wrapping_abs),
        ),
        DataType::Float32 => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(f32::abs),
        ),
        DataType::Float64 => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(f64::abs),
        ),
        _ => decimals(call, |value, _| Some(value.wrapping_abs()))?,
    })
}

/// Integers wrap, as in Java.
fn negate(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    Ok(arrow::compute::kernels::numeric::neg_wrapping(array)?)
}

fn sign(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    if let DataType::Decimal128(_, scale) = array.data_type() {
        let one = power_of_ten(*scale).unwrap_or(1);
        return decimals(call, |value, _| Some(value.signum() * one));
    }
    let signs = cast(array, &DataType::Float64)?;
    let signs = signs
        .as_primitive::<Float64Type>()
        .unary::<_, Float64Type>(|value| {
            if value == 0.0 || value.is_nan() {
                value
            } else {
                value.signum()
            }
        });
    Ok(cast(&signs, array.data_type())?)
}

/// The unscaled values of a decimal argument, computed anew at the result's precision and scale.
fn decimals(call: &Call, compute: impl Fn(i128, i8) -> Option<i128>) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) =
        (array.data_type(), call.result.to_arrow_type())
    else {
        return Err(EngineError::internal("a decimal expected"));
    };
    let values: Decimal128Array = array
        .as_primitive::<Decimal128Type>()
        .iter()
        .map(|value| value.and_then(|value| compute(value, *from)))
        .collect();
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

fn power_of_ten(exponent: i8) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

fn any_nullable(types: &[FlinkType]) -> bool {
    types.iter().any(|argument| argument.nullable)
}

/// CEIL and FLOOR keep the type, but a DECIMAL loses its fraction.
fn whole_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let root = match types.first().map(|argument| argument.root.clone()) {
        Some(TypeRoot::Decimal { precision, .. }) => TypeRoot::Decimal {
            precision,
            scale: 0,
        },
        Some(root) => root,
        None => TypeRoot::Null,
    };
    Ok(FlinkType {
        root,
        nullable: any_nullable(types),
    })
}

/// `step` is what a decimal with a fraction on that side is moved by: +1 for CEIL, −1 for FLOOR.
fn to_whole(call: &Call, compute: fn(f64) -> f64, step: i128) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    match array.data_type() {
        DataType::Decimal128(..) => decimals(call, |value, scale| {
            let unit = power_of_ten(scale)?;
            let whole = value / unit;
            let rest = value % unit;
            Some(if rest != 0 && (rest > 0) == (step > 0) {
                whole + step
            } else {
                whole
            })
        }),
        DataType::Float32 | DataType::Float64 => {
            let doubles = cast(array, &DataType::Float64)?;
            let whole = doubles
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(compute);
            Ok(cast(&whole, array.data_type())?)
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// The digits that ROUND and TRUNCATE keep, where they are a constant.
fn digits_of(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Option<i64> {
    if types.len() < 2 {
        return Some(0);
    }
    match constants.get(1).copied().flatten() {
        Some(ScalarValue::Int64(Some(digits))) => Some(*digits),
        Some(ScalarValue::Int32(Some(digits))) => Some(i64::from(*digits)),
        _ => None,
    }
}

/// A DECIMAL keeps its digits before the point, one more for what rounding carries, and the wanted
/// ones behind it.
fn round_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let nullable = any_nullable(types);
    let root = types
        .first()
        .map_or(TypeRoot::Null, |argument| argument.root.clone());
    let (TypeRoot::Decimal { precision, scale }, Some(digits)) =
        (&root, digits_of(types, constants))
    else {
        return Ok(FlinkType { root, nullable });
    };
    let (precision, scale) = (*precision, *scale);
    let root = if digits >= i64::from(scale) {
        TypeRoot::Decimal { precision, scale }
    } else {
        let kept = u8::try_from(digits).unwrap_or(0);
        TypeRoot::Decimal {
            precision: (precision - scale + kept + 1).clamp(1, 38),
            scale: kept,
        }
    };
    Ok(FlinkType { root, nullable })
}

/// ROUND is half up, away from zero; TRUNCATE cuts.
fn round(call: &Call, half_up: bool) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let digits = |row: usize| {
        if call.arguments.len() < 2 {
            Some(0)
        } else {
            call.integer(1, row)
                .and_then(|digits| i32::try_from(digits).ok())
        }
    };
    match array.data_type() {
        DataType::Decimal128(_, from) => {
            let DataType::Decimal128(precision, scale) = call.result.to_arrow_type() else {
                return Err(EngineError::internal("a decimal stays one"));
            };
            let values = array.as_primitive::<Decimal128Type>();
            // Where the digits are no constant, Flink reads the rounded digits at the old scale:
            // ROUND(42.987, n) with n = 1 is 0.430.
            let is_constant = call.arguments.len() < 2 || call.is_constant(1);
            let rounded: Decimal128Array = call.strict::<i128, Decimal128Array>(|row| {
                let kept = digits(row)?.min(i32::from(*from));
                if i32::from(*from).saturating_sub(kept) > 38 {
                    // No value has as many digits as are taken away.
                    return Some(0);
                }
                let kept = i8::try_from(kept).ok()?;
                let cut = if half_up {
                    rescaled(values.value(row), *from, kept, 38)?
                } else {
                    let unit = power_of_ten(from - kept)?;
                    values.value(row) / unit
                };
                if !is_constant {
                    return match kept {
                        0.. => Some(cut),
                        _ => cut.checked_mul(power_of_ten(-kept)?),
                    };
                }
                rescaled(cut, kept, scale, precision)
            });
            Ok(Arc::new(
                rounded.with_precision_and_scale(precision, scale)?,
            ))
        }
        DataType::Float32 | DataType::Float64 => {
            let doubles = cast(array, &DataType::Float64)?;
            let doubles = doubles.as_primitive::<Float64Type>();
            let is_refused = |row| !call.has_null(row) && !doubles.value(row).is_finite();
            if (0..call.n_rows).any(is_refused) {
                return Err(EngineError::Data {
                    message: "ROUND and TRUNCATE take finite numbers only".to_owned(),
                });
            }
            let rounded: Float64Array =
                call.strict(|row| Some(round_double(doubles.value(row), digits(row)?, half_up)));
            Ok(cast(&rounded, array.data_type())?)
        }
        _ => {
            let wide = cast(array, &DataType::Int64)?;
            let wide = wide.as_primitive::<Int64Type>();
            let rounded: arrow::array::Int64Array = call.strict(|row| {
                let digits = digits(row)?;
                if digits >= 0 {
                    return Some(wide.value(row));
                }
                let Some(unit) = 10_i64.checked_pow(digits.unsigned_abs()) else {
                    return Some(0);
                };
                let value = wide.value(row);
                let rest = value % unit;
                let cut = value - rest;
                Some(if half_up && rest.abs() * 2 >= unit {
                    cut.wrapping_add(unit * rest.signum())
                } else {
                    cut
                })
            });
            narrowed(&rounded, &call.result.root)
        }
    }
}

/// Rounds the shortest decimal text of a double, as `BigDecimal.valueOf` does.
fn round_double(value: f64, digits: i32, half_up: bool) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(digits);
    let scaled = value * scale;
    if !scaled.is_finite() {
        return value;
    }
    let whole = if half_up {
        // The text decides where the product of two doubles is a little off.
        format!("{value}e{digits}")
            .parse::<f64>()
            .map_or(scaled.round(), f64::round)
    } else {
        format!("{value}e{digits}")
            .parse::<f64>()
            .map_or(scaled.trunc(), f64::trunc)
    };
    format!("{whole}e{}", -digits)
        .parse()
        .unwrap_or(whole / scale)
}
