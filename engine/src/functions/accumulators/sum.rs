//! SUM and AVG, with Flink's result types.
//!
//! | argument | SUM | AVG |
//! | --- | --- | --- |
//! | integers | the same type, wraps | the same type, truncates; the sum is BIGINT and wraps |
//! | FLOAT, DOUBLE | the same type | the same type; the sum is DOUBLE |
//! | DECIMAL(p, s) | DECIMAL(38, s), NULL on overflow | DECIMAL(38, max(6, s)), half up |
//!
//! Over no values both are NULL. A group whose values were all taken back starts again from zero,
//! so that rounding errors and infinities do not outlive the values that they came from.
//!
//! Source: Flink 2.3, `SumWithRetractAggFunction`, `AvgAggFunction`, `LogicalTypeMerging`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Decimal128Type, i256};

use super::{Accumulator, Fold, Folded, only, saved_column};
use crate::error::{EngineError, Result};
use crate::state::columns;

/// Sum and number of the values of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Total<T> {
    sum: T,
    n_values: i64,
}

/// What is read from a [`Total`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Sum,
    /// As [`Self::Sum`], 0 without values.
    SumZero,
    Mean,
}

/// SUM over a column of type `argument`.
pub(super) fn sum(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    fold(Reading::Sum, argument, result)
}

/// `$SUM0` over a column of type `argument`.
pub(super) fn sum_zero(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    fold(Reading::SumZero, argument, result)
}

/// AVG over a column of type `argument`.
pub(super) fn avg(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    fold(Reading::Mean, argument, result)
}

fn fold(reading: Reading, argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    let result = result.clone();
    match argument {
        DataType::Decimal128(_, scale) => Ok(Box::new(Folded::new(Decimals {
            reading,
            scale: *scale,
            result,
        }))),
        DataType::Float32 | DataType::Float64 => {
            Ok(Box::new(Folded::new(Floats { reading, result })))
        }
        integer if integer.is_integer() && *integer != DataType::UInt64 => {
            Ok(Box::new(Folded::new(Integers { reading, result })))
        }
        other => Err(EngineError::unsupported(format!("SUM or AVG of {other}"))),
    }
}

struct Integers {
    reading: Reading,
    result: DataType,
}

impl Fold for Integers {
    type State = Total<i64>;
    type Column = ScalarBuffer<i64>;
    type Saved = (Int64Array, Int64Array);
    type Value = i64;

    fn column(&self, arguments: &[ArrayRef]) -> Result<ScalarBuffer<i64>> {
        columns::to_i64(only(arguments)?)
    }

    #[inline]
    fn step(
        &self,
        state: &mut Total<i64>,
        column: &ScalarBuffer<i64>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = column.get(row_idx).copied().unwrap_or_default();
        state.sum = state.sum.wrapping_add(value.wrapping_mul(sign));
        state.n_values += sign;
        0
    }

