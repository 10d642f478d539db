//! Sessions: statements in, results and jobs out.
//!
//! ```text
//!   script ──parse_script──▶ statements ──execute──▶ catalog · configuration   (DDL, SET)
//!                                            ├──────▶ Query ──collect─────▶ job + ChangeStream
//!                                            │           └──materialize──▶ job + MaterializedView
//!                                            └──────▶ job that writes tables  (INSERT)
//! ```
//!
//! A session is one catalog, one configuration and one set of functions. Clones are the same
//! session; it can be used from several threads, and no lock of it is held while a query is
//! planned against foreign functions or a job runs.
pub mod config;

mod emit;

mod keys;

pub mod result;

mod tables;

mod metadata;

mod view_columns;

mod query;

mod enforced;

mod insert;

mod statements;

mod ctas;

mod functions;

mod function_paths;

mod objects;

mod plans;

mod rows;

mod jobs;

mod sql_functions;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use parking_lot::RwLock;

pub use config::Configuration;
pub use query::{OrderKey, Query};
pub use result::{ResultContent, ResultKind, TableResult};

pub use crate::sql::script::ScriptStatement;

use crate::catalog::CatalogManager;
use crate::connectors::Source;
use crate::error::{EngineError, Result};
use crate::functions::FunctionRegistry;
use crate::functions::UserFunction;
use crate::plan::context::config_options;
use crate::plan::errors::with_source;
use crate::plan::explain::Details;
use crate::runtime::{CheckpointOptions, JobHandle, JobOptions, JobStatus, prometheus};
use crate::sql::script;
use crate::sql::statement::{CreateFunction, Statement};
use tables::Tables;

/// In batch mode a step takes in rows without an end in time: nobody sees a result before the last.
const BATCH_STEP_TIME: Duration = Duration::MAX;

/// Turns `CREATE FUNCTION … LANGUAGE PYTHON` into a function: implemented by whoever hosts the
/// language.
pub trait FunctionResolver: Send + Sync {
    /// Finds the code that the statement names.
    ///
    /// # Errors
    /// If it does not exist or is no function.
    fn resolve(&self, statement: &CreateFunction) -> Result<UserFunction>;
}

