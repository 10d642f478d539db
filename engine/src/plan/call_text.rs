//! Calls as EXPLAIN shows them: functions under the names that they have for users.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

use crate::plan::text::{
    cast_to, distinct, expression, is_infix, operation, sql_type, string_value,
};

/// The call in Flink's notation. What the binder puts around operands, and the functions that
/// stand for operators, are shown as what was written.
#[must_use]
pub(super) fn call(function: &ScalarFunction) -> String {
    let arguments: Vec<_> = function.args.iter().map(expression).collect();
    let name = function.func.name();
    if let Some(symbol) = operator(name) {
        return operation(symbol, &arguments);
    }
    let first = || arguments.first().cloned().unwrap_or_default();
    let called = |name: &str, arguments: &[String]| format!("{name}({})", arguments.join(", "));
    match (name, function.args.as_slice()) {
        // What guards the edge of a plan, or gives a literal its type, is no part of it.
        ("__not_null" | "__nullable" | "__single_value" | "__plus", _) => first(),
        ("__typed", [Expr::Literal(value, _), target]) if value.is_null() => {
            format!("null:{}", sql_type(&string_value(target)))
        }
        ("__typed", _) => first(),
        ("__integer_mod" | "__decimal_mod", _) => called("MOD", &arguments),
        ("__concat", _) => called("||", &arguments),
        ("__negate", _) => called("-", &arguments),
        ("__similar", _) => called("SIMILAR TO", &arguments),
        ("__distinct", [left, right]) => distinct(&[expression(left), expression(right)]),
        ("__field", [_, name]) => format!("{}.{}", first(), string_value(name)),
        ("__item", [_, _, ..]) => called("ITEM", arguments.get(..2).unwrap_or_default()),
        ("__trim", [_]) => called("TRIM", &[flag("BOTH"), expression(&blank()), first()]),
        ("__trim", [_, cut]) => called("TRIM", &[flag("BOTH"), expression(cut), first()]),
        ("__ceil_to", [_, unit]) => called("CEIL", &[first(), flag(&string_value(unit))]),
        ("__floor_to", [_, unit]) => called("FLOOR", &[first(), flag(&string_value(unit))]),
        ("extract", [unit, value]) => {
            called("EXTRACT", &[flag(&string_value(unit)), expression(value)])
        }
        ("__is_json", [_, kind]) => called(&format!("IS JSON {}", string_value(kind)), &[first()]),
        ("__json_value" | "__json_query" | "__json_exists", [value, path, clauses, ..]) => {
            let mut shown = vec![expression(value), expression(path)];
            shown.extend(string_value(clauses).lines().map(clause));
            called(&public(name), &shown)
        }
        ("__interval_millis", _) => format!("{}:INTERVAL DAY TO SECOND", arguments.join(", ")),
        ("__interval_months", _) => format!("{}:INTERVAL YEAR TO MONTH", arguments.join(", ")),
        ("__cast" | "__try_cast", [source, target, ..]) => {
            let word = if name == "__cast" { "CAST" } else { "TRY_CAST" };
            cast_to(word, source, &string_value(target))
        }
        _ => called(&public(name), &arguments),
    }
}

/// The operator that a function of the binder stands for.
fn operator(name: &str) -> Option<&'static str> {
    Some(match name {
        "__decimal_plus" | "__temporal_plus" => "+",
        "__decimal_minus" | "__temporal_minus" => "-",
        "__decimal_times" | "__interval_times" => "*",
        "__decimal_divide" | "__integer_divide" => "/",
        "__float_eq" | "__nested_eq" => "=",
        "__float_ne" | "__nested_ne" => "<>",
        "__float_lt" => "<",
        "__float_le" => "<=",
        "__float_gt" => ">",
        "__float_ge" => ">=",
        _ => return None,
    })
}

/// The name that users know.
fn public(name: &str) -> String {
    name.trim_start_matches("__").to_uppercase()
}

/// `on_empty=ERROR` as ON EMPTY ERROR.
fn clause(text: &str) -> String {
    let (word, value) = text.split_once('=').unwrap_or((text, ""));
    format!("{} {value}", word.to_uppercase().replace('_', " "))
}

/// A word that is no value, such as a unit of time.
fn flag(word: &str) -> String {
    match is_infix() {
        true => word.to_owned(),
        false => format!("FLAG({word})"),
    }
}

/// What TRIM cuts off if it is not said.
fn blank() -> Expr {
    Expr::Literal(ScalarValue::Utf8(Some(" ".to_owned())), None)
}
