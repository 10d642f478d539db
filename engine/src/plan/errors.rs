//! DataFusion's errors in the user's words: what is wrong, where, and what was meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{Column, DataFusionError, SchemaError, Span};

use crate::error::EngineError;
use crate::plan::locate::AGGREGATE_IN_WHERE;
use crate::sql::diagnostics::{Position, SqlDiagnostic, did_you_mean};

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
    let diagnostic = match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => column_not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            SqlDiagnostic::validation(format!("column '{}' is ambiguous", field.name))
                .with_hint(Some("put the name of its table before it".to_owned()))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            SqlDiagnostic::validation(format!("column name '{name}' stands twice"))
        }
    };
    EngineError::from(Arc::new(diagnostic))
}

/// The error for a column that is not there, with the columns that are.
fn column_not_found(column: &Column, valid: &[Column]) -> SqlDiagnostic {
    const MAX_SHOWN: usize = 20;
    let mut names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let hint = did_you_mean(&column.name, names.iter().copied()).or_else(|| {
        let cut = names.len() > MAX_SHOWN;
        names.truncate(MAX_SHOWN);
        (!names.is_empty()).then(|| {
            format!(
                "the columns here are: {}{}",
                names.join(", "),
                if cut { ", …" } else { "" }
            )
        })
    });
    let name = match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    };
    SqlDiagnostic::validation(format!("column '{name}' not found in any table")).with_hint(hint)
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
    let reworded = reworded(&lowered);
    let hint = (reworded == AGGREGATE_IN_WHERE).then(|| "HAVING is for aggregates".to_owned());
    EngineError::from(Arc::new(
        SqlDiagnostic::validation(reworded).with_hint(hint),
    ))
}

/// The sentences of the binder that users meet most, with Flink's words for things.
fn reworded(message: &str) -> String {
    let message = message.trim_end_matches('.');
    if let Some((_, rest)) = message.split_once("must be in GROUP BY or an aggregate function: ") {
        let column = rest.split('"').nth(1).unwrap_or(rest);
        let column = column.rsplit('.').next().unwrap_or(column);
        return format!("expression '{column}' is not being grouped");
    }
    if message.starts_with("aggregate function calls cannot be nested") {
        return "aggregate expressions cannot be nested".to_owned();
    }
    if message.starts_with("aggregate functions are not allowed in the WHERE clause") {
        return AGGREGATE_IN_WHERE.to_owned();
    }
    if message.starts_with("inconsistent data type across values list")
        || message.starts_with("inconsistent metadata across values list")
    {
        return "values passed to VALUES operator must have compatible types".to_owned();
    }
    if let Some((_, rest)) = message.split_once("annot create filter with non-boolean predicate '")
    {
        let predicate = rest.split_once("' returning ").map_or(rest, |(it, _)| it);
        let predicate = predicate.rsplit('.').next().unwrap_or(predicate);
        return format!("a filter must be a condition, but '{predicate}' is not BOOLEAN");
    }
    // Our own sentence inside of theirs.
    if let Some((_, ours)) = message.split_once("External error: ") {
        let ours = ours.split(". No function matches").next().unwrap_or(ours);
        return ours.to_owned();
    }
    message.to_owned()
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}
