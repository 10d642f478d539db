//! Flink's SQL text: statements, types, and where exactly something is wrong with them.
pub mod diagnostics;
