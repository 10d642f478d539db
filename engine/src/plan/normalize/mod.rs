//! Flink's syntax tree, rewritten to what the binder understands, before any name is resolved.
//!
//! Many things that Flink types in its own way are special syntax: `CAST`, literals, `EXTRACT`,
//! `CEIL(x TO DAY)`, intervals. Here each becomes an ordinary call of one of our functions, so that
//! its type and meaning are decided in one place, `functions`. What is left is plain SQL.
//!
//! ```text
//!   1                      a literal of type INT          (not BIGINT)
//!   1e0                    a literal of type DOUBLE       (not DECIMAL)
//!   CAST(x AS t)           __cast(x, 't')
//!   DATE '2024-01-01'      __cast('2024-01-01', 'DATE NOT NULL')
//!   INTERVAL '5' MINUTE    __interval_millis(300000)
//!   EXTRACT(YEAR FROM x)   extract('YEAR', x)
//!   SELECT a + 1, a, a     SELECT a + 1 AS `EXPR$0`, a, a AS a0
//! ```

mod aggregates;

mod group_sets;

mod json;

mod literals;

mod names;

mod nested;

mod predicates;

mod refused;

mod relations;

mod sets;

mod with_names;

pub(super) use group_sets::spell_out_sets;
pub(crate) use names::name_columns;
pub use relations::table_hint;
pub(super) use relations::unsupported_relation;
pub(super) use with_names::tell_apart;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Fetch, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Interval, LimitClause,
    NamedWindowDefinition, NamedWindowExpr, ObjectName, OrderBy, OrderByKind, Query, SetExpr,
    TableFactor, TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
    WindowFrameBound, WindowSpec, WindowType,
};

pub(crate) use sets::{EXCEPT, EXCEPT_ALL, INTERSECT, INTERSECT_ALL};

use literals::{
    binary_literal, char_literal, char_text, interval_literal, number, number_text,
    to_plain_number, typed_literal,
};
use predicates::{overlaps, typed_call};

use crate::error::{EngineError, Result};
use crate::sql::diagnostics::validation;
use crate::sql::syntax::{call, object_name};

/// Rewrites `query` in place, subqueries included.
///
/// # Errors
/// `Unsupported` for syntax of Flink that does not run yet; a validation error for a malformed
/// literal.
pub fn normalize_query(query: &mut Query) -> Result<()> {
    let names_tables = names::has_subquery(query);
    run(|normalizer| {
        normalizer.names_tables = names_tables;
        VisitMut::visit(query, normalizer)
    })
}

/// Rewrites a lone expression in place: a computed column, a watermark.
///
/// # Errors
/// As [`normalize_query`].
pub fn normalize_expr(expr: &mut Expr) -> Result<()> {
    run(|normalizer| VisitMut::visit(expr, normalizer))
}

