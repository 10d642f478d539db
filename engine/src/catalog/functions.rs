//! Functions of the user, by name: those of databases, and the temporary ones that hide them. What a
//! function does is the session's to know; here is what CREATE FUNCTION says of it.
//!
//! ```text
//!   f            temporary system function ▸ Flink's own ▸ temporary function of the current
//!                database ▸ the current database's
//!   db.f, c.db.f temporary function of that database ▸ that database's
//! ```
//!
//! Names are found in any case, those of catalogs and databases as they are. Source:
//! `FunctionCatalog` of Flink 2.3, and its answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CatalogManager, ObjectIdentifier, fail};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean};
use crate::sql::statement::{CreateFunction, FunctionLanguage};

/// A function of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFunction {
    /// What CREATE FUNCTION says; none for one that a program has registered.
    pub definition: Option<CreateFunction>,
}

impl CatalogFunction {
    /// The function of a statement.
    #[must_use]
    pub fn of(create: &CreateFunction) -> Self {
        Self {
            definition: Some(create.clone()),
        }
    }

    /// The implementation: `module.function` or a Java class; empty for one of a program.
    #[must_use]
    pub fn class(&self) -> &str {
        let definition = self.definition.as_ref();
        definition.map_or("", |create| create.class.as_str())
    }

    /// Flink's word for its language.
    #[must_use]
    pub fn language(&self) -> &'static str {
        let language = self.definition.as_ref().map(|create| create.language);
        match language.unwrap_or(FunctionLanguage::Python) {
            FunctionLanguage::Java => "JAVA",
            FunctionLanguage::Scala => "SCALA",
            FunctionLanguage::Python => "PYTHON",
            FunctionLanguage::Sql => "SQL",
        }
    }
}

/// What a name of a function of the user stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionPlace {
    /// A temporary function without a database, by its lower-case name.
    System(String),
    /// A function of a database.
    Catalog {
        /// Where it stands; the object's name is in lower case.
        identifier: ObjectIdentifier,
        /// Whether it is temporary.
        temporary: bool,
    },
}

impl FunctionPlace {
    /// The name under which the code of the function is kept: one word for each place, in lower
    /// case. It is the function's name if it has no database.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::System(name) => name.clone(),
            Self::Catalog { identifier, .. } => key_of(identifier),
        }
    }
}

/// The name under which the code of a database's function is kept.
#[must_use]
pub fn key_of(identifier: &ObjectIdentifier) -> String {
    format!(
        "{}.{}.{}",
        folded(&identifier.catalog),
        folded(&identifier.database),
        identifier.object.to_lowercase()
    )
}

/// A name in lower case and without dots that no other name becomes.
fn folded(name: &str) -> String {
    let mut folded = String::new();
    for letter in name.chars() {
        if matches!(letter, '^' | '.') || letter.is_uppercase() {
            folded.push('^');
        }
        folded.extend(letter.to_lowercase());
    }
    folded
}

fn in_lower_case(identifier: &ObjectIdentifier) -> ObjectIdentifier {
    ObjectIdentifier {
        object: identifier.object.to_lowercase(),
        ..identifier.clone()
    }
}

impl CatalogManager {
    /// What a name stands for, looked up from `namespace`; none for a name of no function of the
    /// user, and for one of Flink's own. `is_own` says whether a lower-case name is one of these,
    /// `is_system` whether there is a temporary system function of a program's.
    #[must_use]
    pub fn function_place(
        &self,
        namespace: (&str, &str),
        names: &[&str],
        is_system: impl Fn(&str) -> bool,
        is_own: impl Fn(&str) -> bool,
    ) -> Option<FunctionPlace> {
        if let [name] = names {
            let name = name.to_lowercase();
            if self.system_functions.contains_key(&name) || is_system(&name) {
                return Some(FunctionPlace::System(name));
            }
            if is_own(&name) {
                return None;
            }
        }
        let identifier = in_lower_case(&self.qualify_in(namespace, names));
        let temporary = self.temporary_functions.contains_key(&identifier);
        let is_known = temporary || self.find_function(&identifier).is_some();
        is_known.then_some(FunctionPlace::Catalog {
            identifier,
            temporary,
        })
    }

    /// The function at a place.
    #[must_use]
    pub fn function_at(&self, place: &FunctionPlace) -> Option<&CatalogFunction> {
        match place {
            FunctionPlace::System(name) => self.system_functions.get(name),
            FunctionPlace::Catalog {
                identifier,
                temporary: true,
            } => self.temporary_functions.get(identifier),
            FunctionPlace::Catalog { identifier, .. } => self.find_function(identifier),
        }
    }

