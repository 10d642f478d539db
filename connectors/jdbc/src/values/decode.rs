//! Values to Arrow's columns, by Flink's types.
//!
//! What a database gives need not be of the declared type: an integer of any width may stand for
//! one of any width if it fits, everything but bytes has a text. A value that means something else
//! is refused, with the value.
//!
//! Source: `AbstractDialectConverter`, for decimals (rounded to the scale, NULL if there are too
//! many digits) and for the text of anything. Flink's casts of Java's classes fail where a width
//! differs; here the value counts.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Decimal128Builder, ListArray, PrimitiveBuilder,
    StringBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;
use tidemill_engine::EngineError;
use tidemill_engine::data::types::{FlinkType, TypeRoot};

use super::{Value, parse_date, parse_decimal, parse_time, parse_timestamp};

/// Builds a column from values.
pub(crate) struct Decoder {
    flink_type: FlinkType,
    builder: Builder,
    zone: Tz,
}

enum Builder {
    Boolean(BooleanBuilder),
    TinyInt(PrimitiveBuilder<Int8Type>),
    SmallInt(PrimitiveBuilder<Int16Type>),
    Int(PrimitiveBuilder<Int32Type>),
    BigInt(PrimitiveBuilder<Int64Type>),
    Float(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Decimal(Decimal128Builder, u8, u8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time32MillisecondType>, u8),
    Millis(PrimitiveBuilder<TimestampMillisecondType>, Moment),
    Micros(PrimitiveBuilder<TimestampMicrosecondType>, Moment),
    Array(ArrayBuilder),
}

/// A point in time, as it is declared.
#[derive(Clone, Copy)]
struct Moment {
    precision: u8,
    /// TIMESTAMP_LTZ.
    is_instant: bool,
}

struct ArrayBuilder {
    element: Box<Decoder>,
    offsets: Vec<i32>,
    is_valid: Vec<bool>,
    n_elements: i32,
}

impl Decoder {
    /// A column of this type; `zone` is the session's.
    ///
    /// # Errors
    /// `Internal` for a type that no dialect takes.
    pub(crate) fn try_new(flink_type: &FlinkType, zone: Tz) -> Result<Self, EngineError> {
        let builder = match &flink_type.root {
            TypeRoot::Boolean => Builder::Boolean(BooleanBuilder::new()),
            TypeRoot::TinyInt => Builder::TinyInt(PrimitiveBuilder::new()),
            TypeRoot::SmallInt => Builder::SmallInt(PrimitiveBuilder::new()),
            TypeRoot::Int => Builder::Int(PrimitiveBuilder::new()),
            TypeRoot::BigInt => Builder::BigInt(PrimitiveBuilder::new()),
            TypeRoot::Float => Builder::Float(PrimitiveBuilder::new()),
            TypeRoot::Double => Builder::Double(PrimitiveBuilder::new()),
            TypeRoot::Decimal { precision, scale } => {
                let data_type = flink_type.to_arrow_type();
                let builder = Decimal128Builder::new().with_data_type(data_type);
                Builder::Decimal(builder, *precision, *scale)
            }
            TypeRoot::Char(_) | TypeRoot::Varchar(_) => Builder::Text(StringBuilder::new()),
            TypeRoot::Varbinary(_) => Builder::Bytes(BinaryBuilder::new()),
            TypeRoot::Date => Builder::Date(PrimitiveBuilder::new()),
            TypeRoot::Time(precision) => Builder::Time(PrimitiveBuilder::new(), *precision),
            TypeRoot::Timestamp(precision) | TypeRoot::TimestampLtz(precision) => {
                let moment = Moment {
                    precision: *precision,
                    is_instant: matches!(flink_type.root, TypeRoot::TimestampLtz(_)),
                };
                let data_type = flink_type.to_arrow_type();
                match *precision {
                    0..=3 => {
                        Builder::Millis(PrimitiveBuilder::new().with_data_type(data_type), moment)
                    }
                    _ => Builder::Micros(PrimitiveBuilder::new().with_data_type(data_type), moment),
                }
            }
            TypeRoot::Array(element) => Builder::Array(ArrayBuilder {
                element: Box::new(Self::try_new(element, zone)?),
                offsets: vec![0],
                is_valid: Vec::new(),
                n_elements: 0,
            }),
            _ => {
                return Err(EngineError::internal(format!(
                    "a {flink_type} is to be read from a database"
                )));
            }
        };
        Ok(Self {
            flink_type: flink_type.clone(),
            builder,
            zone,
        })
    }

