//! CREATE, ALTER, DROP and DESCRIBE FUNCTION, and functions that programs register.
//!
//! As in Flink, the code of a function is looked for when a statement calls it: CREATE FUNCTION may
//! name a module that is added later. Where names lead is the catalog's to say
//! (`catalog/functions.rs`); the code of those that have been called waits in the registry, under
//! the key of their place.
//!
//! ```text
//!   CREATE FUNCTION ──▶ catalog: class and language ──the first call──▶ resolver ──▶ registry
//!   create_temporary_function(f) ──▶ catalog: a name only ──────────────────────────▶ registry
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Session, TableResult, sql_functions};
use crate::catalog::functions::{CatalogFunction, FunctionPlace, key_of};
use crate::catalog::{ObjectIdentifier, as_kind, at_path, fail, show};
use crate::connectors::registry;
use crate::error::{EngineError, Result};
use crate::functions::FunctionKind;
use crate::functions::udf::INLINE;
use crate::functions::user::UserFunction;
use crate::sql::diagnostics::{SqlDiagnostic, SqlErrorKind, did_you_mean, validation};
use crate::sql::statement::{
    AlterFunction, CreateFunction, DropObject, FunctionLanguage, ObjectPath, Show, ShowWhat, Span,
};

/// CREATE FUNCTION.
pub(super) fn create(
    session: &Session,
    create: &CreateFunction,
    text: &str,
) -> Result<TableResult> {
    let here = |error| at_path(error, text, &create.name);
    let place = place_of(session, &create.name, create.temporary, create.system).map_err(here)?;
    if let Some(exists) = taken(session, &place) {
        return match create.if_not_exists {
            true => TableResult::ok(),
            false => Err(here(exists)),
        };
    }
    // A function of a catalog may name a class that does not exist.
    if create.temporary && is_foreign(create) && registry::function(&create.class).is_none() {
        return Err(here(not_python(create)));
    }
    define(session, &place, create, text)?;
    TableResult::ok()
}

/// ALTER FUNCTION: another implementation for a function of a catalog.
pub(super) fn alter(session: &Session, alter: &AlterFunction, text: &str) -> Result<TableResult> {
    let here = |error| at_path(error, text, &alter.name);
    if alter.temporary {
        let kind = if alter.system { "system" } else { "catalog" };
        return Err(here(validation(format!(
            "altering a temporary {kind} function is not supported"
        ))));
    }
    let identifier = qualify(session, &alter.name);
    let known = session
        .tables()
        .read(|catalog| catalog.find_function(&identifier).is_some());
    if !known {
        if alter.if_exists {
            return TableResult::ok();
        }
        let error = session
            .tables()
            .read(|catalog| catalog.no_function(&identifier));
        return Err(here(error));
    }
    let create = CreateFunction {
        name: alter.name.clone(),
        temporary: false,
        system: false,
        if_not_exists: false,
        class: alter.class.clone(),
        language: alter.language,
        jars: Vec::new(),
        signature: None,
        class_span: Span::empty(),
    };
    let place = FunctionPlace::Catalog {
        identifier,
        temporary: false,
    };
    define(session, &place, &create, text)?;
    TableResult::ok()
}

/// DROP FUNCTION; whether there was one.
pub(super) fn drop(session: &Session, drop: &DropObject) -> Result<bool> {
    let name = drop.name.object_name();
    let place = place_of(session, &drop.name, drop.temporary, drop.system)?;
    if session.drop_function_at(&place)? {
        return Ok(true);
    }
    if drop.if_exists {
        return Ok(false);
    }
    let (kind, identifier) = match &place {
        FunctionPlace::Catalog {
            identifier,
            temporary: false,
        } => {
            let is_temporary = session.tables().read(|catalog| {
                catalog.has_temporary_function(identifier) || catalog.has_system_function(name)
            });
            let error = session
                .tables()
                .read(|catalog| catalog.no_function(identifier));
            return Err(match (is_temporary, error) {
                (true, EngineError::Sql(diagnostic)) => {
                    let hint = "there is a temporary one: write DROP TEMPORARY [SYSTEM] FUNCTION";
                    let diagnostic = SqlDiagnostic::clone(&diagnostic);
                    EngineError::from(Arc::new(diagnostic.with_hint(Some(hint.to_owned()))))
                }
                (_, error) => error,
            });
        }
        FunctionPlace::Catalog { identifier, .. } => ("catalog", Some(identifier)),
        FunctionPlace::System(_) => ("system", None),
    };
    let is_permanent = identifier.is_some_and(|identifier| {
        session
            .tables()
            .read(|catalog| catalog.find_function(identifier).is_some())
    });
    let hint = if is_permanent {
        Some("it is not temporary: write DROP FUNCTION".to_owned())
    } else {
        let known = session.list_user_functions();
        did_you_mean(name, known.iter().map(String::as_str))
    };
    Err(fail(
        format!("temporary {kind} function '{name}' does not exist"),
        hint,
    ))
}

