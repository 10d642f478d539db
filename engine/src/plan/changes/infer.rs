//! The changelog mode of every node of a graph, inferred in two passes.
//!
//! ```text
//!   1. up    which changes can leave a node at all: insertions, updates, deletions
//!   2. down  who needs -U: a sink that knows its rows by the query's upsert key does not, an
//!            aggregate does; where both ways are possible, the one without -U is tried first
//! ```
//!
//! A node that several nodes read sends `-U` if one of them needs it.
//!
//! Source: Flink 2.3, `FlinkChangelogModeInferenceProgram`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::role::{Makes, Role, Wants};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::runtime::{Graph, NodeId};

/// How updates are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Updates {
    /// `+U` alone: the row is known by its key.
    OnlyAfter,
    /// `-U`, then `+U`.
    Both,
}

/// Which joins take `+U` without `-U`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// Those that do in Flink: what EXPLAIN shows.
    AsPlanned,
    /// None: as they run. Outer joins and joins with further conditions have to take back what the
    /// old version of a row has met, so they are told of it.
    NeedBoth,
}

/// What leaves each node.
#[derive(Debug, Clone, Default)]
pub struct Inferred {
    /// By node.
    pub modes: Vec<ChangelogMode>,
    /// By node and port: whether the reader gets no `-U`.
    pub only_after: Vec<Vec<bool>>,
}

/// Which changes can leave each node; `update_before` stands where updates do.
///
/// # Errors
/// If the graph is not in topological order.
pub fn kinds(graph: &Graph, roles: &[Role]) -> Result<Vec<ChangelogMode>> {
    let mut modes: Vec<ChangelogMode> = Vec::with_capacity(graph.nodes.len());
    for (node, role) in graph.nodes.iter().zip(roles) {
        let inputs = node
            .inputs
            .iter()
            .map(|edge| modes.get(edge.from.0).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| EngineError::internal("a node reads one that follows it"))?;
        let first = inputs.first().copied();
        let all = inputs.iter().copied().reduce(ChangelogMode::union);
        let is_append_only = inputs.iter().all(|mode| mode.is_insert_only());
        modes.push(match role.makes {
            Makes::Forward => first.unwrap_or(ChangelogMode::INSERT_ONLY),
            Makes::Union => all.unwrap_or(ChangelogMode::INSERT_ONLY),
            Makes::Aggregate if is_append_only => ChangelogMode::UPDATING,
            Makes::FirstRows if is_append_only => ChangelogMode::INSERT_ONLY,
            Makes::Aggregate | Makes::FirstRows => ChangelogMode::ALL,
            Makes::Only(mode) => mode,
        });
    }
    Ok(modes)
}

/// Infers what leaves each node; `roots` are the nodes that end the graph, with what they take, the
/// better way first.
///
/// # Errors
/// An internal error if there is no way at all: with `-U` everywhere there is one.
pub fn infer(
    graph: &Graph,
    roles: &[Role],
    roots: &BTreeMap<NodeId, Vec<Updates>>,
    joins: Joins,
) -> Result<Inferred> {
    let mut search = Search {
        graph,
        roles,
        modes: kinds(graph, roles)?,
        pinned: BTreeSet::new(),
        joins,
        known: RefCell::default(),
    };
    loop {
        let mut sent: Vec<BTreeSet<Updates>> = vec![BTreeSet::new(); graph.nodes.len()];
        let mut only_after: Vec<Vec<bool>> = graph
            .nodes
            .iter()
            .map(|node| vec![false; node.inputs.len()])
            .collect();
        for (&root, ways) in roots {
            let way = ways.iter().find(|way| search.can(root, **way));
            let way = way.ok_or_else(|| {
                EngineError::internal("can't generate a valid execution plan for the given query")
            })?;
            search.assign(root, *way, &mut sent, &mut only_after);
        }
        let torn: Vec<usize> = sent
            .iter()
            .enumerate()
            .filter(|(node_idx, ways)| ways.len() > 1 && !search.is_source(NodeId(*node_idx)))
            .map(|(node_idx, _)| node_idx)
            .collect();
        if torn.is_empty() {
            let modes = (search.modes.iter().zip(&sent).enumerate())
                .map(|(node_idx, (mode, ways))| ChangelogMode {
                    update_before: mode.update_before
                        && (search.is_source(NodeId(node_idx))
                            || ways.is_empty()
                            || ways.contains(&Updates::Both)),
                    ..*mode
                })
                .collect();
            return Ok(Inferred { modes, only_after });
        }
        search.pinned.extend(torn);
        search.known.borrow_mut().clear();
    }
}

