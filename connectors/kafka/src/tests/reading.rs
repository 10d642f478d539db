//! What comes out of topics.

use super::*;

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
