//! Which columns of an aggregate only grow or only shrink, and what its rows are known by: with an
//! order along such a column, a row of a Top-N only ever moves up.
//!
//! Source: Flink 2.3, `FlinkRelMdModifiedMonotonicity`.

use datafusion::logical_expr::logical_plan::{Aggregate, LogicalPlan};
use datafusion::logical_expr::{AggregateUDF, Expr};

use super::unaliased;
use crate::operators::SortKey;

/// How a value of a row changes when the row is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Constant,
    Increasing,
    Decreasing,
    Any,
}

/// Rows that are updated and never deleted.
#[derive(Debug)]
pub(super) struct Rows {
    /// The columns by which a row is known.
    pub(super) key: Vec<usize>,
    courses: Vec<Course>,
}

impl Rows {
    /// Whether an updated row of a partition comes before what it was.
    pub(super) fn moves_up(&self, partition_columns: &[usize], sort_keys: &[SortKey]) -> bool {
        let has_partition = partition_columns
            .iter()
            .all(|column| self.key.contains(column));
        has_partition
            && !sort_keys.is_empty()
            && sort_keys.iter().all(|key| {
                let course = self.courses.get(key.column).copied();
                match course.unwrap_or(Course::Any) {
                    Course::Constant => true,
                    Course::Increasing => key.descending,
                    Course::Decreasing => !key.descending,
                    Course::Any => false,
                }
            })
    }
}

/// The course of the columns of `plan`; none if it is not known, or its rows may be deleted.
pub(super) fn of(plan: &LogicalPlan) -> Option<Rows> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => of(&alias.input),
        LogicalPlan::Projection(projection) => {
            let below = of(&projection.input)?;
            let schema = projection.input.schema();
            let sources: Vec<Option<usize>> = projection
                .expr
                .iter()
                .map(|expr| {
                    let column = unaliased(expr).try_as_col()?;
                    schema.maybe_index_of_column(column)
                })
                .collect();
            let key = below
                .key
                .iter()
                .map(|column| sources.iter().position(|source| *source == Some(*column)))
                .collect::<Option<_>>()?;
            let courses = sources
                .iter()
                .map(|source| {
                    source
                        .and_then(|source| below.courses.get(source).copied())
                        .unwrap_or(Course::Any)
                })
                .collect();
            Some(Rows { key, courses })
        }
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        _ => None,
    }
}

fn of_aggregate(aggregate: &Aggregate) -> Option<Rows> {
    if !is_append_only(&aggregate.input) {
        return None;
    }
    let n_keys = aggregate.group_expr.len();
    if n_keys == 0
        || aggregate
            .group_expr
            .iter()
            .any(|expr| matches!(expr, Expr::GroupingSet(_)))
    {
        return None;
    }
    let mut courses = vec![Course::Constant; n_keys];
    courses.extend(aggregate.aggr_expr.iter().map(of_call));
    Some(Rows {
        key: (0..n_keys).collect(),
        courses,
    })
}

fn of_call(expr: &Expr) -> Course {
    let Expr::AggregateFunction(call) = unaliased(expr) else {
        return Course::Any;
    };
    let function: &AggregateUDF = &call.func;
    match function.name() {
        "count" | "max" => Course::Increasing,
        "min" => Course::Decreasing,
        _ => Course::Any,
    }
}

/// Whether nothing in `plan` can take a row back.
fn is_append_only(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => scan
            .source
            .downcast_ref::<crate::plan::context::PhysicalTable>()
            .is_some_and(|table| table.source.changelog_mode().is_insert_only()),
        LogicalPlan::Values(_) => true,
        LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Union(_) => plan.inputs().into_iter().all(is_append_only),
        _ => false,
    }
}
