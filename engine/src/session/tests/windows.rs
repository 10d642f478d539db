//! Windows that are put together from parts, windows of rows, and windows that are refused: next to
//! recorded answers of Flink 2.3.

use std::time::Duration;

use super::time::events;
use super::{ResultContent, run};
use crate::connectors::collect::ChangeEvent;

/// Recorded answers of Flink: in which order the parts of a window are put together.
#[test]
fn parts_of_windows_have_flinks_order() {
    let rows = "1,01,1\n1,06,2\n1,03,3\n2,07,4\n1,11,5\n1,08,6\n1,14,7\n2,17,8\n1,16,9\n1,30,10\n";
    let of = |from: &str| {
        let (session, _folder) = events(rows, 1, 1024);
        session
            .execute("CREATE VIEW oo AS SELECT k, ts, CAST(v AS STRING) AS v FROM events")
            .unwrap();
        let text = run(&session, &format!("SELECT LISTAGG(v) AS l FROM {from}"));
        let lines = text.lines().filter_map(|line| line.strip_prefix("+I "));
        lines.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        of(
            "HOP(TABLE oo, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND) \
            WHERE k = '1' GROUP BY window_start, window_end"
        ),
        "1,3 2,6,1,3 5,7,2,6,1,3 9,5,7,2,6 9,5,7 9 10 10 10"
    );
    assert_eq!(
        of("oo WHERE k = '1' GROUP BY HOP(ts, INTERVAL '5' SECOND, INTERVAL '15' SECOND)"),
        "1,3 1,3,2,6 1,3,2,6,5,7 2,6,5,7,9 5,7,9 9 10 10 10"
    );
    assert_eq!(
        of(
            "CUMULATE(TABLE oo, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND) \
            WHERE k = '1' GROUP BY window_start, window_end"
        ),
        "1,3 1,3,2,6 1,3,2,6,5,7 9 9 9 10 10 10"
    );
    for session_window in [
        "SESSION(TABLE oo PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND) \
         WHERE k = '1' GROUP BY k, window_start, window_end",
        "oo WHERE k = '1' GROUP BY k, SESSION(ts, INTERVAL '4' SECOND)",
    ] {
        assert_eq!(of(session_window), "5,2,1,3,6,7,9 10");
    }
    let (session, _folder) = events(rows, 1, 1024);
    let text = run(
        &session,
        "SELECT FIRST_VALUE(v) FROM events GROUP BY k, SESSION(ts, INTERVAL '4' SECOND)",
    );
    assert_eq!(
        text,
        "FIRST_VALUE has no 'merge', which windows of SESSION need"
    );
}

/// The rows of a query over events of the keys and numbers `1 a, 2 a, 3 a, 4 b, 5 a …`.
fn counted(sql: &str) -> Vec<String> {
    let rows = "a,01,1\na,06,2\na,03,3\nb,07,4\na,11,5\na,08,6\na,14,7\nb,17,8\na,16,9\na,30,10\n\
                a,21,11\n";
    let mut found: Vec<Vec<String>> = [(1, 1024), (1, 1), (1, 4)]
        .into_iter()
        .map(|(n_workers, step_rows)| {
            let (session, _folder) = events(rows, n_workers, step_rows);
            let text = run(&session, sql).replace(" | ", " ");
            text.lines()
                .filter_map(|line| line.strip_prefix("+I "))
                .map(str::to_owned)
                .collect()
        })
        .collect();
    let last = found.pop().unwrap();
    assert!(
        found.iter().all(|other| *other == last),
        "{found:?} {last:?}"
    );
    last
}

#[test]
fn windows_of_rows() {
    let all = |slide: u32, size: u32| {
        counted(&format!(
            "SELECT COUNT(v), SUM(v) FROM events GROUP BY __count_window(p, {slide}, {size})"
        ))
    };
    assert_eq!(all(2, 2), ["2 3", "2 7", "2 11", "2 15", "2 19"]);
    assert_eq!(all(3, 3), ["3 6", "3 15", "3 24"]);
    assert_eq!(all(2, 3), ["3 6", "3 12", "3 18", "3 24", "3 30"]);
    assert_eq!(all(3, 2), ["2 3", "2 9", "2 15", "2 21"]);
    let by_key = |slide: u32, size: u32| {
        counted(&format!(
            "SELECT k, COUNT(*), SUM(v) FROM events GROUP BY k, __count_window(p, {slide}, {size})"
        ))
    };
    let expected = ["a 2 3", "a 2 8", "a 2 13", "b 2 12", "a 2 19"];
    assert_eq!(by_key(2, 2), expected);
    assert_eq!(by_key(2, 4), ["a 4 11", "a 4 21", "a 4 32"]);
    let expected = ["a 2 3", "a 2 11", "b 2 12", "a 2 19"];
    assert_eq!(by_key(3, 2), expected);
    let (session, _folder) = events("a,01,1\n", 1, 1);
    for (sql, message) in [
        (
            "SELECT COUNT(*) FROM events GROUP BY __count_window(ts, 2, 2)",
            "a window over a number of rows by event time is not supported yet",
        ),
        (
            "SELECT COUNT(*) FROM events GROUP BY __count_window(p, 0, 0)",
            "a window over rows requires a positive number of them, but got size 0 and slide 0",
        ),
    ] {
        assert_eq!(run(&session, sql), message);
    }
}

