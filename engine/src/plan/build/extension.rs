//! The relations that are our own.

use std::sync::Arc;

use datafusion::logical_expr::UserDefinedLogicalNodeCore as _;
use datafusion::logical_expr::logical_plan::Extension;

use super::{Built, GraphBuilder, physical};
use crate::data::{ChangelogMode, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::changelog::{ChangelogSpec, ChangelogWay};
use crate::operators::{CorrelateSpec, Emission};
use crate::plan::changelog::ChangelogRows;
use crate::plan::changes::role::{Makes, Role};
use crate::plan::correlate::Correlate;
use crate::plan::keys::Keys;
use crate::plan::match_recognize::MatchNode;
use crate::plan::temporal::{LookupJoin, TemporalJoin};
use crate::plan::text;
use crate::plan::window::WindowTvf;
use crate::runtime::{Exchange, NodeKind};
use crate::sql::diagnostics::validation;

impl GraphBuilder {
    pub(super) fn extension(&mut self, extension: &Extension) -> Result<Built> {
        let node = extension.node.as_any();
        if let Some(correlate) = node.downcast_ref::<Correlate>() {
            return self.correlate(correlate, &extension.node);
        }
        if let Some(window) = node.downcast_ref::<WindowTvf>() {
            return self.window_tvf(window);
        }
        if let Some(join) = node.downcast_ref::<TemporalJoin>() {
            return self.temporal_join(join);
        }
        if let Some(join) = node.downcast_ref::<LookupJoin>() {
            return self.lookup_join(join);
        }
        if let Some(rows) = node.downcast_ref::<ChangelogRows>() {
            return self.changelog_rows(rows);
        }
        if let Some(pattern) = node.downcast_ref::<MatchNode>() {
            return self.match_recognize(pattern);
        }
        Err(EngineError::unsupported(format!(
            "the relation {}",
            extension.node.name()
        )))
    }

    fn changelog_rows(&mut self, rows: &ChangelogRows) -> Result<Built> {
        // Every change is a row of its own, whoever reads the rows.
        let options = self.options;
        if rows.way == ChangelogWay::To {
            self.options.emission = Emission::RowByRow;
        }
        let input = self.query(&rows.input);
        self.options = options;
        let input = input?;
        let mode = match rows.way {
            ChangelogWay::To => ChangelogMode::INSERT_ONLY,
            ChangelogWay::From { .. } if !input.mode.is_insert_only() => {
                return Err(validation(
                    "FROM_CHANGELOG takes an append-only table; its input is updating".to_owned(),
                ));
            }
            ChangelogWay::From { .. } => ChangelogMode {
                update_before: rows.codes.has(RowKind::UpdateBefore),
                update_after: rows.codes.has(RowKind::UpdateAfter),
                delete: rows.codes.has(RowKind::Delete),
            },
        };
        let schema = Arc::new(rows.schema().as_arrow().clone());
        let spec = ChangelogSpec {
            way: rows.way,
            codes: rows.codes.clone(),
            schema: Arc::clone(&schema),
        };
        let role = match rows.way {
            ChangelogWay::To => Role::of(Makes::Only(mode)),
            ChangelogWay::From { .. } => Role::source(mode),
        };
        let built = self.add(
            rows.describe(),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Forward)],
            schema,
            mode,
        );
        Ok(self.note(built, role, Keys::none()))
    }

    fn correlate(
        &mut self,
        correlate: &Correlate,
        node: &Arc<dyn datafusion::logical_expr::UserDefinedLogicalNode>,
    ) -> Result<Built> {
        let input = self.query(&correlate.input)?;
        let arguments = correlate
            .arguments
            .iter()
            .map(|argument| physical(argument, correlate.input.schema(), &self.config))
            .collect::<Result<Vec<_>>>()?;
        let condition = correlate
            .condition
            .as_ref()
            .map(|condition| physical(condition, node.schema(), &self.config))
            .transpose()?;
        let schema = Arc::clone(node.schema().inner());
        let select: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let join_type = if correlate.is_outer { "LEFT" } else { "INNER" };
        let condition_text = correlate
            .condition
            .as_ref()
            .map(|condition| format!(", condition=[{}]", text::expression(condition)))
            .unwrap_or_default();
        let name = format!(
            "Correlate(invocation=[{}], select=[{}], joinType=[{join_type}]{condition_text})",
            correlate.call_text(),
            select.join(",")
        );
        let spec = CorrelateSpec {
            function: Arc::clone(&correlate.function),
            arguments,
            condition,
            is_outer: correlate.is_outer,
            schema: Arc::clone(&schema),
        };
        let (mode, role) = if correlate.function.replaces_rows() && !input.mode.is_insert_only() {
            // Old rows are told by what was updated.
            let mode = ChangelogMode {
                delete: true,
                ..ChangelogMode::INSERT_ONLY
            };
            (mode, Role::of(Makes::Only(mode)))
        } else {
            (input.mode, Role::forward())
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Forward)],
            schema,
            mode,
        );
        Ok(self.note(built, role, Keys::none()))
    }
}
