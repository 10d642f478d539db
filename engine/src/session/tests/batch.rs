//! What queries give in batch mode, where that is not what the changes of streaming mode add up to.

use expect_test::{Expect, expect};

use super::{run, session};

fn check(sql: &str, expected: Expect) {
    let session = session();
    run(&session, "SET 'execution.runtime-mode' = 'batch'");
    expected.assert_eq(&run(&session, sql));
}

/// Functions know the session's time zone, wherever they are evaluated.
#[test]
fn the_time_zone_of_the_session() {
    let session = session();
    run(&session, "SET 'execution.runtime-mode' = 'batch'");
    run(&session, "SET 'table.local-time-zone' = 'Asia/Tokyo'");
    let sql = "SELECT CAST(TO_TIMESTAMP_LTZ(id * 3600, 0) AS STRING) AS t FROM orders WHERE id < 3";
    expect![[r#"
        [t STRING]
        +I 1970-01-01 10:00:00.000
        +I 1970-01-01 11:00:00.000
    "#]]
    .assert_eq(&run(&session, sql));
}

#[test]
fn grouping_sets_of_no_rows() {
    for sets in [
        "ROLLUP (region)",
        "CUBE (region)",
        "GROUPING SETS ((region), ())",
    ] {
        check(
            &format!("SELECT region, COUNT(*) AS n FROM orders WHERE id > 99 GROUP BY {sets}"),
            expect![[r#"
                [region STRING, n BIGINT NOT NULL]
            "#]],
        );
    }
    check(
        "SELECT COUNT(*) AS n FROM orders WHERE id > 99 GROUP BY ()",
        expect![[r#"
            [n BIGINT NOT NULL]
            +I 0
        "#]],
    );
}

/// The orders 1 and 3 have the same region; it is the heap that chooses.
#[test]
fn a_limit_among_equal_rows() {
    check(
        "SELECT id FROM orders ORDER BY region DESC LIMIT 2",
        expect![[r#"
            [id INT NOT NULL]
            +I 2
            +I 1
        "#]],
    );
    check(
        "SELECT id FROM orders ORDER BY region LIMIT 1 OFFSET 2",
        expect![[r#"
            [id INT NOT NULL]
            +I 1
        "#]],
    );
}

/// The default of LAG and LEAD takes the type of the value, and is any expression over the row: then
/// a NULL of another row stays.
#[test]
fn defaults_of_other_rows() {
    check(
        "SELECT id, LAG(amount, 1, id * 100) OVER (ORDER BY id DESC) AS a,
                LEAD(id, 2, 7.9) OVER (ORDER BY id) AS b,
                LEAD(region, 1, CAST(NULL AS STRING)) OVER (ORDER BY id) AS c,
                LAG(region, 1, 5) OVER (ORDER BY id) AS d FROM orders",
        expect![[r#"
            [id INT NOT NULL, a BIGINT NOT NULL, b INT NOT NULL, c STRING, d STRING NOT NULL]
            +I 1 | 20 | 3 | south | 5
            +I 2 | 30 | 4 | north | north
            +I 3 | 300 | 7 | NULL | south
            +I 4 | 400 | 7 | NULL | north
        "#]],
    );
    check(
        "SELECT LAG(id, 1, NULL) OVER (ORDER BY id) AS a FROM orders",
        expect!["illegal use of 'NULL'"],
    );
}

#[test]
fn a_frame_of_months() {
    check(
        "SELECT SUM(id) OVER (ORDER BY t RANGE BETWEEN INTERVAL '1' MONTH PRECEDING AND CURRENT ROW)
         FROM (SELECT id, TIMESTAMP '2024-01-01 00:00:00' AS t FROM orders)",
        expect!["INTERVAL_YEAR_MONTH type is not allowed for window boundary"],
    );
}

#[test]
fn a_frame_of_times_of_day() {
    check(
        "SELECT id, SUM(id) OVER (ORDER BY tm RANGE BETWEEN INTERVAL '5' MINUTE PRECEDING
             AND INTERVAL '1' SECOND FOLLOWING) AS s
         FROM (VALUES (1, TIME '10:00:00'), (2, TIME '10:04:59'), (3, TIME '10:05:00'),
             (4, TIME '10:10:01'), (5, CAST(NULL AS TIME))) AS t (id, tm)",
        expect![[r#"
            [id INT NOT NULL, s INT]
            +I 5 | 5
            +I 1 | 1
            +I 2 | 6
            +I 3 | 6
            +I 4 | 4
        "#]],
    );
}

/// Streams do not tell them apart.
#[test]
fn distinct_bytes_and_rows() {
    check(
        "SELECT COUNT(DISTINCT CAST(region AS BYTES)) AS b, COUNT(DISTINCT ROW(region, 1)) AS r
         FROM orders",
        expect![[r#"
            [b BIGINT NOT NULL, r BIGINT NOT NULL]
            +I 2 | 3
        "#]],
    );
    let streaming = run(
        &session(),
        "SELECT COUNT(DISTINCT CAST(region AS BYTES)) AS b FROM orders",
    );
    assert!(
        streaming.contains("Distinct aggregate function does not support type: VARBINARY"),
        "{streaming}"
    );
}

#[test]
fn windows_ordered_by_time_and_bytes() {
    check(
        "SELECT id, ROW_NUMBER() OVER (ORDER BY CAST(region AS BYTES), id) AS n,
                COUNT(*) OVER (ORDER BY TIME '10:00:00') AS c FROM orders",
        expect![[r#"
            [id INT NOT NULL, n BIGINT NOT NULL, c BIGINT NOT NULL]
            +I 4 | 1 | 4
            +I 1 | 2 | 4
            +I 3 | 3 | 4
            +I 2 | 4 | 4
        "#]],
    );
}
