//! Expressions over the rows of matches. What they refer to becomes columns, one row a match, or,
//! for a condition that has a program, single values.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::DataType;

use super::cells::Value;
use super::layout::{Layout, Origin};
use super::memory::{Memory, View};
use super::program::Program;
use super::{Formula, Reference};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::Aggregate;
use crate::state::Place;

/// A formula with what it needs to be computed.
pub(super) struct Evaluator {
    formula: Formula,
    sources: Vec<Source>,
    program: Option<Program>,
}

/// Where a reference is found.
struct Source {
    origin: Origin,
    /// The column of a row.
    column: usize,
    data_type: DataType,
    /// An aggregate that is computed from the path, and the variable whose rows it takes.
    aggregate: Option<(Box<Aggregate>, Option<usize>)>,
}

impl Evaluator {
    /// A condition on rows that would be a `candidate`; without one, a measure.
    pub(super) fn try_new(
        formula: &Formula,
        candidate: Option<usize>,
        layout: &Layout,
        input_types: &[DataType],
    ) -> Result<Self> {
        let sources = formula
            .references
            .iter()
            .map(|reference| {
                let origin = layout.origin(reference, candidate, input_types);
                Ok(match reference {
                    Reference::Row { column, .. } => Source {
                        origin,
                        column: *column,
                        data_type: input_types.get(*column).cloned().ok_or_else(|| {
                            EngineError::internal("a pattern reads a missing column")
                        })?,
                        aggregate: None,
                    },
                    Reference::Aggregate { call, variable } => Source {
                        origin,
                        column: 0,
                        data_type: call.result.data_type().clone(),
                        aggregate: match origin {
                            Origin::Path => {
                                let aggregate = Aggregate::try_new(call, input_types, false)?;
                                Some((Box::new(aggregate), *variable))
                            }
                            _ => None,
                        },
                    },
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let program = Program::compile(&formula.expr, &formula.schema).filter(|program| {
            let mut read = Vec::new();
            program.references(&mut read);
            let origin = |idx: usize| sources.get(idx).map(|source| source.origin);
            candidate.is_some()
                && read
                    .into_iter()
                    .all(|idx| origin(idx) != Some(Origin::Path))
        });
        Ok(Self {
            formula: formula.clone(),
            sources,
            program,
        })
    }

    /// Has the cells kept that its program reads.
    pub(super) fn want(&self, memory: &mut Memory) {
        let Some(program) = &self.program else {
            return;
        };
        let mut read = Vec::new();
        program.references(&mut read);
        for source in read.into_iter().filter_map(|idx| self.sources.get(idx)) {
            if !matches!(source.origin, Origin::Total(..)) {
                memory.cells.want(source.column, &source.data_type, true);
            }
        }
    }

    /// Whether it has a program, so that it can be asked for one match at no cost.
    pub(super) const fn is_quick(&self) -> bool {
        self.program.is_some()
    }

    /// Whether all that it looks at is the row that is asked about.
    pub(super) fn sees_candidate_only(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.all(|source| source.origin == Origin::Candidate)
    }

    /// Whether the condition holds for `view`, by its program; `None` without one.
    #[inline]
    pub(super) fn quickly(&self, memory: &Memory, view: View) -> Option<bool> {
        let program = self.program.as_ref()?;
        let value = program.run(&|idx| match self.sources.get(idx) {
            Some(source) => memory.value_at(view, source.origin, source.column),
            None => Value::Null,
        });
        Some(value == Value::Integer(1))
    }

    /// The value for each match.
    pub(super) fn evaluate(&mut self, memory: &Memory, views: &[View]) -> Result<ArrayRef> {
        let columns = self
            .sources
            .iter_mut()
            .map(|source| source.column(memory, views))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(views.len()));
        let schema = Arc::clone(&self.formula.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let value = self.formula.expr.evaluate(&batch)?;
        Ok(value.into_array(views.len())?)
    }
}

impl Source {
    fn column(&mut self, memory: &Memory, views: &[View]) -> Result<ArrayRef> {
        if let Some((aggregate, variable)) = &mut self.aggregate {
            return aggregated(aggregate, memory, views, *variable);
        }
        if let Origin::Total(idx, with_candidate) = self.origin {
            let aggregate = memory.layout.totals.get(idx);
            let aggregate =
                aggregate.ok_or_else(|| EngineError::internal("a pattern lacks a total"))?;
            let totals = views
                .iter()
                .map(|view| memory.total_at(*view, idx, with_candidate));
            return aggregate.column(totals);
        }
        let places: Vec<(Option<Place>, usize)> = views
            .iter()
            .map(|view| {
                let slot = memory.slot_at(*view, self.origin);
                (slot.map(|slot| memory.rows.place(slot)), self.column)
            })
            .collect();
        memory.rows.values(&places, &self.data_type)
    }
}

/// An aggregate over the rows of each match.
fn aggregated(
    aggregate: &mut Aggregate,
    memory: &Memory,
    views: &[View],
    variable: Option<usize>,
) -> Result<ArrayRef> {
    let mut places = Vec::new();
    let mut groups = Vec::new();
    for (group, view) in (0_u32..).zip(views) {
        for step in memory.path(*view) {
            if variable.is_none_or(|variable| step.variable == variable) {
                places.push(memory.rows.place(step.slot));
                groups.push(group);
            }
        }
    }
    let all: Vec<u32> = (0..views.len() as u32).collect();
    aggregate.resize(views.len());
    let batch = memory.rows.gather(&places)?;
    aggregate.update(&batch, &groups, None)?;
    let values = aggregate.read(&all)?;
    for group in all {
        aggregate.clear(group);
    }
    Ok(values)
}
