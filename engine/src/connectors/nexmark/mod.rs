//! The connector `nexmark`: the events of an auction house, as the benchmark of this name has them.
//!
//! ```text
//!   event number ──▶ id, time, kind (person 1 : auction 3 : bid 46) ──▶ a row with one of three ROWs
//! ```
//!
//! Everything about an event follows from its number: the same options always give the same events,
//! in any process, from any position on. The readers of a job share one time line in blocks; each
//! block belongs to one split, and a checkpoint knows how far each split is.
//!
//! Without `events.num` the table is unbounded. Events come as fast as they are taken, unless
//! `rate.limited` is true (or `max-emit-speed` false): then when they are due.
//!
//! Source: Nexmark's generator for Flink (`nexmark-flink`, 0.2 and later): names, defaults and rules
//! of `NexmarkSourceOptions`, `GeneratorConfig` and the generators of its models. Two differences:
//! event time begins at a fixed moment (`base-time`) and not now, so that runs can be compared, and
//! several readers continue one time line instead of running along several of the same time.
mod count_char;

mod events;

mod people;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::events::{Columns, Settings};
use super::{
    Boundedness, ConnectorFactory, ConnectorTable, SinkFactory, Source, SourcePoll, SourceReader,
    source_only,
};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::Delta;
use crate::error::{EngineError, Result};
use crate::functions::udf::UdfSpec;

const SPECS: &[OptionSpec] = &[
    optional("auction.avg-size"),
    optional("auction.hot-ratio.sellers"),
    optional("auction.proportion"),
    optional("base-time"),
    optional("bid.avg-size"),
    optional("bid.hot-ratio.auctions"),
    optional("bid.hot-ratio.bidders"),
    optional("bid.proportion"),
    optional("events.num"),
    optional("first-event.rate"),
    optional("keep-alive"),
    optional("max-emit-speed"),
    optional("next-event.rate"),
    optional("person.avg-size"),
    optional("person.proportion"),
    optional("rate.limited"),
    optional("rate.period"),
    optional("rate.shape"),
    optional("scan.parallelism"),
    optional("stop-at"),
];

/// Neighboring events that belong to the same split.
const BLOCK_EVENTS: u64 = 4_096;

/// A reader that waits for its next event looks up at least this often.
const MAX_IDLE: Duration = Duration::from_millis(50);

/// 2015-07-15 00:00:00, when the benchmark was young.
const DEFAULT_BASE_TIME_MS: i64 = 1_436_918_400_000;

/// Makes `nexmark` tables.
#[derive(Debug)]
pub struct NexmarkFactory;

impl ConnectorFactory for NexmarkFactory {
    fn identifier(&self) -> &'static str {
        "nexmark"
    }

    fn function(&self, class: &str) -> Option<UdfSpec> {
        (class == count_char::CLASS).then(count_char::spec)
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let options = TableOptions::check(&table.name, &table.options, SPECS)?;
        let number = |key: &str, default: u64| -> Result<u64> {
            let whole = "a whole number";
            Ok(options.parse::<u64>(key, whole)?.unwrap_or(default))
        };
        let positive = |key: &str, default: u64| -> Result<u64> {
            let given = options.parse::<std::num::NonZeroU64>(key, "a number above zero")?;
            Ok(given.map_or(default, std::num::NonZeroU64::get))
        };
        let size = |key: &str, default: u64| -> Result<usize> {
            let n_bytes = options.bytes(key)?.unwrap_or(default);
            Ok(usize::try_from(n_bytes).unwrap_or(usize::MAX).min(1 << 20))
        };
        // Only the first rate counts in today's generator; the others are read and tested.
        positive("next-event.rate", 1)?;
        options.duration("rate.period")?;
        check_shape(&options)?;
        let settings = Settings {
            persons: positive("person.proportion", 1)?,
            auctions: positive("auction.proportion", 3)?,
            bids: number("bid.proportion", 46)?,
            person_bytes: size("person.avg-size", 200)?,
            auction_bytes: size("auction.avg-size", 500)?,
            bid_bytes: size("bid.avg-size", 100)?,
            hot_auction_ratio: positive("bid.hot-ratio.auctions", 2)?,
            hot_bidder_ratio: positive("bid.hot-ratio.bidders", 4)?,
            hot_seller_ratio: positive("auction.hot-ratio.sellers", 4)?,
            events_per_second: positive("first-event.rate", 10_000)?,
            base_time_ms: match options.parse::<i64>("base-time", "milliseconds since 1970")? {
                Some(base_time_ms) => base_time_ms,
                None => DEFAULT_BASE_TIME_MS,
            },
        };
        let stop_at = options.parse::<i64>("stop-at", "a number of events, or -1")?;
        let n_events = [
            Some(number("events.num", 0)?).filter(|&n_events| n_events > 0),
            stop_at.and_then(|stop_at| u64::try_from(stop_at).ok()),
        ];
        let at_full_speed = options.flag("max-emit-speed")?.unwrap_or(true);
        Ok(Arc::new(NexmarkSource {
            columns: Columns::of_schema(&table.schema, &options)?,
            schema: Arc::clone(&table.schema),
            settings,
            n_events: n_events.into_iter().flatten().min(),
            is_rate_limited: options.flag("rate.limited")?.unwrap_or(false) || !at_full_speed,
            stays: options.flag("keep-alive")?.unwrap_or(false),
            n_readers: options
                .parse::<std::num::NonZeroUsize>("scan.parallelism", "a number above zero")?
                .map(std::num::NonZeroUsize::get),
        }))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        Err(source_only(&table.name, "nexmark"))
    }
}

