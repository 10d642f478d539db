//! What DataFusion's binder asks us: tables, functions, types, and how operators are typed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue, TableReference};
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
    RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF, lit,
};
use datafusion::sql::sqlparser::ast::DataType as SqlDataType;
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::catalog::functions::FunctionPlace;
use crate::connectors::Source;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::functions::FunctionRegistry;
use crate::functions::illegal_null;
use crate::plan::changelog::ChangelogRelations;
use crate::plan::correlate::TableFunctions;
use crate::plan::match_recognize::MatchRelations;
use crate::plan::nested::NestedExpressions;
use crate::plan::normalize::type_text;
use crate::plan::operands::plan_operator;
use crate::plan::set_operations::SetOperations;
use crate::plan::state_ttl::{MarkedRelations, Marks};
use crate::plan::temporal::relation::SnapshotRelations;
use crate::plan::time;
use crate::plan::window::relation::WindowRelations;
use crate::sql::diagnostics::validation;

/// Finds tables for the binder. Names come as the user wrote them: one to three parts.
pub trait TableResolver {
    /// What can be read under this name.
    ///
    /// # Errors
    /// A validation error with the names that come close, if there is no such table.
    fn resolve(&self, name: &TableReference) -> Result<Arc<dyn TableSource>>;

    /// Where the function stands that is called by these names; its code is ready then. None for
    /// Flink's own functions, and for names of none.
    ///
    /// # Errors
    /// If the code of the function cannot be found.
    fn resolve_function(&self, names: &[&str]) -> Result<Option<FunctionPlace>>;

    /// The error for names at `span` that no function has, with the names that come close.
    fn no_function(&self, names: &[&str], span: Span) -> EngineError;
}

/// A leaf of a logical plan: a connector's source under the full name of its table.
pub struct PhysicalTable {
    /// `catalog.database.table`.
    pub name: String,
    /// Where its rows come from.
    pub source: Arc<dyn Source>,
    /// How event time advances with them.
    pub watermark: Option<TableWatermark>,
    /// The columns of the primary key; empty without one.
    pub primary_key: Vec<String>,
    /// Whether its changes may come twice: `table.exec.source.cdc-events-duplicate`.
    pub may_repeat: bool,
}

impl PhysicalTable {
    /// The columns by which changes are told apart that may come twice, or come without what was
    /// there before them; none if nothing has to be done about them.
    #[must_use]
    pub fn normalized_by(&self) -> Option<Vec<usize>> {
        let schema = self.source.schema();
        let mode = self.source.changelog_mode();
        let is_upsert = !mode.update_before && !mode.is_insert_only();
        let may_repeat = self.may_repeat && !mode.is_insert_only();
        if self.primary_key.is_empty() || !(is_upsert || may_repeat) {
            return None;
        }
        let key = self.primary_key.iter();
        key.map(|name| schema.index_of(name).ok()).collect()
    }
}

/// The watermark of a table, over its physical columns.
#[derive(Debug)]
pub struct TableWatermark {
    /// Name of the rowtime column.
    pub column: String,
    /// The rowtime of a row.
    pub rowtime: Expr,
    /// The watermark of a row.
    pub watermark: Expr,
    /// Flink's `pipeline.auto-watermark-interval`.
    pub interval_ms: i64,
    /// After how long without rows a reader is idle.
    pub idle_timeout: Option<Duration>,
}

impl fmt::Debug for PhysicalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhysicalTable({})", self.name)
    }
}

impl TableSource for PhysicalTable {
    fn schema(&self) -> SchemaRef {
        let schema = self.source.schema();
        match &self.watermark {
            Some(TableWatermark {
                column, rowtime, ..
            }) if is_column(rowtime, column) => time::with_rowtime(&schema, column),
            _ => schema,
        }
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name == name)
}

/// A name that stands for a plan: a view, or a table with computed columns. The binder puts the
/// plan where the name stood.
pub struct NamedPlan {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl NamedPlan {
    /// `plan` under a name.
    #[must_use]
    pub fn new(plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        Self { plan, schema }
    }
}

impl TableSource for NamedPlan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&self) -> Option<std::borrow::Cow<'_, LogicalPlan>> {
        Some(std::borrow::Cow::Borrowed(&self.plan))
    }
}

