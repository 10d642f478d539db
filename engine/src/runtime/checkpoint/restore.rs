//! From the files of a checkpoint to the nodes of a graph, which may have changed since.
//!
//! A node takes the state that has its id. State that nobody takes is an error unless the
//! configuration allows to leave it behind; a node without state starts empty.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use parking_lot::Mutex;

use super::manifest::{FileEntry, Manifest, ReaderEntry, TableEntry};
use super::options::CheckpointOptions;
use super::read;
use super::snapshot::{GraphNames, ReaderState};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::runtime::exchange::scatter;
use crate::runtime::graph::Graph;
use crate::state::StateTable;
use crate::state::snapshot::rows_to_changes;

/// A checkpoint that a job starts from.
#[derive(Debug)]
pub(in crate::runtime) struct Restored {
    folder: PathBuf,
    manifest: Manifest,
    names: GraphNames,
    /// Names of nodes whose state was left behind.
    left_behind: Vec<String>,
    /// Names of nodes that the checkpoint does not know.
    new: Vec<String>,
}

impl Restored {
    /// The checkpoint that the options name, if they name one, fitted to `graph`.
    ///
    /// # Errors
    /// If there is none or it is damaged, or it has state that no node wants.
    pub(in crate::runtime) fn load(
        options: &CheckpointOptions,
        graph: &Graph,
    ) -> Result<Option<Self>> {
        let Some(path) = &options.restore_from else {
            return Ok(None);
        };
        let (folder, manifest) = read::open(path)?;
        let names = GraphNames::new(graph);
        let has = |id: &str| names.nodes.iter().any(|(known, _)| known == id);
        let of_nodes = manifest.nodes.iter().filter(|node| {
            let n_rows: u64 = node.tables.iter().map(|table| table.file.n_rows).sum();
            n_rows > 0 && !has(&node.id)
        });
        let of_sources = manifest.sources.iter().filter(|source| !has(&source.id));
        let left_behind: Vec<String> = of_nodes
            .map(|node| node.name.clone())
            .chain(of_sources.map(|source| source.name.clone()))
            .collect();
        if !left_behind.is_empty() && !options.ignore_unclaimed_state {
            return Err(EngineError::Options {
                message: format!(
                    "the checkpoint '{}' has state that this job does not have a place for: {}; \
                     set 'execution.state-recovery.ignore-unclaimed-state' = 'true' to leave it \
                     behind",
                    folder.display(),
                    left_behind.join("; ")
                ),
            });
        }
        let new = names
            .nodes
            .iter()
            .filter(|(id, _)| !manifest.graph.iter().any(|known| known.id == *id))
            .map(|(_, name)| name.clone())
            .collect();
        Ok(Some(Self {
            folder,
            manifest,
            names,
            left_behind,
            new,
        }))
    }

    /// Number of the checkpoint in the job that made it.
    pub(in crate::runtime) fn checkpoint(&self) -> u64 {
        self.manifest.checkpoint
    }

    /// The step after which it was taken.
    pub(in crate::runtime) fn step(&self) -> u64 {
        self.manifest.step
    }

    /// One sentence for people: where the state came from, and what did not fit.
    pub(in crate::runtime) fn summary(&self) -> String {
        let mut text = format!("restored from '{}'", self.folder.display());
        for (what, names) in [
            ("left behind the state of", &self.left_behind),
            ("started empty:", &self.new),
        ] {
            if !names.is_empty() {
                text.push_str(&format!("; {what} {}", names.join("; ")));
            }
        }
        text
    }

    /// The tables of a node, dealt out: one list a worker. Nothing if it had none.
    ///
    /// # Errors
    /// If a file is damaged.
    pub(in crate::runtime) fn tables(
        &self,
        node_idx: usize,
        n_workers: usize,
    ) -> Result<Vec<Vec<StateTable>>> {
        let Some(node) = self
            .id(node_idx)
            .and_then(|id| self.manifest.nodes.iter().find(|node| node.id == id))
        else {
            return Ok(Vec::new());
        };
        let mut workers: Vec<Vec<StateTable>> = (0..n_workers).map(|_| Vec::new()).collect();
        for table in &node.tables {
            self.deal(table, &mut workers)?;
        }
        Ok(workers)
    }

    /// How the readers of a source stood; none if the checkpoint does not know it.
    ///
    /// # Errors
    /// If a file is damaged.
    pub(in crate::runtime) fn readers(&self, node_idx: usize) -> Result<Option<Vec<ReaderState>>> {
        let Some(source) = self
            .id(node_idx)
            .and_then(|id| self.manifest.sources.iter().find(|source| source.id == id))
        else {
            return Ok(None);
        };
        let reader = |reader: &ReaderEntry| {
            Ok(ReaderState {
                node_idx,
                position: reader.position.clone(),
                rest: match &reader.rest {
                    Some(file) => self.rest(file)?,
                    None => None,
                },
                time: reader.time,
            })
        };
        source
            .readers
            .iter()
            .map(reader)
            .collect::<Result<_>>()
            .map(Some)
    }

    fn rest(&self, file: &FileEntry) -> Result<Option<Delta>> {
        let batches = read::rows(&self.folder, file)?;
        batches.first().map(rows_to_changes).transpose()
    }

    fn id(&self, node_idx: usize) -> Option<&str> {
        self.names.nodes.get(node_idx).map(|(id, _)| id.as_str())
    }

    fn deal(&self, table: &TableEntry, workers: &mut [Vec<StateTable>]) -> Result<()> {
        let name = interned(&table.name);
        let n_workers = workers.len();
        for batch in read::rows(&self.folder, &table.file)? {
            let parts = if table.key_columns.is_empty() {
                vec![batch]
            } else {
                scatter(Delta::insert_only(batch), &table.key_columns, n_workers)?
                    .into_iter()
                    .map(|part| part.batch().clone())
                    .collect()
            };
            for (worker, part) in workers.iter_mut().zip(parts) {
                if part.num_rows() == 0 {
                    continue;
                }
                worker.push(StateTable {
                    name,
                    batch: part,
                    key_columns: table.key_columns.clone(),
                });
            }
        }
        workers
            .iter_mut()
            .try_for_each(|worker| merge(worker, name))
    }
}

/// Makes one table of all that have this name: an operator gets each of its tables once.
fn merge(tables: &mut Vec<StateTable>, name: &str) -> Result<()> {
    let same: Vec<StateTable> = tables.extract_if(.., |table| table.name == name).collect();
    let Some(first) = same.first() else {
        return Ok(());
    };
    let schema = first.batch.schema();
    let batch = arrow::compute::concat_batches(&schema, same.iter().map(|table| &table.batch))?;
    tables.push(StateTable {
        name: first.name,
        batch,
        key_columns: first.key_columns.clone(),
    });
    Ok(())
}

/// The name of a table as operators write it in their code. The memory is never freed, and there
/// are as many names as kinds of tables.
fn interned(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashMap<String, &'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name.to_owned(), leaked);
    leaked
}
