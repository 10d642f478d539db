//! `table.exec.emit.…`: windows that tell what they have before and after they are over.
//!
//! What Flink refuses is refused in its words; the rest is for the graph (`plan/build/emit`).
//!
//! Source: `WindowEmitStrategy` of Flink 2.3.

use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Aggregate, LogicalPlan};

use super::Session;
use crate::error::Result;
use crate::operators::window::WindowKind;
use crate::plan::build::EmitStrategy;
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::window::properties::{WindowProperties, column_of};

const EARLY: &str = "table.exec.emit.early-fire.enabled";
const EARLY_DELAY: &str = "table.exec.emit.early-fire.delay";
const LATE: &str = "table.exec.emit.late-fire.enabled";
const LATE_DELAY: &str = "table.exec.emit.late-fire.delay";
const LATENESS: &str = "table.exec.emit.allow-lateness";
const STATE_TTL: &str = "table.exec.state.ttl";

/// What the options say.
struct Options {
    fires_early: bool,
    early_ms: Option<i64>,
    fires_late: bool,
    late_ms: Option<i64>,
    /// Without late firing no lateness is allowed.
    lateness_ms: i64,
}

/// When group windows of a streaming plan tell what they have, if not only at their end. Its
/// aggregates over windows are tested against the options.
///
/// # Errors
/// For windows that cannot fire as the options say.
pub(super) fn emit_strategy(session: &Session, plan: &LogicalPlan) -> Result<Option<EmitStrategy>> {
    let options = Options::of(session)?;
    if !options.fires_early && !options.fires_late {
        return Ok(None);
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
        result = options.check(&windows);
        Ok(match result {
            Ok(()) => TreeNodeRecursion::Continue,
            Err(_) => TreeNodeRecursion::Stop,
        })
    })
    .map_err(from_planner)?;
    result?;
    Ok(Some(EmitStrategy {
        early_ms: options.early_ms.filter(|_| options.fires_early),
        late_ms: options.late_ms.filter(|_| options.fires_late),
        lateness_ms: options.lateness_ms,
    }))
}

impl Options {
    fn of(session: &Session) -> Result<Self> {
        let configuration = session.configuration();
        let millis = |key: &str| -> Result<Option<i64>> {
            let duration = configuration.duration(key)?;
            Ok(duration.map(|it: Duration| i64::try_from(it.as_millis()).unwrap_or(i64::MAX)))
        };
        let fires_late = configuration.is_true(LATE);
        let lateness_ms = match (fires_late, millis(LATENESS)?) {
            (false, _) => 0,
            (true, Some(lateness_ms)) => lateness_ms,
            (true, None) => millis(STATE_TTL)?.unwrap_or(0),
        };
        Ok(Self {
            fires_early: configuration.is_true(EARLY),
            early_ms: millis(EARLY_DELAY)?,
            fires_late,
            late_ms: millis(LATE_DELAY)?,
            lateness_ms,
        })
    }

    fn check(&self, windows: &WindowProperties) -> Result<()> {
        let refused = |message: &str| Err(table_error(message, None));
        if !windows.is_group {
            return refused(
                "Currently, window table function based aggregate doesn't support early-fire and \
                 late-fire configuration 'table.exec.emit.early-fire.enabled' and \
                 'table.exec.emit.late-fire.enabled'.",
            );
        }
        if matches!(windows.kind, WindowKind::Session { .. }) {
            return refused("Session window doesn't support EMIT strategy currently.");
        }
        if self.fires_late && self.lateness_ms == 0 && windows.is_rowtime {
            return refused(
                "The 'AFTER WATERMARK' emit strategy requires set 'allow-lateness' or \
                 'minIdleStateRetentionTime' in table config.",
            );
        }
        if self.fires_early && self.early_ms.is_none() {
            return refused(
                "Early-fire delay should not be null or negative value when enable early-fire emit \
                 strategy.",
            );
        }
        if !self.fires_late {
            return Ok(());
        }
        match self.late_ms {
            None => refused(
                "Late-fire delay should not be null or negative value when enable late-fire emit \
                 strategy.",
            ),
            Some(late_ms) if late_ms > self.lateness_ms => refused(&format!(
                "Allow-lateness [{}ms] should not be smaller than Late-fire delay [{late_ms}ms] when \
                 enable late-fire emit strategy.",
                self.lateness_ms
            )),
            Some(_) => Ok(()),
        }
    }
}

/// Whether the aggregate groups by windows over time.
fn is_by_windows(aggregate: &Aggregate, windows: &WindowProperties) -> bool {
    let columns = aggregate.group_expr.iter();
    let columns: Vec<_> = columns
        .map(|expr| column_of(expr, &aggregate.input))
        .collect();
    (windows.is_rowtime || windows.is_proctime) && windows.are_grouped_by(&columns)
}
