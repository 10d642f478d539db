//! The connectors `kafka` and `upsert-kafka`: topics of Apache Kafka as tables.
//!
//! ```text
//!   brokers ──librdkafka──▶ reader ─messages─▶ Decoder ──▶ rows
//!   rows ──Encoder──▶ records ──librdkafka──▶ brokers, or first the checkpoint, then the brokers
//! ```
//!
//! The engine knows nothing of this crate: [`register`] makes its tables known to all sessions of
//! the process. The client is librdkafka, in C, with OpenSSL and zlib, all built from source.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod client;
mod metadata;
mod offsets;
mod options;
mod producer;
mod properties;
mod reader;
mod record;
mod rows;
mod sink;
mod source;
mod transaction;
mod upsert_buffer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tidemill_engine::Result;
use tidemill_engine::connectors::{
    ConnectorFactory, ConnectorTable, MetadataKey, SinkFactory, Source, registry,
};

use crate::options::Kind;
use crate::sink::KafkaSinkFactory;
use crate::source::KafkaSource;

/// Makes tables with `'connector' = 'kafka'` and `'upsert-kafka'` known.
pub fn register() {
    registry::register(Arc::new(KafkaFactory(Kind::Append)));
    registry::register(Arc::new(KafkaFactory(Kind::Upsert)));
}

#[derive(Debug)]
struct KafkaFactory(Kind);

impl ConnectorFactory for KafkaFactory {
    fn identifier(&self) -> &'static str {
        self.0.identifier()
    }

    fn metadata(&self) -> &'static [MetadataKey] {
        metadata::READABLE
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(KafkaSource::try_new(self.0, table)?))
    }

    fn writable_metadata(&self) -> &'static [MetadataKey] {
        record::WRITABLE
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        Ok(Arc::new(KafkaSinkFactory::try_new(self.0, table)?))
    }
}
