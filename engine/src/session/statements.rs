//! Statements that are not queries: each is a change of the catalog or the configuration, a job,
//! or a small table to look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::insert::{self, PlannedInsert};
use super::jobs;
use super::sql_functions;
use super::tables::{self, TableView};
use super::{Query, Session, TableResult};
use crate::catalog::alter::alter_table;
use crate::catalog::define::define_table;
use crate::catalog::{
    CatalogObject, CatalogTable, CatalogView, IfExists, ObjectIdentifier, at_path, show,
};
use crate::connectors::registry;
use crate::error::{EngineError, Result};
use crate::functions::user::UserFunction;
use crate::plan::explain::Details;
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean, validation};
use crate::sql::script::ScriptStatement;
use crate::sql::statement::{
    AlterTable, AlterTableChange, AlterView, AlterViewChange, CreateFunction, CreateTable,
    CreateView, Describe, DropObject, Explain, FunctionLanguage, Ident, Insert, ModuleChange,
    ObjectKind, ObjectPath, OptionEntry, QueryText, Show, ShowWhat, Statement, UseTarget,
};

/// Carries out one statement.
pub(super) fn execute(session: &Session, script: &ScriptStatement) -> Result<TableResult> {
    let text = script.script.as_ref();
    match &script.statement {
        Statement::Query(query) => Query::plan(session, &query.query, &query.text)?.collect(),
        Statement::Insert(one) => {
            let planned = plan_insert(session, one, text)?;
            insert::run(session, &[planned], &script.text)
        }
        Statement::StatementSet(inserts) => {
            let planned = plan_inserts(session, inserts, text)?;
            insert::run(session, &planned, &script.text)
        }
        Statement::CreateTable(create) => create_table(session, create, script),
        Statement::CreateView(create) => create_view(session, create, text),
        Statement::CreateFunction(create) => create_function(session, create, text),
        Statement::CreateDatabase(create) => {
            let names = create.name.names();
            let options = options_map(&create.options);
            session.tables().write(|catalog| {
                catalog.create_database(
                    &names,
                    options,
                    create.comment.clone(),
                    create.if_not_exists,
                )
            })?;
            TableResult::ok()
        }
        Statement::CreateCatalog(create) => {
            let options = options_map(&create.options);
            session.tables().write(|catalog| {
                catalog.create_catalog(
                    &create.name.value,
                    options,
                    create.comment.clone(),
                    create.if_not_exists,
                )
            })?;
            TableResult::ok()
        }
        Statement::Drop(drop) => drop_object(session, drop, text),
        Statement::AlterTable(alter) => alter_one_table(session, alter, text),
        Statement::AlterView(alter) => alter_view(session, alter, text),
        Statement::AlterDatabase { name, options } => {
            let names = name.names();
            let options = options_map(options);
            session
                .tables()
                .write(|catalog| catalog.alter_database(&names, options))
                .map_err(|error| at_path(error, text, name))?;
            TableResult::ok()
        }
        Statement::Use(target) => use_target(session, target),
        Statement::Show(wanted) => show_list(session, wanted),
        Statement::ShowCreate(wanted) => {
            let rows = session
                .tables()
                .read(|catalog| show::show_create(catalog, wanted))
                .map_err(|error| at_path(error, text, &wanted.name))?;
            TableResult::rows(rows)
        }
        Statement::Describe(target) => describe(session, target, text),
        Statement::Explain(explain) => {
            let plan = explain_statement(session, explain, text)?;
            TableResult::texts("result", vec![plan])
        }
        Statement::Set { key, value } => {
            session.set_config(key, value)?;
            TableResult::ok()
        }
        Statement::SetAll => {
            let (keys, values) = session
                .all_config()
                .into_iter()
                .map(|(key, value)| (Some(key), Some(value)))
                .unzip();
            TableResult::rows(show::text_table(&["key", "value"], &[keys, values])?)
        }
        Statement::Reset { key } => {
            session.reset_config(key.as_deref());
            TableResult::ok()
        }
        Statement::StopJob {
            job_id,
            with_savepoint,
            with_drain,
        } => jobs::stop_job(session, job_id, *with_savepoint, *with_drain),
        Statement::Modules(change) => change_modules(session, change),
        Statement::Help => TableResult::texts("statement", help()),
        Statement::Unsupported { feature, .. } => Err(script
            .unsupported()
            .unwrap_or_else(|| EngineError::unsupported(feature.clone()))),
    }
}

