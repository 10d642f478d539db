//! From a syntax tree to an analyzed logical plan: names resolved, types known, casts inserted.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, lit,
};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Query, Statement, TableFactor, Visit, Visitor,
};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{self, OnFailure};
use crate::functions::rules;
use crate::functions::{FunctionKind, FunctionRegistry};
use crate::plan::aggregates::rewrite_aggregates;
use crate::plan::bare_null;
use crate::plan::context::{BindContext, TableResolver};
use crate::plan::correlate::correlated;
use crate::plan::errors::from_planner;
use crate::plan::function_names;
use crate::plan::grouping::check_group_by;
use crate::plan::locate::located;
use crate::plan::match_recognize::PATTERN_FUNCTIONS;
use crate::plan::normalize::{
    normalize_expr, normalize_query, spell_out_sets, tell_apart, unsupported_relation,
};
use crate::plan::row_star::expand_row_stars;
use crate::plan::rules::analyze;
use crate::plan::star::spell_out;
use crate::plan::subquery;
use crate::plan::temporal::hint::apply_hints;
use crate::plan::temporal::rewrite::plan_temporal_joins;
use crate::plan::typing::{expand_expr, expand_plan};
use crate::plan::values::unify_columns;
use crate::plan::window::group::plan_group_windows;
use crate::plan::window::grouping_sets::keep_nullability;
use crate::sql::diagnostics::SqlDiagnostic;

/// Plans a query: SELECT, VALUES, WITH or set operations.
///
/// # Errors
/// Validation errors with their place in the query's text; `Unsupported`.
pub fn bind_query(
    query: &Query,
    tables: &dyn TableResolver,
    functions: &FunctionRegistry,
    config: &Arc<ConfigOptions>,
) -> Result<LogicalPlan> {
    bare_null::check(query)
        .and_then(|()| bind_unplaced(query, tables, functions, config))
        .map_err(|error| located(error, query))
}

fn bind_unplaced(
    query: &Query,
    tables: &dyn TableResolver,
    functions: &FunctionRegistry,
    config: &Arc<ConfigOptions>,
) -> Result<LogicalPlan> {
    let mut query = query.clone();
    spell_out_sets(&mut query);
    tell_apart(&mut query);
    function_names::resolve(&mut query, tables)?;
    check_functions(&query, functions, tables)?;
    let marks = apply_hints(&mut query)?;
    normalize_query(&mut query)?;
    let context = BindContext::new(tables, functions, config).with_state_ttl(marks);
    let options = ParserOptions::from(&config.sql_parser);
    unify_columns(&mut query, &context, options)?;
    expand_row_stars(&mut query, &context, options);
    spell_out(&mut query, &context, options);
    check_group_by(&query, &context, options)?;
    let plan = SqlToRel::new_with_options(&context, options)
        .sql_statement_to_plan(Statement::Query(Box::new(query)))
        .map_err(from_planner)?;
    let plan = subquery::unnested(subquery::checked(correlated(plan)?)?)?;
    let plan = expand_plan(plan)?;
    check_set_operations(&plan)?;
    check_memberships(&plan)?;
    let plan = plan_temporal_joins(plan)?;
    let plan = plan_group_windows(same_unions(named_values(plan)?)?, config)?;
    keep_nullability(analyze(rewrite_aggregates(plan)?, config)?)
}

/// Plans one expression over the columns of `schema`: a computed column, a watermark.
///
/// # Errors
/// As [`bind_query`].
pub fn bind_expr(
    expr: &SqlExpr,
    schema: &DFSchema,
    tables: &dyn TableResolver,
    functions: &FunctionRegistry,
    config: &Arc<ConfigOptions>,
) -> Result<Expr> {
    let mut expr = expr.clone();
    function_names::resolve(&mut expr, tables)?;
    check_functions(&expr, functions, tables)?;
    normalize_expr(&mut expr)?;
    let context = BindContext::new(tables, functions, config);
    let options = ParserOptions::from(&config.sql_parser);
    SqlToRel::new_with_options(&context, options)
        .sql_to_expr(expr, schema, &mut PlannerContext::new())
        .and_then(|expr| expand_expr(expr, schema))
        .map_err(from_planner)
}

