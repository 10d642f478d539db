//! The rows around a subquery, as far as it knows them, brought into the subquery.
//!
//! ```text
//!   … WHERE x < outer.y …    ──▶    … the distinct y of the outer rows × … WHERE x < y …
//! ```
//!
//! From the place where they come in, the outer columns go up with the rows of the subquery: an
//! aggregate has a group for each of them, a join of two sides that have them compares them.
//!
//! Source: T. Neumann, A. Kemper, "Unnesting Arbitrary Queries", BTW 2015; which relations may
//! stand between as Flink 2.3 answers.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result as DfResult, TableReference};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::logical_plan::{
    Aggregate, Distinct, Filter, Join, Projection, Sort, SubqueryAlias, Window,
};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

use super::references::{Reference, bound, free, rebound};
use crate::error::EngineError;
use crate::plan::subquery::lateral::lateral;
use crate::plan::subquery::quantified::case;
use crate::sql::diagnostics::validation;

/// The distinct values of the outer columns.
pub(super) struct Domain {
    plan: LogicalPlan,
    references: Vec<Reference>,
    /// Tells this domain from those of other subqueries.
    number: usize,
    n_used: usize,
}

/// A subquery with the outer columns behind its own.
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    /// Where the outer columns are, in the order of the domain.
    pub(super) columns: Vec<Column>,
}

impl Domain {
    /// The values that `references` have in the rows of `outer`.
    pub(super) fn try_new(
        outer: &LogicalPlan,
        references: Vec<Reference>,
        number: usize,
    ) -> DfResult<Self> {
        let columns = references.iter().enumerate().map(|(idx, (column, _))| {
            Expr::Column(column.clone()).alias(format!("__outer_{number}_{idx}"))
        });
        let plan = LogicalPlanBuilder::from(outer.clone())
            .project(columns)?
            .distinct()?
            .build()?;
        Ok(Self {
            plan,
            references,
            number,
            n_used: 0,
        })
    }

    /// The outer columns are these of the subquery. As in Flink, an outer row with NULL finds
    /// nothing.
    pub(super) fn equal(&self, pushed: &[Column]) -> Vec<Expr> {
        let outer = self.references.iter().zip(pushed);
        outer
            .map(|((outer, _), inner)| Expr::Column(outer.clone()).eq(Expr::Column(inner.clone())))
            .collect()
    }

    /// As [`Domain::equal`], to stand inside of the subquery.
    pub(super) fn equal_inside(&self, pushed: &[Column]) -> Vec<Expr> {
        let references = self.references.iter().zip(pushed);
        references
            .map(|((column, field), inner)| {
                let outer = Expr::OuterReferenceColumn(Arc::clone(field), column.clone());
                not_distinct(Expr::Column(inner.clone()), outer)
            })
            .collect()
    }

