//! Expressions beside recorded answers of Flink 2.3: tables of text under `expressions/`.
//!
//! A line is `expression [@@ FROM clause] => type => value`; the value is the text of a cast to
//! STRING in quotes, `NULL`, or `error` where the value cannot be computed. `=> refused` stands for
//! an expression that cannot be planned. Each line runs in streaming and in batch mode.

use super::*;

/// What a line should give, or gave.
fn answered(session: &Session, expression: &str, from: &str, with_value: bool) -> String {
    let sql = |item: &str| match from {
        "" => format!("SELECT {item} AS r"),
        from => format!("SELECT {item} AS r FROM {from}"),
    };
    let Ok(typed) = session.query(&sql(expression)) else {
        return "refused".to_owned();
    };
    let given = FlinkType::from_field(typed.schema().field(0)).to_string();
    if !with_value {
        return given;
    }
    let text = sql(&format!("CAST({expression} AS STRING)"));
    format!("{given} => {}", value(&run(session, &text)))
}

/// The only value in what [`run`] shows.
fn value(shown: &str) -> String {
    let row = shown.lines().nth(1);
    match row.and_then(|line| line.strip_prefix("+I ")) {
        Some("NULL") => "NULL".to_owned(),
        Some(value) => format!("'{value}'"),
        None => "error".to_owned(),
    }
}

fn check_table(table: &str, with_value: bool) {
    let streaming = session();
    let batch = session();
    batch
        .execute("SET 'execution.runtime-mode' = 'batch'")
        .unwrap();
    let mut n_lines = 0;
    let mut wrong = String::new();
    let is_line = |line: &&str| !line.starts_with('#') && !line.is_empty();
    for line in table.lines().filter(is_line) {
        n_lines += 1;
        let (expression, expected) = line.split_once(" => ").unwrap();
        let (expression, from) = expression.split_once(" @@ ").unwrap_or((expression, ""));
        for (mode, session) in [("streaming", &streaming), ("batch", &batch)] {
            let found = answered(session, expression, from, with_value);
            if found != expected {
                let _ = writeln!(wrong, "{mode}: {line}\n    gives {found}");
            }
        }
    }
    assert!(n_lines > 30, "the table has {n_lines} lines");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn texts() {
    check_table(include_str!("expressions/texts.txt"), true);
}

#[test]
fn numbers() {
    check_table(include_str!("expressions/numbers.txt"), true);
}

#[test]
fn times() {
    check_table(include_str!("expressions/times.txt"), true);
}

#[test]
fn choices() {
    check_table(include_str!("expressions/choices.txt"), true);
}

#[test]
fn types() {
    check_table(include_str!("expressions/types.txt"), false);
}
