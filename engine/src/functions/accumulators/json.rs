//! JSON_ARRAYAGG and JSON_OBJECTAGG over values that are JSON texts already.
//!
//! Source: Flink 2.3, `JsonArrayAggFunction`, `JsonObjectAggFunction`: a key may stand once in an
//! object, the keys are written in their order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::values::{SavedLists, lists, saved_lists};
use super::{Accumulator, Fold, Folded, only, saved_column, signed};
use crate::error::{EngineError, Result};
use crate::state::Arrivals;

/// JSON_ARRAYAGG; NULLs are members here, whoever leaves them out does so before.
pub(super) fn array_agg() -> Box<dyn Accumulator> {
    Box::new(Folded::new(JsonArray))
}

/// JSON_OBJECTAGG of a key and a value; `keeps_nulls` says whether NULL is a value.
pub(super) fn object_agg(keeps_nulls: bool) -> Box<dyn Accumulator> {
    Box::new(Folded::new(JsonObject { keeps_nulls }))
}

/// A JSON text; none is NULL.
type Text = Option<Box<str>>;

fn texts(column: &ArrayRef) -> Result<StringArray> {
    saved_column(&[cast(column, &DataType::Utf8)?], 0)
}

fn text_at(column: &StringArray, row_idx: usize) -> Text {
    (!column.is_null(row_idx)).then(|| column.value(row_idx).into())
}

fn bytes_of(text: &Text) -> usize {
    size_of::<Text>() + text.as_ref().map_or(0, |text| text.len())
}

struct JsonArray;

impl Fold for JsonArray {
    type State = Arrivals<Text>;
    type Column = StringArray;
    type Saved = SavedLists<StringArray>;
    type Value = String;

    fn column(&self, arguments: &[ArrayRef]) -> Result<StringArray> {
        texts(only(arguments)?)
    }

    fn step(
        &self,
        state: &mut Self::State,
        column: &StringArray,
        row_idx: usize,
        sign: i64,
    ) -> isize {
        let value = text_at(column, row_idx);
        let bytes = signed(bytes_of(&value));
        if sign > 0 {
            isize::from(state.add(value)) * bytes
        } else {
            -isize::from(state.remove(&value)) * bytes
        }
    }

    fn value(&self, state: &Self::State) -> Option<String> {
        let mut json = String::from("[");
        for (idx, value) in state.iter().enumerate() {
            if idx > 0 {
                json.push(',');
            }
            json.push_str(value.as_deref().unwrap_or("null"));
        }
        json.push(']');
        Some(json)
    }

    fn build(&self, values: impl Iterator<Item = Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(values.collect::<StringArray>()))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.iter().map(bytes_of).sum()
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut items) = (Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.len());
            items.extend(state.iter().map(Option::as_deref));
        }
        let items: ArrayRef = Arc::new(StringArray::from(items));
        Ok(vec![lists(lengths, vec![("value", items)])?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, |items| saved_column(items, 0))
    }

    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize {
        saved
            .places(row_idx)
            .map(|place| self.step(state, &saved.items, place, 1))
            .sum()
    }
}

struct JsonObject {
    keeps_nulls: bool,
}

struct Members {
    keys: StringArray,
    values: StringArray,
    /// A key that came while it was there.
    duplicate: RefCell<Option<String>>,
}

fn member_bytes(key: &str, value: &Text) -> usize {
    size_of::<Box<str>>() + key.len() + bytes_of(value)
}

impl JsonObject {
    fn add(state: &mut BTreeMap<Box<str>, Text>, members: &Members, row_idx: usize) -> isize {
        let key = members.keys.value(row_idx);
        let value = text_at(&members.values, row_idx);
        if state.contains_key(key) {
            members
                .duplicate
                .borrow_mut()
                .get_or_insert_with(|| key.to_owned());
            return 0;
        }
        let grown = signed(member_bytes(key, &value));
        state.insert(key.into(), value);
        grown
    }
}

impl Fold for JsonObject {
    type State = BTreeMap<Box<str>, Text>;
    type Column = Members;
    type Saved = SavedLists<Members>;
    type Value = String;

    fn column(&self, arguments: &[ArrayRef]) -> Result<Members> {
        let [keys, values] = arguments else {
            return Err(EngineError::internal(
                "JSON_OBJECTAGG takes a key and a value",
            ));
        };
        Ok(Members {
            keys: texts(keys)?,
            values: texts(values)?,
            duplicate: RefCell::new(None),
        })
    }

    fn step(&self, state: &mut Self::State, members: &Members, row_idx: usize, sign: i64) -> isize {
        if members.values.is_null(row_idx) && !self.keeps_nulls {
            return 0;
        }
        if sign > 0 {
            return Self::add(state, members, row_idx);
        }
        let key = members.keys.value(row_idx);
        let value = text_at(&members.values, row_idx);
        if state.get(key) != Some(&value) {
            return 0;
        }
        state.remove(key);
        -signed(member_bytes(key, &value))
    }

    fn check(&self, members: &Members) -> Result<()> {
        match members.duplicate.borrow().as_ref() {
            Some(key) => Err(EngineError::Data {
                message: format!(
                    "Key '{key}' is already present. Duplicate keys are not allowed in \
                     JSON_OBJECTAGG. Please ensure that keys are unique."
                ),
            }),
            None => Ok(()),
        }
    }

    fn value(&self, state: &Self::State) -> Option<String> {
        let mut json = String::from("{");
        for (idx, (key, value)) in state.iter().enumerate() {
            let comma = if idx > 0 { "," } else { "" };
            let key = serde_json::Value::from(key.as_ref());
            let value = value.as_deref().unwrap_or("null");
            // Writing into a String does not fail.
            let _ = write!(json, "{comma}{key}:{value}");
        }
        json.push('}');
        Some(json)
    }

    fn build(&self, values: impl Iterator<Item = Option<String>>) -> Result<ArrayRef> {
        Ok(Arc::new(values.collect::<StringArray>()))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state
            .iter()
            .map(|(key, value)| member_bytes(key, value))
            .sum()
    }

    fn save<'a>(&self, states: impl Iterator<Item = &'a Self::State>) -> Result<Vec<ArrayRef>> {
        let (mut lengths, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            lengths.push(state.len());
            for (key, value) in state {
                keys.push(key.as_ref());
                values.push(value.as_deref());
            }
        }
        let keys: ArrayRef = Arc::new(StringArray::from(keys));
        let values: ArrayRef = Arc::new(StringArray::from(values));
        Ok(vec![lists(
            lengths,
            vec![("key", keys), ("value", values)],
        )?])
    }

    fn saved(&self, columns: &[ArrayRef]) -> Result<Self::Saved> {
        saved_lists(columns, 0, |items| self.column(items))
    }

    fn merge(&self, state: &mut Self::State, saved: &Self::Saved, row_idx: usize) -> isize {
        saved
            .places(row_idx)
            .map(|place| Self::add(state, &saved.items, place))
            .sum()
    }
}
