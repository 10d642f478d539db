//! The state of MATCH_RECOGNIZE as tables: rows that wait, rows that matches remember, paths, and
//! matches.
//!
//! Rows, paths and matches point to each other by numbers. Workers count for themselves: a number
//! stands for something together with the partition, which one worker has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema};

use super::layout::NO_SLOT;
use super::nfa::{NO_NODE, Partial, Step};
use super::operator::MatchRecognize;
use super::totals::Total;
use crate::data::NO_WATERMARK;
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::state::StateTable;

/// Columns of a match in front of what it remembers: element, count, node, start, its time, end,
/// whether it is complete.
const N_MATCH_COLUMNS: usize = 7;

/// What the numbers of restored tables have become, by partition and number.
#[derive(Default)]
struct Known {
    slots: HashMap<(u32, i64), u32>,
    nodes: HashMap<(u32, i64), u32>,
}

impl MatchRecognize {
    pub(super) fn saved(&self) -> Result<Vec<StateTable>> {
        let key_columns = self.spec.partition_columns.clone();
        let all_columns: Vec<usize> = (0..key_columns.len()).collect();
        let waiting = self.waiting.values().flatten().map(|row| row.slot);
        let nodes = self.nodes();
        Ok(vec![
            StateTable {
                name: "waiting",
                batch: self.memory.rows.gather_slots(waiting)?,
                key_columns: key_columns.clone(),
            },
            StateTable {
                name: "rows",
                batch: self.saved_rows(&nodes)?,
                key_columns,
            },
            StateTable {
                name: "nodes",
                batch: self.saved_nodes(&nodes)?,
                key_columns: all_columns.clone(),
            },
            StateTable {
                name: "matches",
                batch: self.saved_matches()?,
                key_columns: all_columns,
            },
        ])
    }

    fn matches(&self) -> impl Iterator<Item = (u32, &Partial, bool)> {
        (0_u32..).zip(&self.partitions).flat_map(|(id, matches)| {
            let partial = matches.partial.iter().map(move |it| (id, it, false));
            partial.chain(matches.complete.iter().map(move |it| (id, it, true)))
        })
    }

    /// The nodes of the paths that matches have, those before others first.
    fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<(u64, u32)> = Vec::new();
        let mut seen = HashSet::new();
        for (_, partial, _) in self.matches() {
            let mut id = self.memory.node(partial.memo);
            while let Some(node) = self.memory.paths.node(id)
                && seen.insert(id)
            {
                nodes.push((self.memory.number(node.slot), id));
                id = node.previous;
            }
        }
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    fn saved_rows(&self, nodes: &[u32]) -> Result<RecordBatch> {
        let of_matches = self
            .matches()
            .flat_map(|(_, partial, _)| self.memory.slots(partial.memo).iter().copied());
        let of_nodes = nodes
            .iter()
            .filter_map(|node| Some(self.memory.paths.node(*node)?.slot));
        let mut slots: Vec<u32> = of_matches
            .chain(of_nodes)
            .filter(|slot| *slot != NO_SLOT)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        let rows = self.memory.rows.gather_slots(slots.iter().copied())?;
        let mut columns = rows.columns().to_vec();
        columns.push(numbers(slots.iter().map(|slot| i64::from(*slot))));
        columns.push(numbers(
            slots.iter().map(|slot| signed(self.memory.number(*slot))),
        ));
        table(columns, slots.len())
    }

    fn saved_nodes(&self, ids: &[u32]) -> Result<RecordBatch> {
        let nodes: Vec<_> = ids
            .iter()
            .filter_map(|id| self.memory.paths.node(*id))
            .collect();
        let slots = nodes.iter().map(|node| node.slot);
        let rows = self.memory.rows.gather_slots(slots)?;
        let mut columns = columns_at(&rows, &self.spec.partition_columns)?;
        columns.push(numbers(ids.iter().map(|id| i64::from(*id))));
        columns.push(numbers(nodes.iter().map(|node| i64::from(node.previous))));
        columns.push(numbers(nodes.iter().map(|node| i64::from(node.variable))));
        columns.push(numbers(nodes.iter().map(|node| i64::from(node.slot))));
        table(columns, nodes.len())
    }

