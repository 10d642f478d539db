//! Flink's logical types and how they lie in Arrow columns.
