//! CREATE, ALTER and DROP of catalogs and databases.

use std::collections::BTreeMap;

use super::{Catalog, CatalogManager, Database, as_kind, fail};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlErrorKind, did_you_mean};
use crate::sql::statement::AlterCatalogChange;

/// The one type of catalog.
const IN_MEMORY: &str = "generic_in_memory";
/// Its options.
const IN_MEMORY_OPTIONS: [&str; 3] = ["type", "default-database", "property-version"];

impl CatalogManager {
    /// Adds an in-memory catalog; whether it is new.
    ///
    /// # Errors
    /// If it exists, or its type is another one than `generic_in_memory`.
    pub fn create_catalog(
        &mut self,
        name: &str,
        options: BTreeMap<String, String>,
        comment: Option<String>,
        if_not_exists: bool,
    ) -> Result<bool> {
        if self.catalogs.contains_key(name) {
            if if_not_exists {
                return Ok(false);
            }
            return Err(fail(format!("catalog '{name}' already exists"), None));
        }
        check_options(name, &options)?;
        let mut catalog = Catalog::new(&default_database(&options), options, comment);
        catalog.is_stored = true;
        self.catalogs.insert(name.to_owned(), catalog);
        Ok(true)
    }

    /// Changes options or comment of a catalog that CREATE CATALOG has made.
    ///
    /// # Errors
    /// If there is no such catalog, or the options would be none of its type.
    pub fn alter_catalog(&mut self, name: &str, change: &AlterCatalogChange) -> Result<()> {
        if let AlterCatalogChange::Reset(keys) = change {
            if keys.is_empty() {
                return Err(fail(
                    "ALTER CATALOG RESET does not support empty keys".to_owned(),
                    None,
                ));
            }
            if keys.iter().any(|key| key == "type") {
                return Err(fail(
                    "ALTER CATALOG RESET does not support changing 'type'".to_owned(),
                    None,
                ));
            }
        }
        let Some(catalog) = self.catalogs.get(name).filter(|catalog| catalog.is_stored) else {
            return Err(self.no_catalog(name));
        };
        let mut catalog = catalog.clone();
        match change {
            AlterCatalogChange::Set(options) => {
                for option in options {
                    catalog
                        .options
                        .insert(option.key.clone(), option.value.clone());
                }
                check_options(name, &catalog.options)?;
            }
            AlterCatalogChange::Reset(keys) => {
                catalog.options.retain(|key, _| !keys.contains(key));
            }
            AlterCatalogChange::Comment(comment) => {
                catalog.comment = Some(comment.clone()).filter(|comment| !comment.is_empty());
            }
        }
        // Flink makes the catalog anew, empty; here it keeps what is in it.
        catalog.default_database = default_database(&catalog.options);
        let database = catalog.default_database.clone();
        catalog.databases.entry(database).or_default();
        self.catalogs.insert(name.to_owned(), catalog);
        Ok(())
    }

    /// A database.
    ///
    /// # Errors
    /// If there is none of the name.
    pub(super) fn database_or_fail(&self, catalog: &str, database: &str) -> Result<&Database> {
        if !self.catalogs.contains_key(catalog) {
            return Err(self.no_catalog(catalog));
        }
        self.database(catalog, database)
            .ok_or_else(|| self.no_database(catalog, database))
    }

    /// Removes a catalog with all that is in it; whether there was one.
    ///
    /// # Errors
    /// If it is the current one, or does not exist and `if_exists` is not set.
    pub fn drop_catalog(&mut self, name: &str, if_exists: bool) -> Result<bool> {
        if !self.catalogs.contains_key(name) {
            if if_exists {
                return Ok(false);
            }
            return Err(self.no_catalog(name));
        }
        if name == self.current_catalog {
            return Err(fail(
                format!("cannot drop catalog '{name}', which is currently in use"),
                None,
            ));
        }
        self.catalogs.remove(name);
        self.temporary
            .retain(|identifier, _| identifier.catalog != name);
        self.temporary_models
            .retain(|identifier, _| identifier.catalog != name);
        self.temporary_functions
            .retain(|identifier, _| identifier.catalog != name);
        Ok(true)
    }

    /// Adds a database; whether it is new.
    ///
    /// # Errors
    /// If it exists and `if_not_exists` is not set, or there is no such catalog.
    pub fn create_database(
        &mut self,
        names: &[&str],
        options: BTreeMap<String, String>,
        comment: Option<String>,
        if_not_exists: bool,
    ) -> Result<bool> {
        let (catalog, database) = self.path_or_table_error(names)?;
        if self.database(&catalog, &database).is_some() {
            if if_not_exists {
                return Ok(false);
            }
            return Err(fail(
                format!("database '{database}' already exists in catalog '{catalog}'"),
                None,
            ));
        }
        let Some(entry) = self.catalogs.get_mut(&catalog) else {
            return Err(self.no_catalog(&catalog));
        };
        let new = Database {
            comment,
            options,
            ..Database::default()
        };
        entry.databases.insert(database, new);
        Ok(true)
    }

