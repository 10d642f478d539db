//! Functions of one array.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringBuilder, UInt32Array,
};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;

use super::keys::Keys;
use super::{
    ListChooser, MANY, any_nullable, argument_as, array_of, bounds, cast_to, element_of, invalid,
    is_implicit, lists,
};
use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::rules::{
    calcite_name, common, integer_rank, is_datetime, is_number, is_text,
};
use crate::functions::string::{text, texts};
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "cardinality",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(cardinality_type),
        cardinality,
    ),
    text(
        "array_append",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| added_type("ARRAY_APPEND", types)),
        |call| add(call, false),
    ),
    text(
        "array_prepend",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| added_type("ARRAY_PREPEND", types)),
        |call| add(call, true),
    ),
    text(
        "array_concat",
        1..=MANY,
        &[Kind::Any],
        ResultType::Computed(|types, _| common_array("ARRAY_CONCAT", types)),
        array_concat,
    ),
    text(
        "array_contains",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(contains_type),
        |call| {
            search(call, |found, is_null| {
                Ok((!is_null).then_some(found.is_some()))
            })
            .map(|found| -> ArrayRef { Arc::new(BooleanArray::from(found)) })
        },
    ),
    text(
        "array_position",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(position_type),
        array_position,
    ),
    text(
        "array_remove",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(remove_type),
        array_remove,
    ),
    text(
        "array_reverse",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| same_array("ARRAY_REVERSE", types)),
        array_reverse,
    ),
    text(
        "array_slice",
        2..=3,
        &[Kind::Any, Kind::Any],
        ResultType::Computed(slice_type),
        array_slice,
    ),
    text(
        "array_sort",
        1..=3,
        &[Kind::Any, Kind::Boolean],
        ResultType::Computed(sort_type),
        array_sort,
    ),
    text(
        "array_max",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| extreme_type("ARRAY_MAX", types)),
        |call| extreme(call, Ordering::Greater),
    ),
    text(
        "array_min",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| extreme_type("ARRAY_MIN", types)),
        |call| extreme(call, Ordering::Less),
    ),
    text(
        "array_join",
        2..=3,
        &[Kind::Any, Kind::Text],
        ResultType::Computed(join_type),
        array_join,
    ),
    text(
        "split",
        2..=2,
        &[Kind::Text],
        ResultType::Computed(split_type),
        split,
    ),
];

// --- types ----------------------------------------------------------------------------------

fn cardinality_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match types {
        [given] => match given.root {
            TypeRoot::Array(_) | TypeRoot::Map(..) => Ok(FlinkType {
                root: TypeRoot::Int,
                nullable: given.nullable,
            }),
            // It passes Flink's validator, and has no code.
            TypeRoot::Multiset(_) => Err(validation("expect an array or a map".to_owned())),
            _ => Err(validation(format!(
                "cannot apply 'CARDINALITY' to arguments of type 'CARDINALITY(<{}>)'. Supported \
                 form(s): 'CARDINALITY(<MULTISET>)', 'CARDINALITY(<ARRAY>)', 'CARDINALITY(<MAP>)'",
                calcite_name(given)
            ))),
        },
        _ => Err(invalid("CARDINALITY", types)),
    }
}

/// The array's element type if the second argument can be one of its elements.
fn with_element<'a>(name: &str, types: &'a [FlinkType]) -> Result<&'a FlinkType> {
    match (element_of(types.first()), types.get(1)) {
        (Some(element), Some(given)) if is_implicit(&given.root, &element.root) => Ok(element),
        _ => Err(invalid(name, types)),
    }
}

fn added_type(name: &str, types: &[FlinkType]) -> Result<FlinkType> {
    let element = with_element(name, types)?;
    let added_may_be_null = types
        .get(1)
        .is_some_and(|added| added.nullable || added.root == TypeRoot::Null);
    let element = FlinkType {
        root: element.root.clone(),
        nullable: element.nullable || added_may_be_null,
    };
    Ok(array_of(element, any_nullable(types)))
}

/// The arrays' common type; NULL if one of them may be.
pub(super) fn common_array(name: &str, types: &[FlinkType]) -> Result<FlinkType> {
    if types.iter().any(|given| element_of(Some(given)).is_none()) {
        return Err(invalid(name, types));
    }
    common(types).ok_or_else(|| {
        let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
        validation(format!(
            "could not find a common type for arguments: [{}]",
            shown.join(", ")
        ))
    })
}