/// Names of SHOW FUNCTIONS and SHOW USER FUNCTIONS: a name that a temporary system function and a
/// function of the database have stands there twice.
pub(super) fn list(session: &Session, show: &Show) -> Vec<String> {
    let (catalog, database) = (session.current_catalog(), session.current_database());
    let within = show.within.as_ref().map(ObjectPath::names);
    let (of_catalog, of_database) = match within.as_deref() {
        Some([named_catalog, named]) => ((*named_catalog).to_owned(), (*named).to_owned()),
        Some([named]) => (catalog, (*named).to_owned()),
        _ => (catalog, database),
    };
    let mut names = session.user_functions_of(&of_catalog, &of_database);
    if show.what == ShowWhat::Functions {
        names.extend(session.functions().builtin_listed_names());
        names.sort();
        names.dedup();
    }
    names
}

/// DESCRIBE FUNCTION [EXTENDED].
pub(super) fn describe(
    session: &Session,
    path: &ObjectPath,
    extended: bool,
) -> Result<arrow::record_batch::RecordBatch> {
    let names = path.names();
    let place = session.function_place(&names);
    if place.is_none() && (names.len() > 1 || !session.is_own_function(path.object_name())) {
        return Err(no_such_function(session, path));
    }
    let is_system = !matches!(place, Some(FunctionPlace::Catalog { .. }));
    let is_temporary = match &place {
        None => false,
        Some(FunctionPlace::System(_)) => true,
        Some(FunctionPlace::Catalog { temporary, .. }) => *temporary,
    };
    let mut rows = vec![
        ("is system function", is_system.to_string()),
        ("is temporary", is_temporary.to_string()),
    ];
    if let (Some(place), false) = (&place, is_system) {
        let found = session
            .tables()
            .read(|catalog| catalog.function_at(place).cloned());
        if let Some(function) = found {
            rows.push(("class name", function.class().to_owned()));
            rows.push(("function language", function.language().to_owned()));
            rows.push(("resource uris", "[]".to_owned()));
        }
    }
    let mut key = path.object_name().to_owned();
    let mut shown = path.object_name().to_owned();
    if let Some(place) = &place {
        // As in Flink, code that is not there is told here, too.
        session.ready(place)?;
        key = place.key();
        if let FunctionPlace::Catalog { identifier, .. } = place {
            shown = identifier.summary();
        }
    }
    if extended {
        let user = session
            .functions()
            .user_function(&key)
            .filter(|_| place.is_some());
        let deterministic = user.as_ref().map_or_else(
            || session.functions().is_deterministic(&key),
            UserFunction::is_deterministic,
        );
        let kind = session.functions().flink_kind(&key);
        rows.push(("kind", kind.to_owned()));
        rows.push(("requirements", "[]".to_owned()));
        rows.push(("is deterministic", deterministic.to_string()));
        rows.push(("supports constant folding", "true".to_owned()));
        rows.push(("signature", format!("{shown}(*)")));
    }
    let (names, values): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(name, value)| (Some(name.to_owned()), Some(value)))
        .unzip();
    show::text_table(&["info name", "info value"], &[names, values])
}

impl Session {
    /// What a name of a function stands for now; none for Flink's own and for no function.
    pub(super) fn function_place(&self, names: &[&str]) -> Option<FunctionPlace> {
        let namespace = (self.current_catalog(), self.current_database());
        self.function_place_in((&namespace.0, &namespace.1), names)
    }

    /// As [`Self::function_place`], looked up from another catalog and database.
    pub(super) fn function_place_in(
        &self,
        namespace: (&str, &str),
        names: &[&str],
    ) -> Option<FunctionPlace> {
        let functions = self.functions();
        self.tables().read(|catalog| {
            catalog.function_place(
                namespace,
                names,
                |name| functions.user_function(name).is_some(),
                |name| self.is_own_function(name),
            )
        })
    }

    /// Whether a name is one of Flink's own functions.
    fn is_own_function(&self, name: &str) -> bool {
        !matches!(self.functions().own_kind(name), FunctionKind::Unknown)
    }

    /// Makes the code of a function callable by the key of its place.
    ///
    /// # Errors
    /// If it cannot be found.
    pub(super) fn ready(&self, place: &FunctionPlace) -> Result<()> {
        let key = place.key();
        if self.functions().user_function(&key).is_some() {
            return Ok(());
        }
        let create = self.tables().read(|catalog| {
            let function = catalog.function_at(place)?;
            function.definition.clone()
        });
        let Some(create) = create else {
            return Err(EngineError::internal(format!(
                "the function '{key}' has neither code nor a definition"
            )));
        };
        let function = found(self, &create)?;
        self.functions().register(function.named(&key), true)
    }

