//! SQL's JSON functions.
//!
//! ```text
//!   JSON_VALUE(x, 'lax $.a' RETURNING INT DEFAULT 0 ON EMPTY)
//!     ──normalizer──▶ __json_value(x, 'lax $.a', 'returning=INT;…', 0, NULL)
//!   text ──parse──▶ Json ──path, evaluate──▶ Json ──here──▶ a column of the result's type
//! ```
//!
//! The clauses of a call arrive as one literal, so that the result's type can be read off it. A
//! path that stays the same from row to row is compiled once a batch.
//!
//! Source: `SqlJsonUtils` and the JSON call generators of Flink 2.3.

pub mod construct;

mod evaluate;

pub mod filter;

pub mod parse;

pub mod path;

pub mod quote;

pub mod spec;

pub mod value;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::text as shown;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

use parse::Duplicates;
use path::{Mode, PathSpec};
use spec::{Behavior, Spec, Wrapper};
use value::Json;

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__json_value",
        5..=5,
        &[Kind::Text, Kind::Text, Kind::Text, Kind::Any],
        ResultType::Computed(value_type),
        json_value,
    ),
    text(
        "__json_query",
        3..=3,
        &[Kind::Text],
        ResultType::Computed(query_type),
        json_query,
    ),
    text(
        "__json_exists",
        3..=3,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::Boolean),
        json_exists,
    ),
    text(
        "__is_json",
        2..=2,
        &[Kind::Text],
        ResultType::NotNull(TypeRoot::Boolean),
        is_json,
    ),
];

/// The clauses of a call, from its third argument.
fn spec_of(constants: &[Option<&ScalarValue>]) -> Result<Spec> {
    match constants.get(2) {
        Some(Some(ScalarValue::Utf8(Some(text)))) => Spec::parse(text),
        _ => Err(EngineError::internal(
            "the clauses of a JSON function are a literal",
        )),
    }
}

fn value_type(_types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let returning = spec_of(constants)?.returning;
    let root = returning.map_or(STRING, |returning| returning.root);
    match root {
        TypeRoot::Varchar(_) | TypeRoot::Boolean | TypeRoot::Int | TypeRoot::Double => {
            Ok(FlinkType::nullable(root))
        }
        other => Err(validation(format!(
            "Unsupported type '{}' for RETURNING in JSON_VALUE().",
            FlinkType::nullable(other)
        ))),
    }
}

fn query_type(_types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let spec = spec_of(constants)?;
    let root = spec.returning.map_or(STRING, |returning| returning.root);
    match &root {
        TypeRoot::Varchar(_) => Ok(FlinkType::nullable(root)),
        TypeRoot::Array(element) => {
            if !matches!(element.root, TypeRoot::Varchar(_)) {
                return Err(validation(format!(
                    "Unsupported array element type '{}' for RETURNING ARRAY in JSON_QUERY().",
                    crate::functions::rules::calcite_name(element)
                )));
            }
            for (event, behavior) in [("empty", spec.on_empty), ("error", spec.on_error)] {
                if behavior == Behavior::EmptyObject {
                    return Err(validation(format!(
                        "Illegal on {event} behavior 'EMPTY OBJECT' for return type: {}",
                        crate::functions::rules::calcite_name(&FlinkType::nullable(root.clone()))
                    )));
                }
            }
            Ok(FlinkType::nullable(root))
        }
        _ => Err(validation(format!(
            "Unsupported type '{}' for RETURNING in JSON_VALUE().",
            FlinkType::nullable(root)
        ))),
    }
}

/// What a path leads to in a document.
struct Found {
    mode: Mode,
    /// The value, `Null` if there is none; or why it cannot be had.
    value: std::result::Result<Json, String>,
}

/// The path of the last row, compiled.
#[derive(Default)]
struct Paths(Option<(String, PathSpec)>);

