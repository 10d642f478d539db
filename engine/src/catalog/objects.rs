//! Tables and views of the catalogs: found, added, replaced, renamed, dropped.

use super::{
    CatalogManager, CatalogObject, CatalogTable, CatalogView, IfExists, ObjectIdentifier, Resolved,
    fail,
};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::did_you_mean;

/// How the names of tables begin that only a program knows: lists leave them out.
const ANONYMOUS: &str = "*anonymous_";

impl CatalogManager {
    /// What a full name stands for; temporary objects first.
    #[must_use]
    pub fn find(&self, identifier: &ObjectIdentifier) -> Option<Resolved> {
        let resolved = |object: &CatalogObject, temporary| Resolved {
            identifier: identifier.clone(),
            object: object.clone(),
            temporary,
        };
        if let Some(object) = self.temporary.get(identifier) {
            return Some(resolved(object, true));
        }
        let database = self.database(&identifier.catalog, &identifier.database)?;
        let object = database.objects.get(&identifier.object)?;
        Some(resolved(object, false))
    }

    /// What a full name stands for.
    ///
    /// # Errors
    /// If it stands for nothing: with the most similar name that does.
    pub fn get(&self, identifier: &ObjectIdentifier) -> Result<Resolved> {
        self.find(identifier).ok_or_else(|| {
            let catalogs = self.list_catalogs().join(", ");
            let known = self.list_tables(&identifier.catalog, &identifier.database);
            let hint = did_you_mean(&identifier.object, known.iter().map(String::as_str))
                .or_else(|| self.elsewhere(identifier));
            fail(
                format!(
                    "cannot find table '{identifier}' in any of the catalogs [{catalogs}], nor as \
                     a temporary table"
                ),
                hint,
            )
        })
    }

    /// A hint to a table of the same name in another database.
    fn elsewhere(&self, identifier: &ObjectIdentifier) -> Option<String> {
        let temporary = self.temporary.keys().cloned();
        let permanent = self.catalogs.iter().flat_map(|(catalog, entry)| {
            entry.databases.iter().flat_map(move |(database, entry)| {
                entry.objects.keys().map(move |object| ObjectIdentifier {
                    catalog: catalog.clone(),
                    database: database.clone(),
                    object: object.clone(),
                })
            })
        });
        temporary
            .chain(permanent)
            .find(|other| other.object == identifier.object)
            .map(|other| format!("did you mean {other}?"))
    }

    /// Names of tables and views of a database, temporary ones included, sorted.
    #[must_use]
    pub fn list_tables(&self, catalog: &str, database: &str) -> Vec<String> {
        self.list(catalog, database, |_| true)
    }

    /// Names of views of a database, temporary ones included, sorted.
    #[must_use]
    pub fn list_views(&self, catalog: &str, database: &str) -> Vec<String> {
        self.list(catalog, database, |object| object.as_view().is_some())
    }

    /// Names of the materialized tables of a database, sorted.
    #[must_use]
    pub fn list_materialized_tables(&self, catalog: &str, database: &str) -> Vec<String> {
        self.list(catalog, database, |object| {
            object
                .as_table()
                .is_some_and(|table| table.materialized.is_some())
        })
    }

