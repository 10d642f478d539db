//! Each case was run on Flink 2.3.0 with the same bytes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::*;
use crate::data::map_keys;
use crate::data::types::FlinkType;
use crate::formats::Decoded;

fn schema(columns: &[(&str, &str)]) -> Arc<Schema> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, text)| FlinkType::parse(text).unwrap().to_arrow_field(name))
        .collect();
    Arc::new(Schema::new(fields))
}

fn lenient() -> JsonOptions {
    JsonOptions {
        ignore_parse_errors: true,
        ..JsonOptions::default()
    }
}

fn rows(decoded: &Decoded) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let batch = map_keys::to_plain_batch(&decoded.batch).unwrap();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let row = |row_idx| {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| column.value(row_idx).to_string())
            .collect();
        cells.join("/")
    };
    (0..decoded.batch.num_rows()).map(row).collect()
}

fn read(options: &JsonOptions, data: &[u8]) -> Result<Vec<String>, String> {
    let schema = schema(&[("a", "STRING"), ("b", "INT"), ("c", "STRING")]);
    let format = JsonFormat::new(options.clone(), schema);
    let mut decoder = format.decoder(&[0, 1, 2]).unwrap();
    match decoder.decode(data, true, usize::MAX) {
        Ok(decoded) => {
            assert_eq!(decoded.n_bytes, data.len());
            Ok(rows(&decoded))
        }
        Err(error) => Err(error.at(&format!("byte {}", error.offset))),
    }
}

#[track_caller]
fn check(data: &str, strict: Result<&[&str], &str>, skipping: &[&str]) {
    let expected = strict
        .map(|rows| rows.iter().map(ToString::to_string).collect::<Vec<_>>())
        .map_err(ToOwned::to_owned);
    assert_eq!(
        read(&JsonOptions::default(), data.as_bytes()),
        expected,
        "strict"
    );
    assert_eq!(
        read(&lenient(), data.as_bytes()).unwrap(),
        skipping,
        "skipping"
    );
}

const OK: &str = r#"{"a":"x","b":1,"c":"y"}"#;

