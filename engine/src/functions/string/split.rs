//! Texts taken apart.

use std::sync::Arc;

use arrow::array::{ArrayRef, MapBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use memchr::memchr_iter;
use memchr::memmem::find_iter;

use super::texts;
use crate::data::map_keys;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::Call;
use crate::functions::java_regex::JavaRegex;

pub(super) fn split_index(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let text = call.text(0, row)?;
        let index = usize::try_from(call.integer(2, row)?).ok()?;
        match call.integer(1, row) {
            Some(code) => {
                let separator = char::from(u8::try_from(code).ok()?);
                part(text, separator.encode_utf8(&mut [0; 4]), index)
            }
            None => part(text, call.text(1, row)?, index),
        }
    })
}

/// What stands between the separators with the numbers `index - 1` and `index`; an empty text has no
/// parts, an empty separator none to part.
fn part<'a>(text: &'a str, separator: &str, index: usize) -> Option<&'a str> {
    let bytes = text.as_bytes();
    match separator.as_bytes() {
        _ if text.is_empty() => None,
        [] => (index == 0).then_some(text),
        [byte] => between(text, 1, index, memchr_iter(*byte, bytes)),
        separator => between(text, separator.len(), index, find_iter(bytes, separator)),
    }
}

fn between(
    text: &str,
    separator_length: usize,
    index: usize,
    mut separators: impl Iterator<Item = usize>,
) -> Option<&str> {
    let start = match index.checked_sub(1) {
        Some(before) => separators.nth(before)? + separator_length,
        None => 0,
    };
    text.get(start..separators.next().unwrap_or(text.len()))
}

/// `MAP<STRING, STRING>`, always nullable.
pub(super) fn str_to_map_type(
    _types: &[FlinkType],
    _constants: &[Option<&ScalarValue>],
) -> Result<FlinkType> {
    Ok(FlinkType::nullable(TypeRoot::Map(
        Box::new(FlinkType::string()),
        Box::new(FlinkType::string()),
    )))
}

/// STR_TO_MAP: pairs and their halves are separated by regular expressions; a pair without a value
/// has NULL, the last of equal keys counts.
pub(super) fn str_to_map(call: &Call) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = call.result.to_arrow_type() else {
        return Err(EngineError::internal("STR_TO_MAP gives a map"));
    };
    let mut out = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..call.n_rows {
        if call.has_null(row) {
            out.append(false)?;
            continue;
        }
        let text = call.text(0, row).unwrap_or_default();
        let between_pairs = call.text(1, row).unwrap_or(",");
        let between_halves = call.text(2, row).unwrap_or("=");
        for (key, value) in pairs(text, between_pairs, between_halves)? {
            out.keys().append_value(key);
            out.values().append_option(value);
        }
        out.append(true)?;
    }
    // The builder has its own type of entries.
    let (_, offsets, rows, nulls, _) = out.finish().into_parts();
    let [keys, values] = rows.columns() else {
        return Err(EngineError::internal("an entry has a key and a value"));
    };
    let (keys, values) = (Arc::clone(keys), Arc::clone(values));
    map_keys::new_map(&entries, false, offsets, keys, values, nulls)
}

fn pairs<'t>(
    text: &'t str,
    between_pairs: &str,
    between_halves: &str,
) -> Result<Vec<(&'t str, Option<&'t str>)>> {
    let mut pairs: Vec<(&str, Option<&str>)> = Vec::new();
    if text.trim().is_empty() {
        return Ok(pairs);
    }
    let parse = |pattern: &str| {
        JavaRegex::parse(pattern).ok_or_else(|| EngineError::Data {
            message: format!("'{pattern}' is no regular expression"),
        })
    };
    let (between_pairs, between_halves) = (parse(between_pairs)?, parse(between_halves)?);
    for pair in between_pairs.split(text) {
        let (key, value) = match between_halves.matches(pair).find(|found| found.end() > 0) {
            Some(found) => (
                pair.get(..found.start()).unwrap_or_default(),
                pair.get(found.end()..),
            ),
            None => (pair, None),
        };
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => pairs.push((key, value)),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_are_counted_from_zero() {
        let cases = [
            ("a/b//c", "/", &["a", "b", "", "c"][..]),
            ("/", "/", &["", ""]),
            ("", "/", &[]),
            ("a", "", &["a"]),
            ("aaaa", "aa", &["", "", ""]),
            ("äöäüä", "ä", &["", "ö", "ü", ""]),
        ];
        for (text, separator, parts) in cases {
            for index in 0..5 {
                let expected = parts.get(index).copied();
                assert_eq!(
                    part(text, separator, index),
                    expected,
                    "{text} {separator} {index}"
                );
            }
        }
    }
}
