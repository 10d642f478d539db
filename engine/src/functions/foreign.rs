//! Foreign functions as the planner sees them: a [`UdfSpec`] wrapped for DataFusion.
//!
//! Arguments are cast to the declared types where Flink casts implicitly: integers and decimals
//! to wider numbers, NULL to anything. Everything else is refused before the job starts.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::data::types::FlinkType;
use crate::error::EngineError;
use crate::functions::udf::UdfSpec;
use crate::sql::diagnostics::SqlDiagnostic;

/// The function for the planner.
#[must_use]
pub fn scalar(spec: &Arc<UdfSpec>) -> Arc<ScalarUDF> {
    let volatility = if spec.deterministic {
        Volatility::Immutable
    } else {
        Volatility::Volatile
    };
    let signature = if spec.arguments.as_ref().is_none_or(Vec::is_empty) {
        // `UserDefined` alone would refuse a call without arguments.
        Signature::new(
            TypeSignature::OneOf(vec![TypeSignature::UserDefined, TypeSignature::Nullary]),
            volatility,
        )
    } else {
        Signature::user_defined(volatility)
    };
    Arc::new(ScalarUDF::new_from_impl(ForeignFunction {
        name: spec.name.to_lowercase(),
        spec: Arc::clone(spec),
        signature,
    }))
}

struct ForeignFunction {
    /// Lower case, as the binder looks it up.
    name: String,
    spec: Arc<UdfSpec>,
    signature: Signature,
}

impl fmt::Debug for ForeignFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignFunction({})", self.spec.name)
    }
}

/// Two registrations are the same function only if they are the same object: the code behind a
/// name may change between them.
impl PartialEq for ForeignFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec)
    }
}

impl Eq for ForeignFunction {}

impl Hash for ForeignFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.spec).hash(state);
    }
}

impl ScalarUDFImpl for ForeignFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        coerce_arguments(&self.spec.name, self.spec.arguments.as_deref(), arg_types)
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.spec.result.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(
            self.spec
                .result
                .as_ref()
                .clone()
                .with_name(self.spec.name.clone()),
        ))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let folded = self.spec.deterministic
            && !args.args.is_empty()
            && args
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let n_rows = if folded { 1 } else { args.number_rows };
        if n_rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(
                self.spec.result.data_type(),
            )));
        }
        let arguments = args
            .args
            .iter()
            .map(|argument| argument.to_array(n_rows))
            .collect::<DfResult<Vec<_>>>()?;
        let result = self.spec.runtime.call(&arguments, n_rows)?;
        if result.len() != n_rows || result.data_type() != self.spec.result.data_type() {
            return Err(EngineError::internal(format!(
                "function '{}' gave {} values of type {} for {n_rows} rows of type {}",
                self.spec.name,
                result.len(),
                result.data_type(),
                self.spec.result.data_type()
            ))
            .into());
        }
        if folded {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The types to which the arguments of a call are cast: the declared ones.
///
/// # Errors
/// A validation error if the arguments are not as many, or do not cast implicitly.
pub(super) fn coerce_arguments(
    name: &str,
    declared: Option<&[FieldRef]>,
    given: &[DataType],
) -> DfResult<Vec<DataType>> {
    let Some(declared) = declared else {
        return Ok(given.to_vec());
    };
    let fits = declared.len() == given.len()
        && declared
            .iter()
            .zip(given)
            .all(|(field, given)| casts_implicitly(given, field.data_type()));
    if !fits {
        return Err(invalid_call(name, declared, given).into());
    }
    Ok(declared
        .iter()
        .map(|field| field.data_type().clone())
        .collect())
}

fn invalid_call(name: &str, declared: &[FieldRef], given: &[DataType]) -> EngineError {
    let text = |data_type: &DataType| {
        let field = Field::new("", data_type.clone(), true);
        FlinkType::from_field(&field).to_string()
    };
    let given: Vec<_> = given.iter().map(text).collect();
    let expected: Vec<_> = declared
        .iter()
        .map(|field| FlinkType::from_field(field).root_text())
        .collect();
    EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
        "invalid call of function '{name}({})'; it takes ({})",
        given.join(", "),
        expected.join(", ")
    ))))
}

/// Whether Flink casts `from` to `to` without being asked.
#[must_use]
pub fn casts_implicitly(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null, Timestamp,
    };
    let rank = |data_type: &DataType| match data_type {
        Int8 => Some(0),
        Int16 => Some(1),
        Int32 => Some(2),
        Int64 => Some(3),
        Decimal128(..) => Some(4),
        Float32 => Some(5),
        Float64 => Some(6),
        _ => None,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (Timestamp(from, from_zone), Timestamp(to, to_zone)) => {
            unit_rank(*from) <= unit_rank(*to) && from_zone.is_some() == to_zone.is_some()
        }
        (Date32, Timestamp(_, None)) => true,
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s1 <= s2 && p1 - (*s1).unsigned_abs() <= p2 - (*s2).unsigned_abs()
        }
        (from, to) => match (rank(from), rank(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => from.is_nested() && from.equals_datatype(to),
        },
    }
}

const fn unit_rank(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}
