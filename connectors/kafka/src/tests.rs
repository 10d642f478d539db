//! Sessions that read and write topics of a cluster within this process.
#![allow(clippy::unwrap_used, reason = "tests")]

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

#[test]
fn rows_go_round() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    setup.table(&session, "t", "id INT, name STRING", JSON);
    finish(&insert(
        &session,
        "INSERT INTO t VALUES (1, 'a'), (2, 'b\nc'), (3, CAST(NULL AS STRING))",
    ));
    assert_eq!(
        setup.received("t", 3),
        [
            r#"0:-={"id":1,"name":"a"}"#,
            r#"0:-={"id":2,"name":"b\nc"}"#,
            r#"0:-={"id":3,"name":null}"#
        ]
    );
    assert_eq!(
        rows(&session, "SELECT * FROM t", 3),
        ["+I | 1 | a", "+I | 2 | b", "c", "+I | 3 | NULL"]
    );
    let bounded = format!("SELECT COUNT(*) FROM t /*+ OPTIONS({BOUNDED}) */");
    assert_eq!(rows(&session, &bounded, 99).last().unwrap(), "+U | 3");
}

#[test]
fn an_unbounded_query_stops_at_once() {
    let setup = Setup::new(&[("t", 2)]);
    let session = setup.session();
    setup.table(&session, "t", "id INT", JSON);
    setup.send("t", 0, &[(None, Some("{\"id\":1}"))]);
    let result = session.execute("SELECT * FROM t").unwrap();
    let ResultContent::Changes(stream) = &result.content else {
        panic!("no changes")
    };
    assert!(matches!(stream.next(LONG), Ok(ChangeEvent::Delta(_))));
    let job = result.job.clone().unwrap();
    let started = Instant::now();
    job.stop();
    job.wait(Some(LONG));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn messages_are_records_whatever_is_in_them() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    let messages = [
        (None, Some("{\"id\":\n1}")),
        (None, None),
        (None, Some("[{\"id\":2},{\"id\":3}]")),
        (None, Some("{\"id\":4} tail")),
    ];
    setup.send("t", 0, &messages);
    let columns = "id INT, o BIGINT METADATA FROM 'offset' VIRTUAL";
    setup.table(&session, "t", columns, &format!("{JSON}, {BOUNDED}"));
    assert_eq!(
        rows(&session, "SELECT * FROM t", 9),
        ["+I | 1 | 0", "+I | 2 | 2", "+I | 3 | 2", "+I | 4 | 3"]
    );
}

#[test]
fn metadata_is_read() {
    let setup = Setup::new(&[("t", 2)]);
    let session = setup.session();
    setup.send("t", 1, &[(Some("k"), Some("v")), (None, Some("w"))]);
    let columns = "v STRING, topic STRING METADATA VIRTUAL, p INT METADATA FROM 'partition', \
                   `offset` BIGINT METADATA VIRTUAL, `timestamp` TIMESTAMP(3) METADATA, \
                   t STRING METADATA FROM 'timestamp-type' VIRTUAL, \
                   headers MAP<STRING, BYTES> METADATA VIRTUAL";
    let options = format!("{}, {BOUNDED}", JSON.replace("json", "raw"));
    setup.table(&session, "t", columns, &options);
    assert_eq!(
        rows(
            &session,
            "SELECT v, topic, p, `offset`, CAST(`timestamp` AS STRING), t, \
             CAST(headers['h'] AS STRING) FROM t",
            9
        ),
        [
            "+I | v | t | 1 | 0 | 2020-09-13 12:26:40.000 | CreateTime | x",
            "+I | w | t | 1 | 1 | 2020-09-13 12:26:40.001 | CreateTime | x"
        ]
    );
}