fn contains_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    with_element("ARRAY_CONTAINS", types)?;
    Ok(FlinkType {
        root: TypeRoot::Boolean,
        nullable: types.first().is_none_or(|array| array.nullable),
    })
}

fn position_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    with_element("ARRAY_POSITION", types)?;
    Ok(FlinkType {
        root: TypeRoot::Int,
        nullable: any_nullable(types),
    })
}

fn remove_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let element = with_element("ARRAY_REMOVE", types)?;
    let nullable = types.first().is_none_or(|array| array.nullable);
    Ok(array_of(element.clone(), nullable))
}

/// The type of the first argument, an array.
pub(super) fn same_array(name: &str, types: &[FlinkType]) -> Result<FlinkType> {
    match types.first() {
        Some(given) if element_of(Some(given)).is_some() => Ok(FlinkType {
            root: given.root.clone(),
            nullable: any_nullable(types),
        }),
        _ => Err(invalid(name, types)),
    }
}

fn slice_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let are_places = types.iter().skip(1).all(|place| {
        place.root == TypeRoot::Null || integer_rank(&place.root).is_some_and(|rank| rank <= 2)
    });
    if !are_places {
        return Err(invalid("ARRAY_SLICE", types));
    }
    same_array("ARRAY_SLICE", types)
}

fn sort_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if !element_of(types.first()).is_some_and(|element| is_ordered(&element.root)) {
        return Err(invalid("ARRAY_SORT", types));
    }
    same_array("ARRAY_SORT", types)
}

/// Whether Flink orders values of the type.
fn is_ordered(root: &TypeRoot) -> bool {
    is_number(root)
        || is_text(root)
        || is_datetime(root)
        || matches!(root, TypeRoot::Binary(_) | TypeRoot::Varbinary(_))
}

fn extreme_type(name: &str, types: &[FlinkType]) -> Result<FlinkType> {
    let Some(element) = element_of(types.first()) else {
        return Err(invalid(name, types));
    };
    if !is_ordered(&element.root) {
        return Err(validation(format!(
            "Type '{element}' should support both 'EQUALS' and 'ORDER' comparison with itself."
        )));
    }
    Ok(FlinkType::nullable(element.root.clone()))
}

fn join_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if !element_of(types.first()).is_some_and(|element| is_text(&element.root)) {
        return Err(invalid("ARRAY_JOIN", types));
    }
    Ok(FlinkType {
        root: TypeRoot::Varchar(MAX_LENGTH),
        nullable: any_nullable(types),
    })
}

fn split_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    Ok(array_of(FlinkType::string(), any_nullable(types)))
}

// --- values ---------------------------------------------------------------------------------

/// Number of elements of an array, or of entries of a map.
fn cardinality(call: &Call) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let length = |row_idx: usize| -> Option<i32> {
        match array.data_type() {
            DataType::List(_) => Some(array.as_list::<i32>().value_length(row_idx)),
            DataType::Map(..) => i32::try_from(array.as_map().value(row_idx).len()).ok(),
            _ => None,
        }
    };
    Ok(Arc::new(call.strict::<i32, Int32Array>(length)))
}

/// An element before or behind the others.
fn add(call: &Call, in_front: bool) -> Result<ArrayRef> {
    let Some(element) = element_of(Some(&call.result)) else {
        return Err(EngineError::internal("an array expected"));
    };
    let arrays = argument_as(call, 0, &call.result)?;
    let arrays = arrays.as_list::<i32>();
    let added = argument_as(call, 1, element)?;
    let values = concat(&[arrays.values().as_ref(), added.as_ref()])?;
    let n_values = arrays.values().len();
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        if arrays.is_null(row_idx) {
            out.end_null()?;
            continue;
        }
        if in_front {
            out.push(n_values + row_idx)?;
        }
        for value_idx in bounds(arrays, row_idx) {
            out.push(value_idx)?;
        }
        if !in_front {
            out.push(n_values + row_idx)?;
        }
        out.end_list()?;
    }
    out.finish(&values, &call.result)
}

