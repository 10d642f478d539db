//! What users read when something is wrong.

use expect_test::{Expect, expect};

use super::{run, session};

fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&run(&session(), sql));
}

#[test]
fn unknown_names_are_pointed_at() {
    check(
        "SELECT regio FROM orders",
        expect![[r#"
        column 'regio' not found in any table at line 1, column 8
          1 | SELECT regio FROM orders
            |        ^^^^^
          hint: did you mean 'region'?"#]],
    );
    check(
        "SELECT o.nope FROM orders AS o",
        expect![[r#"
        column 'o.nope' not found in any table at line 1, column 8
          1 | SELECT o.nope FROM orders AS o
            |        ^^^^^^
          hint: the columns here are: id, region, amount"#]],
    );
    check(
        "SELECT *\nFROM ordes",
        expect![[r#"
        cannot find table '`default_catalog`.`default_database`.`ordes`' in any of the catalogs [default_catalog], nor as a temporary table at line 2, column 6
          2 | FROM ordes
            |      ^^^^^
          hint: did you mean 'orders'?"#]],
    );
    check(
        "SELECT uper(region) FROM orders",
        expect![[r#"
        no function named 'uper' at line 1, column 8
          1 | SELECT uper(region) FROM orders
            |        ^^^^
          hint: did you mean 'UPPER'?"#]],
    );
}

#[test]
fn ambiguous_and_ungrouped_columns() {
    check(
        "SELECT region, amount FROM orders GROUP BY region",
        expect![[r#"
        expression 'amount' is not being grouped at line 1, column 16
          1 | SELECT region, amount FROM orders GROUP BY region
            |                ^^^^^^"#]],
    );
    check(
        "SELECT id FROM orders a, orders b",
        expect![[r#"
        column 'id' is ambiguous at line 1, column 8
          1 | SELECT id FROM orders a, orders b
            |        ^^
          hint: put the name of its table before it"#]],
    );
}

#[test]
fn types_that_do_not_fit() {
    check(
        "SELECT id = '1' FROM orders",
        expect![[r#"
            implicit type conversion between INTEGER and CHAR(1) is not supported now at line 1, column 8
              1 | SELECT id = '1' FROM orders
                |        ^^^^^^^^"#]],
    );
    check(
        "SELECT region + 1 FROM orders",
        expect![[r#"
            cannot apply '+' to arguments of type '<VARCHAR(2147483647)> + <INTEGER>'; supported: '<NUMERIC> + <NUMERIC>' at line 1, column 8
              1 | SELECT region + 1 FROM orders
                |        ^^^^^^^^^^"#]],
    );
    check(
        "SELECT CAST(id AS DATE) FROM orders",
        expect!["cast function cannot convert value of type INT to type DATE"],
    );
    check(
        "SELECT UPPER(id) FROM orders",
        expect![[r#"
            invalid arguments of function UPPER(INT) at line 1, column 8
              1 | SELECT UPPER(id) FROM orders
                |        ^^^^^"#]],
    );
}

#[test]
fn unions_need_types_of_one_family() {
    check(
        "SELECT 1, 2 UNION ALL SELECT 1, 'a'",
        expect!["type mismatch in column 2 of UNION ALL"],
    );
    check(
        "SELECT 'a' UNION SELECT DATE '2024-01-01'",
        expect!["type mismatch in column 1 of UNION"],
    );
    check(
        "SELECT region FROM orders EXCEPT SELECT id FROM orders",
        expect!["type mismatch in column 1 of EXCEPT"],
    );
    check(
        "SELECT id FROM orders INTERSECT SELECT id, id FROM orders",
        expect!["column count mismatch in INTERSECT"],
    );
    check(
        "SELECT id FROM orders INTERSECT SELECT amount / 10.0 FROM orders",
        expect![[r#"
            [id DECIMAL(26, 6)]
            +I 1.000000
            +I 2.000000
            +I 3.000000
        "#]],
    );
    let mixed = "SELECT 1 UNION ALL SELECT CAST(NULL AS INT) UNION ALL SELECT 2.5 UNION ALL SELECT CAST(NULL AS INT)";
    let schema = session().query(mixed).unwrap().schema();
    assert_eq!(
        schema.field(0).data_type(),
        &arrow::datatypes::DataType::Decimal128(11, 1)
    );
}

#[test]
fn null_in_a_result_that_has_none() {
    check(
        "SELECT CAST('99999999999999999999' AS DECIMAL(38, 0)) * CAST('99999999999999999999' AS DECIMAL(38, 0))",
        expect![[r#"
            [EXPR$0 DECIMAL(38, 0) NOT NULL]
            failed: column 'EXPR$0' is NOT NULL, however, a null value is being written into it
        "#]],
    );
    check(
        "SELECT 99999999999999999999",
        expect![[r#"
            numeric literal '99999999999999999999' out of range at line 1, column 8
              1 | SELECT 99999999999999999999
                |        ^^^^^^^^^^^^^^^^^^^^"#]],
    );
}

#[test]
fn what_does_not_run_yet_says_so() {
    check(
        "SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
        expect![[r#"
            unknown identifier 'ts' in a descriptor at line 1, column 53
              1 | SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                |                                                     ^^
              hint: the columns here are: id, region, amount"#]],
    );
    check(
        "SELECT page FROM clicks ORDER BY page",
        expect![[r#"
        Sort on a non-time-attribute field is not supported.
          hint: add LIMIT to keep the first rows up to date"#]],
    );
}

#[test]
fn grouping_sees_columns_and_no_aliases() {
    check(
        "SELECT id % 2 AS y, COUNT(*) FROM orders GROUP BY y",
        expect![[r#"
            column 'y' not found in any table at line 1, column 51
              1 | SELECT id % 2 AS y, COUNT(*) FROM orders GROUP BY y
                |                                                   ^
              hint: the columns here are: id, region, amount"#]],
    );
    check(
        "WITH o AS (SELECT id FROM orders) SELECT id + 1 AS y, COUNT(*) FROM o GROUP BY y",
        expect![[r#"
            column 'y' not found in any table at line 1, column 80
              1 | WITH o AS (SELECT id FROM orders) SELECT id + 1 AS y, COUNT(*) FROM o GROUP BY y
                |                                                                                ^
              hint: the columns here are: id"#]],
    );
    check(
        "WITH o AS (SELECT region FROM orders) \
         SELECT UPPER(region) AS region, COUNT(*) FROM o GROUP BY region",
        expect![[r#"
            [region STRING, EXPR$1 BIGINT NOT NULL]
            +I NORTH | 1
            +I SOUTH | 1
            -U NORTH | 1
            +U NORTH | 2
            +I NULL | 1
        "#]],
    );
}

#[test]
fn aggregates_and_operators_are_checked() {
    check(
        "SELECT COUNT(NULL) FROM orders",
        expect!["illegal use of 'NULL'"],
    );
    check(
        "SELECT SUM(COUNT(*)) FROM orders",
        expect!["aggregate expressions cannot be nested"],
    );
    check(
        "SELECT 1 || 'x'",
        expect![[r#"
            cannot apply '||' to arguments of type '<INTEGER> || <CHAR(1)>'; supported: '<STRING> || <STRING>' at line 1, column 8
              1 | SELECT 1 || 'x'
                |        ^^^^^^^^"#]],
    );
    check(
        "SELECT 2 << 1",
        expect![[r#"
        there is no operator '<<' at line 1, column 10
          1 | SELECT 2 << 1
            |          ^^"#]],
    );
}

#[test]
fn batch_errors_have_no_prefix() {
    let session = session();
    session
        .set_config("execution.runtime-mode", "batch")
        .unwrap();
    expect![[r#"
        [EXPR$0 INT]
        failed: cannot cast 'north' to INT
    "#]]
    .assert_eq(&run(&session, "SELECT CAST(region AS INT) FROM orders"));
    expect![[r#"
        [region STRING, n INT]
        failed: cannot cast 'north' to INT
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT region, SUM(CAST(region AS INT)) AS n FROM orders GROUP BY region ORDER BY n",
    ));
}

#[test]
fn runtime_errors_reach_the_reader() {
    check(
        "SELECT 1 / (id - id) FROM orders",
        expect![[r#"
        [EXPR$0 INT NOT NULL]
        failed: division by zero
    "#]],
    );
    check(
        "SELECT CAST(region AS INT) FROM orders",
        expect![[r#"
        [EXPR$0 INT]
        failed: cannot cast 'north' to INT
    "#]],
    );
}

#[test]
fn inserts_are_checked() {
    let session = session();
    session
        .execute("CREATE TABLE snk (region STRING, n INT) WITH ('connector' = 'blackhole')")
        .unwrap();
    let cases = [
        (
            "INSERT INTO snk SELECT region FROM orders",
            expect![[r#"
            column types of query result and sink for 'default_catalog.default_database.snk' do not match at line 1, column 13
            Cause: Different number of columns.

            Query schema: [region: STRING]
            Sink schema:  [region: STRING, n: INT]
              1 | INSERT INTO snk SELECT region FROM orders
                |             ^^^"#]],
        ),
        (
            "INSERT INTO snk SELECT region, amount FROM orders",
            expect![[r#"
            column types of query result and sink for 'default_catalog.default_database.snk' do not match at line 1, column 13
            Cause: Incompatible types for sink column 'n' at position 1.

            Query schema: [region: STRING, amount: BIGINT]
            Sink schema:  [region: STRING, n: INT]
              1 | INSERT INTO snk SELECT region, amount FROM orders
                |             ^^^"#]],
        ),
        (
            "INSERT INTO snk (region, m) SELECT region, id FROM orders",
            expect![[r#"
            unknown target column 'm' at line 1, column 13
              1 | INSERT INTO snk (region, m) SELECT region, id FROM orders
                |             ^^^"#]],
        ),
        (
            "INSERT INTO snkk SELECT region, id FROM orders",
            expect![[r#"
            cannot find table '`default_catalog`.`default_database`.`snkk`' in any of the catalogs [default_catalog], nor as a temporary table at line 1, column 13
              1 | INSERT INTO snkk SELECT region, id FROM orders
                |             ^^^^
              hint: did you mean 'snk'?"#]],
        ),
    ];
    for (sql, expected) in cases {
        expected.assert_eq(&run(&session, sql));
    }
}

#[test]
fn append_only_sinks_refuse_updates() {
    let folder = tempfile::tempdir().unwrap();
    let session = session();
    session
        .execute(&format!(
            "CREATE TABLE files (region STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
            folder.path().display()
        ))
        .unwrap();
    expect!["Table sink 'default_catalog.default_database.files' doesn't support consuming update changes which is produced by node GroupAggregate(groupBy=[region], select=[region, COUNT(*) AS n])"].assert_eq(&run(
        &session,
        "INSERT INTO files SELECT region, COUNT(*) AS n FROM orders GROUP BY region",
    ));
}

#[test]
fn configuration_keys_are_checked() {
    let session = session();
    let cases = [
        (
            "SET 'table.local-time-zon' = 'UTC'",
            expect![[r#"
                there is no configuration key 'table.local-time-zon'; did you mean 'table.local-time-zone'? at line 1, column 5
                  1 | SET 'table.local-time-zon' = 'UTC'
                    |     ^^^^^^^^^^^^^^^^^^^^^^"#]],
        ),
        (
            "SET 'table.local-time-zone' = 'Mars'",
            expect![[r#"
                'Mars' is no value of 'table.local-time-zone'; expected an IANA name such as 'Asia/Shanghai' or 'UTC', or a distance in whole hours such as 'GMT-03:00' at line 1, column 31
                  1 | SET 'table.local-time-zone' = 'Mars'
                    |                               ^^^^^^"#]],
        ),
        (
            "SET 'table.local-time-zone' = 'UTC+8'",
            expect![[r#"
                'UTC+8' is no value of 'table.local-time-zone'; expected an IANA name such as 'Asia/Shanghai' or 'UTC', or a distance in whole hours such as 'GMT-03:00' at line 1, column 31
                  1 | SET 'table.local-time-zone' = 'UTC+8'
                    |                               ^^^^^^^"#]],
        ),
        (
            "SET 'table.local-time-zone' = 'GMT+05:30'",
            expect![[r#"
                'GMT+05:30' is no value of 'table.local-time-zone'; expected an IANA name such as 'Asia/Shanghai' or 'UTC', or a distance in whole hours such as 'GMT-03:00' at line 1, column 31
                  1 | SET 'table.local-time-zone' = 'GMT+05:30'
                    |                               ^^^^^^^^^^^"#]],
        ),
        (
            "SET 'table.local-time-zone' = 'GMT+15'",
            expect![[r#"
                'GMT+15' is no value of 'table.local-time-zone'; expected an IANA name such as 'Asia/Shanghai' or 'UTC', or a distance in whole hours such as 'GMT-03:00' at line 1, column 31
                  1 | SET 'table.local-time-zone' = 'GMT+15'
                    |                               ^^^^^^^^"#]],
        ),
        (
            "SET 'parallelism.default' = 'many'",
            expect![[r#"
                'many' is no value of 'parallelism.default'; expected a whole number above zero, or -1 for the default at line 1, column 29
                  1 | SET 'parallelism.default' = 'many'
                    |                             ^^^^^^"#]],
        ),
        (
            "SET 'my.own.key' = 'x'",
            expect![[r#"
            [result STRING]
            +I OK
        "#]],
        ),
    ];
    for (sql, expected) in cases {
        expected.assert_eq(&run(&session, sql));
    }
}

#[test]
fn a_view_cannot_lead_to_itself() {
    let session = session();
    session
        .execute("CREATE VIEW v AS SELECT id FROM orders")
        .unwrap();
    session
        .execute("CREATE VIEW w AS SELECT id FROM v")
        .unwrap();
    expect![[r#"
        view '`default_catalog`.`default_database`.`v`' leads to itself at line 1, column 33
          1 | SELECT * FROM `default_catalog`.`default_database`.`v`
            |                                 ^"#]]
    .assert_eq(&run(&session, "ALTER VIEW v AS SELECT id FROM w"));
    assert!(
        session.query("SELECT * FROM w").is_ok(),
        "the old view stays"
    );
}

#[test]
fn a_broken_view_is_named() {
    let session = session();
    session
        .execute("CREATE TEMPORARY TABLE t (a INT, b INT) WITH ('connector' = 'datagen')")
        .unwrap();
    session.execute("CREATE VIEW v AS SELECT b FROM t").unwrap();
    session.execute("DROP TEMPORARY TABLE t").unwrap();
    session
        .execute("CREATE TABLE t (a INT) WITH ('connector' = 'datagen')")
        .unwrap();
    expect![[r#"
        in view 'default_catalog.default_database.v': column 'b' not found in any table at line 1, column 15
          1 | SELECT * FROM v
            |               ^
          hint: the columns here are: a"#]].assert_eq(&run(&session, "SELECT * FROM v"));
}

#[test]
fn a_view_without_its_base_is_named() {
    let session = session();
    session
        .execute("CREATE VIEW v1 AS SELECT id AS b FROM orders")
        .unwrap();
    session
        .execute("CREATE VIEW v2 AS SELECT b + 1 AS a_column_with_a_long_name FROM v1")
        .unwrap();
    session.execute("DROP VIEW v1").unwrap();
    expect![[r#"
        in view 'default_catalog.default_database.v2': cannot find table '`default_catalog`.`default_database`.`v1`' in any of the catalogs [default_catalog], nor as a temporary table at line 1, column 15
          1 | SELECT * FROM v2
            |               ^^"#]].assert_eq(&run(&session, "SELECT * FROM v2"));
}

#[test]
fn types_that_do_not_fit_are_pointed_at() {
    check(
        "SELECT id, UPPER(1, 2) FROM orders",
        expect![[r#"
        invalid arguments of function UPPER(INT, INT) at line 1, column 12
          1 | SELECT id, UPPER(1, 2) FROM orders
            |            ^^^^^"#]],
    );
    check(
        "SELECT 'a' + 1",
        expect![[r#"
            cannot apply '+' to arguments of type '<CHAR(1)> + <INTEGER>'; supported: '<NUMERIC> + <NUMERIC>' at line 1, column 8
              1 | SELECT 'a' + 1
                |        ^^^^^^^"#]],
    );
    check(
        "SELECT id FROM orders\nWHERE id = 'a'",
        expect![[r#"
            implicit type conversion between INTEGER and CHAR(1) is not supported now at line 2, column 7
              2 | WHERE id = 'a'
                |       ^^^^^^^^"#]],
    );
    check(
        "SELECT id FROM orders WHERE COUNT(*) > 1",
        expect![[r#"
            aggregate expression is not allowed in WHERE clause at line 1, column 29
              1 | SELECT id FROM orders WHERE COUNT(*) > 1
                |                             ^^^^^
              hint: HAVING is for aggregates"#]],
    );
    check(
        "SELECT id + 1, region + 1 FROM orders",
        expect![
            "cannot apply '+' to arguments of type '<VARCHAR(2147483647)> + <INTEGER>'; supported: '<NUMERIC> + <NUMERIC>'"
        ],
    );
}

/// What the parser reads and Flink's does not, and what it has in common with it only in writing.
#[test]
fn what_flinks_parser_does_not_read() {
    for sql in [
        "SELECT id FROM orders FOR UPDATE",
        "SELECT id AS 'number' FROM orders",
        "SELECT 'a' 'b'",
        "SELECT id FROM orders LIMIT NULL",
        "SELECT CAST(id AS INT NOT NULL) FROM orders",
        "CREATE VIEW twice AS SELECT id, id FROM orders",
    ] {
        let message = run(&session(), sql);
        let is_refused = message.contains("incorrect syntax near") || message.contains("already");
        assert!(is_refused, "{sql}: {message}");
    }
    check(
        "SELECT id FROM orders ORDER BY id LIMIT 2.9",
        expect![[r#"
            [id INT NOT NULL]
            +I 1
            +I 2
        "#]],
    );
    check(
        "SELECT * FROM (VALUES (ROW(1, 'x')), (ROW(2, 'y'))) AS t(n, s)",
        expect![[r#"
            [n INT NOT NULL, s CHAR(1) NOT NULL]
            +I 1 | x
            +I 2 | y
        "#]],
    );
    check(
        "VALUES (x'4f'), (x'4f4b')",
        expect![[r#"
            [EXPR$0 VARBINARY(2) NOT NULL]
            +I O
            +I OK
        "#]],
    );
}

#[test]
fn inserts_into_one_table_are_one_sink() {
    let session = session();
    session
        .execute("CREATE TABLE a (x INT, y INT) WITH ('connector' = 'blackhole')")
        .unwrap();
    let columns = |statements: &str| {
        let sql = format!("EXECUTE STATEMENT SET BEGIN {statements} END");
        let schema = session.execute(&sql).unwrap().schema;
        let names = schema
            .fields()
            .iter()
            .map(|field| field.name().rsplit('.').next().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        columns("INSERT INTO a VALUES (1, 2); INSERT INTO a VALUES (3, 4);"),
        ["a_1"]
    );
    assert_eq!(
        columns("INSERT INTO a (x) VALUES (1); INSERT INTO a (y) VALUES (2);"),
        ["a_1", "a_2"]
    );
    assert_eq!(columns("INSERT INTO a VALUES (1, 2);"), ["a"]);
    assert_eq!(
        run(&session, "INSERT INTO a VALUES (1, NULL)")
            .lines()
            .next(),
        Some("illegal use of 'NULL' at line 1, column 13")
    );
}

/// What the parser reads and Flink does not.
#[test]
fn syntax_of_others() {
    for (sql, sentence) in [
        (
            "SELECT id FROM orders WHERE region ILIKE 'n%'",
            "no operator named 'ILIKE'",
        ),
        (
            "SELECT id FROM orders FETCH NEXT ROW ONLY",
            "it takes a number of rows",
        ),
        (
            "VALUES (DATE '2024-01-01'), (TIMESTAMP '2024-01-01 00:00:00.123')",
            "passed to VALUES operator must have compatible types",
        ),
        (
            "SELECT id FROM orders WHERE id IN (SELECT region FROM orders)",
            "passed to IN operator must have compatible types: INTEGER and VARCHAR(2147483647)",
        ),
        (
            "SELECT DATE '2024-01-01' AS d UNION ALL SELECT TIMESTAMP '2024-01-01 00:00:00'",
            "type mismatch in column 1 of UNION ALL",
        ),
        (
            "SELECT COUNT() FROM orders",
            "invalid number of arguments to function 'COUNT'",
        ),
        (
            "SELECT COUNT(*) FILTER (WHERE 1) FROM orders",
            "FILTER clause must be a condition",
        ),
        (
            "SELECT o.id FROM orders o LEFT SEMI JOIN orders p ON o.id = p.id",
            "'SEMI'",
        ),
        (
            "SELECT o.id FROM orders o LEFT ANTI JOIN orders p ON o.id = p.id",
            "'ANTI'",
        ),
        (
            "SELECT id FROM (SELECT id FROM orders) AS t TABLESAMPLE BERNOULLI (50)",
            "TABLESAMPLE",
        ),
        (
            "SELECT FIRST_VALUE(id) IGNORE NULLS OVER (ORDER BY id) FROM orders",
            "cannot specify IGNORE NULLS",
        ),
        (
            "SELECT FIRST_VALUE(id IGNORE NULLS) OVER (ORDER BY id) FROM orders",
            "incorrect syntax near 'IGNORE NULLS'",
        ),
    ] {
        let shown = run(&session(), sql);
        assert!(shown.contains(sentence), "{sql}: {shown}");
    }
}
