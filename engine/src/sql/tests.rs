//! Statements as text: what is read, and what is said about what cannot be.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::{Expect, expect};

use super::classify::looks_like_sql;
use super::complete::{Vocabulary, complete};
use super::hints::{select_hints, table_options};
use super::script::{parse_expression, parse_query, parse_script, parse_statement};
use super::statement::{AlterTableChange, ColumnKind, Describe, ShowWhat, Statement, UseTarget};

fn parse(text: &str) -> Statement {
    parse_statement(text).unwrap().statement
}

fn check_error(text: &str, expected: &Expect) {
    let error = parse_script(text).unwrap_err();
    expected.assert_eq(&error.to_string());
}

/// Everything that must be read; what is not run is marked as such by the parser itself.
const CORPUS: &[&str] = &[
    "SELECT 1",
    "VALUES (1, 'a'), (2, NULL)",
    "WITH a AS (SELECT 1 AS x), b (y) AS (SELECT x FROM a) SELECT * FROM a, b",
    "SELECT DISTINCT a FROM t WHERE b IS NOT NULL GROUP BY a HAVING COUNT(*) > 1 ORDER BY a DESC LIMIT 3",
    "SELECT province, COUNT(*) AS n, SUM(size) * 1.0 / SUM(ms) FROM log GROUP BY province",
    "SELECT a FROM t UNION ALL SELECT a FROM u INTERSECT SELECT a FROM v EXCEPT SELECT 1",
    "SELECT CAST(a AS ROW<x INT, y ARRAY<ROW<z STRING NOT NULL>>>) FROM t",
    "SELECT TRY_CAST('1' AS TIMESTAMP(3) WITH LOCAL TIME ZONE), CAST(b AS MULTISET<INT>)",
    "SELECT MAP['a', 1, 'b', 2]['a'], ARRAY[1, 2][1], (1, 'x'), ROW(1, 2), t.r.x FROM t",
    "SELECT a BETWEEN SYMMETRIC 3 AND 1, b NOT BETWEEN ASYMMETRIC 1 AND 2 FROM t",
    "SELECT INTERVAL '1' DAY, INTERVAL '1-2' YEAR TO MONTH, DATE '2024-01-02', TIME '10:00:00', TIMESTAMP '2024-01-02 03:04:05.678'",
    "SELECT EXTRACT(YEAR FROM d), FLOOR(ts TO DAY), TIMESTAMPADD(MONTH, 1, d), TIMESTAMPDIFF(SECOND, a, b) FROM t",
    "SELECT POSITION('a' IN s), OVERLAY(s PLACING 'x' FROM 2 FOR 1), TRIM(BOTH ' ' FROM s), SUBSTRING(s FROM 2) FROM t",
    "SELECT COUNT(DISTINCT a) FILTER (WHERE b > 1), LISTAGG(c, ';') FROM t",
    "SELECT a, COUNT(*) FROM t GROUP BY GROUPING SETS ((a), ()), ROLLUP (b, c), CUBE (d)",
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC) AS n FROM t QUALIFY n = 1",
    "SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
    "SELECT * FROM HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '1' MINUTE, SIZE => INTERVAL '5' MINUTE)",
    "SELECT * FROM SESSION(TABLE t PARTITION BY (a, b), DESCRIPTOR(ts), INTERVAL '5' MINUTE)",
    "SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c FOR SYSTEM_TIME AS OF a.ts AS d ON d.k = a.k",
    "SELECT * FROM t, LATERAL TABLE(f(t.x)) AS u (y) CROSS JOIN UNNEST(t.arr) AS v (z)",
    "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a) AND b NOT IN (SELECT b FROM v)",
    "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY ts MEASURES A.x AS ax ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+? C{2,3}) WITHIN INTERVAL '1' HOUR DEFINE A AS A.x > 1, B AS B.x < 2) AS m",
    "SELECT /*+ STATE_TTL('t' = '1d') */ * FROM t /*+ OPTIONS('a' = 'b') */ AS x",
    "SELECT `weird name`, `select`, EXPR$0, _x FROM `a`.`b`.`c d`",
    "SELECT U&'\\00e4', X'AB', 'it''s', 1e10, .5, 1.5",
    "SELECT x IS JSON, x IS NOT JSON ARRAY FROM t WHERE x IS NOT NULL",
    "CREATE TABLE t (a INT)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS c.d.t (a INT NOT NULL COMMENT 'x', b STRING PRIMARY KEY NOT ENFORCED, c AS a + 1 COMMENT 'y', m TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, WATERMARK FOR m AS m - INTERVAL '5' SECOND) COMMENT 'z' DISTRIBUTED BY HASH (a) INTO 4 BUCKETS PARTITIONED BY (b) WITH ('connector' = 'print')",
    "CREATE TABLE t (a INT, CONSTRAINT k PRIMARY KEY (a) NOT ENFORCED) WITH ()",
    "CREATE TABLE t WITH ('connector' = 'print') LIKE s (EXCLUDING ALL INCLUDING OPTIONS)",
    "CREATE TABLE t WITH ('connector' = 'print') AS SELECT 1 AS x",
    "CREATE OR REPLACE TABLE t (a INT) WITH ('connector' = 'print')",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TEMPORARY VIEW IF NOT EXISTS v (a COMMENT 'x', b) COMMENT 'y' AS SELECT 1, 2",
    "CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS f AS 'm.f' LANGUAGE PYTHON",
    "CREATE FUNCTION f AS 'com.F' USING JAR 'a.jar', JAR 'b.jar'",
    "CREATE DATABASE IF NOT EXISTS d COMMENT 'x' WITH ('a' = 'b')",
    "CREATE CATALOG c WITH ('type' = 'generic_in_memory')",
    "CREATE MODEL m INPUT (a INT) OUTPUT (b INT) WITH ('provider' = 'x')",
    "CREATE MATERIALIZED TABLE m FRESHNESS = INTERVAL '1' MINUTE AS SELECT 1",
    "DROP TEMPORARY TABLE IF EXISTS t",
    "DROP VIEW v",
    "DROP TEMPORARY SYSTEM FUNCTION f",
    "DROP DATABASE d CASCADE",
    "DROP CATALOG IF EXISTS c",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t SET ('a' = 'b')",
    "ALTER TABLE t RESET ('a', 'b')",
    "ALTER TABLE t ADD (a INT FIRST, b INT AFTER a, WATERMARK FOR ts AS ts, PRIMARY KEY (a) NOT ENFORCED)",
    "ALTER TABLE t MODIFY b BIGINT COMMENT 'x'",
    "ALTER TABLE t DROP (a, b)",
    "ALTER TABLE t DROP WATERMARK",
    "ALTER TABLE t DROP CONSTRAINT k",
    "ALTER TABLE t ADD PARTITION (p = 1)",
    "ALTER VIEW v AS SELECT 2",
    "ALTER VIEW v RENAME TO w",
    "ALTER DATABASE d SET ('a' = 'b')",
    "INSERT INTO c.d.t /*+ OPTIONS('a' = 'b') */ PARTITION (p = 'x') (a, b) SELECT 1, 2",
    "INSERT OVERWRITE t VALUES (1)",
    "INSERT INTO t (SELECT 1)",
    "INSERT INTO t SELECT 1 ON CONFLICT DO DEDUPLICATE",
    "EXECUTE INSERT INTO t SELECT 1",
    "EXECUTE SELECT 1",
    "EXECUTE PLAN 'p.json'",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT ';'; INSERT INTO b SELECT 2; END",
    "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
    "EXPLAIN SELECT 1",
    "EXPLAIN PLAN FOR INSERT INTO t SELECT 1",
    "EXPLAIN ESTIMATED_COST, CHANGELOG_MODE SELECT 1",
    "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
    "USE CATALOG c",
    "USE c.d",
    "USE MODULES core",
    "SHOW TABLES FROM d NOT LIKE 'a%'",
    "SHOW COLUMNS IN t LIKE 'a_'",
    "SHOW USER FUNCTIONS",
    "SHOW FULL MODULES",
    "SHOW CREATE VIEW v",
    "SHOW JOBS",
    "DESC EXTENDED c.d.t",
    "DESCRIBE CATALOG EXTENDED c",
    "DESCRIBE FUNCTION f",
    "DESCRIBE JOB '1'",
    "SET",
    "SET 'a' = 'b'",
    "SET table.local-time-zone = Europe/Berlin",
    "RESET 'a'",
    "RESET",
    "STOP JOB '1' WITH SAVEPOINT",
    "HELP",
    "LOAD MODULE hive",
    "CREATE MODEL IF NOT EXISTS m INPUT (a STRING COMMENT 'x') OUTPUT (b INT) COMMENT 'c' WITH ('k' = 'v')",
    "ALTER MODEL IF EXISTS m RENAME TO n",
    "ALTER MODEL m RESET ('k')",
    "DROP TEMPORARY MODEL IF EXISTS m",
    "SHOW CREATE MODEL m",
    "DESCRIBE MODEL c.d.m",
    "ALTER CATALOG c SET ()",
    "ALTER CATALOG c COMMENT 'x'",
    "ALTER FUNCTION IF EXISTS f AS 'x.y' LANGUAGE PYTHON",
    "CREATE OR ALTER MATERIALIZED TABLE m PARTITIONED BY (a) WITH ('k' = 'v') FRESHNESS = INTERVAL '1' HOUR REFRESH_MODE = FULL AS SELECT 1 AS a",
    "ALTER MATERIALIZED TABLE m REFRESH PARTITION (a = 1)",
    "SHOW CREATE MATERIALIZED TABLE m",
    "DROP MATERIALIZED TABLE IF EXISTS m",
    "ALTER TABLE t ADD IF NOT EXISTS PARTITION (a = 1, b = 'x') WITH ('k' = 'v') PARTITION (a = 2, b = 'y')",
    "ALTER TABLE t DROP PARTITION (a = 1), PARTITION (a = 2)",
    "SHOW PARTITIONS t PARTITION (a = 1)",
    "ALTER TABLE t MODIFY DISTRIBUTION BY RANGE (a) INTO 3 BUCKETS",
    "ALTER TABLE t ADD (a INT, DISTRIBUTION INTO 3 BUCKETS)",
    "REPLACE TABLE t WITH ('k' = 'v') AS SELECT 1",
    "CREATE TABLE t (b, a) WITH ('k' = 'v') AS SELECT 1 AS a, 2 AS b",
    "TRUNCATE TABLE t",
    "UPDATE t SET a = a + 1, b = 'x' WHERE c IS NULL",
    "COMPILE AND EXECUTE PLAN 'x' IF NOT EXISTS FOR STATEMENT SET BEGIN INSERT INTO t SELECT 1; END",
    "EXECUTE PLAN 'x'",
    "ADD JAR 'x.jar'",
    "ANALYZE TABLE t COMPUTE STATISTICS",
    "CALL p.q(1)",
    "DELETE FROM t WHERE a = 1",
    "COMPILE PLAN 'x' FOR INSERT INTO t SELECT 1",
];