// --- plans ----------------------------------------------------------------------------------

fn plan_insert(session: &Session, one: &Insert, text: &str) -> Result<PlannedInsert> {
    insert::plan(session, one).map_err(|error| at_path(error, text, &one.target))
}

fn plan_inserts(session: &Session, inserts: &[Insert], text: &str) -> Result<Vec<PlannedInsert>> {
    if inserts.is_empty() {
        return Err(validation(
            "a statement set needs at least one INSERT".to_owned(),
        ));
    }
    inserts
        .iter()
        .map(|one| plan_insert(session, one, text))
        .collect()
}

fn explain_statement(session: &Session, explain: &Explain, text: &str) -> Result<String> {
    let has = |detail: &str| explain.details.iter().any(|given| given == detail);
    let details = Details {
        changelog_mode: has("CHANGELOG_MODE"),
        advice: has("PLAN_ADVICE"),
        json: has("JSON_EXECUTION_PLAN"),
    };
    explain_text(session, &explain.target, text, details)
}

/// The plan of a query, an INSERT or a statement set.
pub(super) fn explain_text(
    session: &Session,
    statement: &Statement,
    text: &str,
    details: Details,
) -> Result<String> {
    match statement {
        Statement::Query(query) => {
            Query::plan(session, &query.query, &query.text)?.explain_with(details)
        }
        Statement::Insert(one) => {
            insert::explain_text(session, &[plan_insert(session, one, text)?], details)
        }
        Statement::StatementSet(inserts) => {
            insert::explain_text(session, &plan_inserts(session, inserts, text)?, details)
        }
        Statement::Explain(explain) => explain_statement(session, explain, text),
        _ => Err(validation(
            "EXPLAIN takes a query, an INSERT or a statement set".to_owned(),
        )),
    }
}

// --- tables and views -----------------------------------------------------------------------

fn create_table(
    session: &Session,
    create: &CreateTable,
    script: &ScriptStatement,
) -> Result<TableResult> {
    let text = script.script.as_ref();
    let identifier = qualify(session, &create.name);
    let base = match &create.like {
        Some(like) => Some(find_table(session, &like.source, text)?),
        None => None,
    };
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let mut table = define_table(create, base.as_deref(), text, &types)?;
    let Some(query) = &create.as_query else {
        store_table(session, create, &identifier, table)
            .map_err(|error| at_path(error, text, &create.name))?;
        return TableResult::ok();
    };
    let planned = Query::plan(session, &query.query, &query.text)?;
    if table.columns.is_empty() {
        table.columns = CatalogTable::of_schema(&planned.schema()).columns;
    }
    // Planned before the table exists, so that a mistake leaves nothing behind.
    let sink = tables::sink(session, &identifier, &table, BTreeMap::new())?;
    let bound = planned.bound_plan().clone();
    let filled = insert::into_table(session, &identifier, &table, sink, bound, &[])?;
    let is_new = store_table(session, create, &identifier, table)
        .map_err(|error| at_path(error, text, &create.name))?;
    if !is_new {
        return TableResult::ok();
    }
    insert::run(session, &[filled], &script.text)
}

fn store_table(
    session: &Session,
    create: &CreateTable,
    identifier: &ObjectIdentifier,
    table: CatalogTable,
) -> Result<bool> {
    let if_exists = if_exists(create.if_not_exists, create.or_replace);
    session.tables().write(|catalog| {
        if create.temporary {
            catalog.create_temporary(identifier, table.into(), if_exists)
        } else {
            catalog.create(identifier, table.into(), if_exists)
        }
    })
}

