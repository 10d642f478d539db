//! Windows in plans: the table functions TUMBLE, HOP, CUMULATE and SESSION.
//!
//! ```text
//!   TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND))
//!        └─ relation ─▶ WindowTvf(input = t, + window_start, window_end, window_time)
//! ```
//!
//! and their older form, which becomes the same: `GROUP BY TUMBLE(ts, INTERVAL '5' SECOND)`.
pub mod node;

pub mod group;

mod computed_time;

pub mod grouping_sets;

pub mod properties;

pub mod slices;

pub mod relation;

pub use node::WindowTvf;
