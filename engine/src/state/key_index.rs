//! Keys to dense ids: the hash table of everything that has groups.
//!
//! ```text
//!   no column       ─▶ one id
//!   one word        ─▶ table of (word, id)                 integers, times, floats, booleans
//!   two words       ─▶ table of (word, word, NULLs, id)
//!   one string      ─▶ table of (two words, id) if it is short, of (hash, id) + its bytes
//!   anything else   ─▶ the same over arrow-row bytes
//! ```
//!
//! NULLs are equal, NaNs are equal, 0.0 and -0.0 differ. Ids of removed keys are given out again,
//! so that vectors indexed by ids stay dense. The integer forms are 3 times as fast as the bytes.

use arrow::array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

use super::byte_keys::ByteKeys;
use super::columns;
use super::probe_table::{ProbeTable, SmallKey};
use crate::data::keys::{self, column_types};
use crate::error::{EngineError, Result};

/// A table of keys.
#[derive(Debug)]
pub struct KeyIndex {
    form: Form,
    ids: Ids,
    types: Vec<DataType>,
}

/// Gives out ids, first those of removed keys.
#[derive(Debug, Default)]
pub(super) struct Ids {
    end: u32,
    free: Vec<u32>,
}

#[derive(Debug)]
enum Form {
    Global,
    Word(WordKeys),
    TwoWords(TwoWordKeys),
    Text(ByteKeys),
    Rows(RowConverter, ByteKeys),
}

impl KeyIndex {
    /// An empty table for keys in these columns of a schema.
    ///
    /// # Errors
    /// As [`Self::try_new`]; `Internal` if a column is missing.
    pub fn of_columns(schema: &Schema, columns: &[usize]) -> Result<Self> {
        Self::try_new(&column_types(schema, columns)?)
    }

    /// An empty table for keys of these types.
    ///
    /// # Errors
    /// `Unsupported` if a type cannot be a key.
    pub fn try_new(types: &[DataType]) -> Result<Self> {
        let form = match types {
            [] => Form::Global,
            [one] if columns::has_words(one) => Form::Word(WordKeys::default()),
            [one, two] if columns::has_words(one) && columns::has_words(two) => {
                Form::TwoWords(TwoWordKeys::default())
            }
            [DataType::Utf8 | DataType::Binary | DataType::Utf8View] => {
                Form::Text(ByteKeys::default())
            }
            _ => {
                let fields: Vec<SortField> = types.iter().cloned().map(SortField::new).collect();
                if !RowConverter::supports_fields(&fields) {
                    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                    return Err(EngineError::unsupported(format!(
                        "a key of type {}",
                        types.join(", ")
                    )));
                }
                Form::Rows(RowConverter::new(fields)?, ByteKeys::default())
            }
        };
        Ok(Self {
            form,
            ids: Ids::default(),
            types: types.to_vec(),
        })
    }

    /// Replaces the content of `ids` by the ids of the rows' keys. Unknown keys are entered.
    ///
    /// # Errors
    /// If a column is not of the type that the table was made for, or there are too many keys.
    pub fn intern(
        &mut self,
        columns: &[ArrayRef],
        n_rows: usize,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        ids.clear();
        ids.reserve(n_rows);
        let given = &mut self.ids;
        match (&mut self.form, columns) {
            (Form::Global, _) => {
                given.end = 1;
                ids.resize(n_rows, 0);
            }
            (Form::Word(keys), [one]) => keys.intern(one, given, ids)?,
            (Form::TwoWords(keys), [one, two]) => keys.intern([one, two], given, ids)?,
            (Form::Text(keys), [one]) => keys.intern_column(one, given, ids)?,
            (Form::Rows(converter, keys), _) => {
                let columns: Vec<ArrayRef> = columns.iter().map(keys::canonical).collect();
                let rows = converter.convert_columns(&columns)?;
                for row in &rows {
                    ids.push(keys.intern(row.data(), given)?);
                }
            }
            _ => {
                return Err(EngineError::internal(
                    "a key with another number of columns",
                ));
            }
        }
        Ok(())
    }

    /// Forgets the key with this id; the id will be given to another key. Nothing happens if it is
    /// not in use. The one id without columns stays.
    pub fn remove(&mut self, id: u32) {
        let was_there = match &mut self.form {
            Form::Global => false,
            Form::Word(keys) => keys.remove(id),
            Form::TwoWords(keys) => keys.remove(id),
            Form::Text(keys) | Form::Rows(_, keys) => keys.remove(id),
        };
        if was_there {
            self.ids.free.push(id);
        }
    }

