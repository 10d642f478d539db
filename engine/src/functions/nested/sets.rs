//! Arrays as sets: elements in the order of their first occurrence, each once. NULL is an element
//! like others.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use datafusion::common::ScalarValue;

use super::arrays::{common_array, same_array};
use super::keys::{KeyColumn, Keys};
use super::{ListChooser, argument_as, bounds};
use crate::data::types::FlinkType;
use crate::error::Result;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::text;

/// The functions of this family: all of them give distinct elements.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "array_distinct",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _: &[Option<&ScalarValue>]| {
            same_array("ARRAY_DISTINCT", types)
        }),
        |call| sets(call, |_, _| true),
    ),
    text(
        "array_union",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| common_array("ARRAY_UNION", types)),
        |call| sets(call, |_, _| true),
    ),
    text(
        "array_intersect",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| common_array("ARRAY_INTERSECT", types)),
        |call| sets(call, |is_first, is_in_second| is_first && is_in_second),
    ),
    text(
        "array_except",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| common_array("ARRAY_EXCEPT", types)),
        |call| sets(call, |is_first, is_in_second| is_first && !is_in_second),
    ),
];

/// The distinct elements of all arguments that `keep` wants, told whether they are the first
/// argument's and whether the second one has them.
fn sets(call: &Call, keep: impl Fn(bool, bool) -> bool) -> Result<ArrayRef> {
    let result: &FlinkType = &call.result;
    let arrays = (0..call.arguments.len())
        .map(|index| argument_as(call, index, result))
        .collect::<Result<Vec<_>>>()?;
    let lists: Vec<_> = arrays.iter().map(|array| array.as_list::<i32>()).collect();
    let values: Vec<&dyn Array> = lists.iter().map(|list| list.values().as_ref()).collect();
    let values = concat(&values)?;
    let keys = Keys::try_new(values.data_type())?.column(&values)?;
    let n_first = lists.first().map_or(0, |list| list.values().len());
    let mut out = ListChooser::with_capacity(call.n_rows);
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut second: HashSet<&[u8]> = HashSet::new();
    for row_idx in 0..call.n_rows {
        if lists.iter().any(|list| list.is_null(row_idx)) {
            out.end_null()?;
            continue;
        }
        seen.clear();
        second.clear();
        if let Some(list) = lists.get(1) {
            let theirs = bounds(list, row_idx).map(|value_idx| n_first + value_idx);
            second.extend(theirs.filter_map(|value_idx| key(&keys, value_idx)));
        }
        let mut start = 0;
        for (list_idx, list) in lists.iter().enumerate() {
            for value_idx in bounds(list, row_idx).map(|value_idx| start + value_idx) {
                let key = key(&keys, value_idx);
                let is_in_second = key.is_some_and(|key| second.contains(key));
                if keep(list_idx == 0, is_in_second) && key.is_none_or(|key| seen.insert(key)) {
                    out.push(value_idx)?;
                }
            }
            start += list.values().len();
        }
        out.end_list()?;
    }
    out.finish(&values, result)
}

/// The value's key; none for a value that equals nothing.
fn key(keys: &KeyColumn, value_idx: usize) -> Option<&[u8]> {
    (!keys.is_unequal(value_idx)).then(|| keys.bytes(value_idx))
}