fn create_view(session: &Session, create: &CreateView, text: &str) -> Result<TableResult> {
    let identifier = qualify(session, &create.name);
    let comments = create
        .columns
        .iter()
        .map(|(_, comment)| comment.clone())
        .collect();
    let names: Vec<_> = create.columns.iter().map(|(name, _)| name).collect();
    let mut view = view_of(session, &create.query, &names)?;
    view.column_comments = comments;
    view.column_comments
        .resize(view.schema.fields().len(), None);
    view.comment.clone_from(&create.comment);
    let if_exists = if_exists(create.if_not_exists, create.or_replace);
    session
        .tables()
        .write(|catalog| {
            if create.temporary {
                catalog.create_temporary(&identifier, view.into(), if_exists)
            } else {
                catalog.create(&identifier, view.into(), if_exists)
            }
        })
        .map_err(|error| at_path(error, text, &create.name))?;
    TableResult::ok()
}

/// A view of `query`, planned once so that mistakes show now; its columns are called `names`.
fn view_of(session: &Session, query: &QueryText, names: &[&Ident]) -> Result<CatalogView> {
    let planned = Query::plan(session, &query.query, &query.text)?;
    let schema = renamed(&planned.schema(), names)?;
    Ok(session
        .tables()
        .view(query.clone(), schema, Vec::new(), None))
}