/// A session. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    config: Configuration,
    functions: FunctionRegistry,
    tables: Tables,
    /// Set once by the host of a language.
    resolver: RwLock<Option<Arc<dyn FunctionResolver>>>,
    /// Jobs that this session has started; ended ones are forgotten when the next one starts.
    jobs: RwLock<Vec<JobHandle>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// A new session with an empty catalog. `config` holds what differs from the defaults.
    #[must_use]
    pub fn new(config: BTreeMap<String, String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                config: Configuration::new(config),
                functions: FunctionRegistry::default(),
                tables: Tables::default(),
                resolver: RwLock::new(None),
                jobs: RwLock::new(Vec::new()),
            }),
        }
    }

    /// All statements of a script. Positions in errors refer to the script.
    ///
    /// # Errors
    /// For the first statement that is none; nothing is given then.
    pub fn parse_script(&self, text: &str) -> Result<Vec<ScriptStatement>> {
        script::parse_script(text)
    }

    /// Runs a text that is exactly one statement.
    ///
    /// # Errors
    /// What the statement's author, a connector or a function did wrong.
    pub fn execute(&self, sql: &str) -> Result<TableResult> {
        self.execute_statement(&script::parse_statement(sql)?)
    }

    /// Runs one statement of a script.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn execute_statement(&self, statement: &ScriptStatement) -> Result<TableResult> {
        let result = self.start_statement(statement)?;
        if let Some(job) = self.awaited(&result)
            && let JobStatus::Failed(error) = job.wait(None)
        {
            return Err(error);
        }
        Ok(result)
    }

    /// The job at whose end a statement has been carried out: that of an INSERT, if `table.dml-sync`
    /// says so.
    #[must_use]
    pub fn awaited<'a>(&self, result: &'a TableResult) -> Option<&'a JobHandle> {
        let writes = !matches!(result.content, ResultContent::Changes(_));
        let job = result.job.as_ref().filter(|_| writes)?;
        self.configuration()
            .is_true("table.dml-sync")
            .then_some(job)
    }

    /// Runs one statement of a script and waits for no job: whoever can be interrupted waits for
    /// that of [`Self::awaited`] itself.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn start_statement(&self, statement: &ScriptStatement) -> Result<TableResult> {
        statements::execute(self, statement).map_err(|error| with_source(error, &statement.script))
    }

    /// Plans a query: SELECT, VALUES or WITH.
    ///
    /// # Errors
    /// If it is no query, or cannot be planned.
    pub fn query(&self, sql: &str) -> Result<Query> {
        self.query_statement(&script::parse_statement(sql)?)
    }

    /// Plans a statement that is a query.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_statement(&self, statement: &ScriptStatement) -> Result<Query> {
        let Statement::Query(query) = &statement.statement else {
            return Err(EngineError::Options {
                message: format!(
                    "a query is expected here (SELECT, VALUES or WITH), not {}",
                    statement.kind()
                ),
            });
        };
        Query::plan(self, &query.query, &statement.text)
            .map_err(|error| with_source(error, &statement.script))
    }

    /// The plan of a query, an INSERT or a statement set, as EXPLAIN shows it.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub fn explain(&self, sql: &str) -> Result<String> {
        let statement = script::parse_statement(sql)?;
        statements::explain_text(self, &statement.statement, sql, Details::default())
            .map_err(|error| with_source(error, &statement.script))
    }

    // --- tables -------------------------------------------------------------------------

    /// Makes any source readable as a temporary table; an older one of this name is replaced.
    ///
    /// # Errors
    /// If the name has more than three parts.
    pub fn register_source(&self, name: &str, source: Arc<dyn Source>) -> Result<()> {
        self.shared.tables.register_source(name, source)
    }

    /// Lets an existing temporary table read `source`, which gives its physical columns.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn attach_source(&self, name: &str, source: Arc<dyn Source>) -> Result<()> {
        self.shared.tables.attach_source(name, source)
    }

    /// Names of temporary tables and views of the current database.
    #[must_use]
    pub fn list_temporary_tables(&self) -> Vec<String> {
        let (catalog, database) = (self.current_catalog(), self.current_database());
        self.shared
            .tables
            .read(|tables| tables.list_temporary(&catalog, &database))
    }

    /// Names of temporary models of the current database.
    #[must_use]
    pub fn list_temporary_models(&self) -> Vec<String> {
        let (catalog, database) = (self.current_catalog(), self.current_database());
        self.shared
            .tables
            .read(|tables| tables.list_temporary_models(&catalog, &database))
    }

    /// Comment and options of a database; none if there is no such database.
    #[must_use]
    pub fn database(
        &self,
        catalog: &str,
        database: &str,
    ) -> Option<(Option<String>, BTreeMap<String, String>)> {
        self.shared.tables.read(|tables| {
            let found = tables.database(catalog, database)?;
            Some((found.comment.clone(), found.options.clone()))
        })
    }

    /// Gives a database another comment and other options; its tables stay.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn replace_database(
        &self,
        catalog: &str,
        database: &str,
        comment: Option<String>,
        options: BTreeMap<String, String>,
    ) -> Result<()> {
        self.shared
            .tables
            .write(|tables| tables.replace_database(catalog, database, comment, options))
    }

    /// Names a query. An older temporary view of this name is replaced.
    ///
    /// # Errors
    /// If the query cannot be planned.
    pub fn create_temporary_view(&self, name: &str, sql: &str) -> Result<()> {
        let query = script::parse_query(sql)?;
        let query =
            function_paths::in_query(self, &query).map_err(|error| with_source(error, sql))?;
        // Planned once, so that a mistake shows here and not where the view is used.
        let planned =
            Query::plan(self, &query.query, sql).map_err(|error| with_source(error, sql))?;
        let schema = planned.schema();
        self.shared
            .tables
            .create_temporary_view(name, query, schema)
    }

    /// Forgets a temporary view; whether there was one.
    ///
    /// # Errors
    /// Never; what does not exist is not dropped.
    pub fn drop_temporary_view(&self, name: &str) -> Result<bool> {
        let identifier = self.shared.tables.qualify(name);
        let tables = &self.shared.tables;
        tables.write(|catalog| catalog.drop_view(&identifier, true, true))
    }

    /// Forgets a temporary table; whether there was one.
    ///
    /// # Errors
    /// Never; what does not exist is not dropped.
    pub fn drop_temporary_table(&self, name: &str) -> Result<bool> {
        let identifier = self.shared.tables.qualify(name);
        let tables = &self.shared.tables;
        tables.write(|catalog| catalog.drop_table(&identifier, true, true))
    }

    /// Schema of the rows that reading `name` gives: computed columns included.
    ///
    /// # Errors
    /// If there is no such table or view.
    pub fn table_schema(&self, name: &str) -> Result<SchemaRef> {
        let names = tables::quoted_path(name);
        Ok(self.query(&format!("SELECT * FROM {names}"))?.schema())
    }

    /// The options of a table by its whole path, secrets included; none of a view.
    ///
    /// # Errors
    /// If there is no such table or view.
    pub fn table_options(&self, path: &[&str]) -> Result<BTreeMap<String, String>> {
        self.shared.tables.read(|catalog| {
            let resolved = catalog.get(&catalog.qualify(path))?;
            let table = resolved.object.as_table();
            Ok(table.map(|table| table.options_map()).unwrap_or_default())
        })
    }

    /// Tables and views of the current database, temporary ones included, sorted.
    #[must_use]
    pub fn list_tables(&self) -> Vec<String> {
        self.shared.tables.read(|catalog| {
            catalog.list_tables(catalog.current_catalog(), catalog.current_database())
        })
    }

    /// Views of the current database, temporary ones included, sorted.
    #[must_use]
    pub fn list_views(&self) -> Vec<String> {
        self.shared.tables.read(|catalog| {
            catalog.list_views(catalog.current_catalog(), catalog.current_database())
        })
    }

    /// All catalogs, sorted.
    #[must_use]
    pub fn list_catalogs(&self) -> Vec<String> {
        self.shared.tables.read(CatalogManager::list_catalogs)
    }

    /// Databases of the current catalog, sorted.
    #[must_use]
    pub fn list_databases(&self) -> Vec<String> {
        self.shared
            .tables
            .read(|catalog| catalog.list_databases(catalog.current_catalog()))
    }

    /// Name of the current catalog.
    #[must_use]
    pub fn current_catalog(&self) -> String {
        self.shared
            .tables
            .read(|catalog| catalog.current_catalog().to_owned())
    }

    /// Name of the current database.
    #[must_use]
    pub fn current_database(&self) -> String {
        self.shared
            .tables
            .read(|catalog| catalog.current_database().to_owned())
    }

    /// Makes a catalog the current one.
    ///
    /// # Errors
    /// If there is no such catalog.
    pub fn use_catalog(&self, name: &str) -> Result<()> {
        self.shared
            .tables
            .write(|catalog| catalog.use_catalog(name))
    }

    /// Makes a database the current one: `database` or `catalog.database`.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn use_database(&self, name: &str) -> Result<()> {
        let parts = tables::parts_of(name);
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        self.shared
            .tables
            .write(|catalog| catalog.use_database(&parts))
    }

    // --- functions ----------------------------------------------------------------------

    /// Makes a foreign function callable from every database, as a temporary system function.
    ///
    /// # Errors
    /// If the name is taken and `replace` is not set.
    pub fn register_function(
        &self,
        function: impl Into<UserFunction>,
        replace: bool,
    ) -> Result<()> {
        self.shared.functions.register(function, replace)
    }

    /// Says who finds the code of `CREATE FUNCTION`.
    pub fn set_function_resolver(&self, resolver: Arc<dyn FunctionResolver>) {
        *self.shared.resolver.write() = Some(resolver);
    }

    // --- configuration ------------------------------------------------------------------

    /// The value of a key, or its default; none if it has neither.
    #[must_use]
    pub fn config(&self, key: &str) -> Option<String> {
        self.shared.config.get(key)
    }

    /// Sets a key. Unknown keys are kept, as in Flink, unless they look like a slip of the pen.
    ///
    /// # Errors
    /// For a misspelt key or a malformed value.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.shared.config.set(key, value)
    }

    /// Takes a key back to its default; all of them without a key.
    pub fn reset_config(&self, key: Option<&str>) {
        self.shared.config.reset(key);
    }

    /// What has been set.
    #[must_use]
    pub fn all_config(&self) -> BTreeMap<String, String> {
        self.shared.config.all()
    }

    // --- jobs ---------------------------------------------------------------------------

    /// Jobs of this session that still run, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobHandle> {
        let jobs = self.shared.jobs.read();
        jobs.iter()
            .filter(|job| !job.status().is_terminal())
            .cloned()
            .collect()
    }

    /// The options of a job that starts now; `name` is what it does.
    fn job_options(&self, name: &str) -> Result<JobOptions> {
        let config = &self.shared.config;
        prometheus::serve_of_config(&config.all())?;
        let options = JobOptions {
            name: config
                .get("pipeline.name")
                .unwrap_or_else(|| name.to_owned()),
            parallelism: config.parallelism(),
            ..JobOptions::default()
        };
        let mut options = options.with_config(|key| config.get(key))?;
        if config.is_batch() {
            // As in Flink, a batch job begins at its beginning and is not saved.
            options.checkpoints = CheckpointOptions::default();
            // Nobody sees a result before the last one.
            options.step_time = BATCH_STEP_TIME;
        }
        Ok(options)
    }

    fn remember(&self, job: &JobHandle) {
        let mut jobs = self.shared.jobs.write();
        jobs.retain(|job| !job.status().is_terminal());
        jobs.push(job.clone());
    }

    fn planner_config(&self) -> Arc<ConfigOptions> {
        let mut config = config_options(&self.shared.config.time_zone());
        // What CURRENT_DATABASE() gives; names are resolved by the catalog itself.
        Arc::make_mut(&mut config).catalog.default_schema = self
            .tables()
            .read(|manager| manager.current_database().to_owned());
        config
    }

    fn functions(&self) -> &FunctionRegistry {
        &self.shared.functions
    }

    fn tables(&self) -> &Tables {
        &self.shared.tables
    }

    /// The session's options; a clone of them follows every change.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.shared.config
    }

    fn resolver(&self) -> Option<Arc<dyn FunctionResolver>> {
        self.shared.resolver.read().clone()
    }
}
