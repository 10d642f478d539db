//! Reads some partitions: what lies in their queues, as many messages at a time as there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Map, Value, json};
use tidemill_engine::connectors::{CommitPosition, SourcePoll, SourceReader};
use tidemill_engine::{EngineError, Result};

use crate::client::{Client, Partition, Voice};
use crate::offsets::Offsets;
use crate::rows::RowMaker;

/// Messages of so many bytes are decoded together at most.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// How long a reader that found nothing sleeps, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// How long new partitions are asked for: somebody waits for rows meanwhile.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(1);

/// What a reader is to read.
pub(crate) struct Plan {
    pub(crate) partitions: BTreeSet<Partition>,
    pub(crate) starts: Offsets,
    /// Behind the last message of a partition that ends.
    pub(crate) stops: Offsets,
    /// How often to look for new partitions, if this reader does.
    pub(crate) discovery: Option<Duration>,
    /// Whether the reader ends when its partitions have.
    pub(crate) is_bounded: bool,
}

/// A partition that is read.
struct Split {
    partition: Partition,
    queue: PartitionQueue<Voice>,
    /// The offset of the next message; unknown before the first one, if that is the very first.
    next: Option<i64>,
    stop: Option<i64>,
    ended: bool,
}

/// Reads a share of the partitions of a table.
pub(crate) struct KafkaReader {
    /// Empty until the first poll. Queues go before their consumer does.
    splits: Vec<Split>,
    client: Client,
    plan: Plan,
    rows: RowMaker,
    is_assigned: bool,
    /// The split that is looked at first, so that each has its turn.
    first: usize,
    pause: Duration,
    discovered: Instant,
}

impl KafkaReader {
    pub(crate) fn new(client: Client, plan: Plan, rows: RowMaker) -> Self {
        Self {
            splits: Vec::new(),
            client,
            plan,
            rows,
            is_assigned: false,
            first: 0,
            pause: PAUSES.0,
            discovered: Instant::now(),
        }
    }

    /// Begins to fetch from partitions.
    fn assign(&mut self, partitions: &BTreeSet<Partition>) -> Result<()> {
        let failed = |client: &Client, partition: &Partition, error: &KafkaError| {
            let Partition { topic, number } = partition;
            client.error(&format!("topic '{topic}', partition {number}"), error)
        };
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let next = self.plan.starts.get(partition).copied();
            let stop = self.plan.stops.get(partition).copied();
            let Partition { topic, number } = partition;
            let queue = self.client.consumer.split_partition_queue(topic, *number);
            let queue = queue.ok_or_else(|| {
                let error = KafkaError::Subscription("no such partition".to_owned());
                failed(&self.client, partition, &error)
            })?;
            let is_over = stop.is_some_and(|stop| next.unwrap_or_default() >= stop);
            if !is_over {
                let offset = next.map_or(Offset::Beginning, Offset::Offset);
                list.add_partition_offset(topic, *number, offset)
                    .map_err(|error| failed(&self.client, partition, &error))?;
            }
            self.splits.push(Split {
                partition: partition.clone(),
                queue,
                next,
                stop,
                ended: is_over,
            });
        }
        if list.count() == 0 {
            return Ok(());
        }
        let assigned = self.client.consumer.incremental_assign(&list);
        assigned.map_err(|error| self.client.error("begin of reading", &error))
    }

    /// Takes up partitions that have come since the last look.
    fn discover(&mut self) -> Result<()> {
        let Some(interval) = self.plan.discovery else {
            return Ok(());
        };
        if self.discovered.elapsed() < interval {
            return Ok(());
        }
        self.discovered = Instant::now();
        // While no broker answers there is nothing new to see; they are asked again.
        let Ok(mut partitions) = self.client.partitions(DISCOVERY_TIMEOUT) else {
            return Ok(());
        };
        let known = self.client.known.lock().clone();
        partitions.retain(|partition| !known.contains(partition));
        if partitions.is_empty() {
            return Ok(());
        }
        self.client.known.lock().extend(partitions.iter().cloned());
        // They begin at the beginning: what is in them came after the start of the job.
        self.assign(&partitions)
    }

    /// Takes messages that are there, up to `max_rows` and the limit of bytes.
    fn fetch(&mut self, max_rows: usize) -> Result<()> {
        let n_splits = self.splits.len();
        for turn in 0..n_splits {
            let split_idx = (self.first + turn) % n_splits;
            let Some(split) = self.splits.get_mut(split_idx) else {
                continue;
            };
            while !split.ended {
                if self.rows.len() >= max_rows || self.rows.n_bytes() >= MAX_BATCH_BYTES {
                    self.first = split_idx;
                    return Ok(());
                }
                let Some(polled) = split.queue.poll(Duration::ZERO) else {
                    break;
                };
                match polled {
                    Ok(message) => {
                        let offset = message.offset();
                        if split.stop.is_some_and(|stop| offset >= stop) {
                            split.ended = true;
                            break;
                        }
                        self.rows.push(split_idx, &message);
                        split.next = Some(offset + 1);
                        split.ended = split.stop.is_some_and(|stop| offset + 1 >= stop);
                    }
                    // What the end of bounded reading was is behind us, whatever its offset.
                    Err(KafkaError::PartitionEOF(_)) => split.ended = split.stop.is_some(),
                    Err(error) => check(&self.client, Some(&split.partition), &error)?,
                }
            }
        }
        self.first = self.first.wrapping_add(1);
        Ok(())
    }
}

