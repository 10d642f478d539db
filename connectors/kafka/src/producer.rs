//! A producer: records go into its memory, from where librdkafka sends them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};
use tidemill_engine::{EngineError, Result};

use crate::client::Voice;
use crate::options::Settings;
use crate::properties::{client_config, of_creation};
use crate::record::Record;

/// How long one look at the answers takes at most.
const LOOK: Duration = Duration::from_millis(100);

/// A job that was stopped waits so long for answers while none comes.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Set when the job is stopped, from any thread.
pub(crate) type Cancelled = Arc<AtomicBool>;

/// Hears what becomes of records.
#[derive(Default, Clone)]
struct Ears {
    voice: Voice,
    /// The first record that could not be delivered.
    failure: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.voice.hear(reason);
    }
}

impl ProducerContext for Ears {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else {
            return;
        };
        let mut failure = self.failure.lock();
        if failure.is_none() {
            let code = error.rdkafka_error_code();
            let cause = code.map_or_else(|| error.to_string(), |code| code.to_string());
            *failure = Some(self.voice.explain(format!(
                "a record for topic '{}' could not be delivered: {cause}",
                message.topic()
            )));
        }
    }
}

/// How records are dealt out to partitions: `sink.partitioner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partitioner {
    /// By the hash of the key as Java's client computes it; without a key to any.
    Default,
    /// What one writer writes goes to one partition; there is one writer.
    Fixed,
}

/// Sends records.
pub(crate) struct Producer {
    producer: BaseProducer<Ears>,
    ears: Ears,
    settings: Arc<Settings>,
    partitioner: Partitioner,
    cancelled: Cancelled,
}

impl Producer {
    /// A producer with some properties of our own. No broker is asked yet.
    ///
    /// # Errors
    /// `Options` if a property is unknown or malformed.
    pub(crate) fn connect(
        settings: &Arc<Settings>,
        partitioner: Partitioner,
        cancelled: &Cancelled,
        own: &BTreeMap<&str, String>,
    ) -> Result<Self> {
        let mut config: ClientConfig = client_config(settings)?;
        let written = |key: &str| settings.properties.contains_key(key);
        // As Java's client: where a key goes must not depend on who has written it.
        let mut defaults = vec![
            ("partitioner", "murmur2_random"),
            ("message.timeout.ms", "120000"),
        ];
        // Order and no duplicates when a record is sent again, unless other acknowledgements are
        // asked for.
        if !written("acks") && !written("request.required.acks") {
            defaults.push(("enable.idempotence", "true"));
        }
        for (key, value) in defaults {
            if config.get(key).is_none()
                && !(key == "message.timeout.ms" && written("delivery.timeout.ms"))
            {
                config.set(key, value);
            }
        }
        for (key, value) in own {
            config.set(*key, value);
        }
        let ears = Ears::default();
        let producer = config
            .create_with_context(ears.clone())
            .map_err(|error| of_creation(settings, &error))?;
        Ok(Self {
            producer,
            ears,
            settings: Arc::clone(settings),
            partitioner,
            cancelled: Arc::clone(cancelled),
        })
    }

    /// The client, for transactions.
    pub(crate) const fn client(&self) -> &BaseProducer<impl ProducerContext<DeliveryOpaque = ()>> {
        &self.producer
    }

    /// Takes a record; waits if too many are on their way.
    ///
    /// # Errors
    /// If a record could not be delivered, this one or one before it, or the job is stopped.
    pub(crate) fn send(&self, record: &Record) -> Result<()> {
        let mut message = BaseRecord::to(&record.topic);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.timestamp = record.timestamp_ms;
        if self.partitioner == Partitioner::Fixed {
            message.partition = Some(0);
        }
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            message.headers = Some(record.headers.iter().fold(headers, |headers, header| {
                headers.insert(Header {
                    key: &header.0,
                    value: header.1.as_deref(),
                })
            }));
        }
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    if self.cancelled.load(Ordering::Relaxed) {
                        return Err(self.error("stopped while no record could be delivered"));
                    }
                    message = again;
                    self.look(LOOK)?;
                }
                Err((error, _)) => {
                    let what = format!("a record for topic '{}': {error}", record.topic);
                    return Err(self.error(what));
                }
            }
        }
    }

    /// Hears what has become of records.
    ///
    /// # Errors
    /// If one could not be delivered.
    pub(crate) fn look(&self, wait: Duration) -> Result<()> {
        self.producer.poll(wait);
        match &*self.ears.failure.lock() {
            Some(failure) => Err(self.error(failure)),
            None => Ok(()),
        }
    }

    /// Waits until all records have been delivered. When the job has been stopped and no answer
    /// comes any more, not for long.
    ///
    /// # Errors
    /// If one could not be delivered.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut n_before = self.producer.in_flight_count();
        let mut since = Instant::now();
        loop {
            let flushed = self.producer.flush(LOOK);
            self.look(Duration::ZERO)?;
            match flushed {
                Ok(()) => return Ok(()),
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {}
                Err(error) => return Err(self.error(error)),
            }
            let n_left = self.producer.in_flight_count();
            if n_left < n_before || !self.cancelled.load(Ordering::Relaxed) {
                (n_before, since) = (n_left, Instant::now());
            }
            if since.elapsed() > LAST_WAIT {
                self.producer
                    .purge(PurgeConfig::default().queue().inflight());
                let what = format!("{n_left} records had not been delivered when the job stopped");
                return Err(self.error(self.ears.voice.explain(what)));
            }
        }
    }

    /// Whether somebody has stopped the job.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// An error of the connector, with what the client said last about its brokers.
    pub(crate) fn explained(&self, error: impl std::fmt::Display) -> EngineError {
        self.error(self.ears.voice.explain(error))
    }

    pub(crate) fn error(&self, error: impl ToString) -> EngineError {
        self.settings.kind.error(error)
    }
}
