//! Which kinds of changes flow where, and who refuses them.

pub mod role;

pub mod infer;

use std::sync::Arc;

use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::operators::JoinKind;
use crate::runtime::{Graph, NodeId};
use crate::sql::diagnostics::SqlDiagnostic;

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

/// Refuses a sink that does not take what `input` sends; `modes` are those of the nodes.
///
/// # Errors
/// Flink's sentence with the node that makes the changes.
pub fn check_sink(
    graph: &Graph,
    modes: &[ChangelogMode],
    input: NodeId,
    table: &str,
    accepted: ChangelogMode,
) -> Result<()> {
    let Some(sent) = modes.get(input.0) else {
        return Err(EngineError::internal("a sink that reads no node"));
    };
    let updates = sent.update_after && !accepted.update_after;
    let deletes = sent.delete && !accepted.delete;
    let kinds = match (updates, deletes) {
        (false, false) => return Ok(()),
        (true, false) => "update changes",
        (false, true) => "delete changes",
        (true, true) => "update and delete changes",
    };
    let producer = producer(graph, modes, input, updates);
    Err(table_error(
        &format!(
            "Table sink '{table}' doesn't support consuming {kinds} which is produced by node {producer}"
        ),
        None,
    ))
}

/// The lowest node on the way up from `id` that makes updates (or deletions) out of a stream
/// without them.
fn producer(graph: &Graph, modes: &[ChangelogMode], id: NodeId, updates: bool) -> String {
    let Some(node) = graph.node(id) else {
        return String::new();
    };
    let sends = |mode: &ChangelogMode| {
        if updates {
            mode.update_after
        } else {
            mode.delete
        }
    };
    let from = node
        .inputs
        .iter()
        .find(|edge| modes.get(edge.from.0).is_some_and(sends));
    match from {
        Some(edge) => producer(graph, modes, edge.from, updates),
        None => node.name.clone(),
    }
}

/// A statement that cannot be planned.
pub(crate) fn table_error(message: &str, hint: Option<&str>) -> EngineError {
    EngineError::from(Arc::new(
        SqlDiagnostic::table(message.to_owned()).with_hint(hint.map(ToOwned::to_owned)),
    ))
}
