//! What depends on event time does not depend on how its rows are cut into steps, nor on the number
//! of workers, nor on where it is stopped and goes on: late rows are late in the order in which they
//! came.
//!
//! The reference is a job of one worker whose steps have one row, and, for windows, a model that
//! knows nothing of batches.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tempfile::TempDir;
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::session::ResultContent;
use tidemill_tests::events::{Emission, Event, Queries, REFERENCE, Setting, events, write};
use tidemill_tests::oracle::Bag;

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

const ALL: Queries<'_> = Queries {
    sql: &QUERIES,
    options: &[],
    views: &[],
};

/// Queries that are stopped when so many rows are there, and go on with the others.
fn check_restart(
    events: &[Event],
    n_before: usize,
    settings: [Setting; 2],
    expected: &[Bag],
) -> Result<(), TestCaseError> {
    let found = ALL.interrupted(events, n_before, settings).unwrap();
    for ((sql, [log, view]), expected) in QUERIES.iter().zip(&found).zip(expected) {
        prop_assert_eq!(log, expected, "log: {} {} {:?}", sql, n_before, settings);
        prop_assert_eq!(view, expected, "view: {} {} {:?}", sql, n_before, settings);
    }
    Ok(())
}

const fn setting(n_workers: usize, step_rows: usize, emission: Emission) -> Setting {
    Setting {
        n_workers,
        step_rows,
        emission,
    }
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

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_any_workers(events in events()) {
        let expected = ALL.collected(&events, REFERENCE).unwrap();
        let n_windows = expected.first().map_or(0, |bag| bag.values().count());
        prop_assert_eq!(n_windows, tumbled(&events));
        for setting in [
            setting(1, 4, Emission::RowByRow),
            setting(1, 1024, Emission::Net),
            setting(2, 1, Emission::Net),
            setting(2, 1024, Emission::RowByRow),
            setting(3, 5, Emission::Net),
        ] {
            let found = ALL.collected(&events, setting).unwrap();
            for ((sql, found), expected) in QUERIES.iter().zip(&found).zip(&expected) {
                prop_assert_eq!(found, expected, "{} {:?}", sql, setting);
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
        let expected = ALL.collected(&events, REFERENCE).unwrap();
        let row_by_row = [1, 3].map(|workers| setting(workers, 2 + workers, Emission::RowByRow));
        check_restart(&events, n_before, row_by_row, &expected)?;
        let net = [3, 2].map(|workers| setting(workers, 6 - workers, Emission::Net));
        check_restart(&events, n_before, net, &expected)?;
    }
}

/// Readers that have no file do not hold the windows of the others open.
#[test]
fn a_file_that_is_watched_by_many() {
    let folder = TempDir::new().unwrap();
    write(&[(1, 1, 5), (1, 3, 6), (1, 20, 7)], folder.path()).unwrap();
    let watched = setting(3, 10, Emission::Net);
    let session = ALL.session(folder.path(), watched, true).unwrap();
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
