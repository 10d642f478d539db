//! A connector's source as a DataFusion table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crate::connectors::{Source, SourcePoll, SourceReader};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

#[derive(Debug)]
pub(super) struct SourceProvider {
    source: Arc<dyn Source>,
}

impl SourceProvider {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source }
    }
}

#[async_trait]
impl TableProvider for SourceProvider {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let full = self.source.schema();
        let wanted: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..full.fields().len()).collect(),
        };
        let mut read = wanted.clone();
        read.sort_unstable();
        read.dedup();
        if read.is_empty() && !full.fields().is_empty() {
            // Rows need one column to be counted by.
            read.push(0);
        }
        let schema = Arc::new(full.project(&read)?);
        let order: Vec<usize> = wanted
            .iter()
            .filter_map(|column| read.iter().position(|sorted| sorted == column))
            .collect();
        let partition = SourcePartition {
            source: Arc::clone(&self.source),
            read,
            schema: Arc::clone(&schema),
        };
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            vec![Arc::new(partition)],
            Some(&order),
            None,
            false,
            limit,
        )?))
    }
}

struct SourcePartition {
    source: Arc<dyn Source>,
    read: Vec<usize>,
    schema: SchemaRef,
}

impl fmt::Debug for SourcePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePartition")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for SourcePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (readers, failure) = match self.source.open(&self.read, 1) {
            Ok(readers) => (readers, None),
            Err(error) => (Vec::new(), Some(error.into())),
        };
        let rows = batches(readers, failure);
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(rows),
        ))
    }
}

/// Reads one reader after the other. Blocks: the query has its thread for itself.
fn batches(
    readers: Vec<Box<dyn SourceReader>>,
    failure: Option<DataFusionError>,
) -> impl Iterator<Item = DfResult<arrow::array::RecordBatch>> {
    let rows = readers.into_iter().flat_map(|mut reader| {
        let mut is_done = false;
        std::iter::from_fn(move || {
            while !is_done {
                match reader.poll(BATCH_ROWS) {
                    Ok(SourcePoll::Rows(delta)) => return Some(Ok(delta.batch().clone())),
                    Ok(SourcePoll::Idle(wait)) => std::thread::sleep(wait),
                    Ok(SourcePoll::End) => is_done = true,
                    Err(error) => {
                        is_done = true;
                        return Some(Err(error.into()));
                    }
                }
            }
            None
        })
    });
    failure.map(Err).into_iter().chain(rows)
}