/// The settings under which Flink's names, literals and orders are read, and functions run.
/// `time_zone` is the session's, an IANA name.
#[must_use]
pub fn config_options(time_zone: &str) -> Arc<ConfigOptions> {
    let mut options = ConfigOptions::new();
    options.execution.time_zone = Some(time_zone.to_owned());
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options
        .optimizer
        .enable_physical_uncorrelated_scalar_subquery = false;
    options.optimizer.filter_null_join_keys = true;
    Arc::new(options)
}

/// The binder's view of a session.
pub struct BindContext<'a> {
    tables: &'a dyn TableResolver,
    functions: &'a FunctionRegistry,
    options: Arc<ConfigOptions>,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl<'a> BindContext<'a> {
    /// The view of these tables and functions; `options` are those of [`config_options`].
    #[must_use]
    pub fn new(
        tables: &'a dyn TableResolver,
        functions: &'a FunctionRegistry,
        options: &Arc<ConfigOptions>,
    ) -> Self {
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> =
            vec![Arc::new(NestedExpressions), Arc::new(FlinkExpressions)];
        // Theirs come after ours: field access, arrays, maps.
        expr_planners.extend(datafusion::execution::SessionStateDefaults::default_expr_planners());
        Self {
            tables,
            functions,
            options: Arc::clone(options),
            expr_planners,
            relation_planners: vec![
                Arc::new(WindowRelations::new(options)),
                Arc::new(SetOperations),
                Arc::new(SnapshotRelations),
                Arc::new(ChangelogRelations),
                Arc::new(MatchRelations::new(options)),
                Arc::new(TableFunctions::new(options)),
            ],
        }
    }

    /// With what hints say of relations.
    #[must_use]
    pub fn with_state_ttl(mut self, marks: Marks) -> Self {
        let planner: Arc<dyn RelationPlanner> = Arc::new(MarkedRelations(marks));
        self.relation_planners.insert(0, planner);
        self
    }
}

impl ContextProvider for BindContext<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        Ok(self.tables.resolve(&name)?)
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window(name)
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.builtin_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Reads type names by Flink's rules.
#[derive(Debug)]
struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &SqlDataType) -> DfResult<Option<FieldRef>> {
        let flink_type = FlinkType::parse(&type_text(sql_type))?;
        Ok(Some(Arc::new(flink_type.to_arrow_field(""))))
    }
}

/// Types operators by Flink's rules.
#[derive(Debug)]
struct FlinkExpressions;

impl ExprPlanner for FlinkExpressions {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawBinaryExpr>> {
        plan_operator(expr, schema)
    }

    fn plan_window(&self, expr: RawWindowExpr) -> DfResult<PlannerResult<RawWindowExpr>> {
        crate::functions::window::plan(expr)
    }

    /// `COUNT(*)` counts a constant. A bare NULL has no type, and is refused.
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> DfResult<PlannerResult<RawAggregateExpr>> {
        if expr
            .args
            .iter()
            .any(|argument| matches!(argument, Expr::Literal(ScalarValue::Null, _)))
        {
            return Err(illegal_null().into());
        }
        #[allow(deprecated, reason = "the binder still hands over `*` as a wildcard")]
        let has_star = matches!(expr.args.as_slice(), [Expr::Wildcard { .. }]);
        if expr.distinct && has_star {
            return Err(
                validation("incorrect syntax near '*': DISTINCT needs columns".to_owned()).into(),
            );
        }
        #[allow(deprecated, reason = "the binder still hands over `*` as a wildcard")]
        let counts_rows = expr.func.name() == "count"
            && match expr.args.as_slice() {
                [] => true,
                [Expr::Wildcard { .. }] => true,
                [argument] => !expr.distinct && is_constant(argument),
                _ => false,
            };
        if !counts_rows {
            return Ok(PlannerResult::Original(expr));
        }
        Ok(PlannerResult::Original(RawAggregateExpr {
            args: vec![lit(1_i64)],
            ..expr
        }))
    }
}

/// A literal that is not NULL, typed or not.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => !value.is_null(),
        Expr::Cast(cast) => is_constant(&cast.expr),
        _ => false,
    }
}
