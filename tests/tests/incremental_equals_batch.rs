//! The property that everything hangs on: whatever changes come, however they are cut into steps
//! and on however many workers they run, the result of a query is what DataFusion's batch engine
//! gives for the final tables. Both as a changelog that is folded and as a live view.
//!
//! The queries keep to types for which Flink and DataFusion mean the same: sums of BIGINT, means
//! of DOUBLE, explicit places of NULL.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::RecordBatch;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tidemill_engine::session::Session;
use tidemill_tests::changes::{Change, History, changes, history, schema, split};
use tidemill_tests::jobs::{
    collected, collected_onto, config, folder_in_memory, interrupted, resumed, viewed,
};
use tidemill_tests::joins::JOINS;
use tidemill_tests::oracle::{Bag, batch_result};
use tidemill_tests::replay::Replay;

const VIEWS: [(&str, &str); 2] = [
    (
        "by_key",
        "SELECT k, COUNT(*) AS c, SUM(n) AS total, MAX(s) AS highest FROM t GROUP BY k",
    ),
    ("busy", "SELECT k, c, highest FROM by_key WHERE c > 1"),
];

/// Queries in the common language of Flink and DataFusion. A global aggregate over no rows has a
/// row in batch and none in streaming: `is_global` says so.
struct Case {
    sql: &'static str,
    is_global: bool,
}

const fn case(sql: &'static str) -> Case {
    Case {
        sql,
        is_global: false,
    }
}

const CASES: [Case; 21] = [
    case("SELECT n + k AS m, s, b FROM t WHERE n > 2 OR s = 'a'"),
    case("SELECT k, n FROM t WHERE b UNION ALL SELECT n, k FROM u WHERE k IS NOT NULL"),
    case(
        "SELECT k, COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS s, MIN(n) AS lo, MAX(s) AS hi, \
         AVG(d) AS mean FROM t GROUP BY k",
    ),
    case("SELECT s, MIN(m) AS lo, MAX(m) AS hi, MIN(b) AS f, MAX(d) AS x FROM t GROUP BY s"),
    case(
        "SELECT k, COUNT(DISTINCT s) AS c, SUM(DISTINCT n) AS sd, COUNT(*) FILTER (WHERE b) AS f, \
         SUM(n) FILTER (WHERE n > 0) AS p, COUNT(DISTINCT n) FILTER (WHERE b) AS df \
         FROM t GROUP BY k",
    ),
    case("SELECT k, b, COUNT(*) AS c, SUM(m) AS total FROM t GROUP BY k, b"),
    case("SELECT s, k, d, COUNT(n) AS c FROM t GROUP BY s, k, d"),
    case("SELECT d, MAX(k) AS hi FROM t GROUP BY d"),
    case("SELECT DISTINCT k, s FROM t"),
    case("SELECT s, COUNT(*) AS c FROM t GROUP BY s HAVING COUNT(*) > 1"),
    case(
        "SELECT c, COUNT(*) AS n_keys, MAX(total) AS hi, MIN(highest) AS lo FROM by_key GROUP BY c",
    ),
    case("SELECT highest, SUM(c) AS c FROM busy GROUP BY highest"),
    case("SELECT k, COUNT(*) AS c FROM (SELECT k FROM t UNION ALL SELECT k FROM u) GROUP BY k"),
    case(
        "SELECT k, s, n FROM t ORDER BY n DESC NULLS LAST, k ASC NULLS FIRST, s ASC NULLS FIRST \
         LIMIT 5",
    ),
    case(
        "SELECT k, s, n, rn FROM (SELECT k, s, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n DESC \
         NULLS LAST, s NULLS FIRST) AS rn FROM t) WHERE rn <= 3",
    ),
    case(
        "SELECT k, s, n FROM (SELECT k, s, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n NULLS \
         FIRST, s NULLS FIRST) AS rn FROM t) WHERE rn <= 2",
    ),
    case(
        "SELECT c, k, total FROM (SELECT k, c, total, ROW_NUMBER() OVER (PARTITION BY c ORDER BY \
         total DESC NULLS LAST, k NULLS FIRST) AS rn FROM by_key) WHERE rn BETWEEN 2 AND 3",
    ),
    case(
        "SELECT s, k, hi FROM (SELECT s, k, hi, ROW_NUMBER() OVER (PARTITION BY s ORDER BY hi DESC \
         NULLS LAST, k NULLS FIRST) AS rn FROM (SELECT s, k, MAX(n) AS hi FROM u GROUP BY s, k)) \
         WHERE rn <= 2",
    ),
    case(
        "SELECT k, s, n, SUM(n) OVER w AS total, COUNT(*) OVER w AS c, MAX(s) OVER w AS hi FROM t \
         WINDOW w AS (PARTITION BY k ORDER BY n NULLS FIRST)",
    ),
    case("SELECT k, c, total, MIN(total) OVER (ORDER BY c NULLS FIRST) AS lo FROM by_key"),
    Case {
        sql: "SELECT COUNT(*) AS c, SUM(n) AS total, MIN(s) AS lo, MAX(d) AS hi FROM t",
        is_global: true,
    },
];

