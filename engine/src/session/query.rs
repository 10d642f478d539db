//! A planned query: what it gives, and how to run it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast;

use super::Session;
use super::emit::emit_strategy;
use super::result::{ResultContent, ResultKind, TableResult};
use super::tables::TableView;
use crate::batch::{self, BatchQuery};
use crate::connectors::SinkFactory;
use crate::connectors::collect::{self, DEFAULT_BUFFER_ROWS};
use crate::connectors::view::{self, MaterializedView, ViewOptions};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
#[cfg(test)]
use crate::plan::build::SinkTable;
use crate::plan::build::{BuildOptions, Built, EmitStrategy, GraphBuilder};
use crate::plan::{aggregate_names, bind, determinism, explain, rules, text, used_functions};
use crate::runtime::restart::RestartStrategy;
use crate::runtime::{self, JobHandle, JobOptions};

/// A key of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderKey {
    /// Index of the column in the result.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// Whether NULL comes before all values.
    pub nulls_first: bool,
}

/// A query that has been planned and validated. It can be run any number of times.
#[derive(Clone)]
pub struct Query {
    session: Session,
    sql: String,
    /// As bound: for EXPLAIN and for views over it.
    bound: LogicalPlan,
    optimized: LogicalPlan,
    /// When its group windows tell what they have, if not only at their end.
    emit: Option<EmitStrategy>,
    schema: SchemaRef,
    mode: ChangelogMode,
    is_bounded: bool,
    ends: bool,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("sql", &self.sql)
            .finish_non_exhaustive()
    }
}

impl Query {
    /// Plans `query`; `sql` is its text, for people.
    pub(super) fn plan(session: &Session, query: &ast::Query, sql: &str) -> Result<Self> {
        let bound = bind_query(session, query)?;
        Self::of_plan(session, bound, sql)
    }

    fn of_plan(session: &Session, bound: LogicalPlan, sql: &str) -> Result<Self> {
        let config = session.planner_config();
        let optimized = aggregate_names::apply(rules::optimize(bound.clone(), &config)?)?;
        if session.configuration().is_batch() {
            // Made to be checked: an unbounded table is refused here and not while running.
            let mut builder = GraphBuilder::new(BuildOptions::BATCH, &config);
            let schema = batch_source(&mut builder, session, &bound)?.schema;
            return Ok(Self {
                session: session.clone(),
                sql: sql.to_owned(),
                schema,
                mode: ChangelogMode::INSERT_ONLY,
                is_bounded: true,
                ends: true,
                bound,
                optimized,
                emit: None,
            });
        }
        let emit = emit_strategy(session, &optimized)?;
        // Building shows what does not run here before anything is started.
        let mut builder = GraphBuilder::new(BuildOptions::PLAN, &config);
        builder.set_emit(emit);
        builder.prepare([&optimized])?;
        let built = builder.query_as(&optimized, bound.schema().inner())?;
        Ok(Self {
            session: session.clone(),
            sql: sql.to_owned(),
            schema: built.schema,
            mode: built.mode,
            is_bounded: built.bounded,
            ends: built.ends,
            bound,
            optimized,
            emit,
        })
    }

