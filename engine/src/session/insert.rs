//! INSERT INTO, statement sets and CREATE TABLE AS: queries that end in tables.
//!
//! All inserts of a statement set are one graph, so what they share is computed once, and one job.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::emit::emit_strategy;
use super::enforced::Enforced;
use super::query::{batch_source, bind_constant, bind_query, is_try_resolve, one_line};
use super::tables;
use super::{Session, TableResult};
use crate::catalog::{CatalogManager, CatalogObject, CatalogTable, ObjectIdentifier};
use crate::connectors::SinkFactory;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{self, OnFailure};
use crate::operators::Emission;
use crate::plan::build::{BuildOptions, GraphBuilder, Materialize, SinkTable};
use crate::plan::changes::infer::Inferred;
use crate::plan::errors::from_planner;
use crate::plan::{aggregate_names, determinism, explain, rules, text, used_functions};
use crate::runtime::{self, Graph};
use crate::sql::diagnostics::{SqlDiagnostic, validation};
use crate::sql::statement::{ConflictStrategy, Insert};

/// A query and the table that it fills, planned.
pub(super) struct PlannedInsert {
    table: ObjectIdentifier,
    primary_key: Vec<usize>,
    on_conflict: Option<ConflictStrategy>,
    sink: Arc<dyn SinkFactory>,
    bound: LogicalPlan,
    optimized: LogicalPlan,
    /// The columns that the statement names, in order.
    columns: Vec<String>,
}

#[cfg(test)]
impl PlannedInsert {
    /// The same rows into another sink.
    pub(super) fn with_sink(self, sink: Arc<dyn SinkFactory>) -> Self {
        Self { sink, ..self }
    }
}

/// Starts one job that carries out all of `inserts`.
pub(super) fn run(session: &Session, inserts: &[PlannedInsert], sql: &str) -> Result<TableResult> {
    let (graph, _) = build(session, inserts, For::Running)?;
    let tables: Vec<_> = inserts
        .iter()
        .map(|insert| insert.table.summary())
        .collect();
    let name = match tables.as_slice() {
        [table] => format!("insert-into_{table}"),
        _ => one_line(sql),
    };
    let job = runtime::start(&graph, session.job_options(&name)?)?;
    session.remember(&job);
    let sinks = sink_names(inserts, &tables);
    TableResult::inserted(&sinks, Some(job))
}

/// What the sinks are called, where several go into one table with numbers. Inserts into the same
/// columns of a table are one sink.
fn sink_names(inserts: &[PlannedInsert], tables: &[String]) -> Vec<String> {
    let mut sinks: Vec<(&String, &[String])> = Vec::new();
    let mut names = Vec::new();
    for (table_idx, (table, insert)) in tables.iter().zip(inserts).enumerate() {
        let sink = (table, insert.columns.as_slice());
        if sinks.contains(&sink) {
            continue;
        }
        sinks.push(sink);
        let count = |tables: &[String]| tables.iter().filter(|other| *other == table).count();
        names.push(if count(tables) == 1 {
            table.clone()
        } else {
            let before = tables.get(..table_idx).map_or(0, count);
            format!("{table}_{}", before + 1)
        });
    }
    names
}

/// The plan of `inserts` as EXPLAIN shows it.
pub(super) fn explain_text(
    session: &Session,
    inserts: &[PlannedInsert],
    details: explain::Details,
) -> Result<String> {
    let plan = || -> Result<explain::Plan> {
        let (graph, changes) = build(session, inserts, For::Showing)?;
        Ok(explain::Plan { graph, changes })
    };
    let plans = [text::prefixed(plan)?, plan()?];
    let tables: Vec<_> = inserts.iter().map(|it| it.table.summary()).collect();
    let roots: Vec<_> = inserts
        .iter()
        .zip(&tables)
        .map(|(insert, table)| explain::Root {
            plan: &insert.bound,
            table: Some(table),
        })
        .collect();
    Ok(explain::text(&roots, &plans, details))
}

/// What a graph is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Running,
    Showing,
}

