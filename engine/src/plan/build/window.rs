//! Windows: table functions, and GROUP BY over their columns.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::expand::always_grouped;
use super::{Built, GraphBuilder};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::functions::accumulators::AggregateCall;
use crate::functions::cast::temporal;
use crate::operators::window::{
    CountWindowSpec, GroupRole, SessionTvfSpec, SliceOrder, WindowAggregateSpec, WindowClock,
    WindowKind, WindowTime, WindowTvfSpec, slice_of,
};
use crate::plan::changes::role::{Makes, Role};
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::keys::Keys;
use crate::plan::time;
use crate::plan::window::WindowTvf;
use crate::plan::window::node::describe;
use crate::plan::window::properties::{WindowProperties, column_of};
use crate::runtime::{Exchange, NodeKind};
use crate::sql::diagnostics::validation;

impl GraphBuilder {
    pub(super) fn window_tvf(&mut self, node: &WindowTvf) -> Result<Built> {
        let field = node.time_field().map_err(from_planner)?;
        let is_proctime = time::is_proctime(&field);
        if self.options.is_batch {
            check_batch(node, is_proctime)?;
        } else {
            if matches!(node.kind, WindowKind::Count { .. }) && time::is_rowtime(&field) {
                return Err(EngineError::unsupported(
                    "a window over a number of rows by event time",
                ));
            }
            if !is_proctime && !time::is_rowtime(&field) {
                return Err(validation(format!(
                    "the window function {} requires the timecol to be a time attribute, but '{}' \
                     is none; declare a WATERMARK for it",
                    node.kind.name(),
                    field.name()
                )));
            }
            let time_column = node.time_column().map_err(from_planner)?;
            if !node.is_group && !self.is_live(&node.input, time_column) {
                return Err(validation(format!(
                    "the window function {} requires the timecol to be a time attribute, but '{}' \
                     is none any more behind a regular join or a grouping; put the window before it",
                    node.kind.name(),
                    field.name()
                )));
            }
        }
        let input = match is_proctime || self.options.is_batch {
            true => self.query(&node.input)?,
            // A row that is replaced when its window is over has been counted there.
            false => self.in_row_by_row(|builder| builder.query(&node.input))?,
        };
        let mut fields = input.schema.fields().to_vec();
        fields.extend(node.window_fields());
        let schema: SchemaRef = Arc::new(arrow::datatypes::Schema::new(fields));
        let clock = self.window_clock(matches!(
            field.data_type(),
            arrow::datatypes::DataType::Timestamp(_, Some(_))
        ))?;
        let mode = input.mode;
        let time_column = node.time_column().map_err(from_planner)?;
        if let WindowKind::Session { gap_ms } = node.kind
            && !node.is_sliced
        {
            let spec = SessionTvfSpec {
                gap_ms,
                time_column,
                key_columns: node.partition_columns().map_err(from_planner)?,
                clock,
                time: if is_proctime {
                    WindowTime::Processing
                } else {
                    WindowTime::Event
                },
                input_schema: Arc::clone(&input.schema),
                schema: Arc::clone(&schema),
            };
            let exchange = match spec.key_columns.as_slice() {
                [] => Exchange::Single,
                columns => Exchange::Hash(columns.to_vec()),
            };
            let built = self.add(
                describe(node),
                NodeKind::Operator(Arc::new(spec)),
                vec![(input, exchange)],
                schema,
                mode,
            );
            return Ok(self.note(built, Role::forward(), Keys::none()));
        }
        let slices = slice_of(node.kind).filter(|_| node.is_sliced);
        let spec = WindowTvfSpec {
            kind: slices.unwrap_or(node.kind),
            time_column,
            clock,
            schema: Arc::clone(&schema),
        };
        let built = self.add(
            describe(node),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Forward)],
            schema,
            mode,
        );
        Ok(self.note(built, Role::forward(), Keys::none()))
    }

    /// How times of rows and clocks of windows belong together.
    pub(super) fn window_clock(&self, is_instant: bool) -> Result<WindowClock> {
        if is_instant {
            Ok(WindowClock::Zone(temporal::zone(&self.config)?))
        } else {
            Ok(WindowClock::Wall)
        }
    }

    /// The windows by which an aggregate groups; none if it is an ordinary one.
    pub(super) fn grouped_windows(
        &self,
        aggregate: &Aggregate,
    ) -> Result<Option<WindowProperties>> {
        let input = aggregate.input.as_ref();
        let Some(windows) = WindowProperties::of(input) else {
            return Ok(None);
        };
        let is_unbounded_time = windows.is_rowtime || windows.is_proctime;
        if self.options.is_batch || !is_unbounded_time {
            return Ok(None);
        }
        let columns: Vec<_> = always_grouped(aggregate)?
            .into_iter()
            .map(|expr| column_of(expr, input))
            .collect();
        if !windows.are_grouped_by(&columns) || !windows.are_grouped_by_partition(&columns) {
            return Ok(None);
        }
        if let WindowKind::Hop {
            slide_ms, size_ms, ..
        } = windows.kind
            && size_ms % slide_ms != 0
            && !windows.is_group
        {
            return Err(validation(format!(
                "HOP table function based aggregate requires size must be an integral multiple of \
                 slide, but got size {size_ms} ms and slide {slide_ms} ms"
            )));
        }
        Ok(Some(windows))
    }

    /// What each expression of a grouping is to its window; `is_sliced` if rows come with parts of
    /// windows.
    pub(super) fn group_roles(
        exprs: &[&Expr],
        input: &LogicalPlan,
        windows: &WindowProperties,
        is_sliced: bool,
    ) -> Vec<GroupRole> {
        // The aggregate makes sessions itself.
        let are_put_together = is_sliced && !windows.kind.is_aligned();
        let is_start_known = are_put_together || windows.kind.is_aligned();
        let role = |expr| {
            let Some(column) = column_of(expr, input) else {
                return GroupRole::Key;
            };
            if windows.ends.contains(&column) {
                GroupRole::End
            } else if windows.times.contains(&column) && (are_put_together || !windows.is_proctime)
            {
                GroupRole::Time
            } else if windows.starts.contains(&column) && is_start_known {
                GroupRole::Start
            } else {
                GroupRole::Key
            }
        };
        exprs.iter().copied().map(role).collect()
    }

    /// A GROUP BY over windows of so many rows.
    fn count_window(
        &mut self,
        input: Built,
        [slide, size]: [i64; 2],
        group_columns: Vec<(usize, GroupRole)>,
        calls: Vec<AggregateCall>,
        schema: SchemaRef,
    ) -> Result<Built> {
        if !input.mode.is_insert_only() {
            return Err(EngineError::unsupported(
                "a window over rows that are taken back",
            ));
        }
        let spec = CountWindowSpec {
            input_schema: Arc::clone(&input.schema),
            group_columns,
            slide,
            size,
            calls,
            schema: Arc::clone(&schema),
        };
        let exchange = Exchange::Hash(spec.key_columns());
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|it| it.name().as_str())
            .collect();
        let built = self.add(
            format!(
                "GroupWindowAggregate(window=[COUNT(size=[{size} rows], slide=[{slide} rows])], \
                 select=[{}])",
                names.join(", ")
            ),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            ChangelogMode::INSERT_ONLY,
        );
        let role = Role::of(Makes::Only(built.mode));
        Ok(self.note(built, role, Keys::none()))
    }

    /// A GROUP BY over windows.
    pub(super) fn window_aggregate(
        &mut self,
        input: Built,
        (windows, slices): (&WindowProperties, Option<SliceOrder>),
        group_columns: Vec<(usize, GroupRole)>,
        calls: Vec<AggregateCall>,
        select: &[String],
        schema: SchemaRef,
    ) -> Result<Built> {
        if let WindowKind::Count { slide, size } = windows.kind {
            return self.count_window(input, [slide, size], group_columns, calls, schema);
        }
        check_merges(windows.kind, &calls)?;
        let keys: Vec<_> = group_columns
            .iter()
            .filter(|(_, role)| *role == GroupRole::Key)
            .filter_map(|(column, _)| input.schema.fields().get(*column))
            .map(|field| field.name().clone())
            .collect();
        let grouping = if keys.is_empty() {
            String::new()
        } else {
            format!("groupBy=[{}], ", keys.join(", "))
        };
        let emit = self.emit.filter(|_| windows.is_group);
        let name = format!(
            "WindowAggregate({grouping}window=[{}({})], select=[{}]{})",
            windows.kind.name(),
            windows.kind,
            select.join(", "),
            emit.map(|emit| format!(", emit=[{emit}]"))
                .unwrap_or_default()
        );
        let firing = self.firing(windows);
        let spec = WindowAggregateSpec {
            input_schema: Arc::clone(&input.schema),
            group_columns,
            kind: windows.kind,
            clock: self.window_clock(windows.is_instant)?,
            time: if windows.is_proctime {
                WindowTime::Processing
            } else {
                WindowTime::Event
            },
            calls,
            slices,
            firing,
            input_retracts: !input.mode.is_insert_only(),
            schema: Arc::clone(&schema),
        };
        let exchange = exchange_by(spec.own_key_columns());
        let keys = group_window_keys(windows, &spec);
        let mode = match (firing, spec.input_retracts) {
            (None, _) => ChangelogMode::INSERT_ONLY,
            (Some(_), false) => ChangelogMode::UPDATING,
            (Some(_), true) => ChangelogMode::ALL,
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            mode,
        );
        let role = Role::of(Makes::Only(built.mode));
        Ok(self.note(built, role, keys))
    }
}