    /// A function of a database, by its name in any case.
    #[must_use]
    pub fn find_function(&self, identifier: &ObjectIdentifier) -> Option<&CatalogFunction> {
        let database = self.database(&identifier.catalog, &identifier.database)?;
        database.functions.get(&identifier.object.to_lowercase())
    }

    /// Whether there is a temporary function at this path.
    #[must_use]
    pub fn has_temporary_function(&self, identifier: &ObjectIdentifier) -> bool {
        self.temporary_functions
            .contains_key(&in_lower_case(identifier))
    }

    /// Whether CREATE FUNCTION has made a temporary system function of this name.
    #[must_use]
    pub fn has_system_function(&self, name: &str) -> bool {
        self.system_functions.contains_key(&name.to_lowercase())
    }

    /// Adds a function of a database, or puts it in the place of the one that was there.
    ///
    /// # Errors
    /// A validation error if there is no such catalog, a table error if there is no such database.
    pub fn put_function(
        &mut self,
        identifier: &ObjectIdentifier,
        function: CatalogFunction,
    ) -> Result<()> {
        self.check_catalog(identifier)?;
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

    /// Adds a temporary function at a path, where there need be no database.
    pub fn put_temporary_function(
        &mut self,
        identifier: &ObjectIdentifier,
        function: CatalogFunction,
    ) {
        self.temporary_functions
            .insert(in_lower_case(identifier), function);
    }

    /// Adds a temporary function without a database.
    pub fn put_system_function(&mut self, name: &str, function: CatalogFunction) {
        self.system_functions.insert(name.to_lowercase(), function);
    }

    /// Removes a function of a database; whether there was one.
    ///
    /// # Errors
    /// A validation error if there is no such catalog.
    pub fn drop_function(&mut self, identifier: &ObjectIdentifier) -> Result<bool> {
        self.check_catalog(identifier)?;
        let name = identifier.object.to_lowercase();
        let database = self.database_mut(&identifier.catalog, &identifier.database);
        Ok(database
            .and_then(|database| database.functions.remove(&name))
            .is_some())
    }

    /// Removes a temporary function at a path; whether there was one.
    pub fn drop_temporary_function(&mut self, identifier: &ObjectIdentifier) -> bool {
        self.temporary_functions
            .remove(&in_lower_case(identifier))
            .is_some()
    }

    /// Removes what CREATE FUNCTION says of a temporary system function; whether there was one.
    pub fn drop_system_function(&mut self, name: &str) -> bool {
        self.system_functions.remove(&name.to_lowercase()).is_some()
    }

    fn check_catalog(&self, identifier: &ObjectIdentifier) -> Result<()> {
        match self.catalog(&identifier.catalog) {
            Some(_) => Ok(()),
            None => Err(self.no_catalog(&identifier.catalog)),
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

    /// Names of the functions of a database, temporary ones at its path included, in lower case,
    /// sorted.
    #[must_use]
    pub fn list_functions(&self, catalog: &str, database: &str) -> Vec<String> {
        let temporary = self
            .temporary_functions
            .keys()
            .filter(|identifier| identifier.catalog == catalog && identifier.database == database);
        let mut names: BTreeSet<&String> = temporary.map(|identifier| &identifier.object).collect();
        if let Some(database) = self.database(catalog, database) {
            names.extend(database.functions.keys());
        }
        names.into_iter().cloned().collect()
    }

    /// Names of the temporary system functions that CREATE FUNCTION has made, in lower case, sorted.
    #[must_use]
    pub fn list_system_functions(&self) -> Vec<String> {
        self.system_functions.keys().cloned().collect()
    }

    /// The paths of all functions of databases, temporary ones included, sorted.
    #[must_use]
    pub fn function_paths(&self) -> Vec<ObjectIdentifier> {
        let mut paths: BTreeSet<ObjectIdentifier> =
            self.temporary_functions.keys().cloned().collect();
        for (catalog, entry) in &self.catalogs {
            for (database, entry) in &entry.databases {
                paths.extend(entry.functions.keys().map(|name| ObjectIdentifier {
                    catalog: catalog.clone(),
                    database: database.clone(),
                    object: name.clone(),
                }));
            }
        }
        paths.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_capitals_and_dots_stay_apart() {
        let key = |catalog: &str, database: &str| {
            key_of(&ObjectIdentifier {
                catalog: catalog.to_owned(),
                database: database.to_owned(),
                object: "F".to_owned(),
            })
        };
        assert_eq!(key("default_catalog", "db"), "default_catalog.db.f");
        let keys = [
            key("a", "DB"),
            key("a", "db"),
            key("a.db", ""),
            key("a", ".db"),
        ];
        let distinct: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
        assert!(
            keys.iter().all(|key| *key == key.to_lowercase()),
            "{keys:?}"
        );
    }
}
