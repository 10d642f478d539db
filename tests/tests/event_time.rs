//! What depends on event time does not depend on how its rows are cut into steps, nor on the number
//! of workers, nor on where it is stopped and goes on: late rows are late in the order in which they
//! came.
//!
//! The reference is a job of one worker whose steps have one row, and, for windows, a model that
//! knows nothing of batches.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::session::{ResultContent, Session};
use tidemill_tests::jobs::{
    collected, collected_onto, folder_in_memory, interrupted, resumed, viewed,
};
use tidemill_tests::oracle::Bag;

/// A row: its key, its second, and a number; rows come mostly in order.
type Event = (u8, i64, i64);

const QUERIES: [&str; 24] = [
    "SELECT window_start, window_end, k, COUNT(*) AS c, SUM(v) AS s, MAX(v) AS hi \
     FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND) \
     GROUP BY window_start, window_end, k",
    "SELECT window_start, window_end, COUNT(DISTINCT k) AS c \
     FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '3' SECOND, INTERVAL '9' SECOND) \
     GROUP BY window_start, window_end",
    "SELECT window_start, window_end, AVG(v) AS a \
     FROM CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '12' SECOND) \
     GROUP BY window_start, window_end",
    "SELECT window_start, window_end, k, COUNT(*) AS c, MIN(v) AS lo \
     FROM SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '3' SECOND) \
     GROUP BY window_start, window_end, k",
    // Of merged sessions the later rows come first.
    "SELECT SESSION_START(ts, INTERVAL '2' SECOND) AS ws, SESSION_ROWTIME(ts, INTERVAL '2' SECOND) \
     AS rt, k, LISTAGG(CAST(v AS STRING)) AS vs, COUNT(DISTINCT v) AS d, SUM(v) FILTER (WHERE v > 3) \
     AS s FROM t GROUP BY SESSION(ts, INTERVAL '2' SECOND), k",
    "SELECT SESSION_END(ts, INTERVAL '2' SECOND) AS we, SUM(v) AS s, MIN(v) AS lo, COUNT(*) AS c \
     FROM t GROUP BY SESSION(ts, INTERVAL '2' SECOND)",
    "SELECT TUMBLE_START(rt, INTERVAL '10' SECOND) AS ws, SUM(s) AS s FROM (\
     SELECT TUMBLE_ROWTIME(ts, INTERVAL '5' SECOND) AS rt, SUM(v) AS s FROM t \
     GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)) GROUP BY TUMBLE(rt, INTERVAL '10' SECOND)",
    "SELECT k, v, window_end, rn FROM (SELECT *, ROW_NUMBER() OVER (\
     PARTITION BY window_start, window_end ORDER BY v DESC, ts, k) AS rn \
     FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE rn <= 2",
    "SELECT a.k, a.v, b.v AS w, a.window_end \
     FROM (SELECT * FROM TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND)) a \
     FULL JOIN (SELECT * FROM TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '5' SECOND)) b \
     ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end",
    "SELECT l.k, l.v, r.v AS w FROM l JOIN r ON l.k = r.k \
     AND r.ts BETWEEN l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '3' SECOND",
    "SELECT l.k, l.v, r.v AS w FROM l FULL JOIN r ON l.k = r.k AND l.v < r.v \
     AND r.ts BETWEEN l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '3' SECOND",
    "SELECT l.k, l.v, r.v AS w FROM l JOIN newest FOR SYSTEM_TIME AS OF l.ts AS r ON l.k = r.k",
    "SELECT l.k, l.v, r.v AS w FROM l LEFT JOIN newest FOR SYSTEM_TIME AS OF l.ts AS r \
     ON l.k = r.k AND l.v <> r.v",
    "SELECT l.k, l.v, r.v AS w FROM l JOIN oldest r ON l.k = r.k \
     AND r.ts BETWEEN l.ts - INTERVAL '4' SECOND AND l.ts",
    "SELECT window_start, window_end, k, COUNT(*) AS c FROM TABLE(HOP(TABLE oldest, DESCRIPTOR(ts), \
     INTERVAL '2' SECOND, INTERVAL '6' SECOND)) GROUP BY window_start, window_end, k",
    "SELECT k, v FROM t WHERE ts <= CURRENT_WATERMARK(ts)",
    "SELECT k, v, ts FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) = 1",
    "SELECT k, v, ts FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) = 1",
    "SELECT v, COUNT(*) AS c FROM (SELECT k, v, ts FROM t \
     QUALIFY ROW_NUMBER() OVER (PARTITION BY k, v ORDER BY ts DESC) = 1) GROUP BY v",
    "SELECT k, v, ts FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, ts) <= 2",
    "SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts \
     RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW) AS s FROM t",
    "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, v MEASURES A.v AS a, \
     LAST(DOWN.v) AS low, COUNT(DOWN.v) AS n, UP.v AS up AFTER MATCH SKIP TO LAST DOWN \
     PATTERN (A DOWN+ UP) DEFINE DOWN AS DOWN.v < COALESCE(LAST(DOWN.v, 1), A.v), \
     UP AS UP.v > LAST(DOWN.v))",
    // A division and a list: conditions in waves, paths of rows.
    "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, v MEASURES A.v AS a, \
     LISTAGG(CAST(B.v AS STRING)) AS b, AVG(v) AS mean, C.v AS c AFTER MATCH SKIP TO NEXT ROW \
     PATTERN (A B*? C) WITHIN INTERVAL '6' SECOND DEFINE B AS B.v / 2 <= A.v, \
     C AS C.v / 2 > AVG(B.v))",
    "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts, v, k MEASURES A.k AS k, FIRST(B.v, 1) AS b, \
     SUM(B.v) AS s, MIN(v) AS lo, MAX(C.v) AS hi AFTER MATCH SKIP TO FIRST C \
     PATTERN (A B{1,3} C) WITHIN INTERVAL '20' SECOND DEFINE B AS B.k <> A.k AND SUM(B.v) < 12, \
     C AS C.k = A.k OR C.v > MAX(B.v))",
];

