//! The tables and views that a session can read, and how their names become plans.
//!
//! ```text
//!   name ──catalog──▶ view:  its query, bound where the view was made
//!                 └─▶ table: TableScan(connector's source) [── Projection(computed columns)]
//! ```
//!
//! Views are expanded where they are used; a view that leads to itself is refused.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::sql::sqlparser::ast;
use parking_lot::RwLock;

use super::{Session, metadata, objects, view_columns};
use crate::catalog::define::ExpressionTypes;
use crate::catalog::functions::FunctionPlace;
use crate::catalog::options::parse_duration;
use crate::catalog::table::TimeAttribute;
use crate::catalog::{
    Attachment, CatalogManager, CatalogObject, CatalogTable, CatalogView, Column, ColumnSource,
    IfExists, ObjectIdentifier,
};
use crate::connectors::{
    ConnectorFactory, ConnectorTable, MetadataColumn, SinkFactory, Source, registry,
};
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::plan::context::{NamedPlan, PhysicalTable, TableResolver, TableWatermark};
use crate::plan::errors::from_planner;
use crate::plan::normalize::table_hint;
use crate::plan::{bind, explain, time};
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean};
use crate::sql::statement::{ExprText, QueryText, Span};

/// How often a watermark is sent at most.
const AUTO_INTERVAL: &str = "pipeline.auto-watermark-interval";
const AUTO_INTERVAL_MS: i64 = 200;

/// The catalogs of a session behind one lock, which is never held while planning.
#[derive(Debug, Default)]
pub(super) struct Tables {
    catalog: RwLock<CatalogManager>,
}

/// A source that was registered directly, as it hangs at its table.
struct RegisteredSource(Arc<dyn Source>);

impl Tables {
    /// Looks at the catalogs.
    pub(super) fn read<T>(&self, look: impl FnOnce(&CatalogManager) -> T) -> T {
        look(&self.catalog.read())
    }

    /// Changes the catalogs.
    pub(super) fn write<T>(&self, change: impl FnOnce(&mut CatalogManager) -> T) -> T {
        change(&mut self.catalog.write())
    }

    /// The full name of a path as users write it.
    pub(super) fn qualify(&self, path: &str) -> ObjectIdentifier {
        let parts = parts_of(path);
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        self.read(|catalog| catalog.qualify(&parts))
    }

    pub(super) fn register_source(&self, name: &str, source: Arc<dyn Source>) -> Result<()> {
        let identifier = self.qualify(name);
        let mut table = CatalogTable::of_schema(&source.schema());
        table.attachment = Some(Attachment(Arc::new(RegisteredSource(source))));
        self.write(|catalog| {
            catalog.create_temporary(&identifier, table.into(), IfExists::Replace)
        })?;
        Ok(())
    }

    pub(super) fn attach_source(&self, name: &str, source: Arc<dyn Source>) -> Result<()> {
        let identifier = self.qualify(name);
        let table = self.read(|catalog| {
            catalog
                .find(&identifier)
                .and_then(|found| found.object.as_table().map(|table| (**table).clone()))
        });
        let Some(mut table) = table else {
            return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
                format!("there is no table '{identifier}'"),
            ))));
        };
        table.attachment = Some(Attachment(Arc::new(RegisteredSource(source))));
        self.write(|catalog| {
            catalog.create_temporary(&identifier, table.into(), IfExists::Replace)
        })?;
        Ok(())
    }

    pub(super) fn create_temporary_view(
        &self,
        name: &str,
        query: QueryText,
        schema: arrow::datatypes::SchemaRef,
    ) -> Result<()> {
        let identifier = self.qualify(name);
        let view = self.view(query, schema, Vec::new(), None);
        self.write(|catalog| {
            catalog.create_temporary(&identifier, view.into(), IfExists::Replace)
        })?;
        Ok(())
    }

    /// A view in the current namespace.
    pub(super) fn view(
        &self,
        query: QueryText,
        schema: arrow::datatypes::SchemaRef,
        column_comments: Vec<Option<String>>,
        comment: Option<String>,
    ) -> CatalogView {
        let namespace = self.read(|catalog| {
            (
                catalog.current_catalog().to_owned(),
                catalog.current_database().to_owned(),
            )
        });
        let mut column_comments = column_comments;
        column_comments.resize(schema.fields().len(), None);
        CatalogView {
            query,
            query_columns: objects::names_of(&schema),
            schema,
            column_comments,
            comment,
            namespace,
        }
    }
}

