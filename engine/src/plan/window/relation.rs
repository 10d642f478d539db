//! `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))` and its kin, with or without TABLE(…), with
//! or without names of arguments.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, ExprSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, ObjectName, Query, SetExpr, Spanned, TableAlias, TableFactor, Value,
    ValueWithSpan,
};

use super::WindowTvf;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::operators::window::WindowKind;
use crate::plan::build::physical;
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean, validation};

/// Plans window table functions.
#[derive(Debug)]
pub struct WindowRelations {
    config: Arc<ConfigOptions>,
}

impl WindowRelations {
    /// With the settings of the session.
    #[must_use]
    pub fn new(config: &Arc<ConfigOptions>) -> Self {
        Self {
            config: Arc::clone(config),
        }
    }
}

/// Whether this is the name of a window table function.
#[must_use]
pub fn is_window(name: &str) -> bool {
    parameters(&name.to_uppercase()).is_some()
}

/// The names of a window function's arguments; the last one of the aligned windows can be left out.
fn parameters(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "SESSION" => &["DATA", "TIMECOL", "GAP"],
        _ => return None,
    })
}

impl RelationPlanner for WindowRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let Some((name, arguments, alias)) = call_of(&relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let plan = self.plan_window(&name, &arguments, context)?;
        let planned = PlannedRelation::new(plan, alias);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// Name, arguments and alias of a window function.
fn call_of(relation: &TableFactor) -> Option<(String, Vec<FunctionArg>, Option<TableAlias>)> {
    let (name, arguments, alias): (&ObjectName, _, _) = match relation {
        TableFactor::TableFunction {
            expr:
                SqlExpr::Function(Function {
                    name,
                    args: FunctionArguments::List(FunctionArgumentList { args, .. }),
                    ..
                }),
            alias,
        } => (name, args, alias),
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            ..
        } => (name, &arguments.args, alias),
        _ => return None,
    };
    let name = name.to_string().to_uppercase();
    parameters(&name)?;
    Some((name, arguments.clone(), alias.clone()))
}

impl WindowRelations {
    fn plan_window(
        &self,
        name: &str,
        arguments: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<LogicalPlan> {
        let parameters = parameters(name).unwrap_or_default();
        let arguments = by_name(name, parameters, arguments)?;
        let argument = |parameter: &str| {
            let place = parameters.iter().position(|known| *known == parameter)?;
            arguments.get(place)?.clone()
        };
        let needed = |parameter: &str| {
            argument(parameter).ok_or_else(|| {
                validation(format!(
                    "invalid number of arguments to function '{name}': {parameter} is missing; \
                     it takes {}",
                    parameters.join(", ")
                ))
            })
        };
        let (input, partition) = plan_data(name, needed("DATA")?, context)?;
        let time = time_of(name, &needed("TIMECOL")?, &input)?;
        let mut measure = |expr: SqlExpr, what: &str| self.span_of(name, what, expr, context);
        let kind = match name {
            "TUMBLE" => WindowKind::Tumble {
                size_ms: measure(needed("SIZE")?, "size")?,
                offset_ms: 0,
            },
            "HOP" => WindowKind::Hop {
                slide_ms: measure(needed("SLIDE")?, "slide")?,
                size_ms: measure(needed("SIZE")?, "size")?,
                offset_ms: 0,
            },
            "CUMULATE" => WindowKind::Cumulate {
                step_ms: measure(needed("STEP")?, "step")?,
                size_ms: measure(needed("SIZE")?, "size")?,
                offset_ms: 0,
            },
            _ => WindowKind::Session {
                gap_ms: measure(needed("GAP")?, "gap")?,
            },
        };
        let kind = match argument("OFFSET") {
            Some(offset) => with_offset(kind, measure(offset, "offset")?),
            None => kind,
        };
        check_measures(kind)?;
        let partition = partition
            .iter()
            .map(|key| column_of(key, input.schema()))
            .collect::<DfResult<Vec<_>>>()?;
        let node = WindowTvf::try_new(input, time, partition, kind)?;
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        }))
    }

    /// The milliseconds of an interval.
    fn span_of(
        &self,
        name: &str,
        what: &str,
        expr: SqlExpr,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<i64> {
        let expr = context.sql_to_expr(expr, &DFSchema::empty())?;
        let value = physical(&expr, &DFSchema::empty(), &self.config).and_then(|physical| {
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let schema = Arc::new(Schema::empty());
            let row = RecordBatch::try_new_with_options(schema, vec![], &options)?;
            let value = physical.evaluate(&row)?.into_array(1)?;
            Ok(ScalarValue::try_from_array(&value, 0)?)
        });
        match value {
            Ok(ScalarValue::DurationMillisecond(Some(millis))) => Ok(millis),
            _ => Err(validation(format!(
                "the {what} of {name} must be an interval of days to seconds"
            ))
            .into()),
        }
    }
}

