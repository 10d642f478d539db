//! What values, tables and status lines look like, as snapshots.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray,
    Float32Array, Float64Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray,
    MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, Time32MillisecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use expect_test::{Expect, expect};

use super::format::{ValueFormat, cut, visible};
use super::status::{RunState, Status};
use super::table::{Shown, TableOptions, sorted_by_all_columns, table_grid};

/// Each row of `array`, NULL as `∅`.
fn check_values(array: ArrayRef, flink_type: Option<&str>, expect: Expect) {
    let mut field = Field::new("a", array.data_type().clone(), true);
    if let Some(text) = flink_type {
        let metadata = HashMap::from([("flink.type".to_owned(), text.to_owned())]);
        field = field.with_metadata(metadata);
    }
    let format = ValueFormat {
        time_zone: chrono_tz::Asia::Shanghai,
        ..ValueFormat::default()
    };
    let texts: Vec<String> = (0..array.len())
        .map(|row_idx| {
            format
                .text(&array, &field, row_idx)
                .unwrap_or_else(|| "∅".to_owned())
        })
        .collect();
    expect.assert_eq(&texts.join(" | "));
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn provinces() -> RecordBatch {
    batch(vec![
        (
            "province",
            Arc::new(StringArray::from(vec![
                Some("广东省"),
                Some("河北省"),
                None,
            ])) as ArrayRef,
        ),
        ("n", Arc::new(Int64Array::from(vec![120, 7, 33]))),
        (
            "speed",
            Arc::new(Float64Array::from(vec![Some(1.25), None, Some(1e10)])),
        ),
    ])
}

#[test]
fn null_is_not_the_string_null() {
    check_values(
        Arc::new(StringArray::from(vec![Some("NULL"), None, Some("")])),
        None,
        expect!["NULL | ∅ | "],
    );
}

#[test]
fn doubles_read_like_javas() {
    check_values(
        Arc::new(Float64Array::from(vec![
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            0.001,
            0.0001,
            123456.789,
            1e6,
            9999999.0,
            1e7,
            1.25e10,
            1e-5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ])),
        None,
        expect![[
            "0.0 | -0.0 | 1.0 | -1.5 | 0.1 | 0.001 | 1.0E-4 | 123456.789 | 1000000.0 | 9999999.0 | 1.0E7 | 1.25E10 | 1.0E-5 | NaN | Infinity | -Infinity"
        ]],
    );
}

#[test]
fn floats_have_the_digits_of_a_float() {
    check_values(
        Arc::new(Float32Array::from(vec![0.1, 1.1, 3.4e38])),
        None,
        expect!["0.1 | 1.1 | 3.4E38"],
    );
}

#[test]
fn timestamps_have_the_digits_of_their_precision() {
    let millis = vec![Some(1_577_836_800_123), Some(-1), None];
    check_values(
        Arc::new(TimestampMillisecondArray::from(millis.clone())),
        None,
        expect!["2020-01-01 00:00:00.123 | 1969-12-31 23:59:59.999 | ∅"],
    );
    check_values(
        Arc::new(TimestampMillisecondArray::from(millis)),
        Some("TIMESTAMP(0)"),
        expect!["2020-01-01 00:00:00 | 1969-12-31 23:59:59 | ∅"],
    );
    check_values(
        Arc::new(TimestampMicrosecondArray::from(vec![1_577_836_800_123_456])),
        None,
        expect!["2020-01-01 00:00:00.123456"],
    );
}

#[test]
fn local_timestamps_stand_in_the_sessions_zone() {
    check_values(
        Arc::new(TimestampMillisecondArray::from(vec![0]).with_timezone("UTC")),
        None,
        expect!["1970-01-01 08:00:00.000"],
    );
}

#[test]
fn dates_times_and_intervals() {
    check_values(
        Arc::new(Date32Array::from(vec![0, 18_263, -1])),
        None,
        expect!["1970-01-01 | 2020-01-02 | 1969-12-31"],
    );
    check_values(
        Arc::new(Time32MillisecondArray::from(vec![36_672_345])),
        None,
        expect!["10:11:12"],
    );
    check_values(
        Arc::new(Time32MillisecondArray::from(vec![36_672_345])),
        Some("TIME(3)"),
        expect!["10:11:12.345"],
    );
    check_values(
        Arc::new(IntervalYearMonthArray::from(vec![14, -14])),
        None,
        expect!["+1-02 | -1-02"],
    );
    check_values(
        Arc::new(DurationMillisecondArray::from(vec![93_784_005, -1])),
        None,
        expect!["+1 02:03:04.005 | -0 00:00:00.001"],
    );
}

#[test]
fn booleans_bytes_and_decimals() {
    check_values(
        Arc::new(BooleanArray::from(vec![true, false])),
        None,
        expect!["TRUE | FALSE"],
    );
    check_values(
        Arc::new(BinaryArray::from_vec(vec![b"AB", b""])),
        None,
        expect!["x'4142' | x''"],
    );
    check_values(
        Arc::new(
            Decimal128Array::from(vec![12_345, -5])
                .with_precision_and_scale(10, 2)
                .unwrap(),
        ),
        None,
        expect!["123.45 | -0.05"],
    );
}

#[test]
fn nested_values() {
    check_values(
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None, Some(3)]),
            None,
            Some(vec![]),
        ])),
        None,
        expect!["[1, NULL, 3] | ∅ | []"],
    );
    let row = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef,
        ),
    ]);
    check_values(Arc::new(row), None, expect!["(1, x) | (NULL, y)"]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    check_values(Arc::new(map.finish()), None, expect!["{k=NULL}"]);
}

#[test]
fn control_characters_and_direction_marks_are_visible() {
    expect!["a␊b␉␀␡\\u{202e}x"].assert_eq(&visible("a\nb\t\0\u{7f}\u{202e}x"));
}