    /// `plan` for each row of the domain.
    ///
    /// # Errors
    /// `Unsupported` for relations in `plan` over which the columns cannot be carried.
    pub(super) fn push(&mut self, plan: LogicalPlan) -> DfResult<Pushed> {
        if free(&plan)?.is_empty() {
            return self.beside(plan);
        }
        match plan {
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let pushed = self.push(Arc::unwrap_or_clone(input))?;
                Ok(Pushed {
                    plan: LogicalPlan::Distinct(Distinct::All(Arc::new(pushed.plan))),
                    columns: pushed.columns,
                })
            }
            LogicalPlan::Sort(Sort {
                input, fetch: None, ..
            }) => self.push(Arc::unwrap_or_clone(input)),
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
                self.single_group(aggregate)
            }
            LogicalPlan::Aggregate(aggregate) => self.groups(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Window(window) => self.window(window),
            other => Err(refused(&other).into()),
        }
    }

    /// The aggregates of the rows that there are: no row for those of the domain that have none.
    pub(super) fn groups(&mut self, aggregate: Aggregate) -> DfResult<Pushed> {
        let Pushed { plan, columns } = self.push(Arc::unwrap_or_clone(aggregate.input))?;
        let schema = Arc::clone(plan.schema());
        let mut group = self.all_bound(aggregate.group_expr, &schema, &columns)?;
        let n_groups = group.len();
        group.extend(columns.iter().cloned().map(Expr::Column));
        let calls = self.all_bound(aggregate.aggr_expr, &schema, &columns)?;
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), group, calls)?);
        // Arguments may have other names now.
        let now = plan.schema().columns();
        let (groups, rest) = now.split_at(n_groups.min(now.len()));
        let (carried, calls) = rest.split_at(columns.len().min(rest.len()));
        let own: Vec<Column> = groups.iter().chain(calls).cloned().collect();
        let mut shown = renamed(&own, &aggregate.schema);
        shown.extend(carried.iter().cloned().map(Expr::Column));
        Ok(Pushed {
            plan: LogicalPlanBuilder::from(plan).project(shown)?.build()?,
            columns: carried.to_vec(),
        })
    }

    /// A row of the domain without rows has a group, too: its counts are 0, all else is NULL.
    fn single_group(&mut self, aggregate: Aggregate) -> DfResult<Pushed> {
        let (schema, counts) = (Arc::clone(&aggregate.schema), counts_of(&aggregate));
        let groups = self.groups(aggregate)?;
        let (all, columns) = self.all_rows()?;
        let condition = conjunction(equal(columns.iter().cloned(), &groups.columns));
        let joined = LogicalPlanBuilder::from(all)
            .join_on(groups.plan, JoinType::Left, condition)?
            .build()?;
        let values = schema.columns().into_iter().zip(counts);
        let mut shown: Vec<Expr> = values
            .map(|(column, is_count)| {
                let value = Expr::Column(column.clone());
                if is_count {
                    zero_for_null(value).alias_qualified(column.relation, column.name)
                } else {
                    value
                }
            })
            .collect();
        shown.extend(columns.iter().cloned().map(Expr::Column));
        Ok(Pushed {
            plan: LogicalPlanBuilder::from(joined).project(shown)?.build()?,
            columns,
        })
    }

    fn filter(&mut self, filter: Filter) -> DfResult<Pushed> {
        let Pushed { plan, columns } = self.push(Arc::unwrap_or_clone(filter.input))?;
        let predicate = bound(filter.predicate, plan.schema(), &self.references, &columns)?;
        Ok(Pushed {
            plan: LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?),
            columns,
        })
    }

    fn projection(&mut self, projection: Projection) -> DfResult<Pushed> {
        if matches!(projection.input.as_ref(), LogicalPlan::Aggregate(_)) {
            projection.expr.iter().try_for_each(check_grouped)?;
        }
        let Pushed { plan, columns } = self.push(Arc::unwrap_or_clone(projection.input))?;
        let names = projection.schema.iter();
        let mut shown = Vec::with_capacity(projection.expr.len() + columns.len());
        for (expr, (qualifier, field)) in projection.expr.into_iter().zip(names) {
            let bound = bound(expr.clone(), plan.schema(), &self.references, &columns)?;
            shown.push(if bound == expr {
                expr
            } else {
                let value = bound.unalias();
                Expr::Alias(Alias::new(value, qualifier.cloned(), field.name()))
            });
        }
        shown.extend(columns.iter().cloned().map(Expr::Column));
        let plan = Projection::try_new(shown, Arc::new(plan))?;
        Ok(Pushed {
            plan: LogicalPlan::Projection(plan),
            columns,
        })
    }

    fn alias(&mut self, alias: SubqueryAlias) -> DfResult<Pushed> {
        let pushed = self.push(Arc::unwrap_or_clone(alias.input))?;
        let name = alias.alias;
        let columns = pushed.columns.into_iter();
        let columns = columns
            .map(|column| Column::new(Some(name.clone()), column.name))
            .collect();
        let plan = SubqueryAlias::try_new(Arc::new(pushed.plan), name)?;
        Ok(Pushed {
            plan: LogicalPlan::SubqueryAlias(plan),
            columns,
        })
    }

    /// The rows of an outer row are partitions of their own.
    fn window(&mut self, window: Window) -> DfResult<Pushed> {
        let n_input = window.input.schema().fields().len();
        let Pushed { plan, columns } = self.push(Arc::unwrap_or_clone(window.input))?;
        let n_pushed = plan.schema().fields().len();
        let calls = self.all_bound(window.window_expr, plan.schema(), &columns)?;
        let calls = calls.into_iter().map(|call| match call.unalias() {
            Expr::WindowFunction(mut call) => {
                let partition = &mut call.params.partition_by;
                partition.extend(columns.iter().cloned().map(Expr::Column));
                Expr::WindowFunction(call)
            }
            other => other,
        });
        let plan = LogicalPlan::Window(Window::try_new(calls.collect(), Arc::new(plan))?);
        let own = window.schema.columns().into_iter().take(n_input);
        let calls = plan.schema().columns().into_iter().skip(n_pushed);
        let own: Vec<Column> = own.chain(calls).collect();
        let mut shown = renamed(&own, &window.schema);
        shown.extend(columns.iter().cloned().map(Expr::Column));
        Ok(Pushed {
            plan: LogicalPlanBuilder::from(plan).project(shown)?.build()?,
            columns,
        })
    }

    fn join(&mut self, join: Join) -> DfResult<Pushed> {
        if let Some((subquery, alias)) = lateral(&join.right) {
            return self.lateral(join, subquery, alias);
        }
        let (of_left, of_right) = (
            !free(&join.left)?.is_empty(),
            !free(&join.right)?.is_empty(),
        );
        let (on_left, on_right) = match join.join_type {
            JoinType::Inner => (of_left || !of_right, of_right),
            JoinType::Left => (true, of_right),
            JoinType::Right => (of_left, true),
            other => {
                let kind = other.to_string().to_uppercase();
                let what = format!("a correlated subquery with {kind} JOIN");
                return Err(EngineError::unsupported(what).into());
            }
        };
        let (left, left_columns) = self.side(join.left, on_left)?;
        let (right, right_columns) = self.side(join.right, on_right)?;
        let schema = left.schema().join(right.schema())?;
        let columns = left_columns.clone().or_else(|| right_columns.clone());
        let columns = columns.unwrap_or_default();
        let keys = join.on.into_iter().map(|(left, right)| left.eq(right));
        let mut conditions = self.all_bound(keys.chain(join.filter), &schema, &columns)?;
        if let (Some(left), Some(right)) = (left_columns, right_columns) {
            conditions.extend(equal(left.into_iter(), &right));
        }
        let condition = conjunction(conditions).unwrap_or_else(|| lit(true));
        let plan = LogicalPlanBuilder::from(left)
            .join_on(right, join.join_type, Some(condition))?
            .build()?;
        Ok(Pushed { plan, columns })
    }

    /// LATERAL inside of the subquery: the left rows have what it may ask for.
    fn lateral(
        &mut self,
        join: Join,
        subquery: Subquery,
        alias: Option<TableReference>,
    ) -> DfResult<Pushed> {
        let left = self.push(Arc::unwrap_or_clone(join.left))?;
        let mut nearer = vec![left.plan.schema().as_ref().clone()];
        let inner = subquery.subquery.as_ref().clone();
        let inner = rebound(inner, &mut nearer, &self.references, &left.columns)?;
        let mut right = LogicalPlanBuilder::from(LogicalPlan::Subquery(Subquery {
            outer_ref_columns: inner.all_out_ref_exprs(),
            subquery: Arc::new(inner),
            spans: subquery.spans,
        }));
        if let Some(alias) = alias {
            right = right.alias(alias)?;
        }
        let right = right.build()?;
        let schema = left.plan.schema().join(right.schema())?;
        let keys = join.on.into_iter().map(|(left, right)| left.eq(right));
        let conditions = self.all_bound(keys.chain(join.filter), &schema, &left.columns)?;
        let condition = conjunction(conditions).unwrap_or_else(|| lit(true));
        let plan = LogicalPlanBuilder::from(left.plan)
            .join_on(right, join.join_type, Some(condition))?
            .build()?;
        Ok(Pushed {
            plan,
            columns: left.columns,
        })
    }

    fn side(
        &mut self,
        plan: Arc<LogicalPlan>,
        has_domain: bool,
    ) -> DfResult<(LogicalPlan, Option<Vec<Column>>)> {
        let plan = Arc::unwrap_or_clone(plan);
        if !has_domain {
            return Ok((plan, None));
        }
        let pushed = self.push(plan)?;
        Ok((pushed.plan, Some(pushed.columns)))
    }

    /// What does not know the outer rows is the same for all of them.
    fn beside(&mut self, plan: LogicalPlan) -> DfResult<Pushed> {
        let (all, columns) = self.all_rows()?;
        let is_one_row = matches!(&plan, LogicalPlan::EmptyRelation(row) if row.produce_one_row);
        let plan = if is_one_row {
            all
        } else {
            LogicalPlanBuilder::from(plan).cross_join(all)?.build()?
        };
        Ok(Pushed { plan, columns })
    }

    fn all_rows(&mut self) -> DfResult<(LogicalPlan, Vec<Column>)> {
        self.n_used += 1;
        let name = format!("__outer_{}_of_{}", self.n_used, self.number);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).alias(name)?;
        let plan = plan.build()?;
        let columns = plan.schema().columns();
        Ok((plan, columns))
    }

    fn all_bound(
        &self,
        exprs: impl IntoIterator<Item = Expr>,
        schema: &DFSchema,
        columns: &[Column],
    ) -> DfResult<Vec<Expr>> {
        let exprs = exprs.into_iter();
        exprs
            .map(|expr| bound(expr, schema, &self.references, columns))
            .collect()
    }
}

