//! Functions of the session rather than of their arguments: `CURRENT_DATABASE()`.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};

/// `CURRENT_DATABASE()`: the database that was current when the statement was planned, which the
/// session leaves in the planner's settings.
#[must_use]
pub fn current_database() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(CurrentDatabase {
        signature: Signature::nullary(Volatility::Stable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentDatabase {
    signature: Signature,
}

impl ScalarUDFImpl for CurrentDatabase {
    fn name(&self) -> &str {
        "current_database"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        if !args.arg_fields.is_empty() {
            return Err(exec_datafusion_err!("no arguments expected"));
        }
        let result = FlinkType::not_null(TypeRoot::Varchar(MAX_LENGTH));
        Ok(Arc::new(result.to_arrow_field(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let database = args.config_options.catalog.default_schema.clone();
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(database))))
    }
}
