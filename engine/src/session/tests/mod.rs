//! Sessions as users meet them: statements in, text out. `UPDATE_EXPECT=1` rewrites the
//! expectations.
#![allow(clippy::unwrap_used, reason = "tests")]

mod batch;
mod checkpoints;

mod enforced;

mod errors;

mod expressions;

mod keys;

mod memory;

mod foreign;

mod functions;

mod hints;

mod nested;

mod sql_functions;

mod subqueries;

mod order;

mod plans;

mod objects;

mod ddl;

mod determinism;

mod restarts;

mod results;

mod sinks;

mod time;

mod time_joins;

mod live_time;

mod lookup;

mod windows;

mod firing;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::{ResultContent, Session, TableResult};
use crate::connectors::collect::ChangeEvent;
use crate::connectors::values::{ChannelSource, Feed, ValuesSource};
use crate::data::types::FlinkType;
use crate::data::{ChangelogMode, Delta, RowKind};
use crate::functions::cast::text;

/// A session with one worker and the tables that the tests read: `orders`, which ends, and
/// `clicks`, which does not.
fn session() -> Session {
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), "1".to_owned()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
    ]));
    session
        .register_source("orders", Arc::new(orders()))
        .unwrap();
    let (clicks, feed) = clicks();
    drop(feed);
    session.register_source("clicks", Arc::new(clicks)).unwrap();
    session
}

fn orders_schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, false),
        Field::new("region", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, true),
    ]))
}

fn orders() -> ValuesSource {
    let batch = RecordBatch::try_new(
        orders_schema(),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3, 4])),
            Arc::new(StringArray::from(vec![
                Some("north"),
                Some("south"),
                Some("north"),
                None,
            ])),
            Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(30), None])),
        ],
    )
    .unwrap();
    ValuesSource::try_new(orders_schema(), vec![Delta::insert_only(batch)]).unwrap()
}

/// A table that never ends.
fn clicks() -> (ChannelSource, Feed) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("page", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]));
    ChannelSource::new(schema, ChangelogMode::INSERT_ONLY)
}

/// A table whose rows are taken back: two accounts, one of which is closed.
fn accounts() -> ValuesSource {
    let schema = Arc::new(Schema::new(vec![
        Field::new("owner", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(StringArray::from(vec!["ann", "bob", "ann", "ann", "bob"])),
            Arc::new(Int64Array::from(vec![100, 50, 100, 70, 50])),
        ],
    )
    .unwrap();
    let kinds = vec![
        RowKind::Insert,
        RowKind::Insert,
        RowKind::UpdateBefore,
        RowKind::UpdateAfter,
        RowKind::Delete,
    ];
    ValuesSource::try_new(schema, vec![Delta::try_new(batch, kinds).unwrap()]).unwrap()
}

/// What a statement gives, as text: types first, then rows with their kinds; or the error.
fn run(session: &Session, sql: &str) -> String {
    match session.execute(sql) {
        Ok(result) => shown(&result),
        Err(error) => error.to_string(),
    }
}

fn shown(result: &TableResult) -> String {
    let types: Vec<_> = result
        .schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), FlinkType::from_field(field)))
        .collect();
    let mut out = format!("[{}]\n", types.join(", "));
    match &result.content {
        ResultContent::Rows(batches) => {
            for batch in batches {
                rows(&Delta::insert_only(batch.clone()), &mut out);
            }
        }
        ResultContent::Changes(stream) => loop {
            match stream.next(Duration::from_secs(10)) {
                Ok(ChangeEvent::Delta(delta)) => rows(&delta, &mut out),
                Ok(ChangeEvent::End) => break,
                Ok(ChangeEvent::Timeout) => {
                    out.push_str("nothing came\n");
                    break;
                }
                Err(error) => {
                    let _ = writeln!(out, "failed: {error}");
                    break;
                }
            }
        },
    }
    out
}

fn rows(delta: &Delta, out: &mut String) {
    for row in 0..delta.num_rows() {
        let values: Vec<_> = delta
            .batch()
            .columns()
            .iter()
            .zip(delta.schema().fields())
            .map(|(column, field)| {
                text::value(column, row, &FlinkType::from_field(field), chrono_tz::UTC)
                    .unwrap()
                    .unwrap_or_else(|| "NULL".to_owned())
            })
            .collect();
        let _ = writeln!(out, "{} {}", delta.kind(row), values.join(" | "));
    }
}
