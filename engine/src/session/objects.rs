//! Statements about models and materialized tables.

use arrow::datatypes::Schema;

use super::tables::TableView;
use super::{Query, Session, TableResult};
use crate::catalog::define::define_table;
use crate::catalog::materialized::Materialized;
use crate::catalog::models::define_model;
use crate::catalog::table::CatalogTable;
use crate::catalog::{CatalogObject, IfExists, ObjectIdentifier, at_path, fail};
use crate::error::{EngineError, Result};
use crate::sql::script::ScriptStatement;
use crate::sql::statement::{
    AlterMaterializedTable, AlterMaterializedTableChange, AlterModel, AlterModelChange,
    CreateMaterializedTable, CreateModel, ObjectPath,
};

/// CREATE MODEL.
pub(super) fn create_model(
    session: &Session,
    create: &CreateModel,
    text: &str,
) -> Result<TableResult> {
    let model = define_model(create, text)?;
    let identifier = qualify(session, &create.name);
    let if_exists = match create.if_not_exists {
        true => IfExists::Keep,
        false => IfExists::Fail,
    };
    session
        .tables()
        .write(|catalog| catalog.create_model(&identifier, model, create.temporary, if_exists))
        .map_err(|error| at_path(error, text, &create.name))?;
    TableResult::ok()
}

/// ALTER MODEL.
pub(super) fn alter_model(
    session: &Session,
    alter: &AlterModel,
    text: &str,
) -> Result<TableResult> {
    let identifier = qualify(session, &alter.name);
    let renamed = match &alter.change {
        AlterModelChange::RenameTo(path) => Some(qualify(session, path)),
        _ => None,
    };
    session
        .tables()
        .write(|catalog| {
            catalog.alter_model(
                &identifier,
                &alter.change,
                renamed.as_ref(),
                alter.if_exists,
            )
        })
        .map_err(|error| at_path(error, text, &alter.name))?;
    TableResult::ok()
}

/// CREATE [OR ALTER] MATERIALIZED TABLE.
pub(super) fn create_materialized_table(
    session: &Session,
    create: &CreateMaterializedTable,
    script: &ScriptStatement,
) -> Result<TableResult> {
    let text = script.script.as_ref();
    let here = |error| at_path(error, text, &create.table.name);
    let Some(query) = &create.table.as_query else {
        return Err(EngineError::internal("a materialized table has a query"));
    };
    let identifier = qualify(session, &create.table.name);
    let known = session.tables().read(|catalog| catalog.find(&identifier));
    let planned = Query::plan(session, &query.query, &query.text)?;
    let materialized = Materialized::try_new(
        create.freshness.as_ref(),
        create.refresh_mode,
        query.text.clone(),
        text,
    )?;
    let definition = super::ctas::with_columns_of(&create.table, &planned.schema(), text)?;
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let mut table = define_table(&definition, None, text, &types)?;
    table.materialized = Some(materialized);
    let if_exists = match known.map(|known| known.object) {
        Some(CatalogObject::Table(old)) if create.or_alter && old.materialized.is_some() => {
            check_columns(&old, &mut table).map_err(here)?;
            IfExists::Replace
        }
        Some(_) if create.or_alter => {
            return Err(here(fail(
                format!(
                    "table {} is not a materialized table; only materialized tables can be \
                     created or altered",
                    identifier.summary()
                ),
                None,
            )));
        }
        _ => IfExists::Fail,
    };
    session
        .tables()
        .write(|catalog| catalog.create(&identifier, table.into(), if_exists))
        .map_err(here)?;
    TableResult::ok()
}

/// A new query may only add columns behind those that are there; they are nullable then.
fn check_columns(old: &CatalogTable, new: &mut CatalogTable) -> Result<()> {
    let is_kept =
        old.columns.len() <= new.columns.len()
            && old.columns.iter().zip(&new.columns).all(|(old, new)| {
                old.name == new.name && old.flink_type.root == new.flink_type.root
            });
    if !is_kept {
        return Err(fail(
            "a new query of a materialized table may only append columns: dropping, renaming and \
             reordering columns is not supported"
                .to_owned(),
            None,
        ));
    }
    for column in new.columns.iter_mut().skip(old.columns.len()) {
        column.flink_type.nullable = true;
    }
    Ok(())
}

/// ALTER MATERIALIZED TABLE: as in Flink's table environment, nobody refreshes them.
pub(super) fn alter_materialized_table(
    session: &Session,
    alter: &AlterMaterializedTable,
    text: &str,
) -> Result<TableResult> {
    let word = match &alter.change {
        AlterMaterializedTableChange::Suspend => "SUSPEND",
        AlterMaterializedTableChange::Resume => "RESUME",
        AlterMaterializedTableChange::Refresh => "REFRESH",
        AlterMaterializedTableChange::As(query) => {
            let here = |error| at_path(error, text, &alter.name);
            let identifier = qualify(session, &alter.name);
            let found = session.tables().read(|catalog| catalog.find(&identifier));
            match found.map(|found| found.object) {
                Some(CatalogObject::Table(table)) if table.materialized.is_some() => {}
                Some(_) => {
                    return Err(here(fail(
                        "ALTER MATERIALIZED TABLE for a table is not allowed".to_owned(),
                        None,
                    )));
                }
                None => {
                    return Err(here(fail(
                        format!("materialized table '{identifier}' does not exist"),
                        None,
                    )));
                }
            }
            Query::plan(session, &query.query, &query.text)?;
            "AS (write CREATE OR ALTER MATERIALIZED TABLE)"
        }
    };
    Err(EngineError::unsupported(format!(
        "ALTER MATERIALIZED TABLE … {word} outside of Flink's SQL gateway"
    )))
}

fn qualify(session: &Session, path: &ObjectPath) -> ObjectIdentifier {
    let names = path.names();
    session.tables().read(|catalog| catalog.qualify(&names))
}

/// The names of a schema's columns.
pub(super) fn names_of(schema: &Schema) -> Vec<String> {
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}
