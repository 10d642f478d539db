//! Subqueries that refer to the rows around them: what they give in the end, the same in streaming
//! and in batch mode.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::{run, session};

/// The rows that stay, in the order of their texts.
fn check(sql: &str, expected: Expect) {
    let streaming = session();
    let batch = session();
    run(&batch, "SET 'execution.runtime-mode' = 'batch'");
    let given = settled(&run(&streaming, sql));
    assert_eq!(given, settled(&run(&batch, sql)), "in batch mode");
    expected.assert_eq(&given);
}

fn settled(changes: &str) -> String {
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    let mut others = String::new();
    for line in changes.lines() {
        match line.split_once(' ') {
            Some(("+I" | "+U", row)) => *rows.entry(row).or_default() += 1,
            Some(("-U" | "-D", row)) => *rows.entry(row).or_default() -= 1,
            _ if line.starts_with('[') => {}
            _ => others.push_str(&format!("{line}\n")),
        }
    }
    for (row, n) in rows {
        assert!(n >= 0, "{row} is taken out too often");
        (0..n).for_each(|_| others.push_str(&format!("{row}\n")));
    }
    others
}

#[test]
fn an_aggregate_of_what_is_less() {
    check(
        "SELECT id, (SELECT SUM(x.amount) FROM orders x WHERE x.amount < o.amount) AS s,
                (SELECT COUNT(*) FROM orders x WHERE x.amount < o.amount) AS n FROM orders o",
        expect![[r#"
            1 | NULL | 0
            2 | 10 | 1
            3 | 30 | 2
            4 | NULL | 0
        "#]],
    );
    check(
        "SELECT id FROM orders o
         WHERE amount > (SELECT AVG(x.amount) FROM orders x WHERE x.id <> o.id)",
        expect![[r#"
            3
        "#]],
    );
}

#[test]
fn an_aggregate_of_nothing() {
    check(
        "SELECT id, (SELECT COUNT(*) + 1 FROM orders x WHERE x.amount > o.amount) AS a,
                (SELECT COALESCE(MAX(x.id), -1) FROM orders x WHERE x.amount > o.amount) AS b,
                (SELECT COUNT(*) FROM orders x WHERE x.amount > o.amount HAVING COUNT(*) < 2) AS c
         FROM orders o",
        expect![[r#"
            1 | 3 | 3 | NULL
            2 | 2 | 3 | 1
            3 | 1 | -1 | 0
            4 | 1 | -1 | NULL
        "#]],
    );
    check(
        "SELECT id FROM orders o
         WHERE EXISTS (SELECT MAX(x.id) FROM orders x WHERE x.region = o.region)",
        expect![[r#"
            1
            2
            3
            4
        "#]],
    );
}

#[test]
fn rows_two_queries_up() {
    check(
        "SELECT o.id FROM orders o WHERE EXISTS (
             SELECT 1 FROM orders x WHERE x.region = o.region AND EXISTS (
                 SELECT 1 FROM orders y WHERE y.id > x.id AND y.amount > o.amount))",
        expect![[r#"
            1
            2
        "#]],
    );
    check(
        "SELECT o.id, (SELECT COUNT(*) FROM orders x WHERE x.region = o.region AND x.amount =
             (SELECT MAX(y.amount) FROM orders y WHERE y.region = o.region)) AS n FROM orders o",
        expect![[r#"
            1 | 1
            2 | 1
            3 | 1
            4 | 0
        "#]],
    );
}

#[test]
fn in_all_clauses() {
    check(
        "SELECT (SELECT MAX(x.region) FROM orders x WHERE x.id > o.id) AS r, COUNT(*) AS n
         FROM orders o GROUP BY (SELECT MAX(x.region) FROM orders x WHERE x.id > o.id)",
        expect![[r#"
            NULL | 2
            north | 1
            south | 1
        "#]],
    );
    check(
        "SELECT SUM((SELECT COUNT(*) FROM orders x WHERE x.id > o.id)) AS s FROM orders o",
        expect![[r#"
            6
        "#]],
    );
    check(
        "SELECT region FROM orders o
         ORDER BY (SELECT COUNT(*) FROM orders x WHERE x.id > o.id) LIMIT 1",
        expect![[r#"
            NULL
        "#]],
    );
    check(
        "SELECT a.id, b.id AS other FROM orders a JOIN orders b
         ON a.region = b.region AND b.amount = (SELECT MAX(x.amount) FROM orders x WHERE x.id >= a.id)",
        expect![[r#"
            1 | 3
            3 | 3
        "#]],
    );
}

#[test]
fn membership_under_conditions() {
    check(
        "SELECT id FROM orders o
         WHERE region NOT IN (SELECT x.region FROM orders x WHERE x.amount > o.amount)",
        expect![[r#"
            2
            3
            4
        "#]],
    );
    check(
        "SELECT id FROM orders o
         WHERE id IN (SELECT MAX(x.id) FROM orders x WHERE x.amount <= o.amount)",
        expect![[r#"
            1
            2
            3
        "#]],
    );
}

#[test]
fn lateral() {
    check(
        "SELECT o.id, t.r, t.s FROM orders o, LATERAL (
             SELECT x.region AS r, SUM(x.amount) AS s FROM orders x
             WHERE x.amount < o.amount GROUP BY x.region) t",
        expect![[r#"
            2 | north | 10
            3 | north | 10
            3 | south | 20
        "#]],
    );
    // A group over nothing has no row in an inner join.
    check(
        "SELECT o.id, t.n FROM orders o, LATERAL (
             SELECT COUNT(*) AS n FROM orders x WHERE x.amount > o.amount) t",
        expect![[r#"
            1 | 2
            2 | 1
        "#]],
    );
    check(
        "SELECT o.id, t.n, t.i FROM orders o LEFT JOIN LATERAL (
             SELECT COUNT(*) AS n, MAX(x.id) AS i FROM orders x WHERE x.region = o.region) t ON TRUE",
        expect![[r#"
            1 | 2 | 3
            2 | 1 | 2
            3 | 2 | 3
            4 | 0 | NULL
        "#]],
    );
    check(
        "SELECT o.id, t.i, t.j FROM orders o, LATERAL (
             SELECT x.id AS i, o.id + x.id AS j FROM orders x WHERE x.region = o.region) t
         WHERE t.i > o.id",
        expect![[r#"
            1 | 3 | 4
        "#]],
    );
}

#[test]
fn what_no_join_can_express_is_refused() {
    check(
        "SELECT id, (SELECT x.id FROM orders x WHERE x.region = o.region ORDER BY x.id LIMIT 1) AS f
         FROM orders o",
        expect![[r#"
            a correlated subquery with LIMIT is not supported yet
        "#]],
    );
    check(
        "SELECT o.id, t.i FROM orders o, LATERAL (
             SELECT x.id AS i FROM orders x WHERE x.region = o.region UNION ALL SELECT o.id) t",
        expect![[r#"
            a correlated subquery with UNION is not supported yet
        "#]],
    );
    check(
        "SELECT (SELECT SUM(x.amount) + o.id FROM orders x WHERE x.amount < o.amount) AS s
         FROM orders o",
        expect![[r#"
            expression 'o.id' is not being grouped
        "#]],
    );
}

#[test]
fn row_numbers_start_anew_for_each_outer_row() {
    check(
        "SELECT o.id, t.i FROM orders o, LATERAL (
             SELECT i FROM (SELECT x.id AS i, ROW_NUMBER() OVER (ORDER BY x.amount DESC) AS r
                            FROM orders x WHERE x.amount < o.amount) WHERE r = 1) t",
        expect![[r#"
            2 | 1
            3 | 2
        "#]],
    );
}

#[test]
fn values_in_the_condition_of_an_outer_join() {
    check(
        "SELECT a.id, b.id AS other FROM orders a FULL JOIN orders b
         ON a.id = b.id AND b.amount > (SELECT AVG(x.amount) FROM orders x)",
        expect![[r#"
            1 | NULL
            2 | NULL
            3 | 3
            4 | NULL
            NULL | 1
            NULL | 2
            NULL | 4
        "#]],
    );
    check(
        "SELECT a.id, b.id AS other FROM orders a LEFT JOIN orders b
         ON a.region = b.region AND a.id = (SELECT MAX(x.id) FROM orders x WHERE x.region = a.region)",
        expect![[r#"
            1 | NULL
            2 | 2
            3 | 1
            3 | 3
            4 | NULL
        "#]],
    );
}

/// Both sides call their column `x`, and neither table has a name.
#[test]
fn queries_without_names() {
    let few = "(SELECT id AS x FROM orders WHERE id < 3)";
    for (condition, expected) in [
        (format!("x IN (SELECT x FROM {few})"), "1\n2\n"),
        (format!("x NOT IN (SELECT x FROM {few})"), "3\n4\n"),
        (format!("x > ALL (SELECT x FROM {few})"), "3\n4\n"),
        (format!("x = (SELECT MAX(x) FROM {few})"), "2\n"),
        (
            format!("NOT EXISTS (SELECT 1 FROM {few} WHERE x = 3)"),
            "1\n2\n3\n4\n",
        ),
    ] {
        let sql = format!("SELECT x FROM (SELECT id AS x FROM orders) WHERE {condition}");
        let streaming = session();
        let batch = session();
        run(&batch, "SET 'execution.runtime-mode' = 'batch'");
        assert_eq!(settled(&run(&streaming, &sql)), expected, "{condition}");
        assert_eq!(
            settled(&run(&batch, &sql)),
            expected,
            "{condition} in batch mode"
        );
    }
    check(
        &format!("SELECT x, x IN (SELECT x FROM {few}) AS i FROM (SELECT id AS x FROM orders)"),
        expect![[r#"
            1 | TRUE
            2 | TRUE
            3 | FALSE
            4 | FALSE
        "#]],
    );
}

/// Its answer is known before there are rows, so nothing is taken back.
#[test]
fn exists_of_what_has_a_row() {
    for (sql, expected) in [
        ("SELECT EXISTS (SELECT 1) AS e", "+I TRUE"),
        ("SELECT NOT EXISTS (SELECT 1) AS e", "+I FALSE"),
        (
            "SELECT EXISTS (SELECT COUNT(*) FROM orders WHERE id > 99) AS e",
            "+I TRUE",
        ),
    ] {
        let shown = run(&session(), sql);
        let rows: Vec<_> = shown.lines().skip(1).collect();
        assert_eq!(rows, [expected], "{sql}");
    }
}
