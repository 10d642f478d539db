//! Operators between two values, typed by Flink's rules: what they take, what they give, and what
//! an operand is turned into before.
//!
//! ```text
//!   1 + 2.5        __decimal_plus(1, 2.5)              DECIMAL(12, 1)
//!   x / y          __integer_divide(x, y)              INT: cut, wraps, fails at zero
//!   f > 1          __float_gt(f, 1e0)                  Java's order: NaN is never greater
//!   'a' || 'b'     __concat('a', 'b')                  CHAR(2)
//!   d + INTERVAL   __temporal_plus(d, …)
//!   a = b          stays, for the optimizer's sake: texts, exact numbers, times, nested values
//! ```
//!
//! Source: Calcite's `SqlStdOperatorTable` with Flink 2.3's type system, measured pair by pair.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast as plain_cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator as Op;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::arithmetic::{Operation, decimal_function};
use crate::functions::cast::{self, OnFailure};
use crate::functions::illegal_null;
use crate::functions::registry::builtin_scalar;
use crate::functions::rules::{
    calcite_name, digits, is_datetime, is_interval, is_number, is_text, least_restrictive,
    needs_no_cast,
};
use crate::sql::diagnostics::validation;

/// What becomes of `expr`, whose operands are bound.
///
/// # Errors
/// A validation error if the operator does not take such operands.
pub(super) fn plan_operator(
    expr: RawBinaryExpr,
    schema: &DFSchema,
) -> DfResult<PlannerResult<RawBinaryExpr>> {
    // Unknown columns are reported by the binder, with their place.
    let (Ok((_, left)), Ok((_, right))) = (expr.left.to_field(schema), expr.right.to_field(schema))
    else {
        return Ok(PlannerResult::Original(expr));
    };
    let types = Operands {
        left: FlinkType::from_field(&left),
        right: FlinkType::from_field(&right),
    };
    let planned = match &expr.op {
        Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => {
            comparison(&expr.op, &expr.left, &expr.right, &types)?
        }
        Op::And | Op::Or => {
            types.logical(&expr.op)?;
            None
        }
        Op::StringConcat => Some(types.concatenation(&expr)?),
        op => match operation_of(op) {
            Some(operation) => types.arithmetic(operation, &expr)?,
            None => None,
        },
    };
    Ok(match planned {
        Some(planned) => PlannerResult::Planned(planned),
        None => PlannerResult::Original(expr),
    })
}

fn operation_of(op: &Op) -> Option<Operation> {
    Some(match op {
        Op::Plus => Operation::Plus,
        Op::Minus => Operation::Minus,
        Op::Multiply => Operation::Multiply,
        Op::Divide => Operation::Divide,
        Op::Modulo => Operation::Modulo,
        _ => return None,
    })
}

/// The types of both operands.
pub(super) struct Operands {
    pub(super) left: FlinkType,
    pub(super) right: FlinkType,
}

impl Operands {
    fn any(&self, check: impl Fn(&TypeRoot) -> bool) -> bool {
        check(&self.left.root) || check(&self.right.root)
    }

    fn both(&self, check: impl Fn(&TypeRoot) -> bool) -> bool {
        check(&self.left.root) && check(&self.right.root)
    }

    fn refused(&self, op: &Op) -> EngineError {
        let supported = match op {
            Op::And | Op::Or => format!("'<BOOLEAN> {op} <BOOLEAN>'"),
            Op::Modulo => format!("'<EXACT_NUMERIC> {op} <EXACT_NUMERIC>'"),
            Op::StringConcat => format!("'<STRING> {op} <STRING>'"),
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide => {
                format!("'<NUMERIC> {op} <NUMERIC>'")
            }
            _ => format!("'<COMPARABLE_TYPE> {op} <COMPARABLE_TYPE>'"),
        };
        validation(format!(
            "cannot apply '{op}' to arguments of type '<{}> {op} <{}>'; supported: {supported}",
            calcite_name(&self.left),
            calcite_name(&self.right)
        ))
    }

    fn logical(&self, op: &Op) -> Result<()> {
        if self.both(|root| matches!(root, TypeRoot::Boolean | TypeRoot::Null)) {
            return Ok(());
        }
        Err(self.refused(op))
    }

