//! Is a notebook cell SQL?
//!
//! The question is put for cells that need not be valid Python, and the answer hangs on the text
//! alone, so that users can learn it:
//!
//! 1. Spaces and SQL comments (`-- …`, `/* … */`) at the beginning do not count.
//! 2. The first word must begin a statement of Flink SQL, in any case.
//! 3. What follows it must fit a statement and not Python: for most statements another word or a
//!    name in backticks (`show tables`, ``desc `t` ``), for SELECT anything that begins an
//!    expression, for VALUES a parenthesis, for WITH a name and `AS (` and a query, for SET and
//!    RESET a word or a string. An assignment, a call, an attribute, an index, or one of Python's
//!    infix words (`show in x`) is Python.
//! 4. `SET`, `RESET` and `HELP` are whole statements too, but alone only in upper case: `set` and
//!    `help` are names of Python.
//!
//! A text that begins with `%`, `!`, `?` or `#` is never SQL.

/// Statements that go on with a word or a name in backticks.
const GO_ON_WITH_A_WORD: [&str; 28] = [
    "ADD",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "COMPILE",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "INSERT",
    "LOAD",
    "MERGE",
    "REMOVE",
    "REPLACE",
    "RESET",
    "SET",
    "SHOW",
    "STATEMENT",
    "STOP",
    "TABLE",
    "TRUNCATE",
    "UNLOAD",
    "UPDATE",
    "USE",
];

/// Words that stand between two names in Python.
const PYTHON_INFIX: [&str; 8] = ["and", "as", "else", "for", "if", "in", "is", "or"];

/// Whether `text` is a script of Flink SQL, by the rules above. Costs as much as its first words.
#[must_use]
pub fn looks_like_sql(text: &str) -> bool {
    let text = skip_blank(text);
    if let Some(inner) = text.strip_prefix('(') {
        let (word, _) = split_word(skip_blank(inner));
        return ["SELECT", "WITH", "VALUES"].contains(&word.to_uppercase().as_str());
    }
    let (word, behind) = split_word(text);
    let rest = skip_blank(behind);
    let upper = word.to_uppercase();
    let next = rest.chars().next();
    let is_alone = matches!(next, None | Some(';'));
    let is_upper = word == upper;
    match upper.as_str() {
        "SET" | "RESET" | "HELP" if is_alone => is_upper,
        "SET" | "RESET" if next == Some('\'') => true,
        "SELECT" => fits_select(rest, behind, is_upper),
        "VALUES" => next == Some('(') && (is_upper || !behind.starts_with('(')),
        "WITH" => fits_with(rest),
        _ => GO_ON_WITH_A_WORD.contains(&upper.as_str()) && fits_word(rest),
    }
}

/// Behind SELECT: something that begins an expression and does not go on with a Python name.
fn fits_select(rest: &str, behind: &str, is_upper: bool) -> bool {
    let Some(next) = rest.chars().next() else {
        return false;
    };
    match next {
        '(' => is_upper || !behind.starts_with('('),
        '*' | '\'' | '`' | '-' | '+' => !rest[1..].starts_with('='),
        c if c.is_ascii_digit() => true,
        // `SELECT IF(…)` and `SELECT NOT a` are SQL all the same.
        c if is_word_char(c) => {
            let (word, after) = split_word(rest);
            let after = skip_blank(after);
            match word {
                "not" => !split_word(after).0.eq_ignore_ascii_case("in"),
                "if" => after.starts_with('('),
                _ => !PYTHON_INFIX.contains(&word),
            }
        }
        _ => false,
    }
}

