//! The auction house from outside: what its generator promises.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Int32Type, Int64Type, Schema, TimestampMillisecondType};

use super::*;
use crate::data::types::FlinkType;

const COLUMNS: &[(&str, &str)] = &[
    ("event_type", "INT"),
    (
        "person",
        "ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, \
         state STRING, dateTime TIMESTAMP(3), extra STRING>",
    ),
    (
        "auction",
        "ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, \
         dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>",
    ),
    (
        "bid",
        "ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, \
         dateTime TIMESTAMP(3), extra STRING>",
    ),
];

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

fn source(options: &[(&str, &str)]) -> Arc<dyn Source> {
    NexmarkFactory.source(&table(COLUMNS, options)).unwrap()
}

fn drain(reader: &mut dyn SourceReader, max_rows: usize) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    loop {
        match reader.poll(max_rows).unwrap() {
            SourcePoll::Rows(delta) => batches.push(delta.batch().clone()),
            SourcePoll::Idle(pause) => std::thread::sleep(pause),
            SourcePoll::End => return batches,
        }
    }
}

fn all(source: &dyn Source, max_rows: usize) -> RecordBatch {
    let batches = drain(source.open(&[0, 1, 2, 3], 1).unwrap()[0].as_mut(), max_rows);
    arrow::compute::concat_batches(&source.schema(), &batches).unwrap()
}

fn numbers(batch: &RecordBatch, row: &str, field: &str) -> Vec<i64> {
    let row = batch.column_by_name(row).unwrap().as_struct();
    let column = row
        .column_by_name(field)
        .unwrap()
        .as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .filter(|&row_idx| row.is_valid(row_idx))
        .map(|row_idx| column.value(row_idx))
        .collect()
}

#[test]
fn kinds_come_in_proportion_and_ids_without_gaps() {
    let batch = all(source(&[("events.num", "10000")]).as_ref(), 999);
    assert_eq!(batch.num_rows(), 10_000);
    let kinds = batch.column(0).as_primitive::<Int32Type>();
    let count = |kind: i32| kinds.values().iter().filter(|&&it| it == kind).count();
    assert_eq!([count(0), count(1), count(2)], [200, 600, 9_200]);
    for (kind, column) in [(0, 1), (1, 2), (2, 3)] {
        let row = batch.column(column);
        for row_idx in 0..batch.num_rows() {
            assert_eq!(row.is_valid(row_idx), kinds.value(row_idx) == kind);
        }
    }
    // The person and the first auction of the first round lie before the first event.
    assert_eq!(
        numbers(&batch, "person", "id"),
        (1_001..1_201).collect::<Vec<_>>()
    );
    assert_eq!(
        numbers(&batch, "auction", "id"),
        (1_001..1_601).collect::<Vec<_>>()
    );
    for bidder in numbers(&batch, "bid", "bidder") {
        assert!((1_000..1_211).contains(&bidder));
    }
    let auctions = numbers(&batch, "bid", "auction");
    assert!(
        auctions
            .iter()
            .all(|auction| (1_000..1_611).contains(auction))
    );
    let n_hot = auctions
        .iter()
        .filter(|&auction| auction % 100 == 0)
        .count();
    assert!(
        (4_300..5_300).contains(&n_hot),
        "{n_hot} of 9200 bids are for hot auctions"
    );
    let prices = numbers(&batch, "bid", "price");
    assert!(
        prices
            .iter()
            .all(|price| (100..=100_000_000).contains(price))
    );
    let categories = numbers(&batch, "auction", "category");
    assert!(
        categories
            .iter()
            .all(|category| (10..15).contains(category))
    );
}

