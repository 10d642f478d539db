//! Definitions that are stored call functions by their whole paths: a view and a computed column mean
//! the same from every database, whatever temporary functions come later.

use super::Session;
use super::tables::TableView;
use crate::error::Result;
use crate::plan::function_names::qualify;
use crate::sql::statement::{
    AlterTableChange, ColumnDef, ColumnKind, CreateTable, QueryText, WatermarkDef,
};

/// The query with whole paths; its text stays as it was written.
///
/// # Errors
/// If a function that it calls cannot be found.
pub(super) fn in_query(session: &Session, query: &QueryText) -> Result<QueryText> {
    let mut query = query.clone();
    let config = session.planner_config();
    qualify(&mut query.query, &TableView::new(session, &config))?;
    Ok(query)
}

/// The table with whole paths in its computed columns and its watermark.
///
/// # Errors
/// As [`in_query`].
pub(super) fn in_table(session: &Session, create: &CreateTable) -> Result<CreateTable> {
    let mut create = create.clone();
    in_columns(session, create.columns.iter_mut())?;
    in_watermark(session, create.watermark.as_mut())?;
    Ok(create)
}

/// The change of a table with whole paths in what it adds.
///
/// # Errors
/// As [`in_query`].
pub(super) fn in_change(session: &Session, change: &AlterTableChange) -> Result<AlterTableChange> {
    let mut change = change.clone();
    if let AlterTableChange::Add(schema) | AlterTableChange::Modify(schema) = &mut change {
        in_columns(session, schema.columns.iter_mut().map(|(column, _)| column))?;
        in_watermark(session, schema.watermark.as_mut())?;
    }
    Ok(change)
}

fn in_columns<'a>(
    session: &Session,
    columns: impl Iterator<Item = &'a mut ColumnDef>,
) -> Result<()> {
    let config = session.planner_config();
    let tables = TableView::new(session, &config);
    for column in columns {
        if let ColumnKind::Computed(expr) = &mut column.kind {
            qualify(expr.expr.as_mut(), &tables)?;
        }
    }
    Ok(())
}

fn in_watermark(session: &Session, watermark: Option<&mut WatermarkDef>) -> Result<()> {
    let config = session.planner_config();
    match watermark {
        Some(watermark) => qualify(
            watermark.expr.expr.as_mut(),
            &TableView::new(session, &config),
        ),
        None => Ok(()),
    }
}
