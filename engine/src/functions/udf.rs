//! The door for foreign functions: the engine knows their names, types and this trait, and
//! nothing of the language behind it.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;

use crate::error::Result;
use crate::functions::usage::FunctionUse;

/// What stands between the own name of a function that nobody has given one in SQL, and its number.
pub const INLINE: &str = "$inline";

/// The name of a function for people: without its database, and without the number of one that a
/// program calls in place.
#[must_use]
pub fn display_name(name: &str) -> &str {
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    name.split_once(INLINE).map_or(name, |(name, _)| name)
}

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

    /// The function for one job alone, with state, metrics and output of its own; none if jobs
    /// share it. Costs little: plans that are only shown have their functions too.
    fn for_job(&self) -> Option<Arc<dyn UdfRuntime>> {
        None
    }

    /// A job begins that calls the function; none if the function does not mind.
    fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        None
    }
}

/// A registered aggregate function.
#[derive(Debug, Clone)]
pub struct AggregateUdfSpec {
    /// Name in SQL; found without regard to case, shown as given.
    pub name: String,
    /// Argument types, or `None` if any arguments are taken as they come.
    pub arguments: Option<Vec<FieldRef>>,
    /// Result type (`data::types` metadata included).
    pub result: FieldRef,
    /// The code.
    pub runtime: Arc<dyn AggregateRuntime>,
}

/// Makes the states of a foreign aggregate function.
pub trait AggregateRuntime: Send + Sync + Debug {
    /// States for the groups of one worker; none there yet.
    ///
    /// # Errors
    /// `Function` if the function cannot be opened.
    fn create(&self) -> Result<Box<dyn GroupStates>>;

    /// As [`UdfRuntime::for_job`].
    fn for_job(&self) -> Option<Arc<dyn AggregateRuntime>> {
        None
    }

    /// As [`UdfRuntime::begin_use`].
    fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        None
    }
}

/// The states of one foreign aggregate function, one a group. Groups are dense numbers.
///
/// Driven by one thread at a time.
pub trait GroupStates: Send + Sync {
    /// Adds rows to their groups, or takes them back.
    ///
    /// # Errors
    /// `Function` with what the function's own runtime reports, as all methods here; also if rows
    /// are taken back from a function that cannot.
    fn update(&mut self, rows: &GroupedRows<'_>) -> Result<()>;

    /// As [`Self::update`], and gives the value of the row's group after each row.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn update_each(&mut self, rows: &GroupedRows<'_>) -> Result<ArrayRef>;

    /// The values of these groups.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn read(&self, groups: &[u32]) -> Result<ArrayRef>;

    /// Makes the group as if it had never seen a row.
    fn clear(&mut self, group: u32);

    /// The states of these groups as a column.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn save(&self, groups: &[u32]) -> Result<ArrayRef>;

    /// Adds what [`Self::save`] gave to the groups: restores empty ones, merges others.
    ///
    /// # Errors
    /// As [`Self::update`]; also if the function cannot merge and must.
    fn restore(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()>;

    /// Bytes of state, as far as the runtime knows them.
    fn state_bytes(&self) -> usize;
}

/// Rows of several groups, in order. All slices and columns have the same length.
#[derive(Debug, Clone, Copy)]
pub struct GroupedRows<'a> {
    /// The arguments; none for a function without.
    pub arguments: &'a [ArrayRef],
    /// The group of each row.
    pub groups: &'a [u32],
    /// +1 or -1 for each row; none if all are +1.
    pub signs: Option<&'a [i8]>,
    /// Rows that count; none if all do.
    pub counted: Option<&'a arrow::buffer::BooleanBuffer>,
}
