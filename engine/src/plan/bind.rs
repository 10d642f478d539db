//! From a syntax tree to an analyzed logical plan: names resolved, types known, casts inserted.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, Query, Statement, TableFactor, Visit, Visitor,
};

use crate::error::{EngineError, Result};
use crate::functions::{FunctionKind, FunctionRegistry};
use crate::plan::context::{BindContext, TableResolver};
use crate::plan::errors::from_planner;
use crate::plan::normalize::{normalize_expr, normalize_query, unsupported_relation};
use crate::plan::rules::analyze;
use crate::sql::diagnostics::{Position, SqlDiagnostic, SqlErrorKind, did_you_mean};

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
    let mut query = query.clone();
    check_functions(&query, functions)?;
    normalize_query(&mut query)?;
    let context = BindContext::new(tables, functions, config);
    let options = ParserOptions::from(&config.sql_parser);
    let plan = SqlToRel::new_with_options(&context, options)
        .sql_statement_to_plan(Statement::Query(Box::new(query)))
        .map_err(from_planner)?;
    analyze(named_values(plan)?, config)
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
    check_functions(&expr, functions)?;
    normalize_expr(&mut expr)?;
    let context = BindContext::new(tables, functions, config);
    let options = ParserOptions::from(&config.sql_parser);
    SqlToRel::new_with_options(&context, options)
        .sql_to_expr(expr, schema, &mut PlannerContext::new())
        .map_err(from_planner)
}

/// The columns of a bare VALUES are called `EXPR$0`, `EXPR$1`, …
fn named_values(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !matches!(plan, LogicalPlan::Values(_)) {
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
fn check_functions<T: Visit>(tree: &T, functions: &FunctionRegistry) -> Result<()> {
    match Visit::visit(tree, &mut FunctionCheck { functions }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct FunctionCheck<'a> {
    functions: &'a FunctionRegistry,
}

impl Visitor for FunctionCheck<'_> {
    type Break = EngineError;

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<EngineError> {
        match unsupported_relation(table) {
            Some(feature) => ControlFlow::Break(EngineError::unsupported(feature)),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<EngineError> {
        let SqlExpr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        // `catalog.database.f` is looked up by its last part: functions live in one namespace.
        let Some(ident) = function.name.0.last().and_then(|part| part.as_ident()) else {
            return ControlFlow::Continue(());
        };
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
            FunctionKind::Unknown => ControlFlow::Break(unknown_function(ident, self.functions)),
        }
    }
}

fn unknown_function(ident: &Ident, functions: &FunctionRegistry) -> EngineError {
    let names = functions.names();
    let start = ident.span.start;
    EngineError::from(Arc::new(SqlDiagnostic {
        kind: SqlErrorKind::Validation,
        message: format!("no function named '{}'", ident.value),
        position: (start.line > 0).then(|| Position {
            line: usize::try_from(start.line).unwrap_or(1),
            column: usize::try_from(start.column).unwrap_or(1),
        }),
        length: ident.value.chars().count().max(1),
        source: String::new(),
        hint: did_you_mean(&ident.value, names.iter().map(String::as_str)),
    }))
}
