//! Help while a SQL cell is being written: what could stand at the cursor, and what a table has.
//! Positions count characters, as Jupyter's messages do.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use tidemill_engine::connectors::registry;
use tidemill_engine::session::Session;
use tidemill_engine::sql::complete::{
    CompletionKind, ConnectorWords, TableWords, Vocabulary, complete,
};

use crate::cell::{CellKind, classify};
use crate::display::format::type_text;
use crate::display::table::{TableOptions, table_grid};
use crate::mime::MimeBundle;

/// What could be written instead of the characters `start .. end` of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCompletions {
    /// First character that is replaced.
    pub start: usize,
    /// Behind the last one.
    pub end: usize,
    /// Texts, each with what it is: `column`, `table`, `keyword`, …
    pub items: Vec<(String, &'static str)>,
}

/// What could be written at character `cursor` of a SQL cell; `None` if the cell is Python.
///
/// Tables that the cell names are looked up, so that their columns can be offered.
#[must_use]
pub fn complete_cell(session: &Session, code: &str, cursor: usize) -> Option<CellCompletions> {
    if classify(code) != CellKind::Sql {
        return None;
    }
    let completions = complete(code, byte_of(code, cursor), &vocabulary(session, code));
    Some(CellCompletions {
        start: characters(code, completions.start),
        end: characters(code, completions.end),
        items: completions
            .items
            .into_iter()
            .map(|item| (item.text, kind_text(item.kind)))
            .collect(),
    })
}

/// The columns of the table whose name stands at character `cursor` of a SQL cell; `None` if the
/// cell is Python or there is no such table.
#[must_use]
pub fn inspect_cell(session: &Session, code: &str, cursor: usize) -> Option<MimeBundle> {
    if classify(code) != CellKind::Sql {
        return None;
    }
    let name = word_at(code, byte_of(code, cursor))?;
    let schema = session.table_schema(name).ok()?;
    let fields = schema.fields();
    let names = StringArray::from_iter_values(fields.iter().map(|field| field.name()));
    let types = StringArray::from_iter_values(fields.iter().map(|field| type_text(field)));
    let rows = RecordBatch::try_from_iter([
        ("column", Arc::new(names) as ArrayRef),
        ("type", Arc::new(types) as ArrayRef),
    ])
    .ok()?;
    let options = TableOptions {
        max_rows: fields.len(),
        ..TableOptions::default()
    };
    let mut grid = table_grid(&rows, fields.len() as u64, &options);
    for column in &mut grid.columns {
        column.caption.clear();
    }
    let text = format!("table {name}\n\n{}", grid.to_plain());
    Some(MimeBundle::plain(text).with_html(grid.to_html()))
}

fn vocabulary(session: &Session, code: &str) -> Vocabulary {
    // A view may be listed as a table too.
    let mut names = session.list_tables();
    names.extend(session.list_views());
    names.sort();
    names.dedup();
    let tables = names.into_iter().map(|name| TableWords {
        columns: columns_if_named(session, &name, code),
        path: vec![name],
    });
    Vocabulary {
        tables: tables.collect(),
        functions: session.callable_functions(),
        catalogs: session.list_catalogs(),
        databases: session.list_databases(),
        connectors: registry::factories()
            .iter()
            .map(|factory| ConnectorWords {
                identifier: factory.identifier().to_owned(),
                options: Vec::new(),
            })
            .collect(),
        formats: Vec::new(),
        settings: session.all_config().into_keys().collect(),
    }
}

/// Looking up a view plans its query: only done for what the cell speaks of.
fn columns_if_named(session: &Session, name: &str, code: &str) -> Vec<String> {
    if !code.contains(name) {
        return Vec::new();
    }
    match session.table_schema(name) {
        Ok(schema) => schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect(),
        // A table that cannot be read now has no columns to offer.
        Err(_) => Vec::new(),
    }
}

/// The name, with its dots, around a byte of the text.
fn word_at(code: &str, byte: usize) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let before = code.get(..byte)?;
    let start = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| is_part(*c))
        .last()
        .map_or(byte, |(at, _)| at);
    let after = code.get(byte..)?;
    let end = after
        .find(|c| !is_part(c))
        .map_or(code.len(), |at| byte + at);
    code.get(start..end).filter(|word| !word.is_empty())
}

fn byte_of(code: &str, character: usize) -> usize {
    code.char_indices()
        .nth(character)
        .map_or(code.len(), |(at, _)| at)
}

fn characters(code: &str, byte: usize) -> usize {
    code.char_indices().take_while(|(at, _)| *at < byte).count()
}

fn kind_text(kind: CompletionKind) -> &'static str {
    match kind {
        CompletionKind::Column => "column",
        CompletionKind::Table => "table",
        CompletionKind::Function => "function",
        CompletionKind::Database => "database",
        CompletionKind::Catalog => "catalog",
        CompletionKind::Option => "option",
        CompletionKind::Value => "value",
        CompletionKind::Setting => "setting",
        CompletionKind::Keyword => "keyword",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn session() -> Session {
        let session = Session::new(BTreeMap::new());
        session
            .create_temporary_view("visits", "SELECT CAST('x' AS STRING) AS province, 1 AS n")
            .expect("a view");
        session
    }

    #[test]
    fn columns_of_the_named_table_are_offered() {
        let code = "SELECT '省', pro FROM visits";
        let completions = complete_cell(&session(), code, 15).expect("a SQL cell");
        assert_eq!((completions.start, completions.end), (12, 15));
        assert!(
            completions
                .items
                .contains(&("province".to_owned(), "column"))
        );
    }

    #[test]
    fn python_is_left_to_others() {
        assert_eq!(complete_cell(&session(), "pro", 3), None);
        assert_eq!(inspect_cell(&session(), "visits", 3), None);
    }

    #[test]
    fn a_table_tells_its_columns() {
        let bundle = inspect_cell(&session(), "SELECT n FROM visits", 18).expect("a table");
        assert_eq!(
            bundle.data.get("text/plain").and_then(|text| text.as_str()),
            Some(
                "table visits\n\n column   | type\n----------+--------\n province | STRING\n n        | INT"
            )
        );
        assert_eq!(inspect_cell(&session(), "SELECT n FROM visits", 7), None);
    }
}
