//! Rows to records: the bytes of key and value, and what goes along with them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use tidemill_engine::connectors::{MetadataColumn, MetadataKey};
use tidemill_engine::data::{Delta, RowKind, map_keys};
use tidemill_engine::formats::Encoder;
use tidemill_engine::formats::messages::Messages;
use tidemill_engine::{EngineError, Result};

use crate::options::{Half, Kind, Settings, Topics};

/// The metadata that a sink takes, sorted.
pub(crate) const WRITABLE: &[MetadataKey] = &[
    MetadataKey {
        key: "headers",
        data_type: "MAP<STRING, BYTES>",
    },
    MetadataKey {
        key: "timestamp",
        data_type: "TIMESTAMP_LTZ(3)",
    },
    MetadataKey {
        key: "topic",
        data_type: "STRING",
    },
];

/// Headers of a record.
pub(crate) type RecordHeaders = Vec<(String, Option<Vec<u8>>)>;

/// A record to be sent, with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) topic: Arc<str>,
    pub(crate) key: Option<Vec<u8>>,
    /// None deletes the row of the key.
    pub(crate) value: Option<Vec<u8>>,
    /// Milliseconds since 1970; the moment of sending without it.
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) headers: RecordHeaders,
}

impl Record {
    /// About the memory it takes.
    pub(crate) fn n_bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.len() + len(value) + 48)
            .sum();
        size_of::<Self>() + len(&self.key) + len(&self.value) + headers
    }
}

/// Makes records of rows.
pub(crate) struct RecordMaker {
    kind: Kind,
    table: String,
    topics: Topics,
    topic: Option<Arc<str>>,
    /// Names of the physical columns.
    columns: Vec<String>,
    key: Option<(Half, Box<dyn Encoder>)>,
    value: (Half, Box<dyn Encoder>),
    metadata: Vec<MetadataColumn>,
}

impl RecordMaker {
    /// For a table that is written.
    ///
    /// # Errors
    /// `Unsupported` if a format has no form for a column's type.
    pub(crate) fn try_new(settings: &Settings, metadata: &[MetadataColumn]) -> Result<Self> {
        let encoder = |half: &Half| -> Result<(Half, Box<dyn Encoder>)> {
            Ok((half.clone(), half.format.encoder()?))
        };
        let fields = settings.schema.fields().iter();
        Ok(Self {
            kind: settings.kind,
            table: settings.table.clone(),
            topics: settings.topics.clone(),
            topic: settings.topics.single().map(Arc::from),
            columns: fields.map(|field| field.name().clone()).collect(),
            key: settings.key.as_ref().map(encoder).transpose()?,
            value: encoder(&settings.value)?,
            metadata: metadata.to_vec(),
        })
    }

    /// Hands the records of `delta` to `take`, in order.
    ///
    /// # Errors
    /// `Data` if a value has no form in its format, or a row names no topic of the table; and those
    /// of `take`.
    pub(crate) fn for_each(
        &mut self,
        delta: &Delta,
        mut take: impl FnMut(Record) -> Result<()>,
    ) -> Result<()> {
        let batch = delta.batch();
        let mut keys = Messages::default();
        if let Some((half, encoder)) = &mut self.key {
            let rows = half_of(half, &self.columns, batch)?;
            encoder.encode_messages(&rows, None, &mut keys)?;
        }
        let is_gone = |row_idx: usize| {
            self.kind == Kind::Upsert
                && matches!(delta.kind(row_idx), RowKind::Delete | RowKind::UpdateBefore)
        };
        let mut values = Messages::default();
        let (half, encoder) = &mut self.value;
        let rows = half_of(half, &self.columns, batch)?;
        if (0..delta.num_rows()).any(is_gone) {
            let there: BooleanArray = (0..delta.num_rows())
                .map(|row_idx| Some(!is_gone(row_idx)))
                .collect();
            let rows = arrow::compute::filter_record_batch(&rows, &there)?;
            encoder.encode_messages(&rows, None, &mut values)?;
        } else {
            let kinds = delta.kinds().filter(|_| self.kind == Kind::Append);
            encoder.encode_messages(&rows, kinds, &mut values)?;
        }
        let extra = Extra::of(&self.metadata, batch)?;
        let mut value_idx = 0;
        for row_idx in 0..delta.num_rows() {
            let value = match is_gone(row_idx) {
                true => None,
                false => {
                    value_idx += 1;
                    values.get(value_idx - 1).map(<[u8]>::to_vec)
                }
            };
            take(Record {
                topic: self.topic_of(extra.topic(row_idx))?,
                key: keys.get(row_idx).map(<[u8]>::to_vec),
                value,
                timestamp_ms: extra.timestamp_ms(row_idx),
                headers: extra.headers(row_idx),
            })?;
        }
        Ok(())
    }

