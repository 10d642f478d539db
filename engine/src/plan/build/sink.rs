//! Where queries end: which changes a sink gets, and what stands in front of it.
//!
//! ```text
//!   query's upsert key = PRIMARY KEY      ─▶ +I +U -D ─▶ sink
//!   they differ, ON CONFLICT DO … says    ─▶ +I -U +U -D ──Hash(PK)──▶ SinkMaterializer ─▶ sink
//! ```
//!
//! Source: Flink 2.3, `FlinkChangelogModeInferenceProgram` (`inferSinkRequiredTraits`,
//! `analyzeUpsertMaterializeStrategy`), and its answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Built, GraphBuilder};
use crate::connectors::SinkFactory;
use crate::data::ChangelogMode;
use crate::error::Result;
use crate::operators::UpdateKinds;
use crate::operators::sink_materializer::{OnConflict, SinkMaterializerSpec};
use crate::plan::changes;
use crate::plan::changes::infer::{self, Inferred, Joins, Updates};
use crate::plan::changes::role::{Role, Wants};
use crate::plan::keys::{ColumnSet, Keys};
use crate::runtime::{Exchange, Graph, NodeId, NodeKind};
use crate::sql::diagnostics::validation;
use crate::sql::statement::ConflictStrategy;

/// A table that a query fills.
#[derive(Debug)]
pub struct SinkTable {
    /// Its name in messages.
    pub name: String,
    /// Its sink.
    pub sink: Arc<dyn SinkFactory>,
    /// Columns of its PRIMARY KEY; empty without one.
    pub primary_key: Vec<usize>,
    /// ON CONFLICT DO ….
    pub on_conflict: Option<ConflictStrategy>,
    /// `table.exec.sink.upsert-materialize`.
    pub materialize: Materialize,
    /// `table.exec.sink.require-on-conflict`.
    pub requires_on_conflict: bool,
}

/// `table.exec.sink.upsert-materialize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Materialize {
    /// Where the query's upsert key is not the table's PRIMARY KEY.
    #[default]
    Auto,
    /// Never.
    None,
    /// Wherever there is a PRIMARY KEY.
    Force,
}

impl GraphBuilder {
    /// Ends a query in a sink of our own, which takes all that comes.
    pub fn sink(&mut self, input: &Built, table: &str, sink: Arc<dyn SinkFactory>) {
        let name = sink_name(input, table, "");
        self.end(input, name, sink, vec![Updates::Both]);
    }

    /// Ends a query in a table.
    ///
    /// # Errors
    /// Flink's, if the table does not take what comes, and if its PRIMARY KEY is not the query's
    /// upsert key and nothing says what to do about that.
    pub fn insert(&mut self, input: &Built, table: SinkTable) -> Result<()> {
        let table = self.with_key_of_query(input, table);
        let modes = infer::kinds(&self.graph, &self.roles)?;
        let sent = modes.get(input.id.0).copied().unwrap_or(input.mode);
        let sent = ChangelogMode {
            update_before: sent.update_after,
            ..sent
        };
        table.sink.check(sent)?;
        let accepted = table.sink.changelog_mode(sent);
        changes::check_sink(&self.graph, &modes, input.id, &table.name, accepted)?;
        // A sink that takes what it is asked for keeps rows by its key, too.
        let upserted = table.sink.changelog_mode(ChangelogMode {
            update_before: false,
            ..sent
        });
        self.check_conflict_strategy(input, &table, upserted)?;
        let is_materialized = self.is_materialized(input, &table, sent, upserted)?;
        let ways = self.ways(input, &table, accepted);
        let mut attributes = String::new();
        if is_materialized {
            attributes.push_str(", upsertMaterialize=[true]");
        }
        if let Some(strategy) = table.on_conflict {
            attributes.push_str(&format!(", conflictStrategy=[{}]", strategy_name(strategy)));
        }
        let name = sink_name(input, &table.name, &attributes);
        let input = match is_materialized {
            true => self.materialized(input, &table),
            false => input.clone(),
        };
        self.end(&input, name, table.sink, ways);
        Ok(())
    }

    /// The table with the query's upsert key, where it has none and asks for that.
    fn with_key_of_query(&self, input: &Built, table: SinkTable) -> SinkTable {
        let keys = self.keys_of(input);
        let Some(key) = keys.smallest().filter(|_| table.primary_key.is_empty()) else {
            return table;
        };
        let primary_key: Vec<usize> = key.iter().copied().collect();
        match table.sink.keyed_by(&primary_key) {
            Some(sink) => SinkTable {
                sink,
                primary_key,
                ..table
            },
            None => table,
        }
    }

    fn end(&mut self, input: &Built, name: String, sink: Arc<dyn SinkFactory>, ways: Vec<Updates>) {
        let built = self.add(
            name,
            NodeKind::Sink(sink),
            vec![(input.clone(), Exchange::Forward)],
            Arc::clone(&input.schema),
            input.mode,
        );
        let role = Role::forward();
        let built = self.note(built, role, Keys::none());
        self.sinks.insert(built.id, ways);
    }

