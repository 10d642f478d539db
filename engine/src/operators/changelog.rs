//! TO_CHANGELOG and FROM_CHANGELOG: the kind of a row as a column, and back.
//!
//! ```text
//!   -U │ 1 │ a    ──to──▶   +I │ UPDATE_BEFORE │ 1 │ a
//!   +U │ 1 │ b    ◀─from─   +I │ UPDATE_AFTER  │ 1 │ b
//! ```
//!
//! Both keep no state. A kind without a code takes the row out; a code without a kind ends the job,
//! or takes the row out if that is asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};

use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::state::StateTable;

/// Kinds and the codes that stand for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpCodes(pub Vec<(RowKind, String)>);

impl OpCodes {
    /// Flink's names of the kinds.
    #[must_use]
    pub fn names() -> Self {
        Self(
            [
                (RowKind::Insert, "INSERT"),
                (RowKind::UpdateBefore, "UPDATE_BEFORE"),
                (RowKind::UpdateAfter, "UPDATE_AFTER"),
                (RowKind::Delete, "DELETE"),
            ]
            .map(|(kind, name)| (kind, name.to_owned()))
            .into(),
        )
    }

    /// The code of a kind.
    fn code(&self, kind: RowKind) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, code)| code.as_str())
    }

    /// The kind of a code.
    fn kind(&self, code: &str) -> Option<RowKind> {
        self.0
            .iter()
            .find(|(_, known)| known == code)
            .map(|(kind, _)| *kind)
    }

    /// Whether a code stands for the kind.
    #[must_use]
    pub fn has(&self, kind: RowKind) -> bool {
        self.code(kind).is_some()
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangelogWay {
    /// TO_CHANGELOG: the code is the first column of what leaves.
    To,
    /// FROM_CHANGELOG: the code is a column of what comes.
    From {
        /// The column of the codes.
        column: usize,
        /// Whether rows with an unknown code are left out; they are an error otherwise.
        skips_unknown: bool,
    },
}

/// A TO_CHANGELOG or FROM_CHANGELOG.
#[derive(Debug, Clone)]
pub struct ChangelogSpec {
    /// Which way.
    pub way: ChangelogWay,
    /// The codes.
    pub codes: OpCodes,
    /// Schema of the rows that leave.
    pub schema: SchemaRef,
}

impl OperatorFactory for ChangelogSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Changelog { spec: self.clone() }))
    }
}

struct Changelog {
    spec: ChangelogSpec,
}

impl Operator for Changelog {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        out.emit(match self.spec.way {
            ChangelogWay::To => self.to_rows(&delta)?,
            ChangelogWay::From {
                column,
                skips_unknown,
            } => self.read_rows(&delta, column, skips_unknown)?,
        });
        Ok(())
    }

    fn save(&self) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }
}

impl Changelog {
    fn to_rows(&self, delta: &Delta) -> Result<Delta> {
        let n_rows = u32::try_from(delta.num_rows()).unwrap_or(u32::MAX);
        let (rows, codes): (Vec<u32>, Vec<&str>) = (0..n_rows)
            .filter_map(|row_idx| {
                let code = self.spec.codes.code(delta.kind(row_idx as usize))?;
                Some((row_idx, code))
            })
            .unzip();
        let kept = delta.take(&UInt32Array::from(rows))?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(codes))];
        columns.extend(kept.batch().columns().iter().map(Arc::clone));
        let batch = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
        Delta::insert_only(batch).with_watermarks(kept.watermarks().cloned())
    }

    fn unknown(&self, code: &str) -> EngineError {
        let known: Vec<&str> = (self.spec.codes.0.iter())
            .map(|(_, known)| known.as_str())
            .collect();
        EngineError::Data {
            message: format!(
                "Received invalid op code '{code}'. Defined op codes are: [{}].",
                known.join(", ")
            ),
        }
    }

    fn read_rows(&self, delta: &Delta, column: usize, skips_unknown: bool) -> Result<Delta> {
        let codes = delta
            .batch()
            .columns()
            .get(column)
            .ok_or_else(|| EngineError::internal("FROM_CHANGELOG reads a missing column"))?;
        let codes = cast(codes, &DataType::Utf8)?;
        let codes = codes.as_string::<i32>();
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for (row_idx, code) in (0_u32..).zip(codes) {
            match code.and_then(|code| self.spec.codes.kind(code)) {
                Some(kind) => {
                    rows.push(row_idx);
                    kinds.push(kind);
                }
                None if skips_unknown => {}
                None => return Err(self.unknown(code.unwrap_or("null"))),
            }
        }
        let kept = delta.take(&UInt32Array::from(rows))?;
        let columns = kept
            .batch()
            .columns()
            .iter()
            .enumerate()
            .filter(|(column_idx, _)| *column_idx != column)
            .map(|(_, column)| Arc::clone(column))
            .collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(&self.spec.schema), columns, &options)?;
        Delta::try_new(batch, kinds)?.with_watermarks(kept.watermarks().cloned())
    }
}
