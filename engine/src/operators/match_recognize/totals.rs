//! Aggregates that a partial match keeps up to date with each row, instead of reading its rows
//! again: COUNT, and SUM, AVG, MIN, MAX of whole and floating-point numbers.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::cells::{Cells, Class, Value};
use crate::error::Result;
use crate::functions::accumulators::{AggregateCall, AggregateFunction, Callee};
use crate::state::columns;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Count,
    Sum,
    Mean,
    Min,
    Max,
}

/// An aggregate over the rows of a variable, or of all of them.
#[derive(Debug, Clone)]
pub(super) struct RunningAggregate {
    pub(super) variable: Option<usize>,
    operation: Operation,
    argument: Option<usize>,
    filter: Option<usize>,
    pub(super) result: DataType,
    /// Of the result.
    pub(super) class: Class,
}

/// Its state in one match.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Total {
    pub(super) integer: i64,
    pub(super) float: f64,
    /// How many values counted.
    pub(super) n_values: i64,
}

impl RunningAggregate {
    /// The aggregate, if it can be kept up to date by itself.
    pub(super) fn of(
        variable: Option<usize>,
        call: &AggregateCall,
        input_types: &[DataType],
    ) -> Option<Self> {
        let Callee::BuiltIn(function) = call.function else {
            return None;
        };
        let operation = match function {
            AggregateFunction::Count => Operation::Count,
            AggregateFunction::Sum => Operation::Sum,
            AggregateFunction::Avg => Operation::Mean,
            AggregateFunction::Min => Operation::Min,
            AggregateFunction::Max => Operation::Max,
            _ => return None,
        };
        let argument = match call.arguments.as_slice() {
            [] if operation == Operation::Count => None,
            [argument] => Some(*argument),
            _ => return None,
        };
        let result = call.result.data_type().clone();
        let class = Class::of(&result)?;
        if operation != Operation::Count {
            let of_argument = Class::of(input_types.get(argument?)?)?;
            let is_number = matches!(class, Class::Integer | Class::Float);
            if of_argument != class || !is_number {
                return None;
            }
        }
        (!call.distinct).then_some(Self {
            variable,
            operation,
            argument,
            filter: call.filter,
            result,
            class,
        })
    }

    /// Whether it is the same aggregate.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.variable == other.variable
            && self.operation == other.operation
            && self.argument == other.argument
            && self.filter == other.filter
            && self.result == other.result
    }

    /// Has the cells that it reads kept.
    pub(super) fn want(&self, cells: &mut Cells, input_types: &[DataType]) {
        let reads = self.operation != Operation::Count;
        for (column, reads) in [(self.argument, reads), (self.filter, true)] {
            if let Some(column) = column
                && let Some(data_type) = input_types.get(column)
            {
                cells.want(column, data_type, reads);
            }
        }
    }

    /// Adds the row of a slot.
    #[inline]
    pub(super) fn add(&self, total: &mut Total, cells: &Cells, slot: u32) {
        if let Some(filter) = self.filter
            && cells.value(filter, slot) != Value::Integer(1)
        {
            return;
        }
        let Some(argument) = self.argument else {
            total.n_values += 1;
            return;
        };
        if self.operation == Operation::Count {
            total.n_values += i64::from(cells.is_valid(argument, slot));
            return;
        }
        match cells.value(argument, slot) {
            Value::Integer(value) => self.add_integer(total, value),
            Value::Float(value) => self.add_float(total, value),
            _ => {}
        }
    }

    fn add_integer(&self, total: &mut Total, value: i64) {
        let is_first = total.n_values == 0;
        total.integer = match self.operation {
            Operation::Min if !is_first => total.integer.min(value),
            Operation::Max if !is_first => total.integer.max(value),
            Operation::Min | Operation::Max => value,
            _ => total.integer.wrapping_add(value),
        };
        total.n_values += 1;
    }

    fn add_float(&self, total: &mut Total, value: f64) {
        let is_first = total.n_values == 0;
        total.float = match self.operation {
            // What has no order is no extreme.
            Operation::Min | Operation::Max if value.is_nan() => return,
            Operation::Min if !is_first && value.total_cmp(&total.float).is_ge() => total.float,
            Operation::Max if !is_first && value.total_cmp(&total.float).is_le() => total.float,
            Operation::Min | Operation::Max => value,
            _ => total.float + value,
        };
        total.n_values += 1;
    }

    /// Its value.
    #[inline]
    pub(super) fn value(&self, total: &Total) -> Value<'static> {
        if self.operation == Operation::Count {
            return Value::Integer(total.n_values);
        }
        if total.n_values == 0 {
            return Value::Null;
        }
        let is_mean = self.operation == Operation::Mean;
        match self.class {
            Class::Float => {
                let value = match is_mean {
                    true => total.float / total.n_values as f64,
                    false => total.float,
                };
                Value::Float(match self.result {
                    DataType::Float32 => f64::from(value as f32),
                    _ => value,
                })
            }
            _ => {
                let value = match is_mean {
                    true => total.integer.wrapping_div(total.n_values),
                    false => total.integer,
                };
                Value::Integer(narrowed(value, &self.result))
            }
        }
    }

    /// The values of several matches as a column.
    pub(super) fn column(&self, totals: impl Iterator<Item = Total>) -> Result<ArrayRef> {
        match self.class {
            Class::Float => {
                let values = totals.map(|total| match self.value(&total) {
                    Value::Float(value) => Some(value),
                    _ => None,
                });
                columns::from_f64(values, &self.result)
            }
            _ => {
                let values = totals.map(|total| match self.value(&total) {
                    Value::Integer(value) => Some(value),
                    _ => None,
                });
                columns::from_i64(values, &self.result)
            }
        }
    }
}

/// A whole number cut to the width of its type, as the column of the type would.
#[inline]
pub(super) fn narrowed(value: i64, data_type: &DataType) -> i64 {
    match columns::integer_width(data_type) {
        Some(1) => i64::from(value as i8),
        Some(2) => i64::from(value as i16),
        Some(4) => i64::from(value as i32),
        _ => value,
    }
}
