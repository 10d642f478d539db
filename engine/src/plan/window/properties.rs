//! Which columns of a plan are those of a window: what makes a GROUP BY, a join or a ROW_NUMBER one
//! over windows.
//!
//! Source: `FlinkRelMdWindowProperties` of Flink 2.3.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};

use super::WindowTvf;
use crate::operators::window::WindowKind;
use crate::plan::time;

/// The window columns of a plan, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowProperties {
    /// Columns with the start.
    pub starts: Vec<usize>,
    /// Columns with the end.
    pub ends: Vec<usize>,
    /// Columns with the time.
    pub times: Vec<usize>,
    /// Columns by which a SESSION is partitioned; `None` for one that is not there any more.
    pub partition: Vec<Option<usize>>,
    /// The windows.
    pub kind: WindowKind,
    /// Whether the rows' time is an instant (TIMESTAMP_LTZ).
    pub is_instant: bool,
    /// Whether the rows' time is the processing time.
    pub is_proctime: bool,
    /// Whether the rows' time is event time.
    pub is_rowtime: bool,
    /// Whether the window is that of `GROUP BY TUMBLE(…)`.
    pub is_group: bool,
}

impl WindowProperties {
    /// Whether the column is a property of the window.
    #[must_use]
    pub fn holds(&self, column: usize) -> bool {
        let mut all = self.starts.iter().chain(&self.ends).chain(&self.times);
        all.any(|&it| it == column)
    }

    /// The windows of the rows of `plan`; none if it has no window, or not all of its columns.
    #[must_use]
    pub fn of(plan: &LogicalPlan) -> Option<Self> {
        match plan {
            LogicalPlan::Extension(extension) => {
                Self::of_tvf(extension.node.as_any().downcast_ref::<WindowTvf>()?)
            }
            LogicalPlan::SubqueryAlias(alias) => Self::of(&alias.input),
            LogicalPlan::Filter(filter) => Self::of(&filter.input),
            LogicalPlan::Sort(sort) => Self::of(&sort.input),
            LogicalPlan::Window(window) => Self::of(&window.input),
            LogicalPlan::Projection(projection) => {
                let input = projection.input.as_ref();
                let sources: Vec<_> = projection
                    .expr
                    .iter()
                    .map(|expr| column_of(expr, input))
                    .collect();
                Self::of(input)?.through(&sources)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let input = aggregate.input.as_ref();
                let properties = Self::of(input)?;
                let mut sources: Vec<_> = aggregate
                    .group_expr
                    .iter()
                    .map(|expr| column_of(expr, input))
                    .collect();
                if !properties.are_grouped_by(&sources) {
                    return None;
                }
                sources.resize(aggregate.schema.fields().len(), None);
                properties.through(&sources)
            }
            LogicalPlan::Union(union) => {
                let mut inputs = union.inputs.iter().map(|input| Self::of(input));
                let first = inputs.next()??;
                inputs
                    .all(|other| other.as_ref() == Some(&first))
                    .then_some(first)
            }
            LogicalPlan::Join(join) => Self::of_join(join),
            _ => None,
        }
    }

    fn of_tvf(node: &WindowTvf) -> Option<Self> {
        let n_input = node.input.schema().fields().len();
        let field = node.time_field().ok()?;
        Some(Self {
            starts: vec![n_input],
            ends: vec![n_input + 1],
            times: vec![n_input + 2],
            partition: node
                .partition
                .iter()
                .map(|expr| column_of(expr, &node.input))
                .collect(),
            kind: node.kind,
            is_instant: matches!(field.data_type(), DataType::Timestamp(_, Some(_))),
            is_proctime: time::is_proctime(&field),
            is_rowtime: time::is_rowtime(&field),
            is_group: node.is_group,
        })
    }

    /// Of a window join: the windows of both sides, as far as both are given on.
    fn of_join(join: &Join) -> Option<Self> {
        let window = WindowJoinKeys::of(join)?;
        let mut properties = window.left;
        let n_left = join.left.schema().fields().len();
        match join.join_type {
            JoinType::Inner => {
                let moved = |columns: Vec<usize>| columns.into_iter().map(move |it| it + n_left);
                properties.starts.extend(moved(window.right.starts));
                properties.ends.extend(moved(window.right.ends));
                properties.times.extend(moved(window.right.times));
                Some(properties)
            }
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => Some(properties),
            JoinType::Right => {
                let moved =
                    |columns: Vec<usize>| columns.into_iter().map(|it| it + n_left).collect();
                properties.partition = vec![];
                properties.starts = moved(window.right.starts);
                properties.ends = moved(window.right.ends);
                properties.times = moved(window.right.times);
                Some(properties)
            }
            _ => None,
        }
    }

