//! Hints behind SELECT: the relations that they name, and what STATE_TTL makes of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::run;
use crate::session::Session;
use std::collections::BTreeMap;

const OK: &str = "[result STRING]\n+I OK\n";

/// With tables `a`, `b`, `c` (id, v), a table `w` with a rowtime, and views of them.
fn session() -> Session {
    let session = Session::new(BTreeMap::new());
    let ddl = "WITH ('connector' = 'datagen', 'number-of-rows' = '1')";
    for table in ["a", "b", "c"] {
        assert_eq!(
            run(
                &session,
                &format!("CREATE TABLE {table} (id INT, v INT) {ddl}")
            ),
            OK
        );
    }
    for statement in [
        &format!("CREATE TABLE w (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) {ddl}"),
        "CREATE TABLE arrays (id INT, xs ARRAY<INT>) WITH ('connector' = 'datagen')",
        "CREATE TABLE r (id INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, \
         PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'datagen')",
        "CREATE TABLE d (id INT, v INT, e AS v + 1) WITH ('connector' = 'datagen')",
        "CREATE VIEW vj AS SELECT a.id, b.v FROM a JOIN b ON a.id = b.id",
        "CREATE VIEW vh AS SELECT /*+ STATE_TTL('a' = '5s') */ a.id FROM a JOIN b ON a.id = b.id",
    ] {
        assert_eq!(run(&session, statement), OK, "{statement}");
    }
    session
}

/// Each query with a part of its EXPLAIN, or of its error.
fn check(queries: &[(&str, &str)]) {
    let session = session();
    for (sql, expected) in queries {
        let given = run(&session, &format!("EXPLAIN {sql}"));
        assert!(given.contains(expected), "{sql}\n{given}");
    }
}

/// Each query with the hints that its physical plan shows, from above.
fn check_times(queries: &[(&str, &[&str])]) {
    let session = session();
    for (sql, expected) in queries {
        let given = run(&session, &format!("EXPLAIN {sql}"));
        assert!(
            given.contains("== Optimized Physical Plan =="),
            "{sql}\n{given}"
        );
        let shown: Vec<&str> = given
            .lines()
            .filter_map(|line| line.split_once("stateTtlHints=[[[STATE_TTL options:"))
            .filter_map(|(_, rest)| rest.split_once("]]])"))
            .map(|(time, _)| time)
            .collect();
        assert_eq!(shown, *expected, "{sql}\n{given}");
    }
}

#[test]
fn hints_name_relations() {
    let unknown = "cannot match the name of input tables or views";
    check(&[
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2h') */ a.id FROM a JOIN b ON a.id = b.id",
            "Join(",
        ),
        (
            "SELECT /*+ STATE_TTL('x' = '1d') */ x.id FROM a AS x JOIN b ON x.id = b.id",
            "Join(",
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ x.id FROM a AS x JOIN b ON x.id = b.id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('default_catalog.default_database.a' = '1d') */ a.id FROM a JOIN b ON a.id = b.id",
            "Join(",
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ id FROM a",
            "TableSourceScan",
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ id, COUNT(*) FROM a GROUP BY id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ COUNT(*) FROM a",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('a' = 'abc') */ id FROM a",
            "'abc' of 'a' is no duration",
        ),
        ("SELECT /*+ STATE_TTL(a) */ id FROM a", "'a' has no time"),
        ("SELECT /*+ STATE_TTL() */ id FROM a", "at least one"),
        (
            "SELECT /*+ BROADCAST(c) */ a.id FROM a JOIN b ON a.id = b.id",
            "`c` in `BROADCAST`",
        ),
        (
            "SELECT /*+ BROADCAST(a) */ a.id FROM a JOIN b ON a.id = b.id",
            "Join(",
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ COUNT(*) + 1 FROM a",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ DISTINCT id FROM a",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ id FROM a WHERE id IN (SELECT MAX(id) FROM b)",
            "Semi",
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ vj.id FROM vj JOIN c ON vj.id = c.id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('A' = '1d') */ a.id FROM a JOIN b ON a.id = b.id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ id FROM arrays CROSS JOIN UNNEST(xs) AS u(x)",
            "Correlate(",
        ),
        (
            "SELECT /*+ STATE_TTL('arrays' = '1d') */ id, COUNT(*) \
             FROM arrays CROSS JOIN UNNEST(xs) AS u(x) GROUP BY id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ a.id FROM a CROSS JOIN UNNEST(ARRAY[1, 2]) AS u(x)",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ w.id FROM w \
             JOIN r FOR SYSTEM_TIME AS OF w.ts ON w.id = r.id",
            "TemporalJoin(",
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ a.id \
             FROM a, LATERAL (SELECT v FROM b WHERE b.id = a.id) t, c WHERE c.id = a.id",
            unknown,
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '-1d') */ a.id FROM a JOIN b ON a.id = b.id",
            "is no duration",
        ),
    ]);
}

