//! From the values of groups before and after to changelog rows.
//!
//! ```text
//!   rows before → rows after     no row    a row
//!   no row                       -         +I
//!   a row                        -D        -U +U, or nothing if the values are the same
//! ```

use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::SchemaRef;

use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::state::columns;

/// These columns of `batch`.
pub(super) fn columns_at(batch: &RecordBatch, columns: &[usize]) -> Result<Vec<ArrayRef>> {
    columns
        .iter()
        .map(|&column| batch.columns().get(column).cloned())
        .collect::<Option<_>>()
        .ok_or_else(|| EngineError::internal("an operator reads a missing column"))
}

/// Counts as a column.
pub(super) fn read_counts<'a>(counts: impl IntoIterator<Item = &'a i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(counts.into_iter().copied()))
}

/// Columns as rows that leave a group aggregate.
pub(super) fn changed_rows(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The groups that a step has touched, in the order in which it touched them, with their keys and
/// values before the step.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// By group: whether it is in the frontier, as the number of the round that put it there.
    rounds: Vec<u32>,
    round: u32,
    /// By group, row by row: the last place of its content. Valid for groups of the round.
    last_places: Vec<u32>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    groups: Vec<u32>,
    key: Vec<ArrayRef>,
    before: Vec<ArrayRef>,
    is_there: Vec<bool>,
}

/// Groups of one part of a frontier, at least, if there are so many: the columns of a part fit into
/// the processor's cache, and tiny batches do not make tiny deltas.
const MIN_PART_GROUPS: usize = 4_096;

/// Groups of a frontier at the end of its step.
pub(super) struct ClosedFrontier {
    pub(super) groups: Vec<u32>,
    key: Vec<ArrayRef>,
    before: Vec<ArrayRef>,
    /// Whether the group had rows before.
    is_there: Vec<bool>,
    /// Whether contents need not be compared: each is another than before, or is sent anyway.
    pub(super) sends_all: bool,
}

impl Frontier {
    pub(super) fn resize(&mut self, n_groups: usize) {
        if self.rounds.len() < n_groups {
            // Round 0 is never the current one.
            self.rounds.resize(n_groups, 0);
            self.last_places.resize(n_groups, 0);
        }
        self.round = self.round.max(1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Enters the rows' groups. Gives those that were not there yet, and the row of each.
    pub(super) fn touch(&mut self, ids: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut groups, mut rows) = (Vec::new(), Vec::new());
        for (row_idx, &id) in (0_u32..).zip(ids) {
            if let Some(round) = self.rounds.get_mut(id as usize)
                && *round != self.round
            {
                *round = self.round;
                groups.push(id);
                rows.push(row_idx);
            }
        }
        (groups, rows)
    }

    /// Keeps what [`Self::touch`] gave with the values before; `key` are the columns of all rows.
    pub(super) fn remember(
        &mut self,
        groups: Vec<u32>,
        rows: Vec<u32>,
        key: &[ArrayRef],
        before: Vec<ArrayRef>,
        is_there: Vec<bool>,
    ) -> Result<()> {
        self.pieces.push(Piece {
            groups,
            key: taken(key, &UInt32Array::from(rows))?,
            before,
            is_there,
        });
        Ok(())
    }

    /// Begins the next round with no groups.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        if self.round == u32::MAX {
            self.rounds.fill(0);
            self.round = 0;
        }
        self.round += 1;
    }

    /// For each row the place of its group's content before it: the places of the contents before
    /// the batch are those in `groups`, the place after row `i` is `groups.len() + i`.
    pub(super) fn previous_places(&mut self, groups: &[u32], ids: &[u32]) -> Vec<u32> {
        for (place, &group) in (0_u32..).zip(groups) {
            if let Some(last_place) = self.last_places.get_mut(group as usize) {
                *last_place = place;
            }
        }
        (groups.len() as u32..)
            .zip(ids)
            .map(|(place, &id)| {
                self.last_places
                    .get_mut(id as usize)
                    .map_or(0, |last_place| std::mem::replace(last_place, place))
            })
            .collect()
    }

    /// Takes all out, in parts that stay in the processor's cache, and begins the next round.
    pub(super) fn take(&mut self) -> Result<Vec<ClosedFrontier>> {
        let pieces = std::mem::take(&mut self.pieces);
        self.clear();
        let mut closed = Vec::new();
        let (mut first, mut n_groups) = (0, 0);
        for (piece_idx, piece) in pieces.iter().enumerate() {
            n_groups += piece.groups.len();
            if n_groups >= MIN_PART_GROUPS || piece_idx + 1 == pieces.len() {
                let part = pieces.get(first..=piece_idx).unwrap_or_default();
                closed.push(ClosedFrontier::join(part)?);
                (first, n_groups) = (piece_idx + 1, 0);
            }
        }
        Ok(closed)
    }

    pub(super) fn state_bytes(&self) -> usize {
        (self.rounds.capacity() + self.last_places.capacity()) * size_of::<u32>()
    }
}

