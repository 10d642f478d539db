//! What tables demand of the values that are written into them: rows of a source that does not keep
//! to its own types, as Flink writes or refuses them.

use std::fs;

use super::{run, session};

const ROWS: &str = r#"{"s":"abcdef","c":"x","b":"AQIDBA==","r":{"a":"abcdef","b":"x"},"ar":["ab","abcdef"],"m":{"kkkk":"v"},"ri":{"a":null,"b":2},"an":[1,null],"mn":{"k":null}}
{"s":"ab","c":"yyyy","b":"AQI=","r":{"a":"ab","b":"yyyy"},"ar":["ab"],"m":{"kk":"vvv"},"ri":{"a":1,"b":2},"an":[1],"mn":{"k":1}}
{}
"#;

/// What stands in a table with column `x` of `data_type` when `value` of all rows has been written,
/// under `type-length`, `nested-constraint` and `not-null`.
fn written(options: [&str; 3], data_type: &str, value: &str) -> String {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/rows.json"), ROWS).unwrap();
    let table = |name: &str, columns: &str| {
        let with = format!("'connector'='filesystem', 'path'='{path}/{name}', 'format'='json'");
        run(
            &session,
            &format!("CREATE TABLE `{name}` ({columns}) WITH ({with})"),
        );
    };
    table(
        "in",
        "s VARCHAR(3), c CHAR(4), b VARBINARY(2), r ROW<a VARCHAR(3), b CHAR(4)>, \
         ar ARRAY<VARCHAR(3)>, m MAP<VARCHAR(2), CHAR(3)>, ri ROW<a INT, b INT>, an ARRAY<INT>, \
         mn MAP<STRING, INT>",
    );
    table("out", &format!("x {data_type}"));
    for (name, value) in ["type-length", "nested-constraint", "not-null"]
        .iter()
        .zip(options)
    {
        run(
            &session,
            &format!("SET 'table.exec.sink.{name}-enforcer' = '{value}'"),
        );
    }
    run(&session, "SET 'table.dml-sync' = 'true'");
    if let Err(error) = session.execute(&format!("INSERT INTO `out` SELECT {value} FROM `in`")) {
        return error.to_string();
    }
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder.path().join("out")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.join(" ")
}

#[test]
fn lengths_of_columns() {
    let under = |mode, data_type, value| written([mode, "IGNORE", "ERROR"], data_type, value);
    let is_asked = |data_type, value, expected: [&str; 3]| {
        for (mode, expected) in ["IGNORE", "TRIM_PAD", "ERROR"].into_iter().zip(expected) {
            let given = under(mode, data_type, value);
            assert!(given.starts_with(expected), "{mode} {data_type}: {given}");
        }
    };
    is_asked(
        "VARCHAR(3)",
        "s",
        [
            r#"{"x":"abcdef"} {"x":"ab"} {"x":null}"#,
            r#"{"x":"abc"} {"x":"ab"} {"x":null}"#,
            "column 'x' is VARCHAR(3), however, a string of length 6 is being written into it",
        ],
    );
    // What is within bounds is not cast.
    is_asked(
        "VARCHAR(5)",
        "s",
        [
            r#"{"x":"abcdef"} {"x":"ab"} {"x":null}"#,
            r#"{"x":"abcde"} {"x":"ab"} {"x":null}"#,
            "column 'x' is VARCHAR(5), however, a string of length 6",
        ],
    );
    is_asked(
        "CHAR(4)",
        "c",
        [
            r#"{"x":"x"} {"x":"yyyy"} {"x":null}"#,
            r#"{"x":"x   "} {"x":"yyyy"} {"x":null}"#,
            "column 'x' is CHAR(4), however, a string of length 1",
        ],
    );
    is_asked(
        "VARBINARY(2)",
        "b",
        [
            r#"{"x":"AQIDBA=="} {"x":"AQI="} {"x":null}"#,
            r#"{"x":"AQI="} {"x":"AQI="} {"x":null}"#,
            "column 'x' is VARBINARY(2), however, a string of length 4",
        ],
    );
}

#[test]
fn lengths_within() {
    const ROW: &str = "ROW<a VARCHAR(3), b CHAR(4)>";
    let under =
        |lengths, nested, data_type, value| written([lengths, nested, "ERROR"], data_type, value);
    assert_eq!(
        under("TRIM_PAD", "IGNORE", ROW, "r"),
        r#"{"x":{"a":"abcdef","b":"x"}} {"x":{"a":"ab","b":"yyyy"}} {"x":null}"#
    );
    assert_eq!(
        under("TRIM_PAD", "ROWS", ROW, "r"),
        r#"{"x":{"a":"abc","b":"x   "}} {"x":{"a":"ab","b":"yyyy"}} {"x":null}"#
    );
    assert_eq!(
        under("ERROR", "ROWS", "ARRAY<VARCHAR(3)>", "ar"),
        r#"{"x":["ab","abcdef"]} {"x":["ab"]} {"x":null}"#
    );
    for (data_type, value, expected) in [
        (
            ROW,
            "r",
            "column 'x.a' is VARCHAR(3), however, a string of length 6",
        ),
        (
            "ARRAY<VARCHAR(3)>",
            "ar",
            "column 'x[1]' is VARCHAR(3), however, a string of length 6",
        ),
        (
            "MAP<VARCHAR(2), CHAR(3)>",
            "m",
            "column 'x[key]' is VARCHAR(2), however",
        ),
    ] {
        let given = under("ERROR", "ROWS_AND_COLLECTIONS", data_type, value);
        assert!(given.starts_with(expected), "{given}");
    }
    assert!(
        under("TRIM_PAD", "ROWS_AND_COLLECTIONS", "VARCHAR(3)", "s")
            .starts_with("Trimming and/or padding is not supported")
    );
}

#[test]
fn not_null_within() {
    const ROW: &str = "ROW<a INT NOT NULL, b INT>";
    let under =
        |nested, nulls, data_type, value| written(["IGNORE", nested, nulls], data_type, value);
    let cases = [
        (ROW, "ri", r#"{"a":null,"b":2}"#, r#"{"a":1,"b":2}"#, "x.a"),
        ("ARRAY<INT NOT NULL>", "an", "[1,null]", "[1]", "x[1]"),
        (
            "MAP<STRING, INT NOT NULL>",
            "mn",
            r#"{"k":null}"#,
            r#"{"k":1}"#,
            "x[value]",
        ),
    ];
    for (data_type, value, broken, fine, place) in cases {
        let all = format!(r#"{{"x":{broken}}} {{"x":{fine}}} {{"x":null}}"#);
        let kept = format!(r#"{{"x":{fine}}} {{"x":null}}"#);
        for nulls in ["ERROR", "DROP"] {
            assert_eq!(under("IGNORE", nulls, data_type, value), all);
        }
        assert_eq!(
            under("ROWS_AND_COLLECTIONS", "DROP", data_type, value),
            kept
        );
        let refused = format!("column '{place}' is NOT NULL, however, a null value is");
        let given = under("ROWS_AND_COLLECTIONS", "ERROR", data_type, value);
        assert!(given.starts_with(&refused), "{given}");
        let in_rows = if data_type == ROW { kept } else { all };
        assert_eq!(under("ROWS", "DROP", data_type, value), in_rows);
    }
}
