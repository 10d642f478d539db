//! Table functions: functions that give any number of rows for each row they get. The door for
//! those of other languages, and UNNEST, the one that is built in.
//!
//! ```text
//!   arguments          columns      row
//!   [1, 2]        ──▶  1            0        the row for which
//!   NULL               2            0        each one was given
//!   [3]                3            2
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, UInt32Array, make_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef, Int32Type};

use crate::data::map_keys;
use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::SqlDiagnostic;

/// Runs a table function on whole batches.
///
/// Called from worker threads, from several at a time. The engine holds none of its locks during
/// a call.
pub trait TableFunction: Send + Sync + Debug {
    /// Name, and what else tells this function from others: two of the same signature are the same.
    fn signature(&self) -> String;

    /// Names and types of the columns that it gives for arguments of these types.
    ///
    /// # Errors
    /// A validation error if it does not take them.
    fn result(&self, arguments: &[FieldRef]) -> Result<Vec<FieldRef>>;

    /// Calls it for each of `n_rows` rows.
    ///
    /// # Errors
    /// `Function` with what the function's own runtime reports.
    fn call(&self, arguments: &[ArrayRef], n_rows: usize) -> Result<TableRows>;

    /// Whether an updated row's new rows have nothing to do with its old ones: then those are
    /// deleted and these inserted, and not updated one to the other.
    fn replaces_rows(&self) -> bool {
        false
    }
}

/// What a table function gives for a batch.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// The columns, all of one length.
    pub columns: Vec<ArrayRef>,
    /// For each row of them the row of the arguments, ascending.
    pub rows: Vec<u32>,
}

/// UNNEST: a row for each element of an array or a multiset, or for each entry of a map.
#[derive(Debug, Clone)]
pub struct Unnest {
    /// WITH ORDINALITY: a last column that counts from 1.
    pub ordinality: bool,
    /// The type of what is unnested: arrays of rows have a column for each field.
    shape: Shape,
    /// Whether the rows are those that a table aggregate function has given for a group.
    is_of_group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Array,
    Map,
    Multiset,
}

impl Unnest {
    /// UNNEST of a value of this type.
    ///
    /// # Errors
    /// A validation error if it is no collection.
    pub fn try_new(argument: &FlinkType, ordinality: bool) -> Result<Self> {
        let shape = match &argument.root {
            TypeRoot::Array(_) => Shape::Array,
            TypeRoot::Map(..) => Shape::Map,
            TypeRoot::Multiset(_) => Shape::Multiset,
            _ => {
                return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
                    format!(
                        "cannot apply 'UNNEST' to an argument of type {argument}; it takes a MULTISET, \
                     an ARRAY or a MAP"
                    ),
                ))));
            }
        };
        Ok(Self {
            ordinality,
            shape,
            is_of_group: false,
        })
    }

    /// The rows that a table aggregate function has given for a group, as an array.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub fn of_group(argument: &FlinkType) -> Result<Self> {
        Ok(Self {
            is_of_group: true,
            ..Self::try_new(argument, false)?
        })
    }
}

impl TableFunction for Unnest {
    fn signature(&self) -> String {
        if self.is_of_group {
            return "ROWS_OF_GROUP".to_owned();
        }
        format!("UNNEST({:?}, {})", self.shape, self.ordinality)
    }

    fn replaces_rows(&self) -> bool {
        self.is_of_group
    }

    fn result(&self, arguments: &[FieldRef]) -> Result<Vec<FieldRef>> {
        let [argument] = arguments else {
            return Err(EngineError::unsupported("UNNEST of several collections"));
        };
        let mut fields = match FlinkType::from_field(argument).root {
            TypeRoot::Array(element) | TypeRoot::Multiset(element) => element_fields(&element),
            TypeRoot::Map(key, value) => {
                vec![key.to_arrow_field("KEY"), value.to_arrow_field("VALUE")]
            }
            _ => return Err(EngineError::internal("UNNEST of another type")),
        };
        if self.ordinality {
            fields.push(FlinkType::not_null(TypeRoot::Int).to_arrow_field("ORDINALITY"));
        }
        Ok(fields.into_iter().map(Arc::new).collect())
    }