    /// How the updates of `input` may come, the better way first.
    fn ways(&self, input: &Built, table: &SinkTable, accepted: ChangelogMode) -> Vec<Updates> {
        let primary_key: ColumnSet = table.primary_key.iter().copied().collect();
        let is_known = primary_key.is_empty() || self.keys_of(input).has(&primary_key);
        match !accepted.update_before && is_known {
            true => vec![Updates::OnlyAfter, Updates::Both],
            false => vec![Updates::Both],
        }
    }

    fn check_conflict_strategy(
        &self,
        input: &Built,
        table: &SinkTable,
        accepted: ChangelogMode,
    ) -> Result<()> {
        let Some(strategy) = table.on_conflict else {
            return Ok(());
        };
        let reason = match accepted {
            mode if mode.is_insert_only() => "it only accepts INSERT (append-only) changes",
            mode if mode.update_before => "it requires UPDATE_BEFORE (retract mode)",
            _ => {
                return match strategy {
                    ConflictStrategy::Deduplicate => Ok(()),
                    ConflictStrategy::Nothing | ConflictStrategy::Error => {
                        self.check_watermarks(input, strategy)
                    }
                };
            }
        };
        Err(validation(format!(
            "ON CONFLICT clause is only allowed for upsert sinks. The sink '{}' is not an upsert \
             sink because {reason}.",
            table.name
        )))
    }

    /// What is kept first is kept as of a watermark.
    fn check_watermarks(&self, input: &Built, strategy: ConflictStrategy) -> Result<()> {
        let read = self.read_by(input.id);
        let without: BTreeSet<String> = self
            .sources
            .iter()
            .filter(|(_, (_, built))| {
                self.source_of(built.id)
                    .is_some_and(|it| read.contains(&it))
            })
            .filter(|(_, (_, built))| {
                let source = self.source_of(built.id).and_then(|id| self.graph.node(id));
                matches!(
                    source.map(|node| &node.kind),
                    Some(NodeKind::Source {
                        watermark: None,
                        ..
                    })
                )
            })
            .map(|(table, _)| table.to_vec().join("."))
            .collect();
        if without.is_empty() {
            return Ok(());
        }
        let without: Vec<String> = without.into_iter().collect();
        Err(validation(format!(
            "ON CONFLICT DO {} requires all source tables to define watermarks, but the following \
             source(s) do not: {}. Please add a WATERMARK declaration to these tables.",
            strategy_name(strategy),
            without.join(", ")
        )))
    }

