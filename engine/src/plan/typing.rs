//! What the binder types as calls of functions, and the engine runs as expressions.
//!
//! DataFusion's own CASE, IN and IS DISTINCT FROM forget what Arrow cannot say (CHAR(3), a
//! result that is never NULL), and have no hook for the binder. So they are bound as calls, whose
//! result types are ours; afterwards each becomes the lazy, optimizable expression again, under a
//! `__typed` that keeps the type:
//!
//! ```text
//!   __case(c, 'a', 'bcd')   ──▶  __typed(CASE WHEN c THEN 'a' ELSE 'bcd' END, 'VARCHAR(3)')
//!   __in(x, 1, 2)           ──▶  x IN (1, 2)
//!   __distinct(a, b)        ──▶  (a IS DISTINCT FROM b) IS TRUE     in WHERE and ON without IS TRUE
//!   ON __float_eq(l.x, r.y) ──▶  ON l.x = r.y      keys of a join compare by Arrow's total order
//! ```

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{self, OnFailure};
use crate::functions::rules::{digits, is_text, needs_no_cast};
use crate::plan::errors::from_planner;
use crate::plan::operands::{Operands, call, cast_to, comparison};

/// Turns the typed calls of a whole plan, subqueries included, into expressions.
///
/// # Errors
/// If a call's types do not fit after all, which is a bug.
pub fn expand_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(expand_node)
        .map(|expanded| expanded.data)
        .map_err(from_planner)
}

/// The same for one expression over the columns of `schema`.
///
/// # Errors
/// As [`expand_plan`].
pub fn expand_expr(expr: Expr, schema: &DFSchema) -> DfResult<Expr> {
    expr.transform_up(|expr| expand(expr, schema))
        .map(|expanded| expanded.data)
}

fn expand_node(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let expanded = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        expr.transform_up(|expr| expand(expr, &schema))
            .map(|expanded| expanded.update_data(|expr| name.restore(expr)))
    })?;
    let plan = match expanded.data {
        LogicalPlan::Filter(mut filter) => {
            let sides = match filter.input.as_ref() {
                LogicalPlan::Join(join) => Some((join.left.schema(), join.right.schema())),
                _ => None,
            };
            filter.predicate = plain_condition(filter.predicate, sides.map(|(l, r)| (&**l, &**r)));
            LogicalPlan::Filter(filter)
        }
        LogicalPlan::Join(mut join) => {
            let condition = join.filter.take();
            join.filter = condition.map(|condition| {
                plain_condition(condition, Some((join.left.schema(), join.right.schema())))
            });
            LogicalPlan::Join(join)
        }
        other => other,
    };
    if expanded.transformed {
        return Ok(Transformed::yes(plan.recompute_schema()?));
    }
    Ok(Transformed::no(plan))
}

fn expand(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Expr::ScalarFunction(function) = expr else {
        return Ok(Transformed::no(expr));
    };
    let expanded = match function.func.name() {
        "__case" | "__if" => lazy_case(function, schema)?,
        "__in" => membership(function, schema)?,
        "__distinct" => distinction(function, schema)?,
        "__cast" if is_float_of_number(&function, schema)? => without_inner_cast(function),
        "__cast" if is_folded_number(&function) => folded_cast(function, OnFailure::Fail),
        "__try_cast" if is_folded_number(&function) => folded_cast(function, OnFailure::Null),
        _ => return Ok(Transformed::no(Expr::ScalarFunction(function))),
    };
    Ok(Transformed::yes(expanded))
}

/// Whether a cast takes a FLOAT or DOUBLE that is a text to the user: constants are folded from the
/// inside.
fn is_folded_number(function: &ScalarFunction) -> bool {
    let Some(Expr::ScalarFunction(inner)) = function.args.first() else {
        return false;
    };
    let [value, Expr::Literal(ScalarValue::Utf8(Some(target)), _)] = inner.args.as_slice() else {
        return false;
    };
    let is_cast = matches!(inner.func.name(), "__cast" | "__try_cast");
    is_cast
        && (target.starts_with("FLOAT") || target.starts_with("DOUBLE"))
        && is_text_constant(value)
}

