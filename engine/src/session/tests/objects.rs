//! Statements about models, materialized tables, partitions, functions and plans.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::run;
use crate::session::Session;
use std::collections::BTreeMap;

const OK: &str = "[result STRING]\n+I OK\n";

/// Each statement with what it gives; an error with a part of its text.
pub(super) fn check(statements: &[(&str, &str)]) {
    let session = Session::new(BTreeMap::new());
    for (sql, expected) in statements {
        let given = run(&session, sql);
        if *expected == "OK" {
            assert_eq!(given, OK, "{sql}");
        } else {
            assert!(given.contains(expected), "{sql}\n{given}");
        }
    }
}

#[test]
fn models_are_kept_shown_and_altered() {
    check(&[
        (
            "CREATE MODEL m INPUT (a STRING COMMENT 'x') OUTPUT (b INT NOT NULL) WITH ('provider' = 'p')",
            "OK",
        ),
        ("CREATE MODEL m WITH ('provider' = 'p')", "already exists"),
        ("ALTER MODEL m SET ('task' = 't')", "OK"),
        ("ALTER MODEL m SET ()", "does not support empty options"),
        ("DESCRIBE MODEL m", "+I a | STRING | TRUE | TRUE | x"),
        (
            "SHOW CREATE MODEL m",
            "INPUT (`a` VARCHAR(2147483647) COMMENT 'x')",
        ),
        ("ALTER MODEL m RENAME TO n", "OK"),
        ("SHOW MODELS", "+I n\n"),
        ("DROP MODEL m", "does not exist"),
        ("DROP MODEL IF EXISTS m", "OK"),
        ("CREATE TEMPORARY MODEL n WITH ('provider' = 'q')", "OK"),
        ("ALTER MODEL n RESET ('task')", "is a temporary model"),
        ("DROP TEMPORARY MODEL n", "OK"),
        ("ALTER MODEL IF EXISTS nothing RESET ('task')", "OK"),
        (
            "CREATE MODEL d INPUT (a INT, a INT) OUTPUT (b INT) WITH ('k' = 'v')",
            "duplicate input",
        ),
        (
            "CREATE MODEL d INPUT (a INT) WITH ('k' = 'v')",
            "both INPUT and OUTPUT",
        ),
    ]);
}

#[test]
fn materialized_tables_are_tables_with_a_query() {
    check(&[
        ("CREATE VIEW v AS SELECT 1 AS a, 'x' AS b", "OK"),
        (
            "CREATE MATERIALIZED TABLE m WITH ('connector' = 'blackhole') FRESHNESS = INTERVAL '1' DAY AS SELECT a FROM v",
            "OK",
        ),
        (
            "SHOW CREATE MATERIALIZED TABLE m",
            "REFRESH_MODE = FULL\nAS SELECT a FROM v",
        ),
        ("SHOW CREATE TABLE m", "is a materialized table"),
        ("SHOW MATERIALIZED TABLES", "+I m\n"),
        ("DROP TABLE m", "write DROP MATERIALIZED TABLE"),
        ("ALTER TABLE m ADD x INT", "not allowed"),
        (
            "CREATE OR ALTER MATERIALIZED TABLE m AS SELECT a, b FROM v",
            "OK",
        ),
        ("DESC m", "+I b | CHAR(1) | TRUE"),
        (
            "CREATE OR ALTER MATERIALIZED TABLE m AS SELECT b FROM v",
            "may only append columns",
        ),
        ("ALTER MATERIALIZED TABLE m SUSPEND", "SQL gateway"),
        (
            "CREATE MATERIALIZED TABLE n FRESHNESS = INTERVAL '7' MINUTE REFRESH_MODE = FULL AS SELECT 1 AS a",
            "a factor of 60",
        ),
        (
            "CREATE MATERIALIZED TABLE n FRESHNESS = INTERVAL '0' SECOND AS SELECT 1 AS a",
            "positive",
        ),
        (
            "CREATE MATERIALIZED TABLE n FRESHNESS = INTERVAL '1' YEAR AS SELECT 1 AS a",
            "of YEAR",
        ),
        ("DROP MATERIALIZED TABLE m", "OK"),
    ]);
}

