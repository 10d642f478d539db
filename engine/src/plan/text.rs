//! Expressions and nodes as EXPLAIN shows them, in Flink's notation.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, SortExpr};

use regex::Regex;

use crate::data::types::FlinkType;
use crate::functions::aggregates;

/// An expression: `((a > 1) AND (b = 'x'))`.
#[must_use]
pub fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column_name(&column.name),
        Expr::Literal(value, _) => literal(value),
        Expr::Alias(alias) => expression(&alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            format!(
                "({} {} {})",
                expression(left),
                operator(*op),
                expression(right)
            )
        }
        Expr::Not(inner) => format!("NOT({})", expression(inner)),
        Expr::Negative(inner) => format!("-({})", expression(inner)),
        Expr::IsNull(inner) => format!("{} IS NULL", expression(inner)),
        Expr::IsNotNull(inner) => format!("{} IS NOT NULL", expression(inner)),
        Expr::IsTrue(inner) => format!("{} IS TRUE", expression(inner)),
        Expr::IsFalse(inner) => format!("{} IS FALSE", expression(inner)),
        Expr::IsNotTrue(inner) => format!("{} IS NOT TRUE", expression(inner)),
        Expr::IsNotFalse(inner) => format!("{} IS NOT FALSE", expression(inner)),
        Expr::IsUnknown(inner) => format!("{} IS UNKNOWN", expression(inner)),
        Expr::IsNotUnknown(inner) => format!("{} IS NOT UNKNOWN", expression(inner)),
        Expr::Cast(cast) => cast_text("CAST", &cast.expr, &cast.field),
        Expr::TryCast(cast) => cast_text("TRY_CAST", &cast.expr, &cast.field),
        Expr::ScalarFunction(function) => call(function),
        Expr::AggregateFunction(function) => aggregate(function),
        Expr::Like(like) => {
            let word = if like.negated { "NOT LIKE" } else { "LIKE" };
            format!(
                "({} {word} {})",
                expression(&like.expr),
                expression(&like.pattern)
            )
        }
        Expr::Between(between) => {
            let word = if between.negated {
                "NOT BETWEEN"
            } else {
                "BETWEEN"
            };
            format!(
                "({} {word} {} AND {})",
                expression(&between.expr),
                expression(&between.low),
                expression(&between.high)
            )
        }
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => {
            let word = if *negated { "NOT IN" } else { "IN" };
            let list: Vec<_> = list.iter().map(expression).collect();
            format!("{} {word}({})", expression(expr), list.join(", "))
        }
        Expr::Case(case) => {
            let mut parts = vec!["CASE".to_owned()];
            parts.extend(case.expr.iter().map(|operand| expression(operand)));
            for (when, then) in &case.when_then_expr {
                parts.push(format!(
                    "WHEN {} THEN {}",
                    expression(when),
                    expression(then)
                ));
            }
            if let Some(otherwise) = &case.else_expr {
                parts.push(format!("ELSE {}", expression(otherwise)));
            }
            parts.push("END".to_owned());
            parts.join(" ")
        }
        other => other.human_display().to_string(),
    }
}

/// A column's name; binders call a computed column by its whole expression in their own notation:
/// `sum(t.a * Int64(2))` is shown as `SUM(a * 2)`.
fn column_name(name: &str) -> String {
    static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"\b(?:Int8|Int16|Int32|Int64|Utf8|Float64|Boolean)\("?([^()"]*)"?\)"#).ok()
    });
    static QUALIFIER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b[A-Za-z_]\w*\.([A-Za-z_])").ok());
    let Some((function, _)) = name.split_once('(') else {
        return name.to_owned();
    };
    if function.is_empty() || !function.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return name.to_owned();
    }
    let mut shown = name.to_owned();
    for (pattern, replacement) in [(&*LITERAL, "$1"), (&*QUALIFIER, "$1")] {
        if let Some(pattern) = pattern {
            shown = pattern.replace_all(&shown, replacement).into_owned();
        }
    }
    // A literal such as `Utf8("k")` has been replaced as a whole.
    if shown.starts_with(function) {
        shown.replace_range(..function.len(), &function.to_uppercase());
    }
    if shown == "COUNT(1)" {
        return "COUNT(*)".to_owned();
    }
    shown
}

/// A column of a select list: `(a + 1) AS b`, or just `a`.
#[must_use]
pub fn selected(expr: &Expr, name: &str) -> String {
    let text = expression(expr);
    if text == name || text == column_name(name) {
        text
    } else {
        format!("{text} AS {name}")
    }
}