    /// Sets options of a database.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn alter_database(
        &mut self,
        names: &[&str],
        options: BTreeMap<String, String>,
    ) -> Result<()> {
        let (catalog, database) = self.database_path(names)?;
        match self.database_mut(&catalog, &database) {
            Some(entry) => {
                entry.options.extend(options);
                Ok(())
            }
            None => Err(self.no_database(&catalog, &database)),
        }
    }

    /// Gives a database another comment and other options; its tables stay.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn replace_database(
        &mut self,
        catalog: &str,
        database: &str,
        comment: Option<String>,
        options: BTreeMap<String, String>,
    ) -> Result<()> {
        match self.database_mut(catalog, database) {
            Some(entry) => {
                entry.comment = comment;
                entry.options = options;
                Ok(())
            }
            None => Err(self.no_database(catalog, database)),
        }
    }

    /// Removes a database; whether there was one.
    ///
    /// # Errors
    /// If it is the current one, has tables and `cascade` is not set, or does not exist and
    /// `if_exists` is not set.
    pub fn drop_database(
        &mut self,
        names: &[&str],
        if_exists: bool,
        cascade: bool,
    ) -> Result<bool> {
        let (catalog, database) = self.path_or_table_error(names)?;
        if catalog == self.current_catalog && database == self.current_database {
            let error = fail(
                format!("cannot drop database '{database}', which is currently in use"),
                None,
            );
            return Err(as_kind(error, SqlErrorKind::Table));
        }
        let Some(entry) = self.database(&catalog, &database) else {
            if if_exists {
                return Ok(false);
            }
            return Err(self.no_database(&catalog, &database));
        };
        let is_empty =
            entry.objects.is_empty() && entry.functions.is_empty() && entry.models.is_empty();
        if !is_empty && !cascade {
            return Err(fail(
                format!("database '{database}' in catalog '{catalog}' is not empty"),
                Some("DROP DATABASE … CASCADE drops its tables too".to_owned()),
            ));
        }
        if let Some(entry) = self.catalogs.get_mut(&catalog) {
            entry.databases.remove(&database);
        }
        Ok(true)
    }

    /// The catalog and the database of a path.
    ///
    /// # Errors
    /// A table error if the catalog does not exist, a validation error if it is no path.
    fn path_or_table_error(&self, names: &[&str]) -> Result<(String, String)> {
        self.database_path(names)
            .map_err(|error| match names.len() {
                2 => as_kind(error, SqlErrorKind::Table),
                _ => error,
            })
    }

    pub(super) fn no_database(&self, catalog: &str, database: &str) -> EngineError {
        let known = self.list_databases(catalog);
        fail(
            format!("database '{database}' does not exist in catalog '{catalog}'"),
            did_you_mean(database, known.iter().map(String::as_str)),
        )
    }
}

fn default_database(options: &BTreeMap<String, String>) -> String {
    options
        .get("default-database")
        .map_or("default", String::as_str)
        .to_owned()
}

/// Whether the options are those of a catalog in memory.
fn check_options(name: &str, options: &BTreeMap<String, String>) -> Result<()> {
    match options.get("type").map(String::as_str) {
        Some(IN_MEMORY) => {}
        Some(other) => {
            return Err(fail(
                format!(
                    "unable to create catalog '{name}': option 'type' is '{other}', but the \
                     types are: {IN_MEMORY}"
                ),
                did_you_mean(other, [IN_MEMORY]),
            ));
        }
        None => {
            return Err(fail(
                format!("unable to create catalog '{name}': its options do not say its 'type'"),
                Some("write WITH ('type' = 'generic_in_memory')".to_owned()),
            ));
        }
    }
    if options
        .get("default-database")
        .is_some_and(String::is_empty)
    {
        return Err(fail(
            format!("unable to create catalog '{name}': 'default-database' cannot be empty"),
            None,
        ));
    }
    match options
        .keys()
        .find(|key| !IN_MEMORY_OPTIONS.contains(&key.as_str()))
    {
        None => Ok(()),
        Some(key) => Err(fail(
            format!(
                "unable to create catalog '{name}': unsupported option '{key}', the options are: {}",
                IN_MEMORY_OPTIONS.join(", ")
            ),
            did_you_mean(key, IN_MEMORY_OPTIONS),
        )),
    }
}
