//! Constructors of nested values and access to their parts, as calls.
//!
//! ```text
//!   ARRAY[a, b]         __array(a, b)
//!   MAP['k', v]         __map('k', v)
//!   ROW(a, b), (a, b)   __row(a, b)
//!   a[i], m['k']        __item(a, i), __item(m, 'k')
//!   r[2], r['f']        __item(r, 2, 2)            a literal index stands there once more, plain
//!   t.a[1].x            __field(__item(t.a, 1, 1), 'x')
//! ```

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Function, FunctionArguments, Subscript};

use super::literals::{char_text, number_text, to_plain_number};
use super::{string, take};
use crate::error::{EngineError, Result};
use crate::sql::syntax::call;

/// The call that an expression on nested values becomes; `None` for other expressions.
///
/// # Errors
/// `Unsupported` for an access that Flink does not have.
pub(super) fn rewritten(expr: &mut Expr) -> Result<Option<Expr>> {
    Ok(Some(match expr {
        Expr::Array(array) => call("__array", std::mem::take(&mut array.elem)),
        Expr::Map(map) => {
            let entries = std::mem::take(&mut map.entries).into_iter();
            let arguments = entries.flat_map(|entry| [*entry.key, *entry.value]);
            call("__map", arguments.collect())
        }
        Expr::Tuple(values) => call("__row", std::mem::take(values)),
        Expr::CompoundFieldAccess { root, access_chain } => {
            access(take(root), std::mem::take(access_chain))?
        }
        _ => return Ok(None),
    }))
}

/// Renames calls that are constructors, and makes plain literals of the names that the functions
/// of structured types take.
pub(super) fn adapt_call(name: &str, function: &mut Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    let mut arguments: Vec<&mut Expr> = Vec::with_capacity(list.args.len());
    for argument in &mut list.args {
        use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr};
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
            _ => return None,
        }
    }
    match name {
        "row" => Some(call("__row", arguments.into_iter().map(take).collect())),
        "object_of" | "object_update" => {
            let first = usize::from(name == "object_update");
            for (index, argument) in arguments.into_iter().enumerate().skip(first) {
                let is_name = index == 0 || index % 2 == 1;
                if let Some(plain) = char_text(argument).filter(|_| is_name).map(string) {
                    *argument = plain;
                }
            }
            None
        }
        _ => None,
    }
}

fn access(root: Expr, chain: Vec<AccessExpr>) -> Result<Expr> {
    let mut expr = root;
    for step in chain {
        expr = match step {
            AccessExpr::Dot(Expr::Identifier(name)) => match expr {
                // Still a name: of a column, or of a table and its column.
                Expr::Identifier(first) => Expr::CompoundIdentifier(vec![first, name]),
                Expr::CompoundIdentifier(mut parts) => {
                    parts.push(name);
                    Expr::CompoundIdentifier(parts)
                }
                value => call("__field", vec![unnested(value), string(&name.value)]),
            },
            AccessExpr::Subscript(Subscript::Index { index }) => {
                let plain = match (char_text(&index), number_text(&index)) {
                    (Some(text), _) => Some(string(text)),
                    (None, Some(_)) => {
                        let mut plain = index.clone();
                        to_plain_number(&mut plain);
                        Some(plain)
                    }
                    _ => None,
                };
                let mut arguments = vec![unnested(expr), index];
                arguments.extend(plain);
                call("__item", arguments)
            }
            other => {
                return Err(EngineError::unsupported(format!("the access '{other}'")));
            }
        };
    }
    Ok(expr)
}

/// `(r).f` is `r.f`.
fn unnested(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => *inner,
        other => other,
    }
}