fn call(function: &ScalarFunction) -> String {
    let arguments: Vec<_> = function.args.iter().map(expression).collect();
    let infix = |symbol: &str| format!("({})", arguments.join(symbol));
    match function.func.name() {
        "__decimal_plus" => infix(" + "),
        "__decimal_minus" => infix(" - "),
        "__decimal_times" => infix(" * "),
        "__decimal_divide" => infix(" / "),
        "__decimal_mod" => infix(" MOD "),
        // What guards the edge of a plan is no part of it.
        "__not_null" => arguments.first().cloned().unwrap_or_default(),
        name @ ("__cast" | "__try_cast") => {
            let word = if name == "__cast" { "CAST" } else { "TRY_CAST" };
            let target = function.args.get(1).map(string_value).unwrap_or_default();
            let source = arguments.first().cloned().unwrap_or_default();
            format!("{word}({source} AS {target})")
        }
        name => format!(
            "{}({})",
            name.trim_start_matches("__").to_uppercase(),
            arguments.join(", ")
        ),
    }
}

fn string_value(expr: &Expr) -> String {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => text.clone(),
        other => expression(other),
    }
}

/// An aggregate call: `COUNT(DISTINCT a) FILTER b`.
#[must_use]
pub fn aggregate(function: &datafusion::logical_expr::expr::AggregateFunction) -> String {
    let name = aggregates::of_udaf(&function.func).map_or_else(
        || function.func.name().to_uppercase(),
        |known| known.name().to_owned(),
    );
    let arguments = match function.params.args.as_slice() {
        [Expr::Literal(value, _)] if name == "COUNT" && !value.is_null() => "*".to_owned(),
        arguments => arguments
            .iter()
            .map(expression)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let distinct = if function.params.distinct {
        "DISTINCT "
    } else {
        ""
    };
    let filter = match &function.params.filter {
        Some(filter) => format!(" FILTER {}", expression(filter)),
        None => String::new(),
    };
    format!("{name}({distinct}{arguments}){filter}")
}

fn cast_text(word: &str, inner: &Expr, field: &Field) -> String {
    let target = FlinkType::from_field(field).root_text();
    format!("{word}({} AS {target})", expression(inner))
}

fn operator(op: Operator) -> &'static str {
    match op {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        Operator::Plus => "+",
        Operator::Minus => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Modulo => "MOD",
        Operator::And => "AND",
        Operator::Or => "OR",
        Operator::IsDistinctFrom => "IS DISTINCT FROM",
        Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        Operator::StringConcat => "||",
        _ => "?",
    }
}

fn literal(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        value if value.is_null() => match value.data_type() {
            DataType::Null => "null".to_owned(),
            data_type => {
                let field = Field::new("", data_type, true);
                format!("null:{}", FlinkType::from_field(&field).root_text())
            }
        },
        ScalarValue::Decimal128(Some(unscaled), _, scale) => {
            datafusion::common::arrow::datatypes::format_decimal_str(
                &unscaled.to_string(),
                38,
                *scale,
            )
        }
        other => other.to_string(),
    }
}

/// A key of ORDER BY. NULL is the lowest value unless the query says otherwise.
#[must_use]
pub fn order(key: &SortExpr) -> String {
    let direction = if key.asc { "ASC" } else { "DESC" };
    let nulls = match (key.asc, key.nulls_first) {
        (true, false) => " NULLS LAST",
        (false, true) => " NULLS FIRST",
        _ => "",
    };
    format!("{} {direction}{nulls}", expression(&key.expr))
}

/// The node of a filter and projection.
#[must_use]
pub fn calc(select: &[String], filter: Option<&Expr>) -> String {
    match filter {
        Some(filter) => format!(
            "Calc(select=[{}], where=[{}])",
            select.join(", "),
            expression(filter)
        ),
        None => format!("Calc(select=[{}])", select.join(", ")),
    }
}

/// The node of a GROUP BY.
#[must_use]
pub fn group_aggregate(grouping: &[String], select: &[String]) -> String {
    if grouping.is_empty() {
        return format!("GroupAggregate(select=[{}])", select.join(", "));
    }
    format!(
        "GroupAggregate(groupBy=[{}], select=[{}])",
        grouping.join(", "),
        select.join(", ")
    )
}
