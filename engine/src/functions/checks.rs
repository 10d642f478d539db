//! Functions that guard the edges of a plan.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, FieldRef};
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
