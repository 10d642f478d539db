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

use super::parser::STATEMENT_WORDS;
use super::reserved::is_reserved;

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

/// Words behind which a table is named.
const BEFORE_TABLES: &str = "FROM JOIN INTO OVERWRITE TABLE VIEW DESC DESCRIBE LIKE";
const SHOW_WORDS: &str = "CATALOGS COLUMNS CREATE CURRENT DATABASES FULL FUNCTIONS JOBS MODULES PARTITIONS TABLES USER \
    VIEWS";
const OBJECT_WORDS: &str = "CATALOG DATABASE FUNCTION OR REPLACE TABLE TEMPORARY VIEW";
const CLAUSE_WORDS: &str = "ALL AND AS ASC BETWEEN BY CASE CAST COMMENT CROSS DESC DISTINCT ELSE END ENFORCED EXCEPT \
    EXISTS FILTER FOR FROM FULL GROUP HAVING IF IN INNER INTERSECT INTERVAL INTO IS JOIN KEY \
    LEFT LIKE LIMIT METADATA NOT NULL ON OR ORDER OVER PARTITION PARTITIONED PRIMARY RIGHT THEN \
    UNION VALUES WATERMARK WHEN WHERE WITH";

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

// --- words ------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LexemeKind {
    Word,
    /// In backticks.
    Quoted,
    /// In single quotes.
    Text,
    Comment,
    Symbol(char),
}

#[derive(Debug, Clone, Copy)]
struct Lexeme<'a> {
    kind: LexemeKind,
    /// Without quotes.
    value: &'a str,
    /// With quotes.
    start: usize,
    end: usize,
    /// Whether it goes on at its end: a word, a quote without its end, a comment up to a line end.
    is_open: bool,
}

impl Lexeme<'_> {
    fn is(&self, word: &str) -> bool {
        self.kind == LexemeKind::Word && self.value.eq_ignore_ascii_case(word)
    }

    fn is_symbol(&self, symbol: char) -> bool {
        self.kind == LexemeKind::Symbol(symbol)
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, LexemeKind::Word | LexemeKind::Quoted)
    }
}

fn split(text: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = Vec::new();
    let mut start = 0;
    while let Some(c) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = if c.is_whitespace() {
            start += c.len_utf8();
            continue;
        } else if rest.starts_with("--") {
            (LexemeKind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            (LexemeKind::Comment, end)
        } else if c == '\'' {
            let length = quoted_length(rest, c).unwrap_or(rest.len());
            (LexemeKind::Text, length)
        } else if c == '`' {
            // A name that is being written has no end yet, and must not swallow the statement.
            let word = rest[1..]
                .find(|c| !is_word_char(c))
                .map_or(rest.len(), |end| end + 1);
            (LexemeKind::Quoted, quoted_length(rest, c).unwrap_or(word))
        } else if is_word_char(c) {
            let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            (LexemeKind::Word, end)
        } else {
            (LexemeKind::Symbol(c), c.len_utf8())
        };
        let end = start + length;
        let is_quoted = matches!(kind, LexemeKind::Text | LexemeKind::Quoted);
        let is_closed = match kind {
            LexemeKind::Text | LexemeKind::Quoted => length > 1 && text[..end].ends_with(c),
            LexemeKind::Comment => text[..end].ends_with("*/"),
            LexemeKind::Word => false,
            LexemeKind::Symbol(_) => true,
        };
        lexemes.push(Lexeme {
            kind,
            value: &text[start + usize::from(is_quoted)..end - usize::from(is_quoted && is_closed)],
            start,
            end,
            is_open: !is_closed,
        });
        start = end;
    }
    lexemes
}

/// Length of a quoted text that begins here, if it ends; a doubled quote does not end it.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut offset = 1;
    while let Some(found) = text[offset..].find(quote) {
        offset += found + 1;
        if !text[offset..].starts_with(quote) {
            return Some(offset);
        }
        offset += 1;
    }
    None
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn statement_around<'a, 'b>(lexemes: &'b [Lexeme<'a>], cursor: usize) -> &'b [Lexeme<'a>] {
    let is_end = |lexeme: &Lexeme| lexeme.is_symbol(';');
    let from = lexemes
        .iter()
        .rposition(|lexeme| is_end(lexeme) && lexeme.end <= cursor)
        .map_or(0, |idx| idx + 1);
    let rest = lexemes.get(from..).unwrap_or_default();
    let to = rest.iter().position(is_end).unwrap_or(rest.len());
    rest.get(..to).unwrap_or_default()
}

// --- places -----------------------------------------------------------------------------------