fn session(t: &History, u: &History, n_workers: usize, step_rows: usize) -> Session {
    pausing_session(t, u, n_workers, step_rows, None)
}

/// The tables pause for good after so many pieces.
fn pausing_session(
    t: &History,
    u: &History,
    n_workers: usize,
    step_rows: usize,
    pause_after: Option<usize>,
) -> Session {
    let session = Session::new(config(n_workers, step_rows));
    for (name, history) in [("t", t), ("u", u)] {
        let source = Replay {
            schema: schema(),
            deltas: split(&history.delta, step_rows),
            pause_after,
        };
        session.register_source(name, Arc::new(source)).unwrap();
    }
    for (name, sql) in VIEWS {
        session.create_temporary_view(name, sql).unwrap();
    }
    session
}

/// Every query of `cases` gives what batch gives, in each of the settings: workers, rows of a step.
fn check_settings(
    t: &[Change],
    u: &[Change],
    cases: &[Case],
    settings: &[(usize, usize)],
) -> Result<(), TestCaseError> {
    let (t, u) = (history(t).unwrap(), history(u).unwrap());
    let tables: [(&str, &RecordBatch); 2] = [("t", &t.table), ("u", &u.table)];
    let expected: Vec<Bag> = cases
        .iter()
        .map(|case| batch_result(&tables, &VIEWS, case.sql).unwrap())
        .collect();
    for &(n_workers, step_rows) in settings {
        let session = session(&t, &u, n_workers, step_rows);
        for (case, expected) in cases.iter().zip(&expected) {
            if case.is_global && t.table.num_rows() == 0 {
                continue;
            }
            let query = session.query(case.sql).unwrap();
            let setting = (case.sql, n_workers, step_rows);
            prop_assert_eq!(
                &collected(&query).unwrap(),
                expected,
                "collect: {:?}",
                setting
            );
            prop_assert_eq!(&viewed(&query).unwrap(), expected, "view: {:?}", setting);
        }
    }
    Ok(())
}

/// A job that is stopped in the middle and goes on elsewhere, on another number of workers, gives
/// what it would have given. Settings: workers before and after, rows of a step.
fn check_restarts(
    t: &[Change],
    u: &[Change],
    pause_after: usize,
    cases: &[Case],
    settings: &[(usize, usize, usize)],
) -> Result<(), TestCaseError> {
    let (t, u) = (history(t).unwrap(), history(u).unwrap());
    let tables: [(&str, &RecordBatch); 2] = [("t", &t.table), ("u", &u.table)];
    let folder = folder_in_memory().unwrap();
    for &(before, after, step_rows) in settings {
        let first = pausing_session(&t, &u, before, step_rows, Some(pause_after));
        let second = session(&t, &u, after, step_rows);
        for case in cases {
            if case.is_global && t.table.num_rows() == 0 {
                continue;
            }
            let expected = batch_result(&tables, &VIEWS, case.sql).unwrap();
            let query = first.query(case.sql).unwrap();
            let stopped = interrupted(&query, 0, folder.path()).unwrap();
            let setting = (case.sql, before, after, step_rows);
            let log = resumed(&second, case.sql, &stopped.of_log).unwrap();
            let collected = collected_onto(stopped.bag, &log).unwrap();
            prop_assert_eq!(&collected, &expected, "collect: {:?}", setting);
            let view = resumed(&second, case.sql, &stopped.of_view).unwrap();
            prop_assert_eq!(&viewed(&view).unwrap(), &expected, "view: {:?}", setting);
        }
    }
    Ok(())
}

fn joins() -> Vec<Case> {
    JOINS.into_iter().map(case).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_changes_any_steps_any_workers(t in changes(160), u in changes(40)) {
        let settings = [
            (1, 1), (1, 7), (1, 1024),
            (2, 1), (2, 7), (2, 1024),
            (3, 1), (3, 7), (3, 1024),
        ];
        check_settings(&t, &u, &CASES, &settings)?;
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing(
        t in changes(80),
        u in changes(40),
        pause_after in 0_usize..12,
    ) {
        check_restarts(&t, &u, pause_after, &CASES, &[(1, 3, 7), (3, 2, 3)])?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn joins_of_any_changes(t in changes(120), u in changes(60)) {
        check_settings(&t, &u, &joins(), &[(1, 1), (1, 7), (2, 7), (3, 1024)])?;
    }

    #[test]
    fn joins_restart_in_the_middle(
        t in changes(60),
        u in changes(40),
        pause_after in 0_usize..12,
    ) {
        check_restarts(&t, &u, pause_after, &joins(), &[(1, 3, 7)])?;
    }
}
