//! STDDEV, VAR and their like over a window, as sums.
//!
//! ```text
//!   VAR_POP(x) OVER w   ──▶  (SUM(x * x) OVER w - SUM(x) OVER w * SUM(x) OVER w / COUNT(x) OVER w)
//!                              / COUNT(x) OVER w
//!   STDDEV_POP(x)       ──▶  POWER(that, 0.5)
//!   … of a sample       ──▶  divided by COUNT(x) - 1, and NULL for one value
//! ```
//!
//! Each step has the type of its operands: among integers all of them cut and wrap. That is not what
//! GROUP BY gives, which follows Welford in DOUBLE ([`super::aggregates`]).
//!
//! Source: `AvgVarianceConvertlet` of Calcite, checked against answers of Flink 2.3.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::planner::{PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    Expr, LogicalPlan, Operator, Projection, Window, WindowFunctionDefinition, binary_expr, cast,
    lit, when,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::aggregates::{enter, fields_of, named, unaliased};
use super::operands::{cast_to, plan_operator};
use crate::data::types::FlinkType;
use crate::error::EngineError;
use crate::functions::accumulators::AggregateFunction;
use crate::functions::aggregates::{self, Derived};
use crate::functions::registry::builtin_scalar;
use crate::sql::diagnostics::validation;

/// The window with sums in place of its moments.
///
/// # Errors
/// A validation error for GROUPING, and where a value has no square.
pub(super) fn rewrite_window(window: Window) -> DfResult<LogicalPlan> {
    if window
        .window_expr
        .iter()
        .all(|expr| derived_of(expr).is_none())
    {
        return LogicalPlan::Window(window).recompute_schema();
    }
    let n_input = window.input.schema().fields().len();
    let names = window.schema.columns();
    let mut calls = Vec::new();
    let mut outputs = Vec::new();
    for expr in &window.window_expr {
        let (Some(derived), Expr::WindowFunction(call)) = (derived_of(expr), unaliased(expr))
        else {
            outputs.push(Output::Call(enter(&mut calls, expr.clone())));
            continue;
        };
        outputs.push(Output::Moment(Moment::try_new(
            derived,
            call,
            window.input.schema(),
            &mut calls,
        )?));
    }
    let rewritten = Window::try_new(calls, window.input)?;
    let columns = rewritten.schema.columns();
    let column = |idx: usize| {
        columns
            .get(idx)
            .cloned()
            .map(Expr::Column)
            .ok_or_else(|| EngineError::internal("a window lost a column"))
    };
    let mut exprs = (0..n_input)
        .map(column)
        .collect::<crate::error::Result<Vec<_>>>()?;
    for (output, name) in outputs.into_iter().zip(names.into_iter().skip(n_input)) {
        let expr = match output {
            Output::Call(call_idx) => column(n_input + call_idx)?,
            Output::Moment(moment) => {
                let sums = [moment.squares, moment.sum, moment.count];
                let [squares, sum, count] = sums.map(|place| column(n_input + place));
                moment.of(squares?, sum?, count?, &rewritten.schema)?
            }
        };
        exprs.push(named(expr, name));
    }
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(LogicalPlan::Window(rewritten)),
    )?))
}

fn derived_of(expr: &Expr) -> Option<Derived> {
    let Expr::WindowFunction(call) = unaliased(expr) else {
        return None;
    };
    match &call.fun {
        WindowFunctionDefinition::AggregateUDF(udaf) => aggregates::derived_of(udaf),
        WindowFunctionDefinition::WindowUDF(_) => None,
    }
}

enum Output {
    /// A call, by its place.
    Call(usize),
    Moment(Moment),
}

/// The places of the sums that a moment is made of.
struct Moment {
    derived: Derived,
    squares: usize,
    sum: usize,
    count: usize,
    result: FlinkType,
}

impl Moment {
    fn try_new(
        derived: Derived,
        call: &WindowFunction,
        schema: &DFSchema,
        calls: &mut Vec<Expr>,
    ) -> DfResult<Self> {
        let [value] = call.params.args.as_slice() else {
            return Err(validation(
                "GROUPING operator may only occur in an aggregate query".to_owned(),
            )
            .into());
        };
        if matches!(derived, Derived::Grouping | Derived::GroupId) {
            return Err(validation(
                "GROUPING operator may only occur in an aggregate query".to_owned(),
            )
            .into());
        }
        let square = arithmetic(
            value.clone(),
            BinaryOperator::Multiply,
            value.clone(),
            schema,
        )?;
        let mut with = |function: AggregateFunction, value: &Expr| {
            let fun = WindowFunctionDefinition::AggregateUDF(aggregates::udaf(function, false));
            let mut params = call.params.clone();
            params.args = vec![value.clone()];
            enter(calls, Expr::from(WindowFunction { fun, params }))
        };
        let arguments = fields_of(&call.params.args, schema)?;
        Ok(Self {
            derived,
            squares: with(AggregateFunction::Sum, &square),
            sum: with(AggregateFunction::Sum, value),
            count: with(AggregateFunction::Count, value),
            result: FlinkType::from_field(&derived.result_field(&arguments, false)?),
        })
    }

    /// The moment of these sums, which are columns of `schema`.
    fn of(&self, squares: Expr, sum: Expr, count: Expr, schema: &DFSchema) -> DfResult<Expr> {
        use BinaryOperator as Op;
        let squared = arithmetic(sum.clone(), Op::Multiply, sum, schema)?;
        let expected = arithmetic(squared, Op::Divide, count.clone(), schema)?;
        let difference = arithmetic(squares, Op::Minus, expected, schema)?;
        let divisor = match self.derived {
            Derived::StddevPop | Derived::VarPop => count,
            _ => when(count.clone().eq(lit(1_i64)), lit(ScalarValue::Int64(None)))
                .otherwise(count - lit(1_i64))?,
        };
        let mut value = arithmetic(difference, Op::Divide, divisor, schema)?;
        if matches!(self.derived, Derived::StddevPop | Derived::StddevSamp) {
            let power = builtin_scalar("power")
                .ok_or_else(|| EngineError::internal("there is no function POWER"))?;
            value = power.call(vec![cast(value, DataType::Float64), lit(0.5_f64)]);
        }
        Ok(cast_to(value, &self.result.root))
    }
}

/// `left op right`, typed as Flink types it.
fn arithmetic(left: Expr, op: BinaryOperator, right: Expr, schema: &DFSchema) -> DfResult<Expr> {
    let raw = RawBinaryExpr { op, left, right };
    Ok(match plan_operator(raw, schema)? {
        PlannerResult::Planned(expr) => expr,
        PlannerResult::Original(RawBinaryExpr { op, left, right }) => {
            let operator = match op {
                BinaryOperator::Plus => Operator::Plus,
                BinaryOperator::Minus => Operator::Minus,
                BinaryOperator::Multiply => Operator::Multiply,
                _ => Operator::Divide,
            };
            binary_expr(left, operator, right)
        }
    })
}
