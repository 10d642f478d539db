//! The short way of the decoder gives what the long way gives, for whatever comes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{Field, Schema};

use super::decode::JsonDecoder;
use super::*;
use crate::data::Parts;
use crate::data::types::FlinkType;
use crate::formats::Decoder;
use crate::formats::messages::Frames;

const LINES: Frames<'static> = Frames::Lines { at_end: true };

const COLUMNS: &[(&str, &str)] = &[
    ("s", "STRING"),
    ("i", "INT"),
    ("t", "TINYINT"),
    ("l", "BIGINT"),
    ("d", "DOUBLE"),
    ("ts", "TIMESTAMP(3)"),
    ("us", "TIMESTAMP_LTZ(6)"),
    ("n", "DECIMAL(5, 2)"),
    ("b", "BOOLEAN"),
    ("r", "ROW<s STRING, l BIGINT, q ROW<i INT, x STRING>>"),
    ("a", "ARRAY<INT>"),
    ("m", "MAP<STRING, BIGINT>"),
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "7",
    "-0",
    "007",
    "-12",
    "128",
    "1.5",
    "1e3",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "\"\"",
    "\"x\"",
    "\"12\"",
    "\" 5 \"",
    "\"a longer text, of more than thirty-two bytes, with \\\"quotes\\\"\"",
    "\"\\u4e2d\\ud83d\\ude00\"",
    "\"\\q\"",
    "\"2020-02-31 12:00:00.5\"",
    "\"2020-01-01 24:00:00\"",
    "\"2020-01-01 12:00:00.123456Z\"",
    "\"2020-01-01T12:00:00\"",
    "[1, 2,\"3\"]",
    "[]",
    "[null]",
    "{}",
    "{\"s\": 1, \"l\": \"2\", \"q\": {\"i\":3,\"x\":{\"y\":[]}}}",
    "{\"q\":null,\"l\":5,\"zz\":[{}]}",
    "{\"l\":\"no\"}",
    "{\"s\":\"cut",
    "NaN",
    "",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn line(random: &mut Random) -> String {
    let mut line = String::from("{");
    for field_idx in 0..random.below(9) {
        let (name, _) = COLUMNS[random.below(COLUMNS.len())];
        let space = if random.below(4) == 0 { " " } else { "" };
        let comma = if field_idx > 0 { "," } else { "" };
        let value = VALUES[random.below(VALUES.len())];
        line.push_str(&format!("{comma}{space}\"{name}\"{space}:{space}{value}"));
    }
    line.push('}');
    match random.below(12) {
        0 => line.push_str(" behind"),
        1 => line = format!("[{line},{{}}]"),
        2 => line.push('\r'),
        3 => line.clear(),
        _ => {}
    }
    line
}

fn schema() -> Arc<Schema> {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|(name, text)| FlinkType::parse(text).unwrap().to_arrow_field(name))
        .collect();
    Arc::new(Schema::new(fields))
}

fn decoder(options: JsonOptions, parts: &[Parts]) -> JsonDecoder {
    let projection: Vec<usize> = (0..COLUMNS.len()).collect();
    JsonDecoder::try_new(Arc::new(options), &schema(), &projection, parts).unwrap()
}

/// Lines that are well: those the strict decoder takes in the short way.
fn good_lines(random: &mut Random, n_lines: usize) -> Vec<String> {
    let mut strict = decoder(JsonOptions::default(), &[]);
    let lines = std::iter::repeat_with(|| line(random));
    lines
        .filter(|line| matches!(strict.shredded(line.as_bytes(), LINES, 10), Ok(Some(_))))
        .take(n_lines)
        .collect()
}

#[test]
fn lenient_reading_is_the_same_both_ways() {
    let mut random = Random(88_172_645_463_325_252);
    let options = JsonOptions {
        ignore_parse_errors: true,
        ..JsonOptions::default()
    };
    for _ in 0..40 {
        let lines: Vec<String> = (0..60).map(|_| line(&mut random)).collect();
        let text = lines.join("\n");
        let mut decoder = decoder(options.clone(), &[]);
        let short = decoder
            .shredded(text.as_bytes(), LINES, usize::MAX)
            .unwrap();
        let long = decoder.patiently(text.as_bytes(), 0, LINES, usize::MAX);
        let ((short, short_starts), (long, long_starts)) = (short.unwrap(), long.unwrap());
        assert_eq!(short_starts, long_starts);
        assert_eq!(short.n_bytes, long.n_bytes);
        assert_eq!(short.batch, long.batch, "{text}");
    }
}