/// Whether a cast takes `CAST(16777217 AS FLOAT)` to a number of another type: the literal in it
/// keeps its digits.
fn is_float_of_number(function: &ScalarFunction, schema: &DFSchema) -> DfResult<bool> {
    let [
        Expr::ScalarFunction(inner),
        Expr::Literal(ScalarValue::Utf8(Some(target)), _),
    ] = function.args.as_slice()
    else {
        return Ok(false);
    };
    let [
        value,
        Expr::Literal(ScalarValue::Utf8(Some(inner_target)), _),
    ] = inner.args.as_slice()
    else {
        return Ok(false);
    };
    if inner.func.name() != "__cast" || !inner_target.starts_with("FLOAT") {
        return Ok(false);
    }
    let is_wider = ["DOUBLE", "DECIMAL", "BIGINT", "INT"]
        .iter()
        .any(|name| target.starts_with(name) && !target.starts_with("INTERVAL"));
    let is_literal = match value {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => matches!(*cast.expr, Expr::Literal(..)),
        _ => false,
    };
    if !is_wider || !is_literal {
        return Ok(false);
    }
    let root = FlinkType::from_field(&value.to_field(schema)?.1).root;
    Ok(digits(&root).is_some())
}

fn without_inner_cast(mut function: ScalarFunction) -> Expr {
    if let Some(Expr::ScalarFunction(inner)) = function.args.first_mut()
        && !inner.args.is_empty()
    {
        let value = inner.args.swap_remove(0);
        if let Some(first) = function.args.first_mut() {
            *first = value;
        }
    }
    Expr::ScalarFunction(function)
}

fn is_text_constant(value: &Expr) -> bool {
    match value {
        Expr::Literal(ScalarValue::Utf8(Some(_)), _) => true,
        Expr::Cast(cast) => {
            *cast.field.data_type() == DataType::Utf8 && is_text_constant(&cast.expr)
        }
        _ => false,
    }
}

fn folded_cast(function: ScalarFunction, on_failure: OnFailure) -> Expr {
    cast::function_of_folded_text(on_failure).call(function.args)
}

/// Only the branch that is chosen is computed.
fn lazy_case(function: ScalarFunction, schema: &DFSchema) -> DfResult<Expr> {
    let whole = Expr::ScalarFunction(function.clone());
    let result = FlinkType::from_field(&whole.to_field(schema)?.1);
    let mut arguments = function.args;
    let otherwise = arguments.pop();
    let mut when_then_expr = Vec::with_capacity(arguments.len() / 2);
    let mut rest = arguments.into_iter();
    while let (Some(condition), Some(value)) = (rest.next(), rest.next()) {
        let value = fitted(value, &result.root, schema)?;
        when_then_expr.push((Box::new(condition), Box::new(value)));
    }
    let otherwise = otherwise
        .map(|otherwise| fitted(otherwise, &result.root, schema))
        .transpose()?;
    let case = Expr::Case(Case {
        expr: None,
        when_then_expr,
        else_expr: otherwise.map(Box::new),
    });
    let found = FlinkType::from_field(&case.to_field(schema)?.1);
    if found == result {
        return Ok(case);
    }
    Ok(call("__typed", vec![case, lit(result.to_string())])?)
}

fn fitted(value: Expr, root: &TypeRoot, schema: &DFSchema) -> DfResult<Expr> {
    let from = FlinkType::from_field(&value.to_field(schema)?.1).root;
    if needs_no_cast(&from, root) {
        return Ok(value);
    }
    Ok(cast_to(value, root))
}

/// A set of values where one comparison fits all, else one comparison after the other.
fn membership(function: ScalarFunction, schema: &DFSchema) -> DfResult<Expr> {
    let mut arguments = function.args.into_iter();
    let value = arguments
        .next()
        .ok_or_else(|| EngineError::internal("IN looks for a value"))?;
    let value_type = FlinkType::from_field(&value.to_field(schema)?.1);
    let list: Vec<Expr> = arguments.collect();
    let mut types = Vec::with_capacity(list.len());
    for item in &list {
        types.push(FlinkType::from_field(&item.to_field(schema)?.1));
    }
    let is_alike = |item: &FlinkType| {
        item.root == value_type.root || (is_text(&item.root) && is_text(&value_type.root))
    };
    let is_float = matches!(value_type.root, TypeRoot::Float | TypeRoot::Double);
    if !is_float && list.len() > 1 && types.iter().all(is_alike) {
        return Ok(Expr::InList(InList::new(Box::new(value), list, false)));
    }
    let mut found: Option<Expr> = None;
    for (item, item_type) in list.into_iter().zip(types) {
        let (left, right) = member_operands(value.clone(), &value_type, item, &item_type);
        let operands = Operands {
            left: FlinkType::from_field(&left.to_field(schema)?.1),
            right: FlinkType::from_field(&right.to_field(schema)?.1),
        };
        let equal = match comparison(&BinaryOperator::Eq, &left, &right, &operands)? {
            Some(equal) => equal,
            None => left.eq(right),
        };
        found = Some(match found {
            Some(others) => others.or(equal),
            None => equal,
        });
    }
    found.ok_or_else(|| EngineError::internal("IN looks into a list").into())
}