/// Whether an error is the end: what librdkafka tries again by itself is none.
fn check(client: &Client, partition: Option<&Partition>, error: &KafkaError) -> Result<()> {
    let is_passing = match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::PartitionEOF,
        ) => true,
        Some(_) | None => false,
    };
    if is_passing {
        return Ok(());
    }
    let what = match partition {
        Some(Partition { topic, number }) => format!("topic '{topic}', partition {number}"),
        None => "brokers".to_owned(),
    };
    Err(client.error(&what, error))
}

impl SourceReader for KafkaReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        if !self.is_assigned {
            self.is_assigned = true;
            let partitions = self.plan.partitions.clone();
            self.assign(&partitions)?;
        }
        self.discover()?;
        // Errors that are of no partition, and the answers to commits.
        if let Some(Err(error)) = self.client.consumer.poll(Duration::ZERO) {
            check(&self.client, None, &error)?;
        }
        self.fetch(max_rows)?;
        if self.rows.len() > 0 {
            self.pause = PAUSES.0;
            let splits = &self.splits;
            let partition = |split_idx: usize| splits.get(split_idx).map(|split| &split.partition);
            return Ok(SourcePoll::Rows(self.rows.take(partition)?));
        }
        if self.plan.is_bounded && self.splits.iter().all(|split| split.ended) {
            return Ok(SourcePoll::End);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSES.1);
        Ok(SourcePoll::Idle(pause))
    }

    fn has_input(&self) -> bool {
        match self.is_assigned {
            true => !self.splits.is_empty(),
            false => !self.plan.partitions.is_empty(),
        }
    }

    fn position(&self) -> Value {
        let mut topics: Map<String, Value> = Map::new();
        let mut put = |partition: &Partition, offset: Option<i64>| {
            let numbers = topics
                .entry(partition.topic.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let (Some(numbers), Some(offset)) = (numbers.as_object_mut(), offset) {
                numbers.insert(partition.number.to_string(), json!(offset));
            }
        };
        match self.is_assigned {
            true => self
                .splits
                .iter()
                .for_each(|split| put(&split.partition, split.next)),
            false => self
                .plan
                .partitions
                .iter()
                .for_each(|partition| put(partition, self.plan.starts.get(partition).copied())),
        }
        Value::Object(topics)
    }

    fn committer(&self) -> Option<CommitPosition> {
        let properties = &self.client.settings.properties;
        let is_off = properties
            .get("commit.offsets.on.checkpoint")
            .is_some_and(|text| text.eq_ignore_ascii_case("false"));
        if is_off || !properties.contains_key("group.id") {
            return None;
        }
        let consumer = Arc::clone(&self.client.consumer);
        Some(Box::new(move |position| {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in of_position(position) {
                let offset = Offset::Offset(offset);
                // An offset is a number from zero on.
                let _ = list.add_partition_offset(&partition.topic, partition.number, offset);
            }
            // The group only shows how far the job is; the next checkpoint tells it again.
            let _ = consumer.commit(&list, CommitMode::Async);
        }))
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        let Some(_) = position.as_object() else {
            return Err(EngineError::internal("the position of something else"));
        };
        let known: Offsets = of_position(position).collect();
        // One that is not known came while the job stood still: all of it is new.
        self.plan.starts = known;
        self.plan
            .starts
            .retain(|partition, _| self.plan.partitions.contains(partition));
        Ok(())
    }
}

/// The offsets of a position.
fn of_position(position: &Value) -> impl Iterator<Item = (Partition, i64)> {
    let topics = position.as_object().into_iter().flatten();
    topics.flat_map(|(topic, numbers)| {
        let numbers = numbers.as_object().into_iter().flatten();
        numbers.filter_map(move |(number, offset)| {
            let partition = Partition {
                topic: topic.clone(),
                number: number.parse().ok()?,
            };
            Some((partition, offset.as_i64()?))
        })
    })
}
