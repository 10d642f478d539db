//! `CURRENT_WATERMARK(rowtime)`: a column that an operator of its own appends.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::{Built, GraphBuilder};
use crate::error::Result;
use crate::operators::CurrentWatermarkSpec;
use crate::plan::changes::role::Role;
use crate::plan::errors::from_planner;
use crate::runtime::{Exchange, NodeId, NodeKind};

const COLUMN: &str = "__current_watermark";

/// Whether an expression asks for the watermark.
pub(super) fn asks_watermark(expr: &Expr) -> bool {
    expr.exists(|node| Ok(is_call(node))).unwrap_or(false)
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == "current_watermark")
}

impl GraphBuilder {
    /// `input` with the watermark as its last column, and the schema of both.
    pub(super) fn with_watermark(
        &mut self,
        input: &Built,
        schema: &DFSchema,
        asking: &Expr,
    ) -> Result<(Built, DFSchema)> {
        let mut data_type = None;
        asking
            .apply(|node| {
                if is_call(node) {
                    data_type = Some(node.get_type(schema)?);
                }
                Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
            })
            .map_err(from_planner)?;
        let data_type = data_type.unwrap_or(arrow::datatypes::DataType::Null);
        let field = Arc::new(Field::new(COLUMN, data_type, true));
        let mut fields = input.schema.fields().to_vec();
        fields.push(Arc::clone(&field));
        let physical = Arc::new(Schema::new(fields));
        let spec = CurrentWatermarkSpec {
            schema: Arc::clone(&physical),
        };
        self.mark_all_rows(input.id);
        let built = self.add(
            "CurrentWatermark".to_owned(),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input.clone(), Exchange::Forward)],
            physical,
            input.mode,
        );
        let keys = self.keys_of(input);
        let built = self.note(built, Role::forward(), keys);
        let mut extended = schema.clone();
        let appended = Schema::new(vec![field]);
        extended.merge(&DFSchema::try_from(appended).map_err(from_planner)?);
        Ok((built, extended))
    }

    /// Makes the sources behind a node say of every row which watermark was in force.
    pub(super) fn mark_all_rows(&mut self, id: NodeId) {
        let Some(node) = self.graph.nodes.get_mut(id.0) else {
            return;
        };
        if let NodeKind::Source {
            watermark: Some(watermark),
            ..
        } = &mut node.kind
        {
            Arc::make_mut(watermark).marks_all_rows = true;
        }
        let inputs: Vec<NodeId> = node.inputs.iter().map(|edge| edge.from).collect();
        for input in inputs {
            self.mark_all_rows(input);
        }
    }
}

/// The expression with the column in place of the calls.
pub(super) fn over_watermark(expr: &Expr) -> Result<Expr> {
    let rewritten = expr.clone().transform_up(|node| {
        Ok(if is_call(&node) {
            Transformed::yes(Expr::Column(Column::new_unqualified(COLUMN)))
        } else {
            Transformed::no(node)
        })
    });
    Ok(rewritten.map_err(from_planner)?.data)
}
