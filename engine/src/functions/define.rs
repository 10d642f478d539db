//! How a built-in function is defined: what it takes, what it gives, how it computes a column.
//!
//! Arguments arrive as whole columns of Arrow's types; a call whose arguments are all constants
//! is computed once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::data::types::{FlinkType, TIME_ATTRIBUTE_KEY, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::bare_null;
use crate::functions::cast::temporal;
use crate::sql::diagnostics::SqlDiagnostic;

/// A family of argument types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CHAR, VARCHAR.
    Text,
    /// Texts, or whole numbers handed over as BIGINT.
    TextOrInteger,
    /// Whole numbers, handed over as BIGINT.
    Integer,
    /// Numbers, handed over as DOUBLE.
    Double,
    /// Numbers of any type.
    Number,
    /// Numbers of any type, or intervals.
    NumberOrInterval,
    /// Numbers of any type, or texts.
    NumberOrText,
    /// BOOLEAN.
    Boolean,
    /// BINARY, VARBINARY.
    Bytes,
    /// Texts or bytes.
    TextOrBytes,
    /// DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ.
    Temporal,
    /// Timestamps of both kinds, or texts of them.
    TimestampOrText,
    /// Intervals and what can be moved by them.
    TemporalOrInterval,
    /// Whatever comes.
    Any,
}

/// What the result's type is.
pub enum ResultType {
    /// This one; NULL if an argument may be NULL.
    Strict(TypeRoot),
    /// This one, always nullable.
    Nullable(TypeRoot),
    /// This one, never NULL.
    NotNull(TypeRoot),
    /// The type of the argument at this index; NULL if an argument may be NULL.
    Argument(usize),
    /// Whatever the function says.
    Computed(fn(&[FlinkType], &[Option<&ScalarValue>]) -> Result<FlinkType>),
}

/// A built-in scalar function.
pub struct Definition {
    /// Name in lower case.
    pub name: &'static str,
    /// Number of arguments.
    pub arity: RangeInclusive<usize>,
    /// Types of the arguments; the last one holds for all further ones.
    pub kinds: &'static [Kind],
    /// Type of the result.
    pub result: ResultType,
    /// Whether two calls with the same arguments give the same.
    pub deterministic: bool,
    /// Computes a column.
    pub evaluate: fn(&Call) -> Result<ArrayRef>,
}

/// One call on one batch.
pub struct Call {
    /// The arguments' columns, each of `n_rows` values.
    pub arguments: Vec<ArrayRef>,
    /// Their types.
    pub types: Vec<FlinkType>,
    /// Type of the result.
    pub result: FlinkType,
    /// Number of rows.
    pub n_rows: usize,
    /// The session's time zone.
    pub zone: chrono_tz::Tz,
    /// Which arguments are constants of the query.
    pub constants: Vec<bool>,
}

impl Call {
    /// Whether the argument at `index` is a constant of the query.
    #[must_use]
    pub fn is_constant(&self, index: usize) -> bool {
        self.constants.get(index).copied().unwrap_or(false)
    }

    /// The argument at `index`.
    ///
    /// # Errors
    /// `Internal` if the function was defined with fewer arguments.
    pub fn argument(&self, index: usize) -> Result<&ArrayRef> {
        self.arguments
            .get(index)
            .ok_or_else(|| EngineError::internal(format!("no argument {index}")))
    }

    /// The text in a row of an argument; `None` for NULL or a missing argument.
    #[must_use]
    #[inline]
    pub fn text(&self, index: usize, row_idx: usize) -> Option<&str> {
        let array = self.arguments.get(index)?.as_string_opt::<i32>()?;
        (!array.is_null(row_idx)).then(|| array.value(row_idx))
    }

    /// The whole number in a row of an argument.
    #[must_use]
    #[inline]
    pub fn integer(&self, index: usize, row_idx: usize) -> Option<i64> {
        let array = self.arguments.get(index)?.as_primitive_opt::<Int64Type>()?;
        (!array.is_null(row_idx)).then(|| array.value(row_idx))
    }

