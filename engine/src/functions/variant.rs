//! VARIANT: PARSE_JSON, TRY_PARSE_JSON, and access to parts.
//!
//! A variant is kept as its canonical JSON text: keys sorted, decimals without zeros at the end,
//! numbers with an exponent as Java shows doubles. So equal variants are equal texts.
//!
//! Source: `BinaryVariantInternalBuilder` and `BinaryVariant.toJson` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, LargeStringBuilder};
use arrow::datatypes::Int32Type;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::text as shown;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::json::parse::{DUPLICATE_KEY, Duplicates, parse};
use crate::functions::json::value::{BigDecimal, Json};
use crate::functions::nested::argument_as;
use crate::functions::rules::integer_rank;
use crate::functions::string::text;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "parse_json",
        1..=2,
        &[Kind::Text, Kind::Boolean],
        ResultType::Strict(TypeRoot::Variant),
        |call| parse_json(call, true),
    ),
    text(
        "try_parse_json",
        1..=2,
        &[Kind::Text, Kind::Boolean],
        ResultType::Nullable(TypeRoot::Variant),
        |call| parse_json(call, false),
    ),
];

/// Digits that a decimal of a variant has at most.
const MAX_DIGITS: usize = 38;

fn parse_json(call: &Call, fails: bool) -> Result<ArrayRef> {
    let allows_duplicates = |row_idx: usize| -> Option<bool> {
        let Some(flags) = call.arguments.get(1) else {
            return Some(false);
        };
        let flags = flags.as_boolean_opt()?;
        (!flags.is_null(row_idx)).then(|| flags.value(row_idx))
    };
    let mut out = LargeStringBuilder::new();
    for row_idx in 0..call.n_rows {
        let (Some(document), Some(allows)) = (call.text(0, row_idx), allows_duplicates(row_idx))
        else {
            out.append_null();
            continue;
        };
        let duplicates = if allows {
            Duplicates::Last
        } else {
            Duplicates::Refuse
        };
        match parse(document, duplicates) {
            Ok(value) => out.append_value(canonical(value).to_json_string()),
            Err(_) if !fails => out.append_null(),
            Err(message) => {
                return Err(EngineError::Data {
                    message: if message == DUPLICATE_KEY {
                        message
                    } else {
                        format!("Failed to parse json string: {document}. {message}")
                    },
                });
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The document with its numbers as variants show them.
fn canonical(value: Json) -> Json {
    match value {
        Json::BigInt(text) => match BigDecimal::parse(&text) {
            Some(number) if number.digits.len() > MAX_DIGITS => Json::Double(number.to_f64()),
            _ => Json::BigInt(text),
        },
        Json::Decimal(number) => decimal(&number),
        Json::Array(items) => Json::Array(items.into_iter().map(canonical).collect()),
        Json::Object(entries) => Json::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key, canonical(value)))
                .collect(),
        ),
        other => other,
    }
}

/// A number with a point is a decimal if it is short enough, and a double otherwise. One with an
/// exponent has a scale that its digits do not show; it is a double, too.
fn decimal(number: &BigDecimal) -> Json {
    let is_short = number.digits.len() <= MAX_DIGITS
        && (1..=MAX_DIGITS as i64).contains(&number.scale)
        && !number.has_exponent;
    if is_short {
        return Json::BigInt(number.stripped().to_plain_string());
    }
    Json::Double(number.to_f64())
}

/// `variant['key']`, `variant[index]`: the part, NULL if there is none.
pub(crate) fn item(call: &Call) -> Result<ArrayRef> {
    let variants = call
        .argument(0)?
        .as_string_opt::<i64>()
        .ok_or_else(|| EngineError::internal("a VARIANT is a large text"))?;
    let index = call
        .types
        .get(1)
        .ok_or_else(|| EngineError::internal("an item has an index"))?;
    if integer_rank(&index.root).is_some() {
        return at_place(call, variants);
    }
    let keys = argument_as(call, 1, &FlinkType::string())?;
    let keys = keys.as_string::<i32>();
    parts(call, variants, |row_idx, document| {
        if keys.is_null(row_idx) {
            return Ok(None);
        }
        match document {
            Json::Object(_) => Ok(document.get(keys.value(row_idx)).cloned()),
            _ => Err(
                "String key access on variant requires an object variant, but a non-object \
                      variant was provided.",
            ),
        }
    })
}

fn at_place(call: &Call, variants: &LargeStringArray) -> Result<ArrayRef> {
    let places = argument_as(call, 1, &FlinkType::nullable(TypeRoot::Int))?;
    let places = places.as_primitive::<Int32Type>();
    parts(call, variants, |row_idx, document| {
        if places.is_null(row_idx) {
            return Ok(None);
        }
        match document {
            Json::Array(items) => Ok(usize::try_from(places.value(row_idx))
                .ok()
                .and_then(|place| items.get(place.checked_sub(1)?))
                .cloned()),
            _ => Err(
                "Integer index access on variant requires an array variant, but a non-array \
                      variant was provided.",
            ),
        }
    })
}

fn parts(
    call: &Call,
    variants: &LargeStringArray,
    choose: impl Fn(usize, &Json) -> std::result::Result<Option<Json>, &'static str>,
) -> Result<ArrayRef> {
    let mut out = LargeStringBuilder::new();
    for row_idx in 0..call.n_rows {
        if variants.is_null(row_idx) {
            out.append_null();
            continue;
        }
        let document = parse(variants.value(row_idx), Duplicates::Last)
            .map_err(|_| EngineError::internal("a VARIANT is a JSON text"))?;
        let part = choose(row_idx, &document).map_err(|message| EngineError::Data {
            message: message.to_owned(),
        })?;
        out.append_option(part.map(|part| kept(part).to_json_string()));
    }
    Ok(Arc::new(out.finish()))
}

/// The document with its numbers as they stood in the canonical text.
fn kept(value: Json) -> Json {
    match value {
        Json::Decimal(number) if number.has_exponent => {
            Json::BigInt(shown::double(number.to_f64()))
        }
        Json::Decimal(number) => Json::BigInt(number.to_plain_string()),
        Json::Array(items) => Json::Array(items.into_iter().map(kept).collect()),
        Json::Object(entries) => Json::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key, kept(value)))
                .collect(),
        ),
        other => other,
    }
}