    fn concatenation(&self, expr: &RawBinaryExpr) -> Result<Expr> {
        if self.any(|root| *root == TypeRoot::Null) {
            return Err(illegal_null());
        }
        if !self.both(is_text) {
            return Err(self.refused(&expr.op));
        }
        call("__concat", vec![expr.left.clone(), expr.right.clone()])
    }

    fn arithmetic(&self, operation: Operation, expr: &RawBinaryExpr) -> Result<Option<Expr>> {
        if self.any(|root| *root == TypeRoot::Null) {
            return Err(illegal_null());
        }
        let arguments = || vec![expr.left.clone(), expr.right.clone()];
        if self.any(is_datetime) || self.any(is_interval) {
            return self.temporal(operation, expr).map(Some);
        }
        if !self.both(is_number) {
            return Err(self.refused(&expr.op));
        }
        if self.any(|root| digits(root).is_none()) {
            return self.floating(operation, expr).map(Some);
        }
        if operation == Operation::Modulo
            && self.both(|root| digits(root).is_some_and(|it| it.1 == 0))
        {
            // The remainder is smaller than the divisor: it has its type.
            let remainder = call("__integer_mod", arguments())?;
            return Ok(Some(remainder));
        }
        if self.any(|root| matches!(root, TypeRoot::Decimal { .. })) {
            return Ok(Some(decimal_function(operation).call(arguments())));
        }
        match operation {
            Operation::Divide => call("__integer_divide", arguments()).map(Some),
            _ => Ok(None),
        }
    }

    /// At least one operand is FLOAT or DOUBLE.
    fn floating(&self, operation: Operation, expr: &RawBinaryExpr) -> Result<Expr> {
        use datafusion::logical_expr::{BinaryExpr, Operator};
        let operator = match operation {
            Operation::Plus => Operator::Plus,
            Operation::Minus => Operator::Minus,
            Operation::Multiply => Operator::Multiply,
            Operation::Divide => Operator::Divide,
            Operation::Modulo => return Err(self.refused(&expr.op)),
        };
        let given = [self.left.clone(), self.right.clone()];
        let result = least_restrictive(&given).ok_or_else(|| self.refused(&expr.op))?;
        let is_constant = expr.left.column_refs().is_empty()
            && !expr.left.is_volatile()
            && !is_null_constant(&expr.left);
        if operation == Operation::Divide && is_constant && is_zero(&expr.right) {
            // Calcite's reducer looks at the divisor before it divides.
            return Err(validation("division by zero".to_owned()));
        }
        let has_double = given.iter().any(|given| given.root == TypeRoot::Double);
        let computed = if has_double {
            DataType::Float64
        } else {
            result.to_arrow_type()
        };
        let operand = |operand: &Expr, given: &FlinkType| {
            Box::new(if given.to_arrow_type() == computed {
                operand.clone()
            } else {
                plain_cast(operand.clone(), computed.clone())
            })
        };
        let value = Expr::BinaryExpr(BinaryExpr::new(
            operand(&expr.left, &self.left),
            operator,
            operand(&expr.right, &self.right),
        ));
        Ok(if computed == result.to_arrow_type() {
            value
        } else {
            plain_cast(value, result.to_arrow_type())
        })
    }

    /// Intervals move times and each other; a number stretches an interval.
    fn temporal(&self, operation: Operation, expr: &RawBinaryExpr) -> Result<Expr> {
        let (left, right) = (&self.left.root, &self.right.root);
        let kind = std::mem::discriminant::<TypeRoot>;
        let is_taken = match operation {
            Operation::Plus => {
                (is_interval(left) && is_interval(right) && kind(left) == kind(right))
                    || (is_datetime(left) && is_interval(right))
                    || (is_interval(left) && is_datetime(right))
            }
            Operation::Minus => {
                (is_interval(left) && is_interval(right) && kind(left) == kind(right))
                    || (is_datetime(left) && is_interval(right))
            }
            Operation::Multiply => {
                (is_interval(left) && is_number(right)) || (is_number(left) && is_interval(right))
            }
            Operation::Divide | Operation::Modulo => false,
        };
        if !is_taken {
            return Err(self.refused(&expr.op));
        }
        let name = match operation {
            Operation::Plus => "__temporal_plus",
            Operation::Minus => "__temporal_minus",
            _ => "__interval_times",
        };
        let mut arguments = vec![expr.left.clone(), expr.right.clone()];
        if operation == Operation::Multiply && is_number(left) {
            arguments.reverse();
        }
        call(name, arguments)
    }
}

