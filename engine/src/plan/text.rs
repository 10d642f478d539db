//! Expressions and nodes as EXPLAIN shows them, in Flink's notation.
//!
//! Flink has three of them, and a plan is written in one at a time:
//!
//! ```text
//!   execution plan, messages    ((a + 1) > b)        CAST(a AS BIGINT)     'x'
//!   physical plan               >(+(a, 1), b)        CAST(a AS BIGINT)     _UTF-16LE'x'
//!   syntax tree                 >(+($0, 1), $1)      CAST($0):BIGINT       _UTF-16LE'x'
//! ```

use std::cell::Cell;
use std::sync::LazyLock;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, SortExpr};

use regex::Regex;

use crate::data::types::FlinkType;
use crate::functions::aggregates;
use crate::plan::call_text;

/// How expressions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// Operators stand between their operands.
    Infix,
    /// Operators stand before them.
    Prefix,
    /// As [`Notation::Prefix`], and a cast's type stands behind it.
    Tree,
}

thread_local! {
    /// Names of nodes are made deep inside of planning, which otherwise need not know of EXPLAIN.
    static NOTATION: Cell<Notation> = const { Cell::new(Notation::Infix) };
}

/// What `write` writes, in the notation of physical plans.
pub fn prefixed<T>(write: impl FnOnce() -> T) -> T {
    in_notation(Notation::Prefix, write)
}

/// What a node says of the times that STATE_TTL gives to its inputs, behind its other attributes;
/// the execution plan does not show them.
#[must_use]
pub fn state_ttl(options: &str) -> String {
    match NOTATION.get() {
        Notation::Infix => String::new(),
        _ if options.is_empty() => String::new(),
        _ => format!(", stateTtlHints=[[[STATE_TTL options:{options}]]]"),
    }
}

/// What `write` writes, in the notation of syntax trees.
pub fn as_tree<T>(write: impl FnOnce() -> T) -> T {
    in_notation(Notation::Tree, write)
}

fn in_notation<T>(notation: Notation, write: impl FnOnce() -> T) -> T {
    /// Back to what it was, also when planning panics.
    struct Before(Notation);
    impl Drop for Before {
        fn drop(&mut self) {
            NOTATION.set(self.0);
        }
    }
    let _before = Before(NOTATION.replace(notation));
    write()
}

pub(super) fn is_infix() -> bool {
    NOTATION.get() == Notation::Infix
}

/// An operator and its operands.
pub(super) fn operation(symbol: &str, operands: &[String]) -> String {
    match is_infix() {
        true => format!("({})", operands.join(&format!(" {symbol} "))),
        false => format!("{symbol}({})", operands.join(", ")),
    }
}

/// A test such as IS NULL.
fn test(inner: &Expr, word: &str) -> String {
    match is_infix() {
        true => format!("{} {word}", expression(inner)),
        false => format!("{word}({})", expression(inner)),
    }
}

/// `IS DISTINCT FROM` as Flink's planner takes it apart.
pub(super) fn distinct(operands: &[String; 2]) -> String {
    let [left, right] = operands;
    let test = |operand: &str, word: &str| match is_infix() {
        true => format!("{operand} {word}"),
        false => format!("{word}({operand})"),
    };
    let any = operation(
        "OR",
        &[test(left, "IS NOT NULL"), test(right, "IS NOT NULL")],
    );
    let equal = operation("=", &[left.clone(), right.clone()]);
    operation("AND", &[any, test(&equal, "IS NOT TRUE")])
}

/// The operands of nested ANDs, or ORs, in one row.
fn flattened<'a>(expr: &'a Expr, wanted: Operator, operands: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if *op == wanted => {
            flattened(left, wanted, operands);
            flattened(right, wanted, operands);
        }
        other => operands.push(other),
    }
}