fn run(visit: impl FnOnce(&mut Normalizer) -> ControlFlow<EngineError>) -> Result<()> {
    match visit(&mut Normalizer::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Parts of a query that are put aside while its expressions are rewritten: the binder wants plain
/// numbers there.
struct Aside {
    limit: Option<LimitClause>,
    fetch: Option<Fetch>,
}

#[derive(Default)]
struct Normalizer {
    aside: Vec<Aside>,
    /// How many VALUES without a name there were.
    n_values: usize,
    /// Whether queries in FROM get a name where they have none: what stands in a subquery of an
    /// expression must be told from what stands around it.
    names_tables: bool,
    /// How many of them have got one.
    n_named: usize,
}

impl VisitorMut for Normalizer {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        if let Err(error) = predicates::check_joins(&query.body) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = refused::check(query) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = names::check_ambiguous(&query.body) {
            return ControlFlow::Break(error);
        }
        sets::spread_rows(&mut query.body);
        names::name_subqueries(&mut query.body);
        aggregates::drop_empty_keys(&mut query.body);
        names::name_values_of_with(query);
        self.aside.push(Aside {
            limit: query.limit_clause.take(),
            fetch: query.fetch.take(),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        if let Some(aside) = self.aside.pop() {
            query.limit_clause = aside.limit;
            query.fetch = aside.fetch;
        }
        if let Err(error) = fetch_to_limit(query) {
            return ControlFlow::Break(error);
        }
        cut_limit(query);
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(keys),
            ..
        }) = &mut query.order_by
        {
            // A bare number there is the position of a column.
            for key in keys {
                to_plain_number(&mut key.expr);
            }
        }
        plain_named_windows(&mut query.body);
        name_columns(&mut query.body);
        match sets::set_operations(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        relations::carry_hint(table);
        relations::table_of_call(table);
        self.n_values += usize::from(names::name_values(table, self.n_values));
        if self.names_tables {
            self.n_named += usize::from(names::name_table(table, self.n_named));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<EngineError> {
        literals::join_least_bigint(expr);
        let rewritten = match expr {
            Expr::Function(function) => aggregates::rewrite_call(function),
            _ => sets::row_membership(expr),
        };
        match rewritten {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<EngineError> {
        match rewrite(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// One expression whose operands have been rewritten already.
fn rewrite(expr: &mut Expr) -> Result<()> {
    predicates::refuse_bare_null(expr)?;
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(text, _),
            ..
        }) => {
            let text = text.clone();
            *expr = number(&text)?;
        }
        Expr::Value(ValueWithSpan {
            value:
                Value::SingleQuotedString(text)
                | Value::UnicodeStringLiteral(text)
                | Value::NationalStringLiteral(text),
            ..
        }) => {
            let text = text.clone();
            *expr = char_literal(&text);
        }
        // `_UTF8'é'`: the text is in the character set of the statement already.
        Expr::Prefixed { prefix, value } if prefix.value.starts_with('_') => *expr = take(value),
        Expr::Value(ValueWithSpan {
            value: Value::HexStringLiteral(digits),
            ..
        }) => {
            let digits = digits.clone();
            *expr = binary_literal(&digits)?;
        }
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => {
            if let Some(text) = number_text(inner) {
                // One literal, so that the smallest INT is an INT.
                *expr = match text.strip_prefix('-') {
                    Some(positive) => number(positive)?,
                    None => number(&format!("-{text}"))?,
                };
            } else {
                *expr = call("__negate", vec![take(inner)]);
            }
        }
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr: inner,
        } => *expr = call("__plus", vec![take(inner)]),
        // `::` is not Flink's; it marks the literals that `number` made.
        Expr::Cast {
            kind: kind @ (CastKind::Cast | CastKind::TryCast | CastKind::SafeCast),
            expr: inner,
            data_type,
            ..
        } => {
            let name = if *kind == CastKind::Cast {
                "__cast"
            } else {
                "__try_cast"
            };
            *expr = call(name, vec![take(inner), string(&type_text(data_type))]);
        }
        Expr::TypedString(literal) => *expr = typed_literal(literal)?,
        Expr::Interval(interval) => *expr = interval_literal(interval)?,
        Expr::Extract {
            field, expr: inner, ..
        } => {
            let field = string(&field.to_string().to_uppercase());
            *expr = call("extract", vec![field, take(inner)]);
        }
        Expr::Ceil { expr: inner, field } => *expr = rounding("ceil", inner, field),
        Expr::Floor { expr: inner, field } => *expr = rounding("floor", inner, field),
        Expr::Position {
            expr: inner,
            r#in: text,
        } => *expr = call("position", vec![take(inner), take(text)]),
        Expr::Substring {
            expr: inner,
            substring_from,
            substring_for,
            ..
        } => {
            let mut arguments = vec![take(inner)];
            arguments.extend(substring_from.iter_mut().map(|from| take(from)));
            arguments.extend(substring_for.iter_mut().map(|length| take(length)));
            *expr = call("substring", arguments);
        }
        Expr::Trim {
            expr: inner,
            trim_where,
            trim_what,
            ..
        } => {
            let name = match trim_where {
                None | Some(TrimWhereField::Both) => "__trim",
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
            };
            let mut arguments = vec![take(inner)];
            arguments.extend(trim_what.iter_mut().map(|what| take(what)));
            *expr = call(name, arguments);
        }
        Expr::Overlay {
            expr: inner,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut arguments = vec![take(inner), take(overlay_what), take(overlay_from)];
            arguments.extend(overlay_for.iter_mut().map(|length| take(length)));
            *expr = call("overlay", arguments);
        }
        Expr::AtTimeZone { .. } => return Err(EngineError::unsupported("AT TIME ZONE")),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Overlaps,
            right,
        } => *expr = overlaps(left, right)?,
        Expr::Case { .. }
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Like { .. }
        | Expr::SimilarTo { .. } => typed_call(expr),
        Expr::ILike { .. } => return Err(validation("no operator named 'ILIKE'".to_owned())),
        Expr::Function(function) => {
            restore_plain_numbers(function);
            if let Some(part) = group_window_part(function) {
                *expr = part;
            } else if let Some(replacement) = special_call(function)? {
                *expr = replacement;
            }
        }
        _ => {
            if let Some(replacement) = nested::rewritten(expr)? {
                *expr = replacement;
            }
        }
    }
    Ok(())
}

// --- calls ----------------------------------------------------------------------------------

fn rounding(name: &str, inner: &mut Expr, field: &CeilFloorKind) -> Expr {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => call(name, vec![take(inner)]),
        CeilFloorKind::DateTimeField(unit) => call(
            &format!("__{name}_to"),
            vec![take(inner), string(&unit.to_string().to_uppercase())],
        ),
        CeilFloorKind::Scale(scale) => call(name, vec![take(inner), Expr::Value(scale.clone())]),
    }
}

/// `TUMBLE_START(ts, …)` is the start of `TUMBLE(ts, …)`, by which the query groups.
fn group_window_part(function: &Function) -> Option<Expr> {
    let name = function.name.to_string().to_lowercase();
    let (window, part) = name.rsplit_once('_')?;
    let is_part = matches!(window, "tumble" | "hop" | "session")
        && matches!(part, "start" | "end" | "rowtime" | "proctime");
    if !is_part {
        return None;
    }
    let mut of_window = function.clone();
    of_window.name = ObjectName::from(vec![Ident::new(window)]);
    Some(call(
        &format!("__group_{part}"),
        vec![Expr::Function(of_window)],
    ))
}

/// Functions that are other syntax: NULLIF is CASE, MOD is %; the unit of TIMESTAMPADD and
/// TIMESTAMPDIFF is a word, not a column.
fn special_call(function: &mut Function) -> Result<Option<Expr>> {
    let name = function.name.to_string().to_lowercase();
    if let Some(replacement) = json::rewritten(&name, function)? {
        return Ok(Some(replacement));
    }
    if let Some(replacement) = nested::adapt_call(&name, function) {
        return Ok(Some(replacement));
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(None);
    };
    let mut arguments: Vec<&mut Expr> = list
        .args
        .iter_mut()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    Ok(match (name.as_str(), arguments.as_mut_slice()) {
        ("if", [condition, yes, no]) => {
            Some(call("__if", vec![take(condition), take(yes), take(no)]))
        }
        ("nullif", [value, other]) => {
            let equal = Expr::BinaryOp {
                left: Box::new(value.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(take(other)),
            };
            let null = Expr::Value(Value::Null.into());
            Some(call("__case", vec![equal, null, take(value)]))
        }
        ("mod", [left, right]) => Some(Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(take(left)),
            op: BinaryOperator::Modulo,
            right: Box::new(take(right)),
        }))),
        ("timestampadd" | "timestampdiff", [unit, ..]) => {
            if let Expr::Identifier(word) = unit {
                **unit = string(&word.value.to_uppercase());
            }
            None
        }
        _ => None,
    })
}

/// Functions whose result type hangs on the value of an argument need it as a plain literal; window frames cannot carry anything else.
fn restore_plain_numbers(function: &mut Function) {
    let name = function.name.to_string().to_lowercase();
    if matches!(
        name.as_str(),
        "round" | "truncate" | "to_timestamp_ltz" | "current_timestamp" | "elt"
    ) && let FunctionArguments::List(list) = &mut function.args
    {
        let n_before = usize::from(name != "elt");
        for argument in list.args.iter_mut().skip(n_before) {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                to_plain_number(expr);
                // The digits of the pattern are those of the result.
                let pattern = char_text(expr).filter(|_| name == "to_timestamp_ltz");
                if let Some(pattern) = pattern.map(string) {
                    *expr = pattern;
                }
            }
        }
    }
    if let Some(WindowType::WindowSpec(window)) = &mut function.over {
        plain_bounds(window);
    }
}

