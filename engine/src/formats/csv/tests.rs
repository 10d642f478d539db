//! Each case was run on Flink 2.3.0 with the same bytes; where we differ, a comment says so.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{CsvFormat, CsvOptions};
use crate::formats::{DecodeFormat, Decoded};

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Int32, true),
        Field::new("c", DataType::Utf8, true),
    ]))
}

fn lenient() -> CsvOptions {
    CsvOptions {
        ignore_parse_errors: true,
        ..CsvOptions::default()
    }
}

fn rows(decoded: &Decoded) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = decoded
        .batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..decoded.batch.num_rows())
        .map(|row_idx| {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| column.value(row_idx).to_string())
                .collect();
            cells.join("/")
        })
        .collect()
}

fn read(options: &CsvOptions, data: &[u8]) -> Result<Vec<String>, String> {
    let format = CsvFormat::new(options.clone(), schema());
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
    check_bytes(data.as_bytes(), strict, skipping);
}

#[track_caller]
fn check_bytes(data: &[u8], strict: Result<&[&str], &str>, skipping: &[&str]) {
    let expected = strict
        .map(|rows| rows.iter().map(ToString::to_string).collect::<Vec<_>>())
        .map_err(ToOwned::to_owned);
    assert_eq!(read(&CsvOptions::default(), data), expected, "strict");
    assert_eq!(read(&lenient(), data).unwrap(), skipping, "skipping");
    // The same, given byte by byte.
    let format = CsvFormat::new(lenient(), schema());
    let mut decoder = format.decoder(&[0, 1, 2]).unwrap();
    let (mut start, mut got) = (0, Vec::new());
    for end in 0..=data.len() {
        loop {
            let decoded = decoder
                .decode(&data[start..end], end == data.len(), 1)
                .unwrap();
            got.extend(rows(&decoded));
            start += decoded.n_bytes;
            if decoded.n_bytes == 0 {
                break;
            }
        }
    }
    assert_eq!(got, skipping, "byte by byte");
    assert_eq!(start, data.len());
}

const FEWER: &str = "the record has fewer fields than the table has columns: ''";

#[test]
fn too_few_fields_are_null() {
    let error = format!("byte 6, column 'c': {FEWER}");
    check(
        "x,1,y\na,2\nx,1,y\n",
        Err(&error),
        &["x/1/y", "a/2/NULL", "x/1/y"],
    );
    let error = format!("byte 0, column 'b': {FEWER}");
    check("a\nx,1,y\n", Err(&error), &["a/NULL/NULL", "x/1/y"]);
}

#[test]
fn an_empty_line_is_one_empty_field() {
    let error = format!("byte 6, column 'b': {FEWER}");
    check(
        "x,1,y\n\n  \nx,1,y",
        Err(&error),
        &["x/1/y", "/NULL/NULL", "  /NULL/NULL", "x/1/y"],
    );
    check(
        "x,1,y\r\n\r\nb,3,d\r\n",
        Err("byte 7, column 'b': the record has fewer fields than the table has columns: ''"),
        &["x/1/y", "/NULL/NULL", "b/3/d"],
    );
}

#[test]
fn too_many_fields_break_the_line() {
    let error = "byte 6: the record has more fields than the table has columns: 'a,2,c,d'";
    check("x,1,y\na,2,c,d\nx,1,y\n", Err(error), &["x/1/y", "x/1/y"]);
    check(
        "a,2,c,d,e,f\nb,3,k\n",
        Err("byte 0: the record has more fields than the table has columns: 'a,2,c,d,e,f'"),
        &["b/3/k"],
    );
    check(
        "a,2,c,,\n",
        Err("byte 0: the record has more fields than the table has columns: 'a,2,c,,'"),
        &[],
    );
    // One blank field too many is a trailing delimiter.
    for line in ["a,2,c,\n", "a,2,c,\"\"\n", "a,2,c,  \n"] {
        check(line, Ok(&["a/2/c"]), &["a/2/c"]);
    }
}

#[test]
fn a_broken_number_is_null() {
    let message = "the text cannot be read as INT";
    for (text, value) in [
        ("zz", None),
        ("", None),
        ("1.0", None),
        ("99999999999", None),
    ] {
        assert_eq!(value, None::<i32>);
        let error = format!("byte 0, column 'b': {message}: '{text}'");
        check(&format!("a,{text},c\n"), Err(&error), &["a/NULL/c"]);
    }
    for (text, value) in [(" 7 ", "7"), ("+7", "7"), ("-2147483648", "-2147483648")] {
        let row = format!("a/{value}/c");
        check(&format!("a,{text},c\n"), Ok(&[&row]), &[&row]);
    }
}

#[test]
fn line_ends_and_the_end_of_the_file() {
    check(
        "x,1,y\ra,2,c\rb,3,d",
        Ok(&["x/1/y", "a/2/c", "b/3/d"]),
        &["x/1/y", "a/2/c", "b/3/d"],
    );
    check("a,2,c", Ok(&["a/2/c"]), &["a/2/c"]);
    check("a,2,", Ok(&["a/2/"]), &["a/2/"]);
    check("", Ok(&[]), &[]);
}