    /// The same window where column `i` is column `sources[i]` of before.
    fn through(self, sources: &[Option<usize>]) -> Option<Self> {
        let places = |columns: &[usize]| -> Vec<usize> {
            sources
                .iter()
                .enumerate()
                .filter(|(_, source)| source.is_some_and(|source| columns.contains(&source)))
                .map(|(place, _)| place)
                .collect()
        };
        let place = |column: usize| sources.iter().position(|source| *source == Some(column));
        let moved = Self {
            partition: self
                .partition
                .iter()
                .map(|column| column.and_then(place))
                .collect(),
            starts: places(&self.starts),
            ends: places(&self.ends),
            times: places(&self.times),
            ..self
        };
        let is_known =
            !moved.starts.is_empty() || !moved.ends.is_empty() || !moved.times.is_empty();
        is_known.then_some(moved)
    }

    /// Whether the other columns of a grouping are those by which the windows are partitioned, as
    /// windows that hang on their rows demand.
    #[must_use]
    pub fn are_grouped_by_partition(&self, columns: &[Option<usize>]) -> bool {
        if self.is_group || !matches!(self.kind, WindowKind::Session { .. }) {
            return true;
        }
        let is_of_window = |column: &usize| {
            [&self.starts, &self.ends, &self.times]
                .iter()
                .any(|of_window| of_window.contains(column))
        };
        let is_key = |column: &Option<usize>| !column.as_ref().is_some_and(is_of_window);
        let keys: BTreeSet<Option<usize>> = columns.iter().copied().filter(is_key).collect();
        let partition: BTreeSet<Option<usize>> = self.partition.iter().copied().collect();
        !keys.contains(&None) && keys == partition
    }

    /// Whether a grouping has the start and the end of the window.
    #[must_use]
    pub fn are_grouped_by(&self, columns: &[Option<usize>]) -> bool {
        let has = |wanted: &[usize]| {
            let mut columns = columns.iter().flatten();
            columns.any(|column| wanted.contains(column))
        };
        has(&self.starts) && has(&self.ends)
    }
}

/// The windows of both sides of a join that equates them.
#[derive(Debug, Clone)]
pub struct WindowJoinKeys {
    /// The left side's window.
    pub left: WindowProperties,
    /// The right side's window.
    pub right: WindowProperties,
    /// Whether start and end are equated, by index into the join's keys.
    pub window_keys: Vec<usize>,
}

impl WindowJoinKeys {
    /// The windows of a join; none if it does not equate starts and ends of the same windows.
    #[must_use]
    pub fn of(join: &Join) -> Option<Self> {
        let left = WindowProperties::of(&join.left)?;
        let right = WindowProperties::of(&join.right)?;
        if left.kind != right.kind || left.is_instant != right.is_instant {
            return None;
        }
        let (mut has_start, mut has_end) = (false, false);
        let mut window_keys = Vec::new();
        for (key_idx, (left_key, right_key)) in join.on.iter().enumerate() {
            let (Some(left_column), Some(right_column)) = (
                column_of(left_key, &join.left),
                column_of(right_key, &join.right),
            ) else {
                continue;
            };
            let are = |left: &[usize], right: &[usize]| {
                left.contains(&left_column) && right.contains(&right_column)
            };
            let is_start = are(&left.starts, &right.starts);
            let is_end = are(&left.ends, &right.ends);
            has_start |= is_start;
            has_end |= is_end;
            if is_start || is_end {
                window_keys.push(key_idx);
            }
        }
        (has_start && has_end).then_some(Self {
            left,
            right,
            window_keys,
        })
    }
}

/// The column of `input` that `expr` is, if it is no more than that.
#[must_use]
pub fn column_of(expr: &Expr, input: &LogicalPlan) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => column_of(&alias.expr, input),
        Expr::Column(column) => index_of(column, input),
        _ => None,
    }
}

fn index_of(column: &Column, input: &LogicalPlan) -> Option<usize> {
    input.schema().maybe_index_of_column(column)
}