    fn saved_matches(&self) -> Result<RecordBatch> {
        let all: Vec<_> = self.matches().collect();
        let ids: Vec<u32> = all.iter().map(|(id, _, _)| *id).collect();
        let mut columns = self.index.keys(&ids)?;
        let mut add = |value: &dyn Fn(&Partial) -> i64| {
            columns.push(numbers(all.iter().map(|(_, partial, _)| value(partial))));
        };
        add(&|partial| counted(partial.element));
        add(&|partial| counted(partial.count));
        add(&|partial| i64::from(self.memory.node(partial.memo)));
        add(&|partial| signed(partial.start));
        add(&|partial| partial.start_ms);
        add(&|partial| signed(partial.end));
        columns.push(numbers(
            all.iter()
                .map(|(_, _, is_complete)| i64::from(*is_complete)),
        ));
        for idx in 0..self.memory.layout.n_slots {
            columns.push(numbers(all.iter().map(|(_, partial, _)| {
                let slot = self.memory.slots(partial.memo).get(idx).copied();
                i64::from(slot.unwrap_or(NO_SLOT))
            })));
        }
        for idx in 0..self.memory.layout.totals.len() {
            let total = |partial: &Partial| {
                let total = self.memory.totals(partial.memo).get(idx).copied();
                total.unwrap_or_default()
            };
            let totals: Vec<Total> = all.iter().map(|(_, partial, _)| total(partial)).collect();
            columns.push(numbers(totals.iter().map(|total| total.integer)));
            let floats = totals.iter().map(|total| total.float);
            columns.push(Arc::new(Float64Array::from_iter_values(floats)));
            columns.push(numbers(totals.iter().map(|total| total.n_values)));
        }
        table(columns, all.len())
    }

    pub(super) fn take_up(&mut self, tables: &[StateTable]) -> Result<()> {
        let named = |name: &'static str| tables.iter().filter(move |table| table.name == name);
        let mut known = Known::default();
        for table in named("rows") {
            self.take_up_rows(&table.batch, &mut known)?;
        }
        for table in named("nodes") {
            self.take_up_nodes(&table.batch, &mut known)?;
        }
        for table in named("matches") {
            self.take_up_matches(&table.batch, &known)?;
        }
        // Matches keep their nodes and rows now.
        for &node in known.nodes.values() {
            let mut gone = Vec::new();
            self.memory.paths.release(node, |slot| gone.push(slot));
            gone.into_iter().for_each(|slot| self.memory.let_go(slot));
        }
        for &slot in known.slots.values() {
            self.memory.let_go(slot);
        }
        for matches in &mut self.partitions {
            matches.partial.sort_by_key(|partial| partial.start);
            matches.complete.sort_by_key(|complete| complete.start);
        }
        self.begun = self.restored_beginnings();
        for table in named("waiting") {
            let schema = Arc::clone(&self.spec.input_schema);
            let rows = RecordBatch::try_new(schema, table.batch.columns().to_vec())?;
            self.take_in(&rows, |_| NO_WATERMARK)?;
        }
        self.memory.settle()
    }

    fn restored_beginnings(&self) -> std::collections::VecDeque<(i64, u32)> {
        if self.spec.within_ms.is_none() || self.spec.time_column.is_none() {
            return std::collections::VecDeque::new();
        }
        let partial = self.matches().filter(|(_, _, is_complete)| !is_complete);
        let mut begun: Vec<(i64, u32)> = partial
            .map(|(partition, partial, _)| (partial.start_ms, partition))
            .collect();
        begun.sort_unstable();
        begun.dedup();
        begun.into()
    }

    /// The partitions of restored rows, whose keys are in these columns.
    fn partitions_of(&mut self, batch: &RecordBatch, key_columns: &[usize]) -> Result<Vec<u32>> {
        let key = columns_at(batch, key_columns)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        self.know(&ids);
        Ok(ids)
    }

    fn take_up_rows(&mut self, batch: &RecordBatch, known: &mut Known) -> Result<()> {
        let partitions = self.partitions_of(batch, &self.spec.partition_columns.clone())?;
        let (columns, [slots, order]) = parted(batch, self.spec.input_schema.fields().len())?;
        let schema = Arc::clone(&self.spec.input_schema);
        let rows = RecordBatch::try_new(schema, columns.clone())?;
        let block = self.memory.rows.admit(rows);
        let mut kept = Vec::with_capacity(slots.len());
        for (row_idx, &partition) in partitions.iter().enumerate() {
            let slot = self.memory.rows.keep(block, row_idx as u32);
            let number = u64::try_from(order.value(row_idx)).unwrap_or_default();
            self.memory.use_row(slot, number);
            self.next_number = self.next_number.max(number + 1);
            known.slots.insert((partition, slots.value(row_idx)), slot);
            kept.push((row_idx as u32, slot));
        }
        self.memory.cells.keep(&columns, &kept)
    }