    /// The nodes that a node reads, and itself.
    fn read_by(&self, id: NodeId) -> BTreeSet<NodeId> {
        let mut read = BTreeSet::new();
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if read.insert(id) {
                let node = self.graph.node(id);
                waiting.extend(node.into_iter().flat_map(|it| &it.inputs).map(|it| it.from));
            }
        }
        read
    }

    /// The source at or right behind a node.
    fn source_of(&self, id: NodeId) -> Option<NodeId> {
        let node = self.graph.node(id)?;
        match (&node.kind, node.inputs.first()) {
            (NodeKind::Source { .. }, _) => Some(id),
            (_, Some(edge)) => self.source_of(edge.from),
            _ => None,
        }
    }

    fn is_materialized(
        &self,
        input: &Built,
        table: &SinkTable,
        sent: ChangelogMode,
        accepted: ChangelogMode,
    ) -> Result<bool> {
        let has_key = !table.primary_key.is_empty();
        match table.materialize {
            Materialize::Force => return Ok(has_key && !accepted.update_before),
            Materialize::None => return Ok(false),
            Materialize::Auto => {}
        }
        if !has_key || accepted.is_insert_only() || accepted.update_before {
            return Ok(false);
        }
        // Of rows that only come the last one of a key overwrites the others by itself.
        if sent.is_insert_only() && table.on_conflict == Some(ConflictStrategy::Deduplicate) {
            return Ok(false);
        }
        let primary_key: ColumnSet = table.primary_key.iter().copied().collect();
        let keys = self.keys_of(input);
        let differs = !keys.are_within(&primary_key);
        if differs && table.requires_on_conflict && table.on_conflict.is_none() {
            let names = |columns: &ColumnSet| {
                let fields = input.schema.fields();
                let names: Vec<&str> = columns
                    .iter()
                    .filter_map(|&column| fields.get(column))
                    .map(|field| field.name().as_str())
                    .collect();
                format!("[{}]", names.join(", "))
            };
            return Err(validation(format!(
                "The query has an upsert key that differs from the primary key of the sink table \
                 '{}'. Primary key: {}, upsert key: {}. This can lead to non-deterministic results \
                 when multiple records with different upsert keys map to the same primary key. \
                 Please specify an ON CONFLICT clause to define how conflicts should be handled: \
                 ON CONFLICT DO DEDUPLICATE (update to the latest record, state intensive, since \
                 we need to keep the entire history), or ON CONFLICT DO ERROR (fail on conflict), \
                 or ON CONFLICT DO NOTHING (keep first record).",
                table.name,
                names(&primary_key),
                keys.smallest().map(names).unwrap_or_default()
            )));
        }
        Ok(differs)
    }

    fn materialized(&mut self, input: &Built, table: &SinkTable) -> Built {
        let upsert_key = self.keys_of(input).smallest().cloned();
        let schema = Arc::clone(&input.schema);
        let spec = SinkMaterializerSpec {
            primary_key: table.primary_key.clone(),
            upsert_key: upsert_key
                .map(|key| key.into_iter().collect::<Vec<_>>())
                .unwrap_or_default(),
            on_conflict: match table.on_conflict {
                Some(ConflictStrategy::Nothing) => OnConflict::Nothing,
                Some(ConflictStrategy::Error) => OnConflict::Error,
                Some(ConflictStrategy::Deduplicate) | None => OnConflict::Deduplicate,
            },
            schema: Arc::clone(&schema),
        };
        let built = self.add(
            "SinkMaterializer".to_owned(),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input.clone(), Exchange::Hash(table.primary_key.clone()))],
            schema,
            ChangelogMode::UPSERT,
        );
        // How updates come to it is what the sink says; what leaves it is +I, +U, -D.
        let role = Role::forward();
        self.note(built, role, Keys::none())
    }

    /// The graph built so far, ready to run, and what EXPLAIN says of its changes.
    ///
    /// # Errors
    /// An internal error if no plan is found.
    pub fn finish(mut self) -> Result<(Graph, Inferred)> {
        let mut roots = self.sinks.clone();
        let mut is_read = vec![false; self.graph.nodes.len()];
        for edge in self.graph.nodes.iter().flat_map(|node| &node.inputs) {
            if let Some(is_read) = is_read.get_mut(edge.from.0) {
                *is_read = true;
            }
        }
        for (node_idx, is_read) in is_read.into_iter().enumerate() {
            if !is_read {
                let either = vec![Updates::OnlyAfter, Updates::Both];
                roots.entry(NodeId(node_idx)).or_insert(either);
            }
        }
        let planned = infer::infer(&self.graph, &self.roles, &roots, Joins::AsPlanned)?;
        let run = infer::infer(&self.graph, &self.roles, &roots, Joins::NeedBoth)?;
        let kinds = infer::kinds(&self.graph, &self.roles)?;
        self.leave_out_update_before(&kinds, &run);
        for (node, mode) in self.graph.nodes.iter_mut().zip(&planned.modes) {
            node.changelog_mode = *mode;
        }
        Ok((self.graph, planned))
    }

    /// Makes operators whose readers do without `-U` send none: by themselves, or on the way.
    fn leave_out_update_before(&mut self, kinds: &[ChangelogMode], run: &Inferred) {
        let mut is_dropped = vec![false; self.graph.nodes.len()];
        let nodes = self.graph.nodes.iter_mut().zip(&self.roles).zip(kinds);
        for (node_idx, ((node, role), kinds)) in nodes.enumerate() {
            let (Some(mode), Some(only_after)) =
                (run.modes.get(node_idx), run.only_after.get(node_idx))
            else {
                continue;
            };
            for (edge, only_after) in node.inputs.iter_mut().zip(only_after) {
                let is_dropped = is_dropped.get(edge.from.0).copied().unwrap_or(false);
                edge.drops_update_before = *only_after && is_dropped;
            }
            let sends_before = mode.update_before || !kinds.update_after;
            match &mut node.kind {
                _ if role.wants == Wants::Nothing => {
                    if let Some(is_dropped) = is_dropped.get_mut(node_idx) {
                        *is_dropped = kinds.update_before;
                    }
                }
                NodeKind::Operator(factory) if !sends_before && !role.passes_on => {
                    let updates = UpdateKinds {
                        sends_before,
                        only_after,
                    };
                    let other = factory.with_updates(&updates);
                    if let Some(is_dropped) = is_dropped.get_mut(node_idx) {
                        *is_dropped = other.is_none();
                    }
                    if let Some(other) = other {
                        *factory = other;
                    }
                }
                _ => {}
            }
        }
    }
}

const fn strategy_name(strategy: ConflictStrategy) -> &'static str {
    match strategy {
        ConflictStrategy::Deduplicate => "DEDUPLICATE",
        ConflictStrategy::Nothing => "NOTHING",
        ConflictStrategy::Error => "ERROR",
    }
}

/// The node as EXPLAIN shows it; `attributes` come last.
fn sink_name(input: &Built, table: &str, attributes: &str) -> String {
    let fields: Vec<_> = input
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    format!(
        "Sink(table=[{table}], fields=[{}]{attributes})",
        fields.join(", ")
    )
}
