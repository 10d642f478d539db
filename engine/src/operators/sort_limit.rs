//! ORDER BY, with or without LIMIT and OFFSET.
//!
//! With a limit the first rows are kept up to date under all changes; without one the rows wait
//! for the end of the input. The edge into it is `Single`.
//!
//! Rows with equal sort keys are ordered by their content, so that the result does not depend on
//! the order of arrival.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};

use super::group_changes::columns_at;
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::{Delta, RowKind, delta::take_rows, keys};
use crate::error::{EngineError, Result};
use crate::state::StateTable;
use crate::state::snapshot::{changes_to_rows, rows_to_changes, with_column};

/// The rows that wait or that may come to be first.
const ROWS_TABLE: &str = "rows";
/// How often each row is there.
const COUNT_COLUMN: &str = "$count";

/// One column of ORDER BY. NULL is the lowest value, as in Flink: first when ascending, last when
/// descending, unless the query says otherwise (`nulls_first`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// NULL before all values.
    pub nulls_first: bool,
}

/// How the first rows of an order reach the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOutput {
    /// Net changes of each step: rows that leave the first ones (`-D`) and rows that come (`+I`).
    Changes,
    /// From the first place that differs on, all rows are taken back and sent anew: a reader that
    /// keeps the rows in the order of their arrival has them sorted. For views.
    InOrder,
}

/// An ORDER BY.
#[derive(Debug, Clone)]
pub struct SortLimitSpec {
    /// Schema of the rows, in and out.
    pub schema: SchemaRef,
    /// The order; without keys some order that depends on the rows' content only.
    pub keys: Vec<SortKey>,
    /// Rows that are left out first.
    pub offset: usize,
    /// Rows that pass then; without it the sorted rows are emitted at the end of the input.
    pub fetch: Option<usize>,
    /// Whether `-U` or `-D` may come in. If not, rows behind the last place are not kept.
    pub input_retracts: bool,
    /// How changes are sent on where there is a `fetch`.
    pub output: SortOutput,
}

impl OperatorFactory for SortLimitSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let codec = RowCodec::try_new(&self.schema, &self.keys)?;
        Ok(match self.fetch {
            Some(fetch) => Box::new(TopRows {
                codec,
                rows: SortedRows::default(),
                offset: self.offset,
                end: self.offset.saturating_add(fetch),
                keeps_all: self.input_retracts,
                output: self.output,
                emitted: Vec::new(),
                is_dirty: false,
            }),
            None => Box::new(Sort {
                codec,
                offset: self.offset,
                deltas: Vec::new(),
                state_bytes: 0,
            }),
        })
    }
}

/// Rows as bytes that sort like the rows, and back.
struct RowCodec {
    schema: SchemaRef,
    key_columns: Vec<usize>,
    /// None without sort keys: then the rows' content is the order.
    key_converter: Option<RowConverter>,
    row_converter: RowConverter,
}

