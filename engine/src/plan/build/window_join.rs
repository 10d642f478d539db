//! Joins and ranks of whole windows.

use std::sync::Arc;

use datafusion::logical_expr::logical_plan::{Join, LogicalPlan};

use super::rank::Rank;
use super::window::exchange_by;
use super::{Built, GraphBuilder};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::operators::window::{WindowBatchSpec, WindowInput};
use crate::operators::{Emission, JoinSpec, RankSpec};
use crate::plan::changes::table_error;
use crate::plan::window::properties::{WindowJoinKeys, WindowProperties, column_of};
use crate::runtime::NodeKind;

impl GraphBuilder {
    /// The windows of the left and the right input of a join (in the order of its ports) that
    /// equates them; none if it is no window join.
    pub(super) fn joined_windows(
        &self,
        join: &Join,
        is_swapped: bool,
    ) -> Result<Option<[WindowProperties; 2]>> {
        if self.options.is_batch || join.null_aware {
            return Ok(None);
        }
        let Some(WindowJoinKeys { left, right, .. }) = WindowJoinKeys::of(join) else {
            return Ok(None);
        };
        if left.is_proctime || right.is_proctime {
            return Err(table_error(
                "Processing time Window Join is not supported yet.",
                None,
            ));
        }
        if !left.is_rowtime || !right.is_rowtime {
            return Ok(None);
        }
        Ok(Some(if is_swapped {
            [right, left]
        } else {
            [left, right]
        }))
    }

    /// `spec` on the rows of each window, when it is over.
    pub(super) fn window_join(
        &mut self,
        windows: [WindowProperties; 2],
        spec: JoinSpec,
        sides: [(Built, Vec<usize>); 2],
        name: &str,
    ) -> Result<Built> {
        let [left, right] = &windows;
        let show = |window: &WindowProperties| format!("{}({})", window.kind.name(), window.kind);
        let name = format!(
            "WindowJoin(leftWindow=[{}], rightWindow=[{}], {}",
            show(left),
            show(right),
            name.trim_start_matches("Join(")
        );
        if sides.iter().any(|(built, _)| !built.mode.is_insert_only()) {
            return Err(EngineError::unsupported(
                "a window join of rows that are taken back",
            ));
        }
        let clock = self.window_clock(left.is_instant)?;
        let [(_, left_keys), (_, right_keys)] = &sides;
        let [left_windows, right_windows] = &windows;
        let own_pairs = || {
            let pairs = left_keys.iter().zip(right_keys);
            pairs.filter(|&(left, right)| {
                !(left_windows.holds(*left) && right_windows.holds(*right))
            })
        };
        let own_keys = [
            own_pairs().map(|(left, _)| *left).collect::<Vec<_>>(),
            own_pairs().map(|(_, right)| *right).collect(),
        ];
        let inputs = sides
            .iter()
            .zip(&windows)
            .zip(&own_keys)
            .map(|(((built, _), window), own)| {
                Ok(WindowInput {
                    schema: Arc::clone(&built.schema),
                    end_column: *window.ends.first().ok_or_else(|| {
                        EngineError::internal("a window join without the ends of its windows")
                    })?,
                    key_columns: own.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = Arc::clone(&spec.schema);
        let spec = WindowBatchSpec {
            inputs,
            clock,
            latest_first: false,
            inner: Arc::new(JoinSpec {
                emission: Emission::NetPerStep,
                ..spec
            }),
        };
        let inputs = sides
            .into_iter()
            .zip(own_keys)
            .map(|((built, _), own)| (built, exchange_by(own)))
            .collect();
        Ok(self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            inputs,
            schema,
            ChangelogMode::INSERT_ONLY,
        ))
    }

    /// The windows by which a rank is partitioned; none if it is an ordinary one.
    ///
    /// # Errors
    /// For windows by processing time, as in Flink.
    pub(super) fn ranked_windows(
        &self,
        input: &LogicalPlan,
        rank: &Rank<'_>,
    ) -> Result<Option<WindowProperties>> {
        if self.options.is_batch || rank.partition_by.is_empty() {
            return Ok(None);
        }
        let Some(windows) = WindowProperties::of(input) else {
            return Ok(None);
        };
        let keys = rank.partition_by.iter();
        let columns: Vec<_> = keys.map(|key| column_of(key, input)).collect();
        if !windows.are_grouped_by(&columns) {
            return Ok(None);
        }
        if windows.is_proctime {
            return Err(table_error(
                "Processing time Window TopN is not supported yet.",
                None,
            ));
        }
        Ok(windows.is_rowtime.then_some(windows))
    }

    /// `spec` on the rows of each window, when it is over.
    pub(super) fn window_rank(
        &mut self,
        windows: &WindowProperties,
        spec: RankSpec,
        input: Built,
        latest_first: bool,
        name: &str,
    ) -> Result<Built> {
        let name = format!(
            "WindowRank(window=[{}({})], {}",
            windows.kind.name(),
            windows.kind,
            name.trim_start_matches("Rank(")
        );
        let end_column = windows.ends.first().copied().ok_or_else(|| {
            EngineError::internal("a rank of windows without the ends of its windows")
        })?;
        let schema = Arc::clone(&spec.schema);
        let keys = spec.partition_columns.iter().copied();
        let own_keys: Vec<_> = keys.filter(|&key| !windows.holds(key)).collect();
        let spec = WindowBatchSpec {
            inputs: vec![WindowInput {
                schema: Arc::clone(&input.schema),
                end_column,
                key_columns: own_keys.clone(),
            }],
            clock: self.window_clock(windows.is_instant)?,
            latest_first,
            inner: Arc::new(RankSpec {
                emission: Emission::NetPerStep,
                ..spec
            }),
        };
        Ok(self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange_by(own_keys))],
            schema,
            ChangelogMode::INSERT_ONLY,
        ))
    }
}
