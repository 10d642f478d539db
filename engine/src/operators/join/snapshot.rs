//! The state of a join as tables: the rows of each side, the counters of those that have some, and
//! when they were written where they have an end.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt32Type};

use super::Join;
use crate::error::{EngineError, Result};
use crate::state::StateTable;

const NAMES: [&str; 2] = ["left", "right"];
/// Of a row, behind its columns: the number of its partners.
const PARTNERS: &str = "partners";
/// And when it was written last, in milliseconds since the epoch.
const WRITTEN: &str = "written_ms";

impl Join {
    pub(super) fn save_rows(&self) -> Result<Vec<StateTable>> {
        if self.pending.iter().any(|deltas| !deltas.is_empty()) {
            return Err(EngineError::internal("a join is saved within a step"));
        }
        NAMES
            .into_iter()
            .enumerate()
            .map(|(port, name)| {
                Ok(StateTable {
                    name,
                    batch: self.side_table(port)?,
                    key_columns: self.input(port).key_columns.clone(),
                })
            })
            .collect()
    }

    fn side_table(&self, port: usize) -> Result<RecordBatch> {
        let side = self.side(port);
        // Key by key, each key's rows in the order in which they came.
        let slots = side.rows.all_rows();
        let located = side.rows.locate(&slots);
        let schema = &self.input(port).schema;
        let mut columns = (0..schema.fields().len())
            .map(|column| side.rows.gather(column, &located))
            .collect::<Result<Vec<_>>>()?;
        let mut fields = schema.fields().to_vec();
        if side.degrees.is_some() {
            fields.push(Arc::new(Field::new(PARTNERS, DataType::UInt32, false)));
            let degrees: UInt32Array = slots.iter().map(|&slot| side.degree(slot)).collect();
            columns.push(Arc::new(degrees));
        }
        if !side.writes.is_unused() {
            fields.push(Arc::new(Field::new(WRITTEN, DataType::Int64, true)));
            let written_ms: Int64Array = slots.iter().map(|&it| side.writes.last(it)).collect();
            columns.push(Arc::new(written_ms));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    pub(super) fn restore_rows(&mut self, tables: &[StateTable]) -> Result<()> {
        for table in tables {
            let port = NAMES.iter().position(|name| *name == table.name);
            let port = port.ok_or_else(|| {
                EngineError::internal(format!("a join has no state called '{}'", table.name))
            })?;
            self.restore_side(port, &table.batch)?;
        }
        Ok(())
    }

    fn restore_side(&mut self, port: usize, batch: &RecordBatch) -> Result<()> {
        let n_rows = batch.num_rows();
        let n_columns = self.input(port).schema.fields().len();
        let counter = |name: &str| {
            let schema = batch.schema();
            let mut fields = schema.fields().iter().skip(n_columns);
            let place = fields.position(|field| field.name() == name)?;
            batch.columns().get(n_columns + place).cloned()
        };
        let (degrees, written_ms) = (counter(PARTNERS), counter(WRITTEN));
        let columns: Vec<ArrayRef> = batch.columns().iter().take(n_columns).cloned().collect();
        if columns.len() != n_columns {
            return Err(EngineError::internal("the state of another join"));
        }
        if degrees.is_some() {
            // Counters that the time to live asked for.
            self.side_mut(port).degrees.get_or_insert_default();
        }
        let ids = self.intern(port, &columns, n_rows)?;
        let rows: Vec<u32> = (0..n_rows as u32).collect();
        let side = self.side_mut(port);
        let slots = side.insert(&columns, n_rows, &rows, &ids)?.slots;
        let degrees = degrees.as_ref().map(|degrees| {
            degrees
                .as_primitive_opt::<UInt32Type>()
                .map(|degrees| degrees.values().to_vec())
                .unwrap_or_default()
        });
        for (place, (&id, &slot)) in ids.iter().zip(&slots).enumerate() {
            side.add(id, 1);
            if let Some(degrees) = &degrees {
                side.set_degree(slot, degrees.get(place).copied().unwrap_or(0));
            }
        }
        let written_ms = written_ms.as_ref();
        if let Some(written_ms) = written_ms.and_then(|it| it.as_primitive_opt::<Int64Type>()) {
            let writes = slots.iter().zip(written_ms);
            let writes = writes.filter_map(|(&slot, written_ms)| Some((slot, written_ms?)));
            side.writes.restore(writes);
        }
        Ok(())
    }
}
