//! What the benchmarks share: the tables that they read, and a clock that a loaded machine hardly
//! disturbs.

pub mod cpu_time;
pub mod tables;

/// What a benchmark may fail with.
pub type BenchResult<T> = Result<T, Box<dyn std::error::Error>>;
