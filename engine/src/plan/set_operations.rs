//! INTERSECT and EXCEPT. Their columns have the types that hold those of both sides. Without ALL
//! they are joins of distinct rows; with it:
//!
//! ```text
//!   left, +1 │ 0 ─┐
//!                 ├ UNION ALL ─▶ sums by whole rows ─▶ rows that stay ─▶ each as often as it stays
//!   right, 0 │ 1 ─┘
//! ```
//!
//! Source: Flink 2.3, `SetOpRewriteUtil` and the rules that rewrite these operations.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{FieldRef, Int64Type};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, lit, when};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, FunctionArg, FunctionArgExpr, TableFactor};

use crate::error::{EngineError, Result};
use crate::functions::table::{TableFunction, TableRows};
use crate::functions::{aggregates, checks};
use crate::plan::bind::{mismatch, same_inputs};
use crate::plan::correlate::{Correlate, TableCall};
use crate::plan::normalize::{EXCEPT, EXCEPT_ALL, INTERSECT, INTERSECT_ALL};
use crate::sql::diagnostics::validation;

/// Plans the relations that [`crate::plan::normalize`] puts in the place of these operations.
#[derive(Debug)]
pub struct SetOperations;

impl RelationPlanner for SetOperations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let (operation, args) = match &relation {
            TableFactor::Function { name, args, .. } => match name.to_string().as_str() {
                INTERSECT => (Operation::Intersect, args),
                INTERSECT_ALL => (Operation::IntersectAll, args),
                EXCEPT => (Operation::Except, args),
                EXCEPT_ALL => (Operation::ExceptAll, args),
                _ => return Ok(RelationPlanning::Original(Box::new(relation))),
            },
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let mut sides = args.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Subquery(subquery))) => context
                .plan(TableFactor::Derived {
                    lateral: false,
                    subquery: subquery.clone(),
                    alias: None,
                    sample: None,
                }),
            _ => Err(EngineError::internal("a set operation without its sides").into()),
        });
        let (Some(left), Some(right)) = (sides.next(), sides.next()) else {
            return Err(EngineError::internal("a set operation without its sides").into());
        };
        let (left, right) = checked(left?, right?, operation)?;
        let plan = match operation {
            Operation::Intersect => LogicalPlanBuilder::intersect(left, right, false),
            Operation::Except => LogicalPlanBuilder::except(left, right, false),
            Operation::IntersectAll => counted(left, right, true),
            Operation::ExceptAll => counted(left, right, false),
        }?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

/// The operations of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Intersect,
    IntersectAll,
    Except,
    ExceptAll,
}

impl Operation {
    /// Its name, without and with ALL.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Intersect => ("INTERSECT", "INTERSECT"),
            Self::IntersectAll => ("INTERSECT", "INTERSECT ALL"),
            Self::Except => ("EXCEPT", "EXCEPT"),
            Self::ExceptAll => ("EXCEPT", "EXCEPT ALL"),
        }
    }
}

/// The sides with columns of the same types.
fn checked(
    left: LogicalPlan,
    right: LogicalPlan,
    operation: Operation,
) -> DfResult<(LogicalPlan, LogicalPlan)> {
    let (name, whole_name) = operation.names();
    if left.schema().fields().len() != right.schema().fields().len() {
        return Err(validation(format!("column count mismatch in {name}")).into());
    }
    if let Some(message) = mismatch(left.schema(), right.schema(), whole_name) {
        return Err(validation(message).into());
    }
    let sides = same_inputs(&[Arc::new(left), Arc::new(right)])?;
    let mut sides = sides.into_iter().map(Arc::unwrap_or_clone);
    match (sides.next(), sides.next()) {
        (Some(left), Some(right)) => Ok((nullable_as(left, &right)?, right)),
        _ => Err(EngineError::internal("a set operation without its sides").into()),
    }
}