    #[inline]
    fn value(&self, state: &Total<i64>) -> Option<i64> {
        if state.n_values == 0 && self.reading != Reading::SumZero {
            return None;
        }
        match self.reading {
            Reading::Sum | Reading::SumZero => Some(state.sum),
            Reading::Mean => Some(state.sum.wrapping_div(state.n_values)),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
        columns::from_i64(values, &self.result)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Total<i64>>) -> Result<Vec<ArrayRef>> {
        let (sums, counts): (Vec<_>, Vec<_>) =
            states.map(|state| (state.sum, state.n_values)).unzip();
        Ok(vec![
            Arc::new(Int64Array::from(sums)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        Ok((saved_column(columns, 0)?, saved_column(columns, 1)?))
    }

    fn merge(&self, state: &mut Total<i64>, saved: &Self::Saved, row_idx: usize) -> isize {
        let (sums, counts) = saved;
        state.sum = state.sum.wrapping_add(sums.value(row_idx));
        state.n_values += counts.value(row_idx);
        0
    }
}

struct Floats {
    reading: Reading,
    result: DataType,
}

impl Floats {
    /// A sum of FLOATs has their precision after every addition, as Flink's has; the sum behind a
    /// mean is a DOUBLE.
    #[inline]
    fn rounded(&self, sum: f64) -> f64 {
        if self.result == DataType::Float32 && self.reading != Reading::Mean {
            f64::from(sum as f32)
        } else {
            sum
        }
    }
}

impl Fold for Floats {
    type State = Total<f64>;
    type Column = ScalarBuffer<f64>;
    type Saved = (Float64Array, Int64Array);
    type Value = f64;

    fn column(&self, arguments: &[ArrayRef]) -> Result<ScalarBuffer<f64>> {
        columns::to_f64(only(arguments)?)
    }

    #[inline]
    fn step(
        &self,
        state: &mut Total<f64>,
        column: &ScalarBuffer<f64>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = column.get(row_idx).copied().unwrap_or_default();
        state.n_values += sign;
        state.sum = if state.n_values == 0 {
            0.0
        } else if sign > 0 {
            self.rounded(state.sum + value)
        } else {
            self.rounded(state.sum - value)
        };
        0
    }

    #[inline]
    fn value(&self, state: &Total<f64>) -> Option<f64> {
        if state.n_values == 0 && self.reading != Reading::SumZero {
            return None;
        }
        match self.reading {
            Reading::Sum | Reading::SumZero => Some(state.sum),
            Reading::Mean => Some(state.sum / state.n_values as f64),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<f64>>) -> Result<ArrayRef> {
        columns::from_f64(values, &self.result)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Total<f64>>) -> Result<Vec<ArrayRef>> {
        let (sums, counts): (Vec<_>, Vec<_>) =
            states.map(|state| (state.sum, state.n_values)).unzip();
        Ok(vec![
            Arc::new(Float64Array::from(sums)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        Ok((saved_column(columns, 0)?, saved_column(columns, 1)?))
    }

    fn merge(&self, state: &mut Total<f64>, saved: &Self::Saved, row_idx: usize) -> isize {
        let (sums, counts) = saved;
        state.n_values += counts.value(row_idx);
        state.sum = if state.n_values == 0 {
            0.0
        } else {
            self.rounded(state.sum + sums.value(row_idx))
        };
        0
    }
}

/// An exact sum of 128-bit numbers: `carry` counts how often it went over the end.
#[derive(Debug, Clone, Copy, Default)]
struct WideSum {
    low: i128,
    carry: i64,
}

impl WideSum {
    #[inline]
    fn add(&mut self, change: i128) {
        let (low, overflowed) = self.low.overflowing_add(change);
        self.low = low;
        if overflowed {
            self.carry += if change > 0 { 1 } else { -1 };
        }
    }
}

struct Decimals {
    reading: Reading,
    /// Scale of the argument.
    scale: i8,
    result: DataType,
}

impl Decimals {
    /// The mean with the scale of the result, rounded half away from zero.
    fn mean(&self, sum: i128, n_values: i64) -> Option<i128> {
        let DataType::Decimal128(_, result_scale) = self.result else {
            return None;
        };
        let n_more = u32::try_from(result_scale - self.scale).ok()?;
        let factor = i256::from_i128(10_i128.checked_pow(n_more)?);
        let dividend = i256::from_i128(sum).checked_mul(factor)?;
        let divisor = i256::from_i128(i128::from(n_values));
        let quotient = dividend.checked_div(divisor)?;
        let rest = dividend.checked_rem(divisor)?;
        let twice_rest = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
        let is_up = twice_rest >= divisor.wrapping_abs();
        let away = match (is_up, dividend.is_negative() != divisor.is_negative()) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => -1,
        };
        quotient.checked_add(i256::from_i128(away))?.to_i128()
    }
}

impl Fold for Decimals {
    type State = Total<WideSum>;
    type Column = ScalarBuffer<i128>;
    type Saved = (Decimal128Array, Int64Array, Int64Array);
    type Value = i128;

    fn column(&self, arguments: &[ArrayRef]) -> Result<ScalarBuffer<i128>> {
        let argument = only(arguments)?;
        argument
            .as_primitive_opt::<Decimal128Type>()
            .map(|column| column.values().clone())
            .ok_or_else(|| EngineError::internal("a decimal aggregate got another type"))
    }

    #[inline]
    fn step(
        &self,
        state: &mut Total<WideSum>,
        column: &ScalarBuffer<i128>,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        // Decimals have at most 38 digits, so the product does not overflow.
        let change = column.get(row_idx).copied().unwrap_or_default() * i128::from(sign);
        state.sum.add(change);
        state.n_values += sign;
        0
    }

    #[inline]
    fn value(&self, state: &Total<WideSum>) -> Option<i128> {
        let sum = state.sum;
        if (state.n_values == 0 && self.reading != Reading::SumZero)
            || sum.carry != 0
            || sum.low == i128::MIN
            || sum.low.wrapping_abs() > MAX_DECIMAL
        {
            return None;
        }
        match self.reading {
            Reading::Sum | Reading::SumZero => Some(sum.low),
            Reading::Mean => self
                .mean(sum.low, state.n_values)
                .filter(|mean| mean.wrapping_abs() <= MAX_DECIMAL),
        }
    }

    fn build(&self, values: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
        let values: Decimal128Array = values.collect();
        Ok(Arc::new(values.with_data_type(self.result.clone())))
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Total<WideSum>>) -> Result<Vec<ArrayRef>> {
        let (mut sums, mut carries, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            sums.push(state.sum.low);
            carries.push(state.sum.carry);
            counts.push(state.n_values);
        }
        // All 128 bits: what a decimal of 38 digits may hold is not looked at here.
        Ok(vec![
            Arc::new(Decimal128Array::from(sums)),
            Arc::new(Int64Array::from(carries)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        Ok((
            saved_column(columns, 0)?,
            saved_column(columns, 1)?,
            saved_column(columns, 2)?,
        ))
    }

    fn merge(&self, state: &mut Total<WideSum>, saved: &Self::Saved, row_idx: usize) -> isize {
        let (sums, carries, counts) = saved;
        state.sum.add(sums.value(row_idx));
        state.sum.carry += carries.value(row_idx);
        state.n_values += counts.value(row_idx);
        0
    }
}

/// 38 nines.
const MAX_DECIMAL: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
