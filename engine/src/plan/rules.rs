//! The logical rules that hold for tables that change, in DataFusion's order.
//!
//! Left out on purpose: `PushDownLimit` (a LIMIT over a changelog is not "the first rows read"),
//! `SingleDistinctToGroupBy` (doubles the state and its churn), `UnionsToFilter`,
//! `ExtractLeafExpressions` and `PushDownLeafProjections` (no gain here), and all physical rules.
//! The rules must be deterministic: the ids of operators hang on the plan.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_group_by_constant::EliminateGroupByConstant;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::eliminate_limit::EliminateLimit;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerContext, OptimizerRule};

use crate::error::{EngineError, Result};
use crate::plan::errors::from_planner;
use crate::plan::{empty_input, peer_frames, subquery};

/// Inserts the implicit casts and checks that the plan makes sense.
///
/// # Errors
/// A validation error where types do not fit.
pub fn analyze(plan: LogicalPlan, config: &Arc<ConfigOptions>) -> Result<LogicalPlan> {
    let plan = peer_frames::rewrite(plan).map_err(from_planner)?;
    let rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(TypeCoercion::new())];
    Analyzer::with_rules(rules)
        .execute_and_check(plan, config, |_, _| {})
        .map_err(from_planner)
}

/// An expression over the columns of `schema` with the casts between its parts: they are inserted
/// into plans only.
///
/// # Errors
/// If operands do not go together.
pub fn analyze_expr(expr: Expr, schema: &DFSchema, config: &Arc<ConfigOptions>) -> Result<Expr> {
    let empty = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema.clone()),
    });
    let plan = LogicalPlanBuilder::from(empty)
        .project([expr])
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)?;
    let LogicalPlan::Projection(projection) = analyze(plan, config)? else {
        return Err(EngineError::internal("an expression got lost"));
    };
    let analyzed = projection.expr.into_iter().next().map(Expr::unalias);
    analyzed.ok_or_else(|| EngineError::internal("an expression got lost"))
}

/// Simplifies an analyzed plan.
///
/// # Errors
/// If a rule fails: a constant expression that cannot be computed, or a bug.
pub fn optimize(plan: LogicalPlan, config: &Arc<ConfigOptions>) -> Result<LogicalPlan> {
    let plan = subquery::prepared(plan)?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(EliminateJoin::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateLimit::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(EliminateGroupByConstant::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let context = OptimizerContext::new_with_config_options(Arc::clone(config))
        // The clock is read while running, never while planning.
        .without_query_execution_start_time();
    let plan = Optimizer::with_rules(rules)
        .optimize(plan, &context, |_, _| {})
        .map_err(from_planner)?;
    empty_input::folded(plan).map_err(from_planner)
}
