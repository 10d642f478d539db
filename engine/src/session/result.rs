//! What a statement gives back.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::connectors::collect::ChangeStream;
use crate::error::Result;
use crate::runtime::JobHandle;

/// Flink's kinds of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// The statement was carried out; its content is `OK`.
    Success,
    /// There is something to read.
    SuccessWithContent,
}

/// The rows of a result.
#[derive(Debug)]
pub enum ResultContent {
    /// All of them.
    Rows(Vec<RecordBatch>),
    /// Changes as they come; dropping the stream stops the job.
    Changes(ChangeStream),
}

/// What a statement gives back.
#[derive(Debug)]
pub struct TableResult {
    /// Kind.
    pub kind: ResultKind,
    /// Schema of the content.
    pub schema: SchemaRef,
    /// Content.
    pub content: ResultContent,
    /// The job that the statement started.
    pub job: Option<JobHandle>,
}

impl TableResult {
    /// `OK`: the result of DDL.
    ///
    /// # Errors
    /// Never in practice: one column of one row.
    pub fn ok() -> Result<Self> {
        let mut result = Self::texts("result", vec!["OK".to_owned()])?;
        result.kind = ResultKind::Success;
        Ok(result)
    }

    /// One column of texts: SHOW and EXPLAIN.
    ///
    /// # Errors
    /// Never in practice.
    pub fn texts(column: &str, values: Vec<String>) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Utf8, true)]));
        let values: ArrayRef = Arc::new(StringArray::from(values));
        Self::rows(RecordBatch::try_new(schema, vec![values])?)
    }

    /// A table that is complete.
    ///
    /// # Errors
    /// Never; the signature is that of its siblings.
    pub fn rows(batch: RecordBatch) -> Result<Self> {
        Ok(Self {
            kind: ResultKind::SuccessWithContent,
            schema: batch.schema(),
            content: ResultContent::Rows(vec![batch]),
            job: None,
        })
    }

    /// The result of an INSERT: −1 rows for each table, because a stream has no count.
    ///
    /// # Errors
    /// Never in practice.
    pub fn inserted(tables: &[String], job: Option<JobHandle>) -> Result<Self> {
        let fields: Vec<_> = tables
            .iter()
            .map(|table| Field::new(table, DataType::Int64, true))
            .collect();
        let columns = tables
            .iter()
            .map(|_| -> ArrayRef { Arc::new(Int64Array::from(vec![-1])) })
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        let mut result = Self::rows(batch)?;
        result.job = job;
        Ok(result)
    }
}
