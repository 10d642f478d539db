//! The functions of an OVER window over a sequence of rows that enter and leave frames.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use std::sync::Arc;

use super::{OverCall, OverSpec};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::Aggregate;
use crate::state::{Place, RowStore};

/// The functions with their states, one a partition.
pub(super) struct Calls {
    calls: Vec<Call>,
    max_lag: Option<usize>,
}

enum Call {
    Aggregate(Box<Aggregate>),
    Count,
    Lag {
        argument: usize,
        offset: usize,
        default: Option<usize>,
        data_type: DataType,
    },
}

/// Rows in the order in which they enter (or leave) the frames of their partitions.
#[derive(Default)]
pub(super) struct Moves {
    pub(super) places: Vec<Place>,
    pub(super) partitions: Vec<u32>,
    pub(super) signs: Vec<i8>,
}

impl Moves {
    pub(super) fn push(&mut self, place: Place, partition: u32, sign: i8) {
        self.places.push(place);
        self.partitions.push(partition);
        self.signs.push(sign);
    }
}

/// What is read for a row.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// After which move the row's values are read.
    pub(super) after_move: u32,
    /// Rows of the partition up to this one, or its last peer.
    pub(super) count: i64,
}

impl Calls {
    pub(super) fn try_new(spec: &OverSpec) -> Result<Self> {
        let types: Vec<DataType> = spec
            .input_schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let mut max_lag = None;
        let calls = spec
            .calls
            .iter()
            .map(|call| {
                Ok(match call {
                    OverCall::Aggregate(call) => {
                        let retracts = spec.frame.is_bounded();
                        Call::Aggregate(Box::new(Aggregate::try_new(call, &types, retracts)?))
                    }
                    OverCall::Count => Call::Count,
                    OverCall::Lag {
                        argument,
                        offset,
                        default,
                    } => {
                        max_lag = max_lag.max(Some(*offset));
                        Call::Lag {
                            argument: *argument,
                            offset: *offset,
                            default: *default,
                            data_type: types.get(*argument).cloned().ok_or_else(|| {
                                EngineError::internal("LAG reads a missing column")
                            })?,
                        }
                    }
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { calls, max_lag })
    }

    /// How many rows back LAG looks.
    pub(super) const fn max_lag(&self) -> Option<usize> {
        self.max_lag
    }

    pub(super) fn resize(&mut self, n_partitions: usize) {
        for call in &mut self.calls {
            if let Call::Aggregate(aggregate) = call {
                aggregate.resize(n_partitions);
            }
        }
    }

    pub(super) fn clear(&mut self, partition: u32) {
        for call in &mut self.calls {
            if let Call::Aggregate(aggregate) = call {
                aggregate.clear(partition);
            }
        }
    }

    /// One column a call, one row a reading. `back` gives the row so many rows before that of a
    /// reading (0: the row itself, or its last peer).
    pub(super) fn evaluate(
        &mut self,
        rows: &RowStore,
        moves: &Moves,
        readings: &[Reading],
        back: impl Fn(usize, usize) -> Option<Place>,
    ) -> Result<Vec<ArrayRef>> {
        let has_aggregates = self
            .calls
            .iter()
            .any(|call| matches!(call, Call::Aggregate(_)));
        let moved = match has_aggregates {
            true => rows.gather(&moves.places)?,
            false => RecordBatch::new_empty(Arc::clone(rows.schema())),
        };
        let signs = moves.signs.contains(&-1).then_some(moves.signs.as_slice());
        let read: UInt32Array = readings.iter().map(|reading| reading.after_move).collect();
        self.calls
            .iter_mut()
            .map(|call| match call {
                Call::Aggregate(aggregate) => {
                    let values = aggregate.update_each(&moved, &moves.partitions, signs)?;
                    Ok(take(values.as_ref(), &read, None)?)
                }
                Call::Count => {
                    let counts = readings.iter().map(|reading| reading.count);
                    Ok(Arc::new(Int64Array::from_iter_values(counts)) as ArrayRef)
                }
                Call::Lag {
                    argument,
                    offset,
                    default,
                    data_type,
                } => {
                    let sources: Vec<(Option<Place>, usize)> = (0..readings.len())
                        .map(|row_idx| match (back(row_idx, *offset), *default) {
                            (Some(place), _) => (Some(place), *argument),
                            (None, Some(default)) => (back(row_idx, 0), default),
                            (None, None) => (None, *argument),
                        })
                        .collect();
                    rows.values(&sources, data_type)
                }
            })
            .collect()
    }

    /// The states of partitions as columns.
    pub(super) fn save(&self, partitions: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::new();
        for call in &self.calls {
            if let Call::Aggregate(aggregate) = call {
                columns.extend(aggregate.save(partitions)?);
            }
        }
        Ok(columns)
    }

    /// Takes up what [`Self::save`] gave.
    pub(super) fn restore(&mut self, partitions: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let mut rest = columns;
        for call in &mut self.calls {
            if let Call::Aggregate(aggregate) = call {
                // An aggregate knows its columns by asking for those of no partition.
                let n_columns = aggregate.save(&[])?.len();
                let (own, others) = rest
                    .split_at_checked(n_columns)
                    .ok_or_else(|| EngineError::internal("saved aggregates lack columns"))?;
                aggregate.restore(partitions, own)?;
                rest = others;
            }
        }
        Ok(())
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.calls
            .iter()
            .map(|call| match call {
                Call::Aggregate(aggregate) => aggregate.state_bytes(),
                _ => 0,
            })
            .sum()
    }
}
