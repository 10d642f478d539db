//! What a statement that only changes something says when it is done: one quiet line.

/// The line for a statement, from its first words: `table access_log created`.
///
/// Statements without a wording of their own say `done` after their first two words.
#[must_use]
pub(super) fn confirmation(statement: &str) -> String {
    let words = words(statement);
    let mut upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
    upper.truncate(MAX_WORDS);
    let keyword = upper.first().map_or("", String::as_str);
    match keyword {
        "CREATE" => object_line(&words, &upper, "created"),
        "DROP" => object_line(&words, &upper, "dropped"),
        "ALTER" => object_line(&words, &upper, "altered"),
        "USE" => match upper.get(1).map(String::as_str) {
            Some("CATALOG") => format!("current catalog is {}", word(&words, 2)),
            Some("MODULES") => "modules in use".to_owned(),
            _ => format!("current database is {}", word(&words, 1)),
        },
        "SET" => match words.get(1) {
            Some(key) => format!("{} set to {}", unquoted(key), word(&words, 3)),
            None => "done".to_owned(),
        },
        "RESET" => match words.get(1) {
            Some(key) => format!("{} reset", unquoted(key)),
            None => "configuration reset".to_owned(),
        },
        "STOP" => format!("job {} stopped", unquoted(word(&words, 2))),
        _ => format!(
            "{} done",
            words.iter().take(2).cloned().collect::<Vec<_>>().join(" ")
        ),
    }
}

/// What an INSERT or a statement set is called in its status line.
#[must_use]
pub(super) fn insert_subject(statement: &str) -> String {
    let words = words(statement);
    let is = |index: usize, keyword: &str| word(&words, index).eq_ignore_ascii_case(keyword);
    let first = usize::from(is(0, "EXECUTE"));
    if is(first, "STATEMENT") || is(first, "BEGIN") {
        return "STATEMENT SET".to_owned();
    }
    if is(first, "INSERT") && (is(first + 1, "INTO") || is(first + 1, "OVERWRITE")) {
        let name = first + 2 + usize::from(is(first + 2, "TABLE"));
        return format!("INSERT INTO {}", word(&words, name));
    }
    if is(first, "CREATE") {
        let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        return match object(&upper) {
            Some((_, name)) => format!("INSERT INTO {}", word(&words, name)),
            None => "CREATE TABLE".to_owned(),
        };
    }
    words.iter().take(2).cloned().collect::<Vec<_>>().join(" ")
}

/// No name of an object stands behind so many words.
const MAX_WORDS: usize = 12;

/// What can be created, dropped and altered, most words first.
const OBJECTS: [(&[&str], &str); 8] = [
    (&["MATERIALIZED", "TABLE"], "materialized table"),
    (&["TABLE"], "table"),
    (&["VIEW"], "view"),
    (&["FUNCTION"], "function"),
    (&["DATABASE"], "database"),
    (&["CATALOG"], "catalog"),
    (&["CONNECTION"], "connection"),
    (&["MODEL"], "model"),
];

