//! Statements that are not queries: each is a change of the catalog or the configuration, a job,
//! or a small table to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{self, SelectItem, SetExpr};

use super::insert::{self, PlannedInsert};
use super::objects::names_of;
use super::tables::TableView;
use super::{Query, Session, TableResult};
use super::{ctas, function_paths, functions, jobs, objects, plans, rows};
use crate::catalog::alter::alter_table;
use crate::catalog::define::define_table;
use crate::catalog::{
    CatalogObject, CatalogTable, CatalogView, IfExists, ObjectIdentifier, at_name, at_path, show,
};
use crate::error::{EngineError, Result};
use crate::plan::explain::Details;
use crate::sql::catalog_statement::AlterCatalogChange;
use crate::sql::diagnostics::validation;
use crate::sql::option_places;
use crate::sql::script::ScriptStatement;
use crate::sql::statement::{
    AlterTable, AlterTableChange, AlterView, AlterViewChange, CreateTable, CreateView, Describe,
    DropObject, Explain, Ident, Insert, ModuleChange, ObjectKind, ObjectPath, OptionEntry,
    QueryText, Show, ShowWhat, Statement, UseTarget,
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
        Statement::CreateTable(create) => create_table(session, create, script)
            .map_err(|error| at_table_options(error, text, create)),
        Statement::CreateView(create) => create_view(session, create, text),
        Statement::CreateFunction(create) => functions::create(session, create, text),
        Statement::AlterFunction(alter) => functions::alter(session, alter, text),
        Statement::CreateModel(create) => objects::create_model(session, create, text),
        Statement::AlterModel(alter) => objects::alter_model(session, alter, text),
        Statement::CreateMaterializedTable(create) => {
            objects::create_materialized_table(session, create, script)
                .map_err(|error| at_table_options(error, text, &create.table))
        }
        Statement::AlterMaterializedTable(alter) => {
            objects::alter_materialized_table(session, alter, text)
        }
        Statement::Analyze(analyze) => rows::analyze(session, analyze, text),
        Statement::ChangeRows(change) => rows::change(session, change, text),
        Statement::Call(path) => rows::call(path, text),
        Statement::AddJar(path) => rows::add_jar(path),
        Statement::CompilePlan(compile) => plans::compile(session, compile, script),
        Statement::ExecutePlan { path } => plans::execute(session, path),
        Statement::AlterCatalog(alter) => {
            session
                .tables()
                .write(|catalog| catalog.alter_catalog(&alter.name.value, &alter.change))
                .map_err(|error| match &alter.change {
                    AlterCatalogChange::Set(options) => {
                        option_places::located(error, text, options)
                    }
                    _ => error,
                })
                .map_err(|error| at_name(error, text, &alter.name))?;
            TableResult::ok()
        }
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
            session
                .tables()
                .write(|catalog| {
                    catalog.create_catalog(
                        &create.name.value,
                        options,
                        create.comment.clone(),
                        create.if_not_exists,
                    )
                })
                .map_err(|error| option_places::located(error, text, &create.options))
                .map_err(|error| at_name(error, text, &create.name))?;
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
        Statement::Set(option) => {
            session
                .set_config(&option.key, &option.value)
                .map_err(|error| option_places::located(error, text, from_ref(option)))?;
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

pub(super) fn plan_inserts(
    session: &Session,
    inserts: &[Insert],
    text: &str,
) -> Result<Vec<PlannedInsert>> {
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
    if has("PLAN_ADVICE") && session.configuration().is_batch() {
        return Err(EngineError::unsupported(
            "EXPLAIN PLAN_ADVICE in batch mode",
        ));
    }
    let details = Details {
        changelog_mode: has("CHANGELOG_MODE"),
        cost: has("ESTIMATED_COST"),
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
        Statement::CreateTable(create) => match &create.as_query {
            Some(query) => {
                let planned = ctas::planned(session, create, query, text)
                    .map_err(|error| at_table_options(error, text, create))?;
                insert::explain_text(session, &[planned], details)
            }
            None => Err(validation("EXPLAIN needs a query".to_owned())),
        },
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
    if let Some(query) = &create.as_query {
        return ctas::create_table_as(session, create, query, script);
    }
    let identifier = qualify(session, &create.name);
    let base = match &create.like {
        Some(like) => Some(find_table(session, &like.source, text)?),
        None => None,
    };
    let config = session.planner_config();
    let types = TableView::new(session, &config);
    let definition = function_paths::in_table(session, create)?;
    let table = define_table(&definition, base.as_deref(), text, &types)?;
    let if_exists = if_exists(create.if_not_exists, false);
    session
        .tables()
        .write(|catalog| {
            if create.temporary {
                catalog.create_temporary(&identifier, table.into(), if_exists)
            } else {
                catalog.create(&identifier, table.into(), if_exists)
            }
        })
        .map_err(|error| at_path(error, text, &create.name))?;
    TableResult::ok()
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
    let query = function_paths::in_query(session, query)?;
    let planned = Query::plan(session, &query.query, &query.text)?;
    let query_columns = names_of(&planned.schema());
    let schema = renamed(&planned.schema(), names)?;
    let written = match names {
        [] => written_names(&query.query.body),
        names => names.iter().map(|name| name.value.as_str()).collect(),
    };
    let mut known = BTreeSet::new();
    if let Some(twice) = written.into_iter().find(|name| !known.insert(*name)) {
        return Err(validation(format!(
            "a column with the name '{twice}' has been defined already"
        )));
    }
    Ok(CatalogView {
        query_columns,
        ..session.tables().view(query, schema, Vec::new(), None)
    })
}

/// The names that a SELECT list says; those of stars and of expressions are not there.
fn written_names(body: &SetExpr) -> Vec<&str> {
    let SetExpr::Select(select) = body else {
        return Vec::new();
    };
    select.projection.iter().filter_map(written_name).collect()
}

fn written_name(item: &SelectItem) -> Option<&str> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(&alias.value),
        SelectItem::UnnamedExpr(ast::Expr::Identifier(name)) => Some(&name.value),
        SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|name| name.value.as_str())
        }
        _ => None,
    }
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
    if found.is_some_and(|found| found.temporary) {
        let message = format!("table '{identifier}' does not exist or is a temporary table");
        return Err(at_path(validation(message), text, &alter.name));
    }
    let table = find_table(session, &alter.name, text)?;
    if table.materialized.is_some() {
        let message = "ALTER TABLE for a materialized table is not allowed".to_owned();
        return Err(at_path(validation(message), text, &alter.name));
    }
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
    let change = function_paths::in_change(session, &alter.change)?;
    let altered = alter_table(&table, &change, text, &types)?;
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
    if resolved.temporary {
        let message = format!("view '{identifier}' does not exist or is a temporary view");
        return Err(here(validation(message)));
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
        ObjectKind::Function => functions::drop(session, drop),
        ObjectKind::Model => session
            .tables()
            .write(|catalog| catalog.drop_model(&identifier, drop.temporary, drop.if_exists)),
        ObjectKind::MaterializedTable => session
            .tables()
            .write(|catalog| catalog.drop_materialized_table(&identifier, drop.if_exists)),
    };
    dropped.map_err(|error| at_path(error, text, &drop.name))?;
    TableResult::ok()
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
    let is_batch = session.configuration().is_batch();
    let shown = |catalog: &_| show::show(catalog, wanted, is_batch);
    if let Some(rows) = session.tables().read(shown) {
        return TableResult::rows(rows?);
    }
    let filter = wanted.filter.as_ref();
    let (column, names) = match wanted.what {
        ShowWhat::Functions | ShowWhat::UserFunctions => {
            ("function name", functions::list(session, wanted))
        }
        ShowWhat::Jobs => return jobs::show_jobs(),
        _ => return Err(EngineError::unsupported("this SHOW statement")),
    };
    TableResult::rows(show::one_column(column, show::keep(names, filter)?)?)
}

fn describe(session: &Session, target: &Describe, text: &str) -> Result<TableResult> {
    let is_batch = session.configuration().is_batch();
    let rows = match target {
        Describe::Table(path) => session
            .tables()
            .read(|catalog| show::describe(catalog, path, is_batch))
            .map_err(|error| at_path(error, text, path))?,
        Describe::Catalog { name, extended } => session
            .tables()
            .read(|catalog| show::describe_catalog(catalog, &name.value, *extended))?,
        Describe::Function { name, extended } => functions::describe(session, name, *extended)
            .map_err(|error| at_path(error, text, name))?,
        Describe::Model(path) => {
            let identifier = qualify(session, path);
            session
                .tables()
                .read(|catalog| catalog.describe_model(&identifier))
                .map_err(|error| at_path(error, text, path))?
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

pub(super) fn qualify(session: &Session, path: &ObjectPath) -> ObjectIdentifier {
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

/// The place of an option of the table that an error speaks of.
fn at_table_options(error: EngineError, text: &str, create: &CreateTable) -> EngineError {
    let name = create.name.object_name();
    option_places::located_of_table(error, text, name, &create.options)
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
