//! Which parts of a source's columns a graph looks at.
//!
//! A table of events often has one column per kind of event, each a row with many fields, of which
//! a query reads a few (`bid.price`). A reader that knows need not build the others. Looked at are
//! the fields that expressions of the source's readers name; a reader that is no Calc takes all.

use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::graph::{Graph, NodeKind};
use crate::data::Parts;
use crate::functions::nested::access::field_of;

/// For each column of a source's rows, what somebody looks at.
pub(super) fn parts_read(graph: &Graph, source_idx: usize) -> Vec<Parts> {
    let Some(source) = graph.nodes.get(source_idx) else {
        return Vec::new();
    };
    let mut parts = vec![Parts::none(); source.schema.fields().len()];
    if let NodeKind::Source {
        watermark: Some(watermark),
        ..
    } = &source.kind
    {
        look(watermark.rowtime.as_ref(), &mut parts);
        look(watermark.watermark.as_ref(), &mut parts);
    }
    let readers = graph.nodes.iter().filter(|node| {
        let mut inputs = node.inputs.iter();
        inputs.any(|edge| edge.from.0 == source_idx)
    });
    for reader in readers {
        let expressions = match &reader.kind {
            NodeKind::Operator(factory) => factory.expressions(),
            _ => None,
        };
        let Some(expressions) = expressions else {
            return all(&source.schema);
        };
        for expression in expressions {
            look(expression.as_ref(), &mut parts);
        }
    }
    parts
}

fn all(schema: &Schema) -> Vec<Parts> {
    vec![Parts::All; schema.fields().len()]
}

/// Adds what `expression` looks at.
fn look(expression: &dyn PhysicalExpr, parts: &mut [Parts]) {
    let mut path = Vec::new();
    let mut value = expression;
    while let Some((row, name)) = field_of(value) {
        path.push(name);
        value = row;
    }
    if let Some(column) = value.downcast_ref::<Column>() {
        path.reverse();
        if let Some(parts) = parts.get_mut(column.index()) {
            parts.add(&path);
        }
        return;
    }
    for child in value.children() {
        look(child.as_ref(), parts);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_column_by_itself_is_read_whole() {
        let mut parts = vec![Parts::none(), Parts::none()];
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("a", 1));
        look(column.as_ref(), &mut parts);
        assert_eq!(parts, [Parts::none(), Parts::All]);
    }
}
