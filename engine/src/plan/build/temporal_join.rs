//! Temporal joins.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::{Built, GraphBuilder};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::operators::{JoinKind, TemporalJoinSpec};
use crate::plan::changes::role::{Role, Wants};
use crate::plan::temporal::TemporalJoin;
use crate::plan::window::properties::column_of;
use crate::plan::{text, time};
use crate::runtime::{Exchange, NodeKind};

impl GraphBuilder {
    pub(super) fn temporal_join(&mut self, node: &TemporalJoin) -> Result<Built> {
        if self.options.is_batch {
            return Err(EngineError::unsupported("a temporal join in batch mode"));
        }
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = node.on.iter().cloned().unzip();
        let left = self.side(&node.left, &left_keys)?;
        // Every version counts, also those that are replaced within a step.
        let right = self.in_row_by_row(|builder| builder.side(&node.right, &right_keys))?;
        let kind = match node.is_left_outer {
            true => JoinKind::Left,
            false => JoinKind::Inner,
        };
        let keys = self.join_keys(kind, &left, &right).keys;
        let residual = self.residual(node.filter.clone(), &node.left, &node.right)?;
        let missing = || EngineError::internal("a temporal join without a time");
        let left_time = column_of(&node.time, &node.left).ok_or_else(missing)?;
        let fields = node.right.schema().inner().fields();
        let right_time = fields
            .iter()
            .position(|field| time::is_rowtime(field))
            .ok_or_else(missing)?;
        let schema =
            Arc::clone(datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(node).inner());
        let mode = if left.built.mode.is_insert_only() {
            ChangelogMode::INSERT_ONLY
        } else {
            left.built.mode
        };
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut condition = vec![format!(
            "__TEMPORAL_JOIN_CONDITION({})",
            text::expression(&node.time)
        )];
        condition.extend(node.on.iter().map(|(left, right)| {
            format!("({} = {})", text::expression(left), text::expression(right))
        }));
        condition.extend(node.filter.iter().map(text::expression));
        let join_type = if node.is_left_outer {
            "LeftOuterJoin"
        } else {
            "InnerJoin"
        };
        let name = format!(
            "TemporalJoin(joinType=[{join_type}], where=[({})], select=[{}])",
            condition.join(" AND "),
            names.join(", ")
        );
        let spec = TemporalJoinSpec {
            is_left_outer: node.is_left_outer,
            left: left.input(false),
            right: right.input(false),
            time_columns: [left_time, right_time],
            residual,
            schema: Arc::clone(&schema),
        };
        for side in [&left, &right] {
            self.mark_all_rows(side.built.id);
        }
        let inputs = [left, right].map(|side| (side.built, Exchange::Hash(side.key_columns)));
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            inputs.into(),
            schema,
            mode,
        );
        let role = Role {
            passes_on: false,
            ..Role::forward().wanting(Wants::TemporalJoin)
        };
        Ok(self.note(built, role, keys))
    }
}
