//! Sessions in Python: statements, registered tables and functions, the catalog, the options.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use tidemill_engine::connectors::values::ValuesSource;
use tidemill_engine::data::Delta;
use tidemill_engine::data::map_keys;
use tidemill_engine::data::types::FlinkType;
use tidemill_engine::session::{ResultContent, ResultKind, Session, TableResult};
use tidemill_engine::sql::script;
use tidemill_engine::{EngineError, Result};

use super::builders::ColumnBuilder;
use super::errors;
use super::functions::{Definition, PythonResolver};
use super::iterable::IterableSource;
use super::job::{PyJob, wait_or_stop};
use super::python_values::Rounding;
use super::query::PyQuery;
use super::result::{PyTableResult, Shape, fields};

/// Rows of a batch that is made of Python values.
const BATCH_ROWS: usize = 8192;

/// A session of the engine.
#[pyclass(frozen, name = "Session", module = "tidemill._native.engine")]
pub(crate) struct PySession {
    session: Session,
}

impl PySession {
    /// The engine's session, for SQL cells and displays.
    pub(crate) fn inner(&self) -> &Session {
        &self.session
    }

    fn time_zone(&self) -> String {
        self.session.configuration().time_zone()
    }

    /// Runs something of the engine without holding the interpreter.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl Send + FnOnce(&Session) -> Result<T>,
    ) -> PyResult<T> {
        py.detach(|| answered(|| work(&self.session)))
            .map_err(|error| errors::to_exception(&error))
    }
}

#[pymethods]
impl PySession {
    #[new]
    fn new(py: Python<'_>, config: BTreeMap<String, String>) -> Self {
        let session = py.detach(|| Session::new(config));
        session.set_function_resolver(Arc::new(PythonResolver {
            options: session.configuration().clone(),
        }));
        Self { session }
    }

    // ---- statements ----

    fn execute(&self, py: Python<'_>, sql: &str) -> PyResult<PyTableResult> {
        let result = self.run(py, |session| {
            session.start_statement(&script::parse_statement(sql)?)
        })?;
        if let Some(job) = self.session.awaited(&result) {
            wait_or_stop(py, job)?;
        }
        let shape = shape_of(sql, &result, self.session.configuration().is_batch());
        Ok(PyTableResult::new(result, self.time_zone(), shape))
    }

    fn query(&self, py: Python<'_>, sql: &str) -> PyResult<PyQuery> {
        let query = self.run(py, |session| session.query(sql))?;
        Ok(PyQuery::new(query, self.time_zone()))
    }

    fn explain(&self, py: Python<'_>, sql: &str) -> PyResult<String> {
        self.run(py, |session| session.explain(sql))
    }

    // ---- tables and functions ----

    /// Registers rows of Python values as a temporary table; with `attach`, as the rows of an
    /// existing one.
    #[pyo3(signature = (name, fields, rows, attach = false))]
    fn register_rows(
        &self,
        py: Python<'_>,
        name: &str,
        fields: Vec<(String, String)>,
        rows: &Bound<'_, PyList>,
        attach: bool,
    ) -> PyResult<()> {
        let schema = schema_of(&fields)?;
        let time_zone = self.time_zone();
        let mut batches = Vec::new();
        let n_rows = rows.len();
        for start in (0..n_rows).step_by(BATCH_ROWS) {
            let end = n_rows.min(start + BATCH_ROWS);
            batches.push(batch_of(py, &schema, rows, start..end, &time_zone)?);
        }
        self.register_batches(py, name, schema, batches, attach)
    }

    /// Registers a Python iterable as a temporary table;
    /// `iterable` is a `tidemill.table.iterable_source.IterableSource`.
    fn register_iterable(
        &self,
        py: Python<'_>,
        name: &str,
        fields: Vec<(String, String)>,
        iterable: Py<PyAny>,
        is_bounded: bool,
    ) -> PyResult<()> {
        let source = IterableSource {
            schema: schema_of(&fields)?,
            iterable: Arc::new(iterable),
            is_bounded,
            time_zone: self.time_zone(),
        };
        self.run(py, |session| {
            session.register_source(name, Arc::new(source))
        })
    }