    /// Takes a value.
    ///
    /// # Errors
    /// One sentence without a subject, if the value is none of the column's type.
    pub(crate) fn push(&mut self, value: &Value) -> Result<(), String> {
        let is_taken = match value {
            Value::Null => {
                self.push_null();
                true
            }
            value => self.try_push(value).is_some(),
        };
        match is_taken {
            true => Ok(()),
            false => Err(format!(
                "of type {} cannot take the database's {}",
                self.flink_type.root_text(),
                value.describe()
            )),
        }
    }

    fn push_null(&mut self) {
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::TinyInt(builder) => builder.append_null(),
            Builder::SmallInt(builder) => builder.append_null(),
            Builder::Int(builder) => builder.append_null(),
            Builder::BigInt(builder) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Double(builder) => builder.append_null(),
            Builder::Decimal(builder, ..) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Bytes(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Time(builder, _) => builder.append_null(),
            Builder::Millis(builder, _) => builder.append_null(),
            Builder::Micros(builder, _) => builder.append_null(),
            Builder::Array(array) => array.close(false),
        }
    }

    fn try_push(&mut self, value: &Value) -> Option<()> {
        let zone = self.zone;
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_value(boolean(value)?),
            Builder::TinyInt(builder) => builder.append_value(integer(value)?.try_into().ok()?),
            Builder::SmallInt(builder) => builder.append_value(integer(value)?.try_into().ok()?),
            Builder::Int(builder) => builder.append_value(integer(value)?.try_into().ok()?),
            Builder::BigInt(builder) => builder.append_value(integer(value)?.try_into().ok()?),
            Builder::Float(builder) => builder.append_value(match value {
                Value::Float(value) => *value,
                value => double(value)? as f32,
            }),
            Builder::Double(builder) => builder.append_value(double(value)?),
            Builder::Decimal(builder, precision, scale) => {
                let number = match value {
                    Value::LongDecimal(text) => shortened(text, *scale),
                    value => Some(decimal(value)?),
                };
                builder.append_option(number.and_then(|(unscaled, from_scale)| {
                    rescaled(unscaled, from_scale, *precision, *scale)
                }));
            }
            Builder::Text(builder) => match value {
                Value::Text(text) => builder.append_value(text),
                Value::Bytes(_) | Value::Array(_) | Value::Foreign(_) => return None,
                value => builder.append_value(value.text()),
            },
            Builder::Bytes(builder) => match value {
                Value::Bytes(bytes) => builder.append_value(bytes),
                _ => return None,
            },
            Builder::Date(builder) => builder.append_value(match value {
                Value::Date(days) => *days,
                Value::Text(text) => parse_date(text)?,
                _ => return None,
            }),
            Builder::Time(builder, precision) => {
                let micros = match value {
                    Value::Time(micros) => *micros,
                    Value::Text(text) => parse_time(text)?,
                    _ => return None,
                };
                let millis = cut(micros, (*precision).min(3)).div_euclid(1000);
                builder.append_value(millis.try_into().ok()?);
            }
            Builder::Millis(builder, moment) => {
                let micros = cut(micros(value, *moment, zone)?, moment.precision);
                builder.append_value(micros.div_euclid(1000));
            }
            Builder::Micros(builder, moment) => {
                builder.append_value(cut(micros(value, *moment, zone)?, moment.precision));
            }
            Builder::Array(array) => {
                let Value::Array(values) = value else {
                    return None;
                };
                for value in values {
                    array.element.push(value).ok()?;
                    array.n_elements = array.n_elements.checked_add(1)?;
                }
                array.close(true);
            }
        }
        Some(())
    }

