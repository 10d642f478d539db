//! Where in a statement the cursor is, and what may stand there.

use super::lexemes::{Lexeme, LexemeKind};
use super::{Completion, CompletionKind, TableWords, Vocabulary, quote_if_needed};
use crate::sql::parser::STATEMENT_WORDS;
use crate::sql::reserved::is_reserved;

/// Words behind which a table is named.
const BEFORE_TABLES: &str = "FROM JOIN INTO OVERWRITE TABLE VIEW DESC DESCRIBE LIKE";
const SHOW_WORDS: &str = "CATALOGS COLUMNS CREATE CURRENT DATABASES FULL FUNCTIONS JOBS MODULES PARTITIONS TABLES USER \
    VIEWS";
const OBJECT_WORDS: &str = "CATALOG DATABASE FUNCTION OR REPLACE TABLE TEMPORARY VIEW";
const CLAUSE_WORDS: &str = "ALL AND AS ASC BETWEEN BY CASE CAST COMMENT CROSS DESC DISTINCT ELSE END ENFORCED EXCEPT \
    EXISTS FILTER FOR FROM FULL GROUP HAVING IF IN INNER INTERSECT INTERVAL INTO IS JOIN KEY \
    LEFT LIKE LIMIT METADATA NOT NULL ON OR ORDER OVER PARTITION PARTITIONED PRIMARY RIGHT THEN \
    UNION VALUES WATERMARK WHEN WHERE WITH";

/// The cursor in its statement.
pub(super) struct Place<'a, 'b> {
    /// The whole statement, also behind the cursor; without comments.
    statement: Vec<&'b Lexeme<'a>>,
    /// What is before the word at the cursor.
    before: Vec<&'b Lexeme<'a>>,
    /// The word at the cursor, if it is in one.
    current: Option<&'b Lexeme<'a>>,
    /// The word's part before the cursor.
    pub(super) prefix: &'a str,
    /// Where the prefix begins.
    pub(super) start: usize,
}

impl<'a, 'b> Place<'a, 'b> {
    pub(super) fn find(text: &'a str, lexemes: &'b [Lexeme<'a>], cursor: usize) -> Self {
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

    pub(super) fn is_quoted(&self) -> bool {
        self.current
            .is_some_and(|lexeme| lexeme.kind == LexemeKind::Quoted)
    }

    pub(super) fn candidates(&self, vocabulary: &Vocabulary) -> Vec<Completion> {
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
        if last.is("FUNCTION") {
            return functions(vocabulary);
        }
        if self.names_a_table(last) {
            let mut items = tables(vocabulary);
            items.extend(names(CompletionKind::Database, &vocabulary.databases));
            items.extend(names(CompletionKind::Catalog, &vocabulary.catalogs));
            return items;
        }
        let mut items = self.columns(vocabulary);
        items.extend(functions(vocabulary));
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

    /// Behind `x.`: columns of the table or alias x, or what is in the database or catalog x, functions
    /// among it.
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
        let parent = path.join(".");
        let is_of_table = rest.last().is_some_and(|last| self.names_a_table(last));
        for function in vocabulary.functions.iter().filter(|_| !is_of_table) {
            // A function of another database stands there with its path.
            if let Some((place, name)) = function.rsplit_once('.')
                && place.eq_ignore_ascii_case(&parent)
            {
                items.extend(names(CompletionKind::Function, &[name.to_owned()]));
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

fn functions(vocabulary: &Vocabulary) -> Vec<Completion> {
    plain(CompletionKind::Function, &vocabulary.functions)
}
