//! Runs a graph in synchronous steps on N workers.
pub mod graph;

pub use graph::{Edge, Exchange, Graph, Node, NodeId, NodeKind};
