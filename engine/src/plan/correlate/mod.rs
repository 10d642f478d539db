//! Table functions beside the rows that they are called for: `t CROSS JOIN UNNEST(t.a)`,
//! `t LEFT JOIN LATERAL TABLE(f(t.x)) ON TRUE`.
//!
//! ```text
//!   Join                                     Correlate: function, arguments, LEFT or INNER
//!   ├─ t                              ──▶    └─ t
//!   └─ alias of a TableCall of t.a
//! ```

mod node;

mod relation;

mod rewrite;

pub use node::{Correlate, TableCall};
pub use relation::TableFunctions;
pub use rewrite::correlated;
