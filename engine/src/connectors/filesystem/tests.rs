//! Files in temporary folders, read as tables.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;
use crate::connectors::SourcePoll;

pub(super) fn table(folder: &Path, options: &[(&str, &str)]) -> ConnectorTable {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    all.insert("connector".to_owned(), "filesystem".to_owned());
    all.insert("path".to_owned(), folder.to_string_lossy().into_owned());
    all.insert("format".to_owned(), "csv".to_owned());
    for (key, value) in options {
        all.insert((*key).to_owned(), (*value).to_owned());
    }
    ConnectorTable {
        name: "t".to_owned(),
        schema: Arc::new(Schema::new(vec![
            Field::new("k", DataType::Utf8, true),
            Field::new("v", DataType::Int64, true),
        ])),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: all,
        time_zone: "UTC".to_owned(),
    }
}

fn open(folder: &Path, options: &[(&str, &str)], parallelism: usize) -> Vec<Box<dyn SourceReader>> {
    let source = FilesystemFactory.source(&table(folder, options)).unwrap();
    source.open(&[0, 1], parallelism).unwrap()
}

fn rows(poll: &SourcePoll) -> Vec<String> {
    let SourcePoll::Rows(delta) = poll else {
        return Vec::new();
    };
    let keys = delta.batch().column(0).as_string::<i32>();
    let values = delta.batch().column(1).as_primitive::<Int64Type>();
    keys.iter()
        .zip(values)
        .map(|(key, value)| {
            format!(
                "{}={}",
                key.unwrap_or("NULL"),
                value.map_or("NULL".to_owned(), |v| v.to_string())
            )
        })
        .collect()
}

fn drain(reader: &mut dyn SourceReader, max_rows: usize) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let poll = reader.poll(max_rows).unwrap();
        if !matches!(poll, SourcePoll::Rows(_)) {
            return all;
        }
        all.extend(rows(&poll));
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn files_are_read_in_the_order_of_their_paths_without_hidden_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("b.csv"), "b,1\nb,2");
    write(&at("a.csv"), "\u{feff}a,1\n");
    write(&at("sub/c.csv"), "c,1\n");
    for hidden in [".x.csv", "_y.csv", "_tmp/z.csv"] {
        write(&at(hidden), "hidden,1\n");
    }
    let mut readers = open(folder.path(), &[], 1);
    assert_eq!(
        drain(readers[0].as_mut(), 100),
        ["a=1", "b=1", "b=2", "c=1"]
    );
    let pattern = [("source.path.regex-pattern", ".*/b.*")];
    assert_eq!(
        drain(open(folder.path(), &pattern, 1)[0].as_mut(), 100),
        ["b=1", "b=2"]
    );
    let uri = format!("file://{}", at("sub").display());
    assert_eq!(
        drain(open(Path::new(&uri), &[], 1)[0].as_mut(), 100),
        ["c=1"]
    );
    // Several readers share the files.
    let mut all: Vec<String> = Vec::new();
    for reader in &mut open(folder.path(), &[], 2) {
        all.extend(drain(reader.as_mut(), 1));
    }
    all.sort();
    assert_eq!(all, ["a=1", "b=1", "b=2", "c=1"]);
}

#[test]
fn seeking_in_the_middle_reads_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..50_000).map(|at| format!("k{at},{at}\n")).collect();
    write(&folder.path().join("a.csv"), &text);
    write(&folder.path().join("b.csv"), "\"two\nlines\",1\nlast,2");
    let mut reader = open(folder.path(), &[], 1).remove(0);
    let mut first = Vec::new();
    for _ in 0..7 {
        first.extend(rows(&reader.poll(3_333).unwrap()));
    }
    let position = reader.position();
    let rest = drain(reader.as_mut(), 1000);
    let mut again = open(folder.path(), &[], 1).remove(0);
    again.seek(&position).unwrap();
    assert_eq!(drain(again.as_mut(), 777), rest);
    assert_eq!(first.len() + rest.len(), 50_002);
    assert_eq!(rest.last().unwrap(), "last=2");
    assert!(matches!(again.poll(1).unwrap(), SourcePoll::End));
    fs::remove_file(folder.path().join("b.csv")).unwrap();
    let error = listing::merged(&[position], false).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("b.csv' was being read and is gone")
    );
}

#[test]
fn a_watched_folder_gives_new_files_and_what_files_grow_by() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    write(&a, "a,1\na,");
    let watch = [("source.monitor-interval", "1 ms")];
    let mut reader = open(folder.path(), &watch, 1).remove(0);
    let mut settle = || {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.extend(drain(reader.as_mut(), 100));
            std::thread::sleep(Duration::from_millis(2));
        }
        all
    };
    assert_eq!(settle(), ["a=1"]);
    // The line is complete only with its end.
    append(&a, "2");
    assert!(settle().is_empty());
    append(&a, "3\na,4\n");
    write(&b, "b,1\n\"open");
    assert_eq!(settle(), ["a=23", "a=4", "b=1"]);
    append(&b, "\nclosed\",2\n");
    assert_eq!(settle(), ["open\nclosed=2"]);
    // A file that was cut is read anew.
    write(&a, "c,1\n");
    assert_eq!(settle(), ["c=1"]);
    // So is another file under the same name.
    write(&folder.path().join(".new"), "d,1\nd,2\nd,3\nd,4\nd,5\n");
    fs::rename(folder.path().join(".new"), &a).unwrap();
    assert_eq!(settle(), ["d=1", "d=2", "d=3", "d=4", "d=5"]);
}

