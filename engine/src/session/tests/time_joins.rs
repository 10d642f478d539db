//! Joins by time: of windows, of intervals, and with the version of a time.

use expect_test::expect;

use super::run;
use super::time::{EVENTS, check_bag, events};

#[test]
fn windows_are_joined_when_they_are_over() {
    let side = |condition: &str| {
        format!(
            "(SELECT * FROM TABLE(TUMBLE(TABLE (SELECT k, ts, v FROM events WHERE {condition}), \
             DESCRIPTOR(ts), INTERVAL '5' SECOND)))"
        )
    };
    let (left, right) = (side("v < 30"), side("v > 15"));
    let on = "ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end";
    for (join, expected) in [
        (
            "JOIN",
            expect![[r#"
                [k STRING, v INT, w INT, window_end TIMESTAMP(3) NOT NULL]
                +I a | 10 | 30 | 2024-01-01 00:00:05.000
                +I b | 20 | 20 | 2024-01-01 00:00:05.000
                +I b | 25 | 25 | 2024-01-01 00:00:15.000"#]],
        ),
        (
            "FULL JOIN",
            expect![[r#"
                [k STRING, v INT, w INT, window_end TIMESTAMP(3)]
                +I NULL | NULL | 50 | 2024-01-01 00:00:15.000
                +I a | 10 | 30 | 2024-01-01 00:00:05.000
                +I a | 15 | NULL | NULL
                +I a | 5 | NULL | NULL
                +I b | 20 | 20 | 2024-01-01 00:00:05.000
                +I b | 25 | 25 | 2024-01-01 00:00:15.000"#]],
        ),
    ] {
        check_bag(
            EVENTS,
            &format!("SELECT a.k, a.v, b.v AS w, b.window_end FROM {left} a {join} {right} b {on}"),
            expected,
        );
    }
    check_bag(
        EVENTS,
        &format!(
            "SELECT k, v, window_end FROM {left} a WHERE NOT EXISTS (SELECT * FROM {right} b \
             WHERE a.k = b.k AND a.window_start = b.window_start \
             AND a.window_end = b.window_end)"
        ),
        expect![[r#"
            [k STRING, v INT, window_end TIMESTAMP(3) NOT NULL]
            +I a | 15 | 2024-01-01 00:00:10.000
            +I a | 5 | 2024-01-01 00:00:20.000"#]],
    );
    let (session, _folder) = events(EVENTS, 1, 10);
    let sql = format!("SELECT a.k FROM {left} a JOIN {right} b {on}");
    let plan = session.explain(&sql).unwrap();
    assert!(
        plan.contains("WindowJoin(leftWindow=[TUMBLE(size=[5 s])]"),
        "{plan}"
    );
}

/// `k`, seconds, number; numbers below 100 are left rows, the others right ones.
const SIDES: &str = "a,01,1\nb,02,2\na,03,103\na,04,4\na,05,105\nc,06,106\nc,07,7\nNULL,08,8\n\
                     NULL,09,109\nb,12,112\nd,13,13\nc,05,115\na,05,5\nb,20,20\n";

fn sides(sql: &str) -> String {
    let side = |condition: &str| format!("(SELECT k, ts, v FROM events WHERE {condition})");
    sql.replace("LEFT_SIDE", &side("v < 100"))
        .replace("RIGHT_SIDE", &side("v >= 100"))
}

#[test]
fn joins_by_time() {
    for (sql, expected) in [
        (
            "SELECT l.v, r.v AS w FROM LEFT_SIDE l JOIN RIGHT_SIDE r ON l.k = r.k \
             AND r.ts BETWEEN l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '3' SECOND",
            expect![[r#"
                [v INT, w INT]
                +I 1 | 103
                +I 4 | 103
                +I 4 | 105
                +I 7 | 106"#]],
        ),
        (
            "SELECT l.v, r.v AS w FROM LEFT_SIDE l FULL JOIN RIGHT_SIDE r ON l.k = r.k \
             AND r.ts > l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '3' SECOND > r.ts \
             AND r.v <> 105",
            expect![[r#"
                [v INT, w INT]
                +I 1 | 103
                +I 13 | NULL
                +I 2 | NULL
                +I 20 | NULL
                +I 4 | 103
                +I 5 | NULL
                +I 7 | 106
                +I 8 | NULL
                +I NULL | 105
                +I NULL | 109
                +I NULL | 112
                +I NULL | 115"#]],
        ),
        (
            "SELECT l.v, r.v AS w FROM LEFT_SIDE l JOIN RIGHT_SIDE r \
             ON r.ts BETWEEN l.ts AND l.ts + INTERVAL '1' SECOND",
            expect![[r#"
                [v INT, w INT]
                +I 2 | 103
                +I 4 | 105
                +I 8 | 109"#]],
        ),
    ] {
        check_bag(SIDES, &sides(sql), expected);
    }
    let (session, _folder) = events(SIDES, 1, 10);
    let plan = session
        .explain(&sides(
            "SELECT l.v FROM LEFT_SIDE l JOIN RIGHT_SIDE r ON l.k = r.k \
             AND l.ts BETWEEN r.ts - INTERVAL '1' MINUTE AND r.ts",
        ))
        .unwrap();
    assert!(
        plan.contains(
            "IntervalJoin(windowBounds=[isRowTime=true, leftLowerBound=-60000, leftUpperBound=0"
        ),
        "{plan}"
    );
}

/// `O` rows are orders, the others rates of the currency `k`.
const RATES: &str = "EUR,00,1114\nUSD,00,1102\nEUR,01,10\nYEN,02,7\nYEN,03,1001\nYEN,04,8\n\
                     EUR,05,1116\nEUR,05,20\nEUR,06,30\nEUR,07,1119\nUSD,08,5\nEUR,09,40\n\
                     EUR,02,1200\nEUR,04,50\nNULL,10,60\n";

#[test]
fn temporal_joins_see_the_version_of_their_time() {
    let sql = |join: &str| {
        format!(
            "WITH orders AS (SELECT k, v, ts FROM events WHERE v < 1000), \
             rates AS (SELECT k, v AS rate, ts FROM (SELECT *, ROW_NUMBER() OVER \
             (PARTITION BY k ORDER BY ts DESC) AS rn FROM events WHERE v >= 1000) WHERE rn = 1) \
             SELECT o.k, o.v, r.rate FROM orders o {join}"
        )
    };
    let as_of = "rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k";
    check_bag(
        RATES,
        &sql(&format!("JOIN {as_of}")),
        expect![[r#"
            [k STRING, v INT, rate INT]
            +I EUR | 10 | 1114
            +I EUR | 20 | 1116
            +I EUR | 30 | 1116
            +I EUR | 40 | 1119
            +I USD | 5 | 1102
            +I YEN | 8 | 1001"#]],
    );
    check_bag(
        RATES,
        &sql(&format!("LEFT JOIN {as_of} AND r.rate > 1110")),
        expect![[r#"
            [k STRING, v INT, rate INT]
            +I EUR | 10 | 1114
            +I EUR | 20 | 1116
            +I EUR | 30 | 1116
            +I EUR | 40 | 1119
            +I EUR | 50 | NULL
            +I NULL | 60 | NULL
            +I USD | 5 | NULL
            +I YEN | 7 | NULL
            +I YEN | 8 | NULL"#]],
    );
    let (session, folder) = events(RATES, 1, 10);
    let path = folder.path().display();
    session
        .execute(&format!(
            "CREATE TABLE versions (k STRING, ts TIMESTAMP(3), v INT, PRIMARY KEY (k) NOT ENFORCED, \
             WATERMARK FOR ts AS ts) \
             WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', \
             'csv.null-literal' = 'NULL', 'csv.ignore-parse-errors' = 'true')"
        ))
        .unwrap();
    for (join, expected) in [
        (
            "FULL JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k",
            expect!["a temporal join is INNER or LEFT, not FULL"],
        ),
        (
            "JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.v = r.rate",
            expect![
                "a temporal join requires the primary key of the versioned table, with all its columns in the equality conditions of the join"
            ],
        ),
        (
            "JOIN events FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k",
            expect![
                "a temporal join requires the primary key of the versioned table, with all its columns in the equality conditions of the join"
            ],
        ),
        (
            "JOIN rates FOR SYSTEM_TIME AS OF o.v AS r ON o.k = r.k",
            expect!["a temporal join takes a time attribute of the left table, but 'o.v' is none"],
        ),
        (
            "JOIN versions FOR SYSTEM_TIME AS OF o.ts AS v ON o.k = v.k JOIN rates r ON TRUE",
            expect!["[k STRING, v INT, EXPR$2 INT NOT NULL]"],
        ),
    ] {
        let message = run(&session, &sql(join).replace("r.rate FROM", "1 FROM"));
        expected.assert_eq(message.lines().next().unwrap_or_default());
    }
}
