//! From an optimized logical plan to the graph that the runtime runs.
//!
//! ```text
//!   TableScan                 ──▶ Source
//!   Projection over Filter    ──▶ Calc
//!   Aggregate                 ──▶ [Calc of arguments] ─▶ [Expand] ──Hash(keys)──▶ GroupAggregate
//!   Join                      ──▶ [Calc of keys] ──Hash(keys)──▶ Join
//!   Limit over Sort           ──▶ [Calc of keys] ──Single──▶ SortLimit [──▶ Calc that drops them]
//!   Union                     ──▶ Union
//!   Values, EmptyRelation     ──▶ Source of constants
//! ```
//!
//! A sub-plan that stands in a query twice, or in several inserts of a statement set, becomes one
//! node with several readers.

mod aggregate;

mod emit;

mod arguments;

mod expand;

mod expressions;

mod extension;

mod join;

mod join_keys;

mod leaves;

mod live_time;

mod match_recognize;

mod monotonicity;

mod order;

mod over;

mod rank;

mod rank_bounds;

mod sink;

mod watermark;

mod window;

mod window_join;

mod interval_join;

mod temporal_join;

mod lookup_join;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::logical_plan::{Distinct, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::utils::collect_columns;

pub use expressions::{constant, physical};
pub use sink::{Materialize, SinkTable};
use watermark::{asks_watermark, over_watermark};

pub use emit::EmitStrategy;

use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::operators::{CalcSpec, Emission, SortOutput};
use crate::plan::changes::infer::Updates;
use crate::plan::changes::role::{Makes, Role, Wants};
use crate::plan::errors::from_planner;
use crate::plan::keys::{ColumnSet, Keys, kept_column};
use crate::plan::{text, used_functions};
use crate::runtime::{Edge, Exchange, Graph, Node, NodeId, NodeKind};

/// How the result of a graph will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// When aggregates send changes on.
    pub emission: Emission,
    /// How the first rows of an order are sent on.
    pub sort_output: SortOutput,
    /// Batch mode: all input is there before anything is late, and a global aggregate over no
    /// rows has a row.
    pub is_batch: bool,
}

impl BuildOptions {
    /// Flink's row-by-row changelog is the result: `collect`, `print`.
    pub const CHANGELOG: Self = Self {
        emission: Emission::RowByRow,
        sort_output: SortOutput::Changes,
        is_batch: false,
    };
    /// Only to see what runs: not yet known how the result will be read.
    pub const PLAN: Self = Self {
        emission: Emission::RowByRow,
        sort_output: SortOutput::InOrder,
        is_batch: false,
    };
    /// The state of the table is the result: views, upsert sinks, mini-batch.
    pub const STATE: Self = Self {
        emission: Emission::NetPerStep,
        sort_output: SortOutput::InOrder,
        is_batch: false,
    };
    /// The final rows are the result: batch mode.
    pub const BATCH: Self = Self {
        is_batch: true,
        ..Self::STATE
    };
}

/// What is known about the rows that leave a node.
#[derive(Debug, Clone)]
pub struct Built {
    /// The node.
    pub id: NodeId,
    /// Its rows.
    pub schema: SchemaRef,
    /// Their kinds.
    pub mode: ChangelogMode,
    /// Whether its sources all end.
    pub bounded: bool,
    /// Whether its rows end: with its sources, or because a LIMIT stops reading them.
    pub ends: bool,
}

/// Builds one graph out of one or several queries and their sinks.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    /// By node: what it does to the kinds of changes.
    roles: Vec<Role>,
    /// By node: by which columns its rows are known.
    keys: Vec<Keys>,
    /// How the sinks want updates to be sent, the better way first.
    sinks: BTreeMap<NodeId, Vec<Updates>>,
    options: BuildOptions,
    /// When group windows tell what they have, if not only at their end.
    emit: Option<EmitStrategy>,
    config: Arc<ConfigOptions>,
    /// What was built of a plan, once for each way in which it may be read.
    built: HashMap<LogicalPlan, Vec<(BuildOptions, Built)>>,
    /// Columns that are read of a table, by anyone.
    reads: HashMap<TableReference, BTreeSet<usize>>,
    /// The scan of a table, with the columns that it reads.
    sources: HashMap<TableReference, (Vec<usize>, Built)>,
}

impl GraphBuilder {
    /// An empty graph.
    #[must_use]
    pub fn new(options: BuildOptions, config: &Arc<ConfigOptions>) -> Self {
        Self {
            graph: Graph::default(),
            roles: Vec::new(),
            keys: Vec::new(),
            sinks: BTreeMap::new(),
            options,
            emit: None,
            config: Arc::clone(config),
            built: HashMap::new(),
            reads: HashMap::new(),
            sources: HashMap::new(),
        }
    }

