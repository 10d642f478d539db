//! A topic as a sink.
//!
//! ```text
//!   rows ──RecordMaker──▶ records ──[UpsertBuffer]──┬─▶ Producer                none, at-least-once
//!                                                   └─▶ Transactions            exactly-once
//! ```
//!
//! Records are on their way as soon as a step has made them. With `at-least-once` a checkpoint waits
//! until they have arrived, with `none` it does not; the end of a job waits in any case.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidemill_engine::catalog::options::TableOptions;
use tidemill_engine::connectors::{CancelSink, ConnectorTable, MetadataColumn, Sink, SinkFactory};
use tidemill_engine::data::{ChangelogMode, Delta};
use tidemill_engine::state::StateTable;
use tidemill_engine::{EngineError, Result};

use crate::options::{self, Kind, Settings};
use crate::producer::{Cancelled, Partitioner, Producer};
use crate::record::{Record, RecordMaker};
use crate::transaction::Transactions;
use crate::upsert_buffer::{FlushMode, UpsertBuffer};

/// `sink.delivery-guarantee`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Guarantee {
    None,
    AtLeastOnce,
    /// With `sink.transactional-id-prefix`.
    ExactlyOnce(String),
}

/// A table that is written.
#[derive(Debug)]
pub(crate) struct KafkaSinkFactory {
    settings: Arc<Settings>,
    metadata: Vec<MetadataColumn>,
    guarantee: Guarantee,
    partitioner: Partitioner,
    flush: Option<FlushMode>,
}

impl KafkaSinkFactory {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// `Options` if some do not fit, `Unsupported` if a format has no form for a column's type.
    pub(crate) fn try_new(kind: Kind, table: &ConnectorTable) -> Result<Self> {
        let (settings, options) = options::read(kind, table)?;
        options.parse::<std::num::NonZeroU32>("sink.parallelism", "a number above zero")?;
        if let Some(name) = options.text("sink.transaction-naming-strategy") {
            let known = ["default", "incrementing", "pooling"];
            if !known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let expected = "DEFAULT, INCREMENTING or POOLING";
                return Err(options.invalid("sink.transaction-naming-strategy", name, expected));
            }
        }
        let names_topic = table.metadata.iter().any(|asked| asked.key == "topic");
        if settings.topics.single().is_none() && !names_topic {
            return Err(options.error(
                "a sink for several topics needs a column 'topic STRING METADATA', which says for \
                 each row where it goes",
            ));
        }
        RecordMaker::try_new(&settings, &table.metadata)?;
        Ok(Self {
            metadata: table.metadata.clone(),
            guarantee: guarantee(&options)?,
            partitioner: partitioner(&options)?,
            flush: match kind {
                Kind::Upsert => FlushMode::read(&options)?,
                Kind::Append => None,
            },
            settings: Arc::new(settings),
        })
    }
}

fn guarantee(options: &TableOptions<'_>) -> Result<Guarantee> {
    let key = match options.text("sink.semantic") {
        Some(_) => "sink.semantic",
        None => "sink.delivery-guarantee",
    };
    let written = options.text(key).unwrap_or("at-least-once");
    match written.to_ascii_lowercase().replace('_', "-").as_str() {
        "none" => Ok(Guarantee::None),
        "at-least-once" => Ok(Guarantee::AtLeastOnce),
        "exactly-once" => match options.text("sink.transactional-id-prefix") {
            Some(prefix) if !prefix.is_empty() => Ok(Guarantee::ExactlyOnce(prefix.to_owned())),
            _ => Err(options.error(
                "'sink.transactional-id-prefix' must be specified when using \
                 'sink.delivery-guarantee' = 'exactly-once'",
            )),
        },
        _ => Err(options.invalid(key, written, "none, at-least-once or exactly-once")),
    }
}

fn partitioner(options: &TableOptions<'_>) -> Result<Partitioner> {
    match options.text("sink.partitioner") {
        None | Some("default") => Ok(Partitioner::Default),
        Some("fixed") => Ok(Partitioner::Fixed),
        Some("round-robin") if options.text("key.fields").is_some() => Err(options.error(
            "the 'round-robin' partitioner only works when option 'key.fields' is not specified",
        )),
        // As in Flink, whose client deals records without a key out by itself.
        Some("round-robin") => Ok(Partitioner::Default),
        Some("") => Err(options.error("option 'sink.partitioner' should be a non-empty string")),
        Some(class) => Err(EngineError::unsupported(format!(
            "a class as 'sink.partitioner' ('{class}'; default, fixed and round-robin are known)"
        ))),
    }
}

