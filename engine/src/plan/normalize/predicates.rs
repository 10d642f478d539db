//! Conditions and CASE as calls, so that our functions decide their types (see `plan/typing`).

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Join, JoinConstraint, JoinOperator, SetExpr, UnaryOperator, Value, ValueWithSpan,
};

use super::{string, take};
use crate::error::{EngineError, Result};
use crate::functions::illegal_null;
use crate::plan::bare_null::is_null;
use crate::sql::diagnostics::validation;
use crate::sql::syntax::call;

/// Rewrites the syntax of a choice or of a predicate whose operands have been rewritten.
pub(super) fn typed_call(expr: &mut Expr) {
    let replacement = match expr {
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => case(operand.as_deref(), conditions, else_result.as_deref_mut()),
        Expr::Between {
            expr: value,
            negated,
            low,
            high,
        } => {
            // As Calcite has it: the value is compared twice.
            let within = Expr::Nested(Box::new(binary(
                binary((**value).clone(), BinaryOperator::GtEq, take(low)),
                BinaryOperator::And,
                binary(take(value), BinaryOperator::LtEq, take(high)),
            )));
            negated_if(*negated, within)
        }
        Expr::InList {
            expr: value,
            list,
            negated,
        } => {
            let mut arguments = vec![take(value)];
            arguments.append(list);
            negated_if(*negated, call("__in", arguments))
        }
        Expr::IsDistinctFrom(left, right) => call("__distinct", vec![take(left), take(right)]),
        Expr::IsNotDistinctFrom(left, right) => {
            negated_if(true, call("__distinct", vec![take(left), take(right)]))
        }
        Expr::Like {
            negated,
            expr: value,
            pattern,
            escape_char,
            ..
        } => matched("__like", *negated, value, pattern, escape_char.as_ref()),
        Expr::SimilarTo {
            negated,
            expr: value,
            pattern,
            escape_char,
        } => matched("__similar", *negated, value, pattern, escape_char.as_ref()),
        _ => return,
    };
    *expr = replacement;
}

/// AND, OR, NOT and `IS TRUE` do not give a bare NULL a type.
///
/// # Errors
/// A validation error if an operand is one.
pub(super) fn refuse_bare_null(expr: &Expr) -> Result<()> {
    let operands: &[&Expr] = match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => &[left, right],
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: operand,
        }
        | Expr::IsTrue(operand)
        | Expr::IsNotTrue(operand)
        | Expr::IsFalse(operand)
        | Expr::IsNotFalse(operand) => &[operand],
        _ => return Ok(()),
    };
    if operands.iter().any(|operand| is_null(operand)) {
        return Err(illegal_null());
    }
    Ok(())
}

/// A join other than CROSS and NATURAL ones has a condition.
///
/// # Errors
/// A validation error for the first join without.
pub(super) fn check_joins(body: &SetExpr) -> Result<()> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, right, .. } => {
            check_joins(left)?;
            return check_joins(right);
        }
        _ => return Ok(()),
    };
    let lacks_condition = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Join(JoinConstraint::None)
                | JoinOperator::Inner(JoinConstraint::None)
                | JoinOperator::Left(JoinConstraint::None)
                | JoinOperator::LeftOuter(JoinConstraint::None)
                | JoinOperator::Right(JoinConstraint::None)
                | JoinOperator::RightOuter(JoinConstraint::None)
                | JoinOperator::FullOuter(JoinConstraint::None)
        )
    };
    if select
        .from
        .iter()
        .any(|from| from.joins.iter().any(lacks_condition))
    {
        return Err(validation(
            "INNER, LEFT, RIGHT or FULL join requires a condition (NATURAL keyword or ON or USING \
             clause)"
                .to_owned(),
        ));
    }
    Ok(())
}

/// `(s, e) OVERLAPS (s, e)`.
///
/// # Errors
/// If a side is no pair.
pub(super) fn overlaps(left: &mut Expr, right: &mut Expr) -> Result<Expr> {
    let mut arguments = Vec::with_capacity(4);
    for side in [left, right] {
        match side {
            Expr::Function(row) if row.name.to_string() == "__row" => match pair_of(row) {
                Some(pair) => arguments.extend(pair),
                None => return Err(no_periods()),
            },
            _ => return Err(no_periods()),
        }
    }
    Ok(call("__overlaps", arguments))
}

fn no_periods() -> EngineError {
    validation("cannot apply 'OVERLAPS': both sides are pairs of a start and an end".to_owned())
}

/// The two values of a row constructor.
fn pair_of(row: &mut Function) -> Option<[Expr; 2]> {
    let FunctionArguments::List(list) = &mut row.args else {
        return None;
    };
    match list.args.as_mut_slice() {
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(start)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(end)),
        ] => Some([take(start), take(end)]),
        _ => None,
    }
}

fn case(operand: Option<&Expr>, conditions: &mut [CaseWhen], otherwise: Option<&mut Expr>) -> Expr {
    let mut arguments = Vec::with_capacity(conditions.len() * 2 + 1);
    for when in conditions {
        let condition = take(&mut when.condition);
        arguments.push(match operand {
            Some(operand) => binary(operand.clone(), BinaryOperator::Eq, condition),
            None => condition,
        });
        arguments.push(take(&mut when.result));
    }
    arguments.push(otherwise.map_or_else(|| Expr::Value(Value::Null.into()), take));
    call("__case", arguments)
}

fn matched(
    name: &str,
    negated: bool,
    value: &mut Expr,
    pattern: &mut Expr,
    escape: Option<&ValueWithSpan>,
) -> Expr {
    let mut arguments = vec![take(value), take(pattern)];
    if let Some(escape) = escape {
        let escape = escape.value.clone();
        arguments.push(match escape.into_string() {
            Some(text) => string(&text),
            None => Expr::Value(Value::Null.into()),
        });
    }
    negated_if(negated, call(name, arguments))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if !negated {
        return expr;
    }
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}