    fn topic_of(&self, written: Option<&str>) -> Result<Arc<str>> {
        if let Some(topic) = &self.topic {
            return Ok(Arc::clone(topic));
        }
        let error = |message: String| EngineError::Data {
            message: format!("table '{}': {message}", self.table),
        };
        match written {
            None => Err(error(
                "a row names no topic in its metadata column 'topic', and the table has several"
                    .to_owned(),
            )),
            Some(topic) if self.topics.contains(topic) => Ok(Arc::from(topic)),
            Some(topic) => Err(error(match &self.topics {
                Topics::List(topics) => format!(
                    "topic '{topic}' of a row is none of the table's: {}",
                    topics.join(", ")
                ),
                Topics::Pattern(pattern) => format!(
                    "topic '{topic}' of a row does not match '{}'",
                    pattern.as_str()
                ),
            })),
        }
    }
}

/// The columns of one half, under its names.
fn half_of(half: &Half, names: &[String], batch: &RecordBatch) -> Result<RecordBatch> {
    let column = |&column: &usize| -> Result<ArrayRef> {
        let name = names.get(column).map_or("", String::as_str);
        let column = batch.column_by_name(name);
        column
            .cloned()
            .ok_or_else(|| EngineError::internal(format!("no column '{name}' to write")))
    };
    let columns = half
        .columns
        .iter()
        .map(column)
        .collect::<Result<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(&half.schema),
        columns,
        &options,
    )?)
}

/// The metadata columns of some rows.
#[derive(Default)]
struct Extra {
    topics: Option<ArrayRef>,
    timestamps: Option<ArrayRef>,
    headers: Option<ArrayRef>,
}

impl Extra {
    fn of(metadata: &[MetadataColumn], batch: &RecordBatch) -> Result<Self> {
        let mut extra = Self::default();
        for asked in metadata {
            let column = batch.column_by_name(asked.field.name());
            let column = column
                .cloned()
                .ok_or_else(|| EngineError::internal("a metadata column is gone"))?;
            let (place, fits) = match asked.key.as_str() {
                "topic" => (&mut extra.topics, *column.data_type() == DataType::Utf8),
                "timestamp" => {
                    let fits = matches!(
                        column.data_type(),
                        DataType::Timestamp(TimeUnit::Millisecond, _)
                    );
                    (&mut extra.timestamps, fits)
                }
                "headers" => {
                    let fits = matches!(column.data_type(), DataType::Map(..));
                    (&mut extra.headers, fits)
                }
                _ => return Err(EngineError::internal("metadata that nobody writes")),
            };
            if !fits {
                return Err(EngineError::internal(format!(
                    "metadata '{}' as {}",
                    asked.key,
                    column.data_type()
                )));
            }
            *place = Some(column);
        }
        Ok(extra)
    }

    fn topic(&self, row_idx: usize) -> Option<&str> {
        let topics = self.topics.as_ref()?;
        topics
            .is_valid(row_idx)
            .then(|| topics.as_string::<i32>().value(row_idx))
    }

    fn timestamp_ms(&self, row_idx: usize) -> Option<i64> {
        let timestamps = self.timestamps.as_ref()?;
        let values = timestamps.as_primitive::<TimestampMillisecondType>();
        timestamps.is_valid(row_idx).then(|| values.value(row_idx))
    }

    fn headers(&self, row_idx: usize) -> RecordHeaders {
        match &self.headers {
            Some(headers) => headers_at(headers, row_idx),
            None => Vec::new(),
        }
    }
}

/// The entries of a map of headers; none for NULL. Entries without a name are left out, as in Flink.
pub(crate) fn headers_at(headers: &ArrayRef, row_idx: usize) -> RecordHeaders {
    let maps = headers.as_map();
    let (names, values) = (map_keys::keys(maps), maps.values());
    let (Some(names), Some(values)) = (names.as_string_opt::<i32>(), values.as_binary_opt::<i32>())
    else {
        return Vec::new();
    };
    let offset = |at: usize| {
        let offset = maps.value_offsets().get(at).copied();
        usize::try_from(offset.unwrap_or_default()).unwrap_or_default()
    };
    if maps.is_null(row_idx) {
        return Vec::new();
    }
    (offset(row_idx)..offset(row_idx + 1))
        .filter(|&at| names.is_valid(at))
        .map(|at| {
            let value = values.is_valid(at).then(|| values.value(at).to_vec());
            (names.value(at).to_owned(), value)
        })
        .collect()
}
