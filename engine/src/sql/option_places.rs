//! The place of the option that an error speaks of, in the statement that gives it:
//! `WITH ('connecter' = 'print')`.
//!
//! Whoever reads an option knows its key and value, not the statement: the error's first line quotes
//! them, and here they are found again. An option that is missing has no place. Where a table was
//! created by an earlier statement, the error names the table instead.

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::Span;

use super::diagnostics::SqlDiagnostic;
use super::statement::OptionEntry;
use crate::error::EngineError;

/// The error with the place of the first of `options` that its first line quotes: the value if
/// that is quoted too, else the key. Errors that have a place keep it, and those that quote none of
/// the options stay as they are.
#[must_use]
pub(crate) fn located(error: EngineError, source: &str, options: &[OptionEntry]) -> EngineError {
    let diagnostic = match &error {
        EngineError::Options { message } => of_message(message),
        EngineError::Sql(diagnostic) if diagnostic.position.is_none() => {
            SqlDiagnostic::clone(diagnostic)
        }
        _ => return error,
    };
    match span_of(&diagnostic.message, options) {
        Some(span) => EngineError::from(Arc::new(diagnostic.with_span(source, span))),
        None => error,
    }
}

/// The diagnostic of a text that ends with its hint.
pub(crate) fn of_message(message: &str) -> SqlDiagnostic {
    match message.split_once("\n  hint: ") {
        Some((message, hint)) => {
            SqlDiagnostic::validation(message).with_hint(Some(hint.to_owned()))
        }
        None => SqlDiagnostic::validation(message),
    }
}

/// As [`located`], for the options of a table with this name: an error that names another one keeps
/// what it has.
#[must_use]
pub(crate) fn located_of_table(
    error: EngineError,
    source: &str,
    table: &str,
    options: &[OptionEntry],
) -> EngineError {
    let is_of_another = match &error {
        EngineError::Options { message } => names_another(message, table),
        _ => false,
    };
    if is_of_another {
        return error;
    }
    located(error, source, options)
}

fn names_another(message: &str, table: &str) -> bool {
    let named = message.strip_prefix("table '");
    let path = named.and_then(|rest| rest.split_once('\''));
    path.is_some_and(|(path, _)| path != table && !path.ends_with(&format!(".{table}")))
}

fn span_of(message: &str, options: &[OptionEntry]) -> Option<Span> {
    // What exists and what may have been meant comes on further lines.
    let sentence = message.lines().next()?;
    let option = options
        .iter()
        .find(|option| quotes(sentence, &option.key))?;
    let is_about_keys = sentence.contains("unsupported option");
    Some(if !is_about_keys && quotes(sentence, &option.value) {
        option.value_span
    } else {
        option.key_span
    })
}

fn quotes(sentence: &str, text: &str) -> bool {
    sentence.contains(&format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::sql::script::parse_statement;
    use crate::sql::statement::Statement;

    const SQL: &str = "CREATE TABLE t (a INT) WITH ('connector' = 'print',\n  'rows' = 'x')";

    fn shown(message: &str) -> String {
        let statement = parse_statement(SQL).unwrap();
        let Statement::CreateTable(create) = &statement.statement else {
            unreachable!("it is CREATE TABLE");
        };
        let error = EngineError::Options {
            message: message.to_owned(),
        };
        located(error, SQL, &create.options).to_string()
    }

    #[test]
    fn a_wrong_value_is_marked_at_the_value_and_a_wrong_key_at_the_key() {
        assert_eq!(
            shown("table 't': invalid value 'x' for option 'rows': expected a number"),
            "table 't': invalid value 'x' for option 'rows': expected a number at line 2, column 12\
             \n  2 |   'rows' = 'x')\n    |            ^^^"
        );
        assert_eq!(
            shown(
                "table 't': unsupported options: 'rows'\n  supported options:\n    row\n  \
                 hint: did you mean 'row' with 'rows'?"
            ),
            "table 't': unsupported options: 'rows' at line 2, column 3\n  supported options:\n    \
             row\n  2 |   'rows' = 'x')\n    |   ^^^^^^\n  hint: did you mean 'row' with 'rows'?"
        );
    }

    #[test]
    fn what_the_statement_does_not_give_has_no_place() {
        let message = "table 't': required options are missing: 'path'\n  hint: look";
        assert_eq!(shown(message), message);
    }
}
