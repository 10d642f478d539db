//! Aggregates as Flink plans them, on the bound plan.
//!
//! ```text
//!   STDDEV_POP(x)      ──▶ CAST(POWER($WELFORD_M2(x) / COUNT(x), 0.5) AS type of x)
//!   GROUPING(a, b)     ──▶ bits of the grouping set's number
//!   JSON_ARRAYAGG(x)   ──▶ JSON_ARRAYAGG(JSON_STRING(x))
//!   SUM(x) … GROUP BY  ──▶ the same, NOT NULL if x is: each group has a row that counts
//! ```
//!
//! The rewriting is not hidden in the results: a changelog has an update where the hidden parts
//! changed, even if the visible value did not.
//!
//! Source: Flink 2.3, `FlinkAggregateReduceFunctionsRule`, `WrapJsonAggFunctionArgumentsRule` and
//! Calcite's rules of nullability.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction as AggregateExpr;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, bitwise_and, bitwise_shift_right,
    cast, lit, when,
};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::AggregateFunction;
use crate::functions::aggregates::{self, Derived};
use crate::functions::cast::{self as flink_cast, OnFailure};
use crate::functions::registry::builtin_scalar;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::over_moments;
use crate::sql::diagnostics::validation;

/// Rewrites the aggregates of a bound plan.
///
/// # Errors
/// A validation error where Flink refuses an aggregate of these types.
pub fn rewrite_aggregates(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => Ok(Transformed::yes(rewrite_aggregate(aggregate)?)),
        LogicalPlan::Window(window) => Ok(Transformed::yes(over_moments::rewrite_window(window)?)),
        other => other.recompute_schema().map(Transformed::yes),
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

fn rewrite_aggregate(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let n_grouped = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let columns = aggregate.schema.columns();
    let input_schema = Arc::clone(aggregate.input.schema());
    let grouping = Grouping::try_new(&aggregate)?;
    let mut calls: Vec<Expr> = Vec::new();
    let mut outputs: Vec<Output> = Vec::new();
    for expr in &aggregate.aggr_expr {
        let Expr::AggregateFunction(call) = unaliased(expr) else {
            outputs.push(Output::Call(enter(&mut calls, expr.clone())));
            continue;
        };
        let call = Call {
            function: call.clone(),
            input_schema: &input_schema,
            is_grouped: grouping.is_grouped,
        };
        outputs.push(match aggregates::derived_of(&call.function.func) {
            Some(Derived::Grouping) => Output::Expr(grouping.bits(&call.function.params.args)?),
            Some(Derived::GroupId) => Output::Expr(grouping.ordinal()?),
            Some(derived) => {
                let (squares, count) = call.moments();
                Output::Moments {
                    squares: enter(&mut calls, squares),
                    count: enter(&mut calls, count),
                    derived,
                    result: call.moments_type(derived)?,
                }
            }
            None => Output::Call(enter(&mut calls, call.rewritten()?)),
        });
    }
    if grouping.exprs.is_empty() && calls.is_empty() {
        return Err(validation(
            "GROUP_ID operator may only occur in an aggregate query".to_owned(),
        )
        .into());
    }
    let rewritten = Aggregate::try_new(aggregate.input, aggregate.group_expr, calls)?;
    let new_columns = rewritten.schema.columns();
    let place = |call_idx: usize| n_grouped + call_idx;
    let is_same = new_columns == columns
        && (0_usize..)
            .zip(&outputs)
            .all(|(idx, output)| matches!(output, Output::Call(call_idx) if *call_idx == idx));
    if is_same {
        return Ok(LogicalPlan::Aggregate(rewritten));
    }
    let column = |call_idx: usize| {
        new_columns
            .get(place(call_idx))
            .cloned()
            .map(Expr::Column)
            .ok_or_else(|| EngineError::internal("an aggregate lost a column"))
    };
    let mut exprs: Vec<Expr> = new_columns
        .iter()
        .take(n_grouped)
        .cloned()
        .map(Expr::Column)
        .collect();
    for (output, name) in outputs.into_iter().zip(columns.into_iter().skip(n_grouped)) {
        let expr = match output {
            Output::Call(call_idx) => column(call_idx)?,
            Output::Expr(expr) => expr,
            Output::Moments {
                squares,
                count,
                derived,
                result,
            } => moment(derived, column(squares)?, column(count)?, &result)?,
        };
        exprs.push(named(expr, name));
    }
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(LogicalPlan::Aggregate(rewritten)),
    )?))
}

/// Where a column of the rewritten plan comes from.
enum Output {
    /// A call, by its place.
    Call(usize),
    /// An expression over the columns of the grouping.
    Expr(Expr),
    /// A moment, from the places of the squares and the count.
    Moments {
        squares: usize,
        count: usize,
        derived: Derived,
        result: FlinkType,
    },
}

/// One call over rows of `input_schema`.
struct Call<'a> {
    function: AggregateExpr,
    input_schema: &'a DFSchema,
    is_grouped: bool,
}