/// The arguments in the order of the parameters.
fn by_name(
    name: &str,
    parameters: &[&str],
    arguments: &[FunctionArg],
) -> DfResult<Vec<Option<SqlExpr>>> {
    let mut found: Vec<Option<SqlExpr>> = vec![None; parameters.len()];
    for (place, argument) in arguments.iter().enumerate() {
        let (place, argument) = match argument {
            FunctionArg::Unnamed(argument) => (Some(place), argument),
            FunctionArg::Named {
                name: parameter,
                arg,
                ..
            } => {
                let parameter = parameter.value.to_uppercase();
                let place = parameters.iter().position(|known| *known == parameter);
                (place, arg)
            }
            FunctionArg::ExprNamed { arg, .. } => (None, arg),
        };
        let slot = place.and_then(|place| found.get_mut(place));
        match (slot, argument) {
            (Some(slot @ None), FunctionArgExpr::Expr(expr)) => *slot = Some(expr.clone()),
            _ => {
                return Err(validation(format!(
                    "invalid arguments of window function {name}; it takes {}",
                    parameters.join(", ")
                ))
                .into());
            }
        }
    }
    Ok(found)
}

/// The rows, and PARTITION BY behind them.
fn plan_data(
    name: &str,
    data: SqlExpr,
    context: &mut dyn RelationPlannerContext,
) -> DfResult<(LogicalPlan, Vec<SqlExpr>)> {
    let mut query: Box<Query> = match data {
        SqlExpr::Subquery(query) => query,
        SqlExpr::Nested(inner) => return plan_data(name, *inner, context),
        other => {
            return Err(validation(format!(
                "the first argument of {name} must be TABLE name or a subquery, not {other}"
            ))
            .into());
        }
    };
    let mut partition = Vec::new();
    if let SetExpr::Select(select) = query.body.as_mut() {
        partition = std::mem::take(&mut select.distribute_by);
        if !select.sort_by.is_empty() {
            return Err(validation(format!("{name} takes no ORDER BY behind its table")).into());
        }
    }
    if name != "SESSION" && !partition.is_empty() {
        return Err(validation(format!(
            "{name} takes no PARTITION BY behind its table; only SESSION does"
        ))
        .into());
    }
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: None,
        sample: None,
    };
    Ok((context.plan(relation)?, partition))
}

/// The column of `DESCRIPTOR(column)`.
fn time_of(name: &str, descriptor: &SqlExpr, input: &LogicalPlan) -> DfResult<Expr> {
    let columns = match descriptor {
        SqlExpr::Function(Function {
            name: function,
            args: FunctionArguments::List(list),
            ..
        }) if function.to_string().eq_ignore_ascii_case("DESCRIPTOR") => list.args.as_slice(),
        _ => &[],
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(column))] = columns else {
        return Err(validation(format!(
            "the second argument of {name} must be DESCRIPTOR(time column)"
        ))
        .into());
    };
    let time = column_of(column, input.schema())?;
    let Expr::Column(column) = &time else {
        return Ok(time);
    };
    let field = input.schema().field_from_column(column)?;
    if !matches!(field.data_type(), DataType::Timestamp(..)) {
        return Err(validation(format!(
            "the window function {name}(TABLE table_name, DESCRIPTOR(timecol), datetime interval) \
             requires the timecol to be TIMESTAMP or TIMESTAMP_LTZ, but '{}' is {}",
            column.name,
            FlinkType::from_field(field).root_text()
        ))
        .into());
    }
    Ok(time)
}

