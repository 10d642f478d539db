//! What the fields of a `datagen` table are filled with.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, IntervalYearMonthArray, ListArray, StringArray, StructArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, TimeUnit};
use rand::Rng;
use rand::rngs::SmallRng;

use crate::catalog::options::TableOptions;
use crate::data::map_keys;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};

/// Length of text, bytes without a length of their own.
const DEFAULT_LENGTH: usize = 100;
/// Elements of a collection.
const N_ELEMENTS: usize = 3;

/// Fills one field.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    field: FieldRef,
    kind: Kind,
    null_rate: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    Sequence(RangeInclusive<i64>),
    Boolean,
    Integer(RangeInclusive<i64>),
    Double(RangeInclusive<f64>),
    Decimal(RangeInclusive<i128>),
    Text {
        length: usize,
        var_len: bool,
    },
    Bytes {
        length: usize,
        var_len: bool,
    },
    /// A moment of at most this long ago, as the field's type has it.
    Moment {
        max_past: Duration,
    },
    List(Box<Generator>),
    Map(Box<Generator>, Box<Generator>),
    Row(Vec<Generator>),
}

impl Generator {
    /// One generator for each field of the table.
    ///
    /// # Errors
    /// `Options` if options do not fit the fields, or name fields that do not exist.
    pub(super) fn of_table(schema: &Schema, options: &TableOptions<'_>) -> Result<Vec<Self>> {
        let mut reader = FieldOptions {
            options,
            used: Vec::new(),
        };
        let generators = schema
            .fields()
            .iter()
            .map(|field| reader.generator(field, &format!("fields.{}", field.name())))
            .collect::<Result<Vec<_>>>()?;
        for key in options.keys_with("fields.") {
            if !reader.used.iter().any(|used| used == key) {
                reader.used.sort();
                return Err(options.error(format!(
                    "unsupported option '{key}'; supported options of the fields: {}",
                    reader.used.join(", ")
                )));
            }
        }
        Ok(generators)
    }

