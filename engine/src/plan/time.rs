//! Time attributes in plans: which columns are a rowtime or the processing time.
//!
//! A time attribute is a mark in the metadata of a field. It goes wherever the column itself goes
//! (projections, filters, views, joins) and is lost by every expression over it, because then it is
//! another column. A computed rowtime column has its mark from the function `__rowtime`, which
//! gives its argument back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;

use crate::data::types::TIME_ATTRIBUTE_KEY;
use crate::error::{EngineError, Result};
use crate::functions::registry::builtin_scalar;
use crate::plan::build::physical;
use crate::plan::context::TableWatermark;
use crate::plan::errors::from_planner;
use crate::plan::rules::analyze_expr;
use crate::runtime::WatermarkSpec;

const ROWTIME: &str = "ROWTIME";
const PROCTIME: &str = "PROCTIME";

/// Whether a column carries event time.
#[must_use]
pub fn is_rowtime(field: &Field) -> bool {
    attribute(field) == Some(ROWTIME)
}

/// Whether a column is the processing time.
#[must_use]
pub fn is_proctime(field: &Field) -> bool {
    attribute(field) == Some(PROCTIME)
}

fn attribute(field: &Field) -> Option<&str> {
    field.metadata().get(TIME_ATTRIBUTE_KEY).map(String::as_str)
}

/// The field as a rowtime.
#[must_use]
pub fn as_rowtime(field: Field) -> Field {
    marked(field, ROWTIME)
}

/// The field as the processing time.
#[must_use]
pub fn as_proctime(field: Field) -> Field {
    marked(field, PROCTIME)
}

fn marked(mut field: Field, attribute: &str) -> Field {
    let metadata = field.metadata_mut();
    metadata.insert(TIME_ATTRIBUTE_KEY.to_owned(), attribute.to_owned());
    field
}

/// The field as an ordinary timestamp.
#[must_use]
pub fn without_attribute(field: &FieldRef) -> FieldRef {
    if attribute(field).is_none() {
        return Arc::clone(field);
    }
    let mut field = field.as_ref().clone();
    field.metadata_mut().remove(TIME_ATTRIBUTE_KEY);
    Arc::new(field)
}

/// `schema` with its column `name` as rowtime.
#[must_use]
pub fn with_rowtime(schema: &SchemaRef, name: &str) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        if field.name() == name {
            Arc::new(as_rowtime(field.as_ref().clone()))
        } else {
            Arc::clone(field)
        }
    });
    let metadata = schema.metadata().clone();
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        metadata,
    ))
}

/// `expr` with the mark of a rowtime.
///
/// # Errors
/// Never: the function exists.
pub fn rowtime(expr: Expr) -> Result<Expr> {
    let function = builtin_scalar("__rowtime")
        .ok_or_else(|| EngineError::internal("the function '__rowtime' is missing"))?;
    Ok(function.call(vec![expr]))
}

/// An expression over all columns of a table as one over its physical columns, with its implicit
/// casts.
///
/// # Errors
/// If its types do not fit.
pub fn over_physical(
    expr: Expr,
    computed: &HashMap<String, Expr>,
    physical: &DFSchema,
    config: &Arc<ConfigOptions>,
) -> Result<Expr> {
    let expr = expr
        .transform_up(|node| {
            let replacement = match &node {
                Expr::Column(column) => computed.get(&column.name),
                _ => None,
            };
            Ok(match replacement {
                Some(computed) => Transformed::yes(computed.clone()),
                None => Transformed::no(node),
            })
        })
        .map_err(from_planner)?
        .data;
    analyze_expr(expr, physical, config)
}

impl TableWatermark {
    /// The columns of the source that the watermark needs; `schema` is that of the source.
    #[must_use]
    pub fn columns(&self, schema: &SchemaRef) -> Vec<usize> {
        let read = [&self.rowtime, &self.watermark];
        let columns = read.into_iter().flat_map(Expr::column_refs);
        let indices = columns.filter_map(|column| schema.index_of(&column.name).ok());
        indices.collect()
    }

    /// The watermark over the columns of `schema`, which a job reads.
    ///
    /// # Errors
    /// If its expression cannot be evaluated.
    pub fn to_spec(
        &self,
        schema: &SchemaRef,
        config: &Arc<ConfigOptions>,
    ) -> Result<Arc<WatermarkSpec>> {
        let schema = DFSchema::try_from(Arc::clone(schema)).map_err(from_planner)?;
        let physical = |expr: &Expr| -> Result<Arc<dyn PhysicalExpr>> {
            physical(&unqualified(expr)?, &schema, config)
        };
        Ok(Arc::new(WatermarkSpec {
            column: self.column.clone(),
            rowtime: physical(&self.rowtime)?,
            watermark: physical(&self.watermark)?,
            interval_ms: self.interval_ms,
            idle_timeout: self.idle_timeout,
            marks_all_rows: false,
        }))
    }
}

fn unqualified(expr: &Expr) -> Result<Expr> {
    let rewritten = expr.clone().transform_up(|node| {
        Ok(match node {
            Expr::Column(column) if column.relation.is_some() => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            node => Transformed::no(node),
        })
    });
    Ok(rewritten.map_err(from_planner)?.data)
}
