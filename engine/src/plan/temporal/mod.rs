//! Temporal joins: `JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency`.
//!
//! ```text
//!   relation  rates FOR SYSTEM_TIME AS OF o.ts  ─▶  Snapshot(rates, as of o.ts)
//!   rewrite   Join(o, Snapshot(rates))          ─▶  TemporalJoin(o, rates, time = o.ts)
//! ```
//!
//! When the table is named, the other side of the join is not known yet: the expression waits in
//! the snapshot. From then on the join is a node of ours, so that no rule looks into it.
//!
//! By processing time the join is a `LookupJoin`: the table is asked for the rows of each key.

mod condition;

pub mod keys;

pub mod node;

pub mod relation;

pub mod rewrite;

pub mod lookup;

pub mod hint;

pub use lookup::LookupJoin;
pub use node::{Snapshot, TemporalJoin};