impl Paths {
    fn get(&mut self, text: &str) -> &PathSpec {
        let is_known = self.0.as_ref().is_some_and(|(known, _)| known == text);
        if !is_known {
            self.0 = None;
        }
        let (_, spec) = self
            .0
            .get_or_insert_with(|| (text.to_owned(), PathSpec::parse(text)));
        spec
    }

    fn find(&mut self, document: &str, path: &str) -> Found {
        let spec = self.get(path);
        let mode = spec.mode;
        let value = match (parse::parse(document, Duplicates::Last), mode) {
            (Err(error), Mode::Strict) => Err(error),
            (Err(_), Mode::Lax) => Ok(Json::Null),
            (Ok(Json::Null), _) => Err("json object can not be null".to_owned()),
            (Ok(document), _) => match &spec.path {
                Err(error) => Err(error.clone()),
                Ok(path) => match (evaluate::read(path, &document, &document), mode) {
                    (Err(_), Mode::Lax) if path.is_definite() => Ok(Json::Null),
                    (Err(_), Mode::Lax) => Ok(Json::Array(Vec::new())),
                    (Ok(Json::Null), Mode::Strict) => Err("Strict jsonpath mode requires a non \
                                                           empty returned value, but is null"
                        .to_owned()),
                    (found, _) => found,
                },
            },
        };
        Found { mode, value }
    }
}

/// The document and the path of a row; `None` if one of them is NULL.
fn operands(call: &Call, row_idx: usize) -> Option<(&str, &str)> {
    Some((call.text(0, row_idx)?, call.text(1, row_idx)?))
}

/// What a call gives for a row.
enum Outcome {
    Null,
    Value(Json),
    /// The DEFAULT in the argument at this index.
    Default(usize),
}

fn json_value(call: &Call) -> Result<ArrayRef> {
    let spec = Spec::parse(call.text(2, 0).unwrap_or_default())?;
    let mut paths = Paths::default();
    let mut outcomes = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        outcomes.push(match operands(call, row_idx) {
            None => Outcome::Null,
            Some((document, path)) => value_of(paths.find(document, path), &spec)?,
        });
    }
    match call.result.root {
        TypeRoot::Varchar(length) => {
            let mut texts = Vec::with_capacity(call.n_rows);
            for (row_idx, outcome) in outcomes.into_iter().enumerate() {
                let text = match outcome {
                    Outcome::Null => None,
                    Outcome::Value(value) => Some(value.to_java_string()),
                    Outcome::Default(index) => default_text(call, index, row_idx)?,
                };
                texts.push(text.map(|text| cut(text, length)));
            }
            Ok(Arc::new(StringArray::from(texts)))
        }
        TypeRoot::Boolean => {
            let values = typed(call, outcomes, "java.lang.Boolean", |value| match value {
                Json::Bool(value) => Some(*value),
                _ => None,
            })?;
            Ok(Arc::new(BooleanArray::from(values)))
        }
        TypeRoot::Int => {
            let values = typed(call, outcomes, "java.lang.Integer", |value| match value {
                Json::Int(value) => i32::try_from(*value).ok(),
                _ => None,
            })?;
            Ok(Arc::new(Int32Array::from(values)))
        }
        TypeRoot::Double => {
            let values = typed(
                call,
                outcomes,
                "java.math.BigDecimal",
                |value| match value {
                    Json::Decimal(value) => Some(value.to_f64()),
                    _ => None,
                },
            )?;
            Ok(Arc::new(Float64Array::from(values)))
        }
        _ => Err(EngineError::internal(
            "a type that JSON_VALUE does not return",
        )),
    }
}

