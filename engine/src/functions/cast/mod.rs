//! CAST and TRY_CAST by Flink's rules.
//!
//! ```text
//!   narrower integers wrap · floats saturate and cut · decimals round half up, NULL if too long
//!   texts are read as Java reads them; what cannot be read ends the job (TRY_CAST: NULL)
//!   everything has a text, which is cut to VARCHAR(n) and padded to CHAR(n)
//! ```
//!
//! Source: `org.apache.flink.table.planner.functions.casting` of Flink 2.3, checked against
//! recorded answers.
mod constant;

pub mod number;

pub mod parse;

pub mod temporal;

pub mod text;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, ListArray, StringArray, StructArray,
    new_null_array,
};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::data::map_keys;
use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::scalar_of;
use crate::sql::diagnostics::SqlDiagnostic;

/// What a cast does with a value that cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// CAST: the job ends.
    Fail,
    /// TRY_CAST: NULL.
    Null,
}

/// `__cast(value, 'TYPE')` or `__try_cast(value, 'TYPE')`: what the normalizer makes of the
/// syntax.
#[must_use]
pub fn function(on_failure: OnFailure) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Cast {
        on_failure,
        of_folded_text: false,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// The same cast of a number that was a text: `CAST(CAST('1.005' AS DOUBLE) AS …)`. See
/// `constant`.
#[must_use]
pub fn function_of_folded_text(on_failure: OnFailure) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Cast {
        on_failure,
        of_folded_text: true,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    on_failure: OnFailure,
    /// Whether the value is a constant that was read from a text.
    of_folded_text: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        match self.on_failure {
            OnFailure::Fail => "__cast",
            OnFailure::Null => "__try_cast",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Err(exec_datafusion_err!(
            "the type of a cast hangs on its second argument"
        ))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let ([value, _], [_, Some(ScalarValue::Utf8(Some(target)))]) =
            (args.arg_fields, args.scalar_arguments)
        else {
            return Err(exec_datafusion_err!("a cast takes a value and a type"));
        };
        let from = FlinkType::from_field(value);
        let mut to = FlinkType::parse(target)?;
        if !is_supported(&from.root, &to.root) {
            return Err(
                EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
                    "cast function cannot convert value of type {} to type {}",
                    from.root_text(),
                    to.root_text()
                ))))
                .into(),
            );
        }
        to.nullable = self.on_failure == OnFailure::Null || from.nullable;
        Ok(Arc::new(to.to_arrow_field(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let (Some(value), Some(field)) = (args.args.first(), args.arg_fields.first()) else {
            return Err(exec_datafusion_err!("a cast takes a value and a type"));
        };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let array = value.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let caster = Caster {
            on_failure: self.on_failure,
            zone: temporal::zone(&args.config_options)?,
        };
        let from = FlinkType::from_field(field);
        let to = FlinkType::from_field(&args.return_field);
        let folded = if is_scalar {
            constant::cast(&array, &from, &to, self.of_folded_text)?
        } else {
            None
        };
        let result = match (folded, caster.on_failure) {
            (Some(folded), _) => folded,
            // A literal counts the unit of the interval; a column milliseconds or months.
            _ if is_scalar && from.root == TypeRoot::Int && is_interval(&to.root) => {
                temporal::units_to_interval(&array, &to)?
            }
            (None, OnFailure::Null) if is_nested(&to.root) => {
                caster.try_whole(&array, &from, &to)?
            }
            _ => caster.cast(&array, &from, &to)?,
        };
        if is_scalar {
            let result = constant::folded(result, &from)?;
            return Ok(ColumnarValue::Scalar(scalar_of(&result)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Converts whole columns.
#[derive(Debug, Clone, Copy)]
pub struct Caster {
    /// What becomes of values that cannot be converted.
    pub on_failure: OnFailure,
    /// The session's time zone.
    pub zone: chrono_tz::Tz,
}

impl Caster {
    /// `array` of type `from` as a column of type `to`.
    ///
    /// # Errors
    /// `Data` for a value that cannot be converted, unless that is NULL; `Unsupported` for a pair
    /// of types that cannot be cast.
    pub fn cast(&self, array: &ArrayRef, from: &FlinkType, to: &FlinkType) -> Result<ArrayRef> {
        use TypeRoot as T;
        let target = to.to_arrow_type();
        match (&from.root, &to.root) {
            (T::Null, _) => Ok(new_null_array(&target, array.len())),
            (from_root, to_root) if from_root == to_root && *array.data_type() == target => {
                Ok(Arc::clone(array))
            }
            (T::Binary(_) | T::Varbinary(_), T::Char(_) | T::Varchar(_)) => {
                let texts = array
                    .as_binary::<i32>()
                    .iter()
                    .map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
                Ok(fit_text(texts, &to.root))
            }
            (T::Char(_) | T::Varchar(_), T::Char(_) | T::Varchar(_)) => {
                if to.root == T::Varchar(MAX_LENGTH) {
                    return Ok(Arc::clone(array));
                }
                let texts = array.as_string::<i32>().iter();
                Ok(fit_text(
                    texts.map(|text| text.map(str::to_owned)),
                    &to.root,
                ))
            }
            (_, T::Char(_) | T::Varchar(_)) => {
                let mut texts = Vec::with_capacity(array.len());
                for row_idx in 0..array.len() {
                    texts.push(text::value(array, row_idx, from, self.zone)?);
                }
                Ok(fit_text(texts.into_iter(), &to.root))
            }
            (T::Char(_) | T::Varchar(_), T::Boolean) => {
                let values = self.parsed(array, to, parse::boolean)?;
                Ok(Arc::new(BooleanArray::from(values)))
            }
            (T::Char(_) | T::Varchar(_), T::Binary(_) | T::Varbinary(_)) => {
                let bytes = array.as_string::<i32>().iter();
                Ok(fit_bytes(
                    bytes.map(|text| text.map(str::as_bytes)),
                    &to.root,
                ))
            }
            (T::Binary(_) | T::Varbinary(_), T::Binary(_) | T::Varbinary(_)) => {
                Ok(fit_bytes(array.as_binary::<i32>().iter(), &to.root))
            }
            (T::Char(_) | T::Varchar(_), root) if is_temporal(root) => {
                temporal::from_text(self, array, to)
            }
            (T::Char(_) | T::Varchar(_), _) => number::from_text(self, array, to),
            (from_root, to_root) if is_number(from_root) && is_number(to_root) => {
                number::convert(self, array, to)
            }
            (from_root, to_root) if is_temporal(from_root) && is_temporal(to_root) => {
                temporal::convert(self, array, from, to)
            }
            (
                T::IntervalDayTime { .. }
                | T::IntervalYearMonth { .. }
                | T::TinyInt
                | T::SmallInt
                | T::Int
                | T::BigInt,
                T::IntervalDayTime { .. } | T::IntervalYearMonth { .. },
            ) => temporal::to_interval(array, to),
            (T::Array(from), T::Array(to)) => self.list(array, from, to, &target),
            (T::Map(from_key, from_value), T::Map(to_key, to_value)) => {
                self.map(array, [from_key, from_value], [to_key, to_value], &target)
            }
            (T::Multiset(from), T::Multiset(to)) => {
                let count = FlinkType::not_null(T::Int);
                self.map(array, [from, &count], [to, &count], &target)
            }
            (T::Row(from), T::Row(to)) => self.row(array, from, to, &target),
            _ => Err(EngineError::unsupported(format!(
                "CAST of {} to {}",
                from.root_text(),
                to.root_text()
            ))),
        }
    }

    /// TRY_CAST of nested values: one that cannot be converted inside is NULL as a whole.
    fn try_whole(&self, array: &ArrayRef, from: &FlinkType, to: &FlinkType) -> Result<ArrayRef> {
        let strict = Self {
            on_failure: OnFailure::Fail,
            ..*self
        };
        let whole = strict.cast(array, from, to);
        if !matches!(whole, Err(EngineError::Data { .. })) {
            return whole;
        }
        let mut rows = Vec::with_capacity(array.len());
        for row_idx in 0..array.len() {
            rows.push(match strict.cast(&array.slice(row_idx, 1), from, to) {
                Ok(row) => row,
                Err(EngineError::Data { .. }) => new_null_array(&to.to_arrow_type(), 1),
                Err(error) => return Err(error),
            });
        }
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        Ok(arrow::compute::concat(&rows)?)
    }

    /// The texts of `array`, each read by `parse`.
    pub(super) fn parsed<T>(
        &self,
        array: &ArrayRef,
        to: &FlinkType,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>> {
        array
            .as_string::<i32>()
            .iter()
            .map(|text| {
                let Some(text) = text else { return Ok(None) };
                match parse(text) {
                    Some(value) => Ok(Some(value)),
                    None => self.failed(|| {
                        format!("cannot cast '{}' to {}", excerpt(text), to.root_text())
                    }),
                }
            })
            .collect()
    }

    /// NULL for TRY_CAST, an error for CAST.
    pub(super) fn failed<T>(&self, message: impl FnOnce() -> String) -> Result<Option<T>> {
        match self.on_failure {
            OnFailure::Null => Ok(None),
            OnFailure::Fail => Err(EngineError::Data { message: message() }),
        }
    }

    fn list(
        &self,
        array: &ArrayRef,
        from: &FlinkType,
        to: &FlinkType,
        target: &DataType,
    ) -> Result<ArrayRef> {
        let DataType::List(item) = target else {
            return Err(EngineError::internal("an ARRAY is a list"));
        };
        let list = array.as_list::<i32>();
        let values = self.cast(list.values(), from, to)?;
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(item),
            list.offsets().clone(),
            values,
            list.nulls().cloned(),
        )?))
    }

    fn map(
        &self,
        array: &ArrayRef,
        from: [&FlinkType; 2],
        to: [&FlinkType; 2],
        target: &DataType,
    ) -> Result<ArrayRef> {
        let DataType::Map(entries, sorted) = target else {
            return Err(EngineError::internal("a MAP is a map"));
        };
        let map = array.as_map();
        map_keys::new_map(
            entries,
            *sorted,
            map.offsets().clone(),
            self.cast(map_keys::keys(map), from[0], to[0])?,
            self.cast(map.values(), from[1], to[1])?,
            map.nulls().cloned(),
        )
    }

    fn row(
        &self,
        array: &ArrayRef,
        from: &[crate::data::types::RowField],
        to: &[crate::data::types::RowField],
        target: &DataType,
    ) -> Result<ArrayRef> {
        let DataType::Struct(fields) = target else {
            return Err(EngineError::internal("a ROW is a struct"));
        };
        let columns = array
            .as_struct()
            .columns()
            .iter()
            .zip(from.iter().zip(to))
            .map(|(column, (from, to))| self.cast(column, &from.flink_type, &to.flink_type))
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(StructArray::try_new(
            fields.clone(),
            columns,
            array.nulls().cloned(),
        )?))
    }
}

fn is_interval(root: &TypeRoot) -> bool {
    matches!(
        root,
        TypeRoot::IntervalDayTime { .. } | TypeRoot::IntervalYearMonth { .. }
    )
}

/// Whether an interval is one of a single unit, `INTERVAL DAY`.
fn has_one_field(interval: &TypeRoot) -> bool {
    use crate::data::types::{DayTimeResolution as D, YearMonthResolution as Y};
    match interval {
        TypeRoot::IntervalDayTime { resolution, .. } => {
            matches!(resolution, D::Day | D::Hour | D::Minute | D::Second)
        }
        TypeRoot::IntervalYearMonth { resolution, .. } => {
            matches!(resolution, Y::Year | Y::Month)
        }
        _ => false,
    }
}

/// Whether values of `from` can be cast to `to` at all.
#[must_use]
pub fn is_supported(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    let is_text = |root: &T| matches!(root, T::Char(_) | T::Varchar(_));
    let is_bytes = |root: &T| matches!(root, T::Binary(_) | T::Varbinary(_));
    match (from, to) {
        (T::Null, _) => true,
        (T::Variant, to) => from == to,
        (T::Bitmap, to) => from == to || is_text(to),
        (_, to) if is_text(to) => true,
        (from, to) if is_text(from) => is_number(to) || is_temporal(to) || is_bytes(to),
        (from, to) if is_number(from) && is_number(to) => true,
        (from, to) if is_bytes(from) && is_bytes(to) => true,
        (T::Date, T::Time(_)) | (T::Time(_), T::Date) => false,
        (from, to) if is_temporal(from) && is_temporal(to) => true,
        (T::TinyInt | T::SmallInt | T::Int | T::BigInt, to) if is_interval(to) => has_one_field(to),
        (T::IntervalDayTime { .. }, T::IntervalDayTime { .. })
        | (T::IntervalYearMonth { .. }, T::IntervalYearMonth { .. }) => true,
        (T::Array(from), T::Array(to)) => is_supported(&from.root, &to.root),
        (T::Map(from_key, from_value), T::Map(to_key, to_value)) => {
            is_supported(&from_key.root, &to_key.root)
                && is_supported(&from_value.root, &to_value.root)
        }
        (T::Multiset(from), T::Multiset(to)) => is_supported(&from.root, &to.root),
        (T::Row(from), T::Row(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| is_supported(&from.flink_type.root, &to.flink_type.root))
        }
        (from, to) => from == to,
    }
}

const fn is_nested(root: &TypeRoot) -> bool {
    matches!(
        root,
        TypeRoot::Array(_) | TypeRoot::Map(..) | TypeRoot::Multiset(_) | TypeRoot::Row(_)
    )
}

/// Numbers, and BOOLEAN, which casts like one.
fn is_number(root: &TypeRoot) -> bool {
    use TypeRoot as T;
    matches!(
        root,
        T::Boolean
            | T::TinyInt
            | T::SmallInt
            | T::Int
            | T::BigInt
            | T::Float
            | T::Double
            | T::Decimal { .. }
    )
}

fn is_temporal(root: &TypeRoot) -> bool {
    use TypeRoot as T;
    matches!(
        root,
        T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_)
    )
}

/// Cuts texts to VARCHAR(n); cuts and pads them to CHAR(n).
fn fit_text(texts: impl Iterator<Item = Option<String>>, root: &TypeRoot) -> ArrayRef {
    let (limit, pad) = match root {
        TypeRoot::Char(length) => (*length as usize, true),
        TypeRoot::Varchar(length) => (*length as usize, false),
        _ => (MAX_LENGTH as usize, false),
    };
    let fitted = texts.map(|text| {
        text.map(|mut text| {
            if text.len() > limit
                && let Some((end, _)) = text.char_indices().nth(limit)
            {
                text.truncate(end);
            }
            if pad {
                let missing = limit.saturating_sub(text.chars().count());
                text.extend(std::iter::repeat_n(' ', missing));
            }
            text
        })
    });
    Arc::new(fitted.collect::<StringArray>())
}

/// Cuts bytes to VARBINARY(n); cuts and pads them with zeros to BINARY(n).
fn fit_bytes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, root: &TypeRoot) -> ArrayRef {
    let (limit, pad) = match root {
        TypeRoot::Binary(length) => (*length as usize, true),
        TypeRoot::Varbinary(length) => (*length as usize, false),
        _ => (MAX_LENGTH as usize, false),
    };
    let fitted = values.map(|bytes| {
        bytes.map(|bytes| {
            let mut bytes = bytes.get(..limit).unwrap_or(bytes).to_vec();
            if pad {
                bytes.resize(limit, 0);
            }
            bytes
        })
    });
    Arc::new(fitted.collect::<BinaryArray>())
}

/// A value for a message, cut to a length that a reader bears.
fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