#[test]
fn partitions_and_distributions() {
    check(&[
        (
            "CREATE TABLE t (a INT, b STRING, c INT) PARTITIONED BY (b, c) WITH ('connector' = 'blackhole')",
            "OK",
        ),
        (
            "ALTER TABLE t ADD PARTITION (c = 1, b = 'x') PARTITION (b = 'y', c = 2)",
            "OK",
        ),
        ("SHOW PARTITIONS t", "+I c=1/b=x\n+I b=y/c=2\n"),
        (
            "SHOW PARTITIONS t PARTITION (b = 'y')",
            "[partition name STRING]\n+I b=y/c=2\n",
        ),
        (
            "ALTER TABLE t ADD PARTITION (b = 'x', c = 1)",
            "already exists",
        ),
        (
            "ALTER TABLE t ADD IF NOT EXISTS PARTITION (b = 'x', c = 1)",
            "OK",
        ),
        (
            "ALTER TABLE t ADD PARTITION (b = 'x')",
            "does not have the keys of the table: b, c",
        ),
        (
            "ALTER TABLE t DROP PARTITION (b = 'x', c = 1), PARTITION (b = 'y', c = 2)",
            "OK",
        ),
        (
            "ALTER TABLE t DROP PARTITION (b = 'x', c = 1)",
            "does not exist",
        ),
        (
            "ALTER TABLE t ADD DISTRIBUTION BY HASH (a) INTO 3 BUCKETS",
            "OK",
        ),
        (
            "SHOW CREATE TABLE t",
            "DISTRIBUTED BY HASH(`a`) INTO 3 BUCKETS",
        ),
        (
            "ALTER TABLE t MODIFY DISTRIBUTION BY (z)",
            "invalid bucket key 'z'",
        ),
        ("ALTER TABLE t DROP DISTRIBUTION", "OK"),
        ("ALTER TABLE t DROP DISTRIBUTION", "no distribution"),
        (
            "CREATE TABLE u (a INT) WITH ('connector' = 'blackhole')",
            "OK",
        ),
        ("SHOW PARTITIONS u", "is not partitioned"),
    ]);
}

#[test]
fn tables_from_queries() {
    check(&[
        (
            "CREATE TABLE t (c AS a + 1, a BIGINT) WITH ('connector' = 'blackhole') AS SELECT 1 AS a, 'x' AS b",
            "[default_catalog.default_database.t BIGINT]",
        ),
        (
            "DESC t",
            "+I c | BIGINT | TRUE | NULL | AS `a` + 1 | NULL\n+I a | BIGINT",
        ),
        (
            "CREATE TABLE o (b, a) WITH ('connector' = 'blackhole') AS SELECT 1 AS a, 'x' AS b",
            "[default_catalog.default_database.o",
        ),
        (
            "DESC o",
            "+I b | CHAR(1) | FALSE | NULL | NULL | NULL\n+I a | INT",
        ),
        (
            "CREATE TABLE p (b, z) WITH ('connector' = 'blackhole') AS SELECT 1 AS a, 'x' AS b",
            "column 'z' is none of the query's",
        ),
        (
            "CREATE TABLE p (a AS 2) WITH ('connector' = 'blackhole') AS SELECT 1 AS a",
            "computed columns cannot overwrite",
        ),
        (
            "REPLACE TABLE p WITH ('connector' = 'blackhole') AS SELECT 1 AS a",
            "to be replaced does not exist",
        ),
        (
            "REPLACE TABLE o WITH ('connector' = 'blackhole') AS SELECT 2 AS n",
            "[default_catalog.default_database.o",
        ),
        (
            "DESC o",
            "[name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING]\n+I n | INT",
        ),
        (
            "CREATE OR REPLACE TABLE o (a INT) WITH ('connector' = 'blackhole')",
            "already exists",
        ),
        (
            "CREATE TEMPORARY TABLE q WITH ('connector' = 'blackhole') AS SELECT 1 AS a",
            "cannot create a temporary table",
        ),
    ]);
}

