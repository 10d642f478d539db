//! Which functions take the bare word `NULL`.
//!
//! Flink's functions come in two generations. The older ones learn the type of an argument from
//! the argument alone, so that `UPPER(NULL)` is refused and `UPPER(CAST(NULL AS STRING))` is not.
//! The newer ones say which type they expect, and NULL takes it.

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::sql::diagnostics::validation;

/// Functions of the newer generation, all of whose arguments may be a bare NULL.
const TAKE_NULL: &[&str] = &[
    "bitmap_build",
    "btrim",
    "coalesce",
    "endswith",
    "ifnull",
    "inet_aton",
    "inet_ntoa",
    "json_quote",
    "json_string",
    "json_unquote",
    "parse_json",
    "printf",
    "regexp_count",
    "regexp_extract_all",
    "regexp_instr",
    "regexp_substr",
    "split",
    "startswith",
    "typeof",
    "unhex",
    "url_decode",
    "url_encode",
];

/// Functions that need to know their first argument's type, but not that of the others.
const TAKE_NULL_BEHIND_FIRST: &[&str] = &[
    "array_append",
    "array_contains",
    "array_join",
    "array_position",
    "array_prepend",
    "array_remove",
    "array_slice",
    "array_sort",
    "elt",
    "object_of",
    "object_update",
];

/// Of the functions that stand for a syntax, those of the older generation.
const OLDER_SYNTAX: &[&str] = &[
    "__is_json",
    "__like",
    "__negate",
    "__plus",
    "__similar",
    "__trim",
];

/// Those whose first two arguments are the document and the path, with further ones behind them
/// that may be NULL.
const JSON_SYNTAX: &[&str] = &["__json_exists", "__json_query", "__json_value"];

fn takes_null(name: &str, index: usize, n_arguments: usize) -> bool {
    if JSON_SYNTAX.contains(&name) {
        return index > 1;
    }
    (name.starts_with("__") && !OLDER_SYNTAX.contains(&name))
        || TAKE_NULL.contains(&name)
        || (index > 0 && TAKE_NULL_BEHIND_FIRST.contains(&name))
        || (name == "to_timestamp_ltz" && index == 0 && n_arguments != 2)
}

/// Looks at the types of a call's arguments as they were written.
///
/// # Errors
/// `Sql` if one is a bare NULL and the function does not take it.
pub(crate) fn check(name: &str, given: &[DataType]) -> Result<()> {
    let is_taken = |(index, data_type): (usize, &DataType)| {
        *data_type != DataType::Null || takes_null(name, index, given.len())
    };
    if given.iter().enumerate().all(is_taken) {
        return Ok(());
    }
    Err(illegal_null())
}

/// What Flink says of a NULL whose type cannot be known.
pub(crate) fn illegal_null() -> crate::error::EngineError {
    validation("illegal use of 'NULL'".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_null_hangs_on_the_generation() {
        let (null, text) = (DataType::Null, DataType::Utf8);
        assert!(check("upper", std::slice::from_ref(&null)).is_err());
        assert!(check("upper", std::slice::from_ref(&text)).is_ok());
        assert!(check("btrim", &[null.clone(), text.clone()]).is_ok());
        assert!(check("elt", &[null.clone(), text.clone()]).is_err());
        assert!(check("elt", &[DataType::Int32, null.clone()]).is_ok());
        assert!(check("__case", std::slice::from_ref(&null)).is_ok());
        assert!(check("__json_value", &[text.clone(), null.clone()]).is_err());
        assert!(check("to_timestamp_ltz", std::slice::from_ref(&null)).is_ok());
        assert!(check("to_timestamp_ltz", &[null, DataType::Int32]).is_err());
    }
}