/// The frames of a WINDOW clause.
fn plain_named_windows(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for NamedWindowDefinition(_, window) in &mut select.named_window {
                if let NamedWindowExpr::WindowSpec(window) = window {
                    plain_bounds(window);
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            plain_named_windows(left);
            plain_named_windows(right);
        }
        _ => {}
    }
}

/// The bounds of a frame as the literals that the binder takes.
fn plain_bounds(window: &mut WindowSpec) {
    let Some(frame) = &mut window.window_frame else {
        return;
    };
    for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.iter_mut()) {
        if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) =
            bound
        {
            to_plain_number(expr);
            to_interval_text(expr);
        }
    }
}

/// `__interval_millis(5000)` as an interval of text, the one form that a window frame takes.
fn to_interval_text(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    let unit = match function.name.to_string().as_str() {
        "__interval_millis" => "milliseconds",
        "__interval_months" => "months",
        _ => return,
    };
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(number))] = list.args.as_slice() {
        let mut number = number.clone();
        to_plain_number(&mut number);
        *expr = Expr::Interval(Interval {
            value: Box::new(string(&format!("{number} {unit}"))),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}

/// A string literal.
pub(crate) fn string(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).into())
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

/// The type as Flink's type parser reads it. The dialect hands over what it has parsed itself as a
/// custom type whose only argument is the text.
pub(crate) fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, arguments) if name.to_string() == "__FLINK" => {
            arguments.first().cloned().unwrap_or_default()
        }
        other => other.to_string(),
    }
}

// --- names and shapes -----------------------------------------------------------------------

/// `LIMIT 2.7` is LIMIT 2.
fn cut_limit(query: &mut Query) {
    if let Some(LimitClause::LimitOffset {
        limit: Some(Expr::Value(ValueWithSpan { value, .. })),
        ..
    }) = &mut query.limit_clause
        && let Value::Number(text, _) = value
        && let Some((whole, _)) = text.split_once('.').filter(|_| !text.contains(['e', 'E']))
    {
        let whole = if whole.is_empty() { "0" } else { whole };
        *value = Value::Number(whole.to_owned(), false);
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT n.
fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.with_ties || fetch.percent {
        return Err(EngineError::unsupported("FETCH WITH TIES or PERCENT"));
    }
    let quantity = fetch
        .quantity
        .unwrap_or_else(|| Expr::Value(Value::Number("1".to_owned(), false).into()));
    let offset = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { offset, .. }) => offset,
        _ => None,
    };
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(quantity),
        offset,
        limit_by: vec![],
    });
    Ok(())
}