    /// Makes a program's function callable in a database, in place of any other at its path.
    ///
    /// # Errors
    /// Never; the path needs no database.
    pub fn register_temporary_function(
        &self,
        path: &str,
        function: impl Into<UserFunction>,
    ) -> Result<()> {
        let identifier = self.tables().qualify(path);
        self.tables().write(|catalog| {
            catalog.put_temporary_function(&identifier, CatalogFunction { definition: None });
        });
        let function = function.into().named(&key_of(&identifier));
        self.functions().register(function, true)
    }

    /// Forgets a temporary function of a database; whether there was one.
    #[must_use]
    pub fn drop_temporary_function(&self, path: &str) -> bool {
        let identifier = self.tables().qualify(path);
        let place = FunctionPlace::Catalog {
            identifier,
            temporary: true,
        };
        self.drop_function_at(&place).unwrap_or(false)
    }

    /// Forgets a temporary system function; whether there was one.
    #[must_use]
    pub fn drop_function(&self, name: &str) -> bool {
        let place = FunctionPlace::System(name.to_lowercase());
        self.drop_function_at(&place).unwrap_or(false)
    }

    fn drop_function_at(&self, place: &FunctionPlace) -> Result<bool> {
        let was_known = self.tables().write(|catalog| match place {
            FunctionPlace::System(name) => Ok(catalog.drop_system_function(name)),
            FunctionPlace::Catalog {
                identifier,
                temporary: true,
            } => Ok(catalog.drop_temporary_function(identifier)),
            FunctionPlace::Catalog { identifier, .. } => catalog.drop_function(identifier),
        })?;
        let is_system = matches!(place, FunctionPlace::System(_));
        if !was_known && !is_system {
            return Ok(false);
        }
        // One that it has hidden finds its own code again; one that hides it is made ready anew,
        // unless a program has given its code.
        if !self.is_hidden(place) {
            return Ok(self.functions().drop(&place.key()) || was_known);
        }
        Ok(was_known)
    }

    /// Whether a temporary function hides a catalog's function.
    fn is_hidden(&self, place: &FunctionPlace) -> bool {
        let FunctionPlace::Catalog {
            identifier,
            temporary: false,
        } = place
        else {
            return false;
        };
        self.tables()
            .read(|catalog| catalog.has_temporary_function(identifier))
    }

    /// Functions of the user that can be called by their bare names, sorted.
    #[must_use]
    pub fn list_user_functions(&self) -> Vec<String> {
        self.user_functions_of(&self.current_catalog(), &self.current_database())
    }

    fn user_functions_of(&self, catalog: &str, database: &str) -> Vec<String> {
        let mut system: BTreeSet<String> = self
            .tables()
            .read(|catalog| catalog.list_system_functions())
            .into_iter()
            .collect();
        let registered = self.functions().user_names().into_iter();
        system.extend(registered.filter(|name| is_system_name(name)));
        let mut names = self
            .tables()
            .read(|manager| manager.list_functions(catalog, database));
        names.extend(system);
        names.sort();
        names
    }

    /// Every function that can be called by its bare name, sorted: Flink's own by the names that
    /// Flink lists.
    #[must_use]
    pub fn list_functions(&self) -> Vec<String> {
        let mut names = self.functions().builtin_listed_names();
        names.extend(self.list_user_functions());
        names.sort();
        names.dedup();
        names
    }

