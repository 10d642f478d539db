//! What a notebook shows of tables and jobs. All of it is written in Rust from Arrow, so that a
//! live table goes on changing while Python computes.
//!
//! ```text
//!   MaterializedView ─┐
//!   JobHandle ────────┴─ live (one ticker) ──▶ table + status ──▶ MimeBundle ──▶ Publisher
//! ```
//!
//! Modules stand in suggested reading order.
pub mod format;

pub mod html;

pub mod grid;

pub mod table;

pub mod status;

pub mod frame;

pub mod live;

pub mod jobs;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod tests_live;
