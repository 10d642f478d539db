//! ORDER BY a time attribute: rows wait for the watermark and leave in order.
//!
//! A row that comes behind the watermark is too late if a row of its time or a later one has left
//! already. By processing time the rows of a step are those of one instant.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::deduplicate::with_column;
use super::group_changes::columns_at;
use super::rank::column_orders;
use super::rowtime::{Waiting, times_of};
use super::{Operator, OperatorFactory, Output, SortKey, StepContext, TimeUse};
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::state::{RowStore, SortKeys, StateTable};

/// An ORDER BY whose first key is a time attribute, ascending.
#[derive(Debug, Clone)]
pub struct TemporalSortSpec {
    /// Schema of the rows that come in.
    pub input_schema: SchemaRef,
    /// Column of the event time; without one the first key is the processing time.
    pub time_column: Option<usize>,
    /// The keys after the time.
    pub sort_keys: Vec<SortKey>,
    /// Schema of the rows that leave: the first columns of the input.
    pub schema: SchemaRef,
}

impl OperatorFactory for TemporalSortSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let orders = column_orders(&self.input_schema, &self.sort_keys)?;
        Ok(Box::new(TemporalSort {
            sort_keys: SortKeys::try_new(&orders)?,
            rows: RowStore::new(Arc::clone(&self.input_schema)),
            waiting: BTreeMap::new(),
            last_fired_ms: NO_WATERMARK,
            key_bytes: 0,
            n_late: 0,
            spec: self.clone(),
        }))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::rows_if(self.time_column.is_some())
    }
}

struct TemporalSort {
    spec: TemporalSortSpec,
    sort_keys: SortKeys,
    rows: RowStore,
    /// By time: the rows in the order of their arrival.
    waiting: BTreeMap<i64, Vec<Row>>,
    /// The time of the last rows that left.
    last_fired_ms: i64,
    key_bytes: usize,
    n_late: u64,
}

#[derive(Debug)]
struct Row {
    key: Box<[u8]>,
    slot: u32,
    /// The watermark in force when it came, if it came behind it.
    arrival_ms: i64,
}

impl TemporalSort {
    fn take_in(&mut self, batch: &RecordBatch, arrival_ms: impl Fn(usize) -> i64) -> Result<()> {
        let n_rows = batch.num_rows();
        let columns: Vec<usize> = self.spec.sort_keys.iter().map(|key| key.column).collect();
        let keys: Vec<Box<[u8]>> = self
            .sort_keys
            .encode(&columns_at(batch, &columns)?, n_rows)?;
        let times = match self.spec.time_column {
            Some(column) => Some(times_of(batch, column)?),
            None => None,
        };
        let block = self.rows.admit(batch.clone());
        for (row_idx, key) in keys.into_iter().enumerate() {
            let time_ms = times
                .as_ref()
                .and_then(|times| times.get(row_idx).copied())
                .unwrap_or_default();
            let arrival_ms = arrival_ms(row_idx);
            if times.is_some() && self.is_late(time_ms, arrival_ms) {
                self.n_late += 1;
                continue;
            }
            self.key_bytes += key.len();
            let slot = self.rows.keep(block, row_idx as u32);
            self.waiting.entry(time_ms).or_default().push(Row {
                key,
                slot,
                arrival_ms,
            });
        }
        Ok(())
    }

    /// Whether a row of this time or a later one had left when the row came.
    fn is_late(&self, time_ms: i64, arrival_ms: i64) -> bool {
        if arrival_ms == NO_WATERMARK {
            return false;
        }
        let has_fired = |(&time_ms, rows): (&i64, &Vec<Row>)| {
            rows.iter().any(|row| {
                let waiting = Waiting {
                    time_ms,
                    arrival_ms: row.arrival_ms,
                };
                waiting.has_fired(arrival_ms)
            })
        };
        time_ms <= self.last_fired_ms
            || self
                .waiting
                .range(time_ms..=arrival_ms.max(time_ms))
                .any(has_fired)
    }

    fn emit_until(&mut self, watermark_ms: i64, out: &mut Output) -> Result<()> {
        let mut places = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > watermark_ms {
                break;
            }
            self.last_fired_ms = *entry.key();
            let mut rows = entry.remove();
            rows.sort_by(|left, right| left.key.cmp(&right.key));
            for row in rows {
                self.key_bytes -= row.key.len();
                places.push(self.rows.place(row.slot));
                self.rows.release(row.slot);
            }
        }
        if !places.is_empty() {
            let batch = self.rows.gather(&places)?;
            let columns = batch
                .columns()
                .iter()
                .take(self.spec.schema.fields().len())
                .cloned()
                .collect();
            let batch = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
            out.emit(Delta::insert_only(batch));
        }
        self.rows.settle()
    }
}

impl Operator for TemporalSort {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "a temporal sort planned for insertions got other changes",
            ));
        }
        self.take_in(delta.batch(), |row_idx| ctx.watermark_at(&delta, row_idx))
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        self.emit_until(watermark_ms, out)
    }

    fn on_step_end(&mut self, _ctx: &StepContext, out: &mut Output) -> Result<()> {
        match self.spec.time_column {
            Some(_) => self.rows.settle(),
            None => self.emit_until(i64::MAX, out),
        }
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let slots = self.waiting.values().flatten().map(|row| row.slot);
        let rows = self.rows.gather_slots(slots)?;
        let arrivals = self.waiting.values().flatten().map(|row| row.arrival_ms);
        let arrivals = Arc::new(Int64Array::from_iter_values(arrivals));
        let fired: ArrayRef = Arc::new(Int64Array::from(vec![self.last_fired_ms]));
        Ok(vec![
            StateTable {
                name: "rows",
                batch: with_column(&rows, "arrival_watermark", arrivals)?,
                key_columns: Vec::new(),
            },
            StateTable {
                name: "last_fired",
                batch: RecordBatch::try_from_iter([("time", fired)])?,
                key_columns: Vec::new(),
            },
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        for table in tables {
            let last = table.batch.columns().last();
            let last = last.and_then(|column| column.as_primitive_opt::<Int64Type>());
            let Some(last) = last else {
                return Err(EngineError::internal(
                    "a temporal sort's state has other columns",
                ));
            };
            if table.name == "last_fired" {
                let fired = last.values().iter().copied().max();
                self.last_fired_ms = fired.unwrap_or(NO_WATERMARK);
                continue;
            }
            let n_columns = self.spec.input_schema.fields().len();
            let columns = table
                .batch
                .columns()
                .iter()
                .take(n_columns)
                .cloned()
                .collect();
            let rows = RecordBatch::try_new(Arc::clone(&self.spec.input_schema), columns)?;
            // They were not late when they came.
            let fired = std::mem::replace(&mut self.last_fired_ms, NO_WATERMARK);
            self.take_in(&rows, |_| NO_WATERMARK)?;
            self.last_fired_ms = fired;
            for (row, &arrival_ms) in self.waiting.values_mut().flatten().zip(last.values()) {
                row.arrival_ms = arrival_ms;
            }
            self.rows.settle()?;
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        let of_entries = self.rows.len() * size_of::<Row>();
        self.rows.state_bytes() + self.key_bytes + of_entries
    }
}
