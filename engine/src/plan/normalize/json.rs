//! Calls of JSON functions: their clauses become one literal, their defaults plain arguments.
//!
//! ```text
//!   JSON_VALUE(x, p, returning => 'INT', default_on_empty => 0)
//!     ──▶ __json_value(x, p, 'returning=INT⏎on_empty=DEFAULT', 0, NULL)
//!   JSON_ARRAY(1, JSON_OBJECT('a', 2), on_null => 'NULL')
//!     ──▶ __json_array('on_null=NULL⏎raw=2', 1, __json_object('', 'a', 2))
//! ```

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use super::literals::char_text;
use super::{string, take};
use crate::error::Result;
use crate::functions::illegal_null;
use crate::plan::bare_null::is_null;
use crate::sql::diagnostics::validation;
use crate::sql::syntax::call;

/// The call that a call of a JSON function becomes; `None` for other functions.
///
/// # Errors
/// A validation error for a wrong number of arguments.
pub(super) fn rewritten(name: &str, function: &mut Function) -> Result<Option<Expr>> {
    if name == "json_string" {
        return Ok(document_of(function));
    }
    if !matches!(
        name,
        "json_value" | "json_query" | "json_exists" | "json_object" | "json_array" | "is_json"
    ) {
        return Ok(None);
    }
    let mut clauses = BTreeMap::new();
    let mut defaults = [null(), null()];
    let mut arguments = Vec::new();
    if let FunctionArguments::List(list) = &mut function.args {
        for argument in &mut list.args {
            match argument {
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    ..
                } => match name.value.as_str() {
                    clause @ ("default_on_empty" | "default_on_error") => {
                        let place = usize::from(clause == "default_on_error");
                        if is_null(value) {
                            return Err(illegal_null());
                        }
                        if let Some(slot) = defaults.get_mut(place) {
                            *slot = take(value);
                        }
                        let event = clause.trim_start_matches("default_").to_owned();
                        clauses.insert(event, "DEFAULT".to_owned());
                    }
                    clause => {
                        let text = char_text(value).unwrap_or_default().to_owned();
                        clauses.insert(clause.to_owned(), text);
                    }
                },
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => arguments.push(take(value)),
                _ => {}
            }
        }
    }
    Ok(Some(match name {
        "is_json" => is_json(arguments)?,
        "json_object" | "json_array" => construct(name, arguments, clauses),
        _ => extract(name, arguments, &clauses, defaults)?,
    }))
}

/// `JSON_STRING(JSON_OBJECT(…))` is the document itself, not a text with a document in it.
fn document_of(function: &mut Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    match list.args.as_mut_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => match argument {
            Expr::Function(inner)
                if matches!(
                    inner.name.to_string().as_str(),
                    "__json_object" | "__json_array"
                ) =>
            {
                Some(take(argument))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `x IS JSON kind`, which the parser hands over with the kind as a second argument.
fn is_json(mut arguments: Vec<Expr>) -> Result<Expr> {
    let kind = arguments.pop().filter(|_| arguments.len() == 1);
    match kind.as_ref().and_then(char_text) {
        Some(kind) => {
            arguments.push(string(kind));
            Ok(call("__is_json", arguments))
        }
        None => Err(validation(
            "no match found for function signature IS_JSON; write x IS JSON".to_owned(),
        )),
    }
}

fn extract(
    name: &str,
    mut arguments: Vec<Expr>,
    clauses: &BTreeMap<String, String>,
    defaults: [Expr; 2],
) -> Result<Expr> {
    if arguments.len() != 2 {
        return Err(validation(format!(
            "invalid number of arguments to function '{}'. Was expecting 2 arguments",
            name.to_uppercase()
        )));
    }
    arguments.push(string(&joined(clauses)));
    if name == "json_value" {
        arguments.extend(defaults);
    }
    Ok(call(&format!("__{name}"), arguments))
}

fn construct(name: &str, arguments: Vec<Expr>, mut clauses: BTreeMap<String, String>) -> Expr {
    let mut raw = Vec::new();
    let mut all = vec![null()];
    for mut argument in arguments {
        if let Expr::Function(inner) = &mut argument {
            let is_value = name == "json_array" || all.len().is_multiple_of(2);
            match inner.name.to_string().to_lowercase().as_str() {
                "__json_object" | "__json_array" if is_value => raw.push(all.len().to_string()),
                "json" if is_value => {
                    raw.push(all.len().to_string());
                    inner.name = super::object_name("__json");
                }
                _ => {}
            }
        }
        all.push(argument);
    }
    if !raw.is_empty() {
        clauses.insert("raw".to_owned(), raw.join(","));
    }
    if let Some(first) = all.first_mut() {
        *first = string(&joined(&clauses));
    }
    call(&format!("__{name}"), all)
}

fn joined(clauses: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = clauses
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    lines.join("\n")
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}
