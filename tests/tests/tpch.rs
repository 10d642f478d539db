//! The questions of TPC-H over tables that change: whatever rows come and go, in whatever steps and
//! on however many workers, the answers are those of DataFusion's batch engine for the tables at
//! the end.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::connectors::view::ViewOptions;
use tidemill_engine::runtime::JobStatus;
use tidemill_engine::session::{Query, ResultContent, Session};
use tidemill_tests::changes::split;
use tidemill_tests::oracle::{Bag, bag_of, batch_result, fold};
use tidemill_tests::replay::Replay;
use tidemill_tests::tpch::{QUESTIONS, Table, shop};

const LONG: Duration = Duration::from_secs(60);

fn session(tables: &[Table], n_workers: usize, step_rows: usize) -> Session {
    let config = [
        ("parallelism.default", n_workers.to_string()),
        ("table.exec.mini-batch.size", step_rows.to_string()),
        ("tidemill.worker.min-rows", "1".to_owned()),
    ];
    let config: BTreeMap<String, String> = config
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let session = Session::new(config);
    for table in tables {
        let source = Replay {
            schema: table.rows.schema(),
            deltas: split(&table.delta, step_rows),
            pause_after: None,
        };
        session
            .register_source(table.name, Arc::new(source))
            .unwrap();
    }
    session
}

/// The changelog of the query, folded.
fn collected(query: &Query) -> Bag {
    let result = query.collect().unwrap();
    let ResultContent::Changes(stream) = result.content else {
        panic!("a query gives changes");
    };
    let mut bag = Bag::new();
    loop {
        match stream.next(LONG).unwrap() {
            ChangeEvent::Delta(delta) => fold(&mut bag, &delta).unwrap(),
            ChangeEvent::End => return bag,
            ChangeEvent::Timeout => panic!("the job hangs"),
        }
    }
}

/// The table that a live view of the query has at the end.
fn viewed(query: &Query) -> Bag {
    let (job, view) = query.materialize(ViewOptions::default()).unwrap();
    let status = job.wait(Some(LONG));
    assert!(matches!(status, JobStatus::Finished), "{status:?}");
    bag_of([&view.snapshot(usize::MAX).unwrap().rows]).unwrap()
}

#[test]
fn questions_to_a_changing_shop() {
    for (seed, n_workers, step_rows) in [(1, 1, 16), (2, 2, 5), (3, 3, 64)] {
        let tables = shop(seed).unwrap();
        let rows: Vec<(&str, &RecordBatch)> = tables
            .iter()
            .map(|table| (table.name, &table.rows))
            .collect();
        let session = session(&tables, n_workers, step_rows);
        let mut n_rows = 0;
        for question in QUESTIONS {
            let mut expected = batch_result(&rows, &[], question.sql).unwrap();
            if question.is_global {
                expected.retain(|row, _| row.replace(['|', ' '], "") != "NULL");
            }
            n_rows += expected.len();
            let query = session
                .query(question.sql)
                .unwrap_or_else(|error| panic!("{}: {error}", question.number));
            let setting = (question.number, seed, n_workers, step_rows);
            assert_eq!(collected(&query), expected, "collect: {setting:?}");
            assert_eq!(viewed(&query), expected, "view: {setting:?}");
        }
        assert!(n_rows > 60, "the shop is too small to ask it anything");
    }
}
