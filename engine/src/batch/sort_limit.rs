//! ORDER BY with LIMIT, with the rows that Flink keeps where some are equal in the order.
//!
//! ```text
//!   rows ──▶ heap of offset + limit rows ──▶ another one ──▶ sorted, equal rows as the heap has them
//! ```
//!
//! The order does not say which of equal rows are kept; the heap does, by the places to which its
//! rows move. It is a binary heap with the last row of the order on top: a new row replaces the top
//! if it comes before it. Flink runs it twice, on each task and for all of them together.
//!
//! `BinaryHeap` of the standard library moves rows otherwise, so that other ones of them are kept.
//!
//! Source: Flink 2.3, `SortLimitOperator`, checked against its answers over ties.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, TryStreamExt, stream};

/// `plan` with Flink's choice among equal rows in each sort with a limit.
///
/// # Errors
/// If a node cannot be put together again: a bug.
pub(super) fn with_ties(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(sort) = node.downcast_ref::<SortExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(n_rows) = sort.fetch() else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(SortLimitExec {
            input: Arc::clone(sort.input()),
            order: sort.expr().clone(),
            n_rows,
            properties: Arc::clone(sort.properties()),
        })))
    })
    .data()
}

/// The first rows of an order.
#[derive(Debug)]
struct SortLimitExec {
    input: Arc<dyn ExecutionPlan>,
    order: LexOrdering,
    n_rows: usize,
    /// Those of the sort that it stands for.
    properties: Arc<PlanProperties>,
}

impl DisplayAs for SortLimitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SortLimitExec: fetch={}, expr=[{}]",
            self.n_rows, self.order
        )
    }
}

