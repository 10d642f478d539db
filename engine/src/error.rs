//! The one error type of the engine. A variant says whose fault it is: the query, the data, a
//! connector, a limit, or us; so that the caller can decide what to show.

use std::sync::Arc;

use crate::sql::diagnostics::SqlDiagnostic;

/// What the functions of the engine return.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// An error of the engine. Cheap to clone, because a failed job tells every one of its readers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The statement is wrong: syntax, unknown names, types that do not fit. Carries the position.
    #[error(transparent)]
    Sql(#[from] Arc<SqlDiagnostic>),

    /// The statement is right in Flink's dialect, and this engine does not run it yet.
    #[error("{feature} is not supported yet")]
    Unsupported {
        /// The feature in the user's words, e.g. `MATCH_RECOGNIZE`.
        feature: String,
    },

    /// A table option, a job option or a configuration value is missing, unknown or malformed.
    #[error("{message}")]
    Options {
        /// What is wrong, with the list of the options that exist.
        message: String,
    },

    /// A row could not be read, converted or computed.
    #[error("{message}")]
    Data {
        /// What is wrong, with the value.
        message: String,
    },

    /// The world outside answered with an error.
    #[error("connector '{connector}': {message}")]
    Connector {
        /// Identifier of the connector, e.g. `filesystem`.
        connector: String,
        /// What happened.
        message: String,
    },

    /// A foreign function failed. `message` is what its own runtime reports, traceback included.
    #[error("function '{function}' failed: {message}")]
    Function {
        /// Name under which the function was registered.
        function: String,
        /// What the function's runtime reports.
        message: String,
    },

    /// The job was stopped before it had an answer.
    #[error("job '{job}' was stopped")]
    Stopped {
        /// Name of the job.
        job: String,
    },

    /// A limit of the session was reached.
    #[error("{message}")]
    ResourcesExhausted {
        /// Which limit, and which operator reached it.
        message: String,
    },

    /// A fault of Arrow or DataFusion that has no better class.
    #[error("{message}")]
    Execution {
        /// The message without the prefixes of the library.
        message: String,
    },

    /// A bug of ours.
    #[error("internal error: {message}")]
    Internal {
        /// What was assumed and did not hold.
        message: String,
    },
}

impl EngineError {
    /// A bug of ours: `message` says which assumption did not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal {
            message: message.into(),
        }
    }

    /// A feature that exists in the dialect and does not run here yet.
    pub fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported {
            feature: feature.into(),
        }
    }

    /// Our own error inside of one that came through a library, or else its text without the
    /// library's name for the wrapping.
    fn from_foreign(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(inner) = cause {
            if let Some(ours) = inner.downcast_ref::<Self>() {
                return ours.clone();
            }
            cause = inner.source();
        }
        let text = error.to_string();
        let message = ["External error: ", "Execution error: ", "Arrow error: "]
            .iter()
            .fold(text.as_str(), |text, prefix| {
                text.strip_prefix(prefix).unwrap_or(text)
            });
        Self::Execution {
            message: message.to_owned(),
        }
    }

    /// An error of the connector with identifier `connector`.
    pub fn connector(connector: impl Into<String>, message: impl ToString) -> Self {
        Self::Connector {
            connector: connector.into(),
            message: message.to_string(),
        }
    }
}

impl From<arrow::error::ArrowError> for EngineError {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError;
        match error {
            ArrowError::DivideByZero => Self::Data {
                message: "division by zero".to_owned(),
            },
            ArrowError::ExternalError(source) => Self::from_foreign(source.as_ref()),
            ArrowError::InvalidArgumentError(message) => match null_column(&message) {
                Some(column) => Self::Data {
                    message: format!(
                        "column '{column}' is NOT NULL, however, a null value is being written \
                         into it"
                    ),
                },
                None => Self::Execution { message },
            },
            other => Self::Execution {
                message: other.to_string(),
            },
        }
    }
}

/// The column of a batch that was refused because of a NULL; Arrow says it in text only.
fn null_column(message: &str) -> Option<&str> {
    message
        .strip_prefix("Column '")?
        .strip_suffix("' is declared as non-nullable but contains null values")
}

impl From<datafusion::error::DataFusionError> for EngineError {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError;
        match error {
            DataFusionError::ArrowError(error, _) => Self::from(*error),
            DataFusionError::External(source) => Self::from_foreign(source.as_ref()),
            DataFusionError::Shared(inner) => Self::from_foreign(inner.as_ref()),
            DataFusionError::Execution(message) => Self::Execution { message },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Self::from(*inner)
            }
            other => Self::Execution {
                message: other.strip_backtrace(),
            },
        }
    }
}

impl From<EngineError> for datafusion::error::DataFusionError {
    fn from(error: EngineError) -> Self {
        Self::External(Box::new(error))
    }
}
