//! Completions at a cursor, which the texts show as `|`.

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
        functions: owned(&["POWER", "SUM", "db.price_of"]),
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

#[test]
fn functions_of_other_databases() {
    assert_eq!(at("SELECT db.pri| FROM access_log"), "pri: price_of");
    assert_eq!(at("SELECT db.|"), ": orders price_of");
    assert_eq!(at("DROP FUNCTION d|"), "d: db.price_of");
}