    /// How many rows there can be, if a sequence bounds them.
    pub(super) fn n_rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sequence(range) => {
                let n_rows = i128::from(*range.end()) - i128::from(*range.start()) + 1;
                Some(u64::try_from(n_rows).unwrap_or(if n_rows < 0 { 0 } else { u64::MAX }))
            }
            _ => None,
        }
    }

    /// The values of rows `first .. first + n_rows`.
    ///
    /// # Errors
    /// `Internal` if the field has a type that its generator does not make.
    pub(super) fn make(&self, first: u64, n_rows: usize, rng: &mut SmallRng) -> Result<ArrayRef> {
        let array = self.values(first, n_rows, rng)?;
        if self.null_rate <= 0.0 {
            return Ok(array);
        }
        let valid = (0..n_rows)
            .map(|_| !rng.random_bool(self.null_rate))
            .collect::<Vec<_>>();
        let nulls = NullBuffer::union(array.nulls(), Some(&NullBuffer::from(valid)));
        let data = array.to_data().into_builder().nulls(nulls).build()?;
        Ok(make_array(data))
    }

    fn values(&self, first: u64, n_rows: usize, rng: &mut SmallRng) -> Result<ArrayRef> {
        let field = &self.field;
        match &self.kind {
            Kind::Sequence(range) => {
                let start = range.start().wrapping_add(first.cast_signed());
                let values = (0..n_rows).map(|at| start.wrapping_add(at as i64));
                let integers = Int64Array::from_iter_values(values);
                Ok(cast(&integers, field.data_type())?)
            }
            Kind::Boolean => Ok(Arc::new(BooleanArray::from_iter(
                (0..n_rows).map(|_| Some(rng.random::<bool>())),
            ))),
            Kind::Integer(range) => {
                let values = (0..n_rows).map(|_| rng.random_range(range.clone()));
                integers(values, field)
            }
            Kind::Double(range) => {
                // A span of the whole range of doubles would overflow.
                let (low, high) = (*range.start(), *range.end());
                let values = (0..n_rows).map(|_| {
                    let part: f64 = rng.random();
                    low * (1.0 - part) + high * part
                });
                match field.data_type() {
                    DataType::Float32 => Ok(Arc::new(Float32Array::from_iter_values(
                        values.map(|value| value as f32),
                    ))),
                    _ => Ok(Arc::new(Float64Array::from_iter_values(values))),
                }
            }
            Kind::Decimal(range) => {
                let values = (0..n_rows).map(|_| rng.random_range(range.clone()));
                let array = Decimal128Array::from_iter_values(values);
                Ok(Arc::new(array.with_data_type(field.data_type().clone())))
            }
            Kind::Text { length, var_len } => {
                let mut text = String::new();
                let values = (0..n_rows).map(|_| {
                    text.clear();
                    for _ in 0..actual_length(*length, *var_len, rng) {
                        let digit = char::from_digit(rng.random_range(0..16), 16);
                        text.push(digit.unwrap_or('0'));
                    }
                    text.clone()
                });
                Ok(Arc::new(StringArray::from_iter_values(values)))
            }
            Kind::Bytes { length, var_len } => {
                let values = (0..n_rows).map(|_| {
                    let mut bytes = vec![0; actual_length(*length, *var_len, rng)];
                    rng.fill(bytes.as_mut_slice());
                    bytes
                });
                Ok(Arc::new(BinaryArray::from_iter_values(values)))
            }
            Kind::Moment { max_past } => moments(field, *max_past, n_rows, rng),
            Kind::List(element) => {
                let elements = element.make(0, n_rows * N_ELEMENTS, rng)?;
                let DataType::List(element_field) = field.data_type() else {
                    return Err(mismatch(field));
                };
                let offsets = OffsetBuffer::from_repeated_length(N_ELEMENTS, n_rows);
                let list = ListArray::try_new(Arc::clone(element_field), offsets, elements, None)?;
                Ok(Arc::new(list))
            }
            Kind::Map(key, value) => {
                let DataType::Map(entries_field, sorted) = field.data_type() else {
                    return Err(mismatch(field));
                };
                let keys = key.make(0, n_rows * N_ELEMENTS, rng)?;
                let values = value.make(0, n_rows * N_ELEMENTS, rng)?;
                let offsets = OffsetBuffer::from_repeated_length(N_ELEMENTS, n_rows);
                map_keys::new_map(entries_field, *sorted, offsets, keys, values, None)
            }
            Kind::Row(generators) => {
                let DataType::Struct(fields) = field.data_type() else {
                    return Err(mismatch(field));
                };
                let arrays = generators
                    .iter()
                    .map(|generator| generator.make(first, n_rows, rng))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Arc::new(StructArray::try_new(
                    fields.clone(),
                    arrays,
                    None,
                )?))
            }
        }
    }
}

fn actual_length(length: usize, var_len: bool, rng: &mut SmallRng) -> usize {
    match var_len {
        true => rng.random_range(1..=length.max(1)),
        false => length,
    }
}

fn mismatch(field: &Field) -> EngineError {
    EngineError::internal(format!("no generator for {}", field.data_type()))
}

fn integers(values: impl Iterator<Item = i64>, field: &Field) -> Result<ArrayRef> {
    // The options were tested against the type, so that the casts below cannot cut.
    Ok(match field.data_type() {
        DataType::Int8 => Arc::new(Int8Array::from_iter_values(values.map(|value| value as i8))),
        DataType::Int16 => Arc::new(Int16Array::from_iter_values(
            values.map(|value| value as i16),
        )),
        DataType::Int32 => Arc::new(Int32Array::from_iter_values(
            values.map(|value| value as i32),
        )),
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(values)),
        DataType::Interval(IntervalUnit::YearMonth) => Arc::new(
            IntervalYearMonthArray::from_iter_values(values.map(|value| value as i32)),
        ),
        DataType::Duration(TimeUnit::Millisecond) => {
            Arc::new(DurationMillisecondArray::from_iter_values(values))
        }
        _ => return Err(mismatch(field)),
    })
}

