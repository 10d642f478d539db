//! TRUNCATE, DELETE, UPDATE, ANALYZE TABLE, CALL and ADD JAR: what Flink checks, and the refusals
//! of connectors that cannot change rows in place.
//!
//! Source: Flink 2.3's `SqlTruncateTableConverter`, `SqlNodeToOperationConversion`,
//! `AnalyzeTableUtil` and `DynamicSinkUtils`, and its answers.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr};

use super::tables;
use super::{Query, Session, TableResult};
use crate::catalog::{CatalogObject, Resolved, at_name, at_path, fail, quoted};
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::functions::registered::casts_implicitly;
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean};
use crate::sql::script;
use crate::sql::statement::{Analyze, ChangeRows, Ident, ObjectPath, RowsChange};

/// TRUNCATE TABLE, DELETE and UPDATE: no connector here changes rows in place.
pub(super) fn change(session: &Session, change: &ChangeRows, text: &str) -> Result<TableResult> {
    let here = |error| at_path(error, text, &change.table);
    let found = find(session, &change.table).map_err(here)?;
    let name = found.identifier.summary();
    let is_batch = session.configuration().is_batch();
    let CatalogObject::Table(table) = &found.object else {
        let word = match change.change {
            RowsChange::Truncate => "TRUNCATE TABLE",
            RowsChange::Delete { .. } => "DELETE",
            RowsChange::Update { .. } => "UPDATE",
        };
        return Err(here(fail(
            format!("{word} for a view is not allowed"),
            None,
        )));
    };
    let (word, verb) = match &change.change {
        RowsChange::Truncate => {
            return Err(here(table_error(match is_batch {
                false => "TRUNCATE TABLE statement is not supported in streaming mode".to_owned(),
                true => format!("TRUNCATE TABLE statement is not supported for the table {name}"),
            })));
        }
        RowsChange::Delete { condition } => {
            plan_rows(session, &found, condition.as_ref(), &[], text)?;
            ("DELETE", "delete")
        }
        RowsChange::Update {
            assignments,
            condition,
        } => {
            plan_rows(session, &found, condition.as_ref(), assignments, text)?;
            ("UPDATE", "update")
        }
    };
    tables::sink(session, &found.identifier, table, Default::default())?;
    if !is_batch {
        return Err(table_error(format!(
            "{word} statement is not supported for streaming mode now"
        )));
    }
    Err(EngineError::unsupported(format!(
        "the {verb} operation on table {name}, whose connector cannot change single rows,"
    )))
}

/// Plans the rows that are read and the values that are assigned, to find what is wrong with them.
fn plan_rows(
    session: &Session,
    found: &Resolved,
    condition: Option<&Expr>,
    assignments: &[(Ident, Expr)],
    text: &str,
) -> Result<()> {
    let mut query = script::parse_query(&format!("SELECT * FROM {}", found.identifier))?;
    let Some(table) = found.object.as_table() else {
        return Ok(());
    };
    if let SetExpr::Select(select) = query.query.body.as_mut() {
        select.selection = condition.cloned();
        if !assignments.is_empty() {
            select.projection = assignments
                .iter()
                .map(|(name, value)| SelectItem::ExprWithAlias {
                    expr: value.clone(),
                    alias: name.clone(),
                })
                .collect();
        }
    }
    let schema = table.sink_schema();
    for (name, _) in assignments {
        if schema.field_with_name(&name.value).is_err() {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            let error = fail(
                format!("unknown target column '{}'", name.value),
                did_you_mean(&name.value, names),
            );
            return Err(at_name(error, text, name));
        }
    }
    let planned = Query::plan(session, &query.query, &query.text)?;
    let given = planned.schema();
    for ((name, _), from) in assignments.iter().zip(given.fields()) {
        let Ok(to) = schema.field_with_name(&name.value) else {
            continue;
        };
        if from.data_type() != to.data_type() && !casts_implicitly(from.data_type(), to.data_type())
        {
            let message = format!(
                "cannot assign to column '{}' of type {} a value of type {}",
                name.value,
                FlinkType::from_field(to).root_text(),
                FlinkType::from_field(from).root_text()
            );
            return Err(at_name(fail(message, None), text, name));
        }
    }
    Ok(())
}

/// ANALYZE TABLE: checked as Flink checks it. Statistics would change nothing: no plan here is
/// chosen by those of a catalog.
pub(super) fn analyze(session: &Session, analyze: &Analyze, text: &str) -> Result<TableResult> {
    let here = |error| at_path(error, text, &analyze.table);
    let names = analyze.table.names();
    let identifier = session.tables().read(|catalog| catalog.qualify(&names));
    let found = session
        .tables()
        .read(|catalog| catalog.find(&identifier))
        .filter(|found| !found.temporary);
    let Some(found) = found else {
        return Err(here(fail(
            format!("table '{identifier}' does not exist or is a temporary table"),
            None,
        )));
    };
    let CatalogObject::Table(table) = &found.object else {
        return Err(here(fail(
            "ANALYZE TABLE for a view is not allowed".to_owned(),
            None,
        )));
    };
    let mut given: Vec<&str> = analyze
        .partition
        .iter()
        .map(|(name, _)| name.value.as_str())
        .collect();
    let mut keys: Vec<&str> = table.partition_keys.iter().map(String::as_str).collect();
    given.sort_unstable();
    keys.sort_unstable();
    if given != keys {
        let message = match keys.is_empty() {
            true => "the table is not partitioned, but partitions are given".to_owned(),
            false => format!(
                "all partition keys of a partitioned table have to be given: {}",
                table.partition_keys.join(", ")
            ),
        };
        return Err(here(fail(
            format!("invalid ANALYZE TABLE statement: {message}"),
            None,
        )));
    }
    for name in &analyze.columns {
        if table.column(&name.value).is_none() {
            let known = table.columns.iter().map(|column| column.name.as_str());
            let error = fail(
                format!("column '{}' does not exist in the table", name.value),
                did_you_mean(&name.value, known),
            );
            return Err(at_name(error, text, name));
        }
    }
    if !session.configuration().is_batch() {
        return Err(table_error(
            "ANALYZE TABLE is not supported for streaming mode now".to_owned(),
        ));
    }
    // It would be read.
    let all = script::parse_query(&format!("SELECT * FROM {identifier}"))?;
    Query::plan(session, &all.query, &all.text)
        .map_err(|error| table_error(format!("failed to execute ANALYZE TABLE: {error}")))?;
    TableResult::ok()
}

/// CALL: a catalog in memory has no procedures.
pub(super) fn call(path: &ObjectPath, text: &str) -> Result<TableResult> {
    let message = format!(
        "no procedure '{}' was found: a catalog in memory has none",
        quoted(path.object_name())
    );
    Err(at_path(fail(message, None), text, path))
}

/// ADD JAR: there is no JVM that could load it.
pub(super) fn add_jar(path: &str) -> Result<TableResult> {
    if !std::path::Path::new(path).exists() {
        return Err(table_error(format!(
            "could not register the jar '{path}': there is no such file"
        )));
    }
    Err(EngineError::unsupported(
        "ADD JAR, which needs a JVM (connectors and formats are built in, functions come in \
         Python),",
    ))
}

fn find(session: &Session, path: &ObjectPath) -> Result<Resolved> {
    let names = path.names();
    session.tables().read(|catalog| {
        let identifier = catalog.qualify(&names);
        catalog.get(&identifier)
    })
}

fn table_error(message: String) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::table(message)))
}