fn array_concat(call: &Call) -> Result<ArrayRef> {
    let arrays = (0..call.arguments.len())
        .map(|index| argument_as(call, index, &call.result))
        .collect::<Result<Vec<_>>>()?;
    let lists: Vec<_> = arrays.iter().map(|array| array.as_list::<i32>()).collect();
    let values: Vec<&dyn Array> = lists.iter().map(|list| list.values().as_ref()).collect();
    let values = concat(&values)?;
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let mut start = 0;
        for list in &lists {
            for value_idx in bounds(list, row_idx) {
                out.push(start + value_idx)?;
            }
            start += list.values().len();
        }
        if lists.iter().any(|list| list.is_null(row_idx)) {
            out.end_null()?;
        } else {
            out.end_list()?;
        }
    }
    out.finish(&values, &call.result)
}

/// Looks for the second argument in the array; `give` gets its place from 0 on, and whether the
/// array is NULL. NULL is found like any value.
fn search<T>(
    call: &Call,
    give: impl Fn(Option<usize>, bool) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>> {
    let lists = lists(call, 0)?;
    let element =
        element_of(call.types.first()).ok_or_else(|| EngineError::internal("an array expected"))?;
    let wanted = argument_as(call, 1, &FlinkType::nullable(element.root.clone()))?;
    let keys = Keys::try_new(lists.values().data_type())?;
    let (values, wanted) = (keys.column(lists.values())?, keys.column(&wanted)?);
    (0..call.n_rows)
        .map(|row_idx| {
            let range = bounds(lists, row_idx);
            let start = range.start;
            let found = range
                .into_iter()
                .find(|value_idx| values.equals(*value_idx, &wanted, row_idx))
                .map(|value_idx| value_idx - start);
            give(found, lists.is_null(row_idx))
        })
        .collect()
}

/// Place of an element from 1 on, 0 if it is not there; NULL if an argument is.
fn array_position(call: &Call) -> Result<ArrayRef> {
    let places = search(call, |found, is_null| {
        let place = match found {
            Some(place) => i32::try_from(place + 1).map_err(|_| super::too_long())?,
            None => 0,
        };
        Ok((!is_null).then_some(place))
    })?;
    let wanted = call.argument(1)?;
    let places = places.into_iter().enumerate().map(|(row_idx, place)| {
        let is_null = *wanted.data_type() == DataType::Null || wanted.is_null(row_idx);
        place.filter(|_| !is_null)
    });
    Ok(Arc::new(places.collect::<Int32Array>()))
}

fn array_remove(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let element =
        element_of(call.types.first()).ok_or_else(|| EngineError::internal("an array expected"))?;
    let removed = argument_as(call, 1, &FlinkType::nullable(element.root.clone()))?;
    let keys = Keys::try_new(lists.values().data_type())?;
    let (values, removed) = (keys.column(lists.values())?, keys.column(&removed)?);
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        for value_idx in bounds(lists, row_idx) {
            if !values.equals(value_idx, &removed, row_idx) {
                out.push(value_idx)?;
            }
        }
        if lists.is_null(row_idx) {
            out.end_null()?;
        } else {
            out.end_list()?;
        }
    }
    out.finish(lists.values(), &call.result)
}

fn array_reverse(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        if lists.is_null(row_idx) {
            out.end_null()?;
            continue;
        }
        for value_idx in bounds(lists, row_idx).rev() {
            out.push(value_idx)?;
        }
        out.end_list()?;
    }
    out.finish(lists.values(), &call.result)
}

/// From one place to another, both included, counted from 1; negative ones count from the end, 0
/// is the first.
fn array_slice(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let place = FlinkType::nullable(TypeRoot::BigInt);
    let places = (1..call.arguments.len())
        .map(|index| argument_as(call, index, &place))
        .collect::<Result<Vec<_>>>()?;
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        if lists.is_null(row_idx) || places.iter().any(|place| place.is_null(row_idx)) {
            out.end_null()?;
            continue;
        }
        let range = bounds(lists, row_idx);
        let length = i64::try_from(range.len()).unwrap_or(i64::MAX);
        let place = |index: usize| {
            let values = places.get(index)?.as_primitive::<Int64Type>();
            let place = values.value(row_idx);
            Some(match place {
                0 => 1,
                place if place < 0 => place + length + 1,
                place => place,
            })
        };
        let from = place(0).unwrap_or(1).max(1);
        let to = place(1).unwrap_or(length).min(length);
        for place in from..=to {
            let offset = usize::try_from(place - 1).unwrap_or(0);
            out.push(range.start + offset)?;
        }
        out.end_list()?;
    }
    out.finish(lists.values(), &call.result)
}