#[test]
fn long_texts_are_cut_by_display_width() {
    expect!["abcd"].assert_eq(&cut("abcd", 4));
    expect!["abc…"].assert_eq(&cut("abcde", 4));
    expect!["广…"].assert_eq(&cut("广东省", 4));
    expect!["…"].assert_eq(&cut("abc", 0));
}

#[test]
fn plain_text_lines_up_chinese() {
    let grid = table_grid(&provinces(), 3, &TableOptions::default());
    expect![[r"
         province |   n |  speed
        ----------+-----+--------
         广东省   | 120 |   1.25
         河北省   |   7 |   NULL
         NULL     |  33 | 1.0E10"]]
    .assert_eq(&grid.to_plain());
}

#[test]
fn hidden_rows_are_counted() {
    let mut options = TableOptions {
        max_rows: 1,
        ..TableOptions::default()
    };
    expect![[r"
         province |   n | speed
        ----------+-----+-------
         广东省   | 120 |  1.25
         … 1,999 more rows"]]
    .assert_eq(&table_grid(&provinces(), 2_000, &options).to_plain());
    options.shown = Shown::Tail;
    expect![[r"
         province |  n |  speed
        ----------+----+--------
         … 2 earlier rows
         NULL     | 33 | 1.0E10"]]
    .assert_eq(&table_grid(&provinces(), 3, &options).to_plain());
}

#[test]
fn html_escapes_names_and_values() {
    let rows = batch(vec![(
        "<b>\"x\"&y",
        Arc::new(StringArray::from(vec!["<script>alert('1')</script>"])) as ArrayRef,
    )]);
    let html = table_grid(&rows, 1, &TableOptions::default()).to_html();
    assert!(!html.contains("<script"), "{html}");
    assert!(!html.contains("<b>"), "{html}");
    assert!(
        html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
        "{html}"
    );
    assert!(
        html.contains("title=\"&lt;b&gt;&quot;x&quot;&amp;y STRING\""),
        "{html}"
    );
}

#[test]
fn html_needs_no_style_or_script_tags() {
    let html = table_grid(&provinces(), 9, &TableOptions::default()).to_html();
    for tag in ["<style", "<script", "<svg", "class=", "id="] {
        assert!(!html.contains(tag), "{tag} in {html}");
    }
}

#[test]
fn a_grid_keeps_height_and_widths_of_earlier_frames() {
    let mut grid = table_grid(&provinces().slice(0, 1), 1, &TableOptions::default());
    grid.min_rows = 3;
    grid.floor_widths = vec![20];
    assert_eq!(grid.to_html().matches("height:24px;background").count(), 3);
    assert_eq!(grid.widths(), vec![20, 6, 6]);
    assert_eq!(grid.to_plain().lines().count(), 3);
}

#[test]
fn sorting_needs_nothing_but_the_rows() {
    let sorted = sorted_by_all_columns(&provinces()).unwrap();
    expect![[r"
         province |   n |  speed
        ----------+-----+--------
         NULL     |  33 | 1.0E10
         广东省   | 120 |   1.25
         河北省   |   7 |   NULL"]]
    .assert_eq(&table_grid(&sorted, 3, &TableOptions::default()).to_plain());
}

#[test]
fn status_lines() {
    let mut status = Status {
        n_rows: Some(31),
        n_records: Some(1_204_331),
        records_per_second: Some(402_110.4),
        elapsed: Some(Duration::from_millis(3_040)),
        ..Status::new(RunState::Running)
    };
    expect!["● running · 31 rows · 1,204,331 records · 402,000 records/s · 3.0 s"]
        .assert_eq(&status.to_plain());
    status.state = RunState::Finished;
    status.records_per_second = None;
    status.elapsed = None;
    expect!["✔ finished · 31 rows from 1,204,331 records"].assert_eq(&status.to_plain());
    let insert = Status {
        subject: Some("INSERT INTO sink".to_owned()),
        n_records: Some(2_538),
        n_written: Some(0),
        ..Status::new(RunState::Finished)
    };
    expect!["✔ INSERT INTO sink finished · 2,538 records in · 0 out"].assert_eq(&insert.to_plain());
    status.state = RunState::Failed;
    status.n_records = None;
    status.subject = Some("INSERT INTO sink".to_owned());
    status.error = Some("division by <zero>".to_owned());
    expect![[r"
        ✖ INSERT INTO sink failed · 31 rows
        division by <zero>"]]
    .assert_eq(&status.to_plain());
    assert!(status.to_html().contains("division by &lt;zero&gt;"));
}

/// Writes the page that a person looks at when the markup changes; its path is given in
/// `DISPLAY_PREVIEW`.
#[test]
fn preview() {
    let Some(path) = std::env::var_os("DISPLAY_PREVIEW") else {
        return;
    };
    let status = Status {
        n_rows: Some(3),
        n_records: Some(1_204_331),
        records_per_second: Some(402_110.4),
        elapsed: Some(Duration::from_millis(3_040)),
        ..Status::new(RunState::Running)
    };
    let mut grid = table_grid(&provinces(), 34, &TableOptions::default());
    grid.min_rows = 5;
    let mut html = format!("{}{}", status.to_html(), grid.to_html());
    for state in [
        RunState::Finished,
        RunState::Stopped,
        RunState::Failed,
        RunState::Replaced,
    ] {
        let failed = state == RunState::Failed;
        html.push_str("<br>");
        let status = Status {
            n_rows: Some(3),
            n_records: Some(2_000_000),
            error: failed.then(|| "function 'ip_to_province' failed: KeyError".to_owned()),
            ..Status::new(state)
        };
        html.push_str(&status.to_html());
    }
    std::fs::write(path, html).unwrap();
}
