//! Flink's SQL text: statements, types, and where exactly something is wrong with them.
//!
//! ```text
//!   script ──script──▶ tokens of one statement ──prepass──▶ tokens sqlparser understands ──parser──▶ Statement
//! ```
//!
//! Nothing of sqlparser is forked: what it cannot read of Flink's dialect is read by a dialect's
//! hooks (`dialect`), by our own statement parser over its tokens (`parser`), or moved out of
//! its way beforehand (`prepass`).
pub mod statement;

pub mod types;

pub mod diagnostics;
