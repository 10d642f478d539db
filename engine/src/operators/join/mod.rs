//! Joins of two changing tables: inner, outer, semi, anti and mark, by equal keys and any further
//! condition.
//!
//! Both inputs are remembered by key. A row that comes in meets the rows of the other side; what
//! it changes there, beside the pairs, is whether a row has a partner at all:
//!
//! ```text
//!   left row ─▶ key id ─▶ right rows of the key ─▶ residual condition ─▶ pairs
//!                 │                                                       │
//!                 └▶ kept in the left arrangement        first partner: -D (l, NULL)
//!                                                        last one gone: +I (l, NULL)
//! ```
//!
//! Without a residual condition the number of a row's partners is the number of rows of its key on
//! the other side; with one, each row of a side whose lonely rows are shown has a counter. A row
//! with NULL in its key has no partner ever, and is not kept, unless NULLs are equal here.
//!
//! Where rows of an input have a unique key, a retraction finds its row by that, and a row that comes
//! takes the place of the one that has its key, as in Flink's state.
//!
//! Row by row, the kinds of the changes and their order are Flink's. Net, all changes of a step
//! are taken together: first what goes away, then what comes.
//!
//! Source: Flink 2.3, `StreamingJoinOperator` and `StreamingSemiAntiJoinOperator`.

mod expiry;

mod net;

mod output;

mod pairs;

mod residual;

mod row_by_row;

mod snapshot;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod unique_tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use expiry::Writes;
pub use residual::{Residual, ResidualColumn};

use super::{Emission, Operator, OperatorFactory, Output, StepContext, StepLength};
use crate::data::Delta;
use crate::data::keys::column_types;
use crate::error::{EngineError, Result};
use crate::operators::group_changes::columns_at;
use crate::state::arrangement::{Identity, Inserted, NONE};
use crate::state::ttl::Retention;
use crate::state::{Arrangement, KeyIndex, StateTable};

/// Which rows a join gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Pairs, and right rows without a partner.
    Right,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Left rows with a partner, once.
    Semi,
    /// Left rows without a partner.
    Anti,
    /// Left rows with a column that says whether there is a partner.
    Mark,
}

/// An input of a join.
#[derive(Debug, Clone)]
pub struct JoinInput {
    /// Its rows.
    pub schema: SchemaRef,
    /// The columns of the key, of the same types on both sides.
    pub key_columns: Vec<usize>,
    /// The columns that leave the join, in their order.
    pub output: Vec<usize>,
    /// Whether `-U` or `-D` may come.
    pub retracts: bool,
}

/// By what rows of an input are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UniqueKey {
    /// By columns of the join's key: there is one row of it.
    InJoinKey,
    /// By these columns.
    Columns(Vec<usize>),
}

/// By what a row of `input` is found that goes, or whose place another one takes.
fn identity(input: &JoinInput, unique: Option<&UniqueKey>) -> Identity {
    match unique {
        Some(UniqueKey::InJoinKey) => Identity::Key,
        Some(UniqueKey::Columns(columns)) => Identity::Columns(columns.clone()),
        None if input.retracts => Identity::WholeRow,
        None => Identity::None,
    }
}

/// A join.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Which rows it gives.
    pub kind: JoinKind,
    /// Port 0.
    pub left: JoinInput,
    /// Port 1.
    pub right: JoinInput,
    /// By port: by what one row is told from another with the same key of the join; none if equal
    /// rows may come.
    pub unique: [Option<UniqueKey>; 2],
    /// Whether NULL is equal to NULL in a key.
    pub nulls_equal: bool,
    /// The condition that pairs must meet beside their keys.
    pub residual: Option<Residual>,
    /// When changes are sent on.
    pub emission: Emission,
    /// By port: how long the rows of an input stay.
    pub retention: [Retention; 2],
    /// The output columns of the left side, then those of the right side (not of semi, anti and
    /// mark joins), then the mark.
    pub schema: SchemaRef,
}

impl JoinKind {
    /// Whether rows of the side without a partner are shown, padded with NULL.
    const fn is_outer(self, port: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Left => port == 0,
            Self::Right => port == 1,
            _ => false,
        }
    }

    /// Whether only left rows leave.
    const fn is_left_only(self) -> bool {
        matches!(self, Self::Semi | Self::Anti | Self::Mark)
    }

    /// Whether it matters for rows of this side how many partners they have.
    const fn counts_partners(self, port: usize) -> bool {
        self.is_outer(port) || (self.is_left_only() && port == 0)
    }

    /// What is shown of a row that has a partner or not, beside its pairs: nothing, or the row
    /// with this mark.
    const fn lonely(self, port: usize, has_partner: bool) -> Option<bool> {
        match self {
            Self::Semi if has_partner => Some(true),
            Self::Mark => Some(has_partner),
            Self::Anti if !has_partner => Some(false),
            _ if self.is_outer(port) && !has_partner => Some(false),
            _ => None,
        }
    }
}