#[test]
fn the_corpus_is_read() {
    for text in CORPUS {
        if let Err(error) = parse_statement(text) {
            panic!("{text}\n{error}");
        }
    }
    // All of it as one script, too: the separators are found.
    let script = CORPUS.join(" ;\n");
    assert_eq!(parse_script(&script).unwrap().len(), CORPUS.len());
}

#[test]
fn statements_keep_their_text_and_place() {
    let script = "-- first\nSELECT ';' ; /* ; */\n\n  SHOW TABLES;;";
    let statements = parse_script(script).unwrap();
    let found: Vec<_> = statements
        .iter()
        .map(|s| {
            (
                s.text.as_str(),
                s.position.line,
                s.position.column,
                s.kind(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("SELECT ';'", 2, 1, "SELECT"),
            ("SHOW TABLES", 4, 3, "SHOW")
        ]
    );
    assert!(parse_script(" -- nothing\n ;").unwrap().is_empty());
}

#[test]
fn columns_are_told_apart() {
    let Statement::CreateTable(table) = parse(
        "CREATE TABLE t (a INT, b AS a * 2, c BIGINT METADATA VIRTUAL, WATERMARK FOR d AS d - INTERVAL '1' SECOND) WITH ('k' = 'v')",
    ) else {
        panic!("no CREATE TABLE");
    };
    let [a, b, c] = table.columns.as_slice() else {
        panic!("not three columns");
    };
    assert!(matches!(a.kind, ColumnKind::Physical { .. }));
    assert!(matches!(&b.kind, ColumnKind::Computed(expr) if expr.text == "a * 2"));
    assert!(matches!(
        c.kind,
        ColumnKind::Metadata {
            is_virtual: true,
            ..
        }
    ));
    assert_eq!(
        table.watermark.unwrap().expr.text,
        "d - INTERVAL '1' SECOND"
    );
    assert_eq!(table.options[0].key, "k");
}

#[test]
fn hints_stay_with_their_tables() {
    let query = parse_query(
        "SELECT /*+ LOOKUP('table' = 'b'), BROADCAST(c) */ * FROM a /*+ OPTIONS('x' = '1', 'y' = '2') */ AS q JOIN b ON TRUE",
    )
    .unwrap();
    let select = query.query.body.as_select().unwrap();
    let options = table_options(&select.from[0].relation);
    assert_eq!(options.get("y").map(String::as_str), Some("2"));
    assert!(table_options(&select.from[0].joins[0].relation).is_empty());
    let names: Vec<_> = select_hints(select)
        .unwrap()
        .into_iter()
        .map(|h| h.name)
        .collect();
    assert_eq!(names, ["LOOKUP", "BROADCAST"]);
}

#[test]
fn words_that_are_also_names() {
    assert!(matches!(
        parse("DESC catalog"),
        Statement::Describe(Describe::Table(_))
    ));
    assert!(matches!(
        parse("USE catalog"),
        Statement::Use(UseTarget::Database(_))
    ));
    assert!(
        matches!(parse("SHOW FULL MODULES"), Statement::Show(s) if s.what == ShowWhat::FullModules)
    );
    assert!(matches!(
        parse("ALTER TABLE t DROP PRIMARY KEY"),
        Statement::AlterTable(a) if a.change == AlterTableChange::DropPrimaryKey(None)
    ));
    assert!(matches!(
        parse("SET a.b-c = 1 h"),
        Statement::Set(set) if set.key == "a.b-c" && set.value == "1 h"
    ));
    parse_expression("`count` + size + first").unwrap();
}

#[test]
fn statements_that_do_not_run_say_so() {
    let statement = parse_statement("  REMOVE JAR 'x.jar'").unwrap();
    expect![[r"
        REMOVE JAR is not supported yet at line 1, column 3
          1 |   REMOVE JAR 'x.jar'
            |   ^^^^^^^^^^^^^^^^^^"]]
    .assert_eq(&statement.unsupported().unwrap().to_string());
}

#[test]
fn a_mistyped_statement() {
    check_error(
        "SELEC * FROM t",
        &expect![[r"
            incorrect syntax near 'SELEC' at line 1, column 1
              1 | SELEC * FROM t
                | ^^^^^
              hint: did you mean 'SELECT'?"]],
    );
}

#[test]
fn a_mistyped_clause() {
    check_error(
        "SELECT a\nFORM t",
        &expect![[r"
            incorrect syntax near 't' at line 2, column 6
              2 | FORM t
                |      ^
              hint: did you mean 'FROM'?"]],
    );
    check_error(
        "SELECT 1;\nSHOW TABELS",
        &expect![[r"
            incorrect syntax near 'TABELS' at line 2, column 6
              2 | SHOW TABELS
                |      ^^^^^^
              hint: did you mean 'TABLES'?"]],
    );
}

#[test]
fn what_was_meant() {
    for (text, hint) in [
        ("SELECT COUNT(*) FORM orders", "did you mean 'FROM'?"),
        (
            "SELECT id FROM orders JION t ON TRUE",
            "did you mean 'JOIN'?",
        ),
        ("SELECT id FROM orders GROUP id", "GROUP needs BY"),
        ("SELECT id FROM orders LIMT 3", "did you mean 'LIMIT'?"),
        (
            "SELECT CAST(a AS VARCHER) FROM t",
            "did you mean 'VARCHAR'?",
        ),
        (
            "SELECT id, FROM orders",
            "something is missing behind the comma, or the comma is too much",
        ),
    ] {
        let error = parse_script(text).unwrap_err().to_string();
        assert!(error.ends_with(&format!("hint: {hint}")), "{text}: {error}");
    }
    check_error(
        "SELECT CASE WHEN a THEN 2 FROM t",
        &expect![[r"
            this CASE has no END at line 1, column 8
              1 | SELECT CASE WHEN a THEN 2 FROM t
                |        ^^^^"]],
    );
}

#[test]
fn a_statement_that_ends_too_early() {
    check_error(
        "SELECT 1 FROM",
        &expect![[r"
            incorrect syntax: the statement ends too early at line 1, column 14
              1 | SELECT 1 FROM
                |              ^
              hint: expected a name"]],
    );
    check_error(
        "SELECT 'abc",
        &expect![[r"
            the string does not end: a ' is missing at line 1, column 8
              1 | SELECT 'abc
                |        ^"]],
    );
}

#[test]
fn reserved_words_must_be_quoted() {
    check_error(
        "SELECT a AS value FROM t",
        &expect![[r"
            'value' is a reserved word at line 1, column 13
              1 | SELECT a AS value FROM t
                |             ^^^^^
              hint: write the name in backticks: `value`"]],
    );
    check_error(
        "CREATE TABLE t (count INT)",
        &expect![[r"
            'count' is a reserved word at line 1, column 17
              1 | CREATE TABLE t (count INT)
                |                 ^^^^^
              hint: write the name in backticks: `count`"]],
    );
}

#[test]
fn json_functions_become_calls() {
    for (text, call) in [
        (
            "JSON_VALUE(x, '$.a' RETURNING INT DEFAULT -1 ON EMPTY NULL ON ERROR)",
            "JSON_VALUE(x, '$.a', `returning` => 'INT', `default_on_empty` => -1, `on_error` => 'NULL')",
        ),
        (
            "JSON_QUERY(x, '$.a' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)",
            "JSON_QUERY(x, '$.a', `wrapper` => 'CONDITIONAL', `on_empty` => 'EMPTY ARRAY')",
        ),
        (
            "JSON_OBJECT(KEY 'a' VALUE 1, 'b' : 2 ABSENT ON NULL)",
            "JSON_OBJECT('a', 1, 'b', 2, `on_null` => 'ABSENT')",
        ),
        ("JSON_OBJECT()", "JSON_OBJECT()"),
        (
            "JSON_ARRAY(1, NULL NULL ON NULL)",
            "JSON_ARRAY(1, NULL, `on_null` => 'NULL')",
        ),
        (
            "JSON_EXISTS(x, '$.a' TRUE ON ERROR)",
            "JSON_EXISTS(x, '$.a', `on_error` => 'TRUE')",
        ),
        ("x IS NOT JSON ARRAY", "NOT IS_JSON(x, 'ARRAY')"),
        ("x IS JSON AND y", "IS_JSON(x, 'VALUE') AND y"),
    ] {
        assert_eq!(parse_expression(text).unwrap().expr.to_string(), call);
    }
}

#[test]
fn everyday_names_need_no_quotes() {
    for name in [
        "uuid", "id", "name", "type", "key", "data", "status", "state", "level", "source", "size",
        "first", "last", "path", "version", "message", "ts", "url", "ip", "province", "city",
    ] {
        parse(&format!("SELECT {name} AS {name} FROM {name} AS {name}"));
        parse(&format!("CREATE TABLE {name} ({name} INT)"));
    }
}

#[test]
fn a_target_column_is_assigned_once() {
    check_error(
        "INSERT INTO t (a, b, a) SELECT 1, 2, 3",
        &expect![[r"
            target column 'a' is assigned more than once at line 1, column 22
              1 | INSERT INTO t (a, b, a) SELECT 1, 2, 3
                |                      ^"]],
    );
}

#[test]
fn foreign_spellings_are_refused() {
    check_error(
        r#"SELECT "a" FROM t"#,
        &expect![[r#"
            double quotes mean nothing in Flink SQL: "a" at line 1, column 8
              1 | SELECT "a" FROM t
                |        ^^^
              hint: write a name as `a` and a string as 'a'"#]],
    );
    check_error(
        "SELECT a != 1 FROM t",
        &expect![[r"
            '!=' is no operator of Flink SQL at line 1, column 10
              1 | SELECT a != 1 FROM t
                |          ^^
              hint: write '<>'"]],
    );
}

#[test]
fn types_and_keys_are_checked_where_they_stand() {
    check_error(
        "CREATE TABLE t (\n  名 STRING, a ARRAY<FOO>\n)",
        &expect![[r"
            unknown data type 'FOO' at line 2, column 21
              2 |   名 STRING, a ARRAY<FOO>
                |                      ^^^"]],
    );
    check_error(
        "CREATE TABLE t (a INT, PRIMARY KEY (a))",
        &expect![[r"
            a primary key must say NOT ENFORCED, because Flink does not own the data at line 1, column 39
              1 | CREATE TABLE t (a INT, PRIMARY KEY (a))
                |                                       ^"]],
    );
    check_error(
        "SELECT CAST(a AS DESCRIPTOR) FROM t",
        &expect![[r"
            the data type DESCRIPTOR is not supported yet at line 1, column 18
              1 | SELECT CAST(a AS DESCRIPTOR) FROM t
                |                  ^^^^^^^^^^"]],
    );
    check_error(
        "SELECT * FROM ML_PREDICT(INPUT => TABLE t, MODEL => MODEL m)",
        &expect![[r"
            a MODEL as an argument is not supported yet at line 1, column 59
              1 | SELECT * FROM ML_PREDICT(INPUT => TABLE t, MODEL => MODEL m)
                |                                                           ^"]],
    );
}

#[test]
fn hints_at_wrong_places_are_refused() {
    check_error(
        "SELECT * FROM t AS x /*+ OPTIONS('a' = 'b') */",
        &expect![[r"
            the hint behind 'x' belongs to no table at line 1, column 20
              1 | SELECT * FROM t AS x /*+ OPTIONS('a' = 'b') */
                |                    ^
              hint: write the hint directly behind the table's name, before an alias"]],
    );
}

#[test]
fn a_statement_set_needs_its_end() {
    check_error(
        "EXECUTE STATEMENT SET BEGIN\nINSERT INTO a SELECT 1;",
        &expect![[r"
            incorrect syntax: the statement ends too early at line 2, column 24
              2 | INSERT INTO a SELECT 1;
                |                        ^
              hint: expected INSERT or END"]],
    );
}

#[test]
fn half_a_statement_never_panics() {
    let vocabulary = Vocabulary::default();
    for text in CORPUS {
        let text = text.replace("'a'", "'ä 名'");
        for (offset, _) in text.char_indices() {
            let (before, behind) = text.split_at(offset);
            // Whether it is read or refused does not matter here.
            let _ = parse_script(before);
            let _ = looks_like_sql(behind);
            let _ = complete(&text, offset, &vocabulary);
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let text = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let error = parse_script(&text).unwrap_err().to_string();
    assert!(
        error.starts_with("the statement is nested too deep"),
        "{error}"
    );
}
