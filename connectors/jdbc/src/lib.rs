//! The connector `jdbc`: tables of MySQL, MariaDB, PostgreSQL and SQLite, read, looked up and
//! written, with the options of Flink's connector of that name and without a JVM.
//!
//! ```text
//!   WITH ('connector' = 'jdbc', 'url' = …) ──factory──▶ Table (url, options, dialect)
//!      scan.rs    SELECT … [WHERE c BETWEEN ? AND ?] ──▶ values ──▶ Arrow batches
//!      lookup.rs  SELECT … WHERE key = ? UNION ALL …  ──▶ rows by key, behind a cache
//!      sink.rs    changes ──by key──▶ buffer ──rows, interval, checkpoint, end──▶ upserts, deletes
//!                                        │
//!                            driver/  Connection: MySQL · PostgreSQL · SQLite
//! ```
//!
//! A URL tells the dialect, which writes the statements; a driver runs them with values
//! and knows which failures a new connection may mend. What is written arrives at least once; with
//! a PRIMARY KEY writing it again changes nothing, so that it counts once.
//!
//! Source: `apache/flink-connector-jdbc`, version 4, for options, defaults, sentences of validation
//! and the shape of statements. SQLite is ours.
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod url;

mod dialect;

mod values;

mod driver;

mod options;

mod table;

mod factory;

mod scan;

mod lookup;

mod sink;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use factory::JdbcFactory;

/// Makes the connector known to every session of this process.
pub fn register() {
    tidemill_engine::connectors::registry::register(Arc::new(JdbcFactory));
}
