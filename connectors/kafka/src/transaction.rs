//! `sink.delivery-guarantee` = `exactly-once`: records and checkpoints come to be together.
//!
//! ```text
//!   write    records wait in memory
//!   prepare  … and become part of the checkpoint
//!   commit   the checkpoint is complete: one transaction sends them, and notes its number
//!   restore  the number that is noted says whether the records of the checkpoint are there: if not,
//!            they are sent now
//! ```
//!
//! librdkafka cannot go on with a transaction that a process before it has begun, as Flink's
//! connector does with Java's client; so none is open while a checkpoint is written. The number is an
//! offset of a consumer group of the sink's own, which is written in the same transaction, with the
//! name of the job beside it. Who reads with `isolation.level` = `read_committed` sees each record
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::builder::{BinaryBuilder, MapBuilder, StringBuilder};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidemill_engine::state::StateTable;
use tidemill_engine::{EngineError, Result};

use crate::options::Settings;
use crate::producer::{Cancelled, Partitioner, Producer};
use crate::properties::{client_config, of_creation};
use crate::record::{Record, headers_at};

/// The table of records in a checkpoint.
const RECORDS: &str = "records";
/// The table with the job's name.
const JOB: &str = "job";

/// How long one call of the coordinator takes at most; it is repeated.
const CALL: Duration = Duration::from_millis(500);

/// How long a transaction may take altogether.
const PATIENCE: Duration = Duration::from_secs(60);

/// The records of a checkpoint that are not sent yet.
type Prepared = (u64, Vec<Record>);

/// Sends records in transactions.
pub(crate) struct Transactions {
    producer: Producer,
    settings: Arc<Settings>,
    /// The consumer group whose offset is the number of the last checkpoint.
    group: String,
    marks: BaseConsumer,
    /// Tells jobs of one prefix apart.
    job: String,
    /// Since the last checkpoint.
    waiting: Vec<Record>,
    prepared: Vec<Prepared>,
    /// The greatest number so far.
    checkpoint: u64,
    n_bytes: usize,
}

impl Transactions {
    /// Asks for the transactions of `prefix`: whoever had them can write no more.
    ///
    /// # Errors
    /// If the brokers do not answer, or a property is unknown.
    pub(crate) fn begin(
        settings: &Arc<Settings>,
        partitioner: Partitioner,
        cancelled: &Cancelled,
        prefix: &str,
    ) -> Result<Self> {
        // What is not delivered by then cannot be part of its transaction any more.
        let timeout = settings.properties.get("transaction.timeout.ms");
        let own = BTreeMap::from([
            ("transactional.id", format!("{prefix}-0")),
            (
                "message.timeout.ms",
                timeout.map_or("60000", String::as_str).to_owned(),
            ),
        ]);
        let producer = Producer::connect(settings, partitioner, cancelled, &own)?;
        let group = format!("{prefix}-checkpoints");
        let mut config = client_config(settings)?;
        config.set("group.id", &group);
        config.set("enable.auto.commit", "false");
        let marks = config
            .create()
            .map_err(|error| of_creation(settings, &error))?;
        let this = Self {
            producer,
            settings: Arc::clone(settings),
            group,
            marks,
            job: format!("{:032x}", rand::random::<u128>()),
            waiting: Vec::new(),
            prepared: Vec::new(),
            checkpoint: 0,
            n_bytes: 0,
        };
        this.repeat("begin of transactions", |producer| {
            producer.client().init_transactions(CALL)
        })?;
        Ok(this)
    }

    /// Takes a record for the next transaction.
    pub(crate) fn put(&mut self, record: Record) {
        self.n_bytes += record.n_bytes();
        self.waiting.push(record);
    }

