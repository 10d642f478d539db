//! Lookup joins: `JOIN dim FOR SYSTEM_TIME AS OF o.pt`. Expectations with the old connector options
//! are recorded answers of Flink 2.3, whose old file source looks rows up.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Session, run};

const ORDERS: &str = "1,a\n2,b\n3,a\n4,c\n5,\n";
const ITEMS: &str = "a,1,first\nb,2,second\na,3,third\n";

/// Orders with a processing time, `legacy` whose rows are looked up as in Flink, `items` of the
/// given options, and `plain` that cannot be looked up.
fn session(options: &str, n_workers: usize) -> (Session, TempDir) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("o.csv"), ORDERS).unwrap();
    std::fs::write(folder.path().join("items.csv"), ITEMS).unwrap();
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), n_workers.to_string()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
        ("tidemill.worker.min-rows".to_owned(), "1".to_owned()),
    ]));
    let path = folder.path().display();
    let columns = "k STRING, n INT, txt STRING";
    for sql in [
        format!(
            "CREATE TABLE o (id INT, k STRING, pt AS PROCTIME()) WITH ('connector'='filesystem', \
             'path'='{path}/o.csv', 'format'='csv', 'csv.null-literal'='')"
        ),
        format!(
            "CREATE TABLE legacy ({columns}) WITH ('connector.type'='filesystem', \
             'connector.path'='{path}/items.csv', 'format.type'='csv')"
        ),
        format!(
            "CREATE TABLE items ({columns}, twice AS n * 2) WITH ('connector'='filesystem', \
             'path'='{path}/items.csv', 'format'='csv', {options})"
        ),
        format!(
            "CREATE TABLE plain ({columns}) WITH ('connector'='filesystem', \
             'path'='{path}/items.csv', 'format'='csv')"
        ),
        format!(
            "CREATE TABLE keyed ({columns}, PRIMARY KEY (k) NOT ENFORCED) WITH \
             ('connector'='filesystem', 'path'='{path}/items.csv', 'format'='csv')"
        ),
        "CREATE VIEW filtered AS SELECT k, n FROM legacy WHERE n > 1".to_owned(),
    ] {
        session.execute(&sql).unwrap();
    }
    (session, folder)
}

/// The rows of a query, without their types and rules.
fn rows(session: &Session, sql: &str) -> Vec<String> {
    let text = run(session, sql).replace(" | ", " ");
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn rows_meet_what_the_table_has() {
    let (session, _folder) = session("'lookup.cache' = 'FULL'", 1);
    for (condition, expected) in [
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k",
            vec![
                "1 1 first",
                "1 3 third",
                "2 2 second",
                "3 1 first",
                "3 3 third",
            ],
        ),
        (
            "LEFT JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k AND d.n > 1",
            vec![
                "1 3 third",
                "2 2 second",
                "3 3 third",
                "4 NULL NULL",
                "5 NULL NULL",
            ],
        ),
        (
            "LEFT JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k AND d.n > o.id",
            vec![
                "1 3 third",
                "2 NULL NULL",
                "3 NULL NULL",
                "4 NULL NULL",
                "5 NULL NULL",
            ],
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k AND d.n = 1",
            vec!["1 1 first", "3 1 first"],
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON d.n = 1 AND o.id < 3",
            vec!["1 1 first", "2 1 first"],
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.id + 1 = d.n",
            vec!["1 2 second", "2 3 third"],
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.id = d.n AND o.id + 1 = d.n + 1 \
             WHERE d.txt <> 'second'",
            vec!["1 1 first", "3 3 third"],
        ),
    ] {
        let sql = format!("SELECT o.id, d.n, d.txt FROM o {condition}");
        let expected: Vec<String> = expected.iter().map(|row| format!("+I {row}")).collect();
        assert_eq!(rows(&session, &sql), expected, "{condition}");
    }
}

#[test]
fn computed_columns_counts_and_chains() {
    let (session, _folder) = session("'lookup.cache' = 'FULL'", 2);
    let sql = "SELECT SUM(d.twice), COUNT(*) FROM o JOIN items FOR SYSTEM_TIME AS OF o.pt AS d \
               ON o.k = d.k";
    assert_eq!(rows(&session, sql).last().unwrap(), "+U 20 5");
    let sql = "SELECT COUNT(*) FROM o JOIN items FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k \
               JOIN items FOR SYSTEM_TIME AS OF o.pt AS e ON d.n = e.n";
    assert_eq!(rows(&session, sql).last().unwrap(), "+U 5");
    // In a subquery the processing time is its own.
    let sql = "SELECT x.id, d.n FROM (SELECT *, PROCTIME() AS p FROM o WHERE id = 2) x \
               JOIN items FOR SYSTEM_TIME AS OF x.p AS d ON x.k = d.k";
    assert_eq!(rows(&session, sql), ["+I 2 2"]);
    session
        .execute("SET 'execution.runtime-mode' = 'batch'")
        .unwrap();
    let sql = "SELECT o.id, d.n FROM o LEFT JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d \
               ON o.k = d.k ORDER BY o.id, d.n";
    let expected = [
        "+I 1 1",
        "+I 1 3",
        "+I 2 2",
        "+I 3 1",
        "+I 3 3",
        "+I 4 NULL",
        "+I 5 NULL",
    ];
    assert_eq!(rows(&session, sql), expected);
}

