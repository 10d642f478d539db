//! The door for foreign functions: the engine knows their names, types and this trait, and
//! nothing of the language behind it.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;

use crate::error::Result;

/// A registered scalar function.
#[derive(Debug, Clone)]
pub struct UdfSpec {
    /// Name in SQL; found without regard to case, shown as given.
    pub name: String,
    /// Argument types, or `None` if any arguments are taken as they come.
    pub arguments: Option<Vec<FieldRef>>,
    /// Result type (`data::types` metadata included).
    pub result: FieldRef,
    /// Whether equal arguments give equal results: only then it may be folded or computed once.
    pub deterministic: bool,
    /// The code.
    pub runtime: Arc<dyn UdfRuntime>,
}

/// Runs a foreign function on whole batches.
///
/// Called from worker threads, from several at a time. The engine holds none of its locks during
/// a call.
pub trait UdfRuntime: Send + Sync + Debug {
    /// Computes one result a row. `n_rows` counts also where there are no arguments; the result
    /// has that length and the declared type.
    ///
    /// # Errors
    /// `Function` with what the function's own runtime reports.
    fn call(&self, arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef>;
}
