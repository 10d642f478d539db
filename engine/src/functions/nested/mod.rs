//! Functions on ARRAY, MAP, ROW and structured types.
//!
//! ```text
//!   construct   ARRAY[…]  MAP[…]  ROW(…)         types unified as in CASE, values cast to them
//!   access      a[i]  m[k]  r.f  r[i]  v['k']
//!   arrays      ARRAY_APPEND … ARRAY_UNION, CARDINALITY, ELEMENT, SPLIT
//!   maps        MAP_KEYS … MAP_UNION, STR_TO_MAP
//!   compare     =, <> of nested values
//!   structured  OBJECT_OF, OBJECT_UPDATE
//! ```
//!
//! Most of them only choose among values that are there: they compute which, and Arrow's `take`
//! does the copying.
//!
//! Source: `BuiltInFunctionDefinitions` and the functions in `runtime.functions.scalar` of Flink
//! 2.3, checked against recorded answers.

pub mod access;

pub mod arrays;

pub mod compare;

pub mod construct;

pub mod keys;

pub(crate) mod leaves;

pub mod maps;

pub mod sets;

pub mod structured;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::DataType;

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{Caster, OnFailure};
use crate::functions::define::Call;
use crate::functions::rules::{digits, is_text};
use crate::sql::diagnostics::validation;

/// Arguments of functions that take any number.
pub(crate) const MANY: usize = 10_000;

/// `array`, an argument of `call`, as a column of type `to`.
pub(crate) fn cast_to(
    call: &Call,
    array: &ArrayRef,
    from: &FlinkType,
    to: &FlinkType,
) -> Result<ArrayRef> {
    let caster = Caster {
        on_failure: OnFailure::Fail,
        zone: call.zone,
    };
    caster.cast(array, from, to)
}

/// The argument at `index` as a column of type `to`.
pub(crate) fn argument_as(call: &Call, index: usize, to: &FlinkType) -> Result<ArrayRef> {
    let from = call
        .types
        .get(index)
        .ok_or_else(|| EngineError::internal("an argument without a type"))?;
    cast_to(call, call.argument(index)?, from, to)
}

/// Whether Flink hands a value of `from` over where `to` is wanted, without CAST.
pub(crate) fn is_implicit(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    let rank = |root: &T| match root {
        T::TinyInt => Some(0),
        T::SmallInt => Some(1),
        T::Int => Some(2),
        T::BigInt => Some(3),
        T::Decimal { .. } => Some(4),
        T::Float => Some(5),
        T::Double => Some(6),
        _ => None,
    };
    match (from, to) {
        (T::Null, _) => true,
        (T::Char(_), T::Char(_)) => true,
        (from, T::Varchar(_)) => is_text(from),
        (T::Binary(_), T::Binary(_)) | (T::Binary(_) | T::Varbinary(_), T::Varbinary(_)) => true,
        (T::Time(_), T::Time(_)) | (T::Timestamp(_), T::Timestamp(_)) => true,
        (T::Timestamp(_) | T::TimestampLtz(_), T::TimestampLtz(_)) => true,
        (T::IntervalDayTime { .. }, T::IntervalDayTime { .. })
        | (T::IntervalYearMonth { .. }, T::IntervalYearMonth { .. }) => true,
        (T::Array(from), T::Array(to)) => is_implicit_nested(from, to),
        (T::Map(from_key, from_value), T::Map(to_key, to_value)) => {
            is_implicit_nested(from_key, to_key) && is_implicit_nested(from_value, to_value)
        }
        (T::Row(from), T::Row(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| is_implicit_nested(&from.flink_type, &to.flink_type))
        }
        (from, to) => match (rank(from), rank(to)) {
            (Some(from_rank), Some(to_rank)) => {
                from_rank <= to_rank && (digits(from).is_some() || digits(to).is_none())
            }
            _ => from == to,
        },
    }
}

