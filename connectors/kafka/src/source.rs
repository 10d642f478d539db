//! A topic, or several, as a source.
//!
//! ```text
//!   one Client ── a queue for each partition ──▶ a reader for each partition ──▶ rows
//!        ╰─ new partitions, every now and then ─▶ the first reader takes them
//! ```
//!
//! A partition has a reader of its own, so event time is watched in each of them, as in Flink, and
//! what comes out does not depend on the number of workers. Of many partitions several share a
//! reader. Position of a reader: the offset of the next message, for each of its partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};
use serde_json::Value;
use tidemill_engine::Result;
use tidemill_engine::connectors::{
    Boundedness, ConnectorTable, MetadataColumn, Source, SourceReader,
};
use tidemill_engine::data::ChangelogMode;

use crate::client::{Client, Partition};
use crate::offsets::{Bounded, Offsets, Startup};
use crate::options::{self, Kind, Settings};
use crate::reader::{KafkaReader, Plan};
use crate::rows::RowMaker;

/// With more partitions than this, they share readers: each is a thread.
const MAX_READERS: usize = 64;

/// Flink's `scan.topic-partition-discovery.interval`.
const DEFAULT_DISCOVERY: Duration = Duration::from_secs(5 * 60);

/// A table that is read.
#[derive(Debug)]
pub(crate) struct KafkaSource {
    settings: Arc<Settings>,
    metadata: Vec<MetadataColumn>,
    /// Physical columns, then those of `metadata`.
    schema: SchemaRef,
    startup: Startup,
    bounded: Bounded,
    /// How often to look for new partitions; never if none.
    discovery: Option<Duration>,
}

impl KafkaSource {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// `Options` if some do not fit.
    pub(crate) fn try_new(kind: Kind, table: &ConnectorTable) -> Result<Self> {
        let (settings, options) = options::read(kind, table)?;
        options.parse::<std::num::NonZeroU32>("scan.parallelism", "a number above zero")?;
        let mut fields = table.schema.fields().to_vec();
        fields.extend(
            table
                .metadata
                .iter()
                .map(|column| Arc::clone(&column.field)),
        );
        let schema = Arc::new(Schema::new(fields));
        let startup = Startup::read(kind, &settings.topics, &options)?;
        let bounded = Bounded::read(&settings.topics, &options)?;
        let discovery = options.duration("scan.topic-partition-discovery.interval")?;
        // The types are tested now, not when the job runs.
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        RowMaker::try_new(&settings, &table.metadata, &schema, &all)?;
        Ok(Self {
            metadata: table.metadata.clone(),
            schema,
            startup,
            discovery: match bounded {
                Bounded::Never => Some(discovery.unwrap_or(DEFAULT_DISCOVERY))
                    .filter(|interval| !interval.is_zero()),
                _ => None,
            },
            bounded,
            settings: Arc::new(settings),
        })
    }

    /// The settings with the word for offsets that are gone.
    fn client(&self) -> Result<Client> {
        let mut settings = Settings::clone(&self.settings);
        if let Some(reset) = self.startup.reset() {
            let properties = &mut settings.properties;
            properties.insert("auto.offset.reset".to_owned(), reset.to_owned());
        }
        Client::connect(&Arc::new(settings))
    }
}

impl Source for KafkaSource {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.bounded {
            Bounded::Never => Boundedness::Unbounded,
            _ => Boundedness::Bounded,
        }
    }

    fn changelog_mode(&self) -> ChangelogMode {
        match self.settings.kind {
            Kind::Append => self.settings.value.format.changelog_mode(),
            Kind::Upsert => ChangelogMode::UPSERT,
        }
    }

    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let client = self.client()?;
        let partitions = client.partitions(client.timeout())?;
        let starts = self.startup.offsets(&client, &partitions)?;
        let stops = self.bounded.offsets(&client, &partitions)?;
        client.known.lock().clone_from(&partitions);
        let n_readers = partitions.len().clamp(1, MAX_READERS);
        let mut shares = vec![BTreeSet::new(); n_readers];
        for (partition_idx, partition) in partitions.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(partition_idx % n_readers) {
                share.insert(partition);
            }
        }
        let mut readers: Vec<Box<dyn SourceReader>> = Vec::with_capacity(n_readers);
        for (reader_idx, share) in shares.into_iter().enumerate() {
            let rows = RowMaker::try_new(&self.settings, &self.metadata, &self.schema, projection)?;
            let plan = Plan {
                starts: of_share(&starts, &share),
                stops: of_share(&stops, &share),
                partitions: share,
                discovery: self.discovery.filter(|_| reader_idx == 0),
                is_bounded: self.bounded != Bounded::Never,
            };
            readers.push(Box::new(KafkaReader::new(client.clone(), plan, rows)));
        }
        Ok(readers)
    }

    /// Every reader gets to know about all partitions, and takes its own.
    fn reassign(&self, positions: &[Value], n_readers: usize) -> Result<Vec<Value>> {
        let mut all: BTreeMap<String, serde_json::Map<String, Value>> = BTreeMap::new();
        for position in positions {
            for (topic, offsets) in position.as_object().into_iter().flatten() {
                let offsets = offsets.as_object().into_iter().flatten();
                let known = all.entry(topic.clone()).or_default();
                known.extend(offsets.map(|(number, offset)| (number.clone(), offset.clone())));
            }
        }
        Ok(vec![serde_json::json!(all); n_readers])
    }
}

fn of_share(offsets: &Offsets, share: &BTreeSet<Partition>) -> Offsets {
    let own = offsets
        .iter()
        .filter(|(partition, _)| share.contains(*partition));
    own.map(|(partition, offset)| (partition.clone(), *offset))
        .collect()
}