fn build(session: &Session, inserts: &[PlannedInsert], purpose: For) -> Result<(Graph, Inferred)> {
    let config = session.planner_config();
    let mut builder = GraphBuilder::new(BuildOptions::CHANGELOG, &config);
    let mini_batch = session
        .configuration()
        .is_true("table.exec.mini-batch.enabled");
    let plans = match inserts {
        [one] => vec![aggregate_names::apply(one.optimized.clone())?],
        several => several.iter().map(|it| it.optimized.clone()).collect(),
    };
    if is_try_resolve(session) {
        for (insert, plan) in inserts.iter().zip(&plans) {
            // Who keeps rows by a key of its own keeps whole rows.
            let key: &[usize] = match insert.on_conflict {
                Some(ConflictStrategy::Deduplicate) | None => &insert.primary_key,
                Some(_) => &[],
            };
            determinism::check(plan, key, &config)?;
        }
    }
    let plans = used_functions::for_job(plans)?;
    builder.prepare(&plans)?;
    for (insert, plan) in inserts.iter().zip(&plans) {
        builder.set_options(options_for(insert, mini_batch, purpose));
        let built = if session.configuration().is_batch() {
            batch_source(&mut builder, session, plan)?
        } else {
            builder.set_emit(emit_strategy(session, plan)?);
            builder.query(plan)?
        };
        let table = sink_table(session, insert)?;
        builder.insert(&built, table)?;
    }
    builder.finish()
}

fn sink_table(session: &Session, insert: &PlannedInsert) -> Result<SinkTable> {
    let is_batch = session.configuration().is_batch();
    let materialize = session.config("table.exec.sink.upsert-materialize");
    let materialize = match materialize.unwrap_or_default().to_uppercase().as_str() {
        _ if is_batch => Materialize::None,
        "NONE" => Materialize::None,
        "FORCE" => Materialize::Force,
        _ => Materialize::Auto,
    };
    let requires = session.config("table.exec.sink.require-on-conflict");
    Ok(SinkTable {
        name: insert.table.summary(),
        sink: Arc::clone(&insert.sink),
        primary_key: insert.primary_key.clone(),
        // Rows that all have come in are in no order that could be a conflict.
        on_conflict: insert.on_conflict.filter(|_| !is_batch),
        materialize,
        requires_on_conflict: !requires.is_some_and(|it| it.eq_ignore_ascii_case("false")),
    })
}

/// A sink for which only states count gets net changes, unless the order of the changes decides what
/// the state is; one that shows the changes gets every one, and EXPLAIN shows these.
fn options_for(insert: &PlannedInsert, mini_batch: bool, purpose: For) -> BuildOptions {
    let is_ordered = insert.on_conflict.is_some();
    let is_net = mini_batch || (insert.sink.keeps_state() && !is_ordered);
    let emission = if is_net && purpose == For::Running {
        Emission::NetPerStep
    } else {
        Emission::RowByRow
    };
    BuildOptions {
        emission,
        ..BuildOptions::CHANGELOG
    }
}

/// Plans one INSERT.
pub(super) fn plan(session: &Session, insert: &Insert) -> Result<PlannedInsert> {
    if insert.overwrite && !session.configuration().is_batch() {
        return Err(validation(
            "INSERT OVERWRITE runs in batch mode only: streaming mode does not support overwrite"
                .to_owned(),
        ));
    }
    let names = insert.target.names();
    let resolved = session.tables().read(|catalog: &CatalogManager| {
        let identifier = catalog.qualify(&names);
        catalog.get(&identifier)
    })?;
    let CatalogObject::Table(table) = &resolved.object else {
        return Err(validation(format!(
            "'{}' is a view and cannot be written",
            resolved.identifier
        )));
    };
    let bound = bind_query(session, &insert.source.query)?;
    let mut targets = insert
        .columns
        .iter()
        .map(|path| path.object_name().to_owned())
        .collect::<Vec<_>>();
    let bound = if insert.partition.is_empty() {
        bound
    } else {
        with_partition(session, table, insert, bound, &mut targets)?
    };
    let hints = insert.hints.clone();
    let mut sink = tables::sink(session, &resolved.identifier, table, hints)?;
    if insert.overwrite {
        sink = sink.overwriting().ok_or_else(|| {
            validation(format!(
                "INSERT OVERWRITE requires that the connector of table '{}' can replace what is there",
                resolved.identifier.summary()
            ))
        })?;
    }
    let on_conflict = insert.on_conflict;
    let planned = into_table(session, &resolved.identifier, table, sink, bound, &targets)?;
    Ok(PlannedInsert {
        on_conflict,
        columns: targets,
        ..planned
    })
}

