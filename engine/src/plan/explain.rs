//! EXPLAIN: the plan as text, in Flink's sections and with Flink's names of nodes.
//!
//! Source: `FlinkRelTreeWriterImpl` and `ExplainDetail` of Flink 2.3, for the shape of the text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use datafusion::logical_expr::LogicalPlan;

use crate::data::ChangelogMode;
use crate::plan::changes::infer::Inferred;
use crate::plan::syntax_tree::syntax_tree;
use crate::runtime::{Edge, Exchange, Graph, Node, NodeId, NodeKind};

/// What EXPLAIN shows beside the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details {
    /// CHANGELOG_MODE: the kinds of changes at every node.
    pub changelog_mode: bool,
    /// ESTIMATED_COST: nothing is estimated, and every node says so.
    pub cost: bool,
    /// PLAN_ADVICE.
    pub advice: bool,
    /// JSON_EXECUTION_PLAN.
    pub json: bool,
}

/// A graph, and what it says of its changes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The graph.
    pub graph: Graph,
    /// The kinds of changes that leave its nodes.
    pub changes: Inferred,
}

/// A bound query, and the table that it fills.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// The query.
    pub plan: &'a LogicalPlan,
    /// The table's name; none for a query that is read.
    pub table: Option<&'a str>,
}

impl<'a> Root<'a> {
    /// A query that is read.
    #[must_use]
    pub const fn query(plan: &'a LogicalPlan) -> Self {
        Self { plan, table: None }
    }
}

/// What is between the name of a table and the hints of its scan.
const HINTS: &str = " /*+ ";

/// The name of a table whose scan has options of its own.
#[must_use]
pub fn with_hints(table: &str, hints: &BTreeMap<String, String>) -> String {
    let options: Vec<String> = hints
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!("{table}{HINTS}{}", options.join(", "))
}

/// The path of a scan without the options that [`with_hints`] has put there, and these, as Flink
/// shows them.
#[must_use]
pub(super) fn split_hints(path: &str) -> (&str, Option<&str>) {
    match path.split_once(HINTS) {
        Some((path, options)) => (path, Some(options)),
        None => (path, None),
    }
}

/// The sections of EXPLAIN for bound queries and what was built of them: once with calls before
/// their operands, for the physical plan, and once with operators between them.
#[must_use]
pub fn text(roots: &[Root<'_>], plans: &[Plan; 2], details: Details) -> String {
    let mut out = syntax_tree(roots);
    let [physical, execution] = plans;
    let heading = if details.advice {
        "\n== Optimized Physical Plan With Advice ==\n"
    } else {
        "\n== Optimized Physical Plan ==\n"
    };
    out.push_str(heading);
    let writer = Writer {
        graph: &physical.graph,
        changes: &physical.changes,
        details,
        shared: BTreeMap::new(),
    };
    writer.roots(&mut out);
    if details.advice {
        out.push_str("\nNo available advice...\n");
    }
    out.push_str("\n== Optimized Execution Plan ==\n");
    let writer = Writer {
        graph: &execution.graph,
        changes: &execution.changes,
        details: Details::default(),
        shared: shared_nodes(&execution.graph),
    };
    writer.roots(&mut out);
    if details.json {
        out.push_str("\n== Physical Execution Plan ==\n");
        out.push_str(&json(&execution.graph));
        out.push('\n');
    }
    out
}

/// The sections of EXPLAIN in batch mode, where `physical` is DataFusion's plan.
#[must_use]
pub fn batch_text(roots: &[Root<'_>], physical: &str) -> String {
    let mut out = syntax_tree(roots);
    let _ = write!(
        out,
        "\n== Optimized Physical Plan ==\n{physical}\n== Optimized Execution Plan ==\n{physical}"
    );
    out
}

/// Numbers of the nodes that have several readers.
fn shared_nodes(graph: &Graph) -> BTreeMap<NodeId, usize> {
    let mut readers: BTreeMap<NodeId, usize> = BTreeMap::new();
    for node in &graph.nodes {
        for edge in &node.inputs {
            *readers.entry(edge.from).or_default() += 1;
        }
    }
    readers
        .into_iter()
        .filter(|(_, n_readers)| *n_readers > 1)
        .enumerate()
        .map(|(idx, (id, _))| (id, idx + 1))
        .collect()
}

fn is_table_with_update_before(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Source { .. }) && node.changelog_mode.update_before
}

/// A node that EXPLAIN shows as an attribute of its sink.
const MATERIALIZER: &str = "SinkMaterializer";

struct Writer<'a> {
    graph: &'a Graph,
    changes: &'a Inferred,
    details: Details,
    /// Nodes that are printed once and referred to afterwards.
    shared: BTreeMap<NodeId, usize>,
}