impl ClosedFrontier {
    fn join(pieces: &[Piece]) -> Result<Self> {
        let mut groups = Vec::new();
        let mut is_there = Vec::new();
        for piece in pieces {
            groups.extend_from_slice(&piece.groups);
            is_there.extend_from_slice(&piece.is_there);
        }
        Ok(Self {
            groups,
            key: joined(pieces, |piece| &piece.key)?,
            before: joined(pieces, |piece| &piece.before)?,
            is_there,
            sends_all: false,
        })
    }

    /// The net changes, given the values and row counts after the step; none if there are none.
    pub(super) fn net_changes(
        &self,
        schema: &SchemaRef,
        after: &[ArrayRef],
        counts: &[i64],
        update_before: bool,
    ) -> Result<Option<Delta>> {
        let is_there_after = counts.iter().map(|&count| count > 0);
        let all_are_there = is_there_after.clone().all(|is_there| is_there);
        if all_are_there && !self.is_there.contains(&true) {
            let columns = self.key.iter().chain(after).cloned().collect();
            return Ok(Some(Delta::insert_only(changed_rows(schema, columns)?)));
        }
        let is_same = match self.sends_all {
            true => BooleanBuffer::new_unset(counts.len()),
            false => same_rows(&self.before, after, counts.len())?,
        };
        if all_are_there && !self.is_there.contains(&false) && is_same.count_set_bits() == 0 {
            return self.all_updated(schema, after, update_before).map(Some);
        }
        let mut changes = Changes::default();
        for (place, ((&before, after), is_same)) in
            (0_u32..).zip(self.is_there.iter().zip(is_there_after).zip(&is_same))
        {
            let before = before.then_some((0, place as usize));
            let after = after.then_some((1, place as usize));
            changes.add(before, after, is_same, place, update_before);
        }
        let values = self.before.iter().zip(after);
        let values = values
            .map(|(before, after)| Ok(interleave(&[before, after], &changes.sources)?))
            .collect::<Result<Vec<_>>>()?;
        changes.build(schema, &self.key, values)
    }
}

impl ClosedFrontier {
    /// The changes if every group was there, still is, and has another content.
    fn all_updated(
        &self,
        schema: &SchemaRef,
        after: &[ArrayRef],
        update_before: bool,
    ) -> Result<Delta> {
        let n_groups = self.groups.len();
        if !update_before {
            let columns = self.key.iter().chain(after).cloned().collect();
            let kinds = vec![RowKind::UpdateAfter; n_groups];
            return Delta::try_new(changed_rows(schema, columns)?, kinds);
        }
        let twice: UInt32Array = (0..n_groups as u32).flat_map(|place| [place; 2]).collect();
        let mut columns = taken(&self.key, &twice)?;
        for (before, after) in self.before.iter().zip(after) {
            columns.push(alternating(before, after)?);
        }
        let kinds = [RowKind::UpdateBefore, RowKind::UpdateAfter].repeat(n_groups);
        Delta::try_new(changed_rows(schema, columns)?, kinds)
    }
}

/// The values of two columns of one length, in turns.
fn alternating(before: &ArrayRef, after: &ArrayRef) -> Result<ArrayRef> {
    let has_nulls = before.null_count() > 0 || after.null_count() > 0;
    if !has_nulls && columns::integer_width(before.data_type()) == Some(size_of::<i64>()) {
        let pairs = columns::to_i64(before)?;
        let others = columns::to_i64(after)?;
        let mut values = Vec::with_capacity(2 * pairs.len());
        for (&before, &after) in pairs.iter().zip(others.iter()) {
            values.extend_from_slice(&[before, after]);
        }
        return columns::of_words(values, before.data_type());
    }
    let sources: Vec<(usize, usize)> = (0..before.len())
        .flat_map(|place| [(0, place), (1, place)])
        .collect();
    Ok(interleave(&[before, after], &sources)?)
}

/// The changes of a batch, row by row.
///
/// Each column holds the values before the batch of the groups that it touches, then the values
/// after each row: the content before a row is the one at its group's previous place.
pub(super) struct RowChanges {
    n_groups: usize,
    /// For each row the place of the content before it.
    previous: Vec<u32>,
    counts: Vec<i64>,
    columns: Vec<ArrayRef>,
    /// For each row whether all values are as before.
    is_same: Option<BooleanBuffer>,
}

impl RowChanges {
    /// `previous` is what [`Frontier::previous_places`] gave for `n_groups` touched groups.
    pub(super) fn new(n_groups: usize, previous: Vec<u32>) -> Self {
        Self {
            n_groups,
            previous,
            counts: Vec::new(),
            columns: Vec::new(),
            is_same: None,
        }
    }

    /// Row counts of the groups before the batch, and of the row's group after each row.
    pub(super) fn set_counts(&mut self, before: &[i64], after: &[i64]) {
        self.counts = [before, after].concat();
    }

