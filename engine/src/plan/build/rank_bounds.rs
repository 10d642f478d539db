//! Which ranks a filter over a rank lets through: `rn <= 3`, `rn BETWEEN 2 AND 5`, `n >= rn`.
//!
//! Source: Flink 2.3, `RankUtil.extractRankRange`.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::error::Result;
use crate::plan::changes::table_error;

/// The last rank.
#[derive(Debug, Clone)]
pub(super) enum End {
    Constant(usize),
    /// A column of the input.
    Column(Expr),
}

/// What a filter says about the rank, and what else.
pub(super) struct Bounds {
    start: Option<i64>,
    end: Option<i64>,
    end_column: Option<Expr>,
    /// The conditions that are no bounds of the rank.
    pub(super) rest: Vec<Expr>,
}

pub(super) struct Range {
    pub(super) start: usize,
    pub(super) end: End,
}

impl Bounds {
    pub(super) fn of(predicate: &Expr, rank: &Column) -> Result<Self> {
        let mut bounds = Self {
            start: None,
            end: None,
            end_column: None,
            rest: Vec::new(),
        };
        for part in split_conjunction_owned(predicate.clone()) {
            if !bounds.take(&part, rank) {
                bounds.rest.push(part);
            }
        }
        Ok(bounds)
    }

    /// Whether `part` is a bound of the rank; then it is one of these now.
    fn take(&mut self, part: &Expr, rank: &Column) -> bool {
        match part {
            Expr::Between(between) if !between.negated => {
                let (Some(low), Some(high), true) = (
                    integer(&between.low),
                    integer(&between.high),
                    is_rank(&between.expr, rank),
                ) else {
                    return false;
                };
                self.at_least(low);
                self.at_most(high);
                true
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (op, other) = if is_rank(left, rank) {
                    (Some(*op), right)
                } else if is_rank(right, rank) {
                    (op.swap(), left)
                } else {
                    return false;
                };
                let Some(op) = op else {
                    return false;
                };
                match integer(other) {
                    Some(value) => self.compare(op, value),
                    None => self.compare_column(op, other, rank),
                }
            }
            _ => false,
        }
    }

    fn compare(&mut self, op: Operator, value: i64) -> bool {
        match op {
            Operator::LtEq => self.at_most(value),
            Operator::Lt => self.at_most(value.saturating_sub(1)),
            Operator::GtEq => self.at_least(value),
            Operator::Gt => self.at_least(value.saturating_add(1)),
            Operator::Eq => {
                self.at_least(value);
                self.at_most(value);
            }
            _ => return false,
        }
        true
    }

    /// `rn <= n`, where `n` is a column.
    fn compare_column(&mut self, op: Operator, other: &Expr, rank: &Column) -> bool {
        let column = uncast(other);
        let is_column = matches!(column, Expr::Column(column) if column != rank);
        // Flink reads `rn < n` as `rn <= n`.
        let is_end = matches!(op, Operator::Lt | Operator::LtEq);
        if !is_end || !is_column || self.end_column.is_some() {
            return false;
        }
        self.end_column = Some(column.clone());
        true
    }

    fn at_least(&mut self, value: i64) {
        self.start = Some(self.start.map_or(value, |start| start.max(value)));
    }

    fn at_most(&mut self, value: i64) {
        self.end = Some(self.end.map_or(value, |end| end.min(value)));
    }

    /// The range of ranks; none if the filter says nothing about them.
    pub(super) fn range(&self) -> Result<Option<Range>> {
        let start = self.start.unwrap_or(1).max(1);
        let end = match (self.end, &self.end_column) {
            (Some(end), _) if end <= 0 => {
                return Err(table_error(
                    &format!("Rank end should not less than zero, but now is {end}"),
                    None,
                ));
            }
            (Some(end), _) => End::Constant(usize::try_from(end).unwrap_or(usize::MAX)),
            (None, Some(column)) => End::Column(column.clone()),
            (None, None) if self.start.is_some() => {
                return Err(table_error(
                    "Rank end is not specified. Currently rank only support TopN, which means the \
                     rank end must be specified.",
                    Some("add a condition rn <= n"),
                ));
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Range {
            start: usize::try_from(start).unwrap_or(usize::MAX),
            end,
        }))
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => uncast(&cast.expr),
        Expr::Alias(alias) => uncast(&alias.expr),
        other => other,
    }
}

fn is_rank(expr: &Expr, rank: &Column) -> bool {
    matches!(uncast(expr), Expr::Column(column) if column == rank)
}

fn integer(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = uncast(expr) else {
        return None;
    };
    match value {
        ScalarValue::Int8(Some(value)) => Some(i64::from(*value)),
        ScalarValue::Int16(Some(value)) => Some(i64::from(*value)),
        ScalarValue::Int32(Some(value)) => Some(i64::from(*value)),
        ScalarValue::Int64(Some(value)) => Some(*value),
        _ => None,
    }
}
