//! Which kinds of changes flow where, and who refuses them.

use std::sync::Arc;

use arrow::array::BooleanArray;

use crate::connectors::{CancelSink, Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::operators::JoinKind;
use crate::plan::build::Built;
use crate::runtime::{Graph, NodeId};
use crate::sql::diagnostics::SqlDiagnostic;
use crate::state::StateTable;

/// What leaves a GROUP BY whose input sends `input`. Without aggregates (DISTINCT) a group is
/// there or not, it never changes.
#[must_use]
pub fn of_aggregate(input: ChangelogMode, is_distinct: bool) -> ChangelogMode {
    let may_vanish = !input.is_insert_only();
    ChangelogMode {
        update_before: !is_distinct,
        update_after: !is_distinct,
        delete: may_vanish,
    }
}

/// What leaves a join. Rows without a partner come and go; pairs change as their halves do.
#[must_use]
pub fn of_join(kind: JoinKind, left: ChangelogMode, right: ChangelogMode) -> ChangelogMode {
    match kind {
        JoinKind::Inner | JoinKind::Semi => left.union(right),
        JoinKind::Left | JoinKind::Right | JoinKind::Full | JoinKind::Anti | JoinKind::Mark => {
            ChangelogMode::ALL
        }
    }
}

/// Refuses a sink that does not take what `input` sends.
///
/// # Errors
/// Flink's sentence with the node that makes the changes.
pub fn check_sink(
    graph: &Graph,
    input: &Built,
    table: &str,
    accepted: ChangelogMode,
) -> Result<()> {
    let updates = input.mode.update_after && !accepted.update_after;
    let deletes = input.mode.delete && !accepted.delete;
    let kinds = match (updates, deletes) {
        (false, false) => return Ok(()),
        (true, false) => "update changes",
        (false, true) => "delete changes",
        (true, true) => "update and delete changes",
    };
    let producer = producer(graph, input.id, updates);
    Err(table_error(
        &format!(
            "Table sink '{table}' doesn't support consuming {kinds} which is produced by node {producer}"
        ),
        None,
    ))
}

/// A sink that does not get to see `-U`: it knows its rows by a key.
#[must_use]
pub fn without_update_before(sink: Arc<dyn SinkFactory>) -> Arc<dyn SinkFactory> {
    Arc::new(DropUpdateBefore { inner: sink })
}

#[derive(Debug)]
struct DropUpdateBefore {
    inner: Arc<dyn SinkFactory>,
}

impl SinkFactory for DropUpdateBefore {
    fn changelog_mode(&self) -> ChangelogMode {
        self.inner.changelog_mode()
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Filtered {
            inner: self.inner.create()?,
        }))
    }
}

struct Filtered {
    inner: Box<dyn Sink>,
}

impl Sink for Filtered {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        let Some(kinds) = delta.kinds() else {
            return self.inner.write(delta);
        };
        let mask: BooleanArray = kinds
            .iter()
            .map(|&kind| Some(kind != RowKind::UpdateBefore))
            .collect();
        let kept = delta.filter(&mask)?;
        if kept.num_rows() == 0 {
            return Ok(());
        }
        self.inner.write(&kept)
    }

    fn on_step_end(&mut self) -> Result<()> {
        self.inner.on_step_end()
    }

    fn on_watermark(&mut self, watermark_ms: i64) {
        self.inner.on_watermark(watermark_ms);
    }

    fn next_timer_ms(&self) -> Option<i64> {
        self.inner.next_timer_ms()
    }

    fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }

    fn fail(&mut self, error: &EngineError) {
        self.inner.fail(error);
    }

    fn canceller(&self) -> Option<CancelSink> {
        self.inner.canceller()
    }

    fn state_bytes(&self) -> usize {
        self.inner.state_bytes()
    }

    fn expect_checkpoints(&mut self) {
        self.inner.expect_checkpoints();
    }

    fn prepare(&mut self, checkpoint: u64) -> Result<Vec<StateTable>> {
        self.inner.prepare(checkpoint)
    }

    fn commit(&mut self, checkpoint: u64) -> Result<()> {
        self.inner.commit(checkpoint)
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        self.inner.restore(tables)
    }
}

/// The lowest node on the way up from `id` that makes updates (or deletions) out of a stream
/// without them.
fn producer(graph: &Graph, id: NodeId, updates: bool) -> String {
    let Some(node) = graph.node(id) else {
        return String::new();
    };
    let sends = |mode: ChangelogMode| {
        if updates {
            mode.update_after
        } else {
            mode.delete
        }
    };
    let from = node.inputs.iter().find(|edge| {
        graph
            .node(edge.from)
            .is_some_and(|input| sends(input.changelog_mode))
    });
    match from {
        Some(edge) => producer(graph, edge.from, updates),
        None => node.name.clone(),
    }
}

/// A statement that cannot be planned.
pub(crate) fn table_error(message: &str, hint: Option<&str>) -> EngineError {
    EngineError::from(Arc::new(
        SqlDiagnostic::table(message.to_owned()).with_hint(hint.map(ToOwned::to_owned)),
    ))
}
