//! Sessions that read and write topics of a cluster within this process.
#![allow(clippy::unwrap_used, reason = "tests")]

mod reading;
mod writing;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::data::{Delta, text};
use tidemill_engine::runtime::{JobHandle, JobStatus};
use tidemill_engine::session::{ResultContent, Session};

const LONG: Duration = Duration::from_secs(30);

/// A message as a test writes it and reads it: key, value.
type Pair<'a> = (Option<&'a str>, Option<&'a str>);

struct Setup {
    cluster: MockCluster<'static, DefaultProducerContext>,
    saved: tempfile::TempDir,
}

impl Setup {
    /// A broker with topics and their numbers of partitions.
    fn new(topics: &[(&str, i32)]) -> Self {
        crate::register();
        let cluster = MockCluster::new(1).unwrap();
        for (topic, n_partitions) in topics {
            cluster.create_topic(topic, *n_partitions, 1).unwrap();
        }
        Self {
            cluster,
            saved: tempfile::tempdir().unwrap(),
        }
    }

    fn session(&self) -> Session {
        Session::new(BTreeMap::from([
            ("parallelism.default".to_owned(), "1".to_owned()),
            ("table.local-time-zone".to_owned(), "UTC".to_owned()),
            (
                "execution.checkpointing.dir".to_owned(),
                self.saved.path().display().to_string(),
            ),
            (
                "execution.checkpointing.savepoint-dir".to_owned(),
                self.saved.path().display().to_string(),
            ),
        ]))
    }

    /// Creates a table; `{…}` of its options are filled in.
    fn table(&self, session: &Session, name: &str, columns: &str, options: &str) {
        session.execute(&self.ddl(name, columns, options)).unwrap();
    }

    fn ddl(&self, name: &str, columns: &str, options: &str) -> String {
        format!(
            "CREATE TABLE {name} ({columns}) WITH ('properties.bootstrap.servers' = '{}', {options})",
            self.cluster.bootstrap_servers()
        )
    }

    fn send(&self, topic: &str, partition: i32, messages: &[Pair<'_>]) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .create()
            .unwrap();
        for (at, (key, value)) in (0..).zip(messages) {
            let mut record = BaseRecord::<str, str>::to(topic)
                .partition(partition)
                .timestamp(1_600_000_000_000 + at)
                .headers(OwnedHeaders::new().insert(Header {
                    key: "h",
                    value: Some("x"),
                }));
            record.key = *key;
            record.payload = *value;
            producer.send(record).unwrap();
        }
        producer.flush(LONG).unwrap();
    }

    /// The messages of a topic, by partition, as `partition:key=value`.
    fn received(&self, topic: &str, n_messages: usize) -> Vec<String> {
        let shown = |message: &BorrowedMessage<'_>| {
            let part = |bytes: Option<&[u8]>| {
                bytes.map_or("-".to_owned(), |bytes| {
                    String::from_utf8_lossy(bytes).into_owned()
                })
            };
            let mut text = String::new();
            let _ = write!(text, "{}:", message.partition());
            let _ = write!(text, "{}={}", part(message.key()), part(message.payload()));
            for header in message.headers().iter().flat_map(|headers| headers.iter()) {
                let _ = write!(text, " {}:{}", header.key, part(header.value));
            }
            text
        };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "tests")
            .set("isolation.level", "read_committed")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), LONG).unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut messages, started) = (Vec::new(), Instant::now());
        // A little longer than needed: what should not be there would come.
        while messages.len() < n_messages && started.elapsed() < LONG {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                messages.push((message.partition(), message.offset(), shown(&message)));
            }
        }
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            messages.push((message.partition(), message.offset(), shown(&message)));
        }
        messages.sort();
        messages.into_iter().map(|(_, _, text)| text).collect()
    }
}

/// The rows of a query, as many as asked for, or all if it ends before.
fn rows(session: &Session, sql: &str, n_rows: usize) -> Vec<String> {
    let result = match session.execute(sql) {
        Ok(result) => result,
        Err(error) => return vec![error.to_string()],
    };
    let ResultContent::Changes(stream) = &result.content else {
        panic!("no changes")
    };
    let mut lines = Vec::new();
    while lines.len() < n_rows {
        match stream.next(LONG) {
            Ok(ChangeEvent::Delta(delta)) => lines.extend(shown(&delta)),
            Ok(ChangeEvent::End) => break,
            Ok(ChangeEvent::Timeout) => {
                lines.push("nothing came".to_owned());
                break;
            }
            Err(error) => {
                lines.push(error.to_string());
                break;
            }
        }
    }
    lines
}

fn shown(delta: &Delta) -> Vec<String> {
    let text = text::print_deltas(std::slice::from_ref(delta)).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn insert(session: &Session, sql: &str) -> JobHandle {
    session.execute(sql).unwrap().job.unwrap()
}

fn finish(job: &JobHandle) {
    match job.wait(Some(LONG)) {
        JobStatus::Finished => {}
        other => panic!("{other:?}"),
    }
}

const JSON: &str = "'connector' = 'kafka', 'topic' = 't', 'format' = 'json', \
                    'scan.startup.mode' = 'earliest-offset'";
const BOUNDED: &str = "'scan.bounded.mode' = 'latest-offset'";

/// Stops a job with a savepoint and gives the savepoint's folder.
fn saved(job: &JobHandle) -> String {
    let pending = job.stop_with_savepoint(None, false).unwrap();
    let folder = pending.wait(LONG).unwrap().unwrap();
    finish(job);
    folder.display().to_string()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