fn renamed(schema: &SchemaRef, names: &[&Ident]) -> Result<SchemaRef> {
    if names.is_empty() {
        return Ok(Arc::clone(schema));
    }
    if names.len() != schema.fields().len() {
        return Err(validation(format!(
            "the view's list of columns has {} names, but its query has {} columns",
            names.len(),
            schema.fields().len()
        )));
    }
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .zip(names)
        .map(|(field, name)| field.as_ref().clone().with_name(name.value.clone()))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn alter_one_table(session: &Session, alter: &AlterTable, text: &str) -> Result<TableResult> {
    let identifier = qualify(session, &alter.name);
    let found = session.tables().read(|catalog| catalog.find(&identifier));
    if found.is_none() && alter.if_exists {
        return TableResult::ok();
    }
    let table = find_table(session, &alter.name, text)?;
    if let AlterTableChange::RenameTo(to) = &alter.change {
        let to = qualify(session, to);
        session
            .tables()
            .write(|catalog| catalog.rename(&identifier, &to))
            .map_err(|error| at_path(error, text, &alter.name))?;
        return TableResult::ok();
    }
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let altered = alter_table(&table, &alter.change, text, &types)?;
    session
        .tables()
        .write(|catalog| catalog.replace(&identifier, altered.into()))
        .map_err(|error| at_path(error, text, &alter.name))?;
    TableResult::ok()
}

fn alter_view(session: &Session, alter: &AlterView, text: &str) -> Result<TableResult> {
    let identifier = qualify(session, &alter.name);
    let here = |error| at_path(error, text, &alter.name);
    let resolved = session
        .tables()
        .read(|catalog| catalog.get(&identifier))
        .map_err(here)?;
    if resolved.object.as_view().is_none() {
        return Err(here(validation(format!(
            "'{identifier}' is a table, not a view"
        ))));
    }
    match &alter.change {
        AlterViewChange::RenameTo(to) => {
            let to = qualify(session, to);
            session
                .tables()
                .write(|catalog| catalog.rename(&identifier, &to))
                .map_err(here)?;
        }
        AlterViewChange::As(query) => {
            let view = view_of(session, query, &[])?;
            let replace = |object: CatalogObject| {
                session
                    .tables()
                    .write(|catalog| catalog.replace(&identifier, object))
                    .map_err(here)
            };
            replace(view.into())?;
            // The old view is back if the new one leads to itself.
            if let Err(error) = session.query(&format!("SELECT * FROM {identifier}")) {
                replace(resolved.object)?;
                return Err(error);
            }
        }
    }
    TableResult::ok()
}

fn drop_object(session: &Session, drop: &DropObject, text: &str) -> Result<TableResult> {
    let names = drop.name.names();
    let identifier = qualify(session, &drop.name);
    let dropped = match drop.kind {
        ObjectKind::Table => session
            .tables()
            .write(|catalog| catalog.drop_table(&identifier, drop.temporary, drop.if_exists)),
        ObjectKind::View => session
            .tables()
            .write(|catalog| catalog.drop_view(&identifier, drop.temporary, drop.if_exists)),
        ObjectKind::Database => session
            .tables()
            .write(|catalog| catalog.drop_database(&names, drop.if_exists, drop.cascade)),
        ObjectKind::Catalog => session
            .tables()
            .write(|catalog| catalog.drop_catalog(drop.name.object_name(), drop.if_exists)),
        ObjectKind::Function => drop_function(session, drop),
    };
    dropped.map_err(|error| at_path(error, text, &drop.name))?;
    TableResult::ok()
}

// --- functions ------------------------------------------------------------------------------

fn create_function(session: &Session, create: &CreateFunction, text: &str) -> Result<TableResult> {
    let here = |error| at_path(error, text, &create.name);
    let brought = match create.language {
        FunctionLanguage::Python | FunctionLanguage::Sql => None,
        FunctionLanguage::Java | FunctionLanguage::Scala => {
            let unknown = || {
                here(EngineError::unsupported(format!(
                    "the class '{}': a function in Java or Scala (write LANGUAGE PYTHON)",
                    create.class
                )))
            };
            Some(registry::function(&create.class).ok_or_else(unknown)?)
        }
    };
    let name = create.name.object_name();
    if session.functions().user_function(name).is_some() {
        if create.if_not_exists {
            return TableResult::ok();
        }
        return Err(here(validation(format!(
            "function '{name}' already exists"
        ))));
    }
    if let Some(spec) = brought {
        let function = UserFunction::from(spec).named(name);
        session.functions().register(function, false)?;
        return TableResult::ok();
    }
    if let Some(signature) = &create.signature {
        let spec = sql_functions::define(session, create, signature, text)?;
        session.functions().register(spec, false)?;
        return TableResult::ok();
    }
    let Some(resolver) = session.resolver() else {
        return Err(here(EngineError::unsupported(
            "CREATE FUNCTION without a Python interpreter around the session",
        )));
    };
    let function = resolver.resolve(create).map_err(here)?;
    session.functions().register(function.named(name), false)?;
    TableResult::ok()
}

fn drop_function(session: &Session, drop: &DropObject) -> Result<bool> {
    let name = drop.name.object_name();
    let dropped = session.drop_function(name);
    if dropped || drop.if_exists {
        return Ok(dropped);
    }
    let known = session.list_user_functions();
    Err(EngineError::from(Arc::new(
        SqlDiagnostic::validation(format!("function '{name}' does not exist"))
            .with_hint(did_you_mean(name, known.iter().map(String::as_str))),
    )))
}

// --- looking --------------------------------------------------------------------------------

fn change_modules(session: &Session, change: &ModuleChange) -> Result<TableResult> {
    session.tables().write(|catalog| match change {
        ModuleChange::Load(name) => catalog.modules.load(&name.value),
        ModuleChange::Unload(name) => catalog.modules.unload(&name.value),
        ModuleChange::Use(names) => {
            let names: Vec<_> = names.iter().map(|name| name.value.clone()).collect();
            catalog.modules.use_modules(&names)
        }
    })?;
    TableResult::ok()
}

fn use_target(session: &Session, target: &UseTarget) -> Result<TableResult> {
    match target {
        UseTarget::Catalog(name) => session.use_catalog(&name.value)?,
        UseTarget::Database(path) => {
            let names = path.names();
            session
                .tables()
                .write(|catalog| catalog.use_database(&names))?;
        }
    }
    TableResult::ok()
}

fn show_list(session: &Session, wanted: &Show) -> Result<TableResult> {
    if let Some(rows) = session.tables().read(|catalog| show::show(catalog, wanted)) {
        return TableResult::rows(rows?);
    }
    let filter = wanted.filter.as_ref();
    let (column, names) = match wanted.what {
        ShowWhat::Functions => ("function name", session.list_functions()),
        ShowWhat::UserFunctions => ("function name", session.list_user_functions()),
        ShowWhat::Jobs => return jobs::show_jobs(),
        ShowWhat::Jars => ("jars", Vec::new()),
        ShowWhat::Models => ("model name", Vec::new()),
        ShowWhat::MaterializedTables => ("table name", Vec::new()),
        _ => return Err(EngineError::unsupported("this SHOW statement")),
    };
    TableResult::rows(show::one_column(column, show::keep(names, filter)?)?)
}

fn describe(session: &Session, target: &Describe, text: &str) -> Result<TableResult> {
    let rows = match target {
        Describe::Table(path) => session
            .tables()
            .read(|catalog| show::describe(catalog, path))
            .map_err(|error| at_path(error, text, path))?,
        Describe::Catalog { name, extended } => session
            .tables()
            .read(|catalog| show::describe_catalog(catalog, &name.value, *extended))?,
        Describe::Function { name, .. } => {
            let function = name.object_name();
            let Some(function) = session.functions().user_function(function) else {
                return Err(at_path(
                    EngineError::unsupported("DESCRIBE FUNCTION of a built-in function"),
                    text,
                    name,
                ));
            };
            let result = crate::data::types::FlinkType::from_field(function.result()).to_string();
            let names = [
                "is system function",
                "is temporary",
                "result",
                "deterministic",
            ];
            let values = [
                "false".to_owned(),
                "true".to_owned(),
                result,
                function.is_deterministic().to_string(),
            ];
            show::text_table(
                &["info name", "info value"],
                &[
                    names.map(|name| Some(name.to_owned())).to_vec(),
                    values.map(Some).to_vec(),
                ],
            )?
        }
        Describe::Job(id) => return jobs::describe_job(id),
    };
    TableResult::rows(rows)
}

fn help() -> Vec<String> {
    [
        "SELECT … | VALUES … | WITH …",
        "INSERT INTO table SELECT …",
        "EXECUTE STATEMENT SET BEGIN insert; insert; END",
        "CREATE [TEMPORARY] TABLE | VIEW | FUNCTION | DATABASE | CATALOG",
        "ALTER TABLE | VIEW | DATABASE",
        "DROP [TEMPORARY] TABLE | VIEW | FUNCTION | DATABASE | CATALOG",
        "DESCRIBE table · SHOW TABLES | VIEWS | FUNCTIONS | COLUMNS | JOBS | CREATE TABLE …",
        "USE database · USE CATALOG catalog",
        "EXPLAIN [CHANGELOG_MODE, JSON_EXECUTION_PLAN] query",
        "SET 'key' = 'value' · RESET 'key' · STOP JOB 'id' [WITH SAVEPOINT]",
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

// --- helpers --------------------------------------------------------------------------------

fn qualify(session: &Session, path: &ObjectPath) -> ObjectIdentifier {
    let names = path.names();
    session.tables().read(|catalog| catalog.qualify(&names))
}

fn find_table(session: &Session, path: &ObjectPath, text: &str) -> Result<Arc<CatalogTable>> {
    let identifier = qualify(session, path);
    let resolved = session
        .tables()
        .read(|catalog| catalog.get(&identifier))
        .map_err(|error| at_path(error, text, path))?;
    match resolved.object {
        CatalogObject::Table(table) => Ok(table),
        CatalogObject::View(_) => Err(at_path(
            validation(format!("'{identifier}' is a view, not a table")),
            text,
            path,
        )),
    }
}

const fn if_exists(if_not_exists: bool, or_replace: bool) -> IfExists {
    if or_replace {
        IfExists::Replace
    } else if if_not_exists {
        IfExists::Keep
    } else {
        IfExists::Fail
    }
}

fn options_map(options: &[OptionEntry]) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|option| (option.key.clone(), option.value.clone()))
        .collect()
}