/// The columns of a bare VALUES are called `EXPR$0`, `EXPR$1`, …
fn named_values(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !gives_bare_values(&plan) {
        return Ok(plan);
    }
    let names: Vec<_> = plan
        .schema()
        .columns()
        .into_iter()
        .enumerate()
        .map(|(column_idx, column)| Expr::Column(column).alias(format!("EXPR${column_idx}")))
        .collect();
    LogicalPlanBuilder::from(plan)
        .project(names)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)
}

/// Whether the names of a plan's columns are those of a bare VALUES.
fn gives_bare_values(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Values(_) => true,
        LogicalPlan::Limit(limit) => gives_bare_values(&limit.input),
        LogicalPlan::Sort(sort) => gives_bare_values(&sort.input),
        LogicalPlan::Distinct(Distinct::All(input)) => gives_bare_values(input),
        LogicalPlan::Union(union) => union
            .inputs
            .first()
            .is_some_and(|first| gives_bare_values(first)),
        _ => false,
    }
}

/// Refuses a UNION of columns whose types no type holds; DataFusion would make text of them.
fn check_set_operations(plan: &LogicalPlan) -> Result<()> {
    let mut mismatch = None;
    plan.apply(|node| {
        let found = match node {
            LogicalPlan::Distinct(Distinct::All(input)) => mismatch_of(input, "UNION"),
            node => mismatch_of(node, "UNION ALL"),
        };
        Ok(match found {
            Some(message) => {
                mismatch = Some(message);
                TreeNodeRecursion::Stop
            }
            None => TreeNodeRecursion::Continue,
        })
    })
    .map_err(from_planner)?;
    match mismatch {
        Some(message) => Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
            message,
        )))),
        None => Ok(()),
    }
}

fn mismatch_of(node: &LogicalPlan, operation: &str) -> Option<String> {
    let LogicalPlan::Union(union) = node else {
        return None;
    };
    let (first, others) = union.inputs.split_first()?;
    others
        .iter()
        .find_map(|other| mismatch(first.schema(), other.schema(), operation))
}

/// What is wrong with these sides of a set operation, if a column has no type that holds both.
#[must_use]
pub fn mismatch(left: &DFSchema, right: &DFSchema, operation: &str) -> Option<String> {
    let columns = left.fields().iter().zip(right.fields());
    columns.enumerate().find_map(|(column_idx, (left, right))| {
        let roots = [left, right].map(|field| FlinkType::from_field(field).root);
        let [left, right] = &roots;
        (!are_of_one_family(left, right))
            .then(|| format!("type mismatch in column {} of {operation}", column_idx + 1))
    })
}

/// Refuses IN of a subquery whose values cannot be equal to the one that is looked for.
fn check_memberships(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        let schema = merge_schema(&inputs);
        node.apply_expressions(|expr| {
            expr.apply(|expr| match expr {
                Expr::InSubquery(membership) => check_membership(membership, &schema),
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })
    .map_err(from_planner)?;
    Ok(())
}

fn check_membership(membership: &InSubquery, schema: &DFSchema) -> DfResult<TreeNodeRecursion> {
    let Ok((_, value)) = membership.expr.to_field(schema) else {
        return Ok(TreeNodeRecursion::Continue);
    };
    let of_subquery = membership.subquery.subquery.schema();
    let Some(other) = of_subquery.fields().first() else {
        return Ok(TreeNodeRecursion::Continue);
    };
    let [value, other] = [&value, other].map(|field| FlinkType::from_field(field));
    if are_of_one_family(&value.root, &other.root) {
        return Ok(TreeNodeRecursion::Continue);
    }
    let names = [rules::calcite_name(&value), rules::calcite_name(&other)];
    Err(
        EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
            "values passed to IN operator must have compatible types: {}",
            names.join(" and ")
        ))))
        .into(),
    )
}

