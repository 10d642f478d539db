//! Functions of catalogs: what CREATE FUNCTION says, by database. Their code is the session's.

use super::{CatalogManager, ObjectIdentifier, fail};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean};
use crate::sql::statement::FunctionLanguage;
use std::sync::Arc;

/// A function of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFunction {
    /// The implementation: `module.function` or a Java class.
    pub class: String,
    /// Its language.
    pub language: FunctionLanguage,
}

impl CatalogManager {
    /// A function of a database, by its name in any case.
    #[must_use]
    pub fn find_function(&self, identifier: &ObjectIdentifier) -> Option<&CatalogFunction> {
        let database = self.database(&identifier.catalog, &identifier.database)?;
        database.functions.get(&identifier.object.to_lowercase())
    }

    /// Adds a function, or puts it in the place of the one that was there.
    ///
    /// # Errors
    /// A table error if there is no such database.
    pub fn put_function(
        &mut self,
        identifier: &ObjectIdentifier,
        function: CatalogFunction,
    ) -> Result<()> {
        let name = identifier.object.to_lowercase();
        match self.database_mut(&identifier.catalog, &identifier.database) {
            Some(database) => {
                database.functions.insert(name, function);
                Ok(())
            }
            None => Err(EngineError::from(Arc::new(SqlDiagnostic::table(format!(
                "database '{}' does not exist in catalog '{}'",
                identifier.database, identifier.catalog
            ))))),
        }
    }

    /// Removes a function.
    ///
    /// # Errors
    /// If there is none of the name.
    pub fn drop_function(&mut self, identifier: &ObjectIdentifier) -> Result<()> {
        let name = identifier.object.to_lowercase();
        let database = self.database_mut(&identifier.catalog, &identifier.database);
        match database.and_then(|database| database.functions.remove(&name)) {
            Some(_) => Ok(()),
            None => Err(self.no_function(identifier)),
        }
    }

    /// The error for a function that a catalog does not have.
    #[must_use]
    pub fn no_function(&self, identifier: &ObjectIdentifier) -> EngineError {
        let known = self.list_functions(&identifier.catalog, &identifier.database);
        fail(
            format!(
                "function '{}.{}' does not exist in catalog '{}'",
                identifier.database, identifier.object, identifier.catalog
            ),
            did_you_mean(&identifier.object, known.iter().map(String::as_str)),
        )
    }

    /// Names of the functions of a database, in lower case, sorted.
    #[must_use]
    pub fn list_functions(&self, catalog: &str, database: &str) -> Vec<String> {
        self.database(catalog, database)
            .map(|database| database.functions.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Whether some database has a function of this lower-case name.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        let mut databases = self
            .catalogs
            .values()
            .flat_map(|catalog| catalog.databases.values());
        databases.any(|database| database.functions.contains_key(name))
    }
}
