//! MATCH_RECOGNIZE: sequences of rows that follow a pattern.
//!
//! ```text
//!   PATTERN (A B+ C)          rows in order      partial matches            measures
//!   DEFINE B AS …             ──▶ one by one ──▶ A → B → B          ──▶    one row a match
//!                                                 └▶ B → C: complete
//! ```
//!
//! Rows of a partition are taken one by one in the order of time; each partial match is continued
//! by the row in all ways that the pattern allows, or dies, because matches have no gaps. What of
//! the complete matches leaves is the skip strategy's business (`nfa`). A partial match remembers
//! what expressions will ask it for (`layout`), and rows are kept as long as one remembers them
//! (`memory`). Conditions are small programs where they can be (`program`), and expressions over
//! columns, computed for many rows or matches at once, where they cannot (`conditions`).
//!
//! Source: Flink 2.3, `NFA`, `NFACompiler`, `AfterMatchSkipStrategy`, `CepOperator`, and its
//! answers.

mod operator;

mod nfa;

mod conditions;

mod formula;

mod program;

mod layout;

mod memory;

mod cells;

mod totals;

mod saved;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::{Operator, OperatorFactory, SortKey, TimeUse};
use crate::error::Result;
use crate::functions::accumulators::AggregateCall;

/// One place of a pattern: a variable with its quantifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Index of the variable.
    pub variable: usize,
    /// Least number of rows.
    pub min: usize,
    /// Greatest number of rows, none if there is no limit.
    pub max: Option<usize>,
    /// Whether a row that can stay here does not go on.
    pub is_greedy: bool,
}

/// Where the next match may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Behind the last row of the match.
    PastLastRow,
    /// Behind the first row of the match.
    ToNextRow,
    /// At the first row of this variable.
    ToFirst(usize),
    /// At the last row of this variable.
    ToLast(usize),
}

/// A value that an expression takes from the rows of a match.
#[derive(Debug, Clone)]
pub enum Reference {
    /// The value of a column in one row.
    Row {
        /// Of the rows of this variable; of all rows without it.
        variable: Option<usize>,
        /// Counted from the last row instead of the first one.
        from_last: bool,
        /// So many rows away from it.
        offset: usize,
        /// The column.
        column: usize,
    },
    /// An aggregate.
    Aggregate {
        /// Of the rows of this variable; of all rows without it.
        variable: Option<usize>,
        /// The aggregate.
        call: AggregateCall,
    },
}

/// An expression over values that are taken from a match.
#[derive(Debug, Clone)]
pub struct Formula {
    /// The values.
    pub references: Vec<Reference>,
    /// The values as columns.
    pub schema: SchemaRef,
    /// The expression over these columns.
    pub expr: Arc<dyn PhysicalExpr>,
}

/// A variable of a pattern.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What a row must satisfy; any row does without it.
    pub condition: Option<Formula>,
}

/// A MATCH_RECOGNIZE with one row per match.
#[derive(Debug, Clone)]
pub struct MatchSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the partition's key; they are the first columns of the rows that leave.
    pub partition_columns: Vec<usize>,
    /// Column of the event time; without one the order is that of arrival.
    pub time_column: Option<usize>,
    /// The order of rows of one time.
    pub sort_keys: Vec<SortKey>,
    /// The pattern.
    pub elements: Vec<Element>,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// What is told of a match.
    pub measures: Vec<Formula>,
    /// Where the next match may begin.
    pub skip: Skip,
    /// A match is shorter than this.
    pub within_ms: Option<i64>,
    /// Schema of the rows that leave: partition columns, then measures.
    pub schema: SchemaRef,
}

impl OperatorFactory for MatchSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(operator::MatchRecognize::try_new(self)?))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(self.time_column.is_some())
    }
}
