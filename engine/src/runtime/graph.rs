//! The contract between planner and runtime: a graph of operators, described, not yet running.
//!
//! Nodes stand in topological order: an edge comes from a node with a smaller id. A node that
//! several nodes read is computed once.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::connectors::{SinkFactory, Source};
use crate::data::ChangelogMode;
use crate::functions::usage::UsedFunction;
use crate::operators::OperatorFactory;
use crate::runtime::watermark::WatermarkSpec;

/// Index of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// How rows travel along an edge from the workers of one node to the workers of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// Each worker keeps its rows.
    Forward,
    /// By the hash of these columns: key → key group → worker.
    Hash(Vec<usize>),
    /// All rows go to worker 0.
    Single,
}

/// An input of a node; its port is its index among the node's inputs.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Where the rows come from.
    pub from: NodeId,
    /// How they travel.
    pub exchange: Exchange,
    /// Whether the reader knows rows by their keys: `-U` stays behind.
    pub drops_update_before: bool,
}

impl Edge {
    /// An edge that all rows travel along.
    #[must_use]
    pub const fn new(from: NodeId, exchange: Exchange) -> Self {
        Self {
            from,
            exchange,
            drops_update_before: false,
        }
    }
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Reads a table. No inputs. `projection` goes to [`Source::open`].
    Source {
        /// The source.
        source: Arc<dyn Source>,
        /// The columns that are read, ascending.
        projection: Vec<usize>,
        /// How event time advances with its rows, if the table says so.
        watermark: Option<Arc<WatermarkSpec>>,
    },
    /// Computes.
    Operator(Arc<dyn OperatorFactory>),
    /// Passes on what comes in at any of its ports: UNION ALL.
    Union,
    /// Ends the graph. One input, no readers. Runs on the job's own thread.
    Sink(Arc<dyn SinkFactory>),
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub struct Node {
    /// Stable hash of the sub-plan: the name of this node's state in a checkpoint.
    pub operator_id: String,
    /// The node as EXPLAIN shows it, with Flink's name, e.g. `GroupAggregate(groupBy=[a], …)`.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from.
    pub inputs: Vec<Edge>,
    /// Schema of the rows that leave it.
    pub schema: SchemaRef,
    /// Kinds of the rows that leave it.
    pub changelog_mode: ChangelogMode,
}

/// A dataflow, ready to be started as a job.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The nodes, in topological order.
    pub nodes: Vec<Node>,
    /// The foreign functions that they call.
    pub functions: Vec<UsedFunction>,
}

impl Graph {
    /// Appends a node and gives its id.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }
}
