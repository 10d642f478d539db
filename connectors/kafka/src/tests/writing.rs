//! What goes into topics, and what a job knows of them when it goes on.

use super::*;

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
