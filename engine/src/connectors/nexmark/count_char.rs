//! The function that question 14 of the benchmark brings along: how often a character stands in a
//! text.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::error::{EngineError, Result};
use crate::functions::udf::{UdfRuntime, UdfSpec};

/// What CREATE FUNCTION calls it.
pub(super) const CLASS: &str = "com.github.nexmark.flink.udf.CountChar";

/// `count_char(text STRING, character STRING) BIGINT NOT NULL`.
pub(super) fn spec() -> UdfSpec {
    let text = |name: &str| -> FieldRef { Arc::new(Field::new(name, DataType::Utf8, true)) };
    UdfSpec {
        name: "count_char".to_owned(),
        arguments: Some(vec![text("text"), text("character")]),
        result: Arc::new(Field::new("count", DataType::Int64, false)),
        deterministic: true,
        runtime: Arc::new(CountChar),
    }
}

/// Counts the bytes that equal the first byte of the character; none in a NULL.
#[derive(Debug)]
struct CountChar;

impl UdfRuntime for CountChar {
    fn call(&self, arguments: &[ArrayRef], _n_rows: usize) -> Result<ArrayRef> {
        let [texts, characters] = arguments else {
            return Err(EngineError::internal("count_char takes two arguments"));
        };
        let (texts, characters) = (strings(texts)?, strings(characters)?);
        let counts = texts.iter().zip(characters).map(|(text, character)| {
            let Some(text) = text else {
                return Ok(0);
            };
            let byte = character.and_then(|it| it.as_bytes().first());
            let byte = byte.ok_or_else(|| EngineError::Function {
                function: "count_char".to_owned(),
                message: "it needs a character to count".to_owned(),
            })?;
            let found = text.bytes().filter(|it| it == byte).count();
            Ok(i64::try_from(found).unwrap_or(i64::MAX))
        });
        Ok(Arc::new(counts.collect::<Result<Int64Array>>()?))
    }
}

fn strings(array: &ArrayRef) -> Result<&StringArray> {
    array
        .as_string_opt()
        .ok_or_else(|| EngineError::internal("count_char takes texts"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn counts_bytes_and_wants_a_character() {
        let column =
            |values: [Option<&str>; 3]| -> ArrayRef { Arc::new(StringArray::from_iter(values)) };
        let texts = column([Some("abcabc"), Some(""), None]);
        let counts = CountChar.call(&[Arc::clone(&texts), column([Some("c"); 3])], 3);
        assert_eq!(counts.unwrap().as_ref(), &Int64Array::from(vec![2, 0, 0]));
        let error = CountChar
            .call(&[texts, column([Some(""); 3])], 3)
            .unwrap_err();
        assert!(
            error.to_string().contains("a character to count"),
            "{error}"
        );
    }
}