/// `left` with columns that may be NULL where those of `right` may, as Flink types the result.
fn nullable_as(left: LogicalPlan, right: &LogicalPlan) -> DfResult<LogicalPlan> {
    let schema = Arc::clone(left.schema());
    let fields = || schema.fields().iter().zip(right.schema().fields());
    if !fields().any(|(left, right)| !left.is_nullable() && right.is_nullable()) {
        return Ok(left);
    }
    let columns = schema.columns().into_iter().zip(fields());
    let exprs = columns.map(|(column, (left, right))| match right.is_nullable() {
        true if !left.is_nullable() => {
            let value = Expr::Column(column);
            checks::nullable().call(vec![value]).alias(left.name())
        }
        _ => Expr::Column(column),
    });
    LogicalPlanBuilder::from(left).project(exprs)?.build()
}

/// Each row as often as it is on both sides, or more often on the left one.
fn counted(left: LogicalPlan, right: LogicalPlan, is_intersect: bool) -> DfResult<LogicalPlan> {
    let names: Vec<String> = left
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    // Columns with the names of the left side, then how often the row is on which side.
    let numbered = |side: LogicalPlan, is_left: bool| -> DfResult<LogicalPlanBuilder> {
        let columns = side.schema().columns().into_iter().zip(&names);
        let mut exprs: Vec<Expr> = columns
            .map(|(column, name)| Expr::Column(column).alias(name))
            .collect();
        exprs.push(lit(i64::from(is_left)).alias("__n_left"));
        exprs.push(lit(i64::from(!is_left)).alias("__n_right"));
        LogicalPlanBuilder::from(side).project(exprs)
    };
    let right = numbered(right, false)?.build()?;
    let union = numbered(left, true)?.union(right)?;
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let key: Vec<Expr> = names.iter().map(|name| column(name)).collect();
    let sum = aggregates::find("sum")
        .ok_or_else(|| EngineError::internal("an aggregate function is missing"))?;
    let sums = ["__n_left", "__n_right"].map(|name| sum.call(vec![column(name)]).alias(name));
    let (n_left, n_right) = (column("__n_left"), column("__n_right"));
    let stays = if is_intersect {
        when(n_left.clone().lt(n_right.clone()), n_left).otherwise(n_right)?
    } else {
        n_left - n_right
    };
    let mut kept = key.clone();
    kept.push(stays.alias("__n_rows"));
    let rows = union
        .aggregate(key.clone(), sums)?
        .project(kept)?
        .filter(column("__n_rows").gt(lit(0_i64)))?
        .build()?;
    let call = TableCall::try_new(Arc::new(Replicate), vec![], None)?;
    let call = TableCall {
        arguments: vec![column("__n_rows")],
        ..call
    };
    let replicated = Correlate::try_new(rows, &call, None, false, Vec::new())?;
    LogicalPlanBuilder::from(LogicalPlan::Extension(Extension {
        node: Arc::new(replicated),
    }))
    .project(key)?
    .build()
}

/// Each row as often as its argument says. Gives no columns.
#[derive(Debug)]
struct Replicate;

impl TableFunction for Replicate {
    fn signature(&self) -> String {
        "$REPLICATE_ROWS".to_owned()
    }

    fn result(&self, _arguments: &[FieldRef]) -> Result<Vec<FieldRef>> {
        Ok(Vec::new())
    }

    fn call(&self, arguments: &[ArrayRef], _n_rows: usize) -> Result<TableRows> {
        let counts = arguments
            .first()
            .and_then(|counts| counts.as_primitive_opt::<Int64Type>())
            .ok_or_else(|| EngineError::internal("rows are repeated by a number"))?;
        let mut rows = Vec::new();
        for (row, count) in (0_u32..).zip(counts.iter()) {
            let times = count.and_then(|count| usize::try_from(count).ok());
            rows.extend(std::iter::repeat_n(row, times.unwrap_or(0)));
        }
        Ok(TableRows {
            columns: Vec::new(),
            rows,
        })
    }
}