/// A call of one of our own functions.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    builtin_scalar(name)
        .map(|function| function.call(arguments))
        .ok_or_else(|| EngineError::internal(format!("no function {name}")))
}

/// `value` as `to`, by the rules of CAST.
pub(super) fn cast_to(value: Expr, to: &TypeRoot) -> Expr {
    let target = FlinkType::nullable(to.clone()).to_string();
    cast::function(OnFailure::Fail).call(vec![value, lit(target)])
}

/// A comparison of `left` and `right` as a boolean expression; `None` where the operator itself
/// says it, the casts of exact numbers left to the coercion of types.
pub(super) fn comparison(
    op: &Op,
    left: &Expr,
    right: &Expr,
    types: &Operands,
) -> Result<Option<Expr>> {
    use TypeRoot as T;
    let (left_root, right_root) = (&types.left.root, &types.right.root);
    if types.any(|root| matches!(root, T::Float | T::Double)) {
        if left == right && !left.is_volatile() {
            // Calcite holds that a value equals itself, NaN too: as Arrow does.
            return Ok(None);
        }
        if let (Some(left), Some(right)) = (constant(left), constant(right)) {
            return Ok(Some(lit(compared(op, left, right)?)));
        }
    }
    if types.any(|root| *root == T::Null) || left_root == right_root {
        check_order(op, types)?;
        if types.any(|root| matches!(root, T::Float | T::Double))
            && !types.any(|root| *root == T::Null)
        {
            return float_comparison(op, left.clone(), right.clone()).map(Some);
        }
        return Ok(None);
    }
    if types.both(|root| digits(root).is_some()) {
        return Ok(None);
    }
    if is_text(left_root) != is_text(right_root) {
        return compared_with_text(op, left, right, types).map(Some);
    }
    let Some(common) = least_restrictive(&[types.left.clone(), types.right.clone()]) else {
        return Err(types.refused(op));
    };
    check_order(op, types)?;
    let operand = |operand: &Expr, given: &FlinkType| {
        if needs_no_cast(&given.root, &common.root) {
            operand.clone()
        } else if is_number(&common.root) {
            plain_cast(operand.clone(), common.to_arrow_type())
        } else {
            cast_to(operand.clone(), &common.root)
        }
    };
    let (left, right) = (operand(left, &types.left), operand(right, &types.right));
    if matches!(common.root, T::Float | T::Double) {
        return float_comparison(op, left, right).map(Some);
    }
    Ok(Some(native(op, left, right)?))
}

/// The number that a literal stands for, under a cast too. Calcite compares literals as decimals,
/// so that `CAST(0.1 AS FLOAT)` is 0.1; only the cast of a text is computed.
fn constant(expr: &Expr) -> Option<f64> {
    let text = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.clone()),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let value = match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => value.to_string().parse().ok()?,
        Expr::Cast(cast) => match cast.expr.as_ref() {
            literal @ Expr::Literal(ScalarValue::Int64(_), _) => constant(literal)?,
            literal if cast.field.data_type() != &DataType::Utf8 => text(literal)?.parse().ok()?,
            _ => return None,
        },
        Expr::Negative(inner) => -constant(inner)?,
        Expr::ScalarFunction(function) if function.func.name() == "__cast" => {
            let [value, Expr::Literal(ScalarValue::Utf8(Some(target)), _)] =
                function.args.as_slice()
            else {
                return None;
            };
            if !matches!(
                target.as_str(),
                "FLOAT" | "DOUBLE" | "FLOAT NOT NULL" | "DOUBLE NOT NULL"
            ) {
                return None;
            }
            match (constant(value), target.starts_with("FLOAT")) {
                (Some(value), _) => value,
                (None, true) => f64::from(text(value)?.parse::<f32>().ok()?),
                (None, false) => text(value)?.parse().ok()?,
            }
        }
        _ => return None,
    };
    (!value.is_nan()).then_some(value)
}