#[test]
fn quotes() {
    let rows: &[&str] = &["x/1/y", "a \"q\" b/2/c,c", "l1\nl2/3/z"];
    check(
        "\"x\",1,\"y\"\n\"a \"\"q\"\" b\",2,\"c,c\"\n\"l1\nl2\",\"3\",\"z\"\n",
        Ok(rows),
        rows,
    );
    let rows: &[&str] = &[
        "a\"b/1/y",
        "a\"b\"c/2/z",
        " \"abc\"/2/c",
        "abc/2/c",
        "a\r\nb/1/y",
    ];
    check(
        "a\"b,1,y\na\"b\"c,2,\"z\"\n \"abc\",2,c\n\"abc\" ,2,c\n\"a\r\nb\",1,y\n",
        Ok(rows),
        rows,
    );
}

#[test]
fn text_after_a_quote_breaks_the_line() {
    let message = "a closing quote is followed by neither a delimiter nor a line end";
    let error = format!("byte 6: {message}: '\"abc\"d,2,c'");
    check(
        "x,1,y\n\"abc\"d,2,c\nx,1,y\n",
        Err(&error),
        &["x/1/y", "x/1/y"],
    );
    let error = format!("byte 0: {message}: '\"abc\"de\"f,g\",2,c'");
    check("\"abc\"de\"f,g\",2,c\nx,1,y\n", Err(&error), &["x/1/y"]);
}

