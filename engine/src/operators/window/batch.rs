//! Operators that work on whole windows: joins, Top-N and deduplication of windows.
//!
//! ```text
//!   port 0 rows ─▶ kept by window end ┐  watermark    a fresh operator over the rows of the
//!   port 1 rows ─▶ kept by window end ┴──────────▶    windows that are over ─▶ +I, then forgotten
//! ```
//!
//! What the operator inside does is the same as over a table; but here its input is complete when
//! it begins, so its result is final, and nothing of it has to be remembered. Rows whose window was
//! over when they came are dropped.
//!
//! Source: `WindowJoinOperator`, `WindowRankOperator` and `RowTimeWindowDeduplicate…` of Flink 2.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::WindowClock;
use super::aggregate::state_batch;
use super::assign::millis;
use crate::data::{Delta, NO_WATERMARK};
use crate::error::{EngineError, Result};
use crate::operators::{Operator, OperatorFactory, Output, StepContext, TimeUse};
use crate::state::{RowStore, StateTable};

/// An input whose rows wait for the end of their window.
#[derive(Debug, Clone)]
pub struct WindowInput {
    /// Its rows.
    pub schema: SchemaRef,
    /// The column with the end of the window.
    pub end_column: usize,
    /// The columns by which it is exchanged.
    pub key_columns: Vec<usize>,
}

/// An operator over whole windows.
#[derive(Debug, Clone)]
pub struct WindowBatchSpec {
    /// The inputs, by port.
    pub inputs: Vec<WindowInput>,
    /// How clocks of windows become times.
    pub clock: WindowClock,
    /// Whether the operator sees the rows that came last first: among equal rows it prefers the
    /// first that it sees.
    pub latest_first: bool,
    /// What is done with the rows; it gives net changes at the end of a step.
    pub inner: Arc<dyn OperatorFactory>,
}

impl OperatorFactory for WindowBatchSpec {
    fn create(&self, _worker_idx: usize, n_workers: usize) -> Result<Box<dyn Operator>> {
        let ports = self
            .inputs
            .iter()
            .map(|input| Port {
                rows: RowStore::new(Arc::clone(&input.schema)),
                windows: BTreeMap::new(),
            })
            .collect();
        Ok(Box::new(WindowBatch {
            spec: self.clone(),
            ports,
            n_workers,
            n_late: 0,
        }))
    }

    fn time_use(&self) -> TimeUse {
        TimeUse::Windows
    }
}

struct WindowBatch {
    spec: WindowBatchSpec,
    ports: Vec<Port>,
    n_workers: usize,
    n_late: u64,
}

/// The rows of an input.
struct Port {
    rows: RowStore,
    /// Slots by the end of their window, in order of arrival.
    windows: BTreeMap<i64, Vec<u32>>,
}

/// The names of the tables of a checkpoint, by port.
const TABLES: [&str; 2] = ["left", "right"];

