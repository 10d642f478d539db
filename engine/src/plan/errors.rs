//! DataFusion's errors in the user's words: what is wrong, where, and what was meant.

use std::sync::Arc;

use datafusion::common::{Column, DataFusionError, SchemaError, Span};

use crate::error::EngineError;
use crate::sql::diagnostics::{Position, SqlDiagnostic, SqlErrorKind};

/// How alike two names must be to be taken for a slip of the pen.
const MIN_SIMILARITY: f64 = 0.7;

/// An error of the binder or of the optimizer.
#[must_use]
pub fn from_planner(error: DataFusionError) -> EngineError {
    let span = span_of(&error);
    let mut error = strip(error);
    if let EngineError::Sql(diagnostic) = &mut error
        && diagnostic.position.is_none()
        && let Some(span) = span
    {
        let diagnostic = Arc::make_mut(diagnostic);
        diagnostic.position = Some(Position {
            line: usize::try_from(span.start.line).unwrap_or(1),
            column: usize::try_from(span.start.column).unwrap_or(1),
        });
        if span.start.line == span.end.line {
            let length = span.end.column.saturating_sub(span.start.column);
            diagnostic.length = usize::try_from(length).unwrap_or(1).max(1);
        }
    }
    error
}

/// The same error with the text that its position refers to.
#[must_use]
pub fn with_source(error: EngineError, source: &str) -> EngineError {
    match error {
        EngineError::Sql(mut diagnostic) if diagnostic.source.is_empty() => {
            Arc::make_mut(&mut diagnostic).source = source.to_owned();
            EngineError::Sql(diagnostic)
        }
        other => other,
    }
}

/// The one of `names` that `wrong` was meant to be, as a hint.
#[must_use]
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = wrong.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            let similarity = strsim::jaro_winkler(&lower, &name.to_lowercase());
            (similarity, name)
        })
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean '{name}'?"))
}

fn span_of(error: &DataFusionError) -> Option<Span> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            diagnostic.span.or_else(|| span_of(inner))
        }
        DataFusionError::Context(_, inner) => span_of(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(span_of),
        DataFusionError::Shared(inner) => span_of(inner),
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, .. }
            | SchemaError::AmbiguousReference { field } => field.spans.first(),
            _ => None,
        },
        _ => None,
    }
}

/// The error without DataFusion's wrapping and wording.
fn strip(error: DataFusionError) -> EngineError {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => strip(*inner),
        DataFusionError::Collection(errors) => errors.into_iter().next().map_or_else(
            || EngineError::internal("the planner failed without an error"),
            strip,
        ),
        DataFusionError::SchemaError(schema_error, _) => schema(&schema_error),
        DataFusionError::Plan(message) => validation(&message),
        DataFusionError::NotImplemented(message) => EngineError::unsupported(first_line(&message)),
        DataFusionError::Execution(message) => EngineError::Data {
            message: first_line(&message).to_owned(),
        },
        DataFusionError::Internal(message) => EngineError::internal(first_line(&message)),
        other => EngineError::from(other),
    }
}

fn schema(error: &SchemaError) -> EngineError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => diagnostic(
            format!("column '{}' not found", column_text(field)),
            did_you_mean(
                &field.name,
                valid_fields.iter().map(|field| field.name.as_str()),
            )
            .or_else(|| known_columns(valid_fields)),
        ),
        SchemaError::AmbiguousReference { field } => diagnostic(
            format!("column '{}' is ambiguous", field.name),
            Some("put the name of its table before it".to_owned()),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            diagnostic(format!("column name '{name}' stands twice"), None)
        }
    }
}

fn column_text(column: &Column) -> String {
    match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    }
}

/// The columns that there are, if nothing comes close to the wrong name.
fn known_columns(columns: &[Column]) -> Option<String> {
    const MAX_SHOWN: usize = 20;
    if columns.is_empty() {
        return None;
    }
    let mut names: Vec<_> = columns
        .iter()
        .take(MAX_SHOWN)
        .map(|column| column.name.as_str())
        .collect();
    if columns.len() > MAX_SHOWN {
        names.push("…");
    }
    Some(format!("the columns are {}", names.join(", ")))
}

fn validation(message: &str) -> EngineError {
    let message = first_line(message);
    let message = message
        .strip_prefix("Error during planning: ")
        .unwrap_or(message);
    let mut letters = message.chars();
    let lowered = match letters.next() {
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    };
    diagnostic(reworded(&lowered), None)
}

/// The sentences of the binder that users meet most, with Flink's words for things.
fn reworded(message: &str) -> String {
    let message = message.trim_end_matches('.');
    if let Some(rest) =
        message.strip_prefix("column in SELECT must be in GROUP BY or an aggregate function: ")
    {
        let column = rest
            .split("expression ")
            .nth(1)
            .and_then(|tail| tail.split('"').nth(1))
            .unwrap_or(rest);
        return format!("expression '{column}' is not being grouped");
    }
    message.to_owned()
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}

fn diagnostic(message: String, hint: Option<String>) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic {
        kind: SqlErrorKind::Validation,
        message,
        position: None,
        length: 1,
        source: String::new(),
        hint,
    }))
}
