//! `OBJECT_OF('class', 'name', value, …)` and `OBJECT_UPDATE(object, 'name', value, …)`.
//!
//! No class is loaded: the name stands in the type, the value is a row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::MANY;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::text;
use crate::sql::diagnostics::validation;

/// The functions of this family; the normalizer hands names over as plain literals.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "object_of",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(object_type),
        object_of,
    ),
    text(
        "object_update",
        3..=MANY,
        &[Kind::Any],
        ResultType::Computed(updated_type),
        object_update,
    ),
];

fn literal<'a>(constants: &'a [Option<&ScalarValue>], index: usize) -> Option<&'a str> {
    match constants.get(index) {
        Some(Some(ScalarValue::Utf8(Some(text)))) => Some(text),
        _ => None,
    }
}

/// Names at every other argument from the second on.
fn names<'a>(
    n_arguments: usize,
    constants: &'a [Option<&ScalarValue>],
) -> Result<Vec<(usize, &'a str)>> {
    let mut names: Vec<(usize, &str)> = Vec::new();
    for index in (1..n_arguments).step_by(2) {
        let place = index + 1;
        let Some(name) = literal(constants, index) else {
            return Err(validation(format!(
                "The field key at position {place} must be a non-nullable character string literal."
            )));
        };
        if names.iter().any(|(_, known)| *known == name) {
            return Err(validation(format!(
                "The field name '{name}' at position {place} is repeated."
            )));
        }
        names.push((index, name));
    }
    Ok(names)
}

fn object_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if types.len().is_multiple_of(2) {
        return Err(validation(format!(
            "no match found for function signature OBJECT_OF with {} arguments",
            types.len()
        )));
    }
    let Some(class) = literal(constants, 0) else {
        return Err(validation(
            "The first argument must be a non-nullable character string literal representing the \
             class name."
                .to_owned(),
        ));
    };
    if !is_class_name(class) {
        return Err(validation(format!(
            "Invalid class name '{class}'. The class name must comply with JVM identifier rules."
        )));
    }
    let fields = names(types.len(), constants)?
        .into_iter()
        .map(|(index, name)| field(name, types.get(index + 1)))
        .collect();
    Ok(FlinkType::nullable(TypeRoot::Structured {
        class: class.to_owned(),
        fields,
    }))
}

fn field(name: &str, flink_type: Option<&FlinkType>) -> RowField {
    RowField {
        name: name.to_owned(),
        flink_type: flink_type
            .cloned()
            .unwrap_or(FlinkType::nullable(TypeRoot::Null)),
        comment: None,
    }
}

/// Java's identifiers with points between them.
fn is_class_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$'))
            && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$'))
    })
}

fn updated_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let Some(FlinkType {
        root: TypeRoot::Structured { class, fields },
        nullable,
    }) = types.first()
    else {
        return Err(validation(
            "The first argument must be a structured type, e.g. of OBJECT_OF.".to_owned(),
        ));
    };
    if types.len().is_multiple_of(2) {
        return Err(validation(format!(
            "no match found for function signature OBJECT_UPDATE with {} arguments",
            types.len()
        )));
    }
    let mut fields = fields.clone();
    for (index, name) in names(types.len(), constants)? {
        let Some(place) = fields.iter().position(|field| field.name == name) else {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(validation(format!(
                "The field name '{name}' at position {} is not part of the structured type \
                 attributes. Available attributes: [{}].",
                index + 1,
                known.join(", ")
            )));
        };
        if let Some(slot) = fields.get_mut(place) {
            *slot = field(name, types.get(index + 1));
        }
    }
    Ok(FlinkType {
        root: TypeRoot::Structured {
            class: class.clone(),
            fields,
        },
        nullable: *nullable,
    })
}

fn object_of(call: &Call) -> Result<ArrayRef> {
    let columns = call.arguments.iter().skip(2).step_by(2).cloned().collect();
    new_object(call, columns, None)
}

fn object_update(call: &Call) -> Result<ArrayRef> {
    let object = call
        .argument(0)?
        .as_struct_opt()
        .ok_or_else(|| EngineError::internal("an object is a struct"))?;
    let mut columns = object.columns().to_vec();
    for index in (1..call.arguments.len()).step_by(2) {
        let name = call.text(index, 0).unwrap_or_default();
        let place = object.fields().iter().position(|it| it.name() == name);
        if let Some(slot) = place.and_then(|place| columns.get_mut(place)) {
            *slot = Arc::clone(call.argument(index + 1)?);
        }
    }
    new_object(call, columns, object.nulls().cloned())
}

fn new_object(
    call: &Call,
    columns: Vec<ArrayRef>,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Struct(fields) = call.result.to_arrow_type() else {
        return Err(EngineError::internal("an object is a struct"));
    };
    Ok(Arc::new(StructArray::try_new_with_length(
        fields,
        columns,
        nulls,
        call.n_rows,
    )?))
}
