//! What the columns of an aggregate are called: as the query calls them, so that EXPLAIN and
//! messages do, and a projection that only gives them these names is not needed.
//!
//! ```text
//!   Projection(k, count(1) AS c)                  Aggregate(k; count(1) AS c)
//!     Aggregate(k; count(1))               ──▶
//!
//!   Projection(k, count(1) + 1 AS c)              Projection(k, $f1 + 1 AS c)
//!     Aggregate(k; count(1))               ──▶      Aggregate(k; count(1) AS $f1)
//! ```
//!
//! Several queries that share an aggregate have names of their own for it: what is shared stays
//! without.
//!
//! Source: the names that Flink 2.3 shows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::logical_plan::{Aggregate, Filter, LogicalPlan, Projection};

use crate::error::Result;
use crate::plan::errors::from_planner;

/// Gives the aggregates of `plan` that stand under a projection the names of its columns.
///
/// # Errors
/// Never in practice.
pub fn apply(plan: LogicalPlan) -> Result<LogicalPlan> {
    let named = plan.transform_up(|node| {
        let LogicalPlan::Projection(projection) = &node else {
            return Ok(Transformed::no(node));
        };
        Ok(match renamed(projection)? {
            Some(renamed) => Transformed::yes(renamed),
            None => Transformed::no(node),
        })
    });
    Ok(named.map_err(from_planner)?.data)
}

fn renamed(projection: &Projection) -> DfResult<Option<LogicalPlan>> {
    let (aggregate, filter) = match projection.input.as_ref() {
        LogicalPlan::Aggregate(aggregate) => (aggregate, None),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Aggregate(aggregate) => (aggregate, Some(filter)),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let Some(names) = names(projection, aggregate) else {
        return Ok(None);
    };
    let aggregate = with_names(aggregate, &names)?;
    let schema = Arc::clone(aggregate.schema());
    let renames: HashMap<Column, Column> = projection
        .input
        .schema()
        .columns()
        .into_iter()
        .zip(schema.columns())
        .collect();
    let rename = |expr: &Expr| -> DfResult<Expr> {
        let renamed = expr.clone().transform(|node| {
            let known = node.try_as_col().and_then(|column| renames.get(column));
            Ok(match known.cloned() {
                Some(column) => Transformed::yes(Expr::Column(column)),
                None => Transformed::no(node),
            })
        })?;
        Ok(renamed.data)
    };
    let input = match filter {
        Some(filter) => {
            let predicate = rename(&filter.predicate)?;
            LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(aggregate))?)
        }
        None => aggregate,
    };
    let exprs = projection
        .expr
        .iter()
        .map(rename)
        .collect::<DfResult<Vec<_>>>()?;
    let is_same = exprs.len() == schema.fields().len()
        && exprs
            .iter()
            .zip(schema.columns())
            .all(|(expr, column)| expr.clone().unalias().try_as_col() == Some(&column))
        && projection.schema == schema;
    if is_same {
        return Ok(Some(input));
    }
    let schema = Arc::clone(&projection.schema);
    let projection = Projection::try_new_with_schema(exprs, Arc::new(input), schema)?;
    Ok(Some(LogicalPlan::Projection(projection)))
}

/// The names of the calls' columns; none without calls.
fn names(projection: &Projection, aggregate: &Aggregate) -> Option<Vec<String>> {
    let n_fields = aggregate.schema.fields().len();
    let first = n_fields.checked_sub(aggregate.aggr_expr.len())?;
    if aggregate.aggr_expr.is_empty() {
        return None;
    }
    let fields = aggregate.schema.fields().iter();
    let mut taken: BTreeSet<String> = fields.take(first).map(|it| it.name().clone()).collect();
    let columns = aggregate.schema.columns();
    let names = columns
        .iter()
        .enumerate()
        .skip(first)
        .map(|(place, column)| {
            let shown = projection.expr.iter().zip(projection.schema.fields());
            let name = shown
                .filter(|(expr, _)| (*expr).clone().unalias().try_as_col() == Some(column))
                .map(|(_, field)| field.name().clone())
                .find(|name| !taken.contains(name));
            let mut name = name.unwrap_or_else(|| format!("$f{place}"));
            while !taken.insert(name.clone()) {
                name.push('0');
            }
            name
        });
    Some(names.collect())
}

fn with_names(aggregate: &Aggregate, names: &[String]) -> DfResult<LogicalPlan> {
    let first = aggregate.schema.fields().len() - names.len();
    let fields = aggregate
        .schema
        .iter()
        .enumerate()
        .map(|(place, (qualifier, field))| {
            match place.checked_sub(first).and_then(|place| names.get(place)) {
                Some(name) => (None, Arc::new(field.as_ref().clone().with_name(name))),
                None => (qualifier.cloned(), Arc::clone(field)),
            }
        });
    let metadata = aggregate.schema.metadata().clone();
    let schema = DFSchema::new_with_metadata(fields.collect(), metadata)?;
    let calls = aggregate.aggr_expr.iter().zip(names);
    let calls = calls
        .map(|(call, name)| call.clone().unalias().alias(name))
        .collect();
    Ok(LogicalPlan::Aggregate(Aggregate::try_new_with_schema(
        Arc::clone(&aggregate.input),
        aggregate.group_expr.clone(),
        calls,
        Arc::new(schema),
    )?))
}
