//! A consumer of Kafka, and what is asked of the brokers before the first message: which partitions
//! there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use tidemill_engine::catalog::options::parse_duration;
use tidemill_engine::{EngineError, Result};

use crate::options::{Settings, Topics};
use crate::properties::{client_config, of_creation};

/// How long the brokers are waited for before a job starts, unless `default.api.timeout.ms` says
/// otherwise. Java's client waits a minute; whoever writes in a notebook sees the error sooner.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) number: i32,
}

/// Remembers what the client said last about what goes wrong, for messages.
#[derive(Debug, Default, Clone)]
pub(crate) struct Voice(Arc<Mutex<Option<String>>>);

impl Voice {
    /// The error with what the client said about it.
    pub(crate) fn explain(&self, error: impl std::fmt::Display) -> String {
        match &*self.0.lock() {
            Some(said) => format!("{error} ({said})"),
            None => error.to_string(),
        }
    }

    pub(crate) fn hear(&self, message: &str) {
        // `[thrd:localhost:9092/bootstrap]: localhost:9092/bootstrap: Connect to … failed: …`
        let message = message.split_once("]: ").map_or(message, |(_, rest)| rest);
        *self.0.lock() = Some(message.trim().to_owned());
    }
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Emerg, Error};
        if matches!(level, Emerg | Alert | Critical | Error) {
            self.hear(message);
        }
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.hear(reason);
    }
}

impl ConsumerContext for Voice {}

/// A consumer, which any of a source's readers may use.
pub(crate) type Consumer = BaseConsumer<Voice>;

/// The connection of one job's source.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) settings: Arc<Settings>,
    pub(crate) consumer: Arc<Consumer>,
    /// The partitions that some reader has.
    pub(crate) known: Arc<Mutex<BTreeSet<Partition>>>,
    voice: Voice,
    timeout: Duration,
}

impl Client {
    /// A consumer that is no member of its group: nobody takes partitions away from it.
    ///
    /// # Errors
    /// `Options` if a property is unknown or malformed. No broker is asked yet.
    pub(crate) fn connect(settings: &Arc<Settings>) -> Result<Self> {
        let mut config = client_config(settings)?;
        // Without a group nothing can be asked for; one without a name of the user's is nobody's.
        let group = settings.properties.get("group.id").cloned();
        let group = group.unwrap_or_else(|| format!("tidemill-{:016x}", rand::random::<u64>()));
        config.set("group.id", group);
        // Java's client has other defaults than librdkafka.
        for (key, value) in [
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_uncommitted"),
            ("auto.offset.reset", "error"),
        ] {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        config.set("enable.partition.eof", "true");
        let voice = Voice::default();
        let consumer = config
            .create_with_context(voice.clone())
            .map_err(|error| of_creation(settings, &error))?;
        Ok(Self {
            timeout: timeout(settings),
            settings: Arc::clone(settings),
            consumer: Arc::new(consumer),
            known: Arc::default(),
            voice,
        })
    }

    /// How long an answer may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// An error of the brokers, in words.
    pub(crate) fn error(&self, what: &str, error: &KafkaError) -> EngineError {
        let cause = match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut,
            ) => {
                let servers = self.settings.properties.get("bootstrap.servers");
                self.voice.explain(format!(
                    "no broker of '{}' answered within {:?}",
                    servers.map_or("", String::as_str),
                    self.timeout
                ))
            }
            Some(code) => code.to_string(),
            None => error.to_string(),
        };
        self.settings.kind.error(format!("{what}: {cause}"))
    }

    /// The partitions that a table stands for, sorted.
    ///
    /// # Errors
    /// If the brokers do not answer, or a topic that the table names does not exist.
    pub(crate) fn partitions(&self, timeout: Duration) -> Result<BTreeSet<Partition>> {
        let mut partitions = BTreeSet::new();
        let mut add = |topic: &MetadataTopic| {
            partitions.extend(topic.partitions().iter().map(|partition| Partition {
                topic: topic.name().to_owned(),
                number: partition.id(),
            }));
        };
        match &self.settings.topics {
            Topics::List(topics) => {
                for name in topics {
                    let what = format!("partitions of topic '{name}'");
                    let metadata = self.consumer.fetch_metadata(Some(name), timeout);
                    let metadata = metadata.map_err(|error| self.error(&what, &error))?;
                    for topic in metadata.topics() {
                        if let Some(error) = topic.error() {
                            let code = RDKafkaErrorCode::from(error);
                            let error = KafkaError::MetadataFetch(code);
                            return Err(self.error(&what, &error));
                        }
                        add(topic);
                    }
                }
            }
            topics @ Topics::Pattern(pattern) => {
                let what = format!("topics as '{}'", pattern.as_str());
                let metadata = self.consumer.fetch_metadata(None, timeout);
                let metadata = metadata.map_err(|error| self.error(&what, &error))?;
                let matching = metadata.topics().iter();
                matching
                    .filter(|topic| topics.contains(topic.name()) && topic.error().is_none())
                    .for_each(add);
            }
        }
        Ok(partitions)
    }
}

fn timeout(settings: &Settings) -> Duration {
    let written = settings.properties.get("default.api.timeout.ms");
    let written = written.and_then(|text| parse_duration(text));
    written.unwrap_or(DEFAULT_TIMEOUT)
}
