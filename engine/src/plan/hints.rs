//! Hints behind SELECT that name relations: `STATE_TTL('a' = '1 d')`, `BROADCAST(a)` and their like.
//!
//! They are tested as Flink tests them: names must be those of relations of the SELECT, by their
//! aliases if they have any, as soon as there is a join (for STATE_TTL also a grouping) that they
//! could be about.
//!
//! Source: Flink 2.3, `FlinkHintStrategies`, `QueryHintsResolver`, and its answers.

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Select, SelectItem, TableFactor, TableWithJoins,
};

use crate::catalog::options::parse_duration;
use crate::error::Result;
use crate::functions::aggregates;
use crate::sql::diagnostics::validation;
use crate::sql::hints::SelectHint;

const STATE_TTL: &str = "STATE_TTL";
/// Their arguments are names of relations.
const JOIN_HINTS: [&str; 4] = ["BROADCAST", "NEST_LOOP", "SHUFFLE_HASH", "SHUFFLE_MERGE"];

/// Looks at the hints of one SELECT.
///
/// # Errors
/// A validation error for arguments of the wrong kind and for names of no relation.
pub(super) fn check(select: &Select, hints: &[SelectHint]) -> Result<()> {
    let names: Vec<String> = select.from.iter().flat_map(names_of).collect();
    let joins = names.len() > 1;
    for hint in hints {
        let is_ttl = hint.name == STATE_TTL;
        if is_ttl {
            check_durations(hint)?;
        } else if !JOIN_HINTS.contains(&hint.name.as_str()) {
            continue;
        }
        let matters = joins || (is_ttl && is_grouped(select));
        if !matters {
            continue;
        }
        let unknown: Vec<String> = hint
            .arguments
            .iter()
            .filter(|(name, _)| !names.iter().any(|known| is_named(known, name)))
            .map(|(name, _)| format!("`{name}` in `{}`", hint.name))
            .collect();
        if !unknown.is_empty() {
            return Err(validation(format!(
                "the options of following hints cannot match the name of input tables or views: {}",
                unknown.join(", ")
            )));
        }
    }
    Ok(())
}

fn check_durations(hint: &SelectHint) -> Result<()> {
    if hint.arguments.is_empty() {
        return Err(validation(
            "invalid STATE_TTL hint: at least one key-value option is expected".to_owned(),
        ));
    }
    for (name, value) in &hint.arguments {
        let Some(value) = value else {
            return Err(validation(format!(
                "invalid STATE_TTL hint: '{name}' has no time; write STATE_TTL('{name}' = '1 d')"
            )));
        };
        if parse_duration(value).is_none() {
            return Err(validation(format!(
                "invalid STATE_TTL hint: the value '{value}' of '{name}' is no duration"
            )));
        }
    }
    Ok(())
}

/// A hint may write the whole path of a relation without an alias.
fn is_named(known: &str, name: &str) -> bool {
    name == known || name.rsplit_once('.').is_some_and(|(_, last)| last == known)
}

fn names_of(from: &TableWithJoins) -> Vec<String> {
    let joined = from.joins.iter().map(|join| &join.relation);
    std::iter::once(&from.relation)
        .chain(joined)
        .flat_map(|relation| match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => names_of(table_with_joins),
            relation => vec![name_of(relation).unwrap_or_default()],
        })
        .collect()
}

/// The alias of a relation, or else the last name of its table.
fn name_of(relation: &TableFactor) -> Option<String> {
    let (name, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (Some(name), alias),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::MatchRecognize { alias, .. } => (None, alias),
        _ => return None,
    };
    alias
        .as_ref()
        .map(|alias| alias.name.value.clone())
        .or_else(|| {
            let last = name?.0.last()?.as_ident()?;
            Some(last.value.clone())
        })
}

/// Whether the SELECT has groups: GROUP BY, or an aggregate among its columns.
fn is_grouped(select: &Select) -> bool {
    let has_keys = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
    };
    has_keys
        || select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                is_aggregate(expr)
            }
            _ => false,
        })
}

fn is_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            let name = function.name.to_string().replace('`', "").to_lowercase();
            function.over.is_none() && aggregates::find(&name).is_some()
        }
        _ => false,
    }
}