/// Behind WITH: `name [(columns)] AS (query`.
fn fits_with(rest: &str) -> bool {
    let (mut name, mut rest) = split_name(rest);
    if name.eq_ignore_ascii_case("RECURSIVE") {
        (name, rest) = split_name(skip_blank(rest));
    }
    if name.is_empty() {
        return false;
    }
    rest = skip_blank(rest);
    if let Some(columns) = rest.strip_prefix('(') {
        let Some((_, behind)) = columns.split_once(')') else {
            return false;
        };
        rest = skip_blank(behind);
    }
    let (word, rest) = split_word(rest);
    let Some(query) = skip_blank(rest).strip_prefix('(') else {
        return false;
    };
    word.eq_ignore_ascii_case("AS") && looks_like_sql(query)
}

fn fits_word(rest: &str) -> bool {
    if rest.starts_with('`') {
        return true;
    }
    let (word, after) = split_word(rest);
    if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    // `add not in x` and `drop is None`.
    let python =
        PYTHON_INFIX.contains(&word) || (word == "not" && split_word(skip_blank(after)).0 == "in");
    !python
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The word at the beginning and what is behind it.
fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_word_char(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// The word or the name in backticks at the beginning, and what is behind it.
fn split_name(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('`') else {
        return split_word(text);
    };
    quoted.split_once('`').unwrap_or(("", text))
}

/// Without spaces and SQL comments at the beginning.
fn skip_blank(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        let behind = if text.starts_with("--") {
            text.find('\n').map_or("", |end| &text[end + 1..])
        } else if let Some(comment) = text.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else {
            return text;
        };
        text = behind.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::looks_like_sql;

    const SQL: &[&str] = &[
        "SELECT 1",
        "select * from t",
        "SELECT(1)",
        "select (a + b) * 2 from t",
        "select 'x'",
        "select -1",
        "SELECT NOT a FROM t",
        "SELECT IF(a, b, c) FROM t",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "-- a remark\nSELECT 1",
        "/* a\n remark */ -- and\n\n show tables",
        "VALUES (1), (2)",
        "values (1)",
        "with t as (select 1) select * from t",
        "WITH RECURSIVE `t x` (a, b) AS (VALUES (1, 2)) SELECT a FROM `t x`",
        "with t as (with u as (select 1) select * from u) select * from t",
        "SET 'a' = 'b'",
        "set 'a' = 'b';",
        "SET a.b = 1h",
        "SET;",
        "RESET",
        "reset 'a'",
        "HELP;",
        "show tables",
        "SHOW CREATE TABLE t",
        "desc t",
        "DESCRIBE `a b`",
        "explain select 1",
        "use catalog c",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
        "CREATE TABEL t (a INT)",
        "insert into t values (1)",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "BEGIN STATEMENT SET;",
        "drop table if exists t",
        "alter table t rename to u",
        "STOP JOB '1'",
        "add jar 'x.jar'",
        "truncate table t",
        "call p.q(1)",
    ];

    const PYTHON: &[&str] = &[
        "",
        "   \n",
        "# select 1",
        "%sql select 1",
        "!show tables",
        "?select",
        "select",
        "select = 1",
        "select(1)",
        "select.select([], [], [])",
        "select[0]",
        "select, x = 1, 2",
        "select *= 2",
        "select in x",
        "select not in x",
        "select if x else y",
        "show = 1",
        "show(x)",
        "show: int = 3",
        "show in x",
        "show is None",
        "drop",
        "drop and create",
        "set",
        "set(x)",
        "set([1]) | x",
        "reset",
        "help",
        "help(x)",
        "use.x",
        "values = [1]",
        "values(1)",
        "with open('f') as f:\n    pass",
        "with open(x) as (a, b):\n    pass",
        "with (open(x)) as f: pass",
        "with lock:\n    pass",
        "import x",
        "from t import x",
        "add -1",
        "update += 1",
        "describe('x')",
        "for x in y: pass",
        "selection of words",
        "1 + 1",
        "\"SELECT 1\"",
        "-x",
    ];

    #[test]
    fn statements_are_sql() {
        for text in SQL {
            assert!(looks_like_sql(text), "{text}");
        }
    }

    #[test]
    fn python_is_python() {
        for text in PYTHON {
            assert!(!looks_like_sql(text), "{text}");
        }
    }
}