    fn list(
        &self,
        catalog: &str,
        database: &str,
        is_wanted: impl Fn(&CatalogObject) -> bool,
    ) -> Vec<String> {
        let permanent = self.database(catalog, database).into_iter();
        let permanent = permanent
            .flat_map(|entry| &entry.objects)
            .filter(|(_, object)| is_wanted(object))
            .map(|(name, _)| name.clone());
        let temporary = self.temporary.iter().filter(|(identifier, object)| {
            identifier.catalog == catalog
                && identifier.database == database
                && !identifier.object.starts_with(ANONYMOUS)
                && is_wanted(object)
        });
        let mut names: Vec<String> = permanent
            .chain(temporary.map(|(identifier, _)| identifier.object.clone()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Names of temporary tables and views of a database, sorted.
    #[must_use]
    pub fn list_temporary(&self, catalog: &str, database: &str) -> Vec<String> {
        self.temporary
            .keys()
            .filter(|identifier| identifier.catalog == catalog && identifier.database == database)
            .filter(|identifier| !identifier.object.starts_with(ANONYMOUS))
            .map(|identifier| identifier.object.clone())
            .collect()
    }

    /// Adds a permanent table or view; whether something changed.
    ///
    /// # Errors
    /// If there is no such database, or the name is taken and `if_exists` says to fail.
    pub fn create(
        &mut self,
        identifier: &ObjectIdentifier,
        object: CatalogObject,
        if_exists: IfExists,
    ) -> Result<bool> {
        let ObjectIdentifier {
            catalog,
            database,
            object: name,
        } = identifier;
        if !self.catalogs.contains_key(catalog) {
            return Err(self.no_catalog(catalog));
        }
        let Some(entry) = self.database_mut(catalog, database) else {
            return Err(self.no_database(catalog, database));
        };
        if entry.objects.contains_key(name) {
            match if_exists {
                IfExists::Keep => return Ok(false),
                IfExists::Fail => {
                    return Err(fail(
                        format!(
                            "table (or view) '{database}.{name}' already exists in catalog \
                             '{catalog}'"
                        ),
                        Some("drop it first, or write IF NOT EXISTS".to_owned()),
                    ));
                }
                IfExists::Replace => {}
            }
        }
        entry.objects.insert(name.clone(), object);
        Ok(true)
    }

    /// Adds a temporary table or view; whether something changed. Catalog and database need not
    /// exist, as in Flink.
    ///
    /// # Errors
    /// If the name is taken by another temporary object and `if_exists` says to fail.
    pub fn create_temporary(
        &mut self,
        identifier: &ObjectIdentifier,
        object: CatalogObject,
        if_exists: IfExists,
    ) -> Result<bool> {
        if self.temporary.contains_key(identifier) {
            match if_exists {
                IfExists::Keep => return Ok(false),
                IfExists::Fail => {
                    return Err(fail(
                        format!("temporary table '{identifier}' already exists"),
                        Some("drop it first, or write IF NOT EXISTS".to_owned()),
                    ));
                }
                IfExists::Replace => {}
            }
        }
        self.temporary.insert(identifier.clone(), object);
        Ok(true)
    }

    /// Removes a table; whether there was one.
    ///
    /// # Errors
    /// If it does not exist and `if_exists` is not set, is a view, or is hidden by a temporary one.
    pub fn drop_table(
        &mut self,
        identifier: &ObjectIdentifier,
        temporary: bool,
        if_exists: bool,
    ) -> Result<bool> {
        let is_table = |object: &CatalogObject| {
            object
                .as_table()
                .is_some_and(|table| table.materialized.is_none())
        };
        self.drop_object(identifier, temporary, if_exists, ("table", &is_table))
    }

    /// Removes a materialized table; whether there was one.
    ///
    /// # Errors
    /// As [`Self::drop_table`].
    pub fn drop_materialized_table(
        &mut self,
        identifier: &ObjectIdentifier,
        if_exists: bool,
    ) -> Result<bool> {
        let is_materialized = |object: &CatalogObject| {
            object
                .as_table()
                .is_some_and(|table| table.materialized.is_some())
        };
        let kind = ("materialized table", &is_materialized as &dyn Fn(&_) -> _);
        self.drop_object(identifier, false, if_exists, kind)
    }

    /// Removes a view; whether there was one.
    ///
    /// # Errors
    /// As [`Self::drop_table`].
    pub fn drop_view(
        &mut self,
        identifier: &ObjectIdentifier,
        temporary: bool,
        if_exists: bool,
    ) -> Result<bool> {
        let is_view = |object: &CatalogObject| object.as_view().is_some();
        self.drop_object(identifier, temporary, if_exists, ("view", &is_view))
    }

    fn drop_object(
        &mut self,
        identifier: &ObjectIdentifier,
        temporary: bool,
        if_exists: bool,
        (kind, is_kind): (&str, &dyn Fn(&CatalogObject) -> bool),
    ) -> Result<bool> {
        let hidden_by = self
            .temporary
            .get(identifier)
            .filter(|object| is_kind(object));
        if temporary {
            if hidden_by.is_some() {
                self.temporary.remove(identifier);
                return Ok(true);
            }
            if if_exists {
                return Ok(false);
            }
            let message = format!("temporary {kind} '{}' does not exist", identifier.summary());
            return Err(self.not_dropped(identifier, message));
        }
        if hidden_by.is_some() {
            return Err(fail(
                format!(
                    "temporary {kind} with identifier '{identifier}' exists. Drop it first before \
                     removing the permanent {kind}"
                ),
                Some(format!("write DROP TEMPORARY {}", kind.to_uppercase())),
            ));
        }
        let database = self.database_mut(&identifier.catalog, &identifier.database);
        if let Some(entry) = database
            && entry.objects.get(&identifier.object).is_some_and(is_kind)
        {
            entry.objects.remove(&identifier.object);
            return Ok(true);
        }
        if if_exists {
            return Ok(false);
        }
        let message = format!(
            "{kind} with identifier '{}' does not exist",
            identifier.summary()
        );
        Err(self.not_dropped(identifier, message))
    }

    fn not_dropped(&self, identifier: &ObjectIdentifier, message: String) -> EngineError {
        let hint = match self.find(identifier).map(|resolved| resolved.object) {
            Some(CatalogObject::Table(table)) if table.materialized.is_some() => {
                Some("write DROP MATERIALIZED TABLE".to_owned())
            }
            Some(CatalogObject::Table(_)) => Some("it is a table: write DROP TABLE".to_owned()),
            Some(CatalogObject::View(_)) => Some("it is a view: write DROP VIEW".to_owned()),
            None => {
                let known = self.list_tables(&identifier.catalog, &identifier.database);
                did_you_mean(&identifier.object, known.iter().map(String::as_str))
            }
        };
        fail(message, hint)
    }

    /// Gives a table or view another name in its database.
    ///
    /// # Errors
    /// If it does not exist, is temporary, or the new name is taken.
    pub fn rename(&mut self, from: &ObjectIdentifier, to: &ObjectIdentifier) -> Result<()> {
        let resolved = self.get(from)?;
        if resolved.temporary {
            return Err(fail(
                format!("'{from}' does not exist or is temporary"),
                None,
            ));
        }
        // As in Flink, a catalog and a database before the new name say nothing.
        let taken = self
            .database(&from.catalog, &from.database)
            .is_some_and(|entry| entry.objects.contains_key(&to.object));
        if taken {
            return Err(fail(
                format!(
                    "table (or view) '{}.{}' already exists",
                    from.database, to.object
                ),
                None,
            ));
        }
        if let Some(entry) = self.database_mut(&from.catalog, &from.database)
            && let Some(object) = entry.objects.remove(&from.object)
        {
            entry.objects.insert(to.object.clone(), object);
        }
        Ok(())
    }

    /// Puts an altered table or view where the old one was, temporary or not.
    ///
    /// # Errors
    /// If there is nothing under the name.
    pub fn replace(&mut self, identifier: &ObjectIdentifier, object: CatalogObject) -> Result<()> {
        if self.get(identifier)?.temporary {
            self.temporary.insert(identifier.clone(), object);
        } else if let Some(entry) = self.database_mut(&identifier.catalog, &identifier.database) {
            entry.objects.insert(identifier.object.clone(), object);
        }
        Ok(())
    }
}

impl From<CatalogTable> for CatalogObject {
    fn from(table: CatalogTable) -> Self {
        Self::Table(std::sync::Arc::new(table))
    }
}

impl From<CatalogView> for CatalogObject {
    fn from(view: CatalogView) -> Self {
        Self::View(std::sync::Arc::new(view))
    }
}
