//! # What the integration tests share
//!
//! ```text
//!   random changes ──▶ deltas of a chosen size ──Replay──▶ job ──▶ changelog or view ─┐
//!         └──▶ the rows that are left ──▶ DataFusion's batch result ──────────────────┴─▶ equal?
//! ```
pub mod changes;

pub mod cpu_time;

pub mod events;

pub mod jobs;

pub mod joins;

pub mod oracle;

pub mod replay;

pub mod tpch;
