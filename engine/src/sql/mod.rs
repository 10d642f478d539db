//! Flink's SQL text: statements, types, and where exactly something is wrong with them.
//!
//! ```text
//!   script ──prepass──▶ tokens ──script──▶ tokens of one statement ──parser──▶ Statement
//! ```
//!
//! Nothing of sqlparser is forked: what it cannot read of Flink's dialect is read by the hooks of
//! [`dialect`], by our own statement parser over its tokens, or moved out of its way beforehand.
pub mod classify;

pub mod statement;

pub mod catalog_statement;

pub mod show_statement;

pub mod script;

pub mod diagnostics;

pub(crate) mod option_places;

pub mod hints;

pub(crate) mod syntax;

pub mod types;

pub mod reserved;

pub mod dialect;

pub mod complete;

mod parser;

mod pattern_clause;

mod table_query;

mod prepass;

mod json_syntax;

mod text_syntax;

mod source;

pub use prepass::{SUBQUERY_TABLE, SUBSET_SYMBOL, WITHIN_SYMBOL};

#[cfg(test)]
mod tests;
