//! `table.optimizer.non-deterministic-update.strategy` = `TRY_RESOLVE`: queries whose changes could
//! not be taken back are refused.
//!
//! A row that is updated or deleted is computed once more. If a column of it comes out differently,
//! because a function such as `UUID()` gives it, whoever keeps the row does not find it again. So
//! what keeps changing rows requires columns to be deterministic, and the requirement goes down
//! the plan to where they are computed:
//!
//! ```text
//!   sink without a key        requires all columns      sink by the query's upsert key: only that
//!     Projection a, UUID()    ✗ the second one
//!       Aggregate             requires its keys and arguments, if its rows change
//! ```
//!
//! Nothing is required of rows that only come, and of an upsert key. Source: Flink 2.3,
//! `StreamNonDeterministicUpdatePlanVisitor`, for what is refused; its answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, Volatility};

use super::build::{BuildOptions, GraphBuilder};
use super::temporal::LookupJoin;
use super::text;
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::SqlDiagnostic;

/// The key of the configuration.
pub const STRATEGY: &str = "table.optimizer.non-deterministic-update.strategy";

/// The columns of a node that must be deterministic.
type Required = BTreeSet<usize>;

/// Refuses a plan whose changes could not be taken back. `primary_key` are the columns by which the
/// sink knows its rows; empty if it takes changes as they come.
///
/// # Errors
/// A table error that names the column or the condition, and the function.
pub fn check(plan: &LogicalPlan, primary_key: &[usize], config: &Arc<ConfigOptions>) -> Result<()> {
    let walk = Walk { config };
    let facts = walk.facts(plan);
    let key: Required = primary_key.iter().copied().collect();
    let is_by_key = !key.is_empty() && facts.keys.iter().any(|known| known.is_subset(&key));
    let required = if is_by_key { key } else { all(plan) };
    walk.visit(plan, required)
}

/// What is known of the rows of a node.
struct Facts {
    is_insert_only: bool,
    /// Their upsert keys.
    keys: Vec<BTreeSet<usize>>,
}

impl Facts {
    fn frees(&self, required: &Required) -> bool {
        self.is_insert_only || self.keys.iter().any(|key| required.is_subset(key))
    }
}

struct Walk<'a> {
    config: &'a Arc<ConfigOptions>,
}

