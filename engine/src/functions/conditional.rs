//! Functions that choose between their arguments. IF and IFNULL are CASE and COALESCE by the time
//! they are bound.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::compute::kernels::cmp;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, nullif, or};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::data::types::{MAX_LENGTH, TypeRoot};
use crate::error::Result;
use crate::functions::define::{Definition, Kind, ResultType};
use crate::functions::string::text;

/// The functions of this family with ordinary signatures.
pub static FUNCTIONS: &[Definition] = &[text(
    "typeof",
    1..=2,
    &[Kind::Any],
    ResultType::Nullable(TypeRoot::Varchar(MAX_LENGTH)),
    |call| {
        let shown = call.types.first().map(ToString::to_string);
        let values: StringArray = (0..call.n_rows).map(|_| shown.clone()).collect();
        Ok(Arc::new(values))
    },
)];

/// GREATEST or LEAST: NULL if any argument is.
#[must_use]
pub fn extreme(greatest: bool) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Extreme {
        greatest,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    greatest: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Extreme {
    fn name(&self) -> &str {
        if self.greatest { "greatest" } else { "least" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        let common = type_union_resolution(arg_types).ok_or_else(|| {
            crate::plan::context::validation(format!(
                "the arguments of {} have no common type",
                self.name().to_uppercase()
            ))
        })?;
        Ok(vec![common; arg_types.len()])
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        arg_types
            .first()
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("an argument expected"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let Some(first) = args.arg_fields.first() else {
            return Err(exec_datafusion_err!("an argument expected"));
        };
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let same = args
            .arg_fields
            .iter()
            .all(|field| field.metadata() == first.metadata());
        let mut field = Field::new(self.name(), first.data_type().clone(), nullable);
        if same {
            field = field.with_metadata(first.metadata().clone());
        }
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let n_rows = if is_constant { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(args.args.len());
        for argument in &args.args {
            columns.push(argument.to_array(n_rows)?);
        }
        let result = best(&columns, self.greatest)?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn best(columns: &[ArrayRef], greatest: bool) -> Result<ArrayRef> {
    let Some((first, rest)) = columns.split_first() else {
        return Err(crate::EngineError::internal("an argument expected"));
    };
    let mut best = Arc::clone(first);
    let mut has_null: BooleanArray = is_null(first)?;
    for column in rest {
        let better = if greatest {
            cmp::gt(column, &best)?
        } else {
            cmp::lt(column, &best)?
        };
        best = zip(&better, column, &best)?;
        has_null = or(&has_null, &is_null(column)?)?;
    }
    Ok(nullif(&best, &has_null)?)
}