impl Call<'_> {
    /// Whether every group has a row that counts.
    fn always_counts(&self) -> bool {
        self.is_grouped && self.function.params.filter.is_none()
    }

    /// The call as it runs.
    fn rewritten(self) -> Result<Expr> {
        self.check_filter()?;
        let always_counts = self.always_counts();
        let Some(function) = aggregates::of_udaf(&self.function.func) else {
            return Ok(Expr::AggregateFunction(self.function));
        };
        let arguments = fields_of(&self.function.params.args, self.input_schema)?;
        check_types(function, &arguments)?;
        let mut call = self.function;
        if matches!(function, AggregateFunction::Count)
            && !call.params.distinct
            && arguments.iter().all(|argument| !argument.is_nullable())
        {
            // As Calcite has it: the rows are counted, and nobody needs the column.
            call.params.args = vec![lit(1_i64)];
        }
        call.func = aggregates::udaf(function, always_counts);
        if matches!(
            function,
            AggregateFunction::JsonArrayAgg { .. } | AggregateFunction::JsonObjectAgg { .. }
        ) && let Some(value) = call.params.args.last_mut()
            && !is_json(value)
        {
            let json_string = builtin_scalar("json_string").ok_or_else(|| {
                EngineError::unsupported(format!("{} of plain values", function.name()))
            })?;
            let plain = std::mem::replace(value, lit(ScalarValue::Null));
            *value = json_string.call(vec![plain]);
        }
        Ok(Expr::AggregateFunction(call))
    }

    fn check_filter(&self) -> Result<()> {
        let Some(filter) = &self.function.params.filter else {
            return Ok(());
        };
        let data_type = filter.get_type(self.input_schema).map_err(from_planner)?;
        if matches!(data_type, DataType::Boolean | DataType::Null) {
            return Ok(());
        }
        Err(validation("FILTER clause must be a condition".to_owned()))
    }

    /// The squares and the number of the values of STDDEV and its like.
    fn moments(&self) -> (Expr, Expr) {
        let with = |function| {
            let mut call = self.function.clone();
            call.func = aggregates::udaf(function, false);
            Expr::AggregateFunction(call)
        };
        (
            with(AggregateFunction::WelfordM2),
            with(AggregateFunction::Count),
        )
    }

    fn moments_type(&self, derived: Derived) -> Result<FlinkType> {
        let arguments = fields_of(&self.function.params.args, self.input_schema)?;
        let field = derived.result_field(&arguments, self.always_counts())?;
        Ok(FlinkType::from_field(&field))
    }
}

pub(super) fn fields_of(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<FieldRef>> {
    exprs
        .iter()
        .map(|expr| Ok(expr.to_field(schema).map_err(from_planner)?.1))
        .collect()
}

/// Refuses DISTINCT of values that Flink does not tell apart in the state of a stream.
///
/// # Errors
/// A validation error that names the type.
pub(super) fn check_distinct(aggregate: &Aggregate) -> Result<()> {
    use TypeRoot as T;
    for expr in &aggregate.aggr_expr {
        let Expr::AggregateFunction(call) = unaliased(expr) else {
            continue;
        };
        if !call.params.distinct {
            continue;
        }
        let arguments = fields_of(&call.params.args, aggregate.input.schema())?;
        let Some(argument) = arguments.first() else {
            continue;
        };
        let root = FlinkType::from_field(argument).root;
        if matches!(
            root,
            T::Binary(_) | T::Varbinary(_) | T::Map(..) | T::Multiset(_) | T::Row(_)
        ) {
            let kind = kind_of(&root);
            let message = format!("Distinct aggregate function does not support type: {kind}.");
            return Err(table_error(&message, None));
        }
    }
    Ok(())
}

/// Refuses what Flink has no aggregate for.
fn check_types(function: AggregateFunction, arguments: &[FieldRef]) -> Result<()> {
    use TypeRoot as T;
    let Some(argument) = arguments.first() else {
        return Ok(());
    };
    let root = FlinkType::from_field(argument).root;
    let kind = kind_of(&root);
    let is_binary = matches!(root, T::Binary(_) | T::Varbinary(_));
    let is_map_or_row = matches!(root, T::Map(..) | T::Multiset(_) | T::Row(_));
    let is_interval = matches!(
        root,
        T::IntervalYearMonth { .. } | T::IntervalDayTime { .. }
    );
    let has_no_order = is_binary
        || is_map_or_row
        || is_interval
        || matches!(root, T::Array(_) | T::Variant | T::Bitmap);
    let message = match function {
        AggregateFunction::Min | AggregateFunction::Max if has_no_order => {
            let word = if function == AggregateFunction::Min {
                "Min"
            } else {
                "Max"
            };
            format!("{word} aggregate function does not support type: ''{kind}''.")
        }
        AggregateFunction::SingleValue if has_no_order => {
            format!("SINGLE_VALUE aggregate function doesn't support type '{kind}'.")
        }
        AggregateFunction::Min | AggregateFunction::Max => return Ok(()),
        AggregateFunction::Count if arguments.len() > 1 => {
            "We now only support the count of one field.".to_owned()
        }
        _ => return Ok(()),
    };
    Err(table_error(&message, None))
}

/// The name of a type's root as Flink's planner prints it.
fn kind_of(root: &TypeRoot) -> String {
    match root {
        TypeRoot::IntervalYearMonth { .. } => "INTERVAL_YEAR_MONTH".to_owned(),
        TypeRoot::IntervalDayTime { .. } => "INTERVAL_DAY_TIME".to_owned(),
        other => {
            let text = FlinkType::nullable(other.clone()).as_serializable_string();
            let end = text.find(['(', '<']).unwrap_or(text.len());
            text.get(..end).unwrap_or_default().to_owned()
        }
    }
}

/// Whether an expression gives JSON that is not to be quoted.
fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            matches!(
                call.func.name(),
                "__json_object" | "__json_array" | "__json"
            )
        }
        Expr::Alias(alias) => is_json(&alias.expr),
        _ => false,
    }
}