impl SinkFactory for KafkaSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        match self.settings.kind {
            Kind::Append => self.settings.value.format.changelog_mode(),
            Kind::Upsert => ChangelogMode::UPSERT,
        }
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (settings, partitioner) = (&self.settings, self.partitioner);
        let way = match &self.guarantee {
            Guarantee::ExactlyOnce(prefix) => Way::Transactions(Box::new(Transactions::begin(
                settings,
                partitioner,
                &cancelled,
                prefix,
            )?)),
            guarantee => Way::Direct {
                producer: Producer::connect(settings, partitioner, &cancelled, &BTreeMap::new())?,
                waits: *guarantee == Guarantee::AtLeastOnce,
            },
        };
        Ok(Box::new(KafkaSink {
            maker: RecordMaker::try_new(settings, &self.metadata)?,
            buffer: self.flush.map(UpsertBuffer::new),
            way,
            is_saved: false,
            cancelled,
        }))
    }
}

/// How records leave.
enum Way {
    /// At once; with `waits` a checkpoint waits until they are there.
    Direct { producer: Producer, waits: bool },
    /// With checkpoints.
    Transactions(Box<Transactions>),
}

impl Way {
    fn send(&mut self, record: Record) -> Result<()> {
        match self {
            Self::Direct { producer, .. } => producer.send(&record),
            Self::Transactions(transactions) => {
                transactions.put(record);
                Ok(())
            }
        }
    }
}

struct KafkaSink {
    maker: RecordMaker,
    buffer: Option<UpsertBuffer>,
    way: Way,
    /// Whether there are checkpoints to wait for.
    is_saved: bool,
    cancelled: Cancelled,
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink").finish_non_exhaustive()
    }
}

impl KafkaSink {
    fn empty_buffer(&mut self) -> Result<()> {
        let records = self.buffer.as_mut().map(UpsertBuffer::take);
        let mut records = records.into_iter().flatten();
        records.try_for_each(|record| self.way.send(record))
    }
}

impl Sink for KafkaSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        let (buffer, way) = (&mut self.buffer, &mut self.way);
        self.maker.for_each(delta, |record| {
            let Some(buffer) = buffer else {
                return way.send(record);
            };
            buffer.put(record);
            match buffer.is_due() {
                true => buffer
                    .take()
                    .into_iter()
                    .try_for_each(|record| way.send(record)),
                false => Ok(()),
            }
        })
    }

    fn on_step_end(&mut self) -> Result<()> {
        if self.buffer.as_ref().is_some_and(UpsertBuffer::is_due) {
            self.empty_buffer()?;
        }
        match &mut self.way {
            Way::Direct { producer, .. } => producer.look(Duration::ZERO),
            // Without checkpoints a step is what belongs together.
            Way::Transactions(transactions) if !self.is_saved => transactions.commit_all(),
            Way::Transactions(_) => Ok(()),
        }
    }

    fn next_timer_ms(&self) -> Option<i64> {
        let left = self.buffer.as_ref()?.time_left()?;
        let due = (SystemTime::now() + left).duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(due.as_millis()).ok()
    }

    fn finish(&mut self) -> Result<()> {
        self.empty_buffer()?;
        match &mut self.way {
            Way::Direct { producer, .. } => producer.flush(),
            Way::Transactions(transactions) => transactions.commit_all(),
        }
    }

    fn state_bytes(&self) -> usize {
        let waiting = match &self.way {
            Way::Direct { .. } => 0,
            Way::Transactions(transactions) => transactions.n_bytes(),
        };
        waiting + self.buffer.as_ref().map_or(0, UpsertBuffer::n_bytes)
    }

    fn expect_checkpoints(&mut self) {
        self.is_saved = true;
    }

    fn prepare(&mut self, checkpoint: u64) -> Result<Vec<StateTable>> {
        self.empty_buffer()?;
        match &mut self.way {
            Way::Direct { producer, waits } => {
                if *waits {
                    producer.flush()?;
                }
                Ok(Vec::new())
            }
            Way::Transactions(transactions) => transactions.prepare(checkpoint),
        }
    }

    fn commit(&mut self, checkpoint: u64) -> Result<()> {
        match &mut self.way {
            Way::Direct { .. } => Ok(()),
            Way::Transactions(transactions) => transactions.commit(checkpoint),
        }
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        match &mut self.way {
            // Written with another guarantee, the checkpoint may have records that wait.
            Way::Direct { .. } => Err(EngineError::unsupported(
                "restoring a sink without transactions from a checkpoint with some",
            )),
            Way::Transactions(transactions) => transactions.restore(&tables),
        }
    }

    fn canceller(&self) -> Option<CancelSink> {
        let cancelled = Arc::clone(&self.cancelled);
        Some(Box::new(move || cancelled.store(true, Ordering::Relaxed)))
    }
}