fn moments(
    field: &Field,
    max_past: Duration,
    n_rows: usize,
    rng: &mut SmallRng,
) -> Result<ArrayRef> {
    let now_ms = chrono::Utc::now().timestamp_millis();
    let past_ms = i64::try_from(max_past.as_millis()).unwrap_or(i64::MAX / 2);
    let millis = (0..n_rows).map(|_| now_ms - rng.random_range(0..=past_ms));
    const DAY_MS: i64 = 86_400_000;
    let array: ArrayRef = match field.data_type() {
        DataType::Date32 => Arc::new(Date32Array::from_iter_values(
            millis.map(|value| value.div_euclid(DAY_MS) as i32),
        )),
        DataType::Time32(TimeUnit::Millisecond) => {
            Arc::new(Time32MillisecondArray::from_iter_values(
                millis.map(|value| value.rem_euclid(DAY_MS) as i32),
            ))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            TimestampMicrosecondArray::from_iter_values(millis.map(|value| value * 1_000))
                .with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => Arc::new(
            TimestampNanosecondArray::from_iter_values(millis.map(|value| value * 1_000_000))
                .with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(_, zone) => Arc::new(
            TimestampMillisecondArray::from_iter_values(millis).with_timezone_opt(zone.clone()),
        ),
        _ => return Err(mismatch(field)),
    };
    Ok(array)
}

/// Reads the options below `fields.` and remembers which ones mean something.
struct FieldOptions<'a> {
    options: &'a TableOptions<'a>,
    used: Vec<String>,
}

impl FieldOptions<'_> {
    fn generator(&mut self, field: &FieldRef, prefix: &str) -> Result<Generator> {
        let kind_key = self.key(prefix, "kind");
        let kind = match self.options.text(&kind_key) {
            None | Some("random") => self.random(field, prefix)?,
            Some("sequence") => self.sequence(field, prefix)?,
            Some(other) => {
                return Err(self.options.invalid(&kind_key, other, "random or sequence"));
            }
        };
        let null_rate = match kind {
            Kind::Sequence(_) => 0.0,
            _ => self
                .number(prefix, "null-rate", "a number from 0 to 1")?
                .unwrap_or(0.0),
        };
        if !(0.0..=1.0).contains(&null_rate) {
            let key = self.key(prefix, "null-rate");
            return Err(self
                .options
                .invalid(&key, &null_rate.to_string(), "a number from 0 to 1"));
        }
        Ok(Generator {
            field: Arc::clone(field),
            kind,
            null_rate,
        })
    }

    fn key(&mut self, prefix: &str, name: &str) -> String {
        let key = format!("{prefix}.{name}");
        if !self.used.contains(&key) {
            self.used.push(key.clone());
        }
        key
    }

    fn number<T: FromStr>(
        &mut self,
        prefix: &str,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>> {
        let key = self.key(prefix, name);
        self.options.parse(&key, expected)
    }

    fn sequence(&mut self, field: &Field, prefix: &str) -> Result<Kind> {
        let fits = field.data_type().is_numeric() || *field.data_type() == DataType::Utf8;
        if !fits {
            return Err(self.unsupported(field, "a sequence of type"));
        }
        let mut bound = |name| {
            let value = self.number::<i64>(prefix, name, "a whole number")?;
            let message = format!(
                "field '{}' of kind sequence needs '{prefix}.{name}'",
                field.name()
            );
            value.ok_or_else(|| self.options.error(message))
        };
        let range = bound("start")?..=bound("end")?;
        if let Some((low, high)) = integer_bounds(field.data_type())
            && (*range.start() < low || *range.end() > high)
        {
            return Err(self.options.error(format!(
                "the sequence from {} to {} of field '{}' does not fit its type",
                range.start(),
                range.end(),
                field.name()
            )));
        }
        Ok(Kind::Sequence(range))
    }

    fn unsupported(&self, field: &Field, what: &str) -> EngineError {
        EngineError::unsupported(format!(
            "{what} {} in connector 'datagen'",
            crate::formats::type_name(field)
        ))
    }

    fn random(&mut self, field: &Field, prefix: &str) -> Result<Kind> {
        Ok(match field.data_type() {
            DataType::Boolean => Kind::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                let limits = integer_bounds(field.data_type()).unwrap_or((i64::MIN, i64::MAX));
                Kind::Integer(self.range(prefix, limits, limits)?)
            }
            // Flink's defaults: up to ten thousand years, up to the longest interval of days.
            DataType::Interval(IntervalUnit::YearMonth) => {
                Kind::Integer(self.range(prefix, (0, 120_000), (-120_000, 120_000))?)
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Kind::Integer(self.range(prefix, (0, i64::MAX), (i64::MIN, i64::MAX))?)
            }
            DataType::Float32 => {
                let max = f64::from(f32::MAX);
                Kind::Double(self.range(prefix, (0.0, max), (-max, max))?)
            }
            DataType::Float64 => {
                Kind::Double(self.range(prefix, (0.0, f64::MAX), (f64::MIN, f64::MAX))?)
            }
            DataType::Decimal128(precision, scale) => self.decimals(prefix, *precision, *scale)?,
            DataType::Utf8 | DataType::Binary => self.lengths(field, prefix)?,
            DataType::Date32
            | DataType::Time32(TimeUnit::Millisecond)
            | DataType::Timestamp(..) => {
                let key = self.key(prefix, "max-past");
                let max_past = self.options.duration(&key)?.unwrap_or_default();
                Kind::Moment { max_past }
            }
            DataType::List(element) => Kind::List(Box::new(
                self.generator(element, &format!("{prefix}.element"))?,
            )),
            DataType::Map(entries, _) => {
                let (key, value) =
                    map_keys::entry_fields(entries).ok_or_else(|| mismatch(field))?;
                Kind::Map(
                    Box::new(self.generator(key, &format!("{prefix}.key"))?),
                    Box::new(self.generator(value, &format!("{prefix}.value"))?),
                )
            }
            DataType::Struct(fields) => Kind::Row(
                fields
                    .iter()
                    .map(|field| self.generator(field, &format!("{prefix}.{}", field.name())))
                    .collect::<Result<Vec<_>>>()?,
            ),
            _ => return Err(self.unsupported(field, "type")),
        })
    }

    fn range<T>(
        &mut self,
        prefix: &str,
        default: (T, T),
        limits: (T, T),
    ) -> Result<RangeInclusive<T>>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let start = self
            .number::<T>(prefix, "min", "a number")?
            .unwrap_or(default.0);
        let end = self
            .number::<T>(prefix, "max", "a number")?
            .unwrap_or(default.1);
        if start > end || start < limits.0 || end > limits.1 {
            return Err(self.options.error(format!(
                "'{prefix}.min' {start} and '{prefix}.max' {end} are no range within {} and {}",
                limits.0, limits.1
            )));
        }
        Ok(start..=end)
    }

    fn decimals(&mut self, prefix: &str, precision: u8, scale: i8) -> Result<Kind> {
        let limit = 10_i128.pow(u32::from(precision.min(38))) - 1;
        let unit = 10_f64.powi(i32::from(scale));
        let bound = |value: Option<f64>, default: i128| match value {
            None => default,
            Some(value) => ((value * unit).round() as i128).clamp(-limit, limit),
        };
        let min = bound(self.number(prefix, "min", "a number")?, 0);
        let max = bound(self.number(prefix, "max", "a number")?, limit);
        if min > max {
            return Err(self
                .options
                .error(format!("'{prefix}.min' is above '{prefix}.max'")));
        }
        Ok(Kind::Decimal(min..=max))
    }

    fn lengths(&mut self, field: &Field, prefix: &str) -> Result<Kind> {
        let own = match FlinkType::from_field(field).root {
            TypeRoot::Char(length) | TypeRoot::Binary(length) => Some(length),
            TypeRoot::Varchar(length) | TypeRoot::Varbinary(length) if length < 1 << 20 => {
                Some(length)
            }
            _ => None,
        };
        let own = own.map(|length| length as usize);
        let expected = "a number of characters";
        let length: Option<usize> = self.number(prefix, "length", expected)?;
        if let (Some(length), Some(own)) = (length, own)
            && length > own
        {
            let key = self.key(prefix, "length");
            let expected = format!("at most {own}, the length of the type");
            return Err(self.options.invalid(&key, &length.to_string(), &expected));
        }
        let var_len_key = self.key(prefix, "var-len");
        let var_len = self.options.flag(&var_len_key)?.unwrap_or(false);
        let length = length.or(own).unwrap_or(DEFAULT_LENGTH);
        Ok(match field.data_type() {
            DataType::Utf8 => Kind::Text { length, var_len },
            _ => Kind::Bytes { length, var_len },
        })
    }
}

fn integer_bounds(data_type: &DataType) -> Option<(i64, i64)> {
    match data_type {
        DataType::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
        DataType::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
        DataType::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
        DataType::Int64 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