#[test]
fn keys_have_a_format_and_names_of_their_own() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    let options = "'connector' = 'kafka', 'topic' = 't', 'scan.startup.mode' = 'earliest-offset', \
                   'key.format' = 'json', 'key.fields' = 'k_id;k_x', 'key.fields-prefix' = 'k_', \
                   'value.format' = 'csv', 'value.csv.field-delimiter' = '|', \
                   'value.fields-include' = 'EXCEPT_KEY', 'scan.bounded.mode' = 'latest-offset'";
    setup.table(
        &session,
        "t",
        "k_id INT, v STRING, k_x STRING, w INT",
        options,
    );
    finish(&insert(&session, "INSERT INTO t VALUES (1, 'a', 'x', 10)"));
    assert_eq!(setup.received("t", 1), [r#"0:{"id":1,"x":"x"}="a"|10"#]);
    // A message without a key has no row; one with several keys has as many.
    setup.send(
        "t",
        0,
        &[
            (None, Some("lost|1")),
            (Some("[{\"id\":2},{\"id\":3}]"), Some("b|20")),
        ],
    );
    assert_eq!(
        rows(&session, "SELECT w, k_id, v FROM t", 9),
        ["+I | 10 | 1 | a", "+I | 20 | 2 | b", "+I | 20 | 3 | b"]
    );
}

#[test]
fn what_cannot_be_read_is_named_or_skipped() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    setup.send(
        "t",
        0,
        &[
            (None, Some("{\"id\":1}")),
            (None, Some("{\"id\":\"x\"")),
            (None, Some("{\"id\":3}")),
        ],
    );
    setup.table(&session, "t", "id INT", &format!("{JSON}, {BOUNDED}"));
    let failed = rows(&session, "SELECT * FROM t", 9);
    let expected = "value of topic 't', partition 0, offset 1";
    assert!(failed.last().unwrap().contains(expected), "{failed:?}");
    let lenient = "SELECT * FROM t /*+ OPTIONS('json.ignore-parse-errors' = 'true') */";
    assert_eq!(rows(&session, lenient, 9), ["+I | 1", "+I | 3"]);
}

#[test]
fn reading_begins_and_ends_where_it_is_told() {
    let setup = Setup::new(&[("t", 2)]);
    let session = setup.session();
    let message = |n: usize| format!("{{\"id\":{n}}}");
    let texts: Vec<String> = (0..5).map(message).collect();
    let messages: Vec<Pair<'_>> = texts
        .iter()
        .map(|text| (None, Some(text.as_str())))
        .collect();
    setup.send("t", 0, &messages);
    setup.table(
        &session,
        "t",
        "id INT",
        "'connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'properties.group.id' = 'g'",
    );
    let read = |options: &str| {
        let sql = format!("SELECT * FROM t /*+ OPTIONS({options}) */");
        rows(&session, &sql, 9).join(" ").replace("+I | ", "")
    };
    let specific = "'scan.startup.mode' = 'specific-offsets', \
                    'scan.startup.specific-offsets' = 'partition:0,offset:3'";
    assert_eq!(read(&format!("{specific}, {BOUNDED}")), "3 4");
    let until = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = \
                 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:2'";
    assert_eq!(read(until), "0 1");
    assert_eq!(
        read(&format!("'scan.startup.mode' = 'latest-offset', {BOUNDED}")),
        ""
    );
    let none = read(BOUNDED);
    assert!(
        none.contains("undefined offset with no reset policy"),
        "{none}"
    );
    let reset = "'properties.auto.offset.reset' = 'earliest'";
    assert_eq!(read(&format!("{reset}, {BOUNDED}")), "0 1 2 3 4");
}

