//! Conditions of common kinds as small programs over single values: comparisons, AND/OR/NOT, sums,
//! differences and products, CASE and COALESCE of numbers, times, decimals and texts.
//!
//! Partial matches are continued one row at a time, so that a condition is often asked for one
//! match; a program answers in nanoseconds where an expression over columns of one row takes
//! microseconds. What has no program here is computed over columns as everywhere else. A program
//! cannot fail: what may fail (division, casts of texts) has none.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::cells::{Class, Value};
use super::totals::narrowed;

/// An expression over the references of a formula.
#[derive(Debug)]
pub(super) enum Program {
    Reference(usize),
    Constant(Constant),
    Compare(Comparison, Box<Self>, Box<Self>),
    /// Whether two values that may be missing differ.
    Differ(bool, Box<Self>, Box<Self>),
    Integers(Arithmetic, DataType, Box<Self>, Box<Self>),
    Floats(Arithmetic, DataType, Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    IsNull(bool, Box<Self>),
    Case(Vec<(Self, Self)>, Option<Box<Self>>),
    Coalesce(Vec<Self>),
    IntegerToFloat(Box<Self>),
    /// A whole number or a decimal times this power of ten.
    ToDecimal(i128, Box<Self>),
}

#[derive(Debug)]
pub(super) enum Constant {
    Null,
    Integer(i64),
    Float(f64),
    Decimal(i128),
    Text(String),
}

/// How two values stand to each other. Floats compare as Java's: NaN with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Plus,
    Minus,
    Times,
}

