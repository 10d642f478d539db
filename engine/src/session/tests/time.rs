//! Event time: watermarks, time attributes, and what hangs on them. Results are the same for
//! steps of one row and of all rows, on one worker and on several.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::{Session, run};

/// `name`, seconds after midnight, number: rows out of order, the sixth of them late.
const EVENTS: &str = "a,01,10\nb,03,20\na,02,30\na,07,15\nb,12,25\na,04,40\nc,11,50\na,16,5\n";

/// A session over a file of events with a watermark of two seconds.
fn events(rows: &str, n_workers: usize, step_rows: usize) -> (Session, TempDir) {
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

/// Runs the query in many ways, all of which give the same rows.
fn check(rows: &str, sql: &str, expected: Expect) {
    let mut texts = Vec::new();
    for (n_workers, step_rows) in [(1, 65_536), (1, 1), (1, 3), (2, 1), (2, 3), (3, 65_536)] {
        let (session, _folder) = events(rows, n_workers, step_rows);
        let text = run(&session, sql);
        let mut lines: Vec<_> = text.lines().collect();
        if n_workers > 1 || step_rows != 65_536 {
            // The order within one watermark, or of several workers, is not promised.
            lines.get_mut(1..).unwrap_or_default().sort_unstable();
        }
        texts.push((n_workers, step_rows, text.clone(), lines.join("\n")));
    }
    let first = texts[0].2.clone();
    let mut sorted: Vec<_> = first.lines().collect();
    sorted.get_mut(1..).unwrap_or_default().sort_unstable();
    let sorted = sorted.join("\n");
    for (n_workers, step_rows, _, lines) in &texts[1..] {
        assert_eq!(lines, &sorted, "{n_workers} workers, steps of {step_rows}");
    }
    expected.assert_eq(&first);
}

#[test]
fn the_watermark_in_force_for_each_row() {
    check(
        EVENTS,
        "SELECT k, ts, CURRENT_WATERMARK(ts) AS w FROM events",
        expect![[r#"
            [k STRING, ts TIMESTAMP(3), w TIMESTAMP(3)]
            +I a | 2024-01-01 00:00:01.000 | NULL
            +I b | 2024-01-01 00:00:03.000 | 2023-12-31 23:59:59.000
            +I a | 2024-01-01 00:00:02.000 | 2024-01-01 00:00:01.000
            +I a | 2024-01-01 00:00:07.000 | 2024-01-01 00:00:01.000
            +I b | 2024-01-01 00:00:12.000 | 2024-01-01 00:00:05.000
            +I a | 2024-01-01 00:00:04.000 | 2024-01-01 00:00:10.000
            +I c | 2024-01-01 00:00:11.000 | 2024-01-01 00:00:10.000
            +I a | 2024-01-01 00:00:16.000 | 2024-01-01 00:00:10.000
        "#]],
    );
}

#[test]
fn late_rows_by_their_watermark() {
    check(
        EVENTS,
        "SELECT k, v FROM events WHERE ts <= CURRENT_WATERMARK(ts)",
        expect![[r#"
            [k STRING, v INT]
            +I a | 40
        "#]],
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
