//! Which operators give a time attribute on: what windows, OVER, ORDER BY and patterns take behind
//! them. The answers are Flink's.

use super::time::{EVENTS, events};
use super::{Session, run};

/// What asks for a time attribute `ts`, and what it says if it gets none.
const PROBES: [(&str, &str); 4] = [
    (
        "SELECT k, SUM(v) FROM TABLE(TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
         GROUP BY k, window_start, window_end",
        "requires the timecol to be a time attribute",
    ),
    (
        "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND \
         CURRENT ROW) FROM x",
        "Non-time attribute sort is not supported for bounded OVER window.",
    ),
    (
        "SELECT k, v FROM x ORDER BY ts",
        "Sort on a non-time-attribute field is not supported.",
    ),
    (
        "SELECT * FROM x MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS w \
         PATTERN (A) DEFINE A AS A.v > 0)",
        "You must specify either rowtime or proctime for order by as the first one.",
    ),
];

fn session() -> (Session, tempfile::TempDir) {
    let (session, folder) = events(EVENTS, 1, 100);
    for (name, query) in [
        ("other", "SELECT k, v, ts, p FROM events"),
        (
            "newest",
            "SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) \
             AS rn FROM events) WHERE rn = 1",
        ),
    ] {
        session
            .execute(&format!("CREATE VIEW {name} AS {query}"))
            .unwrap();
    }
    (session, folder)
}

/// What the probes say about `view`.
fn probed(session: &Session, view: &str) -> Vec<String> {
    session
        .execute(&format!("CREATE TEMPORARY VIEW x AS {view}"))
        .unwrap();
    let explained = PROBES.map(|(probe, _)| run(session, &format!("EXPLAIN {probe}")));
    session.execute("DROP TEMPORARY VIEW x").unwrap();
    explained.into()
}

#[test]
fn operators_that_keep_time() {
    let (session, _folder) = session();
    let window = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))";
    for view in [
        "SELECT k, v, ts FROM events WHERE v > 3",
        "SELECT e.k, e.v, o.ts FROM events e JOIN other o ON e.k = o.k \
         AND e.ts BETWEEN o.ts - INTERVAL '5' SECOND AND o.ts",
        "SELECT e.k, e.v, e.ts FROM events e JOIN newest FOR SYSTEM_TIME AS OF e.ts AS n \
         ON e.k = n.k",
        "SELECT k, v, ts FROM events UNION ALL SELECT k, v, ts FROM other",
        "SELECT k, x AS v, ts FROM events CROSS JOIN UNNEST(ARRAY[v, twice]) AS u (x)",
        "SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn \
         FROM events) WHERE rn = 1",
        "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS v, ts FROM events",
        &format!(
            "SELECT k, MAX(v) AS v, window_time AS ts FROM {window} \
             GROUP BY k, window_start, window_end, window_time"
        ),
        "SELECT k, MAX(v) AS v, TUMBLE_ROWTIME(ts, INTERVAL '5' SECOND) AS ts FROM events \
         GROUP BY k, TUMBLE(ts, INTERVAL '5' SECOND)",
        "SELECT k, v, ts FROM events MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts \
         MEASURES A.v AS v, MATCH_ROWTIME() AS ts PATTERN (A) DEFINE A AS A.v > 0)",
        "SELECT k, v, p AS ts FROM events UNION ALL SELECT k, v, p FROM other",
    ] {
        for (said, (probe, _)) in probed(&session, view).into_iter().zip(PROBES) {
            assert!(
                said.contains("Execution Plan"),
                "{probe} over {view}: {said}"
            );
        }
    }
}

#[test]
fn operators_that_do_not() {
    let (session, _folder) = session();
    for (view, is_updating) in [
        (
            "SELECT e.k, e.v, e.ts FROM events e JOIN other o ON e.k = o.k",
            false,
        ),
        (
            "SELECT e.k, e.v, o.ts FROM events e, other o WHERE e.k = o.k",
            false,
        ),
        (
            "SELECT k, v, ts FROM events WHERE k IN (SELECT k FROM other)",
            false,
        ),
        (
            "SELECT e.k, e.v, n.ts FROM events e JOIN newest FOR SYSTEM_TIME AS OF e.ts AS n \
             ON e.k = n.k",
            false,
        ),
        (
            "SELECT e.k, e.v, e.p AS ts FROM events e JOIN other o ON e.k = o.k",
            false,
        ),
        (
            "SELECT k, v, ts FROM events MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts \
             MEASURES A.v AS v, A.ts AS ts PATTERN (A) DEFINE A AS A.v > 0)",
            false,
        ),
        (
            "SELECT e.k, e.v, e.ts FROM events e LEFT JOIN other o ON e.k = o.k",
            true,
        ),
        ("SELECT k, MAX(v) AS v, ts FROM events GROUP BY k, ts", true),
        ("SELECT DISTINCT k, v, ts FROM events", true),
        (
            "SELECT k, v, ts FROM events UNION SELECT k, v, ts FROM other",
            true,
        ),
        (
            "SELECT k, v, ts FROM events EXCEPT SELECT k, v, ts FROM other",
            true,
        ),
    ] {
        // A pattern by the processing time goes by the order of arrival, which is still there.
        let n_probes = if view.contains("e.p AS ts") { 3 } else { 4 };
        let probes = probed(&session, view).into_iter().zip(PROBES);
        for (said, (probe, refusal)) in probes.take(n_probes) {
            // What takes no updates may say that instead.
            let says_why = said.contains(refusal) || (is_updating && said.contains("support"));
            assert!(says_why, "{probe} over {view}: {said}");
        }
    }
}

