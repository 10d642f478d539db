//! CREATE TABLE AS and REPLACE TABLE AS: the columns come from the query and from the statement.
//!
//! ```text
//!   (c AS a + 1, a BIGINT)  AS SELECT a, b …    ──▶  c AS a + 1, a BIGINT, b …
//!   (b, a)                  AS SELECT a, b …    ──▶  b …, a …
//! ```
//!
//! Source: Flink 2.3's `MergeTableAsUtil`, and its answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;

use super::insert::PlannedInsert;
use super::objects::names_of;
use super::tables::{self, TableView};
use super::{Query, Session, TableResult, function_paths, insert, statements};
use crate::catalog::define::define_table;
use crate::catalog::{CatalogObject, IfExists, as_kind, at_name, at_path, fail};
use crate::data::types::FlinkType;
use crate::error::Result;
use crate::sql::diagnostics::{SqlErrorKind, did_you_mean};
use crate::sql::script::ScriptStatement;
use crate::sql::statement::{ColumnDef, ColumnKind, CreateTable, Ident, QueryText, Replacing};

/// Creates the table and starts the job that fills it.
pub(super) fn create_table_as(
    session: &Session,
    create: &CreateTable,
    query: &QueryText,
    script: &ScriptStatement,
) -> Result<TableResult> {
    let text = script.script.as_ref();
    let here = |error| at_path(error, text, &create.name);
    let identifier = statements::qualify(session, &create.name);
    let known = session.tables().read(|catalog| catalog.find(&identifier));
    if create.replacing == Replacing::Always && known.is_none() {
        let error = fail(
            format!("the table '{identifier}' to be replaced does not exist"),
            Some("write CREATE TABLE … AS, or CREATE OR REPLACE TABLE … AS".to_owned()),
        );
        return Err(here(as_kind(error, SqlErrorKind::Table)));
    }
    let planned = Query::plan(session, &query.query, &query.text)?;
    let schema = planned.schema();
    let bound = planned.bound_plan().clone();
    // As in Flink, a table that is there already is filled, too.
    if create.if_not_exists
        && let Some(CatalogObject::Table(table)) = known.as_ref().map(|known| &known.object)
    {
        let sink = tables::sink(session, &identifier, table, BTreeMap::new())?;
        let filled = insert::into_table(session, &identifier, table, sink, bound, &[])?;
        return insert::run(session, &[filled], &script.text);
    }
    let definition = with_columns_of(&function_paths::in_table(session, create)?, &schema, text)?;
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let table = define_table(&definition, None, text, &types)?;
    // Planned before the table exists, so that a mistake leaves nothing behind.
    let sink = tables::sink(session, &identifier, &table, BTreeMap::new())?;
    let targets = names_of(&schema);
    let filled = insert::into_table(session, &identifier, &table, sink, bound, &targets)?;
    let if_exists = match create.replacing {
        Replacing::Never => IfExists::Fail,
        Replacing::IfExists | Replacing::Always => IfExists::Replace,
    };
    session
        .tables()
        .write(|catalog| catalog.create(&identifier, table.into(), if_exists))
        .map_err(here)?;
    insert::run(session, &[filled], &script.text)
}

/// The insert of the statement, for EXPLAIN: nothing is created.
pub(super) fn planned(
    session: &Session,
    create: &CreateTable,
    query: &QueryText,
    text: &str,
) -> Result<PlannedInsert> {
    let identifier = statements::qualify(session, &create.name);
    let planned = Query::plan(session, &query.query, &query.text)?;
    let schema = planned.schema();
    let definition = with_columns_of(&function_paths::in_table(session, create)?, &schema, text)?;
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let table = define_table(&definition, None, text, &types)?;
    let sink = tables::sink(session, &identifier, &table, BTreeMap::new())?;
    let bound = planned.bound_plan().clone();
    insert::into_table(
        session,
        &identifier,
        &table,
        sink,
        bound,
        &names_of(&schema),
    )
}

/// The statement with the columns of its query behind (or in the place of) its own.
///
/// # Errors
/// A validation error for a list of names that are not the query's, and for a computed or metadata
/// column that has the name of one of the query's.
pub(super) fn with_columns_of(
    create: &CreateTable,
    schema: &Arc<Schema>,
    script: &str,
) -> Result<CreateTable> {
    let mut merged = create.clone();
    merged.as_query = None;
    if !create.column_order.is_empty() {
        merged.columns = in_order(&create.column_order, schema, script)?;
        merged.column_order = Vec::new();
        return Ok(merged);
    }
    let mut missing = Vec::new();
    for field in schema.fields() {
        let own = merged
            .columns
            .iter()
            .find(|column| column.name.value == *field.name());
        let what = match own.map(|column| &column.kind) {
            None => {
                missing.push(column_of(field, Ident::new(field.name())));
                continue;
            }
            Some(ColumnKind::Physical { .. }) => continue,
            Some(ColumnKind::Computed(_)) => "computed",
            Some(ColumnKind::Metadata { .. }) => "metadata",
        };
        let message = format!(
            "a column named '{}' is one of the query's; {what} columns cannot overwrite those",
            field.name()
        );
        let error = fail(message, None);
        return Err(match own {
            Some(column) => at_name(error, script, &column.name),
            None => error,
        });
    }
    // The key of a query's own columns does not make them NOT NULL.
    if let Some(key) = &merged.primary_key {
        for name in &key.columns {
            let nullable = missing.iter().find(|column| column.name == *name);
            if let Some(column) = nullable
                && let ColumnKind::Physical { flink_type, .. } = &column.kind
                && flink_type.nullable
            {
                let message = format!("invalid primary key: column '{}' is nullable", name.value);
                return Err(at_name(fail(message, None), script, name));
            }
        }
    }
    merged.columns.extend(missing);
    Ok(merged)
}

fn in_order(order: &[Ident], schema: &Schema, script: &str) -> Result<Vec<ColumnDef>> {
    let mut columns = Vec::new();
    for name in order {
        let Ok(field) = schema.field_with_name(&name.value) else {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            let error = fail(
                format!("column '{}' is none of the query's", name.value),
                did_you_mean(&name.value, names),
            );
            return Err(at_name(error, script, name));
        };
        columns.push(column_of(field, name.clone()));
    }
    if columns.len() != schema.fields().len() {
        return Err(fail(
            format!(
                "the list of columns has {} names, but the query has {} columns",
                columns.len(),
                schema.fields().len()
            ),
            None,
        ));
    }
    Ok(columns)
}

fn column_of(field: &arrow::datatypes::Field, name: Ident) -> ColumnDef {
    ColumnDef {
        name,
        kind: ColumnKind::Physical {
            flink_type: FlinkType::from_field(field),
            primary_key: false,
        },
        comment: None,
    }
}
