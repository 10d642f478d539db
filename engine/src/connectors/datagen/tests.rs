//! Tables made up, looked at from outside.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Int32Type, Int64Type, Schema};

use super::*;
use crate::data::map_keys;
use crate::data::types::FlinkType;

fn table(columns: &[(&str, &str)], options: &[(&str, &str)]) -> ConnectorTable {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, text)| FlinkType::parse(text).unwrap().to_arrow_field(name))
        .collect();
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ConnectorTable {
        name: "t".to_owned(),
        schema: Arc::new(Schema::new(fields)),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: options.collect::<BTreeMap<_, _>>(),
        time_zone: "UTC".to_owned(),
    }
}

fn read(table: &ConnectorTable) -> Vec<RecordBatch> {
    let source = DatagenFactory.source(table).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Bounded);
    let projection: Vec<usize> = (0..table.schema.fields().len()).collect();
    let mut reader = source.open(&projection, 1).unwrap().remove(0);
    let mut batches = Vec::new();
    loop {
        match reader.poll(1000).unwrap() {
            SourcePoll::Rows(delta) => batches.push(delta.batch().clone()),
            SourcePoll::Idle(pause) => std::thread::sleep(pause),
            SourcePoll::End => return batches,
        }
    }
}

fn one(table: &ConnectorTable) -> RecordBatch {
    let batches = read(table);
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

const FAST: (&str, &str) = ("rows-per-second", "100000000");

#[test]
fn a_sequence_ends_the_table() {
    let options = [
        FAST,
        ("fields.a.kind", "sequence"),
        ("fields.a.start", "5"),
        ("fields.a.end", "7"),
        ("fields.b.kind", "sequence"),
        ("fields.b.start", "1"),
        ("fields.b.end", "100"),
    ];
    let batch = one(&table(&[("a", "INT"), ("b", "STRING")], &options));
    assert_eq!(
        batch
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec(),
        [5, 6, 7]
    );
    assert_eq!(batch.column(1).as_string::<i32>().value(2), "3");
    let unbounded = table(&[("a", "INT")], &[]);
    let source = DatagenFactory.source(&unbounded).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
}

#[test]
fn every_type_can_be_made() {
    let columns = [
        ("a", "INT"),
        ("b", "STRING"),
        ("c", "DOUBLE"),
        ("d", "DECIMAL(5, 2)"),
        ("e", "TIMESTAMP(3)"),
        ("f", "DATE"),
        ("g", "TIME"),
        ("h", "BOOLEAN"),
        ("i", "BYTES"),
        ("j", "ARRAY<INT>"),
        ("k", "MAP<STRING, INT>"),
        ("l", "ROW<x INT>"),
        ("m", "VARCHAR(5)"),
        ("n", "CHAR(4)"),
        ("o", "TINYINT"),
        ("p", "TIMESTAMP_LTZ(9)"),
        ("q", "FLOAT"),
        ("r", "SMALLINT"),
        ("s", "TIMESTAMP(6)"),
        ("t", "INTERVAL DAY TO SECOND(3)"),
        ("u", "MULTISET<STRING>"),
    ];
    let options = [
        FAST,
        ("number-of-rows", "2000"),
        ("fields.k.key.length", "3"),
    ];
    let batch = one(&table(&columns, &options));
    assert_eq!(batch.num_rows(), 2000);
    assert!(
        batch
            .columns()
            .iter()
            .all(|column| column.null_count() == 0)
    );
    let text = |at: usize| batch.column(at).as_string::<i32>().value(7).len();
    assert_eq!((text(1), text(12), text(13)), (100, 5, 4));
    assert_eq!(batch.column(9).as_list::<i32>().value(0).len(), 3);
    let keys = map_keys::keys(batch.column(10).as_map());
    assert_eq!(keys.as_string::<i32>().value(1).len(), 3);
}

#[test]
fn bounds_lengths_and_nulls_are_kept() {
    let options = [
        FAST,
        ("number-of-rows", "3000"),
        ("fields.a.min", "5"),
        ("fields.a.max", "7"),
        ("fields.b.length", "3"),
        ("fields.b.var-len", "true"),
        ("fields.b.null-rate", "0.5"),
    ];
    let batch = one(&table(&[("a", "BIGINT"), ("b", "STRING")], &options));
    let numbers = batch.column(0).as_primitive::<Int64Type>().values();
    assert!(numbers.iter().all(|value| (5..=7).contains(value)));
    let nulls = batch.column(1).null_count();
    assert!((1200..1800).contains(&nulls), "{nulls} of 3000 are NULL");
    let lengths = batch
        .column(1)
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(str::len);
    assert!(lengths.into_iter().all(|length| (1..=3).contains(&length)));
}

#[test]
fn a_position_continues_a_sequence() {
    let options = [
        FAST,
        ("fields.a.kind", "sequence"),
        ("fields.a.start", "1"),
        ("fields.a.end", "50"),
    ];
    let source = DatagenFactory
        .source(&table(&[("a", "INT")], &options))
        .unwrap();
    let mut reader = source.open(&[0], 1).unwrap().remove(0);
    reader.seek(&serde_json::json!({ "rows": 49 })).unwrap();
    let SourcePoll::Rows(delta) = reader.poll(100).unwrap() else {
        panic!("a row is due");
    };
    assert_eq!(
        delta
            .batch()
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec(),
        [50]
    );
    assert!(matches!(reader.poll(100).unwrap(), SourcePoll::End));
}

#[test]
fn the_rate_is_kept() {
    let options = [("rows-per-second", "1000"), ("number-of-rows", "101")];
    let started = Instant::now();
    assert_eq!(one(&table(&[("a", "INT")], &options)).num_rows(), 101);
    assert!(started.elapsed() >= Duration::from_millis(99));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let error = |options: &[(&str, &str)]| {
        DatagenFactory
            .source(&table(&[("a", "INT")], options))
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[("fields.z.kind", "random")]).contains("unsupported option 'fields.z.kind'"));
    assert!(error(&[("fields.a.length", "3")]).contains("unsupported option 'fields.a.length'"));
    assert!(error(&[("fields.a.kind", "foo")]).contains("expected random or sequence"));
    assert!(
        error(&[("fields.a.kind", "sequence"), ("fields.a.start", "1")])
            .contains("needs 'fields.a.end'")
    );
    assert!(error(&[("fields.a.min", "5"), ("fields.a.max", "4")]).contains("no range"));
    assert!(error(&[("fields.a.null-rate", "2")]).contains("expected a number from 0 to 1"));
    assert!(error(&[("rows-per-second", "0")]).contains("expected a number above zero"));
}