fn is_implicit_nested(from: &FlinkType, to: &FlinkType) -> bool {
    is_implicit(&from.root, &to.root)
}

/// The element's type of an ARRAY.
pub(crate) fn element_of(flink_type: Option<&FlinkType>) -> Option<&FlinkType> {
    match flink_type.map(|it| &it.root) {
        Some(TypeRoot::Array(element)) => Some(element),
        _ => None,
    }
}

/// Flink's complaint about arguments that a function does not take.
pub(crate) fn invalid(name: &str, types: &[FlinkType]) -> EngineError {
    let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
    validation(format!(
        "invalid input arguments of function {name}({})",
        shown.join(", ")
    ))
}

/// `ARRAY<element>`.
pub(crate) fn array_of(element: FlinkType, nullable: bool) -> FlinkType {
    FlinkType {
        root: TypeRoot::Array(Box::new(element)),
        nullable,
    }
}

/// Whether any of the arguments may be NULL.
pub(crate) fn any_nullable(types: &[FlinkType]) -> bool {
    types
        .iter()
        .any(|given| given.nullable || given.root == TypeRoot::Null)
}

/// Where the items of a row of a list lie.
pub(crate) fn bounds(lists: &ListArray, row_idx: usize) -> std::ops::Range<usize> {
    let at = |idx: usize| {
        let offset = lists.value_offsets().get(idx).copied().unwrap_or(0);
        usize::try_from(offset).unwrap_or(0)
    };
    at(row_idx)..at(row_idx + 1)
}

/// The lists of an argument.
pub(crate) fn lists(call: &Call, index: usize) -> Result<&ListArray> {
    call.argument(index)?
        .as_list_opt::<i32>()
        .ok_or_else(|| EngineError::internal("an ARRAY is a list"))
}

/// Collects lists whose items are chosen among the values of one array.
#[derive(Debug)]
pub(crate) struct ListChooser {
    indices: Vec<u32>,
    offsets: Vec<i32>,
    present: Vec<bool>,
}

impl ListChooser {
    pub(crate) fn with_capacity(n_rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_rows + 1);
        offsets.push(0);
        Self {
            indices: Vec::new(),
            offsets,
            present: Vec::with_capacity(n_rows),
        }
    }

    /// Adds an item to the list that is being built.
    pub(crate) fn push(&mut self, value_idx: usize) -> Result<()> {
        let value_idx = u32::try_from(value_idx).map_err(|_| too_long())?;
        self.indices.push(value_idx);
        Ok(())
    }

    /// Ends the list.
    pub(crate) fn end_list(&mut self) -> Result<()> {
        self.end(true)
    }

    /// Instead of a list, NULL.
    pub(crate) fn end_null(&mut self) -> Result<()> {
        let start = self.offsets.last().copied().unwrap_or(0);
        self.indices.truncate(usize::try_from(start).unwrap_or(0));
        self.end(false)
    }

    fn end(&mut self, is_present: bool) -> Result<()> {
        let end = i32::try_from(self.indices.len()).map_err(|_| too_long())?;
        self.offsets.push(end);
        self.present.push(is_present);
        Ok(())
    }

    /// The lists, of the items of `values` that were chosen.
    pub(crate) fn finish(self, values: &ArrayRef, result: &FlinkType) -> Result<ArrayRef> {
        let DataType::List(item) = result.to_arrow_type() else {
            return Err(EngineError::internal("an ARRAY is a list"));
        };
        let chosen = take(values, &UInt32Array::from(self.indices), None)?;
        let nulls = self
            .present
            .contains(&false)
            .then(|| NullBuffer::from(self.present));
        Ok(Arc::new(ListArray::try_new(
            item,
            OffsetBuffer::new(self.offsets.into()),
            chosen,
            nulls,
        )?))
    }
}

fn too_long() -> EngineError {
    EngineError::ResourcesExhausted {
        message: "the arrays of a batch have more than two billion elements".to_owned(),
    }
}
