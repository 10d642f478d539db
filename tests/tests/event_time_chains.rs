//! Operators that go by event time behind each other: what waits for a watermark leaves as if each
//! watermark had been a step of its own, so what comes out behind it does not depend on how rows are
//! cut into steps, on the number of workers, or on where a job is stopped and goes on.
//!
//! The gaps are such that many rows are exactly one gap apart. `PROPTEST_CASES` asks for more cases.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tidemill_tests::events::{Emission, Queries, REFERENCE, Setting, events};

const QUERIES: [&str; 24] = [
    // The first rows, then sessions.
    "SELECT window_start, window_end, k, COUNT(*) AS c, SUM(v) AS s FROM SESSION(\
     TABLE oldest PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND) \
     GROUP BY window_start, window_end, k",
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, SESSION_END(ts, INTERVAL '1' SECOND) AS we, \
     COUNT(*) AS c FROM oldest GROUP BY SESSION(ts, INTERVAL '1' SECOND)",
    "SELECT window_start, window_end, k, v FROM SESSION(\
     TABLE oldest PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND) WHERE v > 0",
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, COUNT(*) AS c FROM (SELECT k, ts FROM t \
     QUALIFY ROW_NUMBER() OVER (PARTITION BY k, v ORDER BY ts) = 1) \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND)",
    // Late first rows wait for the next watermark.
    "SELECT window_end, COUNT(*) AS c FROM TUMBLE(TABLE oldest, DESCRIPTOR(ts), INTERVAL '2' SECOND) \
     GROUP BY window_start, window_end",
    // The last rows and the best ones, then windows: what is taken back may be late.
    "SELECT window_end, COUNT(*) AS c, SUM(v) AS s FROM TUMBLE(TABLE newest, DESCRIPTOR(ts), \
     INTERVAL '2' SECOND) GROUP BY window_start, window_end",
    "SELECT HOP_END(ts, INTERVAL '1' SECOND, INTERVAL '3' SECOND) AS we, k, COUNT(*) AS c, \
     SUM(v) AS s FROM newest GROUP BY HOP(ts, INTERVAL '1' SECOND, INTERVAL '3' SECOND), k",
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, COUNT(*) AS c, SUM(v) AS s FROM newest \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND)",
    "SELECT window_end, COUNT(*) AS c, SUM(v) AS s FROM TUMBLE(TABLE best, DESCRIPTOR(ts), \
     INTERVAL '2' SECOND) GROUP BY window_start, window_end",
    // OVER, then sessions and windows.
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, k, SUM(s) AS s, COUNT(*) AS c FROM (\
     SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND \
     PRECEDING AND CURRENT ROW) AS s FROM t) GROUP BY SESSION(ts, INTERVAL '1' SECOND), k",
    "SELECT SESSION_START(ts, INTERVAL '2' SECOND) AS ws, SUM(s) AS s, COUNT(*) AS c FROM (\
     SELECT k, ts, COUNT(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT \
     ROW) AS s FROM t) GROUP BY SESSION(ts, INTERVAL '2' SECOND)",
    // Both halves of a union meet in one session.
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, k, COUNT(*) AS c, MAX(s) AS hi FROM (\
     SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS s FROM t UNION ALL \
     SELECT k, ts, v FROM t WHERE v > 2) GROUP BY SESSION(ts, INTERVAL '1' SECOND), k",
    // Joins by time, then sessions and windows.
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, k, COUNT(*) AS c, SUM(w) AS s FROM (\
     SELECT l.k, l.ts, r.v AS w FROM l LEFT JOIN newest FOR SYSTEM_TIME AS OF l.ts AS r \
     ON l.k = r.k) GROUP BY SESSION(ts, INTERVAL '1' SECOND), k",
    "SELECT window_start, window_end, k, COUNT(*) AS c, SUM(w) AS s FROM TUMBLE(TABLE nearby, \
     DESCRIPTOR(ts), INTERVAL '5' SECOND) GROUP BY window_start, window_end, k",
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, COUNT(*) AS c, SUM(w) AS s FROM nearby \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND)",
    "SELECT SESSION_START(ts, INTERVAL '2' SECOND) AS ws, k, COUNT(*) AS c, COUNT(w) AS s FROM (\
     SELECT l.k, l.ts, r.v AS w FROM l LEFT JOIN r ON l.k = r.k AND l.v < r.v \
     AND r.ts BETWEEN l.ts - INTERVAL '1' SECOND AND l.ts + INTERVAL '1' SECOND) \
     GROUP BY SESSION(ts, INTERVAL '2' SECOND), k",
    "SELECT c.k, c.w, r.v FROM nearby c JOIN r ON c.k = r.k AND r.v > 0 \
     AND r.ts BETWEEN c.ts - INTERVAL '2' SECOND AND c.ts",
    // Windows over windows.
    "SELECT SESSION_START(rt, INTERVAL '2' SECOND) AS ws, SUM(s) AS s, COUNT(*) AS c FROM (\
     SELECT TUMBLE_ROWTIME(ts, INTERVAL '2' SECOND) AS rt, SUM(v) AS s FROM t \
     GROUP BY TUMBLE(ts, INTERVAL '2' SECOND)) GROUP BY SESSION(rt, INTERVAL '2' SECOND)",
    "SELECT SESSION_START(rt, INTERVAL '1' SECOND) AS ws, SUM(s) AS s, COUNT(*) AS c FROM (\
     SELECT k, SESSION_ROWTIME(ts, INTERVAL '1' SECOND) AS rt, SUM(v) AS s FROM t \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND), k) GROUP BY SESSION(rt, INTERVAL '1' SECOND)",
    "SELECT TUMBLE_END(rt, INTERVAL '5' SECOND) AS we, k, SUM(s) AS s, COUNT(*) AS c FROM (\
     SELECT k, SESSION_ROWTIME(ts, INTERVAL '1' SECOND) AS rt, SUM(v) AS s FROM t \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND), k) GROUP BY TUMBLE(rt, INTERVAL '5' SECOND), k",
    // A pattern, then sessions of its matches.
    "SELECT SESSION_START(rt, INTERVAL '1' SECOND) AS ws, COUNT(*) AS c, SUM(a) AS s FROM (\
     SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, v MEASURES A.v AS a, \
     MATCH_ROWTIME() AS rt AFTER MATCH SKIP TO NEXT ROW PATTERN (A B) DEFINE B AS B.v > A.v)) \
     GROUP BY SESSION(rt, INTERVAL '1' SECOND)",
    // Three behind each other.
    "SELECT SESSION_START(ts, INTERVAL '1' SECOND) AS ws, COUNT(*) AS c, SUM(s) AS s FROM (\
     SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS s FROM oldest) \
     GROUP BY SESSION(ts, INTERVAL '1' SECOND)",
    "SELECT c.k, c.ts, c.w FROM nearby c JOIN oldest r ON c.k = r.k \
     AND r.ts BETWEEN c.ts - INTERVAL '1' SECOND AND c.ts + INTERVAL '1' SECOND",
    "SELECT k, ts, s, CURRENT_WATERMARK(ts) AS w FROM (SELECT k, ts, SUM(v) OVER (\
     PARTITION BY k ORDER BY ts) AS s FROM t)",
];

