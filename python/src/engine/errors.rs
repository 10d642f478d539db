//! The engine's errors as the exceptions of `tidemill.util.exceptions`.
//!
//! The text is passed as it is: sentence, excerpt with caret, hint. Which class it becomes says
//! whose fault it is.

use pyo3::prelude::*;
use pyo3::types::PyType;
use tidemill_engine::EngineError;
use tidemill_engine::functions::udf::INLINE;
use tidemill_engine::sql::diagnostics::SqlErrorKind;

/// The exception for an error of the engine.
pub(crate) fn to_exception(error: &EngineError) -> PyErr {
    exception(class_of(error), &error.to_string())
}

/// The exception for an error of a running job: where a function of the user failed, `job` tells in
/// which query. The message ends with the traceback, as Python's do.
pub(super) fn of_job(error: &EngineError, job: Option<&str>) -> PyErr {
    match (error, job) {
        (EngineError::Function { function, message }, Some(job)) => {
            let error = EngineError::Function {
                function: function.clone(),
                message: format!("{message}\nIn the job: {}", without_numbers(job)),
            };
            to_exception(&error)
        }
        _ => to_exception(error),
    }
}

/// The text of a query without the numbers of the functions that a program calls in place.
fn without_numbers(sql: &str) -> String {
    let mut parts = sql.split(INLINE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|char: char| char.is_ascii_digit())
    })
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

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn queries_show_functions_as_the_user_named_them() {
        assert_eq!(
            without_numbers("SELECT `f$inline12`(`n1`), `g$inline0`(1)"),
            "SELECT `f`(`n1`), `g`(1)"
        );
        assert_eq!(without_numbers("SELECT 1"), "SELECT 1");
    }
}
