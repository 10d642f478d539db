//! Correlated subqueries that no rule of the optimizer makes joins of: comparisons other than
//! equality under an aggregate, references to rows two queries up, subqueries in GROUP BY, in
//! ORDER BY and in conditions of joins.
//!
//! ```text
//!   SELECT (SELECT SUM(x) FROM q WHERE q.a < o.b) FROM o
//!
//!   o ──────────────────────────────────────┐
//!   │                                       ├▶ LEFT JOIN (b = b) ─▶ the value as a column
//!   └▶ distinct b ─▶ × q ─▶ a < b ─▶ SUM(x) per b ┘
//! ```
//!
//! What the optimizer's own rules can do is left to them: a join less. EXISTS and IN are given a
//! subquery that refers to the rows around by equalities alone, which those rules know.

mod domain;

mod ours;

mod references;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result as DfResult, TableReference};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::logical_plan::{
    Aggregate, Filter, Join, Projection, Sort, SubqueryAlias,
};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::lateral::lateral;
use crate::error::{EngineError, Result};
use crate::functions::checks;
use crate::plan::errors::from_planner;
use domain::{Domain, Pushed, check_grouped, counts_of, zero_for_null};
use ours::{cannot_pull_up, holds_ours, is_ours, is_ours_itself, needs_domain};
use references::{free, has_subqueries, subquery_of, with_subquery};

/// `plan` with subqueries that refer to the rows around them in ways that the optimizer's rules
/// know.
///
/// # Errors
/// `Unsupported` where the rows of a subquery hang on the rows around in a way that no join can
/// express, as with LIMIT.
pub fn unnested(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_subqueries(&plan).map_err(from_planner)? {
        return Ok(plan);
    }
    Unnest::default().plan(plan).map_err(from_planner)
}

/// A subquery beside the rows around it.
struct Beside {
    /// The outer rows, joined with what the subquery gives for each.
    joined: LogicalPlan,
    /// The subquery's columns, as expressions over [`Beside::joined`].
    values: Vec<Expr>,
}

#[derive(Default)]
struct Unnest {
    n_made: usize,
}

impl Unnest {
    fn plan(&mut self, plan: LogicalPlan) -> DfResult<LogicalPlan> {
        let node = match plan {
            LogicalPlan::Join(join) if lateral(&join.right).is_some() => self.lateral(join)?,
            other => other
                .map_children(|child| self.plan(child).map(Transformed::yes))
                .data()?,
        };
        let node = match node {
            LogicalPlan::Join(join) => self.condition(join)?,
            other => other,
        };
        let node = self.joined(node)?;
        // What is left: subqueries of their own, and those that the optimizer makes joins of.
        node.map_expressions(|expr| {
            expr.transform_down(|expr| {
                let Some(subquery) = subquery_of(&expr) else {
                    return Ok(Transformed::no(expr));
                };
                let plan = subquery.subquery.as_ref().clone();
                if !has_subqueries(&plan)? {
                    return Ok(Transformed::no(expr));
                }
                let plan = self.plan(plan)?;
                Ok(Transformed::yes(with_subquery(expr, plan)))
            })
        })
        .data()
    }

    /// A node without scalar subqueries and EXISTS that are ours.
    fn joined(&mut self, node: LogicalPlan) -> DfResult<LogicalPlan> {
        if !holds_ours(&node)? {
            return Ok(node);
        }
        let context = node.clone();
        match node {
            LogicalPlan::Filter(filter) => {
                let shown = columns_of(&filter.input);
                let mut input = Arc::unwrap_or_clone(filter.input);
                let predicate = self.without(filter.predicate, &mut input, &context)?;
                let filter = Filter::try_new(predicate, Arc::new(input))?;
                LogicalPlanBuilder::from(LogicalPlan::Filter(filter))
                    .project(shown)?
                    .build()
            }
            LogicalPlan::Projection(projection) => {
                let mut input = Arc::unwrap_or_clone(projection.input);
                let exprs = self.all_without(projection.expr, &mut input, &context)?;
                // The same names and qualifiers as before.
                let schema = projection.schema;
                let projection = Projection::try_new_with_schema(exprs, Arc::new(input), schema)?;
                Ok(LogicalPlan::Projection(projection))
            }
            LogicalPlan::Aggregate(aggregate) => {
                let mut input = Arc::unwrap_or_clone(aggregate.input);
                let group = self.all_without(aggregate.group_expr, &mut input, &context)?;
                let calls = self.all_without(aggregate.aggr_expr, &mut input, &context)?;
                let schema = aggregate.schema;
                Aggregate::try_new_with_schema(Arc::new(input), group, calls, schema)
                    .map(LogicalPlan::Aggregate)
            }
            LogicalPlan::Sort(sort) => self.sort(sort, &context),
            other => Ok(other),
        }
    }

