//! The questions of TPC-H over tables that change: whatever rows come and go, in whatever steps, on
//! however many workers and with a restart in the middle, the answers are those of DataFusion's
//! batch engine for the tables at the end.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::RecordBatch;
use proptest::prelude::*;
use tidemill_engine::session::Session;
use tidemill_tests::changes::split;
use tidemill_tests::jobs::{
    collected, collected_onto, config, folder_in_memory, interrupted, resumed, viewed,
};
use tidemill_tests::oracle::{Bag, batch_result};
use tidemill_tests::replay::Replay;
use tidemill_tests::tpch::{QUESTIONS, Table, shop};

/// The tables pause for good after so many pieces.
fn session(
    tables: &[Table],
    n_workers: usize,
    step_rows: usize,
    pause_after: Option<usize>,
) -> Session {
    let session = Session::new(config(n_workers, step_rows));
    for table in tables {
        let source = Replay {
            schema: table.rows.schema(),
            deltas: split(&table.delta, step_rows),
            pause_after,
        };
        session
            .register_source(table.name, Arc::new(source))
            .unwrap();
    }
    session
}

/// What batch answers to each question.
fn answers(tables: &[Table]) -> Vec<Bag> {
    let rows: Vec<(&str, &RecordBatch)> = tables
        .iter()
        .map(|table| (table.name, &table.rows))
        .collect();
    let answer = |question: &tidemill_tests::tpch::Question| {
        let mut answer = batch_result(&rows, &[], question.sql).unwrap();
        if question.is_global {
            answer.retain(|row, _| row.replace(['|', ' '], "") != "NULL");
        }
        answer
    };
    QUESTIONS.iter().map(answer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3,
        max_shrink_iters: 5,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn questions_to_a_changing_shop(
        seed in 0_u64..1_000_000,
        n_workers in 1_usize..4,
        step_rows in 1_usize..70,
    ) {
        let tables = shop(seed).unwrap();
        let expected = answers(&tables);
        let n_rows: usize = expected.iter().map(Bag::len).sum();
        prop_assert!(n_rows > 40, "the shop is too small to ask it anything");
        let session = session(&tables, n_workers, step_rows, None);
        for (question, expected) in QUESTIONS.iter().zip(&expected) {
            let query = session.query(question.sql).unwrap();
            prop_assert_eq!(&collected(&query).unwrap(), expected, "log: {}", question.number);
            prop_assert_eq!(&viewed(&query).unwrap(), expected, "view: {}", question.number);
        }
    }

    #[test]
    fn the_shop_closes_in_the_middle(
        seed in 0_u64..1_000_000,
        (before, after) in (1_usize..4, 1_usize..4),
        step_rows in 3_usize..30,
        pause_after in 0_usize..9,
    ) {
        let tables = shop(seed).unwrap();
        let folder = folder_in_memory().unwrap();
        let first = session(&tables, before, step_rows, Some(pause_after));
        let second = session(&tables, after, step_rows, None);
        for (question, expected) in QUESTIONS.iter().zip(&answers(&tables)) {
            let query = first.query(question.sql).unwrap();
            let stopped = interrupted(&query, 0, folder.path()).unwrap();
            let log = resumed(&second, question.sql, &stopped.of_log).unwrap();
            let collected = collected_onto(stopped.bag, &log).unwrap();
            prop_assert_eq!(&collected, expected, "log: {}", question.number);
            let view = resumed(&second, question.sql, &stopped.of_view).unwrap();
            prop_assert_eq!(&viewed(&view).unwrap(), expected, "view: {}", question.number);
        }
    }
}
