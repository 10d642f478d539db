//! Expressions of DEFINE and MEASURES as formulas: references to rows of the match, and an ordinary
//! expression over them.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, VisitMut,
    VisitorMut,
};

use super::node::{PlanFormula, PlanReference};
use crate::error::{EngineError, Result};
use crate::operators::match_recognize::Element;
use crate::plan::build::constant;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::rules::analyze;
use crate::plan::time;
use crate::sql::diagnostics::validation;

/// Functions that only mean something inside of MATCH_RECOGNIZE.
pub const PATTERN_FUNCTIONS: &[&str] = &[
    "first",
    "last",
    "prev",
    "next",
    "final",
    "running",
    "classifier",
    "match_number",
    "match_rowtime",
    "match_proctime",
];

/// What expressions are compiled against.
pub(super) struct Compiler<'a> {
    pub(super) variables: &'a [String],
    pub(super) elements: &'a [Element],
    pub(super) input: &'a LogicalPlan,
    /// The column of the event time.
    pub(super) rowtime: Option<&'a Expr>,
    pub(super) config: &'a Arc<ConfigOptions>,
}

/// What a reference is before its types are known.
#[derive(Debug, Clone, PartialEq)]
enum Raw {
    Row {
        variable: Option<usize>,
        from_last: bool,
        offset: usize,
        value: SqlExpr,
    },
    Aggregate {
        variable: Option<usize>,
        call: SqlExpr,
    },
    Rowtime,
}

impl Compiler<'_> {
    /// The formula of `expr`.
    ///
    /// # Errors
    /// Validation errors, and what Flink refuses.
    pub(super) fn formula(
        &self,
        expr: &SqlExpr,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<PlanFormula> {
        let mut rewriter = Rewriter {
            compiler: self,
            context: &mut *context,
            found: Vec::new(),
        };
        let mut expr = expr.clone();
        if let ControlFlow::Break(error) = VisitMut::visit(&mut expr, &mut rewriter) {
            return Err(error);
        }
        let found = rewriter.found;
        let mut references = Vec::with_capacity(found.len());
        let mut fields = Vec::with_capacity(found.len());
        let is_rowtime = matches!(found.as_slice(), [Raw::Rowtime]);
        for (idx, raw) in found.into_iter().enumerate() {
            let (reference, field) = self.reference(raw, context)?;
            references.push(reference);
            let field = time::without_attribute(&field);
            fields.push(Arc::new(field.as_ref().clone().with_name(name_of(idx))));
        }
        let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new())
            .map_err(from_planner)?;
        let planned = context.sql_to_expr(expr, &schema).map_err(from_planner)?;
        let expr = time::over_physical(planned, &HashMap::new(), &schema, self.config)?;
        let (_, field) = expr.to_field(&schema).map_err(from_planner)?;
        let field = match (&expr, is_rowtime) {
            (Expr::Column(_), true) => Arc::new(time::as_rowtime(field.as_ref().clone())),
            _ => field,
        };
        Ok(PlanFormula {
            references,
            schema: Arc::new(schema),
            expr,
            field,
        })
    }

    fn reference(
        &self,
        raw: Raw,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<(PlanReference, FieldRef)> {
        let schema = self.input.schema();
        match raw {
            Raw::Row {
                variable,
                from_last,
                offset,
                value,
            } => {
                let planned = context.sql_to_expr(value, schema).map_err(from_planner)?;
                let expr = time::over_physical(planned, &HashMap::new(), schema, self.config)?;
                let (_, field) = expr.to_field(schema).map_err(from_planner)?;
                let may_lack = offset > 0 || self.may_lack(variable);
                let nullable = field.is_nullable() || may_lack;
                let field = field.as_ref().clone().with_nullable(nullable);
                let reference = PlanReference::Row {
                    variable,
                    from_last,
                    offset,
                    expr,
                };
                Ok((reference, Arc::new(field)))
            }
            Raw::Rowtime => {
                let expr = self.rowtime.cloned().ok_or_else(|| {
                    table_error(
                        "MATCH_ROWTIME() needs an ORDER BY of a rowtime attribute.",
                        Some("order by the rowtime, or use MATCH_PROCTIME()"),
                    )
                })?;
                let (_, field) = expr.to_field(schema).map_err(from_planner)?;
                let reference = PlanReference::Row {
                    variable: None,
                    from_last: true,
                    offset: 0,
                    expr,
                };
                Ok((
                    reference,
                    Arc::new(field.as_ref().clone().with_nullable(false)),
                ))
            }
            Raw::Aggregate { variable, call } => {
                let planned = context.sql_to_expr(call, schema).map_err(from_planner)?;
                let (expr, field) = self.aggregate(planned)?;
                let reference = PlanReference::Aggregate {
                    variable,
                    expr,
                    field: Arc::clone(&field),
                };
                Ok((reference, field))
            }
        }
    }

    /// An aggregate with its implicit casts, and its result.
    fn aggregate(&self, expr: Expr) -> Result<(Expr, FieldRef)> {
        let lost = || EngineError::internal("an aggregate of a pattern got lost");
        let empty = LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
            produce_one_row: false,
            schema: Arc::clone(self.input.schema()),
        });
        let plan = LogicalPlanBuilder::from(empty)
            .aggregate(Vec::<Expr>::new(), vec![expr])
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_planner)?;
        let plan = analyze(plan, self.config)?;
        let aggregate = find_aggregate(&plan).ok_or_else(lost)?;
        let expr = aggregate.aggr_expr.first().cloned().ok_or_else(lost)?;
        let field = aggregate
            .schema
            .fields()
            .first()
            .cloned()
            .ok_or_else(lost)?;
        Ok((expr, field))
    }

    /// Whether a match may have no row of the variable, or an expression is about rows that are
    /// not there yet.
    fn may_lack(&self, variable: Option<usize>) -> bool {
        variable.is_some_and(|variable| {
            let mut elements = self.elements.iter();
            !elements.any(|element| element.variable == variable && element.min > 0)
        })
    }

    fn variable(&self, ident: &Ident) -> Option<usize> {
        self.variables.iter().position(|name| *name == ident.value)
    }
}

