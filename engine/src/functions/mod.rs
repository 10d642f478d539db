//! Flink's functions, and the door for foreign ones.
pub mod udf;
