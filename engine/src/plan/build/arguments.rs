//! What an operator wants of its input: columns, and a Calc in between that computes those that
//! are more than a column.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;

use super::expressions::constant;
use super::{Built, GraphBuilder, physical, unaliased};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::{AggregateCall, AggregateFunction, Callee};
use crate::functions::{aggregates, foreign_aggregate};
use crate::operators::SortKey;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::text;

/// The columns that an operator wants of its input; those that are more than a column of it are
/// computed by a Calc in between.
pub(super) struct Arguments {
    config: Arc<ConfigOptions>,
    input_schema: Arc<DFSchema>,
    /// Text and expression of each wanted column; equal ones are wanted once.
    columns: Vec<(Expr, Arc<dyn PhysicalExpr>)>,
    fields: Vec<FieldRef>,
    input_fields: SchemaRef,
}

impl Arguments {
    pub(super) fn new(input: &Built, schema: &Arc<DFSchema>, config: &Arc<ConfigOptions>) -> Self {
        Self {
            config: Arc::clone(config),
            input_schema: Arc::clone(schema),
            columns: Vec::new(),
            fields: Vec::new(),
            input_fields: Arc::clone(&input.schema),
        }
    }

    /// The index of the column that holds `expr`.
    pub(super) fn column(&mut self, expr: &Expr) -> Result<usize> {
        let expr = unaliased(expr);
        if let Some(known) = self.columns.iter().position(|(known, _)| known == expr) {
            return Ok(known);
        }
        let physical = physical(expr, &self.input_schema, &self.config)?;
        // A column keeps its name, what is computed gets one by its place.
        let name = match expr.try_as_col() {
            Some(_) => text::expression(expr),
            None => format!("$f{}", self.columns.len()),
        };
        let field = physical
            .return_field(&self.input_fields)
            .map_err(from_planner)?
            .as_ref()
            .clone()
            .with_name(name);
        self.columns.push((expr.clone(), physical));
        self.fields.push(Arc::new(field));
        Ok(self.columns.len() - 1)
    }

    /// The index of the column that holds column `column` of the input.
    pub(super) fn existing(&mut self, column: usize) -> usize {
        let Some(field) = self.input_fields.fields().get(column).map(Arc::clone) else {
            return column;
        };
        // A scan that only counts rows has a column that its plan does not know.
        let known = self.input_schema.columns().into_iter().nth(column);
        let plan_column = known.unwrap_or_else(|| Column::new_unqualified(field.name().clone()));
        self.columns.push((
            Expr::Column(plan_column),
            Arc::new(PhysicalColumn::new(field.name(), column)),
        ));
        self.fields.push(field);
        self.columns.len() - 1
    }

    /// `expr` as EXPLAIN shows it behind the Calc: what that computes is a column.
    pub(super) fn shown(&self, expr: &Expr) -> Expr {
        let known = self.columns.iter().zip(&self.fields);
        let mut known = known.filter(|((known, _), _)| known.try_as_col().is_none());
        let known = known.find(|((known, _), _)| known == unaliased(expr));
        match known {
            Some((_, field)) => Expr::Column(Column::new_unqualified(field.name())),
            None => expr.clone(),
        }
    }

    /// The node that has the columns: a new Calc, or `input` itself if it has just these.
    pub(super) fn calc(self, builder: &mut GraphBuilder, input: &Built, keys: &[usize]) -> Built {
        let identity = self.columns.len() == input.schema.fields().len()
            && self
                .columns
                .iter()
                .enumerate()
                .all(|(column_idx, (_, expr))| {
                    expr.downcast_ref::<PhysicalColumn>()
                        .is_some_and(|column| column.index() == column_idx)
                });
        if identity || (self.columns.is_empty() && keys.is_empty()) {
            return input.clone();
        }
        let select: Vec<_> = self
            .columns
            .iter()
            .zip(&self.fields)
            .map(|((expr, _), field)| text::selected(expr, field.name()))
            .collect();
        let schema = Arc::new(Schema::new(self.fields));
        let projection = self.columns.into_iter().map(|(_, expr)| expr).collect();
        builder.calc(input, text::calc(&select, None), None, projection, schema)
    }
}

pub(super) fn call(
    expr: &Expr,
    result: FieldRef,
    arguments: &mut Arguments,
) -> Result<AggregateCall> {
    let Expr::AggregateFunction(aggregate) = unaliased(expr) else {
        return Err(EngineError::internal(format!("'{expr}' is no aggregate")));
    };
    let built_in = aggregates::of_udaf(&aggregate.func);
    let foreign = || foreign_aggregate::spec_of(&aggregate.func).map(Callee::Foreign);
    let Some(callee) = built_in.map(Callee::BuiltIn).or_else(foreign) else {
        return Err(EngineError::unsupported(format!(
            "aggregate function {} in streaming mode",
            aggregate.func.name().to_uppercase()
        )));
    };
    if built_in == Some(AggregateFunction::ApproxCountDistinct) {
        return Err(table_error(
            "APPROX_COUNT_DISTINCT aggregate function does not support yet for streaming.",
            Some("COUNT(DISTINCT …) counts exactly"),
        ));
    }
    let (mut columns, mut constants) = (Vec::new(), Vec::new());
    for (argument_idx, argument) in aggregate.params.args.iter().enumerate() {
        // COUNT of a constant counts rows.
        let counts_rows = built_in == Some(AggregateFunction::Count)
            && matches!(argument, Expr::Literal(value, _) if !value.is_null());
        if built_in.is_some_and(|function| function.is_constant(argument_idx)) {
            constants.push(constant(argument, &arguments.config)?);
        } else if !counts_rows {
            columns.push(arguments.column(argument)?);
        }
    }
    let ignores_nulls = aggregate.params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let callee = match callee {
        Callee::BuiltIn(function) if ignores_nulls => Callee::BuiltIn(function.ignoring_nulls()),
        callee => callee,
    };
    let filter = aggregate
        .params
        .filter
        .as_ref()
        .map(|filter| arguments.column(filter))
        .transpose()?;
    Ok(AggregateCall {
        function: callee,
        arguments: columns,
        constants,
        filter,
        distinct: aggregate.params.distinct,
        result,
    })
}

pub(super) fn sort_key(key: &SortExpr, arguments: &mut Arguments) -> Result<SortKey> {
    Ok(SortKey {
        column: arguments.column(&key.expr)?,
        descending: !key.asc,
        nulls_first: key.nulls_first,
    })
}
