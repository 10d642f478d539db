//! What could be written at the cursor.
//!
//! ```text
//!   SELECT pro| FROM access_log      columns of access_log, functions, keywords
//!   SELECT * FROM acc|               tables, databases, catalogs
//!   SELECT l.| FROM access_log l     columns of access_log
//!   … WITH ('connector' = 'f|')      connectors; the keys of the chosen connector before `=`
//!   SET 'table.|'                    keys of the configuration
//! ```
//!
//! The text need not be a statement yet, so it is split into words here and not parsed; only the
//! statement around the cursor counts.

mod lexemes;

mod place;

#[cfg(test)]
mod tests;

use super::reserved::is_reserved;
use lexemes::{is_word_char, split, statement_around};
use place::Place;

/// The names that exist now: what the session knows.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Tables and views, by the shortest path that finds them.
    pub tables: Vec<TableWords>,
    /// Functions.
    pub functions: Vec<String>,
    /// Catalogs.
    pub catalogs: Vec<String>,
    /// Databases of the current catalog.
    pub databases: Vec<String>,
    /// Connectors.
    pub connectors: Vec<ConnectorWords>,
    /// Formats.
    pub formats: Vec<String>,
    /// Keys of the configuration.
    pub settings: Vec<String>,
}

/// A table or view that can be completed.
#[derive(Debug, Clone, Default)]
pub struct TableWords {
    /// One to three names.
    pub path: Vec<String>,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A connector that can be completed.
#[derive(Debug, Clone, Default)]
pub struct ConnectorWords {
    /// Its identifier.
    pub identifier: String,
    /// Keys of its options, those of its formats among them.
    pub options: Vec<String>,
}

/// What a completion is, in the order in which completions are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletionKind {
    /// A column.
    Column,
    /// A table or view.
    Table,
    /// A function.
    Function,
    /// A database.
    Database,
    /// A catalog.
    Catalog,
    /// The key of an option.
    Option,
    /// The value of an option.
    Value,
    /// A key of the configuration.
    Setting,
    /// A keyword.
    Keyword,
}

/// One thing that could be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Completion {
    /// What it is.
    pub kind: CompletionKind,
    /// The text that replaces the range; quoted if need be.
    pub text: String,
}

/// What could be written at a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completions {
    /// Where the replaced text begins, in bytes.
    pub start: usize,
    /// Where it ends: at the cursor, or behind the backtick that follows it.
    pub end: usize,
    /// What could be written there, by kind and name, without repetition.
    pub items: Vec<Completion>,
}

/// What could be written at byte `cursor` of `text`; a cursor inside of a character counts as
/// before it. Costs as much as the text is long.
#[must_use]
pub fn complete(text: &str, cursor: usize, vocabulary: &Vocabulary) -> Completions {
    let mut cursor = cursor.min(text.len());
    while !text.is_char_boundary(cursor) {
        cursor -= 1;
    }
    let lexemes = split(text);
    let statement = statement_around(&lexemes, cursor);
    let here = Place::find(text, statement, cursor);
    let mut items = here.candidates(vocabulary);
    let prefix = here.prefix.to_lowercase();
    items.retain(|item| {
        let name = item.text.trim_matches('`').to_lowercase();
        name.starts_with(&prefix) && name != prefix
    });
    let mut end = cursor;
    if here.is_quoted() {
        // In backticks there are only names; the one behind the cursor is replaced with them.
        items.retain(|item| {
            item.kind < CompletionKind::Option && item.kind != CompletionKind::Function
        });
        for item in &mut items {
            if !item.text.contains('`') {
                item.text = format!("`{}`", item.text);
            }
        }
        end += usize::from(text[cursor..].starts_with('`'));
    }
    items.sort();
    items.dedup();
    Completions {
        start: here.start,
        end,
        items,
    }
}

/// A name as it must be written: in backticks if it is reserved or no plain word.
#[must_use]
pub fn quote_if_needed(name: &str) -> String {
    let begins = name
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_');
    if begins && name.chars().all(is_word_char) && !is_reserved(name) {
        return name.to_owned();
    }
    format!("`{}`", name.replace('`', "``"))
}
