//! JSON_QUOTE and JSON_UNQUOTE.

use std::fmt::Write as _;

use super::STRING;
use super::parse::{Duplicates, parse};
use crate::functions::define::{Definition, Kind, ResultType};
use crate::functions::string::{map, text};

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "json_quote",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| map(call, |text| Some(quote(text))),
    ),
    text(
        "json_unquote",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| map(call, |text| Some(unquote(text))),
    ),
];

/// In double quotes, with everything beyond ASCII escaped by its UTF-16 units; but the first unit
/// of a pair is written as the whole character's number, as Flink does.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter > '\u{7f}' => {
                // Writing into a String does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
                let mut units = [0; 2];
                if let [_, low] = *letter.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{low:04x}");
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// The text inside of a JSON string; anything else stays as it is.
fn unquote(text: &str) -> String {
    let is_quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let value = if is_quoted {
        parse(text, Duplicates::Last).ok()
    } else {
        None
    };
    match value {
        Some(super::value::Json::String(inner)) => inner,
        _ => text.to_owned(),
    }
}
