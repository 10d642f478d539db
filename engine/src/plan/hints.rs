//! Hints behind SELECT that name relations: `STATE_TTL('a' = '1 d')`, `BROADCAST(a)` and their like.
//!
//! They are tested as Flink tests them: names must be those of relations of the SELECT, by their
//! aliases if they have any, as soon as there is a join (for STATE_TTL also a grouping) that they
//! could be about.
//!
//! Source: Flink 2.3, `FlinkHintStrategies`, `QueryHintsResolver`, and its answers.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Query, Select, TableFactor, TableVersion, TableWithJoins, Visit,
    Visitor,
};

use crate::catalog::options::parse_duration;
use crate::error::Result;
use crate::functions::aggregates;
use crate::plan::state_ttl::{Keeper, Marks};
use crate::sql::diagnostics::validation;
use crate::sql::hints::SelectHint;

const STATE_TTL: &str = "STATE_TTL";
/// Their arguments are names of relations.
const JOIN_HINTS: [&str; 4] = ["BROADCAST", "NEST_LOOP", "SHUFFLE_HASH", "SHUFFLE_MERGE"];

/// Looks at the hints of one SELECT. Who keeps the relations' rows, and for how long, is added to
/// `marks`.
///
/// # Errors
/// A validation error for arguments of the wrong kind and for names of no relation.
pub(super) fn check(select: &Select, hints: &[SelectHint], marks: &mut Marks) -> Result<()> {
    let relations: Vec<&TableFactor> = select.from.iter().flat_map(relations_of).collect();
    let joins = relations.len() > 1;
    let keeper = match relations.iter().filter(|it| !is_lateral(it)).count() {
        2.. => Some(Keeper::Join),
        _ if is_grouped(select) => Some(Keeper::Group),
        _ => None,
    };
    let inputs = inputs(&relations);
    for hint in hints {
        let is_ttl = hint.name == STATE_TTL;
        if is_ttl {
            check_durations(hint)?;
        } else if !JOIN_HINTS.contains(&hint.name.as_str()) {
            continue;
        } else if hint.arguments.is_empty() {
            return Err(validation(format!(
                "invalid hint {}: it names at least one table or view",
                hint.name
            )));
        }
        let named: &[&TableFactor] = match (is_ttl, keeper) {
            (true, None) => continue,
            (true, Some(_)) => &inputs,
            (false, _) if !joins => continue,
            (false, _) => &relations,
        };
        let unknown: Vec<String> = hint
            .arguments
            .iter()
            .filter(|(name, _)| !named.iter().any(|relation| is_named(relation, name)))
            .map(|(name, _)| format!("`{name}` in `{}`", hint.name))
            .collect();
        if !unknown.is_empty() {
            return Err(validation(format!(
                "the options of following hints cannot match the name of input tables or views: {}",
                unknown.join(", ")
            )));
        }
    }
    if let Some(keeper) = keeper {
        note_times(&inputs, keeper, hints, marks);
    }
    Ok(())
}

/// The relations that are inputs of a join of two tables, or of the groups of one: not those that
/// are read for each row of another, nor that other, whose rows have no name any more.
fn inputs<'a>(relations: &[&'a TableFactor]) -> Vec<&'a TableFactor> {
    let is_read_for = |place: usize| relations.get(place).is_some_and(|it| is_lateral(it));
    relations
        .iter()
        .enumerate()
        .filter(|(place, _)| !is_read_for(*place) && (*place > 0 || !is_read_for(1)))
        .map(|(_, relation)| *relation)
        .collect()
}

/// Of several hints the first counts that names a relation, and in it what stands last.
fn note_times(inputs: &[&TableFactor], keeper: Keeper, hints: &[SelectHint], marks: &mut Marks) {
    let hints = hints.iter().filter(|hint| hint.name == STATE_TTL);
    for relation in inputs {
        let time = hints.clone().find_map(|hint| {
            let mut arguments = hint.arguments.iter().rev();
            let (_, time) = arguments.find(|(name, _)| is_named(relation, name))?;
            time.as_deref()
        });
        if let Some(time) = time {
            marks.add(relation, keeper, time);
        }
    }
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
fn is_named(relation: &TableFactor, name: &str) -> bool {
    let known = name_of(relation).unwrap_or_default();
    name == known || name.rsplit_once('.').is_some_and(|(_, last)| last == known)
}

fn relations_of(from: &TableWithJoins) -> Vec<&TableFactor> {
    let joined = from.joins.iter().map(|join| &join.relation);
    std::iter::once(&from.relation)
        .chain(joined)
        .flat_map(|relation| match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => relations_of(table_with_joins),
            relation => vec![relation],
        })
        .collect()
}

/// Whether the relation is read for each row of the one before it.
fn is_lateral(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } => *lateral,
        TableFactor::Table { version, .. } => {
            matches!(version, Some(TableVersion::ForSystemTimeAsOf(_)))
        }
        // Arrays of constants are a table like any other.
        TableFactor::UNNEST { array_exprs, .. } => array_exprs
            .visit(&mut OutsideOfQueries {
                n_queries: 0,
                is_wanted: |expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            })
            .is_break(),
        _ => false,
    }
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

/// Whether the SELECT has groups: GROUP BY, HAVING, DISTINCT, or an aggregate among its columns.
fn is_grouped(select: &Select) -> bool {
    let has_keys = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
    };
    let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
    has_keys
        || is_distinct
        || select.having.is_some()
        || select
            .projection
            .visit(&mut OutsideOfQueries {
                n_queries: 0,
                is_wanted: is_aggregate,
            })
            .is_break()
}

fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else {
        return false;
    };
    let name = function.name.to_string().replace('`', "").to_lowercase();
    function.over.is_none() && aggregates::find(&name).is_some()
}

/// Stops at the first expression that is wanted and does not stand in a sub-query.
struct OutsideOfQueries {
    /// How many sub-queries are around what is looked at.
    n_queries: usize,
    is_wanted: fn(&Expr) -> bool,
}

impl Visitor for OutsideOfQueries {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.n_queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.n_queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match self.n_queries == 0 && (self.is_wanted)(expr) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