fn value_of(found: Found, spec: &Spec) -> Result<Outcome> {
    let problem = match found.value {
        Err(error) => error,
        Ok(value) => match (value.is_scalar(), found.mode) {
            (true, _) if value != Json::Null => return Ok(Outcome::Value(value)),
            (false, Mode::Strict) => format!(
                "Strict jsonpath mode requires scalar value, and the actual value is: ''{}''",
                value.to_java_string()
            ),
            _ => {
                return match spec.on_empty {
                    Behavior::Error => Err(data_error(
                        "Empty result of JSON_VALUE function is not allowed".to_owned(),
                    )),
                    Behavior::Default => Ok(Outcome::Default(3)),
                    _ => Ok(Outcome::Null),
                };
            }
        },
    };
    match spec.on_error {
        Behavior::Error => Err(data_error(problem)),
        Behavior::Default => Ok(Outcome::Default(4)),
        _ => Ok(Outcome::Null),
    }
}

fn data_error(message: String) -> EngineError {
    EngineError::Data { message }
}

/// The outcomes as values of one Java class; anything else fails as Java's cast does.
fn typed<T>(
    call: &Call,
    outcomes: Vec<Outcome>,
    class: &str,
    convert: impl Fn(&Json) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    let mismatch = |given: &str| {
        data_error(format!(
            "JSON_VALUE: class {given} cannot be cast to class {class}"
        ))
    };
    outcomes
        .into_iter()
        .enumerate()
        .map(|(row_idx, outcome)| match outcome {
            Outcome::Null => Ok(None),
            Outcome::Value(value) => match convert(&value) {
                Some(converted) => Ok(Some(converted)),
                None => Err(mismatch(evaluate::java_class(&value))),
            },
            Outcome::Default(index) => {
                let array = call.argument(index)?;
                if *array.data_type() == DataType::Null || array.is_null(row_idx) {
                    return Ok(None);
                }
                let given = match ScalarValue::try_from_array(array, row_idx)? {
                    ScalarValue::Boolean(Some(value)) => Some(Json::Bool(value)),
                    ScalarValue::Int32(Some(value)) => Some(Json::Int(i64::from(value))),
                    _ => None,
                };
                match given.as_ref().and_then(&convert) {
                    Some(converted) => Ok(Some(converted)),
                    None => Err(mismatch(&format!(
                        "of the DEFAULT of type {}",
                        call.types
                            .get(index)
                            .map_or_else(String::new, FlinkType::root_text)
                    ))),
                }
            }
        })
        .collect()
}

/// A DEFAULT as Java's `String.valueOf` shows it.
fn default_text(call: &Call, index: usize, row_idx: usize) -> Result<Option<String>> {
    let (array, Some(flink_type)) = (call.argument(index)?, call.types.get(index)) else {
        return Err(EngineError::internal("a DEFAULT has a type"));
    };
    if *array.data_type() == DataType::Null {
        return Ok(None);
    }
    let text = shown::value(array, row_idx, flink_type, call.zone)?;
    Ok(match flink_type.root {
        TypeRoot::Boolean => text.map(|text| text.to_lowercase()),
        _ => text,
    })
}

/// The first `length` characters.
fn cut(mut text: String, length: u32) -> String {
    let limit = length as usize;
    if text.len() > limit
        && let Some((end, _)) = text.char_indices().nth(limit)
    {
        text.truncate(end);
    }
    text
}

fn json_query(call: &Call) -> Result<ArrayRef> {
    let spec = Spec::parse(call.text(2, 0).unwrap_or_default())?;
    let mut paths = Paths::default();
    match call.result.root {
        TypeRoot::Varchar(length) => {
            let mut texts = Vec::with_capacity(call.n_rows);
            for row_idx in 0..call.n_rows {
                let value = match operands(call, row_idx) {
                    None => None,
                    Some((document, path)) => query_of(paths.find(document, path), &spec, false)?,
                };
                texts.push(value.map(|value| cut(value.to_json_string(), length)));
            }
            Ok(Arc::new(StringArray::from(texts)))
        }
        _ => {
            let DataType::List(item) = call.result.to_arrow_type() else {
                return Err(EngineError::internal(
                    "a type that JSON_QUERY does not return",
                ));
            };
            let mut out = ListBuilder::new(StringBuilder::new()).with_field(item);
            for row_idx in 0..call.n_rows {
                let value = match operands(call, row_idx) {
                    None => None,
                    Some((document, path)) => query_of(paths.find(document, path), &spec, true)?,
                };
                let Some(Json::Array(items)) = value else {
                    out.append_null();
                    continue;
                };
                for item in items {
                    match item {
                        Json::Null => out.values().append_null(),
                        item if item.is_scalar() => {
                            out.values().append_value(item.to_java_string());
                        }
                        item => out.values().append_value(item.to_json_string()),
                    }
                }
                out.append(true);
            }
            Ok(Arc::new(out.finish()))
        }
    }
}

