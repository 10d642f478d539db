//! `a[i]`, `m[k]`, `r[i]`, `r.f`, `v['k']`: a part of a nested value.
//!
//! An element that is not there is NULL; where the elements' type is NOT NULL, Flink's generated
//! code gives that type's default value instead (-1, '', false), and so do we.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{is_null, nullif, take};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::keys::Keys;
use super::{argument_as, bounds, invalid, is_implicit, lists};
use crate::data::map_keys;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::illegal_null;
use crate::functions::rules::{calcite_name, integer_rank};
use crate::functions::string::text;
use crate::functions::variant;
use crate::sql::diagnostics::validation;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "__item",
        2..=3,
        &[Kind::Any],
        ResultType::Computed(item_type),
        item,
    ),
    text(
        "__field",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(field_type),
        field,
    ),
    text(
        "element",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(element_type),
        element,
    ),
];

/// The row and the name, if the expression is a field of a row, `row.name`.
pub(crate) fn field_of(expression: &dyn PhysicalExpr) -> Option<(&dyn PhysicalExpr, &str)> {
    let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
    let [row, name] = call.args() else {
        return None;
    };
    let name = name.downcast_ref::<Literal>()?;
    match name.value() {
        ScalarValue::Utf8(Some(name)) if call.fun().name() == "__field" => {
            Some((row.as_ref(), name))
        }
        _ => None,
    }
}

fn not_indexed(types: &[FlinkType]) -> EngineError {
    let shown: Vec<String> = types
        .iter()
        .take(2)
        .map(|given| format!("<{}>", calcite_name(given)))
        .collect();
    validation(format!(
        "cannot apply 'ITEM' to arguments of type 'ITEM({})'. Supported form(s): \
         <ARRAY>[<INTEGER>], <MAP>[<ANY>], <ROW>[<CHARACTER>|<INTEGER>]",
        shown.join(", ")
    ))
}

fn item_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    use TypeRoot as T;
    let [container, index, ..] = types else {
        return Err(EngineError::internal(
            "an item has a container and an index",
        ));
    };
    // A literal index is there once more as a plain number.
    let constant = match constants.get(2) {
        Some(Some(ScalarValue::Int64(Some(place)))) => Some(*place),
        _ => None,
    };
    match (&container.root, &index.root) {
        (_, T::Null) => Err(illegal_null()),
        (T::Array(element), index) => {
            match integer_rank(index) {
                Some(rank) if rank <= 2 => {}
                Some(_) => return Err(validation("integer expression type expected".to_owned())),
                None => return Err(not_indexed(types)),
            }
            if let Some(wanted) = constant
                && wanted < 1
            {
                return Err(validation(format!(
                    "Array element access needs an index starting at 1 but was {wanted}."
                )));
            }
            Ok(FlinkType::nullable(element.root.clone()))
        }
        (T::Map(key, value), index) => {
            if !is_implicit(index, &key.root) && !is_implicit(&key.root, index) {
                return Err(not_indexed(types));
            }
            Ok(FlinkType::nullable(value.root.clone()))
        }
        (T::Row(fields) | T::Structured { fields, .. }, _) => {
            if let Some(Some(ScalarValue::Utf8(Some(name)))) = constants.get(2) {
                return named_field(container, fields, name);
            }
            let place = constant.and_then(|place| usize::try_from(place).ok());
            let found = place.and_then(|place| fields.get(place.checked_sub(1)?));
            let found = found.ok_or_else(|| not_indexed(types))?;
            Ok(inner_type(container, found))
        }
        (T::Variant, index) if integer_rank(index).is_some() || is_implicit(index, &STRING) => {
            Ok(FlinkType::nullable(T::Variant))
        }
        _ => Err(not_indexed(types)),
    }
}

const STRING: TypeRoot = TypeRoot::Varchar(crate::data::types::MAX_LENGTH);

/// A field's type: NULL for a NULL row.
fn inner_type(container: &FlinkType, found: &RowField) -> FlinkType {
    FlinkType {
        root: found.flink_type.root.clone(),
        nullable: container.nullable || found.flink_type.nullable,
    }
}

