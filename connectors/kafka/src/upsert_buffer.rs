//! Of records with the same key only the last one is sent: `sink.buffer-flush.*`.
//!
//! Source: `ReducingUpsertWriter` of Flink's Kafka connector 4.0.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidemill_engine::Result;
use tidemill_engine::catalog::options::TableOptions;

use crate::record::Record;

/// When records that wait are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlushMode {
    /// With so many keys.
    max_rows: usize,
    /// So long after the first of them came.
    interval: Duration,
}

impl FlushMode {
    /// Reads the options; none if records do not wait.
    ///
    /// # Errors
    /// `Options` if one of the two is set without the other.
    pub(crate) fn read(options: &TableOptions<'_>) -> Result<Option<Self>> {
        let (rows, time) = ("sink.buffer-flush.max-rows", "sink.buffer-flush.interval");
        let max_rows: usize = options.parse(rows, "a number of rows")?.unwrap_or(0);
        let interval = options.duration(time)?.unwrap_or(Duration::ZERO);
        match (max_rows, interval.as_millis()) {
            (0, 0) => Ok(None),
            (0, _) | (_, 0) => Err(options.error(format!(
                "'{rows}' and '{time}' must be set to be greater than zero together to enable \
                 sink buffer flushing"
            ))),
            _ => Ok(Some(Self { max_rows, interval })),
        }
    }
}

/// Records that wait, by topic and key.
#[derive(Debug)]
pub(crate) struct UpsertBuffer {
    mode: FlushMode,
    records: Vec<Record>,
    /// The place of a key's record.
    places: HashMap<(String, Vec<u8>), usize>,
    since: Option<Instant>,
    n_bytes: usize,
}

impl UpsertBuffer {
    pub(crate) fn new(mode: FlushMode) -> Self {
        Self {
            mode,
            records: Vec::new(),
            places: HashMap::new(),
            since: None,
            n_bytes: 0,
        }
    }

    /// Takes a record in the place of the one with its key.
    pub(crate) fn put(&mut self, record: Record) {
        self.since.get_or_insert_with(Instant::now);
        self.n_bytes += record.n_bytes();
        let key = record.key.clone().unwrap_or_default();
        let place = self.places.entry((record.topic.to_string(), key));
        match place {
            std::collections::hash_map::Entry::Occupied(known) => {
                if let Some(before) = self.records.get_mut(*known.get()) {
                    self.n_bytes -= before.n_bytes();
                    *before = record;
                }
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(self.records.len());
                self.records.push(record);
            }
        }
    }

    /// Whether they have to be sent.
    pub(crate) fn is_due(&self) -> bool {
        self.records.len() >= self.mode.max_rows
            || self
                .since
                .is_some_and(|since| since.elapsed() >= self.mode.interval)
    }

    /// How long they may still wait; none if there are none.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let since = self.since?;
        Some(self.mode.interval.saturating_sub(since.elapsed()))
    }

    /// All of them, in the order in which their keys came first.
    pub(crate) fn take(&mut self) -> Vec<Record> {
        self.places.clear();
        self.since = None;
        self.n_bytes = 0;
        std::mem::take(&mut self.records)
    }

    /// About the memory they take.
    pub(crate) const fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}