impl Program {
    /// The program of an expression over columns of `schema`, if there is one.
    pub(super) fn compile(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            Class::of(schema.fields().get(column.index())?.data_type())?;
            return Some(Self::Reference(column.index()));
        }
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            return Constant::of(literal.value()).map(Self::Constant);
        }
        let compile = |expr: &Arc<dyn PhysicalExpr>| Self::compile(expr, schema).map(Box::new);
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return Some(Self::Not(compile(not.arg())?));
        }
        if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
            return Some(Self::IsNull(true, compile(is_null.arg())?));
        }
        if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
            return Some(Self::IsNull(false, compile(is_not_null.arg())?));
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            let from = cast.expr().data_type(schema).ok()?;
            return widened(&from, cast.cast_type(), compile(cast.expr())?);
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return Self::binary(binary, schema);
        }
        if let Some(case) = expr.downcast_ref::<CaseExpr>() {
            if case.expr().is_some() {
                return None;
            }
            let choices = case.when_then_expr().iter().map(|(when, then)| {
                Some((Self::compile(when, schema)?, Self::compile(then, schema)?))
            });
            let otherwise = match case.else_expr() {
                Some(otherwise) => Some(compile(otherwise)?),
                None => None,
            };
            return Some(Self::Case(choices.collect::<Option<_>>()?, otherwise));
        }
        let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
        Self::function(function, schema)
    }

    fn binary(binary: &BinaryExpr, schema: &Schema) -> Option<Self> {
        let left_type = binary.left().data_type(schema).ok()?;
        let right_type = binary.right().data_type(schema).ok()?;
        let left = Box::new(Self::compile(binary.left(), schema)?);
        let right = Box::new(Self::compile(binary.right(), schema)?);
        let class = Class::of(&left_type)?;
        if left_type != right_type && !are_timestamps(&left_type, &right_type) {
            return None;
        }
        let compare = |comparison, left, right| {
            // Arrow's order of floats is not Java's: those have functions of their own.
            (class != Class::Float).then_some(Self::Compare(comparison, left, right))
        };
        let compute = |operation, left, right| match class {
            Class::Integer if left_type.is_integer() => {
                Some(Self::Integers(operation, left_type.clone(), left, right))
            }
            Class::Float => Some(Self::Floats(operation, left_type.clone(), left, right)),
            _ => None,
        };
        match binary.op() {
            Operator::And => Some(Self::And(left, right)),
            Operator::Or => Some(Self::Or(left, right)),
            Operator::Eq => compare(Comparison::Equal, left, right),
            Operator::NotEq => compare(Comparison::NotEqual, left, right),
            Operator::Lt => compare(Comparison::Less, left, right),
            Operator::LtEq => compare(Comparison::LessOrEqual, left, right),
            Operator::Gt => compare(Comparison::Greater, left, right),
            Operator::GtEq => compare(Comparison::GreaterOrEqual, left, right),
            Operator::IsDistinctFrom if class != Class::Float => {
                Some(Self::Differ(true, left, right))
            }
            Operator::IsNotDistinctFrom if class != Class::Float => {
                Some(Self::Differ(false, left, right))
            }
            Operator::Plus => compute(Arithmetic::Plus, left, right),
            Operator::Minus => compute(Arithmetic::Minus, left, right),
            Operator::Multiply => compute(Arithmetic::Times, left, right),
            _ => None,
        }
    }

    fn function(function: &ScalarFunctionExpr, schema: &Schema) -> Option<Self> {
        let comparison = match function.name() {
            "coalesce" | "ifnull" => {
                let arguments = function.args().iter().map(|argument| {
                    let data_type = argument.data_type(schema).ok()?;
                    let is_alike = data_type == *function.return_type();
                    is_alike.then(|| Self::compile(argument, schema)).flatten()
                });
                return Some(Self::Coalesce(arguments.collect::<Option<_>>()?));
            }
            "__float_eq" => Comparison::Equal,
            "__float_ne" => Comparison::NotEqual,
            "__float_lt" => Comparison::Less,
            "__float_le" => Comparison::LessOrEqual,
            "__float_gt" => Comparison::Greater,
            "__float_ge" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        let [left, right] = function.args() else {
            return None;
        };
        let operand = |operand: &Arc<dyn PhysicalExpr>| {
            let data_type = operand.data_type(schema).ok()?;
            let program = Self::compile(operand, schema)?;
            (Class::of(&data_type)? == Class::Float).then(|| Box::new(program))
        };
        Some(Self::Compare(comparison, operand(left)?, operand(right)?))
    }

    /// The references that it reads.
    pub(super) fn references(&self, found: &mut Vec<usize>) {
        match self {
            Self::Reference(reference) => found.push(*reference),
            Self::Constant(_) => {}
            Self::Compare(_, left, right)
            | Self::Differ(_, left, right)
            | Self::Integers(_, _, left, right)
            | Self::Floats(_, _, left, right)
            | Self::And(left, right)
            | Self::Or(left, right) => {
                left.references(found);
                right.references(found);
            }
            Self::Not(inner)
            | Self::IsNull(_, inner)
            | Self::IntegerToFloat(inner)
            | Self::ToDecimal(_, inner) => inner.references(found),
            Self::Case(choices, otherwise) => {
                for (when, then) in choices {
                    when.references(found);
                    then.references(found);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.references(found);
                }
            }
            Self::Coalesce(parts) => parts.iter().for_each(|part| part.references(found)),
        }
    }

    /// Its value where the references have these values.
    pub(super) fn run<'a, R: Fn(usize) -> Value<'a>>(&'a self, reference: &R) -> Value<'a> {
        match self {
            Self::Reference(idx) => reference(*idx),
            Self::Constant(constant) => constant.value(),
            Self::Compare(comparison, left, right) => {
                comparison.of(left.run(reference), right.run(reference))
            }
            Self::Differ(is_asked, left, right) => {
                let differ = left.run(reference) != right.run(reference);
                truth(differ == *is_asked)
            }
            Self::Integers(operation, data_type, left, right) => {
                match (left.run(reference), right.run(reference)) {
                    (Value::Integer(left), Value::Integer(right)) => {
                        let value = match operation {
                            Arithmetic::Plus => left.wrapping_add(right),
                            Arithmetic::Minus => left.wrapping_sub(right),
                            Arithmetic::Times => left.wrapping_mul(right),
                        };
                        Value::Integer(narrowed(value, data_type))
                    }
                    _ => Value::Null,
                }
            }
            Self::Floats(operation, data_type, left, right) => {
                match (left.run(reference), right.run(reference)) {
                    (Value::Float(left), Value::Float(right)) => {
                        Value::Float(computed(*operation, data_type, left, right))
                    }
                    _ => Value::Null,
                }
            }
            Self::And(left, right) => match left.run(reference) {
                Value::Integer(0) => Value::Integer(0),
                first => match (first, right.run(reference)) {
                    (_, Value::Integer(0)) => Value::Integer(0),
                    (Value::Null, _) | (_, Value::Null) => Value::Null,
                    _ => Value::Integer(1),
                },
            },
            Self::Or(left, right) => match left.run(reference) {
                Value::Integer(1) => Value::Integer(1),
                first => match (first, right.run(reference)) {
                    (_, Value::Integer(1)) => Value::Integer(1),
                    (Value::Null, _) | (_, Value::Null) => Value::Null,
                    _ => Value::Integer(0),
                },
            },
            Self::Not(inner) => match inner.run(reference) {
                Value::Integer(value) => truth(value == 0),
                _ => Value::Null,
            },
            Self::IsNull(is_asked, inner) => {
                truth((inner.run(reference) == Value::Null) == *is_asked)
            }
            Self::Case(choices, otherwise) => {
                let chosen = choices
                    .iter()
                    .find(|(when, _)| when.run(reference) == Value::Integer(1));
                match (chosen, otherwise) {
                    (Some((_, then)), _) => then.run(reference),
                    (None, Some(otherwise)) => otherwise.run(reference),
                    (None, None) => Value::Null,
                }
            }
            Self::Coalesce(parts) => {
                let values = parts.iter().map(|part| part.run(reference));
                let mut there = values.filter(|value| *value != Value::Null);
                there.next().unwrap_or(Value::Null)
            }
            Self::IntegerToFloat(inner) => match inner.run(reference) {
                Value::Integer(value) => Value::Float(value as f64),
                _ => Value::Null,
            },
            Self::ToDecimal(factor, inner) => match inner.run(reference) {
                Value::Integer(value) => Value::Decimal(i128::from(value).wrapping_mul(*factor)),
                Value::Decimal(value) => Value::Decimal(value.wrapping_mul(*factor)),
                _ => Value::Null,
            },
        }
    }
}

impl Comparison {
    #[inline]
    fn of(self, left: Value<'_>, right: Value<'_>) -> Value<'static> {
        let order = match (left, right) {
            (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
            (Value::Decimal(left), Value::Decimal(right)) => left.cmp(&right),
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Float(left), Value::Float(right)) => match left.partial_cmp(&right) {
                Some(order) => order,
                None => return truth(self == Self::NotEqual),
            },
            _ => return Value::Null,
        };
        truth(match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        })
    }
}