/// Whether some type may hold both types; what is inside of nested types is not looked at.
fn are_of_one_family(left: &TypeRoot, right: &TypeRoot) -> bool {
    use TypeRoot as T;
    fn family(root: &TypeRoot) -> u8 {
        match root {
            T::Char(_) | T::Varchar(_) => 1,
            T::Binary(_) | T::Varbinary(_) => 2,
            T::TinyInt
            | T::SmallInt
            | T::Int
            | T::BigInt
            | T::Float
            | T::Double
            | T::Decimal { .. } => 3,
            T::Timestamp(_) | T::TimestampLtz(_) => 4,
            _ => 0,
        }
    }
    left == right
        || matches!((left, right), (T::Null, _) | (_, T::Null))
        || match (family(left), family(right)) {
            (0, 0) => std::mem::discriminant(left) == std::mem::discriminant(right),
            (left, right) => left == right,
        }
}

/// Gives the inputs of every UNION columns of the same Flink types: where only Arrow's agree, the
/// type that holds both, e.g. VARCHAR(3) for CHAR(1) and CHAR(3).
fn same_unions(plan: LogicalPlan) -> Result<LogicalPlan> {
    let has_union = plan
        .exists(|node| Ok(matches!(node, LogicalPlan::Union(_))))
        .map_err(from_planner)?;
    if !has_union {
        return Ok(plan);
    }
    let rewritten = plan.transform_up(|node| {
        let LogicalPlan::Union(union) = node else {
            return node.recompute_schema().map(Transformed::no);
        };
        let inputs = same_inputs(&union.inputs)?;
        let union = Union::try_new_with_loose_types(inputs)?;
        Ok(Transformed::yes(LogicalPlan::Union(union)))
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

/// These inputs of a set operation, with columns of the types that hold those of all.
///
/// # Errors
/// If no plan can be made.
pub fn same_inputs(inputs: &[Arc<LogicalPlan>]) -> DfResult<Vec<Arc<LogicalPlan>>> {
    let Some(first) = inputs.first() else {
        return Ok(Vec::new());
    };
    let wanted: Vec<Option<TypeRoot>> = (0..first.schema().fields().len())
        .map(|column_idx| {
            let roots: Vec<_> = inputs
                .iter()
                .map(|input| FlinkType::from_field(input.schema().field(column_idx)).root)
                .collect();
            let differ = roots.iter().any(|root| Some(root) != roots.first());
            let mut roots = roots.into_iter();
            let first = roots.next().filter(|_| differ)?;
            roots.try_fold(first, wider)
        })
        .collect();
    inputs
        .iter()
        .map(|input| {
            let mut changed = false;
            let columns: Vec<_> = input
                .schema()
                .columns()
                .into_iter()
                .zip(input.schema().fields())
                .zip(&wanted)
                .map(|((column, field), wanted)| {
                    let name = column.name.clone();
                    match wanted {
                        Some(root) if FlinkType::from_field(field).root != *root => {
                            changed = true;
                            let target = FlinkType::nullable(root.clone()).to_string();
                            cast::function(OnFailure::Fail)
                                .call(vec![Expr::Column(column), lit(target)])
                                .alias(name)
                        }
                        _ => Expr::Column(column),
                    }
                })
                .collect();
            if !changed {
                return Ok(Arc::clone(input));
            }
            let plan = LogicalPlanBuilder::from(Arc::clone(input))
                .project(columns)?
                .build()?;
            Ok(Arc::new(plan))
        })
        .collect()
}

/// The type that holds two types; none if they are of different families.
fn wider(left: TypeRoot, right: TypeRoot) -> Option<TypeRoot> {
    use TypeRoot as T;
    Some(match (&left, &right) {
        _ if left == right => left,
        (T::Char(a) | T::Varchar(a), T::Char(b) | T::Varchar(b)) => T::Varchar(*a.max(b)),
        (T::Binary(a) | T::Varbinary(a), T::Binary(b) | T::Varbinary(b)) => T::Varbinary(*a.max(b)),
        (T::Timestamp(a), T::Timestamp(b)) => T::Timestamp(*a.max(b)),
        (T::TimestampLtz(a), T::TimestampLtz(b)) => T::TimestampLtz(*a.max(b)),
        (T::Time(a), T::Time(b)) => T::Time(*a.max(b)),
        _ => {
            rules::least_restrictive(&[FlinkType::nullable(left), FlinkType::nullable(right)])?.root
        }
    })
}

/// `plan` with its columns called `names`, in this order.
///
/// # Errors
/// If there are not as many names as columns.
pub fn rename_columns(plan: LogicalPlan, names: &[String]) -> Result<LogicalPlan> {
    let columns: Vec<Column> = plan.schema().columns();
    if columns.len() != names.len() {
        return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
            format!(
                "{} column names are given for a query of {} columns",
                names.len(),
                columns.len()
            ),
        ))));
    }
    if columns
        .iter()
        .zip(names)
        .all(|(column, name)| column.name == *name)
    {
        return Ok(plan);
    }
    let renamed: Vec<_> = columns
        .into_iter()
        .zip(names)
        .map(|(column, name)| Expr::Column(column).alias(name.clone()))
        .collect();
    LogicalPlanBuilder::from(plan)
        .project(renamed)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)
}

