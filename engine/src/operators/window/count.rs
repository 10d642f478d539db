//! Windows over numbers of rows: `Tumble.over(row_interval(3))`, `Slide.over(row_interval(3))`.
//!
//! ```text
//!   rows of a key   1 2 3 4 5 6 7           size 3, slide 2
//!                   └─┬─┘                   the third row completes a window: +I
//!                       └─┬─┘               so does the fifth
//! ```
//!
//! A window leaves with the row that completes it; one that is never full is never seen.
//!
//! Source: `CountTumblingWindowAssigner`, `CountSlidingWindowAssigner` and the answers of Flink 2.3.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};

use super::accumulators::{Accumulators, not_ours};
use super::aggregate::{GroupRole, state_batch};
use super::assign::timestamps;
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::functions::accumulators::AggregateCall;
use crate::operators::group_changes::columns_at;
use crate::operators::{Operator, OperatorFactory, Output, StepContext};
use crate::state::{KeyIndex, StateTable};

/// A GROUP BY over windows of rows.
#[derive(Debug, Clone)]
pub struct CountWindowSpec {
    /// Schema of the rows that come in: insertions.
    pub input_schema: SchemaRef,
    /// The columns of the grouping; those of the window say nothing.
    pub group_columns: Vec<(usize, GroupRole)>,
    /// From one window to the next.
    pub slide: i64,
    /// Rows of a window.
    pub size: i64,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Schema of the rows that leave: the grouping, then one column a call.
    pub schema: SchemaRef,
}

impl CountWindowSpec {
    /// The columns by which the input is exchanged.
    #[must_use]
    pub fn key_columns(&self) -> Vec<usize> {
        let keys = self.group_columns.iter();
        keys.filter(|(_, role)| *role == GroupRole::Key)
            .map(|(column, _)| *column)
            .collect()
    }
}

impl OperatorFactory for CountWindowSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let fields = self.input_schema.fields();
        let types: Vec<DataType> = fields.iter().map(|it| it.data_type().clone()).collect();
        let key_columns = self.key_columns();
        Ok(Box::new(CountWindow {
            groups: Accumulators::try_new(&self.calls, &types, false)?,
            spec: self.clone(),
            keys: KeyIndex::of_columns(&self.input_schema, &key_columns)?,
            key_columns,
            open: Vec::new(),
        }))
    }
}

struct CountWindow {
    spec: CountWindowSpec,
    key_columns: Vec<usize>,
    keys: KeyIndex,
    open: Vec<OfKey>,
    groups: Accumulators,
}

/// The windows of a key.
#[derive(Debug, Clone, Default)]
struct OfKey {
    /// Rows since the last window began.
    n_since: i64,
    /// Rows and group of each open window, the oldest first.
    windows: VecDeque<(i64, u32)>,
}

impl OfKey {
    fn is_empty(&self) -> bool {
        self.n_since == 0 && self.windows.is_empty()
    }
}

const KEYS: &str = "keys";
const WINDOWS: &str = "windows";

impl Operator for CountWindow {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "a count window of rows that are taken back",
            ));
        }
        let key = columns_at(delta.batch(), &self.key_columns)?;
        let mut ids = Vec::new();
        self.keys.intern(&key, delta.num_rows(), &mut ids)?;
        self.open.resize_with(self.keys.end(), OfKey::default);
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        let (mut full, mut full_keys) = (Vec::new(), Vec::new());
        for (row_idx, &id) in (0_u32..).zip(&ids) {
            let Some(of_key) = self.open.get_mut(id as usize) else {
                continue;
            };
            if of_key.n_since == 0 {
                of_key.windows.push_back((0, self.groups.open()));
            }
            of_key.n_since = (of_key.n_since + 1) % self.spec.slide;
            for (n_rows, group) in &mut of_key.windows {
                *n_rows += 1;
                rows.push(row_idx);
                groups.push(*group);
            }
            if let Some(&(n_rows, group)) = of_key.windows.front()
                && n_rows >= self.spec.size
            {
                of_key.windows.pop_front();
                full.push(group);
                full_keys.push(id);
            }
        }
        self.groups
            .update(&delta.take(&UInt32Array::from(rows))?, &groups)?;
        if !full.is_empty() {
            out.emit(Delta::insert_only(self.rows(&full_keys, &full)?));
        }
        for group in full {
            self.groups.release(group);
        }
        for &id in &ids {
            if self.open.get(id as usize).is_some_and(OfKey::is_empty) {
                self.keys.remove(id);
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let used = self.keys.used_ids();
        let of = |id: &u32| self.open.get(*id as usize).cloned().unwrap_or_default();
        let mut keys = self.keys.keys(&used)?;
        let key_columns: Vec<usize> = (0..keys.len()).collect();
        let since = used.iter().map(|id| of(id).n_since);
        keys.push(Arc::new(Int64Array::from_iter_values(since)));
        let (mut ids, mut groups) = (Vec::new(), Vec::new());
        for id in &used {
            for (_, group) in of(id).windows {
                ids.push(*id);
                groups.push(group);
            }
        }
        let mut windows = self.keys.keys(&ids)?;
        windows.extend(self.groups.save(&groups)?);
        Ok(vec![
            StateTable {
                name: KEYS,
                batch: state_batch(keys)?,
                key_columns: key_columns.clone(),
            },
            StateTable {
                name: WINDOWS,
                batch: state_batch(windows)?,
                key_columns,
            },
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let columns = table.batch.columns();
            let split = columns.split_at_checked(self.key_columns.len());
            let (key, rest) = split.ok_or_else(not_ours)?;
            // Rows since a window began, or in it.
            let numbers = rest.first().ok_or_else(not_ours)?;
            let numbers = numbers.as_primitive_opt::<Int64Type>();
            let numbers = numbers.ok_or_else(not_ours)?.values();
            let mut ids = Vec::new();
            self.keys.intern(key, table.batch.num_rows(), &mut ids)?;
            self.open.resize_with(self.keys.end(), OfKey::default);
            let mut groups = Vec::new();
            for (&id, &number) in ids.iter().zip(numbers) {
                let Some(of_key) = self.open.get_mut(id as usize) else {
                    continue;
                };
                if table.name == KEYS {
                    of_key.n_since = number;
                } else {
                    let group = self.groups.open();
                    of_key.windows.push_back((number, group));
                    groups.push(group);
                }
            }
            if table.name == WINDOWS {
                self.groups.add_saved(&groups, rest)?;
            }
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.groups.state_bytes()
            + self.keys.state_bytes()
            + self.open.capacity() * size_of::<OfKey>()
            + self.groups.len() * size_of::<(i64, u32)>()
    }
}

impl CountWindow {
    /// The rows of windows that are full.
    fn rows(&self, ids: &[u32], groups: &[u32]) -> Result<RecordBatch> {
        let mut keys = self.keys.keys(ids)?.into_iter();
        let schema = &self.spec.schema;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for ((_, role), field) in self.spec.group_columns.iter().zip(schema.fields()) {
            columns.push(match role {
                GroupRole::Key => keys
                    .next()
                    .ok_or_else(|| EngineError::internal("a key of a window is missing"))?,
                // Nobody may ask for the times of such a window.
                _ => timestamps(vec![0; ids.len()], field.data_type())?,
            });
        }
        columns.extend(self.groups.read(groups)?);
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