    /// The ids that are in use, ascending.
    #[must_use]
    pub fn used_ids(&self) -> Vec<u32> {
        let mut is_used = vec![true; self.end()];
        for &id in &self.ids.free {
            if let Some(is_used) = is_used.get_mut(id as usize) {
                *is_used = false;
            }
        }
        (0_u32..)
            .zip(is_used)
            .filter_map(|(id, is_used)| is_used.then_some(id))
            .collect()
    }

    /// The keys of these ids, which are in use, as columns of the table's types.
    ///
    /// # Errors
    /// `Internal` if an id has never been given out.
    pub fn keys(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        match (&self.form, self.types.as_slice()) {
            (Form::Global, _) => Ok(Vec::new()),
            (Form::Word(keys), [one]) => {
                let words = ids.iter().map(|&id| keys.word(id));
                Ok(vec![columns::from_words(words, one)?])
            }
            (Form::TwoWords(keys), [one, two]) => {
                let word = |column: usize| ids.iter().map(move |&id| keys.word(id, column));
                Ok(vec![
                    columns::from_words(word(0), one)?,
                    columns::from_words(word(1), two)?,
                ])
            }
            (Form::Text(keys), [one]) => {
                let texts: BinaryArray = ids.iter().map(|&id| keys.key(id)).collect();
                let texts: ArrayRef = match one {
                    DataType::Binary => return Ok(vec![Arc::new(texts)]),
                    _ => Arc::new(StringArray::try_from_binary(texts)?),
                };
                Ok(vec![cast(&texts, one)?])
            }
            (Form::Rows(converter, keys), _) => {
                let parser = converter.parser();
                let rows = ids
                    .iter()
                    .map(|&id| keys.key(id).map(|key| parser.parse(key)))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| EngineError::internal("the key of an id without one"))?;
                Ok(converter.convert_rows(rows)?)
            }
            _ => Err(EngineError::internal(
                "a table of keys with another number of types",
            )),
        }
    }

    /// All ids are below this.
    #[must_use]
    pub fn end(&self) -> usize {
        self.ids.end as usize
    }

    /// Bytes that the table holds.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let free_bytes = self.ids.free.capacity() * size_of::<u32>();
        free_bytes
            + match &self.form {
                Form::Global => 0,
                Form::Word(keys) => {
                    keys.table.allocation_size() + keys.words.capacity() * size_of::<u64>()
                }
                Form::TwoWords(keys) => {
                    keys.table.allocation_size() + keys.words.capacity() * size_of::<TwoWords>()
                }
                Form::Text(keys) | Form::Rows(_, keys) => keys.state_bytes(),
            }
    }
}

impl Ids {
    pub(super) fn give(&mut self) -> Result<u32> {
        if let Some(id) = self.free.pop() {
            return Ok(id);
        }
        let id = self.end;
        self.end = id
            .checked_add(1)
            .ok_or_else(|| EngineError::ResourcesExhausted {
                message: "an operator holds more than four billion keys on one worker".to_owned(),
            })?;
        Ok(id)
    }
}

/// Folded multiplication: good in the high bits and in the low ones, both of which the table uses.
#[inline]
pub(super) fn hash_word(word: u64) -> u64 {
    let product = u128::from(word ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Puts `value` at place `id`; the vector grows by what `filler` gives.
pub(super) fn put<T: Clone>(values: &mut Vec<T>, id: u32, value: T) {
    let place = id as usize;
    if place >= values.len() {
        values.resize(place + 1, value.clone());
    }
    if let Some(slot) = values.get_mut(place) {
        *slot = value;
    }
}

#[derive(Debug, Default)]
struct WordKeys {
    table: ProbeTable<u64>,
    null_id: Option<u32>,
    /// By id, to find the entry of a key that is removed.
    words: Vec<u64>,
}

impl WordKeys {
    fn intern(&mut self, column: &ArrayRef, given: &mut Ids, ids: &mut Vec<u32>) -> Result<()> {
        let words = columns::to_words(column)?;
        let known = &mut self.words;
        let mut give = |word: u64| {
            let id = given.give()?;
            put(known, id, word);
            Ok(id)
        };
        let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) else {
            return self.table.intern(&words, ids, give);
        };
        for (&word, is_there) in words.iter().zip(nulls) {
            let id = match (is_there, self.null_id) {
                (true, _) => self.table.intern_one(word, &mut give)?,
                (false, Some(id)) => id,
                (false, None) => *self.null_id.insert(give(0)?),
            };
            ids.push(id);
        }
        Ok(())
    }

    fn word(&self, id: u32) -> Option<u64> {
        let word = self.words.get(id as usize).copied();
        word.filter(|_| self.null_id != Some(id))
    }

    fn remove(&mut self, id: u32) -> bool {
        if self.null_id == Some(id) {
            self.null_id = None;
            return true;
        }
        let word = self.words.get(id as usize);
        word.is_some_and(|&word| self.table.remove(word, id))
    }
}

impl SmallKey for u64 {
    #[inline]
    fn hash(self) -> u64 {
        hash_word(self)
    }
}

/// Two words and which of them are NULL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TwoWords {
    words: [u64; 2],
    nulls: u8,
}