#[test]
fn catalogs_are_altered() {
    check(&[
        (
            "CREATE CATALOG c WITH ('type' = 'generic_in_memory', 'k' = 'v')",
            "unsupported option 'k'",
        ),
        ("CREATE CATALOG c WITH ('type' = 'generic_in_memory')", "OK"),
        ("ALTER CATALOG c SET ('default-database' = 'd')", "OK"),
        ("ALTER CATALOG c COMMENT 'it''s'", "OK"),
        (
            "SHOW CREATE CATALOG c",
            "COMMENT 'it''s'\nWITH (\n  'default-database' = 'd',\n  'type' =",
        ),
        (
            "ALTER CATALOG c RESET ('type')",
            "does not support changing 'type'",
        ),
        (
            "ALTER CATALOG default_catalog SET ('a' = 'b')",
            "does not exist",
        ),
        (
            "USE CATALOG nowhere",
            "a catalog with name 'nowhere' does not exist",
        ),
    ]);
}

#[test]
fn functions_of_catalogs() {
    check(&[
        ("CREATE FUNCTION MyF AS 'a.B'", "OK"),
        ("CREATE FUNCTION myf AS 'a.B'", "already exists"),
        ("SHOW USER FUNCTIONS", "+I myf\n"),
        ("ALTER FUNCTION myf AS 'a.C'", "OK"),
        ("SELECT myf(1)", "class 'a.C'"),
        ("ALTER TEMPORARY FUNCTION myf AS 'a.C'", "not supported"),
        ("DROP TEMPORARY FUNCTION myf", "write DROP FUNCTION"),
        ("DROP FUNCTION myf", "OK"),
        ("DROP FUNCTION myf", "does not exist in catalog"),
        ("DESCRIBE FUNCTION EXTENDED `sum`", "+I kind | AGGREGATE"),
        ("DESCRIBE FUNCTION nothing", "does not exist"),
    ]);
}

#[test]
fn rows_in_place_are_refused_after_a_look() {
    check(&[
        (
            "CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = 'nowhere', 'format' = 'csv')",
            "OK",
        ),
        ("TRUNCATE TABLE t", "not supported in streaming mode"),
        ("TRUNCATE TABLE u", "cannot find table"),
        ("DELETE FROM t WHERE z = 1", "column 'z' not found"),
        (
            "UPDATE t SET z = 1",
            "unknown target column 'z' at line 1, column 14",
        ),
        ("UPDATE t SET a = 'x'", "cannot assign to column 'a'"),
        (
            "ANALYZE TABLE t PARTITION (a) COMPUTE STATISTICS",
            "is not partitioned",
        ),
        (
            "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS z",
            "column 'z' does not exist",
        ),
        ("ANALYZE TABLE t COMPUTE STATISTICS", "streaming mode"),
        ("CALL p.q(1, 'x')", "no procedure"),
    ]);
}

#[test]
fn plans_are_files() {
    let folder = std::env::temp_dir().join(format!("tidemill-plans-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("p.json");
    let path = path.display();
    let compile = format!("COMPILE PLAN '{path}' FOR INSERT INTO t SELECT 1");
    let keep = format!("COMPILE PLAN '{path}' IF NOT EXISTS FOR INSERT INTO t SELECT 1");
    let execute = format!("EXECUTE PLAN '{path}'");
    check(&[
        (&execute, "cannot read the plan"),
        ("CREATE DATABASE d", "OK"),
        ("USE d", "OK"),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')",
            "OK",
        ),
        (&compile, "OK"),
        (&compile, "cannot overwrite the plan file"),
        (&keep, "OK"),
        ("USE default_database", "OK"),
        (&execute, "[default_catalog.d.t BIGINT]"),
        ("SHOW CURRENT DATABASE", "+I default_database\n"),
        ("SET 'table.plan.force-recompile' = 'true'", "OK"),
        ("USE d", "OK"),
        (&compile, "OK"),
        ("DROP TABLE t", "OK"),
        (&execute, "cannot find table"),
    ]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn tables_from_queries_are_explained() {
    check(&[
        (
            "EXPLAIN CREATE TABLE z WITH ('connector' = 'blackhole') AS SELECT 1 AS x",
            "Sink(table=[default_catalog.default_database.z], fields=[x])",
        ),
        ("SHOW TABLES", "[table name STRING]\n"),
        ("EXPLAIN CREATE TABLE z (a INT)", "needs a query behind AS"),
    ]);
}