/// Ascending with NULLs first, or descending with NULLs last, unless the third argument says
/// where NULLs go.
fn array_sort(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let flag = |index: usize, row_idx: usize| -> Option<Option<bool>> {
        let flags = call.arguments.get(index)?.as_boolean_opt()?;
        Some((!flags.is_null(row_idx)).then(|| flags.value(row_idx)))
    };
    // NULLs are sorted apart: only the others' order counts.
    let converter = RowConverter::new(vec![SortField::new(lists.values().data_type().clone())])?;
    let rows = converter.convert_columns(&[Arc::clone(lists.values())])?;
    let mut out = ListChooser::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let ascending = flag(1, row_idx).unwrap_or(Some(true));
        let (Some(ascending), false) = (ascending, lists.is_null(row_idx)) else {
            out.end_null()?;
            continue;
        };
        let Some(nulls_first) = flag(2, row_idx).unwrap_or(Some(ascending)) else {
            out.end_null()?;
            continue;
        };
        let is_null = |value_idx: &usize| lists.values().is_null(*value_idx);
        let (nulls, mut values): (Vec<usize>, Vec<usize>) =
            bounds(lists, row_idx).partition(is_null);
        values.sort_by(|left, right| rows.row(*left).cmp(&rows.row(*right)));
        if !ascending {
            values.reverse();
        }
        let (first, second) = if nulls_first {
            (nulls, values)
        } else {
            (values, nulls)
        };
        for value_idx in first.into_iter().chain(second) {
            out.push(value_idx)?;
        }
        out.end_list()?;
    }
    out.finish(lists.values(), &call.result)
}

/// The largest or smallest element, compared as Java compares: the first NaN stays.
fn extreme(call: &Call, wanted: Ordering) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let values = lists.values();
    let is_nan = |value_idx: usize| match values.data_type() {
        DataType::Float32 => values
            .as_primitive::<Float32Type>()
            .value(value_idx)
            .is_nan(),
        DataType::Float64 => values
            .as_primitive::<Float64Type>()
            .value(value_idx)
            .is_nan(),
        _ => false,
    };
    let keys = Keys::try_new(values.data_type())?.column(values)?;
    let indices: UInt32Array = (0..call.n_rows)
        .map(|row_idx| {
            if lists.is_null(row_idx) {
                return None;
            }
            let present = bounds(lists, row_idx).filter(|value_idx| !values.is_null(*value_idx));
            let best = present.reduce(|best, next| {
                let is_better = !is_nan(best)
                    && !is_nan(next)
                    && keys.bytes(next).cmp(keys.bytes(best)) == wanted;
                if is_better { next } else { best }
            })?;
            u32::try_from(best).ok()
        })
        .collect();
    Ok(take(values, &indices, None)?)
}

/// The elements as one text, with a separator; NULLs are left out or replaced.
fn array_join(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let values = cast_to(
        call,
        lists.values(),
        element_of(call.types.first()).unwrap_or(&FlinkType::string()),
        &FlinkType::string(),
    )?;
    let values = values.as_string::<i32>();
    texts(call, |row_idx| {
        let separator = call.text(1, row_idx)?;
        let replacement = call.text(2, row_idx);
        let parts: Vec<&str> = bounds(lists, row_idx)
            .filter_map(|value_idx| {
                if values.is_null(value_idx) {
                    replacement
                } else {
                    Some(values.value(value_idx))
                }
            })
            .collect();
        Some(parts.join(separator))
    })
}

fn split(call: &Call) -> Result<ArrayRef> {
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row_idx in 0..call.n_rows {
        let (Some(value), Some(separator)) = (call.text(0, row_idx), call.text(1, row_idx)) else {
            out.append_null();
            continue;
        };
        if value.is_empty() {
            out.append(true);
            continue;
        }
        if separator.is_empty() {
            // Java takes the text apart into UTF-16; half a character becomes `?`.
            for unit in value.encode_utf16() {
                let letter = char::from_u32(u32::from(unit)).unwrap_or('?');
                out.values().append_value(letter.to_string());
            }
        } else {
            for part in value.split(separator) {
                out.values().append_value(part);
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}