    /// ORDER BY may refer to what the SELECT list reads and does not show.
    fn sort(&mut self, sort: Sort, context: &LogicalPlan) -> DfResult<LogicalPlan> {
        let shown = columns_of(&sort.input);
        let mut input = Arc::unwrap_or_clone(sort.input);
        let mut keys = Vec::with_capacity(sort.expr.len());
        for mut key in sort.expr {
            key.expr = match (key.expr, &mut input) {
                (expr, LogicalPlan::Projection(below)) if is_ours(&expr, context)? => {
                    let mut rows = below.input.as_ref().clone();
                    let value = self.without(expr, &mut rows, context)?;
                    self.n_made += 1;
                    let name = format!("__order_{}", self.n_made);
                    let mut exprs = below.expr.clone();
                    exprs.push(value.alias(&name));
                    *below = Projection::try_new(exprs, Arc::new(rows))?;
                    Expr::Column(Column::new_unqualified(name))
                }
                (expr, _) => self.without(expr, &mut input, context)?,
            };
            keys.push(key);
        }
        let sort = LogicalPlan::Sort(Sort {
            expr: keys,
            input: Arc::new(input),
            fetch: sort.fetch,
        });
        LogicalPlanBuilder::from(sort).project(shown)?.build()
    }

    /// Subqueries in the condition of a join: of an inner one they filter its rows; of an outer one
    /// a value may come with the rows of one side.
    fn condition(&mut self, join: Join) -> DfResult<LogicalPlan> {
        let conditions = join.filter.clone().into_iter();
        let mut ours = Vec::new();
        let mut rest = Vec::new();
        for condition in conditions.flat_map(split_conjunction_owned) {
            if condition.exists(|expr| Ok(subquery_of(expr).is_some()))? {
                ours.push(condition);
            } else {
                rest.push(condition);
            }
        }
        if ours.is_empty() {
            return Ok(LogicalPlan::Join(join));
        }
        if join.join_type != JoinType::Inner {
            return self.outer_condition(join, ours, rest);
        }
        let join = Join {
            filter: conjunction(rest),
            ..join
        };
        let predicate = conjunction(ours).unwrap_or_else(|| lit(true));
        let filter = Filter::try_new(predicate, Arc::new(LogicalPlan::Join(join)))?;
        Ok(LogicalPlan::Filter(filter))
    }