struct Search<'a> {
    graph: &'a Graph,
    roles: &'a [Role],
    modes: Vec<ChangelogMode>,
    /// Nodes with a reader that needs `-U`.
    pinned: BTreeSet<usize>,
    joins: Joins,
    /// What [`Search::can`] has found out.
    known: RefCell<HashMap<(NodeId, Updates), bool>>,
}

impl Search<'_> {
    fn is_source(&self, id: NodeId) -> bool {
        let role = self.roles.get(id.0);
        role.is_some_and(|role| role.wants == Wants::Nothing)
    }

    fn has_updates(&self, id: NodeId) -> bool {
        self.modes.get(id.0).is_some_and(|mode| mode.update_after)
    }

    /// Whether a node can send its updates that way. A node without any can do both.
    fn can(&self, id: NodeId, way: Updates) -> bool {
        let way = self.effective(id, way);
        let known = self.known.borrow().get(&(id, way)).copied();
        known.unwrap_or_else(|| {
            let can = self.find_out(id, way);
            self.known.borrow_mut().insert((id, way), can);
            can
        })
    }

    fn find_out(&self, id: NodeId, way: Updates) -> bool {
        if way == Updates::OnlyAfter && self.pinned.contains(&id.0) {
            return false;
        }
        // A source always can: what its reader does not want is left out on the way.
        self.is_source(id)
            || self.inputs(id).into_iter().all(|(_, from, port)| {
                self.ways(id, way, port)
                    .is_some_and(|ways| ways.iter().any(|way| self.can(from, *way)))
            })
    }

    fn assign(
        &self,
        id: NodeId,
        way: Updates,
        sent: &mut [BTreeSet<Updates>],
        only_after: &mut [Vec<bool>],
    ) {
        let way = self.effective(id, way);
        if let Some(sent) = sent.get_mut(id.0)
            && self.has_updates(id)
        {
            sent.insert(way);
        }
        for (_, from, port) in self.inputs(id) {
            let ways = self.ways(id, way, port).unwrap_or_default();
            let Some(&way) = ways.iter().find(|way| self.can(from, **way)) else {
                continue;
            };
            if let Some(port) = only_after.get_mut(id.0).and_then(|it| it.get_mut(port)) {
                *port = way == Updates::OnlyAfter && self.has_updates(from);
            }
            self.assign(from, way, sent, only_after);
        }
    }

    /// Without updates there is no `-U` to be left out.
    fn effective(&self, id: NodeId, way: Updates) -> Updates {
        match self.has_updates(id) {
            true => way,
            false => Updates::Both,
        }
    }

    fn inputs(&self, id: NodeId) -> Vec<(NodeId, NodeId, usize)> {
        let edges = self.graph.node(id).map(|node| node.inputs.as_slice());
        edges
            .unwrap_or_default()
            .iter()
            .enumerate()
            .map(|(port, edge)| (id, edge.from, port))
            .collect()
    }

    /// The ways in which the input at `port` may send updates if the node is to send its own so,
    /// the better one first; none if that cannot be.
    fn ways(&self, id: NodeId, way: Updates, port: usize) -> Option<Vec<Updates>> {
        const EITHER: [Updates; 2] = [Updates::OnlyAfter, Updates::Both];
        let wants = self.roles.get(id.0)?.wants;
        let input = self.inputs(id).get(port).map(|(_, from, _)| *from)?;
        Some(match wants {
            Wants::Both | Wants::Nothing => vec![Updates::Both],
            Wants::Same => vec![way],
            Wants::Filtered if way == Updates::OnlyAfter => return None,
            Wants::Filtered => vec![way],
            Wants::OnlyAfter => EITHER.to_vec(),
            Wants::TemporalJoin if port == 1 => EITHER.to_vec(),
            Wants::TemporalJoin => vec![way],
            Wants::Join(does_without) => match way {
                Updates::Both => vec![Updates::Both],
                Updates::OnlyAfter => {
                    let can = self.joins == Joins::AsPlanned
                        && does_without.get(port).copied().unwrap_or(false);
                    if !can && self.has_updates(input) {
                        return None;
                    }
                    vec![Updates::OnlyAfter]
                }
            },
        })
    }
}
