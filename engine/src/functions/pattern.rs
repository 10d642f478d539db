//! LIKE and SIMILAR TO.
//!
//! `%` is any text and `_` any character, line ends included. LIKE has no escape character unless
//! ESCAPE names one. SIMILAR TO also knows `| * + ? {n} ( ) [ ]` and classes such as
//! `[[:DIGIT:]]`; what else a pattern holds is read as Java's regular expressions read it.
//!
//! Source: `SqlLikeUtils` and Calcite's `Like`, Flink 2.3.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use memchr::memmem;

use crate::data::types::TypeRoot;
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::java_regex::JavaRegex;
use crate::functions::string::text;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__like",
        2..=3,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Boolean),
        |call| {
            matched(call, |pattern, escape| {
                Ok(Matcher::Like(Like::parse(pattern, escape)?))
            })
        },
    ),
    text(
        "__similar",
        2..=3,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Boolean),
        |call| {
            matched(call, |pattern, escape| {
                let regex = similar_regex(pattern, escape)?;
                JavaRegex::parse(&regex)
                    .map(Matcher::Similar)
                    .ok_or_else(|| data(format!("invalid regular expression '{pattern}'")))
            })
        },
    ),
];

enum Matcher {
    Like(Like),
    Similar(JavaRegex),
}

impl Matcher {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Like(like) => like.matches(text),
            Self::Similar(regex) => regex.is_match(text),
        }
    }
}

fn matched(call: &Call, parse: impl Fn(&str, Option<char>) -> Result<Matcher>) -> Result<ArrayRef> {
    let mut last: Option<(String, Option<char>, Matcher)> = None;
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let (Some(value), Some(pattern)) = (call.text(0, row), call.text(1, row)) else {
            values.push(None);
            continue;
        };
        let escape = match call.arguments.get(2) {
            Some(_) => match call.text(2, row) {
                Some(escape) => Some(escape_character(escape)?),
                None => {
                    values.push(None);
                    continue;
                }
            },
            None => None,
        };
        let is_known = |(known, known_escape, _): &(String, Option<char>, Matcher)| {
            known == pattern && *known_escape == escape
        };
        if !last.as_ref().is_some_and(is_known) {
            last = Some((pattern.to_owned(), escape, parse(pattern, escape)?));
        }
        values.push(last.as_ref().map(|(_, _, matcher)| matcher.matches(value)));
    }
    Ok(Arc::new(BooleanArray::from(values)))
}

fn escape_character(escape: &str) -> Result<char> {
    let mut letters = escape.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(letter),
        _ => Err(data(format!("invalid escape character '{escape}'"))),
    }
}

fn data(message: String) -> EngineError {
    EngineError::Data { message }
}

/// A pattern of LIKE: by far most are a text, its beginning, its end or its middle.
enum Like {
    Equals(String),
    Starts(String),
    Ends(String),
    Contains(String),
    General(Vec<Step>),
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character.
    Letter(char),
    /// `_`
    One,
    /// `%`
    Many,
}

