//! GROUP BY (and DISTINCT, as a group aggregate without aggregates).
//!
//! One instance sees all rows of its keys: the edge into it is hashed by the group columns, or
//! `Single` without any. Arguments and filters are columns of the input; a Calc before computes
//! them.

use arrow::datatypes::{DataType, FieldRef, SchemaRef};

use super::{Operator, OperatorFactory};
use crate::error::{EngineError, Result};

/// The aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// Rows (without an argument), or rows whose argument is not NULL.
    Count,
    /// Sum in the argument's own type; integers wrap, decimals that overflow are NULL.
    Sum,
    /// Mean; integers truncate, decimals round half up.
    Avg,
    /// Least value; ignores NULL and NaN.
    Min,
    /// Greatest value; ignores NULL and NaN.
    Max,
}

/// One aggregate of a GROUP BY.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// Column of the argument; none for `COUNT(*)`.
    pub argument: Option<usize>,
    /// Boolean column of `FILTER (WHERE …)`: rows that are not true in it do not count.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Name and type of the result.
    pub result: FieldRef,
}

/// When changes of groups are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// After each input row, in its order: Flink's changelog without mini-batch.
    RowByRow,
    /// At the end of each step: the content before and after the step of each group that changed.
    NetPerStep,
}

/// A GROUP BY.
#[derive(Debug, Clone)]
pub struct GroupAggregateSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Columns of the key; empty for a global aggregate.
    pub group_columns: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Whether `-U` or `-D` may come in. If not, MIN and MAX keep one value a group.
    pub input_retracts: bool,
    /// When changes are sent on.
    pub emission: Emission,
    /// Whether `-U` is sent before `+U`; false where the reader knows the row by its key.
    pub update_before: bool,
    /// Without group columns and without any input: emit the row of the empty table at the end
    /// (batch) or nothing (streaming).
    pub emit_on_empty: bool,
    /// Schema of the rows that leave: the group columns, then one column a call.
    pub schema: SchemaRef,
}

impl OperatorFactory for GroupAggregateSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Err(EngineError::unsupported("GROUP BY"))
    }
}

impl AggregateFunction {
    /// The type of the result for an argument of type `argument` (none for `COUNT(*)`).
    ///
    /// Source: Flink 2.3, `LogicalTypeMerging.findSumAggType` and `findAvgAggType`.
    ///
    /// # Errors
    /// `Unsupported` if the function does not take this type.
    pub fn result_type(self, argument: Option<&DataType>) -> Result<DataType> {
        let unsupported = || {
            let argument = argument.map_or("*".to_owned(), ToString::to_string);
            EngineError::unsupported(format!("{}({argument})", self.name()))
        };
        match (self, argument) {
            (Self::Count, _) => Ok(DataType::Int64),
            (Self::Min | Self::Max, Some(argument)) if argument.is_nested() => Err(unsupported()),
            (Self::Min | Self::Max, Some(argument)) => Ok(argument.clone()),
            (Self::Sum, Some(DataType::Decimal128(_, scale))) => {
                Ok(DataType::Decimal128(38, *scale))
            }
            (Self::Avg, Some(DataType::Decimal128(_, scale))) => {
                Ok(DataType::Decimal128(38, (*scale).max(6)))
            }
            (Self::Sum | Self::Avg, Some(argument)) if argument.is_numeric() => {
                Ok(argument.clone())
            }
            _ => Err(unsupported()),
        }
    }

    /// The function's name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}
