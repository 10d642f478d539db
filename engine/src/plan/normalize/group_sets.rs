//! Grouping sets within others, and keys that come and go together.
//!
//! ```text
//!   ROLLUP ((a, b), c)                   GROUPING SETS ((a, b, c), (a, b), ())
//!   GROUPING SETS (ROLLUP (a, b), (c))   GROUPING SETS ((a, b), (a), (), (c))
//!   GROUPING SETS (GROUPING SETS (a), b) GROUPING SETS ((a), (b))
//! ```
//!
//! The binder knows ROLLUP and CUBE of single keys; those stay.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query, SetExpr,
    VisitMut, VisitorMut,
};

/// Keys that are grouped together or not at all.
type Keys = Vec<Expr>;

/// Spells out what the binder does not know in `query` and the queries in it.
pub(crate) fn spell_out_sets(query: &mut Query) {
    // The visitor never breaks off.
    let _ = VisitMut::visit(query, &mut SpellOut);
}

struct SpellOut;

impl VisitorMut for SpellOut {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        spell_out(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn spell_out(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
                for key in keys {
                    if let Some(sets) = sets_of(key) {
                        *key = Expr::GroupingSets(sets);
                    }
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            spell_out(left);
            spell_out(right);
        }
        _ => {}
    }
}

/// The sets of a key that has to be spelled out.
fn sets_of(key: &Expr) -> Option<Vec<Keys>> {
    let is_single = |keys: &Keys| keys.len() == 1;
    match key {
        Expr::Rollup(parts) if !parts.iter().all(is_single) => Some(rollup(parts)),
        Expr::Cube(parts) if !parts.iter().all(is_single) => Some(cube(parts)),
        Expr::GroupingSets(sets) if sets.iter().any(|set| nested(set).is_some()) => {
            Some(flat(sets))
        }
        _ => None,
    }
}

fn flat(sets: &[Keys]) -> Vec<Keys> {
    sets.iter()
        .flat_map(|set| nested(set).unwrap_or_else(|| vec![set.clone()]))
        .collect()
}

/// The sets of GROUPING SETS that stand for a set, and of a ROLLUP or CUBE: those were read as
/// calls.
fn nested(set: &Keys) -> Option<Vec<Keys>> {
    let call = match set.as_slice() {
        [Expr::GroupingSets(sets)] => return Some(flat(sets)),
        [Expr::Function(call)] => call,
        _ => return None,
    };
    let name = call.name.to_string();
    if name.eq_ignore_ascii_case("ROLLUP") {
        Some(rollup(&parts_of(call)?))
    } else if name.eq_ignore_ascii_case("CUBE") {
        Some(cube(&parts_of(call)?))
    } else {
        None
    }
}

fn parts_of(call: &Function) -> Option<Vec<Keys>> {
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Tuple(keys))) => Some(keys.clone()),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(key)) => Some(vec![key.clone()]),
            _ => None,
        })
        .collect()
}

fn rollup(parts: &[Keys]) -> Vec<Keys> {
    (0..=parts.len())
        .rev()
        .map(|n_parts| parts.iter().take(n_parts).flatten().cloned().collect())
        .collect()
}

fn cube(parts: &[Keys]) -> Vec<Keys> {
    let Some((first, rest)) = parts.split_first() else {
        return vec![Keys::new()];
    };
    let without = cube(rest);
    let with = without
        .iter()
        .map(|keys| first.iter().chain(keys).cloned().collect());
    with.chain(without.clone()).collect()
}
