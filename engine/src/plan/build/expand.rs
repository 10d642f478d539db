//! GROUPING SETS, ROLLUP and CUBE: an Expand before the GROUP BY.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, powerset};
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet as SetsOf};

use super::{Built, GraphBuilder};
use crate::error::{EngineError, Result};
use crate::operators::expand::{ExpandSpec, GroupingSet};
use crate::plan::changes::role::Role;
use crate::plan::errors::from_planner;
use crate::plan::keys::Keys;
use crate::runtime::{Exchange, NodeKind};

/// The grouping sets of an aggregate over `exprs`, in Flink's order: a set comes before those that
/// it contains, and else the one with the earlier column. None if there is just one.
pub(super) fn grouping_sets(
    aggregate: &Aggregate,
    exprs: &[&Expr],
) -> Result<Option<Vec<GroupingSet>>> {
    let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() else {
        return Ok(None);
    };
    let lists: Vec<Vec<&Expr>> = match sets {
        SetsOf::GroupingSets(lists) => lists.iter().map(|list| list.iter().collect()).collect(),
        SetsOf::Cube(keys) => powerset(keys).map_err(from_planner)?,
        SetsOf::Rollup(keys) => (0..=keys.len())
            .map(|n_keys| keys.iter().take(n_keys).collect())
            .collect(),
    };
    let mut ordinals: HashMap<Vec<bool>, u64> = HashMap::new();
    let mut sets: Vec<GroupingSet> = lists
        .iter()
        .map(|list| {
            let has_key: Vec<bool> = exprs.iter().map(|expr| list.contains(expr)).collect();
            let left_out = has_key
                .iter()
                .fold(0_u64, |bits, has_key| bits << 1 | u64::from(!has_key));
            let ordinal = ordinals.entry(has_key.clone()).or_insert(0);
            let id = left_out | *ordinal << exprs.len();
            *ordinal += 1;
            GroupingSet { has_key, id }
        })
        .collect();
    // A set that contains another one has more keys where they differ first.
    sets.sort_by(|left, right| right.has_key.cmp(&left.has_key));
    Ok(Some(sets))
}

/// The expressions that every grouping set of an aggregate has.
pub(super) fn always_grouped(aggregate: &Aggregate) -> Result<Vec<&Expr>> {
    let exprs = grouping_set_to_exprlist(&aggregate.group_expr).map_err(from_planner)?;
    let Some(sets) = grouping_sets(aggregate, &exprs)? else {
        return Ok(exprs);
    };
    Ok((0_usize..)
        .zip(exprs)
        .filter(|(key_idx, _)| {
            let mut sets = sets.iter();
            sets.all(|set| set.has_key.get(*key_idx).copied().unwrap_or(false))
        })
        .map(|(_, expr)| expr)
        .collect())
}

impl GraphBuilder {
    /// Adds an Expand that passes on the columns `passed` of `input` and has for each set the
    /// columns `keys`, then the set's number in a column like `id`.
    pub(super) fn expand(
        &mut self,
        input: Built,
        passed: Vec<usize>,
        keys: Vec<usize>,
        id: &Field,
        sets: Vec<GroupingSet>,
    ) -> Result<Built> {
        let field = |column: usize| {
            input
                .schema
                .fields()
                .get(column)
                .map(|field| field.as_ref().clone())
                .ok_or_else(|| EngineError::internal("an Expand reads a missing column"))
        };
        let mut fields = Vec::new();
        for &column in &passed {
            fields.push(field(column)?);
        }
        for &column in &keys {
            fields.push(field(column)?.with_nullable(true));
        }
        fields.push(id.clone());
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let name = format!("Expand(projects=[{{{}}}])", names.join(", "));
        let mode = input.mode;
        let schema = Arc::new(Schema::new(fields));
        let spec = ExpandSpec {
            passed,
            keys,
            sets,
            schema: Arc::clone(&schema),
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Forward)],
            schema,
            mode,
        );
        Ok(self.note(built, Role::forward(), Keys::none()))
    }
}
