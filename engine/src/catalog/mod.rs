//! Catalogs, databases, tables and views, by name.
//!
//! ```text
//!   default_catalog            catalog ── databases ── tables and views (permanent ones)
//!     └─ default_database
//!   `c`.`d`.`t` ──▶ CatalogObject   temporary ones first: they hide permanent ones of their name
//! ```
//!
//! Everything lives in memory and in one session. The manager has no lock: whoever shares it puts
//! one around it, and takes the cheap `Arc`s of objects out.
//!
//! Source: `CatalogManager` and `GenericInMemoryCatalog` of Flink 2.3, for who hides whom and for
//! the sentences of errors.
pub mod options;

mod iso_duration;

mod legacy_options;

pub mod table;

pub mod define;

pub mod alter;

pub mod modules;

mod secrets;

pub mod show;

pub mod functions;

pub mod materialized;

pub mod models;

mod databases;

mod distribution;

mod objects;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

pub use table::{CatalogTable, Column, ColumnSource};

use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlDiagnostic, SqlErrorKind, did_you_mean};
use crate::sql::statement::{Ident, ObjectPath, QueryText, Span};

/// Name of the catalog that every session begins with.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// Name of the database that every session begins with.
pub const DEFAULT_DATABASE: &str = "default_database";

/// The full name of a table, a view or a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectIdentifier {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// The object's own name.
    pub object: String,
}

impl ObjectIdentifier {
    /// `catalog.database.object` without quotes: Flink's `asSummaryString`.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.object)
    }
}

impl fmt::Display for ObjectIdentifier {
    /// `` `catalog`.`database`.`object` ``: Flink's `asSerializableString`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            quoted(&self.catalog),
            quoted(&self.database),
            quoted(&self.object)
        )
    }
}

/// A name in backticks.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table or a view.
#[derive(Debug, Clone)]
pub enum CatalogObject {
    /// A table.
    Table(Arc<CatalogTable>),
    /// A view.
    View(Arc<CatalogView>),
}

impl CatalogObject {
    /// The table, if it is one.
    #[must_use]
    pub fn as_table(&self) -> Option<&Arc<CatalogTable>> {
        match self {
            Self::Table(table) => Some(table),
            Self::View(_) => None,
        }
    }

    /// The view, if it is one.
    #[must_use]
    pub fn as_view(&self) -> Option<&Arc<CatalogView>> {
        match self {
            Self::View(view) => Some(view),
            Self::Table(_) => None,
        }
    }
}

/// A named query.
#[derive(Debug, Clone)]
pub struct CatalogView {
    /// The query as written; its spans refer to the script that it was written in.
    pub query: QueryText,
    /// The columns, renamed as CREATE VIEW says. They keep these types whatever becomes of what the
    /// query reads.
    pub schema: SchemaRef,
    /// What the query calls its columns; as long as the schema. Stars are spelt out by them.
    pub query_columns: Vec<String>,
    /// Comments of the columns; as long as the schema.
    pub column_comments: Vec<Option<String>>,
    /// Comment.
    pub comment: Option<String>,
    /// Catalog and database that names in the query refer to.
    pub namespace: (String, String),
}

/// Something that the session attaches to a table, e.g. a source that was registered directly.
#[derive(Clone)]
pub struct Attachment(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attachment")
    }
}

/// What was found under a name.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Its full name.
    pub identifier: ObjectIdentifier,
    /// The table or view.
    pub object: CatalogObject,
    /// Whether it is temporary.
    pub temporary: bool,
}

/// A database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// Comment.
    pub comment: Option<String>,
    /// Options.
    pub options: BTreeMap<String, String>,
    objects: BTreeMap<String, CatalogObject>,
    models: BTreeMap<String, models::CatalogModel>,
    /// By lower-case name.
    functions: BTreeMap<String, functions::CatalogFunction>,
}

