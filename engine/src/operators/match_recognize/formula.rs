//! Expressions over the rows of matches: the values that they refer to become columns, one row a
//! match.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::DataType;

use super::nfa::Step;
use super::{Formula, Reference};
use crate::error::{EngineError, Result};
use crate::operators::aggregates::Aggregate;
use crate::state::{Place, RowStore};

/// A formula with what it needs to be computed.
pub(super) struct Evaluator {
    formula: Formula,
    values: Vec<Value>,
}

enum Value {
    Row(DataType),
    Aggregate(Box<Aggregate>),
}

impl Evaluator {
    pub(super) fn try_new(formula: &Formula, input_types: &[DataType]) -> Result<Self> {
        let values = formula
            .references
            .iter()
            .map(|reference| {
                Ok(match reference {
                    Reference::Row { column, .. } => {
                        let data_type = input_types.get(*column).cloned();
                        Value::Row(data_type.ok_or_else(|| {
                            EngineError::internal("a pattern reads a missing column")
                        })?)
                    }
                    Reference::Aggregate { call, .. } => {
                        Value::Aggregate(Box::new(Aggregate::try_new(call, input_types, false)?))
                    }
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            formula: formula.clone(),
            values,
        })
    }

    /// Whether all that it looks at is the last row, which is one of `variable`.
    pub(super) fn sees_last_row_only(&self, variable: usize) -> bool {
        self.formula.references.iter().all(|reference| {
            matches!(
                reference,
                Reference::Row {
                    variable: of,
                    from_last: true,
                    offset: 0,
                    ..
                } if of.is_none_or(|of| of == variable)
            )
        })
    }

    /// The value for each path.
    pub(super) fn evaluate(&mut self, rows: &RowStore, paths: &[&[Step]]) -> Result<ArrayRef> {
        let columns = self
            .formula
            .references
            .iter()
            .zip(&mut self.values)
            .map(|(reference, value)| match (reference, value) {
                (
                    Reference::Row {
                        variable,
                        from_last,
                        offset,
                        column,
                    },
                    Value::Row(data_type),
                ) => {
                    let sources: Vec<(Option<Place>, usize)> = paths
                        .iter()
                        .map(|path| {
                            let slot = row_of(path, *variable, *from_last, *offset);
                            (slot.map(|slot| rows.place(slot)), *column)
                        })
                        .collect();
                    rows.values(&sources, data_type)
                }
                (Reference::Aggregate { variable, .. }, Value::Aggregate(aggregate)) => {
                    aggregated(aggregate, rows, paths, *variable)
                }
                _ => Err(EngineError::internal("a pattern mixes up its values")),
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(paths.len()));
        let schema = Arc::clone(&self.formula.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(self
            .formula
            .expr
            .evaluate(&batch)?
            .into_array(paths.len())?)
    }
}

fn row_of(path: &[Step], variable: Option<usize>, from_last: bool, offset: usize) -> Option<u32> {
    let is_meant = |step: &&Step| variable.is_none_or(|variable| step.variable == variable);
    let mut rows = path.iter().filter(is_meant);
    let step = if from_last {
        rows.rev().nth(offset)
    } else {
        rows.nth(offset)
    };
    step.map(|step| step.slot)
}

fn aggregated(
    aggregate: &mut Aggregate,
    rows: &RowStore,
    paths: &[&[Step]],
    variable: Option<usize>,
) -> Result<ArrayRef> {
    let mut places = Vec::new();
    let mut groups = Vec::new();
    for (group, path) in (0_u32..).zip(paths) {
        for step in path.iter() {
            if variable.is_none_or(|variable| step.variable == variable) {
                places.push(rows.place(step.slot));
                groups.push(group);
            }
        }
    }
    let all: Vec<u32> = (0..paths.len() as u32).collect();
    aggregate.resize(paths.len());
    let batch = rows.gather(&places)?;
    aggregate.update(&batch, &groups, None)?;
    let values = aggregate.read(&all)?;
    for group in all {
        aggregate.clear(group);
    }
    Ok(values)
}