/// The cursor in its statement.
struct Place<'a, 'b> {
    /// The whole statement, also behind the cursor; without comments.
    statement: Vec<&'b Lexeme<'a>>,
    /// What is before the word at the cursor.
    before: Vec<&'b Lexeme<'a>>,
    /// The word at the cursor, if it is in one.
    current: Option<&'b Lexeme<'a>>,
    /// The word's part before the cursor.
    prefix: &'a str,
    /// Where the prefix begins.
    start: usize,
}

impl<'a, 'b> Place<'a, 'b> {
    fn find(text: &'a str, lexemes: &'b [Lexeme<'a>], cursor: usize) -> Self {
        let current = lexemes.iter().find(|lexeme| {
            let ends_later = cursor < lexeme.end || (lexeme.is_open && cursor == lexeme.end);
            lexeme.start < cursor && ends_later
        });
        let before = lexemes.iter().filter(|lexeme| {
            lexeme.kind != LexemeKind::Comment
                && current.map_or(lexeme.end <= cursor, |current| lexeme.end <= current.start)
        });
        let start = match current {
            None => cursor,
            Some(word) if word.kind == LexemeKind::Text => word.start + 1,
            Some(word) => word.start,
        };
        Self {
            before: before.collect(),
            statement: lexemes
                .iter()
                .filter(|lexeme| lexeme.kind != LexemeKind::Comment)
                .collect(),
            current,
            prefix: text[start..cursor].trim_start_matches('`'),
            start,
        }
    }

    fn is_quoted(&self) -> bool {
        self.current
            .is_some_and(|lexeme| lexeme.kind == LexemeKind::Quoted)
    }

    fn candidates(&self, vocabulary: &Vocabulary) -> Vec<Completion> {
        match self.current.map(|lexeme| lexeme.kind) {
            Some(LexemeKind::Comment) => return Vec::new(),
            Some(LexemeKind::Text) => return self.texts(vocabulary),
            _ => {}
        }
        let last = self.before.last();
        let Some(last) = last else {
            return self.keywords(STATEMENT_WORDS);
        };
        if last.is_symbol('.') {
            return self.members(vocabulary);
        }
        if last.is("SHOW") {
            return self.keywords(SHOW_WORDS.split(' '));
        }
        if ["CREATE", "DROP", "ALTER"].iter().any(|word| last.is(word)) {
            return self.keywords(OBJECT_WORDS.split(' '));
        }
        if last.is("USE") {
            let mut items = names(CompletionKind::Database, &vocabulary.databases);
            items.extend(self.keywords(["CATALOG"]));
            return items;
        }
        if last.is("CATALOG") {
            return names(CompletionKind::Catalog, &vocabulary.catalogs);
        }
        if self.names_a_table(last) {
            let mut items = tables(vocabulary);
            items.extend(names(CompletionKind::Database, &vocabulary.databases));
            items.extend(names(CompletionKind::Catalog, &vocabulary.catalogs));
            return items;
        }
        let mut items = self.columns(vocabulary);
        items.extend(vocabulary.functions.iter().map(|name| Completion {
            kind: CompletionKind::Function,
            text: name.clone(),
        }));
        items.extend(self.keywords(CLAUSE_WORDS.split(' ')));
        items.extend(self.keywords(["SELECT"]));
        items
    }

    /// Behind FROM and its like; behind a comma if FROM is the last of the clauses before it.
    fn names_a_table(&self, last: &Lexeme) -> bool {
        if BEFORE_TABLES.split(' ').any(|word| last.is(word)) {
            return true;
        }
        let clause = self.before.iter().rev().find(|lexeme| {
            ["SELECT", "FROM", "WHERE", "GROUP", "ORDER", "ON", "HAVING"]
                .iter()
                .any(|word| lexeme.is(word))
        });
        last.is_symbol(',') && clause.is_some_and(|clause| clause.is("FROM"))
    }

    /// The tables that the statement names behind FROM, JOIN, INTO or UPDATE, with their aliases.
    fn tables_in_use<'v>(&self, vocabulary: &'v Vocabulary) -> Vec<(Vec<&str>, &'v TableWords)> {
        let mut found = Vec::new();
        for (idx, lexeme) in self.statement.iter().enumerate() {
            let opens = ["FROM", "JOIN", "INTO", "OVERWRITE"]
                .iter()
                .any(|word| lexeme.is(word));
            let separates = lexeme.is_symbol(',');
            if !opens && !separates {
                continue;
            }
            let rest = self.statement.get(idx + 1..).unwrap_or_default();
            let (path, behind) = path_of(rest);
            let table = vocabulary.tables.iter().find(|table| {
                !path.is_empty()
                    && table
                        .path
                        .iter()
                        .map(String::as_str)
                        .eq(path.iter().copied())
            });
            let Some(table) = table else { continue };
            let mut qualifiers: Vec<&str> = path.last().copied().into_iter().collect();
            let alias = match behind {
                [word, alias, ..] if word.is("AS") && alias.is_name() => Some(alias.value),
                [alias, ..] if alias.is_name() && !is_reserved(alias.value) => Some(alias.value),
                _ => None,
            };
            qualifiers.extend(alias);
            found.push((qualifiers, table));
        }
        found
    }

