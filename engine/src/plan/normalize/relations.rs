//! What stands in FROM: calls of functions in one form, options of hints in the relation's name,
//! and what parses but does not run.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, TableAlias, TableFactor, TableVersion,
};

use crate::plan::changelog::is_changelog_function;
use crate::plan::window::relation::is_window;
use crate::sql::SUBQUERY_TABLE;
use crate::sql::hints::table_options;

const TABLE: &str = "TABLE";

/// The relations of Flink that parse and do not run yet, in the user's words.
pub(in crate::plan) fn unsupported_relation(table: &TableFactor) -> Option<String> {
    let feature = match table {
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => "PIVOT",
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => "JSON_TABLE",
        TableFactor::Table {
            version: Some(TableVersion::ForSystemTimeAsOf(_)),
            ..
        } => return None,
        TableFactor::Table {
            version: Some(_), ..
        } => "this version of a table",
        TableFactor::Table {
            sample: Some(_), ..
        }
        | TableFactor::Derived {
            sample: Some(_), ..
        } => "TABLESAMPLE",
        _ => return None,
    };
    Some(feature.to_owned())
}

/// `TABLE(f(…))` and `f(…)` become `TABLE(f(…))` as it stands behind LATERAL, but without the
/// columns of other relations. Functions that take a table stay.
pub(super) fn table_of_call(table: &mut TableFactor) {
    let (lateral, call, alias) = match table {
        TableFactor::TableFunction {
            expr: Expr::Function(call),
            alias,
        } if !takes_table(&call.name) => (false, call.clone(), alias.take()),
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            ..
        } if !takes_table(name) => {
            let call = call_of(name.clone(), std::mem::take(&mut arguments.args));
            (false, call, alias.take())
        }
        TableFactor::Function {
            lateral: true,
            name,
            args,
            alias,
            ..
        } if !name.to_string().eq_ignore_ascii_case(TABLE) => (
            true,
            call_of(name.clone(), std::mem::take(args)),
            alias.take(),
        ),
        _ => return,
    };
    *table = TableFactor::Function {
        lateral,
        name: ObjectName::from(vec![Ident::new(TABLE)]),
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(
            call,
        )))],
        with_ordinality: false,
        alias,
    };
}

fn takes_table(name: &ObjectName) -> bool {
    let name = name.to_string();
    name.replace('`', "") == SUBQUERY_TABLE || is_window(&name) || is_changelog_function(&name)
}

fn call_of(name: ObjectName, args: Vec<FunctionArg>) -> Function {
    Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

/// Marks a relation whose name carries the options of a hint.
const HINT_MARK: char = '\u{1}';

/// Moves the options of a table's hint into its name, where [`table_hint`] finds them again: the
/// binder hands nothing else through.
pub(super) fn carry_hint(table: &mut TableFactor) {
    let options = table_options(table);
    let TableFactor::Table {
        name,
        alias,
        with_hints,
        ..
    } = table
    else {
        return;
    };
    with_hints.clear();
    if options.is_empty() {
        return;
    }
    let mut idents = name.0.iter().filter_map(|part| part.as_ident());
    let parts: Vec<String> = idents.clone().map(|ident| ident.value.clone()).collect();
    if alias.is_none()
        && let Some(last) = idents.next_back()
    {
        // With its place, by which other hints know the relation.
        *alias = Some(TableAlias {
            explicit: true,
            name: Ident::with_quote_and_span('`', last.span, last.value.clone()),
            columns: vec![],
            at: None,
        });
    }
    let carried = serde_json::json!([parts, options]);
    *name = ObjectName::from(vec![Ident::with_quote(
        '`',
        format!("{HINT_MARK}{carried}"),
    )]);
}

/// The path and the options that `normalize_query` put into a relation's name, if it did.
#[must_use]
pub fn table_hint(name: &str) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    serde_json::from_str(name.strip_prefix(HINT_MARK)?).ok()
}
