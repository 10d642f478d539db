//! Definitions of Python functions: registered from Python, or found by `CREATE FUNCTION`.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use pyo3::prelude::*;
use tidemill_engine::functions::UserFunction;
use tidemill_engine::functions::udf::{AggregateUdfSpec, UdfSpec, display_name};
use tidemill_engine::session::{Configuration, FunctionResolver};
use tidemill_engine::sql::statement::CreateFunction;
use tidemill_engine::{EngineError, Result};

use super::aggregate::PythonAggregate;
use super::registration::{Properties, Registration};
use super::session::parse_type;
use super::udf::PythonFunction;
use super::worker::Settings;

/// The kind of an aggregate function.
pub(super) const AGGREGATE: &str = "aggregate";

/// A function as Python describes it; the attributes of `udf_runtime.Definition`.
#[derive(FromPyObject)]
pub(super) struct Definition {
    runner: Py<PyAny>,
    kind: String,
    argument_types: Option<Vec<String>>,
    result_type: String,
    deterministic: bool,
    reuse_results: bool,
}

impl Definition {
    /// The function for the engine.
    ///
    /// # Errors
    /// If a type text is no type.
    pub(super) fn into_function(
        self,
        name: &str,
        options: &Configuration,
    ) -> PyResult<UserFunction> {
        let field = |text: &str| -> PyResult<FieldRef> {
            Ok(Arc::new(parse_type(text)?.to_arrow_field("value")))
        };
        let result = field(&self.result_type)?;
        let arguments = self
            .argument_types
            .map(|types| types.iter().map(|text| field(text)).collect())
            .transpose()?;
        let properties = Properties {
            name: display_name(name).to_owned(),
            kind: self.kind,
            result: Arc::clone(&result),
            result_type: self.result_type,
            reuse_results: self.reuse_results,
            time_zone: options.time_zone(),
        };
        let registration = Registration::new(self.runner, properties, Some(options.clone()));
        let registration = Arc::new(registration);
        if registration.kind == AGGREGATE {
            let spec = AggregateUdfSpec {
                name: name.to_owned(),
                arguments,
                result,
                runtime: Arc::new(PythonAggregate::new(registration)),
            };
            return Ok(spec.into());
        }
        let spec = UdfSpec {
            name: name.to_owned(),
            arguments,
            result,
            deterministic: self.deterministic,
            runtime: Arc::new(PythonFunction::new(registration)),
        };
        Ok(spec.into())
    }
}

/// Imports what `CREATE FUNCTION f AS 'module.function' LANGUAGE PYTHON` names.
pub(super) struct PythonResolver {
    /// Those of the session.
    pub(super) options: Configuration,
}

impl FunctionResolver for PythonResolver {
    fn resolve(&self, statement: &CreateFunction) -> Result<UserFunction> {
        let name = statement.name.object_name();
        let failed = |message: String| EngineError::Options { message };
        Python::try_attach(|py| {
            py.import("tidemill.table.udf_runtime")
                .and_then(|module| module.getattr("load_definition"))
                .and_then(|load| {
                    let options = Settings::of(&self.options);
                    load.call1((&statement.class, options.options()))
                })
                .and_then(|found| found.extract::<Definition>())
                .and_then(|definition| definition.into_function(name, &self.options))
                .map_err(|error| failed(error.value(py).to_string()))
        })
        .unwrap_or_else(|| Err(failed("the Python interpreter is shutting down".to_owned())))
    }
}