/// For each column of an aggregate whether it is a count: 0 where there are no rows.
pub(super) fn counts_of(aggregate: &Aggregate) -> Vec<bool> {
    let groups = aggregate.group_expr.iter().map(|_| false);
    let calls = aggregate.aggr_expr.iter().map(|call| {
        let call = call.clone().unalias();
        matches!(&call, Expr::AggregateFunction(call) if call.func.name() == "count")
    });
    groups.chain(calls).collect()
}

/// A count over the padded side of a join.
pub(super) fn zero_for_null(count: Expr) -> Expr {
    case(vec![(count.clone().is_null(), lit(0_i64))], count)
}

/// `columns` under the names of `schema`.
fn renamed(columns: &[Column], schema: &DFSchema) -> Vec<Expr> {
    let names = schema.iter();
    columns
        .iter()
        .zip(names)
        .map(|(column, (qualifier, field))| {
            let is_same =
                column.relation.as_ref() == qualifier && column.name == field.name().as_str();
            let value = Expr::Column(column.clone());
            if is_same {
                value
            } else {
                Expr::Alias(Alias::new(value, qualifier.cloned(), field.name()))
            }
        })
        .collect()
}

fn equal(left: impl Iterator<Item = Column>, right: &[Column]) -> Vec<Expr> {
    left.zip(right)
        .map(|(left, right)| not_distinct(Expr::Column(left), Expr::Column(right.clone())))
        .collect()
}

fn not_distinct(left: Expr, right: Expr) -> Expr {
    use datafusion::logical_expr::{BinaryExpr, Operator};
    Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        Operator::IsNotDistinctFrom,
        Box::new(right),
    ))
}

/// A SELECT list over groups shows no column of rows around.
///
/// # Errors
/// A validation error that names the column.
pub(super) fn check_grouped(expr: &Expr) -> DfResult<()> {
    expr.apply(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => {
            let name = match &column.relation {
                Some(relation) => format!("{}.{}", relation.table(), column.name),
                None => column.name.clone(),
            };
            Err(validation(format!("expression '{name}' is not being grouped")).into())
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(drop)
}

fn refused(plan: &LogicalPlan) -> EngineError {
    let what = match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => "LIMIT",
        LogicalPlan::Union(_) => "UNION",
        LogicalPlan::Values(_) => "VALUES that refer to rows around",
        LogicalPlan::Extension(_) => "a table function that refers to rows around",
        _ => "this relation",
    };
    EngineError::unsupported(format!("a correlated subquery with {what}"))
}
