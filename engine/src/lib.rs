//! # The engine: Flink SQL in, changing tables out
//!
//! ```text
//!  SQL text ──sql──▶ Statement ──session──▶ catalog change, or
//!                                   │
//!                                   └─ query ──plan──▶ Graph ──runtime──▶ Job
//!
//!  Source ──Delta──▶ operators on N workers ──Delta──▶ Sink | ChangeStream | MaterializedView
//!                    (one synchronous step after another)
//! ```
//!
//! The engine knows no Python, no Jupyter and no terminal. It takes Flink SQL text and Arrow
//! batches and gives changelogs; foreign functions come in through one trait,
//! [`functions::udf::UdfRuntime`].
//!
//! Modules stand in suggested reading order; imports go from later lines to earlier ones.
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod error;

pub mod data;

pub mod sql;

pub mod catalog;

pub mod functions;

pub mod state;

pub mod runtime;

pub mod operators;

pub mod formats;

pub mod connectors;

pub mod plan;

pub mod batch;

pub mod session;

pub use error::{EngineError, Result};