/// IN compares in the type of the value that it looks for: among numbers a text is read as one, and
/// a text among which it is looked for makes texts of all others, cut to its length.
fn member_operands(
    value: Expr,
    value_type: &FlinkType,
    item: Expr,
    item_type: &FlinkType,
) -> (Expr, Expr) {
    match (is_text(&value_type.root), is_text(&item_type.root)) {
        _ if TypeRoot::Null == value_type.root || TypeRoot::Null == item_type.root => (value, item),
        (true, false) | (false, true) => (value, cast_to(item, &value_type.root)),
        _ => (value, item),
    }
}

/// Floating-point numbers are distinct as Java compares them: NaN from itself.
fn distinction(function: ScalarFunction, schema: &DFSchema) -> DfResult<Expr> {
    let mut arguments = function.args.into_iter();
    let (Some(left), Some(right)) = (arguments.next(), arguments.next()) else {
        return Err(EngineError::internal("IS DISTINCT FROM compares two values").into());
    };
    let operands = Operands {
        left: FlinkType::from_field(&left.to_field(schema)?.1),
        right: FlinkType::from_field(&right.to_field(schema)?.1),
    };
    let equal = comparison(&BinaryOperator::Eq, &left, &right, &operands)?;
    let (left, right) = match equal {
        Some(Expr::BinaryExpr(equal)) => (equal.left, equal.right),
        Some(equal) => {
            let both_null = left.is_null().and(right.is_null());
            return Ok(Expr::IsNotTrue(Box::new(equal)).and(both_null.is_not_true()));
        }
        None => (Box::new(left), Box::new(right)),
    };
    let distinct = Expr::BinaryExpr(BinaryExpr::new(left, Operator::IsDistinctFrom, right));
    Ok(Expr::IsTrue(Box::new(distinct)))
}

/// A condition as the optimizer likes it: NULL and FALSE are the same to it.
fn plain_condition(condition: Expr, sides: Option<(&DFSchema, &DFSchema)>) -> Expr {
    let parts = split_conjunction_owned(condition)
        .into_iter()
        .map(|part| plain_part(part, sides));
    conjunction(parts).unwrap_or_else(|| lit(true))
}

fn plain_part(part: Expr, sides: Option<(&DFSchema, &DFSchema)>) -> Expr {
    match part {
        Expr::IsTrue(inner) if is_distinction(&inner) => *inner,
        Expr::Not(inner) => match *inner {
            Expr::IsTrue(inner) if is_distinction(&inner) => match *inner {
                Expr::BinaryExpr(distinct) => Expr::BinaryExpr(BinaryExpr {
                    op: Operator::IsNotDistinctFrom,
                    ..distinct
                }),
                other => Expr::Not(Box::new(other)),
            },
            other => Expr::Not(Box::new(other)),
        },
        Expr::ScalarFunction(function) if function.func.name() == "__float_eq" => {
            match (function.args.as_slice(), sides) {
                ([left, right], Some(sides)) if joins(left, right, sides) => {
                    left.clone().eq(right.clone())
                }
                _ => Expr::ScalarFunction(function),
            }
        }
        other => other,
    }
}

fn is_distinction(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::IsDistinctFrom,
            ..
        })
    )
}

/// Whether one operand comes from one side of a join and the other from the other side.
fn joins(left: &Expr, right: &Expr, sides: (&DFSchema, &DFSchema)) -> bool {
    let within = |expr: &Expr, schema: &DFSchema| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.into_iter().all(|column| schema.has_column(column))
    };
    (within(left, sides.0) && within(right, sides.1))
        || (within(left, sides.1) && within(right, sides.0))
}