    /// Registers anything that speaks the Arrow interface as a temporary table.
    #[pyo3(signature = (name, data, fields = None))]
    fn register_arrow(
        &self,
        py: Python<'_>,
        name: &str,
        data: AnyRecordBatch,
        fields: Option<Vec<(String, String)>>,
    ) -> PyResult<()> {
        let table: PyTable = data.into_table()?;
        let (batches, own_schema) = table.into_inner();
        let schema = match fields {
            Some(fields) => schema_of(&fields)?,
            None => flink_schema(&own_schema),
        };
        let batches = batches
            .iter()
            .map(|batch| cast_batch(batch, &schema))
            .collect::<Result<Vec<_>>>()
            .map_err(|error| errors::to_exception(&error))?;
        self.register_batches(py, name, schema, batches, false)
    }

    fn create_temporary_view(&self, py: Python<'_>, name: &str, sql: &str) -> PyResult<()> {
        self.run(py, |session| session.create_temporary_view(name, sql))
    }

    fn drop_temporary_view(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.run(py, |session| session.drop_temporary_view(name))
    }

    fn drop_temporary_table(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.run(py, |session| session.drop_temporary_table(name))
    }

    /// Makes a Python function callable from every database; `definition` is what
    /// `tidemill.table.udf_runtime.define` gives.
    fn register_function(
        &self,
        py: Python<'_>,
        name: &str,
        definition: Definition,
        replace: bool,
    ) -> PyResult<()> {
        let spec =
            definition.into_function(&name.replace('`', ""), self.session.configuration())?;
        self.run(py, |session| session.register_function(spec, replace))
    }

    /// Makes a Python function callable in the database of its path.
    fn register_temporary_function(
        &self,
        py: Python<'_>,
        path: &str,
        definition: Definition,
    ) -> PyResult<()> {
        let name = path.replace('`', "");
        let name = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(_, name)| name);
        let spec = definition.into_function(name, self.session.configuration())?;
        self.run(py, |session| {
            session.register_temporary_function(path, spec)
        })
    }

    fn drop_function(&self, name: &str) -> bool {
        self.session.drop_function(&name.replace('`', ""))
    }

    fn drop_temporary_function(&self, path: &str) -> bool {
        self.session.drop_temporary_function(path)
    }

    // ---- catalog ----

    fn list_tables(&self) -> Vec<String> {
        self.session.list_tables()
    }

    fn list_temporary_tables(&self) -> Vec<String> {
        self.session.list_temporary_tables()
    }

    fn list_temporary_models(&self) -> Vec<String> {
        self.session.list_temporary_models()
    }

    /// Comment and options of a database; none if there is no such database.
    fn database(
        &self,
        catalog: &str,
        database: &str,
    ) -> Option<(Option<String>, BTreeMap<String, String>)> {
        self.session.database(catalog, database)
    }

    fn replace_database(
        &self,
        catalog: &str,
        database: &str,
        comment: Option<String>,
        options: BTreeMap<String, String>,
    ) -> PyResult<()> {
        self.session
            .replace_database(catalog, database, comment, options)
            .map_err(|error| errors::to_exception(&error))
    }

    fn list_views(&self) -> Vec<String> {
        self.session.list_views()
    }

    fn list_functions(&self) -> Vec<String> {
        self.session.list_functions()
    }

    fn list_user_functions(&self) -> Vec<String> {
        self.session.list_user_functions()
    }

    fn list_catalogs(&self) -> Vec<String> {
        self.session.list_catalogs()
    }

    fn list_databases(&self) -> Vec<String> {
        self.session.list_databases()
    }

    fn current_catalog(&self) -> String {
        self.session.current_catalog()
    }

    fn current_database(&self) -> String {
        self.session.current_database()
    }

    fn use_catalog(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.run(py, |session| session.use_catalog(name))
    }

    fn use_database(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.run(py, |session| session.use_database(name))
    }

    fn table_schema(&self, py: Python<'_>, name: &str) -> PyResult<Vec<(String, String)>> {
        Ok(fields(&self.run(py, |session| session.table_schema(name))?))
    }

    fn table_options(
        &self,
        py: Python<'_>,
        path: Vec<String>,
    ) -> PyResult<BTreeMap<String, String>> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.run(py, |session| session.table_options(&path))
    }

    // ---- options and jobs ----

    fn config(&self, key: &str) -> Option<String> {
        self.session.config(key)
    }

    fn set_config(&self, py: Python<'_>, key: &str, value: &str) -> PyResult<()> {
        self.run(py, |session| session.set_config(key, value))
    }

    fn all_config(&self) -> BTreeMap<String, String> {
        self.session.all_config()
    }

    fn jobs(&self) -> Vec<PyJob> {
        self.session.jobs().into_iter().map(PyJob::new).collect()
    }
}