/// `PARTITION (column = value, …)`: the query gives the other columns, the values are added behind.
fn with_partition(
    session: &Session,
    table: &CatalogTable,
    insert: &Insert,
    bound: LogicalPlan,
    targets: &mut Vec<String>,
) -> Result<LogicalPlan> {
    let schema = table.sink_schema();
    let fixed: Vec<&str> = insert
        .partition
        .iter()
        .map(|(column, _)| column.value.as_str())
        .collect();
    if targets.is_empty() {
        let others = schema.fields().iter().map(|field| field.name());
        targets.extend(
            others
                .filter(|name| !fixed.contains(&name.as_str()))
                .cloned(),
        );
    }
    let mut columns: Vec<Expr> = bound
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let nothing = datafusion::common::DFSchema::empty();
    for (column, value) in &insert.partition {
        let name = &column.value;
        if !table.partition_keys.contains(name) {
            return Err(EngineError::from(Arc::new(
                SqlDiagnostic::validation(format!("'{name}' is no partition column of the table"))
                    .with_hint(crate::sql::diagnostics::did_you_mean(
                        name,
                        table.partition_keys.iter().map(String::as_str),
                    )),
            )));
        }
        let field = schema
            .field_with_name(name)
            .map_err(|_| EngineError::internal("a partition column is a column"))?;
        let target = FlinkType::from_field(field).as_serializable_string();
        let value = bind_constant(session, value, &nothing)?;
        let value = cast::function(OnFailure::Fail).call(vec![value, lit(target)]);
        columns.push(value.alias(format!("__partition_{name}")));
        targets.push(name.clone());
    }
    LogicalPlanBuilder::from(bound)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)
}

/// Fits a query to a table: as many columns, of types that cast implicitly, NOT NULL enforced.
pub(super) fn into_table(
    session: &Session,
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    sink: Arc<dyn SinkFactory>,
    bound: LogicalPlan,
    targets: &[String],
) -> Result<PlannedInsert> {
    let wanted = table.sink_schema();
    let given = Arc::clone(bound.schema().inner());
    let sources = assign(identifier, &wanted, &given, targets)?;
    let taken = tables::written_metadata(identifier, table)?;
    let mut enforced = Enforced::of(session)?;
    let bound_columns = bound.schema().columns();
    let mut projection = Vec::with_capacity(wanted.fields().len());
    for (field, source) in wanted.fields().iter().zip(&sources) {
        let to = FlinkType::from_field(field);
        let (expr, from) = match source {
            Some(column_idx) => {
                let (Some(column), Some(from)) = (
                    bound_columns.get(*column_idx),
                    given.fields().get(*column_idx),
                ) else {
                    return Err(EngineError::internal("a column of the query is gone"));
                };
                (Expr::Column(column.clone()), FlinkType::from_field(from))
            }
            None => (
                lit(datafusion::common::ScalarValue::Null),
                FlinkType::nullable(TypeRoot::Null),
            ),
        };
        let mut expr = enforced.column(field.name(), expr, &from, &to);
        if let Some(taken) = taken.iter().find(|it| it.field.name() == field.name()) {
            let taken = FlinkType::from_field(&taken.field);
            if taken.root != to.root {
                let target = lit(taken.as_serializable_string());
                expr = cast::function(OnFailure::Fail).call(vec![expr, target]);
            }
        }
        projection.push(expr.alias(field.name().clone()));
    }
    let mut plan = LogicalPlanBuilder::from(bound.clone());
    if let Some(filter) = enforced.filter() {
        plan = plan.filter(filter).map_err(from_planner)?;
    }
    let plan = plan
        .project(projection)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)?;
    let config = session.planner_config();
    let optimized = rules::optimize(plan, &config)?;
    let primary_key = table.primary_key.iter().flat_map(|key| &key.columns);
    let primary_key = primary_key
        .map(|name| Ok(wanted.index_of(name)?))
        .collect::<Result<Vec<_>>>()?;
    Ok(PlannedInsert {
        table: identifier.clone(),
        primary_key,
        on_conflict: None,
        sink,
        bound,
        optimized,
        columns: Vec::new(),
    })
}