impl SmallKey for TwoWords {
    #[inline]
    fn hash(self) -> u64 {
        let [one, two] = self.words;
        hash_word(hash_word(one).wrapping_add(u64::from(self.nulls)) ^ two.rotate_left(32))
    }
}

#[derive(Debug, Default)]
struct TwoWordKeys {
    table: ProbeTable<TwoWords>,
    words: Vec<TwoWords>,
}

impl TwoWordKeys {
    fn word(&self, id: u32, column: usize) -> Option<u64> {
        let key = self.words.get(id as usize)?;
        let word = key.words.get(column).copied();
        word.filter(|_| key.nulls & (1 << column) == 0)
    }

    fn intern(
        &mut self,
        columns: [&ArrayRef; 2],
        given: &mut Ids,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let [one, two] = columns;
        let (one_words, two_words) = (columns::to_words(one)?, columns::to_words(two)?);
        let is_null = |nulls: Option<&NullBuffer>, row_idx: usize| {
            nulls.is_some_and(|nulls| nulls.is_null(row_idx))
        };
        let words = one_words.iter().zip(&two_words).enumerate();
        let keys: Vec<TwoWords> = words
            .map(|(row_idx, (&one_word, &two_word))| {
                let one_null = is_null(one.nulls(), row_idx);
                let two_null = is_null(two.nulls(), row_idx);
                TwoWords {
                    words: [
                        if one_null { 0 } else { one_word },
                        if two_null { 0 } else { two_word },
                    ],
                    nulls: u8::from(one_null) | u8::from(two_null) << 1,
                }
            })
            .collect();
        let known = &mut self.words;
        self.table.intern(&keys, ids, |key| {
            let id = given.give()?;
            put(known, id, key);
            Ok(id)
        })
    }

    fn remove(&mut self, id: u32) -> bool {
        let key = self.words.get(id as usize);
        key.is_some_and(|&key| self.table.remove(key, id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{Decimal128Array, Float64Array, Int32Array, RecordBatch};

    use super::*;

    /// What went in comes out, whatever form the table has, without what was removed.
    #[test]
    fn keys_come_out_as_they_went_in() {
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-1), Some(7)]));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(-0.0),
            Some(0.0),
            None,
            Some(f64::NAN),
        ]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("é"),
            None,
            Some(""),
            Some("x"),
        ]));
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![
            Some(&[0, 255][..]),
            None,
            None,
            None,
        ]));
        let decimals: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(1), None, Some(2), Some(3)])
                .with_data_type(DataType::Decimal128(20, 2)),
        );
        for columns in [
            vec![Arc::clone(&ints)],
            vec![Arc::clone(&floats)],
            vec![Arc::clone(&ints), Arc::clone(&floats)],
            vec![Arc::clone(&texts)],
            vec![bytes],
            vec![decimals, texts, ints, floats],
        ] {
            let types: Vec<DataType> = columns.iter().map(|it| it.data_type().clone()).collect();
            let mut index = KeyIndex::try_new(&types).unwrap();
            let mut ids = Vec::new();
            index.intern(&columns, 4, &mut ids).unwrap();
            let gone = ids.get(2).copied().unwrap();
            index.remove(gone);
            let used = index.used_ids();
            assert!(!used.contains(&gone));
            let keys = index.keys(&used).unwrap();
            let first_rows: Vec<u32> = used
                .iter()
                .map(|id| ids.iter().position(|other| other == id).unwrap() as u32)
                .collect();
            let given = RecordBatch::try_from_iter_with_nullable(
                columns
                    .iter()
                    .enumerate()
                    .map(|(at, it)| (at.to_string(), Arc::clone(it), true)),
            )
            .unwrap();
            let expected = crate::data::delta::take_rows(&given, &first_rows.into()).unwrap();
            let found = RecordBatch::try_new(expected.schema(), keys).unwrap();
            assert_eq!(found, expected);
        }
    }
}