#[test]
fn inputs_of_joins_have_their_times() {
    check_times(&[
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2h') */ a.id FROM a JOIN b ON a.id = b.id",
            &["{LEFT=1d, RIGHT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('b' = '0s') */ a.id FROM a FULL JOIN b ON a.id = b.id",
            &["{RIGHT=0s}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2h', 'c' = '3min') */ a.id, b.v, c.v \
             FROM a JOIN b ON a.id = b.id JOIN c ON c.id = a.id WHERE a.v > 1 AND c.v < 7",
            &["{RIGHT=3min}", "{LEFT=1d, RIGHT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '3min') */ a.id FROM c JOIN (a JOIN b ON a.id = b.id) ON c.id = a.id",
            &["{LEFT=3min}"],
        ),
        (
            "SELECT /*+ STATE_TTL('x' = '1d', 'y' = '2d') */ x.id FROM a x JOIN a y ON x.id = y.v",
            &["{LEFT=1d, RIGHT=2d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d'), STATE_TTL('b' = '2h') */ a.id FROM a JOIN b ON a.id = b.id",
            &["{LEFT=1d, RIGHT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d'), STATE_TTL('a' = '2h') */ a.id FROM a JOIN b ON a.id = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'a' = '2h') */ a.id FROM a JOIN b ON a.id = b.id",
            &["{LEFT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('b' = '1d') */ a.id FROM a LEFT JOIN b ON a.id = b.id WHERE b.id IS NOT NULL",
            &["{RIGHT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('t' = '1d') */ t.id \
             FROM (SELECT id, COUNT(*) AS c FROM a GROUP BY id) AS t JOIN b ON t.id = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('vj' = '1d', 'c' = '2h') */ vj.id FROM vj JOIN c ON vj.id = c.id",
            &["{LEFT=1d, RIGHT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '1d') */ vh.id FROM vh JOIN c ON vh.id = c.id",
            &["{RIGHT=1d}", "{LEFT=5s}"],
        ),
        (
            "WITH q AS (SELECT /*+ STATE_TTL('a' = '7s') */ a.id FROM a JOIN b ON a.id = b.id) \
             SELECT /*+ STATE_TTL('q' = '1d') */ q.id FROM q JOIN c ON q.id = c.id",
            &["{LEFT=1d}", "{LEFT=7s}"],
        ),
        (
            "SELECT /*+ STATE_TTL('default_catalog.default_database.a' = '1d') */ \
             default_catalog.default_database.a.id FROM a JOIN b ON a.id = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('x' = '1d') */ x.k FROM a AS x(k, n) JOIN b ON x.k = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('t' = '1d') */ t.id \
             FROM (SELECT id FROM a UNION ALL SELECT id FROM b) AS t JOIN c ON t.id = c.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('d' = '1d') */ d.id FROM d JOIN b ON d.e = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ a.id \
             FROM a /*+ OPTIONS('rows-per-second' = '1') */ JOIN b ON a.id = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('t' = '1d') */ t.id \
             FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' HOUR)) AS t JOIN b ON t.id = b.id",
            &["{LEFT=1d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('c' = '3h') */ a.id \
             FROM a, LATERAL (SELECT v FROM b WHERE b.id = a.id) t, c WHERE c.id = a.id",
            &["{RIGHT=3h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2d') */ a.id, b.v \
             FROM a JOIN b ON a.id = b.id WHERE a.v IN (SELECT v FROM c)",
            &["{LEFT=1d, RIGHT=2d}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2d') */ a.id, b.v \
             FROM a JOIN b ON a.id = b.id WHERE a.v > (SELECT MAX(v) FROM c)",
            &["{LEFT=1d, RIGHT=2d}"],
        ),
        // Not of joins by time, nor of those that come from sub-queries.
        (
            "SELECT /*+ STATE_TTL('x' = '1d') */ x.id FROM w x JOIN w y \
             ON x.id = y.id AND x.ts BETWEEN y.ts - INTERVAL '1' HOUR AND y.ts",
            &[],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ a.id FROM a WHERE a.id IN (SELECT id FROM b)",
            &[],
        ),
        (
            "SELECT /*+ STATE_TTL('b' = '1d') */ a.id FROM a, LATERAL (SELECT v FROM b WHERE b.id = a.id) t",
            &[],
        ),
    ]);
}

#[test]
fn groups_have_their_time() {
    check_times(&[
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id, COUNT(*) FROM a WHERE v > 1 GROUP BY id",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('x' = 'PT1H') */ COUNT(*) + 1 FROM a AS x",
            &["[PT1H]"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ DISTINCT id FROM a",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id FROM a GROUP BY id HAVING COUNT(*) > 1",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('vj' = '1d') */ id, COUNT(*) FROM vj GROUP BY id",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id, COUNT(*) FROM a GROUP BY GROUPING SETS ((id), (v))",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('t' = '1d') */ cnt, COUNT(*) FROM \
             (SELECT /*+ STATE_TTL('a' = '9s') */ id, COUNT(*) AS cnt FROM a GROUP BY id) t GROUP BY cnt",
            &["[1d]", "[9s]"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id, COUNT(*) FROM a \
             WHERE v IN (SELECT v FROM b) GROUP BY id",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id, COUNT(*) FROM a \
             WHERE v > (SELECT MAX(v) FROM b) GROUP BY id",
            &["[1d]"],
        ),
        (
            "SELECT /*+ STATE_TTL('d' = '1d') */ e, COUNT(*) FROM d GROUP BY e",
            &["[1d]"],
        ),
        // The groups of a join have no name.
        (
            "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '2h') */ a.id, COUNT(*) \
             FROM a JOIN b ON a.id = b.id GROUP BY a.id",
            &["{LEFT=1d, RIGHT=2h}"],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id, cnt FROM (SELECT id, COUNT(*) AS cnt FROM a GROUP BY id) t",
            &[],
        ),
        (
            "SELECT /*+ STATE_TTL('a' = '1d') */ id FROM a UNION SELECT id FROM b",
            &[],
        ),
    ]);
}

/// Rules that look through names look through hinted ones, too.
#[test]
fn hinted_relations_are_planned_as_others() {
    let top_2 = "(SELECT id, ROW_NUMBER() OVER (PARTITION BY id ORDER BY v) AS n FROM a)";
    let windows = "TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' HOUR))";
    let session = session();
    for (hint, query) in [
        (
            "t",
            format!("t.id, COUNT(*) FROM {top_2} AS t WHERE n <= 2 GROUP BY t.id"),
        ),
        (
            "t",
            format!("t.id FROM {top_2} AS t JOIN b ON t.id = b.id WHERE t.n <= 2"),
        ),
        (
            "t",
            format!("window_start, COUNT(*) FROM {windows} AS t GROUP BY window_start, window_end"),
        ),
        (
            "x",
            format!(
                "x.id FROM {windows} AS x JOIN {windows} AS y ON x.id = y.id \
                 AND x.window_start = y.window_start AND x.window_end = y.window_end"
            ),
        ),
        (
            "w",
            "TUMBLE_START(ts, INTERVAL '1' HOUR), COUNT(*) FROM w \
             GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)"
                .to_owned(),
        ),
        (
            "x",
            "x.id FROM w x JOIN w y ON x.id = y.id \
             AND x.ts BETWEEN y.ts - INTERVAL '1' HOUR AND y.ts"
                .to_owned(),
        ),
    ] {
        let plan = |hint: &str| {
            let text = run(&session, &format!("EXPLAIN SELECT {hint} {query}"));
            let at = text.find("== Optimized Execution Plan ==");
            text[at.unwrap_or_else(|| panic!("{text}"))..].to_owned()
        };
        let hint = format!("/*+ STATE_TTL('{hint}' = '1d') */");
        assert_eq!(plan(&hint), plan(""), "{query}");
    }
}

/// Groups that have an end send what they show at each write, changed or not.
#[test]
fn times_of_hints_hold_over_the_configuration() {
    let query = |hint: &str| {
        format!("SELECT {hint} k, MAX(v) FROM (VALUES ('a', 5), ('a', 3)) AS t(k, v) GROUP BY k")
    };
    let (once, again) = ("+I a | 5\n", "+I a | 5\n-U a | 5\n+U a | 5\n");
    let session = Session::new(BTreeMap::new());
    let rows = |hint: &str| {
        let given = run(&session, &query(hint));
        given.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(rows(""), once);
    assert_eq!(rows("/*+ STATE_TTL('t' = '1 h') */"), again);
    assert_eq!(rows("/*+ STATE_TTL('t' = '0 s') */"), once);
    assert_eq!(run(&session, "SET 'table.exec.state.ttl' = '1 d'"), OK);
    assert_eq!(rows(""), again);
    assert_eq!(rows("/*+ STATE_TTL('t' = '0 s') */"), once);
    assert_eq!(run(&session, "SET 'execution.runtime-mode' = 'batch'"), OK);
    assert_eq!(rows("/*+ STATE_TTL('t' = '1 ms') */"), once);
}

/// The side of which rows are forgotten has no pairs later; the other one keeps what it has.
#[test]
fn one_side_of_a_join_is_forgotten() {
    let session = Session::new(BTreeMap::new());
    let ddl = "CREATE TABLE late (k INT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
               'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '8')";
    assert_eq!(run(&session, ddl), OK);
    let n_pairs = |hint: &str| {
        let given = run(
            &session,
            &format!(
                "SELECT {hint} t.k FROM \
                 (VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS t(k) JOIN late ON t.k = late.k"
            ),
        );
        given.lines().filter(|line| line.starts_with("+I")).count()
    };
    assert_eq!(n_pairs(""), 8);
    // The first rows may come together.
    assert!(n_pairs("/*+ STATE_TTL('t' = '1 ms') */") <= 2);
    assert!(n_pairs("/*+ STATE_TTL('late' = '1 ms') */") >= 6);
}

/// Options of hints are marked where they stand; those of WITH have no place in the query.
#[test]
fn wrong_options_of_hints_have_a_place() {
    let session = session();
    let wrong = "CREATE TABLE wrong (id INT) WITH ('connector' = 'datagen', 'rows' = '1')";
    assert_eq!(run(&session, wrong), OK);
    for (query, expected) in [
        (
            "SELECT a.id FROM b JOIN a\n  /*+ OPTIONS('rows-per-second' = '1',\n 'rows' = '7') */ ON a.id = b.id",
            "unsupported options: 'rows' at line 3, column 2",
        ),
        (
            "SELECT id FROM a /*+ OPTIONS('rows-per-second' = 'x') */ AS t",
            "for option 'rows-per-second': expected",
        ),
        (
            "SELECT id FROM a /*+ OPTIONS('rows-per-second' = 'x') */ AS t",
            " at line 1, column 30",
        ),
        (
            "SELECT id FROM a /*+ OPTIONS('scan.watermark.idle-timeout' = 'x') */",
            " at line 1, column 30",
        ),
    ] {
        let given = run(&session, query);
        assert!(given.contains(expected), "{query}\n{given}");
    }
    for query in [
        "SELECT id FROM wrong",
        "SELECT wrong.id FROM a /*+ OPTIONS('number-of-rows' = '1') */ JOIN wrong ON a.id = wrong.id",
        "SELECT x.id FROM a /*+ OPTIONS('rows' = '1') */ x JOIN a /*+ OPTIONS('rows' = '1') */ y ON x.id = y.id",
    ] {
        let given = run(&session, query);
        assert!(
            given.contains("unsupported options: 'rows'\n"),
            "{query}\n{given}"
        );
    }
}
