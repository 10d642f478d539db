//! What a cell is: Python, or SQL.
//!
//! The rule is total and deterministic, and looks at nothing but the text:
//!
//! 1. A cell whose first line that is not blank begins with `%%sql` is SQL. Options may follow on
//!    that line, see [`CellOptions`].
//! 2. A cell is SQL if its first word is the keyword of a Flink statement and what follows has
//!    the shape of that statement (`select 1`, `show tables`, `with t as (select …) select …`),
//!    as decided by [`looks_like_sql`]. No text of such a shape is valid Python.
//! 3. A cell of nothing but SQL comments (`-- …`, with a space, and `/* … */`) is SQL.
//! 4. Every other cell is Python; so are those that begin with `%`, `!` or `?`.

use std::time::Duration;

use tidemill_engine::sql::classify::looks_like_sql;

use crate::display::live::Until;

/// The language of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Runs in the IPython shell.
    Python,
    /// Runs in the SQL session; the shell keeps its history, count and hooks.
    Sql,
}

/// Says in which language a cell is written.
#[must_use]
pub fn classify(code: &str) -> CellKind {
    if magic_line(code).is_some() || looks_like_sql(code) || is_all_comments(code) {
        CellKind::Sql
    } else {
        CellKind::Python
    }
}

/// Whether there is a SQL comment and nothing else. `--x` without a space is left to Python.
fn is_all_comments(code: &str) -> bool {
    let mut rest = code.trim();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let end = if rest.starts_with("/*") {
            rest.find("*/").map(|at| at + 2)
        } else if rest == "--" || rest.starts_with("-- ") || rest.starts_with("--\n") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else {
            None
        };
        let Some(behind) = end.and_then(|end| rest.get(end..)) else {
            return false;
        };
        rest = behind.trim_start();
    }
    true
}

/// The options of `%%sql`; what is not given is decided by the session's settings.
///
/// ```text
/// %%sql --rows 100 --hz 2 --until records=1000000 --name q1
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellOptions {
    /// `--rows N`: rows that a table shows.
    pub max_rows: Option<usize>,
    /// `--hz F`: pictures a second of a live table.
    pub hz: Option<f64>,
    /// `--until rows=N | records=N | seconds=F`: when an unbounded query is stopped.
    pub until: Option<Until>,
    /// `--name NAME`: what the status line calls the queries of this cell.
    pub name: Option<String>,
    /// `--settled` and `--live`: whether the cell waits for its results and shows each once.
    pub settled: Option<bool>,
}

/// An option of a cell or of `%live` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such option.
    #[error("unknown option '{option}'; there are {known}")]
    Unknown {
        /// As written.
        option: String,
        /// The options that exist.
        known: &'static str,
    },
    /// The option needs a value and got none, or one that it does not take.
    #[error("'{option}' takes {takes}, not '{value}'")]
    Value {
        /// The option.
        option: String,
        /// What it takes.
        takes: &'static str,
        /// What was written.
        value: String,
    },
}

/// Fewest and most pictures a second.
pub(crate) const HZ_RANGE: std::ops::RangeInclusive<f64> = 0.1..=10.0;
/// Most rows that a table shows.
pub(crate) const MAX_ROWS: usize = 10_000;

const KNOWN: &str =
    "--rows N, --hz F, --until rows=N|records=N|seconds=F, --name NAME, --settled, --live";

/// The options of a cell, and its statements with an empty line in place of the `%%sql` line, so
/// that positions in errors count lines as the reader of the cell does.
///
/// # Errors
/// For options that do not exist or cannot be read.
pub(crate) fn parse_cell(code: &str) -> Result<(CellOptions, String), OptionError> {
    let Some((start, end)) = magic_line(code) else {
        return Ok((CellOptions::default(), code.to_owned()));
    };
    let words = code.get(start + MAGIC.len()..end).unwrap_or_default();
    let options = parse_options(words)?;
    let statements = [code.get(..start), code.get(end..)];
    Ok((options, statements.into_iter().flatten().collect()))
}

/// Reads `--rows 100 --hz 2 …`.
///
/// # Errors
/// As [`parse_cell`].
pub(crate) fn parse_options(text: &str) -> Result<CellOptions, OptionError> {
    let mut options = CellOptions::default();
    let mut words = text
        .split_whitespace()
        .flat_map(|word| match word.split_once('=') {
            // `--rows=100` is `--rows 100`; `rows=1000` is one word.
            Some((option, value)) if option.starts_with("--") => vec![option, value],
            _ => vec![word],
        });
    while let Some(option) = words.next() {
        match option {
            "--rows" => {
                let number = value(&mut words, option, "a number from 1 to 10000", |text| {
                    text.parse().ok().filter(|n| (1..=MAX_ROWS).contains(n))
                })?;
                options.max_rows = Some(number);
            }
            "--hz" => {
                let number = value(&mut words, option, "a number from 0.1 to 10", |text| {
                    text.parse().ok().filter(|hz| HZ_RANGE.contains(hz))
                })?;
                options.hz = Some(number);
            }
            "--until" => {
                let takes = "rows=N, records=N or seconds=F";
                options.until = Some(value(&mut words, option, takes, parse_until)?);
            }
            "--name" => {
                let name = value(&mut words, option, "a name", |text| Some(text.to_owned()))?;
                options.name = Some(name);
            }
            "--settled" => options.settled = Some(true),
            "--live" => options.settled = Some(false),
            _ => {
                return Err(OptionError::Unknown {
                    option: option.to_owned(),
                    known: KNOWN,
                });
            }
        }
    }
    Ok(options)
}