/// The windows of a key meet on one worker, and leave it in the order of their ends.
pub(super) fn exchange_by(own_key_columns: Vec<usize>) -> Exchange {
    match own_key_columns.is_empty() {
        true => Exchange::Single,
        false => Exchange::Hash(own_key_columns),
    }
}

/// The rows of `GROUP BY TUMBLE(…)` are known by their group and any property of the window; those
/// of an aggregate over a table function are not, as Flink has it.
fn group_window_keys(windows: &WindowProperties, spec: &WindowAggregateSpec) -> Keys {
    let mut keys = Keys::none();
    if !windows.is_group {
        return keys;
    }
    let roles = spec.group_columns.iter().map(|(_, role)| *role).enumerate();
    let (group, properties): (Vec<_>, Vec<_>) =
        roles.partition(|(_, role)| *role == GroupRole::Key);
    for (property, _) in properties {
        keys.insert(
            group
                .iter()
                .map(|(column, _)| *column)
                .chain([property])
                .collect(),
        );
    }
    keys
}

/// Flink's FIRST_VALUE and LAST_VALUE cannot be put together from the parts of a window.
fn check_merges(kind: WindowKind, calls: &[AggregateCall]) -> Result<()> {
    use crate::functions::accumulators::{AggregateFunction as F, Callee};
    if matches!(kind, WindowKind::Tumble { .. }) {
        return Ok(());
    }
    let of_order = calls.iter().find_map(|call| match &call.function {
        Callee::BuiltIn(function @ (F::FirstValue | F::LastValue)) => Some(function.name()),
        _ => None,
    });
    match of_order {
        None => Ok(()),
        Some(name) => Err(validation(format!(
            "{name} has no 'merge', which windows of {} need",
            kind.name()
        ))),
    }
}

/// What Flink refuses in batch mode.
fn check_batch(node: &WindowTvf, is_proctime: bool) -> Result<()> {
    if is_proctime && node.is_group {
        return Err(validation(
            "window can not be defined over a proctime attribute column for batch mode".to_owned(),
        ));
    }
    if is_proctime {
        return Err(table_error(
            "Processing time Window TableFunction is not supported yet.",
            None,
        ));
    }
    if !node.kind.is_aligned() {
        return Err(table_error(
            "Unaligned windows like session are not supported in batch mode yet.",
            None,
        ));
    }
    Ok(())
}