impl Walk<'_> {
    /// What would be built of the node alone tells. Of a part that stands for nothing alone (the
    /// row numbers of a Top-N) as much is known as of its inputs.
    fn facts(&self, plan: &LogicalPlan) -> Facts {
        let mut builder = GraphBuilder::new(BuildOptions::CHANGELOG, self.config);
        let built = builder.prepare([plan]).and_then(|()| builder.query(plan));
        match built {
            Ok(built) => Facts {
                is_insert_only: built.mode.is_insert_only(),
                keys: builder.keys_of(&built).iter().cloned().collect(),
            },
            Err(_) => Facts {
                is_insert_only: plan
                    .inputs()
                    .iter()
                    .all(|input| self.facts(input).is_insert_only),
                keys: Vec::new(),
            },
        }
    }

    fn visit(&self, plan: &LogicalPlan, required: Required) -> Result<()> {
        let required = match required.is_empty() || self.facts(plan).frees(&required) {
            true => Required::new(),
            false => required,
        };
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.visit(&alias.input, required),
            LogicalPlan::Projection(projection) => {
                let schema = projection.input.schema();
                let mut read = Required::new();
                for &column in &required {
                    let Some(expr) = projection.expr.get(column) else {
                        continue;
                    };
                    if let Some(function) = non_deterministic(expr)? {
                        let name = projection.schema.field(column).name();
                        return Err(column_error(name, &function));
                    }
                    read.extend(columns_of(expr, schema)?);
                }
                self.visit(&projection.input, read)
            }
            LogicalPlan::Filter(filter) => {
                let mut read = required;
                if !read.is_empty() {
                    check_condition(&filter.predicate)?;
                    read.extend(columns_of(&filter.predicate, filter.input.schema())?);
                }
                self.visit(&filter.input, read)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
                self.keeper(&aggregate.input, exprs)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => self.kept(input),
            LogicalPlan::Window(window) => self.kept(&window.input),
            LogicalPlan::Sort(sort) if sort.fetch.is_some() => self.kept(&sort.input),
            LogicalPlan::Sort(sort) => {
                let mut read = required;
                for key in &sort.expr {
                    read.extend(columns_of(&key.expr, sort.input.schema())?);
                }
                self.visit(&sort.input, read)
            }
            LogicalPlan::Limit(limit) => match limit.input.as_ref() {
                LogicalPlan::Sort(sort) => self.kept(&sort.input),
                input => self.visit(input, required),
            },
            LogicalPlan::Union(union) => union
                .inputs
                .iter()
                .try_for_each(|input| self.visit(input, required.clone())),
            LogicalPlan::Join(join) => self.join(join, &required),
            LogicalPlan::Extension(extension) => {
                let lookup = extension.node.as_any().downcast_ref::<LookupJoin>();
                if let Some(join) = lookup
                    && !required.is_empty()
                    && !self.facts(&join.left).is_insert_only
                {
                    return Err(EngineError::unsupported(format!(
                        "a lookup join of rows that change under '{STRATEGY}' = 'TRY_RESOLVE' \
                         (its results would have to be kept)"
                    )));
                }
                plan.inputs().into_iter().try_for_each(|it| self.kept(it))
            }
            other => other.inputs().into_iter().try_for_each(|it| self.kept(it)),
        }
    }

    /// An operator that keeps all columns of these rows.
    fn kept(&self, input: &LogicalPlan) -> Result<()> {
        self.visit(input, all(input))
    }

    /// An operator that keeps what these expressions give.
    fn keeper<'a>(&self, input: &LogicalPlan, exprs: impl Iterator<Item = &'a Expr>) -> Result<()> {
        if self.facts(input).is_insert_only {
            return self.visit(input, Required::new());
        }
        let mut read = Required::new();
        for expr in exprs {
            if let Some(function) = non_deterministic(expr)? {
                return Err(column_error(&text::expression(expr), &function));
            }
            read.extend(columns_of(expr, input.schema())?);
        }
        self.visit(input, read)
    }

    fn join(&self, join: &Join, required: &Required) -> Result<()> {
        let n_left = join.left.schema().fields().len();
        let is_right_only = matches!(
            join.join_type,
            datafusion::common::JoinType::RightSemi | datafusion::common::JoinType::RightAnti
        );
        let sides = [(&join.left, 0_usize, true), (&join.right, n_left, false)];
        for (side, offset, is_left) in sides {
            if self.facts(side).is_insert_only {
                self.visit(side, Required::new())?;
                continue;
            }
            let offset = if is_right_only { 0 } else { offset };
            let n_columns = side.schema().fields().len();
            let mut read: Required = required
                .iter()
                .filter_map(|column| column.checked_sub(offset))
                .filter(|column| *column < n_columns && (!is_right_only || !is_left))
                .collect();
            for (left, right) in &join.on {
                let key = if is_left { left } else { right };
                check_condition(key)?;
                read.extend(columns_of(key, side.schema())?);
            }
            if let Some(filter) = &join.filter {
                check_condition(filter)?;
                read.extend(columns_of(filter, side.schema())?);
            }
            self.visit(side, read)?;
        }
        Ok(())
    }
}

fn all(plan: &LogicalPlan) -> Required {
    (0..plan.schema().fields().len()).collect()
}

/// The places of those columns of `schema` that an expression reads.
fn columns_of(expr: &Expr, schema: &DFSchema) -> Result<Required> {
    let mut found = Required::new();
    expr.apply(|part| {
        if let Expr::Column(column) = part {
            found.extend(place_of(column, schema));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn place_of(column: &Column, schema: &DFSchema) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// The first function in an expression that may give something else another time.
fn non_deterministic(expr: &Expr) -> Result<Option<String>> {
    let mut found = None;
    expr.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.func.signature().volatility != Volatility::Immutable
        {
            found = Some(call.func.name().to_uppercase());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn check_condition(condition: &Expr) -> Result<()> {
    match non_deterministic(condition)? {
        None => Ok(()),
        Some(function) => Err(table_error(format!(
            "there exists non deterministic function: '{function}' in condition: '{}' which may \
             cause wrong result in update pipeline",
            text::expression(condition)
        ))),
    }
}

fn column_error(column: &str, function: &str) -> EngineError {
    table_error(format!(
        "the column '{column}' (generated by non-deterministic function: {function}) can not \
         satisfy the determinism requirement for correctly processing update messages, as the rows \
         that it belongs to may be taken back; remove it, or make it by deterministic functions"
    ))
}

fn table_error(message: String) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::table(message)))
}