fn field_type(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let (Some(container), Some(Some(ScalarValue::Utf8(Some(name))))) =
        (types.first(), constants.get(1))
    else {
        return Err(EngineError::internal("a field has a name"));
    };
    let (TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. }) = &container.root else {
        return Err(validation(format!(
            "incompatible types: no field '{name}' in a value of type {}",
            calcite_name(container)
        )));
    };
    named_field(container, fields, name)
}

fn named_field(container: &FlinkType, fields: &[RowField], name: &str) -> Result<FlinkType> {
    match fields.iter().find(|field| field.name == name) {
        Some(found) => Ok(inner_type(container, found)),
        None => {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            Err(validation(format!(
                "unknown field '{name}', known fields: {}",
                known.join(", ")
            )))
        }
    }
}

fn element_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    match types {
        [container] => match &container.root {
            TypeRoot::Array(element) => Ok(FlinkType {
                root: element.root.clone(),
                nullable: container.nullable || element.nullable,
            }),
            // It passes Flink's validator, and has no code.
            TypeRoot::Multiset(_) => Err(validation("array expression type expected".to_owned())),
            _ => Err(invalid("ELEMENT", types)),
        },
        _ => Err(invalid("ELEMENT", types)),
    }
}

fn field(call: &Call) -> Result<ArrayRef> {
    field_at(call, 1)
}

/// The field whose name is the argument at `index`.
fn field_at(call: &Call, index: usize) -> Result<ArrayRef> {
    let array = call.argument(0)?;
    let name = call.text(index, 0).unwrap_or_default();
    let rows = array
        .as_struct_opt()
        .ok_or_else(|| EngineError::internal("a ROW is a struct"))?;
    let column = rows
        .column_by_name(name)
        .ok_or_else(|| EngineError::internal(format!("no field '{name}'")))?;
    under_nulls(array, column)
}

/// A field's values, NULL where the row itself is.
fn under_nulls(rows: &ArrayRef, column: &ArrayRef) -> Result<ArrayRef> {
    if rows.null_count() == 0 {
        return Ok(Arc::clone(column));
    }
    Ok(nullif(column, &is_null(rows)?)?)
}

fn item(call: &Call) -> Result<ArrayRef> {
    match call.types.first().map(|container| &container.root) {
        Some(TypeRoot::Array(element)) => array_item(call, element),
        Some(TypeRoot::Map(key, value)) => map_item(call, key, value),
        Some(TypeRoot::Row(_) | TypeRoot::Structured { .. }) => {
            if call.text(2, 0).is_some() {
                return field_at(call, 2);
            }
            let array = call.argument(0)?;
            let place = argument_as(call, 1, &FlinkType::nullable(TypeRoot::Int))?;
            let place = place.as_primitive::<Int32Type>().values().first().copied();
            let column = place
                .and_then(|place| usize::try_from(place - 1).ok())
                .and_then(|place| array.as_struct().columns().get(place))
                .ok_or_else(|| EngineError::internal("no field at this place"))?;
            under_nulls(array, column)
        }
        Some(TypeRoot::Variant) => variant::item(call),
        _ => Err(EngineError::internal("an item of a value without items")),
    }
}

fn array_item(call: &Call, element: &FlinkType) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let places = argument_as(call, 1, &FlinkType::nullable(TypeRoot::Int))?;
    let places = places.as_primitive::<Int32Type>();
    let found = (0..call.n_rows).map(|row_idx| {
        if lists.is_null(row_idx) || places.is_null(row_idx) {
            return Found::Null;
        }
        let range = bounds(lists, row_idx);
        usize::try_from(places.value(row_idx))
            .ok()
            .and_then(|place| range.start.checked_add(place.checked_sub(1)?))
            .filter(|place| *place < range.end)
            .map_or(Found::Missing, Found::At)
    });
    gather(lists.values(), found, element)
}