    /// The column, and an empty one begins.
    ///
    /// # Errors
    /// `Internal` if an array's parts do not fit.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, EngineError> {
        Ok(match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::TinyInt(builder) => Arc::new(builder.finish()),
            Builder::SmallInt(builder) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::BigInt(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Double(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, ..) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Bytes(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder, _) => Arc::new(builder.finish()),
            Builder::Millis(builder, _) => Arc::new(builder.finish()),
            Builder::Micros(builder, _) => Arc::new(builder.finish()),
            Builder::Array(array) => {
                let DataType::List(field) = self.flink_type.to_arrow_type() else {
                    return Err(EngineError::internal("an array is no list"));
                };
                let offsets = std::mem::replace(&mut array.offsets, vec![0]);
                let is_valid = std::mem::take(&mut array.is_valid);
                array.n_elements = 0;
                Arc::new(ListArray::try_new(
                    field,
                    OffsetBuffer::new(offsets.into()),
                    array.element.finish()?,
                    Some(NullBuffer::from(is_valid)),
                )?)
            }
        })
    }
}

impl ArrayBuilder {
    fn close(&mut self, is_valid: bool) {
        self.offsets.push(self.n_elements);
        self.is_valid.push(is_valid);
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Int(value) => Some(*value != 0),
        // MySQL's BIT.
        Value::Bytes(bytes) if bytes.len() == 1 => Some(bytes != &[0]),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(value) => Some((*value).into()),
        Value::UInt(value) => Some((*value).into()),
        Value::Bool(value) => Some((*value).into()),
        Value::Decimal { unscaled, scale } => {
            let factor = 10_i128.checked_pow(u32::from(*scale))?;
            (unscaled % factor == 0).then(|| unscaled / factor)
        }
        _ => None,
    }
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Float(value) => Some((*value).into()),
        Value::Int(value) => Some(*value as f64),
        Value::UInt(value) => Some(*value as f64),
        Value::Decimal { .. } => value.text().parse().ok(),
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<(i128, u8)> {
    match value {
        Value::Decimal { unscaled, scale } => Some((*unscaled, *scale)),
        Value::Int(value) => Some(((*value).into(), 0)),
        Value::UInt(value) => Some(((*value).into(), 0)),
        Value::Float(_) | Value::Double(_) | Value::Text(_) => parse_decimal(&value.text()),
        _ => None,
    }
}

/// The number with the digits that decide how it is rounded; none if they are too many still.
fn shortened(text: &str, scale: u8) -> Option<(i128, u8)> {
    let n_kept = usize::from(scale) + 1;
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.get(..n_kept).unwrap_or(fraction);
            parse_decimal(&format!("{whole}.{fraction}"))
        }
        None => parse_decimal(text),
    }
}

/// The number with another scale, rounded half up; none if it has too many digits.
fn rescaled(unscaled: i128, from_scale: u8, precision: u8, scale: u8) -> Option<i128> {
    let value = if scale >= from_scale {
        unscaled.checked_mul(10_i128.checked_pow(u32::from(scale - from_scale))?)?
    } else {
        let factor = 10_i128.checked_pow(u32::from(from_scale - scale))?;
        let (whole, rest) = (unscaled / factor, unscaled % factor);
        match rest.unsigned_abs() * 2 >= factor.unsigned_abs() {
            true => whole + unscaled.signum(),
            false => whole,
        }
    };
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (value.abs() < limit).then_some(value)
}

fn micros(value: &Value, moment: Moment, zone: Tz) -> Option<i64> {
    match (value, moment.is_instant) {
        (Value::Timestamp(micros), false) | (Value::Instant(micros), true) => Some(*micros),
        (Value::Timestamp(micros), true) => {
            let local = DateTime::from_timestamp_micros(*micros)?.naive_utc();
            let time = zone.from_local_datetime(&local).earliest()?;
            Some(time.timestamp_micros())
        }
        (Value::Instant(micros), false) => {
            let utc = DateTime::from_timestamp_micros(*micros)?.naive_utc();
            let offset = zone.offset_from_utc_datetime(&utc).fix();
            let seconds = i64::from(offset.local_minus_utc());
            micros.checked_add(seconds * 1_000_000)
        }
        (Value::Text(text), false) => parse_timestamp(text),
        // sqlite-jdbc writes milliseconds.
        (Value::Int(millis), _) => millis.checked_mul(1000),
        _ => None,
    }
}

