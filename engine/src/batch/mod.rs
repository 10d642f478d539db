//! Batch mode: the final rows of a query over tables that end, by DataFusion's physical plans.
//!
//! ```text
//!   LogicalPlan ──(sources become providers)──▶ DataFusion ──▶ batches, all of them +I
//! ```
//!
//! The front half, and with it names, types and functions, is the same as in streaming mode; what
//! runs behind it is DataFusion's own operators: joins, windows and sorts included.

mod provider;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::logical_plan::TableScan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;

use crate::connectors::Boundedness;
use crate::error::{EngineError, Result};
use crate::plan::changes::table_error;
use crate::plan::context::PhysicalTable;
use crate::plan::errors::from_planner;
use provider::SourceProvider;

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

/// Runs an analyzed plan to its end. Blocks the calling thread.
///
/// # Errors
/// If a table never ends or sends updates; whatever reading and computing can do wrong.
pub fn run(plan: &LogicalPlan, config: &Arc<ConfigOptions>) -> Result<Vec<RecordBatch>> {
    let plan = with_providers(plan.clone())?;
    let state = session_state(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| EngineError::ResourcesExhausted {
            message: format!("cannot start a query: {error}"),
        })?;
    let schema = output_schema(&plan);
    let batches = runtime.block_on(async {
        let physical = state
            .create_physical_plan(&plan)
            .await
            .map_err(from_planner)?;
        let batches = collect(physical, state.task_ctx()).await?;
        Ok::<_, EngineError>(batches)
    })?;
    // Physical plans forget what the fields' metadata says about Flink's types.
    batches
        .into_iter()
        .map(|batch| relabeled(&batch, &schema))
        .collect()
}

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
    SessionStateBuilder::new()
        .with_config(SessionConfig::from(options))
        .with_default_features()
        .build()
}

/// The plan with every connector's source behind DataFusion's trait.
fn with_providers(plan: LogicalPlan) -> Result<LogicalPlan> {
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