    /// The number in a row of an argument.
    #[must_use]
    pub fn double(&self, index: usize, row_idx: usize) -> Option<f64> {
        let array = self
            .arguments
            .get(index)?
            .as_primitive_opt::<arrow::datatypes::Float64Type>()?;
        (!array.is_null(row_idx)).then(|| array.value(row_idx))
    }

    /// Whether an argument is NULL in a row.
    #[must_use]
    pub fn has_null(&self, row_idx: usize) -> bool {
        self.arguments.iter().any(|array| array.is_null(row_idx))
    }

    /// A column computed row by row; a row with a NULL argument is NULL.
    pub fn strict<T, A: FromIterator<Option<T>>>(
        &self,
        mut compute: impl FnMut(usize) -> Option<T>,
    ) -> A {
        let may_lack = self.arguments.iter().any(|array| array.null_count() > 0);
        (0..self.n_rows)
            .map(|row_idx| {
                if may_lack && self.has_null(row_idx) {
                    None
                } else {
                    compute(row_idx)
                }
            })
            .collect()
    }
}

/// The function for the planner.
#[must_use]
pub fn scalar(definition: &'static Definition) -> Arc<ScalarUDF> {
    let volatility = if definition.deterministic {
        Volatility::Immutable
    } else {
        Volatility::Volatile
    };
    let signature = if *definition.arity.start() == 0 {
        // `UserDefined` alone would refuse a call without arguments.
        Signature::new(
            TypeSignature::OneOf(vec![TypeSignature::UserDefined, TypeSignature::Nullary]),
            volatility,
        )
    } else {
        Signature::user_defined(volatility)
    };
    Arc::new(ScalarUDF::new_from_impl(BuiltIn {
        definition,
        signature,
    }))
}

struct BuiltIn {
    definition: &'static Definition,
    signature: Signature,
}

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuiltIn({})", self.definition.name)
    }
}

impl PartialEq for BuiltIn {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for BuiltIn {}

impl Hash for BuiltIn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl BuiltIn {
    fn kind(&self, index: usize) -> Kind {
        let kinds = self.definition.kinds;
        kinds
            .get(index)
            .or_else(|| kinds.last())
            .copied()
            .unwrap_or(Kind::Any)
    }

    fn invalid(&self, given: &[DataType]) -> EngineError {
        let shown: Vec<_> = given
            .iter()
            .map(|data_type| {
                let field = arrow::datatypes::Field::new("", data_type.clone(), true);
                FlinkType::from_field(&field).root_text()
            })
            .collect();
        EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
            "invalid arguments of function {}({})",
            self.definition.name.trim_start_matches("__").to_uppercase(),
            shown.join(", ")
        ))))
    }
}

impl ScalarUDFImpl for BuiltIn {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        if !self.definition.arity.contains(&arg_types.len()) {
            return Err(self.invalid(arg_types).into());
        }
        bare_null::check(self.definition.name, arg_types)?;
        arg_types
            .iter()
            .enumerate()
            .map(|(index, given)| {
                coerced(self.kind(index), given).ok_or_else(|| self.invalid(arg_types).into())
            })
            .collect()
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Err(EngineError::internal("the type of a function hangs on its arguments").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let types: Vec<_> = args
            .arg_fields
            .iter()
            .map(|field| FlinkType::from_field(field))
            .collect();
        if self.definition.name == "current_watermark" {
            require_rowtime(args.arg_fields)?;
        }
        let any_nullable = types.iter().any(|argument| argument.nullable);
        let result = match &self.definition.result {
            ResultType::Strict(root) => FlinkType {
                root: root.clone(),
                nullable: any_nullable,
            },
            ResultType::Nullable(root) => FlinkType::nullable(root.clone()),
            ResultType::NotNull(root) => FlinkType::not_null(root.clone()),
            ResultType::Argument(index) => FlinkType {
                root: types
                    .get(*index)
                    .map_or(TypeRoot::Null, |argument| argument.root.clone()),
                nullable: any_nullable,
            },
            ResultType::Computed(compute) => compute(&types, args.scalar_arguments)?,
        };
        let mut field = result.to_arrow_field(self.definition.name);
        if let Some(attribute) = time_attribute(self.definition.name) {
            let metadata = field.metadata_mut();
            metadata.insert(TIME_ATTRIBUTE_KEY.to_owned(), attribute.to_owned());
        }
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_constant = self.definition.deterministic
            && !args.args.is_empty()
            && args
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let n_rows = if is_constant { 1 } else { args.number_rows };
        if n_rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(
                args.return_field.data_type(),
            )));
        }
        let call = Call {
            arguments: args
                .args
                .iter()
                .map(|argument| argument.to_array(n_rows))
                .collect::<DfResult<_>>()?,
            types: args
                .arg_fields
                .iter()
                .map(|field| FlinkType::from_field(field))
                .collect(),
            result: FlinkType::from_field(&args.return_field),
            n_rows,
            zone: temporal::zone(&args.config_options)?,
            constants: args
                .args
                .iter()
                .map(|argument| matches!(argument, ColumnarValue::Scalar(_)))
                .collect(),
        };
        let result = (self.definition.evaluate)(&call)?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(scalar_of(&result)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Refuses what is no rowtime.
fn require_rowtime(arguments: &[FieldRef]) -> Result<()> {
    let key = arguments
        .first()
        .and_then(|field| field.metadata().get(TIME_ATTRIBUTE_KEY));
    if key.is_some_and(|attribute| attribute == "ROWTIME") {
        return Ok(());
    }
    let name = arguments.first().map_or("", |field| field.name().as_str());
    Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
        format!(
            "CURRENT_WATERMARK() must be called with a single rowtime attribute argument, \
             but '{name}' is none"
        ),
    ))))
}