/// The digits of a second's fraction that a precision has.
fn cut(micros: i64, precision: u8) -> i64 {
    let unit = 10_i64.pow(6 - u32::from(precision.min(6)));
    micros.div_euclid(unit) * unit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::util::display::array_value_to_string;

    use super::*;

    /// What a column of this type makes of a value.
    fn decoded(flink_type: &str, value: Value) -> Result<String, String> {
        let flink_type = FlinkType::parse(flink_type).unwrap();
        let mut decoder = Decoder::try_new(&flink_type, Tz::Asia__Shanghai).unwrap();
        decoder.push(&value)?;
        let column = decoder.finish().unwrap();
        assert_eq!(column.data_type(), &flink_type.to_arrow_type());
        Ok(array_value_to_string(&column, 0).unwrap())
    }

    #[test]
    fn values_become_what_is_declared() {
        let number = |unscaled, scale| Value::Decimal { unscaled, scale };
        for (flink_type, value, expected) in [
            ("TINYINT", Value::Int(-128), "-128"),
            ("TINYINT", Value::Bool(true), "1"),
            ("BIGINT", number(700, 2), "7"),
            (
                "DECIMAL(20, 0)",
                Value::UInt(u64::MAX),
                "18446744073709551615",
            ),
            ("DECIMAL(5, 1)", number(-1225, 2), "-12.3"),
            ("DECIMAL(3, 1)", number(99_95, 2), ""),
            ("DECIMAL(38, 0)", Value::LongDecimal("9".repeat(41)), ""),
            (
                "DECIMAL(4, 2)",
                Value::LongDecimal(format!("1.{}", "25".repeat(30))),
                "1.25",
            ),
            (
                "DECIMAL(2, 1)",
                Value::LongDecimal(format!("-1.{}", "25".repeat(30))),
                "-1.3",
            ),
            ("STRING", Value::LongDecimal("9".repeat(3)), "999"),
            ("BOOLEAN", Value::Bytes(vec![1]), "true"),
            ("BOOLEAN", Value::Int(0), "false"),
            ("FLOAT", Value::Double(1.5), "1.5"),
            ("STRING", Value::Int(5), "5"),
            ("STRING", number(1250, 2), "12.50"),
            ("TIME(3)", Value::Time(1_234_567), "00:00:01.234"),
            ("TIMESTAMP(0)", Value::Timestamp(-1), "1969-12-31T23:59:59"),
            ("TIMESTAMP(6)", Value::Instant(0), "1970-01-01T08:00:00"),
            (
                "TIMESTAMP_LTZ(3)",
                Value::Timestamp(0),
                "1969-12-31T16:00:00Z",
            ),
            (
                "ARRAY<INT>",
                Value::Array(vec![Value::Int(1), Value::Null]),
                "[1, ]",
            ),
            ("INT", Value::Null, ""),
        ] {
            assert_eq!(decoded(flink_type, value), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn values_that_mean_something_else_are_refused() {
        for (flink_type, value, message) in [
            (
                "INT",
                Value::Text("abc".to_owned()),
                "of type INT cannot take the database's text 'abc'",
            ),
            (
                "TINYINT",
                Value::Int(200),
                "of type TINYINT cannot take the database's integer 200",
            ),
            (
                "STRING",
                Value::Bytes(vec![0; 3]),
                "of type STRING cannot take the database's 3 bytes",
            ),
            (
                "ARRAY<INT>",
                Value::Array(vec![Value::Text("x".to_owned())]),
                "of type ARRAY<INT> cannot take the database's array of 1 elements",
            ),
        ] {
            assert_eq!(decoded(flink_type, value), Err(message.to_owned()));
        }
    }
}