fn object_line(words: &[String], upper: &[String], done: &str) -> String {
    match object(upper) {
        Some((kind, name)) => {
            // The engine does not tell whether there was anything to do: nor may this line.
            let condition = match upper.get(name.saturating_sub(2)..name) {
                Some([r#if, exists]) if r#if == "IF" && exists == "EXISTS" => " if it existed",
                Some([not, exists]) if not == "NOT" && exists == "EXISTS" => " or there already",
                _ => "",
            };
            format!("{kind} {} {done}{condition}", word(words, name))
        }
        None => done.to_owned(),
    }
}

/// The kind of the object, and the index of its name.
fn object(upper: &[String]) -> Option<(&'static str, usize)> {
    for (index, _) in upper.iter().enumerate() {
        for (keywords, kind) in OBJECTS {
            let end = index + keywords.len();
            if upper.get(index..end).is_some_and(|words| words == keywords) {
                let rest = upper.get(end..).unwrap_or_default();
                let guards: [&[&str]; 2] = [&["IF", "NOT", "EXISTS"], &["IF", "EXISTS"]];
                let guard = guards
                    .into_iter()
                    .find(|guard| rest.get(..guard.len()).is_some_and(|words| words == *guard));
                return Some((kind, end + guard.map_or(0, <[&str]>::len)));
            }
        }
    }
    None
}

fn word(words: &[String], index: usize) -> &str {
    words.get(index).map_or("", String::as_str)
}

fn unquoted(word: &str) -> &str {
    word.trim_matches('\'')
}

/// The first words of a statement without comments: names with their dots and without backticks,
/// strings with their quotes, and each other sign for itself.
fn words(statement: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        if words.len() > MAX_WORDS {
            break;
        }
        let (taken, token) = token(rest, first);
        match token {
            Token::Gap => words.extend(take(&mut current)),
            Token::Sign(sign) => {
                words.extend(take(&mut current));
                words.push(sign.to_string());
            }
            Token::Part(text) => current.push_str(text),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    words.extend(take(&mut current));
    words
}

fn take(current: &mut String) -> Option<String> {
    (!current.is_empty()).then(|| std::mem::take(current))
}

enum Token<'a> {
    Gap,
    Sign(char),
    Part(&'a str),
}

/// The first token of `rest`, and how many bytes it takes.
fn token(rest: &str, first: char) -> (usize, Token<'_>) {
    if first.is_whitespace() {
        return (first.len_utf8(), Token::Gap);
    }
    if rest.starts_with("--") {
        return (rest.find('\n').unwrap_or(rest.len()), Token::Gap);
    }
    if rest.starts_with("/*") {
        return (
            rest.find("*/").map_or(rest.len(), |end| end + 2),
            Token::Gap,
        );
    }
    if first == '`' || first == '\'' {
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, character)| *character == first)
            .map_or(rest.len(), |(at, _)| at);
        let taken = (end + 1).min(rest.len());
        let text = if first == '`' {
            rest.get(1..end)
        } else {
            rest.get(..taken)
        };
        return (taken, Token::Part(text.unwrap_or_default()));
    }
    if first == '.' || first == '_' || first == '$' || first.is_alphanumeric() {
        let end = rest
            .find(|c: char| c != '.' && c != '_' && c != '$' && !c.is_alphanumeric())
            .unwrap_or(rest.len());
        return (end, Token::Part(rest.get(..end).unwrap_or_default()));
    }
    (first.len_utf8(), Token::Sign(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_confirmed_in_one_line() {
        for (statement, expected) in [
            (
                "CREATE TABLE access_log (a INT) WITH ('connector'='x')",
                "table access_log created",
            ),
            (
                "-- the log\ncreate temporary table if not exists `my db`.`t` (a INT)",
                "table my db.t created or there already",
            ),
            (
                "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
                "view v created",
            ),
            (
                "CREATE TEMPORARY SYSTEM FUNCTION f AS 'm.f' LANGUAGE PYTHON",
                "function f created",
            ),
            ("DROP TABLE IF EXISTS t", "table t dropped if it existed"),
            ("DROP TABLE t", "table t dropped"),
            ("ALTER TABLE a RENAME TO b", "table a altered"),
            ("USE CATALOG c", "current catalog is c"),
            ("USE db1", "current database is db1"),
            ("SET 'a.b' = '5 s'", "a.b set to '5 s'"),
            ("RESET 'a.b'", "a.b reset"),
            ("RESET", "configuration reset"),
            ("STOP JOB '3'", "job 3 stopped"),
            ("LOAD MODULE hive", "LOAD MODULE done"),
            ("", " done"),
        ] {
            assert_eq!(confirmation(statement), expected, "{statement}");
        }
    }

    #[test]
    fn inserts_are_called_by_their_table() {
        for (statement, expected) in [
            ("INSERT INTO sink SELECT * FROM t", "INSERT INTO sink"),
            (
                "/* x */ insert overwrite `a`.`b`(c) VALUES (1)",
                "INSERT INTO a.b",
            ),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
                "STATEMENT SET",
            ),
            ("EXECUTE INSERT INTO s SELECT 1", "INSERT INTO s"),
            (
                "CREATE TABLE t WITH ('connector' = 'print') AS SELECT 1",
                "INSERT INTO t",
            ),
        ] {
            assert_eq!(insert_subject(statement), expected, "{statement}");
        }
    }
}