impl Constant {
    fn of(value: &ScalarValue) -> Option<Self> {
        let class = Class::of(&value.data_type())?;
        if value.is_null() {
            return Some(Self::Null);
        }
        Some(match value {
            ScalarValue::Float32(Some(value)) => Self::Float(f64::from(*value)),
            ScalarValue::Float64(Some(value)) => Self::Float(*value),
            ScalarValue::Decimal128(Some(value), _, _) => Self::Decimal(*value),
            ScalarValue::Utf8(Some(value)) => Self::Text(value.clone()),
            other if class == Class::Integer => {
                let array = other.to_array().ok()?;
                let values = crate::state::columns::to_i64(&array).ok()?;
                Self::Integer(values.first().copied()?)
            }
            _ => return None,
        })
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(value) => Value::Integer(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Decimal(value) => Value::Decimal(*value),
            Self::Text(value) => Value::Text(value),
        }
    }
}

const fn truth(value: bool) -> Value<'static> {
    Value::Integer(value as i64)
}

fn computed(operation: Arithmetic, data_type: &DataType, left: f64, right: f64) -> f64 {
    if *data_type == DataType::Float32 {
        let (left, right) = (left as f32, right as f32);
        return f64::from(match operation {
            Arithmetic::Plus => left + right,
            Arithmetic::Minus => left - right,
            Arithmetic::Times => left * right,
        });
    }
    match operation {
        Arithmetic::Plus => left + right,
        Arithmetic::Minus => left - right,
        Arithmetic::Times => left * right,
    }
}

/// Times of one unit, whatever is said of their zone: they are compared as numbers.
fn are_timestamps(left: &DataType, right: &DataType) -> bool {
    matches!(
        (left, right),
        (DataType::Timestamp(left, _), DataType::Timestamp(right, _)) if left == right
    )
}