impl Operator for WindowBatch {
    fn push(
        &mut self,
        port: usize,
        delta: Delta,
        ctx: &StepContext,
        _out: &mut Output,
    ) -> Result<()> {
        if delta.kinds().is_some() {
            return Err(EngineError::internal(
                "a window of rows that are taken back",
            ));
        }
        let clock = self.spec.clock;
        let (input, kept) = self.port(port)?;
        let ends = ends_of(delta.batch(), input.end_column)?;
        let block = kept.rows.admit(delta.batch().clone());
        let mut n_late = 0;
        for (row_idx, end_ms) in (0_u32..).zip(&ends) {
            // A row that an outer join has padded is in no window.
            let Some(end_ms) = end_ms else { continue };
            let watermark_ms = ctx.watermark_at(&delta, row_idx as usize);
            if watermark_ms != NO_WATERMARK && clock.is_over(end_ms, watermark_ms) {
                n_late += 1;
                continue;
            }
            let slot = kept.rows.keep(block, row_idx);
            kept.windows.entry(end_ms).or_default().push(slot);
        }
        self.n_late += n_late;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark_ms: i64,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let clock = self.spec.clock;
        let mut inner: Option<Box<dyn Operator>> = None;
        for (port, kept) in self.ports.iter_mut().enumerate() {
            let mut slots = Vec::new();
            while let Some(entry) = kept.windows.first_entry() {
                if !clock.is_over(*entry.key(), watermark_ms) {
                    break;
                }
                let rows = entry.remove();
                if self.spec.latest_first {
                    slots.extend(rows.into_iter().rev());
                } else {
                    slots.extend(rows);
                }
            }
            if slots.is_empty() {
                continue;
            }
            let batch = kept.rows.gather_slots(slots.iter().copied())?;
            for slot in slots {
                kept.rows.release(slot);
            }
            let inner = match &mut inner {
                Some(inner) => inner,
                None => inner.insert(self.spec.inner.create(ctx.worker_idx, self.n_workers)?),
            };
            inner.push(port, Delta::insert_only(batch), ctx, out)?;
        }
        match inner {
            Some(mut inner) => inner.on_step_end(ctx, out),
            None => Ok(()),
        }
    }

    fn on_step_end(&mut self, _ctx: &StepContext, _out: &mut Output) -> Result<()> {
        self.ports
            .iter_mut()
            .try_for_each(|kept| kept.rows.settle())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        let ports = self.ports.iter().zip(&self.spec.inputs).zip(TABLES);
        ports
            .map(|((kept, input), name)| {
                let slots = kept.windows.values().flatten().copied();
                let mut columns = kept.rows.gather_slots(slots)?.columns().to_vec();
                let ends: Int64Array = kept
                    .windows
                    .iter()
                    .flat_map(|(&end_ms, slots)| slots.iter().map(move |_| Some(end_ms)))
                    .collect();
                columns.push(Arc::new(ends));
                Ok(StateTable {
                    name,
                    batch: state_batch(columns)?,
                    key_columns: input.key_columns.clone(),
                })
            })
            .collect()
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        let not_ours = || EngineError::Data {
            message: "the saved rows are not those of this window".to_owned(),
        };
        for table in tables {
            let port = TABLES.iter().position(|name| *name == table.name);
            let (input, kept) = self.port(port.ok_or_else(not_ours)?)?;
            let (ends, columns) = table.batch.columns().split_last().ok_or_else(not_ours)?;
            let ends = ends.as_primitive_opt::<Int64Type>().ok_or_else(not_ours)?;
            let batch = RecordBatch::try_new(Arc::clone(&input.schema), columns.to_vec())?;
            let block = kept.rows.admit(batch);
            for (row_idx, &end_ms) in (0_u32..).zip(ends.values()) {
                let slot = kept.rows.keep(block, row_idx);
                kept.windows.entry(end_ms).or_default().push(slot);
            }
            kept.rows.settle()?;
        }
        Ok(())
    }

    fn late_records(&self) -> u64 {
        self.n_late
    }

    fn state_bytes(&self) -> usize {
        self.ports
            .iter()
            .map(|kept| {
                let of_slots = kept.rows.len() * size_of::<u32>();
                kept.rows.state_bytes() + of_slots + kept.windows.len() * 64
            })
            .sum()
    }
}

impl WindowBatch {
    fn port(&mut self, port: usize) -> Result<(&WindowInput, &mut Port)> {
        match (self.spec.inputs.get(port), self.ports.get_mut(port)) {
            (Some(input), Some(kept)) => Ok((input, kept)),
            _ => Err(EngineError::internal("a window has no such input")),
        }
    }
}

fn ends_of(batch: &RecordBatch, column: usize) -> Result<arrow::array::TimestampMillisecondArray> {
    millis(
        batch
            .columns()
            .get(column)
            .ok_or_else(|| EngineError::internal("rows without their window"))?,
    )
}