#[test]
fn strict_reading_is_the_same_both_ways() {
    let mut random = Random(1_234_567);
    let mut n_refused = 0;
    for options in [
        JsonOptions::default(),
        JsonOptions {
            fail_on_missing_field: true,
            ..JsonOptions::default()
        },
    ] {
        let mut decoder = decoder(options, &[]);
        for _ in 0..4_000 {
            let line = line(&mut random);
            let short = decoder
                .shredded(line.as_bytes(), LINES, usize::MAX)
                .unwrap();
            let long = decoder.patiently(line.as_bytes(), 0, LINES, usize::MAX);
            match (short, long) {
                (Some(short), Ok(long)) => assert_eq!(short.0.batch, long.0.batch, "{line}"),
                // The value that does not fit may be one that a later one replaces.
                (None, _) => n_refused += 1,
                (Some(_), Err(error)) => panic!("{line}: {error:?}"),
            }
        }
    }
    assert!(n_refused > 1_000, "{n_refused}");
    let text = good_lines(&mut random, 200).join("\n");
    let mut decoder = decoder(JsonOptions::default(), &[]);
    let (long, _) = decoder.patiently(text.as_bytes(), 0, LINES, 150).unwrap();
    let short = decoder.decode(text.as_bytes(), true, 150).unwrap();
    assert_eq!((short.n_bytes, short.batch), (long.n_bytes, long.batch));
}

/// Parts that nobody reads are NULL, the others what they are without.
#[test]
fn parts_are_read_alone() {
    let mut random = Random(42);
    let mut row = Parts::none();
    row.add(&["l"]);
    row.add(&["q", "i"]);
    let mut parts = vec![Parts::All; COLUMNS.len()];
    parts[0] = Parts::none();
    parts[9] = row;
    let text = good_lines(&mut random, 3_000).join("\n");
    let mut some = decoder(JsonOptions::default(), &parts);
    let some = some.decode(text.as_bytes(), true, usize::MAX).unwrap();
    let mut all = decoder(JsonOptions::default(), &[]);
    let all = all.decode(text.as_bytes(), true, usize::MAX).unwrap();
    assert_eq!(some.batch.num_rows(), all.batch.num_rows());
    assert_eq!(some.batch.columns()[10..], all.batch.columns()[10..]);
    assert_eq!(some.batch.column(0).null_count(), all.batch.num_rows());
    let row = |batch: &arrow::array::RecordBatch| {
        let row = Arc::clone(batch.column(9));
        arrow::array::AsArray::as_struct(row.as_ref()).clone()
    };
    let (some, all) = (row(&some.batch), row(&all.batch));
    assert_eq!(some.nulls(), all.nulls());
    assert_eq!(some.column(1), all.column(1));
    assert_eq!(some.column(0).null_count(), some.len());
    assert!(all.column(0).null_count() < all.len());
}

/// What nobody reads has to be well all the same.
#[test]
fn parts_that_are_not_read_must_fit() {
    let mut parts = vec![Parts::none(); COLUMNS.len()];
    parts[0] = Parts::All;
    let mut decoder = decoder(JsonOptions::default(), &parts);
    for (line, message) in [
        (r#"{"i":"x"}"#, "the value cannot be read as INT"),
        (r#"{"r":{"l":"x"}}"#, "the value cannot be read as BIGINT"),
        (r#"{"r":7}"#, "the value cannot be read as ROW"),
    ] {
        let text = format!("{{}}\n{line}\n{{\"i\":\"later\"}}");
        let error = decoder.decode(text.as_bytes(), true, 9).unwrap_err();
        assert_eq!(error.offset, 3);
        assert!(error.message.starts_with(message), "{error:?}");
    }
}