/// A cast that loses nothing; none for others.
fn widened(from: &DataType, to: &DataType, inner: Box<Program>) -> Option<Program> {
    if from == to {
        return Some(*inner);
    }
    let whole = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (DataType::Float32, DataType::Float64) => Some(*inner),
        (from, DataType::Float64) if whole(from).is_some() => Some(Program::IntegerToFloat(inner)),
        (from, DataType::Decimal128(precision, scale)) => {
            let (n_whole, given_scale) = match from {
                DataType::Decimal128(precision, scale) => {
                    (i32::from(*precision) - i32::from(*scale), *scale)
                }
                other => (whole(other)?, 0),
            };
            let fits = i32::from(*precision) - i32::from(*scale) >= n_whole;
            let n_more = u32::try_from(i32::from(*scale) - i32::from(given_scale)).ok()?;
            let factor = 10_i128.checked_pow(n_more)?;
            fits.then_some(Program::ToDecimal(factor, inner))
        }
        (from, to) => match (whole(from), whole(to)) {
            (Some(narrow), Some(wide)) if narrow <= wide => Some(*inner),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::PhysicalExpr;
    use datafusion::physical_expr::expressions::{binary, cast, col, is_null, lit, not};

    use super::Program;
    use crate::operators::match_recognize::cells::Cells;

    fn batch() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "i",
                Arc::new(Int32Array::from(vec![
                    Some(1),
                    Some(i32::MAX),
                    None,
                    Some(-7),
                ])),
            ),
            (
                "j",
                Arc::new(Int32Array::from(vec![Some(2), Some(2), Some(0), None])),
            ),
            (
                "f",
                Arc::new(Float64Array::from(vec![
                    Some(0.5),
                    None,
                    Some(f64::NAN),
                    Some(-0.0),
                ])),
            ),
            (
                "t",
                Arc::new(StringArray::from(vec![
                    Some("a"),
                    Some("b"),
                    None,
                    Some(""),
                ])),
            ),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    /// A program gives what the expression gives over columns, for every row.
    #[test]
    fn programs_agree_with_their_expressions() {
        let batch = batch();
        let schema = batch.schema();
        let column = |name: &str| col(name, &schema).unwrap();
        let of = |left: Arc<dyn PhysicalExpr>, op, right| binary(left, op, right, &schema).unwrap();
        let sum = of(column("i"), Operator::Plus, column("j"));
        let wide = |expr| cast(expr, &schema, DataType::Int64).unwrap();
        let less = of(column("i"), Operator::Lt, column("j"));
        let is_a = of(column("t"), Operator::Eq, lit("a"));
        let decimal = |expr| cast(expr, &schema, DataType::Decimal128(22, 2)).unwrap();
        let conditions = vec![
            Arc::clone(&less),
            of(Arc::clone(&sum), Operator::Gt, lit(0_i32)),
            of(wide(sum), Operator::Gt, lit(0_i64)),
            of(Arc::clone(&less), Operator::And, Arc::clone(&is_a)),
            of(Arc::clone(&less), Operator::Or, Arc::clone(&is_a)),
            not(Arc::clone(&is_a)).unwrap(),
            is_null(column("t")).unwrap(),
            of(column("t"), Operator::IsDistinctFrom, lit("b")),
            of(decimal(column("i")), Operator::GtEq, decimal(column("j"))),
        ];
        let rows: Vec<(u32, u32)> = (0..4).map(|row| (row, 3 - row)).collect();
        let mut cells = Cells::default();
        for (idx, field) in schema.fields().iter().enumerate() {
            cells.want(idx, field.data_type(), true);
        }
        cells.keep(batch.columns(), &rows).unwrap();
        for condition in conditions {
            let program = Program::compile(&condition, &schema).unwrap();
            let values = condition.evaluate(&batch).unwrap().into_array(4).unwrap();
            let expected: Vec<bool> = values
                .as_boolean()
                .iter()
                .map(|it| it == Some(true))
                .collect();
            let found: Vec<bool> = rows
                .iter()
                .map(|&(_, slot)| {
                    let value = program.run(&|column| cells.value(column, slot));
                    value == super::truth(true)
                })
                .collect();
            assert_eq!(found, expected, "{condition}");
        }
    }

    /// What may fail, or compares otherwise than Arrow, is left to expressions over columns.
    #[test]
    fn some_expressions_have_no_program() {
        let batch = batch();
        let schema = batch.schema();
        let column = |name: &str| col(name, &schema).unwrap();
        let quotient = binary(column("i"), Operator::Divide, column("j"), &schema).unwrap();
        assert!(Program::compile(&quotient, &schema).is_none());
        let floats = binary(column("f"), Operator::Lt, column("f"), &schema).unwrap();
        assert!(Program::compile(&floats, &schema).is_none());
        let narrow = cast(lit(300_i64), &schema, DataType::Int8).unwrap();
        assert!(Program::compile(&narrow, &schema).is_none());
    }
}
