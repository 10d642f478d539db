//! Where a time attribute still is one.
//!
//! A column keeps the mark of a time attribute wherever it goes, and DESCRIBE shows it, as in Flink.
//! But only operators that keep the order of time between watermarks give on a column that windows
//! of table functions, OVER, ORDER BY and MATCH_RECOGNIZE can go by:
//!
//! | the column went through | is it live |
//! | --- | --- |
//! | projection, filter, rank, limit, OVER, UNNEST, a window table function | as before |
//! | interval and window joins | as before |
//! | the left side of temporal and lookup joins | as before |
//! | UNION ALL | as that of the first input |
//! | a regular join, IN and EXISTS, the versioned side of a temporal join | no |
//! | GROUP BY, DISTINCT, UNION, INTERSECT, EXCEPT | no, but `window_time` of a window aggregate |
//!
//! `GROUP BY TUMBLE(…)`, interval and temporal joins take any marked column.
//!
//! Source: `RelTimeIndicatorConverter` of Flink 2.3, and its answers.

use datafusion::logical_expr::logical_plan::{Join, LogicalPlan};
use datafusion::logical_expr::{Expr, JoinType};

use super::join::condition;
use super::rank::TimeColumn;
use super::{GraphBuilder, unaliased};
use crate::plan::correlate::Correlate;
use crate::plan::temporal::{LookupJoin, TemporalJoin};
use crate::plan::time;
use crate::plan::window::WindowTvf;
use crate::plan::window::properties::{WindowProperties, column_of};

impl GraphBuilder {
    /// The time attribute that `expr` over the columns of `plan` is.
    pub(super) fn time_attribute(&self, plan: &LogicalPlan, expr: &Expr) -> Option<TimeColumn> {
        let column = unaliased(expr).try_as_col()?;
        let column_idx = plan.schema().maybe_index_of_column(column)?;
        let field = plan.schema().field(column_idx);
        let found = if time::is_rowtime(field) {
            TimeColumn::Rowtime(column_idx)
        } else if time::is_proctime(field) {
            TimeColumn::Proctime
        } else {
            return None;
        };
        self.is_live(plan, column_idx).then_some(found)
    }

    /// Whether a column of `plan` that has the mark of a time attribute still is one.
    pub(super) fn is_live(&self, plan: &LogicalPlan, column: usize) -> bool {
        if self.options.is_batch {
            return true;
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = projection.input.as_ref();
                let expr = projection.expr.get(column);
                match expr.and_then(|expr| column_of(expr, input)) {
                    Some(source) => self.is_live(input, source),
                    // What makes an attribute of its own: a computed rowtime, PROCTIME().
                    None => true,
                }
            }
            LogicalPlan::SubqueryAlias(alias) => self.is_live(&alias.input, column),
            LogicalPlan::Filter(filter) => self.is_live(&filter.input, column),
            LogicalPlan::Sort(sort) => self.is_live(&sort.input, column),
            LogicalPlan::Limit(limit) => self.is_live(&limit.input, column),
            LogicalPlan::Repartition(parts) => self.is_live(&parts.input, column),
            LogicalPlan::Window(window) => self.is_live(&window.input, column),
            LogicalPlan::Union(union) => {
                let first = union.inputs.first();
                first.is_some_and(|first| self.is_live(first, column))
            }
            LogicalPlan::Aggregate(_) => {
                WindowProperties::of(plan).is_some_and(|windows| windows.times.contains(&column))
            }
            LogicalPlan::Distinct(_) => false,
            LogicalPlan::Join(join) => self.is_live_behind(join, column),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                let left = if let Some(join) = node.downcast_ref::<TemporalJoin>() {
                    &join.left
                } else if let Some(join) = node.downcast_ref::<LookupJoin>() {
                    &join.left
                } else if let Some(correlate) = node.downcast_ref::<Correlate>() {
                    &correlate.input
                } else if let Some(window) = node.downcast_ref::<WindowTvf>() {
                    if column >= window.input.schema().fields().len() {
                        return true;
                    }
                    &window.input
                } else {
                    return true;
                };
                column < left.schema().fields().len() && self.is_live(left, column)
            }
            _ => true,
        }
    }

    fn is_live_behind(&self, join: &Join, column: usize) -> bool {
        let Ok(mut parts) = condition(join, false) else {
            return false;
        };
        let keeps = matches!(
            join.join_type,
            JoinType::Inner
                | JoinType::Left
                | JoinType::Right
                | JoinType::Full
                | JoinType::LeftSemi
                | JoinType::LeftAnti
        );
        let is_by_windows = matches!(self.joined_windows(join, false), Ok(Some(_)));
        if !keeps || !(is_by_windows || self.time_bounds(join, &mut parts).is_some()) {
            return false;
        }
        let n_left = join.left.schema().fields().len();
        match column.checked_sub(n_left) {
            None => self.is_live(&join.left, column),
            Some(column) => self.is_live(&join.right, column),
        }
    }
}
