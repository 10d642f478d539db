//! What is gathered between two steps: the tables of all operators and sinks, the positions of all
//! readers.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::manifest::GraphEntry;
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::runtime::graph::Graph;
use crate::runtime::watermark::TrackerState;
use crate::state::StateTable;
use crate::state::snapshot::changes_to_rows;

/// Tables of nodes, by the nodes' indices: what one worker gives.
pub(in crate::runtime) type NodeTables = Vec<(usize, Vec<StateTable>)>;

/// Where a reader stands, as of the rows that steps have taken.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct ReaderState {
    /// Index of the source's node.
    pub(in crate::runtime) node_idx: usize,
    /// What the reader's `position` gave with the last batch of which rows were taken.
    pub(in crate::runtime) position: serde_json::Value,
    /// The rows of that batch that have not been taken yet.
    pub(in crate::runtime) rest: Option<Delta>,
    /// If the table has a watermark.
    pub(in crate::runtime) time: Option<ReaderTime>,
}

/// How far a reader is in event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct ReaderTime {
    /// Behind the last batch.
    pub(in crate::runtime) tracker: TrackerState,
    /// Behind the last row that was taken.
    pub(in crate::runtime) admitted_ms: Option<i64>,
    /// The watermark of the whole source that the last step knew.
    #[serde(default)]
    pub(in crate::runtime) known_ms: Option<i64>,
}

impl ReaderTime {
    /// Where a reader goes on in the place of two.
    pub(in crate::runtime) fn least(self, other: Self) -> Self {
        let admitted = self.admitted_ms.zip(other.admitted_ms);
        Self {
            tracker: self.tracker.least(other.tracker),
            admitted_ms: admitted.map(|(one, other)| one.min(other)),
            known_ms: self.known_ms.max(other.known_ms),
        }
    }
}

/// A job between two steps.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) step: u64,
    pub(super) n_workers: usize,
    /// Of operators and sinks; nodes without tables are not there.
    pub(super) nodes: Vec<NodeState>,
    pub(super) sources: Vec<SourceState>,
    /// All nodes of the graph.
    pub(super) graph: Vec<GraphEntry>,
}

/// The tables of one node, of all workers.
#[derive(Debug)]
pub(super) struct NodeState {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tables: Vec<SavedTable>,
}

/// One table, as it is written: one batch a worker.
#[derive(Debug)]
pub(super) struct SavedTable {
    pub(super) name: String,
    pub(super) key_columns: Vec<usize>,
    pub(super) batches: Vec<RecordBatch>,
}

/// One source with its readers, in their order.
#[derive(Debug)]
pub(super) struct SourceState {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) readers: Vec<SavedReader>,
}

/// One reader, as it is written.
#[derive(Debug)]
pub(super) struct SavedReader {
    pub(super) position: serde_json::Value,
    pub(super) rest: Option<RecordBatch>,
    pub(super) time: Option<ReaderTime>,
}

impl Snapshot {
    /// Puts together what workers, sinks and the inbox gave.
    ///
    /// # Errors
    /// `Unsupported` if a source cannot continue from where it stands.
    pub(super) fn try_new(
        graph: &GraphNames,
        step: u64,
        workers: Vec<NodeTables>,
        sinks: NodeTables,
        readers: Vec<ReaderState>,
    ) -> Result<Self> {
        let n_workers = workers.len();
        let mut nodes: Vec<Option<NodeState>> = graph.nodes.iter().map(|_| None).collect();
        for (node_idx, tables) in workers.into_iter().flatten().chain(sinks) {
            let (Some(slot), Some((id, name))) =
                (nodes.get_mut(node_idx), graph.nodes.get(node_idx))
            else {
                return Err(EngineError::internal("state of a node that does not exist"));
            };
            let node = slot.get_or_insert_with(|| NodeState {
                id: id.clone(),
                name: name.clone(),
                tables: Vec::new(),
            });
            for table in tables {
                node.add(table)?;
            }
        }
        let nodes = nodes
            .into_iter()
            .flatten()
            .filter(|node| !node.tables.is_empty())
            .collect();
        let mut sources: Vec<(usize, SourceState)> = Vec::new();
        for reader in readers {
            let Some((id, name)) = graph.nodes.get(reader.node_idx) else {
                return Err(EngineError::internal(
                    "a reader of a node that does not exist",
                ));
            };
            if reader.position.is_null() {
                return Err(EngineError::unsupported(format!(
                    "a checkpoint of a job that reads {name}: this source cannot continue from a \
                     position, which"
                )));
            }
            let rest = reader.rest.as_ref().map(changes_to_rows).transpose()?;
            let entry = SavedReader {
                position: reader.position,
                rest,
                time: reader.time,
            };
            match sources.iter_mut().find(|(idx, _)| *idx == reader.node_idx) {
                Some((_, source)) => source.readers.push(entry),
                None => sources.push((
                    reader.node_idx,
                    SourceState {
                        id: id.clone(),
                        name: name.clone(),
                        readers: vec![entry],
                    },
                )),
            }
        }
        Ok(Self {
            step,
            n_workers,
            nodes,
            sources: sources.into_iter().map(|(_, source)| source).collect(),
            graph: graph
                .nodes
                .iter()
                .map(|(id, name)| GraphEntry {
                    id: id.clone(),
                    name: name.clone(),
                })
                .collect(),
        })
    }
}

impl NodeState {
    fn add(&mut self, table: StateTable) -> Result<()> {
        let known = self
            .tables
            .iter_mut()
            .find(|known| known.name == table.name);
        match known {
            Some(known) if known.key_columns != table.key_columns => {
                Err(EngineError::internal(format!(
                    "the workers of {} disagree about the key of the table '{}'",
                    self.name, table.name
                )))
            }
            Some(known) => {
                known.batches.push(table.batch);
                Ok(())
            }
            None => {
                self.tables.push(SavedTable {
                    name: table.name.to_owned(),
                    key_columns: table.key_columns,
                    batches: vec![table.batch],
                });
                Ok(())
            }
        }
    }
}

/// The ids and names of a graph's nodes. An id that several nodes have is told apart by a number:
/// the order of the nodes is the planner's, which is the same for the same plan.
#[derive(Debug, Clone)]
pub(super) struct GraphNames {
    /// Id and name by node.
    pub(super) nodes: Vec<(String, String)>,
}

impl GraphNames {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let nodes = graph
            .nodes
            .iter()
            .map(|node| {
                let n_seen = seen.entry(&node.operator_id).or_default();
                *n_seen += 1;
                let id = match *n_seen {
                    1 => node.operator_id.clone(),
                    number => format!("{}-{number}", node.operator_id),
                };
                (id, node.name.clone())
            })
            .collect();
        Self { nodes }
    }
}