impl Writer<'_> {
    fn roots(&self, out: &mut String) {
        let mut is_read = vec![false; self.graph.nodes.len()];
        for edge in self.graph.nodes.iter().flat_map(|node| &node.inputs) {
            if let Some(slot) = is_read.get_mut(edge.from.0) {
                *slot = true;
            }
        }
        let mut printed = Vec::new();
        for (node_idx, is_read) in is_read.into_iter().enumerate() {
            if !is_read {
                self.root(NodeId(node_idx), &mut printed, out);
            }
        }
    }

    /// Who reads a query's result knows its rows by their keys, if nobody else is named.
    fn root(&self, id: NodeId, printed: &mut Vec<NodeId>, out: &mut String) {
        let node = self.graph.node(id);
        let mode = node.filter(|node| is_table_with_update_before(node));
        let Some(mode) = mode.map(|node| node.changelog_mode) else {
            return self.node(id, "", "", printed, out);
        };
        self.drop_update_before("", mode, out);
        self.node(id, "+- ", "   ", printed, out);
    }

    fn drop_update_before(&self, lead: &str, mode: ChangelogMode, out: &mut String) {
        let mode = ChangelogMode {
            update_before: false,
            ..mode
        };
        let _ = match self.details.changelog_mode {
            true => writeln!(out, "{lead}DropUpdateBefore(changelogMode={mode})"),
            false => writeln!(out, "{lead}DropUpdateBefore"),
        };
    }

    /// Prints a node behind `lead` and its inputs below it, indented by `indent`.
    fn node(
        &self,
        id: NodeId,
        lead: &str,
        indent: &str,
        printed: &mut Vec<NodeId>,
        out: &mut String,
    ) {
        let Some(node) = self.graph.node(id) else {
            return;
        };
        let number = self.shared.get(&id);
        if let Some(number) = number
            && printed.contains(&id)
        {
            let _ = writeln!(out, "{lead}Reused(reference_id=[{number}])");
            return;
        }
        printed.push(id);
        let _ = write!(out, "{lead}{}", node.name);
        if let Some(number) = number {
            let _ = write!(out, "(reuse_id=[{number}])");
        }
        if self.details.changelog_mode {
            let mode = match node.kind {
                NodeKind::Sink(_) => "[NONE]".to_owned(),
                _ => node.changelog_mode.to_string(),
            };
            append_attribute(out, "changelogMode", &mode);
        }
        if self.details.cost {
            // Plans are not chosen by cost here.
            out.push_str(": rowcount = unknown, cumulative cost = unknown");
        }
        out.push('\n');
        for port in 0..node.inputs.len() {
            let is_last = port + 1 == node.inputs.len();
            let lead = match is_last {
                true => format!("{indent}+- "),
                false => format!("{indent}:- "),
            };
            let below = format!("{indent}{}", if is_last { "   " } else { ":  " });
            self.edge(id, port, &lead, &below, printed, out);
        }
    }

    /// An edge that moves rows is an Exchange node of its own, and one that leaves `-U` of a table
    /// behind a DropUpdateBefore.
    fn edge(
        &self,
        reader: NodeId,
        port: usize,
        lead: &str,
        below: &str,
        printed: &mut Vec<NodeId>,
        out: &mut String,
    ) {
        let Some(edge) = self
            .graph
            .node(reader)
            .and_then(|node| node.inputs.get(port))
        else {
            return;
        };
        let Some(from) = self.graph.node(edge.from) else {
            return;
        };
        if from.name == MATERIALIZER
            && let Some(input) = from.inputs.first()
        {
            return self.node(input.from, lead, below, printed, out);
        }
        let only_after = self.changes.only_after.get(reader.0);
        let only_after = only_after.and_then(|ports| ports.get(port).copied());
        let drops = only_after == Some(true) && is_table_with_update_before(from);
        let mode = ChangelogMode {
            update_before: from.changelog_mode.update_before && !drops,
            ..from.changelog_mode
        };
        let (mut lead, mut below) = (lead.to_owned(), below.to_owned());
        if let Some(distribution) = self.distribution(edge) {
            let _ = write!(out, "{lead}Exchange(distribution=[{distribution}])");
            if self.details.changelog_mode {
                append_attribute(out, "changelogMode", &mode.to_string());
            }
            out.push('\n');
            lead = format!("{below}+- ");
            below.push_str("   ");
        }
        if drops {
            self.drop_update_before(&lead, mode, out);
            lead = format!("{below}+- ");
            below.push_str("   ");
        }
        self.node(edge.from, &lead, &below, printed, out);
    }

    fn distribution(&self, edge: &Edge) -> Option<String> {
        match &edge.exchange {
            Exchange::Forward => None,
            Exchange::Single => Some("single".to_owned()),
            Exchange::Hash(columns) => {
                let node = self.graph.node(edge.from)?;
                let names: Vec<_> = columns
                    .iter()
                    .filter_map(|column| node.schema.fields().get(*column))
                    .map(|field| field.name().as_str())
                    .collect();
                Some(format!("hash[{}]", names.join(", ")))
            }
        }
    }
}