impl RowCodec {
    fn try_new(schema: &SchemaRef, keys: &[SortKey]) -> Result<Self> {
        let field_of = |column: usize, options: SortOptions| {
            schema
                .fields()
                .get(column)
                .map(|field| SortField::new_with_options(field.data_type().clone(), options))
                .ok_or_else(|| EngineError::internal("ORDER BY names a missing column"))
        };
        let key_fields = keys
            .iter()
            .map(|key| {
                let options = SortOptions {
                    descending: key.descending,
                    nulls_first: key.nulls_first,
                };
                field_of(key.column, options)
            })
            .collect::<Result<Vec<_>>>()?;
        let row_fields = (0..schema.fields().len())
            .map(|column| field_of(column, SortOptions::default()))
            .collect::<Result<Vec<_>>>()?;
        if !RowConverter::supports_fields(&row_fields) {
            return Err(EngineError::unsupported(
                "ORDER BY over rows with these column types",
            ));
        }
        Ok(Self {
            schema: Arc::clone(schema),
            key_columns: keys.iter().map(|key| key.column).collect(),
            key_converter: match key_fields.is_empty() {
                true => None,
                false => Some(RowConverter::new(key_fields)?),
            },
            row_converter: RowConverter::new(row_fields)?,
        })
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Vec<SortedRow>> {
        let key_columns: Vec<ArrayRef> = columns_at(batch, &self.key_columns)?
            .iter()
            .map(keys::canonical)
            .collect();
        let keys = match &self.key_converter {
            Some(converter) => Some(converter.convert_columns(&key_columns)?),
            None => None,
        };
        let rows = self.row_converter.convert_columns(batch.columns())?;
        Ok((0..batch.num_rows())
            .map(|row_idx| SortedRow {
                key: keys
                    .as_ref()
                    .map_or(&[][..], |keys| keys.row(row_idx).data())
                    .into(),
                row: rows.row(row_idx).data().into(),
            })
            .collect())
    }

    fn decode<'a>(&self, rows: impl Iterator<Item = &'a SortedRow>) -> Result<RecordBatch> {
        let parser = self.row_converter.parser();
        let rows = rows.map(|row| parser.parse(&row.row));
        let columns = self.row_converter.convert_rows(rows)?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SortedRow {
    key: Arc<[u8]>,
    row: Arc<[u8]>,
}

/// Rows in their order, each with how often it is there.
#[derive(Debug, Default)]
struct SortedRows {
    counts: BTreeMap<SortedRow, i64>,
    n_bytes: usize,
}

impl SortedRows {
    fn add(&mut self, row: SortedRow, change: i64) {
        let n_bytes = Self::bytes_of(&row);
        let count = self.counts.entry(row.clone()).or_insert_with(|| {
            self.n_bytes += n_bytes;
            0
        });
        *count += change;
        if *count == 0 {
            self.counts.remove(&row);
            self.n_bytes -= n_bytes;
        }
    }

    /// The rows at places `offset .. end`.
    fn range(&self, offset: usize, end: usize) -> Vec<SortedRow> {
        let mut place = 0;
        let mut rows = Vec::new();
        for (row, &count) in &self.counts {
            for _ in 0..count.max(0) {
                if place >= end {
                    return rows;
                }
                if place >= offset {
                    rows.push(row.clone());
                }
                place += 1;
            }
        }
        rows
    }

    /// Forgets what stands at place `end` or behind.
    fn truncate(&mut self, end: usize) {
        let mut n_rows: i64 = self.counts.values().sum();
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        while let Some(mut last) = self.counts.last_entry() {
            let surplus = n_rows.saturating_sub(end);
            if surplus <= 0 {
                break;
            }
            if *last.get() > surplus {
                *last.get_mut() -= surplus;
                break;
            }
            n_rows -= *last.get();
            self.n_bytes -= Self::bytes_of(last.key());
            last.remove();
        }
    }

    fn require_not_negative(&self) -> Result<()> {
        if self.counts.values().any(|&count| count < 0) {
            return Err(EngineError::Data {
                message: "ORDER BY got the retraction of a row that never came".to_owned(),
            });
        }
        Ok(())
    }

    /// What a row takes: its bytes, two reference-counted slices, the entry.
    fn bytes_of(row: &SortedRow) -> usize {
        row.key.len() + row.row.len() + size_of::<(SortedRow, i64)>() + 4 * size_of::<usize>()
    }
}

/// ORDER BY with LIMIT: the first rows, at every step.
struct TopRows {
    codec: RowCodec,
    rows: SortedRows,
    offset: usize,
    end: usize,
    /// Whether rows behind the last place may move up, because others are taken back.
    keeps_all: bool,
    output: SortOutput,
    emitted: Vec<SortedRow>,
    is_dirty: bool,
}

impl Operator for TopRows {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        if !self.keeps_all && delta.kinds().is_some() {
            return Err(EngineError::internal(
                "an ORDER BY planned for insertions got other changes",
            ));
        }
        self.is_dirty = true;
        for (row_idx, row) in self.codec.encode(delta.batch())?.into_iter().enumerate() {
            self.rows.add(row, delta.kind(row_idx).sign());
        }
        if !self.keeps_all {
            self.rows.truncate(self.end);
        }
        Ok(())
    }

    fn on_step_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        let rows = self.rows.range(self.offset, self.end);
        let (gone, come) = match self.output {
            SortOutput::InOrder => tails(&self.emitted, &rows),
            SortOutput::Changes => differences(&self.emitted, &rows),
        };
        let kinds = std::iter::repeat_n(RowKind::Delete, gone.len())
            .chain(std::iter::repeat_n(RowKind::Insert, come.len()))
            .collect();
        let batch = self.codec.decode(gone.into_iter().chain(come))?;
        out.emit(Delta::try_new(batch, kinds)?);
        self.emitted = rows;
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let rows = self.codec.decode(self.rows.counts.keys())?;
        let counts: Int64Array = self.rows.counts.values().copied().map(Some).collect();
        Ok(vec![StateTable {
            name: ROWS_TABLE,
            batch: with_column(&rows, COUNT_COLUMN, Arc::new(counts))?,
            key_columns: Vec::new(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let n_columns = self.codec.schema.fields().len();
            let counts = table.batch.columns().get(n_columns);
            let counts = counts
                .and_then(|counts| counts.as_primitive_opt::<Int64Type>())
                .ok_or_else(|| EngineError::internal("ORDER BY got the state of something else"))?;
            let columns = table
                .batch
                .columns()
                .iter()
                .take(n_columns)
                .cloned()
                .collect();
            let rows = RecordBatch::try_new(Arc::clone(&self.codec.schema), columns)?;
            for (row, &count) in self.codec.encode(&rows)?.into_iter().zip(counts.values()) {
                self.rows.add(row, count);
            }
        }
        // Between two steps the reader has what is first.
        self.emitted = self.rows.range(self.offset, self.end);
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.rows.n_bytes + self.emitted.capacity() * size_of::<SortedRow>()
    }
}

/// From the first difference on: the old rows, last first, and the new ones.
fn tails<'a>(
    old: &'a [SortedRow],
    new: &'a [SortedRow],
) -> (Vec<&'a SortedRow>, Vec<&'a SortedRow>) {
    let n_same = old
        .iter()
        .zip(new)
        .take_while(|(old, new)| old == new)
        .count();
    (
        old.iter().skip(n_same).rev().collect(),
        new.iter().skip(n_same).collect(),
    )
}

/// Rows that are only in one of the two, which are sorted.
fn differences<'a>(
    old: &'a [SortedRow],
    new: &'a [SortedRow],
) -> (Vec<&'a SortedRow>, Vec<&'a SortedRow>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(left), Some(right)) if left == right => {
                old.next();
                new.next();
            }
            (Some(left), Some(right)) if left < right => gone.extend(old.next()),
            (Some(_), None) => gone.extend(old.next()),
            (_, Some(_)) => come.extend(new.next()),
            (None, None) => return (gone, come),
        }
    }
}

