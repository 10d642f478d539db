//! Statements about tables, views and catalogs, as Flink 2.3 answers them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::objects::check;

#[test]
fn options_are_marked_where_the_statement_gives_them() {
    check(&[
        (
            "CREATE TABLE t WITH ('connector' = 'prnt') AS SELECT 1 AS a",
            "unknown connector 'prnt' of option 'connector'; connectors that exist: blackhole",
        ),
        (
            "CREATE TABLE t WITH ('connector' = 'prnt') AS SELECT 1 AS a",
            "                                  ^^^^^^\n  hint: did you mean 'print'?",
        ),
        (
            "CREATE TABLE t WITH ('connector' = 'print', 'standard-eror' = 'x') AS SELECT 1 AS a",
            "                                           ^^^^^^^^^^^^^^^\n  hint: did you mean \
             'standard-error' with 'standard-eror'?",
        ),
        (
            "CREATE TABLE t WITH ('connector' = 'print', 'standard-error' = 'x') AS SELECT 1 AS a",
            "invalid value 'x' for option 'standard-error': expected true or false at line 1, column 64",
        ),
        (
            "CREATE CATALOG c WITH ('type' = 'generic_in_memry')",
            "                                ^^^^^^^^^^^^^^^^^^\n  hint: did you mean 'generic_in_memory'?",
        ),
        (
            "CREATE CATALOG c WITH ('type' = 'generic_in_memory', 'default-databse' = 'x')",
            "'default-databse', the options are: type, default-database, property-version at line 1, column 54",
        ),
        (
            "CREATE CATALOG c WITH ('type' = 'generic_in_memory', 'default-database' = '')",
            "'default-database' cannot be empty at line 1, column 54",
        ),
        (
            "SET 'table.exec.state.ttl' = 'often'",
            "                             ^^^^^^^",
        ),
        (
            "SET 'table.exec.state.tll' = '1 h'",
            "    ^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            "SET table.exec.mini-batch.size = many",
            "                                 ^^^^",
        ),
    ]);
}

#[test]
fn an_option_of_another_statement_is_named_with_its_table() {
    check(&[
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = 'x')",
            "OK",
        ),
        (
            "SELECT * FROM t",
            "table 'default_catalog.default_database.t': invalid value 'x' for option 'number-of-rows'",
        ),
        // The option of the same name is right in this statement.
        (
            "CREATE TABLE u WITH ('connector' = 'print', 'number-of-rows' = '1') AS SELECT * FROM t",
            "table 'default_catalog.default_database.t': invalid value 'x' for option 'number-of-rows'",
        ),
        ("CREATE TABLE n (a INT) WITH ('connector' = 'nope')", "OK"),
        (
            "SELECT * FROM n",
            "table 'default_catalog.default_database.n': unknown connector 'nope'",
        ),
    ]);
}

#[test]
fn types_of_columns_are_as_precise_as_can_be() {
    check(&[
        (
            "CREATE TABLE t (a DECIMAL(39, 2), b CHAR(0), c TIMESTAMP(10), d TIME(5), e \
             TIMESTAMP_LTZ(12), f VARBINARY(0), g DECIMAL(300))",
            "OK",
        ),
        ("DESC t", "+I a | DECIMAL(38, 2) |"),
        ("DESC t", "+I b | CHAR(0) |"),
        ("DESC t", "+I c | TIMESTAMP(9) |"),
        ("DESC t", "+I d | TIME(3) |"),
        ("DESC t", "+I e | TIMESTAMP_LTZ(9) |"),
        ("DESC t", "+I f | VARBINARY(0) |"),
        (
            "CREATE TABLE u (a DECIMAL(0))",
            "must be between 1 and 38, not 0",
        ),
        (
            "CREATE TABLE u (a DECIMAL(3, 5))",
            "must be between 0 and 3",
        ),
        (
            "CREATE TABLE u (a INTERVAL DAY)",
            "incorrect syntax near 'INTERVAL'",
        ),
        (
            "CREATE TABLE u (a ROW<b ARRAY<NULL>>)",
            "incorrect syntax near 'NULL'",
        ),
        (
            "CREATE TABLE u (a INT, c AS a + 1) PARTITIONED BY (c)",
            "partition key 'c' is not a physical column",
        ),
        (
            "CREATE TABLE u (r ROW<ts TIMESTAMP(3)>, WATERMARK FOR r.ts AS r.ts)",
            "invalid column name 'r.ts' for the rowtime",
        ),
    ]);
}