/// The object or array that JSON_QUERY gives, `None` for NULL.
fn query_of(found: Found, spec: &Spec, wants_array: bool) -> Result<Option<Json>> {
    let problem = match found.value {
        Err(error) => error,
        Ok(Json::Null) => {
            return instead(spec.on_empty, || {
                "Empty result of JSON_QUERY function is not allowed".to_owned()
            });
        }
        Ok(value) => {
            let value = match (spec.wrapper, value) {
                (Wrapper::Without, value) => value,
                (Wrapper::Conditional, Json::Array(items)) => Json::Array(items),
                (_, value) => Json::Array(vec![value]),
            };
            match (value, found.mode) {
                (value, Mode::Lax) if value.is_scalar() => {
                    return instead(spec.on_empty, || {
                        "Empty result of JSON_QUERY function is not allowed".to_owned()
                    });
                }
                (value, Mode::Strict) if value.is_scalar() => format!(
                    "Strict jsonpath mode requires array or object value, and the actual value \
                     is: ''{}''",
                    value.to_java_string()
                ),
                (Json::Object(_), _) if wants_array => {
                    "class java.util.LinkedHashMap cannot be cast to class java.util.List"
                        .to_owned()
                }
                (value, _) => return Ok(Some(value)),
            }
        }
    };
    instead(spec.on_error, || problem)
}

fn instead(behavior: Behavior, problem: impl FnOnce() -> String) -> Result<Option<Json>> {
    match behavior {
        Behavior::Error => Err(data_error(problem())),
        Behavior::EmptyArray => Ok(Some(Json::Array(Vec::new()))),
        Behavior::EmptyObject => Ok(Some(Json::Object(Vec::new()))),
        _ => Ok(None),
    }
}

fn json_exists(call: &Call) -> Result<ArrayRef> {
    let spec = Spec::parse(call.text(2, 0).unwrap_or_default())?;
    let mut paths = Paths::default();
    let mut exist = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let Some((document, path)) = operands(call, row_idx) else {
            exist.push(None);
            continue;
        };
        exist.push(match (paths.find(document, path).value, spec.on_error) {
            (Ok(value), _) => Some(value != Json::Null),
            (Err(problem), Behavior::Error) => return Err(data_error(problem)),
            (Err(_), Behavior::True) => Some(true),
            (Err(_), Behavior::Unknown) => None,
            (Err(_), _) => Some(false),
        });
    }
    Ok(Arc::new(BooleanArray::from(exist)))
}

/// NULL is no JSON.
fn is_json(call: &Call) -> Result<ArrayRef> {
    let kind = call.text(1, 0).unwrap_or("VALUE");
    let are = (0..call.n_rows).map(|row_idx| {
        let document = call
            .text(0, row_idx)
            .and_then(|text| parse::parse(text, Duplicates::Last).ok());
        let is = document.is_some_and(|document| match kind {
            "OBJECT" => matches!(document, Json::Object(_)),
            "ARRAY" => matches!(document, Json::Array(_)),
            "SCALAR" => document.is_scalar(),
            _ => true,
        });
        Some(is)
    });
    Ok(Arc::new(are.collect::<BooleanArray>()))
}