    /// Looks at the queries that will be added, so that what they share is known beforehand.
    ///
    /// # Errors
    /// Never in practice.
    pub fn prepare<'a>(&mut self, plans: impl IntoIterator<Item = &'a LogicalPlan>) -> Result<()> {
        plans.into_iter().try_for_each(|plan| {
            self.note_functions(plan)?;
            self.note_reads(plan)
        })
    }

    /// Notes the foreign functions of a plan that runs elsewhere, as part of the same job.
    ///
    /// # Errors
    /// Never in practice.
    pub fn note_functions(&mut self, plan: &LogicalPlan) -> Result<()> {
        used_functions::collect(plan, &mut self.graph.functions)
    }

    /// How the queries that are added from now on will be read.
    pub fn set_options(&mut self, options: BuildOptions) {
        self.options = options;
    }

    /// Builds a part of the query whose every change counts, also one that the same step takes back.
    fn in_row_by_row<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let emission = std::mem::replace(&mut self.options.emission, Emission::RowByRow);
        let built = build(self);
        self.options.emission = emission;
        built
    }

    /// Adds the nodes of `plan`.
    ///
    /// # Errors
    /// `Unsupported` for relations that do not run on changing tables yet.
    pub fn query(&mut self, plan: &LogicalPlan) -> Result<Built> {
        let depends_on_options = depends_on_options(plan)?;
        let known = self.built.get(plan).into_iter().flatten();
        for (options, built) in known {
            if !depends_on_options || *options == self.options {
                return Ok(built.clone());
            }
        }
        let built = self.build(plan)?;
        let entry = self.built.entry(plan.clone()).or_default();
        entry.push((self.options, built.clone()));
        Ok(built)
    }

    /// Adds the nodes of `plan` so that its rows have exactly the fields of `schema`: constant
    /// folding forgets what a type promises beyond its Arrow type.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_as(&mut self, plan: &LogicalPlan, schema: &SchemaRef) -> Result<Built> {
        if let LogicalPlan::Projection(projection) = plan
            && same_types(projection.schema.inner(), schema)
        {
            let (input, filter) = match projection.input.as_ref() {
                LogicalPlan::Filter(filter) => (filter.input.as_ref(), Some(&filter.predicate)),
                input => (input, None),
            };
            return self.project(input, filter, &projection.expr, schema);
        }
        let built = self.query(plan)?;
        if same_types(&built.schema, schema) {
            return Ok(self.relabeled(built, schema));
        }
        Ok(built)
    }

    /// Computes `projection` of the rows of `input` for which `filter` is true.
    pub fn calc(
        &mut self,
        input: &Built,
        name: String,
        filter: Option<Arc<dyn PhysicalExpr>>,
        projection: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    ) -> Built {
        let known = self.keys_of(input);
        let kept: Vec<_> = projection
            .iter()
            .map(|expr| kept_column(expr, &input.schema))
            .collect();
        let keys = known.projected(&kept);
        let role = match &filter {
            Some(filter) if !known.contain(&read_columns(filter)) => {
                Role::forward().wanting(Wants::Filtered)
            }
            _ => Role::forward(),
        };
        let spec = CalcSpec {
            filter,
            projection,
            schema: Arc::clone(&schema),
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input.clone(), Exchange::Forward)],
            schema,
            input.mode,
        );
        self.note(built, role, keys)
    }

    fn build(&mut self, plan: &LogicalPlan) -> Result<Built> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.query(&alias.input),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => match projection.input.as_ref() {
                LogicalPlan::Filter(filter) => self.project(
                    &filter.input,
                    Some(&filter.predicate),
                    &projection.expr,
                    projection.schema.inner(),
                ),
                input => self.project(input, None, &projection.expr, projection.schema.inner()),
            },
            LogicalPlan::Filter(filter) => self.filter(&filter.input, &filter.predicate),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Sort(sort) => self.sort(sort, 0, sort.fetch),
            LogicalPlan::Window(window) => self.over(window),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Extension(extension) => self.extension(extension),
            other => Err(EngineError::unsupported(feature(other))),
        }
    }

    // --- row by row ---------------------------------------------------------------------

    fn project(
        &mut self,
        input: &LogicalPlan,
        filter: Option<&Expr>,
        exprs: &[Expr],
        schema: &SchemaRef,
    ) -> Result<Built> {
        // What asks for the watermark is computed above the rank, by a Calc of its own.
        let asks = exprs.iter().any(asks_watermark);
        let ranked = match filter {
            Some(predicate) => {
                let projection = (!asks).then_some((exprs, schema));
                self.top_n(input, predicate, projection)?
            }
            None => None,
        };
        let (mut built, filter) = match ranked {
            Some(built) if !asks => return Ok(built),
            Some(built) => (built, None),
            None => (self.query(input)?, filter),
        };
        let select: Vec<_> = exprs
            .iter()
            .zip(schema.fields())
            .map(|(expr, field)| text::selected(expr, field.name()))
            .collect();
        let name = text::calc(&select, filter);
        let mut input_schema = Arc::clone(input.schema());
        if let Some(asking) = exprs.iter().chain(filter).find(|it| asks_watermark(it)) {
            let (marked, extended) = self.with_watermark(&built, &input_schema, asking)?;
            (built, input_schema) = (marked, Arc::new(extended));
        }
        let expression =
            |expr: &Expr| physical(&over_watermark(expr)?, &input_schema, &self.config);
        let filter = filter.map(expression).transpose()?;
        let projection = exprs.iter().map(expression).collect::<Result<Vec<_>>>()?;
        Ok(self.calc(&built, name, filter, projection, Arc::clone(schema)))
    }

    fn filter(&mut self, input: &LogicalPlan, predicate: &Expr) -> Result<Built> {
        if let Some(built) = self.top_n(input, predicate, None)? {
            return Ok(built);
        }
        if asks_watermark(predicate) {
            let all: Vec<_> = input
                .schema()
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect();
            let schema = Arc::clone(input.schema().inner());
            return self.project(input, Some(predicate), &all, &schema);
        }
        let built = self.query(input)?;
        let select: Vec<_> = built
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let name = text::calc(&select, Some(predicate));
        let filter = physical(predicate, input.schema(), &self.config)?;
        let schema = Arc::clone(&built.schema);
        let projection = all_columns(&schema);
        Ok(self.calc(&built, name, Some(filter), projection, schema))
    }

    /// The columns of `input` at `order`.
    fn pick(&mut self, input: &Built, order: &[usize]) -> Result<Built> {
        let schema = Arc::new(input.schema.project(order)?);
        let projection = order
            .iter()
            .zip(schema.fields())
            .map(|(&column, field)| -> Arc<dyn PhysicalExpr> {
                Arc::new(PhysicalColumn::new(field.name(), column))
            })
            .collect();
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        Ok(self.calc(input, text::calc(&names, None), None, projection, schema))
    }

    // --- nodes --------------------------------------------------------------------------

    /// Says what a node does to the kinds of changes, and by which columns its rows are known.
    /// Nodes of which nothing is said want all changes of their inputs and have no keys.
    fn note(&mut self, built: Built, role: Role, keys: Keys) -> Built {
        if let Some(noted) = self.roles.get_mut(built.id.0) {
            *noted = role;
        }
        if let Some(noted) = self.keys.get_mut(built.id.0) {
            *noted = keys;
        }
        built
    }

    /// The columns by which the rows of a node are known.
    pub fn keys_of(&self, built: &Built) -> Keys {
        self.keys.get(built.id.0).cloned().unwrap_or_default()
    }

    fn add(
        &mut self,
        name: String,
        kind: NodeKind,
        inputs: Vec<(Built, Exchange)>,
        schema: SchemaRef,
        changelog_mode: ChangelogMode,
    ) -> Built {
        let bounded = inputs.iter().all(|(input, _)| input.bounded);
        let ends = inputs.iter().all(|(input, _)| input.ends);
        let mut text = name.clone();
        for (input, _) in &inputs {
            if let Some(node) = self.graph.node(input.id) {
                text.push('\n');
                text.push_str(&node.operator_id);
            }
        }
        let edges = inputs
            .into_iter()
            .map(|(input, exchange)| Edge::new(input.id, exchange))
            .collect();
        self.roles.push(Role::of(Makes::Only(changelog_mode)));
        self.keys.push(Keys::none());
        let id = self.graph.add(Node {
            operator_id: stable_id(&text),
            name,
            kind,
            inputs: edges,
            schema: Arc::clone(&schema),
            changelog_mode,
        });
        Built {
            id,
            schema,
            mode: changelog_mode,
            bounded,
            ends,
        }
    }
}

