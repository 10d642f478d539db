//! Lines to changes and back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, SchemaRef};

use super::CdcFormat;
use crate::catalog::options::TableOptions;
use crate::data::{Delta, text};
use crate::formats::DecodeFormat as _;

fn schema() -> SchemaRef {
    text::schema(&[("id", DataType::Int32), ("v", DataType::Utf8)])
}

fn format(identifier: &str, options: &[(&str, &str)]) -> CdcFormat {
    let options: BTreeMap<String, String> = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let options = TableOptions::check("t", &options, CdcFormat::specs(identifier)).unwrap();
    CdcFormat::read(identifier, &options, &schema())
        .unwrap()
        .unwrap()
}

/// What is read of the lines, as text; and what is written of it again.
fn check(format: &CdcFormat, lines: &str, changes: &str, written: &str) {
    let mut decoder = format.decoder(&[0, 1]).unwrap();
    let decoded = decoder.decode(lines.as_bytes(), true, 100).unwrap();
    let delta = Delta::try_new(decoded.batch, decoder.take_kinds().unwrap()).unwrap();
    let expected = text::parse_delta(&schema(), changes).unwrap();
    assert_eq!(
        text::print_deltas(std::slice::from_ref(&delta)).unwrap(),
        text::print_deltas(&[expected]).unwrap()
    );
    if !written.is_empty() {
        let mut out = Vec::new();
        let mut encoder = format.encoder().unwrap();
        encoder
            .encode_changes(delta.batch(), delta.kinds(), &mut out)
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
}

const CHANGES: &str = "+I | 1 | a
    -U | 1 | a
    +U | 1 | b
    -D | 1 | b";

#[test]
fn debezium() {
    check(
        &format("debezium-json", &[]),
        r#"{"before":null,"after":{"id":1,"v":"a"},"op":"r"}

{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"},"ts_ms":5}
{"before":{"id":1,"v":"b"},"after":null,"op":"d"}"#,
        CHANGES,
        "{\"before\":null,\"after\":{\"id\":1,\"v\":\"a\"},\"op\":\"c\"}\n\
         {\"before\":{\"id\":1,\"v\":\"a\"},\"after\":null,\"op\":\"d\"}\n\
         {\"before\":null,\"after\":{\"id\":1,\"v\":\"b\"},\"op\":\"c\"}\n\
         {\"before\":{\"id\":1,\"v\":\"b\"},\"after\":null,\"op\":\"d\"}\n",
    );
    check(
        &format("debezium-json", &[("debezium-json.schema-include", "true")]),
        r#"{"schema":{},"payload":{"before":null,"after":{"id":1,"v":null},"op":"c"}}"#,
        "+I | 1 | NULL",
        "",
    );
}

#[test]
fn what_is_broken_ends_the_job_or_is_skipped() {
    let lines = r#"{"before":null,"after":{"id":1,"v":"a"},"op":"u"}
{"before":null,"after":{"id":1,"v":"a"},"op":"x"}
nonsense
{"before":null,"after":{"id":"y","v":"a"},"op":"c"}"#;
    let strict = format("debezium-json", &[]);
    let mut decoder = strict.decoder(&[0, 1]).unwrap();
    let error = decoder.decode(lines.as_bytes(), true, 100).unwrap_err();
    assert!(error.message.contains("\"before\" field"), "{error:?}");
    let lenient = [("debezium-json.ignore-parse-errors", "true")];
    check(
        &format("debezium-json", &lenient),
        lines,
        "+I | NULL | a",
        "",
    );
}

#[test]
fn canal_and_maxwell_know_only_what_changed() {
    let options = [("canal-json.table.include", "t.*")];
    check(
        &format("canal-json", &options),
        r#"{"data":[{"id":"1","v":"a"},{"id":"2","v":null}],"type":"INSERT","table":"t1"}
{"data":[{"id":"9","v":"z"}],"type":"INSERT","table":"other"}
{"data":null,"type":"CREATE","table":"t1"}
{"data":[{"id":"1","v":"b"}],"old":[{"v":"a"}],"type":"UPDATE","table":"t1"}
{"data":[{"id":"2","v":"c"}],"old":[{"v":null}],"type":"UPDATE","table":"t1"}
{"data":[{"id":"1","v":"b"}],"type":"DELETE","table":"t1"}"#,
        "+I | 1 | a
         +I | 2 | NULL
         -U | 1 | a
         +U | 1 | b
         -U | 2 | NULL
         +U | 2 | c
         -D | 1 | b",
        "",
    );
    check(
        &format("maxwell-json", &[]),
        r#"{"database":"d","data":{"id":1,"v":"a"},"type":"insert"}
{"data":{"id":1,"v":"b"},"old":{"v":"a"},"type":"update"}
{"data":{"id":1,"v":"b"},"type":"delete"}"#,
        CHANGES,
        "{\"data\":{\"id\":1,\"v\":\"a\"},\"type\":\"insert\"}\n\
         {\"data\":{\"id\":1,\"v\":\"a\"},\"type\":\"delete\"}\n\
         {\"data\":{\"id\":1,\"v\":\"b\"},\"type\":\"insert\"}\n\
         {\"data\":{\"id\":1,\"v\":\"b\"},\"type\":\"delete\"}\n",
    );
}

#[test]
fn ogg() {
    check(
        &format("ogg-json", &[]),
        r#"{"before":null,"after":{"id":1,"v":"a"},"op_type":"I"}
{"before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"},"op_type":"U"}
{"before":{"id":1,"v":"b"},"after":null,"op_type":"D"}"#,
        CHANGES,
        "",
    );
}
