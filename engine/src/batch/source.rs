//! A batch query as a source: its final rows flow into a job like those of a table, so a batch
//! query is listed, watched and stopped like every other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tokio::runtime::Runtime;

use super::{block_on, output_schema, physical, relabeled, session_state, with_providers};
use crate::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::plan::errors::from_planner;

/// How long a poll waits for rows before the job may look around.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// The final rows of a query. Checked when it is made, run when it is opened.
pub struct BatchQuery {
    plan: LogicalPlan,
    config: Arc<ConfigOptions>,
    schema: SchemaRef,
}

impl BatchQuery {
    /// The rows of an analyzed plan.
    ///
    /// # Errors
    /// If it reads a table that never ends or sends updates.
    pub fn try_new(plan: &LogicalPlan, config: &Arc<ConfigOptions>) -> Result<Self> {
        Ok(Self {
            schema: output_schema(plan),
            plan: {
                super::checks::check(plan)?;
                with_providers(plan.clone())?
            },
            config: Arc::clone(config),
        })
    }
}

impl fmt::Debug for BatchQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchQuery").finish_non_exhaustive()
    }
}

impl Source for BatchQuery {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn open(
        &self,
        projection: &[usize],
        _parallelism: usize,
    ) -> Result<Vec<Box<dyn SourceReader>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| EngineError::ResourcesExhausted {
                message: format!("cannot start a query: {error}"),
            })?;
        let state = session_state(&self.config);
        let stream = block_on(&runtime, async {
            let physical = physical(&state, &self.plan).await?;
            execute_stream(physical, state.task_ctx()).map_err(from_planner)
        })??;
        let is_all = projection.len() == self.schema.fields().len();
        Ok(vec![Box::new(BatchReader {
            runtime,
            stream,
            schema: Arc::clone(&self.schema),
            projection: (!is_all).then(|| projection.to_vec()),
            pending: None,
        })])
    }
}

struct BatchReader {
    runtime: Runtime,
    stream: SendableRecordBatchStream,
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    /// Rows that were more than a poll may give.
    pending: Option<RecordBatch>,
}

impl SourceReader for BatchReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        let batch = match self.pending.take() {
            Some(batch) => batch,
            None => {
                let stream = &mut self.stream;
                let next = self
                    .runtime
                    .block_on(async { tokio::time::timeout(MAX_WAIT, stream.next()).await });
                match next {
                    Err(_) => return Ok(SourcePoll::Idle(Duration::ZERO)),
                    Ok(None) => return Ok(SourcePoll::End),
                    Ok(Some(batch)) => self.fitted(&batch.map_err(EngineError::from)?)?,
                }
            }
        };
        if batch.num_rows() > max_rows {
            let rest = batch.num_rows() - max_rows;
            self.pending = Some(batch.slice(max_rows, rest));
            return Ok(SourcePoll::Rows(Delta::insert_only(
                batch.slice(0, max_rows),
            )));
        }
        Ok(SourcePoll::Rows(Delta::insert_only(batch)))
    }
}

impl BatchReader {
    fn fitted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = relabeled(batch, &self.schema)?;
        Ok(match &self.projection {
            Some(projection) => batch.project(projection)?,
            None => batch,
        })
    }
}