#[test]
fn a_broken_record_names_file_line_column_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    write(&path, &format!("{}x,many\n", "a,1\n".repeat(200_000)));
    let mut reader = open(folder.path(), &[], 1).remove(0);
    let error = loop {
        match reader.poll(10_000) {
            Ok(poll) => assert!(matches!(poll, SourcePoll::Rows(_))),
            Err(error) => break error.to_string(),
        }
    };
    let expected = format!(
        "file '{}', line 200001, column 'v': the text cannot be read as BIGINT: 'many'",
        path.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn what_is_wrong_with_the_options_is_said() {
    let error = |folder: &str, options: &[(&str, &str)]| {
        FilesystemFactory
            .source(&table(Path::new(folder), options))
            .unwrap_err()
            .to_string()
    };
    assert!(
        error("/x", &[("format", "xml")])
            .contains("unknown format 'xml' of option 'format'; formats that exist: canal-json, csv, debezium-json, json, maxwell-json, ogg-json, \
             parquet, raw")
    );
    assert!(
        error("/x", &[("csv.ignore-parse-error", "true")])
            .contains("did you mean 'csv.ignore-parse-errors' with 'csv.ignore-parse-error'?")
    );
    assert_eq!(
        error("/x", &[("csv.field-delimiter", "||")]),
        "table 't': invalid value '||' for option 'csv.field-delimiter': expected one ASCII character"
    );
    assert_eq!(
        error("hdfs://x/y", &[]),
        "file system scheme 'hdfs' in option 'path' is not supported yet"
    );
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.csv.gz"), "x");
    let error = open(folder.path(), &[], 1)[0]
        .poll(1)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("reading the compressed file"));
    let source = FilesystemFactory
        .source(&table(Path::new("/does/not/exist"), &[]))
        .unwrap();
    let error = source.open(&[0], 1).err().unwrap().to_string();
    assert!(error.starts_with("connector 'filesystem': '/does/not/exist': No such file"));
}

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use crate::data::Delta;

fn delta(table: &ConnectorTable, rows: &[(Option<&str>, i64)]) -> Delta {
    let keys: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    let schema = Arc::clone(&table.schema);
    Delta::insert_only(RecordBatch::try_new(schema, vec![keys, values]).unwrap())
}

fn visible(folder: &Path) -> Vec<String> {
    let location = Location {
        root: folder.to_owned(),
        pattern: None,
        is_partitioned: false,
    };
    let names = location.list().unwrap().into_iter().map(|file| {
        let path = file
            .path
            .strip_prefix(folder)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        path.rsplit_once("part-").unwrap().0.to_owned()
    });
    names.collect()
}

#[test]
fn a_part_file_is_visible_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), &[("sink.rolling-policy.file-size", "8 b")]);
    let factory = FilesystemFactory.sink(&table).unwrap();
    assert!(factory.changelog_mode(ChangelogMode::ALL).is_insert_only());
    let mut sink = factory.create().unwrap();
    sink.write(&delta(&table, &[(Some("a"), 1)])).unwrap();
    sink.on_step_end().unwrap();
    assert!(visible(folder.path()).is_empty());
    sink.write(&delta(&table, &[(Some("b,c"), 2)])).unwrap();
    sink.on_step_end().unwrap();
    assert_eq!(visible(folder.path()).len(), 1);
    sink.write(&delta(&table, &[(None, 3)])).unwrap();
    sink.finish().unwrap();
    assert_eq!(visible(folder.path()).len(), 2);
    let mut read = drain(open(folder.path(), &[], 1)[0].as_mut(), 10);
    read.sort();
    assert_eq!(read, ["=3", "a=1", "b,c=2"]);
    // A job that fails leaves nothing.
    let mut failing = factory.create().unwrap();
    failing.write(&delta(&table, &[(Some("x"), 1)])).unwrap();
    drop(failing);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn partition_columns_stand_in_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["csv", "json", "parquet"] {
        let root = folder.path().join(format);
        let mut table = table(&root, &[("format", format)]);
        table.partition_keys = vec!["k".to_owned()];
        let mut sink = FilesystemFactory.sink(&table).unwrap().create().unwrap();
        let rows = [(Some("x"), 1), (Some("y/=z"), 2), (None, 3), (Some("x"), 4)];
        sink.write(&delta(&table, &rows)).unwrap();
        sink.finish().unwrap();
        let folders = ["k=__DEFAULT_PARTITION__/", "k=x/", "k=y%2F%3Dz/"];
        assert_eq!(visible(&root), folders);
        let source = FilesystemFactory.source(&table).unwrap();
        let mut reader = source.open(&[0, 1], 1).unwrap().remove(0);
        assert_eq!(
            drain(reader.as_mut(), 10),
            ["NULL=3", "x=1", "x=4", "y/=z=2"]
        );
        let mut keys = source.open(&[0], 1).unwrap().remove(0);
        let SourcePoll::Rows(first) = keys.poll(10).unwrap() else {
            panic!("one row");
        };
        assert_eq!((first.num_rows(), first.batch().num_columns()), (1, 1));
    }
}