    /// Values of one aggregate: of the groups before the batch, then after each row.
    pub(super) fn add_column(&mut self, column: ArrayRef) -> Result<()> {
        let n_rows = self.previous.len();
        let before = take(
            column.as_ref(),
            &UInt32Array::from(self.previous.clone()),
            None,
        )?;
        let after = column.slice(self.n_groups, n_rows);
        let is_same = same_values(&before, &after)?;
        self.is_same = Some(match self.is_same.take() {
            Some(others) => &others & &is_same,
            None => is_same,
        });
        self.columns.push(column);
        Ok(())
    }

    /// Contents that are as before are sent too. After all columns.
    pub(super) fn send_all(&mut self) {
        self.is_same = Some(BooleanBuffer::new_unset(self.previous.len()));
    }

    /// The changelog; `key` are the key columns of the rows.
    pub(super) fn build(
        self,
        schema: &SchemaRef,
        key: &[ArrayRef],
        update_before: bool,
    ) -> Result<Option<Delta>> {
        let mut changes = Changes::default();
        for (row_idx, &previous) in (0_u32..).zip(&self.previous) {
            let place = self.n_groups + row_idx as usize;
            let content = |place: usize| {
                let is_there = self.counts.get(place).is_some_and(|&count| count > 0);
                is_there.then_some((0, place))
            };
            let is_same = self
                .is_same
                .as_ref()
                .is_none_or(|is_same| is_same.value(row_idx as usize));
            changes.add(
                content(previous as usize),
                content(place),
                is_same,
                row_idx,
                update_before,
            );
        }
        let places: UInt32Array = changes
            .sources
            .iter()
            .map(|&(_, place)| place as u32)
            .collect::<Vec<u32>>()
            .into();
        let values = taken(&self.columns, &places)?;
        changes.build(schema, key, values)
    }
}

/// Rows of a changelog: the kind, where the values stand, and where the key stands.
#[derive(Default)]
struct Changes {
    kinds: Vec<RowKind>,
    sources: Vec<(usize, usize)>,
    key_rows: Vec<u32>,
}

impl Changes {
    /// Adds what one change of a group gives.
    #[inline]
    fn add(
        &mut self,
        before: Option<(usize, usize)>,
        after: Option<(usize, usize)>,
        is_same: bool,
        key_row: u32,
        update_before: bool,
    ) {
        let mut row = |kind: RowKind, source: (usize, usize)| {
            self.kinds.push(kind);
            self.sources.push(source);
            self.key_rows.push(key_row);
        };
        match (before, after) {
            (None, Some(after)) => row(RowKind::Insert, after),
            (Some(before), None) => row(RowKind::Delete, before),
            (Some(before), Some(after)) if !is_same => {
                if update_before {
                    row(RowKind::UpdateBefore, before);
                }
                row(RowKind::UpdateAfter, after);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn build(
        self,
        schema: &SchemaRef,
        key: &[ArrayRef],
        values: Vec<ArrayRef>,
    ) -> Result<Option<Delta>> {
        if self.kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = taken(key, &UInt32Array::from(self.key_rows))?;
        columns.extend(values);
        let delta = Delta::try_new(changed_rows(schema, columns)?, self.kinds)?;
        Ok(Some(delta))
    }
}

/// For each row whether all columns are equal; NULL is equal to NULL, NaN to NaN.
fn same_rows(before: &[ArrayRef], after: &[ArrayRef], n_rows: usize) -> Result<BooleanBuffer> {
    let mut all_same = BooleanBuffer::new_set(n_rows);
    for (before, after) in before.iter().zip(after) {
        all_same = &all_same & &same_values(before, after)?;
    }
    Ok(all_same)
}

fn same_values(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanBuffer> {
    if before.data_type().is_nested() {
        let compare = make_comparator(before, after, SortOptions::default())?;
        let is_same = |row_idx| compare(row_idx, row_idx).is_eq();
        return Ok(BooleanBuffer::collect_bool(before.len(), is_same));
    }
    Ok(not_distinct(before, after)?.values().clone())
}

fn taken(columns: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns
        .iter()
        .map(|column| Ok(take(column.as_ref(), rows, None)?))
        .collect()
}

/// The same columns of all pieces, one after the other.
fn joined(pieces: &[Piece], columns: impl Fn(&Piece) -> &Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
    let n_columns = pieces.first().map_or(0, |piece| columns(piece).len());
    (0..n_columns)
        .map(|column_idx| {
            let parts: Vec<&dyn Array> = pieces
                .iter()
                .filter_map(|piece| columns(piece).get(column_idx))
                .map(AsRef::as_ref)
                .collect();
            match (pieces, parts.as_slice()) {
                ([piece], [_]) => columns(piece)
                    .get(column_idx)
                    .cloned()
                    .ok_or_else(|| EngineError::internal("a frontier lost a column")),
                _ => Ok(concat(&parts)?),
            }
        })
        .collect()
}