const NEARBY: &str = "CREATE VIEW nearby AS SELECT l.k, l.ts, r.v AS w FROM l JOIN r ON l.k = r.k \
     AND r.ts BETWEEN l.ts - INTERVAL '2' SECOND AND l.ts + INTERVAL '1' SECOND";

const BEST: &str = "CREATE VIEW best AS SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (\
     PARTITION BY k ORDER BY v DESC, ts) AS n FROM t) WHERE n <= 2";

const ALL: Queries<'_> = Queries {
    sql: &QUERIES,
    options: &[],
    views: &[NEARBY, BEST],
};

fn settings() -> impl Strategy<Value = Setting> {
    let emission = prop_oneof![Just(Emission::RowByRow), Just(Emission::Net)];
    let step_rows = prop_oneof![Just(1_usize), 2_usize..9, Just(1024)];
    (1_usize..4, step_rows, emission).prop_map(|(n_workers, step_rows, emission)| Setting {
        n_workers,
        step_rows,
        emission,
    })
}

fn cases(usual: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(8),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_any_workers(events in events(), settings in [settings(), settings()]) {
        let expected = ALL.collected(&events, REFERENCE).unwrap();
        for setting in settings {
            let found = ALL.collected(&events, setting).unwrap();
            for ((sql, found), expected) in QUERIES.iter().zip(&found).zip(&expected) {
                prop_assert_eq!(found, expected, "{} {:?}", sql, setting);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(3),
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_restart(
        events in events(),
        n_before in 1_usize..60,
        settings in [settings(), settings()],
    ) {
        let expected = ALL.collected(&events, REFERENCE).unwrap();
        let found = ALL.interrupted(&events, n_before, settings).unwrap();
        for ((sql, bags), expected) in QUERIES.iter().zip(&found).zip(&expected) {
            for found in bags {
                prop_assert_eq!(found, expected, "{} {} {:?}", sql, n_before, settings);
            }
        }
    }
}
