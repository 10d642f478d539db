//! The functions that a session's user has registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use parking_lot::RwLock;

use crate::error::{EngineError, Result};
use crate::functions::udf::{AggregateUdfSpec, UdfSpec};
use crate::functions::{foreign, foreign_aggregate};

/// A function of the user, of either kind.
#[derive(Debug, Clone)]
pub enum UserFunction {
    /// A value for each row.
    Scalar(Arc<UdfSpec>),
    /// A value for each group of rows.
    Aggregate(Arc<AggregateUdfSpec>),
}

impl UserFunction {
    /// The same function under this name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        match self {
            Self::Scalar(spec) => Self::Scalar(Arc::new(UdfSpec {
                name: name.to_owned(),
                ..spec.as_ref().clone()
            })),
            Self::Aggregate(spec) => Self::Aggregate(Arc::new(AggregateUdfSpec {
                name: name.to_owned(),
                ..spec.as_ref().clone()
            })),
        }
    }

    /// Its name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar(spec) => &spec.name,
            Self::Aggregate(spec) => &spec.name,
        }
    }

    /// The type of its values.
    #[must_use]
    pub fn result(&self) -> &FieldRef {
        match self {
            Self::Scalar(spec) => &spec.result,
            Self::Aggregate(spec) => &spec.result,
        }
    }

    /// Whether equal arguments give equal results.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        match self {
            Self::Scalar(spec) => spec.deterministic,
            Self::Aggregate(_) => true,
        }
    }
}

impl From<UdfSpec> for UserFunction {
    fn from(spec: UdfSpec) -> Self {
        Self::Scalar(Arc::new(spec))
    }
}

impl From<AggregateUdfSpec> for UserFunction {
    fn from(spec: AggregateUdfSpec) -> Self {
        Self::Aggregate(Arc::new(spec))
    }
}

/// By lower-case name; read on every call of the binder, hence not behind the catalog's lock.
#[derive(Debug, Default)]
pub(super) struct UserFunctions {
    functions: RwLock<BTreeMap<String, (UserFunction, Planned)>>,
}

/// A function as the binder takes it.
#[derive(Debug, Clone)]
enum Planned {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
}

impl UserFunctions {
    pub(super) fn register(&self, function: UserFunction, replace: bool) -> Result<()> {
        let mut functions = self.functions.write();
        let key = function.name().to_lowercase();
        if !replace && functions.contains_key(&key) {
            return Err(EngineError::Options {
                message: format!("function '{}' exists already", function.name()),
            });
        }
        let planned = match &function {
            UserFunction::Scalar(spec) => Planned::Scalar(foreign::scalar(spec)),
            UserFunction::Aggregate(spec) => Planned::Aggregate(foreign_aggregate::aggregate(spec)),
        };
        functions.insert(key, (function, planned));
        Ok(())
    }

    pub(super) fn drop(&self, name: &str) -> bool {
        let mut functions = self.functions.write();
        functions.remove(&name.to_lowercase()).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<UserFunction> {
        let functions = self.functions.read();
        let (function, _) = functions.get(&name.to_lowercase())?;
        Some(function.clone())
    }

    pub(super) fn scalar(&self, key: &str) -> Option<Arc<ScalarUDF>> {
        match self.functions.read().get(key)? {
            (_, Planned::Scalar(function)) => Some(Arc::clone(function)),
            _ => None,
        }
    }

    pub(super) fn aggregate(&self, key: &str) -> Option<Arc<AggregateUDF>> {
        match self.functions.read().get(key)? {
            (_, Planned::Aggregate(function)) => Some(Arc::clone(function)),
            _ => None,
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let functions = self.functions.read();
        functions
            .values()
            .map(|(function, _)| function.name().to_owned())
            .collect()
    }
}