/// A catalog.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Comment.
    pub comment: Option<String>,
    /// Options, `type` among them.
    pub options: BTreeMap<String, String>,
    /// The database that USE CATALOG makes the current one.
    pub default_database: String,
    /// Whether CREATE CATALOG has made it: the one that every session begins with is in no store,
    /// and cannot be shown, described or altered.
    pub is_stored: bool,
    databases: BTreeMap<String, Database>,
}

/// What to do if something exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Say so.
    Fail,
    /// Leave it as it is: IF NOT EXISTS.
    Keep,
    /// Put the new one in its place: OR REPLACE.
    Replace,
}

/// All catalogs of a session.
#[derive(Debug, Clone)]
pub struct CatalogManager {
    catalogs: BTreeMap<String, Catalog>,
    temporary: BTreeMap<ObjectIdentifier, CatalogObject>,
    temporary_models: BTreeMap<ObjectIdentifier, models::CatalogModel>,
    /// By path; the functions' own names are in lower case.
    temporary_functions: BTreeMap<ObjectIdentifier, functions::CatalogFunction>,
    /// Temporary functions without a database that statements have made, by lower-case name.
    system_functions: BTreeMap<String, functions::CatalogFunction>,
    current_catalog: String,
    current_database: String,
    /// Where functions without a catalog come from.
    pub modules: modules::Modules,
}

impl Default for CatalogManager {
    /// One catalog with one database, both current and empty.
    fn default() -> Self {
        let mut manager = Self {
            catalogs: BTreeMap::new(),
            temporary: BTreeMap::new(),
            temporary_models: BTreeMap::new(),
            temporary_functions: BTreeMap::new(),
            system_functions: BTreeMap::new(),
            current_catalog: DEFAULT_CATALOG.to_owned(),
            current_database: DEFAULT_DATABASE.to_owned(),
            modules: modules::Modules::default(),
        };
        let options = BTreeMap::from([("type".to_owned(), "generic_in_memory".to_owned())]);
        manager.catalogs.insert(
            DEFAULT_CATALOG.to_owned(),
            Catalog::new(DEFAULT_DATABASE, options, None),
        );
        manager
    }
}

impl Catalog {
    fn new(
        default_database: &str,
        options: BTreeMap<String, String>,
        comment: Option<String>,
    ) -> Self {
        Self {
            comment,
            options,
            default_database: default_database.to_owned(),
            is_stored: false,
            databases: BTreeMap::from([(default_database.to_owned(), Database::default())]),
        }
    }
}

// --- names ----------------------------------------------------------------------------------

impl CatalogManager {
    /// Name of the current catalog.
    #[must_use]
    pub fn current_catalog(&self) -> &str {
        &self.current_catalog
    }

    /// Name of the current database.
    #[must_use]
    pub fn current_database(&self) -> &str {
        &self.current_database
    }

    /// The full name of a path of one to three names; the last three of a longer one.
    #[must_use]
    pub fn qualify(&self, names: &[&str]) -> ObjectIdentifier {
        self.qualify_in((&self.current_catalog, &self.current_database), names)
    }

    /// As [`Self::qualify`], where another catalog and database are the current ones.
    #[must_use]
    pub fn qualify_in(&self, namespace: (&str, &str), names: &[&str]) -> ObjectIdentifier {
        let mut names = names.iter().rev();
        let mut next = |default: &str| (*names.next().unwrap_or(&default)).to_owned();
        let object = next("");
        let database = next(namespace.1);
        let catalog = next(namespace.0);
        ObjectIdentifier {
            catalog,
            database,
            object,
        }
    }

    /// Makes a catalog and its default database the current ones.
    ///
    /// # Errors
    /// If there is no such catalog.
    pub fn use_catalog(&mut self, name: &str) -> Result<()> {
        let Some(catalog) = self.catalogs.get(name) else {
            return Err(as_kind(self.no_catalog(name), SqlErrorKind::Catalog));
        };
        self.current_database = catalog.default_database.clone();
        name.clone_into(&mut self.current_catalog);
        Ok(())
    }