/// Whether a constant is the number 0, of whatever type.
fn is_zero(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(function) if function.func.name() == "__cast" => {
            match function.args.as_slice() {
                [value, Expr::Literal(ScalarValue::Utf8(Some(target)), _)] => {
                    let is_number = ["FLOAT", "DOUBLE", "DECIMAL"]
                        .iter()
                        .any(|name| target.starts_with(name));
                    is_number && is_zero(value)
                }
                _ => false,
            }
        }
        Expr::Cast(cast) => is_zero(&cast.expr),
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => text.trim().parse() == Ok(0.0_f64),
        other => constant(other) == Some(0.0),
    }
}

/// `CAST(NULL AS …)`, which Calcite folds before it looks at types.
fn is_null_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::ScalarFunction(function) if function.func.name() == "__cast" => {
            function.args.first().is_some_and(is_null_constant)
        }
        _ => false,
    }
}

fn compared(op: &Op, left: f64, right: f64) -> Result<bool> {
    Ok(match op {
        Op::Eq => left == right,
        Op::NotEq => left != right,
        Op::Lt => left < right,
        Op::LtEq => left <= right,
        Op::Gt => left > right,
        Op::GtEq => left >= right,
        other => return Err(EngineError::internal(format!("'{other}' compares nothing"))),
    })
}

/// Arrays, maps and rows have no order.
fn check_order(op: &Op, types: &Operands) -> Result<()> {
    let is_ordered = !matches!(op, Op::Eq | Op::NotEq);
    let is_nested = |root: &TypeRoot| {
        matches!(
            root,
            TypeRoot::Array(_) | TypeRoot::Map(..) | TypeRoot::Multiset(_) | TypeRoot::Row(_)
        )
    };
    if is_ordered && types.any(is_nested) {
        return Err(types.refused(op));
    }
    Ok(())
}

/// Times are compared with texts of them, numbers ordered beside them; Flink does not guess whether
/// `'1' = 1` compares texts or numbers.
fn compared_with_text(op: &Op, left: &Expr, right: &Expr, types: &Operands) -> Result<Expr> {
    let other = if is_text(&types.left.root) {
        &types.right.root
    } else {
        &types.left.root
    };
    let is_equality = matches!(op, Op::Eq | Op::NotEq);
    let is_ordered = is_number(other) || *other == TypeRoot::Boolean;
    if is_datetime(other) || (is_ordered && !is_equality) {
        let operand = |operand: &Expr, given: &FlinkType| {
            if is_text(&given.root) {
                cast_to(operand.clone(), other)
            } else {
                operand.clone()
            }
        };
        let (left, right) = (operand(left, &types.left), operand(right, &types.right));
        if matches!(other, TypeRoot::Float | TypeRoot::Double) {
            return float_comparison(op, left, right);
        }
        return native(op, left, right);
    }
    if is_number(other) && (is_null_constant(left) || is_null_constant(right)) {
        return Ok(lit(ScalarValue::Boolean(None)));
    }
    if is_number(other) {
        return Err(validation(format!(
            "implicit type conversion between {} and {} is not supported now",
            calcite_name(&types.left),
            calcite_name(&types.right)
        )));
    }
    if is_equality && (*other == TypeRoot::Boolean || is_interval(other)) {
        // Flink compares objects of different classes here: they are never equal.
        let differ = *op == Op::NotEq;
        return call(
            "__never_equal",
            vec![left.clone(), right.clone(), lit(differ)],
        );
    }
    Err(types.refused(op))
}

fn native(op: &Op, left: Expr, right: Expr) -> Result<Expr> {
    Ok(match op {
        Op::Eq => left.eq(right),
        Op::NotEq => left.not_eq(right),
        Op::Lt => left.lt(right),
        Op::LtEq => left.lt_eq(right),
        Op::Gt => left.gt(right),
        Op::GtEq => left.gt_eq(right),
        other => return Err(EngineError::internal(format!("'{other}' compares nothing"))),
    })
}

/// Arrow orders floating-point numbers totally, Java does not.
fn float_comparison(op: &Op, left: Expr, right: Expr) -> Result<Expr> {
    let name = match op {
        Op::Eq => "__float_eq",
        Op::NotEq => "__float_ne",
        Op::Lt => "__float_lt",
        Op::LtEq => "__float_le",
        Op::Gt => "__float_gt",
        Op::GtEq => "__float_ge",
        other => return Err(EngineError::internal(format!("'{other}' compares nothing"))),
    };
    call(name, vec![left, right])
}