/// GROUP BY TUMBLE, interval and temporal joins take such a column still.
#[test]
fn what_takes_any_marked_column() {
    let (session, _folder) = session();
    session
        .execute(
            "CREATE VIEW joined AS SELECT e.k, e.v, e.ts FROM events e JOIN other o ON e.k = o.k",
        )
        .unwrap();
    for query in [
        "SELECT k, SUM(v) FROM joined GROUP BY k, TUMBLE(ts, INTERVAL '5' SECOND)",
        "SELECT j.k FROM joined j JOIN other o ON j.k = o.k AND j.ts BETWEEN o.ts AND \
         o.ts + INTERVAL '1' SECOND",
        "SELECT j.k FROM joined j JOIN newest FOR SYSTEM_TIME AS OF j.ts AS n ON j.k = n.k",
    ] {
        let said = run(&session, &format!("EXPLAIN {query}"));
        assert!(said.contains("Execution Plan"), "{query}: {said}");
    }
}

/// A join by time takes rows that only come; where the time has become an ordinary timestamp, the
/// join is an ordinary one.
#[test]
fn joins_by_time_of_rows_that_change() {
    let (session, _folder) = session();
    let explained = |left: &str| {
        let sql = format!(
            "EXPLAIN SELECT a.v FROM {left} a JOIN events b ON a.k = b.k
             AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '5' SECOND"
        );
        run(&session, &sql)
    };
    let refused = explained("newest");
    assert!(
        refused.contains("StreamPhysicalIntervalJoin doesn't support consuming update and delete"),
        "{refused}"
    );
    let plan = explained("other");
    assert!(plan.contains("IntervalJoin("), "{plan}");
    let plan = explained("(SELECT k, ts, SUM(v) AS v FROM newest GROUP BY k, ts)");
    assert!(
        plan.contains(" Join(") && !plan.contains("IntervalJoin("),
        "{plan}"
    );
}

/// DESCRIBE in batch mode: no column is a rowtime, the clock is.
#[test]
fn described_in_batch_mode() {
    let (session, _folder) = session();
    run(&session, "SET 'execution.runtime-mode' = 'batch'");
    for sql in [
        "DESCRIBE events",
        "DESCRIBE other",
        "SHOW COLUMNS FROM other",
    ] {
        let rows = run(&session, sql);
        assert!(rows.contains("ts | TIMESTAMP(3) | TRUE"), "{rows}");
        assert!(
            rows.contains("*PROCTIME*") && !rows.contains("*ROWTIME*"),
            "{rows}"
        );
    }
}

/// Group windows take what is computed of a rowtime; windows of table functions do not.
#[test]
fn windows_of_computed_times() {
    let (session, _folder) = session();
    let counted = |query: &str, time: &str| {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM ({query}) GROUP BY TUMBLE({time}, INTERVAL '5' SECOND)"
        );
        run(&session, &sql)
    };
    let by_ts = counted("SELECT ts FROM events", "ts");
    assert!(by_ts.contains("+I"), "{by_ts}");
    for (query, time) in [
        ("SELECT COALESCE(ts, ts) AS t FROM events", "t"),
        (
            "SELECT ts + INTERVAL '1' SECOND AS t FROM events",
            "t - INTERVAL '1' SECOND",
        ),
        (
            "SELECT t FROM (SELECT FLOOR(ts TO SECOND) AS t FROM events) WHERE t IS NOT NULL",
            "t",
        ),
    ] {
        assert_eq!(counted(query, time), by_ts, "{query}");
    }
    let refused = counted("SELECT CAST(ts AS TIMESTAMP(3)) AS t FROM events", "t");
    assert!(refused.contains("time attribute"), "{refused}");
    let refused = run(
        &session,
        "SELECT * FROM TUMBLE((SELECT COALESCE(ts, ts) AS t FROM events), DESCRIPTOR(t), INTERVAL '5' SECOND)",
    );
    assert!(refused.contains("time attribute"), "{refused}");
}
