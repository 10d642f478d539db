//! `TRY_RESOLVE`: what Flink 2.3 refuses and what it takes, query by query as measured there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::run;
use crate::session::Session;

const TAKEN: &str = "== Abstract Syntax Tree ==";
const COLUMN: &str = "can not satisfy the determinism requirement";
const CONDITION: &str = "there exists non deterministic function";

fn session(folder: &std::path::Path) -> Session {
    let session = Session::new(BTreeMap::from([(
        "table.optimizer.non-deterministic-update.strategy".to_owned(),
        "TRY_RESOLVE".to_owned(),
    )]));
    let changes = format!(
        "WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'debezium-json')",
        folder.display()
    );
    for (name, key, options) in [
        (
            "src",
            "",
            "WITH ('connector' = 'datagen', 'number-of-rows' = '3')",
        ),
        ("cdc", ", PRIMARY KEY (a) NOT ENFORCED", changes.as_str()),
        ("bare", "", changes.as_str()),
    ] {
        let ddl = format!("CREATE TABLE {name} (a INT, b INT, c STRING{key}) {options}");
        session.execute(&ddl).unwrap();
    }
    for (name, key) in [("pr", ""), ("pk", ", PRIMARY KEY (a) NOT ENFORCED")] {
        let ddl = format!(
            "CREATE TABLE {name} (a INT, b BIGINT, c STRING{key}) WITH ('connector' = 'print')"
        );
        session.execute(&ddl).unwrap();
    }
    session
}

#[test]
fn inserts_are_refused_as_in_flink() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let cases = [
        ("pr SELECT a, b, UUID() FROM src", TAKEN),
        ("pr SELECT a, COUNT(*), UUID() FROM src GROUP BY a", COLUMN),
        ("pk SELECT a, COUNT(*), UUID() FROM src GROUP BY a", TAKEN),
        ("pr SELECT a, b, UUID() FROM cdc", COLUMN),
        ("pk SELECT a, b, UUID() FROM cdc", TAKEN),
        (
            "pr SELECT a, b, CAST(CURRENT_TIMESTAMP AS STRING) FROM bare",
            COLUMN,
        ),
        (
            "pr SELECT a, b, CAST(CURRENT_DATE AS STRING) FROM cdc",
            COLUMN,
        ),
        ("pr SELECT a, b, c FROM cdc WHERE RAND() > 0.5", CONDITION),
        ("pk SELECT a, b, c FROM cdc WHERE RAND() > 0.5", TAKEN),
        (
            "pr SELECT x.a, x.b, y.c FROM cdc x JOIN (SELECT a, UUID() AS c FROM src) y ON x.a = y.a",
            TAKEN,
        ),
        (
            "pr SELECT x.a, x.b, y.c FROM cdc x JOIN (SELECT a, UUID() AS c FROM cdc) y ON x.a = y.a",
            COLUMN,
        ),
        (
            "pr SELECT x.a, x.b, x.c FROM cdc x JOIN (SELECT a, UUID() AS c FROM cdc) y ON x.a = y.a",
            TAKEN,
        ),
        (
            "pr SELECT a, COUNT(*), MAX(u) FROM (SELECT a, UUID() AS u FROM src) GROUP BY a",
            TAKEN,
        ),
        (
            "pr SELECT a, COUNT(*), MAX(u) FROM (SELECT a, UUID() AS u FROM cdc) GROUP BY a",
            COLUMN,
        ),
        (
            "pk SELECT a, COUNT(*), MAX(UUID()) FROM cdc GROUP BY a",
            COLUMN,
        ),
        (
            "pr SELECT a, COUNT(*), 'x' FROM (SELECT a, UUID() AS u FROM cdc) GROUP BY a",
            TAKEN,
        ),
        (
            "pr SELECT a, b, c FROM (SELECT a, b, c, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b \
             DESC) AS rn FROM cdc) WHERE rn < 3",
            TAKEN,
        ),
        (
            "pr SELECT a, b, u FROM (SELECT a, b, UUID() AS u, ROW_NUMBER() OVER (PARTITION BY a \
             ORDER BY b DESC) AS rn FROM cdc) WHERE rn < 3",
            COLUMN,
        ),
        (
            "pr SELECT a, b, c FROM cdc UNION ALL SELECT a, b, UUID() FROM cdc",
            COLUMN,
        ),
        ("pr SELECT DISTINCT a, b, UUID() FROM src", TAKEN),
        ("pr SELECT a, b, c FROM cdc LIMIT 3", TAKEN),
        (
            "pr SELECT a, b, c FROM cdc WHERE c IN (SELECT UUID() FROM cdc)",
            COLUMN,
        ),
    ];
    let wrong: Vec<String> = cases
        .into_iter()
        .map(|(insert, expected)| {
            let given = run(&session, &format!("EXPLAIN INSERT INTO {insert}"));
            (insert, given.contains(expected), given)
        })
        .filter(|(_, is_right, _)| !is_right)
        .map(|(insert, _, given)| format!("{insert}\n{given}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_reader_keeps_all_columns() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    for (query, expected) in [
        (
            "SELECT a, COUNT(*) AS n, UUID() AS u FROM src GROUP BY a",
            COLUMN,
        ),
        ("SELECT a, b FROM bare WHERE RAND() > 2", CONDITION),
        ("SELECT CHAR_LENGTH(UUID()) AS u FROM src", "+I 36"),
    ] {
        let given = run(&session, query);
        assert!(given.contains(expected), "{query}\n{given}");
    }
    // What is only shown is not kept, and without the strategy everything runs.
    let shown = run(
        &session,
        "EXPLAIN SELECT a, COUNT(*) AS n, UUID() AS u FROM src GROUP BY a",
    );
    assert!(shown.contains(TAKEN), "{shown}");
    session
        .execute("RESET 'table.optimizer.non-deterministic-update.strategy'")
        .unwrap();
    let given = run(&session, "SELECT COUNT(*) AS n, UUID() AS u FROM src");
    assert!(given.contains("+I 1"), "{given}");
    let error = run(
        &session,
        "SET 'table.optimizer.non-deterministic-update.strategy' = 'TRY'",
    );
    assert!(error.contains("TRY_RESOLVE"), "{error}");
}