/// An expression: `((a > 1) AND (b = 'x'))`.
#[must_use]
pub fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column_name(&column.name),
        Expr::Literal(value, _) => literal(value),
        Expr::Alias(alias) => expression(&alias.expr),
        Expr::BinaryExpr(BinaryExpr {
            op: op @ (Operator::And | Operator::Or),
            ..
        }) => {
            let mut operands = Vec::new();
            flattened(expr, *op, &mut operands);
            let operands: Vec<_> = operands.into_iter().map(expression).collect();
            operation(operator(*op), &operands)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let operands = [expression(left), expression(right)];
            match op {
                Operator::Modulo => format!("MOD({})", operands.join(", ")),
                Operator::IsDistinctFrom => distinct(&operands),
                Operator::IsNotDistinctFrom => format!("NOT({})", distinct(&operands)),
                op => operation(operator(*op), &operands),
            }
        }
        Expr::Not(inner) => format!("NOT({})", expression(inner)),
        Expr::Negative(inner) => format!("-({})", expression(inner)),
        Expr::IsNull(inner) => test(inner, "IS NULL"),
        Expr::IsNotNull(inner) => test(inner, "IS NOT NULL"),
        Expr::IsTrue(inner) => test(inner, "IS TRUE"),
        Expr::IsFalse(inner) => test(inner, "IS FALSE"),
        Expr::IsNotTrue(inner) => test(inner, "IS NOT TRUE"),
        Expr::IsNotFalse(inner) => test(inner, "IS NOT FALSE"),
        Expr::IsUnknown(inner) => test(inner, "IS UNKNOWN"),
        Expr::IsNotUnknown(inner) => test(inner, "IS NOT UNKNOWN"),
        Expr::Cast(cast) => cast_text("CAST", &cast.expr, &cast.field),
        Expr::TryCast(cast) => cast_text("TRY_CAST", &cast.expr, &cast.field),
        Expr::ScalarFunction(function) => call_text::call(function),
        Expr::AggregateFunction(function) => aggregate(function),
        Expr::Like(like) => {
            let (expr, pattern) = (expression(&like.expr), expression(&like.pattern));
            match like.negated {
                true => format!("NOT(LIKE({expr}, {pattern}))"),
                false => format!("LIKE({expr}, {pattern})"),
            }
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
            let value = expression(expr);
            let equal = |item| operation("=", &[value.clone(), expression(item)]);
            let tests: Vec<_> = list.iter().map(equal).collect();
            let any = match tests.as_slice() {
                [test] => test.clone(),
                tests => operation("OR", tests),
            };
            if *negated { format!("NOT({any})") } else { any }
        }
        Expr::Case(case) => {
            let mut parts = Vec::new();
            for (when, then) in &case.when_then_expr {
                parts.push(match &case.expr {
                    Some(operand) => operation("=", &[expression(operand), expression(when)]),
                    None => expression(when),
                });
                parts.push(expression(then));
            }
            parts.extend(case.else_expr.iter().map(|otherwise| expression(otherwise)));
            format!("CASE({})", parts.join(", "))
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

pub(super) fn string_value(expr: &Expr) -> String {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => text.clone(),
        other => expression(other),
    }
}

/// An aggregate call: `COUNT(DISTINCT a) FILTER b`.
#[must_use]
pub fn aggregate(function: &datafusion::logical_expr::expr::AggregateFunction) -> String {
    let name = aggregate_name(function);
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

/// The name of an aggregate function.
#[must_use]
pub fn aggregate_name(function: &datafusion::logical_expr::expr::AggregateFunction) -> String {
    aggregates::of_udaf(&function.func).map_or_else(
        || function.func.name().to_uppercase(),
        |known| known.name().to_owned(),
    )
}

fn cast_text(word: &str, inner: &Expr, field: &Field) -> String {
    cast_to(word, inner, &FlinkType::from_field(field).root_text())
}

/// A cast to the type that Flink writes as `target`; a whole number is the same in all of them, and
/// a text literal is a CHAR.
pub(super) fn cast_to(word: &str, inner: &Expr, target: &str) -> String {
    let is_char = target.starts_with("CHAR(") && matches!(inner, Expr::Literal(..));
    if is_char || (!is_infix() && is_whole_number(inner)) {
        return expression(inner);
    }
    let target = sql_type(target);
    if let Expr::Literal(value, _) = inner
        && value.is_null()
    {
        return format!("null:{target}");
    }
    let inner = expression(inner);
    match NOTATION.get() {
        Notation::Tree => format!("{word}({inner}):{target}"),
        Notation::Infix | Notation::Prefix => format!("{word}({inner} AS {target})"),
    }
}

fn is_whole_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.data_type().is_integer() && !value.is_null(),
        Expr::Cast(cast) => is_whole_number(&cast.expr),
        Expr::ScalarFunction(call) if call.func.name() == "__cast" => {
            call.args.first().is_some_and(is_whole_number)
        }
        _ => false,
    }
}

/// The type as a plan calls it, with the character set that physical plans name.
pub(super) fn sql_type(text: &str) -> String {
    let (text, not_null) = match text.strip_suffix(" NOT NULL") {
        Some(text) => (text, " NOT NULL"),
        None => (text, ""),
    };
    let text = match text {
        "INT" => "INTEGER",
        "STRING" => "VARCHAR(2147483647)",
        "BYTES" => "VARBINARY(2147483647)",
        other => other,
    };
    let is_text = text.starts_with("VARCHAR") || text.starts_with("CHAR");
    match is_text && !is_infix() {
        true => format!("{text} CHARACTER SET \"UTF-16LE\"{not_null}"),
        false => format!("{text}{not_null}"),
    }
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
        Operator::And => "AND",
        Operator::Or => "OR",
        Operator::StringConcat => "||",
        _ => "?",
    }
}

fn literal(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text)) => {
            let set = if is_infix() { "" } else { "_UTF-16LE" };
            format!("{set}'{}'", text.replace('\'', "''"))
        }
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
pub fn group_aggregate(grouping: &[String], select: &[String], ttl: Option<&str>) -> String {
    let select = select.join(", ");
    let ttl = state_ttl(&ttl.map(|time| format!("[{time}]")).unwrap_or_default());
    if grouping.is_empty() {
        return format!("GroupAggregate(select=[{select}]{ttl})");
    }
    let grouping = grouping.join(", ");
    format!("GroupAggregate(groupBy=[{grouping}], select=[{select}]{ttl})")
}
