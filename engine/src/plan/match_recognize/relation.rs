//! `t MATCH_RECOGNIZE (…)` as a relation.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, SortExpr};
use datafusion::sql::sqlparser::ast::{
    AfterMatchSkip, Expr as SqlExpr, FunctionArg, FunctionArgExpr, Ident, OrderByExpr,
    RowsPerMatch, SymbolDefinition, TableAlias, TableFactor,
};

use super::compile::{Compiler, check_boolean};
use super::node::MatchNode;
use super::pattern;
use crate::error::Result;
use crate::operators::match_recognize::Skip;
use crate::plan::build::constant;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::time;
use crate::sql::diagnostics::validation;
use crate::sql::{SUBQUERY_TABLE, SUBSET_SYMBOL, WITHIN_SYMBOL};

/// Plans MATCH_RECOGNIZE.
#[derive(Debug)]
pub struct MatchRelations {
    config: Arc<ConfigOptions>,
}

impl MatchRelations {
    /// With the settings of the session.
    #[must_use]
    pub fn new(config: &Arc<ConfigOptions>) -> Self {
        Self {
            config: Arc::clone(config),
        }
    }
}

impl RelationPlanner for MatchRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        if let Some(subquery) = subquery_of(&relation) {
            let plan = context.plan(subquery)?;
            let planned = PlannedRelation::new(plan, None);
            return Ok(RelationPlanning::Planned(Box::new(planned)));
        }
        if !matches!(relation, TableFactor::MatchRecognize { .. }) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let (plan, alias) = self.plan_match(relation, context)?;
        let planned = PlannedRelation::new(plan, alias);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// The subquery before MATCH_RECOGNIZE, which is read as the argument of a made-up function.
fn subquery_of(relation: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table {
        name,
        args: Some(arguments),
        alias,
        ..
    } = relation
    else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Subquery(query)))] =
        arguments.args.as_slice()
    else {
        return None;
    };
    (name.to_string().replace('`', "") == SUBQUERY_TABLE).then(|| TableFactor::Derived {
        lateral: false,
        subquery: query.clone(),
        alias: alias.clone(),
        sample: None,
    })
}

impl MatchRelations {
    fn plan_match(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<(LogicalPlan, Option<TableAlias>)> {
        let text = relation.to_string();
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols,
            alias,
        } = relation
        else {
            return Err(validation("no MATCH_RECOGNIZE".to_owned()).into());
        };
        let input = context.plan(*table)?;
        if matches!(rows_per_match, Some(RowsPerMatch::AllRows(_))) {
            return Err(table_error("All rows per match mode is not supported yet.", None).into());
        }
        let (elements, mut variables) = pattern::elements(&pattern)?;
        add_subsets(&symbols, &mut variables)?;
        let partition = partition_by
            .into_iter()
            .map(|key| context.sql_to_expr(key, input.schema()))
            .collect::<DfResult<Vec<_>>>()?;
        let (rowtime, order) = order_of(order_by, &input, context)?;
        let compiler = Compiler {
            variables: &variables,
            elements: &elements,
            input: &input,
            rowtime: rowtime.as_ref(),
            config: &self.config,
        };
        let mut within_ms = None;
        let mut conditions: Vec<_> = variables.iter().map(|_| None).collect();
        for symbol in &symbols {
            if symbol.symbol.value.starts_with(SUBSET_SYMBOL) {
                continue;
            }
            if symbol.symbol.value == WITHIN_SYMBOL {
                within_ms = Some(self.millis(symbol.definition.clone(), context)?);
                continue;
            }
            // A variable that the pattern does not have is of no interest.
            let Some(variable) = variables.iter().position(|it| *it == symbol.symbol.value) else {
                continue;
            };
            let formula = compiler.formula(&symbol.definition, context)?;
            check_boolean(&symbol.symbol.value, &formula.field)?;
            if let Some(condition) = conditions.get_mut(variable) {
                *condition = Some(formula);
            }
        }
        let measures = measures
            .iter()
            .map(|measure| {
                let formula = compiler.formula(&measure.expr, context)?;
                Ok((measure.alias.value.clone(), formula))
            })
            .collect::<Result<Vec<_>>>()?;
        let skip = skip_of(after_match_skip, &variables)?;
        let mut fields: Vec<FieldRef> = Vec::new();
        for key in &partition {
            let (_, field) = key.to_field(input.schema())?;
            fields.push(field);
        }
        for (name, formula) in &measures {
            fields.push(Arc::new(formula.field.as_ref().clone().with_name(name)));
        }
        let schema = DFSchema::from_unqualified_fields(fields.into(), Default::default())?;
        let node = MatchNode {
            input: input.clone(),
            partition,
            rowtime: rowtime.clone(),
            order,
            elements: elements.clone(),
            variables: variables.iter().cloned().zip(conditions).collect(),
            measures,
            skip,
            within_ms,
            text,
            schema: Arc::new(schema),
        };
        let plan = LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        });
        Ok((plan, alias))
    }

    /// The milliseconds of WITHIN.
    fn millis(&self, expr: SqlExpr, context: &mut dyn RelationPlannerContext) -> Result<i64> {
        let expr = context
            .sql_to_expr(expr, &DFSchema::empty())
            .map_err(from_planner)?;
        match constant(&expr, &self.config)? {
            ScalarValue::DurationMillisecond(Some(millis)) => Ok(millis),
            _ => Err(table_error(
                "Only constant intervals with millisecond resolution are supported as time \
                 constraints of patterns.",
                None,
            )),
        }
    }
}

