//! Messages to rows: keys and values are decoded many at a time, then put side by side.
//!
//! ```text
//!   message    key ──Decoder──▶ rows of keys ───┐
//!              value ─Decoder─▶ rows of values ─┴─▶ a row for each pair, with the metadata
//! ```
//!
//! A column that stands in key and value is the value's; in `upsert-kafka` the key's. There a message
//! without a value deletes the row of its key: the other columns of the deletion say nothing.
//!
//! Source: `DynamicKafkaDeserializationSchema` of Flink's Kafka connector 4.0.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, make_array,
};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use rdkafka::message::{BorrowedMessage, Message as _};
use tidemill_engine::data::{Delta, RowKind};
use tidemill_engine::formats::Decoder;
use tidemill_engine::formats::messages::{BrokenMessage, MessageRows, Messages};
use tidemill_engine::{EngineError, Result};

use crate::client::Partition;
use crate::metadata::MetadataColumn;
use crate::options::{Half, Kind, Settings};

/// Where a column of the rows comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A column of the decoded keys.
    Key(usize),
    /// A column of the decoded values.
    Value(usize),
    /// One of the metadata columns.
    Metadata(usize),
}

/// Collects messages and makes rows of them.
pub(crate) struct RowMaker {
    kind: Kind,
    /// Schema of the rows.
    schema: SchemaRef,
    origins: Vec<Origin>,
    key: Option<Box<dyn Decoder>>,
    value: Box<dyn Decoder>,
    keys: Messages,
    values: Messages,
    metadata: Vec<MetadataColumn>,
    /// Which partition each message is of, as an index, and its offset: for errors.
    places: Vec<(usize, i64)>,
}

/// A row to be: row of the keys, row of the values, message.
struct Pairs {
    keys: Vec<Option<u32>>,
    values: Vec<Option<u32>>,
    messages: Vec<u32>,
    kinds: Vec<RowKind>,
}

impl RowMaker {
    /// For the columns of `projection`: physical ones, and behind them those of `metadata`.
    ///
    /// # Errors
    /// `Unsupported` if a format cannot read a column's type.
    pub(crate) fn try_new(
        settings: &Settings,
        metadata: &[tidemill_engine::connectors::MetadataColumn],
        schema: &SchemaRef,
        projection: &[usize],
    ) -> Result<Self> {
        let n_physical = settings.schema.fields().len();
        let chosen = |half: &Half, is_free: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let columns = half.columns.iter().enumerate();
            columns
                .filter(|(_, column)| projection.contains(column) && is_free(**column))
                .map(|(place, _)| place)
                .collect()
        };
        let is_upsert = settings.kind == Kind::Upsert;
        let in_value = |column: usize| settings.value.columns.contains(&column);
        let in_key = |column: usize| {
            let key = settings.key.as_ref();
            key.is_some_and(|key| key.columns.contains(&column))
        };
        let value_places = chosen(&settings.value, &|column| !is_upsert || !in_key(column));
        let key_places = settings.key.as_ref().map_or_else(Vec::new, |key| {
            chosen(key, &|column| is_upsert || !in_value(column))
        });
        let mut columns = Vec::new();
        let mut origins = Vec::with_capacity(projection.len());
        for &column in projection {
            if column >= n_physical {
                let asked = metadata.get(column - n_physical);
                let asked =
                    asked.ok_or_else(|| EngineError::internal("a column that is not there"))?;
                origins.push(Origin::Metadata(columns.len()));
                columns.push(MetadataColumn::new(&asked.key, &asked.field)?);
                continue;
            }
            let place = |half: &Half, places: &[usize]| {
                let at = half.columns.iter().position(|known| *known == column)?;
                places.iter().position(|place| *place == at)
            };
            let of_key = settings
                .key
                .as_ref()
                .and_then(|key| place(key, &key_places));
            let of_value = place(&settings.value, &value_places);
            let origin = match (of_key, of_value) {
                (_, Some(at)) => Origin::Value(at),
                (Some(at), None) => Origin::Key(at),
                (None, None) => return Err(EngineError::internal("a column of neither half")),
            };
            origins.push(origin);
        }
        let decoder = |half: &Half, places: &[usize]| {
            let format = half.format.of_records();
            let format = format.ok_or_else(|| EngineError::internal("a format of columns"))?;
            format.decoder(places)
        };
        Ok(Self {
            kind: settings.kind,
            schema: Arc::new(schema.project(projection)?),
            origins,
            key: match &settings.key {
                Some(key) => Some(decoder(key, &key_places)?),
                None => None,
            },
            value: decoder(&settings.value, &value_places)?,
            keys: Messages::default(),
            values: Messages::default(),
            metadata: columns,
            places: Vec::new(),
        })
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Bytes of the messages that wait.
    pub(crate) fn n_bytes(&self) -> usize {
        self.keys.n_bytes() + self.values.n_bytes()
    }

