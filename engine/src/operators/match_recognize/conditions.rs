//! Whether a row may be a row of a variable, behind what a partial match has.
//!
//! | the condition | is computed |
//! | --- | --- |
//! | has a program | when it is asked |
//! | looks at the row alone | for all rows of a call at once |
//! | looks at more | for all partial matches of a wave at once |
//!
//! A wave is one row of each partition: what one of its rows does to partial matches does not
//! concern the others. An expression that fails for rows or matches that nobody would have asked
//! about is computed again one by one, as it is asked.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};

use super::formula::Evaluator;
use super::memory::{Memory, View};
use super::nfa::reaches;
use super::{Element, MatchSpec};
use crate::error::{EngineError, Result};

/// The conditions of DEFINE.
pub(super) struct Conditions {
    /// By variable.
    evaluators: Vec<Option<Evaluator>>,
    /// By variable, then by row of the call.
    of_rows: Vec<Option<BooleanArray>>,
    /// By variable: the answer for a candidate of the wave stands at this place.
    of_wave: Vec<Option<(Vec<u32>, BooleanArray)>>,
    elements: Vec<Element>,
}

/// A question: may the row of `view` be one of a variable?
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) memo: u32,
    pub(super) slot: u32,
    /// The row's place among those of the call.
    pub(super) row_idx: usize,
    /// The partial match's place among those of the wave.
    pub(super) candidate: Option<usize>,
}

/// A partial match of a wave, and the row that may continue it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) memo: u32,
    pub(super) slot: u32,
    pub(super) element: usize,
    pub(super) count: usize,
}

const NOT_ASKED: u32 = u32::MAX;

impl Conditions {
    pub(super) fn try_new(
        spec: &MatchSpec,
        memory: &mut Memory,
        input_types: &[arrow::datatypes::DataType],
    ) -> Result<Self> {
        let evaluators = spec
            .variables
            .iter()
            .enumerate()
            .map(|(variable, of)| {
                let condition = of.condition.as_ref();
                condition
                    .map(|formula| {
                        Evaluator::try_new(formula, Some(variable), &memory.layout, input_types)
                    })
                    .transpose()
            })
            .collect::<Result<Vec<_>>>()?;
        for evaluator in evaluators.iter().flatten() {
            evaluator.want(memory);
        }
        Ok(Self {
            of_rows: evaluators.iter().map(|_| None).collect(),
            of_wave: evaluators.iter().map(|_| None).collect(),
            evaluators,
            elements: spec.elements.clone(),
        })
    }

    /// Whether rows are taken in waves: some condition is computed for many partial matches.
    pub(super) fn need_waves(&self) -> bool {
        let mut evaluators = self.evaluators.iter().flatten();
        evaluators.any(|it| !it.is_quick() && !it.sees_candidate_only())
    }

    /// Computes what looks at these rows alone.
    pub(super) fn look_at_rows(&mut self, memory: &Memory, slots: &[u32]) {
        for (variable, (evaluator, known)) in self
            .evaluators
            .iter_mut()
            .zip(&mut self.of_rows)
            .enumerate()
        {
            *known = None;
            if let Some(evaluator) = evaluator
                && !evaluator.is_quick()
                && evaluator.sees_candidate_only()
                && !slots.is_empty()
            {
                let views: Vec<View> = slots
                    .iter()
                    .map(|&slot| View {
                        memo: super::memory::NOTHING,
                        candidate: Some((variable, slot)),
                    })
                    .collect();
                *known = evaluator
                    .evaluate(memory, &views)
                    .and_then(|it| booleans(&it))
                    .ok();
            }
        }
    }

    /// Computes what looks at more than the row, for the partial matches of a wave.
    pub(super) fn look_at_wave(&mut self, memory: &Memory, wave: &[Candidate]) {
        for (variable, (evaluator, known)) in self
            .evaluators
            .iter_mut()
            .zip(&mut self.of_wave)
            .enumerate()
        {
            *known = None;
            let Some(evaluator) = evaluator else {
                continue;
            };
            if evaluator.is_quick() || evaluator.sees_candidate_only() {
                continue;
            }
            let mut place_of = vec![NOT_ASKED; wave.len()];
            let mut views = Vec::new();
            for (candidate, place) in wave.iter().zip(&mut place_of) {
                let Candidate { element, count, .. } = *candidate;
                if reaches(&self.elements, element, count, variable) {
                    *place = views.len() as u32;
                    views.push(View {
                        memo: candidate.memo,
                        candidate: Some((variable, candidate.slot)),
                    });
                }
            }
            if !views.is_empty() {
                let values = evaluator.evaluate(memory, &views);
                let values = values.and_then(|values| booleans(&values)).ok();
                *known = values.map(|values| (place_of, values));
            }
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// If the condition cannot be computed.
    #[inline]
    pub(super) fn holds(&mut self, memory: &Memory, variable: usize, asked: Asked) -> Result<bool> {
        let Some(Some(evaluator)) = self.evaluators.get_mut(variable) else {
            return Ok(true);
        };
        let view = View {
            memo: asked.memo,
            candidate: Some((variable, asked.slot)),
        };
        if let Some(holds) = evaluator.quickly(memory, view) {
            return Ok(holds);
        }
        if let Some(Some(known)) = self.of_rows.get(variable) {
            return Ok(is_true(known, asked.row_idx));
        }
        if let (Some(Some((place_of, known))), Some(candidate)) =
            (self.of_wave.get(variable), asked.candidate)
            && let Some(&place) = place_of.get(candidate)
            && place != NOT_ASKED
        {
            return Ok(is_true(known, place as usize));
        }
        Ok(is_true(
            &booleans(&evaluator.evaluate(memory, &[view])?)?,
            0,
        ))
    }
}

fn is_true(values: &BooleanArray, idx: usize) -> bool {
    values.is_valid(idx) && values.value(idx)
}

fn booleans(column: &ArrayRef) -> Result<BooleanArray> {
    column
        .as_boolean_opt()
        .cloned()
        .ok_or_else(|| EngineError::internal("a condition of DEFINE is not boolean"))
}