impl PySession {
    fn register_batches(
        &self,
        py: Python<'_>,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        attach: bool,
    ) -> PyResult<()> {
        let deltas = batches.into_iter().map(Delta::insert_only).collect();
        self.run(py, |session| {
            let source = Arc::new(ValuesSource::try_new(schema, deltas)?);
            if attach {
                session.attach_source(name, source)
            } else {
                session.register_source(name, source)
            }
        })
    }
}

/// A panic of the engine as an error: a bug of ours in one statement must not end the cell with
/// something that `except Exception` does not catch.
pub(super) fn answered<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(EngineError::internal(format!(
            "the engine panicked: {what}"
        )))
    })
}

/// DDL says `OK`, INSERT `-1` and EXPLAIN gives a text: Flink prints these as they are.
fn shape_of(sql: &str, result: &TableResult, is_batch: bool) -> Shape {
    const QUERY_WORDS: [&str; 4] = ["SELECT", "WITH", "VALUES", "("];
    if matches!(result.content, ResultContent::Changes(_)) {
        return if is_batch {
            Shape::FinalRows
        } else {
            Shape::Changelog
        };
    }
    let first_word = sql.split_whitespace().next().unwrap_or_default();
    let first_word = first_word.to_ascii_uppercase();
    if QUERY_WORDS.iter().any(|word| first_word.starts_with(word)) {
        Shape::FinalRows
    } else if result.kind == ResultKind::Success || result.job.is_some() || first_word == "EXPLAIN"
    {
        Shape::Raw
    } else {
        Shape::Listing
    }
}

/// Reads Flink's text of a type.
pub(super) fn parse_type(text: &str) -> PyResult<FlinkType> {
    FlinkType::parse(text).map_err(|error| errors::to_exception(&error))
}

fn schema_of(fields: &[(String, String)]) -> PyResult<SchemaRef> {
    let fields = fields
        .iter()
        .map(|(name, text)| Ok(parse_type(text)?.to_arrow_field(name)))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// The schema with each Arrow type replaced by the one in which its Flink type lies.
fn flink_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let value_field = match field.data_type() {
                arrow::datatypes::DataType::Dictionary(_, value) => field
                    .as_ref()
                    .clone()
                    .with_data_type(value.as_ref().clone()),
                _ => field.as_ref().clone(),
            };
            FlinkType::from_field(&map_keys::engine_field(&value_field))
                .to_arrow_field(field.name())
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn cast_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return Err(EngineError::Data {
            message: format!(
                "the data has {} columns, the schema {}",
                batch.num_columns(),
                schema.fields().len()
            ),
        });
    }
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            let plain = map_keys::plain_type(field.data_type());
            map_keys::from_plain(&arrow::compute::cast(column, &plain)?, field.data_type())
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// Some rows of a list of sequences as a batch.
pub(super) fn batch_of(
    py: Python<'_>,
    schema: &SchemaRef,
    rows: &Bound<'_, PyList>,
    range: std::ops::Range<usize>,
    time_zone: &str,
) -> PyResult<RecordBatch> {
    let n_rows = range.len();
    let mut builders = schema
        .fields()
        .iter()
        .map(|field| ColumnBuilder::try_new(py, field, n_rows, time_zone, Rounding::HalfUp))
        .collect::<PyResult<Vec<_>>>()?;
    for row_idx in range {
        let row = rows.get_item(row_idx)?;
        for (column_idx, builder) in builders.iter_mut().enumerate() {
            builder
                .append(&row.get_item(column_idx)?)
                .map_err(|mismatch| {
                    let name = schema.field(column_idx).name();
                    let message = format!("column '{name}', row {row_idx}: {mismatch}");
                    pyo3::exceptions::PyTypeError::new_err(message)
                })?;
        }
    }
    let columns = builders
        .into_iter()
        .map(ColumnBuilder::finish)
        .collect::<Result<Vec<_>>>()
        .map_err(|error| errors::to_exception(&error))?;
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| errors::to_exception(&EngineError::from(error)))
}
