//! The hint `LOOKUP('table' = 'dim', 'retry-predicate' = 'lookup_miss', …)` behind SELECT.
//!
//! Tested as Flink tests it, whether or not a lookup join is there; what it says about asking again
//! travels to the table's relation beside its time:
//!
//! ```text
//!   FOR SYSTEM_TIME AS OF o.pt  ──▶  FOR SYSTEM_TIME AS OF __lookup_retry_<delay ms>_<attempts>(o.pt)
//! ```
//!
//! `async` and its options are read and do nothing: keys are asked for in batches, and rows keep
//! their order, which both output modes allow.
//!
//! Source: `LookupJoinHintOptions` and `LookupJoinHintSpec` of Flink 2.3.

use std::ops::ControlFlow;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, TableFactor,
    TableVersion, VisitMut, VisitorMut,
};

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};
use crate::operators::LookupRetry;
use crate::plan::state_ttl::Marks;
use crate::sql::diagnostics::validation;
use crate::sql::hints::{SelectHint, select_hints};
use crate::sql::syntax::call;

const HINT: &str = "LOOKUP";
/// The hints that Flink knows behind SELECT.
const KNOWN: [&str; 7] = [
    "BROADCAST",
    HINT,
    "MULTI_JOIN",
    "NEST_LOOP",
    "SHUFFLE_HASH",
    "SHUFFLE_MERGE",
    "STATE_TTL",
];
/// What follows are the milliseconds and the number of attempts.
const RETRY: &str = "__lookup_retry_";

/// Reads the hints behind SELECT of a query and gives those about lookups to their tables. What
/// they say of state is given back.
///
/// # Errors
/// A validation error for hints that Flink refuses, and for tables that the SELECT does not read.
pub fn apply_hints(query: &mut Query) -> Result<Marks> {
    let mut hints = Hints::default();
    match query.visit(&mut hints) {
        ControlFlow::Continue(()) => Ok(hints.marks),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The time as it was written, and how to ask again.
#[must_use]
pub fn without_retry(time: Expr) -> (Expr, Option<LookupRetry>) {
    let Expr::Function(Function { name, args, .. }) = &time else {
        return (time, None);
    };
    let name = name.to_string();
    let measures = name.strip_prefix(RETRY).and_then(|it| it.split_once('_'));
    let (Some((delay_ms, max_attempts)), FunctionArguments::List(list)) = (measures, args) else {
        return (time, None);
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))] = list.args.as_slice() else {
        return (time, None);
    };
    let retry = match (delay_ms.parse(), max_attempts.parse()) {
        (Ok(delay_ms), Ok(max_attempts)) => Some(LookupRetry {
            delay: Duration::from_millis(delay_ms),
            max_attempts,
        }),
        _ => None,
    };
    (inner.clone(), retry)
}

#[derive(Default)]
struct Hints {
    marks: Marks,
}

impl VisitorMut for Hints {
    type Break = EngineError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<EngineError> {
        match apply(select, &mut self.marks) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn apply(select: &mut Select, marks: &mut Marks) -> Result<()> {
    let hints = select_hints(select).map_err(validation)?;
    if let Some(unknown) = hints
        .iter()
        .find(|hint| !KNOWN.contains(&hint.name.as_str()))
    {
        return Err(validation(format!(
            "unknown hint '{}'; the hints behind SELECT are {}",
            unknown.name,
            KNOWN.join(", ")
        )));
    }
    crate::plan::hints::check(select, &hints, marks)?;
    // Flink does not look at the hints of a SELECT that joins nothing.
    let n_relations: usize = select.from.iter().map(|from| 1 + from.joins.len()).sum();
    for hint in hints.iter().filter(|hint| hint.name == HINT) {
        let options = Options::read(hint)?;
        if n_relations < 2 {
            continue;
        }
        let mut is_found = false;
        for from in &mut select.from {
            let joined = from.joins.iter_mut().map(|join| &mut join.relation);
            for relation in std::iter::once(&mut from.relation).chain(joined) {
                if name_of(relation).is_some_and(|name| name == options.table) {
                    is_found = true;
                    ask_again(relation, options.retry);
                }
            }
        }
        if !is_found {
            return Err(validation(format!(
                "the options of following hints cannot match the name of input tables or views: \
                 `{}` in `{HINT}`",
                options.table
            )));
        }
    }
    Ok(())
}

/// The name by which a hint knows a relation: its alias, or else its own.
fn name_of(relation: &TableFactor) -> Option<String> {
    match relation {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(alias.name.value.clone()),
            None => {
                let last = name.0.last().and_then(|part| part.as_ident());
                last.map(|ident| ident.value.clone())
            }
        },
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| alias.name.value.clone()),
        _ => None,
    }
}