fn map_item(call: &Call, key: &FlinkType, value: &FlinkType) -> Result<ArrayRef> {
    let maps = call
        .argument(0)?
        .as_map_opt()
        .ok_or_else(|| EngineError::internal("a MAP is a map"))?;
    let wanted = argument_as(call, 1, key)?;
    let of_maps = map_keys::keys(maps);
    let keys = Keys::try_new(of_maps.data_type())?;
    let (entries, wanted_keys) = (keys.column(of_maps)?, keys.column(&wanted)?);
    let found = (0..call.n_rows).map(|row_idx| {
        if maps.is_null(row_idx) || wanted.is_null(row_idx) {
            return Found::Null;
        }
        let at = |idx: usize| {
            let offset = maps.value_offsets().get(idx).copied().unwrap_or(0);
            usize::try_from(offset).unwrap_or(0)
        };
        (at(row_idx)..at(row_idx + 1))
            .rev()
            .find(|entry_idx| entries.bytes(*entry_idx) == wanted_keys.bytes(row_idx))
            .map_or(Found::Missing, Found::At)
    });
    gather(maps.values(), found, value)
}

/// Where an element is.
enum Found {
    /// The container or the index is NULL.
    Null,
    /// The container has no such element.
    Missing,
    /// At this index of the values.
    At(usize),
}

/// The elements found; see the module page for missing ones.
fn gather(
    values: &ArrayRef,
    found: impl Iterator<Item = Found>,
    element: &FlinkType,
) -> Result<ArrayRef> {
    let default = if element.nullable {
        None
    } else {
        default_value(&element.root)?
    };
    let mut has_missing = false;
    let default_idx = u32::try_from(values.len()).ok();
    let indices: UInt32Array = found
        .map(|found| match found {
            Found::At(index) => u32::try_from(index).ok(),
            Found::Null => None,
            Found::Missing => {
                has_missing = true;
                default.as_ref().and(default_idx)
            }
        })
        .collect();
    let values = match default {
        Some(default) if has_missing => {
            arrow::compute::concat(&[values.as_ref(), default.as_ref()])?
        }
        _ => Arc::clone(values),
    };
    Ok(take(&values, &indices, None)?)
}

/// What Flink's generated code holds in a variable of this type that was never set; `None` where
/// that is Java's null.
fn default_value(root: &TypeRoot) -> Result<Option<ArrayRef>> {
    use TypeRoot as T;
    let value = match root {
        T::Char(length) => ScalarValue::Utf8(Some(" ".repeat(*length as usize))),
        T::Varchar(_) => ScalarValue::Utf8(Some(String::new())),
        T::Boolean => ScalarValue::Boolean(Some(false)),
        T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double => {
            ScalarValue::Int32(Some(-1))
        }
        T::Date => ScalarValue::Date32(Some(-1)),
        T::IntervalDayTime { .. } => ScalarValue::DurationMillisecond(Some(-1)),
        T::IntervalYearMonth { .. } => ScalarValue::IntervalYearMonth(Some(-1)),
        // A clock cannot show the -1 of Flink's variable; Flink shows midnight.
        T::Time(_) => ScalarValue::Time32Millisecond(Some(0)),
        _ => return Ok(None),
    };
    let target = FlinkType::nullable(root.clone()).to_arrow_type();
    let array = value.to_array()?;
    if *array.data_type() == target {
        return Ok(Some(array));
    }
    Ok(Some(arrow::compute::cast(&array, &target)?))
}

/// The only element of an array; an empty one has none.
fn element(call: &Call) -> Result<ArrayRef> {
    let Some(TypeRoot::Array(element)) = call.types.first().map(|given| &given.root) else {
        return Err(EngineError::internal("an array expected"));
    };
    let lists = lists(call, 0)?;
    let mut found = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let range = bounds(lists, row_idx);
        found.push(match range.len() {
            _ if lists.is_null(row_idx) => Found::Null,
            0 => Found::Missing,
            1 => Found::At(range.start),
            _ => {
                return Err(EngineError::Data {
                    message: "Array has more than one element.".to_owned(),
                });
            }
        });
    }
    gather(lists.values(), found.into_iter(), element)
}

/// Whether a value of this Arrow type has parts.
pub(crate) const fn is_nested(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_)
    )
}
