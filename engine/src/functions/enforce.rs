//! What a table's types say beside what Arrow keeps to: lengths of texts and bytes, and NOT NULL
//! within rows and collections. Checked, or set right, in front of a sink.
//!
//! ```text
//!   VARCHAR(3)   'abcdef' ─▶ 'abc', or an error            CHAR(3)   'a' ─▶ 'a  ', or an error
//!   ROW<a INT NOT NULL>, ARRAY<INT NOT NULL> …             NULL ─▶ an error, or the row is dropped
//! ```
//!
//! Source: `CharLengthConstraint`, `BinaryLengthConstraint`, `NestedRowConstraint`,
//! `NestedArrayConstraint` and `NestedMapConstraint` of Flink 2.3, and its answers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, ListArray, MapArray, StringArray,
    StructArray,
};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::data::map_keys;
use crate::data::types::{FlinkType, MAX_LENGTH, RowField, TypeRoot};
use crate::error::{EngineError, Result};

/// `table.exec.sink.type-length-enforcer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lengths {
    /// Texts are cut and padded.
    TrimPad,
    /// Texts of other lengths fail the job.
    Error,
}

/// `table.exec.sink.nested-constraint-enforcer`: how deep constraints are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nesting {
    /// Only columns.
    Columns,
    /// Fields of rows in rows, too.
    Rows,
    /// And what is in arrays and maps.
    RowsAndCollections,
}

/// A function of one value of a column: the value with the lengths of its type, or an error; none if
/// the type says nothing of lengths.
#[must_use]
pub fn lengths(column: &str, to: &FlinkType, how: Lengths, depth: Nesting) -> Option<ScalarUDF> {
    has_length(&to.root, depth).then(|| function(column, to, Check::Lengths(how), depth))
}

/// A function of one value of a column: the value, or an error if NULL stands within it where its
/// type says NOT NULL; none if it never says so.
#[must_use]
pub fn no_nulls_within(column: &str, to: &FlinkType, depth: Nesting) -> Option<ScalarUDF> {
    has_not_null(&to.root, depth).then(|| function(column, to, Check::NotNull, depth))
}

/// A function of one value of a column: whether no NULL stands within it where its type says NOT
/// NULL; none if it never says so.
#[must_use]
pub fn is_complete(column: &str, to: &FlinkType, depth: Nesting) -> Option<ScalarUDF> {
    has_not_null(&to.root, depth).then(|| function(column, to, Check::IsComplete, depth))
}