/// The expressions that are grouped by, and the number of the grouping set.
struct Grouping {
    exprs: Vec<Expr>,
    is_grouped: bool,
    has_sets: bool,
}

impl Grouping {
    fn try_new(aggregate: &Aggregate) -> DfResult<Self> {
        let exprs = grouping_set_to_exprlist(&aggregate.group_expr)?;
        Ok(Self {
            exprs: exprs.into_iter().cloned().collect(),
            is_grouped: !aggregate.group_expr.is_empty(),
            has_sets: matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]),
        })
    }

    /// The number of the grouping set: a bit for each expression that it leaves out, the last one
    /// lowest; above them the ordinal among equal sets.
    fn id() -> Expr {
        cast(
            Expr::Column(Column::from_name(Aggregate::INTERNAL_GROUPING_ID)),
            DataType::Int64,
        )
    }

    /// GROUPING: for each argument, the last one lowest, whether the set leaves it out.
    fn bits(&self, arguments: &[Expr]) -> Result<Expr> {
        let mut bits: Option<Expr> = None;
        for (n_behind, argument) in arguments.iter().rev().enumerate() {
            let place = self.exprs.iter().position(|expr| expr == argument);
            let place = place.ok_or_else(|| {
                validation("Argument to GROUPING operator must be a grouped expression".to_owned())
            })?;
            let n_below = (self.exprs.len() - 1 - place) as i64;
            let bit = bitwise_and(bitwise_shift_right(Self::id(), lit(n_below)), lit(1_i64));
            let bit = bit * lit(1_i64 << n_behind);
            bits = Some(match bits {
                Some(bits) => bits + bit,
                None => bit,
            });
        }
        match bits {
            Some(bits) if self.has_sets => Ok(bits),
            Some(_) => Ok(lit(0_i64)),
            None => Err(validation(
                "Invalid number of arguments to function 'GROUPING'".to_owned(),
            )),
        }
    }

    /// GROUP_ID.
    fn ordinal(&self) -> Result<Expr> {
        if !self.is_grouped {
            return Err(validation(
                "GROUP_ID operator may only occur in an aggregate query".to_owned(),
            ));
        }
        if !self.has_sets {
            return Ok(lit(0_i64));
        }
        Ok(bitwise_shift_right(
            Self::id(),
            lit(self.exprs.len() as i64),
        ))
    }
}

/// STDDEV or VAR of the squared distances from the mean and the number of values.
fn moment(derived: Derived, squares: Expr, count: Expr, result: &FlinkType) -> DfResult<Expr> {
    let divisor = match derived {
        Derived::StddevPop | Derived::VarPop => count,
        _ => when(count.clone().eq(lit(1_i64)), lit(ScalarValue::Int64(None)))
            .otherwise(count - lit(1_i64))?,
    };
    let mut value = squares / cast(divisor, DataType::Float64);
    if matches!(derived, Derived::StddevPop | Derived::StddevSamp) {
        let power = builtin_scalar("power")
            .ok_or_else(|| EngineError::internal("there is no function POWER"))?;
        value = power.call(vec![value, lit(0.5_f64)]);
    }
    // A type without NULL has Flink's -1 for it: the variance of the sample of one value.
    if !result.nullable
        && !matches!(result.root, TypeRoot::Decimal { .. })
        && let Some(coalesce) = builtin_scalar("coalesce")
    {
        value = coalesce.call(vec![value, lit(-1.0_f64)]);
    }
    if result.root == TypeRoot::Double {
        return Ok(value);
    }
    let target = FlinkType::nullable(result.root.clone()).to_string();
    Ok(flink_cast::function(OnFailure::Fail).call(vec![value, lit(target)]))
}

pub(super) fn named(expr: Expr, name: Column) -> Expr {
    match &expr {
        Expr::Column(column) if *column == name => expr,
        _ => expr.alias_qualified(name.relation, name.name),
    }
}

/// The place of `call` among the calls; equal ones are made once.
pub(super) fn enter(calls: &mut Vec<Expr>, call: Expr) -> usize {
    if let Some(known) = calls.iter().position(|known| *known == call) {
        return known;
    }
    calls.push(call);
    calls.len() - 1
}

pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
