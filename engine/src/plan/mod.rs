//! From a query's syntax tree to a graph of operators.
//!
//! ```text
//!   Query ──normalize──▶ Query ──bind──▶ LogicalPlan ──rules──▶ LogicalPlan ──build──▶ Graph
//!   (Flink's syntax)    (plain SQL)     (DataFusion's)                       (+ changelog modes)
//! ```
//!
//! The front half is DataFusion's, with our tables, functions and types; from the optimized
//! logical plan on everything is ours, because a changing table is not a query that ends.
mod hints;

pub mod interval;

pub mod normalize;

pub mod function_names;

pub mod determinism;

mod nested;

mod row_star;

pub mod context;

pub mod time;

pub mod window;

pub mod operands;

pub mod temporal;
pub mod typing;

mod empty_input;

pub mod errors;

pub mod locate;

pub mod grouping;

pub mod correlate;

pub mod aggregates;

mod over_moments;

mod peer_frames;

pub mod aggregate_names;

pub mod subquery;

pub mod set_operations;

pub mod star;

pub mod changelog;

pub mod state_ttl;

pub mod bare_null;

pub mod values;

pub mod bind;

pub mod match_recognize;

pub mod rules;

mod call_text;

pub mod text;

pub(crate) mod used_functions;

pub mod build;

pub mod keys;

pub mod changes;

mod syntax_tree;

pub mod explain;