/// Whether the operators tell every change or the net of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Emission {
    RowByRow,
    Net,
}

fn session(
    events: &[Event],
    n_workers: usize,
    step_rows: usize,
    emission: Emission,
) -> (Session, TempDir) {
    let folder = TempDir::new().unwrap();
    write(events, folder.path());
    let session = session_over(folder.path(), n_workers, step_rows, emission, false);
    (session, folder)
}

fn write(events: &[Event], folder: &Path) {
    let mut text = String::new();
    for (k, second, v) in events {
        let (minute, second) = (second / 60, second % 60);
        let _ = writeln!(text, "{k},{v},2024-01-01 00:{minute:02}:{second:02}");
    }
    std::fs::write(folder.join("t.csv"), text).unwrap();
}

/// The table does not end if it is to be watched.
fn session_over(
    folder: &Path,
    n_workers: usize,
    step_rows: usize,
    emission: Emission,
    is_watched: bool,
) -> Session {
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), n_workers.to_string()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
        (
            "table.exec.mini-batch.size".to_owned(),
            step_rows.to_string(),
        ),
        (
            "table.exec.mini-batch.enabled".to_owned(),
            (emission == Emission::Net).to_string(),
        ),
        (
            "table.exec.mini-batch.allow-latency".to_owned(),
            "1 s".to_owned(),
        ),
        ("tidemill.worker.min-rows".to_owned(), "1".to_owned()),
    ]));
    let path = folder.display();
    let watch = if is_watched {
        ", 'source.monitor-interval' = '5 ms'"
    } else {
        ""
    };
    for sql in [
        &format!(
            "CREATE TABLE t (k INT, v BIGINT, ts TIMESTAMP(3), \
             WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) \
             WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv'{watch})"
        ),
        "CREATE VIEW l AS SELECT k, v, ts FROM t WHERE v >= 0",
        "CREATE VIEW r AS SELECT k, v, ts FROM t WHERE v <= 5",
        "CREATE VIEW newest AS SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (\
         PARTITION BY k ORDER BY ts DESC) AS rn FROM r) WHERE rn = 1",
        "CREATE VIEW oldest AS SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (\
         PARTITION BY k, v ORDER BY ts) AS rn FROM r) WHERE rn = 1",
    ] {
        session.execute(sql).unwrap();
    }
    session
}

/// The folded changelog of each query, in order.
fn all_collected(session: &Session) -> Vec<Bag> {
    let queries = QUERIES.iter().map(|sql| session.query(sql).unwrap());
    queries.map(|query| collected(&query).unwrap()).collect()
}

