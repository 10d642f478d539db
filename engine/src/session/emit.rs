//! `table.exec.emit.…`: windows that tell what they have before and after they are over.
//!
//! What Flink refuses is refused in its words. Where Flink would fire early or late, this engine
//! says that it does not, instead of giving other changes without a word.
//!
//! Source: `WindowEmitStrategy` of Flink 2.3.

use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Aggregate, LogicalPlan};

use super::Session;
use crate::error::{EngineError, Result};
use crate::operators::window::WindowKind;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::window::properties::{WindowProperties, column_of};

const EARLY: &str = "table.exec.emit.early-fire.enabled";
const LATE: &str = "table.exec.emit.late-fire.enabled";
const LATENESS: &str = "table.exec.emit.allow-lateness";

/// Tests the aggregates over windows of a streaming plan against the emit options.
///
/// # Errors
/// For windows that cannot fire as the options say.
pub(super) fn check_emit(session: &Session, plan: &LogicalPlan) -> Result<()> {
    let configuration = session.configuration();
    let fires_early = configuration.is_true(EARLY);
    let fires_late = configuration.is_true(LATE);
    let lateness = configuration.duration(LATENESS)?.unwrap_or(Duration::ZERO);
    if !fires_early && !fires_late && lateness.is_zero() {
        return Ok(());
    }
    let mut result = Ok(());
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::Aggregate(aggregate) = node else {
            return Ok(TreeNodeRecursion::Continue);
        };
        let windows = WindowProperties::of(&aggregate.input);
        let Some(windows) = windows.filter(|it| is_by_windows(aggregate, it)) else {
            return Ok(TreeNodeRecursion::Continue);
        };
        result = match (windows.is_group, windows.kind) {
            (false, _) if fires_early || fires_late => Err(table_error(
                "Currently, window table function based aggregate doesn't support early-fire and \
                 late-fire configuration 'table.exec.emit.early-fire.enabled' and \
                 'table.exec.emit.late-fire.enabled'.",
                None,
            )),
            (false, _) => Ok(()),
            (true, WindowKind::Session { .. }) => Err(table_error(
                "Session window doesn't support EMIT strategy currently.",
                None,
            )),
            (true, _) if fires_late && lateness.is_zero() => Err(table_error(
                "The 'AFTER WATERMARK' emit strategy requires set 'allow-lateness' or \
                 'minIdleStateRetentionTime' in table config.",
                None,
            )),
            (true, _) => Err(EngineError::unsupported(format!(
                "a group window that fires before or after its end ('{}')",
                if fires_early {
                    EARLY
                } else if fires_late {
                    LATE
                } else {
                    LATENESS
                }
            ))),
        };
        Ok(match result {
            Ok(()) => TreeNodeRecursion::Continue,
            Err(_) => TreeNodeRecursion::Stop,
        })
    })
    .map_err(from_planner)?;
    result
}

/// Whether the aggregate groups by windows over time.
fn is_by_windows(aggregate: &Aggregate, windows: &WindowProperties) -> bool {
    let columns = aggregate.group_expr.iter();
    let columns: Vec<_> = columns
        .map(|expr| column_of(expr, &aggregate.input))
        .collect();
    (windows.is_rowtime || windows.is_proctime) && windows.are_grouped_by(&columns)
}
