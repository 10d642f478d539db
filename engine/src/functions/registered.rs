//! What the planner sees of a function that somebody has registered, whatever it computes: its
//! name, how its arguments are cast, and which registration it is.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{Signature, TypeSignature, Volatility};

use crate::data::types::FlinkType;
use crate::error::EngineError;
use crate::functions::udf::{AggregateUdfSpec, UdfSpec, display_name};
use crate::sql::diagnostics::SqlDiagnostic;

/// What specifications of functions have in common.
pub(super) trait Spec {
    fn name(&self) -> &str;
    fn arguments(&self) -> Option<&[FieldRef]>;
    fn result(&self) -> &FieldRef;
}

impl Spec for UdfSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn arguments(&self) -> Option<&[FieldRef]> {
        self.arguments.as_deref()
    }

    fn result(&self) -> &FieldRef {
        &self.result
    }
}

impl Spec for AggregateUdfSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn arguments(&self) -> Option<&[FieldRef]> {
        self.arguments.as_deref()
    }

    fn result(&self) -> &FieldRef {
        &self.result
    }
}

/// One registration. Two of them are the same function only if they are the same object: the code
/// behind a name may change between them.
pub(super) struct Registered<S> {
    pub(super) spec: Arc<S>,
    /// Lower case, as the binder looks it up.
    pub(super) key: String,
    pub(super) signature: Signature,
}

impl<S: Spec> Registered<S> {
    pub(super) fn new(spec: &Arc<S>, volatility: Volatility) -> Self {
        let signature = if spec.arguments().is_none_or(<[FieldRef]>::is_empty) {
            // `UserDefined` alone would refuse a call without arguments.
            Signature::new(
                TypeSignature::OneOf(vec![TypeSignature::UserDefined, TypeSignature::Nullary]),
                volatility,
            )
        } else {
            Signature::user_defined(volatility)
        };
        Self {
            key: spec.name().to_lowercase(),
            spec: Arc::clone(spec),
            signature,
        }
    }

    /// The types to which the arguments of a call are cast: the declared ones.
    ///
    /// # Errors
    /// A validation error if the arguments are not as many, or do not cast implicitly.
    pub(super) fn coerce_arguments(&self, given: &[DataType]) -> DfResult<Vec<DataType>> {
        let Some(declared) = self.spec.arguments() else {
            return Ok(given.to_vec());
        };
        let fits = declared.len() == given.len()
            && declared
                .iter()
                .zip(given)
                .all(|(field, given)| casts_implicitly(given, field.data_type()));
        if !fits {
            return Err(invalid_call(self.spec.name(), declared, given).into());
        }
        Ok(declared
            .iter()
            .map(|field| field.data_type().clone())
            .collect())
    }

    /// The type of the results.
    pub(super) fn result_type(&self) -> DataType {
        self.spec.result().data_type().clone()
    }

    /// The results as a column that is named as the function.
    pub(super) fn result_field(&self) -> FieldRef {
        let field = self.spec.result().as_ref().clone();
        Arc::new(field.with_name(self.spec.name()))
    }
}

impl<S: Spec> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registered({})", self.spec.name())
    }
}

impl<S> PartialEq for Registered<S> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec)
    }
}

impl<S> Eq for Registered<S> {}

impl<S> Hash for Registered<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.spec).hash(state);
    }
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
        "invalid call of function '{}({})'; it takes ({})",
        display_name(name),
        given.join(", "),
        expected.join(", ")
    ))))
}

/// Whether Flink casts `from` to `to` without being asked.
pub(crate) fn casts_implicitly(from: &DataType, to: &DataType) -> bool {
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