    /// Schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The text of the query.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether all tables that it reads end.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    /// Whether it ends by itself: it is bounded, or a LIMIT stops reading what is not, as soon as
    /// so many rows have come.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.ends
    }

    /// Whether only its final rows count: its rows have no kinds then.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.session.configuration().is_batch()
    }

    /// The kinds of changes that it gives.
    #[must_use]
    pub fn changelog_mode(&self) -> ChangelogMode {
        self.mode
    }

    /// The sets of columns by which its rows are known, each in ascending order: an update of a
    /// row can be told by any of them. Empty if there are none; a set without columns says that
    /// there is one row at most.
    ///
    /// # Errors
    /// If the plan cannot be built.
    pub fn upsert_keys(&self) -> Result<Vec<Vec<usize>>> {
        let (builder, built) = self.build(BuildOptions::PLAN)?;
        let keys = builder.keys_of(&built);
        Ok(keys
            .iter()
            .map(|key| key.iter().copied().collect())
            .collect())
    }

    /// Starts a job that writes into this table.
    #[cfg(test)]
    pub(super) fn write(&self, options: BuildOptions, table: SinkTable) -> Result<JobHandle> {
        let (mut builder, built) = self.build(options)?;
        builder.insert(&built, table)?;
        let (graph, _) = builder.finish()?;
        runtime::start(&graph, self.session.job_options("test")?)
    }

    /// Whether the rows have an order that displays should keep.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        is_ordered(&self.optimized)
    }

    /// The keys of its ORDER BY, for displays of a table that changes. Empty without one, and
    /// also if a key is no column of the result.
    #[must_use]
    pub fn ordering(&self) -> Vec<OrderKey> {
        ordering(&self.optimized).unwrap_or_default()
    }

    /// Starts a job that gives the changes row by row, as Flink's `collect` does.
    ///
    /// # Errors
    /// If a source cannot be opened.
    pub fn collect(&self) -> Result<TableResult> {
        let options = if self
            .session
            .configuration()
            .is_true("table.exec.mini-batch.enabled")
        {
            BuildOptions {
                emission: crate::operators::Emission::NetPerStep,
                ..BuildOptions::CHANGELOG
            }
        } else {
            BuildOptions::CHANGELOG
        };
        let (builder, built) = self.build(options)?;
        self.check_determinism()?;
        let options = self.job_options()?;
        let (sink, mut stream) = collect::channel(
            Arc::clone(&built.schema),
            DEFAULT_BUFFER_ROWS,
            options.restart != RestartStrategy::None,
        );
        let job = self.start(builder, &built, sink, "collect", options)?;
        stream.attach(job.clone());
        Ok(TableResult {
            kind: ResultKind::SuccessWithContent,
            schema: Arc::clone(&built.schema),
            content: ResultContent::Changes(stream),
            job: Some(job),
        })
    }

    /// Starts a job that keeps the result as a table.
    ///
    /// # Errors
    /// If a source cannot be opened.
    pub fn materialize(&self, options: ViewOptions) -> Result<(JobHandle, Arc<MaterializedView>)> {
        let (builder, built) = self.build(BuildOptions::STATE)?;
        let (sink, view) = view::materialize(Arc::clone(&built.schema), built.mode, options)?;
        self.check_determinism()?;
        let options = self.job_options()?;
        let job = self.start(builder, &built, sink, "view", options)?;
        Ok((job, view))
    }

    /// The plan as EXPLAIN shows it.
    ///
    /// # Errors
    /// If the plan cannot be built.
    pub fn explain(&self) -> Result<String> {
        self.explain_with(explain::Details::default())
    }

    pub(super) fn explain_with(&self, details: explain::Details) -> Result<String> {
        if self.session.configuration().is_batch() {
            if batch::needs_graph(&self.bound) {
                let (builder, _) = self.build(BuildOptions::BATCH)?;
                let (graph, changes) = builder.finish()?;
                let plan = explain::Plan { graph, changes };
                let roots = [explain::Root::query(&self.bound)];
                return Ok(explain::text(&roots, &[plan.clone(), plan], details));
            }
            let physical = batch::explain(&self.bound, &self.session.planner_config())?;
            return Ok(explain::batch_text(
                &[explain::Root::query(&self.bound)],
                &physical,
            ));
        }
        let plan = || -> Result<explain::Plan> {
            let (builder, _) = self.build(BuildOptions::CHANGELOG)?;
            let (graph, changes) = builder.finish()?;
            Ok(explain::Plan { graph, changes })
        };
        let plans = [text::prefixed(plan)?, plan()?];
        Ok(explain::text(
            &[explain::Root::query(&self.bound)],
            &plans,
            details,
        ))
    }

    pub(super) fn bound_plan(&self) -> &LogicalPlan {
        &self.bound
    }

    fn build(&self, options: BuildOptions) -> Result<(GraphBuilder, Built)> {
        let mut builder = GraphBuilder::new(options, &self.session.planner_config());
        let is_batch = self.session.configuration().is_batch();
        let plan = if is_batch {
            &self.bound
        } else {
            &self.optimized
        };
        let plans = used_functions::for_job(vec![plan.clone()])?;
        let [plan] = plans.as_slice() else {
            return Err(EngineError::internal("a query that is not one plan"));
        };
        let built = if is_batch {
            batch_source(&mut builder, &self.session, plan)?
        } else {
            builder.set_emit(self.emit);
            builder.prepare([plan])?;
            builder.query_as(plan, self.bound.schema().inner())?
        };
        Ok((builder, built))
    }

    /// Refuses changes that could not be taken back, if the session asks for that.
    fn check_determinism(&self) -> Result<()> {
        let config = self.session.planner_config();
        match is_try_resolve(&self.session) {
            true => determinism::check(&self.optimized, &[], &config),
            false => Ok(()),
        }
    }

    /// The options of a job for which somebody waits: without a strategy of its own it does not
    /// begin again.
    fn job_options(&self) -> Result<JobOptions> {
        let mut options = self.session.job_options(&one_line(&self.sql))?;
        let configuration = self.session.configuration();
        if RestartStrategy::chosen(|key| configuration.get(key)).is_none() {
            options.restart = RestartStrategy::None;
        }
        Ok(options)
    }

    fn start(
        &self,
        mut builder: GraphBuilder,
        built: &Built,
        sink: Arc<dyn SinkFactory>,
        what: &str,
        options: JobOptions,
    ) -> Result<JobHandle> {
        builder.sink(built, what, sink);
        let (graph, _) = builder.finish()?;
        let job = runtime::start(&graph, options)?;
        self.session.remember(&job);
        Ok(job)
    }
}