fn check_shape(options: &TableOptions<'_>) -> Result<()> {
    match options.text("rate.shape") {
        Some(shape)
            if !["SQUARE", "SINE"]
                .iter()
                .any(|known| shape.eq_ignore_ascii_case(known)) =>
        {
            Err(options.invalid("rate.shape", shape, "SQUARE or SINE"))
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct NexmarkSource {
    schema: SchemaRef,
    columns: Columns,
    settings: Settings,
    n_events: Option<u64>,
    is_rate_limited: bool,
    /// The table does not end with its events.
    stays: bool,
    n_readers: Option<usize>,
}

impl Source for NexmarkSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.n_events {
            Some(_) if !self.stays => Boundedness::Bounded,
            _ => Boundedness::Unbounded,
        }
    }

    fn open(&self, projection: &[usize], parallelism: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let schema = Arc::new(self.schema.project(projection)?);
        let columns = self.columns.project(projection);
        let n_readers = self.n_readers.unwrap_or(parallelism).max(1) as u64;
        let reader = |reader_idx: u64| -> Box<dyn SourceReader> {
            Box::new(NexmarkReader {
                schema: Arc::clone(&schema),
                columns: columns.clone(),
                settings: self.settings.clone(),
                n_events: self.n_events.unwrap_or(u64::MAX),
                stays: self.stays,
                pace: self.is_rate_limited.then_some(Pacing {
                    events_per_second: self.settings.events_per_second,
                    started: None,
                }),
                splits: vec![Split {
                    split: reader_idx,
                    of: n_readers,
                    next: reader_idx * BLOCK_EVENTS,
                }],
            })
        };
        Ok((0..n_readers).map(reader).collect())
    }

    fn reassign(&self, positions: &[Value], n_readers: usize) -> Result<Vec<Value>> {
        let mut shares: Vec<Vec<Split>> = vec![Vec::new(); n_readers];
        let mut splits = Vec::new();
        for position in positions {
            splits.extend(splits_of(position)?);
        }
        for (split_idx, split) in splits.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(split_idx % n_readers.max(1)) {
                share.push(split);
            }
        }
        Ok(shares
            .iter()
            .map(|splits| json!({ "splits": splits }))
            .collect())
    }
}

/// A share of the time line: of all blocks every `of`-th, from the `split`-th on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Split {
    split: u64,
    of: u64,
    /// Number of the next event; 0 is the first.
    next: u64,
}

impl Split {
    /// Takes up to `max_events` neighboring events.
    fn take(&mut self, max_events: u64) -> std::ops::Range<u64> {
        let first = self.next;
        let block_end = (first / BLOCK_EVENTS + 1) * BLOCK_EVENTS;
        let end = block_end.min(first.saturating_add(max_events));
        self.next = end;
        if end == block_end {
            self.next = block_end.saturating_add((self.of - 1) * BLOCK_EVENTS);
        }
        first..end
    }
}

fn splits_of(position: &Value) -> Result<Vec<Split>> {
    let splits = position.get("splits").cloned().unwrap_or_default();
    let splits: Vec<Split> = serde_json::from_value(splits).map_err(|_| {
        EngineError::internal(format!("no splits of nexmark in the position {position}"))
    })?;
    match splits.iter().all(|split| split.of > 0) {
        true => Ok(splits),
        false => Err(EngineError::internal("a split of nothing")),
    }
}

struct NexmarkReader {
    schema: SchemaRef,
    columns: Columns,
    settings: Settings,
    n_events: u64,
    stays: bool,
    /// None for as fast as possible.
    pace: Option<Pacing>,
    splits: Vec<Split>,
}

#[derive(Debug, Clone, Copy)]
struct Pacing {
    events_per_second: u64,
    /// When the first event was due, and which one it was.
    started: Option<(Instant, u64)>,
}

impl Pacing {
    /// The event that is due last by now.
    fn last_due(&mut self, next: u64) -> u64 {
        let (started, first) = *self.started.get_or_insert((Instant::now(), next));
        let n_due = started.elapsed().as_nanos() * u128::from(self.events_per_second);
        first.saturating_add(u64::try_from(n_due / 1_000_000_000).unwrap_or(u64::MAX))
    }
}

impl SourceReader for NexmarkReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        // The split that is behind, so that event time goes on evenly.
        let next = self.splits.iter_mut().min_by_key(|split| split.next);
        let Some(split) = next.filter(|split| split.next < self.n_events) else {
            return Ok(match self.stays {
                true => SourcePoll::Idle(MAX_IDLE),
                false => SourcePoll::End,
            });
        };
        let mut n_allowed = (self.n_events - split.next).min(max_rows as u64);
        if let Some(pace) = &mut self.pace {
            let last_due = pace.last_due(split.next);
            let Some(n_due) = (last_due + 1)
                .checked_sub(split.next)
                .filter(|&n_due| n_due > 0)
            else {
                let wait_ns = (split.next - last_due)
                    .saturating_mul(1_000_000_000)
                    .checked_div(pace.events_per_second)
                    .unwrap_or(0);
                let wait = Duration::from_nanos(wait_ns);
                return Ok(SourcePoll::Idle(
                    wait.clamp(Duration::from_millis(1), MAX_IDLE),
                ));
            };
            n_allowed = n_allowed.min(n_due);
        }
        let events = split.take(n_allowed);
        let n_rows = usize::try_from(events.end - events.start).unwrap_or(0);
        let columns = self.columns.make(&self.settings, events)?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(SourcePoll::Rows(Delta::insert_only(batch)))
    }

    fn position(&self) -> Value {
        json!({ "splits": self.splits })
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        self.splits = splits_of(position)?;
        Ok(())
    }
}
