//! UNNEST and LATERAL TABLE(f(…)) as the binder meets them in FROM.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, TableAlias,
    TableFactor,
};

use super::TableCall;
use crate::data::types::FlinkType;
use crate::error::EngineError;
use crate::functions::registry::is_not_yet;
use crate::functions::table::{TableFunction, Unnest};
use crate::sql::diagnostics::validation;

/// What the Table API writes where it spreads the result of a table aggregate function.
const ROWS_OF_GROUP: &str = "__rows_of_group";

/// Plans calls of table functions.
#[derive(Debug)]
pub struct TableFunctions {
    config: Arc<ConfigOptions>,
}

impl TableFunctions {
    /// With the session's settings.
    #[must_use]
    pub fn new(config: &Arc<ConfigOptions>) -> Self {
        Self {
            config: Arc::clone(config),
        }
    }
}

impl RelationPlanner for TableFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        match relation {
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_ordinality,
                ..
            } => self.unnest(array_exprs, with_ordinality, alias, context),
            TableFactor::Function {
                name, args, alias, ..
            } if name.to_string().eq_ignore_ascii_case("TABLE") => {
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Function(call)))] =
                    args.as_slice()
                else {
                    return Err(validation(
                        "TABLE(…) takes the call of a table function".to_owned(),
                    )
                    .into());
                };
                self.function(call.clone(), alias, context)
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

impl TableFunctions {
    fn unnest(
        &self,
        arguments: Vec<SqlExpr>,
        ordinality: bool,
        alias: Option<TableAlias>,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let [argument] = self
            .arguments(arguments, context)?
            .try_into()
            .map_err(|_| EngineError::unsupported("UNNEST of several collections"))?;
        let (_, field) = argument.to_field(&DFSchema::empty())?;
        let flink_type = FlinkType::from_field(&field);
        let unnest = Unnest::try_new(&flink_type, ordinality)?;
        planned(Arc::new(unnest), vec![argument], alias)
    }

    fn function(
        &self,
        call: Function,
        alias: Option<TableAlias>,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let name = call.name.0.last().and_then(|part| part.as_ident());
        let name = name.map_or_else(|| call.name.to_string(), |ident| ident.value.clone());
        if name == ROWS_OF_GROUP {
            return self.rows_of_group(call, alias, context);
        }
        // A function of the user that gives an array of rows for a row is a table function.
        let provider = context.context_provider();
        let key = name.to_lowercase();
        if provider.get_function_meta(&key).is_none() {
            if is_not_yet(&key) {
                let feature = format!("function {}", name.to_uppercase());
                return Err(EngineError::unsupported(feature).into());
            }
            return Err(validation(format!("no table function named '{name}'")).into());
        }
        self.unnest(vec![SqlExpr::Function(call)], false, alias, context)
    }

    fn rows_of_group(
        &self,
        call: Function,
        alias: Option<TableAlias>,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let [argument] = self
            .arguments(unnamed(ROWS_OF_GROUP, call.args)?, context)?
            .try_into()
            .map_err(|_| EngineError::internal("the rows of a group are one array"))?;
        let (_, field) = argument.to_field(&DFSchema::empty())?;
        let function = Unnest::of_group(&FlinkType::from_field(&field))?;
        planned(Arc::new(function), vec![argument], alias)
    }

    /// The arguments bound, with their implicit casts.
    fn arguments(
        &self,
        arguments: Vec<SqlExpr>,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<Vec<Expr>> {
        arguments
            .into_iter()
            .map(|argument| {
                let expr = context.sql_to_expr(argument, &DFSchema::empty())?;
                let row = LogicalPlanBuilder::empty(true)
                    .project([expr.alias("argument")])?
                    .build()?;
                match TypeCoercion::new().analyze(row, &self.config)? {
                    LogicalPlan::Projection(mut projection) => projection
                        .expr
                        .pop()
                        .map(Expr::unalias)
                        .ok_or_else(|| EngineError::internal("an argument is lost").into()),
                    _ => Err(EngineError::internal("an argument is lost").into()),
                }
            })
            .collect()
    }
}

/// The arguments of a call that has no named ones.
fn unnamed(name: &str, arguments: FunctionArguments) -> DfResult<Vec<SqlExpr>> {
    let FunctionArguments::List(list) = arguments else {
        return Err(validation(format!("'{name}' needs its arguments in parentheses")).into());
    };
    list.args
        .into_iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => {
                Err(validation(format!("'{name}' does not take the argument '{other}'")).into())
            }
        })
        .collect()
}

/// The call under its alias. An alias without names of columns names the one column, if there is
/// but one.
fn planned(
    function: Arc<dyn TableFunction>,
    arguments: Vec<Expr>,
    alias: Option<TableAlias>,
) -> DfResult<RelationPlanning> {
    let name = alias
        .as_ref()
        .filter(|alias| alias.columns.is_empty())
        .map(|alias: &TableAlias| -> &Ident { &alias.name });
    let name = name.map(|ident| ident.value.as_str());
    let call = TableCall::try_new(function, arguments, name)?;
    let plan = LogicalPlan::Extension(Extension {
        node: Arc::new(call),
    });
    let planned = PlannedRelation::new(plan, alias);
    Ok(RelationPlanning::Planned(Box::new(planned)))
}