/// The parts of a path as users write it: separated by dots, backticks around parts that have
/// dots themselves.
pub(super) fn parts_of(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut is_quoted = false;
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '`' if is_quoted && letters.peek() == Some(&'`') => {
                letters.next();
                part.push('`');
            }
            '`' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(std::mem::take(&mut part)),
            letter => part.push(letter),
        }
    }
    parts.push(part);
    parts
}

/// The path with backticks around every part.
pub(super) fn quoted_path(path: &str) -> String {
    let parts: Vec<_> = parts_of(path)
        .iter()
        .map(|part| crate::catalog::quoted(part))
        .collect();
    parts.join(".")
}

/// What a connector learns about a table.
fn connector_table(
    session: &Session,
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    schema: arrow::datatypes::SchemaRef,
    hints: BTreeMap<String, String>,
) -> ConnectorTable {
    let mut options = table.options_map();
    options.extend(hints);
    // These are the runtime's, whatever the connector.
    options.retain(|key, _| !key.starts_with("scan.watermark."));
    ConnectorTable {
        name: identifier.summary(),
        schema,
        metadata: Vec::new(),
        primary_key: table
            .primary_key
            .as_ref()
            .map(|key| key.columns.clone())
            .unwrap_or_default(),
        partition_keys: table.partition_keys.clone(),
        options,
        time_zone: session.configuration().time_zone(),
    }
}

fn without_connector(identifier: &ObjectIdentifier) -> EngineError {
    EngineError::from(Arc::new(
        SqlDiagnostic::validation(format!(
            "table '{identifier}' has no option 'connector', so it cannot be read or written"
        ))
        .with_hint(Some("write WITH ('connector' = '…', …)".to_owned())),
    ))
}

/// The connector of a table.
///
/// # Errors
/// `Options` that name the table if there is no such connector.
fn find_connector(
    identifier: &ObjectIdentifier,
    connector: &str,
) -> Result<Arc<dyn ConnectorFactory>> {
    registry::find(connector).map_err(|error| EngineError::Options {
        message: format!("table '{}': {error}", identifier.summary()),
    })
}

/// The sink of a table.
pub(super) fn sink(
    session: &Session,
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    hints: BTreeMap<String, String>,
) -> Result<Arc<dyn SinkFactory>> {
    if table.attachment.is_some() {
        return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
            format!("table '{identifier}' was made of data and can only be read"),
        ))));
    }
    let connector = table
        .connector()
        .ok_or_else(|| without_connector(identifier))?;
    let factory = find_connector(identifier, connector)?;
    let metadata = metadata::written(identifier, table, factory.as_ref())?;
    if table.distributed.is_some() {
        return Err(EngineError::from(Arc::new(SqlDiagnostic::table(format!(
            "table '{}' is distributed into buckets, but the connector '{connector}' does not \
             write buckets",
            identifier.summary()
        )))));
    }
    let schema = table.physical_schema();
    let mut described = connector_table(session, identifier, table, schema, hints);
    described.metadata = metadata;
    factory.sink(&described)
}

/// The metadata columns of a table in the types in which its connector takes them.
pub(super) fn written_metadata(
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
) -> Result<Vec<MetadataColumn>> {
    match table.connector() {
        Some(connector) => {
            let factory = find_connector(identifier, connector)?;
            metadata::written(identifier, table, factory.as_ref())
        }
        None => Ok(Vec::new()),
    }
}

/// What the binder sees of a session's tables while one statement is planned.
pub(super) struct TableView<'a> {
    session: &'a Session,
    config: &'a Arc<ConfigOptions>,
    scope: RefCell<Scope>,
}

