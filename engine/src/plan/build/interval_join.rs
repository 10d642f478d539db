//! Joins by time: conditions that keep the times of both sides near each other.
//!
//! ```text
//!   r.ts BETWEEN l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '3' SECOND
//!        └─▶  l.ts - r.ts ∈ [-3 s, 2 s]
//! ```
//!
//! Source: `IntervalJoinUtil` of Flink 2.3: both bounds must be there, over one time attribute of
//! each side; everything else of the condition is tested for each pair.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::logical_plan::{Join, LogicalPlan};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

use super::join::Condition;
use super::{Built, GraphBuilder};
use crate::data::ChangelogMode;
use crate::error::Result;
use crate::operators::window::WindowTime;
use crate::operators::{IntervalJoinSpec, JoinKind, JoinSpec};
use crate::plan::changes::table_error;
use crate::plan::time;
use crate::runtime::{Exchange, NodeKind};

/// How far apart the times of a pair may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeBounds {
    /// Columns of the times, by side.
    columns: [usize; 2],
    lower_ms: i64,
    upper_ms: i64,
    time: WindowTime,
}

/// `left - right` at least or at most so many milliseconds.
#[derive(Debug, Clone, Copy)]
struct TimeBound {
    columns: [usize; 2],
    lower_ms: Option<i64>,
    upper_ms: Option<i64>,
}

impl GraphBuilder {
    /// The bounds of an interval join; the conditions that say so are taken out of `condition`.
    pub(super) fn time_bounds(&self, join: &Join, condition: &mut Condition) -> Option<TimeBounds> {
        let is_projecting = matches!(
            condition.kind,
            JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full
        );
        if self.options.is_batch || join.null_aware || !is_projecting {
            return None;
        }
        let sides = [join.left.as_ref(), join.right.as_ref()];
        let mut bounds: Option<TimeBound> = None;
        let mut add = |found: TimeBound| match &mut bounds {
            None => {
                bounds = Some(found);
                true
            }
            Some(known) if known.columns == found.columns => {
                known.lower_ms = known.lower_ms.max(found.lower_ms);
                known.upper_ms = match (known.upper_ms, found.upper_ms) {
                    (Some(one), Some(two)) => Some(one.min(two)),
                    (one, two) => one.or(two),
                };
                true
            }
            Some(_) => false,
        };
        for (left, right) in &condition.keys {
            // Equal times are near each other; they stay a key as well.
            if let Some(bound) = bound_of(left, Operator::Eq, right, sides) {
                add(bound);
            }
        }
        let parts = split_conjunction_owned(condition.residual.clone()?);
        let mut rest = Vec::new();
        for part in parts.into_iter().flat_map(without_between) {
            let found = match &part {
                Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                    bound_of(left, *op, right, sides)
                }
                _ => None,
            };
            if !found.is_some_and(&mut add) {
                rest.push(part);
            }
        }
        let bound = bounds?;
        let (Some(lower_ms), Some(upper_ms)) = (bound.lower_ms, bound.upper_ms) else {
            return None;
        };
        let [left, right] = bound.columns;
        let is_rowtime = |plan: &LogicalPlan, column: usize| {
            let fields = plan.schema().inner().fields();
            fields.get(column).is_some_and(|it| time::is_rowtime(it))
        };
        let time = match (is_rowtime(&join.left, left), is_rowtime(&join.right, right)) {
            (true, true) => WindowTime::Event,
            (false, false) => WindowTime::Processing,
            _ => return None,
        };
        condition.residual = conjunction(rest);
        Some(TimeBounds {
            columns: bound.columns,
            lower_ms,
            upper_ms,
            time,
        })
    }

    /// Refuses an interval join of rows that change. Where an operator below has made an ordinary
    /// timestamp of the time, the join is an ordinary one.
    ///
    /// # Errors
    /// Flink's sentence.
    pub(super) fn refuse_changes_by_time(&self, join: &Join, condition: &Condition) -> Result<()> {
        let Some(bounds) = self.time_bounds(join, &mut condition.clone()) else {
            return Ok(());
        };
        let [left, right] = bounds.columns;
        if !self.is_live(&join.left, left) || !self.is_live(&join.right, right) {
            return Ok(());
        }
        Err(table_error(
            "StreamPhysicalIntervalJoin doesn't support consuming update and delete changes",
            Some("join by time rows that only come, or leave out the condition of time"),
        ))
    }

    /// `spec` as a join by time.
    pub(super) fn interval_join(
        &mut self,
        bounds: TimeBounds,
        spec: JoinSpec,
        sides: [(Built, Vec<usize>); 2],
        name: &str,
    ) -> Built {
        let name = format!(
            "IntervalJoin(windowBounds=[isRowTime={}, leftLowerBound={}, leftUpperBound={}, \
             leftTimeIndex={}, rightTimeIndex={}], {}",
            bounds.time == WindowTime::Event,
            bounds.lower_ms,
            bounds.upper_ms,
            bounds.columns[0],
            bounds.columns[1],
            name.trim_start_matches("Join(")
        );
        if bounds.time == WindowTime::Event {
            // What is too late to be kept is late before its own time is.
            for (built, _) in &sides {
                self.mark_all_rows(built.id);
            }
        }
        let schema = Arc::clone(&spec.schema);
        let spec = IntervalJoinSpec {
            kind: spec.kind,
            left: spec.left,
            right: spec.right,
            time_columns: bounds.columns,
            lower_ms: bounds.lower_ms,
            upper_ms: bounds.upper_ms,
            time: bounds.time,
            nulls_equal: spec.nulls_equal,
            residual: spec.residual,
            schema: Arc::clone(&schema),
        };
        let inputs = sides.map(|(built, keys)| {
            let exchange = if keys.is_empty() {
                Exchange::Single
            } else {
                Exchange::Hash(keys)
            };
            (built, exchange)
        });
        self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            inputs.into(),
            schema,
            ChangelogMode::INSERT_ONLY,
        )
    }
}

