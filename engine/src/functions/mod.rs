//! Flink's functions, and the door for foreign ones.
//!
//! A name is looked up in this order: functions registered by the user, then Flink's own. What
//! DataFusion has and Flink does not have cannot be called.
pub mod udf;

pub mod accumulators;

pub mod aggregates;

pub mod rules;

pub mod arithmetic;

pub mod numeric;

pub mod random;

pub mod cast;

mod charsets;

pub mod checks;

pub mod enforce;

pub mod define;

mod bare_null;

pub(crate) use bare_null::illegal_null;

pub mod string;

pub mod math;

mod recent;

pub mod java_time;

mod java_strict;

mod java_calendar;

pub mod datetime;

pub mod conditional;

pub mod membership;

pub mod java_regex;

pub mod pattern;

pub mod regexp;

pub mod encoding;

pub mod nested;

pub mod json;

pub mod variant;

pub mod session_values;

pub mod bitmap;

pub mod url;

pub mod window;

pub mod group_window;

pub mod usage;

pub(crate) mod registered;

pub mod foreign;

pub mod foreign_aggregate;

pub mod user;

pub mod table;

mod listing;

pub mod registry;

pub use registry::{FunctionKind, FunctionRegistry};
pub use user::UserFunction;
