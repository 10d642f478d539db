//! Functions of regular expressions.
//!
//! A bad pattern is answered with NULL, by REGEXP with FALSE.
//!
//! Source: `SqlFunctionUtils.regexp*` of Flink 2.3.

use std::sync::Arc;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::Result;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::java_regex::JavaRegex;
use crate::functions::recent::Recent;
use crate::functions::string::{text, texts};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);
const EXTRACT: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer];

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "regexp",
        2..=2,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Boolean),
        regexp,
    ),
    text(
        "regexp_replace",
        3..=3,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| {
            let mut patterns = Patterns::new();
            texts(call, |row| {
                let pattern = patterns.get(call.text(1, row)?)?;
                // The replacement is taken literally.
                Some(pattern.replace_all(call.text(0, row)?, call.text(2, row)?))
            })
        },
    ),
    text(
        "regexp_extract",
        2..=3,
        EXTRACT,
        ResultType::Nullable(STRING),
        |call| {
            let mut patterns = Patterns::new();
            texts(call, |row| {
                let captures = patterns
                    .get(call.text(1, row)?)?
                    .captures(call.text(0, row)?)?;
                let group = group(call, row, 0)?;
                captures.get(group).map(|found| found.as_str())
            })
        },
    ),
    text(
        "regexp_substr",
        2..=2,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| {
            let mut patterns = Patterns::new();
            texts(call, |row| {
                let pattern = patterns.get(call.text(1, row)?)?;
                let found = pattern.matches(call.text(0, row)?).next()?;
                Some(found.as_str())
            })
        },
    ),
    text(
        "regexp_count",
        2..=2,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::Int),
        |call| {
            integers(call, |pattern, text| {
                i32::try_from(pattern.matches(text).count()).ok()
            })
        },
    ),
    text(
        "regexp_instr",
        2..=2,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::Int),
        |call| {
            integers(call, |pattern, text| match pattern.matches(text).next() {
                Some(found) => {
                    // Java counts UTF-16.
                    let before = text.get(..found.start())?.encode_utf16().count();
                    i32::try_from(before + 1).ok()
                }
                None => Some(0),
            })
        },
    ),
    text(
        "regexp_extract_all",
        2..=3,
        EXTRACT,
        ResultType::Computed(texts_type),
        extract_all,
    ),
];

/// The last pattern, compiled.
struct Patterns(Recent<Option<JavaRegex>>);

impl Patterns {
    const fn new() -> Self {
        Self(Recent::new(JavaRegex::parse))
    }

    /// The compiled pattern; `None` for a bad one.
    fn get(&mut self, pattern: &str) -> Option<&JavaRegex> {
        self.0.get(pattern).as_ref()
    }
}

/// The number of the group in the third argument.
fn group(call: &Call, row: usize, default: usize) -> Option<usize> {
    match call.arguments.get(2) {
        Some(_) => usize::try_from(call.integer(2, row)?).ok(),
        None => Some(default),
    }
}

fn integers(call: &Call, compute: impl Fn(&JavaRegex, &str) -> Option<i32>) -> Result<ArrayRef> {
    let mut patterns = Patterns::new();
    Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
        compute(patterns.get(call.text(1, row)?)?, call.text(0, row)?)
    })))
}

fn regexp(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Patterns::new();
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let (Some(value), Some(pattern)) = (call.text(0, row), call.text(1, row)) else {
            values.push(None);
            continue;
        };
        // The empty pattern is found nowhere, as in Flink.
        let found = !pattern.is_empty()
            && patterns
                .get(pattern)
                .is_some_and(|compiled| compiled.is_match(value));
        values.push(Some(found));
    }
    Ok(Arc::new(BooleanArray::from(values)))
}

fn texts_type(
    _types: &[FlinkType],
    _constants: &[Option<&datafusion::common::ScalarValue>],
) -> Result<FlinkType> {
    Ok(FlinkType::nullable(TypeRoot::Array(Box::new(
        FlinkType::string(),
    ))))
}

fn extract_all(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Patterns::new();
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in 0..call.n_rows {
        let found = || {
            let (value, pattern) = (call.text(0, row)?, call.text(1, row)?);
            let group = group(call, row, 1)?;
            Some((value, pattern, group))
        };
        let Some((value, pattern, group)) = found() else {
            out.append_null();
            continue;
        };
        let Some(compiled) = patterns
            .get(pattern)
            .filter(|known| group <= known.group_count())
        else {
            out.append_null();
            continue;
        };
        for captures in compiled.all_captures(value) {
            out.values()
                .append_option(captures.get(group).map(|found| found.as_str()));
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}