    fn outer_condition(
        &mut self,
        join: Join,
        ours: Vec<Expr>,
        mut rest: Vec<Expr>,
    ) -> DfResult<LogicalPlan> {
        let context = LogicalPlan::Join(join.clone());
        let shown = columns_of(&context);
        let mut sides = [join.left, join.right].map(Arc::unwrap_or_clone);
        for condition in ours {
            let mut references = Vec::new();
            condition.apply(|expr| {
                if let Some(subquery) = subquery_of(expr) {
                    references.extend(free(&subquery.subquery)?);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
            let side = sides.iter_mut().find(|side| {
                let schema = side.schema();
                references
                    .iter()
                    .all(|(column, _)| schema.has_column(column))
            });
            let Some(side) = side else {
                let what = "a subquery about both sides in the condition of an outer join";
                return Err(EngineError::unsupported(what).into());
            };
            rest.push(self.without(condition, side, &context)?);
        }
        let [left, right] = sides;
        let keys = join.on.into_iter().map(|(left, right)| left.eq(right));
        let condition = conjunction(keys.chain(rest)).unwrap_or_else(|| lit(true));
        LogicalPlanBuilder::from(left)
            .join_on(right, join.join_type, Some(condition))?
            .project(shown)?
            .build()
    }

    fn all_without(
        &mut self,
        exprs: Vec<Expr>,
        input: &mut LogicalPlan,
        context: &LogicalPlan,
    ) -> DfResult<Vec<Expr>> {
        let exprs = exprs.into_iter();
        exprs
            .map(|expr| {
                let name = expr.schema_name().to_string();
                let replaced = self.without(expr.clone(), input, context)?;
                Ok(match replaced {
                    // Others know the column by its name.
                    Expr::Alias(_) => replaced,
                    other if other == expr => other,
                    other => other.alias(name),
                })
            })
            .collect()
    }

    /// `expr` over `input`, to which the subqueries that are ours are joined.
    fn without(
        &mut self,
        expr: Expr,
        input: &mut LogicalPlan,
        context: &LogicalPlan,
    ) -> DfResult<Expr> {
        let replaced = expr.transform_down(|expr| {
            if !is_ours_itself(&expr, context)? {
                return Ok(Transformed::no(expr));
            }
            let Some(subquery) = subquery_of(&expr).cloned() else {
                return Ok(Transformed::no(expr));
            };
            if matches!(expr, Expr::ScalarSubquery(_)) {
                let outer = std::mem::take(input);
                let beside = self.beside(outer, &subquery, JoinType::Left, Vec::new(), None)?;
                *input = beside.joined;
                let value = beside
                    .values
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| lit(true));
                let value = checks::nullable().call(vec![value]);
                return Ok(Transformed::new(value, true, TreeNodeRecursion::Jump));
            }
            let plan = self.by_equality(input, subquery.subquery.as_ref().clone())?;
            let expr = with_subquery(expr, plan);
            Ok(Transformed::new(expr, true, TreeNodeRecursion::Jump))
        });
        Ok(replaced?.data)
    }

    /// A subquery that asks of the rows around only that they are equal to columns of its own.
    fn by_equality(&mut self, outer: &LogicalPlan, plan: LogicalPlan) -> DfResult<LogicalPlan> {
        let shown = columns_of(&plan);
        self.n_made += 1;
        let mut domain = Domain::try_new(outer, free(&plan)?, self.n_made)?;
        let Pushed { plan, columns } = domain.push(plan)?;
        let plan = self.plan(plan)?;
        let predicate = conjunction(domain.equal_inside(&columns)).unwrap_or_else(|| lit(true));
        let filter = Filter::try_new(predicate, Arc::new(plan))?;
        LogicalPlanBuilder::from(LogicalPlan::Filter(filter))
            .project(shown)?
            .build()
    }

    /// Joins what a subquery gives for each of the rows of `outer`.
    fn beside(
        &mut self,
        outer: LogicalPlan,
        subquery: &Subquery,
        join_type: JoinType,
        mut conditions: Vec<Expr>,
        alias: Option<TableReference>,
    ) -> DfResult<Beside> {
        let plan = subquery.subquery.as_ref().clone();
        self.n_made += 1;
        let number = self.n_made;
        let references = free(&plan)?;
        let mut domain = match references.is_empty() {
            true => None,
            false => Some(Domain::try_new(&outer, references, number)?),
        };
        let (pushed, values) = match (&mut domain, single_group(&plan)) {
            (Some(domain), Some((aggregate, values))) => {
                values.iter().try_for_each(check_grouped)?;
                let counts = counts_of(&aggregate);
                let groups = aggregate.schema.columns();
                (domain.groups(aggregate)?, Some((values, groups, counts)))
            }
            (Some(domain), None) => (domain.push(plan.clone())?, None),
            (None, _) => {
                let columns = Vec::new();
                (
                    Pushed {
                        plan: plan.clone(),
                        columns,
                    },
                    None,
                )
            }
        };
        let name = alias.unwrap_or_else(|| TableReference::bare(format!("__subquery_{number}")));
        let own: Vec<Column> = match &values {
            Some((_, groups, _)) => groups.clone(),
            None => plan.schema().columns(),
        };
        let shown = own.iter().chain(&pushed.columns).enumerate();
        let shown = shown.map(|(idx, column)| {
            let name = format!("__value_{number}_{idx}");
            Expr::Column(column.clone()).alias(name)
        });
        let right = self.plan(pushed.plan)?;
        let right = LogicalPlanBuilder::from(right).project(shown)?.build()?;
        let right = SubqueryAlias::try_new(Arc::new(right), name)?;
        let columns = right.schema.columns();
        let (given, keys) = columns.split_at(own.len().min(columns.len()));
        let read = |column: &Column| {
            let place = own.iter().position(|known| known == column)?;
            given.get(place).cloned().map(Expr::Column)
        };
        let values: Vec<Expr> = match values {
            Some((values, groups, counts)) => values
                .into_iter()
                .map(|value| {
                    let read = |column: &Column| {
                        let is_count = groups
                            .iter()
                            .zip(&counts)
                            .any(|(it, count)| *count && it == column);
                        let value = read(column)?;
                        Some(if is_count {
                            zero_for_null(value)
                        } else {
                            value
                        })
                    };
                    replaced(value, &read)
                })
                .collect::<DfResult<_>>()?,
            None => own.iter().filter_map(read).collect(),
        };
        let shown = plan.schema().columns();
        for condition in &mut conditions {
            let of_alias = std::mem::replace(condition, lit(true));
            let read = |column: &Column| {
                let place = shown.iter().position(|known| known.name == column.name)?;
                let is_right = !outer.schema().has_column(column);
                values.get(place).filter(|_| is_right).cloned()
            };
            *condition = replaced(of_alias, &read)?;
        }
        conditions.extend(domain.iter().flat_map(|domain| domain.equal(keys)));
        let condition = conjunction(conditions).unwrap_or_else(|| lit(true));
        let joined = LogicalPlanBuilder::from(outer)
            .join_on(
                LogicalPlan::SubqueryAlias(right),
                join_type,
                Some(condition),
            )?
            .build()?;
        Ok(Beside { joined, values })
    }

    /// LATERAL with a subquery that is ours. An aggregate over nothing has no row in Flink's inner
    /// joins.
    fn lateral(&mut self, join: Join) -> DfResult<LogicalPlan> {
        let left = self.plan(Arc::unwrap_or_clone(Arc::clone(&join.left)))?;
        let Some((subquery, alias)) = lateral(&join.right) else {
            return Ok(LogicalPlan::Join(join));
        };
        let counts = join.join_type == JoinType::Left && has_value_for_nothing(&subquery.subquery);
        let ours = counts
            || needs_domain(&subquery.subquery)?
            || cannot_pull_up(&subquery.subquery, PullUpCorrelatedExpr::new());
        let known = matches!(join.join_type, JoinType::Inner | JoinType::Left);
        if !ours || !known || free(&subquery.subquery)?.is_empty() {
            let join = Join {
                left: Arc::new(left),
                ..join
            };
            return Ok(LogicalPlan::Join(join));
        }
        let n_left = left.schema().fields().len();
        let shown = columns_of(&left);
        let keys = join.on.iter();
        let keys = keys.map(|(left, right)| left.clone().eq(right.clone()));
        let conditions = keys.chain(
            join.filter
                .iter()
                .cloned()
                .flat_map(split_conjunction_owned),
        );
        let conditions = conditions.collect();
        let beside = self.beside(left, &subquery, join.join_type, conditions, alias)?;
        let names = join.schema.iter().skip(n_left);
        let values = beside.values.into_iter().zip(names);
        let values = values.map(|(value, (qualifier, field))| {
            Expr::Alias(Alias::new(value, qualifier.cloned(), field.name()))
        });
        LogicalPlanBuilder::from(beside.joined)
            .project(shown.into_iter().chain(values))?
            .build()
    }
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = plan.schema().columns();
    columns.into_iter().map(Expr::Column).collect()
}

/// An aggregate without groups, and what is made of it.
fn single_group(plan: &LogicalPlan) -> Option<(Aggregate, Vec<Expr>)> {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            let values = aggregate.schema.columns();
            Some((
                aggregate.clone(),
                values.into_iter().map(Expr::Column).collect(),
            ))
        }
        LogicalPlan::Projection(projection) => {
            let (aggregate, inner) = single_group(&projection.input)?;
            let known = projection.input.schema().columns();
            let read = |column: &Column| {
                let place = known.iter().position(|known| known == column)?;
                inner.get(place).cloned()
            };
            let values = projection.expr.iter().cloned();
            let values = values.map(|expr| replaced(expr.unalias(), &read).ok());
            Some((aggregate, values.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Whether an aggregate without groups gives something else than NULL for no rows.
fn has_value_for_nothing(plan: &LogicalPlan) -> bool {
    single_group(plan).is_some_and(|(aggregate, values)| {
        let is_column = |value: &Expr| matches!(value, Expr::Column(_));
        counts_of(&aggregate).contains(&true) || !values.iter().all(is_column)
    })
}

/// `expr` with other expressions for its columns.
fn replaced(expr: Expr, read: &impl Fn(&Column) -> Option<Expr>) -> DfResult<Expr> {
    let replaced = expr.transform_up(|expr| {
        let Expr::Column(column) = &expr else {
            return Ok(Transformed::no(expr));
        };
        Ok(match read(column) {
            Some(value) => Transformed::yes(value),
            None => Transformed::no(expr),
        })
    });
    Ok(replaced?.data)
}