/// For every column of the table the column of the query that fills it, or none for NULL.
fn assign(
    identifier: &ObjectIdentifier,
    wanted: &SchemaRef,
    given: &SchemaRef,
    targets: &[String],
) -> Result<Vec<Option<usize>>> {
    let mismatch = |cause: &str| {
        validation(format!(
            "column types of query result and sink for '{}' do not match\nCause: {cause}\n\nQuery schema: {}\nSink schema:  {}",
            identifier.summary(),
            described(given),
            described(wanted)
        ))
    };
    let sources: Vec<Option<usize>> = if targets.is_empty() {
        if wanted.fields().len() != given.fields().len() {
            return Err(mismatch("Different number of columns."));
        }
        (0..wanted.fields().len()).map(Some).collect()
    } else {
        if targets.len() != given.fields().len() {
            return Err(mismatch("Different number of columns."));
        }
        for target in targets {
            if wanted.column_with_name(target).is_none() {
                let names = wanted.fields().iter().map(|field| field.name().as_str());
                return Err(EngineError::from(Arc::new(
                    SqlDiagnostic::validation(format!("unknown target column '{target}'"))
                        .with_hint(crate::sql::diagnostics::did_you_mean(target, names)),
                )));
            }
        }
        wanted
            .fields()
            .iter()
            .map(|field| targets.iter().position(|target| target == field.name()))
            .collect()
    };
    for (column_idx, (field, source)) in wanted.fields().iter().zip(&sources).enumerate() {
        let Some(source) = source.and_then(|source| given.fields().get(source)) else {
            if !field.is_nullable() {
                return Err(validation(format!(
                    "column '{}' has no default value and does not allow NULLs",
                    field.name()
                )));
            }
            continue;
        };
        let (from, to) = (FlinkType::from_field(source), FlinkType::from_field(field));
        if !fits(&from.root, &to.root) {
            return Err(mismatch(&format!(
                "Incompatible types for sink column '{}' at position {column_idx}.",
                field.name()
            )));
        }
    }
    Ok(sources)
}

/// Whether Flink writes a value of `from` into a column of `to` without an explicit cast.
///
/// Source: Flink 2.3, `LogicalTypeCasts.supportsImplicitCast`, as it answers for all pairs of types.
fn fits(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    let width = |root: &T| match root {
        T::TinyInt => Some(1),
        T::SmallInt => Some(2),
        T::Int => Some(4),
        T::BigInt => Some(8),
        _ => None,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (T::Null, _) => true,
        (T::Char(_), T::Char(_) | T::Varchar(_))
        | (T::Varchar(_), T::Varchar(_))
        | (T::Binary(_), T::Binary(_) | T::Varbinary(_))
        | (T::Varbinary(_), T::Varbinary(_))
        | (T::Time(_), T::Time(_))
        | (T::Timestamp(_), T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_))
        | (T::TimestampLtz(_), T::Timestamp(_) | T::TimestampLtz(_))
        | (T::IntervalDayTime { .. }, T::IntervalDayTime { .. })
        | (T::IntervalYearMonth { .. }, T::IntervalYearMonth { .. })
        | (T::Decimal { .. }, T::Decimal { .. } | T::Float | T::Double)
        | (T::Float, T::Decimal { .. } | T::Double)
        | (T::Double, T::Decimal { .. }) => true,
        (T::Array(from), T::Array(to)) | (T::Multiset(from), T::Multiset(to)) => {
            fits(&from.root, &to.root)
        }
        (T::Map(from_key, from_value), T::Map(to_key, to_value)) => {
            fits(&from_key.root, &to_key.root) && fits(&from_value.root, &to_value.root)
        }
        (T::Row(from), T::Row(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| fits(&from.flink_type.root, &to.flink_type.root))
        }
        (from, T::Decimal { .. } | T::Float | T::Double) => width(from).is_some(),
        (from, to) => match (width(from), width(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
    }
}

fn described(schema: &Schema) -> String {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), shown(field)))
        .collect();
    format!("[{}]", fields.join(", "))
}

fn shown(field: &Field) -> String {
    FlinkType::from_field(field).to_string()
}