    /// Every name that can be called in SQL, sorted: Flink's own in upper case, functions of other
    /// databases by their paths.
    #[must_use]
    pub fn callable_functions(&self) -> Vec<String> {
        let mut names = self.functions().builtin_names();
        names.extend(self.list_user_functions());
        let (catalog, database) = (self.current_catalog(), self.current_database());
        let paths = self.tables().read(|manager| manager.function_paths());
        for path in paths {
            if path.catalog != catalog {
                names.push(path.summary());
            } else if path.database != database {
                names.push(format!("{}.{}", path.database, path.object));
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Whether the name under which code is kept is that of a temporary system function that people
/// know of.
fn is_system_name(name: &str) -> bool {
    !name.contains('.') && !name.contains(INLINE)
}

/// The error for a path of no function.
pub(super) fn no_such_function(session: &Session, path: &ObjectPath) -> EngineError {
    let known = session.callable_functions();
    fail(
        format!("function with the identifier '{path}' does not exist"),
        did_you_mean(&path.to_string(), known.iter().map(String::as_str)),
    )
}

/// The place that a statement speaks of.
fn place_of(
    session: &Session,
    path: &ObjectPath,
    temporary: bool,
    system: bool,
) -> Result<FunctionPlace> {
    if !system {
        return Ok(FunctionPlace::Catalog {
            identifier: qualify(session, path),
            temporary,
        });
    }
    if path.parts.len() > 1 {
        let error = validation("a system function has a name without catalog and database".into());
        return Err(as_kind(error, SqlErrorKind::Parse));
    }
    Ok(FunctionPlace::System(path.object_name().to_lowercase()))
}

/// The error that there is a function at this place already, if there is one.
fn taken(session: &Session, place: &FunctionPlace) -> Option<EngineError> {
    let catalog = session.tables();
    match place {
        FunctionPlace::System(name) => {
            let is_taken = catalog.read(|catalog| catalog.has_system_function(name))
                || session.functions().user_function(name).is_some();
            is_taken.then(|| {
                let message = format!("temporary system function '{name}' already exists");
                as_kind(validation(message), SqlErrorKind::Table)
            })
        }
        FunctionPlace::Catalog {
            identifier,
            temporary: true,
        } => catalog
            .read(|catalog| catalog.has_temporary_function(identifier))
            .then(|| {
                validation(format!(
                    "temporary function '{}' already exists",
                    identifier.summary()
                ))
            }),
        FunctionPlace::Catalog { identifier, .. } => catalog
            .read(|catalog| catalog.find_function(identifier).is_some())
            .then(|| {
                fail(
                    format!(
                        "function '{}.{}' already exists in catalog '{}'",
                        identifier.database, identifier.object, identifier.catalog
                    ),
                    Some("drop it first, or write IF NOT EXISTS".to_owned()),
                )
            }),
    }
}

/// Puts a function at its place. What an expression in SQL has wrong is told at once.
fn define(
    session: &Session,
    place: &FunctionPlace,
    create: &CreateFunction,
    text: &str,
) -> Result<()> {
    if create.language == FunctionLanguage::Python && session.resolver().is_none() {
        return Err(EngineError::unsupported(
            "CREATE FUNCTION without a Python interpreter around the session",
        ));
    }
    let code = match &create.signature {
        Some(signature) => Some(sql_functions::define(session, create, signature, text)?),
        None => None,
    };
    let function = CatalogFunction::of(create);
    session
        .tables()
        .write(|catalog| match place {
            FunctionPlace::System(name) => {
                catalog.put_system_function(name, function);
                Ok(())
            }
            FunctionPlace::Catalog {
                identifier,
                temporary: true,
            } => {
                catalog.put_temporary_function(identifier, function);
                Ok(())
            }
            FunctionPlace::Catalog { identifier, .. } => catalog.put_function(identifier, function),
        })
        .map_err(|error| at_path(error, text, &create.name))?;
    if session.is_hidden(place) {
        return Ok(());
    }
    let key = place.key();
    session.functions().drop(&key);
    match code {
        Some(code) => {
            let function = UserFunction::from(code).named(&key);
            session.functions().register(function, true)
        }
        None => Ok(()),
    }
}

/// The code that a definition names.
fn found(session: &Session, create: &CreateFunction) -> Result<UserFunction> {
    if let Some(signature) = &create.signature {
        let code = sql_functions::define(session, create, signature, "")?;
        return Ok(UserFunction::from(code));
    }
    if is_foreign(create) {
        // A class that a connector has brought along, as those of Nexmark.
        let spec = registry::function(&create.class).ok_or_else(|| not_python(create))?;
        return Ok(UserFunction::from(spec));
    }
    let Some(resolver) = session.resolver() else {
        return Err(EngineError::unsupported(
            "CREATE FUNCTION without a Python interpreter around the session",
        ));
    };
    resolver.resolve(create)
}

/// Whether the function is in a language that only a JVM runs.
const fn is_foreign(create: &CreateFunction) -> bool {
    matches!(
        create.language,
        FunctionLanguage::Java | FunctionLanguage::Scala
    )
}

fn not_python(create: &CreateFunction) -> EngineError {
    EngineError::from(Arc::new(
        SqlDiagnostic::validation(format!(
            "function '{}' is written in Java or Scala (class '{}'), and there is no JVM here",
            create.name.object_name(),
            create.class
        ))
        .with_hint(Some(
            "write LANGUAGE PYTHON, or register a native function".to_owned(),
        )),
    ))
}

fn qualify(session: &Session, path: &ObjectPath) -> ObjectIdentifier {
    let names = path.names();
    session.tables().read(|catalog| catalog.qualify(&names))
}