    fn columns(&self, vocabulary: &Vocabulary) -> Vec<Completion> {
        self.tables_in_use(vocabulary)
            .into_iter()
            .flat_map(|(_, table)| names(CompletionKind::Column, &table.columns))
            .collect()
    }

    /// Behind `x.`: columns of the table or alias x, or what is in the database or catalog x.
    fn members(&self, vocabulary: &Vocabulary) -> Vec<Completion> {
        let mut path: Vec<&str> = Vec::new();
        let mut rest = self.before.as_slice();
        while let [head @ .., name, dot] = rest
            && dot.is_symbol('.')
            && name.is_name()
        {
            path.insert(0, name.value);
            rest = head;
        }
        let mut items = Vec::new();
        if let [qualifier] = path.as_slice() {
            for (qualifiers, table) in self.tables_in_use(vocabulary) {
                if qualifiers.contains(qualifier) {
                    items.extend(names(CompletionKind::Column, &table.columns));
                }
            }
        }
        for table in &vocabulary.tables {
            let begins =
                table.path.len() > path.len() && path.iter().zip(&table.path).all(|(a, b)| a == b);
            if begins && let Some(next) = table.path.get(path.len()) {
                items.extend(names(CompletionKind::Table, std::slice::from_ref(next)));
            }
        }
        items
    }

    /// Inside of single quotes: options and settings.
    fn texts(&self, vocabulary: &Vocabulary) -> Vec<Completion> {
        let first = self.before.first();
        let is_value = self.before.last().is_some_and(|last| last.is_symbol('='));
        if first.is_some_and(|word| word.is("SET") || word.is("RESET")) {
            return if is_value {
                Vec::new()
            } else {
                plain(CompletionKind::Setting, &vocabulary.settings)
            };
        }
        let in_options = self
            .before
            .iter()
            .any(|word| word.is("WITH") || word.is("OPTIONS") || word.is("SET"));
        if !in_options {
            return Vec::new();
        }
        if is_value {
            let key = self.before.iter().rev().nth(1).map_or("", |key| key.value);
            return match key {
                "connector" => vocabulary
                    .connectors
                    .iter()
                    .map(|connector| Completion {
                        kind: CompletionKind::Value,
                        text: connector.identifier.clone(),
                    })
                    .collect(),
                "format" | "key.format" | "value.format" => {
                    plain(CompletionKind::Value, &vocabulary.formats)
                }
                _ => Vec::new(),
            };
        }
        let mut items = vec![Completion {
            kind: CompletionKind::Option,
            text: "connector".to_owned(),
        }];
        if let Some(connector) = self.chosen_connector() {
            let known = vocabulary
                .connectors
                .iter()
                .find(|known| known.identifier == connector);
            if let Some(known) = known {
                items.extend(plain(CompletionKind::Option, &known.options));
            }
        }
        items
    }

    /// The value of `'connector'` in the statement.
    fn chosen_connector(&self) -> Option<&str> {
        self.statement.windows(3).find_map(|lexemes| match lexemes {
            [key, equals, value]
                if key.value == "connector"
                    && equals.is_symbol('=')
                    && value.kind == LexemeKind::Text =>
            {
                Some(value.value)
            }
            _ => None,
        })
    }

    /// Keywords, in lower case if the user writes so.
    fn keywords<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Vec<Completion> {
        let is_lower = !self.prefix.is_empty() && self.prefix == self.prefix.to_lowercase();
        let words = words.into_iter().map(|word| Completion {
            kind: CompletionKind::Keyword,
            text: if is_lower {
                word.to_lowercase()
            } else {
                word.to_owned()
            },
        });
        words.collect()
    }
}

/// The path at the beginning, and what is behind it.
fn path_of<'a, 'b, 'c>(lexemes: &'c [&'b Lexeme<'a>]) -> (Vec<&'a str>, &'c [&'b Lexeme<'a>]) {
    let mut path = Vec::new();
    let mut rest = lexemes;
    while let [name, behind @ ..] = rest
        && name.is_name()
    {
        path.push(name.value);
        rest = behind;
        match rest {
            [dot, behind @ ..] if dot.is_symbol('.') => rest = behind,
            _ => break,
        }
    }
    (path, rest)
}