#[test]
fn a_partition_is_committed_when_the_watermark_has_passed_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = table(
        folder.path(),
        &[
            ("sink.partition-commit.trigger", "partition-time"),
            ("sink.partition-commit.policy.kind", "success-file"),
        ],
    );
    table.partition_keys = vec!["k".to_owned()];
    let is_committed = |day: &str| folder.path().join(day).join("_SUCCESS").exists();
    let (first, second) = ("k=1970-01-01", "k=1970-01-02");
    let rows = [(Some("1970-01-01"), 1), (Some("1970-01-02"), 2)];
    let factory = FilesystemFactory.sink(&table).unwrap();
    let mut sink = factory.create().unwrap();
    sink.write(&delta(&table, &rows)).unwrap();
    sink.on_watermark(1);
    sink.on_step_end().unwrap();
    assert_eq!(visible(folder.path()), ["k=1970-01-01/"]);
    assert!(is_committed(first) && !is_committed(second));
    // Stopped, the job leaves the second one open; at the end of its input it does not.
    sink.finish().unwrap();
    assert!(!is_committed(second));
    let mut sink = factory.create().unwrap();
    sink.write(&delta(&table, &rows[1..])).unwrap();
    sink.on_watermark(i64::MAX);
    sink.finish().unwrap();
    assert!(is_committed(second));
}

#[test]
fn with_checkpoints_a_partition_is_committed_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = table(
        folder.path(),
        &[("sink.partition-commit.policy.kind", "success-file")],
    );
    table.partition_keys = vec!["k".to_owned()];
    let factory = FilesystemFactory.sink(&table).unwrap();
    let mut sink = factory.create().unwrap();
    sink.expect_checkpoints();
    sink.write(&delta(&table, &[(Some("x"), 1)])).unwrap();
    sink.on_step_end().unwrap();
    let saved = sink.prepare(1).unwrap();
    let success = folder.path().join("k=x/_SUCCESS");
    assert!(visible(folder.path()).is_empty() && !success.exists());
    // The process dies; what it promised is kept by the one that goes on.
    std::mem::forget(sink);
    let mut sink = factory.create().unwrap();
    sink.expect_checkpoints();
    sink.restore(saved).unwrap();
    assert_eq!(visible(folder.path()), ["k=x/"]);
    sink.prepare(2).unwrap();
    sink.commit(2).unwrap();
    assert!(success.exists());
}

#[test]
fn parquet_is_read_by_name_from_a_position() {
    let folder = tempfile::tempdir().unwrap();
    let options = [("format", "parquet"), ("parquet.compression", "zstd")];
    let table = table(folder.path(), &options);
    let mut sink = FilesystemFactory.sink(&table).unwrap().create().unwrap();
    let rows: Vec<(Option<&str>, i64)> = (0..1000).map(|at| (Some("k"), at)).collect();
    sink.write(&delta(&table, &rows)).unwrap();
    sink.finish().unwrap();
    let mut reader = open(folder.path(), &options, 1).remove(0);
    assert_eq!(rows_of(reader.as_mut(), 300), 300);
    let position = reader.position();
    let mut again = open(folder.path(), &options, 1).remove(0);
    again.seek(&position).unwrap();
    assert_eq!(drain(again.as_mut(), 300).len(), 700);
    // Another order and an additional column.
    let mut other = table.clone();
    other.schema = Arc::new(Schema::new(vec![
        Field::new("new", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
    ]));
    let source = FilesystemFactory.source(&other).unwrap();
    let mut reader = source.open(&[0, 1], 1).unwrap().remove(0);
    assert_eq!(drain(reader.as_mut(), 2000)[7], "NULL=7");
    let hint = FilesystemFactory.sink(&self::table(
        folder.path(),
        &[("format", "parquet"), ("parquet.compression", "lzma")],
    ));
    assert!(
        hint.unwrap_err()
            .to_string()
            .contains("expected SNAPPY, ZSTD or UNCOMPRESSED")
    );
}

fn rows_of(reader: &mut dyn SourceReader, max_rows: usize) -> usize {
    rows(&reader.poll(max_rows).unwrap()).len()
}