#[test]
fn upserts_are_read_and_written() {
    let setup = Setup::new(&[("u", 1)]);
    let session = setup.session();
    let options = "'connector' = 'upsert-kafka', 'topic' = 'u', 'key.format' = 'json', \
                   'value.format' = 'json'";
    let columns = "region STRING, n BIGINT NOT NULL, PRIMARY KEY (region) NOT ENFORCED";
    setup.table(&session, "u", columns, options);
    let rows_of = "(VALUES ('a', 1), ('b', 2), ('a', 3)) AS v(region, n)";
    finish(&insert(
        &session,
        &format!("INSERT INTO u SELECT region, SUM(n) FROM {rows_of} GROUP BY region"),
    ));
    let sent = setup.received("u", 3);
    assert_eq!(
        sent,
        [
            r#"0:{"region":"a"}={"region":"a","n":1}"#,
            r#"0:{"region":"b"}={"region":"b","n":2}"#,
            r#"0:{"region":"a"}={"region":"a","n":4}"#
        ]
    );
    setup.send("u", 0, &[(Some("{\"region\":\"b\"}"), None)]);
    let read = format!("SELECT * FROM u /*+ OPTIONS({BOUNDED}) */");
    assert_eq!(
        rows(&session, &read, 9),
        [
            "+I | a | 1",
            "+I | b | 2",
            "-U | a | 1",
            "+U | a | 4",
            "-D | b | 2"
        ]
    );
    finish(&insert(
        &session,
        &format!(
            "INSERT INTO u /*+ OPTIONS('value.fields-include' = 'EXCEPT_KEY') */ \
                  SELECT region, n FROM u /*+ OPTIONS({BOUNDED}) */"
        ),
    ));
    let again = setup.received("u", 9);
    assert_eq!(
        again[4..],
        [
            r#"0:{"region":"a"}={"n":1}"#,
            r#"0:{"region":"b"}={"n":2}"#,
            r#"0:{"region":"a"}={"n":4}"#,
            r#"0:{"region":"b"}=-"#
        ]
    );
}