fn function(column: &str, to: &FlinkType, check: Check, depth: Nesting) -> ScalarUDF {
    ScalarUDF::new_from_impl(Enforcer {
        column: column.to_owned(),
        to: to.clone(),
        check,
        depth,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Check {
    Lengths(Lengths),
    NotNull,
    IsComplete,
}

#[derive(Debug, PartialEq, Eq)]
struct Enforcer {
    column: String,
    to: FlinkType,
    check: Check,
    depth: Nesting,
    signature: Signature,
}

impl Hash for Enforcer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.check.hash(state);
        self.depth.hash(state);
    }
}

impl ScalarUDFImpl for Enforcer {
    fn name(&self) -> &str {
        match self.check {
            Check::Lengths(_) => "__of_length",
            Check::NotNull => "__no_nulls_within",
            Check::IsComplete => "__is_complete",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        match (self.check, arg_types) {
            (Check::IsComplete, _) => Ok(DataType::Boolean),
            (_, [value]) => Ok(value.clone()),
            _ => Err(exec_datafusion_err!("one value expected")),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        match (self.check, args.arg_fields) {
            (Check::IsComplete, _) => {
                let flag = FlinkType::not_null(TypeRoot::Boolean);
                Ok(Arc::new(flag.to_arrow_field(self.name())))
            }
            (_, [value]) => Ok(Arc::clone(value)),
            _ => Err(exec_datafusion_err!("one value expected")),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("one value expected"));
        };
        let array = value.to_array(args.number_rows)?;
        let result: ArrayRef = match self.check {
            Check::Lengths(how) => {
                let fitter = Fitter {
                    how,
                    depth: self.depth,
                };
                fitter.fitted(&array, &self.to.root, &self.column)?
            }
            Check::NotNull => {
                if let Some(path) = self.null_within(&array) {
                    return Err(null_written(&path).into());
                }
                array
            }
            Check::IsComplete => {
                let nulls = nulls_within(&array, &self.to.root, self.depth);
                Arc::new(
                    nulls
                        .iter()
                        .map(|null| Some(null.is_none()))
                        .collect::<BooleanArray>(),
                )
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}

impl Enforcer {
    fn null_within(&self, array: &ArrayRef) -> Option<String> {
        let nulls = nulls_within(array, &self.to.root, self.depth);
        let path = nulls.into_iter().flatten().next()?;
        Some(format!("{}{path}", self.column))
    }
}

/// The error for a NULL in a place of a column.
#[must_use]
pub fn null_written(path: &str) -> EngineError {
    EngineError::Data {
        message: format!(
            "column '{path}' is NOT NULL, however, a null value is being written into it; SET \
             'table.exec.sink.not-null-enforcer' = 'DROP' drops such records"
        ),
    }
}

// --- what types say -------------------------------------------------------------------------

fn fields_of(root: &TypeRoot) -> Option<&[RowField]> {
    match root {
        TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } => Some(fields),
        _ => None,
    }
}

fn has_length(root: &TypeRoot, depth: Nesting) -> bool {
    match root {
        TypeRoot::Char(_) | TypeRoot::Binary(_) => true,
        TypeRoot::Varchar(length) | TypeRoot::Varbinary(length) => *length < MAX_LENGTH,
        _ if depth == Nesting::Columns => false,
        TypeRoot::Array(item) => {
            depth == Nesting::RowsAndCollections && has_length(&item.root, depth)
        }
        TypeRoot::Map(key, value) => {
            depth == Nesting::RowsAndCollections
                && (has_length(&key.root, depth) || has_length(&value.root, depth))
        }
        root => fields_of(root).is_some_and(|fields| {
            fields
                .iter()
                .any(|it| has_length(&it.flink_type.root, depth))
        }),
    }
}

/// Whether NOT NULL stands within the type.
fn has_not_null(root: &TypeRoot, depth: Nesting) -> bool {
    let says = |inner: &FlinkType| !inner.nullable || has_not_null(&inner.root, depth);
    match root {
        _ if depth == Nesting::Columns => false,
        TypeRoot::Array(item) => depth == Nesting::RowsAndCollections && says(item),
        TypeRoot::Map(key, value) => {
            depth == Nesting::RowsAndCollections && (says(key) || says(value))
        }
        root => {
            fields_of(root).is_some_and(|fields| fields.iter().any(|field| says(&field.flink_type)))
        }
    }
}

// --- NOT NULL -------------------------------------------------------------------------------

/// For each row where NULL stands in it against its type, if anywhere: `.a`, `[0].b`.
fn nulls_within(array: &ArrayRef, root: &TypeRoot, depth: Nesting) -> Vec<Option<String>> {
    let mut found = vec![None; array.len()];
    if !has_not_null(root, depth) {
        return found;
    }
    match (root, array.data_type()) {
        (TypeRoot::Array(item), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            let inner = nulls_at(list.values(), item, depth);
            for (row, found) in found.iter_mut().enumerate() {
                let elements = span(list.value_offsets(), row).filter(|_| list.is_valid(row));
                let mut paths = elements.into_iter().flatten().enumerate();
                *found = paths.find_map(|(place, element)| {
                    let path = inner.get(element)?.as_ref()?;
                    Some(format!("[{place}]{path}"))
                });
            }
        }
        (TypeRoot::Map(key, value), DataType::Map(..)) => {
            let map = array.as_map();
            let keys = nulls_at(map_keys::keys(map), key, depth);
            let values = nulls_at(map.values(), value, depth);
            for (row, found) in found.iter_mut().enumerate() {
                let entries = span(map.value_offsets(), row).filter(|_| map.is_valid(row));
                *found = entries.into_iter().flatten().find_map(|entry| {
                    let of_key = keys.get(entry).and_then(Option::as_ref);
                    let of_value = values.get(entry).and_then(Option::as_ref);
                    let of_key = of_key.map(|path| format!("[key]{path}"));
                    of_key.or_else(|| of_value.map(|path| format!("[value]{path}")))
                });
            }
        }
        (root, DataType::Struct(_)) => {
            let row_type = fields_of(root).unwrap_or_default();
            let structs = array.as_struct();
            for (field, column) in row_type.iter().zip(structs.columns()) {
                let inner = nulls_at(column, &field.flink_type, depth);
                for (row, (found, path)) in found.iter_mut().zip(inner).enumerate() {
                    if let Some(path) = path
                        && found.is_none()
                        && structs.is_valid(row)
                    {
                        *found = Some(format!(".{}{path}", field.name));
                    }
                }
            }
        }
        _ => {}
    }
    found
}

/// The same, where the value itself may be NULL against its type.
fn nulls_at(array: &ArrayRef, value_type: &FlinkType, depth: Nesting) -> Vec<Option<String>> {
    let mut found = nulls_within(array, &value_type.root, depth);
    if !value_type.nullable {
        for (row, found) in found.iter_mut().enumerate() {
            if array.is_null(row) {
                *found = Some(String::new());
            }
        }
    }
    found
}

/// The elements of row `row` of a list or a map.
fn span(offsets: &[i32], row: usize) -> Option<std::ops::Range<usize>> {
    let at = |place: usize| usize::try_from(*offsets.get(place)?).ok();
    Some(at(row)?..at(row + 1)?)
}

// --- lengths --------------------------------------------------------------------------------

struct Fitter {
    how: Lengths,
    depth: Nesting,
}

impl Fitter {
    /// The values of `array` in their lengths; `path` is where they stand.
    fn fitted(&self, array: &ArrayRef, root: &TypeRoot, path: &str) -> Result<ArrayRef> {
        if !has_length(root, self.depth) {
            return Ok(Arc::clone(array));
        }
        match (root, array.data_type()) {
            (TypeRoot::Char(length), DataType::Utf8) => self.texts(array, *length, true, path),
            (TypeRoot::Varchar(length), DataType::Utf8) => self.texts(array, *length, false, path),
            (TypeRoot::Binary(length), DataType::Binary) => self.bytes(array, *length, true, path),
            (TypeRoot::Varbinary(length), DataType::Binary) => {
                self.bytes(array, *length, false, path)
            }
            (TypeRoot::Array(item), DataType::List(_)) => {
                self.check_items(array.as_list::<i32>(), item, path)
            }
            (TypeRoot::Map(key, value), DataType::Map(..)) => {
                self.check_entries(array.as_map(), [key, value], path)
            }
            (root, DataType::Struct(_)) => {
                self.rows(array.as_struct(), fields_of(root).unwrap_or_default(), path)
            }
            _ => Ok(Arc::clone(array)),
        }
    }

    fn texts(&self, array: &ArrayRef, length: u32, is_fixed: bool, path: &str) -> Result<ArrayRef> {
        let length = length as usize;
        let texts = array.as_string::<i32>();
        let count = |text: &str| text.chars().count();
        let misfit = |n: usize| n > length || (is_fixed && n < length);
        let Some(first) = texts.iter().flatten().find(|text| misfit(count(text))) else {
            return Ok(Arc::clone(array));
        };
        if self.how == Lengths::Error {
            let name = if is_fixed { "CHAR" } else { "VARCHAR" };
            return Err(wrong_length(path, name, length, count(first)));
        }
        let fitted = texts.iter().map(|text| {
            let text = text?;
            let missing = length.saturating_sub(count(text));
            let padding = " ".repeat(if is_fixed { missing } else { 0 });
            Some(text.chars().take(length).collect::<String>() + &padding)
        });
        Ok(Arc::new(fitted.collect::<StringArray>()))
    }

    fn bytes(&self, array: &ArrayRef, length: u32, is_fixed: bool, path: &str) -> Result<ArrayRef> {
        let length = length as usize;
        let values = array.as_binary::<i32>();
        let misfit = |n: usize| n > length || (is_fixed && n < length);
        let Some(first) = values.iter().flatten().find(|bytes| misfit(bytes.len())) else {
            return Ok(Arc::clone(array));
        };
        if self.how == Lengths::Error {
            let name = if is_fixed { "BINARY" } else { "VARBINARY" };
            return Err(wrong_length(path, name, length, first.len()));
        }
        let fitted = values.iter().map(|bytes| {
            let mut bytes: Vec<u8> = bytes?.iter().copied().take(length).collect();
            if is_fixed {
                bytes.resize(length, 0);
            }
            Some(bytes)
        });
        Ok(Arc::new(fitted.collect::<BinaryArray>()))
    }

    fn rows(&self, rows: &StructArray, fields: &[RowField], path: &str) -> Result<ArrayRef> {
        let columns = fields
            .iter()
            .zip(rows.columns())
            .map(|(field, column)| {
                let path = format!("{path}.{}", field.name);
                let column = match rows.nulls() {
                    // What stands in a row that is NULL does not count.
                    Some(nulls) => nullif(column, &BooleanArray::new(!nulls.inner(), None))?,
                    None => Arc::clone(column),
                };
                self.fitted(&column, &field.flink_type.root, &path)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(StructArray::try_new(
            rows.fields().clone(),
            columns,
            rows.nulls().cloned(),
        )?))
    }

    /// What is in collections is never set right, only refused.
    fn check_items(&self, lists: &ListArray, item: &FlinkType, path: &str) -> Result<ArrayRef> {
        for row in 0..lists.len() {
            if lists.is_valid(row) {
                let items = lists.value(row);
                for place in 0..items.len() {
                    let path = format!("{path}[{place}]");
                    self.fitted(&items.slice(place, 1), &item.root, &path)?;
                }
            }
        }
        Ok(Arc::new(lists.clone()))
    }

    fn check_entries(
        &self,
        maps: &MapArray,
        types: [&FlinkType; 2],
        path: &str,
    ) -> Result<ArrayRef> {
        for (name, (column, value_type)) in ["key", "value"]
            .into_iter()
            .zip([map_keys::keys(maps), maps.values()].into_iter().zip(types))
        {
            for row in 0..maps.len() {
                if let Some(entries) =
                    span(maps.value_offsets(), row).filter(|_| maps.is_valid(row))
                {
                    let values = column.slice(entries.start, entries.len());
                    self.fitted(&values, &value_type.root, &format!("{path}[{name}]"))?;
                }
            }
        }
        Ok(Arc::new(maps.clone()))
    }
}

fn wrong_length(path: &str, name: &str, wanted: usize, found: usize) -> EngineError {
    EngineError::Data {
        message: format!(
            "column '{path}' is {name}({wanted}), however, a string of length {found} is being \
             written into it; SET 'table.exec.sink.type-length-enforcer' to control this behaviour"
        ),
    }
}