    /// Makes a database the current one; with two names its catalog too.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn use_database(&mut self, names: &[&str]) -> Result<()> {
        let (catalog, database) = self
            .database_path(names)
            .map_err(|error| match names.len() {
                1 | 2 => as_kind(error, SqlErrorKind::Catalog),
                _ => error,
            })?;
        if self.database(&catalog, &database).is_none() {
            let known = self.list_databases(&catalog);
            let hint = did_you_mean(&database, known.iter().map(String::as_str));
            let error = fail(
                format!(
                    "a database with name '{database}' does not exist in the catalog '{catalog}'"
                ),
                hint,
            );
            return Err(as_kind(error, SqlErrorKind::Catalog));
        }
        self.current_catalog = catalog;
        self.current_database = database;
        Ok(())
    }

    fn database_path(&self, names: &[&str]) -> Result<(String, String)> {
        match names {
            [database] => Ok((self.current_catalog.clone(), (*database).to_owned())),
            [catalog, database] => {
                if !self.catalogs.contains_key(*catalog) {
                    return Err(self.no_catalog(catalog));
                }
                Ok(((*catalog).to_owned(), (*database).to_owned()))
            }
            _ => Err(fail(
                format!(
                    "'{}' is no path of a database: it has one or two names",
                    names.join(".")
                ),
                None,
            )),
        }
    }

    fn no_catalog(&self, name: &str) -> EngineError {
        fail(
            format!("a catalog with name '{name}' does not exist"),
            did_you_mean(name, self.catalogs.keys().map(String::as_str)),
        )
    }

    /// All catalogs, sorted.
    #[must_use]
    pub fn list_catalogs(&self) -> Vec<String> {
        self.catalogs.keys().cloned().collect()
    }

    /// The databases of a catalog, sorted; none if there is no such catalog.
    #[must_use]
    pub fn list_databases(&self, catalog: &str) -> Vec<String> {
        let catalog = self.catalogs.get(catalog);
        catalog.map_or_else(Vec::new, |catalog| {
            catalog.databases.keys().cloned().collect()
        })
    }

    /// A catalog.
    #[must_use]
    pub fn catalog(&self, name: &str) -> Option<&Catalog> {
        self.catalogs.get(name)
    }

    /// A database.
    #[must_use]
    pub fn database(&self, catalog: &str, database: &str) -> Option<&Database> {
        self.catalogs.get(catalog)?.databases.get(database)
    }

    fn database_mut(&mut self, catalog: &str, database: &str) -> Option<&mut Database> {
        self.catalogs.get_mut(catalog)?.databases.get_mut(database)
    }
}

/// An error of validation without a place; [`at`] gives it one.
pub(crate) fn fail(message: String, hint: Option<String>) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::validation(message).with_hint(hint)))
}

/// The same error as one of another of Flink's classes.
pub(crate) fn as_kind(error: EngineError, kind: SqlErrorKind) -> EngineError {
    match error {
        EngineError::Sql(diagnostic) => EngineError::from(Arc::new(SqlDiagnostic {
            kind,
            ..SqlDiagnostic::clone(&diagnostic)
        })),
        other => other,
    }
}

/// The same error at a place of the script, unless it has one.
#[must_use]
pub fn at(error: EngineError, script: &str, span: Span) -> EngineError {
    match error {
        EngineError::Sql(diagnostic) if diagnostic.position.is_none() => EngineError::from(
            Arc::new(SqlDiagnostic::clone(&diagnostic).with_span(script, span)),
        ),
        other => other,
    }
}

/// As [`at`], for what a path names.
#[must_use]
pub fn at_path(error: EngineError, script: &str, path: &ObjectPath) -> EngineError {
    at(error, script, path.span())
}

/// As [`at`], for what a name names.
#[must_use]
pub fn at_name(error: EngineError, script: &str, name: &Ident) -> EngineError {
    at(error, script, name.span)
}

#[cfg(test)]
mod tests;