    fn take_up_nodes(&mut self, batch: &RecordBatch, known: &mut Known) -> Result<()> {
        let n_keys = self.spec.partition_columns.len();
        let partitions = self.partitions_of(batch, &(0..n_keys).collect::<Vec<_>>())?;
        let (_, [ids, previous, variables, slots]) = parted(batch, n_keys)?;
        for (row_idx, &partition) in partitions.iter().enumerate() {
            let slot = known.slots.get(&(partition, slots.value(row_idx))).copied();
            let slot = slot.ok_or_else(incomplete)?;
            self.memory.use_row(slot, self.memory.number(slot));
            let step = Step {
                variable: usize::try_from(variables.value(row_idx)).unwrap_or_default(),
                slot,
            };
            let before = known.nodes.get(&(partition, previous.value(row_idx)));
            let before = before.copied().unwrap_or(NO_NODE);
            let node = self.memory.paths.add(before, step);
            known.nodes.insert((partition, ids.value(row_idx)), node);
        }
        Ok(())
    }

    fn take_up_matches(&mut self, batch: &RecordBatch, known: &Known) -> Result<()> {
        let n_keys = self.spec.partition_columns.len();
        let ids = self.partitions_of(batch, &(0..n_keys).collect::<Vec<_>>())?;
        let column = |idx: usize| {
            let column = batch.columns().get(n_keys + idx);
            let column = column.and_then(|it| it.as_primitive_opt::<Int64Type>());
            column.cloned().ok_or_else(incomplete)
        };
        let (elements, counts, nodes) = (column(0)?, column(1)?, column(2)?);
        let (starts, times, ends, complete) = (column(3)?, column(4)?, column(5)?, column(6)?);
        let n_slots = self.memory.layout.n_slots;
        let slots: Vec<_> = (0..n_slots)
            .map(|idx| column(N_MATCH_COLUMNS + idx))
            .collect::<Result<_>>()?;
        let from = N_MATCH_COLUMNS + n_slots;
        let totals: Vec<_> = (0..self.memory.layout.totals.len())
            .map(|idx| {
                let floats = batch.columns().get(n_keys + from + 3 * idx + 1);
                let floats = floats.and_then(|it| it.as_primitive_opt::<Float64Type>());
                let floats = floats.cloned().ok_or_else(incomplete)?;
                Ok((column(from + 3 * idx)?, floats, column(from + 3 * idx + 2)?))
            })
            .collect::<Result<_>>()?;
        for (row_idx, &id) in ids.iter().enumerate() {
            let slots: Vec<u32> = slots
                .iter()
                .map(|slots| match slots.value(row_idx) {
                    none if none == i64::from(NO_SLOT) => Ok(NO_SLOT),
                    slot => known.slots.get(&(id, slot)).copied().ok_or_else(incomplete),
                })
                .collect::<Result<_>>()?;
            let totals: Vec<Total> = totals
                .iter()
                .map(|(integers, floats, counts)| Total {
                    integer: integers.value(row_idx),
                    float: floats.value(row_idx),
                    n_values: counts.value(row_idx),
                })
                .collect();
            let node = known.nodes.get(&(id, nodes.value(row_idx))).copied();
            let memo = self
                .memory
                .restored(&slots, &totals, node.unwrap_or(NO_NODE));
            let partial = Partial {
                element: usize::try_from(elements.value(row_idx)).unwrap_or_default(),
                count: usize::try_from(counts.value(row_idx)).unwrap_or_default(),
                memo,
                start: u64::try_from(starts.value(row_idx)).unwrap_or_default(),
                start_ms: times.value(row_idx),
                end: u64::try_from(ends.value(row_idx)).unwrap_or_default(),
            };
            self.next_number = self.next_number.max(partial.end + 1);
            if let Some(matches) = self.partitions.get_mut(id as usize) {
                match complete.value(row_idx) {
                    0 => matches.partial.push(partial),
                    _ => matches.complete.push(partial),
                }
            }
        }
        Ok(())
    }
}

fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn counted(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn table(columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(idx, column)| Field::new(format!("c{idx}"), column.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// The first `n_columns` columns, and the numbers behind them.
fn parted<const N: usize>(
    batch: &RecordBatch,
    n_columns: usize,
) -> Result<(Vec<ArrayRef>, [Int64Array; N])> {
    let (columns, rest) = batch
        .columns()
        .split_at_checked(n_columns)
        .ok_or_else(incomplete)?;
    let rest: Vec<Int64Array> = rest
        .iter()
        .filter_map(|column| column.as_primitive_opt::<Int64Type>().cloned())
        .collect();
    let rest = rest.try_into().map_err(|_| incomplete())?;
    Ok((columns.to_vec(), rest))
}

fn incomplete() -> EngineError {
    EngineError::internal("saved matches lack columns")
}
