//! Functions that guard the edges of a plan.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::enforce::null_written;
use crate::error::EngineError;

/// `__not_null(value, 'column')`: the value, or an error that names the column of the table into
/// which NULL would be written.
#[must_use]
pub fn not_null() -> Arc<ScalarUDF> {
    first_argument("__not_null", Some(false), |arguments| {
        let [
            value,
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(column))),
        ] = arguments
        else {
            return Err(exec_datafusion_err!("a value and a column's name expected"));
        };
        let has_null = match value {
            ColumnarValue::Scalar(value) => value.is_null(),
            ColumnarValue::Array(values) => values.logical_null_count() > 0,
        };
        if has_null {
            return Err(null_written(column).into());
        }
        Ok(())
    })
}

/// `__single_value(value, n_rows)`: the value, or an error if there is more than one row.
#[must_use]
pub fn single_value() -> Arc<ScalarUDF> {
    first_argument("__single_value", None, |arguments| {
        let [_, n_rows] = arguments else {
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
        Ok(())
    })
}

/// `__nullable(value)`: the value, of a type that has NULL.
#[must_use]
pub fn nullable() -> Arc<ScalarUDF> {
    first_argument("__nullable", Some(true), |_| Ok(()))
}

/// A function that gives its first argument if `check` finds nothing wrong with all of them. The
/// type keeps its nullability, or has the one given.
fn first_argument(
    name: &'static str,
    nullable: Option<bool>,
    check: fn(&[ColumnarValue]) -> DfResult<()>,
) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(FirstArgument {
        name,
        nullable,
        check,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

struct FirstArgument {
    name: &'static str,
    nullable: Option<bool>,
    check: fn(&[ColumnarValue]) -> DfResult<()>,
    signature: Signature,
}

// The name says which function it is.
impl PartialEq for FirstArgument {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for FirstArgument {}

impl Hash for FirstArgument {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for FirstArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ScalarUDFImpl for FirstArgument {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        first(arg_types).cloned()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let value = first(args.arg_fields)?;
        Ok(match self.nullable {
            None => Arc::clone(value),
            Some(nullable) => Arc::new(value.as_ref().clone().with_nullable(nullable)),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        (self.check)(&args.args)?;
        first(&args.args).cloned()
    }
}

fn first<T>(items: &[T]) -> DfResult<&T> {
    items
        .first()
        .ok_or_else(|| exec_datafusion_err!("a value expected"))
}
