//! The state of MATCH_RECOGNIZE as tables: rows that wait, rows of partial matches, matches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Int64Type, Schema};

use super::nfa::{NO_NODE, Partial, Step};
use super::operator::MatchRecognize;
use crate::data::NO_WATERMARK;
use crate::error::{EngineError, Result};
use crate::operators::deduplicate::with_column;
use crate::operators::group_changes::columns_at;
use crate::state::StateTable;

fn column(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl MatchRecognize {
    pub(super) fn saved(&self) -> Result<Vec<StateTable>> {
        let key_columns = self.spec.partition_columns.clone();
        let waiting = self.waiting.values().flatten().map(|row| row.slot);
        Ok(vec![
            StateTable {
                name: "waiting",
                batch: self.rows.gather_slots(waiting)?,
                key_columns: key_columns.clone(),
            },
            StateTable {
                name: "nodes",
                batch: self.saved_nodes()?,
                key_columns,
            },
            StateTable {
                name: "matches",
                batch: self.saved_matches()?,
                key_columns: (0..self.spec.partition_columns.len()).collect(),
            },
        ])
    }

    /// The nodes that matches have, those before others first.
    fn saved_nodes(&self) -> Result<RecordBatch> {
        let mut ids: Vec<(u64, u32)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for matches in &self.partitions {
            for partial in matches.partial.iter().chain(&matches.complete) {
                let mut id = partial.node;
                while let Some(node) = self.paths.node(id)
                    && seen.insert(id)
                {
                    ids.push((node.number, id));
                    id = node.previous;
                }
            }
        }
        ids.sort_unstable();
        let nodes: Vec<_> = ids
            .iter()
            .filter_map(|(_, id)| Some((*id, self.paths.node(*id)?)))
            .collect();
        let rows = self
            .rows
            .gather_slots(nodes.iter().map(|(_, node)| node.slot))?;
        let rows = with_column(
            &rows,
            "node",
            column(nodes.iter().map(|(id, _)| i64::from(*id))),
        )?;
        let previous = nodes.iter().map(|(_, node)| i64::from(node.previous));
        let rows = with_column(&rows, "previous", column(previous))?;
        let variables = nodes.iter().map(|(_, node)| i64::from(node.variable));
        let rows = with_column(&rows, "variable", column(variables))?;
        let numbers = nodes.iter().map(|(_, node)| signed(node.number));
        with_column(&rows, "number", column(numbers))
    }

    fn saved_matches(&self) -> Result<RecordBatch> {
        let mut ids = Vec::new();
        let mut all: Vec<(Partial, bool)> = Vec::new();
        for (id, matches) in (0_u32..).zip(&self.partitions) {
            for (list, is_complete) in [(&matches.partial, false), (&matches.complete, true)] {
                for partial in list {
                    ids.push(id);
                    all.push((*partial, is_complete));
                }
            }
        }
        let mut columns = self.index.keys(&ids)?;
        let as_i64 = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        columns.push(column(all.iter().map(|it| as_i64(it.0.element))));
        columns.push(column(all.iter().map(|it| as_i64(it.0.count))));
        columns.push(column(all.iter().map(|it| i64::from(it.0.node))));
        columns.push(column(all.iter().map(|it| signed(it.0.start))));
        columns.push(column(all.iter().map(|it| it.0.start_ms)));
        columns.push(column(all.iter().map(|it| i64::from(it.1))));
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(idx, column)| Field::new(format!("c{idx}"), column.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    pub(super) fn take_up(&mut self, tables: &[StateTable]) -> Result<()> {
        // Tables of several workers may use the same ids of nodes: each set stands for itself.
        let mut known: Vec<HashMap<i64, u32>> = Vec::new();
        for table in tables.iter().filter(|table| table.name == "nodes") {
            known.push(self.take_up_nodes(&table.batch)?);
        }
        let matches = tables.iter().filter(|table| table.name == "matches");
        for (table, nodes) in matches.zip(&known) {
            self.take_up_matches(&table.batch, nodes)?;
        }
        for nodes in &known {
            // Matches keep their nodes now.
            for &node in nodes.values() {
                self.paths.release(node, |_| {});
            }
        }
        for table in tables.iter().filter(|table| table.name == "waiting") {
            let schema = Arc::clone(&self.spec.input_schema);
            let rows = RecordBatch::try_new(schema, table.batch.columns().to_vec())?;
            self.take_in(&rows, |_| NO_WATERMARK)?;
        }
        self.rows.settle()
    }

    fn take_up_nodes(&mut self, batch: &RecordBatch) -> Result<HashMap<i64, u32>> {
        let wrong = || EngineError::internal("saved matches lack columns");
        let n_columns = self.spec.input_schema.fields().len();
        let (columns, rest) = batch
            .columns()
            .split_at_checked(n_columns)
            .ok_or_else(wrong)?;
        let schema = Arc::clone(&self.spec.input_schema);
        let rows = RecordBatch::try_new(schema, columns.to_vec())?;
        let numbers = |idx: usize| {
            let column = rest
                .get(idx)
                .and_then(|it| it.as_primitive_opt::<Int64Type>());
            column.cloned().ok_or_else(wrong)
        };
        let (ids, previous) = (numbers(0)?, numbers(1)?);
        let (variables, order) = (numbers(2)?, numbers(3)?);
        let block = self.rows.admit(rows);
        let mut known = HashMap::new();
        let mut slots: HashMap<i64, u32> = HashMap::new();
        for row_idx in 0..ids.len() {
            let number = order.value(row_idx);
            // Nodes of one row share it.
            let slot = *slots
                .entry(number)
                .or_insert_with(|| self.rows.keep(block, row_idx as u32));
            self.use_row(slot);
            let step = Step {
                variable: usize::try_from(variables.value(row_idx)).unwrap_or_default(),
                slot,
                number: u64::try_from(number).unwrap_or_default(),
            };
            self.next_number = self.next_number.max(step.number + 1);
            let before = known.get(&previous.value(row_idx)).copied();
            let node = self.paths.add(before.unwrap_or(NO_NODE), step);
            known.insert(ids.value(row_idx), node);
        }
        Ok(known)
    }

    fn take_up_matches(&mut self, batch: &RecordBatch, nodes: &HashMap<i64, u32>) -> Result<()> {
        let wrong = || EngineError::internal("saved matches lack columns");
        let n_keys = self.spec.partition_columns.len();
        let key = columns_at(batch, &(0..n_keys).collect::<Vec<_>>())?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        if self.partitions.len() < self.index.end() {
            self.partitions
                .resize_with(self.index.end(), Default::default);
        }
        let numbers = |idx: usize| {
            let column = batch.columns().get(n_keys + idx);
            let column = column.and_then(|it| it.as_primitive_opt::<Int64Type>());
            column.cloned().ok_or_else(wrong)
        };
        let (elements, counts, paths) = (numbers(0)?, numbers(1)?, numbers(2)?);
        let (starts, times, complete) = (numbers(3)?, numbers(4)?, numbers(5)?);
        for (row_idx, &id) in ids.iter().enumerate() {
            let node = nodes
                .get(&paths.value(row_idx))
                .copied()
                .ok_or_else(wrong)?;
            self.paths.keep(node);
            let partial = Partial {
                element: usize::try_from(elements.value(row_idx)).unwrap_or_default(),
                count: usize::try_from(counts.value(row_idx)).unwrap_or_default(),
                node,
                start: u64::try_from(starts.value(row_idx)).unwrap_or_default(),
                start_ms: times.value(row_idx),
            };
            if let Some(matches) = self.partitions.get_mut(id as usize) {
                if complete.value(row_idx) == 0 {
                    matches.partial.push(partial);
                } else {
                    matches.complete.push(partial);
                }
            }
        }
        Ok(())
    }
}