    /// Takes a message of the partition with index `split_idx`.
    pub(crate) fn push(&mut self, split_idx: usize, message: &BorrowedMessage<'_>) {
        if self.key.is_some() {
            self.keys.push(message.key());
        }
        self.values.push(message.payload());
        for column in &mut self.metadata {
            column.push(message);
        }
        self.places.push((split_idx, message.offset()));
    }

    /// The rows of the messages that wait; `partition` names one by its index, for errors.
    ///
    /// # Errors
    /// `Data` for a message that cannot be read, unless its format skips such.
    pub(crate) fn take<'a>(
        &mut self,
        partition: impl Fn(usize) -> Option<&'a Partition>,
    ) -> Result<Delta> {
        let delta = self.decode(partition);
        self.keys.clear();
        self.values.clear();
        self.places.clear();
        delta
    }

    fn decode<'a>(&mut self, partition: impl Fn(usize) -> Option<&'a Partition>) -> Result<Delta> {
        let places = &self.places;
        let broken = |half: &str, broken: &BrokenMessage| {
            let (split_idx, offset) = places.get(broken.message_idx).copied().unwrap_or_default();
            let (topic, number) =
                partition(split_idx).map_or(("", 0), |place| (place.topic.as_str(), place.number));
            EngineError::Data {
                message: broken.error.at(&format!(
                    "{half} of topic '{topic}', partition {number}, offset {offset}"
                )),
            }
        };
        let keys = match &mut self.key {
            Some(decoder) => Some(
                decoder
                    .decode_messages(&self.keys)
                    .map_err(|error| broken("key", &error))?,
            ),
            None => None,
        };
        let values = self
            .value
            .decode_messages(&self.values)
            .map_err(|error| broken("value", &error))?;
        if keys.is_none() {
            return self.of_values(values);
        }
        let pairs = self.pairs(keys.as_ref(), &values)?;
        self.of_pairs(keys.as_ref(), &values, &pairs)
    }

    /// Rows that are values and metadata only.
    fn of_values(&mut self, values: MessageRows) -> Result<Delta> {
        let messages = match self.metadata.is_empty() {
            true => None,
            false => Some(indices(&values.messages)?),
        };
        let mut columns = Vec::with_capacity(self.origins.len());
        for origin in &self.origins {
            columns.push(match origin {
                Origin::Value(at) => Arc::clone(values.batch.column(*at)),
                Origin::Metadata(at) => match (self.metadata.get_mut(*at), &messages) {
                    (Some(column), Some(messages)) => column.finish(messages)?,
                    _ => return Err(EngineError::internal("a metadata column is gone")),
                },
                Origin::Key(_) => return Err(EngineError::internal("a table without keys")),
            });
        }
        let batch = self.batch(columns, values.batch.num_rows())?;
        match values.kinds {
            Some(kinds) => Delta::try_new(batch, kinds),
            None => Ok(Delta::insert_only(batch)),
        }
    }

    /// A row for each key of a message with each value of it.
    fn pairs(&self, keys: Option<&MessageRows>, values: &MessageRows) -> Result<Pairs> {
        let n_messages = self.values.len();
        let no_keys = Vec::new();
        let key_messages = keys.map_or(&no_keys, |keys| &keys.messages);
        let mut pairs = Pairs {
            keys: Vec::with_capacity(n_messages),
            values: Vec::with_capacity(n_messages),
            messages: Vec::with_capacity(n_messages),
            kinds: Vec::with_capacity(n_messages),
        };
        let (mut key_idx, mut value_idx) = (0, 0);
        let mut missing = self.values.missing().iter().peekable();
        for message_idx in 0..n_messages {
            let n_keys = run(key_messages, key_idx, message_idx);
            let n_values = run(&values.messages, value_idx, message_idx);
            let mut push = |value: Option<usize>, kind: RowKind| -> Result<()> {
                for key in key_idx..key_idx + n_keys {
                    pairs.keys.push(Some(index(key)?));
                    pairs.values.push(value.map(index).transpose()?);
                    pairs.messages.push(index(message_idx)?);
                    pairs.kinds.push(kind);
                }
                Ok(())
            };
            let is_missing = missing.next_if_eq(&&message_idx).is_some();
            if is_missing && self.kind == Kind::Upsert {
                push(None, RowKind::Delete)?;
            } else {
                for value in value_idx..value_idx + n_values {
                    let kinds = values.kinds.as_ref();
                    let kind = kinds.and_then(|kinds| kinds.get(value)).copied();
                    push(Some(value), kind.unwrap_or(RowKind::Insert))?;
                }
            }
            key_idx += n_keys;
            value_idx += n_values;
        }
        Ok(pairs)
    }

    fn of_pairs(
        &mut self,
        keys: Option<&MessageRows>,
        values: &MessageRows,
        pairs: &Pairs,
    ) -> Result<Delta> {
        let key_rows = UInt32Array::from(pairs.keys.clone());
        let value_rows = UInt32Array::from(pairs.values.clone());
        let messages = UInt32Array::from(pairs.messages.clone());
        let mut columns = Vec::with_capacity(self.origins.len());
        for (origin, field) in self.origins.iter().zip(self.schema.fields()) {
            columns.push(match origin {
                Origin::Key(at) => {
                    let keys = keys.ok_or_else(|| EngineError::internal("keys are gone"))?;
                    take(keys.batch.column(*at), &key_rows, None)?
                }
                Origin::Value(at) => {
                    let column = take(values.batch.column(*at), &value_rows, None)?;
                    match field.is_nullable() {
                        true => column,
                        false => filled(&column)?,
                    }
                }
                Origin::Metadata(at) => match self.metadata.get_mut(*at) {
                    Some(column) => column.finish(&messages)?,
                    None => return Err(EngineError::internal("a metadata column is gone")),
                },
            });
        }
        let batch = self.batch(columns, pairs.messages.len())?;
        match pairs.kinds.iter().all(|kind| *kind == RowKind::Insert) {
            true => Ok(Delta::insert_only(batch)),
            false => Delta::try_new(batch, pairs.kinds.clone()),
        }
    }

    fn batch(&self, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = SchemaRef::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// How many of `messages`, ascending, from `start` on are `message_idx`.
fn run(messages: &[usize], start: usize, message_idx: usize) -> usize {
    let rest = messages.get(start..).unwrap_or_default();
    rest.iter().take_while(|&&it| it == message_idx).count()
}

fn index(row_idx: usize) -> Result<u32> {
    u32::try_from(row_idx).map_err(|_| EngineError::internal("more than 4 billion messages"))
}

fn indices(rows: &[usize]) -> Result<UInt32Array> {
    rows.iter()
        .map(|&row_idx| index(row_idx))
        .collect::<Result<Vec<_>>>()
        .map(UInt32Array::from)
}

/// The column of a type without NULL: what deletions do not know is whatever lies there.
fn filled(column: &ArrayRef) -> Result<ArrayRef> {
    if column.null_count() == 0 {
        return Ok(Arc::clone(column));
    }
    Ok(make_array(without_nulls(&column.to_data())?))
}

fn without_nulls(data: &ArrayData) -> Result<ArrayData> {
    let mut builder = data.clone().into_builder().nulls(None);
    if let arrow::datatypes::DataType::Struct(fields) = data.data_type() {
        let mut children = Vec::with_capacity(fields.len());
        for (field, child) in fields.iter().zip(data.child_data()) {
            children.push(match field.is_nullable() {
                true => child.clone(),
                false => without_nulls(child)?,
            });
        }
        builder = builder.child_data(children);
    }
    Ok(builder.build()?)
}
