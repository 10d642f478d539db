//! CREATE, ALTER, DROP and DESCRIBE FUNCTION.
//!
//! As in Flink, the code of a function is looked for when a query calls it: a statement may name a
//! module that is added later. What can be found at once is registered at once.
//!
//! ```text
//!   CREATE FUNCTION ──▶ catalog: class and language
//!                  └──▶ resolver ──▶ registry (callable) │ or pending, until a query names it
//! ```

use std::sync::Arc;

use super::{Session, TableResult, sql_functions};
use crate::catalog::functions::CatalogFunction;
use crate::catalog::{ObjectIdentifier, at_path, fail, show};
use crate::connectors::registry;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::functions::FunctionKind;
use crate::functions::user::UserFunction;
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean, validation};
use crate::sql::statement::{
    AlterFunction, CreateFunction, DropObject, FunctionLanguage, ObjectPath, Show, ShowWhat,
    Statement,
};

/// CREATE FUNCTION.
pub(super) fn create(
    session: &Session,
    create: &CreateFunction,
    text: &str,
) -> Result<TableResult> {
    let here = |error| at_path(error, text, &create.name);
    let name = create.name.object_name();
    if create.temporary {
        let is_known = session.functions().user_function(name).is_some()
            && !is_permanent(session, &create.name);
        if is_known || session.is_pending(name) {
            return match create.if_not_exists {
                true => TableResult::ok(),
                false => Err(here(validation(format!(
                    "temporary function '{name}' already exists"
                )))),
            };
        }
        if is_foreign(create) && registry::function(&create.class).is_none() {
            return Err(here(not_python(create)));
        }
        resolve_or_wait(session, create, text)?;
        return TableResult::ok();
    }
    let identifier = qualify(session, &create.name);
    let known = session
        .tables()
        .read(|catalog| catalog.find_function(&identifier).is_some());
    if known {
        return match create.if_not_exists {
            true => TableResult::ok(),
            false => Err(here(fail(
                format!(
                    "function '{}.{}' already exists in catalog '{}'",
                    identifier.database, identifier.object, identifier.catalog
                ),
                Some("drop it first, or write IF NOT EXISTS".to_owned()),
            ))),
        };
    }
    if session.functions().user_function(name).is_none() {
        resolve_or_wait(session, create, text)?;
    }
    session
        .tables()
        .write(|catalog| catalog.put_function(&identifier, definition(create)))
        .map_err(here)?;
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
        class_span: crate::sql::statement::Span::empty(),
    };
    session
        .tables()
        .write(|catalog| catalog.put_function(&identifier, definition(&create)))
        .map_err(here)?;
    session.forget_function(alter.name.object_name());
    resolve_or_wait(session, &create, text)?;
    TableResult::ok()
}

/// DROP FUNCTION; whether there was one.
pub(super) fn drop(session: &Session, drop: &DropObject) -> Result<bool> {
    let name = drop.name.object_name();
    if drop.system && drop.name.parts.len() > 1 {
        return Err(validation(
            "a system function has a name without catalog and database".to_owned(),
        ));
    }
    let identifier = qualify(session, &drop.name);
    if drop.temporary {
        let is_registered = session.functions().kind(name) == FunctionKind::User
            && !is_permanent(session, &drop.name);
        if is_registered || (session.is_pending(name) && !is_permanent(session, &drop.name)) {
            session.forget_function(name);
            return Ok(true);
        }
        if drop.if_exists {
            return Ok(false);
        }
        let known = session.list_user_functions();
        let hint = match is_permanent(session, &drop.name) {
            true => Some("it is not temporary: write DROP FUNCTION".to_owned()),
            false => did_you_mean(name, known.iter().map(String::as_str)),
        };
        let kind = if drop.system { "system" } else { "catalog" };
        return Err(fail(
            format!("temporary {kind} function '{name}' does not exist"),
            hint,
        ));
    }
    let known = session
        .tables()
        .read(|catalog| catalog.find_function(&identifier).is_some());
    if !known {
        if drop.if_exists {
            return Ok(false);
        }
        if session.functions().user_function(name).is_some() {
            return Err(fail(
                format!("function '{name}' is temporary"),
                Some("write DROP TEMPORARY FUNCTION".to_owned()),
            ));
        }
        return Err(session
            .tables()
            .read(|catalog| catalog.no_function(&identifier)));
    }
    session
        .tables()
        .write(|catalog| catalog.drop_function(&identifier))?;
    if !session
        .tables()
        .read(|catalog| catalog.has_function(&name.to_lowercase()))
    {
        session.forget_function(name);
    }
    Ok(true)
}

/// Names of SHOW FUNCTIONS and SHOW USER FUNCTIONS.
pub(super) fn list(session: &Session, show: &Show) -> Vec<String> {
    let (catalog, database) = (session.current_catalog(), session.current_database());
    let within = show.within.as_ref().map(ObjectPath::names);
    let (of_catalog, of_database) = match within.as_deref() {
        Some([named_catalog, named]) => ((*named_catalog).to_owned(), (*named).to_owned()),
        Some([named]) => (catalog.clone(), (*named).to_owned()),
        _ => (catalog.clone(), database.clone()),
    };
    let mut names = session.tables().read(|manager| {
        let mut names = manager.list_functions(&of_catalog, &of_database);
        // What is temporary belongs to no database that the registry knows of.
        let temporary = session.list_user_functions().into_iter();
        names.extend(temporary.filter(|name| !manager.has_function(&name.to_lowercase())));
        names
    });
    if show.what == ShowWhat::Functions {
        names.extend(session.functions().listed_names());
    }
    names.sort();
    names.dedup();
    names
}