#[test]
fn views_keep_their_columns() {
    let data = "WITH ('connector' = 'datagen', 'number-of-rows' = '1')";
    check(&[
        (&format!("CREATE TABLE t (a INT, b STRING) {data}"), "OK"),
        ("CREATE VIEW v AS SELECT * FROM t", "OK"),
        ("CREATE VIEW w (x, y) AS SELECT * FROM v", "OK"),
        ("DROP TABLE t", "OK"),
        (
            &format!("CREATE TABLE t (c INT, b STRING, a BIGINT) {data}"),
            "OK",
        ),
        ("SELECT * FROM v", "[a INT, b STRING]"),
        ("SELECT y, x FROM w", "[y STRING, x INT]"),
        ("ALTER TABLE t DROP b", "OK"),
        ("SELECT * FROM v", "its query has no column 'b' any more"),
    ]);
}

#[test]
fn what_flink_refuses_is_refused() {
    check(&[
        (
            "CREATE TABLE t (a INT, b INT COMMENT 'two') WITH ('connector' = 'print')",
            "OK",
        ),
        (
            "ALTER TABLE t MODIFY (a BIGINT, a INT)",
            "column 'a' is modified twice",
        ),
        ("ALTER TABLE t DROP IF EXISTS PARTITION (p = '1')", "OK"),
        (
            "ALTER TABLE t DROP PARTITION (p = '1')",
            "is not partitioned",
        ),
        // The column is there for the whole table, whatever is shown of it.
        (
            "SHOW COLUMNS FROM t LIKE 'a'",
            "watermark STRING, comment STRING]",
        ),
        (
            "CREATE VIEW v AS INSERT INTO t SELECT 1, 2",
            "incorrect syntax near the keyword 'INSERT'",
        ),
        (
            "STATEMENT SET BEGIN INSERT INTO t VALUES (1, 2); END",
            "write EXECUTE STATEMENT SET",
        ),
        (
            "EXPLAIN CHANGELOG_MODE, CHANGELOG_MODE SELECT 1",
            "duplicate EXPLAIN detail CHANGELOG_MODE",
        ),
        (
            "REPLACE TABLE r WITH ('connector' = 'print') AS SELECT 1 AS a",
            "does not exist",
        ),
        (
            "CREATE TABLE d (a INT) DISTRIBUTED INTO 2 BUCKETS WITH ('connector' = 'print')",
            "OK",
        ),
        ("INSERT INTO d VALUES (1)", "is distributed into buckets"),
        (
            "SELECT /*+ BROADCAST */ x.a FROM t x JOIN t y ON x.a = y.a",
            "it names at least one table",
        ),
        ("SET 'execution.runtime-mode' = 'batch'", "OK"),
        (
            "ANALYZE TABLE t COMPUTE STATISTICS",
            "failed to execute ANALYZE TABLE",
        ),
        (
            "EXPLAIN PLAN_ADVICE SELECT 1",
            "PLAN_ADVICE in batch mode is not supported",
        ),
    ]);
}

#[test]
fn an_altered_catalog_has_its_default_database() {
    check(&[
        ("CREATE CATALOG c WITH ('type' = 'generic_in_memory')", "OK"),
        ("CREATE DATABASE c.x", "OK"),
        ("ALTER CATALOG c SET ('default-database' = 'd1')", "OK"),
        ("USE CATALOG c", "OK"),
        ("SHOW CURRENT DATABASE", "+I d1\n"),
        ("SHOW DATABASES", "+I d1\n+I default\n+I x\n"),
        ("ALTER CATALOG c RESET ('default-database')", "OK"),
        ("USE CATALOG c", "OK"),
        ("SHOW CURRENT DATABASE", "+I default\n"),
    ]);
}

#[test]
fn explain_shows_the_options_of_a_scan() {
    let ddl = "CREATE TABLE g (a INT, b STRING) WITH ('connector' = 'datagen')";
    let sql = "EXPLAIN SELECT a, b FROM g /*+ OPTIONS('rows-per-second' = '5', 'number-of-rows' = '3') */";
    check(&[
        (ddl, "OK"),
        (
            sql,
            "LogicalTableScan(table=[[default_catalog, default_database, g]], hints=[[[OPTIONS \
             inheritPath:[] options:{number-of-rows=3, rows-per-second=5}]]])",
        ),
        (
            sql,
            "TableSourceScan(table=[[default_catalog, default_database, g]], fields=[a, b], \
             hints=[[[OPTIONS options:{number-of-rows=3, rows-per-second=5}]]])",
        ),
    ]);
}
