//! ALTER TABLE: from a table and a change to the altered table.

use super::define::{
    ExpressionTypes, resolve_computed, set_primary_key, set_watermark, to_column, unknown_column,
};
use super::table::{CatalogTable, Column, ColumnSource};
use super::{at_name, distribution, fail};
use crate::error::{EngineError, Result};
use crate::sql::statement::{AlterTableChange, ColumnDef, ColumnPlace, Ident, SchemaChange};

/// The table after a change of its schema or options; RENAME TO is the catalog manager's.
///
/// # Errors
/// For columns that exist already or do not exist, and for columns that something else needs.
pub fn alter_table(
    table: &CatalogTable,
    change: &AlterTableChange,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<CatalogTable> {
    let mut altered = table.clone();
    match change {
        AlterTableChange::RenameTo(_) => {
            return Err(EngineError::internal("RENAME TO is no change of a table"));
        }
        AlterTableChange::RenameColumn { from, to } => {
            rename_column(&mut altered, from, to, script)?;
        }
        AlterTableChange::SetOptions(options) => {
            for option in options {
                match altered
                    .options
                    .iter_mut()
                    .find(|(key, _)| *key == option.key)
                {
                    Some((_, value)) => value.clone_from(&option.value),
                    None => altered
                        .options
                        .push((option.key.clone(), option.value.clone())),
                }
            }
        }
        AlterTableChange::ResetOptions(keys) => {
            if keys.is_empty() {
                return Err(fail(
                    "ALTER TABLE RESET does not support empty keys".to_owned(),
                    None,
                ));
            }
            if keys.iter().any(|key| key == "connector") {
                return Err(fail(
                    "the option 'connector' cannot be reset".to_owned(),
                    None,
                ));
            }
            altered.options.retain(|(key, _)| !keys.contains(key));
        }
        AlterTableChange::Add(change) => add(&mut altered, change, script, types)?,
        AlterTableChange::Modify(change) => modify(&mut altered, change, script, types)?,
        AlterTableChange::DropColumns(names) => {
            for name in names {
                drop_column(&mut altered, name, script)?;
            }
        }
        AlterTableChange::DropWatermark => {
            if altered.watermark.take().is_none() {
                return Err(fail("the table has no watermark".to_owned(), None));
            }
        }
        AlterTableChange::DropPrimaryKey(name) => drop_primary_key(&mut altered, name, script)?,
        AlterTableChange::DropDistribution => {
            if altered.distributed.take().is_none() {
                return Err(fail("the table has no distribution".to_owned(), None));
            }
        }
        AlterTableChange::Partitions(change) => {
            distribution::change_partitions(&mut altered, change)?;
        }
    }
    Ok(altered)
}

fn add(
    table: &mut CatalogTable,
    change: &SchemaChange,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<()> {
    for (definition, place) in &change.columns {
        let name = &definition.name;
        if table.column(&name.value).is_some() {
            let message = format!("column '{}' exists already in the table", name.value);
            return Err(at_name(fail(message, None), script, name));
        }
        place_column(table, to_column(definition), place, script)?;
    }
    resolve_computed(table, script, types)?;
    if let Some(primary_key) = &change.primary_key {
        set_primary_key(table, primary_key, script)?;
    }
    if let Some(watermark) = &change.watermark {
        if table.watermark.is_some() {
            return Err(fail(
                "the table has a watermark already".to_owned(),
                Some("write ALTER TABLE … MODIFY WATERMARK".to_owned()),
            ));
        }
        set_watermark(table, watermark, script, types)?;
    }
    if let Some(distributed) = &change.distributed {
        if table.distributed.is_some() {
            return Err(fail(
                "the table has a distribution already".to_owned(),
                Some("write ALTER TABLE … MODIFY DISTRIBUTION".to_owned()),
            ));
        }
        distribution::check(table, distributed, script)?;
        table.distributed = Some(distributed.clone());
    }
    Ok(())
}

fn modify(
    table: &mut CatalogTable,
    change: &SchemaChange,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<()> {
    for (idx, (definition, place)) in change.columns.iter().enumerate() {
        let mut before = change.columns.iter().take(idx);
        if before.any(|(other, _)| other.name.value == definition.name.value) {
            let message = format!("column '{}' is modified twice", definition.name.value);
            return Err(at_name(fail(message, None), script, &definition.name));
        }
        modify_column(table, definition, place, script)?;
    }
    resolve_computed(table, script, types)?;
    if let Some(primary_key) = &change.primary_key {
        if table.primary_key.take().is_none() {
            return Err(fail("the table has no primary key".to_owned(), None));
        }
        set_primary_key(table, primary_key, script)?;
    }
    if let Some(watermark) = &change.watermark {
        if table.watermark.take().is_none() {
            return Err(fail("the table has no watermark".to_owned(), None));
        }
        set_watermark(table, watermark, script, types)?;
    }
    if let Some(distributed) = &change.distributed {
        if table.distributed.is_none() {
            return Err(fail("the table has no distribution".to_owned(), None));
        }
        distribution::check(table, distributed, script)?;
        table.distributed = Some(distributed.clone());
    }
    Ok(())
}

fn modify_column(
    table: &mut CatalogTable,
    definition: &ColumnDef,
    place: &ColumnPlace,
    script: &str,
) -> Result<()> {
    let name = &definition.name;
    let position = table
        .columns
        .iter()
        .position(|column| column.name == name.value);
    let Some(idx) = position else {
        return Err(at_name(
            unknown_column(table, "column", &name.value),
            script,
            name,
        ));
    };
    let old = table.columns.remove(idx);
    let mut column = to_column(definition);
    column.comment = column.comment.or(old.comment);
    if is_in_key(table, &name.value) {
        column.flink_type.nullable = false;
    }
    match place {
        ColumnPlace::Unsaid => {
            table.columns.insert(idx, column);
            Ok(())
        }
        place => place_column(table, column, place, script),
    }
}

fn place_column(
    table: &mut CatalogTable,
    column: Column,
    place: &ColumnPlace,
    script: &str,
) -> Result<()> {
    let idx = match place {
        ColumnPlace::Unsaid => table.columns.len(),
        ColumnPlace::First => 0,
        ColumnPlace::After(name) => {
            let found = table
                .columns
                .iter()
                .position(|column| column.name == name.value);
            match found {
                Some(idx) => idx + 1,
                None => {
                    let error = unknown_column(table, "column", &name.value);
                    return Err(at_name(error, script, name));
                }
            }
        }
    };
    table.columns.insert(idx, column);
    Ok(())
}

fn rename_column(table: &mut CatalogTable, from: &Ident, to: &Ident, script: &str) -> Result<()> {
    if table.column(&to.value).is_some() {
        let message = format!("column '{}' exists already in the table", to.value);
        return Err(at_name(fail(message, None), script, to));
    }
    refuse_if_used(table, from, script)?;
    let column = table
        .columns
        .iter_mut()
        .find(|column| column.name == from.value);
    let Some(column) = column else {
        return Err(at_name(
            unknown_column(table, "column", &from.value),
            script,
            from,
        ));
    };
    column.name.clone_from(&to.value);
    let keys = table
        .primary_key
        .iter_mut()
        .flat_map(|key| &mut key.columns);
    for name in keys.chain(&mut table.partition_keys) {
        if *name == from.value {
            name.clone_from(&to.value);
        }
    }
    Ok(())
}

fn drop_column(table: &mut CatalogTable, name: &Ident, script: &str) -> Result<()> {
    if table.column(&name.value).is_none() {
        return Err(at_name(
            unknown_column(table, "column", &name.value),
            script,
            name,
        ));
    }
    refuse_if_used(table, name, script)?;
    let used_as = if is_in_key(table, &name.value) {
        Some("a primary key column")
    } else if table.partition_keys.contains(&name.value) {
        Some("a partition key")
    } else {
        None
    };
    if let Some(role) = used_as {
        let message = format!("column '{}' cannot be dropped: it is {role}", name.value);
        return Err(at_name(fail(message, None), script, name));
    }
    table.columns.retain(|column| column.name != name.value);
    Ok(())
}

/// A column that an expression of the table reads keeps its name and its place.
fn refuse_if_used(table: &CatalogTable, name: &Ident, script: &str) -> Result<()> {
    let reader = table.columns.iter().find(|column| match &column.source {
        ColumnSource::Computed(expr) => reads(&expr.expr, &name.value),
        _ => false,
    });
    let by_watermark = table.watermark.as_ref().is_some_and(|watermark| {
        watermark.column.first() == Some(&name.value) || reads(&watermark.expr.expr, &name.value)
    });
    let user = match (reader, by_watermark) {
        (Some(column), _) => format!("the computed column '{}'", column.name),
        (None, true) => "the watermark".to_owned(),
        (None, false) => return Ok(()),
    };
    let message = format!("column '{}' is used by {user}", name.value);
    Err(at_name(fail(message, None), script, name))
}

fn reads(expr: &crate::sql::statement::Expr, name: &str) -> bool {
    use std::ops::ControlFlow;

    use datafusion::sql::sqlparser::ast::{Expr, visit_expressions};

    let found = visit_expressions(expr, |expr| {
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        if ident.is_some_and(|ident| ident.value == name) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found.is_break()
}

fn is_in_key(table: &CatalogTable, name: &str) -> bool {
    let key = table.primary_key.as_ref();
    key.is_some_and(|key| key.columns.iter().any(|column| column == name))
}

fn drop_primary_key(table: &mut CatalogTable, name: &Option<Ident>, script: &str) -> Result<()> {
    let Some(key) = &table.primary_key else {
        return Err(fail("the table has no primary key".to_owned(), None));
    };
    if let Some(name) = name
        && name.value != key.name
    {
        let message = format!("the table has no constraint '{}'", name.value);
        let hint = Some(format!("its primary key is called '{}'", key.name));
        return Err(at_name(fail(message, hint), script, name));
    }
    table.primary_key = None;
    Ok(())
}
