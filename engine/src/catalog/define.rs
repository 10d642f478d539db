//! CREATE TABLE: from what a statement says to a table with resolved columns.
//!
//! The types of computed columns come from the planner, through [`ExpressionTypes`]; everything
//! else that can be wrong with a definition is found here.

use super::table::{CatalogTable, Column, ColumnSource, PrimaryKey, Watermark, is_rowtime_type};
use super::{at_name, distribution, fail, legacy_options};

use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::did_you_mean;
use crate::sql::statement::{
    ColumnDef, ColumnKind, CreateTable, ExprText, Ident, LikeClause, LikeMode, PrimaryKeyDef, Span,
    WatermarkDef,
};

/// The planner's part: types of expressions over columns.
pub trait ExpressionTypes {
    /// The type of an expression over `columns`.
    ///
    /// # Errors
    /// If it names something that is not there, or its types do not fit.
    fn type_of(&self, expr: &ExprText, columns: &[Column]) -> Result<FlinkType>;
}

/// Makes the table of a statement. `base` is the table that LIKE names.
///
/// # Errors
/// For columns that exist twice, keys and watermarks over columns that do not exist or do not fit,
/// and expressions that cannot be typed. Errors carry their place in `script`.
pub fn define_table(
    create: &CreateTable,
    base: Option<&CatalogTable>,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<CatalogTable> {
    let mut table = match (&create.like, base) {
        (Some(like), Some(base)) => inherit(base, like),
        _ => CatalogTable::default(),
    };
    let merge = create.like.as_ref().map(Merge::of);
    for definition in &create.columns {
        add_column(&mut table, definition, merge.as_ref(), script)?;
    }
    if let Some(primary_key) = primary_key_of(create, script)? {
        refuse_nullable_key(&table, create, &primary_key, script)?;
        set_primary_key(&mut table, &primary_key, script)?;
    }
    resolve_computed(&mut table, script, types)?;
    if let Some(watermark) = &create.watermark {
        if table.watermark.is_some() && !overwrites_watermark(&table, watermark, merge.as_ref()) {
            let column = watermark.column.first();
            let error = fail(
                "the base table defines a watermark already".to_owned(),
                Some("write LIKE … (OVERWRITING WATERMARKS)".to_owned()),
            );
            return Err(column.map_or(error.clone(), |column| at_name(error, script, column)));
        }
        set_watermark(&mut table, watermark, script, types)?;
    }
    if create.comment.is_some() {
        table.comment.clone_from(&create.comment);
    }
    if let Some(distributed) = &create.distributed {
        if table.distributed.is_some() {
            return Err(fail(
                "the base table has a distribution already".to_owned(),
                Some("write LIKE … (EXCLUDING DISTRIBUTION)".to_owned()),
            ));
        }
        distribution::check(&table, distributed, script)?;
        table.distributed = Some(distributed.clone());
    }
    set_partitions(&mut table, &create.partitioned_by, script)?;
    set_options(&mut table, create, merge.as_ref(), script)?;
    table.options = legacy_options::translated(std::mem::take(&mut table.options));
    Ok(table)
}

/// OVERWRITING WATERMARKS is about the watermark of the same column.
fn overwrites_watermark(table: &CatalogTable, new: &WatermarkDef, merge: Option<&Merge>) -> bool {
    let old = table.watermark.as_ref().map(|watermark| &watermark.column);
    let is_same = old.is_some_and(|old| {
        old.iter()
            .map(String::as_str)
            .eq(new.column.iter().map(|name| name.value.as_str()))
    });
    is_same && merge.is_some_and(|merge| merge.watermarks == LikeMode::Overwriting)
}

/// What LIKE takes of each feature.
struct Merge {
    constraints: LikeMode,
    distribution: LikeMode,
    generated: LikeMode,
    metadata: LikeMode,
    options: LikeMode,
    partitions: LikeMode,
    watermarks: LikeMode,
}

impl Merge {
    /// Without rules: everything is taken, and options of the new table win.
    fn of(like: &LikeClause) -> Self {
        let all = like.rules.iter().find(|rule| rule.feature == "ALL");
        let mode = |feature: &str, default| {
            let rule = like.rules.iter().find(|rule| rule.feature == feature);
            // In Flink, ALL leaves distribution and partitions as they are.
            let all = all.filter(|_| !matches!(feature, "DISTRIBUTION" | "PARTITIONS"));
            rule.or(all).map_or(default, |rule| rule.mode)
        };
        Self {
            constraints: mode("CONSTRAINTS", LikeMode::Including),
            distribution: mode("DISTRIBUTION", LikeMode::Including),
            generated: mode("GENERATED", LikeMode::Including),
            metadata: mode("METADATA", LikeMode::Including),
            options: mode("OPTIONS", LikeMode::Overwriting),
            partitions: mode("PARTITIONS", LikeMode::Including),
            watermarks: mode("WATERMARKS", LikeMode::Including),
        }
    }
}

fn inherit(base: &CatalogTable, like: &LikeClause) -> CatalogTable {
    let merge = Merge::of(like);
    let takes = |mode: LikeMode| mode != LikeMode::Excluding;
    let columns = base.columns.iter().filter(|column| match column.source {
        ColumnSource::Physical => true,
        ColumnSource::Computed(_) => takes(merge.generated),
        ColumnSource::Metadata { .. } => takes(merge.metadata),
    });
    CatalogTable {
        columns: columns.cloned().collect(),
        watermark: base.watermark.clone().filter(|_| takes(merge.watermarks)),
        primary_key: base
            .primary_key
            .clone()
            .filter(|_| takes(merge.constraints)),
        comment: None,
        partition_keys: if takes(merge.partitions) {
            base.partition_keys.clone()
        } else {
            Vec::new()
        },
        partitions: Vec::new(),
        distributed: base
            .distributed
            .clone()
            .filter(|_| takes(merge.distribution)),
        materialized: None,
        options: if takes(merge.options) {
            base.options.clone()
        } else {
            Vec::new()
        },
        attachment: None,
    }
}

fn add_column(
    table: &mut CatalogTable,
    definition: &ColumnDef,
    merge: Option<&Merge>,
    script: &str,
) -> Result<()> {
    let column = to_column(definition);
    let Some(existing) = table
        .columns
        .iter_mut()
        .find(|other| other.name == column.name)
    else {
        check_metadata_key(table, &column)
            .map_err(|error| at_name(error, script, &definition.name))?;
        table.columns.push(column);
        return Ok(());
    };
    let overwrites = match (&existing.source, &column.source, merge) {
        (ColumnSource::Computed(_), ColumnSource::Computed(_), Some(merge)) => {
            merge.generated == LikeMode::Overwriting
        }
        (ColumnSource::Metadata { .. }, ColumnSource::Metadata { .. }, Some(merge)) => {
            merge.metadata == LikeMode::Overwriting
        }
        _ => false,
    };
    if overwrites {
        *existing = column;
        return Ok(());
    }
    let message = if merge.is_some() {
        format!(
            "a column named '{}' already exists in the base table",
            column.name
        )
    } else {
        format!(
            "a column named '{}' already exists in the table",
            column.name
        )
    };
    Err(at_name(fail(message, None), script, &definition.name))
}

/// Refuses a second column of one metadata key.
fn check_metadata_key(table: &CatalogTable, column: &Column) -> Result<()> {
    let key_of = |column: &Column| match &column.source {
        ColumnSource::Metadata { from, .. } => {
            Some(from.clone().unwrap_or_else(|| column.name.clone()))
        }
        _ => None,
    };
    let Some(key) = key_of(column) else {
        return Ok(());
    };
    let known = table
        .columns
        .iter()
        .find(|other| key_of(other).as_ref() == Some(&key));
    match known {
        None => Ok(()),
        Some(known) => Err(fail(
            format!(
                "the columns '{}' and '{}' of the table are both from the same metadata key '{key}'",
                known.name, column.name
            ),
            Some("make one of them a computed column over the other".to_owned()),
        )),
    }
}

/// The column of a definition; the type of a computed one is not known yet.
pub(super) fn to_column(definition: &ColumnDef) -> Column {
    let (flink_type, source) = match &definition.kind {
        ColumnKind::Physical { flink_type, .. } => (flink_type.clone(), ColumnSource::Physical),
        ColumnKind::Computed(expr) => (
            FlinkType::nullable(crate::data::types::TypeRoot::Null),
            ColumnSource::Computed(expr.clone()),
        ),
        ColumnKind::Metadata {
            flink_type,
            from,
            is_virtual,
        } => (
            flink_type.clone(),
            ColumnSource::Metadata {
                from: from.clone(),
                is_virtual: *is_virtual,
            },
        ),
    };
    Column {
        name: definition.name.value.clone(),
        flink_type,
        source,
        comment: definition.comment.clone(),
    }
}

/// The key of the statement: at the table, or behind one column.
fn primary_key_of(create: &CreateTable, script: &str) -> Result<Option<PrimaryKeyDef>> {
    let mut found = create.primary_key.clone();
    for column in &create.columns {
        let ColumnKind::Physical {
            primary_key: true, ..
        } = column.kind
        else {
            continue;
        };
        if found.is_some() {
            let error = fail("a table has only one primary key".to_owned(), None);
            return Err(at_name(error, script, &column.name));
        }
        found = Some(PrimaryKeyDef {
            name: None,
            columns: vec![column.name.clone()],
        });
    }
    Ok(found)
}

/// A key makes columns NOT NULL only if the statement defines them itself.
fn refuse_nullable_key(
    table: &CatalogTable,
    create: &CreateTable,
    primary_key: &PrimaryKeyDef,
    script: &str,
) -> Result<()> {
    for name in &primary_key.columns {
        let is_defined = create.columns.iter().any(|column| column.name == *name);
        let inherited = table.column(&name.value).filter(|_| !is_defined);
        if inherited.is_some_and(|column| column.flink_type.nullable) {
            let message = format!("invalid primary key: column '{}' is nullable", name.value);
            return Err(at_name(fail(message, None), script, name));
        }
    }
    Ok(())
}

/// Sets the key: its columns are physical, named once, and no longer nullable.
pub(super) fn set_primary_key(
    table: &mut CatalogTable,
    definition: &PrimaryKeyDef,
    script: &str,
) -> Result<()> {
    if table.primary_key.is_some() {
        let error = fail("the table has a primary key already".to_owned(), None);
        return Err(match definition.columns.first() {
            Some(column) => at_name(error, script, column),
            None => error,
        });
    }
    let mut names: Vec<String> = Vec::new();
    for ident in &definition.columns {
        let name = &ident.value;
        if names.contains(name) {
            let message = format!("the primary key names the column '{name}' twice");
            return Err(at_name(fail(message, None), script, ident));
        }
        let Some(column) = table.columns.iter_mut().find(|column| column.name == *name) else {
            return Err(at_name(
                unknown_column(table, "primary key column", name),
                script,
                ident,
            ));
        };
        if !matches!(column.source, ColumnSource::Physical) {
            let message = format!("primary key column '{name}' is not a physical column");
            return Err(at_name(fail(message, None), script, ident));
        }
        column.flink_type.nullable = false;
        names.push(name.clone());
    }
    table.primary_key = Some(PrimaryKey {
        name: definition
            .name
            .clone()
            .unwrap_or_else(|| format!("PK_{}", names.join("_"))),
        columns: names,
    });
    Ok(())
}

/// The error for a column that a definition names and the table does not have.
pub(super) fn unknown_column(table: &CatalogTable, what: &str, name: &str) -> EngineError {
    let names = table.columns.iter().map(|column| column.name.as_str());
    fail(
        format!("{what} '{name}' is not defined in the schema"),
        did_you_mean(name, names),
    )
}

/// Types every computed column over the columns that are not computed.
pub(super) fn resolve_computed(
    table: &mut CatalogTable,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<()> {
    let inputs: Vec<Column> = inputs_of(table);
    for column in &mut table.columns {
        if let ColumnSource::Computed(expr) = &column.source {
            column.flink_type = types
                .type_of(expr, &inputs)
                .map_err(|error| super::at(error, script, expr.span))?;
        }
    }
    Ok(())
}

fn inputs_of(table: &CatalogTable) -> Vec<Column> {
    table
        .columns
        .iter()
        .filter(|column| !matches!(column.source, ColumnSource::Computed(_)))
        .cloned()
        .collect()
}

/// Sets the watermark: its column must be a timestamp of at most milliseconds.
pub(super) fn set_watermark(
    table: &mut CatalogTable,
    definition: &WatermarkDef,
    script: &str,
    types: &dyn ExpressionTypes,
) -> Result<()> {
    let Some(first) = definition.column.first() else {
        return Err(EngineError::internal("a watermark without a column"));
    };
    let span = Span::union_iter(definition.column.iter().map(|part| part.span));
    let here = |error| super::at(error, script, span);
    if definition.column.len() > 1 {
        let path: Vec<&str> = definition
            .column
            .iter()
            .map(|part| part.value.as_str())
            .collect();
        return Err(here(fail(
            format!(
                "invalid column name '{}' for the rowtime of a watermark: it is a column of the \
                 table, not a field of one",
                path.join(".")
            ),
            Some("compute a column of the field, e.g. `event_time` AS …".to_owned()),
        )));
    }
    let Some(column) = table.column(&first.value) else {
        return Err(here(unknown_column(
            table,
            "watermark column",
            &first.value,
        )));
    };
    if !is_rowtime_type(&column.flink_type) {
        return Err(here(fail(
            format!(
                "invalid data type of time field '{}' for watermark definition: it must be \
                 TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3, but it is {}",
                first.value,
                column.flink_type.root_text()
            ),
            Some(format!(
                "compute one, e.g. `event_time` AS CAST({} AS TIMESTAMP(3))",
                super::quoted(&first.value)
            )),
        )));
    }
    let expr_type = types
        .type_of(&definition.expr, &table.columns)
        .map_err(|error| super::at(error, script, definition.expr.span))?;
    if !is_rowtime_type(&expr_type) {
        let error = fail(
            format!(
                "invalid data type of expression for watermark definition: it must be \
                 TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3, but it is {}",
                expr_type.root_text()
            ),
            None,
        );
        return Err(super::at(error, script, definition.expr.span));
    }
    table.watermark = Some(Watermark {
        column: vec![first.value.clone()],
        expr: definition.expr.clone(),
    });
    Ok(())
}

fn set_partitions(table: &mut CatalogTable, keys: &[Ident], script: &str) -> Result<()> {
    if let Some(key) = keys.first()
        && !table.partition_keys.is_empty()
    {
        let error = fail(
            "the base table has partitions already".to_owned(),
            Some("write LIKE … (EXCLUDING PARTITIONS)".to_owned()),
        );
        return Err(at_name(error, script, key));
    }
    for key in keys {
        let Some(column) = table.column(&key.value) else {
            let error = unknown_column(table, "partition column", &key.value);
            return Err(at_name(error, script, key));
        };
        if !matches!(column.source, ColumnSource::Physical) {
            let message = format!("partition key '{}' is not a physical column", key.value);
            return Err(at_name(fail(message, None), script, key));
        }
    }
    if !keys.is_empty() {
        table.partition_keys = keys.iter().map(|key| key.value.clone()).collect();
    }
    Ok(())
}

fn set_options(
    table: &mut CatalogTable,
    create: &CreateTable,
    merge: Option<&Merge>,
    script: &str,
) -> Result<()> {
    for option in &create.options {
        let existing = table.options.iter_mut().find(|(key, _)| *key == option.key);
        match existing {
            None => table
                .options
                .push((option.key.clone(), option.value.clone())),
            Some(_) if merge.is_some_and(|merge| merge.options == LikeMode::Including) => {
                let error = fail(
                    format!("the base table has the option '{}' already", option.key),
                    Some("write LIKE … (OVERWRITING OPTIONS)".to_owned()),
                );
                return Err(super::at(error, script, option.key_span));
            }
            Some((_, value)) => value.clone_from(&option.value),
        }
    }
    Ok(())
}
