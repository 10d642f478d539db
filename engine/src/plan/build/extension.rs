//! The relations that are our own.

use std::sync::Arc;

use datafusion::logical_expr::logical_plan::Extension;

use super::{Built, GraphBuilder, physical};
use crate::error::{EngineError, Result};
use crate::operators::CorrelateSpec;
use crate::plan::correlate::Correlate;
use crate::plan::temporal::TemporalJoin;
use crate::plan::text;
use crate::plan::window::WindowTvf;
use crate::runtime::{Exchange, NodeKind};

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
        Err(EngineError::unsupported(format!(
            "the relation {}",
            extension.node.name()
        )))
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
        let mode = input.mode;
        Ok(self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Forward)],
            schema,
            mode,
        ))
    }
}