#[test]
fn of_a_key_only_the_last_row_is_sent() {
    let setup = Setup::new(&[("u", 1)]);
    let session = setup.session();
    let options = "'connector' = 'upsert-kafka', 'topic' = 'u', 'key.format' = 'raw', \
                   'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY', \
                   'sink.buffer-flush.max-rows' = '100', 'sink.buffer-flush.interval' = '1 h'";
    setup.table(
        &session,
        "u",
        "k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED",
        options,
    );
    finish(&insert(
        &session,
        "INSERT INTO u SELECT k, COUNT(*) FROM (VALUES ('a'), ('b'), ('a')) AS v(k) GROUP BY k",
    ));
    assert_eq!(setup.received("u", 2), [r#"0:a={"n":2}"#, r#"0:b={"n":1}"#]);
}

#[test]
fn rows_name_topic_time_and_headers() {
    let setup = Setup::new(&[("a", 1), ("b", 1)]);
    let session = setup.session();
    let options = "'connector' = 'kafka', 'topic' = 'a;b', 'format' = 'json', \
                   'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'";
    let columns = "id INT, topic STRING METADATA, h MAP<STRING, BYTES> METADATA FROM 'headers', \
                   ts TIMESTAMP_LTZ(6) METADATA FROM 'timestamp'";
    setup.table(&session, "t", columns, options);
    finish(&insert(
        &session,
        "INSERT INTO t VALUES (1, 'a', MAP['x', CAST('1' AS BYTES)], \
         TO_TIMESTAMP_LTZ(5000, 3)), (2, 'b', CAST(NULL AS MAP<STRING, BYTES>), \
         TO_TIMESTAMP_LTZ(6000, 3))",
    ));
    assert_eq!(setup.received("a", 1), [r#"0:-={"id":1} x:1"#]);
    assert_eq!(setup.received("b", 1), [r#"0:-={"id":2}"#]);
    let mut read = rows(&session, "SELECT id, topic, CAST(ts AS STRING) FROM t", 9);
    read.sort();
    assert_eq!(
        read,
        [
            "+I | 1 | a | 1970-01-01 00:00:05.000000",
            "+I | 2 | b | 1970-01-01 00:00:06.000000"
        ]
    );
    let job = insert(
        &session,
        "INSERT INTO t SELECT 1, 'c', CAST(NULL AS MAP<STRING, BYTES>), \
         CAST(NULL AS TIMESTAMP_LTZ(6))",
    );
    let JobStatus::Failed(error) = job.wait(Some(LONG)) else {
        panic!("a topic of another table")
    };
    assert!(
        error.to_string().contains("none of the table's: a, b"),
        "{error}"
    );
}

#[test]
fn changes_are_read_by_their_format() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    setup.send(
        "t",
        0,
        &[
            (None, Some(r#"{"before":null,"after":{"id":1,"v":"a"},"op":"c"}"#)),
            (None, None),
            (
                None,
                Some("{\"before\":{\"id\":1,\"v\":\"a\"},\n\"after\":{\"id\":1,\"v\":\"b\"},\"op\":\"u\"}"),
            ),
        ],
    );
    let options = format!("{}, {BOUNDED}", JSON.replace("json", "debezium-json"));
    let columns =
        "id INT, v STRING, o BIGINT METADATA FROM 'offset', PRIMARY KEY (id) NOT ENFORCED";
    setup.table(&session, "t", columns, &options);
    assert_eq!(
        rows(&session, "SELECT * FROM t", 9),
        ["+I | 1 | a | 0", "-U | 1 | a | 2", "+U | 1 | b | 2"]
    );
}

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

#[test]
fn a_job_goes_on_where_it_was_and_tells_its_group() {
    let setup = Setup::new(&[("t", 3), ("results", 1)]);
    let session = setup.session();
    let options = format!("{JSON}, 'properties.group.id' = 'readers'");
    setup.table(&session, "t", "id INT", &options);
    setup.table(
        &session,
        "results",
        "id INT",
        &JSON.replace("'t'", "'results'"),
    );
    for partition in 0..3 {
        let text = format!("{{\"id\":{partition}}}");
        setup.send("t", partition, &[(None, Some(&text))]);
    }
    let job = insert(&session, "INSERT INTO results SELECT id FROM t");
    assert_eq!(setup.received("results", 3).len(), 3);
    let folder = saved(&job);
    setup.send("t", 1, &[(None, Some("{\"id\":7}"))]);
    session
        .set_config("execution.state-recovery.path", &folder)
        .unwrap();
    session.set_config("parallelism.default", "2").unwrap();
    let job = insert(&session, "INSERT INTO results SELECT id FROM t");
    assert_eq!(setup.received("results", 4)[3..], [r#"0:-={"id":7}"#]);
    job.stop();
    // The group has been told of what the savepoint had.
    session.reset_config(Some("execution.state-recovery.path"));
    let group =
        format!("SELECT * FROM t /*+ OPTIONS('scan.startup.mode' = 'group-offsets', {BOUNDED}) */");
    assert_eq!(rows(&session, &group, 9), ["+I | 7"]);
}

/// The cluster within the process forgets offsets that are written in transactions, so this does not
/// tell whether a restore knows that they are there.
#[test]
fn records_come_with_their_checkpoint() {
    let setup = Setup::new(&[("t", 1), ("results", 1)]);
    let session = setup.session();
    setup.table(&session, "t", "id INT", JSON);
    let exactly =
        "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x'";
    let options = format!("{}, {exactly}", JSON.replace("'t'", "'results'"));
    setup.table(&session, "results", "id INT", &options);
    session
        .set_config("execution.checkpointing.interval", "1 h")
        .unwrap();
    setup.send("t", 0, &[(None, Some("{\"id\":1}"))]);
    let job = insert(&session, "INSERT INTO results SELECT id FROM t");
    wait_until("a row", || job.metrics().records_in > 0);
    assert_eq!(setup.received("results", 0), [""; 0]);
    job.checkpoint().unwrap().wait(LONG).unwrap();
    assert_eq!(setup.received("results", 1), [r#"0:-={"id":1}"#]);
    setup.send("t", 0, &[(None, Some("{\"id\":2}"))]);
    wait_until("a row", || job.metrics().records_in > 1);
    saved(&job);
    assert_eq!(
        setup.received("results", 2),
        [r#"0:-={"id":1}"#, r#"0:-={"id":2}"#]
    );
}

#[test]
fn new_partitions_and_topics_are_found() {
    let setup = Setup::new(&[("log-1", 1), ("other", 1)]);
    let session = setup.session();
    let options = "'connector' = 'kafka', 'topic-pattern' = 'log-.*', 'format' = 'raw', \
                   'scan.startup.mode' = 'latest-offset', \
                   'scan.topic-partition-discovery.interval' = '50 ms'";
    setup.table(&session, "t", "v STRING", options);
    let result = session.execute("SELECT * FROM t").unwrap();
    setup.cluster.create_topic("log-2", 1, 1).unwrap();
    setup.send("other", 0, &[(None, Some("no"))]);
    setup.send("log-2", 0, &[(None, Some("yes"))]);
    let ResultContent::Changes(stream) = &result.content else {
        panic!("no changes")
    };
    let Ok(ChangeEvent::Delta(delta)) = stream.next(LONG) else {
        panic!("no row")
    };
    assert_eq!(shown(&delta), ["+I | yes"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let setup = Setup::new(&[("t", 1)]);
    let session = setup.session();
    let refused = |name: &str, columns: &str, options: &str| {
        session.execute(&setup.ddl(name, columns, options)).unwrap();
        let read = session.execute(&format!("SELECT * FROM {name}"));
        read.map(|_| ()).unwrap_err().to_string()
    };
    let check = |name: &str, columns: &str, options: &str, expected: &str| {
        let message = refused(name, columns, options);
        assert!(message.contains(expected), "{message}");
    };
    let kafka = "'connector' = 'kafka', 'format' = 'json'";
    let both = format!("{kafka}, 'topic' = 't', 'topic-pattern' = 't'");
    check("a", "id INT", &both, "exclude each other");
    check("b", "id INT", kafka, "either 'topic' or 'topic-pattern'");
    let key = format!("{JSON}, 'key.fields' = 'id'");
    check("c", "id INT", &key, "only be declared if a key format");
    check(
        "d",
        "id INT, PRIMARY KEY (id) NOT ENFORCED",
        JSON,
        "with format 'json' cannot have a PRIMARY KEY",
    );
    let typo = format!("{JSON}, 'json.ignore-parse-error' = 'true'");
    check(
        "e",
        "id INT",
        &typo,
        "did you mean 'json.ignore-parse-errors'",
    );
    let property = format!("{JSON}, 'properties.no.such' = '1'");
    check(
        "f",
        "id INT",
        &property,
        "option 'properties.no.such' = '1'",
    );
    let parquet = JSON.replace("json", "parquet");
    check("g", "id INT", &parquet, "needs one of records");
    let upsert = "'connector' = 'upsert-kafka', 'topic' = 't', 'key.format' = 'json', \
                  'value.format' = 'json'";
    check("h", "id INT", upsert, "need a PRIMARY KEY");
    let unknown = JSON.replace("'t'", "'nowhere'");
    check("i", "id INT", &unknown, "topic 'nowhere'");
}

#[test]
fn a_broker_that_is_away_is_named() {
    crate::register();
    let session = Session::new(BTreeMap::new());
    session
        .execute(&format!(
            "CREATE TABLE t (id INT) WITH ('properties.bootstrap.servers' = '127.0.0.1:1', \
             'properties.default.api.timeout.ms' = '500', {JSON})"
        ))
        .unwrap();
    let message = session.execute("SELECT * FROM t").unwrap_err().to_string();
    assert!(
        message.contains("no broker of '127.0.0.1:1' answered within 500ms"),
        "{message}"
    );
}
