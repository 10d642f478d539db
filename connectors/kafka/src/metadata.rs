//! What Kafka tells about every message beside key and value.
//!
//! | key | type | |
//! | --- | --- | --- |
//! | `headers` | MAP<STRING, BYTES> NOT NULL | also when writing; of several with one name the last |
//! | `leader-epoch` | INT | |
//! | `offset` | BIGINT NOT NULL | |
//! | `partition` | INT NOT NULL | |
//! | `timestamp` | TIMESTAMP_LTZ(3) NOT NULL | also when writing |
//! | `timestamp-type` | STRING NOT NULL | NoTimestampType, CreateTime or LogAppendTime |
//! | `topic` | STRING NOT NULL | also when writing |
//!
//! Source: `KafkaDynamicSource.ReadableMetadata` of Flink's Kafka connector 4.0.

use std::sync::Arc;

use arrow::array::builder::{BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, StringArray, TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef};
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use tidemill_engine::connectors::MetadataKey;
use tidemill_engine::data::map_keys;
use tidemill_engine::{EngineError, Result};

/// The keys, sorted.
pub(crate) const READABLE: &[MetadataKey] = &[
    MetadataKey {
        key: "headers",
        data_type: "MAP<STRING, BYTES> NOT NULL",
    },
    MetadataKey {
        key: "leader-epoch",
        data_type: "INT",
    },
    MetadataKey {
        key: "offset",
        data_type: "BIGINT NOT NULL",
    },
    MetadataKey {
        key: "partition",
        data_type: "INT NOT NULL",
    },
    MetadataKey {
        key: "timestamp",
        data_type: "TIMESTAMP_LTZ(3) NOT NULL",
    },
    MetadataKey {
        key: "timestamp-type",
        data_type: "STRING NOT NULL",
    },
    MetadataKey {
        key: "topic",
        data_type: "STRING NOT NULL",
    },
];

/// A column that collects one key of messages.
pub(crate) enum MetadataColumn {
    Topic(StringBuilder),
    Partition(Vec<i32>),
    Offset(Vec<i64>),
    Timestamp(Vec<i64>),
    TimestampType(Vec<&'static str>),
    LeaderEpoch(Vec<Option<i32>>),
    Headers(FieldRef, Vec<Vec<(String, Option<Vec<u8>>)>>),
}

impl MetadataColumn {
    /// A column for a key; `field` is its place in the table.
    ///
    /// # Errors
    /// If there is no such key.
    pub(crate) fn new(key: &str, field: &FieldRef) -> Result<Self> {
        Ok(match key {
            "topic" => Self::Topic(StringBuilder::new()),
            "partition" => Self::Partition(Vec::new()),
            "offset" => Self::Offset(Vec::new()),
            "timestamp" => Self::Timestamp(Vec::new()),
            "timestamp-type" => Self::TimestampType(Vec::new()),
            "leader-epoch" => Self::LeaderEpoch(Vec::new()),
            "headers" => Self::Headers(FieldRef::clone(field), Vec::new()),
            other => {
                return Err(EngineError::internal(format!(
                    "no metadata '{other}' of a message"
                )));
            }
        })
    }

    /// Takes what it wants of a message.
    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>) {
        match self {
            Self::Topic(topics) => topics.append_value(message.topic()),
            Self::Partition(partitions) => partitions.push(message.partition()),
            Self::Offset(offsets) => offsets.push(message.offset()),
            // As Java's client, which has -1 for a message without a time.
            Self::Timestamp(times) => times.push(message.timestamp().to_millis().unwrap_or(-1)),
            Self::TimestampType(types) => types.push(match message.timestamp() {
                Timestamp::NotAvailable => "NoTimestampType",
                Timestamp::CreateTime(_) => "CreateTime",
                Timestamp::LogAppendTime(_) => "LogAppendTime",
            }),
            Self::LeaderEpoch(epochs) => epochs.push(leader_epoch(message)),
            Self::Headers(_, headers) => headers.push(headers_of(message)),
        }
    }

    /// The column with the messages of `rows`, and forgets them.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn finish(&mut self, rows: &UInt32Array) -> Result<ArrayRef> {
        let column: ArrayRef = match self {
            Self::Topic(topics) => Arc::new(topics.finish()),
            Self::Partition(partitions) => Arc::new(Int32Array::from(std::mem::take(partitions))),
            Self::Offset(offsets) => Arc::new(Int64Array::from(std::mem::take(offsets))),
            Self::Timestamp(times) => {
                let times = TimestampMillisecondArray::from(std::mem::take(times));
                Arc::new(times.with_timezone("UTC"))
            }
            Self::TimestampType(types) => Arc::new(StringArray::from(std::mem::take(types))),
            Self::LeaderEpoch(epochs) => Arc::new(Int32Array::from(std::mem::take(epochs))),
            Self::Headers(field, headers) => header_maps(field, std::mem::take(headers))?,
        };
        Ok(take(&column, rows, None)?)
    }
}

fn leader_epoch(message: &BorrowedMessage<'_>) -> Option<i32> {
    // SAFETY: the message is borrowed, so librdkafka keeps it; the call only reads it.
    let epoch = unsafe { rdkafka::bindings::rd_kafka_message_leader_epoch(message.ptr()) };
    (epoch >= 0).then_some(epoch)
}

fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let mut entries: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for header in message.headers().iter().flat_map(|headers| headers.iter()) {
        let value = header.value.map(<[u8]>::to_vec);
        match entries.iter_mut().find(|(name, _)| name == header.key) {
            Some((_, known)) => *known = value,
            None => entries.push((header.key.to_owned(), value)),
        }
    }
    entries
}

fn header_maps(field: &FieldRef, headers: Vec<Vec<(String, Option<Vec<u8>>)>>) -> Result<ArrayRef> {
    let plain = map_keys::plain_type(field.data_type());
    let DataType::Map(entries, _) = &plain else {
        return Err(EngineError::internal("headers are a map"));
    };
    let DataType::Struct(parts) = entries.data_type() else {
        return Err(EngineError::internal("a map has entries"));
    };
    let [key, value] = &parts[..] else {
        return Err(EngineError::internal("an entry has a key and a value"));
    };
    let names = MapFieldNames {
        entry: entries.name().clone(),
        key: key.name().clone(),
        value: value.name().clone(),
    };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new())
        .with_keys_field(FieldRef::clone(key))
        .with_values_field(FieldRef::clone(value));
    for entries in headers {
        for (name, value) in entries {
            maps.keys().append_value(name);
            maps.values().append_option(value);
        }
        maps.append(true)?;
    }
    let maps: ArrayRef = Arc::new(maps.finish());
    map_keys::from_plain(&maps, field.data_type())
}
