//! Materialized tables: tables that carry a query and how fresh their content has to be.
//!
//! As in Flink's table environment they are kept and shown, and can be read and written like other
//! tables; the jobs that refresh them belong to Flink's SQL gateway, and here to nobody.
//!
//! Source: Flink 2.3's `SqlCreateMaterializedTableConverter`, `IntervalFreshness` and
//! `MaterializedTableUtils`, and its answers.

use std::fmt;

use super::{at, fail};
use crate::error::Result;
use crate::sql::statement::{Freshness, RefreshMode};

/// Below this freshness a table is refreshed continuously unless its statement says otherwise:
/// `materialized-table.refresh-mode.freshness-threshold`.
const CONTINUOUS_BELOW_S: u64 = 30 * 60;

/// What makes a table a materialized one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Materialized {
    /// The number of units.
    pub amount: u64,
    /// The unit, in upper case.
    pub unit: &'static str,
    /// How it is brought up to date.
    pub mode: RefreshMode,
    /// Its query, as written.
    pub query: String,
}

/// The units, their length, and how many of them make the next unit.
const UNITS: [(&str, u64, u64); 4] = [
    ("SECOND", 1, 60),
    ("MINUTE", 60, 60),
    ("HOUR", 3_600, 24),
    ("DAY", 86_400, 1),
];

impl Materialized {
    /// What a statement says: without FRESHNESS three minutes, without REFRESH_MODE what fits
    /// the freshness.
    ///
    /// # Errors
    /// For a freshness that is no positive number of a unit up to days, or that does not divide
    /// the next unit in full mode.
    pub fn try_new(
        freshness: Option<&Freshness>,
        mode: Option<RefreshMode>,
        query: String,
        script: &str,
    ) -> Result<Self> {
        let Some(freshness) = freshness else {
            return Ok(Self {
                amount: 3,
                unit: "MINUTE",
                mode: mode.unwrap_or(RefreshMode::Continuous),
                query,
            });
        };
        let refuse = |message: String| Err(at(fail(message, None), script, freshness.span));
        let Some((unit, seconds, in_next)) =
            UNITS.into_iter().find(|(unit, ..)| *unit == freshness.unit)
        else {
            return refuse(format!(
                "the freshness of a materialized table is a number of SECOND, MINUTE, HOUR or \
                 DAY, not of {}",
                freshness.unit
            ));
        };
        let amount = match freshness.amount.trim().parse::<u64>() {
            Ok(amount) if amount > 0 => amount,
            _ => {
                return refuse(format!(
                    "the freshness of a materialized table is a positive integer, but was '{}'",
                    freshness.amount
                ));
            }
        };
        let mode = mode.unwrap_or(match amount.saturating_mul(seconds) < CONTINUOUS_BELOW_S {
            true => RefreshMode::Continuous,
            false => RefreshMode::Full,
        });
        if mode == RefreshMode::Full && !in_next.is_multiple_of(amount) {
            return refuse(format!(
                "in full refresh mode the freshness must be a factor of {in_next} if its unit is \
                 {unit}"
            ));
        }
        Ok(Self {
            amount,
            unit,
            mode,
            query,
        })
    }
}

impl fmt::Display for Materialized {
    /// The clauses of SHOW CREATE MATERIALIZED TABLE behind the options, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            RefreshMode::Continuous => "CONTINUOUS",
            RefreshMode::Full => "FULL",
        };
        write!(
            f,
            "START_MODE = FROM_BEGINNING\nFRESHNESS = INTERVAL '{}' {}\nREFRESH_MODE = {mode}\nAS \
             {}\n",
            self.amount, self.unit, self.query
        )
    }
}
