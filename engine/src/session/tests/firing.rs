//! Group windows that tell what they have before and after they are over. The changes are Flink's.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::{Session, run};

/// Key, number and second; the watermark is the latest time so far.
const ROWS: &str = "a,1,01\na,2,02\nb,5,03\na,2,04\na,7,11\na,3,03\na,0,04\nb,1,08\na,9,31\n\
                    a,4,12\na,4,02\nc,6,35\n";

const EARLY: [(&str, &str); 2] = [
    ("table.exec.emit.early-fire.enabled", "true"),
    ("table.exec.emit.early-fire.delay", "0 s"),
];
const LATE: [(&str, &str); 3] = [
    ("table.exec.emit.late-fire.enabled", "true"),
    ("table.exec.emit.late-fire.delay", "0 s"),
    ("table.exec.emit.allow-lateness", "20 s"),
];

fn session(step_rows: usize, options: &[(&str, &str)]) -> (Session, TempDir) {
    let folder = TempDir::new().unwrap();
    let text: String = ROWS
        .lines()
        .filter_map(|row| row.rsplit_once(','))
        .map(|(row, second)| format!("{row},2024-01-01 00:00:{second}\n"))
        .collect();
    std::fs::write(folder.path().join("t.csv"), text).unwrap();
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), "1".to_owned()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
        (
            "table.exec.mini-batch.size".to_owned(),
            step_rows.to_string(),
        ),
    ]));
    for (key, value) in options {
        session.set_config(key, value).unwrap();
    }
    session
        .execute(&format!(
            "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), p AS PROCTIME(), \
             WATERMARK FOR ts AS ts) \
             WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
            folder.path().display()
        ))
        .unwrap();
    (session, folder)
}

/// The changes, which do not hang on the length of steps.
fn check(options: &[(&str, &str)], sql: &str, expected: Expect) {
    let said = [1, 100].map(|step_rows| {
        let (session, _folder) = session(step_rows, options);
        run(&session, sql)
    });
    assert_eq!(said[0], said[1], "steps of one row and of all");
    expected.assert_eq(&said[0]);
}

fn both() -> Vec<(&'static str, &'static str)> {
    EARLY.into_iter().chain(LATE).collect()
}

const TUMBLE: &str =
    "SELECT k, SUM(v) AS s, COUNT(*) AS n FROM t GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND)";
const HOP: &str = "SELECT k, HOP_START(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS ws, \
                   SUM(v) AS s FROM t GROUP BY k, HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)";