/// What the result of a function is for time, if anything.
fn time_attribute(name: &str) -> Option<&'static str> {
    match name {
        "proctime" | "__group_proctime" => Some("PROCTIME"),
        "__rowtime" | "__group_rowtime" => Some("ROWTIME"),
        _ => None,
    }
}

/// The first value of a column. DataFusion's own conversion loses what the field of a list's items
/// says about their type.
pub(crate) fn scalar_of(array: &ArrayRef) -> DfResult<ScalarValue> {
    match array.as_list_opt::<i32>() {
        Some(lists) if !lists.is_empty() => Ok(ScalarValue::List(Arc::new(lists.slice(0, 1)))),
        _ => ScalarValue::try_from_array(array, 0),
    }
}

/// The type to which an argument is cast, or `None` if it does not fit.
fn coerced(kind: Kind, given: &DataType) -> Option<DataType> {
    let is_text = *given == DataType::Utf8;
    let is_temporal = matches!(
        given,
        DataType::Date32 | DataType::Time32(_) | DataType::Timestamp(..)
    );
    let is_interval = matches!(given, DataType::Duration(_) | DataType::Interval(_));
    let is_null = *given == DataType::Null;
    match kind {
        Kind::Text if is_text || is_null => Some(DataType::Utf8),
        Kind::TextOrInteger if is_text || is_null => Some(DataType::Utf8),
        Kind::Integer | Kind::TextOrInteger if given.is_integer() || is_null => {
            Some(DataType::Int64)
        }
        Kind::Double if given.is_numeric() || is_null => Some(DataType::Float64),
        Kind::NumberOrInterval if is_interval => Some(given.clone()),
        Kind::Number | Kind::NumberOrInterval if is_null => Some(DataType::Int32),
        Kind::NumberOrText if is_text || is_null => Some(DataType::Utf8),
        Kind::Number | Kind::NumberOrText | Kind::NumberOrInterval if given.is_numeric() => {
            Some(given.clone())
        }
        Kind::Boolean if *given == DataType::Boolean || is_null => Some(DataType::Boolean),
        Kind::Bytes if *given == DataType::Binary || is_null => Some(DataType::Binary),
        Kind::TextOrBytes if is_text || *given == DataType::Binary => Some(given.clone()),
        Kind::TextOrBytes | Kind::TimestampOrText if is_null => Some(DataType::Utf8),
        Kind::Temporal if is_temporal || is_null => Some(given.clone()),
        Kind::TimestampOrText if is_text || matches!(given, DataType::Timestamp(..)) => {
            Some(given.clone())
        }
        Kind::TemporalOrInterval if is_temporal || is_interval => Some(given.clone()),
        Kind::Any => Some(given.clone()),
        _ => None,
    }
}
