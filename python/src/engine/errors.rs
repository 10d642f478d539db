//! The engine's errors as the exceptions of `tidemill.util.exceptions`.
//!
//! The text is passed as it is: sentence, excerpt with caret, hint. Which class it becomes says
//! whose fault it is.

use pyo3::prelude::*;
use pyo3::types::PyType;
use tidemill_engine::EngineError;
use tidemill_engine::sql::diagnostics::SqlErrorKind;

/// The exception for an error of the engine.
pub(crate) fn to_exception(error: &EngineError) -> PyErr {
    exception(class_of(error), &error.to_string())
}

/// An exception about a row or a value.
pub(super) fn data_error(message: &str) -> PyErr {
    exception("DataException", message)
}

/// An exception about something that does not run here.
pub(super) fn unsupported(feature: &str) -> PyErr {
    exception(
        "UnsupportedOperationException",
        &format!("{feature} is not supported yet"),
    )
}

fn class_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Sql(diagnostic) => match diagnostic.kind {
            SqlErrorKind::Parse => "SqlParserException",
            SqlErrorKind::Validation => "ValidationException",
            SqlErrorKind::Table => "TableException",
            SqlErrorKind::Catalog => "CatalogException",
        },
        EngineError::Unsupported { .. } => "UnsupportedOperationException",
        EngineError::Options { .. } => "ValidationException",
        EngineError::Data { .. } => "DataException",
        EngineError::Connector { .. } => "ConnectorException",
        EngineError::Function { .. } => "UserDefinedFunctionException",
        EngineError::Execution { .. } | EngineError::ResourcesExhausted { .. } => "TableException",
        EngineError::Stopped { .. } | EngineError::Internal { .. } => "TidemillError",
    }
}

fn exception(class: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let class = py
            .import("tidemill.util.exceptions")
            .and_then(|module| module.getattr(class))
            .and_then(|class| Ok(class.cast_into::<PyType>()?));
        match class {
            Ok(class) => PyErr::from_type(class, (message.to_owned(),)),
            Err(error) => error,
        }
    })
}