/// A column that is named as one.
fn column_of(expr: &SqlExpr, schema: &DFSchema) -> DfResult<Expr> {
    let name = match expr {
        SqlExpr::Identifier(ident) => ident.value.clone(),
        SqlExpr::CompoundIdentifier(parts) => parts
            .last()
            .map(|part| part.value.clone())
            .unwrap_or_default(),
        SqlExpr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(name),
            ..
        }) => name.clone(),
        other => other.to_string(),
    };
    let columns: Vec<_> = schema.columns_with_unqualified_name(&name);
    match columns.into_iter().next() {
        Some(column) => Ok(Expr::Column(column)),
        None => {
            let known: Vec<_> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            let hint = did_you_mean(&name, known.iter().copied())
                .unwrap_or_else(|| format!("the columns here are: {}", known.join(", ")));
            let message = format!("unknown identifier '{name}' in a descriptor");
            let diagnostic = SqlDiagnostic::validation(message)
                .with_span("", expr.span())
                .with_hint(Some(hint));
            Err(EngineError::from(Arc::new(diagnostic)).into())
        }
    }
}

const fn with_offset(kind: WindowKind, offset_ms: i64) -> WindowKind {
    match kind {
        WindowKind::Tumble { size_ms, .. } => WindowKind::Tumble { size_ms, offset_ms },
        WindowKind::Hop {
            slide_ms, size_ms, ..
        } => WindowKind::Hop {
            slide_ms,
            size_ms,
            offset_ms,
        },
        WindowKind::Cumulate {
            step_ms, size_ms, ..
        } => WindowKind::Cumulate {
            step_ms,
            size_ms,
            offset_ms,
        },
        WindowKind::Session { .. } | WindowKind::Count { .. } => kind,
    }
}

/// Measures that no window has.
pub(super) fn check_measures(kind: WindowKind) -> Result<()> {
    let name = kind.name();
    let positive = |what: &str, millis: i64| {
        if millis > 0 {
            return Ok(());
        }
        Err(validation(format!(
            "{name} requires {what} to be positive, but got {millis} ms"
        )))
    };
    match kind {
        WindowKind::Tumble { size_ms, offset_ms } => {
            positive("size", size_ms)?;
            if offset_ms.abs() >= size_ms {
                return Err(validation(format!(
                    "TUMBLE requires its offset to be shorter than its size, but got size \
                     {size_ms} ms and offset {offset_ms} ms"
                )));
            }
        }
        WindowKind::Hop {
            slide_ms, size_ms, ..
        } => {
            positive("slide", slide_ms)?;
            positive("size", size_ms)?;
        }
        WindowKind::Cumulate {
            step_ms, size_ms, ..
        } => {
            positive("step", step_ms)?;
            positive("maxSize", size_ms)?;
            if size_ms % step_ms != 0 {
                return Err(validation(format!(
                    "CUMULATE requires maxSize to be an integral multiple of step, but got \
                     maxSize {size_ms} ms and step {step_ms} ms"
                )));
            }
        }
        WindowKind::Session { gap_ms } => positive("gap", gap_ms)?,
        WindowKind::Count { slide, size } => {
            if slide < 1 || size < 1 {
                return Err(validation(format!(
                    "a window over rows requires a positive number of them, but got size {size} and \
                     slide {slide}"
                )));
            }
        }
    }
    Ok(())
}
