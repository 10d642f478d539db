//! `table FOR SYSTEM_TIME AS OF time`.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, TableFactor, TableVersion};

use super::Snapshot;
use super::hint::without_retry;
use crate::error::EngineError;
use crate::sql::diagnostics::validation;

/// Plans tables as of a time.
#[derive(Debug)]
pub struct SnapshotRelations;

impl RelationPlanner for SnapshotRelations {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let TableFactor::Table {
            version: version @ Some(TableVersion::ForSystemTimeAsOf(_)),
            alias,
            ..
        } = &mut relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some(TableVersion::ForSystemTimeAsOf(as_of)) = version.take() else {
            return Err(EngineError::internal("a table lost its time").into());
        };
        let alias = alias.take();
        let (as_of, retry) = without_retry(as_of);
        let as_of = match as_of {
            SqlExpr::Identifier(name) => vec![name.value],
            SqlExpr::CompoundIdentifier(parts) => {
                parts.into_iter().map(|part| part.value).collect()
            }
            other => {
                return Err(validation(format!(
                    "unsupported time travel expression: FOR SYSTEM_TIME AS OF {other} takes a \
                     time attribute of the left table of a join"
                ))
                .into());
            }
        };
        let input = context.plan(relation)?;
        let plan = LogicalPlan::Extension(Extension {
            node: Arc::new(Snapshot {
                input,
                as_of,
                retry,
            }),
        });
        let planned = PlannedRelation::new(plan, alias);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}
