//! Aggregates over HOP and CUMULATE that aggregate each row once, in its slice; and those over
//! SESSION, which put sessions together of what rows make alone.
//!
//! The table function under such an aggregate gives slices instead of windows. That is only right
//! if nobody between the two looks at the columns of the window, and the aggregate just groups by
//! them. Which sessions there are hangs on all rows of a key, so only whole keys may be filtered
//! out on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};

use super::WindowTvf;
use super::node::WINDOW_COLUMNS;
use super::properties::{WindowProperties, column_of};
use crate::functions::foreign_aggregate;
use crate::operators::window::{SliceOrder, WindowKind, slice_of};

/// The input of `aggregate` with slices in the place of windows, or what rows make alone in that of
/// sessions, and in which order these are put together; none if windows are needed.
///
/// # Errors
/// Never in practice.
pub fn sliced_input(
    aggregate: &Aggregate,
    windows: &WindowProperties,
) -> DfResult<Option<(LogicalPlan, SliceOrder)>> {
    let is_session = matches!(windows.kind, WindowKind::Session { .. });
    if slice_of(windows.kind).is_none() && !is_session {
        return Ok(None);
    }
    let source = aggregate.input.as_ref();
    if is_session && !is_by_partition(aggregate, windows) {
        return Ok(None);
    }
    let Some((input, of_window)) = sliced(source)? else {
        return Ok(None);
    };
    // What a grouping has of the window must be known from its end.
    let is_known = |column: usize| {
        windows.ends.contains(&column)
            || windows.starts.contains(&column)
            || (windows.times.contains(&column) && (is_session || !windows.is_proctime))
    };
    let groups_well = aggregate.group_expr.iter().all(|expr| match expr {
        Expr::GroupingSet(_) => false,
        expr => match column_of(expr, source) {
            Some(column) if of_window.contains(&column) => is_known(column),
            _ => !reads(expr, source, &of_window),
        },
    });
    let aggregates_well = aggregate.aggr_expr.iter().all(|expr| {
        // Functions of other languages need not be able to merge.
        !reads(expr, source, &of_window) && !is_foreign(expr)
    });
    let order = match windows.is_group {
        true => SliceOrder::EarliestFirst,
        false => SliceOrder::LatestFirst,
    };
    Ok((groups_well && aggregates_well).then_some((input, order)))
}

/// The plan over slices, and its columns of the window.
fn sliced(plan: &LogicalPlan) -> DfResult<Option<(LogicalPlan, BTreeSet<usize>)>> {
    let input = match plan {
        LogicalPlan::Extension(extension) => {
            let Some(node) = extension.node.as_any().downcast_ref::<WindowTvf>() else {
                return Ok(None);
            };
            let n_input = node.input.schema().fields().len();
            let of_window = (n_input..n_input + WINDOW_COLUMNS.len()).collect();
            let node = Arc::new(node.clone().of_slices());
            let plan = LogicalPlan::Extension(Extension { node });
            return Ok(Some((plan, of_window)));
        }
        LogicalPlan::SubqueryAlias(alias) => &alias.input,
        LogicalPlan::Filter(filter) => &filter.input,
        LogicalPlan::Projection(projection) => &projection.input,
        _ => return Ok(None),
    };
    let Some((below, of_window)) = sliced(input)? else {
        return Ok(None);
    };
    let of_window = match plan {
        LogicalPlan::Filter(filter) if reads(&filter.predicate, input, &of_window) => {
            return Ok(None);
        }
        LogicalPlan::Filter(filter) if !keeps_sessions(&filter.predicate, input) => {
            return Ok(None);
        }
        LogicalPlan::Projection(projection) => {
            let mut passed = BTreeSet::new();
            for (place, expr) in projection.expr.iter().enumerate() {
                match column_of(expr, input) {
                    Some(column) if of_window.contains(&column) => {
                        passed.insert(place);
                    }
                    _ if reads(expr, input, &of_window) => return Ok(None),
                    _ => {}
                }
            }
            passed
        }
        _ => of_window,
    };
    let plan = plan.with_new_exprs(plan.expressions(), vec![below])?;
    Ok(Some((plan, of_window)))
}

/// Whether the keys of a grouping are just those by which sessions are partitioned.
fn is_by_partition(aggregate: &Aggregate, windows: &WindowProperties) -> bool {
    let columns = aggregate.group_expr.iter();
    let columns = columns.map(|expr| column_of(expr, &aggregate.input));
    let keys: BTreeSet<Option<usize>> = columns
        .filter(|column| !column.is_some_and(|column| windows.holds(column)))
        .collect();
    !keys.contains(&None) && keys == windows.partition.iter().copied().collect()
}

/// Whether a filter over `input` takes all rows of a session or none; so it does if there are no
/// sessions.
fn keeps_sessions(predicate: &Expr, input: &LogicalPlan) -> bool {
    let Some(windows) = WindowProperties::of(input) else {
        return false;
    };
    if !matches!(windows.kind, WindowKind::Session { .. }) {
        return true;
    }
    let partition: BTreeSet<usize> = windows.partition.iter().copied().flatten().collect();
    let all: BTreeSet<usize> = (0..input.schema().fields().len()).collect();
    let others = all.difference(&partition).copied().collect();
    !predicate.is_volatile() && !reads(predicate, input, &others)
}

fn reads(expr: &Expr, input: &LogicalPlan, columns: &BTreeSet<usize>) -> bool {
    let places = expr.column_refs().into_iter();
    places
        .filter_map(|column| input.schema().maybe_index_of_column(column))
        .any(|place| columns.contains(&place))
}

fn is_foreign(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_foreign(&alias.expr),
        Expr::AggregateFunction(call) => foreign_aggregate::spec_of(&call.func).is_some(),
        _ => false,
    }
}