struct Scope {
    /// Catalog and database in which bare names are looked up now.
    namespace: (String, String),
    /// The views around it, outermost first.
    views: Vec<ObjectIdentifier>,
}

impl<'a> TableView<'a> {
    pub(super) fn new(session: &'a Session, config: &'a Arc<ConfigOptions>) -> Self {
        Self {
            session,
            config,
            scope: RefCell::new(Scope {
                namespace: (session.current_catalog(), session.current_database()),
                views: Vec::new(),
            }),
        }
    }

    fn expand(
        &self,
        identifier: &ObjectIdentifier,
        view: &CatalogView,
    ) -> Result<Arc<dyn TableSource>> {
        if self.scope.borrow().views.contains(identifier) {
            return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
                format!("view '{identifier}' leads to itself"),
            ))));
        }
        let outer = {
            let mut scope = self.scope.borrow_mut();
            scope.views.push(identifier.clone());
            std::mem::replace(&mut scope.namespace, view.namespace.clone())
        };
        let plan = bind::bind_query(
            &view.query.query,
            self,
            self.session.functions(),
            self.config,
        );
        {
            let mut scope = self.scope.borrow_mut();
            scope.views.pop();
            scope.namespace = outer;
        }
        let plan = plan
            .and_then(|plan| view_columns::keep(plan, view))
            .map_err(|error| in_view(error, identifier))?;
        Ok(Arc::new(NamedPlan::new(plan)))
    }

    fn scan(
        &self,
        identifier: &ObjectIdentifier,
        table: &CatalogTable,
        hints: BTreeMap<String, String>,
    ) -> Result<Arc<dyn TableSource>> {
        let idle_timeout = self.idle_timeout(table, &hints)?;
        let source = self.source(identifier, table, &hints)?;
        let mut name = identifier.object.clone();
        if !hints.is_empty() {
            // Another source than the table without hints.
            name = explain::with_hints(&name, &hints);
        }
        let reference = TableReference::full(
            identifier.catalog.as_str(),
            identifier.database.as_str(),
            name.as_str(),
        );
        let physical = PhysicalTable {
            name: identifier.summary(),
            watermark: self.watermark(table, &source.schema(), idle_timeout)?,
            primary_key: table
                .primary_key
                .as_ref()
                .map(|key| key.columns.clone())
                .unwrap_or_default(),
            may_repeat: self
                .session
                .configuration()
                .is_true("table.exec.source.cdc-events-duplicate"),
            source,
        };
        let plan = LogicalPlanBuilder::scan(reference, Arc::new(physical), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_planner)?;
        if table.is_all_physical() {
            return Ok(Arc::new(NamedPlan::new(plan)));
        }
        let plan = metadata::named(plan, table)?;
        Ok(Arc::new(NamedPlan::new(self.computed(plan, table)?)))
    }

    fn source(
        &self,
        identifier: &ObjectIdentifier,
        table: &CatalogTable,
        hints: &BTreeMap<String, String>,
    ) -> Result<Arc<dyn Source>> {
        if let Some(Attachment(attached)) = &table.attachment
            && let Some(RegisteredSource(source)) = attached.downcast_ref::<RegisteredSource>()
        {
            return Ok(Arc::clone(source));
        }
        let connector = table
            .connector()
            .ok_or_else(|| without_connector(identifier))?;
        let schema = table.physical_schema();
        let mut described = connector_table(self.session, identifier, table, schema, hints.clone());
        let factory = find_connector(identifier, connector)?;
        described.metadata = metadata::requested(identifier, table, factory.as_ref())?;
        factory.source(&described)
    }

    /// The table's watermark as an expression over what the connector gives.
    fn watermark(
        &self,
        table: &CatalogTable,
        physical: &SchemaRef,
        idle_timeout: Option<Duration>,
    ) -> Result<Option<TableWatermark>> {
        let Some(watermark) = &table.watermark else {
            return Ok(None);
        };
        let [column] = watermark.column.as_slice() else {
            return Err(EngineError::unsupported(
                "a watermark for a field inside of a column",
            ));
        };
        let fields: Vec<Field> = table.columns.iter().map(Column::to_field).collect();
        let all = DFSchema::try_from(Schema::new(fields)).map_err(from_planner)?;
        let physical = DFSchema::try_from(Arc::clone(physical)).map_err(from_planner)?;
        let bind = |expr: &ast::Expr, schema: &DFSchema| {
            let functions = self.session.functions();
            bind::bind_expr(expr, schema, self, functions, self.config)
        };
        let mut computed = metadata::expressions(table);
        let metadata = computed.clone();
        let readable = table.columns.iter();
        let readable = readable.filter(|it| !matches!(it.source, ColumnSource::Computed(_)));
        let readable: Vec<Field> = readable.map(Column::to_field).collect();
        let readable = DFSchema::try_from(Schema::new(readable)).map_err(from_planner)?;
        for column in &table.columns {
            if let ColumnSource::Computed(expr) = &column.source {
                let bound = bind(&expr.expr, &readable)?;
                computed.insert(
                    column.name.clone(),
                    metadata::over_source(bound, &metadata)?,
                );
            }
        }
        let rowtime = Expr::Column(datafusion::common::Column::new_unqualified(column));
        let interval = self.session.configuration().duration(AUTO_INTERVAL)?;
        let to_physical = |expr: Expr| time::over_physical(expr, &computed, &physical, self.config);
        Ok(Some(TableWatermark {
            column: column.clone(),
            rowtime: to_physical(rowtime)?,
            watermark: to_physical(bind(&watermark.expr.expr, &all)?)?,
            interval_ms: interval.map_or(AUTO_INTERVAL_MS, |interval| {
                i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)
            }),
            idle_timeout,
        }))
    }

    /// After how long a reader of the table is idle: by the table's options, else the session's.
    fn idle_timeout(
        &self,
        table: &CatalogTable,
        hints: &BTreeMap<String, String>,
    ) -> Result<Option<Duration>> {
        const OPTION: &str = "scan.watermark.idle-timeout";
        let written = hints.get(OPTION).map(String::as_str);
        let timeout = match written.or_else(|| table.option(OPTION)) {
            Some(text) => Some(parse_duration(text).ok_or_else(|| EngineError::Options {
                message: format!("the value '{text}' of '{OPTION}' is no duration"),
            })?),
            None => self
                .session
                .configuration()
                .duration("table.exec.source.idle-timeout")?,
        };
        Ok(timeout.filter(|timeout| !timeout.is_zero()))
    }

    /// Puts the computed columns in their places.
    fn computed(&self, scan: LogicalPlan, table: &CatalogTable) -> Result<LogicalPlan> {
        let schema = unqualified(scan.schema())?;
        let qualified = Arc::clone(scan.schema());
        let columns = table
            .columns
            .iter()
            .map(|column| match &column.source {
                ColumnSource::Physical | ColumnSource::Metadata { .. } => {
                    let found = qualified
                        .columns()
                        .into_iter()
                        .find(|physical| physical.name == column.name);
                    let found = found.map(Expr::Column).ok_or_else(|| {
                        EngineError::internal(format!("no physical column '{}'", column.name))
                    })?;
                    let is_physical = matches!(column.source, ColumnSource::Physical);
                    match table.time_attribute(column) {
                        Some(TimeAttribute::Rowtime) if !is_physical => {
                            Ok(time::rowtime(found)?.alias(column.name.clone()))
                        }
                        _ => Ok(found),
                    }
                }
                ColumnSource::Computed(expr) => {
                    let expr = bind::bind_expr(
                        &expr.expr,
                        &schema,
                        self,
                        self.session.functions(),
                        self.config,
                    )?;
                    let expr = match table.time_attribute(column) {
                        Some(TimeAttribute::Rowtime) => time::rowtime(expr)?,
                        _ => expr,
                    };
                    Ok(expr.alias(column.name.clone()))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(scan)
            .project(columns)
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_planner)
    }
}

/// An error in a view's query: its place is in another script than the one at hand.
fn in_view(error: EngineError, identifier: &ObjectIdentifier) -> EngineError {
    let EngineError::Sql(diagnostic) = error else {
        return error;
    };
    if diagnostic.message.contains("leads to itself") {
        return EngineError::Sql(diagnostic);
    }
    let mut diagnostic = SqlDiagnostic::clone(&diagnostic);
    diagnostic.message = format!("in view '{}': {}", identifier.summary(), diagnostic.message);
    diagnostic.position = None;
    // A view cannot have meant itself.
    let itself = format!("'{}'", identifier.object);
    diagnostic.hint = diagnostic.hint.filter(|hint| !hint.contains(&itself));
    EngineError::from(Arc::new(diagnostic))
}

/// The schema whose columns have no table before them: how computed columns name them.
fn unqualified(schema: &DFSchema) -> Result<DFSchema> {
    DFSchema::try_from(Arc::clone(schema.inner())).map_err(from_planner)
}

impl TableResolver for TableView<'_> {
    fn resolve(&self, reference: &TableReference) -> Result<Arc<dyn TableSource>> {
        let (names, hints) = match table_hint(reference.table()) {
            Some((names, hints)) => (names, hints),
            None => (names_of(reference), BTreeMap::new()),
        };
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let namespace = self.scope.borrow().namespace.clone();
        let resolved = self.session.tables().read(|catalog| {
            let identifier = catalog.qualify_in((&namespace.0, &namespace.1), &names);
            catalog.get(&identifier)
        })?;
        match &resolved.object {
            CatalogObject::Table(table) => self.scan(&resolved.identifier, table, hints),
            CatalogObject::View(view) => self.expand(&resolved.identifier, view),
        }
    }

    fn resolve_function(&self, names: &[&str]) -> Result<Option<FunctionPlace>> {
        if names.len() > 3 {
            return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
                "the path of a function has one to three names",
            ))));
        }
        let namespace = self.scope.borrow().namespace.clone();
        let place = self
            .session
            .function_place_in((&namespace.0, &namespace.1), names);
        if let Some(place) = &place {
            self.session.ready(place)?;
        }
        Ok(place)
    }

    fn no_function(&self, names: &[&str], span: Span) -> EngineError {
        let known = self.session.callable_functions();
        let name = names.join(".");
        // One of this name in another database is meant, before one that is only similar.
        let last = name.rsplit('.').next().unwrap_or(&name).to_lowercase();
        let elsewhere = known
            .iter()
            .find(|known| known.rsplit_once('.').is_some_and(|(_, it)| it == last))
            .map(|known| format!("did you mean '{known}'?"));
        let similar = || did_you_mean(&name, known.iter().map(String::as_str));
        let mut error = SqlDiagnostic::validation(format!("no function named '{name}'"))
            .with_hint(elsewhere.or_else(similar))
            .with_span("", span);
        error.length = name.chars().count();
        EngineError::from(Arc::new(error))
    }
}

fn names_of(reference: &TableReference) -> Vec<String> {
    match reference {
        TableReference::Bare { table } => vec![table.to_string()],
        TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
        TableReference::Full {
            catalog,
            schema,
            table,
        } => vec![catalog.to_string(), schema.to_string(), table.to_string()],
    }
}

/// Types computed columns and watermarks for the catalog.
impl ExpressionTypes for TableView<'_> {
    fn type_of(&self, expr: &ExprText, columns: &[Column]) -> Result<FlinkType> {
        let fields: Vec<Field> = columns.iter().map(Column::to_field).collect();
        let schema = DFSchema::try_from(Schema::new(fields)).map_err(from_planner)?;
        let bound = bind::bind_expr(
            &expr.expr,
            &schema,
            self,
            self.session.functions(),
            self.config,
        )?;
        let (_, field) = bound.to_field(&schema).map_err(from_planner)?;
        Ok(FlinkType::from_field(&field))
    }
}