    /// About the memory of the records that wait.
    pub(crate) const fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// The records that wait belong to a checkpoint now.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn prepare(&mut self, checkpoint: u64) -> Result<Vec<StateTable>> {
        self.checkpoint = self.checkpoint.max(checkpoint);
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.prepared.push((checkpoint, waiting));
        }
        let job: ArrayRef = Arc::new(StringArray::from(vec![self.job.as_str()]));
        let table = |name, batch| StateTable {
            name,
            batch,
            key_columns: Vec::new(),
        };
        Ok(vec![
            table(RECORDS, to_batch(&self.prepared)?),
            table(JOB, RecordBatch::try_from_iter([("job", job)])?),
        ])
    }

    /// Sends what was prepared for a checkpoint and those before it.
    ///
    /// # Errors
    /// If the brokers do not take it: the job has to begin again from the checkpoint.
    pub(crate) fn commit(&mut self, checkpoint: u64) -> Result<()> {
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.prepared)
            .into_iter()
            .partition(|(number, _)| *number <= checkpoint);
        self.prepared = rest;
        let records: Vec<Record> = due.into_iter().flat_map(|(_, records)| records).collect();
        self.send(&records, checkpoint)
    }

    /// Sends all there is.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn commit_all(&mut self) -> Result<()> {
        let prepared = std::mem::take(&mut self.prepared).into_iter();
        let waiting = std::mem::take(&mut self.waiting);
        let records: Vec<Record> = prepared
            .flat_map(|(_, records)| records)
            .chain(waiting)
            .collect();
        self.send(&records, self.checkpoint)
    }

    /// Goes on from a checkpoint, whose records may have been sent or not.
    ///
    /// # Errors
    /// If the tables are not of this sink, or the brokers do not answer.
    pub(crate) fn restore(&mut self, tables: &[StateTable]) -> Result<()> {
        let find = |name: &str| tables.iter().find(|table| table.name == name);
        let job = find(JOB).and_then(|table| table.batch.column(0).as_string_opt::<i32>());
        let job = job
            .filter(|job| job.len() == 1)
            .map(|job| job.value(0).to_owned());
        let (Some(job), Some(records)) = (job, find(RECORDS)) else {
            return Err(EngineError::internal("the records of something else"));
        };
        self.job = job;
        let prepared = of_batch(&records.batch)?;
        let Some(&(checkpoint, _)) = prepared.last() else {
            return Ok(());
        };
        self.checkpoint = checkpoint;
        let noted = self.noted(&prepared)?;
        let records: Vec<Record> = prepared
            .into_iter()
            .filter(|(number, _)| noted.is_none_or(|noted| *number > noted))
            .flat_map(|(_, records)| records)
            .collect();
        self.send(&records, checkpoint)
    }

    /// The place of the number: the first partition of the topic of a record.
    fn place(record: &Record, offset: Offset, job: &str) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        let mut place = list.add_partition(&record.topic, 0);
        place.set_offset(offset)?;
        place.set_metadata(job);
        Ok(list)
    }

    /// The checkpoint whose records are there; none if none are of this job.
    fn noted(&self, prepared: &[Prepared]) -> Result<Option<u64>> {
        let mut topics: Vec<&Record> = Vec::new();
        for record in prepared.iter().flat_map(|(_, records)| records) {
            if topics.iter().all(|known| known.topic != record.topic) {
                topics.push(record);
            }
        }
        let mut noted = None;
        for record in topics {
            let list = Self::place(record, Offset::Invalid, "")
                .map_err(|error| self.producer.error(error))?;
            let answer = self.marks.committed_offsets(list, PATIENCE);
            let answer = answer.map_err(|error| {
                self.producer
                    .explained(format!("offsets of group '{}': {error}", self.group))
            })?;
            for element in answer.elements() {
                if let Offset::Offset(number) = element.offset()
                    && element.metadata() == self.job
                {
                    noted = noted.max(u64::try_from(number).ok());
                }
            }
        }
        Ok(noted)
    }

    /// One transaction.
    fn send(&mut self, records: &[Record], checkpoint: u64) -> Result<()> {
        self.n_bytes = self.waiting.iter().map(Record::n_bytes).sum::<usize>()
            + self
                .prepared
                .iter()
                .flat_map(|(_, records)| records)
                .map(Record::n_bytes)
                .sum::<usize>();
        let Some(first) = records.first() else {
            return Ok(());
        };
        let sent = self.transact(records, first, checkpoint);
        if sent.is_err() {
            // The error is told; a transaction that is not ended is given up by its time-out.
            let _ = self.producer.client().abort_transaction(CALL);
        }
        sent
    }

    fn transact(&self, records: &[Record], first: &Record, checkpoint: u64) -> Result<()> {
        let begun = self.producer.client().begin_transaction();
        begun.map_err(|error| self.producer.explained(error))?;
        for record in records {
            self.producer.send(record)?;
        }
        self.producer.flush()?;
        let number = i64::try_from(checkpoint).unwrap_or(i64::MAX);
        let group = self.group_metadata()?;
        self.repeat("note of the checkpoint", |producer| {
            let list = Self::place(first, Offset::Offset(number), &self.job)?;
            let client = producer.client();
            client.send_offsets_to_transaction(&list, &group, CALL)
        })?;
        self.repeat("end of the transaction", |producer| {
            producer.client().commit_transaction(CALL)
        })
    }

    fn group_metadata(&self) -> Result<ConsumerGroupMetadata> {
        let group = self.marks.group_metadata();
        group.ok_or_else(|| EngineError::internal("a consumer has a group"))
    }

    /// Calls until the coordinator has answered.
    fn repeat(
        &self,
        what: &str,
        call: impl Fn(&Producer) -> std::result::Result<(), KafkaError>,
    ) -> Result<()> {
        let started = std::time::Instant::now();
        loop {
            let error = match call(&self.producer) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_over = started.elapsed() > PATIENCE || self.producer.is_cancelled();
            if !is_passing(&error) || is_over {
                let servers = self.settings.properties.get("bootstrap.servers");
                return Err(self.producer.explained(format!(
                    "{what}, brokers '{}': {error}",
                    servers.map_or("", String::as_str)
                )));
            }
            self.producer.look(Duration::ZERO)?;
        }
    }
}