/// DESCRIBE FUNCTION [EXTENDED].
pub(super) fn describe(
    session: &Session,
    path: &ObjectPath,
    extended: bool,
) -> Result<arrow::record_batch::RecordBatch> {
    let name = path.object_name();
    session.resolve_pending(name)?;
    let user = session.functions().user_function(name);
    let is_system = user.is_none();
    if is_system
        && matches!(
            session.functions().kind(name),
            FunctionKind::Unknown | FunctionKind::User
        )
    {
        let known = session.list_functions();
        return Err(fail(
            format!("function with the identifier '{path}' does not exist"),
            did_you_mean(name, known.iter().map(String::as_str)),
        ));
    }
    let is_temporary = !is_system && !is_permanent(session, path);
    let mut rows = vec![
        ("is system function", is_system.to_string()),
        ("is temporary", is_temporary.to_string()),
    ];
    if extended {
        let kind = session.functions().flink_kind(name);
        rows.push(("kind", kind.to_owned()));
        rows.push(("requirements", "[]".to_owned()));
        let deterministic = user.as_ref().map_or_else(
            || session.functions().is_deterministic(name),
            |function| function.is_deterministic(),
        );
        rows.push(("is deterministic", deterministic.to_string()));
        rows.push(("supports constant folding", "true".to_owned()));
        rows.push(("signature", format!("{name}(*)")));
        if let Some(function) = &user {
            let result = FlinkType::from_field(function.result()).to_string();
            rows.push(("result", result));
        }
    }
    let (names, values): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(name, value)| (Some(name.to_owned()), Some(value)))
        .unzip();
    show::text_table(&["info name", "info value"], &[names, values])
}

/// Whether a statement has a query or an expression that may call a function.
pub(super) const fn may_call(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::StatementSet(_)
            | Statement::CreateTable(_)
            | Statement::CreateView(_)
            | Statement::AlterView(_)
            | Statement::CreateMaterializedTable(_)
            | Statement::Explain(_)
    )
}

impl Session {
    /// Whether a statement has named code for this function that has not been found yet.
    pub(super) fn is_pending(&self, name: &str) -> bool {
        let pending = self.shared.pending_functions.lock();
        pending.contains_key(&name.to_lowercase())
    }

    /// Takes a function out of what can be called, whatever it is.
    pub(super) fn forget_function(&self, name: &str) {
        self.shared
            .pending_functions
            .lock()
            .remove(&name.to_lowercase());
        self.shared.functions.drop(name);
    }

    /// Looks once more for the code of a function that a statement has named; whether there was
    /// something to look for.
    ///
    /// # Errors
    /// If it still is not there.
    pub(super) fn resolve_pending(&self, name: &str) -> Result<bool> {
        let key = name.to_lowercase();
        let found = self.shared.pending_functions.lock().get(&key).cloned();
        let Some(create) = found else {
            return Ok(false);
        };
        register(self, &create)?;
        self.shared.pending_functions.lock().remove(&key);
        Ok(true)
    }

    /// As [`Self::resolve_pending`], for all functions that a text might call.
    ///
    /// # Errors
    /// If one of them still is not there.
    pub(super) fn resolve_pending_in(&self, text: &str) -> Result<bool> {
        let names: Vec<String> = self
            .shared
            .pending_functions
            .lock()
            .keys()
            .cloned()
            .collect();
        if names.is_empty() {
            return Ok(false);
        }
        let text = text.to_lowercase();
        let mut found = false;
        for name in names.iter().filter(|name| text.contains(name.as_str())) {
            found |= self.resolve_pending(name)?;
        }
        Ok(found)
    }
}

/// Whether the function is in a language that only a JVM runs.
const fn is_foreign(create: &CreateFunction) -> bool {
    matches!(
        create.language,
        FunctionLanguage::Java | FunctionLanguage::Scala
    )
}

/// Makes the function callable, or keeps it for the first call. What an expression in SQL has wrong
/// is told at once.
fn resolve_or_wait(session: &Session, create: &CreateFunction, text: &str) -> Result<()> {
    if let Some(signature) = &create.signature {
        let spec = sql_functions::define(session, create, signature, text)?;
        return session.functions().register(spec, true);
    }
    if session.resolver().is_none() && create.language == FunctionLanguage::Python {
        return Err(EngineError::unsupported(
            "CREATE FUNCTION without a Python interpreter around the session",
        ));
    }
    // The statement is right whatever becomes of the code: the first call tells.
    if register(session, create).is_err() {
        let name = create.name.object_name().to_lowercase();
        session
            .shared
            .pending_functions
            .lock()
            .insert(name, create.clone());
    }
    Ok(())
}

fn register(session: &Session, create: &CreateFunction) -> Result<()> {
    let name = create.name.object_name();
    if is_foreign(create) {
        // A class that a connector has brought along, as those of Nexmark.
        let spec = registry::function(&create.class).ok_or_else(|| not_python(create))?;
        let function = UserFunction::from(spec).named(name);
        return session.functions().register(function, true);
    }
    let Some(resolver) = session.resolver() else {
        return Err(EngineError::unsupported(
            "CREATE FUNCTION without a Python interpreter around the session",
        ));
    };
    let function = resolver.resolve(create)?;
    session.functions().register(function.named(name), true)
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

fn definition(create: &CreateFunction) -> CatalogFunction {
    CatalogFunction {
        class: create.class.clone(),
        language: create.language,
    }
}

fn is_permanent(session: &Session, path: &ObjectPath) -> bool {
    let identifier = qualify(session, path);
    session
        .tables()
        .read(|catalog| catalog.find_function(&identifier).is_some())
}

fn qualify(session: &Session, path: &ObjectPath) -> ObjectIdentifier {
    let names = path.names();
    session.tables().read(|catalog| catalog.qualify(&names))
}