/// BETWEEN as two comparisons.
fn without_between(expr: Expr) -> Vec<Expr> {
    let compare = |left: &Expr, op: Operator, right: &Expr| {
        Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left.clone()),
            op,
            Box::new(right.clone()),
        ))
    };
    match expr {
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) => vec![
            compare(&expr, Operator::GtEq, &low),
            compare(&expr, Operator::LtEq, &high),
        ],
        other => vec![other],
    }
}

/// What `left op right` says about the times of two sides.
fn bound_of(
    left: &Expr,
    op: Operator,
    right: &Expr,
    sides: [&LogicalPlan; 2],
) -> Option<TimeBound> {
    let (one, two) = (moved_time(left, sides)?, moved_time(right, sides)?);
    // `one + c1 op two + c2` is `one - two op c2 - c1`.
    let distance_ms = two.moved_ms.checked_sub(one.moved_ms)?;
    let (columns, op, distance_ms) = match (one.side, two.side) {
        (0, 1) => ([one.column, two.column], op, distance_ms),
        (1, 0) => (
            [two.column, one.column],
            op.swap()?,
            distance_ms.checked_neg()?,
        ),
        _ => return None,
    };
    let (lower_ms, upper_ms) = match op {
        Operator::Eq => (Some(distance_ms), Some(distance_ms)),
        Operator::GtEq => (Some(distance_ms), None),
        Operator::Gt => (Some(distance_ms.checked_add(1)?), None),
        Operator::LtEq => (None, Some(distance_ms)),
        Operator::Lt => (None, Some(distance_ms.checked_sub(1)?)),
        _ => return None,
    };
    Some(TimeBound {
        columns,
        lower_ms,
        upper_ms,
    })
}

/// A time attribute, moved by a constant.
struct MovedTime {
    side: usize,
    column: usize,
    moved_ms: i64,
}

fn moved_time(expr: &Expr, sides: [&LogicalPlan; 2]) -> Option<MovedTime> {
    match expr {
        Expr::Column(column) => sides.iter().enumerate().find_map(|(side, plan)| {
            let place = plan.schema().maybe_index_of_column(column)?;
            let field = plan.schema().inner().fields().get(place)?;
            let is_time = time::is_rowtime(field) || time::is_proctime(field);
            is_time.then_some(MovedTime {
                side,
                column: place,
                moved_ms: 0,
            })
        }),
        Expr::ScalarFunction(call) => {
            let [one, two] = call.args.as_slice() else {
                return None;
            };
            let (time, by_ms) = match call.func.name() {
                "__temporal_plus" => match (millis_of(one), millis_of(two)) {
                    (None, Some(by_ms)) => (one, by_ms),
                    (Some(by_ms), None) => (two, by_ms),
                    _ => return None,
                },
                "__temporal_minus" => (one, millis_of(two)?.checked_neg()?),
                _ => return None,
            };
            let time = moved_time(time, sides)?;
            Some(MovedTime {
                moved_ms: time.moved_ms.checked_add(by_ms)?,
                ..time
            })
        }
        _ => None,
    }
}

/// The milliseconds of a constant interval.
fn millis_of(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::DurationMillisecond(millis), _) => *millis,
        _ => None,
    }
}