impl JoinSpec {
    /// Whether its changes are sent on at the end of a step. Pairs of rows that only come are never
    /// taken back: there is nothing to wait for.
    fn waits(&self) -> bool {
        let only_comes =
            self.kind == JoinKind::Inner && !self.left.retracts && !self.right.retracts;
        self.emission == Emission::NetPerStep && !only_comes
    }
}

impl OperatorFactory for JoinSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let key_types = |input: &JoinInput| column_types(&input.schema, &input.key_columns);
        let types = key_types(&self.left)?;
        let other_types = key_types(&self.right)?;
        let is_same = types.len() == other_types.len()
            && types
                .iter()
                .zip(&other_types)
                .all(|(left, right)| left.equals_datatype(right));
        if !is_same {
            return Err(EngineError::internal(
                "the keys of a join's sides have different types",
            ));
        }
        let [left_key, right_key] = self.unique.each_ref().map(Option::as_ref);
        let side = |input: &JoinInput, port: usize, unique| Side {
            rows: Arrangement::new(Arc::clone(&input.schema), identity(input, unique)),
            counts: Vec::new(),
            degrees: (self.residual.is_some() && self.kind.counts_partners(port)).then(Vec::new),
            writes: Writes::default(),
        };
        Ok(Box::new(Join {
            index: KeyIndex::try_new(&types)?,
            sides: [
                side(&self.left, 0, left_key),
                side(&self.right, 1, right_key),
            ],
            pending: [Vec::new(), Vec::new()],
            written_ms: [None, None],
            waits: self.waits(),
            spec: self.clone(),
        }))
    }

    fn step_length(&self) -> StepLength {
        match self.waits() {
            true => StepLength::Short,
            false => StepLength::Any,
        }
    }
}

struct Join {
    spec: JoinSpec,
    /// The keys of both sides.
    index: KeyIndex,
    sides: [Side; 2],
    /// Whether the rows of a step are kept until its end.
    waits: bool,
    /// What has come in this step, by port.
    pending: [Vec<Delta>; 2],
    /// By port: the time of the step, where rows have an end.
    written_ms: [Option<i64>; 2],
}

/// What is remembered of an input.
struct Side {
    rows: Arrangement,
    /// By key id: the number of rows.
    counts: Vec<u32>,
    /// By slot: the number of partners. Only with a residual condition or where rows have an end,
    /// and where it matters.
    degrees: Option<Vec<u32>>,
    /// When rows were written, where they have an end.
    writes: Writes,
}

impl Side {
    fn count(&self, key: u32) -> u32 {
        self.counts.get(key as usize).copied().unwrap_or(0)
    }

    fn add(&mut self, key: u32, change: i32) {
        if let Some(count) = self.counts.get_mut(key as usize) {
            *count = count.saturating_add_signed(change);
        }
    }

    /// As [`Arrangement::insert`]; rows whose places are taken are not counted any more.
    fn insert(
        &mut self,
        columns: &[ArrayRef],
        n_rows: usize,
        rows: &[u32],
        keys: &[u32],
    ) -> Result<Inserted> {
        if rows.is_empty() {
            return Ok(Inserted::default());
        }
        let hashes = self.rows.hashes(columns, n_rows)?;
        let inserted = self.rows.insert(columns, n_rows, rows, keys, &hashes)?;
        for &slot in &inserted.replaced {
            self.gone(slot);
        }
        Ok(inserted)
    }

    /// The row of a slot has been taken out.
    fn gone(&mut self, slot: u32) {
        self.writes.forget(slot);
        self.add(self.rows.key_of(slot), -1);
    }

    fn resize(&mut self, n_keys: usize) {
        if self.counts.len() < n_keys {
            self.counts.resize(n_keys, 0);
        }
    }

    fn degree(&self, slot: u32) -> u32 {
        let degrees = self.degrees.as_ref();
        degrees
            .and_then(|degrees| degrees.get(slot as usize).copied())
            .unwrap_or(0)
    }

    /// The row of this slot is written, if rows have an end.
    fn write(&mut self, slot: u32, written_ms: Option<i64>) {
        if let Some(written_ms) = written_ms {
            self.writes.write(slot, written_ms);
        }
    }

    fn set_degree(&mut self, slot: u32, degree: u32) {
        let end = self.rows.end();
        if let Some(degrees) = &mut self.degrees {
            if degrees.len() < end {
                degrees.resize(end, 0);
            }
            if let Some(entry) = degrees.get_mut(slot as usize) {
                *entry = degree;
            }
        }
    }
}