fn value<'a, T>(
    words: &mut impl Iterator<Item = &'a str>,
    option: &str,
    takes: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, OptionError> {
    let text = words.next().unwrap_or_default();
    let parsed = (!text.is_empty() && !text.starts_with("--"))
        .then(|| parse(text))
        .flatten();
    parsed.ok_or_else(|| OptionError::Value {
        option: option.to_owned(),
        takes,
        value: text.to_owned(),
    })
}

fn parse_until(text: &str) -> Option<Until> {
    let (what, number) = text.split_once('=')?;
    match what {
        "rows" => number.parse().ok().map(Until::Rows),
        "records" => number.parse().ok().map(Until::Records),
        "seconds" => {
            let seconds = number.parse().ok().filter(|seconds| *seconds > 0.0)?;
            Duration::try_from_secs_f64(seconds)
                .ok()
                .map(Until::Elapsed)
        }
        _ => None,
    }
}

const MAGIC: &str = "%%sql";

/// Where the `%%sql` line begins and ends (before its line break), if the cell has one.
fn magic_line(code: &str) -> Option<(usize, usize)> {
    let start = code.len() - code.trim_start().len();
    let rest = code.get(start..)?.strip_prefix(MAGIC)?;
    if rest
        .chars()
        .next()
        .is_some_and(|next| !next.is_whitespace())
    {
        return None;
    }
    let end = rest
        .find('\n')
        .map_or(code.len(), |at| start + MAGIC.len() + at);
    Some((start, end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_magic_forces_sql() {
        for code in ["%%sql\nSELECT 1", "\n  %%sql --rows 3\nfoo", "%%sql"] {
            assert_eq!(classify(code), CellKind::Sql, "{code}");
        }
        for code in [
            "%%sqlite\nSELECT 1",
            "%sql",
            "%%time\nSELECT 1",
            "",
            "x = 1",
            "print(1)",
        ] {
            assert_eq!(classify(code), CellKind::Python, "{code}");
        }
    }

    #[test]
    fn statements_are_sql_without_it() {
        for code in [
            "SELECT 1",
            "-- all\nshow tables;",
            "select * from t\nwhere a = 1",
            "-- only a comment",
            "-- two\n--\n/* of\nthem */\n",
        ] {
            assert_eq!(classify(code), CellKind::Sql, "{code}");
        }
        for code in [
            "select(1)",
            "show = 1",
            "with open('x') as f:\n    pass",
            "values = [1]",
            "--x",
            "-- a comment\nx = 1",
            "/* without an end",
        ] {
            assert_eq!(classify(code), CellKind::Python, "{code}");
        }
    }

    #[test]
    fn the_magic_line_leaves_an_empty_line() {
        let (options, statements) =
            parse_cell("\n%%sql --rows 7 --until seconds=2.5 --name=q1\nSELECT 1;\n").unwrap();
        assert_eq!(statements, "\n\nSELECT 1;\n");
        assert_eq!(options.max_rows, Some(7));
        assert_eq!(
            options.until,
            Some(Until::Elapsed(Duration::from_millis(2_500)))
        );
        assert_eq!(options.name.as_deref(), Some("q1"));
    }

    #[test]
    fn until_can_be_written_in_two_ways() {
        for text in ["--until rows=5", "--until=rows=5"] {
            assert_eq!(parse_options(text).unwrap().until, Some(Until::Rows(5)));
        }
    }

    #[test]
    fn wrong_options_say_what_is_right() {
        let message = |text| parse_options(text).unwrap_err().to_string();
        assert_eq!(
            message("--row 1"),
            "unknown option '--row'; there are --rows N, --hz F, \
             --until rows=N|records=N|seconds=F, --name NAME, --settled, --live"
        );
        assert_eq!(
            message("--hz 100"),
            "'--hz' takes a number from 0.1 to 10, not '100'"
        );
        assert_eq!(
            message("--rows --hz 1"),
            "'--rows' takes a number from 1 to 10000, not '--hz'"
        );
        assert_eq!(
            message("--until watermark=1"),
            "'--until' takes rows=N, records=N or seconds=F, not 'watermark=1'"
        );
    }
}
