//! Batch mode: the final rows of a query over tables that end, by DataFusion's physical plans.
//!
//! ```text
//!   LogicalPlan ──(sources become providers)──▶ DataFusion ──▶ batches, all of them +I
//! ```
//!
//! The front half, and with it names, types and functions, is the same as in streaming mode; what
//! runs behind it is DataFusion's own operators: joins, windows and sorts included.

mod checks;

mod grouping_sets;

mod provider;

mod sort_limit;

mod source;

use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::ExecutionProps;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::logical_plan::TableScan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;

use crate::connectors::Boundedness;
use crate::error::{EngineError, Result};
use crate::plan::changes::table_error;
use crate::plan::context::PhysicalTable;
use crate::plan::errors::from_planner;
use crate::plan::subquery;
use provider::SourceProvider;
pub use source::BatchQuery;

/// Whether DataFusion cannot run `plan`, because it has relations of ours: then the incremental
/// graph runs it to its end.
#[must_use]
pub fn needs_graph(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Extension(_))))
        .unwrap_or(false)
}

/// Refuses tables that batch mode does not read.
///
/// # Errors
/// For a table that never ends or sends updates.
pub fn check_tables(plan: &LogicalPlan) -> Result<()> {
    checks::check(plan)?;
    with_providers(plan.clone()).map(drop)
}

/// Schema of the rows that `plan` gives.
#[must_use]
pub fn output_schema(plan: &LogicalPlan) -> SchemaRef {
    let fields: Vec<_> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            // DataFusion counts rows unsigned.
            DataType::UInt64 => Arc::new(field.as_ref().clone().with_data_type(DataType::Int64)),
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The physical plan of a query as text, one node a line.
///
/// # Errors
/// If it reads a table that never ends, or cannot be planned.
pub fn explain(plan: &LogicalPlan, config: &Arc<ConfigOptions>) -> Result<String> {
    let plan = with_providers(plan.clone())?;
    let state = session_state(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| EngineError::ResourcesExhausted {
            message: format!("cannot plan a query: {error}"),
        })?;
    let physical = block_on(&runtime, physical(&state, &plan))??;
    Ok(displayable(physical.as_ref()).indent(false).to_string())
}

/// The physical plan of a query over providers.
async fn physical(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let physical = state
        .create_physical_plan(plan)
        .await
        .map_err(from_planner)?;
    sort_limit::with_ties(physical).map_err(from_planner)
}

/// Runs a future to its end, also for a caller that is a task of another runtime.
fn block_on<T: Send>(runtime: &Runtime, future: impl Future<Output = T> + Send) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(runtime.block_on(future));
    }
    std::thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join())
        .map_err(|_| EngineError::internal("planning a batch query panicked"))
}

/// The rows of a batch with the fields that the query promises; physical plans forget what the
/// fields' metadata says about Flink's types.
fn relabeled(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type().equals_datatype(field.data_type()) {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

fn session_state(config: &Arc<ConfigOptions>) -> SessionState {
    let mut options = config.as_ref().clone();
    // One partition: results come in one order, and aggregates are not split into halves.
    options.execution.target_partitions = 1;
    // Functions look for the session's time zone here.
    let mut props = ExecutionProps::new();
    props.config_options = Some(Arc::clone(config));
    SessionStateBuilder::new()
        .with_config(SessionConfig::from(options))
        .with_execution_props(props)
        .with_default_features()
        .build()
}

/// The plan with every connector's source behind DataFusion's trait.
fn with_providers(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = subquery::prepared_for_batch(plan)?;
    let plan = grouping_sets::without_empty(plan).map_err(from_planner)?;
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(Transformed::no(node));
        };
        let Some(table) = scan.source.downcast_ref::<PhysicalTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        check_source(table)?;
        let provider = SourceProvider::new(Arc::clone(&table.source));
        Ok(Transformed::yes(LogicalPlan::TableScan(TableScan {
            source: provider_as_source(Arc::new(provider)),
            ..scan
        })))
    });
    Ok(rewritten.map_err(from_planner)?.data)
}

fn check_source(table: &PhysicalTable) -> Result<()> {
    if table.source.boundedness() == Boundedness::Unbounded {
        return Err(table_error(
            &format!(
                "querying the unbounded table '{}' in batch mode is not allowed",
                table.name
            ),
            Some("SET 'execution.runtime-mode' = 'streaming', or bound the table by its options"),
        ));
    }
    if !table.source.changelog_mode().is_insert_only() {
        return Err(table_error(
            &format!(
                "table '{}' sends updates, which batch mode does not read",
                table.name
            ),
            Some("SET 'execution.runtime-mode' = 'streaming'"),
        ));
    }
    Ok(())
}