fn tables(vocabulary: &Vocabulary) -> Vec<Completion> {
    let tables = vocabulary.tables.iter().map(|table| {
        let names: Vec<String> = table
            .path
            .iter()
            .map(|name| quote_if_needed(name))
            .collect();
        Completion {
            kind: CompletionKind::Table,
            text: names.join("."),
        }
    });
    tables.collect()
}

fn names(kind: CompletionKind, names: &[String]) -> Vec<Completion> {
    names
        .iter()
        .map(|name| Completion {
            kind,
            text: quote_if_needed(name),
        })
        .collect()
}

fn plain(kind: CompletionKind, texts: &[String]) -> Vec<Completion> {
    texts
        .iter()
        .map(|text| Completion {
            kind,
            text: text.clone(),
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::{ConnectorWords, TableWords, Vocabulary, complete};

    fn vocabulary() -> Vocabulary {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Vocabulary {
            tables: vec![
                TableWords {
                    path: owned(&["access_log"]),
                    columns: owned(&["province", "size", "value"]),
                },
                TableWords {
                    path: owned(&["db", "orders"]),
                    columns: owned(&["id", "price"]),
                },
            ],
            functions: owned(&["POWER", "SUM"]),
            catalogs: owned(&["default_catalog"]),
            databases: owned(&["db", "default_database"]),
            connectors: vec![ConnectorWords {
                identifier: "filesystem".to_owned(),
                options: owned(&["path", "format", "csv.null-literal"]),
            }],
            formats: owned(&["csv", "json"]),
            settings: owned(&["table.local-time-zone", "parallelism.default"]),
        }
    }

    /// The completions at `|`, joined; the replaced text stands before the colon.
    fn at(text: &str) -> String {
        let cursor = text.find('|').expect("a cursor");
        let text = text.replace('|', "");
        let completions = complete(&text, cursor, &vocabulary());
        let items: Vec<_> = completions
            .items
            .iter()
            .map(|item| item.text.as_str())
            .collect();
        format!(
            "{}: {}",
            &text[completions.start..completions.end],
            items.join(" ")
        )
    }

    #[test]
    fn columns_of_the_tables_in_use() {
        assert_eq!(
            at("SELECT p| FROM access_log"),
            "p: province POWER partition partitioned primary"
        );
        assert_eq!(
            at("SELECT P| FROM db.orders"),
            "P: price POWER PARTITION PARTITIONED PRIMARY"
        );
        assert_eq!(
            at("SELECT l.| FROM access_log AS l"),
            ": `value` province size"
        );
        assert_eq!(at("SELECT `va| FROM access_log"), "`va: `value`");
        assert_eq!(at("SELECT `pr|` FROM access_log"), "`pr`: `province`");
        assert_eq!(
            at("SELECT 1; SELECT pri| FROM access_log, db.orders o; SELECT"),
            "pri: price primary"
        );
    }

    #[test]
    fn tables_behind_from() {
        assert_eq!(at("SELECT * FROM a|"), "a: access_log");
        assert_eq!(
            at("SELECT * FROM access_log x JOIN d|"),
            "d: db.orders db default_database default_catalog"
        );
        assert_eq!(at("SELECT * FROM access_log, db.|"), ": orders");
        assert_eq!(at("desc acc|"), "acc: access_log");
    }

    #[test]
    fn words_of_statements() {
        assert_eq!(at("sel|"), "sel: select");
        assert_eq!(at("SHOW CAT|"), "CAT: CATALOGS");
        assert_eq!(at("DROP TEMP|"), "TEMP: TEMPORARY");
        assert_eq!(at("SELECT * FROM access_log WH|"), "WH: WHEN WHERE");
    }

    #[test]
    fn options_and_settings() {
        assert_eq!(at("CREATE TABLE t (a INT) WITH ('con|"), "con: connector");
        assert_eq!(
            at("CREATE TABLE t (a INT) WITH ('connector' = 'f|')"),
            "f: filesystem"
        );
        assert_eq!(
            at("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'cs|')"),
            "cs: csv.null-literal"
        );
        assert_eq!(
            at("CREATE TABLE t (a INT) WITH ('format' = '|')"),
            ": csv json"
        );
        assert_eq!(at("SET 'tab|'"), "tab: table.local-time-zone");
    }

    #[test]
    fn nothing_in_texts_and_comments() {
        assert_eq!(at("SELECT 'acc|' FROM access_log"), "acc: ");
        assert_eq!(at("SELECT 1 -- acc|"), "-- acc: ");
        assert_eq!(at("SELECT 'ü|"), "ü: ");
    }
}
