//! Functions that guard the edges of a plan.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::EngineError;

/// `__not_null(value, 'column')`: the value, or an error that names the column of the table into
/// which NULL would be written.
#[must_use]
pub fn not_null() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(NotNull {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NotNull {
    signature: Signature,
}

impl ScalarUDFImpl for NotNull {
    fn name(&self) -> &str {
        "__not_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        arg_types
            .first()
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let value = args
            .arg_fields
            .first()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))?;
        Ok(Arc::new(value.as_ref().clone().with_nullable(false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [
            value,
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(column))),
        ] = args.args.as_slice()
        else {
            return Err(exec_datafusion_err!("a value and a column's name expected"));
        };
        let has_null = match value {
            ColumnarValue::Scalar(value) => value.is_null(),
            ColumnarValue::Array(values) => values.logical_null_count() > 0,
        };
        if has_null {
            return Err(EngineError::Data {
                message: format!(
                    "column '{column}' is NOT NULL, however, a null value is being written into \
                     it; SET 'table.exec.sink.not-null-enforcer' = 'DROP' drops such records"
                ),
            }
            .into());
        }
        Ok(value.clone())
    }
}

/// `__single_value(value, n_rows)`: the value, or an error if there is more than one row.
#[must_use]
pub fn single_value() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(SingleValue {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl ScalarUDFImpl for SingleValue {
    fn name(&self) -> &str {
        "__single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        arg_types
            .first()
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let value = args
            .arg_fields
            .first()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))?;
        Ok(Arc::clone(value))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [value, n_rows] = args.args.as_slice() else {
            return Err(exec_datafusion_err!(
                "a value and a number of rows expected"
            ));
        };
        let has_many = match n_rows {
            ColumnarValue::Scalar(ScalarValue::Int64(n_rows)) => n_rows.is_some_and(|n| n > 1),
            ColumnarValue::Scalar(_) => false,
            ColumnarValue::Array(counts) => counts
                .as_primitive_opt::<Int64Type>()
                .is_some_and(|counts| counts.iter().flatten().any(|n_rows| n_rows > 1)),
        };
        if has_many {
            return Err(EngineError::Data {
                message: "SingleValueAggFunction received more than one element: a subquery that \
                          stands for a value gave several rows"
                    .to_owned(),
            }
            .into());
        }
        Ok(value.clone())
    }
}

/// `__nullable(value)`: the value, of a type that has NULL.
#[must_use]
pub fn nullable() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Nullable {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &str {
        "__nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        arg_types
            .first()
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let value = args
            .arg_fields
            .first()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))?;
        Ok(Arc::new(value.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        args.args
            .first()
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("a value expected"))
    }
}