/// Jobs that are stopped when so many rows are there, and go on with the others on another number
/// of workers.
fn check_restart(
    events: &[Event],
    n_before: usize,
    (before, after): (usize, usize),
    emission: Emission,
    expected: &[Bag],
) -> Result<(), TestCaseError> {
    let folder = folder_in_memory().unwrap();
    let (rows, savepoints) = (folder.path().join("rows"), folder.path().join("savepoints"));
    std::fs::create_dir(&rows).unwrap();
    write(events.get(..n_before).unwrap_or(events), &rows);
    let first = session_over(&rows, before, 3, emission, true);
    let stopped: Vec<_> = QUERIES
        .iter()
        .map(|sql| interrupted(&first.query(sql).unwrap(), 1, &savepoints).unwrap())
        .collect();
    write(events, &rows);
    let second = session_over(&rows, after, 5, emission, false);
    for ((sql, stopped), expected) in QUERIES.iter().zip(stopped).zip(expected) {
        let setting = (sql, n_before, before, after, emission);
        let log = resumed(&second, sql, &stopped.of_log).unwrap();
        let collected = collected_onto(stopped.bag, &log).unwrap();
        prop_assert_eq!(&collected, expected, "log: {:?}", setting);
        let view = resumed(&second, sql, &stopped.of_view).unwrap();
        prop_assert_eq!(&viewed(&view).unwrap(), expected, "view: {:?}", setting);
    }
    Ok(())
}

/// Rows of tumbling windows of five seconds, by end, key and what comes of them; a row counts if
/// its window was not over when it came.
fn tumbled(events: &[Event]) -> usize {
    let (mut watermark, mut windows) = (i64::MIN, std::collections::BTreeSet::new());
    for (k, second, _) in events {
        let end = second - second.rem_euclid(5) + 5;
        if (end * 1000 - 1) > watermark {
            windows.insert((end, *k));
        }
        watermark = watermark.max((second - 2) * 1000);
    }
    windows.len()
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0_u8..4, 0_i64..3, -4_i64..9, -6_i64..10);
    prop::collection::vec(event, 1..60).prop_map(|drawn| {
        let mut now = 10;
        drawn
            .into_iter()
            .map(|(k, step, shift, v)| {
                now += step;
                // One in three comes out of order, some of them too late.
                let second = if shift < 0 { now + shift } else { now };
                (k, second, v)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_any_workers(events in events()) {
        let (reference, _folder) = session(&events, 1, 1, Emission::RowByRow);
        let expected = all_collected(&reference);
        let n_windows = expected.first().map_or(0, |bag| bag.values().count());
        prop_assert_eq!(n_windows, tumbled(&events));
        for (n_workers, step_rows, emission) in [
            (1, 4, Emission::RowByRow),
            (1, 1024, Emission::Net),
            (2, 1, Emission::Net),
            (2, 1024, Emission::RowByRow),
            (3, 5, Emission::Net),
        ] {
            let (session, _folder) = session(&events, n_workers, step_rows, emission);
            let found = all_collected(&session);
            for ((sql, found), expected) in QUERIES.iter().zip(&found).zip(&expected) {
                let setting = (sql, n_workers, step_rows, emission);
                prop_assert_eq!(found, expected, "{:?}", setting);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_restart(events in events(), n_before in 1_usize..60) {
        let (reference, _folder) = session(&events, 1, 1, Emission::RowByRow);
        let expected = all_collected(&reference);
        check_restart(&events, n_before, (1, 3), Emission::RowByRow, &expected)?;
        check_restart(&events, n_before, (3, 2), Emission::Net, &expected)?;
    }
}

/// Readers that have no file do not hold the windows of the others open.
#[test]
fn a_file_that_is_watched_by_many() {
    let folder = TempDir::new().unwrap();
    write(&[(1, 1, 5), (1, 3, 6), (1, 20, 7)], folder.path());
    let session = session_over(folder.path(), 3, 10, Emission::Net, true);
    let sql = "SELECT window_start, SUM(v) AS s \
               FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND) \
               GROUP BY window_start, window_end";
    let mut result = session.query(sql).unwrap().collect().unwrap();
    let job = result.job.take().unwrap();
    let ResultContent::Changes(stream) = result.content else {
        panic!("a query gives changes");
    };
    let ChangeEvent::Delta(delta) = stream.next(Duration::from_secs(60)).unwrap() else {
        panic!("no window was closed");
    };
    assert_eq!(delta.num_rows(), 1);
    job.stop();
}
