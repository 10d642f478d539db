//! What queries give.

use expect_test::{Expect, expect};

use super::{accounts, run, session};
use crate::connectors::view::ViewOptions;
use std::sync::Arc;

fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&run(&session(), sql));
}

#[test]
fn projection_and_filter() {
    check(
        "SELECT id + 1, UPPER(region) AS r, amount * 1.0 / 3 FROM orders WHERE amount > 5",
        expect![[r#"
            [EXPR$0 INT NOT NULL, r STRING, EXPR$2 DECIMAL(33, 12)]
            +I 2 | NORTH | 3.333333333333
            +I 3 | SOUTH | 6.666666666667
            +I 4 | NORTH | 10.000000000000
        "#]],
    );
}

/// Its groups have one row each: an update stays one. COUNT is not seen through.
#[test]
fn group_by_a_key() {
    let counts = "(SELECT region, COUNT(*) AS n FROM orders GROUP BY region)";
    check(
        &format!("SELECT region, MAX(n) AS m, SUM(n) AS s FROM {counts} GROUP BY region"),
        expect![[r#"
            [region STRING, m BIGINT NOT NULL, s BIGINT NOT NULL]
            +I north | 1 | 1
            +I south | 1 | 1
            -U north | 1 | 1
            +U north | 2 | 2
            +I NULL | 1 | 1
        "#]],
    );
    check(
        &format!("SELECT region, MAX(n) AS m, COUNT(n) AS c FROM {counts} GROUP BY region"),
        expect![[r#"
            [region STRING, m BIGINT NOT NULL, c BIGINT NOT NULL]
            +I north | 1 | 1
            +I south | 1 | 1
            -D north | 1 | 1
            +I north | 2 | 1
            +I NULL | 1 | 1
        "#]],
    );
}

#[test]
fn group_by_row_by_row() {
    check(
        "SELECT region, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY region",
        expect![[r#"
            [region STRING, n BIGINT NOT NULL, total BIGINT]
            +I north | 1 | 10
            +I south | 1 | 20
            -U north | 1 | 10
            +U north | 2 | 40
            +I NULL | 1 | NULL
        "#]],
    );
}

#[test]
fn a_constant_key() {
    check(
        "SELECT 'k' AS k, COUNT(*) AS c FROM orders WHERE id < 2 GROUP BY 'k'",
        expect![[r#"
            [k CHAR(1) NOT NULL, c BIGINT NOT NULL]
            +I k | 1
        "#]],
    );
}

#[test]
fn speed_is_a_long_decimal() {
    check(
        "SELECT region, SUM(amount) * 1.0 / SUM(CAST(id AS BIGINT)) AS speed FROM orders
         WHERE region = 'north' GROUP BY region",
        expect![[r#"
            [region STRING, speed DECIMAL(38, 17)]
            +I north | 10.00000000000000000
            -U north | 10.00000000000000000
            +U north | 10.00000000000000000
        "#]],
    );
}

#[test]
fn having_sends_half_pairs() {
    check(
        "SELECT region, COUNT(*) AS n FROM orders GROUP BY region HAVING COUNT(*) > 1",
        expect![[r#"
            [region STRING, n BIGINT NOT NULL]
            +U north | 2
        "#]],
    );
}

#[test]
fn distinct_and_union() {
    check(
        "SELECT DISTINCT region FROM orders UNION ALL SELECT 'x' FROM (VALUES (1)) AS t(id) WHERE id > 5",
        expect![[r#"
            [region STRING]
            +I north
            +I south
            +I NULL
        "#]],
    );
}

#[test]
fn taken_back_rows() {
    let session = session();
    session
        .register_source("accounts", Arc::new(accounts()))
        .unwrap();
    expect![[r#"
        [n BIGINT NOT NULL, total BIGINT, top BIGINT]
        +I 1 | 100 | 100
        -U 1 | 100 | 100
        +U 2 | 150 | 100
        -U 2 | 150 | 100
        +U 1 | 50 | 50
        -U 1 | 50 | 50
        +U 2 | 120 | 70
        -U 2 | 120 | 70
        +U 1 | 70 | 70
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT COUNT(*) AS n, SUM(balance) AS total, MAX(balance) AS top FROM accounts",
    ));
    expect![[r#"
        [owner STRING, balance BIGINT]
        +I ann | 100
        -U ann | 100
        +U ann | 70
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT owner, balance FROM accounts WHERE balance > 60",
    ));
}

#[test]
fn literals_have_flinks_types() {
    check(
        "SELECT 1, 3000000000, 1.50, 1e0, 'abc', TRUE, CAST(NULL AS INT), DATE '2024-05-06',
                TIMESTAMP '2024-05-06 07:08:09.123', INTERVAL '5' MINUTE",
        expect![[r#"
            [EXPR$0 INT NOT NULL, EXPR$1 BIGINT NOT NULL, EXPR$2 DECIMAL(3, 2) NOT NULL, EXPR$3 DOUBLE NOT NULL, EXPR$4 CHAR(3) NOT NULL, EXPR$5 BOOLEAN NOT NULL, EXPR$6 INT, EXPR$7 DATE NOT NULL, EXPR$8 TIMESTAMP(3) NOT NULL, EXPR$9 INTERVAL SECOND(3) NOT NULL]
            +I 1 | 3000000000 | 1.50 | 1.0 | abc | TRUE | NULL | 2024-05-06 | 2024-05-06 07:08:09.123 | +0 00:05:00.000
        "#]],
    );
}

#[test]
fn the_same_name_twice_is_told_apart() {
    check(
        "SELECT id, id, id + 0 FROM orders WHERE id = 1",
        expect![[r#"
        [id INT NOT NULL, id0 INT NOT NULL, EXPR$2 INT NOT NULL]
        +I 1 | 1 | 1
    "#]],
    );
}

#[test]
fn a_view_on_a_view() {
    let session = session();
    session
        .execute("CREATE VIEW big AS SELECT region, amount FROM orders WHERE amount >= 20")
        .unwrap();
    session
        .execute("CREATE TEMPORARY VIEW totals (r, t) AS SELECT region, SUM(amount) FROM big GROUP BY region")
        .unwrap();
    expect![[r#"
        [r STRING, t BIGINT]
        +I south | 20
        +I north | 30
    "#]]
    .assert_eq(&run(&session, "SELECT * FROM totals"));
}

#[test]
fn batch_gives_final_rows() {
    let session = session();
    session
        .set_config("execution.runtime-mode", "batch")
        .unwrap();
    expect![[r#"
        [region STRING, n BIGINT NOT NULL]
        +I north | 2
        +I NULL | 1
        +I south | 1
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT region, COUNT(*) AS n FROM orders GROUP BY region ORDER BY n DESC, region",
    ));
    expect![[r#"
        [n BIGINT NOT NULL, total BIGINT]
        +I 0 | NULL
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT COUNT(*) AS n, SUM(amount) AS total FROM orders WHERE id > 99",
    ));
    expect![[r#"
        [id INT NOT NULL, other INT NOT NULL]
        +I 1 | 3
    "#]].assert_eq(&run(
        &session,
        "SELECT a.id, b.id AS other FROM orders a JOIN orders b ON a.region = b.region AND a.id < b.id",
    ));
}

#[test]
fn a_materialized_view_holds_net_rows() {
    let session = session();
    let query = session
        .query("SELECT region, COUNT(*) AS n FROM orders GROUP BY region ORDER BY n DESC LIMIT 1")
        .unwrap();
    assert!(query.is_bounded());
    assert!(query.is_ordered());
    let (job, view) = query.materialize(ViewOptions::default()).unwrap();
    job.wait(Some(std::time::Duration::from_secs(10)));
    let snapshot = view.snapshot(10).unwrap();
    assert_eq!(snapshot.n_rows, 1);
    let mut out = String::new();
    super::rows(&crate::data::Delta::insert_only(snapshot.rows), &mut out);
    expect![[r#"
        +I north | 2
    "#]]
    .assert_eq(&out);
}

#[test]
fn explicit_casts_follow_java() {
    check(
        "SELECT CAST('1.9' AS INT), CAST(300 AS TINYINT), CAST(1e10 AS STRING), CAST(TRUE AS STRING),
                CAST('2024-02-30' AS TIMESTAMP(3)), TRY_CAST('x' AS INT), CAST(1.235 AS DECIMAL(3, 2))",
        expect![[r#"
            [EXPR$0 INT NOT NULL, EXPR$1 TINYINT NOT NULL, EXPR$2 STRING NOT NULL, EXPR$3 STRING NOT NULL, EXPR$4 TIMESTAMP(3) NOT NULL, EXPR$5 INT, EXPR$6 DECIMAL(3, 2) NOT NULL]
            +I 1 | 44 | 1.0E10 | TRUE | 2024-02-29 00:00:00.000 | NULL | 1.24
        "#]],
    );
}

#[test]
fn like_with_another_escape() {
    let session = session();
    let rows = |pattern: &str| {
        run(
            &session,
            &format!(
                r"SELECT s FROM (VALUES ('a%b'), ('axb'), ('a!b'), ('a\b')) AS t(s) WHERE s LIKE {pattern}"
            ),
        )
    };
    expect![[r#"
        [s CHAR(3) NOT NULL]
        +I a%b
    "#]]
    .assert_eq(&rows("'a!%b' ESCAPE '!'"));
    expect![[r#"
        [s CHAR(3) NOT NULL]
        +I a!b
    "#]]
    .assert_eq(&rows("'a!!b' ESCAPE '!'"));
    expect![[r#"
        [s CHAR(3) NOT NULL]
        +I a\b
    "#]]
    .assert_eq(&rows(r"'a\_' ESCAPE '!'"));
    expect![[r#"
        [s CHAR(3) NOT NULL]
        failed: invalid escape sequence 'a!b', 1
    "#]]
    .assert_eq(&rows("'a!b' ESCAPE '!'"));
    expect![[r#"
        [s CHAR(3) NOT NULL]
        failed: invalid escape character 'ab'
    "#]]
    .assert_eq(&rows("'a!b' ESCAPE 'ab'"));
}

/// Cells of one kind have the type that holds them all.
#[test]
fn values_of_different_lengths_and_precisions() {
    let session = session();
    let rows = |sql: &str| run(&session, &format!("SELECT * FROM (VALUES {sql}) AS t(a)"));
    expect![[r#"
        [a TIMESTAMP(3) NOT NULL]
        +I 2020-01-02 03:04:05.000
        +I 2020-01-02 03:04:05.123
    "#]]
    .assert_eq(&rows(
        "(TIMESTAMP '2020-01-02 03:04:05'), (TIMESTAMP '2020-01-02 03:04:05.123')",
    ));
    expect![[r#"
        [a TIMESTAMP(6)]
        +I 2020-01-02 03:04:05.000000
        +I NULL
    "#]]
    .assert_eq(&rows(
        "(TIMESTAMP '2020-01-02 03:04:05'), (CAST(NULL AS TIMESTAMP))",
    ));
    expect![[r#"
        [a VARCHAR(6) NOT NULL]
        +I a
        +I abcd  
    "#]]
    .assert_eq(&rows(
        "(CAST('a' AS VARCHAR(3))), (CAST('abcd' AS CHAR(6)))",
    ));
    expect![[r#"
        [a VARBINARY(2) NOT NULL]
        +I A
        +I AB
    "#]]
    .assert_eq(&rows("(X'41'), (X'4142')"));
    expect![[r#"
        [a TIME(1) NOT NULL]
        +I 01:02:03.0
        +I 01:02:03.5
    "#]]
    .assert_eq(&rows("(TIME '01:02:03'), (TIME '01:02:03.5')"));
}

/// A row of one value needs no parentheses.
#[test]
fn values_without_parentheses() {
    let session = session();
    let rows = |sql: &str| run(&session, sql);
    expect![[r#"
        [EXPR$0 INT NOT NULL]
        +I 1
        +I 5
        +I 4
    "#]]
    .assert_eq(&rows("VALUES 1, 2 + (3), ABS(-4)"));
    expect![[r#"
        [a CHAR(1) NOT NULL]
        +I x
        +I y
    "#]]
    .assert_eq(&rows("SELECT a FROM (VALUES 'x', 'y') AS t(a)"));
    expect![[r#"
        [EXPR$0 INT NOT NULL]
        +I 1
    "#]]
    .assert_eq(&rows("VALUES 1, 2 LIMIT 1"));
    expect![[r#"
        column 'nope' not found in any table at line 1, column 11
          1 | VALUES 1, nope
            |           ^^^^"#]]
    .assert_eq(&rows("VALUES 1, nope"));
    let script = session
        .parse_script("VALUES 1, 2; VALUES (1); VALUES 'a'")
        .unwrap();
    let texts: Vec<_> = script
        .iter()
        .map(|statement| statement.text.as_str())
        .collect();
    assert_eq!(texts, ["VALUES 1, 2", "VALUES (1)", "VALUES 'a'"]);
}

#[test]
fn groups_of_one_row_pass_updates_on() {
    let counted = "(SELECT c, COUNT(*) AS n FROM (VALUES ('a'), ('b'), ('a')) AS t(c) GROUP BY c)";
    let changes = expect![[r#"
        [n BIGINT NOT NULL, c CHAR(1) NOT NULL]
        +I 1 | a
        +I 1 | b
        -U 1 | a
        +U 2 | a
    "#]];
    changes.assert_eq(&run(
        &session(),
        &format!("SELECT DISTINCT n, c FROM {counted}"),
    ));
    changes.assert_eq(&run(
        &session(),
        &format!("SELECT n, c FROM {counted} GROUP BY n, c"),
    ));
}

#[test]
fn count_of_a_column_without_null_counts_rows() {
    check(
        "SELECT COUNT(n) AS m FROM (SELECT c, COUNT(*) AS n FROM (VALUES ('a'), ('b'), ('a')) AS t(c)
             GROUP BY c)",
        expect![[r#"
            [m BIGINT NOT NULL]
            +I 1
            -U 1
            +U 2
        "#]],
    );
}

#[test]
fn columns_beside_a_star_get_names_of_their_own() {
    check(
        "SELECT *, x, x + 1 FROM (VALUES (7, 'a')) AS t(x, y)",
        expect![[r#"
            [x INT NOT NULL, y CHAR(1) NOT NULL, x0 INT NOT NULL, EXPR$3 INT NOT NULL]
            +I 7 | a | 7 | 8
        "#]],
    );
}

/// Sets within sets, and keys that come and go together.
#[test]
fn grouping_sets_spelled_out() {
    let counted = |sets: &str| {
        run(
            &session(),
            &format!("SELECT region, id, COUNT(*) AS n FROM orders WHERE id < 3 GROUP BY {sets}"),
        )
    };
    let together = counted("GROUPING SETS ((region, id), ())");
    assert_eq!(counted("ROLLUP ((region, id))"), together);
    assert_eq!(counted("CUBE ((region, id))"), together);
    assert_eq!(
        counted("GROUPING SETS (ROLLUP (region), (id))"),
        counted("GROUPING SETS ((region), (id), ())")
    );
    assert_eq!(
        counted("GROUPING SETS (CUBE (region, id))"),
        counted("CUBE (region, id)")
    );
    assert_eq!(
        counted(
            "GROUPING SETS (GROUPING SETS ((region), id), GROUPING SETS (ROLLUP (region, id)))"
        ),
        counted("GROUPING SETS ((region), (id), (region, id), (region), ())")
    );
}

/// What WITH defines later hides what stood there under its name; TABLE is a query.
#[test]
fn names_of_with_and_table_queries() {
    let same = |left: &str, right: &str| {
        let rows = run(&session(), left);
        assert_eq!(rows, run(&session(), right), "{left}");
        rows
    };
    let rows = same(
        "WITH x AS (SELECT 1 AS a), y AS (SELECT a FROM x), x AS (SELECT a + 1 AS a FROM x)
         SELECT x.a, y.a AS b FROM x, y",
        "SELECT 2 AS a, 1 AS b",
    );
    assert!(rows.contains("+I 2 | 1"), "{rows}");
    same(
        "WITH x AS (SELECT 1 AS a) SELECT a FROM (WITH x AS (SELECT x.a + 2 AS a FROM x) SELECT a FROM x)
         WHERE a > (SELECT MAX(a) FROM x)",
        "SELECT 3 AS a",
    );
    same("TABLE orders", "SELECT * FROM orders");
    same(
        "WITH t AS (TABLE orders) (TABLE t) EXCEPT TABLE orders",
        "SELECT * FROM orders EXCEPT SELECT * FROM orders",
    );
}

/// The columns of VALUES have the types of a UNION; the first of FLOAT and DOUBLE stays.
#[test]
fn types_of_values() {
    for (cells, expected) in [
        ("(CAST(4 AS BIGINT)), (1.5)", "DECIMAL(20, 1) NOT NULL"),
        ("(1.5), (CAST(2 AS DOUBLE))", "DOUBLE NOT NULL"),
        ("(CAST(1 AS FLOAT)), (CAST(2 AS DOUBLE))", "FLOAT NOT NULL"),
        ("('a'), (CAST('abc' AS VARCHAR(5)))", "VARCHAR(5) NOT NULL"),
        ("('a'), (CAST(NULL AS STRING))", "STRING"),
        ("(1), (CAST(NULL AS BIGINT))", "BIGINT"),
    ] {
        let shown = run(
            &session(),
            &format!("SELECT x FROM (VALUES {cells}) AS t(x)"),
        );
        let schema = shown.lines().next();
        assert_eq!(schema, Some(format!("[x {expected}]").as_str()), "{cells}");
    }
}

/// The planner knows that there are no rows, and the values of these aggregates.
#[test]
fn aggregates_of_no_rows() {
    check(
        "SELECT COUNT(*) AS c, SUM(amount) AS s, MAX(region) AS m FROM orders WHERE 1 = 2",
        expect![[r#"
            [c BIGINT NOT NULL, s BIGINT, m STRING]
            +I 0 | NULL | NULL
        "#]],
    );
    check(
        "SELECT region, COUNT(*) AS c FROM orders WHERE FALSE GROUP BY region",
        expect![[r#"
            [region STRING, c BIGINT NOT NULL]
        "#]],
    );
}
