//! What hangs on the order of rows: Top-N, deduplication, OVER, sorting and patterns. As in
//! [`super::time`], results are the same for steps and workers of all sizes.

use expect_test::expect;

use super::time::{EVENTS, check};
use super::{run, session};

#[test]
fn first_row_of_each_key_by_time() {
    check(
        EVENTS,
        "SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn \
         FROM events) WHERE rn = 1",
        expect![[r#"
            [k STRING, v INT, ts TIMESTAMP(3)]
            +I a | 10 | 2024-01-01 00:00:01.000
            +I b | 20 | 2024-01-01 00:00:03.000
            +I c | 50 | 2024-01-01 00:00:11.000
        "#]],
    );
}

#[test]
fn last_row_of_each_key_by_time() {
    check(
        EVENTS,
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn \
         FROM events) WHERE rn = 1",
        expect![[r#"
            [k STRING, v INT]
            +I a | 10
            +I b | 20
            -U a | 10
            +U a | 30
            -U a | 30
            +U a | 15
            -U b | 20
            +U b | 25
            +I c | 50
            -U a | 15
            +U a | 5
        "#]],
    );
}

#[test]
fn first_row_of_each_key_to_come() {
    check(
        EVENTS,
        "SELECT k, v FROM events QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY p) = 1",
        expect![[r#"
            [k STRING, v INT]
            +I a | 10
            +I b | 20
            +I c | 50
        "#]],
    );
}

/// The late row of `a` is dropped.
#[test]
fn over_all_rows_before() {
    check(
        EVENTS,
        "SELECT k, v, SUM(v) OVER w AS s, COUNT(*) OVER w AS c, LAG(v) OVER w AS l FROM events \
         WINDOW w AS (PARTITION BY k ORDER BY ts)",
        expect![[r#"
            [k STRING, v INT, s INT, c BIGINT NOT NULL, l INT]
            +I a | 10 | 10 | 1 | NULL
            +I a | 30 | 40 | 2 | 10
            +I b | 20 | 20 | 1 | NULL
            +I a | 15 | 55 | 3 | 30
            +I c | 50 | 50 | 1 | NULL
            +I b | 25 | 45 | 2 | 20
            +I a | 5 | 60 | 4 | 15
        "#]],
    );
}

/// Integers all the way: of 20 and 25 the squares are 1025, and 45 * 45 / 2 is 1012.
#[test]
fn over_moments_are_made_of_sums() {
    check(
        EVENTS,
        "SELECT k, VAR_SAMP(v) OVER w AS s, STDDEV_POP(v) OVER w AS p FROM events \
         WINDOW w AS (PARTITION BY k ORDER BY ts)",
        expect![[r#"
            [k STRING, s INT, p INT]
            +I a | NULL | 0
            +I a | 200 | 10
            +I b | NULL | 0
            +I a | 108 | 8
            +I c | NULL | 0
            +I b | 13 | 2
            +I a | 116 | 9
        "#]],
    );
}

/// The late row of `a` comes when a later one of `a` has left.
#[test]
fn over_some_rows_before() {
    check(
        EVENTS,
        "SELECT k, v, SUM(v) OVER w AS s, MAX(v) OVER w AS m FROM events \
         WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        expect![[r#"
            [k STRING, v INT, s INT, m INT]
            +I a | 10 | 10 | 10
            +I a | 30 | 40 | 30
            +I b | 20 | 20 | 20
            +I a | 15 | 45 | 30
            +I c | 50 | 50 | 50
            +I b | 25 | 45 | 25
            +I a | 5 | 20 | 15
        "#]],
    );
}

#[test]
fn over_some_seconds_before() {
    check(
        EVENTS,
        "SELECT k, v, SUM(v) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND \
         CURRENT ROW) AS s FROM events",
        expect![[r#"
            [k STRING, v INT, s INT]
            +I a | 10 | 10
            +I a | 30 | 40
            +I b | 20 | 60
            +I a | 15 | 65
            +I c | 50 | 65
            +I b | 25 | 90
            +I a | 5 | 80
        "#]],
    );
}

#[test]
fn rows_in_the_order_of_time() {
    check(
        EVENTS,
        "SELECT k, v, ts FROM events ORDER BY ts, v DESC",
        expect![[r#"
            [k STRING, v INT, ts TIMESTAMP(3)]
            +I a | 10 | 2024-01-01 00:00:01.000
            +I a | 30 | 2024-01-01 00:00:02.000
            +I b | 20 | 2024-01-01 00:00:03.000
            +I a | 15 | 2024-01-01 00:00:07.000
            +I c | 50 | 2024-01-01 00:00:11.000
            +I b | 25 | 2024-01-01 00:00:12.000
            +I a | 5 | 2024-01-01 00:00:16.000
        "#]],
    );
}

#[test]
fn rows_that_follow_a_pattern() {
    check(
        EVENTS,
        "SELECT * FROM events MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES FIRST(A.v) AS f, \
         LAST(A.v) AS l, B.v AS b, COUNT(*) AS n ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW \
         PATTERN (A+ B) DEFINE A AS LAST(A.v, 1) IS NULL OR A.v > LAST(A.v, 1), B AS B.v < \
         LAST(A.v)) AS m",
        expect![[r#"
            [k STRING, f INT, l INT, b INT, n BIGINT NOT NULL]
            +I a | 10 | 30 | 15 | 3
        "#]],
    );
}

#[test]
fn patterns_of_a_subquery_within_a_time() {
    check(
        EVENTS,
        "SELECT m.s, m.e FROM (SELECT k, v, ts FROM events WHERE v > 5) MATCH_RECOGNIZE (ORDER BY ts \
         MEASURES A.ts AS s, MATCH_ROWTIME() AS e AFTER MATCH SKIP TO NEXT ROW \
         PATTERN (A B*? C) WITHIN INTERVAL '6' SECOND DEFINE C AS C.v > A.v) AS m",
        expect![[r#"
            [s TIMESTAMP(3), e TIMESTAMP(3) NOT NULL]
            +I 2024-01-01 00:00:01.000 | 2024-01-01 00:00:02.000
            +I 2024-01-01 00:00:07.000 | 2024-01-01 00:00:11.000
        "#]],
    );
}

/// A condition is not computed for what nobody asks it: here no row without an A before it is
/// divided by, though conditions are computed for many rows and matches at once.
#[test]
fn conditions_that_would_fail_elsewhere() {
    let query = |b: &str| {
        format!(
            "SELECT m.a, m.b FROM (SELECT k, v - 10 AS v, ts FROM events) MATCH_RECOGNIZE (\
             PARTITION BY k ORDER BY ts MEASURES A.v AS a, B.v AS b PATTERN (A B) \
             DEFINE A AS A.v > 5, B AS {b}) AS m"
        )
    };
    let (session, _folder) = super::time::events(EVENTS, 1, 100);
    let mut said = String::new();
    for condition in ["100 / B.v >= 5", "100 / B.v > A.v - 1000"] {
        said.push_str(&run(&session, &query(condition)));
    }
    expect![[r#"
        [a INT, b INT]
        +I 20 | 5
        +I 10 | 15
        [a INT, b INT]
        +I 20 | 5
        +I 10 | 15
    "#]]
    .assert_eq(&said);
}

/// By a value, rows are corrected by those that come before them later.
#[test]
fn over_by_a_value() {
    let over =
        "SELECT id, region, SUM(id) OVER (PARTITION BY region ORDER BY amount) AS s FROM orders";
    expect![[r#"
        [id INT NOT NULL, region STRING, s INT]
        +I 1 | north | 1
        +I 2 | south | 2
        +I 3 | north | 4
        +I 4 | NULL | 4
    "#]]
    .assert_eq(&run(&session(), over));
}

#[test]
fn windows_that_do_not_run_say_why() {
    let mut said = String::new();
    for sql in [
        "SELECT SUM(id) OVER (ORDER BY amount DESC) FROM orders",
        "SELECT SUM(id) OVER (ORDER BY amount, id) FROM orders",
        "SELECT SUM(id) OVER (PARTITION BY region) FROM orders",
        "SELECT SUM(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders",
        "SELECT SUM(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM orders",
        "SELECT NTILE(2) OVER (ORDER BY id) FROM orders",
        "SELECT ROW_NUMBER() OVER (PARTITION BY region) FROM orders",
        "SELECT SUM(id) OVER (ORDER BY id), COUNT(*) OVER (ORDER BY amount) FROM orders",
        "SELECT * FROM (SELECT *, RANK() OVER (ORDER BY id) AS rn FROM orders) WHERE rn <= 2",
        "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY id) AS rn FROM orders) WHERE rn > 2",
    ] {
        said.push_str(&run(&session(), sql));
        said.push('\n');
    }
    expect![[r#"
        The window can only be ordered in ASCENDING mode.
        The window can only be ordered by a single time column.
        The window can only be ordered by a single time column.
        Non-time attribute sort is not supported for bounded OVER window.
        OVER RANGE FOLLOWING windows are not supported yet.
        NTILE Function is not supported in stream mode.
        Over Agg: The window rank function requires order by clause with non-constant fields. please re-check the over window statement.
        Over Agg: Unsupported use of OVER windows. All aggregates must be computed on the same window. please re-check the over window statement.
          hint: compute each window in a query of its own
        RANK() on streaming table is not supported currently
          hint: use ROW_NUMBER()
        Rank end is not specified. Currently rank only support TopN, which means the rank end must be specified.
          hint: add a condition rn <= n
    "#]].assert_eq(&said);
}

#[test]
fn patterns_that_do_not_run_say_why() {
    let mut said = String::new();
    for clause in [
        "ORDER BY v MEASURES A.v AS a PATTERN (A B) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a PATTERN (A+) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a PATTERN (A B?? C) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a PATTERN (A | B) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a PATTERN ((A B)+ C) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES SUM(A.v + B.v) AS a PATTERN (A B) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a PATTERN (A B) DEFINE A AS A.v > PREV(A.v)",
        "ORDER BY ts MEASURES X.v AS a PATTERN (A B) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS A.v > 1",
        "ORDER BY ts MEASURES A.v AS a AFTER MATCH SKIP TO FIRST A PATTERN (A B) DEFINE A AS A.v > 1",
    ] {
        let (session, _folder) = super::time::events(EVENTS, 1, 100);
        said.push_str(&run(
            &session,
            &format!("SELECT * FROM events MATCH_RECOGNIZE ({clause})"),
        ));
        said.push('\n');
    }
    expect![[r#"
        You must specify either rowtime or proctime for order by as the first one.
        Greedy quantifiers are not allowed as the last element of a Pattern yet. Finish your pattern with either a simple variable or reluctant quantifier.
        Reluctant optional variables are not supported yet.
        Expression not supported: A | B. Currently, CEP doesn't support branching patterns.
        Expression not supported: ( A B ) Group patterns are not supported yet.
        Multiple pattern variables in 'SUM(A.v + B.v)'
        Flink does not support physical offsets within partition.
        Table 'X' not found
        All rows per match mode is not supported yet.
        [a INT]
        failed: Could not skip to first element of a match.

    "#]].assert_eq(&said);
}