/// Puts `, name=[value]` before the closing parenthesis of the line that was just written.
fn append_attribute(out: &mut String, name: &str, value: &str) {
    let has_parenthesis = out.ends_with(')');
    if has_parenthesis {
        out.pop();
    }
    let value = value.trim_start_matches('[').trim_end_matches(']');
    let _ = write!(out, ", {name}=[{value}])");
}

/// The execution plan as Flink's JSON: nodes with their predecessors.
fn json(graph: &Graph) -> String {
    let nodes: Vec<_> = graph
        .nodes
        .iter()
        .enumerate()
        .map(|(node_idx, node)| {
            let id = node_idx + 1;
            let kind = node.name.split('(').next().unwrap_or(&node.name);
            let (node_type, pact) = match node.kind {
                NodeKind::Source { .. } => (format!("Source: {kind}[{id}]"), "Data Source"),
                NodeKind::Sink(_) => (format!("{kind}[{id}]: Writer"), "Data Sink"),
                _ => (format!("{kind}[{id}]"), "Operator"),
            };
            let predecessors: Vec<_> = node
                .inputs
                .iter()
                .map(|edge| {
                    let strategy = match edge.exchange {
                        Exchange::Forward => "FORWARD",
                        Exchange::Hash(_) => "HASH",
                        Exchange::Single => "GLOBAL",
                    };
                    let id = edge.from.0 + 1;
                    serde_json::json!({"id": id, "ship_strategy": strategy, "side": "second"})
                })
                .collect();
            serde_json::json!({
                "id": id,
                "type": node_type,
                "pact": pact,
                "contents": format!("[{id}]:{}", node.name),
                "predecessors": predecessors,
            })
        })
        .collect();
    format!("{:#}", serde_json::json!({ "nodes": nodes }))
}
