//! TUMBLE, HOP and CUMULATE as table functions: each row with each of its windows. Under an
//! aggregate also SESSION: each row with the session that it makes alone.
//!
//! Without state: whether a row comes too late is for those to decide who wait for the window's
//! end. A row without a time belongs to no window.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;

use super::assign::{millis, window_columns};
use super::{WindowClock, WindowKind};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::operators::{Operator, OperatorFactory, Output, StepContext};
use crate::state::StateTable;

/// A window table function whose windows do not depend on other rows.
#[derive(Debug, Clone)]
pub struct WindowTvfSpec {
    /// The windows.
    pub kind: WindowKind,
    /// Column of the time.
    pub time_column: usize,
    /// How the time becomes a clock.
    pub clock: WindowClock,
    /// Schema of the rows that leave: those that come in, and the three columns of the window.
    pub schema: SchemaRef,
}

impl OperatorFactory for WindowTvfSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(WindowTvf { spec: self.clone() }))
    }
}

struct WindowTvf {
    spec: WindowTvfSpec,
}

impl Operator for WindowTvf {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let spec = &self.spec;
        let times = delta
            .batch()
            .columns()
            .get(spec.time_column)
            .ok_or_else(|| EngineError::internal("a window over a missing column"))?;
        let times = millis(times)?;
        let mut rows: Vec<u32> = Vec::with_capacity(times.len());
        let mut windows = Vec::with_capacity(times.len());
        for (row_idx, time_ms) in (0_u32..).zip(&times) {
            let Some(time_ms) = time_ms else { continue };
            spec.kind.assign(spec.clock.wall_ms(time_ms), |window| {
                rows.push(row_idx);
                windows.push(window);
            });
        }
        let is_same = rows.len() == delta.num_rows()
            && rows.iter().zip(0_u32..).all(|(&row, idx)| row == idx);
        let delta = if is_same {
            delta
        } else {
            delta.take(&UInt32Array::from(rows))?
        };
        let mut columns = delta.batch().columns().to_vec();
        columns.extend(window_columns(&windows, spec.clock, &spec.schema)?);
        let batch = RecordBatch::try_new(Arc::clone(&spec.schema), columns)?;
        out.emit(delta.with_batch(batch)?);
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }
}
