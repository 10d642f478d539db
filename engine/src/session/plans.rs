//! COMPILE PLAN and EXECUTE PLAN: inserts that were checked once and run later from a file.
//!
//! The file is JSON with the statement and the catalog and database that its names refer to. It is
//! planned again when it is run: state keeps its place, because operators are known by a hash of
//! what they compute, not by the numbers that Flink's plans carry.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Session, TableResult, insert, statements};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::SqlDiagnostic;
use crate::sql::script::{self, ScriptStatement};
use crate::sql::statement::{CompilePlan, Statement};

/// Of the layout of the file.
const VERSION: u64 = 1;

/// COMPILE [AND EXECUTE] PLAN.
pub(super) fn compile(
    session: &Session,
    compile: &CompilePlan,
    script: &ScriptStatement,
) -> Result<TableResult> {
    let path = local_path(&compile.path);
    let exists = Path::new(path).exists();
    if exists && compile.if_not_exists {
        return match compile.executes {
            true => execute(session, path),
            false => TableResult::ok(),
        };
    }
    let text = script.script.as_ref();
    let planned = statements::plan_inserts(session, &compile.inserts, text)?;
    let overwrites = session
        .configuration()
        .is_true("table.plan.force-recompile");
    if exists && !overwrites {
        return Err(EngineError::from(Arc::new(
            SqlDiagnostic::table(format!("cannot overwrite the plan file '{path}'")).with_hint(
                Some(
                    "write IF NOT EXISTS, or set 'table.plan.force-recompile' to 'true'".to_owned(),
                ),
            ),
        )));
    }
    let statement = match compile.inserts.len() {
        1 => script::text_of(text, compile.span),
        _ => format!("EXECUTE {}", script::text_of(text, compile.span)),
    };
    let plan = json!({
        "tidemillPlan": VERSION,
        "catalog": session.current_catalog(),
        "database": session.current_database(),
        "statement": statement,
    });
    std::fs::write(path, format!("{plan:#}\n"))
        .map_err(|error| file_error("write", path, &error))?;
    match compile.executes {
        true => insert::run(session, &planned, &script.text),
        false => TableResult::ok(),
    }
}

/// EXECUTE PLAN.
pub(super) fn execute(session: &Session, path: &str) -> Result<TableResult> {
    let path = local_path(path);
    let text = std::fs::read_to_string(path).map_err(|error| file_error("read", path, &error))?;
    let plan: Value = serde_json::from_str(&text)
        .map_err(|error| table_error(format!("'{path}' is no plan: {error}")))?;
    if plan.get("tidemillPlan").and_then(Value::as_u64) != Some(VERSION) {
        let who = match plan.get("flinkVersion").and_then(Value::as_str) {
            Some(version) => format!("it was compiled by Flink {version}"),
            None => "it was not written by COMPILE PLAN of this version".to_owned(),
        };
        return Err(table_error(format!("the plan '{path}' cannot run: {who}")));
    }
    let field = |name: &str| {
        plan.get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| table_error(format!("the plan '{path}' has no '{name}'")))
    };
    let (catalog, database) = (field("catalog")?, field("database")?);
    let statement = script::parse_statement(field("statement")?)?;
    let inserts = match &statement.statement {
        Statement::Insert(one) => std::slice::from_ref(one.as_ref()),
        Statement::StatementSet(inserts) => inserts.as_slice(),
        _ => return Err(table_error(format!("the plan '{path}' has no INSERT"))),
    };
    let planned = session.in_namespace(catalog, database, || {
        statements::plan_inserts(session, inserts, &statement.script)
    })?;
    insert::run(session, &planned, &statement.text)
}

impl Session {
    /// What `action` gives while names refer to another catalog and database.
    fn in_namespace<T>(
        &self,
        catalog: &str,
        database: &str,
        action: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let before = (self.current_catalog(), self.current_database());
        let switch = |catalog: &str, database: &str| {
            self.tables()
                .write(|manager| manager.use_database(&[catalog, database]))
        };
        if (before.0.as_str(), before.1.as_str()) == (catalog, database) {
            return action();
        }
        switch(catalog, database)?;
        let result = action();
        switch(&before.0, &before.1)?;
        result
    }
}

fn local_path(path: &str) -> &str {
    path.strip_prefix("file://").unwrap_or(path)
}

fn file_error(verb: &str, path: &str, error: &std::io::Error) -> EngineError {
    table_error(format!("cannot {verb} the plan '{path}': {error}"))
}

fn table_error(message: String) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::table(message)))
}