#[test]
fn an_unclosed_quote_takes_the_rest_of_the_file() {
    let message = "byte 6: a quoted field is not closed";
    for line in ["\"abc,2,c", "abc,2,\"c"] {
        let error = format!("{message}: '{line}'");
        check(
            &format!("x,1,y\n{line}\nd,3,e\nf,4,g\n"),
            Err(&error),
            &["x/1/y"],
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_break_the_line() {
    // Flink fails the job in both modes.
    check_bytes(
        b"x,1,y\n\xff\xfe\x00,2,c\nb,3,d\n\x80abc\xc3,2,c\nx,1,y\n",
        Err("byte 6: the record is not UTF-8: '\u{fffd}\u{fffd}\0,2,c'"),
        &["x/1/y", "b/3/d", "x/1/y"],
    );
    check("a\0b,2,中\n", Ok(&["a\0b/2/中"]), &["a\0b/2/中"]);
}

#[track_caller]
fn check_options(options: CsvOptions, data: &str, expected: &[&str]) {
    assert_eq!(read(&options, data.as_bytes()).unwrap(), expected);
}

#[test]
fn options() {
    let strict = CsvOptions::default;
    let comments = CsvOptions {
        allow_comments: true,
        ..strict()
    };
    check_options(
        comments,
        "x,1,y\n\n  #z\n#\n \n x,2,y\n#",
        &["x/1/y", "x/2/y"],
    );
    check_options(strict(), "#hi,1,y\n", &["#hi/1/y"]);
    let null = CsvOptions {
        null_literal: Some("n/a".to_owned()),
        ..strict()
    };
    check_options(
        null,
        "n/a,1,y\n\"n/a\",2,\nx,n/a,n/a\n",
        &["NULL/1/y", "NULL/2/", "x/NULL/NULL"],
    );
    let null = CsvOptions {
        null_literal: Some(String::new()),
        ..strict()
    };
    check_options(
        null,
        "a,,\n,2,y\n\"\",2,\"\"\n",
        &["a/NULL/NULL", "NULL/2/y", "NULL/2/NULL"],
    );
    let escape = CsvOptions {
        escape: Some(b'\\'),
        ..strict()
    };
    check_options(
        escape,
        "a\\,b,1,y\\\\z\n\"q\\\"r\",2,\\nx\n",
        &["a,b/1/y\\z", "q\"r/2/\nx"],
    );
    let no_quotes = CsvOptions {
        quote: None,
        ..strict()
    };
    check_options(no_quotes, "\"a\",1,y\n\"b,2,z\n", &["\"a\"/1/y", "\"b/2/z"]);
    let trim = CsvOptions {
        trim_spaces: true,
        ..strict()
    };
    check_options(
        trim,
        " a , 1 , y \n\" q \" ,2,z\n ,1, \n",
        &["a/1/y", " q /2/z", "/1/"],
    );
    let tab = CsvOptions {
        delimiter: b'\t',
        ..strict()
    };
    check_options(tab, "x\t1\ty\n", &["x/1/y"]);
}

fn read_value(data_type: &DataType, text: &str) -> String {
    let schema = Arc::new(Schema::new(vec![
        Field::new("i", DataType::Int32, true),
        Field::new("v", data_type.clone(), true),
    ]));
    let options = CsvOptions {
        delimiter: b'|',
        ..lenient()
    };
    let mut decoder = CsvFormat::new(options, schema).decoder(&[1]).unwrap();
    let line = format!("1|{text}\n");
    rows(&decoder.decode(line.as_bytes(), true, 10).unwrap()).join(" ")
}

#[test]
fn values() {
    use arrow::datatypes::TimeUnit::{Microsecond, Millisecond};
    let ltz = DataType::Timestamp(Millisecond, Some("UTC".into()));
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    let row = DataType::Struct(
        vec![
            Field::new("x", DataType::Int32, true),
            Field::new("y", DataType::Utf8, true),
        ]
        .into(),
    );
    let cases: &[(DataType, &[(&str, &str)])] = &[
        (
            DataType::Boolean,
            &[
                ("TRUE", "true"),
                ("1", "false"),
                ("", "false"),
                (" true ", "true"),
            ],
        ),
        (
            DataType::Int64,
            &[
                ("9223372036854775808", "NULL"),
                ("-9223372036854775808", "-9223372036854775808"),
                ("12L", "NULL"),
                ("-0", "0"),
            ],
        ),
        (DataType::Int8, &[("128", "NULL"), ("-128", "-128")]),
        (
            DataType::Float64,
            &[
                ("1.5d", "1.5"),
                ("NaN", "NaN"),
                ("nan", "NULL"),
                ("-Infinity", "-inf"),
                ("inf", "NULL"),
                ("1e400", "inf"),
                (" .5 ", "0.5"),
                ("5.", "5.0"),
                ("-.5e-3f", "-0.0005"),
            ],
        ),
        (
            DataType::Decimal128(5, 2),
            &[
                ("1.005", "1.01"),
                ("12345", "NULL"),
                ("-123.456", "-123.46"),
                ("1e2", "100.00"),
                (" 1.2", "NULL"),
                ("abc", "NULL"),
                ("0.004", "0.00"),
                ("999.995", "NULL"),
            ],
        ),
        (
            DataType::Date32,
            &[
                ("2020-01-02", "2020-01-02"),
                ("2020-1-2", "2020-01-02"),
                ("2020-02-30", "2020-03-01"),
                ("2020-13-01", "NULL"),
                ("2020-01-32", "NULL"),
                ("2020-01-02 ", "NULL"),
            ],
        ),
        (
            DataType::Time32(Millisecond),
            &[
                ("10:11:12", "10:11:12"),
                ("10:11", "10:11:00"),
                ("25:00:00", "NULL"),
                ("10:11:12.5", "10:11:12.500"),
            ],
        ),
        (
            DataType::Timestamp(Millisecond, None),
            &[
                ("2020-01-02 03:04:05", "2020-01-02T03:04:05"),
                ("2020-01-02T03:04:05", "NULL"),
                ("2020-01-02 03:04:05.123456", "2020-01-02T03:04:05.123"),
                ("2020-01-02 03:04", "NULL"),
                (" 2020-01-02 03:04:05 ", "2020-01-02T03:04:05"),
                ("2020-02-30 03:04:05", "2020-02-29T03:04:05"),
                ("2020-01-02 24:00:00", "2020-01-03T00:00:00"),
                ("2020-01-02 03:04:05.", "2020-01-02T03:04:05"),
            ],
        ),
        (
            DataType::Timestamp(Microsecond, None),
            &[("2020-01-02 03:04:05.1234567", "2020-01-02T03:04:05.123456")],
        ),
        (
            ltz,
            &[
                ("2020-01-02 03:04:05.5Z", "2020-01-02T03:04:05.500Z"),
                ("2020-01-02 03:04:05", "NULL"),
            ],
        ),
        (
            DataType::Binary,
            &[("QUI=", "4142"), ("!!", "NULL"), ("", "")],
        ),
        (
            list(DataType::Int32),
            &[
                ("1;2;3", "[1, 2, 3]"),
                ("", "[]"),
                ("1;x;3", "[1, NULL, 3]"),
            ],
        ),
        (list(DataType::Utf8), &[("a;", "[a, ]")]),
        (
            row,
            &[
                ("1;b", "{x: 1, y: b}"),
                ("1", "{x: 1, y: NULL}"),
                ("x;b;c", "{x: NULL, y: b}"),
            ],
        ),
    ];
    for (data_type, cases) in cases {
        for (text, expected) in *cases {
            assert_eq!(
                read_value(data_type, text),
                *expected,
                "{data_type} {text:?}"
            );
        }
    }
}

#[test]
fn a_null_in_a_not_null_column_skips_the_row() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Int32, false),
    ]));
    let data = b"x,1\ny,\nz,3\n";
    let mut decoder = CsvFormat::new(lenient(), schema).decoder(&[0, 1]).unwrap();
    assert_eq!(
        rows(&decoder.decode(data, true, 10).unwrap()),
        ["x/1", "z/3"]
    );
}