#[test]
fn with_every_row_before_the_end() {
    check(
        &EARLY,
        TUMBLE,
        expect![[r#"
        [k STRING, s INT, n BIGINT NOT NULL]
        +I a | 1 | 1
        -U a | 1 | 1
        +U a | 3 | 2
        +I b | 5 | 1
        -U a | 3 | 2
        +U a | 5 | 3
        +I a | 7 | 1
        +I a | 9 | 1
        +I c | 6 | 1
    "#]],
    );
    check(
        &EARLY,
        HOP,
        expect![[r#"
        [k STRING, ws TIMESTAMP(3) NOT NULL, s INT]
        +I a | 2024-01-01 00:00:00.000 | 1
        +I a | 2023-12-31 23:59:55.000 | 1
        -U a | 2024-01-01 00:00:00.000 | 1
        +U a | 2024-01-01 00:00:00.000 | 3
        -U a | 2023-12-31 23:59:55.000 | 1
        +U a | 2023-12-31 23:59:55.000 | 3
        +I b | 2024-01-01 00:00:00.000 | 5
        +I b | 2023-12-31 23:59:55.000 | 5
        -U a | 2024-01-01 00:00:00.000 | 3
        +U a | 2024-01-01 00:00:00.000 | 5
        -U a | 2023-12-31 23:59:55.000 | 3
        +U a | 2023-12-31 23:59:55.000 | 5
        +I a | 2024-01-01 00:00:10.000 | 7
        +I a | 2024-01-01 00:00:05.000 | 7
        +I b | 2024-01-01 00:00:05.000 | 1
        +I a | 2024-01-01 00:00:30.000 | 9
        +I a | 2024-01-01 00:00:25.000 | 9
        +I c | 2024-01-01 00:00:35.000 | 6
        +I c | 2024-01-01 00:00:30.000 | 6
    "#]],
    );
}

#[test]
fn with_every_late_row() {
    check(
        &LATE,
        TUMBLE,
        expect![[r#"
        [k STRING, s INT, n BIGINT NOT NULL]
        +I a | 5 | 3
        +I b | 5 | 1
        -U a | 5 | 3
        +U a | 8 | 4
        -U a | 8 | 4
        +U a | 8 | 5
        -U b | 5 | 1
        +U b | 6 | 2
        +I a | 7 | 1
        -U a | 7 | 1
        +U a | 11 | 2
        +I a | 9 | 1
        +I c | 6 | 1
    "#]],
    );
    check(
        &LATE,
        "SELECT k, COUNT(DISTINCT v) AS s, MIN(v) AS m FROM t \
         GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND) HAVING MIN(v) < 7",
        expect![[r#"
            [k STRING, s BIGINT NOT NULL, m INT]
            +I a | 2 | 1
            +I b | 1 | 5
            -U a | 2 | 1
            +U a | 3 | 1
            -U a | 3 | 1
            +U a | 4 | 0
            -U b | 1 | 5
            +U b | 2 | 1
            +U a | 2 | 4
            +I c | 1 | 6
        "#]],
    );
}

#[test]
fn before_and_after_the_end() {
    check(
        &both(),
        TUMBLE,
        expect![[r#"
        [k STRING, s INT, n BIGINT NOT NULL]
        +I a | 1 | 1
        -U a | 1 | 1
        +U a | 3 | 2
        +I b | 5 | 1
        -U a | 3 | 2
        +U a | 5 | 3
        +I a | 7 | 1
        -U a | 5 | 3
        +U a | 8 | 4
        -U a | 8 | 4
        +U a | 8 | 5
        -U b | 5 | 1
        +U b | 6 | 2
        +I a | 9 | 1
        -U a | 7 | 1
        +U a | 11 | 2
        +I c | 6 | 1
    "#]],
    );
    check(
        &both(),
        "SELECT TUMBLE_START(rt, INTERVAL '20' SECOND) AS ws, SUM(s) AS s FROM (\
         SELECT k, TUMBLE_ROWTIME(ts, INTERVAL '10' SECOND) AS rt, SUM(v) AS s FROM t \
         GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND)) GROUP BY TUMBLE(rt, INTERVAL '20' SECOND)",
        expect![[r#"
            [ws TIMESTAMP(3) NOT NULL, s INT]
            +I 2024-01-01 00:00:00.000 | 1
            -D 2024-01-01 00:00:00.000 | 1
            +I 2024-01-01 00:00:00.000 | 3
            -U 2024-01-01 00:00:00.000 | 3
            +U 2024-01-01 00:00:00.000 | 8
            -U 2024-01-01 00:00:00.000 | 8
            +U 2024-01-01 00:00:00.000 | 5
            -U 2024-01-01 00:00:00.000 | 5
            +U 2024-01-01 00:00:00.000 | 10
            -U 2024-01-01 00:00:00.000 | 10
            +U 2024-01-01 00:00:00.000 | 17
            -U 2024-01-01 00:00:00.000 | 17
            +U 2024-01-01 00:00:00.000 | 12
            -U 2024-01-01 00:00:00.000 | 12
            +U 2024-01-01 00:00:00.000 | 20
            -U 2024-01-01 00:00:00.000 | 20
            +U 2024-01-01 00:00:00.000 | 15
            -U 2024-01-01 00:00:00.000 | 15
            +U 2024-01-01 00:00:00.000 | 21
            +I 2024-01-01 00:00:20.000 | 9
            -U 2024-01-01 00:00:00.000 | 21
            +U 2024-01-01 00:00:00.000 | 14
            -U 2024-01-01 00:00:00.000 | 14
            +U 2024-01-01 00:00:00.000 | 25
            -U 2024-01-01 00:00:20.000 | 9
            +U 2024-01-01 00:00:20.000 | 15
        "#]],
    );
}

/// What has not been told by the clock when the input ends is not told any more.
#[test]
fn by_the_clock() {
    let early = [EARLY[0], ("table.exec.emit.early-fire.delay", "1 h")];
    check(
        &early,
        TUMBLE,
        expect![[r#"
        [k STRING, s INT, n BIGINT NOT NULL]
        +I a | 5 | 3
        +I b | 5 | 1
        +I a | 7 | 1
        +I a | 9 | 1
        +I c | 6 | 1
    "#]],
    );
    let late = [
        LATE[0],
        LATE[2],
        ("table.exec.emit.late-fire.delay", "20 s"),
    ];
    check(
        &late,
        TUMBLE,
        expect![[r#"
        [k STRING, s INT, n BIGINT NOT NULL]
        +I a | 5 | 3
        +I b | 5 | 1
        +I a | 7 | 1
        +I a | 9 | 1
        +I c | 6 | 1
    "#]],
    );
}

#[test]
fn plans_show_it() {
    let (session, _folder) = session(100, &both());
    let plan = run(&session, &format!("EXPLAIN CHANGELOG_MODE {TUMBLE}"));
    assert!(
        plan.contains("emit=[early no delay, late no delay], changelogMode=[I,UA])"),
        "{plan}"
    );
    session
        .execute(
            "CREATE TABLE sink (k STRING, s INT, n BIGINT) \
             WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'csv')",
        )
        .unwrap();
    let refused = run(&session, &format!("INSERT INTO sink {TUMBLE}"));
    assert!(
        refused.contains("doesn't support consuming update"),
        "{refused}"
    );
}

#[test]
fn what_flink_refuses() {
    let of_function = "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
                       INTERVAL '5' SECOND)) GROUP BY window_start, window_end";
    let by_session = "SELECT COUNT(*) FROM t GROUP BY SESSION(ts, INTERVAL '5' SECOND)";
    let delay = ("table.exec.emit.late-fire.delay", "30 s");
    let mut said = String::new();
    for (options, sql) in [
        (EARLY.to_vec(), of_function),
        (EARLY.to_vec(), by_session),
        (vec![EARLY[0]], TUMBLE),
        (vec![LATE[0], LATE[1]], TUMBLE),
        (vec![LATE[0], LATE[2]], TUMBLE),
        (vec![LATE[0], LATE[2], delay], TUMBLE),
    ] {
        let (session, _folder) = session(100, &options);
        said.push_str(&run(&session, sql));
        said.push('\n');
    }
    expect![[r#"
        Currently, window table function based aggregate doesn't support early-fire and late-fire configuration 'table.exec.emit.early-fire.enabled' and 'table.exec.emit.late-fire.enabled'.
        Session window doesn't support EMIT strategy currently.
        Early-fire delay should not be null or negative value when enable early-fire emit strategy.
        The 'AFTER WATERMARK' emit strategy requires set 'allow-lateness' or 'minIdleStateRetentionTime' in table config.
        Late-fire delay should not be null or negative value when enable late-fire emit strategy.
        Allow-lateness [20000ms] should not be smaller than Late-fire delay [30000ms] when enable late-fire emit strategy.
    "#]].assert_eq(&said);
}
