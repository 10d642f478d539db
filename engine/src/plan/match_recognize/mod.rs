//! MATCH_RECOGNIZE in plans.
//!
//! ```text
//!   t MATCH_RECOGNIZE (…) ──relation──▶ MatchRecognize(input = t, pattern, DEFINE, MEASURES)
//!     A.price - LAST(B.price, 1)          formula: __ref0 - __ref1
//!                                         references: price of the last A, of the last B but one
//! ```
//!
//! An expression of DEFINE or MEASURES looks at several rows of a match at once. What it takes from
//! them becomes columns (references); the rest is an ordinary expression over these columns.

mod compile;

pub mod node;

mod pattern;

pub mod relation;

pub use compile::PATTERN_FUNCTIONS;
pub use node::{MatchNode, PlanFormula, PlanReference};
pub use relation::MatchRelations;
