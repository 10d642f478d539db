//! The nodes of temporal joins.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{
    Column, DFSchema, DFSchemaRef, JoinType, Result as DfResult, TableReference,
};
use datafusion::logical_expr::logical_plan::builder::build_join_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::condition;
use crate::error::EngineError;
use crate::operators::LookupRetry;
use crate::plan::{text, time};

/// A table as of a time that another table says. Only stands in a plan until the join is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The table.
    pub input: LogicalPlan,
    /// The time, as a column is written: one or two names.
    pub as_of: Vec<String>,
    /// What a LOOKUP hint says about keys without rows.
    pub retry: Option<LookupRetry>,
}

impl PartialOrd for Snapshot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_of.partial_cmp(&other.as_of)
    }
}

impl UserDefinedLogicalNodeCore for Snapshot {
    fn name(&self) -> &str {
        "Snapshot"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "LogicalSnapshot(period=[{}])", self.as_of.join("."))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let input = inputs.into_iter().next().ok_or_else(missing)?;
        Ok(Self {
            input,
            as_of: self.as_of.clone(),
            retry: self.retry,
        })
    }
}

/// Each left row with the version of its right row that held at its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TemporalJoin {
    /// The rows.
    pub left: LogicalPlan,
    /// The versions.
    pub right: LogicalPlan,
    /// Whether left rows without a version stay, padded with NULL.
    pub is_left_outer: bool,
    /// The left column of the time.
    pub time: Expr,
    /// Equal columns of both sides.
    pub on: Vec<(Expr, Expr)>,
    /// The rest of the condition.
    pub filter: Option<Expr>,
    schema: DFSchemaRef,
}

impl TemporalJoin {
    /// A temporal join.
    ///
    /// # Errors
    /// If both sides have columns of the same qualified name.
    pub fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        is_left_outer: bool,
        time: Expr,
        on: Vec<(Expr, Expr)>,
        filter: Option<Expr>,
    ) -> DfResult<Self> {
        let schema = Arc::new(joined(&left, &right, is_left_outer)?);
        Ok(Self {
            left,
            right,
            is_left_outer,
            time,
            on,
            filter,
            schema,
        })
    }
}

/// The columns of both sides; the right side's are no time attributes any more.
pub(super) fn joined(
    left: &LogicalPlan,
    right: &LogicalPlan,
    is_left_outer: bool,
) -> DfResult<DFSchema> {
    let join_type = if is_left_outer {
        JoinType::Left
    } else {
        JoinType::Inner
    };
    let schema = build_join_schema(left.schema(), right.schema(), &join_type)?;
    let n_left = left.schema().fields().len();
    let fields = schema
        .iter()
        .enumerate()
        .map(|(column, (qualifier, field))| {
            let field = if column < n_left {
                Arc::clone(field)
            } else {
                time::without_attribute(field)
            };
            (qualifier.cloned(), field)
        })
        .collect();
    DFSchema::new_with_metadata(fields, schema.metadata().clone())
}

fn missing() -> EngineError {
    EngineError::internal("a temporal join lost a part of itself")
}

impl PartialOrd for TemporalJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.left.partial_cmp(&other.left)
    }
}

impl UserDefinedLogicalNodeCore for TemporalJoin {
    fn name(&self) -> &str {
        "TemporalJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let mut all = vec![self.time.clone()];
        all.extend(condition::listed(&self.on, self.filter.as_ref()));
        all
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let join_type = if self.is_left_outer { "left" } else { "inner" };
        write!(
            f,
            "TemporalJoin(joinType=[{join_type}], period=[{}], condition=[{}])",
            text::expression(&self.time),
            condition::written(&self.on, self.filter.as_ref())
        )
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let mut inputs = inputs.into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(missing().into());
        };
        let mut exprs = exprs.into_iter();
        let time = exprs.next().ok_or_else(missing)?;
        let condition = condition::unlisted(self.on.len(), exprs);
        let (on, filter) = condition.ok_or_else(missing)?;
        Self::try_new(left, right, self.is_left_outer, time, on, filter)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let n_left = self.left.schema().fields().len();
        let (left, mut right) = condition::by_side(output_columns, n_left);
        // The versions have their times in a column that the condition does not name.
        let fields = self.right.schema().fields().iter().enumerate();
        let times = fields.filter(|(_, field)| time::is_rowtime(field));
        right.extend(times.map(|(column, _)| column));
        right.sort_unstable();
        right.dedup();
        Some(vec![left, right])
    }
}

/// A column as it is written.
#[must_use]
pub fn column_named(names: &[String]) -> Option<Column> {
    match names {
        [name] => Some(Column::new_unqualified(name)),
        // A text would be read as an identifier without quotes, in lower case.
        [table, name] => Some(Column::new(
            Some(TableReference::bare(table.as_str())),
            name,
        )),
        _ => None,
    }
}
