//! What the hint `STATE_TTL('a' = '1d')` says of a relation, on its way from the SELECT to the
//! operator that keeps the relation's rows.
//!
//! ```text
//!   SELECT /*+ STATE_TTL('b' = '1d') */ … FROM a JOIN b ON …
//!
//!   Join ── a                         the place of `b` in the text ─▶ its mark
//!    └───── b = SubqueryAlias(b)
//!              └─ SubqueryAlias(__state_ttl_join 1d)      goes through all rules
//!                  └─ …                                   as any alias does
//! ```
//!
//! A join looks for the marks of its inputs, a GROUP BY for that of its only relation; whatever
//! else reads a marked relation does not see the mark.
//!
//! Source: Flink 2.3, `QueryHintsResolver` and `StateTtlHint`.

use std::collections::HashMap;

use datafusion::common::{Result as DfResult, TableReference};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{Ident, ObjectNamePart, TableFactor};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};
use crate::state::ttl::Retention;

/// What follows is the time as it was written.
const OF_JOIN: &str = "__state_ttl_join ";
const OF_GROUP: &str = "__state_ttl_group ";

/// Who keeps the rows of a relation that a hint names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The join that the relation is an input of.
    Join,
    /// The GROUP BY (or DISTINCT) of the SELECT.
    Group,
}

/// The marks of a query's relations, by the place of the word that names each: its alias, or else
/// the last name of its table.
#[derive(Debug, Default)]
pub struct Marks(HashMap<Location, String>);

impl Marks {
    /// Notes that `keeper` keeps the rows of this relation for `time`, a duration as written.
    pub fn add(&mut self, relation: &TableFactor, keeper: Keeper, time: &str) {
        let lead = match keeper {
            Keeper::Join => OF_JOIN,
            Keeper::Group => OF_GROUP,
        };
        if let Some(name) = naming_word(relation)
            && name.span != Span::empty()
        {
            self.0.insert(name.span.start, format!("{lead}{time}"));
        }
    }
}

/// Plans marked relations.
#[derive(Debug)]
pub struct MarkedRelations(pub Marks);

impl RelationPlanner for MarkedRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let place = naming_word(&relation).map(|name| name.span.start);
        let Some(mark) = place.and_then(|place| self.0.0.get(&place)) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        // Without its place it is not looked at here again.
        let (relation, name) = without_place(relation);
        let plan = context.plan(relation)?;
        let qualifier = plan.schema().iter().next();
        let qualifier = qualifier.and_then(|(qualifier, _)| qualifier.cloned());
        let qualifier = qualifier.or_else(|| name.map(TableReference::bare));
        let Some(qualifier) = qualifier else {
            return Err(EngineError::internal("a relation of a hint lost its name").into());
        };
        let plan = LogicalPlanBuilder::from(plan)
            .alias(TableReference::bare(mark.as_str()))?
            .alias(qualifier)?
            .build()?;
        let planned = PlannedRelation::new(plan, None);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// The time that a hint gives to an input of a join.
#[must_use]
pub fn of_join_input(input: &LogicalPlan) -> Option<&str> {
    hinted(input, OF_JOIN)
}

/// The time that a hint gives to the input of a GROUP BY. Joins below are those that came from
/// sub-queries: the relation is on the side that they keep.
#[must_use]
pub fn of_grouped_input(input: &LogicalPlan) -> Option<&str> {
    hinted(input, OF_GROUP)
}

fn hinted<'a>(input: &'a LogicalPlan, mark: &str) -> Option<&'a str> {
    match input {
        LogicalPlan::SubqueryAlias(alias) => {
            time_of(&alias.alias, mark).or_else(|| hinted(&alias.input, mark))
        }
        LogicalPlan::Projection(projection) => hinted(&projection.input, mark),
        LogicalPlan::Filter(filter) => hinted(&filter.input, mark),
        LogicalPlan::Join(join) if mark == OF_GROUP => match join.join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                hinted(&join.right, mark)
            }
            _ => hinted(&join.left, mark),
        },
        _ => None,
    }
}

/// How long a time of a hint lets state stay.
///
/// # Errors
/// Never in practice: hints are tested before.
pub fn retention(time: Option<&str>) -> Result<Retention> {
    let Some(time) = time else {
        return Ok(Retention::Configured);
    };
    let duration = parse_duration(time)
        .ok_or_else(|| EngineError::internal(format!("'{time}' is no duration any more")))?;
    Ok(Retention::of_hint(duration))
}

fn time_of<'a>(alias: &'a TableReference, lead: &str) -> Option<&'a str> {
    alias.table().strip_prefix(lead)
}

fn naming_word(relation: &TableFactor) -> Option<&Ident> {
    let (table, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (Some(name), alias),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::MatchRecognize { alias, .. } => (None, alias),
        _ => return None,
    };
    match alias {
        Some(alias) => Some(&alias.name),
        None => table?.0.last()?.as_ident(),
    }
}

/// The relation without the place of the word that names it, and the word.
fn without_place(mut relation: TableFactor) -> (TableFactor, Option<String>) {
    let (table, alias) = match &mut relation {
        TableFactor::Table { name, alias, .. } => (Some(name), alias),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::MatchRecognize { alias, .. } => (None, alias),
        _ => return (relation, None),
    };
    let word = match (alias, table) {
        (Some(alias), _) => Some(&mut alias.name),
        (None, Some(table)) => match table.0.last_mut() {
            Some(ObjectNamePart::Identifier(ident)) => Some(ident),
            _ => None,
        },
        (None, None) => None,
    };
    let word = word.map(|word| {
        word.span = Span::empty();
        word.value.clone()
    });
    (relation, word)
}
