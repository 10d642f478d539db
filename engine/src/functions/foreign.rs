//! Foreign functions as the planner sees them: a [`UdfSpec`] wrapped for DataFusion.
//!
//! Arguments are cast to the declared types where Flink casts implicitly: integers and decimals
//! to wider numbers, NULL to anything. Everything else is refused before the job starts.

use std::sync::Arc;

use arrow::array::{Array, new_empty_array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::EngineError;
use crate::functions::registered::Registered;
use crate::functions::udf::UdfSpec;

/// The function for the planner.
#[must_use]
pub fn scalar(spec: &Arc<UdfSpec>) -> Arc<ScalarUDF> {
    let volatility = if spec.deterministic {
        Volatility::Immutable
    } else {
        Volatility::Volatile
    };
    Arc::new(ScalarUDF::new_from_impl(ForeignFunction(Registered::new(
        spec, volatility,
    ))))
}

/// The foreign function behind `udf`, if it is one.
#[must_use]
pub fn spec_of(udf: &ScalarUDF) -> Option<&Arc<UdfSpec>> {
    let function = udf.inner().downcast_ref::<ForeignFunction>()?;
    Some(&function.0.spec)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ForeignFunction(Registered<UdfSpec>);

impl ScalarUDFImpl for ForeignFunction {
    fn name(&self) -> &str {
        &self.0.key
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.0.coerce_arguments(arg_types)
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.0.result_type())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(self.0.result_field())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let spec = &self.0.spec;
        let folded = spec.deterministic
            && !args.args.is_empty()
            && args
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let n_rows = if folded { 1 } else { args.number_rows };
        if n_rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(
                spec.result.data_type(),
            )));
        }
        let arguments = args
            .args
            .iter()
            .map(|argument| argument.to_array(n_rows))
            .collect::<DfResult<Vec<_>>>()?;
        let result = spec.runtime.call(&arguments, n_rows)?;
        if result.len() != n_rows || result.data_type() != spec.result.data_type() {
            return Err(EngineError::internal(format!(
                "function '{}' gave {} values of type {} for {n_rows} rows of type {}",
                spec.name,
                result.len(),
                result.data_type(),
                spec.result.data_type()
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