/// Adds the names of SUBSET as variables without rows: Flink knows them and finds no row of them.
fn add_subsets(symbols: &[SymbolDefinition], variables: &mut Vec<String>) -> Result<()> {
    let subsets = symbols.iter().filter_map(|symbol| {
        let name = symbol.symbol.value.strip_prefix(SUBSET_SYMBOL)?;
        Some((name, &symbol.definition))
    });
    let of_pattern = variables.clone();
    for (name, members) in subsets {
        let members = match members {
            SqlExpr::Nested(member) => std::slice::from_ref(member.as_ref()),
            SqlExpr::Tuple(members) => members.as_slice(),
            _ => {
                return Err(validation(format!(
                    "SUBSET {name} needs a list of variables"
                )));
            }
        };
        for member in members {
            let is_known =
                matches!(member, SqlExpr::Identifier(ident) if of_pattern.contains(&ident.value));
            if !is_known {
                return Err(validation(format!("Unknown pattern '{member}'")));
            }
        }
        if variables.iter().any(|known| known == name) {
            return Err(validation(format!(
                "Pattern variable '{name}' has already been defined"
            )));
        }
        variables.push(name.to_owned());
    }
    Ok(())
}

/// The time attribute of ORDER BY (none if it is the processing time), and the keys behind it.
fn order_of(
    order_by: Vec<OrderByExpr>,
    input: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> DfResult<(Option<Expr>, Vec<SortExpr>)> {
    let mut keys = Vec::with_capacity(order_by.len());
    for key in order_by {
        let expr = context.sql_to_expr(key.expr, input.schema())?;
        let ascending = key.options.asc.unwrap_or(true);
        keys.push(SortExpr {
            expr,
            asc: ascending,
            nulls_first: key.options.nulls_first.unwrap_or(ascending),
        });
    }
    let mut keys = keys.into_iter();
    let Some(first) = keys.next() else {
        return Err(table_error(
            "You must specify either rowtime or proctime for order by.",
            None,
        )
        .into());
    };
    let (_, field) = first.expr.to_field(input.schema())?;
    if !time::is_rowtime(&field) && !time::is_proctime(&field) {
        return Err(table_error(
            "You must specify either rowtime or proctime for order by as the first one.",
            None,
        )
        .into());
    }
    if !first.asc {
        return Err(table_error(
            "Primary sort order of a streaming table must be ascending on time.",
            None,
        )
        .into());
    }
    let rowtime = time::is_rowtime(&field).then_some(first.expr);
    Ok((rowtime, keys.collect()))
}

fn skip_of(skip: Option<AfterMatchSkip>, variables: &[String]) -> Result<Skip> {
    let variable = |name: &Ident| {
        variables
            .iter()
            .position(|known| *known == name.value)
            .ok_or_else(|| validation(format!("Unknown pattern '{}'", name.value)))
    };
    Ok(match skip {
        Some(AfterMatchSkip::PastLastRow) => Skip::PastLastRow,
        // Flink's default, unlike the standard's.
        Some(AfterMatchSkip::ToNextRow) | None => Skip::ToNextRow,
        Some(AfterMatchSkip::ToFirst(name)) => Skip::ToFirst(variable(&name)?),
        Some(AfterMatchSkip::ToLast(name)) => Skip::ToLast(variable(&name)?),
    })
}
