//! Subqueries as Flink means them, before the optimizer's rules make joins of them.
//!
//! ```text
//!   x > ALL (q)                 cross join with MIN, MAX and counts of q
//!   x = ANY (q), x <> ALL (q)   x IN (q), x NOT IN (q)
//!   x NOT IN (q) under OR, …    EXISTS (q with …), with NULL where Flink says so
//!   EXISTS (q with a row)       TRUE
//!   EXISTS (q) in SELECT        a join that marks the rows that have a partner
//!   LATERAL (q)                 a join with what q asks as its condition
//!   (q with x < outer.y)        a join with what q gives for each distinct outer.y
//!   (q) of many rows            MIN and COUNT of q, and an error if there is more than one row
//! ```

mod certain;

mod dependent;

mod lateral;

mod marks;

mod membership;

mod quantified;

mod single_value;

pub use dependent::unnested;
pub use single_value::checked;

pub use marks::marked;
pub use membership::{Filters, memberships};

use datafusion::logical_expr::LogicalPlan;

use crate::error::Result;
use crate::plan::errors::from_planner;

/// What a streaming plan needs beyond what the optimizer's rules know of subqueries.
///
/// # Errors
/// If a rewritten plan is not valid: a bug.
pub fn prepared(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = certain::decided(plan).map_err(from_planner)?;
    let plan = quantified::compared(plan).map_err(from_planner)?;
    let plan = memberships(plan, Filters::Incremental).map_err(from_planner)?;
    let plan = marked(plan).map_err(from_planner)?;
    lateral::joined(plan).map_err(from_planner)
}

/// The same for plans that DataFusion runs.
///
/// # Errors
/// As [`prepared`].
pub fn prepared_for_batch(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = certain::decided(plan).map_err(from_planner)?;
    let plan = memberships(plan, Filters::Batch).map_err(from_planner)?;
    let plan = marked(plan).map_err(from_planner)?;
    lateral::joined(plan).map_err(from_planner)
}