fn find_aggregate(
    plan: &LogicalPlan,
) -> Option<&datafusion::logical_expr::logical_plan::Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        other => other.inputs().into_iter().find_map(find_aggregate),
    }
}

fn name_of(idx: usize) -> String {
    format!("__ref{idx}")
}

/// Replaces what an expression takes from the rows of a match by columns.
struct Rewriter<'a, 'b> {
    compiler: &'a Compiler<'a>,
    context: &'b mut dyn RelationPlannerContext,
    found: Vec<Raw>,
}

impl VisitorMut for Rewriter<'_, '_> {
    type Break = EngineError;

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<EngineError> {
        match self.rewrite(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Rewriter<'_, '_> {
    fn rewrite(&mut self, expr: &mut SqlExpr) -> Result<()> {
        let last = |variable, value| Raw::Row {
            variable,
            from_last: true,
            offset: 0,
            value,
        };
        let raw = match expr {
            SqlExpr::Identifier(ident) if ident.value.starts_with("__ref") => return Ok(()),
            SqlExpr::Identifier(_) => last(None, expr.clone()),
            SqlExpr::CompoundIdentifier(_) => {
                let mut value = expr.clone();
                let variable = self.strip(&mut value)?;
                last(variable, value)
            }
            SqlExpr::Function(function) => match self.function(function)? {
                Some(Replacement::Raw(raw)) => raw,
                Some(Replacement::Expr(inner)) => {
                    *expr = inner;
                    return self.rewrite(expr);
                }
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let known = self.found.iter().position(|known| *known == raw);
        let idx = known.unwrap_or_else(|| {
            self.found.push(raw);
            self.found.len() - 1
        });
        *expr = SqlExpr::Identifier(Ident::with_quote('`', name_of(idx)));
        Ok(())
    }

    fn function(&mut self, function: &Function) -> Result<Option<Replacement>> {
        let name = function.name.to_string().replace('`', "").to_lowercase();
        let refused = |message: &str| Err(table_error(message, None));
        match name.as_str() {
            "first" | "last" => self.navigation(function, name == "last").map(Some),
            "prev" | "next" => refused("Flink does not support physical offsets within partition."),
            "classifier" | "match_number" | "running" => {
                refused(&format!("Unsupported call: {}()", name.to_uppercase()))
            }
            "final" => match arguments(function).as_slice() {
                [inner] => Ok(Some(Replacement::Expr(inner.clone()))),
                _ => Err(validation("FINAL takes one expression".to_owned())),
            },
            "match_rowtime" => Ok(Some(Replacement::Raw(Raw::Rowtime))),
            "match_proctime" => Ok(Some(Replacement::Expr(crate::sql::syntax::call(
                "PROCTIME",
                Vec::new(),
            )))),
            name => {
                let provider = self.context.context_provider();
                if provider.get_aggregate_meta(name).is_none() {
                    return Ok(None);
                }
                self.aggregate(function).map(Some)
            }
        }
    }

    /// FIRST(value, offset) and LAST(value, offset).
    fn navigation(&mut self, function: &Function, from_last: bool) -> Result<Replacement> {
        let mut arguments = arguments(function).into_iter();
        let Some(mut value) = arguments.next() else {
            return Err(validation(format!("{} takes a value", function.name)));
        };
        let offset = match arguments.next() {
            None => 0,
            Some(offset) => self.offset(offset)?,
        };
        let variable = self.strip(&mut value)?;
        Ok(Replacement::Raw(Raw::Row {
            variable,
            from_last,
            offset,
            value,
        }))
    }

    fn offset(&mut self, offset: SqlExpr) -> Result<usize> {
        let planned = self
            .context
            .sql_to_expr(offset, &DFSchema::empty())
            .map_err(from_planner)?;
        let value = constant(&planned, self.compiler.config)?
            .cast_to(&DataType::Int64)
            .map_err(from_planner)?;
        let value = match value {
            ScalarValue::Int64(Some(value)) => usize::try_from(value).ok(),
            _ => None,
        };
        value.ok_or_else(|| {
            validation("the offset of FIRST and LAST is a number from 0 on".to_owned())
        })
    }

    fn aggregate(&mut self, function: &Function) -> Result<Replacement> {
        if let FunctionArguments::List(list) = &function.args
            && list.duplicate_treatment.is_some()
        {
            return Err(validation(format!(
                "DISTINCT/ALL not allowed with {function} function"
            )));
        }
        let mut call = SqlExpr::Function(function.clone());
        let variable = self.strip(&mut call)?;
        Ok(Replacement::Raw(Raw::Aggregate { variable, call }))
    }

    /// Takes the variable off all columns of `expr`. Gives it.
    fn strip(&self, expr: &mut SqlExpr) -> Result<Option<usize>> {
        let text = expr.to_string();
        let mut stripper = Stripper {
            compiler: self.compiler,
            variable: None,
            text,
        };
        match VisitMut::visit(expr, &mut stripper) {
            ControlFlow::Continue(()) => Ok(stripper.variable),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

enum Replacement {
    Raw(Raw),
    Expr(SqlExpr),
}

fn arguments(function: &Function) -> Vec<SqlExpr> {
    let FunctionArguments::List(list) = &function.args else {
        return Vec::new();
    };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

struct Stripper<'a> {
    compiler: &'a Compiler<'a>,
    variable: Option<usize>,
    text: String,
}

impl VisitorMut for Stripper<'_> {
    type Break = EngineError;

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<EngineError> {
        let SqlExpr::CompoundIdentifier(parts) = expr else {
            return ControlFlow::Continue(());
        };
        let Some((head, rest)) = parts.split_first() else {
            return ControlFlow::Continue(());
        };
        let Some(variable) = self.compiler.variable(head) else {
            let schema = self.compiler.input.schema();
            if schema
                .fields()
                .iter()
                .any(|field| *field.name() == head.value)
            {
                return ControlFlow::Continue(());
            }
            return ControlFlow::Break(validation(format!("Table '{}' not found", head.value)));
        };
        if self.variable.is_some_and(|known| known != variable) {
            return ControlFlow::Break(validation(format!(
                "Multiple pattern variables in '{}'",
                self.text
            )));
        }
        self.variable = Some(variable);
        *expr = match rest {
            [column] => SqlExpr::Identifier(column.clone()),
            nested => SqlExpr::CompoundIdentifier(nested.to_vec()),
        };
        ControlFlow::Continue(())
    }
}

/// Whether a condition is one.
pub(super) fn check_boolean(name: &str, field: &Field) -> Result<()> {
    if *field.data_type() == DataType::Boolean {
        return Ok(());
    }
    Err(validation(format!(
        "DEFINE clause must be a condition: that of '{name}' is not"
    )))
}