/// ORDER BY without LIMIT: all rows, at the end.
struct Sort {
    codec: RowCodec,
    offset: usize,
    deltas: Vec<Delta>,
    state_bytes: usize,
}

impl Operator for Sort {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        self.state_bytes += delta.batch().get_array_memory_size();
        self.deltas.push(delta);
        Ok(())
    }

    fn on_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        let deltas = std::mem::take(&mut self.deltas);
        self.state_bytes = 0;
        let batch = if deltas.iter().all(|delta| delta.kinds().is_none()) {
            self.sorted(&deltas)?
        } else {
            self.folded(&deltas)?
        };
        let n_skipped = self.offset.min(batch.num_rows());
        let batch = batch.slice(n_skipped, batch.num_rows() - n_skipped);
        out.emit(Delta::insert_only(batch));
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let rows = self
            .deltas
            .iter()
            .map(changes_to_rows)
            .collect::<Result<Vec<_>>>()?;
        let Some(first) = rows.first() else {
            return Ok(Vec::new());
        };
        Ok(vec![StateTable {
            name: ROWS_TABLE,
            batch: concat_batches(&first.schema(), &rows)?,
            key_columns: Vec::new(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let delta = rows_to_changes(&table.batch)?;
            self.state_bytes += delta.batch().get_array_memory_size();
            self.deltas.push(delta);
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.state_bytes
    }
}

impl Sort {
    /// Insertions only: one sort of row numbers.
    fn sorted(&self, deltas: &[Delta]) -> Result<RecordBatch> {
        let batch = concat_batches(&self.codec.schema, deltas.iter().map(Delta::batch))?;
        let rows = self.codec.encode(&batch)?;
        let n_rows = u32::try_from(rows.len()).map_err(|_| EngineError::ResourcesExhausted {
            message: "ORDER BY holds more than four billion rows".to_owned(),
        })?;
        let mut indices: Vec<u32> = (0..n_rows).collect();
        indices.sort_by(|&left, &right| rows.get(left as usize).cmp(&rows.get(right as usize)));
        take_rows(&batch, &indices.into())
    }

    fn folded(&self, deltas: &[Delta]) -> Result<RecordBatch> {
        let mut rows = SortedRows::default();
        for delta in deltas {
            for (row_idx, row) in self.codec.encode(delta.batch())?.into_iter().enumerate() {
                rows.add(row, delta.kind(row_idx).sign());
            }
        }
        rows.require_not_negative()?;
        self.codec.decode(rows.range(0, usize::MAX).iter())
    }
}