/// Whether changes that could not be taken back are refused. In batch mode there are no changes.
pub(super) fn is_try_resolve(session: &Session) -> bool {
    let strategy = session.config(determinism::STRATEGY).unwrap_or_default();
    strategy.trim().eq_ignore_ascii_case("TRY_RESOLVE") && !session.configuration().is_batch()
}

/// The final rows of a query: of DataFusion's plan as a source of the graph, or, where relations of
/// ours stand in it, of the graph itself.
pub(super) fn batch_source(
    builder: &mut GraphBuilder,
    session: &Session,
    plan: &LogicalPlan,
) -> Result<Built> {
    if batch::needs_graph(plan) {
        batch::check_tables(plan)?;
        let optimized = rules::optimize(plan.clone(), &session.planner_config())?;
        builder.set_options(BuildOptions::BATCH);
        builder.prepare([&optimized])?;
        let built = builder.query_as(&optimized, &batch::output_schema(plan))?;
        return Ok(builder.final_rows(built));
    }
    builder.note_functions(plan)?;
    let source = BatchQuery::try_new(plan, &session.planner_config())?;
    let fields: Vec<_> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let name = format!("BatchQuery(fields=[{}])", fields.join(", "));
    Ok(builder.external(Arc::new(source), name))
}

/// Binds a query against the session as it is now.
pub(super) fn bind_query(session: &Session, query: &ast::Query) -> Result<LogicalPlan> {
    let config = session.planner_config();
    let tables = TableView::new(session, &config);
    bind::bind_query(query, &tables, session.functions(), &config)
}

/// Plans an expression that has no columns.
pub(super) fn bind_constant(
    session: &Session,
    expr: &ast::Expr,
    nothing: &datafusion::common::DFSchema,
) -> Result<Expr> {
    let config = session.planner_config();
    let tables = TableView::new(session, &config);
    bind::bind_expr(expr, nothing, &tables, session.functions(), &config)
}

fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::Limit(limit) => is_ordered(&limit.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        _ => false,
    }
}

/// The keys by which the rows of `plan` are ordered, if all of them are columns of it.
fn ordering(plan: &LogicalPlan) -> Option<Vec<OrderKey>> {
    match plan {
        LogicalPlan::Sort(sort) => sort
            .expr
            .iter()
            .map(|key| {
                let column = key.expr.try_as_col()?;
                Some(OrderKey {
                    column: sort.input.schema().maybe_index_of_column(column)?,
                    descending: !key.asc,
                    nulls_first: key.nulls_first,
                })
            })
            .collect(),
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            let shown: Vec<Option<usize>> = projection
                .expr
                .iter()
                .map(|expr| schema.maybe_index_of_column(expr.clone().unalias().try_as_col()?))
                .collect();
            ordering(&projection.input)?
                .into_iter()
                .map(|key| {
                    let column = shown.iter().position(|shown| *shown == Some(key.column))?;
                    Some(OrderKey { column, ..key })
                })
                .collect()
        }
        LogicalPlan::Limit(limit) => ordering(&limit.input),
        LogicalPlan::SubqueryAlias(alias) => ordering(&alias.input),
        _ => None,
    }
}

/// A statement's text as the name of its job.
pub(super) fn one_line(sql: &str) -> String {
    const MAX_CHARS: usize = 120;
    let words: Vec<_> = sql.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line)),
        None => line,
    }
}