#[test]
fn values_of_other_kinds_are_taken_if_they_fit() {
    let rows: &[&str] = &["true/12/1", r#"NULL/1/{"z":[1,2.5,"q"]}"#];
    check(
        "{\"c\":1,\"a\":true,\"b\":\"12\"}\r\n{\"a\":null,\"b\":1.7,\"c\":{\"z\":[1, 2.50,\"q\"]}}",
        Ok(rows),
        rows,
    );
    check(
        r#"{"a":"x","skipped":{"y":[1,{}]}}"#,
        Ok(&["x/NULL/NULL"]),
        &["x/NULL/NULL"],
    );
    check(
        r#"{"a":"1","a":"2","b":1,"c":"1"}"#,
        Ok(&["2/1/1"]),
        &["2/1/1"],
    );
    check(
        r#"{"A":"1","B":1,"c":"1"}"#,
        Ok(&["NULL/NULL/1"]),
        &["NULL/NULL/1"],
    );
    check(
        "{\"a\":\"1\t\"}",
        Ok(&["1\t/NULL/NULL"]),
        &["1\t/NULL/NULL"],
    );
    check(
        r#"{"a":"\u4e2d\ud83d\ude00\n\/"}"#,
        Ok(&["中😀\n//NULL/NULL"]),
        &["中😀\n//NULL/NULL"],
    );
}

#[test]
fn a_value_that_does_not_fit_is_null() {
    for (value, shown) in [
        (r#""zz""#, r#""zz""#),
        ("99999999999", "99999999999"),
        ("true", "true"),
        ("\"\"", "\"\""),
        (r#"{"x": 1.0}"#, r#"{"x":1.0}"#),
    ] {
        let error = format!("byte 24, column 'b': the value cannot be read as INT: '{shown}'");
        let data = format!("{OK}\n{{\"a\":\"x\",\"b\":{value},\"c\":\"y\"}}\n");
        check(&data, Err(&error), &["x/1/y", "x/NULL/y"]);
    }
}

#[test]
fn broken_lines_are_skipped() {
    for (line, message) in [
        (r#"{"a":"x","b":1,"#, "a field has no name in quotes"),
        ("  ", "the JSON ends too early"),
        ("12", "no JSON object"),
        (r#""s""#, "no JSON object"),
        ("null", "no JSON object"),
        (r#"{"a":"1","b":NaN}"#, "no JSON value"),
        (r#"{"a" "1"}"#, "no ':' behind the name of a field"),
        (r#"{"a":01}"#, "no JSON value"),
    ] {
        let error = format!("byte 24: {message}: '{line}'");
        let message_of_cut =
            error.replace("a field has no name in quotes", "the JSON ends too early");
        let strict = read(
            &JsonOptions::default(),
            format!("{OK}\n{line}\n{OK}").as_bytes(),
        );
        let strict = strict.unwrap_err();
        assert!(strict == error || strict == message_of_cut, "{strict}");
        let skipping = read(&lenient(), format!("{OK}\n{line}\n{OK}").as_bytes());
        assert_eq!(skipping.unwrap(), ["x/1/y", "x/1/y"]);
    }
    assert_eq!(
        read(&lenient(), b"{\"a\":\"\xff\"}\n").unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn lines_that_are_no_single_object() {
    check(
        &format!("{OK}\n\n{OK}"),
        Ok(&["x/1/y", "x/1/y"]),
        &["x/1/y", "x/1/y"],
    );
    check(
        &format!("[{OK}, {OK}]"),
        Ok(&["x/1/y", "x/1/y"]),
        &["x/1/y", "x/1/y"],
    );
    check(&format!("{OK}{OK}"), Ok(&["x/1/y"]), &["x/1/y"]);
    check(&format!("{OK} xx"), Ok(&["x/1/y"]), &["x/1/y"]);
}

#[test]
fn a_missing_field_may_be_an_error() {
    let options = JsonOptions {
        fail_on_missing_field: true,
        ..JsonOptions::default()
    };
    assert_eq!(
        read(&options, br#"{"a":"x"}"#),
        Err("byte 0: the field 'b' is missing: '{\"a\":\"x\"}'".to_owned())
    );
}

#[test]
fn a_line_is_complete_with_its_end() {
    let format = JsonFormat::new(lenient(), schema(&[("a", "STRING")]));
    let mut decoder = format.decoder(&[0]).unwrap();
    let data = b"{\"a\":\"1\"}\n{\"a\":\"2\"}";
    let decoded = decoder.decode(data, false, 10).unwrap();
    assert_eq!(
        (rows(&decoded), decoded.n_bytes),
        (vec!["1".to_owned()], 10)
    );
    let decoded = decoder.decode(&data[10..], true, 10).unwrap();
    assert_eq!((rows(&decoded), decoded.n_bytes), (vec!["2".to_owned()], 9));
}

fn read_value(flink_type: &str, value: &str, options: JsonOptions) -> String {
    let format = JsonFormat::new(options, schema(&[("v", flink_type)]));
    let line = format!("{{\"v\":{value}}}\n");
    rows(
        &format
            .decoder(&[0])
            .unwrap()
            .decode(line.as_bytes(), true, 10)
            .unwrap(),
    )
    .join(" ")
}

#[test]
fn values() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "STRING",
            &[
                ("1.50", "1.50"),
                ("1e5", "1e5"),
                (r#"[1,"a"]"#, r#"[1,"a"]"#),
                ("true", "true"),
            ],
        ),
        (
            "BOOLEAN",
            &[
                ("true", "true"),
                (r#""TRUE""#, "true"),
                ("1", "false"),
                (r#""yes""#, "false"),
                ("null", "NULL"),
            ],
        ),
        (
            "BIGINT",
            &[
                ("1", "1"),
                (r#"" 5""#, "5"),
                ("1.9", "1"),
                ("1e3", "1000"),
                (r#""1.0""#, "NULL"),
                ("true", "NULL"),
                ("9223372036854775808", "NULL"),
            ],
        ),
        ("TINYINT", &[("300", "NULL"), ("1.5", "NULL"), ("-7", "-7")]),
        (
            "DOUBLE",
            &[
                ("1", "1.0"),
                (r#""1.5""#, "1.5"),
                (r#""NaN""#, "NaN"),
                ("1e400", "inf"),
                ("true", "NULL"),
            ],
        ),
        (
            "DECIMAL(5, 2)",
            &[
                ("1.005", "1.01"),
                (r#"" 1""#, "1.00"),
                (r#""1e2""#, "100.00"),
                ("12345", "NULL"),
            ],
        ),
        (
            "DATE",
            &[
                (r#""2020-01-02""#, "2020-01-02"),
                (r#""2020-1-2""#, "NULL"),
                ("18000", "NULL"),
                (r#""2020-02-30""#, "NULL"),
            ],
        ),
        (
            "TIME",
            &[
                (r#""10:11:12""#, "10:11:12"),
                (r#""10:11""#, "NULL"),
                (r#""10:11:12Z""#, "NULL"),
            ],
        ),
        (
            "TIMESTAMP(3)",
            &[
                (r#""2020-01-02 03:04:05.5""#, "2020-01-02T03:04:05.500"),
                (r#""2020-01-02T03:04:05""#, "NULL"),
                (r#"" 2020-01-02 03:04:05""#, "NULL"),
            ],
        ),
        (
            "TIMESTAMP_LTZ(3)",
            &[
                (r#""2020-01-02 03:04:05Z""#, "2020-01-02T03:04:05Z"),
                (r#""2020-01-02 03:04:05""#, "NULL"),
            ],
        ),
        ("BYTES", &[(r#""QUI=""#, "4142")]),
        (
            "ARRAY<INT>",
            &[
                (r#"[1,"2",null,"x"]"#, "[1, 2, NULL, NULL]"),
                ("[]", "[]"),
                ("1", "NULL"),
                ("{}", "NULL"),
            ],
        ),
        (
            "MAP<STRING, INT>",
            &[
                (r#"{"a":1,"b":null,"c":"x"}"#, "{a: 1, b: NULL, c: NULL}"),
                ("[]", "NULL"),
            ],
        ),
        (
            "ROW<x INT, y ROW<z STRING>>",
            &[
                (r#"{"x":1,"y":{"z":"q"}}"#, "{x: 1, y: {z: q}}"),
                (r#"{"x":1}"#, "{x: 1, y: NULL}"),
                ("[1]", "NULL"),
            ],
        ),
        ("MULTISET<STRING>", &[(r#"{"a":1}"#, "{a: 1}")]),
    ];
    for (flink_type, cases) in cases {
        for (value, expected) in *cases {
            assert_eq!(
                read_value(flink_type, value, lenient()),
                *expected,
                "{flink_type} {value}"
            );
        }
    }
    let iso = JsonOptions {
        timestamps: TimestampFormat::Iso8601,
        ..lenient()
    };
    let read = |value| read_value("TIMESTAMP(3)", value, iso.clone());
    assert_eq!(read(r#""2020-01-02T03:04:05""#), "2020-01-02T03:04:05");
    assert_eq!(read(r#""2020-01-02 03:04:05""#), "NULL");
    let error = JsonFormat::new(lenient(), schema(&[("m", "MAP<INT, INT>")]))
        .decoder(&[0])
        .err();
    let expected = "type MAP<INT, INT> of column 'm' in format 'json' (keys are texts in JSON) \
                    is not supported yet";
    assert_eq!(error.unwrap().to_string(), expected);
}

fn written(options: JsonOptions, columns: &[(&str, &str)], line: &str) -> String {
    let schema = schema(columns);
    let projection: Vec<usize> = (0..schema.fields().len()).collect();
    let format = JsonFormat::new(options, schema);
    let decoded = format
        .decoder(&projection)
        .unwrap()
        .decode(line.as_bytes(), true, 9)
        .unwrap();
    let mut out = Vec::new();
    format
        .encoder()
        .unwrap()
        .encode(&decoded.batch, &mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

// Source: written by Flink 2.3.0 from the same values.
#[test]
fn what_is_written() {
    let columns = [
        ("a", "STRING"),
        ("c", "DOUBLE"),
        ("d", "DECIMAL(10, 2)"),
        ("e", "BOOLEAN"),
        ("f", "TIMESTAMP(3)"),
        ("g", "DATE"),
        ("h", "TIME"),
        ("i", "BYTES"),
        ("j", "FLOAT"),
        ("k", "TIMESTAMP_LTZ(3)"),
        ("l", "ARRAY<INT>"),
        ("m", "MAP<STRING, INT>"),
        ("r", "ROW<x INT>"),
    ];
    let line = concat!(
        r#"{"a":"q\"r\\ \n\t/中\uD83D\uDE00\u0001","c":1.0E10,"d":1.5,"e":true,"#,
        r#""f":"2020-01-02 03:04:00.5","g":"2020-01-02","h":"10:11:12","i":"QUI=","j":1.1,"#,
        r#""k":"2020-01-02 03:04:00Z","l":[1,null],"m":{"a":1,"b":2},"r":{"x":1}}"#,
        "\n"
    );
    assert_eq!(written(JsonOptions::default(), &columns, line), line);
    let nulls = JsonOptions {
        ignore_null_fields: true,
        ..JsonOptions::default()
    };
    assert_eq!(
        written(nulls, &columns[..3], "{\"a\":\"x\"}\n"),
        "{\"a\":\"x\"}\n"
    );
    let decimals = [("a", "DECIMAL(30, 10)"), ("b", "DECIMAL(20, 0)")];
    let text = r#"{"a":0.00000001,"b":100000}"#;
    let scientific = written(JsonOptions::default(), &decimals, text);
    assert_eq!(scientific, "{\"a\":1E-8,\"b\":1E+5}\n");
    let plain = JsonOptions {
        plain_decimals: true,
        ..JsonOptions::default()
    };
    assert_eq!(
        written(plain, &decimals, text),
        "{\"a\":0.0000000100,\"b\":100000}\n"
    );
    let no_number = JsonFormat::new(JsonOptions::default(), schema(&[("v", "DOUBLE")]));
    let decoded = no_number
        .decoder(&[0])
        .unwrap()
        .decode(b"{\"v\":\"NaN\"}", true, 1)
        .unwrap();
    let mut out = Vec::new();
    no_number
        .encoder()
        .unwrap()
        .encode(&decoded.batch, &mut out)
        .unwrap();
    assert_eq!(out, b"{\"v\":\"NaN\"}\n");
    assert_eq!(
        decoded.batch.schema().field(0).data_type(),
        &DataType::Float64
    );
}
