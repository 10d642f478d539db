//! DISTRIBUTED BY, and partitions that a catalog knows of: kept and shown, without effect on how
//! rows are read or written.

use std::fmt;

use super::table::{CatalogTable, ColumnSource};
use super::{at_name, fail, quoted};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlDiagnostic, did_you_mean};
use crate::sql::statement::{Distribution, Expr, PartitionChange, PartitionSpec};
use datafusion::sql::sqlparser::ast::Value;
use std::sync::Arc;

impl fmt::Display for Distribution {
    /// As SHOW CREATE TABLE shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DISTRIBUTED")?;
        if !self.columns.is_empty() {
            let columns: Vec<_> = self
                .columns
                .iter()
                .map(|column| quoted(&column.value))
                .collect();
            let kind = self.kind.unwrap_or_default();
            write!(f, " BY {kind}({})", columns.join(", "))?;
        }
        match self.n_buckets {
            Some(n_buckets) => write!(f, " INTO {n_buckets} BUCKETS"),
            None => Ok(()),
        }
    }
}

/// Whether the bucket keys of a distribution are physical columns of the table.
///
/// # Errors
/// A validation error at the first that is none, or for no buckets.
pub(super) fn check(table: &CatalogTable, distribution: &Distribution, script: &str) -> Result<()> {
    if distribution.n_buckets == Some(0) {
        return Err(fail(
            "the bucket count of a distribution must be greater than zero".to_owned(),
            None,
        ));
    }
    for name in &distribution.columns {
        let physical = |column: &&super::Column| matches!(column.source, ColumnSource::Physical);
        let mut names = table
            .columns
            .iter()
            .filter(physical)
            .map(|column| column.name.as_str());
        if !names.clone().any(|known| known == name.value) {
            let message = format!(
                "invalid bucket key '{}': a bucket key of a distribution is a physical column",
                name.value
            );
            let hint = did_you_mean(&name.value, &mut names);
            return Err(at_name(fail(message, hint), script, name));
        }
    }
    Ok(())
}

/// The table with partitions added or dropped.
///
/// # Errors
/// A table error if the table is not partitioned, the keys are not its keys, or a partition exists
/// already (is missing) and `if_exists` is not set.
pub(super) fn change_partitions(table: &mut CatalogTable, change: &PartitionChange) -> Result<()> {
    if table.partition_keys.is_empty() {
        if change.drops && change.if_exists {
            return Ok(());
        }
        return Err(table_error("the table is not partitioned".to_owned()));
    }
    for spec in &change.partitions {
        let values = values_of(spec);
        let known = table
            .partitions
            .iter()
            .position(|partition| is_same(partition, &values));
        match (known, change.drops) {
            (Some(idx), true) => {
                table.partitions.remove(idx);
            }
            (None, false) => {
                let names = values.iter().map(|(name, _)| name);
                if values.len() != table.partition_keys.len()
                    || !names
                        .into_iter()
                        .all(|name| table.partition_keys.contains(name))
                {
                    return Err(table_error(format!(
                        "the partition '{}' does not have the keys of the table: {}",
                        partition_name(&values),
                        table.partition_keys.join(", ")
                    )));
                }
                table.partitions.push(values);
            }
            _ if change.if_exists => {}
            (Some(_), false) => {
                let name = partition_name(&values);
                return Err(table_error(format!("partition '{name}' already exists")));
            }
            (None, true) => {
                let name = partition_name(&values);
                return Err(table_error(format!("partition '{name}' does not exist")));
            }
        }
    }
    Ok(())
}

/// The names of the partitions that have the values of `PARTITION (…)`, in the order in which they
/// were added.
pub(super) fn partition_names(table: &CatalogTable, wanted: &PartitionSpec) -> Vec<String> {
    let wanted = values_of(wanted);
    table
        .partitions
        .iter()
        .filter(|partition| wanted.iter().all(|value| partition.contains(value)))
        .map(|partition| partition_name(partition))
        .collect()
}

fn is_same(one: &[(String, String)], other: &[(String, String)]) -> bool {
    one.len() == other.len() && one.iter().all(|value| other.contains(value))
}

/// `k=v/k=v`.
fn partition_name(values: &[(String, String)]) -> String {
    let parts: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("/")
}

fn values_of(spec: &PartitionSpec) -> Vec<(String, String)> {
    spec.iter()
        .filter_map(|(name, value)| Some((name.value.clone(), value_text(value.as_ref()?))))
        .collect()
}

/// The text of a partition's value: without the quotes of a string.
fn value_text(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn table_error(message: String) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::table(message)))
}