impl Like {
    fn parse(pattern: &str, escape: Option<char>) -> Result<Self> {
        let steps = steps(pattern, escape)?;
        let is_letter = |step: &Step| matches!(step, Step::Letter(_));
        let letters = |steps: &[Step]| {
            steps
                .iter()
                .filter_map(|step| match step {
                    Step::Letter(letter) => Some(*letter),
                    _ => None,
                })
                .collect::<String>()
        };
        Ok(match steps.as_slice() {
            all if all.iter().all(is_letter) => Self::Equals(letters(all)),
            [middle @ .., Step::Many] if middle.iter().all(is_letter) => {
                Self::Starts(letters(middle))
            }
            [Step::Many, middle @ ..] if middle.iter().all(is_letter) => {
                Self::Ends(letters(middle))
            }
            [Step::Many, middle @ .., Step::Many] if middle.iter().all(is_letter) => {
                Self::Contains(letters(middle))
            }
            _ => Self::General(steps),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => text == wanted,
            Self::Starts(wanted) => text.starts_with(wanted.as_str()),
            Self::Ends(wanted) => text.ends_with(wanted.as_str()),
            Self::Contains(wanted) => memmem::find(text.as_bytes(), wanted.as_bytes()).is_some(),
            Self::General(steps) => follows(text, steps),
        }
    }
}

fn steps(pattern: &str, escape: Option<char>) -> Result<Vec<Step>> {
    let mut steps = Vec::with_capacity(pattern.len());
    let mut letters = pattern.chars().enumerate();
    while let Some((letter_idx, letter)) = letters.next() {
        let step = if Some(letter) == escape {
            match letters.next() {
                Some((_, next)) if matches!(next, '%' | '_') || Some(next) == escape => {
                    Step::Letter(next)
                }
                _ => {
                    return Err(data(format!(
                        "invalid escape sequence '{pattern}', {letter_idx}"
                    )));
                }
            }
        } else {
            match letter {
                '%' => Step::Many,
                '_' => Step::One,
                letter => Step::Letter(letter),
            }
        };
        steps.push(step);
    }
    Ok(steps)
}

/// Greedy with one place to go back to: the last `%`.
fn follows(text: &str, steps: &[Step]) -> bool {
    let mut rest = text.chars();
    let mut step_idx = 0;
    let mut back: Option<(std::str::Chars<'_>, usize)> = None;
    loop {
        match steps.get(step_idx) {
            Some(Step::Many) => {
                step_idx += 1;
                back = Some((rest.clone(), step_idx));
                continue;
            }
            Some(step) => {
                let mut ahead = rest.clone();
                if let Some(letter) = ahead.next()
                    && (*step == Step::One || *step == Step::Letter(letter))
                {
                    rest = ahead;
                    step_idx += 1;
                    continue;
                }
            }
            None if rest.as_str().is_empty() => return true,
            None => {}
        }
        let Some((mut from, resume)) = back.take() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        rest = from.clone();
        step_idx = resume;
        back = Some((from, resume));
    }
}

/// Names of classes in SIMILAR TO, and what Java calls them.
const CLASSES: &[(&str, &str)] = &[
    ("[:ALPHA:]", r"\p{Alpha}"),
    ("[:alpha:]", r"\p{Alpha}"),
    ("[:UPPER:]", r"\p{Upper}"),
    ("[:upper:]", r"\p{Upper}"),
    ("[:LOWER:]", r"\p{Lower}"),
    ("[:lower:]", r"\p{Lower}"),
    ("[:DIGIT:]", r"\d"),
    ("[:digit:]", r"\d"),
    ("[:SPACE:]", " "),
    ("[:space:]", " "),
    ("[:WHITESPACE:]", r"\s"),
    ("[:whitespace:]", r"\s"),
    ("[:ALNUM:]", r"\p{Alnum}"),
    ("[:alnum:]", r"\p{Alnum}"),
];

/// The regular expression of a pattern of SIMILAR TO, for the whole text.
fn similar_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut regex = String::from(r"\A(?s:");
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(letter) = rest.chars().next() {
        if in_class
            && let Some((name, class)) = CLASSES.iter().find(|(name, _)| rest.starts_with(name))
        {
            regex.push_str(class);
            rest = rest.get(name.len()..).unwrap_or_default();
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        if Some(letter) == escape {
            let Some(next) = rest.chars().next() else {
                return Err(data(format!("invalid escape sequence '{pattern}'")));
            };
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            push_literal(&mut regex, next);
            continue;
        }
        match letter {
            '[' => {
                in_class = true;
                regex.push('[');
            }
            ']' => {
                in_class = false;
                regex.push(']');
            }
            '%' if !in_class => regex.push_str("(?:.*)"),
            '_' if !in_class => regex.push('.'),
            '\\' | '$' | '&' => push_literal(&mut regex, letter),
            '^' if !in_class => push_literal(&mut regex, letter),
            letter => regex.push(letter),
        }
    }
    regex.push_str(r")\z");
    Ok(regex)
}

fn push_literal(regex: &mut String, letter: char) {
    if !letter.is_alphanumeric() {
        regex.push('\\');
    }
    regex.push(letter);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn like() {
        // text, pattern, escape, whether it matches
        let cases = [
            ("abc", "a%", None, true),
            ("abc", "%c", None, true),
            ("abc", "%b%", None, true),
            ("abc", "a_c", None, true),
            ("abc", "a_", None, false),
            ("a\nb", "a_b", None, true),
            ("a\nb", "a%b", None, true),
            (r"a\c", r"a\c", None, true),
            ("a_c", r"a\_c", None, false),
            ("a_c", "a!_c", Some('!'), true),
            ("abc", "a!_c", Some('!'), false),
            ("😀", "_", None, true),
            ("", "%", None, true),
            ("", "", None, true),
            ("mississippi", "m%iss%ip%i", None, true),
            ("mississippi", "m%iss%ip", None, false),
            ("aXbXc", "%X_", None, true),
        ];
        for (value, pattern, escape, matches) in cases {
            let like = Like::parse(pattern, escape).unwrap();
            assert_eq!(like.matches(value), matches, "{value} LIKE {pattern}");
        }
        assert!(Like::parse("abc!", Some('!')).is_err());
    }

    #[test]
    fn similar() {
        let cases = [
            ("abc", "%(b|d)%", true),
            ("abc", "(b|c)%", false),
            ("abc", "a[bx]c", true),
            ("abc", "a[^b]c", false),
            ("aab", "a{2}b", true),
            ("1", "[[:DIGIT:]]", true),
            ("a.c", "a.c", true),
            ("axc", "a.c", true),
            ("a$b", "a$b", true),
        ];
        for (value, pattern, matches) in cases {
            let regex = JavaRegex::parse(&similar_regex(pattern, None).unwrap()).unwrap();
            assert_eq!(
                regex.is_match(value),
                matches,
                "{value} SIMILAR TO {pattern}"
            );
        }
    }
}