#[test]
fn windows_by_the_clock_that_flink_refuses() {
    let (session, _folder) = events("a,01,1\nb,02,2\n", 1, 1024);
    let windows = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(p), INTERVAL '1' DAY))";
    let text = run(&session, &format!("SELECT k, v FROM {windows}"));
    assert!(text.ends_with("+I a | 1\n+I b | 2\n"), "{text}");
    let rank = |order: &str, input: &str| {
        format!(
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end \
             ORDER BY {order}) AS rn FROM {input}) WHERE rn <= 1"
        )
    };
    let grouped = format!(
        "(SELECT k, window_start, window_end, COUNT(*) AS c FROM {windows} \
         GROUP BY k, window_start, window_end)"
    );
    let newest = "(SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k \
                  ORDER BY ts DESC) AS rn FROM events) WHERE rn = 1)";
    session
        .execute(&format!("CREATE VIEW newest AS {newest}"))
        .unwrap();
    for (sql, message) in [
        (
            rank("v DESC", windows),
            "Processing time Window TopN is not supported yet.",
        ),
        (
            rank("c DESC", &grouped),
            "Processing time Window TopN is not supported yet.",
        ),
        (
            format!(
                "SELECT a.v FROM (SELECT * FROM {windows}) a JOIN (SELECT * FROM {windows}) b ON \
                 a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end"
            ),
            "Processing time Window Join is not supported yet.",
        ),
        (
            rank(
                "v",
                "TABLE(TUMBLE(TABLE newest, DESCRIPTOR(ts), INTERVAL '5' SECOND))",
            ),
            "StreamPhysicalWindowRank doesn't support consuming update and delete changes",
        ),
    ] {
        assert_eq!(run(&session, &sql), message, "{sql}");
    }
}

/// A session hangs on its partition: by other keys it is only two more columns to group by, row by
/// row, and no window to those who come after.
#[test]
fn sessions_by_other_keys_are_plain_groups() {
    let (session, _folder) = events("a,01,1\na,02,2\nb,03,5\n", 1, 1024);
    let windows = "TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), \
                   INTERVAL '4' SECOND))";
    let grouped = "GROUP BY window_start, window_end";
    let kinds = |sql: &str| {
        let text = run(&session, sql);
        let lines = text
            .lines()
            .skip(1)
            .map(|line| line.split_once(" | ").map_or(line, |it| it.0));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let by_key = format!("SELECT SUM(v) AS s, k FROM {windows} {grouped}, k");
    assert_eq!(kinds(&by_key), ["+I 3", "+I 5"]);
    let by_window = format!("SELECT SUM(v) AS s, FIRST_VALUE(v) AS f FROM {windows} {grouped}");
    assert_eq!(kinds(&by_window), ["+I 1", "-U 1", "+U 3", "+I 5"]);
}

#[test]
fn rows_that_come_too_late_are_counted() {
    let late = |sql: &str| -> Vec<u64> {
        let (session, _folder) = events("a,01,1\nb,30,2\na,02,3\na,29,4\nb,03,5\n", 2, 1);
        let result = session.execute(sql).unwrap();
        let ResultContent::Changes(stream) = result.content else {
            panic!("a query gives changes");
        };
        while !matches!(
            stream.next(Duration::from_secs(60)).unwrap(),
            ChangeEvent::End
        ) {}
        let nodes = result.job.unwrap().metrics().nodes;
        let counts = nodes.iter().map(|node| node.late_records);
        counts.filter(|&n_late| n_late > 0).collect()
    };
    for sql in [
        "SELECT COUNT(*) FROM events GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)",
        "SELECT COUNT(*) FROM events GROUP BY HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        "SELECT COUNT(*) FROM events GROUP BY k, SESSION(ts, INTERVAL '5' SECOND)",
        "SELECT SUM(v) OVER (ORDER BY ts) FROM events",
    ] {
        assert_eq!(late(sql), [2], "{sql}");
    }
    assert!(late("SELECT COUNT(*) FROM events").is_empty());
}
