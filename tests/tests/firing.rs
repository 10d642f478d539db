//! Group windows that tell what they have before and after their end: in the end they have told the
//! same, however rows are cut into steps, on any number of workers, and over a restart.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tidemill_tests::events::{Emission, Queries, REFERENCE, Setting, events};

const QUERIES: [&str; 5] = [
    "SELECT TUMBLE_START(ts, INTERVAL '5' SECOND) AS ws, k, COUNT(*) AS c, SUM(v) AS s, \
     MIN(v) AS lo, LISTAGG(CAST(v AS STRING)) AS vs FROM t GROUP BY TUMBLE(ts, INTERVAL '5' SECOND), k",
    "SELECT TUMBLE_END(ts, INTERVAL '4' SECOND) AS we, COUNT(DISTINCT k) AS c, AVG(v) AS a \
     FROM t GROUP BY TUMBLE(ts, INTERVAL '4' SECOND)",
    "SELECT HOP_START(ts, INTERVAL '3' SECOND, INTERVAL '9' SECOND) AS ws, k, MAX(v) AS hi, \
     SUM(v) FILTER (WHERE v > 3) AS s FROM t \
     GROUP BY HOP(ts, INTERVAL '3' SECOND, INTERVAL '9' SECOND), k",
    "SELECT c, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t \
     GROUP BY TUMBLE(ts, INTERVAL '5' SECOND), k) GROUP BY c",
    "SELECT k, SUM(v) AS s FROM l GROUP BY TUMBLE(ts, INTERVAL '6' SECOND), k HAVING SUM(v) > 5",
];

const EARLY: (&str, &str) = ("table.exec.emit.early-fire.enabled", "true");
const LATE: (&str, &str) = ("table.exec.emit.late-fire.enabled", "true");
const LATENESS: (&str, &str) = ("table.exec.emit.allow-lateness", "3 s");

const fn early(delay: &'static str) -> (&'static str, &'static str) {
    ("table.exec.emit.early-fire.delay", delay)
}

const fn late(delay: &'static str) -> (&'static str, &'static str) {
    ("table.exec.emit.late-fire.delay", delay)
}

const OPTIONS: [&[(&str, &str)]; 4] = [
    &[EARLY, early("0 s")],
    &[LATE, late("0 s"), LATENESS],
    &[EARLY, early("0 s"), LATE, late("0 s"), LATENESS],
    // By the clock: what they tell on the way hangs on it, but not what they have told in the end.
    // What is late by the clock may never be told: the window may be forgotten before.
    &[EARLY, early("1 ms"), LATE, late("0 s"), LATENESS],
];

fn settings() -> impl Strategy<Value = Setting> {
    let emission = prop_oneof![Just(Emission::RowByRow), Just(Emission::Net)];
    (
        1_usize..4,
        prop_oneof![Just(1_usize), Just(5), Just(1024)],
        emission,
    )
        .prop_map(|(n_workers, step_rows, emission)| Setting {
            n_workers,
            step_rows,
            emission,
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_any_workers_any_restart(
        events in events(),
        n_before in 1_usize..60,
        settings in [settings(), settings(), settings()],
    ) {
        let [straight, before, after] = settings;
        for options in OPTIONS {
            let queries = Queries { sql: &QUERIES, options, views: &[] };
            let expected = queries.collected(&events, REFERENCE).unwrap();
            let found = queries.collected(&events, straight).unwrap();
            for ((sql, found), expected) in QUERIES.iter().zip(&found).zip(&expected) {
                prop_assert_eq!(found, expected, "{} {:?} {:?}", sql, options, straight);
            }
            let interrupted = queries.interrupted(&events, n_before, [before, after]).unwrap();
            for ((sql, bags), expected) in QUERIES.iter().zip(&interrupted).zip(&expected) {
                for (way, found) in ["log", "view"].iter().zip(bags) {
                    let setting = (way, sql, options, n_before, before, after);
                    prop_assert_eq!(found, expected, "{:?}", setting);
                }
            }
        }
    }
}
