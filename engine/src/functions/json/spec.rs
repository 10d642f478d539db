//! The clauses of a JSON function as one literal.
//!
//! ```text
//!   returning=ARRAY<STRING>⏎wrapper=CONDITIONAL⏎on_empty=EMPTY ARRAY⏎raw=1,3
//! ```

use std::collections::BTreeSet;

use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};

/// What a function gives where there is nothing to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// NULL: also where nothing is said.
    Null,
    /// An error.
    Error,
    /// The DEFAULT.
    Default,
    /// `[]`
    EmptyArray,
    /// `{}`
    EmptyObject,
    /// TRUE
    True,
    /// FALSE
    False,
    /// NULL of BOOLEAN.
    Unknown,
    /// The entry is left out.
    Absent,
}

/// When JSON_QUERY puts its result into an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Never.
    Without,
    /// Unless it is one.
    Conditional,
    /// Always.
    Unconditional,
}

/// The clauses of a call.
#[derive(Debug, Clone)]
pub struct Spec {
    /// `RETURNING type`
    pub returning: Option<FlinkType>,
    /// `… WRAPPER`
    pub wrapper: Wrapper,
    /// `… ON EMPTY`
    pub on_empty: Behavior,
    /// `… ON ERROR`
    pub on_error: Behavior,
    /// `… ON NULL`
    pub on_null: Option<Behavior>,
    /// Indices of arguments that are JSON documents and not texts.
    pub raw: BTreeSet<usize>,
}

impl Spec {
    /// Reads the literal.
    ///
    /// # Errors
    /// If it names a type that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut spec = Self {
            returning: None,
            wrapper: Wrapper::Without,
            on_empty: Behavior::Null,
            on_error: Behavior::Null,
            on_null: None,
            raw: BTreeSet::new(),
        };
        for line in text.lines() {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            match name {
                "returning" => spec.returning = Some(FlinkType::parse(value)?),
                "wrapper" => {
                    spec.wrapper = match value {
                        "CONDITIONAL" => Wrapper::Conditional,
                        "UNCONDITIONAL" => Wrapper::Unconditional,
                        _ => Wrapper::Without,
                    };
                }
                "on_empty" => spec.on_empty = behavior(value)?,
                "on_error" => spec.on_error = behavior(value)?,
                "on_null" => spec.on_null = Some(behavior(value)?),
                "raw" => {
                    spec.raw = value.split(',').filter_map(|it| it.parse().ok()).collect();
                }
                other => {
                    return Err(EngineError::internal(format!(
                        "unknown clause '{other}' of a JSON function"
                    )));
                }
            }
        }
        Ok(spec)
    }
}

fn behavior(text: &str) -> Result<Behavior> {
    Ok(match text {
        "NULL" => Behavior::Null,
        "ERROR" => Behavior::Error,
        "DEFAULT" => Behavior::Default,
        "EMPTY ARRAY" => Behavior::EmptyArray,
        "EMPTY OBJECT" => Behavior::EmptyObject,
        "TRUE" => Behavior::True,
        "FALSE" => Behavior::False,
        "UNKNOWN" => Behavior::Unknown,
        "ABSENT" => Behavior::Absent,
        other => {
            return Err(EngineError::internal(format!(
                "unknown behavior '{other}' of a JSON function"
            )));
        }
    })
}
