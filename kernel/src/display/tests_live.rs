//! Live displays over a source and a screen that tests control.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use expect_test::{Expect, expect};
use parking_lot::Mutex;
use tidemill_engine::session::OrderKey;

use super::frame::{FrameOptions, Frames, Order, Progress, Rows};
use super::live::{LiveDisplays, LiveSource, LiveSpec, Screen, Until};
use super::status::RunState;
use super::table::TableOptions;
use crate::mime::MimeBundle;
use crate::parent::Parent;

/// A word count that the test writes by hand.
#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

struct State {
    state: RunState,
    version: u64,
    rows: Vec<(&'static str, i64)>,
    n_records: u64,
    elapsed_ms: u64,
    append_only: bool,
}

impl Fake {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            state: RunState::Running,
            version: 0,
            rows: Vec::new(),
            n_records: 0,
            elapsed_ms: 0,
            append_only: false,
        })))
    }

    fn set(&self, rows: &[(&'static str, i64)], n_records: u64, elapsed_ms: u64) {
        let mut state = self.0.lock();
        state.version += 1;
        state.rows = rows.to_vec();
        state.n_records = n_records;
        state.elapsed_ms = elapsed_ms;
    }

    fn end(&self, end: RunState) {
        self.0.lock().state = end;
    }
}

impl LiveSource for Fake {
    fn progress(&self) -> Progress {
        let state = self.0.lock();
        Progress {
            state: state.state,
            error: (state.state == RunState::Failed).then(|| "division by zero".to_owned()),
            n_records: state.n_records,
            n_written: None,
            elapsed: Duration::from_millis(state.elapsed_ms),
        }
    }

    fn version(&self) -> u64 {
        self.0.lock().version
    }

    fn n_rows(&self) -> Option<u64> {
        Some(self.0.lock().rows.len() as u64)
    }

    fn rows(&self, max_rows: usize) -> Option<Rows> {
        let state = self.0.lock();
        let kept: Vec<_> = state.rows.iter().take(max_rows).copied().collect();
        Some(Rows {
            batch: batch(&kept),
            n_rows: state.rows.len() as u64,
            append_only: state.append_only,
        })
    }

    fn stop(&self) {
        let mut state = self.0.lock();
        if state.state == RunState::Running {
            state.state = RunState::Stopped;
        }
    }

    fn wait(&self, _timeout: Duration) -> bool {
        self.0.lock().state != RunState::Running
    }
}

fn batch(rows: &[(&str, i64)]) -> RecordBatch {
    let words = StringArray::from_iter_values(rows.iter().map(|(word, _)| *word));
    let counts = Int64Array::from_iter_values(rows.iter().map(|(_, n)| *n));
    RecordBatch::try_from_iter([
        ("word", Arc::new(words) as ArrayRef),
        ("n", Arc::new(counts) as ArrayRef),
    ])
    .unwrap()
}

/// Keeps the plain text of all that was shown.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<String>>>);

impl Paper {
    fn push(&self, how: &str, bundle: &MimeBundle) {
        let text = bundle.data["text/plain"].as_str().unwrap();
        self.0.lock().push(format!("{how}\n{text}"));
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn last(&self) -> String {
        self.0.lock().last().cloned().unwrap()
    }
}

impl Screen for Paper {
    fn show(&self, bundle: &MimeBundle) {
        self.push("show", bundle);
    }

    fn update(&self, bundle: &MimeBundle) {
        self.push("update", bundle);
    }

    fn show_in(&self, parent: &Parent, bundle: &MimeBundle) {
        self.push(&format!("show in {}", parent.msg_id()), bundle);
    }
}

fn options(order: Order) -> FrameOptions {
    FrameOptions {
        subject: None,
        job_id: Some("7".to_owned()),
        table: TableOptions::default(),
        order,
        records_are_deterministic: true,
        settled: false,
    }
}

/// A period that no test lives to see: only the test's own ticks draw.
const NEVER: Duration = Duration::from_secs(3600);

fn spec(fake: &Fake, paper: &Paper, order: Order) -> LiveSpec {
    LiveSpec {
        source: Arc::new(fake.clone()),
        screen: Box::new(paper.clone()),
        frames: options(order),
        period: NEVER,
        until: None,
        cell_id: Some("c1".to_owned()),
        request_id: "r1".to_owned(),
    }
}

/// The pictures of one run: rows by the test, drawn by hand.
fn draw(frames: &mut Frames, state: RunState, rows: &[(&str, i64)], elapsed_s: u64) -> String {
    let rows = Rows {
        batch: batch(rows),
        n_rows: rows.len() as u64,
        append_only: false,
    };
    let progress = Progress {
        state,
        error: None,
        n_records: 1_000 * elapsed_s,
        n_written: None,
        elapsed: Duration::from_secs(elapsed_s),
    };
    match frames.next(&progress, Some(&rows), None).unwrap() {
        Some(bundle) => bundle.data["text/plain"].as_str().unwrap().to_owned(),
        None => "(the same)".to_owned(),
    }
}

fn check(actual: &str, expect: Expect) {
    expect.assert_eq(actual);
}

#[test]
fn a_run_from_the_first_picture_to_the_last() {
    let mut frames = Frames::new(options(Order::ByAllColumns));
    check(
        &draw(&mut frames, RunState::Running, &[], 0),
        expect![[r#"
             word | n
            ------+---
            ● running · 0 rows · 0 records · job 7"#]],
    );
    check(
        &draw(&mut frames, RunState::Running, &[("to", 1), ("be", 2)], 1),
        expect![[r#"
             word | n
            ------+---
             be   | 2
             to   | 1
            ● running · 2 rows · 1,000 records · 1,000 records/s · 1 s · job 7"#]],
    );
    check(
        &draw(&mut frames, RunState::Finished, &[("to", 2), ("be", 2)], 2),
        expect![[r"
             word | n
            ------+---
             be   | 2
             to   | 2
            ✔ finished · 2 rows from 2,000 records"]],
    );
}

#[test]
fn ties_of_order_by_are_settled_by_all_columns() {
    let by_count = Order::By(vec![OrderKey {
        column: 1,
        descending: true,
        nulls_first: false,
    }]);
    let mut frames = Frames::new(options(by_count));
    check(
        &draw(
            &mut frames,
            RunState::Finished,
            &[("b", 1), ("z", 3), ("a", 1)],
            1,
        ),
        expect![[r"
             word | n
            ------+---
             z    | 3
             a    | 1
             b    | 1
            ✔ finished · 3 rows from 1,000 records"]],
    );
}

#[test]
fn an_idle_query_draws_the_same_picture() {
    let mut frames = Frames::new(options(Order::AsTheyCame));
    let mut texts = Vec::new();
    for elapsed_s in [1, 100, 101, 104, 105, 110, 119, 120] {
        let rows = Rows {
            batch: batch(&[("a", 1)]),
            n_rows: 1,
            append_only: true,
        };
        let progress = Progress {
            state: RunState::Running,
            error: None,
            n_records: 7,
            n_written: None,
            elapsed: Duration::from_secs(elapsed_s),
        };
        let bundle = frames.next(&progress, Some(&rows), None).unwrap();
        texts.push(bundle.map_or("(the same)".to_owned(), |bundle| {
            let text = bundle.data["text/plain"].as_str().unwrap();
            text.lines().last().unwrap().to_owned()
        }));
    }
    check(
        &texts.join("\n"),
        expect![[r#"
            ● running · 1 row · 7 records · 7.0 records/s · 1 s · job 7
            ● running · 1 row · 7 records · 1 min 00 s · waiting for input · job 7
            (the same)
            (the same)
            (the same)
            (the same)
            (the same)
            ● running · 1 row · 7 records · 2 min 00 s · waiting for input · job 7"#]],
    );
}

#[test]
fn pictures_are_drawn_when_due_and_only_if_they_differ() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    let display = displays.add(spec(&fake, &paper, Order::AsTheyCame));
    let all = [Arc::clone(&display)];
    let start = Instant::now();
    assert_eq!(paper.len(), 1, "the first picture is shown at once");

    fake.set(&[("a", 1)], 10, 1_000);
    displays.tick_all(&all, start);
    assert_eq!(paper.len(), 1, "not yet due");
    for n in 2..100 {
        fake.set(&[("a", n)], 10, 1_000);
    }
    displays.tick_all(&all, start + NEVER + NEVER);
    assert_eq!(paper.len(), 2, "a hundred changes are one picture");
    displays.tick_all(&all, start + NEVER * 4);
    assert_eq!(paper.len(), 2, "nothing changed");
    check(
        &paper.last(),
        expect![[r#"
            update
             word |  n
            ------+----
             a    | 99
            ● running · 1 row · 10 records · 10 records/s · 1 s · job 7"#]],
    );
}

#[test]
fn the_end_is_drawn_once_and_the_display_forgotten() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    let display = displays.add(spec(&fake, &paper, Order::AsTheyCame));
    fake.set(&[("a", 1)], 10, 1_000);
    fake.end(RunState::Failed);
    assert!(display.wait(Duration::ZERO));
    check(
        &paper.last(),
        expect![[r#"
            update
             word | n
            ------+---
             a    | 1
            ✖ failed · 1 row from 10 records · 1 s
            division by zero"#]],
    );
    let later = Instant::now() + NEVER * 2;
    displays.tick_all(&[display], later);
    assert_eq!(paper.len(), 2, "the end is drawn once");
    assert!(displays.is_empty());
}

#[test]
fn running_the_cell_again_replaces_its_display() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    displays.add(spec(&fake, &paper, Order::AsTheyCame));
    fake.set(&[("a", 1)], 10, 1_000);
    displays.replace_earlier_runs(&Parent::for_test("c2", "r2"));
    assert_eq!(fake.0.lock().state, RunState::Running, "another cell");
    displays.replace_earlier_runs(&Parent::for_test("c1", "r1"));
    assert_eq!(fake.0.lock().state, RunState::Running, "the same run");
    displays.replace_earlier_runs(&Parent::for_test("c1", "r2"));
    assert_eq!(fake.0.lock().state, RunState::Stopped);
    check(
        &paper.last(),
        expect![[r#"
            update
             word | n
            ------+---
             a    | 1
            ■ replaced by a newer run · 1 row from 10 records · 1 s"#]],
    );
}

#[test]
fn until_stops_the_query() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    let mut spec = spec(&fake, &paper, Order::AsTheyCame);
    spec.until = Some(Until::Rows(2));
    let display = displays.add(spec);
    let all = [Arc::clone(&display)];
    fake.set(&[("a", 1)], 10, 1_000);
    let mut now = Instant::now() + NEVER * 2;
    displays.tick_all(&all, now);
    assert_eq!(fake.0.lock().state, RunState::Running);
    fake.set(&[("a", 1), ("b", 1)], 10, 1_000);
    now += NEVER * 2;
    displays.tick_all(&all, now);
    while fake.0.lock().state == RunState::Running {
        std::thread::yield_now();
    }
    assert!(display.wait(Duration::ZERO));
    check(
        paper.last().lines().last().unwrap(),
        expect!["■ stopped · 2 rows · until rows=2"],
    );
}

#[test]
fn no_picture_shows_more_rows_than_until() {
    let (fake, paper) = (Fake::new(), Paper::default());
    fake.0.lock().append_only = true;
    fake.set(&[("a", 1), ("b", 2), ("c", 3)], 10, 1_000);
    let displays = Arc::new(LiveDisplays::default());
    let mut spec = spec(&fake, &paper, Order::AsTheyCame);
    spec.until = Some(Until::Rows(2));
    let display = displays.add(spec);
    assert!(paper.last().contains("2 rows"), "{}", paper.last());
    fake.set(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)], 11, 1_000);
    displays.tick_all(&[Arc::clone(&display)], Instant::now() + NEVER * 2);
    while fake.0.lock().state == RunState::Running {
        std::thread::yield_now();
    }
    assert!(display.wait(Duration::ZERO));
    assert!(paper.last().contains("2 rows"), "{}", paper.last());
    assert!(!paper.last().contains("c "), "{}", paper.last());
}

#[test]
fn shutdown_leaves_a_picture_that_says_so() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    displays.add(spec(&fake, &paper, Order::AsTheyCame));
    fake.set(&[("a", 1)], 10, 1_000);
    displays.last_words();
    check(
        paper.last().lines().last().unwrap(),
        expect!["■ stopped · 1 row from 10 records · 1 s · the kernel was shut down"],
    );
    assert!(displays.is_empty());
}

#[test]
fn a_display_can_be_shown_in_another_cell_too() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    displays.add(spec(&fake, &paper, Order::AsTheyCame));
    assert_eq!(displays.show_again(&Parent::for_test("c2", "r2")), 1);
    check(
        &paper.last(),
        expect![[r"
            show in r2
             word | n
            ------+---
            ● running · 0 rows · 0 records · job 7"]],
    );
    fake.end(RunState::Finished);
    displays.last_words();
    assert_eq!(displays.show_again(&Parent::for_test("c2", "r2")), 0);
}

#[test]
fn displays_slow_down_when_nobody_runs_cells() {
    let (fake, paper) = (Fake::new(), Paper::default());
    let displays = Arc::new(LiveDisplays::default());
    let mut spec = spec(&fake, &paper, Order::AsTheyCame);
    spec.period = Duration::from_secs(60);
    let all = [displays.add(spec)];
    let nobody = Parent::for_test("c9", "r9");
    displays.replace_earlier_runs(&nobody);
    let start = Instant::now();
    let n_pictures = |from_minute: u32, to_minute: u32| {
        let before = paper.len();
        for minute in from_minute..to_minute {
            let elapsed_ms = u64::from(minute) * 1_000;
            fake.set(&[("a", i64::from(minute))], u64::from(minute), elapsed_ms);
            let now = start + Duration::from_secs(60) * minute + Duration::from_secs(30);
            displays.tick_all(&all, now);
        }
        paper.len() - before
    };
    assert_eq!(n_pictures(1, 10), 9);
    assert_eq!(n_pictures(10, 20), 5);
    assert_eq!(n_pictures(20, 30), 3);
}