#[test]
fn sizes_and_times_are_as_asked() {
    let options = [
        ("events.num", "5000"),
        ("first-event.rate", "1000"),
        ("base-time", "0"),
    ];
    let batch = all(source(&options).as_ref(), 5_000);
    let bid = batch.column(3).as_struct();
    let times = bid.column_by_name("dateTime").unwrap();
    let times = times.as_primitive::<TimestampMillisecondType>();
    let times: Vec<i64> = (0..5_000)
        .filter(|&row_idx| bid.is_valid(row_idx))
        .map(|row_idx| times.value(row_idx))
        .collect();
    assert!(times.is_sorted());
    assert_eq!((times.first(), times.last()), (Some(&3), Some(&4_998)));
    let extra = bid.column_by_name("extra").unwrap().as_string::<i32>();
    let n_bytes: usize = (0..5_000).map(|row_idx| extra.value(row_idx).len()).sum();
    let mean = n_bytes as f64 / times.len() as f64;
    assert!((66.0..70.0).contains(&mean), "{mean} bytes of extra");
    let urls = bid.column_by_name("url").unwrap().as_string::<i32>();
    let channels = bid.column_by_name("channel").unwrap().as_string::<i32>();
    for row_idx in (0..5_000).filter(|&row_idx| bid.is_valid(row_idx)) {
        assert!(urls.value(row_idx).starts_with("https://www.nexmark.com/"));
        assert!(!channels.value(row_idx).is_empty());
    }
}

/// Batches, readers and restarts do not change the events.
#[test]
fn the_same_events_from_any_position_on_any_number_of_readers() {
    let options = [("events.num", "50000"), ("bid.avg-size", "60")];
    let source = source(&options);
    let whole = all(source.as_ref(), 8_192);
    assert_eq!(all(source.as_ref(), 333), whole);
    let mut positions = Vec::new();
    let mut rows: Vec<RecordBatch> = Vec::new();
    for (reader_idx, mut reader) in source
        .open(&[0, 1, 2, 3], 3)
        .unwrap()
        .into_iter()
        .enumerate()
    {
        for _ in 0..=reader_idx {
            if let SourcePoll::Rows(delta) = reader.poll(3_000).unwrap() {
                rows.push(delta.batch().clone());
            }
        }
        positions.push(reader.position());
    }
    for n_readers in [1, 2, 5] {
        let mut rows = rows.clone();
        let readers = source.open(&[0, 1, 2, 3], n_readers).unwrap();
        let positions = source.reassign(&positions, n_readers).unwrap();
        for (mut reader, position) in readers.into_iter().zip(&positions) {
            reader.seek(position).unwrap();
            rows.extend(drain(reader.as_mut(), 2_500));
        }
        let lines = |batches: &[RecordBatch]| {
            let mut lines: Vec<String> = batches
                .iter()
                .flat_map(|batch| {
                    let bid = batch.column(3).as_struct();
                    let extra = bid
                        .column_by_name("extra")
                        .unwrap()
                        .as_string::<i32>()
                        .clone();
                    (0..batch.num_rows()).map(move |row_idx| extra.value(row_idx).to_owned())
                })
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(
            lines(&rows),
            lines(std::slice::from_ref(&whole)),
            "{n_readers} readers"
        );
    }
}

#[test]
fn other_columns_and_options_are_refused() {
    let refused = |columns: &[(&str, &str)], options: &[(&str, &str)]| {
        NexmarkFactory
            .source(&table(columns, options))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(&[("bid", "ROW<auction BIGINT, prize BIGINT>")], &[]),
        "table 't': column 'bid' of connector 'nexmark' has no field 'prize' of type BIGINT; its \
         fields are auction, bidder, price, channel, url, dateTime, extra"
    );
    assert_eq!(
        refused(&[("kind", "INT")], &[]),
        "table 't': connector 'nexmark' has no column 'kind' of type INT; it has event_type INT, \
         person ROW<…>, auction ROW<…>, bid ROW<…>"
    );
    assert_eq!(
        refused(COLUMNS, &[("auction.proportion", "0")]),
        "table 't': invalid value '0' for option 'auction.proportion': expected a number above zero"
    );
    let few = table(
        &[("bid", "ROW<price BIGINT, dateTime TIMESTAMP(6)>")],
        &[("events.num", "9")],
    );
    let source = NexmarkFactory.source(&few).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Bounded);
    let rows = drain(source.open(&[0], 1).unwrap()[0].as_mut(), 100);
    assert_eq!(rows[0].num_rows(), 9);
}
