//! Event time: watermarks, time attributes, and what hangs on them. Results are the same for
//! steps of one row and of all rows, on one worker and on several.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::{Session, run};

/// `name`, seconds after midnight, number: rows out of order, the sixth of them late.
pub(super) const EVENTS: &str =
    "a,01,10\nb,03,20\na,02,30\na,07,15\nb,12,25\na,04,40\nc,11,50\na,16,5\n";

/// A session over a file of events with a watermark of two seconds.
pub(super) fn events(rows: &str, n_workers: usize, step_rows: usize) -> (Session, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut text = String::new();
    for row in rows.lines() {
        let parts: Vec<_> = row.split(',').collect();
        let _ = writeln!(
            text,
            "{},2024-01-01 00:00:{},{}",
            parts[0], parts[1], parts[2]
        );
    }
    std::fs::write(folder.path().join("events.csv"), text).unwrap();
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), n_workers.to_string()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
        (
            "table.exec.mini-batch.size".to_owned(),
            step_rows.to_string(),
        ),
        ("tidemill.worker.min-rows".to_owned(), "1".to_owned()),
    ]));
    let path = folder.path().display();
    session
        .execute(&format!(
            "CREATE TABLE events (k STRING, ts TIMESTAMP(3), v INT, \
             twice AS v * 2, late AS ts + INTERVAL '1' SECOND, p AS PROCTIME(), \
             WATERMARK FOR ts AS late - INTERVAL '3' SECOND) \
             WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', 'csv.null-literal' = 'NULL')"
        ))
        .unwrap();
    (session, folder)
}

/// Runs the query in many ways, all of which give the same rows; of one worker and large steps also
/// in this order.
pub(super) fn check(rows: &str, sql: &str, expected: Expect) {
    let (first, _) = run_in_many_ways(rows, sql);
    expected.assert_eq(&first);
}

/// As [`check`], where the order of rows that one watermark lets go is not promised: it hangs on
/// whether the end of the input came with the last rows.
pub(super) fn check_bag(rows: &str, sql: &str, expected: Expect) {
    let (_, sorted) = run_in_many_ways(rows, sql);
    expected.assert_eq(&sorted);
}

/// What one worker gives in large steps, as it came and sorted; all other ways give the same rows.
fn run_in_many_ways(rows: &str, sql: &str) -> (String, String) {
    let result = |n_workers, step_rows| {
        let (session, _folder) = events(rows, n_workers, step_rows);
        let text = run(&session, sql);
        let mut lines: Vec<_> = text.lines().collect();
        lines.get_mut(1..).unwrap_or_default().sort_unstable();
        let sorted = lines.join("\n");
        (text, sorted)
    };
    let (first, expected) = result(1, 65_536);
    for (n_workers, step_rows) in [(1, 1), (1, 3), (2, 1), (2, 3), (3, 65_536)] {
        let (_, sorted) = result(n_workers, step_rows);
        assert_eq!(
            sorted, expected,
            "{n_workers} workers, steps of {step_rows}"
        );
    }
    (first, expected)
}