    fn call(&self, arguments: &[ArrayRef], _n_rows: usize) -> Result<TableRows> {
        let [argument] = arguments else {
            return Err(EngineError::internal("UNNEST of several collections"));
        };
        let (mut columns, rows) = match self.shape {
            Shape::Array => {
                let (mut rows, mut places) = places_of(argument)?;
                let elements = argument.as_list::<i32>().values();
                if matches!(elements.data_type(), DataType::Struct(_)) {
                    // A NULL among rows is no row.
                    let is_there = |&(_, place): &(u32, u32)| elements.is_valid(place as usize);
                    let pairs = rows.into_iter().zip(places);
                    (rows, places) = pairs.filter(is_there).unzip();
                }
                let elements = take(elements.as_ref(), &UInt32Array::from(places), None)?;
                (element_columns(&elements), rows)
            }
            Shape::Map | Shape::Multiset => {
                let map = argument
                    .as_map_opt()
                    .ok_or_else(|| EngineError::internal("UNNEST of a map that is none"))?;
                let (rows, places) = places_of(argument)?;
                let of = |column: &ArrayRef, places: &[u32]| -> Result<ArrayRef> {
                    Ok(take(
                        column.as_ref(),
                        &UInt32Array::from(places.to_vec()),
                        None,
                    )?)
                };
                if self.shape == Shape::Map {
                    (
                        vec![
                            of(map_keys::keys(map), &places)?,
                            of(map.values(), &places)?,
                        ],
                        rows,
                    )
                } else {
                    let (rows, places) = repeated(&rows, &places, map.values())?;
                    (element_columns(&of(map.keys(), &places)?), rows)
                }
            }
        };
        if self.ordinality {
            columns.push(Arc::new(ordinals(&rows)));
        }
        Ok(TableRows { columns, rows })
    }
}

/// The columns that an element gives.
fn element_fields(element: &FlinkType) -> Vec<arrow::datatypes::Field> {
    match &element.root {
        TypeRoot::Row(fields) => fields
            .iter()
            .map(|field| {
                let nullable = field.flink_type.nullable || element.nullable;
                let flink_type = FlinkType {
                    nullable,
                    ..field.flink_type.clone()
                };
                flink_type.to_arrow_field(&field.name)
            })
            .collect(),
        _ => vec![element.to_arrow_field("EXPR$0")],
    }
}

/// A row's fields as columns; NULL rows have NULL fields.
fn element_columns(elements: &ArrayRef) -> Vec<ArrayRef> {
    let DataType::Struct(_) = elements.data_type() else {
        return vec![Arc::clone(elements)];
    };
    let rows = elements.as_struct();
    rows.columns()
        .iter()
        .map(|column| {
            let Some(nulls) = rows.nulls().filter(|nulls| nulls.null_count() > 0) else {
                return Arc::clone(column);
            };
            if *column.data_type() == DataType::Null {
                return Arc::clone(column);
            }
            let both = NullBuffer::union(Some(nulls), column.nulls());
            let builder = column.to_data().into_builder().nulls(both);
            builder
                .build()
                .map_or_else(|_| Arc::clone(column), make_array)
        })
        .collect()
}

/// For each element of a list or a map column: its row, and its place in the values.
fn places_of(column: &ArrayRef) -> Result<(Vec<u32>, Vec<u32>)> {
    let offsets = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().offsets(),
        DataType::Map(..) => column.as_map().offsets(),
        other => {
            return Err(EngineError::internal(format!(
                "UNNEST of a column of type {other}"
            )));
        }
    };
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for (row, bounds) in (0_u32..).zip(offsets.windows(2)) {
        let &[start, end] = bounds else { continue };
        if column.is_null(row as usize) {
            continue;
        }
        for place in start..end {
            rows.push(row);
            places.push(place.unsigned_abs());
        }
    }
    Ok((rows, places))
}

/// Each place as often as its count says.
fn repeated(rows: &[u32], places: &[u32], counts: &ArrayRef) -> Result<(Vec<u32>, Vec<u32>)> {
    let counts: &Int32Array = counts
        .as_primitive_opt::<Int32Type>()
        .ok_or_else(|| EngineError::internal("a multiset without counts"))?;
    let (mut all_rows, mut all_places) = (Vec::new(), Vec::new());
    for (&row, &place) in rows.iter().zip(places) {
        for _ in 0..counts.value(place as usize) {
            all_rows.push(row);
            all_places.push(place);
        }
    }
    Ok((all_rows, all_places))
}

fn ordinals(rows: &[u32]) -> Int32Array {
    let mut previous = None;
    let mut ordinal = 0;
    rows.iter()
        .map(|&row| {
            ordinal = if previous == Some(row) {
                ordinal + 1
            } else {
                1
            };
            previous = Some(row);
            ordinal
        })
        .collect::<Vec<i32>>()
        .into()
}
