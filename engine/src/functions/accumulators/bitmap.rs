//! The aggregates of BITMAP: of integers that become a set, and the union, intersection and
//! symmetric difference of sets; each also as the number of members.
//!
//! A set alone cannot give a member back that two rows had. If rows may be taken back, a group
//! counts how many of its rows have each member; a symmetric difference undoes itself.
//!
//! Source: Flink 2.3, `AbstractBitmap{Build, Or, And, Xor}[WithRetract]AggFunction`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, LargeBinaryArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use roaring::RoaringBitmap;

use super::values::{SavedLists, lists, saved_lists};
use super::{Accumulator, Fold, Folded, only, saved_column, signed};
use crate::error::{EngineError, Result};
use crate::functions::bitmap::{decode, encode};

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// Integers become members.
    Build,
    /// Members of any set.
    Or,
    /// Members of all sets.
    And,
    /// Members of an odd number of sets.
    Xor,
}

/// An aggregate of sets; `counts` asks for the number of members.
pub(super) fn bitmap(
    operation: SetOperation,
    counts: bool,
    input_retracts: bool,
) -> Box<dyn Accumulator> {
    Box::new(Folded::new(Bitmaps {
        operation,
        counts,
        keeps_counts: input_retracts && operation != SetOperation::Xor,
    }))
}

struct Bitmaps {
    operation: SetOperation,
    /// Whether the result is the number of members.
    counts: bool,
    /// Whether a group counts how often it has each member.
    keeps_counts: bool,
}

/// The sets of a group.
#[derive(Debug, Clone, Default)]
struct Sets {
    n_rows: i64,
    /// The result, where members are not counted.
    set: RoaringBitmap,
    /// How many rows have a member, where they are.
    counts: BTreeMap<u32, i64>,
}

/// Rows, and the first set that could not be read.
struct Column {
    values: ArrayRef,
    broken: RefCell<Option<EngineError>>,
}

/// What a counted member takes, roughly.
const COUNT_BYTES: usize = size_of::<(u32, i64)>() * 2;

impl Bitmaps {
    /// The members that row `row_idx` has.
    fn set_at(&self, column: &Column, row_idx: usize) -> RoaringBitmap {
        if self.operation == SetOperation::Build {
            let integers = column.values.as_primitive::<Int32Type>();
            return std::iter::once(integers.value(row_idx).cast_unsigned()).collect();
        }
        match decode(column.values.as_binary::<i64>().value(row_idx)) {
            Ok(set) => set,
            Err(error) => {
                column.broken.borrow_mut().get_or_insert(error);
                RoaringBitmap::new()
            }
        }
    }

    fn add(&self, state: &mut Sets, set: &RoaringBitmap, sign: i64) {
        let is_first = state.n_rows == 0;
        state.n_rows += sign;
        if self.keeps_counts {
            for member in set {
                let count = state.counts.entry(member).or_default();
                *count += sign;
                if *count == 0 {
                    state.counts.remove(&member);
                }
            }
            return;
        }
        match self.operation {
            SetOperation::Build | SetOperation::Or => state.set |= set,
            SetOperation::And if is_first => state.set.clone_from(set),
            SetOperation::And => state.set &= set,
            SetOperation::Xor => state.set ^= set,
        }
    }

    fn bytes_of(state: &Sets) -> usize {
        state.set.serialized_size() + state.counts.len() * COUNT_BYTES
    }
}

impl Fold for Bitmaps {
    type State = Sets;
    type Column = Column;
    type Saved = (
        Int64Array,
        LargeBinaryArray,
        SavedLists<(UInt32Array, Int64Array)>,
    );
    type Value = RoaringBitmap;

    fn column(&self, arguments: &[ArrayRef]) -> Result<Column> {
        let values = only(arguments)?;
        let wanted = match self.operation {
            SetOperation::Build => DataType::Int32,
            _ => DataType::LargeBinary,
        };
        Ok(Column {
            values: cast(values, &wanted)?,
            broken: RefCell::new(None),
        })
    }

    fn step(&self, state: &mut Sets, column: &Column, row_idx: usize, sign: i64) -> isize {
        let before = Self::bytes_of(state);
        self.add(state, &self.set_at(column, row_idx), sign);
        signed(Self::bytes_of(state)) - signed(before)
    }

    fn check(&self, column: &Column) -> Result<()> {
        match column.broken.borrow_mut().take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn value(&self, state: &Sets) -> Option<RoaringBitmap> {
        if state.n_rows <= 0 {
            return None;
        }
        if !self.keeps_counts {
            return Some(state.set.clone());
        }
        let least = match self.operation {
            SetOperation::And => state.n_rows,
            _ => 1,
        };
        let members = state.counts.iter().filter(|(_, count)| **count >= least);
        Some(members.map(|(member, _)| *member).collect())
    }

    fn build(&self, values: impl Iterator<Item = Option<RoaringBitmap>>) -> Result<ArrayRef> {
        if self.counts {
            let counts =
                values.map(|set| set.map(|set| i64::try_from(set.len()).unwrap_or(i64::MAX)));
            return Ok(Arc::new(counts.collect::<Int64Array>()));
        }
        let sets = values
            .map(|set| set.map(|set| encode(&set)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let sets: LargeBinaryArray = sets.iter().map(Option::as_deref).collect();
        Ok(Arc::new(sets))
    }

    fn heap_bytes(&self, state: &Sets) -> usize {
        Self::bytes_of(state)
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Sets>) -> Result<Vec<ArrayRef>> {
        let (mut rows, mut sets) = (Vec::new(), Vec::new());
        let (mut lengths, mut members, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            rows.push(state.n_rows);
            sets.push(encode(&state.set)?);
            lengths.push(state.counts.len());
            members.extend(state.counts.keys().copied());
            counts.extend(state.counts.values().copied());
        }
        let members: ArrayRef = Arc::new(UInt32Array::from(members));
        let counts: ArrayRef = Arc::new(Int64Array::from(counts));
        Ok(vec![
            Arc::new(Int64Array::from(rows)),
            Arc::new(LargeBinaryArray::from_iter_values(sets)),
            lists(lengths, vec![("member", members), ("count", counts)])?,
        ])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        let members = saved_lists(columns, 2, |items| {
            Ok((saved_column(items, 0)?, saved_column(items, 1)?))
        })?;
        let sets: LargeBinaryArray = saved_column(columns, 1)?;
        for set in sets.iter().flatten() {
            decode(set)?;
        }
        Ok((saved_column(columns, 0)?, sets, members))
    }

    fn merge(&self, state: &mut Sets, saved: &Self::Saved, row_idx: usize) -> isize {
        let (rows, sets, members) = saved;
        let n_rows = rows.value(row_idx);
        if n_rows == 0 {
            return 0;
        }
        let before = Self::bytes_of(state);
        let n_rows_before = state.n_rows;
        // Looked at by `saved`.
        let set = decode(sets.value(row_idx)).unwrap_or_default();
        if self.keeps_counts {
            let (values, counts) = &members.items;
            for place in members.places(row_idx) {
                let count = state.counts.entry(values.value(place)).or_default();
                *count += counts.value(place);
                if *count == 0 {
                    state.counts.remove(&values.value(place));
                }
            }
        } else {
            self.add(state, &set, 1);
        }
        state.n_rows = n_rows_before + n_rows;
        signed(Self::bytes_of(state)) - signed(before)
    }
}
