//! The columns of a view stay what they were when it was created, whatever becomes of the tables
//! that its query reads.
//!
//! ```text
//!   CREATE VIEW v AS SELECT * FROM t       v: id INT, name STRING
//!   t: a new column, id is BIGINT now      v: CAST(id AS INT) AS id, name
//! ```
//!
//! Source: Flink 2.3, which stores the query with its stars spelt out and casts its rows to the
//! view's schema; measured.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use crate::catalog::CatalogView;
use crate::data::types::FlinkType;
use crate::error::Result;
use crate::functions::cast::{self, OnFailure};
use crate::plan::bind;
use crate::plan::errors::from_planner;
use crate::sql::diagnostics::validation;

/// The view's query with the view's columns: their names, their order and their types.
///
/// # Errors
/// A validation error if the query has lost one of them.
pub(super) fn keep(plan: LogicalPlan, view: &CatalogView) -> Result<LogicalPlan> {
    let names: Vec<String> = view
        .schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let columns = plan.schema().columns();
    let is_as_created = columns.len() == view.query_columns.len()
        && columns
            .iter()
            .zip(plan.schema().fields())
            .zip(view.query_columns.iter().zip(view.schema.fields()))
            .all(|((column, now), (name, created))| {
                column.name == *name
                    && FlinkType::from_field(now).root == FlinkType::from_field(created).root
            });
    if is_as_created {
        return bind::rename_columns(plan, &names);
    }
    let kept: Vec<Expr> = view
        .query_columns
        .iter()
        .zip(view.schema.fields())
        .map(|(name, created)| {
            let found = columns.iter().position(|column| column.name == *name);
            let Some((column, now)) =
                found.and_then(|idx| Some((columns.get(idx)?, plan.schema().fields().get(idx)?)))
            else {
                return Err(validation(format!(
                    "its query has no column '{name}' any more"
                )));
            };
            Ok(as_created(column, now, created).alias(created.name().clone()))
        })
        .collect::<Result<_>>()?;
    LogicalPlanBuilder::from(plan)
        .project(kept)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)
}

fn as_created(
    column: &Column,
    now: &arrow::datatypes::Field,
    created: &arrow::datatypes::Field,
) -> Expr {
    let column = Expr::Column(column.clone());
    let root = FlinkType::from_field(created).root;
    if FlinkType::from_field(now).root == root {
        return column;
    }
    let target = FlinkType::nullable(root).to_string();
    cast::function(OnFailure::Fail).call(vec![column, lit(target)])
}