#[test]
fn the_watermark_in_force_for_each_row() {
    check_bag(
        EVENTS,
        "SELECT k, ts, CURRENT_WATERMARK(ts) AS w FROM events",
        expect![[r#"
            [k STRING, ts TIMESTAMP(3), w TIMESTAMP(3)]
            +I a | 2024-01-01 00:00:01.000 | NULL
            +I a | 2024-01-01 00:00:02.000 | 2024-01-01 00:00:01.000
            +I a | 2024-01-01 00:00:04.000 | 2024-01-01 00:00:10.000
            +I a | 2024-01-01 00:00:07.000 | 2024-01-01 00:00:01.000
            +I a | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:10.000
            +I b | 2024-01-01 00:00:03.000 | 2023-12-31 23:59:59.000
            +I b | 2024-01-01 00:00:12.000 | 2024-01-01 00:00:05.000
            +I c | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.000"#]],
    );
}

#[test]
fn late_rows_by_their_watermark() {
    check_bag(
        EVENTS,
        "SELECT k, v FROM events WHERE ts <= CURRENT_WATERMARK(ts)",
        expect![[r#"
            [k STRING, v INT]
            +I a | 40"#]],
    );
}

#[test]
fn a_row_without_time_is_an_error() {
    let (session, folder) = events(EVENTS, 1, 10);
    std::fs::write(folder.path().join("events.csv"), "a,NULL,1\n").unwrap();
    expect![[r#"
        [v INT]
        failed: the rowtime column 'ts' is NULL in a row; every row needs its time
    "#]]
    .assert_eq(&run(&session, "SELECT v FROM events"));
}

#[test]
fn time_attributes_follow_their_columns() {
    let (session, _folder) = events(EVENTS, 1, 10);
    session
        .execute(
            "CREATE VIEW w AS SELECT k, ts AS t, ts + INTERVAL '1' SECOND AS t1, p, MAX(v) AS m \
             FROM events GROUP BY k, ts, p",
        )
        .unwrap();
    expect![[r#"
        [name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING]
        +I k | STRING | TRUE | NULL | NULL | NULL
        +I ts | TIMESTAMP(3) *ROWTIME* | TRUE | NULL | NULL | `late` - INTERVAL '3' SECOND
        +I v | INT | TRUE | NULL | NULL | NULL
        +I twice | INT | TRUE | NULL | AS `v` * 2 | NULL
        +I late | TIMESTAMP(3) | TRUE | NULL | AS `ts` + INTERVAL '1' SECOND | NULL
        +I p | TIMESTAMP_LTZ(3) *PROCTIME* | FALSE | NULL | AS PROCTIME() | NULL
    "#]]
    .assert_eq(&run(&session, "DESCRIBE events"));
    expect![[r#"
        [name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING]
        +I k | STRING | TRUE | NULL | NULL | NULL
        +I t | TIMESTAMP(3) *ROWTIME* | TRUE | NULL | NULL | NULL
        +I t1 | TIMESTAMP(3) | TRUE | NULL | NULL | NULL
        +I p | TIMESTAMP_LTZ(3) *PROCTIME* | FALSE | NULL | NULL | NULL
        +I m | INT | TRUE | NULL | NULL | NULL
    "#]]
    .assert_eq(&run(&session, "DESCRIBE w"));
    expect!["CURRENT_WATERMARK() must be called with a single rowtime attribute argument, but 't1' is none"].assert_eq(&run(&session, "SELECT CURRENT_WATERMARK(t1) FROM w"));
}

const TUMBLE: &str = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))";

#[test]
fn a_window_is_counted_when_it_is_over() {
    check_bag(
        EVENTS,
        &format!(
            "SELECT window_start, window_end, window_time, k, COUNT(*) AS c, SUM(v) AS s \
             FROM {TUMBLE} GROUP BY window_start, window_end, window_time, k"
        ),
        expect![[r#"
            [window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL, k STRING, c BIGINT NOT NULL, s INT]
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:05.000 | 2024-01-01 00:00:04.999 | a | 2 | 40
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:05.000 | 2024-01-01 00:00:04.999 | b | 1 | 20
            +I 2024-01-01 00:00:05.000 | 2024-01-01 00:00:10.000 | 2024-01-01 00:00:09.999 | a | 1 | 15
            +I 2024-01-01 00:00:10.000 | 2024-01-01 00:00:15.000 | 2024-01-01 00:00:14.999 | b | 1 | 25
            +I 2024-01-01 00:00:10.000 | 2024-01-01 00:00:15.000 | 2024-01-01 00:00:14.999 | c | 1 | 50
            +I 2024-01-01 00:00:15.000 | 2024-01-01 00:00:20.000 | 2024-01-01 00:00:19.999 | a | 1 | 5"#]],
    );
}

#[test]
fn windows_without_aggregate_drop_nothing() {
    check_bag(
        EVENTS,
        "SELECT k, v, window_start, window_end, window_time FROM \
         HOP(DATA => TABLE events, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '5' SECOND, \
         SIZE => INTERVAL '10' SECOND, `OFFSET` => INTERVAL '1' SECOND)",
        expect![[r#"
            [k STRING, v INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL]
            +I a | 10 | 2023-12-31 23:59:56.000 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:05.999
            +I a | 10 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.999
            +I a | 15 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.999
            +I a | 15 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:15.999
            +I a | 30 | 2023-12-31 23:59:56.000 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:05.999
            +I a | 30 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.999
            +I a | 40 | 2023-12-31 23:59:56.000 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:05.999
            +I a | 40 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.999
            +I a | 5 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:21.000 | 2024-01-01 00:00:20.999
            +I a | 5 | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:26.000 | 2024-01-01 00:00:25.999
            +I b | 20 | 2023-12-31 23:59:56.000 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:05.999
            +I b | 20 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.999
            +I b | 25 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:15.999
            +I b | 25 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:21.000 | 2024-01-01 00:00:20.999
            +I c | 50 | 2024-01-01 00:00:06.000 | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:15.999
            +I c | 50 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:21.000 | 2024-01-01 00:00:20.999"#]],
    );
}

#[test]
fn hops_share_rows_and_windows_of_windows_count() {
    check_bag(
        EVENTS,
        "SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(HOP(TABLE events, \
         DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) \
         GROUP BY window_start, window_end",
        expect![[r#"
            [window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, c BIGINT NOT NULL]
            +I 2023-12-31 23:59:55.000 | 2024-01-01 00:00:05.000 | 3
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:10.000 | 4
            +I 2024-01-01 00:00:05.000 | 2024-01-01 00:00:15.000 | 3
            +I 2024-01-01 00:00:10.000 | 2024-01-01 00:00:20.000 | 3
            +I 2024-01-01 00:00:15.000 | 2024-01-01 00:00:25.000 | 1"#]],
    );
    check_bag(
        EVENTS,
        &format!(
            "WITH w AS (SELECT window_start AS ws, window_end AS we, window_time AS rt, \
             SUM(v) AS s FROM {TUMBLE} GROUP BY window_start, window_end, window_time) \
             SELECT window_start, window_end, SUM(s) AS t FROM \
             TABLE(CUMULATE(TABLE w, DESCRIPTOR(rt), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) \
             GROUP BY window_start, window_end"
        ),
        expect![[r#"
            [window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, t INT]
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:10.000 | 75
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:20.000 | 155"#]],
    );
}

#[test]
fn windows_that_do_not_exist() {
    let (session, _folder) = events(EVENTS, 1, 10);
    for (arguments, expected) in [
        (
            "TUMBLE(TABLE events, DESCRIPTOR(k), INTERVAL '5' SECOND)",
            expect![
                "the window function TUMBLE(TABLE table_name, DESCRIPTOR(timecol), datetime interval) requires the timecol to be TIMESTAMP or TIMESTAMP_LTZ, but 'k' is STRING"
            ],
        ),
        (
            "TUMBLE(TABLE events, DESCRIPTOR(late), INTERVAL '5' SECOND)",
            expect![
                "the window function TUMBLE requires the timecol to be a time attribute, but 'late' is none; declare a WATERMARK for it"
            ],
        ),
        (
            "TUMBLE(TABLE events, DESCRIPTOR(nothing), INTERVAL '5' SECOND)",
            expect!["unknown identifier 'nothing' in a descriptor at line 1, column 86"],
        ),
        (
            "TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '0' SECOND)",
            expect!["TUMBLE requires size to be positive, but got 0 ms"],
        ),
        (
            "TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MONTH)",
            expect!["the size of TUMBLE must be an interval of days to seconds"],
        ),
        (
            "TUMBLE(TABLE events, DESCRIPTOR(ts))",
            expect![
                "invalid number of arguments to function 'TUMBLE': SIZE is missing; it takes DATA, TIMECOL, SIZE, OFFSET"
            ],
        ),
        (
            "TUMBLE(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' DAY)",
            expect!["TUMBLE takes no PARTITION BY behind its table; only SESSION does"],
        ),
        (
            "HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '5' SECOND)",
            expect![
                "HOP table function based aggregate requires size must be an integral multiple of slide, but got size 5000 ms and slide 10000 ms"
            ],
        ),
        (
            "CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND)",
            expect![
                "CUMULATE requires maxSize to be an integral multiple of step, but got maxSize 10000 ms and step 4000 ms"
            ],
        ),
        (
            "TUMBLE(TABLE nowhere, DESCRIPTOR(ts), INTERVAL '5' SECOND)",
            expect![
                "cannot find table '`default_catalog`.`default_database`.`nowhere`' in any of the catalogs [default_catalog], nor as a temporary table at line 1, column 67"
            ],
        ),
    ] {
        let sql = format!(
            "SELECT window_start, window_end, COUNT(*) FROM TABLE({arguments}) \
             GROUP BY window_start, window_end"
        );
        let message = run(&session, &sql);
        expected.assert_eq(message.lines().next().unwrap_or_default());
    }
}

#[test]
fn batch_mode_gives_the_windows_of_all_rows() {
    let (session, _folder) = events(EVENTS, 1, 2);
    session
        .set_config("execution.runtime-mode", "batch")
        .unwrap();
    let show = |sql: &str| run(&session, sql);
    expect![[r#"
        [window_start TIMESTAMP(3) NOT NULL, c BIGINT NOT NULL, s INT]
        +I 2024-01-01 00:00:00.000 | 4 | 100
        +I 2024-01-01 00:00:10.000 | 2 | 75
    "#]]
    .assert_eq(&show(&format!(
        "SELECT window_start, COUNT(*) AS c, SUM(v) AS s FROM {TUMBLE} \
         GROUP BY window_start, window_end ORDER BY s DESC LIMIT 2"
    )));
    expect![[r#"
        [c BIGINT NOT NULL]
        +I 0
    "#]]
    .assert_eq(&show(&format!(
        "SELECT COUNT(*) AS c FROM {TUMBLE} WHERE v > 1000"
    )));
    for (sql, message) in [
        (
            "SELECT * FROM TABLE(SESSION(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))",
            "Unaligned windows like session are not supported in batch mode yet.",
        ),
        (
            "SELECT COUNT(*) FROM events GROUP BY TUMBLE(p, INTERVAL '5' SECOND)",
            "window can not be defined over a proctime attribute column for batch mode",
        ),
        (
            "SELECT k FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(p), INTERVAL '5' SECOND))",
            "Processing time Window TableFunction is not supported yet.",
        ),
        (
            "SELECT COUNT(DISTINCT k) FROM events GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)",
            "DISTINCT aggregates are currently not supported in group windows",
        ),
        (
            "SELECT COUNT(DISTINCT v) OVER (PARTITION BY k ORDER BY ts) FROM events",
            "Distinct not supported in Windowing function!",
        ),
    ] {
        assert_eq!(show(sql), message);
    }
}

#[test]
fn sessions_grow_merge_and_end() {
    check_bag(
        "a,00,1\nb,01,2\na,04,3\na,09,4\nb,20,5\na,02,6\nb,03,7\nb,12,8\nb,15,9\n",
        "SELECT window_start, window_end, k, COUNT(*) AS c, SUM(v) AS s FROM TABLE(SESSION(\
         TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
         GROUP BY window_start, window_end, k",
        expect![[r#"
            [window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, k STRING, c BIGINT NOT NULL, s INT]
            +I 2024-01-01 00:00:00.000 | 2024-01-01 00:00:14.000 | a | 3 | 8
            +I 2024-01-01 00:00:01.000 | 2024-01-01 00:00:06.000 | b | 1 | 2
            +I 2024-01-01 00:00:15.000 | 2024-01-01 00:00:25.000 | b | 2 | 14"#]],
    );
    check_bag(
        EVENTS,
        "SELECT k, v, window_start, window_time FROM TABLE(SESSION(TABLE events, \
         DESCRIPTOR(ts), INTERVAL '3' SECOND))",
        expect![[r#"
            [k STRING, v INT, window_start TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL]
            +I a | 10 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:05.999
            +I a | 15 | 2024-01-01 00:00:07.000 | 2024-01-01 00:00:09.999
            +I a | 30 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:05.999
            +I a | 5 | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:18.999
            +I b | 20 | 2024-01-01 00:00:01.000 | 2024-01-01 00:00:05.999
            +I b | 25 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:14.999
            +I c | 50 | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:14.999"#]],
    );
}

#[test]
fn group_windows() {
    check_bag(
        EVENTS,
        "SELECT k, TUMBLE_START(ts, INTERVAL '5' SECOND) AS ws, \
         TUMBLE_END(ts, INTERVAL '5' SECOND) AS we, TUMBLE_ROWTIME(ts, INTERVAL '5' SECOND) AS rt, \
         SUM(v) AS s FROM events GROUP BY k, TUMBLE(ts, INTERVAL '5' SECOND) \
         HAVING TUMBLE_START(ts, INTERVAL '5' SECOND) > TIMESTAMP '2024-01-01 00:00:00'",
        expect![[r#"
            [k STRING, ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL, rt TIMESTAMP(3), s INT]
            +I a | 2024-01-01 00:00:05.000 | 2024-01-01 00:00:10.000 | 2024-01-01 00:00:09.999 | 15
            +I a | 2024-01-01 00:00:15.000 | 2024-01-01 00:00:20.000 | 2024-01-01 00:00:19.999 | 5
            +I b | 2024-01-01 00:00:10.000 | 2024-01-01 00:00:15.000 | 2024-01-01 00:00:14.999 | 25
            +I c | 2024-01-01 00:00:10.000 | 2024-01-01 00:00:15.000 | 2024-01-01 00:00:14.999 | 50"#]],
    );
    check_bag(
        EVENTS,
        "SELECT UPPER(k) AS u, SESSION_START(ts, INTERVAL '3' SECOND) AS ws, COUNT(*) AS c \
         FROM events GROUP BY SESSION(ts, INTERVAL '3' SECOND), UPPER(k)",
        expect![[r#"
            [u STRING, ws TIMESTAMP(3) NOT NULL, c BIGINT NOT NULL]
            +I A | 2024-01-01 00:00:01.000 | 2
            +I A | 2024-01-01 00:00:07.000 | 1
            +I A | 2024-01-01 00:00:16.000 | 1
            +I B | 2024-01-01 00:00:03.000 | 1
            +I B | 2024-01-01 00:00:12.000 | 1
            +I C | 2024-01-01 00:00:11.000 | 1"#]],
    );
    check_bag(
        EVENTS,
        "SELECT HOP_START(rt, INTERVAL '5' SECOND, INTERVAL '10' SECOND), MAX(c) FROM (\
         SELECT TUMBLE_ROWTIME(ts, INTERVAL '5' SECOND) AS rt, COUNT(*) AS c FROM events \
         GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)) \
         GROUP BY HOP(rt, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        expect![[r#"
            [EXPR$0 TIMESTAMP(3) NOT NULL, EXPR$1 BIGINT NOT NULL]
            +I 2023-12-31 23:59:55.000 | 3
            +I 2024-01-01 00:00:00.000 | 3
            +I 2024-01-01 00:00:05.000 | 2
            +I 2024-01-01 00:00:10.000 | 2
            +I 2024-01-01 00:00:15.000 | 1"#]],
    );
    let (session, _folder) = events(EVENTS, 1, 10);
    for (sql, expected) in [
        (
            "SELECT TUMBLE_START(ts, INTERVAL '5' SECOND) FROM events",
            expect![
                "a group window function (TUMBLE, HOP, SESSION and their _START, _END, _ROWTIME) stands where no GROUP BY has the same window"
            ],
        ),
        (
            "SELECT COUNT(*) FROM events GROUP BY TUMBLE(late, INTERVAL '5' SECOND)",
            expect![
                "the window function TUMBLE requires the timecol to be a time attribute, but 'late' is none; declare a WATERMARK for it"
            ],
        ),
        (
            "SELECT COUNT(*) FROM events GROUP BY TUMBLE(ts, INTERVAL '1' MONTH)",
            expect!["the measures of the group window TUMBLE must be intervals of days to seconds"],
        ),
        (
            "SELECT TUMBLE_START(ts, INTERVAL '1' SECOND) FROM events \
             GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)",
            expect!["expression 'ts' is not being grouped at line 1, column 21"],
        ),
    ] {
        let message = run(&session, sql);
        expected.assert_eq(message.lines().next().unwrap_or_default());
    }
    session
        .set_config("execution.runtime-mode", "batch")
        .unwrap();
    expect![[r#"
        [EXPR$0 TIMESTAMP(3) NOT NULL, EXPR$1 BIGINT NOT NULL]
        +I 2024-01-01 00:00:05.000 | 4
        +I 2024-01-01 00:00:10.000 | 1
        +I 2024-01-01 00:00:15.000 | 2
        +I 2024-01-01 00:00:20.000 | 1
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT TUMBLE_END(ts, INTERVAL '5' SECOND), COUNT(*) FROM events \
         GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)",
    ));
}

#[test]
fn windows_by_the_clock_end_by_themselves() {
    let (session, folder) = events(EVENTS, 1, 10);
    let path = folder.path().display();
    session
        .execute(&format!(
            "CREATE TABLE live (k STRING, ts TIMESTAMP(3), v INT, p AS PROCTIME()) WITH (\
             'connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', \
             'source.monitor-interval' = '10 s')"
        ))
        .unwrap();
    let result = session
        .execute(
            "SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE live, DESCRIPTOR(p), \
             INTERVAL '0.1' SECOND)) GROUP BY window_start, window_end",
        )
        .unwrap();
    let super::ResultContent::Changes(stream) = &result.content else {
        panic!("a query gives changes");
    };
    let next = stream.next(std::time::Duration::from_secs(10)).unwrap();
    assert!(
        matches!(&next, crate::connectors::collect::ChangeEvent::Delta(delta) if delta.num_rows() > 0),
        "{next:?}"
    );
    result.job.unwrap().stop();
}

#[test]
fn grouping_sets_of_windows() {
    check_bag(
        EVENTS,
        &format!(
            "SELECT window_start, k, COUNT(*) AS c, GROUPING_ID(k) AS g FROM {TUMBLE} \
             GROUP BY window_start, window_end, ROLLUP (k)"
        ),
        expect![[r#"
            [window_start TIMESTAMP(3) NOT NULL, k STRING, c BIGINT NOT NULL, g BIGINT NOT NULL]
            +I 2024-01-01 00:00:00.000 | NULL | 3 | 1
            +I 2024-01-01 00:00:00.000 | a | 2 | 0
            +I 2024-01-01 00:00:00.000 | b | 1 | 0
            +I 2024-01-01 00:00:05.000 | NULL | 1 | 1
            +I 2024-01-01 00:00:05.000 | a | 1 | 0
            +I 2024-01-01 00:00:10.000 | NULL | 2 | 1
            +I 2024-01-01 00:00:10.000 | b | 1 | 0
            +I 2024-01-01 00:00:10.000 | c | 1 | 0
            +I 2024-01-01 00:00:15.000 | NULL | 1 | 1
            +I 2024-01-01 00:00:15.000 | a | 1 | 0"#]],
    );
}

#[test]
fn ranks_of_windows() {
    let ranked = |partition: &str, order: &str, condition: &str| {
        format!(
            "SELECT k, v, window_end, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY \
             window_start, window_end{partition} ORDER BY {order}) AS rn FROM {TUMBLE}) \
             WHERE {condition}"
        )
    };
    let rows = format!("{EVENTS}b,16,6\na,16,7\n");
    check_bag(
        &rows,
        &ranked("", "v DESC", "rn <= 2"),
        expect![[r#"
            [k STRING, v INT, window_end TIMESTAMP(3) NOT NULL, rn BIGINT NOT NULL]
            +I a | 15 | 2024-01-01 00:00:10.000 | 1
            +I a | 30 | 2024-01-01 00:00:05.000 | 1
            +I a | 7 | 2024-01-01 00:00:20.000 | 1
            +I b | 20 | 2024-01-01 00:00:05.000 | 2
            +I b | 25 | 2024-01-01 00:00:15.000 | 2
            +I b | 6 | 2024-01-01 00:00:20.000 | 2
            +I c | 50 | 2024-01-01 00:00:15.000 | 1"#]],
    );
    check_bag(
        &rows,
        &ranked(", k", "ts DESC", "rn = 1"),
        expect![[r#"
            [k STRING, v INT, window_end TIMESTAMP(3) NOT NULL, rn BIGINT NOT NULL]
            +I a | 15 | 2024-01-01 00:00:10.000 | 1
            +I a | 30 | 2024-01-01 00:00:05.000 | 1
            +I a | 7 | 2024-01-01 00:00:20.000 | 1
            +I b | 20 | 2024-01-01 00:00:05.000 | 1
            +I b | 25 | 2024-01-01 00:00:15.000 | 1
            +I b | 6 | 2024-01-01 00:00:20.000 | 1
            +I c | 50 | 2024-01-01 00:00:15.000 | 1"#]],
    );
    check_bag(
        &rows,
        &ranked(", k", "ts ASC", "rn = 1"),
        expect![[r#"
            [k STRING, v INT, window_end TIMESTAMP(3) NOT NULL, rn BIGINT NOT NULL]
            +I a | 10 | 2024-01-01 00:00:05.000 | 1
            +I a | 15 | 2024-01-01 00:00:10.000 | 1
            +I a | 5 | 2024-01-01 00:00:20.000 | 1
            +I b | 20 | 2024-01-01 00:00:05.000 | 1
            +I b | 25 | 2024-01-01 00:00:15.000 | 1
            +I b | 6 | 2024-01-01 00:00:20.000 | 1
            +I c | 50 | 2024-01-01 00:00:15.000 | 1"#]],
    );
}
