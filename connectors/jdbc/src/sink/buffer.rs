//! The changes that wait to be written: all of them in order, or the last one of each key.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use arrow::row::{RowConverter, SortField};
use tidemill_engine::data::keys::column_types;
use tidemill_engine::data::{Delta, RowKind};
use tidemill_engine::{EngineError, Result};

use crate::values::{Value, encode};

/// A row that is to be in the table, or to be gone from it.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) values: Vec<Value>,
    pub(super) is_deletion: bool,
}

/// Changes that wait.
pub(super) struct Buffer {
    keys: Vec<usize>,
    converter: Option<RowConverter>,
    /// Places among the changes.
    by_key: HashMap<Box<[u8]>, usize>,
    changes: Vec<Change>,
    /// Changes that came, those that were overtaken included.
    n_changes: usize,
    n_bytes: usize,
}

impl Buffer {
    /// An empty one for rows of `schema`, known by the columns `keys`.
    ///
    /// # Errors
    /// If rows cannot be known by these.
    pub(super) fn try_new(schema: &Schema, keys: &[usize]) -> Result<Self> {
        let types = column_types(schema, keys)?;
        let fields = types.into_iter().map(SortField::new).collect();
        Ok(Self {
            keys: keys.to_vec(),
            converter: match keys.is_empty() {
                true => None,
                false => Some(RowConverter::new(fields)?),
            },
            by_key: HashMap::new(),
            changes: Vec::new(),
            n_changes: 0,
            n_bytes: 0,
        })
    }

    pub(super) fn push(&mut self, delta: &Delta) -> Result<()> {
        let columns = delta.batch().columns();
        let keys = match &self.converter {
            None => None,
            Some(converter) => {
                let key = |column: &usize| columns.get(*column).cloned();
                let keys: Option<Vec<ArrayRef>> = self.keys.iter().map(key).collect();
                let keys = keys.ok_or_else(|| EngineError::internal("a key column is missing"))?;
                Some(converter.convert_columns(&keys)?)
            }
        };
        for row_idx in 0..delta.num_rows() {
            let values = columns
                .iter()
                .map(|column| encode(column.as_ref(), row_idx));
            let change = Change {
                values: values.collect::<Result<_>>()?,
                is_deletion: match delta.kind(row_idx) {
                    RowKind::Insert | RowKind::UpdateAfter => false,
                    RowKind::UpdateBefore | RowKind::Delete => true,
                },
            };
            self.n_changes += 1;
            match &keys {
                None => self.add(change),
                Some(keys) => self.add_by_key(keys.row(row_idx).as_ref(), change),
            }
        }
        Ok(())
    }

    fn add(&mut self, change: Change) {
        self.n_bytes += size(&change);
        self.changes.push(change);
    }

    fn add_by_key(&mut self, key: &[u8], change: Change) {
        let known = self.by_key.get(key).copied();
        if let Some(place) = known.and_then(|place| self.changes.get_mut(place)) {
            self.n_bytes = (self.n_bytes + size(&change)).saturating_sub(size(place));
            *place = change;
            return;
        }
        self.n_bytes += key.len() + size_of::<(Box<[u8]>, usize)>();
        self.by_key.insert(key.into(), self.changes.len());
        self.add(change);
    }

    pub(super) fn n_changes(&self) -> usize {
        self.n_changes
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(super) fn clear(&mut self) {
        self.by_key.clear();
        self.changes.clear();
        self.n_changes = 0;
        self.n_bytes = 0;
    }
}

fn size(change: &Change) -> usize {
    size_of::<Change>() + change.values.iter().map(Value::size).sum::<usize>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::datatypes::DataType;
    use tidemill_engine::data::text::{parse_delta, schema};

    use super::*;

    /// `+1:a` for a row that is to be there, `-1:a` for one that is to be gone.
    fn texts(buffer: &Buffer) -> Vec<String> {
        let text = |change: &Change| {
            let values: Vec<String> = change.values.iter().map(Value::text).collect();
            let sign = if change.is_deletion { '-' } else { '+' };
            format!("{sign}{}", values.join(":"))
        };
        buffer.changes().iter().map(text).collect()
    }

    #[test]
    fn of_a_key_the_last_change_waits() {
        let schema = schema(&[("id", DataType::Int64), ("n", DataType::Utf8)]);
        let changes = "+I | 1 | a
                       +I | 2 | b
                       -U | 1 | a
                       +U | 1 | c
                       -D | 2 | b
                       +I | 3 | d";
        let delta = parse_delta(&schema, changes).unwrap();
        let mut keyed = Buffer::try_new(&schema, &[0]).unwrap();
        keyed.push(&delta).unwrap();
        assert_eq!(texts(&keyed), ["+1:c", "-2:b", "+3:d"]);
        assert_eq!(keyed.n_changes(), 6);
        assert!(keyed.n_bytes() > 0);
        keyed.clear();
        assert_eq!((keyed.n_changes(), keyed.n_bytes()), (0, 0));

        let mut plain = Buffer::try_new(&schema, &[]).unwrap();
        plain.push(&delta.slice(0, 2)).unwrap();
        plain.push(&delta.slice(0, 1)).unwrap();
        assert_eq!(texts(&plain), ["+1:a", "+2:b", "+1:a"]);
    }
}
