//! Nested values while names are resolved: `t.r.f`, and comparisons of arrays, maps and rows.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, Result as DfResult, TableReference};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::data::types::FlinkType;
use crate::functions::nested::access::is_nested;
use crate::functions::registry::builtin_scalar;
use crate::sql::diagnostics::validation;

/// Plans what concerns nested values; it comes before DataFusion's own planners.
#[derive(Debug)]
pub(super) struct NestedExpressions;

impl ExprPlanner for NestedExpressions {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawBinaryExpr>> {
        let (Ok((_, left)), Ok((_, right))) =
            (expr.left.to_field(schema), expr.right.to_field(schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let types = [left.data_type(), right.data_type()];
        if !types.iter().any(|data_type| is_nested(data_type))
            || types.iter().any(|data_type| **data_type == DataType::Null)
        {
            return Ok(PlannerResult::Original(expr));
        }
        if expr.op == BinaryOperator::Eq && are_join_keys(&expr) && types[0] == types[1] {
            return Ok(PlannerResult::Original(expr));
        }
        let name = match expr.op {
            BinaryOperator::Eq => "__nested_eq",
            BinaryOperator::NotEq => "__nested_ne",
            BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                return Err(validation(format!(
                    "Comparable type expected, but was '{}'.",
                    FlinkType::from_field(&left)
                ))
                .into());
            }
            BinaryOperator::StringConcat => {
                return Err(validation("String expression type expected.".to_owned()).into());
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(match builtin_scalar(name) {
            Some(function) => PlannerResult::Planned(function.call(vec![expr.left, expr.right])),
            None => PlannerResult::Original(expr),
        })
    }

    /// `column.field.field`
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> DfResult<PlannerResult<Vec<Expr>>> {
        let Some(function) = builtin_scalar("__field") else {
            return Ok(PlannerResult::Original(Vec::new()));
        };
        let column = Expr::Column(Column::from((qualifier, field)));
        Ok(PlannerResult::Planned(
            nested_names.iter().fold(column, |value, name| {
                function.call(vec![value, lit(name.clone())])
            }),
        ))
    }
}

/// Whether columns of two relations are compared: as keys of a join, nested values are equal if
/// all in them is, NULLs included.
fn are_join_keys(expr: &RawBinaryExpr) -> bool {
    match (&expr.left, &expr.right) {
        (Expr::Column(left), Expr::Column(right)) => left.relation != right.relation,
        _ => false,
    }
}