/// The name under which an aggregate's column is shown: binders name it by its whole text.
fn readable(name: &str, expr: &Expr) -> String {
    match expr {
        Expr::Alias(alias) => alias.name.clone(),
        Expr::AggregateFunction(aggregate) => text::aggregate(aggregate),
        _ => name.to_owned(),
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// The columns that an expression reads.
fn read_columns(expr: &Arc<dyn PhysicalExpr>) -> ColumnSet {
    collect_columns(expr)
        .iter()
        .map(PhysicalColumn::index)
        .collect()
}

fn all_columns(schema: &SchemaRef) -> Vec<Arc<dyn PhysicalExpr>> {
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column_idx, field)| -> Arc<dyn PhysicalExpr> {
            Arc::new(PhysicalColumn::new(field.name(), column_idx))
        })
        .collect()
}

/// Whether two schemas have columns of the same Arrow types.
fn same_types(left: &SchemaRef, right: &SchemaRef) -> bool {
    left.fields().len() == right.fields().len()
        && left
            .fields()
            .iter()
            .zip(right.fields())
            .all(|(left, right)| left.data_type().equals_datatype(right.data_type()))
}

/// Whether the operators of `plan` hang on how its result is read.
fn depends_on_options(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(
            node,
            LogicalPlan::Aggregate(_)
                | LogicalPlan::Distinct(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::Window(_)
        ))
    })
    .map_err(from_planner)
}

/// What a relation that does not run yet is called.
fn feature(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".to_owned(),
        LogicalPlan::Subquery(_) => "this subquery".to_owned(),
        LogicalPlan::Distinct(_) => "DISTINCT ON".to_owned(),
        other => format!("the relation {}", other.display()),
    }
}

/// A name for `text` that is the same in every process: FNV-1a, 64 bits.
///
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn stable_id(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}