/// Refuses calls of functions that do not exist or do not run yet, with their place.
fn check_functions<T: Visit>(
    tree: &T,
    functions: &FunctionRegistry,
    tables: &dyn TableResolver,
) -> Result<()> {
    let mut check = FunctionCheck {
        functions,
        tables,
        n_patterns: 0,
    };
    match Visit::visit(tree, &mut check) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct FunctionCheck<'a> {
    functions: &'a FunctionRegistry,
    tables: &'a dyn TableResolver,
    /// How many MATCH_RECOGNIZE stand around what is looked at: they have functions of their own.
    n_patterns: usize,
}

impl Visitor for FunctionCheck<'_> {
    type Break = EngineError;

    fn post_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<EngineError> {
        self.n_patterns -= usize::from(matches!(table, TableFactor::MatchRecognize { .. }));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<EngineError> {
        self.n_patterns += usize::from(matches!(table, TableFactor::MatchRecognize { .. }));
        match unsupported_relation(table) {
            Some(feature) => ControlFlow::Break(EngineError::unsupported(feature)),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<EngineError> {
        let SqlExpr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        // Functions of the user have one name by now: their key.
        let Some(ident) = function.name.0.last().and_then(|part| part.as_ident()) else {
            return ControlFlow::Continue(());
        };
        let is_of_pattern = PATTERN_FUNCTIONS.contains(&ident.value.to_lowercase().as_str());
        if self.n_patterns > 0 && is_of_pattern {
            return ControlFlow::Continue(());
        }
        match self.functions.kind(&ident.value) {
            FunctionKind::Window if function.over.is_none() => {
                ControlFlow::Break(EngineError::unsupported(format!(
                    "aggregate function {}",
                    ident.value.to_uppercase()
                )))
            }
            FunctionKind::User | FunctionKind::BuiltIn | FunctionKind::Window => {
                ControlFlow::Continue(())
            }
            FunctionKind::NotYet => ControlFlow::Break(EngineError::unsupported(format!(
                "function {}",
                ident.value.to_uppercase()
            ))),
            FunctionKind::Unknown => {
                ControlFlow::Break(self.tables.no_function(&[&ident.value], ident.span))
            }
        }
    }
}