impl ExecutionPlan for SortLimitExec {
    fn name(&self) -> &'static str {
        "SortLimitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for key in self.order.iter() {
            recursion = recursion.visit_sibling(|| visit(&key.expr))?;
        }
        Ok(recursion)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| internal_datafusion_err!("a sort has one input"))?;
        Ok(Arc::new(Self {
            input,
            order: self.order.clone(),
            n_rows: self.n_rows,
            properties: Arc::clone(&self.properties),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let schema = self.input.schema();
        let input = self.input.execute(partition, context)?;
        let rows = first_rows(input, self.order.clone(), self.n_rows, Arc::clone(&schema));
        let batches = stream::once(rows);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

async fn first_rows(
    input: SendableRecordBatchStream,
    order: LexOrdering,
    n_rows: usize,
    schema: SchemaRef,
) -> DfResult<RecordBatch> {
    let fields = order
        .iter()
        .map(|key| {
            let data_type = key.expr.data_type(&schema)?;
            Ok(SortField::new_with_options(data_type, key.options))
        })
        .collect::<DfResult<Vec<_>>>()?;
    let converter = RowConverter::new(fields)?;
    let mut kept = Kept {
        heap: Heap::new(n_rows),
        batches: Vec::new(),
    };
    let mut input = input.map(|batch| batch.and_then(|batch| keyed(batch, &order, &converter)));
    while let Some((batch, keys)) = input.try_next().await? {
        kept.push(batch, keys);
    }
    let mut whole = Heap::new(n_rows);
    for row in kept.heap.rows {
        whole.push(row);
    }
    let mut rows = whole.rows;
    rows.sort_by(|left, right| left.key.cmp(&right.key));
    let places: Vec<(usize, usize)> = rows
        .iter()
        .map(|row| (row.batch_idx, row.row_idx))
        .collect();
    if places.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let batches: Vec<&RecordBatch> = kept.batches.iter().collect();
    Ok(interleave_record_batch(&batches, &places)?)
}

/// A batch with the keys of its rows, in a form that compares as the order does.
fn keyed(
    batch: RecordBatch,
    order: &LexOrdering,
    converter: &RowConverter,
) -> DfResult<(RecordBatch, arrow::row::Rows)> {
    let columns = order
        .iter()
        .map(|key| key.expr.evaluate(&batch)?.into_array(batch.num_rows()))
        .collect::<DfResult<Vec<_>>>()?;
    // The converter of a sort's keys has no dictionaries, so it needs no exclusive access.
    let mut keys = converter.empty_rows(batch.num_rows(), 0);
    converter.append(&mut keys, &columns)?;
    Ok((batch, keys))
}

/// The rows of the heap, and the batches in which they stand.
struct Kept {
    heap: Heap,
    batches: Vec<RecordBatch>,
}

impl Kept {
    fn push(&mut self, batch: RecordBatch, keys: arrow::row::Rows) {
        let batch_idx = self.batches.len();
        let mut is_used = false;
        for (row_idx, key) in keys.iter().enumerate() {
            if self.heap.takes(|top| key.as_ref().cmp(top.key.as_ref())) {
                is_used = true;
                self.heap.push(HeapRow {
                    key: key.owned(),
                    batch_idx,
                    row_idx,
                });
            }
        }
        if is_used {
            self.batches.push(batch);
        }
    }
}

struct HeapRow {
    key: OwnedRow,
    batch_idx: usize,
    row_idx: usize,
}

/// A binary heap of at most `limit` rows, the last one of the order at place 0.
struct Heap {
    rows: Vec<HeapRow>,
    limit: usize,
}

impl Heap {
    fn new(limit: usize) -> Self {
        Self {
            rows: Vec::new(),
            limit,
        }
    }

    /// Whether there is room for a row, given how it compares to the top, or it comes before that.
    fn takes(&self, compare: impl FnOnce(&HeapRow) -> Ordering) -> bool {
        if self.rows.len() < self.limit {
            return true;
        }
        self.rows.first().is_some_and(|top| compare(top).is_lt())
    }

    fn push(&mut self, row: HeapRow) {
        if self.rows.len() >= self.limit {
            if self.rows.is_empty() {
                return;
            }
            self.rows.swap_remove(0);
            self.sift_down();
        }
        self.rows.push(row);
        self.sift_up();
    }

    /// Moves the last row up past those that come before it.
    fn sift_up(&mut self) {
        let mut place = self.rows.len() - 1;
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.is_before(parent, place) {
                break;
            }
            self.rows.swap(parent, place);
            place = parent;
        }
    }

    /// Moves the first row down past those that come after it.
    fn sift_down(&mut self) {
        let mut place = 0;
        loop {
            let left = 2 * place + 1;
            if left >= self.rows.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.rows.len() && self.is_before(left, right) {
                right
            } else {
                left
            };
            if !self.is_before(place, child) {
                break;
            }
            self.rows.swap(place, child);
            place = child;
        }
    }

    fn is_before(&self, one: usize, other: usize) -> bool {
        match (self.rows.get(one), self.rows.get(other)) {
            (Some(one), Some(other)) => one.key < other.key,
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int32Array};
    use arrow::compute::SortOptions;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use datafusion::physical_expr::PhysicalSortExpr;
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    /// Rows of a key and their number from 1, in batches of `step` rows, ordered by the key.
    fn first(keys: &[Option<i32>], descending: bool, n_rows: usize, step: usize) -> Vec<i32> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int32, true),
            Field::new("id", DataType::Int32, false),
        ]));
        let numbered: Vec<(Option<i32>, i32)> = keys.iter().copied().zip(1..).collect();
        let batches: Vec<DfResult<RecordBatch>> = numbered
            .chunks(step)
            .map(|rows| {
                let keys: Int32Array = rows.iter().map(|(key, _)| *key).collect();
                let ids: Int32Array = rows.iter().map(|(_, id)| Some(*id)).collect();
                let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(ids)];
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
            })
            .collect();
        let order = LexOrdering::new(vec![PhysicalSortExpr::new(
            col("k", &schema).unwrap(),
            SortOptions::new(descending, !descending),
        )])
        .unwrap();
        let input = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter(batches));
        let rows = first_rows(Box::pin(input), order, n_rows, schema);
        let rows = futures::executor::block_on(rows).unwrap();
        rows.column(1).as_primitive::<Int32Type>().values().to_vec()
    }

    /// Of the rows 3 and 5, which are equal, the later one is kept: the heap has moved it down.
    #[test]
    fn equal_rows_are_kept_as_the_heap_has_them() {
        let salaries = [100, 200, 150, 90, 150, 0, 90, 300].map(|n| (n > 0).then_some(n));
        for step in [1, 3, 8] {
            assert_eq!(first(&salaries, true, 3, step), [8, 2, 5]);
            assert_eq!(first(&salaries, true, 4, step), [8, 2, 5, 3]);
            assert_eq!(first(&salaries, false, 3, step), [6, 4, 7]);
            assert_eq!(first(&salaries, false, 4, step), [6, 7, 4, 1]);
        }
        assert_eq!(first(&[Some(1); 5], false, 3, 2), [1, 2, 3]);
    }

    #[test]
    fn a_limit_may_be_nothing_or_more_than_there_is() {
        assert!(first(&[Some(2), Some(1)], false, 0, 1).is_empty());
        assert_eq!(first(&[Some(2), Some(1)], false, 9, 1), [2, 1]);
        assert!(first(&[], false, 3, 1).is_empty());
    }
}