impl Operator for Join {
    fn push(
        &mut self,
        port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if !self.waits {
            self.expire(ctx)?;
            return match self.gives_only_pairs(&delta) {
                true => self.push_pairs(port, &delta, out),
                false => self.push_row_by_row(port, &delta, out),
            };
        }
        if let Some(pending) = self.pending.get_mut(port) {
            pending.push(delta);
        }
        Ok(())
    }

    fn on_step_end(&mut self, ctx: &StepContext, out: &mut Output) -> Result<()> {
        self.expire(ctx)?;
        if self.pending.iter().any(|deltas| !deltas.is_empty()) {
            let pending = std::mem::take(&mut self.pending);
            self.run_net_step(&pending, out)?;
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        self.save_rows()
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        self.restore_rows(&tables)
    }

    fn state_bytes(&self) -> usize {
        let of_sides: usize = self
            .sides
            .iter()
            .map(|side| {
                side.rows.state_bytes()
                    + side.writes.state_bytes()
                    + (side.counts.capacity() + side.degrees.as_ref().map_or(0, Vec::capacity))
                        * size_of::<u32>()
            })
            .sum();
        of_sides + self.index.state_bytes()
    }
}

impl Join {
    fn input(&self, port: usize) -> &JoinInput {
        if port == 0 {
            &self.spec.left
        } else {
            &self.spec.right
        }
    }

    fn side(&self, port: usize) -> &Side {
        let [left, right] = &self.sides;
        if port == 0 { left } else { right }
    }

    /// The time of the step, if the rows of this input have an end.
    fn written_ms(&self, port: usize) -> Option<i64> {
        let [left, right] = self.written_ms;
        if port == 0 { left } else { right }
    }

    fn side_mut(&mut self, port: usize) -> &mut Side {
        let [left, right] = &mut self.sides;
        if port == 0 { left } else { right }
    }

    /// The ids of the rows' keys; [`NONE`] for keys that are equal to nothing.
    fn intern(&mut self, port: usize, columns: &[ArrayRef], n_rows: usize) -> Result<Vec<u32>> {
        let key: Vec<ArrayRef> = self
            .input(port)
            .key_columns
            .iter()
            .map(|&column| columns.get(column).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| EngineError::internal("a join's key names a missing column"))?;
        let mut ids = Vec::new();
        let known = self.known_rows(&key, n_rows);
        match known {
            None => self.index.intern(&key, n_rows, &mut ids)?,
            Some(known) => {
                let rows = UInt32Array::from(known.clone());
                let key = key
                    .iter()
                    .map(|column| Ok(take(column.as_ref(), &rows, None)?))
                    .collect::<Result<Vec<_>>>()?;
                let mut known_ids = Vec::new();
                self.index.intern(&key, known.len(), &mut known_ids)?;
                ids = vec![NONE; n_rows];
                for (row, id) in known.into_iter().zip(known_ids) {
                    if let Some(entry) = ids.get_mut(row as usize) {
                        *entry = id;
                    }
                }
            }
        }
        let n_keys = self.index.end();
        for side in &mut self.sides {
            side.resize(n_keys);
        }
        Ok(ids)
    }

    /// The rows without NULL in their key, or nothing if these are all.
    fn known_rows(&self, key: &[ArrayRef], n_rows: usize) -> Option<Vec<u32>> {
        if self.spec.nulls_equal {
            return None;
        }
        let nulls: Vec<_> = key
            .iter()
            .filter_map(|column| column.logical_nulls())
            .filter(|nulls| nulls.null_count() > 0)
            .collect();
        if nulls.is_empty() {
            return None;
        }
        let is_known = |&row: &u32| nulls.iter().all(|nulls| nulls.is_valid(row as usize));
        Some((0..n_rows as u32).filter(is_known).collect())
    }

    /// Forgets keys without rows, after rows of these keys have gone.
    fn forget_keys(&mut self, keys: impl IntoIterator<Item = u32>) {
        let [left, right] = &self.sides;
        for key in keys {
            if key != NONE && left.count(key) == 0 && right.count(key) == 0 {
                self.index.remove(key);
            }
        }
    }

    /// Whether rows count their partners one by one.
    fn counts_each(&self) -> bool {
        self.spec.residual.is_some() || self.sides.iter().any(|side| side.degrees.is_some())
    }

    fn columns(&self, port: usize, delta: &Delta) -> Result<Vec<ArrayRef>> {
        let all: Vec<usize> = (0..self.input(port).schema.fields().len()).collect();
        columns_at(delta.batch(), &all)
    }
}