/// Whether the same call may succeed later.
fn is_passing(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => RDKafkaError::is_retriable(error),
        error => error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut),
    }
}

/// Records as a table.
fn to_batch(prepared: &[Prepared]) -> Result<RecordBatch> {
    let records = || {
        let all = prepared.iter();
        all.flat_map(|(number, records)| records.iter().map(move |record| (*number, record)))
    };
    let numbers: Int64Array = records()
        .map(|(number, _)| i64::try_from(number).ok())
        .collect();
    let topics: StringArray = records().map(|(_, record)| Some(&*record.topic)).collect();
    let (mut keys, mut values) = (BinaryBuilder::new(), BinaryBuilder::new());
    let mut headers = MapBuilder::new(None, StringBuilder::new(), BinaryBuilder::new());
    for (_, record) in records() {
        keys.append_option(record.key.as_deref());
        values.append_option(record.value.as_deref());
        for (name, value) in &record.headers {
            headers.keys().append_value(name);
            headers.values().append_option(value.as_deref());
        }
        headers.append(true)?;
    }
    let times: Int64Array = records().map(|(_, record)| record.timestamp_ms).collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("checkpoint", Arc::new(numbers)),
        ("topic", Arc::new(topics)),
        ("key", Arc::new(keys.finish())),
        ("value", Arc::new(values.finish())),
        ("timestamp_ms", Arc::new(times)),
        ("headers", Arc::new(headers.finish())),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    )?)
}

/// The records of a table, by checkpoint.
fn of_batch(batch: &RecordBatch) -> Result<Vec<Prepared>> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.ok_or_else(|| EngineError::internal("the records of something else"))
    };
    let numbers = column("checkpoint")?.as_primitive::<Int64Type>();
    let topics = column("topic")?.as_string::<i32>();
    let (keys, values) = (
        column("key")?.as_binary::<i32>(),
        column("value")?.as_binary::<i32>(),
    );
    let times = column("timestamp_ms")?.as_primitive::<Int64Type>();
    let headers = column("headers")?;
    let mut prepared: Vec<Prepared> = Vec::new();
    for row_idx in 0..batch.num_rows() {
        let bytes = |column: &arrow::array::BinaryArray| {
            column
                .is_valid(row_idx)
                .then(|| column.value(row_idx).to_vec())
        };
        let record = Record {
            topic: Arc::from(topics.value(row_idx)),
            key: bytes(keys),
            value: bytes(values),
            timestamp_ms: times.is_valid(row_idx).then(|| times.value(row_idx)),
            headers: headers_at(headers, row_idx),
        };
        let number = u64::try_from(numbers.value(row_idx)).unwrap_or_default();
        match prepared.last_mut() {
            Some((known, records)) if *known == number => records.push(record),
            _ => prepared.push((number, vec![record])),
        }
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn records_come_back_from_a_checkpoint() {
        let record = |key: Option<&[u8]>, value: Option<&[u8]>, headers| Record {
            topic: Arc::from("t"),
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            timestamp_ms: value.map(|_| 7),
            headers,
        };
        let prepared = vec![
            (1, vec![record(None, Some(b""), Vec::new())]),
            (
                3,
                vec![
                    record(Some(b"k"), None, vec![("h".to_owned(), None)]),
                    record(
                        Some(b""),
                        Some(b"v"),
                        vec![("h".to_owned(), Some(vec![0, 255]))],
                    ),
                ],
            ),
        ];
        assert_eq!(of_batch(&to_batch(&prepared).unwrap()).unwrap(), prepared);
        assert_eq!(of_batch(&to_batch(&[]).unwrap()).unwrap(), []);
    }
}