#[test]
fn what_cannot_be_looked_up_is_refused() {
    let (session, _folder) = session("'lookup.cache' = 'FULL'", 1);
    let by_key = "ON o.k = d.k";
    for (join, message) in [
        (
            "JOIN plain FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k",
            "no primary key",
        ),
        (
            "JOIN keyed FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k",
            "not supported yet",
        ),
        (
            "JOIN keyed FOR SYSTEM_TIME AS OF o.pt AS d ON o.id < d.n",
            "can not be empty",
        ),
        (
            "JOIN filtered FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k",
            "no primary key",
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.id < d.n",
            "equality condition",
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.id = d.n + 1",
            "equality condition",
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON CAST(o.id AS BIGINT) = d.n",
            "Temporal table join requires an equality condition on fields of table",
        ),
        (
            "RIGHT JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k",
            "INNER or LEFT",
        ),
        (
            "JOIN legacy FOR SYSTEM_TIME AS OF PROCTIME() AS d ON o.k = d.k",
            "time travel",
        ),
    ] {
        let text = run(&session, &format!("SELECT o.id, d.n FROM o {join}"));
        assert!(text.contains(message), "{join}: {text}");
    }
    let both = session.execute(&format!(
        "SELECT o.id FROM o JOIN plain /*+ OPTIONS('lookup.cache'='FULL', \
         'source.monitor-interval'='1s') */ FOR SYSTEM_TIME AS OF o.pt AS d {by_key}"
    ));
    assert!(both.unwrap_err().to_string().contains("exclude each other"));
}

#[test]
fn hints_are_tested_as_flink_tests_them() {
    let (session, _folder) = session("'lookup.cache' = 'NONE'", 1);
    let ask = |hint: &str| {
        run(
            &session,
            &format!(
                "SELECT /*+ {hint} */ o.id, d.n FROM o \
                 JOIN items FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k AND d.n = 2"
            ),
        )
    };
    for hint in [
        "LOOKUP('table'='d')",
        "LOOKUP('table'='d', 'async'='true', 'output-mode'='allow_unordered', 'capacity'='3')",
        "LOOKUP('table'='d', 'anything'='1')",
        "LOOKUP('table'='d', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', \
         'fixed-delay'='1ms', 'max-attempts'='2')",
    ] {
        assert!(
            ask(hint).trim_end().ends_with("+I 2 | 2"),
            "{hint}: {}",
            ask(hint)
        );
    }
    for (hint, message) in [
        ("LOOKUP", "'table' is missing"),
        ("LOOKUP(d)", "only key-value options"),
        (
            "LOOKUP('table'='items')",
            "cannot match the name of input tables",
        ),
        (
            "LOOKUP('table'='d', 'async'='maybe')",
            "could not parse value 'maybe' for key 'async'",
        ),
        (
            "LOOKUP('table'='d', 'capacity'='0')",
            "should be positive integer but was 0",
        ),
        (
            "LOOKUP('table'='d', 'timeout'='-3s')",
            "could not parse value '-3s'",
        ),
        (
            "LOOKUP('table'='d', 'retry-predicate'='lookup_miss')",
            "both null or all not null",
        ),
        (
            "LOOKUP('table'='d', 'retry-predicate'='x', 'retry-strategy'='fixed_delay', \
             'fixed-delay'='1s', 'max-attempts'='3')",
            "unsupported retry-predicate 'x'",
        ),
        ("LOOK('table'='d')", "unknown hint 'LOOK'"),
    ] {
        let text = ask(hint);
        assert!(text.contains(message), "{hint}: {text}");
    }
}

#[test]
fn files_that_change_are_read_again_without_a_cache() {
    let (session, folder) = session("'lookup.cache' = 'NONE'", 1);
    let sql = "SELECT o.id, d.n FROM o JOIN items FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k \
               AND o.id = 2";
    assert_eq!(rows(&session, sql), ["+I 2 2"]);
    std::fs::write(folder.path().join("items.csv"), "b,7,new\n").unwrap();
    assert_eq!(rows(&session, sql), ["+I 2 7"]);
}

#[test]
fn a_plan_names_its_lookup() {
    let (session, _folder) = session("'lookup.cache' = 'FULL'", 1);
    let text = run(
        &session,
        "EXPLAIN SELECT /*+ LOOKUP('table'='d', 'retry-predicate'='lookup_miss', \
         'retry-strategy'='fixed_delay', 'fixed-delay'='1ms', 'max-attempts'='2') */ o.id, d.n, \
         d.txt FROM o LEFT JOIN legacy FOR SYSTEM_TIME AS OF o.pt AS d ON o.k = d.k AND d.n > o.id \
         AND d.n > 1",
    );
    let expected = "LookupJoin(table=[default_catalog.default_database.legacy], \
                    joinType=[LeftOuterJoin], lookup=[k=k], where=[(n > 1)], \
                    joinCondition=[(id < n)], select=[id, k, k0, n, txt], \
                    retry=[lookup_miss, FIXED_DELAY, 1ms, 2])";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn names_keep_their_capitals() {
    let (session, _folder) = session("'lookup.cache' = 'FULL'", 1);
    let sql = "SELECT B.id, S.n FROM (SELECT *, PROCTIME() AS p_time FROM o) B \
               JOIN items FOR SYSTEM_TIME AS OF B.p_time AS S ON LOWER(B.k) = S.k";
    let expected = ["1 1", "1 3", "2 2", "3 1", "3 3"].map(|row| format!("+I {row}"));
    assert_eq!(rows(&session, sql), expected);
}
