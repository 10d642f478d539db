//! METADATA columns: which keys a table asks its connector for, and what becomes of the answers.
//!
//! ```text
//!   m STRING METADATA FROM 'file.size'
//!     source  …, $metadata$file.size BIGINT NOT NULL     the connector's type
//!     table   …, CAST(`$metadata$file.size` AS STRING) AS m
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use crate::catalog::{CatalogTable, Column, ColumnSource, ObjectIdentifier};
use crate::connectors::{ConnectorFactory, MetadataColumn, MetadataKey};
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::functions::cast::{self, OnFailure, is_supported};
use crate::plan::errors::from_planner;
use crate::sql::diagnostics::{SqlDiagnostic, validation};

/// The metadata columns of a table by name, each as an expression over what its source gives.
pub(super) type MetadataExprs = HashMap<String, Expr>;

/// Every key that a column asks for, once, as a column of the source.
///
/// # Errors
/// If the connector has no such metadata, or its type does not fit the column's.
pub(super) fn requested(
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    factory: &dyn ConnectorFactory,
) -> Result<Vec<MetadataColumn>> {
    let mut requested: Vec<MetadataColumn> = Vec::new();
    for (column, key) in metadata_columns(table) {
        let known = factory.metadata();
        if known.is_empty() {
            return Err(validation(format!(
                "table '{identifier}' declares metadata columns, but the connector '{}' has no \
                 metadata that can be read",
                factory.identifier()
            )));
        }
        let Some(found) = known.iter().find(|known| known.key == key) else {
            let place = format!("column '{}' of table '{identifier}'", column.name);
            return Err(validation(unknown_key(
                key, &place, factory, known, "reading",
            )));
        };
        let given = FlinkType::parse(found.data_type)?;
        if !is_supported(&given.root, &column.flink_type.root) {
            return Err(validation(format!(
                "invalid data type for metadata column '{}' of table '{identifier}'. The column \
                 cannot be declared as '{}' because the type must be castable from metadata type \
                 '{given}'",
                column.name, column.flink_type
            )));
        }
        if requested.iter().all(|known| known.key != key) {
            requested.push(MetadataColumn {
                key: key.to_owned(),
                field: Arc::new(given.to_arrow_field(&source_name(key))),
            });
        }
    }
    Ok(requested)
}

/// The metadata columns that INSERT fills, as the connector takes them: under their own names, in
/// the connector's types.
///
/// # Errors
/// If the connector does not take what a column that is not virtual stands for.
pub(super) fn written(
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    factory: &dyn ConnectorFactory,
) -> Result<Vec<MetadataColumn>> {
    let persisted = metadata_columns(table).filter(|(column, _)| {
        matches!(
            column.source,
            ColumnSource::Metadata {
                is_virtual: false,
                ..
            }
        )
    });
    let known = factory.writable_metadata();
    let column = |(column, key): (&Column, &str)| {
        let refused =
            |cause: String| {
                EngineError::from(Arc::new(SqlDiagnostic::validation(cause).with_hint(Some(
                "if the column should not be persisted, declare it with the VIRTUAL keyword"
                    .to_owned(),
            ))))
            };
        if known.is_empty() {
            return Err(refused(format!(
                "table '{identifier}' declares the persistable metadata column '{}', but its \
                 connector writes no metadata",
                column.name
            )));
        }
        let Some(found) = known.iter().find(|known| known.key == key) else {
            let place = format!("column '{}' of table '{identifier}'", column.name);
            return Err(refused(unknown_key(key, &place, factory, known, "writing")));
        };
        let taken = FlinkType::parse(found.data_type)?;
        if !is_supported(&column.flink_type.root, &taken.root) {
            return Err(validation(format!(
                "invalid data type for metadata column '{}' of table '{identifier}'. The column \
                 cannot be declared as '{}' because the type must be castable to metadata type \
                 '{taken}'",
                column.name, column.flink_type
            )));
        }
        Ok(MetadataColumn {
            key: key.to_owned(),
            field: Arc::new(taken.to_arrow_field(&column.name)),
        })
    };
    persisted.map(column).collect()
}

/// The sentence about a key that is not among those for reading or for writing.
fn unknown_key(
    key: &str,
    place: &str,
    factory: &dyn ConnectorFactory,
    known: &[MetadataKey],
    purpose: &str,
) -> String {
    let keys: Vec<&str> = known.iter().map(|known| known.key).collect();
    format!(
        "invalid metadata key '{key}' in {place}. The connector '{}' supports the following \
         metadata keys for {purpose}: {}",
        factory.identifier(),
        keys.join(", ")
    )
}

/// The table's metadata columns as expressions over the source's.
pub(super) fn expressions(table: &CatalogTable) -> MetadataExprs {
    metadata_columns(table)
        .map(|(column, key)| {
            let given = Expr::Column(datafusion::common::Column::new_unqualified(source_name(
                key,
            )));
            let target = FlinkType::nullable(column.flink_type.root.clone()).to_string();
            let cast = cast::function(OnFailure::Fail).call(vec![given, lit(target)]);
            (column.name.clone(), cast)
        })
        .collect()
}

/// `expr` over the source's columns instead of the table's metadata columns.
///
/// # Errors
/// If the tree cannot be walked.
pub(super) fn over_source(expr: Expr, metadata: &MetadataExprs) -> Result<Expr> {
    let replaced = expr.transform_up(|node| {
        let replacement = match &node {
            Expr::Column(column) => metadata.get(&column.name),
            _ => None,
        };
        Ok(match replacement {
            Some(replacement) => Transformed::yes(replacement.clone()),
            None => Transformed::no(node),
        })
    });
    Ok(replaced.map_err(from_planner)?.data)
}

/// The physical columns of a scan and the metadata columns under their own names.
///
/// # Errors
/// If the plan cannot be built.
pub(super) fn named(scan: LogicalPlan, table: &CatalogTable) -> Result<LogicalPlan> {
    let metadata = expressions(table);
    if metadata.is_empty() {
        return Ok(scan);
    }
    let given = scan.schema().columns();
    let physical = table
        .columns
        .iter()
        .filter(|column| matches!(column.source, ColumnSource::Physical))
        .filter_map(|column| given.iter().find(|given| given.name == column.name))
        .map(|column| Expr::Column(column.clone()));
    let columns = physical.chain(
        metadata_columns(table)
            .filter_map(|(column, _)| Some((column, metadata.get(&column.name)?.clone())))
            .map(|(column, expr)| expr.alias(column.name.clone())),
    );
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(scan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_planner)
}

/// Metadata columns with their keys.
fn metadata_columns(table: &CatalogTable) -> impl Iterator<Item = (&Column, &str)> {
    table
        .columns
        .iter()
        .filter_map(|column| match &column.source {
            ColumnSource::Metadata { from, .. } => {
                Some((column, from.as_deref().unwrap_or(&column.name)))
            }
            _ => None,
        })
}

fn source_name(key: &str) -> String {
    format!("$metadata${key}")
}