fn ask_again(relation: &mut TableFactor, retry: Option<LookupRetry>) {
    let TableFactor::Table {
        version: Some(TableVersion::ForSystemTimeAsOf(time)),
        ..
    } = relation
    else {
        return;
    };
    let Some(retry) = retry else { return };
    let (inner, _) = without_retry(time.clone());
    let (delay_ms, max_attempts) = (retry.delay.as_millis(), retry.max_attempts);
    *time = call(&format!("{RETRY}{delay_ms}_{max_attempts}"), vec![inner]);
}

struct Options {
    table: String,
    retry: Option<LookupRetry>,
}

impl Options {
    fn read(hint: &SelectHint) -> Result<Self> {
        if hint.arguments.iter().any(|(_, value)| value.is_none()) {
            return Err(invalid(
                "list options, only key-value options are supported".to_owned(),
            ));
        }
        let text = |key: &str| {
            let found = hint.arguments.iter().rev().find(|(name, _)| name == key);
            found.and_then(|(_, value)| value.as_deref())
        };
        let Some(table) = text("table") else {
            return Err(invalid(
                "incomplete required options: 'table' is missing".to_owned(),
            ));
        };
        for (key, known) in [
            ("async", ["true", "false"]),
            ("output-mode", ["ordered", "allow_unordered"]),
        ] {
            let is_known = |text: &str| known.iter().any(|it| it.eq_ignore_ascii_case(text));
            if let Some(text) = text(key).filter(|text| !is_known(text)) {
                return Err(unparsed(key, text, &known.join(" or ")));
            }
        }
        duration("timeout", text("timeout"))?;
        positive("capacity", text("capacity"))?;
        Ok(Self {
            table: table.to_owned(),
            retry: retry(&text)?,
        })
    }
}

fn retry<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<LookupRetry>> {
    let delay = duration("fixed-delay", text("fixed-delay"))?;
    let max_attempts = positive("max-attempts", text("max-attempts"))?;
    for (key, only) in [
        ("retry-predicate", "lookup_miss"),
        ("retry-strategy", "fixed_delay"),
    ] {
        if let Some(value) = text(key).filter(|value| !value.eq_ignore_ascii_case(only)) {
            return Err(invalid(format!(
                "unsupported {key} '{value}', only '{only}' is supported currently"
            )));
        }
    }
    match (
        text("retry-predicate"),
        text("retry-strategy"),
        delay,
        max_attempts,
    ) {
        (None, None, None, None) => Ok(None),
        (Some(_), Some(_), Some(delay), Some(max_attempts)) => Ok(Some(LookupRetry {
            delay,
            max_attempts,
        })),
        _ => Err(invalid(
            "retry options can be both null or all not null".to_owned(),
        )),
    }
}

fn duration(key: &str, text: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    match parse_duration(text) {
        Some(duration) => Ok(Some(duration)),
        None => Err(unparsed(key, text, "a duration such as '10 s'")),
    }
}

fn positive(key: &str, text: Option<&str>) -> Result<Option<u32>> {
    let Some(text) = text else { return Ok(None) };
    match text.trim().parse::<i64>() {
        Ok(number) => match u32::try_from(number) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(invalid(format!(
                "{key} value should be positive integer but was {number}"
            ))),
        },
        Err(_) => Err(unparsed(key, text, "a positive integer")),
    }
}

fn unparsed(key: &str, text: &str, expected: &str) -> EngineError {
    invalid(format!(
        "could not parse value '{text}' for key '{key}', expected {expected}"
    ))
}

fn invalid(what: String) -> EngineError {
    validation(format!("invalid {HINT} hint: {what}"))
}
